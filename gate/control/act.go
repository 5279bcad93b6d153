package control

import (
	"context"
	"errors"
	"time"

	"egate/api"
	"egate/gate"
	"egate/hal"
	"egate/health"
	"egate/inspect/protocol"
	"egate/verdict"
)

// act carries one action out. Nothing here waits.
func (l *Loop) act(a gate.Action) {
	switch a.Kind {
	case gate.ActOpen:
		l.door(a.Kind, a.Door, func(ctx context.Context, d hal.Door) error { return errors.Join(d.Lock(false), d.Open(ctx)) })
	case gate.ActClose:
		l.door(a.Kind, a.Door, func(ctx context.Context, d hal.Door) error { return d.Close(ctx) })
	case gate.ActLock:
		l.door(a.Kind, a.Door, func(_ context.Context, d hal.Door) error { return d.Lock(a.On) })
	case gate.ActRelease:
		if err := l.p.Doors.Release(); err != nil {
			l.log.Error("control: release", "err", err)
			l.fault(health.LinesLost, health.PartLines, true)
		}
	case gate.ActRestore:
		if err := l.p.Doors.Restore(); err != nil {
			l.log.Error("control: restore", "err", err)
			l.fault(health.LinesLost, health.PartLines, true)
		}
	case gate.ActStart:
		l.startTimer(a.Timer, l.cfg.Limits[a.Limit]*time.Duration(max(a.N, 1)))
	case gate.ActStop:
		l.stopTimer(a.Timer)
	case gate.ActCommit:
		l.commit, l.waits = a.N, true
	case gate.ActEmit:
		l.tell(a)
	case gate.ActAnswer:
		l.answer(a)
	case gate.ActAdmit:
		l.trips[gate.LanePassage], l.trips[gate.LaneReception] = l.trips[gate.LaneReception], nil
	case gate.ActSpawn:
		l.spawn(a.Slot.Index())
	case gate.ActBegin:
		l.begin(a.Slot.Index())
	case gate.ActTakeBack:
		l.lease(a.Slot.Index(), protocol.Scanner, false)
		l.lease(a.Slot.Index(), protocol.NFC, false)
	case gate.ActCapture:
		l.lease(a.Slot.Index(), protocol.Camera, true)
		l.p.Inspectors.Send(a.Slot.Index(), protocol.ToInspector{Capture: &protocol.Capture{}})
	case gate.ActHalt:
		l.p.Inspectors.Send(a.Slot.Index(), protocol.ToInspector{Stop: &protocol.Stop{Reason: a.Reason}})
	case gate.ActEnd:
		l.p.Inspectors.Send(a.Slot.Index(), protocol.ToInspector{End: &protocol.End{}})
		l.slots[a.Slot.Index()].ending = true
		l.stopTimer(silence(a.Slot.Index()))
	case gate.ActKill:
		l.stopTimer(silence(a.Slot.Index()))
		l.p.Inspectors.Kill(a.Slot.Index())
	}
}

func (l *Loop) startTimer(t gate.Timer, d time.Duration) {
	l.stopTimer(t)
	l.timerGen++
	g := l.timerGen
	r := &running{gen: g, ends: time.Now().Add(d)}
	r.timer = time.AfterFunc(d, func() {
		select {
		case l.fired <- fired{t, g}:
		case <-l.done:
		}
	})
	l.timers[t] = r
}

func (l *Loop) stopTimer(t gate.Timer) {
	if r := l.timers[t]; r != nil {
		r.timer.Stop()
		delete(l.timers, t)
	}
}

// sendLamps keeps the newest picture of the lamps for their goroutine.
func (l *Loop) sendLamps() {
	want := l.lampsNow()
	select {
	case <-l.lamps:
	default:
	}
	l.lamps <- want
}

func (l *Loop) runLamps(ctx context.Context) {
	var now lampSet
	first := true
	for {
		select {
		case w := <-l.lamps:
			l.lampDrive.begin(time.Now())
			for _, x := range []struct {
				name    string
				on, was bool
			}{
				{"lamp_entry_green", w.EntryGreen, now.EntryGreen}, {"lamp_exit_green", w.ExitGreen, now.ExitGreen}, {"lamp_red", w.Red, now.Red},
				{"beacon", w.Beacon, now.Beacon}, {"light_r", w.r, now.r}, {"light_g", w.g, now.g}, {"light_b", w.b, now.b},
			} {
				if first || x.on != x.was {
					if err := l.p.Lamps.Set(x.name, x.on); err != nil && ctx.Err() == nil {
						l.log.Warn("control: lamp", "line", x.name, "err", err)
					}
				}
			}
			now, first = w, false
			l.lampDrive.begin(time.Time{})
		case <-ctx.Done():
			return
		}
	}
}

// trip is the traveller of a lane; somebody who came without a document gets one now.
func (l *Loop) trip(lane gate.Lane) *trip {
	if lane != gate.LaneReception {
		lane = gate.LanePassage
	}
	if l.trips[lane] == nil {
		l.trips[lane] = newTrip(time.Now())
	}
	return l.trips[lane]
}

