package run

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"egate/api"
	"egate/console"
	"egate/display"
	"egate/emrtd/chip"
	"egate/emrtd/issue"
	"egate/sim/plant"
	"egate/sim/scenario"
	"egate/verdict"
)

// glass is a scanner and an antenna that tell what lies on them.
type glass struct {
	mu   sync.Mutex
	laid bool
	wake chan struct{}
}

func (g *glass) set(on bool) {
	g.mu.Lock()
	g.laid = on
	g.mu.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *glass) wait(ctx context.Context, on bool) bool {
	for {
		g.mu.Lock()
		ok := g.laid == on
		g.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-g.wake:
		case <-ctx.Done():
			return false
		}
	}
}

func (g *glass) Lay([2]string) error { g.set(true); return nil }
func (g *glass) Lift() error         { g.set(false); return nil }

type antenna struct{}

func (antenna) Lay(*chip.Chip) {}
func (antenna) Lift()          {}

type eye struct {
	mu     sync.Mutex
	frames int
	yaw    float64
}

func (e *eye) Stand(string, *scenario.Sheet, *scenario.Panel) error { return nil }
func (e *eye) Shine(uint32, bool, bool, bool)                       {}
func (e *eye) Leave()                                               {}
func (e *eye) Look(yaw float64)                                     { e.mu.Lock(); e.yaw = max(e.yaw, yaw); e.mu.Unlock() }
func (e *eye) Samples() [][]byte                                    { return nil }
func (e *eye) Forget()                                              { e.mu.Lock(); e.frames = 0; e.mu.Unlock() }
func (e *eye) Frames() (int, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.frames, false
}

// model is a controller of a few lines, for the test of the runner alone. faulty opens the exit while
// the entry stands open.
type model struct {
	t      *testing.T
	pl     *plant.Plant
	scr    *display.Server
	wire   *wire
	glass  *glass
	eye    *eye
	faulty bool
	early  bool // takes a picture before it may

	mu     sync.Mutex
	events []api.Event
}

func (m *model) pulse(ctx context.Context, door, what string) {
	m.pl.Set(door+"_"+what+"_pulse", true)
	pause(ctx, 100*time.Millisecond)
	m.pl.Set(door+"_"+what+"_pulse", false)
}

func (m *model) shut(ctx context.Context, door string) {
	_ = m.pl.Wait(ctx, func(v plant.View) bool { return !v.Input(door + "_beam") })
	m.pulse(ctx, door, "close")
	_ = m.pl.Wait(ctx, func(v plant.View) bool { return v.Closed(door) })
	m.pl.Set(door+"_lock", true)
}

func (m *model) emit(kind string, data any) {
	raw, err := json.Marshal(data)
	if err != nil {
		m.t.Error(err)
	}
	m.mu.Lock()
	seq := uint64(len(m.events) + 1)
	e := api.Event{ID: fmt.Sprintf("1-%d", seq), Type: "egate." + kind + ".v1", Epoch: 1, Seq: seq, Data: raw}
	m.events = append(m.events, e)
	m.mu.Unlock()
	b, _ := json.Marshal(e)
	m.wire.packet(api.Topic("s", "g", "evt/"+kind), b)
	p, _ := json.Marshal(api.Ack{Epoch: 1, Upto: seq})
	a, _ := json.Marshal(api.Signed{Kind: "ack", Payload: p})
	m.wire.packet(api.Topic("s", "g", "ack"), a)
}

func (m *model) run(ctx context.Context) {
	m.pl.Set(plant.OutRelease, true)
	m.shut(ctx, "entry")
	m.shut(ctx, "exit")
	m.emit(api.EventBoot, api.Boot{})
	show := func(name string, f ...func(*display.Screen)) {
		s := display.Screen{Name: name}
		for _, g := range f {
			g(&s)
		}
		m.scr.Show(s)
	}
	for ctx.Err() == nil {
		show(display.ScreenNotice)
		select {
		case <-m.scr.Touches():
		case <-ctx.Done():
			return
		}
		show(display.ScreenPlace)
		m.glass.wait(ctx, true)
		for i := 0; i <= 100; i += 25 {
			show(display.ScreenReading, func(s *display.Screen) { s.Progress = i })
			pause(ctx, 20*time.Millisecond)
		}
		if m.early {
			m.eye.mu.Lock()
			m.eye.frames = 1
			m.eye.mu.Unlock()
			pause(ctx, 100*time.Millisecond)
		}
		show(display.ScreenLift)
		m.glass.wait(ctx, false)
		show(display.ScreenEnter)
		m.pl.Set("entry_lock", false)
		m.pulse(ctx, "entry", "open")
		_ = m.pl.Wait(ctx, func(v plant.View) bool { return v.Input("beam_13") })
		if m.faulty {
			m.pl.Set("exit_lock", false)
			m.pulse(ctx, "exit", "open")
			_ = m.pl.Wait(ctx, func(v plant.View) bool { return v.Exit > 500 })
		}
		m.shut(ctx, "entry")
		m.shut(ctx, "exit")
		one := 1.0
		show(display.ScreenCapture, func(s *display.Screen) { s.DotX = &one })
		m.eye.mu.Lock()
		m.eye.frames = 5
		m.eye.mu.Unlock()
		for turned := false; !turned && ctx.Err() == nil; pause(ctx, 20*time.Millisecond) { // until the head has followed the dot
			m.eye.mu.Lock()
			turned = m.eye.yaw >= 10
			m.eye.mu.Unlock()
		}
		show(display.ScreenGo)
		m.pl.Set("exit_lock", false)
		m.pulse(ctx, "exit", "open")
		_ = m.pl.Wait(ctx, func(v plant.View) bool { return v.People == 0 })
		m.shut(ctx, "exit")
		m.emit(api.EventPassage, api.Passage{Outcome: verdict.Allow, Reason: verdict.OK, Completed: true,
			Stages: []api.StageTime{{Stage: "reading", MS: 100}}, TotalMS: 100})
	}
}

