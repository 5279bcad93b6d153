package decoder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os/exec"
	"syscall"
	"testing"

	"egate/sim/faces"
)

func pngOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func greyJPEG(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// F-07, C-10: what a data set may hold is decoded, and whatever else lies there ends as a named refusal of a
// child with bounded time and memory.
func TestF07ToolPictures(t *testing.T) {
	p, err := faces.Get("admiral")
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	small := image.NewNRGBA(image.Rect(0, 0, 31, 17))
	for i := range small.Pix {
		small.Pix[i] = byte(rnd.Uint32()) | 1
	}
	// A PNG header that promises 60,000 by 60,000, and a JPEG one.
	bomb := bytes.Clone(pngOf(t, small))
	binary.BigEndian.PutUint32(bomb[16:], 60_000)
	binary.BigEndian.PutUint32(bomb[20:], 60_000)
	wide := bytes.Clone(p.DG2JPEG())
	if at := bytes.Index(wide, []byte{0xFF, 0xC0}); at > 0 {
		binary.BigEndian.PutUint16(wide[at+5:], 65_000)
		binary.BigEndian.PutUint16(wide[at+7:], 65_000)
	} else {
		t.Fatal("no frame header")
	}
	j2k := bytes.Clone(p.DG2JP2())
	if at := bytes.Index(j2k, []byte{0xFF, 0x4F, 0xFF, 0x51}); at > 0 {
		binary.BigEndian.PutUint32(j2k[at+8:], 60_000)
	}
	for _, c := range []struct {
		name string
		file []byte
		w, h int
		want error
	}{
		{"jpeg", p.DG2JPEG(), faces.DG2Width, faces.DG2Height, nil},
		{"jpeg 2000", p.DG2JP2(), faces.DG2Width, faces.DG2Height, nil},
		{"png", pngOf(t, small), 31, 17, nil},
		{"5 megapixels, shrunk", greyJPEG(t, 2600, 2000), 1300, 1000, nil},
		{"a strip", greyJPEG(t, 8192, 8), 4096, 4, nil},
		{"empty", nil, 0, 0, ErrBroken},
		{"text", []byte("person,image\n"), 0, 0, ErrFormat},
		{"gif", []byte("GIF89a\x01\x00\x01\x00"), 0, 0, ErrFormat},
		{"jpeg cut off", p.DG2JPEG()[:9000], 0, 0, ErrBroken},
		{"jpeg head only", p.DG2JPEG()[:20], 0, 0, ErrBroken},
		{"jpeg 2000 head only", p.DG2JP2()[:60], 0, 0, ErrBroken},
		{"png cut off", pngOf(t, small)[:90], 0, 0, ErrBroken},
		{"png with a changed size", bomb, 0, 0, ErrBroken}, // its checksum does not fit
		{"png bomb", pngHeader(60_000, 60_000), 0, 0, ErrTooLarge},
		{"jpeg of 65,000 by 65,000", wide, 0, 0, ErrTooLarge},
		{"jpeg 2000 of 60,000", j2k, 0, 0, ErrTooLarge},
		{"file too long", make([]byte, MaxToolFile+1), 0, 0, ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := Prefork(argv(t)...)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			m, err := w.DecodeFile(t.Context(), c.file)
			if !errors.Is(err, c.want) || c.want != nil && !errors.Is(err, ErrPicture) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if c.want == nil && (m.W != c.w || m.H != c.h || len(m.Pix) != 3*m.W*m.H) {
				t.Errorf("%d x %d, want %d x %d", m.W, m.H, c.w, c.h)
			}
		})
	}
	// The gate's own decoder takes no PNG: a chip has none.
	if _, err := Decode(t.Context(), argv(t), pngOf(t, small)); !errors.Is(err, ErrPicture) {
		t.Errorf("the decoder of the gate took a PNG: %v", err)
	}
}

