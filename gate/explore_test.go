package gate

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"egate/verdict"
)

// node is a state of the explorer: the model and which timers run.
type node struct {
	M     Model
	Armed uint16
}

// normal makes a node forget what the machine's behaviour does not depend on, so that two states that can
// never be told apart are one: the number of a grant (nobody waits for it, or the one that does), reasons that
// are only told, how often a thing was tried where that only decides when the officer is told (the world
// "tries" keeps it), an unknown beam and a broken one, a door that is between and one whose place nobody
// knows, an unhealthy and an unknown fire input once it has been read.
func (w *world) normal(n *node) {
	m := &n.M
	reason, outcome := m.PReason, m.POutcome
	if m.Grant == GrantNone {
		m.GrantID = 0
	} else {
		m.GrantID = 1
	}
	switch reason {
	case verdict.ReasonNone, verdict.TwoPersons, verdict.IntruderDuringRelease:
	default: // one for all that the same officers may overturn, where that matters
		m.PReason = verdict.StageTimeout
		if w.desk && m.Passage == PasRefer {
			switch who, _ := reason.Overturn(); who {
			case verdict.TwoOfficers:
				m.PReason = verdict.OccupancyChanged
			case verdict.StaffedLane:
				m.PReason = verdict.PADFailed
			}
		}
	}
	if m.RReason != verdict.ReasonNone {
		m.RReason = verdict.StageTimeout
	}
	if m.POutcome = verdict.OutcomeNone; m.PReason != verdict.ReasonNone {
		m.POutcome = verdict.Refer
		if m.Passage == PasRefer && outcome == verdict.RefuseAndHold {
			m.POutcome = verdict.RefuseAndHold
		}
	}
	if !w.tries {
		m.Tries = [2]uint8{}
		switch m.Passage {
		case PasAdmit:
		case PasCapture: // a face may be lost once more, or not: the world "tries" counts
			m.PTries = max(m.PTries, maxTries-2)
		case PasRefer: // every prompt for an officer but the last is like the one before it
			m.PTries = max(m.PTries, maxTries-1)
		default:
			m.PTries = 0
		}
		if m.Reception == RecRefer {
			m.RTries = max(m.RTries, maxTries-1)
		}
	}
	for d := range m.Beam {
		if m.Beam[d] == Unknown && m.has(Door(d)) {
			m.Beam[d] = High
		}
		if m.Pos[d] == PosUnknown && m.has(Door(d)) {
			m.Pos[d] = PosBetween
		}
	}
	if m.Mode != ModeRecovering && m.Fire == Unknown {
		m.Fire = Low
	}
}

// canonical is normal, and one of two for nodes that differ in nothing but which place an inspector has.
func (w *world) canonical(n *node) {
	w.normal(n)
	if places(n.M.Slots[1], n.M.Slots[0], n.M.Reader.other(), n.M.Camera.other(), n.M.RSlot.other(), n.M.PSlot.other()) <
		places(n.M.Slots[0], n.M.Slots[1], n.M.Reader, n.M.Camera, n.M.RSlot, n.M.PSlot) {
		*n = swapped(*n)
	}
}

func places(a, b SlotState, r, c, rs, ps Slot) int {
	return int(a)<<12 | int(b)<<8 | int(r)<<6 | int(c)<<4 | int(rs)<<2 | int(ps)
}

// swapped is a node with the places of the two inspectors exchanged.
func swapped(n node) node {
	m := &n.M
	m.Slots[0], m.Slots[1] = m.Slots[1], m.Slots[0]
	for _, s := range []*Slot{&m.Reader, &m.Camera, &m.RSlot, &m.PSlot} {
		*s = s.other()
	}
	a := n.Armed
	n.Armed = a&^(1<<TimerSlot1|1<<TimerSlot2) | a>>TimerSlot1&1<<TimerSlot2 | a>>TimerSlot2&1<<TimerSlot1
	return n
}

func (s Slot) other() Slot {
	if s == NoSlot {
		return NoSlot
	}
	return Slot1 + Slot2 - s
}

