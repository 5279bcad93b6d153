// Package passage counts the people in a mantrap from two rows of light beams.
//
// The high row (hip height) sees trunks: one trunk is one unbroken stretch of it. A stretch can come
// into being and end only at a door whose safety beam saw it pass; it may split, which proves that it
// was two people, and merge, which keeps their number. How long a stretch is tells one person from
// two that walk close: bounds hold at every change of a beam whatever the speed, an estimate sharpens
// them while the stretch moves. The low row sees legs, cases and children who crawl; it decides
// emptiness and what was left, never that somebody is there alone.
//
// What it cannot see: two people side by side, somebody carried, a standing person below the height of
// the high row whose legs stand between two beams. An overhead sensor and the camera's second-face
// check are the other witnesses (S-03).
//
// Time is the caller's: a device time that never runs backwards. No clock is read, nothing blocks.
package passage

import (
	"slices"
	"time"

	"egate/gate"
)

// Row of beams.
type Row uint8

// Rows.
const (
	High Row = iota // hip height: trunks
	Low             // knee height: legs, cases
)

// Limits, with their reasons.
const (
	// personMM is the longest trunk with swinging arms along the way that is still one person: depth
	// 300 mm and a forearm's swing of 100 mm before and behind, which only ever meet for a moment.
	personMM = 500.0
	// surePeopleMM is a stretch that one person cannot cover for a moment even at full swing.
	surePeopleMM = 590.0
	// stillMM is the same for a person who stands: no arm swings.
	stillMM = 390.0
	// StillFor is how long no high beam may have changed for a stretch to count as standing.
	StillFor = 700 * time.Millisecond
	// judgeSamples is how many length estimates the median needs before it says two: hands at full swing make three
	// of them long. minSamples is how many say what somebody was.
	judgeSamples = 5
	minSamples   = 3
	maxSamples   = 32
	// leaveFor is how long a door's beam must be free after a person stepped into the door before
	// the person has left: a stride leaves the beam free for less.
	leaveFor = 250 * time.Millisecond
	// cameFor is how long before a stretch begins at a door its safety beam must have been broken.
	cameFor = time.Second
	// emptyFor is how long every beam must be free to prove the mantrap empty.
	// Who was lost between the beams was not seen leaving: nobody stands as still as that for lostFor.
	emptyFor = 300 * time.Millisecond
	lostFor  = 1500 * time.Millisecond
	// settleFor is how long after the last person left something may still be drawn out behind.
	settleFor = 800 * time.Millisecond
	// feetFor is how long the low row alone may be broken while somebody steps in.
	feetFor = 1500 * time.Millisecond
	// hiddenFor is how long a person may vanish from the high row (bending down) and still be counted.
	hiddenFor = 700 * time.Millisecond
	// apartMM is how far from every trunk something in the low row may move and still belong to a
	// person: a pulled case ends about 520 mm behind the middle of the trunk.
	apartMM = 800.0
	// nearMM is how far from a door's plane a stretch may begin or end that came or goes through it, the second
	// beam in any case: the first may be blind. backMM is the same, with the third beam, for somebody on the way
	// out who turns round.
	nearMM, nearBeam = 350.0, 1
	backMM, backBeam = 550.0, 2
	// limbMM is how far from the edge of a trunk its arm reaches at the height of the high row; trunkMM is what no arm is thick
	// along the way, and the trunk of a small child is. What is nearer and not known to be thicker is somebody's arm or somebody: it
	// is undecided until one of the two is known.
	limbMM, trunkMM = 240.0, 140.0
	// reachFor is how long before the safety beam of a door a hand may break the beams behind it.
	reachFor = 600 * time.Millisecond
	// maxPersons caps the count kept; the outside sees 0, 1 and many.
	maxPersons = 16
)

// Config is the geometry, in mm. Both rows run from the entry (x = 0) to the exit, ascending.
type Config struct {
	High, Low []float64
	LengthMM  float64
	// NoDoor says of each door that no safety beam stands in its plane: who appears or vanishes near it is then
	// taken for having passed it.
	NoDoor [2]bool
}

// State is what the outside sees.
type State struct {
	Count  gate.Count
	Object bool // something lies in the mantrap and nobody is there
	Dirt   bool // no person's doing: exactly one beam is broken and nothing led to it (S-06)
}

