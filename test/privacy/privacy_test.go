package privacy

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/privacy.md")

const root = "../.."

// TestDP10FactsSheet: docs/privacy.md is what schemas, source and facts.yaml say; no sealed field is without a row, none has
// two, no row names one that is gone, and every proof is a test that exists.
func TestDP10FactsSheet(t *testing.T) {
	f, err := Read("facts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := Sealed()
	if err != nil {
		t.Fatal(err)
	}
	if len(sealed) == 0 {
		t.Fatal("no schema is personal: nothing was compared")
	}
	var told []string
	for _, d := range f.Data {
		told = append(told, d.Fields...)
		if d.From == "" || d.Where == "" || d.Goes == "" || d.Ends == "" || len(d.Proof) == 0 {
			t.Errorf("%s: from, where, goes, ends and a proof are needed", d.What)
		}
		for _, p := range d.Proof {
			if ok, err := Proven(root, p); err != nil || !ok {
				t.Errorf("%s: there is no test %s (%v)", d.What, p, err)
			}
		}
	}
	slices.Sort(told)
	for _, x := range sealed {
		if n := len(slices.DeleteFunc(slices.Clone(told), func(y string) bool { return x != y })); n != 1 {
			t.Errorf("facts.yaml: %s stands in %d rows, not in one", x, n)
		}
	}
	for _, x := range told {
		if !slices.Contains(sealed, x) {
			t.Errorf("facts.yaml: %s is no field of a sealed message", x)
		}
	}
	want, err := Sheet(root, f)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "docs", "privacy.md")
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("docs/privacy.md is not what the source says (%v): go test ./test/privacy -update", err)
	}
}

// TestDP10LimitsAreRead: a time is that of the source, and one that is not there or no time is an error.
func TestDP10LimitsAreRead(t *testing.T) {
	dir := t.TempDir()
	src := "package p\nimport \"time\"\nconst (\n\ta = 3 * 24 * time.Hour\n\tb = time.Minute\n\tc = \"x\"\n\td = b + 1\n)\n"
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Duration{"..a": 72 * time.Hour, "..b": time.Minute} {
		if got, err := Limit(dir, name); err != nil || got != want {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	for _, name := range []string{"..c", "..d", "..e", "nothing"} {
		if got, err := Limit(dir, name); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}
