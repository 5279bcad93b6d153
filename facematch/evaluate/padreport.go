package evaluate

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"hash/fnv"
	"image/color"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"egate/verdict"
)

// PADReport is what is published of presentation attack detection (ISO/IEC 30107-3): JSON as it stands, and
// the page made of it.
type PADReport struct {
	Format  string         `json:"format"`
	Tool    string         `json:"tool"`
	Made    string         `json:"made"` // RFC 3339, UTC
	Seconds float64        `json:"seconds"`
	Model   ModelFacts     `json:"model"`
	Policy  PADPolicyFacts `json:"policy"`
	Set     PADSetFacts    `json:"set"`
	// Species of attacks, and the living persons last.
	Species []Species `json:"species"`
	// Worst is the species with the highest share of accepted attacks, which is what ISO/IEC 30107-3 §13.2
	// asks for; null without attacks.
	Worst        *Species `json:"worst_species"`
	BonaFide     *Species `json:"bona_fide"`
	Latency      *Seconds `json:"ms_per_picture"` // detection to template and texture, without opening
	NotEvaluated []string `json:"not_evaluated"`

	outcome *PADOutcome
}

// PADPolicyFacts name the rules.
type PADPolicyFacts struct {
	Quality  string   `json:"quality"`
	Hash     string   `json:"sha256"`
	Verdict  string   `json:"verdict_policy"`
	Required []string `json:"required_signals"`
	Veto     []string `json:"veto_signals"` // refuse, and need not be evaluated
	Rate     float64  `json:"pictures_per_second"`
}

// PADSetFacts name the films.
type PADSetFacts struct {
	Name          string   `json:"name"`
	Form          string   `json:"form"`
	Hash          string   `json:"sha256"`
	Presentations int      `json:"presentations"`
	Pictures      int      `json:"pictures"`
	Notes         []string `json:"notes,omitempty"`
}

// Species is one kind of presentation: an instrument of attack, or living persons.
type Species struct {
	Name          string `json:"name"`
	BonaFide      bool   `json:"bona_fide"`
	Presentations int    `json:"presentations"`
	// Error is the share that the policy's signals classify wrongly: APCER of an attack, which every required
	// signal passed; BPCER of living persons, whom one refused or could not evaluate.
	Error Rate `json:"classification_error"`
	// NoResponse is the share of which no signal could be evaluated (APNRR, BPNRR).
	NoResponse Rate `json:"non_response"`
	// Detected is the share that a required signal refused, as opposed to not evaluated.
	Detected Rate            `json:"refused_by_a_required_signal"`
	Signals  []SpeciesSignal `json:"signals"`
	Reasons  map[string]int  `json:"pictures_of_no_use"`
}

// SpeciesSignal is what one signal made of one species.
type SpeciesSignal struct {
	Signal       string `json:"signal"`
	Required     bool   `json:"required"`
	Evaluated    int    `json:"evaluated"`
	NotEvaluated int    `json:"not_evaluated"`
	// Error is of the evaluated ones alone: attacks that passed, living persons that did not.
	Error  Rate     `json:"error_of_evaluated"`
	Median *float64 `json:"median_score"`
	Low    *float64 `json:"lowest_score"`
	High   *float64 `json:"highest_score"`
}

// needGate are the signals that a film cannot have: the gate plays the light, and sensors stand beside its camera.
var needGate = []verdict.CheckID{verdict.CheckPADLight, verdict.CheckPADNIR, verdict.CheckPADDepth, verdict.CheckPADSecondCamera}

// PADReportFormat names the form of the JSON.
const PADReportFormat = "egate/pad-evaluation/1"

// PADTerms of a report.
type PADTerms struct {
	Tool, PolicyName, PolicyHash string
	Policy                       verdict.Policy
	Now                          time.Time
}

