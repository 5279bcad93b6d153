package contract

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"egate/api"
)

var freeze = flag.Bool("freeze", false, "write api/released/v{version of asyncapi.yaml}")

// contractOf is a contract as it lies in a folder: asyncapi.yaml and schemas.
type contractOf struct {
	doc     asyncDoc
	schemas map[string]schema
}

func readContract(t *testing.T, dir fs.FS) contractOf {
	t.Helper()
	c := contractOf{schemas: map[string]schema{}}
	b, err := fs.ReadFile(dir, "asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, &c.doc); err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(dir, "schemas/*.json")
	if err != nil || len(names) == 0 {
		t.Fatal("no schemas", err)
	}
	for _, n := range names {
		b, err := fs.ReadFile(dir, n)
		if err != nil {
			t.Fatal(err)
		}
		var s schema
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		c.schemas[strings.TrimSuffix(path.Base(n), ".json")] = s
	}
	return c
}

// inward are the schemas of what a gate is sent: there a new field must stay optional, or an older centre could
// not speak to a newer gate.
func (c contractOf) inward() map[string]bool {
	in := map[string]bool{}
	for _, op := range c.doc.Operations {
		if op.Action != "receive" {
			continue
		}
		for name := range c.doc.Channels[tail(op.Channel["$ref"])].Messages {
			m := c.doc.Components.Messages[name]
			in[tail(m.Payload["$ref"])], in[tail(m.Inner["$ref"])] = true, true
		}
	}
	return in
}

// additive lists what of old the new contract no longer keeps.
func additive(old, now contractOf) (broken []string) {
	say := func(f string, a ...any) { broken = append(broken, fmt.Sprintf(f, a...)) }
	for key, ch := range old.doc.Channels {
		n, ok := now.doc.Channels[key]
		if !ok || n.Address != ch.Address {
			say("channel %s is gone or elsewhere", key)
			continue
		}
		for m := range ch.Messages {
			if n.Messages[m] == nil || now.doc.Components.Messages[m].Signed != old.doc.Components.Messages[m].Signed {
				say("channel %s: message %s is gone or signed otherwise", key, m)
				continue
			}
			if was := tail(old.doc.Components.Messages[m].Payload["$ref"]); was != "reserved" && was != tail(now.doc.Components.Messages[m].Payload["$ref"]) {
				say("channel %s: message %s has another schema", key, m)
			}
		}
	}
	for key, op := range old.doc.Operations {
		n, ok := now.doc.Operations[key]
		if !ok || n.Action != op.Action || !reflect.DeepEqual(n.Channel, op.Channel) || !reflect.DeepEqual(n.Bindings, op.Bindings) {
			say("operation %s is gone or otherwise", key)
		}
	}
	inward := old.inward()
	for f, s := range old.schemas {
		n, ok := now.schemas[f]
		if !ok {
			say("schema %s is gone", f)
			continue
		}
		keeps(f, s, n, inward[f], say)
	}
	return broken
}

// keeps compares one schema: fields and words may come, what was there stays as it was. Bounds may grow.
func keeps(at string, old, now schema, inward bool, say func(string, ...any)) {
	for k, was := range old {
		is, ok := now[k]
		switch k {
		case "description", "title", "x-purpose", "$schema":
			continue
		case "required":
			for _, f := range was.([]any) {
				if list, _ := is.([]any); !slices.Contains(list, f) {
					say("%s: %v is no longer certain", at, f)
				}
			}
			continue
		case "enum":
			for _, w := range was.([]any) {
				if list, _ := is.([]any); !slices.Contains(list, w) {
					say("%s: the word %v is gone", at, w)
				}
			}
			continue
		case "maxItems", "maxLength", "maximum", "maxProperties":
			if n, isNumber := is.(float64); ok && (!isNumber || n < was.(float64)) {
				say("%s: %s shrank", at, k)
			}
			continue
		case "minimum", "minLength", "minItems":
			if n, isNumber := is.(float64); ok && (!isNumber || n > was.(float64)) {
				say("%s: %s rose", at, k)
			}
			continue
		}
		if !ok {
			say("%s: %s is gone", at, k)
			continue
		}
		switch was := was.(type) {
		case schema:
			if is, ok := is.(schema); ok {
				keeps(at+"/"+k, was, is, inward, say)
				continue
			}
			say("%s: %s is otherwise", at, k)
		case []any: // oneOf, anyOf: each branch stays in its place
			list, _ := is.([]any)
			for i, w := range was {
				if i >= len(list) {
					say("%s: %s lost a branch", at, k)
					break
				}
				a, _ := w.(schema)
				b, _ := list[i].(schema)
				if a == nil || b == nil {
					say("%s: %s is otherwise", at, k)
					break
				}
				keeps(fmt.Sprintf("%s/%s/%d", at, k, i), a, b, inward, say)
			}
		default:
			if !reflect.DeepEqual(was, is) {
				say("%s: %s was %v and is %v", at, k, was, is)
			}
		}
	}
	wasList, _ := old["required"].([]any)
	isList, _ := now["required"].([]any)
	for _, f := range isList {
		if inward && old["properties"] != nil && !slices.Contains(wasList, f) {
			say("%s: %v became required of who speaks to a gate", at, f)
		}
	}
	if old["properties"] != nil {
		return // a new field is no bound
	}
	for _, k := range []string{"pattern", "format", "enum", "const", "not", "maxLength", "minLength", "maximum", "minimum", "maxItems"} {
		if old[k] == nil && now[k] != nil {
			say("%s: %s is a new bound", at, k)
		}
	}
}

// released is the folder of the last released contract.
func released(t *testing.T) string {
	t.Helper()
	dirs, err := filepath.Glob("../released/v*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no released contract: go test ./api/contract -run Released -freeze", err)
	}
	slices.Sort(dirs)
	return dirs[len(dirs)-1]
}

// TestE01ReleasedContractIsKept: inside v1 the contract only grows (E-01). The copies in api/released never change.
// A change that this test refuses belongs to a v2 tree beside v1; only as long as no gate of a release is in
// service may the copy be made anew, with the reason in the commit.
func TestE01ReleasedContractIsKept(t *testing.T) {
	now := readContract(t, os.DirFS(".."))
	if *freeze {
		var v struct{ Info struct{ Version string } }
		if err := yaml.Unmarshal(api.AsyncAPI, &v); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join("../released", "v"+v.Info.Version)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(dir, "schemas"), api.Schemas()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "asyncapi.yaml"), api.AsyncAPI, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range additive(readContract(t, os.DirFS(released(t))), now) {
		t.Errorf("%s takes from the released contract %s: %s", "api/", filepath.Base(released(t)), b)
	}
}

// TestE01TakingAwayIsFound: whatever is taken from any place of the contract, the comparison finds it; what is
// added to it, it does not mind.
func TestE01TakingAwayIsFound(t *testing.T) {
	base := readContract(t, os.DirFS(".."))
	if broken := additive(base, base); len(broken) > 0 {
		t.Fatal(broken)
	}
	mutant, tried := readContract(t, os.DirFS("..")), 0
	var walk func(file string, v any)
	expect := func(what string) {
		tried++
		if len(additive(base, mutant)) == 0 {
			t.Errorf("%s: not found", what)
		}
	}
	walk = func(at string, v any) {
		switch v := v.(type) {
		case schema:
			for k, x := range v {
				if slices.Contains([]string{"description", "title", "x-purpose", "$schema", "maxItems", "maxLength", "maximum", "maxProperties", "minimum", "minLength", "minItems"}, k) {
					continue
				}
				delete(v, k)
				expect(at + "/" + k)
				v[k] = x
				walk(at+"/"+k, x)
			}
		case []any:
			for i, x := range v {
				if s, ok := x.(string); ok {
					v[i] = s + "_other"
					expect(fmt.Sprintf("%s/%d", at, i))
					v[i] = x
				}
				walk(fmt.Sprintf("%s/%d", at, i), x)
			}
		}
	}
	for f, s := range mutant.schemas {
		if f != "reserved" {
			walk(f, s)
		}
	}
	for key := range mutant.doc.Channels {
		ch := mutant.doc.Channels[key]
		delete(mutant.doc.Channels, key)
		expect("channel " + key)
		mutant.doc.Channels[key] = ch
	}
	for key := range mutant.doc.Operations {
		op := mutant.doc.Operations[key]
		delete(mutant.doc.Operations, key)
		expect("operation " + key)
		mutant.doc.Operations[key] = op
	}
	if tried < 1000 {
		t.Errorf("%d things were taken away", tried)
	}
	// A shrunken bound, a new bound and a field that becomes required of a sender are found; new fields, words and
	// larger bounds are not minded.
	for what, change := range map[string]func(c contractOf){
		"bound": func(c contractOf) {
			c.schemas["evt-passage"]["properties"].(schema)["checks"].(schema)["maxItems"] = 3.0
		},
		"new bound": func(c contractOf) {
			c.schemas["evt-passage"]["properties"].(schema)["steps"].(schema)["maximum"] = 3.0
		},
		"required": func(c contractOf) {
			c.schemas["cmd"]["properties"].(schema)["pin"] = schema{"type": "string"}
			c.schemas["cmd"]["required"] = append(slices.Clone(c.schemas["cmd"]["required"].([]any)), "pin")
		},
	} {
		c := readContract(t, os.DirFS(".."))
		change(c)
		if len(additive(base, c)) == 0 {
			t.Errorf("%s: not found", what)
		}
	}
	c := readContract(t, os.DirFS(".."))
	c.schemas["cmd"]["properties"].(schema)["pin"] = schema{"type": "string"}
	c.schemas["common"]["$defs"].(schema)["reason"].(schema)["enum"] = append(c.schemas["common"]["$defs"].(schema)["reason"].(schema)["enum"].([]any), "new_reason")
	c.schemas["evt-passage"]["properties"].(schema)["checks"].(schema)["maxItems"] = 128.0
	c.schemas["evt-new"] = schema{"type": "object"}
	if broken := additive(base, c); len(broken) > 0 {
		t.Errorf("additions were refused: %v", broken)
	}
}
