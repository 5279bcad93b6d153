package gate

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"egate/verdict"
)

// TestRandomWalks leaves nothing out of the alphabet: both inspectors, every reading, every order, every
// reason, long ways. After each way a fair world comes to rest within a bounded number of moves.
func TestRandomWalks(t *testing.T) {
	alphabet := events()
	rapid.Check(t, func(r *rapid.T) {
		n := node{M: New(Topology(rapid.IntRange(0, 1).Draw(r, "topology")), rapid.Bool().Draw(r, "open"))}
		var way []string
		step := func(e Event) {
			after, acts := apply(n, e, nil)
			way = append(way, e.text())
			for _, inv := range invariants {
				if _, wrong := inv.check(&n, e, &after, acts); wrong != "" {
					r.Fatalf("%s: %s\nmodel %+v\n%s", inv.name, wrong, after.M, strings.Join(way, "\n"))
				}
			}
			n = after
		}
		// A start that gets somewhere, so that the walks are not all about recovery.
		for _, e := range []Event{{Kind: EvDoorMoved, Door: Entry, Pos: PosClosed}, {Kind: EvDoorMoved, Door: Exit, Pos: PosClosed}, {Kind: EvBeamed, Door: Entry, Tri: Low},
			{Kind: EvBeamed, Door: Exit, Tri: Low}, {Kind: EvCounted, Count: CountZero}, {Kind: EvFire, Tri: High}, {Kind: EvLease, On: true}} {
			if n.M.has(e.Door) {
				step(e)
			}
		}
		for range rapid.IntRange(10, 300).Draw(r, "length") {
			// Every other step is what a passage would bring next, so that long passages are found.
			if e, ok := likely(n, rapid.IntRange(0, 3).Draw(r, "likely")); ok {
				step(e)
				continue
			}
			e := alphabet[rapid.IntRange(0, len(alphabet)-1).Draw(r, "event")]
			if !possible(&n, e) {
				continue
			}
			if (e.Kind == EvVerdict || e.Kind == EvChecked) && e.Outcome != verdict.Allow {
				e.Reason = verdict.Reason(rapid.IntRange(int(verdict.MRZUnreadable), int(verdict.OfficerHeld)).Draw(r, "reason"))
			}
			step(e)
		}
		for i := 0; !rest(&n); i++ {
			e, ok := next(n, i)
			if !ok || i > 400 {
				r.Fatalf("a fair world does not come to rest\nmodel %+v armed %b\n%s", n.M, n.Armed, strings.Join(way, "\n"))
			}
			step(e)
		}
	})
}

// likely is what a passage without incident brings next; choice 0 and 1 leave it to chance.
func likely(n node, choice int) (Event, bool) {
	m := &n.M
	if choice < 2 || m.Mode != ModeOpen {
		return Event{}, false
	}
	for _, d := range []Door{Entry, Exit} {
		switch {
		case m.Cmd[d] == CmdOpen && m.Pos[d] != PosOpen:
			return Event{Kind: EvDoorMoved, Door: d, Pos: PosOpen}, true
		case m.Cmd[d] == CmdClose && m.Pos[d] != PosClosed:
			return Event{Kind: EvDoorMoved, Door: d, Pos: PosClosed}, true
		}
	}
	for _, sl := range []Slot{Slot1, Slot2} {
		switch m.Slots[sl.Index()] {
		case SlotStarting:
			return Event{Kind: EvReady, Slot: sl}, true
		case SlotEnding:
			return Event{Kind: EvExited, Slot: sl}, true
		}
	}
	switch {
	case m.Grant != GrantNone:
		return Event{Kind: EvCommitted}, true
	case m.Passage == PasAdmit && m.Pos[Entry] == PosOpen && m.Occ == CountZero:
		return Event{Kind: EvCounted, Count: CountOne}, true
	case m.Passage == PasCapture:
		return Event{Kind: EvVerdict, Slot: m.PSlot, Outcome: verdict.Allow, Reason: verdict.OK}, true
	case m.Passage == PasRelease && m.Pos[Exit] == PosOpen && m.Topology == OneStep:
		return Event{Kind: EvCounted, Count: CountZero, Door: Exit}, true
	case m.Topology == OneStep && m.Occ == CountZero && (m.Reception == RecNotice || m.Reception == RecPlace):
		return Event{Kind: EvCounted, Count: CountOne}, true
	case m.Passage == PasRelease && m.Pos[Exit] == PosOpen, m.Passage == PasLeave && m.Pos[Entry] == PosOpen:
		return Event{Kind: EvCounted, Count: CountZero}, true
	}
	switch m.Reception {
	case RecNotice:
		return Event{Kind: EvAccepted}, true
	case RecPlace:
		return Event{Kind: EvLaid, Slot: m.RSlot}, true
	case RecReading:
		return Event{Kind: EvChecked, Slot: m.RSlot, Outcome: verdict.Allow, Reason: verdict.OK}, true
	case RecLift:
		return Event{Kind: EvLifted, Slot: m.RSlot}, true
	}
	return Event{}, false
}

