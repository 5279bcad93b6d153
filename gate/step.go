package gate

import "egate/verdict"

// step is one step in the making.
type step struct {
	m   Model
	out []Action
}

// Step is the machine: pure and total. Every event is accepted in every state; what a state has no use
// for changes facts only, and an order that cannot be followed is answered with its reason (P-01).
func Step(m Model, e Event) (Model, []Action) { return StepInto(nil, m, e) }

// StepInto is Step with room for the actions: a buffer that is used again costs no allocation.
func StepInto(buf []Action, m Model, e Event) (Model, []Action) {
	s := step{m: m, out: buf}
	s.facts(e)
	s.progress(m, e)
	s.safety(e)
	if s.m.Mode != ModeEmergency {
		s.void()
		s.inspector(e)
		switch e.Kind {
		case EvTimer:
			s.timer(e.Timer)
		case EvCommitted:
			s.committed(e.N)
		case EvCommitFailed:
			s.noEvidence()
		case EvOrder:
			s.order(e)
		case EvOwnerLost:
			if e.Lane == LaneReception && s.m.RRef == RefTaken || e.Lane == LanePassage && s.m.PRef == RefTaken {
				s.returned(e.Lane)
			}
		case EvAccepted, EvDeclined, EvMore, EvExitButton:
			s.touch(e.Kind)
		}
	} else {
		s.emergency(e)
	}
	s.settle()
	return s.m, s.out
}

func (s *step) do(a Action) { s.out = append(s.out, a) }

func (s *step) start(t Timer, l Limit, times uint8) {
	s.do(Action{Kind: ActStart, Timer: t, Limit: l, N: times})
}

func (s *step) alarm(r verdict.Reason, raised bool, lane Lane) {
	s.do(Action{Kind: ActEmit, What: WhatAlarm, Reason: r, On: raised, Lane: lane})
}

func (s *step) referral(l Lane, r RefEvent, why verdict.Reason) {
	s.do(Action{Kind: ActEmit, What: WhatReferral, Lane: l, RefEv: r, Reason: why})
}

// facts notes what was sensed. A position or a beam that nobody knows is noted as unknown and
// satisfies no guard.
func (s *step) facts(e Event) {
	m := &s.m
	switch e.Kind {
	case EvDoorMoved:
		if !m.has(e.Door) {
			return
		}
		was := m.Pos[e.Door]
		if e.On && !m.Locked[e.Door] {
			e.Pos = PosUnknown // a welded contact looks closed all the way back; of a door still locked the other one lies
		}
		m.Pos[e.Door] = e.Pos
		switch {
		case e.Pos == PosClosed && m.Cmd[e.Door] == CmdClose:
			s.shutDone(e.Door)
		case e.Pos == PosClosed && was != PosClosed && m.Cmd[e.Door] == CmdOpen && !m.Hold[e.Door]:
			s.start(doorTimer(e.Door), LimitTravel, 1) // pushed shut, or its contact bounces: asked again then
		}
		if e.Pos == PosOpen && m.Cmd[e.Door] == CmdOpen && !m.Hold[e.Door] {
			s.do(Action{Kind: ActStop, Timer: doorTimer(e.Door)})
		}
		// A door that leaves its contact without a command was forced (D-11).
		if was == PosClosed && e.Pos != PosClosed && m.Cmd[e.Door] == CmdNone && m.Mode != ModeEmergency && m.Mode != ModeRecovering {
			s.do(Action{Kind: ActEmit, What: WhatDoor, Door: e.Door, Reason: verdict.DoorForced, Lane: LanePassage})
			s.alarm(verdict.DoorForced, true, LanePassage)
			s.forced(e.Door)
		}
	case EvBeamed:
		if !m.has(e.Door) {
			return // the outer beam of a zone: it counts people, it stops no door
		}
		was := m.Beam[e.Door]
		m.Beam[e.Door] = e.Tri
		switch {
		case e.Tri != Low:
			m.Guard[e.Door] = false
			s.do(Action{Kind: ActStop, Timer: guardTimer(e.Door)})
			// D-05: who breaks the beam of a closing door has it opened again; nothing waits for a disk.
			if m.Cmd[e.Door] == CmdClose && m.Pos[e.Door] != PosClosed && m.Mode != ModeEmergency {
				s.reopen(e.Door)
			}
		case was != Low:
			m.Guard[e.Door] = true
			s.start(guardTimer(e.Door), LimitGuard, 1)
		}
	case EvCounted:
		if e.Count == CountMany && m.Occ == CountOne && m.Passage == PasLeave {
			s.alarm(verdict.TwoPersons, true, LanePassage) // somebody goes in past one who leaves (S-02)
		}
		if e.Door == Exit && e.Count < m.Occ && m.Passage == PasRelease && m.exitOpened() {
			m.Crossed = true // whoever stays behind
		}
		m.Occ = e.Count
		if m.Topology == OneStep {
			s.zone(e)
		}
	case EvObject:
		m.Object = e.On
	case EvFire:
		m.Fire = e.Tri
	case EvLease:
		m.Lease = e.On
	case EvShift:
		m.Over = e.On
	case EvFault:
		m.Blocked = e.On
	case EvReaderFree:
		if m.Reader == e.Slot {
			m.Reader = NoSlot
		}
	case EvCameraFree:
		if m.Camera == e.Slot {
			m.Camera = NoSlot
		}
	}
}

