package evaluate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"egate/facematch"
	"egate/verdict"
)

// Presentation is one film of somebody or something before a camera: pictures in their order.
type Presentation struct {
	Name     string   // folder below the root, and what its files begin with where a folder holds several
	Species  string   // of presentation attack instrument; BonaFide for living persons
	Pictures []string // below the root
}

// BonaFide is the species of presentations that are no attack.
const BonaFide = "bona fide"

// bonaFideNames are folders of living persons.
var bonaFideNames = map[string]bool{"live": true, "bonafide": true, "bona-fide": true, "bona_fide": true, "bona fide": true, "genuine": true, "real": true, "heads": true, "head": true, "client": true}

// PADSet is what pad-evaluate is given.
type PADSet struct {
	Name, Root, Hash string
	Presentations    []Presentation
	Pictures         int
	Note             []string
}

// Limits of a set of presentations.
const (
	maxPresentations = 100_000
	maxSpecies       = 200
)

// LoadPAD reads a folder of species/presentation/picture. Pictures that lie beside the folders of a species
// are told apart by the names before their numbers; with stills every picture is a presentation.
func LoadPAD(root string, stills bool) (*PADSet, error) {
	s := &PADSet{Name: filepath.Base(filepath.Clean(root)), Root: root}
	films := map[string]*Presentation{}
	species := map[string]bool{}
	h := sha256.New()
	others, loose := 0, 0
	err := walkPictures(root, func(rel string) {
		path := filepath.ToSlash(rel)
		kind, rest, ok := strings.Cut(path, "/")
		if !ok {
			others++
			return
		}
		name := filepath.ToSlash(filepath.Dir(rel))
		switch {
		case stills:
			name = path
		case !strings.Contains(rest, "/"):
			loose++
			name += "/" + prefix(rest)
		}
		if bonaFideNames[strings.ToLower(kind)] {
			kind = BonaFide
		}
		species[kind] = true
		if films[name] == nil {
			films[name] = &Presentation{Name: name, Species: kind}
		}
		films[name].Pictures = append(films[name].Pictures, rel)
		s.Pictures++
	}, &others)
	if err != nil {
		return nil, err
	}
	if len(films) == 0 {
		return nil, fmt.Errorf("evaluate: %s: pictures are expected as species/presentation/picture (.jpg .jpeg .png .jp2 .j2k), living persons below live/", root)
	}
	if len(films) > maxPresentations || len(species) > maxSpecies {
		return nil, fmt.Errorf("evaluate: %d presentations of %d species are more than %d of %d", len(films), len(species), maxPresentations, maxSpecies)
	}
	long := 0
	for _, p := range films {
		slices.SortFunc(p.Pictures, natural)
		if len(p.Pictures) > facematch.MaxRecording {
			p.Pictures = p.Pictures[:facematch.MaxRecording]
			long++
		}
		s.Presentations = append(s.Presentations, *p)
	}
	slices.SortFunc(s.Presentations, func(a, b Presentation) int { return natural(a.Name, b.Name) })
	s.Pictures = 0
	for _, p := range s.Presentations {
		s.Pictures += len(p.Pictures)
		fmt.Fprintln(h, p.Species, p.Name, len(p.Pictures))
		for _, x := range p.Pictures {
			fmt.Fprintln(h, filepath.ToSlash(x))
		}
	}
	s.Hash = hex.EncodeToString(h.Sum(nil))
	for n, text := range map[int]string{others: "files lie beside the folders of species or do not end like a picture: left out",
		loose: "pictures lie in the folder of their species itself: those whose names differ in their number only are one film (--stills: each is one presentation)",
		long:  fmt.Sprintf("films are longer than %d pictures: the rest is left out", facematch.MaxRecording)} {
		if n > 0 {
			s.Note = append(s.Note, fmt.Sprintf("%d %s", n, text))
		}
	}
	slices.Sort(s.Note)
	return s, nil
}

// prefix is a file name without its ending and the number before it.
func prefix(name string) string {
	name = strings.TrimSuffix(name, filepath.Ext(name))
	return strings.TrimRight(strings.TrimRight(name, "0123456789"), "-_. ")
}

