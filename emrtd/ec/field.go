package ec

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// maxLimbs holds the largest field, 521 bits.
const maxLimbs = 9

// elem is a residue in Montgomery form, little-endian limbs; limbs above field.n are zero.
type elem [maxLimbs]uint64

// field is arithmetic modulo an odd prime of at most 576 bits. Its operations run in time that depends
// on the modulus only.
type field struct {
	n    int // limbs
	size int // bytes of the encoding
	p    elem
	inv  uint64 // -p^-1 mod 2^64
	r2   elem
	one  elem
	pm2  []byte // p-2, big-endian
	mod  *big.Int
}

func newField(p *big.Int) *field {
	f := &field{n: (p.BitLen() + 63) / 64, size: (p.BitLen() + 7) / 8, mod: p}
	f.p = limbs(p)
	inv := uint64(1)
	for range 6 { // Newton: doubles the correct low bits each time
		inv *= 2 - f.p[0]*inv
	}
	f.inv = -inv
	r := new(big.Int).Lsh(big.NewInt(1), uint(64*f.n))
	f.one = limbs(new(big.Int).Mod(r, p))
	f.r2 = limbs(new(big.Int).Mod(new(big.Int).Mul(r, r), p))
	f.pm2 = new(big.Int).Sub(p, big.NewInt(2)).Bytes()
	return f
}

func limbs(v *big.Int) (e elem) {
	var b [8 * maxLimbs]byte
	v.FillBytes(b[:])
	for i := range e {
		e[i] = binary.BigEndian.Uint64(b[8*(maxLimbs-1-i):])
	}
	return e
}

// mul sets z = x·y (Montgomery, CIOS).
func (f *field) mul(z, x, y *elem) {
	var t [maxLimbs + 2]uint64
	n := f.n
	for i := 0; i < n; i++ {
		yi := y[i]
		var c uint64
		for j := 0; j < n; j++ {
			hi, lo := bits.Mul64(x[j], yi)
			var k uint64
			lo, k = bits.Add64(lo, t[j], 0)
			hi += k
			lo, k = bits.Add64(lo, c, 0)
			t[j], c = lo, hi+k
		}
		var k uint64
		t[n], k = bits.Add64(t[n], c, 0)
		t[n+1] = k
		m := t[0] * f.inv
		hi, lo := bits.Mul64(m, f.p[0])
		_, k = bits.Add64(lo, t[0], 0)
		c = hi + k
		for j := 1; j < n; j++ {
			hi, lo := bits.Mul64(m, f.p[j])
			lo, k = bits.Add64(lo, t[j], 0)
			hi += k
			lo, k = bits.Add64(lo, c, 0)
			t[j-1], c = lo, hi+k
		}
		t[n-1], k = bits.Add64(t[n], c, 0)
		t[n] = t[n+1] + k
	}
	var r elem
	copy(r[:n], t[:n])
	f.reduce(z, &r, t[n])
}

// reduce sets z = carry·2^(64n) + x mod p for a value below 2p.
func (f *field) reduce(z, x *elem, carry uint64) {
	var d elem
	var b uint64
	for i := 0; i < f.n; i++ {
		d[i], b = bits.Sub64(x[i], f.p[i], b)
	}
	_, b = bits.Sub64(carry, 0, b)
	mask := -b // all ones: x < p, keep x
	for i := 0; i < f.n; i++ {
		z[i] = x[i]&mask | d[i]&^mask
	}
}

func (f *field) add(z, x, y *elem) {
	var s elem
	var c uint64
	for i := 0; i < f.n; i++ {
		s[i], c = bits.Add64(x[i], y[i], c)
	}
	f.reduce(z, &s, c)
}

func (f *field) sub(z, x, y *elem) {
	var d elem
	var b, c uint64
	for i := 0; i < f.n; i++ {
		d[i], b = bits.Sub64(x[i], y[i], b)
	}
	mask := -b
	for i := 0; i < f.n; i++ {
		z[i], c = bits.Add64(d[i], f.p[i]&mask, c)
	}
}

func (f *field) neg(z, x *elem) { f.sub(z, &elem{}, x) }

// exp sets z = x^e for a public exponent e, big-endian.
func (f *field) exp(z, x *elem, e []byte) {
	base, r := *x, f.one
	for _, c := range e {
		for i := 7; i >= 0; i-- {
			f.mul(&r, &r, &r)
			if c>>i&1 == 1 {
				f.mul(&r, &r, &base)
			}
		}
	}
	*z = r
}

// invert sets z = 1/x, zero for zero.
func (f *field) invert(z, x *elem) { f.exp(z, x, f.pm2) }

// set reads a big-endian value of at most size bytes and tells whether it is below the modulus.
func (f *field) set(z *elem, b []byte) bool {
	var buf [8 * maxLimbs]byte
	if len(b) > f.size {
		return false
	}
	copy(buf[len(buf)-len(b):], b)
	var x elem
	for i := range f.n {
		x[i] = binary.BigEndian.Uint64(buf[8*(maxLimbs-1-i):])
	}
	clear(buf[:])
	var br uint64
	for i := range f.n {
		_, br = bits.Sub64(x[i], f.p[i], br)
	}
	f.mul(z, &x, &f.r2)
	return br == 1
}

// setWide reads a big-endian value of any length modulo the modulus.
func (f *field) setWide(z *elem, b []byte) {
	var r, d, c256 elem
	c256[0] = 256
	f.mul(&c256, &c256, &f.r2)
	for _, c := range b {
		d = elem{uint64(c)}
		f.mul(&d, &d, &f.r2)
		f.mul(&r, &r, &c256)
		f.add(&r, &r, &d)
	}
	*z = r
}

// bytes writes the value big-endian in size bytes.
func (f *field) bytes(x *elem) []byte {
	var r elem
	f.mul(&r, x, &elem{1})
	var buf [8 * maxLimbs]byte
	for i := range r {
		binary.BigEndian.PutUint64(buf[8*(maxLimbs-1-i):], r[i])
	}
	out := make([]byte, f.size)
	copy(out, buf[len(buf)-f.size:])
	clear(buf[:])
	return out
}

func (f *field) equal(x, y *elem) bool {
	var d uint64
	for i := range f.n {
		d |= x[i] ^ y[i]
	}
	return d == 0
}

// cmov sets z = x where mask is all ones.
func cmov(z, x *elem, mask uint64) {
	for i := range z {
		z[i] = z[i]&^mask | x[i]&mask
	}
}
