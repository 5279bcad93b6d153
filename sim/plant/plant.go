// Package plant is the gate made of steel and glass: two doors with drives, locks and end contacts,
// a matrix of light beams, safety beams, lamps, the fire loop and whatever stands or lies between
// the doors. It is the physical truth that scenarios are judged by: who crossed the border, whether
// both doors stood open, whether a drive was pulsed into a broken beam.
//
// The plant knows nothing of the controller. Its outputs arrive by name (Set), its inputs leave by
// name (OnInput), as over a terminal strip. The release and the fire loop act on locks and drives by
// themselves: they open the doors with the controller dead or frozen (D-01).
//
// Time is virtual: Advance moves the plant in steps of Step; Run ties it to the wall clock.
// Lengths are millimetres, x grows from the side of origin (negative) across the border; the entry
// door stands at x = 0.
package plant

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Step is the length of one simulation step.
const Step = time.Millisecond

// Limits that the plant holds the controller to.
const (
	// MaxPulse is the longest drive pulse: beyond it a drive may treat the signal as a level and
	// close without safety (D-09).
	MaxPulse = 2 * time.Second
	// beamGrace is how long before a close pulse a safety beam may have been broken without the
	// pulse counting as a close into a beam: the way of an edge through lines and loop (D-05).
	beamGrace = 50 * time.Millisecond
	// openMM is the clear width from which a door counts as open for the interlock: less lets no
	// limb through.
	openMM = 20.0
	// leafMM is half the thickness of the leaf: what lies this near the plane obstructs it.
	leafMM = 20.0
	// maxViolations bounds the list of a run that went wrong for good.
	maxViolations = 256
)

// Beam is one light beam across the mantrap.
type Beam struct {
	Name string
	X, Z float64 // position along the way and height, mm
}

// Span is a stretch of the way that a body takes up, mm.
type Span struct{ From, To float64 }

// World is what a body can feel of the plant around it. It is used inside a step only.
type World interface {
	// Now is the plant's time.
	Now() time.Duration
	// Opening is the clear width of a door in mm.
	Opening(door string) float64
	// Ahead is the free way in mm from the front of b in the direction of dir (+1 or -1) to the
	// nearest other body.
	Ahead(b Body, dir float64) float64
	// Length is the x of the exit door in mm.
	Length() float64
}

// Body is whatever stands, walks or lies in the gate.
type Body interface {
	// Step moves the body by dt.
	Step(dt time.Duration, w World)
	// Spans appends the stretches that the body takes up at height z (mm above the floor).
	Spans(z float64, to []Span) []Span
	// Width is the clear width in mm that the body needs to pass a door, and at which a closing
	// leaf meets it.
	Width() float64
	// Label names the body in reports.
	Label() string
	// Human tells people from things.
	Human() bool
}

// Config describes a plant.
type Config struct {
	LengthMM float64 // from entry plane to exit plane
	Beams    []Beam
	Heights  []float64 // heights at which bodies are felt by leaves and by each other, mm
	Door     DoorConfig
	// Bounce is how long an end contact bounces, at most.
	Bounce time.Duration
	Seed   uint64
	// OneStep leaves out the entry door: x = 0 is the outer beam of a zone that everybody may step into.
	OneStep bool
	// Unpowered is where entry and exit door go without power or controller (D-03).
	Unpowered [2]Unpowered
}

// Default is the mantrap of the simulation profile: 1600 mm long, beams every 200 mm in two rows.
// beam_01…beam_08 lie at 300 mm, beam_09…beam_16 at 900 mm, both from the entry to the exit.
func Default() Config {
	c := Config{LengthMM: 1600, Heights: []float64{300, 900}, Bounce: 4 * time.Millisecond, Seed: 1,
		Door: DoorConfig{TravelMM: 900, SpeedMMS: 1100, AccelMMS2: 3500}}
	n := 0
	for _, z := range c.Heights {
		for x := 100.0; x < c.LengthMM; x += 200 {
			n++
			c.Beams = append(c.Beams, Beam{fmt.Sprintf("beam_%02d", n), x, z})
		}
	}
	return c
}

