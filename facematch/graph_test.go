package facematch

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	ort "github.com/yalue/onnxruntime_go"
)

// F-06: what a graph says that it takes and gives is read as the runtime reads it.
func TestF06GraphValues(t *testing.T) {
	files := map[string][]byte{}
	var err error
	for _, mm := range demo().Models {
		if files[mm.ID], err = os.ReadFile(filepath.Join(modelDir(t), mm.File)); err != nil {
			t.Fatal(err)
		}
	}
	for _, layout := range []string{"NCHW", "NHWC"} {
		files["tiny "+layout], _ = tinyEmbedder(layout, "RGB", 96)
	}
	if err := openEnvironment(loadOptions(t).Runtime); err != nil {
		t.Fatal(err)
	}
	defer closeEnvironment()
	for name, b := range files {
		ins, outs, err := graphValues(b)
		if err != nil {
			t.Fatal(err)
		}
		wantIn, wantOut, err := ort.GetInputOutputInfoWithONNXData(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			got  []graphValue
			want []ort.InputOutputInfo
		}{{ins, wantIn}, {outs, wantOut}} {
			if len(x.got) != len(x.want) {
				t.Fatalf("%s: %d values, the runtime finds %d", name, len(x.got), len(x.want))
			}
			for i, w := range x.want {
				g := x.got[i]
				if g.name != w.Name || g.float != (w.DataType == ort.TensorElementDataTypeFloat) || !g.fits(w.Dimensions) || len(g.shape) != len(w.Dimensions) {
					t.Errorf("%s: %+v, the runtime finds %+v", name, g, w)
				}
			}
		}
	}
}

// F-06, C-10: an engine for photographs loads what it needs when it needs it, and nothing that fails its self-test.
func TestF06StillsLoadLate(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: runs models: left out of the short run")
	}
	dir := packDir(t)
	open := func() *Engine {
		t.Helper()
		p, err := LoadPack(dir, loadOptions(t))
		if err != nil {
			t.Fatal(err)
		}
		e, err := OpenStills(p, 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	}
	e := open()
	if x, err := e.Examine(NewImage(64, 64), true); err != nil || x.Probe != NoFaceFound {
		t.Fatalf("a black picture: %+v, %v", x, err)
	}
	if n := len(slices.DeleteFunc(slices.Collect(modelsOf(e)), func(m *model) bool { return m == nil })); n != 1 {
		t.Errorf("%d models were loaded for a picture without a face", n)
	}
	x, err := e.Examine(PortraitOf(t, "astronaut"), true)
	if err != nil || x.Reference == nil {
		t.Fatalf("a portrait: %+v, %v", x, err)
	}
	want, err := SharedEngine(t).Examine(PortraitOf(t, "astronaut"), true)
	if err != nil || !slices.Equal(x.Reference.template, want.Reference.template) || x.Live != want.Live {
		t.Errorf("not what an engine of Open finds: %v", err)
	}
	tiny, mm := tinyEmbedder("NCHW", "RGB", 112)
	mm.SelfTest = []SelfTest{{Seed: 1, Output: mm.Outputs[0].Name, Expected: []float64{7}, Tolerance: .01}}
	editPack(t, dir, map[string][]byte{mm.File: tiny}, func(m *Manifest) { m.Demo = true; put(m, mm, tiny) })
	bad := open()
	if x, err := bad.Examine(PortraitOf(t, "astronaut"), false); !errors.Is(err, ErrPack) || x.Reference != nil {
		t.Errorf("an embedder that fails its self-test: %v", err)
	}
}

func modelsOf(e *Engine) func(func(*model) bool) {
	m := e.models()
	return slices.Values(m[:])
}
