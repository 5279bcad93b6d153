// Package v4l2 reads a camera through Video4Linux (github.com/blackjack/webcam) as hal.Camera.
//
// Nothing is captured before Open nor after Close (DP-06): Open starts the stream, Close ends it, and the
// driver's buffers are wiped as soon as a frame has been copied out.
package v4l2

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"egate/hal"
)

const (
	// buffers is how many frames the driver fills ahead. Two are enough to lose none at 30/s; four
	// ride out a scheduler's pause of 100 ms.
	buffers = 4
	// look is how often a waiting Next looks for a frame: it bounds latency and the answer to a
	// cancelled context. The library's own wait counts in seconds.
	look = 2 * time.Millisecond
	// stale is how long a reader may stay away before what waits in the buffers counts as the past.
	stale = 200 * time.Millisecond
	// silence is how long a camera may send nothing before it counts as hung (F-14: 1 s).
	silence = time.Second
	// maxSide caps a frame size that a driver announces.
	maxSide = 8192
)

// fourcc codes of formats that we take, best first: uncompressed colour.
var formats = []struct {
	code   webcam.PixelFormat
	format hal.PixelFormat
	bits   int // per pixel, over all planes
}{
	{fourcc("YUYV"), hal.PixelYUYV, 16},
	{fourcc("NV12"), hal.PixelNV12, 12},
	{fourcc("RGB3"), hal.PixelRGB, 24},
	{fourcc("MJPG"), hal.PixelMJPEG, 0},
	{fourcc("GREY"), hal.PixelGrey, 8},
}

func fourcc(s string) webcam.PixelFormat {
	return webcam.PixelFormat(uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24)
}

// Options choose the picture.
type Options struct {
	Device        string // a path, better one under /dev/v4l/by-path
	Width, Height int
	FPS           int // 0 leaves the driver's
	// MJPEG allows compressed frames where the camera offers the size in no other format.
	MJPEG bool
	// Grey allows a camera without colour.
	Grey bool
	// RefuseVirtual refuses a camera that is a driver in the kernel and no device.
	RefuseVirtual bool
	// Controls are set after the format, in this order, and must then read back as set: exposure, gain, focus and
	// white balance are locked, so that pictures of one gate are alike. What sets itself is switched off first.
	Controls []Control
}

// Control is a control of a camera by its V4L2 number.
type Control struct {
	ID    uint32
	Value int32
}

// ControlID finds the number of a control by its name here; ok is false for a name that is none.
func ControlID(name string) (id uint32, ok bool) { id, ok = controls[name]; return id, ok }

// controls of linux/v4l2-controls.h that a gate locks.
var controls = map[string]uint32{
	"brightness": 0x00980900, "contrast": 0x00980901, "saturation": 0x00980902, "white_balance_automatic": 0x0098090c, "gain": 0x00980913,
	"power_line_frequency": 0x00980918, "white_balance_temperature": 0x0098091a, "sharpness": 0x0098091b, "backlight_compensation": 0x0098091c,
	"exposure_auto": 0x009a0901, "exposure_time_absolute": 0x009a0902, "focus_absolute": 0x009a090a, "focus_automatic_continuous": 0x009a090c,
}

// device is the part of the library that is used.
type device interface {
	GetName() (string, error)
	GetBusInfo() (string, error)
	GetSupportedFormats() map[webcam.PixelFormat]string
	GetSupportedFrameSizes(webcam.PixelFormat) []webcam.FrameSize
	SetImageFormat(f webcam.PixelFormat, width, height uint32) (webcam.PixelFormat, uint32, uint32, error)
	SetFramerate(float32) error
	SetControl(webcam.ControlID, int32) error
	GetControl(webcam.ControlID) (int32, error)
	SetBufferCount(uint32) error
	StartStreaming() error
	WaitForFrame(timeout uint32) error
	GetFrame() ([]byte, uint32, error)
	ReleaseFrame(uint32) error
	Close() error
}

