package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/gate"
	"egate/hal"
	"egate/health"
	"egate/inspect/protocol"
	"egate/journal"
	"egate/verdict"
)

// rig is the loop with everything around it played; its time is virtual.
type rig struct {
	t       *testing.T
	l       *Loop
	sensors chan gate.Event
	doors   *fakeDoors
	disp    *fakeDisplay
	lamps   *fakeLamps
	horn    *fakeSounder
	insp    *fakeInspectors
	jn      *fakeJournal
	link    *fakeLink
	board   *health.Board
	ended   chan error
	stop    context.CancelFunc
}

type fakeDoors struct {
	mu       sync.Mutex
	done     []string // "open exit", "lock entry", "release" …
	stuck    bool     // pulses hang until their context ends
	released int
}

func (d *fakeDoors) note(what string) {
	d.mu.Lock()
	d.done = append(d.done, what)
	d.mu.Unlock()
}

// count is how often something was done.
func (d *fakeDoors) count(what string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.done {
		if x == what {
			n++
		}
	}
	return n
}
func (d *fakeDoors) Entry() hal.Door { return fakeDoor{d, "entry"} }
func (d *fakeDoors) Exit() hal.Door  { return fakeDoor{d, "exit"} }
func (d *fakeDoors) Release() error  { d.note("release"); return nil }
func (d *fakeDoors) Restore() error  { d.note("restore"); return nil }

type fakeDoor struct {
	d    *fakeDoors
	name string
}

func (f fakeDoor) pulse(ctx context.Context, what string) error {
	f.d.note(what + " " + f.name)
	f.d.mu.Lock()
	stuck := f.d.stuck
	f.d.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}
func (f fakeDoor) Open(ctx context.Context) error  { return f.pulse(ctx, "open") }
func (f fakeDoor) Close(ctx context.Context) error { return f.pulse(ctx, "close") }
func (f fakeDoor) Lock(on bool) error {
	if on {
		f.d.note("lock " + f.name)
	}
	return nil
}
func (f fakeDoor) Release() error         { return f.d.Release() }
func (f fakeDoor) Position() hal.Position { return hal.PositionUnknown }

type fakeLamps struct {
	mu sync.Mutex
	on map[string]bool
}

func (f *fakeLamps) Set(name string, on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on[name] = on
	return nil
}

// light is which of the three lamps are on, as "rgb".
func (f *fakeLamps) light() (out string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range []string{"r", "g", "b"} {
		if f.on["light_"+c] {
			out += c
		}
	}
	return out
}

type fakeDisplay struct {
	mu      sync.Mutex
	shown   []Screen
	touches chan string
	panics  string
}

func (d *fakeDisplay) Show(s Screen) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.panics != "" && s.Name == d.panics {
		panic("secret words of a traveller")
	}
	d.shown = append(d.shown, s)
}
func (d *fakeDisplay) Touches() <-chan string { return d.touches }
func (d *fakeDisplay) RendererAlive() bool    { return true }
func (d *fakeDisplay) now() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown[len(d.shown)-1].Name
}

type fakeInspectors struct {
	mu     sync.Mutex
	gens   [2]int
	sent   [2][]protocol.ToInspector
	killed [2]int
	events chan protocol.InspectorEvent
}

func (f *fakeInspectors) Start(slot, gen int) {
	f.mu.Lock()
	f.gens[slot], f.sent[slot] = gen, nil
	f.mu.Unlock()
}
func (f *fakeInspectors) Send(slot int, m protocol.ToInspector) {
	f.mu.Lock()
	f.sent[slot] = append(f.sent[slot], m)
	f.mu.Unlock()
}
func (f *fakeInspectors) Kill(slot int) {
	f.mu.Lock()
	f.killed[slot]++
	f.mu.Unlock()
}
func (f *fakeInspectors) Events() <-chan protocol.InspectorEvent { return f.events }

// has tells whether a word of a kind was sent to a slot since its start.
func (f *fakeInspectors) has(slot int, ok func(protocol.ToInspector) bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.sent[slot], ok)
}

