package inspect_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"egate/hal"
	"egate/hal/haltest"
	"egate/hal/simhal"
	"egate/inspect"
	"egate/inspect/decoder"
)

// inProcess decodes here: the child has tests of its own.
type inProcess struct{ dead atomic.Bool }

func (d *inProcess) Decode(ctx context.Context, file, pix []byte) error {
	if d.dead.Load() {
		return decoder.ErrChild
	}
	m, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return decoder.ErrBroken
	}
	for i := range pix {
		r, _, _, _ := m.At(0, 0).RGBA()
		pix[i] = byte(r >> 8)
	}
	return ctx.Err()
}
func (d *inProcess) Close() error { d.dead.Store(true); return nil }

// F-14: a camera that compresses keeps the laws of one that does not; broken pictures are left out, for a second.
func TestF14CompressedPictures(t *testing.T) {
	var picture bytes.Buffer
	g := image.NewGray(image.Rect(0, 0, 16, 16))
	for i := range g.Pix {
		g.Pix[i] = 200
	}
	if err := jpeg.Encode(&picture, g, nil); err != nil {
		t.Fatal(err)
	}
	open := func(t *testing.T, broken func(seq uint32) bool) (*simhal.CameraServer, hal.Camera, *inProcess) {
		path := filepath.Join(t.TempDir(), "camera")
		s, err := simhal.NewCameraServer(path, 16, 16, 1000, func(_ time.Duration, f *hal.Frame) {
			f.Format, f.Pix = hal.PixelMJPEG, append(f.Pix[:0], picture.Bytes()...)
			if broken(f.Seq) {
				f.Pix = f.Pix[:len(f.Pix)/2]
			}
			f.Stride = len(f.Pix)
		})
		if err != nil {
			t.Fatal(err)
		}
		c, err := simhal.DialCamera(path)
		if err != nil {
			t.Fatal(err)
		}
		d := new(inProcess)
		u := inspect.Unpacked(c, d)
		t.Cleanup(func() { u.Close(); s.Close() })
		return s, u, d
	}
	third := func(seq uint32) bool { return seq%3 == 0 }
	haltest.Camera(t, func(t *testing.T) haltest.CameraBench {
		s, c, _ := open(t, third)
		return haltest.CameraBench{Camera: c, Freeze: func() { s.Freeze(true) }, Unplug: s.Disconnect}
	})
	_, c, d := open(t, third)
	var f hal.Frame
	for range 10 {
		if err := c.Next(t.Context(), &f); err != nil || f.Format != hal.PixelRGB || f.Stride != 48 || len(f.Pix) != 768 || f.Pix[700] < 190 {
			t.Fatalf("%v %d %d", err, f.Format, f.Stride)
		}
	}
	d.dead.Store(true)
	if err := c.Next(t.Context(), &f); !errors.Is(err, hal.ErrLost) {
		t.Errorf("a decoder that died: %v", err)
	}
	_, c, _ = open(t, func(uint32) bool { return true })
	if err := c.Next(t.Context(), &f); !errors.Is(err, hal.ErrTimeout) || errors.Is(err, hal.ErrLost) {
		t.Errorf("nothing but broken pictures: %v", err)
	}
	for _, b := range f.Pix {
		if b != 0 {
			t.Fatal("pixels left after a loss")
		}
	}
}
