package haltest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// notDrivers are the folders of hal that drive nothing.
var notDrivers = []string{"haltest", "internal"}

// TestTable: the two tables of hal/README.md leave no driver out, and the tests that they name exist.
func TestTable(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]map[string]bool{} // by folder
	has := func(dir, name string) bool {
		if tests[dir] == nil {
			tests[dir] = map[string]bool{}
			files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(b), -1) {
					tests[dir][m[1]] = true
				}
			}
		}
		return tests[dir][name]
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	for _, section := range []string{"## Which driver runs which suite", "## Which driver meets which hostile peer"} {
		_, rest, found := strings.Cut(string(page), section)
		if !found {
			t.Fatalf("no section %q", section)
		}
		rest, _, _ = strings.Cut(rest, "\n## ")
		seen := map[string]bool{}
		for l := range strings.Lines(rest) {
			cells := strings.Split(strings.Trim(strings.TrimSpace(l), "|"), "|")
			if !strings.HasPrefix(l, "| `") {
				continue
			}
			var drivers []string
			for _, m := range quoted.FindAllStringSubmatch(cells[0], -1) {
				drivers = append(drivers, m[1])
				seen[m[1]] = true
			}
			for _, c := range cells[1:] {
				if strings.TrimSpace(c) == "" {
					t.Errorf("%v: an empty cell", drivers)
				}
				for _, m := range quoted.FindAllStringSubmatch(c, -1) {
					dir, name, elsewhere := strings.Cut(m[1], ".")
					if !elsewhere {
						dir, name = drivers[0], m[1]
					}
					if !strings.HasPrefix(name, "Test") {
						continue // a case of make hil
					}
					at := filepath.Join("..", dir)
					if strings.Contains(dir, "/") {
						at = filepath.Join("../..", dir)
					}
					if !has(at, name) {
						t.Errorf("%v: there is no %s in %s", drivers, name, dir)
					}
				}
			}
		}
		dirs, err := os.ReadDir("..")
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dirs {
			if d.IsDir() && !slices.Contains(notDrivers, d.Name()) && !seen[d.Name()] && !(d.Name() == "recovery" && strings.Contains(rest, "recovery.")) {
				t.Errorf("%s: %s is missing", section, d.Name())
			}
		}
	}
}
