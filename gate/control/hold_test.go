package control

import (
	"testing"
	"time"

	"egate/api"
	"egate/gate"
)

// D-12: an entry that an officer holds open stays open when his console is gone, is told of when he does not say
// again that he is there, and closes by an order, of any officer, with its beam clear.
func TestD12HeldDoorClosesByOrderAlone(t *testing.T) {
	loop(t, func(r *rig) {
		r.lease("anna", 10*time.Second)
		if a := r.order(api.Command{Name: api.CmdHoldEntry}); a.Result != "accepted" {
			t.Fatal(a)
		}
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Pos: gate.PosOpen})
		r.screen("closed")
		r.link.in <- Inbound{Down: true}
		r.pass(time.Hour)
		if n := r.doors.count("close entry"); n != 0 {
			t.Fatalf("closed %d times without an order", n)
		}
		if n := len(r.jn.events(api.EventAlarm)); n != int(time.Hour/testLimits[gate.LimitReferral]) {
			t.Errorf("%d alarms in an hour", n)
		}
		r.sense(gate.Event{Kind: gate.EvBeamed, Tri: gate.High})
		r.link.in <- Inbound{Up: true}
		r.lease("ben", time.Hour)
		if a := r.order(api.Command{Name: api.CmdLetGo, Officer: "ben"}); a.Result != "accepted" {
			t.Fatal(a)
		}
		r.pass(time.Minute)
		if n := r.doors.count("close entry"); n != 0 {
			t.Fatal("closed into its beam")
		}
		r.sense(gate.Event{Kind: gate.EvBeamed, Tri: gate.Low})
		r.pass(time.Second)
		if n := r.doors.count("close entry"); n != 1 {
			t.Fatalf("closed %d times after the order", n)
		}
		r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountOne}) // somebody slips in: he is not shut in
		if n := r.doors.count("open entry"); n != 2 {
			t.Fatalf("opened %d times", n)
		}
		r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountZero})
		if n := r.doors.count("close entry"); n != 2 {
			t.Fatalf("closed %d times when he has gone", n)
		}
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Pos: gate.PosClosed})
		r.screen("notice")
		if n := r.doors.count("open exit"); n != 0 {
			t.Error("the exit moved")
		}
	})
}
