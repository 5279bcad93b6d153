package contract

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"egate/api"
	"egate/gate"
	"egate/health"
	"egate/verdict"
)

// types maps every type of package api to its schema.
var types = map[string]struct {
	v      any
	schema string // file, or file#pointer
}{
	"Signed": {api.Signed{}, "signed"}, "Signature": {api.Signature{}, "signed#/properties/signatures/items"},
	"Status": {api.Status{}, "status"}, "Info": {api.Info{}, "info"}, "State": {api.State{}, "state"}, "StageTime": {api.StageTime{}, "common#/$defs/stageTime"},
	"Event": {api.Event{}, "event"}, "Passage": {api.Passage{}, "evt-passage"}, "Alarm": {api.Alarm{}, "evt-alarm"},
	"ReferralEvent": {api.ReferralEvent{}, "evt-referral"}, "ModeEvent": {api.ModeEvent{}, "evt-mode"}, "OrderEvent": {api.OrderEvent{}, "evt-order"},
	"DoorEvent": {api.DoorEvent{}, "evt-door"}, "FaultEvent": {api.FaultEvent{}, "evt-fault"}, "Choice": {api.Choice{}, "evt-choice"},
	"Boot": {api.Boot{}, "evt-boot"}, "Gap": {api.Gap{}, "evt-gap"}, "Change": {api.Change{}, "evt-change"}, "Deletion": {api.Deletion{}, "evt-deletion"}, "SealedEvent": {api.SealedEvent{}, "evt-sealed"}, "Cosign": {api.Cosign{}, "cosign"}, "AskTime": {api.AskTime{}, "ask-time"}, "Time": {api.Time{}, "time"},
	"Command": {api.Command{}, "cmd"}, "Response": {api.Response{}, "rsp"}, "Envelope": {api.Envelope{}, "envelope"}, "Lease": {api.Lease{}, "lease"},
	"RecipientKey": {api.RecipientKey{}, "lease#/properties/keys/items"}, "Ack": {api.Ack{}, "ack"},
	"Health": {api.Health{}, "health"}, "Part": {api.Part{}, "health#/properties/parts/items"}, "Fault": {api.Fault{}, "health#/properties/faults/items"},
	"SelfTest":       {api.SelfTest{}, "health#/properties/self_test"},
	"Proof":          {api.Proof{}, "signed#/properties/proof"},
	"Fresh":          {api.Fresh{}, "signed#/properties/proof/properties/fresh"},
	"Assertion":      {api.Assertion{}, "common#/$defs/assertion"},
	"OrderKey":       {api.OrderKey{}, "order-key"},
	"Roster":         {api.Roster{}, "roster"},
	"RosterOfficer":  {api.RosterOfficer{}, "roster#/properties/officers/items"},
	"Passkey":        {api.Passkey{}, "roster#/properties/officers/items/properties/passkeys/items"},
	"LookupQuestion": {api.LookupQuestion{}, "sealed-lookup"}, "LookupAnswer": {api.LookupAnswer{}, "sealed-answer"}, "Dossier": {api.Dossier{}, "sealed-dossier"},
}

// inside are types that never leave the gate as they are.
var inside = map[string]string{"Draft": "a step's event before the journal has numbered it; the link makes an Event of it"}

type schema = map[string]any

func files(t *testing.T) map[string]schema {
	t.Helper()
	names, err := fs.Glob(api.Schemas(), "*.json")
	if err != nil || len(names) == 0 {
		t.Fatal("no schemas", err)
	}
	out := map[string]schema{}
	for _, n := range names {
		b, err := fs.ReadFile(api.Schemas(), n)
		if err != nil {
			t.Fatal(err)
		}
		var s schema
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		out[strings.TrimSuffix(n, ".json")] = s
	}
	return out
}

// at finds file#pointer, following references; here is the file that a relative pointer belongs to.
func at(t *testing.T, all map[string]schema, here, ref string) (schema, string) {
	t.Helper()
	file, ptr, _ := strings.Cut(ref, "#")
	if file = strings.TrimSuffix(file, ".json"); file == "" {
		file = here
	}
	s, ok := all[file]
	if !ok {
		t.Fatalf("no schema %q", ref)
	}
	for _, p := range strings.Split(strings.Trim(ptr, "/"), "/") {
		if p == "" {
			continue
		}
		if s, ok = s[p].(schema); !ok {
			t.Fatalf("no schema %q", ref)
		}
	}
	if r, ok := s["$ref"].(string); ok {
		return at(t, all, file, r)
	}
	return s, file
}

