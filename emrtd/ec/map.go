package ec

import (
	"errors"
	"math/big"
)

// ErrMap says that the point encoding is not defined for a curve (its modulus is not 3 modulo 4).
var ErrMap = errors.New("ec: curve has no point encoding")

// MapToPoint maps a string, taken as an integer modulo P, to a point (ICAO Doc 9303-11 appendix B,
// after Brier, Coron, Icart, Madore, Randriam and Tibouchi 2010). It is the point encoding of PACE with
// integrated mapping. It runs in constant time, as its input is derived from the secret nonce.
func (c *Curve) MapToPoint(r []byte) (Point, error) {
	f := c.f
	if c.P.Bit(0) != 1 || c.P.Bit(1) != 1 || c.A.Sign() == 0 || c.B.Sign() == 0 {
		return Point{}, ErrMap
	}
	var t, alpha, u, v, x2, x3, h2, a, sq, y elem
	f.setWide(&t, r)
	// alpha = -t²; x2 = -b/a·(1 + 1/(alpha+alpha²)); x3 = alpha·x2
	f.mul(&alpha, &t, &t)
	f.neg(&alpha, &alpha)
	f.mul(&u, &alpha, &alpha)
	f.add(&u, &u, &alpha)
	f.invert(&u, &u)
	f.add(&u, &u, &f.one)
	f.invert(&v, &c.a)
	f.mul(&v, &v, &c.b)
	f.neg(&v, &v)
	f.mul(&x2, &v, &u)
	f.mul(&x3, &alpha, &x2)
	c.rhs(&h2, &x2)
	// a = h2^(p-1-(p+1)/4): an inverse square root of h2 where it is a square.
	e := new(big.Int).Add(c.P, big.NewInt(1))
	e.Rsh(e, 2)
	e.Sub(new(big.Int).Sub(c.P, big.NewInt(1)), e)
	f.exp(&a, &h2, e.Bytes())
	f.mul(&sq, &a, &a)
	f.mul(&sq, &sq, &h2)
	// y = a·h2 for x2, else a·t³·h2 for x3.
	f.mul(&y, &a, &h2)
	f.mul(&u, &t, &t)
	f.mul(&u, &u, &t)
	f.mul(&u, &u, &y)
	var d uint64
	for i := range f.n {
		d |= sq[i] ^ f.one[i]
	}
	square := uint64(int64((d|-d)>>63) - 1) // all ones where d is zero
	cmov(&u, &y, square)
	cmov(&x3, &x2, square)
	p := point{x: x3, y: u, z: f.one}
	out, err := c.store(&p)
	if err != nil {
		return Point{}, err
	}
	if _, err := c.load(out); err != nil {
		return Point{}, err
	}
	return out, nil
}
