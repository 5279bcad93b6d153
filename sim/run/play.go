package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"egate/api"
	"egate/console"
	"egate/display"
	"egate/sim/memscan"
	"egate/sim/people"
	"egate/sim/plant"
	"egate/sim/scenario"
	"egate/verdict"
)

// Limits of one scenario.
const (
	eventLimit  = 40 * time.Second // until the condition of an event holds
	passageGap  = 60 * time.Second // for the whole passage, when the scenario names no limit
	ackLimit    = 8 * time.Second  // until the last event is acknowledged
	officerTime = 1500 * time.Millisecond
	luggageName = "suitcase"
)

// Result is one scenario played.
type Result struct {
	Scenario *scenario.Scenario `json:"-"`
	Name     string             `json:"name"`
	Title    string             `json:"title"`
	Outcome  string             `json:"outcome"`
	Reason   string             `json:"reason"`
	Crossed  []string           `json:"crossed"`
	Stages   []api.StageTime    `json:"stages"`
	Overhead int64              `json:"overhead_us"`
	Steps    int                `json:"steps"`
	Events   int                `json:"events"`
	Acked    int                `json:"acknowledged"`
	Seconds  float64            `json:"seconds"`
	Scanned  int64              `json:"bytes_searched"`
	Markers  int                `json:"markers"`
	Faults   []string           `json:"failures,omitempty"`
	// Marks are the markers of this traveller: whoever had to do with the passage may search more places.
	Marks *memscan.Markers `json:"-"`
}

// Pass tells whether everything was as expected.
func (r *Result) Pass() bool { return len(r.Faults) == 0 }

// Line is the closing line of a run.
func (r *Result) Line() string {
	verdict := "PASS"
	if !r.Pass() {
		verdict = "FAIL"
	}
	var st []string
	for _, s := range r.Stages {
		st = append(st, fmt.Sprintf("%s %.1f", s.Stage, float64(s.MS)/1000))
	}
	stages := "no stages"
	if len(st) > 0 {
		stages = strings.Join(st, " + ") + " s"
	}
	return fmt.Sprintf("%s %-26s %-6s %-22s %s · %d/%d events acknowledged · %.1f s", verdict, r.Name, r.Outcome, r.Reason, stages, r.Acked, r.Events, r.Seconds)
}

// stage is one scenario on one lane.
type stage struct {
	h    *House
	l    *Lane
	sc   *scenario.Scenario
	tr   *traveller
	pass *Passport
	seen scenario.Seen
	mark position

	mu       sync.Mutex
	troubles []string
	extras   []*people.Walker
	things   []*people.Thing
	second   *Passport
	released bool
	shown    scenario.Shown // to the officer of a referral
	noMend   bool
}

type position struct{ epoch, seq uint64 }

func (s *stage) trouble(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubles = append(s.troubles, fmt.Sprintf(format, a...))
}

// Play plays one scenario on a lane that is at rest and judges it.
func (h *House) Play(ctx context.Context, l *Lane, sc *scenario.Scenario) *Result {
	r := &Result{Scenario: sc, Name: sc.Name, Title: sc.Title, Outcome: "none", Reason: "none"}
	begin := time.Now()
	s := &stage{h: h, l: l, sc: sc}
	err := s.play(ctx)
	r.Seconds = s.seen.Seconds
	if err != nil {
		s.trouble("%v", err)
	}
	s.mu.Lock()
	s.seen.Troubles = s.troubles
	s.mu.Unlock()
	r.Faults = sc.Check(&s.seen)
	if p := s.seen.Passage; p != nil {
		r.Outcome, r.Reason, r.Stages, r.Overhead, r.Steps = p.Outcome.String(), p.Reason.String(), p.Stages, p.OverheadUS, p.Steps
	}
	r.Crossed, r.Events, r.Acked = s.seen.Crossed, s.seen.Events, s.seen.Acked
	if err := h.handBack(ctx); err != nil {
		r.Faults = append(r.Faults, err.Error())
	}
	hits, st, err := s.search(r)
	for _, x := range hits {
		r.Faults = append(r.Faults, "memory scan: "+x.String())
	}
	if err != nil {
		r.Faults = append(r.Faults, err.Error())
	}
	r.Scanned = st.Bytes
	if r.Seconds == 0 {
		r.Seconds = time.Since(begin).Seconds()
	}
	return r
}

