package people

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"egate/sim/plant"
)

// Class is what a generated trace shows.
type Class string

// Classes that are generated.
const (
	Single         Class = "single"           // one person walks through
	SingleCase     Class = "suitcase"         // one person with a suitcase behind
	CaseBefore     Class = "suitcase_before"  // one person who pushes a suitcase ahead
	WithTrolley    Class = "trolley"          // one person who pushes a luggage trolley
	WithPram       Class = "pram"             // one person who pushes a pram: who is in it, beams cannot know
	InWheelchair   Class = "wheelchair"       // one person in a wheelchair
	ChildAlone     Class = "child"            // one child
	AdultWithChild Class = "adult_with_child" // an adult, a child behind or ahead
	ChildInArms    Class = "child_in_arms"    // two persons, one trunk
	PersonOnBack   Class = "person_on_back"   // two persons, one trunk
	TwoEmbracing   Class = "embracing"        // two persons side by side, one trunk
	Tailgating     Class = "tailgating"       // a second person behind, 0.1 to 1.0 m
	Piggyback      Class = "piggyback"        // a second person closer than 0.1 m
	Intrusion      Class = "intrusion"        // a second person from the far side
	Crawling       Class = "crawling"         // one person on hands and knees
	WrongWay       Class = "wrong_way"        // one person from the far side to the side of origin
	UTurn          Class = "u_turn"           // one person turns round inside
	LeftBehind     Class = "object_left"      // one person leaves the suitcase inside
	StandAndTurn   Class = "stand"            // one person stops inside, then goes on
)

// Classes lists them.
func Classes() []Class {
	return []Class{Single, SingleCase, CaseBefore, WithTrolley, WithPram, InWheelchair, ChildAlone, AdultWithChild, ChildInArms, PersonOnBack, TwoEmbracing,
		Tailgating, Piggyback, Intrusion, Crawling, WrongWay, UTurn, LeftBehind, StandAndTurn}
}

// Persons is how many people come in.
func (c Class) Persons() int {
	switch c {
	case AdultWithChild, ChildInArms, PersonOnBack, TwoEmbracing, Tailgating, Piggyback, Intrusion:
		return 2
	}
	return 1
}

// Hidden tells that parallel beams cannot tell the persons apart, whatever is made of them.
func (c Class) Hidden() bool { return c == ChildInArms || c == PersonOnBack || c == TwoEmbracing }

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
	// Wide draws heights from 0.9 m and speeds from 0.3 to 2.0 m/s evenly, in place of those of Draw.
	Wide bool
	// Flicker is the chance of a false edge per beam and second.
	Flicker float64
	// Dirty is the chance that a beam is a dirty one: it is lost for 20 to 200 ms about once a second.
	Dirty float64
	// Lead is how long the gate stands idle before the walk.
	Lead time.Duration
	// MisalignedMM shifts every beam by up to so much along the way, unknown to who reads the trace.
	MisalignedMM float64
}

// traceLimit bounds the walk of one trace.
const traceLimit = 30 * time.Second

