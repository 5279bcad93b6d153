package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"egate/api"
	"egate/audit"
	"egate/configs"
	"egate/display"
	"egate/gate"
	"egate/gate/control"
	"egate/hal/identity"
	"egate/hal/watchdog"
	"egate/health"
	"egate/health/wear"
	"egate/inspect/supervisor"
	"egate/internal/buildinfo"
	"egate/internal/sdnotify"
	"egate/journal"
	"egate/link"
	"egate/pki"
	"egate/seal"
	"egate/service"
)

// Limits of the screen's HTTP server; event streams have none of their own.
const (
	centrePrincipal = "console" // of topics, keys and cosignatures
	headerLimit     = 5 * time.Second
	stopLimit       = 2 * time.Second
	wdTimeout       = 10 * time.Second
	aliveEvery      = time.Second      // to the service manager, whose limit is ten times as long
)

// serve wires everything and runs until ctx ends.
func serve(ctx context.Context, path string, cfg configs.Gate, differs []configs.Mismatch, log *slog.Logger) (err error) {
	keys, err := loadKeys(cfg)
	if err != nil {
		return err
	}
	if keys.tpm != nil {
		defer func() { err = errors.Join(err, keys.tpm.Close()) }()
	}
	signer := keys.signer
	centre, err := seal.LoadPublic(cfg.Keys.Centre)
	if err != nil {
		return fmt.Errorf("egated: keys.centre: %w", err)
	}
	centreSeal, err := seal.Load(cfg.Keys.CentreSeal)
	if err != nil {
		return fmt.Errorf("egated: keys.centre_seal: %w", err)
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	boot := hex.EncodeToString(id[:])

	j, found, err := journal.Open(filepath.Join(cfg.StateDir, "journal"), journal.Options{Gap: gap, Forget: forget(filepath.Join(cfg.StateDir, "audit"))})
	if err != nil {
		return fmt.Errorf("egated: state_dir: %w", err)
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	evidence, err := audit.Open(ctx, j, filepath.Join(cfg.StateDir, "audit"), audit.Name(cfg.Site, cfg.Gate), signer.Crypto())
	if err != nil {
		return fmt.Errorf("egated: audit: %w", err)
	}
	defer func() { err = errors.Join(err, evidence.Close()) }()

	wall := openClock(found.Meta[control.ClockRow], log)
	board := health.New(nil)
	board.Declare(health.PartScanner, health.PartNFC, health.PartCamera, health.PartLines, health.PartEntry, health.PartExit, health.PartMantrap,
		health.PartDisplay, health.PartInspector, health.PartJournal, health.PartLink, health.PartController, health.PartEnclosure, health.PartFireLoop, health.PartKeys, health.PartClock)

	for _, m := range differs { // a gate that is not as the site prescribes takes nobody (M-08)
		board.Raise(health.ConfigurationMismatch, m.Key)
	}

	if !cfg.Simulated && keys.inFile {
		log.Warn("egated: the gate's private keys are files: whoever takes the disk has them", "code", health.KeyInFile, "security", true)
		board.Raise(health.KeyInFile, health.PartKeys)
	}
	worn, err := wear.Load(cfg.StateDir)
	if err != nil { // usable all the same
		log.Error("egated: wear", "err", err)
	}

	var cred *pki.Credential
	var tlsConfig func() *tls.Config
	if cfg.Link.CAFile != "" {
		cred, err = pki.Load(pki.Files{CA: cfg.Link.CAFile, Cert: cfg.Link.CertFile, Key: cfg.Link.CertKeyFile}, pki.Options{Name: cfg.Gate, Key: keys.tls, Now: wall.Now, Log: log})
		if err != nil {
			return fmt.Errorf("egated: link: %w", err)
		}
		tlsConfig = cred.Client
	}
	password, err := readSecret(cfg.Link.PasswordFile)
	if err != nil {
		return fmt.Errorf("egated: link.password_file: %w", err)
	}
	who, err := keeper(cfg, found.Meta, wall.Now, log)
	if err != nil {
		return err
	}
	times, err := newTimekeeper(wall, cfg, board, log)
	if err != nil {
		return err
	}
	cosigned := newWitnessed()
	lk, err := link.New(link.Config{Site: cfg.Site, Gate: cfg.Gate, Brokers: cfg.Link.Broker, TLS: tlsConfig, User: cfg.Link.User, Password: password,
		Boot: boot, Epoch: j.Epoch, Signer: signer, Centre: map[string]seal.Keys{centrePrincipal: seal.Trust(centre)}, Officers: who, Outbox: j.Outbox(), Log: log,
		// A genuine acknowledgement beyond our end: the disk lost what the centre has. A new epoch begins (E-03).
		Ahead:  func(ctx context.Context, why string) error { _, err := j.Lost(ctx, j.Epoch(), why); return err },
		SealTo: sealTo(cfg, centreSeal),
		Now:    wall.Now, Time: times.answer, Cosigned: cosigned.put})
	if err != nil {
		return fmt.Errorf("egated: %w", err)
	}

	times.link = lk
	lk.PublishInfo(api.Info{At: time.Now().UTC(), Contract: api.Contract, Boot: boot, Version: buildinfo.Version, Kid: signer.KeyID(),
		Topology: cfg.Topology, Languages: cfg.Languages, Simulated: cfg.Simulated})

	wires := newLines(cfg)
	wires.busLost = func(name string, lost bool) {
		if board.Set(health.LampsLost, name, lost) {
			log.Warn("egated: lamps", "bus", name, "lost", lost, "code", health.LampsLost)
		}
	}
	defer wires.Close()
	geometry, err := matrix(cfg)
	if err != nil {
		return err
	}
	if cfg.Lines.Driver == "gpio" && !geometry.TestLine {
		board.Raise(health.BeamsUntested, health.PartMantrap)
	}
	guarded, err := guard(cfg, geometry, wires)
	if err != nil {
		return err
	}

	hw, err := newHardware(cfg, identity.New(), board, j.Meta(changeRow("pairing")), log)
	if err != nil {
		return err
	}

	rules, err := rule(cfg, found.Meta, wall.Now())
	if err != nil {
		log.Error("egated: inspect.policy", "err", err, "security", true)
		board.Raise(health.PolicyRefused, health.PartInspector)
	}
	argv, err := inspector(path, cfg, rules)
	if err != nil {
		return err
	}
	inspectors := supervisor.New(argv...)
	defer inspectors.Close()

	screen := display.New(display.Options{Simulated: cfg.Simulated, Languages: cfg.Languages})
	sensed := make(chan gate.Event, 256)
	dog, err := openWatchdog(cfg.Watchdog)
	if err != nil {
		log.Error("egated: watchdog", "err", err)
		board.Raise(health.Watchdog, health.PartController)
	}
	desk, lit := newCentre(lk), newLamps(wires)
	horn := newHorn(cfg, lit)
	if horn != nil {
		defer horn.Close()
	}
	mending, endMending := context.WithCancel(ctx)
	defer endMending()
	mend := newRecoverer(mending, argv, hw, board, log)
	ports := control.Ports{
		Doors: guarded, Lamps: lit, Sounder: horn, Display: newScreen(screen), Inspectors: inspectors, Journal: j, Link: desk,
		Sensors: sensed, Health: board, Kick: feeder(dog), Recover: mend.Recover,
	}
	recovered := found.Model
	if found.First {
		recovered = nil
	}
	now := parts(path, cfg, signer.KeyID(), who, rules)
	if hw.path != "" {
		now = append(now, part{what: "pairing", is: hw.version()})
	}
	lastStep, err := tellDeleted(ctx, j, found.LastStep, found.First, filepath.Join(cfg.StateDir, "audit"))
	if err != nil {
		log.Error("egated: evidence", "err", err)
	}
	lastStep, err = tellChanges(ctx, j, lastStep, now)
	if err != nil {
		log.Error("egated: evidence", "err", err)
	}
	if found.Meta == nil {
		found.Meta = map[string]string{}
	}
	for _, p := range now { // as told a moment ago
		found.Meta[changeRow(p.what)] = j.Meta(changeRow(p.what))
	}
	how := "clean"
	if found.TornTail {
		how = "torn_tail"
	}
	loop, err := control.New(control.Config{
		Clock: journalled{wall},
		Site:  cfg.Site, Gate: cfg.Gate, Simulated: cfg.Simulated, Version: buildinfo.Version, Boot: boot, Epoch: j.Epoch, LastStep: lastStep,
		CentreKey: centreSeal, Limits: limits(cfg), Document: cfg.Limits.Chip, Capture: cfg.Limits.Capture, Beat: cfg.Limits.Beat,
		Shift: cfg.Limits.Shift, ShiftWarning: cfg.Limits.ShiftWarning,
		Rows: found.Meta, TwoPersons: who.TwoPersons, Group: who.Group, Languages: cfg.Languages, Recovered: recovered, Found: how, Topology: topologies[cfg.Topology], Counters: stock(mend.counters(worn.Counters), leafOf(cred), roomOf(cfg.StateDir), wall.Now), Used: worn.Used,
	}, ports, log)
	if err != nil {
		return fmt.Errorf("egated: %w", err)
	}

	ln, err := net.Listen("tcp", cfg.Display.Listen)
	if err != nil {
		return fmt.Errorf("egated: display.listen: %w", err)
	}
	srv := &http.Server{Handler: screen.Handler(), ReadHeaderTimeout: headerLimit, ReadTimeout: 2 * headerLimit, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}

	var bench *net.UnixListener // of technicians at the gate
	if cfg.Hardware.Socket != "" {
		if bench, err = service.Listen(cfg.Hardware.Socket); err != nil {
			return fmt.Errorf("egated: hardware.socket: %w", err)
		}
		defer bench.Close()
	}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("egated: screen: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		if srv.Shutdown(stop) != nil {
			return srv.Close() // event streams that did not end by themselves
		}
		return nil
	})
	g.Go(func() error { return lk.Run(ctx) })
	g.Go(func() error { return sense(ctx, geometry, wires, lit, board, worn, sensed, log) })
	if bench != nil {
		who := service.Server{Site: cfg.Site, Gate: cfg.Gate, Technicians: hw.rule.Technicians, Do: newLocal(ctx, desk, wires, lit, horn, hw, board, wall.Now), Log: log}
		g.Go(func() error { return who.Serve(ctx, bench) })
	}
	if hw.path != "" {
		g.Go(func() error { hw.run(ctx); return nil })
	}
	g.Go(func() error { follow(ctx, evidence, lk, board, log); return nil })
	g.Go(func() error { cosigned.run(ctx, evidence, j, cfg.Site, centre, log); return nil })
	g.Go(func() error { status(ctx, board, lk); return nil })
	g.Go(func() error { times.run(ctx); return nil })
	g.Go(func() error { documents(ctx, rules, who.Current, wall.Now, board, log); return nil })
	g.Go(func() error { trends(ctx, worn, cfg.Wear, temperature("/sys/class/thermal"), board); return nil })
	g.Go(func() error { storage(ctx, roomOf(cfg.StateDir), board, log); return nil })
	if cred != nil {
		g.Go(func() error { certificate(ctx, cred, filepath.Join(cfg.StateDir, renewalFile), board, log); return nil })
	}
	g.Go(func() error {
		worn.Run(ctx, func(err error) { log.Error("egated: wear", "err", err) })
		return nil
	})
	g.Go(func() error {
		defer sdnotify.Stopping()
		return loop.Run(ctx)
	})
	log.Info("egated: running", "version", buildinfo.Version, "screen", "http://"+ln.Addr().String(), "epoch", j.Epoch(), "found", how)
	sdnotify.Ready()
	err = g.Wait()
	endMending()
	mend.wg.Wait()
	if dog != nil {
		err = errors.Join(err, dog.Close())
	}
	if _, cerr := evidence.Checkpoint(); cerr != nil { // the last leaves of this run are signed too; the next start publishes that
		log.Error("egated: audit", "err", cerr)
	}
	return err
}