// TestDP04TypesEqualTheirSchemas: a field of a Go type that its schema does not list fails the build's
// tests, and so does one that the schema lists and the type lacks (DP-04, E-01).
func TestDP04TypesEqualTheirSchemas(t *testing.T) {
	all := files(t)
	declared := map[string]bool{}
	pkgs, err := parser.ParseDir(token.NewFileSet(), "..", func(i fs.FileInfo) bool { return !strings.HasSuffix(i.Name(), "_test.go") }, 0) //nolint:staticcheck // one folder without build tags
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(pkgs["api"], func(n ast.Node) bool {
		if s, ok := n.(*ast.TypeSpec); ok && s.Name.IsExported() {
			declared[s.Name.Name] = true
		}
		return true
	})
	for name := range declared {
		if _, ok := types[name]; !ok && inside[name] == "" {
			t.Errorf("api.%s has no schema: write one in api/schemas and list it here", name)
		}
	}
	used := map[string]bool{}
	for name, x := range types {
		if !declared[name] {
			t.Errorf("api.%s is gone; its schema %s is not", name, x.schema)
		}
		used[x.schema] = true
		s, file := at(t, all, "", x.schema)
		equal(t, all, file, "api."+name, reflect.TypeOf(x.v), s)
	}
	for f := range all {
		if !used[f] && !slices.Contains([]string{"common", "checkpoint", "reserved"}, f) {
			t.Errorf("schema %s belongs to no Go type", f)
		}
	}
}

var (
	timeType = reflect.TypeFor[time.Time]()
	textType = reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()
)

func equal(t *testing.T, all map[string]schema, file, path string, typ reflect.Type, s schema) {
	t.Helper()
	if r, ok := s["$ref"].(string); ok {
		s, file = at(t, all, file, r)
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ == reflect.TypeFor[json.RawMessage]():
		if s["type"] != "object" {
			t.Errorf("%s: the schema is of type %v", path, s["type"])
		}
		return
	case typ == timeType || typ.Implements(textType) || typ.Kind() == reflect.String:
		_, enum := s["enum"]
		_, constant := s["const"]
		_, either := s["anyOf"]
		if s["type"] != "string" && !enum && !constant && !either {
			t.Errorf("%s: a string in Go, %v in the schema", path, s["type"])
		}
		return
	case typ == reflect.TypeFor[[]byte]():
		if s["type"] != "string" || s["contentEncoding"] != "base64" {
			t.Errorf("%s: bytes in Go, the schema needs contentEncoding base64", path)
		}
		return
	}
	want := map[reflect.Kind]string{reflect.Struct: "object", reflect.Map: "object", reflect.Slice: "array", reflect.Bool: "boolean", reflect.Float64: "number",
		reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint64: "integer"}[typ.Kind()]
	if s["type"] != want {
		t.Errorf("%s: %s in Go, %v in the schema", path, typ, s["type"])
		return
	}
	switch typ.Kind() {
	case reflect.Slice:
		equal(t, all, file, path+"[]", typ.Elem(), s["items"].(schema))
	case reflect.Map:
		equal(t, all, file, path+"{}", typ.Elem(), s["additionalProperties"].(schema))
		if s["propertyNames"] == nil {
			t.Errorf("%s: names of a map are not limited", path)
		}
	case reflect.Struct:
		if s["additionalProperties"] != false {
			t.Errorf("%s: the schema allows fields that it does not list", path)
		}
		props, _ := s["properties"].(schema)
		required, _ := s["required"].([]any)
		left := maps.Clone(props)
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, opt, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			if name == "" {
				t.Errorf("%s.%s has no name in JSON", path, f.Name)
				continue
			}
			p, ok := props[name].(schema)
			if !ok {
				t.Errorf("%s.%s: %q is not in the schema (DP-04): list it with its purpose or drop the field", path, f.Name, name)
				continue
			}
			delete(left, name)
			if must := slices.Contains(required, any(name)); must == (strings.Contains(opt, "omitempty") || strings.Contains(opt, "omitzero")) {
				t.Errorf("%s.%s: required %v in the schema, tag %q in Go", path, f.Name, must, f.Tag.Get("json"))
			}
			equal(t, all, file, path+"."+f.Name, f.Type, p)
		}
		for name := range left {
			t.Errorf("%s: the schema lists %q, the type has no such field", path, name)
		}
	}
}

