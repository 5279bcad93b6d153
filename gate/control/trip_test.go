package control

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"egate/verdict"
)

// E-05: the stages of a passage add up to its total, whatever their lengths.
func TestE05StagesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1_700_000_000, 123456789)
		trip := newTrip(start)
		now := start
		names := []string{"place", "reading", "lift", "admitting", "capturing", "referred"}
		for range rapid.IntRange(1, 20).Draw(t, "changes") {
			trip.enter(rapid.SampledFrom(names).Draw(t, "stage"), now)
			now = now.Add(time.Duration(rapid.Int64Range(0, 5_000_000_000).Draw(t, "ns")))
		}
		trip.enter("end", now)
		var sum int64
		for _, s := range trip.stages {
			if s.MS < 0 {
				t.Fatalf("%s took %d ms", s.Stage, s.MS)
			}
			sum += s.MS
		}
		if want := now.Sub(start).Milliseconds(); sum != want || trip.total() != want {
			t.Fatalf("stages %d ms, total %d ms, passed %d ms", sum, trip.total(), want)
		}
	})
}

// E-08: ids are 128 fresh random bits; DP-09: references can be read aloud.
func TestE08Ids(t *testing.T) {
	seen := map[string]bool{}
	ones := [128]int{}
	const n = 2000
	for range n {
		p := newTrip(time.Now())
		if len(p.ID) != 32 || seen[p.ID] {
			t.Fatalf("id %q", p.ID)
		}
		seen[p.ID] = true
		for i, c := range p.ID {
			v := strings.IndexRune("0123456789abcdef", c)
			for b := range 4 {
				ones[4*i+b] += v >> b & 1
			}
		}
		if len(p.reference) != 6 || p.reference[2] != '-' || strings.ContainsAny(p.reference, "0O1IQ8S") && strings.ContainsAny(p.reference, "01IOQ8") {
			t.Fatalf("reference %q", p.reference)
		}
	}
	for i, k := range ones {
		if k < n/2-250 || k > n/2+250 { // eleven standard deviations
			t.Errorf("bit %d is set %d times of %d", i, k, n)
		}
	}
}

// DP-04: what an inspector says reaches an event only as words of our own vocabulary.
func TestDP04WordsOfAnInspector(t *testing.T) {
	got := plain([]verdict.Check{{ID: verdict.CheckMatch, Score: 0.7, Threshold: 0.48, Deviations: []string{"mrz.repaired.name", "QVTRAVELLER ANNA", "SECRET"}}})
	if len(got[0].Deviations) != 1 || got[0].Deviations[0] != "mrz.repaired.name" || got[0].Score != 0 {
		t.Errorf("%+v", got)
	}
	if band("0.731") != "" || band("above") != "above" {
		t.Error("a score passed as a band")
	}
	if versionText.MatchString("traveller <name>") || !versionText.MatchString("egate-demonstration.v1@dbd4b1ed8ec5682b") {
		t.Error("version text")
	}
}
