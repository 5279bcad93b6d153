package evidence

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"gopkg.in/yaml.v3"
	"periph.io/x/conn/v3/gpio"

	"egate/api"
	"egate/audit"
	"egate/configs"
	"egate/console"
	"egate/console/centre"
	"egate/display"
	"egate/hal/simhal"
	"egate/inspect/protocol"
	"egate/journal"
	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
	"egate/sim/people"
	"egate/sim/plant"
	"egate/sim/run"
	"egate/test/brokers"
	"egate/verdict"
)

const (
	site     = "campaign"
	patience = 2 * time.Minute // bounds a wait on a busy machine; nothing is measured with it
	peerName = "scripted-inspector"
)

// gated is the real controller.
var gated string

func TestMain(m *testing.M) {
	switch {
	case filepath.Base(os.Args[0]) == peerName:
		peer(os.Args[len(os.Args)-1])
		return
	case len(os.Args) == 2 && os.Args[1] == "answer-lookup":
		os.Exit(centre.AnswerMain(os.Stdin, os.Stdout))
	}
	dir, err := os.MkdirTemp("", "egate-evidence")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 1
	if gated, err = controller(dir); err != nil {
		fmt.Fprintln(os.Stderr, "evidence: the controller does not build:", err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// controller is the egated of `make build`, or one that is built now.
func controller(dir string) (string, error) {
	if bin := os.Getenv("EGATE_BIN"); bin != "" {
		return filepath.Join(bin, "egated"), nil
	}
	out := filepath.Join(dir, "egated")
	cmd := exec.Command("go", "build", "-o", out, "egate/cmd/egated")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	b, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, b)
	}
	return out, nil
}

// seed is SEED, or one of this run.
func seed(t testing.TB) uint64 {
	s := uint64(time.Now().UnixNano())
	if v := os.Getenv("SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("SEED=%s is no number", v)
		}
		s = n
	}
	t.Logf("SEED=%d", s)
	return s
}

// scale is how much of a campaign is played: 1 in `make test`, more in the long form.
func scale(t testing.TB, name string, short int) int {
	v := os.Getenv(name)
	if v == "" {
		return short
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s is no number", name, v)
	}
	return n
}

// allows is the file in which the peer notes, before it says so, that it allows.
func allows(config string) string { return config + ".allows" }

// peer is an inspector that says what a real one says, in a hurry and by a script. It decides by chance.
func peer(config string) {
	f := os.NewFile(3, "controller")
	c, err := net.FileConn(f)
	if err != nil {
		os.Exit(1)
	}
	conn := protocol.NewInspector(c)
	say := func(m protocol.FromInspector) {
		if conn.Send(m) != nil {
			os.Exit(0)
		}
	}
	words := make(chan protocol.ToInspector)
	go func() {
		for {
			w, err := conn.Receive()
			if err != nil {
				os.Exit(0)
			}
			words <- w
		}
	}()
	say(protocol.FromInspector{Ready: &protocol.Ready{Sandbox: "none", ModelPack: "none", Policy: "default"}})
	type line struct {
		after time.Duration
		say   func()
	}
	var plan []line
	step := time.NewTimer(time.Hour)
	add := func(after time.Duration, f func()) {
		plan = append(plan, line{after, f})
		if len(plan) == 1 {
			step.Reset(after)
		}
	}
	beat := time.NewTicker(500 * time.Millisecond)
	begun := false
	for {
		select {
		case <-beat.C:
			if begun {
				say(protocol.FromInspector{Beat: &protocol.Beat{Stage: "x"}})
			}
		case <-step.C:
			if len(plan) > 0 {
				plan[0].say()
				plan = plan[1:]
			}
			if len(plan) > 0 {
				step.Reset(plan[0].after)
			}
		case w := <-words:
			switch {
			case w.End != nil:
				say(protocol.FromInspector{Ended: &protocol.Ended{}})
				return
			case w.Begin != nil:
				begun = true
				add(20*time.Millisecond, func() { say(protocol.FromInspector{Document: &protocol.Document{Present: true}}) })
				add(60*time.Millisecond, func() {
					say(protocol.FromInspector{Checked: &protocol.Checked{Outcome: verdict.Allow, Reason: verdict.OK}})
				})
				add(20*time.Millisecond, func() { say(protocol.FromInspector{Document: &protocol.Document{}}) })
			case w.Capture != nil:
				add(30*time.Millisecond, func() { say(protocol.FromInspector{Heads: &protocol.Heads{Count: 1, Confidence: 1}}) })
				add(100*time.Millisecond, func() {
					if rand.IntN(4) == 0 {
						say(protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: verdict.FaceMismatch}})
						return
					}
					a, err := os.OpenFile(allows(config), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
					if err == nil {
						_, err = a.WriteString("allow\n")
					}
					if err != nil {
						os.Exit(1)
					}
					say(protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Allow, Reason: verdict.OK}})
				})
			case w.Stop != nil:
				plan = nil
			case w.Lease != nil && !w.Lease.Held:
				say(protocol.FromInspector{Released: &protocol.Released{Device: w.Lease.Device}})
			}
		}
	}
}