// swapped is the event of the other inspector.
func (e Event) swapped() Event {
	e.Slot = e.Slot.other()
	switch e.Timer {
	case TimerSlot1:
		e.Timer = TimerSlot2
	case TimerSlot2:
		e.Timer = TimerSlot1
	}
	return e
}

// table numbers nodes: open addressing over their numbers, with a part of the hash that saves a look at most
// nodes that are others.
type table struct {
	nodes []line
	at    []uint64 // hash<<32 | number+1, 0: free; a power of two, at most half full
}

// line is a node in one line of the processor's cache.
type line struct {
	node
	_ [64 - unsafe.Sizeof(node{})]byte
}

// find is the number of a node, which is a new one where it was not known.
func (t *table) find(n *node, add bool) (number int32, known bool) {
	if 2*len(t.nodes) >= len(t.at) {
		t.grow()
	}
	h := hash(n)
	for i := h; ; i++ {
		switch x := t.at[i&uint64(len(t.at)-1)]; {
		case x == 0:
			if !add {
				return -1, false
			}
			t.nodes = append(t.nodes, line{node: *n})
			t.at[i&uint64(len(t.at)-1)] = h&^(1<<32-1) | uint64(len(t.nodes))
			return int32(len(t.nodes) - 1), false
		case x>>32 == h>>32 && t.nodes[uint32(x)-1].node == *n:
			return int32(uint32(x) - 1), true
		}
	}
}

func (t *table) grow() {
	t.at = make([]uint64, max(1<<12, 4*len(t.at)))
	for k := range t.nodes {
		h := hash(&t.nodes[k].node)
		i := h
		for t.at[i&uint64(len(t.at)-1)] != 0 {
			i++
		}
		t.at[i&uint64(len(t.at)-1)] = h&^(1<<32-1) | uint64(k+1)
	}
}

var seed = maphash.MakeSeed()

// hash is of all bytes of a node. Model has no padding, as TestModelIsBytes holds.
func hash(n *node) uint64 {
	return maphash.Bytes(seed, (*[unsafe.Sizeof(Model{})]byte)(unsafe.Pointer(&n.M))[:]) + uint64(n.Armed)*0x9e3779b97f4a7c15
}

// apply makes one step and keeps the book of the timers.
func apply(n node, e Event, buf []Action) (node, []Action) {
	armed := n.Armed
	if e.Kind == EvTimer {
		armed &^= 1 << e.Timer
	}
	if e.Kind == EvCommitted || e.Kind == EvCommitFailed {
		e.N = n.M.GrantID
	}
	m, acts := StepInto(buf, n.M, e)
	for _, a := range acts {
		switch a.Kind {
		case ActStart:
			armed |= 1 << a.Timer
		case ActStop:
			armed &^= 1 << a.Timer
		}
	}
	return node{m, armed}, acts
}