// Totals are counted since the start: for statistics and wear, never for a decision.
type Totals struct {
	EnteredOrigin, EnteredFar uint64 // who came in, by side
	LeftOrigin, LeftAcross    uint64
	Together                  uint64 // stretches found to be more than one person
	Doubts                    uint64 // times the count became unknown
}

type beam struct {
	known, broken bool
	since         time.Duration
	broke         time.Duration // when it last broke
	seen          bool          // broke since the mantrap was last empty
	light         float64       // high row: between its last two breaks, mm; 0 for none that two trunks may have left
	v             float64       // of who made the second, mm/ns
	width         float64       // of the first, ns
	missed        int           // passages in which it alone did not break
}

// stretch is one unbroken run of high beams and the persons in it.
type stretch struct {
	lo, hi  int
	k       int  // 0: undecided, an arm of its neighbour or somebody
	reach   bool // undecided: came by a door whose safety beam has not broken yet
	door    gate.Door
	born    time.Duration
	big     bool          // known to be as thick as a trunk
	v       [2]float64    // of its side towards the entry and of the other, as last seen, mm/ns
	brokeHi time.Duration // when the front and the rear last moved
	clearLo time.Duration // 0 until the rear has moved
	brokeLo time.Duration
	clearHi time.Duration
	samples []float64
	still   bool // judged while standing
}

// Tracker tracks one mantrap. It is used by one goroutine.
type Tracker struct {
	cfg     Config
	now     time.Duration
	all     [2][]watched // the geometry
	rows    [2][]beam    // what of it is in service
	outages []Outage
	door    [2]beam

	blobs   []stretch
	leaving [2]int           // persons in the door, on their way out
	leftAt  [2]time.Duration // since when the door's beam is free
	hidden  int              // persons that the high row lost sight of
	hidAt   time.Duration
	hid     struct { // the last of them
		beam  int
		broke time.Duration
	}
	doubt   bool // the count cannot be trusted until the mantrap is proven empty
	crawl   bool // something moves in the low row apart from every trunk
	drawing bool // when the last person left something near the floor was still following
	had     bool // somebody has been inside since the mantrap was last empty
	through bool // that person left by the other door
	came    gate.Door

	lastHigh  time.Duration
	freeSince time.Duration // every beam free since
	free      bool
	lowSince  time.Duration // low row not free with nobody inside, since
	lowAlone  bool
	lowFree   time.Duration // low row free since
	object    bool          // left behind by whoever is gone (S-05)
	totals    Totals
	blind     []int
	f         facts
	done      []Passage
}

// New makes a tracker. Until every beam is known the count is unknown.
func New(cfg Config) *Tracker {
	t := &Tracker{cfg: cfg}
	for r, row := range [2][]float64{cfg.High, cfg.Low} {
		for _, x := range row {
			t.all[r] = append(t.all[r], watched{x: x})
		}
	}
	t.arrange()
	return t
}

// Totals returns the counters.
func (t *Tracker) Totals() Totals { return t.totals }

// Blind returns the high beams that did not break in two passages in a row though every other did, and
// forgets them.
func (t *Tracker) Blind() []int {
	b := t.blind
	t.blind = nil
	return b
}

// Doubt makes the count unknown until the mantrap is proven empty: edges were lost.
func (t *Tracker) Doubt() {
	if !t.free {
		t.suspect()
	}
}

// Lose forgets every beam: the lines are gone.
func (t *Tracker) Lose() {
	for r := range t.rows {
		for i := range t.rows[r] {
			t.rows[r][i] = beam{missed: t.rows[r][i].missed}
		}
		for i := range t.all[r] {
			t.all[r][i].known, t.all[r][i].ended = false, 0
		}
	}
	t.door = [2]beam{}
	t.blobs, t.hidden, t.leaving = nil, 0, [2]int{}
	t.free, t.object, t.lowAlone = false, false, false
	t.f = facts{}
	t.suspect()
}

func (t *Tracker) suspect() {
	if !t.doubt {
		t.doubt = true
		t.totals.Doubts++
	}
}

func (t *Tracker) known() bool {
	for r := range t.rows {
		for i := range t.rows[r] {
			if !t.rows[r][i].known {
				return false
			}
		}
	}
	return (t.cfg.NoDoor[0] || t.door[0].known) && (t.cfg.NoDoor[1] || t.door[1].known)
}

