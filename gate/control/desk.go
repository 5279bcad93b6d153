package control

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"egate/api"
	"egate/gate"
	"egate/health"
	"egate/inspect/protocol"
	"egate/verdict"
)

var orderNames = map[string]gate.Order{
	api.CmdTake: gate.OrderTake, api.CmdReturn: gate.OrderReturn, api.CmdAccept: gate.OrderAccept, api.CmdSendBack: gate.OrderSendBack,
	api.CmdHold: gate.OrderHold, api.CmdOpenGate: gate.OrderOpenGate, api.CmdCloseGate: gate.OrderCloseGate, api.CmdReset: gate.OrderReset,
	api.CmdOpenEntry: gate.OrderOpenEntry, api.CmdOpenExit: gate.OrderOpenExit, api.CmdRelease: gate.OrderRelease,
	api.CmdEndEmergency: gate.OrderEndEmergency, api.CmdSelfTest: gate.OrderSelfTest,
	api.CmdStandby: gate.OrderStandby, api.CmdService: gate.OrderService, api.CmdManual: gate.OrderManual,
	api.CmdHoldEntry: gate.OrderHoldEntry, api.CmdLetGo: gate.OrderLetGo, api.CmdHandOver: gate.OrderHandOver,
	api.CmdSpecimen: gate.OrderSpecimen, api.CmdOutOfService: gate.OrderOutOfService,
}

// needsReason are the overrides (O-07).
var needsReason = map[gate.Order]bool{gate.OrderAccept: true, gate.OrderOpenExit: true}

// inbound handles what the centre sent. The link has verified signature, gate, epoch, session, expiry
// and that it is no repetition.
func (l *Loop) inbound(in Inbound) {
	switch {
	case in.Up:
		l.linked = true
		for _, x := range l.late {
			l.p.Link.Respond(x.principal, x.r)
		}
		l.late = nil
		l.fault(health.BrokerUnreachable, health.PartLink, false)
		l.publish(true)
		l.publishHealth()
	case in.Down:
		l.linked = false
		l.fault(health.BrokerUnreachable, health.PartLink, true)
	case in.Lease != nil:
		l.leased(*in.Lease)
	case in.Answer != nil:
		for _, t := range l.trips {
			if t != nil && t.ID == in.Answer.Passage && t.slot >= 0 {
				l.p.Inspectors.Send(t.slot, protocol.ToInspector{Answer: &protocol.Answer{Sealed: in.Answer.Sealed}})
			}
		}
	case in.Document != nil:
		l.inForce(*in.Document)
	case in.Command != nil && in.Again:
		if r, known := l.answers.by[in.Command.ID]; known {
			l.p.Link.Respond(in.Command.Principal, r)
		}
	case in.Command != nil && in.Refused != "":
		l.reject(in.Command, in.Refused)
	case in.Command != nil:
		l.pair = in.Pair
		l.command(in.Command)
		l.pair = nil
	case in.Local != nil:
		l.local(*in.Local)
	}
}

// serviceOrders are those that a technician at the gate may give: nothing moves but in service mode.
var serviceOrders = []string{api.CmdService, api.CmdSelfTest, api.CmdCloseGate, api.CmdSpecimen}

// local handles what a technician at the gate does.
func (l *Loop) local(x Local) {
	if x.Did != nil {
		l.emit(api.EventOrder, *x.Did)
	}
	if x.Change != nil {
		l.emit(api.EventChange, *x.Change)
	}
	switch c := x.Order; {
	case c == nil:
		l.record()
	case !slices.Contains(serviceOrders, c.Name):
		x.Answer(api.Response{ID: c.ID, Result: "rejected", Reason: "not_supported", At: l.now()})
	default:
		l.locals[c.ID] = x.Answer
		switch released := l.m.Mode == gate.ModeService; {
		case c.Name == api.CmdService && released: // by an officer
			l.respond(c, api.Response{ID: c.ID, Result: "accepted", At: l.now()})
			l.record()
		case c.Name == api.CmdService && (l.linked || !x.Permitted):
			// An officer who can be asked releases the gate by an order; else a code that he made before (P-14).
			l.reject(c, "officer_release")
		default:
			l.command(c)
		}
		delete(l.locals, c.ID)
	}
}

