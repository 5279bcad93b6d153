package run

import (
	"fmt"
	"slices"
	"testing"

	"egate/sim/scenario"
)

// Every scenario is played once, on a site of its kind, and no site waits for one long one.
func TestBatches(t *testing.T) {
	var all []*scenario.Scenario
	for i := range 17 {
		s := &scenario.Scenario{Name: fmt.Sprint(i), Topology: scenario.Mantrap}
		switch {
		case i%6 == 0:
			s.Topology = scenario.OneStep
		case i == 5:
			s.Hold = []string{"centre_hit"}
		}
		all = append(all, s)
	}
	for n := 1; n <= 20; n++ {
		var played []*scenario.Scenario
		longest := 0
		for i, b := range batches(all, n) {
			if i == 0 {
				longest = len(b)
			}
			if len(b) == 0 || len(b) > longest || len(byTopology(b)) != 1 {
				t.Fatalf("%d at once: batch %d has %d scenarios of %d kinds, the first has %d", n, i, len(b), len(byTopology(b)), longest)
			}
			played = append(played, b...)
		}
		if longest > (len(all)+n-1)/n {
			t.Errorf("%d at once: the longest batch has %d of %d", n, longest, len(all))
		}
		for _, s := range all {
			if !slices.Contains(played, s) {
				t.Errorf("%d at once: %s is not played", n, s.Name)
			}
		}
		if len(played) != len(all) {
			t.Errorf("%d at once: %d of %d are played", n, len(played), len(all))
		}
	}
}
