package facematch

import (
	"fmt"
	"image"
	"image/color"
)

// MaxPixels caps a picture that is looked at: four million pixels, more than any DG2 or camera frame
// of a gate needs.
const MaxPixels = 4 << 20

// Image is an 8-bit RGB picture, 3 bytes a pixel, rows Stride bytes apart. It is personal data: Wipe
// it as soon as it has served.
type Image struct {
	W, H, Stride int
	Pix          []byte
}

// NewImage makes a black picture.
func NewImage(w, h int) *Image {
	return &Image{W: w, H: h, Stride: 3 * w, Pix: make([]byte, 3*w*h)}
}

// Wipe overwrites the pixels.
func (m *Image) Wipe() {
	if m != nil {
		clear(m.Pix[:cap(m.Pix)])
	}
}

func (m *Image) check() error {
	if m == nil || m.W <= 0 || m.H <= 0 || m.W > MaxPixels || m.H > MaxPixels || m.W*m.H > MaxPixels {
		return fmt.Errorf("facematch: picture size outside 1 … %d pixels", MaxPixels)
	}
	if m.Stride < 3*m.W || len(m.Pix) < m.Stride*(m.H-1)+3*m.W {
		return fmt.Errorf("facematch: picture buffer of %d bytes is too short for %dx%d", len(m.Pix), m.W, m.H)
	}
	return nil
}

// FromImage copies a decoded picture, for tools and tests. A gate decodes in the one-shot child.
func FromImage(src image.Image) (*Image, error) {
	b := src.Bounds()
	if b.Empty() || b.Dx() > MaxPixels || b.Dy() > MaxPixels || b.Dx()*b.Dy() > MaxPixels {
		return nil, fmt.Errorf("facematch: picture size outside 1 … %d pixels", MaxPixels)
	}
	m := NewImage(b.Dx(), b.Dy())
	for y := range m.H {
		row := m.Pix[y*m.Stride:]
		if p, ok := src.(*image.YCbCr); ok { // a JPEG: without a call per pixel
			for x := range m.W {
				i, j := p.YOffset(b.Min.X+x, b.Min.Y+y), p.COffset(b.Min.X+x, b.Min.Y+y)
				row[3*x], row[3*x+1], row[3*x+2] = color.YCbCrToRGB(p.Y[i], p.Cb[j], p.Cr[j])
			}
			continue
		}
		for x := range m.W {
			r, g, bl, _ := src.At(b.Min.X+x, b.Min.Y+y).RGBA()
			row[3*x], row[3*x+1], row[3*x+2] = byte(r>>8), byte(g>>8), byte(bl>>8)
		}
	}
	return m, nil
}

// Format is the layout of a View.
type Format uint8

// Layouts that a camera may deliver. Compressed pictures are for the decoder child.
const (
	FormatNone Format = iota
	FormatRGB
	FormatYUYV
	FormatNV12
	FormatGrey
)

// View is a camera picture that belongs to the caller. It is read during the call only.
type View struct {
	Format       Format
	W, H, Stride int // Stride 0 means rows without a gap
	Pix          []byte
	// Turn is by how many degrees clockwise the picture must be turned to stand upright: 0, 90, 180 or 270.
	Turn int
}

// upright fills m with src turned clockwise by so many degrees.
func (m *Image) upright(src *Image, turn int) error {
	w, h := src.W, src.H
	if turn == 90 || turn == 270 {
		w, h = h, w
	}
	m.size(w, h)
	// Where the first pixel of a row of src goes, and the steps between its pixels.
	first, along, down := 0, 3, m.Stride
	switch turn {
	case 0:
	case 90:
		first, along, down = 3*(w-1), m.Stride, -3
	case 180:
		first, along, down = (h-1)*m.Stride+3*(w-1), -3, -m.Stride
	case 270:
		first, along, down = (h-1)*m.Stride, -m.Stride, 3
	default:
		return fmt.Errorf("facematch: a picture turned by %d degrees", turn)
	}
	for y := range src.H {
		row := src.Pix[y*src.Stride:]
		o := first + y*down
		for x := range src.W {
			m.Pix[o], m.Pix[o+1], m.Pix[o+2] = row[3*x], row[3*x+1], row[3*x+2]
			o += along
		}
	}
	return nil
}

