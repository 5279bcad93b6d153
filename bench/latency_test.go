package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/api"
	"egate/gate"
	"egate/gate/control"
	"egate/hal"
	"egate/hal/doors"
	"egate/hal/interlock"
	"egate/health"
	"egate/inspect/protocol"
	"egate/internal/priority"
	"egate/journal"
	"egate/sensors"
)

// BenchmarkStep is one step of the machine: a beam that is broken and clears while a door closes.
func BenchmarkStep(b *testing.B) {
	m, events := closing()
	buf := make([]gate.Action, 0, 64)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		gate.StepInto(buf, m, events[i%len(events)])
	}
}

// closing is a gate at rest whose entry is on its way, and what may happen then.
func closing() (gate.Model, []gate.Event) {
	m := gate.New(gate.Mantrap, true)
	for _, e := range []gate.Event{{Kind: gate.EvStarted}, {Kind: gate.EvDoorMoved, Door: gate.Exit, Pos: gate.PosClosed}, {Kind: gate.EvDoorMoved, Door: gate.Entry, Pos: gate.PosOpen},
		{Kind: gate.EvBeamed, Door: gate.Exit, Tri: gate.Low}, {Kind: gate.EvBeamed, Door: gate.Entry, Tri: gate.Low}, {Kind: gate.EvTimer, Timer: gate.TimerGuard}, {Kind: gate.EvTimer, Timer: gate.TimerGuardX},
		{Kind: gate.EvCounted, Count: gate.CountZero}, {Kind: gate.EvFire, Tri: gate.High}} {
		m, _ = gate.Step(m, e)
	}
	return m, []gate.Event{{Kind: gate.EvBeamed, Door: gate.Entry, Tri: gate.High}, {Kind: gate.EvDoorMoved, Door: gate.Entry, Pos: gate.PosClosed}, {Kind: gate.EvFire, Tri: gate.Low},
		{Kind: gate.EvCounted, Count: gate.CountOne}, {Kind: gate.EvTimer, Timer: gate.TimerEntry}, {Kind: gate.EvExitButton}}
}

// A step into a buffer that is used again allocates nothing, whatever it decides.
func TestStepIntoAllocatesNothing(t *testing.T) {
	m, events := closing()
	buf := make([]gate.Action, 0, 64)
	if m.Cmd[gate.Entry] != gate.CmdClose {
		t.Fatalf("the entry does not close: %+v", m)
	}
	for _, e := range events {
		if n := testing.AllocsPerRun(100, func() { gate.StepInto(buf, m, e) }); n != 0 {
			t.Errorf("%v: %v allocations", e.Kind, n)
		}
	}
}

// wired is a set of lines in memory that notes when an output moved.
type wired struct {
	mu    sync.Mutex
	in    map[string]gpio.Level
	edges chan hal.Edge
	begin time.Time
	seq   map[string]uint32
	moved chan move
}

type move struct {
	line string
	high bool
	at   time.Time
}

func (w *wired) input(n string, high bool) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.in[n] = gpio.Level(high)
	w.seq[n]++
	at := time.Now()
	w.edges <- hal.Edge{Line: n, Level: gpio.Level(high), At: at.Sub(w.begin), Seq: w.seq[n]}
	return at
}

func (w *wired) Read(n string) (gpio.Level, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.in[n], nil
}
func (w *wired) Edges() <-chan hal.Edge { return w.edges }
func (w *wired) Err() error             { return nil }
func (w *wired) Close() error           { return nil }
func (w *wired) Set(n string, l gpio.Level) error {
	select {
	case w.moved <- move{n, bool(l), time.Now()}:
		return nil
	default:
		return errors.New("bench: nobody looks at the outputs")
	}
}
func (w *wired) Pulse(ctx context.Context, n string, d time.Duration) error {
	if err := w.Set(n, true); err != nil {
		return err
	}
	defer func() { _ = w.Set(n, false) }()
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait is when an output moved next.
func (w *wired) wait(b *testing.B, line string, high bool) time.Time {
	b.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case m := <-w.moved:
			if m.line == line && m.high == high {
				return m.at
			}
		case <-late:
			b.Fatalf("%s did not become %v", line, high)
		}
	}
}

