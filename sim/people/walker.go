// Package people plays the travellers: bodies that walk through the plant with a gait and luggage,
// and what a traveller does, who reads the screen, lays down a passport, follows a dot with the
// head and leaves through the door that opens.
//
// Distributions are assumptions, documented at Draw: a simulated walk is never a field result.
package people

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"egate/sim/plant"
)

// Build is a body's measures. Lengths are mm, speeds mm/s.
type Build struct {
	Height float64
	Torso  float64 // depth at 900 mm
	Leg    float64 // depth of one leg at 300 mm
	Width  float64 // shoulder width with arms
	Speed  float64 // comfortable walking speed
	Step   float64 // step length at that speed
	// Arm is how far a swinging forearm reaches before and behind the trunk at 900 mm.
	Arm float64
	// Noise is how much the speed wanders, as a part of it.
	Noise float64
}

// Adult is an adult of middle size walking at 1.1 m/s.
func Adult() Build {
	return Build{Height: 1720, Torso: 270, Leg: 120, Width: 460, Speed: 1100, Step: 660, Arm: 60, Noise: 0.03}
}

// Draw draws an adult. Height is normal (1.70 m, 9 cm), kept within 1.50-2.00 m; torso depth uniform
// 25-30 cm; walking speed uniform 0.8-1.3 m/s; step length 0.38 of the height, scaled with the square
// root of the speed relative to 1.2 m/s.
func Draw(r *rand.Rand) Build {
	b := Adult()
	b.Height = min(max(1700+90*r.NormFloat64(), 1500), 2000)
	b.Torso = 250 + 50*r.Float64()
	b.Leg = 105 + 30*r.Float64()
	b.Width = 420 + 90*r.Float64()
	b.Speed = 800 + 500*r.Float64()
	b.Step = 0.38 * b.Height * math.Sqrt(b.Speed/1200)
	b.Arm = 40 + 60*r.Float64()
	return b
}

// Case is a suitcase pulled behind: it breaks only the low row.
type Case struct {
	Length float64 // mm along the way
	Height float64
	Trail  float64 // from the middle of the trunk to the middle of the case
	Width  float64
}

// Cabin is a cabin case trailing by 40 cm.
func Cabin() Case { return Case{Length: 240, Height: 550, Trail: 400, Width: 360} }

// Box is something carried, pushed or sat in, fixed to the trunk: From and To are mm from its middle in the
// direction of walking, Low and High its heights.
type Box struct{ From, To, Low, High float64 }

// Aids and loads. Measures are those of common models, rounded.
var (
	Trolley    = []Box{{250, 1150, 60, 450}, {350, 900, 450, 800}}  // a luggage trolley, pushed, with cases on it
	Pram       = []Box{{300, 1150, 60, 400}, {500, 1100, 400, 980}} // hood and tray above the chassis
	Wheelchair = []Box{{-350, 650, 60, 600}, {-260, 60, 600, 930}}  // wheels and foot plates, backrest
	Before     = []Box{{260, 500, 0, 550}}                          // a cabin case pushed ahead
	OnBack     = []Box{{-380, -120, 500, 1500}}                     // a person on the back
	InArms     = []Box{{120, 300, 850, 1450}}                       // a child in the arms
	Backpack   = []Box{{-330, -120, 1050, 1550}}                    // above the row at the hip
)

// Walker is one person in the plant, with or without a case. Its fields are touched between steps
// only, by the methods that take the plant.
type Walker struct {
	Name  string
	Build Build

	x, vel, target float64
	phase          float64 // of the gait, radians
	sway           float64 // its sine
	swing          float64 // 0 standing … 1 full stride
	facing         float64
	luggage        *Case
	load           []Box
	seated         bool // no legs on the ground
	caseX          float64
	rnd            *rand.Rand
	drift          float64
	leader         *Walker // whom the person keeps close to
	gap            float64
}

var _ plant.Body = (*Walker)(nil)

