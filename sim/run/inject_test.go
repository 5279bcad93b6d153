package run

import (
	"strings"
	"testing"

	"egate/sim/plant"
)

// A fault is injected by name into a running simulation and ended again; one unknown name among several changes
// nothing and is told with those that there are.
func TestInject(t *testing.T) {
	p := plant.New(plant.Default())
	dir := t.TempDir()
	i, err := listen(dir, p)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(words ...string) (string, error) { return Inject(t.Context(), dir, words...) }
	if out, err := ask("list"); err != nil || !strings.Contains(out, "entry_closed_welded\n") || !strings.Contains(out, "beam_03_high\n") {
		t.Fatal(out, err)
	}
	if _, err := ask("inject", "tamper", "beam_03_high"); err != nil {
		t.Fatal(err)
	}
	if in := p.Inputs(); in[plant.LineTamper] || !in["beam_03"] {
		t.Error(in)
	}
	if _, err := ask("end", "tamper", "flood"); err == nil || !strings.Contains(err.Error(), "DOOR_slow") {
		t.Error(err)
	}
	if p.Inputs()[plant.LineTamper] {
		t.Error("a request with an unknown name had an effect")
	}
	if _, err := ask("end", "tamper"); err != nil || !p.Inputs()[plant.LineTamper] {
		t.Error(err)
	}
	for _, bad := range [][]string{{"inject"}, {"burn", "tamper"}, {strings.Repeat("x", maxRequest)}} {
		if _, err := ask(bad...); err == nil {
			t.Errorf("%.20v is accepted", bad)
		}
	}
	i.close()
	if _, err := ask("list"); err == nil {
		t.Error("a simulation that has ended answers")
	}
}
