package gate

import "egate/verdict"

// settle takes every step that the facts now allow. It is where order of arrival stops to matter: a
// guard is asked again after every event.
func (s *step) settle() {
	for range 8 { // a few rules can follow one another; each moves towards rest
		before := s.m
		if s.m.Mode != ModeEmergency {
			s.settleRecovery()
			s.settleReception()
			s.settlePassage()
		}
		s.settleInspectors()
		if s.m == before {
			return
		}
	}
}

// settleRecovery proves the mantrap empty (P-15): the exit closes first, whoever is inside leaves to the side
// of origin, then the entry closes. No grant survives a start.
func (s *step) settleRecovery() {
	m := &s.m
	if m.Mode != ModeRecovering || m.Fire != High {
		return
	}
	if !m.Restored {
		m.Restored = true
		s.do(Action{Kind: ActRestore})
		s.start(TimerRecover, LimitRecover, 1)
	}
	if !m.secured(Exit) {
		s.secure(Exit)
		if m.empty() && m.Pos[Entry] == PosClosed && m.Cmd[Entry] == CmdNone && !m.Locked[Entry] {
			s.lock(Entry) // the exit may stay unproven: service wants one door that is
		}
		return
	}
	switch {
	case m.Occ == CountUnknown:
	case !m.empty():
		s.letOut()
	case !m.secured(Entry):
		s.secure(Entry)
	default:
		m.Mode = ModeClosed
		if m.Open {
			m.Mode = ModeOpen
		}
		s.do(Action{Kind: ActStop, Timer: TimerRecover})
		s.do(Action{Kind: ActEmit, What: WhatMode, Mode: m.Mode})
	}
}

// secure closes a door, or locks one that is closed already: released, forced, never moved.
func (s *step) secure(d Door) {
	if s.m.Pos[d] == PosClosed && s.m.Cmd[d] == CmdNone {
		s.lock(d)
		return
	}
	s.shut(d)
}

// serving tells whether travellers are served (O-01), or in service a technician with a specimen.
func (m *Model) serving() bool { return m.Mode == ModeOpen && m.Lease && !m.Blocked || m.Specimen }

// inviting tells whether new ones are: not after the end of a shift, which lets those through whose document
// was taken (O-02), nor while the entry is held open.
func (m *Model) inviting() bool {
	return m.serving() && !m.Over && m.Passage != PasHold && !(m.Specimen && m.Passage != PasEmpty)
}

func (s *step) settleReception() {
	m := &s.m
	switch m.Reception {
	case RecIdle:
		if !m.inviting() || m.Reader != NoSlot || m.Topology == OneStep && m.Passage != PasEmpty {
			return
		}
		for _, sl := range []Slot{Slot1, Slot2} {
			if sl != m.PSlot && m.Slots[sl.Index()] == SlotReady {
				m.Reception, m.RSlot = RecNotice, sl
				return
			}
		}
	case RecNotice:
		if !m.inviting() || m.RSlot == NoSlot || m.Slots[m.RSlot.Index()] != SlotReady {
			m.Reception, m.RSlot = RecIdle, NoSlot
		}
	case RecLift:
		if !m.Doc {
			m.Reception = RecWait
			s.do(Action{Kind: ActTakeBack, Slot: m.RSlot})
			s.start(TimerReception, LimitReferral, 1)
		}
	case RecWait:
		if !m.serving() {
			r := verdict.DeviceFault
			if m.Mode != ModeOpen {
				r = verdict.GateClosed
			} else if !m.Lease {
				r = verdict.LeaseLost
			}
			s.do(Action{Kind: ActHalt, Slot: m.RSlot, Reason: r})
			s.refuse(r)
			return
		}
		if m.Passage != PasEmpty || !m.closed() || m.Fire != High || m.Topology == Mantrap && !m.empty() {
			return
		}
		m.PSlot, m.RSlot, m.Reception = m.RSlot, NoSlot, RecIdle
		m.POutcome, m.PReason = verdict.OutcomeNone, verdict.ReasonNone
		m.Held, m.RHeld = m.RHeld, false
		s.do(Action{Kind: ActStop, Timer: TimerReception})
		s.do(Action{Kind: ActAdmit, Slot: m.PSlot})
		if m.Topology == OneStep { // nobody is let in: who laid the document down is inside
			m.Passage = PasSecure
			s.start(TimerPassage, LimitSecure, 1)
			return
		}
		m.Passage = PasAdmit
		if m.Specimen { // no grant: the technician steps in from the side of origin, by an order
			s.open(Entry)
			s.start(TimerPassage, LimitNoShow, 1)
			return
		}
		s.grant(GrantEntry)
	}
}

