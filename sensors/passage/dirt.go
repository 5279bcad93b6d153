package passage

import (
	"slices"
	"time"

	"egate/gate"
)

// A dirty or loose beam loses its light now and then: it breaks alone, far in time from any beam beside it, and is free again soon.
// Nobody walks like that. A beam that does it often is taken out of its row, and comes back when it has been quiet for long. Rows
// change only while nobody is inside, so that no count rests on two geometries.
const (
	// lossFor is the longest break that is a loss of light; aloneFor is how long before and after it no beam beside may break:
	// whoever walks by does, however slowly.
	lossFor  = 500 * time.Millisecond
	aloneFor = time.Second
	// lossesMax of them within lossWindow are too many; quietFor without one brings a beam back.
	lossesMax  = 3
	lossWindow = 30 * time.Second
	quietFor   = 5 * time.Minute
	// fewestHigh and fewestLow are the beams that a row needs to count.
	fewestHigh, fewestLow = 3, 2
)

// watched is one beam of the geometry, whether it counts or not.
type watched struct {
	x             float64
	known, broken bool
	since         time.Duration
	ended         time.Duration // when its last break ended, if that may have been a loss; 0 if not
	begun         time.Duration // and when it began
	losses        []time.Duration
	failed        bool // the self-test
	out           bool // of service
	at            int  // index in its row; -1 while it is out
}

// Outage tells that a beam of the geometry was taken out of its row, or is back in it.
type Outage struct {
	Row Row
	I   int
	Out bool
}

// last is when the beam last lost its light.
func (w *watched) last() time.Duration {
	if n := len(w.losses); n > 0 {
		return w.losses[n-1]
	}
	return 0
}

// often tells that a beam loses its light too often, quiet that it has not for long.
func (w *watched) often() bool {
	n := len(w.losses)
	return n == lossesMax && w.losses[n-1]-w.losses[0] <= lossWindow
}

func (w *watched) quiet(now time.Duration) bool {
	return len(w.losses) == 0 || now-w.last() >= quietFor
}

// belongs tells whether a beam ought to be out of service now.
func (w *watched) belongs(now time.Duration) bool {
	if w.failed {
		return true
	}
	if w.out {
		return w.broken || !w.quiet(now)
	}
	return w.often() && !w.quiet(now)
}

// Outages returns the beams that were taken out or came back since it was last asked.
func (t *Tracker) Outages() []Outage {
	o := t.outages
	t.outages = nil
	return o
}

// Fail tells that a beam has failed its self-test, or passed it again: it is out of service until it has.
func (t *Tracker) Fail(r Row, i int, failed bool) {
	t.all[r][i].failed = failed
	t.lose()
}

// Suffices tells that the beams in service are enough to count: no two neighbours of a row are out, and enough are left of each.
func (t *Tracker) Suffices() bool {
	for r, row := range t.all {
		left, last := 0, false
		for _, w := range row {
			if w.out && last {
				return false
			}
			if last = w.out; !w.out {
				left++
			}
		}
		if fewest := [2]int{fewestHigh, fewestLow}[r]; left < min(fewest, len(row)) {
			return false
		}
	}
	return true
}

// watch takes a change of beam i of the geometry and tells where it stands in its row, -1 for out of service.
func (t *Tracker) watch(r Row, i int, broken bool) int {
	w := &t.all[r][i]
	was := w.known && w.broken
	first := !w.known
	if first || w.broken != broken {
		lasted := t.now - w.since
		w.known, w.broken, w.since = true, broken, t.now
		switch {
		case first:
		case broken && t.deserted(r, i):
		case broken:
			for _, j := range []int{i - 1, i + 1} { // who comes by explains what a neighbour did
				if j >= 0 && j < len(t.all[r]) {
					t.all[r][j].ended = 0
				}
			}
		case was && lasted <= lossFor && (t.deserted(r, i) || t.alone(r, i, t.now-lasted)):
			w.begun, w.ended = t.now-lasted, t.now
		}
	}
	return w.at
}

// deserted tells that nobody has come through a door and beam i is out of reach from the doors: what breaks is no person's doing.
func (t *Tracker) deserted(r Row, i int) bool {
	x := t.all[r][i].x
	return t.cfg.NoDoor == [2]bool{} && !t.had && t.known() && x > nearMM && t.cfg.LengthMM-x > nearMM &&
		!t.recent(gate.Entry, aloneFor) && !t.recent(gate.Exit, aloneFor)
}

// alone tells that no beam beside beam i was broken since aloneFor before a time.
func (t *Tracker) alone(r Row, i int, from time.Duration) bool {
	for _, j := range []int{i - 1, i + 1} {
		if j < 0 || j >= len(t.all[r]) {
			continue
		}
		if n := t.all[r][j]; !n.known || n.broken || n.since > 0 && n.since > from-aloneFor && !n.out {
			return false
		}
	}
	return true
}

// lose counts the losses of light that nothing explained in time, and takes beams out and in while nobody is inside.
func (t *Tracker) lose() {
	changed := false
	for r := range t.all {
		for i := range t.all[r] {
			w := &t.all[r][i]
			if w.ended > 0 && t.now-w.ended >= aloneFor {
				w.ended = 0
				w.losses = append(w.losses, w.begun)
				if len(w.losses) > lossesMax {
					w.losses = slices.Delete(w.losses, 0, 1)
				}
			}
			changed = changed || w.belongs(t.now) != w.out
		}
	}
	if !changed || !t.vacant() {
		return
	}
	for r := range t.all {
		for i := range t.all[r] {
			w := &t.all[r][i]
			out := w.belongs(t.now)
			if out != w.out {
				w.out = out
				t.outages = append(t.outages, Outage{Row(r), i, out})
			}
			if !out && w.quiet(t.now) {
				w.losses = w.losses[:0]
			}
		}
	}
	t.arrange()
}

// vacant tells that nobody is inside and every beam in service is free.
func (t *Tracker) vacant() bool {
	return t.known() && t.persons() == 0 && !t.had && !t.doubt && !t.object && t.row(High)+t.row(Low) == 0 && !t.door[0].broken && !t.door[1].broken
}

// arrange makes the rows of the beams that are in service.
func (t *Tracker) arrange() {
	t.cfg.High, t.cfg.Low = nil, nil
	for r := range t.all {
		t.rows[r] = nil
		for i := range t.all[r] {
			w := &t.all[r][i]
			w.at = -1
			if w.out {
				continue
			}
			w.at = len(t.rows[r])
			t.rows[r] = append(t.rows[r], beam{known: w.known, broken: w.broken, since: w.since})
			if Row(r) == High {
				t.cfg.High = append(t.cfg.High, w.x)
			} else {
				t.cfg.Low = append(t.cfg.Low, w.x)
			}
		}
	}
}
