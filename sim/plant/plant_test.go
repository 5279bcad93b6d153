package plant

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// box stands still; it can be made to cover the way.
type box struct {
	x, half float64
	human   bool
	v       float64
}

func (b *box) Step(dt time.Duration, _ World)    { b.x += b.v * dt.Seconds() }
func (b *box) Spans(z float64, to []Span) []Span { return append(to, Span{b.x - b.half, b.x + b.half}) }
func (b *box) Width() float64                    { return 450 }
func (b *box) Label() string                     { return "box" }
func (b *box) Human() bool                       { return b.human }
func closed(p *Plant) *Plant {
	p.Set(OutRelease, true)
	for _, d := range []string{"entry", "exit"} {
		p.Set(d+"_close_pulse", true)
		p.Set(d+"_lock", true)
		p.Advance(100 * time.Millisecond)
		p.Set(d+"_close_pulse", false)
	}
	p.Advance(2 * time.Second)
	return p
}

// D-10: a door opens and closes within 2 s, and its contacts say so after bouncing.
func TestD10DoorTravelTime(t *testing.T) {
	p := closed(New(Default()))
	if in := p.Inputs(); !in["entry_closed"] || in["entry_open"] || !in["exit_closed"] {
		t.Fatalf("contacts %v", in)
	}
	changes := map[string]int{}
	p.OnInput(func(name string, _ bool, _ time.Duration) { changes[name]++ })
	p.Set("entry_lock", false)
	p.Set("entry_open_pulse", true)
	p.Advance(100 * time.Millisecond)
	p.Set("entry_open_pulse", false)
	p.Advance(1900 * time.Millisecond)
	in := p.Inputs()
	if in["entry_closed"] || !in["entry_open"] {
		t.Fatalf("contacts %v", in)
	}
	if changes["entry_closed"] == 0 || changes["exit_closed"] != 0 {
		t.Fatalf("changes %v", changes)
	}
}

// A locked door does not open; a lock that drops while the drive pulls lets it.
func TestLockHolds(t *testing.T) {
	p := closed(New(Default()))
	p.Set("exit_open_pulse", true)
	p.Advance(100 * time.Millisecond)
	p.Set("exit_open_pulse", false)
	p.Advance(time.Second)
	if p.View().Exit > contactMM {
		t.Fatal("a locked door opened")
	}
	p.Set("exit_lock", false)
	p.Advance(2 * time.Second)
	if p.View().Exit < 800 {
		t.Fatal("the drive gave up too early")
	}
	p = closed(New(Default()))
	p.Set("exit_open_pulse", true)
	p.Set("exit_open_pulse", false)
	p.Advance(lockWait + time.Second)
	p.Set("exit_lock", false)
	p.Advance(time.Second)
	if p.View().Exit > contactMM {
		t.Fatal("the drive never gave up")
	}
}

// D-11: a forced door opens against its lock and the contact tells.
func TestD11Forced(t *testing.T) {
	p := closed(New(Default()))
	if err := p.Force("entry", time.Second); err != nil {
		t.Fatal(err)
	}
	p.Advance(time.Second)
	if p.Inputs()["entry_closed"] || p.View().Entry < 300 {
		t.Fatal("not forced")
	}
	if err := p.Force("roof", time.Second); err == nil {
		t.Fatal("a door that is not there")
	}
}

// S-06: a stuck line stays where it is until it is let go.
func TestS06StuckBeam(t *testing.T) {
	p := closed(New(Default()))
	if err := p.Stick("beam_03", true); err != nil {
		t.Fatal(err)
	}
	if err := p.Stick("beam_99", true); err == nil {
		t.Fatal("a line that is not there")
	}
	p.Advance(50 * time.Millisecond)
	if !p.Inputs()["beam_03"] {
		t.Fatal("not stuck")
	}
	p.Unstick("beam_03")
	p.Advance(50 * time.Millisecond)
	if p.Inputs()["beam_03"] {
		t.Fatal("still stuck")
	}
}

// M-05: a worn motor takes longer; healing ends every fault.
func TestSlowMotor(t *testing.T) {
	p := closed(New(Default()))
	if p.Slow("exit", 0) == nil || p.Slow("roof", 0.5) == nil {
		t.Fatal("nonsense was taken")
	}
	if err := p.Slow("exit", 0.2); err != nil {
		t.Fatal(err)
	}
	open := func() float64 {
		p.Set("exit_lock", false)
		p.Set("exit_open_pulse", true)
		p.Advance(1500 * time.Millisecond)
		p.Set("exit_open_pulse", false)
		return p.View().Exit
	}
	if x := open(); x > 500 {
		t.Fatalf("a slow motor opened %.0f mm", x)
	}
	p.Heal()
	p = closed(p)
	if x := open(); x < 895 {
		t.Fatalf("a healed motor opened %.0f mm", x)
	}
}

