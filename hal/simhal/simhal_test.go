package simhal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
	"egate/hal/haltest"
)

func strip(t *testing.T) (*LineServer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lines.sock")
	s, err := NewLineServer(path, []string{"entry_closed", "fire_ok"}, []string{"entry_lock", "entry_open_pulse"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, path
}

func dial(t *testing.T, path string, cfg map[string]Line) hal.Lines {
	t.Helper()
	l, err := DialLines(path, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func next(t *testing.T, l hal.Lines) hal.Edge {
	t.Helper()
	select {
	case e, ok := <-l.Edges():
		if !ok {
			t.Fatalf("edges ended: %v", l.Err())
		}
		return e
	case <-time.After(2 * time.Minute):
		t.Fatal("no edge")
	}
	panic("unreachable")
}

// The first edges tell the present levels; then every change comes, in order, with rising Seq.
func TestLinesEdges(t *testing.T) {
	s, path := strip(t)
	if err := s.SetInput("fire_ok", gpio.High); err != nil {
		t.Fatal(err)
	}
	l := dial(t, path, nil)
	first := map[string]hal.Edge{}
	for range 2 {
		e := next(t, l)
		first[e.Line] = e
	}
	if first["fire_ok"].Level != gpio.High || first["entry_closed"].Level != gpio.Low {
		t.Fatalf("first edges %v", first)
	}
	for i := range 100 {
		if err := s.SetInput("entry_closed", gpio.Level(i%2 == 0)); err != nil {
			t.Fatal(err)
		}
	}
	prev := first["entry_closed"]
	for i := range 100 {
		e := next(t, l)
		if e.Line != "entry_closed" || e.Seq != prev.Seq+1 || e.At < prev.At || e.Level != gpio.Level(i%2 == 0) {
			t.Fatalf("edge %d: %+v after %+v", i, e, prev)
		}
		prev = e
	}
	if v, err := l.Read("entry_closed"); err != nil || v != gpio.Low {
		t.Fatal(v, err)
	}
	if _, err := l.Read("entry_lock"); err == nil {
		t.Error("an output is not read back")
	}
	if err := s.SetInput("nowhere", gpio.High); err == nil {
		t.Error("unknown input accepted")
	}
}

// Polarity and wiring are applied below the contract.
func TestLinesActiveLow(t *testing.T) {
	s, path := strip(t)
	l := dial(t, path, map[string]Line{"door_shut": {Wire: "entry_closed", ActiveLow: true}, "lock": {Wire: "entry_lock", Output: true, ActiveLow: true}})
	if e := next(t, l); e.Line != "door_shut" || e.Level != gpio.High {
		t.Fatalf("%+v", e)
	}
	if s.Output("entry_lock") != gpio.High {
		t.Error("an active-low output rests High")
	}
	if err := l.Set("lock", gpio.High); err != nil || s.Output("entry_lock") != gpio.Low {
		t.Error(err)
	}
	for _, cfg := range []map[string]Line{{"x": {Wire: "nowhere"}}, {"x": {Output: true}}, {"a": {Wire: "fire_ok"}, "fire_ok": {}}, {"entry_lock": {}}} {
		// The lines are held: another process is refused whatever it asks.
		if _, err := DialLines(path, cfg); err == nil {
			t.Errorf("%v accepted", cfg)
		}
	}
	l.Close()
	for _, cfg := range []map[string]Line{{"x": {Wire: "nowhere"}}, {"x": {Output: true}}, {"a": {Wire: "fire_ok"}, "fire_ok": {}}, {"entry_lock": {}}} {
		if _, err := DialLines(path, cfg); err == nil {
			t.Errorf("%v accepted", cfg)
		}
	}
}

type fall struct {
	name  string
	level gpio.Level
}

type watch struct {
	mu  sync.Mutex
	got []fall
	c   chan fall
}

func watchOutputs(s *LineServer) *watch {
	w := &watch{c: make(chan fall, 100)}
	s.OnOutput(func(n string, l gpio.Level, _ time.Time) {
		w.mu.Lock()
		w.got = append(w.got, fall{n, l})
		w.mu.Unlock()
		w.c <- fall{n, l}
	})
	return w
}

// D-09: a pulse is High once, capped, and never stays when its context ends or its process goes.
func TestD09Pulse(t *testing.T) {
	s, path := strip(t)
	w := watchOutputs(s)
	l := dial(t, path, nil)
	if err := l.Pulse(context.Background(), "entry_open_pulse", time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if len(w.got) != 2 || w.got[0] != (fall{"entry_open_pulse", gpio.High}) || w.got[1] != (fall{"entry_open_pulse", gpio.Low}) {
		t.Fatalf("%v", w.got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-w.c
		<-w.c
		<-w.c
		cancel()
	}()
	if err := l.Pulse(ctx, "entry_open_pulse", time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if s.Output("entry_open_pulse") != gpio.Low {
		t.Error("still High")
	}
	for _, d := range []time.Duration{0, -1} {
		if l.Pulse(context.Background(), "entry_open_pulse", d) == nil {
			t.Error("pulse of no length accepted")
		}
	}
	if l.Pulse(context.Background(), "fire_ok", 1) == nil {
		t.Error("pulse of an input accepted")
	}
}

// D-09: whatever was High falls when the client dies in the middle of a pulse.
func TestD09OutputsFallWhenTheClientDies(t *testing.T) {
	s, path := strip(t)
	gone := make(chan struct{})
	s.OnDisconnect(sync.OnceFunc(func() { close(gone) }))
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	w := watchOutputs(s)
	if _, err := conn.Write([]byte(`{"t":"set","id":1,"line":"entry_lock","level":true}` + "\n" +
		`{"t":"set","id":2,"line":"entry_open_pulse","level":true}` + "\n")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		<-w.c
	}
	conn.Close() // no farewell, as by SIGKILL
	<-gone
	if s.Output("entry_lock") != gpio.Low || s.Output("entry_open_pulse") != gpio.Low {
		t.Error("an output stayed High")
	}
	// One after the other, there would be a moment at which the locks are free and the release is not: no
	// loss of power does that.
	if len(w.got) != 2 {
		t.Errorf("outputs fell one by one: %v", w.got[2:])
	}
	// The next one gets the lines.
	dial(t, path, nil)
	if _, ever := s.Connected(); ever != 2 {
		t.Error(ever)
	}
}

func TestLinesCloseAndLoss(t *testing.T) {
	s, path := strip(t)
	l := dial(t, path, nil)
	s.Disconnect()
	for range l.Edges() {
	}
	if !errors.Is(l.Err(), hal.ErrLost) {
		t.Error(l.Err())
	}
	if _, err := l.Read("fire_ok"); !errors.Is(err, hal.ErrLost) {
		t.Error(err)
	}
	if err := l.Set("entry_lock", gpio.High); !errors.Is(err, hal.ErrLost) {
		t.Error(err)
	}
	l.Close()
	l.Close()
	l = dial(t, path, nil)
	done, up := make(chan error, 1), make(chan struct{}, 2)
	s.OnOutput(func(string, gpio.Level, time.Time) { up <- struct{}{} })
	began := time.Now()
	go func() { done <- l.Pulse(context.Background(), "entry_open_pulse", time.Hour) }()
	<-up
	l.Close()
	// A machine that stood still for longer than the longest pulse has seen it end by itself.
	if err := <-done; !errors.Is(err, hal.ErrClosed) && (err != nil || time.Since(began) < hal.MaxPulse) {
		t.Error(err)
	}
	if s.Close(); s.Output("entry_open_pulse") != gpio.Low {
		t.Error("High after close")
	}
	if _, err := DialLines(path, nil); !errors.Is(err, hal.ErrLost) {
		t.Error(err)
	}
}

// A far end that talks nonsense costs the connection, never the process.
func TestLinesHostileFarEnd(t *testing.T) {
	for _, hello := range []string{"", "x\n", `{"t":"hi"}` + "\n", `{"t":"busy"}` + "\n", `{"t":"hello","inputs":3}` + "\n"} {
		path := filepath.Join(t.TempDir(), "s")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := ln.Accept()
			if err == nil {
				_, _ = c.Write([]byte(hello))
				c.Close()
			}
		}()
		if _, err := DialLines(path, nil); err == nil {
			t.Errorf("greeting %q accepted", hello)
		}
		ln.Close()
	}
}

func view(t *testing.T) (*CameraServer, hal.Camera) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "camera.sock")
	s, err := NewCameraServer(path, 8, 4, 1000, func(at time.Duration, f *hal.Frame) {
		for i := range f.Pix {
			f.Pix[i] = byte(f.Seq)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c, err := DialCamera(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return s, c
}

// DP-06: nothing is rendered unasked, one frame per request, and none after Close.
func TestDP06CameraRendersOnlyWhenAsked(t *testing.T) {
	s, c := view(t)
	if s.Frames() != 0 {
		t.Fatal("rendered before the first Next")
	}
	var f hal.Frame
	for i := range 5 {
		was := f
		if err := c.Next(context.Background(), &f); err != nil {
			t.Fatal(err)
		}
		if f.Width != 8 || f.Height != 4 || f.Stride != 24 || len(f.Pix) != 96 || f.Pix[95] != byte(f.Seq) {
			t.Fatalf("%+v", f)
		}
		if i > 0 && (f.Seq <= was.Seq || f.At <= was.At) {
			t.Fatalf("%d at %v after %d at %v", f.Seq, f.At, was.Seq, was.At)
		}
		if s.Frames() != uint64(i+1) {
			t.Fatalf("%d frames rendered for %d", s.Frames(), i+1)
		}
	}
	c.Close()
	if err := c.Next(context.Background(), &f); !errors.Is(err, hal.ErrClosed) {
		t.Error(err)
	}
}

// F-14: a frozen camera is a time-out of the caller, not a loss; a cut one is a loss. After a time-out
// the next frame is a new one.
func TestF14CameraFrozenAndCut(t *testing.T) {
	s, c := view(t)
	s.Freeze(true)
	var f hal.Frame
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		if err := c.Next(ctx, &f); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, hal.ErrLost) {
			t.Fatal(err)
		}
		cancel()
	}
	s.Freeze(false)
	if err := c.Next(context.Background(), &f); err != nil {
		t.Fatal(err)
	}
	s.Disconnect()
	for range 2 {
		if err := c.Next(context.Background(), &f); !errors.Is(err, hal.ErrLost) {
			t.Fatal(err)
		}
	}
	for _, b := range f.Pix {
		if b != 0 {
			t.Fatal("pixels left after a loss")
		}
	}
}

func TestCameraCloseUnblocks(t *testing.T) {
	s, c := view(t)
	s.Freeze(true)
	done := make(chan error)
	go func() { done <- c.Next(context.Background(), new(hal.Frame)) }()
	for now, _ := s.Connected(); now == 0; now, _ = s.Connected() {
		time.Sleep(time.Millisecond)
	}
	c.Close()
	if err := <-done; !errors.Is(err, hal.ErrClosed) {
		t.Error(err)
	}
}

func FuzzFrameHeader(f *testing.F) {
	h := make([]byte, headerLen)
	copy(h, magic)
	h[4], h[11], h[15], h[19] = byte(hal.PixelRGB), 8, 4, 24
	f.Add(h)
	f.Fuzz(func(t *testing.T, b []byte) {
		var fr hal.Frame
		n, err := parseHeader(b, &fr)
		if err == nil && (n < 1 || n > maxPixels) {
			t.Fatalf("%d bytes", n)
		}
	})
}

func TestConformance(t *testing.T) {
	t.Run("lines", func(t *testing.T) {
		haltest.Lines(t, func(t *testing.T) haltest.LinesBench {
			s, path := strip(t)
			return haltest.LinesBench{Lines: dial(t, path, nil), Input: "entry_closed", Output: "entry_lock",
				Drive:  func(l gpio.Level) { _ = s.SetInput("entry_closed", l) },
				Driven: func() gpio.Level { return s.Output("entry_lock") }, Unplug: s.Disconnect}
		})
	})
	t.Run("camera", func(t *testing.T) {
		haltest.Camera(t, func(t *testing.T) haltest.CameraBench {
			s, c := view(t)
			return haltest.CameraBench{Camera: c, Freeze: func() { s.Freeze(true) }, Unplug: s.Disconnect}
		})
	})
}

// C-10, C-11: the generic hostile far ends of both sockets.
func TestC11HostilePeers(t *testing.T) {
	ack, greet := ackLimit, greetLimit
	t.Cleanup(func() { ackLimit, greetLimit = ack, greet })
	t.Run("lines", func(t *testing.T) {
		proper := func() func([]byte) []byte {
			return func(w []byte) (out []byte) {
				if len(w) == 0 {
					return []byte(`{"t":"hello","inputs":{"fire_ok":true},"outputs":["lock"]}` + "\n")
				}
				for l := range strings.Lines(string(w)) {
					var m message
					if json.Unmarshal([]byte(l), &m) == nil {
						out = append(out, fmt.Sprintf(`{"t":"ok","id":%d}`+"\n", m.ID)...)
					}
				}
				return out
			}
		}
		haltest.HostileSocket(t, proper, func(ctx context.Context, path string) []error {
			ackLimit, greetLimit = 20*time.Millisecond, 100*time.Millisecond
			if d, _ := ctx.Deadline(); time.Until(d) > 10*time.Second {
				ackLimit, greetLimit = time.Minute, time.Minute // the honest one
			}
			l, err := DialLines(path, nil)
			if err != nil {
				return []error{err}
			}
			defer l.Close()
			_, rerr := l.Read("fire_ok")
			return []error{rerr, l.Set("lock", gpio.High), l.Pulse(ctx, "lock", time.Millisecond)}
		})
	})
	t.Run("camera", func(t *testing.T) {
		proper := func() func([]byte) []byte {
			seq := byte(0)
			return func(w []byte) (out []byte) {
				for range w {
					seq++
					h := make([]byte, headerLen)
					copy(h, magic)
					h[4], h[11], h[15], h[19], h[23] = byte(hal.PixelGrey), 8, 4, 8, seq
					out = append(append(out, h...), make([]byte, 32)...)
				}
				return out
			}
		}
		haltest.HostileSocket(t, proper, func(ctx context.Context, path string) (errs []error) {
			c, err := DialCamera(path)
			if err != nil {
				return []error{err}
			}
			defer c.Close()
			var f hal.Frame
			for range 3 {
				errs = append(errs, c.Next(ctx, &f))
			}
			return errs
		})
	})
}