// events is the whole alphabet, reasons aside.
func events() []Event {
	var out []Event
	for _, d := range []Door{Entry, Exit} {
		for _, p := range []Position{PosUnknown, PosClosed, PosBetween, PosOpen} {
			out = append(out, Event{Kind: EvDoorMoved, Door: d, Pos: p})
		}
		for _, t := range []Tri{Unknown, Low, High} {
			out = append(out, Event{Kind: EvBeamed, Door: d, Tri: t})
		}
	}
	for _, c := range []Count{CountUnknown, CountZero, CountOne, CountMany} {
		out = append(out, Event{Kind: EvCounted, Count: c})
	}
	out = append(out, Event{Kind: EvDoorMoved, Door: Entry, Pos: PosClosed, On: true}, Event{Kind: EvDoorMoved, Door: Exit, Pos: PosClosed, On: true})
	out = append(out, Event{Kind: EvCounted, Count: CountZero, Door: Exit}, Event{Kind: EvCounted, Count: CountOne, Door: Exit})
	for _, on := range []bool{false, true} {
		out = append(out, Event{Kind: EvObject, On: on}, Event{Kind: EvLease, On: on}, Event{Kind: EvShift, On: on}, Event{Kind: EvFault, On: on})
	}
	for _, t := range []Tri{Unknown, Low, High} {
		out = append(out, Event{Kind: EvFire, Tri: t})
	}
	for _, k := range []Kind{EvStarted, EvExitButton, EvAccepted, EvDeclined, EvMore, EvCommitted, EvCommitFailed} {
		out = append(out, Event{Kind: k})
	}
	for _, sl := range []Slot{Slot1, Slot2} {
		for _, k := range []Kind{EvReady, EvLaid, EvLifted, EvTrackLost, EvReaderFree, EvCameraFree, EvExited, EvSilent, EvBroken} {
			out = append(out, Event{Kind: k, Slot: sl})
		}
		out = append(out, Event{Kind: EvPrompt, Slot: sl, Reason: verdict.MRZUnreadable}, Event{Kind: EvHeads, Slot: sl, N: 2})
		for _, k := range []Kind{EvChecked, EvVerdict} {
			if k == EvChecked {
				out = append(out, Event{Kind: k, Slot: sl, Outcome: verdict.RefuseAndHold, Reason: verdict.CentreHit})
			}
			out = append(out, Event{Kind: k, Slot: sl, Outcome: verdict.Allow, Reason: verdict.OK},
				Event{Kind: k, Slot: sl, Outcome: verdict.Refer, Reason: verdict.FaceMismatch}, Event{Kind: k, Slot: sl, Outcome: verdict.Refer, Reason: verdict.PADFailed})
		}
	}
	for o := OrderTake; o < OrderHandOver; o++ {
		for _, l := range []Lane{LaneReception, LanePassage} {
			for _, mine := range []bool{false, true} {
				out = append(out, Event{Kind: EvOrder, Order: o, Lane: l, Mine: mine})
			}
		}
	}
	for what := HandReception; what <= HandReception|HandPassage; what++ {
		out = append(out, Event{Kind: EvOrder, Order: OrderHandOver, Lane: LanePassage, Mine: true, Second: true, N: what})
	}
	out = append(out, Event{Kind: EvOrder, Order: OrderAccept, Lane: LanePassage, Second: true},
		Event{Kind: EvOwnerLost, Lane: LaneReception}, Event{Kind: EvOwnerLost, Lane: LanePassage})
	for t := TimerReception; t < timerEnd; t++ {
		out = append(out, Event{Kind: EvTimer, Timer: t})
	}
	return out
}

// possible leaves out what cannot happen: timers that do not run, words of inspectors that do not live.
func possible(n *node, e Event) bool {
	switch e.Kind {
	case EvCounted:
		// Who leaves does so while that door is open; a mantrap is left by the one that is.
		return e.Door == Entry || n.M.Passage == PasRelease && e.Count < n.M.Occ && (e.Count == CountOne || n.M.Topology == OneStep)
	case EvDoorMoved, EvBeamed:
		return n.M.has(e.Door)
	case EvTimer:
		return n.Armed&(1<<e.Timer) != 0
	case EvCommitted, EvCommitFailed:
		return n.M.Grant != GrantNone
	case EvOwnerLost:
		return e.Lane == LaneReception && n.M.RRef == RefTaken || e.Lane == LanePassage && n.M.PRef == RefTaken
	case EvOrder:
		switch e.Order {
		case OrderTake, OrderReturn, OrderAccept, OrderSendBack, OrderHold, OrderOpenExit:
			return true
		case OrderHandOver: // what is owned
			return (e.N&HandReception == 0 || n.M.RRef == RefTaken) && (e.N&HandPassage == 0 || n.M.PRef == RefTaken || n.M.Passage == PasHold)
		}
		return e.Lane == LanePassage && e.Mine
	}
	if e.Slot == NoSlot {
		return true
	}
	st := n.M.Slots[e.Slot.Index()]
	switch e.Kind {
	case EvReady:
		return st == SlotStarting
	case EvExited, EvSilent:
		return st != SlotFree && st != SlotPaused
	}
	return st == SlotBegun
}

