// Package scenario is the language in which a passage is written down so that an officer can read it
// and egate-sim can play it: a document, a traveller, what happens, and what must come of it.
//
//	title: A genuine traveller, chip with BAC only
//	document: {access: bac}
//	events:
//	  - when: the chip read reaches 40 %
//	    do: take the passport away for 1 s
//	expect: {outcome: allow, reason: ok, crosses: traveller}
//
// A key or a phrase that is not known is an error that names the line and the cure. Parse reads a
// file, Check judges what was seen against what was expected.
package scenario

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"egate/emrtd/chip"
	"egate/verdict"
)

// Topologies of a gate, as in its configuration.
const (
	Mantrap = "mantrap"
	OneStep = "one-step"
)

// maxFile bounds a scenario file.
const maxFile = 64 << 10

// Scenario is one file.
type Scenario struct {
	Name     string   `yaml:"-"` // file name without extension
	Title    string   `yaml:"title"`
	Why      string   `yaml:"why"`      // one sentence for the reader
	Proves   []string `yaml:"proves"`   // requirement ids
	Topology string   `yaml:"topology"` // of the gate: mantrap (usual) or one-step
	Hold     Strings  `yaml:"hold"`     // reasons that end as refuse-and-hold by the site's policy (P-09)
	Requires Strings  `yaml:"requires"` // checks that the site's policy requires besides the usual ones
	// AccompaniedFrom is the age from which the site's policy admits minors with an adult (P-10); 0: none.
	AccompaniedFrom int       `yaml:"accompanied_from"`
	Witnesses       Strings   `yaml:"witnesses"`   // further sources of the count that the gate has (S-03): overhead, mat
	SealEvents      bool      `yaml:"seal_events"` // the gate seals border events to the centre's own key (DP-07)
	Unpowered       Unpowered `yaml:"unpowered"`   // where the site's doors are without power (D-03); none: both open
	Document        Document  `yaml:"document"`
	Traveller       Traveller `yaml:"traveller"`
	Centre          string    `yaml:"centre"`  // usual, unreachable, forged
	Officer         string    `yaml:"officer"` // sends back, accepts, does nothing: what becomes of a referral
	Events          []Event   `yaml:"events"`
	Expect          Expect    `yaml:"expect"`
}

// SameSite tells whether two scenarios can be played at one site: the same kind of gate under the same policy.
func (s *Scenario) SameSite(o *Scenario) bool {
	return s.Topology == o.Topology && s.Unpowered == o.Unpowered && s.AccompaniedFrom == o.AccompaniedFrom && s.SealEvents == o.SealEvents && slices.Equal(s.Hold, o.Hold) && slices.Equal(s.Requires, o.Requires) && slices.Equal(s.Witnesses, o.Witnesses)
}

// Unpowered is the site's choice of the position of its doors without power: words of the gate's configuration.
type Unpowered struct {
	Escape string `yaml:"escape"` // origin, across, both
	Entry  string `yaml:"entry"`  // open, free, shut; not of a one-step gate
	Exit   string `yaml:"exit"`
}

// Document is the passport that is laid down.
type Document struct {
	Holder     string   `yaml:"holder"` // whose portrait: astronaut or admiral
	Number     string   `yaml:"number"`
	Surname    string   `yaml:"surname"`
	GivenNames string   `yaml:"given_names"`
	Born       string   `yaml:"born"`    // YYYY-MM-DD or "30 years ago"
	Expires    string   `yaml:"expires"` // YYYY-MM-DD, "in 5 years" or "2 years ago"
	Sex        string   `yaml:"sex"`
	Access     string   `yaml:"access"` // bac, pace, paceonly
	ChipAuth   string   `yaml:"chip_authentication"`
	ActiveAuth string   `yaml:"active_authentication"`
	Issuer     string   `yaml:"issuer"` // known, unknown
	Chip       []string `yaml:"chip"`   // misbehaviours of emrtd/chip
	Speed      string   `yaml:"speed"`  // fast, typical, slow
}

// Traveller is who lays it down and how.
type Traveller struct {
	Face    string  `yaml:"face"`    // holder, other
	Shows   string  `yaml:"shows"`   // face, print, screen
	Sheet   *Sheet  `yaml:"sheet"`   // of the print
	Panel   *Panel  `yaml:"panel"`   // of the screen
	Luggage string  `yaml:"luggage"` // none, suitcase
	Speed   float64 `yaml:"speed"`   // m/s
	Notice  string  `yaml:"notice"`  // accepts, declines, waits
	Enters  string  `yaml:"enters"`  // usual, never
	Leaves  string  `yaml:"leaves"`  // usual, without the suitcase, stands in the door
	Turns   string  `yaml:"turns"`   // follows the dot, no
}

