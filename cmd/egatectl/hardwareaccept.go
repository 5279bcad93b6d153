package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"egate/configs"
	"egate/emrtd"
	"egate/emrtd/mrz"
	"egate/emrtd/pa"
	"egate/hal"
	"egate/health"
	"egate/internal/buildinfo"
	"egate/pairing"
	"egate/seal"
	"egate/service"
)

// acceptKind is what a report is signed as.
const acceptKind = "acceptance"

// Results of a step.
const (
	stepPassed  = "passed"
	stepFailed  = "failed"
	stepSkipped = "skipped"
)

// acceptance is what a technician has seen of one gate. Nothing of the specimen is in it.
type acceptance struct {
	Type    string       `json:"type"` // egate.acceptance.v1
	Site    string       `json:"site"`
	Gate    string       `json:"gate"`
	At      time.Time    `json:"at"`
	Version string       `json:"version"` // of egatectl
	Gated   string       `json:"egated"`  // version of the running gate
	Config  string       `json:"config"`  // SHA-256 of the configuration, hex
	Pairing string       `json:"pairing"`
	Steps   []acceptStep `json:"steps"`
	Passed  bool         `json:"passed"` // every step did
}

type acceptStep struct {
	Name   string   `json:"name"`
	Result string   `json:"result"`
	Said   []string `json:"said,omitempty"`
}

type signedAcceptance struct {
	Payload    []byte           `json:"payload"`
	Signatures []seal.Signature `json:"signatures"`
}

// stdin is where the technician answers; tests have another.
var stdin io.Reader = os.Stdin

// walkLimit is how long one thing that a technician does may take.
const walkLimit = 5 * time.Minute

// byHand are what only a person can see (docs/hardware.md, What the wiring must do without this software).
var byHand = []struct{ name, ask string }{
	{"fire_by_wire", "With egated stopped or its board switched off, the open fire loop drops the locks and opens both doors"},
	{"safety_in_drive", "The drive itself stops and turns back at an obstacle, and its safety beams work with egated stopped"},
	{"electrical_interlock", "A relay or the drives keep entry and exit from being driven open together, whatever the outputs say"},
	{"safe_without_voltage", "Without voltage on the board every lock, hold and door stands in its declared safe position"},
	{"pulse_bounded", "An open or close output that stays High moves the door once only: the drive takes the edge, or a monostable bounds it"},
}

