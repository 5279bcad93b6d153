// Package ber reads ASN.1 as issuers really write it (BER, indefinite lengths and constructed
// strings included, ITU-T X.690) and writes DER.
//
// The reader keeps the raw bytes of every element, because signatures and hashes of a travel
// document are taken over the bytes as issued, never over a re-encoding (ICAO Doc 9303-10 §4.6.2).
// It takes hostile input: depth, size and count are capped.
package ber

import (
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Limits of the reader.
const (
	// MaxDepth bounds nesting. The deepest issued structure seen (a master list's certificate
	// extension) is under 20 levels.
	MaxDepth = 40
	// MaxSize bounds one structure: the largest master list seen is 0.9 MB; 16 MiB leaves room for
	// a whole PKD export and keeps a hostile length from costing memory.
	MaxSize = 16 << 20
	// MaxChildren bounds the elements of one constructed element (entries of a CRL).
	MaxChildren = 200_000
)

// Classes of a tag.
const (
	ClassUniversal = iota
	ClassApplication
	ClassContext
	ClassPrivate
)

// Identifier octets that occur in travel document structures.
const (
	Boolean         = 0x01
	Integer         = 0x02
	BitString       = 0x03
	OctetString     = 0x04
	Null            = 0x05
	OID             = 0x06
	Enumerated      = 0x0A
	UTF8String      = 0x0C
	Sequence        = 0x30
	Set             = 0x31
	PrintableString = 0x13
	UTCTime         = 0x17
	GeneralizedTime = 0x18
)

// Errors that callers branch on.
var (
	ErrTruncated = errors.New("ber: truncated")
	ErrLimit     = errors.New("ber: limit exceeded")
	ErrFormat    = errors.New("ber: malformed")
)

// Element is one TLV. Raw and Content alias the input.
type Element struct {
	Class       int
	Constructed bool
	Number      uint32
	Raw         []byte // identifier, length, contents and end-of-contents where there is one
	Content     []byte
	Indefinite  bool
}

// Is tells whether the element's first identifier octet is b (low tag numbers only).
func (e Element) Is(b byte) bool { return len(e.Raw) > 0 && e.Raw[0] == b }

// IsContext tells whether the element is context tag n, primitive or constructed.
func (e Element) IsContext(n uint32) bool { return e.Class == ClassContext && e.Number == n }

// Parse reads one element and returns what follows it.
func Parse(b []byte) (Element, []byte, error) { return parse(b, 0) }

// ParseExact reads one element that must fill b.
func ParseExact(b []byte) (Element, error) {
	e, rest, err := parse(b, 0)
	if err != nil {
		return Element{}, err
	}
	if len(rest) != 0 {
		return Element{}, fmt.Errorf("%w: %d bytes after the element", ErrFormat, len(rest))
	}
	return e, nil
}

func parse(b []byte, depth int) (Element, []byte, error) {
	var e Element
	if depth > MaxDepth {
		return e, nil, fmt.Errorf("%w: nesting", ErrLimit)
	}
	if len(b) < 2 {
		return e, nil, ErrTruncated
	}
	e.Class = int(b[0] >> 6)
	e.Constructed = b[0]&0x20 != 0
	e.Number = uint32(b[0] & 0x1f)
	i := 1
	if e.Number == 0x1f {
		e.Number = 0
		for n := 0; ; n++ {
			if i >= len(b) {
				return e, nil, ErrTruncated
			}
			if n == 4 {
				return e, nil, fmt.Errorf("%w: tag number", ErrFormat)
			}
			c := b[i]
			i++
			e.Number = e.Number<<7 | uint32(c&0x7f)
			if c&0x80 == 0 {
				break
			}
		}
	}
	if i >= len(b) {
		return e, nil, ErrTruncated
	}
	l := int(b[i])
	i++
	switch {
	case l == 0x80:
		if !e.Constructed {
			return e, nil, fmt.Errorf("%w: indefinite length of a primitive element", ErrFormat)
		}
		e.Indefinite = true
		rest := b[i:]
		for {
			if len(rest) >= 2 && rest[0] == 0 && rest[1] == 0 {
				end := len(b) - len(rest)
				e.Content = b[i:end]
				e.Raw = b[:end+2]
				return e, rest[2:], nil
			}
			var err error
			if _, rest, err = parse(rest, depth+1); err != nil {
				return e, nil, err
			}
		}
	case l > 0x80:
		n := l & 0x7f
		if n > 8 {
			return e, nil, fmt.Errorf("%w: length field", ErrFormat)
		}
		if len(b)-i < n {
			return e, nil, ErrTruncated
		}
		var v uint64
		for ; n > 0; n-- {
			if v > MaxSize {
				return e, nil, fmt.Errorf("%w: length", ErrLimit)
			}
			v = v<<8 | uint64(b[i])
			i++
		}
		if v > MaxSize {
			return e, nil, fmt.Errorf("%w: length", ErrLimit)
		}
		l = int(v)
	}
	if len(b)-i < l {
		return e, nil, ErrTruncated
	}
	e.Content = b[i : i+l]
	e.Raw = b[:i+l]
	return e, b[i+l:], nil
}

// Children reads the elements inside a constructed element.
func (e Element) Children() ([]Element, error) {
	if !e.Constructed {
		return nil, fmt.Errorf("%w: primitive where constructed expected", ErrFormat)
	}
	return List(e.Content)
}

// List reads a run of elements.
func List(b []byte) ([]Element, error) {
	// They are counted first: growing a list of many small elements costs several times its memory, and a list
	// that is refused costs none.
	n := 0
	for rest := b; len(rest) > 0; n++ {
		if n == MaxChildren {
			return nil, fmt.Errorf("%w: elements", ErrLimit)
		}
		var err error
		if _, rest, err = parse(rest, 0); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		return nil, nil
	}
	out := make([]Element, n)
	for i := range out {
		var err error
		if out[i], b, err = parse(b, 0); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Octets returns the value of an OCTET STRING or BIT STRING (without its count of unused bits),
// joining the parts of a constructed one. Context tags in place of the universal one are accepted.
func (e Element) Octets() ([]byte, error) {
	if !e.Constructed {
		return e.Content, nil
	}
	return e.join(nil, 0)
}

func (e Element) join(out []byte, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: nesting", ErrLimit)
	}
	if !e.Constructed {
		return append(out, e.Content...), nil
	}
	kids, err := e.Children()
	if err != nil {
		return nil, err
	}
	for _, k := range kids {
		if k.Class != ClassUniversal || k.Number != OctetString {
			return nil, fmt.Errorf("%w: part of a string", ErrFormat)
		}
		if out, err = k.join(out, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Bits returns the bytes of a BIT STRING with no unused bits.
func (e Element) Bits() ([]byte, error) {
	if !e.Is(BitString) || len(e.Content) < 1 || e.Content[0] > 7 {
		return nil, fmt.Errorf("%w: bit string", ErrFormat)
	}
	return e.Content[1:], nil
}

// BigInt returns the value of an INTEGER. Non-minimal encodings are accepted.
func (e Element) BigInt() (*big.Int, error) {
	if len(e.Content) == 0 || len(e.Content) > 4096 {
		return nil, fmt.Errorf("%w: integer", ErrFormat)
	}
	v := new(big.Int).SetBytes(e.Content)
	if e.Content[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(e.Content))))
	}
	return v, nil
}

// Int returns the value of an INTEGER that fits 31 bits and is not negative.
func (e Element) Int() (int, error) {
	v, err := e.BigInt()
	if err != nil {
		return 0, err
	}
	if !v.IsInt64() || v.Int64() < 0 || v.Int64() > 1<<31-1 {
		return 0, fmt.Errorf("%w: integer out of range", ErrFormat)
	}
	return int(v.Int64()), nil
}

// OIDString returns the value of an OBJECT IDENTIFIER in dotted form.
func (e Element) OIDString() (string, error) {
	if !e.Is(OID) {
		return "", fmt.Errorf("%w: object identifier", ErrFormat)
	}
	return DecodeOID(e.Content)
}

// maxOID bounds an object identifier: the longest in use here has 12 bytes.
const maxOID = 64

// DecodeOID decodes the contents of an OBJECT IDENTIFIER.
func DecodeOID(b []byte) (string, error) {
	if len(b) == 0 || len(b) > maxOID || b[len(b)-1]&0x80 != 0 {
		return "", fmt.Errorf("%w: object identifier", ErrFormat)
	}
	out := make([]byte, 0, 3*len(b))
	var v uint64
	first := true
	for _, c := range b {
		if v > 1<<56 {
			return "", fmt.Errorf("%w: object identifier arc", ErrFormat)
		}
		v = v<<7 | uint64(c&0x7f)
		if c&0x80 != 0 {
			continue
		}
		if first {
			first = false
			root := min(v/40, 2)
			out = fmt.Appendf(out, "%d.%d", root, v-40*root)
		} else {
			out = fmt.Appendf(out, ".%d", v)
		}
		v = 0
	}
	return string(out), nil
}

// Time returns the value of a UTCTime or GeneralizedTime in UTC (RFC 5280 §4.1.2.5: two-digit
// years from 50 on are of the last century). Missing seconds and zone offsets are accepted, as
// issued certificates have both.
func (e Element) Time() (time.Time, error) {
	s := string(e.Content)
	var layouts []string
	switch {
	case e.Is(UTCTime):
		layouts = []string{"060102150405Z0700", "0601021504Z0700"}
	case e.Is(GeneralizedTime):
		layouts = []string{"20060102150405Z0700", "200601021504Z0700", "20060102150405.999Z0700", "20060102150405"}
	default:
		return time.Time{}, fmt.Errorf("%w: time", ErrFormat)
	}
	for _, l := range layouts {
		t, err := time.Parse(l, s)
		if err != nil {
			continue
		}
		if e.Is(UTCTime) {
			// Package time turns 69..99 into 19xx; the certificate rule turns at 50.
			if y := t.Year(); y >= 2050 {
				t = t.AddDate(-100, 0, 0)
			}
		}
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%w: time", ErrFormat)
}
