package v4l2

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"egate/hal"
	"egate/hal/haltest"
)

// lens is a driver with its buffers.
type lens struct {
	nap     time.Duration // of whoever finds no frame
	head    []byte        // of every other frame
	name    string
	offers  map[webcam.PixelFormat][]webcam.FrameSize
	code    webcam.PixelFormat
	buf     [buffers][]byte
	ready   []uint32
	free    []uint32
	next    byte
	err     error
	started bool
	closed  bool
	hang    bool
	size    int
	since   time.Time
	taken   int
	set     map[uint32]int32
	order   []uint32
	most    int32                          // that a control takes
	lie     func() ([]byte, uint32, error) // in place of frames, and there is always one
	lies    int
}

func newLens(code string, w, h uint32) *lens {
	return &lens{name: "camera", offers: map[webcam.PixelFormat][]webcam.FrameSize{fourcc(code): {{MinWidth: w, MaxWidth: w, MinHeight: h, MaxHeight: h}}}}
}

func (l *lens) GetName() (string, error)    { return l.name, nil }
func (l *lens) GetBusInfo() (string, error) { return "usb-1", nil }
func (l *lens) GetSupportedFormats() map[webcam.PixelFormat]string {
	m := map[webcam.PixelFormat]string{}
	for c := range l.offers {
		m[c] = "a format"
	}
	return m
}
func (l *lens) GetSupportedFrameSizes(f webcam.PixelFormat) []webcam.FrameSize { return l.offers[f] }
func (l *lens) SetImageFormat(f webcam.PixelFormat, w, h uint32) (webcam.PixelFormat, uint32, uint32, error) {
	l.code = f
	for _, x := range formats {
		if x.code == f {
			l.size = max(int(w*h)*x.bits/8, int(w*h)/4) // compressed: some of it
		}
	}
	return f, w, h, nil
}
func (l *lens) SetFramerate(float32) error { return unix.ENOTTY }
func (l *lens) SetControl(id webcam.ControlID, v int32) error {
	l.order = append(l.order, uint32(id))
	if l.set == nil {
		l.set = map[uint32]int32{}
	}
	l.set[uint32(id)] = v
	return nil
}
func (l *lens) GetControl(id webcam.ControlID) (int32, error) {
	if l.most > 0 {
		return min(l.set[uint32(id)], l.most), nil
	}
	return l.set[uint32(id)], nil
}
func (l *lens) SetBufferCount(uint32) error { return nil }
func (l *lens) StartStreaming() error {
	l.started, l.since = true, time.Now()
	for i := range l.buf {
		l.buf[i] = make([]byte, l.size)
		l.free = append(l.free, uint32(i))
	}
	return nil
}

// expose fills buffers as time goes by: 30 frames a second, none when all are full.
func (l *lens) expose() {
	for !l.hang && time.Since(l.since) >= time.Second/30 {
		l.since = l.since.Add(time.Second / 30)
		l.next++
		if len(l.free) > 0 {
			i := l.free[0]
			l.free = l.free[1:]
			for k := range l.buf[i] {
				l.buf[i][k] = l.next
			}
			if l.next%2 == 0 {
				copy(l.buf[i], l.head)
			}
			l.ready = append(l.ready, i)
		}
	}
}

func (l *lens) WaitForFrame(uint32) error {
	if l.lie != nil {
		return nil
	}
	l.expose()
	if len(l.ready) == 0 && l.err == nil {
		time.Sleep(l.nap) // the process, not the camera
		return new(webcam.Timeout)
	}
	return nil
}
func (l *lens) GetFrame() ([]byte, uint32, error) {
	if l.lie != nil {
		if l.lies++; l.lies > 100_000 {
			return nil, 0, unix.ENODEV // whoever asks so often never came back
		}
		return l.lie()
	}
	if l.err != nil {
		return nil, 0, l.err
	}
	i := l.ready[0]
	l.ready = l.ready[1:]
	l.taken++
	return l.buf[i], i, nil
}
func (l *lens) ReleaseFrame(i uint32) error {
	for _, b := range l.buf[i] {
		if b != 0 {
			return errors.New("a buffer was given back with pixels in it")
		}
	}
	l.free = append(l.free, i)
	return nil
}
func (l *lens) Close() error { l.closed = true; return nil }

