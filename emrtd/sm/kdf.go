package sm

import (
	"crypto/sha1"
	"crypto/sha256"
	"math/bits"
)

// Suite is the cipher of a secure messaging channel.
type Suite uint8

// Suites of ICAO Doc 9303-11 §9.8.
const (
	TDES Suite = iota + 1
	AES128
	AES192
	AES256
)

func (s Suite) String() string {
	switch s {
	case TDES:
		return "3des"
	case AES128:
		return "aes-128"
	case AES192:
		return "aes-192"
	case AES256:
		return "aes-256"
	}
	return "none"
}

// Valid tells whether s is one of the suites.
func (s Suite) Valid() bool { return s >= TDES && s <= AES256 }

// KeySize is the length of one key in bytes.
func (s Suite) KeySize() int {
	switch s {
	case AES192:
		return 24
	case AES256:
		return 32
	}
	return 16
}

// BlockSize is the cipher's block length and the length of the send sequence counter in bytes.
func (s Suite) BlockSize() int {
	if s == TDES {
		return 8
	}
	return 16
}

// Counters of the key derivation function.
const (
	CounterEnc = 1
	CounterMAC = 2
	CounterPi  = 3 // PACE password key
)

// KDF derives the key for a counter from a shared secret (ICAO Doc 9303-11 §9.7.1): SHA-1 for 3DES and
// AES-128, SHA-256 for the longer keys; the parity of 3DES keys is adjusted.
func (s Suite) KDF(secret []byte, counter byte) []byte {
	in := make([]byte, 0, len(secret)+4)
	in = append(append(in, secret...), 0, 0, 0, counter)
	defer clear(in)
	if s == AES192 || s == AES256 {
		h := sha256.Sum256(in)
		defer clear(h[:])
		return append([]byte(nil), h[:s.KeySize()]...)
	}
	h := sha1.Sum(in)
	defer clear(h[:])
	k := append([]byte(nil), h[:16]...)
	if s == TDES {
		for i, b := range k {
			k[i] = b&0xfe | byte(bits.OnesCount8(b&0xfe)+1)&1
		}
	}
	return k
}

// FromSecret starts a session with the keys derived from a shared secret and the counter at zero, as
// PACE and chip authentication do.
func FromSecret(s Suite, secret []byte) (*Session, error) {
	e, m := s.KDF(secret, CounterEnc), s.KDF(secret, CounterMAC)
	defer clear(e)
	defer clear(m)
	return New(s, e, m, make([]byte, s.BlockSize()))
}
