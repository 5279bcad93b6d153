package pace

import (
	"fmt"
	"io"

	"egate/emrtd/dh"
	"egate/emrtd/ec"
)

// Group is a set of domain parameters in which keys are agreed. Elements travel in the encoding of the
// protocol: uncompressed points, or integers of the modulus' length.
type Group interface {
	Name() string
	// Base is the standard generator.
	Base() []byte
	// GenerateKey draws a private key and its public element for a generator.
	GenerateKey(rand io.Reader, base []byte) (priv, pub []byte, err error)
	// Public returns the public element of a private key.
	Public(base, priv []byte) ([]byte, error)
	// Agree validates a public element and returns the shared element.
	Agree(priv, pub []byte) ([]byte, error)
	// Secret is the part of a shared element that keys are derived from.
	Secret(shared []byte) []byte
	// MapGeneric returns the generator s·Base + shared.
	MapGeneric(nonce, shared []byte) ([]byte, error)
	// MapIntegrated returns the generator for a pseudo-random number.
	MapIntegrated(r []byte) ([]byte, error)

	bits() int
	// canIntegrate tells whether the integrated mapping is defined.
	canIntegrate() bool
	// sound checks explicit parameters before a password is used with them.
	sound() bool
	security() int
	tag() uint32
	isEC() bool
}

// StandardGroup returns the group with a standardised domain parameter id, nil where there is none.
func StandardGroup(id int) Group {
	if c, err := ec.ByStandardID(id); err == nil {
		return ECGroup(c)
	}
	if g, err := dh.ByStandardID(id); err == nil {
		return DHGroup(g)
	}
	return nil
}

// ECGroup wraps a curve.
func ECGroup(c *ec.Curve) Group { return ecGroup{c} }

// DHGroup wraps a prime field group.
func DHGroup(g *dh.Group) Group { return dhGroup{g} }

// Curve returns the curve of a group over an elliptic curve, else nil.
func Curve(g Group) *ec.Curve {
	if e, ok := g.(ecGroup); ok {
		return e.c
	}
	return nil
}

type ecGroup struct{ c *ec.Curve }

func (g ecGroup) Name() string  { return g.c.Name }
func (g ecGroup) Base() []byte  { return g.c.Encode(g.c.Generator()) }
func (g ecGroup) bits() int     { return g.c.Bits() }
func (g ecGroup) security() int { return g.c.Bits() / 2 }
func (g ecGroup) sound() bool   { return true } // only known curves exist
func (g ecGroup) tag() uint32   { return 0x86 }

// The point encoding needs a modulus of 3 modulo 4, which P-224 has not.
func (g ecGroup) canIntegrate() bool { return g.c.P.Bit(1) == 1 }
func (g ecGroup) isEC() bool         { return true }

func (g ecGroup) GenerateKey(rand io.Reader, base []byte) (priv, pub []byte, err error) {
	priv, p, err := g.c.GenerateKey(rand)
	if err != nil {
		return nil, nil, err
	}
	if string(base) == string(g.Base()) {
		return priv, g.c.Encode(p), nil
	}
	pub, err = g.Public(base, priv)
	return priv, pub, err
}

func (g ecGroup) Public(base, priv []byte) ([]byte, error) {
	b, err := g.c.Decode(base)
	if err != nil {
		return nil, err
	}
	p, err := g.c.ScalarMult(b, priv)
	if err != nil {
		return nil, err
	}
	return g.c.Encode(p), nil
}

func (g ecGroup) Agree(priv, pub []byte) ([]byte, error) { return g.Public(pub, priv) }

func (g ecGroup) Secret(shared []byte) []byte { return shared[1 : 1+g.c.Size()] }

func (g ecGroup) MapGeneric(nonce, shared []byte) ([]byte, error) {
	h, err := g.c.Decode(shared)
	if err != nil {
		return nil, err
	}
	s, err := g.c.ReduceScalar(nonce)
	if err != nil {
		return nil, err
	}
	defer clear(s)
	p, err := g.c.ScalarBaseMult(s)
	if err != nil {
		return nil, err
	}
	if p, err = g.c.Add(p, h); err != nil {
		return nil, err
	}
	return g.c.Encode(p), nil
}

func (g ecGroup) MapIntegrated(r []byte) ([]byte, error) {
	p, err := g.c.MapToPoint(r)
	if err != nil {
		return nil, err
	}
	return g.c.Encode(p), nil
}

type dhGroup struct{ g *dh.Group }

func (g dhGroup) Name() string { return g.g.Name }
func (g dhGroup) Base() []byte { return g.g.Generator() }
func (g dhGroup) bits() int    { return g.g.P.BitLen() }
func (g dhGroup) sound() bool  { return g.g.Sound() }
func (g dhGroup) tag() uint32  { return 0x84 }

func (g dhGroup) canIntegrate() bool { return g.g.Q != nil }
func (g dhGroup) isEC() bool         { return false }

// security in bits after NIST SP 800-57 part 1, table 2.
func (g dhGroup) security() int {
	switch n := g.g.P.BitLen(); {
	case n >= 3072:
		return 128
	case n >= 2048:
		return 112
	}
	return 80
}

func (g dhGroup) GenerateKey(rand io.Reader, base []byte) (priv, pub []byte, err error) {
	return g.g.GenerateKey(rand, base)
}
func (g dhGroup) Public(base, priv []byte) ([]byte, error) { return g.g.Exp(base, priv) }
func (g dhGroup) Agree(priv, pub []byte) ([]byte, error)   { return g.g.Agree(priv, pub) }
func (g dhGroup) Secret(shared []byte) []byte              { return shared }

func (g dhGroup) MapGeneric(nonce, shared []byte) ([]byte, error) {
	s, err := g.g.Exp(g.Base(), nonce)
	if err != nil {
		return nil, err
	}
	out := g.g.Mul(s, shared)
	if dh.IsOne(out) {
		return nil, fmt.Errorf("%w: neutral generator", ErrChip)
	}
	return out, nil
}

func (g dhGroup) MapIntegrated(r []byte) ([]byte, error) {
	if g.g.Q == nil {
		return nil, ErrUnsupported
	}
	x, err := g.g.Exp(g.g.Reduce(r), g.g.Cofactor())
	if err != nil {
		return nil, err
	}
	if dh.IsOne(x) {
		return nil, fmt.Errorf("%w: neutral generator", ErrChip)
	}
	return x, nil
}