func hardwareAccept(ctx context.Context, out io.Writer, args []string) error {
	var b bench
	f := flags("hardware accept", out)
	b.flags(f, true)
	zone := f.String("mrz", "", "`file` with the printed lines of the specimen")
	to := f.String("out", "", "report to write")
	code := f.String("code", "", "an officer's `code` (egatectl service code), where no officer can be asked")
	trustFile := f.String("trust", "", "trust bundle that knows the specimen's issuer; without it only its reading is judged")
	trustKey := f.String("trust-key", "", "public key of the bundle")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 || *zone == "" || *to == "" {
		return errUsage
	}
	if err := b.load(); err != nil {
		return err
	}
	key, err := b.signer()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(*to); err == nil {
		return fmt.Errorf("%s is there already: a report is never overwritten", *to)
	}
	raw, err := readKeyFile(*zone)
	if err != nil {
		return err
	}
	lines := bytes.Fields(raw)
	defer clear(raw)
	config, err := os.ReadFile(*b.path)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(config)
	a := &acceptance{Type: "egate.acceptance.v1", Site: b.cfg.Site, Gate: b.cfg.Gate, At: time.Now().UTC(), Version: buildinfo.Version, Config: hex.EncodeToString(hash[:]), Pairing: "none"}
	k, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer k.Close()
	w := &walk{bench: &b, k: k, out: out, in: bufio.NewReader(stdin), a: a, specimen: lines, trustFile: *trustFile, trustKey: *trustKey, code: *code}
	w.all(ctx)
	a.Passed = !slices.ContainsFunc(a.Steps, func(s acceptStep) bool { return s.Result != stepPassed })
	payload, err := json.Marshal(a)
	if err != nil {
		return err
	}
	report, err := json.MarshalIndent(signedAcceptance{payload, []seal.Signature{key.Sign(acceptKind, payload)}}, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(*to, append(report, '\n'), 0o640); err != nil {
		return err
	}
	a.print(out)
	fmt.Fprintf(out, "%s: signed by %s\n", *to, key.KeyID())
	if !a.Passed {
		return exitStatus(1)
	}
	return nil
}

// walk is an acceptance under way.
type walk struct {
	*bench
	k                   *service.Client
	out                 io.Writer
	in                  *bufio.Reader
	a                   *acceptance
	specimen            [][]byte
	trustFile, trustKey string
	code                string // of an officer; empty: he has released the gate
}

func (w *walk) all(ctx context.Context) {
	w.step("devices", func() ([]string, error) {
		r, err := w.k.Do(service.Request{Name: service.AskState})
		if err != nil {
			return nil, err
		}
		w.a.Gated, w.a.Pairing = r.State.Version, r.State.Pairing
		p, err := w.paired()
		if err != nil && !(w.cfg.Simulated && errors.Is(err, pairing.ErrNone)) {
			return nil, err
		}
		var errs []error
		for _, x := range pairing.Check(sys, p, w.nodes()) {
			if w.cfg.Simulated && p == nil {
				continue // nothing is plugged in a simulation
			}
			errs = append(errs, fmt.Errorf("%s %s: %s", x.Part, x.What, x.Text))
		}
		return []string{"pairing " + r.State.Pairing}, errors.Join(errs...)
	})
	w.step("identify", func() ([]string, error) {
		if _, err := w.k.Do(service.Request{Name: service.AskIdentify, Seconds: 10}); err != nil {
			return nil, err
		}
		return nil, w.confirm("The beacon of this gate, and of no other, blinks now")
	})
	inService := false
	w.step("service_mode", func() ([]string, error) {
		err := enterService(w.k, w.code)
		inService = err == nil
		return nil, err
	})
	w.step("inputs", func() ([]string, error) { return w.inputs(ctx) })
	for _, part := range []string{health.PartLines, partDoors} {
		w.step(part, func() ([]string, error) { return w.test(ctx, w.k, part, false) })
	}
	if _, wired := w.cfg.Lines.Outputs[configs.LineSounder]; wired {
		w.step(partSounder, func() ([]string, error) {
			said, err := w.test(ctx, w.k, partSounder, false)
			if err != nil {
				return said, err
			}
			return said, w.confirm("Three different tones were heard, and beside them a person who speaks")
		})
	}
	w.step(health.PartScanner, func() ([]string, error) { return w.scanSpecimen(ctx) })
	w.step(health.PartNFC, func() ([]string, error) { return w.readSpecimen(ctx) })
	w.step(health.PartCamera, func() ([]string, error) { return w.test(ctx, w.k, health.PartCamera, false) })
	for _, q := range byHand {
		w.step(q.name, func() ([]string, error) { return nil, w.confirm(q.ask) })
	}
	if inService {
		w.step("close", func() ([]string, error) { return nil, order(w.k, "gate_close") })
	}
}

func (w *walk) step(name string, do func() ([]string, error)) {
	fmt.Fprintf(w.out, "\n%s\n", name)
	said, err := do()
	s := acceptStep{Name: name, Result: stepPassed, Said: said}
	switch {
	case errors.Is(err, errSkipped):
		s.Result = stepSkipped
	case err != nil:
		s.Result = stepFailed
		s.Said = append(s.Said, strings.Split(err.Error(), "\n")...)
	}
	w.a.Steps = append(w.a.Steps, s)
	for _, l := range s.Said {
		fmt.Fprintf(w.out, "  %s\n", l)
	}
	fmt.Fprintf(w.out, "  %s\n", s.Result)
}

var errSkipped = errors.New("skipped")

// confirm asks for what only a person can see.
func (w *walk) confirm(what string) error {
	fmt.Fprintf(w.out, "  %s. Seen? [y/n/s(kip)] ", what)
	l, err := w.in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(l)) {
	case "y", "yes":
		return nil
	case "s", "skip":
		return errSkipped
	}
	return errors.New("not seen")
}

// inputs waits until each input was seen at both levels: the technician walks, opens, presses.
func (w *walk) inputs(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, walkLimit)
	defer cancel()
	k, err := w.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	if err := k.Watch(); err != nil {
		return nil, err
	}
	fmt.Fprint(w.out, "  Change every input once: walk through the beams, move each door by hand to both ends, press the\n  exit button, open the enclosure, open the fire loop (the doors open). Each is told when it was seen.\n")
	seen := map[string]map[string]bool{}
	for {
		r, err := k.Next()
		if err != nil {
			if ctx.Err() == nil {
				return nil, err
			}
			var missing []string
			for _, n := range slices.Sorted(maps.Keys(seen)) {
				if !seen[n]["high"] || !seen[n]["low"] {
					missing = append(missing, n)
				}
			}
			return nil, fmt.Errorf("not seen to change: %s", strings.Join(missing, ", "))
		}
		done := 0
		for n, v := range r.Lines.Inputs {
			s := seen[n]
			if s == nil {
				s = map[string]bool{}
				seen[n] = s
			}
			if before := s["high"] && s["low"]; !before {
				if s[v] = true; s["high"] && s["low"] {
					fmt.Fprintf(w.out, "  seen: %s\n", n)
				}
			}
			if s["high"] && s["low"] {
				done++
			}
		}
		if done == len(r.Lines.Inputs) {
			return []string{fmt.Sprintf("%d inputs seen at both levels", done)}, nil
		}
	}
}

