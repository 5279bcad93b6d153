package sensors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
	"pgregory.net/rapid"

	"egate/gate"
	"egate/hal"
	"egate/sim/people"
	"egate/sim/plant"
)

// bench is a tracker with what it said.
type bench struct {
	t        testing.TB
	tr       *Tracker
	seq      map[string]uint32
	now      time.Duration
	events   []gate.Event
	times    []time.Duration
	findings []string
}

func newBench(t testing.TB) *bench {
	cfg, err := Matrix(16, 1600, 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, tr: tr, seq: map[string]uint32{}}
}

func (b *bench) note(ev []gate.Event) {
	for _, e := range ev {
		b.events = append(b.events, e)
		b.times = append(b.times, b.tr.Now())
	}
	for _, f := range b.tr.Findings() {
		b.findings = append(b.findings, fmt.Sprintf("%s/%s/%v", f.Code, f.Part, f.On))
	}
}

func (b *bench) to(at time.Duration) {
	for n := b.tr.Next(); n > 0 && n <= at; n = b.tr.Next() {
		b.note(b.tr.Advance(n))
	}
	b.note(b.tr.Advance(at))
	b.now = at
}

func (b *bench) set(line string, high bool) {
	b.seq[line]++
	b.note(b.tr.Feed(hal.Edge{Line: line, Level: gpio.Level(high), At: b.now, Seq: b.seq[line]}))
}

func (b *bench) after(d time.Duration) { b.to(b.now + d) }

// rest brings every line to its level in a healthy empty gate.
func (b *bench) rest() {
	for name := range b.tr.lines {
		b.set(name, name == "fire_ok" || name == "tamper_ok" || name == "power_ok" || name == "entry_closed" || name == "exit_closed")
	}
	b.after(time.Second)
}

func (b *bench) last(k gate.Kind, d gate.Door) (gate.Event, time.Duration) {
	for i, e := range slices.Backward(b.events) {
		if e.Kind == k && e.Door == d {
			return e, b.times[i]
		}
	}
	b.t.Fatalf("no event %v", k)
	return gate.Event{}, 0
}

func (b *bench) forget() { b.events, b.times, b.findings = nil, nil, nil }

// Nothing is known before the lines have spoken, and a healthy empty gate is then told once (P-15).
func TestStartAndRest(t *testing.T) {
	b := newBench(t)
	b.after(time.Second)
	if len(b.events) != 0 {
		t.Fatalf("events out of nothing: %v", b.events)
	}
	b.rest()
	if e, _ := b.last(gate.EvFire, 0); e.Tri != gate.High {
		t.Error("fire", e.Tri)
	}
	for d := range gate.Door(2) {
		if e, _ := b.last(gate.EvDoorMoved, d); e.Pos != gate.PosClosed {
			t.Error(d, e.Pos)
		}
		if e, _ := b.last(gate.EvBeamed, d); e.Tri != gate.Low {
			t.Error(d, e.Tri)
		}
	}
	if e, _ := b.last(gate.EvCounted, 0); e.Count != gate.CountZero {
		t.Error(e.Count)
	}
	n := len(b.events)
	b.after(time.Hour)
	if len(b.events) != n {
		t.Errorf("a gate at rest says %v", b.events[n:])
	}
}

// D-02: the fire input is told well within 100 ms of its edge; a spike of a millisecond is not.
func TestD02Fire(t *testing.T) {
	b := newBench(t)
	b.rest()
	b.forget()
	b.set("fire_ok", false)
	b.after(time.Millisecond)
	b.set("fire_ok", true)
	b.after(time.Second)
	if len(b.events) != 0 {
		t.Fatalf("a spike gave %v", b.events)
	}
	edge := b.now
	b.set("fire_ok", false)
	b.after(time.Second)
	e, at := b.last(gate.EvFire, 0)
	if e.Tri != gate.Low || at-edge > 20*time.Millisecond {
		t.Fatalf("%v after %v", e.Tri, at-edge)
	}
	b.set("fire_ok", true)
	b.after(time.Second)
	if e, _ := b.last(gate.EvFire, 0); e.Tri != gate.High {
		t.Fatal("fire does not end")
	}
}

