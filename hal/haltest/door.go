package haltest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
)

// Strip is a terminal strip in memory: the lines below the doors of the suite of hal.Door.
type Strip struct {
	mu     sync.Mutex
	in     map[string]gpio.Level
	out    map[string]gpio.Level
	dead   map[string]bool
	pulses map[string]int // that began
}

// NewStrip makes a strip on which every line is Low.
func NewStrip() *Strip {
	return &Strip{in: map[string]gpio.Level{}, out: map[string]gpio.Level{}, dead: map[string]bool{}, pulses: map[string]int{}}
}

// Put sets inputs.
func (s *Strip) Put(l gpio.Level, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		s.in[n] = l
	}
}

func (s *Strip) kill(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		s.dead[n] = true
	}
}

func (s *Strip) driven(name string) (gpio.Level, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out[name], s.pulses[name]
}

// Read implements hal.Lines.
func (s *Strip) Read(name string) (gpio.Level, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead[name] {
		return gpio.Low, hal.ErrLost
	}
	return s.in[name], nil
}

// Edges implements hal.Lines: a door asks for none.
func (s *Strip) Edges() <-chan hal.Edge { return nil }

// Err implements hal.Lines.
func (s *Strip) Err() error { return nil }

// Set implements hal.Lines.
func (s *Strip) Set(name string, l gpio.Level) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead[name] {
		return hal.ErrLost
	}
	s.out[name] = l
	return nil
}

// Pulse implements hal.Lines.
func (s *Strip) Pulse(ctx context.Context, name string, d time.Duration) error {
	if err := s.Set(name, gpio.High); err != nil {
		return err
	}
	s.mu.Lock()
	s.pulses[name]++
	s.mu.Unlock()
	defer func() { _ = s.Set(name, gpio.Low) }()
	t := time.NewTimer(min(d, hal.MaxPulse))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close implements hal.Lines.
func (s *Strip) Close() error { return nil }

// DoorBench is a door on a strip. Its lines are called as in package doors: NAME_closed, NAME_open, NAME_open_pulse,
// NAME_close_pulse, NAME_lock, release.
type DoorBench struct {
	Door hal.Door
	Name string
	// Free brings about what an interlock asks for before it lets the door open and close. It is called once, with the
	// contacts of the door free to be set.
	Free func()
}

// Door runs the suite of hal.Door. Time is virtual, and fresh is called in it.
func Door(t *testing.T, fresh func(t *testing.T, s *Strip) DoorBench) {
	run := func(name string, f func(t *testing.T, s *Strip, b DoorBench)) {
		t.Run(name, func(t *testing.T) {
			Leaks(t)
			synctest.Test(t, func(t *testing.T) {
				s := NewStrip()
				f(t, s, fresh(t, s))
			})
		})
	}
	run("D-10 position is measured", func(t *testing.T, s *Strip, b DoorBench) {
		for _, c := range []struct {
			closed, open gpio.Level
			want         hal.Position
		}{{true, false, hal.PositionClosed}, {false, true, hal.PositionOpen}, {false, false, hal.PositionBetween}, {true, true, hal.PositionUnknown}} {
			s.Put(c.closed, b.Name+"_closed")
			s.Put(c.open, b.Name+"_open")
			if got := b.Door.Position(); got != c.want {
				t.Errorf("closed %v, open %v: %v", c.closed, c.open, got)
			}
		}
		for _, n := range []string{"_closed", "_open"} {
			s.Put(gpio.High, b.Name+"_closed")
			s.Put(gpio.Low, b.Name+"_open")
			s.kill(b.Name + n)
			if got := b.Door.Position(); got != hal.PositionUnknown {
				t.Errorf("%s cannot be read: %v", n, got)
			}
		}
	})
	for what, line := range map[string]string{"open": "_open_pulse", "close": "_close_pulse"} {
		order := func(ctx context.Context, d hal.Door) error {
			if what == "open" {
				return d.Open(ctx)
			}
			return d.Close(ctx)
		}
		run("D-09 "+what+" is one pulse", func(t *testing.T, s *Strip, b DoorBench) {
			b.Free()
			began := time.Now()
			if err := order(t.Context(), b.Door); err != nil {
				t.Fatal(err)
			}
			if level, n := s.driven(b.Name + line); level != gpio.Low || n != 1 || time.Since(began) > hal.MaxPulse {
				t.Errorf("%v after %d pulses, %v", level, n, time.Since(began))
			}
			if level, _ := s.driven(b.Name + "_lock"); what == "open" && level != gpio.Low {
				t.Error("it was driven against its lock")
			}
		})
		run(what+" ends with its context", func(t *testing.T, s *Strip, b DoorBench) {
			b.Free()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- order(ctx, b.Door) }()
			synctest.Wait()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			if level, _ := s.driven(b.Name + line); level != gpio.Low {
				t.Error("High after the end of the context")
			}
		})
		run("D-02 release ends "+what+", is never refused and may come twice", func(t *testing.T, s *Strip, b DoorBench) {
			b.Free()
			done := make(chan error, 1)
			go func() { done <- order(t.Context(), b.Door) }()
			synctest.Wait()
			began := time.Now()
			for range 2 {
				if err := b.Door.Release(); err != nil {
					t.Errorf("release: %v", err)
				}
			}
			if time.Since(began) != 0 {
				t.Errorf("release waited %v", time.Since(began))
			}
			if err := <-done; err == nil {
				t.Error("a pulse outlived the release")
			}
			for _, n := range []string{"release", b.Name + "_lock", b.Name + line} {
				if level, _ := s.driven(n); level != gpio.Low {
					t.Errorf("%s is High after the release", n)
				}
			}
		})
	}
	run("D-02 release at the very start", func(t *testing.T, s *Strip, b DoorBench) {
		if err := b.Door.Release(); err != nil {
			t.Error(err)
		}
		if err := b.Door.Lock(false); err != nil {
			t.Errorf("the safe state of a lock was refused: %v", err)
		}
	})
	run("D-02 release with a line lost", func(t *testing.T, s *Strip, b DoorBench) {
		b.Free()
		if err := s.Set(b.Name+"_lock", gpio.High); err != nil {
			t.Fatal(err)
		}
		s.kill("release")
		if err := b.Door.Release(); !errors.Is(err, hal.ErrLost) {
			t.Errorf("nobody is told: %v", err)
		}
		if level, _ := s.driven(b.Name + "_lock"); level != gpio.Low {
			t.Error("the lock waits for the release line")
		}
	})
	run("C-11 lines lost", func(t *testing.T, s *Strip, b DoorBench) {
		b.Free()
		s.kill(b.Name+"_open_pulse", b.Name+"_close_pulse", b.Name+"_lock")
		for what, err := range map[string]error{"open": b.Door.Open(t.Context()), "close": b.Door.Close(t.Context()), "lock": b.Door.Lock(true)} {
			if !errors.Is(err, hal.ErrLost) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
