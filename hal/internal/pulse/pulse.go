// Package pulse makes output pulses for drivers of digital lines: High once, capped, and Low again on
// every path (D-09).
package pulse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
)

// Turn lets the pulses of one output follow each other.
type Turn chan struct{}

// NewTurn makes a Turn.
func NewTurn() Turn { return make(Turn, 1) }

// Run drives an output High by set, waits d, at most hal.MaxPulse, and drives it Low. ctx ends it early,
// with the line Low. When gone is closed the device looks after its outputs itself, and why tells the
// error.
func Run(ctx context.Context, turn Turn, gone <-chan struct{}, why func() error, set func(gpio.Level) error, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("pulse of %v", d)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-gone:
		return why()
	}
	defer func() { <-turn }()
	if err := set(gpio.High); err != nil {
		return errors.Join(err, set(gpio.Low))
	}
	t := time.NewTimer(min(d, hal.MaxPulse))
	defer t.Stop()
	var ended error
	select {
	case <-t.C:
	case <-ctx.Done():
		ended = ctx.Err()
	case <-gone:
		return why()
	}
	return errors.Join(ended, set(gpio.Low))
}
