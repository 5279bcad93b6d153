package dossier

import (
	"crypto/hpke"

	"egate/api"
)

// unseal opens a referral envelope with the session's private key.
func unseal(key []byte, env api.Envelope) ([]byte, error) {
	k, err := hpke.MLKEM768X25519().NewPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return hpke.Open(k, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte("egate/v1/referral\x00"+env.Gate+"\x00"+env.Passage), env.Sealed)
}