// personal are words that no field outside a sealed message may have for its name (DP-04).
var personal = []string{"nationality", "issuer", "age", "sex", "language", "birth", "document", "uid", "serial", "portrait", "live", "mrz", "face", "template", "score",
	"text", "comment", "surname", "given_name", "country", "image", "photo"}

// TestDP04NothingPersonalUnsealed: no schema that a channel leads to is personal, has a field named like
// something personal, an object with unlisted fields, or a string without bounds: free text cannot occur.
func TestDP04NothingPersonalUnsealed(t *testing.T) {
	all := files(t)
	var reach func(file string, seen map[string]bool)
	reach = func(file string, seen map[string]bool) {
		if seen[file] {
			return
		}
		seen[file] = true
		if all[file]["x-personal"] == true {
			t.Errorf("%s is personal and a channel leads to it", file)
		}
		if file != "common" && all[file]["x-purpose"] == nil {
			t.Errorf("%s names no purpose", file)
		}
		var walk func(path string, v any)
		walk = func(path string, v any) {
			switch v := v.(type) {
			case []any:
				for i, x := range v {
					walk(path+"/"+strconv.Itoa(i), x)
				}
			case schema:
				if r, ok := v["$ref"].(string); ok {
					if f, _, _ := strings.Cut(r, "#"); f != "" {
						reach(strings.TrimSuffix(f, ".json"), seen)
					}
				}
				if v["type"] == "string" && v["pattern"] == nil && v["format"] == nil && v["maxLength"] == nil {
					t.Errorf("%s%s: a string without bounds", file, path)
				}
				if v["type"] == "array" && v["maxItems"] == nil {
					t.Errorf("%s%s: an array without bounds", file, path)
				}
				if v["type"] == "object" && v["additionalProperties"] == nil && path != "/properties/data" { // event: oneOf says what data is
					t.Errorf("%s%s: an object with unlisted fields", file, path)
				}
				if props, ok := v["properties"].(schema); ok {
					for name := range props {
						if slices.Contains(personal, name) {
							t.Errorf("%s%s: field %q", file, path, name)
						}
					}
				}
				for k, x := range v {
					if k != "enum" && k != "required" {
						walk(path+"/"+k, x)
					}
				}
			}
		}
		walk("", map[string]any(all[file]))
	}
	seen := map[string]bool{}
	for _, c := range channels {
		reach(c.schema, seen)
		if c.signed != "" {
			reach("signed", seen)
		}
	}
	for _, f := range []string{"sealed-lookup", "sealed-answer", "sealed-dossier"} {
		if seen[f] || all[f]["x-personal"] != true {
			t.Errorf("%s must be marked x-personal and be reachable by no channel", f)
		}
	}
}

// E-01: enumerations are those of the program.
func TestE01Enumerations(t *testing.T) {
	all := files(t)
	names := func(n int, f func(int) string) []string {
		out := make([]string, n)
		for i := range n {
			out[i] = f(i)
		}
		return out
	}
	var codes []string
	for _, e := range health.Catalogue() {
		codes = append(codes, string(e.Code))
	}
	var checks, reasons, orders, events []string
	for _, c := range verdict.CheckIDs() {
		checks = append(checks, c.String())
	}
	reasons = append(reasons, verdict.ReasonNone.String())
	for _, r := range verdict.Reasons() {
		reasons = append(reasons, r.String())
	}
	for name, v := range constants(t) {
		switch {
		case strings.HasPrefix(name, "Cmd"):
			orders = append(orders, v)
		case strings.HasPrefix(name, "Event"):
			events = append(events, "egate."+v+".v1")
		}
	}
	for ref, want := range map[string][]string{
		"common#/$defs/reason": reasons, "common#/$defs/check/properties/id": checks, "common#/$defs/faultCode": codes, "common#/$defs/orderName": orders,
		"event#/properties/type":                             events,
		"common#/$defs/outcome":                              names(4, func(i int) string { return verdict.Outcome(i).String() }),
		"common#/$defs/check/properties/result":              names(5, func(i int) string { return verdict.Result(i).String() }),
		"common#/$defs/mode":                                 names(7, func(i int) string { return gate.Mode(i).String() }),
		"common#/$defs/reception":                            names(8, func(i int) string { return gate.Reception(i).String() }),
		"common#/$defs/passageState":                         names(11, func(i int) string { return gate.Passage(i).String() }),
		"common#/$defs/position":                             append(names(4, func(i int) string { return gate.Position(i).String() }), "none"),
		"common#/$defs/occupancy":                            names(4, func(i int) string { return gate.Count(i).String() }),
		"common#/$defs/door":                                 names(2, func(i int) string { return gate.Door(i).String() }),
		"common#/$defs/severity":                             names(4, func(i int) string { return health.Severity(i).String() }),
		"common#/$defs/band":                                 {verdict.BandBelow, verdict.BandMarginal, verdict.BandAbove, verdict.BandClear},
		"health#/properties/overall":                         {health.StateOK, health.StateDegraded, health.OutOfService},
		"signed#/properties/signatures/items/properties/alg": nil,
	} {
		s, _ := at(t, all, "", ref)
		var have []string
		list, _ := s["enum"].([]any)
		for _, v := range list {
			have = append(have, v.(string))
		}
		slices.Sort(have)
		slices.Sort(want)
		if !slices.Equal(have, want) {
			t.Errorf("%s: the schema has %v, the program %v", ref, minus(have, want), minus(want, have))
		}
	}
	for _, k := range events {
		short := strings.TrimSuffix(strings.TrimPrefix(k, "egate."), ".v1")
		if all["evt-"+short] == nil {
			t.Errorf("no schema of the data of %s", k)
		}
	}
}

