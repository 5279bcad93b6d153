package ec

import (
	"crypto/ecdsa"
	"fmt"
	"io"
	"math/big"
)

// VerifyECDSA verifies an ECDSA signature over a hash value (ANSI X9.62; BSI TR-03111 §4.2.1.2). Every
// value is public.
func VerifyECDSA(c *Curve, pub Point, hash []byte, r, s *big.Int) bool {
	if r == nil || s == nil || r.Sign() <= 0 || s.Sign() <= 0 || r.Cmp(c.N) >= 0 || s.Cmp(c.N) >= 0 {
		return false
	}
	q, err := c.load(pub)
	if err != nil {
		return false
	}
	if c.std != nil {
		k, err := ecdsa.ParseUncompressedPublicKey(c.std, c.Encode(pub))
		return err == nil && ecdsa.Verify(k, hash, r, s)
	}
	w := new(big.Int).ModInverse(s, c.N)
	u1 := new(big.Int).Mul(new(big.Int).SetBytes(c.truncate(hash)), w)
	u2 := new(big.Int).Mul(r, w)
	u1.Mod(u1, c.N)
	u2.Mod(u2, c.N)
	g, err := c.load(c.g)
	if err != nil {
		return false
	}
	a := c.mult(&g, u1.FillBytes(make([]byte, c.OrderSize())))
	b := c.mult(&q, u2.FillBytes(make([]byte, c.OrderSize())))
	c.addTo(&a, &a, &b)
	p, err := c.store(&a)
	if err != nil {
		return false
	}
	v := new(big.Int).SetBytes(p.X)
	return v.Mod(v, c.N).Cmp(r) == 0
}

// SignECDSA signs a hash value. Only the card side and test issuers sign; the scalar and the nonce
// stay in fixed-limb arithmetic.
func SignECDSA(rand io.Reader, c *Curve, priv, hash []byte) (r, s *big.Int, err error) {
	d, err := c.scalar(priv)
	if err != nil {
		return nil, nil, err
	}
	defer clear(d)
	if c.std != nil {
		k, err := ecdsa.ParseRawPrivateKey(c.std, d)
		if err != nil {
			return nil, nil, fmt.Errorf("ec: private key: %w", err)
		}
		return ecdsa.Sign(rand, k, hash)
	}
	f := c.fn
	for range 128 {
		k, kg, err := c.GenerateKey(rand)
		if err != nil {
			return nil, nil, err
		}
		var re, ke, de, he, se elem
		f.setWide(&re, kg.X)
		f.set(&ke, k)
		f.set(&de, d)
		f.setWide(&he, c.truncate(hash))
		f.invert(&ke, &ke)
		f.mul(&se, &re, &de)
		f.add(&se, &se, &he)
		f.mul(&se, &se, &ke)
		clear(k)
		r, s = new(big.Int).SetBytes(f.bytes(&re)), new(big.Int).SetBytes(f.bytes(&se))
		clear(ke[:])
		clear(de[:])
		if r.Sign() != 0 && s.Sign() != 0 {
			return r, s, nil
		}
	}
	return nil, nil, fmt.Errorf("ec: random source is constant")
}

// truncate keeps the leftmost bits of a hash value, as many as the order has.
func (c *Curve) truncate(hash []byte) []byte {
	n := c.N.BitLen()
	if 8*len(hash) <= n {
		return hash
	}
	v := new(big.Int).SetBytes(hash)
	return v.Rsh(v, uint(8*len(hash)-n)).Bytes()
}
