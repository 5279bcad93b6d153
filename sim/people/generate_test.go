package people

import (
	"reflect"
	"testing"
)

// Seeds reproduce a trace, and every class leaves one (S-02).
func TestGenerateReproduces(t *testing.T) {
	for n, c := range Classes() {
		if testing.Short() && n%4 != 0 {
			continue
		}
		a, err := Generate(c, 5, TraceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := Generate(c, 5, TraceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two traces of one seed differ", c)
		}
		if len(a.Edges) < 20 {
			t.Errorf("%s: %d edges", c, len(a.Edges))
		}
		d, err := Generate(c, 6, TraceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if reflect.DeepEqual(a.Edges, d.Edges) {
			t.Errorf("%s: two seeds gave one trace", c)
		}
		for i := 1; i < len(a.Edges); i++ {
			if a.Edges[i].At < a.Edges[i-1].At {
				t.Fatalf("%s: time runs backwards", c)
			}
		}
	}
	if _, err := Generate("dancing", 1, TraceOptions{}); err == nil {
		t.Error("an unknown class was taken")
	}
}

// A single passage ends with every beam free; a suitcase left behind keeps low beams broken (S-05).
func TestGenerateEndStates(t *testing.T) {
	seeds := uint64(5)
	if testing.Short() {
		seeds = 1
	}
	for c, left := range map[Class]bool{Single: false, SingleCase: false, Tailgating: false, WrongWay: false, UTurn: false, LeftBehind: true} {
		for seed := uint64(1); seed <= seeds; seed++ {
			tr, err := Generate(c, seed, TraceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			state := map[string]bool{}
			for _, e := range tr.Edges {
				state[e.Beam] = e.Broken
			}
			low, high := 0, 0
			for b, on := range state {
				if on && b >= "beam_09" && b <= "beam_16" {
					high++
				} else if on {
					low++
				}
			}
			if (low > 0) != left || high > 0 {
				t.Errorf("%s seed %d: %d low and %d high beams stay broken", c, seed, low, high)
			}
		}
	}
}