// Violation is something that must never happen, measured.
type Violation struct {
	At   time.Duration
	What string
}

// Crossing tells that a body left the gate.
type Crossing struct {
	At     time.Duration
	Body   string
	Human  bool
	Across bool // across the border; else back to the side of origin
}

// Plant is one gate. All methods may be called from any goroutine.
type Plant struct {
	mu      sync.Mutex
	cfg     Config
	now     time.Duration
	doors   [2]*door
	outputs map[string]*output
	inputs  map[string]*input
	hands   map[string]bool // inputs that nothing but Input moves
	contact map[string]*contact
	// What a step looks at a thousand times a second is found once.
	beams                  []*input  // of cfg.Beams
	levels                 []float64 // heights that are looked at: cfg.Heights, then those of other beams
	level                  []int     // of cfg.Beams
	occupied, many, weight *input
	release                *output
	pulses                 [4]*output
	fire                   bool
	dark                   bool // no power
	bodies                 []*placed
	rnd                    *rand.Rand

	onInput    func(name string, high bool, at time.Duration)
	pending    []change
	waiters    []*waiter
	violations []Violation
	crossings  []Crossing
	aftermath  bool // doors may still stand open from a release
	bothOpen   bool
	bothFree   bool
	buf        []Span
	// deliver serialises the delivery of input changes, so that they stay in order.
	deliver sync.Mutex
}

type output struct {
	name string
	high bool
	at   time.Duration
	over bool // the overlong pulse has been recorded
}

type input struct {
	name  string
	high  bool
	stuck bool
	weld  bool  // stuck once made
	beam  *door // whose safety beam it is
}

type placed struct {
	Body
	inside bool     // has been past the entry plane
	gone   int      // 0 here, -1 left to origin, +1 crossed
	spans  [][]Span // at each of the plant's levels, since all bodies have made this step
}

type change struct {
	name string
	high bool
	at   time.Duration
}

type waiter struct {
	cond func(View) bool
	done chan struct{}
}

// Names of the lines beside doors and beams.
const (
	LineFire     = "fire_ok"      // High = healthy
	LineTamper   = "tamper_ok"    // High = healthy
	LineExit     = "exit_request" // button in the mantrap
	Overhead     = "overhead"     // a counter above the mantrap: overhead_ok, overhead_occupied, overhead_many
	Mat          = "mat"          // a mat that feels weight: mat_ok, mat_occupied
	OutRelease   = "release"      // High = normal, Low = released
	OutBeamTest  = "beam_test"    // High = the transmitters of the matrix are dark (S-08)
	OutSounder   = "sounder"      // High = it sounds
	entry, exit_ = 0, 1
)

// New makes a plant at rest: no output is driven, so that the doors are released and standing open,
// as in a gate whose controller is off.
func New(cfg Config) *Plant {
	p := &Plant{cfg: cfg, outputs: map[string]*output{}, inputs: map[string]*input{}, hands: map[string]bool{LineTamper: true, LineExit: false, Overhead + "_ok": true, Mat + "_ok": true},
		contact: map[string]*contact{}, rnd: rand.New(rand.NewPCG(cfg.Seed, 0)), aftermath: true}
	p.doors[entry] = newDoor("entry", 0, cfg.Door)
	p.doors[exit_] = newDoor("exit", cfg.LengthMM, cfg.Door)
	for k, d := range p.doors {
		d.pos, d.unpowered = d.cfg.TravelMM, cfg.Unpowered[k]
		if d.unpowered == Shuts {
			d.pos, d.lock, d.own = 0, true, p.out(d.name+"_release")
		}
		d.beam = p.line(d.name + "_beam")
		d.beam.beam = d
		if cfg.OneStep && d.x == 0 {
			continue
		}
		d.closed, d.open = &contact{input: p.line(d.name + "_closed")}, &contact{input: p.line(d.name + "_open")}
		end := d.open
		if d.unpowered == Shuts {
			end = d.closed
		}
		end.high, end.level = true, true
		p.contact[d.closed.name], p.contact[d.open.name] = d.closed, d.open
	}
	p.levels = slices.Clone(cfg.Heights)
	for _, b := range cfg.Beams {
		p.beams = append(p.beams, p.line(b.Name))
		k := slices.Index(p.levels, b.Z)
		if k < 0 {
			k, p.levels = len(p.levels), append(p.levels, b.Z)
		}
		p.level = append(p.level, k)
	}
	p.occupied, p.many, p.weight = p.line(Overhead+"_occupied"), p.line(Overhead+"_many"), p.line(Mat+"_occupied")
	p.line(LineExit)
	for _, name := range []string{Overhead + "_ok", Mat + "_ok", LineFire, LineTamper} {
		p.line(name).high = true
	}
	p.release = p.out(OutRelease)
	p.out(OutBeamTest)
	for i, name := range pulses {
		p.pulses[i] = p.out(name)
	}
	return p
}

