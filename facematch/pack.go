package facematch

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Limits on a model pack.
const (
	maxManifest  = 1 << 20   // a manifest is a few pages of text
	maxModelFile = 512 << 20 // the largest embedders in use have 250 MB
	maxSide      = 1024      // side of a model input, pixels
	maxAnchors   = 1 << 18   // outputs of a detector
	maxModels    = 16
)

// Errors that callers branch on.
var (
	// ErrPack says that the pack is refused; the text says why.
	ErrPack = errors.New("facematch: model pack refused")
	// ErrNoPack says that there is no pack where one was looked for.
	ErrNoPack = errors.New("facematch: no model pack")
)

// Role is what a model of a pack does.
type Role string

// Roles. Demographic and emotion roles do not exist (F-13).
const (
	RoleDetector  Role = "detector"
	RoleLandmarks Role = "landmarks"
	RoleEmbedder  Role = "embedder"
	RolePAD       Role = "pad"
	RolePose      Role = "pose"
	RoleEyes      Role = "eyes"
	RoleQuality   Role = "quality"
)

// roles are all roles, and whether a pack must have them.
var roles = map[Role]bool{
	RoleDetector: true, RoleLandmarks: true, RoleEmbedder: true, RolePAD: true, RolePose: true, RoleEyes: true,
	RoleQuality: false,
}

// decoders lists the output decoders that exist, per role.
var decoders = map[Role]string{
	RoleDetector: "rfb-ssd", RoleLandmarks: "points-0..1", RoleEmbedder: "raw",
	RolePAD: "softmax", RolePose: "softmax-bins", RoleEyes: "softmax",
	RoleQuality: "scalar",
}

// Manifest describes a model pack: manifest.json beside the files that it names.
type Manifest struct {
	ID        string          `json:"id"`
	Version   int             `json:"version"` // only rises
	Provider  string          `json:"provider"`
	Statement string          `json:"statement"` // shown on every surface
	PAD       string          `json:"pad_statement"`
	Demo      bool            `json:"demonstration"`
	Expires   string          `json:"expires,omitempty"` // date, yyyy-mm-dd
	Runtime   RuntimeLibrary  `json:"runtime"`
	Models    []ModelManifest `json:"models"`
}

// RuntimeLibrary is the ONNX Runtime shared library that the pack was tested with.
type RuntimeLibrary struct {
	File    string            `json:"file"`
	Version string            `json:"version"`
	SHA256  map[string]string `json:"sha256"` // by GOARCH
}

// ModelManifest describes one model file.
type ModelManifest struct {
	ID         string      `json:"id"`
	Version    string      `json:"version"`
	Role       Role        `json:"role"`
	File       string      `json:"file"`
	SHA256     string      `json:"sha256"`
	Bytes      int64       `json:"bytes"`
	Provider   string      `json:"provider"`
	Licence    string      `json:"licence"`
	Provenance string      `json:"provenance"`
	Runtime    string      `json:"runtime"` // "onnx"
	Input      Input       `json:"input"`
	Crop       Crop        `json:"crop"`
	Align      *Align      `json:"align,omitempty"`
	Decoder    string      `json:"decoder"`
	Outputs    []Output    `json:"outputs"`
	Embedding  *Embedding  `json:"embedding,omitempty"`
	Quality    *Limit      `json:"quality,omitempty"` // what the output of a quality model means
	Thresholds []Threshold `json:"thresholds,omitempty"`
	PAD        *PADFacts   `json:"pad,omitempty"`
	SelfTest   []SelfTest  `json:"self_test"`
	Comparable []string    `json:"embeddings_comparable_with,omitempty"`
}

// Input is how pixels become the input tensor: value = (pixel - mean) / std with pixel in 0 … 255.
type Input struct {
	Name   string    `json:"name"`
	Layout string    `json:"layout"` // NCHW or NHWC
	Shape  []int64   `json:"shape"`
	Colour string    `json:"colour"` // RGB, BGR or GRAY
	Mean   []float64 `json:"mean"`
	Std    []float64 `json:"std"`
	Resize string    `json:"resize"` // "area": averages when shrinking, bilinear when enlarging
}

// Crop is what part of the picture the model sees.
type Crop struct {
	Kind  string  `json:"kind"`            // frame, square, eye or aligned
	Scale float64 `json:"scale,omitempty"` // side of the square over that of the face box
	// Inside moves and limits the square so that it stays in the frame, instead of padding with black.
	Inside bool `json:"inside,omitempty"`
}

