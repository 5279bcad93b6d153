package gate

import (
	"testing"

	"egate/verdict"
)

// what the screen says of a state, besides what the stories pass through.
func TestA03View(t *testing.T) {
	for _, c := range []struct {
		name string
		m    Model
		want string
	}{
		{"recovering, nobody inside", Model{Occ: CountZero}, "recovering"},
		{"recovering, nobody knows who is inside", Model{}, "recovering"},
		{"recovering, one inside", Model{Occ: CountOne}, "leave_back"},
		{"recovering, two inside", Model{Occ: CountMany}, "leave_back"},
		{"emergency", Model{Mode: ModeEmergency, Passage: PasCapture}, "emergency"},
		{"the entry closes", Model{Mode: ModeOpen, Passage: PasSecure, Cmd: [2]Command{CmdClose, CmdNone}}, "securing"},
		{"the entry is blocked", Model{Mode: ModeOpen, Passage: PasSecure, Cmd: [2]Command{CmdClose, CmdNone}, Tries: [2]uint8{1, 0}}, "door_blocked"},
		{"the entry was blocked and has closed", Model{Mode: ModeOpen, Passage: PasSecure, Tries: [2]uint8{1, 0}}, "securing"},
		{"the exit closes behind who went", Model{Mode: ModeOpen, Passage: PasClear, Cmd: [2]Command{CmdNone, CmdClose}}, "waiting"},
		{"the exit is blocked", Model{Mode: ModeOpen, Passage: PasClear, Cmd: [2]Command{CmdNone, CmdClose}, Tries: [2]uint8{0, 1}}, "door_blocked"},
		{"the exit was blocked and has closed", Model{Mode: ModeOpen, Passage: PasClear, Tries: [2]uint8{0, 1}}, "waiting"},
		{"luggage before a blocked door", Model{Mode: ModeOpen, Passage: PasClear, Object: true, Cmd: [2]Command{CmdNone, CmdClose}, Tries: [2]uint8{0, 1}}, "take_luggage"},
		{"by hand, the entry open for who comes", Model{Mode: ModeManual, Passage: PasManual, Occ: CountZero, Cmd: [2]Command{CmdOpen, CmdNone}}, "enter"},
		{"by hand, one inside", Model{Mode: ModeManual, Passage: PasManual, Occ: CountOne, Cmd: [2]Command{CmdOpen, CmdNone}}, "see_officer"},
		{"by hand, the entry closes", Model{Mode: ModeManual, Passage: PasManual, Occ: CountZero, Cmd: [2]Command{CmdClose, CmdNone}}, "see_officer"},
		{"two before the camera, on their way back", Model{Mode: ModeOpen, Passage: PasLeave, PReason: verdict.TwoFaces}, "one_at_a_time"},
		{"the shift is over", Model{Mode: ModeOpen, Lease: true, Over: true}, "closed"},
		{"no lease", Model{Mode: ModeOpen}, "closed"},
		{"held open", Model{Mode: ModeOpen, Lease: true, Passage: PasHold}, "closed"},
		{"nobody warm yet", Model{Mode: ModeOpen, Lease: true}, "waiting"},
	} {
		if got := View(c.m).Name; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// each law of a sound state is broken by a state that no sequence of events leads to, and by no smaller change.
func TestX03Unsound(t *testing.T) {
	closed, locked := [2]Position{PosClosed, PosClosed}, [2]bool{true, true}
	inside := Model{Mode: ModeOpen, Pos: closed, Locked: locked, Passage: PasRelease, PSlot: Slot1, Occ: CountOne, Allowed: true, Grant: GrantExit}
	for _, c := range []struct {
		name  string
		from  Model
		flips func(m *Model)
		sound bool
	}{
		{"a verdict waits for its record", inside, func(*Model) {}, true},
		{"its allow is gone", inside, func(m *Model) { m.Allowed = false }, false},
		{"the entry is not locked", inside, func(m *Model) { m.Locked[Entry] = false }, false},
		{"the entry is not closed", inside, func(m *Model) { m.Pos[Entry] = PosBetween }, false},
		{"two are inside", inside, func(m *Model) { m.Occ = CountMany }, false},
		{"nobody knows who is inside", inside, func(m *Model) { m.Occ = CountUnknown }, false},
		{"the same without a grant", inside, func(m *Model) { m.Grant, m.Occ = GrantNone, CountZero }, true},
		{"an officer's grant", inside, func(m *Model) { m.Grant, m.Allowed = GrantOrder, false }, true},
		{"the same of another stage", inside, func(m *Model) { m.Passage, m.Occ = PasRefer, CountMany }, true},
		{"an allow for who is held", inside, func(m *Model) { m.Held, m.Grant = true, GrantNone }, false},
		{"an exit for who is held", inside, func(m *Model) { m.Held, m.Allowed = true, false }, false},
		{"an order for who is held", inside, func(m *Model) { m.Held, m.Allowed, m.Grant = true, false, GrantOrder }, false},
		{"an entry for who is held", inside, func(m *Model) { m.Held, m.Allowed, m.Grant, m.Passage = true, false, GrantEntry, PasAdmit }, true},
		{"one inspector for two", inside, func(m *Model) { m.RSlot = Slot1 }, false},
		{"two inspectors", inside, func(m *Model) { m.RSlot = Slot2 }, true},
		{"an allow for a specimen", inside, func(m *Model) { m.Specimen, m.Grant, m.Passage = true, GrantNone, PasCapture }, false},
		{"an entry for a specimen", inside, func(m *Model) { m.Specimen, m.Allowed, m.Grant, m.Passage = true, false, GrantEntry, PasAdmit }, false},
		{"a way across for a specimen", inside, func(m *Model) { m.Specimen, m.Allowed, m.Grant = true, false, GrantNone }, false},
		{"a specimen inside", inside, func(m *Model) { m.Specimen, m.Allowed, m.Grant, m.Passage = true, false, GrantNone, PasCapture }, true},
		{"no inspector", Model{Mode: ModeOpen, Pos: closed, Locked: locked}, func(*Model) {}, true},
		{"both doors unlocked", Model{Mode: ModeOpen, Pos: closed}, func(*Model) {}, false},
		{"both doors unlocked in an emergency", Model{Mode: ModeEmergency}, func(*Model) {}, true},
		{"both doors unlocked in recovery", Model{Mode: ModeRecovering}, func(*Model) {}, true},
		{"the one door of a one-step gate", Model{Mode: ModeOpen, Topology: OneStep}, func(*Model) {}, true},
		{"one door unlocked", Model{Mode: ModeOpen, Locked: [2]bool{true, false}}, func(*Model) {}, true},
		{"both told to open", Model{Mode: ModeEmergency, Cmd: [2]Command{CmdOpen, CmdOpen}}, func(*Model) {}, false},
		{"one told to open, one to close", Model{Mode: ModeEmergency, Cmd: [2]Command{CmdOpen, CmdClose}}, func(*Model) {}, true},
	} {
		m := c.from
		c.flips(&m)
		if why := m.Unsound(); (why == "") != c.sound {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}
