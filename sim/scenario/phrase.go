package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Kinds of conditions and of doings.
const (
	WhenStart        = "start"
	WhenProgress     = "progress"
	WhenScreen       = "screen"
	WhenInside       = "inside"
	WhenEntryOpens   = "entry opens"
	WhenEntryShuts   = "entry closes"
	WhenEntryShut    = "entry closed"
	WhenExitOpens    = "exit opens"
	WhenExitShuts    = "exit closes"
	WhenShut         = "door shut"
	WhenCrossed      = "crossed"
	WhenBack         = "back"
	WhenReferral     = "referral"
	WhenNext         = "next"
	WhenMode         = "mode"
	WhenTested       = "self-test passed"
	DoTakeAway       = "take away"
	DoFollow         = "follow"
	DoForceEntry     = "force entry"
	DoStandEntry     = "stand entry"
	DoFire           = "fire"
	DoFireEnd        = "fire end"
	DoKillGate       = "kill gate"
	DoStartGate      = "start gate"
	DoFreezeGate     = "freeze gate"
	DoPowerCut       = "cut power"
	DoPowerBack      = "power back"
	DoKillInspector  = "kill inspector"
	DoHangInspector  = "hang inspector"
	DoCut            = "cut"
	DoMend           = "mend"
	DoForge          = "forge"
	DoTouch          = "touch"
	DoOfficerAccept  = "officer accept"
	DoOfficerBack    = "officer back"
	DoOfficerTake    = "officer take"
	DoHandOver       = "hand over"
	DoColleagueBack  = "colleague back"
	DoOfficerReset   = "officer reset"
	DoOfficerEnd     = "officer end emergency"
	DoNextTraveller  = "next traveller"
	DoLeave          = "leave"
	DoFetchCase      = "fetch case"
	DoPressExit      = "press exit"
	DoLeaveUnstopped = "walk out"
	DoStickHigh      = "stick high"
	DoStickLow       = "stick low"
	DoUnstick        = "unstick"
	DoSlowDoor       = "slow door"
	DoFault          = "fault"
	DoFaultEnd       = "fault end"
	DoMode           = "mode"
	DoSelfTest       = "self-test"
	DoOpenEntry      = "open entry"
	DoOpenExit       = "open exit"
	DoHoldEntry      = "hold entry"
	DoLetGo          = "let go"
)

type form struct {
	kind string
	re   *regexp.Regexp
	text string // as shown to the writer of a scenario
}

func f(kind, text string) form {
	// "N" stands for a number, "NAME" for a word.
	re := regexp.QuoteMeta(text)
	re = strings.ReplaceAll(re, "NAME", `([a-z][a-z_0-9]*)`)
	re = regexp.MustCompile(`\bN\b`).ReplaceAllString(re, `([0-9]+(?:\.[0-9]+)?)`)
	return form{kind, regexp.MustCompile("^" + re + "$"), text}
}

// whens are the conditions. Each may be followed by ", N s later".
var whens = []form{
	f(WhenStart, "the traveller comes"),
	f(WhenNext, "the event before has happened"),
	f(WhenProgress, "the chip read reaches N %"),
	f(WhenScreen, "the screen shows NAME"),
	f(WhenInside, "the traveller is inside"),
	f(WhenEntryOpens, "the entry door opens"),
	f(WhenEntryShuts, "the entry door starts to close"),
	f(WhenEntryShut, "the entry door has closed behind the traveller"),
	f(WhenExitOpens, "the exit door opens"),
	f(WhenExitShuts, "the exit door starts to close"),
	f(WhenShut, "the NAME door is shut"),
	f(WhenCrossed, "the traveller has crossed the border"),
	f(WhenBack, "the traveller is back outside"),
	f(WhenReferral, "the officers' console shows the referral"),
	f(WhenMode, "the gate is in NAME mode"),
	f(WhenTested, "the self-test has passed"),
}

// dos are the doings.
var dos = []form{
	f(DoTakeAway, "take the passport away for N s"),
	f(DoFollow, "a second person follows N cm behind"),
	f(DoForceEntry, "somebody forces the entry door and steps in"),
	f(DoStandEntry, "stand in the entry door for N s"),
	f(DoFire, "the fire alarm sounds"),
	f(DoFireEnd, "the fire alarm ends"),
	f(DoKillGate, "kill egated"),
	f(DoStartGate, "start egated again"),
	f(DoPowerCut, "the power is cut"),
	f(DoPowerBack, "the power returns"),
	f(DoFreezeGate, "freeze egated for N s"),
	f(DoKillInspector, "kill the inspector"),
	f(DoHangInspector, "the inspector hangs"),
	f(DoCut, "cut the network to the centre"),
	f(DoMend, "mend the network to the centre"),
	f(DoForge, "the broker forges the centre's answer"),
	f(DoTouch, "touch NAME"),
	f(DoPressExit, "press the exit button"),
	f(DoOfficerAccept, "the officer accepts the traveller"),
	f(DoOfficerBack, "the officer sends the traveller back"),
	f(DoOfficerTake, "the officer takes the referral"),
	f(DoHandOver, "the officer hands the gate over to a colleague"),
	f(DoColleagueBack, "the colleague sends the traveller back"),
	f(DoOfficerReset, "the officer resets the gate"),
	f(DoOfficerEnd, "the officer ends the emergency"),
	f(DoNextTraveller, "the next traveller lays down a passport"),
	f(DoLeave, "the traveller walks back"),
	f(DoFetchCase, "an officer takes the suitcase away"),
	f(DoLeaveUnstopped, "everybody walks out to the side of origin"),
	f(DoStickHigh, "the line NAME sticks high"),
	f(DoStickLow, "the line NAME sticks low"),
	f(DoUnstick, "the line NAME works again"),
	f(DoSlowDoor, "the NAME door runs at N % of its speed"),
	f(DoFault, "the fault NAME happens"),
	f(DoFaultEnd, "the fault NAME ends"),
	f(DoMode, "the officer sets the gate to NAME mode"),
	f(DoSelfTest, "the technician starts the self-test"),
	f(DoOpenEntry, "the officer opens the entry door"),
	f(DoOpenExit, "the officer opens the exit door"),
	f(DoHoldEntry, "the officer holds the entry door open"),
	f(DoLetGo, "the officer lets the entry door close"),
}

var later = regexp.MustCompile(`^(.*), ([0-9]+(?:\.[0-9]+)?) s later$`)

// UnmarshalYAML keeps the text; it is parsed with the phrases of its place.
func (p *Phrase) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a phrase is one line of text", n.Line)
	}
	p.Text = n.Value
	return nil
}

func (p *Phrase) parse(forms []form) error {
	s := strings.Join(strings.Fields(p.Text), " ")
	if m := later.FindStringSubmatch(s); m != nil {
		sec, _ := strconv.ParseFloat(m[2], 64)
		p.After = time.Duration(sec * float64(time.Second))
		s = m[1]
	}
	for _, f := range forms {
		m := f.re.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		p.Kind = f.kind
		for _, g := range m[1:] {
			if v, err := strconv.ParseFloat(g, 64); err == nil {
				p.N = v
			} else {
				p.Arg = g
			}
		}
		return nil
	}
	if s == "" {
		return fmt.Errorf("an event has when and do")
	}
	return fmt.Errorf("%q is not understood", p.Text)
}

func known(forms []form) string {
	l := make([]string, len(forms))
	for i, f := range forms {
		l[i] = f.text
	}
	return "known: " + strings.Join(l, " · ")
}
