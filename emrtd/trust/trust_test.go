package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"egate/emrtd/cms"
	"egate/emrtd/issue"
	"egate/emrtd/trust"
	"egate/verdict"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func authority(t testing.TB, country string) *issue.Authority {
	t.Helper()
	a, err := issue.NewAuthority(country, rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func bundle(t testing.TB, as ...*issue.Authority) *trust.Bundle {
	t.Helper()
	b, err := issue.Bundle("harbour", 7, now, as...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// C-07: a bundle is of this site, signed by the pinned key, not older than seen, and not expired.
func TestC07Bundle(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := bundle(t, authority(t, "UTO"), authority(t, "D"))
	path := filepath.Join(t.TempDir(), "trust.bundle")
	if err := b.Save(path, key); err != nil {
		t.Fatal(err)
	}
	s, err := trust.Load(path, pub, now, trust.Site("harbour"), trust.MinVersion(7))
	if err != nil {
		t.Fatal(err)
	}
	i := s.Info()
	if i.Version != 7 || i.Site != "harbour" || i.Anchors != 2 || i.CRLs != 2 || i.Countries != 2 || !i.Simulation || i.Hash == [32]byte{} ||
		i.Age(now.Add(time.Hour)) != time.Hour || !i.OldestCRL.Equal(now) {
		t.Errorf("%+v", i)
	}
	for name, c := range map[string]struct {
		pub  ed25519.PublicKey
		at   time.Time
		opt  trust.Option
		want error
	}{
		"other key":    {other, now, trust.Site("harbour"), trust.ErrSignature},
		"other site":   {pub, now, trust.Site("airport"), trust.ErrSite},
		"older":        {pub, now, trust.MinVersion(8), trust.ErrOlder},
		"expired":      {pub, now.Add(trust.DefaultCRLStop + time.Hour), trust.Site("harbour"), trust.ErrExpired},
		"not yet":      {pub, now.Add(-time.Hour), trust.Site("harbour"), trust.ErrNotYet},
		"simulated":    {pub, now, trust.InService(), trust.ErrSimulation},
		"no key":       {nil, now, trust.Site("harbour"), trust.ErrFormat},
		"clock behind": {pub, now.Add(-time.Minute), trust.Site("harbour"), nil},
	} {
		if _, err := trust.Load(path, c.pub, c.at, c.opt); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.Simulation = false
	hidden, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Open(hidden, pub, now, trust.InService()); !errors.Is(err, trust.ErrSimulation) {
		t.Errorf("simulated issuer in an unmarked bundle: %v", err)
	}
	b.Simulation = true
	data, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	for at := 20; at < len(data); at += len(data) / 40 {
		bad := bytes.Clone(data)
		bad[at] ^= 1
		// The unused bits at the end of base 64 carry nothing; what was signed must be the same.
		x, err := trust.Verify(bad, pub)
		if err != nil {
			continue
		}
		if again, err := x.Sign(key); err != nil || !bytes.Equal(again, data) {
			t.Errorf("changed byte %d accepted", at)
		}
	}
	if _, err := trust.Load(filepath.Join(t.TempDir(), "none"), pub, now); err == nil {
		t.Error("missing file accepted")
	}
}

// C-06: an entry may not excuse a check on which everything else rests.
func TestC06DeviationLimits(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range verdict.CheckIDs() {
		b := bundle(t, authority(t, "UTO"))
		b.Deviations = []trust.Deviation{{ID: "X", Country: "UT", Check: c, Reason: verdict.DSExpired, Expires: now}}
		_, err := b.Sign(key)
		ok := err == nil
		switch c {
		case verdict.CheckGroups, verdict.CheckDG1MRZ, verdict.CheckDG1Country, verdict.CheckDSAtSigning, verdict.CheckDSToday:
			if !ok {
				t.Errorf("%v: %v", c, err)
			}
		default:
			if ok {
				t.Errorf("%v may be excused", c)
			}
		}
	}
}

// C-07: a master list made here verifies to its CSCA; with a signer lacking the key usage, or another
// root, it does not. Its certificates become anchors by what their signatures prove.
func TestC07MasterListImport(t *testing.T) {
	a, x := authority(t, "D"), authority(t, "UTO")
	old := x.CSCA()
	link, err := x.Rollover(issue.Brainpool)
	if err != nil {
		t.Fatal(err)
	}
	orphan := authority(t, "FRA")
	lost, err := orphan.Rollover(issue.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	list, err := a.MasterList([][]byte{a.CSCA(), old, link, lost}, now)
	if err != nil {
		t.Fatal(err)
	}
	root, err := cms.ParseCertificate(a.CSCA())
	if err != nil {
		t.Fatal(err)
	}
	m, err := trust.ParseMasterList(list, root)
	if err != nil {
		t.Fatal(err)
	}
	var b trust.Bundle
	n, err := b.Import(m, "test")
	if err != nil || n[trust.Root] != 2 || n[trust.Link] != 1 || n[trust.Listed] != 1 {
		t.Errorf("%v %v", n, err)
	}
	if n, err = b.Import(m, "again"); err != nil || len(n) != 0 {
		t.Errorf("second import: %v %v", n, err)
	}
	foreign, err := cms.ParseCertificate(authority(t, "D").CSCA())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.ParseMasterList(list, foreign); !errors.Is(err, trust.ErrMasterList) {
		t.Errorf("foreign root: %v", err)
	}
	// A document signer's SignedData is no master list, and its signer may not sign one.
	p, err := a.Personalise(issue.Profile{Number: "1", Surname: "A", Nationality: "D", BirthDate: "1990-01-01", Expiry: "2030-01-01",
		Portrait: []byte{0xFF, 0xD8, 0xFF, 0xE0}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.ParseMasterList(p.App[0x011D][4:], root); !errors.Is(err, trust.ErrMasterList) {
		t.Errorf("sod taken for a master list: %v", err)
	}
	wrong, err := a.MasterListByDS([][]byte{a.CSCA()}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.ParseMasterList(wrong, root); !errors.Is(err, trust.ErrMasterList) {
		t.Errorf("signer without the key usage: %v", err)
	}
	late, err := a.MasterList([][]byte{a.CSCA()}, now.Add(20*365*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.ParseMasterList(late, root); !errors.Is(err, trust.ErrMasterList) {
		t.Errorf("signed after the root's end: %v", err)
	}
}

// Listed certificates are anchors only by a visible policy.
func TestAcceptListed(t *testing.T) {
	a := authority(t, "UTO")
	for _, accept := range []bool{false, true} {
		b := bundle(t, a)
		b.Anchors[0].Kind = trust.Listed
		b.AcceptListed = accept
		s, err := b.Store()
		if err != nil {
			t.Fatal(err)
		}
		ds, err := cms.ParseCertificate(a.DS())
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Find(ds, now)
		if accept {
			if err != nil || len(p.Deviations) != 1 || p.Deviations[0] != trust.DevListedOnly {
				t.Errorf("%v %v", p, err)
			}
		} else if !errors.Is(err, trust.ErrNoAnchor) {
			t.Errorf("listed certificate taken for an anchor: %v", err)
		}
	}
}

// C-10: whatever is in the file, opening it ends in a store or an error.
func FuzzC10Bundle(f *testing.F) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	b := bundle(f, authority(f, "UTO"))
	data, err := b.Sign(key)
	if err != nil {
		f.Fatal(err)
	}
	payload, err := json.Marshal(b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(payload)
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := trust.Open(in, pub, now); err == nil && !bytes.Equal(in, data) {
			// JSON may be spelled in other ways; what was signed may not.
			if x, err := trust.Verify(in, pub); err != nil || x.Version != 7 {
				t.Error("unsigned bundle accepted")
			}
		}
		var x trust.Bundle
		if json.Unmarshal(in, &x) == nil {
			_, _ = x.Store()
		}
	})
}

// C-10: master lists.
func FuzzC10MasterList(f *testing.F) {
	a := authority(f, "D")
	list, err := a.MasterList([][]byte{a.CSCA()}, now)
	if err != nil {
		f.Fatal(err)
	}
	root, err := cms.ParseCertificate(a.CSCA())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list)
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := trust.ParseMasterList(b, root); err == nil {
			var x trust.Bundle
			if _, err := x.Import(m, "fuzz"); err != nil {
				t.Error(err)
			}
		}
	})
}
