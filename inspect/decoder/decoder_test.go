package decoder

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"egate/sim/faces"
)

// spinArgument makes the test binary a child that never stops working.
const spinArgument = "spin"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "decode-image" {
		os.Exit(ChildMain())
	}
	if len(os.Args) == 2 && os.Args[1] == spinArgument {
		if limitTime(50*time.Millisecond) == nil {
			for start := time.Now(); time.Since(start) < time.Minute; { // the kernel is to end it long before
			}
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func argv(t *testing.T) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, "decode-image"}
}

// C-10, X-06: JPEG and JPEG 2000 are decoded in a confined child that has one job.
func TestX06DecodeInChild(t *testing.T) {
	p, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	var first *Image
	for name, file := range map[string][]byte{"jpeg": p.DG2JPEG(), "jpeg 2000": p.DG2JP2()} {
		m, err := Decode(t.Context(), argv(t), file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if m.W != faces.DG2Width || m.H != faces.DG2Height {
			t.Errorf("%s: %d x %d", name, m.W, m.H)
		}
		if first == nil {
			first = m
			continue
		}
		var sum int
		for i := range m.Pix {
			d := int(m.Pix[i]) - int(first.Pix[i])
			sum += d * d
		}
		if mean := float64(sum) / float64(len(m.Pix)); mean > 60 {
			t.Errorf("%s: the two codecs differ by %.1f squared grey levels a sample", name, mean)
		}
	}
	w, err := Prefork(argv(t)...)
	if err != nil {
		t.Fatal(err)
	}
	file, err := w.Encode(t.Context(), first)
	if err != nil || !bytes.HasPrefix(file, magicJPEG) {
		t.Fatalf("encode: %d bytes, %v", len(file), err)
	}
	if _, err := w.Decode(t.Context(), file); !errors.Is(err, ErrUsed) {
		t.Errorf("a child took a second job: %v", err)
	}
}

// C-10: hostile pictures are refused, whatever they claim.
func TestC10HostilePictures(t *testing.T) {
	p, _ := faces.Get("astronaut")
	jpg, jp2 := p.DG2JPEG(), p.DG2JP2()
	big := bytes.Clone(jpg)
	for i := 0; i+9 < len(big); i++ {
		if big[i] == 0xFF && (big[i+1] == 0xC0 || big[i+1] == 0xC2) {
			copy(big[i+5:], []byte{0xFF, 0xFF, 0xFF, 0xFF})
			break
		}
	}
	huge := bytes.Clone(jp2)
	if i := bytes.Index(huge, magicJ2K); i >= 0 {
		copy(huge[i+8:], []byte{0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF})
	}
	for name, file := range map[string][]byte{
		"nothing known": []byte("GIF89a..."), "cut jpeg": jpg[:200], "cut jpeg 2000": jp2[:120], "jpeg bomb": big, "jpeg 2000 bomb": huge,
		"one byte": {0xFF}, "too long": make([]byte, MaxFile+1),
	} {
		if m, err := Decode(t.Context(), argv(t), file); !errors.Is(err, ErrPicture) && !errors.Is(err, ErrChild) {
			t.Errorf("%s: %v %v", name, m != nil, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Decode(ctx, argv(t), jpg); err == nil {
		t.Error("a cancelled job went on")
	}
}

func FuzzDecode(f *testing.F) {
	p, _ := faces.Get("astronaut")
	f.Add(p.DG2JPEG()[:400])
	f.Add(p.DG2JP2()[:400])
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decode(b); err == nil && (m.W > MaxSide || m.H > MaxSide || len(m.Pix) != 3*m.W*m.H) {
			t.Fatalf("%d x %d with %d bytes", m.W, m.H, len(m.Pix))
		}
	})
}
