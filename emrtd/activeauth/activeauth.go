// Package activeauth is active authentication (ICAO Doc 9303-11 §6.1): the chip signs a challenge with
// the private key to DG15, with RSA (ISO/IEC 9796-2 scheme 1 with message recovery) or ECDSA.
//
// A signature proves something only where the SOD lists DG15 and its hash matches.
package activeauth

import (
	"context"
	"crypto"
	"crypto/rand"
	_ "crypto/sha1" // hash functions of signatures
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math/big"

	"egate/emrtd/ber"
	"egate/emrtd/cms"
	"egate/emrtd/ec"
	"egate/emrtd/iso7816"
	"egate/emrtd/lds"
)

// maxShortSignature is what fits a short protected answer with AES.
const maxShortSignature = 223

// ChallengeSize is the length of RND.IFD in bytes.
const ChallengeSize = 8

// Errors that callers branch on.
var (
	ErrSignature   = errors.New("activeauth: signature does not verify")
	ErrUnsupported = errors.New("activeauth: key or algorithm not supported")
	ErrRefused     = errors.New("activeauth: refused by the chip")
	// ErrTooLong says that link or chip cannot carry the signature.
	ErrTooLong = errors.New("activeauth: signature longer than an answer may be")
)

// Named deviations.
const (
	// DevDER is an ECDSA value as a DER sequence where the plain form is due.
	DevDER = "activeauth.ecdsa_der_encoded"
	// DevHash is a signature under another hash function than the announced one.
	DevHash = "activeauth.hash_not_announced"
)

// Key is the key of DG15 with the announced algorithm.
type Key struct {
	pub  *cms.PublicKey
	hash crypto.Hash // zero where not announced
}

// hashes by the identifiers of BSI TR-03111 §5.2.1 (ecdsa-plain) in ActiveAuthenticationInfo.
var hashes = map[string]crypto.Hash{
	"0.4.0.127.0.7.1.1.4.1.1": crypto.SHA1, "0.4.0.127.0.7.1.1.4.1.2": crypto.SHA224,
	"0.4.0.127.0.7.1.1.4.1.3": crypto.SHA256, "0.4.0.127.0.7.1.1.4.1.4": crypto.SHA384,
	"0.4.0.127.0.7.1.1.4.1.5": crypto.SHA512,
}

// ParseKey reads the SubjectPublicKeyInfo of DG15; infos are those of DG14, nil where there is none.
func ParseKey(spki []byte, infos []lds.SecurityInfo) (*Key, error) {
	p, err := cms.ParsePublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return &Key{pub: p, hash: AnnouncedHash(infos)}, nil
}

// AnnouncedHash is the hash that ActiveAuthenticationInfo names for ECDSA, zero where it names none.
func AnnouncedHash(infos []lds.SecurityInfo) crypto.Hash {
	var h crypto.Hash
	for _, s := range infos {
		if s.OID == lds.OIDAA && s.Optional != nil {
			if oid, err := s.Optional.OIDString(); err == nil {
				h = hashes[oid]
			}
		}
	}
	return h
}

// Kind names the key for a report: "RSA" or a curve.
func (k *Key) Kind() string { return k.pub.Kind }

// SignatureSize is an upper bound of the signature's length in bytes.
func (k *Key) SignatureSize() int {
	if n, _, ok := k.pub.RSA(); ok {
		return (n.BitLen() + 7) / 8
	}
	return 2*((k.pub.Bits+7)/8) + 16
}

// Run sends the challenge and verifies the answer. It returns the deviations that were tolerated.
// random may be nil for crypto/rand; maxData is the largest answer that the channel carries.
func Run(ctx context.Context, tx iso7816.Transmitter, k *Key, random io.Reader, maxData int) ([]string, error) {
	if random == nil {
		random = rand.Reader
	}
	ch := make([]byte, ChallengeSize)
	if _, err := io.ReadFull(random, ch); err != nil {
		return nil, fmt.Errorf("activeauth: random source: %w", err)
	}
	if n, _, ok := k.pub.RSA(); ok && (n.BitLen()+7)/8 > maxData {
		return nil, ErrTooLong
	}
	// 256 asks for whatever there is in the short form; a longer signature needs the extended one.
	ne := iso7816.MaxShortNe
	if k.SignatureSize() > maxShortSignature {
		ne = maxData
	}
	r, err := tx.Transmit(ctx, iso7816.Command{INS: iso7816.INSInternalAuth, Data: ch, Ne: ne})
	if err != nil {
		return nil, fmt.Errorf("activeauth: %w", err)
	}
	if !r.OK() {
		return nil, fmt.Errorf("%w: %w", ErrRefused, &iso7816.StatusError{Step: "internal authenticate", SW: r.SW})
	}
	return k.Verify(ch, r.Data)
}

// Verify checks a signature over a challenge.
func (k *Key) Verify(challenge, sig []byte) ([]string, error) {
	if n, e, ok := k.pub.RSA(); ok {
		return nil, verify9796(n, e, challenge, sig)
	}
	if c, q, ok := k.pub.EC(); ok {
		return k.verifyECDSA(c, q, challenge, sig)
	}
	return nil, ErrUnsupported
}