// reject answers an order that is not followed; the answer is evidence.
func (l *Loop) reject(c *api.Command, why string) { l.rejectFor(c, why, "") }

// rejectFor tells with it who owns what the order is about.
func (l *Loop) rejectFor(c *api.Command, why, owner string) {
	r := api.Response{ID: c.ID, Result: "rejected", Reason: why, Owner: owner, At: l.now()}
	if why == "expired" {
		r.Result = "expired"
	}
	l.respond(c, r)
	l.record()
}

// respond remembers the answer to an order, tells of it, and sends it.
func (l *Loop) respond(c *api.Command, r api.Response) {
	l.answers.put(r, r.At)
	l.became(c, r)
	if f := l.locals[c.ID]; f != nil {
		f(r)
		return
	}
	l.p.Link.Respond(c.Principal, r)
}

// became writes what became of an order. A door order that names nobody concerns who stands in the mantrap: so whoever
// counts passages and orders counts nobody twice (E-06).
func (l *Loop) became(c *api.Command, r api.Response) {
	e := api.OrderEvent{ID: c.ID, Principal: c.Principal, Officer: c.Officer, Name: c.Name, Passage: c.Passage, To: c.To, Result: r.Result, Reason: r.Reason, Override: c.Reason}
	if c.Name == api.CmdOpenExit && c.Passage == "" {
		e.Passage = l.trips[gate.LanePassage].id()
	}
	if c.Name == api.CmdSafeguard {
		e.Passage = "" // nothing leads from the record to a person
	} else if l.pair != nil {
		e.Second = l.pair.Officer
		if r.Result == "accepted" {
			e.Signed = l.pair.Document
		}
	}
	if l.cfg.Group != nil {
		e.Group = l.cfg.Group(c.Officer)
	}
	l.emit(api.EventOrder, e)
}

// leased takes a lease; it lasts until it expires, whatever becomes of the line (O-01).
func (l *Loop) leased(le api.Lease) {
	if !l.back(le) {
		return
	}
	before := l.officers()
	l.leases[le.Principal+"\x00"+le.Officer] = le
	l.prune()
	l.recipients(before)
}

// recipients tells the inspectors to whom dossiers are sealed, when that has changed.
func (l *Loop) recipients(before []protocol.Officer) {
	if !slices.EqualFunc(before, l.officers(), func(a, b protocol.Officer) bool { return a.KeyID == b.KeyID }) {
		for i := range l.slots {
			if s := &l.slots[i]; s.alive && s.begun && !s.ending {
				l.p.Inspectors.Send(i, protocol.ToInspector{Officers: &protocol.Officers{Officers: l.officers()}})
			}
		}
	}
}

// leaseTimer is the loop's own timer over the leases.
const leaseTimer = gate.Timer(210)

// prune drops leases that ended and tells the model whether one is left.
func (l *Loop) prune() {
	now := l.now()
	var last, next time.Time // to expire
	for k, le := range l.leases {
		if !le.ExpiresAt.After(now) {
			delete(l.leases, k)
			continue
		}
		if le.ExpiresAt.After(last) {
			last = le.ExpiresAt
		}
		if next.IsZero() || le.ExpiresAt.Before(next) {
			next = le.ExpiresAt
		}
	}
	if !next.IsZero() {
		l.startTimer(leaseTimer, next.Sub(now)) // each: its officer's referrals go back into the queue
	}
	for _, lane := range []gate.Lane{gate.LaneReception, gate.LanePassage} {
		if t := l.trips[lane]; t != nil && t.owner != "" && !l.holds(t.owner) {
			l.handle(gate.Event{Kind: gate.EvOwnerLost, Lane: lane}) // back into the queue
		}
	}
	if l.keeper != "" && !l.holds(l.keeper) {
		l.keeper = "" // the entry stays open (D-12), nobody's
	}
	if held := !last.IsZero(); held != l.m.Lease {
		l.fault(health.LeaseLost, health.PartLink, !held)
		l.handle(gate.Event{Kind: gate.EvLease, On: held})
	}
	l.shifts(now)
}