func (s *stage) play(ctx context.Context) error {
	if err := s.h.Rest(ctx, s.l); err != nil {
		return fmt.Errorf("the gate is not at rest: %w", err)
	}
	l := s.l
	l.Plant.Forget()
	l.Screen.Forget()
	l.Ends.Camera.Forget()
	s.mark.epoch, s.mark.seq, _ = l.Wire.position()
	holder := s.sc.Document.Holder
	if holder == "" {
		holder = holders[0]
	}
	portrait, err := s.h.Portrait(holder)
	if err != nil {
		return err
	}
	if s.pass, err = s.h.Issuers.Issue(s.sc.Document, portrait, time.Now()); err != nil {
		return err
	}
	build := people.Adult()
	if s.sc.Traveller.Speed > 0 {
		build.Speed = s.sc.Traveller.Speed * 1000
	}
	var luggage *people.Case
	if s.sc.Traveller.Luggage == luggageName {
		c := people.Cabin()
		luggage = &c
	}
	w := people.NewWalker("the traveller", build, atReader, luggage, 1)
	s.seen.Traveller = w.Name
	s.tr = &traveller{sc: s.sc, who: w, pl: l.Plant, scr: l.Screen, ends: l.Ends, pass: s.pass, say: s.trouble, done: make(chan struct{})}
	limit := passageGap
	if s.sc.Expect.Seconds > 0 {
		limit = time.Duration((s.sc.Expect.Seconds + 15) * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if s.sc.Centre == "unreachable" {
		l.Proxy.Cut(true)
	}
	l.Proxy.Forge(s.sc.Centre == "forged")
	forgedBefore := l.Proxy.Forged()

	start := time.Now()
	l.Plant.Add(w)
	acting, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	run := func(f func(context.Context)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			f(acting)
		}()
	}
	run(s.tr.act)
	run(s.officer)
	run(s.watchRelease)
	run(s.watchCamera)
	played := make(chan struct{})
	run(func(ctx context.Context) {
		defer close(played)
		s.events(ctx)
	})
	// The scenario is over when its events have been played, the traveller is through or outside
	// for good, and the gate waits for the next one.
	select {
	case <-played:
	case <-ctx.Done():
	}
	err = s.over(ctx)
	s.seen.Seconds = time.Since(start).Seconds()
	v := l.Plant.View()
	s.seen.Inside = v.People
	stop()
	wg.Wait()
	if s.sc.Centre == "forged" && l.Proxy.Forged() == forgedBefore {
		s.trouble("no answer of the centre passed that could be forged")
	}
	l.Proxy.Forge(false)
	l.Proxy.Cut(false)
	for _, c := range l.Plant.Crossings() {
		if c.Human && c.Across {
			s.seen.Crossed = append(s.seen.Crossed, c.Body)
		}
	}
	for _, x := range l.Plant.Violations() {
		s.seen.Violations = append(s.seen.Violations, fmt.Sprintf("at %v: %s", x.At, x.What))
	}
	s.seen.Screens = l.Screen.Shown()
	s.seen.Frames, _ = l.Ends.Camera.Frames()
	s.tr.lift()
	l.Ends.Camera.Leave()
	return errors.Join(err, s.collect())
}

// over waits for the end of the passage.
func (s *stage) over(ctx context.Context) error {
	l := s.l
	err := l.Plant.Wait(ctx, func(v plant.View) bool {
		x := s.tr.who.At()
		return v.People == s.sc.Expect.Inside && v.Things == 0 && (x > v.Length() || x < 0) && s.tr.who.Standing()
	})
	if err != nil {
		v := l.Plant.View()
		return s.h.why(l, fmt.Errorf("the traveller neither left nor returned (at %.0f mm, standing %v, %d people, %d things): %w", s.tr.who.At(), s.tr.who.Standing(), v.People, v.Things, err))
	}
	if s.sc.Expect.Outcome != "none" || len(s.sc.Expect.Reason) > 0 {
		if err := s.passage(ctx); err != nil {
			return s.h.why(l, err)
		}
	}
	look, looked := context.WithCancel(ctx)
	defer looked()
	go s.h.reset(look, l)
	if err := l.Screen.Wait(ctx, func(sc display.Screen) bool { return sc.Name == display.ScreenNotice }); err != nil {
		return s.h.why(l, fmt.Errorf("the gate did not come to rest: %w", err))
	}
	if err := l.Plant.Wait(ctx, func(v plant.View) bool { return v.Closed("entry") && v.Closed("exit") }); err != nil {
		return s.h.why(l, fmt.Errorf("the doors did not close: %w", err))
	}
	return nil
}

// passage waits until the centre's history has the passage events.
func (s *stage) passage(ctx context.Context) error {
	c, end := s.l.Wire.changes()
	defer end()
	for {
		list, err := s.h.Desk.History(ctx, s.l.Gate.Name, s.mark.epoch, s.mark.seq)
		if err != nil {
			return err
		}
		ended := 0
		for _, e := range list {
			if e.Type == "egate."+api.EventPassage+".v1" {
				ended++
			}
		}
		if ended >= max(1, s.sc.Expect.Documents) {
			return nil
		}
		select {
		case <-c:
		case <-ctx.Done():
			return fmt.Errorf("no passage event came to the centre: %w", ctx.Err())
		}
	}
}

// collect waits for acknowledgements and reads the events from the officers' history.
func (s *stage) collect() error {
	ctx, cancel := context.WithTimeout(s.h.ctx, ackLimit)
	defer cancel()
	c, end := s.l.Wire.changes()
	defer end()
	for {
		ev, acked, _ := s.l.Wire.since(s.mark.epoch, s.mark.seq)
		if ev > 0 && ev == acked {
			break
		}
		select {
		case <-c:
			continue
		case <-ctx.Done():
		}
		break
	}
	ev, acked, holes := s.l.Wire.since(s.mark.epoch, s.mark.seq)
	s.seen.Events, s.seen.Acked = ev, acked
	for _, v := range s.l.Wire.violations() {
		s.trouble("a message broke the contract (E-01): %s", v)
	}
	for _, kind := range s.l.Wire.opened() {
		if s.sc.SealEvents && kind != api.EventFault && kind != api.EventBoot {
			s.trouble("an event %q passed the broker unsealed (DP-07)", kind)
		}
	}
	if holes > 0 {
		s.trouble("%d sequence numbers never passed the wire (E-03)", holes)
	}
	list, err := s.h.Desk.History(s.h.ctx, s.l.Gate.Name, s.mark.epoch, s.mark.seq)
	if err != nil {
		return err
	}
	if len(list) < acked {
		s.trouble("the centre acknowledged %d events and its history holds %d", acked, len(list))
	}
	documents, chosen := 0, 0
	for _, e := range list {
		kind := strings.TrimSuffix(strings.TrimPrefix(e.Type, "egate."), ".v1")
		bad := func(err error) { s.trouble("event %s (%s) does not parse: %v", e.ID, e.Type, err) }
		switch kind {
		case api.EventPassage:
			var p api.Passage
			if err := json.Unmarshal(e.Data, &p); err != nil {
				bad(err)
				continue
			}
			s.seen.Passages++
			if s.seen.Passage == nil {
				s.seen.Passage = &p
			}
			if documents++; documents == 1 && s.sc.Expect.Documents > 1 && chosen < s.sc.Expect.Documents {
				s.trouble("the first passage had ended before the next traveller was served (P-05)")
			}
		case api.EventChoice:
			chosen++
		case api.EventAlarm:
			var a api.Alarm
			if err := json.Unmarshal(e.Data, &a); err != nil {
				bad(err)
				continue
			}
			s.seen.Alarms = append(s.seen.Alarms, a.Reason.String())
		case api.EventReferral:
			var a api.ReferralEvent
			if err := json.Unmarshal(e.Data, &a); err != nil {
				bad(err)
				continue
			}
			s.seen.Alarms = append(s.seen.Alarms, a.Reason.String())
		case api.EventFault:
			var f api.FaultEvent
			if err := json.Unmarshal(e.Data, &f); err != nil {
				bad(err)
				continue
			}
			if f.Raised {
				s.seen.Faults = append(s.seen.Faults, f.Code)
			}
		case api.EventBoot:
			s.seen.Restarted = true
		}
	}
	s.seen.Documents = documents
	s.mu.Lock()
	s.seen.Released, s.seen.Shown = s.released, s.shown
	s.mu.Unlock()
	return nil
}

// officer decides referrals as the scenario says.
func (s *stage) officer(ctx context.Context) {
	order := api.CmdSendBack
	switch s.sc.Officer {
	case "does nothing":
		return
	case "accepts":
		order = api.CmdAccept
	}
	for _, e := range s.sc.Events {
		if e.Do.Kind == scenario.DoOfficerAccept || e.Do.Kind == scenario.DoOfficerBack {
			return // the scenario says when
		}
	}
	done := map[string]bool{}
	for {
		g, err := s.h.Desk.Wait(ctx, s.l.Gate.Name, func(g console.GateView) bool {
			return g.Referral != nil && !done[g.Referral.Passage] && g.Referral.State != "decided"
		})
		if err != nil {
			return
		}
		done[g.Referral.Passage] = true
		if !pause(ctx, officerTime) {
			return
		}
		if err := s.decide(ctx, g.Referral, order); err != nil && ctx.Err() == nil {
			s.trouble("officer: %v", err)
		}
	}
}

// decide has the officer decide a referral, and keeps what the officer was shown.
func (s *stage) decide(ctx context.Context, r *console.ReferralView, order string) error {
	shown, err := s.h.Desk.Decide(ctx, s.l.Gate.Name, r.Passage, order, answered(r))
	s.mu.Lock()
	s.shown = shown
	s.mu.Unlock()
	return err
}

func (s *stage) watchRelease(ctx context.Context) {
	if s.l.Plant.Wait(ctx, func(v plant.View) bool { return v.Released }) == nil {
		s.mu.Lock()
		s.released = true
		s.mu.Unlock()
	}
}

// watchCamera counts pictures taken while no capture was due: a person stands outside the mantrap, or
// the notice is not accepted.
func (s *stage) watchCamera(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		shown := s.l.Screen.Shown()
		entered := false
		for _, n := range shown {
			entered = entered || n == display.ScreenEnter || s.sc.Topology == scenario.OneStep && n == display.ScreenLift
		}
		if n, _ := s.l.Ends.Camera.Frames(); n > 0 && !entered {
			s.seen.EarlyFrame = n
		}
	}
}

