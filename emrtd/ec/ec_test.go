package ec

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// affineAdd is the textbook law over math/big, the referee of the field code.
func affineAdd(c *Curve, x1, y1, x2, y2 *big.Int) (x, y *big.Int) {
	if x1 == nil {
		return x2, y2
	}
	if x2 == nil {
		return x1, y1
	}
	l := new(big.Int)
	if x1.Cmp(x2) == 0 {
		if new(big.Int).Mod(new(big.Int).Add(y1, y2), c.P).Sign() == 0 {
			return nil, nil
		}
		l.Mul(x1, x1)
		l.Mul(l, big.NewInt(3))
		l.Add(l, c.A)
		l.Mul(l, new(big.Int).ModInverse(new(big.Int).Lsh(y1, 1), c.P))
	} else {
		d := new(big.Int).Sub(x2, x1)
		d.Mod(d, c.P)
		l.Sub(y2, y1)
		l.Mul(l, d.ModInverse(d, c.P))
	}
	l.Mod(l, c.P)
	x = new(big.Int).Mul(l, l)
	x.Sub(x, x1)
	x.Sub(x, x2)
	x.Mod(x, c.P)
	y = new(big.Int).Sub(x1, x)
	y.Mul(y, l)
	y.Sub(y, y1)
	return x, y.Mod(y, c.P)
}

func affineMult(c *Curve, k *big.Int) (x, y *big.Int) {
	for i := k.BitLen() - 1; i >= 0; i-- {
		if x != nil {
			x, y = affineAdd(c, x, y, x, y)
		}
		if k.Bit(i) == 1 {
			x, y = affineAdd(c, x, y, c.Gx, c.Gy)
		}
	}
	return x, y
}

func TestDomainParameters(t *testing.T) {
	if len(All()) != 11 {
		t.Fatalf("%d curves", len(All()))
	}
	for _, c := range All() {
		if !c.P.ProbablyPrime(20) || !c.N.ProbablyPrime(20) {
			t.Errorf("%s: modulus or order not prime", c)
		}
		if _, err := c.Decode(c.Encode(c.Generator())); err != nil {
			t.Errorf("%s: generator: %v", c, err)
		}
		// (N-1)·G = -G, hence N·G is infinity.
		k := new(big.Int).Sub(c.N, big.NewInt(1)).Bytes()
		p, err := c.ScalarBaseMult(k)
		if err != nil || !bytes.Equal(p.X, c.Generator().X) || bytes.Equal(p.Y, c.Generator().Y) {
			t.Errorf("%s: order", c)
		}
		if _, err := c.Add(p, c.Generator()); err == nil {
			t.Errorf("%s: infinity returned", c)
		}
		if _, err := c.ScalarBaseMult(c.N.Bytes()); err == nil {
			t.Errorf("%s: scalar N accepted", c)
		}
		if _, err := c.ScalarBaseMult(make([]byte, c.OrderSize())); err == nil {
			t.Errorf("%s: scalar 0 accepted", c)
		}
		if d, err := ByOID(c.OID); err != nil || d != c {
			t.Errorf("%s: by oid", c)
		}
		e := Params{c.P, c.A, c.B, c.Gx, c.Gy, c.N, big.NewInt(1)}
		if d, err := FromExplicit(e); err != nil || d != c {
			t.Errorf("%s: explicit", c)
		}
		q := p
		e.Gx, e.Gy = new(big.Int).SetBytes(q.X), new(big.Int).SetBytes(q.Y)
		if _, err := FromExplicit(e); err == nil {
			t.Errorf("%s: another base point accepted", c)
		}
	}
}

