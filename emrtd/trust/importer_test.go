package trust_test

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"slices"
	"testing"
	"time"

	"egate/emrtd/cms"
	"egate/emrtd/issue"
	"egate/emrtd/trust"
	"egate/verdict"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func empty() *trust.Bundle {
	return &trust.Bundle{Type: trust.BundleType, Site: "x", Version: 1, Created: now, Expires: now.Add(time.Hour)}
}

// C-07: a list signed under a new CSCA verifies with the old one pinned, over the link certificate that the
// list carries, and over nothing else.
func TestC07MasterListOverALink(t *testing.T) {
	a := authority(t, "D")
	old := must(cms.ParseCertificate(a.CSCA()))
	link := must(a.Rollover(issue.RSAPSS))
	with := must(a.MasterList([][]byte{link, a.CSCA()}, now))
	m, err := trust.ParseMasterList(with, old)
	if err != nil || !m.Signed.Equal(now) || !slices.Contains(m.Deviations, trust.DevLinkPath) || len(m.Certificates) != 2 {
		t.Fatal(m, err)
	}
	without := must(a.MasterList([][]byte{a.CSCA()}, now))
	if _, err := trust.ParseMasterList(without, old); !errors.Is(err, trust.ErrMasterList) {
		t.Errorf("no link: %v", err)
	}
	if _, err := trust.ParseMasterList(with); !errors.Is(err, trust.ErrMasterList) {
		t.Errorf("nothing pinned: %v", err)
	}
	// A stranger's certificate of the same name is no bridge.
	other := authority(t, "D")
	if _, err := trust.ParseMasterList(with, must(cms.ParseCertificate(other.CSCA()))); !errors.Is(err, trust.ErrMasterList) {
		t.Errorf("stranger: %v", err)
	}
}

// C-07: a newer list of revocations takes the place of an older one of the same key; an older one, one with
// a false signature and one of nobody known are refused.
func TestC07NewerListWins(t *testing.T) {
	a, x := authority(t, "UTO"), authority(t, "D")
	b := empty()
	add := func(der []byte, fetched time.Time) error {
		i := trust.Importer{Bundle: b, Now: now}
		if _, err := i.Add("f", der, fetched); err != nil {
			return err
		}
		return i.Finish()
	}
	if err := add(a.CSCA(), now); err != nil {
		t.Fatal(err)
	}
	first := must(a.CRL(now.Add(-48 * time.Hour)))
	if err := a.Revoke(); err != nil {
		t.Fatal(err)
	}
	second := must(a.CRL(now.Add(-time.Hour)))
	bad := bytes.Clone(second)
	bad[len(bad)-1] ^= 1
	for _, c := range []struct {
		der     []byte
		fetched time.Time
		want    error
	}{
		{first, now.Add(-48 * time.Hour), nil}, {first, now, nil}, {bad, now, trust.ErrCRLUnverified}, {second, now, nil}, {first, now, trust.ErrCRLOlder},
		{must(x.CRL(now)), now, trust.ErrCRLUnverified}, {[]byte{0x30, 0}, now, trust.ErrInput}, {nil, now, trust.ErrInput},
	} {
		if err := add(c.der, c.fetched); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
		if len(b.CRLs) != 1 || c.want == nil && !b.CRLs[0].Fetched.Equal(c.fetched) {
			t.Errorf("%d lists", len(b.CRLs))
		}
	}
	s := must(b.Store())
	ds := must(cms.ParseCertificate(a.DS()))
	if r, _ := s.Check(ds, nil, now, trust.RevocationPolicy{}); r != trust.Revoked {
		t.Errorf("revocation %d", r)
	}
	for at, want := range map[time.Duration]trust.Revocation{time.Hour: trust.RevocationGood, 8 * 24 * time.Hour: trust.RevocationStale} {
		if st := s.CRLStates(now.Add(at), trust.RevocationPolicy{}); len(st) != 1 || st[0].State != want || st[0].Country != "UT" {
			t.Errorf("%+v", st)
		}
	}
}