// line finds an input line, or makes it, low.
func (p *Plant) line(name string) *input {
	if p.inputs[name] == nil {
		p.inputs[name] = &input{name: name}
	}
	return p.inputs[name]
}

// out finds an output line, or makes it, low.
func (p *Plant) out(name string) *output {
	if p.outputs[name] == nil {
		p.outputs[name] = &output{name: name}
	}
	return p.outputs[name]
}

// Inputs lists the input lines with their present levels.
func (p *Plant) Inputs() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := make(map[string]bool, len(p.inputs))
	for k, v := range p.inputs {
		m[k] = v.high
	}
	return m
}

// Outputs lists the names of the output lines that the plant has terminals for.
func (p *Plant) Outputs() []string {
	out := []string{OutRelease, "lamp_entry_green", "lamp_exit_green", "lamp_red", "beacon", "light_r", "light_g", "light_b", OutBeamTest, OutSounder}
	for _, d := range p.doors {
		if p.cfg.OneStep && d.x == 0 {
			continue
		}
		out = append(out, d.name+"_open_pulse", d.name+"_close_pulse")
		if d.unpowered == Shuts {
			out = append(out, d.name+"_unlock", d.name+"_release")
		} else {
			out = append(out, d.name+"_lock")
		}
	}
	return out
}

// OnInput registers the one receiver of input changes. It is called in order, never from inside a
// call that the receiver makes. It must be set before Advance or Run.
func (p *Plant) OnInput(f func(name string, high bool, at time.Duration)) { p.onInput = f }

// Set drives an output line.
func (p *Plant) Set(name string, high bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(p.out(name), high)
}

// Level is what an output line is driven to.
type Level struct {
	Name string
	High bool
}

// SetAll drives several output lines at the same instant, in their order.
func (p *Plant) SetAll(levels []Level) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range levels {
		p.set(p.out(l.Name), l.High)
	}
}

func (p *Plant) set(o *output, high bool) {
	if o.high == high {
		return
	}
	o.high, o.at, o.over = high, p.now, false
	for _, d := range p.doors {
		switch o.name {
		case d.name + "_open_pulse":
			if high {
				if n := p.view().People; p.cfg.OneStep && n != 1 && d.pos <= contactMM && !p.released() {
					p.violate("the door was ordered to open with %d people in the zone (P-02)", n)
				}
				d.order(+1, p.now)
			}
		case d.name + "_close_pulse":
			if high {
				if d.beam.high && p.now-d.beamSince > beamGrace && !p.released() {
					p.violate("the %s door was ordered to close into its broken safety beam", d.name)
				}
				d.order(-1, p.now)
			}
		case d.name + "_lock":
			d.lock = high
		case d.name + "_unlock":
			d.lock = !high
		}
	}
}

// AllLow is what happens when the controller dies: every output falls, at the same instant.
func (p *Plant) AllLow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.outputs {
		p.set(o, false)
	}
}

// Power cuts the mains of controller and drives, or gives them back. What a door does without is its own (D-03); the
// fire loop has stored energy.
func (p *Plant) Power(on bool) {
	if !on {
		p.AllLow()
	}
	p.mu.Lock()
	p.dark = !on
	p.mu.Unlock()
}