// Report makes the report.
func (o *PADOutcome) Report(t PADTerms) *PADReport {
	s := o.Set
	r := &PADReport{Format: PADReportFormat, Tool: t.Tool, Made: t.Now.UTC().Format(time.RFC3339), Seconds: math.Round(o.Took.Seconds()*10) / 10,
		Model: Facts(o.Info), Policy: PADPolicyFacts{string(o.Policy), t.PolicyHash, t.PolicyName, []string{}, []string{}, o.Rate},
		Set:     PADSetFacts{s.Name, s.Form, s.Hash, len(s.Presentations), s.Pictures, s.Note},
		Species: []Species{}, NotEvaluated: []string{}, outcome: o}
	// What a film cannot have is left out of the decision and named below: a policy that asks for it would judge nobody.
	t.Policy.Checks = maps.Clone(t.Policy.Checks)
	var gateOnly []string
	for _, id := range needGate {
		if q := t.Policy.Checks[id]; q == verdict.Required || q == verdict.Veto {
			gateOnly = append(gateOnly, id.String()+" ("+string(q)+")")
			delete(t.Policy.Checks, id)
		}
	}
	for _, id := range Signals() {
		switch t.Policy.Checks[id] {
		case verdict.Required:
			r.Policy.Required = append(r.Policy.Required, id.String())
		case verdict.Veto:
			r.Policy.Veto = append(r.Policy.Veto, id.String())
		}
	}
	of := map[string][]*judged{}
	var names []string
	var times []float64
	for i := range o.judged {
		x := &o.judged[i]
		name := s.Presentations[i].Species
		if of[name] == nil {
			names = append(names, name)
		}
		of[name] = append(of[name], x)
		if x.Opened > 0 {
			times = append(times, x.Millis)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == BonaFide:
			return 1
		case b == BonaFide:
			return -1
		}
		return natural(a, b)
	})
	for _, n := range names {
		r.Species = append(r.Species, species(n, of[n], &t.Policy))
	}
	for i := range r.Species {
		k := &r.Species[i]
		switch {
		case k.BonaFide:
			r.BonaFide = k
		case r.Worst == nil || *k.Error.Value > *r.Worst.Error.Value:
			r.Worst = k
		}
	}
	r.Latency = percentiles(times)
	no := func(format string, args ...any) {
		r.NotEvaluated = append(r.NotEvaluated, fmt.Sprintf(format, args...))
	}
	if r.Worst == nil {
		no("APCER: the data hold no attack")
	}
	if r.BonaFide == nil {
		no("BPCER: the data hold no living person (a folder live/, bona-fide/, real/ or genuine/)")
	}
	for _, id := range Signals() {
		n := 0
		for _, k := range r.Species {
			for _, g := range k.Signals {
				if g.Signal == id.String() {
					n += g.Evaluated
				}
			}
		}
		if n == 0 {
			no("%s: of no presentation", id)
		}
	}
	if len(gateOnly) > 0 {
		no("%s: the policy asks for it and a film cannot have it; figures are without it", strings.Join(gateOnly, ", "))
	}
	no("pad_edges of a film whose camera was not fixed: its lines move with it; pad_moire of compressed films, which have lost the fine colours that it looks at")
	no("whether an attack would also match the portrait (IAPAR): there is no reference here")
	no("who follows a dot or a light: films have none, a turn to any side counts as one")
	if o.Policy == Measure {
		no("the gate's quality demands: nearly frontal pictures serve, whatever their quality (policy measure)")
	}
	return r
}