// Generate walks people through a plant whose doors stand open, in virtual time. The same seed gives
// the same trace. Builds are those of Draw; gaps of tailgaters are uniform between 0.1 and 1.0 m, those of
// piggybackers between 0.02 and 0.1 m; children are 0.95 to 1.30 m tall.
func Generate(c Class, seed uint64, o TraceOptions) (*Trace, error) {
	if !slices.Contains(Classes(), c) {
		return nil, fmt.Errorf("people: no class %q; there are %v", c, Classes())
	}
	cfg := o.Config
	if cfg.LengthMM == 0 {
		cfg = plant.Default()
	}
	cfg.Seed = seed
	r := rand.New(rand.NewPCG(seed, 42))
	if o.MisalignedMM > 0 {
		cfg.Beams = slices.Clone(cfg.Beams)
		for i := range cfg.Beams {
			cfg.Beams[i].X += o.MisalignedMM * (2*r.Float64() - 1)
		}
	}
	p := plant.New(cfg) // nothing driven: the doors are released
	p.Advance(10 * time.Millisecond)
	tr := &Trace{Class: c, Seed: seed, People: c.Persons()}
	base := p.View().Now
	beams := map[string]bool{"entry_beam": true, "exit_beam": true}
	for _, b := range cfg.Beams {
		beams[b.Name] = true
	}
	p.OnInput(func(name string, high bool, at time.Duration) {
		if beams[name] {
			tr.Edges = append(tr.Edges, Edge{at - base, name, high})
		}
	})
	b := Draw(r)
	if o.Wide {
		b.Height = 1300 + 700*r.Float64()
		b.Speed = 300 + 1700*r.Float64()
		b.Step = 0.38 * b.Height * math.Sqrt(b.Speed/1200)
	}
	if o.Speed > 0 {
		b.Speed = o.Speed
	}
	if c == ChildAlone {
		b = child(r, b)
	}
	from, to := -1500.0, cfg.LengthMM+3000
	var luggage *Case
	switch c {
	case SingleCase, LeftBehind:
		l := Cabin()
		luggage = &l
	case WrongWay:
		from, to = cfg.LengthMM+1500, -3000
	case Crawling:
		b.Height, b.Torso, b.Speed, b.Arm = 600, 900+200*r.Float64(), 250+250*r.Float64(), 0
	case TwoEmbracing:
		b.Torso += 100 * r.Float64() // not quite abreast
	}
	tr.Speed = b.Speed
	w := NewWalker("first", b, from, luggage, seed)
	switch c {
	case CaseBefore:
		w.Carry(Before)
	case WithTrolley:
		w.Carry(Trolley)
	case WithPram:
		w.Carry(Pram)
	case InWheelchair:
		w.Carry(Wheelchair)
		w.Sit()
	case ChildInArms:
		w.Carry(InArms)
	case PersonOnBack:
		w.Carry(OnBack)
	}
	w.facing = 1
	if to < from {
		w.facing = -1
	}
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
	case Tailgating, Piggyback, AdultWithChild:
		if tr.Gap = o.GapMM; tr.Gap == 0 {
			tr.Gap = 100 + 900*r.Float64()
			switch c {
			case Piggyback:
				tr.Gap = 20 + 80*r.Float64()
			case AdultWithChild:
				tr.Gap = 100 + 300*r.Float64()
			}
		}
		b2 := Draw(r)
		if c == AdultWithChild {
			b2 = child(r, b2)
		}
		b2.Speed = b.Speed // who follows keeps the pace
		second = NewWalker("second", b2, from-b.Torso/2-b2.Torso/2-tr.Gap, nil, seed+1)
		p.Add(second)
		second.Follow(p, w, tr.Gap)
		second.WalkTo(p, to-b.Torso/2-b2.Torso/2-tr.Gap)
	case Intrusion:
		w.WalkTo(p, cfg.LengthMM*0.25)
		advance(arrived(w, cfg.LengthMM*0.25-30))
		second = NewWalker("second", Draw(r), cfg.LengthMM+800, nil, seed+1)
		p.Add(second)
		second.WalkTo(p, cfg.LengthMM*0.75)
		advance(func() bool { return second.Standing() })
		second.WalkTo(p, cfg.LengthMM+1500)
		advance(func() bool { return second.X(p) > cfg.LengthMM+700 })
		second = nil
		w.WalkTo(p, to)
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
	}
	last := w
	if second != nil {
		last = second
	}
	advance(func() bool {
		x := last.X(p)
		return x > cfg.LengthMM+1300 && to > from || x < -1300 && to < from
	})
	return tr.finish(o, r, cfg), nil
}

// child makes a body a child's: 0.95 to 1.30 m, less deep, with shorter steps.
func child(r *rand.Rand, b Build) Build {
	b.Height = 950 + 350*r.Float64()
	b.Torso = 150 + 50*r.Float64()
	b.Leg, b.Width, b.Arm = 80, 300, 30*r.Float64()
	b.Step = 0.38 * b.Height * math.Sqrt(b.Speed/1200)
	return b
}

// finish adds false edges.
func (t *Trace) finish(o TraceOptions, r *rand.Rand, cfg plant.Config) *Trace {
	for i := range t.Edges {
		t.Edges[i].At += o.Lead
	}
	if o.Dirty > 0 {
		t.soil(o, r, cfg)
	}
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

// soil lets dirty beams lose their light now and then.
func (t *Trace) soil(o TraceOptions, r *rand.Rand, cfg plant.Config) {
	if len(t.Edges) == 0 {
		return
	}
	type gap struct{ from, to time.Duration }
	lost := map[string][]gap{}
	end := t.Edges[len(t.Edges)-1].At
	for _, b := range cfg.Beams {
		if r.Float64() >= o.Dirty {
			continue
		}
		for at := time.Duration(r.IntN(1000)) * time.Millisecond; at < end; at += time.Duration(500+r.IntN(1000)) * time.Millisecond {
			lost[b.Name] = append(lost[b.Name], gap{at, at + time.Duration(20+r.IntN(180))*time.Millisecond})
		}
	}
	var out []Edge
	for _, e := range t.Edges {
		if len(lost[e.Beam]) == 0 {
			out = append(out, e)
		}
	}
	for name, gaps := range lost {
		// What the receiver says is broken by a body or by dirt.
		var marks []Edge
		for _, e := range t.Edges {
			if e.Beam == name {
				marks = append(marks, e)
			}
		}
		level := func(at time.Duration) bool {
			on := false
			for _, m := range marks {
				if m.At > at {
					break
				}
				on = m.Broken
			}
			for _, g := range gaps {
				on = on || g.from <= at && at < g.to
			}
			return on
		}
		var times []time.Duration
		for _, m := range marks {
			times = append(times, m.At)
		}
		for _, g := range gaps {
			times = append(times, g.from, g.to)
		}
		slices.Sort(times)
		now := false
		for _, at := range times {
			if l := level(at); l != now {
				now = l
				out = append(out, Edge{at, name, l})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Edge) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Beam, b.Beam)) })
	t.Edges = out
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