// Sheet is a printed photo. Lengths are mm, angles degrees.
type Sheet struct {
	Width  float64 `yaml:"width_mm"`
	Height float64 `yaml:"height_mm"`
	Face   float64 `yaml:"face"` // height of the head as a part of the sheet's
	Bend   float64 `yaml:"bend"` // curvature, 0 flat … 1 half a cylinder
	Tilt   float64 `yaml:"tilt_degrees"`
	// Scale is the size of the printed head relative to life.
	Scale float64 `yaml:"scale"`
}

// Panel is a phone, a tablet or a monitor with a film of the holder, whose head turns as the dot asks.
type Panel struct {
	Width  float64 `yaml:"width_mm"`
	Height float64 `yaml:"height_mm"`
	// Distance from the camera, where it is not held where a face would be.
	Distance float64 `yaml:"distance_mm"`
	// Scale is the size of the face in the film relative to life.
	Scale float64 `yaml:"scale"`
}

// Event is one thing that happens.
type Event struct {
	When Phrase `yaml:"when"`
	Do   Phrase `yaml:"do"`
	Line int    `yaml:"-"`
}

// Phrase is an English phrase of the language, parsed.
type Phrase struct {
	Text string
	Kind string  // canonical name
	N    float64 // number in the phrase, if any
	Arg  string
	// After delays a condition: "…, 2 s later".
	After time.Duration
}

// Expect is what must come of it. An empty list means: not looked at.
type Expect struct {
	Outcome   string  `yaml:"outcome"` // allow, refer, refuse_and_hold, none
	Reason    Strings `yaml:"reason"`  // one of these
	Crosses   string  `yaml:"crosses"` // traveller, everybody, nobody: measured by the plant
	Completed *bool   `yaml:"completed"`
	// Seen are reason codes of alarm or referral events that must have been acknowledged by the centre.
	Alarms Strings `yaml:"alarms"`
	// Faults are fault codes that must have been raised.
	Faults Strings `yaml:"faults"`
	// Checks maps checks of the passage event to their result.
	Checks map[string]string `yaml:"checks"`
	// NotBy: the refusal must not rest on this check alone; another one of the list failed too.
	FailedBesides string `yaml:"failed_besides"`
	// Screens must have been shown, in this order.
	Screens Strings `yaml:"screens"`
	// Frames: "none" when no picture may have been taken (DP-06), "some" when one must have been.
	Frames  string  `yaml:"frames"`
	Seconds float64 `yaml:"seconds"` // at most
	// Released: the doors must have opened by release (fire, killed controller).
	Released *bool `yaml:"released"`
	// Inside is how many people are in the mantrap at the end.
	Inside int `yaml:"inside"`
	// Documents is how many documents were inspected to the end of the document part.
	Documents int `yaml:"documents"`
	// Shown is what the officer must have been shown of the document of a referral (F-11).
	Shown *Shown `yaml:"shown"`
	// Restarted: a new start of the controller must have been recorded.
	Restarted *bool `yaml:"restarted"`
}

// Shown are the facts of a document that make a face plausible, as the console shows them.
type Shown struct {
	Sex string `yaml:"sex" json:"sex"` // of the machine readable zone
	Age int    `yaml:"age" json:"age"` // full years
}

// Strings is one text or a list of texts.
type Strings []string

// UnmarshalYAML takes a scalar for a list of one.
func (s *Strings) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*s = Strings{n.Value}
		return nil
	}
	var l []string
	if err := n.Decode(&l); err != nil {
		return err
	}
	*s = l
	return nil
}