// species counts one kind.
func species(name string, of []*judged, rules *verdict.Policy) Species {
	k := Species{Name: name, BonaFide: name == BonaFide, Presentations: len(of), Signals: []SpeciesSignal{}, Reasons: map[string]int{}}
	accepted, mute, refused := 0, 0, 0
	for _, x := range of {
		ok, decides, heard, veto := !x.Several, false, false, x.Several
		for _, id := range Signals() {
			g := x.of(id)
			heard = heard || g.Result != unsettled
			switch rules.Checks[id] {
			case verdict.Required:
				decides = true
				ok = ok && g.Result == passed
				veto = veto || g.Result == failed
			case verdict.Veto: // what it could not evaluate does not count
				ok = ok && g.Result != failed
				veto = veto || g.Result == failed
			}
		}
		ok = ok && decides
		if ok {
			accepted++
		}
		if !heard {
			mute++
		}
		if veto {
			refused++
		}
		for why, n := range x.Reasons {
			k.Reasons[why] += n
		}
	}
	wrong := accepted
	if k.BonaFide {
		wrong = len(of) - accepted
	}
	k.Error, k.NoResponse, k.Detected = NewRate(wrong, len(of)), NewRate(mute, len(of)), NewRate(refused, len(of))
	for _, id := range Signals() {
		g := SpeciesSignal{Signal: id.String(), Required: rules.Checks[id] == verdict.Required}
		var scores []float64
		wrong := 0
		for _, x := range of {
			v := x.of(id)
			if v.Result == unsettled {
				g.NotEvaluated++
				continue
			}
			g.Evaluated++
			scores = append(scores, v.Score)
			if (v.Result == passed) != k.BonaFide {
				wrong++
			}
		}
		g.Error = NewRate(wrong, g.Evaluated)
		if len(scores) > 0 {
			slices.Sort(scores)
			m := fusion(scores)
			g.Median, g.Low, g.High = &m, &scores[0], &scores[len(scores)-1]
		}
		k.Signals = append(k.Signals, g)
	}
	return k
}

// Page makes the readable report.
func (r *PADReport) Page() ([]byte, error) {
	pics, err := r.Pictures()
	if err != nil {
		return nil, err
	}
	return page("pad.html", r, pics)
}

// Pictures of a report: the scores of each signal that has some, by species.
func (r *PADReport) Pictures() ([]Picture, error) {
	var out []Picture
	for _, id := range []verdict.CheckID{verdict.CheckPADTexture, verdict.CheckPADPlanarity, verdict.CheckPADLight, verdict.CheckPADEdges, verdict.CheckPADHands, verdict.CheckPADSpecular, verdict.CheckPADMoire, verdict.CheckPADGrain} {
		p, err := r.strip(id)
		if err != nil {
			return nil, err
		}
		if p != nil {
			out = append(out, Picture{strings.TrimPrefix(id.String(), "pad_"), p})
		}
	}
	return out, nil
}

// strip draws one point per presentation, a row per species; nil where the signal has no score.
func (r *PADReport) strip(id verdict.CheckID) (*plot.Plot, error) {
	axis := "score; refused left of the threshold"
	if id == verdict.CheckPADEdges || id == verdict.CheckPADHands || id == verdict.CheckPADSpecular || id == verdict.CheckPADMoire { // they count what a living person does not show
		axis = "score; refused from the threshold on"
	}
	p := newPlot(strings.ReplaceAll(id.String(), "_", " "), axis, "")
	p.Title.Text = map[verdict.CheckID]string{verdict.CheckPADTexture: "Texture model", verdict.CheckPADPlanarity: "Planarity over a turn (residual, eye distances)",
		verdict.CheckPADEdges: "Straight lines that move (sides of the face)", verdict.CheckPADHands: "Fingers across lines that move (part of the pictures)", verdict.CheckPADSpecular: "Highlights that wander (eye distances a degree)", verdict.CheckPADMoire: "A raster on brow and cheeks (peak over mean)", verdict.CheckPADGrain: "Noise of the face over that of the wall"}[id]
	if p.Title.Text == "" {
		p.Title.Text = id.String()
	}
	row := map[string]int{}
	var ticks []plot.Tick
	for i, k := range r.Species {
		row[k.Name] = len(r.Species) - 1 - i
		ticks = append(ticks, plot.Tick{Value: float64(row[k.Name]), Label: "    " + k.Name})
	}
	at := math.NaN()
	var live, attack plotter.XYs
	for i := range r.outcome.judged {
		g := r.outcome.judged[i].of(id)
		if g.Result == unsettled {
			continue
		}
		pr := r.outcome.Set.Presentations[i]
		at = g.Threshold
		// Points of a row lie beside each other, in a place that the name decides.
		h := fnv.New32a()
		_, _ = h.Write([]byte(pr.Name)) // never fails
		xy := plotter.XY{X: g.Score, Y: float64(row[pr.Species]) + float64(h.Sum32()%1000)/2000 - 0.25}
		if pr.Species == BonaFide {
			live = append(live, xy)
		} else {
			attack = append(attack, xy)
		}
	}
	if len(live)+len(attack) == 0 {
		return nil, nil
	}
	for _, k := range []struct {
		xy    plotter.XYs
		name  string
		c     color.RGBA
		shape draw.GlyphDrawer
	}{{attack, "attack", orange, draw.PyramidGlyph{}}, {live, BonaFide, blue, draw.CircleGlyph{}}} {
		if len(k.xy) == 0 {
			continue
		}
		s, err := plotter.NewScatter(k.xy)
		if err != nil {
			return nil, fmt.Errorf("evaluate: plot: %w", err)
		}
		s.GlyphStyle.Color, s.GlyphStyle.Shape, s.GlyphStyle.Radius = k.c, k.shape, vg.Points(2.5)
		p.Add(s)
		p.Legend.Add(fmt.Sprintf("%s (%d evaluated)", k.name, len(k.xy)), s)
	}
	top := float64(len(r.Species)) - 0.4
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	if err := threshold(p, at, -0.6, top); err != nil {
		return nil, err
	}
	p.Legend.Left, p.Legend.XOffs = false, -vg.Points(6)
	p.Y.Min, p.Y.Max = -0.6, top+0.5+0.14*top
	p.X.Min = math.Min(p.X.Min, 0)
	p.X.Max += 0.03 * (p.X.Max - p.X.Min)
	return p, nil
}

