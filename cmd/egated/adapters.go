package main

import (
	"fmt"

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
	exit, err := doors.New(wires, "exit", cfg.Doors.Pulse)
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
	entry, err := doors.New(wires, "entry", cfg.Doors.Pulse)
	if err != nil {
		return nil, fmt.Errorf("egated: %w", err)
	}
	return interlock.New(wires, entry, exit, "entry_beam", "exit_beam"), nil
}

// lamps are lines that people look at.
type lamps struct{ hal.Lines }

func (l lamps) Set(name string, on bool) error { return l.Lines.Set(name, gpio.Level(on)) }

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
}

func newCentre(l *link.Link) *centre {
	c := &centre{Link: l, in: make(chan control.Inbound)}
	go func() { // lives as long as the program
		for i := range l.Inbound() {
			c.in <- control.Inbound{Command: i.Command, Refused: i.Refused, Again: i.Again, Answer: i.Answer, Lease: i.Lease, Document: document(i.Roster), Up: i.Up, Down: i.Down}
		}
	}()
	return c
}

// Inbound implements control.Link.
func (c *centre) Inbound() <-chan control.Inbound { return c.in }

// Request implements control.Link.
func (c *centre) Request(kind string, e api.Envelope) { c.Link.Request(kind, e) }
