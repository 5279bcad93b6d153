package evaluate

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"egate/facematch"
)

// made is an outcome of made-up scores: no figure of it is one of a model.
func made(t testing.TB, list string, score func(k int, p Pair) float64) *Outcome {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "pairs.csv")
	if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := readList(path, "")
	if err != nil {
		t.Fatal(err)
	}
	o := &Outcome{Set: s, Policy: Measure, Info: facematch.Info{ID: "made-up.v1", Hash: strings.Repeat("ab", 32), Demo: true, Statement: "Made-up scores."}}
	o.pictures = make([]picture, len(s.Samples))
	for i := range o.pictures {
		o.pictures[i] = picture{done: true, Faces: 1, Quality: 80, Decode: 3, Detect: 4, Whole: 30}
	}
	o.scores = make([]float32, len(s.Pairs))
	for k, p := range s.Pairs {
		o.scores[k] = float32(score(k, p))
	}
	return o
}

func terms() Terms {
	return Terms{Tool: "test", Match: .5, PolicyHash: strings.Repeat("cd", 32), PolicyName: "test.v1", Target: .25, Attempts: 1, Workers: 2, Now: time.Unix(0, 0)}
}

// F-07: a small list, counted by hand: groups, failures, transactions, morphs, look-alikes.
func TestF07ReportByHand(t *testing.T) {
	list := `a,b,label,transaction,attempt,region
p/1.jpg,p/2.jpg,genuine,t1,1,north
p/1.jpg,p/3.jpg,genuine,t1,1,north
p/1.jpg,p/4.jpg,genuine,t1,1,north
q/1.jpg,q/2.jpg,genuine,t2,1,south
q/1.jpg,q/3.jpg,genuine,t2,2,south
p/1.jpg,q/2.jpg,impostor,t3,1,south
p/1.jpg,q/3.jpg,impostor,t3,2,south
r/1.jpg,q/2.jpg,impostor,t4,1,north
r/1.jpg,p/2.jpg,0,t4,1,north
r/1.jpg,p/3.jpg,0,t4,1,north
m/1.png,p/2.jpg,morph,,,
m/1.png,p/3.jpg,morph,,,
m/1.png,q/2.jpg,morph,,,
m/2.png,p/2.jpg,morph,,,
m/2.png,q/3.jpg,morph,,,
m/3.png,p/4.jpg,morph,,,
`
	scores := []float64{.9, .4, .6, .3, .8, .2, .55, .1, .7, .3 /* morphs */, .9, .6, .55, .9, .2, .9}
	o := made(t, list, func(k int, _ Pair) float64 { return scores[k] })
	o.scores[3] = float32(math.NaN()) // a picture without a face
	r := o.Report(terms())
	if r.Set.Genuine != 5 || r.Set.Impostor != 5 || r.Set.Morph != 6 || r.Set.Persons != 4 {
		t.Fatalf("%+v", r.Set)
	}
	op := r.Accuracy.Operating
	// Genuine compared .9 .4 .6 .8: one below .5. Impostor .2 .55 .1 .7 .3: two at .5 and above.
	if op.FNMR.Events != 1 || op.FNMR.Trials != 4 || op.FMR.Events != 2 || op.FMR.Trials != 5 {
		t.Errorf("operating point %+v", op)
	}
	// With the one that was not compared two of five rejected.
	if op.Rejected.Events != 2 || op.Rejected.Trials != 5 || r.Accuracy.NotCompared != [2]int{1, 0} {
		t.Errorf("with failures %+v, not compared %v", op.Rejected, r.Accuracy.NotCompared)
	}
	// Transactions: t1 the median of .9 .4 .6 = .6; t2 its second attempt .8. Impostors: t3 the better of .2
	// and .55; t4 the median of .1 .7 .3 = .3. For a quarter of two no false match is allowed: above .55.
	tx := r.Transaction
	if !tx.Measured || tx.Transactions != [2]int{2, 2} || tx.Threshold < .549999 || tx.Threshold > .5501 || *tx.FNMR.Value != 0 || tx.Supported {
		t.Errorf("transaction %+v", tx)
	}
	if len(r.Columns) != 1 || len(r.Columns[0].Groups) != 2 {
		t.Fatalf("columns %+v", r.Columns)
	}
	north, south := r.Columns[0].Groups[0], r.Columns[0].Groups[1]
	if north.Value != "north" || north.FMR.Events != 1 || north.FMR.Trials != 3 || north.FNMR.Events != 1 || north.FNMR.Trials != 3 {
		t.Errorf("north %+v", north)
	}
	if south.FMR.Events != 1 || south.FMR.Trials != 2 || south.FNMR.Trials != 1 || south.Failures.Events != 1 || south.Failures.Trials != 4 {
		t.Errorf("south %+v", south)
	}
	// Rates 1/3 and 1/2: the worst over √(1/6) is 1.2247.
	if c := r.Columns[0]; c.FMRRatio == nil || !near(*c.FMRRatio, 1.224745, 1e-5) || c.WorstFMR != "south" || c.FNMRRatio != nil {
		t.Errorf("ratios %v %v %s", c.FMRRatio, c.FNMRRatio, c.WorstFMR)
	}
	// North needs more than .7, south more than .55.
	if w := tx.Worst; w == nil || w.Value != "north" || w.Threshold < .699999 || w.Threshold > .7001 {
		t.Errorf("worst group %+v", tx.Worst)
	}
	// Morph 1: p accepted twice, q once. Morph 2: q not. Morph 3 has one contributor.
	m := r.Morph
	// No hint was made of these scores: not evaluated, which is no rate of zero.
	if m.HintAPCER.Trials != 0 || m.HintAPCER.Value != nil {
		t.Errorf("a hint without data: %+v", m.HintAPCER)
	}
	o.hints = make([]int8, len(o.scores)) // F-10: of matching morphs one alert of two, of genuine pairs one of three
	for k := range o.hints {
		o.hints[k] = noHint
	}
	o.hints[0], o.hints[1], o.hints[2], o.hints[10], o.hints[11] = 0, 2, 1, 1, 3
	if h := o.Report(terms()).Morph; h.HintAPCER.Events != 1 || h.HintAPCER.Trials != 2 || h.HintBPCER.Events != 1 || h.HintBPCER.Trials != 3 {
		t.Errorf("hint: APCER %+v, BPCER %+v", h.HintAPCER, h.HintBPCER)
	}
	if m.Morphs != 2 || m.Skipped != 1 || m.Accepted.Events != 5 || m.Accepted.Trials != 6 || len(m.MAP) != 2 ||
		m.MAP[0].Events != 1 || m.MAP[0].Trials != 2 || m.MAP[1].Events != 0 {
		t.Errorf("morph %+v", m)
	}
	if l := r.LookAlikes; len(l) != 5 || !near(l[0].Score, .7, 1e-6) || !l[0].Match || !near(l[4].Score, .1, 1e-6) || l[4].Match {
		t.Errorf("look-alikes %+v", l)
	}
	if l := r.Missed; len(l) != 4 || !near(l[0].Score, .4, 1e-6) || l[0].Match {
		t.Errorf("lowest genuine %+v", l)
	}
	// The policy "gate" compares only what a gate would take.
	o.Policy = Gate
	o.pictures[0].Portrait = "inter_eye_distance" // p/1.jpg, portrait of seven pairs
	if r := o.Report(terms()); r.Accuracy.Compared != [2]int{1, 3} || r.Accuracy.NotCompared != [2]int{4, 2} || !r.Acquisition.Applied {
		t.Errorf("gate: compared %v, not %v", r.Accuracy.Compared, r.Accuracy.NotCompared)
	}
}

