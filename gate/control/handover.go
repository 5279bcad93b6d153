package control

import (
	"encoding/json"
	"strings"
	"time"

	"egate/api"
	"egate/gate"
	"egate/verdict"
)

// handed is an officer who has handed this gate over: his console's leases count no more, and his orders are refused
// with the name of who has the gate now, until he signs in anew. The emergency release is anybody's.
type handed struct {
	To       string    `json:"to"`
	SignedIn time.Time `json:"signed_in"` // of the console that gave the gate away
	At       time.Time `json:"at"`
}

// handedRow is where the journal has them: a restart is no way back. handedKeep is when a row is forgotten: no order
// key of that day lives any more.
const (
	handedRow  = "handed/"
	handedKeep = 24 * time.Hour
)

// handedOver reads them from the rows of the journal.
func handedOver(rows map[string]string, now time.Time) map[string]handed {
	out := map[string]handed{}
	for k, v := range rows {
		officer, ours := strings.CutPrefix(k, handedRow)
		var h handed
		if ours && json.Unmarshal([]byte(v), &h) == nil && now.Sub(h.At) < handedKeep {
			out[officer] = h
		}
	}
	return out
}

// signedIn is when the newest console of an officer with a lease has signed in; false: he has none.
func (l *Loop) signedIn(officer string) (at time.Time, here bool) {
	for _, le := range l.leases {
		if le.Officer == officer {
			here = true
			if le.SignedIn.After(at) {
				at = le.SignedIn
			}
		}
	}
	return at, here
}

// handing says why an officer cannot hand the gate over; "": he can.
func (l *Loop) handing(c *api.Command) string {
	from, here := l.signedIn(c.Officer)
	switch {
	case !here:
		return verdict.LeaseLost.String()
	case from.IsZero(): // its leases would count again with the next one
		return "not_supported"
	case c.To == c.Officer || !l.holds(c.To):
		return "receiver_absent"
	}
	return ""
}

// owned is what of the gate is an officer's.
func (l *Loop) owned(officer string) (what uint8) {
	if t := l.trips[gate.LaneReception]; t != nil && t.owner == officer {
		what |= gate.HandReception
	}
	if t := l.trips[gate.LanePassage]; t != nil && t.owner == officer || l.keeper == officer && l.m.Passage == gate.PasHold {
		what |= gate.HandPassage
	}
	return what
}

// handOver moves the lease and the held entry of the officer who gives the order; his referrals move with the events of
// the same step.
func (l *Loop) handOver(c *api.Command) {
	from, _ := l.signedIn(c.Officer)
	for k, le := range l.leases {
		if le.Officer == c.Officer {
			delete(l.leases, k)
		}
	}
	if l.keeper == c.Officer {
		l.keeper = c.To
	}
	l.handed[c.Officer] = handed{To: c.To, SignedIn: from, At: l.now()}
	for o, h := range l.handed { // who gave it to him is told of who has it now
		if h.To == c.Officer {
			h.To = c.To
			l.handed[o] = h
		}
		l.keepHanded(o)
	}
}

// keepHanded writes one with the next record.
func (l *Loop) keepHanded(officer string) {
	h, ok := l.handed[officer]
	if ok && l.now().Sub(h.At) >= handedKeep {
		delete(l.handed, officer)
		ok = false
	}
	l.answers.rows[handedRow+officer] = ""
	if b, err := json.Marshal(h); ok && err == nil {
		l.answers.rows[handedRow+officer] = string(b)
	}
}

// back tells whether a lease counts: it is of nobody who handed the gate over, or of his new sign-in.
func (l *Loop) back(le api.Lease) bool {
	h, gone := l.handed[le.Officer]
	if gone && !le.SignedIn.After(h.SignedIn) {
		return false
	}
	if gone {
		delete(l.handed, le.Officer)
		l.keepHanded(le.Officer)
		l.record()
	}
	return true
}
