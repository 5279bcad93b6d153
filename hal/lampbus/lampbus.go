// Package lampbus drives lamps that hang on a bus: an I/O expander on I²C, an LED strip on SPI. Its Lines implement
// hal.Lines with outputs only.
//
// A chip on a bus keeps its outputs when the program that drove them dies, and it tells no edge. So nothing hangs here
// but lamps: a lock, a release or a pulse to a drive is a line of package gpiohal (D-09), and the configuration refuses
// others by name.
package lampbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/devices/v3/mcp23xxx"

	"egate/hal"
	"egate/hal/internal/pulse"
)

// Lines are the lamps of one bus. It implements hal.Lines.
type Lines struct {
	turn map[string]pulse.Turn
	gone chan struct{}
	out  chan hal.Edge // no lamp tells anything: it is only ever closed

	mu  sync.Mutex
	set func(name string, l gpio.Level) error
	bus io.Closer
	lit map[string]gpio.Level
	err error
}

var _ hal.Lines = (*Lines)(nil)

func open(names []string, bus io.Closer, set func(string, gpio.Level) error) (*Lines, error) {
	l := &Lines{turn: map[string]pulse.Turn{}, gone: make(chan struct{}), out: make(chan hal.Edge), set: set, bus: bus, lit: map[string]gpio.Level{}}
	for _, n := range names {
		l.turn[n] = pulse.NewTurn()
		if err := set(n, gpio.Low); err != nil {
			return nil, fmt.Errorf("lampbus: %s: %w: %w", n, hal.ErrLost, err)
		}
	}
	return l, nil
}

// OpenExpander takes an MCP23017 at addr (0x20 to 0x27). pins are offsets by lamp: 0 to 7 are GPA0 to GPA7, 8 to 15 are
// GPB0 to GPB7. Its latch is cleared before a pin becomes an output. bus is closed with the Lines, and when Open fails.
func OpenExpander(bus i2c.BusCloser, addr uint16, pins map[string]int) (*Lines, error) {
	l, err := openExpander(bus, addr, pins)
	if err != nil {
		return nil, errors.Join(err, bus.Close())
	}
	return l, nil
}

func openExpander(bus i2c.BusCloser, addr uint16, pins map[string]int) (*Lines, error) {
	var names []string
	for n, p := range pins {
		if p < 0 || p > 15 {
			return nil, fmt.Errorf("lampbus: %s: an MCP23017 has pins 0 to 15, not %d", n, p)
		}
		names = append(names, n)
	}
	// periph's driver makes a pin an output and then sets it: what the latch holds from before would shine.
	for _, latch := range []byte{0x14, 0x15} { // OLATA, OLATB
		if err := bus.Tx(addr, []byte{latch, 0}, nil); err != nil {
			return nil, fmt.Errorf("lampbus: no expander answers at %#x of %v: %w: %w", addr, bus, hal.ErrLost, err)
		}
	}
	dev, err := mcp23xxx.NewI2C(bus, mcp23xxx.MCP23017, addr)
	if err != nil {
		return nil, fmt.Errorf("lampbus: %w: %w", hal.ErrLost, err)
	}
	// It registers its pins by name for the whole process; a second opening would find them taken.
	if err := dev.Close(); err != nil {
		return nil, fmt.Errorf("lampbus: %w", err)
	}
	return open(names, bus, func(n string, v gpio.Level) error { return dev.Pins[pins[n]/8][pins[n]%8].Out(v) })
}

// Stretch is a part of an LED strip that is one lamp.
type Stretch struct {
	From, To int    // first and last LED
	Colour   uint32 // 0xRRGGBB
}

// stripSpeed is far below what an APA102 takes, for wires of a metre.
const stripSpeed = 4 * physic.MegaHertz