// holds tells whether an officer's console still holds a lease.
func (l *Loop) holds(officer string) bool {
	for _, le := range l.leases {
		if le.Officer == officer {
			return true
		}
	}
	return false
}

// command follows an officer's order, or answers why not; both are evidence.
func (l *Loop) command(c *api.Command) {
	if c.Name == api.CmdSafeguard {
		l.safeguard(c)
		return
	}
	order, known := orderNames[c.Name]
	reject := func(why string) { l.reject(c, why) }
	switch {
	case !known:
		reject("not_supported")
		return
	case l.pair == nil && !c.ExpiresAt.After(l.now()): // of two persons: the link holds the minute
		reject("expired")
		return
	case needsReason[order] && c.Reason == "":
		reject("reason_needed")
		return
	}
	givers := []string{c.Officer}
	if l.pair != nil {
		givers = append(givers, l.pair.Officer) // a second word of who gave the gate away is none (F-06)
	}
	for _, officer := range givers {
		if h, gone := l.handed[officer]; gone && order != gate.OrderRelease {
			l.rejectFor(c, "handed_over", h.To)
			return
		}
	}
	e := gate.Event{Kind: gate.EvOrder, Order: order}
	if c.Passage != "" {
		for _, lane := range []gate.Lane{gate.LaneReception, gate.LanePassage} {
			if t := l.trips[lane]; t != nil && t.ID == c.Passage {
				e.Lane = lane
				e.Mine = t.owner != "" && t.owner == c.Officer
				e.Second = t.owner != "" && c.Officer != "" && t.owner != c.Officer
				// A referral order names the dossier that the officer was shown (design: signed both ways).
				if len(t.dossier) > 0 && !bytes.Equal(t.dossier, c.Dossier) && (needsReason[order] || len(c.Dossier) > 0) {
					reject("other_dossier")
					return
				}
			}
		}
		if e.Lane == gate.LaneNone {
			reject("no_such_passage")
			return
		}
	} else if order <= gate.OrderHold {
		reject("no_such_passage")
		return
	}
	if _, questions := l.m.PReason.Overturn(); order == gate.OrderAccept && e.Lane == gate.LanePassage && len(questions) > 0 && !slices.Contains(questions, c.Reason) {
		reject("other_question") // O-07: the reason must answer what this referral asks
		return
	}
	if order == gate.OrderOpenExit && e.Lane == gate.LaneNone {
		if t := l.trips[gate.LanePassage]; t != nil {
			e.Lane, e.Mine = gate.LanePassage, t.owner == c.Officer && t.owner != ""
		}
	}
	before := l.officers()
	if order == gate.OrderHandOver {
		if why := l.handing(c); why != "" {
			reject(why)
			return
		}
		e.Lane, e.Mine, e.Second, e.N = gate.LanePassage, true, true, l.owned(c.Officer)
	}
	if l.cfg.TwoPersons != nil && l.cfg.TwoPersons(c.Name) && l.pair == nil {
		reject("second_officer") // the same document with the signature of another officer within a minute is followed
		return
	}
	l.orderRef++
	e.Ref = l.orderRef
	l.orders[e.Ref] = c
	l.officer, l.receiver = c.Officer, c.To
	tested := l.tested
	l.handle(e)
	l.officer, l.receiver = "", ""
	delete(l.orders, e.Ref)
	if order == gate.OrderHandOver {
		l.prune()
		l.recipients(before)
	}
	l.pursue(c, tested)
}