// Align is the template of an aligned crop: right eye, left eye (as the person has them), nose tip,
// mouth corners, in pixels of the crop.
type Align struct {
	Points    [5][2]float64 `json:"points"`
	Transform string        `json:"transform"` // similarity
}

// Output names an output tensor.
type Output struct {
	Name    string  `json:"name"`
	Meaning string  `json:"meaning"`
	Shape   []int64 `json:"shape"`
	Index   int     `json:"index,omitempty"` // of the class that is asked for
}

// Embedding describes the template that an embedder makes.
type Embedding struct {
	Dim    int    `json:"dim"`
	L2     bool   `json:"l2"`
	Metric string `json:"metric"` // cosine
}

// Threshold is an operating point with its evidence.
type Threshold struct {
	FMR        float64 `json:"fmr"`
	Score      float64 `json:"score"`
	Evidence   string  `json:"evidence"`
	Dataset    string  `json:"dataset"`
	Population string  `json:"population"`
	Date       string  `json:"date"`
	Pairs      int     `json:"n_pairs"`
	// Embedder is the hash of the model file that the evidence was measured with. A pack for service must
	// name it, so that no embedder works with the threshold of another one.
	Embedder string `json:"embedder_sha256,omitempty"`
}

// PADFacts is what is known of a PAD model.
type PADFacts struct {
	Threshold float64 `json:"threshold"`
	Evaluated string  `json:"evaluated"` // none, or the ISO/IEC 30107-3 report
	Attacks   string  `json:"attack_kinds"`
}

// SelfTest runs the model on a made-up input and compares the first values of one output.
type SelfTest struct {
	Seed      uint32    `json:"seed"` // of the input: see selfTestInput
	Output    string    `json:"output"`
	Expected  []float64 `json:"expected"`
	Tolerance float64   `json:"tolerance"`
}

// LoadOptions are the demands of a profile on a pack.
type LoadOptions struct {
	// Production refuses demonstration packs, thresholds without evidence and unsigned packs.
	Production bool
	// Signers are the keys that may sign a pack; Signatures is how many different ones must have.
	Signers    map[string]ed25519.PublicKey
	Signatures int
	// MinVersion is the highest version accepted before: an older pack is refused.
	MinVersion int
	// Today is the date against which the expiry is held; the zero value checks none.
	Today time.Time
	// Runtime overrides the path of the runtime library. Its hash is checked all the same.
	Runtime string
}

// Info is what surfaces say of a pack.
type Info struct {
	ID        string // id and version
	Hash      string // SHA-256 of the manifest, hex
	Demo      bool
	Statement string
	PAD       string
	Embedder  string
	Signers   []string
}

// String is "id@hash", the name in events and reports.
func (i Info) String() string { return i.ID + "@" + i.Hash[:16] }

// LogValue implements slog.LogValuer.
func (i Info) LogValue() slog.Value {
	return slog.GroupValue(slog.String("pack", i.String()), slog.Bool("demonstration", i.Demo))
}

// Pack is a verified model pack in memory. The graphs are those whose hashes were checked.
type Pack struct {
	manifest Manifest
	info     Info
	library  string
	graphs   map[Role][]byte
	models   map[Role]*ModelManifest
}

// Info tells what the pack is.
func (p *Pack) Info() Info { return p.info }

// Manifest returns a copy of the description.
func (p *Pack) Manifest() Manifest { return p.manifest }

var (
	idPattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	filePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrPack, fmt.Sprintf(format, args...))
}

