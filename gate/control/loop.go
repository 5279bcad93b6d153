package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"egate/api"
	"egate/gate"
	"egate/health"
	"egate/inspect/protocol"
	"egate/journal"
	"egate/verdict"
)

// How often the loop looks round without being asked: watchdog, renderer, health document.
const (
	roundEvery  = 500 * time.Millisecond
	healthEvery = 30 * time.Second // M-01
	doorQueue   = 16
	maxChips    = 64
)

// Loop owns the model.
type Loop struct {
	cfg Config
	p   Ports
	log *slog.Logger

	m      gate.Model
	step   uint64
	timers map[gate.Timer]*running
	fired  chan fired
	done   chan struct{}    // closed when the loop has ended
	todo   []gate.Event     // events that a step in the making brought about
	inside bool             // a step is in the making
	grants map[uint64]uint8 // step that carries a grant: number of the grant

	timerGen  uint64
	reference string // of the traveller whose passage has just ended, for the screen

	slots [2]inspector
	sick  []sick // devices that failed and are leased still
	// ailing are the faults of devices that are being brought back: leased to nobody meanwhile, however short it is.
	ailing []latched
	trips  [3]*trip // by lane
	chips  []protocol.ChipSize
	optics lens

	leases   map[string]api.Lease
	onDuty   map[string]shift // by officer
	orders   map[uint8]*api.Command
	orderRef uint8
	linked   bool                          // the centre can be reached
	locals   map[string]func(api.Response) // who waits for the answer to a local order, by its id
	officer  string                        // of the order that is being followed
	receiver string                        // of the hand-over that is being followed
	keeper   string                        // who holds the entry open; "": nobody does, or he has gone
	handed   map[string]handed             // officers who have handed the gate over
	pursuits []pursuit
	kept     map[string]bool // ids of those that the journal remembers
	late     []late

	drives [2]*drive
	// lampDrive has the beat of the lamps' driver and no queue; doomed says that the watchdog is fed no more.
	lampDrive *drive
	doomed    bool
	mending   map[string]bool // parts that were handed to Recover and whose fault is not over
	lamps     chan lampSet
	sounds    said // asked for last
	doorErrs  chan doorErr

	drafts   [][]byte // events of the step in the making
	leaves   [][]byte
	commit   uint8 // number of the grant that the step asks for
	waits    bool  // it asks for one
	light    challenge
	shown    Screen
	ends     time.Time // of the countdown that is shown
	state    api.State
	seq      uint64
	healthAt time.Time
	tested   *api.SelfTest // nil: not since boot
	answers  *answers
	pair     *Pair             // of the order that is followed now
	docs     map[string]string // signed documents in force
	faults   bool              // blocked by a fault, as last told to the model
	told     map[latched]bool  // active faults, as last told in events
	broken   bool              // the journal does not take records any more
}

// running is a timer of the machine.
type running struct {
	gen   uint64
	timer *time.Timer
	ends  time.Time
}

type fired struct {
	timer gate.Timer
	gen   uint64
}

// saved is the model as the journal has it, with what is needed to tell of an interrupted passage.
type saved struct {
	Model     gate.Model `json:"model"`
	Reception string     `json:"reception,omitempty"` // passage ids
	Passage   string     `json:"passage,omitempty"`
	Latched   []latched  `json:"latched,omitempty"` // faults that wait for an officer's reset
}

// latched is a fault that a restart does not clear.
type latched struct {
	Code health.Code `json:"code"`
	Part string      `json:"part"`
}

func (a latched) compare(b latched) int {
	return cmp.Or(strings.Compare(string(a.Code), string(b.Code)), strings.Compare(a.Part, b.Part))
}