func isCapture(m protocol.ToInspector) bool { return m.Capture != nil }

type fakeJournal struct {
	mu      sync.Mutex
	records []journal.Record
	results chan journal.Result
	mode    string // "", "held": no result comes, "failed"
}

func (j *fakeJournal) Submit(r journal.Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, r)
	switch j.mode {
	case "held":
	case "failed":
		j.results <- journal.Result{Step: r.Step, Err: errors.New("no space")}
	default:
		j.results <- journal.Result{Step: r.Step}
	}
}
func (j *fakeJournal) Results() <-chan journal.Result { return j.results }

// events are the drafts of a type that were handed to the journal.
func (j *fakeJournal) events(kind string) (out []json.RawMessage) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.records {
		for _, e := range r.Events {
			var d api.Draft
			if json.Unmarshal(e, &d) == nil && d.Type == kind {
				out = append(out, d.Data)
			}
		}
	}
	return out
}

type fakeLink struct {
	mu        sync.Mutex
	in        chan Inbound
	responses []api.Response
	requests  []string
}

func (*fakeLink) PublishState(api.State)   {}
func (*fakeLink) PublishHealth(api.Health) {}
func (l *fakeLink) Request(kind string, _ api.Envelope) {
	l.mu.Lock()
	l.requests = append(l.requests, kind)
	l.mu.Unlock()
}
func (l *fakeLink) Respond(_ string, r api.Response) {
	l.mu.Lock()
	l.responses = append(l.responses, r)
	l.mu.Unlock()
}
func (l *fakeLink) Inbound() <-chan Inbound { return l.in }
func (l *fakeLink) last() api.Response {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.responses) == 0 {
		return api.Response{}
	}
	return l.responses[len(l.responses)-1]
}

var protocolReady = protocol.FromInspector{Ready: &protocol.Ready{}}

var testLimits = Limits{
	gate.LimitDocument: 30 * time.Second, gate.LimitChip: 25 * time.Second, gate.LimitLift: 10 * time.Second, gate.LimitNoShow: 10 * time.Second,
	gate.LimitSecure: 8 * time.Second, gate.LimitCapture: 20 * time.Second, gate.LimitRelease: 15 * time.Second, gate.LimitClear: 8 * time.Second,
	gate.LimitLeave: 20 * time.Second, gate.LimitReferral: 120 * time.Second, gate.LimitPrompt: 30 * time.Second, gate.LimitNote: 3 * time.Second,
	gate.LimitCommit: 2 * time.Second, gate.LimitTravel: 5 * time.Second, gate.LimitRetry: 3 * time.Second, gate.LimitGuard: 500 * time.Millisecond,
	gate.LimitRecover: 10 * time.Second, gate.LimitWarm: 20 * time.Second, gate.LimitExit: 4 * time.Second, gate.LimitTest: 30 * time.Second,
}

// loop runs f in a bubble of virtual time with a gate that shows its notice to the first traveller.
func loop(t *testing.T, f func(*rig)) {
	t.Helper()
	recovered(t, nil, func(r *rig) {
		r.screen("notice")
		f(r)
	})
}

// recovered is loop after an earlier run that left a record.
func recovered(t *testing.T, record []byte, f func(*rig)) {
	t.Helper()
	restarted(t, record, nil, f)
}

