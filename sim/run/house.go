package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"egate/api"
	"egate/console"
	"egate/display"
	"egate/health"
	"egate/sim/plant"
	"egate/sim/scenario"
)

// Limits of starting and ending.
const (
	startLimit = 60 * time.Second // until a program says READY
	restLimit  = 45 * time.Second // until a gate is at rest again
)

// House is a running site: far ends, network, console, controller.
type House struct {
	Site    *Site
	Bin     string
	Issuers *Issuers
	Console *Process
	Desk    *Desk
	relief  *Desk // the colleague who has taken the line over; nil: nobody has
	Lanes   []*Lane
	// Ours tells by name which of the processes below this one belong to the gate and are searched; nil for all.
	Ours func(comm string) bool
	// Portrait returns a holder's picture.
	Portrait func(who string) (Portrait, error)

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Lane is one gate with everything around it.
type Lane struct {
	Gate   Gate
	Plant  *plant.Plant
	Ends   FarEnds
	Proxy  *Proxy
	Screen *Screen
	Wire   *wire

	mu    sync.Mutex
	lit   [3]bool // the lamps that light a face: red, green, blue
	gated *Process
	boots int
	close []func() error
}

// LogDir is where the programs' output goes.
func (h *House) LogDir() string { return filepath.Join(h.Site.Dir, "log") }

// Open starts everything and waits until each gate shows its notice to the first traveller.
func Open(ctx context.Context, bin string, site *Site, say func(string, ...any)) (*House, error) {
	h := &House{Site: site, Bin: bin, Portrait: portraitOf}
	h.ctx, h.cancel = context.WithCancel(ctx)
	if err := h.open(ctx, say); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *House) open(ctx context.Context, say func(string, ...any)) (err error) {
	if h.Issuers, err = LoadIssuers(h.Site.Path(h.Site.Issuer), time.Now()); err != nil {
		return err
	}
	h.Console, err = Start("egate-console", h.LogDir(), filepath.Join(h.Bin, "egate-console"), "--config", h.Site.Path(h.Site.Console.Config))
	if err != nil {
		return err
	}
	start, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := h.Console.Ready(start); err != nil {
		return err
	}
	say("console is ready: %s", h.Site.Console.URL)
	if h.Desk, err = NewDesk(h.Site.Console.URL); err != nil {
		return err
	}
	if err := h.Desk.SignIn(start, h.Site.Console.Officer.Credential, h.Site.Console.Officer.Seed); err != nil {
		return err
	}
	h.spawn(func() { h.Desk.Run(h.ctx) })
	for _, g := range h.Site.Gates {
		steel := plant.Default()
		steel.OneStep = g.Topology == scenario.OneStep
		steel.Unpowered = [2]plant.Unpowered{plant.UnpoweredOf(g.Entry), plant.UnpoweredOf(g.Exit)}
		l := &Lane{Gate: g, Plant: plant.New(steel), Screen: NewScreen(g.Display), Wire: newWire()}
		h.Lanes = append(h.Lanes, l)
		if l.Proxy, err = NewProxy(g.Broker, h.Site.Console.Broker); err != nil {
			return err
		}
		l.Proxy.Watch(l.Wire.packet)
		h.spawn(func() { _ = l.Proxy.Run(h.ctx) })
		if err := l.connect(h.ctx, h.Site, h.spawn); err != nil {
			return err
		}
		h.spawn(func() { l.Plant.Run(h.ctx) })
		if err := h.StartGate(start, l); err != nil {
			return err
		}
		h.spawn(func() { l.Screen.Run(h.ctx) })
		h.spawn(func() { l.follow(h.ctx) })
		say("%s is ready: %s", g.Name, g.Display)
	}
	return nil
}

func (h *House) spawn(f func()) {
	h.wg.Add(1)
	go func() {
		defer h.wg.Done()
		f()
	}()
}

// StartGate starts egated and waits until it says that it is ready.
func (h *House) StartGate(ctx context.Context, l *Lane) error {
	p, err := Start("egated-"+l.Gate.Name, h.LogDir(), filepath.Join(h.Bin, "egated"), "--config", h.Site.Path(l.Gate.Config))
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.gated = p
	l.boots++
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return p.Ready(ctx)
}

// Gated is the controller's process.
func (l *Lane) Gated() *Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gated
}