// fair tells whether a world that means well may do this: doors that obey, people who walk out of an
// open door, beams that clear, faults that are mended, records that are written. Nobody touches the
// screen, no inspector says anything, no officer decides: what remains must still end in rest.
func fair(n *node, e Event) bool {
	m := &n.M
	switch e.Kind {
	case EvDoorMoved:
		return !e.On && m.Pos[e.Door] != e.Pos && (e.Pos == PosClosed && m.Cmd[e.Door] == CmdClose || e.Pos == PosOpen && m.Cmd[e.Door] == CmdOpen)
	case EvBeamed:
		return e.Tri == Low
	case EvCounted:
		return e.Count == CountZero && (!m.has(Entry) || m.Pos[Entry] == PosOpen || m.Pos[Exit] == PosOpen) || m.Occ == CountUnknown && e.Count <= CountOne
	case EvObject, EvFault, EvShift:
		return !e.On
	case EvLease:
		return e.On
	case EvFire:
		return e.Tri == High
	case EvOwnerLost:
		return true // an officer who does nothing signs out in the end
	case EvReady, EvExited, EvReaderFree, EvCameraFree, EvTimer, EvCommitted, EvLifted:
		return e.Kind != EvExited || m.Slots[e.Slot.Index()] == SlotEnding
	case EvOrder:
		return e.Order == OrderEndEmergency || e.Order == OrderOpenGate || e.Order == OrderLetGo || e.Order == OrderService && m.Untested
	}
	return false
}

// own tells of the fair moves that the gate makes by itself: doors, its disk, its inspectors. None of them waits for a
// timer or a person.
func own(k Kind) bool {
	switch k {
	case EvDoorMoved, EvCommitted, EvReady, EvExited, EvReaderFree, EvCameraFree:
		return true
	}
	return false
}

// rest is the state that everything comes back to: the notice is shown to the next traveller.
func rest(n *node) bool {
	return n.M.Mode == ModeOpen && n.M.Reception == RecNotice && n.M.Passage == PasEmpty && n.M.closed()
}

// move is one event, or several that a world takes for one: what it does not look into.
type move struct {
	events []Event
	when   func(n *node) bool // nil: where its one event is possible and the world keeps it
}

func single(e Event) move {
	return move{events: []Event{e}}
}

func (mv move) text() string {
	var out []string
	for _, e := range mv.events {
		out = append(out, e.text())
	}
	return strings.Join(out, "\n")
}

// world is a part of everything that can happen, walked whole.
type world struct {
	name     string
	topology Topology
	more     []move // besides the alphabet
	keep     filter // of the alphabet
	shut     bool   // begin with a gate that is to be closed, too
	desk     bool   // officers may accept: who may overturn a referral matters
	tries    bool   // keep how often things were tried
}

// walk is what the exploration of one world found.
type walk struct {
	states, transitions int
	whole               bool
	said                []int
	away, moving        int    // states that are not at rest, and those that the gate leaves by itself
	trace               string // of a counterexample
	wrong               string
	traps               int
	seen                observed
}

// watch sees every step of a walk: what compares the machine with another one (test/mutate/guards).
var watch func(before *node, e Event, after *node, acts []Action)

