// Package requirements finds, for every requirement id, where it lives and the tests that prove it: functions,
// types and constants whose comments name the id; Go tests whose name, comment or body names it, and scenarios
// that do. It generates docs/requirements.md; an id without a test needs a reason in notyet.tsv.
package requirements

import (
	"bufio"
	"cmp"
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
	Places   []Place
	Tests    []string // package.Test or a scenario
	NotYet   string
}

// Place is a declaration in whose comments an id stands.
type Place struct {
	File string // relative to the root
	Name string // of the function, method, type, or first name of the group; empty for the package comment
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

// Places finds, for every id, the declarations below root that name it.
func Places(root string) (map[string][]Place, error) {
	found := map[string][]Place{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if name == "node_modules" || name == "test" || name == "bench" || strings.HasPrefix(name, ".") && path != root {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel, _ := filepath.Rel(root, path)
		return places(path, filepath.ToSlash(rel), found)
	})
	return found, err
}

// places notes every id in the comments of one file under the declaration around it, or right after it.
func places(path, rel string, found map[string][]Place) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, g := range file.Comments {
		ids := inText.FindAllString(g.Text(), -1)
		if len(ids) == 0 {
			continue
		}
		p := Place{File: rel}
		for _, d := range file.Decls {
			from := d.Pos()
			if doc := docOf(d); doc != nil {
				from = doc.Pos()
			}
			if g.Pos() >= from && set.Position(g.Pos()).Line <= set.Position(d.End()).Line { // or behind it on its line
				p.Name = nameOf(d, g)
			}
		}
		for _, id := range ids {
			if !slices.Contains(found[id], p) {
				found[id] = append(found[id], p)
			}
		}
	}
	return nil
}

func docOf(d ast.Decl) *ast.CommentGroup {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Doc
	case *ast.GenDecl:
		return d.Doc
	}
	return nil
}

// nameOf is what a reader looks for: the function, or of a group of names the one that the comment stands beside.
func nameOf(d ast.Decl, g *ast.CommentGroup) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Name.Name
	case *ast.GenDecl:
		name := ""
		for _, s := range d.Specs {
			if name != "" && s.Pos() > g.End() {
				break
			}
			switch s := s.(type) {
			case *ast.TypeSpec:
				name = s.Name.Name
			case *ast.ValueSpec:
				name = s.Names[0].Name
			}
			if s.Pos() > g.End() {
				break
			}
		}
		return name
	}
	return ""
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
		"An id stands beside the declarations and the tests that name it; the test says how much of the requirement it proves. %d of %d ids have one.\n\n"+
		"| id | requirement | where it lives | tests, or not yet |\n| --- | --- | --- | --- |\n", n, len(ids))
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
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", i.ID, strings.ReplaceAll(i.Text, "|", "/"), where(i.Places), what)
	}
	return b.String()
}

// where lists places, file by file, those with the most names first.
func where(places []Place) string {
	names := map[string][]string{}
	var files []string
	for _, p := range places {
		if _, ok := names[p.File]; !ok {
			files = append(files, p.File)
		}
		names[p.File] = append(names[p.File], p.Name)
	}
	slices.SortStableFunc(files, func(a, b string) int {
		return cmp.Or(len(names[b])-len(names[a]), strings.Compare(a, b))
	})
	const shown = 4
	rest := ""
	if len(files) > shown {
		rest = fmt.Sprintf(" and %d more", len(files)-shown)
		files = files[:shown]
	}
	out := make([]string, 0, len(files))
	for _, f := range files {
		list := slices.DeleteFunc(names[f], func(n string) bool { return n == "" })
		if len(list) > shown {
			list = append(slices.Clone(list[:shown]), "…")
		}
		s := "[" + f + "](../" + f + ")"
		if len(list) > 0 {
			s += " `" + strings.Join(list, "` `") + "`"
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ") + rest
}
