package issue

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"egate/emrtd/cms"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var portrait = append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, 500)...)

func genuine() Profile {
	return Profile{
		Number: "L898902C3", Surname: "ERIKSSON", GivenNames: "ANNA MARIA", Nationality: "UTO", BirthDate: "1974-08-12",
		Sex: "F", Expiry: "2012-04-15", Optional: "ZE184226B", Portrait: portrait,
	}
}

// The specimen of ICAO Doc 9303-4 Appendix A comes out as printed.
func TestMRZSpecimen(t *testing.T) {
	a, err := NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Personalise(genuine())
	if err != nil {
		t.Fatal(err)
	}
	if p.Lines[0] != "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<" || p.Lines[1] != "L898902C36UTO7408122F1204159ZE184226B<<<<<10" {
		t.Errorf("%s\n%s", p.Lines[0], p.Lines[1])
	}
}

// Every certificate is marked as simulation.
func TestMarked(t *testing.T) {
	a, err := NewAuthority("D", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, der := range [][]byte{a.CSCA(), a.DS()} {
		c, err := cms.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(c.Subject.Common, Mark) || c.Subject.Country != "DE" {
			t.Errorf("subject %q of %q", c.Subject.Common, c.Subject.Country)
		}
	}
}

// An authority read back from its folder signs as before, for every kind of key.
func TestSaveLoad(t *testing.T) {
	for _, k := range []KeyKind{ECDSAP256, ECDSAP384, RSAPSS, RSAPKCS1, Brainpool, BPExplicit} {
		a, err := NewAuthorityWith("UTO", k, rand.Reader, now)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := SaveAuthority(a, dir); err != nil {
			t.Fatal(err)
		}
		b, err := LoadAuthority(dir)
		if err != nil {
			t.Fatal(err)
		}
		l, err := b.CRL(now)
		if err != nil {
			t.Fatal(err)
		}
		crl, err := cms.ParseCRL(l)
		if err != nil {
			t.Fatal(err)
		}
		csca, err := cms.ParseCertificate(a.CSCA())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := crl.CheckSignatureFrom(csca); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
}

// A wrong profile is refused with the field and its cure.
func TestProfileErrors(t *testing.T) {
	a, err := NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	for field, edit := range map[string]func(*Profile){
		"number":      func(p *Profile) { p.Number = "too long a number" },
		"surname":     func(p *Profile) { p.Surname = "Müller" },
		"birth_date":  func(p *Profile) { p.BirthDate = "12.8.1974" },
		"expiry":      func(p *Profile) { p.Expiry = "" },
		"portrait":    func(p *Profile) { p.Portrait = []byte("GIF89a") },
		"access":      func(p *Profile) { p.Access = "none" },
		"chip_auth":   func(p *Profile) { p.ChipAuth = "yes" },
		"active_auth": func(p *Profile) { p.ActiveAuth = "dsa" },
		"sex":         func(p *Profile) { p.Sex = "W" },
		"can":         func(p *Profile) { p.CAN = "12345" },
		"face_record": func(p *Profile) { p.FaceRecord = "19794" },
	} {
		p := genuine()
		edit(&p)
		if _, err := a.Personalise(p); !errors.Is(err, ErrProfile) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := ReadProfile(strings.NewReader("number: X1\nnubmer: X2\n")); !errors.Is(err, ErrProfile) {
		t.Errorf("unknown key: %v", err)
	}
	if _, err := NewAuthority("QQQ", rand.Reader, now); !errors.Is(err, ErrProfile) {
		t.Errorf("unknown country: %v", err)
	}
}

// A profile file names its portrait relative to itself.
func TestLoadProfile(t *testing.T) {
	dir := t.TempDir()
	text := "number: X0000001\nsurname: MUSTER\ngiven_names: ANNA\nnationality: UTO\nbirth_date: 1990-02-03\nsex: F\nexpiry: 2031-05-06\n" +
		"portrait: face.jpg\naccess: pace\nchip_auth: ecdh\nactive_auth: rsa\nextended_length: true\npace:\n  - oid: 0.4.0.127.0.7.2.2.4.6.2\n    param: 13\n"
	for n, b := range map[string][]byte{"p.yaml": []byte(text), "face.jpg": portrait} {
		if err := os.WriteFile(filepath.Join(dir, n), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := LoadProfile(filepath.Join(dir, "p.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	made, err := a.Personalise(*p)
	if err != nil {
		t.Fatal(err)
	}
	if made.CA == nil || made.CAM == nil || made.AA == nil || !made.Extended || len(made.Groups()) != 4 {
		t.Errorf("%d groups", len(made.Groups()))
	}
}
