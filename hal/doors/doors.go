// Package doors is hal.Door on digital lines: open and close are pulses to a drive that moves and
// protects by itself, the lock and the release are levels whose de-energised state is the safe one.
//
// Lines of a door named "entry": inputs entry_closed and entry_open (end contacts), outputs
// entry_open_pulse, entry_close_pulse (pulses), entry_lock (energised = locked). The line release is
// common to both doors: energised = normal, Low = released; it acts on locks and drives by wire, so
// that it works with this program dead (D-01).
//
// A door that the site wants shut without power or controller (D-03) has a bolt that holds without voltage:
// entry_unlock (energised = drawn) in place of entry_lock, and its release is an output of its own, entry_release
// (energised = released, as the fire loop's contact does), because release is Low with this program dead. What no
// program drives is so the position that the site was certified for.
//
// Nothing here decides whether a door may move: that is for package interlock and what lies above.
package doors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
)

// Limits of a pulse. Below MinPulse drives do not see it; the upper cap is hal.MaxPulse (D-09).
const (
	MinPulse     = 50 * time.Millisecond
	DefaultPulse = 150 * time.Millisecond
)

// LineRelease is the release line common to the doors of a gate.
const LineRelease = "release"

// Door is one door on lines.
type Door struct {
	lines hal.Lines
	name  string
	pulse time.Duration
	shut  bool // without power or controller

	mu     sync.Mutex // one pulse at a time
	cancel context.CancelFunc
	turn   chan struct{}
}

var _ hal.Door = (*Door)(nil)

// New makes the door called name ("entry" or "exit"). A pulse of 0 is DefaultPulse.
func New(lines hal.Lines, name string, pulse time.Duration) (*Door, error) {
	if pulse == 0 {
		pulse = DefaultPulse
	}
	if pulse < MinPulse || pulse > hal.MaxPulse {
		return nil, fmt.Errorf("doors: %s: a pulse of %v lies outside %v … %v (D-09)", name, pulse, MinPulse, hal.MaxPulse)
	}
	return &Door{lines: lines, name: name, pulse: pulse, turn: make(chan struct{}, 1)}, nil
}

// NewShut makes a door that stays shut without power or controller (D-03).
func NewShut(lines hal.Lines, name string, pulse time.Duration) (*Door, error) {
	d, err := New(lines, name, pulse)
	if err == nil {
		d.shut = true
	}
	return d, err
}

// Name is the door's name.
func (d *Door) Name() string { return d.name }

// Open drops the lock and pulses the drive. It returns after the pulse; a newer command on the same
// door ends a pulse that is under way.
func (d *Door) Open(ctx context.Context) error {
	if err := d.Lock(false); err != nil {
		return err
	}
	return d.give(ctx, d.name+"_open_pulse")
}

// Close pulses the drive. The lock falls when the leaf is in place, if it is energised.
func (d *Door) Close(ctx context.Context) error { return d.give(ctx, d.name+"_close_pulse") }

// Lock locks the door (true) or lets it go.
func (d *Door) Lock(locked bool) error {
	line, level := d.name+"_lock", gpio.Level(locked)
	if d.shut {
		line, level = d.name+"_unlock", gpio.Level(!locked)
	}
	if err := d.lines.Set(line, level); err != nil {
		return fmt.Errorf("doors: %s: lock: %w", d.name, err)
	}
	return nil
}

// Release drops release and lock, and ends a pulse that is under way. Every line is tried whatever
// becomes of the others; it does not wait for a pulse.
func (d *Door) Release() error {
	d.stop()
	err := errors.Join(d.lines.Set(LineRelease, gpio.Low), d.Lock(false))
	if d.shut {
		err = errors.Join(err, d.lines.Set(d.name+"_release", gpio.High))
	}
	if err != nil {
		return fmt.Errorf("doors: %s: release: %w", d.name, err)
	}
	return nil
}

// Restore ends a release: drives obey pulses again. Locks stay as they are.
func (d *Door) Restore() error {
	var err error
	if d.shut {
		err = d.lines.Set(d.name+"_release", gpio.Low)
	}
	if err = errors.Join(err, d.lines.Set(LineRelease, gpio.High)); err != nil {
		return fmt.Errorf("doors: %s: restore: %w", d.name, err)
	}
	return nil
}

// Position reads the end contacts now. Both made, or one that cannot be read, is unknown (D-10).
func (d *Door) Position() hal.Position {
	closed, err := d.lines.Read(d.name + "_closed")
	if err != nil {
		return hal.PositionUnknown
	}
	open, err := d.lines.Read(d.name + "_open")
	if err != nil {
		return hal.PositionUnknown
	}
	return At(bool(closed), bool(open))
}

// At tells the position that two end contacts mean.
func At(closed, open bool) hal.Position {
	switch {
	case closed && open:
		return hal.PositionUnknown
	case closed:
		return hal.PositionClosed
	case open:
		return hal.PositionOpen
	}
	return hal.PositionBetween
}

func (d *Door) stop() {
	d.mu.Lock()
	if d.cancel != nil {
		d.cancel()
	}
	d.mu.Unlock()
}

// give pulses a line. Two pulses of one door never overlap: the newer one ends the older.
func (d *Door) give(ctx context.Context, line string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.mu.Lock()
	if d.cancel != nil {
		d.cancel()
	}
	d.cancel = cancel
	d.mu.Unlock()
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("doors: %s: %w", line, ctx.Err())
	}
	defer func() { <-d.turn }()
	if err := d.lines.Pulse(ctx, line, d.pulse); err != nil {
		return fmt.Errorf("doors: %s: %w", line, err)
	}
	return nil
}
