package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"egate/facematch"
	"egate/hal"
	"egate/sim/camera"
	"egate/sim/faces"
	"egate/verdict"
)

func models(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("EGATE_MODELS")
	if dir == "" {
		dir = filepath.Join("..", ".cache", "models")
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Skip("SKIP: the model files are not here: faces are NOT measured (make models)")
	}
	return dir
}

func faceEngine(t testing.TB) *facematch.Engine {
	t.Helper()
	p, err := facematch.LoadPack(models(t), facematch.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := facematch.Open(p, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func portrait(t testing.TB, file []byte) *facematch.Image {
	t.Helper()
	src, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	m, err := facematch.FromImage(src)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// scene is a person before the camera and what a capture needs.
func scene(t testing.TB) (*camera.Scene, *camera.Subject, *faces.Portrait) {
	t.Helper()
	p, err := faces.Get("admiral")
	if err != nil {
		t.Fatal(err)
	}
	sc := camera.New(1)
	x, err := sc.Person(p, camera.Place{})
	if err != nil {
		t.Fatal(err)
	}
	return sc, x, p
}

func look(t testing.TB, s *facematch.Session, f *hal.Frame, at time.Duration) facematch.Observation {
	t.Helper()
	o, err := s.Frame(facematch.View{Format: facematch.FormatRGB, W: f.Width, H: f.Height, Stride: f.Stride, Pix: f.Pix}, at)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// F-12: the stages of one whole live frame on one core: within the models, and what this project adds.
func BenchmarkFaceStages(b *testing.B) {
	e := faceEngine(b)
	sc, _, _ := scene(b)
	var f hal.Frame
	sc.Render(0, &f)
	img := &facematch.Image{W: f.Width, H: f.Height, Stride: f.Stride, Pix: f.Pix}
	var stages []facematch.StageTime
	for b.Loop() {
		var err error
		if stages, err = e.Measure(img, 9); err != nil {
			b.Fatal(err)
		}
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "stage\tmodel ms\trest ms\t")
	var model, rest time.Duration
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for _, s := range stages {
		model, rest = model+s.Model, rest+s.Rest
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t\n", s.Name, ms(s.Model), ms(s.Rest))
	}
	fmt.Fprintf(w, "whole frame\t%.2f\t%.2f\t\n", ms(model), ms(rest))
	_ = w.Flush()
	b.Log("\n" + text.String())
	b.ReportMetric(ms(model), "model-ms/frame")
	b.ReportMetric(ms(rest), "rest-ms/frame")
}

// F-12: what a session costs by the kind of picture, medians, and a whole capture in machine time. Evidence are the
// pictures that a template is made of: frontal ones, turned ones and, while watching, one every 1.2 s; the others guide
// somebody who looks away (aside), comes too near or is to hold still (guide), follows the dot (dot) or is watched.
func BenchmarkFaceSession(b *testing.B) {
	e := faceEngine(b)
	sc, x, p := scene(b)
	ref, err := e.Enrol(portrait(b, p.DG2JPEG()), facematch.PortraitLimits())
	if err != nil {
		b.Fatal(err)
	}
	defer ref.Wipe()
	var f hal.Frame
	var first [14]hal.Frame
	spent := map[string][]time.Duration{}
	var capture, decide []time.Duration
	for b.Loop() {
		s := facematch.NewSession(e, ref, facematch.DefaultParams(verdict.DefaultMatch))
		phase, whole, watched, aside := "guide", time.Duration(0), 0, 0
		// Pictures before the dot moves are drawn beforehand: a gate's processor draws none, and drawing empties the caches.
		for k := range first {
			x.Look(28, 0)
			if k >= 8 {
				x.Look(0, 0)
			}
			sc.Render(time.Duration(k)*125*time.Millisecond, &first[k])
		}
		for at := time.Duration(0); watched < 12 && at < 20*time.Second; at += 125 * time.Millisecond {
			f := &f
			if aside++; aside <= len(first) {
				f = &first[aside-1]
			} else {
				sc.Render(at, f)
			}
			start := time.Now()
			o := look(b, s, f, at)
			d := time.Since(start)
			kind := phase
			switch {
			case o.Evidence && phase == "guide":
				kind = "frontal"
			case o.Evidence && phase == "dot":
				kind = "turned"
			case o.Evidence:
				kind = "recheck"
			case phase == "guide" && aside <= 8:
				kind = "aside"
			}
			spent[kind] = append(spent[kind], d)
			if phase != "watch" {
				whole += d
			} else {
				watched++
			}
			if aside > 8 {
				x.Look(17*o.DotX, 0)
			}
			switch {
			case o.Done && phase != "watch":
				phase = "watch"
				start = time.Now()
				r := s.Decide()
				decide = append(decide, time.Since(start))
				if r.MatchBand != verdict.BandClear {
					b.Fatalf("match %.3f", r.Score)
				}
				r.Best.Wipe()
			case o.Guidance == facematch.FollowDot:
				phase = "dot"
			}
		}
		s.Close()
		capture = append(capture, whole)
	}
	middle := func(of []time.Duration) float64 {
		slices.Sort(of)
		return float64(of[len(of)/2].Microseconds()) / 1000
	}
	for kind, of := range spent {
		b.ReportMetric(middle(of), kind+"-ms")
	}
	b.ReportMetric(middle(decide), "decide-ms")
	b.ReportMetric(middle(capture), "machine-ms/capture")
	b.ReportMetric(0, "ns/op") // the scenery is in it
}

// F-12: from nothing to a warm engine, and the portrait's template.
func BenchmarkFaceStart(b *testing.B) {
	dir := models(b)
	_, _, p := scene(b)
	img := portrait(b, p.DG2JPEG())
	var enrol time.Duration
	n := 0
	for b.Loop() {
		pack, err := facematch.LoadPack(dir, facematch.LoadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		e, err := facematch.Open(pack, 1)
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		ref, err := e.Enrol(img, facematch.PortraitLimits())
		if err != nil {
			b.Fatal(err)
		}
		enrol += time.Since(start)
		n++
		ref.Wipe()
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(enrol.Microseconds())/1000/float64(n), "enrol-ms")
	kb, err := memory()
	if err == nil {
		b.ReportMetric(float64(kb)/1024, "peak-MB")
	}
}

// memory is the largest resident size of this process so far, in KB.
func memory() (kb int, err error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, err = fmt.Sscan(rest, &kb)
			return kb, err
		}
	}
	return 0, os.ErrNotExist
}

// F-12: every model as the gate calls it and as Node calls it through onnxruntime-node, in one run on one machine:
// what is above one is what this project's way of calling costs.
func BenchmarkFaceAgainstNode(b *testing.B) {
	if _, err := os.Stat(filepath.Join("node", "node_modules", "onnxruntime-node")); err != nil {
		b.Skip("SKIP: no onnxruntime-node: nothing is compared (npm ci --ignore-scripts --prefix bench/node)")
	}
	const rounds = 31
	pack, err := facematch.LoadPack(models(b), facematch.LoadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	type asked struct {
		File  string  `json:"file"`
		Input string  `json:"input"`
		Shape []int64 `json:"shape"`
	}
	question := struct {
		Models []asked `json:"models"`
		Rounds int     `json:"rounds"`
	}{Rounds: rounds}
	dir, err := filepath.Abs(models(b))
	if err != nil {
		b.Fatal(err)
	}
	stageOf := map[string]string{}
	for _, m := range pack.Manifest().Models {
		file := filepath.Join(dir, m.File)
		question.Models = append(question.Models, asked{file, m.Input.Name, m.Input.Shape})
		stageOf[map[facematch.Role]string{facematch.RoleDetector: "detect", facematch.RoleLandmarks: "landmarks", facematch.RoleEmbedder: "embed",
			facematch.RolePAD: "texture", facematch.RolePose: "pose", facematch.RoleEyes: "eyes"}[m.Role]] = file
	}
	ask, err := json.Marshal(question)
	if err != nil {
		b.Fatal(err)
	}
	e := faceEngine(b)
	sc, _, _ := scene(b)
	var f hal.Frame
	sc.Render(0, &f)
	img := &facematch.Image{W: f.Width, H: f.Height, Stride: f.Stride, Pix: f.Pix}
	var text strings.Builder
	for b.Loop() {
		// Before and after Node, so that a machine that slows down does not decide.
		before, err := e.Measure(img, rounds)
		if err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command("node", "time.mjs")
		cmd.Dir, cmd.Stdin, cmd.Stderr = "node", bytes.NewReader(ask), os.Stderr
		raw, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var node map[string]float64
		if err := json.Unmarshal(raw, &node); err != nil {
			b.Fatal(err)
		}
		after, err := e.Measure(img, rounds)
		if err != nil {
			b.Fatal(err)
		}
		text.Reset()
		w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "stage\tgate ms\tnode ms\tratio\t")
		var ours, theirs float64
		for i, s := range before {
			file, ok := stageOf[s.Name]
			if !ok {
				continue
			}
			mine := float64((s.Model + after[i].Model).Microseconds()) / 2000
			his := node[file]
			if s.Name == "eyes" {
				his *= 2 // both
			}
			ours, theirs = ours+mine, theirs+his
			fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t\n", s.Name, mine, his, mine/his)
			b.ReportMetric(mine/his, s.Name+"/node")
		}
		fmt.Fprintf(w, "models of a whole frame\t%.2f\t%.2f\t%.2f\t\n", ours, theirs, ours/theirs)
		_ = w.Flush()
		b.ReportMetric(ours/theirs, "all/node")
	}
	b.ReportMetric(0, "ns/op")
	b.Log("\n" + text.String())
}

// A picture allocates nothing once the session is warm: while somebody is asked to do something, and while the
// watch goes on to the exit. Kept frames have a template each, four of a capture.
func TestFaceFramesAllocateNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: runs models: left out of the short run")
	}
	e := faceEngine(t)
	sc, x, p := scene(t)
	ref, err := e.Enrol(portrait(t, p.DG2JPEG()), facematch.PortraitLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Wipe()
	var f hal.Frame
	s := facematch.NewSession(e, ref, facematch.DefaultParams(verdict.DefaultMatch))
	defer s.Close()
	at := time.Duration(0)
	count := func() float64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			at += 60 * time.Millisecond
			look(t, s, &f, at)
		}
		runtime.ReadMemStats(&after)
		return float64(after.Mallocs-before.Mallocs) / 10
	}
	// Turned aside: nothing is kept, an instruction stands.
	x.Look(28, 0)
	for range 30 {
		at += 60 * time.Millisecond
		sc.Render(at, &f)
	}
	for range 4 {
		at += 60 * time.Millisecond
		look(t, s, &f, at)
	}
	guided := count()
	x.Look(0, 0)
	done := false
	for end := at + 25*time.Second; at < end && !done; at += 125 * time.Millisecond {
		sc.Render(at, &f)
		o := look(t, s, &f, at)
		x.Look(17*o.DotX, 0)
		done = o.Done
	}
	if !done {
		t.Fatal("the capture did not end")
	}
	r := s.Decide()
	r.Best.Wipe()
	watched := count()
	t.Logf("allocations a picture: guided %.1f, watched %.1f", guided, watched)
	if guided > 0.5 || watched > 0.5 {
		t.Errorf("allocations a picture: guided %.1f, watched %.1f", guided, watched)
	}
}
