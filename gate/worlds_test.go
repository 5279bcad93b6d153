package gate

import "egate/verdict"

// The product of everything is too large to walk. Each world leaves something out, says what, and is
// walked whole; the random walks of TestRandomWalks leave nothing out.
var worlds = []world{
	{name: "doors", keep: func(n node, e Event) bool { return !onlyDocument(e) && e.Slot != Slot2 && onlyOnce(e) }, more: documents()},
}

// documents are the ways of a document through reception as one move each.
func documents() []move {
	var out []move
	for _, sl := range []Slot{Slot1, Slot2} {
		at := func(n node) bool { return n.M.Reception == RecNotice && n.M.RSlot == sl }
		out = append(out, move{[]Event{
			{Kind: EvAccepted}, {Kind: EvLaid, Slot: sl}, {Kind: EvChecked, Slot: sl, Outcome: verdict.Allow, Reason: verdict.OK},
			{Kind: EvLifted, Slot: sl}, {Kind: EvReaderFree, Slot: sl}}, at})
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
func onlyOnce(e Event) bool {
	switch e.Kind {
	case EvDoorMoved:
		return e.Pos != PosUnknown
	case EvBeamed:
		return e.Tri != Unknown
	}
	return true
}
