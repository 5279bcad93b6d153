package gate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"egate/verdict"
)

var orderNames = [...]string{"none", "take", "return", "accept", "send_back", "hold", "open_gate", "close_gate", "reset", "open_entry", "open_exit", "release", "end_emergency", "self_test", "standby", "service", "manual", "hold_entry", "let_go", "specimen", "out_of_service", "hand_over"}

var timerNames = [...]string{"none", "reception", "passage", "commit", "entry", "exit", "guard_entry", "guard_exit", "recover", "slot1", "slot2"}

// field is one part of an event in a trace: how it is written and read.
type field struct {
	name string
	get  func(e *Event) string // empty: not set
	set  func(e *Event, s string) bool
}

// enum makes a field of a small enumeration whose zero is not written.
func enum[T ~uint8](name string, end T, word func(T) string, at func(*Event) *T) field {
	return field{name, func(e *Event) string {
		if *at(e) == 0 {
			return ""
		}
		return word(*at(e))
	}, func(e *Event, s string) bool {
		for v := T(0); v < end; v++ {
			if word(v) == s {
				*at(e) = v
				return true
			}
		}
		return false
	}}
}

var fields = []field{
	enum("door", 2, Door.String, func(e *Event) *Door { return &e.Door }),
	enum("pos", 4, Position.String, func(e *Event) *Position { return &e.Pos }),
	enum("tri", 3, Tri.String, func(e *Event) *Tri { return &e.Tri }),
	enum("count", 4, Count.String, func(e *Event) *Count { return &e.Count }),
	enum("slot", 3, Slot.String, func(e *Event) *Slot { return &e.Slot }),
	enum("outcome", 8, func(o verdict.Outcome) string { return o.String() }, func(e *Event) *verdict.Outcome { return &e.Outcome }),
	enum("reason", 255, func(r verdict.Reason) string { return r.String() }, func(e *Event) *verdict.Reason { return &e.Reason }),
	enum("timer", timerEnd, func(t Timer) string { return timerNames[t] }, func(e *Event) *Timer { return &e.Timer }),
	enum("order", orderEnd, func(o Order) string { return orderNames[o] }, func(e *Event) *Order { return &e.Order }),
	enum("lane", 3, func(l Lane) string { return [...]string{"none", "reception", "passage"}[l] }, func(e *Event) *Lane { return &e.Lane }),
	{"on", func(e *Event) string { return yes(e.On) }, func(e *Event, s string) bool { e.On = s == "yes"; return e.On }},
	{"second", func(e *Event) string { return yes(e.Second) }, func(e *Event, s string) bool { e.Second = s == "yes"; return e.Second }},
	{"mine", func(e *Event) string { return yes(e.Mine) }, func(e *Event, s string) bool { e.Mine = s == "yes"; return e.Mine }},
	{"n", func(e *Event) string {
		if e.N == 0 {
			return ""
		}
		return fmt.Sprint(e.N)
	}, func(e *Event, s string) bool { _, err := fmt.Sscan(s, &e.N); return err == nil }},
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// text is an event as a line of a trace.
func (e Event) text() string {
	var b strings.Builder
	b.WriteString(e.Kind.String())
	for _, f := range fields {
		if s := f.get(&e); s != "" {
			fmt.Fprintf(&b, " %s=%s", f.name, s)
		}
	}
	return b.String()
}

// parseEvent reads a line of a trace.
func parseEvent(line string) (Event, error) {
	words := strings.Fields(line)
	var e Event
	for k := EvNone; k < kindEnd && len(words) > 0; k++ {
		if k.String() == words[0] {
			e.Kind = k
		}
	}
	if e.Kind == EvNone {
		return e, fmt.Errorf("gate: trace: unknown event %q", line)
	}
word:
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		for _, f := range fields {
			if f.name == name && f.set(&e, value) {
				continue word
			}
		}
		return e, fmt.Errorf("gate: trace: cannot read %q in %q", w, line)
	}
	return e, nil
}

// replay plays a trace from a start and holds every law on every step. The number of a committed grant
// is the one that waits. It returns the last node.
func replay(t testing.TB, text string, show bool) node {
	t.Helper()
	n := node{M: New(Mantrap, true)}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if want, ok := strings.CutPrefix(line, "expect "); ok {
			if got := n.M.Mode.String() + " " + n.M.Reception.String() + " " + n.M.Passage.String(); got != want {
				t.Fatalf("line %d: is %q, expected %q", i+1, got, want)
			}
			continue
		}
		e, err := parseEvent(line)
		if err != nil {
			t.Fatal(err)
		}
		after, acts := apply(n, e, nil)
		for _, inv := range invariants {
			if _, wrong := inv.check(&n, e, &after, acts); wrong != "" {
				t.Errorf("line %d: %s: %s: %s", i+1, line, inv.name, wrong)
			}
		}
		if show {
			t.Logf("%s\n\t%s\n\t%+v", line, actions(acts), after.M)
		}
		n = after
	}
	return n
}

func actions(acts []Action) string {
	var out []string
	for _, a := range acts {
		out = append(out, fmt.Sprintf("%+v", a))
	}
	return strings.Join(out, "\n\t")
}

// TestReplay plays the traces that were found once (testdata/*.trace), or the one that EGATE_TRACE names:
// a counterexample of the explorer prints in this form.
func TestReplay(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.trace")
	show := false
	if f := os.Getenv("EGATE_TRACE"); f != "" {
		files, show = []string{f}, true
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			replay(t, string(text), show)
		})
	}
}

// TestTraceText: what is printed can be read back.
func TestTraceText(t *testing.T) {
	for _, e := range events() {
		got, err := parseEvent(e.text())
		if err != nil || got != e {
			t.Errorf("%q: %+v %v, want %+v", e.text(), got, err, e)
		}
	}
}
