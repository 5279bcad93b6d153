// Package sensors turns the raw lines of a gate into typed events of package gate.
//
// Every line becomes a tri-state signal with a declared safe reading: until its level is known, and
// again after the lines were lost, it is unknown, and package gate reads unknown as the safe side (fire
// as alarm, a beam as broken, a door as not closed, the count as nothing that opens across the border).
// Levels on the dangerous side count at once where that side stops something (safety beams), all others
// after they were stable for the signal's debounce time (S-07).
//
// Time is the device's: it comes with the edges and with Advance. Nothing here reads a clock but Run,
// which ties a Tracker to hal.Lines.
package sensors

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/gate"
	"egate/hal"
	"egate/sensors/passage"
)

// Codes of findings, as in the fault catalogue.
const (
	CodeLinesLost   = "lines_lost"
	CodeEdgeLost    = "lines_edge_lost"
	CodeBeamStuck   = "beam_stuck"
	CodeBeamBlind   = "beam_blind"
	CodeFlicker     = "beam_flicker"
	CodeBeamDirty   = "beam_dirty"
	CodeBeamsFew    = "beams_insufficient"
	CodeImplausible = "door_contact_implausible"
	CodeDoorLate    = "door_position_late"
	CodeTamper      = "tamper"
	CodePower       = "power_failed"
)

// Parts of findings that are no line.
const (
	PartLines     = "lines"
	PartMantrap   = "mantrap"
	PartEntry     = "entry_door"
	PartExit      = "exit_door"
	PartEnclosure = "enclosure"
	PartSupply    = "supply"
)

// Finding is a fault that was found or has gone.
type Finding struct {
	Code string
	Part string
	On   bool
}

// Beam is one beam of the matrix.
type Beam struct {
	Name string
	X    float64 // mm from the entry plane
	Row  passage.Row
}

// Config describes the sensors of a mantrap or a zone.
type Config struct {
	Beams    []Beam  // ascending x within each row
	LengthMM float64 // from the entry plane to the exit plane
	Debounce time.Duration
	// BeamDebounce is that of the matrix: short, because the gap between two people who walk close
	// frees a beam for a moment only.
	BeamDebounce time.Duration
	// Travel is how long a door takes from contact to contact at the latest.
	Travel time.Duration
	// TestLine says that the output LineTest is wired to the transmitters of the matrix (S-08).
	TestLine bool
	// Witnesses are further sources of the count.
	Witnesses []Witness
	// OneStep is a gate without an entry door: entry_beam is the outer beam of its zone (P-02).
	OneStep bool
}

// Debounce times of signals with their own.
const (
	// fireDebounce keeps interference of a millisecond from opening a border; it leaves most of the
	// 100 ms of D-02.
	fireDebounce = 10 * time.Millisecond
	// healthyDebounce is how long a fire or tamper loop must be healthy to count as such.
	healthyDebounce = 100 * time.Millisecond
	tamperDebounce  = 50 * time.Millisecond
	// clearDebounce is how long a safety beam must be free; that it is broken counts at once (D-05).
	clearDebounce = 30 * time.Millisecond

	// stuckFor is how long one lone beam may be broken with both doors closed (S-06).
	stuckFor = 10 * time.Second
	// flickers within flickerWindow are too many.
	flickers      = 40
	flickerWindow = 10 * time.Second
	// lateFactor times the travel time between the end contacts is late (D-10).
	lateFactor = 2
	// implausibleFor is how long both end contacts may be made: they overlap while they bounce.
	implausibleFor = 50 * time.Millisecond
	// quickest is the part of the travel time in which no leaf gets from its open to its closed contact.
	quickest = 10
)

// Matrix is a matrix of n beams in two rows of the same spacing, named beam_01 … from the entry to the
// exit, first the low row, then the high one, with the default debounce times.
func Matrix(n int, lengthMM float64, travel time.Duration) (Config, error) {
	if n < 4 || n > 99 || n%2 != 0 || !(lengthMM > 0) {
		return Config{}, fmt.Errorf("sensors: %d beams over %.0f mm: an even number from 4 to 98 over a length is needed", n, lengthMM)
	}
	c := Config{LengthMM: lengthMM, Debounce: 20 * time.Millisecond, BeamDebounce: passage.Debounce, Travel: travel}
	step := lengthMM / float64(n/2)
	for i := range n {
		row, at := passage.Low, i
		if i >= n/2 {
			row, at = passage.High, i-n/2
		}
		c.Beams = append(c.Beams, Beam{Name: fmt.Sprintf("beam_%02d", i+1), X: step/2 + float64(at)*step, Row: row})
	}
	return c, nil
}

