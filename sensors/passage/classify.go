package passage

import (
	"math"
	"slices"
	"time"

	"egate/gate"
)

// Class says what a passage was.
type Class string

// Classes that are told apart. Two persons in one trunk's place (a child in arms, somebody on the back, two
// who embrace) are no class here: parallel beams cannot know.
const (
	Single         Class = "single"
	Suitcase       Class = "suitcase"         // something is pulled behind
	SuitcaseBefore Class = "suitcase_before"  // something short is pushed ahead
	Trolley        Class = "trolley"          // something long is pushed ahead
	Wheelchair     Class = "wheelchair"       // nothing steps, the floor is covered
	Child          Class = "child"            // alone
	AdultWithChild Class = "adult_with_child" // two, one of them short
	Pram           Class = "pram"             // two stretches joined near the floor; who is in it is not known
	Tailgating     Class = "tailgating"       // two, and light between them
	Piggyback      Class = "piggyback"        // two, and never light between them
	Intrusion      Class = "intrusion"        // one from each side
	Crawling       Class = "crawling"         // near the floor only
	WrongDirection Class = "wrong_direction"  // from the far side to the side of origin
	UTurn          Class = "u_turn"           // back to where it came from
	ObjectLeft     Class = "object_left"      // something stays
	Unclear        Class = "unclear"          // what the beams said fits nobody
)

// Passage is what happened between two times at which the mantrap was empty.
type Passage struct {
	From, To time.Duration // first beam broken, all free again
	Class    Class
	// Confidence is how often the class was right in the simulated walks that the bounds were tuned with
	// (docs/passage.md): no figure of a site.
	Confidence float64
	Persons    int // 0, 1, or 2 for two and more
	// Two is how likely it was more than one, from what the stretches measured.
	Two float64
	// Decided is when the number of persons was known for good; Latency how long after the edge that told it.
	Decided, Latency time.Duration
}

// Bounds of the classification, in mm and counts, of the simulated bodies (sim/people).
const (
	childMM   = 210.0 // a child's trunk is shorter
	childArms = 240.0 // and with the arms that swing beside it
	reachMM   = 400.0 // legs do not reach farther before or behind the trunk
	trolleyMM = 800.0 // a case does not reach farther ahead
	hopsMin   = 3     // somebody who bends does it once
	pressMM   = 90.0  // light between two who press on each other is never wider
	lightsMin = 2     // beams that must say so: who turns round at one breaks it twice
	lightMM   = 50.0  // hands leave less between themselves and the trunk
	stepMM    = 200.0 // a foot may stand so far before a trunk
	hoodMM    = 250.0 // light between who pushes a pram and its hood is wider
	chairMM   = 700.0 // of floor under one person with never light in it
)

// facts are collected while somebody is inside.
type facts struct {
	began    bool
	from     time.Duration
	entered  [2]int
	left     [2]int
	light    bool    // seen between two persons
	gap      float64 // the widest of it, mm
	crawl    bool
	shortest float64 // median length of a person's stretch, 0 for none
	longest  float64
	hops     []float64 // trunks that fell between two beams: their length, mm
	ahead    float64   // something near the floor before the trunk, mm
	behind   float64
	floor    float64 // longest run near the floor with one trunk above it
	gaps     int     // times that there was light in it
	joined   int     // times that two stretches were joined near the floor
	apart    int     // times that they were not
	lights   int     // high beams that two trunks passed with light between them
	low      int     // low beams broken by now
	reported bool
	edge     time.Duration // last change of a beam
	count    gate.Count
	decided  time.Duration
	latency  time.Duration
}

// Passages returns the passages that have ended since it was last asked.
func (t *Tracker) Passages() []Passage {
	p := t.done
	t.done = nil
	return p
}

// Likely is how likely it is that more than one person is inside, from what is known by now.
func (t *Tracker) Likely() float64 {
	two := t.f.two()
	for _, s := range t.blobs {
		if s.k > 1 {
			return max(two, surely)
		}
		if len(s.samples) > 0 {
			two = max(two, likely(median(s.samples)))
		}
	}
	return two
}

// surely is the likelihood when light was seen between two, or a stretch was longer than anybody.
const surely = 0.99

// likely compares one person of 370 ± 70 mm (trunk and arms) with two of 700 ± 130 mm, of whom one comes in
// fifty passages.
func likely(mm float64) float64 {
	normal := func(mean, sd float64) float64 { z := (mm - mean) / sd; return math.Exp(-z*z/2) / sd }
	one, two := 0.98*normal(370, 70), 0.02*normal(700, 130)
	if mm > 700 {
		return surely
	}
	return min(max(two/(one+two), 0.001), surely)
}

func (f *facts) two() float64 {
	switch {
	case f.light, f.entered[0]+f.entered[1] > 1:
		return surely
	case f.longest > 0:
		return likely(f.longest)
	}
	return 0.02
}

// short tells that one of them has a child's trunk.
func (f *facts) short() bool {
	return f.shortest > 0 && f.shortest < childArms || len(f.hops) >= hopsMin && median(f.hops) < childMM
}

// hopped measures a trunk that fell between its last beam and beam i: how long it broke that beam, by the speed at which
// it came to this one.
func (t *Tracker) hopped(i int) {
	if took := t.now - t.hid.broke; took > 0 && i != t.hid.beam && len(t.f.hops) < maxSamples {
		t.f.hops = append(t.f.hops, t.spacing(i, t.hid.beam)/float64(took)*float64(t.hidAt-t.hid.broke))
	}
}

func median(v []float64) float64 {
	m := slices.Clone(v)
	slices.Sort(m)
	return m[len(m)/2]
}

