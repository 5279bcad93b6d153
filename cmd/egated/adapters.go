package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/api"
	"egate/configs"
	"egate/display"
	"egate/gate"
	"egate/gate/control"
	"egate/hal"
	"egate/hal/doors"
	"egate/hal/interlock"
	"egate/link"
	"egate/sensors"
	"egate/sensors/passage"
)

// topologies are the machine's for those of the configuration.
var topologies = map[string]gate.Topology{configs.Mantrap: gate.Mantrap, configs.OneStep: gate.OneStep}

// guard puts the interlock of the topology over the doors: the choke point of every door command.
func guard(cfg configs.Gate, sc sensors.Config, wires hal.Lines) (control.Doors, error) {
	door := func(name, unpowered string) (*doors.Door, error) {
		if unpowered == configs.Shut { // D-03
			return doors.NewShut(wires, name, cfg.Doors.Pulse)
		}
		return doors.New(wires, name, cfg.Doors.Pulse)
	}
	exit, err := door("exit", cfg.Doors.Unpowered.Exit)
	if err != nil {
		return nil, fmt.Errorf("egated: %w", err)
	}
	if sc.OneStep {
		var row []string
		for _, b := range sc.Beams {
			if b.Row == passage.High {
				row = append(row, b.Name)
			}
		}
		return interlock.NewOneStep(wires, exit, "exit_beam", interlock.Zone(wires, "entry_beam", row)), nil
	}
	entry, err := door("entry", cfg.Doors.Unpowered.Entry)
	if err != nil {
		return nil, fmt.Errorf("egated: %w", err)
	}
	return interlock.New(wires, entry, exit, "entry_beam", "exit_beam"), nil
}

// lamps are lines that people look at.
type lamps struct {
	lines hal.Lines

	mu       sync.Mutex
	on       map[string]bool // as the loop wants them
	blinking bool
}

func newLamps(l hal.Lines) *lamps { return &lamps{lines: l, on: map[string]bool{}} }

// Set implements control.Lamps. While the lines are lost, which is a fault of its own, a lamp waits for them.
func (l *lamps) Set(name string, on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on[name] = on
	if err := l.lines.Set(name, gpio.Level(on)); !errors.Is(err, hal.ErrLost) {
		return err
	}
	return nil
}

// again drives every lamp as the loop wants it: lines that were opened anew are all Low.
func (l *lamps) again() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, on := range l.on {
		err = errors.Join(err, l.lines.Set(name, gpio.Level(on)))
	}
	return err
}

// blinkHalf is half a period of a lamp that blinks.
const blinkHalf = 250 * time.Millisecond

// blink turns a lamp over again and again for d, so that somebody finds the gate; what the loop wants of it holds
// again at the end. It returns at once, false when a lamp blinks already.
func (l *lamps) blink(ctx context.Context, name string, d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.blinking {
		return false
	}
	l.blinking = true
	go func() {
		t := time.NewTicker(blinkHalf)
		defer t.Stop()
		for over, end := true, time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; over = !over {
			l.mu.Lock()
			_ = l.lines.Set(name, gpio.Level(l.on[name] != over)) // a lamp that is lost is the loop's to tell
			l.mu.Unlock()
			select {
			case <-t.C:
			case <-ctx.Done():
			}
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		_ = l.lines.Set(name, gpio.Level(l.on[name]))
		l.blinking = false
	}()
	return true
}

// screen shows the loop's pictures on the traveller screen.
type screen struct {
	s       *display.Server
	touches chan string
}

func newScreen(s *display.Server) *screen {
	x := &screen{s: s, touches: make(chan string)}
	go func() { // lives as long as the program, like the server
		for t := range s.Touches() {
			x.touches <- string(t)
		}
	}()
	return x
}

func (x *screen) Show(c control.Screen) {
	x.s.Show(display.Screen{Name: c.Name, Language: c.Language, Progress: c.Progress, Prompt: c.Prompt, DotX: c.DotX,
		DeadlineMS: c.Deadline.Milliseconds(), More: c.More, Decline: c.Decline, Reference: c.Reference, Light: c.Light})
}
func (x *screen) Touches() <-chan string { return x.touches }
func (x *screen) RendererAlive() bool    { return x.s.RendererAlive() }

// centre shows the link as the loop's way to the centre.
type centre struct {
	*link.Link
	in chan control.Inbound

	mu         sync.Mutex
	state      api.State // as published last
	lastHealth api.Health
}

// PublishState implements control.Link.
func (c *centre) PublishState(s api.State) {
	c.mu.Lock()
	c.state = s
	c.mu.Unlock()
	c.Link.PublishState(s)
}

// PublishHealth implements control.Link.
func (c *centre) PublishHealth(h api.Health) {
	c.mu.Lock()
	c.lastHealth = h
	c.mu.Unlock()
	c.Link.PublishHealth(h)
}

func (c *centre) mode() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Mode
}

func (c *centre) health() api.Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastHealth
}

func newCentre(l *link.Link) *centre {
	c := &centre{Link: l, in: make(chan control.Inbound)}
	go func() { // lives as long as the program
		for i := range l.Inbound() {
			c.in <- control.Inbound{Command: i.Command, Refused: i.Refused, Again: i.Again, Pair: pair(i.Pair), Answer: i.Answer, Lease: i.Lease, Document: document(i.Roster), Up: i.Up, Down: i.Down}
		}
	}()
	return c
}

// Inbound implements control.Link.
func (c *centre) Inbound() <-chan control.Inbound { return c.in }

// Request implements control.Link.
func (c *centre) Request(kind string, e api.Envelope) { c.Link.Request(kind, e) }

// pair hands the second officer of an order on.
func pair(p *link.Pair) *control.Pair {
	if p == nil {
		return nil
	}
	return &control.Pair{Officer: p.Officer, Document: p.Document}
}