// restarted is recovered with the rows of the journal too.
func restarted(t *testing.T, record []byte, rows map[string]string, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, sensors: make(chan gate.Event, 1), doors: &fakeDoors{}, disp: &fakeDisplay{touches: make(chan string)}, lamps: &fakeLamps{on: map[string]bool{}}, horn: &fakeSounder{},
			insp: &fakeInspectors{events: make(chan protocol.InspectorEvent)}, jn: &fakeJournal{results: make(chan journal.Result, 1024)},
			link: &fakeLink{in: make(chan Inbound)}, board: health.New(time.Now), ended: make(chan error, 1)}
		var err error
		r.l, err = New(Config{Site: "s", Gate: "g", Version: "1", Boot: "b", Epoch: func() uint64 { return 1 }, Limits: testLimits, Document: time.Second,
			Capture: time.Second, Beat: 5 * time.Second, Languages: []string{"en"}, Recovered: record, Rows: rows},
			Ports{Doors: r.doors, Lamps: r.lamps, Sounder: r.horn, Display: r.disp, Inspectors: r.insp, Journal: r.jn, Link: r.link, Sensors: r.sensors, Health: r.board}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r.stop = cancel
		go func() { r.ended <- r.l.Run(ctx) }()
		for _, d := range []gate.Door{gate.Entry, gate.Exit} {
			r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: d, Pos: gate.PosClosed})
			r.sense(gate.Event{Kind: gate.EvBeamed, Door: d, Tri: gate.Low})
		}
		r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountZero})
		r.lease("anna", time.Hour)
		r.sense(gate.Event{Kind: gate.EvFire, Tri: gate.High})
		r.says(0, protocol.FromInspector{Ready: &protocol.Ready{}})
		r.pass(time.Second) // the guard times of the beams
		f(r)
		cancel()
		synctest.Wait()
	})
}

func (r *rig) sense(e gate.Event) {
	r.t.Helper()
	r.sensors <- e
	synctest.Wait()
}

func (r *rig) says(slot int, m protocol.FromInspector) {
	r.insp.mu.Lock()
	gen := r.insp.gens[slot]
	r.insp.mu.Unlock()
	r.insp.events <- protocol.InspectorEvent{Slot: slot, Gen: gen, Msg: &m}
	synctest.Wait()
}

func (r *rig) exits(slot int, err error) {
	r.insp.mu.Lock()
	gen := r.insp.gens[slot]
	r.insp.mu.Unlock()
	r.insp.events <- protocol.InspectorEvent{Slot: slot, Gen: gen, Exited: true, Err: err}
	synctest.Wait()
}

func (r *rig) touch(what string) { r.disp.touches <- what; synctest.Wait() }

func (r *rig) lease(officer string, d time.Duration) {
	r.link.in <- Inbound{Lease: &api.Lease{Gate: "g", Principal: "console", Officer: officer, ExpiresAt: time.Now().Add(d)}}
	synctest.Wait()
}

func (r *rig) order(c api.Command) api.Response {
	if c.Officer == "" {
		c.Officer = "anna"
	}
	c.ID, c.Principal, c.ExpiresAt = fmt.Sprint(len(r.link.responses)), "console", time.Now().Add(10*time.Second)
	r.link.in <- Inbound{Command: &c}
	synctest.Wait()
	return r.link.last()
}

func (r *rig) screen(want string) {
	r.t.Helper()
	if got := r.disp.now(); got != want {
		r.t.Fatalf("the screen shows %s, expected %s", got, want)
	}
}

// pass lets time go by while the inspectors of the travellers say that they live.
func (r *rig) pass(d time.Duration, alive ...int) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(time.Second, time.Until(end)))
		synctest.Wait()
		for _, s := range alive {
			r.says(s, protocol.FromInspector{Beat: &protocol.Beat{}})
		}
	}
}

// document brings slot's traveller to the mantrap's door.
func (r *rig) document(slot int) {
	r.t.Helper()
	r.touch("accept")
	r.says(slot, protocol.FromInspector{Document: &protocol.Document{Present: true}})
	r.says(slot, protocol.FromInspector{Checked: &protocol.Checked{Outcome: verdict.Allow, Reason: verdict.OK}})
	r.says(slot, protocol.FromInspector{Document: &protocol.Document{}})
	for _, d := range []protocol.Device{protocol.Scanner, protocol.NFC} {
		r.says(slot, protocol.FromInspector{Released: &protocol.Released{Device: d}})
	}
}

// inside brings the traveller in, behind a closed door.
func (r *rig) inside() {
	r.t.Helper()
	r.enter()
	r.screen("capture")
}

