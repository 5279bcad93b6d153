package interlock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
	"pgregory.net/rapid"

	"egate/hal"
	"egate/hal/doors"
)

// fake is a set of lines under test: inputs are set by the test, outputs are remembered.
type fake struct {
	hal.Lines
	mu     sync.Mutex
	in     map[string]gpio.Level
	dead   map[string]bool
	out    map[string]gpio.Level
	pulses []string
	hold   bool // pulses last until their context ends
}

func newFake() *fake {
	return &fake{in: map[string]gpio.Level{}, dead: map[string]bool{}, out: map[string]gpio.Level{}}
}

func (f *fake) Read(n string) (gpio.Level, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead[n] {
		return gpio.Low, hal.ErrLost
	}
	return f.in[n], nil
}

func (f *fake) Set(n string, l gpio.Level) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead[n] {
		return hal.ErrLost
	}
	f.out[n] = l
	return nil
}

func (f *fake) Pulse(ctx context.Context, n string, d time.Duration) error {
	f.mu.Lock()
	f.pulses = append(f.pulses, n)
	hold := f.hold
	f.mu.Unlock()
	if hold {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (f *fake) set(n string, l gpio.Level) {
	f.mu.Lock()
	f.in[n] = l
	f.mu.Unlock()
}

// at puts a door's contacts.
func (f *fake) at(door string, p hal.Position) {
	f.set(door+"_closed", p == hal.PositionClosed)
	f.set(door+"_open", p == hal.PositionOpen)
}

func mantrap(t testing.TB, f *fake) *Mantrap {
	t.Helper()
	e, err := doors.New(f, "entry", 0)
	if err != nil {
		t.Fatal(err)
	}
	x, err := doors.New(f, "exit", 0)
	if err != nil {
		t.Fatal(err)
	}
	return New(f, e, x, "entry_beam", "exit_beam")
}

// rest is a gate in service: both doors closed and locked.
func rest(t testing.TB, f *fake) *Mantrap {
	t.Helper()
	m := mantrap(t, f)
	f.at("entry", hal.PositionClosed)
	f.at("exit", hal.PositionClosed)
	for _, err := range []error{m.Restore(), m.Entry().Lock(true), m.Exit().Lock(true)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func refused(err error) bool { return errors.Is(err, hal.ErrRefused) }

// P-03: a door opens only while the other is proven closed by live contacts and locked.
func TestP03OpenNeedsTheOtherClosed(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(f *fake, m *Mantrap)
		ok   bool
	}{
		{"both closed and locked", func(*fake, *Mantrap) {}, true},
		{"other open", func(f *fake, _ *Mantrap) { f.at("entry", hal.PositionOpen) }, false},
		{"other between", func(f *fake, _ *Mantrap) { f.at("entry", hal.PositionBetween) }, false},
		{"both contacts of the other made", func(f *fake, _ *Mantrap) { f.set("entry_open", gpio.High) }, false},
		{"contact of the other cannot be read", func(f *fake, _ *Mantrap) { f.dead["entry_open"] = true }, false},
		{"other not locked", func(_ *fake, m *Mantrap) { _ = m.Entry().Lock(false) }, false},
		{"other just opened, contact still closed", func(_ *fake, m *Mantrap) {
			_ = m.Entry().Open(context.Background())
			_ = m.Entry().Lock(true)
		}, false},
		{"released", func(_ *fake, m *Mantrap) { _ = m.Release() }, false},
		{"restored, not locked", func(_ *fake, m *Mantrap) { _ = m.Release(); _ = m.Restore() }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake()
			m := rest(t, f)
			c.do(f, m)
			before := len(f.pulses)
			err := m.Exit().Open(t.Context())
			if c.ok != (err == nil) || !c.ok && !refused(err) {
				t.Fatalf("open: %v", err)
			}
			if !c.ok && (len(f.pulses) != before || f.out["exit_lock"] == gpio.Low && c.name[0] != 'r') {
				t.Fatal("a refused command had an effect")
			}
			if !c.ok {
				if err := m.Exit().Lock(false); c.name != "released" && !refused(err) {
					t.Fatalf("unlock: %v", err)
				}
			}
		})
	}
}

// A door that was opened and has come back lets the other open (P-03).
func TestP03AfterAPassage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		m := rest(t, f)
		if err := m.Entry().Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.at("entry", hal.PositionOpen)
		time.Sleep(3 * time.Second)
		if err := errors.Join(m.Entry().Close(t.Context()), m.Entry().Lock(true)); err != nil {
			t.Fatal(err)
		}
		if err := m.Exit().Open(t.Context()); !refused(err) {
			t.Fatal(err)
		}
		f.at("entry", hal.PositionClosed)
		if err := m.Exit().Open(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// Before anything was restored and locked nothing opens: the outputs of a new process are dead (P-15).
func TestP15NothingOpensAtStart(t *testing.T) {
	f := newFake()
	f.at("entry", hal.PositionClosed)
	f.at("exit", hal.PositionClosed)
	m := mantrap(t, f)
	if err := m.Exit().Open(t.Context()); !refused(err) {
		t.Fatal(err)
	}
	if err := m.Entry().Close(t.Context()); !refused(err) {
		t.Fatal(err)
	}
}

// D-05: closing is refused while the door's beam is broken or cannot be read; the other's does not matter.
func TestD05CloseIntoABeam(t *testing.T) {
	f := newFake()
	m := rest(t, f)
	f.set("entry_beam", gpio.High)
	if err := m.Entry().Close(t.Context()); !refused(err) {
		t.Fatal(err)
	}
	if err := m.Exit().Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.set("entry_beam", gpio.Low)
	f.dead["entry_beam"] = true
	if err := m.Entry().Close(t.Context()); !refused(err) {
		t.Fatal(err)
	}
	f.dead["entry_beam"] = false
	if err := m.Entry().Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// D-02: the release is never refused, waits for no pulse, and tries every line.
func TestD02ReleaseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		m := rest(t, f)
		f.hold = true
		opened := make(chan error, 1)
		go func() { opened <- m.Entry().Open(t.Context()) }()
		synctest.Wait()
		start := time.Now()
		if err := m.Exit().Release(); err != nil {
			t.Fatal(err)
		}
		if err := <-opened; !errors.Is(err, context.Canceled) {
			t.Fatalf("the pulse under way ended with %v", err)
		}
		if d := time.Since(start); d != 0 {
			t.Fatalf("the release waited %v", d)
		}
		for _, n := range []string{"release", "entry_lock", "exit_lock"} {
			if f.out[n] != gpio.Low {
				t.Errorf("%s is still energised", n)
			}
		}
		if err := m.Exit().Lock(true); !refused(err) {
			t.Errorf("a lock falls during a release: %v", err)
		}
		f.dead["entry_lock"] = true
		f.out["exit_lock"] = gpio.High
		if err := m.Release(); !errors.Is(err, hal.ErrLost) || f.out["exit_lock"] != gpio.Low {
			t.Errorf("%v; one dead line kept the others", err)
		}
	})
}

// D-03: a door that is shut without power has a bolt that holds while nothing is driven: every line Low is that position. Its release
// is a line of its own, and each line is tried whatever becomes of the others.
func TestD03ShutWithoutPower(t *testing.T) {
	f := newFake()
	e, err := doors.New(f, "entry", 0)
	if err != nil {
		t.Fatal(err)
	}
	x, err := doors.NewShut(f, "exit", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := doors.NewShut(f, "exit", time.Hour); err == nil {
		t.Error("a pulse of an hour")
	}
	m := New(f, e, x, "entry_beam", "exit_beam")
	f.at("entry", hal.PositionClosed)
	f.at("exit", hal.PositionClosed)
	is := func(what string, release, unlock, own, entry gpio.Level) {
		t.Helper()
		for n, want := range map[string]gpio.Level{"release": release, "exit_unlock": unlock, "exit_release": own, "entry_lock": entry} {
			if f.out[n] != want {
				t.Errorf("%s: %s is %v", what, n, f.out[n])
			}
		}
		if _, there := f.out["exit_lock"]; there {
			t.Errorf("%s: a lock was driven that the door has not", what)
		}
	}
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	must(m.Restore(), m.Entry().Lock(true), m.Exit().Lock(true))
	is("locked", gpio.High, gpio.Low, gpio.Low, gpio.High)
	must(m.Exit().Open(t.Context()))
	is("open", gpio.High, gpio.High, gpio.Low, gpio.High)
	must(m.Release())
	is("released", gpio.Low, gpio.High, gpio.High, gpio.Low)
	must(m.Restore())
	is("restored", gpio.High, gpio.High, gpio.Low, gpio.Low)
	must(m.Exit().Lock(true))
	f.dead["release"], f.dead["exit_unlock"] = true, true
	if err := m.Release(); !errors.Is(err, hal.ErrLost) || f.out["exit_release"] != gpio.High {
		t.Errorf("%v; dead lines kept its own", err)
	}
	f.dead = map[string]bool{"exit_release": true}
	if err := m.Restore(); !errors.Is(err, hal.ErrLost) || !m.Released() {
		t.Errorf("%v: a release that did not end is over", err)
	}
}

// P-03 as a property: whatever is commanded while contacts do what they like, a door is never unlocked
// unless the other is locked, but for a release.
func TestP03Property(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) { property(t, r) })
}

