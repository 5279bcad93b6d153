package run

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
)

// maxPortraitSide bounds a portrait's width and height in pixels.
const maxPortraitSide = 4096

// pixelRows is how many rows of a decoded portrait the memory scan looks for.
const pixelRows = 48

// NewPortrait makes a portrait of a JPEG file: its size, and rows of its pixels as luminance and as red,
// green and blue, the forms in which a program would hold them.
func NewPortrait(file []byte) (Portrait, error) {
	c, err := jpeg.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return Portrait{}, fmt.Errorf("run: portrait: %w", err)
	}
	if c.Width > maxPortraitSide || c.Height > maxPortraitSide {
		return Portrait{}, fmt.Errorf("run: portrait: %d x %d is larger than %d", c.Width, c.Height, maxPortraitSide)
	}
	img, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return Portrait{}, fmt.Errorf("run: portrait: %w", err)
	}
	p := Portrait{File: file, Width: c.Width, Height: c.Height}
	for y := 0; y < c.Height; y += max(1, c.Height/pixelRows) {
		rgb := make([]byte, 0, 3*c.Width)
		for x := range c.Width {
			r, g, b, _ := img.At(x, y).RGBA()
			rgb = append(rgb, byte(r>>8), byte(g>>8), byte(b>>8))
		}
		p.Rows = append(p.Rows, rgb)
		if v, ok := img.(*image.YCbCr); ok {
			p.Rows = append(p.Rows, bytes.Clone(v.Y[y*v.YStride:y*v.YStride+c.Width]))
		}
	}
	return p, nil
}