func minus(a, b []string) (out []string) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// constants are the string constants of package api.
func constants(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../types.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if l, ok := v.Values[0].(*ast.BasicLit); ok && l.Kind == token.STRING {
				out[v.Names[0].Name], _ = strconv.Unquote(l.Value)
			}
		}
		return true
	})
	return out
}

type asyncDoc struct {
	AsyncAPI string `yaml:"asyncapi"`
	Channels map[string]struct {
		Address    string                       `yaml:"address"`
		Parameters map[string]map[string]string `yaml:"parameters"`
		Messages   map[string]map[string]string `yaml:"messages"`
	} `yaml:"channels"`
	Operations map[string]struct {
		Action  string            `yaml:"action"`
		Channel map[string]string `yaml:"channel"`
		Reply   struct {
			Channel map[string]string `yaml:"channel"`
		} `yaml:"reply"`
		Bindings struct {
			MQTT struct {
				QoS    int   `yaml:"qos"`
				Retain *bool `yaml:"retain"`
			} `yaml:"mqtt"`
		} `yaml:"bindings"`
	} `yaml:"operations"`
	Components struct {
		Messages map[string]struct {
			Payload map[string]string `yaml:"payload"`
			Signed  string            `yaml:"x-signed"`
			Inner   map[string]string `yaml:"x-signed-payload"`
		} `yaml:"messages"`
		Parameters map[string]struct {
			Enum []string `yaml:"enum"`
		} `yaml:"parameters"`
	} `yaml:"components"`
}