func property(t *testing.T, r *rapid.T) {
	f := newFake()
	m := rest(t, f)
	m.doors[0].wait = false // no time passes here
	for range rapid.IntRange(1, 60).Draw(r, "steps") {
		d := []hal.Door{m.Entry(), m.Exit()}[rapid.IntRange(0, 1).Draw(r, "door")]
		switch rapid.IntRange(0, 7).Draw(r, "do") {
		case 0:
			_ = d.Open(t.Context())
		case 1:
			_ = d.Close(t.Context())
		case 2:
			_ = d.Lock(true)
		case 3:
			_ = d.Lock(false)
		case 4:
			if rapid.IntRange(0, 9).Draw(r, "rare") == 0 {
				_ = d.Release()
			}
		case 5:
			if m.Released() {
				_ = m.Restore()
				// Out of a release both doors are unlocked until they have been locked: close that window.
				_ = m.Entry().Lock(true)
				_ = m.Exit().Lock(true)
			}
		default:
			f.at([]string{"entry", "exit"}[rapid.IntRange(0, 1).Draw(r, "which")], hal.Position(rapid.IntRange(0, 3).Draw(r, "pos")))
		}
		if !m.Released() && f.out["entry_lock"] == gpio.Low && f.out["exit_lock"] == gpio.Low {
			r.Fatal("both doors are unlocked")
		}
	}
}

