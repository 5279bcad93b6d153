// Package availability computes availability, mean time between failures and mean time to repair of a gate from
// its events. It is a function of the events alone: whoever has them gets the same figures.
package availability

import (
	"maps"
	"slices"
	"time"

	"egate/health"
)

// Event is what counts of one event of the gate; exactly one of Mode, Code and Boot is set.
type Event struct {
	At time.Time
	// Mode is the mode that the gate came to; By is the officer who ordered it, empty where none did.
	Mode, By string
	// Code and Part name a fault that was raised or cleared.
	Code, Part string
	Raised     bool
	// Boot is a start of the controller: no fault of before is raised any more, its mode is told next.
	Boot bool
}

// Report is what a time span came to. Scheduled is the time in which the gate was meant to serve: not closed, in
// standby, in service or under manual control by order, and with an officer at the desk. Up and Down are parts of it.
//
// The silence before a start counts as up: no event tells when the controller fell silent. The centre's own record of
// the connection does.
type Report struct {
	From, To            time.Time
	Scheduled, Up, Down time.Duration
	Failures            int           // times that the gate went down
	MTBF                time.Duration // Up over Failures; 0 without a failure
	MTTR                time.Duration // Down over Failures; 0 without a failure
	// Causes is the time down by fault code, "start" for starts, "emergency", "mode" for another mode that nobody
	// ordered. Where several were there at once, each has the time.
	Causes map[string]time.Duration
}

// Availability is Up over Scheduled, 1 where nothing was scheduled.
func (r Report) Availability() float64 {
	if r.Scheduled == 0 {
		return 1
	}
	return float64(r.Up) / float64(r.Scheduled)
}

// Modes as events name them.
const (
	open       = "open"
	recovering = "recovering"
	emergency  = "emergency"
)

// unstaffed are faults that tell of the desk, not of the gate.
var unstaffed = map[health.Code]bool{health.LeaseLost: true, health.ShiftOver: true}

type fault struct{ code, part string }

// state is what the gate is in between two events.
type state struct {
	known   bool
	mode    string
	ordered bool // an officer ordered the mode
	boot    bool // started, and no mode told yet
	faults  map[fault]bool
}

// Compute reads the events of one gate in their order and reports the span [from, to). Events before from tell the
// state at its beginning; time before the first event is not scheduled.
func Compute(events []Event, from, to time.Time) Report {
	r := Report{From: from, To: to, Causes: map[string]time.Duration{}}
	s := state{faults: map[fault]bool{}}
	at, wasDown := from, false
	span := func(until time.Time) {
		if until.After(to) {
			until = to
		}
		d := until.Sub(at)
		if d <= 0 {
			return
		}
		at = until
		scheduled, causes := s.judge()
		if !scheduled {
			return
		}
		r.Scheduled += d
		if len(causes) == 0 {
			r.Up += d
			wasDown = false
			return
		}
		r.Down += d
		if !wasDown {
			r.Failures++
		}
		wasDown = true
		for _, c := range causes {
			r.Causes[c] += d
		}
	}
	for _, e := range events {
		if !e.At.Before(to) {
			break
		}
		span(e.At)
		s.take(e)
	}
	span(to)
	if r.Failures > 0 {
		r.MTBF, r.MTTR = r.Up/time.Duration(r.Failures), r.Down/time.Duration(r.Failures)
	}
	return r
}

func (s *state) take(e Event) {
	switch {
	case e.Boot:
		s.known, s.boot = true, true
		clear(s.faults)
	case e.Mode != "":
		// What an officer has ordered holds over a restart, until the gate is open again or an emergency comes.
		s.known, s.boot = true, s.boot && e.Mode == recovering
		s.ordered = (e.By != "" || s.ordered) && e.Mode != open && e.Mode != emergency
		s.mode = e.Mode
	case e.Raised:
		s.known = true
		s.faults[fault{e.Code, e.Part}] = true
	default:
		delete(s.faults, fault{e.Code, e.Part})
	}
}

// judge tells whether the gate is meant to serve, and what keeps it from it.
func (s *state) judge() (scheduled bool, causes []string) {
	if !s.known || s.ordered {
		return false, nil
	}
	down := map[string]bool{}
	for f := range s.faults {
		switch c := health.Code(f.code); {
		case unstaffed[c]:
			return false, nil
		case health.Lookup(c).Blocks:
			down[f.code] = true
		}
	}
	switch {
	case s.boot:
		down["start"] = true
	case s.mode == emergency:
		down[emergency] = true
	case s.mode != "" && s.mode != open && len(down) == 0:
		down["mode"] = true
	}
	return true, slices.Sorted(maps.Keys(down))
}