// OpenStrip takes a strip of APA102 LEDs (periph's driver of it brings an image library, which egated must not have, X-06). Stretches may overlap: then the brighter part of each colour shines, so that
// three lamps of red, green and blue make every colour of a light challenge. port is closed with the Lines, and when
// Open fails.
func OpenStrip(port spi.PortCloser, leds int, lamps map[string]Stretch) (*Lines, error) {
	l, err := openStrip(port, leds, lamps)
	if err != nil {
		return nil, errors.Join(err, port.Close())
	}
	return l, nil
}

func openStrip(port spi.PortCloser, leds int, lamps map[string]Stretch) (*Lines, error) {
	var names []string
	for n, s := range lamps {
		if s.From < 0 || s.To < s.From || s.To >= leds {
			return nil, fmt.Errorf("lampbus: %s: LEDs %d to %d are not on a strip of %d", n, s.From, s.To, leds)
		}
		names = append(names, n)
	}
	conn, err := port.Connect(stripSpeed, spi.Mode3, 8)
	if err != nil {
		return nil, fmt.Errorf("lampbus: %w: %w", hal.ErrLost, err)
	}
	on := map[string]bool{}
	// 32 zeros, four bytes for each LED, and a clock for every other LED that the last of them hears its own by.
	frame := make([]byte, 4+4*leds+leds/16+1)
	for i := 4 + 4*leds; i < len(frame); i++ {
		frame[i] = 0xFF
	}
	return open(names, port, func(name string, v gpio.Level) error {
		on[name] = bool(v)
		for i := range leds {
			// Full brightness: the chip's own dimming is slow, and a camera would see it flicker.
			copy(frame[4+4*i:], []byte{0xFF, 0, 0, 0})
		}
		for n, lit := range on {
			s := lamps[n]
			for i := s.From; lit && i <= s.To; i++ {
				for c := range 3 { // blue, green, red
					frame[5+4*i+c] = max(frame[5+4*i+c], byte(s.Colour>>(8*c)))
				}
			}
		}
		return conn.Tx(frame, nil)
	})
}

// Read implements hal.Lines: a lamp is never read back.
func (l *Lines) Read(name string) (gpio.Level, error) {
	if err := l.Err(); err != nil {
		return gpio.Low, err
	}
	return gpio.Low, fmt.Errorf("lampbus: no input %s", name)
}

// Edges implements hal.Lines.
func (l *Lines) Edges() <-chan hal.Edge { return l.out }

// Err implements hal.Lines.
func (l *Lines) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Set implements hal.Lines.
func (l *Lines) Set(name string, v gpio.Level) error {
	if _, ok := l.turn[name]; !ok {
		return fmt.Errorf("lampbus: no output %s", name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	if err := l.set(name, v); err != nil {
		l.end(fmt.Errorf("lampbus: %s: %w: %w", name, hal.ErrLost, err))
		return l.err
	}
	l.lit[name] = v
	return nil
}

// Pulse implements hal.Lines.
func (l *Lines) Pulse(ctx context.Context, name string, d time.Duration) error {
	turn, ok := l.turn[name]
	if !ok {
		return fmt.Errorf("lampbus: no output %s", name)
	}
	if err := pulse.Run(ctx, turn, l.gone, l.Err, func(v gpio.Level) error { return l.Set(name, v) }, d); err != nil {
		return fmt.Errorf("lampbus: %s: %w", name, err)
	}
	return nil
}

// end makes every lamp dark, as far as the bus still carries it, and lets the bus go. The caller holds mu.
func (l *Lines) end(why error) {
	if l.err != nil {
		return
	}
	l.err = why
	for n, v := range l.lit {
		if v {
			_ = l.set(n, gpio.Low)
		}
	}
	_ = l.bus.Close()
	close(l.gone)
	close(l.out)
}

// Close implements hal.Lines.
func (l *Lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(hal.ErrClosed)
	if !errors.Is(l.err, hal.ErrClosed) {
		l.err = errors.Join(hal.ErrClosed, l.err)
	}
	return nil
}
