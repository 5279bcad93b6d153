package gate

import (
	"math/bits"

	"egate/verdict"
)

// invariant is a law with a name. It returns whether it had something to say, and what is wrong. It is asked
// on its occasions only: on no other can it be broken, which TestOccasions holds.
type invariant struct {
	name  string
	check func(before *node, e Event, after *node, acts []Action) (said bool, wrong string)
	when  occasion
}

// occasion is a set of what can happen in a step: its event, its actions, what it changes.
type occasion uint64

const (
	modeChanged occasion = 1 << (iota + uint(kindEnd) + uint(actEnd))
	receptionChanged
	passageChanged
	grantChanged
	referralChanged
	heldChanged
	crossedChanged
	untestedChanged
	state // the model after it: such a law looks at nothing else, and is asked once for each state
)

func on(ks ...Kind) (o occasion) {
	for _, k := range ks {
		o |= 1 << k
	}
	return o
}

func did(ks ...ActionKind) (o occasion) {
	for _, k := range ks {
		o |= 1 << (uint(kindEnd) + uint(k))
	}
	return o
}

// inspectors is everything that inspectors say.
var inspectors = on(EvReady, EvLaid, EvLifted, EvPrompt, EvChecked, EvHeads, EvTrackLost, EvVerdict, EvReaderFree, EvCameraFree, EvExited, EvSilent, EvBroken)

// happened is what a step is an occasion for, besides its state.
func happened(before *Model, e Event, after *Model, acts []Action) occasion {
	o := occasion(1) << e.Kind
	for i := range acts {
		o |= 1 << (uint(kindEnd) + uint(acts[i].Kind))
	}
	if before.Mode != after.Mode {
		o |= modeChanged
	}
	if before.Reception != after.Reception {
		o |= receptionChanged
	}
	if before.Passage != after.Passage {
		o |= passageChanged
	}
	if before.Grant != after.Grant {
		o |= grantChanged
	}
	if before.RRef != after.RRef || before.PRef != after.PRef {
		o |= referralChanged
	}
	if before.RHeld != after.RHeld {
		o |= heldChanged
	}
	if before.Crossed != after.Crossed {
		o |= crossedChanged
	}
	if before.Untested != after.Untested {
		o |= untestedChanged
	}
	return o
}

func has(acts []Action, k ActionKind) bool {
	for _, a := range acts {
		if a.Kind == k {
			return true
		}
	}
	return false
}

func opens(acts []Action, d Door) bool {
	for _, a := range acts {
		if a.Kind == ActOpen && a.Door == d {
			return true
		}
	}
	return false
}

