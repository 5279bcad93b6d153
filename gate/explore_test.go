package gate

import (
	"fmt"
	"strings"
	"testing"

	"egate/verdict"
)

// node is a state of the explorer: the model and which timers run.
type node struct {
	M     Model
	Armed uint16
}

// canonical forgets what the machine's behaviour does not depend on: the number of a grant that nobody
// waits for, and reasons that are only told.
func canonical(n node) node {
	m := &n.M
	if m.Grant == GrantNone {
		m.GrantID = 0
	} else {
		m.GrantID = 1
	}
	switch m.PReason {
	case verdict.ReasonNone, verdict.OK, verdict.TwoPersons, verdict.IntruderDuringRelease:
	default:
		m.PReason = verdict.StageTimeout
	}
	if m.RReason != verdict.ReasonNone {
		m.RReason = verdict.StageTimeout
	}
	if m.POutcome == verdict.RefuseAndHold {
		m.POutcome = verdict.Refer
	}
	return n
}

// apply makes one step and keeps the book of the timers.
func apply(n node, e Event) (node, []Action) {
	armed := n.Armed
	if e.Kind == EvTimer {
		armed &^= 1 << e.Timer
	}
	if e.Kind == EvCommitted {
		e.N = n.M.GrantID
	}
	m, acts := Step(n.M, e)
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

// invariant is a law with a name. It returns whether it had something to say, and what is wrong.
type invariant struct {
	name  string
	check func(before node, e Event, after node, acts []Action) (said bool, wrong string)
}

func has(acts []Action, k ActionKind) bool {
	for _, a := range acts {
		if a.Kind == k {
			return true
		}
	}
	return false
}

func opens(acts []Action, d Door) bool {
	for _, a := range acts {
		if a.Kind == ActOpen && a.Door == d {
			return true
		}
	}
	return false
}

var invariants = []invariant{
	{"P-03 never both doors unlocked outside emergency release and recovery", func(_ node, _ Event, n node, _ []Action) (bool, string) {
		if n.M.Mode == ModeEmergency || n.M.Mode == ModeRecovering {
			return false, ""
		}
		said := !n.M.Locked[Entry] || !n.M.Locked[Exit]
		if !n.M.Locked[Entry] && !n.M.Locked[Exit] {
			return true, "both doors are unlocked"
		}
		return said, ""
	}},
	{"P-04 the exit opens only for a committed grant or for whom it was closing on", func(b node, e Event, _ node, acts []Action) (bool, string) {
		if !opens(acts, Exit) {
			return false, ""
		}
		again := b.M.Cmd[Exit] != CmdNone // blocked while closing, or slow while opening
		granted := e.Kind == EvCommitted && (b.M.Grant == GrantExit && b.M.Allowed || b.M.Grant == GrantOrder)
		if !again && !granted {
			return true, "the exit was opened without a grant"
		}
		return true, ""
	}},
	{"P-04 the entry opens for a committed grant, the way back, or whom it was closing on", func(b node, e Event, a node, acts []Action) (bool, string) {
		if !opens(acts, Entry) {
			return false, ""
		}
		if b.M.Cmd[Entry] == CmdNone && !(e.Kind == EvCommitted && b.M.Grant == GrantEntry) && a.M.Passage != PasLeave && a.M.Mode != ModeRecovering {
			return true, "the entry was opened without a grant"
		}
		return true, ""
	}},
	{"P-03 a door is opened only while the other is proven closed", func(b node, _ Event, a node, acts []Action) (bool, string) {
		said := false
		for _, d := range []Door{Entry, Exit} {
			if opens(acts, d) && b.M.Cmd[d] == CmdNone {
				said = true
				if a.M.Pos[d.Other()] != PosClosed {
					return true, d.String() + " opened while the other is " + a.M.Pos[d.Other()].String()
				}
			}
		}
		return said, ""
	}},
	{"D-05 no close into a broken or unknown beam, nor in the guard time", func(_ node, _ Event, a node, acts []Action) (bool, string) {
		said := false
		for _, x := range acts {
			if x.Kind == ActClose {
				said = true
				if a.M.Beam[x.Door] != Low || a.M.Guard[x.Door] {
					return true, "closed into a beam"
				}
			}
		}
		return said, ""
	}},
	{"D-02 an alarm or unknown fire input releases in the same step", func(b node, e Event, a node, acts []Action) (bool, string) {
		if e.Kind != EvFire || e.Tri == High || b.M.Mode == ModeEmergency || b.M.Mode == ModeRecovering && e.Tri == Unknown {
			return false, ""
		}
		if !has(acts, ActRelease) || a.M.Mode != ModeEmergency {
			return true, "not released"
		}
		return true, ""
	}},
	{"P-08 the exit button opens a way to the side of origin from every state with a person inside", func(b node, e Event, a node, _ []Action) (bool, string) {
		if e.Kind != EvExitButton || b.M.Passage == PasEmpty || b.M.Occ == CountZero || b.M.Mode != ModeOpen && b.M.Mode != ModeClosed {
			return false, ""
		}
		if a.M.Passage != PasLeave && !(a.M.Passage == PasRelease && a.M.exitOpened()) && a.M.Passage != PasClear {
			return true, "still " + a.M.Passage.String()
		}
		return true, ""
	}},
	{"S-01 frames only with exactly one person behind closed doors", func(_ node, _ Event, a node, acts []Action) (bool, string) {
		if !has(acts, ActCapture) {
			return false, ""
		}
		if !a.M.closed() || a.M.Occ != CountOne {
			return true, "captured without one person secured"
		}
		return true, ""
	}},
	{"S-01 an allow lives only in an unbroken occupancy", func(_ node, _ Event, n node, _ []Action) (bool, string) {
		if n.M.Passage != PasRelease || n.M.Grant != GrantExit {
			return false, ""
		}
		if !n.M.Allowed || n.M.Pos[Entry] != PosClosed || n.M.Occ != CountOne {
			return true, "the allow outlived its occupancy"
		}
		return true, ""
	}},
	{"every stage has its limit", func(_ node, _ Event, n node, _ []Action) (bool, string) {
		if n.M.Mode == ModeEmergency {
			return false, ""
		}
		if n.M.Passage != PasEmpty && n.Armed&(1<<TimerPassage|1<<TimerCommit) == 0 {
			return true, "passage " + n.M.Passage.String() + " without a timer"
		}
		if n.M.Reception != RecIdle && n.M.Reception != RecNotice && n.Armed&(1<<TimerReception) == 0 {
			return true, "reception " + n.M.Reception.String() + " without a timer"
		}
		if n.M.Grant != GrantNone && n.Armed&(1<<TimerCommit) == 0 {
			return true, "a grant waits without a timer"
		}
		return n.M.Passage != PasEmpty, ""
	}},
	{"P-05 two inspectors never share a role", func(_ node, _ Event, n node, _ []Action) (bool, string) {
		if n.M.RSlot == NoSlot || n.M.PSlot == NoSlot {
			return false, ""
		}
		if n.M.RSlot == n.M.PSlot {
			return true, "one inspector has both travellers"
		}
		return true, ""
	}},
	{"P-05 what the inspector at the reader says moves no door", func(b node, e Event, _ node, acts []Action) (bool, string) {
		if e.Slot == NoSlot || e.Slot != b.M.RSlot || e.Slot == b.M.PSlot || e.Kind == EvExited || e.Kind == EvLifted {
			return false, ""
		}
		if opens(acts, Exit) || opens(acts, Entry) {
			return true, e.Kind.String() + " opened a door"
		}
		return true, ""
	}},
	{"DP-05 no inspection begins without an accepted notice", func(b node, e Event, _ node, acts []Action) (bool, string) {
		if !has(acts, ActBegin) {
			return false, ""
		}
		if e.Kind != EvAccepted || b.M.Reception != RecNotice {
			return true, "begun without a choice"
		}
		return true, ""
	}},
	{"P-13 the document is lifted before the entry is granted", func(b node, _ Event, a node, _ []Action) (bool, string) {
		if b.M.Grant == GrantEntry || a.M.Grant != GrantEntry {
			return false, ""
		}
		if b.M.Reception != RecWait && b.M.Doc && a.M.Doc {
			return true, "granted with a document on the reader"
		}
		return true, ""
	}},
	{"O-01 no new traveller without a lease", func(_ node, e Event, a node, acts []Action) (bool, string) {
		if !has(acts, ActBegin) && !has(acts, ActAdmit) {
			return false, ""
		}
		if !a.M.Lease || a.M.Mode != ModeOpen || a.M.Blocked {
			return true, "served without a lease"
		}
		return true, ""
	}},
	{"P-15 recovery grants nothing and ends with an empty, locked mantrap", func(b node, _ Event, a node, _ []Action) (bool, string) {
		if b.M.Mode != ModeRecovering || a.M.Mode == ModeRecovering || a.M.Mode == ModeEmergency {
			return false, ""
		}
		if !a.M.closed() || !a.M.empty() || !a.M.Locked[Entry] || !a.M.Locked[Exit] || a.M.Grant != GrantNone {
			return true, "recovered into an unproven state"
		}
		return true, ""
	}},
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
	for _, on := range []bool{false, true} {
		out = append(out, Event{Kind: EvObject, On: on}, Event{Kind: EvLease, On: on}, Event{Kind: EvFault, On: on})
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
			out = append(out, Event{Kind: k, Slot: sl, Outcome: verdict.Allow, Reason: verdict.OK},
				Event{Kind: k, Slot: sl, Outcome: verdict.Refer, Reason: verdict.FaceMismatch})
		}
	}
	for o := OrderTake; o < orderEnd; o++ {
		for _, l := range []Lane{LaneReception, LanePassage} {
			for _, mine := range []bool{false, true} {
				out = append(out, Event{Kind: EvOrder, Order: o, Lane: l, Mine: mine})
			}
		}
	}
	for t := TimerReception; t < timerEnd; t++ {
		out = append(out, Event{Kind: EvTimer, Timer: t})
	}
	return out
}

