package evaluate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"egate/facematch"
	"egate/hal"
	"egate/sim/camera"
	"egate/sim/faces"
	"egate/verdict"
)

// F-08: folders become presentations: species, films in the order of their numbers, pictures that lie loose.
func TestF08Presentations(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"Live/anna/10.jpg", "Live/anna/9.jpg", "print/a4/x_2.png", "print/a4/x_10.png", "print/b_1.jpg", "print/b_2.jpg", "print/c-1.jpg", "print/notes.txt", "top.jpg"} {
		write(t, dir, n, "x")
	}
	s, err := LoadPAD(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.Presentations)
	if want := "[{Live/anna bona fide [Live/anna/9.jpg Live/anna/10.jpg]} {print/a4 print [print/a4/x_2.png print/a4/x_10.png]} {print/b print [print/b_1.jpg print/b_2.jpg]} {print/c print [print/c-1.jpg]}]"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if s.Pictures != 7 || len(s.Note) != 3 || !strings.Contains(strings.Join(s.Note, "; "), "living persons by their names: Live") {
		t.Errorf("%d pictures, notes %q", s.Pictures, s.Note)
	}
	if s, err = LoadPAD(dir, true); err != nil || len(s.Presentations) != 7 {
		t.Errorf("stills: %d, %v", len(s.Presentations), err)
	}
	if _, err := LoadPAD(t.TempDir(), false); err == nil || !strings.Contains(err.Error(), "species/presentation/picture") {
		t.Errorf("an empty folder: %v", err)
	}
}

