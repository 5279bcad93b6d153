package lampbus

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/conn/v3/spi/spitest"

	"egate/hal"
	"egate/hal/haltest"
	"egate/hal/lineset"
	"egate/hal/simhal"
)

// The bytes are those of Microchip's data sheet DS20001952 (register map with IOCON.BANK = 0): the latches are cleared
// first, then a pin becomes an output, then it is set; what is there already is not written again.
func TestD09ExpanderBytes(t *testing.T) {
	const addr = 0x21
	bus := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{
		{Addr: addr, W: []byte{0x14, 0}}, {Addr: addr, W: []byte{0x15, 0}}, // OLATA, OLATB
		{Addr: addr, W: []byte{0x00}, R: []byte{0xFF}}, {Addr: addr, W: []byte{0x01}, R: []byte{0xFF}}, // IODIRA, IODIRB: all inputs
		{Addr: addr, W: []byte{0x01, 0xFB}}, {Addr: addr, W: []byte{0x15}, R: []byte{0}}, // GPB2 is an output, Low as the latch is
		{Addr: addr, W: []byte{0x15, 0x04}}, // High
		{Addr: addr, W: []byte{0x15, 0x00}}, // Close
	}}
	l, err := OpenExpander(bus, addr, map[string]int{"beacon": 10})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Set("beacon", gpio.High); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if bus.Count != len(bus.Ops) {
		t.Errorf("%d transfers of %d", bus.Count, len(bus.Ops))
	}
}

