// Package passage plays whole passages with the real loop, machine, sensors, interlock and doors against
// the simulated plant and its walkers, in virtual time. Only what a traveller carries is played by a
// stand-in: the inspector says what the case wants it to say.
package passage

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/api"
	"egate/display"
	"egate/gate"
	"egate/gate/control"
	"egate/hal"
	"egate/hal/doors"
	"egate/hal/interlock"
	"egate/health"
	"egate/inspect/protocol"
	"egate/journal"
	"egate/sensors"
	"egate/sim/people"
	"egate/sim/plant"
	"egate/verdict"
)

// plantLines is hal.Lines on a plant in the same process.
type plantLines struct {
	p     *plant.Plant
	edges chan hal.Edge
	mu    sync.Mutex
	seq   map[string]uint32
	dead  atomic.Bool // whoever drives them is gone: they stay as the plant has them
}

func newLines(p *plant.Plant) *plantLines {
	l := &plantLines{p: p, edges: make(chan hal.Edge, 1<<15), seq: map[string]uint32{}}
	for n, h := range p.Inputs() {
		l.edges <- hal.Edge{Line: n, Level: gpio.Level(h)}
	}
	p.OnInput(func(n string, h bool, at time.Duration) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.seq[n]++
		l.edges <- hal.Edge{Line: n, Level: gpio.Level(h), At: at, Seq: l.seq[n]}
	})
	return l
}

func (l *plantLines) Read(n string) (gpio.Level, error) {
	h, ok := l.p.Inputs()[n]
	if !ok {
		return gpio.Low, fmt.Errorf("no line %s", n)
	}
	return gpio.Level(h), nil
}
func (l *plantLines) Edges() <-chan hal.Edge { return l.edges }
func (l *plantLines) Err() error             { return nil }
func (l *plantLines) Set(n string, v gpio.Level) error {
	if l.dead.Load() {
		return hal.ErrLost
	}
	l.p.Set(n, bool(v))
	return nil
}
func (l *plantLines) Pulse(ctx context.Context, n string, d time.Duration) error {
	if err := l.Set(n, gpio.High); err != nil {
		return err
	}
	defer func() { _ = l.Set(n, gpio.Low) }()
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (l *plantLines) Close() error { l.p.AllLow(); return nil }

type lamps struct{ l *plantLines }

func (l lamps) Set(n string, on bool) error { return l.l.Set(n, gpio.Level(on)) }

// screen remembers what was shown and hands it to the traveller.
type screen struct {
	shown   chan control.Screen
	touches chan string
}

func (s *screen) Show(x control.Screen) {
	select {
	case s.shown <- x:
	default:
	}
}
func (s *screen) Touches() <-chan string { return s.touches }
func (s *screen) RendererAlive() bool    { return true }

// book is a journal that is always durable.
type book struct{ res chan journal.Result }

func (b *book) Submit(r journal.Record)        { b.res <- journal.Result{Step: r.Step} }
func (b *book) Results() <-chan journal.Result { return b.res }

// records is a book that keeps the events.
type records struct {
	book
	mu     sync.Mutex
	events []api.Draft
}

func (r *records) Submit(rec journal.Record) {
	r.mu.Lock()
	for _, e := range rec.Events {
		var d api.Draft
		if json.Unmarshal(e, &d) == nil {
			r.events = append(r.events, d)
		}
	}
	r.mu.Unlock()
	r.book.Submit(rec)
}

type centre struct {
	in     chan control.Inbound
	mu     sync.Mutex
	states []api.State
}

func (c *centre) PublishState(s api.State) {
	c.mu.Lock()
	c.states = append(c.states, s)
	c.mu.Unlock()
}
func (c *centre) PublishHealth(api.Health)        {}
func (c *centre) Request(string, api.Envelope)    {}
func (c *centre) Respond(string, api.Response)    {}
func (c *centre) Inbound() <-chan control.Inbound { return c.in }

// stand-in inspectors.
type inspectors struct {
	ctx     context.Context
	out     chan protocol.InspectorEvent
	verdict verdict.Outcome
	reason  verdict.Reason
	mu      sync.Mutex
	gen     [2]int
	word    [2]chan protocol.ToInspector
}

func (i *inspectors) Start(slot, gen int) {
	i.mu.Lock()
	w := make(chan protocol.ToInspector, 64)
	i.gen[slot], i.word[slot] = gen, w
	i.mu.Unlock()
	go i.live(slot, gen, w)
}

func (i *inspectors) Send(slot int, m protocol.ToInspector) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if w := i.word[slot]; w != nil {
		w <- m
	}
}

