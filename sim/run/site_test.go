package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"egate/sim/scenario"
)

// A site with a policy of its own names it in the section of the inspectors, one with witnesses wires them; one that has neither is left
// as it is.
func TestSiteSuits(t *testing.T) {
	s := &Site{Dir: t.TempDir(), Gates: []Gate{{Config: "g.yaml"}}}
	const was = "name: g\ninspect:\n    models: m\nlimits:\n    chip: 1s\n"
	path := filepath.Join(s.Dir, "g.yaml")
	if err := os.WriteFile(path, []byte(was), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(p string) string {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if err := s.suit(&scenario.Scenario{}); err != nil || read(path) != was {
		t.Error(err)
	}
	if err := s.suit(&scenario.Scenario{Hold: []string{"centre_hit"}}); err != nil || read(path) != strings.Replace(was, "inspect:\n", "inspect:\n    policy: policy.yaml\n", 1) {
		t.Errorf("%v: %s", err, read(path))
	}
	if got := read(filepath.Join(s.Dir, "policy.yaml")); got != "hold: [centre_hit]\n" {
		t.Error(got)
	}
	const wired = "lines:\n    inputs:\n        fire_ok: {}\ninspect:\n    models: m\n"
	if err := os.WriteFile(path, []byte(wired), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "lines:\n    inputs:\n        mat_ok: {}\n        mat_occupied: {}\n        fire_ok: {}\ninspect:\n    policy: policy.yaml\n    models: m\n"
	if err := s.suit(&scenario.Scenario{AccompaniedFrom: 12, Witnesses: []string{"mat"}}); err != nil || read(path) != want {
		t.Errorf("%v: %s", err, read(path))
	}
	if got := read(filepath.Join(s.Dir, "policy.yaml")); got != "eligibility: {document_types: P, min_age: 18, accompanied_min_age: 12}\n" {
		t.Error(got)
	}
	if err := os.WriteFile(path, []byte("name: g\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.suit(&scenario.Scenario{Hold: []string{"centre_hit"}}); err == nil {
		t.Error("a configuration without a section of the inspectors")
	}
}
