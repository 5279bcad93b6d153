package policy

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"egate/seal"
	"egate/verdict"
)

var start = time.Date(2030, 3, 1, 12, 0, 0, 0, time.UTC)

func person(t testing.TB, n byte) *seal.Signer {
	t.Helper()
	s, err := seal.NewSigner(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signed(t testing.TB, version int, by ...*seal.Signer) []byte {
	t.Helper()
	p := verdict.DefaultPolicy()
	p.ID, p.Version = "site", version
	raw, err := Make("site", p, start, 90*24*time.Hour)
	for _, s := range by {
		if err == nil {
			raw, err = Sign(raw, s)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// F-06: two persons whose keys are named, not one twice, not a stranger; the bytes they signed and no others; this site.
func TestF06TwoPersonsSign(t *testing.T) {
	a, b, thief := person(t, 1), person(t, 2), person(t, 3)
	keys := seal.Trust(a.Public(), b.Public())
	good := signed(t, 3, a, b)
	s, err := Open(good, keys, "site", Quorum)
	if err != nil || len(s.Signers) != 2 || s.Policy.Version != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	for name, raw := range map[string][]byte{"nobody": signed(t, 3), "one": signed(t, 3, a), "one twice": signed(t, 3, a, a), "with a stranger": signed(t, 3, a, thief),
		"changed": bytes.Replace(good, []byte(`"kind"`), []byte(`"Kind"`), 1), "no document": []byte("{}"), "trailing": append(bytes.Clone(good), '{')} {
		if name == "changed" { // the payload is base64: change a byte of it
			i := bytes.Index(good, []byte(`"payload":"`)) + 40
			raw = bytes.Clone(good)
			raw[i] ^= 1
		}
		if _, err := Open(raw, keys, "site", Quorum); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := Open(good, keys, "other", Quorum); err == nil {
		t.Error("another site's policy was taken")
	}
	// One signature listed twice is one person.
	var doc map[string]any
	if err := json.Unmarshal(signed(t, 3, a), &doc); err != nil {
		t.Fatal(err)
	}
	sigs := doc["signatures"].([]any)
	doc["signatures"] = append(sigs, sigs[0])
	twice, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(twice, keys, "site", Quorum); err == nil {
		t.Error("one signature twice was taken for two persons")
	}
	for at, want := range map[time.Time]bool{start: true, start.Add(-25 * time.Hour): false, start.Add(90*24*time.Hour - 1): true, start.Add(90 * 24 * time.Hour): false} {
		if err := s.In(at); (err == nil) != want {
			t.Errorf("at %s: %v", at, err)
		}
	}
	weak := verdict.DefaultPolicy()
	delete(weak.Checks, verdict.CheckMatch)
	if _, err := Make("site", weak, start, time.Hour); err == nil {
		t.Error("a policy without comparison was made")
	}
}

// F-06: versions only rise, and one number is one content.
func TestF06VersionsOnlyRise(t *testing.T) {
	a, b := person(t, 1), person(t, 2)
	open := func(raw []byte) Signed {
		t.Helper()
		s, err := Open(raw, seal.Trust(a.Public(), b.Public()), "site", Quorum)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	two := open(signed(t, 2, a, b))
	accepted, err := ParseAccepted(two.Row())
	if err != nil {
		t.Fatal(err)
	}
	other := verdict.DefaultPolicy()
	other.ID, other.Version, other.Match = "site", 2, 0.4
	raw, err := Make("site", other, start, time.Hour)
	for _, s := range []*seal.Signer{a, b} {
		if err == nil {
			raw, err = Sign(raw, s)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		s    Signed
		want bool
	}{"older": {open(signed(t, 1, a, b)), false}, "same": {two, true}, "same number, lower threshold": {open(raw), false}, "newer": {open(signed(t, 3, a, b)), true}} {
		if err := x.s.After(accepted); (err == nil) != x.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, err := ParseAccepted(""); err != nil || a.Version != 0 {
		t.Errorf("a first start: %+v, %v", a, err)
	}
	for _, row := range []string{"x", "1", "0 " + two.Hash, "1 abc"} {
		if _, err := ParseAccepted(row); err == nil {
			t.Errorf("row %q was taken", row)
		}
	}
}

func FuzzOpen(f *testing.F) {
	a, b := person(f, 1), person(f, 2)
	keys := seal.Trust(a.Public(), b.Public())
	f.Add(signed(f, 1, a, b))
	f.Add([]byte(`{"kind":"policy","payload":"e30=","signatures":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := Open(raw, keys, "site", Quorum); err == nil && (len(s.Signers) < Quorum || s.Policy.Validate() != nil) {
			t.Errorf("taken: %+v", s)
		}
	})
}
