package issue

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"egate/emrtd/lds"
	"egate/emrtd/mrz"
)

// Access is what access control the chip offers.
type Access string

// Kinds of access control.
const (
	AccessBAC     Access = "bac"      // Basic Access Control only
	AccessPACE    Access = "pace"     // PACE, with BAC for older readers, as most issued chips
	AccessPACEOld Access = "paceonly" // PACE and no BAC
)

// Profile is a passport to be made. Dates are YYYY-MM-DD; names are in upper case Latin as an MRZ
// has them.
type Profile struct {
	DocumentCode string `yaml:"document_code"` // "P"
	Number       string `yaml:"number"`
	Surname      string `yaml:"surname"`
	GivenNames   string `yaml:"given_names"`
	Nationality  string `yaml:"nationality"`
	BirthDate    string `yaml:"birth_date"`
	Sex          string `yaml:"sex"` // F, M or X
	Expiry       string `yaml:"expiry"`
	Optional     string `yaml:"optional"`
	// SignedAt is when the document was signed; 30 days ago where empty.
	SignedAt string `yaml:"signed_at"`

	// PortraitFile is a JPEG or JPEG 2000 file, relative to the profile; Portrait holds its bytes.
	PortraitFile   string `yaml:"portrait"`
	PortraitWidth  int    `yaml:"portrait_width"`
	PortraitHeight int    `yaml:"portrait_height"`
	Portrait       []byte `yaml:"-"`
	// FaceRecord is the standard of the face record in DG2: 19794-5 (default) or 39794-5.
	FaceRecord string `yaml:"face_record"`

	Access Access `yaml:"access"`
	// PACE selects object identifier suffix and parameters; empty is ECDH-GM-AES-128 on P-256.
	PACE       []PACEOption `yaml:"pace"`
	ChipAuth   string       `yaml:"chip_auth"`   // none, ecdh, dh
	ActiveAuth string       `yaml:"active_auth"` // none, rsa, ecdsa
	CAN        string       `yaml:"can"`
	// ChipAuthSuite is 3des, aes128 (default), aes192 or aes256; ChipAuthParam a standardised domain
	// parameter id, brainpoolP256r1 or the 2048-bit group where zero.
	ChipAuthSuite string `yaml:"chip_auth_suite"`
	ChipAuthParam int    `yaml:"chip_auth_param"`
	// ExtendedLength announces extended length in EF.ATR/INFO.
	ExtendedLength bool `yaml:"extended_length"`
}

// PACEOption is one PACEInfo to announce.
type PACEOption struct {
	OID   string `yaml:"oid"`
	Param int    `yaml:"param"`
}

// maxPortrait bounds a portrait: what DG2 accepts, less its headers.
const maxPortrait = lds.MaxDG2 - 1024

// LoadProfile reads a profile and its portrait. A key that is not known is an error.
func LoadProfile(path string) (*Profile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("issue: load profile: %w", err)
	}
	defer f.Close()
	p, err := ReadProfile(f)
	if err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, filepath.Base(path))
	}
	if p.PortraitFile != "" {
		name := p.PortraitFile
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		if p.Portrait, err = os.ReadFile(name); err != nil {
			return nil, fmt.Errorf("issue: load portrait: %w", err)
		}
	}
	return p, nil
}

// ReadProfile reads a profile without its portrait.
func ReadProfile(r io.Reader) (*Profile, error) {
	dec := yaml.NewDecoder(io.LimitReader(r, 1<<20))
	dec.KnownFields(true)
	var p Profile
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrProfile, err)
	}
	return &p, nil
}

