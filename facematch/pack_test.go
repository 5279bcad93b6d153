package facematch

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var updateSelfTests = flag.Bool("update-self-tests", false, "write the self-test values of the demonstration pack")

// modelDir is the cache that the fetch command fills; the manifest is the committed one.
func modelDir(tb testing.TB) string {
	tb.Helper()
	cache := os.Getenv("EGATE_MODELS")
	if cache == "" {
		cache = filepath.Join("..", ".cache", "models")
	}
	if _, err := os.Stat(filepath.Join(cache, "libonnxruntime.so.1")); err != nil {
		tb.Skip("SKIP: the model files are not here: faces are NOT tested (make models)")
	}
	return cache
}

// packDir is a folder of links to the cached files beside a copy of the committed manifest.
func packDir(tb testing.TB) string {
	tb.Helper()
	cache, err := filepath.Abs(modelDir(tb))
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	raw, err := os.ReadFile("demopack/manifest.json")
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), raw, 0o644); err != nil {
		tb.Fatal(err)
	}
	m := Manifest{}
	if err := json.Unmarshal(raw, &m); err != nil {
		tb.Fatal(err)
	}
	for _, mm := range m.Models {
		if err := os.Link(filepath.Join(cache, mm.File), filepath.Join(dir, mm.File)); err != nil {
			b, err := os.ReadFile(filepath.Join(cache, mm.File))
			if err != nil {
				tb.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, mm.File), b, 0o644); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return dir
}

func loadOptions(tb testing.TB) LoadOptions {
	return LoadOptions{Runtime: filepath.Join(modelDir(tb), "libonnxruntime.so.1")}
}

// TestUpdateSelfTests writes the expectations of the committed manifest from the runtime that is
// loaded. It runs only when asked to.
func TestUpdateSelfTests(t *testing.T) {
	if !*updateSelfTests {
		t.Skip("SKIP: only with -update-self-tests")
	}
	raw, err := os.ReadFile("demopack/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	if err := openEnvironment(filepath.Join(modelDir(t), "libonnxruntime.so.1")); err != nil {
		t.Fatal(err)
	}
	defer closeEnvironment()
	for i := range m.Models {
		mm := &m.Models[i]
		b, err := os.ReadFile(filepath.Join(modelDir(t), mm.File))
		if err != nil {
			t.Fatal(err)
		}
		g, err := newModel(mm, b, 1)
		if err != nil {
			t.Fatal(err)
		}
		mm.SelfTest = nil
		for k, o := range mm.Outputs {
			selfTestInput(g.in.GetData(), 1)
			if err := g.session.Run(); err != nil {
				t.Fatal(err)
			}
			s := SelfTest{Seed: 1, Output: o.Name, Tolerance: 1e-3}
			for _, v := range g.out[k].GetData()[:min(8, len(g.out[k].GetData()))] {
				s.Expected = append(s.Expected, float64(v))
			}
			mm.SelfTest = append(mm.SelfTest, s)
		}
		g.close()
	}
	out, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("demopack/manifest.json", append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