// Parse reads one scenario. name is the file name for messages.
func Parse(name string, r io.Reader) (*Scenario, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("scenario: %s: %w", name, err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("scenario: %s: larger than %d bytes", name, maxFile)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil {
		return nil, fmt.Errorf("scenario: %s: %w", name, err)
	}
	if len(root.Content) == 0 {
		return nil, fmt.Errorf("scenario: %s:1: empty file; a scenario has at least title and expect", name)
	}
	s := &Scenario{Name: strings.TrimSuffix(path.Base(name), ".yaml")}
	p := parser{file: name}
	p.strict(root.Content[0], s)
	if len(p.errs) == 0 {
		if err := root.Content[0].Decode(s); err != nil {
			p.add(0, err.Error(), "")
		}
	}
	if len(p.errs) == 0 {
		p.semantics(s, root.Content[0])
	}
	if len(p.errs) > 0 {
		return nil, p.err()
	}
	return s, nil
}

// Load reads every *.yaml file of a folder, sorted by name. Files that do not parse are all reported.
func Load(f fs.FS, names ...string) ([]*Scenario, error) {
	all, err := fs.Glob(f, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	sort.Strings(all)
	var out []*Scenario
	var bad []string
	for _, file := range all {
		stem := strings.TrimSuffix(file, ".yaml")
		if len(names) > 0 && !matches(stem, names) {
			continue
		}
		r, err := f.Open(file)
		if err != nil {
			return nil, fmt.Errorf("scenario: %w", err)
		}
		s, err := Parse(file, r)
		r.Close()
		if err != nil {
			bad = append(bad, err.Error())
			continue
		}
		out = append(out, s)
	}
	if len(bad) > 0 {
		return nil, fmt.Errorf("%s", strings.Join(bad, "\n"))
	}
	for _, n := range names {
		found := false
		for _, s := range out {
			found = found || matches(s.Name, []string{n})
		}
		if !found {
			stems := make([]string, len(all))
			for i, a := range all {
				stems[i] = strings.TrimSuffix(a, ".yaml")
			}
			return nil, fmt.Errorf("scenario: no scenario %q; there are: %s", n, strings.Join(stems, ", "))
		}
	}
	return out, nil
}

// matches tells whether a file's stem is meant by one of the names: whole, or without its number.
func matches(stem string, names []string) bool {
	short := stem
	if i := strings.IndexByte(stem, '-'); i > 0 && strings.Trim(stem[:i], "0123456789") == "" {
		short = stem[i+1:]
	}
	for _, n := range names {
		if n == stem || n == short {
			return true
		}
	}
	return false
}

// Date turns "in 5 years", "30 years ago", "in 3 months", "12 days ago" or a date into a date.
func Date(s string, now time.Time) (string, error) {
	if _, err := time.Parse(time.DateOnly, s); err == nil {
		return s, nil
	}
	var n int
	var unit string
	sign := 1
	if _, err := fmt.Sscanf(s, "in %d %s", &n, &unit); err != nil {
		var ago string
		if _, err := fmt.Sscanf(s, "%d %s %s", &n, &unit, &ago); err != nil || ago != "ago" {
			return "", fmt.Errorf("scenario: %q is no date; write 2031-05-01, in 5 years or 30 years ago", s)
		}
		sign = -1
	}
	n *= sign
	switch strings.TrimSuffix(unit, "s") {
	case "year":
		return now.AddDate(n, 0, 0).Format(time.DateOnly), nil
	case "month":
		return now.AddDate(0, n, 0).Format(time.DateOnly), nil
	case "day":
		return now.AddDate(0, 0, n).Format(time.DateOnly), nil
	}
	return "", fmt.Errorf("scenario: %q is no date; the unit is years, months or days", s)
}

func (p *parser) semantics(s *Scenario, n *yaml.Node) {
	if strings.TrimSpace(s.Title) == "" {
		p.add(n.Line, "no title", "say in one line what happens")
	}
	one := func(key, v string, allowed ...string) {
		if v == "" {
			return
		}
		for _, a := range allowed {
			if a == v {
				return
			}
		}
		p.add(lineOf(n, key), fmt.Sprintf("%s: %q is not known", key, v), "one of: "+strings.Join(allowed, ", "))
	}
	one("topology", s.Topology, Mantrap, OneStep)
	if s.Topology == "" {
		s.Topology = Mantrap
	}
	one("unpowered.escape", s.Unpowered.Escape, "origin", "across", "both")
	one("unpowered.entry", s.Unpowered.Entry, "open", "free", "shut")
	one("unpowered.exit", s.Unpowered.Exit, "open", "free", "shut")
	if u := s.Unpowered; u != (Unpowered{}) && (u.Escape == "" || u.Exit == "" || (u.Entry == "") != (s.Topology == OneStep)) {
		p.add(lineOf(n, "unpowered"), "unpowered is not whole", "escape, entry and exit; a one-step gate has no entry")
	}
	one("document.holder", s.Document.Holder, "astronaut", "admiral")
	one("document.access", s.Document.Access, "bac", "pace", "paceonly")
	one("document.chip_authentication", s.Document.ChipAuth, "none", "ecdh")
	one("document.active_authentication", s.Document.ActiveAuth, "none", "rsa", "ecdsa")
	one("document.issuer", s.Document.Issuer, "known", "unknown")
	one("document.speed", s.Document.Speed, "fast", "typical", "slow")
	one("document.sex", s.Document.Sex, "F", "M", "X")
	one("traveller.face", s.Traveller.Face, "holder", "other")
	one("traveller.shows", s.Traveller.Shows, "face", "print", "screen")
	one("traveller.luggage", s.Traveller.Luggage, "none", "suitcase")
	one("traveller.notice", s.Traveller.Notice, "accepts", "declines", "waits")
	one("traveller.enters", s.Traveller.Enters, "usual", "never")
	one("traveller.leaves", s.Traveller.Leaves, "usual", "without the suitcase", "never")
	one("traveller.turns", s.Traveller.Turns, "follows the dot", "no")
	one("officer", s.Officer, "sends back", "accepts", "does nothing")
	one("centre", s.Centre, "usual", "unreachable", "forged")
	for _, m := range s.Document.Chip {
		if _, err := chip.ParseMisbehaviour(m); err != nil {
			p.add(lineOf(n, "document.chip"), err.Error(), "")
		}
	}
	now := time.Now()
	for k, v := range map[string]string{"document.born": s.Document.Born, "document.expires": s.Document.Expires} {
		if v == "" {
			continue
		}
		if _, err := Date(v, now); err != nil {
			p.add(lineOf(n, k), err.Error(), "")
		}
	}
	if v := s.Traveller.Speed; v != 0 && (v < 0.3 || v > 2) {
		p.add(lineOf(n, "traveller.speed"), fmt.Sprintf("%v m/s is no walk", v), "between 0.3 and 2.0")
	}
	if s.Traveller.Shows == "print" && s.Traveller.Sheet == nil {
		p.add(lineOf(n, "traveller.shows"), "a print needs a sheet", "add traveller.sheet with width_mm and height_mm")
	}
	if s.Traveller.Shows == "screen" && s.Traveller.Panel == nil {
		p.add(lineOf(n, "traveller.shows"), "a screen needs a panel", "add traveller.panel with width_mm and height_mm")
	}
	one("expect.outcome", s.Expect.Outcome, "allow", "refer", "refuse_and_hold", "none")
	if s.Expect.Outcome == "" {
		p.add(lineOf(n, "expect"), "expect.outcome is missing", "allow, refer, refuse_and_hold, or none where no passage is recorded")
	}
	if s.AccompaniedFrom < 0 || s.AccompaniedFrom > 17 {
		p.add(lineOf(n, "accompanied_from"), fmt.Sprintf("%d is no age of a minor", s.AccompaniedFrom), "0 to 17 years")
	}
	for _, w := range s.Witnesses {
		one("witnesses", w, "overhead", "mat")
	}
	one("expect.crosses", s.Expect.Crosses, "traveller", "everybody", "nobody", "anybody")
	one("expect.frames", s.Expect.Frames, "none", "some")
	if s.Expect.Crosses == "" {
		p.add(lineOf(n, "expect"), "expect.crosses is missing", "traveller or nobody: the plant measures it")
	}
	var r verdict.Reason
	for _, list := range []struct {
		key string
		l   Strings
	}{{"hold", s.Hold}, {"expect.reason", s.Expect.Reason}, {"expect.alarms", s.Expect.Alarms}} {
		for _, v := range list.l {
			if err := r.UnmarshalText([]byte(v)); err != nil {
				p.add(lineOf(n, list.key), fmt.Sprintf("%q is no reason code", v), nearest(v, reasons()))
			}
		}
	}
	var id verdict.CheckID
	var res verdict.Result
	for k, v := range s.Expect.Checks {
		if err := id.UnmarshalText([]byte(k)); err != nil {
			p.add(lineOf(n, "expect.checks"), fmt.Sprintf("%q is no check", k), nearest(k, checks()))
		}
		if err := res.UnmarshalText([]byte(v)); err != nil {
			p.add(lineOf(n, "expect.checks"), fmt.Sprintf("%q is no result", v), "pass, fail, not_possible, not_applicable or not_evaluated")
		}
	}
	for _, v := range s.Requires {
		if err := id.UnmarshalText([]byte(v)); err != nil {
			p.add(lineOf(n, "requires"), fmt.Sprintf("%q is no check", v), nearest(v, checks()))
		}
	}
	if v := s.Expect.FailedBesides; v != "" {
		if err := id.UnmarshalText([]byte(v)); err != nil {
			p.add(lineOf(n, "expect.failed_besides"), fmt.Sprintf("%q is no check", v), nearest(v, checks()))
		}
	}
	ev := find(n, "events")
	for i := range s.Events {
		if ev != nil && i < len(ev.Content) {
			s.Events[i].Line = ev.Content[i].Line
		}
		e := &s.Events[i]
		if err := e.When.parse(whens); err != nil {
			p.add(e.Line, err.Error(), known(whens))
		}
		if err := e.Do.parse(dos); err != nil {
			p.add(e.Line, err.Error(), known(dos))
		}
	}
}

func reasons() []string {
	var l []string
	for _, r := range verdict.Reasons() {
		l = append(l, r.String())
	}
	return l
}

func checks() []string {
	var l []string
	for _, c := range verdict.CheckIDs() {
		l = append(l, c.String())
	}
	return l
}
