// Package dh provides the multiplicative groups of machine readable travel documents: the standardised
// domain parameters 0 to 2 of ICAO Doc 9303-11 §9.5.1 (RFC 5114) and explicit ones, for PACE and chip
// authentication.
//
// Exponentiation runs on fixed-length Montgomery arithmetic with a fixed window; neither its branches
// nor its memory accesses depend on the exponent, only on its length. Public keys are validated as
// RFC 2631 §2.1.5 demands.
package dh

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/bits"
)

// Limits on explicit parameters.
const (
	MinBits = 1024
	// MaxBits bounds the work that a hostile chip can ask for; issued groups have 1024 to 3072 bits.
	MaxBits = 4096
)

// Errors that callers branch on.
var (
	ErrKey     = errors.New("dh: public key not in the group")
	ErrUnknown = errors.New("dh: domain parameters refused")
)

// Group is a subgroup of prime order Q of the multiplicative group modulo P. Q is nil where explicit
// parameters of PKCS #3 do not tell it.
type Group struct {
	Name       string
	StandardID int // -1 for explicit parameters
	P, G, Q    *big.Int

	m *modulus
}

var standard = map[int]*Group{}

func init() {
	for id, s := range specs {
		g := &Group{Name: s.name, StandardID: id, P: hexInt(s.p), G: hexInt(s.g), Q: hexInt(s.q)}
		g.m = newModulus(g.P)
		standard[id] = g
	}
}

// ByStandardID returns a standardised group (0 to 2).
func ByStandardID(id int) (*Group, error) {
	if g, ok := standard[id]; ok {
		return g, nil
	}
	return nil, fmt.Errorf("%w: id %d", ErrUnknown, id)
}

// FromExplicit returns a group with given parameters; q may be nil. A standardised group is recognised.
// Others are taken as they are, within limits: whoever relies on the result must have them from a
// signed file.
func FromExplicit(p, g, q *big.Int) (*Group, error) {
	if p == nil || g == nil || p.BitLen() < MinBits || p.BitLen() > MaxBits || p.Bit(0) == 0 || g.Cmp(big.NewInt(2)) < 0 || g.Cmp(p) >= 0 {
		return nil, ErrUnknown
	}
	for _, s := range standard {
		if s.P.Cmp(p) == 0 && s.G.Cmp(g) == 0 {
			return s, nil
		}
	}
	if q != nil && (q.Sign() <= 0 || q.BitLen() < 160 || q.Cmp(p) >= 0) {
		return nil, ErrUnknown
	}
	x := &Group{Name: fmt.Sprintf("dh-%d-explicit", p.BitLen()), StandardID: -1, P: p, G: g, Q: q}
	x.m = newModulus(p)
	return x, nil
}

// Size is the length of a public key in bytes.
func (g *Group) Size() int { return (g.P.BitLen() + 7) / 8 }

// Generator returns the base element in Size bytes.
func (g *Group) Generator() []byte { return g.G.FillBytes(make([]byte, g.Size())) }

// explicitExponentBits is the length of private keys where the subgroup is not known: twice the
// strength of a 4096-bit modulus.
const explicitExponentBits = 320

// GenerateKey draws a private exponent and returns it with base^priv.
func (g *Group) GenerateKey(rand io.Reader, base []byte) (priv, pub []byte, err error) {
	order, width := make([]byte, (explicitExponentBits+8)/8), explicitExponentBits+1
	order[0] = 1 // 2^explicitExponentBits
	if g.Q != nil {
		width = g.Q.BitLen()
		order = g.Q.FillBytes(make([]byte, (width+7)/8))
	}
	n := len(order)
	priv = make([]byte, n)
	for range 128 {
		if _, err := io.ReadFull(rand, priv); err != nil {
			return nil, nil, fmt.Errorf("dh: random source: %w", err)
		}
		priv[0] &= 0xff >> uint(8*n-width)
		// The comparison takes the same time for every exponent; that one was refused says nothing of the
		// one that is taken.
		if below(priv, order)&^zero(priv) == 1 {
			pub, err = g.Exp(base, priv)
			return priv, pub, err
		}
	}
	return nil, nil, fmt.Errorf("dh: random source is constant")
}

