package sensors

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/gate"
	"egate/hal"
	"egate/sim/people"
	"egate/sim/plant"
)

// wired is a simulated gate at rest whose test line is wired, and its sensors.
type wired struct {
	*bench
	plant *plant.Plant
	tests int // times that the transmitters went dark
}

func newWired(t testing.TB) *wired {
	pc := plant.Default()
	cfg, err := Matrix(len(pc.Beams), pc.LengthMM, 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	cfg.TestLine = true
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &wired{bench: &bench{t: t, tr: tr, seq: map[string]uint32{}}, plant: plant.New(pc)}
	w.plant.OnInput(func(name string, high bool, at time.Duration) {
		w.seq[name]++
		w.note(tr.Feed(hal.Edge{Line: name, Level: gpio.Level(high), At: at, Seq: w.seq[name]}))
	})
	for name, high := range w.plant.Inputs() {
		w.note(tr.Feed(hal.Edge{Line: name, Level: gpio.Level(high)}))
	}
	w.plant.Set(plant.OutRelease, true)
	for _, pulse := range []string{"entry_close_pulse", "exit_close_pulse"} {
		w.plant.Set(pulse, true)
		w.run(100 * time.Millisecond)
		w.plant.Set(pulse, false)
	}
	w.run(4 * time.Second)
	return w
}

// run lets the plant go on, with the test line as the sensors want it.
func (w *wired) run(d time.Duration) {
	level := w.tr.TestLine()
	const step = 10 * time.Millisecond
	for range d / step {
		w.plant.Advance(step)
		w.note(w.tr.Advance(w.plant.View().Now))
		if l := w.tr.TestLine(); l != level {
			level = l
			w.plant.Set(plant.OutBeamTest, bool(l))
			if l == gpio.High {
				w.tests++
			}
		}
	}
}

// S-08: in an idle gate the beams are tested at least once a minute, nobody is seen in it, and a receiver that stays light is named,
// taken out, and back when it passes again.
func TestS08SelfTest(t *testing.T) {
	w := newWired(t)
	w.run(35 * time.Second)
	if w.tests < 1 || len(w.findings) != 0 {
		t.Fatalf("%d tests, %v", w.tests, w.findings)
	}
	w.forget()
	before := w.tests
	w.run(time.Minute)
	if n := w.tests - before; n < 1 || len(w.findings) != 0 || len(w.events) != 0 {
		t.Fatalf("%d tests in a minute, %v, %v", n, w.findings, w.events)
	}
	if err := w.plant.Stick("beam_12", false); err != nil {
		t.Fatal(err)
	}
	w.run(35 * time.Second)
	if want := []string{"beam_test_failed/beam_12/true"}; !slices.Equal(w.findings, want) {
		t.Fatal(w.findings)
	}
	if st := w.tr.matrix.State(); st.Count != gate.CountZero {
		t.Fatal("one beam out: ", st)
	}
	if err := w.plant.Stick("beam_13", false); err != nil {
		t.Fatal(err)
	}
	w.forget()
	w.run(35 * time.Second)
	if want := []string{"beam_test_failed/beam_13/true", "beams_insufficient/mantrap/true"}; !slices.Equal(w.findings, want) {
		t.Fatal(w.findings)
	}
}

// A test line that reaches no transmitter says nothing about the beams.
func TestS08DeadTestLine(t *testing.T) {
	w := newWired(t)
	for range 3500 {
		w.plant.Advance(10 * time.Millisecond)
		w.note(w.tr.Advance(w.plant.View().Now))
	}
	if want := []string{"beam_test_silent/beam_test/true"}; !slices.Equal(w.findings, want) {
		t.Fatal(w.findings)
	}
	w.forget()
	w.run(35 * time.Second)
	if want := []string{"beam_test_silent/beam_test/false"}; !slices.Equal(w.findings, want) {
		t.Fatal(w.findings)
	}
}

// No test while somebody is inside or a door is not closed; one that is under way ends when a door moves.
func TestS08NoTestInUse(t *testing.T) {
	w := newWired(t)
	w.plant.Set("entry_open_pulse", true)
	w.run(100 * time.Millisecond)
	w.plant.Set("entry_open_pulse", false)
	who := people.NewWalker("who", people.Adult(), -900, nil, 1)
	w.plant.Add(who)
	who.WalkTo(w.plant, 900)
	w.run(4 * time.Second)
	before := w.tests
	w.plant.Set("entry_close_pulse", true)
	w.run(100 * time.Millisecond)
	w.plant.Set("entry_close_pulse", false)
	w.run(35 * time.Second)
	if st := w.tr.matrix.State(); w.tests != before || st.Count != gate.CountOne {
		t.Fatalf("%d tests with %v inside", w.tests-before, st.Count)
	}
	w = newWired(t)
	for w.tr.TestLine() == gpio.Low {
		w.plant.Advance(time.Millisecond)
		w.note(w.tr.Advance(w.plant.View().Now))
	}
	w.forget()
	w.note(w.tr.Feed(hal.Edge{Line: "entry_beam", Level: gpio.High, At: w.tr.Now(), Seq: w.seq["entry_beam"] + 1}))
	if w.tr.TestLine() != gpio.Low {
		t.Error("the beams stay dark though somebody is in a door")
	}
	if slices.ContainsFunc(w.findings, func(f string) bool { return strings.HasPrefix(f, "beam_test") }) {
		t.Error(w.findings)
	}
}

// testBench is lines whose beams follow the test line.
type testBench struct {
	edges chan hal.Edge
	set   []gpio.Level
	beams []Beam
	start time.Time
	seq   uint32
}

func (l *testBench) Read(string) (gpio.Level, error)                    { return gpio.Low, nil }
func (l *testBench) Edges() <-chan hal.Edge                             { return l.edges }
func (l *testBench) Err() error                                         { return hal.ErrLost }
func (l *testBench) Pulse(context.Context, string, time.Duration) error { return nil }
func (l *testBench) Close() error                                       { return nil }
func (l *testBench) Set(name string, v gpio.Level) error {
	if name != LineTest {
		return errors.New("no such line")
	}
	l.set = append(l.set, v)
	l.seq++
	for _, b := range l.beams {
		l.edges <- hal.Edge{Line: b.Name, Level: v, At: time.Since(l.start), Seq: l.seq}
	}
	return nil
}

// Run carries the test line out (S-08).
func TestS08RunSetsTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := Matrix(16, 1600, 3*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		cfg.TestLine = true
		tr, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		l := &testBench{edges: make(chan hal.Edge, 100), beams: cfg.Beams, start: time.Now()}
		for _, s := range tr.order {
			level := gpio.Level(strings.HasSuffix(s.name, "_closed") || strings.HasSuffix(s.name, "_ok"))
			l.edges <- hal.Edge{Line: s.name, Level: level}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		var found []Finding
		if err := tr.Run(ctx, l, func(_ []gate.Event, f []Finding) { found = append(found, f...) }); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if want := []gpio.Level{gpio.High, gpio.Low, gpio.High, gpio.Low, gpio.High, gpio.Low}; !slices.Equal(l.set, want) || len(found) != 0 {
			t.Errorf("%v, %v", l.set, found)
		}
	})
}