// line is a centre with a line of gates.
type line struct {
	t       testing.TB
	dir     string
	cfg     centre.Config
	c       *centre.Centre
	officer console.Officer
	auth    *passkey.Authenticator // the officer's
	desk    *passkey.OrderKey
	stop    func()
	key     ed25519.PublicKey
	wire    *wire
	gates   []*world
}

func newSigner(t testing.TB) (*seal.Signer, []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.NewSigner(key.Seed())
	if err != nil {
		t.Fatal(err)
	}
	return s, key.Seed()
}

// newLine starts a centre with an officer at the desk.
func newLine(t testing.TB, gates ...string) *line {
	t.Helper()
	l := prepareLine(t, gates...)
	l.open()
	t.Cleanup(func() { l.stop() })
	l.wire = watch(t, "tcp://"+l.cfg.Listen)
	return l
}

// prepareLine makes the files of a line whose centre does not run yet.
func prepareLine(t testing.TB, gates ...string) *line {
	t.Helper()
	l := &line{t: t, dir: t.TempDir()}
	own, _ := newSigner(t)
	l.key = own.Public()
	pub, priv, err := seal.GenerateHPKE()
	if err != nil {
		t.Fatal(err)
	}
	offline, _ := newSigner(t)
	if l.auth, err = passkey.New(officers.ES256, deskHost, "https://"+deskHost); err != nil {
		t.Fatal(err)
	}
	roster, err := l.auth.Enlist(offline, site, "ada", true, gates, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l.put("roster.signed", roster)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(l.dir, "centre.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	l.cfg = centre.Config{Site: site, Simulated: true, Gates: map[string]ed25519.PublicKey{}, Listen: brokers.Address(t), Signer: own, SealKey: priv,
		Roster: filepath.Join(l.dir, "roster.signed"), RosterKey: offline.Public(), WatchList: filepath.Join(l.dir, "watchlist.yaml"), Database: filepath.Join(l.dir, "history.db"),
		AnswerChild: []string{"env", "GORACE=atexit_sleep_ms=0", self, "answer-lookup"}, SessionLife: 12 * time.Hour, GatesPerOfficer: len(gates), Log: slog.New(slog.NewJSONHandler(log, nil))}
	l.put("watchlist.yaml", []byte("documents: {}\n"))
	if err := errors.Join(seal.Save(filepath.Join(l.dir, "centre.pub"), l.key, false), seal.Save(filepath.Join(l.dir, "centre-seal.pub"), pub, false),
		seal.Save(filepath.Join(l.dir, "roster.pub"), offline.Public(), false)); err != nil {
		t.Fatal(err)
	}
	for _, name := range gates {
		s, seed := newSigner(t)
		if err := seal.Save(filepath.Join(l.dir, name+".key"), seed, true); err != nil {
			t.Fatal(err)
		}
		l.cfg.Gates[name] = s.Public()
	}
	return l
}

func (l *line) put(name string, b []byte) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), b, 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// open starts the centre, or starts it again.
func (l *line) open() {
	l.t.Helper()
	c, err := centre.New(l.cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.c = c
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}, 8), make(chan error, 1)
	go func() { done <- c.Run(ctx, func() { ready <- struct{}{} }) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("centre: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
		l.t.Fatalf("the centre ended: %v", err)
	case <-time.After(patience):
		l.t.Fatal("the centre does not start")
	}
	if l.officer, l.desk, err = l.auth.SignIn(context.Background(), c); err != nil {
		l.t.Fatal(err)
	}
}