// around is everything else around the loop.
type around struct {
	events  chan protocol.InspectorEvent
	touches chan string
	in      chan control.Inbound
	results chan journal.Result
	stalls  bool
}

func (a *around) Show(control.Screen)                    {}
func (a *around) Touches() <-chan string                 { return a.touches }
func (a *around) RendererAlive() bool                    { return true }
func (a *around) Start(slot, gen int)                    {}
func (a *around) Send(int, protocol.ToInspector)         {}
func (a *around) Kill(int)                               {}
func (a *around) PublishHealth(api.Health)               {}
func (a *around) Request(string, api.Envelope)           {}
func (a *around) Respond(string, api.Response)           {}
func (a *around) Inbound() <-chan control.Inbound        { return a.in }
func (a *around) Results() <-chan journal.Result         { return a.results }
func (a *around) Events() <-chan protocol.InspectorEvent { return a.events }
func (a *around) PublishState(api.State)                 {} // behind a queue that nobody empties

// Submit answers at once, or not at all: a disk that hangs.
func (a *around) Submit(r journal.Record) {
	if !a.stalls {
		a.results <- journal.Result{Step: r.Step}
	}
}

type dark struct{}

func (dark) Set(string, bool) error { return nil }

// travel of a leaf at the latest.
const travel = 3 * time.Second

// samples is how many alarms and obstructions one case takes.
const samples = 60 // half of the obstructions in the closing pulse, half after it

// BenchmarkDoorLatency is the way from the edge of an input to the command of a door, through sensors, loop,
// interlock and doors in real time: fire input to release (D-02, with its 10 ms of debounce), safety beam to
// opening of a closing door (D-05, no debounce), both after the pulse that closes it and within that pulse of
// 150 ms, which the opening ends. Under load two other processes keep the processors busy, the journal never answers
// and the broker hangs (E-04); the controller has its priority over them, as in service.
func BenchmarkDoorLatency(b *testing.B) {
	for _, loaded := range []bool{false, true} {
		name := "quiet"
		if loaded {
			name = "loaded"
		}
		b.Run(name, func(b *testing.B) {
			if loaded {
				defer load(b)()
				if err := priority.Raise(); err != nil {
					fmt.Fprintln(os.Stderr, "without priority:", err)
				}
			}
			fire, beam, early := latencies(b, loaded)
			for _, x := range []struct {
				what string
				all  []time.Duration
			}{{"fire to release", fire}, {"beam to opening", beam}, {"beam in closing pulse to opening", early}} {
				slices.Sort(x.all)
				p := func(q int) time.Duration { return x.all[min(len(x.all)*q/100, len(x.all)-1)] }
				fmt.Fprintf(os.Stderr, "%s, %s: p50 %v, p99 %v, max %v of %d\n%s", name, x.what, p(50), p(99), p(100), len(x.all), histogram(x.all))
				unit := strings.ReplaceAll(x.what, " ", "-")
				b.ReportMetric(float64(p(50).Microseconds())/1000, "ms/"+unit+"-p50")
				b.ReportMetric(float64(p(99).Microseconds())/1000, "ms/"+unit+"-p99")
				b.ReportMetric(float64(p(100).Microseconds())/1000, "ms/"+unit+"-max")
			}
		})
	}
}

// histogram draws powers of two of 125 µs.
func histogram(sorted []time.Duration) string {
	var out strings.Builder
	for lo, hi, i := time.Duration(0), 125*time.Microsecond, 0; i < len(sorted); lo, hi = hi, 2*hi {
		n := 0
		for i < len(sorted) && sorted[i] < hi {
			n, i = n+1, i+1
		}
		if n > 0 {
			fmt.Fprintf(&out, "  %9v … %-9v %4d %s\n", lo, hi, n, strings.Repeat("#", n))
		}
	}
	return out.String()
}

// load keeps the processors busy until the returned function is called.
func load(b *testing.B) func() {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range 2 {
		cmd := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := priority.Start(cmd, priority.Ordinary); err != nil {
			b.Fatal(err)
		}
		all.Go(func() { _ = cmd.Wait() })
	}
	return func() { cancel(); all.Wait() }
}