// near tells that high beam i is among the first at a door, or not farther than mm from it.
func (t *Tracker) near(d gate.Door, i int, mm float64, beams int) bool {
	if d == gate.Entry {
		return i <= beams || t.cfg.High[i] <= mm
	}
	return i >= len(t.cfg.High)-1-beams || t.cfg.LengthMM-t.cfg.High[i] <= mm
}

// Door tells that the safety beam of a door has changed.
func (t *Tracker) Door(d gate.Door, broken bool, at time.Duration) {
	t.Advance(at)
	b := &t.door[d]
	if b.known && b.broken == broken {
		return
	}
	b.known, b.broken, b.since = true, broken, t.now
	t.f.edge = t.now
	if broken {
		b.broke = t.now
		t.follows(d)
		if t.hidden > 0 && t.near(d, t.hid.beam, nearMM, nearBeam) { // lost between the last beam and the door
			t.leave(d, t.hidden)
			t.hidden = 0
		}
	}
	t.settle()
}

// follows tells that somebody steps into a door: a hand that was there before is his.
func (t *Tracker) follows(d gate.Door) {
	first := true
	for n := range t.blobs {
		s := &t.blobs[n]
		if !s.reach || s.door != d {
			continue
		}
		s.reach = false
		switch {
		case !first:
		case t.hidden > 0: // who was lost on the way to the door
			s.k, t.hidden = t.hidden, 0
		default:
			t.enter(d)
			s.k = 1
		}
		first = false
	}
}

// reaches tells that something has come by a door whose safety beam has not broken.
func (t *Tracker) reaches() bool {
	return slices.ContainsFunc(t.blobs, func(s stretch) bool { return s.reach })
}

// Beam tells that beam i of a row has changed. An index outside the row is ignored.
func (t *Tracker) Beam(r Row, i int, broken bool, at time.Duration) {
	t.Advance(at)
	if int(r) >= len(t.all) || i < 0 || i >= len(t.all[r]) {
		return
	}
	if i = t.watch(r, i, broken); i < 0 {
		t.settle()
		return
	}
	b := &t.rows[r][i]
	first := !b.known
	if b.known && b.broken == broken {
		return
	}
	if r == High && b.seen {
		t.between(i, broken)
	}
	b.known, b.broken, b.since = true, broken, t.now
	if broken {
		b.seen, b.broke = true, t.now
	}
	if first {
		if broken {
			t.suspect() // nobody saw how it came to be there
		}
		if r == High {
			t.rebuild()
		}
		t.settle()
		return
	}
	t.begin()
	if r == High {
		t.lastHigh = t.now
		if broken {
			t.broke(i)
		} else {
			t.cleared(i)
		}
	} else if broken {
		t.lowBroke(i)
	}
	t.pass()
	t.observe()
	t.settle()
}

// rebuild makes stretches from what is broken, for beams that were not seen breaking.
func (t *Tracker) rebuild() {
	t.blobs = t.blobs[:0]
	for i, b := range t.rows[High] {
		if !b.broken {
			continue
		}
		if n := len(t.blobs); n > 0 && t.blobs[n-1].hi == i-1 {
			t.blobs[n-1].hi = i
		} else {
			t.blobs = append(t.blobs, stretch{lo: i, hi: i, k: 1})
		}
	}
}

// broke handles a high beam that has just broken.
func (t *Tracker) broke(i int) {
	left, right := -1, -1
	for n, s := range t.blobs {
		if s.hi == i-1 {
			left = n
		}
		if s.lo == i+1 {
			right = n
		}
	}
	switch {
	case left >= 0 && right >= 0:
		a, b := t.blobs[left], t.blobs[right]
		t.f.measured(a)
		t.f.measured(b)
		t.blobs[left] = stretch{lo: a.lo, hi: b.hi, k: a.k + b.k, clearLo: a.clearLo, brokeLo: a.brokeLo, brokeHi: b.brokeHi, clearHi: b.clearHi,
			v: [2]float64{a.v[0], b.v[1]}, reach: a.reach && b.reach, door: a.door, born: min(a.born, b.born), big: a.big || b.big}
		t.blobs = slices.Delete(t.blobs, right, right+1)
	case left >= 0:
		t.front(left, i)
	case right >= 0:
		t.rearBack(right, i)
	default:
		t.appear(i)
	}
}

// spacing is the way between two neighbours of the high row.
func (t *Tracker) spacing(i, j int) float64 {
	d := t.cfg.High[j] - t.cfg.High[i]
	if d < 0 {
		return -d
	}
	return d
}