// rule is who moves a drive now: by wire, whatever the controller does.
func (p *Plant) rule(d *door) rule {
	switch {
	case d.own != nil && (p.fire || d.own.high):
		return released
	case !p.released() && !p.dark:
		return obeys
	case d.unpowered == Shuts:
		return shuts
	case d.unpowered == Pushed:
		return letGo
	}
	return released
}

// pushed tells whether somebody stands before a door.
func (p *Plant) pushed(d *door) bool {
	for _, b := range p.bodies {
		if b.gone != 0 || !b.Human() {
			continue
		}
		if lo, hi := extent(b.Body, p.cfg.Heights, &p.buf); lo < d.x+reachMM && hi > d.x-reachMM {
			return true
		}
	}
	return false
}

// Output tells the level of an output line.
func (p *Plant) Output(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.outputs[name]
	return o != nil && o.high
}

// Fire opens or heals the fire loop. The loop acts on locks and drives by wire (D-01); the
// controller merely reads it.
func (p *Plant) Fire(on bool) {
	p.mu.Lock()
	p.fire = on
	p.input(p.line(LineFire), !on)
	p.mu.Unlock()
	p.flush()
}

// Input sets an input line that nothing in the plant drives: the exit request button, tamper.
func (p *Plant) Input(name string, high bool) {
	p.mu.Lock()
	p.hands[name] = high
	p.input(p.line(name), high)
	p.mu.Unlock()
	p.flush()
}

// Slow makes the motor of a door run at a part of its speed, as a worn one does; 1 heals it.
func (p *Plant) Slow(name string, part float64) error {
	if part <= 0 || part > 1 {
		return fmt.Errorf("plant: a door runs at more than 0 and at most 100 %% of its speed, not at %.0f %%", part*100)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.doors {
		if d.name == name {
			d.cfg.Slow = part
			return nil
		}
	}
	return fmt.Errorf("plant: no door %q: entry and exit exist", name)
}

// Heal ends every injected fault: stuck lines, slow motors, fire.
func (p *Plant) Heal() {
	p.mu.Lock()
	for _, l := range p.inputs {
		l.stuck, l.weld = false, false
	}
	for _, d := range p.doors {
		d.cfg.Slow, d.forced = 0, 0
	}
	p.fire = false
	p.hands[LineTamper], p.hands[LineExit] = true, false
	p.input(p.line(LineFire), true)
	p.input(p.line(LineTamper), true)
	p.input(p.line(LineExit), false)
	p.mu.Unlock()
	p.flush()
}

// Stick holds an input line at a level whatever the plant does (S-06); Unstick lets it go.
func (p *Plant) Stick(name string, high bool) error {
	p.mu.Lock()
	l := p.inputs[name]
	if l == nil {
		p.mu.Unlock()
		return fmt.Errorf("plant: no input line %q", name)
	}
	p.input(l, high)
	l.stuck = true
	p.mu.Unlock()
	p.flush()
	return nil
}

// Weld makes an end contact stay made from when it is made next, or is made now (D-10); Unstick lets it go.
func (p *Plant) Weld(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.contact[name]
	if c == nil {
		return fmt.Errorf("plant: no end contact %q", name)
	}
	c.weld, c.stuck = true, c.high
	return nil
}

// Unstick lets a stuck line follow the plant again.
func (p *Plant) Unstick(name string) {
	p.mu.Lock()
	if l := p.inputs[name]; l != nil {
		l.stuck, l.weld = false, false
		if name == LineFire {
			p.input(l, !p.fire)
		} else if high, ok := p.hands[name]; ok {
			p.input(l, high)
		}
	}
	p.mu.Unlock()
	p.flush()
}

// Force pushes a door open by hand, lock or not, and keeps it open for d (D-11).
func (p *Plant) Force(name string, d time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, door := range p.doors {
		if door.name == name {
			door.forced = p.now + d
			return nil
		}
	}
	return fmt.Errorf("plant: no door %q: entry and exit exist", name)
}

// LetGo ends Force: the leaf stays where it is.
func (p *Plant) LetGo(name string) error { return p.Force(name, 0) }

// Add places a body.
func (p *Plant) Add(b Body) {
	p.mu.Lock()
	p.bodies = append(p.bodies, &placed{Body: b})
	p.mu.Unlock()
}

// Remove takes a body away.
func (p *Plant) Remove(b Body) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, q := range p.bodies {
		if q.Body == b {
			p.bodies = append(p.bodies[:i], p.bodies[i+1:]...)
			return
		}
	}
}