func TestFrames(t *testing.T) {
	for code, want := range map[string]struct {
		f         hal.PixelFormat
		stride, n int
	}{"YUYV": {hal.PixelYUYV, 128, 128 * 48}, "NV12": {hal.PixelNV12, 64, 64 * 72}, "RGB3": {hal.PixelRGB, 192, 192 * 48}, "GREY": {hal.PixelGrey, 64, 64 * 48}} {
		synctest.Test(t, func(t *testing.T) {
			l := newLens(code, 64, 48)
			c, err := start(l, Options{Width: 64, Height: 48, FPS: 30, Grey: true})
			if err != nil {
				t.Fatal(err)
			}
			var f hal.Frame
			var prev byte
			for i := range 10 {
				if err := c.Next(context.Background(), &f); err != nil {
					t.Fatal(err)
				}
				if f.Format != want.f || f.Stride != want.stride || len(f.Pix) != want.n || f.Seq != uint32(i+1) {
					t.Fatalf("%s: %v %d %d seq %d", code, f.Format, f.Stride, len(f.Pix), f.Seq)
				}
				if f.Pix[0] != prev+1 {
					t.Fatalf("frame %d after %d", f.Pix[0], prev)
				}
				prev = f.Pix[0]
			}
			// After a pause, the present is delivered and not what waited.
			time.Sleep(5 * time.Second)
			before := l.next
			if err := c.Next(context.Background(), &f); err != nil {
				t.Fatal(err)
			}
			if f.Pix[0] <= before+140 {
				t.Errorf("frame %d of the past", f.Pix[0])
			}
			c.Close()
			c.Close()
			if !l.closed || !errors.Is(c.Next(context.Background(), &f), hal.ErrClosed) {
				t.Error("open after Close")
			}
		})
	}
}

// F-14: hung and unplugged are told apart, each within a second.
func TestF14HungAndLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLens("YUYV", 64, 48)
		c, err := start(l, Options{Width: 64, Height: 48})
		if err != nil {
			t.Fatal(err)
		}
		var f hal.Frame
		if err := c.Next(context.Background(), &f); err != nil {
			t.Fatal(err)
		}
		l.hang = true
		began := time.Now()
		if err := c.Next(context.Background(), &f); !errors.Is(err, hal.ErrTimeout) || errors.Is(err, hal.ErrLost) || time.Since(began) > 1100*time.Millisecond {
			t.Error(err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := c.Next(ctx, &f); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		l.err = unix.ENODEV
		for range 2 {
			if err := c.Next(context.Background(), &f); !errors.Is(err, hal.ErrLost) {
				t.Error(err)
			}
		}
		for _, b := range f.Pix {
			if b != 0 {
				t.Fatal("pixels left after a loss")
			}
		}
		done := make(chan error)
		l.err, c.lost = nil, nil
		go func() { done <- c.Next(context.Background(), &f) }()
		synctest.Wait()
		c.Close()
		if err := <-done; !errors.Is(err, hal.ErrClosed) {
			t.Error(err)
		}
	})
}

// F-14: a process that slept for longer than a camera may be silent looks once more before it says that it hangs.
func TestF14SlowHostIsNoHungCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLens("YUYV", 64, 48)
		c, err := start(l, Options{Width: 64, Height: 48})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		l.nap = 3 * silence
		var f hal.Frame
		for range 5 {
			if err := c.Next(context.Background(), &f); err != nil {
				t.Fatal(err)
			}
		}
		l.hang = true
		if err := c.Next(context.Background(), &f); !errors.Is(err, hal.ErrTimeout) {
			t.Error(err)
		}
	})
}

func TestStartRefuses(t *testing.T) {
	virtual := newLens("YUYV", 64, 48)
	virtual.name = "vivid-000-vid-cap"
	for name, c := range map[string]struct {
		l *lens
		o Options
	}{
		"X-08 virtual":   {virtual, Options{Width: 64, Height: 48, RefuseVirtual: true}},
		"size":           {newLens("YUYV", 64, 48), Options{Width: 640, Height: 480}},
		"no size":        {newLens("YUYV", 64, 48), Options{}},
		"compressed":     {newLens("MJPG", 64, 48), Options{Width: 64, Height: 48}},
		"without colour": {newLens("GREY", 64, 48), Options{Width: 64, Height: 48}},
		"format":         {newLens("H264", 64, 48), Options{Width: 64, Height: 48}},
	} {
		if _, err := start(c.l, c.o); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if c.l.started {
			t.Errorf("%s: the stream was started", name)
		}
	}
	if _, err := Open(Options{Device: "/dev/no-such-video", Width: 64, Height: 48}); !errors.Is(err, hal.ErrLost) {
		t.Error(err)
	}
}

func TestConformance(t *testing.T) {
	haltest.Camera(t, func(t *testing.T) haltest.CameraBench {
		l := newLens("YUYV", 64, 48)
		c, err := start(l, Options{Width: 64, Height: 48})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return haltest.CameraBench{Camera: c, Freeze: func() { l.hang = true }, Unplug: func() { l.err = unix.ENODEV }}
	})
}

