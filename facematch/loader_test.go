package facematch

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"egate/sim/faces"
)

// A writer of ONNX files, just enough for a model of one convolution: protobuf fields by their numbers in
// onnx.proto3.
func pbVarint(b []byte, num int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(num)<<3), v)
}

func pbBytes(b []byte, num int, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(num)<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func pbInts(b []byte, num int, v ...int64) []byte {
	for _, x := range v {
		b = pbVarint(b, num, uint64(x))
	}
	return b
}

func onnxTensor(name string, v []float32, dims ...int64) []byte {
	raw := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(x))
	}
	b := pbVarint(pbInts(nil, 1, dims...), 2, 1) // FLOAT
	return pbBytes(pbBytes(b, 8, []byte(name)), 9, raw)
}

func onnxInts64(name string, v ...int64) []byte {
	raw := make([]byte, 8*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint64(raw[8*i:], uint64(x))
	}
	b := pbVarint(pbInts(nil, 1, int64(len(v))), 2, 7) // INT64
	return pbBytes(pbBytes(b, 8, []byte(name)), 9, raw)
}

func onnxNode(op, domain, out string, in []string, ints map[string][]int64) []byte {
	var b []byte
	for _, x := range in {
		b = pbBytes(b, 1, []byte(x))
	}
	b = pbBytes(pbBytes(b, 2, []byte(out)), 4, []byte(op))
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for k := range ints {
			if !yield(k) {
				return
			}
		}
	}) {
		a := pbVarint(pbInts(pbBytes(nil, 1, []byte(name)), 8, ints[name]...), 20, 7) // INTS
		b = pbBytes(b, 5, a)
	}
	if domain != "" {
		b = pbBytes(b, 7, []byte(domain))
	}
	return b
}

func onnxValue(name string, dims ...int64) []byte {
	var shape []byte
	for _, d := range dims {
		shape = pbBytes(shape, 1, pbVarint(nil, 1, uint64(d)))
	}
	t := pbBytes(pbVarint(nil, 1, 1), 2, shape)
	return pbBytes(pbBytes(nil, 1, []byte(name)), 2, pbBytes(nil, 1, t))
}

type onnxGraph struct {
	nodes, weights [][]byte
	in, out        []byte
	opset          uint64
	extra          []byte
}

func (g onnxGraph) file() []byte {
	var b []byte
	for _, n := range g.nodes {
		b = pbBytes(b, 1, n)
	}
	b = pbBytes(b, 2, []byte("test"))
	for _, w := range g.weights {
		b = pbBytes(b, 5, w)
	}
	b = pbBytes(pbBytes(b, 11, g.in), 12, g.out)
	opset := g.opset
	if opset == 0 {
		opset = 13
	}
	m := pbVarint(nil, 1, 8) // IR version
	m = pbBytes(pbBytes(m, 7, b), 8, pbVarint(nil, 2, opset))
	return append(m, g.extra...)
}

