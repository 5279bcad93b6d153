// Package requirements finds, for every requirement id, the tests that prove it: Go tests whose name,
// comment or body names the id, and scenarios that name it. It generates docs/requirements.md; an id
// without a test needs a reason in notyet.tsv.
package requirements

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// ID is one requirement.
type ID struct {
	ID, Text string
	Tests    []string // package.Test or a scenario
	NotYet   string
}

var (
	inText = regexp.MustCompile(`\b((?:DP|[PDSCFOMEXAK])-\d{2})\b`)
	inName = regexp.MustCompile(`(DP|[PDSCFOMEXAK])(\d{2})`)
)

// Load reads a two-column file.
func Load(path string) ([][2]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out [][2]string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		id, text, ok := strings.Cut(sc.Text(), "\t")
		if !ok {
			return nil, fmt.Errorf("%s: %q: a tab is missing", path, sc.Text())
		}
		out = append(out, [2]string{id, text})
	}
	return out, nil
}

// Collect finds the tests below root.
func Collect(root string) (map[string][]string, error) {
	found := map[string][]string{}
	note := func(id, test string) {
		if !slices.Contains(found[id], test) {
			found[id] = append(found[id], test)
		}
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if name == "node_modules" || strings.HasPrefix(name, ".") && path != root {
				return filepath.SkipDir
			}
			return nil
		}
		rel, _ := filepath.Rel(root, path)
		switch {
		case strings.HasSuffix(name, "_test.go"):
			return goTests(path, filepath.ToSlash(filepath.Dir(rel)), note)
		case strings.HasPrefix(rel, "sim/scenarios/") && strings.HasSuffix(name, ".yaml"):
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range inText.FindAllString(string(b), -1) {
				note(m, "scenario "+strings.TrimSuffix(name, ".yaml"))
			}
		}
		return nil
	})
	for _, v := range found {
		sort.Strings(v)
	}
	return found, err
}

func goTests(path, dir string, note func(id, test string)) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
			continue
		}
		test := dir + "." + f.Name.Name
		for _, m := range inName.FindAllStringSubmatch(f.Name.Name, -1) {
			note(m[1]+"-"+m[2], test)
		}
		from := f.Pos()
		if f.Doc != nil {
			from = f.Doc.Pos()
		}
		for _, g := range file.Comments {
			if g.Pos() >= from && g.End() <= f.End() {
				for _, m := range inText.FindAllString(g.Text(), -1) {
					note(m, test)
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				for _, m := range inText.FindAllString(l.Value, -1) {
					note(m, test)
				}
			}
			return true
		})
	}
	return nil
}

// Page is docs/requirements.md.
func Page(ids []ID) string {
	var b strings.Builder
	n := 0
	for _, i := range ids {
		if len(i.Tests) > 0 {
			n++
		}
	}
	fmt.Fprintf(&b, "# Requirements and their tests\n\nGenerated from the tests by `go test ./test/requirements -update`; a test fails when this page is stale.\n"+
		"An id stands beside a test that names it; the test says how much of the requirement it proves. %d of %d ids have one.\n\n| id | requirement | tests, or not yet |\n| --- | --- | --- |\n", n, len(ids))
	const shown = 6
	for _, i := range ids {
		what := "*not yet*: " + i.NotYet
		if len(i.Tests) > 0 {
			list := i.Tests
			rest := ""
			if len(list) > shown {
				rest = fmt.Sprintf(" and %d more", len(list)-shown)
				list = list[:shown]
			}
			what = "`" + strings.Join(list, "` `") + "`" + rest
			if i.NotYet != "" {
				what += " · open: " + i.NotYet
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", i.ID, strings.ReplaceAll(i.Text, "|", "/"), what)
	}
	return b.String()
}
