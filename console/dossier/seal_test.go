package dossier

import (
	"crypto/hpke"
	"crypto/sha256"
	"testing"
	"time"

	"egate/api"
	"egate/console"
)

// sealBytes seals as a gate's inspector does for a signed-in session.
func sealBytes(t testing.TB, plain []byte) console.SealedDossier {
	t.Helper()
	k, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	box, err := hpke.Seal(k.PublicKey(), hpke.HKDFSHA256(), hpke.AES256GCM(), []byte("egate/v1/referral\x00"+gate+"\x00"+passage), plain)
	if err != nil {
		t.Fatal(err)
	}
	priv, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	h, p := sha256.Sum256(box), sha256.Sum256(plain)
	return console.SealedDossier{PrivateKey: priv, Envelope: api.Envelope{
		Gate: gate, Passage: passage, Epoch: 1, Type: "referral", ExpiresAt: time.Now().Add(time.Minute), Sealed: box, Hash: h[:], PlainHash: p[:],
	}}
}
