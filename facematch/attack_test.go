package facematch_test

import (
	"os"
	"testing"
	"time"

	"egate/facematch"
	"egate/hal"
	"egate/sim/camera"
	"egate/sim/faces"
	"egate/verdict"
)

// F-08: the planarity over a guided turn, as a table: what is refused, what is not evaluated, what passes.
// Every row refuses or passes for a reason that is not the texture model's.
func TestF08PlanarityTable(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: long")
	}
	e := engine(t)
	t.Logf("%-34s %-10s %9s %-13s %8s", "shown", "texture", "planarity", "", "match")
	row := func(name, who string, sheet *camera.Sheet, place camera.Place, angle float64, seed uint64, want ...verdict.Result) {
		t.Helper()
		sc := small(seed)
		p, err := faces.Get(who)
		if err != nil {
			t.Fatal(err)
		}
		var x *camera.Subject
		if sheet != nil {
			x, err = sc.Print(p, *sheet, place)
		} else {
			x, err = sc.Person(p, place)
		}
		if err != nil {
			t.Fatal(err)
		}
		ref := enrol(t, e, who)
		defer ref.Wipe()
		r := play(t, e, ref, sc, stageLimit, func(_ time.Duration, o facematch.Observation) { x.Look(angle*o.DotX, 0) })
		defer r.Best.Wipe()
		pl, tx := check(r, verdict.CheckPADPlanarity), check(r, verdict.CheckPADTexture)
		t.Logf("%-34s %.2f %-5s %9.4f %-13s %8.3f", who+" "+name, tx.Score, tx.Result, pl.Score, pl.Result, r.Score)
		ok := false
		for _, w := range want {
			ok = ok || pl.Result == w
		}
		if !ok {
			t.Errorf("%s %s: planarity %s (%.4f), want one of %v", who, name, pl.Result, pl.Score, want)
		}
	}
	pass, fail, none := verdict.Pass, verdict.Fail, verdict.NotPossible
	// Every row with one of the two; EGATE_PAD asks for both. TestF08LiveAndPrinted has turns of 17 degrees.
	everybody, both := faces.Names(), os.Getenv("EGATE_PAD") != ""
	for i, c := range []struct {
		name  string
		sheet *camera.Sheet
		place camera.Place
		angle float64
		want  []verdict.Result
	}{
		{"live, turns 12", nil, camera.Place{}, 12, []verdict.Result{pass}},
		{"live, nearer, lower", nil, camera.Place{Distance: 640, Height: -60}, 17, []verdict.Result{pass}},
		{"live, further, aside", nil, camera.Place{Distance: 820, X: 70}, 17, []verdict.Result{pass}},
		{"live, turns 3 only", nil, camera.Place{}, 3, []verdict.Result{none}},
		{"flat 190x250", &camera.Sheet{Width: 190, Height: 250}, camera.Place{}, 17, []verdict.Result{fail}},
		{"flat A4, tilted 8", &camera.Sheet{Width: 210, Height: 297, Tilt: 8}, camera.Place{}, 24, []verdict.Result{fail}},
		{"flat A3, tilted 6", &camera.Sheet{Width: 297, Height: 420, Tilt: 6}, camera.Place{}, 17, []verdict.Result{fail}},
		{"bent A4, 0.15", &camera.Sheet{Width: 210, Height: 297, Bend: .15}, camera.Place{}, 20, []verdict.Result{fail}},
		{"bent A4, 0.3", &camera.Sheet{Width: 210, Height: 297, Bend: .3}, camera.Place{}, 24, []verdict.Result{fail}},
		{"bent A4, 0.5", &camera.Sheet{Width: 210, Height: 297, Bend: .5}, camera.Place{}, 24, []verdict.Result{fail}},
		{"poster, bent 0.1", &camera.Sheet{Width: 594, Height: 841, Bend: .1}, camera.Place{}, 24, []verdict.Result{fail}},
		// Half a cylinder the size of a head has a head's face points but for the nose: its pixels tell.
		{"half a cylinder, turned 24", &camera.Sheet{Width: 210, Height: 297, Bend: 1}, camera.Place{}, 24, []verdict.Result{fail}},
	} {
		for k, who := range everybody {
			if both || k == i%len(everybody) {
				row(c.name, who, c.sheet, c.place, c.angle, uint64(20+i), c.want...)
			}
		}
	}
}