// below is 1 where a < b, for numbers of the same length, in constant time.
func below(a, b []byte) int {
	var borrow uint
	for i := len(a) - 1; i >= 0; i-- {
		borrow = (uint(a[i]) - uint(b[i]) - borrow) >> (bits.UintSize - 1)
	}
	return int(borrow)
}

// zero is 1 where every byte is zero, in constant time.
func zero(a []byte) int {
	var d byte
	for _, c := range a {
		d |= c
	}
	return int((uint(d) - 1) >> (bits.UintSize - 1))
}

// Validate checks that y is an element of the subgroup other than its neutral one.
func (g *Group) Validate(y []byte) error {
	v := new(big.Int).SetBytes(y)
	if v.Cmp(big.NewInt(2)) < 0 || v.Cmp(new(big.Int).Sub(g.P, big.NewInt(1))) >= 0 {
		return ErrKey
	}
	if g.Q != nil && new(big.Int).Exp(v, g.Q, g.P).Cmp(big.NewInt(1)) != 0 {
		return ErrKey
	}
	return nil
}

// Exp returns base^e in Size bytes.
func (g *Group) Exp(base, e []byte) ([]byte, error) {
	// The base is secret where it is a mapped generator.
	n := g.Size()
	for len(base) > n && base[0] == 0 {
		base = base[1:]
	}
	if len(base) > n {
		return nil, ErrKey
	}
	b := make([]byte, n)
	copy(b[n-len(base):], base)
	defer clear(b)
	if below(b, g.P.FillBytes(make([]byte, n)))&^zero(b) == 0 {
		return nil, ErrKey
	}
	return g.m.exp(b, e), nil
}

// Agree returns y^priv after validation of y.
func (g *Group) Agree(priv, y []byte) ([]byte, error) {
	if err := g.Validate(y); err != nil {
		return nil, err
	}
	return g.Exp(y, priv)
}

// Mul returns a·b mod P.
func (g *Group) Mul(a, b []byte) []byte {
	m := g.m
	x, y := m.load(a), m.load(b)
	m.mul(x, x, y)
	return m.store(x, g.Size())
}

// IsOne tells whether a is the neutral element.
func IsOne(a []byte) bool {
	var d byte
	for i, c := range a {
		if i == len(a)-1 {
			c ^= 1
		}
		d |= c
	}
	return d == 0
}

// Reduce returns b modulo P in Size bytes.
func (g *Group) Reduce(b []byte) []byte {
	return new(big.Int).Mod(new(big.Int).SetBytes(b), g.P).FillBytes(make([]byte, g.Size()))
}

// modulus is Montgomery arithmetic modulo an odd number, little-endian limbs.
type modulus struct {
	n       int
	p       []uint64
	inv     uint64
	r2, one []uint64
}

func newModulus(p *big.Int) *modulus {
	n := (p.BitLen() + 63) / 64
	m := &modulus{n: n}
	m.p = toLimbs(p, n)
	inv := uint64(1)
	for range 6 {
		inv *= 2 - m.p[0]*inv
	}
	m.inv = -inv
	r := new(big.Int).Lsh(big.NewInt(1), uint(64*n))
	m.one = toLimbs(new(big.Int).Mod(r, p), n)
	m.r2 = toLimbs(new(big.Int).Mod(new(big.Int).Mul(r, r), p), n)
	return m
}

func toLimbs(v *big.Int, n int) []uint64 { return bytesToLimbs(v.FillBytes(make([]byte, 8*n)), n) }

func bytesToLimbs(b []byte, n int) []uint64 {
	buf := make([]byte, 8*n)
	copy(buf[8*n-len(b):], b)
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.BigEndian.Uint64(buf[8*(n-1-i):])
	}
	clear(buf)
	return out
}

func (m *modulus) load(b []byte) []uint64 {
	x := bytesToLimbs(b, m.n)
	m.mul(x, x, m.r2)
	return x
}