// Do runs f between two steps: bodies are only touched so.
func (p *Plant) Do(f func(w World)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(world{p})
}

// Place adds a body from inside Do or from another body's step.
func Place(w World, b Body) {
	if v, ok := w.(world); ok {
		v.p.bodies = append(v.p.bodies, &placed{Body: b})
	}
}

// View is the state of the plant at one step.
type View struct {
	Now      time.Duration
	Entry    float64 // clear width of the doors, mm
	Exit     float64
	Released bool
	Fire     bool
	People   int // humans between the doors
	Things   int // things between the doors
	p        *Plant
}

// Output tells the level of an output line; it is valid inside a Wait condition only.
func (v View) Output(name string) bool { o := v.p.outputs[name]; return o != nil && o.high }

// Input tells the level of an input line; it is valid inside a Wait condition only.
func (v View) Input(name string) bool { l := v.p.inputs[name]; return l != nil && l.high }

// Length is the x of the exit door.
func (v View) Length() float64 { return v.p.cfg.LengthMM }

// Closed tells whether a door's end contact says closed. A door that is not there keeps nobody waiting.
func (v View) Closed(door string) bool {
	return v.Input(door+"_closed") || v.p.cfg.OneStep && door == "entry"
}

// View returns the present state without access to lines.
func (p *Plant) View() View {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view()
}

func (p *Plant) view() View {
	v := View{Now: p.now, Entry: p.doors[entry].pos, Exit: p.doors[exit_].pos, Released: p.released(), Fire: p.fire, p: p}
	for _, b := range p.bodies {
		if b.gone != 0 || !p.within(b.Body) {
			continue
		}
		if b.Human() {
			v.People++
		} else {
			v.Things++
		}
	}
	return v
}

// Wait blocks until cond holds at some step, or ctx ends. cond runs inside the plant and must not call it.
func (p *Plant) Wait(ctx context.Context, cond func(View) bool) error {
	p.mu.Lock()
	if cond(p.view()) {
		p.mu.Unlock()
		return nil
	}
	w := &waiter{cond, make(chan struct{})}
	p.waiters = append(p.waiters, w)
	p.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		for i, q := range p.waiters {
			if q == w {
				p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
				break
			}
		}
		p.mu.Unlock()
		return ctx.Err()
	}
}

// Violations returns what must never happen and did.
func (p *Plant) Violations() []Violation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Violation(nil), p.violations...)
}

// Crossings returns who left the gate, in order.
func (p *Plant) Crossings() []Crossing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Crossing(nil), p.crossings...)
}

// Forget clears records and bodies: a new scenario begins. Doors and lines stay as they are.
func (p *Plant) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.violations, p.crossings, p.bodies = nil, nil, nil
}

// maxCatchUp is how much of a stall Run makes good at once.
const maxCatchUp = 100 * time.Millisecond

// Run ties the plant to the wall clock until ctx ends. A machine stands still now and then: what it missed beyond
// maxCatchUp the plant misses too, for a leaf that jumps from one end contact to the other is a contact that nobody believes.
func (p *Plant) Run(ctx context.Context) {
	t := time.NewTicker(Step)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		due := now.Sub(last)
		if due > maxCatchUp {
			last, due = now.Add(-maxCatchUp), maxCatchUp
		}
		due -= due % Step
		last = last.Add(due)
		p.Advance(due)
	}
}

// Advance moves the plant by d.
func (p *Plant) Advance(d time.Duration) {
	p.AdvanceTo(p.View().Now + d)
}

// AdvanceTo moves the plant to a time.
func (p *Plant) AdvanceTo(t time.Duration) {
	for {
		p.mu.Lock()
		if p.now+Step > t {
			p.mu.Unlock()
			return
		}
		p.step()
		p.mu.Unlock()
		p.flush()
	}
}