// LoadPack reads and verifies the pack in dir. It refuses what the loader rules of the manifest
// forbid: an unknown field or decoder, a wrong hash or size, a graph with external data, custom
// operators or control flow, a missing or expired signature, a threshold without evidence in
// production. Self-tests run in Open, which needs the runtime.
func LoadPack(dir string, opt LoadOptions) (*Pack, error) {
	raw, err := readLimited(filepath.Join(dir, "manifest.json"), maxManifest)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: no manifest.json in the pack folder; fetch the demonstration pack with: make models", ErrNoPack)
	} else if err != nil {
		return nil, err
	}
	m, err := parseManifest(raw)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	p := &Pack{manifest: *m, graphs: map[Role][]byte{}, models: map[Role]*ModelManifest{}}
	p.info = Info{ID: fmt.Sprintf("%s.v%d", m.ID, m.Version), Hash: hex.EncodeToString(sum[:]), Demo: m.Demo, Statement: m.Statement, PAD: m.PAD}
	if p.info.Signers, err = checkSignatures(dir, raw, opt); err != nil {
		return nil, err
	}
	if err := m.profile(opt); err != nil {
		return nil, err
	}
	if err := m.holdsNoOther(dir); err != nil {
		return nil, err
	}
	// The library is several times as large as the models: it is hashed beside them.
	p.library = opt.Runtime
	if p.library == "" {
		p.library = filepath.Join(dir, m.Runtime.File)
	}
	library := make(chan error, 1)
	go func() { library <- checkLibrary(p.library, m.Runtime) }()
	for i := range m.Models {
		mm := &p.manifest.Models[i]
		b, err := readLimited(filepath.Join(dir, mm.File), maxModelFile)
		if err != nil {
			return nil, refuse("model %s: %v", mm.ID, err)
		}
		if int64(len(b)) != mm.Bytes || hashOf(b) != mm.SHA256 {
			return nil, refuse("model %s: the file does not have the size and hash of the manifest", mm.ID)
		}
		if err := checkGraph(b); err != nil {
			return nil, refuse("model %s: %v", mm.ID, err)
		}
		p.graphs[mm.Role], p.models[mm.Role] = b, mm
	}
	if err := m.checkDemo(raw); err != nil {
		return nil, err
	}
	p.info.Embedder = p.models[RoleEmbedder].ID
	if err := <-library; err != nil {
		return nil, err
	}
	return p, nil
}

// holdsNoOther refuses a model in the folder that the manifest does not name: nobody has vouched for it, and a folder
// of which a byte can be changed unseen is no pack.
func (m *Manifest) holdsNoOther(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("facematch: %w", err)
	}
	for _, f := range files {
		named := slices.ContainsFunc(m.Models, func(x ModelManifest) bool { return x.File == f.Name() })
		if !named && strings.EqualFold(filepath.Ext(f.Name()), ".onnx") {
			return refuse("%s is none of the models that the manifest names; take it out of the folder", f.Name())
		}
	}
	return nil
}