// tinyEmbedder is a model of another maker: side x side pixels in the layout and colour order that are asked for,
// 16 filters over squares, 16·n² values. Whatever the layout and order, it is the same function of the picture.
func tinyEmbedder(layout, colour string, side int64) ([]byte, ModelManifest) {
	const patch, filters = 16, 16
	channels := int64(3)
	if colour == "GRAY" {
		channels = 1
	}
	rnd := rand.New(rand.NewPCG(19, 112))
	w := make([]float32, filters*channels*patch*patch)
	for f := range int64(filters) {
		for y := range int64(patch) {
			for x := range int64(patch) {
				for c := range channels {
					k := c
					if colour == "BGR" {
						k = 2 - c
					}
					w[((f*channels+k)*patch+y)*patch+x] = float32(rnd.NormFloat64() / 16)
				}
			}
		}
	}
	n := side / patch
	dim := filters * n * n
	shape := []int64{1, channels, side, side}
	g := onnxGraph{weights: [][]byte{onnxTensor("w", w, filters, channels, patch, patch), onnxInts64("flat", 1, dim)}, out: onnxValue("template", 1, dim)}
	from := "picture"
	if layout == "NHWC" {
		shape = []int64{1, side, side, channels}
		g.nodes = append(g.nodes, onnxNode("Transpose", "", "planes", []string{"picture"}, map[string][]int64{"perm": {0, 3, 1, 2}}))
		from = "planes"
	}
	g.in = onnxValue("picture", shape...)
	g.nodes = append(g.nodes,
		onnxNode("Conv", "", "c", []string{from, "w"}, map[string][]int64{"kernel_shape": {patch, patch}, "strides": {patch, patch}}),
		onnxNode("Reshape", "", "template", []string{"c", "flat"}, nil))
	m := ModelManifest{ID: "tiny-" + strings.ToLower(layout+"-"+colour), Version: "1", Role: RoleEmbedder, File: "tiny.onnx", Runtime: "onnx",
		Input:   Input{Name: "picture", Layout: layout, Shape: shape, Colour: colour, Mean: slices.Repeat([]float64{127.5}, int(channels)), Std: slices.Repeat([]float64{128}, int(channels)), Resize: "area"},
		Crop:    Crop{Kind: "aligned"},
		Decoder: "raw", Outputs: []Output{{Name: "template", Meaning: "embedding", Shape: []int64{1, dim}}},
		Embedding: &Embedding{Dim: int(dim), L2: true, Metric: "cosine"},
		Align:     &Align{Transform: "similarity"},
	}
	for i, p := range [5][2]float64{{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041}} {
		m.Align.Points[i] = [2]float64{p[0] * float64(side) / 112, p[1] * float64(side) / 112}
	}
	return g.file(), m
}

