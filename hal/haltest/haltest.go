// Package haltest is the conformance suite of package hal: one function per contract, run by every
// driver against its far end. A driver that passes keeps the laws of the contracts; what it does beyond
// them has tests of its own.
//
// Each case also fails when a goroutine or a descriptor is left after it (Leaks): the maker registers with t.Cleanup
// what closes both ends.
//
// Each function takes a maker of a bench: a fresh device with the handles of its far end. Handles that a
// far end does not have stay nil, and their cases are skipped by name.
package haltest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
)

// patience bounds what must happen at all; a case that takes so long has failed.
const patience = 2 * time.Minute

// within returns a context that ends a case which hangs.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// blocking holds the laws of every blocking call: it ends with its context, by cancel and by deadline,
// with the context's error (or allowed), never as a loss; Close ends it with hal.ErrClosed, and may be
// called twice.
func blocking(t *testing.T, device func(t *testing.T) (call func(context.Context) error, closeDevice func() error), allowed error) {
	ended := func(t *testing.T, err, want error) {
		t.Helper()
		if allowed != nil && errors.Is(err, allowed) {
			return
		}
		if !errors.Is(err, want) || errors.Is(err, hal.ErrLost) || errors.Is(err, hal.ErrClosed) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	t.Run("cancelled before", func(t *testing.T) {
		call, _ := device(t)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		ended(t, call(ctx), context.Canceled)
	})
	t.Run("cancelled while it blocks", func(t *testing.T) {
		call, _ := device(t)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- call(ctx) }()
		cancel()
		ended(t, <-done, context.Canceled)
	})
	t.Run("deadline", func(t *testing.T) {
		call, _ := device(t)
		// Twice: a time-out leaves the device in order. Longer than a driver's own read step.
		for _, d := range []time.Duration{time.Millisecond, 250 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(context.Background(), d)
			ended(t, call(ctx), context.DeadlineExceeded)
			cancel()
		}
	})
	t.Run("closed", func(t *testing.T) {
		call, closeDevice := device(t)
		done := make(chan error, 1)
		go func() { done <- call(context.Background()) }()
		if err := closeDevice(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := closeDevice(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		for _, err := range []error{<-done, call(within(t))} {
			if !errors.Is(err, hal.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	})
}

// gone holds the law of a device that vanished: an ErrLost, again and again, until Close; no time-out.
func gone(t *testing.T, call func(context.Context) error) {
	t.Helper()
	for range 2 {
		if err := call(within(t)); !errors.Is(err, hal.ErrLost) || errors.Is(err, hal.ErrTimeout) || errors.Is(err, hal.ErrClosed) {
			t.Fatalf("unplugged: %v", err)
		}
	}
}

// LinesBench is a driver of lines with one input and one output wired.
type LinesBench struct {
	Lines         hal.Lines
	Input, Output string
	// Drive changes the input at the far end.
	Drive func(gpio.Level)
	// Driven is the level of the output at the far end, in logical terms.
	Driven func() gpio.Level
	// Unplug takes the device away.
	Unplug func()
}

// Lines runs the suite of hal.Lines.
func Lines(t *testing.T, fresh func(t *testing.T) LinesBench) {
	bench := func(t *testing.T) LinesBench {
		t.Helper()
		Leaks(t)
		return fresh(t)
	}
	first := func(t *testing.T, b LinesBench) hal.Edge {
		t.Helper()
		for {
			select {
			case e, ok := <-b.Lines.Edges():
				if !ok {
					t.Fatalf("edges ended: %v", b.Lines.Err())
				}
				if e.Line == b.Input {
					return e
				}
			case <-within(t).Done():
				t.Fatal("no edge")
			}
		}
	}
	t.Run("present level, then every change", func(t *testing.T) {
		b := bench(t)
		prev := first(t, b)
		if v, err := b.Lines.Read(b.Input); err != nil || v != prev.Level {
			t.Fatalf("reads %v %v, first edge %v", v, err, prev.Level)
		}
		for range 20 {
			b.Drive(!prev.Level)
			e := first(t, b)
			if e.Level != !prev.Level || e.Seq != prev.Seq+1 || e.At < prev.At {
				t.Fatalf("%+v after %+v", e, prev)
			}
			if v, err := b.Lines.Read(b.Input); err != nil || v != e.Level {
				t.Fatalf("reads %v %v after %+v", v, err, e)
			}
			prev = e
		}
		if err := b.Lines.Err(); err != nil {
			t.Error(err)
		}
	})
	t.Run("D-09 outputs", func(t *testing.T) {
		b := bench(t)
		if b.Driven() != gpio.Low {
			t.Fatal("the output is High before anybody set it")
		}
		for range 3 {
			if err := b.Lines.Set(b.Output, gpio.High); err != nil || b.Driven() != gpio.High {
				t.Fatalf("set High: %v", err)
			}
			if err := b.Lines.Set(b.Output, gpio.Low); err != nil || b.Driven() != gpio.Low {
				t.Fatalf("set Low: %v", err)
			}
		}
		if err := b.Lines.Pulse(within(t), b.Output, 5*time.Millisecond); err != nil || b.Driven() != gpio.Low {
			t.Fatalf("pulse: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done, began := make(chan error, 1), time.Now()
		go func() { done <- b.Lines.Pulse(ctx, b.Output, hal.MaxPulse) }()
		cancel()
		// A machine that stood still for so long has seen it end by itself.
		if err := <-done; !errors.Is(err, context.Canceled) && (err != nil || time.Since(began) < hal.MaxPulse) || b.Driven() != gpio.Low {
			t.Fatalf("cancelled pulse: %v", err)
		}
		if b.Lines.Pulse(within(t), b.Output, 0) == nil {
			t.Error("a pulse of no length")
		}
		if err := b.Lines.Set(b.Output, gpio.High); err != nil {
			t.Fatal(err)
		}
		if err := b.Lines.Close(); err != nil {
			t.Fatal(err)
		}
		if b.Driven() != gpio.Low {
			t.Error("High after Close")
		}
	})
	t.Run("wrong names", func(t *testing.T) {
		b := bench(t)
		for _, n := range []string{"no_such_line", b.Input} {
			if b.Lines.Set(n, gpio.High) == nil || b.Lines.Pulse(within(t), n, time.Millisecond) == nil {
				t.Errorf("%s: driven", n)
			}
		}
		for _, n := range []string{"no_such_line", b.Output} {
			if _, err := b.Lines.Read(n); err == nil {
				t.Errorf("%s: read", n)
			}
		}
	})
	t.Run("closed", func(t *testing.T) {
		b := bench(t)
		done := make(chan error, 1)
		go func() { done <- b.Lines.Pulse(context.Background(), b.Output, hal.MaxPulse) }()
		for range 2 {
			if err := b.Lines.Close(); err != nil {
				t.Error(err)
			}
		}
		<-done // ended early or before it began
		for range b.Lines.Edges() {
		}
		_, err := b.Lines.Read(b.Input)
		for _, err := range []error{err, b.Lines.Err(), b.Lines.Set(b.Output, gpio.High), b.Lines.Pulse(within(t), b.Output, time.Millisecond)} {
			if !errors.Is(err, hal.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
		if b.Driven() != gpio.Low {
			t.Error("High after Close")
		}
	})
	t.Run("C-11 lost", func(t *testing.T) {
		b := bench(t)
		if b.Unplug == nil {
			t.Skip("SKIP: this far end cannot be unplugged")
		}
		b.Unplug()
		gone(t, func(context.Context) error { return b.Lines.Set(b.Output, gpio.High) })
		for range b.Lines.Edges() {
		}
		_, err := b.Lines.Read(b.Input)
		for _, err := range []error{err, b.Lines.Err(), b.Lines.Pulse(within(t), b.Output, time.Millisecond)} {
			if !errors.Is(err, hal.ErrLost) {
				t.Errorf("lost: %v", err)
			}
		}
	})
}

// SerialBench is a serial port and the device at its other end.
type SerialBench struct {
	Port hal.SerialPort
	// Say and Hear are the device's side.
	Say    func([]byte)
	Hear   func(n int) []byte
	Unplug func()
	Replug func()
}

// SerialPort runs the suite of hal.SerialPort.
func SerialPort(t *testing.T, fresh func(t *testing.T) SerialBench) {
	bench := func(t *testing.T) SerialBench {
		t.Helper()
		Leaks(t)
		return fresh(t)
	}
	read := func(t *testing.T, b SerialBench, n int) string {
		t.Helper()
		out, buf := "", make([]byte, 64)
		for len(out) < n {
			k, err := b.Port.Read(within(t), buf)
			if err != nil {
				t.Fatal(err)
			}
			out += string(buf[:k])
		}
		return out
	}
	t.Run("both ways", func(t *testing.T) {
		b := bench(t)
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		if err := b.Port.Write(within(t), all); err != nil {
			t.Fatal(err)
		}
		if got := b.Hear(256); string(got) != string(all) {
			t.Fatalf("% x", got)
		}
		b.Say(all)
		if got := read(t, b, 256); got != string(all) {
			t.Fatalf("% x", got)
		}
	})
	t.Run("read", func(t *testing.T) {
		blocking(t, func(t *testing.T) (func(context.Context) error, func() error) {
			b := bench(t)
			return func(ctx context.Context) error { _, err := b.Port.Read(ctx, make([]byte, 1)); return err }, b.Port.Close
		}, nil)
	})
	t.Run("write to a device that does not read", func(t *testing.T) {
		blocking(t, func(t *testing.T) (func(context.Context) error, func() error) {
			b := bench(t)
			return func(ctx context.Context) error { return b.Port.Write(ctx, make([]byte, 4<<20)) }, b.Port.Close
		}, nil)
	})
	t.Run("discard", func(t *testing.T) {
		b := bench(t)
		b.Say([]byte("a"))
		read(t, b, 1)
		b.Say([]byte("old"))
		read(t, b, 1) // the rest is there
		if err := b.Port.Discard(); err != nil {
			t.Fatal(err)
		}
		b.Say([]byte("N"))
		if got := read(t, b, 1); got != "N" {
			t.Errorf("%q", got)
		}
	})
	t.Run("speed", func(t *testing.T) {
		b := bench(t)
		if err := b.Port.SetBaud(within(t), 230400); err != nil {
			t.Error(err)
		}
		if b.Port.SetBaud(within(t), 7) == nil {
			t.Error("7 baud")
		}
		b.Say([]byte("x"))
		read(t, b, 1)
	})
	t.Run("C-11 lost and back", func(t *testing.T) {
		b := bench(t)
		if b.Unplug == nil {
			t.Skip("SKIP: this far end cannot be unplugged")
		}
		b.Unplug()
		gone(t, func(ctx context.Context) error { _, err := b.Port.Read(ctx, make([]byte, 1)); return err })
		gone(t, func(ctx context.Context) error { return b.Port.Write(ctx, []byte{1}) })
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if err := b.Port.Reopen(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("reopened without a device: %v", err)
		}
		b.Replug()
		if err := b.Port.Reopen(within(t)); err != nil {
			t.Fatal(err)
		}
		b.Say([]byte("x"))
		read(t, b, 1)
	})
}

// ScannerBench is a document scanner and its glass.
type ScannerBench struct {
	Scanner hal.DocumentScanner
	// Lay puts a document of two lines on the glass, LayBad one that leads to a complaint.
	Lay    func(lines [2]string)
	LayBad func(hal.ScanKind)
	Lift   func()
	Unplug func()
	// Raw lets the device say bytes that are no reading.
	Raw func([]byte)
}

// DocumentScanner runs the suite of hal.DocumentScanner.
func DocumentScanner(t *testing.T, fresh func(t *testing.T) ScannerBench) {
	bench := func(t *testing.T) ScannerBench {
		t.Helper()
		Leaks(t)
		return fresh(t)
	}
	lines := [2]string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	expect := func(t *testing.T, b ScannerBench, k hal.ScanKind) hal.Scan {
		t.Helper()
		s, err := b.Scanner.Next(within(t))
		if err != nil || s.Kind != k {
			t.Fatalf("kind %d, %v; want %d", s.Kind, err, k)
		}
		if (k == hal.ScanMRZ) != (len(s.Lines) > 0) {
			t.Fatalf("kind %d with %d lines", k, len(s.Lines))
		}
		return s
	}
	t.Run("C-13 documents", func(t *testing.T) {
		b := bench(t)
		for range 2 { // the same document again is a new document
			b.Lay(lines)
			expect(t, b, hal.ScanPresent)
			s := expect(t, b, hal.ScanMRZ)
			if len(s.Lines) != 2 || string(s.Lines[0]) != lines[0] || string(s.Lines[1]) != lines[1] {
				t.Fatal("lines changed on their way")
			}
			b.Lift()
			expect(t, b, hal.ScanRemoved)
		}
		for _, k := range []hal.ScanKind{hal.ScanUnreadable, hal.ScanWrongPage, hal.ScanUpsideDown, hal.ScanCoverOn} {
			b.LayBad(k)
			expect(t, b, hal.ScanPresent)
			expect(t, b, k)
			b.Lift()
			expect(t, b, hal.ScanRemoved)
		}
	})
	t.Run("next", func(t *testing.T) {
		blocking(t, func(t *testing.T) (func(context.Context) error, func() error) {
			b := bench(t)
			return func(ctx context.Context) error { _, err := b.Scanner.Next(ctx); return err }, b.Scanner.Close
		}, nil)
	})
	t.Run("C-10 hostile", func(t *testing.T) {
		b := bench(t)
		if b.Raw == nil {
			t.Skip("SKIP: this far end cannot say what it wants")
		}
		for _, say := range []string{strings.Repeat("\xff\x00\x1b", 3000), strings.Repeat("P<UTO", 20000), lines[0][:30], lines[0] + "\r" + lines[1][:36] + "\r", "!P\r!R\r!P\r", strings.Repeat("!U\r!W\r", 5000), strings.Repeat("\r\n", 30000)} {
			b.Raw([]byte(say))
		}
		b.Lay(lines)
		for { // whatever it makes of that: the document is read, and nothing else is one
			s, err := b.Scanner.Next(within(t))
			if err != nil {
				t.Fatal(err)
			}
			if s.Kind == hal.ScanMRZ {
				if len(s.Lines) != 2 || string(s.Lines[0]) != lines[0] || string(s.Lines[1]) != lines[1] {
					t.Fatal("a document was made of noise")
				}
				break
			}
		}
	})
	t.Run("C-11 lost", func(t *testing.T) {
		b := bench(t)
		if b.Unplug == nil {
			t.Skip("SKIP: this far end cannot be unplugged")
		}
		b.Unplug()
		gone(t, func(ctx context.Context) error { _, err := b.Scanner.Next(ctx); return err })
	})
}

// CardBench is a contactless reader and its antenna.
type CardBench struct {
	Reader hal.CardReader
	// Lay puts a card on the antenna that answers Command with a status word; LayMute one that asks
	// for more time for ever.
	Lay, LayMute func()
	Command      []byte
	Lift         func()
	Unplug       func()
}

// CardReader runs the suites of hal.CardReader and hal.Card.
func CardReader(t *testing.T, fresh func(t *testing.T) CardBench) {
	bench := func(t *testing.T) CardBench {
		t.Helper()
		Leaks(t)
		return fresh(t)
	}
	connect := func(t *testing.T, b CardBench) hal.Card {
		t.Helper()
		c, err := b.Reader.Connect(within(t))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	works := func(t *testing.T, b CardBench, c hal.Card) {
		t.Helper()
		if got, err := c.Transmit(within(t), b.Command); err != nil || len(got) < 2 {
			t.Fatalf("% X %v", got, err)
		}
	}
	t.Run("connect", func(t *testing.T) {
		blocking(t, func(t *testing.T) (func(context.Context) error, func() error) {
			b := bench(t)
			return func(ctx context.Context) error { _, err := b.Reader.Connect(ctx); return err }, b.Reader.Close
		}, hal.ErrNoCard)
	})
	t.Run("card", func(t *testing.T) {
		b := bench(t)
		b.Lay()
		c := connect(t, b)
		works(t, b, c)
		works(t, b, c)
		if len(c.ATS()) == 0 {
			t.Error("nothing names the type of the chip")
		}
		cmd, resp := c.Limits()
		if cmd < 261 || resp < 258 {
			t.Errorf("limits %d and %d do not carry a short APDU", cmd, resp)
		}
		if _, err := c.Transmit(within(t), make([]byte, cmd+1)); err == nil {
			t.Error("a command beyond the limit was sent")
		}
		for range 2 {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := c.Transmit(within(t), b.Command); err == nil {
			t.Error("transmitted after Close")
		}
		works(t, b, connect(t, b))
	})
	t.Run("C-08 card lost", func(t *testing.T) {
		b := bench(t)
		b.Lay()
		c := connect(t, b)
		works(t, b, c)
		b.Lift()
		for range 2 {
			if _, err := c.Transmit(within(t), b.Command); !errors.Is(err, hal.ErrCardLost) || errors.Is(err, hal.ErrLost) {
				t.Fatalf("card lost: %v", err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if _, err := b.Reader.Connect(ctx); !errors.Is(err, hal.ErrNoCard) {
			t.Fatalf("no card: %v", err)
		}
		b.Lay()
		works(t, b, connect(t, b))
		if _, err := c.Transmit(within(t), b.Command); err == nil {
			t.Error("the session of a card that left lives on")
		}
	})
	t.Run("transmit", func(t *testing.T) {
		blocking(t, func(t *testing.T) (func(context.Context) error, func() error) {
			b := bench(t)
			if b.LayMute == nil {
				t.Skip("SKIP: this far end has no card that asks for more time for ever")
			}
			b.LayMute()
			c := connect(t, b)
			return func(ctx context.Context) error { _, err := c.Transmit(ctx, b.Command); return err }, b.Reader.Close
		}, hal.ErrCardLost) // a session that was cut may count as lost the second time
	})
	t.Run("reset", func(t *testing.T) {
		b := bench(t)
		b.Lay()
		c := connect(t, b)
		if err := b.Reader.Reset(within(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Transmit(within(t), b.Command); !errors.Is(err, hal.ErrCardLost) {
			t.Errorf("a session lives on after a reset: %v", err)
		}
		works(t, b, connect(t, b))
	})
	t.Run("C-11 reader lost", func(t *testing.T) {
		b := bench(t)
		if b.Unplug == nil {
			t.Skip("SKIP: this far end cannot be unplugged")
		}
		b.Lay()
		c := connect(t, b)
		b.Unplug()
		gone(t, func(ctx context.Context) error { _, err := b.Reader.Connect(ctx); return err })
		if _, err := c.Transmit(within(t), b.Command); err == nil {
			t.Error("transmitted through a reader that is gone")
		}
	})
}

// CameraBench is a camera and what drives it.
type CameraBench struct {
	Camera hal.Camera
	// Freeze keeps the camera from sending, Unplug takes it away.
	Freeze func()
	Unplug func()
}

// Camera runs the suite of hal.Camera.
func Camera(t *testing.T, fresh func(t *testing.T) CameraBench) {
	bench := func(t *testing.T) CameraBench {
		t.Helper()
		Leaks(t)
		return fresh(t)
	}
	t.Run("frames", func(t *testing.T) {
		b := bench(t)
		var f hal.Frame
		for i := range 5 {
			was := f
			if err := b.Camera.Next(within(t), &f); err != nil {
				t.Fatal(err)
			}
			if f.Width < 1 || f.Height < 1 || f.Format == hal.PixelNone || f.Format != hal.PixelMJPEG && len(f.Pix) < f.Stride*f.Height {
				t.Fatalf("%d × %d, stride %d, %d bytes", f.Width, f.Height, f.Stride, len(f.Pix))
			}
			if i > 0 && (f.Seq <= was.Seq || f.At <= was.At) {
				t.Fatalf("frame %d at %v after %d at %v", f.Seq, f.At, was.Seq, was.At)
			}
		}
	})
	t.Run("next", func(t *testing.T) {
		blocking(t, func(t *testing.T) (func(context.Context) error, func() error) {
			b := bench(t)
			b.Freeze()
			return func(ctx context.Context) error { return b.Camera.Next(ctx, new(hal.Frame)) }, b.Camera.Close
		}, hal.ErrTimeout)
	})
	t.Run("F-14 lost", func(t *testing.T) {
		b := bench(t)
		if b.Unplug == nil {
			t.Skip("SKIP: this far end cannot be unplugged")
		}
		var f hal.Frame
		if err := b.Camera.Next(within(t), &f); err != nil {
			t.Fatal(err)
		}
		b.Unplug()
		gone(t, func(ctx context.Context) error { return b.Camera.Next(ctx, &f) })
		for _, p := range f.Pix {
			if p != 0 {
				t.Fatal("pixels left after a loss")
			}
		}
	})
}
