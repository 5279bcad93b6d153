package evaluate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"egate/facematch"
)

// Report is what is published: JSON as it stands, and the page made of it.
type Report struct {
	Format      string          `json:"format"`
	Tool        string          `json:"tool"`
	Made        string          `json:"made"` // RFC 3339, UTC
	Seconds     float64         `json:"seconds"`
	Model       ModelFacts      `json:"model"`
	Policy      PolicyFacts     `json:"policy"`
	Set         SetFacts        `json:"set"`
	Acquisition Acquisition     `json:"acquisition"`
	Accuracy    *Accuracy       `json:"accuracy"` // null: not evaluated
	Transaction *TransactionFMR `json:"transaction"`
	Columns     []Column        `json:"differentials"`
	LookAlikes  []LookAlike     `json:"look_alikes"`
	Missed      []LookAlike     `json:"lowest_genuine"`
	Morph       *MorphFacts     `json:"morph"`
	Latency     Latency         `json:"latency"`
	// NotEvaluated lists what the data do not tell.
	NotEvaluated []string `json:"not_evaluated"`

	scores *scores
}

// ModelFacts name the pack.
type ModelFacts struct {
	Pack      string   `json:"pack"`
	Hash      string   `json:"manifest_sha256"`
	Embedder  string   `json:"embedder"`
	Demo      bool     `json:"demonstration"`
	Statement string   `json:"statement"`
	PAD       string   `json:"pad_statement"`
	Signers   []string `json:"signers,omitempty"`
}

// PolicyFacts name under which rules pictures were compared and judged.
type PolicyFacts struct {
	Quality  string  `json:"quality"` // measure or gate
	Match    float64 `json:"match_threshold"`
	Hash     string  `json:"sha256"`
	Verdict  string  `json:"verdict_policy"`
	Attempts int     `json:"attempts_per_transaction"`
	Target   float64 `json:"target_fmr"`
}

// SetFacts name the pictures.
type SetFacts struct {
	Name        string   `json:"name"`
	Form        string   `json:"form"`
	Hash        string   `json:"sha256"`
	Pictures    int      `json:"pictures"`
	Persons     int      `json:"persons"`
	PersonsFrom string   `json:"persons_from"`
	Genuine     int      `json:"genuine_pairs"`
	Impostor    int      `json:"impostor_pairs"`
	Morph       int      `json:"morph_pairs"`
	Labels      []string `json:"labels"`
	Notes       []string `json:"notes,omitempty"`
}

// Acquisition is what became of the pictures.
type Acquisition struct {
	Pictures int            `json:"pictures"`
	Decode   Rate           `json:"failure_to_decode"`
	Detect   Rate           `json:"failure_to_detect"`  // of the decoded ones
	Enrol    Rate           `json:"failure_to_enrol"`   // as a portrait, of all
	Acquire  Rate           `json:"failure_to_acquire"` // as a live picture, of all
	Applied  bool           `json:"quality_applied"`
	Reasons  map[string]int `json:"reasons"`
	Portrait map[string]int `json:"portrait_reasons"`
	Probe    map[string]int `json:"probe_reasons"`
	Several  int            `json:"pictures_with_several_faces"`
}

// Accuracy is what the scores say.
type Accuracy struct {
	Compared     [2]int   `json:"compared"`     // genuine, impostor
	NotCompared  [2]int   `json:"not_compared"` // failures, by kind
	GenuineMean  float64  `json:"genuine_mean"`
	GenuineSD    float64  `json:"genuine_sd"`
	ImpostorMean float64  `json:"impostor_mean"`
	ImpostorSD   float64  `json:"impostor_sd"`
	EER          *float64 `json:"eer"`
	EERLow       *float64 `json:"eer_bootstrap_low,omitempty"`
	EERHigh      *float64 `json:"eer_bootstrap_high,omitempty"`
	EERAt        *float64 `json:"eer_threshold"`
	Operating    Point    `json:"operating_point"` // the policy's threshold
	Points       []Point  `json:"points"`          // for targets of FMR
}

