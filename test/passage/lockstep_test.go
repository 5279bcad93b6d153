package passage

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"egate/api"
	"egate/gate"
	"egate/gate/control"
	"egate/journal"
)

// record is the model of one journalled step.
type record struct {
	step  uint64
	model gate.Model
}

// input is one thing that is handed to the loop. ways tells which events the loop may make of it, the
// likeliest first; what it really made of it shows in its model.
type input struct {
	what  string
	put   func() // into its own channel, which is empty: never blocks
	taken func() bool
	ways  func() [][]gate.Event
}

// lockstep is the pure model beside the real loop. Inputs reach the loop one by one; after every turn of
// it (control.Ports.Kick) its model must be what gate.Step makes of the model before and of an event that
// the input, a timer that is due or the board of faults can have brought about. A turn that cannot be
// explained so is a failure: the loop moved without an event, lost one or ran a timer that was not armed.
type lockstep struct {
	mu     sync.Mutex
	field  reflect.Value // of the loop's model
	limits control.Limits
	beat   time.Duration
	m      gate.Model
	begun  bool
	wrong  []string
	log    []string
	steps  int
	armed  map[gate.Timer]time.Time
	heard  [2]time.Time // last word of an inspector
	lease  time.Time    // when the last lease ends

	queue  []input
	flight *input

	records  []record         // journalled in this turn
	grants   map[uint64]uint8 // step that carries a grant: its number
	wanted   int              // grant whose record has not been seen, -1 for none
	answers  []api.Response
	accepted map[string]bool // orders that may be answered once more, done or failed
	// onStep is called for every step with the model before and after.
	onStep func(e gate.Event, before, after gate.Model, acts []gate.Action)
}

func newLockstep(l *control.Loop, m gate.Model, limits control.Limits, beat time.Duration) *lockstep {
	f := reflect.ValueOf(l).Elem().FieldByName("m")
	if f.Type() != reflect.TypeFor[gate.Model]() {
		panic("the loop keeps its model elsewhere now")
	}
	return &lockstep{field: f, limits: limits, beat: beat, m: m, armed: map[gate.Timer]time.Time{}, grants: map[uint64]uint8{}, accepted: map[string]bool{}, wanted: -1}
}

// copyValue copies without taking the value out: the field is another package's.
func copyValue(to, from reflect.Value) {
	switch from.Kind() {
	case reflect.Bool:
		to.SetBool(from.Bool())
	case reflect.Uint8:
		to.SetUint(from.Uint())
	case reflect.Array:
		for i := range from.Len() {
			copyValue(to.Index(i), from.Index(i))
		}
	case reflect.Struct:
		for i := range from.NumField() {
			copyValue(to.Field(i), from.Field(i))
		}
	default:
		panic("the model has a field of a kind that cannot be compared: " + from.Kind().String())
	}
}

func (s *lockstep) fail(format string, a ...any) {
	if len(s.wrong) < 8 {
		s.wrong = append(s.wrong, fmt.Sprintf(format, a...))
	}
}

func (s *lockstep) failed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wrong)
}

// now is the model that the loop has come to.
func (s *lockstep) now() gate.Model {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m
}

// offer hands an input to the loop when those before it have been taken.
func (s *lockstep) offer(in input) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, in)
	s.next()
}

func (s *lockstep) next() {
	if s.flight == nil && len(s.queue) > 0 {
		in := s.queue[0]
		s.queue = s.queue[1:]
		s.flight = &in
		in.put()
	}
}

// turned is the Kick of the loop: it runs in the loop's own goroutine, after each turn.
func (s *lockstep) turned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var now gate.Model
	copyValue(reflect.ValueOf(&now).Elem(), s.field)
	what, ways := "a timer of the loop", [][]gate.Event(nil)
	if s.flight != nil && s.flight.taken() {
		what, ways = s.flight.what, s.flight.ways()
		s.flight = nil
	} else {
		ways = s.due()
	}
	if !s.begun { // the start and the first turn are looked at together
		s.begun = true
		for i := range ways {
			ways[i] = append([]gate.Event{{Kind: gate.EvStarted}}, ways[i]...)
		}
	}
	if !s.explain(what, now, ways) {
		s.fail("lock-step: after %s (%v) the loop has a model that no step leads to: %s", what, ways, difference(s.m, now))
		s.m = now
	}
	s.records, s.answers = nil, nil
	s.next()
}

// due are the events that the loop's own timers can have brought about now.
func (s *lockstep) due() (ways [][]gate.Event) {
	now := time.Now()
	var ts []gate.Timer
	for t, at := range s.armed {
		if !at.After(now) {
			ts = append(ts, t)
		}
	}
	slices.SortFunc(ts, func(a, b gate.Timer) int {
		if c := s.armed[a].Compare(s.armed[b]); c != 0 {
			return c
		}
		return int(a) - int(b)
	})
	for _, t := range ts {
		ways = append(ways, []gate.Event{{Kind: gate.EvTimer, Timer: t}})
	}
	ways = append(ways, nil)
	for i, at := range s.heard {
		if !at.IsZero() && now.Sub(at) >= s.beat {
			ways = append(ways, []gate.Event{{Kind: gate.EvSilent, Slot: gate.Slot1 + gate.Slot(i)}})
		}
	}
	if !s.lease.After(now) {
		ways = append(ways, s.pruned(false)...)
	}
	return ways
}

