package passage

import (
	"slices"
	"testing"
	"time"

	"egate/gate"
	"egate/sim/people"
)

// lose lets a beam lose its light n times, once a second.
func lose(tr *Tracker, set func(*Tracker, bool, time.Duration), n int) {
	for range n {
		at := tr.now + time.Second
		set(tr, true, at)
		set(tr, false, at+80*time.Millisecond)
	}
	tr.Advance(tr.now + 2*time.Second)
}

// A beam that loses its light often is taken out of its row and named, people are counted with the others, and it is back after five
// quiet minutes (S-06).
func TestS06DirtyBeam(t *testing.T) {
	for _, name := range []string{"beam_12", "beam_04", "beam_10"} {
		cfg, set := mantrap()
		tr := New(cfg)
		for _, f := range set {
			f(tr, false, 0)
		}
		tr.Advance(2 * time.Second)
		lose(tr, set[name], 2)
		if o := tr.Outages(); len(o) != 0 {
			t.Fatalf("%s: after two losses %v", name, o)
		}
		lose(tr, set[name], 2)
		if o := tr.Outages(); len(o) != 1 || !o[0].Out {
			t.Fatalf("%s: %v", name, o)
		}
		if c := tr.State().Count; c != gate.CountZero {
			t.Fatalf("%s: %v", name, c)
		}
		w, err := people.Generate(people.Single, 7, people.TraceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		base, worst := tr.now+time.Second, gate.CountUnknown
		next := base
		for _, e := range w.Edges {
			if e.Beam == name {
				continue // its own changes are the dirt's
			}
			for ; next < base+e.At; next += 700 * time.Millisecond {
				set[name](tr, true, next)
				set[name](tr, false, next+60*time.Millisecond)
			}
			set[e.Beam](tr, e.Broken, base+e.At)
			if c := tr.State().Count; c == gate.CountUnknown {
				t.Fatalf("%s: unknown at %v", name, e.At)
			} else {
				worst = max(worst, c)
			}
		}
		tr.Advance(tr.now + 3*time.Second)
		if worst != gate.CountOne || tr.State().Count != gate.CountZero {
			t.Errorf("%s: at worst %v, in the end %v", name, worst, tr.State().Count)
		}
		for n := tr.Next(); n > 0 && n < tr.now+10*time.Minute && len(tr.outages) == 0; n = tr.Next() {
			tr.Advance(n)
		}
		if o := tr.Outages(); len(o) != 1 || o[0].Out {
			t.Errorf("%s: does not come back: %v", name, o)
		}
	}
}

// Two neighbours out of service leave a hole that a person fits in: nobody is counted until one is back.
func TestS06TwoDirtyNeighbours(t *testing.T) {
	cfg, set := mantrap()
	tr := New(cfg)
	for _, f := range set {
		f(tr, false, 0)
	}
	tr.Advance(2 * time.Second)
	lose(tr, set["beam_12"], 3)
	if !tr.Suffices() || tr.State().Count != gate.CountZero {
		t.Fatalf("one beam: %v", tr.State())
	}
	lose(tr, set["beam_13"], 3)
	if tr.Suffices() || tr.State().Count != gate.CountUnknown {
		t.Fatalf("two neighbours: %v", tr.State())
	}
	for range 1000 {
		if n := tr.Next(); n > 0 {
			tr.Advance(n)
		}
	}
	if !tr.Suffices() || tr.State().Count != gate.CountZero {
		t.Errorf("after quiet minutes: %v, %v", tr.Suffices(), tr.State())
	}
}

// Nobody who walks makes a beam look dirty.
func TestS06NobodyIsDirt(t *testing.T) {
	cfg, set := mantrap()
	tr := New(cfg)
	for _, f := range set {
		f(tr, false, 0)
	}
	tr.Advance(2 * time.Second)
	seeds := []uint64{1, 2, 3, 4, 5}
	for _, c := range people.Classes() {
		if c == people.LeftBehind {
			continue
		}
		for _, seed := range seeds[:walks(5, 2)%6] {
			w, err := people.Generate(c, seed, people.TraceOptions{Wide: seed%2 == 1})
			if err != nil {
				t.Fatal(err)
			}
			base := tr.now + time.Second
			for _, e := range w.Edges {
				set[e.Beam](tr, e.Broken, base+e.At)
			}
			tr.Advance(tr.now + 3*time.Second)
			if o := tr.Outages(); slices.ContainsFunc(o, func(o Outage) bool { return o.Out }) {
				t.Errorf("%s seed %d: %v", c, seed, o)
			}
		}
	}
}