// Point is one threshold.
type Point struct {
	Target        float64  `json:"target_fmr,omitempty"`
	Threshold     float64  `json:"threshold"`
	ThresholdLow  *float64 `json:"threshold_bootstrap_low,omitempty"`
	ThresholdHigh *float64 `json:"threshold_bootstrap_high,omitempty"`
	FMR           Rate     `json:"fmr"`
	FNMR          Rate     `json:"fnmr"`
	// Rejected counts failures to enrol and acquire as false rejections, Accepted as no false match.
	Rejected Rate `json:"false_rejections_with_failures"`
	Accepted Rate `json:"false_acceptances_with_failures"`
	// Supported is false where the data are too few for the target: fewer than 30 expected errors.
	Supported bool `json:"supported"`
}

// TransactionFMR is the threshold for a target of false matches per passage, with all its attempts.
type TransactionFMR struct {
	Target        float64  `json:"target_fmr"`
	Attempts      int      `json:"attempts"`
	Method        string   `json:"method"`
	Measured      bool     `json:"measured"` // from transactions of the data, with fusion and attempts
	Transactions  [2]int   `json:"transactions,omitempty"`
	Threshold     float64  `json:"threshold"`
	ThresholdLow  *float64 `json:"threshold_bootstrap_low,omitempty"`
	ThresholdHigh *float64 `json:"threshold_bootstrap_high,omitempty"`
	FMR           Rate     `json:"fmr"`
	FNMR          Rate     `json:"fnmr"`
	Supported     bool     `json:"supported"`
	// Worst is the labelled group that needs the highest threshold for the same target.
	Worst *GroupThreshold `json:"worst_group"`
}

// GroupThreshold is what one group needs.
type GroupThreshold struct {
	Column        string   `json:"column"`
	Value         string   `json:"value"`
	Threshold     float64  `json:"threshold"`
	ThresholdLow  *float64 `json:"threshold_bootstrap_low,omitempty"`
	ThresholdHigh *float64 `json:"threshold_bootstrap_high,omitempty"`
	FNMR          Rate     `json:"fnmr_of_all"` // of everybody, at this threshold
	Supported     bool     `json:"supported"`
}

// Column is one label with its groups.
type Column struct {
	Name   string  `json:"name"`
	Groups []Group `json:"groups"`
	// Ratios of the worst group to the geometric mean of the groups (ISO/IEC 19795-10), null where a
	// group has no error.
	FMRRatio  *float64 `json:"worst_fmr_over_geometric_mean"`
	FNMRRatio *float64 `json:"worst_fnmr_over_geometric_mean"`
	WorstFMR  string   `json:"worst_fmr,omitempty"`
	WorstFNMR string   `json:"worst_fnmr,omitempty"`
	Unlabeled int      `json:"pairs_of_no_or_two_groups"`
}

// Group is one value of a label, at the operating point.
type Group struct {
	Value     string   `json:"value"`
	FMR       Rate     `json:"fmr"`
	FNMR      Rate     `json:"fnmr"`
	Failures  Rate     `json:"pairs_not_compared"`
	Threshold *float64 `json:"threshold_for_target"`
	Supported bool     `json:"supported"`
}

// LookAlike is one pair whose score is against its label.
type LookAlike struct {
	A       string  `json:"a"`
	B       string  `json:"b"`
	PersonA string  `json:"person_a"`
	PersonB string  `json:"person_b"`
	Score   float64 `json:"score"`
	Match   bool    `json:"match"`
}

// MorphFacts are morphed portraits against those whom they are made of (ISO/IEC 20059: MAP).
type MorphFacts struct {
	Morphs   int    `json:"morphs"`
	Skipped  int    `json:"morphs_with_one_contributor"`
	Attempts int    `json:"attempts"`
	Accepted Rate   `json:"attempts_accepted"`
	MAP      []Rate `json:"morph_attack_potential"` // with one system, by number of accepted attempts each: 1, 2, …
	// The gate's morph hint, of pairs that match: morphs without an alert, genuine pairs with one.
	HintAPCER Rate `json:"hint_apcer"`
	HintBPCER Rate `json:"hint_bpcer"`
}

