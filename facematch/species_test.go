package facematch_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"egate/facematch"
	"egate/facematch/evaluate"
	"egate/hal"
	"egate/sim/camera"
	"egate/sim/faces"
	"egate/verdict"
)

// F-08: species against signals, in the simulated camera: who presents stands, holds and turns a little differently
// each time, in halls from half to twice the usual brightness. EGATE_PAD is how many presentations of each portrait.
// It prints the table of the README and judges nothing but that live people pass.
func TestF08Species(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("EGATE_PAD"))
	if n <= 0 {
		t.Skip("SKIP: long: EGATE_PAD=5 go test -v -run F08Species ./facematch")
	}
	e := engine(t)
	ids := []verdict.CheckID{verdict.CheckPADTexture, verdict.CheckPADPlanarity, verdict.CheckPADTemporal, verdict.CheckPADLight, verdict.CheckPADEdges, verdict.CheckPADHands, verdict.CheckPADMoire}
	turned := func(angle, w, h, bend float64) func(*rand.Rand) presentation {
		return func(r *rand.Rand) presentation {
			s := camera.Sheet{Width: w, Height: h, Bend: bend, Tilt: 8 * r.Float64()}
			at := anywhere(r, 740)
			return presentation{angle: angle + 7*r.Float64(), put: func(sc *camera.Scene, p *faces.Portrait) (*camera.Subject, error) { return sc.Print(p, s, at) }}
		}
	}
	sheet := func(w, h, bend float64) func(*rand.Rand) presentation { return turned(17, w, h, bend) }
	panel := func(of camera.Panel, distance float64) func(*rand.Rand) presentation {
		return func(r *rand.Rand) presentation {
			of := of
			of.Tilt = 5 * r.Float64()
			return presentation{put: played(of, anywhere(r, distance)), angle: 14 + 5*r.Float64()}
		}
	}
	for _, sp := range []struct {
		name  string
		blind bool
		make  func(*rand.Rand) presentation
	}{
		{"live", false, func(r *rand.Rand) presentation {
			return presentation{put: live(anywhere(r, 740)), angle: 14 + 5*r.Float64()}
		}},
		{"print, A4", false, sheet(210, 297, 0)},
		{"print, A3", false, sheet(297, 420, 0)},
		{"print, 190x250, bent 0.15", false, sheet(190, 250, 0.15)},
		{"print, poster", false, sheet(594, 841, 0)},
		{"print, half a cylinder", false, sheet(210, 297, 1)},
		{"print, bent 0.75, turned far", false, turned(32, 210, 297, 0.75)},
		{"print, bent 0.5, turned far", false, turned(32, 190, 250, 0.5)},
		{"film, phone", false, panel(phone, 320)},
		{"film, tablet", false, panel(tablet, 740)},
		{"film, monitor", false, panel(monitor, 740)},
		{"film in the camera's path", true, func(r *rand.Rand) presentation {
			return presentation{put: live(anywhere(r, 740)), angle: 14 + 5*r.Float64()}
		}},
	} {
		t.Run(sp.name, func(t *testing.T) {
			refused, judged := map[verdict.CheckID]int{}, map[verdict.CheckID]int{}
			all, any, let := 0, 0, 0
			var slowest time.Duration
			for _, who := range faces.Names() {
				for k := range n {
					rnd := rand.New(rand.NewPCG(uint64(k), 77))
					c := sp.make(rnd)
					c.name, c.who, c.blind, c.hall = sp.name, who, sp.blind, 0.5+1.5*rnd.Float64()
					r, took := present(t, e, c, uint64(200+k))
					r.Best.Wipe()
					all++
					slowest = max(slowest, took)
					some := false
					for _, id := range ids {
						switch check(r, id).Result {
						case verdict.Fail:
							refused[id]++
							judged[id]++
							some = true
						case verdict.Pass:
							judged[id]++
						}
					}
					if some {
						any++
					}
					// What the built-in policy lets through, the document apart.
					if verdict.Decide(verdict.DefaultPolicy(), append(passedDocument(), r.Checks...)).Outcome == verdict.Allow {
						let++
					}
					if l := check(r, verdict.CheckPADLight); testing.Verbose() {
						fmt.Printf("  %s %s: light %.3f of %.3f %s, edges %v, hands %.2f, moire %.1f, texture %.2f\n", sp.name, who, l.Score, l.Threshold, l.Result,
							check(r, verdict.CheckPADEdges).Score, check(r, verdict.CheckPADHands).Score, check(r, verdict.CheckPADMoire).Score, check(r, verdict.CheckPADTexture).Score)
					}
				}
			}
			row := fmt.Sprintf("| %s | %d |", sp.name, all)
			for _, id := range ids {
				row += fmt.Sprintf(" %d of %d |", refused[id], judged[id])
			}
			_, high := evaluate.Wilson(let, all)
			fmt.Printf("%s %d of %d | %.0f %% | slowest %s\n", row, let, all, 100*high, slowest)
			if sp.name == "live" && any > 0 {
				t.Errorf("%d of %d live presentations were refused by a signal", any, all)
			}
		})
	}
}

// anywhere is a place round the marked spot.
func anywhere(r *rand.Rand, distance float64) camera.Place {
	return camera.Place{Distance: distance * (0.92 + 0.2*r.Float64()), X: 80*r.Float64() - 40, Height: 60*r.Float64() - 30}
}

// a film that is laid over a still picture of the booth has no noise round the head.
func TestX08SameNoise(t *testing.T) {
	e := engine(t)
	holder, _ := faces.Get("astronaut")
	sc := camera.New(45)
	if _, err := sc.Person(holder, camera.Place{}); err != nil {
		t.Fatal(err)
	}
	ref := enrol(t, e, "astronaut")
	defer ref.Wipe()
	for _, laid := range []bool{false, true} {
		s := facematch.NewSession(e, ref, facematch.DefaultParams(verdict.DefaultMatch))
		var still, f hal.Frame
		sc.Render(0, &still)
		for i := range 12 {
			at := time.Duration(i+1) * 125 * time.Millisecond
			sc.Render(at, &f)
			for y := range f.Height {
				for x := range f.Width {
					// The middle, where the person stands, is of the film; all else of the still picture.
					if o := y*f.Stride + 3*x; laid && (x < 175 || x > 545 || y < 300) {
						copy(f.Pix[o:o+3], still.Pix[o:o+3])
					}
				}
			}
			if _, err := s.Frame(view(&f), at); err != nil {
				t.Fatal(err)
			}
		}
		r := s.Decide()
		r.Best.Wipe()
		s.Close()
		want := verdict.Pass
		if laid {
			want = verdict.Fail
		}
		if c := check(r, verdict.CheckPADTemporal); c.Result != want {
			t.Errorf("laid over a still picture %v: %s", laid, c.Result)
		}
	}
}
