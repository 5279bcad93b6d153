// Package pace is Password Authenticated Connection Establishment (ICAO Doc 9303-11 §4.4): generic,
// integrated and chip authentication mapping over elliptic curves and prime fields, with 3DES and AES.
// The mathematics serves both ends; Establish is the procedure of the inspection system.
package pace

import (
	"cmp"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"egate/emrtd/ber"
	"egate/emrtd/dh"
	"egate/emrtd/ec"
	"egate/emrtd/lds"
	"egate/emrtd/sm"
)

// Errors that callers branch on.
var (
	// ErrNone says that the chip announces no PACE at all.
	ErrNone = errors.New("pace: not announced")
	// ErrUnsupported says that no announced variant can be used here.
	ErrUnsupported = errors.New("pace: no usable variant")
	// ErrPassword says that the chip refused the password: MRZ or CAN is wrong.
	ErrPassword = errors.New("pace: password refused")
	// ErrChip says that the chip's answers are false: it does not know the password or cheats.
	ErrChip = errors.New("pace: chip failed the protocol")
)

// Mapping is how the nonce becomes a generator.
type Mapping uint8

// Mappings.
const (
	GM  Mapping = iota + 1 // generic
	IM                     // integrated
	CAM                    // generic, with chip authentication
)

func (m Mapping) String() string {
	return [...]string{"none", "gm", "im", "cam"}[m&3]
}

// Algorithm is one PACE variant.
type Algorithm struct {
	OID     string
	Mapping Mapping
	ECDH    bool
	Suite   sm.Suite
}

// AlgorithmByOID reads the variant out of an object identifier (ICAO Doc 9303-11 §9.2.3).
func AlgorithmByOID(oid string) (Algorithm, bool) {
	rest, ok := strings.CutPrefix(oid, lds.OIDPACE+".")
	if !ok {
		return Algorithm{}, false
	}
	m, c, ok := strings.Cut(rest, ".")
	if !ok {
		return Algorithm{}, false
	}
	a := Algorithm{OID: oid}
	switch m {
	case "1":
		a.Mapping = GM
	case "2":
		a.Mapping, a.ECDH = GM, true
	case "3":
		a.Mapping = IM
	case "4":
		a.Mapping, a.ECDH = IM, true
	case "6":
		a.Mapping, a.ECDH = CAM, true
	default:
		return Algorithm{}, false
	}
	n, err := strconv.Atoi(c)
	if err != nil || n < 1 || n > 4 || a.Mapping == CAM && n == 1 {
		return Algorithm{}, false
	}
	a.Suite = sm.Suite(n) // 1 3DES, 2 AES-128, 3 AES-192, 4 AES-256: the order of package sm
	return a, true
}

// Info is one announced variant with its domain parameters.
type Info struct {
	Algorithm
	Version     int
	ParameterID int // -1 where none is given
	// Group is nil where the parameters are unknown here.
	Group    Group
	Explicit bool // proprietary parameters in a PACEDomainParameterInfo
}

func (i Info) String() string {
	g := "unknown parameters"
	if i.Group != nil {
		g = i.Group.Name()
	}
	return i.Mapping.String() + "/" + g + "/" + i.Suite.String()
}

// Usable tells whether this package can run the variant.
func (i Info) Usable() bool {
	return i.Group != nil && i.Version == 2 && (i.Mapping != IM || i.Group.canIntegrate())
}

// strength orders variants: chip authentication mapping first, as it saves a protocol, then the size of
// the group in terms of security, then the cipher.
func (i Info) strength() int {
	s := 0
	if i.Mapping == CAM {
		s += 1 << 20
	}
	if i.Group != nil {
		s += i.Group.security() << 4
	}
	return s + int(i.Suite)
}

// ParseInfos reads the PACE announcements out of SecurityInfos. An announcement of an unknown variant is
// kept with a nil group: the chip did announce PACE. The order is that of falling strength.
func ParseInfos(list []lds.SecurityInfo) ([]Info, error) {
	var out []Info
	explicit := map[int]Group{}
	for _, s := range list {
		// PACEDomainParameterInfo: the identifier names agreement and mapping, without a cipher.
		if !s.Under(lds.OIDPACE) || strings.Count(s.OID[len(lds.OIDPACE):], ".") != 1 {
			continue
		}
		id := -1
		if s.Optional != nil {
			n, err := s.Optional.Int()
			if err != nil {
				return nil, fmt.Errorf("pace: domain parameter info: %w", err)
			}
			id = n
		}
		if g, err := ParseGroup(s.Required); err == nil {
			explicit[id] = g
		}
	}
	for _, s := range list {
		if !s.Under(lds.OIDPACE) || strings.Count(s.OID[len(lds.OIDPACE):], ".") != 2 {
			continue
		}
		v, err := s.Required.Int()
		if err != nil {
			return nil, fmt.Errorf("pace: info: %w", err)
		}
		i := Info{Algorithm: Algorithm{OID: s.OID}, Version: v, ParameterID: -1}
		if s.Optional != nil {
			if i.ParameterID, err = s.Optional.Int(); err != nil {
				return nil, fmt.Errorf("pace: info: %w", err)
			}
		}
		if a, ok := AlgorithmByOID(s.OID); ok {
			i.Algorithm = a
			g, isExplicit := explicit[i.ParameterID]
			// Identifiers up to 31 are standardised or reserved: an explicit info cannot redefine them.
			if i.ParameterID >= 0 && i.ParameterID <= 31 {
				g, isExplicit = StandardGroup(i.ParameterID), false
			}
			if g != nil && g.isEC() == a.ECDH {
				i.Group, i.Explicit = g, isExplicit
			}
		}
		out = append(out, i)
	}
	slices.SortStableFunc(out, func(a, b Info) int { return cmp.Compare(b.strength(), a.strength()) })
	return out, nil
}

