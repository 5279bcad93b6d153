package people

import (
	"testing"
	"time"

	"egate/sim/plant"
)

// gate is a plant with a controller's usual levels: nothing released, both doors closed and locked.
func gate(t *testing.T) *plant.Plant {
	t.Helper()
	p := plant.New(plant.Default())
	p.Set(plant.OutRelease, true)
	pulse(p, "entry_close_pulse")
	pulse(p, "exit_close_pulse")
	p.Advance(3 * time.Second)
	p.Set("entry_lock", true)
	p.Set("exit_lock", true)
	p.Advance(time.Second)
	if v := p.View(); v.Entry > 5 || v.Exit > 5 {
		t.Fatalf("doors do not close: %+v", v)
	}
	return p
}

func pulse(p *plant.Plant, name string) {
	p.Set(name, true)
	p.Advance(100 * time.Millisecond)
	p.Set(name, false)
}

// A person walks in, stands, walks out: the plant counts one crossing (P-04) and no violation (P-03).
func TestWalkThrough(t *testing.T) {
	p := gate(t)
	edges := map[string]int{}
	p.OnInput(func(name string, high bool, at time.Duration) { edges[name]++ })
	w := NewWalker("traveller", Adult(), -900, nil, 1)
	p.Add(w)
	w.WalkTo(p, 900)
	p.Advance(3 * time.Second)
	if x := w.X(p); x > 0 {
		t.Fatalf("walked through a closed door to %.0f mm", x)
	}
	p.Set("entry_lock", false)
	pulse(p, "entry_open_pulse")
	p.Advance(4 * time.Second)
	if x := w.X(p); x < 880 {
		t.Fatalf("stands at %.0f mm", x)
	}
	pulse(p, "entry_close_pulse")
	p.Advance(2 * time.Second)
	p.Set("entry_lock", true)
	if v := p.View(); v.People != 1 || v.Entry > 5 {
		t.Fatalf("%+v", v)
	}
	w.WalkTo(p, 3000)
	p.Set("exit_lock", false)
	pulse(p, "exit_open_pulse")
	p.Advance(4 * time.Second)
	pulse(p, "exit_close_pulse")
	p.Advance(2 * time.Second)
	c := p.Crossings()
	if len(c) != 1 || !c[0].Across || !c[0].Human {
		t.Fatalf("crossings %+v", c)
	}
	if v := p.Violations(); len(v) != 0 {
		t.Fatalf("violations %+v", v)
	}
	for _, b := range plant.Default().Beams {
		if edges[b.Name] < 2 {
			t.Errorf("%s saw %d edges", b.Name, edges[b.Name])
		}
	}
}

// A suitcase breaks the low row only, behind its owner (S-04).
func TestCaseBreaksLowRowOnly(t *testing.T) {
	c := Cabin()
	w := NewWalker("t", Adult(), 900, &c, 1)
	var low, high []plant.Span
	low, high = w.Spans(300, nil), w.Spans(900, nil)
	if len(low) != 3 || len(high) != 1 {
		t.Fatalf("low %v high %v", low, high)
	}
	if s := low[2]; s.From != 900-400-120 || s.To != 900-400+120 {
		t.Fatalf("case at %v", s)
	}
}

// A leaf that meets somebody gives way (D-04), and a close into a broken beam is recorded (D-05).
func TestObstructedDoorGivesWay(t *testing.T) {
	p := gate(t)
	p.Set("entry_lock", false)
	pulse(p, "entry_open_pulse")
	p.Advance(2 * time.Second)
	w := NewWalker("t", Adult(), 0, nil, 1)
	p.Add(w)
	p.Advance(200 * time.Millisecond)
	pulse(p, "entry_close_pulse")
	p.Advance(2 * time.Second)
	if v := p.View(); v.Entry < w.Width() {
		t.Fatalf("the leaf squeezed to %.0f mm", v.Entry)
	}
	if v := p.Violations(); len(v) != 1 {
		t.Fatalf("violations %+v", v)
	}
}

// D-01: with the controller dead or frozen the fire loop opens both doors by wire.
func TestD01FireOpensByWire(t *testing.T) {
	p := gate(t)
	p.Fire(true) // all outputs stay as a frozen controller left them
	p.Advance(2 * time.Second)
	if v := p.View(); v.Entry < 800 || v.Exit < 800 {
		t.Fatalf("%+v", v)
	}
	p = gate(t)
	p.AllLow()
	p.Advance(2 * time.Second)
	if v := p.View(); v.Entry < 800 || v.Exit < 800 {
		t.Fatalf("dead controller: %+v", v)
	}
	if v := p.Violations(); len(v) != 0 {
		t.Fatalf("violations %+v", v)
	}
}

// D-09: a pulse left high is a failure; P-03: both doors open is one.
func TestViolationsAreMeasured(t *testing.T) {
	p := gate(t)
	p.Set("entry_lock", false)
	p.Set("entry_open_pulse", true)
	p.Advance(3 * time.Second)
	if v := p.Violations(); len(v) != 1 {
		t.Fatalf("pulse left high: %+v", v)
	}
	p.Set("exit_lock", false)
	pulse(p, "exit_open_pulse")
	p.Advance(2 * time.Second)
	if v := p.Violations(); len(v) != 3 {
		t.Fatalf("want both unlocked and both open: %+v", v)
	}
}