// Latency is time per picture, milliseconds, as measured in this run with so many workers.
type Latency struct {
	Workers int      `json:"workers"`
	Decode  *Seconds `json:"decode_ms"`
	Detect  *Seconds `json:"detect_ms"`
	Whole   *Seconds `json:"detect_to_template_ms"`
}

// Seconds are percentiles, in milliseconds.
type Seconds struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	Max float64 `json:"max"`
}

// Terms of a report.
type Terms struct {
	Tool       string
	Match      float64
	PolicyHash string
	PolicyName string
	Target     float64 // of FMR per transaction
	Attempts   int
	Workers    int
	Now        time.Time
}

// targets of the table.
var targets = []float64{1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6}

// enough expected errors make a figure for a target (rule of 30).
const (
	enough     = 30
	listLength = 20
	maxGroups  = 200
)

// ReportFormat names the form of the JSON.
const ReportFormat = "egate/face-evaluation/1"

// Report makes the report.
func (o *Outcome) Report(t Terms) *Report {
	s := o.Set
	r := &Report{Format: ReportFormat, Tool: t.Tool, Made: t.Now.UTC().Format(time.RFC3339), Seconds: math.Round(o.Took.Seconds()*10) / 10,
		Model: Facts(o.Info), Columns: []Column{}, LookAlikes: []LookAlike{}, Missed: []LookAlike{}, NotEvaluated: []string{},
		Policy: PolicyFacts{string(o.Policy), t.Match, t.PolicyHash, t.PolicyName, t.Attempts, t.Target},
		Set:    SetFacts{Name: s.Name, Form: s.Form, Hash: s.Hash, Pictures: len(s.Samples), Persons: s.living(), PersonsFrom: s.PersonsFrom, Labels: s.Columns, Notes: s.Note}}
	if r.Set.Labels == nil {
		r.Set.Labels = []string{}
	}
	for _, p := range s.Pairs {
		switch p.Kind {
		case Genuine:
			r.Set.Genuine++
		case Impostor:
			r.Set.Impostor++
		default:
			r.Set.Morph++
		}
	}
	r.Acquisition = o.acquisition()
	r.Latency = o.latency(t.Workers)
	all, lost := o.trials(func(Pair) bool { return true })
	r.scores = all
	no := func(format string, args ...any) {
		r.NotEvaluated = append(r.NotEvaluated, fmt.Sprintf(format, args...))
	}
	if len(all.genuine) == 0 && len(all.impostor) == 0 {
		no("recognition: no pair could be compared")
	} else {
		r.Accuracy = accuracy(all, lost, t, no)
		r.Transaction = o.transaction(all, t, no)
		r.Columns = o.columns(t, r, no)
	}
	r.LookAlikes, r.Missed = o.extremes(t.Match)
	if r.Morph = o.morph(t.Match); r.Morph == nil {
		no("morphed portraits, and the morph hint: no pair has the label morph")
	}
	if len(s.Columns) == 0 {
		no("differences between groups (ISO/IEC 19795-10): the data carry no labels")
	}
	if o.Policy == Measure {
		no("the gate's quality demands: measured and reported, not applied (policy measure)")
	}
	no("presentation attacks: egatectl face pad-evaluate")
	return r
}

// Facts of a pack for a report.
func Facts(i facematch.Info) ModelFacts {
	return ModelFacts{i.ID, i.Hash, i.Embedder, i.Demo, i.Statement, i.PAD, i.Signers}
}

// compared tells whether a pair counts as compared under the policy.
func (o *Outcome) compared(k int) bool {
	if math.IsNaN(float64(o.scores[k])) {
		return false
	}
	p := o.Set.Pairs[k]
	return o.Policy != Gate || o.pictures[p.A].Portrait == "" && o.pictures[p.B].Probe == ""
}

