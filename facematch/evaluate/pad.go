package evaluate

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

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

// Words that tell in the name of a folder, or in a column of a list, who was filmed.
var (
	bonaFideWords = map[string]bool{"live": true, "living": true, "bonafide": true, "bona": true, "genuine": true, "real": true, "heads": true, "head": true, "client": true, "person": true, "persons": true, "people": true,
		"alive": true, "human": true, "humans": true}
	attackWords = map[string]bool{"attack": true, "attacks": true, "spoof": true, "fake": true, "print": true, "printed": true, "photo": true, "photos": true, "flat": true, "paper": true, "poster": true,
		"sheet": true, "replay": true, "screen": true, "tablet": true, "phone": true, "monitor": true, "display": true, "mask": true, "masks": true, "imposter": true, "impostor": true, "no": true, "not": true, "non": true}
)

// bonaFide tells whether a name is of living persons: a word says so and none says that it is an attack.
func bonaFide(name string) bool {
	yes := false
	// A capital after a small letter begins a word.
	var spaced strings.Builder
	last := ' '
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(last) {
			spaced.WriteByte(' ')
		}
		spaced.WriteRune(unicode.ToLower(r))
		last = r
	}
	for _, w := range strings.FieldsFunc(spaced.String(), func(r rune) bool { return !unicode.IsLetter(r) }) {
		if attackWords[w] {
			return false
		}
		yes = yes || bonaFideWords[w]
	}
	return yes
}

// PADSet is what pad-evaluate is given.
type PADSet struct {
	Name, Root, Hash, Form string
	Presentations          []Presentation
	Pictures               int
	Note                   []string
}

// Limits of a set of presentations.
const (
	maxPresentations = 100_000
	maxSpecies       = 200
)

// LoadPAD reads a folder of species/presentation/picture, or a list (CSV) that names pictures and their species.
// Pictures that lie beside the folders of a species are told apart by the names before their numbers; with stills
// every picture is a presentation.
func LoadPAD(path string, stills bool) (*PADSet, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	if !st.IsDir() {
		return loadPADList(path, stills)
	}
	s := &PADSet{Name: filepath.Base(filepath.Clean(path)), Root: path, Form: "species/presentation/picture"}
	var shots []shot
	top := true
	left, err := walkPictures(path, func(rel string) {
		p := filepath.ToSlash(rel)
		kind, _, nested := strings.Cut(p, "/")
		top = top && !nested
		if !nested {
			kind = ""
		}
		shots = append(shots, shot{rel: rel, kind: kind})
	})
	if err != nil {
		return nil, err
	}
	others := left.others
	s.Note = append(s.Note, left.notes()...)
	if top { // one folder of pictures is one species
		for i := range shots {
			shots[i].kind = s.Name
		}
	} else {
		n := len(shots)
		shots = slices.DeleteFunc(shots, func(x shot) bool { return x.kind == "" })
		others += n - len(shots)
	}
	if len(shots) == 0 {
		return nil, fmt.Errorf("evaluate: %s: pictures are expected as species/presentation/picture (.jpg .jpeg .png .jp2 .j2k), living persons below live/", path)
	}
	s.note(others, "files lie beside the folders of species or do not end like a picture: left out")
	loose := 0
	for i := range shots {
		x := &shots[i]
		p := filepath.ToSlash(x.rel)
		x.film = filepath.ToSlash(filepath.Dir(x.rel))
		if strings.Count(p, "/") < 2 {
			loose++
			if x.film == "." {
				x.film = s.Name
			}
			x.loose = x.film
			x.film += "/" + prefix(filepath.Base(p))
		}
	}
	if n := joinLoose(shots); n > 0 {
		s.note(n, "folders hold pictures whose names tell no films apart: each folder is one film")
	}
	s.note(loose, "pictures lie in the folder of their species itself: those whose names differ in their number only are one film (--stills: each is one presentation)")
	return s, s.films(shots, stills)
}

