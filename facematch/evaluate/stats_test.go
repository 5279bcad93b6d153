package evaluate

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func near(a, b, tol float64) bool { return math.Abs(a-b) <= tol }

func trials(v ...float64) (out []trial) {
	for i, s := range v {
		out = append(out, trial{s, int32(i), int32(i)})
	}
	return out
}

// F-07: Wilson bounds against values computed by hand from the formula.
func TestF07Wilson(t *testing.T) {
	for _, c := range []struct {
		k, n   int
		lo, hi float64
	}{
		// z² = 3.8414588. 0 of 10: z²/(n+z²) = 3.8414588/13.8414588.
		{0, 10, 0, 0.2775328},
		// 1 of 10: (0.1+0.19207294 ± 1.95996398·√(0.009+0.0096036)) / 1.38414588
		{1, 10, 0.0178762, 0.4041500},
		{5, 10, 0.2365931, 0.7634069},
		{10, 10, 0.7224672, 1},
		// 3 of 3,000: (0.001+0.00064024 ± 1.95996398·√(3.33e-7+1.06719e-7)) / 1.00128049
		{3, 3000, 0.0003401, 0.0029362},
		{0, 0, 0, 1},
	} {
		lo, hi := Wilson(c.k, c.n)
		if !near(lo, c.lo, 2e-6) || !near(hi, c.hi, 2e-6) {
			t.Errorf("%d of %d: %.7f … %.7f, want %.7f … %.7f", c.k, c.n, lo, hi, c.lo, c.hi)
		}
	}
	if r := NewRate(0, 0); r.Value != nil || r.High != nil {
		t.Error("a rate without trials has a value")
	}
}

// F-07: rates, thresholds and the equal error rate of lists that are counted by hand.
func TestF07RatesByHand(t *testing.T) {
	// Genuine .5 .6 .7 .8 .9; impostor .1 .2 .3 .4 .65.
	s := newScores(trials(.9, .5, .7, .6, .8), trials(.65, .1, .2, .4, .3), 5)
	for _, c := range []struct{ at, fmr, fnmr float64 }{
		{.65, .2, .4}, {.66, 0, .4}, {.5, .2, 0}, {.35, .4, 0}, {0, 1, 0}, {1, 0, 1}, {.6, .2, .2},
	} {
		if f, n := s.fmr(c.at), s.fnmr(c.at); !near(*f.Value, c.fmr, 1e-12) || !near(*n.Value, c.fnmr, 1e-12) {
			t.Errorf("at %v: FMR %v FNMR %v, want %v %v", c.at, *f.Value, *n.Value, c.fmr, c.fnmr)
		}
	}
	q := weighted{s: s}
	// Just above .5: FMR .2, FNMR .2. They are equal there.
	if e, at := q.eer(); !near(e, .2, 1e-12) || at < .4 || at > .6 {
		t.Errorf("EER %v at %v", e, at)
	}
	for _, c := range []struct{ target, want float64 }{{.2, .4}, {.19, .65}, {.4, .3}, {.001, .65}, {.6, .2}} {
		got := q.threshold(c.target)
		if got <= c.want || got > c.want+1e-9 {
			t.Errorf("threshold for %v: %v, want just above %v", c.target, got, c.want)
		}
		if f := s.fmr(got); *f.Value > c.target {
			t.Errorf("its FMR is %v", *f.Value)
		}
	}
	// Nothing overlaps: no error at all. All overlap: a half.
	if e, _ := (weighted{s: newScores(trials(.8, .9), trials(.1, .2), 2)}).eer(); !near(e, 0, 1e-12) {
		t.Errorf("EER %v of separate scores", e)
	}
	if e, _ := (weighted{s: newScores(trials(.1, .2), trials(.8, .9), 2)}).eer(); !near(e, 1, 1e-12) {
		t.Errorf("EER %v of reversed scores", e)
	}
	if e, _ := (weighted{s: newScores(trials(.5, .5), trials(.5, .5), 2)}).eer(); !near(e, .5, 1e-12) {
		t.Errorf("EER %v of equal scores", e)
	}
	// Interpolated: genuine .4 .6, impostor .3 .5 .55: above .4 FMR 2/3, FNMR 1/2; above .5 FMR 1/3, FNMR 1/2.
	// On the line between, FMR = FNMR = 1/2.
	if e, _ := (weighted{s: newScores(trials(.4, .6), trials(.3, .5, .55), 3)}).eer(); !near(e, .5, 1e-12) {
		t.Errorf("EER %v", e)
	}
	if e, _ := (weighted{s: newScores(nil, trials(.1), 1)}).eer(); !math.IsNaN(e) {
		t.Errorf("EER %v without genuine pairs", e)
	}
}

