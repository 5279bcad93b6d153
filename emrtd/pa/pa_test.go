package pa_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"egate/emrtd/cms"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/pa"
	"egate/emrtd/trust"
	"egate/verdict"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// portrait is a JPEG by its first bytes; nothing here decodes it.
var portrait = append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, 4000)...)

func profile() issue.Profile {
	return issue.Profile{
		Number: "X0000001", Surname: "MUSTER", GivenNames: "ANNA MARIA", Nationality: "UTO", BirthDate: "1990-02-03",
		Sex: "F", Expiry: "2031-05-06", Portrait: portrait, PortraitWidth: 413, PortraitHeight: 531, Access: issue.AccessPACE,
		ChipAuth: "ecdh", ActiveAuth: "ecdsa", ExtendedLength: true,
	}
}

func authority(t testing.TB, country string, kind issue.KeyKind) *issue.Authority {
	t.Helper()
	a, err := issue.NewAuthorityWith(country, kind, rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func passport(t testing.TB, a *issue.Authority) *issue.Passport {
	t.Helper()
	p, err := a.Personalise(profile())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func store(t testing.TB, edit func(*trust.Bundle), as ...*issue.Authority) *trust.Store {
	t.Helper()
	b, err := issue.Bundle("test", 1, now, as...)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(b)
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	data, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := trust.Open(data, pub, now, trust.Site("test"), trust.MinVersion(1))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func input(p *issue.Passport, s *trust.Store) pa.Input {
	return pa.Input{SOD: p.App[lds.FIDSOD], DGs: p.Groups(), MRZ: p.MRZ(), COM: p.App[lds.FIDCOM], Trust: s, Now: now}
}

// C-02: a genuine document passes every check, whatever its issuer signs with.
func TestC02Genuine(t *testing.T) {
	for _, k := range []issue.KeyKind{issue.ECDSAP256, issue.ECDSAP384, issue.RSAPKCS1, issue.RSAPSS, issue.Brainpool, issue.BPExplicit} {
		t.Run(string(k), func(t *testing.T) {
			a := authority(t, "UTO", k)
			r := pa.Verify(input(passport(t, a), store(t, nil, a)))
			if len(r.Checks) != 9 {
				t.Errorf("%d checks", len(r.Checks))
			}
			for _, c := range r.Checks {
				if k == issue.BPExplicit && c.ID == verdict.CheckDSChain && slices.Equal(c.Deviations, []string{cms.DevExplicitCurve}) {
					c.Deviations = nil
				}
				if c.Result != verdict.Pass || c.Reason != verdict.OK || len(c.Deviations) > 0 {
					t.Errorf("%v: %v %v %v", c.ID, c.Result, c.Reason, c.Deviations)
				}
			}
		})
	}
}

func vectors(t testing.TB, name ...string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above")
		}
		dir = filepath.Dir(dir)
	}
	b, err := os.ReadFile(filepath.Join(append([]string{dir, "..", "shared", "vectors"}, name...)...))
	if os.IsNotExist(err) {
		t.Skipf("SKIP: test vectors not present: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// C-02, C-05: the BSI reference document has no CSCA here and no signing time; neither hides the other
// results, and its unlisted DG15 is an extra group.
func TestC05ReferenceDocument(t *testing.T) {
	const dir = "bsi-tr03105-5"
	dgs := map[int][]byte{1: vectors(t, dir, "Datagroup1.bin"), 2: vectors(t, dir, "Datagroup2.bin"), 14: vectors(t, dir, "Datagroup14.bin")}
	mrz := []byte("P<D<<MUSTERMANN<<ERIKA<<<<<<<<<<<<<<<<<<<<<<\nC11T002JM4D<<9608122F2310314<<<<<<<<<<<<<<<4")
	in := pa.Input{SOD: vectors(t, dir, "EF_SOD.bin"), DGs: dgs, MRZ: mrz, COM: vectors(t, dir, "EF_COM.bin"), Trust: store(t, nil), Now: now}
	want := map[verdict.CheckID]struct {
		verdict.Result
		verdict.Reason
	}{
		verdict.CheckSODSignature: {verdict.Pass, verdict.OK},
		verdict.CheckDSChain:      {verdict.NotPossible, verdict.NoAnchor},
		verdict.CheckDSAtSigning:  {verdict.NotPossible, verdict.SigningTimeUnknown},
		verdict.CheckDSToday:      {verdict.Fail, verdict.DSExpired},
		verdict.CheckDSRevocation: {verdict.NotPossible, verdict.CRLStale},
		verdict.CheckGroups:       {verdict.Pass, verdict.OK},
		verdict.CheckDGHashes:     {verdict.Pass, verdict.OK},
		verdict.CheckDG1MRZ:       {verdict.Pass, verdict.OK},
		verdict.CheckDG1Country:   {verdict.Pass, verdict.OK},
	}
	r := pa.Verify(in)
	for _, c := range r.Checks {
		if w := want[c.ID]; c.Result != w.Result || c.Reason != w.Reason {
			t.Errorf("%v: %v %v, want %v %v", c.ID, c.Result, c.Reason, w.Result, w.Reason)
		}
	}
	t.Logf("deviations %v", r.Deviations)
	dgs[15] = vectors(t, dir, "Datagroup15.bin")
	r = pa.Verify(in)
	if c := r.Check(verdict.CheckGroups); c.Result != verdict.Fail || len(r.Extra) != 1 || r.Extra[0] != 15 {
		t.Errorf("unlisted DG15: %v, extra %v", c, r.Extra)
	}
	if c := r.Check(verdict.CheckDGHashes); c.Result != verdict.Pass {
		t.Errorf("hashes with an unlisted DG15: %v", c)
	}
}

// In steps, as an inspection does it: the signature in a goroutine of its own while DG2 streams through
// the hash. The outcome is that of one-shot verification.
func TestIncremental(t *testing.T) {
	a := authority(t, "UTO", issue.ECDSAP256)
	p := passport(t, a)
	s := store(t, nil, a)
	for _, broken := range []bool{false, true} {
		v := pa.New(p.App[lds.FIDSOD], s, now, pa.Policy{})
		done := make(chan struct{})
		go func() { defer close(done); v.Authenticate() }()
		g := p.Groups()
		h := v.Hasher()
		for b := range slices.Chunk(g[2], 223) {
			h.Write(b)
		}
		if broken {
			h.Write([]byte{0})
		}
		if !v.Lists(14) || !v.Matches(1, g[1]) || v.Matches(2, g[1]) || v.Lists(3) {
			t.Error("listing")
		}
		<-done
		if !v.Authentic() {
			t.Error("not authentic")
		}
		sums := map[int][]byte{2: h.Sum(nil)}
		delete(g, 2)
		r := v.Finish(pa.Groups{Files: g, Sums: sums, MRZ: p.MRZ()})
		for _, c := range r.Checks {
			if fails := broken && c.ID == verdict.CheckDGHashes; (c.Result == verdict.Pass) == fails {
				t.Errorf("broken %v: %v %v %v", broken, c.ID, c.Result, c.Reason)
			}
		}
	}
}

// C-03: a group that the SOD lists and the chip denies is an inconsistency, not a chip without it.
func TestC03StrippedGroup(t *testing.T) {
	a := authority(t, "UTO", issue.ECDSAP256)
	p := passport(t, a)
	v := pa.New(p.App[lds.FIDSOD], store(t, nil, a), now, pa.Policy{})
	g := p.Groups()
	delete(g, 15)
	r := v.Finish(pa.Groups{Files: g, Refused: []int{15}, MRZ: p.MRZ()})
	if c := r.Check(verdict.CheckGroups); c.Result != verdict.Fail || c.Reason != verdict.GroupInconsistent || !slices.Equal(r.Missing, []int{15}) {
		t.Errorf("%v %v, missing %v", c.Result, c.Reason, r.Missing)
	}
}

// SHA-1 under a policy that forbids it proves nothing; a document type that the signer's list lacks is
// named.
func TestNamedDeviations(t *testing.T) {
	a := authority(t, "UTO", issue.ECDSAP256)
	pr := profile()
	pr.DocumentCode = "PX"
	p, err := a.Personalise(pr)
	if err != nil {
		t.Fatal(err)
	}
	if r := pa.Verify(input(p, store(t, nil, a))); len(r.Deviations) != 0 {
		t.Errorf("PX under P: %v", r.Deviations)
	}
	if err := a.SetDocTypes("ID", "AC"); err != nil {
		t.Fatal(err)
	}
	if err := p.Seal(a, p.Groups(), now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	r := pa.Verify(input(p, store(t, nil, a)))
	if c := r.Check(verdict.CheckDG1Country); c.Result != verdict.Pass || !slices.Equal(c.Deviations, []string{pa.DevDSDocType}) {
		t.Errorf("%v %v", c.Result, c.Deviations)
	}
}

// C-10: any SOD and any groups end in nine checks, none of which passes for want of sense.
func FuzzC10Verify(f *testing.F) {
	a := authority(f, "UTO", issue.ECDSAP256)
	p := passport(f, a)
	s := store(f, nil, a)
	f.Add(p.App[lds.FIDSOD], p.App[lds.FID(1)])
	f.Add([]byte{0x77, 0}, []byte{0x61, 0})
	f.Fuzz(func(t *testing.T, sod, dg1 []byte) {
		g := p.Groups()
		g[1] = dg1
		r := pa.Verify(pa.Input{SOD: sod, DGs: g, MRZ: p.MRZ(), Trust: s, Now: now})
		if len(r.Checks) != 9 {
			t.Errorf("%d checks", len(r.Checks))
		}
		for _, c := range r.Checks {
			if c.Result == verdict.NotEvaluated || c.Reason == verdict.ReasonNone {
				t.Errorf("%v: %v %v", c.ID, c.Result, c.Reason)
			}
		}
	})
}