// deskHost is the host of the officers' pages.
const deskHost = "desk.example"

// order gives an order as the officer's page does.
func (l *line) order(ctx context.Context, gate, name, passage, reason string) (api.Response, error) {
	var st api.Status
	if err := l.until(gate, func(g console.GateView) bool { st = g.Status; return st.Session != "" }); err != nil {
		return api.Response{}, err
	}
	now := time.Now()
	c := passkey.Order(gate, st, l.officer.Pseudonym, name, passage, nil, reason, now)
	payload, proof, err := l.desk.Sign(c, now)
	if err != nil {
		return api.Response{}, err
	}
	return l.c.Order(ctx, l.officer.Session, c, console.Order{Payload: payload, Proof: *proof})
}

// until waits for a picture of a gate at the desk.
func (l *line) until(gate string, f func(console.GateView) bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seen := false
	var last console.GateView
	_ = l.c.Watch(ctx, func(v console.Line) {
		for _, g := range v.Gates {
			if g.Gate == gate && !seen {
				if last = g; f(g) {
					seen = true
					cancel()
				}
			}
		}
	})
	if !seen {
		return fmt.Errorf("not seen at the desk; the last picture: status %s, mode %s, passage %s, acknowledged %d, witness %+v, alerts %+v", last.Status.State, last.State.Mode, last.State.Passage,
			last.AckedUpto, last.Witness, last.Alerts)
	}
	return nil
}

// wire is somebody who hears everything that the broker carries.
type wire struct {
	mu     sync.Mutex
	events map[string]map[id][32]byte // by gate: what each event said
	notes  map[string][][]byte        // by gate: checkpoints, some of the old and all of the newest
	wrong  []string
}

type id struct{ epoch, seq uint64 }

// maxNotes bounds the checkpoints that are kept of a gate.
const maxNotes = 64

func watch(t testing.TB, url string) *wire {
	t.Helper()
	w := &wire{events: map[string]map[id][32]byte{}, notes: map[string][][]byte{}}
	opt := mqtt.NewClientOptions().AddBroker(url).SetClientID("observer").SetAutoReconnect(true).SetMaxReconnectInterval(time.Second).SetCleanSession(true).
		SetOnConnectHandler(func(c mqtt.Client) {
			c.SubscribeMultiple(map[string]byte{api.Topic(site, "+", api.TopicEvent+"/+"): 1, api.Topic(site, "+", api.TopicCheckpoint): 1},
				func(_ mqtt.Client, m mqtt.Message) { w.take(m.Topic(), m.Payload()) })
		})
	c := mqtt.NewClient(opt)
	if tok := c.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatalf("observer: %v", tok.Error())
	}
	t.Cleanup(func() { c.Disconnect(0) })
	return w
}

func (w *wire) take(topic string, b []byte) {
	p := strings.Split(topic, "/")
	gate := p[3]
	w.mu.Lock()
	defer w.mu.Unlock()
	if p[4] == api.TopicAudit {
		n := append(w.notes[gate], bytes.Clone(b))
		if len(n) > maxNotes { // every second of the older half
			var keep [][]byte
			for i, x := range n {
				if i >= maxNotes/2 || i%2 == 0 {
					keep = append(keep, x)
				}
			}
			n = keep
		}
		w.notes[gate] = n
		return
	}
	var e api.Event
	if err := json.Unmarshal(b, &e); err != nil {
		w.wrong = append(w.wrong, err.Error())
		return
	}
	if w.events[gate] == nil {
		w.events[gate] = map[id][32]byte{}
	}
	k, h := id{e.Epoch, e.Seq}, said(strings.TrimSuffix(strings.TrimPrefix(e.Type, "egate."), ".v1"), e.Data)
	if old, ok := w.events[gate][k]; ok && old != h {
		w.wrong = append(w.wrong, fmt.Sprintf("%s: event %d-%d was sent with two contents", gate, k.epoch, k.seq))
	}
	w.events[gate][k] = h
}

