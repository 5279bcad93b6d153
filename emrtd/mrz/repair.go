package mrz

import (
	"bytes"
	"slices"
)

// toDigit are letters that optical reading confuses with a digit, where only a digit may stand.
var toDigit = map[byte]byte{'O': '0', 'Q': '0', 'D': '0', 'I': '1', 'L': '1', 'Z': '2', 'S': '5', 'G': '6', 'T': '7', 'B': '8'}

// toLetter are digits where only a letter may stand.
var toLetter = map[byte]byte{'0': 'O', '1': 'I', '2': 'Z', '5': 'S', '8': 'B', '6': 'G'}

// swap are confusions where both may stand. G and 6, L and 1 have the same value modulo ten: no check
// digit tells them apart, so they are not repaired here.
var swap = map[byte]byte{'O': '0', '0': 'O', 'I': '1', '1': 'I', 'Z': '2', '2': 'Z', 'S': '5', '5': 'S', 'B': '8', '8': 'B'}

// maxSwaps bounds the confusable characters of one field and with it the search, 2^n.
const maxSwaps = 12

// digitsAt lists the positions where only digits (or fillers, in dates and the digit of an empty field)
// may stand.
func (l *layout) digitsAt() []int {
	var out []int
	for _, s := range []span{l.birth, l.exp} {
		for i := s.from; i <= s.to; i++ {
			out = append(out, i)
		}
	}
	out = append(out, l.number.to, l.cdComposite)
	if l.cdOpt >= 0 {
		out = append(out, l.cdOpt)
	}
	return out
}

func (l *layout) lettersAt() []int {
	var out []int
	for _, s := range []span{l.code, l.issuer, l.nat, l.name} {
		for i := s.from; i < s.to; i++ {
			out = append(out, i)
		}
	}
	return append(out, l.sex)
}

// misplaced lists the positions that hold a character of the wrong kind.
func (l *layout) misplaced(b []byte) []int {
	var out []int
	for _, i := range l.digitsAt() {
		if b[i] >= 'A' {
			out = append(out, i)
		}
	}
	for _, i := range l.lettersAt() {
		if b[i] >= '0' && b[i] <= '9' {
			out = append(out, i)
		}
	}
	return out
}

func (l *layout) field(i int) Field {
	for _, f := range []struct {
		s span
		n Field
	}{{l.code, FieldCode}, {l.issuer, FieldIssuer}, {l.name, FieldName}, {span{l.number.from, l.number.to + 1}, FieldNumber}, {l.nat, FieldNationality},
		{span{l.birth.from, l.birth.to + 1}, FieldBirth}, {span{l.exp.from, l.exp.to + 1}, FieldExpiry},
		{l.opt1, FieldOptional}, {l.opt2, FieldOptional}} {
		if i >= f.s.from && i < f.s.to {
			return f.n
		}
	}
	switch i {
	case l.sex:
		return FieldSex
	case l.cdOpt:
		return FieldOptional
	}
	return FieldComposite
}

// repair returns the one repair that satisfies every check digit, if there is exactly one.
func (l *layout) repair(b []byte) ([]byte, []Field, bool) {
	base := bytes.Clone(b)
	for _, i := range l.misplaced(b) {
		m := toDigit
		if b[i] <= '9' {
			m = toLetter
		}
		c, ok := m[b[i]]
		if !ok {
			return nil, nil, false
		}
		base[i] = c
	}
	// Characters of number and optional fields may be either.
	var at []int
	add := func(s span) {
		for i := s.from; i < s.to; i++ {
			if _, ok := swap[base[i]]; ok {
				at = append(at, i)
			}
		}
	}
	bad := l.failing(base)
	if len(bad) == 0 {
		return base, l.fields(b, base), true
	}
	// A field whose own digit holds is as it was read; the fields that only the composite digit covers
	// are suspected where that digit alone fails.
	_, _, _, long := l.longNumber(base)
	if slices.Contains(bad, FieldNumber) {
		add(l.number)
		if long {
			add(l.opt1)
		}
	}
	if slices.Contains(bad, FieldOptional) {
		add(l.opt1)
	}
	if len(bad) == 1 && bad[0] == FieldComposite && l.cdOpt < 0 {
		if !long {
			add(l.opt1)
		}
		add(l.opt2)
	}
	if len(at) > maxSwaps {
		return nil, nil, false
	}
	var found []byte
	for mask := 1; mask < 1<<len(at); mask++ {
		try := bytes.Clone(base)
		for j, i := range at {
			if mask>>j&1 == 1 {
				try[i] = swap[try[i]]
			}
		}
		if len(l.failing(try)) > 0 {
			continue
		}
		if found != nil {
			return nil, nil, false
		}
		found = try
	}
	if found == nil {
		return nil, nil, false
	}
	return found, l.fields(b, found), true
}

func (l *layout) fields(before, after []byte) []Field {
	var out []Field
	for i := range before {
		if before[i] != after[i] {
			if f := l.field(i); !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out
}