// front moves the side of a stretch that points to the exit on to beam i, and samples its length: the
// front is exactly at beam i, the rear between its last beam and the one that cleared before it.
func (t *Tracker) front(n, i int) {
	s := &t.blobs[n]
	if t.now > s.brokeHi && s.brokeHi > 0 {
		s.v[1] = t.spacing(i, s.hi) / float64(t.now-s.brokeHi)
	}
	if s.lo > 0 && s.clearLo > 0 && s.brokeHi > 0 && t.now > s.brokeHi {
		v := t.spacing(i, s.hi) / float64(t.now-s.brokeHi)
		step := t.spacing(s.lo-1, s.lo)
		moved := min(v*float64(t.now-s.clearLo), step)
		s.sample(t.spacing(s.lo, i) + step - moved)
	}
	s.brokeHi, s.hi, s.still = t.now, i, false
	t.judge(n)
}

// rearBack is front for a stretch that grows towards the entry.
func (t *Tracker) rearBack(n, i int) {
	s := &t.blobs[n]
	if t.now > s.brokeLo && s.brokeLo > 0 {
		s.v[0] = t.spacing(i, s.lo) / float64(t.now-s.brokeLo)
	}
	if s.hi < len(t.cfg.High)-1 && s.clearHi > 0 && s.brokeLo > 0 && t.now > s.brokeLo {
		v := t.spacing(i, s.lo) / float64(t.now-s.brokeLo)
		step := t.spacing(s.hi, s.hi+1)
		moved := min(v*float64(t.now-s.clearHi), step)
		s.sample(t.spacing(i, s.hi) + step - moved)
	}
	s.brokeLo, s.lo, s.still = t.now, i, false
	t.judge(n)
}

// cleared handles a high beam that has just become free.
func (t *Tracker) cleared(i int) {
	for n := range t.blobs {
		s := &t.blobs[n]
		if i < s.lo || i > s.hi {
			continue
		}
		switch {
		case s.lo == s.hi:
			if s.k == 0 && !s.reach && t.speed(n)*float64(t.now-t.rows[High][i].broke) >= trunkMM {
				t.apart(s) // as thick as a trunk by how long it took
			}
			gone := *s
			t.f.measured(gone)
			t.blobs = slices.Delete(t.blobs, n, n+1)
			if gone.k > 0 {
				t.vanish(gone, i)
			}
		case i == s.lo:
			if i > 0 && s.clearLo > 0 && t.now > s.clearLo {
				s.v[0] = t.spacing(i-1, i) / float64(t.now-s.clearLo)
			}
			if s.hi < len(t.cfg.High)-1 && s.brokeHi > 0 && s.clearLo > 0 && t.now > s.clearLo && i > 0 {
				v := t.spacing(i-1, i) / float64(t.now-s.clearLo)
				s.sample(t.spacing(i, s.hi) + min(v*float64(t.now-s.brokeHi), t.spacing(s.hi, s.hi+1)))
			}
			s.clearLo, s.lo = t.now, i+1
			t.judge(n)
		case i == s.hi:
			if i < len(t.cfg.High)-1 && s.clearHi > 0 && t.now > s.clearHi {
				s.v[1] = t.spacing(i, i+1) / float64(t.now-s.clearHi)
			}
			if s.lo > 0 && s.brokeLo > 0 && s.clearHi > 0 && t.now > s.clearHi && i < len(t.cfg.High)-1 {
				v := t.spacing(i, i+1) / float64(t.now-s.clearHi)
				s.sample(t.spacing(s.lo, i) + min(v*float64(t.now-s.brokeLo), t.spacing(s.lo-1, s.lo)))
			}
			s.clearHi, s.hi = t.now, i-1
			t.judge(n)
		default:
			t.split(n, i)
		}
		return
	}
}

func (s *stretch) sample(mm float64) {
	if len(s.samples) < maxSamples {
		s.samples = append(s.samples, mm)
	}
}