func TestScalarMultAgainstTextbook(t *testing.T) {
	for _, c := range All() {
		t.Run(c.Name, func(t *testing.T) {
			saved := c.std
			defer func() { c.std = saved }()
			for i := range 4 {
				priv, pub, err := c.GenerateKey(rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				x, y := affineMult(c, new(big.Int).SetBytes(priv))
				if new(big.Int).SetBytes(pub.X).Cmp(x) != 0 || new(big.Int).SetBytes(pub.Y).Cmp(y) != 0 {
					t.Fatal("differs from the textbook law")
				}
				// The field code must agree with the standard library where that is used.
				c.std = nil
				own, err := c.ScalarBaseMult(priv)
				c.std = saved
				if err != nil || !own.Equal(pub) {
					t.Fatalf("field code differs (%d): %v", i, err)
				}
			}
		})
	}
}

func TestECDSA(t *testing.T) {
	h := sha256.Sum256([]byte("document"))
	for _, c := range All() {
		priv, pub, err := c.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, hash := range [][]byte{h[:], h[:20], append(h[:], h[:]...)} {
			r, s, err := SignECDSA(rand.Reader, c, priv, hash)
			if err != nil {
				t.Fatal(c, err)
			}
			if !VerifyECDSA(c, pub, hash, r, s) {
				t.Errorf("%s: own signature refused", c)
			}
			if VerifyECDSA(c, pub, hash, r, new(big.Int).Xor(s, big.NewInt(1))) ||
				VerifyECDSA(c, pub, hash, new(big.Int).Add(r, c.N), s) || VerifyECDSA(c, pub, hash, big.NewInt(0), s) ||
				VerifyECDSA(c, c.Generator(), hash, r, s) {
				t.Errorf("%s: false signature accepted", c)
			}
		}
	}
}

func TestFieldProperties(t *testing.T) {
	for _, c := range All() {
		f := c.f
		rapid.Check(t, func(t *rapid.T) {
			draw := func(l string) (*big.Int, elem) {
				b := rapid.SliceOfN(rapid.Byte(), f.size, f.size).Draw(t, l)
				v := new(big.Int).Mod(new(big.Int).SetBytes(b), c.P)
				var e elem
				if !f.set(&e, v.FillBytes(make([]byte, f.size))) {
					t.Fatal("value below the modulus refused")
				}
				return v, e
			}
			x, ex := draw("x")
			y, ey := draw("y")
			var z elem
			check := func(op string, want *big.Int) {
				want.Mod(want, c.P)
				if new(big.Int).SetBytes(f.bytes(&z)).Cmp(want) != 0 {
					t.Fatalf("%s %s", c, op)
				}
			}
			f.mul(&z, &ex, &ey)
			check("mul", new(big.Int).Mul(x, y))
			f.add(&z, &ex, &ey)
			check("add", new(big.Int).Add(x, y))
			f.sub(&z, &ex, &ey)
			check("sub", new(big.Int).Sub(x, y))
			f.setWide(&z, append(x.Bytes(), y.Bytes()...))
			check("wide", new(big.Int).SetBytes(append(x.Bytes(), y.Bytes()...)))
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range All() {
		good := c.Encode(c.Generator())
		for i, bad := range [][]byte{nil, {0}, {4}, good[:len(good)-1], append([]byte{2}, good[1:]...), append(good[:len(good):len(good)], 0), make([]byte, len(good))} {
			if _, err := c.Decode(bad); err == nil {
				t.Errorf("%s: %d accepted", c, i)
			}
		}
		off := bytes.Clone(good)
		off[len(off)-1] ^= 1
		if _, err := c.Decode(off); err == nil {
			t.Errorf("%s: point off the curve accepted", c)
		}
		high := bytes.Clone(good)
		for i := 1; i <= c.Size(); i++ {
			high[i] = 0xff
		}
		if _, err := c.Decode(high); err == nil {
			t.Errorf("%s: coordinate above the modulus accepted", c)
		}
	}
}

func BenchmarkScalarMult(b *testing.B) {
	for _, c := range All() {
		b.Run(c.Name, func(b *testing.B) {
			priv, pub, _ := c.GenerateKey(rand.Reader)
			for b.Loop() {
				c.ScalarMult(pub, priv)
			}
		})
	}
}

// The point encoding gives points of the curve for any input, and only where it is defined.
func TestMapToPoint(t *testing.T) {
	for _, c := range All() {
		rapid.Check(t, func(t *rapid.T) {
			r := rapid.SliceOfN(rapid.Byte(), 0, 90).Draw(t, "r")
			p, err := c.MapToPoint(r)
			if c.StandardID == 10 {
				if err != ErrMap {
					t.Fatal("P-224 has no encoding")
				}
				return
			}
			if err != nil {
				// t in {0, 1, -1} has none; a pseudo-random number hits it with negligible probability.
				v := new(big.Int).Mod(new(big.Int).SetBytes(r), c.P)
				if v.Cmp(big.NewInt(1)) > 0 && v.Cmp(new(big.Int).Sub(c.P, big.NewInt(1))) < 0 {
					t.Fatal(err)
				}
				return
			}
			if _, err := c.Decode(c.Encode(p)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestQuotient(t *testing.T) {
	for _, c := range All() {
		a, _, _ := c.GenerateKey(rand.Reader)
		b, pb, _ := c.GenerateKey(rand.Reader)
		q, err := c.Quotient(a, b)
		if err != nil {
			t.Fatal(err)
		}
		// (a/b)·(b·G) = a·G
		l, err1 := c.ScalarMult(pb, q)
		r, err2 := c.ScalarBaseMult(a)
		if err1 != nil || err2 != nil || !l.Equal(r) {
			t.Errorf("%s", c)
		}
	}
}
