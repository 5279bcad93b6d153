package control

import (
	"testing"
	"time"

	"egate/api"
	"egate/gate"
	"egate/inspect/protocol"
	"egate/verdict"
)

// O-03: an order that moves a door has a second answer, done or failed with the reason, which is evidence too; every
// other one has one.
func TestO03DoneAndFailed(t *testing.T) {
	accept := func(t *testing.T, r *rig) string {
		r.document(0)
		r.inside()
		r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: verdict.FaceMismatch}})
		r.says(0, protocol.FromInspector{Dossier: &protocol.Dossier{KeyID: "k", Sealed: []byte("x"), Hash: []byte("the hash")}})
		id := r.referral()
		taken := r.order(api.Command{Name: api.CmdTake, Passage: id})
		r.pass(time.Second, 0)
		if last := r.link.last(); last.ID != taken.ID || last.Result != "accepted" {
			t.Errorf("an order that moves no door was answered twice: %+v", last)
		}
		a := r.order(api.Command{Name: api.CmdAccept, Passage: id, Dossier: []byte("the hash"), Reason: verdict.PersonCompared})
		if a.Result != "accepted" {
			t.Fatal(a)
		}
		return a.ID
	}
	// second is the order's second answer, at the desk and in the journal.
	second := func(t *testing.T, r *rig, id, want string) {
		t.Helper()
		last := r.link.last()
		if got := last.Result + " " + last.Reason; last.ID != id || got != want {
			t.Errorf("answered %s %q, want %q", last.ID, got, want)
		}
		out := r.outcomes()
		if n := len(out); n < 2 || out[n-1] != " "+api.CmdAccept+" "+want && out[n-1] != "anna "+api.CmdAccept+" "+want {
			t.Errorf("evidence: %q", out)
		}
		r.pass(time.Minute, 0)
		if again := r.link.last(); again != last {
			t.Errorf("a third answer: %+v", again)
		}
	}
	loop(t, func(r *rig) {
		id := accept(t, r)
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: gate.Exit, Pos: gate.PosBetween})
		second(t, r, id, "done ")
	})
	loop(t, func(r *rig) {
		id := accept(t, r)
		r.sense(gate.Event{Kind: gate.EvFire, Tri: gate.Low}) // the grant is dropped; the doors open for another reason
		if last := r.link.last(); last.ID != id || last.Result != "failed" || last.Reason == "" {
			t.Errorf("%+v", last)
		}
	})
	loop(t, func(r *rig) {
		r.lease("anna", time.Hour)
		held := r.order(api.Command{Name: api.CmdHoldEntry})
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Pos: gate.PosOpen})
		if last := r.link.last(); last.ID != held.ID || last.Result != "done" {
			t.Errorf("held: %+v", last)
		}
		again := r.order(api.Command{Name: api.CmdHoldEntry})
		r.pass(time.Second)
		if last := r.link.last(); last.ID != again.ID || last.Result != "accepted" {
			t.Errorf("held on: %+v", last)
		}
	})
	loop(t, func(r *rig) {
		r.lease("anna", time.Hour)
		r.order(api.Command{Name: api.CmdService})
		test := r.order(api.Command{Name: api.CmdSelfTest})
		r.pass(10 * time.Minute) // the door never opens
		if last := r.link.last(); last.ID != test.ID || last.Result != "failed" || last.Reason == "" {
			t.Errorf("a self-test of a door that does not move: %+v", last)
		}
	})
}

// TestO03RestartAnswersForTheOneBefore: a controller that ends between the two answers of an order leaves word of it in the record
// that accepted it; the next one says once, to the desk and as evidence, that it came to no end, and never gives the order an effect.
func TestO03RestartAnswersForTheOneBefore(t *testing.T) {
	var rows map[string]string
	var id string
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: verdict.FaceMismatch}})
		p := r.referral()
		r.order(api.Command{Name: api.CmdTake, Passage: p})
		a := r.order(api.Command{Name: api.CmdAccept, Passage: p, Reason: verdict.PersonCompared})
		if id = a.ID; a.Result != "accepted" {
			t.Fatal(a)
		}
		// The row stands in the very record that the grant waits for.
		grant := r.jn.records[len(r.jn.records)-1]
		if rows = r.jn.rows(); rows[pursuedRow+id] == "" || rows[answerRow+id] == "" || grant.Meta[pursuedRow+id] == "" {
			t.Errorf("rows %v", rows)
		}
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: gate.Exit, Pos: gate.PosBetween})
		if done := r.jn.rows(); done[pursuedRow+id] != "" || r.link.last().Result != "done" {
			t.Errorf("after its end: %v", done)
		}
	})
	restarted(t, nil, rows, func(r *rig) {
		if len(r.link.responses) != 0 {
			t.Errorf("answered without a line: %+v", r.link.responses)
		}
		r.in(Inbound{Up: true})
		want := api.Response{ID: id, Result: "failed", Reason: verdict.GateRestarted.String()}
		if a := r.link.last(); a.ID != want.ID || a.Result != want.Result || a.Reason != want.Reason {
			t.Errorf("%+v", a)
		}
		r.in(Inbound{Up: true})
		if n := len(r.link.responses); n != 1 {
			t.Errorf("%d answers", n)
		}
		r.in(Inbound{Command: &api.Command{ID: id, Principal: "console", Name: api.CmdAccept}, Again: true})
		if a := r.link.last(); a.Result != "failed" {
			t.Errorf("asked again: %+v", a)
		}
		if out := r.outcomes(); len(out) != 1 || out[0] != " referral_accept failed gate_restarted" && out[0] != "anna referral_accept failed gate_restarted" {
			t.Errorf("evidence: %q", out)
		}
		if left := r.jn.rows(); left[pursuedRow+id] != "" || r.jn.records[0].Meta[pursuedRow+id] != "" {
			t.Errorf("told again at the next start: %v", left)
		}
		rows = r.jn.rows()
	})
	restarted(t, nil, rows, func(r *rig) {
		if out := r.outcomes(); len(out) != 0 {
			t.Errorf("a second time: %q", out)
		}
	})
}