// gap tells of a new epoch after a loss, as the first event and leaf of it.
func gap(old, _ uint64, why string) (events, leaves [][]byte) {
	data, err := json.Marshal(api.Gap{OldEpoch: old, Why: why})
	if err != nil {
		return nil, nil
	}
	d, err := json.Marshal(api.Draft{Type: api.EventGap, Time: time.Now().UTC(), Data: data})
	if err != nil {
		return nil, nil
	}
	return [][]byte{d}, [][]byte{d}
}

// inspector is the command line of an inspector.
func inspector(path string, cfg configs.Gate, by ruling) ([]string, error) {
	program := cfg.Inspect.Program
	if program == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("egated: own path: %w", err)
		}
		program = filepath.Join(filepath.Dir(self), "egate-inspect")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("egated: %w", err)
	}
	argv := []string{program}
	if by.file != "" {
		argv = append(argv, "--policy", by.file)
	}
	return append(argv, "--config", abs), nil
}

// limits maps the configuration to the machine's limits.
func limits(c configs.Gate) control.Limits {
	l := c.Limits
	return control.Limits{
		gate.LimitDocument: l.Document, gate.LimitChip: l.Chip + l.Lookup, gate.LimitLift: l.Lift, gate.LimitNoShow: l.NoShow, gate.LimitSecure: l.Secure,
		gate.LimitCapture: l.Capture + l.Decide, gate.LimitRelease: l.Release, gate.LimitClear: l.Clear, gate.LimitLeave: l.LeaveBack,
		gate.LimitReferral: l.Referral, gate.LimitPrompt: l.Referral / 4, gate.LimitNote: 3 * time.Second, gate.LimitCommit: l.Commit, gate.LimitTravel: c.Doors.Travel,
		gate.LimitRetry:   3 * time.Second,        // D-08
		gate.LimitGuard:   500 * time.Millisecond, // D-05
		gate.LimitRecover: l.Recover, gate.LimitWarm: l.Warm, gate.LimitExit: 4 * time.Second,
		gate.LimitTest: 4*c.Doors.Travel + 10*time.Second, // both doors, there and back, with one retry (M-02: 60 s at most)
	}
}

