package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"egate/configs"
	"egate/emrtd/pa"
	"egate/emrtd/pace"
	"egate/emrtd/trust"
	"egate/facematch"
	"egate/inspect"
	"egate/inspect/decoder"
	"egate/inspect/decoder/selfchild"
	"egate/inspect/protocol"
	"egate/inspect/sandbox"
	"egate/policy"
	"egate/seal"
	"egate/verdict"
)

// Faults of the preparation, as codes of the health catalogue.
var (
	errModels = errors.New("models_missing")
	errTrust  = errors.New("trust_missing")
	errPolicy = errors.New("policy_refused")
)

// refusedPolicy is what egated says in place of a hash.
const refusedPolicy = "refused"

func code(err error) string {
	switch {
	case errors.Is(err, errModels):
		return errModels.Error()
	case errors.Is(err, errTrust):
		return errTrust.Error()
	case errors.Is(err, errPolicy):
		return errPolicy.Error()
	}
	return "inspector_start"
}

// connectLimit is how long a chip is waited for after its zone was read.
const connectLimit = 6 * time.Second

// prepare loads everything that takes time, starts the decoder children and enters the sandbox.
func prepare(_ context.Context, cfg configs.Gate, accepted string, link inspect.Link) (*inspect.Inspector, func(), error) {
	start := time.Now()
	rules, err := loadPolicy(cfg, accepted)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errPolicy, err)
	}
	engine, info, err := openEngine(cfg, rules)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errModels, err)
	}
	store, err := openTrust(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errTrust, err)
	}
	var keys pace.Keys
	// The curves that passports announce most; another one costs its key at the tap.
	if err := keys.Prepare(rand.Reader, 1, 12, 13, 15); err != nil {
		return nil, nil, err
	}
	pics, err := startChildren(cfg.Devices.Camera.Driver == "v4l2")
	if err != nil {
		return nil, nil, err
	}
	end := func() {
		pics.close()
		keys.Wipe()
		_ = engine.Close()
	}
	level, err := sandbox.Enter(sandbox.Needs{Devices: []string{cfg.Devices.Scanner.Device, cfg.Devices.NFC.Device, cfg.Devices.Camera.Device}})
	if err != nil {
		end()
		return nil, nil, err
	}
	ti := store.Info()
	return inspect.New(inspect.Config{
		Link: link, Devices: devices{cfg.Devices, cfg.Simulated, func() (*decoder.Worker, error) { return take(pics.stream) }}, Images: pics, Engine: engine, Trust: store, Policy: rules, Keys: &keys,
		AllowBAC: cfg.Inspect.AllowBAC, CameraTurn: cfg.Devices.Camera.Turn, Signatures: pa.Policy{ForbidSHA1: cfg.Inspect.ForbidSHA1}, Lookup: cfg.Limits.Lookup, Connect: connectLimit,
		Ready: protocol.Ready{Sandbox: level, ModelPack: info.String(), DemoModel: info.Demo, Policy: fmt.Sprintf("%s.v%d", rules.ID, rules.Version),
			Trust: fmt.Sprintf("%d@%x", ti.Version, ti.Hash[:8]), WarmMS: int(time.Since(start).Milliseconds())},
	}), end, nil
}

func openEngine(cfg configs.Gate, policy verdict.Policy) (*facematch.Engine, facematch.Info, error) {
	opt := facematch.LoadOptions{Production: !cfg.Simulated, Today: time.Now()}
	if len(cfg.Inspect.ModelKeys) > 0 {
		keys, err := seal.LoadPublics(cfg.Inspect.ModelKeys)
		if err != nil {
			return nil, facematch.Info{}, err
		}
		opt.Signers, opt.Signatures = keys, 1
	}
	pack, err := facematch.LoadPack(cfg.Inspect.Models, opt)
	if err != nil {
		return nil, facematch.Info{}, err
	}
	if err := pack.Operates(policy.MatchModel, policy.Match, !cfg.Simulated); err != nil {
		return nil, facematch.Info{}, err
	}
	e, err := facematch.Open(pack, cfg.Inspect.Threads)
	if err != nil {
		return nil, facematch.Info{}, err
	}
	return e, e.Info(), nil
}

