package evaluate

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"egate/facematch"
)

// Reasons of a picture that could not be looked at, beside those of facematch.
const (
	Unreadable    = "unreadable"
	UnknownFormat = "unknown_format"
	TooLarge      = "too_large"
	Broken        = "broken"
	DecoderFailed = "decoder_failed"
	ModelFailed   = "model_failed"
)

// Decoder opens a picture file; where it cannot, the reason is one of those above. An error of the second
// kind ends the run.
type Decoder func(ctx context.Context, path string) (m *facematch.Image, reason string, err error)

// Policy says whether quality is applied.
type Policy string

// Policies.
const (
	// Measure compares every picture in which a face is found.
	Measure Policy = "measure"
	// Gate compares only what a gate would take: a usable portrait, and a live picture of one person with
	// every quality component acceptable.
	Gate Policy = "gate"
)

// Config is what a run works with.
type Config struct {
	Decode  Decoder
	Engine  func() (*facematch.Engine, error) // one per worker
	Workers int
	Policy  Policy
	Match   float64 // threshold of the morph hint, which looks at matches only; 0: no hint
	Journal string  // file of what is done; empty: none, and nothing can be resumed
	// Progress is told of pictures done and of all that are to be looked at.
	Progress func(stage string, done, total int)
}

// picture is what became of one sample.
type picture struct {
	Reason   string               `json:"reason,omitempty"` // none: a face was found
	Portrait string               `json:"portrait,omitempty"`
	Probe    string               `json:"probe,omitempty"`
	Faces    int                  `json:"faces"`
	Quality  float64              `json:"quality"`
	Worst    string               `json:"worst,omitempty"`
	Eyes     float64              `json:"inter_eye_distance"`
	Decode   float64              `json:"decode_ms"`
	Detect   float64              `json:"detect_ms"`
	Whole    float64              `json:"whole_ms"`
	done     bool                 // known
	ref      *facematch.Reference // while pairs need it
}

// Outcome is what a run found: scores of pairs and what became of pictures.
type Outcome struct {
	Set      *Set
	Policy   Policy
	Info     facematch.Info
	pictures []picture
	scores   []float32 // per pair; NaN: not compared
	hints    []int8    // per pair: cues of a morph hint; noHint: none
	Resumed  int       // pairs taken from the journal
	Took     time.Duration
}

// maxJournal is how many pairs are written down; a larger run cannot be resumed.
const maxJournal = 500_000