// Distances of a walker.
const (
	accel = 2200.0 // mm/s², start and stop of a walk
	// personalGap is the distance that a person keeps to who or what is ahead.
	personalGap = 250.0
	// doorGap is how near a person steps to a closed door.
	doorGap = 150.0
	// yield is how much slower per mm a person walks who is nearer to the leader than he means to, 1/s.
	yield = 10.0
	// slack is the clear width a body wants beside its own.
	slack = 40.0
)

// NewWalker stands a person at x. The seed drives small variations of gait.
func NewWalker(name string, b Build, x float64, luggage *Case, seed uint64) *Walker {
	w := &Walker{Name: name, Build: b, x: x, target: x, facing: 1, luggage: luggage, gap: personalGap,
		rnd: rand.New(rand.NewPCG(seed, 7))}
	if luggage != nil {
		w.caseX = x - luggage.Trail
	}
	return w
}

// Label implements plant.Body.
func (w *Walker) Label() string { return w.Name }

// Human implements plant.Body.
func (w *Walker) Human() bool { return true }

// Width implements plant.Body.
func (w *Walker) Width() float64 { return w.Build.Width }

// Spans implements plant.Body: the trunk at hip height and above, two legs below the knee, the case
// near the floor.
func (w *Walker) Spans(z float64, to []plant.Span) []plant.Span {
	if z > w.Build.Height {
		return to
	}
	if z >= 0.45*w.Build.Height {
		h := w.Build.Torso/2 + w.Build.Arm*w.swing*math.Abs(w.sway)
		to = append(to, plant.Span{From: w.x - h, To: w.x + h})
	} else if !w.seated {
		// The shins swing about half a step before and behind the trunk.
		s := 0.5 * w.Build.Step * w.swing * w.sway * 0.8
		l := w.Build.Leg / 2
		to = append(to, plant.Span{From: w.x + s - l, To: w.x + s + l}, plant.Span{From: w.x - s - l, To: w.x - s + l})
	}
	for _, b := range w.load {
		if z >= b.Low && z <= b.High {
			to = append(to, plant.Span{From: w.x + min(b.From*w.facing, b.To*w.facing), To: w.x + max(b.From*w.facing, b.To*w.facing)})
		}
	}
	if w.luggage != nil && z <= w.luggage.Height {
		to = append(to, plant.Span{From: w.caseX - w.luggage.Length/2, To: w.caseX + w.luggage.Length/2})
	}
	return to
}

// Carry fixes boxes to the person.
func (w *Walker) Carry(b []Box) { w.load = b }

// Sit puts the person into what is carried: no legs walk.
func (w *Walker) Sit() { w.seated = true }

// Step implements plant.Body.
func (w *Walker) Step(dt time.Duration, world plant.World) {
	s := dt.Seconds()
	dist := w.target - w.x
	dir := 1.0
	if dist < 0 {
		dir = -1
	}
	room := math.Abs(dist)
	if room < 1 {
		w.vel, w.swing = 0, max(0, w.swing-4*s)
		w.pull(s)
		return
	}
	w.facing = dir
	room = min(room, w.free(dir, world))
	speed := w.Build.Speed * (1 + w.drift)
	if w.Build.Noise > 0 && w.rnd.IntN(100) == 0 {
		w.drift = 0.9*w.drift + w.Build.Noise*w.rnd.NormFloat64()
	}
	limit := min(speed, math.Sqrt(2*accel*max(room, 0)), w.behind(dir))
	v := w.vel*dir + accel*s
	v = max(0, min(v, limit))
	w.vel = v * dir
	w.x += w.vel * s
	full := v / max(w.Build.Speed, 1)
	w.swing += (min(1, full) - w.swing) * min(1, 6*s)
	// One step of the gait is half a turn of the phase.
	w.phase += math.Pi * v / w.Build.Step * s
	w.sway = math.Sin(w.phase)
	w.pull(s)
}