// C-10: whatever a publisher's file holds, taking it in ends in a bundle that makes a store, or an error.
func FuzzC10Import(f *testing.F) {
	a := authority(f, "D")
	root := must(cms.ParseCertificate(a.CSCA()))
	crl := must(a.CRL(now))
	f.Add(must(a.MasterList([][]byte{a.CSCA()}, now)))
	f.Add(must(a.DeviationList([][]byte{{0x30, 0x12, 0x30, 0x00, 0x31, 0x0e, 0x30, 0x0c, 0x06, 0x0a, 0x67, 0x81, 0x08, 0x01, 0x01, 0x07, 0x03, 0x01, 0x05, 0x00}}, now)))
	f.Add(a.CSCA())
	f.Add(crl)
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl}))
	f.Add([]byte("dn: c=D\ncertificateRevocationList;binary:: MAA=\n"))
	f.Add([]byte(`{"deviations":[{"id":"X","country":"UT","check":"ds_valid_today","reason":"ds_expired","expires":"2035-01-01T00:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		b := empty()
		i := trust.Importer{Bundle: b, Roots: []*cms.Certificate{root}, TrustCSCAs: true, DeviationLife: time.Hour, Now: now}
		if _, err := i.Add("f", in, now); err != nil || i.Finish() != nil {
			return
		}
		s, err := b.Store()
		if err != nil {
			t.Fatal(err)
		}
		s.CRLStates(now, trust.RevocationPolicy{})
		for _, c := range s.Anchors() {
			s.Trusted(c, now)
		}
	})
}

// C-06: every condition that an entry names must hold; one that cannot be judged does not.
func TestC06ConditionsOfAnEntry(t *testing.T) {
	a := authority(t, "UTO")
	ds := must(cms.ParseCertificate(a.DS()))
	signed := now.Add(-time.Hour)
	for name, x := range map[string]struct {
		edit   func(*trust.Deviation)
		signed time.Time
		want   bool
	}{
		"country alone":                 {func(*trust.Deviation) {}, signed, true},
		"another country":               {func(d *trust.Deviation) { d.Country = "DE" }, signed, false},
		"expired":                       {func(d *trust.Deviation) { d.Expires = now.Add(-time.Second) }, signed, false},
		"signed in time":                {func(d *trust.Deviation) { d.SignedTo = now }, signed, true},
		"signed too late":               {func(d *trust.Deviation) { d.SignedTo = signed.Add(-time.Second) }, signed, false},
		"signed too early":              {func(d *trust.Deviation) { d.SignedFrom = signed.Add(time.Second) }, signed, false},
		"signing time unknown, to":      {func(d *trust.Deviation) { d.SignedTo = now }, time.Time{}, false},
		"signing time unknown, from":    {func(d *trust.Deviation) { d.SignedFrom = now }, time.Time{}, false},
		"signer issued in time":         {func(d *trust.Deviation) { d.DSIssuedFrom, d.DSIssuedTo = ds.NotBefore, ds.NotBefore }, signed, true},
		"signer issued too early":       {func(d *trust.Deviation) { d.DSIssuedFrom = ds.NotBefore.Add(time.Second) }, signed, false},
		"signer issued too late":        {func(d *trust.Deviation) { d.DSIssuedTo = ds.NotBefore.Add(-time.Second) }, signed, false},
		"serial":                        {func(d *trust.Deviation) { d.DSSerial, d.DSIssuer = ds.Serial.Text(16), ds.Issuer.Canonical }, signed, true},
		"serial of another issuer":      {func(d *trust.Deviation) { d.DSSerial, d.DSIssuer = ds.Serial.Text(16), "x" }, signed, false},
		"another serial":                {func(d *trust.Deviation) { d.DSSerial = "77" }, signed, false},
		"key":                           {func(d *trust.Deviation) { d.DSKeyID = hex.EncodeToString(ds.SKI) }, signed, true},
		"another key":                   {func(d *trust.Deviation) { d.DSKeyID = "0102" }, signed, false},
		"another reason":                {func(d *trust.Deviation) { d.Reason = verdict.DSNotYetValid }, signed, false},
		"a check that admits no excuse": {func(d *trust.Deviation) { d.Check = verdict.CheckDG1MRZ }, signed, false},
	} {
		d := trust.Deviation{ID: "X", Country: "UT", Check: verdict.CheckDSToday, Reason: verdict.DSExpired, Expires: now.Add(time.Hour)}
		x.edit(&d)
		b := bundle(t, a)
		b.Deviations = []trust.Deviation{d}
		if _, got := must(b.Store()).Excuse(verdict.CheckDSToday, verdict.DSExpired, ds, x.signed, now); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