// F-07: what there are no data for is not evaluated, and is neither zero nor an error.
func TestF07WithoutDataNotEvaluated(t *testing.T) {
	for name, list := range map[string]string{
		"genuine only":  "a,b,label\np/1.jpg,p/2.jpg,1\n",
		"impostor only": "p/1.jpg,q/2.jpg,0\n",
		"morph only":    "a,b,label\nm/1.jpg,q/2.jpg,morph\n",
		"nothing seen":  "a,b,label\np/1.jpg,p/2.jpg,1\n",
	} {
		o := made(t, list, func(int, Pair) float64 {
			if name == "nothing seen" {
				return math.NaN()
			}
			return .6
		})
		r := o.Report(terms())
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r.Accuracy != nil && r.Accuracy.EER != nil {
			t.Errorf("%s: an EER", name)
		}
		if name == "morph only" || name == "nothing seen" {
			if r.Accuracy != nil {
				t.Errorf("%s: an accuracy", name)
			}
		}
		if len(r.NotEvaluated) < 3 {
			t.Errorf("%s: not evaluated: %v", name, r.NotEvaluated)
		}
		page, err := r.Page()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(page, []byte("not evaluated")) {
			t.Errorf("%s: the page does not say so", name)
		}
	}
}

// many is a list of made-up comparisons of 120 persons in two groups.
func many() (string, func(int, Pair) float64) {
	rnd := rand.New(rand.NewPCG(3, 3))
	var b strings.Builder
	b.WriteString("a,b,label,group\n")
	line := func(p, i, q, k int, label string) {
		group := [...]string{"A", "B"}[p%2]
		if p%2 != q%2 {
			group = ""
		}
		b.WriteString(strings.Join([]string{pic(p, i), pic(q, k), label, group}, ",") + "\n")
	}
	for p := range 120 {
		for i := range 4 {
			for k := i + 1; k < 4; k++ {
				line(p, i, p, k, "1")
			}
		}
		for n := range 60 {
			line(p, n%4, (p+1+n)%120, n%4, "0")
		}
	}
	return b.String(), func(k int, p Pair) float64 {
		if p.Kind == Genuine {
			return .7 + .12*rnd.NormFloat64()
		}
		return .02 + .11*rnd.NormFloat64()
	}
}

