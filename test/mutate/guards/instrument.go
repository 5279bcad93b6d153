package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// mutant is one place of the machine and what is done to it.
type mutant struct {
	id   int
	at   token.Position
	name string // function: text: how, and (2) where the function has it a second time
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d %s", filepath.Base(m.at.Filename), m.at.Line, m.name)
}

// perPlace is how many mutants have their numbers at one place.
const perPlace = 3

// source is one file with a switch at every place.
type source struct {
	fset    *token.FileSet
	file    *ast.File
	fn      string
	places  *int
	mutants *[]mutant
	names   map[string]int
	mine    map[ast.Node]bool // what was put in here
}

//go:embed switch.go.txt
var switches string

//go:embed differ.go.txt
var differ string

// instrument writes the machine with a switch at every place, and the overlay that puts it in place of the machine.
func instrument(root, tmp string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(root, "gate", "*.go"))
	if err != nil {
		return nil, err
	}
	var mutants []mutant
	places := 0
	replace := map[string]string{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		s := source{fset: token.NewFileSet(), places: &places, mutants: &mutants, names: map[string]int{}, mine: map[ast.Node]bool{}}
		if s.file, err = parser.ParseFile(s.fset, path, nil, 0); err != nil {
			return nil, err
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil && f.Name.Name != "String" {
				s.fn = f.Name.Name
				s.body(f)
			}
		}
		var b bytes.Buffer
		if err := format.Node(&b, s.fset, s.file); err != nil {
			return nil, err
		}
		replace[path] = filepath.Join(tmp, filepath.Base(path))
		if err := os.WriteFile(replace[path], b.Bytes(), 0o600); err != nil {
			return nil, err
		}
	}
	quick, err := quickTests(files)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"mutant_overlay.go": switches, "mutant_overlay_test.go": differ + quick} {
		replace[filepath.Join(root, "gate", name)] = filepath.Join(tmp, name)
		if err := os.WriteFile(filepath.Join(tmp, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	return mutants, os.WriteFile(filepath.Join(tmp, "overlay.json"), raw, 0o600)
}

// slow are tests of gate that are not asked first.
var slow = regexp.MustCompile("^Test(Explorer|Occasions|Replay|TraceText|ModelIsBytes|Cycle)$")

// quickTests is a table of all others.
func quickTests(files []string) (string, error) {
	var names []string
	for _, path := range files {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return "", err
		}
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") && !slow.MatchString(f.Name.Name) {
				names = append(names, f.Name.Name)
			}
		}
	}
	var b strings.Builder
	b.WriteString("\nvar quickTests = []struct {\n\tname string\n\tf func(*testing.T)\n}{\n")
	for _, n := range names {
		fmt.Fprintf(&b, "\t{%q, %s},\n", n, n)
	}
	b.WriteString("}\n")
	return b.String(), nil
}

// body puts switches into a function. A function that returns one truth is a guard by itself.
func (s *source) body(f *ast.FuncDecl) {
	truth := false
	if r := f.Type.Results; r != nil && len(r.List) == 1 {
		id, ok := r.List[0].Type.(*ast.Ident)
		truth = ok && id.Name == "bool"
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if s.mine[n] {
			return true
		}
		switch n := n.(type) {
		case *ast.IfStmt:
			n.Cond = s.guards(n.Cond, "true")
		case *ast.BlockStmt:
			s.statements(n.List)
		case *ast.CaseClause:
			s.statements(n.Body)
		case *ast.SwitchStmt:
			if n.Tag != nil {
				return true
			}
			for _, c := range n.Body.List {
				for j, e := range c.(*ast.CaseClause).List {
					c.(*ast.CaseClause).List[j] = s.guards(e, "true")
				}
			}
		case *ast.ReturnStmt:
			if truth && len(n.Results) == 1 {
				n.Results[0] = s.guards(n.Results[0], "true")
			}
		case *ast.AssignStmt:
			for j, e := range n.Rhs {
				if compares(e) {
					n.Rhs[j] = s.guards(e, "true")
				}
			}
		case *ast.CallExpr:
			if fun, ok := n.Fun.(*ast.SelectorExpr); ok && fun.Sel.Name == "start" && len(n.Args) == 3 {
				n.Args[1] = s.limit(n.Args[1])
			}
		}
		return true
	})
}

func compares(e ast.Expr) bool {
	b, ok := e.(*ast.BinaryExpr)
	if !ok {
		return false
	}
	switch b.Op {
	case token.LAND, token.LOR, token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		return true
	}
	return false
}

// edges are comparisons and the same with or without equality.
var edges = map[token.Token]token.Token{token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR}

// guards puts a switch around each operand of a condition; neutral is what leaves the others to decide.
func (s *source) guards(e ast.Expr, neutral string) ast.Expr {
	switch x := e.(type) {
	case *ast.ParenExpr:
		x.X = s.guards(x.X, neutral)
		return x
	case *ast.BinaryExpr:
		switch x.Op {
		case token.LAND:
			x.X, x.Y = s.guards(x.X, "true"), s.guards(x.Y, "true")
			return x
		case token.LOR:
			x.X, x.Y = s.guards(x.X, "false"), s.guards(x.Y, "false")
			return x
		}
	}
	place := s.place(e, "inverted", "always "+neutral)
	var edge ast.Expr = ast.NewIdent("false")
	if b, ok := e.(*ast.BinaryExpr); ok && edges[b.Op] != 0 {
		edge = &ast.BinaryExpr{X: b.X, Op: edges[b.Op], Y: b.Y}
		s.add(place+2, e, edges[b.Op].String())
	}
	return &ast.CallExpr{Fun: ast.NewIdent("guard"), Args: []ast.Expr{number(place), e, ast.NewIdent(neutral), edge}}
}

// limit puts a switch around the limit of a timer.
func (s *source) limit(e ast.Expr) ast.Expr {
	return &ast.CallExpr{Fun: ast.NewIdent("limit"), Args: []ast.Expr{number(s.place(e, "another")), e}}
}

// statements puts a switch before each statement that can be left out.
func (s *source) statements(list []ast.Stmt) {
	for j, x := range list {
		switch x := x.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt:
		case *ast.AssignStmt:
			if x.Tok == token.DEFINE {
				continue
			}
		case *ast.ReturnStmt:
			if len(x.Results) > 0 {
				continue
			}
		default:
			continue
		}
		place := s.place(x, "left out")
		inner := &ast.BlockStmt{List: []ast.Stmt{x}}
		outer := &ast.IfStmt{Cond: &ast.CallExpr{Fun: ast.NewIdent("carried"), Args: []ast.Expr{number(place)}}, Body: inner}
		s.mine[inner], s.mine[outer] = true, true
		list[j] = outer
	}
}

func number(n int) ast.Expr { return &ast.BasicLit{Kind: token.INT, Value: strconv.Itoa(n)} }

// place numbers a place and what can be done to it.
func (s *source) place(n ast.Node, how ...string) int {
	id := perPlace * *s.places
	*s.places++
	for k, h := range how {
		s.add(id+k, n, h)
	}
	return id
}

func (s *source) add(id int, n ast.Node, how string) {
	var b bytes.Buffer
	_ = format.Node(&b, s.fset, n)
	name := s.fn + ": " + strings.Join(strings.Fields(b.String()), " ") + ": " + how
	if s.names[name]++; s.names[name] > 1 {
		name += fmt.Sprintf(" (%d)", s.names[name])
	}
	*s.mutants = append(*s.mutants, mutant{id, s.fset.Position(n.Pos()), name})
}
