package pa_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"egate/emrtd/cms"
	"egate/emrtd/issue"
	"egate/emrtd/trust"
)

// TestP14TestCSCA: what chains to a CSCA of specimens is told so by the path, and its revocation list speaks of no other
// issuer's documents, whatever name it bears.
func TestP14TestCSCA(t *testing.T) {
	now := time.Now()
	a, err := issue.NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []bool{false, true} {
		b, err := issue.Bundle("north", 1, now, a)
		if err != nil {
			t.Fatal(err)
		}
		b.Anchors[0].Test = test
		s, err := b.Store()
		if err != nil {
			t.Fatal(err)
		}
		ds, err := cms.ParseCertificate(a.DS())
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Find(ds, now)
		if err != nil || p.Test != test || slices.Contains(p.Deviations, trust.DevTestCSCA) != test {
			t.Fatalf("test %v: %+v %v", test, p, err)
		}
		if st, _ := s.Check(ds, p, now, trust.RevocationPolicy{}); st != trust.RevocationGood {
			t.Errorf("test %v: its own list says %v", test, st)
		}
		other := *p
		other.Test = !test
		if st, _ := s.Check(ds, &other, now, trust.RevocationPolicy{}); st != trust.RevocationUnknown {
			t.Errorf("test %v: its list speaks of the other kind: %v", test, st)
		}
	}
}