// begin notes the first beam of a passage.
func (t *Tracker) begin() {
	t.f.edge = t.now
	if !t.f.began {
		t.f.began, t.f.from = true, t.now
	}
}

// observe looks at the beams after one of them has changed.
func (t *Tracker) observe() {
	f := &t.f
	low := t.rows[Low]
	n := 0
	for _, b := range low {
		if b.seen {
			n++
		}
	}
	f.low = max(f.low, n)
	switch len(t.blobs) {
	case 1:
		s := t.blobs[0]
		if s.lo == 0 || s.hi == len(t.cfg.High)-1 || len(low) == 0 {
			return // half in a door
		}
		first, last := -1, -1
		for i, b := range low {
			if b.broken {
				if first < 0 {
					first = i
				}
				last = i
			}
		}
		if first < 0 {
			return
		}
		for i := first; i <= last; i++ {
			if !low[i].broken {
				f.gaps++
				break
			}
		}
		ahead, behind := t.cfg.Low[last]-t.cfg.High[s.hi], t.cfg.High[s.lo]-t.cfg.Low[first]
		if t.came == gate.Exit {
			ahead, behind = behind, ahead
		}
		f.ahead, f.behind = max(f.ahead, ahead), max(f.behind, behind)
		f.floor = max(f.floor, t.cfg.Low[last]-t.cfg.Low[first])
	case 2:
		if t.blobs[0].k == 0 || t.blobs[1].k == 0 {
			return // an arm
		}
		from, to := t.cfg.High[t.blobs[0].hi], t.cfg.High[t.blobs[1].lo]
		whole, any := true, false
		for i, x := range t.cfg.Low {
			if x > from+stepMM && x < to {
				any = true
				whole = whole && low[i].broken
			}
		}
		if any && whole {
			f.joined++
		} else if any {
			f.apart++
		}
	}
}

// between measures the light between two who pass high beam i, by the speed of the one who breaks it, and counts the beams that two
// trunks have passed with light between them. Nobody turns round so fast that two beams say so.
func (t *Tracker) between(i int, broken bool) {
	const fastest = 3e-6 // mm/ns, 3 m/s
	b := &t.rows[High][i]
	if !broken {
		width := float64(t.now - b.since)
		if b.light >= lightMM && min(b.width, width)*b.v >= trunkMM {
			t.f.lights++
		}
		b.light, b.width = 0, width
		return
	}
	b.light, b.v = 0, 0
	j := i - 1 // where who follows came by
	if t.came == gate.Exit {
		j = i + 1
	}
	if j < 0 || j >= len(t.rows[High]) {
		return
	}
	n := t.rows[High][j]
	took := t.now - n.broke
	if !n.seen || took <= 0 || took > 2*time.Second {
		return
	}
	if b.v = t.spacing(i, j) / float64(took); b.v > fastest {
		return
	}
	g := b.v * float64(t.now-b.since)
	t.f.gap = max(t.f.gap, g)
	if g < 1.2*t.spacing(i, j) { // more is seen by two beams at once
		b.light = g
	}
}

// measured keeps the length of a stretch that has ended or changed its number of persons.
func (f *facts) measured(s stretch) {
	if len(s.samples) < minSamples {
		return
	}
	m := median(s.samples)
	if f.shortest == 0 || m < f.shortest {
		f.shortest = m
	}
	f.longest = max(f.longest, m)
}

// noted keeps when the number of persons came to what it is.
func (t *Tracker) noted() {
	f := &t.f
	c := t.count()
	if c == f.count || c != gate.CountOne && c != gate.CountMany {
		return
	}
	if c > f.count || f.count == gate.CountUnknown { // two who leave one by one were two
		f.count, f.decided, f.latency = c, t.now, t.now-f.edge
	}
}

// finish reports the passage that has ended.
func (t *Tracker) finish() {
	f := t.f
	if !f.began || f.reported || f.low == 0 && !t.had {
		return
	}
	persons := 0
	switch f.count {
	case gate.CountOne:
		persons = 1
	case gate.CountMany:
		persons = 2
	}
	p := Passage{From: f.from, To: t.now, Persons: persons, Two: f.two(), Decided: f.decided, Latency: f.latency}
	if persons == 2 {
		p.Two = max(p.Two, surely)
	}
	p.Class = f.class(persons, t.came, t.object, len(t.cfg.Low))
	p.Confidence = precision[p.Class]
	if len(t.done) < maxPassages {
		t.done = append(t.done, p)
	}
	t.f.reported = true
}

// maxPassages bounds what waits to be taken.
const maxPassages = 64

func (f *facts) class(persons int, came gate.Door, object bool, low int) Class {
	other := 1 - came
	switch {
	case persons == 0 && f.low*2 > low, f.crawl:
		return Crawling
	case persons == 0:
		return Unclear
	case f.entered[gate.Entry] > 0 && f.entered[gate.Exit] > 0:
		return Intrusion
	case persons == 2 && f.joined > 3 && f.joined > 4*f.apart && f.gap > hoodMM:
		return Pram
	case persons == 2 && f.short():
		return AdultWithChild
	case persons == 2 && f.light && (f.gap == 0 || f.gap > pressMM):
		return Tailgating
	case persons == 2:
		return Piggyback
	case object:
		return ObjectLeft
	case came == gate.Exit && f.left[gate.Entry] > 0:
		return WrongDirection
	case f.left[came] > 0 && f.left[other] == 0:
		return UTurn
	case f.gaps == 0 && f.floor >= chairMM:
		return Wheelchair
	case f.ahead >= trolleyMM:
		return Trolley
	case f.ahead >= reachMM && f.ahead >= f.behind:
		return SuitcaseBefore
	case f.behind >= reachMM:
		return Suitcase
	case f.short():
		return Child
	}
	return Single
}
