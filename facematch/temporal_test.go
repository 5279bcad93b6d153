package facematch_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"
	"time"

	"egate/facematch"
	"egate/hal"
	"egate/sim/camera"
	"egate/sim/faces"
	"egate/verdict"
)

// picture of a frame, with noise of a sensor that films a screen.
func picture(f *hal.Frame, rnd *rand.Rand) *facematch.Image {
	m := facematch.NewImage(f.Width, f.Height)
	for y := range f.Height {
		copy(m.Pix[y*m.Stride:(y+1)*m.Stride], f.Pix[y*f.Stride:])
	}
	if rnd != nil {
		for i := range m.Pix {
			m.Pix[i] = byte(max(0, min(255, int(m.Pix[i])+rnd.IntN(9)-4)))
		}
	}
	return m
}

// F-08, X-08: what the order of the pictures tells, each cue alone and none for a person who turns: a loop
// that was filmed again, so that no picture is equal to another; a film cut from two; a picture laid
// round a face. Each is a veto of its own.
func TestF08TemporalConsistency(t *testing.T) {
	e := engine(t)
	holder, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	film := func(seed uint64, n int, x0 float64) (out []*facematch.Image) {
		sc := small(seed)
		x, err := sc.Person(holder, camera.Place{X: x0})
		if err != nil {
			t.Fatal(err)
		}
		var f hal.Frame
		for i := range n {
			// From side to side in 16 pictures.
			x.Look(20*triangle(float64(i)/16), 0)
			sc.Render(time.Duration(i)*125*time.Millisecond, &f)
			out = append(out, picture(&f, nil))
		}
		return out
	}
	noisy := func(m *facematch.Image, rnd *rand.Rand) *facematch.Image {
		f := hal.Frame{Width: m.W, Height: m.H, Stride: m.Stride, Pix: m.Pix}
		return picture(&f, rnd)
	}
	rnd := rand.New(rand.NewPCG(1, 9))
	live := film(60, 28, 0)
	var loop, cut, frozen []*facematch.Image
	for i := range live {
		loop = append(loop, noisy(live[i%16], rnd))
		switch {
		case i < 18:
			cut, frozen = append(cut, live[i]), append(frozen, live[i])
		default:
			// The same person elsewhere, in another light: the face is where it was.
			bright := noisy(live[i], rnd)
			for y := range bright.H {
				for x := range bright.W {
					if (x/48+y/48)%2 == 0 && !near(x, y, bright) {
						p := bright.Pix[y*bright.Stride+3*x:]
						for c := range 3 {
							p[c] = byte(min(255, int(p[c])+50))
						}
					}
				}
			}
			cut, frozen = append(cut, bright), append(frozen, live[17])
		}
	}
	for _, c := range []struct {
		name  string
		film  []*facematch.Image
		want  verdict.Result
		which func(facematch.Judgement) int
	}{
		{"a person who turns", live, verdict.Pass, func(j facematch.Judgement) int { return 1 }},
		{"a loop filmed again", loop, verdict.Fail, func(j facematch.Judgement) int { return j.Loops }},
		{"a cut", cut, verdict.Fail, func(j facematch.Judgement) int { return j.Cuts }},
		{"a film that stops", frozen, verdict.Fail, func(j facematch.Judgement) int { return j.Repeats }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := facematch.NewRecording(e, facematch.DefaultParams(verdict.DefaultMatch), false)
			defer r.Close()
			for i, m := range c.film {
				if err := r.Add(m, time.Duration(i)*125*time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
			j := r.Judge(nil)
			got := checkOf(j.Checks, verdict.CheckPADTemporal)
			t.Log(fmt.Sprintf("%s: %s; %d repeats, %d loops, %d cuts; planarity %s", c.name, got.Result, j.Repeats, j.Loops, j.Cuts,
				checkOf(j.Checks, verdict.CheckPADPlanarity).Result))
			if got.Result != c.want || c.which(j) == 0 {
				t.Errorf("%s, want %s", got.Result, c.want)
			}
			// The veto is one of its own: nothing else is wrong, and a policy that requires it refuses.
			p := verdict.DefaultPolicy()
			p.Checks[verdict.CheckPADTemporal] = verdict.Required
			all := passedDocument()
			for _, id := range verdict.CheckIDs() {
				if id > verdict.CheckPortrait && id != verdict.CheckPADTemporal {
					all = append(all, verdict.Check{ID: id, Result: verdict.Pass, Reason: verdict.OK})
				}
			}
			v := verdict.Decide(p, append(all, got))
			if (v.Outcome == verdict.Allow) != (c.want == verdict.Pass) {
				t.Errorf("the verdict is %s %s", v.Outcome, v.Reason)
			}
		})
	}
}

// triangle goes 0, 1, 0, -1, 0 once per period.
func triangle(x float64) float64 {
	x -= float64(int(x))
	switch {
	case x < 0.25:
		return 4 * x
	case x < 0.75:
		return 2 - 4*x
	}
	return 4*x - 4
}

// near says that a pixel is of the middle, where the person stands.
func near(x, y int, m *facematch.Image) bool {
	return x > m.W*3/10 && x < m.W*7/10 && y > m.H/8
}

func checkOf(checks []verdict.Check, id verdict.CheckID) verdict.Check {
	for _, c := range checks {
		if c.ID == id {
			return c
		}
	}
	return verdict.Check{}
}

// F-08: a presentation filmed without a gate is judged by the measures of the gate: heads that turn to both
// sides pass planarity, sheets that are turned and moved by hand do not.
func TestF08Recordings(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: long")
	}
	e := engine(t)
	for i, c := range []struct {
		name, who string
		sheet     *camera.Sheet
		angle     float64
		want      []verdict.Result
	}{
		{"head", "astronaut", nil, 18, []verdict.Result{verdict.Pass}},
		{"head", "admiral", nil, 18, []verdict.Result{verdict.Pass}},
		{"head, hardly turning", "astronaut", nil, 4, []verdict.Result{verdict.NotPossible}},
		{"flat sheet", "admiral", &camera.Sheet{Width: 297, Height: 420, Tilt: 6, Hands: thumbs(297, 60, darkSkin)}, 22, []verdict.Result{verdict.Fail}},
		{"bent sheet", "astronaut", &camera.Sheet{Width: 210, Height: 297, Bend: .2, Hands: []camera.Hand{}}, 22, []verdict.Result{verdict.Fail}},
	} {
		sc := small(uint64(70 + i))
		p, err := faces.Get(c.who)
		if err != nil {
			t.Fatal(err)
		}
		var x *camera.Subject
		if c.sheet != nil {
			x, err = sc.Print(p, *c.sheet, camera.Place{})
		} else {
			x, err = sc.Person(p, camera.Place{})
		}
		if err != nil {
			t.Fatal(err)
		}
		r := facematch.NewRecording(e, facematch.DefaultParams(verdict.DefaultMatch), false)
		var f hal.Frame
		for k := range 24 { // from the middle to both sides and back
			phase := float64(k) / 20
			x.Look(c.angle*triangle(phase), 0)
			x.Move(camera.Place{X: 25 * triangle(2*phase), Height: 15 * triangle(1.3*phase)})
			sc.Render(time.Duration(k)*125*time.Millisecond, &f)
			if err := r.Add(picture(&f, nil), time.Duration(k)*125*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		j := r.Judge(nil)
		r.Close()
		got := checkOf(j.Checks, verdict.CheckPADPlanarity)
		t.Logf("%-22s %-10s planarity %.4f %-12s texture %.2f temporal %s; %d frontal, turned %v, spread %.0f", c.name, c.who, got.Score, got.Result,
			checkOf(j.Checks, verdict.CheckPADTexture).Score, checkOf(j.Checks, verdict.CheckPADTemporal).Result, j.Frontal, j.Turned, j.Spread)
		ok := false
		for _, w := range c.want {
			ok = ok || w == got.Result
		}
		if !ok {
			t.Errorf("%s %s: planarity %s, want one of %v", c.name, c.who, got.Result, c.want)
		}
		// The camera stands still: what moves with straight edges is held. Bare skin has no raster.
		edge, raster := checkOf(j.Checks, verdict.CheckPADEdges), checkOf(j.Checks, verdict.CheckPADMoire)
		t.Logf("%-22s %-10s edges %.0f %s, moire %.1f %s", c.name, c.who, edge.Score, edge.Result, raster.Score, raster.Result)
		if held := c.sheet != nil; (edge.Result == verdict.Fail) != held || edge.Result == verdict.NotPossible || raster.Result == verdict.NotPossible || !held && raster.Result != verdict.Pass {
			t.Errorf("%s %s: edges %s %.0f, moire %s %.1f", c.name, c.who, edge.Result, edge.Score, raster.Result, raster.Score)
		}
		// Fingers cross the rim where they can be seen to hold it.
		want := verdict.NotEvaluated
		if c.sheet != nil {
			if want = verdict.Pass; len(c.sheet.Hands) > 0 {
				want = verdict.Fail
			}
		}
		if grip := checkOf(j.Checks, verdict.CheckPADHands); grip.Result != want && (c.sheet != nil || grip.Result == verdict.Fail) {
			t.Errorf("%s %s: hands %s %.2f, want %s", c.name, c.who, grip.Result, grip.Score, want)
		}
	}
}

// F-08: compression takes the fine colours that moire is looked for in: a compressed picture is not evaluated, whoever
// is in it. A living person who stands still is not called a sheet.
func TestF08CompressedFilm(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: draws films: left out of the short run")
	}
	e := engine(t)
	p, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	for _, quality := range []int{0, 90, 60} {
		sc := camera.New(7)
		if _, err := sc.Person(p, camera.Place{}); err != nil {
			t.Fatal(err)
		}
		r := facematch.NewRecording(e, facematch.DefaultParams(verdict.DefaultMatch), false)
		var f hal.Frame
		n := 3
		if quality == 90 {
			n = 12
		}
		for k := range n {
			sc.Render(time.Duration(k)*125*time.Millisecond, &f)
			m := picture(&f, nil)
			if quality > 0 {
				m = compressed(t, m, quality)
			}
			if err := r.Add(m, time.Duration(k)*125*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		j := r.Judge(nil)
		r.Close()
		raster, planar := checkOf(j.Checks, verdict.CheckPADMoire), checkOf(j.Checks, verdict.CheckPADPlanarity)
		t.Logf("quality %d: moire %.1f %s, planarity %.4f %s", quality, raster.Score, raster.Result, planar.Score, planar.Result)
		want := verdict.NotPossible
		if quality == 0 {
			want = verdict.Pass
		}
		if raster.Result != want || planar.Result != verdict.NotPossible {
			t.Errorf("quality %d: moire %s, want %s; planarity %s", quality, raster.Result, want, planar.Result)
		}
	}
}

// compressed is a picture as a JPEG of a quality shows it.
func compressed(t testing.TB, m *facematch.Image, quality int) *facematch.Image {
	t.Helper()
	c := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	for y := range m.H {
		for x := range m.W {
			copy(c.Pix[y*c.Stride+4*x:], append(m.Pix[y*m.Stride+3*x:y*m.Stride+3*x+3:y*m.Stride+3*x+3], 255))
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, c, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	d, err := jpeg.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := facematch.FromImage(d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// a film of somebody, smoothed as films are, that is laid into the camera's path over pictures of the booth has
// less noise than the wall; a living person has not. What was compressed as a whole is not evaluated.
func TestX08GrainOfOneSensor(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: draws films: left out of the short run")
	}
	e := engine(t)
	for _, c := range []struct {
		name, who string
		change    func(m *facematch.Image, booth *hal.Frame) *facematch.Image
		want      verdict.Result
	}{
		{"living", "astronaut", func(m *facematch.Image, _ *hal.Frame) *facematch.Image { return m }, verdict.Pass},
		{"living", "admiral", func(m *facematch.Image, _ *hal.Frame) *facematch.Image { return m }, verdict.Pass},
		{"laid in", "astronaut", laidIn, verdict.Fail},
		{"laid in", "admiral", laidIn, verdict.Fail},
		{"compressed", "astronaut", func(m *facematch.Image, _ *hal.Frame) *facematch.Image { return compressed(t, m, 60) }, verdict.NotPossible},
	} {
		p, err := faces.Get(c.who)
		if err != nil {
			t.Fatal(err)
		}
		sc, empty := camera.New(8), camera.New(9)
		if _, err := sc.Person(p, camera.Place{}); err != nil {
			t.Fatal(err)
		}
		r := facematch.NewRecording(e, facematch.DefaultParams(verdict.DefaultMatch), false)
		var f, booth hal.Frame
		for k := range 3 {
			at := time.Duration(k) * 125 * time.Millisecond
			sc.Render(at, &f)
			empty.Render(at, &booth)
			if err := r.Add(c.change(picture(&f, nil), &booth), at); err != nil {
				t.Fatal(err)
			}
		}
		j := r.Judge(nil)
		r.Close()
		got := checkOf(j.Checks, verdict.CheckPADGrain)
		t.Logf("%-11s %-10s grain %.2f %s", c.name, c.who, got.Score, got.Result)
		if got.Result != c.want {
			t.Errorf("%s %s: %s %.2f, want %s", c.name, c.who, got.Result, got.Score, c.want)
		}
	}
}

// laidIn puts the smoothed middle of a picture into one of the booth.
func laidIn(m *facematch.Image, booth *hal.Frame) *facematch.Image {
	out := picture(booth, nil)
	for y := m.H / 5; y < m.H-2; y++ {
		for x := m.W / 4; x < 3*m.W/4; x++ {
			for k := range 3 {
				sum := 0
				for dy := -2; dy <= 2; dy++ {
					for dx := -2; dx <= 2; dx++ {
						sum += int(m.Pix[(min(m.H-1, y+dy))*m.Stride+3*(x+dx)+k])
					}
				}
				out.Pix[y*out.Stride+3*x+k] = byte(sum / 25)
			}
		}
	}
	return out
}
