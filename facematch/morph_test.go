package facematch

import (
	"math"
	"slices"
	"testing"

	"egate/sim/faces"
	"egate/verdict"
)

// morphed is a portrait made of two: the points of both go to their mean, the colours are mixed half and half.
func morphed(t testing.TB, e *Engine, a, b *Image) *Image {
	t.Helper()
	points := func(m *Image) (p [68]Point) {
		found, err := e.detectStill(m)
		if err != nil || len(found) == 0 {
			t.Fatal("no face", err)
		}
		if err := e.landmarks(m, found[largest(found)], &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	pa, pb := points(a), points(b)
	var mean [68]Point
	for i := range mean {
		mean[i] = Point{(pa[i].X + pb[i].X) / 2, (pa[i].Y + pb[i].Y) / 2}
	}
	out := NewImage(a.W, a.H)
	for y := range out.H {
		for x := range out.W {
			// Where a pixel comes from: the shifts of the points, weighted by nearness.
			var wx [2]float64
			var wy [2]float64
			all := 0.0
			for i, q := range mean {
				d := (q.X-float64(x))*(q.X-float64(x)) + (q.Y-float64(y))*(q.Y-float64(y))
				w := 1 / (d*d + 100)
				all += w
				wx[0], wy[0] = wx[0]+w*(pa[i].X-q.X), wy[0]+w*(pa[i].Y-q.Y)
				wx[1], wy[1] = wx[1]+w*(pb[i].X-q.X), wy[1]+w*(pb[i].Y-q.Y)
			}
			for k := range 3 {
				sum := 0.0
				for n, m := range []*Image{a, b} {
					u, v := max(0, min(float64(m.W)-1.01, float64(x)+wx[n]/all)), max(0, min(float64(m.H)-1.01, float64(y)+wy[n]/all))
					iu, iv := int(u), int(v)
					fu, fv := u-float64(iu), v-float64(iv)
					at := func(dx, dy int) float64 { return float64(m.Pix[(iv+dy)*m.Stride+3*(iu+dx)+k]) }
					sum += (1-fv)*((1-fu)*at(0, 0)+fu*at(1, 0)) + fv*((1-fu)*at(0, 1)+fu*at(1, 1))
				}
				out.Pix[y*out.Stride+3*x+k] = byte(math.Round(sum / 2))
			}
		}
	}
	return out
}

// F-10: the cues of the hint on one morph of the two portraits, against both of them, and on both portraits against
// themselves. Four comparisons of two people show that the cues work as described; they are no evidence of accuracy,
// and every result says so.
func TestF10MorphHint(t *testing.T) {
	e := SharedEngine(t)
	names := faces.Names()
	a, b := PortraitOf(t, names[0]), PortraitOf(t, names[1])
	look := func(m *Image) *Reference {
		x, err := e.Examine(m, false)
		if err != nil || x.Reference == nil {
			t.Fatal("not examined", err)
		}
		return x.Reference
	}
	live := []*Reference{look(a), look(b)}
	morph := look(morphed(t, e, a, b))
	for i, name := range names {
		score, err := Compare(morph, live[i])
		if err != nil {
			t.Fatal(err)
		}
		match := min(score, verdict.DefaultMatch) // a morph that no longer matches is no attack: look at its cues all the same
		h, ok := HintMorph(morph, live[i], score, match)
		t.Logf("morph against %-10s score %.3f, shape %.3f, sharpness %.2f, near %v: %d cues", name, score, h.Shape, h.Smooth, h.Near, h.Cues)
		if !ok || h.Shape <= 0 || h.Smooth <= 0 {
			t.Errorf("morph against %s: %+v", name, h)
		}
		same, _ := HintMorph(live[i], live[i], 1, verdict.DefaultMatch)
		if same.Alert() || same.Shape > 1e-9 || same.Smooth != 1 || same.Cues != 0 {
			t.Errorf("%s against the same picture: %+v", name, same)
		}
	}
	if _, ok := HintMorph(morph, live[0], 0.2, 0.48); ok {
		t.Error("a hint where nobody matches")
	}
	if _, ok := HintMorph(nil, live[0], 0.9, 0.48); ok {
		t.Error("a hint without a portrait")
	}
	for cues := range 4 {
		c := MorphHint{Cues: cues}.check(true)
		if (c.Result == verdict.Fail) != (cues >= morphCues) || !slices.Contains(c.Deviations, MorphUnevaluated) {
			t.Errorf("%d cues: %+v", cues, c)
		}
	}
	if c := (MorphHint{}).check(false); c.Result != verdict.NotPossible {
		t.Errorf("no hint: %s", c.Result)
	}
}