// safeguard writes that an officer made a safeguarding stop, and why (O-08). The machine has no part in it.
func (l *Loop) safeguard(c *api.Command) {
	switch {
	case !c.ExpiresAt.After(l.now()):
		l.reject(c, "expired")
	case !slices.Contains(verdict.Safeguarding(), c.Reason):
		l.reject(c, "reason_needed")
	default:
		l.respond(c, api.Response{ID: c.ID, Result: "accepted", At: l.now()})
		l.record()
	}
}

// answer tells the desk what became of an order. The answer does not wait for the disk: an order that
// opens a door across the border does.
func (l *Loop) answer(a gate.Action) {
	c := l.orders[a.Ref]
	if c == nil {
		return
	}
	r := api.Response{ID: c.ID, Result: "accepted", At: l.now()}
	if !a.On {
		r.Result, r.Reason = "rejected", a.Reason.String()
		if a.Reason == verdict.OfficerHeld {
			r.Owner = l.ownerOf(c.Passage)
		}
	}
	if p, takes := l.takesTime(c, l.tested); a.On && takes {
		l.keep(p)
	}
	switch {
	case a.On && c.Name == api.CmdHandOver:
		l.handOver(c)
	case a.On && c.Name == api.CmdHoldEntry:
		l.keeper = c.Officer
	case a.On && c.Name == api.CmdReset:
		l.reset()
	case a.On && c.Name == api.CmdEndEmergency:
		l.reset(health.Fire)
	}
	l.respond(c, r)
}

// ownerOf is the officer who owns a referral.
func (l *Loop) ownerOf(passage string) string {
	for _, t := range l.trips {
		if t != nil && t.ID == passage {
			return t.owner
		}
	}
	return ""
}

// touched handles what a traveller pressed.
func (l *Loop) touched(t string) {
	kinds := map[string]gate.Kind{"accept": gate.EvAccepted, "decline": gate.EvDeclined, "more_time": gate.EvMore, "exit_request": gate.EvExitButton}
	if k, ok := kinds[t]; ok {
		l.handle(gate.Event{Kind: k})
	}
}

// prompts are the reasons for which the screen has a picture of what to do better.
var prompts = map[verdict.Reason]bool{
	verdict.MRZUnreadable: true, verdict.MRZWrongPage: true, verdict.MRZUpsideDown: true, verdict.MRZCoverOn: true, verdict.MRZCheckDigits: true,
	verdict.NoChip: true, verdict.ChipLost: true, verdict.ChipTooSlow: true,
}

// show draws the screen of the model.
func (l *Loop) show() {
	v := gate.View(l.m)
	s := Screen{Name: v.Name, Progress: -1, More: v.More, Decline: v.Decline}
	t := l.trips[v.Lane]
	if v.Lane == gate.LaneNone {
		t = nil
	}
	if t != nil {
		s.Language = t.language
		switch v.Name {
		case "reading":
			s.Progress = t.progress
		case "capture":
			s.Prompt, s.DotX, s.Light = t.prompt, t.dot, l.light.colour
		case "see_officer", "leave_back", "one_at_a_time":
			s.Reference = t.reference
		}
	} else if v.Name == "see_officer" {
		s.Reference = l.reference
	}
	switch {
	case v.Name == "reading_lost":
		s.Name, s.Prompt = "reading", verdict.ChipLost.String()
	case v.Name == "place_document" && t != nil && l.m.RTries > 0:
		s.Prompt = t.hints.next(l.m.RTries, v.Prompt).String()
	case prompts[v.Prompt]:
		s.Prompt = v.Prompt.String()
	}
	var ends time.Time
	if r := l.timers[v.Timer]; v.Timer != gate.TimerNone && r != nil {
		ends = r.ends
		s.Deadline = max(time.Until(ends), 0)
	}
	if same(s, l.shown) && ends.Equal(l.ends) {
		return
	}
	l.shown, l.ends = s, ends
	l.p.Display.Show(s)
}