// split parts a stretch at beam i, which is free. Two trunks are two people, and were before; a trunk and what may
// be its arm are not yet.
func (t *Tracker) split(n, i int) {
	s := t.blobs[n]
	t.f.measured(s)
	a, b := s, s
	a.hi, a.clearHi, a.samples, a.still = i-1, t.now, nil, false
	b.lo, b.clearLo, b.samples, b.still = i+1, t.now, nil, false
	a.big = t.spacing(a.lo, a.hi) >= trunkMM || t.spacing(a.lo, i) >= limbMM
	b.big = t.spacing(b.lo, b.hi) >= trunkMM || t.spacing(i, b.hi) >= limbMM
	switch {
	case s.k > 1:
		t.f.light = true
		a.k, b.k = 1, s.k-1
	case s.k == 1 && a.big && b.big:
		t.f.light = true
		t.totals.Together++
		t.arrived()
	case s.k == 1 && (b.big || !a.big && t.spacing(b.lo, b.hi) > t.spacing(a.lo, a.hi)):
		a.k, a.born = 0, t.now
	case s.k == 1:
		b.k, b.born = 0, t.now
	}
	t.blobs[n] = a
	t.blobs = slices.Insert(t.blobs, n+1, b)
}

// neighbour finds a person's stretch beside stretch n whose arm that may be, or -1.
func (t *Tracker) neighbour(n int) int {
	for _, m := range []int{n - 1, n + 1} {
		if m >= 0 && m < len(t.blobs) && t.blobs[m].k > 0 && t.within(t.blobs[m], t.blobs[n].lo, t.blobs[n].hi) {
			return m
		}
	}
	return -1
}

// within tells that beams lo to hi are in reach of an arm from the trunk of a stretch, as far as known.
func (t *Tracker) within(s stretch, lo, hi int) bool {
	if lo > s.hi {
		return t.spacing(s.hi+1, hi) < limbMM
	}
	return t.spacing(lo, s.lo-1) < limbMM
}

// decide looks whether an undecided stretch is somebody by now.
func (t *Tracker) decide(n int) {
	s := &t.blobs[n]
	if len(s.samples) > 1 && median(s.samples) >= trunkMM || t.spacing(s.lo, s.hi) >= trunkMM {
		s.big = true
	}
	if s.k > 0 || s.reach {
		return
	}
	m := t.neighbour(n)
	switch {
	case m < 0: // too far for an arm, or whose it was has gone
	case !s.big:
		return
	case !t.blobs[m].big && t.blobs[m].k == 1: // this is the trunk, that the arm
		s.k, t.blobs[m].k, t.blobs[m].born = 1, 0, t.now
		return
	}
	t.apart(s)
}

// apart counts an undecided stretch as a person of its own.
func (t *Tracker) apart(s *stretch) {
	s.k, s.reach = 1, false
	t.f.light = true
	t.totals.Together++
	t.arrived()
}

// judge finds a stretch that is too long for one person, or too thick for an arm.
func (t *Tracker) judge(n int) {
	t.decide(n)
	s := &t.blobs[n]
	if s.k != 1 {
		return
	}
	long := t.spacing(s.lo, s.hi) >= surePeopleMM
	if !long && len(s.samples) >= minSamples { // hands at full swing make some long, never all
		long = slices.Min(s.samples) > personMM
	}
	if !long && len(s.samples) >= t.enough() {
		long = median(s.samples) > personMM
	}
	if long {
		t.together(s)
	}
}

// speed is how fast the neighbours of stretch n walk, mm/ns; 0 where nobody knows. A side that an arm moves is the quicker one.
func (t *Tracker) speed(n int) (v float64) {
	for _, m := range []int{n - 1, n + 1} {
		if m >= 0 && m < len(t.blobs) && t.now-max(t.blobs[m].brokeHi, t.blobs[m].brokeLo) < time.Second {
			v = max(v, min(t.blobs[m].v[0], t.blobs[m].v[1]))
		}
	}
	return v
}

// enough is how many lengths judge a stretch: a row of few beams never gives five.
func (t *Tracker) enough() int { return min(judgeSamples, max(minSamples, len(t.cfg.High)-3)) }

func (t *Tracker) together(s *stretch) {
	t.f.measured(*s)
	s.k = 2
	t.totals.Together++
	t.arrived()
}

// pass judges one stretch that two trunks with light between them have passed by beams in: it is two who walk so close that no two
// beams see light at once.
func (t *Tracker) pass() {
	switch {
	case t.f.lights < lightsMin || t.persons() != 1:
	case t.hidden == 1:
		t.hidden = 2
		t.totals.Together++
		t.arrived()
	case len(t.blobs) == 1 && t.blobs[0].k == 1:
		t.together(&t.blobs[0])
	}
}

