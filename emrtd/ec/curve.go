package ec

import (
	"crypto/elliptic"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Errors that callers branch on.
var (
	ErrPoint   = errors.New("ec: point not on the curve")
	ErrScalar  = errors.New("ec: scalar out of range")
	ErrUnknown = errors.New("ec: unknown domain parameters")
)

// Curve is one set of domain parameters over a prime field. The fields are public and must not be
// changed. Every curve here has prime order, so H is 1.
type Curve struct {
	Name       string
	OID        string // dotted
	StandardID int    // standardised domain parameter id of ICAO Doc 9303-11 §9.5.1
	P, A, B    *big.Int
	Gx, Gy, N  *big.Int
	H          int

	f, fn    *field // modulo P, modulo N
	a, b, b3 elem
	g        Point
	std      elliptic.Curve // where the standard library has the curve
}

// Point is an affine point, coordinates big-endian in Size bytes. The zero value is the point at
// infinity, which no operation of this package accepts as input nor returns without an error.
type Point struct {
	X, Y []byte
}

// IsInfinity tells whether p is the point at infinity.
func (p Point) IsInfinity() bool { return len(p.X) == 0 }

// Wipe overwrites the coordinates.
func (p Point) Wipe() {
	clear(p.X)
	clear(p.Y)
}

// Params are explicit domain parameters (ANSI X9.62 ECParameters).
type Params struct {
	P, A, B, Gx, Gy, N, H *big.Int
}

var (
	byID  = map[int]*Curve{}
	byOID = map[string]*Curve{}
)

func init() {
	for _, s := range specs {
		c := s.curve()
		byID[c.StandardID] = c
		byOID[c.OID] = c
	}
}

// ByStandardID returns the curve with a standardised domain parameter id (8 to 18).
func ByStandardID(id int) (*Curve, error) {
	if c, ok := byID[id]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("%w: id %d", ErrUnknown, id)
}

// ByOID returns the curve with a dotted object identifier.
func ByOID(oid string) (*Curve, error) {
	if c, ok := byOID[oid]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknown, oid)
}

// FromExplicit returns the known curve that explicit parameters are equal to. Parameters that are no
// known curve are refused: free ones would let a forger choose the base point (CVE-2020-0601). A nil
// H is accepted, as it is optional in ECParameters.
func FromExplicit(e Params) (*Curve, error) {
	for _, v := range []*big.Int{e.P, e.A, e.B, e.Gx, e.Gy, e.N} {
		if v == nil {
			return nil, ErrUnknown
		}
	}
	for _, c := range byID {
		if c.P.Cmp(e.P) != 0 {
			continue
		}
		if c.A.Cmp(e.A) == 0 && c.B.Cmp(e.B) == 0 && c.Gx.Cmp(e.Gx) == 0 && c.Gy.Cmp(e.Gy) == 0 &&
			c.N.Cmp(e.N) == 0 && (e.H == nil || e.H.Cmp(big.NewInt(int64(c.H))) == 0) {
			return c, nil
		}
	}
	return nil, ErrUnknown
}

// All returns every curve in the order of its standardised id.
func All() []*Curve {
	var out []*Curve
	for id := range 19 {
		if c, ok := byID[id]; ok {
			out = append(out, c)
		}
	}
	return out
}

// Size is the length of a coordinate in bytes.
func (c *Curve) Size() int { return c.f.size }

// OrderSize is the length of a scalar in bytes.
func (c *Curve) OrderSize() int { return c.fn.size }

// Bits is the size of the field.
func (c *Curve) Bits() int { return c.P.BitLen() }

func (c *Curve) String() string { return c.Name }

// Generator returns the base point.
func (c *Curve) Generator() Point { return c.g }

// Encode writes the uncompressed form 04‖X‖Y.
func (c *Curve) Encode(p Point) []byte {
	out := make([]byte, 1, 1+2*c.Size())
	out[0] = 4
	return append(append(out, p.X...), p.Y...)
}

// Decode reads the uncompressed form and checks that the point is on the curve. Since the order is
// prime, such a point is in the right group.
func (c *Curve) Decode(b []byte) (Point, error) {
	n := c.Size()
	if len(b) != 1+2*n || b[0] != 4 {
		return Point{}, ErrPoint
	}
	p := Point{X: append([]byte(nil), b[1:1+n]...), Y: append([]byte(nil), b[1+n:]...)}
	if _, err := c.load(p); err != nil {
		return Point{}, err
	}
	return p, nil
}

// load checks p and brings it into projective form.
func (c *Curve) load(p Point) (point, error) {
	var q point
	if len(p.X) != c.Size() || len(p.Y) != c.Size() || !c.f.set(&q.x, p.X) || !c.f.set(&q.y, p.Y) {
		return q, ErrPoint
	}
	q.z = c.f.one
	var l, r elem
	c.f.mul(&l, &q.y, &q.y)
	c.rhs(&r, &q.x)
	if !c.f.equal(&l, &r) {
		return q, ErrPoint
	}
	return q, nil
}

