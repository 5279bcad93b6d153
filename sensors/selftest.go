package sensors

import (
	"slices"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/gate"
	"egate/sensors/passage"
)

// LineTest is the output that puts out the transmitters of the beam matrix while it is High; Low, the safe level, is light (S-08).
const LineTest = "beam_test"

// Codes of findings of the self-test.
const (
	CodeBeamTest = "beam_test_failed"
	CodeTestLine = "beam_test_silent"
)

// Times of the self-test.
const (
	// TestEvery is how long after one test the next begins in an idle gate; S-08 wants at most 60 s between them.
	TestEvery = 30 * time.Second
	// restFor is how long the gate must have been at rest.
	restFor = 2 * time.Second
	// darkWithin and lightWithin are how long receivers may take: a light barrier takes milliseconds, the debounce eight.
	darkWithin, lightWithin = 60 * time.Millisecond, 100 * time.Millisecond
)

// probe is the self-test of the beams: their transmitters are put out, every receiver must go dark, and come back.
type probe struct {
	wired bool
	level gpio.Level    // wanted of the test line
	phase int           // of the test
	at    time.Duration // when the phase began
	ended time.Duration // the last test
	rest  time.Duration // at rest since
	quiet bool          // at rest
	void  bool          // a door moved: nothing is judged
	dark  []bool        // which beams of the configuration went dark
	fault []bool        // which failed the last test
	mute  bool          // none went dark in the last test
}

// Phases of a test.
const (
	noTest = iota
	goDark
	comeBack
)

// TestLine is the level that the output LineTest must have now.
func (t *Tracker) TestLine() gpio.Level { return t.probe.level }

// testing tells that what the beams of the matrix do is the test's doing.
func (t *Tracker) testing() bool { return t.probe.phase != noTest }

// resting tells that doors are closed and nobody is inside, as far as the sensors know.
func (t *Tracker) resting() bool {
	closed := (t.cfg.OneStep || t.doors[0].pos == gate.PosClosed) && t.doors[1].pos == gate.PosClosed
	still := t.doors[0].beam.tri() == gate.Low && t.doors[1].beam.tri() == gate.Low && !t.doors[0].beam.pending && !t.doors[1].beam.pending
	return closed && still && !t.lost
}

// selfTest moves the test on.
func (t *Tracker) selfTest() {
	p := &t.probe
	if !p.wired {
		return
	}
	rest := t.resting()
	switch p.phase {
	case noTest:
		st := t.matrix.State()
		calm := rest && st.Count == gate.CountZero && !st.Object && !slices.ContainsFunc(t.cfg.Beams, func(b Beam) bool {
			s := t.lines[b.Name]
			return s.tri() != gate.Low || s.pending
		})
		if calm && !p.quiet {
			p.rest = t.now
		}
		p.quiet = calm
		if calm && t.now >= p.rest+restFor && t.now >= p.ended+TestEvery {
			p.phase, p.level, p.at, p.void = goDark, gpio.High, t.now, false
			clear(p.dark)
		}
	case goDark:
		all := true
		for i, b := range t.cfg.Beams {
			p.dark[i] = p.dark[i] || t.lines[b.Name].tri() == gate.High
			all = all && p.dark[i]
		}
		p.void = p.void || !rest
		if all || p.void || t.now >= p.at+darkWithin {
			p.phase, p.level, p.at = comeBack, gpio.Low, t.now
		}
	case comeBack:
		back := !slices.ContainsFunc(t.cfg.Beams, func(b Beam) bool { return t.lines[b.Name].tri() != gate.Low })
		p.void = p.void || !rest
		if back || t.now >= p.at+lightWithin {
			t.judge()
		}
	}
}

// judge ends a test: what failed is named and taken out of service, and beams are persons' again.
func (t *Tracker) judge() {
	p := &t.probe
	p.phase, p.ended, p.quiet = noTest, t.now, false
	if !p.void {
		mute := !slices.Contains(p.dark, true)
		if mute != p.mute {
			p.mute = mute
			t.find(CodeTestLine, LineTest, mute)
		}
		for i, b := range t.cfg.Beams {
			fault := !mute && (!p.dark[i] || t.lines[b.Name].tri() != gate.Low)
			if fault != p.fault[i] {
				p.fault[i] = fault
				t.find(CodeBeamTest, b.Name, fault)
				t.matrix.Fail(b.Row, slices.Index(t.rows[b.Row], b.Name), fault)
			}
		}
	}
	for _, b := range t.cfg.Beams {
		if s := t.lines[b.Name]; s.known {
			t.matrix.Beam(b.Row, slices.Index(t.rows[b.Row], b.Name), s.stable == gpio.High, t.now)
		}
	}
}

// stopTest forgets a test that is under way: the lines are gone.
func (t *Tracker) stopTest() {
	t.probe.phase, t.probe.level, t.probe.quiet = noTest, gpio.Low, false
}

// nextTest is when the test must be looked at; 0 for never.
func (t *Tracker) nextTest() time.Duration {
	p := &t.probe
	switch {
	case !p.wired:
		return 0
	case p.phase == goDark:
		return p.at + darkWithin
	case p.phase == comeBack:
		return p.at + lightWithin
	case p.quiet:
		return max(p.rest+restFor, p.ended+TestEvery)
	}
	return 0
}

// failed tells that a beam is out of service because of the self-test, which names it.
func (t *Tracker) failed(r passage.Row, i int) bool {
	n := slices.IndexFunc(t.cfg.Beams, func(b Beam) bool { return b.Name == t.rows[r][i] })
	return t.probe.wired && n >= 0 && t.probe.fault[n]
}