// Rest waits until a gate is ready for the next traveller: notice shown, doors closed, nobody inside,
// open at the desk with a live lease.
func (h *House) Rest(ctx context.Context, l *Lane) error {
	ctx, cancel := context.WithTimeout(ctx, restLimit)
	defer cancel()
	go h.reset(ctx, l)
	if err := l.Screen.Wait(ctx, func(s display.Screen) bool { return s.Name == display.ScreenNotice }); err != nil {
		return h.why(l, err)
	}
	err := l.Plant.Wait(ctx, func(v plant.View) bool { return v.Closed("entry") && v.Closed("exit") && v.People == 0 })
	if err != nil {
		return h.why(l, fmt.Errorf("run: doors are not closed: %w", err))
	}
	_, err = h.Desk.Wait(ctx, l.Gate.Name, func(g console.GateView) bool {
		return (g.Status.State == "ready" || g.Status.State == "degraded") && g.State.Mode == "open" && g.State.Lease
	})
	if err != nil {
		return h.why(l, fmt.Errorf("run: the desk does not show an open gate: %w", err))
	}
	return nil
}

// resetEvery is how often an officer looks whether a gate waits for him.
const resetEvery = 2 * time.Second

// reset is the officer who resets a gate whose faults wait for that, until ctx ends (O-10).
func (h *House) reset(ctx context.Context, l *Lane) {
	waits := func(f api.Fault) bool { return health.Lookup(health.Code(f.Code)).Clears == health.Officer }
	for pause(ctx, resetEvery) {
		if g, ok := h.Desk.Gate(l.Gate.Name); ok && slices.ContainsFunc(g.Health.Faults, waits) {
			_, _ = h.Desk.Order(ctx, l.Gate.Name, api.CmdReset, "", nil, "") // refused: the next look
		}
	}
}

// why adds what the desk and the log say.
func (h *House) why(l *Lane, err error) error {
	g, _ := h.Desk.Gate(l.Gate.Name)
	v := l.Plant.View()
	extra := fmt.Sprintf("desk: status=%s mode=%s reception=%s passage=%s reason=%s occupancy=%s lease=%v · plant: entry %.0f mm exit %.0f mm people %d things %d released %v",
		g.Status.State, g.State.Mode, g.State.Reception, g.State.Passage, g.State.Reason, g.State.Occupancy, g.State.Lease,
		v.Entry, v.Exit, v.People, v.Things, v.Released)
	if p := l.Gated(); p != nil && !p.Alive() {
		extra += "\negated ended: " + fmt.Sprint(p.end()) + "\n" + p.tail()
	}
	return fmt.Errorf("%w\n%s", err, extra)
}

// Processes lists every live process of ours but this one: id and name.
func (h *House) Processes() map[int]string {
	out := map[int]string{}
	self := os.Getpid()
	for _, pid := range Descendants(self) {
		name := "process"
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
			name = string(trim(b))
		}
		if h.Ours != nil && !h.Ours(name) {
			continue
		}
		out[pid] = fmt.Sprintf("%s (pid %d)", name, pid)
	}
	return out
}

func trim(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return b
}

// Close ends everything that was started.
func (h *House) Close() error {
	var errs []error
	for _, l := range h.Lanes {
		if p := l.Gated(); p != nil {
			errs = append(errs, p.Stop())
		}
	}
	if h.Console != nil {
		errs = append(errs, h.Console.Stop())
	}
	h.cancel()
	for _, l := range h.Lanes {
		for _, f := range l.close {
			errs = append(errs, f())
		}
	}
	h.wg.Wait()
	// What a child left behind is ours to end: it was started below us.
	for _, pid := range Descendants(os.Getpid()) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return errors.Join(errs...)
}