// shot is one picture of a set of presentations.
type shot struct {
	rel, kind, film string
	loose           string // folder, of a picture that lies in that of its species
}

// joinLoose makes one film of the loose pictures of a folder whose names would make most of them films of one picture.
func joinLoose(shots []shot) (folders int) {
	of := map[string]map[string]int{}
	for _, x := range shots {
		if x.loose != "" {
			if of[x.loose] == nil {
				of[x.loose] = map[string]int{}
			}
			of[x.loose][x.film]++
		}
	}
	join := map[string]bool{}
	for dir, films := range of {
		single := 0
		for _, n := range films {
			if n == 1 {
				single++
			}
		}
		if join[dir] = single >= joinLeast && 2*single > len(films); join[dir] {
			folders++
		}
	}
	for i := range shots {
		if x := &shots[i]; x.loose != "" && join[x.loose] {
			x.film = x.loose
		}
	}
	return folders
}

// joinLeast are the films of one picture in a folder from which they are taken for pictures of one film.
const joinLeast = 4

// note adds what is to be known of how the set was made, if there is any.
func (s *PADSet) note(n int, text string) {
	if n > 0 {
		s.Note = append(s.Note, fmt.Sprintf("%d %s", n, text))
	}
}

// films makes presentations of pictures.
func (s *PADSet) films(shots []shot, stills bool) error {
	films := map[string]*Presentation{}
	species := map[string]bool{}
	living := map[string]bool{}
	for _, x := range shots {
		kind, name := x.kind, x.film
		if stills {
			name = filepath.ToSlash(x.rel)
		}
		if bonaFide(kind) {
			living[kind], kind = true, BonaFide
		}
		species[kind] = true
		key := kind + "\x00" + name
		if films[key] == nil {
			films[key] = &Presentation{Name: name, Species: kind}
		}
		films[key].Pictures = append(films[key].Pictures, x.rel)
	}
	if len(films) > maxPresentations || len(species) > maxSpecies {
		return fmt.Errorf("evaluate: %d presentations of %d species are more than %d of %d", len(films), len(species), maxPresentations, maxSpecies)
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
	slices.SortFunc(s.Presentations, func(a, b Presentation) int { return cmp.Or(natural(a.Name, b.Name), cmp.Compare(a.Species, b.Species)) })
	h := sha256.New()
	s.Pictures = 0
	for _, p := range s.Presentations {
		s.Pictures += len(p.Pictures)
		fmt.Fprintln(h, p.Species, p.Name, len(p.Pictures))
		for _, x := range p.Pictures {
			fmt.Fprintln(h, filepath.ToSlash(x))
		}
	}
	s.Hash = hex.EncodeToString(h.Sum(nil))
	s.note(long, fmt.Sprintf("films are longer than %d pictures: the rest is left out", facematch.MaxRecording))
	if len(living) > 0 {
		s.Note = append(s.Note, "taken for living persons by their names: "+strings.Join(slices.Sorted(maps.Keys(living)), ", "))
	}
	slices.Sort(s.Note)
	return nil
}

// Names of the columns of a list of presentations, as plain writes them.
var padColumns = map[string]string{
	"path": "path", "file": "path", "filename": "path", "picture": "path", "image": "path", "frame": "path", "img": "path", "filepath": "path", "imagepath": "path",
	"species": "species", "label": "species", "class": "species", "type": "species", "attack": "species", "attacktype": "species", "pai": "species", "kind": "species",
	"presentation": "presentation", "film": "presentation", "video": "presentation", "sequence": "presentation", "clip": "presentation", "session": "presentation", "seq": "presentation",
}

// loadPADList reads a list of pictures: path, species and, if it likes, presentation. A path may name a folder, whose
// pictures are then one film.
func loadPADList(path string, stills bool) (*PADSet, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() > maxListBytes {
		return nil, fmt.Errorf("evaluate: %s is longer than %d bytes", path, maxListBytes)
	}
	in := bufio.NewReaderSize(f, 1<<16)
	head, err := firstLine(in)
	if err != nil {
		return nil, err
	}
	comma := separator(head)
	c := csv.NewReader(in)
	c.Comma, c.FieldsPerRecord, c.Comment, c.TrimLeadingSpace = comma, -1, '#', true
	s := &PADSet{Name: filepath.Base(path), Root: filepath.Dir(path), Form: "list"}
	at := map[string]int{}
	var shots []shot
	missing := 0
	for line := 1; ; line++ {
		rec, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("evaluate: list of presentations: %w", err)
		}
		if line == 1 {
			for i, n := range rec {
				if k, ok := padColumns[plain(n)]; ok {
					if _, twice := at[k]; twice {
						return nil, fmt.Errorf("evaluate: list of presentations: two columns for %q", k)
					}
					at[k] = i
				}
			}
			_, p := at["path"]
			_, k := at["species"]
			if !p || !k {
				return nil, errors.New("evaluate: list of presentations: the first line must name the columns path and species (live, or the kind of attack) and may name presentation")
			}
			continue
		}
		field := func(k string) string {
			if i, ok := at[k]; ok && i < len(rec) {
				return strings.TrimSpace(rec[i])
			}
			return ""
		}
		rel, kind, film := filepath.FromSlash(field("path")), field("species"), field("presentation")
		if rel == "" || kind == "" {
			return nil, fmt.Errorf("evaluate: list of presentations, record %d: path or species is missing", line)
		}
		if kind == "0" || kind == "1" {
			return nil, fmt.Errorf("evaluate: list of presentations, record %d: species %q does not say what it is; write live, or the kind of attack", line, kind)
		}
		if !filepath.IsLocal(rel) {
			return nil, fmt.Errorf("evaluate: %.80q leads out of %s: write paths below the folder of the list", rel, s.Root)
		}
		if film == "" {
			film = filepath.ToSlash(filepath.Dir(rel))
		}
		if st, err := os.Stat(filepath.Join(s.Root, rel)); err == nil && st.IsDir() {
			if field("presentation") == "" {
				film = filepath.ToSlash(rel)
			}
			left, err := walkPictures(filepath.Join(s.Root, rel), func(below string) {
				shots = append(shots, shot{rel: filepath.Join(rel, below), kind: kind, film: film})
			})
			if err != nil {
				return nil, err
			}
			for _, n := range left.notes() {
				s.Note = append(s.Note, fmt.Sprintf("%s: %s", rel, n))
			}
		} else {
			if err != nil {
				missing++
			}
			shots = append(shots, shot{rel: rel, kind: kind, film: film})
		}
		if len(shots) > MaxPictures {
			return nil, fmt.Errorf("evaluate: more than %d pictures", MaxPictures)
		}
	}
	if len(shots) == 0 {
		return nil, fmt.Errorf("evaluate: %s names no pictures", path)
	}
	if missing == len(shots) {
		return nil, fmt.Errorf("evaluate: none of the pictures of %s is there (%.80q, for one): paths begin in the folder of the list", path, shots[0].rel)
	}
	s.note(missing, fmt.Sprintf("of the %d pictures of the list are not there", len(shots)))
	return s, s.films(shots, stills)
}

// prefix is a file name without its ending and the number before it.
func prefix(name string) string {
	name = strings.TrimSuffix(name, filepath.Ext(name))
	return strings.TrimRight(name, "0123456789-_. ()[]#")
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
	return []verdict.CheckID{verdict.CheckPADTexture, verdict.CheckPADPlanarity, verdict.CheckPADLight, verdict.CheckPADTemporal, verdict.CheckPADEdges, verdict.CheckPADHands, verdict.CheckPADSpecular, verdict.CheckPADMoire, verdict.CheckPADGrain}
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
