// Package contract checks messages against the contract of package api: asyncapi.yaml and the JSON Schemas.
// It is a package of its own so that the program that moves doors does not link a schema engine.
package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"egate/api"
)

// Sizes that a message may have, in bytes: what maintenance and desk read must fit a small display, what
// carries a sealed dossier holds two pictures.
const (
	MaxMessage = 16 << 10  // M-01
	MaxSealed  = 600 << 10 // req/referral
	MaxLease   = 256 << 10 // lease: one HPKE public key per officer
	MaxRoster  = 96 << 10  // cfg/roster: every officer of the site
)

// schemaBase is the place that relative references start at. Nothing is ever loaded from outside.
const schemaBase = "egate:///schemas/"

// compile reads all schemas once.
var compile = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertContent()
	c.UseLoader(nowhere{})
	files, err := fs.Glob(api.Schemas(), "*.json")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := fs.ReadFile(api.Schemas(), f)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		if err := c.AddResource(schemaBase+f, doc); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
	}
	out := map[string]*jsonschema.Schema{}
	for _, f := range files {
		s, err := c.Compile(schemaBase + f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		out[strings.TrimSuffix(f, ".json")] = s
	}
	return out, nil
})

type nowhere struct{}

func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("contract: schema %s is not one of ours", url)
}

// ValidateAs checks a JSON document against one schema, e.g. "state" or "evt-passage".
func ValidateAs(schema string, doc []byte) error {
	all, err := compile()
	if err != nil {
		return fmt.Errorf("contract: schemas: %w", err)
	}
	s := all[schema]
	if s == nil {
		return fmt.Errorf("contract: no schema %q", schema)
	}
	if err := unambiguous(doc); err != nil {
		return fmt.Errorf("contract: %s: %w", schema, err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		return fmt.Errorf("contract: %s: not one JSON document", schema)
	}
	return refusal(schema, s.Validate(v))
}

// refusal tells where a document breaks its schema and which rule, and never quotes the document: what
// is not listed may be personal.
func refusal(schema string, err error) error {
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return err
	}
	var at []string
	var leaves func(*jsonschema.ValidationError)
	leaves = func(v *jsonschema.ValidationError) {
		if len(v.Causes) == 0 {
			at = append(at, "/"+strings.Join(place(v.InstanceLocation), "/")+": "+strings.Join(v.ErrorKind.KeywordPath(), "/"))
		}
		for _, c := range v.Causes {
			leaves(c)
		}
	}
	leaves(v)
	const enough = 8
	if len(at) > enough {
		at = append(at[:enough], "…")
	}
	return fmt.Errorf("contract: %s: %s", schema, strings.Join(at, "; "))
}

// place is a location without the names that the sender has chosen: those in health's two maps.
func place(levels []string) []string {
	if len(levels) > 1 && (levels[0] == "versions" || levels[0] == "counters") {
		return []string{levels[0], "*"}
	}
	return levels
}

// unambiguous refuses a document that names a field twice: two readers could see two documents.
func unambiguous(doc []byte) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	type level struct {
		keys map[string]bool // nil in an array
		key  bool            // the next string is a key
	}
	var stack []level
	for {
		t, err := d.Token()
		if err != nil {
			return nil //nolint:nilerr // the end, or the parser that follows tells
		}
		top := len(stack) - 1
		if s, ok := t.(string); ok && top >= 0 && stack[top].key {
			if stack[top].keys[s] {
				return errors.New("a field stands twice")
			}
			stack[top].keys[s], stack[top].key = true, false
			continue
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}, key: true})
			continue
		case json.Delim('['):
			stack = append(stack, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
			top--
		}
		if top >= 0 && stack[top].keys != nil {
			stack[top].key = true
		}
	}
}

// channel is one kind of topic below egate/v1/{site}/{gate}/.
type channel struct {
	topic    string // "+" is one level
	schema   string // of the payload, or of what is signed
	signed   string // kind of Signed, "" where the message is plain
	max      int
	text     bool // not JSON
	retained bool
}