// TestE01AsyncAPIMatchesTopics: asyncapi.yaml lists the channels of the program, no more and no fewer,
// with the same schemas, signatures and retained flags.
func TestE01AsyncAPIMatchesTopics(t *testing.T) {
	var doc asyncDoc
	if err := yaml.Unmarshal(api.AsyncAPI, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.AsyncAPI != "3.0.0" {
		t.Errorf("asyncapi %s", doc.AsyncAPI)
	}
	consts := constants(t)
	for name, topic := range consts {
		if strings.HasPrefix(name, "Topic") && !slices.ContainsFunc(channels, func(c channel) bool { return c.topic == topic || strings.HasPrefix(c.topic, topic+"/") }) {
			t.Errorf("api.%s (%s) has no channel", name, topic)
		}
	}
	left := map[string]channel{}
	for _, c := range channels {
		left[c.topic] = c
	}
	const prefix = "egate/v1/{site}/{gate}/"
	for key, ch := range doc.Channels {
		rest, ok := strings.CutPrefix(ch.Address, prefix)
		if !ok {
			t.Errorf("%s: address %s", key, ch.Address)
			continue
		}
		levels := strings.Split(rest, "/")
		for i, l := range levels {
			if strings.HasPrefix(l, "{") {
				if ch.Parameters[strings.Trim(l, "{}")] == nil {
					t.Errorf("%s: %s is not declared", key, l)
				}
				levels[i] = "+"
			}
		}
		c, ok := left[strings.Join(levels, "/")]
		if !ok {
			t.Errorf("%s: the program has no topic %s", key, ch.Address)
			continue
		}
		delete(left, c.topic)
		if len(ch.Messages) != 1 {
			t.Errorf("%s: %d messages", key, len(ch.Messages))
		}
		for name := range ch.Messages {
			m := doc.Components.Messages[name]
			want, inner := c.schema, ""
			if c.signed != "" {
				want, inner = "signed", "./schemas/"+c.schema+".json"
			}
			if m.Payload["$ref"] != "./schemas/"+want+".json" || m.Signed != c.signed || m.Inner["$ref"] != inner {
				t.Errorf("%s: message %s is %v, signed %q over %v", key, name, m.Payload, m.Signed, m.Inner)
			}
		}
		found := c.schema == "reserved"
		for name, op := range doc.Operations {
			if op.Reply.Channel["$ref"] == "#/channels/"+key {
				found = true
			}
			if op.Channel["$ref"] != "#/channels/"+key {
				continue
			}
			found = true
			if op.Action == "send" && (op.Bindings.MQTT.Retain == nil || *op.Bindings.MQTT.Retain != c.retained) {
				t.Errorf("%s: retain", name)
			}
			if c.retained && op.Bindings.MQTT.QoS != 1 || strings.HasPrefix(c.topic, "req/") && op.Bindings.MQTT.QoS != 0 {
				t.Errorf("%s: qos %d", name, op.Bindings.MQTT.QoS)
			}
		}
		if !found {
			t.Errorf("%s has no operation", key)
		}
	}
	for topic := range left {
		t.Errorf("asyncapi.yaml lacks %s", topic)
	}
	var events []string
	for name, v := range consts {
		if strings.HasPrefix(name, "Event") {
			events = append(events, v)
		}
	}
	have := doc.Components.Parameters["type"].Enum
	if len(minus(have, events))+len(minus(events, have)) > 0 {
		t.Errorf("types of events: asyncapi.yaml has %v, the program %v", have, events)
	}
}

const pid = "00112233445566778899aabbccddeeff"

var (
	now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	h32 = bytes.Repeat([]byte{7}, 32)
)

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func event(t testing.TB, kind string, data any) []byte {
	return mustJSON(t, api.Event{SpecVersion: "1.0", ID: "3-9", Source: "/site/gate-1", Type: "egate." + kind + ".v1", Time: now, Schema: "egate/v1/" + kind,
		ContentType: "application/json", Epoch: 3, Seq: 9, Data: mustJSON(t, data)})
}

func signed(t testing.TB, kind string, v any) []byte {
	return mustJSON(t, api.Signed{Kind: kind, Payload: mustJSON(t, v), Signatures: []api.Signature{{Alg: "ed25519", Kid: "0123456789abcdef", Sig: make([]byte, 64)}}})
}

// samples has one full message of every kind.
func samples(t testing.TB) map[string][]byte {
	const boot = "0123456789abcdef"
	check := verdict.Check{ID: verdict.CheckClone, Result: verdict.Pass, Reason: verdict.OK, Deviations: []string{"weak_rsa"}}
	env := func(kind string) api.Envelope {
		return api.Envelope{Gate: "gate-1", Passage: pid, Epoch: 3, Type: kind, Recipient: boot, ExpiresAt: now, Sealed: []byte("ciphertext"), Hash: h32, PlainHash: h32, Reason: verdict.FaceMismatch}
	}
	stages := []api.StageTime{{Stage: "reading", MS: 4000}, {Stage: "capturing", MS: 3000}}
	out := map[string][]byte{
		"status": mustJSON(t, api.Status{State: "ready", Boot: boot, Session: boot, Epoch: 3, At: now}),
		"info":   mustJSON(t, api.Info{At: now, Contract: api.Contract, Boot: boot, Version: "v0.1-3-gabc", Kid: boot, Topology: "mantrap", Languages: []string{"en"}, Simulated: true}),
		"state": mustJSON(t, api.State{Seq: 1, Mode: "open", Reception: "notice", Passage: "referred", Entry: "closed", Exit: "closed", Occupancy: "1", Current: pid,
			Next: pid, Reason: verdict.FaceMismatch, Referral: "taken", Owner: "officer-demo", StageMS: 5, Stages: stages, Lease: true, Simulated: true, At: now}),
		"health": mustJSON(t, api.Health{At: now, Overall: "degraded", Parts: []api.Part{{Name: "camera", State: "failed", Since: now, Code: "camera_lost"}},
			Faults: []api.Fault{{Code: "camera_lost", Part: "camera", Severity: "error", Since: now}}, DemoModel: true, Simulated: true,
			Versions: map[string]string{"egated": "v1"}, Counters: map[string]int64{"steps": 4}}),
		"audit/checkpoint": []byte("egate/site/gate-1\n4\n" + strings.Repeat("A", 43) + "=\n\n— egate/site/gate-1 " + "AAAA" + "\n"),
		"evt/passage": event(t, "passage", api.Passage{Passage: pid, Outcome: verdict.Refer, Reason: verdict.FaceMismatch, Stages: stages, TotalMS: 7000, Checks: []verdict.Check{check},
			MatchBand: "below", PADBand: "clear", Model: "demo", Policy: "sha256:ab", DemoModel: true, Reference: "AB-C23", Retries: 1, OverheadUS: 5, Steps: 6}),
		"evt/alarm":           event(t, "alarm", api.Alarm{Passage: pid, Reason: verdict.TwoPersons, Severity: "warning", Raised: true}),
		"evt/referral":        event(t, "referral", api.ReferralEvent{Passage: pid, State: "decided", Reason: verdict.FaceMismatch, Officer: "o-1", Decision: "accept"}),
		"evt/mode":            event(t, "mode", api.ModeEvent{From: "", To: "recovering", By: ""}),
		"evt/order":           event(t, "order", api.OrderEvent{ID: "a1", Principal: "console", Name: api.CmdAccept, Passage: pid, Result: "rejected", Reason: "other_dossier"}),
		"evt/door":            event(t, "door", api.DoorEvent{Door: "exit", What: "forced"}),
		"evt/fault":           event(t, "fault", api.FaultEvent{Code: "camera_lost", Part: "camera", Raised: true}),
		"evt/choice":          event(t, "choice", api.Choice{Passage: pid, Choice: "decline", Stage: "notice"}),
		"evt/boot":            event(t, "boot", api.Boot{Boot: boot, Version: "v1", Recovered: "torn_tail"}),
		"evt/change":          event(t, "change", api.Change{What: "policy", Old: "none", New: "v1.2.3", By: []string{"0123456789abcdef"}}),
		"evt/sealed":          event(t, "sealed", api.SealedEvent{Recipient: "0123456789abcdef", Sealed: h32}),
		"evt/deletion":        event(t, "deletion", api.Deletion{Class: "journal", Upto: time.Unix(1.8e9, 0).UTC(), Leaves: 812, Epoch: 2, Leaf: 812, Root: strings.Repeat("0f", 32)}),
		"evt/gap":             event(t, "gap", api.Gap{OldEpoch: 2, Why: "journal: 3 bytes are damaged"}),
		"rsp/console/a1":      mustJSON(t, api.Response{ID: "a1", Result: "rejected", Reason: "emergency", At: now}),
		"req/lookup/" + pid:   signed(t, "lookup", env("lookup")),
		"req/referral/" + pid: signed(t, "referral", env("referral")),
		"cmd/console/referral_accept": signed(t, "cmd", api.Command{ID: "a1", Gate: "gate-1", Session: boot, Epoch: 3, Name: api.CmdAccept, Principal: "console", Officer: "o-1",
			Passage: pid, Dossier: h32, Reason: "person_compared", IssuedAt: now, ExpiresAt: now}),
		"cmd/console/door_open_exit": proven(t, signed(t, "cmd", api.Command{ID: "a2", Gate: "gate-1", Session: boot, Epoch: 3, Name: api.CmdOpenExit, Principal: "console", Officer: "o-1",
			Reason: "person_compared", IssuedAt: now, ExpiresAt: now})),
		"ans/console/" + pid: signed(t, "ans", env("ans")),
		"lease/console": signed(t, "lease", api.Lease{Gate: "gate-1", Session: boot, Epoch: 3, Principal: "console", Officer: "o-1", Seq: 4, ExpiresAt: now,
			Keys: []api.RecipientKey{{Kid: boot, Key: h32}}}),
		"cfg/roster": signed(t, "roster", api.Roster{Site: "site", Version: 3, IssuedAt: now, ExpiresAt: now, RPID: "desk.example", Origins: []string{"https://desk.example"}, TwoPersons: []string{api.CmdManual},
			Officers: []api.RosterOfficer{{Officer: "o-1", Passkeys: []api.Passkey{{Credential: h32, Alg: "es256", Key: h32}}, Roles: []string{"officer"}, Gates: []string{"gate-1"}, NotBefore: now, NotAfter: now}}}),
		"req/time/" + strings.Repeat("a", 32): signed(t, "ask_time", api.AskTime{Gate: "gate-1", Session: boot, Nonce: strings.Repeat("a", 32)}),
		"time":                                signed(t, "time", api.Time{Gate: "gate-1", Session: boot, Nonce: strings.Repeat("a", 32), At: now}),
		"audit/cosign":                        signed(t, "cosign", api.Cosign{Gate: "gate-1", Epoch: 3, Size: 4, Hash: h32, Line: "— egate/site/console " + strings.Repeat("A", 100) + "\n", Session: boot}),
		"ack":                                 signed(t, "ack", api.Ack{Gate: "gate-1", Epoch: 3, Upto: 9, Session: boot}),
	}
	return out
}

// proven adds an officer's proof to a signed order.
func proven(t testing.TB, b []byte) []byte {
	var s api.Signed
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	a := api.Assertion{Credential: h32, AuthData: h32, ClientData: h32, Signature: h32}
	s.Proof = &api.Proof{OrderKey: h32, Assertion: a, Signature: make([]byte, 64), Fresh: &api.Fresh{At: now, Assertion: a}}
	s.Second = s.Proof
	return mustJSON(t, s)
}

// TestE01EveryMessageValidates: full messages of the Go types pass; each with one more field anywhere, one
// field gone, one null, or another gate in its topic does not (E-01, DP-04).
func TestE01EveryMessageValidates(t *testing.T) {
	all := samples(t)
	for _, c := range channels {
		if c.schema != "reserved" && !slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(s string) bool { return c.matches(strings.Split(s, "/")) }) {
			t.Errorf("no sample of %s", c.topic)
		}
	}
	for rest, b := range all {
		topic := api.Topic("site", "gate-1", rest)
		if err := Validate(topic, b); err != nil {
			t.Errorf("%s: %v\n%s", rest, err, b)
			continue
		}
		if rest == "audit/checkpoint" {
			continue
		}
		refused := 0
		mutations(t, b, func(what string, bad []byte) {
			refused++
			if Validate(topic, bad) == nil {
				t.Errorf("%s: %s was accepted\n%s", rest, what, bad)
			}
		})
		if refused == 0 {
			t.Errorf("%s: nothing was tried", rest)
		}
		if Validate(topic, append(bytes.Clone(b), b...)) == nil || Validate(topic, nil) == nil {
			t.Errorf("%s: two documents or none were accepted", rest)
		}
	}
}

