package centre

import "maps"

// maxEpochs bounds what is kept of one gate. An epoch begins when a gate has lost evidence: rarely.
const maxEpochs = 256

// position is a place in the sequence of a gate's events.
type position struct{ epoch, seq uint64 }

func (p position) before(q position) bool {
	return p.epoch < q.epoch || p.epoch == q.epoch && p.seq < q.seq
}

// ledger is how far the events of one gate are stored, and what is known of the stream they come in.
//
// An acknowledgement is cumulative and lets the gate delete, so nothing is ever acknowledged over a gap
// (E-03). A gate sends from its first unacknowledged event on, in order, again and again. That tells what
// it does not have any more: an event is the gate's oldest if it is the first of a new connection, or
// if it came twice and nothing older came in between.
type ledger struct {
	upto  map[uint64]uint64 // by epoch: up to here everything is stored, or the gate has said that it is lost
	top   uint64            // newest epoch with a stored event
	ended map[uint64]bool   // epochs of which the gate has told that it lost something
	whole bool              // nothing between the last stored or known event and the next one can be missing
	first bool              // the next event is the first of a connection
	early position          // oldest of the events that came before their time
}

func newLedger(upto map[uint64]uint64) *ledger {
	l := &ledger{upto: upto, ended: map[uint64]bool{}}
	for e := range upto {
		l.top = max(l.top, e)
	}
	return l
}

func (l *ledger) clone() *ledger {
	c := *l
	c.upto, c.ended = maps.Clone(l.upto), maps.Clone(l.ended)
	return &c
}

// fate is what becomes of an event.
type fate uint8

const (
	known fate = iota // stored before: acknowledged again
	next              // follows: store
	hole              // follows a loss that cannot be undone: store, and tell
	early             // before its time: the gate sends it again with what is missing
	stuck             // the gate's oldest, and what was stored ends before it
)

// judge decides about an event and notes the decision. gapOf is the epoch that a gap event ends, else 0.
func (l *ledger) judge(p position, gapOf uint64) fate {
	oldest := l.first || p == l.early
	l.first = false
	if gapOf != 0 && p.epoch > gapOf && len(l.ended) < maxEpochs {
		l.ended[gapOf] = true
	}
	at, seen := l.upto[p.epoch]
	virgin := len(l.upto) == 0
	switch {
	case seen && p.seq <= at:
		l.whole = true
		return known
	case seen && p.seq == at+1:
	case !seen && len(l.upto) >= maxEpochs:
		return stuck
	case !seen && p.seq == 1 && (p.epoch < l.top || l.whole || oldest):
	case oldest && (virgin || l.ended[p.epoch]):
		l.note(p)
		return hole
	default:
		l.whole = false
		if l.early == (position{}) || p.before(l.early) {
			l.early = p
		}
		if oldest {
			return stuck
		}
		return early
	}
	l.note(p)
	return next
}

func (l *ledger) note(p position) {
	l.upto[p.epoch] = p.seq
	l.top = max(l.top, p.epoch)
	l.whole, l.early = true, position{}
}

// began notes a new connection of the gate, seen from its beginning.
func (l *ledger) began() { l.whole, l.first, l.early = true, true, position{} }

// broke notes that something of the stream may be missing.
func (l *ledger) broke() { l.whole, l.first = false, false }
