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

// player shows a light challenge as egated does: page and lamps, late by a little.
type player struct {
	sc    *camera.Scene
	s     *facematch.Session
	steps []facematch.LightStep
	next  time.Duration
	i     int
	blind bool // the page is told, and does not light the scene
}

func (p *player) begin(steps []facematch.LightStep, at time.Duration) {
	if len(steps) > 0 {
		p.steps, p.i, p.next = steps, 0, at+60*time.Millisecond
	}
}

func (p *player) tick(at time.Duration) {
	for len(p.steps) > 0 && at >= p.next {
		c := uint32(0)
		if p.i < len(p.steps) {
			c = p.steps[p.i].Colour
		}
		if !p.blind {
			page, lamps := lightOf(c)
			p.sc.SetScreen(page)
			p.sc.SetLamps(lamps)
		}
		p.s.Shown(p.i, p.next)
		if p.i++; p.i > len(p.steps) {
			p.steps = nil
			return
		}
		p.next += p.steps[p.i-1].For
	}
}

// lightOf is what page and lamps shine: three lamps that are on or off.
func lightOf(c uint32) (page, lamps camera.Light) {
	on := map[bool]float64{true: 1}
	r, g, b := facematch.LightStep{Colour: c}.Lamps()
	if c == 0 {
		return camera.Light{}, camera.Light{R: 1, G: 1, B: 1}
	}
	return camera.RGB(c), camera.Light{R: on[r], G: on[g], B: on[b]}
}

// presentation is one thing before the camera.
type presentation struct {
	name  string
	who   string
	put   func(*camera.Scene, *faces.Portrait) (*camera.Subject, error)
	hall  float64
	blind bool
	angle float64 // of the turn, degrees; 0 is 17
}

func live(at camera.Place) func(*camera.Scene, *faces.Portrait) (*camera.Subject, error) {
	return func(sc *camera.Scene, p *faces.Portrait) (*camera.Subject, error) { return sc.Person(p, at) }
}

func printed(sheet camera.Sheet) func(*camera.Scene, *faces.Portrait) (*camera.Subject, error) {
	return func(sc *camera.Scene, p *faces.Portrait) (*camera.Subject, error) {
		return sc.Print(p, sheet, camera.Place{})
	}
}

func played(of camera.Panel, at camera.Place) func(*camera.Scene, *faces.Portrait) (*camera.Subject, error) {
	return func(sc *camera.Scene, p *faces.Portrait) (*camera.Subject, error) { return sc.Replay(p, of, at) }
}

var (
	tablet  = camera.Panel{Width: 197, Height: 263}
	monitor = camera.Panel{Width: 600, Height: 340, Pitch: 0.27, Bezel: 12}
	phone   = camera.Panel{Width: 68, Height: 148, Bezel: 3, Pitch: 0.058, Scale: 0.42}
)

// present plays a whole session with its light challenge, at about twelve pictures a second.
func present(t testing.TB, e *facematch.Engine, c presentation, seed uint64) (facematch.Result, time.Duration) {
	t.Helper()
	p, err := faces.Get(c.who)
	if err != nil {
		t.Fatal(err)
	}
	sc := camera.New(seed)
	if c.hall > 0 {
		sc.SetHall(c.hall)
	}
	x, err := c.put(sc, p)
	if err != nil {
		t.Fatal(err)
	}
	ref := enrol(t, e, c.who)
	defer ref.Wipe()
	params := facematch.DefaultParams(verdict.DefaultMatch)
	params.Light = true
	s := facematch.NewSession(e, ref, params)
	defer s.Close()
	pl := player{sc: sc, s: s, blind: c.blind}
	var f hal.Frame
	at := time.Duration(0)
	for ; at < 20*time.Second; at += 83 * time.Millisecond {
		pl.tick(at)
		sc.Render(at, &f)
		o, err := s.Frame(view(&f), at)
		if err != nil {
			t.Fatal(err)
		}
		pl.begin(o.Challenge, at)
		x.Look(c.turns()*o.DotX, 0)
		if o.Done {
			break
		}
	}
	return s.Decide(), at
}

func (c presentation) turns() float64 {
	if c.angle == 0 {
		return 17
	}
	return c.angle
}

// F-08, X-08: what is lit follows the light of page and lamps, what shines by itself or is no picture of the booth
// does not. A panel shows its edge and the thumbs that hold it, and its raster beats with that of the camera; a person shows neither.
func TestF08LightChallenge(t *testing.T) {
	e := engine(t)
	pass, fail, none, bare := verdict.Pass, verdict.Fail, verdict.NotPossible, verdict.NotEvaluated
	for i, c := range []struct {
		presentation
		light, edges, hands, moire verdict.Result
	}{
		{presentation{name: "live", who: "astronaut", put: live(camera.Place{})}, pass, pass, bare, pass},
		{presentation{name: "tablet", who: "admiral", put: played(inHands(tablet), camera.Place{})}, fail, fail, fail, fail},
		{presentation{name: "film in the camera's path", who: "astronaut", put: live(camera.Place{}), blind: true}, none, pass, bare, pass},
	} {
		r, took := present(t, e, c.presentation, uint64(100+i))
		r.Best.Wipe()
		l := check(r, verdict.CheckPADLight)
		t.Logf("%-10s %-26s light %6.3f of %.3f, edges on %v sides, moire %.1f, planarity %.3f %s, after %s", c.who, c.name, l.Score, l.Threshold,
			check(r, verdict.CheckPADEdges).Score, check(r, verdict.CheckPADMoire).Score, check(r, verdict.CheckPADPlanarity).Score,
			check(r, verdict.CheckPADPlanarity).Result, took)
		for id, want := range map[verdict.CheckID]verdict.Result{verdict.CheckPADLight: c.light, verdict.CheckPADEdges: c.edges, verdict.CheckPADHands: c.hands, verdict.CheckPADMoire: c.moire,
			verdict.CheckPADTemporal: pass} {
			if got := check(r, id); got.Result != want {
				t.Errorf("%s: %s %s, want %s", c.name, id, got.Result, want)
			}
		}
	}
}