// New makes a loop. It does nothing until Run.
func New(cfg Config, p Ports, log *slog.Logger) (*Loop, error) {
	if p.Doors == nil || p.Lamps == nil || p.Display == nil || p.Inspectors == nil || p.Journal == nil || p.Link == nil || p.Sensors == nil || p.Health == nil || cfg.Epoch == nil {
		return nil, errors.New("control: a port is missing")
	}
	for l := gate.LimitDocument; l <= gate.LimitExit; l++ {
		if cfg.Limits[l] <= 0 {
			return nil, fmt.Errorf("control: limit %d is missing", l)
		}
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = system{}
	}
	return &Loop{cfg: cfg, p: p, log: log, step: cfg.LastStep, timers: map[gate.Timer]*running{}, fired: make(chan fired, 64), done: make(chan struct{}), grants: map[uint64]uint8{},
		leases: map[string]api.Lease{}, onDuty: map[string]shift{}, told: map[latched]bool{}, orders: map[uint8]*api.Command{}, lamps: make(chan lampSet, 1), doorErrs: make(chan doorErr, 64),
		locals: map[string]func(api.Response){}, answers: newAnswers(cfg.Rows, cfg.Clock.Now()), kept: map[string]bool{}, docs: documents(cfg.Rows), handed: handedOver(cfg.Rows, cfg.Clock.Now()), optics: newLens(cfg.Rows[opticsRow], devicesOf(documents(cfg.Rows))),
		drives: [2]*drive{newDrive(), newDrive()}, lampDrive: newDrive(), mending: map[string]bool{}}, nil
}

// Run turns the loop until ctx ends. It returns with the doors released.
func (l *Loop) Run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{}, 3)
	defer func() {
		if p := recover(); p != nil {
			// The text of a panic may quote anything: its place is told, its words are not.
			err = fmt.Errorf("control: loop panicked:\n%s", debug.Stack())
		}
		if rerr := l.p.Doors.Release(); rerr != nil {
			err = errors.Join(err, fmt.Errorf("control: release: %w", rerr))
		}
		cancel()
		close(l.done)
		for range 3 {
			<-done
		}
	}()
	for d := range l.drives {
		go func() {
			defer func() { done <- struct{}{} }()
			l.drives[d].run(ctx, func(err error) {
				select {
				case l.doorErrs <- doorErr{gate.Door(d), err}:
				default: // the first ones are on their way
				}
			})
		}()
	}
	go func() {
		defer func() { done <- struct{}{} }()
		l.runLamps(ctx)
	}()
	l.boot()
	round := time.NewTicker(roundEvery)
	defer round.Stop()
	for {
		select {
		case e, ok := <-l.p.Sensors: // every other turn is theirs: a line waits for one word of all others at most (E-04)
			if ok {
				l.handle(e)
				l.sound()
				l.feed()
			}
		default:
		}
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-l.p.Sensors:
			if !ok {
				return errors.New("control: sensors ended")
			}
			l.handle(e)
		case f := <-l.fired:
			l.expired(f)
		case r := <-l.p.Journal.Results():
			l.written(r)
		case e := <-l.p.Inspectors.Events():
			l.heard(e)
		case t := <-l.p.Display.Touches():
			l.touched(t)
		case in := <-l.p.Link.Inbound():
			l.inbound(in)
		case e := <-l.doorErrs:
			l.doorFailed(e)
		case <-round.C:
			l.lookRound()
		}
		l.sound()
		l.feed()
	}
}

// feed tells the watchdog that the loop has taken a step and is well.
func (l *Loop) feed() {
	if l.p.Kick != nil && l.vital() {
		l.p.Kick()
	}
}

// vital tells whether the watchdog is to be fed: the loop has stepped, the drivers of doors and lamps come back from
// what they were told, and the state breaks no law of safety. What it finds stays: the board is reset.
func (l *Loop) vital() bool {
	if l.doomed {
		return false
	}
	why := l.m.Unsound()
	for d, what := range []string{"the driver of the entry door does not come back", "the driver of the exit door does not come back", "the driver of the lamps does not come back"} {
		if why == "" && l.drivers()[d].stuck() {
			why = what
		}
	}
	if why == "" {
		return true
	}
	l.doomed = true
	l.log.Error("control: the watchdog is fed no more", "why", why, "security", true)
	return false
}

func (l *Loop) drivers() [3]*drive {
	return [3]*drive{l.drives[gate.Entry], l.drives[gate.Exit], l.lampDrive}
}

