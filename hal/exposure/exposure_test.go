package exposure

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"egate/hal"
	"egate/hal/haltest"
	"egate/hal/simhal"
)

// The conformance suite: whatever is looked through a watch is a camera still.
func TestConformance(t *testing.T) {
	haltest.Camera(t, func(t *testing.T) haltest.CameraBench {
		path := filepath.Join(t.TempDir(), "camera.sock")
		s, err := simhal.NewCameraServer(path, 64, 48, 1000, func(_ time.Duration, f *hal.Frame) {
			for i := range f.Pix {
				f.Pix[i] = 120
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		c, err := simhal.DialCamera(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return haltest.CameraBench{Camera: Watch(c), Freeze: func() { s.Freeze(true) }, Unplug: s.Disconnect}
	})
}

// reel plays frames of one level each, 100 ms apart.
type reel struct {
	levels []byte
	f      hal.PixelFormat
	n      int
}

func (r *reel) Next(_ context.Context, f *hal.Frame) error {
	if r.n == len(r.levels) {
		return hal.ErrClosed
	}
	f.Format, f.Width, f.Height = r.f, 64, 48
	size := map[hal.PixelFormat]int{hal.PixelYUYV: 2, hal.PixelRGB: 3}[r.f]
	f.Stride = 64 * max(size, 1)
	if r.f == hal.PixelMJPEG {
		f.Stride = 0
	}
	f.Pix = make([]byte, f.Stride*48*3/2)
	for i := range f.Pix {
		f.Pix[i] = r.levels[r.n]
		if r.f == hal.PixelYUYV && i%2 == 1 {
			f.Pix[i] = 128 // no colour
		}
	}
	r.n++
	f.At = time.Duration(r.n) * 100 * time.Millisecond
	return nil
}
func (*reel) Close() error { return nil }

func levels(parts ...int) (out []byte) { // level, count, level, count …
	for i := 0; i < len(parts); i += 2 {
		for range parts[i+1] {
			out = append(out, byte(parts[i]))
		}
	}
	return out
}

// TestF14BlackAndOverexposed: a second of black or white pictures is a fault, in every format; a shorter one, a change
// between them, and pictures of a dark or bright room are none; when the light is back the camera is.
func TestF14BlackAndOverexposed(t *testing.T) {
	for name, c := range map[string]struct {
		levels []byte
		want   error
		at     int // frame of the first error
	}{
		"room":                 {levels(120, 40), nil, 0},
		"dark room":            {levels(40, 40), nil, 0},
		"bright room":          {levels(210, 40), nil, 0},
		"covered":              {levels(120, 5, 4, 20), hal.ErrBlack, 15},
		"covered, video range": {levels(17, 20), hal.ErrBlack, 10},
		"sun":                  {levels(255, 20), hal.ErrOverexposed, 10},
		"sun, video range":     {levels(235, 20), hal.ErrOverexposed, 10},
		"blink":                {levels(120, 5, 4, 9, 120, 1, 4, 9, 120, 5), nil, 0},
		"black to white":       {levels(4, 9, 255, 9, 4, 9), nil, 0},
	} {
		for _, f := range []hal.PixelFormat{hal.PixelYUYV, hal.PixelNV12, hal.PixelGrey, hal.PixelRGB, hal.PixelMJPEG} {
			w := Watch(&reel{levels: c.levels, f: f})
			var got error
			at := 0
			for i := 0; ; i++ {
				var fr hal.Frame
				err := w.Next(context.Background(), &fr)
				if errors.Is(err, hal.ErrClosed) {
					break
				}
				if err != nil && got == nil {
					got, at = err, i
					for _, p := range fr.Pix {
						if p != 0 {
							t.Fatalf("%s: pixels left", name)
						}
					}
				}
			}
			want, wantAt := c.want, c.at
			if f == hal.PixelMJPEG {
				want, wantAt = nil, 0
			}
			if !errors.Is(got, want) || at != wantAt {
				t.Errorf("%s, format %d: %v at frame %d, want %v at %d", name, f, got, at, want, wantAt)
			}
		}
	}
	// A face before a black wall.
	f := hal.Frame{Format: hal.PixelGrey, Width: 640, Height: 480, Stride: 640, Pix: make([]byte, 640*480)}
	for y := 100; y < 300; y++ {
		for x := 250; x < 390; x++ {
			f.Pix[y*640+x] = 150
		}
	}
	if err := Judge(&f); err != nil {
		t.Errorf("a face before a black wall: %v", err)
	}
	// Less than it says.
	f.Pix = f.Pix[:100]
	_ = Judge(&f)
}
