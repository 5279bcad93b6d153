// Package recovery brings a device back that hangs or was lost (C-11): it is opened again, then reset, then its
// port's power is cycled, each followed by a probe; what did not help is a fault for a technician. Whoever runs a
// ladder holds the device's lease.
package recovery

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limits (C-11: recovered within 15 s or out of service).
const (
	Limit      = 15 * time.Second
	probeLimit = 2 * time.Second        // one opening with a question to the device
	pause      = 200 * time.Millisecond // between two probes
	settle     = 3 * time.Second        // a device enumerates after a reset or without power
)

// Ladder is how one device is brought back. A nil step is one that the device does not have.
type Ladder struct {
	// Probe opens the device, asks it something and closes it.
	Probe func(context.Context) error
	// Reset and PowerCycle are those of the device's port.
	Reset, PowerCycle func(context.Context) error
}

// Steps of a ladder.
const (
	Reopened    = "reopened"
	WasReset    = "reset"
	PowerCycled = "power_cycled"
)

// Run climbs until the device answers. It returns the step that helped, or what went wrong on each.
func (l Ladder) Run(ctx context.Context) (step string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Limit, errors.New("recovery: not back within 15 s"))
	defer cancel()
	var errs []error
	for _, s := range []struct {
		name string
		do   func(context.Context) error
		wait time.Duration
	}{{Reopened, func(context.Context) error { return nil }, 0}, {WasReset, l.Reset, settle}, {PowerCycled, l.PowerCycle, 2 * settle}} {
		if s.do == nil {
			continue
		}
		if err := s.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
			continue
		}
		err := l.probe(ctx, s.wait)
		if err == nil {
			return s.name, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		if ctx.Err() != nil {
			errs = append(errs, context.Cause(ctx))
			break
		}
	}
	return "", errors.Join(errs...)
}

// probe asks again and again for as long as a device takes to come back.
func (l Ladder) probe(ctx context.Context, wait time.Duration) error {
	for until := time.Now().Add(wait); ; {
		one, cancel := context.WithTimeout(ctx, probeLimit)
		err := l.Probe(one)
		cancel()
		if err == nil || ctx.Err() != nil || !time.Now().Before(until) {
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}