func (p *Plant) step() {
	p.now += Step
	w := world{p}
	for _, b := range p.bodies {
		b.Step(Step, w)
		p.track(b)
	}
	for _, b := range p.bodies {
		if b.gone != 0 {
			continue
		}
		if b.spans == nil {
			b.spans = make([][]Span, len(p.levels))
		}
		for k, z := range p.levels {
			b.spans[k] = b.Spans(z, b.spans[k][:0])
		}
	}
	released := p.released()
	for _, d := range p.doors {
		p.input(d.beam, p.covered(d.x, 0, len(p.cfg.Heights)))
		if d.closed == nil {
			continue // the zone's outer edge
		}
		by := p.rule(d)
		d.step(Step, p.now, by, p.obstacle(d), by == letGo && p.pushed(d))
		p.bounce(d.closed, d.pos <= contactMM)
		p.bounce(d.open, d.pos >= d.cfg.TravelMM-contactMM)
	}
	for i := range p.cfg.Beams {
		b := &p.cfg.Beams[i]
		p.input(p.beams[i], p.outputs[OutBeamTest].high || p.covered(b.X, p.level[i], p.level[i]+1))
	}
	p.witness()
	p.judge(released)
	if len(p.waiters) == 0 {
		return
	}
	v := p.view()
	kept := p.waiters[:0]
	for _, q := range p.waiters {
		if q.cond(v) {
			close(q.done)
		} else {
			kept = append(kept, q)
		}
	}
	p.waiters = kept
}

// witness is what the counter above the mantrap sees, heads whose middle is between the doors, and what the mat feels.
func (p *Plant) witness() {
	heads, weights := 0, 0
	for _, b := range p.bodies {
		if b.gone > 0 {
			continue
		}
		lo, hi := extent(b.Body, p.cfg.Heights, &p.buf)
		if mid := (lo + hi) / 2; mid < 0 || mid > p.cfg.LengthMM {
			continue
		}
		weights++
		if b.Human() {
			heads++
		}
	}
	p.input(p.occupied, heads > 0)
	p.input(p.many, heads > 1)
	p.input(p.weight, weights > 0)
}

// judge measures what must never happen.
func (p *Plant) judge(released bool) {
	e, x := p.doors[entry], p.doors[exit_]
	if released {
		p.aftermath = true
	} else if (e.pos <= contactMM && e.lock) || (x.pos <= contactMM && x.lock) {
		p.aftermath = false
	}
	both := !p.cfg.OneStep && !p.aftermath && e.pos > openMM && x.pos > openMM && p.now > e.forced && p.now > x.forced
	if both && !p.bothOpen {
		p.violate("both doors stood open: entry %.0f mm, exit %.0f mm (P-03)", e.pos, x.pos)
	}
	p.bothOpen = both
	free := !p.cfg.OneStep && !p.aftermath && !e.lock && !x.lock
	if free && !p.bothFree {
		p.violate("both doors were unlocked (P-03)")
	}
	p.bothFree = free
	for _, o := range p.pulses {
		if o.high && !o.over && p.now-o.at > MaxPulse {
			o.over = true
			p.violate("%s was left high for more than %v (D-09)", o.name, MaxPulse)
		}
	}
}

var pulses = [...]string{"entry_open_pulse", "entry_close_pulse", "exit_open_pulse", "exit_close_pulse"}

func (p *Plant) violate(format string, a ...any) {
	if len(p.violations) < maxViolations {
		p.violations = append(p.violations, Violation{p.now, fmt.Sprintf(format, a...)})
	}
}

// released tells that the fire loop or the controller lets the doors go, or that there is none.
func (p *Plant) released() bool { return p.fire || !p.release.high }

// covered tells whether something stands in a beam at x, at one of the levels from one to before another.
func (p *Plant) covered(x float64, from, to int) bool {
	for _, b := range p.bodies {
		if b.gone != 0 {
			continue
		}
		for _, spans := range b.spans[from:to] {
			for _, s := range spans {
				if s.From <= x && x <= s.To {
					return true
				}
			}
		}
	}
	return false
}

