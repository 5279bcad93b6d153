// Package seal hides and proves: HPKE envelopes (RFC 9180, MLKEM768-X25519, HKDF-SHA256, AES-256-GCM) for
// what only one recipient may read, and Ed25519 signatures over what must not be forged. Sealing does
// not authenticate its sender: whoever cares about the origin checks the signature over the envelope.
package seal

import (
	"crypto/hpke"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Purposes of an envelope. They are part of what is authenticated: an answer is never a dossier.
const (
	PurposeLookup   = "lookup"
	PurposeAnswer   = "ans"
	PurposeReferral = "referral"
)

// MaxSealed caps what is opened, bytes: a referral dossier with two photos is the largest.
const MaxSealed = 512 << 10

// ErrOpen says that an envelope is not for this key, purpose, gate and passage, or was changed.
var ErrOpen = errors.New("seal: envelope does not open")

// GenerateHPKE makes a key pair for MLKEM768-X25519: both as raw bytes.
func GenerateHPKE() (pub, priv []byte, err error) {
	k, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("seal: %w", err)
	}
	priv, err = k.Bytes()
	if err != nil {
		return nil, nil, fmt.Errorf("seal: %w", err)
	}
	return k.PublicKey().Bytes(), priv, nil
}

// Seal encrypts plain to a public key; gate and passage are bound to it. The result is the
// encapsulated key followed by the ciphertext.
func Seal(pub []byte, purpose, gate, passage string, plain []byte) ([]byte, error) {
	k, err := hpke.MLKEM768X25519().NewPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("seal: public key: %w", err)
	}
	out, err := hpke.Seal(k, hpke.HKDFSHA256(), hpke.AES256GCM(), info(purpose, gate, passage), plain)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return out, nil
}

// Open decrypts what Seal made for the same purpose, gate and passage.
func Open(priv []byte, purpose, gate, passage string, sealed []byte) ([]byte, error) {
	if len(sealed) > MaxSealed {
		return nil, fmt.Errorf("%w: %d bytes", ErrOpen, len(sealed))
	}
	k, err := hpke.MLKEM768X25519().NewPrivateKey(priv)
	if err != nil {
		return nil, fmt.Errorf("seal: private key: %w", err)
	}
	plain, err := hpke.Open(k, hpke.HKDFSHA256(), hpke.AES256GCM(), info(purpose, gate, passage), sealed)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// Public is the public half of a private key.
func Public(priv []byte) ([]byte, error) {
	k, err := hpke.MLKEM768X25519().NewPrivateKey(priv)
	if err != nil {
		return nil, fmt.Errorf("seal: private key: %w", err)
	}
	return k.PublicKey().Bytes(), nil
}

// KeyID names a public key: the first eight bytes of its SHA-256, hex.
func KeyID(pub []byte) string {
	h := sha256.Sum256(pub)
	return hex.EncodeToString(h[:8])
}

func info(purpose, gate, passage string) []byte {
	return []byte("egate/v1/" + purpose + "\x00" + gate + "\x00" + passage)
}
