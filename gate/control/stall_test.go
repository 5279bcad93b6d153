package control

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/gate"
	"egate/inspect/protocol"
	"egate/verdict"
)

// alarms are the reasons of the alarms that were raised, in order.
func (r *rig) alarms() (out []verdict.Reason) {
	r.t.Helper()
	for _, raw := range r.jn.events(api.EventAlarm) {
		var a api.Alarm
		if err := json.Unmarshal(raw, &a); err != nil {
			r.t.Fatal(err)
		}
		if a.Raised {
			out = append(out, a.Reason)
		}
	}
	return out
}

// until waits for cond, at most so long, and tells how long it took.
func (r *rig) until(most time.Duration, alive []int, cond func() bool) time.Duration {
	r.t.Helper()
	start := time.Now()
	for !cond() {
		if time.Since(start) > most {
			r.t.Fatalf("not within %v: the screen shows %s, alarms %v", most, r.disp.now(), r.alarms())
		}
		r.pass(250*time.Millisecond, alive...)
	}
	return time.Since(start)
}

// D-13: whoever is on the way back and does not move for a whole limit is told of as trapped, again after each further
// one; whoever moves has the whole limit again; the way stays open throughout.
func TestD13Dwell(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.touch("exit_request")
		r.screen("leave_back")
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Pos: gate.PosOpen})
		leave := testLimits[gate.LimitLeave]
		for range 3 { // progress: a step into the door and back
			r.pass(leave - 2*time.Second)
			r.sense(gate.Event{Kind: gate.EvBeamed, Tri: gate.High})
			r.sense(gate.Event{Kind: gate.EvBeamed, Tri: gate.Low})
		}
		if got := r.alarms(); len(got) != 0 {
			t.Fatalf("told of somebody who moves: %v", got)
		}
		closes := r.doors.count("close entry")
		wait := leave - time.Second
		for n := 1; n <= 2; n++ {
			r.pass(wait)
			wait = leave - 2*time.Second
			if got := r.alarms(); len(got) != n-1 {
				t.Fatalf("too early: %v", got)
			}
			r.pass(2 * time.Second)
			if got := r.alarms(); len(got) != n || got[n-1] != verdict.PersonTrapped {
				t.Fatalf("after %d limits: %v", n, got)
			}
		}
		if r.doors.count("close entry") != closes {
			t.Error("the way was closed")
		}
		r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountZero})
		if r.doors.count("close entry") == closes {
			t.Error("the way stays open for nobody")
		}
	})
}