// arrived notes one more person who was taken for a part of another.
func (t *Tracker) arrived() {
	t.f.entered[t.came]++
	if t.came == gate.Exit {
		t.totals.EnteredFar++
	} else {
		t.totals.EnteredOrigin++
	}
}

// recent tells that a door's beam is broken or was a moment ago.
func (t *Tracker) recent(d gate.Door, within time.Duration) bool {
	if t.cfg.NoDoor[d] {
		return true
	}
	b := t.door[d]
	return b.known && (b.broken || (b.since > 0 && t.now-b.since <= within))
}

// appear handles a stretch that begins at beam i.
func (t *Tracker) appear(i int) {
	s := stretch{lo: i, hi: i, k: 1, brokeHi: t.now, brokeLo: t.now, born: t.now}
	out := slices.IndexFunc(t.blobs, func(b stretch) bool {
		return b.k > 1 && (i == b.hi+2 && b.clearHi > 0 && t.now-b.clearHi < hiddenFor || i == b.lo-2 && b.clearLo > 0 && t.now-b.clearLo < hiddenFor)
	})
	arm := slices.ContainsFunc(t.blobs, func(b stretch) bool { return b.k > 0 && t.within(b, i, i) })
	switch {
	case t.near(gate.Entry, i, backMM, backBeam) && t.leaving[gate.Entry] > 0: // came back, or went on past a beam that is blind
		s.k, t.leaving[gate.Entry] = t.leaving[gate.Entry], 0
	case t.near(gate.Exit, i, backMM, backBeam) && t.leaving[gate.Exit] > 0:
		s.k, t.leaving[gate.Exit] = t.leaving[gate.Exit], 0
	case t.hidden > 0 && i >= t.hid.beam-2 && i <= t.hid.beam+2: // a beam away, or past one that is blind
		s.k, t.hidden = t.hidden, 0
		t.hopped(i)
	case out >= 0: // one of several who was between two beams
		t.blobs[out].k--
	case arm:
		s.k = 0
	case t.near(gate.Entry, i, nearMM, nearBeam) && t.recent(gate.Entry, cameFor):
		t.enter(gate.Entry)
	case t.near(gate.Exit, i, nearMM, nearBeam) && t.recent(gate.Exit, cameFor):
		t.enter(gate.Exit)
	case t.near(gate.Entry, i, nearMM, nearBeam):
		s.k, s.reach, s.door = 0, true, gate.Entry
	case t.near(gate.Exit, i, nearMM, nearBeam):
		s.k, s.reach, s.door = 0, true, gate.Exit
	default:
		t.suspect()
	}
	s.k = min(s.k, maxPersons)
	at := 0
	for at < len(t.blobs) && t.blobs[at].lo < i {
		at++
	}
	t.blobs = slices.Insert(t.blobs, at, s)
}

func (t *Tracker) enter(d gate.Door) {
	if !t.had {
		t.came = d
	}
	t.f.light = t.f.light || t.had && t.persons() > 0
	t.f.entered[d]++
	t.had = true
	if d == gate.Entry {
		t.totals.EnteredOrigin++
	} else {
		t.totals.EnteredFar++
	}
}

// vanish handles a stretch that ended at beam i.
func (t *Tracker) vanish(s stretch, i int) {
	switch {
	case t.near(gate.Entry, i, nearMM, nearBeam) && t.goes(gate.Entry, i):
		t.leave(gate.Entry, s.k)
	case t.near(gate.Exit, i, nearMM, nearBeam) && t.goes(gate.Exit, i):
		t.leave(gate.Exit, s.k)
	default:
		for n := range t.blobs {
			if b := &t.blobs[n]; b.k == 0 && !b.reach { // what was taken for an arm is where the trunk has got to
				b.k = s.k
				return
			}
		}
		t.hidden = min(t.hidden+s.k, maxPersons)
		t.hidAt = t.now
		t.hid.beam, t.hid.broke = i, t.rows[High][i].broke
	}
}

// goes tells that who broke beam i last is in a door on the way out: who comes in breaks the safety beam first.
func (t *Tracker) goes(d gate.Door, i int) bool {
	b := t.door[d]
	return t.cfg.NoDoor[d] || b.known && (b.broken || t.recent(d, leaveFor) && b.broke > t.rows[High][i].broke)
}

