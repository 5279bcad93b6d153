package gate

import (
	"slices"

	"egate/verdict"
)

// The product of everything is too large to walk. Each world leaves something out, says what, and is
// walked whole; the random walks of TestRandomWalks leave nothing out.
var worlds = []world{
	{name: "entry door", more: documents(), keep: all(orderly, staffed, noFire, noObject, obeys(Exit), only(EvOrder, orders(OrderTake, OrderSendBack)))},
	{name: "exit door", desk: true, more: documents(), keep: all(orderly, staffed, noFire, noObject, obeys(Entry), faceOnly, only(EvOrder, orders(OrderTake, OrderAccept)), known, without(EvExitButton, EvDeclined))},
	{name: "both doors", more: documents(), keep: all(orderly, staffed, noFire, noObject, without(EvOrder, EvHeads, EvTrackLost, EvSilent, EvDeclined, EvBroken, EvCommitFailed), known, atMostOne, behind)},
	{name: "tries", tries: true, more: oneByOne(), keep: all(orderly, staffed, noFire, noObject, obeys(Exit), atMostOne, without(EvOrder, EvHeads, EvSilent, EvDeclined, EvBroken, EvCommitFailed, EvExitButton), known)},
	{name: "people", more: documents(), keep: all(orderly, staffed, noFire, noObject, obeysOrForced(Entry), obeysOrForced(Exit), without(EvOrder, EvOwnerLost))},
	{name: "desk", desk: true, more: oneByOne(), keep: all(orderly, staffed, noFire, noObject, obeys(Entry), obeysOrForced(Exit))},
	{name: "luggage", more: documents(), keep: all(orderly, staffed, noFire, obeys(Entry), obeys(Exit), only(EvOrder, orders(OrderTake, OrderSendBack, OrderReset)))},
	{name: "emergency", more: documents(), keep: all(orderly, staffed, noObject, obeysOrForced(Entry), obeysOrForced(Exit), only(EvOrder, orders(OrderReset, OrderRelease, OrderEndEmergency)), without(EvHeads, EvTrackLost, EvSilent, EvBroken))},
	{name: "modes", shut: true, more: documents(), keep: all(orderly, modes, obeysOrForced(Entry), obeysOrForced(Exit))},
	{name: "one-step: modes", topology: OneStep, shut: true, more: documents(), keep: all(orderly, modes, obeysOrForced(Exit))},
	{name: "one-step: door", topology: OneStep, desk: true, more: documents(), keep: all(orderly, staffed, noFire, noObject)},
	{name: "one-step: luggage and emergency", topology: OneStep, desk: true, more: documents(), keep: all(orderly, staffed, obeysOrForced(Exit))},
	{name: "one-step: documents", topology: OneStep, shut: true, keep: all(obeys(Exit), noFire, noObject, known, atMostOne, only(EvOrder, orders(OrderTake, OrderSendBack, OrderCloseGate, OrderOpenGate)), without(EvHeads, EvTrackLost, EvSilent, EvBroken, EvCommitFailed, EvExitButton))},
	{name: "documents", shut: true, keep: all(obeys(Entry), obeys(Exit), noFire, noObject, nobody, only(EvOrder, orders(OrderTake, OrderSendBack, OrderOpenGate, OrderCloseGate)))},
	{name: "admit and hold", desk: true, more: held(), keep: all(orderly, staffed, noFire, noObject, obeysOrForced(Entry), obeys(Exit), known, without(EvHeads, EvTrackLost, EvSilent, EvCommitFailed))},
	{name: "shift", keep: shifts(all(obeys(Entry), obeys(Exit), noFire, noObject, known, atMostOne, staffed, without(EvOrder, EvOwnerLost, EvMore, EvPrompt, EvHeads, EvTrackLost, EvSilent, EvBroken, EvCommitFailed, EvExitButton, EvDeclined)))},
	{name: "specimen", shut: true, more: specimens(), keep: all(orderly, bench, obeys(Entry), obeys(Exit), noFire, noObject, known, without(EvCommitted, EvCommitFailed))},
	{name: "one-step: specimen", topology: OneStep, shut: true, more: specimens(), keep: all(orderly, bench, obeysOrForced(Exit), noObject, known, without(EvCommitted, EvCommitFailed))},
	{name: "next document", keep: all(obeys(Entry), obeys(Exit), noFire, noObject, known, atMostOne, staffed, only(EvOrder, orders(OrderTake, OrderSendBack)), without(EvMore, EvPrompt, EvHeads, EvTrackLost, EvSilent, EvBroken, EvCommitFailed, EvExitButton))},
}

