package cms

import (
	"bytes"
	"crypto"
	"fmt"
	"math/big"

	"egate/emrtd/ber"
)

// Limits of RSA keys. The exponent is not bound to 32 bits: issued CSCA keys have longer ones, which
// the standard library refuses.
const (
	minRSABits  = 1024
	maxRSABits  = 8192
	weakRSABits = 2048
	maxExpBits  = 256
)

type rsaKey struct {
	n, e *big.Int
}

func parseRSA(b []byte) (*rsaKey, error) {
	e, err := ber.ParseExact(b)
	if err != nil {
		return nil, fmt.Errorf("cms: rsa key: %w", err)
	}
	k, err := e.Children()
	if err != nil || len(k) != 2 {
		return nil, fmt.Errorf("%w: rsa key", ErrFormat)
	}
	n, err := k[0].BigInt()
	if err != nil {
		return nil, fmt.Errorf("cms: rsa modulus: %w", err)
	}
	x, err := k[1].BigInt()
	if err != nil {
		return nil, fmt.Errorf("cms: rsa exponent: %w", err)
	}
	if n.Sign() <= 0 || n.Bit(0) == 0 || n.BitLen() < minRSABits || n.BitLen() > maxRSABits {
		return nil, fmt.Errorf("%w: rsa modulus of %d bits", ErrUnsupported, n.BitLen())
	}
	if x.Cmp(big.NewInt(3)) < 0 || x.Bit(0) == 0 || x.BitLen() > maxExpBits {
		return nil, fmt.Errorf("%w: rsa exponent of %d bits", ErrUnsupported, x.BitLen())
	}
	return &rsaKey{n, x}, nil
}

// open computes the RSA verification primitive (RFC 8017 §5.2.2) on public data.
func (k *rsaKey) open(sig []byte) ([]byte, error) {
	size := (k.n.BitLen() + 7) / 8
	if len(sig) != size {
		return nil, fmt.Errorf("%w: rsa signature of %d bytes for a modulus of %d", ErrSignature, len(sig), size)
	}
	s := new(big.Int).SetBytes(sig)
	if s.Cmp(k.n) >= 0 {
		return nil, ErrSignature
	}
	return s.Exp(s, k.e, k.n).FillBytes(make([]byte, size)), nil
}

// verifyPKCS1 compares the whole encoded message (RFC 8017 §8.2.2), which leaves no room for
// forged padding. A DigestInfo without the NULL parameter is a known deviation (RFC 8017 §9.2 note).
func (k *rsaKey) verifyPKCS1(h crypto.Hash, digest, sig []byte) ([]string, error) {
	em, err := k.open(sig)
	if err != nil {
		return nil, err
	}
	oid, ok := HashOID(h)
	if !ok {
		return nil, fmt.Errorf("%w: hash", ErrUnsupported)
	}
	for _, null := range []bool{true, false} {
		alg := ber.EncodeOID(oid)
		if null {
			alg = append(alg, ber.Null, 0)
		}
		info := ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, alg), ber.Encode(ber.OctetString, digest))
		if len(em) < len(info)+11 {
			return nil, ErrSignature
		}
		want := bytes.Repeat([]byte{0xff}, len(em))
		want[0], want[1] = 0, 1
		want[len(em)-len(info)-1] = 0
		copy(want[len(em)-len(info):], info)
		if bytes.Equal(want, em) {
			if !null {
				return []string{DevPKCS1NoNull}, nil
			}
			return nil, nil
		}
	}
	return nil, ErrSignature
}

// verifyPSS is EMSA-PSS-VERIFY (RFC 8017 §9.1.2) with the hash, the mask generation hash and the salt
// length that the parameters name.
func (k *rsaKey) verifyPSS(a Algorithm, digest, sig []byte) error {
	em, err := k.open(sig)
	if err != nil {
		return err
	}
	emBits := k.n.BitLen() - 1
	emLen := (emBits + 7) / 8
	if len(em) > emLen {
		if em[0] != 0 {
			return ErrSignature
		}
		em = em[1:]
	}
	hLen := a.Hash.Size()
	if emLen < hLen+a.Salt+2 || em[emLen-1] != 0xbc {
		return ErrSignature
	}
	db, h := em[:emLen-hLen-1], em[emLen-hLen-1:emLen-1]
	top := byte(0xff >> (8*emLen - emBits))
	if db[0]&^top != 0 {
		return ErrSignature
	}
	mask := mgf1(a.MGFHash, h, len(db))
	for i := range db {
		db[i] ^= mask[i]
	}
	db[0] &= top
	ps := len(db) - a.Salt - 1
	for _, b := range db[:ps] {
		if b != 0 {
			return ErrSignature
		}
	}
	if db[ps] != 1 {
		return ErrSignature
	}
	w := a.Hash.New()
	w.Write(make([]byte, 8))
	w.Write(digest)
	w.Write(db[ps+1:])
	if !bytes.Equal(w.Sum(nil), h) {
		return ErrSignature
	}
	return nil
}

func mgf1(h crypto.Hash, seed []byte, n int) []byte {
	var out []byte
	for i := uint32(0); len(out) < n; i++ {
		w := h.New()
		w.Write(seed)
		w.Write([]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		out = w.Sum(out)
	}
	return out[:n]
}
