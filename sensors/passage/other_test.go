package passage

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A second model of a body, which shares nothing with sim/people: a trunk as wide as people are deep, hands that swing
// before and behind it by themselves (light between hand and trunk is seen), legs as two pendulums. It tells how far the
// bounds lean on one model. Bounds were moved when its walks of other streams of seeds had been looked at; this stream was
// walked when the last of them stood. Whoever moves a bound by it draws another.
type figure struct {
	x0, v          float64 // mm, mm/s
	height, depth  float64
	arm, leg, gait float64
	path           func(t float64) float64
	box            [2]float64 // of luggage near the floor, from the middle in the direction of walking
}

type run struct{ from, to float64 }

func (f *figure) at(t float64) float64 {
	if f.path != nil {
		return f.path(t)
	}
	return f.x0 + f.v*t
}

func (f *figure) runs(t, z float64, out []run) []run {
	x := f.at(t)
	swing := math.Sin(f.gait + 2*math.Pi*(x-f.x0)/(0.82*f.height))
	if z >= 500 {
		if z < f.height {
			out = append(out, run{x - f.depth/2, x + f.depth/2})
		}
		if math.Abs(z-0.48*f.height) < 90 {
			out = append(out, run{x + f.arm*swing - 45, x + f.arm*swing + 45}, run{x - f.arm*swing - 45, x - f.arm*swing + 45})
		}
		return out
	}
	amp := 0.137 * f.height * math.Abs(swing)
	out = append(out, run{x + amp - f.leg/2, x + amp + f.leg/2}, run{x - amp - f.leg/2, x - amp + f.leg/2})
	if f.box != [2]float64{} {
		a, b := x+math.Copysign(1, f.v)*f.box[0], x+math.Copysign(1, f.v)*f.box[1]
		out = append(out, run{min(a, b), max(a, b)})
	}
	return out
}

const otherLength = 2000.0

// grid has 8 columns of two heights in two metres.
func grid() (g Geometry) {
	for i := range 8 {
		for _, z := range []float64{300, 900} {
			g = append(g, BeamAt{fmt.Sprintf("b%d_%.0f", i, z), 125 + 250*float64(i), z})
		}
	}
	return g
}

func edges(g Geometry, seconds float64, who ...*figure) (out []Edge) {
	all := append(slices.Clone(g), BeamAt{EntryBeam, 0, 700}, BeamAt{ExitBeam, otherLength, 700})
	broken := make([]bool, len(all))
	var runs []run
	for ms := 1.0; ms < seconds*1000; ms++ {
		for _, z := range []float64{300, 700, 900} {
			runs = runs[:0]
			for _, f := range who {
				runs = f.runs(ms/1000, z, runs)
			}
			for i, b := range all {
				if b.Z != z {
					continue
				}
				now := slices.ContainsFunc(runs, func(r run) bool { return r.from <= b.X && b.X <= r.to })
				if now != broken[i] {
					broken[i] = now
					out = append(out, Edge{At: time.Duration(ms * float64(time.Millisecond)), Beam: b.ID, Broken: now})
				}
			}
		}
	}
	return out
}

// TestS02AnotherBody walks the second model: one is one, two are two, and most are called what they are.
func TestS02AnotherBody(t *testing.T) {
	type kind struct {
		name  string
		class Class
		least float64 // of its walks must be called so
		load  func(r *rand.Rand, f *figure) []*figure
	}
	alone := func(f *figure) []*figure { return []*figure{f} }
	kinds := []kind{
		{"single", Single, 0.85, func(_ *rand.Rand, f *figure) []*figure { return alone(f) }},
		{"child", Child, 0.85, func(r *rand.Rand, f *figure) []*figure {
			f.height, f.depth, f.v, f.arm = 1000+300*r.Float64(), 150+50*r.Float64(), 0.8*f.v, 0.5*f.arm
			return alone(f)
		}},
		{"case", Suitcase, 0.9, func(r *rand.Rand, f *figure) []*figure {
			f.box[1] = -350 - 150*r.Float64()
			f.box[0] = f.box[1] - 200 - 100*r.Float64()
			return alone(f)
		}},
		{"case before", SuitcaseBefore, 0.9, func(r *rand.Rand, f *figure) []*figure {
			f.box = [2]float64{250, 450 + 100*r.Float64()}
			return alone(f)
		}},
		{"wrong way", WrongDirection, 1, func(_ *rand.Rand, f *figure) []*figure {
			f.x0, f.v = otherLength+500, -f.v
			return alone(f)
		}},
	}
	for _, x := range []struct{ gap, least float64 }{{50, 0}, {100, 0}, {200, 0.6}, {400, 0.8}} {
		kinds = append(kinds, kind{fmt.Sprintf("two, %.0f mm", x.gap), Tailgating, x.least, func(r *rand.Rand, f *figure) []*figure {
			q := draw(r)
			q.v, q.x0 = f.v, f.x0-f.depth/2-x.gap-q.depth/2
			return []*figure{f, q}
		}})
	}
	g := grid()
	for _, k := range kinds {
		n := walks(100, 12)
		called, twos := map[Class]int{}, 0
		for seed := range n {
			r := rand.New(rand.NewPCG(uint64(seed), 4711))
			f := draw(r)
			who := k.load(r, f)
			got, err := Replay(g, edges(g, (otherLength+3000)/math.Abs(f.v)+3, who...))
			if err != nil {
				t.Fatal(err)
			}
			persons := 0
			for _, p := range got.Passages {
				persons += p.Persons
				called[p.Class]++
			}
			if persons > 1 {
				twos++
			}
		}
		t.Logf("%-12s more than one %d of %d; %v", k.name, twos, n, called)
		if k.class != Tailgating && twos*100 > n {
			t.Errorf("%s: %d of %d taken for two", k.name, twos, n)
		}
		if n < 100 {
			continue // the short form is for the race detector
		}
		found := 98
		if k.name == "two, 50 mm" {
			found = 85 // hands fill so narrow a gap: short of the goal of 95 with this body
		}
		if k.class == Tailgating && twos*100 < found*n {
			t.Errorf("%s: %d of %d found", k.name, twos, n)
		}
		if float64(called[k.class]) < k.least*float64(n) {
			t.Errorf("%s: %d of %d are called %s", k.name, called[k.class], n, k.class)
		}
	}
}

func draw(r *rand.Rand) *figure {
	h := 1500 + 450*r.Float64()
	return &figure{x0: -500, v: 450 + 1050*r.Float64(), height: h, depth: (220 + 90*r.Float64()) * h / 1750, arm: 80 + 140*r.Float64(), leg: 100 + 30*r.Float64(), gait: 2 * math.Pi * r.Float64()}
}