// progress starts the limit of the way back again when somebody on it moves: a count, a beam, the door that
// opens for him (D-13).
func (s *step) progress(before Model, e Event) {
	m := &s.m
	moved := e.Kind == EvCounted && m.Occ != before.Occ || e.Kind == EvBeamed && m.Beam != before.Beam || e.Kind == EvDoorMoved && e.Pos == PosOpen && m.Pos != before.Pos
	if moved && m.Passage == PasLeave && m.Occ != CountZero {
		s.start(TimerPassage, LimitLeave, 1)
	}
}

// zone is what a count tells while the door of a one-step gate stands open: nothing but beams keeps the
// next one out.
func (s *step) zone(e Event) {
	m := &s.m
	switch {
	case m.Passage == PasClear && !m.secured(Exit) && e.Count != CountZero:
		s.intruder()
	case m.Passage == PasRelease && m.exitOpened() && e.Count == CountZero && e.Door == Entry:
		// Turned round at the open door: the allow was for this occupancy.
		m.POutcome, m.PReason = verdict.OutcomeNone, verdict.NoShow
		s.clearing()
	}
}

// shutDone is a closing door that has reached its contact.
func (s *step) shutDone(d Door) {
	m := &s.m
	m.Cmd[d], m.Tries[d], m.Hold[d] = CmdNone, 0, false
	s.lock(d)
	s.do(Action{Kind: ActStop, Timer: doorTimer(d)})
}

// lock secures a door that is proven closed.
func (s *step) lock(d Door) {
	s.m.Locked[d] = true
	s.do(Action{Kind: ActLock, Door: d, On: true})
}

func doorTimer(d Door) Timer  { return TimerEntry + Timer(d) }
func guardTimer(d Door) Timer { return TimerGuard + Timer(d) }

// reopen stops a closing door: the drive opens again, the next try comes after a pause (D-08). While the
// other door is not closed (this one was forced) nothing is opened, and the pause alone is taken: the
// drive's own safety edge stops the leaf. Neither is the exit opened again while its beam is clear: it may be
// shut and one of its contacts lie, and somebody inside would cross without a grant (P-04).
func (s *step) reopen(d Door) {
	m := &s.m
	m.Hold[d] = true
	s.start(doorTimer(d), LimitRetry, 1)
	if !m.mayOpen(d) || d == Exit && m.clear(d) {
		m.Cmd[d] = CmdNone
		return
	}
	m.Cmd[d], m.Locked[d] = CmdOpen, false
	s.do(Action{Kind: ActOpen, Door: d})
}

// safety is the first layer: an alarm or an unknown fire input releases both doors at once (D-02).
// Recovery waits for a healthy input, with the doors released as they are without power.
func (s *step) safety(e Event) {
	m := &s.m
	fire := e.Kind == EvFire && e.Tri != High
	ordered := e.Kind == EvOrder && e.Order == OrderRelease
	if ordered {
		s.answer(e, true, verdict.OK)
	}
	if !fire && !ordered {
		return
	}
	if m.Mode == ModeEmergency {
		return
	}
	if m.Mode == ModeRecovering && m.Fire == Unknown && !m.Restored {
		return // not read yet: the doors are released already
	}
	s.do(Action{Kind: ActRelease})
	s.drop()
	m.Mode = ModeEmergency
	m.resetDoors()
	for t := TimerReception; t < timerEnd; t++ {
		if !outlives(t) {
			s.do(Action{Kind: ActStop, Timer: t})
		}
	}
	s.do(Action{Kind: ActEmit, What: WhatMode, Mode: ModeEmergency})
	s.alarm(verdict.Emergency, true, LanePassage)
	if m.Reception != RecIdle && m.Reception != RecNotice && m.Reception != RecLeave {
		s.end(LaneReception, verdict.OutcomeNone, verdict.Emergency)
	}
	if m.Passage != PasEmpty && m.Passage != PasTest && m.Passage != PasHold {
		if m.PReason != verdict.ReasonNone && m.Crossed {
			s.end(LanePassage, m.POutcome, m.PReason)
		} else {
			s.end(LanePassage, verdict.OutcomeNone, verdict.Emergency)
		}
	}
	for _, sl := range []Slot{Slot1, Slot2} {
		if st := m.Slots[sl.Index()]; st == SlotBegun || st == SlotEnding {
			s.kill(sl)
		}
	}
	m.Reception, m.RSlot, m.RReason, m.RRef, m.Doc, m.RHeld = RecIdle, NoSlot, verdict.ReasonNone, RefNone, false, false
	m.clearPassage()
}

