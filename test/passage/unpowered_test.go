package passage

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"egate/display"
	"egate/hal/doors"
	"egate/sim/people"
	"egate/sim/plant"
)

// TestD03SafePosition: somebody is inside when the controller dies, hangs until the board's watchdog resets it, or loses its
// power; somebody else waits in the hall and walks on as far as he can. Whatever the site has chosen, whoever is inside
// gets out in the direction of escape, and nobody crosses where the site says that nobody does. Then a controller starts
// again, proves the mantrap empty and serves (P-15).
func TestD03SafePosition(t *testing.T) {
	const across, back = 4000.0, -2000.0
	for name, site := range map[string]struct {
		unpowered       [2]plant.Unpowered
		escape          float64 // where whoever is inside walks to
		inside, outside bool    // who crosses
	}{
		"both ways":         {[2]plant.Unpowered{plant.Opens, plant.Opens}, across, true, true},
		"to the origin":     {[2]plant.Unpowered{plant.Opens, plant.Shuts}, back, false, false},
		"pushed, to origin": {[2]plant.Unpowered{plant.Pushed, plant.Shuts}, back, false, false},
		"across":            {[2]plant.Unpowered{plant.Shuts, plant.Opens}, across, true, false},
	} {
		for loss, lose := range map[string]func(h *house){
			"killed": func(h *house) { h.plant.AllLow() },
			"frozen": func(h *house) {
				time.Sleep(10 * time.Second) // the lines stay as they were
				if v := h.plant.View(); v.Entry > 20 || v.Exit > 20 {
					h.t.Errorf("the doors moved with nobody driving them: %+v", v)
				}
				h.plant.AllLow() // the watchdog's reset
			},
			"power cut": func(h *house) { h.plant.Power(false) },
		} {
			if testing.Short() && (loss == "killed" || name == "both ways" || name == "across") { // with the race detector
				continue
			}
			t.Run(name+"/"+loss, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					cfg := plant.Default()
					cfg.Unpowered = site.unpowered
					p := plant.New(cfg)
					go p.Run(ctx)
					kinds := [2]door{doors.New, doors.New}
					for k, u := range site.unpowered {
						if u == plant.Shuts {
							kinds[k] = doors.NewShut
						}
					}
					h := start(ctx, t, p, kinds[0], kinds[1])
					defer func() {
						cancel()
						synctest.Wait()
						if t.Failed() {
							h.dump()
						}
					}()
					inside := people.NewWalker("inside", people.Adult(), -1000, nil, 5)
					p.Add(inside)
					until := func(h *house, screen string) bool {
						t.Helper()
						found, done := context.WithCancel(ctx)
						seen := false
						h.follow(found, inside, 60*time.Second, func(name string) bool {
							if seen = seen || name == screen; seen {
								done()
							}
							return seen
						})
						done()
						return seen
					}
					if !until(h, display.ScreenCapture) {
						t.Fatal("nobody was captured")
					}
					h.lines.dead.Store(true)
					lose(h)
					outside := people.NewWalker("outside", people.Adult(), -1000, nil, 6)
					inside.WalkTo(p, site.escape)
					time.Sleep(10 * time.Second)
					p.Add(outside)
					outside.WalkTo(p, across)
					time.Sleep(20 * time.Second)
					if v := p.View(); inside.X(p) > -200 && inside.X(p) < cfg.LengthMM+200 {
						t.Errorf("still inside, at %.0f mm: %+v", inside.X(p), v)
					}
					for who, want := range map[string]bool{"inside": site.inside, "outside": site.outside} {
						if got := slices.ContainsFunc(p.Crossings(), func(c plant.Crossing) bool { return c.Body == who && c.Across }); got != want {
							t.Errorf("%s crossed: %v, the site says %v", who, got, want)
						}
					}
					outside.WalkTo(p, back) // he gives up
					time.Sleep(10 * time.Second)
					p.Power(true)
					again := start(ctx, t, p, kinds[0], kinds[1])
					if !until(again, display.ScreenNotice) {
						t.Errorf("the gate does not serve again: %+v", p.View())
						again.dump()
					}
					if v := p.Violations(); len(v) > 0 {
						t.Errorf("%v", v)
					}
				})
			})
		}
	}
}
