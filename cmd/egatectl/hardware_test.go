package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"egate/configs"
	"egate/emrtd/chip"
	"egate/emrtd/issue"
	"egate/hal"
	"egate/hal/identity/sysfake"
	"egate/hal/simhal"
	"egate/health"
	"egate/pairing"
	"egate/seal"
	"egate/service"
	"egate/sim/pn532end"
	"egate/sim/scanner"
)

// benchGate plays egated at its socket: modes, a self-test, lines that somebody changes.
type benchGate struct {
	mu     sync.Mutex
	mode   string
	tested *service.SelfTest
	looks  int
	did    []string
	paired string
	broken bool // the doors
	busy   bool // somebody changes the inputs
	sound  int  // how often the sounder is yet to be seen High
}

func (g *benchGate) State() service.State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return service.State{Mode: g.mode, Overall: "ok", Version: "test", Pairing: g.paired, SelfTest: g.tested, Held: []string{},
		Faults: []service.Fault{{Code: "broker_unreachable", Part: "link", Severity: "warning", Since: time.Unix(1e9, 0)}}}
}

func (g *benchGate) Lines() service.Lines {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.looks++
	l := service.Lines{Inputs: map[string]string{"fire_ok": "high", "tamper_ok": "high", "entry_closed": "high", "entry_open": "low", "beam_01": "low"}, Outputs: map[string]string{"entry_open_pulse": "low", "beacon": "low", "sounder": "low"}}
	if g.sound > 0 {
		g.sound--
		l.Outputs["sounder"] = "high"
	}
	if g.busy && g.looks == 2 { // the technician was busy
		l.Inputs = map[string]string{"fire_ok": "low", "tamper_ok": "low", "entry_closed": "low", "entry_open": "high", "beam_01": "high"}
	}
	return l
}
func (g *benchGate) Identify(who string, _ time.Duration) error { g.note("identify"); return nil }
func (g *benchGate) Sound(string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mode != "service" {
		return errors.New("service mode only")
	}
	g.sound = 3
	return nil
}
func (g *benchGate) note(s string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.did = append(g.did, s)
}
func (g *benchGate) Order(_ context.Context, _, name, _ string) (service.Order, error) {
	g.note(name)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch name {
	case "gate_service":
		g.mode = "service"
	case "gate_close":
		g.mode = "closed"
	case "self_test":
		if g.mode != "service" {
			return service.Order{Result: "rejected", Reason: "gate_closed"}, nil
		}
		g.tested = &service.SelfTest{At: time.Now(), Passed: !g.broken, Reason: "door_blocked"}
	}
	return service.Order{Result: "accepted"}, nil
}
func (g *benchGate) Hold(_, part string) (func(), <-chan struct{}, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mode != "service" {
		return nil, nil, errors.New("service mode only")
	}
	return func() {}, nil, nil
}
func (g *benchGate) Pair(_ context.Context, _ string, _ []byte) (string, error) {
	g.note("pair")
	return "v1-x", nil
}