// outlives tells which timers an emergency leaves running: those of inspectors that are to exit and of
// beams that have cleared, whose state the recovery after it builds on.
func outlives(t Timer) bool {
	return t == TimerSlot1 || t == TimerSlot2 || t == TimerGuard || t == TimerGuardX
}

// emergency is what happens while the doors are released: nothing but the way back.
func (s *step) emergency(e Event) {
	s.inspector(e)
	if e.Kind == EvTimer && outlives(e.Timer) {
		s.timer(e.Timer)
	}
	if e.Kind != EvOrder || e.Order == OrderRelease {
		return
	}
	switch {
	case e.Order != OrderEndEmergency:
		s.answer(e, false, verdict.Emergency)
	case s.m.Fire != High:
		s.answer(e, false, verdict.Emergency)
	default:
		s.answer(e, true, verdict.OK)
		s.alarm(verdict.Emergency, false, LaneNone)
		s.recover()
	}
}

// recover begins the proof that the mantrap is empty.
func (s *step) recover() {
	m := &s.m
	m.Mode = ModeRecovering
	// What the doors were told stays: one that has just been told to open still touches its contact.
	m.Locked, m.Restored, m.Tries = [2]bool{}, false, [2]uint8{}
	s.do(Action{Kind: ActEmit, What: WhatMode, Mode: ModeRecovering})
	s.start(TimerRecover, LimitRecover, 1)
}

// letOut opens the side of origin during recovery while nobody knows that the mantrap is empty: an
// unknown count keeps nobody shut in (P-08).
func (s *step) letOut() {
	m := &s.m
	if m.has(Entry) && m.Fire == High && m.Occ != CountZero && m.secured(Exit) && m.Pos[Entry] != PosOpen && m.Cmd[Entry] == CmdNone {
		s.open(Entry)
	}
}

// drop takes a grant back: a release, so it acts at once.
func (s *step) drop() {
	if s.m.Grant != GrantNone {
		s.m.Grant = GrantNone
		s.do(Action{Kind: ActStop, Timer: TimerCommit})
	}
}

// resetDoors forgets what the doors were told: they are released, or about to be proven closed.
func (m *Model) resetDoors() {
	m.Cmd, m.Tries, m.Hold, m.Locked, m.Restored = [2]Command{}, [2]uint8{}, [2]bool{}, [2]bool{}, false
}

func (m *Model) clearPassage() {
	m.Passage, m.PSlot, m.POutcome, m.PReason, m.PRef = PasEmpty, NoSlot, verdict.OutcomeNone, verdict.ReasonNone, RefNone
	m.PMore, m.PTries, m.Allowed, m.Crossed, m.Tested, m.Held, m.Freeing, m.LetGo, m.PSecond = 0, 0, false, false, false, false, false, false, false
	m.After, m.Specimen = ModeRecovering, false
}

// end tells the end of a traveller's passage, whichever machine had it.
func (s *step) end(l Lane, o verdict.Outcome, r verdict.Reason) {
	ref := s.m.RRef
	if l == LanePassage {
		ref = s.m.PRef
	}
	if ref != RefNone {
		s.referral(l, RefEvClosed, r)
	}
	s.do(Action{Kind: ActEmit, What: WhatPassage, Lane: l, Outcome: o, Reason: r, On: l == LanePassage && s.m.Crossed})
}

// void drops an allow that the facts no longer carry: it is bound to this unbroken occupancy (S-01).
func (s *step) void() {
	m := &s.m
	if m.Passage != PasCapture && (m.Passage != PasRelease || m.Grant == GrantNone) {
		return
	}
	switch {
	case !m.secured(Entry):
		s.refer(verdict.OccupancyChanged)
	case m.Occ == CountMany:
		s.refer(verdict.TwoPersons)
	case m.Occ != CountOne:
		s.refer(verdict.OccupancyChanged)
	}
}

// exitOpened tells that the grant for the exit has been used.
func (m *Model) exitOpened() bool { return m.Grant == GrantNone && m.Cmd[Exit] != CmdNone }

// forced is what a forced door does to the passage.
func (s *step) forced(d Door) {
	m := &s.m
	switch m.Passage {
	case PasCapture:
		s.refer(verdict.DoorForced)
	case PasRelease:
		if m.exitOpened() {
			s.intruder()
			return
		}
		s.refer(verdict.DoorForced)
	case PasTest:
		if m.PReason == verdict.ReasonNone {
			s.test(verdict.DoorForced)
		}
	case PasSecure, PasAdmit, PasManual:
		switch {
		case d == Exit:
			s.refer(verdict.DoorForced)
		case m.Grant == GrantEntry:
			m.POutcome, m.PReason = verdict.Refer, verdict.DoorForced
			s.clearing()
		}
	}
}

