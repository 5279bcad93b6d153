package control

import (
	"egate/api"
	"egate/gate"
	"egate/verdict"
)

// pursuit is an order that was accepted and takes its time: a door has to move. Its second answer is done or failed (O-03).
// Every order that is not pursued has its whole effect in the step that accepts it. A controller that starts anew says
// nothing more of the orders of the one before.
type pursuit struct {
	c     *api.Command
	local bool // given at the gate: whoever gave it looks at the health document
	over  func(l *Loop) (over bool, failed verdict.Reason)
}

// maxPursuits bounds what waits; each ends by a limit of the model.
const maxPursuits = 16

// exitOpens is over when the exit has left its end position, or the release has ended without that.
func exitOpens(l *Loop) (bool, verdict.Reason) {
	if p := l.m.Pos[gate.Exit]; l.m.Passage == gate.PasRelease && p != gate.PosClosed && p != gate.PosUnknown {
		return true, verdict.OK
	}
	return l.m.Passage != gate.PasRelease, l.m.PReason
}

// entryOpens is over when the entry has left its end position, or what it was to open for is over.
func entryOpens(l *Loop) (bool, verdict.Reason) {
	if p := l.m.Pos[gate.Entry]; p != gate.PosClosed && p != gate.PosUnknown {
		return true, verdict.OK
	}
	return l.m.Passage == gate.PasEmpty, verdict.DoorBlocked
}

// testEnds is over with the self-test.
func testEnds(before *api.SelfTest) func(*Loop) (bool, verdict.Reason) {
	return func(l *Loop) (bool, verdict.Reason) {
		switch {
		case l.tested != before && l.tested != nil && l.tested.Passed:
			return true, verdict.OK
		case l.tested != before && l.tested != nil:
			return true, l.tested.Reason
		}
		return l.m.Passage != gate.PasTest, verdict.OccupancyChanged
	}
}

// pursue takes up an order that was just accepted, if it takes its time.
func (l *Loop) pursue(c *api.Command, tested *api.SelfTest) {
	if l.answers.by[c.ID].Result != "accepted" || len(l.pursuits) >= maxPursuits {
		return
	}
	p := pursuit{c: c, local: l.locals[c.ID] != nil}
	switch order := orderNames[c.Name]; {
	case (order == gate.OrderAccept || order == gate.OrderOpenExit) && l.m.Passage == gate.PasRelease:
		p.over = exitOpens
	case order == gate.OrderOpenEntry, order == gate.OrderHoldEntry, order == gate.OrderSendBack && l.m.Passage == gate.PasLeave:
		p.over = entryOpens
	case order == gate.OrderSelfTest:
		p.over = testEnds(tested)
	default:
		return
	}
	if over, _ := p.over(l); over {
		return // the door stands as ordered: an officer who says again that he holds it
	}
	l.pursuits = append(l.pursuits, p)
}

// pursued answers what is over. It is part of every step.
func (l *Loop) pursued() {
	kept := l.pursuits[:0]
	for _, p := range l.pursuits {
		over, failed := p.over(l)
		if !over {
			kept = append(kept, p)
			continue
		}
		r := api.Response{ID: p.c.ID, Result: "done", At: l.now()}
		if failed != verdict.OK {
			r.Result, r.Reason = "failed", failed.String()
		}
		l.answers.put(r, r.At)
		l.became(p.c, r)
		if !p.local {
			l.p.Link.Respond(p.c.Principal, r)
		}
	}
	clear(l.pursuits[len(kept):])
	l.pursuits = kept
}