// normal fills defaults and checks every field.
func (p Profile) normal() (Profile, error) {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&p.DocumentCode, "P")
	def(&p.Sex, "X")
	def(&p.ChipAuth, "none")
	def(&p.ActiveAuth, "none")
	def(&p.ChipAuthSuite, "aes128")
	if p.Access == "" {
		p.Access = AccessPACE
	}
	fail := func(field, cure string) (Profile, error) {
		return p, fmt.Errorf("%w: %s: %s", ErrProfile, field, cure)
	}
	switch {
	case len(p.DocumentCode) > 2 || !chars(p.DocumentCode, "<") || p.DocumentCode[0] != 'P':
		return fail("document_code", "one or two characters, the first P (only TD3 passports are made)")
	case len(p.Number) == 0 || len(p.Number) > 9 || !chars(p.Number, "<"):
		return fail("number", "one to nine letters A-Z and digits")
	case p.Surname == "" || !chars(p.Surname, " -'"):
		return fail("surname", "letters A-Z, blanks, hyphens")
	case !chars(p.GivenNames, " -'"):
		return fail("given_names", "letters A-Z, blanks, hyphens")
	case len(p.Nationality) == 0 || len(p.Nationality) > 3 || !chars(p.Nationality, "<"):
		return fail("nationality", "a code of up to three letters")
	case len(p.Optional) > 14 || !chars(p.Optional, "< "):
		return fail("optional", "up to 14 letters A-Z and digits")
	case p.Sex != "F" && p.Sex != "M" && p.Sex != "X":
		return fail("sex", "F, M or X")
	case p.Access != AccessBAC && p.Access != AccessPACE && p.Access != AccessPACEOld:
		return fail("access", "bac, pace or paceonly")
	case p.ChipAuth != "none" && p.ChipAuth != "ecdh" && p.ChipAuth != "dh":
		return fail("chip_auth", "none, ecdh or dh")
	case !suites[p.ChipAuthSuite].Valid():
		return fail("chip_auth_suite", "3des, aes128, aes192 or aes256")
	case p.ActiveAuth != "none" && p.ActiveAuth != "rsa" && p.ActiveAuth != "ecdsa":
		return fail("active_auth", "none, rsa or ecdsa")
	case p.CAN != "" && (len(p.CAN) != 6 || strings.Trim(p.CAN, "0123456789") != ""):
		return fail("can", "six digits")
	case p.FaceRecord != "" && p.FaceRecord != "19794-5" && p.FaceRecord != "39794-5":
		return fail("face_record", "19794-5 or 39794-5")
	case len(p.Portrait) == 0:
		return fail("portrait", "a JPEG or JPEG 2000 file")
	case len(p.Portrait) > maxPortrait || lds.SniffImage(p.Portrait) == lds.ImageUnknown:
		return fail("portrait", "a JPEG or JPEG 2000 file of at most 2 MiB")
	}
	for _, d := range []struct{ field, v string }{{"birth_date", p.BirthDate}, {"expiry", p.Expiry}} {
		if _, err := time.Parse(time.DateOnly, d.v); err != nil {
			return fail(d.field, "a date as YYYY-MM-DD")
		}
	}
	if p.SignedAt != "" {
		if _, err := time.Parse(time.DateOnly, p.SignedAt); err != nil {
			return fail("signed_at", "a date as YYYY-MM-DD")
		}
	}
	return p, nil
}

func chars(s, extra string) bool {
	for _, c := range s {
		if !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(extra, c)) {
			return false
		}
	}
	return true
}

// lines writes the two lines of a TD3 MRZ (ICAO Doc 9303-4 §4.2.2).
func (p Profile) lines(issuer string) (l1, l2 string) {
	fill := func(s string, n int) string {
		s = strings.NewReplacer(" ", "<", "-", "<", "'", "").Replace(s)
		if len(s) > n {
			s = s[:n]
		}
		return s + strings.Repeat("<", n-len(s))
	}
	date := func(s string) string { return s[2:4] + s[5:7] + s[8:10] }
	name := p.Surname
	if p.GivenNames != "" {
		name += "<<" + p.GivenNames
	}
	l1 = fill(p.DocumentCode, 2) + fill(issuer, 3) + fill(name, 39)
	number, birth, expiry, opt := fill(p.Number, 9), date(p.BirthDate), date(p.Expiry), fill(p.Optional, 14)
	sex := p.Sex
	if sex == "X" {
		sex = "<"
	}
	number += digit(number)
	birth += digit(birth)
	expiry += digit(expiry)
	optDigit := "<"
	if strings.Trim(opt, "<") != "" {
		optDigit = digit(opt)
	}
	opt += optDigit
	l2 = number + fill(p.Nationality, 3) + birth + sex + expiry + opt
	l2 += digit(number + birth + expiry + opt)
	return l1, l2
}

// digit is the check digit of a field.
func digit(s string) string { return string(rune(mrz.CheckDigit([]byte(s)))) }