func (r *rig) enter() {
	r.t.Helper()
	for _, e := range []gate.Event{{Kind: gate.EvDoorMoved, Pos: gate.PosOpen}, {Kind: gate.EvCounted, Count: gate.CountOne}, {Kind: gate.EvDoorMoved, Pos: gate.PosClosed}} {
		r.sense(e)
	}
}

func (r *rig) allow(slot int) {
	r.says(slot, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Allow, Reason: verdict.OK}})
}

// passage is the n-th passage event.
func (r *rig) passage(n int) api.Passage {
	r.t.Helper()
	all := r.jn.events(api.EventPassage)
	if len(all) <= n {
		r.t.Fatalf("%d passage events", len(all))
	}
	var p api.Passage
	if err := json.Unmarshal(all[n], &p); err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) referral() string {
	r.t.Helper()
	var e api.ReferralEvent
	all := r.jn.events(api.EventReferral)
	if len(all) == 0 {
		r.t.Fatal("no referral")
	}
	if err := json.Unmarshal(all[len(all)-1], &e); err != nil {
		r.t.Fatal(err)
	}
	return e.Passage
}

// P-04: a grant opens only once its record is on disk; a release acts at once and is journalled after.
func TestP04GrantWaitsForItsRecord(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		if r.doors.count("open entry") != 1 {
			t.Fatal("the entry was not opened for a committed grant")
		}
		r.inside()
		r.jn.mu.Lock()
		r.jn.mode = "held"
		r.jn.mu.Unlock()
		r.allow(0)
		if r.doors.count("open exit") != 0 {
			t.Fatal("the exit was opened before its record was on disk")
		}
		step := r.jn.records[len(r.jn.records)-1].Step
		r.jn.results <- journal.Result{Step: step - 1} // of another step
		synctest.Wait()
		if r.doors.count("open exit") != 0 {
			t.Fatal("another step's record opened the exit")
		}
		r.jn.results <- journal.Result{Step: step}
		synctest.Wait()
		if r.doors.count("open exit") != 1 {
			t.Fatal("the exit was not opened")
		}
		// Fire, with a journal that does not answer any more: the release does not ask it.
		r.sense(gate.Event{Kind: gate.EvFire, Tri: gate.Low})
		if r.doors.count("release") != 1 {
			t.Fatal("no release")
		}
	})
}

// P-04, law 2: a record that does not come, or fails, opens nothing; an officer decides.
func TestP04NoRecordNoDoor(t *testing.T) {
	for _, mode := range []string{"held", "failed"} {
		loop(t, func(r *rig) {
			r.document(0)
			r.inside()
			r.jn.mu.Lock()
			r.jn.mode = mode
			r.jn.mu.Unlock()
			r.allow(0)
			r.pass(3*time.Second, 0)
			if r.doors.count("open exit") != 0 {
				t.Fatalf("%s: the exit was opened without evidence", mode)
			}
			r.screen("see_officer")
			if mode == "failed" && !r.board.Has(health.JournalFailed, health.PartJournal) {
				t.Error("a failing journal is no fault")
			}
		})
	}
}