// D-05: a broken safety beam counts at once, a free one only when it stays so.
func TestD05BeamAtOnce(t *testing.T) {
	b := newBench(t)
	b.rest()
	b.forget()
	edge := b.now
	b.set("entry_beam", true)
	if e, at := b.last(gate.EvBeamed, gate.Entry); e.Tri != gate.High || at != edge {
		t.Fatalf("%v after %v", e.Tri, at-edge)
	}
	b.forget()
	b.set("entry_beam", false)
	b.after(10 * time.Millisecond)
	b.set("entry_beam", true)
	b.after(10 * time.Millisecond)
	if len(b.events) != 0 {
		t.Fatalf("a stride gave %v", b.events)
	}
	b.set("entry_beam", false)
	b.after(time.Second)
	if e, _ := b.last(gate.EvBeamed, gate.Entry); e.Tri != gate.Low {
		t.Fatal("beam stays broken")
	}
}

// D-10: position is what both contacts tell; bounce is no movement, both made is a fault, long
// between is a fault.
func TestD10Contacts(t *testing.T) {
	b := newBench(t)
	b.rest()
	b.forget()
	for range 4 {
		b.set("entry_closed", false)
		b.after(time.Millisecond)
		b.set("entry_closed", true)
		b.after(time.Millisecond)
	}
	b.after(time.Second)
	if len(b.events) != 0 {
		t.Fatalf("bounce gave %v", b.events)
	}
	b.set("entry_closed", false)
	b.after(time.Second)
	if e, _ := b.last(gate.EvDoorMoved, gate.Entry); e.Pos != gate.PosBetween {
		t.Fatal(e.Pos)
	}
	b.after(6 * time.Second)
	b.set("entry_open", true)
	b.after(time.Second)
	b.set("entry_closed", true)
	b.after(time.Second)
	if e, _ := b.last(gate.EvDoorMoved, gate.Entry); e.Pos != gate.PosUnknown {
		t.Fatal(e.Pos)
	}
	if want := "door_contact_implausible/entry_door/true"; !slices.Contains(b.findings, want) {
		t.Fatalf("both contacts are made, findings %v", b.findings)
	}
	b.set("entry_open", false)
	b.after(time.Second)
	// The closed contact was made where the door was open: what rests on it is told as doubtful until it has
	// been free.
	if e, _ := b.last(gate.EvDoorMoved, gate.Entry); e.Pos != gate.PosClosed || !e.On {
		t.Fatal(e)
	}
	b.set("entry_closed", false)
	b.after(time.Second)
	b.set("entry_closed", true)
	b.after(time.Second)
	if e, _ := b.last(gate.EvDoorMoved, gate.Entry); e.Pos != gate.PosClosed || e.On {
		t.Fatal(e)
	}
	want := []string{"door_position_late/entry_door/true", "door_position_late/entry_door/false",
		"door_contact_implausible/entry_door/true", "door_contact_implausible/entry_door/false"}
	if !slices.Equal(b.findings, want) {
		t.Fatalf("findings %v", b.findings)
	}
}

// D-10, P-03: contacts that overlap while they bounce raise no doubt; a leaf that is closed sooner than it
// can travel does, and lines that come back do not.
func TestD10Doubt(t *testing.T) {
	b := newBench(t)
	b.rest()
	open := func() {
		b.set("entry_closed", false)
		b.after(time.Second)
		b.set("entry_open", true)
		b.after(time.Second)
		b.forget()
	}
	closed := func(doubtful bool) {
		t.Helper()
		b.after(time.Second)
		if e, _ := b.last(gate.EvDoorMoved, gate.Entry); e.Pos != gate.PosClosed || e.On != doubtful {
			t.Fatal(e)
		}
	}
	open()
	b.set("entry_closed", true) // both, for less than implausibleFor
	b.after(45 * time.Millisecond)
	b.set("entry_closed", false)
	b.after(time.Second)
	b.set("entry_open", false)
	b.after(time.Second)
	b.set("entry_closed", true)
	closed(false)
	open()
	b.set("entry_open", false)
	b.after(60 * time.Millisecond)
	b.set("entry_closed", true)
	closed(true)
	open()
	b.set("entry_open", false)
	b.after(time.Second)
	b.set("entry_closed", true)
	closed(false)
	// That of the exit is believed again after twice the travel time: nobody is shut in by a contact (P-08).
	b.set("exit_open", true)
	b.after(time.Second)
	b.set("exit_open", false)
	b.after(4 * time.Second)
	if e, _ := b.last(gate.EvDoorMoved, gate.Exit); e.Pos != gate.PosClosed || !e.On {
		t.Fatal(e)
	}
	b.after(3 * time.Second)
	if e, _ := b.last(gate.EvDoorMoved, gate.Exit); e.Pos != gate.PosClosed || e.On {
		t.Fatal(e)
	}
	b.note(b.tr.Lose())
	b.after(time.Second)
	b.forget()
	b.rest()
	closed(false)
}