// intruder is a second body while the exit stands open: the officer is told, and the exit closes as soon
// as its beam is clear (S-02).
func (s *step) intruder() {
	if s.m.PReason == verdict.IntruderDuringRelease {
		return
	}
	s.alarm(verdict.IntruderDuringRelease, true, LanePassage)
	s.m.PReason = verdict.IntruderDuringRelease
}

// refer hands the person in the mantrap to an officer (P-09). What was granted is dropped at once.
func (s *step) refer(r verdict.Reason) {
	m := &s.m
	s.drop()
	m.Allowed = false
	if m.Passage == PasRefer || m.Passage == PasLeave || m.Passage == PasClear || m.Passage == PasEmpty || m.Passage == PasHold {
		return
	}
	m.POutcome, m.PReason = verdict.Refer, r
	if m.Specimen { // whoever holds it up goes back: no officer decides about a specimen
		s.leave()
		return
	}
	if r == verdict.TwoPersons || r == verdict.TwoFaces || r == verdict.WrongDirection {
		// Nobody can be decided on: all go back at once, the officer is told.
		s.alarm(r, true, LanePassage)
		s.leave()
		return
	}
	m.Passage, m.PRef, m.PSecond, m.PMore, m.PTries = PasRefer, RefOpen, false, 0, 0
	if m.live(m.PSlot) {
		s.do(Action{Kind: ActHalt, Slot: m.PSlot, Reason: r})
	}
	s.referral(LanePassage, RefEvOpen, r)
	s.start(TimerPassage, LimitPrompt, 1)
}

// leave opens the way back to the side of origin (P-08): no grant, it acts as soon as the exit is closed.
func (s *step) leave() {
	m := &s.m
	if m.Passage == PasEmpty || m.Passage == PasLeave || m.Passage == PasClear || m.Passage == PasHold {
		return
	}
	s.drop()
	m.Allowed = false
	if m.Passage == PasTest && m.PReason == verdict.ReasonNone {
		s.test(verdict.OccupancyChanged)
	}
	m.After = ModeRecovering
	if m.POutcome == verdict.OutcomeNone && m.PReason == verdict.ReasonNone {
		m.PReason = verdict.Declined
	}
	m.Passage, m.PMore, m.PTries = PasLeave, 0, 0
	s.finish(m.PSlot)
	s.start(TimerPassage, LimitLeave, 1)
}

// finish ends an inspector that has no more to do.
func (s *step) finish(sl Slot) {
	if !s.m.live(sl) {
		return
	}
	s.m.Slots[sl.Index()] = SlotEnding
	s.do(Action{Kind: ActEnd, Slot: sl})
	s.start(slotTimer(sl), LimitExit, 1)
}

// kill ends an inspector that does not end by itself.
func (s *step) kill(sl Slot) {
	if sl == NoSlot || s.m.Slots[sl.Index()] == SlotFree || s.m.Slots[sl.Index()] == SlotPaused {
		return
	}
	s.m.Slots[sl.Index()] = SlotEnding
	s.do(Action{Kind: ActKill, Slot: sl})
	s.start(slotTimer(sl), LimitExit, 1) // a process that is still there then is killed again
}

func slotTimer(sl Slot) Timer { return TimerSlot1 + Timer(sl.Index()) }

// grant asks for a step to be recorded that opens a door once it is on disk: one grant, one door, once (P-04).
func (s *step) grant(g Grant) {
	m := &s.m
	if m.Held && g != GrantEntry {
		s.refer(verdict.CentreHit)
		return
	}
	m.Grant = g
	m.GrantID++
	s.do(Action{Kind: ActStop, Timer: TimerPassage}) // the stage is over: what follows has its own limit
	s.do(Action{Kind: ActCommit, N: m.GrantID})
	s.start(TimerCommit, LimitCommit, 1)
}

// committed acts on a grant whose evidence is on disk, if everything that it rests on still holds (P-04, P-11).
func (s *step) committed(n uint8) {
	m := &s.m
	if m.Grant == GrantNone || n != m.GrantID {
		return
	}
	g := m.Grant
	m.Grant = GrantNone
	s.do(Action{Kind: ActStop, Timer: TimerCommit})
	switch {
	case g == GrantEntry && m.Passage == PasAdmit && m.closed() && m.empty() && m.Fire == High && m.Mode == ModeOpen:
		s.open(Entry)
		s.start(TimerPassage, LimitNoShow, 1)
	case g == GrantExit && m.Passage == PasRelease && m.Allowed && m.closed() && m.Occ == CountOne && m.Fire == High,
		g == GrantOrder && m.Passage == PasRelease && m.closed() && m.Fire == High:
		s.open(Exit)
		s.finish(m.PSlot)
		s.start(TimerPassage, LimitRelease, 1)
	case m.Passage == PasAdmit:
		m.POutcome, m.PReason = verdict.Refer, verdict.OccupancyChanged
		s.clearing()
	default:
		s.refer(verdict.OccupancyChanged)
	}
}