// signal is one line.
type signal struct {
	name     string
	up, down time.Duration // stable time before High and Low count
	raw      gpio.Level
	since    time.Duration // of raw
	known    bool
	stable   gpio.Level
	pending  bool
	seq      uint32
	act      func(t *Tracker, s *signal, at time.Duration)

	glitches    int
	glitchSince time.Duration
	flickering  bool
}

func (s *signal) tri() gate.Tri {
	switch {
	case !s.known:
		return gate.Unknown
	case s.stable == gpio.High:
		return gate.High
	}
	return gate.Low
}

func (s *signal) due() time.Duration {
	if s.raw == gpio.High {
		return s.since + s.up
	}
	return s.since + s.down
}

type door struct {
	closed, open, beam *signal // no contacts: nothing but the outer beam of a zone
	pos                gate.Position
	since              time.Duration
	implausible        bool // reported
	// doubted is a closed contact that was made where the leaf may not have been closed. It stays so until
	// the contact has been seen free: a welded one looks closed all the way back (P-03).
	doubted bool
	told    bool          // as last told
	opened  gate.Tri      // the open contact as last looked at
	left    time.Duration // when the leaf left its open contact
	wasOpen bool          // left is known
	late    bool
	part    string
}

// Tracker is the sensors of one gate. It is used by one goroutine.
type Tracker struct {
	cfg       Config
	now       time.Duration
	lines     map[string]*signal
	order     []*signal
	doors     [2]door
	fire      *signal
	tamper    *signal
	power     *signal // healthy supply; a gate may have no such line
	button    *signal
	matrix    *passage.Tracker
	witnesses []witness
	rows      [2][]string // names of the beams of each row
	few       bool        // too many are out of service
	probe     probe
	lost      bool
	stuck     string
	dirt      time.Duration
	dirty     bool
	pressed   bool

	out      []gate.Event
	findings []Finding
	// what was told last
	toldFire   gate.Tri
	toldBeam   [2]gate.Tri
	toldCount  gate.Count
	toldAcross uint64 // how many had left across when a count was told
	toldObject bool
	toldTamper bool
	toldPower  bool
}

// New makes the sensors of a gate. Everything is unknown until the first edges have come.
func New(cfg Config) (*Tracker, error) {
	if cfg.Debounce <= 0 || cfg.BeamDebounce <= 0 || cfg.Travel <= 0 {
		return nil, fmt.Errorf("sensors: debounce and travel times are needed")
	}
	t := &Tracker{cfg: cfg, lines: map[string]*signal{}}
	add := func(name string, up, down time.Duration, act func(*Tracker, *signal, time.Duration)) *signal {
		s := &signal{name: name, up: up, down: down, act: act}
		t.lines[name] = s
		t.order = append(t.order, s)
		return s
	}
	t.fire = add("fire_ok", healthyDebounce, fireDebounce, nil)
	t.tamper = add("tamper_ok", healthyDebounce, tamperDebounce, nil)
	t.power = add("power_ok", healthyDebounce, tamperDebounce, nil)
	t.button = add("exit_request", cfg.Debounce, cfg.Debounce, func(t *Tracker, s *signal, _ time.Duration) { t.pressed = s.stable == gpio.High })
	for d, name := range [2]string{"entry", "exit"} {
		side := gate.Door(d)
		t.doors[d] = door{part: [2]string{PartEntry, PartExit}[d]}
		if side == gate.Exit || !cfg.OneStep {
			t.doors[d].closed = add(name+"_closed", cfg.Debounce, cfg.Debounce, nil)
			t.doors[d].open = add(name+"_open", cfg.Debounce, cfg.Debounce, nil)
		}
		t.doors[d].beam = add(name+"_beam", 0, clearDebounce, func(t *Tracker, s *signal, at time.Duration) {
			t.matrix.Door(side, s.stable == gpio.High, at)
		})
	}
	pc := passage.Config{LengthMM: cfg.LengthMM}
	for _, b := range cfg.Beams {
		row := &pc.Low
		if b.Row == passage.High {
			row = &pc.High
		}
		if n := len(*row); n > 0 && (*row)[n-1] >= b.X || t.lines[b.Name] != nil {
			return nil, fmt.Errorf("sensors: beam %s: beams of a row must be named once and in order from the entry to the exit", b.Name)
		}
		i := len(*row)
		*row = append(*row, b.X)
		t.rows[b.Row] = append(t.rows[b.Row], b.Name)
		r := b.Row
		add(b.Name, cfg.BeamDebounce, cfg.BeamDebounce, func(t *Tracker, s *signal, at time.Duration) {
			if !t.testing() {
				t.matrix.Beam(r, i, s.stable == gpio.High, at)
			}
		})
	}
	t.addWitnesses(add)
	t.probe = probe{wired: cfg.TestLine, dark: make([]bool, len(cfg.Beams)), fault: make([]bool, len(cfg.Beams))}
	if len(pc.High) < 2 || len(pc.Low) < 2 {
		return nil, fmt.Errorf("sensors: at least two beams in each row are needed to count people")
	}
	t.matrix = passage.New(pc)
	return t, nil
}