// C-11, DP-02: an inspector that is killed, falls silent or speaks out of order costs one referral; the next
// one is ready.
func TestInspectorThatDiesHangsOrLies(t *testing.T) {
	for name, harm := range map[string]func(*rig){
		"killed": func(r *rig) { r.exits(0, errors.New("signal: killed")) },
		"hangs":  func(r *rig) { r.pass(6 * time.Second); r.exits(0, errors.New("signal: killed")) },
		"lies": func(r *rig) {
			r.says(0, protocol.FromInspector{Ready: &protocol.Ready{}})
			r.exits(0, errors.New("signal: killed"))
		},
		"floods": func(r *rig) {
			r.says(0, protocol.FromInspector{Checked: &protocol.Checked{Outcome: verdict.Allow, Checks: make([]verdict.Check, maxChecks+1)}})
			r.exits(0, errors.New("signal: killed"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			loop(t, func(r *rig) {
				r.touch("accept")
				r.says(0, protocol.FromInspector{Document: &protocol.Document{Present: true}})
				r.screen("reading")
				r.says(1, protocol.FromInspector{Ready: &protocol.Ready{}})
				harm(r)
				r.screen("see_officer")
				if name != "killed" && r.insp.killed[0] == 0 {
					t.Error("it was not killed")
				}
				r.pass(testLimits[gate.LimitReferral] + 5*time.Second)
				if p := r.passage(0); p.Reason != verdict.InspectorFault || p.Outcome != verdict.Refer || p.Completed {
					t.Errorf("ended %s %s", p.Outcome, p.Reason)
				}
				r.screen("notice")
				if r.doors.count("open entry")+r.doors.count("open exit") != 0 {
					t.Error("a door moved")
				}
			})
		})
	}
}

// P-05: a verdict of the inspector at the reader, or of one that has not captured, moves no door.
func TestP05VerdictOfTheOtherInspector(t *testing.T) {
	loop(t, func(r *rig) {
		r.allow(0) // before anybody was served
		if r.insp.killed[0] != 1 {
			t.Error("an inspector that decides about nobody goes on")
		}
		r.exits(0, errors.New("signal: killed"))
		r.pass(4 * time.Second)
		r.says(1, protocol.FromInspector{Ready: &protocol.Ready{}})
		r.document(1)
		r.inside()
		r.says(0, protocol.FromInspector{Ready: &protocol.Ready{}})
		r.touch("accept")
		r.allow(0)
		if r.doors.count("open exit") != 0 {
			t.Fatal("the other inspector opened the exit")
		}
		if !r.insp.has(1, isCapture) || r.insp.has(0, isCapture) {
			t.Error("the camera went to the wrong one")
		}
		r.allow(1)
		if r.doors.count("open exit") != 1 {
			t.Fatal("the right one did not")
		}
	})
}

// D-02: fire releases while both door drives hang and the journal is silent.
func TestD02ReleaseWaitsForNobody(t *testing.T) {
	loop(t, func(r *rig) {
		r.doors.mu.Lock()
		r.doors.stuck = true
		r.doors.mu.Unlock()
		r.document(0) // the pulse hangs
		r.jn.mu.Lock()
		r.jn.mode = "held"
		r.jn.mu.Unlock()
		at := time.Now()
		r.sense(gate.Event{Kind: gate.EvFire, Tri: gate.Unknown})
		if r.doors.count("release") != 1 || time.Since(at) != 0 {
			t.Errorf("released %d times after %v", r.doors.count("release"), time.Since(at))
		}
		r.screen("emergency")
	})
}

// O-01: when the last lease has ended nobody new is served; who is inside goes on; a referral whose officer
// has gone is back in the queue.
func TestO01Lease(t *testing.T) {
	loop(t, func(r *rig) {
		r.lease("anna", 5*time.Second)
		r.document(0)
		r.inside()
		r.pass(6*time.Second, 0)
		if !r.board.Has(health.LeaseLost, health.PartLink) {
			t.Error("a lost lease is no fault")
		}
		r.allow(0)
		if r.doors.count("open exit") != 1 {
			t.Error("the lease of new travellers held back one who was inside")
		}
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: gate.Exit, Pos: gate.PosOpen})
		r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountZero})
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: gate.Exit, Pos: gate.PosClosed})
		r.exits(0, nil)
		r.says(1, protocol.FromInspector{Ready: &protocol.Ready{}})
		r.screen("closed")
		r.lease("bert", time.Hour)
		r.screen("notice")
	})
	loop(t, func(r *rig) {
		r.lease("anna", 3*time.Second)
		r.lease("bert", time.Hour)
		r.document(0)
		r.inside()
		r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: verdict.FaceMismatch}})
		id := r.referral()
		if a := r.order(api.Command{Name: api.CmdTake, Passage: id}); a.Result != "accepted" {
			t.Fatal(a)
		}
		if a := r.order(api.Command{Name: api.CmdTake, Passage: id, Officer: "bert"}); a.Result != "rejected" {
			t.Fatal("two officers own one referral")
		}
		r.pass(4*time.Second, 0)
		r.lease("bert", time.Hour) // bert's console renews, anna's is gone
		if a := r.order(api.Command{Name: api.CmdTake, Passage: id, Officer: "bert"}); a.Result != "accepted" {
			t.Fatalf("the referral of an officer who has gone: %+v", a)
		}
	})
}