// The plant counts who crosses and who goes back.
func TestCrossings(t *testing.T) {
	p := New(Default()) // released: doors open
	a := &box{x: -500, half: 100, human: true, v: 1000}
	b := &box{x: -500, half: 100, v: 1000}
	p.Add(a)
	p.Add(b)
	p.Advance(800 * time.Millisecond)
	p.Do(func(World) { b.v = -1000 })
	p.Advance(3 * time.Second)
	c := p.Crossings()
	if len(c) != 2 || c[0].Across || !c[1].Across || c[0].Human {
		t.Fatalf("%+v", c)
	}
}

// Wait wakes at the step at which its condition holds and ends with its context.
func TestWait(t *testing.T) {
	p := New(Default())
	done := make(chan error)
	at := 30 * time.Millisecond
	go func() { done <- p.Wait(t.Context(), func(v View) bool { return v.Now >= at }) }()
	for {
		p.Advance(Step)
		select {
		case err := <-done:
			if err != nil || p.View().Now < at {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := p.Wait(ctx, func(View) bool { return false }); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}

// Whatever is driven, leaves stay within their travel, a released plant opens both doors (D-01), and
// a door that met a body never squeezes it.
func TestPlantProperties(t *testing.T) {
	orders := 40
	if testing.Short() {
		orders = 10
	}
	rapid.Check(t, func(t *rapid.T) {
		p := New(Default())
		body := &box{x: 0, half: 140, human: true}
		if rapid.Bool().Draw(t, "body") {
			p.Add(body)
		} else {
			body = nil
		}
		names := p.Outputs()
		for range rapid.IntRange(1, orders).Draw(t, "orders") {
			p.Set(rapid.SampledFrom(names).Draw(t, "line"), rapid.Bool().Draw(t, "level"))
			p.Advance(time.Duration(rapid.IntRange(0, 700).Draw(t, "ms")) * time.Millisecond)
			v := p.View()
			if v.Entry < 0 || v.Exit < 0 || v.Entry > 900 || v.Exit > 900 {
				t.Fatalf("%+v", v)
			}
			if body != nil && v.Entry < body.Width()-1 {
				t.Fatalf("squeezed to %.0f", v.Entry)
			}
		}
		p.AllLow()
		p.Advance(2 * time.Second)
		if v := p.View(); v.Entry < 895 || v.Exit < 895 {
			t.Fatalf("released and not open: %+v", v)
		}
	})
}

// A controller that dies lets all outputs fall in one instant: a plant that moves meanwhile never sees both
// locks free before the release falls too (P-03). It stands still while orders are given: how long a pulse is, is
// nothing that a goroutine may decide. What somebody who looks at the lines finds changed is one instant, too.
func TestP03PowerLossIsOneInstant(t *testing.T) {
	t.Run("dead", func(t *testing.T) { fallTogether(t, (*Plant).AllLow) })
	t.Run("looked at", func(t *testing.T) {
		fallTogether(t, func(p *Plant) { p.SetAll([]Level{{"entry_lock", false}, {"exit_lock", false}, {OutRelease, false}}) })
	})
}

func fallTogether(t *testing.T, fall func(*Plant)) {
	t.Helper()
	p := New(Default())
	end := make(chan struct{})
	var ordering sync.RWMutex
	var wg sync.WaitGroup
	for range 8 { // so that one always waits for its turn
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
					ordering.RLock()
					p.Advance(Step)
					ordering.RUnlock()
				}
			}
		})
	}
	rounds := 300
	if testing.Short() {
		rounds = 40
	}
	for range rounds {
		ordering.Lock()
		p.Set(OutRelease, true)
		for _, n := range []string{"entry", "exit"} {
			p.Set(n+"_close_pulse", true)
			p.Set(n+"_lock", true)
			p.Set(n+"_close_pulse", false)
		}
		ordering.Unlock()
		if err := p.Wait(t.Context(), func(v View) bool { return v.Closed("entry") && v.Closed("exit") }); err != nil {
			t.Fatal(err)
		}
		fall(p)
		if err := p.Wait(t.Context(), func(v View) bool { return v.Released && v.Entry > openMM && v.Exit > openMM }); err != nil {
			t.Fatal(err)
		}
	}
	close(end)
	wg.Wait()
	if v := p.Violations(); len(v) > 0 {
		t.Errorf("%d times, first: %v", len(v), v[0])
	}
}

// Ten hours of an empty plant in virtual time are cheap.
func BenchmarkStep(b *testing.B) {
	p := closed(New(Default()))
	for b.Loop() {
		p.Advance(Step)
	}
}