// workshop is a simulated gate with its far ends, keys and socket.
type workshop struct {
	gate             *benchGate
	dir, config, mrz string
	technician       string // key without its ending
	officer          string
	zone             [2]string
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	dir := t.TempDir()
	s := &workshop{gate: &benchGate{mode: "open", paired: "none"}, dir: dir, config: filepath.Join(dir, "gate.yaml"), mrz: filepath.Join(dir, "specimen.txt"),
		technician: filepath.Join(dir, "technician"), officer: filepath.Join(dir, "officer")}
	for _, k := range []string{s.technician, s.officer} {
		if out, err := ctl(t, "key", "make", k); err != nil {
			t.Fatal(out, err)
		}
	}
	raw := string(configs.SimYAML)
	for old, now := range map[string]string{"inspect:\n": "hardware:\n  pairing: pairing.json\n  technicians: [technician.pub]\n  officers: [officer.pub]\n  socket: s.sock\n\ninspect:\n",
		"dev/gate-1-scanner": "scanner", "dev/gate-1-nfc": "nfc", "run/gate-1/camera.sock": "camera"} {
		if !strings.Contains(raw, old) {
			t.Fatalf("%s is not in the profile", old)
		}
		raw = strings.Replace(raw, old, now, 1)
	}
	if err := os.WriteFile(s.config, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	authority, err := issue.NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	p, err := authority.Personalise(issue.Profile{Number: "X0000001", Surname: "SPECIMEN", GivenNames: "ANNA", Nationality: "UTO", BirthDate: "1990-02-03", Sex: "F", Expiry: "2041-05-06",
		Portrait: append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, 2000)...), Access: issue.AccessBAC, ChipAuth: "none", ActiveAuth: "none"})
	if err != nil {
		t.Fatal(err)
	}
	s.zone = [2]string{p.Lines[0], p.Lines[1]}
	if err := os.WriteFile(s.mrz, []byte(s.zone[0]+"\n"+s.zone[1]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	glass, err := scanner.Open(filepath.Join(dir, "scanner"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { glass.Close() })
	glass.Set(scanner.Form{}, time.Millisecond)
	if err := glass.Lay(s.zone); err != nil { // told again to whoever opens the port
		t.Fatal(err)
	}
	antenna, err := pn532end.Open(filepath.Join(dir, "nfc"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { antenna.Close() })
	antenna.Lay(chip.New(p, chip.Options{}))
	view, err := simhal.NewCameraServer(filepath.Join(dir, "camera"), 720, 960, 30, func(_ time.Duration, f *hal.Frame) {
		for i := range f.Pix {
			f.Pix[i] = 120
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { view.Close() })
	l, err := service.Listen(filepath.Join(dir, "s.sock"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.LoadPublic(s.technician + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- (&service.Server{Site: "example", Gate: "gate-1", Technicians: seal.Trust(key), Do: s.gate, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func (s *workshop) run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	return ctl(t, append([]string{"hardware", name, "--config", s.config}, args...)...)
}

// TestM09Acceptance: a technician is walked through a gate with a specimen, by the real drivers, to a report
// that is signed, holds nothing of the specimen, and says "not passed" of a gate whose doors do not move.
func TestM09Acceptance(t *testing.T) {
	for name, broken := range map[string]bool{"sound": false, "doors do not move": true} {
		t.Run(name, func(t *testing.T) {
			s := newWorkshop(t)
			s.gate.broken, s.gate.busy = broken, true
			stdin = strings.NewReader(strings.Repeat("y\n", 10))
			t.Cleanup(func() { stdin = os.Stdin })
			report := filepath.Join(s.dir, "report.json")
			out, err := s.run(t, "accept", "--key", s.technician+".key", "--mrz", s.mrz, "--out", report)
			if (err != nil) != broken {
				t.Fatalf("%v\n%s", err, out)
			}
			shown, err := ctl(t, "hardware", "accepted", "--key", s.technician+".pub", report)
			if (err != nil) != broken || strings.Contains(shown, "NOT PASSED") != broken || !strings.Contains(shown, "passed   chip_reader") || !strings.Contains(shown, "passed   inputs") {
				t.Errorf("%v\n%s", err, shown)
			}
			if broken && !strings.Contains(shown, "failed   doors") {
				t.Errorf("the doors:\n%s", shown)
			}
			raw, err := os.ReadFile(report)
			if err != nil {
				t.Fatal(err)
			}
			for _, personal := range []string{"SPECIMEN", "ANNA", s.zone[0], s.zone[1], s.zone[1][:9]} {
				if strings.Contains(string(raw), personal) || strings.Contains(out, personal) {
					t.Errorf("%q of the specimen is told", personal)
				}
			}
			if s.gate.mode != "closed" {
				t.Errorf("the gate was left in mode %s", s.gate.mode)
			}
			if _, err := ctl(t, "hardware", "accepted", "--key", s.officer+".pub", report); err == nil {
				t.Error("a report of somebody else")
			}
			if err := os.WriteFile(report, []byte(strings.Replace(string(raw), "payload\": \"e", "payload\": \"f", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ctl(t, "hardware", "accepted", "--key", s.technician+".pub", report); err == nil {
				t.Error("a report that was changed")
			}
		})
	}
}

// TestM09Hardware: each command against a gate that runs.
func TestM09Hardware(t *testing.T) {
	s := newWorkshop(t)
	key := []string{"--key", s.technician + ".key"}
	for _, c := range []struct {
		args []string
		want []string // in the output, or in the error when it begins with "!"
	}{
		{[]string{"list"}, []string{"chip_reader", "simulated: a program plays it", "simulated: not there", "mode open", "fault broker_unreachable on link", "no pairing"}},
		{[]string{"wire"}, []string{"fire_ok", "Low or unknown is an alarm", "mrzscan", "end contact: the entry door is shut", "(D-03, example): escape both, entry open, exit open"}},
		{[]string{"watch", "--once"}, []string{"beam_01", "mantrap beam broken", "entry_open_pulse"}},
		{append([]string{"identify"}, key...), []string{"blinks for 10s"}},
		{[]string{"identify", "--key", s.officer + ".key"}, []string{"!none of hardware.technicians"}},
		{[]string{"identify"}, []string{"!--key"}},
		{append(append([]string{"test"}, key...), "camera"), []string{"!service mode only", "FAIL camera"}},
		{append(append([]string{"test"}, key...), "engine"), []string{"!no part with a self-test"}},
		{append(append([]string{"test"}, key...), "lines"), []string{"PASS lines"}},
		{append(append([]string{"test"}, key...), "doors"), []string{"!gate_closed", "FAIL doors"}},
		{append(append([]string{"test", "--service"}, key...), "doors"), []string{"PASS doors"}},
		{append(append([]string{"test", "--service"}, key...), "camera"), []string{"720 x 960", "PASS camera"}},
		{append(append([]string{"test", "--service"}, key...), "document_scanner"), []string{"PASS document_scanner"}},
		{append(append([]string{"test", "--service", "--card"}, key...), "chip_reader"), []string{"a travel document answers", "PASS chip_reader"}},
		{append(append([]string{"test", "--service"}, key...), "sounder"), []string{"three that differ", "PASS sounder"}},
		{append(append([]string{"pair"}, key...), "--out", filepath.Join(s.dir, "p.json")), []string{"!plug every part"}},
	} {
		out, err := s.run(t, c.args[0], c.args[1:]...)
		refused := false
		for _, w := range c.want {
			if e, is := strings.CutPrefix(w, "!"); is {
				refused = true
				if err == nil || !strings.Contains(err.Error(), e) {
					t.Errorf("%v: %v, want %q", c.args, err, e)
				}
			} else if !strings.Contains(out, w) {
				t.Errorf("%v: no %q in\n%s", c.args, w, out)
			}
		}
		if err != nil && !refused {
			t.Errorf("%v: %v\n%s", c.args, err, out)
		}
	}
}

// TestX04PairByTwo: pair, countersign and install, as a technician and an officer do it.
func TestX04PairByTwo(t *testing.T) {
	s := newWorkshop(t)
	f := sysfake.New(t)
	sys = f.Sys()
	t.Cleanup(func() { sys.Root, sys.Node = "/sys", nil })
	var b bench
	b.path = &s.config
	if err := b.load(); err != nil {
		t.Fatal(err)
	}
	f.Plug(sysfake.USB{Bus: 1, Port: "1", Vendor: "0483", Product: "5740", Serial: "OCR-77", Name: "OCR", Class: "02", Node: b.nodes()[health.PartScanner], Kind: "tty"})
	f.Plug(sysfake.USB{Bus: 1, Port: "2", Vendor: "0403", Product: "6001", Serial: "A9", Name: "UART", Class: "ff", Node: b.nodes()[health.PartNFC], Kind: "tty"})
	f.Plug(sysfake.USB{Bus: 1, Port: "3", Vendor: "046d", Product: "085b", Name: "Camera", Class: "0e", Node: b.nodes()[health.PartCamera], Kind: "video4linux"})
	f.Plug(sysfake.USB{Bus: 1, Port: "4", Vendor: "0eef", Product: "0001", Name: "Touch", Class: "03"})
	f.Board(b.nodes()[health.PartLines], "platform/soc/fe200000.gpio/gpio/gpiochip0", "of:Ngpio")
	file := filepath.Join(s.dir, "p.json")
	out, err := s.run(t, "pair", "--key", s.technician+".key", "--out", file)
	if err != nil || !strings.Contains(out, "OCR-77") || !strings.Contains(out, "also on USB: class 03") {
		t.Fatal(out, err)
	}
	if _, err := s.run(t, "install", "--key", s.technician+".key", file); err == nil || !strings.Contains(err.Error(), "countersignature of an officer") {
		t.Errorf("installed by one: %v", err)
	}
	if out, err := ctl(t, "hardware", "countersign", "--key", s.officer+".key", file); err != nil || !strings.Contains(out, "0483:5740") {
		t.Fatal(out, err)
	}
	if out, err := s.run(t, "install", "--key", s.technician+".key", file); err != nil || !strings.Contains(out, "in use: v1-x") {
		t.Fatal(out, err)
	}
	// What the gate would have kept: from here on list compares.
	g, err := pairing.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Write(filepath.Join(s.dir, "pairing.json")); err != nil {
		t.Fatal(err)
	}
	f.Plug(sysfake.USB{Bus: 1, Port: "5", Vendor: "04d9", Product: "1702", Name: "Keyboard", Class: "03"})
	out, err = s.run(t, "list")
	if err != nil || strings.Count(out, "as paired") != 4 || strings.Count(out, "may be there") != 1 || !strings.Contains(out, "unlisted: nobody paired it") {
		t.Errorf("%v\n%s", err, out)
	}
}
