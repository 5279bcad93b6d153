package facematch

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	ort "github.com/yalue/onnxruntime_go"
)

// environment is ONNX Runtime, which a process has once.
var environment struct {
	sync.Mutex
	users   int
	library string
}

func openEnvironment(library string) error {
	environment.Lock()
	defer environment.Unlock()
	if environment.users > 0 {
		if library != environment.library {
			return errors.New("facematch: another runtime library is loaded in this process")
		}
		environment.users++
		return nil
	}
	abs, err := filepath.Abs(library)
	if err != nil {
		return fmt.Errorf("facematch: %w", err)
	}
	ort.SetSharedLibraryPath(abs)
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return fmt.Errorf("facematch: runtime: %w", err)
	}
	if err := ort.DisableTelemetry(); err != nil {
		return errors.Join(fmt.Errorf("facematch: runtime: %w", err), ort.DestroyEnvironment())
	}
	environment.users, environment.library = 1, library
	return nil
}

func closeEnvironment() error {
	environment.Lock()
	defer environment.Unlock()
	if environment.users--; environment.users > 0 {
		return nil
	}
	return ort.DestroyEnvironment()
}

// model is one loaded graph with its tensors, which live as long as it does.
type model struct {
	m       *ModelManifest
	session *ort.AdvancedSession
	in      *ort.Tensor[float32]
	out     []*ort.Tensor[float32]
	w, h, c int
	crop    []uint16      // w x h RGB in levels of 1/256, what the tensor is made of
	spent   time.Duration // within the graph, for Measure
}

func newModel(mm *ModelManifest, graph []byte, threads int) (_ *model, err error) {
	m := &model{m: mm}
	defer func() {
		if err != nil {
			m.close()
			err = fmt.Errorf("facematch: model %s: %w", mm.ID, err)
		}
	}()
	m.w, m.h, m.c = mm.Input.size()
	m.crop = make([]uint16, 3*m.w*m.h)
	// The runtime's own way to ask makes a whole session for it, which is half of a start.
	ins, outs, err := graphValues(graph)
	if err != nil {
		return nil, err
	}
	if len(ins) != 1 || ins[0].name != mm.Input.Name || !ins[0].fits(mm.Input.Shape) {
		return nil, errors.New("the graph's input is not that of the manifest")
	}
	if m.in, err = ort.NewEmptyTensor[float32](ort.NewShape(mm.Input.Shape...)); err != nil {
		return nil, err
	}
	names := make([]string, len(mm.Outputs))
	values := make([]ort.Value, len(mm.Outputs))
	for i, o := range mm.Outputs {
		found := false
		for _, g := range outs {
			found = found || g.name == o.Name && g.fits(o.Shape)
		}
		if !found {
			return nil, fmt.Errorf("the graph has no output %q of shape %v", o.Name, o.Shape)
		}
		t, err := ort.NewEmptyTensor[float32](ort.NewShape(o.Shape...))
		if err != nil {
			return nil, err
		}
		m.out = append(m.out, t)
		names[i], values[i] = o.Name, t
	}
	opt, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer opt.Destroy()
	err = errors.Join(
		opt.SetIntraOpNumThreads(threads),
		opt.SetInterOpNumThreads(1),
		opt.SetExecutionMode(ort.ExecutionModeSequential),
		opt.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		// Idle worker threads sleep: the other inspector and the camera need the core.
		opt.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
	)
	if err != nil {
		return nil, err
	}
	if m.session, err = ort.NewAdvancedSessionWithONNXData(graph, []string{mm.Input.Name}, names, []ort.Value{m.in}, values, opt); err != nil {
		return nil, err
	}
	return m, nil
}

// run fills the tensor from m.crop and runs the graph.
func (m *model) run() error {
	m.fill(m.in.GetData(), m.crop)
	start := time.Now()
	if err := m.session.Run(); err != nil {
		return fmt.Errorf("facematch: model %s: %w", m.m.ID, err)
	}
	m.spent += time.Since(start)
	return nil
}

// fill normalises an RGB crop into a tensor of the model's layout and colour order.
func (m *model) fill(dst []float32, crop []uint16) {
	n := m.w * m.h
	// value = (level/256 - mean) / std = level·scale + shift
	var scale, shift [3]float32
	for c := range m.c {
		scale[c] = float32(1 / (level * m.m.Input.Std[c]))
		shift[c] = float32(-m.m.Input.Mean[c] / m.m.Input.Std[c])
	}
	if m.c == 1 {
		r, g, b := .299*scale[0], .587*scale[0], .114*scale[0]
		for i := range n {
			p := crop[3*i : 3*i+3 : 3*i+3]
			dst[i] = r*float32(p[0]) + g*float32(p[1]) + b*float32(p[2]) + shift[0]
		}
		return
	}
	first, last := 0, 2
	if m.m.Input.Colour == "BGR" {
		first, last = 2, 0
	}
	if m.m.Input.Layout == "NCHW" {
		a, b, c := dst[:n], dst[n:2*n], dst[2*n:3*n]
		for i := range n {
			p := crop[3*i : 3*i+3 : 3*i+3]
			a[i] = float32(p[first])*scale[0] + shift[0]
			b[i] = float32(p[1])*scale[1] + shift[1]
			c[i] = float32(p[last])*scale[2] + shift[2]
		}
		return
	}
	for i := range n {
		p, q := crop[3*i:3*i+3:3*i+3], dst[3*i:3*i+3:3*i+3]
		q[0] = float32(p[first])*scale[0] + shift[0]
		q[1] = float32(p[1])*scale[1] + shift[1]
		q[2] = float32(p[last])*scale[2] + shift[2]
	}
}