// S-06: a beam that loses its light again and again is named and taken out; two neighbours are too many.
func TestS06DirtyBeams(t *testing.T) {
	b := newBench(t)
	b.rest()
	b.forget()
	lose := func(name string) {
		for range 3 {
			b.after(time.Second)
			b.set(name, true)
			b.after(100 * time.Millisecond)
			b.set(name, false)
		}
		b.after(2 * time.Second)
	}
	lose("beam_12")
	if want := []string{"beam_dirty/beam_12/true"}; !slices.Equal(b.findings, want) {
		t.Fatal(b.findings)
	}
	if e, _ := b.last(gate.EvCounted, 0); e.Count != gate.CountZero {
		t.Fatal(e.Count)
	}
	b.forget()
	lose("beam_12") // what it does now is nobody's doing
	if len(b.findings) != 0 {
		t.Fatal(b.findings)
	}
	if len(b.events) != 0 {
		t.Fatal("a beam out of service counts", b.events)
	}
	lose("beam_13")
	if want := []string{"beam_dirty/beam_13/true", "beams_insufficient/mantrap/true"}; !slices.Equal(b.findings, want) {
		t.Fatal(b.findings)
	}
	if e, _ := b.last(gate.EvCounted, 0); e.Count != gate.CountUnknown {
		t.Fatal(e.Count)
	}
	b.forget()
	b.after(6 * time.Minute)
	if want := []string{"beam_dirty/beam_12/false", "beams_insufficient/mantrap/false", "beam_dirty/beam_13/false"}; !slices.Equal(b.findings, want) {
		t.Fatal(b.findings)
	}
	if e, _ := b.last(gate.EvCounted, 0); e.Count != gate.CountZero {
		t.Fatal(e.Count)
	}
}

// S-06: a lone broken beam in a closed empty gate is a fault after 10 s, gone when it is free.
func TestS06StuckBeam(t *testing.T) {
	for _, name := range []string{"beam_05", "beam_13"} {
		b := newBench(t)
		b.rest()
		b.forget()
		b.set(name, true)
		b.after(9 * time.Second)
		if len(b.findings) != 0 {
			t.Fatal("too early", b.findings)
		}
		b.after(4 * time.Second)
		b.set(name, false)
		b.after(time.Second)
		if want := []string{"beam_stuck/" + name + "/true", "beam_stuck/" + name + "/false"}; !slices.Equal(b.findings, want) {
			t.Fatalf("findings %v", b.findings)
		}
		if e, _ := b.last(gate.EvCounted, 0); e.Count != gate.CountZero {
			t.Fatal(e.Count)
		}
	}
}

// X-04, S-07: tamper is told within a second; a flickering line is named; a lost edge makes the count
// unknown while somebody is inside.
func TestTamperFlickerLoss(t *testing.T) {
	b := newBench(t)
	b.rest()
	b.forget()
	b.set("tamper_ok", false)
	b.after(time.Second)
	b.set("tamper_ok", true)
	b.after(time.Second)
	if want := []string{"tamper/enclosure/true", "tamper/enclosure/false"}; !slices.Equal(b.findings, want) {
		t.Fatal(b.findings)
	}
	b.forget()
	for range 60 {
		b.set("beam_12", true)
		b.after(2 * time.Millisecond)
		b.set("beam_12", false)
		b.after(20 * time.Millisecond)
	}
	b.after(30 * time.Second)
	if want := []string{"beam_flicker/beam_12/true", "beam_flicker/beam_12/false"}; !slices.Equal(b.findings, want) {
		t.Fatal(b.findings)
	}
	if len(b.events) != 0 {
		t.Fatalf("flicker gave %v", b.events)
	}
	b.set("entry_beam", true)
	b.after(100 * time.Millisecond)
	b.set("beam_09", true)
	b.after(100 * time.Millisecond)
	if e, _ := b.last(gate.EvCounted, 0); e.Count != gate.CountOne {
		t.Fatal(e.Count)
	}
	b.seq["beam_10"] += 7
	b.set("beam_10", true)
	b.after(100 * time.Millisecond)
	if e, _ := b.last(gate.EvCounted, 0); e.Count != gate.CountUnknown {
		t.Fatal(e.Count)
	}
}

// A gate on its battery is told by the line of its supply, where it has one.
func TestPowerFailed(t *testing.T) {
	b := newBench(t)
	b.rest()
	b.forget()
	b.set("power_ok", false)
	b.after(time.Second)
	b.set("power_ok", true)
	b.after(time.Second)
	if want := []string{"power_failed/supply/true", "power_failed/supply/false"}; !slices.Equal(b.findings, want) {
		t.Fatal(b.findings)
	}
}