// lane builds a lane around the model, with a desk that shows an open gate.
func lane(t *testing.T, ctx context.Context, m *model) (*House, *Lane) {
	t.Helper()
	m.t, m.scr = t, display.New(display.Options{})
	screen := httptest.NewServer(m.scr.Handler())
	t.Cleanup(screen.Close)
	m.glass, m.eye = &glass{wake: make(chan struct{}, 1)}, &eye{}
	view := console.GateView{Gate: "g", Status: api.Status{State: "ready"}, State: api.State{Mode: "open", Lease: true}}
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/events"):
			b, _ := json.Marshal(console.Line{Gates: []console.GateView{view}})
			fmt.Fprintf(w, "event: line\ndata: %s\n\n", b)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-ctx.Done():
			}
		case strings.HasSuffix(r.URL.Path, "/history"):
			m.mu.Lock()
			defer m.mu.Unlock()
			_ = json.NewEncoder(w).Encode(m.events[1:])
		}
	}))
	t.Cleanup(desk.Close)
	issuer, err := issue.NewAuthority("UTO", rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h := &House{Site: &Site{}, ctx: ctx, cancel: func() {}, Issuers: &Issuers{issuer, issuer},
		Portrait: func(string) (Portrait, error) { return Portrait{File: []byte{0xFF, 0xD8, 0xFF, 1, 2, 3}}, nil }}
	if h.Desk, err = NewDesk(desk.URL); err != nil {
		t.Fatal(err)
	}
	l := &Lane{Gate: Gate{Name: "g"}, Plant: plant.New(plant.Default()), Screen: NewScreen(screen.URL), Wire: looseWire(), Proxy: &Proxy{},
		Ends: FarEnds{m.glass, antenna{}, m.eye}}
	m.pl, m.wire = l.Plant, l.Wire
	h.spawn(func() { h.Desk.Run(ctx) })
	h.spawn(func() { l.Screen.Run(ctx) })
	h.spawn(func() { l.Plant.Run(ctx) })
	h.spawn(func() { m.run(ctx) })
	t.Cleanup(h.wg.Wait)
	return h, l
}

// The runner walks a traveller through a gate that behaves, and fails one that does not: an interlock
// that is broken (P-03), a picture that is taken too early (DP-06).
func TestRunnerJudges(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: walks in real time, 25 s")
	}
	const text = "title: t\nexpect: {outcome: allow, reason: ok, crosses: traveller, frames: some, seconds: 300, screens: [notice, place_document, enter, capture, go]}\n"
	for _, c := range []struct {
		name string
		m    *model
		want string
	}{
		{"good", &model{}, ""},
		{"interlock", &model{faulty: true}, "both doors"},
		{"early picture", &model{early: true}, "DP-06"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h, l := lane(t, ctx, c.m)
			t.Cleanup(cancel)
			sc, err := scenario.Parse("t.yaml", strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			s := &stage{h: h, l: l, sc: sc}
			if err := s.play(ctx); err != nil {
				t.Fatal(err)
			}
			s.seen.Troubles = s.troubles
			bad := strings.Join(sc.Check(&s.seen), "\n")
			if (c.want == "") != (bad == "") || !strings.Contains(bad, c.want) {
				t.Errorf("want %q, got %q (crossed %v)", c.want, bad, s.seen.Crossed)
			}
			if c.want == "" {
				c.m.eye.mu.Lock()
				defer c.m.eye.mu.Unlock()
				if c.m.eye.yaw < 10 {
					t.Errorf("the head turned to %.1f° only", c.m.eye.yaw)
				}
			}
		})
	}
}

// looseWire is a witness for the model controller, whose messages are sketches: only real programs are
// held to the contract.
func looseWire() *wire {
	w := newWire()
	w.validate = func(string, []byte) error { return nil }
	return w
}