// open commands a door open. The other one is proven closed: the interlock asks the live contacts again (P-03).
func (s *step) open(d Door) {
	s.m.Cmd[d], s.m.Tries[d], s.m.Hold[d], s.m.Locked[d] = CmdOpen, 0, false, false
	s.do(Action{Kind: ActOpen, Door: d})
	s.start(doorTimer(d), LimitTravel, 1)
}

// shut commands a door closed, if nothing stands in it (D-05).
func (s *step) shut(d Door) bool {
	m := &s.m
	if m.Pos[d] == PosClosed && m.Cmd[d] == CmdNone || m.Cmd[d] == CmdClose || !m.clear(d) || m.Guard[d] || m.Hold[d] {
		return false
	}
	m.Cmd[d] = CmdClose
	s.do(Action{Kind: ActClose, Door: d})
	s.start(doorTimer(d), LimitTravel, 1)
	return true
}

// noEvidence is a commit that failed or did not come: what waits for it does not open.
func (s *step) noEvidence() {
	m := &s.m
	if m.Grant == GrantNone {
		return
	}
	s.drop()
	s.alarm(verdict.EvidenceFault, true, LanePassage)
	if m.Passage == PasAdmit {
		m.POutcome, m.PReason = verdict.Refer, verdict.EvidenceFault
		s.clearing()
		return
	}
	s.refer(verdict.EvidenceFault)
}

// clearing ends the person's part: doors close, the mantrap is proven empty, the inspector exits.
func (s *step) clearing() {
	m := &s.m
	s.drop()
	m.Allowed = false
	m.Passage, m.PTries = PasClear, 0
	s.finish(m.PSlot)
	s.start(TimerPassage, LimitClear, 1)
}

// inspector handles what an inspector said and its end.
func (s *step) inspector(e Event) {
	m := &s.m
	sl := e.Slot
	if sl != Slot1 && sl != Slot2 {
		return
	}
	i := sl.Index()
	switch e.Kind {
	case EvExited:
		was := m.Slots[i]
		m.Slots[i] = SlotFree
		s.do(Action{Kind: ActStop, Timer: slotTimer(sl)})
		if m.Reader == sl {
			m.Reader = NoSlot
		}
		if m.Camera == sl {
			m.Camera = NoSlot
		}
		if was == SlotStarting || was == SlotReady {
			// It did not come up, or died waiting: the next one is tried after a pause.
			m.Slots[i] = SlotPaused
			s.start(slotTimer(sl), LimitRetry, 1)
			if m.RSlot == sl {
				m.RSlot, m.Reception = NoSlot, RecIdle
				s.do(Action{Kind: ActStop, Timer: TimerReception})
			}
			return
		}
		s.lost(sl, verdict.InspectorFault)
		return
	case EvSilent:
		if m.Slots[i] != SlotFree && m.Slots[i] != SlotPaused {
			s.kill(sl)
			s.lost(sl, verdict.InspectorFault)
		}
		return
	case EvReady:
		if m.Slots[i] == SlotStarting {
			m.Slots[i] = SlotReady
			s.do(Action{Kind: ActStop, Timer: slotTimer(sl)})
		}
		return
	}
	if m.Slots[i] != SlotBegun {
		return // it was told to end, or has not begun: nothing it says counts
	}
	if sl == m.RSlot {
		s.atReader(e)
	}
	if sl == m.PSlot {
		s.inside(e)
	}
}

// lost is an inspector whose traveller still needed it.
func (s *step) lost(sl Slot, r verdict.Reason) {
	m := &s.m
	if sl == m.RSlot {
		m.RSlot, m.Doc = NoSlot, false
		switch m.Reception {
		case RecPlace, RecReading, RecLift, RecWait:
			s.refuse(r)
		case RecNotice:
			m.Reception = RecIdle
			s.do(Action{Kind: ActStop, Timer: TimerReception})
		}
	}
	if sl == m.PSlot {
		m.PSlot = NoSlot
		switch m.Passage {
		case PasAdmit, PasSecure, PasCapture:
			s.refer(r)
		case PasRelease:
			if !m.exitOpened() {
				s.refer(r)
			}
		}
	}
}

// refuse ends the document part: the traveller is referred at the reader and goes to the officer.
func (s *step) refuse(r verdict.Reason) {
	m := &s.m
	if m.Specimen {
		s.depart(verdict.Refer, r)
		return
	}
	m.Reception, m.RReason, m.RRef, m.RMore, m.RTries, m.RHeld = RecRefer, r, RefOpen, 0, 0, false
	s.referral(LaneReception, RefEvOpen, r)
	s.start(TimerReception, LimitPrompt, 1)
}

// depart ends the traveller's stay at the reader.
func (s *step) depart(o verdict.Outcome, r verdict.Reason) {
	m := &s.m
	s.end(LaneReception, o, r)
	s.finish(m.RSlot)
	m.Reception, m.RReason, m.RRef, m.RMore, m.RTries, m.RHeld = RecLeave, r, RefNone, 0, 0, false
	m.Specimen = false
	s.start(TimerReception, LimitNote, 1)
}

