package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"

	"egate/api"
	"egate/audit"
	"egate/configs"
	"egate/console"
	"egate/console/centre"
	"egate/journal"
	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
)

const (
	siteName, gateName = "hil", "gate-1"
	broker             = "127.0.0.1:1883"
	screenAt           = "127.0.0.1:8070"
	deskHost           = "desk.example"  // of the officers' pages
	patience           = 3 * time.Minute // bounds a wait on an emulated machine beside others; nothing is measured with it
)

// site is the gate of a guest with its centre; everything that must outlive a power cut lies in dir.
type site struct {
	dir    string
	cfg    configs.Gate
	config string
	key    ed25519.PublicKey
	chip   chip
	c      *centre.Centre
	egated *exec.Cmd
	exited chan error

	mu       sync.Mutex
	notes    [][]byte
	passages chan []byte    // transaction events
	steel    map[string]int // what the steel said, counted
	unsafe   []string
	moved    chan struct{} // closed and renewed when the steel says something
	order    io.Writer
}

// openSite makes a site in dir, or finds the one that is there. watchdog is a device or empty.
func openSite(dir, watchdog string) (*site, error) {
	s := &site{dir: dir, config: "/run/gate.yaml", steel: map[string]int{}, moved: make(chan struct{}), passages: make(chan []byte, 16), exited: make(chan error, 1)}
	g, err := configs.Example(configs.SimYAML)
	if err != nil {
		return nil, err
	}
	all := strip(g)
	_, err = os.Stat("/sys/kernel/config/gpio-sim")
	wired := err == nil
	s.chip = chip{linesSocket, noChip}
	if wired {
		if s.chip, err = newChip(all); err != nil {
			return nil, fmt.Errorf("gpio-sim: %w", err)
		}
	}
	key := func(name string) string { return filepath.Join(dir, name) }
	for _, n := range []string{"gate", "centre", "seal", "roster"} {
		if _, err := os.Stat(key(n + ".key")); errors.Is(err, fs.ErrNotExist) {
			if err := newKey(n, key(n+".key"), key(n+".pub")); err != nil {
				return nil, err
			}
		}
	}
	sec := time.Second
	g.Site, g.Gate, g.StateDir = siteName, gateName, filepath.Join(dir, "state")
	g.Keys = configs.Keys{Gate: key("gate.key"), Centre: key("centre.pub"), CentreSeal: key("seal.pub")}
	g.Officers = configs.Officers{RosterKey: key("roster.pub")} // the roster comes over the link
	g.Link.Broker, g.Display.Listen, g.Watchdog.Device = configs.Brokers{"tcp://" + broker}, screenAt, watchdog
	g.Lines.Device = s.chip.device
	if wired {
		g.Lines.Driver = "gpio"
	}
	for _, t := range all {
		if !wired {
			break
		}
		l := configs.Line{Pin: &t.offset, ActiveLow: t.low}
		if t.out {
			g.Lines.Outputs[t.name] = l
		} else {
			g.Lines.Inputs[t.name] = l
		}
	}
	g.Inspect.Program = "/bin/" + peerName
	g.Doors.Pulse, g.Doors.Travel = 150*time.Millisecond, 4*sec
	g.Limits = configs.Limits{Document: 20 * sec, Chip: 20 * sec, Lookup: 5 * sec, Lift: 10 * sec, NoShow: 10 * sec, Secure: 10 * sec, Capture: 20 * sec, Decide: 5 * sec,
		Release: 15 * sec, Clear: 10 * sec, LeaveBack: 15 * sec, Referral: 30 * sec, Commit: 10 * sec, LeaseGrace: 30 * sec, Warm: 60 * sec, Beat: 15 * sec, Recover: 5 * sec}
	s.cfg = g
	b, err := yaml.Marshal(g)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.config, b, 0o600); err != nil {
		return nil, err
	}
	if s.key, err = seal.LoadPublic(key("gate.pub")); err != nil {
		return nil, err
	}
	return s, nil
}

// newKey makes a key: its public half first, so that a power cut never leaves a key without it.
func newKey(name, private, public string) error {
	var pub, priv []byte
	var err error
	if name == "seal" {
		pub, priv, err = seal.GenerateHPKE()
	} else {
		var k ed25519.PrivateKey
		var p ed25519.PublicKey
		p, k, err = ed25519.GenerateKey(nil)
		pub, priv = p, k.Seed()
	}
	if err != nil {
		return err
	}
	return errors.Join(seal.Save(public, pub, false), seal.Save(private, priv, true))
}