// mutations gives the document with an unlisted field in every object, also below Signed.
func mutations(t *testing.T, b []byte, try func(what string, bad []byte)) {
	var doc any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if !strings.HasSuffix(path, "versions") && !strings.HasSuffix(path, "counters") {
				v["surname"] = "MUSTERMANN"
				try(path+": unlisted field", mustJSON(t, doc))
				delete(v, "surname")
			}
			for k, x := range v {
				v[k] = nil
				try(path+"/"+k+": null", mustJSON(t, doc))
				v[k] = x
				walk(path+"/"+k, x)
			}
		case []any:
			for i, x := range v {
				walk(path+"/"+strconv.Itoa(i), x)
			}
		}
	}
	walk("", doc)
	if m, ok := doc.(map[string]any); ok && m["signatures"] != nil {
		var s api.Signed
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		mutations(t, s.Payload, func(what string, bad []byte) {
			x := s
			x.Payload = bad
			try("signed: "+what, mustJSON(t, x))
		})
	}
	try("a field twice", bytes.Replace(b, []byte(`{"`), []byte(`{"at":"2026-11-23T12:00:00Z","at":"2026-11-23T12:00:00Z","`), 1))
}

// TestX02TopicAndContentAgree: a message on another gate's, passage's, principal's or type's topic is none.
func TestX02TopicAndContentAgree(t *testing.T) {
	all := samples(t)
	other := strings.Repeat("f", 32)
	for _, c := range []struct{ was, topic string }{
		{"evt/door", "egate/v1/site/gate-2/evt/door"}, {"evt/door", "egate/v1/other/gate-1/evt/door"}, {"evt/door", "egate/v1/site/gate-1/evt/alarm"},
		{"rsp/console/a1", "egate/v1/site/gate-1/rsp/console/a2"},
		{"cmd/console/referral_accept", "egate/v1/site/gate-2/cmd/console/referral_accept"}, {"cmd/console/referral_accept", "egate/v1/site/gate-1/cmd/other/referral_accept"},
		{"cmd/console/referral_accept", "egate/v1/site/gate-1/cmd/console/gate_open"},
		{"req/lookup/" + pid, "egate/v1/site/gate-1/req/lookup/" + other}, {"req/lookup/" + pid, "egate/v1/site/gate-1/req/referral/" + pid},
		{"ans/console/" + pid, "egate/v1/site/gate-2/ans/console/" + pid}, {"lease/console", "egate/v1/site/gate-1/lease/other"}, {"ack", "egate/v1/site/gate-2/ack"},
		{"ack", "egate/v1/site/gate-1/lease/console"}, {"status", "egate/v1/site/gate-1/audit/cosign"}, {"status", "egate/v1/site/gate-1/tel/x"},
		{"status", "egate/v1/site/gate-1/cfg/reported"}, {"status", "egate/v1/site/gate-1/nothing"}, {"status", "egate/v2/site/gate-1/status"},
		{"status", "egate/v1/site//status"}, {"status", "status"}, {"evt/door", "egate/v1/site/gate-1/evt/door/x"}, {"evt/door", "egate/v1/site/gate-1/evt/MÜLLER"},
	} {
		if err := Validate(c.topic, all[c.was]); err == nil {
			t.Errorf("%s as %s was accepted", c.was, c.topic)
		}
	}
	if Validate("egate/v1/site/gate-1/status", append(all["status"], bytes.Repeat([]byte(" "), MaxMessage)...)) == nil {
		t.Error("a message over the limit was accepted")
	}
}