// F-08: folders and lists as people make them: one folder of pictures, names that tell nothing, words in names, lists
// with odd quotes, separators and marks.
func TestF08PresentationsOfAnyNaming(t *testing.T) {
	set := func(path string) string {
		t.Helper()
		s, err := LoadPAD(path, false)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(s.Presentations)
	}
	dir := t.TempDir()
	for _, n := range []string{"frame (1).JPG", "frame (2).JPG", "frame (10).JPG", "readme.md"} {
		write(t, filepath.Join(dir, "turning_heads_01"), n, "x")
	}
	if got, want := set(filepath.Join(dir, "turning_heads_01")), "[{turning_heads_01/frame bona fide [frame (1).JPG frame (2).JPG frame (10).JPG]}]"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, n := range []string{"1a.png", "2c.png", "3b.png", "4x.png"} {
		write(t, filepath.Join(dir, "flat-photo"), n, "x")
	}
	if got, want := set(dir), "[{flat-photo flat-photo [flat-photo/1a.png flat-photo/2c.png flat-photo/3b.png flat-photo/4x.png]} {turning_heads_01/frame bona fide [turning_heads_01/frame (1).JPG turning_heads_01/frame (2).JPG turning_heads_01/frame (10).JPG]}]"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for name, want := range map[string]bool{"live": true, "Real-2": true, "bona_fide": true, "heads": true, "turning heads": true, "photo of a real head": false, "not live": false, "print": false, "alive": true, "TurningHeads": true, "ClientRaw": true, "ImposterRaw": false, "RealPhoto": false, "LIVE": true, "delivery": false, "": false} {
		if bonaFide(name) != want {
			t.Errorf("%q living: %v", name, !want)
		}
	}
	lists := t.TempDir()
	write(t, lists, "heads/1.png", "x")
	write(t, lists, "heads/2.png", "x")
	list := func(text string) (*PADSet, error) { return LoadPAD(write(t, lists, "list.csv", text), false) }
	s, err := list("\ufeff\"Frame\";label;sequence;note\n\"b;2.png\";print;s1;odd\nb10.png;\"print\";s1\n# a comment\nheads;live\n")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(s.Presentations), "[{heads bona fide [heads/1.png heads/2.png]} {s1 print [b10.png b;2.png]}]"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for text, want := range map[string]string{
		"":                           "names no pictures",
		"path,species\n":             "names no pictures",
		"a,b\n1,2\n":                 "the columns path and species",
		"path,file,species\n":        "two columns",
		"path,species\nx.png,1\n":    "does not say what it is",
		"path,species\n../x.png,p\n": "leads out of",
		"path,species\nx.png\n":      "record 2",
		"path,species\n\"x.png,p\n":  "list of presentations",
	} {
		if _, err := list(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// F-08: rates counted by hand: an attack is accepted only if every required signal passes, a living person is
// rejected also when one could not be evaluated; a signal alone counts what it evaluated.
func TestF08RatesByHand(t *testing.T) {
	set := &PADSet{Name: "made-up", Hash: strings.Repeat("12", 32)}
	o := &PADOutcome{Set: set, Policy: Measure, Rate: 8, Info: facematch.Info{ID: "made-up.v1", Hash: strings.Repeat("ab", 32), Demo: true, Statement: "Made-up scores."}}
	add := func(species, texture, planarity string) {
		x := judged{done: true, Pictures: 10, Opened: 10, Faces: 10, Signals: map[string]signal{}, Reasons: map[string]int{"sharpness": 1}, Millis: 20}
		for id, r := range map[string]string{"pad_texture": texture, "pad_planarity": planarity} {
			if r != unsettled {
				x.Signals[id] = signal{r, map[string]float64{passed: .8, failed: .1}[r], .5}
			}
		}
		set.Presentations = append(set.Presentations, Presentation{Name: fmt.Sprintf("%s/%d", species, len(o.judged)), Species: species})
		o.judged = append(o.judged, x)
		set.Pictures += 10
	}
	add(BonaFide, passed, passed)
	add(BonaFide, failed, passed)
	add(BonaFide, passed, unsettled)
	add(BonaFide, unsettled, unsettled)
	add("print", passed, failed)
	add("print", passed, unsettled)
	add("print", failed, failed)
	add("mask", passed, passed)
	add("mask", passed, failed)
	rules := verdict.DefaultPolicy()
	r := o.Report(PADTerms{Tool: "test", PolicyName: "test.v1", PolicyHash: strings.Repeat("cd", 32), Policy: rules, Now: time.Unix(0, 0)})
	if r.Worst == nil || r.Worst.Name != "mask" || r.Worst.Error.Events != 1 || r.Worst.Error.Trials != 2 {
		t.Errorf("worst %+v", r.Worst)
	}
	b := r.BonaFide
	if b.Error.Events != 3 || b.Error.Trials != 4 || b.NoResponse.Events != 1 || b.Detected.Events != 1 {
		t.Errorf("bona fide %+v", b)
	}
	p := r.Species[1]
	if p.Name != "print" || p.Error.Events != 0 || p.Error.Trials != 3 || p.Detected.Events != 2 || *p.Error.High != NewRate(0, 3).high() {
		t.Errorf("print %+v", p)
	}
	for _, want := range []struct {
		species               int
		signal                string
		evaluated, not, wrong int
	}{{0, "pad_planarity", 2, 0, 1}, {1, "pad_texture", 3, 0, 2}, {1, "pad_planarity", 2, 1, 0}, {2, "pad_texture", 3, 1, 1}, {2, "pad_planarity", 2, 2, 0}, {2, "pad_light", 0, 4, 0}} {
		found := false
		for _, g := range r.Species[want.species].Signals {
			if g.Signal == want.signal {
				found = g.Evaluated == want.evaluated && g.NotEvaluated == want.not && g.Error.Events == want.wrong && g.Error.Trials == want.evaluated
			}
		}
		if !found {
			t.Errorf("%+v, got %+v", want, r.Species[want.species].Signals)
		}
	}
	for _, w := range []string{"pad_light: of no presentation", "IAPAR"} {
		if !strings.Contains(strings.Join(r.NotEvaluated, "; "), w) {
			t.Errorf("not evaluated lacks %q", w)
		}
	}
	checkPADFiles(t, r)
	// Without attacks, or without anybody, nothing is claimed.
	o.judged, set.Presentations = o.judged[:4], set.Presentations[:4]
	if r = o.Report(PADTerms{Policy: rules}); r.Worst != nil || !strings.Contains(r.NotEvaluated[0], "APCER") {
		t.Errorf("%+v", r.NotEvaluated)
	}
	checkPADFiles(t, r)
	// A policy that requires what a film cannot have is judged without it, and says so.
	rules.Checks[verdict.CheckPADLight] = verdict.Required
	o.judged, set.Presentations = o.judged[:4], set.Presentations[:4]
	if r = o.Report(PADTerms{Policy: rules}); r.BonaFide.Error.Events != 3 || !strings.Contains(strings.Join(r.NotEvaluated, "; "), "pad_light (required): the policy asks for it") || rules.Checks[verdict.CheckPADLight] != verdict.Required {
		t.Errorf("light required: %+v, %q", r.BonaFide.Error, r.NotEvaluated)
	}
	// A policy that requires nothing accepts nobody: it decides nothing.
	for _, id := range Signals() {
		rules.Checks[id] = verdict.Advisory
	}
	if r = o.Report(PADTerms{Policy: rules}); r.BonaFide.Error.Events != 4 {
		t.Errorf("without a required signal %+v", r.BonaFide.Error)
	}
}

func (r Rate) high() float64 { return *r.High }

func checkPADFiles(t *testing.T, r *PADReport) {
	t.Helper()
	files, err := r.Files()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	for _, f := range files {
		got[f.Name] = f.Bytes
	}
	for name, begin := range map[string]string{"report.json": "{", "report.html": "<!doctype html>", "texture.svg": "<?xml", "texture.png": "\x89PNG", "planarity.png": "\x89PNG", "presentations.csv": "presentation,species"} {
		if !bytes.HasPrefix(got[name], []byte(begin)) {
			t.Errorf("%s begins with %.20q", name, got[name])
		}
	}
	var back PADReport
	if err := json.Unmarshal(got["report.json"], &back); err != nil || len(back.Species) != len(r.Species) {
		t.Errorf("%v", err)
	}
	for _, w := range []string{"http://", "https://", "<script", "ZgotmplZ", "NaN", "%!", "<nil>"} {
		if strings.Contains(string(got["report.html"]), w) {
			t.Errorf("the page holds %q", w)
		}
	}
	if dir := os.Getenv("EGATE_REPORT_DIR"); dir != "" { // to look at it
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(dir, "pad-"+f.Name), f.Bytes, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// film writes the pictures of one presentation before the simulated camera.
func film(t testing.TB, dir string, seed uint64, who string, sheet *camera.Sheet, angle float64, n int) {
	t.Helper()
	p, err := faces.Get(who)
	if err != nil {
		t.Fatal(err)
	}
	sc := camera.New(seed)
	var x *camera.Subject
	if sheet != nil {
		x, err = sc.Print(p, *sheet, camera.Place{})
	} else {
		x, err = sc.Person(p, camera.Place{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var f hal.Frame
	for k := range n {
		at := float64(k) / 20
		x.Look(angle*wave(at), 0)
		x.Move(camera.Place{X: 25 * wave(2*at), Height: 15 * wave(1.3*at)})
		sc.Render(time.Duration(k)*125*time.Millisecond, &f)
		// Every second pixel: the files are smaller, the measures are in eye distances.
		m := image.NewGray(image.Rect(0, 0, f.Width/2, f.Height/2))
		for y := range f.Height / 2 {
			for x := range f.Width / 2 {
				m.Pix[y*m.Stride+x] = f.Pix[2*y*f.Stride+6*x+1]
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.jpg", k)), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// wave goes 0, 1, 0, -1, 0 once per period, in straight lines.
func wave(x float64) float64 {
	x -= float64(int(x))
	switch {
	case x < .25:
		return 4 * x
	case x < .75:
		return 2 - 4*x
	}
	return 4*x - 4
}

// F-08: films from files: a head that turns passes planarity, a flat photo that is turned and moved by hand is
// refused, one picture alone is not evaluated. A run that is stopped goes on and finds the same.
func TestF08FilmsFromFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: draws films: left out of the short run")
	}
	engine := pack(t)
	dir := t.TempDir()
	film(t, filepath.Join(dir, "live", "astronaut"), 1, "astronaut", nil, 18, 24)
	film(t, filepath.Join(dir, "flat photo", "a4"), 2, "admiral", &camera.Sheet{Width: 210, Height: 297}, 24, 24)
	film(t, filepath.Join(dir, "flat photo", "one picture"), 3, "admiral", &camera.Sheet{Width: 210, Height: 297}, 0, 1)
	set, err := LoadPAD(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(t.TempDir(), "work.jsonl")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var opened atomic.Int32
	stopping := func(ctx context.Context, path string) (*facematch.Image, string, error) {
		if opened.Add(1) > 30 { // in the last film
			cancel()
			return nil, "", ctx.Err()
		}
		return decode(ctx, path)
	}
	cfg := PADConfig{Rate: 8, Config: Config{Decode: stopping, Engine: engine, Workers: 1, Policy: Measure, Journal: journal}}
	if _, err := RunPAD(ctx, set, cfg); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	cfg.Decode, cfg.Workers = decode, 2
	total := 0
	cfg.Progress = func(_ string, _, n int) { total = n }
	o, err := RunPAD(t.Context(), set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if o.Resumed != 2 || total != 49 {
		t.Errorf("resumed %d presentations, %d pictures in all", o.Resumed, total)
	}
	for i, p := range set.Presentations {
		x := &o.judged[i]
		pl := x.of(verdict.CheckPADPlanarity)
		t.Logf("%-22s planarity %-13s %.4f, turned %v, texture %s", p.Name, pl.Result, pl.Score, x.Turned, x.of(verdict.CheckPADTexture).Result)
		want := map[string]string{"live/astronaut": passed, "flat photo/a4": failed, "flat photo/one picture": unsettled}[p.Name]
		if pl.Result != want {
			t.Errorf("%s: planarity %s, want %s", p.Name, pl.Result, want)
		}
	}
	again, err := RunPAD(t.Context(), set, cfg) // all of it is done
	if err != nil || again.Resumed != 3 || !reflect.DeepEqual(again.judged, o.judged) {
		t.Errorf("a finished run: resumed %d, %v", again.Resumed, err)
	}
	cfg.Policy = Gate
	if _, err := RunPAD(t.Context(), set, cfg); !errors.Is(err, ErrJournal) {
		t.Errorf("a journal of another policy: %v", err)
	}
	checkPADFiles(t, o.Report(PADTerms{Tool: "test", PolicyName: "test.v1", PolicyHash: strings.Repeat("cd", 32), Policy: verdict.DefaultPolicy(), Now: time.Unix(0, 0)}))
}