func (e Event) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", e.Kind)
	switch e.Kind {
	case EvDoorMoved:
		fmt.Fprintf(&b, " %s %s", e.Door, e.Pos)
	case EvBeamed:
		fmt.Fprintf(&b, " %s %s", e.Door, e.Tri)
	case EvCounted:
		fmt.Fprintf(&b, " %s", e.Count)
	case EvObject, EvLease, EvFault:
		fmt.Fprintf(&b, " %v", e.On)
	case EvFire:
		fmt.Fprintf(&b, " %s", e.Tri)
	case EvTimer:
		fmt.Fprintf(&b, " %d", e.Timer)
	case EvOrder:
		fmt.Fprintf(&b, " %d lane %d mine %v", e.Order, e.Lane, e.Mine)
	}
	if e.Slot != NoSlot {
		fmt.Fprintf(&b, " slot %s %s", e.Slot, e.Outcome)
	}
	return b.String()
}

// world restricts the alphabet, so that one exploration is exhaustive within it.
type world struct {
	name string
	keep func(n node, e Event) bool
}

// possible leaves out what cannot happen: timers that do not run, words of inspectors that do not live.
func possible(n node, e Event) bool {
	switch e.Kind {
	case EvTimer:
		return n.Armed&(1<<e.Timer) != 0
	case EvCommitted, EvCommitFailed:
		return n.M.Grant != GrantNone
	case EvOrder:
		if e.Order == OrderTake || e.Order == OrderReturn || e.Order == OrderAccept || e.Order == OrderSendBack || e.Order == OrderHold || e.Order == OrderOpenExit {
			return true
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

// The product of everything is too large to walk; each world below is walked whole. What a world
// leaves out, the random walks of TestRandomWalks have.
var worlds = []world{
	{"doors and people: every reading of every sensor, one traveller, a lease that stays", func(n node, e Event) bool {
		if e.Slot == Slot2 || e.Kind == EvSilent || e.Kind == EvFault || e.Kind == EvMore || e.Kind == EvPrompt || e.Kind == EvBroken ||
			e.Kind == EvLease && !e.On || e.Kind == EvTimer && e.Timer == TimerSlot2 || e.Kind == EvOrder && e.Lane == LaneReception ||
			e.Kind == EvDoorMoved && e.Pos == PosUnknown || e.Kind == EvBeamed && e.Tri == Unknown || e.Kind == EvObject {
			return false
		}
		if e.Kind == EvFire && e.Tri == Unknown || e.Kind == EvCounted && e.Count == CountUnknown {
			return false
		}
		return true
	}},
	{"documents: two inspectors, lease and faults, doors that obey", func(n node, e Event) bool {
		switch e.Kind {
		case EvDoorMoved:
			return e.Pos == PosClosed && n.M.Cmd[e.Door] != CmdOpen || e.Pos == PosOpen && n.M.Cmd[e.Door] == CmdOpen
		case EvBeamed:
			return e.Tri == Low
		case EvFire:
			return e.Tri == High
		case EvCounted:
			return e.Count == CountZero || e.Count == CountOne && (n.M.Cmd[Entry] == CmdOpen || n.M.Occ == CountOne)
		case EvObject, EvHeads, EvTrackLost, EvBroken, EvCommitFailed:
			return false
		case EvTimer:
			return e.Timer == TimerReception || e.Timer == TimerPassage || e.Timer == TimerSlot1 || e.Timer == TimerSlot2 || e.Timer == TimerGuard || e.Timer == TimerGuardX
		case EvOrder:
			return e.Order == OrderTake && e.Mine || e.Order == OrderSendBack && e.Mine
		case EvMore, EvPrompt:
			return false
		}
		return true
	}},
}

// TestExplorer walks every reachable state of each world and holds every law on every transition:
// P-01, P-03, P-04, P-05, P-08, P-13, P-15, D-02, D-05, S-01, O-01, DP-05.
func TestExplorer(t *testing.T) {
	all := events()
	bound := 400_000 // breadth first: the shortest traces
	if raceEnabled {
		bound = 30_000
	}
	for _, w := range worlds {
		start := canonical(node{M: New(true)})
		type from struct {
			prev int32
			e    uint8
		}
		index := map[node]int32{start: 0}
		states := []node{start}
		came := []from{{-1, 0}}
		said := make([]int, len(invariants))
		transitions, whole := 0, true
		for i := 0; i < len(states); i++ {
			n := states[i]
			for k, e := range all {
				if !possible(n, e) || !w.keep(n, e) {
					continue
				}
				after, acts := apply(n, e)
				transitions++
				for j, inv := range invariants {
					yes, wrong := inv.check(n, e, after, acts)
					if yes {
						said[j]++
					}
					if wrong != "" {
						var trace []string
						for at := int32(i); at > 0; at = came[at].prev {
							trace = append([]string{all[came[at].e].text()}, trace...)
						}
						t.Fatalf("%s: %s: %s\ntrace:\n  %s\n  %s\nmodel %+v", w.name, inv.name, wrong, strings.Join(trace, "\n  "), e.text(), after.M)
					}
				}
				c := canonical(after)
				if _, seen := index[c]; !seen {
					if len(states) >= bound {
						whole = false
						continue
					}
					index[c] = int32(len(states))
					states = append(states, c)
					came = append(came, from{int32(i), uint8(k)})
				}
			}
		}
		t.Logf("%s: %d states, %d transitions, whole: %v", w.name, len(states), transitions, whole)
		for j, inv := range invariants {
			t.Logf("  %9d times: %s", said[j], inv.name)
		}
	}
}