// DP-04: what is refused is not quoted: it may be the very thing that must not be said.
func TestDP04ErrorsQuoteNothing(t *testing.T) {
	const marker = "MUSTERMANN"
	for rest, b := range samples(t) {
		for _, bad := range [][]byte{[]byte(marker), []byte(`{"` + marker + `":1}`), []byte(`"` + marker + `"`), bytes.Replace(b, []byte(`":"`), []byte(`":"`+marker), 1),
			bytes.Replace(b, []byte(`"`), []byte(`"`+marker), 1), bytes.Replace(b, []byte(`"steps":4`), []byte(`"`+marker+`":"x"`), 1),
			bytes.Replace(b, []byte(`"egated":"v1"`), []byte(`"`+marker+`":{"`+marker+`":1}`), 1)} {
			for _, topic := range []string{api.Topic("site", "gate-1", rest), api.Topic("site", marker, rest)} {
				err := Validate(topic, bad)
				if err != nil && strings.Contains(err.Error(), marker) {
					t.Errorf("%s: %v", rest, err)
				}
			}
		}
	}
}

func FuzzValidate(f *testing.F) {
	for rest, b := range samples(f) {
		f.Add("egate/v1/site/gate-1/"+rest, b)
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		if Validate(topic, payload) != nil {
			return
		}
		if strings.HasSuffix(topic, api.TopicCheckpoint) {
			return
		}
		var v any
		if json.Unmarshal(payload, &v) != nil {
			t.Error("accepted what is not JSON")
		}
	})
}