// atReader handles the inspector of the document.
func (s *step) atReader(e Event) {
	m := &s.m
	switch e.Kind {
	case EvLaid:
		m.Doc = true
		if m.Reception == RecPlace {
			m.Reception = RecReading
			s.start(TimerReception, LimitChip, 1)
		}
	case EvLifted:
		m.Doc = false
	case EvPrompt:
		m.Doc = true
		if m.Reception != RecPlace && m.Reception != RecReading {
			return
		}
		m.Reception, m.RReason = RecPlace, e.Reason
		if m.RTries++; m.RTries >= maxTries {
			s.do(Action{Kind: ActHalt, Slot: e.Slot, Reason: e.Reason})
			s.refuse(e.Reason)
			return
		}
		s.start(TimerReception, LimitDocument, 1)
	case EvChecked:
		if m.Reception != RecPlace && m.Reception != RecReading {
			return
		}
		// Admit and hold: by the centre's own word, told to the desk and to nobody at the gate.
		m.RHeld = e.Outcome == verdict.RefuseAndHold && e.Reason == verdict.CentreHit && m.Doc && !m.Specimen
		if e.Outcome != verdict.Allow && !m.RHeld {
			s.refuse(e.Reason)
			return
		}
		if m.RHeld {
			s.alarm(verdict.CentreHit, true, LaneReception)
		}
		if m.Reception == RecPlace && !m.Doc {
			s.do(Action{Kind: ActHalt, Slot: e.Slot, Reason: verdict.InspectorFault})
			s.refuse(verdict.InspectorFault) // of a document that nobody laid down
			return
		}
		m.Reception, m.RReason = RecLift, verdict.ReasonNone
		s.start(TimerReception, LimitLift, 1)
	case EvBroken:
		if m.Reception == RecPlace || m.Reception == RecReading {
			s.do(Action{Kind: ActHalt, Slot: e.Slot, Reason: verdict.DeviceFault})
			s.refuse(verdict.DeviceFault)
		}
	}
}

// inside handles the inspector of the person in the mantrap.
func (s *step) inside(e Event) {
	m := &s.m
	switch e.Kind {
	case EvVerdict:
		if m.Passage != PasCapture {
			return
		}
		if m.Specimen && e.Outcome == verdict.Allow { // its inspector does not say so
			e.Outcome, e.Reason = verdict.Refer, verdict.SpecimenDocument
		}
		if e.Outcome != verdict.Allow {
			out := e.Outcome
			s.refer(e.Reason)
			m.POutcome = out
			return
		}
		m.Allowed, m.POutcome, m.PReason = true, verdict.Allow, verdict.OK
		m.Passage = PasRelease
		s.grant(GrantExit)
	case EvHeads:
		if e.N >= 2 && (m.Passage == PasCapture || m.Passage == PasRelease && !m.exitOpened()) {
			s.refer(verdict.TwoFaces)
		}
	case EvTrackLost: // of the one face, after its first frame: what was captured is void (S-01)
		switch {
		case m.Passage == PasCapture && m.PTries < maxTries-1:
			m.PTries++ // its inspector begins with the next face that it sees, within the same limit (P-07)
		case m.Passage == PasCapture, m.Passage == PasRelease && !m.exitOpened():
			s.refer(verdict.FaceTrackLost)
		}
	case EvBroken:
		if m.Passage == PasCapture || m.Passage == PasSecure {
			s.refer(verdict.DeviceFault)
		}
	}
}

