package control

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/gate"
	"egate/health"
	"egate/inspect/protocol"
	"egate/verdict"
)

// P-05: what an inspector said before it ended does not speak for the one that has its place now.
func TestP05WordsOfAnEarlierInspector(t *testing.T) {
	loop(t, func(r *rig) {
		died := errors.New("signal: killed")
		r.exits(0, died)
		r.pass(time.Second) // so that its pause is over first
		r.exits(1, died)
		r.pass(4 * time.Second)
		r.insp.mu.Lock()
		gen := r.insp.gens[0]
		r.insp.mu.Unlock()
		if gen < 2 || r.l.m.Slots[0] != gate.SlotStarting {
			t.Fatalf("no second inspector in the first place: generation %d, %v", gen, r.l.m.Slots)
		}
		r.insp.events <- protocol.InspectorEvent{Slot: 0, Gen: gen - 1, Msg: &protocol.FromInspector{Ready: &protocol.Ready{}}}
		synctest.Wait()
		if r.l.m.Slots[0] != gate.SlotStarting {
			t.Error("the earlier one made it ready")
		}
		r.insp.events <- protocol.InspectorEvent{Slot: 0, Gen: gen - 1, Exited: true}
		synctest.Wait()
		if r.l.m.Slots[0] != gate.SlotStarting {
			t.Error("the earlier one's end ended it")
		}
	})
}

// P-11: an answer of the centre goes to the inspector of its passage and to no other.
func TestP11AnswerOfItsPassage(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.says(1, protocolReady)
		r.touch("accept")
		got := func(slot int) bool {
			return r.insp.has(slot, func(m protocol.ToInspector) bool { return m.Answer != nil })
		}
		answer := func(passage string) {
			r.link.in <- Inbound{Answer: &api.Envelope{Gate: "g", Passage: passage, Sealed: []byte("x")}}
			synctest.Wait()
		}
		answer("of nobody here")
		if got(0) || got(1) {
			t.Fatal("an answer for nobody was handed over")
		}
		answer(r.l.trips[gate.LaneReception].ID)
		if got(0) || !got(1) {
			t.Error("the next traveller's answer went to the inspector inside, or to none")
		}
	})
}

// S-01: two heads before the camera, in a word of the inspector inside, lead both back.
func TestS01TwoHeads(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.says(0, protocol.FromInspector{Heads: &protocol.Heads{Count: 1}})
		r.screen("capture")
		r.says(0, protocol.FromInspector{Heads: &protocol.Heads{Count: 300}})
		r.screen("one_at_a_time")
	})
}

// P-09: a verdict without an outcome is none: whoever says it has broken the dialogue.
func TestP09NoOutcomeIsNoVerdict(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{}})
		if r.insp.killed[0] != 1 {
			t.Error("it goes on")
		}
		if r.screen("see_officer"); r.l.m.PReason != verdict.InspectorFault {
			t.Errorf("referred for %s", r.l.m.PReason)
		}
	})
}

// P-04: a record that failed is told at once, not after the time that it may take.
func TestP04FailedRecordIsToldAtOnce(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.jn.mu.Lock()
		r.jn.mode = "failed"
		r.jn.mu.Unlock()
		r.allow(0)
		r.screen("see_officer")
	})
}

// D-10: a door that does not open is asked again after its time, and from then on after twice that.
func TestD10TimesOfALimit(t *testing.T) {
	loop(t, func(r *rig) {
		r.order(api.Command{Name: api.CmdHoldEntry})
		travel := testLimits[gate.LimitTravel]
		for k, want := range []int{1, 2, 2, 3, 3, 4} { // at every travel time and a bit
			if k > 0 {
				r.pass(travel)
			} else {
				r.pass(travel / 10)
			}
			if n := r.doors.count("open entry"); n != want {
				t.Fatalf("after %d travel times the entry was asked %d times, not %d", k, n, want)
			}
		}
	})
}

// P-06: a timer that was started again does not run out by what it was before.
func TestP06StaleTimer(t *testing.T) {
	loop(t, func(r *rig) {
		r.touch("accept")
		r.l.fired <- fired{gate.TimerReception, r.l.timers[gate.TimerReception].gen - 1}
		synctest.Wait()
		if r.l.m.RTries != 0 {
			t.Error("an earlier timer counted")
		}
		r.l.fired <- fired{gate.TimerReception, r.l.timers[gate.TimerReception].gen}
		synctest.Wait()
		if r.l.m.RTries != 1 {
			t.Error("its own did not")
		}
	})
}

