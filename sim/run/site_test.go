package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A site whose policy holds names it in the section of the inspectors; one that does not is left as it is.
func TestSiteHold(t *testing.T) {
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
	if err := s.policy(nil, nil); err != nil || read(path) != was {
		t.Error(err)
	}
	if err := s.policy([]string{"centre_hit"}, nil); err != nil || read(path) != strings.Replace(was, "inspect:\n", "inspect:\n    policy: policy.yaml\n", 1) {
		t.Errorf("%v: %s", err, read(path))
	}
	if got := read(filepath.Join(s.Dir, "policy.yaml")); got != "hold: [centre_hit]\n" {
		t.Error(got)
	}
	if err := os.WriteFile(path, []byte("name: g\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.policy([]string{"centre_hit"}, nil); err == nil {
		t.Error("a configuration without a section of the inspectors")
	}
}