func (w *world) explore(bound int) *walk {
	moves := append([]move(nil), w.more...)
	for _, e := range events() {
		if w.keep.of(e) && (w.desk || e.Kind != EvVerdict || e.Reason != verdict.PADFailed) { // the same as any other refusal where nobody may accept
			moves = append(moves, single(e))
		}
	}
	out := &walk{whole: true, said: make([]int, len(invariants))}
	type from struct {
		prev int32
		mv   int16
	}
	var seen table
	var came []from
	starts := []node{{M: New(w.topology, true)}}
	if w.shut {
		starts = append(starts, node{M: New(w.topology, false)})
	}
	for _, n := range starts {
		w.canonical(&n)
		if _, known := seen.find(&n, true); !known {
			came = append(came, from{-1, 0})
		}
	}
	var good, self targets // of fair moves, and of those that the gate makes by itself
	// trace is the way to a state with its real names: a state stands for its mirror image, too.
	trace := func(at int32, last *move) string {
		var way []int32
		end := at
		for ; came[at].prev >= 0; at = came[at].prev {
			way = append([]int32{at}, way...)
		}
		n, out := seen.nodes[at].node, []string(nil)
		tell := func(mv *move, want *node) {
			for k := range 2 * maxTries { // one try may stand for several
				mirror, x, lines := k%2 == 1, n, []string(nil)
				for _, e := range slices.Repeat(mv.events, 1+k/2) {
					if mirror {
						e = e.swapped()
					}
					lines = append(lines, e.text())
					x, _ = apply(x, e, nil)
				}
				here, there := n, x
				w.normal(&here)
				w.canonical(&there)
				if want == nil && mirror == (here != seen.nodes[end].node) || want != nil && there == *want {
					n, out = x, append(out, lines...)
					return
				}
			}
		}
		for _, at := range way {
			tell(&moves[came[at].mv], &seen.nodes[at].node)
		}
		if last != nil {
			tell(last, nil)
		}
		return strings.Join(out, "\n")
	}
	var asked asked
	buf := make([]Action, 0, 64)
	var start, n, after, canonical node // here, and not in the loops: each would be an allocation of its own
	for i := int32(0); int(i) < len(seen.nodes); i++ {
		good.next()
		self.next()
		start = seen.nodes[i].node
		for k := range moves {
			mv := &moves[k]
			if mv.when != nil {
				if !mv.when(&start) {
					continue
				}
			} else if e := mv.events[0]; !possible(&start, e) || w.keep.in != nil && !w.keep.in(&start, e) {
				continue
			}
			n = start
			isFair, isOwn, at := true, true, i
			for last, e := range mv.events {
				var acts []Action
				after, acts = apply(n, e, buf[:0])
				out.transitions++
				isFair, isOwn = isFair && fair(&n, e), isOwn && own(e.Kind)
				when := happened(&n.M, e, &after.M, acts)
				if at = i; after != start {
					canonical = after
					w.canonical(&canonical)
					var known bool
					if at, known = seen.find(&canonical, last == len(mv.events)-1 && len(seen.nodes) < bound); !known {
						when |= state
						if at >= 0 {
							came = append(came, from{i, int16(k)})
						}
					}
				}
				for laws := asked.of(when); laws != nothing; {
					j := laws.next()
					yes, wrong := invariants[j].check(&n, e, &after, acts)
					if yes {
						out.said[j]++
					}
					if wrong != "" {
						out.wrong = fmt.Sprintf("%s: %s\nmodel before %+v armed %b\nmodel after %+v", invariants[j].name, wrong, n.M, n.Armed, after.M)
						out.trace = trace(i, mv)
						out.states = len(seen.nodes)
						return out
					}
				}
				out.seen.note(&n, e, &after, acts)
				if watch != nil {
					watch(&n, e, &after, acts)
				}
				n = after
			}
			switch {
			case at < 0:
				out.whole = false
			case isFair && at != i:
				if good.to = append(good.to, at); isOwn {
					self.to = append(self.to, at)
				}
			}
		}
	}
	good.next()
	self.next()
	out.states = len(seen.nodes)
	if !out.whole {
		return out
	}
	// From every state a fair world comes to rest (no traps): backward over the fair moves.
	home := make([]bool, len(seen.nodes))
	for i := range home {
		home[i] = rest(&seen.nodes[i].node)
	}
	for again := true; again; {
		again = false
		for i := len(home) - 1; i >= 0; i-- {
			if home[i] {
				continue
			}
			for _, to := range good.of(i) {
				if home[to] {
					home[i], again = true, true
					break
				}
			}
		}
	}
	for i := range home {
		if !rest(&seen.nodes[i].node) {
			out.away++
		}
		if len(self.of(i)) > 0 {
			out.moving++
		}
		if home[i] {
			continue
		}
		if out.traps == 0 {
			n := &seen.nodes[i]
			out.wrong = fmt.Sprintf("%s: there is none\nmodel %+v armed %b", noTrap, n.M, n.Armed)
			out.trace = trace(int32(i), nil)
		}
		out.traps++
	}
	if at := self.cycle(); at >= 0 && out.traps == 0 {
		n := &seen.nodes[at]
		out.wrong = fmt.Sprintf("%s: it comes back here\nmodel %+v armed %b", noCycle, n.M, n.Armed)
		out.trace = trace(at, nil)
	}
	return out
}

// The laws of whole worlds, by name.
const (
	noCycle = "P-06 no cycle without a timer or a person"
	noTrap  = "P-06 from every state a fair world comes back to rest, where the next traveller is invited"
)

