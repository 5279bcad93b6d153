package interlock

import (
	"context"
	"fmt"
	"sync/atomic"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
)

// OneStep guards the single door of a gate with a beam-bounded zone before it (P-02). Its named law
// replaces the interlock of two doors: a door that is shut opens or is unlocked only while live beams
// prove that somebody stands in the zone and nobody steps into it. A door that stands open already may be
// opened again for whoever is in it (D-05).
type OneStep struct {
	inner Inner
	lines hal.Lines
	beam  string
	zone  func() bool
	freed atomic.Bool
}

var _ Inner = (*OneStep)(nil)

// NewOneStep puts the one-step interlock over a door. beam is the safety beam in its plane (High =
// broken). zone reads the live beams of the zone and tells whether they allow opening; nil refuses always.
func NewOneStep(lines hal.Lines, door Inner, beam string, zone func() bool) *OneStep {
	o := &OneStep{inner: door, lines: lines, beam: beam, zone: zone}
	o.freed.Store(true)
	return o
}

// Zone is the law of a zone over live beams: the outer one is free, and of the row at hip height, from
// the outside to the door, some are broken and lie side by side. A beam that cannot be read proves nothing.
func Zone(lines hal.Lines, outer string, row []string) func() bool {
	return func() bool {
		if l, err := lines.Read(outer); err != nil || l == gpio.High {
			return false
		}
		runs, before := 0, gpio.Low
		for _, name := range row {
			l, err := lines.Read(name)
			if err != nil {
				return false
			}
			if l == gpio.High && before == gpio.Low {
				runs++
			}
			before = l
		}
		return runs == 1
	}
}

// Entry is the door that this gate does not have: every command to it is refused.
func (o *OneStep) Entry() hal.Door { return absent{} }

// Exit is the guarded door across the border.
func (o *OneStep) Exit() hal.Door { return o }

func (o *OneStep) mayOpen(what string) error {
	if o.freed.Load() {
		return fmt.Errorf("interlock: %s: the door is released: %w", what, hal.ErrRefused)
	}
	switch o.inner.Position() {
	case hal.PositionBetween, hal.PositionOpen:
		return nil
	}
	if o.zone == nil || !o.zone() {
		return fmt.Errorf("interlock: %s: the zone is not proven: %w", what, hal.ErrRefused)
	}
	return nil
}

// Open implements hal.Door.
func (o *OneStep) Open(ctx context.Context) error {
	if err := o.mayOpen("open"); err != nil {
		return err
	}
	return o.inner.Open(ctx)
}

// Close implements hal.Door.
func (o *OneStep) Close(ctx context.Context) error {
	if o.freed.Load() {
		return fmt.Errorf("interlock: close: the door is released: %w", hal.ErrRefused)
	}
	if err := clearBeam(o.lines, o.beam); err != nil {
		return err
	}
	return o.inner.Close(ctx)
}

// Lock implements hal.Door: unlocking opens, in law.
func (o *OneStep) Lock(locked bool) error {
	switch {
	case locked && o.freed.Load():
		return fmt.Errorf("interlock: lock: the door is released: %w", hal.ErrRefused)
	case locked:
		if err := o.inner.Lock(true); err != nil {
			return err
		}
		if o.freed.Load() { // in the meantime: the release has the last word
			return o.inner.Lock(false)
		}
		return nil
	case !o.freed.Load():
		if err := o.mayOpen("unlock"); err != nil {
			return err
		}
	}
	return o.inner.Lock(false)
}

// Release frees the door. It is never refused and never waits.
func (o *OneStep) Release() error {
	o.freed.Store(true)
	return o.inner.Release()
}

// Restore ends a release.
func (o *OneStep) Restore() error {
	if err := o.inner.Restore(); err != nil {
		return err
	}
	o.freed.Store(false)
	return nil
}

// Position implements hal.Door.
func (o *OneStep) Position() hal.Position { return o.inner.Position() }

// absent is a door that a gate does not have.
type absent struct{}

func (absent) refuse(what string) error {
	return fmt.Errorf("interlock: %s: this gate has no entry door: %w", what, hal.ErrRefused)
}

func (a absent) Open(context.Context) error  { return a.refuse("open") }
func (a absent) Close(context.Context) error { return a.refuse("close") }
func (a absent) Lock(bool) error             { return a.refuse("lock") }
func (a absent) Release() error              { return nil }
func (a absent) Position() hal.Position      { return hal.PositionUnknown }
