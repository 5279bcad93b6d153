package contract

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"egate/api"
)

// Pages makes the pages of docs/api from the contract: file name to Markdown.
func Pages() (map[string]string, error) {
	doc, err := document()
	if err != nil {
		return nil, err
	}
	p := printer{schemas: map[string]map[string]any{}}
	files, err := fs.Glob(api.Schemas(), "*.json")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := fs.ReadFile(api.Schemas(), f)
		if err != nil {
			return nil, err
		}
		var s map[string]any
		if err := json.Unmarshal(b, &s); err != nil {
			return nil, fmt.Errorf("contract: %s: %w", f, err)
		}
		p.schemas[strings.TrimSuffix(f, ".json")] = s
	}
	terms, err := TR03135()
	if err != nil {
		return nil, err
	}
	return map[string]string{"README.md": p.index(doc), "messages.md": p.messages(), "tr-03135.md": termPage(terms)}, nil
}

// asyncAPI is what the pages need of the document.
type asyncAPI struct {
	Info struct {
		Title, Version, Description string
	}
	Channels map[string]struct {
		Address, Description string
		Messages             map[string]any
	}
	Operations map[string]struct {
		Action  string
		Channel map[string]string
		Reply   struct{ Channel map[string]string }
		// Bindings of MQTT: what a publisher must use.
		Bindings struct {
			MQTT struct {
				QoS    int
				Retain bool
			}
		}
	}
	Components struct {
		Messages map[string]struct {
			Payload map[string]string
			Signed  string            `yaml:"x-signed"`
			Inner   map[string]string `yaml:"x-signed-payload"`
		}
		Parameters map[string]struct{ Description string }
	}
}

func document() (asyncAPI, error) {
	var doc asyncAPI
	if err := yaml.Unmarshal(api.AsyncAPI, &doc); err != nil {
		return doc, fmt.Errorf("contract: asyncapi.yaml: %w", err)
	}
	return doc, nil
}

const generated = "<!-- Generated from api/: go test ./api/contract -run Pages -update -->\n"

// tail is the last part of a reference: the file or definition that it names.
func tail(ref string) string {
	ref = strings.TrimSuffix(ref, ".json")
	return ref[strings.LastIndexByte(ref, '/')+1:]
}

func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

type printer struct{ schemas map[string]map[string]any }

func (p printer) index(doc asyncAPI) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s# MQTT contract %s %s\n\n%s\n", generated, doc.Info.Title, doc.Info.Version, doc.Info.Description)
	b.WriteString("[Messages and their fields](messages.md) · [In the terms of BSI TR-03135](tr-03135.md) · `api/asyncapi.yaml` and `api/schemas` are the source.\n\n")
	fmt.Fprintf(&b, "To read a gate with a plain client: `mosquitto_sub -t 'egate/v1/SITE/GATE/#' -v`.\n")
	type row struct{ address, how, payload, what string }
	rows := map[string][]row{}
	for _, key := range slices.Sorted(maps.Keys(doc.Channels)) {
		c := doc.Channels[key]
		dir, how := "Reserved: nothing is accepted there yet", ""
		for _, name := range slices.Sorted(maps.Keys(doc.Operations)) {
			op := doc.Operations[name]
			m := op.Bindings.MQTT
			switch {
			case tail(op.Channel["$ref"]) == key && op.Action == "send":
				dir, how = "From the gate", fmt.Sprintf("QoS %d", m.QoS)
				if m.Retain {
					how += ", retained"
				}
			case tail(op.Channel["$ref"]) == key:
				dir, how = "To the gate", fmt.Sprintf("QoS %d, never retained", m.QoS)
			case tail(op.Reply.Channel["$ref"]) == key:
				dir, how = "From the gate", "QoS 1, answers "+tail(op.Channel["$ref"])
			}
		}
		for name := range c.Messages {
			m := doc.Components.Messages[name]
			f := tail(m.Payload["$ref"])
			payload := fmt.Sprintf("[%s](messages.md#%s)", f, f)
			if m.Signed != "" {
				f = tail(m.Inner["$ref"])
				payload = fmt.Sprintf("[%s](messages.md#%s), [signed](messages.md#signed) as `%s`", f, f, m.Signed)
			}
			rows[dir] = append(rows[dir], row{c.Address, how, payload, c.Description})
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&b, "\n## %s\n\n| topic | how | payload | what |\n| --- | --- | --- | --- |\n", dir)
		for _, r := range rows[dir] {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.address, r.how, r.payload, cell(r.what))
		}
	}
	b.WriteString("\n## Levels of topics\n\n| level | what |\n| --- | --- |\n")
	for _, k := range slices.Sorted(maps.Keys(doc.Components.Parameters)) {
		fmt.Fprintf(&b, "| `{%s}` | %s |\n", k, cell(doc.Components.Parameters[k].Description))
	}
	return b.String()
}