// The door to the side of origin waits for a lock that is on its way on the other door's queue; the
// door across the border never does (P-08, law 2).
func TestP08OriginSideWaitsForTheLock(t *testing.T) {
	for _, origin := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			m := mantrap(t, f)
			f.at("entry", hal.PositionClosed)
			f.at("exit", hal.PositionClosed)
			if err := m.Restore(); err != nil {
				t.Fatal(err)
			}
			d, o := m.Entry(), m.Exit()
			if !origin {
				d, o = o, d
			}
			opened := make(chan error, 1)
			go func() { opened <- errors.Join(d.Lock(false), d.Open(t.Context())) }()
			time.Sleep(50 * time.Millisecond)
			if err := o.Lock(true); err != nil {
				t.Fatal(err)
			}
			if err := <-opened; origin != (err == nil) {
				t.Fatalf("origin %v: %v", origin, err)
			}
		})
	}
}

// D-09: a pulse is capped; a newer command ends an older pulse, and both never overlap.
func TestD09Pulses(t *testing.T) {
	f := newFake()
	for _, p := range []time.Duration{time.Millisecond, 3 * time.Second, -1} {
		if _, err := doors.New(f, "entry", p); err == nil {
			t.Errorf("a pulse of %v was taken", p)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		d, err := doors.New(f, "entry", 0)
		if err != nil {
			t.Fatal(err)
		}
		f.hold = true
		first := make(chan error, 1)
		go func() { first <- d.Open(t.Context()) }()
		synctest.Wait()
		f.mu.Lock()
		f.hold = false
		f.mu.Unlock()
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if len(f.pulses) != 2 || f.pulses[0] != "entry_open_pulse" || f.pulses[1] != "entry_close_pulse" {
			t.Fatal(f.pulses)
		}
	})
	for closed := range 2 {
		for open := range 2 {
			if p := doors.At(closed == 1, open == 1); (closed+open == 2) != (p == hal.PositionUnknown) {
				t.Errorf("closed %d open %d: %v", closed, open, p)
			}
		}
	}
}
