// Package exposure watches the light in a camera's pictures (F-14): one on which nothing can be seen for a second is
// a fault of the camera or its lamp, not of the person before it.
package exposure

import (
	"context"
	"fmt"
	"time"

	"egate/hal"
)

const (
	// lasting is how long pictures must be black or white. A lamp of a light challenge is shorter.
	lasting = time.Second
	// A picture is black or white when so much of it is: a face before a dark wall is neither.
	share = 0.97
	// dark and bright are limits of luminance, 0 to 255: full range as UVC cameras send it, and video range (16 to
	// 235) with a margin for noise.
	dark   = 22
	bright = 233
	// step samples every 16th pixel in a row and row.
	step = 16
)

// Watch is a camera whose Next fails with hal.ErrBlack or hal.ErrOverexposed after a second of such pictures, and
// goes on when they are good again. Compressed pictures are passed on unseen: whoever decodes them is below.
func Watch(c hal.Camera) hal.Camera { return &watched{Camera: c} }

type watched struct {
	hal.Camera
	bad   error
	since time.Duration // of the device
}

// Next implements hal.Camera.
func (w *watched) Next(ctx context.Context, f *hal.Frame) error {
	if err := w.Camera.Next(ctx, f); err != nil {
		w.bad = nil
		return err
	}
	bad := Judge(f)
	if bad == nil || bad != w.bad {
		w.bad, w.since = bad, f.At
		return nil
	}
	if f.At-w.since < lasting {
		return nil
	}
	clear(f.Pix)
	return fmt.Errorf("exposure: for %v: %w", lasting, bad)
}

// Judge tells whether one picture is black (hal.ErrBlack) or white (hal.ErrOverexposed); nil for neither.
func Judge(f *hal.Frame) error {
	size, at := 1, 0 // bytes of a pixel, and where its luminance stands
	switch f.Format {
	case hal.PixelYUYV:
		size = 2
	case hal.PixelRGB:
		size, at = 3, 1 // green is most of it
	case hal.PixelNV12, hal.PixelGrey:
	default:
		return nil
	}
	n, black, white := 0, 0, 0
	for y := 0; y < f.Height; y += step {
		for x := 0; x < f.Width; x += step {
			i := y*f.Stride + x*size + at
			if i >= len(f.Pix) {
				break
			}
			n++
			switch v := f.Pix[i]; {
			case v <= dark:
				black++
			case v >= bright:
				white++
			}
		}
	}
	switch {
	case n == 0:
		return nil
	case float64(black) >= share*float64(n):
		return hal.ErrBlack
	case float64(white) >= share*float64(n):
		return hal.ErrOverexposed
	}
	return nil
}