// pruned is what a look at the leases can bring about.
func (s *lockstep) pruned(held bool) (ways [][]gate.Event) {
	for lanes := range 4 {
		var w []gate.Event
		if lanes&1 != 0 {
			w = append(w, gate.Event{Kind: gate.EvOwnerLost, Lane: gate.LaneReception})
		}
		if lanes&2 != 0 {
			w = append(w, gate.Event{Kind: gate.EvOwnerLost, Lane: gate.LanePassage})
		}
		if s.m.Lease != held {
			w = append(w, gate.Event{Kind: gate.EvLease, On: held})
		}
		ways = append(ways, w)
	}
	return ways
}

// explain finds the first way that leads to a model, and walks it. Faults that begin or cease to forbid
// new travellers are told in the middle of whatever else happens.
func (s *lockstep) explain(what string, to gate.Model, ways [][]gate.Event) bool {
	for extra := range 3 {
		for _, w := range ways {
			if path, ok := lead(s.m, to, w, nil, extra, func(p []gate.Event) bool { return s.answered(p) && s.recorded(p) }); ok {
				s.walk(what, path)
				return true
			}
		}
	}
	return false
}

// lead finds a path from m along way, with extra changes of the board in between, that fits.
func lead(m, to gate.Model, way, path []gate.Event, extra int, fits func([]gate.Event) bool) ([]gate.Event, bool) {
	if extra == 0 && len(way) == 0 {
		return path, m == to && fits(path)
	}
	if len(way) > 0 {
		n, _ := gate.Step(m, way[0])
		if p, ok := lead(n, to, way[1:], append(slices.Clip(path), way[0]), extra, fits); ok {
			return p, true
		}
	}
	if extra > 0 {
		e := gate.Event{Kind: gate.EvFault, On: !m.Blocked}
		n, _ := gate.Step(m, e)
		return lead(n, to, way, append(slices.Clip(path), e), extra-1, fits)
	}
	return nil, false
}

// recorded tells whether what went to the journal in this turn are models on the path, in its order (P-15).
func (s *lockstep) recorded(path []gate.Event) bool {
	m, at := s.m, 0
	for _, r := range s.records {
		for r.model != m {
			if at == len(path) {
				return false
			}
			m, _ = gate.Step(m, path[at])
			at++
		}
	}
	return true
}

// answered tells whether the answers that the desk got in this turn are those of the steps.
func (s *lockstep) answered(path []gate.Event) bool {
	m := s.m
	var want []string
	for _, e := range path {
		var acts []gate.Action
		m, acts = gate.Step(m, e)
		for _, a := range acts {
			switch {
			case a.Kind != gate.ActAnswer:
			case a.On:
				want = append(want, "accepted")
			default:
				want = append(want, "rejected "+a.Reason.String())
			}
		}
	}
	var got []string
	for _, r := range s.answers {
		if !ofControl[r.Reason] {
			got = append(got, strings.TrimSpace(r.Result+" "+r.Reason))
		}
	}
	return slices.Equal(want, got)
}

// ofControl are the refusals that the loop gives before the machine is asked.
var ofControl = map[string]bool{"not_supported": true, "expired": true, "reason_needed": true, "other_dossier": true, "no_such_passage": true, "other_question": true}

// walk takes the steps of an explained turn once more and looks at each.
func (s *lockstep) walk(what string, path []gate.Event) {
	for _, e := range path {
		before := s.m
		after, acts := gate.Step(before, e)
		again, acts2 := gate.StepInto(make([]gate.Action, 0, 64), before, e)
		if after != again || !slices.Equal(acts, acts2) {
			s.fail("the same step twice: %s gives other models or actions", text(e))
		}
		s.steps++
		if e.Kind == gate.EvTimer {
			delete(s.armed, e.Timer)
		}
		for _, a := range acts {
			switch a.Kind {
			case gate.ActStart:
				s.armed[a.Timer] = time.Now().Add(s.limits[a.Limit] * time.Duration(max(a.N, 1)))
			case gate.ActStop:
				delete(s.armed, a.Timer)
			case gate.ActCommit:
				s.wanted = int(a.N)
			case gate.ActBegin:
				s.heard[a.Slot.Index()] = time.Now()
			case gate.ActEnd, gate.ActKill:
				s.heard[a.Slot.Index()] = time.Time{}
			}
		}
		s.m = after
		if e.Kind != gate.EvOrder || after != before {
			s.note("%s: %s → %v %v/%v occ %v", what, text(e), after.Mode, after.Reception, after.Passage, after.Occ)
		}
		s.waits(after)
		if s.onStep != nil {
			s.onStep(e, before, after, acts)
		}
	}
	for _, r := range s.records {
		if n := r.model.GrantID; s.wanted == int(n) && r.model.Grant != gate.GrantNone {
			s.grants[r.step], s.wanted = n, -1
		}
	}
}