func openTrust(cfg configs.Gate) (*trust.Store, error) {
	pub, err := seal.LoadPublic(cfg.Inspect.TrustKey)
	if err != nil {
		return nil, err
	}
	opts := []trust.Option{trust.Site(cfg.Site)}
	if !cfg.Simulated {
		opts = append(opts, trust.InService())
	}
	return trust.Load(cfg.Inspect.Trust, pub, time.Now(), opts...)
}

// loadPolicy reads the policy that egated has accepted, or takes the built-in one. Signatures and end are checked here
// too: the file is this process's input. That no older version is put back is egated's, which has the journal.
func loadPolicy(cfg configs.Gate, accepted string) (verdict.Policy, error) {
	path, p := cfg.Inspect.Policy, verdict.DefaultPolicy()
	if accepted == refusedPolicy {
		return p, errors.New("the controller has refused the policy")
	}
	if path == "" {
		return p, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	if h := sha256.Sum256(raw); accepted != "" && hex.EncodeToString(h[:]) != accepted {
		return p, fmt.Errorf("%s is not what the controller has accepted: a change needs its restart", path)
	}
	if len(cfg.Inspect.PolicyKeys) == 0 {
		f, err := configs.Parse(path, raw, &p, "docs/policy.md")
		if err != nil {
			return p, err
		}
		if err := p.Validate(); err != nil {
			return p, fmt.Errorf("%s: %w", f.Path, err)
		}
		return p, nil
	}
	keys, err := seal.LoadPublics(cfg.Inspect.PolicyKeys)
	if err != nil {
		return p, err
	}
	doc, err := policy.Open(raw, keys, cfg.Site, policy.Quorum)
	if err != nil {
		return p, err
	}
	return doc.Policy, nil
}

// pictures are the decoder children: one for the portrait of the chip, two for the files of a dossier, and one for a
// camera that may compress its pictures.
type pictures struct {
	stream chan *decoder.Worker
	decode chan *decoder.Worker
	encode chan *decoder.Worker
	all    []*decoder.Worker
}

func startChildren(camera bool) (*pictures, error) {
	p := &pictures{decode: make(chan *decoder.Worker, 1), encode: make(chan *decoder.Worker, 2), stream: make(chan *decoder.Worker, 1)}
	jobs := []chan *decoder.Worker{p.decode, p.encode, p.encode}
	if camera {
		jobs = append(jobs, p.stream)
	}
	for _, c := range jobs {
		w, err := selfchild.Prefork()
		if err != nil {
			p.close()
			return nil, err
		}
		p.all = append(p.all, w)
		c <- w
	}
	return p, nil
}

func (p *pictures) close() {
	for _, w := range p.all {
		_ = w.Close()
	}
}

var errChildren = errors.New("no decoder child is left")

func take(c chan *decoder.Worker) (*decoder.Worker, error) {
	select {
	case w := <-c:
		return w, nil
	default:
		return nil, errChildren
	}
}

// Decode implements inspect.Images.
func (p *pictures) Decode(ctx context.Context, file []byte) (*facematch.Image, error) {
	w, err := take(p.decode)
	if err != nil {
		return nil, err
	}
	m, err := w.Decode(ctx, file)
	if err != nil {
		return nil, err
	}
	return &facematch.Image{W: m.W, H: m.H, Stride: 3 * m.W, Pix: m.Pix}, nil
}

// Encode implements inspect.Images.
func (p *pictures) Encode(ctx context.Context, m *facematch.Image) ([]byte, error) {
	w, err := take(p.encode)
	if err != nil {
		return nil, err
	}
	pix := m.Pix
	if m.Stride != 3*m.W {
		pix = make([]byte, 0, 3*m.W*m.H)
		for y := range m.H {
			pix = append(pix, m.Pix[y*m.Stride:y*m.Stride+3*m.W]...)
		}
		defer clear(pix)
	}
	return w.Encode(ctx, &decoder.Image{W: m.W, H: m.H, Pix: pix})
}
