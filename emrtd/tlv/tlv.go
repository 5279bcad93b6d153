// Package tlv reads and writes the BER-TLV data objects of card commands and responses (ISO/IEC
// 7816-4 §6): tags of one to three bytes, definite lengths only. ASN.1 structures as issuers write
// them are the business of package ber.
//
// A chip is hostile until it is authenticated, therefore every read is bounded.
package tlv

import (
	"errors"
	"fmt"
)

// Limits of the reader.
const (
	// MaxLength bounds one announced length. A protected extended response carries at most 64 KiB.
	MaxLength = 1 << 17
	// MaxObjects bounds a run of data objects; secure messaging has four, EF.ATR/INFO about a dozen.
	MaxObjects = 64
	// MaxDepth bounds Find through nested objects.
	MaxDepth = 8
)

// Errors that callers branch on.
var (
	ErrTruncated = errors.New("tlv: truncated")
	ErrLimit     = errors.New("tlv: limit exceeded")
	ErrFormat    = errors.New("tlv: malformed")
)

// Object is one data object. Value and Raw alias the input.
type Object struct {
	Tag   uint32
	Value []byte
	Raw   []byte
}

// Header reads tag and length at the start of b and returns the size of both fields. The value need
// not be present: this is how the length of a file is learned from its first bytes. limit bounds the
// announced length; ErrLimit says that it is exceeded.
func Header(b []byte, limit uint64) (tag uint32, length, header int, err error) {
	if len(b) == 0 {
		return 0, 0, 0, ErrTruncated
	}
	tag = uint32(b[0])
	i := 1
	if b[0]&0x1f == 0x1f {
		for n := 1; ; n++ {
			if i >= len(b) {
				return 0, 0, 0, ErrTruncated
			}
			if n == 3 {
				return 0, 0, 0, fmt.Errorf("%w: tag", ErrFormat)
			}
			tag = tag<<8 | uint32(b[i])
			i++
			if b[i-1]&0x80 == 0 {
				break
			}
		}
	}
	if i >= len(b) {
		return 0, 0, 0, ErrTruncated
	}
	c := b[i]
	i++
	var v uint64
	switch {
	case c < 0x80:
		v = uint64(c)
	case c == 0x80 || c > 0x84:
		return 0, 0, 0, fmt.Errorf("%w: length", ErrFormat)
	default:
		for n := int(c & 0x7f); n > 0; n-- {
			if i >= len(b) {
				return 0, 0, 0, ErrTruncated
			}
			v = v<<8 | uint64(b[i])
			i++
		}
	}
	if v > limit {
		return tag, 0, i, fmt.Errorf("%w: length", ErrLimit)
	}
	return tag, int(v), i, nil
}

// Read reads one object and returns what follows it.
func Read(b []byte) (Object, []byte, error) {
	tag, n, h, err := Header(b, MaxLength)
	if err != nil {
		return Object{}, nil, err
	}
	if len(b)-h < n {
		return Object{}, nil, ErrTruncated
	}
	return Object{Tag: tag, Value: b[h : h+n : h+n], Raw: b[: h+n : h+n]}, b[h+n:], nil
}

// List reads a run of objects that fills b.
func List(b []byte) ([]Object, error) {
	var out []Object
	for len(b) > 0 {
		o, rest, err := Read(b)
		if err != nil {
			return nil, err
		}
		if len(out) == MaxObjects {
			return nil, fmt.Errorf("%w: objects", ErrLimit)
		}
		out = append(out, o)
		b = rest
	}
	return out, nil
}

// Find descends through the tags of path, taking the first object of each.
func Find(b []byte, path ...uint32) ([]byte, bool) {
	if len(path) > MaxDepth {
		return nil, false
	}
	for _, t := range path {
		list, err := List(b)
		if err != nil {
			return nil, false
		}
		found := false
		for _, o := range list {
			if o.Tag == t {
				b, found = o.Value, true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	return b, true
}

// Append appends one object in DER to dst.
func Append(dst []byte, tag uint32, value ...[]byte) []byte {
	n := 0
	for _, v := range value {
		n += len(v)
	}
	dst = AppendHeader(dst, tag, n)
	for _, v := range value {
		dst = append(dst, v...)
	}
	return dst
}

// AppendHeader appends tag and length of an object of n bytes.
func AppendHeader(dst []byte, tag uint32, n int) []byte {
	switch {
	case tag > 0xffff:
		dst = append(dst, byte(tag>>16), byte(tag>>8), byte(tag))
	case tag > 0xff:
		dst = append(dst, byte(tag>>8), byte(tag))
	default:
		dst = append(dst, byte(tag))
	}
	switch {
	case n < 0x80:
		return append(dst, byte(n))
	case n < 1<<8:
		return append(dst, 0x81, byte(n))
	case n < 1<<16:
		return append(dst, 0x82, byte(n>>8), byte(n))
	case n < 1<<24:
		return append(dst, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// Encode writes one object in DER.
func Encode(tag uint32, value ...[]byte) []byte { return Append(nil, tag, value...) }
