package main

import (
	"periph.io/x/conn/v3/gpio"

	"egate/api"
	"egate/display"
	"egate/gate/control"
	"egate/hal"
	"egate/hal/interlock"
	"egate/link"
)

// doorPair shows the interlock as the loop's doors.
type doorPair struct{ m *interlock.Mantrap }

func (d doorPair) Entry() hal.Door { return d.m.Entry() }
func (d doorPair) Exit() hal.Door  { return d.m.Exit() }
func (d doorPair) Release() error  { return d.m.Release() }
func (d doorPair) Restore() error  { return d.m.Restore() }

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
			c.in <- control.Inbound{Command: i.Command, Answer: i.Answer, Lease: i.Lease, Up: i.Up, Down: i.Down}
		}
	}()
	return c
}

// Inbound implements control.Link.
func (c *centre) Inbound() <-chan control.Inbound { return c.in }

// Request implements control.Link.
func (c *centre) Request(kind string, e api.Envelope) { c.Link.Request(kind, e) }