var invariants = []invariant{
	{"X-03 the loop finds no state unsound", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		return n.M.Passage != PasEmpty, n.M.Unsound()
	}, state},
	{"P-03 never both doors unlocked outside emergency release and recovery", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if n.M.Mode == ModeEmergency || n.M.Mode == ModeRecovering || n.M.Topology == OneStep {
			return false, ""
		}
		said := !n.M.Locked[Entry] || !n.M.Locked[Exit]
		if !n.M.Locked[Entry] && !n.M.Locked[Exit] {
			return true, "both doors are unlocked"
		}
		return said, ""
	}, state},
	{"P-04 the exit opens only for a committed grant or for whom it was closing on", func(b *node, e Event, _ *node, acts []Action) (bool, string) {
		if !opens(acts, Exit) {
			return false, ""
		}
		again := b.M.Cmd[Exit] != CmdNone // blocked while closing, or slow while opening
		granted := e.Kind == EvCommitted && (b.M.Grant == GrantExit && b.M.Allowed || b.M.Grant == GrantOrder)
		tested := b.M.Mode == ModeService && (b.M.Passage == PasTest || e.beginsTest())
		if !again && !granted && !tested {
			return true, "the exit was opened without a grant"
		}
		return true, ""
	}, did(ActOpen)},
	{"P-04 the entry opens for a committed grant, the way back, or whom it was closing on", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if !opens(acts, Entry) {
			return false, ""
		}
		if b.M.Cmd[Entry] == CmdNone && b.M.Passage != PasHold && !(a.M.Specimen && a.M.Passage == PasAdmit) && !(e.Kind == EvCommitted && b.M.Grant == GrantEntry) && a.M.Passage != PasLeave && a.M.Mode != ModeRecovering && !b.M.Freeing &&
			!(e.Kind == EvOrder && (e.Order == OrderOpenEntry && b.M.Mode == ModeManual || e.Order == OrderHoldEntry || e.beginsTest() && b.M.Mode == ModeService)) {
			return true, "the entry was opened without a grant"
		}
		return true, ""
	}, did(ActOpen)},
	{"P-03 a door is opened only while the other is proven closed and locked", func(b *node, _ Event, a *node, acts []Action) (bool, string) {
		said := false
		if a.M.Topology == OneStep {
			return false, ""
		}
		for _, d := range []Door{Entry, Exit} {
			if opens(acts, d) {
				said = true
				if a.M.Pos[d.Other()] != PosClosed || a.M.Cmd[d.Other()] != CmdNone || b.M.Cmd[d.Other()] == CmdOpen || !a.M.Locked[d.Other()] {
					return true, d.String() + " opened while the other is " + a.M.Pos[d.Other()].String() + " and was told to " + b.M.Cmd[d.Other()].String()
				}
			}
		}
		return said, ""
	}, did(ActOpen)},
	{"D-05 no close into a broken or unknown beam, nor in the guard time", func(_ *node, _ Event, a *node, acts []Action) (bool, string) {
		said := false
		for _, x := range acts {
			if x.Kind == ActClose {
				said = true
				if a.M.Beam[x.Door] != Low || a.M.Guard[x.Door] {
					return true, "closed into a beam"
				}
			}
		}
		return said, ""
	}, did(ActClose)},
	{"D-02 an alarm or unknown fire input releases in the same step", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Kind != EvFire || e.Tri == High || b.M.Mode == ModeEmergency || b.M.Mode == ModeRecovering && e.Tri == Unknown {
			return false, ""
		}
		if !has(acts, ActRelease) || a.M.Mode != ModeEmergency {
			return true, "not released"
		}
		return true, ""
	}, on(EvFire)},
	{"P-08 the exit button opens a way to the side of origin from every state with a person inside", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		if e.Kind != EvExitButton || b.M.Passage == PasEmpty || b.M.Occ == CountZero || b.M.Mode == ModeRecovering || b.M.Mode == ModeEmergency {
			return false, ""
		}
		if a.M.Passage != PasHold && a.M.Passage != PasLeave && !(a.M.Passage == PasRelease && a.M.exitOpened()) && a.M.Passage != PasClear {
			return true, "still " + a.M.Passage.String()
		}
		return true, ""
	}, on(EvExitButton)},
	{"S-01 frames only with exactly one person behind closed doors", func(_ *node, _ Event, a *node, acts []Action) (bool, string) {
		if !has(acts, ActCapture) {
			return false, ""
		}
		if !a.M.closed() || a.M.Occ != CountOne {
			return true, "captured without one person secured"
		}
		return true, ""
	}, did(ActCapture)},
	{"S-01 an allow lives only in an unbroken occupancy", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if n.M.Passage != PasRelease || n.M.Grant != GrantExit {
			return false, ""
		}
		if !n.M.Allowed || !n.M.secured(Entry) || n.M.Occ != CountOne {
			return true, "the allow outlived its occupancy"
		}
		return true, ""
	}, state},
	{"P-06 every stage has its limit", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if n.M.Mode == ModeEmergency {
			return false, ""
		}
		if n.M.Passage != PasEmpty && n.Armed&(1<<TimerPassage|1<<TimerCommit) == 0 {
			return true, "passage " + n.M.Passage.String() + " without a timer"
		}
		if n.M.Reception != RecIdle && n.M.Reception != RecNotice && n.Armed&(1<<TimerReception) == 0 {
			return true, "reception " + n.M.Reception.String() + " without a timer"
		}
		if n.M.Grant != GrantNone && n.Armed&(1<<TimerCommit) == 0 {
			return true, "a grant waits without a timer"
		}
		return n.M.Passage != PasEmpty, ""
	}, state},
	{"P-05 two inspectors never share a role", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if n.M.RSlot == NoSlot || n.M.PSlot == NoSlot {
			return false, ""
		}
		if n.M.RSlot == n.M.PSlot {
			return true, "one inspector has both travellers"
		}
		return true, ""
	}, state},
	{"P-05 what the inspector at the reader says moves no door", func(b *node, e Event, _ *node, acts []Action) (bool, string) {
		if e.Slot == NoSlot || e.Slot != b.M.RSlot || e.Slot == b.M.PSlot || e.Kind == EvExited || e.Kind == EvLifted {
			return false, ""
		}
		if opens(acts, Exit) || opens(acts, Entry) {
			return true, e.Kind.String() + " opened a door"
		}
		return true, ""
	}, inspectors},
	{"DP-05 no inspection begins without an accepted notice", func(b *node, e Event, _ *node, acts []Action) (bool, string) {
		if !has(acts, ActBegin) {
			return false, ""
		}
		if e.Kind != EvAccepted || b.M.Reception != RecNotice {
			return true, "begun without a choice"
		}
		return true, ""
	}, did(ActBegin)},
	{"P-13 the document is lifted before the entry is granted", func(b *node, _ Event, a *node, _ []Action) (bool, string) {
		if b.M.Grant == GrantEntry || a.M.Grant != GrantEntry {
			return false, ""
		}
		if b.M.Reception != RecWait && b.M.Doc && a.M.Doc || b.M.Reception == RecPlace {
			return true, "granted with a document on the reader"
		}
		return true, ""
	}, grantChanged},
	{"O-01 no new traveller without a lease", func(_ *node, e Event, a *node, acts []Action) (bool, string) {
		if !has(acts, ActBegin) && !has(acts, ActAdmit) {
			return false, ""
		}
		if (!a.M.Lease || a.M.Mode != ModeOpen || a.M.Blocked) && !a.M.Specimen {
			return true, "served without a lease"
		}
		return true, ""
	}, did(ActBegin, ActAdmit)},
	{"P-15 recovery grants nothing and ends with an empty, locked mantrap", func(b *node, _ Event, a *node, _ []Action) (bool, string) {
		if b.M.Mode != ModeRecovering || a.M.Mode == ModeRecovering || a.M.Mode == ModeEmergency {
			return false, ""
		}
		if a.M.Mode == ModeService { // a technician is let at doors that cannot be proven closed
			if !a.M.empty() || !a.M.secured(Entry) && !a.M.secured(Exit) || a.M.Grant != GrantNone {
				return true, "service of a gate with somebody inside or no door proven closed"
			}
			return true, ""
		}
		if !a.M.closed() || !a.M.empty() || a.M.has(Entry) && !a.M.Locked[Entry] || !a.M.Locked[Exit] || a.M.Grant != GrantNone {
			return true, "recovered into an unproven state"
		}
		return true, ""
	}, modeChanged},
	{"D-10 a closed contact that was made where it cannot be proves no door that was unlocked since", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		if e.Kind != EvDoorMoved || !e.On || b.M.Locked[e.Door] {
			return false, ""
		}
		if a.M.Pos[e.Door] == PosClosed || a.M.secured(e.Door) && a.M.has(e.Door) {
			return true, "believed"
		}
		return true, ""
	}, on(EvDoorMoved)},
	{"O-02 no document is taken after the end of a shift", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if has(acts, ActBegin) && b.M.Over {
			return true, "a document was taken"
		}
		return e.Kind == EvAccepted && b.M.Over && b.M.serving(), ""
	}, on(EvAccepted) | did(ActBegin)},
	{"O-02 the end of a shift takes nothing from whose document was taken", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		if e.Kind != EvShift || !b.M.served() && b.M.Passage == PasEmpty {
			return false, ""
		}
		if b.M.served() && a.M.Reception != b.M.Reception || a.M.Passage != b.M.Passage || a.M.Grant != b.M.Grant {
			return true, "sent away"
		}
		return true, ""
	}, on(EvShift)},
	{"O-02 a hand-over moves no door and decides nothing, and what it tells of has its one owner as before", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Kind != EvOrder || e.Order != OrderHandOver || b.M.Mode == ModeEmergency {
			return false, ""
		}
		var told uint8
		for _, x := range acts {
			if x.Kind == ActEmit && x.What == WhatReferral && x.RefEv == RefEvHandedOver {
				told |= HandReception << (x.Lane - LaneReception)
			}
		}
		owned := e.N
		if b.M.RRef != RefTaken {
			owned &^= HandReception
		}
		if b.M.PRef != RefTaken {
			owned &^= HandPassage
		}
		switch {
		case opens(acts, Entry) || opens(acts, Exit) || has(acts, ActClose) || has(acts, ActCommit):
			return true, "a door moved"
		case a.M.RRef != b.M.RRef || a.M.PRef != b.M.PRef || a.M.Reception != b.M.Reception || a.M.Passage != b.M.Passage || a.M.Grant != b.M.Grant || a.M.LetGo != b.M.LetGo:
			return true, "more than the owner changed"
		case e.N&HandPassage != 0 && a.M.PSecond:
			return true, "who confirmed would decide alone"
		case e.Mine && e.Second && told != owned:
			return true, "another referral was told of than the officer owned"
		}
		return owned != 0, ""
	}, on(EvOrder)},
	{"D-12 a held entry closes by an officer's order alone, with nobody inside and the exit secured", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if b.M.Passage != PasHold || a.M.Mode == ModeEmergency {
			return false, ""
		}
		for _, x := range acts {
			if x.Kind == ActClose && x.Door == Entry && (!a.M.LetGo || !a.M.empty()) {
				return true, "closed"
			}
		}
		if a.M.Passage != PasHold && !b.M.LetGo && !(e.Kind == EvOrder && e.Order == OrderLetGo) {
			return true, "let go without an order"
		}
		if opens(acts, Exit) {
			return true, "the exit moved"
		}
		return true, ""
	}, did(ActOpen, ActClose) | passageChanged},
	{"D-12 nobody is invited while the entry is held", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if n.M.Passage != PasHold {
			return false, ""
		}
		if n.M.Reception == RecNotice {
			return true, "the notice is shown"
		}
		return true, ""
	}, state},
	{"P-09 who was admitted to be held gets no grant for the exit", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if !n.M.Held {
			return false, ""
		}
		if n.M.Grant == GrantExit || n.M.Grant == GrantOrder || n.M.Allowed {
			return true, "a grant"
		}
		return true, ""
	}, state},
	{"P-09 for who was admitted to be held no exit opens and no frame is taken", func(_ *node, _ Event, a *node, acts []Action) (bool, string) {
		if !a.M.Held {
			return false, ""
		}
		if opens(acts, Exit) || has(acts, ActCapture) {
			return true, "moved"
		}
		return true, ""
	}, did(ActOpen, ActCapture)},
	{"P-09 an order to open the exit for who is held is refused", func(b *node, e Event, _ *node, acts []Action) (bool, string) {
		if !b.M.Held || b.M.Mode == ModeEmergency || e.Kind != EvOrder || e.Order != OrderAccept && e.Order != OrderOpenExit {
			return false, ""
		}
		for _, x := range acts {
			if x.Kind == ActAnswer && x.On {
				return true, "accepted"
			}
		}
		return true, ""
	}, on(EvOrder)},
	{"P-11 only the centre's own word admits somebody to be held", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		if b.M.RHeld || !a.M.RHeld {
			return false, ""
		}
		if e.Kind != EvChecked || e.Slot != b.M.RSlot || e.Reason != verdict.CentreHit || e.Outcome != verdict.RefuseAndHold {
			return true, e.Kind.String()
		}
		return true, ""
	}, heldChanged},
	{"D-13 who moves on the way back has the whole limit again", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if b.M.Passage != PasLeave || a.M.Passage != PasLeave || a.M.Mode == ModeEmergency || a.M.Occ == CountZero || e.Kind != EvCounted || a.M.Occ == b.M.Occ {
			return false, ""
		}
		for _, x := range acts {
			if x.Kind == ActStart && x.Timer == TimerPassage && x.Limit == LimitLeave {
				return true, ""
			}
		}
		return true, "the limit runs on"
	}, on(EvCounted)},
	{"D-13 who stays on the way back is told of after one limit without progress", func(b *node, e Event, _ *node, acts []Action) (bool, string) {
		if b.M.Passage != PasLeave || b.M.Mode == ModeEmergency || e.Kind != EvTimer || e.Timer != TimerPassage {
			return false, ""
		}
		for _, x := range acts {
			if x.Kind == ActEmit && x.What == WhatAlarm && x.On && (x.Reason == verdict.PersonTrapped || x.Reason == verdict.MantrapNotEmpty) {
				return true, ""
			}
		}
		return true, "nobody was told"
	}, on(EvTimer)},
	{"P-03 never are both doors told to open", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if n.M.Cmd[Entry] == CmdOpen && n.M.Cmd[Exit] == CmdOpen {
			return true, "both doors are told to open"
		}
		return n.M.Cmd[Entry] == CmdOpen || n.M.Cmd[Exit] == CmdOpen, ""
	}, state},
	{"P-04 a grant is used once and never without its own number", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Kind != EvCommitted {
			return false, ""
		}
		if b.M.Grant == GrantNone && (opens(acts, Exit) || opens(acts, Entry)) {
			return true, "a door opened for a grant that nobody waits for"
		}
		if b.M.Grant != GrantNone && a.M.Grant == b.M.Grant && a.M.GrantID == b.M.GrantID {
			return true, "the grant outlived its use"
		}
		return true, ""
	}, on(EvCommitted)},
	{"P-04 a stale number opens nothing", func(_ *node, _ Event, b *node, _ []Action) (bool, string) {
		if b.M.Grant == GrantNone {
			return false, ""
		}
		if m, acts := Step(b.M, Event{Kind: EvCommitted, N: b.M.GrantID + 7}); m.Grant != b.M.Grant || opens(acts, Exit) || opens(acts, Entry) {
			return true, "an old record's number was taken for the grant's"
		}
		return true, ""
	}, state},
	{"P-11 an exit grant rests on an allow of the inspector inside, or on the officer who owns the referral", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		switch {
		case a.M.Grant == GrantExit && b.M.Grant != GrantExit:
			if e.Kind != EvVerdict || e.Outcome != verdict.Allow || e.Slot != b.M.PSlot || b.M.Passage != PasCapture || b.M.Slots[e.Slot.Index()] != SlotBegun {
				return true, "granted for " + e.Kind.String()
			}
		case a.M.Grant == GrantOrder && b.M.Grant != GrantOrder && b.M.Mode == ModeManual && b.M.Passage != PasRefer:
			if e.Kind != EvOrder || e.Order != OrderOpenExit || b.M.Occ != CountOne || !b.M.closed() || b.M.Passage != PasManual && (b.M.Topology != OneStep || b.M.Passage != PasEmpty) {
				return true, "opened by hand for other than one secured person"
			}
		case a.M.Grant == GrantOrder && b.M.Grant != GrantOrder:
			if e.Kind != EvOrder || e.Order != OrderAccept && e.Order != OrderOpenExit || !e.Mine || e.Lane != LanePassage || b.M.PRef != RefTaken || b.M.Passage != PasRefer ||
				b.M.Occ != CountOne || !b.M.closed() {
				return true, "ordered without owning the referral of one secured person"
			}
		default:
			return false, ""
		}
		return true, ""
	}, grantChanged},
	{"P-11 an entry grant rests on a checked document", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if a.M.Grant != GrantEntry || b.M.Grant == GrantEntry {
			return false, ""
		}
		if !has(acts, ActAdmit) || b.M.Reception != RecWait && b.M.Reception != RecLift && !(b.M.Reception == RecReading && !b.M.Doc) {
			return true, "granted from " + b.M.Reception.String()
		}
		if !a.M.closed() || !a.M.empty() {
			return true, "granted into a mantrap that is not proven empty and closed"
		}
		return true, ""
	}, grantChanged},
	{"P-10 reception is passed only by an allow of its own inspector, or to be held", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		passed := a.M.Reception == RecLift || a.M.Reception == RecWait || a.M.Passage == PasAdmit && b.M.Passage != PasAdmit ||
			a.M.Topology == OneStep && b.M.Passage == PasEmpty && (a.M.Passage == PasSecure || a.M.Passage == PasCapture)
		was := b.M.Reception == RecLift || b.M.Reception == RecWait
		if !passed || was {
			return false, ""
		}
		if b.M.Passage == PasAdmit {
			return false, ""
		}
		if e.Kind != EvChecked || e.Outcome != verdict.Allow && !a.M.RHeld && !a.M.Held || e.Slot != b.M.RSlot {
			return true, "passed by " + e.Kind.String()
		}
		return true, ""
	}, receptionChanged | passageChanged},
	{"S-01 what breaks the occupancy between capture and release voids the verdict", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if b.M.Passage != PasCapture && (b.M.Passage != PasRelease || b.M.exitOpened()) || b.M.Mode == ModeEmergency {
			return false, ""
		}
		breaks := e.Kind == EvDoorMoved && e.Door == Entry && e.Pos != PosClosed || e.Kind == EvCounted && e.Count != CountOne ||
			e.Kind == EvHeads && e.N >= 2 && e.Slot == b.M.PSlot && b.M.live(e.Slot) || e.Kind == EvTrackLost && e.Slot == b.M.PSlot && b.M.live(e.Slot) && b.M.Passage == PasRelease ||
			(e.Kind == EvExited || e.Kind == EvSilent) && e.Slot == b.M.PSlot
		if !breaks {
			return false, ""
		}
		if has(acts, ActAdmit) {
			return true, "" // it ended, and the next traveller is admitted
		}
		if a.M.Allowed || a.M.Grant != GrantNone || a.M.Passage == PasCapture || a.M.Passage == PasRelease {
			return true, "the verdict outlived " + e.Kind.String()
		}
		return true, ""
	}, on(EvDoorMoved, EvCounted, EvHeads, EvTrackLost, EvExited, EvSilent)},
	{"S-01 a face that is lost while it is captured is one try of few: its frames are no verdict's, and no grant comes of it", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Kind != EvTrackLost || b.M.Passage != PasCapture || e.Slot != b.M.PSlot || !b.M.live(e.Slot) || b.M.Mode == ModeEmergency {
			return false, ""
		}
		switch {
		case a.M.Allowed || a.M.Grant != GrantNone || has(acts, ActCommit):
			return true, "the verdict outlived it"
		case a.M.Passage == PasCapture && (a.M.PTries != b.M.PTries+1 || a.M.PTries >= maxTries):
			return true, "it may be lost without end"
		}
		for _, x := range acts {
			if x.Kind == ActStart && x.Timer == TimerPassage && a.M.Passage == PasCapture {
				return true, "its limit begins again"
			}
		}
		return true, ""
	}, on(EvTrackLost)},
	{"S-02 a second body while the exit stands open alarms and closes it", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Kind != EvCounted || e.Count != CountMany || b.M.Occ == CountMany || b.M.Passage != PasRelease || !b.M.exitOpened() || a.M.Passage != PasRelease {
			return false, ""
		}
		if b.M.PReason != verdict.IntruderDuringRelease && !alarmed(acts) {
			return true, "nobody was told"
		}
		if a.M.Cmd[Exit] == CmdOpen && a.M.clear(Exit) && !a.M.Guard[Exit] && !a.M.Hold[Exit] {
			return true, "the exit stays open"
		}
		return true, ""
	}, on(EvCounted)},
	{"S-02 an entry while a refused traveller leaves is told", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Kind != EvCounted || e.Count != CountMany || b.M.Occ != CountOne || b.M.Passage != PasLeave || a.M.Passage != PasLeave {
			return false, ""
		}
		if !alarmed(acts) {
			return true, "nobody was told"
		}
		return true, ""
	}, on(EvCounted)},
	{"S-09 a person whom nobody let in is told and shown the way back", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if n.M.Topology == OneStep || n.M.Mode == ModeRecovering || n.M.Mode == ModeEmergency || n.M.Passage == PasTest || n.M.Occ != CountOne && n.M.Occ != CountMany {
			return false, ""
		}
		if n.M.Passage == PasEmpty || n.M.Passage == PasClear {
			return true, "somebody stands in a mantrap that is " + n.M.Passage.String()
		}
		return true, ""
	}, state},
	{"P-08 in recovery the exit button opens the entry for whoever may be inside", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		if e.Kind != EvExitButton || b.M.Topology == OneStep || b.M.Mode != ModeRecovering || b.M.Fire != High || b.M.Occ == CountZero || b.M.Pos[Exit] != PosClosed || b.M.Cmd[Exit] != CmdNone {
			return false, ""
		}
		if a.M.Cmd[Entry] == CmdNone && a.M.Pos[Entry] != PosOpen {
			return true, "shut in"
		}
		return true, ""
	}, on(EvExitButton)},
	{"P-06 every part under way has its timer", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		armed := func(t Timer) bool { return n.Armed&(1<<t) != 0 }
		for _, d := range []Door{Entry, Exit} {
			if n.M.Guard[d] && !armed(guardTimer(d)) {
				return true, d.String() + ": guard time without a timer"
			}
			if n.M.Mode == ModeEmergency {
				continue
			}
			if n.M.Hold[d] && !armed(doorTimer(d)) {
				return true, d.String() + ": a pause without a timer"
			}
			if n.M.Cmd[d] == CmdClose && !armed(doorTimer(d)) {
				return true, d.String() + ": closing without a timer"
			}
			if n.M.Cmd[d] == CmdOpen && n.M.Pos[d] == PosClosed && !armed(doorTimer(d)) {
				return true, d.String() + ": opening without a timer"
			}
		}
		for _, sl := range []Slot{Slot1, Slot2} {
			switch n.M.Slots[sl.Index()] {
			case SlotStarting, SlotEnding, SlotPaused:
				if !armed(slotTimer(sl)) {
					return true, "inspector " + sl.String() + " " + n.M.Slots[sl.Index()].String() + " without a timer"
				}
			}
		}
		if n.M.Mode == ModeRecovering && n.M.Fire == High && !armed(TimerRecover) {
			return true, "recovery without a timer"
		}
		return true, ""
	}, state},
	{"P-01 nothing waits that the facts allow", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if m, acts := Step(n.M, Event{}); m != n.M || len(acts) > 0 {
			return true, "a step was left undone: " + actions(acts)
		}
		return true, ""
	}, state},
	{"P-05 what the inspector at the reader says leaves the person inside alone", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Slot == NoSlot || e.Slot != b.M.RSlot || e.Slot == b.M.PSlot || b.M.Passage == PasEmpty {
			return false, ""
		}
		if b.M.Mode == ModeEmergency {
			return false, ""
		}
		if passagePart(&a.M) != passagePart(&b.M) {
			return true, e.Kind.String() + " moved the passage"
		}
		return true, ""
	}, inspectors},
	{"P-05 what the inspector inside says leaves the next traveller alone", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Slot == NoSlot || e.Slot != b.M.PSlot || e.Slot == b.M.RSlot || b.M.Mode == ModeEmergency {
			return false, ""
		}
		// Once the mantrap is free the next one may go in: that is reception's own step.
		if b.M.RSlot != NoSlot && !has(acts, ActAdmit) && (a.M.Reception != b.M.Reception || a.M.RSlot != b.M.RSlot || a.M.RReason != b.M.RReason || a.M.RRef != b.M.RRef) {
			return true, e.Kind.String() + " moved reception"
		}
		return true, ""
	}, inspectors},
	{"P-05 the camera has one holder, the one inside", func(b *node, e Event, n *node, acts []Action) (bool, string) {
		gone := (e.Kind == EvExited || e.Kind == EvCameraFree) && e.Slot == b.M.Camera
		if has(acts, ActCapture) && b.M.Camera != NoSlot && !gone {
			return true, "leased twice"
		}
		return n.M.Camera != NoSlot, ""
	}, did(ActCapture)},
	{"P-05 the reader has one holder", func(b *node, e Event, n *node, acts []Action) (bool, string) {
		if has(acts, ActBegin) && b.M.Reader != NoSlot {
			return true, "leased twice"
		}
		return n.M.Reader != NoSlot, ""
	}, did(ActBegin)},
	{"P-05 who holds the reader lives", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if n.M.Reader == NoSlot {
			return false, ""
		}
		if n.M.Slots[n.M.Reader.Index()] == SlotFree {
			return true, "held by nobody who lives"
		}
		return true, ""
	}, state},
	{"DP-06 no frame for whom is not inside", func(b *node, _ Event, a *node, acts []Action) (bool, string) {
		if !has(acts, ActCapture) {
			return false, ""
		}
		from := b.M.Passage == PasSecure || b.M.Passage == PasEmpty && a.M.Topology == OneStep && has(acts, ActAdmit)
		if !from || a.M.Passage != PasCapture || a.M.PSlot == NoSlot || a.M.Slots[a.M.PSlot.Index()] != SlotBegun {
			return true, "captured from " + b.M.Passage.String()
		}
		return true, ""
	}, did(ActCapture)},
	{"D-02 emergency ends only by an officer's order with the input clear", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		if b.M.Mode != ModeEmergency || a.M.Mode == ModeEmergency {
			return false, ""
		}
		if e.Kind != EvOrder || e.Order != OrderEndEmergency || a.M.Fire != High || a.M.Mode != ModeRecovering && !(a.M.closed() && a.M.empty()) {
			return true, "ended by " + e.Kind.String()
		}
		return true, ""
	}, modeChanged},
	{"D-02 in emergency no door is commanded", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if a.M.Mode != ModeEmergency {
			return false, ""
		}
		released := b.M.Mode == ModeEmergency
		for _, x := range acts {
			switch x.Kind {
			case ActRelease:
				released = true
			case ActOpen, ActClose, ActLock:
				if released {
					return true, "commanded after the release"
				}
			}
		}
		return true, ""
	}, on(EvOrder, EvDoorMoved, EvBeamed) | did(ActOpen, ActClose, ActLock)},
	{"O-03 every order is answered once, nothing else is", func(_ *node, e Event, _ *node, acts []Action) (bool, string) {
		n := 0
		for _, x := range acts {
			if x.Kind == ActAnswer {
				n++
				if !x.On && x.Reason == verdict.ReasonNone {
					return true, "refused without a reason"
				}
			}
		}
		want := 0
		if e.Kind == EvOrder {
			want = 1
		}
		if n != want {
			return true, "answered otherwise"
		}
		return e.Kind == EvOrder, ""
	}, on(EvOrder) | did(ActAnswer)},
	{"P-09 a referral is opened once, owned once and ends once", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		said := false
		for _, l := range []Lane{LaneReception, LanePassage} {
			x, y := b.M.RRef, a.M.RRef
			if l == LanePassage {
				x, y = b.M.PRef, a.M.PRef
			}
			for _, w := range acts {
				if w.Kind != ActEmit || w.What != WhatReferral || w.Lane != l {
					continue
				}
				said = true
				ok := false
				switch w.RefEv {
				case RefEvOpen:
					ok = x == RefNone
					x = RefOpen
				case RefEvTaken:
					ok = x == RefOpen
					x = RefTaken
				case RefEvReturned:
					ok = x == RefTaken
					x = RefOpen
				case RefEvConfirmed:
					ok = x == RefTaken && e.Kind == EvOrder && e.Second && !e.Mine
				case RefEvHandedOver:
					ok = x == RefTaken && e.Kind == EvOrder && e.Order == OrderHandOver && e.Mine && e.Second
				case RefEvAccepted, RefEvSentBack:
					ok = x == RefTaken && e.Kind == EvOrder && e.Mine
					x = RefNone
				case RefEvClosed:
					ok = x != RefNone
					x = RefNone
				}
				if !ok {
					return true, l.text() + ": " + w.RefEv.String() + " out of turn"
				}
			}
			if x != y {
				return true, l.text() + ": the desk was told otherwise"
			}
		}
		return said, ""
	}, did(ActEmit) | referralChanged},
	{"E-05 the end of every passage is told once", func(b *node, _ Event, a *node, acts []Action) (bool, string) {
		served := func(r Reception) bool { return r >= RecPlace && r <= RecRefer }
		ends, want := [3]int{}, [3]int{}
		for _, x := range acts {
			if x.Kind == ActEmit && x.What == WhatPassage {
				ends[x.Lane]++
			}
		}
		if served(b.M.Reception) && !served(a.M.Reception) && !has(acts, ActAdmit) || b.M.Reception == RecNotice && a.M.Reception == RecLeave {
			want[LaneReception]++
		}
		if b.M.Passage != PasEmpty && b.M.Passage != PasTest && b.M.Passage != PasHold && (a.M.Passage == PasEmpty || has(acts, ActAdmit)) {
			want[LanePassage]++
		}
		if ends[LaneReception] != want[LaneReception] || ends[LanePassage] < want[LanePassage] {
			return true, "told otherwise"
		}
		if b.M.Passage == PasEmpty && !has(acts, ActAdmit) && ends[LanePassage] > 0 && a.M.Mode != ModeEmergency {
			return true, "the end of nobody's passage"
		}
		return ends != [3]int{}, ""
	}, did(ActEmit, ActAdmit) | receptionChanged | passageChanged},
	{"P-09 who went across during a release has crossed, whoever stays behind", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		if e.Kind != EvCounted || e.Door != Exit || e.Count >= b.M.Occ || b.M.Passage != PasRelease || !b.M.exitOpened() || b.M.Mode == ModeEmergency || a.M.Passage == PasEmpty {
			return false, ""
		}
		if !a.M.Crossed {
			return true, "nobody noted it"
		}
		return true, ""
	}, on(EvCounted)},
	{"P-09 only who crossed by an allow or an officer's order has crossed", func(b *node, _ Event, a *node, _ []Action) (bool, string) {
		if !a.M.Crossed || b.M.Crossed {
			return false, ""
		}
		if b.M.Passage != PasRelease || !b.M.exitOpened() {
			return true, "crossed from " + b.M.Passage.String()
		}
		return true, ""
	}, crossedChanged},
	{"P-13 a document left on the reader is told", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Kind != EvTimer || e.Timer != TimerReception || b.M.Reception != RecLift || b.M.Mode == ModeEmergency {
			return false, ""
		}
		if !alarmed(acts) || a.M.Reception != RecRefer {
			return true, "nobody was told"
		}
		return true, ""
	}, on(EvTimer)},
	{"D-11 a forced door is told at once", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Kind != EvDoorMoved || b.M.Pos[e.Door] != PosClosed || e.Pos == PosClosed || b.M.Cmd[e.Door] != CmdNone || b.M.Mode != ModeOpen && b.M.Mode != ModeClosed {
			return false, ""
		}
		if !alarmed(acts) {
			return true, "nobody was told"
		}
		if a.M.Grant != GrantNone {
			return true, "a grant outlived it"
		}
		return true, ""
	}, on(EvDoorMoved)},
	{"P-02 one-step: the door opens only for exactly one person in the zone, and again only for whom it was closing on", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if a.M.Topology != OneStep || !opens(acts, Exit) || b.M.Cmd[Exit] != CmdNone {
			return false, ""
		}
		if e.Kind != EvCommitted || b.M.Occ != CountOne || b.M.Passage != PasRelease {
			return true, "opened for " + b.M.Occ.String()
		}
		return true, ""
	}, did(ActOpen)},
	{"P-02 one-step: the door that it does not have is never commanded", func(_ *node, _ Event, a *node, acts []Action) (bool, string) {
		if a.M.Topology != OneStep {
			return false, ""
		}
		for _, x := range acts {
			if x.Door == Entry && (x.Kind == ActOpen || x.Kind == ActClose || x.Kind == ActLock) {
				return true, "commanded"
			}
		}
		return true, ""
	}, did(ActOpen, ActClose, ActLock)},
	{"P-02 one-step: one traveller at a time, at the reader or in front of the door", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if n.M.Topology != OneStep || n.M.Passage == PasEmpty {
			return false, ""
		}
		if n.M.Reception != RecIdle && n.M.Reception != RecLeave {
			return true, "reception " + n.M.Reception.String() + " while " + n.M.Passage.String()
		}
		return true, ""
	}, state},
	{"S-02 one-step: who steps in while the door is not shut again is told", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if a.M.Topology != OneStep || e.Kind != EvCounted || e.Count != CountOne && e.Count != CountMany || b.M.Passage != PasClear || b.M.secured(Exit) || b.M.Mode == ModeEmergency {
			return false, ""
		}
		if !alarmed(acts) && b.M.PReason != verdict.IntruderDuringRelease {
			return true, "nobody was told"
		}
		return true, ""
	}, on(EvCounted)},
	{"P-02 one-step: only who left across has crossed", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		if a.M.Topology != OneStep || e.Kind != EvCounted || e.Count != CountZero || e.Door != Entry || b.M.Passage != PasRelease || !b.M.exitOpened() {
			return false, ""
		}
		if a.M.Crossed && !b.M.Crossed {
			return true, "crossed by turning back"
		}
		return true, ""
	}, on(EvCounted)},
	{"O-07 nobody overturns at a distance what only the staffed lane can settle, and no officer alone what needs two", func(b *node, e Event, a *node, _ []Action) (bool, string) {
		if a.M.Grant != GrantOrder || b.M.Grant == GrantOrder || b.M.Passage != PasRefer {
			return false, ""
		}
		switch who, _ := b.M.PReason.Overturn(); {
		case who == verdict.StaffedLane:
			return true, "overturned " + b.M.PReason.String()
		case who == verdict.TwoOfficers && !b.M.PSecond:
			return true, "overturned alone: " + b.M.PReason.String()
		}
		return true, ""
	}, grantChanged},
	{"O-01 a referral whose officer has gone is back in the queue", func(_ *node, e Event, a *node, _ []Action) (bool, string) {
		if e.Kind != EvOwnerLost || a.M.Mode == ModeEmergency {
			return false, ""
		}
		if e.Lane == LanePassage && a.M.PRef == RefTaken || e.Lane == LaneReception && a.M.RRef == RefTaken {
			return true, "still taken"
		}
		return true, ""
	}, on(EvOwnerLost)},
	{"P-14 in standby, service and manual nothing is granted to a document or a face", func(b *node, _ Event, a *node, _ []Action) (bool, string) {
		if a.M.Mode != ModeStandby && a.M.Mode != ModeService && a.M.Mode != ModeManual {
			return false, ""
		}
		if a.M.Grant == GrantEntry || a.M.Grant == GrantExit || a.M.served() && a.M.Reception != RecRefer && !a.M.Specimen {
			return true, "granted in " + a.M.Mode.String()
		}
		return true, ""
	}, state},
	{"P-14 the mode changes by an officer's order, an alarm or the end of recovery only, and is told", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if a.M.Mode == b.M.Mode {
			return false, ""
		}
		told := false
		for _, x := range acts {
			told = told || x.Kind == ActEmit && x.What == WhatMode && x.Mode == a.M.Mode
		}
		if !told {
			return true, "nobody was told"
		}
		passed := b.M.Passage == PasTest && b.M.After != ModeRecovering // the test that an order to end service began
		if e.Kind != EvOrder && a.M.Mode != ModeEmergency && b.M.Mode != ModeRecovering && !passed {
			return true, e.Kind.String() + " changed it"
		}
		return true, ""
	}, modeChanged},
	{"M-02 the self-test moves a door only in service, with the mantrap proven empty and the other door locked", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		test := a.M.Passage == PasTest || b.M.Passage == PasTest || b.M.Mode == ModeService && e.beginsTest()
		if !test || a.M.Passage == PasLeave || a.M.Mode == ModeRecovering {
			return false, ""
		}
		for _, d := range []Door{Entry, Exit} {
			again := b.M.Cmd[d] != CmdNone
			if opens(acts, d) && (a.M.Mode != ModeService || !a.M.secured(d.Other()) || !a.M.empty() && !again) {
				return true, "moved " + d.String()
			}
		}
		return opens(acts, Entry) || opens(acts, Exit), ""
	}, did(ActOpen)},
	{"M-02 a gate that left service with a fault is closed, serves nobody and lets nobody in until a self-test has passed", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if !n.M.Untested {
			return false, ""
		}
		if n.M.Mode == ModeOpen || n.M.Mode == ModeManual || n.M.Open || n.M.served() || n.M.Specimen || n.M.Grant != GrantNone || n.M.Passage == PasHold || n.M.Passage == PasAdmit {
			return true, "it works"
		}
		return true, ""
	}, state},
	{"M-02 what a gate that left service with a fault waits for is a passed self-test", func(b *node, _ Event, a *node, _ []Action) (bool, string) {
		if !b.M.Untested || a.M.Untested {
			return false, ""
		}
		if b.M.Mode != ModeService || b.M.Passage != PasTest || !b.M.Tested || b.M.PReason != verdict.ReasonNone {
			return true, "forgotten"
		}
		return true, ""
	}, untestedChanged},
	{"P-14 a specimen is inspected in service mode, and nothing is granted, allowed or asked of an officer for it", func(_ *node, _ Event, n *node, _ []Action) (bool, string) {
		if !n.M.Specimen {
			return false, ""
		}
		if n.M.Mode != ModeService || n.M.Grant != GrantNone || n.M.Allowed || n.M.Held || n.M.RRef != RefNone || n.M.PRef != RefNone || n.M.Passage == PasRelease || n.M.Passage == PasManual {
			return true, "granted"
		}
		return true, ""
	}, state},
	{"P-14 for a specimen the exit stays shut, and its entry opens with the mantrap proven empty", func(b *node, _ Event, a *node, acts []Action) (bool, string) {
		if !a.M.Specimen || !opens(acts, Exit) && !opens(acts, Entry) {
			return false, ""
		}
		switch {
		case opens(acts, Exit):
			return true, "the exit moved"
		case a.M.Passage == PasAdmit && b.M.Cmd[Entry] == CmdNone && !a.M.empty():
			return true, "somebody was inside"
		}
		return true, ""
	}, did(ActOpen)},
	{"M-02 service ends by a passed self-test, or for life safety", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if b.M.Mode != ModeService || a.M.Mode == ModeService || a.M.Topology == OneStep || a.M.Mode == ModeEmergency {
			return false, ""
		}
		if e.Kind == EvOrder && e.Order == OrderOutOfService && a.M.Untested {
			return true, "" // it stays closed
		}
		if b.M.Passage != PasTest || !b.M.Tested || !a.M.empty() || e.Kind == EvOrder {
			return true, "left by " + e.Kind.String()
		}
		return true, ""
	}, modeChanged},
	{"P-08 the desk is told three times of who waits for an officer; then the way back opens, unless a live officer owns the case inside", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if b.M.Mode == ModeEmergency || e.Kind != EvTimer {
			return false, ""
		}
		owned := b.M.PRef == RefTaken && b.M.Lease && b.M.POutcome != verdict.RefuseAndHold
		tries, left, stays := b.M.PTries, a.M.Passage != PasRefer, owned
		switch {
		case e.Timer == TimerPassage && b.M.Passage == PasRefer:
		case e.Timer == TimerReception && b.M.Reception == RecRefer:
			owned = b.M.RRef == RefTaken && b.M.Lease
			tries, left, stays = b.M.RTries, a.M.Reception != RecRefer, false
		default:
			return false, ""
		}
		switch {
		case stays && left:
			return true, "taken from the officer who owns it"
		case !stays && left != (tries == maxTries):
			return true, "not at the cap"
		case !owned && !left && !alarmed(acts):
			return true, "nobody was told"
		}
		return true, ""
	}, on(EvTimer)},
	{"D-09 no step asks a door for the pulse of opening and that of closing", func(_ *node, _ Event, _ *node, acts []Action) (bool, string) {
		said := false
		for _, d := range []Door{Entry, Exit} {
			open, against := false, false
			for _, x := range acts {
				if x.Door == d {
					open = open || x.Kind == ActOpen
					against = against || x.Kind == ActClose
				}
			}
			if open && against {
				return true, d.String() + " was told to open and to close"
			}
			said = said || open || against
		}
		return said, ""
	}, did(ActOpen, ActClose)},
	{"D-08 a blocked door pauses, tries again, and is told at the third try", func(b *node, e Event, a *node, acts []Action) (bool, string) {
		if e.Kind != EvTimer || e.Timer != TimerEntry && e.Timer != TimerExit || b.M.Mode == ModeEmergency {
			return false, ""
		}
		d := Door(e.Timer - TimerEntry)
		if b.M.Cmd[d] != CmdClose || b.M.Pos[d] == PosClosed {
			return false, ""
		}
		shut := d == Exit && b.M.clear(Exit) // nobody stands in it: it may be shut, and a contact lie
		switch {
		case !a.M.Hold[d]:
			return true, "it does not pause"
		case shut && opens(acts, d):
			return true, "the exit was opened again with nobody in it"
		case !shut && b.M.mayOpen(d) && !opens(acts, d):
			return true, "it was not opened again"
		}
		if b.M.Tries[d] == maxTries-1 && !alarmed(acts) {
			return true, "nobody was told"
		}
		return true, ""
	}, on(EvTimer)},
}

