package gate

import "testing"

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