// Law 5: when the lines are lost everything is unknown; reopened lines heal it, the count only when
// the mantrap is proven empty.
func TestLaw5LinesLost(t *testing.T) {
	b := newBench(t)
	b.rest()
	b.forget()
	b.note(b.tr.Lose())
	if e, _ := b.last(gate.EvFire, 0); e.Tri != gate.Unknown {
		t.Error("fire", e.Tri)
	}
	for d := range gate.Door(2) {
		if e, _ := b.last(gate.EvDoorMoved, d); e.Pos != gate.PosUnknown {
			t.Error(e.Pos)
		}
		if e, _ := b.last(gate.EvBeamed, d); e.Tri != gate.Unknown {
			t.Error(e.Tri)
		}
	}
	if e, _ := b.last(gate.EvCounted, 0); e.Count != gate.CountUnknown {
		t.Error(e.Count)
	}
	b.rest()
	if e, _ := b.last(gate.EvCounted, 0); e.Count != gate.CountZero {
		t.Error(e.Count)
	}
	if want := []string{"lines_lost/lines/true", "lines_lost/lines/false"}; !slices.Equal(b.findings, want) {
		t.Error(b.findings)
	}
}

// The exit button is told once per press.
func TestExitButton(t *testing.T) {
	b := newBench(t)
	b.rest()
	b.forget()
	b.set("exit_request", true)
	b.after(5 * time.Second)
	b.set("exit_request", false)
	b.after(time.Second)
	if len(b.events) != 1 || b.events[0].Kind != gate.EvExitButton {
		t.Fatal(b.events)
	}
}

// A walk through the simulated plant, contacts bouncing: closed, in, one, out, nobody (S-01, D-10).
func TestPlantPassage(t *testing.T) {
	b := newBench(t)
	p := plant.New(plant.Default())
	for name, high := range p.Inputs() {
		b.set(name, high)
	}
	p.OnInput(func(name string, high bool, at time.Duration) {
		b.to(at)
		b.set(name, high)
	})
	run := func(d time.Duration) {
		for range d / (10 * time.Millisecond) {
			p.Advance(10 * time.Millisecond)
			b.to(p.View().Now)
		}
	}
	pulse := func(line string) {
		p.Set(line, true)
		run(150 * time.Millisecond)
		p.Set(line, false)
	}
	p.Set("release", true)
	p.Set("entry_lock", true)
	p.Set("exit_lock", true)
	pulse("exit_close_pulse")
	pulse("entry_close_pulse")
	run(3 * time.Second)
	c := people.Cabin()
	w := people.NewWalker("only", people.Adult(), -800, &c, 3)
	p.Add(w)
	b.forget()
	p.Set("entry_lock", false)
	pulse("entry_open_pulse")
	run(2 * time.Second)
	w.WalkTo(p, 900)
	run(4 * time.Second)
	p.Set("entry_lock", true)
	pulse("entry_close_pulse")
	run(3 * time.Second)
	p.Set("exit_lock", false)
	pulse("exit_open_pulse")
	run(2 * time.Second)
	w.WalkTo(p, 3500)
	run(4 * time.Second)
	pulse("exit_close_pulse")
	run(3 * time.Second)
	var said []string
	for _, e := range b.events {
		switch e.Kind {
		case gate.EvDoorMoved:
			said = append(said, fmt.Sprintf("%v %v", e.Door, e.Pos))
		case gate.EvCounted:
			said = append(said, "count "+e.Count.String())
		case gate.EvObject:
			said = append(said, fmt.Sprintf("object %v", e.On))
		}
	}
	want := "entry between, entry open, count 1, entry between, entry closed, exit between, exit open, count 0, exit between, exit closed"
	if got := strings.Join(said, ", "); got != want {
		t.Fatalf("\n got %s\nwant %s", got, want)
	}
	if v := p.Violations(); len(v) > 0 || len(b.findings) > 0 {
		t.Fatal(v, b.findings)
	}
}