// Files are report.json, report.html, the plots as SVG and PNG, and presentations.csv.
func (r *PADReport) Files() ([]File, error) {
	out, err := common(r, r.Page, r.Pictures)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	head := []string{"presentation", "species", "pictures", "opened", "with_a_face", "frontal", "turned_right", "turned_left", "largest_turn_degrees"}
	for _, id := range Signals() {
		head = append(head, id.String(), id.String()+"_score")
	}
	rows := [][]string{head}
	for i := range r.outcome.judged {
		x, p := &r.outcome.judged[i], r.outcome.Set.Presentations[i]
		row := []string{p.Name, p.Species}
		for _, n := range []int{x.Pictures, x.Opened, x.Faces, x.Frontal, x.Turned[0], x.Turned[1]} {
			row = append(row, strconv.Itoa(n))
		}
		row = append(row, strconv.FormatFloat(x.Turn, 'f', 1, 64))
		for _, id := range Signals() {
			g, score := x.of(id), ""
			if g.Result != unsettled {
				score = strconv.FormatFloat(g.Score, 'f', 5, 64)
			}
			row = append(row, g.Result, score)
		}
		rows = append(rows, row)
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	return append(out, File{"presentations.csv", b.Bytes()}), nil
}

// Summary is the report in a few lines of text.
func (r *PADReport) Summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d presentations, %d pictures; required: %s", r.Set.Presentations, r.Set.Pictures, strings.Join(r.Policy.Required, ", "))
	if len(r.Policy.Veto) > 0 {
		fmt.Fprintf(&b, "; veto: %s", strings.Join(r.Policy.Veto, ", "))
	}
	b.WriteByte('\n')
	for _, k := range r.Species {
		word := "APCER"
		if k.BonaFide {
			word = "BPCER"
		}
		fmt.Fprintf(&b, "%-22s %s %s (%s); a required signal refused %d, no response %d\n", k.Name, word, rateText(k.Error), boundsText(k.Error), k.Detected.Events, k.NoResponse.Events)
		for _, g := range k.Signals {
			if g.Evaluated == 0 {
				continue
			}
			fmt.Fprintf(&b, "  %-20s evaluated %d, not evaluated %d, error %s (%s), median %.4f\n", g.Signal, g.Evaluated, g.NotEvaluated, rateText(g.Error), boundsText(g.Error), *g.Median)
		}
	}
	for _, n := range r.Set.Notes {
		fmt.Fprintf(&b, "note                   %s\n", n)
	}
	for _, n := range r.NotEvaluated {
		fmt.Fprintf(&b, "not evaluated          %s\n", n)
	}
	fmt.Fprintf(&b, "models                 %s (manifest %s)\n", r.Model.Pack, short(r.Model.Hash))
	return b.String()
}