func (m *model) selfTest() error {
	for _, s := range m.m.SelfTest {
		selfTestInput(m.in.GetData(), s.Seed)
		if err := m.session.Run(); err != nil {
			return fmt.Errorf("facematch: model %s: %w", m.m.ID, err)
		}
		var got []float32
		for i, o := range m.m.Outputs {
			if o.Name == s.Output {
				got = m.out[i].GetData()
			}
		}
		if len(got) < len(s.Expected) {
			return refuse("model %s: self-test: no output %q of %d values", m.m.ID, s.Output, len(s.Expected))
		}
		for i, want := range s.Expected {
			if d := math.Abs(float64(got[i]) - want); !(d <= s.Tolerance) {
				return refuse("model %s: self-test: value %d is off by %.2g", m.m.ID, i, d)
			}
		}
	}
	return nil
}

func (m *model) wipe() {
	clear(m.crop)
	if m.in != nil {
		clear(m.in.GetData())
	}
	for _, t := range m.out {
		clear(t.GetData())
	}
}

func (m *model) close() {
	m.wipe()
	if m.session != nil {
		m.session.Destroy()
		m.session = nil
	}
	if m.in != nil {
		m.in.Destroy()
		m.in = nil
	}
	for _, t := range m.out {
		t.Destroy()
	}
	m.out = nil
}

// Engine runs the models of one pack. It serves one goroutine at a time.
type Engine struct {
	info                                      Info
	pack                                      *Pack // until all its models are loaded
	threads                                   int
	detector, marks, embedder, pad, pose, eye *model
	quality                                   *model // nil: the pack has none
	padThreshold                              float64
	rs                                        resampler
	found                                     []Detection
	frame                                     Image
	lying                                     Image // a picture of a camera on its side
	pixels                                    follower
	open                                      bool
}

// Open loads the models, runs their self-tests and one warm-up each. threads is the number of
// threads of one model call; 1 is the fastest for the whole frame on two shared cores.
func Open(p *Pack, threads int) (*Engine, error) {
	e, err := OpenStills(p, threads)
	if err != nil {
		return nil, err
	}
	if err := e.complete(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// OpenStills is Open for tools that look at photographs (Examine): it loads the detector, and the other models
// with the first face, so that a picture without one costs nothing more. A Session wants an engine of Open.
func OpenStills(p *Pack, threads int) (*Engine, error) {
	if threads < 1 || threads > 64 {
		return nil, fmt.Errorf("facematch: %d threads", threads)
	}
	if err := openEnvironment(p.library); err != nil {
		return nil, err
	}
	e := &Engine{info: p.info, pack: p, threads: threads, open: true, found: make([]Detection, 0, maxFaces), padThreshold: p.models[RolePAD].PAD.Threshold}
	if err := e.load(RoleDetector); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// complete loads the models that are not there yet.
func (e *Engine) complete() error {
	if e.pack == nil {
		return nil
	}
	var rest []Role
	for r := range e.pack.models { // not every role is one that a pack must have
		if r != RoleDetector {
			rest = append(rest, r)
		}
	}
	if err := e.load(rest...); err != nil {
		return err
	}
	e.pack = nil // the graphs are in the runtime
	return nil
}

// load makes models side by side, as many at a time as there are cores, and holds each against its self-test.
func (e *Engine) load(roles ...Role) error {
	errs := make([]error, len(roles))
	cores := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i, r := range roles {
		all.Go(func() {
			cores <- struct{}{}
			defer func() { <-cores }()
			m, err := newModel(e.pack.models[r], e.pack.graphs[r], e.threads)
			if err != nil {
				errs[i] = err
				return
			}
			*e.place(r) = m // each role has a place of its own
			errs[i] = m.selfTest()
			m.wipe()
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// place is where the model of a role stands.
func (e *Engine) place(r Role) **model {
	return map[Role]**model{
		RoleDetector: &e.detector, RoleLandmarks: &e.marks, RoleEmbedder: &e.embedder, RolePAD: &e.pad, RolePose: &e.pose, RoleEyes: &e.eye, RoleQuality: &e.quality,
	}[r]
}

// Info tells which pack runs.
func (e *Engine) Info() Info { return e.info }

// Wipe overwrites every buffer that held a picture, a crop or a template.
func (e *Engine) Wipe() {
	for _, m := range e.models() {
		if m != nil {
			m.wipe()
		}
	}
	e.frame.Wipe()
	e.lying.Wipe()
	e.rs.wipe()
	e.pixels.wipe()
	clear(e.found[:cap(e.found)])
}

func (e *Engine) models() [7]*model {
	return [7]*model{e.detector, e.marks, e.embedder, e.pad, e.pose, e.eye, e.quality}
}

// Close wipes and frees everything. It may be called more than once.
func (e *Engine) Close() error {
	if !e.open {
		return nil
	}
	e.open = false
	e.Wipe()
	for _, m := range e.models() {
		if m != nil {
			m.close()
		}
	}
	if err := closeEnvironment(); err != nil {
		return fmt.Errorf("facematch: %w", err)
	}
	return nil
}
