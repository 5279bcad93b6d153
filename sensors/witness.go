package sensors

import (
	"time"

	"egate/gate"
)

// Codes of findings about witnesses.
const (
	CodeDisagreement = "count_disagreement"
	CodeWitnessLost  = "count_witness_lost"
)

// agreeFor is how long the beams and a witness may tell different counts: each sees a step through a door at a
// moment of its own.
const agreeFor = 700 * time.Millisecond

// Witness is another source of how many there are than the beams: an overhead counter, a weight mat. They share one
// contract of up to three lines: NAME_ok, High while it supervises itself well; NAME_occupied, High while it sees
// anybody; NAME_many, High while it sees more than one, where it can tell.
type Witness struct {
	Name string
	Many bool // it has the line NAME_many
}

// Lines are the names of its lines.
func (w Witness) Lines() []string {
	out := []string{w.Name + "_ok", w.Name + "_occupied"}
	if w.Many {
		out = append(out, w.Name+"_many")
	}
	return out
}

// witness is one witness at work.
type witness struct {
	Witness
	ok, occupied, many *signal
	since              time.Duration // of the disagreement
	differs            bool
	told               bool // the disagreement was
	lost               bool // as last told
}

// sees is what a witness says by itself; unknown while it does not supervise itself well.
func (w *witness) sees() gate.Count {
	switch {
	case w.ok.tri() != gate.High || w.occupied.tri() == gate.Unknown:
		return gate.CountUnknown
	case w.many != nil && w.many.tri() == gate.Unknown:
		return gate.CountUnknown
	case w.many != nil && w.many.tri() == gate.High:
		return gate.CountMany
	case w.occupied.tri() == gate.High:
		return gate.CountOne
	}
	return gate.CountZero
}

// agrees tells whether what a witness says fits what the beams say. Who cannot tell one from many contradicts
// neither; what lies there and is no person explains that something is seen.
func (w *witness) agrees(beams, says gate.Count, object bool) bool {
	switch {
	case beams == gate.CountUnknown:
		return true // nothing to contradict
	case says == gate.CountUnknown:
		return beams != gate.CountOne // nobody crosses on the word of one source where two were ordered
	case says == beams, beams == gate.CountMany:
		return true // the more careful word stands in any case
	case beams == gate.CountZero:
		return object
	}
	return false
}

// fused is the count of all sources (S-03): that of the beams while nobody contradicts it for long; unknown while
// somebody does, which opens nothing across the border and refers whoever is inside.
func (t *Tracker) fused(beams gate.Count, object bool) gate.Count {
	out := beams
	for i := range t.witnesses {
		w := &t.witnesses[i]
		says := w.sees()
		if lost := says == gate.CountUnknown; lost != w.lost {
			w.lost = lost
			t.find(CodeWitnessLost, w.Name, lost)
		}
		differs := !w.agrees(beams, says, object)
		if differs && !w.differs {
			w.since = t.now
		}
		w.differs = differs
		lasts := differs && t.now-w.since >= agreeFor
		if lasts != w.told {
			w.told = lasts
			t.find(CodeDisagreement, w.Name, lasts)
		}
		if lasts {
			out = gate.CountUnknown
		}
	}
	return out
}

// addWitnesses wires the witnesses of the configuration.
func (t *Tracker) addWitnesses(add func(name string, up, down time.Duration, act func(*Tracker, *signal, time.Duration)) *signal) {
	for _, w := range t.cfg.Witnesses {
		in := witness{Witness: w}
		in.ok = add(w.Name+"_ok", t.cfg.Debounce, t.cfg.Debounce, nil)
		in.occupied = add(w.Name+"_occupied", t.cfg.Debounce, t.cfg.Debounce, nil)
		if w.Many {
			in.many = add(w.Name+"_many", t.cfg.Debounce, t.cfg.Debounce, nil)
		}
		t.witnesses = append(t.witnesses, in)
	}
}

// WitnessesOf finds the witnesses among the names of input lines, sorted by name.
func WitnessesOf[L any](lines map[string]L) []Witness {
	var out []Witness
	for _, name := range []string{"mat", "overhead"} {
		if _, ok := lines[name+"_ok"]; ok {
			_, many := lines[name+"_many"]
			out = append(out, Witness{Name: name, Many: many})
		}
	}
	return out
}