// Feed takes one edge and returns the events that follow. Lines that no sensor is wired to are ignored.
// The slice is valid until the next call.
func (t *Tracker) Feed(e hal.Edge) []gate.Event {
	t.begin()
	t.advance(e.At)
	s := t.lines[e.Line]
	if s == nil {
		return t.tell()
	}
	if t.lost {
		t.lost = false
		t.find(CodeLinesLost, PartLines, false)
	}
	if !s.known {
		s.known, s.raw, s.stable, s.since, s.seq = true, e.Level, e.Level, t.now, e.Seq
		if s.act != nil {
			s.act(t, s, t.now)
		}
		return t.tell()
	}
	if e.Seq != s.seq && e.Seq != s.seq+1 {
		t.find(CodeEdgeLost, s.name, true)
		t.find(CodeEdgeLost, s.name, false)
		t.matrix.Doubt()
	}
	s.seq = e.Seq
	if e.Level != s.raw {
		if s.pending && e.Level == s.stable {
			s.pending = false
			t.glitch(s)
		} else {
			s.pending = true
		}
		s.raw, s.since = e.Level, t.now
		t.advance(t.now) // a signal that counts at once
	}
	return t.tell()
}

// glitch counts a change that did not last.
func (t *Tracker) glitch(s *signal) {
	if t.now-s.glitchSince > flickerWindow {
		s.glitches, s.glitchSince = 0, t.now
	}
	s.glitches++
	if s.glitches > flickers && !s.flickering {
		s.flickering = true
		t.find(CodeFlicker, s.name, true)
	}
}

// Advance moves the time on and returns the events that follow. The slice is valid until the next call.
func (t *Tracker) Advance(now time.Duration) []gate.Event {
	t.begin()
	t.advance(now)
	return t.tell()
}

// Lose makes everything unknown: the lines are gone. Edges of reopened lines heal it.
func (t *Tracker) Lose() []gate.Event {
	t.begin()
	for _, s := range t.order {
		s.known, s.pending = false, false
	}
	t.stopTest()
	t.matrix.Lose()
	t.pressed = false
	if !t.lost {
		t.lost = true
		t.find(CodeLinesLost, PartLines, true)
	}
	return t.tell()
}

// Findings returns what was found since the last call of Feed, Advance or Lose began. The slice is valid
// until then.
func (t *Tracker) Findings() []Finding { return t.findings }

// Totals returns the counters of the matrix.
func (t *Tracker) Totals() passage.Totals { return t.matrix.Totals() }

// Now is the device time that the tracker has come to.
func (t *Tracker) Now() time.Duration { return t.now }

// Next is when Advance must be called at the latest if no edge comes before; 0 for never.
func (t *Tracker) Next() time.Duration {
	next := t.matrix.Next()
	want := func(at time.Duration, on bool) {
		if on && at > t.now && (next == 0 || at < next) {
			next = at
		}
	}
	for _, s := range t.order {
		want(s.due(), s.pending)
		want(s.glitchSince+flickerWindow+1, s.flickering)
	}
	for i := range t.doors {
		d := &t.doors[i]
		want(d.since+implausibleFor, t.both(d) && !d.implausible)
		want(d.since+lateFactor*t.cfg.Travel, d.pos == gate.PosBetween && !d.late || d.told && d.part == PartExit)
	}
	want(t.nextTest(), true)
	want(t.dirt+stuckFor, t.dirty && t.stuck == "")
	for _, w := range t.witnesses {
		want(w.since+agreeFor, w.differs && !w.told)
	}
	return next
}

