package decoder

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"math"
)

// decodeTool decodes a picture of a tool (Worker.DecodeFile).
func decodeTool(file []byte) (*Image, error) {
	if bytes.HasPrefix(file, []byte("\x89PNG\r\n\x1a\n")) {
		c, err := png.DecodeConfig(bytes.NewReader(file))
		if err != nil {
			return nil, ErrBroken
		}
		if err := toolSize(c.Width, c.Height, MaxToolPixels); err != nil {
			return nil, err
		}
		src, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			return nil, ErrBroken
		}
		return shrink(src), nil
	}
	h, err := look(file)
	switch {
	case errors.Is(err, errUnknown):
		return nil, ErrFormat
	case err != nil:
		// The header of a JPEG 2000 file is refused for its size before its size is told.
		if h.format != formatJPEG && promisesTooMuch(file) {
			return nil, ErrTooLarge
		}
		return nil, ErrBroken
	case h.format != formatJPEG:
		if err := toolSize(h.w, h.h, MaxPixels); err != nil {
			return nil, err
		}
		m, err := openjpeg(file, h.format == formatJP2)
		if err != nil {
			return nil, ErrBroken
		}
		return m, nil
	}
	if err := toolSize(h.w, h.h, MaxToolPixels); err != nil {
		return nil, err
	}
	if h.w*h.h*h.scans > maxToolWork {
		return nil, ErrTooLarge
	}
	src, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil || src.Bounds().Dx() != h.w || src.Bounds().Dy() != h.h {
		return nil, ErrBroken
	}
	return shrink(src).upright(h.orientation), nil
}

func toolSize(w, h, pixels int) error {
	if w < 1 || h < 1 {
		return ErrBroken
	}
	if w > MaxToolSide || h > MaxToolSide || w*h > pixels {
		return ErrTooLarge
	}
	return nil
}

// promisesTooMuch tells whether a JPEG 2000 file claims a side beyond the limit.
func promisesTooMuch(file []byte) bool {
	code := file
	if bytes.HasPrefix(file, magicJP2) {
		var err error
		if code, err = codestream(file); err != nil {
			return false
		}
	}
	if !bytes.HasPrefix(code, magicJ2K) || len(code) < 4+2+36 {
		return false
	}
	side := func(at int) int64 {
		b := code[4+at:]
		return int64(b[0])<<24 | int64(b[1])<<16 | int64(b[2])<<8 | int64(b[3])
	}
	return side(4)-side(12) > MaxSide || side(8)-side(16) > MaxSide
}

// shrink makes RGB of a picture. One of more than MaxPixels is averaged over squares of whole pixels, so
// that it fits; what does not fill a square at the right and below is left out.
func shrink(src image.Image) *Image {
	b := src.Bounds()
	k := max(1, int(math.Ceil(math.Sqrt(float64(b.Dx()*b.Dy())/MaxPixels))), (max(b.Dx(), b.Dy())+MaxSide-1)/MaxSide)
	m := &Image{W: b.Dx() / k, H: b.Dy() / k}
	if m.W < 1 || m.H < 1 {
		m.W, m.H = max(1, m.W), max(1, m.H)
	}
	m.Pix = make([]byte, 3*m.W*m.H)
	if k == 1 {
		at := sampler(src)
		i := 0
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				m.Pix[i], m.Pix[i+1], m.Pix[i+2] = at(x, y)
				i += 3
			}
		}
		return m
	}
	at := sampler(src)
	i := 0
	for y := range m.H {
		for x := range m.W {
			var sum [3]uint32
			n := uint32(0)
			for dy := range k {
				for dx := range k {
					px, py := b.Min.X+x*k+dx, b.Min.Y+y*k+dy
					if px >= b.Max.X || py >= b.Max.Y {
						continue
					}
					r, g, bl := at(px, py)
					sum[0] += uint32(r)
					sum[1] += uint32(g)
					sum[2] += uint32(bl)
					n++
				}
			}
			for c := range 3 {
				m.Pix[i+c] = byte((sum[c] + n/2) / n)
			}
			i += 3
		}
	}
	return m
}

// sampler reads pixels of the usual kinds of pictures without a call through an interface; the values
// are those of RGBA() shifted to eight bits, as everywhere here.
func sampler(src image.Image) func(x, y int) (r, g, b byte) {
	switch s := src.(type) {
	case *image.YCbCr:
		return func(x, y int) (byte, byte, byte) {
			yy, ci := s.YOffset(x, y), s.COffset(x, y)
			r, g, b := ycc(s.Y[yy], s.Cb[ci], s.Cr[ci])
			return r, g, b
		}
	case *image.Gray:
		return func(x, y int) (byte, byte, byte) {
			v := s.Pix[s.PixOffset(x, y)]
			return v, v, v
		}
	case *image.Gray16: // the higher byte comes first
		return func(x, y int) (byte, byte, byte) {
			v := s.Pix[s.PixOffset(x, y)]
			return v, v, v
		}
	case *image.RGBA64:
		return func(x, y int) (byte, byte, byte) {
			p := s.Pix[s.PixOffset(x, y):]
			return p[0], p[2], p[4]
		}
	case *image.RGBA:
		return func(x, y int) (byte, byte, byte) {
			p := s.Pix[s.PixOffset(x, y):]
			return p[0], p[1], p[2]
		}
	case *image.NRGBA:
		return func(x, y int) (byte, byte, byte) {
			p := s.Pix[s.PixOffset(x, y):]
			a := uint32(p[3]) * 0x101
			over := func(v byte) byte { return byte(uint32(v) * 0x101 * a / 0xffff >> 8) }
			return over(p[0]), over(p[1]), over(p[2])
		}
	}
	return func(x, y int) (byte, byte, byte) {
		r, g, b, _ := src.At(x, y).RGBA()
		return byte(r >> 8), byte(g >> 8), byte(b >> 8)
	}
}

// ycc is color.YCbCr.RGBA to eight bits.
func ycc(y, cb, cr byte) (byte, byte, byte) {
	yy := int32(y) * 0x10101
	b1, r1 := int32(cb)-128, int32(cr)-128
	lim := func(v int32) byte {
		if v>>8 < 0 {
			return 0
		}
		if v>>16 > 255 {
			return 255
		}
		return byte(v >> 16)
	}
	return lim(yy + 91881*r1), lim(yy - 22554*b1 - 46802*r1), lim(yy + 116130*b1)
}
