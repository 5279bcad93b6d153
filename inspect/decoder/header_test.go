package decoder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
	"time"

	"egate/sim/faces"
)

// jpegOf encodes a small picture whose corners differ: red, green, blue, white clockwise from the top left.
func jpegOf(t testing.TB, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{255, 0, 0, 255}
			switch right, below := x >= w/2, y >= h/2; {
			case right && !below:
				c = color.RGBA{0, 255, 0, 255}
			case right && below:
				c = color.RGBA{0, 0, 255, 255}
			case below:
				c = color.RGBA{255, 255, 255, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withSegment puts a marker segment behind the start of the image.
func withSegment(file []byte, marker byte, body []byte) []byte {
	out := append([]byte{0xFF, 0xD8, 0xFF, marker}, binary.BigEndian.AppendUint16(nil, uint16(len(body)+2))...)
	return append(append(out, body...), file[2:]...)
}

func exif(order binary.AppendByteOrder, mark string, value uint16) []byte {
	b := append([]byte("Exif\x00\x00"), mark...)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(b, 0x0112)
	b = order.AppendUint16(b, 3)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, value)
	return append(b, 0, 0, 0, 0, 0, 0)
}

// The portrait of EXIF orientation n is shown upright, whatever the byte order.
func TestC10Orientation(t *testing.T) {
	plain := jpegOf(t, 64, 32)
	corner := func(m *Image, right, below bool) string {
		x, y := 8, 8
		if right {
			x = m.W - 9
		}
		if below {
			y = m.H - 9
		}
		p := m.Pix[3*(y*m.W+x):]
		switch {
		case p[0] > 128 && p[1] > 128 && p[2] > 128:
			return "w"
		case p[0] > 128:
			return "r"
		case p[1] > 128:
			return "g"
		case p[2] > 128:
			return "b"
		}
		return "?"
	}
	// Clockwise from the top left, by EXIF 2.32 table 6.
	for n, want := range map[uint16]string{1: "rgbw", 2: "grwb", 3: "bwrg", 4: "wbgr", 5: "rwbg", 6: "wrgb", 7: "bgrw", 8: "gbwr", 9: "rgbw", 0: "rgbw"} {
		for _, file := range [][]byte{
			withSegment(plain, 0xE1, exif(binary.BigEndian, "MM\x00*", n)),
			withSegment(plain, 0xE1, exif(binary.LittleEndian, "II*\x00", n)),
		} {
			m, err := decode(file)
			if err != nil {
				t.Fatalf("%d: %v", n, err)
			}
			got := corner(m, false, false) + corner(m, true, false) + corner(m, true, true) + corner(m, false, true)
			if got != want {
				t.Errorf("orientation %d: %s, want %s (%d x %d)", n, got, want, m.W, m.H)
			}
			if turned := n >= 5 && n <= 8; turned != (m.W == 32) {
				t.Errorf("orientation %d: %d x %d", n, m.W, m.H)
			}
		}
	}
}

// C-10: every promise of a header is checked before a decoder reads on.
func TestC10Headers(t *testing.T) {
	p, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	jpg, jp2 := p.DG2JPEG(), p.DG2JP2()
	code := jp2[bytes.Index(jp2, magicJ2K):]
	edit := func(b []byte, at int, with ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], with)
		return b
	}
	sof := func(b []byte) int {
		for i := 2; i+9 < len(b); i++ {
			if b[i] == 0xFF && (b[i+1] == 0xC0 || b[i+1] == 0xC2) {
				return i
			}
		}
		t.Fatal("no frame header")
		return 0
	}(jpg)
	var scans []byte
	{
		sos := bytes.Index(jpg, []byte{0xFF, 0xDA})
		n := int(binary.BigEndian.Uint16(jpg[sos+2:]))
		scans = bytes.Clone(jpg[:sos])
		for range maxScans + 1 {
			scans = append(scans, jpg[sos:sos+2+n]...)
			scans = append(scans, 0x12, 0x34)
		}
		scans = append(scans, 0xFF, 0xD9)
	}
	good := map[string][]byte{
		"jpeg": jpg, "jp2": jp2, "codestream": code, "jpeg, padded": append(bytes.Clone(jpg), make([]byte, 500)...),
		"jp2, padded": append(bytes.Clone(jp2), make([]byte, 8)...),
	}
	for name, file := range good {
		h, err := inspect(file)
		if err != nil || h.w != faces.DG2Width || h.h != faces.DG2Height {
			t.Errorf("%s: %+v %v", name, h, err)
		}
		if _, err := decode(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := map[string][]byte{
		"empty": {}, "jpeg magic only": jpg[:3], "jpeg without a frame": append(bytes.Clone(jpg[:2]), 0xFF, 0xD9),
		"jpeg of 65535 x 65535":             edit(jpg, sof+5, 0xFF, 0xFF, 0xFF, 0xFF),
		"jpeg of 4096 x 4096":               edit(jpg, sof+5, 0x10, 0x00, 0x10, 0x00),
		"jpeg without height":               edit(jpg, sof+5, 0, 0),
		"jpeg of 12 bits":                   edit(jpg, sof+4, 12),
		"jpeg of 9 components":              edit(jpg, sof+9, 9),
		"jpeg segment past the end":         edit(jpg, 4, 0xFF, 0xFF)[:2000],
		"jpeg segment of no length":         edit(jpg, 4, 0, 0),
		"jpeg of too many scans":            scans,
		"jpeg with two frames":              append(bytes.Clone(jpg[:sof]), append(bytes.Clone(jpg[sof:sof+2+int(binary.BigEndian.Uint16(jpg[sof+2:]))]), jpg[sof:]...)...),
		"codestream, other marker first":    edit(code, 2, 0xFF, 0x52),
		"codestream of 2^31 pixels":         edit(code, 8, 0x7F, 0xFF, 0xFF, 0xFF),
		"codestream of negative size":       edit(code, 16, 0x7F, 0xFF, 0xFF, 0xFF),
		"codestream of 1 x 1 tiles":         edit(code, 24, 0, 0, 0, 1, 0, 0, 0, 1),
		"codestream of no tiles":            edit(code, 24, 0, 0, 0, 0),
		"codestream, tiles beside":          edit(code, 32, 0x7F, 0xFF, 0xFF, 0xFF),
		"codestream of 16384 components":    edit(code, 40, 0x40, 0),
		"codestream of no components":       edit(code, 40, 0, 0),
		"codestream of 38 bits":             edit(code, 42, 37),
		"codestream of no sampling":         edit(code, 43, 0),
		"codestream, cut":                   code[:30],
		"jp2 of one endless box":            edit(jp2, 12, 0, 0, 0, 0),
		"jp2 box shorter than its head":     edit(jp2, 12, 0, 0, 0, 4),
		"jp2 box of 2^63 bytes":             append(edit(jp2[:20], 12, 0, 0, 0, 1, 'f', 't', 'y', 'p'), 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF),
		"jp2 of empty boxes":                append(bytes.Clone(jp2[:12]), bytes.Repeat([]byte{0, 0, 0, 8, 'f', 'r', 'e', 'e'}, maxBoxes+1)...),
		"jp2, cut before the codestream":    jp2[:40],
		"picture of a format of the future": []byte("\x00\x00\x00\x1cftypheic"),
	}
	for name, file := range bad {
		if h, err := inspect(file); err == nil {
			t.Errorf("%s: taken as %+v", name, h)
		}
		if m, err := decode(file); err == nil {
			t.Errorf("%s: decoded to %d x %d", name, m.W, m.H)
		}
	}
}

// a child that hangs is ended by its owner, and a worker may be closed at any time.
func TestX06OwnerEndsChild(t *testing.T) {
	w, err := Prefork(argv(t)...)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- w.Close() }()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if _, err := w.Decode(t.Context(), jpegOf(t, 16, 16)); !errors.Is(err, ErrChild) {
		t.Errorf("a closed child answered: %v", err)
	}
	if w, err = Prefork("/nonexistent/egate-inspect"); err == nil {
		_ = w.Close()
		t.Error("a program that is not there was started")
	}
	// A child that never answers: the clock of the caller ends it.
	if w, err = Prefork("/bin/sleep", "1000"); err != nil {
		t.Skip("SKIP: no sleep program")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := w.Decode(ctx, jpegOf(t, 16, 16)); !errors.Is(err, ErrChild) {
		t.Errorf("a child without an answer: %v", err)
	}
}

// A grey picture becomes three equal channels; the encoder gives back what a decoder reads.
func TestGreyAndRoundTrip(t *testing.T) {
	g := image.NewGray(image.Rect(0, 0, 40, 30))
	for i := range g.Pix {
		g.Pix[i] = byte(i)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, g, nil); err != nil {
		t.Fatal(err)
	}
	m, err := decode(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(m.Pix); i += 3 {
		if m.Pix[i] != m.Pix[i+1] || m.Pix[i] != m.Pix[i+2] {
			t.Fatal("grey has a colour")
		}
	}
	file, err := encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := decode(file); err != nil || n.W != 40 || n.H != 30 {
		t.Errorf("%v", err)
	}
}

// C-10: no header makes the check panic or pass a size over the limits.
func FuzzHeader(f *testing.F) {
	p, err := faces.Get("admiral")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.DG2JPEG()[:700])
	f.Add(p.DG2JP2()[:200])
	f.Add(p.DG2JP2()[bytes.Index(p.DG2JP2(), magicJ2K):][:120])
	f.Add(withSegment(jpegOf(f, 16, 16), 0xE1, exif(binary.BigEndian, "MM\x00*", 6)))
	f.Add(withSegment(jpegOf(f, 16, 16), 0xE1, exif(binary.LittleEndian, "II*\x00", 3)))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := inspect(b)
		if err == nil && (h.w < 1 || h.h < 1 || h.w > MaxSide || h.h > MaxSide || h.w*h.h > MaxPixels || h.orientation < 1 || h.orientation > 8 || h.format == formatNone) {
			t.Fatalf("%+v", h)
		}
	})
}