// Run compares the pairs of a set. A run that is ended by its context can be resumed with the same
// journal; the journal holds scores and reasons, never a template.
func Run(ctx context.Context, s *Set, cfg Config) (*Outcome, error) {
	if cfg.Workers < 1 || cfg.Workers > 64 {
		return nil, fmt.Errorf("evaluate: %d workers", cfg.Workers)
	}
	if cfg.Policy != Measure && cfg.Policy != Gate {
		return nil, fmt.Errorf("evaluate: unknown policy %q: measure or gate", cfg.Policy)
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
	o := &Outcome{Set: s, Policy: cfg.Policy, Info: engines[0].Info(), pictures: make([]picture, len(s.Samples)), scores: make([]float32, len(s.Pairs)), hints: make([]int8, len(s.Pairs))}
	todo := make([]bool, len(s.Pairs))
	for i := range todo {
		todo[i] = true
		o.scores[i], o.hints[i] = float32(math.NaN()), noHint
	}
	j, err := openJournal(cfg.Journal, head{Format: journalFormat, Set: s.Hash, Match: cfg.Match, Pairs: len(s.Pairs), Pack: o.Info.Hash}, func(raw []byte) bool { return o.take(raw, todo) })
	if err != nil {
		return nil, err
	}
	j.pairs = len(s.Pairs) <= maxJournal
	err = o.work(ctx, cfg, engines, j, todo)
	if jerr := j.close(); err == nil {
		err = jerr
	}
	for i := range o.pictures {
		o.pictures[i].ref.Wipe()
		o.pictures[i].ref = nil
	}
	o.Took = time.Since(start)
	return o, err
}

// work looks at the pictures that pairs wait for and compares each pair as soon as both are there.
func (o *Outcome) work(ctx context.Context, cfg Config, engines []*facematch.Engine, j *journal, todo []bool) error {
	waiting := make([]int32, len(o.Set.Samples)) // pairs to do per sample
	first := make([][]int32, len(o.Set.Samples)) // pairs of a sample
	for i, p := range o.Set.Pairs {
		if !todo[i] {
			continue
		}
		waiting[p.A]++
		first[p.A] = append(first[p.A], int32(i))
		if p.A != p.B {
			waiting[p.B]++
			first[p.B] = append(first[p.B], int32(i))
		}
	}
	var list []int
	for _, i := range o.Set.Order {
		// A picture that is known to show no face need not be opened again.
		if waiting[i] > 0 && !(o.pictures[i].done && o.pictures[i].Reason != "") {
			list = append(list, i)
		}
	}
	total := len(o.Set.Order)
	done := total - len(list)
	if cfg.Progress == nil {
		cfg.Progress = func(string, int, int) {}
	}
	ready := make([]bool, len(o.Set.Samples))
	for i := range o.pictures {
		ready[i] = o.pictures[i].done && o.pictures[i].Reason != ""
	}
	settle := func(i int) error {
		for _, k := range first[i] {
			p := o.Set.Pairs[k]
			if !todo[k] || !ready[p.A] || !ready[p.B] {
				continue
			}
			todo[k] = false
			score := math.NaN()
			if a, b := o.pictures[p.A].ref, o.pictures[p.B].ref; a != nil && b != nil {
				var err error
				if score, err = facematch.Compare(a, b); err != nil {
					return err
				}
			}
			o.scores[k] = float32(score)
			// The portrait of a pair is its first picture.
			if cfg.Match > 0 && p.Kind != Impostor {
				if h, ok := facematch.HintMorph(o.pictures[p.A].ref, o.pictures[p.B].ref, score, cfg.Match); ok {
					o.hints[k] = int8(h.Cues)
				}
			}
			if err := j.pair(int(k), score, o.hints[k]); err != nil {
				return err
			}
			o.served(waiting, p.A)
			if p.B != p.A {
				o.served(waiting, p.B)
			}
		}
		return nil
	}
	for i := range ready {
		if ready[i] {
			if err := settle(i); err != nil {
				return err
			}
		}
	}
	type result struct {
		i   int
		pic picture
		err error
	}
	work, out := make(chan int), make(chan result)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, e := range engines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range work {
				pic, err := o.look(ctx, cfg, e, i)
				select {
				case out <- result{i, pic, err}:
				case <-ctx.Done():
					pic.ref.Wipe()
					return
				}
			}
		}()
	}
	go func() {
		defer close(out)
		defer wg.Wait()
		defer close(work)
		for _, i := range list {
			select {
			case work <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	var failed error
	cfg.Progress("looking at pictures", done, total)
	for r := range out {
		if failed != nil {
			r.pic.ref.Wipe()
			continue
		}
		if failed = r.err; failed == nil {
			o.pictures[r.i], ready[r.i] = r.pic, true
			if failed = j.picture(r.i, r.pic); failed == nil {
				failed = settle(r.i)
			}
		}
		if failed != nil {
			cancel()
			continue
		}
		done++
		cfg.Progress("looking at pictures", done, total)
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

// served wipes the template of a picture that no pair waits for any more.
func (o *Outcome) served(waiting []int32, i int32) {
	if waiting[i]--; waiting[i] <= 0 {
		o.pictures[i].ref.Wipe()
		o.pictures[i].ref = nil
	}
}

// look opens a picture and makes its template.
func (o *Outcome) look(ctx context.Context, cfg Config, e *facematch.Engine, i int) (picture, error) {
	pic := picture{done: true}
	path, err := o.Set.file(i)
	if err != nil {
		pic.Reason = Unreadable
		return pic, nil
	}
	start := time.Now()
	m, reason, err := cfg.Decode(ctx, path)
	if err != nil {
		return pic, err
	}
	pic.Decode = ms(time.Since(start))
	if reason != "" {
		pic.Reason = reason
		return pic, nil
	}
	defer m.Wipe()
	x, err := e.Examine(m, false)
	if err != nil {
		pic.Reason = ModelFailed
		return pic, nil
	}
	pic.Faces, pic.Detect, pic.Whole = x.Faces, ms(x.Detect), ms(x.Whole)
	pic.Portrait, pic.Probe = x.Portrait, x.Probe
	if x.Reference == nil {
		pic.Reason = facematch.NoFaceFound
		return pic, nil
	}
	pic.Quality, pic.Worst, pic.Eyes = x.Quality.Overall(), x.Quality.Worst().String(), x.Quality.Raw[facematch.EyeDistance]
	pic.ref = x.Reference
	return pic, nil
}

func ms(d time.Duration) float64 { return math.Round(d.Seconds()*1e5) / 100 }

// journal is the file of what is done: one line of JSON each.
type journal struct {
	f     *os.File
	w     *bufio.Writer
	pairs bool
	last  time.Time
}

// head binds a journal to what it is of.
type head struct {
	Format string `json:"format"`
	Set    string `json:"set"`
	Pairs  int    `json:"pairs"`
	Pack   string `json:"pack"`
	// Match is what the hints of the pairs are of.
	Match float64 `json:"match,omitempty"`
}

const journalFormat = "egate/face-evaluation-journal/2"

const noHint = -1

type line struct {
	Sample  *int     `json:"s,omitempty"`
	Picture *picture `json:"p,omitempty"`
	Pair    *int     `json:"k,omitempty"`
	Score   *float64 `json:"c,omitempty"` // absent: not compared
	Hint    *int8    `json:"m,omitempty"` // cues of a morph hint; absent: none
}

// openJournal reads what was done before and opens the file for more; whole lines that take refuses, and what
// follows them, are dropped, as is a last line that was cut off. A journal of something else is refused.
func openJournal(path string, want head, take func(raw []byte) bool) (*journal, error) {
	j := &journal{last: time.Now()}
	if path == "" {
		return j, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("evaluate: journal: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("evaluate: journal: %w", err)
	}
	j.f = f
	good, err := replay(f, want, take)
	if err == nil {
		err = f.Truncate(good)
	}
	if err == nil {
		_, err = f.Seek(good, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("evaluate: journal: %w", err)
	}
	j.w = bufio.NewWriterSize(f, 1<<16)
	if good == 0 {
		return j, j.write(want)
	}
	return j, nil
}

// ErrJournal says that a journal is of something else.
var ErrJournal = errors.New("it is of another set, pack or version; name another output folder or remove it")

func replay(f io.Reader, want head, take func(raw []byte) bool) (good int64, err error) {
	r := bufio.NewReaderSize(f, 1<<16)
	for n := 0; ; n++ {
		raw, err := r.ReadBytes('\n')
		if err != nil { // the end, or a line that was cut off
			return good, nil
		}
		if n == 0 {
			var h head
			if json.Unmarshal(raw, &h) != nil || h != want {
				return 0, ErrJournal
			}
		} else if !take(raw) {
			return good, nil
		}
		good += int64(len(raw)) // whole lines only
	}
}

// take notes one line of a journal of pairs.
func (o *Outcome) take(raw []byte, todo []bool) bool {
	var l line
	if json.Unmarshal(raw, &l) != nil {
		return false
	}
	switch {
	case l.Sample != nil && l.Picture != nil && *l.Sample >= 0 && *l.Sample < len(o.pictures):
		o.pictures[*l.Sample] = *l.Picture
		o.pictures[*l.Sample].done = true
	case l.Pair != nil && *l.Pair >= 0 && *l.Pair < len(todo):
		if todo[*l.Pair] {
			o.Resumed++
		}
		todo[*l.Pair] = false
		o.scores[*l.Pair] = float32(math.NaN())
		if l.Score != nil {
			o.scores[*l.Pair] = float32(*l.Score)
		}
		if o.hints[*l.Pair] = noHint; l.Hint != nil {
			o.hints[*l.Pair] = *l.Hint
		}
	default:
		return false
	}
	return true
}

func (j *journal) write(v any) error {
	if j.w == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err == nil {
		_, err = j.w.Write(append(b, '\n'))
	}
	if err == nil && time.Since(j.last) > time.Second {
		j.last = time.Now()
		err = j.w.Flush()
	}
	if err != nil {
		return fmt.Errorf("evaluate: journal: %w", err)
	}
	return nil
}

func (j *journal) picture(i int, p picture) error {
	return j.write(line{Sample: &i, Picture: &p})
}

func (j *journal) pair(k int, score float64, hint int8) error {
	if !j.pairs {
		return nil
	}
	l := line{Pair: &k}
	if !math.IsNaN(score) {
		l.Score = &score
	}
	if hint != noHint {
		l.Hint = &hint
	}
	return j.write(l)
}

func (j *journal) close() error {
	if j.f == nil {
		return nil
	}
	err := j.w.Flush()
	if cerr := j.f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("evaluate: journal: %w", err)
	}
	return nil
}
