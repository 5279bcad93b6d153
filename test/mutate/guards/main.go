// Command guards inverts and removes every guard of the gate's machine, one at a time, and tells which test notices.
// A guard is one operand of a condition: of an if, a case, a returned or assigned truth. All of them are compiled
// in at once, each behind a switch that one run turns; nothing of the repository is touched.
//
//	go run ./test/mutate/guards [-only order.go] [-part 1/4] [-whole] [-v]
//
// The tests of the machine alone are asked first, then the explorer's first states, then the loop; with -whole the
// explorer walks every world for what is left. A mutant that survives must stand with its reason in
// survivors.txt, and what stands there must survive. Exit status 0: so it is.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

//go:embed survivors.txt
var survivors string

// mutant is one guard and what is done to it.
type mutant struct {
	id   int
	at   token.Position
	name string // function: guard: how
}

// source is one file with a switch in every guard.
type source struct {
	fset    *token.FileSet
	file    *ast.File
	fn      string
	mutants *[]mutant
	neutral string // what removes the operand that is looked at
}

func main() {
	only := flag.String("only", "", "one file of gate")
	part := flag.String("part", "1/1", "k/n: the k-th of n parts")
	whole := flag.Bool("whole", false, "the explorer walks every world for what the quick tests leave (minutes for each)")
	verbose := flag.Bool("v", false, "tell of each mutant what noticed it")
	flag.Parse()
	if err := run(*only, *part, *whole, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "guards:", err)
		os.Exit(1)
	}
}