// rhs sets z = x³ + ax + b.
func (c *Curve) rhs(z, x *elem) {
	var t elem
	c.f.mul(&t, x, x)
	c.f.add(&t, &t, &c.a)
	c.f.mul(&t, &t, x)
	c.f.add(z, &t, &c.b)
}

func (c *Curve) store(p *point) (Point, error) {
	if c.f.equal(&p.z, &elem{}) {
		return Point{}, ErrPoint
	}
	var zi, x, y elem
	c.f.invert(&zi, &p.z)
	c.f.mul(&x, &p.x, &zi)
	c.f.mul(&y, &p.y, &zi)
	return Point{X: c.f.bytes(&x), Y: c.f.bytes(&y)}, nil
}

// Equal tells whether two points are the same; it may branch on their values.
func (p Point) Equal(q Point) bool { return string(p.X) == string(q.X) && string(p.Y) == string(q.Y) }

// ScalarMult returns k·p for a scalar 0 < k < N, big-endian. ErrPoint is returned for a point off the
// curve or a result at infinity.
func (c *Curve) ScalarMult(p Point, k []byte) (Point, error) {
	k, err := c.scalar(k)
	if err != nil {
		return Point{}, err
	}
	defer clear(k)
	q, err := c.load(p)
	if err != nil {
		return Point{}, err
	}
	if c.std != nil {
		x, y := c.std.ScalarMult(new(big.Int).SetBytes(p.X), new(big.Int).SetBytes(p.Y), k)
		return c.fromBig(x, y)
	}
	r := c.mult(&q, k)
	return c.store(&r)
}

// ScalarBaseMult returns k·G.
func (c *Curve) ScalarBaseMult(k []byte) (Point, error) {
	if c.std == nil {
		return c.ScalarMult(c.g, k)
	}
	k, err := c.scalar(k)
	if err != nil {
		return Point{}, err
	}
	defer clear(k)
	return c.fromBig(c.std.ScalarBaseMult(k))
}

// Add returns p+q. The result at infinity is ErrPoint.
func (c *Curve) Add(p, q Point) (Point, error) {
	a, err := c.load(p)
	if err != nil {
		return Point{}, err
	}
	b, err := c.load(q)
	if err != nil {
		return Point{}, err
	}
	var r point
	c.addTo(&r, &a, &b)
	return c.store(&r)
}

func (c *Curve) fromBig(x, y *big.Int) (Point, error) {
	if x.Sign() == 0 && y.Sign() == 0 {
		return Point{}, ErrPoint
	}
	n := c.Size()
	return Point{X: x.FillBytes(make([]byte, n)), Y: y.FillBytes(make([]byte, n))}, nil
}

// scalar brings k to OrderSize bytes and checks 0 < k < N.
func (c *Curve) scalar(k []byte) ([]byte, error) {
	n := c.OrderSize()
	for len(k) > n && k[0] == 0 {
		k = k[1:]
	}
	if len(k) > n {
		return nil, ErrScalar
	}
	out := make([]byte, n)
	copy(out[n-len(k):], k)
	var e elem
	if !c.fn.set(&e, out) || c.fn.equal(&e, &elem{}) {
		return nil, ErrScalar
	}
	return out, nil
}

// GenerateKey draws a private scalar uniformly from 1…N-1 and returns it with its public point.
func (c *Curve) GenerateKey(rand io.Reader) (priv []byte, pub Point, err error) {
	n := c.OrderSize()
	priv = make([]byte, n)
	excess := uint(8*n - c.N.BitLen())
	// Each draw is refused with a probability of at most one half; 128 refusals mean a broken source.
	for range 128 {
		if _, err := io.ReadFull(rand, priv); err != nil {
			return nil, Point{}, fmt.Errorf("ec: random source: %w", err)
		}
		priv[0] &= 0xff >> excess
		if pub, err = c.ScalarBaseMult(priv); err == nil {
			return priv, pub, nil
		}
	}
	return nil, Point{}, fmt.Errorf("ec: random source is constant")
}

// ReduceScalar returns b modulo N in OrderSize bytes; zero is ErrScalar.
func (c *Curve) ReduceScalar(b []byte) ([]byte, error) {
	var e elem
	c.fn.setWide(&e, b)
	if c.fn.equal(&e, &elem{}) {
		return nil, ErrScalar
	}
	return c.fn.bytes(&e), nil
}

// Quotient returns a/b modulo N in OrderSize bytes.
func (c *Curve) Quotient(a, b []byte) ([]byte, error) {
	b, err := c.scalar(b)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	var x, y elem
	c.fn.setWide(&x, a)
	c.fn.set(&y, b)
	c.fn.invert(&y, &y)
	c.fn.mul(&x, &x, &y)
	return c.fn.bytes(&x), nil
}
