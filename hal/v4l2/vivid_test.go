package v4l2

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/blackjack/webcam"

	"egate/hal"
	"egate/hal/haltest"
)

// The tests of this file run against Video4Linux itself with the kernel's virtual camera, vivid: `make hil` boots
// a kernel that has it.

// Controls of vivid that make it fail (drivers/media/test-drivers/vivid/vivid-ctrls.c).
const (
	vividDropped    webcam.ControlID = 0xf0f040 // per cent
	vividDisconnect webcam.ControlID = 0xf0f041 // until the last handle is closed
)

// vivid is the path of the camera.
func vivid(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/sys/bus/platform/drivers/vivid"); err != nil {
		t.Skip("SKIP: this kernel has no vivid: Video4Linux itself is NOT tested here (make hil)")
	}
	names, err := filepath.Glob("/sys/class/video4linux/video*/name")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "vid-cap") {
			dev := filepath.Join("/dev", filepath.Base(filepath.Dir(n)))
			control(t, dev, vividDropped, 0)
			return dev
		}
	}
	t.Fatalf("no camera among %q", names)
	return ""
}

// patience bounds a wait on a slow machine.
const patience = time.Minute

// next is the next frame, from a machine that may stand still for longer than the silence of a camera that hangs.
func next(t *testing.T, c *Camera, f *hal.Frame) {
	t.Helper()
	for begin := time.Now(); ; {
		err := c.Next(within(t), f)
		if err == nil {
			return
		}
		if !errors.Is(err, hal.ErrTimeout) || time.Since(begin) > patience {
			t.Fatal(err)
		}
	}
}

// control sets a control from another handle, as a hand at the cable does.
func control(t *testing.T, dev string, id webcam.ControlID, v int32) {
	t.Helper()
	c, err := webcam.Open(dev)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetControl(id, v); err != nil {
		t.Fatal(err)
	}
}

// Every format of ours at every size that matters: whole frames, in order, with a picture in them.
func TestKernelFormats(t *testing.T) {
	dev := vivid(t)
	all := formats
	t.Cleanup(func() { formats = all })
	for _, f := range all {
		if f.format == hal.PixelMJPEG {
			continue // vivid has no compressed frames
		}
		formats = []struct {
			code   webcam.PixelFormat
			format hal.PixelFormat
			bits   int
		}{f}
		for _, size := range [][2]int{{320, 180}, {640, 360}, {1280, 720}, {1920, 1080}} {
			c, err := Open(Options{Device: dev, Width: size[0], Height: size[1], Grey: true})
			if err != nil {
				t.Errorf("format %d at %v: %v", f.format, size, err)
				continue
			}
			var fr hal.Frame
			for i := range 5 {
				was := fr
				next(t, c, &fr)
				if fr.Format != f.format || fr.Width != size[0] || fr.Height != size[1] || len(fr.Pix) < size[0]*size[1]*f.bits/8 || fr.Seq <= was.Seq {
					t.Errorf("format %d at %v: frame %d is %d × %d of format %d, %d bytes, number %d after %d", f.format, size, i, fr.Width, fr.Height, fr.Format, len(fr.Pix), fr.Seq, was.Seq)
				}
				// The pattern has bars of colours: no two of its quarters are alike.
				row := fr.Pix[fr.Stride*(fr.Height/2):][:fr.Stride]
				if bytes.Equal(row[:fr.Stride/4], row[fr.Stride/4:][:fr.Stride/4]) {
					t.Errorf("format %d at %v: no picture", f.format, size)
				}
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// F-14: frames that the driver drops are no fault; a camera that drops all of them is hung, and lives again.
func TestF14KernelDroppedFrames(t *testing.T) {
	dev := vivid(t)
	c, err := Open(Options{Device: dev, Width: 640, Height: 360})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var f hal.Frame
	control(t, dev, vividDropped, 60)
	for range 20 {
		next(t, c, &f)
	}
	control(t, dev, vividDropped, 100)
	for begin := time.Now(); err == nil && time.Since(begin) < patience; { // what waits in the buffers comes first
		err = c.Next(within(t), &f)
	}
	if !errors.Is(err, hal.ErrTimeout) || errors.Is(err, hal.ErrLost) {
		t.Errorf("a camera that sends nothing: %v", err)
	}
	control(t, dev, vividDropped, 0)
	for range 5 {
		next(t, c, &f)
	}
}

// F-14, C-11: a camera that is unplugged is lost, leaves no pixels, and is opened again when it is back, without a
// descriptor left behind.
func TestF14KernelUnplugged(t *testing.T) {
	dev := vivid(t)
	before := descriptors(t)
	for round := range 5 {
		c, err := Open(Options{Device: dev, Width: 640, Height: 360})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		var f hal.Frame
		for range 3 {
			next(t, c, &f)
		}
		control(t, dev, vividDisconnect, 1)
		for err = nil; err == nil || errors.Is(err, hal.ErrTimeout); { // frames that were under way
			err = c.Next(within(t), &f)
		}
		if !errors.Is(err, hal.ErrLost) {
			t.Errorf("round %d: unplugged: %v", round, err)
		}
		if len(bytes.Trim(f.Pix, "\x00")) != 0 {
			t.Error("pixels left after a loss")
		}
		if _, err := Open(Options{Device: dev, Width: 640, Height: 360}); !errors.Is(err, hal.ErrLost) {
			t.Errorf("round %d: opened while it is gone: %v", round, err)
		}
		_ = c.Close() // what it says of a device that is gone is of no use
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	l, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(l)
}

// in service a virtual camera is refused by what the kernel says of it.
func TestX08KernelVirtualCameraRefused(t *testing.T) {
	if _, err := Open(Options{Device: vivid(t), Width: 640, Height: 360, RefuseVirtual: true}); err == nil || !strings.Contains(err.Error(), "virtual") {
		t.Error(err)
	}
}

func TestKernelConformance(t *testing.T) {
	vivid(t)
	haltest.Camera(t, func(t *testing.T) haltest.CameraBench {
		dev := vivid(t)
		c, err := Open(Options{Device: dev, Width: 320, Height: 180})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return haltest.CameraBench{Camera: c, Freeze: func() {
			control(t, dev, vividDropped, 100)
			for err := error(nil); err == nil; { // what waits in the buffers
				err = c.Next(within(t), new(hal.Frame))
			}
		}, Unplug: func() { control(t, dev, vividDisconnect, 1) }}
	})
}