// events plays what the scenario says, in order.
func (s *stage) events(ctx context.Context) {
	for i, e := range s.sc.Events {
		wait, cancel := context.WithTimeout(ctx, eventLimit)
		err := s.when(wait, e.When)
		cancel()
		if err == nil && e.When.After > 0 && !pause(ctx, e.When.After) {
			err = ctx.Err()
		}
		if err != nil {
			s.trouble("event %d (line %d): %q did not happen: %v", i+1, e.Line, e.When.Text, err)
			return
		}
		if err := s.do(ctx, e.Do); err != nil {
			s.trouble("event %d (line %d): %s: %v", i+1, e.Line, e.Do.Text, err)
			return
		}
	}
}

func (s *stage) when(ctx context.Context, p scenario.Phrase) error {
	pl := s.l.Plant
	who := s.tr.who
	switch p.Kind {
	case scenario.WhenStart, scenario.WhenNext:
		return nil
	case scenario.WhenProgress:
		return s.l.Screen.Wait(ctx, func(sc display.Screen) bool { return sc.Name == display.ScreenReading && float64(sc.Progress) >= p.N })
	case scenario.WhenScreen:
		return s.l.Screen.Wait(ctx, func(sc display.Screen) bool { return sc.Name == p.Arg })
	case scenario.WhenInside:
		return pl.Wait(ctx, func(v plant.View) bool { return who.At() > 300 && who.At() < v.Length() })
	case scenario.WhenEntryOpens:
		return pl.Wait(ctx, func(v plant.View) bool { return v.Entry > 600 })
	case scenario.WhenEntryShuts:
		return pl.Wait(ctx, func(v plant.View) bool { return v.Output("entry_close_pulse") })
	case scenario.WhenEntryShut:
		return pl.Wait(ctx, func(v plant.View) bool { return v.Closed("entry") && who.At() > 0 && who.At() < v.Length() })
	case scenario.WhenExitOpens:
		return pl.Wait(ctx, func(v plant.View) bool { return v.Exit > 600 })
	case scenario.WhenExitShuts:
		return pl.Wait(ctx, func(v plant.View) bool { return v.Output("exit_close_pulse") })
	case scenario.WhenShut:
		return pl.Wait(ctx, func(v plant.View) bool { return v.Closed(p.Arg) })
	case scenario.WhenCrossed:
		return pl.Wait(ctx, func(v plant.View) bool { return who.At() > v.Length()+300 })
	case scenario.WhenBack:
		return pl.Wait(ctx, func(v plant.View) bool { return who.At() < -300 && v.People == 0 })
	case scenario.WhenReferral:
		_, err := s.h.Desk.Wait(ctx, s.l.Gate.Name, func(g console.GateView) bool { return g.Referral != nil })
		return err
	case scenario.WhenMode:
		_, err := s.h.Desk.Wait(ctx, s.l.Gate.Name, func(g console.GateView) bool { return g.State.Mode == p.Arg && g.State.Passage == "empty" })
		return err
	case scenario.WhenTested:
		_, err := s.h.Desk.Wait(ctx, s.l.Gate.Name, func(g console.GateView) bool { return g.Health.SelfTest != nil && g.Health.SelfTest.Passed })
		return err
	}
	return fmt.Errorf("run: condition %q is not played", p.Kind)
}

