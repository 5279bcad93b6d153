package control

import (
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/gate"
)

// E-04: with a disk that never answers, and a centre, inspectors and a screen that always have another word, what a
// line says waits for the word that is being handled and for no other, and for no time. Words are counted.
func TestE04LinesWaitForOneWord(t *testing.T) {
	loop(t, func(r *rig) {
		r.jn.mu.Lock()
		r.jn.mode = "held"
		r.jn.mu.Unlock()
		const words = 400
		var placed bool
		var at time.Time
		beams, others := 0, 0
		want := func() gate.Tri { return gate.Low + gate.Tri(beams%2) }
		// between is called by the loop itself, in the middle of a word.
		between := func(api.Response) {
			switch {
			case !placed:
				beams++
				r.sensors <- gate.Event{Kind: gate.EvBeamed, Door: gate.Exit, Tri: want()} // there is room for one
				placed, others, at = true, 0, time.Now()
			case r.l.m.Beam[gate.Exit] == want():
				placed = false
				if waited := time.Since(at); waited != 0 {
					t.Errorf("beam %d waited %v", beams, waited)
				}
			default:
				if others++; others == 1 {
					t.Errorf("beam %d waits for more than one word", beams)
				}
			}
		}
		for range words {
			r.link.in <- Inbound{Local: &Local{Order: &api.Command{ID: "x", Name: "shell", ExpiresAt: time.Now().Add(time.Second)}, Answer: between}}
		}
		synctest.Wait()
		if beams < words/4 {
			t.Errorf("%d beams in %d words", beams, words)
		}
	})
}

// E-04, D-05: the opening of a door that closes on somebody is commanded in no time, with a disk that never answers.
func TestE04NoDiskDelaysADoor(t *testing.T) {
	loop(t, func(r *rig) {
		r.order(api.Command{Name: api.CmdHoldEntry})
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: gate.Entry, Pos: gate.PosOpen})
		r.order(api.Command{Name: api.CmdLetGo})
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Door: gate.Entry, Pos: gate.PosBetween})
		r.jn.mu.Lock()
		r.jn.mode = "held"
		r.jn.mu.Unlock()
		opened, at := r.doors.count("open entry"), time.Now()
		if r.doors.count("close entry") != 1 {
			t.Fatalf("the entry does not close: %v", r.doors.done)
		}
		r.sense(gate.Event{Kind: gate.EvBeamed, Door: gate.Entry, Tri: gate.High})
		if n := r.doors.count("open entry"); n != opened+1 || time.Since(at) != 0 {
			t.Errorf("%d openings after %v", n-opened, time.Since(at))
		}
		r.sense(gate.Event{Kind: gate.EvFire, Tri: gate.Low})
		if r.doors.count("release") != 1 || time.Since(at) != 0 {
			t.Errorf("released %d times after %v", r.doors.count("release"), time.Since(at))
		}
	})
}