// next is the next move of a fair world: doors first, then people, processes, and last the timers, in turn.
func next(n node, turn int) (Event, bool) {
	m := &n.M
	for _, d := range []Door{Exit, Entry} {
		switch {
		case !m.has(d):
		case m.Beam[d] != Low:
			return Event{Kind: EvBeamed, Door: d, Tri: Low}, true
		case m.Cmd[d] == CmdOpen && m.Pos[d] != PosOpen:
			return Event{Kind: EvDoorMoved, Door: d, Pos: PosOpen}, true
		case m.Cmd[d] == CmdClose && m.Pos[d] != PosClosed:
			return Event{Kind: EvDoorMoved, Door: d, Pos: PosClosed}, true
		}
	}
	switch {
	case m.Fire != High:
		return Event{Kind: EvFire, Tri: High}, true
	case m.Mode == ModeEmergency:
		return Event{Kind: EvOrder, Order: OrderEndEmergency}, true
	case !m.Lease:
		return Event{Kind: EvLease, On: true}, true
	case m.Over:
		return Event{Kind: EvShift}, true
	case m.Blocked:
		return Event{Kind: EvFault}, true
	case m.Passage == PasHold && !m.LetGo:
		return Event{Kind: EvOrder, Order: OrderLetGo}, true
	case m.Object:
		return Event{Kind: EvObject}, true
	case m.Grant != GrantNone:
		return Event{Kind: EvCommitted}, true
	case m.PRef == RefTaken:
		return Event{Kind: EvOwnerLost, Lane: LanePassage}, true
	case m.Occ == CountUnknown:
		return Event{Kind: EvCounted, Count: CountOne}, true
	case m.Occ != CountZero && (!m.has(Entry) || m.Pos[Entry] == PosOpen || m.Pos[Exit] == PosOpen):
		return Event{Kind: EvCounted, Count: CountZero}, true
	case m.Untested && m.Mode != ModeService:
		if m.Mode != ModeRecovering && m.Passage == PasEmpty {
			return Event{Kind: EvOrder, Order: OrderService}, true
		}
	case m.Mode == ModeService && m.has(Entry) && !m.testable(): // its doors close first
	case !m.Open && !m.served() && (m.Passage == PasEmpty || m.Mode != ModeService && m.Mode != ModeManual):
		return Event{Kind: EvOrder, Order: OrderOpenGate}, true
	}
	for _, sl := range []Slot{Slot1, Slot2} {
		switch m.Slots[sl.Index()] {
		case SlotEnding:
			return Event{Kind: EvExited, Slot: sl}, true
		case SlotStarting:
			return Event{Kind: EvReady, Slot: sl}, true
		}
		if m.Reader == sl && m.RSlot != sl {
			return Event{Kind: EvReaderFree, Slot: sl}, true
		}
	}
	for k := range int(timerEnd) {
		t := Timer((turn + k) % int(timerEnd))
		if n.Armed&(1<<t) != 0 {
			return Event{Kind: EvTimer, Timer: t}, true
		}
	}
	return Event{}, false
}

// TestP08FromEveryStageAPersonWalksOut presses the exit button at every stage of a passage, and at every
// stage nobody presses anything: each time the side of origin, or an exit that is open already, lets the
// person go (P-08, D-13).
func TestP08FromEveryStageAPersonWalksOut(t *testing.T) {
	stages := strings.Split(strings.TrimSpace(genuine), "\n")
	for cut := range stages {
		for _, pressed := range []bool{true, false} {
			n := replay(t, strings.Join(stages[:cut+1], "\n"), false)
			if n.M.Occ == CountZero || n.M.Occ == CountUnknown {
				continue
			}
			if pressed {
				n, _ = apply(n, Event{Kind: EvExitButton}, nil)
			}
			free := func() bool { return n.M.Pos[Entry] == PosOpen || n.M.Pos[Exit] == PosOpen }
			for i := 0; !free() && i < 60; i++ {
				e, ok := next(n, i)
				if !ok {
					break
				}
				n, _ = apply(n, e, nil)
			}
			if !free() {
				t.Errorf("after %q, pressed %v: shut in: %+v", stages[cut], pressed, n.M)
			}
		}
	}
}