// written are the ways of a journal's answer: a grant's own record brings it, and no other.
func (s *lockstep) written(r journal.Result) [][]gate.Event {
	n, ok := s.grants[r.Step]
	delete(s.grants, r.Step)
	switch {
	case !ok:
		return nothing()
	case r.Err != nil:
		return [][]gate.Event{{{Kind: gate.EvCommitFailed, N: n}}}
	}
	return [][]gate.Event{{{Kind: gate.EvCommitted, N: n}}}
}

// waits: who waits for something waits with a timer, so that nothing is stuck for ever.
func (s *lockstep) waits(m gate.Model) {
	has := func(t gate.Timer) bool { _, ok := s.armed[t]; return ok }
	switch {
	case m.Passage != gate.PasEmpty && !has(gate.TimerPassage) && !has(gate.TimerCommit):
		s.fail("the passage is %v without a timer", m.Passage)
	case m.Reception != gate.RecIdle && m.Reception != gate.RecNotice && !has(gate.TimerReception):
		s.fail("reception is %v without a timer", m.Reception)
	case m.Grant != gate.GrantNone && !has(gate.TimerCommit):
		s.fail("a grant waits without a timer")
	case m.Mode == gate.ModeRecovering && m.Fire == gate.High && !has(gate.TimerRecover):
		s.fail("recovery without a timer")
	}
	for d := range gate.Door(2) {
		if m.Cmd[d] == gate.CmdClose && !has(gate.TimerEntry+gate.Timer(d)) {
			s.fail("the %v door closes without a timer", d)
		}
	}
}

// note keeps the last words of a run, for its trace.
func (s *lockstep) note(format string, a ...any) {
	if len(s.log) >= 400 {
		s.log = append(s.log[:0], s.log[200:]...)
	}
	s.log = append(s.log, fmt.Sprintf(format, a...))
}

func text(e gate.Event) string {
	t := e.Kind.String()
	switch e.Kind {
	case gate.EvDoorMoved:
		t += fmt.Sprintf(" %v %v", e.Door, e.Pos)
	case gate.EvBeamed:
		t += fmt.Sprintf(" %v %v", e.Door, e.Tri)
	case gate.EvCounted:
		t += fmt.Sprintf(" %v %v", e.Count, e.Door)
	case gate.EvFire:
		t += " " + e.Tri.String()
	case gate.EvObject, gate.EvFault, gate.EvLease:
		t += fmt.Sprintf(" %v", e.On)
	case gate.EvTimer:
		t += fmt.Sprintf(" %d", e.Timer)
	case gate.EvOrder:
		t += fmt.Sprintf(" %d lane %d mine %v", e.Order, e.Lane, e.Mine)
	case gate.EvChecked, gate.EvVerdict:
		t += fmt.Sprintf(" %v %v", e.Outcome, e.Reason)
	}
	if e.Slot != gate.NoSlot {
		t += " of " + e.Slot.String()
	}
	return t
}

// difference names the fields in which two models differ.
func difference(a, b gate.Model) string {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	var out []string
	for i := range x.NumField() {
		if !x.Field(i).Equal(y.Field(i)) {
			out = append(out, fmt.Sprintf("%s %v → %v", x.Type().Field(i).Name, x.Field(i), y.Field(i)))
		}
	}
	return strings.Join(out, ", ")
}

// submitted notes a record of this turn; it runs in the loop's goroutine.
func (s *lockstep) submitted(r journal.Record) {
	var body struct {
		Model gate.Model `json:"model"`
	}
	if err := json.Unmarshal(r.Model, &body); err != nil {
		panic(err)
	}
	s.mu.Lock()
	s.records = append(s.records, record{r.Step, body.Model})
	s.mu.Unlock()
}

// only is a way of one event, or of none where the loop has no use for the input.
func only(e gate.Event) func() [][]gate.Event {
	return func() [][]gate.Event { return [][]gate.Event{{e}, nil} }
}

// surely is a way of one event that the loop must take.
func surely(e gate.Event) func() [][]gate.Event {
	return func() [][]gate.Event { return [][]gate.Event{{e}} }
}

func nothing() [][]gate.Event { return [][]gate.Event{nil} }

// orderWays are the events that an order can become: whose referral it is about is looked up by the loop.
func orderWays(o gate.Order) func() [][]gate.Event {
	return func() (ways [][]gate.Event) {
		for lane := gate.LaneNone; lane <= gate.LanePassage; lane++ {
			for k := range 4 {
				ways = append(ways, []gate.Event{{Kind: gate.EvOrder, Order: o, Lane: lane, Mine: k&1 != 0, Second: k&2 != 0}})
			}
		}
		return append(ways, nil)
	}
}
