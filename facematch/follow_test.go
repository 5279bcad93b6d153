package facematch_test

import (
	"math"
	"testing"
	"time"

	"egate/facematch"
	"egate/hal"
	"egate/sim/camera"
	"egate/sim/faces"
	"egate/verdict"
)

// F-02: eyes from 1.0 to 2.0 m, before a camera on its side at 1.5 m that nobody tilts: everybody who looks at it is
// captured, turns with the dot and is who the portrait shows. Nobody is asked for anything but that.
func TestF02HeightRange(t *testing.T) {
	e := engine(t)
	const camHeight, away = 1500.0, 1100.0
	ref := enrol(t, e, "astronaut")
	defer ref.Wipe()
	holder, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	for _, eyes := range []float64{1000, 1500, 2000} {
		sc := camera.Tall(uint64(eyes))
		x, err := sc.Person(holder, camera.Place{Distance: away, Height: eyes - camHeight})
		if err != nil {
			t.Fatal(err)
		}
		up := -math.Atan2(eyes-camHeight, away) * 180 / math.Pi // looks at the camera
		x.Look(0, up)
		s := facematch.NewSession(e, ref, facematch.DefaultParams(verdict.DefaultMatch))
		var f hal.Frame
		told := map[facematch.Instruction]int{}
		at := time.Duration(0)
		for ; at < 20*time.Second; at += 125 * time.Millisecond {
			sc.Render(at, &f)
			o, err := s.Frame(view(&f), at)
			if err != nil {
				t.Fatal(err)
			}
			told[o.Guidance]++
			x.Look(17*o.DotX, up)
			if o.Done {
				break
			}
		}
		r := s.Decide()
		s.Close()
		r.Best.Wipe()
		m, p, q := check(r, verdict.CheckMatch), check(r, verdict.CheckPADPlanarity), check(r, verdict.CheckQuality)
		t.Logf("eyes at %.2f m: %.1f s, match %s %.2f, planarity %s %.4f, quality %s %.0f, texture %.2f, told %v", eyes/1000, at.Seconds(), m.Result, m.Score, p.Result, p.Score, q.Result, q.Score,
			check(r, verdict.CheckPADTexture).Score, told)
		if m.Result != verdict.Pass || p.Result != verdict.Pass || q.Result != verdict.Pass {
			t.Errorf("eyes at %.2f m: match %s, planarity %s, quality %s", eyes/1000, m.Result, p.Result, q.Result)
		}
	}
}
