package facematch

import (
	"math"
	"testing"

	"egate/verdict"
)

// F-08: a white spot that wanders over a face whose nose does not turn is on something flat; one that stays with the
// nose, is coloured, or lies where glasses are, is not. Without a spot nothing is said.
func TestF08SpotsThatWander(t *testing.T) {
	const eyes = 40.0
	pass, fail, none := verdict.Pass, verdict.Fail, verdict.NotEvaluated
	white, red := [3]byte{250, 250, 248}, [3]byte{250, 120, 100}
	for _, c := range []struct {
		name   string
		at     func(i int) (x, y, turn float64) // of the spot, eye distances from the eyes; degrees of the nose
		size   float64                          // half of it, eye distances
		colour [3]byte
		want   verdict.Result
	}{
		{"flat", func(i int) (x, y, turn float64) { return -0.6 + 0.2*float64(i), 0.8, 1 }, 0.3, white, fail},
		{"nose", func(i int) (x, y, turn float64) { return 0.02 * 3 * float64(i-3), 0.7, 3 * float64(i-3) }, 0.3, white, pass},
		{"still", func(int) (x, y, turn float64) { return 0.1, 0.8, 0 }, 0.3, white, pass},
		{"coloured", func(i int) (x, y, turn float64) { return -0.6 + 0.2*float64(i), 0.8, 1 }, 0.3, red, none},
		{"glasses", func(i int) (x, y, turn float64) { return -0.5 + float64(i%2), 0, 1 }, 0.25, white, none},
		{"small", func(i int) (x, y, turn float64) { return -0.6 + 0.2*float64(i), 0.8, 1 }, 0.05, white, none},
		{"none", func(int) (x, y, turn float64) { return 9, 9, 0 }, 0.3, white, none},
	} {
		var w specular
		img := NewImage(160, 180)
		for i := range specFirst + 7 {
			x, y, turn := 9.0, 9.0, 0.0
			if i >= specFirst {
				x, y, turn = c.at(i - specFirst)
			}
			for k := range img.W * img.H {
				px, py := (float64(k%img.W)-80)/eyes, (float64(k/img.W)-60)/eyes
				p := [3]byte{205, 160, 135}
				if max(px-x, x-px, py-y, y-py) < c.size {
					p = c.colour
				}
				copy(img.Pix[k/img.W*img.Stride+3*(k%img.W):], p[:])
			}
			var pts [68]Point
			for k := range pts {
				pts[k] = Point{80, 60}
			}
			for _, k := range [4]int{37, 38, 40, 41} {
				pts[k].X -= eyes / 2
				pts[k+6].X += eyes / 2
			}
			// A nose that stands out turns by its offset.
			pts[30] = Point{80 + eyes*noseRelief*math.Sin(turn*math.Pi/180), 90}
			w.look(img, &pts)
		}
		if score, _, got := w.judge(); got != c.want {
			t.Errorf("%s: %s %.3f, want %s", c.name, got, score, c.want)
		}
		w.forget()
		if _, _, got := w.judge(); got != none || w != (specular{}) {
			t.Errorf("%s: forgotten: %s", c.name, got)
		}
	}
}
