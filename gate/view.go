package gate

import "egate/verdict"

// Screen is what the traveller is shown, as a function of the model: names of the display's catalogue.
type Screen struct {
	Name    string
	Prompt  verdict.Reason // what to do better
	Timer   Timer          // whose rest is counted down; TimerNone: nothing is
	More    bool           // more-time may be asked for
	Decline bool           // the staffed lane may still be chosen
	Lane    Lane           // whose screen it is
}

// View is the screen of a model. There is one screen: the person in the mantrap comes first, and hands
// it over to the next traveller as soon as the exit stands open.
func View(m Model) Screen {
	switch m.Mode {
	case ModeEmergency:
		return Screen{Name: "emergency"}
	case ModeRecovering:
		if m.Occ == CountOne || m.Occ == CountMany {
			return Screen{Name: "leave_back"}
		}
		return Screen{Name: "recovering"}
	}
	if sc, ok := passageView(&m); ok {
		sc.Lane = LanePassage
		return sc
	}
	sc := receptionView(&m)
	sc.Lane = LaneReception
	return sc
}

func passageView(m *Model) (Screen, bool) {
	blocked := m.Tries[Entry] > 0 && m.Cmd[Entry] != CmdNone || m.Tries[Exit] > 0 && m.Cmd[Exit] != CmdNone
	switch m.Passage {
	case PasAdmit:
		if m.Grant != GrantNone {
			return Screen{Name: "waiting", Decline: true}, true
		}
		return Screen{Name: "enter", Timer: TimerPassage, Decline: true}, true
	case PasSecure:
		if blocked {
			return Screen{Name: "door_blocked", Decline: true}, true
		}
		return Screen{Name: "securing", More: m.PMore < MaxMore, Decline: true}, true
	case PasCapture:
		return Screen{Name: "capture", Timer: TimerPassage, More: m.PMore < MaxMore, Decline: true}, true
	case PasRelease:
		switch {
		case !m.exitOpened():
			return Screen{Name: "deciding", Decline: true}, true
		case m.Pos[Exit] != PosOpen || m.Reception == RecIdle:
			return Screen{Name: "go"}, true
		}
	case PasRefer:
		return Screen{Name: "see_officer", Decline: true}, true
	case PasManual:
		if m.Occ == CountZero && m.Cmd[Entry] == CmdOpen {
			return Screen{Name: "enter"}, true
		}
		return Screen{Name: "see_officer", Decline: true}, true
	case PasLeave:
		if m.PReason == verdict.TwoPersons || m.PReason == verdict.TwoFaces {
			return Screen{Name: "one_at_a_time"}, true
		}
		return Screen{Name: "leave_back"}, true
	case PasClear:
		switch {
		case m.Object:
			return Screen{Name: "take_luggage"}, true
		case blocked:
			return Screen{Name: "door_blocked"}, true
		case m.Reception == RecIdle:
			return Screen{Name: "waiting"}, true
		}
	}
	return Screen{}, false
}

func receptionView(m *Model) Screen {
	more := m.RMore < MaxMore
	switch m.Reception {
	case RecNotice:
		return Screen{Name: "notice", Decline: true}
	case RecPlace:
		return Screen{Name: "place_document", Prompt: m.RReason, Timer: TimerReception, More: more, Decline: true}
	case RecReading:
		if !m.Doc {
			return Screen{Name: "reading_lost", Timer: TimerReception, Decline: true}
		}
		return Screen{Name: "reading", Timer: TimerReception, Decline: true}
	case RecLift:
		return Screen{Name: "lift_document", Timer: TimerReception, More: more, Decline: true}
	case RecWait:
		return Screen{Name: "waiting", Decline: true}
	case RecRefer, RecLeave:
		return Screen{Name: "see_officer"}
	}
	if !m.inviting() {
		return Screen{Name: "closed"}
	}
	return Screen{Name: "waiting"}
}

// Lamps are the lights of the gate: never colour alone, the screen says the same in words.
type Lamps struct{ EntryGreen, ExitGreen, Red, Beacon, Light bool }

// Lights is the state of the lamps.
func Lights(m Model) Lamps {
	if m.Mode == ModeEmergency {
		return Lamps{EntryGreen: true, ExitGreen: true, Beacon: true}
	}
	l := Lamps{
		EntryGreen: m.Cmd[Entry] == CmdOpen && (m.Passage == PasAdmit || m.Passage == PasLeave || m.Passage == PasManual || m.Passage == PasHold) || m.Topology == OneStep && m.Reception == RecNotice,
		ExitGreen:  m.Passage == PasRelease && m.exitOpened(),
		Beacon:     m.Passage == PasRefer,
		Light:      m.Passage == PasSecure || m.Passage == PasCapture || m.Passage == PasRelease,
	}
	l.Red = !l.EntryGreen && !l.ExitGreen
	return l
}