// filter tells which events a world keeps: those that it keeps at all, and where.
type filter struct {
	of func(e Event) bool
	in func(n *node, e Event) bool // nil: in every state
}

// known leaves out that nobody knows how many stand in the mantrap, once it has been known.
var known = filter{of: func(e Event) bool { return e.Kind != EvCounted || e.Count != CountUnknown }}

// atMostOne leaves a second body to the world of people.
var atMostOne = filter{of: func(e Event) bool { return e.Kind != EvCounted || e.Count != CountMany }}

// nobody leaves the mantrap empty: the entry opens for people who do not come.
var nobody = filter{of: func(e Event) bool { return e.Kind != EvCounted || e.Count == CountZero }}

// behind leaves who goes across while somebody stays behind to the worlds of people and of the exit door.
var behind = filter{of: func(e Event) bool { return e.Kind != EvCounted || e.Door == Entry }}

// faceOnly leaves refusals that nobody may overturn to the world of the desk.
var faceOnly = filter{of: func(e Event) bool { return e.Kind != EvVerdict || e.Reason != verdict.PADFailed }}

// modes are the orders of officers and technicians, with little else that goes wrong.
var modes = all(noFire, noObject, without(EvFault, EvHeads, EvTrackLost, EvSilent, EvBroken, EvCommitFailed, EvMore, EvDeclined), filter{of: func(e Event) bool {
	switch e.Kind {
	case EvOrder:
		switch e.Order {
		case OrderStandby, OrderService, OrderManual, OrderSelfTest, OrderOpenGate, OrderCloseGate, OrderOpenEntry, OrderOpenExit, OrderReset, OrderHoldEntry, OrderLetGo, OrderHandOver, OrderOutOfService:
			return e.Mine
		}
		return false
	case EvLease:
		return e.On
	case EvCounted:
		return e.Count != CountUnknown && (e.Door == Entry || e.Count == CountZero)
	}
	return true
}})

// bench is a technician with specimens: no traveller's document, and few orders.
var bench = filter{of: func(e Event) bool {
	switch e.Kind {
	case EvFault:
		return false
	case EvLease:
		return e.On
	case EvOrder:
		return e.Mine && (e.Order == OrderOpenGate || e.Order == OrderService || e.Order == OrderSpecimen || e.Order == OrderCloseGate || e.Order == OrderOpenEntry || e.Order == OrderRelease || e.Order == OrderEndEmergency)
	}
	return true
}}

// staffed leaves lease, faults and closing to the world of documents, and the other modes to that of modes.
var staffed = filter{of: func(e Event) bool {
	return e.Kind != EvFault && !(e.Kind == EvLease && !e.On) && !(e.Kind == EvOrder && (e.Order == OrderOpenGate || e.Order == OrderCloseGate || e.Order >= OrderSelfTest && e.Order != OrderHandOver))
}}

// shifts is a world in which shifts end and begin.
func shifts(f filter) filter {
	return filter{func(e Event) bool { return e.Kind == EvShift || f.of(e) }, f.in}
}

// all is what every one of them keeps. No world but that of shifts has any, and what canonical takes for
// another reading is left out.
func all(fs ...filter) filter {
	fs = append(fs, without(EvShift), filter{of: func(e Event) bool {
		return e.Outcome != verdict.RefuseAndHold && !(e.Kind == EvDoorMoved && e.Pos == PosUnknown) && !(e.Kind == EvBeamed && e.Tri == Unknown)
	}})
	of := func(e Event) bool {
		for _, f := range fs {
			if !f.of(e) {
				return false
			}
		}
		return true
	}
	var ins []func(n *node, e Event) bool
	for _, f := range fs {
		if f.in != nil {
			ins = append(ins, f.in)
		}
	}
	if ins == nil {
		return filter{of: of}
	}
	return filter{of, func(n *node, e Event) bool {
		for _, in := range ins {
			if !in(n, e) {
				return false
			}
		}
		return true
	}}
}

func only(k Kind, f filter) filter {
	return filter{of: func(e Event) bool { return e.Kind != k || f.of(e) }}
}