func pic(p, i int) string {
	return "person" + string(rune('a'+p%26)) + string(rune('a'+p/26)) + "/" + string(rune('0'+i)) + ".jpg"
}

// The files of a report: JSON that reads back, a page without anything from elsewhere, plots in both
// formats.
func TestF07Files(t *testing.T) {
	list, score := many()
	o := made(t, list, score)
	o.pictures[5].Reason, o.pictures[7].Probe = Broken, "pose_yaw"
	x := terms()
	x.Target = .01
	r := o.Report(x)
	files, err := r.Files(o)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	for _, f := range files {
		got[f.Name] = f.Bytes
	}
	for name, begin := range map[string]string{"report.json": "{", "report.html": "<!doctype html>", "det.svg": "<?xml", "det.png": "\x89PNG", "scores.svg": "<?xml", "scores.png": "\x89PNG", "scores.csv": "a,b,label,score", "pictures.csv": "path,"} {
		if !bytes.HasPrefix(got[name], []byte(begin)) {
			t.Errorf("%s begins with %.20q", name, got[name])
		}
	}
	var back Report
	if err := json.Unmarshal(got["report.json"], &back); err != nil || back.Model.Hash != r.Model.Hash || back.Policy.Hash == "" || *back.Accuracy.EER != *r.Accuracy.EER {
		t.Errorf("%v", err)
	}
	page := string(got["report.html"])
	for _, w := range []string{r.Model.Hash, r.Policy.Hash, "data:image/svg", "by person", "not evaluated", "Made-up scores."} {
		if !strings.Contains(strings.ToLower(page), strings.ToLower(w)) {
			t.Errorf("the page lacks %q", w)
		}
	}
	for _, w := range []string{"http://", "https://", "<script", "ZgotmplZ", "NaN", "%!"} {
		if strings.Contains(page, w) {
			t.Errorf("the page holds %q", w)
		}
	}
	// Bounds by person are there and hold the rate.
	e := r.Accuracy
	if e.EERLow == nil || *e.EERLow > *e.EER || *e.EERHigh < *e.EER {
		t.Errorf("EER %v in %v … %v", *e.EER, e.EERLow, e.EERHigh)
	}
	if tx := r.Transaction; tx.ThresholdLow == nil || *tx.ThresholdLow > tx.Threshold || *tx.ThresholdHigh < tx.Threshold || tx.Measured || !tx.Supported {
		t.Errorf("%+v", tx)
	}
	if dir := os.Getenv("EGATE_REPORT_DIR"); dir != "" { // to look at it
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(dir, f.Name), f.Bytes, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