func (m *modulus) store(x []uint64, size int) []byte {
	one := make([]uint64, m.n)
	one[0] = 1
	r := make([]uint64, m.n)
	m.mul(r, x, one)
	buf := make([]byte, 8*m.n)
	for i, v := range r {
		binary.BigEndian.PutUint64(buf[8*(m.n-1-i):], v)
	}
	clear(r)
	return buf[8*m.n-size:]
}

func (m *modulus) mul(z, x, y []uint64) {
	n := m.n
	var buf [MaxBits/64 + 2]uint64
	t := buf[:n+2]
	x, y, p := x[:n], y[:n], m.p[:n]
	for i := range n {
		yi := y[i]
		var c, k uint64
		for j, xj := range x {
			hi, lo := bits.Mul64(xj, yi)
			lo, k = bits.Add64(lo, t[j], 0)
			hi += k
			lo, k = bits.Add64(lo, c, 0)
			t[j], c = lo, hi+k
		}
		t[n], k = bits.Add64(t[n], c, 0)
		t[n+1] = k
		q := t[0] * m.inv
		hi, lo := bits.Mul64(q, p[0])
		_, k = bits.Add64(lo, t[0], 0)
		c = hi + k
		for j := 1; j < n; j++ {
			hi, lo := bits.Mul64(q, p[j])
			lo, k = bits.Add64(lo, t[j], 0)
			hi += k
			lo, k = bits.Add64(lo, c, 0)
			t[j-1], c = lo, hi+k
		}
		t[n-1], k = bits.Add64(t[n], c, 0)
		t[n] = t[n+1] + k
	}
	var dbuf [MaxBits / 64]uint64
	d := dbuf[:n]
	var b uint64
	for i := range d {
		d[i], b = bits.Sub64(t[i], p[i], b)
	}
	_, b = bits.Sub64(t[n], 0, b)
	mask := -b
	for i := range d {
		z[i] = t[i]&mask | d[i]&^mask
	}
}

// exp is a fixed window of four bits; every table entry is touched at each look-up.
func (m *modulus) exp(base, e []byte) []byte {
	size := len(base)
	var table [16][]uint64
	table[0] = append([]uint64(nil), m.one...)
	table[1] = m.load(base)
	for i := 2; i < 16; i++ {
		table[i] = make([]uint64, m.n)
		m.mul(table[i], table[i-1], table[1])
	}
	r := append([]uint64(nil), m.one...)
	s := make([]uint64, m.n)
	for _, b := range e {
		for _, w := range [2]byte{b >> 4, b & 15} {
			for range 4 {
				m.mul(r, r, r)
			}
			clear(s)
			for i := range table {
				mask := uint64(int64(uint64(byte(i)^w)-1) >> 63)
				for j, v := range table[i] {
					s[j] |= v & mask
				}
			}
			m.mul(r, r, s)
		}
	}
	out := m.store(r, size)
	for i := range table {
		clear(table[i])
	}
	clear(r)
	clear(s)
	return out
}

func hexInt(s string) *big.Int {
	v, ok := new(big.Int).SetString(s, 16)
	if !ok {
		panic("dh: group constant")
	}
	return v
}

// Cofactor is (P-1)/Q, big-endian; Q must be known.
func (g *Group) Cofactor() []byte {
	c := new(big.Int).Sub(g.P, big.NewInt(1))
	return c.Div(c, g.Q).Bytes()
}

// Sound checks that P and Q are prime, Q divides P-1 and G has order Q. It takes some ten milliseconds
// and is for parameters that came unsigned: a password must not be proven in a group that leaks it.
func (g *Group) Sound() bool {
	if g.StandardID >= 0 {
		return true
	}
	one := big.NewInt(1)
	if g.Q == nil || !g.Q.ProbablyPrime(4) || new(big.Int).Mod(new(big.Int).Sub(g.P, one), g.Q).Sign() != 0 {
		return false
	}
	return new(big.Int).Exp(g.G, g.Q, g.P).Cmp(one) == 0 && g.P.ProbablyPrime(4)
}
