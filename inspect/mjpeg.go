package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"egate/hal"
	"egate/inspect/decoder"
)

// Frames decodes compressed pictures of one size: decoder.Stream, a confined child.
type Frames interface {
	// Decode writes RGB rows without gaps into pix. decoder.ErrBroken costs one picture, another error all that come.
	Decode(ctx context.Context, file, pix []byte) error
	Close() error
}

// maxBroken is for how long a camera may send nothing but broken pictures (F-14).
const maxBroken = time.Second

// Unpacked is a camera of compressed pictures (hal.PixelMJPEG) that gives them out decoded, as hal.PixelRGB. A broken
// picture, of which USB makes some, is left out; a second of them is hal.ErrTimeout, the end of the decoder hal.ErrLost.
func Unpacked(c hal.Camera, d Frames) hal.Camera { return &unpacked{Camera: c, d: d} }

type unpacked struct {
	hal.Camera
	d      Frames
	packed hal.Frame // of the goroutine that calls Next
}

// Next implements hal.Camera.
func (u *unpacked) Next(ctx context.Context, f *hal.Frame) error {
	p := &u.packed
	defer func() { clear(p.Pix[:cap(p.Pix)]) }()
	lost := func(err error) error { clear(f.Pix[:cap(f.Pix)]); return err }
	for first := time.Duration(-1); ; {
		if err := u.Camera.Next(ctx, p); err != nil {
			return lost(err)
		}
		if p.Format != hal.PixelMJPEG || p.Width < 1 || p.Height < 1 || p.Width > decoder.MaxSide || p.Height > decoder.MaxSide {
			return lost(fmt.Errorf("inspect: a picture of format %d, %d x %d from a camera that compresses: %w", p.Format, p.Width, p.Height, hal.ErrLost))
		}
		n := 3 * p.Width * p.Height
		if cap(f.Pix) < n {
			clear(f.Pix[:cap(f.Pix)])
			f.Pix = make([]byte, n)
		}
		f.Pix = f.Pix[:n]
		err := u.d.Decode(ctx, p.Pix, f.Pix)
		switch {
		case err == nil:
			f.Format, f.Width, f.Height, f.Stride, f.Seq, f.At = hal.PixelRGB, p.Width, p.Height, 3*p.Width, p.Seq, p.At
			return nil
		case ctx.Err() != nil:
			return lost(ctx.Err())
		case !errors.Is(err, decoder.ErrBroken):
			return lost(fmt.Errorf("inspect: %w: %w", hal.ErrLost, err))
		}
		if first < 0 {
			first = p.At
		}
		if p.At-first > maxBroken {
			return lost(fmt.Errorf("inspect: no whole picture for %v: %w", maxBroken, hal.ErrTimeout))
		}
	}
}

// Close implements hal.Camera.
func (u *unpacked) Close() error {
	err := u.Camera.Close() // ends a Next that waits
	return errors.Join(err, u.d.Close())
}
