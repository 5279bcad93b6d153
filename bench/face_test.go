package bench

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg"
	"os"
	"path/filepath"
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

// F-12: what a session costs by the kind of picture, and a whole capture in machine time.
func BenchmarkFaceSession(b *testing.B) {
	e := faceEngine(b)
	sc, x, p := scene(b)
	ref, err := e.Enrol(portrait(b, p.DG2JPEG()), facematch.PortraitLimits())
	if err != nil {
		b.Fatal(err)
	}
	defer ref.Wipe()
	var f hal.Frame
	var spent [3]time.Duration // frontal, turn, watch
	var count [3]int
	var decide, scenery time.Duration
	captures := 0
	for b.Loop() {
		s := facematch.NewSession(e, ref, facematch.DefaultParams(verdict.DefaultMatch))
		x.Look(0, 0)
		kind, watched := 0, 0
		for at := time.Duration(0); watched < 8 && at < 20*time.Second; at += 125 * time.Millisecond {
			start := time.Now()
			sc.Render(at, &f)
			scenery += time.Since(start)
			start = time.Now()
			o := look(b, s, &f, at)
			spent[kind] += time.Since(start)
			count[kind]++
			x.Look(17*o.DotX, 0)
			switch {
			case o.Done && kind != 2:
				kind = 2
				start = time.Now()
				r := s.Decide()
				decide += time.Since(start)
				if r.MatchBand != verdict.BandClear {
					b.Fatalf("match %.3f", r.Score)
				}
				r.Best.Wipe()
			case o.Guidance == facematch.FollowDot:
				kind = 1
			case o.Done:
				watched++
			}
		}
		s.Close()
		captures++
	}
	for i, name := range []string{"frontal-ms/frame", "turn-ms/frame", "watch-ms/frame"} {
		if count[i] > 0 {
			b.ReportMetric(float64(spent[i].Microseconds())/1000/float64(count[i]), name)
		}
	}
	b.ReportMetric(float64(decide.Microseconds())/1000/float64(captures), "decide-ms")
	b.ReportMetric(float64((spent[0]+spent[1]).Milliseconds())/float64(captures), "machine-ms/capture")
	b.ReportMetric(0, "ns/op") // the scenery is in it
	_ = scenery
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
