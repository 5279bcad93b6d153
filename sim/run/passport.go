package run

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"egate/emrtd/chip"
	"egate/emrtd/issue"
	"egate/sim/scenario"
)

// Issuers are the authorities that make the scenarios' passports: one that the trust bundle knows and
// one that it does not.
type Issuers struct {
	Known, Unknown *issue.Authority
}

// LoadIssuers loads the site's authority and makes a foreign one.
func LoadIssuers(dir string, now time.Time) (*Issuers, error) {
	k, err := issue.LoadAuthority(dir)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	u, err := issue.NewAuthority(k.Country, rand.Reader, now)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	return &Issuers{k, u}, nil
}

// Portrait is the picture of a holder, as DG2 gets it.
type Portrait struct {
	File          []byte // JPEG or JPEG 2000
	Width, Height int
	Rows          [][]byte // decoded, 3 bytes a pixel
}

// Passport is a document with its chip and what identifies its holder.
type Passport struct {
	Chip   *chip.Chip
	Lines  [2]string
	Number string
	Name   string // surname as in the MRZ
	Groups map[int][]byte
	// Portrait is the image file of DG2, Pixels are rows of it decoded: what the memory scan looks for.
	Portrait []byte
	Pixels   [][]byte
}

// Issue personalises the document of a scenario. Whatever it leaves open is drawn: number and name are
// rare strings, so that the memory scan can look for them.
func (i *Issuers) Issue(d scenario.Document, p Portrait, now time.Time) (*Passport, error) {
	pr := issue.Profile{Number: d.Number, Surname: d.Surname, GivenNames: d.GivenNames, Sex: d.Sex,
		Portrait: p.File, PortraitWidth: p.Width, PortraitHeight: p.Height,
		Access: issue.Access(d.Access), ChipAuth: d.ChipAuth, ActiveAuth: d.ActiveAuth, ExtendedLength: true}
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&pr.Number, draw("K", 8))
	def(&pr.Surname, draw("QV", 12))
	def(&pr.GivenNames, draw("ZY", 8))
	def(&pr.Sex, "F")
	a := i.Known
	if d.Issuer == "unknown" {
		a = i.Unknown
	}
	pr.Nationality = a.Country
	for _, v := range []struct {
		to        *string
		in, other string
	}{{&pr.BirthDate, d.Born, "34 years ago"}, {&pr.Expiry, d.Expires, "in 6 years"}} {
		if v.in == "" {
			v.in = v.other
		}
		s, err := scenario.Date(v.in, now)
		if err != nil {
			return nil, err
		}
		*v.to = s
	}
	made, err := a.Personalise(pr)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	speed := d.Speed
	if speed == "" {
		speed = "fast"
	}
	c, err := chip.NewChecked(made, chip.Options{Profile: speed, Misbehave: d.Chip})
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	return &Passport{Chip: c, Lines: made.Lines, Number: pr.Number, Name: pr.Surname, Groups: made.Groups(), Portrait: p.File, Pixels: p.Rows}, nil
}

// draw makes a random upper-case word that no text contains by chance.
func draw(prefix string, n int) string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	b := make([]byte, 8)
	out := []byte(prefix)
	for range n {
		_, _ = rand.Read(b)
		out = append(out, letters[binary.LittleEndian.Uint64(b)%uint64(len(letters))])
	}
	return string(out)
}