// The bytes are those of the APA102 data sheet: 32 zeros, for each LED 111 and five bits of brightness, then blue, green,
// red, then ones.
func TestStripBytes(t *testing.T) {
	frame := func(leds ...[3]byte) conntest.IO {
		b := []byte{0, 0, 0, 0}
		for _, c := range leds {
			b = append(b, 0xFF, c[2], c[1], c[0])
		}
		return conntest.IO{W: append(b, 0xFF)}
	}
	dark, red, both := [3]byte{}, [3]byte{255, 0, 0}, [3]byte{255, 0, 255}
	port := &spitest.Playback{Playback: conntest.Playback{DontPanic: true, Ops: []conntest.IO{
		frame(dark, dark, dark), frame(dark, dark, dark), // both lamps, at the opening
		frame(red, red, dark), frame(red, both, [3]byte{0, 0, 255}), frame(dark, [3]byte{0, 0, 255}, [3]byte{0, 0, 255}), frame(dark, dark, dark)}}}
	l, err := OpenStrip(port, 3, map[string]Stretch{"light_r": {0, 1, 0xFF0000}, "light_b": {1, 2, 0x0000FF}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		lamp string
		v    gpio.Level
	}{{"light_r", gpio.High}, {"light_b", gpio.High}, {"light_r", gpio.Low}} {
		if err := l.Set(x.lamp, x.v); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if port.Count != len(port.Ops) {
		t.Errorf("%d transfers of %d", port.Count, len(port.Ops))
	}
}

// expander is the far end: the registers of an MCP23017.
type expander struct {
	mu   sync.Mutex
	reg  [0x16]byte
	gone bool
}

func (e *expander) Tx(addr uint16, w, r []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone || addr != 0x20 || len(w) == 0 || int(w[0]) >= len(e.reg) {
		return errors.New("sysfs-i2c: remote I/O error")
	}
	copy(e.reg[w[0]:], w[1:])
	copy(r, e.reg[w[0]:])
	return nil
}

func (e *expander) SetSpeed(physic.Frequency) error { return nil }
func (e *expander) String() string                  { return "model" }
func (e *expander) Close() error                    { return nil }

func (e *expander) unplug(gone bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = gone
	if gone { // without voltage: inputs, and the latch empty
		e.reg = [0x16]byte{0: 0xFF, 1: 0xFF}
	}
}

func (e *expander) high(pin int) gpio.Level {
	e.mu.Lock()
	defer e.mu.Unlock()
	bit := byte(1) << (pin % 8)
	return gpio.Level(e.reg[pin/8]&bit == 0 && e.reg[0x14+pin/8]&bit != 0)
}

// beside is a bench of the conformance suite as a gate uses this package: a bus with one lamp beside lines that have the
// inputs.
func beside(t *testing.T, open func() (hal.Lines, error), driven func() gpio.Level) haltest.LinesBench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lines.sock")
	srv, err := simhal.NewLineServer(path, []string{"in"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := simhal.DialLines(path, map[string]simhal.Line{"in": {}})
	if err != nil {
		t.Fatal(err)
	}
	s := lineset.Join(lines, lineset.Bus{Name: "bus", Lamps: []string{"lamp"}, Lost: func(bool) {}, Open: open})
	t.Cleanup(func() { s.Close(); srv.Close() })
	return haltest.LinesBench{Lines: s, Input: "in", Output: "lamp", Drive: func(l gpio.Level) { _ = srv.SetInput("in", l) }, Driven: driven, Unplug: func() {
		srv.Disconnect()
		for lines.Err() == nil { // until this end has seen it
			time.Sleep(time.Millisecond)
		}
	}}
}

func TestExpanderConformance(t *testing.T) {
	haltest.Lines(t, func(t *testing.T) haltest.LinesBench {
		far := &expander{reg: [0x16]byte{0: 0xFF, 1: 0xFF, 0x14: 0xFF, 0x15: 0xFF}} // another program had lit everything
		return beside(t, func() (hal.Lines, error) { return OpenExpander(far, 0x20, map[string]int{"lamp": 3}) }, func() gpio.Level { return far.high(3) })
	})
}

// leds is the far end of an SPI line: the LEDs of the last whole frame, as an APA102 takes them.
type leds struct {
	mu   sync.Mutex
	lit  [][3]byte // red, green, blue
	gone bool
}

func (l *leds) Connect(physic.Frequency, spi.Mode, int) (spi.Conn, error) { return l, nil }
func (l *leds) LimitSpeed(physic.Frequency) error                         { return nil }
func (l *leds) String() string                                            { return "model" }
func (l *leds) Close() error                                              { return nil }
func (l *leds) Duplex() conn.Duplex                                       { return conn.Half }
func (l *leds) TxPackets([]spi.Packet) error                              { return errors.New("not asked for") }
func (l *leds) Tx(w, _ []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return errors.New("sysfs-spi: no such device")
	}
	if len(w) < 4 || !bytes.Equal(w[:4], make([]byte, 4)) {
		return nil // no start: nothing listens
	}
	l.lit = nil
	for w = w[4:]; len(w) >= 4 && w[0]&0xE0 == 0xE0; w = w[4:] {
		l.lit = append(l.lit, [3]byte{w[3], w[2], w[1]})
	}
	return nil
}

func TestStripConformance(t *testing.T) {
	haltest.Lines(t, func(t *testing.T) haltest.LinesBench {
		far := &leds{}
		return beside(t, func() (hal.Lines, error) {
			return OpenStrip(far, 8, map[string]Stretch{"lamp": {From: 2, To: 5, Colour: 0x00FF00}})
		}, func() gpio.Level {
			far.mu.Lock()
			defer far.mu.Unlock()
			return len(far.lit) >= 8 && far.lit[2] == [3]byte{0, 255, 0} && far.lit[5] == far.lit[2] && far.lit[1] == [3]byte{} && far.lit[6] == [3]byte{}
		})
	})
}

// liar is a bus whose answers are changed on their way.
type liar struct {
	*expander
	lie func(r []byte) error
}

func (l liar) Tx(addr uint16, w, r []byte) error {
	if err := l.expander.Tx(addr, w, r); err != nil {
		return err
	}
	if len(r) > 0 {
		return l.lie(r)
	}
	return nil
}

// C-11: a bus that lies. Registers that read as noise, as nothing, or whose answer breaks off: no panic, no lamp that is told
// as lit and is not the chip's to say, and a chip that answers nothing any more is lost. A transfer has no deadline but the kernel's own
// (a second by its default): the loop's watch over its lamps is what stands behind it.
func TestC11HostileBus(t *testing.T) {
	noise := rand.New(rand.NewPCG(7, 8))
	for name, lie := range map[string]func(r []byte) error{
		"garbage": func(r []byte) error {
			for i := range r {
				r[i] = byte(noise.Uint32())
			}
			return nil
		},
		"half":  func(r []byte) error { clear(r[len(r)/2:]); return nil },
		"ones":  func(r []byte) error { copy(r, bytes.Repeat([]byte{0xFF}, len(r))); return nil },
		"error": func([]byte) error { return errors.New("sysfs-i2c: connection timed out") },
	} {
		t.Run(name, func(t *testing.T) {
			haltest.Leaks(t)
			far := liar{&expander{reg: [0x16]byte{0: 0xFF, 1: 0xFF}}, lie}
			l, err := OpenExpander(far, 0x20, map[string]int{"a": 0, "b": 15})
			if err != nil {
				if !errors.Is(err, hal.ErrLost) {
					t.Errorf("not opened, and not lost: %v", err)
				}
				return
			}
			for i := range 1000 {
				if err := l.Set("a", i%2 == 0); err != nil && !errors.Is(err, hal.ErrLost) {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// C-11: an expander that is lost takes its lamps and nothing else; when it is back, its lamps are as they should be.
func TestC11ExpanderLostAndBack(t *testing.T) {
	haltest.Leaks(t)
	far := &expander{reg: [0x16]byte{0: 0xFF, 1: 0xFF}}
	l, err := OpenExpander(far, 0x20, map[string]int{"a": 0, "b": 15})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Set("a", gpio.High); err != nil || far.high(0) != gpio.High || far.high(15) != gpio.Low {
		t.Fatal(err)
	}
	far.unplug(true)
	if err := l.Set("b", gpio.High); !errors.Is(err, hal.ErrLost) || !errors.Is(l.Err(), hal.ErrLost) {
		t.Errorf("lost: %v, %v", err, l.Err())
	}
	if _, open := <-l.Edges(); open {
		t.Error("an edge of a lamp")
	}
	if _, err := OpenExpander(far, 0x20, map[string]int{"a": 0}); !errors.Is(err, hal.ErrLost) {
		t.Errorf("opened without a chip: %v", err)
	}
	l.Close()
	far.unplug(false)
	if l, err = OpenExpander(far, 0x20, map[string]int{"a": 0}); err != nil || far.high(0) != gpio.Low {
		t.Fatalf("back: %v", err)
	}
	l.Close()
}

// Wrong places are named, and the bus is let go.
func TestWrongPlaces(t *testing.T) {
	far := &expander{}
	for _, pins := range []map[string]int{{"a": 16}, {"a": -1}} {
		if _, err := OpenExpander(far, 0x20, pins); err == nil {
			t.Errorf("%v opened", pins)
		}
	}
	for _, s := range []Stretch{{From: -1, To: 0}, {From: 2, To: 1}, {From: 0, To: 3}} {
		if _, err := OpenStrip(&spitest.Playback{Playback: conntest.Playback{DontPanic: true}}, 3, map[string]Stretch{"a": s}); err == nil {
			t.Errorf("%+v opened", s)
		}
	}
	for _, d := range []string{"", "/dev/i2c-", "/dev/spidev0.0", "/etc/passwd"} {
		if _, err := I2C(d); err == nil {
			t.Errorf("%q opened", d)
		}
	}
	for _, d := range []string{"", "/dev/i2c-1", "/dev/spidev0"} {
		if _, err := SPI(d); err == nil {
			t.Errorf("%q opened", d)
		}
	}
}
