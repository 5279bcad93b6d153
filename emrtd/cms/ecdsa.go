package cms

import (
	"fmt"
	"math/big"
	"slices"

	"egate/emrtd/ec"
)

// curve is one known curve.
type curve = *ec.Curve

func curveByOID(oid string) curve {
	c, err := ec.ByOID(oid)
	if err != nil {
		return nil
	}
	return c
}

// curveByParams finds the known curve that explicit parameters are equal to. The base point may be
// written in compressed form.
func curveByParams(p *curveParams, g []byte) curve {
	// A field that no known curve has costs no square root.
	if !slices.ContainsFunc(ec.All(), func(c *ec.Curve) bool { return c.P.Cmp(p.p) == 0 }) {
		return nil
	}
	x, y, err := point(g, p.p, p.a, p.b)
	if err != nil {
		return nil
	}
	c, err := ec.FromExplicit(ec.Params{P: p.p, A: p.a, B: p.b, Gx: x, Gy: y, N: p.n, H: p.h})
	if err != nil {
		return nil
	}
	return c
}

// point reads an encoded point (SEC 1 §2.3.4), decompressing where needed. p is the field of a known
// curve.
func point(b []byte, p, a, bb *big.Int) (x, y *big.Int, err error) {
	size := (p.BitLen() + 7) / 8
	switch {
	case len(b) == 1+2*size && (b[0] == 4 || b[0] == 6 || b[0] == 7):
		return new(big.Int).SetBytes(b[1 : 1+size]), new(big.Int).SetBytes(b[1+size:]), nil
	case len(b) == 1+size && (b[0] == 2 || b[0] == 3):
		x = new(big.Int).SetBytes(b[1:])
		if x.Cmp(p) >= 0 {
			return nil, nil, fmt.Errorf("%w: point", ErrFormat)
		}
		// y² = x³ + ax + b
		r := new(big.Int).Mul(x, x)
		r.Add(r, a).Mul(r, x).Add(r, bb).Mod(r, p)
		if y = new(big.Int).ModSqrt(r, p); y == nil {
			return nil, nil, fmt.Errorf("%w: point not on the curve", ErrFormat)
		}
		if y.Bit(0) != uint(b[0]&1) {
			y.Sub(p, y)
		}
		return x, y, nil
	}
	return nil, nil, fmt.Errorf("%w: point", ErrFormat)
}

type ecKey struct {
	c *ec.Curve
	q ec.Point
}

func newECKey(c curve, b []byte) (*ecKey, error) {
	x, y, err := point(b, c.P, c.A, c.B)
	if err != nil {
		return nil, err
	}
	if y.Cmp(c.P) >= 0 || x.Cmp(c.P) >= 0 {
		return nil, fmt.Errorf("%w: point", ErrFormat)
	}
	enc := append([]byte{4}, x.FillBytes(make([]byte, c.Size()))...)
	q, err := c.Decode(append(enc, y.FillBytes(make([]byte, c.Size()))...))
	if err != nil {
		return nil, fmt.Errorf("%w: point not on the curve", ErrFormat)
	}
	return &ecKey{c, q}, nil
}

func (k *ecKey) name() string { return k.c.Name }
func (k *ecKey) bits() int    { return k.c.Bits() }
func (k *ecKey) size() int    { return k.c.OrderSize() }

func (k *ecKey) verify(digest []byte, r, s *big.Int) bool {
	return ec.VerifyECDSA(k.c, k.q, digest, r, s)
}

// EC returns curve and point of an elliptic curve key.
func (k *PublicKey) EC() (*ec.Curve, ec.Point, bool) {
	if k.ec == nil {
		return nil, ec.Point{}, false
	}
	return k.ec.c, k.ec.q, true
}

// RSA returns modulus and exponent of an RSA key.
func (k *PublicKey) RSA() (n, e *big.Int, ok bool) {
	if k.rsa == nil {
		return nil, nil, false
	}
	return new(big.Int).Set(k.rsa.n), new(big.Int).Set(k.rsa.e), true
}