// TestO08SafeguardingSchema: the record of a safeguarding stop has a reason of the list, which is that of the program, and no field that leads to a
// person: no passage, whatever the gate might write.
func TestO08SafeguardingSchema(t *testing.T) {
	var common struct {
		Defs map[string]struct {
			Enum []string `json:"enum"`
		} `json:"$defs"`
	}
	b, err := fs.ReadFile(api.Schemas(), "common.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &common); err != nil || !slices.Equal(common.Defs["safeguarding"].Enum, verdict.Safeguarding()) {
		t.Errorf("%v: %v", err, common.Defs["safeguarding"].Enum)
	}
	stop := func(change func(*api.OrderEvent)) error {
		e := api.OrderEvent{ID: "a1", Principal: "console", Officer: "anna", Name: api.CmdSafeguard, Result: "accepted", Override: "child_alone", Group: "early"}
		change(&e)
		return ValidateAs("evt-order", mustJSON(t, e))
	}
	if err := stop(func(*api.OrderEvent) {}); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*api.OrderEvent){
		"no reason": func(e *api.OrderEvent) { e.Override = "" }, "another reason": func(e *api.OrderEvent) { e.Override = "person_compared" },
		"a passage": func(e *api.OrderEvent) { e.Passage = strings.Repeat("0f", 16) },
	} {
		if stop(change) == nil {
			t.Errorf("a stop with %s is taken", what)
		}
	}
}