// C-11: an inspector that was given a traveller and never says a word is ended after one beat.
func TestC11SilentFromTheBeginning(t *testing.T) {
	loop(t, func(r *rig) {
		r.touch("accept")
		r.pass(6 * time.Second)
		if r.insp.killed[0] == 0 {
			t.Error("it lives")
		}
		if r.l.m.Reception != gate.RecRefer {
			t.Errorf("its traveller: %s", r.l.m.Reception)
		}
	})
}

// P-05: what an inspector says after it was told to end moves nothing and is told nobody.
func TestP05WordsAfterTheEnd(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.allow(0)
		if !r.insp.has(0, func(m protocol.ToInspector) bool { return m.End != nil }) {
			t.Fatal("it was not told to end")
		}
		records, m := len(r.jn.records), r.l.m
		r.says(0, protocol.FromInspector{Fault: &protocol.Fault{Code: string(health.CameraLost), Device: protocol.Camera}})
		if len(r.jn.records) != records || r.l.m != m {
			t.Error("a fault of a device that is given back")
		}
	})
}

// P-05: scanner and reader go to the next inspector when both were given back.
func TestP05ReaderIsBothDevices(t *testing.T) {
	loop(t, func(r *rig) {
		r.touch("accept")
		for _, d := range []protocol.Device{protocol.NFC, protocol.Scanner} {
			if r.l.m.Reader != gate.Slot1 {
				t.Fatal("half of it frees the reader")
			}
			r.says(0, protocol.FromInspector{Released: &protocol.Released{Device: d}})
		}
		if r.l.m.Reader != gate.NoSlot {
			t.Error("the reader is not free")
		}
	})
}

// C-11: the third inspector in a row that does not come up is a fault, the second is none.
func TestC11InspectorsThatDoNotComeUp(t *testing.T) {
	loop(t, func(r *rig) {
		var deaths [2]int
		for max(deaths[0], deaths[1]) < crashLimit {
			if r.board.Has(health.InspectorStart, health.PartInspector) {
				t.Fatalf("a fault after %v", deaths)
			}
			for i := range deaths {
				if r.l.slots[i].alive && max(deaths[0], deaths[1]) < crashLimit {
					deaths[i]++
					r.exits(i, errors.New("exit status 1"))
				}
			}
			r.pass(4 * time.Second)
		}
		if !r.board.Has(health.InspectorStart, health.PartInspector) {
			t.Errorf("no fault after %v", deaths)
		}
	})
}

// O-07: one officer is not two, how often he asks; and an acceptance that names no dossier has seen none.
func TestO07OneOfficerIsNotTwo(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountUnknown})
		r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountOne})
		r.says(0, protocol.FromInspector{Dossier: &protocol.Dossier{KeyID: "k", Sealed: []byte("x"), Hash: []byte("the hash")}})
		id := r.referral()
		if a := r.order(api.Command{Name: api.CmdTake, Passage: id}); a.Result != "accepted" {
			t.Fatal(a)
		}
		accept := api.Command{Name: api.CmdAccept, Passage: id, Dossier: []byte("the hash"), Reason: verdict.PersonCompared}
		for range 3 {
			if a := r.order(accept); a.Result != "rejected" || a.Reason != verdict.SecondOfficerNeeded.String() {
				t.Errorf("alone: %+v", a)
			}
		}
		none := accept
		none.Dossier = nil
		if a := r.order(none); a.Reason != "other_dossier" {
			t.Errorf("without a dossier: %+v", a)
		}
		if a := r.order(api.Command{Name: api.CmdOpenExit, Officer: "bert", Reason: verdict.PersonCompared}); a.Result != "rejected" {
			t.Errorf("the exit, by another than the owner: %+v", a)
		}
		accept.Officer = "bert"
		if a := r.order(accept); a.Result != "accepted" {
			t.Errorf("the second officer: %+v", a)
		}
		if r.doors.count("open exit") != 0 {
			t.Fatal("the exit was opened")
		}
		if a := r.order(api.Command{Name: api.CmdOpenExit, Officer: "bert", Reason: verdict.PersonCompared}); a.Result != "rejected" || r.doors.count("open exit") != 0 {
			t.Errorf("the exit, by the second officer: %+v", a)
		}
		accept.Officer = ""
		if a := r.order(accept); a.Result != "accepted" || r.doors.count("open exit") != 1 {
			t.Errorf("both: %+v", a)
		}
	})
}
