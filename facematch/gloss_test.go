package facematch_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"egate/facematch/evaluate"
	"egate/sim/camera"
	"egate/sim/faces"
	"egate/verdict"
)

// lampsOf are lamps of a booth: strips at both sides of the screen, one over it, one aside.
var lampsOf = [][]camera.Spot{
	{{X: -260, Y: -60, Size: 3}, {X: 260, Y: -60, Size: 3}},
	{{Y: -420, Z: 60, Size: 4}},
	{{X: 380, Y: -260, Z: 250, Size: 3}},
}

// F-08: highlights on glossy prints, on the glass of a panel and on skin from dull to sweating, under three sets of
// lamps. EGATE_PAD is how many presentations of each portrait and set; it prints the table of the README.
func TestF08Highlights(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("EGATE_PAD"))
	if n <= 0 {
		t.Skip("SKIP: long: EGATE_PAD=1 go test -timeout 30m -v -run F08Highlights ./facematch")
	}
	e := engine(t)
	sheet := func(w, h, bend, tilt float64) func(*rand.Rand, camera.Place) put {
		return func(r *rand.Rand, at camera.Place) put {
			return held(camera.Sheet{Width: w, Height: h, Bend: bend, Tilt: tilt * r.Float64()}, at)
		}
	}
	skin := func(_ *rand.Rand, at camera.Place) put { return live(at) }
	for _, sp := range []struct {
		name        string
		live        bool
		make        func(*rand.Rand, camera.Place) put
		level, lobe float64
	}{
		{"live, dull skin", true, skin, 0.15, 30},
		{"live, wet skin", true, skin, 1, 15},
		{"live, sweating", true, skin, 3, 12},
		{"print, A4, gloss of 3 degrees", false, sheet(210, 297, 0, 6), 6, 3},
		{"print, A4, gloss of 6 degrees", false, sheet(210, 297, 0, 6), 2, 6},
		{"print, A3, bent 0.15, gloss of 4 degrees", false, sheet(297, 420, 0.15, 6), 4, 4},
		{"print, A4, matt", false, sheet(210, 297, 0, 6), 0.1, 30},
		{"film, tablet", false, func(r *rand.Rand, at camera.Place) put {
			of := tablet
			of.Tilt = 5 * r.Float64()
			return played(of, at)
		}, 8, 0.7},
	} {
		t.Run(sp.name, func(t *testing.T) {
			refused, judged, all := 0, 0, 0
			for w, who := range faces.Names() {
				for k := range n * len(lampsOf) {
					r := rand.New(rand.NewPCG(uint64(k), 600))
					c := presentation{name: sp.name, who: who, angle: 14 + 5*r.Float64()}
					make := sp.make(r, anywhere(r, 740))
					c.put = func(sc *camera.Scene, p *faces.Portrait) (*camera.Subject, error) {
						sc.SetSpots(lampsOf[k%len(lampsOf)])
						x, err := make(sc, p)
						if err == nil {
							x.Gloss(sp.level, sp.lobe)
						}
						return x, err
					}
					res, _ := present(t, e, c, uint64(600+10*w+k))
					res.Best.Wipe()
					all++
					h := check(res, verdict.CheckPADSpecular)
					switch h.Result {
					case verdict.Fail:
						refused++
						judged++
					case verdict.Pass:
						judged++
					}
					t.Logf("%s %s lamps %d: %.3f %s", sp.name, who, k%len(lampsOf), h.Score, h.Result)
				}
			}
			low, high := evaluate.Wilson(refused, judged)
			fmt.Printf("| %s | %d | %d of %d | %.0f to %.0f %% |\n", sp.name, all, refused, judged, 100*low, 100*high)
			if sp.live && refused > 0 {
				t.Errorf("%d of %d of the living were refused", refused, all)
			}
		})
	}
}