func (i *inspectors) Kill(slot int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if w := i.word[slot]; w != nil {
		close(w)
		i.word[slot] = nil
	}
}

func (i *inspectors) Events() <-chan protocol.InspectorEvent { return i.out }

func (i *inspectors) live(slot, gen int, words chan protocol.ToInspector) {
	say := func(m protocol.FromInspector) {
		i.out <- protocol.InspectorEvent{Slot: slot, Gen: gen, Msg: &m}
	}
	exit := func() {
		i.mu.Lock()
		if i.gen[slot] == gen {
			i.word[slot] = nil
		}
		i.mu.Unlock()
		i.out <- protocol.InspectorEvent{Slot: slot, Gen: gen, Exited: true}
	}
	time.Sleep(300 * time.Millisecond)
	say(protocol.FromInspector{Ready: &protocol.Ready{ModelPack: "none", Policy: "default"}})
	var plan []struct {
		after time.Duration
		m     protocol.FromInspector
	}
	then := func(d time.Duration, m protocol.FromInspector) {
		plan = append(plan, struct {
			after time.Duration
			m     protocol.FromInspector
		}{d, m})
	}
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	begun := false
	step := time.NewTimer(time.Hour)
	next := func() {
		if len(plan) > 0 {
			step.Reset(plan[0].after)
		}
	}
	for {
		select {
		case <-i.ctx.Done():
			return
		case <-beat.C:
			if begun {
				say(protocol.FromInspector{Beat: &protocol.Beat{Stage: "x"}})
			}
		case <-step.C:
			if len(plan) == 0 { // stopped meanwhile
				continue
			}
			say(plan[0].m)
			plan = plan[1:]
			next()
		case w, ok := <-words:
			switch {
			case !ok, w.End != nil:
				if ok {
					say(protocol.FromInspector{Ended: &protocol.Ended{}})
				}
				exit()
				return
			case w.Begin != nil:
				begun = true
				then(500*time.Millisecond, protocol.FromInspector{Document: &protocol.Document{Present: true}})
				then(time.Second, protocol.FromInspector{Checked: &protocol.Checked{Outcome: verdict.Allow, Reason: verdict.OK}})
				then(time.Second, protocol.FromInspector{Document: &protocol.Document{}})
				next()
			case w.Capture != nil:
				then(time.Second, protocol.FromInspector{Heads: &protocol.Heads{Count: 1, Confidence: 1}})
				then(3*time.Second, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: i.verdict, Reason: i.reason}})
				next()
			case w.Stop != nil:
				plan = nil
			case w.Lease != nil && !w.Lease.Held:
				say(protocol.FromInspector{Released: &protocol.Released{Device: w.Lease.Device}})
			}
		}
	}
}

// house is everything around one gate.
type house struct {
	t     *testing.T
	plant *plant.Plant
	scr   *screen
	rec   *records
	link  *centre
	insp  *inspectors
	board *health.Board
	lines *plantLines
	log   []string
	mu    sync.Mutex
}

func (h *house) note(format string, a ...any) {
	h.mu.Lock()
	h.log = append(h.log, fmt.Sprintf("%8.3f ", h.plant.View().Now.Seconds())+fmt.Sprintf(format, a...))
	h.mu.Unlock()
}

func limits() control.Limits {
	s := time.Second
	m := control.Limits{}
	for l, d := range map[gate.Limit]time.Duration{gate.LimitDocument: 20 * s, gate.LimitChip: 25 * s, gate.LimitLift: 8 * s, gate.LimitNoShow: 5 * s,
		gate.LimitSecure: 6 * s, gate.LimitCapture: 20 * s, gate.LimitRelease: 8 * s, gate.LimitClear: 8 * s, gate.LimitLeave: 8 * s,
		gate.LimitReferral: 10 * s, gate.LimitPrompt: 2500 * time.Millisecond, gate.LimitNote: 2 * s, gate.LimitCommit: 2 * s, gate.LimitTravel: 3 * s, gate.LimitRetry: 3 * s,
		gate.LimitGuard: s / 2, gate.LimitRecover: 5 * s, gate.LimitWarm: 20 * s, gate.LimitExit: 5 * s, gate.LimitTest: 22 * s} {
		m[l] = d
	}
	for l := gate.LimitDocument; l <= gate.LimitTest; l++ {
		if m[l] == 0 {
			m[l] = 5 * s
		}
	}
	return m
}

// build starts a gate; it must be called inside a synctest bubble. Everything ends with ctx.
func build(ctx context.Context, t *testing.T) *house {
	p := plant.New(plant.Default())
	go p.Run(ctx)
	return start(ctx, t, p, doors.New, doors.New)
}

