package dossier

import (
	"egate/api"
	"egate/seal"
)

// unseal opens a referral envelope with the session's private key.
func unseal(key []byte, env api.Envelope) ([]byte, error) {
	return seal.Open(key, seal.PurposeReferral, env.Gate, env.Passage, env.Sealed)
}
