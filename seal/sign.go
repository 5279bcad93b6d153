package seal

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
)

// Alg is the signature algorithm: Ed25519 (RFC 8032).
const Alg = "ed25519"

// maxSignatures caps the list that is looked through.
const maxSignatures = 8

// ErrSignature says that no signature of a trusted key fits.
var ErrSignature = errors.New("seal: no valid signature of a trusted key")

// Signature is one signature over the exact bytes of a payload.
type Signature struct {
	Alg, Kid string
	Sig      []byte
}

// Signer signs with one key.
type Signer struct {
	key ed25519.PrivateKey
	kid string
}

// NewSigner makes a signer of a 32-byte seed or a 64-byte private key.
func NewSigner(key []byte) (*Signer, error) {
	switch len(key) {
	case ed25519.SeedSize:
		key = ed25519.NewKeyFromSeed(key)
	case ed25519.PrivateKeySize:
	default:
		return nil, fmt.Errorf("seal: signing key of %d bytes, 32 are expected", len(key))
	}
	s := &Signer{key: key}
	s.kid = KeyID(s.Public())
	return s, nil
}

// Public is the verification key.
func (s *Signer) Public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// KeyID names the key.
func (s *Signer) KeyID() string { return s.kid }

// Sign signs a payload of a kind (cmd, ans, lease …): a signature for one kind is none for another.
func (s *Signer) Sign(kind string, payload []byte) Signature {
	return Signature{Alg: Alg, Kid: s.kid, Sig: ed25519.Sign(s.key, context(kind, payload))}
}

// Keys are the trusted verification keys by their id.
type Keys map[string]ed25519.PublicKey

// Trust makes a set of keys.
func Trust(pubs ...ed25519.PublicKey) Keys {
	k := Keys{}
	for _, p := range pubs {
		k[KeyID(p)] = p
	}
	return k
}

// Verify finds a valid signature of a trusted key and returns that key's id. Signatures of unknown
// keys and algorithms are passed over: one good one is enough.
func (k Keys) Verify(kind string, payload []byte, sigs []Signature) (kid string, err error) {
	if len(sigs) > maxSignatures {
		return "", fmt.Errorf("%w: %d signatures", ErrSignature, len(sigs))
	}
	msg := context(kind, payload)
	for _, s := range sigs {
		pub, ok := k[s.Kid]
		if ok && s.Alg == Alg && len(pub) == ed25519.PublicKeySize && ed25519.Verify(pub, msg, s.Sig) {
			return s.Kid, nil
		}
	}
	return "", ErrSignature
}

func context(kind string, payload []byte) []byte {
	return append([]byte("egate/v1/"+kind+"\x00"), payload...)
}

// Crypto is the key for signing formats of their own, such as signed notes: their texts hold no zero
// byte, which every payload of Sign is preceded by, so that a signature for one is none for the other.
func (s *Signer) Crypto() crypto.Signer { return cryptoSigner{s.key} }

type cryptoSigner struct{ key ed25519.PrivateKey }

func (c cryptoSigner) Public() crypto.PublicKey { return c.key.Public() }

func (c cryptoSigner) Sign(_ io.Reader, msg []byte, opts crypto.SignerOpts) ([]byte, error) {
	return c.key.Sign(nil, msg, opts)
}