// said is what an event says, whatever envelope it is in.
func said(kind string, data []byte) [32]byte {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		b.Write(data)
	}
	return sha256.Sum256(append([]byte(kind+"\x00"), b.Bytes()...))
}

func (w *wire) checkpoints(gate string) [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([][]byte(nil), w.notes[gate]...)
}

// world is one gate: the real controller between a plant, a screen with a traveller, and the centre.
type world struct {
	*line
	name  string
	gate  configs.Gate
	plant *plant.Plant
	scr   *run.Screen
	lines *simhal.LineServer

	boots  int
	began  time.Time              // the last start
	boot   atomic.Pointer[string] // configuration of the running controller
	proc   *exec.Cmd
	log    *os.File
	mu     sync.Mutex
	wrong  []string
	known  []entry // committed
	pulses atomic.Int64
}

// entry is one committed event.
type entry struct {
	id
	hash [32]byte
	step uint64
}

func (w *world) path(p ...string) string {
	return filepath.Join(append([]string{w.dir, w.name}, p...)...)
}
func (w *world) journalDir() string { return w.path("state", "journal") }
func (w *world) auditDir() string   { return w.path("state", "audit") }

func (w *world) fail(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.wrong) < 20 {
		w.wrong = append(w.wrong, w.name+": "+fmt.Sprintf(format, a...))
	}
}

func (w *world) failures() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.wrong...)
}

// world makes a gate of the line with a traveller and an officer; ctx ends them and its plant.
func (l *line) world(ctx context.Context, name string) *world {
	w := l.quiet(ctx, name)
	go w.travel(ctx)
	go w.desk(ctx)
	return w
}

// quiet makes a gate of the line that nobody comes to.
func (l *line) quiet(ctx context.Context, name string) *world {
	t := l.t
	t.Helper()
	w := &world{line: l, name: name}
	if err := os.MkdirAll(w.path("run"), 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, w.path(peerName)); err != nil {
		t.Fatal(err)
	}
	g, err := configs.Example(configs.SimYAML)
	if err != nil {
		t.Fatal(err)
	}
	s := time.Second
	g.Site, g.Gate, g.StateDir = site, name, w.path("state")
	g.Keys = configs.Keys{Gate: filepath.Join(l.dir, name+".key"), Centre: filepath.Join(l.dir, "centre.pub"), CentreSeal: filepath.Join(l.dir, "centre-seal.pub")}
	g.Officers = configs.Officers{RosterKey: filepath.Join(l.dir, "roster.pub")} // the roster itself comes over the link
	g.Link.Broker, g.Display.Listen = configs.Brokers{"tcp://" + l.cfg.Listen}, brokers.Address(t)
	g.Lines.Device, g.Inspect.Program = w.path("run", "lines.sock"), w.path(peerName)
	g.Doors.Pulse, g.Doors.Travel = 60*time.Millisecond, 2*s
	g.Limits = configs.Limits{Document: 5 * s, Chip: 5 * s, Lookup: s, Lift: 2 * s, NoShow: 3 * s, Secure: 3 * s, Capture: 5 * s, Decide: s, Release: 3 * s, Clear: 2 * s,
		LeaveBack: 3 * s, Referral: 10 * s, Commit: 2 * s, LeaseGrace: 8 * s, Warm: 20 * s, Beat: 15 * s, Recover: 2 * s}
	w.gate = g
	steel := plant.Default()
	steel.Door.SpeedMMS, steel.Door.AccelMMS2 = 3000, 12000 // a short passage
	steel.Seed = rand.Uint64()
	w.plant = plant.New(steel)
	if err := w.wireUp(); err != nil {
		t.Fatal(err)
	}
	w.scr = run.NewScreen("http://" + g.Display.Listen)
	go w.plant.Run(ctx)
	go w.scr.Run(ctx)
	return w
}

