// Package gpiohal drives the digital lines of a gate through the kernel's GPIO character device
// (github.com/warthog618/go-gpiocdev). Its pins implement the contracts of periph.io/x/conn/v3/gpio, its
// Lines hal.Lines.
//
// Why not periph's own driver: it turns an output into an input when it is read, drives a line Low
// before its first High, waits not at all when told to wait for ever, and drops edges without a sign.
// Here outputs start at their inactive level before they become outputs, are never read back, and every
// edge carries the kernel's time stamp and a number.
//
// What a line does when this process dies depends on the chip: the kernel gives it back, and most chips
// leave it as it was. A pulse that a crash cuts in two may so stay High. Polarity must be fail-safe in
// the wiring, and pulses must be edges to the drive; docs/hardware.md demands both.
package gpiohal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"egate/hal"
	"egate/hal/internal/edges"
	"egate/hal/internal/pulse"
)

// Line names one line of a gate.
type Line struct {
	Config
	// Pin is the offset on the chip. When Find is set it is ignored, and so is the chip.
	Pin int
	// Find is the kernel's name of the line (device tree gpio-line-names).
	Find   string
	Output bool
}

// Lines are the lines of one gate. It implements hal.Lines.
type Lines struct {
	q    *edges.Queue
	in   map[string]*Input
	out  map[string]*Output
	turn map[string]pulse.Turn

	mu   sync.Mutex
	err  error
	gone chan struct{}
}

var _ hal.Lines = (*Lines)(nil)

// Open takes all lines, or none. chip is a name or a path such as /dev/gpiochip0.
func Open(chip string, lines map[string]Line) (*Lines, error) { return openLines(cdev, chip, lines) }

func openLines(k kernel, chip string, lines map[string]Line) (*Lines, error) {
	l := &Lines{q: edges.New(), in: map[string]*Input{}, out: map[string]*Output{}, turn: map[string]pulse.Turn{}, gone: make(chan struct{})}
	fail := func(err error) (*Lines, error) {
		l.end(hal.ErrClosed)
		return nil, err
	}
	type place struct {
		chip   string
		offset int
	}
	taken := map[place]string{}
	// Outputs first: whatever is wrong with an input, no lock hangs in the air.
	names := slices.SortedFunc(maps.Keys(lines), func(a, b string) int {
		if lines[a].Output != lines[b].Output {
			if lines[a].Output {
				return -1
			}
			return 1
		}
		if a < b {
			return -1
		}
		return 1
	})
	for _, name := range names {
		c := lines[name]
		at := place{chip, c.Pin}
		if c.Find != "" {
			var err error
			if at.chip, at.offset, err = gpiocdev.FindLine(c.Find); err != nil {
				return fail(fmt.Errorf("gpiohal: %s: no line is called %s: %w", name, c.Find, err))
			}
		}
		if other, twice := taken[at]; twice {
			return fail(fmt.Errorf("gpiohal: %s and %s are the same line %d of %s", other, name, at.offset, at.chip))
		}
		taken[at] = name
		if c.Output {
			p, err := newOutput(k, at.chip, name, at.offset, c.Config)
			if err != nil {
				return fail(fmt.Errorf("gpiohal: %s: %w", name, explain(err, at.chip, at.offset)))
			}
			l.out[name], l.turn[name] = p, pulse.NewTurn()
			continue
		}
		// The edge that tells the present level comes first; others wait until it is pushed.
		var first sync.Mutex
		first.Lock()
		at0 := monotonic() // before the kernel stamps the first edge
		p, err := newInput(k, at.chip, name, at.offset, c.Config, func(e event) {
			first.Lock()
			defer first.Unlock()
			l.q.Push(hal.Edge{Line: name, Level: e.level, At: e.at, Seq: e.seq})
		})
		if err != nil {
			first.Unlock()
			return fail(fmt.Errorf("gpiohal: %s: %w", name, explain(err, at.chip, at.offset)))
		}
		l.in[name] = p
		v, err := p.Level()
		l.q.Push(hal.Edge{Line: name, Level: v, At: at0})
		first.Unlock()
		if err != nil {
			return fail(fmt.Errorf("gpiohal: %s: %w", name, err))
		}
	}
	return l, nil
}

// monotonic is the clock of the kernel's time stamps.
func monotonic() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// explain adds what cures an error.
func explain(err error, chip string, offset int) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("line %d of %s is in use by another program (gpioinfo names it): %w", offset, chip, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("no permission for %s: %w", chip, err)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%s: %w: %w", chip, hal.ErrLost, err)
	}
	return fmt.Errorf("line %d of %s: %w", offset, chip, err)
}

// lost ends the device when an error says that the chip is gone.
func (l *Lines) lost(name string, err error) error {
	if err == nil {
		return nil
	}
	if e := l.Err(); e != nil {
		return e
	}
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EIO) || errors.Is(err, unix.EBADF) {
		l.end(fmt.Errorf("gpiohal: %s: %w: %w", name, hal.ErrLost, err))
		return l.Err()
	}
	return fmt.Errorf("gpiohal: %s: %w", name, err)
}

// end closes everything, once.
func (l *Lines) end(err error) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	l.err = err
	close(l.gone)
	l.mu.Unlock()
	for _, p := range l.out {
		_ = p.Halt() // drives Low; a chip that is gone has no say any more
	}
	for _, p := range l.in {
		_ = p.Halt()
	}
	l.q.Close()
}

// Read implements hal.Lines.
func (l *Lines) Read(name string) (gpio.Level, error) {
	if err := l.Err(); err != nil {
		return gpio.Low, err
	}
	p, ok := l.in[name]
	if !ok {
		return gpio.Low, fmt.Errorf("gpiohal: no input %s", name)
	}
	v, err := p.Level()
	return v, l.lost(name, err)
}

// Edges implements hal.Lines.
func (l *Lines) Edges() <-chan hal.Edge { return l.q.C() }

// Err implements hal.Lines.
func (l *Lines) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Set implements hal.Lines.
func (l *Lines) Set(name string, v gpio.Level) error {
	p, ok := l.out[name]
	if !ok {
		return fmt.Errorf("gpiohal: no output %s", name)
	}
	if err := l.Err(); err != nil {
		return err
	}
	return l.lost(name, p.Out(v))
}

// Pulse implements hal.Lines.
func (l *Lines) Pulse(ctx context.Context, name string, d time.Duration) error {
	turn, ok := l.turn[name]
	if !ok {
		return fmt.Errorf("gpiohal: no output %s", name)
	}
	if err := pulse.Run(ctx, turn, l.gone, l.Err, func(v gpio.Level) error { return l.Set(name, v) }, d); err != nil {
		return fmt.Errorf("gpiohal: %s: %w", name, err)
	}
	return nil
}

// In returns an input as a periph pin, nil when there is none of that name.
func (l *Lines) In(name string) gpio.PinIn {
	if p, ok := l.in[name]; ok {
		return p
	}
	return nil
}

// Out returns an output as a periph pin, nil when there is none of that name.
func (l *Lines) Out(name string) gpio.PinOut {
	if p, ok := l.out[name]; ok {
		return p
	}
	return nil
}

// Close implements hal.Lines.
func (l *Lines) Close() error {
	l.end(hal.ErrClosed)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !errors.Is(l.err, hal.ErrClosed) {
		l.err = errors.Join(hal.ErrClosed, l.err)
	}
	return nil
}
