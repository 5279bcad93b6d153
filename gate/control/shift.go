package control

import (
	"time"

	"egate/gate"
	"egate/health"
)

// shiftTimer is the loop's own timer over the shifts, shiftBreak how long an officer must have been without a
// lease for his next one to begin a new shift: a console that lost its line for a moment is no break.
const (
	shiftTimer = gate.Timer(211)
	shiftBreak = time.Minute
)

// shift is an officer at this gate, by the leases of his consoles.
type shift struct{ began, until time.Time }

// shifts tells the model whether the shift of every officer with a lease has ended, and the desk before it does
// (O-02). Whoever has begun last decides: a hand-over is another officer's lease.
func (l *Loop) shifts(now time.Time) {
	if l.cfg.Shift <= 0 {
		return
	}
	for _, le := range l.leases {
		s, ok := l.onDuty[le.Officer]
		if !ok || now.Sub(s.until) > shiftBreak {
			s.began = now
		}
		if le.ExpiresAt.After(s.until) {
			s.until = le.ExpiresAt
		}
		l.onDuty[le.Officer] = s
	}
	var began time.Time
	for o, s := range l.onDuty {
		switch {
		case now.Sub(s.until) > shiftBreak:
			delete(l.onDuty, o)
		case l.holds(o) && s.began.After(began):
			began = s.began
		}
	}
	if began.IsZero() {
		return // nobody: the missing lease keeps the gate closed
	}
	end := began.Add(l.cfg.Shift)
	warn := end.Add(-l.cfg.ShiftWarning)
	warned, over := !now.Before(warn), !now.Before(end)
	switch {
	case over:
		l.stopTimer(shiftTimer)
	case warned:
		l.startTimer(shiftTimer, end.Sub(now))
	default:
		l.startTimer(shiftTimer, warn.Sub(now))
	}
	l.fault(health.ShiftEnding, health.PartLink, warned && !over)
	l.fault(health.ShiftOver, health.PartLink, over)
	if over != l.m.Over {
		l.handle(gate.Event{Kind: gate.EvShift, On: over})
	}
}