// beginsTest tells whether the event is an order that moves the doors in service: by itself, or to end it.
func (e Event) beginsTest() bool {
	return e.Kind == EvOrder && (e.Order == OrderSelfTest || e.Order == OrderOpenGate || e.Order == OrderCloseGate || e.Order == OrderReset)
}

// set is a set of invariants.
type set [2]uint64

var nothing set

// next takes one out of a set that is not empty.
func (s *set) next() int {
	for k := range s {
		if s[k] != 0 {
			j := bits.TrailingZeros64(s[k])
			s[k] &= s[k] - 1
			return 64*k + j
		}
	}
	return -1
}

// concerned are the invariants of each single occasion.
var concerned = func() (out [64]set) {
	for j := range invariants {
		for o := range out {
			if invariants[j].when&(1<<o) != 0 {
				out[o][j/64] |= 1 << (j % 64)
			}
		}
	}
	return out
}()

// asked are the invariants of a set of occasions, and of those asked for before: few sets come again and again.
type asked [256]struct {
	when occasion
	laws set
}

func (k *asked) of(when occasion) set {
	x := &k[uint64(when)*0x9e3779b97f4a7c15>>56]
	if x.when != when {
		x.when, x.laws = when, set{}
		for o := when; o != 0; o &= o - 1 {
			c := &concerned[bits.TrailingZeros64(uint64(o))]
			x.laws[0], x.laws[1] = x.laws[0]|c[0], x.laws[1]|c[1]
		}
	}
	return x.laws
}

func alarmed(acts []Action) bool {
	for _, a := range acts {
		if a.Kind == ActEmit && a.What == WhatAlarm && a.On {
			return true
		}
	}
	return false
}

func (l Lane) text() string { return [...]string{"none", "reception", "passage", "?"}[l&3] }

// part is what of the model belongs to the person inside.
type part struct {
	Passage Passage
	Slot    Slot
	Outcome verdict.Outcome
	Reason  verdict.Reason
	Ref     Referral
	Allowed bool
	Crossed bool
	Grant   Grant
	Cmd     [2]Command
	Locked  [2]bool
	Camera  Slot
}

func passagePart(m *Model) part {
	return part{m.Passage, m.PSlot, m.POutcome, m.PReason, m.PRef, m.Allowed, m.Crossed, m.Grant, m.Cmd, m.Locked, m.Camera}
}