// settlePassage moves the person's machine. Frames are taken of exactly one person behind closed doors (S-01).
func (s *step) settlePassage() {
	m := &s.m
	switch m.Passage {
	case PasEmpty:
		// Somebody stands where nobody was let in: the way back opens, the officer is told (S-09).
		if m.Topology == Mantrap && m.Mode != ModeRecovering && (m.Occ == CountOne || m.Occ == CountMany) {
			m.Passage, m.PReason = PasRefer, verdict.WrongDirection
			m.POutcome = verdict.Refer
			s.alarm(verdict.WrongDirection, true, LanePassage)
			s.leave()
			return
		}
		if m.Mode == ModeRecovering {
			return
		}
		// A door that was forced closes again (D-11).
		if !m.secured(Exit) {
			s.secure(Exit)
		}
		if !m.secured(Entry) {
			s.secure(Entry)
		}
	case PasAdmit:
		if m.Cmd[Entry] != CmdOpen {
			return
		}
		switch {
		case m.Occ == CountMany:
			s.refer(verdict.TwoPersons)
		case m.Occ == CountOne && m.clear(Entry) && !m.Guard[Entry]:
			m.Passage = PasSecure
			s.shut(Entry)
			s.start(TimerPassage, LimitSecure, 1)
		}
	case PasSecure:
		switch {
		case m.Occ == CountMany:
			s.refer(verdict.TwoPersons)
		case m.Occ == CountZero && m.clear(Entry):
			m.POutcome, m.PReason = verdict.OutcomeNone, verdict.NoShow
			s.clearing()
		case !m.live(m.PSlot):
			s.refer(verdict.InspectorFault)
		case !m.secured(Entry):
			s.secure(Entry)
		case m.closed() && m.Occ == CountOne && m.Held: // nobody is asked to look into a camera: the officer decides
			s.refer(verdict.CentreHit)
			m.POutcome = verdict.RefuseAndHold
		case m.closed() && m.Occ == CountOne && m.Camera == NoSlot:
			m.Passage, m.Camera, m.PTries = PasCapture, m.PSlot, 0
			s.do(Action{Kind: ActCapture, Slot: m.PSlot})
			s.start(TimerPassage, LimitCapture, 1)
		}
	case PasRelease:
		if !m.exitOpened() && m.Grant != GrantNone {
			return
		}
		switch {
		case m.Cmd[Exit] == CmdNone: // it has closed again before anybody was seen to go
			if m.Occ == CountZero {
				m.Crossed = true
				s.clearing()
			} else if m.PReason == verdict.IntruderDuringRelease {
				s.refer(verdict.IntruderDuringRelease)
			} else {
				s.refer(verdict.OccupancyChanged)
			}
		case m.Occ == CountZero && m.clear(Exit):
			m.Crossed = true
			s.clearing()
		case m.Occ == CountMany:
			s.intruder()
			s.shut(Exit)
		case m.PReason == verdict.IntruderDuringRelease:
			s.shut(Exit)
		}
	case PasRefer:
		if !m.secured(Exit) {
			s.secure(Exit)
		} else if !m.secured(Entry) {
			s.secure(Entry)
		}
		if m.Occ == CountZero && !m.Object && m.closed() {
			s.clearing()
		}
	case PasLeave:
		switch {
		case !m.secured(Exit):
			s.secure(Exit)
		case m.Occ == CountZero && m.clear(Entry):
			s.clearing()
		case m.has(Entry) && m.Cmd[Entry] != CmdOpen:
			s.open(Entry)
		}
	case PasClear:
		s.settleClearing()
	case PasManual:
		switch {
		case !m.secured(Exit):
			s.secure(Exit)
		case m.Occ == CountZero && m.closed():
			m.PReason = verdict.NoShow // nobody came in, or went back
			s.clearing()
		case m.Occ != CountZero && m.Cmd[Entry] == CmdOpen, m.Cmd[Entry] == CmdNone && !m.secured(Entry):
			s.secure(Entry)
		}
	case PasTest:
		s.settleTest()
	case PasHold:
		s.settleHold()
	}
}

