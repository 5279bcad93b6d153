package facematch

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"egate/hal"
	"egate/sim/camera"
	"egate/sim/faces"
)

func clone(m *Image) *Image {
	return &Image{W: m.W, H: m.H, Stride: m.Stride, Pix: slices.Clone(m.Pix)}
}

// each changes every pixel by what f gives for its place.
func each(m *Image, f func(x, y int, v float64) float64) {
	for y := range m.H {
		for x := range m.W {
			p := m.Pix[y*m.Stride+3*x:]
			for c := range 3 {
				p[c] = byte(math.Max(0, math.Min(255, math.Round(f(x, y, float64(p[c]))))))
			}
		}
	}
}

// blurred is the mean of a square of 2r+1 pixels.
func blurred(m *Image, r int) *Image {
	out := clone(m)
	for y := range m.H {
		for x := range m.W {
			var sum [3]int
			n := 0
			for j := max(0, y-r); j <= min(m.H-1, y+r); j++ {
				for i := max(0, x-r); i <= min(m.W-1, x+r); i++ {
					p := m.Pix[j*m.Stride+3*i:]
					sum[0], sum[1], sum[2], n = sum[0]+int(p[0]), sum[1]+int(p[1]), sum[2]+int(p[2]), n+1
				}
			}
			for c := range 3 {
				out.Pix[y*out.Stride+3*x+c] = byte(sum[c] / n)
			}
		}
	}
	return out
}

// paint fills a rectangle of the picture.
func paint(m *Image, x0, y0, x1, y1 float64, colour [3]byte) {
	for y := max(0, int(y0)); y < min(m.H, int(y1)); y++ {
		for x := max(0, int(x0)); x < min(m.W, int(x1)); x++ {
			copy(m.Pix[y*m.Stride+3*x:], colour[:])
		}
	}
}