func without(ks ...Kind) filter {
	return filter{of: func(e Event) bool { return !slices.Contains(ks, e.Kind) }}
}

func orders(os ...Order) filter {
	return filter{of: func(e Event) bool { return slices.Contains(os, e.Order) && (e.Mine || e.Second) }}
}

var noFire = filter{of: func(e Event) bool { return e.Kind != EvFire || e.Tri == High }}
var noObject = without(EvObject)

// orderly leaves the document to the moves of documents, and inspectors that do not come up to the world
// of documents.
var orderly = filter{func(e Event) bool { return !onlyDocument(e) && e.Kind != EvMore }, func(n *node, e Event) bool {
	switch {
	case e.Kind == EvTimer && (e.Timer == TimerSlot1 || e.Timer == TimerSlot2):
		return n.M.Slots[e.Timer-TimerSlot1] == SlotEnding
	case (e.Kind == EvExited || e.Kind == EvSilent) && e.Slot != NoSlot:
		return n.M.Slots[e.Slot.Index()] >= SlotBegun
	}
	return true
}}

// obeys is a door that does what it is told and whose beam nobody breaks.
func obeys(d Door) filter {
	return filter{func(e Event) bool {
		switch {
		case e.Door != d:
		case e.Kind == EvDoorMoved:
			return !e.On && (e.Pos == PosClosed || e.Pos == PosOpen)
		case e.Kind == EvBeamed:
			return e.Tri == Low
		}
		return true
	}, func(n *node, e Event) bool {
		return e.Door != d || e.Kind != EvDoorMoved || n.M.Pos[d] != e.Pos && (e.Pos == PosOpen) == (n.M.Cmd[d] == CmdOpen)
	}}
}

// obeysOrForced is such a door that may also be forced open.
func obeysOrForced(d Door) filter {
	f := obeys(d)
	return filter{func(e Event) bool {
		return e.Kind == EvDoorMoved && e.Door == d && !e.On && e.Pos == PosBetween || f.of(e)
	}, func(n *node, e Event) bool {
		if e.Kind == EvDoorMoved && e.Door == d && e.Pos == PosBetween {
			return n.M.Pos[d] == PosClosed && n.M.Cmd[d] == CmdNone
		}
		return f.in(n, e)
	}}
}

// oneByOne are documents that are laid down when nobody is in the mantrap.
func oneByOne() []move {
	out := documents()
	for i := range out {
		at := out[i].when
		out[i].when = func(n *node) bool { return n.M.Passage == PasEmpty && at(n) }
	}
	return out
}

// documents are the ways of a document through reception as one move each.
func documents() []move {
	var out []move
	for _, sl := range []Slot{Slot1, Slot2} {
		at := func(n *node) bool { return n.M.Reception == RecNotice && n.M.RSlot == sl }
		out = append(out, move{[]Event{
			{Kind: EvAccepted}, {Kind: EvLaid, Slot: sl}, {Kind: EvChecked, Slot: sl, Outcome: verdict.Allow, Reason: verdict.OK},
			{Kind: EvLifted, Slot: sl}, {Kind: EvReaderFree, Slot: sl}}, at})
	}
	return out
}

// specimens are documents that a technician lays down: taken, refused, and held for by a centre that is not asked.
func specimens() []move {
	var out []move
	for _, mv := range documents() {
		at := mv.when
		mv.when = func(n *node) bool { return n.M.Specimen && at(n) } // travellers' are those of other worlds
		out = append(out, mv)
		for _, o := range []verdict.Outcome{verdict.Refer, verdict.RefuseAndHold} {
			no := move{events: slices.Clone(mv.events[:3]), when: mv.when}
			no.events[2].Outcome, no.events[2].Reason = o, verdict.CentreHit
			out = append(out, no)
		}
	}
	return out
}

// held are documents that the centre wants admitted and held, or not.
func held() []move {
	out := oneByOne()
	for _, mv := range oneByOne() {
		mv.events[2].Outcome, mv.events[2].Reason = verdict.RefuseAndHold, verdict.CentreHit
		out = append(out, mv)
	}
	return out
}

func onlyDocument(e Event) bool {
	switch e.Kind {
	case EvAccepted, EvLaid, EvLifted, EvPrompt, EvChecked, EvReaderFree:
		return true
	case EvOrder:
		return e.Lane == LaneReception
	}
	return false
}
