package control

import (
	"testing"

	"egate/api"
	"egate/inspect/protocol"
	"egate/verdict"
)

// P-10: a minor whom everything but the age lets pass waits inside for an officer, who must have seen the adult;
// no other answer opens the exit.
func TestP10AccompaniedMinorAtTheDesk(t *testing.T) {
	loop(t, func(r *rig) {
		r.touch("accept")
		r.document(0)
		r.enter()
		r.screen("capture")
		r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: verdict.CompanionNeeded}})
		id := r.referral()
		if a := r.order(api.Command{Name: api.CmdTake, Passage: id}); a.Result != "accepted" {
			t.Fatal(a)
		}
		if a := r.order(api.Command{Name: api.CmdAccept, Passage: id, Reason: verdict.PersonCompared}); a.Reason != "other_question" {
			t.Errorf("%+v", a)
		}
		if r.doors.count("open exit") != 0 {
			t.Fatal("the exit was opened")
		}
		if a := r.order(api.Command{Name: api.CmdAccept, Passage: id, Reason: verdict.CompanionSeen}); a.Result != "accepted" {
			t.Fatal(a)
		}
		if r.doors.count("open exit") != 1 {
			t.Error("the exit stays shut")
		}
	})
}
