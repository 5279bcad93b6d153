package faces

import (
	"bytes"
	"image/jpeg"
	"math"
	"testing"
)

// The passport photos are what a simulated DG2 must be: at least 90 pixels between the eyes.
func TestPortraits(t *testing.T) {
	if len(Names()) != 2 {
		t.Fatalf("portraits %v", Names())
	}
	if _, err := Get("nobody"); err == nil {
		t.Error("a portrait of nobody")
	}
	for _, n := range Names() {
		p, err := Get(n)
		if err != nil {
			t.Fatal(err)
		}
		c, err := jpeg.DecodeConfig(bytes.NewReader(p.DG2JPEG()))
		if err != nil || c.Width != DG2Width || c.Height != DG2Height {
			t.Errorf("%s: DG2 %v %v", n, c, err)
		}
		if !bytes.HasPrefix(p.DG2JP2(), []byte("\x00\x00\x00\x0cjP  \r\n\x87\n")) {
			t.Errorf("%s: no JP2", n)
		}
		l, err := jpeg.DecodeConfig(bytes.NewReader(p.LiveJPEG()))
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range append(p.Outline, p.Landmarks[:]...) {
			if q[0] < 0 || q[1] < 0 || q[0] > float64(l.Width) || q[1] > float64(l.Height) {
				t.Errorf("%s: point %v outside of the texture", n, q)
			}
		}
		eye := func(a, b int) (x, y float64) {
			return (p.Landmarks[a][0] + p.Landmarks[b][0]) / 2, (p.Landmarks[a][1] + p.Landmarks[b][1]) / 2
		}
		rx, ry := eye(36, 39)
		lx, ly := eye(42, 45)
		if d := math.Hypot(lx-rx, ly-ry); d < 90 {
			t.Errorf("%s: %.0f pixels between the eyes", n, d)
		}
	}
}