// scanSpecimen reads the specimen's zone and compares it; the zone itself goes nowhere.
func (w *walk) scanSpecimen(ctx context.Context) ([]string, error) {
	if _, err := w.k.Do(service.Request{Name: service.AskHold, Part: health.PartScanner}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, walkLimit)
	defer cancel()
	s, done, err := w.openScanner(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	fmt.Fprintln(w.out, "  Lay the specimen on the scanner.")
	complaints := 0
	for {
		scan, err := s.Next(ctx)
		if err != nil {
			return nil, err
		}
		if scan.Kind == hal.ScanMRZ {
			same := slices.EqualFunc(scan.Lines, w.specimen, bytes.Equal)
			wipeLines(scan.Lines)
			if !same {
				return nil, errors.New("the scanner read other lines than those of --mrz")
			}
			return []string{fmt.Sprintf("%d lines, as printed, after %d complaints", len(w.specimen), complaints)}, nil
		}
		if scan.Kind != hal.ScanPresent && scan.Kind != hal.ScanRemoved {
			complaints++
		}
	}
}

// readSpecimen reads the specimen's chip.
func (w *walk) readSpecimen(ctx context.Context) ([]string, error) {
	if _, err := w.k.Do(service.Request{Name: service.AskHold, Part: health.PartNFC}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, walkLimit)
	defer cancel()
	now := time.Now()
	doc, err := mrz.Parse(w.specimen, now)
	if err != nil {
		return nil, fmt.Errorf("--mrz: %w", err)
	}
	defer doc.Wipe()
	r, said, err := w.openReader(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	opt := emrtd.Options{Now: now, AllowBAC: w.cfg.Inspect.AllowBAC, Policy: pa.Policy{ForbidSHA1: w.cfg.Inspect.ForbidSHA1}}
	if w.trustFile != "" {
		if opt.Trust, err = openTrust(w.trustFile, w.trustKey, now); err != nil {
			return said, err
		}
	}
	fmt.Fprintln(w.out, "  Leave the specimen on the reader.")
	card, err := r.Connect(ctx)
	if err != nil {
		return said, err
	}
	began := time.Now()
	rep, err := emrtd.Read(ctx, card, doc, opt)
	took := time.Since(began)
	_ = card.Close() // the report is made
	defer rep.Wipe()
	if err != nil {
		return said, err
	}
	said = append(said, fmt.Sprintf("read in %.1f s: access %s, %d exchanges, %d recoveries", took.Seconds(), rep.Access, rep.APDUs, rep.Recoveries))
	if opt.Trust != nil && !rep.Authenticated {
		return said, errors.New("the specimen could not be authenticated with --trust")
	}
	return said, nil
}

func (a *acceptance) print(out io.Writer) {
	fmt.Fprintf(out, "\nacceptance of %s/%s, %s, egated %s, pairing %s\n", a.Site, a.Gate, a.At.Format(time.DateTime), a.Gated, a.Pairing)
	for _, s := range a.Steps {
		fmt.Fprintf(out, "  %-8s %s\n", s.Result, s.Name)
	}
	fmt.Fprintf(out, "%s\n", map[bool]string{true: "PASSED", false: "NOT PASSED: not every step did"}[a.Passed])
}

func hardwareAccepted(_ context.Context, out io.Writer, args []string) error {
	f := flags("hardware accepted", out)
	key := f.String("key", "", "public `key` of the technician")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *key == "" {
		return errUsage
	}
	pub, err := seal.LoadPublic(*key)
	if err != nil {
		return err
	}
	raw, err := readFirst(f.Arg(0), maxDiagFile)
	if err != nil {
		return err
	}
	var s signedAcceptance
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("%s: not a report: %w", f.Arg(0), err)
	}
	if _, err := seal.Trust(pub).Verify(acceptKind, s.Payload, s.Signatures); err != nil {
		return err
	}
	var a acceptance
	if err := json.Unmarshal(s.Payload, &a); err != nil {
		return fmt.Errorf("%s: not a report: %w", f.Arg(0), err)
	}
	a.print(out)
	if !a.Passed {
		return exitStatus(1)
	}
	return nil
}
