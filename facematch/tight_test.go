package facematch

import (
	"testing"

	"egate/sim/faces"
)

// shrunk is a square of a picture, resampled to so many pixels.
func shrunk(e *Engine, img *Image, x, y, side float64, pixels int) *Image {
	crop := make([]uint16, 3*pixels*pixels)
	e.rs.box(crop, pixels, pixels, img, x-side/2, y-side/2, x+side/2, y+side/2)
	m := NewImage(pixels, pixels)
	for i, v := range crop {
		m.Pix[i] = byte((uint32(v) + level/2) / level)
	}
	return m
}

// F-12: a photograph may be small and cut tight, and the face off its centre: it is found, once, and is who it
// was. Eyes and mouths of a face that fills the picture are no faces.
func TestTightAndSmallPictures(t *testing.T) {
	e := SharedEngine(t)
	for _, who := range faces.Names() {
		img := PortraitOf(t, who)
		whole, err := e.Examine(img, false)
		if err != nil || whole.Reference == nil {
			t.Fatal(err)
		}
		found, err := e.detect(img)
		if err != nil {
			t.Fatal(err)
		}
		d := found[0]
		for _, pixels := range []int{96, 112, 250, 600} {
			for _, k := range []float64{2, 1.2, 1, .9, .8} {
				off := 0.0
				if k == 2 {
					off = d.Side / 3
				}
				x, err := e.Examine(shrunk(e, img, d.X+off, d.Y+off, k*d.Side, pixels), false)
				if err != nil {
					t.Fatal(err)
				}
				if x.Reference == nil || x.Faces != 1 {
					t.Errorf("%s, %d pixels, %.1f times the face: %d faces", who, pixels, k, x.Faces)
					continue
				}
				if s, err := Compare(whole.Reference, x.Reference); err != nil || s < .85 {
					t.Errorf("%s, %d pixels, %.1f times the face: %.3f", who, pixels, k, s)
				}
			}
		}
		// Two beside each other: the larger and more central one is whom the picture is of.
		both := NewImage(700, 400)
		for _, c := range []struct {
			who    string
			x, y   int
			pixels int
		}{{"astronaut", 20, 60, 150}, {"admiral", 260, 80, 260}} {
			src := PortraitOf(t, c.who)
			m := shrunk(e, src, float64(src.W)/2, float64(src.H)/2, float64(src.W), c.pixels)
			for y := range m.H {
				copy(both.Pix[(c.y+y)*both.Stride+3*c.x:], m.Pix[y*m.Stride:(y+1)*m.Stride])
			}
		}
		x, err := e.Examine(both, false)
		if err != nil || x.Faces != 2 || x.Reference == nil {
			t.Fatalf("two faces: %d, %v", x.Faces, err)
		}
		if s, _ := Compare(whole.Reference, x.Reference); (s > .48) != (who == "admiral") {
			t.Errorf("two faces: %s scores %.3f", who, s)
		}
	}
}