func parseManifest(raw []byte) (*Manifest, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var m Manifest
	if err := d.Decode(&m); err != nil {
		return nil, refuse("manifest: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, refuse("manifest: text after the end")
	}
	if !idPattern.MatchString(m.ID) || m.Version < 1 {
		return nil, refuse("manifest: id %q version %d", m.ID, m.Version)
	}
	if !filePattern.MatchString(m.Runtime.File) {
		return nil, refuse("manifest: runtime file %q", m.Runtime.File)
	}
	if len(m.Models) > maxModels {
		return nil, refuse("manifest: %d models", len(m.Models))
	}
	seen := map[Role]bool{}
	for i := range m.Models {
		mm := &m.Models[i]
		if err := mm.check(); err != nil {
			return nil, refuse("model %q: %v", mm.ID, err)
		}
		if seen[mm.Role] {
			return nil, refuse("model %q: a second %s", mm.ID, mm.Role)
		}
		seen[mm.Role] = true
	}
	for r, must := range roles {
		if must && !seen[r] {
			return nil, refuse("no model for the role %s", r)
		}
	}
	return &m, nil
}

func (mm *ModelManifest) check() error {
	if !idPattern.MatchString(mm.ID) || !filePattern.MatchString(mm.File) || !hashPattern.MatchString(mm.SHA256) || mm.Bytes <= 0 || mm.Bytes > maxModelFile {
		return errors.New("bad id, file, hash or size")
	}
	if _, ok := roles[mm.Role]; !ok {
		return fmt.Errorf("unknown role %q", mm.Role)
	}
	if mm.Runtime != "onnx" {
		return fmt.Errorf("unknown runtime %q", mm.Runtime)
	}
	if decoders[mm.Role] != mm.Decoder {
		return fmt.Errorf("unknown decoder %q for the role %s", mm.Decoder, mm.Role)
	}
	if err := mm.Input.check(); err != nil {
		return err
	}
	wantCrop := map[Role]string{RoleDetector: "frame", RoleLandmarks: "square", RolePAD: "square", RolePose: "square", RoleEyes: "eye", RoleEmbedder: "aligned", RoleQuality: "aligned"}[mm.Role]
	if mm.Crop.Kind != wantCrop {
		return fmt.Errorf("crop %q for the role %s", mm.Crop.Kind, mm.Role)
	}
	if (wantCrop == "square" || wantCrop == "eye") && !(mm.Crop.Scale >= 0.5 && mm.Crop.Scale <= 8) {
		return fmt.Errorf("crop scale %v", mm.Crop.Scale)
	}
	want := map[Role][]string{
		RoleDetector: {"scores", "boxes"}, RoleLandmarks: {"points"}, RoleEmbedder: {"embedding"},
		RolePAD: {"classes"}, RolePose: {"yaw", "pitch", "roll"}, RoleEyes: {"classes"}, RoleQuality: {"quality"},
	}[mm.Role]
	if len(mm.Outputs) != len(want) {
		return fmt.Errorf("%d outputs for the role %s", len(mm.Outputs), mm.Role)
	}
	for i, o := range mm.Outputs {
		n, err := elements(o.Shape, maxAnchors)
		if err != nil || o.Name == "" || o.Meaning != want[i] {
			return fmt.Errorf("output %d: name %q, meaning %q, shape %v", i, o.Name, o.Meaning, o.Shape)
		}
		if o.Index < 0 || int64(o.Index) >= o.Shape[len(o.Shape)-1] {
			return fmt.Errorf("output %q: index %d", o.Name, o.Index)
		}
		if mm.Role == RoleLandmarks && n != 136 {
			return fmt.Errorf("landmarks: %d values, the pipeline takes 68 points in iBUG order", n)
		}
		if mm.Role == RolePose && n != 66 {
			return fmt.Errorf("pose: %d bins, the decoder takes 66 of 3 degrees", n)
		}
	}
	if mm.Role == RoleDetector {
		s, b := mm.Outputs[0].Shape, mm.Outputs[1].Shape
		if len(s) != 3 || len(b) != 3 || s[1] != b[1] || s[2] != 2 || b[2] != 4 {
			return errors.New("detector: scores must be 1xNx2, boxes 1xNx4")
		}
	}
	if mm.Role == RoleEmbedder {
		n, _ := elements(mm.Outputs[0].Shape, maxAnchors)
		if e := mm.Embedding; e == nil || int64(e.Dim) != n || e.Dim < 16 || e.Dim > 4096 || !e.L2 || e.Metric != "cosine" {
			return errors.New("embedding: dim, l2 or metric")
		}
	}
	if wantCrop == "aligned" {
		if mm.Align == nil || mm.Align.Transform != "similarity" {
			return errors.New("no similarity alignment")
		}
		w, h, _ := mm.Input.size()
		for _, p := range mm.Align.Points {
			if p[0] < 0 || p[1] < 0 || p[0] > float64(w) || p[1] > float64(h) {
				return errors.New("template point outside of the crop")
			}
		}
	}
	if mm.Role == RoleQuality {
		if n, _ := elements(mm.Outputs[0].Shape, maxAnchors); n != 1 {
			return errors.New("quality: the decoder takes one value")
		}
		if l := mm.Quality; l == nil || !(l.Bad < l.Accept && l.Accept <= l.Good || l.Bad > l.Accept && l.Accept >= l.Good) {
			return errors.New("quality: limits bad, accept, good must be in order")
		}
	}
	for _, t := range mm.Thresholds {
		if t.Score < -1 || t.Score > 1 || t.FMR < 0 || t.FMR > 1 {
			return fmt.Errorf("threshold %v at FMR %v", t.Score, t.FMR)
		}
		if mm.Role != RoleEmbedder || t.Embedder != "" && t.Embedder != mm.SHA256 {
			return fmt.Errorf("threshold %v was measured with another embedder", t.Score)
		}
	}
	if mm.Role == RolePAD && (mm.PAD == nil || mm.PAD.Threshold <= 0 || mm.PAD.Threshold >= 1 || mm.PAD.Evaluated == "") {
		return errors.New("pad: no threshold or no statement of its evaluation")
	}
	if len(mm.SelfTest) == 0 {
		return errors.New("no self-test")
	}
	for _, s := range mm.SelfTest {
		if len(s.Expected) == 0 || !(s.Tolerance > 0) || s.Tolerance > 0.1 {
			return errors.New("self-test without expectation or with a tolerance outside 0 … 0.1")
		}
	}
	return nil
}

func (in *Input) check() error {
	if in.Name == "" {
		return errors.New("input without a name")
	}
	w, h, c := in.size()
	if w < 8 || h < 8 || w > maxSide || h > maxSide {
		return fmt.Errorf("input shape %v in layout %q", in.Shape, in.Layout)
	}
	want := map[string]int64{"RGB": 3, "BGR": 3, "GRAY": 1}[in.Colour]
	if want == 0 || c != int(want) {
		return fmt.Errorf("colour %q with %d channels", in.Colour, c)
	}
	if len(in.Mean) != c || len(in.Std) != c {
		return fmt.Errorf("%d means and %d deviations for %d channels", len(in.Mean), len(in.Std), c)
	}
	for _, s := range in.Std {
		if !(s > 0) {
			return errors.New("standard deviation not above zero")
		}
	}
	if in.Resize != "area" {
		return fmt.Errorf("unknown resize filter %q", in.Resize)
	}
	return nil
}

// size gives width, height and channels, zero when the shape makes no sense.
func (in *Input) size() (w, h, c int) {
	if len(in.Shape) != 4 || in.Shape[0] != 1 {
		return 0, 0, 0
	}
	for _, v := range in.Shape {
		if v <= 0 || v > maxSide {
			return 0, 0, 0
		}
	}
	switch in.Layout {
	case "NCHW":
		return int(in.Shape[3]), int(in.Shape[2]), int(in.Shape[1])
	case "NHWC":
		return int(in.Shape[2]), int(in.Shape[1]), int(in.Shape[3])
	}
	return 0, 0, 0
}

func elements(shape []int64, limit int64) (int64, error) {
	n := int64(1)
	if len(shape) == 0 || len(shape) > 6 {
		return 0, errors.New("no shape")
	}
	for _, v := range shape {
		if v <= 0 || v > limit || n*v > limit {
			return 0, errors.New("shape outside the limits")
		}
		n *= v
	}
	return n, nil
}

// profile holds the manifest against the demands of the site's profile.
func (m *Manifest) profile(opt LoadOptions) error {
	if m.Version < opt.MinVersion {
		return refuse("version %d is older than the accepted %d", m.Version, opt.MinVersion)
	}
	if m.Expires != "" {
		t, err := time.Parse(time.DateOnly, m.Expires)
		if err != nil {
			return refuse("expiry date: %v", err)
		}
		if !opt.Today.IsZero() && !opt.Today.Before(t.AddDate(0, 0, 1)) {
			return refuse("expired on %s", m.Expires)
		}
	}
	if !opt.Production {
		return nil
	}
	if m.Demo {
		return refuse("a demonstration pack cannot serve in production")
	}
	for _, mm := range m.Models {
		if mm.Role != RoleEmbedder {
			continue
		}
		if len(mm.Thresholds) == 0 {
			return refuse("model %s: no threshold", mm.ID)
		}
		for _, t := range mm.Thresholds {
			if t.Evidence == "" || t.Dataset == "" || t.Pairs <= 0 {
				return refuse("model %s: threshold %v has no evidence", mm.ID, t.Score)
			}
			if t.Embedder == "" {
				return refuse("model %s: threshold %v does not name the embedder that it was measured with (embedder_sha256)", mm.ID, t.Score)
			}
		}
	}
	return nil
}

// Operates refuses a policy whose threshold is not one of this pack: of another embedder, or, in service,
// one that names none or is below every threshold that the pack has evidence for (F-05, F-06). model is the
// embedder's id as the policy names it, empty where it names none.
func (p *Pack) Operates(model string, match float64, production bool) error {
	e := p.models[RoleEmbedder]
	if model != "" && model != e.ID {
		return refuse("the policy's threshold %.2f is of the embedder %q, the pack's is %q", match, model, e.ID)
	}
	if !production {
		return nil
	}
	if model == "" {
		return refuse("the policy does not name the embedder that its threshold %.2f is of (match_model: %s)", match, e.ID)
	}
	for _, t := range e.Thresholds {
		if match >= t.Score {
			return nil
		}
	}
	return refuse("the policy's threshold %.2f is below every one that the pack has evidence for", match)
}

// Signature is one line of manifest.sig: Ed25519 over "egate/v1/model-pack\x00" and the manifest.
type Signature struct {
	KeyID string `json:"kid"`
	Sig   string `json:"sig"` // base64
}

const signatureContext = "egate/v1/model-pack\x00"

// SignManifest signs the manifest of the pack in dir and adds the signature to manifest.sig. Two
// persons sign with a key each (F-06).
func SignManifest(dir, kid string, key ed25519.PrivateKey) error {
	raw, err := readLimited(filepath.Join(dir, "manifest.json"), maxManifest)
	if err != nil {
		return err
	}
	if _, err := parseManifest(raw); err != nil {
		return err
	}
	path := filepath.Join(dir, "manifest.sig")
	sigs, err := readSignatures(path)
	if err != nil {
		return err
	}
	sig := Signature{KeyID: kid, Sig: base64.StdEncoding.EncodeToString(ed25519.Sign(key, append([]byte(signatureContext), raw...)))}
	kept := sigs[:0]
	for _, s := range sigs {
		if s.KeyID != kid {
			kept = append(kept, s)
		}
	}
	out, err := json.MarshalIndent(append(kept, sig), "", " ")
	if err != nil {
		return fmt.Errorf("facematch: %w", err)
	}
	if err := os.WriteFile(path+".new", out, 0o644); err != nil {
		return fmt.Errorf("facematch: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("facematch: %w", err)
	}
	return nil
}

// SignedBy lists the keys that a pack says to be signed with, unverified.
func SignedBy(dir string) ([]string, error) {
	sigs, err := readSignatures(filepath.Join(dir, "manifest.sig"))
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(sigs))
	for i, s := range sigs {
		ids[i] = s.KeyID
	}
	return ids, nil
}

func readSignatures(path string) ([]Signature, error) {
	raw, err := readLimited(path, maxManifest)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var sigs []Signature
	if err := json.Unmarshal(raw, &sigs); err != nil {
		return nil, refuse("manifest.sig: %v", err)
	}
	return sigs, nil
}

// checkSignatures counts the different trusted keys with a good signature. A bad signature of a
// known key refuses the pack whatever is demanded: somebody changed it.
func checkSignatures(dir string, raw []byte, opt LoadOptions) ([]string, error) {
	need := opt.Signatures
	if opt.Production && need < 2 {
		need = 2 // F-06: two persons
	}
	sigs, err := readSignatures(filepath.Join(dir, "manifest.sig"))
	if err != nil {
		return nil, err
	}
	msg := append([]byte(signatureContext), raw...)
	var good []string
	keys := map[string]bool{}
	for _, s := range sigs {
		key, ok := opt.Signers[s.KeyID]
		if !ok {
			continue
		}
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, msg, sig) {
			return nil, refuse("the signature of %q does not fit the manifest", s.KeyID)
		}
		if !keys[string(key)] {
			keys[string(key)] = true
			good = append(good, s.KeyID)
		}
	}
	if len(good) < need {
		return nil, refuse("%d trusted signatures, %d needed", len(good), need)
	}
	return good, nil
}

