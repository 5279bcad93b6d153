// Package lineset makes one hal.Lines of the lines of a gate and of the lamps that hang on buses beside them.
//
// The lines decide: inputs, edges, life and loss are theirs. A bus that is lost takes its lamps away and nothing else;
// it is opened again, and its lamps are as they should be again, when one of them is driven next.
package lineset

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
)

// Bus are lamps on a device of their own.
type Bus struct {
	Name  string
	Lamps []string
	Open  func() (hal.Lines, error)
	// Lost is told that the bus was lost, and that it is back.
	Lost func(bool)
}

// Set implements hal.Lines.
type Set struct {
	hal.Lines
	buses map[string]*bus // by lamp
	all   []*bus
}

// pause is how long a bus is left alone after it could not be opened.
const pause = time.Second

type bus struct {
	Bus
	mu    sync.Mutex
	dev   hal.Lines
	tried time.Time
	want  map[string]gpio.Level
	end   bool
}

// Join joins the lines of a gate and its buses. A bus that does not open now is tried again later.
func Join(lines hal.Lines, buses ...Bus) *Set {
	s := &Set{Lines: lines, buses: map[string]*bus{}}
	for _, b := range buses {
		x := &bus{Bus: b, want: map[string]gpio.Level{}}
		s.all = append(s.all, x)
		for _, n := range b.Lamps {
			s.buses[n] = x
		}
		x.mu.Lock()
		_ = x.open() // told by Lost
		x.mu.Unlock()
	}
	return s
}

// open opens the bus when it is not open. The caller holds mu.
func (b *bus) open() error {
	if b.end {
		return hal.ErrClosed
	}
	if b.dev != nil && b.dev.Err() == nil {
		return nil
	}
	if b.dev != nil {
		_ = b.dev.Close()
		b.dev = nil
		b.Lost(true)
	}
	if !b.tried.IsZero() && time.Since(b.tried) < pause {
		return fmt.Errorf("lineset: %s: %w", b.Name, hal.ErrLost)
	}
	b.tried = time.Now()
	d, err := b.Open()
	if err != nil {
		b.Lost(true)
		return fmt.Errorf("lineset: %s: %w: %w", b.Name, hal.ErrLost, err)
	}
	for n, v := range b.want {
		if err := d.Set(n, v); err != nil {
			b.Lost(true)
			return errors.Join(err, d.Close())
		}
	}
	b.dev = d
	b.Lost(false)
	return nil
}

// use runs f on the open bus of a lamp.
func (b *bus) use(name string, v gpio.Level, f func(hal.Lines) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.want[name] = v
	if err := b.open(); err != nil {
		return err
	}
	err := f(b.dev)
	if b.dev.Err() != nil {
		b.Lost(true)
	}
	return err
}

// Set implements hal.Lines.
func (s *Set) Set(name string, v gpio.Level) error {
	b, ok := s.buses[name]
	if !ok {
		return s.Lines.Set(name, v)
	}
	if err := s.Err(); err != nil {
		return err
	}
	return b.use(name, v, func(d hal.Lines) error { return d.Set(name, v) })
}

// Pulse implements hal.Lines.
func (s *Set) Pulse(ctx context.Context, name string, d time.Duration) error {
	b, ok := s.buses[name]
	if !ok {
		return s.Lines.Pulse(ctx, name, d)
	}
	if err := s.Err(); err != nil {
		return err
	}
	var dev hal.Lines
	if err := b.use(name, gpio.Low, func(d hal.Lines) error { dev = d; return nil }); err != nil {
		return err
	}
	return dev.Pulse(ctx, name, d)
}

// Close implements hal.Lines.
func (s *Set) Close() error {
	for _, b := range s.all {
		b.mu.Lock()
		b.end = true
		if b.dev != nil {
			_ = b.dev.Close() // its lamps are dark, or the bus is gone
		}
		b.mu.Unlock()
	}
	return s.Lines.Close()
}
