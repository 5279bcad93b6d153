// Package privacy makes the facts sheet for a data protection impact assessment (DP-10): which personal data exist, where, for
// what, until when, and the test that proves it. Fields come from the message schemas, times from the constants of the source.
package privacy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"egate/api"
)

// Facts is facts.yaml.
type Facts struct {
	Purpose, Choice string
	Data            []Datum
}

// Datum is one kind of data.
type Datum struct {
	What, From, Where string
	Fields            []string // schema.field of sealed messages
	Goes, Ends, Note  string
	Limits            []string // package.constant
	Proof             []string // package.Test
}

// Read reads facts.yaml.
func Read(path string) (f Facts, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	return f, d.Decode(&f)
}

// message is what the sheet needs of a schema.
type message struct {
	Title       string
	Description string
	Purpose     string `json:"x-purpose"`
	Personal    bool   `json:"x-personal"`
	Properties  map[string]json.RawMessage
}

func messages() (map[string]message, error) {
	files, err := fs.Glob(api.Schemas(), "*.json")
	if err != nil {
		return nil, err
	}
	all := map[string]message{}
	for _, f := range files {
		b, err := fs.ReadFile(api.Schemas(), f)
		if err != nil {
			return nil, err
		}
		var m message
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("privacy: %s: %w", f, err)
		}
		all[strings.TrimSuffix(f, ".json")] = m
	}
	return all, nil
}

// Sealed lists the fields of every message that is personal: schema.field.
func Sealed() ([]string, error) {
	all, err := messages()
	if err != nil {
		return nil, err
	}
	var out []string
	for name, m := range all {
		if m.Personal {
			for f := range m.Properties {
				out = append(out, name+"."+f)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// Limit is the value of a constant of time below root, such as inspect.wipeLimit.
func Limit(root, name string) (time.Duration, error) {
	dir, id, ok := cut(name)
	if !ok {
		return 0, fmt.Errorf("privacy: limit %q: package.constant is expected", name)
	}
	var value ast.Expr
	err := source(filepath.Join(root, dir), func(path string) bool { return !strings.HasSuffix(path, "_test.go") }, func(f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			if v, is := n.(*ast.ValueSpec); is {
				for i, x := range v.Names {
					if x.Name == id && i < len(v.Values) {
						value = v.Values[i]
					}
				}
			}
			return true
		})
	})
	switch {
	case err != nil:
		return 0, err
	case value == nil:
		return 0, fmt.Errorf("privacy: the source has no constant %s", name)
	}
	v, err := eval(value)
	if err != nil {
		return 0, fmt.Errorf("privacy: %s: %w", name, err)
	}
	n, exact := constant.Int64Val(v)
	if !exact {
		return 0, fmt.Errorf("privacy: %s is no time", name)
	}
	return time.Duration(n), nil
}

var units = map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour}

// eval knows products of numbers and units, which is how times are written.
func eval(e ast.Expr) (constant.Value, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.INT {
			return constant.MakeFromLiteral(e.Value, e.Kind, 0), nil
		}
	case *ast.SelectorExpr:
		if u, ok := units[e.Sel.Name]; ok {
			return constant.MakeInt64(int64(u)), nil
		}
	case *ast.BinaryExpr:
		x, err := eval(e.X)
		if err != nil {
			return nil, err
		}
		y, err := eval(e.Y)
		if err != nil || e.Op != token.MUL {
			break
		}
		return constant.BinaryOp(x, e.Op, y), nil
	}
	return nil, errors.New("it is not a number of hours, minutes or seconds")
}

// Proven tells whether a test is there: package.Test.
func Proven(root, name string) (bool, error) {
	dir, id, ok := cut(name)
	if !ok {
		return false, fmt.Errorf("privacy: proof %q: package.Test is expected", name)
	}
	found := false
	err := source(filepath.Join(root, dir), func(path string) bool { return strings.HasSuffix(path, "_test.go") }, func(f *ast.File) {
		for _, d := range f.Decls {
			if fn, is := d.(*ast.FuncDecl); is && fn.Name.Name == id {
				found = true
			}
		}
	})
	return found, err
}

func cut(name string) (dir, id string, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}

func source(dir string, take func(path string) bool, f func(*ast.File)) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, path := range files {
		if !take(path) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f(file)
	}
	return nil
}

// Sheet is docs/privacy.md.
func Sheet(root string, f Facts) (string, error) {
	var b strings.Builder
	b.WriteString("<!-- Generated from test/privacy/facts.yaml, api/schemas and the source: go test ./test/privacy -update -->\n" +
		"# Facts for a data protection impact assessment\n\n" +
		"What this software does with personal data, for the assessment that the operator of a gate has to make. The operator adds the legal basis, the\n" +
		"controller and the processor, and what lies outside: cameras of the hall, the watch list, the staffed lane. Times are read from the source, fields from the\n" +
		"message schemas; every row names the tests that prove it (`make test` runs them).\n\n")
	fmt.Fprintf(&b, "**Purpose.** %s\n\n**Choice.** %s\n\n## Data and their lives\n\n| data | comes from | where it is | goes to | ends | at the latest | proof |\n| --- | --- | --- | --- | --- | --- | --- |\n", flat(f.Purpose), flat(f.Choice))
	for _, d := range f.Data {
		var limits, proof []string
		for _, l := range d.Limits {
			v, err := Limit(root, l)
			if err != nil {
				return "", err
			}
			limits = append(limits, fmt.Sprintf("%s (`%s`)", human(v), l))
		}
		for _, p := range d.Proof {
			proof = append(proof, "`"+p+"`")
		}
		what := d.What
		if d.Note != "" {
			what += ": " + d.Note
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", flat(what), flat(d.From), flat(d.Where), flat(d.Goes), flat(d.Ends), strings.Join(limits, ", "), strings.Join(proof, " "))
	}
	all, err := messages()
	if err != nil {
		return "", err
	}
	b.WriteString("\nAfter every scenario of `make run ONCE=1` the memory of all programs, the state folders, journal, logs, captured MQTT and the browser's profile are searched for\nmarkers of portrait, live picture, template and zone (DP-01); a planted leak proves that the search finds them.\n" +
		"\n## Personal fields, all of them sealed\n\n| field | of | purpose |\n| --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m := all[name]
		if !m.Personal {
			continue
		}
		for _, x := range slices.Sorted(maps.Keys(m.Properties)) {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", x, flat(m.Title), flat(m.Purpose))
		}
	}
	b.WriteString("\n## Everything else that leaves a gate or reaches it\n\nNo field of these is about a traveller (`api/contract.TestDP04NothingPersonalUnsealed`); their fields stand in [api/messages.md](api/messages.md).\n\n| message | purpose | fields |\n| --- | --- | ---: |\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m := all[name]
		if m.Personal || m.Purpose == "" || len(m.Properties) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| [%s](api/messages.md#%s) | %s | %d |\n", name, name, flat(m.Purpose), len(m.Properties))
	}
	return b.String(), nil
}

func flat(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

// human writes a time as people say it.
func human(d time.Duration) string {
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if d >= u.d && d%u.d == 0 {
			return fmt.Sprintf("%d %s", d/u.d, u.name)
		}
	}
	return d.String()
}