// touch handles the traveller's touches and the exit button.
func (s *step) touch(k Kind) {
	m := &s.m
	inside := m.Passage != PasEmpty && m.Passage != PasClear && m.Passage != PasHold && m.Occ != CountZero
	switch k {
	case EvAccepted:
		if m.Reception != RecNotice || m.Slots[m.RSlot.Index()] != SlotReady {
			return
		}
		m.Slots[m.RSlot.Index()], m.Reader = SlotBegun, m.RSlot
		m.Reception, m.RReason, m.RTries, m.RMore, m.Doc = RecPlace, verdict.ReasonNone, 0, 0, false
		s.do(Action{Kind: ActBegin, Slot: m.RSlot})
		s.do(Action{Kind: ActEmit, What: WhatChoice, Lane: LaneReception, On: true})
		s.start(TimerReception, LimitDocument, 1)
	case EvDeclined:
		switch {
		case m.Passage == PasAdmit && m.Occ == CountZero && m.Reception != RecNotice:
			m.PReason = verdict.Declined
			s.do(Action{Kind: ActEmit, What: WhatChoice, Lane: LanePassage})
			s.clearing()
		case inside && (m.Passage != PasRelease || !m.exitOpened()):
			if m.Passage != PasRefer {
				m.POutcome, m.PReason = verdict.OutcomeNone, verdict.Declined
			}
			s.do(Action{Kind: ActEmit, What: WhatChoice, Lane: LanePassage})
			s.leave()
		case m.Reception == RecNotice:
			// No inspection has begun and none begins: the warm inspector knows of nobody.
			s.do(Action{Kind: ActEmit, What: WhatChoice, Lane: LaneReception})
			s.do(Action{Kind: ActEmit, What: WhatPassage, Lane: LaneReception, Reason: verdict.Declined})
			m.Reception, m.RReason, m.RSlot, m.Specimen = RecLeave, verdict.Declined, NoSlot, false
			s.start(TimerReception, LimitNote, 1)
		case m.Reception == RecPlace, m.Reception == RecReading, m.Reception == RecLift, m.Reception == RecWait:
			s.do(Action{Kind: ActEmit, What: WhatChoice, Lane: LaneReception})
			s.depart(verdict.OutcomeNone, verdict.Declined)
		}
	case EvExitButton:
		if m.Mode == ModeRecovering {
			s.letOut()
			return
		}
		if inside && (m.Passage != PasRelease || !m.exitOpened()) {
			if m.Passage != PasRefer {
				m.POutcome, m.PReason = verdict.OutcomeNone, verdict.Declined
			}
			s.leave()
		}
	case EvMore:
		if l := m.moreLimit(); l != LimitNone {
			m.PMore++
			s.start(TimerPassage, l, 1)
			return
		}
		if l := receptionLimit(m.Reception); l != LimitNone && m.RMore < MaxMore {
			m.RMore++
			s.start(TimerReception, l, 1)
		}
	}
}

// moreLimit is the limit that more-time adds once more to the passage's stage.
func (m *Model) moreLimit() Limit {
	if m.PMore >= MaxMore || m.Occ == CountZero {
		return LimitNone
	}
	switch m.Passage {
	case PasSecure:
		return LimitSecure
	case PasCapture:
		return LimitCapture
	}
	return LimitNone
}

func receptionLimit(r Reception) Limit {
	switch r {
	case RecPlace:
		return LimitDocument
	case RecReading:
		return LimitChip
	case RecLift:
		return LimitLift
	}
	return LimitNone
}

// stays tells that somebody does not go though the way is open: behind doors, perhaps because of them (D-13).
func (s *step) stays() {
	r := verdict.PersonTrapped
	if s.m.Topology == OneStep {
		r = verdict.MantrapNotEmpty
	}
	s.alarm(r, true, LanePassage)
}

// timer handles the end of a limit.
func (s *step) timer(t Timer) {
	m := &s.m
	switch t {
	case TimerCommit:
		s.noEvidence()
	case TimerGuard, TimerGuardX:
		m.Guard[t-TimerGuard] = false
	case TimerSlot1, TimerSlot2:
		sl := Slot1 + Slot(t-TimerSlot1)
		switch m.Slots[sl.Index()] {
		case SlotStarting, SlotEnding:
			s.kill(sl)
		case SlotPaused:
			m.Slots[sl.Index()] = SlotFree
		}
	case TimerEntry, TimerExit:
		s.doorTimer(Door(t - TimerEntry))
	case TimerRecover:
		if m.Mode == ModeRecovering {
			s.alarm(verdict.MantrapNotEmpty, true, LaneNone)
			s.start(TimerRecover, LimitRecover, 3)
			s.letOut()
		}
	case TimerReception:
		s.receptionTimer()
	case TimerPassage:
		s.passageTimer()
	}
}

// doorTimer is a door that did not arrive, or whose pause before the next try is over (D-08, D-10).
func (s *step) doorTimer(d Door) {
	m := &s.m
	if m.Hold[d] {
		m.Hold[d] = false // the pause is over: settle closes it again when it may
		if m.Cmd[d] == CmdOpen && m.Pos[d] != PosOpen {
			s.start(doorTimer(d), LimitTravel, 1)
		}
		return
	}
	switch m.Cmd[d] {
	case CmdOpen:
		if m.Pos[d] != PosOpen {
			// It is asked again for as long as it shall be open: it may be somebody's way out.
			if m.Tries[d]++; m.Tries[d] == maxTries {
				s.alarm(verdict.DoorBlocked, true, LanePassage)
			}
			m.Tries[d] = min(m.Tries[d], maxTries)
			s.do(Action{Kind: ActEmit, What: WhatDoor, Door: d, Reason: verdict.DoorBlocked, Lane: LanePassage})
			if m.mayOpen(d) {
				s.do(Action{Kind: ActOpen, Door: d})
			}
			s.start(doorTimer(d), LimitTravel, 2)
		}
	case CmdClose:
		if m.Pos[d] == PosClosed {
			s.shutDone(d) // it had not left its contact when it was told to close
			return
		}
		if m.Tries[d]++; m.Tries[d] == maxTries {
			s.alarm(verdict.DoorBlocked, true, LanePassage)
		}
		m.Tries[d] = min(m.Tries[d], maxTries)
		s.do(Action{Kind: ActEmit, What: WhatDoor, Door: d, Reason: verdict.DoorBlocked, Lane: LanePassage})
		s.reopen(d)
	}
}