func (p printer) messages() string {
	var b strings.Builder
	b.WriteString(generated + "# Messages\n\nEvery field that a message may have; there are no others. *Sealed* documents are personal: they exist sealed to their\n" +
		"recipient only and are never on the bus as they stand here.\n")
	for _, f := range slices.Sorted(maps.Keys(p.schemas)) {
		s := p.schemas[f]
		if f == "common" || f == "reserved" {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", f, s["description"])
		if u, ok := s["x-purpose"].(string); ok {
			fmt.Fprintf(&b, "\nPurpose: %s.\n", u)
		}
		if s["x-personal"] == true {
			b.WriteString("\n**Personal: sealed only.**\n")
		}
		if s["properties"] == nil {
			fmt.Fprintf(&b, "\nPlain text: %s.\n", p.kind(f, s))
			continue
		}
		b.WriteString("\n| field | | type | what |\n| --- | --- | --- | --- |\n")
		p.fields(&b, f, "", s)
	}
	b.WriteString("\n## Shared terms\n\n| term | type | what |\n| --- | --- | --- |\n")
	defs, _ := p.schemas["common"]["$defs"].(map[string]any)
	for _, k := range slices.Sorted(maps.Keys(defs)) {
		d, _ := defs[k].(map[string]any)
		what, _ := d["description"].(string)
		fmt.Fprintf(&b, "| <a id=\"%s\"></a>%s | %s | %s |\n", strings.ToLower(k), k, p.kind("common", d), cell(what))
	}
	return b.String()
}

// fields writes one row for every property, those of inner objects below their own.
func (p printer) fields(b *strings.Builder, file, prefix string, s map[string]any) {
	props, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(props)) {
		f, _ := props[name].(map[string]any)
		must := "may"
		if slices.Contains(required, any(name)) {
			must = "must"
		}
		what, _ := f["description"].(string)
		fmt.Fprintf(b, "| `%s%s` | %s | %s | %s |\n", prefix, name, must, p.kind(file, f), cell(what))
		inner := prefix + name + "."
		if items, ok := f["items"].(map[string]any); ok {
			f, inner = items, prefix+name+"[]."
		}
		if f["properties"] != nil {
			p.fields(b, file, inner, f)
		}
	}
}

// kind says in words what a schema admits.
func (p printer) kind(file string, s map[string]any) string {
	if r, ok := s["$ref"].(string); ok {
		if rest, ok := strings.CutPrefix(r, "common.json#/$defs/"); ok {
			return fmt.Sprintf("[%s](#%s)", rest, strings.ToLower(rest))
		}
		if rest, ok := strings.CutPrefix(r, "#/$defs/"); ok && file == "common" {
			return fmt.Sprintf("[%s](#%s)", rest, strings.ToLower(rest))
		}
		return fmt.Sprintf("[%s](#%s)", tail(r), tail(r))
	}
	if list, ok := s["enum"].([]any); ok {
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = fmt.Sprintf("`%v`", v)
		}
		return strings.Join(words, " ")
	}
	if c, ok := s["const"]; ok {
		if c == "" {
			return "empty"
		}
		return fmt.Sprintf("`%v`", c)
	}
	for _, k := range []string{"anyOf", "oneOf"} {
		if list, ok := s[k].([]any); ok && s["type"] == nil {
			words := make([]string, len(list))
			for i, v := range list {
				m, _ := v.(map[string]any)
				words[i] = p.kind(file, m)
			}
			return strings.Join(words, " or ")
		}
	}
	out, _ := s["type"].(string)
	switch out {
	case "array":
		items, _ := s["items"].(map[string]any)
		return fmt.Sprintf("up to %v of %s", s["maxItems"], p.kind(file, items))
	case "object":
		if more, ok := s["additionalProperties"].(map[string]any); ok {
			names, _ := s["propertyNames"].(map[string]any)
			return fmt.Sprintf("up to %v: %s to %s", s["maxProperties"], p.kind(file, names), p.kind(file, more))
		}
		return "object"
	case "string":
		if s["contentEncoding"] != nil {
			out = "base64"
		}
		if n, ok := s["maxLength"]; ok {
			out += fmt.Sprintf(", at most %v", n)
		}
		if r, ok := s["pattern"].(string); ok {
			out += " `" + strings.ReplaceAll(r, "|", `\|`) + "`"
		}
	case "integer", "number":
		if n, ok := s["minimum"]; ok {
			out += fmt.Sprintf(" from %v", n)
		}
		if n, ok := s["maximum"]; ok {
			out += fmt.Sprintf(" to %v", n)
		}
	}
	return out
}

func termPage(t Terms) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s# Our words in the terms of %s, version %s\n\nThe mapping is data: `api/tr03135.yaml`. Results follow the table named; codes are the numeric error codes of clause 5.3\n"+
		"(vendors have 1000 to 999999). Biometric schemas are those of BSI TR-03121 and are not mapped here; what no table of the\nguideline asks for is *application*.\n", generated, t.Guideline, t.Version)
	b.WriteString("\n## Logged in any case (clause 6.3)\n\n| the guideline asks for | where it is |\n| --- | --- |\n")
	for _, a := range t.Always {
		where := a.Note
		for i, f := range a.Fields {
			if i > 0 {
				where += ", "
			}
			where += "`" + f + "`"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", a.Item, cell(where))
	}
	b.WriteString("\n## Events\n\n| event | domain | what |\n| --- | --- | --- |\n")
	for _, k := range slices.Sorted(maps.Keys(t.Events)) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k, t.Events[k].Domain, cell(t.Events[k].Term))
	}
	b.WriteString("\n## Checks\n\n*pass* is successful, *fail* is failed; *not possible* for a reason marked below is aborted.\n\n" +
		"| check | domain | clause, table | what it is there | not possible | not applicable |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, k := range slices.Sorted(maps.Keys(t.Checks)) {
		c := t.Checks[k]
		place := ""
		if c.Clause != "" {
			place = c.Clause + ", " + c.Table
		}
		na := c.NotApplicable
		if na == "" {
			na = "cannot occur"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", k, c.Domain, place, cell(c.Term), c.NotPossible, na)
	}
	b.WriteString("\n## Reasons\n\n| reason | class | code | |\n| --- | --- | --- | --- |\n")
	list := slices.SortedFunc(maps.Keys(t.Reasons), func(a, c string) int { return t.Reasons[a].Code - t.Reasons[c].Code })
	for _, k := range list {
		r, mark := t.Reasons[k], ""
		if r.Aborted {
			mark = "aborted"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d | %s |\n", k, r.Domain, r.Code, mark)
	}
	return b.String()
}