// trials sorts the compared pairs that are asked for; lost counts those that could not be compared.
func (o *Outcome) trials(take func(Pair) bool) (*scores, [2]int) {
	var g, m []trial
	var lost [2]int
	for k, p := range o.Set.Pairs {
		if p.Kind == Morph || !take(p) {
			continue
		}
		if !o.compared(k) {
			lost[p.Kind]++
			continue
		}
		t := trial{float64(o.scores[k]), int32(o.Set.Samples[p.A].Person), int32(o.Set.Samples[p.B].Person)}
		if p.Kind == Genuine {
			g = append(g, t)
		} else {
			m = append(m, t)
		}
	}
	return newScores(g, m, len(o.Set.Persons)), lost
}

func (o *Outcome) acquisition() Acquisition {
	a := Acquisition{Pictures: len(o.pictures), Applied: o.Policy == Gate, Reasons: map[string]int{}, Portrait: map[string]int{}, Probe: map[string]int{}}
	decoded, detected, enrolled, acquired := 0, 0, 0, 0
	for i := range o.pictures {
		p := &o.pictures[i]
		switch {
		case !p.done:
			continue
		case p.Reason == "":
			decoded++
			detected++
		case p.Reason == facematch.NoFaceFound || p.Reason == ModelFailed:
			decoded++
		}
		if p.Reason != "" {
			a.Reasons[p.Reason]++
		} else {
			if p.Portrait == "" {
				enrolled++
			} else {
				a.Portrait[p.Portrait]++
			}
			if p.Probe == "" {
				acquired++
			} else {
				a.Probe[p.Probe]++
			}
		}
		if p.Faces > 1 {
			a.Several++
		}
	}
	n := len(o.pictures)
	a.Decode, a.Detect = NewRate(n-decoded, n), NewRate(decoded-detected, decoded)
	a.Enrol, a.Acquire = NewRate(n-enrolled, n), NewRate(n-acquired, n)
	return a
}

// accuracy of scores, with bounds by persons.
func accuracy(s *scores, lost [2]int, t Terms, no func(string, ...any)) *Accuracy {
	a := &Accuracy{Compared: [2]int{len(s.genuine), len(s.impostor)}, NotCompared: lost, Points: []Point{}}
	if len(s.genuine) == 0 {
		no("false non-matches: no genuine pair was compared")
	} else {
		a.GenuineMean, a.GenuineSD = meanSD(s.genuine)
	}
	if len(s.impostor) == 0 {
		no("false matches: no impostor pair was compared")
	} else {
		a.ImpostorMean, a.ImpostorSD = meanSD(s.impostor)
	}
	q := weighted{s: s}
	point := func(target, at float64) Point {
		p := Point{Target: target, Threshold: at, FMR: s.fmr(at), FNMR: s.fnmr(at), Supported: true}
		p.Rejected = NewRate(p.FNMR.Events+lost[Genuine], p.FNMR.Trials+lost[Genuine])
		p.Accepted = NewRate(p.FMR.Events, p.FMR.Trials+lost[Impostor])
		return p
	}
	a.Operating = point(0, t.Match)
	if len(s.impostor) > 0 {
		for _, f := range targets {
			if f*float64(len(s.impostor)) < 0.5 {
				break // not even one false match is expected
			}
			p := point(f, finite(q.threshold(f), s))
			p.Supported = f*float64(len(s.impostor)) >= enough
			a.Points = append(a.Points, p)
		}
	}
	if e, at := q.eer(); !math.IsNaN(e) {
		a.EER, a.EERAt = &e, &at
	}
	drawn := s.bootstrap(func(w weighted) []float64 {
		e, _ := w.eer()
		v := []float64{e, 1 - w.share(s.impostor, t.Match), w.share(s.genuine, t.Match)}
		for _, p := range a.Points {
			v = append(v, w.threshold(p.Target), w.share(s.genuine, p.Threshold), 1-w.share(s.impostor, p.Threshold))
		}
		return v
	})
	if drawn == nil {
		no("bounds by person: fewer than %d persons", minPersons)
		return a
	}
	if a.EER != nil {
		if lo, hi, ok := interval(drawn[0]); ok {
			a.EERLow, a.EERHigh = &lo, &hi
		}
	}
	a.Operating.FMR.withBounds(drawn[1])
	a.Operating.FNMR.withBounds(drawn[2])
	for i := range a.Points {
		p := &a.Points[i]
		if lo, hi, ok := interval(drawn[3+3*i]); ok {
			p.ThresholdLow, p.ThresholdHigh = &lo, &hi
		}
		p.FNMR.withBounds(drawn[4+3*i])
		p.FMR.withBounds(drawn[5+3*i])
	}
	return a
}

