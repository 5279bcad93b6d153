// Package interlock is the choke point that every door command passes: a decorator over the doors
// that refuses what live contacts forbid, whatever the model above believes (P-03, D-05).
//
// It is the second of three: the invariant in the model, this one, and the electrical one that the
// manual demands. It knows no grant, no mode and no reason. A refusal is an error for which
// errors.Is(err, hal.ErrRefused) holds and means that model and contacts disagree.
package interlock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
)

// settle is how long after an open command a door's closed contact proves nothing for the other door: a
// leaf needs time to leave its contact, and a drive pulls at an engaged lock for up to two seconds.
const settle = 2 * time.Second

// Inner is a door that can also end a release.
type Inner interface {
	hal.Door
	Restore() error
}

// Mantrap is the interlock of two doors.
//
// Laws: a door opens or is unlocked only while the other is proven closed by its contacts, read now,
// and has been locked through this interlock, and is not being opened; closing is refused while the
// door's safety beam is broken or cannot be read; during a release nothing but Release, Restore and
// dropping locks has effect; Release is never refused and never waits.
type Mantrap struct {
	lines hal.Lines
	doors [2]*guarded
	mu    sync.Mutex // over check and note of one command, never over a pulse
	// released is written by Release without mu held.
	flag  sync.Mutex
	freed bool
}

// Waits of a command that opens to the side of origin: the lock of the other door may be on its way on
// that door's own queue. The door across the border never waits: what is refused there needs a new grant.
const lockWait = 250 * time.Millisecond

// errEarly says that a refusal may be none in a moment.
type errEarly struct {
	error
	wait time.Duration
}

func (e errEarly) Unwrap() error { return e.error }

// guarded is one door of a mantrap.
type guarded struct {
	m      *Mantrap
	wait   bool // the door to the side of origin
	inner  Inner
	other  int
	beam   string
	fell   chan struct{} // its lock has been energised
	locked bool          // under m.mu: the lock was energised after the last open
	opened time.Time     // under m.mu: of the last open command
}

var _ Inner = (*guarded)(nil)

// New puts the interlock over the two doors. The beams are the names of the safety beams in their
// planes (High = broken). Nothing counts as locked before it was locked through the interlock.
func New(lines hal.Lines, entry, exit Inner, entryBeam, exitBeam string) *Mantrap {
	m := &Mantrap{lines: lines, freed: true}
	m.doors[0] = &guarded{m: m, wait: true, inner: entry, other: 1, beam: entryBeam, fell: make(chan struct{}, 1)}
	m.doors[1] = &guarded{m: m, inner: exit, other: 0, beam: exitBeam, fell: make(chan struct{}, 1)}
	return m
}

// Entry is the guarded door to the side of origin.
func (m *Mantrap) Entry() hal.Door { return m.doors[0] }

// Exit is the guarded door across the border.
func (m *Mantrap) Exit() hal.Door { return m.doors[1] }

// Release frees both doors. Every part is tried whatever becomes of the others. What was locked is forgotten by
// Restore: until then nothing asks for it, and here it would wait for the lock of a command.
func (m *Mantrap) Release() error {
	m.free(true)
	first := m.doors[0].inner.Release()
	if err := m.doors[1].inner.Release(); first == nil {
		first = err
	}
	return first
}

// Restore ends a release. The doors count as unlocked until they are locked again.
func (m *Mantrap) Restore() error {
	m.forget()
	for _, d := range m.doors {
		if err := d.inner.Restore(); err != nil {
			return err
		}
	}
	m.free(false)
	return nil
}

// Released tells whether the doors are released.
func (m *Mantrap) Released() bool {
	m.flag.Lock()
	defer m.flag.Unlock()
	return m.freed
}

func (m *Mantrap) free(on bool) {
	m.flag.Lock()
	m.freed = on
	m.flag.Unlock()
}

func (m *Mantrap) forget() {
	m.mu.Lock()
	m.doors[0].locked, m.doors[1].locked = false, false
	m.mu.Unlock()
}