// natural orders names as people number them: 2 before 10.
func natural(a, b string) int {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		if !digit(a[i]) || !digit(b[j]) {
			if a[i] != b[j] {
				return cmp.Compare(a[i], b[j])
			}
			i, j = i+1, j+1
			continue
		}
		x, y := i, j
		for i < len(a) && digit(a[i]) {
			i++
		}
		for j < len(b) && digit(b[j]) {
			j++
		}
		m, n := strings.TrimLeft(a[x:i], "0"), strings.TrimLeft(b[y:j], "0")
		if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(a)-i, len(b)-j), cmp.Compare(a, b))
}

// Signals are the checks that detect presentation attacks.
func Signals() []verdict.CheckID {
	return []verdict.CheckID{verdict.CheckPADTexture, verdict.CheckPADPlanarity, verdict.CheckPADLight, verdict.CheckPADTemporal, verdict.CheckPADEdges, verdict.CheckPADMoire}
}

// signal is what one check came to in one presentation.
type signal struct {
	Result    string  `json:"result"` // pass, fail, or not_evaluated
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
}

// Results of a signal.
const (
	passed    = "pass"
	failed    = "fail"
	unsettled = "not_evaluated"
)

// judged is what became of one presentation.
type judged struct {
	Pictures int               `json:"pictures"`
	Opened   int               `json:"opened"`
	Faces    int               `json:"with_a_face"`
	Frontal  int               `json:"frontal"`
	Turned   [2]int            `json:"turned"` // pictures to either side, 10 degrees and more
	Turn     float64           `json:"largest_turn_degrees"`
	Several  bool              `json:"several_faces,omitempty"`
	Signals  map[string]signal `json:"signals"`
	Reasons  map[string]int    `json:"reasons,omitempty"`
	Millis   float64           `json:"ms_per_picture"` // detection to template, without opening
	done     bool
}

// PADConfig is what a run of presentations works with.
type PADConfig struct {
	Config
	Rate float64 // pictures a second of the films
}

// PADOutcome is what a run of presentations found.
type PADOutcome struct {
	Set     *PADSet
	Policy  Policy
	Rate    float64
	Info    facematch.Info
	judged  []judged
	Resumed int
	Took    time.Duration
}

const padJournalFormat = "egate/pad-evaluation-journal/1"

type padLine struct {
	Presentation *int    `json:"n"`
	Judged       *judged `json:"j"`
}

// RunPAD judges every presentation with the measures of the gate. A run that is ended by its context can be
// resumed with the same journal, presentation by presentation.
func RunPAD(ctx context.Context, s *PADSet, cfg PADConfig) (*PADOutcome, error) {
	if cfg.Workers < 1 || cfg.Workers > 64 {
		return nil, fmt.Errorf("evaluate: %d workers", cfg.Workers)
	}
	if cfg.Policy != Measure && cfg.Policy != Gate {
		return nil, fmt.Errorf("evaluate: unknown policy %q: measure or gate", cfg.Policy)
	}
	if !(cfg.Rate >= 1 && cfg.Rate <= 240) {
		return nil, errors.New("evaluate: 1 to 240 pictures a second")
	}
	start := time.Now()
	engines := make([]*facematch.Engine, 0, cfg.Workers)
	defer func() {
		for _, e := range engines {
			_ = e.Close()
		}
	}()
	for range cfg.Workers {
		e, err := cfg.Engine()
		if err != nil {
			return nil, err
		}
		engines = append(engines, e)
	}
	o := &PADOutcome{Set: s, Policy: cfg.Policy, Rate: cfg.Rate, Info: engines[0].Info(), judged: make([]judged, len(s.Presentations))}
	of := fmt.Sprintf("%s/%s/%g", s.Hash, cfg.Policy, cfg.Rate)
	j, err := openJournal(cfg.Journal, head{Format: padJournalFormat, Set: of, Pairs: len(s.Presentations), Pack: o.Info.Hash}, func(raw []byte) bool {
		var l padLine
		if json.Unmarshal(raw, &l) != nil || l.Presentation == nil || l.Judged == nil || *l.Presentation < 0 || *l.Presentation >= len(o.judged) {
			return false
		}
		o.judged[*l.Presentation] = *l.Judged
		o.judged[*l.Presentation].done = true
		o.Resumed++
		return true
	})
	if err != nil {
		return nil, err
	}
	err = o.work(ctx, cfg, engines, j)
	if jerr := j.close(); err == nil {
		err = jerr
	}
	o.Took = time.Since(start)
	return o, err
}