// door makes one of the doors of a gate.
type door func(lines hal.Lines, name string, pulse time.Duration) (*doors.Door, error)

// start starts the controller of a plant.
func start(ctx context.Context, t *testing.T, p *plant.Plant, entry, exit door) *house {
	lines := newLines(p)
	h := &house{t: t, plant: p, lines: lines, scr: &screen{shown: make(chan control.Screen, 256), touches: make(chan string, 8)},
		rec: &records{book: book{res: make(chan journal.Result, 1024)}}, link: &centre{in: make(chan control.Inbound, 8)},
		insp:  &inspectors{ctx: ctx, out: make(chan protocol.InspectorEvent, 256), verdict: verdict.Allow, reason: verdict.OK},
		board: health.New(nil)}
	e, err := entry(lines, "entry", 0)
	if err != nil {
		t.Fatal(err)
	}
	x, err := exit(lines, "exit", 0)
	if err != nil {
		t.Fatal(err)
	}
	sc, err := sensors.Matrix(16, 1600, 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := sensors.New(sc)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan gate.Event, 256)
	loop, err := control.New(control.Config{Site: "s", Gate: "g", Boot: "b", Epoch: func() uint64 { return 1 }, Limits: limits(), Document: 45 * time.Second,
		Capture: 20 * time.Second, Beat: 5 * time.Second, Languages: []string{"en"}, Found: "clean"},
		control.Ports{Doors: interlock.New(lines, e, x, "entry_beam", "exit_beam"), Lamps: lamps{lines}, Display: h.scr, Inspectors: h.insp,
			Journal: h.rec, Link: h.link, Sensors: events, Health: h.board}, slog.New(slog.NewTextHandler(logs{h}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = tr.Run(ctx, lines, func(ev []gate.Event, fs []sensors.Finding) {
			for _, e := range ev {
				h.note("sensor %v door %v pos %v tri %v count %v on %v", e.Kind, e.Door, e.Pos, e.Tri, e.Count, e.On)
				select {
				case events <- e:
				case <-ctx.Done():
				}
			}
			for _, f := range fs {
				h.note("finding %+v", f)
				h.board.Set(health.Code(f.Code), f.Part, f.On)
			}
		})
	}()
	go func() {
		if err := loop.Run(ctx); err != nil {
			h.note("loop: %v", err)
		}
	}()
	h.link.in <- control.Inbound{Up: true}
	h.link.in <- control.Inbound{Lease: &api.Lease{Gate: "g", Principal: "desk", Officer: "o", ExpiresAt: time.Now().Add(time.Hour)}}
	return h
}

type logs struct{ h *house }

func (l logs) Write(b []byte) (int, error) {
	s := string(b)
	if i := strings.Index(s, "level="); i > 0 {
		s = s[i:]
	}
	l.h.note("log %s", strings.TrimSpace(s))
	return len(b), nil
}

// follow lets a traveller obey the screen until the passage event comes or the time is over. extra is
// called once for each new screen, after the traveller has read it and before he obeys.
func (h *house) follow(ctx context.Context, w *people.Walker, limit time.Duration, extra func(name string) bool) (end api.Passage, ok bool) {
	last := ""
	deadline := time.After(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-deadline:
			return end, false
		case <-ctx.Done():
			return end, false
		case <-tick.C:
			if p, found := h.ended(); found {
				return p, true
			}
		case s := <-h.scr.shown:
			if s.Name == last {
				continue
			}
			last = s.Name
			h.note("screen %s", s.Name)
			time.Sleep(800 * time.Millisecond)
			if extra != nil && extra(s.Name) {
				continue
			}
			inside := w.X(h.plant) > 0
			switch s.Name {
			case display.ScreenNotice:
				if !inside {
					h.scr.touches <- string(display.TouchAccept)
				}
			case display.ScreenEnter:
				w.WalkTo(h.plant, 900)
			case display.ScreenGo:
				w.WalkTo(h.plant, 4000)
			case display.ScreenLeaveBack, display.ScreenOneAtATime, display.ScreenRecovering:
				if inside {
					w.WalkTo(h.plant, -1500)
				}
			}
		}
	}
}

// ended finds the event of a passage that ended.
func (h *house) ended() (api.Passage, bool) {
	h.rec.mu.Lock()
	defer h.rec.mu.Unlock()
	for _, d := range h.rec.events {
		if d.Type == api.EventPassage {
			var p api.Passage
			b, _ := json.Marshal(d.Data)
			if json.Unmarshal(b, &p) == nil {
				return p, true
			}
		}
	}
	return api.Passage{}, false
}

func (h *house) dump() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.log {
		h.t.Log(l)
	}
}