// O-03, O-07: an acceptance names the dossier that was shown and answers the question of its referral.
func TestO07WhatAnAcceptanceNeeds(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: verdict.FaceMismatch}})
		r.says(0, protocol.FromInspector{Dossier: &protocol.Dossier{KeyID: "k", Sealed: []byte("x"), Hash: []byte("the hash")}})
		id := r.referral()
		if a := r.order(api.Command{Name: api.CmdTake, Passage: id}); a.Result != "accepted" {
			t.Fatal(a)
		}
		good := api.Command{Name: api.CmdAccept, Passage: id, Dossier: []byte("the hash"), Reason: verdict.PersonCompared}
		for want, change := range map[string]func(*api.Command){
			"other_dossier":   func(c *api.Command) { c.Dossier = []byte("swapped") },
			"reason_needed":   func(c *api.Command) { c.Reason = "" },
			"other_question":  func(c *api.Command) { c.Reason = verdict.LookupDone },
			"no_such_passage": func(c *api.Command) { c.Passage = strings.Repeat("0", 32) },
			"not_supported":   func(c *api.Command) { c.Name = "open_sesame" },
			"officer_held":    func(c *api.Command) { c.Officer = "bert" },
		} {
			c := good
			change(&c)
			if a := r.order(c); a.Result != "rejected" || a.Reason != want {
				t.Errorf("%s: answered %s %s", want, a.Result, a.Reason)
			}
			if r.doors.count("open exit") != 0 {
				t.Fatalf("%s opened the exit", want)
			}
		}
		if a := r.order(good); a.Result != "accepted" || r.doors.count("open exit") != 1 {
			t.Errorf("%+v", a)
		}
		if a := r.order(good); a.Result != "rejected" || a.Reason != "already_decided" {
			t.Errorf("decided twice: %+v", a)
		}
	})
}

// more time adds one stage limit, three times at most.
func TestA02MoreTimeThreeTimes(t *testing.T) {
	loop(t, func(r *rig) {
		r.touch("accept")
		for range 5 {
			r.pass(25*time.Second, 0)
			r.touch("more_time")
		}
		r.pass(40*time.Second, 0) // the prompt, and its limit
		if r.disp.now() != "see_officer" && r.disp.now() != "notice" && r.disp.now() != "closed" {
			t.Errorf("after five times 25 s of a limit of 30 s and three times more: %s", r.disp.now())
		}
	})
}

// E-03: events are handed to the journal whatever the link does.
func TestE03LinkDownLosesNothing(t *testing.T) {
	loop(t, func(r *rig) {
		r.link.in <- Inbound{Down: true}
		synctest.Wait()
		r.touch("decline")
		if p := r.passage(0); p.Reason != verdict.Declined {
			t.Errorf("%+v", p)
		}
		r.link.in <- Inbound{Up: true}
		synctest.Wait()
		if len(r.jn.events(api.EventFault)) < 2 {
			t.Error("the loss of the link was not told")
		}
	})
}

// P-15, DP-03: a loop that panics ends with the doors released, and its words are in no error.
func TestP15PanicReleases(t *testing.T) {
	loop(t, func(r *rig) {
		r.disp.mu.Lock()
		r.disp.panics = "place_document"
		r.disp.mu.Unlock()
		r.disp.touches <- "accept"
		err := <-r.ended
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
		if r.doors.count("release") != 1 {
			t.Error("the doors were not released")
		}
	})
}