// settleHold keeps the entry open until the officer lets go, and then until nobody is inside and its beam is
// clear: it never closes by itself (D-12). Nobody's passage is told.
func (s *step) settleHold() {
	m := &s.m
	switch {
	case !m.secured(Exit):
		s.secure(Exit)
	case (!m.LetGo || !m.empty()) && m.Cmd[Entry] != CmdOpen: // somebody may have stepped in while it closed
		s.open(Entry)
	case m.LetGo && m.empty() && !m.secured(Entry):
		s.secure(Entry)
	case m.LetGo && m.empty():
		m.clearPassage()
		s.do(Action{Kind: ActStop, Timer: TimerPassage})
	}
}

// settleTest moves one door after the other through its way, with the mantrap proven empty and the other
// door locked (M-02). What speaks against it ends it; the doors close, and nobody's passage is told.
func (s *step) settleTest() {
	m := &s.m
	d := Entry
	if m.Tested || m.Freeing {
		d = Exit
	}
	switch {
	case m.PReason != verdict.ReasonNone:
		switch {
		case !m.secured(Exit):
			s.secure(Exit)
		case !m.secured(Entry):
			s.secure(Entry)
		default:
			after, passed := m.After, m.PReason == verdict.OK
			m.Untested = m.Untested && !passed
			m.clearPassage()
			s.do(Action{Kind: ActStop, Timer: TimerPassage})
			if passed && after != ModeRecovering {
				m.Open = after == ModeOpen
				s.recover()
			}
		}
	case !m.empty() || !m.secured(d.Other()):
		s.test(verdict.OccupancyChanged)
	case m.Cmd[d] == CmdOpen && m.Pos[d] == PosOpen && !m.Hold[d]:
		s.shut(d)
	case m.Cmd[d] == CmdNone && !m.secured(d):
		s.secure(d)
	case m.secured(d) && m.Freeing:
		m.Freeing = false
		s.open(Entry)
	case m.secured(d) && d == Entry:
		m.Tested = true
		s.open(Exit)
	case m.secured(d):
		s.test(verdict.OK)
	}
}

// test tells how the self-test ended.
func (s *step) test(r verdict.Reason) {
	s.m.PReason = r
	s.do(Action{Kind: ActEmit, What: WhatTest, On: r == verdict.OK, Reason: r})
}

// settleClearing ends a passage once both doors are secured and nothing is left inside (S-05).
func (s *step) settleClearing() {
	m := &s.m
	// Whoever is inside now leaves to the side of origin. Before a one-step door it is the next traveller,
	// once the door is shut.
	next := m.Topology == OneStep && (m.Occ == CountOne || m.Occ == CountMany)
	if !next && (m.Occ == CountOne || m.Occ == CountMany) {
		m.Passage = PasLeave
		s.start(TimerPassage, LimitLeave, 1)
		return
	}
	if m.Object && m.PTries == 0 {
		s.alarm(verdict.ObjectLeft, true, LanePassage)
		m.PTries = 1
	}
	if !m.secured(Exit) {
		s.secure(Exit)
	}
	if !m.secured(Entry) {
		s.secure(Entry)
	}
	if m.closed() && (m.empty() || next && !m.Object) && m.PSlot == NoSlot {
		if m.PTries > 0 {
			s.alarm(verdict.ObjectLeft, false, LanePassage)
		}
		s.end(LanePassage, m.POutcome, m.PReason)
		m.clearPassage()
		s.do(Action{Kind: ActStop, Timer: TimerPassage})
	}
}

// settleInspectors keeps one inspector warm ahead of the next traveller.
func (s *step) settleInspectors() {
	m := &s.m
	for _, sl := range []Slot{Slot1, Slot2} {
		if m.Mode == ModeStandby && m.Slots[sl.Index()] == SlotReady {
			s.finish(sl)
		}
	}
	for _, st := range m.Slots {
		if st == SlotStarting || st == SlotReady {
			return
		}
	}
	if m.Mode == ModeStandby {
		return
	}
	for _, sl := range []Slot{Slot1, Slot2} {
		if m.Slots[sl.Index()] == SlotFree && sl != m.RSlot && sl != m.PSlot {
			m.Slots[sl.Index()] = SlotStarting
			s.do(Action{Kind: ActSpawn, Slot: sl})
			s.start(slotTimer(sl), LimitWarm, 1)
			return
		}
	}
}