func (t *Tracker) begin() { t.out, t.findings = t.out[:0], t.findings[:0] }

func (t *Tracker) find(code, part string, on bool) {
	t.findings = append(t.findings, Finding{code, part, on})
}

// advance lets every pending level count whose time has come, in the order of time.
func (t *Tracker) advance(now time.Duration) {
	now = max(now, t.now)
	for {
		var first *signal
		for _, s := range t.order {
			if s.pending && s.due() <= now && (first == nil || s.due() < first.due()) {
				first = s
			}
		}
		if first == nil {
			break
		}
		t.now = max(t.now, first.due())
		first.pending = false
		first.stable = first.raw
		if first.act != nil {
			first.act(t, first, first.due())
		}
		t.look()
	}
	t.now = now
	t.matrix.Advance(now)
	t.look()
}

func (t *Tracker) both(d *door) bool {
	return d.closed != nil && d.closed.tri() == gate.High && d.open.tri() == gate.High
}

// doubt judges the closed contact of a door (D-10). Made together with its partner for longer than contacts
// bounce, or sooner after it than a leaf can travel, it may be the one that lies. A position that rests on
// it is told with On until it has been free: package gate knows whether the door was told to move.
func (t *Tracker) doubt(d *door) {
	if d.closed == nil {
		return
	}
	c, o := d.closed.tri(), d.open.tri()
	switch {
	case o == gate.Unknown:
		d.wasOpen = false
	case o == gate.Low && d.opened == gate.High:
		d.left, d.wasOpen = d.open.since, true
	}
	d.opened = o
	switch {
	case c == gate.Low:
		d.doubted = false
	case c == gate.High && o == gate.Low && d.pos != gate.PosClosed && d.wasOpen && d.closed.since-d.left < t.cfg.Travel/quickest,
		t.both(d) && d.pos == gate.PosUnknown && t.now-d.since >= implausibleFor:
		d.doubted = true
	}
}

// doubtful tells that the closed position of a door is not to be believed. That of the exit is, once the leaf
// had twice its time: it is not opened to find out, and who is inside shall not be shut in by a contact
// (P-08). The fault stays, so that nobody new comes in.
func (t *Tracker) doubtful(d *door) bool {
	return d.doubted && d.pos == gate.PosClosed && (d.part != PartExit || t.now-d.since < lateFactor*t.cfg.Travel)
}

// position is what the end contacts of a door mean (D-10).
func position(d *door) gate.Position {
	if d.closed == nil {
		return gate.PosUnknown
	}
	c, o := d.closed.tri(), d.open.tri()
	switch {
	case c == gate.Unknown || o == gate.Unknown || c == gate.High && o == gate.High:
		return gate.PosUnknown
	case c == gate.High:
		return gate.PosClosed
	case o == gate.High:
		return gate.PosOpen
	}
	return gate.PosBetween
}