// openCentre starts the centre and signs an officer in; it hears everything that the broker carries.
func (s *site) openCentre(ctx context.Context) error {
	own, err := seal.LoadSigner(filepath.Join(s.dir, "centre.key"))
	if err != nil {
		return err
	}
	private, err := seal.Load(filepath.Join(s.dir, "seal.key"))
	if err != nil {
		return err
	}
	offline, err := seal.LoadSigner(filepath.Join(s.dir, "roster.key"))
	if err != nil {
		return err
	}
	officer, err := passkey.New(officers.EdDSA, deskHost, "https://"+deskHost)
	if err != nil {
		return err
	}
	roster, err := officer.Enlist(offline, siteName, "ada", true, []string{gateName}, time.Now())
	if err != nil {
		return err
	}
	listed := filepath.Join(s.dir, "roster.signed")
	if err := os.WriteFile(listed, roster, 0o600); err != nil {
		return err
	}
	list := filepath.Join(s.dir, "watchlist.yaml")
	if err := os.WriteFile(list, []byte("documents: {}\n"), 0o600); err != nil {
		return err
	}
	s.c, err = centre.New(centre.Config{Site: siteName, Simulated: true, Gates: map[string]ed25519.PublicKey{gateName: s.key}, Listen: broker, Signer: own, SealKey: private,
		Roster: listed, RosterKey: offline.Public(), WatchList: list, Database: filepath.Join(s.dir, "history.db"), AnswerChild: []string{"/init", answerName}, AnswerLimit: 25 * time.Second,
		SessionLife: 12 * time.Hour, GatesPerOfficer: 1, Log: slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	ready, done := make(chan struct{}, 8), make(chan error, 1)
	go func() { done <- s.c.Run(ctx, func() { ready <- struct{}{} }) }()
	select {
	case <-ready:
	case err := <-done:
		return fmt.Errorf("the centre ended: %w", err)
	case <-time.After(patience):
		return errors.New("the centre does not start")
	}
	if _, _, err = officer.SignIn(ctx, s.c); err != nil {
		return err
	}
	opt := mqtt.NewClientOptions().AddBroker("tcp://" + broker).SetClientID("observer").SetOnConnectHandler(func(c mqtt.Client) {
		c.SubscribeMultiple(map[string]byte{api.Topic(siteName, "+", api.TopicEvent+"/+"): 1, api.Topic(siteName, "+", api.TopicCheckpoint): 1},
			func(_ mqtt.Client, m mqtt.Message) { s.heard(m.Topic(), m.Payload()) })
	})
	tok := mqtt.NewClient(opt).Connect()
	if !tok.WaitTimeout(patience) {
		return errors.New("the observer does not connect")
	}
	return tok.Error()
}

// heard tells the host what left the gate: it is what must still be there after the next power cut.
func (s *site) heard(topic string, b []byte) {
	if strings.Contains(topic, "/"+api.TopicAudit+"/") || strings.HasSuffix(topic, api.TopicCheckpoint) {
		s.mu.Lock()
		s.notes = append(s.notes, bytes.Clone(b))
		s.mu.Unlock()
		tell("NOTE %s", base64.StdEncoding.EncodeToString(b))
		return
	}
	var e api.Event
	if err := json.Unmarshal(b, &e); err != nil {
		tell("FAIL heard: %v", err)
		return
	}
	if e.Type == "egate."+api.EventPassage+".v1" {
		select {
		case s.passages <- e.Data:
		default: // nobody asks in this case
		}
	}
	tell("HEARD %d-%d %s", e.Epoch, e.Seq, said(strings.TrimSuffix(strings.TrimPrefix(e.Type, "egate."), ".v1"), e.Data))
}

// said names what an event says, whatever envelope it is in.
func said(kind string, data []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		b.Write(data)
	}
	h := sha256.Sum256(append([]byte(kind+"\x00"), b.Bytes()...))
	return hex.EncodeToString(h[:12])
}

// start starts steel and controller. x is where the first traveller stands.
func (s *site) start(x string) error {
	_ = os.Remove(allows(s.config))
	steel := exec.Command("/init", steelName, s.chip.dir, screenAt, allows(s.config), x)
	steel.Stderr = os.Stdout
	in, err := steel.StdinPipe()
	if err != nil {
		return err
	}
	s.order = in
	out, err := steel.StdoutPipe()
	if err != nil {
		return err
	}
	if err := steel.Start(); err != nil {
		return err
	}
	go func() {
		for l := bufio.NewScanner(out); l.Scan(); {
			word, rest, _ := strings.Cut(l.Text(), " ")
			s.mu.Lock()
			s.steel[word]++
			if word == "CROSSED" {
				tell("CROSSED")
			}
			if word == "UNSAFE" {
				s.unsafe = append(s.unsafe, rest)
				tell("FAIL steel: %s", rest)
			}
			close(s.moved)
			s.moved = make(chan struct{})
			s.mu.Unlock()
		}
		tell("FAIL steel: it ended: %v", steel.Wait())
	}()
	if err := s.await("READY", 1); err != nil {
		return err
	}
	return s.startEgated()
}

// startEgated starts the controller; what it says goes to the console and to who listens.
func (s *site) startEgated(listen ...io.Writer) error {
	s.egated = exec.Command("/bin/egated", "--config", s.config)
	s.egated.Stdout = io.MultiWriter(append(listen, os.Stdout)...)
	s.egated.Stderr = s.egated.Stdout
	if err := s.egated.Start(); err != nil {
		return err
	}
	go func(c *exec.Cmd) { s.exited <- c.Wait() }(s.egated)
	return nil
}

// await waits until the steel has said a word n times.
func (s *site) await(word string, n int) error {
	end := time.After(patience)
	for {
		s.mu.Lock()
		got, moved := s.steel[word], s.moved
		s.mu.Unlock()
		if got >= n {
			return nil
		}
		select {
		case <-moved:
		case <-end:
			return fmt.Errorf("the steel said %s %d times in %v, not %d", word, got, patience, n)
		}
	}
}

// open waits until the centre sees the gate open.
func (s *site) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen := false
	var last console.GateView
	_ = s.c.Watch(ctx, func(v console.Line) {
		for _, g := range v.Gates {
			if last = g; g.State.Mode == "open" && !seen {
				seen = true
				cancel()
			}
		}
	})
	if !seen {
		return fmt.Errorf("the gate does not open: status %s, mode %s, alerts %+v", last.Status.State, last.State.Mode, last.Alerts)
	}
	return nil
}