// obstacle is the width of the widest thing in the plane of a door, 0 for none.
func (p *Plant) obstacle(d *door) float64 {
	w := 0.0
	for _, b := range p.bodies {
		if b.gone != 0 {
			continue
		}
		for _, spans := range b.spans[:len(p.cfg.Heights)] {
			for _, s := range spans {
				if s.From <= d.x+leafMM && d.x-leafMM <= s.To {
					w = max(w, b.Width())
				}
			}
		}
	}
	return w
}

func (p *Plant) within(b Body) bool {
	for _, z := range p.cfg.Heights {
		p.buf = b.Spans(z, p.buf[:0])
		for _, s := range p.buf {
			if s.To > 0 && s.From < p.cfg.LengthMM {
				return true
			}
		}
	}
	return false
}

// track notes when a body has left through one of the doors.
func (p *Plant) track(b *placed) {
	if b.gone > 0 {
		return
	}
	lo, hi := extent(b.Body, p.cfg.Heights, &p.buf)
	if hi > 0 && lo < p.cfg.LengthMM {
		b.inside, b.gone = true, 0
		return
	}
	if !b.inside || b.gone != 0 {
		return
	}
	if lo >= p.cfg.LengthMM {
		b.gone = 1
	} else if hi <= 0 {
		b.inside = false // may come back
		p.crossings = append(p.crossings, Crossing{p.now, b.Label(), b.Human(), false})
		return
	}
	p.crossings = append(p.crossings, Crossing{p.now, b.Label(), b.Human(), b.gone > 0})
}

func extent(b Body, heights []float64, buf *[]Span) (lo, hi float64) {
	lo, hi = 1e9, -1e9
	for _, z := range heights {
		*buf = b.Spans(z, (*buf)[:0])
		for _, s := range *buf {
			lo, hi = min(lo, s.From), max(hi, s.To)
		}
	}
	return lo, hi
}

func (p *Plant) input(l *input, high bool) {
	if l.high == high || l.stuck {
		return
	}
	l.high = high
	if high && l.weld {
		l.stuck = true
	}
	if l.beam != nil {
		l.beam.beamSince = p.now
	}
	p.pending = append(p.pending, change{l.name, high, p.now})
}

// flush hands collected changes to the receiver, in order and outside the lock.
func (p *Plant) flush() {
	p.deliver.Lock()
	defer p.deliver.Unlock()
	p.mu.Lock()
	if len(p.pending) == 0 {
		p.mu.Unlock()
		return
	}
	list := p.pending
	p.pending = nil
	p.mu.Unlock()
	if p.onInput == nil {
		return
	}
	for _, c := range list {
		p.onInput(c.name, c.high, c.at)
	}
}

// contact is an end contact that bounces.
type contact struct {
	*input
	level bool // where it settles
	until time.Duration
}

func (p *Plant) bounce(c *contact, level bool) {
	if c.level != level {
		c.level = level
		c.until = p.now
		if p.cfg.Bounce > 0 {
			c.until += time.Duration(p.rnd.Int64N(int64(p.cfg.Bounce)))
		}
	}
	if p.now < c.until {
		p.input(c.input, p.rnd.IntN(2) == 0)
		return
	}
	p.input(c.input, level)
}

type world struct{ p *Plant }

func (w world) Now() time.Duration { return w.p.now }
func (w world) Length() float64    { return w.p.cfg.LengthMM }

func (w world) Opening(name string) float64 {
	for _, d := range w.p.doors {
		if d.name == name {
			return d.pos
		}
	}
	return 0
}

func (w world) Ahead(b Body, dir float64) float64 {
	free := 1e9
	lo, hi := extent(b, w.p.cfg.Heights, &w.p.buf)
	for _, q := range w.p.bodies {
		if q.Body == b || q.gone > 0 {
			continue
		}
		l, h := extent(q.Body, w.p.cfg.Heights, &w.p.buf)
		// Whose middle is ahead is ahead: legs and arms of two people may overlap.
		switch {
		case dir > 0 && l+h > lo+hi:
			free = min(free, l-hi)
		case dir < 0 && l+h < lo+hi:
			free = min(free, lo-h)
		}
	}
	return free
}