// finite is a threshold within the scores: a target that every score keeps needs none.
func finite(t float64, s *scores) float64 {
	if math.IsInf(t, -1) {
		return s.impostor[0].score
	}
	return t
}

// fusion of the comparisons of one attempt: the median, as in a capture.
func fusion(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// transactions fuses the comparisons of each attempt and takes the best attempt of each transaction; nil
// where the data name none.
func (o *Outcome) transactions() *scores {
	if len(o.Set.Transaction) == 0 {
		return nil
	}
	type key struct{ tx, attempt string }
	type one struct {
		kind Kind
		t    trial
		ok   bool
	}
	attempts := map[key][]float64{}
	txs := map[string]*one{}
	var order []string
	named := false
	for k, p := range o.Set.Pairs {
		if p.Kind == Morph || p.Row < 0 {
			continue
		}
		tx := o.Set.Transaction[p.Row]
		if tx == "" {
			continue
		}
		named = true
		if txs[tx] == nil {
			txs[tx] = &one{kind: p.Kind, t: trial{math.Inf(-1), int32(o.Set.Samples[p.A].Person), int32(o.Set.Samples[p.B].Person)}}
			order = append(order, tx)
		}
		if o.compared(k) && txs[tx].kind == p.Kind {
			a := key{tx, o.Set.Attempt[p.Row]}
			attempts[a] = append(attempts[a], float64(o.scores[k]))
		}
	}
	if !named {
		return nil
	}
	for a, v := range attempts {
		x := txs[a.tx]
		x.t.score, x.ok = math.Max(x.t.score, fusion(v)), true
	}
	var g, m []trial
	for _, tx := range order {
		x := txs[tx]
		switch {
		case !x.ok:
		case x.kind == Genuine:
			g = append(g, x.t)
		default:
			m = append(m, x.t)
		}
	}
	return newScores(g, m, len(o.Set.Persons))
}

// transaction finds the threshold for the target per passage.
func (o *Outcome) transaction(all *scores, t Terms, no func(string, ...any)) *TransactionFMR {
	if len(all.impostor) == 0 {
		return nil
	}
	s, target := o.transactions(), t.Target
	r := &TransactionFMR{Target: t.Target, Attempts: t.Attempts}
	if s != nil && len(s.impostor) > 0 {
		r.Measured, r.Method = true, "measured: transactions of the list; comparisons of one attempt fused by their median, the best attempt counts"
		r.Transactions = [2]int{len(s.genuine), len(s.impostor)}
	} else {
		s = all
		target /= float64(t.Attempts)
		r.Method = "bound: the target divided by the number of attempts; scores of single comparisons, the fusion of several pictures is not evaluated"
		no("fusion and attempts of a passage: the list names no transactions; the threshold per transaction is a bound")
	}
	q := weighted{s: s}
	r.Threshold = finite(q.threshold(target), s)
	r.FMR, r.FNMR = s.fmr(r.Threshold), s.fnmr(r.Threshold)
	r.Supported = target*float64(len(s.impostor)) >= enough
	drawn := s.bootstrap(func(w weighted) []float64 {
		return []float64{w.threshold(target), 1 - w.share(s.impostor, r.Threshold), w.share(s.genuine, r.Threshold)}
	})
	if drawn != nil {
		if lo, hi, ok := interval(drawn[0]); ok {
			r.ThresholdLow, r.ThresholdHigh = &lo, &hi
		}
		r.FMR.withBounds(drawn[1])
		r.FNMR.withBounds(drawn[2])
	}
	return r
}

// columns makes the differentials, and finds the group that needs the highest threshold.
func (o *Outcome) columns(t Terms, r *Report, no func(string, ...any)) []Column {
	out := []Column{}
	target := t.Target / float64(t.Attempts)
	var worst *GroupThreshold
	var worstScores *scores
	for c, name := range o.Set.Columns {
		values := map[string]int{}
		col := Column{Name: name, Groups: []Group{}}
		for _, p := range o.Set.Pairs {
			if p.Kind == Morph {
				continue
			}
			if v := o.Set.label(p, c); v != "" {
				values[v]++
			} else {
				col.Unlabeled++
			}
		}
		if len(values) > maxGroups {
			no("column %q: %d values are no groups", name, len(values))
			continue
		}
		keys := make([]string, 0, len(values))
		for v := range values {
			keys = append(keys, v)
		}
		slices.Sort(keys)
		for _, v := range keys {
			s, lost := o.trials(func(p Pair) bool { return o.Set.label(p, c) == v })
			g := Group{Value: v, FMR: s.fmr(t.Match), FNMR: s.fnmr(t.Match)}
			g.Failures = NewRate(lost[0]+lost[1], lost[0]+lost[1]+len(s.genuine)+len(s.impostor))
			drawn := s.bootstrap(func(w weighted) []float64 {
				return []float64{1 - w.share(s.impostor, t.Match), w.share(s.genuine, t.Match)}
			})
			if drawn != nil {
				g.FMR.withBounds(drawn[0])
				g.FNMR.withBounds(drawn[1])
			}
			if len(s.impostor) > 0 {
				at := finite(weighted{s: s}.threshold(target), s)
				g.Threshold, g.Supported = &at, target*float64(len(s.impostor)) >= enough
				// A group that has too few pairs is the worst only where no group has enough.
				if worst == nil || g.Supported && !worst.Supported || g.Supported == worst.Supported && at > worst.Threshold {
					worst, worstScores = &GroupThreshold{Column: name, Value: v, Threshold: at, Supported: g.Supported}, s
				}
			}
			col.Groups = append(col.Groups, g)
		}
		col.FMRRatio, col.WorstFMR = ratio(col.Groups, func(g Group) Rate { return g.FMR })
		col.FNMRRatio, col.WorstFNMR = ratio(col.Groups, func(g Group) Rate { return g.FNMR })
		out = append(out, col)
	}
	if worst != nil && r.Transaction != nil {
		worst.FNMR = r.scores.fnmr(worst.Threshold)
		drawn := worstScores.bootstrap(func(w weighted) []float64 { return []float64{w.threshold(target)} })
		if drawn != nil {
			if lo, hi, ok := interval(drawn[0]); ok {
				worst.ThresholdLow, worst.ThresholdHigh = &lo, &hi
			}
		}
		r.Transaction.Worst = worst
	}
	return out
}

// ratio of the worst group's rate to the geometric mean of all groups; none where a group has no error or
// no trial, because it would be without bound.
func ratio(groups []Group, of func(Group) Rate) (*float64, string) {
	var sum, worst float64
	name := ""
	for _, g := range groups {
		r := of(g)
		if r.Value == nil {
			return nil, name
		}
		if *r.Value > worst {
			worst, name = *r.Value, g.Value
		}
		sum += math.Log(*r.Value)
	}
	if len(groups) < 2 || math.IsInf(sum, -1) {
		return nil, name
	}
	v := worst / math.Exp(sum/float64(len(groups)))
	return &v, name
}

// extremes lists the impostor pairs with the highest and the genuine pairs with the lowest scores.
func (o *Outcome) extremes(match float64) (high, low []LookAlike) {
	high, low = []LookAlike{}, []LookAlike{}
	type at struct {
		k     int
		score float64
	}
	top := func(kind Kind, sign float64) []at {
		var v []at
		for k, p := range o.Set.Pairs {
			if p.Kind != kind || !o.compared(k) {
				continue
			}
			x := at{k, sign * float64(o.scores[k])}
			if len(v) == listLength && x.score <= v[len(v)-1].score {
				continue
			}
			i, _ := slices.BinarySearchFunc(v, x, func(a, b at) int { return -cmp.Compare(a.score, b.score) })
			v = slices.Insert(v, i, x)
			v = v[:min(len(v), listLength)]
		}
		return v
	}
	name := func(x at, sign float64) LookAlike {
		p := o.Set.Pairs[x.k]
		a, b := o.Set.Samples[p.A], o.Set.Samples[p.B]
		return LookAlike{a.Path, b.Path, o.Set.Persons[a.Person], o.Set.Persons[b.Person], round6(sign * x.score), sign*x.score >= match}
	}
	for _, x := range top(Impostor, 1) {
		high = append(high, name(x, 1))
	}
	for _, x := range top(Genuine, -1) {
		low = append(low, name(x, -1))
	}
	return high, low
}

func round6(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// morph counts how many morphs are taken for every one of whom they are made, by how many attempts.
func (o *Outcome) morph(match float64) *MorphFacts {
	type contributors map[int]int // accepted attempts
	by := map[int32]contributors{}
	var order []int32
	m := &MorphFacts{}
	accepted, most := 0, 0
	for k, p := range o.Set.Pairs {
		if p.Kind != Morph {
			continue
		}
		if by[p.A] == nil {
			by[p.A] = contributors{}
			order = append(order, p.A)
		}
		who := o.Set.Samples[p.B].Person
		by[p.A][who] += 0
		m.Attempts++
		if o.compared(k) && float64(o.scores[k]) >= match {
			by[p.A][who]++
			accepted++
			most = max(most, by[p.A][who])
		}
	}
	if m.Attempts == 0 {
		return nil
	}
	m.Accepted = NewRate(accepted, m.Attempts)
	m.HintAPCER, m.HintBPCER = o.hint()
	for _, i := range order {
		if len(by[i]) < 2 {
			m.Skipped++
			continue
		}
		m.Morphs++
	}
	for n := 1; n <= max(1, most); n++ {
		good := 0
		for _, i := range order {
			if len(by[i]) < 2 {
				continue
			}
			every := true
			for _, got := range by[i] {
				every = every && got >= n
			}
			if every {
				good++
			}
		}
		m.MAP = append(m.MAP, NewRate(good, m.Morphs))
	}
	return m
}

// hint counts the alerts of the morph hint.
func (o *Outcome) hint() (apcer, bpcer Rate) {
	var missed, morphs, alarmed, genuine int
	for k, p := range o.Set.Pairs {
		if o.hints == nil || o.hints[k] == noHint {
			continue
		}
		alert := facematch.MorphHint{Cues: int(o.hints[k])}.Alert()
		switch p.Kind {
		case Morph:
			if morphs++; !alert {
				missed++
			}
		case Genuine:
			if genuine++; alert {
				alarmed++
			}
		}
	}
	return NewRate(missed, morphs), NewRate(alarmed, genuine)
}

func (o *Outcome) latency(workers int) Latency {
	var d, t, w []float64
	for _, p := range o.pictures {
		if p.Decode > 0 && p.Reason == "" {
			d, t, w = append(d, p.Decode), append(t, p.Detect), append(w, p.Whole)
		}
	}
	return Latency{workers, percentiles(d), percentiles(t), percentiles(w)}
}

func percentiles(v []float64) *Seconds {
	if len(v) == 0 {
		return nil
	}
	slices.Sort(v)
	r := func(x float64) float64 { return math.Round(x*100) / 100 }
	return &Seconds{len(v), r(quantile(v, .5)), r(quantile(v, .95)), v[len(v)-1]}
}