// same compares but for the running countdown.
func same(a, b Screen) bool {
	if (a.DotX == nil) != (b.DotX == nil) || a.DotX != nil && *a.DotX != *b.DotX {
		return false
	}
	a.DotX, b.DotX, a.Deadline, b.Deadline = nil, nil, 0, 0
	return a == b
}

// publish keeps the retained snapshot of the gate current.
func (l *Loop) publish(always bool) {
	m := l.m
	s := api.State{
		Mode: m.Mode.String(), Reception: m.Reception.String(), Passage: m.Passage.String(), Entry: m.Pos[gate.Entry].String(), Exit: m.Pos[gate.Exit].String(),
		Occupancy: m.Occ.String(), Current: l.trips[gate.LanePassage].id(), Next: l.trips[gate.LaneReception].id(), Lease: m.Lease, Simulated: l.cfg.Simulated,
	}
	if l.cfg.Topology == gate.OneStep {
		s.Entry = "none"
	}
	ref, t := m.PRef, l.trips[gate.LanePassage]
	s.Reason = m.PReason
	if ref == gate.RefNone {
		ref, t = m.RRef, l.trips[gate.LaneReception]
		if ref != gate.RefNone {
			s.Reason = m.RReason
		}
	}
	s.Referral = ref.String()
	if ref != gate.RefNone && t != nil {
		s.Owner = t.owner
	}
	if m.Passage == gate.PasHold {
		s.Owner = l.keeper
	}
	cur := l.trips[gate.LanePassage]
	if cur == nil {
		cur = l.trips[gate.LaneReception]
	}
	if cur != nil {
		s.Stages = slices.Clone(cur.stages)
	}
	old := l.state
	old.Seq, old.StageMS, old.At = 0, 0, time.Time{}
	if !always && equalState(old, s) {
		return
	}
	l.seq++
	if cur != nil {
		s.StageMS = time.Since(cur.since).Milliseconds()
	}
	s.Seq, s.At = l.seq, l.now()
	l.state = s
	l.p.Link.PublishState(s)
}

func equalState(a, b api.State) bool {
	return slices.Equal(a.Stages, b.Stages) && a.Mode == b.Mode && a.Reception == b.Reception && a.Passage == b.Passage && a.Entry == b.Entry &&
		a.Exit == b.Exit && a.Occupancy == b.Occupancy && a.Current == b.Current && a.Next == b.Next && a.Reason == b.Reason && a.Referral == b.Referral &&
		a.Owner == b.Owner && a.Lease == b.Lease
}

// publishHealth is the one retained document with every part in it (M-01).
func (l *Loop) publishHealth() {
	l.healthAt = time.Now()
	snap := l.p.Health.Snapshot()
	h := api.Health{At: snap.At.UTC(), Overall: snap.Overall, Parts: []api.Part{}, Faults: []api.Fault{}, Simulated: l.cfg.Simulated,
		DemoModel: l.p.Health.Has(health.DemoModels, health.PartInspector), Versions: map[string]string{"egated": l.cfg.Version},
		Counters: map[string]int64{"steps": int64(l.step)}, SelfTest: l.tested}
	maps.Copy(h.Versions, l.cfg.Versions)
	if l.cfg.Counters != nil {
		maps.Copy(h.Counters, l.cfg.Counters())
	}
	for _, s := range l.slots {
		if s.ready.ModelPack != "" {
			h.Versions["models"], h.Versions["policy"], h.Versions["trust"], h.Versions["sandbox"] = s.ready.ModelPack, s.ready.Policy, s.ready.Trust, s.ready.Sandbox
		}
	}
	for _, p := range snap.Parts {
		h.Parts = append(h.Parts, api.Part{Name: p.Name, State: p.State, Since: p.Since.UTC(), Code: string(p.Code)})
	}
	for _, f := range snap.Faults {
		h.Faults = append(h.Faults, api.Fault{Code: string(f.Code), Part: f.Part, Severity: f.Severity.String(), Since: f.Since.UTC()})
	}
	l.p.Link.PublishHealth(h)
}
