// Package lds reads and writes the files of the logical data structure (ICAO Doc 9303-10): EF.COM,
// EF.SOD and the data groups that a border control may need. DG3 and DG4 (fingers, irises) have no
// parser here on purpose (C-09): they are never selected.
//
// Input is hostile until passive authentication has passed, so every length and count is capped.
// Files hold personal data: nothing of their content appears in an error.
package lds

import (
	"errors"
	"fmt"
	"slices"

	"egate/emrtd/ber"
)

// Limits on what a chip may announce.
const (
	// MaxDG2 is the largest face file accepted: issued ones have 10 to 40 KB (C-10).
	MaxDG2 = 2 << 20
	// MaxFile is the largest other file accepted. SOD and DG14 are under 10 KB.
	MaxFile = 64 << 10
	// MaxGroups is the number of data groups that exist.
	MaxGroups = 16
)

// Errors that callers branch on.
var (
	ErrFormat = errors.New("lds: malformed")
	ErrLimit  = errors.New("lds: limit exceeded")
)

// File identifiers (ICAO Doc 9303-10 §3.10 and §4): EF.COM, EF.SOD, DG1…DG16, and in the master file
// EF.CardAccess, EF.CardSecurity, EF.ATR/INFO, EF.DIR.
const (
	FIDCardAccess   uint16 = 0x011C
	FIDCardSecurity uint16 = 0x011D // in the master file; the same identifier is EF.SOD in the application
	FIDSOD          uint16 = 0x011D
	FIDCOM          uint16 = 0x011E
	FIDATRInfo      uint16 = 0x2F01
	FIDDir          uint16 = 0x2F00
)

// Short EF identifiers.
const (
	SFICardAccess   = 0x1C
	SFICardSecurity = 0x1D
	SFISOD          = 0x1D
	SFICOM          = 0x1E
	SFIATRInfo      = 0x01
)

// AID is the application identifier of the eMRTD application.
var AID = []byte{0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01}

// Outer tags.
const (
	TagCOM = 0x60
	TagSOD = 0x77
)

var groupTags = [MaxGroups + 1]byte{0, 0x61, 0x75, 0x63, 0x76, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70}

// FID returns the file identifier of data group n.
func FID(n int) uint16 { return 0x0100 | uint16(n) }

// Tag returns the outer tag of data group n, zero where there is no such group.
func Tag(n int) byte {
	if n < 1 || n > MaxGroups {
		return 0
	}
	return groupTags[n]
}

// Group returns the data group with outer tag t, zero where there is none.
func Group(t byte) int {
	if t == 0 {
		return 0
	}
	return max(slices.Index(groupTags[:], t), 0)
}

// MaxSize is the largest size accepted for data group n.
func MaxSize(n int) int {
	if n == 2 {
		return MaxDG2
	}
	return MaxFile
}

// open strips the outer tag of a file. Bytes after it are padding of the chip's file and ignored.
func open(b []byte, tag byte, limit int) (ber.Element, error) {
	if len(b) > limit {
		return ber.Element{}, fmt.Errorf("%w: file of %d bytes", ErrLimit, len(b))
	}
	e, _, err := ber.Parse(b)
	if err != nil {
		return e, fmt.Errorf("lds: file %02x: %w", tag, err)
	}
	if !e.Is(tag) {
		return e, fmt.Errorf("%w: outer tag is not %02x", ErrFormat, tag)
	}
	return e, nil
}

// child returns the first element with the given identifier octets, one or two.
func child(list []ber.Element, tag uint16) (ber.Element, bool) {
	for _, e := range list {
		if hasTag(e, tag) {
			return e, true
		}
	}
	return ber.Element{}, false
}

func hasTag(e ber.Element, tag uint16) bool {
	if tag > 0xff {
		return len(e.Raw) > 1 && e.Raw[0] == byte(tag>>8) && e.Raw[1] == byte(tag)
	}
	return e.Is(byte(tag)) && tag&0x1f != 0x1f
}

// COM is EF.COM. It is not signed: nothing is decided on it alone (design: group consistency).
type COM struct {
	LDSVersion     string // "0107"
	UnicodeVersion string
	Groups         []int
}

// ParseCOM reads EF.COM.
func ParseCOM(b []byte) (COM, error) {
	e, err := open(b, TagCOM, MaxFile)
	if err != nil {
		return COM{}, err
	}
	k, err := e.Children()
	if err != nil {
		return COM{}, fmt.Errorf("lds: com: %w", err)
	}
	var c COM
	if v, ok := child(k, 0x5F01); ok && len(v.Content) == 4 {
		c.LDSVersion = printable(v.Content)
	}
	if v, ok := child(k, 0x5F36); ok && len(v.Content) == 6 {
		c.UnicodeVersion = printable(v.Content)
	}
	v, ok := child(k, 0x5C)
	if !ok || len(v.Content) > 2*MaxGroups {
		return c, fmt.Errorf("%w: com tag list", ErrFormat)
	}
	for _, t := range v.Content {
		n := Group(t)
		if n == 0 {
			return c, fmt.Errorf("%w: com names an unknown tag", ErrFormat)
		}
		if !slices.Contains(c.Groups, n) {
			c.Groups = append(c.Groups, n)
		}
	}
	return c, nil
}

// BuildCOM writes EF.COM.
func BuildCOM(c COM) []byte {
	tags := make([]byte, 0, len(c.Groups))
	for _, n := range c.Groups {
		tags = append(tags, Tag(n))
	}
	return ber.Encode(TagCOM, ber.Encode(0x5F01, []byte(c.LDSVersion)),
		ber.Encode(0x5F36, []byte(c.UnicodeVersion)), ber.Encode(0x5C, tags))
}

func printable(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		if c < 0x20 || c > 0x7e {
			c = '?'
		}
		out[i] = c
	}
	return string(out)
}

// ParseDG1 returns the MRZ of DG1: 88 characters for TD3, 72 for TD2, 90 for TD1, without line ends.
// It is personal data.
func ParseDG1(b []byte) ([]byte, error) {
	e, err := open(b, Tag(1), MaxFile)
	if err != nil {
		return nil, err
	}
	k, err := e.Children()
	if err != nil {
		return nil, fmt.Errorf("lds: dg1: %w", err)
	}
	m, ok := child(k, 0x5F1F)
	if !ok {
		return nil, fmt.Errorf("%w: dg1 without mrz", ErrFormat)
	}
	switch len(m.Content) {
	case 88, 72, 90:
	default:
		return nil, fmt.Errorf("%w: mrz of %d characters", ErrFormat, len(m.Content))
	}
	for _, c := range m.Content {
		if !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '<') {
			return nil, fmt.Errorf("%w: mrz character set", ErrFormat)
		}
	}
	return m.Content, nil
}

// BuildDG1 writes DG1 around an MRZ without line ends.
func BuildDG1(mrz []byte) []byte {
	return ber.Encode(uint16(Tag(1)), ber.Encode(0x5F1F, mrz))
}

// Lines cuts the MRZ of DG1 into its lines.
func Lines(mrz []byte) [][]byte {
	n := 1
	switch len(mrz) {
	case 88, 72:
		n = 2
	case 90:
		n = 3
	}
	w := len(mrz) / n
	var out [][]byte
	for i := range n {
		out = append(out, mrz[i*w:(i+1)*w])
	}
	return out
}
