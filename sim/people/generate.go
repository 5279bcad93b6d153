package people

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"egate/sim/plant"
)

// Class is what a generated trace shows.
type Class string

// Classes that are generated.
const (
	Single       Class = "single"      // one person walks through
	SingleCase   Class = "suitcase"    // one person with a suitcase behind
	Tailgating   Class = "tailgating"  // a second person close behind
	WrongWay     Class = "wrong_way"   // one person from the far side to the side of origin
	UTurn        Class = "u_turn"      // one person turns round inside
	LeftBehind   Class = "object_left" // one person leaves the suitcase inside
	StandAndTurn Class = "stand"       // one person stops inside, then goes on
)

// Classes lists them.
func Classes() []Class {
	return []Class{Single, SingleCase, Tailgating, WrongWay, UTurn, LeftBehind, StandAndTurn}
}

// Edge is one change of a beam.
type Edge struct {
	At     time.Duration
	Beam   string
	Broken bool
}

// Trace is what the beams saw, with the truth.
type Trace struct {
	Class  Class
	Seed   uint64
	People int     // who came in
	Gap    float64 // between two people, mm between the trunks
	Speed  float64 // mm/s
	Edges  []Edge
}

// TraceOptions leave to the seed what is zero.
type TraceOptions struct {
	Config plant.Config // zero: plant.Default
	GapMM  float64
	Speed  float64 // mm/s
	// Flicker is the chance of a false edge per beam and second.
	Flicker float64
}

// traceLimit bounds the walk of one trace.
const traceLimit = 30 * time.Second

// Generate walks people through a plant whose doors stand open, in virtual time. The same seed gives
// the same trace. Builds are those of Draw; gaps of tailgaters are uniform between 0.02 and 1.0 m.
func Generate(c Class, seed uint64, o TraceOptions) (*Trace, error) {
	cfg := o.Config
	if cfg.LengthMM == 0 {
		cfg = plant.Default()
	}
	cfg.Seed = seed
	r := rand.New(rand.NewPCG(seed, 42))
	p := plant.New(cfg) // nothing driven: the doors are released
	p.Advance(10 * time.Millisecond)
	tr := &Trace{Class: c, Seed: seed, People: 1}
	base := p.View().Now
	beams := map[string]bool{}
	for _, b := range cfg.Beams {
		beams[b.Name] = true
	}
	beams["entry_beam"], beams["exit_beam"] = true, true
	p.OnInput(func(name string, high bool, at time.Duration) {
		if beams[name] {
			tr.Edges = append(tr.Edges, Edge{at - base, name, high})
		}
	})
	b := Draw(r)
	if o.Speed > 0 {
		b.Speed = o.Speed
	}
	tr.Speed = b.Speed
	from, to := -1000.0, cfg.LengthMM+3000
	var luggage *Case
	switch c {
	case SingleCase, LeftBehind:
		l := Cabin()
		luggage = &l
	case WrongWay:
		from, to = cfg.LengthMM+1000, -3000
	}
	w := NewWalker("first", b, from, luggage, seed)
	p.Add(w)
	w.WalkTo(p, to)
	var second *Walker
	middle := cfg.LengthMM * (0.4 + 0.3*r.Float64())
	advance := func(until func() bool) {
		for p.View().Now-base < traceLimit && !until() {
			p.Advance(10 * time.Millisecond)
		}
	}
	arrived := func(w *Walker, x float64) func() bool {
		return func() bool { return (w.X(p)-x)*(to-from) >= 0 }
	}
	switch c {
	case Single, SingleCase, WrongWay:
	case Tailgating:
		tr.People, tr.Gap = 2, o.GapMM
		if tr.Gap == 0 {
			tr.Gap = 20 + 980*r.Float64()
		}
		b2 := Draw(r)
		b2.Speed = b.Speed // who follows keeps the pace
		second = NewWalker("second", b2, from-b.Torso/2-b2.Torso/2-tr.Gap, nil, seed+1)
		p.Add(second)
		second.Follow(p, w, tr.Gap)
		second.WalkTo(p, to-b.Torso/2-b2.Torso/2-tr.Gap)
	case UTurn:
		w.WalkTo(p, middle)
		advance(arrived(w, middle-30))
		p.Advance(time.Duration(200+r.IntN(800)) * time.Millisecond)
		w.WalkTo(p, from)
		advance(func() bool { return w.X(p) < from+30 })
		return tr.finish(o, r, cfg), nil
	case StandAndTurn:
		w.WalkTo(p, middle)
		advance(arrived(w, middle-30))
		p.Advance(time.Duration(1000+r.IntN(3000)) * time.Millisecond)
		w.WalkTo(p, to)
	case LeftBehind:
		advance(arrived(w, cfg.LengthMM*0.7))
		if _, err := w.DropCase(p); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("people: no class %q; there are %v", c, Classes())
	}
	last := w
	if second != nil {
		last = second
	}
	advance(func() bool {
		x := last.X(p)
		return x > cfg.LengthMM+700 && to > from || x < -700 && to < from
	})
	return tr.finish(o, r, cfg), nil
}

// finish adds false edges.
func (t *Trace) finish(o TraceOptions, r *rand.Rand, cfg plant.Config) *Trace {
	if o.Flicker <= 0 || len(t.Edges) == 0 {
		return t
	}
	end := t.Edges[len(t.Edges)-1].At
	state := map[string]bool{}
	next := 0
	var out []Edge
	for at := time.Duration(0); at <= end; at += time.Millisecond {
		for next < len(t.Edges) && t.Edges[next].At <= at {
			state[t.Edges[next].Beam] = t.Edges[next].Broken
			out = append(out, t.Edges[next])
			next++
		}
		for _, b := range cfg.Beams {
			if r.Float64() < o.Flicker/1000 {
				out = append(out, Edge{at, b.Name, !state[b.Name]}, Edge{at + time.Duration(r.IntN(1000))*time.Microsecond, b.Name, state[b.Name]})
			}
		}
	}
	t.Edges = out
	return t
}

// WriteCSV writes the trace as lines "t_us,beam,0|1", 1 for broken.
func (t *Trace) WriteCSV(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "t_us,beam,state")
	for _, e := range t.Edges {
		v := 0
		if e.Broken {
			v = 1
		}
		fmt.Fprintf(b, "%d,%s,%d\n", e.At.Microseconds(), e.Beam, v)
	}
	return b.Flush()
}

// WriteGeometry writes the positions of the beams as lines "id,x_mm,z_mm".
func WriteGeometry(w io.Writer, c plant.Config) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "id,x_mm,z_mm")
	for _, m := range c.Beams {
		fmt.Fprintf(b, "%s,%.0f,%.0f\n", m.Name, m.X, m.Z)
	}
	return b.Flush()
}
