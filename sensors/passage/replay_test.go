package passage

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"egate/gate"
	"egate/sim/people"
	"egate/sim/plant"
)

// TestMain draws fewer walks under the race detector, which slows the plant by thirty and has nothing to find in
// a walk: one goroutine makes it.
func TestMain(m *testing.M) {
	if raceEnabled {
		if err := flag.Set("rapid.checks", "15"); err != nil { // -short takes a fifth
			panic(err)
		}
	}
	m.Run()
}

// walks is how many of each class a test replays: in full, with -short, and under the race detector four.
func walks(full, short int) int {
	switch {
	case raceEnabled:
		return 4
	case testing.Short():
		return short
	}
	return full
}

// mantrap is the geometry of the simulated plant.
func mantrap() (Config, map[string]func(*Tracker, bool, time.Duration)) {
	p := plant.Default()
	c := Config{LengthMM: p.LengthMM}
	set := map[string]func(*Tracker, bool, time.Duration){}
	for _, b := range p.Beams {
		row, n := Low, len(c.Low)
		if b.Z == 900 {
			row, n = High, len(c.High)
			c.High = append(c.High, b.X)
		} else {
			c.Low = append(c.Low, b.X)
		}
		set[b.Name] = func(t *Tracker, on bool, at time.Duration) { t.Beam(row, n, on, at) }
	}
	set["entry_beam"] = func(t *Tracker, on bool, at time.Duration) { t.Door(gate.Entry, on, at) }
	set["exit_beam"] = func(t *Tracker, on bool, at time.Duration) { t.Door(gate.Exit, on, at) }
	return c, set
}

// seen is what the tracker said in the course of a trace.
type seen struct {
	most    gate.Count // worst of one, many; unknown apart
	unknown bool
	end     State
	totals  Totals
	firstAt time.Duration // first time that one or many was said
}

func replay(tr *people.Trace) seen {
	cfg, set := mantrap()
	t := New(cfg)
	const warm = time.Second
	for _, f := range set {
		f(t, false, 0)
	}
	t.Advance(warm)
	var s seen
	look := func() {
		switch c := t.State().Count; c {
		case gate.CountUnknown:
			s.unknown = true
		default:
			if c > s.most {
				s.most = c
			}
		}
	}
	for _, e := range tr.Edges {
		for n := t.Next(); n > 0 && n < e.At+warm; n = t.Next() {
			t.Advance(n)
			look()
		}
		set[e.Beam](t, e.Broken, e.At+warm)
		look()
	}
	t.Advance(t.now + 5*time.Second)
	look()
	s.end, s.totals = t.State(), t.Totals()
	return s
}

// TestS02ConfusionTable replays generated walks and prints what was made of them. The figures are
// those of the simulated bodies, never of a site.
func TestS02ConfusionTable(t *testing.T) {
	n := walks(60, 20)
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-12s %6s %6s %6s %8s %8s %8s %8s\n", "class", "walks", "one", "many", "unknown", "end 0", "object", "across")
	got := map[people.Class][4]int{}
	for _, c := range people.Classes() {
		var one, many, unknown, zero, object, across int
		for seed := uint64(1); seed <= uint64(n); seed++ {
			tr, err := people.Generate(c, seed, people.TraceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			s := replay(tr)
			switch s.most {
			case gate.CountOne:
				one++
			case gate.CountMany:
				many++
			}
			if testing.Verbose() && ((c.Persons() > 1) != (s.most == gate.CountMany) || s.unknown) {
				t.Logf("%s seed %d gap %.0f speed %.0f: %v unknown %v %+v", c, seed, tr.Gap, tr.Speed, s.most, s.unknown, s.totals)
			}
			if s.unknown {
				unknown++
			}
			if s.end.Count == gate.CountZero {
				zero++
			}
			if s.end.Object {
				object++
			}
			across += int(s.totals.LeftAcross)
		}
		got[c] = [4]int{one, many, object, unknown}
		fmt.Fprintf(&b, "%-12s %6d %6d %6d %8d %8d %8d %8d\n", c, n, one, many, unknown, zero, object, across)
		if zero != n {
			t.Errorf("%s: %d of %d walks do not end with nobody inside", c, n-zero, n)
		}
	}
	t.Log(b.String())
	for _, c := range []people.Class{people.Single, people.SingleCase, people.CaseBefore, people.WithTrolley, people.InWheelchair, people.ChildAlone, people.WrongWay, people.UTurn,
		people.StandAndTurn, people.LeftBehind} {
		if m := got[c][1]; m*100 > n*2 { // S-04: at most 2 %
			t.Errorf("%s: %d of %d singles were taken for many", c, m, n)
		}
	}
	for _, c := range []people.Class{people.Tailgating, people.Piggyback, people.AdultWithChild, people.Intrusion, people.WithPram, people.Crawling} {
		if m := got[c][0]; m*100 > n*2 {
			t.Errorf("%s: %d of %d were taken for one", c, m, n)
		}
	}
	if o := got[people.LeftBehind][2]; o != n {
		t.Errorf("%d of %d suitcases left behind were found (S-05)", o, n)
	}
}