// expired handles a timer that ran out, unless it was stopped or started again meanwhile.
func (l *Loop) expired(f fired) {
	r := l.timers[f.timer]
	if r == nil || r.gen != f.gen {
		return
	}
	delete(l.timers, f.timer)
	switch f.timer {
	case leaseTimer, shiftTimer:
		l.prune()
	case lightTimer:
		l.lit()
	case silence(0), silence(1):
		i := int(f.timer - silence(0))
		if s := &l.slots[i]; s.alive && s.begun && !s.ending {
			l.fault(health.InspectorSilent, health.PartInspector, true)
			l.fault(health.InspectorSilent, health.PartInspector, false)
			l.misbehaved(i, "silence")
		}
	default:
		l.handle(gate.Event{Kind: gate.EvTimer, Timer: f.timer})
	}
}

// boot tells of the start and of what an earlier run left unfinished (P-15): it is ended, never resumed.
func (l *Loop) boot() {
	open := true
	var old saved
	interrupted := false
	if len(l.cfg.Recovered) > 0 && json.Unmarshal(l.cfg.Recovered, &old) == nil {
		open = old.Model.Open
		interrupted = old.Reception != "" || old.Passage != ""
	}
	l.m = gate.New(l.cfg.Topology, open)
	l.m.Untested = old.Model.Untested // a gate that is out of service stays so until a self-test has passed (M-02)
	found := l.cfg.Found
	if interrupted && found == "clean" || found == "" {
		found = "clean"
		if interrupted {
			found = "passage_interrupted"
		}
	}
	l.emit(api.EventBoot, api.Boot{Boot: l.cfg.Boot, Version: l.cfg.Version, Recovered: found})
	for _, id := range []string{old.Passage, old.Reception} {
		if id != "" {
			l.emit(api.EventPassage, api.Passage{Passage: id, Outcome: verdict.OutcomeNone, Reason: verdict.GateRestarted,
				Stages: []api.StageTime{}, Checks: []verdict.Check{}})
		}
	}
	l.interrupted()
	for _, f := range old.Latched { // its cause is looked for anew
		if health.Lookup(f.Code).Clears == health.Officer && l.p.Health.Raise(f.Code, f.Part) {
			l.p.Health.Clear(f.Code, f.Part)
			l.told[f] = true
		}
	}
	if l.cfg.Simulated {
		l.p.Health.Raise(health.Simulation, health.PartController)
	}
	l.handle(gate.Event{Kind: gate.EvStarted})
	l.show()
	l.publish(true)
}

// handle makes one step and carries it out, and then those that it brought about.
func (l *Loop) handle(e gate.Event) {
	if l.inside {
		l.todo = append(l.todo, e)
		return
	}
	l.inside = true
	l.take(e)
	for len(l.todo) > 0 {
		e, l.todo = l.todo[0], l.todo[1:]
		l.take(e)
	}
	l.inside = false
}

func (l *Loop) take(e gate.Event) {
	t0 := time.Now()
	before := l.m
	m, acts := gate.Step(l.m, e)
	l.m = m
	for _, a := range acts {
		l.act(a)
	}
	l.causes(e)
	l.stages(t0)
	l.pursued()
	changed := before.Mode != m.Mode || before.Reception != m.Reception || before.Passage != m.Passage || before.Open != m.Open
	if len(l.drafts) > 0 || len(l.leaves) > 0 || l.waits || changed {
		l.record()
	}
	l.keepLight()
	if l.m != before {
		l.sendLamps()
	}
	l.show()
	l.publish(false)
	spent := time.Since(t0)
	for _, t := range l.trips {
		if t != nil {
			t.overhead += spent
			t.steps++
			break // one traveller bears a step: the one inside, else the one at the reader
		}
	}
}

// record hands the step to the journal; a grant waits for its result.
func (l *Loop) record() {
	s := saved{Model: l.m, Reception: l.trips[gate.LaneReception].id(), Passage: l.trips[gate.LanePassage].id()}
	for f := range l.told {
		if health.Lookup(f.Code).Clears == health.Officer {
			s.Latched = append(s.Latched, f)
		}
	}
	slices.SortFunc(s.Latched, latched.compare)
	body, err := json.Marshal(s)
	if err != nil {
		l.log.Error("control: encode model", "err", err)
		return
	}
	l.step++
	if l.waits {
		l.grants[l.step] = l.commit
	}
	l.p.Journal.Submit(journal.Record{Step: l.step, Model: body, Events: l.drafts, Leaves: l.leaves, Meta: l.stamped(l.answers.changed())})
	l.drafts, l.leaves, l.waits = nil, nil, false
}

