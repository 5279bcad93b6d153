package ber

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Encode writes one DER element with the given identifier octets (one or two) and parts as contents.
func Encode(tag uint16, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := make([]byte, 0, n+7)
	if tag > 0xff {
		out = append(out, byte(tag>>8))
	}
	out = append(out, byte(tag))
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 1<<8:
		out = append(out, 0x81, byte(n))
	case n < 1<<16:
		out = append(out, 0x82, byte(n>>8), byte(n))
	case n < 1<<24:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	default:
		out = append(out, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// EncodeSet writes a SET OF with its parts in DER order.
func EncodeSet(parts ...[]byte) []byte {
	s := slices.Clone(parts)
	slices.SortFunc(s, slices.Compare[[]byte])
	return Encode(Set, s...)
}

// EncodeInt writes an INTEGER.
func EncodeInt(v int64) []byte { return EncodeBig(big.NewInt(v)) }

// EncodeBig writes a non-negative INTEGER.
func EncodeBig(v *big.Int) []byte {
	b := v.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return Encode(Integer, b)
}

// EncodeBits writes a BIT STRING of whole bytes.
func EncodeBits(b []byte) []byte { return Encode(BitString, []byte{0}, b) }

// EncodeOID writes an OBJECT IDENTIFIER given in dotted form. It panics on a form that is not one:
// callers pass constants.
func EncodeOID(dotted string) []byte {
	var arcs []uint64
	for _, f := range strings.Split(dotted, ".") {
		v, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			panic("ber: not an object identifier")
		}
		arcs = append(arcs, v)
	}
	if len(arcs) < 2 {
		panic("ber: not an object identifier")
	}
	arcs[1] += 40 * arcs[0]
	var out []byte
	for _, v := range arcs[1:] {
		var tmp []byte
		for first := true; first || v > 0; v >>= 7 {
			c := byte(v & 0x7f)
			if !first {
				c |= 0x80
			}
			tmp = append(tmp, c)
			first = false
		}
		slices.Reverse(tmp)
		out = append(out, tmp...)
	}
	return Encode(OID, out)
}

// EncodeTime writes a time as RFC 5280 §4.1.2.5 demands: UTCTime up to 2049, then GeneralizedTime.
func EncodeTime(t time.Time) []byte {
	t = t.UTC()
	if t.Year() >= 1950 && t.Year() < 2050 {
		return Encode(UTCTime, []byte(t.Format("060102150405Z")))
	}
	return Encode(GeneralizedTime, []byte(t.Format("20060102150405Z")))
}
