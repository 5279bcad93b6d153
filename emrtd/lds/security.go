package lds

import (
	"crypto"
	"fmt"
	"slices"
	"strings"

	"egate/emrtd/ber"
	"egate/emrtd/cms"
)

// Object identifiers of security infos (ICAO Doc 9303-11 §9.2, BSI TR-03110-3).
const (
	OIDPACE        = "0.4.0.127.0.7.2.2.4"
	OIDPKDH        = "0.4.0.127.0.7.2.2.1.1"
	OIDPKECDH      = "0.4.0.127.0.7.2.2.1.2"
	OIDTA          = "0.4.0.127.0.7.2.2.2"
	OIDCA          = "0.4.0.127.0.7.2.2.3"
	OIDCADH        = "0.4.0.127.0.7.2.2.3.1"
	OIDCAECDH      = "0.4.0.127.0.7.2.2.3.2"
	OIDAA          = "2.23.136.1.1.5"
	OIDEFDir       = "2.23.136.1.1.13"
	OIDLDSSecurity = "2.23.136.1.1.1" // content type of EF.SOD
	OIDMasterList  = "2.23.136.1.1.2"
	OIDCardSecure  = "0.4.0.127.0.7.3.2.1" // content type of EF.CardSecurity
)

// maxSecurityInfos bounds a SecurityInfos set: issued ones have fewer than ten.
const maxSecurityInfos = 64

// SecurityInfo is one entry of SecurityInfos (EF.CardAccess, EF.CardSecurity, DG14).
type SecurityInfo struct {
	OID      string
	Required ber.Element
	Optional *ber.Element
	Raw      []byte
}

// Under tells whether the info's identifier is oid or below it.
func (s SecurityInfo) Under(oid string) bool {
	return s.OID == oid || strings.HasPrefix(s.OID, oid+".")
}

// ParseSecurityInfos reads a SET OF SecurityInfo. An entry that cannot be read is an error: a chip
// must not hide an announcement behind a malformed one.
func ParseSecurityInfos(b []byte) ([]SecurityInfo, error) {
	e, _, err := ber.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("lds: security infos: %w", err)
	}
	if !e.Is(ber.Set) {
		return nil, fmt.Errorf("%w: security infos are no set", ErrFormat)
	}
	list, err := e.Children()
	if err != nil {
		return nil, fmt.Errorf("lds: security infos: %w", err)
	}
	if len(list) > maxSecurityInfos {
		return nil, fmt.Errorf("%w: security infos", ErrLimit)
	}
	var out []SecurityInfo
	for _, x := range list {
		k, err := x.Children()
		if err != nil || len(k) < 2 || !x.Is(ber.Sequence) {
			return nil, fmt.Errorf("%w: security info", ErrFormat)
		}
		oid, err := k[0].OIDString()
		if err != nil {
			return nil, fmt.Errorf("lds: security info: %w", err)
		}
		s := SecurityInfo{OID: oid, Required: k[1], Raw: x.Raw}
		if len(k) > 2 {
			s.Optional = &k[2]
		}
		out = append(out, s)
	}
	return out, nil
}

// ParseDG14 returns the security infos of DG14.
func ParseDG14(b []byte) ([]SecurityInfo, error) {
	e, err := open(b, Tag(14), MaxFile)
	if err != nil {
		return nil, err
	}
	return ParseSecurityInfos(e.Content)
}

// BuildDG14 writes DG14 from encoded security infos, in the order given.
func BuildDG14(infos ...[]byte) []byte {
	return ber.Encode(uint16(Tag(14)), ber.Encode(ber.Set, infos...))
}

// ParseDG15 returns the SubjectPublicKeyInfo of the active authentication key.
func ParseDG15(b []byte) (spki []byte, err error) {
	e, err := open(b, Tag(15), MaxFile)
	if err != nil {
		return nil, err
	}
	k, err := e.Children()
	if err != nil || len(k) != 1 || !k[0].Is(ber.Sequence) {
		return nil, fmt.Errorf("%w: dg15", ErrFormat)
	}
	return k[0].Raw, nil
}

// BuildDG15 writes DG15 around a SubjectPublicKeyInfo.
func BuildDG15(spki []byte) []byte { return ber.Encode(uint16(Tag(15)), spki) }

// ParseSOD returns the CMS SignedData of EF.SOD.
func ParseSOD(b []byte) ([]byte, error) {
	e, err := open(b, TagSOD, MaxFile)
	if err != nil {
		return nil, err
	}
	return e.Content, nil
}

// BuildSOD writes EF.SOD around a CMS SignedData.
func BuildSOD(signedData []byte) []byte { return ber.Encode(TagSOD, signedData) }

// SecurityObject is the LDS security object (ICAO Doc 9303-10 §4.6.2.3): the signed content of EF.SOD.
type SecurityObject struct {
	Version        int
	Hash           crypto.Hash
	Groups         map[int][]byte
	LDSVersion     string
	UnicodeVersion string
}