func checkLibrary(path string, lib RuntimeLibrary) error {
	want := lib.SHA256[runtime.GOARCH]
	if want == "" {
		return refuse("no runtime library for %s", runtime.GOARCH)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: runtime library: %v; fetch it with: make models", ErrNoPack, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxModelFile)); err != nil {
		return fmt.Errorf("facematch: runtime library: %w", err)
	}
	if hex.EncodeToString(h.Sum(nil)) != want {
		return refuse("the runtime library %s does not have the hash of the manifest", lib.File)
	}
	return nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("facematch: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("facematch: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > limit {
		return nil, fmt.Errorf("facematch: %s: not a file of at most %d bytes", filepath.Base(path), limit)
	}
	b := make([]byte, st.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("facematch: %s: %w", filepath.Base(path), err)
	}
	return b, nil
}

func hashOf(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

// selfTestInput fills a tensor with a made-up picture, already normalised: a linear congruential
// sequence in -1 … 1, the same in every implementation.
func selfTestInput(dst []float32, seed uint32) {
	s := seed
	for i := range dst {
		s = s*1664525 + 1013904223
		dst[i] = float32(int32(s>>8)-1<<23) / (1 << 23)
	}
}

// describe is a one-line description for tools.
func (mm *ModelManifest) describe() string {
	return strings.Join([]string{string(mm.Role), mm.ID, mm.Version, mm.SHA256[:16], mm.Licence}, " · ")
}