// size makes room for a picture, which grows once and is then reused.
func (m *Image) size(w, h int) {
	m.W, m.H, m.Stride = w, h, 3*w
	if n := m.Stride * m.H; cap(m.Pix) < n {
		m.Wipe()
		m.Pix = make([]byte, n)
	} else {
		m.Pix = m.Pix[:n]
	}
}

// load converts v to RGB in m, which grows once and is then reused.
func (m *Image) load(v View) error {
	if v.W <= 0 || v.H <= 0 || v.W > MaxPixels || v.H > MaxPixels || v.W*v.H > MaxPixels {
		return fmt.Errorf("facematch: frame of %dx%d pixels", v.W, v.H)
	}
	var bytesPerRow, rows int
	switch v.Format {
	case FormatRGB:
		bytesPerRow, rows = 3*v.W, v.H
	case FormatYUYV:
		if v.W%2 != 0 {
			return fmt.Errorf("facematch: YUYV frame of odd width %d", v.W)
		}
		bytesPerRow, rows = 2*v.W, v.H
	case FormatNV12:
		if v.W%2 != 0 || v.H%2 != 0 {
			return fmt.Errorf("facematch: NV12 frame of odd size %dx%d", v.W, v.H)
		}
		bytesPerRow, rows = v.W, v.H+v.H/2
	case FormatGrey:
		bytesPerRow, rows = v.W, v.H
	default:
		return fmt.Errorf("facematch: pixel format %d is not supported", v.Format)
	}
	stride := v.Stride
	if stride == 0 {
		stride = bytesPerRow
	}
	if stride < bytesPerRow || stride > 1<<20 || len(v.Pix) < stride*(rows-1)+bytesPerRow {
		return fmt.Errorf("facematch: frame buffer of %d bytes, stride %d, is too short for %dx%d", len(v.Pix), stride, v.W, v.H)
	}
	m.size(v.W, v.H)
	for y := range v.H {
		out := m.Pix[y*m.Stride : y*m.Stride+m.Stride]
		in := v.Pix[y*stride:]
		switch v.Format {
		case FormatRGB:
			copy(out, in)
		case FormatYUYV:
			for x := 0; x < v.W; x += 2 {
				p := in[2*x : 2*x+4 : 2*x+4]
				o := out[3*x : 3*x+6 : 3*x+6]
				o[0], o[1], o[2] = yuv(p[0], p[1], p[3])
				o[3], o[4], o[5] = yuv(p[2], p[1], p[3])
			}
		case FormatNV12:
			uv := v.Pix[stride*v.H+(y/2)*stride:]
			for x := range v.W {
				out[3*x], out[3*x+1], out[3*x+2] = yuv(in[x], uv[x&^1], uv[x|1])
			}
		case FormatGrey:
			for x := range v.W {
				g := in[x]
				out[3*x], out[3*x+1], out[3*x+2] = g, g, g
			}
		}
	}
	return nil
}

// yuv converts one BT.601 limited-range pixel in 10-bit fixed point.
func yuv(y, u, v byte) (byte, byte, byte) {
	c := 1192 * (int32(y) - 16)
	d, e := int32(u)-128, int32(v)-128
	return clamp8((c + 1634*e + 512) >> 10), clamp8((c - 401*d - 832*e + 512) >> 10), clamp8((c + 2066*d + 512) >> 10)
}

func clamp8(v int32) byte {
	if v < 0 {
		return 0
	}
	if v > 255 {
		return 255
	}
	return byte(v)
}
