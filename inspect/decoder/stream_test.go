package decoder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"testing"
)

// without takes the segments of a marker out of a JPEG file.
func without(t *testing.T, file []byte, marker byte) []byte {
	t.Helper()
	out := bytes.Clone(file[:2])
	for i := 2; i+4 <= len(file); {
		n := 2 + int(binary.BigEndian.Uint16(file[i+2:]))
		if file[i+1] == 0xDA {
			return append(out, file[i:]...)
		}
		if file[i+1] != marker {
			out = append(out, file[i:i+n]...)
		}
		i += n
	}
	t.Fatal("no scan")
	return nil
}

// F-14, C-10: pictures of a camera are decoded one after the other in one confined child; a broken one, one of another
// size and one that is no picture cost themselves alone; tables that a camera leaves out are those of the standard.
func TestF14Stream(t *testing.T) {
	good := jpegOf(t, 64, 48)
	var grey bytes.Buffer
	if err := jpeg.Encode(&grey, image.NewGray(image.Rect(0, 0, 64, 48)), nil); err != nil {
		t.Fatal(err)
	}
	w, err := Prefork(argv(t)...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Stream(64, 48)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := w.Stream(64, 48); !errors.Is(err, ErrUsed) {
		t.Error(err)
	}
	pix := make([]byte, 3*64*48)
	for name, c := range map[string]struct {
		file []byte
		ok   bool
	}{
		"whole": {good, true}, "without tables": {without(t, good, 0xC4), true}, "grey": {grey.Bytes(), true}, "cut": {good[:len(good)/2], false}, "nothing": {nil, false},
		"no picture": {[]byte("P5 64 48 255"), false}, "another size": {jpegOf(t, 32, 48), false}, "no end": {append(bytes.Clone(good), make([]byte, 5000)...), true}, "too long": {make([]byte, MaxFile+1), false},
	} {
		for range 2 {
			err := s.Decode(t.Context(), c.file, pix)
			if c.ok && err != nil || !c.ok && !errors.Is(err, ErrBroken) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := s.Decode(t.Context(), good, pix); err != nil || pix[0] < 200 || pix[1] > 60 || pix[3*63+1] < 200 || pix[len(pix)-1] < 200 || pix[len(pix)-3] > 60 {
		t.Errorf("%v: corners % x % x % x", err, pix[:3], pix[3*63:3*64], pix[len(pix)-3:])
	}
	if err := s.Decode(t.Context(), good, pix[1:]); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.Decode(ctx, good, pix) // may have been quicker
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Decode(t.Context(), good, pix); !errors.Is(err, ErrChild) {
		t.Errorf("a child that is gone: %v", err)
	}
	for _, b := range pix {
		if b != 0 {
			t.Fatal("pixels left after a loss")
		}
	}
	if w, err = Prefork(argv(t)...); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Stream(MaxSide+1, 1); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// FuzzStream: whatever a camera sends, the child answers each picture with one answer of the right length.
func FuzzStream(f *testing.F) {
	f.Add(jpegOf(f, 16, 16))
	f.Add([]byte{0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &Image{W: 16, H: 16, Pix: make([]byte, 3*16*16)}
		if err := m.frame(b); err != nil && !errors.Is(err, ErrBroken) {
			t.Fatal(err)
		}
	})
}

// BenchmarkFrame decodes one compressed camera picture of 1280 × 720 in the child, both pipes included.
func BenchmarkFrame(b *testing.B) {
	m := image.NewYCbCr(image.Rect(0, 0, 1280, 720), image.YCbCrSubsampleRatio422)
	for i := range m.Y { // a face's worth of detail: slopes, edges and some noise
		m.Y[i] = byte(i/1280/3 + i%1280/7 + i%41%5*3)
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = byte(100+i%640/16), byte(140-i/640/24)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, &jpeg.Options{Quality: 85}); err != nil {
		b.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("MJPEG", func(b *testing.B) {
		w, err := Prefork(self, "decode-image")
		if err != nil {
			b.Fatal(err)
		}
		s, err := w.Stream(1280, 720)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		pix := make([]byte, 3*1280*720)
		if err := s.Decode(b.Context(), file.Bytes(), pix); err != nil { // the child's start
			b.Fatal(err)
		}
		for b.Loop() {
			if err := s.Decode(b.Context(), file.Bytes(), pix); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(file.Len())/1024, "KiB/picture")
	})
}