// look draws conclusions at the present moment and appends the events that follow, life safety first.
func (t *Tracker) look() {
	if f := t.fire.tri(); f != t.toldFire {
		t.toldFire = f
		t.out = append(t.out, gate.Event{Kind: gate.EvFire, Tri: f})
	}
	for i := range t.doors {
		d := &t.doors[i]
		if b := d.beam.tri(); b != t.toldBeam[i] {
			t.toldBeam[i] = b
			t.out = append(t.out, gate.Event{Kind: gate.EvBeamed, Door: gate.Door(i), Tri: b})
		}
		t.doubt(d)
		p := position(d)
		moved := p != d.pos
		if moved {
			d.pos, d.since = p, t.now
		}
		if doubted := t.doubtful(d); moved || doubted != d.told {
			d.told = doubted
			t.out = append(t.out, gate.Event{Kind: gate.EvDoorMoved, Door: gate.Door(i), Pos: p, On: doubted})
			if d.late {
				d.late = false
				t.find(CodeDoorLate, d.part, false)
			}
		}
		if d.implausible != d.doubted {
			d.implausible = d.doubted
			t.find(CodeImplausible, d.part, d.doubted)
		}
		if !d.late && d.pos == gate.PosBetween && t.now-d.since >= lateFactor*t.cfg.Travel {
			d.late = true
			t.find(CodeDoorLate, d.part, true)
		}
	}
	t.selfTest()
	st := t.matrix.State()
	if st.Object != t.toldObject {
		t.toldObject = st.Object
		t.out = append(t.out, gate.Event{Kind: gate.EvObject, On: st.Object})
	}
	if c := t.fused(st.Count, st.Object); c != t.toldCount {
		t.toldCount = c
		e := gate.Event{Kind: gate.EvCounted, Count: c}
		if n := t.matrix.Totals().LeftAcross; n != t.toldAcross {
			t.toldAcross, e.Door = n, gate.Exit
		}
		t.out = append(t.out, e)
	}
	t.lookStuck(st)
	for _, i := range t.matrix.Blind() {
		t.find(CodeBeamBlind, t.rows[passage.High][i], true)
	}
	for _, o := range t.matrix.Outages() {
		if !t.failed(o.Row, o.I) {
			t.find(CodeBeamDirty, t.rows[o.Row][o.I], o.Out)
		}
		if few := !t.matrix.Suffices(); few != t.few {
			t.few = few
			t.find(CodeBeamsFew, PartMantrap, few)
		}
	}
	if bad := t.tamper.tri() == gate.Low; bad != t.toldTamper {
		t.toldTamper = bad
		t.find(CodeTamper, PartEnclosure, bad)
	}
	if bad := t.power.tri() == gate.Low; bad != t.toldPower {
		t.toldPower = bad
		t.find(CodePower, PartSupply, bad)
	}
	if t.pressed {
		t.pressed = false
		t.out = append(t.out, gate.Event{Kind: gate.EvExitButton})
	}
	for _, s := range t.order {
		if s.flickering && t.now-s.glitchSince > flickerWindow {
			s.flickering, s.glitches = false, 0
			t.find(CodeFlicker, s.name, false)
		}
	}
}

// lookStuck tells a lone broken beam that nobody led to from a person (S-06).
func (t *Tracker) lookStuck(st passage.State) {
	closed := (t.cfg.OneStep || t.doors[0].pos == gate.PosClosed) && t.doors[1].pos == gate.PosClosed
	lone := st.Dirt && closed
	if lone && !t.dirty {
		t.dirt = t.now
	}
	t.dirty = lone
	if t.stuck != "" {
		if !st.Dirt || t.lines[t.stuck].tri() != gate.High {
			t.find(CodeBeamStuck, t.stuck, false)
			t.stuck = ""
		}
		return
	}
	if lone && t.now-t.dirt >= stuckFor {
		for _, b := range t.cfg.Beams {
			if t.lines[b.Name].tri() == gate.High {
				t.stuck = b.Name
				t.find(CodeBeamStuck, b.Name, true)
				return
			}
		}
	}
}

func (t *Tracker) tell() []gate.Event {
	t.look()
	return t.out
}

// Run feeds the edges of lines until ctx ends or the lines are lost, and hands events and findings to
// emit, which must not keep the slices. When the lines are lost everything becomes unknown before it
// returns their error; Run may then be called again with reopened lines.
func (t *Tracker) Run(ctx context.Context, lines hal.Lines, emit func([]gate.Event, []Finding)) error {
	tell := func(ev []gate.Event) {
		if len(ev) > 0 || len(t.findings) > 0 {
			emit(ev, t.findings)
		}
	}
	t.stopTest()
	test := gpio.Low
	for _, s := range t.order {
		s.known, s.pending = false, false // a new origin of sequence numbers, and levels that may have changed
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	edges := lines.Edges()
	// Device time is that of the last edge and what has passed here since: both clocks run alike.
	at, base, first := time.Now(), t.now, true
	var shift time.Duration // keeps the tracker's time rising over reopened lines
	for {
		next := t.Next()
		wait := time.Hour
		if next > 0 {
			wait = max(0, next-(base+time.Since(at)))
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-edges:
			if !ok {
				tell(t.Lose()) // the test line falls with the others
				if err := lines.Err(); err != nil {
					return err
				}
				return hal.ErrLost
			}
			if first {
				first = false
				shift = t.now - e.At
				if t.now == 0 {
					shift = 0
				}
			}
			e.At = max(e.At+shift, t.now)
			at, base = time.Now(), e.At
			tell(t.Feed(e))
		case <-timer.C:
			tell(t.Advance(base + time.Since(at)))
		}
		if l := t.TestLine(); l != test {
			test = l
			if err := lines.Set(LineTest, l); err != nil {
				return err
			}
		}
	}
}
