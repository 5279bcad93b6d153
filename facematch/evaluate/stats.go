package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Rate is a share of trials with bounds. Low and High are the Wilson bounds at 95 % for independent
// trials; BootLow and BootHigh are those of a bootstrap by persons, which is the honest one where a person
// is in many trials, and are absent where there are too few persons.
type Rate struct {
	Events   int      `json:"events"`
	Trials   int      `json:"trials"`
	Value    *float64 `json:"value"` // null without trials: not evaluated
	Low      *float64 `json:"low"`
	High     *float64 `json:"high"`
	BootLow  *float64 `json:"bootstrap_low,omitempty"`
	BootHigh *float64 `json:"bootstrap_high,omitempty"`
}

// z95 is the 0.975 quantile of the normal distribution.
const z95 = 1.959963984540054

// NewRate makes a rate with its Wilson bounds.
func NewRate(events, trials int) Rate {
	r := Rate{Events: events, Trials: trials}
	if trials <= 0 {
		return r
	}
	v := float64(events) / float64(trials)
	lo, hi := Wilson(events, trials)
	r.Value, r.Low, r.High = &v, &lo, &hi
	return r
}

// Wilson is the score interval at 95 % (E. B. Wilson, 1927) of a share.
func Wilson(events, trials int) (low, high float64) {
	if trials <= 0 {
		return 0, 1
	}
	n, p, z2 := float64(trials), float64(events)/float64(trials), z95*z95
	mid := (p + z2/(2*n)) / (1 + z2/n)
	half := z95 / (1 + z2/n) * math.Sqrt(p*(1-p)/n+z2/(4*n*n))
	low, high = math.Max(0, mid-half), math.Min(1, mid+half)
	if events == 0 {
		low = 0
	}
	if events == trials {
		high = 1
	}
	return low, high
}

// trial is one comparison: its score and the persons of its two sides, who are one for a genuine one.
type trial struct {
	score float64
	a, b  int32
}

// scores are the comparisons of one question, sorted by score.
type scores struct {
	genuine, impostor []trial
	persons           int
}