// C-11: drivers that lie. A queue that never runs empty, frames that are always broken, cut short or of another size: each
// call comes back by its deadline, nothing but a whole frame is delivered, and a camera that is there is not lost.
func TestC11HostileDriver(t *testing.T) {
	whole := 64 * 48 * 2
	for name, c := range map[string]struct {
		lie  func(l *lens) func() ([]byte, uint32, error)
		want error
	}{
		"flood": {func(l *lens) func() ([]byte, uint32, error) {
			return func() ([]byte, uint32, error) { return l.buf[0], 0, nil }
		}, nil},
		"garbage: every frame is broken": {func(*lens) func() ([]byte, uint32, error) {
			return func() ([]byte, uint32, error) { return nil, 0, unix.EIO }
		}, hal.ErrTimeout},
		"half frames": {func(l *lens) func() ([]byte, uint32, error) {
			return func() ([]byte, uint32, error) { return l.buf[0][:whole/2], 0, nil }
		}, hal.ErrTimeout},
		"empty frames": {func(l *lens) func() ([]byte, uint32, error) {
			return func() ([]byte, uint32, error) { return l.buf[0][:0], 0, nil }
		}, hal.ErrTimeout},
		"wrong sizes": {func(l *lens) func() ([]byte, uint32, error) {
			n := 0
			return func() ([]byte, uint32, error) { n += 97; return l.buf[0][:n%whole], 0, nil }
		}, hal.ErrTimeout},
		"late: there is one, says the driver, and none comes": {func(*lens) func() ([]byte, uint32, error) {
			return func() ([]byte, uint32, error) { return nil, 0, unix.EAGAIN }
		}, hal.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			haltest.Leaks(t)
			synctest.Test(t, func(t *testing.T) {
				l := newLens("YUYV", 64, 48)
				cam, err := start(l, Options{Width: 64, Height: 48})
				if err != nil {
					t.Fatal(err)
				}
				defer cam.Close()
				var f hal.Frame
				if err := cam.Next(t.Context(), &f); err != nil {
					t.Fatal(err)
				}
				l.lie = c.lie(l)
				began := time.Now()
				if err := cam.Next(t.Context(), &f); !errors.Is(err, c.want) || errors.Is(err, hal.ErrLost) || time.Since(began) > silence+2*look {
					t.Errorf("%v after %v, want %v", err, time.Since(began), c.want)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				began = time.Now()
				if err := cam.Next(ctx, &f); c.want != nil && !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 150*time.Millisecond {
					t.Errorf("%v after %v with a deadline of 50 ms", err, time.Since(began))
				}
				l.lie, l.since = nil, time.Now() // it has come to its senses
				for i := 0; ; i++ {
					if err := cam.Next(t.Context(), &f); err == nil {
						break
					} else if i > 3 || errors.Is(err, hal.ErrLost) {
						t.Fatalf("back in order: %v", err)
					}
				}
			})
		})
	}
}

// Compressed pictures are taken where they are allowed, and such as begin like none are left out (F-14).
func TestF14Compressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLens("MJPG", 64, 48)
		l.head = []byte{0xFF, 0xD8, 0xFF, 0xE0}
		c, err := start(l, Options{Width: 64, Height: 48, MJPEG: true, Grey: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if f, w, h := c.Format(); f != hal.PixelMJPEG || w != 64 || h != 48 {
			t.Errorf("%d, %d x %d", f, w, h)
		}
		var f hal.Frame
		for range 5 {
			if err := c.Next(t.Context(), &f); err != nil || f.Format != hal.PixelMJPEG || f.Stride != len(f.Pix) || f.Pix[0] != 0xFF || f.Pix[100]%2 != 0 {
				t.Fatalf("%v: % x…", err, f.Pix[:4])
			}
		}
	})
}

// A padded row, and a frame that the driver cut short.
func TestStride(t *testing.T) {
	c := &Camera{format: hal.PixelYUYV, bits: 16, w: 60, h: 4}
	var f hal.Frame
	if !c.copy(&f, make([]byte, 128*4)) || f.Stride != 128 {
		t.Error(f.Stride)
	}
	if c.copy(&f, make([]byte, 100)) {
		t.Error("half a frame was delivered")
	}
}

// A real camera, or the kernel's vivid.
func TestKernelCamera(t *testing.T) {
	dev := os.Getenv("EGATE_TEST_CAMERA")
	if dev == "" {
		t.Skip("SKIP: EGATE_TEST_CAMERA names no device: Video4Linux itself is NOT tested here")
	}
	c, err := Open(Options{Device: dev, Width: 640, Height: 480})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var f hal.Frame
	for range 10 {
		if err := c.Next(context.Background(), &f); err != nil {
			t.Fatal(err)
		}
	}
}

// F-14: exposure, gain and focus are set in the order of the configuration and must be kept; a camera that takes
// something else is refused.
func TestF14ControlsAreLocked(t *testing.T) {
	var opt Options
	opt.Width, opt.Height = 64, 48
	for _, x := range []struct {
		name string
		v    int32
	}{{"exposure_auto", 1}, {"exposure_time_absolute", 200}, {"gain", 40}, {"focus_automatic_continuous", 0}, {"focus_absolute", 30}} {
		id, ok := ControlID(x.name)
		if !ok {
			t.Fatal(x.name)
		}
		opt.Controls = append(opt.Controls, Control{id, x.v})
	}
	l := newLens("YUYV", 64, 48)
	if _, err := start(l, opt); err != nil {
		t.Fatal(err)
	}
	for i, x := range opt.Controls {
		if l.order[i] != x.ID || l.set[x.ID] != x.Value {
			t.Errorf("set %v, want %v", l.order, opt.Controls)
		}
	}
	l = newLens("YUYV", 64, 48)
	l.most = 100
	if _, err := start(l, opt); err == nil || l.started {
		t.Errorf("a camera that did not take its exposure: %v, started %v", err, l.started)
	}
	if _, ok := ControlID("zoom"); ok {
		t.Error("a control without use")
	}
}
