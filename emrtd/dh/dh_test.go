package dh

import (
	"bytes"
	"crypto/rand"
	"math/big"
	"testing"
)

func TestGroups(t *testing.T) {
	one := big.NewInt(1)
	for id := range 3 {
		g, err := ByStandardID(id)
		if err != nil {
			t.Fatal(err)
		}
		if !g.P.ProbablyPrime(8) || !g.Q.ProbablyPrime(8) {
			t.Errorf("%s: not prime", g.Name)
		}
		if new(big.Int).Exp(g.G, g.Q, g.P).Cmp(one) != 0 {
			t.Errorf("%s: generator's order", g.Name)
		}
		if x, err := FromExplicit(g.P, g.G, nil); err != nil || x != g {
			t.Errorf("%s: explicit", g.Name)
		}
		for range 3 {
			a, ya, err := g.GenerateKey(rand.Reader, g.Generator())
			if err != nil {
				t.Fatal(err)
			}
			if new(big.Int).Exp(g.G, new(big.Int).SetBytes(a), g.P).Cmp(new(big.Int).SetBytes(ya)) != 0 {
				t.Fatalf("%s: exponentiation", g.Name)
			}
			b, yb, _ := g.GenerateKey(rand.Reader, g.Generator())
			k1, err1 := g.Agree(a, yb)
			k2, err2 := g.Agree(b, ya)
			if err1 != nil || err2 != nil || !bytes.Equal(k1, k2) {
				t.Fatalf("%s: agreement", g.Name)
			}
			m := new(big.Int).Mul(new(big.Int).SetBytes(ya), new(big.Int).SetBytes(yb))
			if !bytes.Equal(g.Mul(ya, yb), m.Mod(m, g.P).FillBytes(make([]byte, g.Size()))) {
				t.Fatal("product")
			}
		}
		// Small subgroups and values out of range are refused (RFC 2631 §2.1.5).
		for _, y := range []*big.Int{big.NewInt(0), one, new(big.Int).Sub(g.P, one), g.P, big.NewInt(2)} {
			if _, err := g.Agree([]byte{3}, y.Bytes()); err == nil {
				t.Errorf("%s: %v accepted", g.Name, y)
			}
		}
	}
	if _, err := FromExplicit(big.NewInt(23), big.NewInt(5), nil); err == nil {
		t.Error("tiny group accepted")
	}
	if _, err := FromExplicit(new(big.Int).Lsh(one, 5000), big.NewInt(5), nil); err == nil {
		t.Error("huge group accepted")
	}
}

// The comparisons of secret exponents agree with plain ones.
func TestConstantTimeCompare(t *testing.T) {
	for range 2000 {
		a, b := make([]byte, 3), make([]byte, 3)
		rand.Read(a)
		rand.Read(b)
		a[0], b[0] = a[0]&1, b[0]&1
		if a[2]&3 == 0 {
			copy(b, a)
		}
		if got, want := below(a, b), bytes.Compare(a, b) < 0; (got == 1) != want || got>>1 != 0 {
			t.Fatalf("%x < %x: %d", a, b, got)
		}
		if got, want := zero(a), bytes.Equal(a, make([]byte, 3)); (got == 1) != want || got>>1 != 0 {
			t.Fatalf("%x = 0: %d", a, got)
		}
	}
	if zero(make([]byte, 40)) != 1 || below(nil, nil) != 0 {
		t.Error("edges")
	}
	g, err := ByStandardID(2)
	if err != nil {
		t.Fatal(err)
	}
	// A source whose first draws are not below the order is drawn from again.
	q := g.Q.FillBytes(make([]byte, 32))
	src := bytes.NewReader(append(append(bytes.Repeat([]byte{0xff}, 32), q...), append(make([]byte, 32), bytes.Repeat([]byte{1}, 32)...)...))
	priv, _, err := g.GenerateKey(src, g.Generator())
	if err != nil || priv[0] != 1 || src.Len() != 0 {
		t.Errorf("%v, %d bytes left", err, src.Len())
	}
}

func BenchmarkExp(b *testing.B) {
	g, _ := ByStandardID(2)
	e := make([]byte, 32)
	rand.Read(e)
	for b.Loop() {
		g.Exp(g.Generator(), e)
	}
}
