package gate

import "egate/verdict"

// The product of everything is too large to walk. Each world leaves something out, says what, and is
// walked whole; the random walks of TestRandomWalks leave nothing out.
var worlds = []world{
	{name: "entry door", more: documents(), keep: all(orderly, staffed, noFire, noObject, obeys(Exit), only(EvOrder, orders(OrderTake, OrderSendBack)))},
	{name: "exit door", desk: true, more: documents(), keep: all(orderly, staffed, noFire, noObject, obeys(Entry), faceOnly, only(EvOrder, orders(OrderTake, OrderAccept)), known, without(EvExitButton, EvDeclined))},
	{name: "both doors", more: documents(), keep: all(orderly, staffed, noFire, noObject, without(EvOrder, EvHeads, EvTrackLost, EvSilent, EvDeclined, EvBroken, EvCommitFailed), known, atMostOne, behind)},
	{name: "tries", tries: true, more: oneByOne(), keep: all(orderly, staffed, noFire, noObject, obeys(Exit), atMostOne, without(EvOrder, EvHeads, EvTrackLost, EvSilent, EvDeclined, EvBroken, EvCommitFailed, EvExitButton), known)},
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
	{name: "next document", keep: all(obeys(Entry), obeys(Exit), noFire, noObject, known, atMostOne, staffed, only(EvOrder, orders(OrderTake, OrderSendBack)), without(EvMore, EvPrompt, EvHeads, EvTrackLost, EvSilent, EvBroken, EvCommitFailed, EvExitButton))},
}

// known leaves out that nobody knows how many stand in the mantrap, once it has been known.
func known(n *node, e Event) bool { return e.Kind != EvCounted || e.Count != CountUnknown }

// atMostOne leaves a second body to the world of people.
func atMostOne(_ *node, e Event) bool { return e.Kind != EvCounted || e.Count != CountMany }

// nobody leaves the mantrap empty: the entry opens for people who do not come.
func nobody(_ *node, e Event) bool { return e.Kind != EvCounted || e.Count == CountZero }

// behind leaves who goes across while somebody stays behind to the worlds of people and of the exit door.
func behind(_ *node, e Event) bool { return e.Kind != EvCounted || e.Door == Entry }

// faceOnly leaves refusals that nobody may overturn to the world of the desk.
func faceOnly(_ *node, e Event) bool { return e.Kind != EvVerdict || e.Reason != verdict.PADFailed }

// modes are the orders of officers and technicians, with little else that goes wrong.
func modes(n *node, e Event) bool {
	switch e.Kind {
	case EvOrder:
		switch e.Order {
		case OrderStandby, OrderService, OrderManual, OrderSelfTest, OrderOpenGate, OrderCloseGate, OrderOpenEntry, OrderOpenExit, OrderReset, OrderHoldEntry, OrderLetGo:
			return e.Mine
		}
		return false
	case EvFault, EvHeads, EvTrackLost, EvSilent, EvBroken, EvCommitFailed, EvMore, EvDeclined:
		return false
	case EvLease:
		return e.On
	case EvCounted:
		return e.Count != CountUnknown && (e.Door == Entry || e.Count == CountZero)
	}
	return noFire(n, e) && noObject(n, e)
}

// staffed leaves lease, faults and closing to the world of documents, and the other modes to that of modes.
func staffed(_ *node, e Event) bool {
	return e.Kind != EvFault && !(e.Kind == EvLease && !e.On) && !(e.Kind == EvOrder && (e.Order == OrderOpenGate || e.Order == OrderCloseGate || e.Order >= OrderSelfTest))
}

// shifts is a world in which shifts end and begin.
func shifts(f filter) filter {
	return func(n *node, e Event) bool { return e.Kind == EvShift || f(n, e) }
}

type filter = func(n *node, e Event) bool

func all(fs ...filter) filter {
	fs = append(fs, onlyOnce, without(EvShift), func(_ *node, e Event) bool { return e.Outcome != verdict.RefuseAndHold })
	return func(n *node, e Event) bool {
		for _, f := range fs {
			if !f(n, e) {
				return false
			}
		}
		return true
	}
}

func only(k Kind, f filter) filter {
	return func(n *node, e Event) bool { return e.Kind != k || f(n, e) }
}

func without(ks ...Kind) filter {
	return func(_ *node, e Event) bool {
		for _, k := range ks {
			if e.Kind == k {
				return false
			}
		}
		return true
	}
}

func orders(os ...Order) filter {
	return func(_ *node, e Event) bool {
		for _, o := range os {
			if e.Order == o && (e.Mine || e.Second) {
				return true
			}
		}
		return false
	}
}

func noFire(_ *node, e Event) bool   { return e.Kind != EvFire || e.Tri == High }
func noObject(_ *node, e Event) bool { return e.Kind != EvObject }

// orderly leaves the document to the moves of documents, and inspectors that do not come up to the world
// of documents.
func orderly(n *node, e Event) bool {
	if e.Kind == EvTimer && (e.Timer == TimerSlot1 || e.Timer == TimerSlot2) {
		return n.M.Slots[e.Timer-TimerSlot1] == SlotEnding
	}
	if (e.Kind == EvExited || e.Kind == EvSilent) && e.Slot != NoSlot && n.M.Slots[e.Slot.Index()] < SlotBegun {
		return false
	}
	return !onlyDocument(e) && e.Kind != EvMore
}

// obeys is a door that does what it is told and whose beam nobody breaks.
func obeys(d Door) filter {
	return func(n *node, e Event) bool {
		if e.Door != d {
			return true
		}
		switch e.Kind {
		case EvDoorMoved:
			return !e.On && n.M.Pos[d] != e.Pos && (e.Pos == PosClosed && n.M.Cmd[d] != CmdOpen || e.Pos == PosOpen && n.M.Cmd[d] == CmdOpen)
		case EvBeamed:
			return e.Tri == Low
		}
		return true
	}
}

// obeysOrForced is such a door that may also be forced open.
func obeysOrForced(d Door) filter {
	f := obeys(d)
	return func(n *node, e Event) bool {
		if e.Kind == EvDoorMoved && e.Door == d && e.Pos == PosBetween && n.M.Pos[d] == PosClosed && n.M.Cmd[d] == CmdNone {
			return true
		}
		return f(n, e)
	}
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

// onlyOnce leaves out readings that canonical takes for others.
func onlyOnce(_ *node, e Event) bool {
	switch e.Kind {
	case EvDoorMoved:
		return e.Pos != PosUnknown
	case EvBeamed:
		return e.Tri != Unknown
	}
	return true
}