// Camera is an open camera.
type Camera struct {
	name, bus string
	format    hal.PixelFormat
	bits      int
	w, h      int
	start     time.Time

	closed atomic.Bool
	done   chan struct{} // closed with closed
	mu     sync.Mutex
	dev    device
	seq    uint32
	last   time.Time // of the last frame taken
	lost   error
}

var _ hal.Camera = (*Camera)(nil)

// Open opens a camera and starts its stream.
func Open(opt Options) (*Camera, error) {
	d, err := webcam.Open(opt.Device)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("v4l2: %s is in use: %w", opt.Device, err)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("v4l2: %s: %w: %w", opt.Device, hal.ErrLost, err)
	case err != nil:
		return nil, fmt.Errorf("v4l2: %s: %w", opt.Device, err)
	}
	c, err := start(d, opt)
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("v4l2: %s: %w", opt.Device, err)
	}
	return c, nil
}

func start(d device, opt Options) (*Camera, error) {
	if opt.Width < 1 || opt.Height < 1 || opt.Width > maxSide || opt.Height > maxSide {
		return nil, fmt.Errorf("frame of %d × %d", opt.Width, opt.Height)
	}
	c := &Camera{dev: d, start: time.Now(), done: make(chan struct{})}
	c.name, _ = d.GetName()
	c.bus, _ = d.GetBusInfo()
	if opt.RefuseVirtual && Virtual(c.name, c.bus) {
		return nil, fmt.Errorf("%q is a virtual camera: a gate in service has a real one", c.name)
	}
	offered := d.GetSupportedFormats()
	found := false
	for _, f := range formats {
		if _, ok := offered[f.code]; !ok || f.format == hal.PixelMJPEG && !opt.MJPEG || f.format == hal.PixelGrey && !opt.Grey {
			continue
		}
		if !fits(d.GetSupportedFrameSizes(f.code), uint32(opt.Width), uint32(opt.Height)) {
			continue
		}
		code, w, h, err := d.SetImageFormat(f.code, uint32(opt.Width), uint32(opt.Height))
		if err != nil {
			return nil, fmt.Errorf("set format: %w", err)
		}
		// A driver may take something else than it was asked for.
		if code != f.code || w != uint32(opt.Width) || h != uint32(opt.Height) {
			continue
		}
		c.format, c.bits, c.w, c.h, found = f.format, f.bits, int(w), int(h), true
		break
	}
	if !found {
		var names []string
		for _, n := range offered {
			names = append(names, n)
		}
		return nil, fmt.Errorf("no format of ours at %d × %d; the camera offers %s", opt.Width, opt.Height, strings.Join(names, ", "))
	}
	if opt.FPS > 0 {
		if err := d.SetFramerate(float32(opt.FPS)); err != nil && !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.EINVAL) {
			return nil, fmt.Errorf("set frame rate: %w", err)
		}
	}
	for _, x := range opt.Controls {
		if err := d.SetControl(webcam.ControlID(x.ID), x.Value); err != nil {
			return nil, fmt.Errorf("control %#x: %w", x.ID, err)
		}
	}
	// Once all are set: one that sets itself would have changed another by now.
	for _, x := range opt.Controls {
		if v, err := d.GetControl(webcam.ControlID(x.ID)); err != nil {
			return nil, fmt.Errorf("control %#x: %w", x.ID, err)
		} else if v != x.Value {
			return nil, fmt.Errorf("control %#x is %d after it was set to %d: out of range, or the camera sets it itself", x.ID, v, x.Value)
		}
	}
	if err := d.SetBufferCount(buffers); err != nil {
		return nil, fmt.Errorf("buffers: %w", err)
	}
	if err := d.StartStreaming(); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	c.last = time.Now()
	return c, nil
}

// Virtual tells the kernel's cameras without a lens by name and bus. A name can be chosen by whoever loads
// v4l2loopback, its bus cannot.
func Virtual(name, bus string) bool {
	for _, s := range []string{name, bus} {
		s = strings.ToLower(s)
		for _, v := range []string{"vivid", "v4l2loopback", "v4l2 loopback", "vim2m", "vimc", "dummy video"} {
			if strings.Contains(s, v) {
				return true
			}
		}
	}
	return false
}