// wireUp joins plant and lines, and holds the controller to its first law of evidence: no pulse at the exit
// without an allow of an inspector of the same start.
func (w *world) wireUp() error {
	in := w.plant.Inputs()
	names := make([]string, 0, len(in))
	for n := range in {
		names = append(names, n)
	}
	srv, err := simhal.NewLineServer(w.gate.Lines.Device, names, w.plant.Outputs())
	if err != nil {
		return err
	}
	w.t.Cleanup(func() { _ = srv.Close() })
	for n, high := range in {
		if err := srv.SetInput(n, gpio.Level(high)); err != nil {
			return err
		}
	}
	w.plant.OnInput(func(name string, high bool, _ time.Duration) { _ = srv.SetInput(name, gpio.Level(high)) })
	srv.OnOutput(func(name string, level gpio.Level, _ time.Time) {
		if name == "exit_open_pulse" && level {
			w.pulses.Add(1)
			if b, err := os.ReadFile(allows(*w.boot.Load())); err != nil || len(b) == 0 {
				w.fail("the exit was pulsed open, and no inspector of this start has allowed anything")
			}
		}
		w.plant.Set(name, bool(level))
	})
	srv.OnDisconnect(w.plant.AllLow)
	w.lines = srv
	return nil
}

// travel lets one traveller after the other obey the screen.
func (w *world) travel(ctx context.Context) {
	var who *people.Walker
	n := uint64(0)
	changes, end := w.scr.Changes()
	defer end()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if who == nil {
			n++
			who = people.NewWalker(fmt.Sprintf("traveller %d", n), people.Adult(), -700, nil, n)
			w.plant.Add(who)
		}
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-tick.C:
		}
		x := who.X(w.plant)
		if x > 2600 || x < -1200 {
			w.plant.Remove(who)
			who = nil
			continue
		}
		s, ok := w.scr.Current()
		if !ok {
			continue // a controller that is dead says nothing
		}
		switch s.Name {
		case display.ScreenNotice:
			if x <= 0 {
				_ = w.scr.Touch(ctx, display.TouchAccept) // until it is heard
			}
		case display.ScreenEnter:
			who.WalkTo(w.plant, 900)
		case display.ScreenGo:
			if x > 0 {
				who.WalkTo(w.plant, 4000)
			}
		case display.ScreenLeaveBack, display.ScreenOneAtATime, display.ScreenRecovering:
			if x < w.plant.View().Length() {
				who.WalkTo(w.plant, -1500)
			}
		}
	}
}

// desk sends referred travellers back: orders are evidence too.
func (w *world) desk(ctx context.Context) {
	done := map[string]bool{}
	_ = w.c.Watch(ctx, func(v console.Line) {
		for _, g := range v.Gates {
			if g.Gate != w.name || g.Referral == nil || done[g.Referral.Passage] {
				continue
			}
			p := g.Referral.Passage
			done[p] = true
			go func() {
				ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
				defer cancel()
				if _, err := w.order(ctx, w.name, api.CmdTake, p, ""); err == nil {
					_, _ = w.order(ctx, w.name, api.CmdSendBack, p, "")
				}
			}()
		}
	})
}

// starter is the one thread that starts controllers: they die with it, and it lives as long as this program.
var starter = sync.OnceValue(func() chan func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
})

// start starts the controller under a configuration of its own name, by which its inspectors are known.
func (w *world) start() error {
	w.boots++
	w.began = time.Now()
	name := w.path(fmt.Sprintf("gate-%d.yaml", w.boots))
	b, err := yaml.Marshal(w.gate)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		return err
	}
	if old := w.boot.Swap(&name); old != nil {
		_ = os.Remove(*old)
		_ = os.Remove(allows(*old))
	}
	if w.log == nil {
		if w.log, err = os.Create(w.path("egated.log")); err != nil {
			return err
		}
		w.t.Cleanup(func() { _ = w.log.Close() })
	}
	w.proc = exec.Command(gated, "--config", name)
	w.proc.Stdout, w.proc.Stderr = w.log, w.log
	w.proc.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	starter() <- func() { started <- w.proc.Start() }
	return <-started
}