func (t *Tracker) leave(d gate.Door, k int) {
	t.leaving[d] = min(t.leaving[d]+k, maxPersons)
	if t.cfg.NoDoor[d] {
		t.door[d].since = t.now
	}
}

// lowBroke looks for something that moves near the floor apart from every trunk.
func (t *Tracker) lowBroke(i int) {
	if len(t.blobs) == 0 || t.leaving != [2]int{} || t.hidden > 0 {
		return
	}
	x := t.cfg.Low[i]
	from, to := t.lowRun(i) // a trolley is one thing from the hands to its front
	for _, s := range t.blobs {
		if to > t.cfg.High[s.lo]-apartMM && from < t.cfg.High[s.hi]+apartMM {
			return
		}
	}
	if t.recent(gate.Entry, cameFor) && (i == 0 || x <= nearMM) || t.recent(gate.Exit, cameFor) && (i == len(t.cfg.Low)-1 || t.cfg.LengthMM-x <= nearMM) {
		return // somebody is about to step in and will be seen by the high row
	}
	t.crawl, t.f.crawl = true, true
}

// lowRun is the unbroken run of broken low beams around beam i.
func (t *Tracker) lowRun(i int) (from, to float64) {
	lo, hi := i, i
	for lo > 0 && t.rows[Low][lo-1].broken {
		lo--
	}
	for hi < len(t.cfg.Low)-1 && t.rows[Low][hi+1].broken {
		hi++
	}
	return t.cfg.Low[lo], t.cfg.Low[hi]
}

// persons is how many there are, as far as known.
func (t *Tracker) persons() int {
	n := t.leaving[0] + t.leaving[1] + t.hidden
	for _, s := range t.blobs {
		n += s.k
	}
	return n
}

func (t *Tracker) row(r Row) (broken int) {
	for _, b := range t.rows[r] {
		if b.broken {
			broken++
		}
	}
	return broken
}

// Advance moves the time on to now. A time that lies before is ignored.
func (t *Tracker) Advance(now time.Duration) {
	for {
		next := t.Next()
		if next <= t.now || next > now {
			break
		}
		t.now = next
		t.settle()
	}
	if now > t.now {
		t.now = now
		t.settle()
	}
}

// Next is when something will change by time alone; 0 for never.
func (t *Tracker) Next() time.Duration {
	next := time.Duration(0)
	want := func(at time.Duration, on bool) {
		if on && at > t.now && (next == 0 || at < next) {
			next = at
		}
	}
	for d := range t.door {
		want(t.door[d].since+leaveFor, t.leaving[d] > 0 && !t.door[d].broken)
	}
	want(t.freeSince+t.proof(), t.free)
	want(t.hidAt+hiddenFor, t.hidden > 0)
	want(t.lowSince+settleFor, t.lowAlone)
	want(t.lowSince+feetFor, t.lowAlone)
	want(t.lowFree+emptyFor, t.object)
	for r := range t.all {
		for _, w := range t.all[r] {
			want(w.ended+aloneFor, w.ended > 0)
			want(w.last()+quietFor, w.out)
		}
	}
	want(t.lastHigh+StillFor, len(t.blobs) > 0)
	for _, s := range t.blobs {
		want(s.born+reachFor, s.reach)
	}
	return next
}

// settle draws the conclusions of time and of what is free.
func (t *Tracker) settle() {
	defer t.lose()
	if !t.known() {
		return
	}
	for d := range t.leaving {
		if t.leaving[d] > 0 && !t.door[d].broken && t.now-t.door[d].since >= leaveFor {
			if gate.Door(d) == gate.Exit {
				t.totals.LeftAcross += uint64(t.leaving[d])
			} else {
				t.totals.LeftOrigin += uint64(t.leaving[d])
			}
			t.f.left[d] += t.leaving[d]
			t.through = gate.Door(d) != t.came
			t.leaving[d] = 0
			t.drawing = t.persons() == 0 && t.row(Low) > 0
		}
	}
	for n := range t.blobs {
		switch s := &t.blobs[n]; {
		case s.reach && t.now-s.born >= reachFor: // nobody saw how it came there
			s.k, s.reach = 1, false
			t.suspect()
		case s.k == 0 && !s.reach && t.persons() == 0: // whose arm it was has gone
			t.apart(s)
		}
	}
	if t.now-t.lastHigh >= StillFor {
		for n := range t.blobs {
			s := &t.blobs[n]
			if s.k == 0 && !s.reach { // nobody holds an arm out for so long
				t.apart(s)
			}
			if !s.still && s.k == 1 && t.spacing(s.lo, s.hi) >= stillMM {
				t.together(s)
			}
			s.still = true
		}
	}
	low, high := t.row(Low), t.row(High)
	free := low == 0 && high == 0 && !t.door[0].broken && !t.door[1].broken
	if free && !t.free {
		t.freeSince = t.now
	}
	t.free = free
	if free && t.now-t.freeSince >= t.proof() {
		t.emptied()
	}
	if low > 0 {
		t.lowFree = t.now
	} else if t.object && t.now-t.lowFree >= emptyFor {
		t.object = false
	}
	alone := low > 0 && t.persons() == 0
	if alone && !t.lowAlone {
		t.lowSince = t.now
	}
	t.lowAlone = alone
	t.drawing = t.drawing && alone && t.now-t.lowSince < settleFor
	if alone && t.had && !t.doubt && t.now-t.lowSince >= settleFor {
		t.object = true
		t.finish()
	}
	t.noted()
}