func run(only, part string, whole, verbose bool) error {
	var k, n int
	if _, err := fmt.Sscanf(part, "%d/%d", &k, &n); err != nil || k < 1 || k > n {
		return fmt.Errorf("-part %q is not k/n with k from 1 to n", part)
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("run it inside the repository: %w", err)
	}
	root := strings.TrimSpace(string(out))
	tmp, err := os.MkdirTemp("", "guards")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	mutants, err := instrument(root, tmp)
	if err != nil {
		return err
	}
	tests, err := build(root, tmp)
	if err != nil {
		return err
	}
	for _, t := range tests {
		if by := t.notices(-1); by != "" {
			return fmt.Errorf("the tests fail without a mutant: %s", by)
		}
	}
	if whole {
		tests = append(tests, test{filepath.Join(tmp, "gate.test"), filepath.Join(root, "gate"), []string{"-test.run", "^TestExplorer$", "-test.timeout", "30m"}})
	}
	known := reasons()
	var mine []mutant
	for j, m := range mutants {
		if (only == "" || filepath.Base(m.at.Filename) == only) && j/2%n == k-1 {
			mine = append(mine, m)
		}
	}
	var next, killed, unknown atomic.Int32
	var mu sync.Mutex
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for j := next.Add(1) - 1; int(j) < len(mine); j = next.Add(1) - 1 {
				m, by := mine[j], ""
				for _, t := range tests {
					if by = t.notices(m.id); by != "" {
						break
					}
				}
				mu.Lock()
				why, expected := known[m.name]
				at := fmt.Sprintf("%s:%d", filepath.Base(m.at.Filename), m.at.Line)
				switch {
				case by != "" && expected:
					fmt.Printf("noticed, though survivors.txt says it is not: %s %s: %s\n", at, m.name, by)
					unknown.Add(1)
					killed.Add(1)
				case by != "":
					killed.Add(1)
					if verbose {
						fmt.Printf("killed   %s %s: %s\n", at, m.name, by)
					}
				case expected:
					fmt.Printf("survived %s %s: %s\n", at, m.name, why)
				default:
					fmt.Printf("SURVIVED %s %s\n", at, m.name)
					unknown.Add(1)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	fmt.Printf("guards: %d of %d mutants killed (%.1f %%), %d not as survivors.txt says\n", killed.Load(), len(mine), 100*float64(killed.Load())/float64(max(1, len(mine))), unknown.Load())
	if unknown.Load() > 0 {
		return fmt.Errorf("a test is missing, or a reason in test/mutate/guards/survivors.txt")
	}
	return nil
}

// reasons reads survivors.txt: a mutant's name and, after a tab, why no test can notice it.
func reasons() map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(survivors) {
		if name, why, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && !strings.HasPrefix(name, "#") {
			out[name] = why
		}
	}
	return out
}

// instrument writes the machine with a switch in every guard, and the overlay that puts it in place.
func instrument(root, tmp string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(root, "gate", "*.go"))
	if err != nil {
		return nil, err
	}
	var mutants []mutant
	replace := map[string]string{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		s := source{fset: token.NewFileSet(), mutants: &mutants}
		if s.file, err = parser.ParseFile(s.fset, path, nil, 0); err != nil {
			return nil, err
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
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
	const chosen = `package gate

import (
	"os"
	"strconv"
)

var chosenMutant = func() int {
	if n, err := strconv.Atoi(os.Getenv("EGATE_MUTANT")); err == nil {
		return n
	}
	return -1
}()

func guard[T ~bool](id int, x, neutral T) T {
	switch chosenMutant {
	case id:
		return !x
	case id + 1:
		return neutral
	}
	return x
}
`
	replace[filepath.Join(root, "gate", "mutant_overlay.go")] = filepath.Join(tmp, "mutant_overlay.go")
	if err := os.WriteFile(filepath.Join(tmp, "mutant_overlay.go"), []byte(chosen), 0o600); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	return mutants, os.WriteFile(filepath.Join(tmp, "overlay.json"), raw, 0o600)
}

// body puts switches into a function. A function that returns one truth is a guard by itself.
func (s *source) body(f *ast.FuncDecl) {
	truth := false
	if r := f.Type.Results; r != nil && len(r.List) == 1 {
		id, ok := r.List[0].Type.(*ast.Ident)
		truth = ok && id.Name == "bool"
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false // none of the machine's guards stands in one
		case *ast.IfStmt:
			n.Cond = s.guards(n.Cond, "true")
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
	var b bytes.Buffer
	_ = format.Node(&b, s.fset, e)
	id := 2 * (len(*s.mutants) / 2)
	at := s.fset.Position(e.Pos())
	text := s.fn + ": " + strings.Join(strings.Fields(b.String()), " ")
	*s.mutants = append(*s.mutants, mutant{id, at, text + ": inverted"}, mutant{id + 1, at, text + ": always " + neutral})
	return &ast.CallExpr{Fun: ast.NewIdent("guard"), Args: []ast.Expr{&ast.BasicLit{Kind: token.INT, Value: strconv.Itoa(id)}, e, ast.NewIdent(neutral)}}
}

// test is a program of tests and how it is run.
type test struct {
	bin, dir string
	args     []string
}

func build(root, tmp string) ([]test, error) {
	for _, pkg := range []string{"gate", "gate/control"} {
		cmd := exec.Command("go", "test", "-c", "-vet=off", "-overlay", filepath.Join(tmp, "overlay.json"), "-o", filepath.Join(tmp, filepath.Base(pkg)+".test"), "./"+pkg)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
	}
	gate, control := filepath.Join(root, "gate"), filepath.Join(root, "gate", "control")
	short := []string{"-test.short", "-test.failfast", "-test.timeout", "5m", "-rapid.nofailfile"}
	return []test{
		{filepath.Join(tmp, "gate.test"), gate, append([]string{"-test.skip", "^Test(Explorer|Occasions)$"}, short...)},
		{filepath.Join(tmp, "gate.test"), gate, append([]string{"-test.run", "^TestExplorer$"}, short...)},
		{filepath.Join(tmp, "control.test"), control, short},
	}, nil
}

var (
	line = regexp.MustCompile(`_test\.go:\d+: (.*)`)
	name = regexp.MustCompile(`--- FAIL: (\S+)`)
)

// notices is the test that fails with a mutant, and its first words; empty: none does.
func (t test) notices(id int) string {
	cmd := exec.Command(t.bin, t.args...)
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "EGATE_MUTANT="+strconv.Itoa(id))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	by := "it panics"
	if m := name.FindSubmatch(out); m != nil {
		by = string(m[1])
	}
	if m := line.FindSubmatch(out); m != nil {
		by += ": " + string(m[1])
	}
	return by[:min(len(by), 160)]
}