// F-07: a weight of two is the trial counted twice.
func TestF07WeightsAreCopies(t *testing.T) {
	g := []trial{{.5, 0, 0}, {.7, 1, 1}, {.9, 2, 2}}
	m := []trial{{.2, 0, 1}, {.6, 1, 2}, {.3, 0, 2}}
	w := []float64{2, 1, 3}
	var g2, m2 []trial
	for _, x := range g {
		for range int(w[x.a]) {
			g2 = append(g2, x)
		}
	}
	for _, x := range m {
		for range int(w[x.a] * w[x.b]) {
			m2 = append(m2, x)
		}
	}
	a, b := weighted{newScores(g, m, 3), w}, weighted{s: newScores(g2, m2, 3)}
	ea, ta := a.eer()
	eb, tb := b.eer()
	if !near(ea, eb, 1e-12) || !near(ta, tb, 1e-12) {
		t.Errorf("%v at %v, copies %v at %v", ea, ta, eb, tb)
	}
	for _, target := range []float64{0.01, 0.3, 0.5, 0.9} {
		if a.threshold(target) != b.threshold(target) {
			t.Errorf("threshold for %v: %v, copies %v", target, a.threshold(target), b.threshold(target))
		}
	}
	if got := a.share(a.s.genuine, .6); !near(got, 2.0/6, 1e-12) {
		t.Errorf("share %v", got)
	}
}

// F-07: a threshold keeps its promise on the scores that it was made of, and none that is lower does.
func TestF07ThresholdKeepsTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.IntRange(0, 30), 1, 60).Draw(t, "scores")
		var m []trial
		for i, x := range v {
			m = append(m, trial{float64(x) / 30, int32(i), int32(i)})
		}
		s := newScores(nil, m, len(m))
		target := rapid.Float64Range(0, 1).Draw(t, "target")
		at := (weighted{s: s}).threshold(target)
		if f := *s.fmr(at).Value; f > target+1e-9 {
			t.Fatalf("FMR %v above %v", f, target)
		}
		if lower := at - 1e-9; !math.IsInf(at, 0) {
			if f := *s.fmr(lower).Value; f <= target-1e-9 {
				t.Fatalf("the threshold could be lower: FMR %v", f)
			}
		}
	})
}

// F-07: the bootstrap by persons knows that trials of one person are no independent trials: bounds are
// wider than Wilson's where few persons make all errors, and the same data give the same bounds.
func TestF07BootstrapByPerson(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	var g []trial
	for p := range 40 {
		for range 50 {
			score := .8 + .1*rnd.Float64()
			if p < 4 { // four persons of forty are never recognised
				score = .2
			}
			g = append(g, trial{score, int32(p), int32(p)})
		}
	}
	s := newScores(g, nil, 40)
	r := s.fnmr(.5)
	ask := func(q weighted) []float64 { return []float64{q.share(s.genuine, .5)} }
	r.withBounds(s.bootstrap(ask)[0])
	if *r.Value != .1 || r.BootLow == nil {
		t.Fatalf("%+v", r)
	}
	// Binomial over 40 persons: standard deviation .047; 95 % about .025 … .2.
	if *r.BootHigh-*r.BootLow < 3*(*r.High-*r.Low) || *r.BootLow > .05 || *r.BootHigh < .17 || *r.BootHigh > .25 {
		t.Errorf("bootstrap %v … %v, Wilson %v … %v", *r.BootLow, *r.BootHigh, *r.Low, *r.High)
	}
	again := s.fnmr(.5)
	again.withBounds(s.bootstrap(ask)[0])
	if *again.BootLow != *r.BootLow || *again.BootHigh != *r.BootHigh {
		t.Error("the same data gave other bounds")
	}
	if s := newScores(g[:100], nil, 40); s.bootstrap(ask) != nil {
		t.Error("two persons carried a bootstrap")
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{1, 2, 3, 4, 5}
	for p, want := range map[float64]float64{0: 1, .5: 3, 1: 5, .25: 2, .1: 1.4} {
		if got := quantile(v, p); !near(got, want, 1e-12) {
			t.Errorf("quantile %v: %v", p, got)
		}
	}
}
