package gate

import "egate/verdict"

func (s *step) answer(e Event, accepted bool, why verdict.Reason) {
	s.do(Action{Kind: ActAnswer, Ref: e.Ref, On: accepted, Reason: why})
}

// order follows an officer's order, or answers why not (O-03). What is asked twice has one effect.
func (s *step) order(e Event) {
	m := &s.m
	ref := m.PRef
	referred := m.Passage == PasRefer
	if e.Lane == LaneReception {
		ref, referred = m.RRef, m.Reception == RecRefer
	}
	set := func(r Referral) {
		if e.Lane == LaneReception {
			m.RRef = r
		} else {
			m.PRef = r
		}
	}
	no := func(r verdict.Reason) { s.answer(e, false, r) }
	mine := referred && ref == RefTaken && e.Mine
	reason := m.PReason
	if e.Lane == LaneReception {
		reason = m.RReason
	}
	authority, _ := reason.Overturn()
	switch e.Order {
	case OrderRelease:
		// Followed in the life-safety layer.
	case OrderTake:
		switch {
		case !referred:
			no(s.undecided(referred, ref))
		case ref == RefTaken && !e.Mine:
			no(verdict.OfficerHeld)
		default:
			if ref == RefOpen {
				set(RefTaken)
				s.referral(e.Lane, RefEvTaken, reason)
			}
			s.answer(e, true, verdict.OK)
		}
	case OrderReturn:
		if !mine {
			no(s.undecided(referred, ref))
			return
		}
		s.returned(e.Lane)
		s.answer(e, true, verdict.OK)
	case OrderAccept, OrderOpenExit:
		// The exit opens for one person who stands there alone, behind a closed entry door.
		manual := e.Order == OrderOpenExit && m.Mode == ModeManual && (m.Passage == PasManual || m.Topology == OneStep && m.Passage == PasEmpty)
		switch {
		case manual && (!m.closed() || m.Occ != CountOne || m.Fire != High):
			no(verdict.OccupancyChanged)
		case manual:
			s.answer(e, true, verdict.OK)
			m.POutcome, m.PReason, m.Passage = verdict.Allow, verdict.OfficerAccepted, PasRelease
			s.grant(GrantOrder)
		case !referred && e.Lane != LaneNone:
			no(verdict.AlreadyDecided)
		case e.Lane != LanePassage || authority == verdict.StaffedLane || m.Held:
			no(verdict.NotAtADistance)
		case authority == verdict.TwoOfficers && ref == RefTaken && e.Second && e.Order == OrderAccept:
			m.PSecond = true
			s.answer(e, true, verdict.OK)
			s.referral(LanePassage, RefEvConfirmed, m.PReason)
		case !mine:
			no(s.undecided(true, ref))
		case authority == verdict.TwoOfficers && !m.PSecond:
			no(verdict.SecondOfficerNeeded)
		case !m.closed() || m.Occ != CountOne || m.Fire != High:
			no(verdict.OccupancyChanged)
		default:
			s.answer(e, true, verdict.OK)
			s.referral(LanePassage, RefEvAccepted, verdict.OfficerAccepted)
			m.PRef, m.Passage = RefNone, PasRelease
			if m.PReason == verdict.IntruderDuringRelease {
				m.PReason = verdict.OfficerAccepted // that was the release before: it would shut this one at once
			}
			s.grant(GrantOrder)
		}
	case OrderSendBack:
		if !mine {
			no(s.undecided(referred, ref))
			return
		}
		s.answer(e, true, verdict.OK)
		s.referral(e.Lane, RefEvSentBack, verdict.OfficerSentBack)
		if e.Lane == LaneReception {
			m.RRef = RefNone
			s.depart(verdict.Refer, m.RReason)
			return
		}
		m.PRef = RefNone
		s.leave()
	case OrderHold:
		switch {
		case !mine:
			no(s.undecided(referred, ref))
			return
		case e.Lane != LanePassage:
			no(verdict.OfficerNoDecision)
			return
		}
		// Holding is an officer's presence, not a locked door: the exit button still works (P-08, P-09).
		// It lasts while its officer says so again and again.
		m.POutcome, m.PTries = verdict.RefuseAndHold, maxTries
		s.answer(e, true, verdict.OK)
		s.start(TimerPassage, LimitPrompt, 1)
	case OrderOpenGate, OrderCloseGate:
		if (m.Mode == ModeManual || m.Mode == ModeService) && m.Passage != PasEmpty || m.Mode == ModeService && m.served() {
			no(verdict.MantrapNotEmpty)
			return
		}
		if m.Mode == ModeService && m.has(Entry) && !m.testable() {
			no(verdict.MantrapNotEmpty)
			return
		}
		if m.Untested && m.Mode != ModeService && e.Order == OrderOpenGate {
			no(verdict.SelfTestFailed)
			return
		}
		s.answer(e, true, verdict.OK)
		if m.Mode == ModeService {
			s.endService(e.Order == OrderOpenGate)
			return
		}
		m.Open = e.Order == OrderOpenGate
		switch {
		case m.Mode == ModeRecovering:
		case m.Open:
			s.mode(ModeOpen)
		default:
			s.mode(ModeClosed)
		}
	case OrderStandby, OrderService, OrderManual:
		// A gate that cannot prove its doors closed is no dead end: a technician is let at it, as soon as nobody
		// is inside and one door is proven closed.
		broken := m.Mode == ModeRecovering && e.Order == OrderService && m.empty() && m.Fire == High && (m.secured(Entry) || m.secured(Exit))
		if m.Passage != PasEmpty || m.served() || m.Mode == ModeRecovering && !broken || m.Mode == ModeService {
			no(verdict.MantrapNotEmpty)
			return
		}
		if m.Untested && e.Order == OrderManual {
			no(verdict.SelfTestFailed)
			return
		}
		s.answer(e, true, verdict.OK)
		m.Open = false
		s.mode(ModeStandby + Mode(e.Order-OrderStandby))
	case OrderSelfTest:
		switch {
		case m.Mode != ModeService, !m.has(Entry), m.served(): // the only door of a one-step gate never moves for nobody
			no(verdict.GateClosed)
		case !m.testable():
			no(verdict.MantrapNotEmpty)
		default:
			s.answer(e, true, verdict.OK)
			s.beginTest()
		}
	case OrderHoldEntry:
		switch {
		case m.Passage == PasHold: // still there
			m.LetGo = false
			s.answer(e, true, verdict.OK)
			s.start(TimerPassage, LimitReferral, 1)
		case !m.has(Entry), m.Mode != ModeOpen && m.Mode != ModeClosed && m.Mode != ModeManual:
			no(verdict.GateClosed)
		case m.Untested:
			no(verdict.SelfTestFailed)
		case m.Passage != PasEmpty || m.served() || !m.closed() || !m.empty() || m.Fire != High:
			no(verdict.MantrapNotEmpty)
		default:
			s.answer(e, true, verdict.OK)
			m.Passage = PasHold
			s.open(Entry)
			s.start(TimerPassage, LimitReferral, 1)
		}
	case OrderLetGo:
		if m.Passage != PasHold {
			no(verdict.AlreadyDecided)
			return
		}
		m.LetGo = true
		s.answer(e, true, verdict.OK)
		s.start(TimerPassage, LimitClear, 1)
	case OrderSpecimen:
		switch {
		case m.Mode != ModeService:
			no(verdict.GateClosed)
		case m.Untested:
			no(verdict.SelfTestFailed)
		case m.Passage != PasEmpty || m.served() || !m.closed() || m.has(Entry) && !m.empty() || m.Fire != High:
			no(verdict.MantrapNotEmpty)
		default:
			s.answer(e, true, verdict.OK)
			m.Specimen = true
		}
	case OrderOutOfService:
		switch {
		case m.Mode != ModeService, !m.has(Entry): // a one-step gate leaves service without a test
			no(verdict.GateClosed)
		case m.Passage != PasEmpty && m.Passage != PasTest || m.served():
			no(verdict.MantrapNotEmpty)
		default:
			s.answer(e, true, verdict.OK)
			if m.Passage != PasTest || m.PReason == verdict.ReasonNone {
				s.test(verdict.SelfTestFailed)
			}
			m.clearPassage()
			s.do(Action{Kind: ActStop, Timer: TimerPassage})
			m.Open, m.Untested = false, true
			s.recover()
		}
	case OrderHandOver:
		if !e.Mine || !e.Second {
			no(verdict.LeaseLost)
			return
		}
		s.answer(e, true, verdict.OK)
		s.handOver(e.N)
	case OrderReset:
		busy := m.Passage != PasEmpty && m.Passage != PasClear && m.Passage != PasLeave || m.served()
		if busy || m.Mode == ModeRecovering || m.Mode == ModeService && (m.Passage != PasEmpty || m.has(Entry) && !m.testable()) {
			no(verdict.MantrapNotEmpty)
			return
		}
		s.answer(e, true, verdict.OK)
		if m.Mode == ModeService {
			s.endService(false)
			return
		}
		if m.Passage != PasEmpty {
			s.end(LanePassage, m.POutcome, m.PReason)
			s.kill(m.PSlot)
			m.clearPassage()
		}
		s.do(Action{Kind: ActStop, Timer: TimerPassage})
		s.recover()
	case OrderOpenEntry:
		if m.Mode == ModeManual && m.Passage == PasEmpty {
			if !m.has(Entry) || !m.closed() || !m.empty() || m.Fire != High {
				no(verdict.MantrapNotEmpty)
				return
			}
			s.answer(e, true, verdict.OK)
			m.Passage = PasManual
			s.open(Entry)
			s.start(TimerPassage, LimitReferral, 1)
			return
		}
		// Toward the side of origin: whoever is inside may leave.
		if m.Passage == PasTest || m.Passage == PasHold || m.Passage == PasEmpty || m.Passage == PasClear || m.Passage == PasAdmit || m.Passage == PasRelease && m.exitOpened() {
			no(verdict.MantrapNotEmpty)
			return
		}
		s.answer(e, true, verdict.OK)
		s.leave()
	default:
		no(verdict.OfficerNoDecision)
	}
}

