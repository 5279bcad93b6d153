// Package bac is Basic Access Control (ICAO Doc 9303-11 §4.3): 3DES mutual authentication with keys
// derived from the MRZ. It is kept for chips without PACE; whether it may be used is a policy.
package bac

import (
	"context"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"egate/emrtd/iso7816"
	"egate/emrtd/sm"
)

// Errors that callers branch on.
var (
	// ErrPassword says that the chip refused the keys: the MRZ does not fit.
	ErrPassword = errors.New("bac: keys refused")
	// ErrChip says that the chip's answer is false.
	ErrChip = errors.New("bac: chip failed the protocol")
)

// Sizes of the exchanged values in bytes.
const (
	nonceSize = 8
	keySize   = 16
	sSize     = 2*nonceSize + keySize
	macSize   = 8
)

// Keys are the document basic access keys.
type Keys struct{ Enc, MAC []byte }

// KeySeed is the seed of both keys: the first 16 bytes of the SHA-1 of the MRZ information.
func KeySeed(info []byte) []byte {
	h := sha1.Sum(info)
	return append([]byte(nil), h[:keySize]...)
}

// DeriveKeys derives the keys from a seed.
func DeriveKeys(seed []byte) Keys {
	return Keys{Enc: sm.TDES.KDF(seed, sm.CounterEnc), MAC: sm.TDES.KDF(seed, sm.CounterMAC)}
}

// Wipe overwrites the keys.
func (k Keys) Wipe() {
	clear(k.Enc)
	clear(k.MAC)
}

func crypt(key, in []byte, encrypt bool) ([]byte, error) {
	k := append(append(make([]byte, 0, 24), key...), key[:8]...)
	defer clear(k)
	b, err := des.NewTripleDESCipher(k)
	if err != nil {
		return nil, fmt.Errorf("bac: %w", err)
	}
	out := make([]byte, len(in))
	iv := make([]byte, des.BlockSize)
	if encrypt {
		cipher.NewCBCEncrypter(b, iv).CryptBlocks(out, in)
	} else {
		cipher.NewCBCDecrypter(b, iv).CryptBlocks(out, in)
	}
	return out, nil
}

// seal encrypts and authenticates 32 bytes.
func (k Keys) seal(s []byte) ([]byte, error) {
	e, err := crypt(k.Enc, s, true)
	if err != nil {
		return nil, err
	}
	m, err := sm.NewMAC(sm.TDES, k.MAC)
	if err != nil {
		return nil, fmt.Errorf("bac: %w", err)
	}
	c := m.Sum(e)
	return append(e, c[:]...), nil
}

// open checks and decrypts 40 bytes.
func (k Keys) open(b []byte) ([]byte, error) {
	if len(b) != sSize+macSize {
		return nil, ErrChip
	}
	m, err := sm.NewMAC(sm.TDES, k.MAC)
	if err != nil {
		return nil, fmt.Errorf("bac: %w", err)
	}
	c := m.Sum(b[:sSize])
	if subtle.ConstantTimeCompare(c[:], b[sSize:]) != 1 {
		return nil, ErrChip
	}
	return crypt(k.Enc, b[:sSize], false)
}

// session derives the channel: seed K_IFD xor K_IC, counter from the low halves of both nonces.
func session(rndIC, rndIFD, kIFD, kIC []byte) (*sm.Session, error) {
	seed := make([]byte, keySize)
	subtle.XORBytes(seed, kIFD, kIC)
	defer clear(seed)
	k := DeriveKeys(seed)
	defer k.Wipe()
	ssc := append(append(make([]byte, 0, 8), rndIC[4:]...), rndIFD[4:]...)
	return sm.New(sm.TDES, k.Enc, k.MAC, ssc)
}

// Establish authenticates to the chip. random may be nil for crypto/rand.
func Establish(ctx context.Context, tx iso7816.Transmitter, k Keys, random io.Reader) (*sm.Session, error) {
	if random == nil {
		random = rand.Reader
	}
	r, err := tx.Transmit(ctx, iso7816.Command{INS: iso7816.INSGetChallenge, Ne: nonceSize})
	if err != nil {
		return nil, fmt.Errorf("bac: get challenge: %w", err)
	}
	if !r.OK() || len(r.Data) != nonceSize {
		return nil, &iso7816.StatusError{Step: "bac get challenge", SW: r.SW}
	}
	rndIC := append([]byte(nil), r.Data...)
	own := make([]byte, nonceSize+keySize)
	if _, err := io.ReadFull(random, own); err != nil {
		return nil, fmt.Errorf("bac: random source: %w", err)
	}
	rndIFD, kIFD := own[:nonceSize], own[nonceSize:]
	defer clear(own)
	s := make([]byte, 0, sSize)
	s = append(append(append(s, rndIFD...), rndIC...), kIFD...)
	defer clear(s[:sSize])
	cmd, err := k.seal(s)
	if err != nil {
		return nil, err
	}
	r, err = tx.Transmit(ctx, iso7816.Command{INS: iso7816.INSExternalAuth, Data: cmd, Ne: sSize + macSize})
	if err != nil {
		return nil, fmt.Errorf("bac: mutual authentication: %w", err)
	}
	switch {
	case r.OK():
	case r.SW == iso7816.SWAuthFailed || r.SW&0xFFF0 == 0x63C0 || r.SW == iso7816.SWSMIncorrect || r.SW == iso7816.SWSecurityStatus || r.SW == iso7816.SWConditions:
		// 6A88 is not in this list: chips without BAC answer it whatever the keys.
		return nil, fmt.Errorf("%w: status %s", ErrPassword, r.SW)
	default:
		return nil, &iso7816.StatusError{Step: "bac mutual authentication", SW: r.SW}
	}
	a, err := k.open(r.Data)
	if err != nil {
		return nil, err
	}
	defer clear(a)
	if subtle.ConstantTimeCompare(a[:8], rndIC) != 1 || subtle.ConstantTimeCompare(a[8:16], rndIFD) != 1 {
		return nil, ErrChip
	}
	return session(rndIC, rndIFD, kIFD, a[16:])
}

// Answer is the card's end of the mutual authentication: it checks the reader's 40 bytes against the
// challenge and returns the answer and the channel. kIC are the card's 16 random bytes.
func Answer(k Keys, rndIC, data, kIC []byte) ([]byte, *sm.Session, error) {
	s, err := k.open(data)
	if err != nil {
		return nil, nil, err
	}
	if len(rndIC) != nonceSize || len(kIC) != keySize || subtle.ConstantTimeCompare(s[8:16], rndIC) != 1 {
		return nil, nil, ErrPassword
	}
	r := make([]byte, 0, sSize)
	r = append(append(append(r, rndIC...), s[:8]...), kIC...)
	out, err := k.seal(r)
	if err != nil {
		return nil, nil, err
	}
	ch, err := session(rndIC, s[:8], s[16:], kIC)
	return out, ch, err
}