// small is a booth in a picture of three quarters of the gate's size, for what does not look at single pixels.
func small(seed uint64) *camera.Scene { return camera.Sized(seed, 540, 720) }

// stageLimit is of a capture.
const stageLimit = 20 * time.Second

// play runs a session at eight pictures a second until it is done, or the limit has passed.
func play(t testing.TB, e *facematch.Engine, ref *facematch.Reference, sc *camera.Scene, limit time.Duration, react func(time.Duration, facematch.Observation)) facematch.Result {
	t.Helper()
	s := facematch.NewSession(e, ref, facematch.DefaultParams(verdict.DefaultMatch))
	defer s.Close()
	var f hal.Frame
	for at := time.Duration(0); at < limit; at += 125 * time.Millisecond {
		sc.Render(at, &f)
		o, err := s.Frame(view(&f), at)
		if err != nil {
			t.Fatal(err)
		}
		react(at, o)
		if o.Done {
			break
		}
	}
	return s.Decide()
}

func view(f *hal.Frame) facematch.View {
	return facematch.View{Format: facematch.FormatRGB, W: f.Width, H: f.Height, Stride: f.Stride, Pix: f.Pix}
}

// F-08, S-01: somebody shows the holder's photo first and turns the own head when the dot moves. What
// turned was not who was compared, so the capture begins anew and the own face does not match.
func TestF08PhotoFirstThenOwnHead(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: long: runs in full without the race detector")
	}
	e := engine(t)
	ref := enrol(t, e, "astronaut")
	defer ref.Wipe()
	holder, _ := faces.Get("astronaut")
	other, _ := faces.Get("admiral")
	sc := small(41)
	x, err := sc.Print(holder, camera.Sheet{Width: 594, Height: 841}, camera.Place{})
	if err != nil {
		t.Fatal(err)
	}
	swapped, lost := false, false
	r := play(t, e, ref, sc, stageLimit, func(_ time.Duration, o facematch.Observation) {
		lost = lost || o.TrackLost
		if o.Guidance == facematch.FollowDot && !swapped {
			swapped = true
			sc.Clear()
			if x, err = sc.Person(other, camera.Place{}); err != nil {
				t.Fatal(err)
			}
		}
		x.Look(17*o.DotX, 0)
	})
	defer r.Best.Wipe()
	if !swapped || !lost {
		t.Errorf("swapped %v, track lost %v", swapped, lost)
	}
	if m, tm := check(r, verdict.CheckMatch), check(r, verdict.CheckPADTemporal); m.Result != verdict.Fail || tm.Result != verdict.Fail || r.PADBand == verdict.BandAbove {
		t.Errorf("match %s %.3f, temporal %s, band %s", m.Result, m.Score, tm.Result, r.PADBand)
	}
}

// S-01: after the decision another person takes the place without the face ever being out of sight.
func TestS01ReplacedAfterDecision(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: long: runs in full without the race detector")
	}
	e := engine(t)
	ref := enrol(t, e, "astronaut")
	defer ref.Wipe()
	holder, _ := faces.Get("astronaut")
	other, _ := faces.Get("admiral")
	sc := small(42)
	x, err := sc.Person(holder, camera.Place{})
	if err != nil {
		t.Fatal(err)
	}
	s := facematch.NewSession(e, ref, facematch.DefaultParams(verdict.DefaultMatch))
	defer s.Close()
	var f hal.Frame
	var decided, told time.Duration
	for at := time.Duration(0); at < 25*time.Second && told == 0; at += 125 * time.Millisecond {
		sc.Render(at, &f)
		o, err := s.Frame(view(&f), at)
		if err != nil {
			t.Fatal(err)
		}
		x.Look(17*o.DotX, 0)
		switch {
		case o.Done && decided == 0:
			decided = at
			r := s.Decide()
			r.Best.Wipe()
			if m := check(r, verdict.CheckMatch); m.Result != verdict.Pass {
				t.Fatalf("the holder: %s %.3f", m.Result, m.Score)
			}
		case decided > 0 && at == decided+3*time.Second:
			sc.Clear()
			if x, err = sc.Person(other, camera.Place{}); err != nil {
				t.Fatal(err)
			}
		case o.TrackLost && at > decided+3*time.Second:
			told = at - decided - 3*time.Second
		case o.TrackLost:
			t.Fatalf("the holder was lost at %s", at)
		}
	}
	if told == 0 || told > 2*time.Second {
		t.Errorf("the replacement was told after %s", told)
	}
}