// editPack changes the manifest of a pack, and writes files beside it. It is a pack of its own then: its model of the
// eyes says so in a remark.
func editPack(t testing.TB, dir string, files map[string][]byte, edit func(m *Manifest)) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) { // it may be a link into the cache
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range m.Models {
		mm := &m.Models[i]
		path := filepath.Join(dir, mm.File)
		b, err := os.ReadFile(path)
		if mm.Role != RoleEyes || err != nil || hashOf(b) != mm.SHA256 {
			continue
		}
		b = pbBytes(slices.Clone(b), 6, []byte("own")) // doc_string
		mm.SHA256, mm.Bytes = hashOf(b), int64(len(b))
		if err := os.Remove(path); err != nil { // it may be a link into the cache
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := slices.Clone(m.Models)
	edit(&m)
	for _, old := range before { // a model whose place another one took
		if !slices.ContainsFunc(m.Models, func(x ModelManifest) bool { return x.File == old.File }) {
			if err := os.Remove(filepath.Join(dir, old.File)); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
	if raw, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// put makes a model the pack's for its role.
func put(m *Manifest, mm ModelManifest, file []byte) {
	sum := sha256.Sum256(file)
	mm.SHA256, mm.Bytes = hex.EncodeToString(sum[:]), int64(len(file))
	m.Models = slices.DeleteFunc(m.Models, func(x ModelManifest) bool { return x.Role == mm.Role })
	m.Models = append(m.Models, mm)
}

func role(m *Manifest, r Role) *ModelManifest {
	for i := range m.Models {
		if m.Models[i].Role == r {
			return &m.Models[i]
		}
	}
	return nil
}

// withSelfTest measures the expectation of a model that nobody has measured before.
func withSelfTest(t testing.TB, mm ModelManifest, file []byte) ModelManifest {
	t.Helper()
	if err := openEnvironment(loadOptions(t).Runtime); err != nil {
		t.Fatal(err)
	}
	defer closeEnvironment()
	g, err := newModel(&mm, file, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	selfTestInput(g.in.GetData(), 7)
	if err := g.session.Run(); err != nil {
		t.Fatal(err)
	}
	s := SelfTest{Seed: 7, Output: mm.Outputs[0].Name, Tolerance: 1e-3}
	for _, v := range g.out[0].GetData()[:min(8, len(g.out[0].GetData()))] {
		s.Expected = append(s.Expected, float64(v))
	}
	mm.SelfTest = []SelfTest{s}
	return mm
}

// F-06: two embedders of different makers work by their manifest alone, whatever size, layout and colour order
// they take: in every order the second one is the same function, so it makes the same template.
func TestF06AnyEmbedderByManifest(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: runs models: left out of the short run")
	}
	portraits := map[string]*Image{}
	for _, who := range faces.Names() {
		portraits[who] = PortraitOf(t, who)
	}
	x, err := SharedEngine(t).Examine(portraits["astronaut"], false)
	if err != nil {
		t.Fatal(err)
	}
	templates := map[string][]float32{}
	for _, c := range []struct {
		layout, colour string
		side           int64
	}{{"NCHW", "RGB", 128}, {"NHWC", "BGR", 128}, {"NCHW", "BGR", 128}, {"NHWC", "GRAY", 96}} {
		name := fmt.Sprintf("%s %s %d", c.layout, c.colour, c.side)
		file, mm := tinyEmbedder(c.layout, c.colour, c.side)
		mm = withSelfTest(t, mm, file)
		dir := packDir(t)
		editPack(t, dir, map[string][]byte{"tiny.onnx": file}, func(m *Manifest) { put(m, mm, file) })
		p, err := LoadPack(dir, loadOptions(t))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		e, err := Open(p, 1)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		refs := map[string]*Reference{}
		for who, m := range portraits {
			x, err := e.Examine(m, false)
			if err != nil || x.Reference == nil {
				t.Fatalf("%s: %v", name, err)
			}
			refs[who] = x.Reference
		}
		self, _ := Compare(refs["astronaut"], refs["astronaut"])
		other, err := Compare(refs["astronaut"], refs["admiral"])
		if err != nil || math.Abs(self-1) > 1e-5 || other > .98 {
			t.Errorf("%s: %.4f with itself, %.4f with another; %v", name, self, other, err)
		}
		key := c.colour
		if c.colour == "BGR" {
			key = "RGB"
		}
		got := refs["astronaut"].template
		if want := templates[key]; want != nil {
			for i := range want {
				if math.Abs(float64(got[i]-want[i])) > 1e-5 {
					t.Fatalf("%s: value %d is %v, in another layout or order %v", name, i, got[i], want[i])
				}
			}
		} else {
			templates[key] = slices.Clone(got)
		}
		if _, err := Compare(x.Reference, refs["astronaut"]); err == nil {
			t.Errorf("%s: templates of two models were compared", name)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// F-03: a model of the role quality, which a pack may have, becomes the component unified_quality_score.
func TestF03QualityModel(t *testing.T) {
	w := slices.Repeat([]float32{1. / (3 * 112 * 112)}, 3*112*112) // the mean of the picture
	g := onnxGraph{weights: [][]byte{onnxTensor("w", w, 1, 3, 112, 112), onnxInts64("flat", 1, 1)}, in: onnxValue("picture", 1, 3, 112, 112), out: onnxValue("q", 1, 1),
		nodes: [][]byte{onnxNode("Conv", "", "c", []string{"picture", "w"}, map[string][]int64{"kernel_shape": {112, 112}}), onnxNode("Reshape", "", "q", []string{"c", "flat"}, nil)}}
	file := g.file()
	_, mm := tinyEmbedder("NCHW", "RGB", 112)
	mm.ID, mm.Role, mm.File, mm.Decoder, mm.Embedding = "mean-light", RoleQuality, "quality.onnx", "scalar", nil
	mm.Input.Mean, mm.Input.Std = []float64{0, 0, 0}, []float64{1, 1, 1}
	mm.Outputs, mm.Quality = []Output{{Name: "q", Meaning: "quality", Shape: []int64{1, 1}}}, &Limit{Bad: 20, Accept: 60, Good: 140}
	mm = withSelfTest(t, mm, file)
	dir := packDir(t)
	editPack(t, dir, map[string][]byte{"quality.onnx": file}, func(m *Manifest) { put(m, mm, file) })
	p, err := LoadPack(dir, loadOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(p, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	m := PortraitOf(t, "admiral")
	x, err := e.Examine(m, false)
	if err != nil {
		t.Fatal(err)
	}
	each(m, func(_, _ int, v float64) float64 { return v * .4 })
	dark, err := e.Examine(m, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b := x.Quality.Score[UnifiedQuality], dark.Quality.Score[UnifiedQuality]
	if !(a >= 50 && b < 50) || math.Abs(dark.Quality.Raw[UnifiedQuality]-.4*x.Quality.Raw[UnifiedQuality]) > 2 {
		t.Errorf("%.1f, and %.1f in the dark (%.1f, %.1f)", a, b, x.Quality.Raw[UnifiedQuality], dark.Quality.Raw[UnifiedQuality])
	}
}

// F-06, X-01: what the loader refuses, each alone, by a sentence that says why.
func TestF06LoaderRefuses(t *testing.T) {
	_, tinyManifest := tinyEmbedder("NCHW", "RGB", 112)
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	embedder := func(f func(mm *ModelManifest)) func(*Manifest) {
		return func(m *Manifest) { f(role(m, RoleEmbedder)) }
	}
	nothing := func(*Manifest) {}
	graph := func(g onnxGraph) (map[string][]byte, func(*Manifest)) {
		if g.in == nil {
			g.in, g.out = onnxValue("picture", 1, 3, 112, 112), onnxValue("template", 1, 784)
		}
		file := g.file()
		return map[string][]byte{"tiny.onnx": file}, func(m *Manifest) {
			mm := tinyManifest
			mm.SelfTest = []SelfTest{{Seed: 1, Output: "template", Expected: []float64{0}, Tolerance: .01}}
			put(m, mm, file)
		}
	}
	evidence := Threshold{FMR: .001, Score: .4, Evidence: "report 7", Dataset: "agency", Pairs: 100000}
	inService := func(f func(mm *ModelManifest)) func(*Manifest) {
		return func(m *Manifest) {
			m.Demo = false
			mm := role(m, RoleEmbedder)
			x := evidence
			x.Embedder = mm.SHA256
			mm.Thresholds = []Threshold{x}
			f(mm)
		}
	}
	for _, c := range []struct {
		name, why  string
		files      map[string][]byte
		edit       func(*Manifest)
		graph      *onnxGraph
		production bool
		accepted   int // version
	}{
		{name: "another hash", why: "size and hash", edit: embedder(func(mm *ModelManifest) { mm.SHA256 = strings.Repeat("0", 64) })},
		{name: "another size", why: "size and hash", edit: embedder(func(mm *ModelManifest) { mm.Bytes++ })},
		{name: "an unknown decoder", why: "unknown decoder", edit: embedder(func(mm *ModelManifest) { mm.Decoder = "yunet" })},
		{name: "an unknown role", why: "unknown role", edit: embedder(func(mm *ModelManifest) { mm.Role = "gender" })},
		{name: "a role that is missing", why: "no model for the role embedder", edit: func(m *Manifest) {
			m.Models = slices.DeleteFunc(m.Models, func(x ModelManifest) bool { return x.Role == RoleEmbedder })
		}},
		{name: "a role twice", why: "a second pad", edit: func(m *Manifest) { m.Models = append(m.Models, *role(m, RolePAD)) }},
		{name: "a failed self-test", why: "self-test", edit: embedder(func(mm *ModelManifest) { mm.SelfTest[0].Expected[0] += .5 })},
		{name: "no self-test", why: "no self-test", edit: embedder(func(mm *ModelManifest) { mm.SelfTest = nil })},
		{name: "a path", why: "bad id, file", edit: embedder(func(mm *ModelManifest) { mm.File = "../fr_feature.onnx" })},
		{name: "an input of another shape", why: "input is not that of the manifest", edit: embedder(func(mm *ModelManifest) {
			mm.Input.Shape = []int64{1, 3, 128, 128}
		})},
		{name: "an output that is not there", why: "no output", edit: embedder(func(mm *ModelManifest) { mm.Outputs[0].Name = "x"; mm.SelfTest[0].Output = "x" })},
		{name: "an input beyond the limit", why: "input shape", edit: embedder(func(mm *ModelManifest) { mm.Input.Shape = []int64{1, 3, 4096, 4096} })},
		{name: "embedder and threshold of different models", why: "another embedder", edit: embedder(func(mm *ModelManifest) { mm.Thresholds[0].Embedder = strings.Repeat("a", 64) })},
		{name: "weights in another file", why: "outside of the file", graph: &onnxGraph{weights: [][]byte{pbBytes(pbVarint(onnxTensor("w", nil, 1), 14, 1), 13, []byte("x"))},
			nodes: [][]byte{onnxNode("Conv", "", "template", []string{"picture", "w"}, nil)}}},
		{name: "an operator of somebody's own", why: "operator domain", graph: &onnxGraph{nodes: [][]byte{onnxNode("Run", "com.example", "template", []string{"picture"}, nil)}}},
		{name: "a loop", why: "control flow", graph: &onnxGraph{nodes: [][]byte{onnxNode("Loop", "", "template", []string{"picture"}, nil)}}},
		{name: "functions", why: "functions in the graph", graph: &onnxGraph{nodes: [][]byte{onnxNode("Relu", "", "template", []string{"picture"}, nil)}, extra: pbBytes(nil, 25, []byte("f"))}},
		{name: "more nodes than the limit", why: "more than 20000 nodes", graph: &onnxGraph{nodes: slices.Repeat([][]byte{onnxNode("Relu", "", "template", []string{"picture"}, nil)}, maxNodes+1)}},
		{name: "an operator set that is not known", why: "operator set", graph: &onnxGraph{opset: maxOpset + 1, nodes: [][]byte{onnxNode("Relu", "", "template", []string{"picture"}, nil)}}},
		{name: "no model at all", why: "not an ONNX model", files: map[string][]byte{"tiny.onnx": {8, 1}}, edit: func(m *Manifest) {
			mm := tinyManifest
			mm.SelfTest = []SelfTest{{Output: "template", Expected: []float64{0}, Tolerance: .01}}
			put(m, mm, []byte{8, 1})
		}},
		{name: "an older version", why: "older than", edit: func(m *Manifest) { m.Version = 1 }, accepted: 2},
		{name: "expired", why: "expired", edit: func(m *Manifest) { m.Expires = "2020-01-01" }},
		{name: "demonstration models in service", why: "demonstration pack", edit: nothing, production: true},
		{name: "a threshold without evidence in service", why: "has no evidence", edit: inService(func(mm *ModelManifest) { mm.Thresholds[0].Evidence = "" }), production: true},
		{name: "a threshold that names no embedder in service", why: "does not name the embedder", edit: inService(func(mm *ModelManifest) { mm.Thresholds[0].Embedder = "" }), production: true},
		{name: "no threshold in service", why: "no threshold", edit: inService(func(mm *ModelManifest) { mm.Thresholds = nil }), production: true},
		{name: "signed by one person", why: "1 trusted signatures, 2 needed", edit: inService(func(*ModelManifest) {}), production: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := packDir(t)
			files, edit := c.files, c.edit
			if c.graph != nil {
				files, edit = graph(*c.graph)
			}
			editPack(t, dir, files, edit)
			opt := loadOptions(t)
			opt.Production, opt.Today, opt.MinVersion = c.production, time.Now(), c.accepted
			if c.production {
				if err := SignManifest(dir, "one", private); err != nil {
					t.Fatal(err)
				}
				opt.Signers = map[string]ed25519.PublicKey{"one": private.Public().(ed25519.PublicKey)}
			}
			// One signature is missing in all of production: what is asked for must be refused before or beside.
			p, err := LoadPack(dir, opt)
			if err != nil && c.production && c.why != "1 trusted signatures, 2 needed" {
				err = errors.New(strings.Join([]string{err.Error(), productionOnly(dir)}, "; "))
			}
			if err == nil {
				var e *Engine
				if e, err = Open(p, 1); err == nil {
					_ = e.Close()
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v, want %q", err, c.why)
			}
		})
	}
	// One byte of a model changed.
	dir := packDir(t)
	path := filepath.Join(dir, "fr_feature.onnx")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	editPack(t, dir, map[string][]byte{"fr_feature.onnx": b}, nothing)
	if _, err := LoadPack(dir, loadOptions(t)); !errors.Is(err, ErrPack) {
		t.Errorf("a model with one bit changed: %v", err)
	}
	// A model that nobody named.
	b[len(b)/2] ^= 1
	editPack(t, dir, map[string][]byte{"fr_feature.onnx": b, "other.ONNX": b}, nothing)
	if _, err := LoadPack(dir, loadOptions(t)); !errors.Is(err, ErrPack) || !strings.Contains(err.Error(), "other.ONNX") {
		t.Errorf("a model that the manifest does not name: %v", err)
	}
}

// F-06: a byte of the demonstration pack's manifest cannot be changed either, though nobody signs it; a pack with a
// model of its own is another one.
func TestF06DemonstrationManifest(t *testing.T) {
	var m Manifest
	if err := json.Unmarshal(demoManifest, &m); err != nil {
		t.Fatal(err)
	}
	if err := m.checkDemo(demoManifest); err != nil {
		t.Errorf("the manifest itself: %v", err)
	}
	// Whatever byte is changed (every 23rd is): no manifest, another model's hash, or refused for what it is.
	for i := 0; i < len(demoManifest); i += 23 {
		b := slices.Clone(demoManifest)
		b[i] ^= 1
		x, err := parseManifest(b)
		if err != nil || x.checkDemo(b) != nil {
			continue
		}
		same := len(x.Models) == len(m.Models)
		for k := range m.Models {
			same = same && x.Models[k].SHA256 == m.Models[k].SHA256
		}
		if same {
			t.Fatalf("byte %d changed from %q to %q and taken", i, demoManifest[i], b[i])
		}
	}
	m.Models[0].Crop.Scale += .1
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.checkDemo(raw); err == nil {
		t.Error("another crop was taken")
	}
	m.Demo = false
	if err := m.checkDemo(raw); err != nil {
		t.Errorf("a pack of somebody's own: %v", err)
	}
	m.Demo, m.Models[0].SHA256 = true, strings.Repeat("0", 64)
	if err := m.checkDemo(raw); err != nil {
		t.Errorf("another model: %v", err)
	}
}

// productionOnly is why the profile of service refuses a manifest, signatures left aside.
func productionOnly(dir string) string {
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return err.Error()
	}
	m, err := parseManifest(raw)
	if err == nil {
		err = m.profile(LoadOptions{Production: true})
	}
	return fmt.Sprint(err)
}

// F-05, F-06: a policy whose threshold is of another embedder is refused; in service also one that names none, and
// one below everything that was measured.
func TestF05ThresholdBelongsToEmbedder(t *testing.T) {
	p := &Pack{models: map[Role]*ModelManifest{RoleEmbedder: {ID: "a", Thresholds: []Threshold{{Score: .5}, {Score: .6}}}}}
	for _, c := range []struct {
		model      string
		match      float64
		production bool
		why        string
	}{
		{"", .48, false, ""}, {"a", .48, false, ""}, {"b", .48, false, "is of the embedder"}, {"b", .7, true, "is of the embedder"},
		{"", .7, true, "does not name"}, {"a", .49, true, "below every one"}, {"a", .5, true, ""}, {"a", .9, true, ""},
	} {
		err := p.Operates(c.model, c.match, c.production)
		if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// whatever bytes a model file has, the walk over its graph ends with an answer.
func FuzzGraph(f *testing.F) {
	tiny, _ := tinyEmbedder("NHWC", "GRAY", 32)
	f.Add(tiny)
	f.Add([]byte{})
	f.Add([]byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := checkGraph(b); err == nil && len(b) < 8 {
			t.Fatalf("%x is no model", b)
		}
		if _, _, err := graphValues(b); err != nil && checkGraph(b) == nil && !errors.Is(err, errGraph) {
			t.Fatal(err)
		}
	})
}