// status says ready or degraded as the board does.
func status(ctx context.Context, board *health.Board, lk *link.Link) {
	for {
		s := "ready"
		if board.Snapshot().Overall != health.StateOK {
			s = "degraded"
		}
		board.Set(health.BrokerFallback, health.PartLink, lk.Fallback())
		lk.SetStatus(s)
		select {
		case <-board.Changed():
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
			return
		}
	}
}

func openWatchdog(c configs.Watchdog) (*watchdog.Watchdog, error) {
	if c.Device == "" {
		return nil, nil
	}
	return watchdog.Open(c.Device, wdTimeout)
}

// feeder feeds the hardware's watchdog, where there is one, and the service manager's. Only the loop calls
// it, between two steps: a loop that hangs starves both.
func feeder(dog *watchdog.Watchdog) func() {
	var said time.Time
	return func() {
		if dog != nil {
			_ = dog.Kick()
		}
		if time.Since(said) >= aliveEvery {
			said = time.Now()
			sdnotify.Alive()
		}
	}
}

func readSecret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return string(b), err
}

// sealTo is the key that border events are sealed to, nil where the configuration leaves them open.
func sealTo(cfg configs.Gate, centre []byte) []byte {
	if !cfg.Link.SealEvents {
		return nil
	}
	return centre
}