// receptionTimer is the end of a stage at the reader (P-06); a document that stays on it is told (P-13).
func (s *step) receptionTimer() {
	m := &s.m
	switch m.Reception {
	case RecPlace:
		if m.RTries++; m.RTries < maxTries && m.RReason == verdict.ReasonNone {
			s.start(TimerReception, LimitDocument, 1) // asked again, with another picture (P-07)
			return
		}
		s.depart(verdict.OutcomeNone, verdict.StageTimeout)
	case RecReading:
		s.do(Action{Kind: ActHalt, Slot: m.RSlot, Reason: verdict.ChipTooSlow})
		s.refuse(verdict.ChipTooSlow)
	case RecLift:
		s.alarm(verdict.DocumentLeftOnReader, true, LaneReception)
		s.do(Action{Kind: ActHalt, Slot: m.RSlot, Reason: verdict.DocumentLeftOnReader})
		s.refuse(verdict.DocumentLeftOnReader)
	case RecWait:
		s.depart(verdict.OutcomeNone, verdict.StageTimeout)
	case RecRefer:
		if m.RTries >= maxTries { // nobody is shut in at the reader: the cap waits for no officer
			s.depart(verdict.Refer, m.RReason)
			return
		}
		m.RTries++
		if m.RRef != RefTaken || !m.Lease { // nobody has come yet
			s.alarm(verdict.OfficerNoDecision, true, LaneReception)
		}
		s.start(TimerReception, LimitPrompt, 1)
	case RecLeave:
		m.Reception, m.RSlot, m.RReason = RecIdle, NoSlot, verdict.ReasonNone
	}
}

// passageTimer is the end of a stage inside: prompt, try again, referral, the way back (P-06).
func (s *step) passageTimer() {
	m := &s.m
	switch m.Passage {
	case PasAdmit:
		if m.Occ == CountZero {
			if m.PReason == verdict.ReasonNone {
				m.POutcome, m.PReason = verdict.OutcomeNone, verdict.NoShow
			}
			s.clearing()
			return
		}
		if m.PTries < maxTries {
			m.PTries++ // somebody stands in the door: asked to step in
			s.start(TimerPassage, LimitNoShow, 1)
			return
		}
		s.refer(verdict.StageTimeout)
		s.leave()
	case PasSecure:
		s.refer(verdict.StageTimeout)
		s.leave()
	case PasCapture:
		s.refer(verdict.StageTimeout)
	case PasRelease:
		// Nobody went. The exit closes and an officer looks.
		s.stays()
		m.Allowed = false
		m.Passage, m.POutcome, m.PReason, m.PRef, m.PSecond, m.PTries = PasRefer, verdict.Refer, verdict.StageTimeout, RefOpen, false, 0
		s.referral(LanePassage, RefEvOpen, verdict.StageTimeout)
		s.start(TimerPassage, LimitPrompt, 1)
	case PasManual:
		if m.Occ == CountZero {
			m.PReason = verdict.NoShow
			s.clearing()
			return
		}
		m.POutcome, m.PReason = verdict.Refer, verdict.OfficerNoDecision
		s.leave()
	case PasTest:
		if m.PReason == verdict.ReasonNone {
			s.alarm(verdict.SelfTestFailed, true, LaneNone)
			s.test(verdict.SelfTestFailed)
		}
		s.start(TimerPassage, LimitClear, 1)
	case PasRefer:
		switch {
		case m.PRef == RefTaken && m.Lease && m.POutcome != verdict.RefuseAndHold:
			s.start(TimerPassage, LimitPrompt, 1) // a live officer looks at it: the cap waits
		case m.PTries < maxTries: // nobody has come yet
			m.PTries++
			s.alarm(verdict.OfficerNoDecision, true, LanePassage)
			s.start(TimerPassage, LimitPrompt, 1)
		default:
			s.referral(LanePassage, RefEvClosed, verdict.OfficerNoDecision)
			m.PRef = RefNone
			s.leave()
		}
	case PasLeave: // nobody has moved for a whole limit (D-13)
		s.stays()
		s.start(TimerPassage, LimitLeave, 1)
	case PasHold: // the officer has not said again that he is there: the desk is told, the door stays as it is
		s.alarm(verdict.OfficerNoDecision, true, LanePassage)
		s.start(TimerPassage, LimitReferral, 1)
	case PasClear:
		if m.PTries == 0 {
			r := verdict.MantrapNotEmpty
			if m.Object {
				r = verdict.ObjectLeft
			}
			s.alarm(r, true, LanePassage)
			m.PTries = 1
		}
		if m.PSlot != NoSlot {
			s.kill(m.PSlot)
		}
		s.start(TimerPassage, LimitClear, 1)
	}
}