// S-07: with flicker on every beam the counts stay what they were.
func TestS07FlickerChangesNoCount(t *testing.T) {
	for _, c := range []people.Class{people.Single, people.Tailgating, people.SingleCase} {
		for seed := uint64(1); seed <= 20; seed++ {
			w, err := people.Generate(c, seed, people.TraceOptions{Flicker: 0.5})
			if err != nil {
				t.Fatal(err)
			}
			b := newBench(t)
			b.rest()
			b.forget()
			base := b.now
			for _, e := range w.Edges {
				b.to(base + e.At)
				b.set(e.Beam, e.Broken)
			}
			b.after(5 * time.Second)
			most := gate.CountUnknown
			for _, e := range b.events {
				if e.Kind == gate.EvCounted {
					most = max(most, e.Count)
				}
			}
			if want := map[bool]gate.Count{false: gate.CountOne, true: gate.CountMany}[c == people.Tailgating]; most != want {
				t.Errorf("%s seed %d (gap %.0f): %v", c, seed, w.Gap, most)
			}
		}
	}
}

// Whatever comes over the lines, the tracker lives and its deadlines lie ahead (S-07).
func TestS07AnyEdges(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := newBench(t)
		var names []string
		for n := range b.tr.lines {
			names = append(names, n)
		}
		slices.Sort(names)
		names = append(names, "no_such_line")
		now := time.Duration(0)
		for range rapid.IntRange(0, 150).Draw(r, "edges") {
			now += time.Duration(rapid.IntRange(-5, 500).Draw(r, "ms")) * time.Millisecond
			switch rapid.IntRange(0, 15).Draw(r, "what") {
			case 0:
				b.tr.Lose()
			case 1:
				b.tr.Advance(now)
			default:
				b.tr.Feed(hal.Edge{Line: rapid.SampledFrom(names).Draw(r, "line"), Level: gpio.Level(rapid.Bool().Draw(r, "level")),
					At: now, Seq: rapid.Uint32().Draw(r, "seq")})
			}
			if n := b.tr.Next(); n != 0 && n <= b.tr.Now() {
				r.Fatalf("next %v is not after %v", n, b.tr.Now())
			}
		}
	})
}

// fakeLines delivers edges only.
type fakeLines struct {
	hal.Lines
	c   chan hal.Edge
	err error
}

func (f *fakeLines) Edges() <-chan hal.Edge { return f.c }
func (f *fakeLines) Err() error             { return f.err }

// Run follows edges and its own deadlines, ends with ctx, and tells that everything is unknown when
// the lines are lost.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		f := &fakeLines{c: make(chan hal.Edge, 64), err: hal.ErrLost}
		var got []gate.Event
		done := make(chan error, 1)
		go func() {
			done <- b.tr.Run(t.Context(), f, func(ev []gate.Event, _ []Finding) { got = append(got, ev...) })
		}()
		for name := range b.tr.lines {
			f.c <- hal.Edge{Line: name, Level: gpio.Level(name == "fire_ok" || name == "entry_closed" || name == "exit_closed" || name == "tamper_ok" || name == "power_ok"), At: time.Hour}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		n := len(got)
		if n == 0 || !slices.Contains(got, gate.Event{Kind: gate.EvCounted, Count: gate.CountZero}) {
			t.Fatalf("%v", got)
		}
		f.c <- hal.Edge{Line: "fire_ok", Level: gpio.Low, At: time.Hour + time.Second, Seq: 1}
		time.Sleep(15 * time.Millisecond) // no further edge comes: the deadline alone must tell
		synctest.Wait()
		if len(got) != n+1 || got[n] != (gate.Event{Kind: gate.EvFire, Tri: gate.Low}) {
			t.Fatalf("%v", got[n:])
		}
		close(f.c)
		if err := <-done; err != hal.ErrLost {
			t.Fatal(err)
		}
		if !slices.Contains(got[n:], gate.Event{Kind: gate.EvFire, Tri: gate.Unknown}) {
			t.Fatalf("%v", got[n:])
		}
		ctx, cancel := context.WithCancel(t.Context())
		g := &fakeLines{c: make(chan hal.Edge, 64)}
		go func() { done <- b.tr.Run(ctx, g, func([]gate.Event, []Finding) {}) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != context.Canceled {
			t.Fatal(err)
		}
	})
}

// A configuration that cannot count is refused.
func TestConfig(t *testing.T) {
	for _, n := range []int{0, 3, 5, 100} {
		if _, err := Matrix(n, 1600, time.Second); err == nil {
			t.Errorf("%d beams were taken", n)
		}
	}
	c, err := Matrix(16, 1600, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	p := plant.Default()
	for i, b := range p.Beams {
		if c.Beams[i].Name != b.Name || c.Beams[i].X != b.X {
			t.Errorf("beam %v is not the plant's %v", c.Beams[i], b)
		}
	}
	c.Beams[3].X = 0
	if _, err := New(c); err == nil {
		t.Error("beams out of order were taken")
	}
}
