package interlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"egate/hal"
	"egate/hal/doors"
)

// slowLock is a door whose lock line takes until it is let.
type slowLock struct {
	mu     sync.Mutex
	locked bool
	asked  chan struct{}
	let    chan struct{}
	freed  chan struct{} // the release has come; nil: nobody asks
}

func (s *slowLock) Lock(on bool) error {
	if on {
		s.asked <- struct{}{}
		<-s.let
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked = on
	return nil
}
func (s *slowLock) Release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked = false
	if s.freed != nil {
		close(s.freed)
	}
	return nil
}
func (s *slowLock) Open(context.Context) error  { return nil }
func (s *slowLock) Close(context.Context) error { return nil }
func (s *slowLock) Restore() error              { return nil }
func (s *slowLock) Position() hal.Position      { return hal.PositionClosed }

// D-02: a lock that is on its way while the doors are released does not stay: the release has the last word.
func TestD02LockOnItsWayWhileReleased(t *testing.T) {
	for name, one := range map[string]func(f *fake, s *slowLock) Inner{
		"mantrap": func(f *fake, s *slowLock) Inner {
			return New(f, s, &slowLock{}, "entry_beam", "exit_beam").doors[0]
		},
		"one-step": func(f *fake, s *slowLock) Inner { return NewOneStep(f, s, "exit_beam", nil) },
	} {
		s := &slowLock{asked: make(chan struct{}), let: make(chan struct{}), freed: make(chan struct{})}
		d := one(newFake(), s)
		if err := d.Restore(); err != nil {
			t.Fatal(err)
		}
		locked, released := make(chan error, 1), make(chan error, 1)
		go func() { locked <- d.Lock(true) }()
		<-s.asked
		go func() { released <- d.Release() }()
		<-s.freed // before the lock has come
		close(s.let)
		if err := errors.Join(<-locked, <-released); err != nil {
			t.Fatal(err)
		}
		if s.locked {
			t.Errorf("%s: the lock holds a released door", name)
		}
	}
}

// P-03: a closed contact proves nothing for two seconds after its door was told to open, though it was locked again.
func TestP03LeafTime(t *testing.T) {
	for after, ok := range map[time.Duration]bool{100 * time.Millisecond: false, 1900 * time.Millisecond: false, 2100 * time.Millisecond: true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			m := rest(t, f)
			time.Sleep(time.Minute)
			if err := m.Entry().Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := m.Entry().Lock(true); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			if err := m.Exit().Open(t.Context()); (err == nil) != ok || err != nil && !refused(err) {
				t.Errorf("%v after the entry was told to open: %v", after, err)
			}
		})
	}
}

// D-02, D-09: a release ends the pulse that is under way, and does not wait for it.
func TestD09ReleaseEndsAPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.hold = true
		d, err := doors.New(f, "entry", 0)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- d.Close(context.Background()) }()
		synctest.Wait()
		if err := d.Release(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the pulse: %v", err)
		}
	})
}

// D-09: a newer command on a door ends the pulse that is under way, and two pulses of one door never overlap.
func TestD09NewerCommandEndsAPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.hold = true
		d, err := doors.New(f, "entry", 0)
		if err != nil {
			t.Fatal(err)
		}
		ends := make(chan error, 1)
		for n, give := range []func(context.Context) error{d.Open, d.Close, d.Open} {
			next := make(chan error, 1)
			go func() { next <- give(context.Background()) }()
			synctest.Wait()
			if n > 0 {
				select {
				case err := <-ends:
					if !errors.Is(err, context.Canceled) {
						t.Errorf("pulse %d ended with %v", n, err)
					}
				default:
					t.Fatalf("pulse %d lasts beside the next one", n)
				}
			}
			ends = next
		}
		if want := []string{"entry_open_pulse", "entry_close_pulse", "entry_open_pulse"}; !slices.Equal(f.pulses, want) {
			t.Errorf("%v", f.pulses)
		}
		if err := d.Release(); err != nil {
			t.Fatal(err)
		}
		<-ends
	})
}

// P-03: a door counts as locked only by a lock that was driven after all else: not after a release, not when its line failed, not
// after it was let go.
func TestP03WhatCountsAsLocked(t *testing.T) {
	for name, undo := range map[string]func(f *fake, m *Mantrap) error{
		"released and restored": func(_ *fake, m *Mantrap) error { return errors.Join(m.Release(), m.Restore()) },
		"restored":              func(_ *fake, m *Mantrap) error { return m.Restore() },
		"the line failed": func(f *fake, m *Mantrap) error {
			f.dead["entry_lock"] = true
			if err := m.Entry().Lock(true); !errors.Is(err, hal.ErrLost) {
				return fmt.Errorf("a dead line: %w", err)
			}
			f.dead["entry_lock"] = false
			return nil
		},
		"opened, and its contact still says closed": func(_ *fake, m *Mantrap) error { return m.Entry().Open(context.Background()) },
		"let go": func(_ *fake, m *Mantrap) error { return m.Entry().Lock(false) },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			m := rest(t, f)
			time.Sleep(time.Minute)
			if err := undo(f, m); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			time.Sleep(time.Minute)
			if err := m.Exit().Open(t.Context()); !refused(err) {
				t.Errorf("%s: the exit opens behind an entry that nobody has locked: %v", name, err)
			}
			if err := m.Entry().Lock(true); err != nil {
				t.Fatal(err)
			}
			if err := m.Exit().Open(t.Context()); err != nil {
				t.Errorf("%s, locked again: %v", name, err)
			}
		})
	}
}

// D-09: a pulse is what a drive sees and never longer than two seconds, to the millisecond.
func TestD09PulseLimits(t *testing.T) {
	for d, ok := range map[time.Duration]bool{49 * time.Millisecond: false, 50 * time.Millisecond: true, 2 * time.Second: true, 2001 * time.Millisecond: false, 3 * time.Second: false} {
		if _, err := doors.New(newFake(), "entry", d); (err == nil) != ok {
			t.Errorf("a pulse of %v: %v", d, err)
		}
	}
}

// D-10: a contact that cannot be read proves no position, whatever the other one says.
func TestD10UnreadableContact(t *testing.T) {
	for _, dead := range []string{"entry_closed", "entry_open"} {
		for _, p := range []hal.Position{hal.PositionClosed, hal.PositionOpen, hal.PositionBetween} {
			f := newFake()
			f.at("entry", p)
			d, err := doors.New(f, "entry", 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Position(); got != p {
				t.Errorf("%v, want %v", got, p)
			}
			f.dead[dead] = true
			if got := d.Position(); got != hal.PositionUnknown {
				t.Errorf("%s cannot be read, and the door is %v", dead, got)
			}
		}
	}
}