// channels are the topics of the contract. asyncapi.yaml lists the same.
var channels = []channel{
	{topic: api.TopicStatus, schema: "status", max: MaxMessage, retained: true},
	{topic: api.TopicInfo, schema: "info", max: MaxMessage, retained: true},
	{topic: api.TopicState, schema: "state", max: MaxMessage, retained: true},
	{topic: api.TopicHealth, schema: "health", max: MaxMessage, retained: true},
	{topic: api.TopicCheckpoint, schema: "checkpoint", max: MaxMessage, text: true, retained: true},
	{topic: api.TopicReported, schema: "reserved", max: MaxMessage, retained: true},
	{topic: api.TopicEvent + "/+", schema: "event", max: MaxMessage},
	{topic: api.TopicTelemetry + "/+", schema: "reserved", max: MaxMessage},
	{topic: api.TopicResponse + "/+/+", schema: "rsp", max: MaxMessage},
	{topic: api.TopicRequest + "/lookup/+", schema: "envelope", signed: "lookup", max: MaxMessage},
	{topic: api.TopicRequest + "/referral/+", schema: "envelope", signed: "referral", max: MaxSealed},
	{topic: api.TopicCommand + "/+/+", schema: "cmd", signed: "cmd", max: MaxMessage},
	{topic: api.TopicAnswer + "/+/+", schema: "envelope", signed: "ans", max: MaxMessage},
	{topic: api.TopicLease + "/+", schema: "lease", signed: "lease", max: MaxLease},
	{topic: api.TopicAck, schema: "ack", signed: "ack", max: MaxMessage},
	{topic: api.TopicCosign, schema: "cosign", signed: "cosign", max: MaxMessage},
	{topic: api.TopicRequest + "/time/+", schema: "ask-time", signed: "ask_time", max: MaxMessage},
	{topic: api.TopicTime, schema: "time", signed: "time", max: MaxMessage},
	{topic: api.TopicRoster, schema: "roster", signed: "roster", max: MaxRoster},
}

func (c channel) matches(levels []string) bool {
	want := strings.Split(c.topic, "/")
	if len(want) != len(levels) {
		return false
	}
	for i, w := range want {
		if w != "+" && w != levels[i] || levels[i] == "" {
			return false
		}
	}
	return true
}

var topicLevel = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Validate checks one message as it passes a broker against the contract: its topic, its size, its schema,
// the schema of what is signed in it, and that topic and content name the same gate, passage, principal
// and type. It does not check signatures. An empty payload, which clears a retained message, is refused.
// Errors name places and rules, never contents.
func Validate(topic string, payload []byte) error {
	levels := strings.Split(topic, "/")
	if len(levels) < 5 || levels[0] != "egate" || levels[1] != "v1" {
		return errors.New("contract: the topic is not of this contract")
	}
	for _, l := range levels {
		if !topicLevel.MatchString(l) {
			return errors.New("contract: the topic has a level that the contract does not allow")
		}
	}
	site, gate, rest := levels[2], levels[3], levels[4:]
	for _, c := range channels {
		if !c.matches(rest) {
			continue
		}
		if len(payload) > c.max {
			return fmt.Errorf("contract: %s: %d bytes, %d are allowed", c.topic, len(payload), c.max)
		}
		if c.text {
			b, err := json.Marshal(string(payload))
			if err != nil {
				return fmt.Errorf("contract: %s: not text", c.topic)
			}
			return ValidateAs(c.schema, b)
		}
		body := payload
		if c.signed != "" {
			if err := ValidateAs("signed", payload); err != nil {
				return err
			}
			var s api.Signed
			if err := json.Unmarshal(payload, &s); err != nil {
				return fmt.Errorf("contract: %s: not signed", c.topic)
			}
			if s.Kind != c.signed {
				return fmt.Errorf("contract: %s: signed as %s", c.topic, s.Kind)
			}
			body = s.Payload
		}
		if err := ValidateAs(c.schema, body); err != nil {
			return err
		}
		return agrees(c, site, gate, rest, body)
	}
	return errors.New("contract: no channel of the contract has this topic")
}

// agrees compares what topic and content say of the same.
func agrees(c channel, site, gate string, rest []string, body []byte) error {
	var m struct {
		ID, Site, Gate, Passage, Principal, Name, Type, Source, DataSchema, Nonce string
		Epoch, Seq                                                                uint64
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return fmt.Errorf("contract: %s: numbers out of range", c.topic)
	}
	var ok bool
	switch c.schema {
	case "event":
		ok = m.Source == "/"+site+"/"+gate && m.Type == "egate."+rest[1]+".v1" && m.ID == fmt.Sprintf("%d-%d", m.Epoch, m.Seq)
	case "rsp":
		ok = m.ID == rest[2]
	case "cmd":
		ok = m.Gate == gate && m.Principal == rest[1] && m.Name == rest[2]
	case "envelope":
		ok = m.Gate == gate && m.Type == c.signed && m.Passage == rest[2]
	case "lease":
		ok = m.Gate == gate && m.Principal == rest[1]
	case "ask-time":
		ok = m.Gate == gate && m.Nonce == rest[2]
	case "ack", "cosign", "time":
		ok = m.Gate == gate
	case "roster":
		ok = m.Site == site
	default:
		ok = true
	}
	if !ok {
		return fmt.Errorf("contract: %s: topic and content disagree", c.topic)
	}
	return nil
}