// targets are those of the moves of each state, in order.
type targets struct {
	to    []int32
	first []int32
}

func (t *targets) next() { t.first = append(t.first, int32(len(t.to))) }

func (t *targets) of(state int) []int32 { return t.to[t.first[state]:t.first[state+1]] }

// cycle is a state on a cycle or behind one, -1: there is none.
func (t *targets) cycle() int32 {
	states := len(t.first) - 1
	into := make([]int32, states)
	for _, to := range t.to {
		into[to]++
	}
	var free []int32
	for s := range states {
		if into[s] == 0 {
			free = append(free, int32(s))
		}
	}
	for len(free) > 0 {
		s := free[len(free)-1]
		free = free[:len(free)-1]
		for _, to := range t.of(int(s)) {
			if into[to]--; into[to] == 0 {
				free = append(free, to)
			}
		}
	}
	return int32(slices.IndexFunc(into, func(n int32) bool { return n > 0 }))
}

// TestCycle: the search that holds "no cycle without a timer or a person" finds one, and none where there is none.
func TestCycle(t *testing.T) {
	graph := func(moves ...[]int32) *targets {
		var g targets
		for _, to := range moves {
			g.next()
			g.to = append(g.to, to...)
		}
		g.next()
		return &g
	}
	if at := graph([]int32{1, 2}, []int32{2, 3}, []int32{3}, nil).cycle(); at >= 0 {
		t.Errorf("a cycle at %d of a graph without", at)
	}
	if at := graph([]int32{1}, []int32{2, 3}, []int32{1}, nil).cycle(); at != 1 {
		t.Errorf("the cycle between 1 and 2 is told as %d", at)
	}
}

// TestExplorer walks every reachable state of each world and holds every law on every transition, and
// from every state a fair world leads back to rest: P-01, P-03 to P-06, P-08, P-09, P-11, P-13, P-15,
// D-02, D-05, D-08, D-11, S-01, S-02, S-09, O-01, O-03, DP-05, DP-06. What it saw is docs/states.md.
func TestExplorer(t *testing.T) {
	bound := 3_500_000 // a world that is larger is told as not whole
	brief := raceEnabled || testing.Short()
	switch { // breadth first: the shortest traces
	case raceEnabled:
		bound = 1_000 // one goroutine for each world: what it does alone is not the race detector's
	case brief:
		bound = 20_000
	}
	var seen [2]observed
	var states, transitions, away, moving int
	said := make([]int, len(invariants))
	walks := make([]*walk, len(worlds))
	var next atomic.Int32
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for k := next.Add(1) - 1; int(k) < len(worlds); k = next.Add(1) - 1 {
				walks[k] = worlds[k].explore(bound)
			}
		})
	}
	all.Wait()
	for k, r := range walks {
		w := &worlds[k]
		t.Run(w.name, func(t *testing.T) {
			if r.wrong != "" {
				t.Fatalf("%s\n%d traps\ntrace (EGATE_TRACE=FILE go test -run TestReplay -v plays it):\n%s", r.wrong, r.traps, r.trace)
			}
			if !r.whole && !brief {
				t.Errorf("more than %d states: the world was not walked whole", bound)
			}
			t.Logf("%s: %d states, %d transitions, whole: %v", w.name, r.states, r.transitions, r.whole)
		})
		seen[w.topology].join(&r.seen)
		states, transitions, away, moving = states+r.states, transitions+r.transitions, away+r.away, moving+r.moving
		for j := range said {
			said[j] += r.said[j]
		}
	}
	if t.Failed() {
		return
	}
	t.Logf("%d states, %d transitions in %d worlds; how often each law had something to say:", states, transitions, len(worlds))
	for j, inv := range invariants {
		t.Logf("%12d times: %s", said[j], inv.name)
		if said[j] == 0 && !brief {
			t.Errorf("%s: no state of any world made it say anything", inv.name)
		}
	}
	t.Logf("%12d states: %s", away, noTrap)
	t.Logf("%12d states: %s", moving, noCycle)
	if !brief {
		if away == 0 || moving == 0 {
			t.Error("the laws of whole worlds had nothing to say")
		}
		golden(t, "../docs/states.md", statesDoc(&seen))
	}
}