func (s *stage) do(ctx context.Context, p scenario.Phrase) error {
	pl := s.l.Plant
	seconds := time.Duration(p.N * float64(time.Second))
	switch p.Kind {
	case scenario.DoTakeAway:
		s.tr.slip(ctx, seconds)
	case scenario.DoFollow:
		from := s.tr.who.X(pl) - 600
		if s.sc.Topology == scenario.OneStep {
			from = min(from, -500) // from the hall into the zone
		}
		w := people.NewWalker("a second person", people.Adult(), from, nil, 2)
		pl.Add(w)
		w.Follow(pl, s.tr.who, max(20, p.N*10))
		w.WalkTo(pl, atCapture-350)
		s.extra(w)
		s.backWith(ctx, w)
	case scenario.DoForceEntry:
		w := people.NewWalker("an intruder", people.Adult(), -500, nil, 3)
		pl.Add(w)
		if err := pl.Force("entry", 2*time.Second); err != nil {
			return err
		}
		w.WalkTo(pl, 320)
		s.extra(w)
		s.backWith(ctx, w)
	case scenario.DoStandEntry:
		// The traveller stops on the threshold.
		s.tr.hold(true)
		s.tr.who.WalkTo(pl, 0)
		go func() {
			defer s.tr.hold(false)
			if pl.Wait(ctx, func(plant.View) bool { return s.tr.who.At() > -30 }) == nil && pause(ctx, seconds) {
				s.tr.who.WalkTo(pl, atCapture)
			}
		}()
	case scenario.DoFire:
		pl.Fire(true)
	case scenario.DoFireEnd:
		pl.Fire(false)
	case scenario.DoKillGate:
		s.l.Gated().Kill()
	case scenario.DoPowerCut:
		pl.Power(false)
		s.l.Gated().Kill()
	case scenario.DoPowerBack:
		pl.Power(true)
		return s.h.StartGate(ctx, s.l)
	case scenario.DoStartGate:
		return s.h.StartGate(ctx, s.l)
	case scenario.DoFreezeGate:
		g := s.l.Gated()
		if err := g.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		go func() {
			pause(ctx, seconds)
			if err := g.Signal(syscall.SIGCONT); err != nil {
				s.trouble("thaw egated: %v", err)
			}
		}()
	case scenario.DoKillInspector, scenario.DoHangInspector:
		pid, err := Holder(Descendants(s.l.Gated().PID()), s.h.Site.Path(s.l.Gate.NFC))
		if err != nil {
			return err
		}
		if p.Kind == scenario.DoHangInspector {
			return syscall.Kill(pid, syscall.SIGSTOP) // it lives, and says nothing
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	case scenario.DoCut:
		s.l.Proxy.Cut(true)
	case scenario.DoMend:
		s.l.Proxy.Cut(false)
	case scenario.DoForge:
		s.l.Proxy.Forge(true)
	case scenario.DoTouch:
		return s.l.Screen.Touch(ctx, display.Touch(p.Arg))
	case scenario.DoPressExit:
		pl.Input(plant.LineExit, true)
		pause(ctx, 300*time.Millisecond)
		pl.Input(plant.LineExit, false)
	case scenario.DoOfficerAccept, scenario.DoOfficerBack:
		order := api.CmdAccept
		if p.Kind == scenario.DoOfficerBack {
			order = api.CmdSendBack
		}
		g, err := s.h.Desk.Wait(ctx, s.l.Gate.Name, func(g console.GateView) bool { return g.Referral != nil })
		if err != nil {
			return err
		}
		return s.decide(ctx, g.Referral, order)
	case scenario.DoOfficerTake:
		g, _ := s.h.Desk.Gate(s.l.Gate.Name)
		if g.Referral == nil {
			return errors.New("run: there is no referral to take")
		}
		_, err := s.h.Desk.Order(ctx, s.l.Gate.Name, api.CmdTake, g.Referral.Passage, nil, "")
		return err
	case scenario.DoHandOver:
		return s.h.handOver(ctx, s.l.Gate.Name)
	case scenario.DoColleagueBack:
		return s.h.relieved(ctx, s.l.Gate.Name)
	case scenario.DoOfficerReset:
		_, err := s.h.Desk.Order(ctx, s.l.Gate.Name, api.CmdReset, "", nil, "")
		return err
	case scenario.DoOfficerEnd:
		_, err := s.h.Desk.Order(ctx, s.l.Gate.Name, api.CmdEndEmergency, "", nil, "")
		return err
	case scenario.DoMode:
		return s.order(ctx, map[string]string{"open": api.CmdOpenGate, "closed": api.CmdCloseGate, "standby": api.CmdStandby, "service": api.CmdService, "manual": api.CmdManual}[p.Arg], "")
	case scenario.DoSelfTest:
		return s.order(ctx, api.CmdSelfTest, "")
	case scenario.DoOpenEntry:
		return s.order(ctx, api.CmdOpenEntry, "")
	case scenario.DoOpenExit:
		return s.order(ctx, api.CmdOpenExit, "document_examined")
	case scenario.DoHoldEntry:
		return s.order(ctx, api.CmdHoldEntry, "")
	case scenario.DoLetGo:
		return s.order(ctx, api.CmdLetGo, "")
	case scenario.DoNextTraveller:
		return s.next(ctx)
	case scenario.DoLeave:
		s.tr.who.WalkTo(pl, away)
	case scenario.DoLeaveUnstopped:
		s.tr.hold(true)
		s.tr.who.WalkTo(pl, away)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, w := range s.extras {
			w.WalkTo(pl, away-500)
		}
	case scenario.DoFetchCase:
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, t := range s.tr.dropped() {
			pl.Remove(t)
		}
	case scenario.DoStickHigh:
		return pl.Stick(p.Arg, true)
	case scenario.DoStickLow:
		return pl.Stick(p.Arg, false)
	case scenario.DoUnstick:
		pl.Unstick(p.Arg)
	case scenario.DoSlowDoor:
		return pl.Slow(p.Arg, p.N/100)
	case scenario.DoFault, scenario.DoFaultEnd:
		return pl.Inject(p.Arg, p.Kind == scenario.DoFault)
	default:
		return fmt.Errorf("run: %q is not played", p.Kind)
	}
	return nil
}

// order gives one order of the desk that names no referral.
func (s *stage) order(ctx context.Context, name, reason string) error {
	if name == "" {
		return errors.New("run: no such mode: open, closed, standby, service and manual exist")
	}
	r, err := s.h.Desk.Order(ctx, s.l.Gate.Name, name, "", nil, reason)
	if err == nil && r.Result == "rejected" {
		err = fmt.Errorf("run: the gate refused: %s", r.Reason)
	}
	return err
}

func (s *stage) extra(w *people.Walker) {
	s.mu.Lock()
	s.extras = append(s.extras, w)
	s.mu.Unlock()
}

// backWith sends an extra person out again when the gate asks somebody to leave.
func (s *stage) backWith(ctx context.Context, w *people.Walker) {
	go func() {
		err := s.l.Screen.Wait(ctx, func(sc display.Screen) bool {
			return sc.Name == display.ScreenLeaveBack || sc.Name == display.ScreenOneAtATime || sc.Name == display.ScreenEmergency
		})
		if err == nil && pause(ctx, readTime/2) {
			w.WalkTo(s.l.Plant, away-500)
		}
	}()
}

// next lays down the document of another traveller while the first is in the mantrap.
func (s *stage) next(ctx context.Context) error {
	portrait, err := s.h.Portrait(holders[1])
	if err != nil {
		return err
	}
	pass, err := s.h.Issuers.Issue(scenario.Document{Access: "bac", Sex: "M"}, portrait, time.Now())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.second = pass
	s.mu.Unlock()
	// The next traveller acts on the same screen; the first one has no more to do with the reader.
	sc := &scenario.Scenario{Document: scenario.Document{Holder: holders[1]}}
	w := people.NewWalker("the next traveller", people.Adult(), atReader-300, nil, 4)
	s.l.Plant.Add(w)
	s.extra(w)
	tr := &traveller{sc: sc, who: w, pl: s.l.Plant, scr: s.l.Screen, ends: s.l.Ends, pass: pass, say: s.trouble, done: make(chan struct{})}
	go tr.act(ctx)
	return nil
}

// answered is the reason with which the simulated officer accepts: the question that the referral asks first (O-07).
func answered(r *console.ReferralView) string {
	if len(r.Questions) > 0 {
		return r.Questions[0]
	}
	return verdict.PersonCompared
}
