package control

import (
	"testing"
	"time"

	"egate/gate"
	"egate/health"
)

// O-02: before the end of a shift the desk is told, at its end the gate takes no new document, whoever is in the
// middle of a passage goes on, and another officer's lease is a hand-over; a console that lost its line for a
// moment begins no new shift, a break does.
func TestO02Shift(t *testing.T) {
	on := func(r *rig, c health.Code, want bool) {
		r.t.Helper()
		if r.board.Has(c, health.PartLink) != want {
			r.t.Fatalf("%s on the board: %v, at %v", c, !want, time.Now())
		}
	}
	loop(t, func(r *rig) {
		r.l.cfg.Shift, r.l.cfg.ShiftWarning = time.Hour, 5*time.Minute
		r.lease("anna", 2*time.Hour)
		r.pass(54 * time.Minute)
		on(r, health.ShiftEnding, false)
		r.pass(2 * time.Minute)
		on(r, health.ShiftEnding, true)
		r.screen("notice")
		r.pass(3*time.Minute + 30*time.Second)
		r.document(0) // taken in the last minute
		r.says(1, protocolReady)
		r.pass(time.Second, 0)
		r.screen("enter")
		r.inside()
		r.pass(15*time.Second, 0)
		r.allow(0)
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: gate.Exit, Pos: gate.PosOpen})
		r.pass(14*time.Second, 0)
		on(r, health.ShiftOver, true)
		on(r, health.ShiftEnding, false)
		if r.doors.count("open exit") != 1 {
			t.Error("the end of the shift kept somebody back")
		}
		r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountZero})
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: gate.Exit, Pos: gate.PosClosed})
		r.exits(0, nil)
		r.screen("closed")
		r.lease("anna", 2*time.Hour) // her console renews
		r.screen("closed")
		r.lease("ben", 10*time.Second)
		r.screen("notice")
		on(r, health.ShiftOver, false)
		r.pass(11 * time.Second) // ben has gone: anna's shift is over still
		r.screen("closed")
		on(r, health.ShiftOver, true)
	})
	loop(t, func(r *rig) {
		r.l.cfg.Shift, r.l.cfg.ShiftWarning = time.Hour, 5*time.Minute
		delete(r.l.leases, "console\x00anna")
		r.lease("anna", 59*time.Minute)
		r.pass(59*time.Minute + 30*time.Second) // the line was lost for half a minute
		r.lease("anna", time.Minute)
		r.pass(40 * time.Second)
		on(r, health.ShiftOver, true)
		r.screen("closed")
		r.pass(2 * time.Minute) // a break
		r.lease("anna", time.Hour)
		on(r, health.ShiftOver, false)
		r.screen("notice")
	})
}