func (o *PADOutcome) work(ctx context.Context, cfg PADConfig, engines []*facematch.Engine, j *journal) error {
	if cfg.Progress == nil {
		cfg.Progress = func(string, int, int) {}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		i    int // presentation; -1: one more picture
		what judged
		err  error
	}
	work, out := make(chan int), make(chan result)
	say := func(r result) {
		select {
		case out <- r:
		case <-ctx.Done():
		}
	}
	var wg sync.WaitGroup
	for _, e := range engines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range work {
				what, err := o.judge(ctx, cfg, e, i, func() { say(result{i: -1}) })
				say(result{i, what, err})
			}
		}()
	}
	go func() {
		defer close(out)
		defer wg.Wait()
		defer close(work)
		for i := range o.judged {
			if o.judged[i].done {
				continue
			}
			select {
			case work <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	done := 0
	for i := range o.judged {
		if o.judged[i].done {
			done += len(o.Set.Presentations[i].Pictures)
		}
	}
	cfg.Progress("judging presentations", done, o.Set.Pictures)
	var failed error
	for r := range out {
		if r.i < 0 {
			done++
			cfg.Progress("judging presentations", done, o.Set.Pictures)
			continue
		}
		if failed != nil {
			continue
		}
		if failed = r.err; failed == nil {
			o.judged[r.i] = r.what
			failed = j.write(padLine{&r.i, &r.what})
		}
		if failed != nil {
			cancel()
		}
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

// judge plays one presentation.
func (o *PADOutcome) judge(ctx context.Context, cfg PADConfig, e *facematch.Engine, i int, step func()) (judged, error) {
	p := o.Set.Presentations[i]
	x := judged{done: true, Pictures: len(p.Pictures), Signals: map[string]signal{}}
	r := facematch.NewRecording(e, facematch.DefaultParams(verdict.DefaultMatch), cfg.Policy == Gate)
	defer r.Close()
	unusable := map[string]int{}
	var busy time.Duration
	for k, rel := range p.Pictures {
		if !filepath.IsLocal(rel) {
			return x, fmt.Errorf("evaluate: %s: a path leads out of the folder", rel)
		}
		m, reason, err := cfg.Decode(ctx, filepath.Join(o.Set.Root, rel))
		if err != nil {
			return x, err
		}
		if reason == "" {
			x.Opened++
			start := time.Now()
			err = r.Add(m, time.Duration(float64(k)/cfg.Rate*float64(time.Second)))
			busy += time.Since(start)
			m.Wipe()
			if err != nil {
				reason = ModelFailed
			}
		}
		if reason != "" {
			unusable[reason]++
		}
		step()
	}
	j := r.Judge(nil)
	x.Faces, x.Frontal, x.Turned, x.Turn, x.Reasons = j.Faces, j.Frontal, j.Turned, j.TurnNose, j.Reasons
	for k, n := range unusable {
		x.Reasons[k] += n
	}
	if x.Opened > 0 {
		x.Millis = ms(busy / time.Duration(x.Opened))
	}
	for _, c := range j.Checks {
		switch {
		case c.ID == verdict.CheckSingleFace:
			x.Several = c.Reason == verdict.TwoFaces
		case c.Result == verdict.Pass:
			x.Signals[c.ID.String()] = signal{passed, c.Score, c.Threshold}
		case c.Result == verdict.Fail:
			x.Signals[c.ID.String()] = signal{failed, c.Score, c.Threshold}
		}
	}
	return x, nil
}

// of is what a signal came to; what was not measured is not evaluated.
func (x *judged) of(id verdict.CheckID) signal {
	if s, ok := x.Signals[id.String()]; ok {
		return s
	}
	return signal{Result: unsettled}
}