// proof is how long every beam must be free to prove the mantrap empty.
func (t *Tracker) proof() time.Duration {
	if t.hidden > 0 && t.had {
		return lostFor
	}
	return emptyFor
}

// emptied closes the book of who was inside: every beam is free.
func (t *Tracker) emptied() {
	if t.had && t.through { // a blind beam itself can put the count in doubt
		t.selfTest()
	}
	t.finish()
	t.f = facts{}
	t.hidden, t.leaving, t.blobs = 0, [2]int{}, t.blobs[:0]
	t.doubt, t.crawl, t.had, t.through, t.object = false, false, false, false, false
	for r := range t.rows {
		for i := range t.rows[r] {
			b := &t.rows[r][i]
			b.seen, b.light, b.width = false, 0, 0
		}
	}
}

// selfTest looks at a complete passage for the one beam that did not take part in it (S-06, S-08).
func (t *Tracker) selfTest() {
	miss := -1
	for i, b := range t.rows[High] {
		if b.seen {
			t.rows[High][i].missed = 0
			continue
		}
		if miss >= 0 {
			return
		}
		miss = i
	}
	if miss < 0 {
		return
	}
	if t.rows[High][miss].missed++; t.rows[High][miss].missed == 2 {
		t.blind = append(t.blind, slices.IndexFunc(t.all[High], func(w watched) bool { return w.at == miss }))
	}
}

// State is what the outside sees now.
func (t *Tracker) State() State {
	s := State{Count: t.count(), Object: t.object}
	s.Dirt = t.known() && t.row(High)+t.row(Low) == 1 && (t.doubt || t.persons() == 0 && !t.had)
	return s
}

// Seen is where persons are.
type Seen struct {
	FromMM, ToMM float64 // from the entry: the outermost beams that they break
	Persons      int     // 0: an arm, or somebody; not decided
	Toward       string  // "exit", "entry", or "" for standing
}

// Seen returns who is seen by the high row, from the entry to the exit.
func (t *Tracker) Seen() []Seen {
	var out []Seen
	for _, s := range t.blobs {
		p := Seen{FromMM: t.cfg.High[s.lo], ToMM: t.cfg.High[s.hi], Persons: s.k}
		switch ahead, back := max(s.brokeHi, s.clearLo), max(s.brokeLo, s.clearHi); {
		case t.now-max(ahead, back) >= StillFor:
		case ahead >= back:
			p.Toward = gate.Exit.String()
		default:
			p.Toward = gate.Entry.String()
		}
		out = append(out, p)
	}
	return out
}

func (t *Tracker) count() gate.Count {
	if !t.known() || !t.Suffices() {
		return gate.CountUnknown
	}
	n := t.persons()
	switch {
	case n >= 2, t.crawl && n >= 1:
		return gate.CountMany
	case t.doubt, t.reaches():
		return gate.CountUnknown
	case n == 1 && t.hidden > 0 && t.now-t.hidAt >= hiddenFor:
		return gate.CountUnknown
	case n == 1:
		return gate.CountOne
	case t.object:
		return gate.CountZero
	case t.drawing:
		return gate.CountOne // may still be pulling a case out
	case t.lowAlone && !t.had && t.now-t.lowSince >= feetFor:
		return gate.CountUnknown // something near the floor that nobody brought: a crawler, or dirt
	}
	return gate.CountZero
}