// free is the way ahead until a door that is not open wide enough, or somebody.
func (w *Walker) free(dir float64, world plant.World) float64 {
	room := 1e9
	if _, led := w.way(dir); !led {
		room = min(room, world.Ahead(w, dir)-w.gap)
	}
	for _, d := range []struct {
		name string
		x    float64
	}{{"entry", 0}, {"exit", world.Length()}} {
		if world.Opening(d.name) >= w.Build.Width+slack {
			continue
		}
		to := (d.x - w.x) * dir
		if to < -w.Build.Torso/2 {
			continue // behind
		}
		if to > w.Build.Torso/2 {
			room = min(room, to-w.Build.Torso/2-doorGap)
		}
		// Who stands in the plane already may go on: the leaf rests on him.
	}
	return room
}

// way is the clear way between the trunks of the person and of the leader, and whether the leader is ahead.
func (w *Walker) way(dir float64) (mm float64, led bool) {
	if w.leader == nil || (w.leader.x-w.x)*dir <= 0 {
		return 0, false
	}
	return (w.leader.x-w.x)*dir - (w.leader.Build.Torso+w.Build.Torso)/2, true
}

// behind is the speed that keeps the gap to the leader: who follows sees the one ahead slow down and slows
// down as well; nobody walks into or through somebody.
func (w *Walker) behind(dir float64) float64 {
	way, led := w.way(dir)
	if !led {
		return 1e9
	}
	ahead := max(0, w.leader.vel*dir)
	if way >= w.gap {
		return math.Sqrt(ahead*ahead + 2*accel*(way-w.gap))
	}
	return max(0, ahead-yield*(w.gap-way))
}

// pull lets the case follow.
func (w *Walker) pull(s float64) {
	if w.luggage == nil {
		return
	}
	want := w.x - w.facing*w.luggage.Trail
	w.caseX += (want - w.caseX) * min(1, 12*s)
}

// X is where the middle of the trunk is.
func (w *Walker) X(p *plant.Plant) (x float64) {
	p.Do(func(plant.World) { x = w.x })
	return x
}

// At is X inside a Wait condition or a Do.
func (w *Walker) At() float64 { return w.x }

// Standing tells inside a Wait condition that the person has come to the end of the walk.
func (w *Walker) Standing() bool { return math.Abs(w.x-w.target) < 60 }

// WalkTo sends the person to x.
func (w *Walker) WalkTo(p *plant.Plant, x float64) { p.Do(func(plant.World) { w.target = x }) }

// Stop lets the person stand where he is.
func (w *Walker) Stop(p *plant.Plant) { p.Do(func(plant.World) { w.target = w.x }) }

// Follow makes the person keep only gap mm between the leader's trunk and his own, as somebody who
// tailgates. He stops for nobody else while the leader is ahead.
func (w *Walker) Follow(p *plant.Plant, leader *Walker, gap float64) {
	p.Do(func(plant.World) { w.leader, w.gap = leader, gap })
}

// DropCase leaves the case where it is and tells whether there was one.
func (w *Walker) DropCase(p *plant.Plant) (*Thing, error) {
	var t *Thing
	p.Do(func(world plant.World) {
		if w.luggage == nil {
			return
		}
		t = &Thing{Name: w.Name + "'s suitcase", X: w.caseX, Length: w.luggage.Length, Height: w.luggage.Height, Broad: w.luggage.Width}
		w.luggage = nil
		plant.Place(world, t)
	})
	if t == nil {
		return nil, fmt.Errorf("people: %s has no suitcase to leave", w.Name)
	}
	return t, nil
}

// Thing lies where it was left.
type Thing struct {
	Name           string
	X              float64
	Length, Height float64
	Broad          float64
}

var _ plant.Body = (*Thing)(nil)

// Label implements plant.Body.
func (t *Thing) Label() string { return t.Name }

// Human implements plant.Body.
func (t *Thing) Human() bool { return false }

// Width implements plant.Body.
func (t *Thing) Width() float64 { return t.Broad }

// Step implements plant.Body: a thing does nothing.
func (t *Thing) Step(time.Duration, plant.World) {}

// Spans implements plant.Body.
func (t *Thing) Spans(z float64, to []plant.Span) []plant.Span {
	if z <= t.Height {
		to = append(to, plant.Span{From: t.X - t.Length/2, To: t.X + t.Length/2})
	}
	return to
}