// testable tells whether the self-test may move the doors: nobody inside, one door proven closed, and none of
// another test under way.
func (m *Model) testable() bool {
	free := m.Passage == PasEmpty || m.Passage == PasTest && m.PReason != verdict.ReasonNone
	return free && (m.secured(Entry) || m.secured(Exit)) && m.empty() && m.Fire == High
}

// beginTest moves one door after the other (M-02).
func (s *step) beginTest() {
	m := &s.m
	m.clearPassage()
	m.Passage = PasTest
	s.start(TimerPassage, LimitTest, 1)
	// One door may be of unknown position: it moves first, behind the other that is proven closed.
	first := Entry
	if m.Freeing = !m.secured(Exit); m.Freeing {
		first = Exit
	}
	if m.Pos[first] == PosOpen { // half of its way is made
		m.Cmd[first], m.Locked[first] = CmdOpen, false
	} else {
		s.open(first)
	}
}

// endService leaves service by a self-test: whoever worked there, both doors go through their way and the mantrap is
// proven empty again. A test that does not pass leaves the gate in service. The only door of a one-step gate
// never moves for nobody.
func (s *step) endService(open bool) {
	m := &s.m
	if !m.has(Entry) {
		m.Open, m.Specimen = open, false
		s.recover()
		return
	}
	s.beginTest()
	m.After = ModeClosed
	if open {
		m.After = ModeOpen
	}
}