// pngHeader is a valid beginning of a PNG of any size.
func pngHeader(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0DIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, 8, 2, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crcOf(b[12:]))
}

func crcOf(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v)
		for range 8 {
			c = c>>1 ^ 0xEDB88320*(c&1)
		}
	}
	return ^c
}

// The fast reading of pixels gives what the pictures themselves give.
func TestReaderEqualsAt(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	box := image.Rect(3, 5, 20, 24)
	y := image.NewYCbCr(box, image.YCbCrSubsampleRatio420)
	g, r, n, pal := image.NewGray(box), image.NewRGBA(box), image.NewNRGBA(box), image.NewPaletted(box, color.Palette{color.Black, color.RGBA{9, 80, 200, 255}})
	g16, r16 := image.NewGray16(box), image.NewRGBA64(box)
	for _, b := range [][]byte{y.Y, y.Cb, y.Cr, g.Pix, r.Pix, n.Pix, g16.Pix, r16.Pix} {
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
	}
	for i := 3; i < len(r.Pix); i += 4 {
		r.Pix[i] = 255
	}
	for i := range pal.Pix {
		pal.Pix[i] = byte(rnd.Uint32() & 1)
	}
	for _, src := range []image.Image{y, g, r, n, pal, g16, r16} {
		read, row := reader(src), make([]byte, 3*box.Dx())
		for py := box.Min.Y; py < box.Max.Y; py++ {
			read(row, py)
			for px := box.Min.X; px < box.Max.X; px++ {
				at := row[3*(px-box.Min.X):]
				a, b, c := at[0], at[1], at[2]
				wr, wg, wb, _ := src.At(px, py).RGBA()
				if a != byte(wr>>8) || b != byte(wg>>8) || c != byte(wb>>8) {
					t.Fatalf("%T at %d,%d: %d %d %d, want %d %d %d", src, px, py, a, b, c, wr>>8, wg>>8, wb>>8)
				}
			}
		}
	}
}

// A picture that is too large is halved; a JPEG's light and colour are averaged each for itself, which is RGB's
// average but for rounding, wherever no colour is cut off.
func TestLargePicturesAreHalved(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for _, box := range []image.Rectangle{image.Rect(0, 0, 2051, 2047), image.Rect(0, 0, 8191, 3), image.Rect(0, 0, 1, 5000), image.Rect(0, 0, 4098, 1)} {
		for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
			image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410} {
			src := image.NewYCbCr(box, ratio)
			for _, b := range [][]byte{src.Y, src.Cb, src.Cr} {
				for i := range b {
					b[i] = byte(118 + rnd.IntN(20))
				}
			}
			m := shrink(src)
			if m.W != max(1, box.Dx()/2) || m.H != max(1, box.Dy()/2) || len(m.Pix) != 3*m.W*m.H {
				t.Fatalf("%v: %d x %d", box, m.W, m.H)
			}
			for range 500 {
				x, y := rnd.IntN(m.W), rnd.IntN(m.H)
				var sum [3]int
				for _, d := range [4]image.Point{{0, 0}, {1, 0}, {0, 1}, {1, 1}} {
					r, g, b, _ := src.At(min(2*x+d.X, box.Dx()-1), min(2*y+d.Y, box.Dy()-1)).RGBA()
					sum[0], sum[1], sum[2] = sum[0]+int(r>>8), sum[1]+int(g>>8), sum[2]+int(b>>8)
				}
				for c, s := range sum {
					if d := int(m.Pix[3*(y*m.W+x)+c]) - (s+2)/4; d < -2 || d > 2 {
						t.Fatalf("%v %v: at %d,%d off by %d", box, ratio, x, y, d)
					}
				}
			}
		}
	}
}

// C-10: a child that uses more processor time than it may is ended by the kernel, whatever it is doing.
func TestC10ProcessorTimeEnds(t *testing.T) {
	cmd := exec.Command(argv(t)[0], spinArgument)
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("a child that spins: %v", err)
	}
}