// D-03, D-01: without power, and with a controller that drives nothing, each door goes where the site wants it; the fire loop
// opens every door, with or without power, and a released door that is shut without power obeys its own line.
func TestD03Unpowered(t *testing.T) {
	const open, shut = 895.0, contactMM
	for _, c := range []struct {
		name                string
		unpowered           [2]Unpowered
		entry, exit         bool // open
		pushEntry, pushExit bool // after somebody has stood before both
		fireEn, fireEx      bool // in a fire
	}{
		{name: "escape both", unpowered: [2]Unpowered{Opens, Opens}, entry: true, exit: true, pushEntry: true, pushExit: true, fireEn: true, fireEx: true},
		{name: "escape to origin", unpowered: [2]Unpowered{Opens, Shuts}, entry: true, pushEntry: true, fireEn: true, fireEx: true},
		{name: "pushed to origin", unpowered: [2]Unpowered{Pushed, Shuts}, pushEntry: true, fireEx: true},
		{name: "escape across", unpowered: [2]Unpowered{Shuts, Opens}, exit: true, pushExit: true, fireEn: true, fireEx: true},
	} {
		for loss, lose := range map[string]func(*Plant){"power": func(p *Plant) { p.Power(false) }, "controller": (*Plant).AllLow} {
			cfg := Default()
			cfg.Unpowered = c.unpowered
			p := New(cfg)
			for _, n := range p.Outputs() { // a controller that has proven both doors shut
				p.Set(n, n == OutRelease || n == "entry_close_pulse" || n == "exit_close_pulse" || n == "entry_lock" || n == "exit_lock")
			}
			p.Advance(time.Second)
			p.Set("entry_close_pulse", false)
			p.Set("exit_close_pulse", false)
			p.Advance(2 * time.Second)
			is := func(what string, entry, exit bool) {
				t.Helper()
				v := p.View()
				for name, x := range map[string]struct {
					pos  float64
					pass bool
				}{"entry": {v.Entry, entry}, "exit": {v.Exit, exit}} {
					if x.pass && x.pos < open || !x.pass && x.pos > shut {
						t.Errorf("%s, %s, %s: the %s door is at %.0f mm", c.name, loss, what, name, x.pos)
					}
				}
			}
			is("served", false, false)
			lose(p)
			p.Advance(3 * time.Second)
			is("lost", c.entry, c.exit)
			for _, x := range []float64{300, cfg.LengthMM - 300} {
				b := &box{x: x, half: 140, human: true}
				p.Add(b)
				p.Advance(3 * time.Second)
				p.Remove(b)
			}
			is("pushed", c.pushEntry, c.pushExit)
			p.Fire(true)
			p.Advance(3 * time.Second)
			is("fire", c.fireEn || c.pushEntry, c.fireEx)
			if v := p.Violations(); len(v) > 0 {
				t.Errorf("%s, %s: %v", c.name, loss, v)
			}
		}
	}
	cfg := Default()
	cfg.Unpowered = [2]Unpowered{Opens, Shuts}
	p := New(cfg)
	p.Set("exit_unlock", true) // released by a controller that lives
	p.Set("exit_release", true)
	p.Advance(3 * time.Second)
	if v := p.View(); v.Entry < open || v.Exit < open {
		t.Errorf("released: %+v", v)
	}
	b := &box{x: cfg.LengthMM, half: 140, human: true}
	p.Add(b)
	p.Power(false)
	p.Advance(3 * time.Second)
	if v := p.View(); v.Exit < 2*b.half {
		t.Errorf("closed on somebody: %+v", v)
	}
	p.Remove(b)
	p.Advance(3 * time.Second)
	if v := p.View(); v.Exit > shut {
		t.Errorf("the exit stands open without power: %+v", v)
	}
}

// TestRunMissesWhatAStallMissed: a machine that stands still while a door closes sees the leaf go on from where it was, not
// jump from its open to its closed contact (D-09).
func TestRunMissesWhatAStallMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Default())
		var left, closed time.Time
		p.OnInput(func(name string, high bool, _ time.Duration) {
			switch {
			case name == "exit_open" && !high && left.IsZero():
				time.Sleep(3 * time.Second) // the stall
				left = time.Now()
			case name == "exit_closed" && high && closed.IsZero():
				closed = time.Now()
			}
		})
		ctx, end := context.WithCancel(t.Context())
		defer end()
		go p.Run(ctx)
		p.Set(OutRelease, true)
		p.Set("exit_close_pulse", true)
		time.Sleep(10 * time.Second)
		end()
		synctest.Wait()
		if left.IsZero() || closed.IsZero() {
			t.Fatalf("the door left its open contact at %v and came to its closed one at %v", left, closed)
		}
		if d := closed.Sub(left); d < 500*time.Millisecond {
			t.Errorf("from contact to contact in %v", d)
		}
	})
}