func (t *trip) id() string {
	if t == nil {
		return ""
	}
	return t.ID
}

// written is the answer of the journal to one step.
func (l *Loop) written(r journal.Result) {
	g, waits := l.grants[r.Step]
	delete(l.grants, r.Step)
	if r.Err != nil {
		if !l.broken {
			l.broken = true
			l.log.Error("control: evidence", "err", r.Err)
		}
		l.fault(health.JournalFailed, health.PartJournal, true)
		if waits {
			l.handle(gate.Event{Kind: gate.EvCommitFailed, N: g})
		}
		return
	}
	if waits {
		l.handle(gate.Event{Kind: gate.EvCommitted, N: g})
	}
}

// emit adds an event to the step, and the same bytes as a leaf of the audit log.
func (l *Loop) emit(kind string, data any) {
	body, err := json.Marshal(data)
	if err != nil {
		l.log.Error("control: encode event", "type", kind, "err", err)
		return
	}
	d, err := json.Marshal(api.Draft{Type: kind, Time: l.now(), Data: body})
	if err != nil {
		l.log.Error("control: encode event", "type", kind, "err", err)
		return
	}
	l.drafts = append(l.drafts, d)
	l.leaves = append(l.leaves, d)
}

// fault raises or clears a fault, tells it as an event and the model whether the gate is blocked.
func (l *Loop) fault(c health.Code, part string, on bool) {
	if !l.p.Health.Set(c, part, on) {
		return
	}
	if k := (latched{c, part}); on {
		l.told[k] = true
	} else {
		delete(l.told, k)
	}
	l.emit(api.EventFault, api.FaultEvent{Code: string(c), Part: part, Raised: on})
	l.healthAt = time.Time{}
	l.blocked()
}

// raised tells of faults that others than the loop raised or cleared: what the sensors found.
func (l *Loop) raised() {
	for _, f := range l.p.Health.Snapshot().Faults {
		if k := (latched{f.Code, f.Part}); !l.told[k] {
			l.told[k] = true
			l.tellFault(k, true)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(l.told), latched.compare) {
		if !l.p.Health.Has(k.Code, k.Part) {
			delete(l.told, k)
			l.tellFault(k, false)
		}
	}
}

func (l *Loop) tellFault(k latched, on bool) {
	l.emit(api.EventFault, api.FaultEvent{Code: string(k.Code), Part: k.Part, Raised: on})
	if k.Code == health.Tamper {
		l.emit(api.EventAlarm, api.Alarm{Reason: verdict.Tamper, Severity: severity(verdict.Tamper), Raised: on})
	}
	l.healthAt = time.Time{}
}

// reset follows an officer's order that ends what waits for it, or some of that (O-10).
func (l *Loop) reset(codes ...health.Code) {
	l.raised()
	for _, f := range l.p.Health.Reset(codes...) {
		k := latched{f.Code, f.Part}
		delete(l.told, k)
		l.tellFault(k, false)
	}
	l.blocked()
}

// blocked tells the model when faults begin or cease to forbid new travellers.
func (l *Loop) blocked() {
	_, b := l.p.Health.Blocked()
	l.ailing = slices.DeleteFunc(l.ailing, func(a latched) bool { return !l.p.Health.Has(a.Code, a.Part) })
	b = b || len(l.ailing) > 0
	if b != l.faults {
		l.faults = b
		l.handle(gate.Event{Kind: gate.EvFault, On: b})
	} else if len(l.drafts) > 0 && !l.inside {
		l.record()
	}
}

// lookRound is what is looked at without being asked.
func (l *Loop) lookRound() {
	l.fault(health.DisplaySilent, health.PartDisplay, !l.p.Display.RendererAlive())
	l.raised()
	l.blocked()
	l.unplugged()
	if time.Since(l.healthAt) >= healthEvery {
		l.publishHealth()
	}
}