// kill is SIGKILL, as an empty battery or the kernel's memory killer does it. It returns when the plant has heard
// the last word of the dead one, which would else count as the next one's, and has its lines free.
func (w *world) kill() {
	_ = w.proc.Process.Kill()
	_ = w.proc.Wait()
	w.lines.Gone()
}

// read reads what is committed and compares it with what was known to be.
func (w *world) read(what string) (journal.Report, bool) {
	var all []entry
	bytesSeen := map[[32]byte]id{}
	ok := true
	bad := func(format string, a ...any) {
		w.fail(what+": "+format, a...)
		ok = false
	}
	lastStep := uint64(0)
	if _, err := os.Stat(w.journalDir()); errors.Is(err, os.ErrNotExist) && len(w.known) == 0 {
		return journal.Report{}, true // killed before it made its folder
	}
	rep, err := journal.Read(journal.Dir(w.journalDir()), func(e journal.Entry) error {
		if e.Step <= lastStep {
			bad("step %d after %d", e.Step, lastStep)
		}
		lastStep = e.Step
		for i, d := range e.Events {
			var draft api.Draft
			if err := json.Unmarshal(d, &draft); err != nil {
				bad("event: %v", err)
				continue
			}
			x := entry{id: id{e.Epoch, e.FirstSeq + uint64(i)}, hash: said(draft.Type, draft.Data), step: e.Step}
			if n := len(all); n > 0 && all[n-1].epoch == x.epoch && all[n-1].seq+1 != x.seq {
				bad("event %d after %d", x.seq, all[n-1].seq)
			}
			h := sha256.Sum256(d) // with its time, in nanoseconds
			if o, twice := bytesSeen[h]; twice {
				bad("event %d-%d is event %d-%d again", x.epoch, x.seq, o.epoch, o.seq)
			}
			bytesSeen[h] = x.id
			all = append(all, x)
		}
		return nil
	})
	if err != nil {
		bad("journal: %v", err)
		return rep, false
	}
	if len(rep.Holes) > 0 {
		bad("holes: %+v", rep.Holes)
	}
	if len(all) < len(w.known) {
		bad("%d events are committed, %d were", len(all), len(w.known))
		return rep, false
	}
	for i, k := range w.known {
		if all[i] != k {
			bad("event %d-%d was committed, now %d-%d stands there", k.epoch, k.seq, all[i].epoch, all[i].seq)
			return rep, false
		}
	}
	if len(all) > 0 && all[0].epoch != all[len(all)-1].epoch {
		bad("a new epoch began: %d, %d", all[0].epoch, all[len(all)-1].epoch)
	}
	w.known = all
	// Nothing was heard outside that is not committed, and nothing was heard otherwise.
	index := map[id][32]byte{}
	for _, k := range all {
		index[k.id] = k.hash
	}
	w.wire.mu.Lock()
	for k, h := range w.wire.events[w.name] {
		if index[k] != h {
			bad("event %d-%d was heard outside, and is not committed so", k.epoch, k.seq)
		}
	}
	w.wire.mu.Unlock()
	return rep, ok
}

// verify checks the audit log against everything that left the gate.
func (w *world) verify(what string) (r audit.Report) {
	outside := w.wire.checkpoints(w.name)
	r, err := audit.Verify(w.journalDir(), w.auditDir(), audit.Name(site, w.name), w.cfg.Gates[w.name], outside...)
	if err != nil && !(errors.Is(err, os.ErrNotExist) && len(w.known) == 0) {
		w.fail("%s: audit log: %v", what, err)
	}
	return r
}

// safe judges what the plant has seen.
func (w *world) safe(what string) {
	for _, v := range w.plant.Violations() {
		w.fail("%s: plant at %s: %s", what, v.At, v.What)
	}
}