// handOver makes what one officer owns another's (O-02): no referral is nobody's meanwhile, or two officers'. Whoever
// holds, or keeps the entry open, says so anew: the limits of that begin again.
func (s *step) handOver(what uint8) {
	m := &s.m
	if what&HandReception != 0 && m.RRef == RefTaken {
		s.referral(LaneReception, RefEvHandedOver, m.RReason)
	}
	switch {
	case what&HandPassage == 0:
	case m.PRef == RefTaken:
		m.PSecond = false // who confirmed as the second may be the one who decides now
		s.referral(LanePassage, RefEvHandedOver, m.PReason)
		s.start(TimerPassage, LimitPrompt, 1)
	case m.Passage == PasHold && !m.LetGo:
		s.start(TimerPassage, LimitReferral, 1)
	}
}

// undecided says why an order about a referral has no effect: it was decided before, is another's, or nobody's yet.
func (s *step) undecided(referred bool, ref Referral) verdict.Reason {
	switch {
	case !referred:
		return verdict.AlreadyDecided
	case ref == RefTaken:
		return verdict.OfficerHeld
	}
	return verdict.OfficerNoDecision
}

// returned puts a referral back into the queue.
func (s *step) returned(l Lane) {
	m := &s.m
	if l == LaneReception {
		m.RRef = RefOpen
		s.referral(l, RefEvReturned, m.RReason)
		return
	}
	m.PRef, m.PSecond = RefOpen, false
	s.referral(l, RefEvReturned, m.PReason)
}

// served tells whether somebody at the reader is being served.
func (m *Model) served() bool {
	return m.Reception != RecIdle && m.Reception != RecNotice && m.Reception != RecLeave
}

// mode changes the mode and tells of it.
func (s *step) mode(to Mode) {
	if s.m.Mode != to {
		s.m.Mode = to
		s.do(Action{Kind: ActEmit, What: WhatMode, Mode: to})
	}
}
