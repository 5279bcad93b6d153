package control

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/gate"
	"egate/health"
)

// faults counts the fault events of one code that were told as raised, and as gone.
func (r *rig) faults(c health.Code) (raised, gone int) {
	r.t.Helper()
	for _, b := range r.jn.events(api.EventFault) {
		var e api.FaultEvent
		if err := json.Unmarshal(b, &e); err != nil {
			r.t.Fatal(err)
		}
		if e.Code == string(c) && e.Raised {
			raised++
		} else if e.Code == string(c) {
			gone++
		}
	}
	return raised, gone
}

// saw tells whether the board has a fault, and how often it was told as raised and as gone.
func (r *rig) saw(c health.Code, part string, has bool, raised, gone int) {
	r.t.Helper()
	if r.board.Has(c, part) != has {
		r.t.Fatalf("%s: on the board %v, expected %v", c, !has, has)
	}
	if a, b := r.faults(c); a != raised || b != gone {
		r.t.Fatalf("%s: told %d times as raised, %d as gone", c, a, b)
	}
}

// O-10, D-11, M-03: a forced door, an opened enclosure and a fire stay faults until an officer's order, and the
// order ends nothing whose cause is still there.
func TestO10LatchedFaultsWaitForAnOfficer(t *testing.T) {
	reset := func(r *rig) {
		r.t.Helper()
		if a := r.order(api.Command{Name: api.CmdReset}); a.Result != "accepted" {
			r.t.Fatal(a)
		}
		r.pass(time.Second)
	}
	t.Run("forced door", func(t *testing.T) {
		loop(t, func(r *rig) {
			r.sense(gate.Event{Kind: gate.EvDoorMoved, Pos: gate.PosBetween})
			r.saw(health.DoorForced, health.PartEntry, true, 1, 0)
			reset(r)
			r.saw(health.DoorForced, health.PartEntry, true, 1, 0) // it still stands open
			r.sense(gate.Event{Kind: gate.EvDoorMoved, Pos: gate.PosClosed})
			r.pass(time.Minute)
			r.saw(health.DoorForced, health.PartEntry, true, 1, 0)
			r.screen("closed")
			reset(r)
			r.saw(health.DoorForced, health.PartEntry, false, 1, 1)
			r.screen("notice")
		})
	})
	t.Run("tamper, over a restart", func(t *testing.T) {
		var record []byte
		loop(t, func(r *rig) {
			r.board.Raise(health.Tamper, health.PartEnclosure) // by the sensors
			r.pass(time.Second)
			r.saw(health.Tamper, health.PartEnclosure, true, 1, 0)
			if n := len(r.jn.events(api.EventAlarm)); n != 1 {
				t.Errorf("%d alarms", n)
			}
			r.board.Clear(health.Tamper, health.PartEnclosure)
			r.pass(time.Minute)
			r.screen("closed")
			r.jn.mu.Lock()
			record = r.jn.records[len(r.jn.records)-1].Model
			r.jn.mu.Unlock()
		})
		recovered(t, record, func(r *rig) {
			r.saw(health.Tamper, health.PartEnclosure, true, 0, 0)
			r.screen("closed")
			reset(r)
			r.saw(health.Tamper, health.PartEnclosure, false, 0, 1)
			r.screen("notice")
		})
	})
	t.Run("fire", func(t *testing.T) {
		loop(t, func(r *rig) {
			r.board.Raise(health.Tamper, health.PartEnclosure)
			r.board.Clear(health.Tamper, health.PartEnclosure)
			r.sense(gate.Event{Kind: gate.EvFire, Tri: gate.Low})
			if a := r.order(api.Command{Name: api.CmdEndEmergency}); a.Result != "rejected" {
				t.Fatal(a)
			}
			r.sense(gate.Event{Kind: gate.EvFire, Tri: gate.High})
			r.saw(health.Fire, health.PartFireLoop, true, 1, 0)
			if a := r.order(api.Command{Name: api.CmdReset}); a.Result != "rejected" {
				t.Fatal(a)
			}
			r.saw(health.Fire, health.PartFireLoop, true, 1, 0)
			if a := r.order(api.Command{Name: api.CmdEndEmergency}); a.Result != "accepted" {
				t.Fatal(a)
			}
			synctest.Wait()
			r.saw(health.Fire, health.PartFireLoop, false, 1, 1)
			r.saw(health.Tamper, health.PartEnclosure, true, 1, 0) // another's
		})
	})
}
