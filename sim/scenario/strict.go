package scenario

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// parser collects every fault of a file, so that its writer cures them in one go.
type parser struct {
	file string
	errs []string
}

func (p *parser) add(line int, what, cure string) {
	s := fmt.Sprintf("scenario: %s:%d: %s", p.file, max(line, 1), what)
	if cure != "" {
		s += " (" + cure + ")"
	}
	p.errs = append(p.errs, s)
}

func (p *parser) err() error { return errors.New(strings.Join(p.errs, "\n")) }

var nodeDecoder = reflect.TypeFor[yaml.Unmarshaler]()

// strict refuses keys that the Go type does not have.
func (p *parser) strict(n *yaml.Node, into any) { p.walk(n, reflect.TypeOf(into).Elem(), "") }

func (p *parser) walk(n *yaml.Node, t reflect.Type, at string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		p.add(n.Line, "aliases are not used here", "write the value out")
		return
	}
	if reflect.PointerTo(t).Implements(nodeDecoder) {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		if n.Kind != yaml.MappingNode {
			p.add(n.Line, strings.TrimPrefix(at+" holds keys and values", " "), "write key: value, one a line")
			return
		}
		fields := map[string]reflect.Type{}
		var names []string
		for i := range t.NumField() {
			f := t.Field(i)
			if tag := f.Tag.Get("yaml"); tag != "" && tag != "-" {
				fields[tag] = f.Type
				names = append(names, tag)
			}
		}
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			ft, ok := fields[k.Value]
			switch {
			case !ok:
				p.add(k.Line, fmt.Sprintf("unknown key %q", k.Value), nearest(k.Value, names))
			case seen[k.Value] > 0:
				p.add(k.Line, fmt.Sprintf("key %q stands here and in line %d", k.Value, seen[k.Value]), "remove one")
			default:
				seen[k.Value] = k.Line
				p.walk(n.Content[i+1], ft, k.Value)
			}
		}
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			p.add(n.Line, at+" is a list", "write one item a line, each after a hyphen")
			return
		}
		for _, c := range n.Content {
			p.walk(c, t.Elem(), at)
		}
	}
}

// find looks a dotted key up.
func find(n *yaml.Node, key string) *yaml.Node {
	for _, part := range strings.Split(key, ".") {
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		var next *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == part {
				next = n.Content[i+1]
			}
		}
		n = next
	}
	return n
}

func lineOf(n *yaml.Node, key string) int {
	for k := key; k != ""; {
		if f := find(n, k); f != nil {
			return f.Line
		}
		i := strings.LastIndexByte(k, '.')
		if i < 0 {
			break
		}
		k = k[:i]
	}
	return n.Line
}

// nearest names the known word that was probably meant, and all when there are few.
func nearest(s string, known []string) string {
	best, bestD := "", 3
	for _, k := range known {
		if d := distance(s, k); d < bestD {
			best, bestD = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "known: " + strings.Join(known, ", ")
}

// distance is the edit distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := prev
			if a[i-1] != b[j-1] {
				cost++
			}
			prev, row[j] = row[j], min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
