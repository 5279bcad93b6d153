package evaluate

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/image/draw"

	"egate/facematch"
	"egate/sim/faces"
)

// pack opens the demonstration pack, or skips loudly.
func pack(t testing.TB) func() (*facematch.Engine, error) {
	t.Helper()
	dir := os.Getenv("EGATE_MODELS")
	if dir == "" {
		dir = filepath.Join("..", "..", ".cache", "models")
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Skip("SKIP: the model files are not here: faces are NOT tested (make models)")
	}
	p, err := facematch.LoadPack(dir, facematch.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return func() (*facematch.Engine, error) { return facematch.Open(p, 1) }
}

// decode opens what the standard library opens; the real one is a child process.
func decode(_ context.Context, path string) (*facematch.Image, string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, Unreadable, nil
	}
	src, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, Broken, nil
	}
	m, err := facematch.FromImage(src)
	return m, "", err
}

// twoPersons is a folder of the two portraits, in two variations each, and of files that are none.
func twoPersons(t testing.TB) string {
	dir := t.TempDir()
	for _, n := range faces.Names() {
		p, err := faces.Get(n)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, filepath.Join(n, "1.jpg"), string(half(t, p.DG2JPEG())))
		write(t, dir, filepath.Join(n, "2.jpg"), string(half(t, p.LiveJPEG())))
	}
	write(t, dir, "admiral/cut.jpg", string([]byte{0xFF, 0xD8, 0xFF}))
	return dir
}

// half is a JPEG of every second pixel of another one.
func half(t testing.TB, file []byte) []byte {
	t.Helper()
	src, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	b := src.Bounds()
	m := image.NewRGBA(image.Rect(0, 0, b.Dx()/2, b.Dy()/2))
	draw.NearestNeighbor.Scale(m, m.Bounds(), src, b, draw.Src, nil)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// F-07: a run that is stopped after any number of pictures and goes on later finds what one that was never
// stopped finds, and opens nothing again that no pair waits for. Scores do not depend on the order or the
// number of workers.
func TestF07ResumedRunIsTheSame(t *testing.T) {
	engine := pack(t)
	s, err := Load(twoPersons(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Run(t.Context(), s, Config{Decode: decode, Engine: engine, Workers: 1, Policy: Measure})
	if err != nil {
		t.Fatal(err)
	}
	stops := []int{0, 2, len(s.Samples)}
	if testing.Short() {
		stops = stops[1:2]
	}
	for _, stopAfter := range stops {
		journal := filepath.Join(t.TempDir(), "work.jsonl")
		ctx, cancel := context.WithCancel(t.Context())
		var opened atomic.Int32
		counting := func(ctx context.Context, path string) (*facematch.Image, string, error) {
			if int(opened.Add(1)) > stopAfter {
				cancel()
				return nil, "", ctx.Err()
			}
			return decode(ctx, path)
		}
		_, err := Run(ctx, s, Config{Decode: counting, Engine: engine, Workers: 1, Policy: Measure, Journal: journal})
		if stopAfter < len(s.Samples) && !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after %d: %v", stopAfter, err)
		}
		cancel()
		if stopAfter == 2 { // the last line was cut off by the stop
			f, err := os.OpenFile(journal, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(`{"k":1,"c":0.9`); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		opened.Store(-100)
		again, err := Run(t.Context(), s, Config{Decode: counting, Engine: engine, Workers: 2, Policy: Measure, Journal: journal})
		if err != nil {
			t.Fatal(err)
		}
		for k := range s.Pairs {
			a, b := float64(whole.scores[k]), float64(again.scores[k])
			if a != b && !(math.IsNaN(a) && math.IsNaN(b)) {
				t.Errorf("stopped after %d: pair %d scores %v, not %v", stopAfter, k, b, a)
			}
		}
		if stopAfter == len(s.Samples) && (opened.Load() != -100 || again.Resumed != len(s.Pairs)) {
			t.Errorf("a finished run opened %d pictures again", opened.Load()+100)
		}
		raw, err := os.ReadFile(journal)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("template")) || len(raw) > 300*(len(s.Pairs)+len(s.Samples)) {
			t.Error("the journal holds more than scores and reasons")
		}
	}
	// A journal of another set is refused.
	journal := filepath.Join(t.TempDir(), "work.jsonl")
	if _, err := Run(t.Context(), s, Config{Decode: decode, Engine: engine, Workers: 1, Policy: Measure, Journal: journal}); err != nil {
		t.Fatal(err)
	}
	other := *s
	other.Hash = strings.Repeat("0", 64)
	if _, err := Run(t.Context(), &other, Config{Decode: decode, Engine: engine, Workers: 1, Policy: Measure, Journal: journal}); !errors.Is(err, ErrJournal) {
		t.Errorf("%v", err)
	}
	r := whole.Report(terms())
	if r.Acquisition.Decode.Events != 1 || r.Acquisition.Detect.Events != 0 || r.Accuracy.Compared != [2]int{2, 4} || r.Latency.Whole == nil || r.Latency.Whole.P50 <= 0 {
		t.Errorf("%+v, compared %v, %+v", r.Acquisition, r.Accuracy.Compared, r.Latency.Whole)
	}
}