// latencies measures alarms of a gate at rest and obstructions of its closing entry, in turn.
func latencies(b *testing.B, stalls bool) (fire, beam, early []time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	defer func() { cancel(); all.Wait() }()
	w := &wired{in: map[string]gpio.Level{}, edges: make(chan hal.Edge, 1024), begin: time.Now(), seq: map[string]uint32{}, moved: make(chan move, 4096)}
	entry, err := doors.New(w, "entry", 0)
	if err != nil {
		b.Fatal(err)
	}
	exit, err := doors.New(w, "exit", 0)
	if err != nil {
		b.Fatal(err)
	}
	sc, err := sensors.Matrix(16, 1600, travel)
	if err != nil {
		b.Fatal(err)
	}
	tracker, err := sensors.New(sc)
	if err != nil {
		b.Fatal(err)
	}
	limits := control.Limits{}
	for l := gate.LimitDocument; l <= gate.LimitTest; l++ {
		limits[l] = 30 * time.Second
	}
	limits[gate.LimitGuard], limits[gate.LimitRetry] = 10*time.Millisecond, 50*time.Millisecond
	a := &around{events: make(chan protocol.InspectorEvent), touches: make(chan string), in: make(chan control.Inbound, 4), results: make(chan journal.Result, 1024), stalls: stalls}
	sensed := make(chan gate.Event, 256)
	loop, err := control.New(control.Config{Site: "s", Gate: "g", Boot: "b", Epoch: func() uint64 { return 1 }, Limits: limits, Document: time.Minute, Capture: time.Minute, Beat: time.Minute, Found: "clean"},
		control.Ports{Doors: interlock.New(w, entry, exit, "entry_beam", "exit_beam"), Lamps: dark{}, Display: a, Inspectors: a, Journal: a, Link: a, Sensors: sensed, Health: health.New(time.Now)},
		slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	for n, high := range map[string]bool{"fire_ok": true, "tamper_ok": true, "exit_request": false, "entry_closed": true, "entry_open": false, "exit_closed": true, "exit_open": false,
		"entry_beam": false, "exit_beam": false} {
		w.input(n, high)
	}
	for i := range 16 {
		w.input(fmt.Sprintf("beam_%02d", i+1), false)
	}
	all.Go(func() {
		_ = tracker.Run(ctx, w, func(ev []gate.Event, _ []sensors.Finding) {
			for _, e := range ev {
				select {
				case sensed <- e:
				case <-ctx.Done():
				}
			}
		})
	})
	all.Go(func() {
		if err := loop.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	w.wait(b, "entry_lock", true)
	for i := range samples {
		w.drain()
		at := w.input("fire_ok", false)
		fire = append(fire, w.wait(b, "release", false).Sub(at))
		w.input("entry_closed", false) // released, it opens
		w.input("entry_open", true)
		w.input("fire_ok", true)
		for restored := false; !restored; {
			a.in <- control.Inbound{Command: &api.Command{ID: "1", Gate: "g", Name: api.CmdEndEmergency, Principal: "desk", Officer: "o", ExpiresAt: time.Now().Add(time.Minute)}}
			restored = w.saw("release", true, 100*time.Millisecond) // refused while the loop counts as open
		}
		w.wait(b, "entry_close_pulse", true)
		w.input("entry_open", false)
		series, after := &beam, doors.DefaultPulse+50*time.Millisecond
		if i%2 == 1 {
			series, after = &early, 40*time.Millisecond // the sensors have just seen that the leaf moves
		}
		time.Sleep(after)
		w.drain()
		at = w.input("entry_beam", true)
		*series = append(*series, w.wait(b, "entry_open_pulse", true).Sub(at))
		w.input("entry_beam", false)
		w.wait(b, "entry_close_pulse", true)
		time.Sleep(travel / 8) // a contact that is made sooner than a leaf travels is not believed (D-10)
		w.input("entry_closed", true)
		w.wait(b, "entry_lock", true)
	}
	return fire, beam, early
}

// drain forgets what has moved so far.
func (w *wired) drain() {
	for len(w.moved) > 0 {
		<-w.moved
	}
}

// saw tells whether an output moves so in time.
func (w *wired) saw(line string, high bool, within time.Duration) bool {
	late := time.After(within)
	for {
		select {
		case m := <-w.moved:
			if m.line == line && m.high == high {
				return true
			}
		case <-late:
			return false
		}
	}
}