// X-08, F-14: a camera that repeats its pictures is not a camera that looks.
func TestX08RepeatedPictures(t *testing.T) {
	e := engine(t)
	ref := enrol(t, e, "astronaut")
	defer ref.Wipe()
	holder, _ := faces.Get("astronaut")
	sc := small(43)
	if _, err := sc.Person(holder, camera.Place{}); err != nil {
		t.Fatal(err)
	}
	var loop [6]hal.Frame
	for i := range loop {
		sc.Render(time.Duration(i)*125*time.Millisecond, &loop[i])
	}
	s := facematch.NewSession(e, ref, facematch.DefaultParams(verdict.DefaultMatch))
	defer s.Close()
	for i := range 24 {
		if _, err := s.Frame(view(&loop[i%len(loop)]), time.Duration(i)*125*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	r := s.Decide()
	defer r.Best.Wipe()
	if c := check(r, verdict.CheckPADTemporal); c.Result != verdict.Fail || c.Reason != verdict.PADFailed {
		t.Errorf("a loop: %s %s", c.Result, c.Reason)
	}
}

// F-14: a frozen camera is told within a second or so, with or without a face.
func TestF14FrozenCamera(t *testing.T) {
	e := engine(t)
	sc := small(44)
	var f hal.Frame
	s := facematch.NewSession(e, nil, facematch.DefaultParams(verdict.DefaultMatch))
	defer s.Close()
	frozen := time.Duration(-1)
	for at := time.Duration(0); at <= 4*time.Second && frozen < 0; at += 125 * time.Millisecond {
		if at <= 2*time.Second {
			sc.Render(at, &f)
		}
		o, err := s.Frame(view(&f), at)
		if err != nil {
			t.Fatal(err)
		}
		if o.Fault == facematch.CameraFrozen {
			frozen = at - 2*time.Second
		}
	}
	if frozen < time.Second || frozen > 1200*time.Millisecond {
		t.Errorf("told %s after the picture stopped", frozen)
	}
}

// F-14: pictures without an edge are a fault of the camera within a second; a booth that is empty, and a person in it,
// are none, and what has no light says nothing of the lens.
func TestF14OutOfFocus(t *testing.T) {
	e := engine(t)
	holder, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	var mean [61]byte            // the last pixels of the line
	blur := func(f *hal.Frame) { // each pixel of a line is a mean of 61
		for y := range f.Height {
			row := f.Pix[y*f.Stride : y*f.Stride+3*f.Width]
			for c := range 3 {
				sum := 0
				for x := range f.Width {
					if sum += int(row[3*x+c]); x >= 61 {
						sum -= int(mean[x%61])
					}
					mean[x%61] = row[3*x+c]
					row[3*x+c] = byte(sum / min(61, x+1))
				}
			}
		}
	}
	all := func(v byte) func(f *hal.Frame) {
		return func(f *hal.Frame) {
			for i := range f.Pix {
				f.Pix[i] = v + f.Pix[i]%3 // noise stays
			}
		}
	}
	none := func(*hal.Frame) {}
	for _, c := range []struct {
		name   string
		change func(f *hal.Frame)
		person bool
		want   facematch.CameraFault
	}{{"empty booth", none, false, ""}, {"person", none, true, ""}, {"black", all(1), true, ""}, {"burnt out", all(253), true, ""},
		{"covered by grey", all(120), true, facematch.CameraUnfocused}, {"out of focus", blur, false, facematch.CameraUnfocused}} {
		sc := camera.New(46)
		if c.person {
			if _, err := sc.Person(holder, camera.Place{}); err != nil {
				t.Fatal(err)
			}
		}
		s := facematch.NewSession(e, nil, facematch.DefaultParams(verdict.DefaultMatch))
		var f hal.Frame
		var got facematch.CameraFault
		told := time.Duration(0)
		for at := time.Duration(0); at <= 1500*time.Millisecond && got == ""; at += 250 * time.Millisecond {
			sc.Render(at, &f)
			c.change(&f)
			o, err := s.Frame(view(&f), at)
			if err != nil {
				t.Fatal(err)
			}
			got, told = o.Fault, at
		}
		s.Close()
		if got != c.want || got != "" && told > time.Second {
			t.Errorf("%s: %q after %s, want %q", c.name, got, told, c.want)
		}
	}
}