// F-03, A-08: every defect, graded: the component that measures it gets no better with the grade, the worst
// grade is refused by that component's name with one instruction of its own, and the picture without the
// defect is not refused by it.
func TestF03GradedDefects(t *testing.T) {
	e := SharedEngine(t)
	whole := PortraitOf(t, "astronaut")
	found, err := e.detect(whole)
	if err != nil {
		t.Fatal(err)
	}
	d := found[0]
	var pts [68]Point
	if err := e.landmarks(whole, d, &pts); err != nil {
		t.Fatal(err)
	}
	p, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	sc := camera.New(5)
	x, err := sc.Person(p, camera.Place{Still: true, Lag: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Duration(0)
	inFront := func(turn float64, away float64) func(float64) *Image {
		return func(grade float64) *Image {
			x.Move(camera.Place{Still: true, Lag: time.Nanosecond, Distance: 700 + away*grade})
			x.Look(turn*grade, 0)
			var f hal.Frame
			at += time.Second
			sc.Render(at, &f)
			return &Image{W: f.Width, H: f.Height, Stride: f.Stride, Pix: f.Pix}
		}
	}
	changed := func(f func(m *Image, grade float64)) func(float64) *Image {
		return func(grade float64) *Image { m := clone(whole); f(m, grade); return m }
	}
	eyes := func(grow float64) (x0, y0, x1, y1 float64) {
		w := pts[45].X - pts[36].X
		y := (pts[36].Y + pts[45].Y) / 2
		return pts[36].X - .3*w*grow, y - .22*w*grow, pts[45].X + .3*w*grow, y + .22*w*grow
	}
	for _, c := range []struct {
		defect string
		c      Component
		ask    Instruction
		make   func(grade float64) *Image
	}{
		{"far away", EyeDistance, ComeCloser, inFront(0, 1100)},
		{"turned aside", PoseYaw, LookHere, inFront(-38, 0)},
		{"out of focus", Sharpness, HoldStill, func(g float64) *Image { return blurred(whole, int(9*g)) }},
		{"in the dark", Luminance, MoreLight, changed(func(m *Image, g float64) { each(m, func(_, _ int, v float64) float64 { return v * .7 * (1 - .85*g) }) })},
		{"glaring light", OverExposure, MoreLight, changed(func(m *Image, g float64) { each(m, func(_, _ int, v float64) float64 { return v * (1 + 1.3*g) }) })},
		{"light from one side", Uniformity, MoreLight, changed(func(m *Image, g float64) {
			each(m, func(x, _ int, v float64) float64 {
				if float64(x) < pts[30].X {
					return v * (1 - .75*g)
				}
				return v
			})
		})},
		{"dark glasses", EyesVisible, RemoveGlasses, changed(func(m *Image, g float64) {
			x0, y0, x1, y1 := eyes(1)
			each(m, func(x, y int, v float64) float64 {
				if float64(x) > x0 && float64(x) < x1 && float64(y) > y0 && float64(y) < y1 {
					return v * (1 - .95*g)
				}
				return v
			})
		})},
		{"mask", FaceOcclusion, UncoverFace, changed(func(m *Image, g float64) {
			low := pts[8].Y
			paint(m, pts[2].X, low-(low-pts[28].Y)*g, pts[14].X, low, [3]byte{70, 130, 190})
		})},
	} {
		t.Run(c.defect, func(t *testing.T) {
			limits := LiveLimits()
			last, first, line := 101.0, 0.0, ""
			var worst Component
			for k := range 6 {
				m := c.make(float64(k) / 5)
				found, err := e.detectStill(m)
				if err != nil {
					t.Fatal(err)
				}
				if len(found) == 0 {
					t.Fatalf("grade %d: no face", k)
				}
				var f face
				if err := e.analyse(m, found[central(found, m)], &limits, &f); err != nil {
					t.Fatal(err)
				}
				s := f.quality.Score[c.c]
				line += fmt.Sprintf(" %.0f", s)
				if k == 0 {
					first = s
				}
				if s > last+12 { // a measure of pixels is not smooth
					t.Errorf("grade %d: %s is %.0f after %.0f", k, c.c, s, last)
				}
				last, worst = math.Min(last, s), f.quality.Worst()
			}
			t.Logf("%s:%s", c.c, line)
			if first < 50 || last >= 50 {
				t.Errorf("%s: %.0f without the defect, %.0f at its worst", c.c, first, last)
			}
			if worst != c.c && instruction(worst) != c.ask {
				t.Errorf("the worst grade is refused as %s (%s), not %s", worst, instruction(worst), c.c)
			}
		})
	}
	// Background and number of faces are components of a portrait.
	m := clone(whole)
	each(m, func(x, y int, v float64) float64 {
		if math.Abs(float64(x)-d.X) > .6*d.Side && (x/6+y/6)%2 == 0 {
			return 255 - v
		}
		return v
	})
	ref, err := e.Enrol(m, PortraitLimits())
	if err != nil || !slices.Contains(ref.Check().Deviations, "background_uniformity") {
		t.Errorf("a background of squares: %v", err)
	}
	ref.Wipe()
	if ref, err = e.Enrol(whole, PortraitLimits()); err != nil || slices.Contains(ref.Check().Deviations, "background_uniformity") {
		t.Errorf("a plain background: %v, %v", ref.Check().Deviations, err)
	}
	ref.Wipe()
}

// F-03, A-08: one instruction at a time, which stands long enough to be done; who does not uncover the face after
// three tries is not asked again.
func TestA08InstructionsHaveHysteresis(t *testing.T) {
	var i instructions
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	if got := i.say(ComeCloser, at(0)); got != ComeCloser {
		t.Fatal(got)
	}
	// Two that alternate from picture to picture: the first one stands.
	for ms := 66; ms < 3000; ms += 66 {
		want := ComeCloser
		if (ms/66)%2 == 1 {
			want = MoreLight
		}
		if got := i.say(want, at(ms)); got != ComeCloser {
			t.Fatalf("%d ms: %s", ms, got)
		}
	}
	// One that stays takes its place within 250 ms.
	changed := 0
	for ms := 3000; ms < 4000 && changed == 0; ms += 66 {
		if i.say(LookHere, at(ms)) == LookHere {
			changed = ms
		}
	}
	if changed < 3200 || changed > 3400 {
		t.Errorf("another instruction after %d ms", changed-3000)
	}
	// And stands for 900 ms itself.
	for ms := changed + 66; ms < changed+850; ms += 66 {
		if got := i.say(MoreLight, at(ms)); got != LookHere {
			t.Fatalf("%d ms after it was given: %s", ms-changed, got)
		}
	}
	if got := i.say(HoldStill, at(changed+860)); got != HoldStill {
		t.Errorf("everything is right: %s", got)
	}
	i = instructions{}
	end := 0
	for ms := 0; ms < 30000 && end == 0; ms += 66 {
		i.say(RemoveGlasses, at(ms))
		if i.uncovered >= maxUncover {
			end = ms
		}
	}
	if end < 10000 || end > 12000 {
		t.Errorf("asked to take off the glasses for %d ms", end)
	}
}

// P-07, A-08: who does not uncover eyes or face is asked three times, each time in other words than before, and then
// no more.
func TestP07UncoverIsAskedThreeTimes(t *testing.T) {
	for want, others := range map[Instruction]Instruction{RemoveGlasses: UncoverFace, UncoverFace: LookHere} {
		var i instructions
		var shown []Instruction
		var since []time.Duration
		for at := time.Duration(0); i.uncovered < maxUncover; at += 66 * time.Millisecond {
			if at > time.Minute {
				t.Fatalf("%s: asked for a minute", want)
			}
			if got := i.say(want, at); i.uncovered < maxUncover && (len(shown) == 0 || shown[len(shown)-1] != got) {
				shown, since = append(shown, got), append(since, at)
			}
		}
		if !slices.Equal(shown, []Instruction{want, others, want}) {
			t.Errorf("%s: shown %v", want, shown)
		}
		for k := 1; k < len(since); k++ {
			if stood := since[k] - since[k-1]; stood < uncoverTry {
				t.Errorf("%s: try %d stood %s", want, k, stood)
			}
		}
	}
}