// stop ends the controller in order.
func (s *site) stop() error {
	if err := s.egated.Process.Signal(unix.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.exited:
		return err
	case <-time.After(patience):
		return errors.New("egated does not end")
	}
}

// intact reads journal and audit log of a gate that does not run, and compares them with what left it: events by
// "epoch-seq" and checkpoints.
func (s *site) intact(events map[string]string, notes [][]byte) (string, error) {
	var errs []error
	have := map[string]string{}
	step, seq, epoch := uint64(0), uint64(0), uint64(0)
	rep, err := journal.Read(journal.Dir(filepath.Join(s.cfg.StateDir, "journal")), func(e journal.Entry) error {
		if e.Step <= step {
			errs = append(errs, fmt.Errorf("step %d after %d", e.Step, step))
		}
		step = e.Step
		for i, b := range e.Events {
			var d api.Draft
			if err := json.Unmarshal(b, &d); err != nil {
				return err
			}
			n := e.FirstSeq + uint64(i)
			if epoch != 0 && (e.Epoch != epoch || n != seq+1) {
				errs = append(errs, fmt.Errorf("event %d-%d after %d-%d", e.Epoch, n, epoch, seq))
			}
			epoch, seq = e.Epoch, n
			have[fmt.Sprintf("%d-%d", epoch, n)] = said(d.Type, d.Data)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) && len(events) == 0 {
		return "the power went before the first record", nil
	}
	if err != nil {
		return "", fmt.Errorf("journal: %w", err)
	}
	if len(rep.Holes) > 0 {
		errs = append(errs, fmt.Errorf("holes: %+v", rep.Holes))
	}
	for id, h := range events {
		if have[id] != h {
			errs = append(errs, fmt.Errorf("event %s left the gate and is not committed so", id))
		}
	}
	a, err := audit.Verify(filepath.Join(s.cfg.StateDir, "journal"), filepath.Join(s.cfg.StateDir, "audit"), audit.Name(siteName, gateName), s.key, notes...)
	if err != nil && (len(have) > 0 || !errors.Is(err, fs.ErrNotExist)) {
		errs = append(errs, fmt.Errorf("audit log: %w", err))
	}
	torn := ""
	if rep.TornTail {
		torn = ", a torn tail"
	}
	return fmt.Sprintf("%d events, %d of them heard outside, %d checkpoints%s", len(have), len(events), a.Witnessed, torn), errors.Join(errs...)
}