// Numbers returns the listed data groups in ascending order.
func (o *SecurityObject) Numbers() []int {
	var out []int
	for n := range o.Groups {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// ParseSecurityObject reads the LDS security object.
func ParseSecurityObject(b []byte) (*SecurityObject, error) {
	e, err := ber.ParseExact(b)
	if err != nil {
		return nil, fmt.Errorf("lds: security object: %w", err)
	}
	k, err := e.Children()
	if err != nil || len(k) < 3 || !e.Is(ber.Sequence) {
		return nil, fmt.Errorf("%w: security object", ErrFormat)
	}
	o := &SecurityObject{Groups: map[int][]byte{}}
	if o.Version, err = k[0].Int(); err != nil || o.Version > 1 {
		return nil, fmt.Errorf("%w: security object version", ErrFormat)
	}
	if o.Hash, err = cms.ParseHash(k[1]); err != nil {
		return nil, fmt.Errorf("lds: security object hash: %w", err)
	}
	list, err := k[2].Children()
	if err != nil {
		return nil, fmt.Errorf("lds: security object: %w", err)
	}
	if len(list) > MaxGroups {
		return nil, fmt.Errorf("%w: security object groups", ErrLimit)
	}
	for _, x := range list {
		p, err := x.Children()
		if err != nil || len(p) != 2 || !p[1].Is(ber.OctetString) {
			return nil, fmt.Errorf("%w: data group hash", ErrFormat)
		}
		n, err := p[0].Int()
		if err != nil || n < 1 || n > MaxGroups {
			return nil, fmt.Errorf("%w: data group number", ErrFormat)
		}
		if len(p[1].Content) != o.Hash.Size() {
			return nil, fmt.Errorf("%w: data group hash length", ErrFormat)
		}
		if _, twice := o.Groups[n]; twice {
			return nil, fmt.Errorf("%w: data group listed twice", ErrFormat)
		}
		o.Groups[n] = p[1].Content
	}
	if len(o.Groups) == 0 {
		return nil, fmt.Errorf("%w: security object lists nothing", ErrFormat)
	}
	if len(k) > 3 {
		if v, err := k[3].Children(); err == nil && len(v) == 2 && len(v[0].Content) <= 8 && len(v[1].Content) <= 8 {
			o.LDSVersion, o.UnicodeVersion = printable(v[0].Content), printable(v[1].Content)
		}
	}
	return o, nil
}

// Encode writes the LDS security object, groups in ascending order.
func (o *SecurityObject) Encode() ([]byte, error) {
	oid, ok := cms.HashOID(o.Hash)
	if !ok {
		return nil, fmt.Errorf("lds: security object: %w", cms.ErrUnsupported)
	}
	var groups [][]byte
	for _, n := range o.Numbers() {
		groups = append(groups, ber.Encode(ber.Sequence, ber.EncodeInt(int64(n)), ber.Encode(ber.OctetString, o.Groups[n])))
	}
	parts := [][]byte{ber.EncodeInt(int64(o.Version)), ber.Encode(ber.Sequence, ber.EncodeOID(oid)), ber.Encode(ber.Sequence, groups...)}
	if o.Version == 1 {
		parts = append(parts, ber.Encode(ber.Sequence, ber.Encode(ber.PrintableString, []byte(o.LDSVersion)),
			ber.Encode(ber.PrintableString, []byte(o.UnicodeVersion))))
	}
	return ber.Encode(ber.Sequence, parts...), nil
}

// Details is what DG11 and DG12 may hold, as text by tag (ICAO Doc 9303-10 §4.7.11 and §4.7.12). Personal
// data; a gate does not read these files, an officer's desk reader may.
type Details map[uint16][]string

// maxDetails bounds the elements of DG11 and DG12.
const maxDetails = 64

// ParseDG11 reads the additional personal details.
func ParseDG11(b []byte) (Details, error) { return parseDetails(b, 11) }

// ParseDG12 reads the additional document details.
func ParseDG12(b []byte) (Details, error) { return parseDetails(b, 12) }

func parseDetails(b []byte, dg int) (Details, error) {
	e, err := open(b, Tag(dg), MaxFile)
	if err != nil {
		return nil, err
	}
	list, err := e.Children()
	if err != nil {
		return nil, fmt.Errorf("lds: dg%d: %w", dg, err)
	}
	out := Details{}
	n := 0
	var add func(list []ber.Element, depth int) error
	add = func(list []ber.Element, depth int) error {
		for _, x := range list {
			if n++; n > maxDetails {
				return fmt.Errorf("%w: dg%d elements", ErrLimit, dg)
			}
			if hasTag(x, 0x5C) || hasTag(x, 0x02) {
				continue
			}
			if x.Constructed && depth < 2 {
				k, err := x.Children()
				if err != nil {
					return fmt.Errorf("lds: dg%d: %w", dg, err)
				}
				if err := add(k, depth+1); err != nil {
					return err
				}
				continue
			}
			if len(x.Raw) < 2 {
				continue
			}
			tag := uint16(x.Raw[0])
			if tag&0x1f == 0x1f {
				tag = tag<<8 | uint16(x.Raw[1])
			}
			out[tag] = append(out[tag], strings.ToValidUTF8(string(x.Content), "?"))
		}
		return nil
	}
	return out, add(list, 0)
}

// BuildDetails writes DG11 or DG12 with one text per tag, in the order of the tags given.
func BuildDetails(dg int, tags []uint16, values []string) ([]byte, error) {
	if dg != 11 && dg != 12 || len(tags) != len(values) || len(tags) > maxDetails {
		return nil, fmt.Errorf("%w: details", ErrFormat)
	}
	var list []byte
	var parts [][]byte
	for i, t := range tags {
		if t > 0xff {
			list = append(list, byte(t>>8))
		}
		list = append(list, byte(t))
		parts = append(parts, ber.Encode(t, []byte(values[i])))
	}
	return ber.Encode(uint16(Tag(dg)), append([][]byte{ber.Encode(0x5C, list)}, parts...)...), nil
}