// stages notes in which stage each traveller is.
func (l *Loop) stages(now time.Time) {
	if t := l.trips[gate.LaneReception]; t != nil {
		t.enter(l.m.Reception.String(), now)
	}
	if l.m.Passage == gate.PasManual {
		l.trip(gate.LanePassage) // no document brought it here
	}
	if t := l.trips[gate.LanePassage]; t != nil {
		t.enter(l.m.Passage.String(), now)
	}
}

// severity of an alarm: what endangers persons or the border comes first at the desk (O-05).
func severity(r verdict.Reason) string {
	switch r {
	case verdict.Emergency, verdict.PersonTrapped, verdict.DoorForced, verdict.IntruderDuringRelease, verdict.WrongDirection, verdict.Tamper:
		return "danger"
	case verdict.ObjectLeft, verdict.DocumentLeftOnReader:
		return "notice"
	}
	return "warning"
}

// tell makes an event of what the machine emitted.
func (l *Loop) tell(a gate.Action) {
	switch a.What {
	case gate.WhatChoice:
		c := "decline"
		if a.On {
			c = "accept"
		}
		t := l.trip(a.Lane)
		stage := t.stage
		if stage == "" {
			stage = "notice"
		}
		l.emit(api.EventChoice, api.Choice{Passage: t.ID, Choice: c, Stage: stage})
	case gate.WhatReferral:
		t := l.trip(a.Lane)
		e := api.ReferralEvent{Passage: t.ID, State: a.RefEv.String(), Reason: a.Reason}
		switch a.RefEv {
		case gate.RefEvOpen:
			t.reason, t.owner = a.Reason, ""
		case gate.RefEvTaken:
			t.owner = l.officer
		case gate.RefEvReturned:
			t.owner = ""
		case gate.RefEvAccepted:
			e.Decision = "accept"
		case gate.RefEvSentBack:
			e.Decision = "send_back"
		case gate.RefEvConfirmed:
			e.Decision = "accept" // by a second officer, not yet the owner's
		case gate.RefEvHandedOver:
			t.owner = l.receiver
		}
		switch {
		case a.RefEv == gate.RefEvHandedOver:
			e.Officer = l.receiver
		case a.RefEv != gate.RefEvOpen && a.RefEv != gate.RefEvClosed:
			e.Officer = l.officer
		}
		l.emit(api.EventReferral, e)
	case gate.WhatAlarm:
		e := api.Alarm{Reason: a.Reason, Severity: severity(a.Reason), Raised: a.On}
		if t := l.trips[a.Lane]; a.Lane != gate.LaneNone && t != nil {
			e.Passage = t.ID
		}
		l.emit(api.EventAlarm, e)
	case gate.WhatMode:
		l.emit(api.EventMode, api.ModeEvent{From: l.state.Mode, To: a.Mode.String(), By: l.officer})
	case gate.WhatDoor:
		what := "blocked"
		if a.Reason == verdict.DoorForced {
			what = "forced"
			l.fault(health.DoorForced, part(a.Door), true)
		}
		l.emit(api.EventDoor, api.DoorEvent{Door: a.Door.String(), What: what})
	case gate.WhatTest:
		l.tested = &api.SelfTest{At: l.now(), Passed: a.On, Reason: a.Reason}
		l.fault(health.DoorTestFailed, health.PartMantrap, !a.On)
		l.publishHealth()
	case gate.WhatPassage:
		l.ended(a)
	}
}

// causes tells the board whether the causes of faults that wait for an officer are there or have gone.
func (l *Loop) causes(e gate.Event) {
	switch {
	case e.Kind == gate.EvFire && e.Tri == gate.High:
		l.fault(health.Fire, health.PartFireLoop, false)
	case e.Kind == gate.EvFire && l.m.Mode == gate.ModeEmergency:
		l.fault(health.Fire, health.PartFireLoop, true)
	case e.Kind == gate.EvDoorMoved && l.m.Pos[e.Door] == gate.PosClosed:
		l.fault(health.DoorForced, part(e.Door), false)
	}
}

// ended writes the transaction of a traveller who is through with the gate, and forgets the rest.
func (l *Loop) ended(a gate.Action) {
	lane := a.Lane
	if lane != gate.LaneReception {
		lane = gate.LanePassage
	}
	t := l.trip(lane)
	t.enter("end", time.Now())
	if t.stages == nil {
		t.stages = []api.StageTime{}
	}
	checks := t.checks
	if checks == nil {
		checks = []verdict.Check{}
	}
	p := api.Passage{Passage: t.ID, Outcome: a.Outcome, Reason: a.Reason, Completed: a.On, Stages: t.stages, TotalMS: t.total(), Checks: checks,
		MatchBand: t.match, PADBand: t.pad, Model: t.model, Policy: t.policy, DemoModel: t.demo, Retries: t.retries,
		OverheadUS: t.overhead.Microseconds(), Steps: t.steps}
	if a.Outcome != verdict.Allow {
		p.Reference = t.reference
		l.reference = t.reference
	}
	if l.cfg.Used != nil && (len(t.checks) > 0 || t.retries > 0) { // a document was laid down
		l.cfg.Used("reader", 100*float64(t.retries))
	}
	l.emit(api.EventPassage, p)
	l.trips[lane] = nil
}