func newScores(genuine, impostor []trial, persons int) *scores {
	by := func(x, y trial) int {
		switch {
		case x.score < y.score:
			return -1
		case x.score > y.score:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(genuine, by)
	slices.SortStableFunc(impostor, by)
	return &scores{genuine, impostor, persons}
}

// below is how many of sorted trials lie under t.
func below(v []trial, t float64) int {
	n, _ := slices.BinarySearchFunc(v, t, func(x trial, t float64) int {
		if x.score < t {
			return -1
		}
		return 1
	})
	return n
}

// fmr is the false match rate at a threshold: a score of the threshold and above is a match.
func (s *scores) fmr(t float64) Rate {
	n := len(s.impostor)
	return NewRate(n-below(s.impostor, t), n)
}

// fnmr is the false non-match rate at a threshold.
func (s *scores) fnmr(t float64) Rate {
	return NewRate(below(s.genuine, t), len(s.genuine))
}

// weighted sweeps the scores with a weight per person: a genuine trial weighs as its person, an impostor
// trial as the product of its two.
type weighted struct {
	s *scores
	w []float64 // nil: all one
}

func (q weighted) of(t trial) float64 {
	if q.w == nil {
		return 1
	}
	if t.a == t.b {
		return q.w[t.a]
	}
	return q.w[t.a] * q.w[t.b]
}

func (q weighted) total(v []trial) (sum float64) {
	if q.w == nil {
		return float64(len(v))
	}
	for _, t := range v {
		sum += q.of(t)
	}
	return sum
}

// share is the weighted part of trials below a threshold, NaN without weight.
func (q weighted) share(v []trial, t float64) float64 {
	n := below(v, t)
	return q.total(v[:n]) / q.total(v)
}

// eer is the rate at which false matches and false non-matches are equally frequent, and its threshold:
// the crossing of the two step functions, interpolated between the scores on both sides of it.
func (q weighted) eer() (rate, threshold float64) {
	g, m := q.s.genuine, q.s.impostor
	tg, tm := q.total(g), q.total(m)
	if !(tg > 0) || !(tm > 0) {
		return math.NaN(), math.NaN()
	}
	var ng, nm float64 // weight below the threshold
	lastF, lastN, lastT := 1.0, 0.0, math.Inf(-1)
	for i, j := 0, 0; i < len(g) || j < len(m); {
		// The threshold moves just above the next score.
		t := math.Inf(1)
		if i < len(g) {
			t = g[i].score
		}
		if j < len(m) {
			t = math.Min(t, m[j].score)
		}
		for ; i < len(g) && g[i].score <= t; i++ {
			ng += q.of(g[i])
		}
		for ; j < len(m) && m[j].score <= t; j++ {
			nm += q.of(m[j])
		}
		f, n := 1-nm/tm, ng/tg
		if f < 1e-12 {
			f = 0
		}
		if n >= f {
			// From (lastF, lastN) to (f, n): where they meet on the straight line between.
			d := (lastF - lastN) + (n - f)
			if d <= 0 {
				return n, t
			}
			k := (lastF - lastN) / d
			if math.IsInf(lastT, -1) {
				lastT = t
			}
			return lastN + k*(n-lastN), lastT + k*(t-lastT)
		}
		lastF, lastN, lastT = f, n, t
	}
	return math.NaN(), math.NaN()
}

// threshold is the smallest threshold whose false match rate is not above the target.
func (q weighted) threshold(target float64) float64 {
	m := q.s.impostor
	allowed := target * q.total(m)
	var above float64
	for i := len(m) - 1; i >= 0; {
		j := i
		var tie float64
		for ; j >= 0 && m[j].score == m[i].score; j-- {
			tie += q.of(m[j])
		}
		if above+tie > allowed*(1+1e-12) {
			return math.Nextafter(m[i].score, math.Inf(1))
		}
		above += tie
		i = j
	}
	return math.Inf(-1)
}

// bootstrapRounds is how often persons are drawn anew.
const (
	bootstrapRounds = 400
	bootstrapTrials = 200_000_000 // trials times rounds, at most
	minPersons      = 10          // fewer persons carry no bootstrap
)

// bootstrap draws as many persons as there are, with repetition, and asks for statistics of each draw.
// The seed is fixed: the same data give the same bounds.
func (s *scores) bootstrap(ask func(weighted) []float64) [][]float64 {
	// Only persons who are in a trial count.
	in := make([]bool, s.persons)
	for _, v := range [][]trial{s.genuine, s.impostor} {
		for _, t := range v {
			in[t.a], in[t.b] = true, true
		}
	}
	var who []int
	for i, b := range in {
		if b {
			who = append(who, i)
		}
	}
	if len(who) < minPersons {
		return nil
	}
	rounds := bootstrapRounds
	if n := len(s.genuine) + len(s.impostor); n*rounds > bootstrapTrials {
		rounds = max(50, bootstrapTrials/n)
	}
	rnd := rand.New(rand.NewPCG(19795, uint64(len(who))))
	w := make([]float64, s.persons)
	var out [][]float64
	for range rounds {
		clear(w)
		for range who {
			w[who[rnd.IntN(len(who))]]++
		}
		for k, v := range ask(weighted{s, w}) {
			if len(out) <= k {
				out = append(out, nil)
			}
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				out[k] = append(out[k], v)
			}
		}
	}
	return out
}

// interval is the 95 % percentile interval of drawn values; false where too few could be drawn.
func interval(v []float64) (low, high float64, ok bool) {
	if len(v) < 40 {
		return 0, 0, false
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return quantile(v, 0.025), quantile(v, 0.975), true
}

// quantile of sorted values, interpolated.
func quantile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	x := p * float64(len(v)-1)
	i := int(x)
	if i+1 >= len(v) {
		return v[len(v)-1]
	}
	return v[i] + (x-float64(i))*(v[i+1]-v[i])
}

// withBounds adds bootstrap bounds to a rate. A rate of zero, which every draw repeats, gets none.
func (r *Rate) withBounds(v []float64) {
	lo, hi, ok := interval(v)
	if ok && r.Events > 0 && r.Events < r.Trials {
		r.BootLow, r.BootHigh = &lo, &hi
	}
}

func meanSD(v []trial) (mean, sd float64) {
	if len(v) == 0 {
		return math.NaN(), math.NaN()
	}
	for _, t := range v {
		mean += t.score
	}
	mean /= float64(len(v))
	for _, t := range v {
		sd += (t.score - mean) * (t.score - mean)
	}
	if len(v) > 1 {
		sd = math.Sqrt(sd / float64(len(v)-1))
	}
	return mean, sd
}