func fits(sizes []webcam.FrameSize, w, h uint32) bool {
	in := func(v, lo, hi, step uint32) bool {
		return v == lo || v >= lo && v <= hi && (step <= 1 && lo != hi || step > 1 && (v-lo)%step == 0)
	}
	for _, s := range sizes {
		if in(w, s.MinWidth, s.MaxWidth, s.StepWidth) && in(h, s.MinHeight, s.MaxHeight, s.StepHeight) {
			return true
		}
	}
	return false
}

// Name and bus of the camera, for binding it at commissioning.
func (c *Camera) Name() (name, bus string) { return c.name, c.bus }

// Format is what Next delivers.
func (c *Camera) Format() (f hal.PixelFormat, width, height int) { return c.format, c.w, c.h }

// Next implements hal.Camera. It delivers the newest frame. A camera that sends nothing for a second
// gives hal.ErrTimeout; one that is gone hal.ErrLost.
func (c *Camera) Next(ctx context.Context, f *hal.Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := time.Now()
	old := began.Sub(c.last) > stale
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		switch {
		case c.closed.Load():
			return hal.ErrClosed
		case c.lost != nil:
			return c.lost
		case ctx.Err() != nil:
			return ctx.Err()
		}
		over := time.Since(began) > silence // before the look: a process that was woken late looks once more
		got, err := c.take(f, old)
		switch {
		case err != nil:
			clear(f.Pix)
			c.lost = fmt.Errorf("v4l2: %w: %w", hal.ErrLost, err)
			return c.lost
		case got:
			return nil
		}
		old = false
		if over {
			return fmt.Errorf("v4l2: no frame for %v: %w", silence, hal.ErrTimeout)
		}
		select {
		case <-tick.C:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}

// take empties the queue and copies the last frame of it, none when drop.
func (c *Camera) take(f *hal.Frame, drop bool) (bool, error) {
	var pix []byte
	var held uint32
	// No more than are there when it is asked: a driver whose queue never runs empty, or that is broken for good and says
	// so for every frame, must not keep the caller beyond his deadline.
	for range 2 * buffers {
		err := c.dev.WaitForFrame(0)
		if _, none := err.(*webcam.Timeout); none {
			break
		}
		if err != nil {
			return false, err
		}
		b, i, err := c.dev.GetFrame()
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if errors.Is(err, unix.EIO) {
			continue // the driver dropped this one; a camera that is gone says ENODEV
		}
		if err != nil {
			return false, err
		}
		c.seq++
		c.last = time.Now()
		if pix != nil {
			clear(pix)
			if err := c.dev.ReleaseFrame(held); err != nil {
				return false, err
			}
		}
		pix, held = b, i
	}
	if pix == nil {
		return false, nil
	}
	ok := !drop && c.copy(f, pix)
	clear(pix)
	return ok, c.dev.ReleaseFrame(held)
}

// copy writes a frame, unless the driver delivered less than its format needs.
func (c *Camera) copy(f *hal.Frame, pix []byte) bool {
	stride, rows := len(pix), 1
	switch c.format {
	case hal.PixelMJPEG:
		if len(pix) < 4 || pix[0] != 0xFF || pix[1] != 0xD8 {
			return false
		}
	case hal.PixelNV12:
		rows = c.h + (c.h+1)/2
		stride = max(len(pix)/rows, c.w)
	default:
		rows = c.h
		stride = max(len(pix)/rows, c.w*c.bits/8)
	}
	if len(pix) < stride*rows {
		return false
	}
	n := stride * rows
	if cap(f.Pix) < n {
		clear(f.Pix[:cap(f.Pix)])
		f.Pix = make([]byte, n)
	}
	f.Pix = f.Pix[:n]
	copy(f.Pix, pix)
	f.Format, f.Width, f.Height, f.Stride = c.format, c.w, c.h, stride
	f.Seq, f.At = c.seq, time.Since(c.start)
	return true
}

// Close implements hal.Camera. It waits for a running Next, which ends at once.
func (c *Camera) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	close(c.done)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dev.Close()
}