// SameAnnouncements tells whether every variant in signed (DG14) is in shown (EF.CardAccess): what is
// missing was hidden from the reader (ICAO Doc 9303-11 §4.4.6, a downgrade).
func SameAnnouncements(shown, signed []Info) bool {
	for _, s := range signed {
		if !slices.ContainsFunc(shown, func(x Info) bool { return x.OID == s.OID && x.ParameterID == s.ParameterID }) {
			return false
		}
	}
	return true
}

// Password is what opens the chip.
type Password struct {
	Reference byte // 1 MRZ, 2 CAN
	Secret    []byte
}

// References of passwords (ICAO Doc 9303-11 §4.4.4.1).
const (
	RefMRZ = 1
	RefCAN = 2
)

// MRZPassword makes a password from the MRZ information: number, birth and expiry dates, each with its
// check digit.
func MRZPassword(info []byte) Password {
	h := sha1.Sum(info)
	return Password{Reference: RefMRZ, Secret: append([]byte(nil), h[:]...)}
}

// CANPassword makes a password from the card access number.
func CANPassword(can string) Password { return Password{Reference: RefCAN, Secret: []byte(can)} }

// Key is the key that encrypts the nonce (K_pi).
func (p Password) Key(s sm.Suite) []byte { return s.KDF(p.Secret, sm.CounterPi) }

// Wipe overwrites the secret.
func (p Password) Wipe() { clear(p.Secret) }

// ParseGroup reads an AlgorithmIdentifier of domain parameters (ICAO Doc 9303-11 §9.5): a standardised
// identifier, a curve by name or in full, or a DH group in the form of X9.42 or PKCS #3.
func ParseGroup(e ber.Element) (Group, error) {
	bad := fmt.Errorf("pace: domain parameters: %w", ErrUnsupported)
	k, err := e.Children()
	if err != nil || len(k) < 2 {
		return nil, bad
	}
	oid, err := k[0].OIDString()
	if err != nil {
		return nil, bad
	}
	switch oid {
	case "0.4.0.127.0.7.1.2": // standardizedDomainParameters
		id, err := k[1].Int()
		if err != nil {
			return nil, bad
		}
		if g := StandardGroup(id); g != nil {
			return g, nil
		}
	case "1.2.840.10045.2.1", lds.OIDPKECDH, "0.4.0.127.0.7.1.1.5.2.3":
		if c, err := ParseCurve(k[1]); err == nil {
			return ECGroup(c), nil
		}
	case "1.2.840.10046.2.1", "1.2.840.113549.1.3.1", lds.OIDPKDH:
		v, err := k[1].Children()
		if err != nil || len(v) < 2 {
			return nil, bad
		}
		var n []*big.Int
		for _, x := range v[:min(len(v), 3)] {
			if !x.Is(ber.Integer) {
				break
			}
			b, err := x.BigInt()
			if err != nil {
				return nil, bad
			}
			n = append(n, b)
		}
		if len(n) < 2 {
			return nil, bad
		}
		var q *big.Int
		// X9.42 has p, g, q; PKCS #3 has p, g and an optional length of the private value.
		if len(n) > 2 && oid != "1.2.840.113549.1.3.1" {
			q = n[2]
		}
		g, err := dh.FromExplicit(n[0], n[1], q)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", bad, err)
		}
		return DHGroup(g), nil
	}
	return nil, bad
}

// ParseCurve reads ECParameters: a named curve, or explicit parameters equal to a known one.
func ParseCurve(e ber.Element) (*ec.Curve, error) {
	if e.Is(ber.OID) {
		oid, err := e.OIDString()
		if err != nil {
			return nil, fmt.Errorf("pace: curve: %w", err)
		}
		return ec.ByOID(oid)
	}
	k, err := e.Children()
	if err != nil || len(k) < 5 {
		return nil, ec.ErrUnknown
	}
	field, err := k[1].Children()
	if err != nil || len(field) != 2 {
		return nil, ec.ErrUnknown
	}
	ab, err := k[2].Children()
	if err != nil || len(ab) < 2 {
		return nil, ec.ErrUnknown
	}
	var p ec.Params
	if p.P, err = field[1].BigInt(); err != nil {
		return nil, ec.ErrUnknown
	}
	p.A, p.B = new(big.Int).SetBytes(ab[0].Content), new(big.Int).SetBytes(ab[1].Content)
	n := (p.P.BitLen() + 7) / 8
	g := k[3].Content
	switch {
	case len(g) == 1+2*n && g[0] == 4:
		p.Gx, p.Gy = new(big.Int).SetBytes(g[1:1+n]), new(big.Int).SetBytes(g[1+n:])
	case len(g) == 1+n && (g[0] == 2 || g[0] == 3):
		// A compressed base point (SEC 1 §2.3.3): only that of a known curve can be meant.
		p.Gx = new(big.Int).SetBytes(g[1:])
		for _, c := range ec.All() {
			if c.P.Cmp(p.P) == 0 && c.Gx.Cmp(p.Gx) == 0 && c.Gy.Bit(0) == uint(g[0]&1) {
				p.Gy = c.Gy
			}
		}
	}
	if p.Gy == nil {
		return nil, ec.ErrUnknown
	}
	if p.N, err = k[4].BigInt(); err != nil {
		return nil, ec.ErrUnknown
	}
	if len(k) > 5 {
		if p.H, err = k[5].BigInt(); err != nil {
			return nil, ec.ErrUnknown
		}
	}
	return ec.FromExplicit(p)
}