func (k *Key) verifyECDSA(c *ec.Curve, q ec.Point, challenge, sig []byte) ([]string, error) {
	var dev []string
	n := c.OrderSize()
	var r, s *big.Int
	if len(sig) == 2*n {
		r, s = new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])
	} else {
		e, err := ber.ParseExact(sig)
		if err != nil {
			return nil, ErrSignature
		}
		v, err := e.Children()
		if err != nil || len(v) != 2 {
			return nil, ErrSignature
		}
		var err1, err2 error
		r, err1 = v[0].BigInt()
		s, err2 = v[1].BigInt()
		if err1 != nil || err2 != nil {
			return nil, ErrSignature
		}
		dev = append(dev, DevDER)
	}
	check := func(h crypto.Hash) bool {
		x := h.New()
		x.Write(challenge)
		return ec.VerifyECDSA(c, q, x.Sum(nil), r, s)
	}
	if k.hash != 0 && check(k.hash) {
		return dev, nil
	}
	// Chips without an announcement, or with a false one: the hash is one of few. Each of them proves
	// possession of the key all the same.
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA1, crypto.SHA384, crypto.SHA512, crypto.SHA224} {
		if h != k.hash && check(h) {
			return append(dev, DevHash), nil
		}
	}
	return nil, ErrSignature
}

// trailers of ISO/IEC 9796-2 by the hash identifiers of ISO/IEC 10118-3.
var trailers = map[byte]crypto.Hash{0x33: crypto.SHA1, 0x34: crypto.SHA256, 0x35: crypto.SHA512, 0x36: crypto.SHA384, 0x38: crypto.SHA224}

// verify9796 checks a signature of ISO/IEC 9796-2 digital signature scheme 1 with partial recovery:
// 6A ‖ M1 ‖ H(M1 ‖ challenge) ‖ trailer.
func verify9796(n, e *big.Int, challenge, sig []byte) error {
	size := (n.BitLen() + 7) / 8
	s := new(big.Int).SetBytes(sig)
	if len(sig) != size || s.Cmp(n) >= 0 || s.Sign() == 0 || e.BitLen() > 64 || e.Sign() <= 0 {
		return ErrSignature
	}
	v := new(big.Int).Exp(s, e, n)
	// The signer may have given min(s, n-s): the right representative ends in the nibble C.
	if m := new(big.Int).And(v, big.NewInt(15)); m.Int64() != 12 {
		v.Sub(n, v)
		if m.And(v, big.NewInt(15)); m.Int64() != 12 {
			return ErrSignature
		}
	}
	f := v.FillBytes(make([]byte, size))
	h, tail := crypto.SHA1, 1
	switch {
	case f[size-1] == 0xBC:
	case f[size-1] == 0xCC:
		ok := false
		if h, ok = trailers[f[size-2]]; !ok {
			return fmt.Errorf("%w: hash of the trailer", ErrUnsupported)
		}
		tail = 2
	default:
		return ErrSignature
	}
	// Header: 01 (recoverable message), 1 (partial recovery), padding of zeros, 1010 in nibbles.
	i := 0
	switch f[0] >> 4 {
	case 6:
	case 4: // total recovery cannot cover a challenge
		return ErrSignature
	default:
		return ErrSignature
	}
	if f[0]&15 != 10 {
		if f[0]&15 != 11 {
			return ErrSignature
		}
		for i = 1; i < size && f[i] == 0xBB; i++ {
		}
		if i == size || f[i] != 0xBA {
			return ErrSignature
		}
	}
	i++
	end := size - tail - h.Size()
	if end < i {
		return ErrSignature
	}
	x := h.New()
	x.Write(f[i:end])
	x.Write(challenge)
	if subtle.ConstantTimeCompare(x.Sum(nil), f[end:size-tail]) != 1 {
		return ErrSignature
	}
	return nil
}

// SignRSA makes a signature of ISO/IEC 9796-2 scheme 1 over a challenge, given the private operation;
// for the card side. m1 random bytes fill the block. Trailer 34CC (SHA-256), or BC with SHA-1.
func SignRSA(random io.Reader, n *big.Int, private func(*big.Int) *big.Int, h crypto.Hash, challenge []byte) ([]byte, error) {
	size := (n.BitLen() + 7) / 8
	trailer := []byte{0xBC}
	if h != crypto.SHA1 {
		trailer = nil
		for id, x := range trailers {
			if x == h {
				trailer = []byte{id, 0xCC}
			}
		}
		if trailer == nil {
			return nil, ErrUnsupported
		}
	}
	m1 := make([]byte, size-1-h.Size()-len(trailer))
	if _, err := io.ReadFull(random, m1); err != nil {
		return nil, fmt.Errorf("activeauth: random source: %w", err)
	}
	x := h.New()
	x.Write(m1)
	x.Write(challenge)
	f := append([]byte{0x6A}, m1...)
	f = append(append(f, x.Sum(nil)...), trailer...)
	s := private(new(big.Int).SetBytes(f))
	if alt := new(big.Int).Sub(n, s); alt.Cmp(s) < 0 {
		s = alt
	}
	return s.FillBytes(make([]byte, size)), nil
}
