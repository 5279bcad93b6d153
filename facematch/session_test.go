package facematch_test

import (
	"testing"
	"time"

	"egate/facematch"
	"egate/hal"
	"egate/sim/camera"
	"egate/sim/faces"
	"egate/verdict"
)

func engine(t testing.TB) *facematch.Engine { return facematch.SharedEngine(t) }

func enrol(t testing.TB, e *facematch.Engine, name string) *facematch.Reference {
	t.Helper()
	ref, err := e.Enrol(facematch.PortraitOf(t, name), facematch.PortraitLimits())
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// capture plays a whole session: the head follows the dot, if it turns.
func capture(t testing.TB, e *facematch.Engine, ref *facematch.Reference, sc *camera.Scene, x *camera.Subject, turns bool, limit time.Duration) (facematch.Result, time.Duration, []facematch.Instruction) {
	t.Helper()
	var told []facematch.Instruction
	var took time.Duration
	r := play(t, e, ref, sc, limit, func(at time.Duration, o facematch.Observation) {
		took = at
		if n := len(told); o.Guidance != "" && (n == 0 || told[n-1] != o.Guidance) {
			told = append(told, o.Guidance)
		}
		if turns {
			x.Look(17*o.DotX, 0)
		}
	})
	return r, took, told
}

func check(r facematch.Result, id verdict.CheckID) verdict.Check {
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	return verdict.Check{}
}

// F-01, F-04, F-08: a live person who turns passes, another person does not match, and what is printed
// on a sheet is refused by how it moves, not by its texture alone. The same camera sees all of them.
func TestF08LiveAndPrinted(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: long: runs in full without the race detector")
	}
	e := engine(t)
	type shot struct {
		name, holder, shown string
		sheet               *camera.Sheet
		turns               bool
		want                map[verdict.CheckID]verdict.Result
	}
	pass, fail := verdict.Pass, verdict.Fail
	for _, c := range []shot{
		{"astronaut live", "astronaut", "astronaut", nil, true, map[verdict.CheckID]verdict.Result{verdict.CheckMatch: pass, verdict.CheckPADPlanarity: pass, verdict.CheckPADTexture: pass, verdict.CheckSingleFace: pass, verdict.CheckQuality: pass}},
		{"admiral live", "admiral", "admiral", nil, true, map[verdict.CheckID]verdict.Result{verdict.CheckMatch: pass, verdict.CheckPADPlanarity: pass, verdict.CheckPADTexture: pass, verdict.CheckSingleFace: pass, verdict.CheckQuality: pass}},
		{"another person", "astronaut", "admiral", nil, true, map[verdict.CheckID]verdict.Result{verdict.CheckMatch: fail}},
		{"does not turn", "astronaut", "astronaut", nil, false, nil},
		{"small sheet, bent", "astronaut", "astronaut", &camera.Sheet{Width: 190, Height: 250, Bend: 0.15, Tilt: 4}, true, map[verdict.CheckID]verdict.Result{verdict.CheckPADPlanarity: fail}},
		{"poster", "admiral", "admiral", &camera.Sheet{Width: 594, Height: 841, Bend: 0.05}, true, map[verdict.CheckID]verdict.Result{verdict.CheckPADPlanarity: fail}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := camera.New(11)
			p, err := faces.Get(c.shown)
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
			ref := enrol(t, e, c.holder)
			defer ref.Wipe()
			r, took, told := capture(t, e, ref, sc, x, c.turns, stageLimit)
			defer r.Best.Wipe()
			t.Logf("%s after %s: match %.3f (%s), quality %.0f, texture %.2f (%s), planarity %.4f (%s); told %v", c.name, took,
				r.Score, r.MatchBand, check(r, verdict.CheckQuality).Score, check(r, verdict.CheckPADTexture).Score, check(r, verdict.CheckPADTexture).Result,
				check(r, verdict.CheckPADPlanarity).Score, check(r, verdict.CheckPADPlanarity).Result, told)
			for id, want := range c.want {
				if got := check(r, id); got.Result != want {
					t.Errorf("%s: %s, want %s (%s, score %.4f)", id, got.Result, want, got.Reason, got.Score)
				}
			}
			if !c.turns && check(r, verdict.CheckPADPlanarity).Result == pass {
				t.Error("planarity passed without a turn")
			}
			if c.sheet != nil {
				// The whole verdict refuses although the printed face is the holder's.
				if v := verdict.Decide(verdict.DefaultPolicy(), append(passedDocument(), r.Checks...)); v.Outcome == verdict.Allow {
					t.Error("a print was allowed")
				}
			}
		})
	}
}

func passedDocument() []verdict.Check {
	var out []verdict.Check
	for _, id := range verdict.CheckIDs() {
		if id <= verdict.CheckPortrait {
			out = append(out, verdict.Check{ID: id, Result: verdict.Pass, Reason: verdict.OK})
		}
	}
	return out
}

// S-01, F-01: a second face, nobody, somebody who leaves.
func TestF01SecondFaceAndLostTrack(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: long: runs in full without the race detector")
	}
	e := engine(t)
	ref := enrol(t, e, "astronaut")
	defer ref.Wipe()
	one, _ := faces.Get("astronaut")
	two, _ := faces.Get("admiral")

	sc := camera.New(3)
	a, err := sc.Person(one, camera.Place{X: -130, Distance: 900})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sc.Person(two, camera.Place{X: 130, Distance: 900}); err != nil {
		t.Fatal(err)
	}
	r, _, told := capture(t, e, ref, sc, a, true, 2*time.Second)
	if got := check(r, verdict.CheckSingleFace); got.Result != verdict.Fail || got.Reason != verdict.TwoFaces {
		t.Errorf("two people: %s %s, told %v", got.Result, got.Reason, told)
	}
	r.Best.Wipe()

	empty := camera.New(4)
	r, _, _ = capture(t, e, ref, empty, a, false, 2*time.Second)
	if got := check(r, verdict.CheckSingleFace); got.Reason != verdict.NoFace {
		t.Errorf("nobody: %s", got.Reason)
	}

	gone := camera.New(5)
	x, err := gone.Person(one, camera.Place{})
	if err != nil {
		t.Fatal(err)
	}
	s := facematch.NewSession(e, ref, facematch.DefaultParams(verdict.DefaultMatch))
	defer s.Close()
	var f hal.Frame
	lost, done := false, false
	for at := time.Duration(0); at < 20*time.Second && !lost; at += 125 * time.Millisecond {
		gone.Render(at, &f)
		o, err := s.Frame(facematch.View{Format: facematch.FormatRGB, W: f.Width, H: f.Height, Stride: f.Stride, Pix: f.Pix}, at)
		if err != nil {
			t.Fatal(err)
		}
		x.Look(17*o.DotX, 0)
		if o.Done && !done {
			done = true
			s.Decide().Best.Wipe()
			gone.Clear()
		}
		lost = o.TrackLost
	}
	if !done || !lost {
		t.Errorf("the person left after the decision: done %v, track lost %v", done, lost)
	}
}
