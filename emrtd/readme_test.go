package emrtd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The tables of the READMEs name tests as evidence: each must exist, in the package that is named.
func TestReadmeNamesTestsThatExist(t *testing.T) {
	has := map[string]map[string]bool{} // function: packages
	decl := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	for _, root := range []string{".", "../bench", "../cmd/egatectl", "../verdict", "../inspect", "../test/pcsc"} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			pkg := filepath.Base(filepath.Dir(path))
			if filepath.Dir(path) == "." {
				pkg = "emrtd"
			}
			for _, m := range decl.FindAllSubmatch(b, -1) {
				n := string(m[1])
				if has[n] == nil {
					has[n] = map[string]bool{}
				}
				has[n][pkg] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	name := regexp.MustCompile("`(?:([a-z0-9]+)\\.)?((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	cells := 0
	for file, home := range map[string]string{"README.md": "", "pa/README.md": "", "chip/README.md": ""} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			pkg := home
			for _, m := range name.FindAllStringSubmatch(line, -1) {
				cells++
				if m[1] != "" {
					pkg = m[1]
				}
				switch {
				case has[m[2]] == nil:
					t.Errorf("%s: %s does not exist", file, m[2])
				case pkg != "" && file == "README.md" && !has[m[2]][pkg]:
					t.Errorf("%s: %s is not in package %s", file, m[2], pkg)
				}
			}
			if strings.HasPrefix(line, "| ") && file == "README.md" && strings.Contains(line, "`emrtd.") && !name.MatchString(line) {
				t.Errorf("a row without evidence: %s", line)
			}
		}
	}
	if cells < 80 {
		t.Errorf("only %d names found", cells)
	}
	t.Logf("%d names of tests", cells)
}
