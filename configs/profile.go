package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// A site profile says what every gate of a site must be set to (M-08). It has the keys of a gate's configuration,
// as many of them as the site prescribes:
//
//	topology: mantrap               # this value
//	languages: [en, fr]             # this list
//	limits: {referral: {max: 2m}}   # within bounds: min, max or both
//	lines: {inputs: {beam_16: {}}}  # this line exists
//
// Mismatch is one key in which a gate differs from its site's profile.
type Mismatch struct {
	Key  string // dotted, as in the configuration
	Want string // what the profile prescribes
	Has  string // what the gate is set to
	At   string // file and line of the profile
}

func (m Mismatch) String() string {
	return fmt.Sprintf("%s is %s, the site profile wants %s (%s)", m.Key, m.Has, m.Want, m.At)
}

// exampleProfile is what errors point to.
const exampleProfile = "configs/site-profile.yaml"

// CheckProfile compares a gate with the profile that it names and returns every mismatch in the order of the
// profile; none where it names none. A profile that cannot be read, or that prescribes what is no key or no value, is
// an error that names file, line and cure.
func (g Gate) CheckProfile() ([]Mismatch, error) {
	if g.Profile == "" {
		return nil, nil
	}
	var any yaml.Node
	f, err := Decode(g.Profile, &any, exampleProfile)
	if err != nil {
		return nil, err
	}
	return g.compare(f)
}

func (g Gate) compare(f *File) ([]Mismatch, error) {
	c := comparison{path: f.Path}
	n := &f.root
	if n.Kind == yaml.DocumentNode {
		n = n.Content[0]
	}
	c.mapping(n, reflect.ValueOf(g), nil)
	return c.found, c.err
}

type comparison struct {
	path  string
	found []Mismatch
	err   error
}

func (c *comparison) bad(n *yaml.Node, key []string, cure string) {
	if c.err == nil {
		c.err = fmt.Errorf("%s:%d: %s: %s", c.path, n.Line, strings.Join(key, "."), cure)
	}
}

func (c *comparison) differs(n *yaml.Node, key []string, want string, has reflect.Value) {
	c.found = append(c.found, Mismatch{strings.Join(key, "."), want, words(has), fmt.Sprintf("%s:%d", c.path, n.Line)})
}

// mapping compares the keys that a profile has with a struct or a map of the configuration.
func (c *comparison) mapping(n *yaml.Node, v reflect.Value, key []string) {
	if n.Kind != yaml.MappingNode {
		c.bad(n, key, "keys and values are expected: see "+exampleProfile)
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		at := append(slices.Clone(key), k.Value)
		if v.Kind() == reflect.Map {
			if !lineName.MatchString(k.Value) {
				c.bad(k, at, "is no name of a line")
				continue
			}
			item := v.MapIndex(reflect.ValueOf(k.Value))
			if !item.IsValid() {
				c.found = append(c.found, Mismatch{strings.Join(at, "."), "it", "missing", fmt.Sprintf("%s:%d", c.path, k.Line)})
				continue
			}
			c.value(val, item, at)
			continue
		}
		item, ok := byTag(v, k.Value)
		if !ok {
			c.bad(k, at, "is no key of a gate's configuration: see configs/gate.yaml")
			continue
		}
		c.value(val, item, at)
	}
}

// value compares one key.
func (c *comparison) value(n *yaml.Node, v reflect.Value, key []string) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			c.differs(n, key, n.Value, v)
			return
		}
		v = v.Elem()
	}
	if v.Kind() == reflect.Struct || v.Kind() == reflect.Map {
		c.mapping(n, v, key)
		return
	}
	if n.Kind == yaml.MappingNode {
		c.bounds(n, v, key)
		return
	}
	want, ok := decoded(n, v.Type())
	switch {
	case !ok:
		c.bad(n, key, fmt.Sprintf("%q is no value of this key, which is %s", n.Value, words(v)))
	case !reflect.DeepEqual(want.Interface(), v.Interface()):
		c.differs(n, key, words(want), v)
	}
}

// bounds compares a number or a time with {min: …, max: …}.
func (c *comparison) bounds(n *yaml.Node, v reflect.Value, key []string) {
	if !v.CanInt() && !v.CanFloat() {
		c.bad(n, key, "min and max are for numbers and times")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, at := n.Content[i].Value, n.Content[i+1]
		b, ok := decoded(at, v.Type())
		if !ok || name != "min" && name != "max" {
			c.bad(at, key, "min and max are expected, each a value of this key with its unit")
			return
		}
		less := v.CanInt() && v.Int() < b.Int() || v.CanFloat() && !(v.Float() >= b.Float())
		more := v.CanInt() && v.Int() > b.Int() || v.CanFloat() && !(v.Float() <= b.Float())
		if name == "min" && less {
			c.differs(at, key, "at least "+words(b), v)
		}
		if name == "max" && more {
			c.differs(at, key, "at most "+words(b), v)
		}
	}
}

// decoded is a node as a value of a type.
func decoded(n *yaml.Node, t reflect.Type) (reflect.Value, bool) {
	p := reflect.New(t)
	if n.Decode(p.Interface()) != nil {
		return reflect.Value{}, false
	}
	if t == reflect.TypeFor[time.Duration]() && n.Tag == "!!int" && n.Value != "0" {
		return reflect.Value{}, false // a time without its unit
	}
	return p.Elem(), true
}

func byTag(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); tag == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func words(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil(), v.Kind() == reflect.String && v.Len() == 0:
		return "not set"
	case v.Kind() == reflect.Pointer:
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}