// mayOpen checks the law of opening. m.mu is held.
func (g *guarded) mayOpen(what string) error {
	o := g.m.doors[g.other]
	switch {
	case g.m.Released():
		return fmt.Errorf("interlock: %s: the doors are released: %w", what, hal.ErrRefused)
	case !o.locked:
		return errEarly{fmt.Errorf("interlock: %s: the other door is not locked: %w", what, hal.ErrRefused), lockWait}
	case time.Since(o.opened) < settle:
		return errEarly{fmt.Errorf("interlock: %s: the other door has just been opened: %w", what, hal.ErrRefused), settle - time.Since(o.opened)}
	case o.inner.Position() != hal.PositionClosed:
		return fmt.Errorf("interlock: %s: the other door is not proven closed: %w", what, hal.ErrRefused)
	}
	return nil
}

// Open implements hal.Door.
func (g *guarded) Open(ctx context.Context) error {
	if err := g.permit(ctx, "open"); err != nil {
		return err
	}
	return g.inner.Open(ctx)
}

// maxTries bounds the waits of permit: one of them may be ended by an older lock.
const maxTries = 3

// permit is begin with the patience of the door to the side of origin.
func (g *guarded) permit(ctx context.Context, what string) error {
	err := g.begin(what)
	var early errEarly
	for tries := 0; g.wait && tries < maxTries && errors.As(err, &early); tries++ {
		if err := g.await(ctx, early.wait); err != nil {
			return err
		}
		err = g.begin(what)
	}
	return err
}

// begin checks the law and notes that the door opens: from then on the other door stays shut.
func (g *guarded) begin(what string) error {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	if err := g.mayOpen(what); err != nil {
		return err
	}
	g.locked, g.opened = false, time.Now()
	return nil
}

// await waits for d, or until the other door is locked.
func (g *guarded) await(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-g.m.doors[g.other].fell:
	case <-timer.C:
	case <-ctx.Done():
		return fmt.Errorf("interlock: open: %w", ctx.Err())
	}
	return nil
}

// Close implements hal.Door.
func (g *guarded) Close(ctx context.Context) error {
	if g.m.Released() {
		return fmt.Errorf("interlock: close: the doors are released: %w", hal.ErrRefused)
	}
	if err := clearBeam(g.m.lines, g.beam); err != nil {
		return err
	}
	return g.inner.Close(ctx)
}

// Lock implements hal.Door. Locking is always allowed outside a release; unlocking opens, in law.
func (g *guarded) Lock(locked bool) error {
	if !locked {
		return g.unlock()
	}
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	if g.m.Released() {
		return fmt.Errorf("interlock: lock: the doors are released: %w", hal.ErrRefused)
	}
	if err := g.inner.Lock(true); err != nil {
		g.locked = false
		return err
	}
	if g.m.Released() { // in the meantime: the release has the last word
		return g.inner.Lock(false)
	}
	g.locked = true
	select {
	case g.fell <- struct{}{}:
	default:
	}
	return nil
}

func (g *guarded) unlock() error {
	if !g.m.Released() {
		if err := g.permit(context.Background(), "unlock"); err != nil {
			return err
		}
	}
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	g.locked = false
	return g.inner.Lock(false)
}

// Release implements hal.Door: it frees both doors.
func (g *guarded) Release() error { return g.m.Release() }

// Restore implements Inner.
func (g *guarded) Restore() error { return g.m.Restore() }

// Position implements hal.Door.
func (g *guarded) Position() hal.Position { return g.inner.Position() }

// clearBeam refuses while a safety beam is broken or cannot be read (D-05).
func clearBeam(lines hal.Lines, beam string) error {
	level, err := lines.Read(beam)
	if err != nil {
		return fmt.Errorf("interlock: close: %s cannot be read: %w", beam, hal.ErrRefused)
	}
	if level == gpio.High {
		return fmt.Errorf("interlock: close: %s is broken: %w", beam, hal.ErrRefused)
	}
	return nil
}
