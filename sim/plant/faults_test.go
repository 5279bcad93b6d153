package plant

import (
	"strings"
	"testing"
	"time"
)

// Every fault has a name by which it happens and ends; after all have ended the plant is as it was. A name that
// does not exist is told with those that do.
func TestFaultsByName(t *testing.T) {
	p := New(Default())
	for _, o := range []string{OutRelease, "entry_lock", "exit_lock"} {
		p.Set(o, true)
	}
	for _, o := range []string{"entry_close_pulse", "exit_close_pulse"} {
		p.Set(o, true)
		p.Advance(100 * time.Millisecond)
		p.Set(o, false)
	}
	p.Advance(2500 * time.Millisecond)
	before := p.Inputs()
	if !before["entry_closed"] || !before["exit_closed"] {
		t.Fatal("the doors did not close")
	}
	for _, n := range p.FaultNames() {
		if err := p.Inject(n, true); err != nil {
			t.Fatal(err)
		}
		p.Advance(time.Second)
		in, v := p.Inputs(), p.View()
		line, sticks := strings.TrimSuffix(strings.TrimSuffix(n, "_high"), "_low"), strings.HasSuffix(n, "_high") || strings.HasSuffix(n, "_low")
		switch {
		case sticks && in[line] != strings.HasSuffix(n, "_high"):
			t.Errorf("%s: the line is %v", n, in[line])
		case n == "fire" && (in[LineFire] || v.Entry < 100 || v.Exit < 100), n == "tamper" && in[LineTamper], n == "exit_pressed" && !in[LineExit],
			n == "entry_forced" && v.Entry < 100, n == "exit_forced" && v.Exit < 100:
			t.Errorf("%s did not happen: %+v", n, v)
		}
		if err := p.Inject(n, false); err != nil {
			t.Fatal(err)
		}
		p.Advance(time.Millisecond)
		for _, d := range []string{"entry", "exit"} {
			p.Set(d+"_close_pulse", true)
			p.Advance(100 * time.Millisecond)
			p.Set(d+"_close_pulse", false)
		}
		p.Advance(2500 * time.Millisecond)
		for l, high := range p.Inputs() {
			if high != before[l] {
				t.Errorf("%s: %s is %v after its end", n, l, high)
			}
		}
	}
	if err := p.Inject("flood", true); err == nil || !strings.Contains(err.Error(), "DOOR_forced") {
		t.Error(err)
	}
}