// P-06: whatever stalls ends within the bound that README.md states, with one cause, however often more time is asked for.
func TestP06Stalls(t *testing.T) {
	lim := func(l gate.Limit) time.Duration { return testLimits[l] }
	more := time.Duration(1 + gate.MaxMore)
	flood := func(r *rig) { r.touch("more_time") }
	document := func(r *rig) {
		r.touch("accept")
		r.says(0, protocol.FromInspector{Document: &protocol.Document{Present: true}})
	}
	for name, c := range map[string]struct {
		begin  func(r *rig)
		flood  bool // the screen is flooded with more-time
		alive  []int
		bound  time.Duration
		cause  verdict.Reason
		screen string // that the stall ends at
	}{
		"nobody lays a document down": {begin: func(r *rig) { r.touch("accept") }, alive: []int{0}, bound: 3 * lim(gate.LimitDocument), cause: verdict.StageTimeout, screen: "see_officer"},
		"more time, for ever": {begin: func(r *rig) { r.touch("accept") }, flood: true, alive: []int{0}, bound: (more + 2) * lim(gate.LimitDocument),
			cause: verdict.StageTimeout, screen: "see_officer"},
		"a ghost tag":           {begin: document, flood: true, alive: []int{0}, bound: more * lim(gate.LimitChip), cause: verdict.ChipTooSlow, screen: "see_officer"},
		"a document stays":      {begin: func(r *rig) { document(r); r.checked() }, flood: true, alive: []int{0}, bound: more * lim(gate.LimitLift), cause: verdict.DocumentLeftOnReader, screen: "see_officer"},
		"the inspector is mute": {begin: document, bound: 5 * time.Second, cause: verdict.InspectorFault, screen: "see_officer"},
		"nobody comes in":       {begin: func(r *rig) { r.document(0); r.sense(gate.Event{Kind: gate.EvDoorMoved, Pos: gate.PosOpen}) }, alive: []int{0}, bound: lim(gate.LimitNoShow), cause: verdict.NoShow, screen: "waiting"},
		"a held entry beam":     {begin: heldEntry, flood: true, alive: []int{0}, bound: 4 * lim(gate.LimitNoShow), cause: verdict.StageTimeout, screen: "leave_back"},
		"a covered camera":      {begin: func(r *rig) { r.document(0); r.inside() }, flood: true, alive: []int{0}, bound: more * lim(gate.LimitCapture), cause: verdict.StageTimeout, screen: "see_officer"},
		"nobody goes across":    {begin: released, bound: lim(gate.LimitRelease), cause: verdict.StageTimeout, screen: "see_officer"},
		"no officer comes":      {begin: referred, alive: []int{0}, bound: 4 * lim(gate.LimitPrompt), cause: verdict.FaceMismatch, screen: "leave_back"},
		"nobody keeps the hold": {begin: onHold, alive: []int{0}, bound: lim(gate.LimitPrompt), cause: verdict.FaceMismatch, screen: "leave_back"},
	} {
		t.Run(name, func(t *testing.T) {
			loop(t, func(r *rig) {
				c.begin(r)
				r.until(c.bound+time.Second, c.alive, func() bool {
					if c.flood {
						flood(r)
					}
					return r.disp.now() == c.screen
				})
				reason := r.l.m.PReason
				if reason == verdict.ReasonNone {
					reason = r.l.m.RReason
				}
				if reason != c.cause {
					t.Errorf("the cause is %s, expected %s", reason, c.cause)
				}
			})
		})
	}
}

func (r *rig) checked() {
	r.says(0, protocol.FromInspector{Checked: &protocol.Checked{Outcome: verdict.Allow, Reason: verdict.OK}})
}

// heldEntry is somebody who stands in the entry and does not step in.
func heldEntry(r *rig) {
	r.document(0)
	r.sense(gate.Event{Kind: gate.EvDoorMoved, Pos: gate.PosOpen})
	r.sense(gate.Event{Kind: gate.EvBeamed, Tri: gate.High})
	r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountOne})
}

func released(r *rig) {
	r.document(0)
	r.inside()
	r.allow(0)
	r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: gate.Exit, Pos: gate.PosOpen})
}

func referred(r *rig) {
	r.document(0)
	r.inside()
	r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: verdict.FaceMismatch}})
	r.screen("see_officer")
}

func onHold(r *rig) {
	referred(r)
	id := r.referral()
	for _, name := range []string{api.CmdTake, api.CmdHold} {
		if a := r.order(api.Command{Name: name, Passage: id}); a.Result != "accepted" {
			r.t.Fatal(a)
		}
	}
}

// S-05: what lies in the mantrap after its owner has left is told at once, and keeps the gate closed until it is gone.
func TestS05ObjectLeft(t *testing.T) {
	loop(t, func(r *rig) {
		released(r)
		r.sense(gate.Event{Kind: gate.EvObject, On: true})
		r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountZero, Door: gate.Exit})
		if took := r.until(2*time.Second, nil, func() bool { return len(r.alarms()) > 0 }); r.alarms()[0] != verdict.ObjectLeft {
			t.Errorf("after %v: %v", took, r.alarms())
		}
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: gate.Exit, Pos: gate.PosClosed})
		r.exits(0, nil)
		r.pass(time.Minute)
		r.screen("take_luggage")
		r.sense(gate.Event{Kind: gate.EvObject})
		synctest.Wait()
		if r.disp.now() == "take_luggage" || r.passage(0).Outcome != verdict.Allow {
			t.Errorf("%s %+v", r.disp.now(), r.passage(0))
		}
	})
}
