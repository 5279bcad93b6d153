package control

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"egate/api"
	"egate/gate"
	"egate/verdict"
)

// pursuit is an order that was accepted and takes its time: a door has to move. Its second answer is done or failed (O-03).
// Every order that is not pursued has its whole effect in the step that accepts it. The record of that step keeps the
// order until it has its second answer: a controller that starts anew says that the one before did not come to an end with it.
type pursuit struct {
	c     *api.Command
	local bool // given at the gate: whoever gave it looks at the health document
	over  func(l *Loop) (over bool, failed verdict.Reason)
}

// pursuedRow is the first part of the journal's row of an order that is pursued.
const pursuedRow = "pursued/"

// keptOrder is what the row holds.
type keptOrder struct {
	Command api.Command `json:"command"`
	Local   bool        `json:"local,omitempty"`
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

// takesTime makes the pursuit of an order that is accepted in this step, if it takes its time.
func (l *Loop) takesTime(c *api.Command, tested *api.SelfTest) (pursuit, bool) {
	p := pursuit{c: c, local: l.locals[c.ID] != nil}
	if len(l.pursuits) >= maxPursuits {
		return p, false
	}
	switch order := orderNames[c.Name]; {
	case (order == gate.OrderAccept || order == gate.OrderOpenExit) && l.m.Passage == gate.PasRelease:
		p.over = exitOpens
	case order == gate.OrderOpenEntry, order == gate.OrderHoldEntry, order == gate.OrderSendBack && l.m.Passage == gate.PasLeave:
		p.over = entryOpens
	case order == gate.OrderSelfTest:
		p.over = testEnds(tested)
	default:
		return p, false
	}
	over, _ := p.over(l)
	return p, !over // else the door stands as ordered: an officer who says again that he holds it
}

// pursue takes up an order that was just accepted, if it takes its time.
func (l *Loop) pursue(c *api.Command, tested *api.SelfTest) {
	if l.answers.by[c.ID].Result != "accepted" {
		return
	}
	p, takes := l.takesTime(c, tested)
	if !takes {
		if l.kept[c.ID] {
			l.unkeep(c.ID)
		}
		return
	}
	l.pursuits = append(l.pursuits, p)
	l.keep(p)
}

// keep has the record of this step remember that an order is pursued.
func (l *Loop) keep(p pursuit) {
	k := keptOrder{Command: *p.c, Local: p.local}
	k.Command.Dossier = nil
	if b, err := json.Marshal(k); err == nil && !l.kept[p.c.ID] {
		l.kept[p.c.ID], l.answers.rows[pursuedRow+p.c.ID] = true, string(b)
	}
}

func (l *Loop) unkeep(id string) {
	delete(l.kept, id)
	l.answers.rows[pursuedRow+id] = ""
}

// interrupted answers the orders that an earlier run left without their second answer: whatever has become of the door, that
// run's grant is not resumed (P-15).
func (l *Loop) interrupted() {
	for _, row := range slices.Sorted(maps.Keys(l.cfg.Rows)) {
		var k keptOrder
		id, ours := strings.CutPrefix(row, pursuedRow)
		if !ours {
			continue
		}
		l.answers.rows[row] = ""
		if json.Unmarshal([]byte(l.cfg.Rows[row]), &k) != nil || k.Command.ID != id {
			continue
		}
		r := api.Response{ID: id, Result: "failed", Reason: verdict.GateRestarted.String(), At: l.now()}
		l.answers.put(r, r.At)
		l.became(&k.Command, r)
		if !k.Local {
			l.late = append(l.late, late{k.Command.Principal, r})
		}
	}
}

// late is an answer that waits for the link.
type late struct {
	principal string
	r         api.Response
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
		l.unkeep(p.c.ID)
		l.became(p.c, r)
		if !p.local {
			l.p.Link.Respond(p.c.Principal, r)
		}
	}
	clear(l.pursuits[len(kept):])
	l.pursuits = kept
}
