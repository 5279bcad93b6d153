package decoder

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
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

// shrink makes RGB of a picture. One of more than MaxPixels, or with a side over MaxSide, is averaged over squares
// of two by two, which is enough for what toolSize lets through; what does not fill a square is left out.
func shrink(src image.Image) *Image {
	b := src.Bounds()
	if b.Dx()*b.Dy() <= MaxPixels && b.Dx() <= MaxSide && b.Dy() <= MaxSide {
		m := &Image{W: b.Dx(), H: b.Dy(), Pix: make([]byte, 3*b.Dx()*b.Dy())}
		read := reader(src)
		for y := range m.H {
			read(m.Pix[3*m.W*y:3*m.W*(y+1)], b.Min.Y+y)
		}
		return m
	}
	// Light and colour of a JPEG are averaged as they are: a quarter of the pixels is left to convert.
	jpg, lit := src.(*image.YCbCr)
	var read func([]byte, int)
	if lit {
		read = planes(jpg)
	} else {
		read = reader(src)
	}
	m := &Image{W: max(1, b.Dx()/2), H: max(1, b.Dy()/2)}
	m.Pix = make([]byte, 3*m.W*m.H)
	upper, lower := make([]byte, max(6, 3*b.Dx())), make([]byte, max(6, 3*b.Dx()))
	for y := range m.H {
		read(upper[:3*b.Dx()], b.Min.Y+2*y)
		read(lower[:3*b.Dx()], b.Min.Y+min(2*y+1, b.Dy()-1))
		if b.Dx() == 1 { // there is no neighbour
			copy(upper[3:], upper[:3])
			copy(lower[3:], lower[:3])
		}
		out := m.Pix[3*m.W*y : 3*m.W*(y+1)]
		for x := range m.W {
			u, l, o := (*[6]byte)(upper[6*x:]), (*[6]byte)(lower[6*x:]), (*[3]byte)(out[3*x:])
			o[0] = byte((uint(u[0]) + uint(u[3]) + uint(l[0]) + uint(l[3]) + 2) / 4)
			o[1] = byte((uint(u[1]) + uint(u[4]) + uint(l[1]) + uint(l[4]) + 2) / 4)
			o[2] = byte((uint(u[2]) + uint(u[5]) + uint(l[2]) + uint(l[5]) + 2) / 4)
			if lit {
				o[0], o[1], o[2] = color.YCbCrToRGB(o[0], o[1], o[2])
			}
		}
	}
	return m
}

// planes reads rows of a JPEG picture as light and the two colours of each pixel.
func planes(s *image.YCbCr) func(dst []byte, y int) {
	left, shift := s.Rect.Min.X, 0 // of pixels that share a colour, as a power of two
	switch s.SubsampleRatio {
	case image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420:
		shift = 1
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		shift = 2
	}
	return func(dst []byte, y int) {
		light, at := s.Y[s.YOffset(left, y):], s.COffset(left, y)
		cb, cr := s.Cb[at:], s.Cr[at:]
		for x := range len(dst) / 3 {
			c := (left+x)>>shift - left>>shift
			p := (*[3]byte)(dst[3*x:])
			p[0], p[1], p[2] = light[x], cb[c], cr[c]
		}
	}
}

// reader reads rows of pictures as RGB; of the usual kinds without a call per pixel. The values are those of
// RGBA() shifted to eight bits, as everywhere here.
func reader(src image.Image) func(dst []byte, y int) {
	b := src.Bounds()
	switch s := src.(type) {
	case *image.YCbCr:
		read := planes(s)
		return func(dst []byte, y int) {
			read(dst, y)
			for x := 0; x < len(dst); x += 3 {
				p := (*[3]byte)(dst[x:])
				p[0], p[1], p[2] = color.YCbCrToRGB(p[0], p[1], p[2])
			}
		}
	case *image.Gray:
		return func(dst []byte, y int) {
			for x, v := range s.Pix[s.PixOffset(b.Min.X, y):][:len(dst)/3] {
				p := dst[3*x : 3*x+3 : 3*x+3]
				p[0], p[1], p[2] = v, v, v
			}
		}
	case *image.RGBA:
		return func(dst []byte, y int) { pick(dst, s.Pix[s.PixOffset(b.Min.X, y):], 4, 1) }
	case *image.RGBA64: // the higher byte comes first
		return func(dst []byte, y int) { pick(dst, s.Pix[s.PixOffset(b.Min.X, y):], 8, 2) }
	case *image.Gray16:
		return func(dst []byte, y int) { pick(dst, s.Pix[s.PixOffset(b.Min.X, y):], 2, 0) }
	case *image.NRGBA:
		return func(dst []byte, y int) {
			row := s.Pix[s.PixOffset(b.Min.X, y):]
			for x := range len(dst) / 3 {
				q, p := row[4*x:4*x+4:4*x+4], dst[3*x:3*x+3:3*x+3]
				a := uint32(q[3]) * 0x101
				for c := range p {
					p[c] = byte(uint32(q[c]) * 0x101 * a / 0xffff >> 8)
				}
			}
		}
	case *image.Paletted:
		var table [256][3]byte
		for i, c := range s.Palette {
			r, g, b, _ := c.RGBA()
			table[i] = [3]byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)}
		}
		return func(dst []byte, y int) {
			for x, v := range s.Pix[s.PixOffset(b.Min.X, y):][:len(dst)/3] {
				copy(dst[3*x:3*x+3], table[v][:])
			}
		}
	}
	return func(dst []byte, y int) {
		for x := range len(dst) / 3 {
			r, g, bl, _ := src.At(b.Min.X+x, y).RGBA()
			dst[3*x], dst[3*x+1], dst[3*x+2] = byte(r>>8), byte(g>>8), byte(bl>>8)
		}
	}
}

// pick takes three bytes out of each pixel of so many bytes, so many bytes apart.
func pick(dst, row []byte, pixel, step int) {
	for x := range len(dst) / 3 {
		q, p := row[pixel*x:pixel*x+2*step+1], dst[3*x:3*x+3:3*x+3]
		p[0], p[1], p[2] = q[0], q[step], q[2*step]
	}
}
