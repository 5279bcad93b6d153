package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"egate/configs"
	"egate/hal/identity"
	"egate/health"
	"egate/pairing"
	"egate/seal"
)

// lookEvery is how often the devices that are plugged are compared with the pairing (X-04: 1 s; C-11: 2 s).
const lookEvery = 500 * time.Millisecond

// deviceLost are the faults of parts whose device is not there.
var deviceLost = map[string]health.Code{health.PartScanner: health.ScannerLost, health.PartNFC: health.NFCLost, health.PartCamera: health.CameraLost, health.PartLines: health.LinesLost}

// deviceNodes are the nodes of the parts.
func deviceNodes(cfg configs.Gate) map[string]string {
	nfc := cfg.Devices.NFC.Device
	if cfg.Devices.NFC.Driver == "pcsc" {
		nfc = "usbclass:0b" // the device is pcscd's
	}
	return map[string]string{health.PartScanner: cfg.Devices.Scanner.Device, health.PartNFC: nfc, health.PartCamera: cfg.Devices.Camera.Device, health.PartLines: cfg.Lines.Device}
}

// hardware watches which devices are plugged, and holds the pairing that they are bound by.
type hardware struct {
	sys   identity.Sys
	path  string
	rule  pairing.Rule
	nodes map[string]string
	board *health.Board
	log   *slog.Logger

	mu    sync.Mutex
	bound *pairing.Pairing
	hash  string
	why   error // there is none
	found []pairing.Finding
}

// newHardware reads the pairing; last is the one in use at the last start, as version tells it. A simulated gate
// has none, and nothing to watch.
func newHardware(cfg configs.Gate, sys identity.Sys, board *health.Board, last string, log *slog.Logger) (*hardware, error) {
	technicians, err := seal.LoadPublics(cfg.Hardware.Technicians)
	if err != nil {
		return nil, fmt.Errorf("egated: hardware.technicians: %w", err)
	}
	officers, err := seal.LoadPublics(cfg.Hardware.Officers)
	if err != nil {
		return nil, fmt.Errorf("egated: hardware.officers: %w", err)
	}
	h := &hardware{sys: sys, path: cfg.Hardware.Pairing, nodes: deviceNodes(cfg), board: board, log: log,
		rule: pairing.Rule{Site: cfg.Site, Gate: cfg.Gate, Technicians: technicians, Officer: officers, MinVersion: versionIn(last)}}
	if h.path == "" {
		return h, nil
	}
	board.Declare(health.PartUSB)
	f, err := pairing.Read(h.path)
	if err == nil {
		err = h.take(f)
	}
	if err != nil {
		log.Error("egated: hardware", "err", err, "security", true)
		h.why = err
	}
	return h, nil
}

// versionIn reads the number of "v3-0123…".
func versionIn(s string) int {
	s, _, _ = strings.Cut(strings.TrimPrefix(s, "v"), "-")
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// version names the pairing in use, "none" without one.
func (h *hardware) version() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bound == nil {
		return "none"
	}
	return fmt.Sprintf("v%d-%s", h.bound.Version, h.hash)
}

func (h *hardware) take(f *pairing.File) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, err := f.Verify(h.rule)
	if err != nil {
		return err
	}
	h.bound, h.hash, h.why = &p, hash(f.Payload), nil
	h.rule.MinVersion = max(h.rule.MinVersion, p.Version)
	return nil
}

// install takes a newer pairing into use and keeps it. It returns what was and what is in use.
func (h *hardware) install(raw []byte) (was, now string, err error) {
	f, err := pairing.Parse(raw)
	if err != nil {
		return "", "", err
	}
	was = h.version()
	if p, err := f.Look(); err != nil {
		return "", "", err
	} else if p.Version <= versionIn(was) {
		return "", "", fmt.Errorf("egated: pairing version %d is not newer than %d, which is in use", p.Version, versionIn(was))
	}
	h.mu.Lock()
	rule := h.rule
	h.mu.Unlock()
	if _, err := f.Verify(rule); err != nil {
		return "", "", err
	}
	if err := f.Write(h.path); err != nil {
		return "", "", err
	}
	if err := h.take(f); err != nil {
		return "", "", err
	}
	h.look()
	return was, h.version(), nil
}

// findings are those of the last look.
func (h *hardware) findings() []pairing.Finding {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.found
}

// pairingInUse is a copy of what is bound; nil for none.
func (h *hardware) pairingInUse() (*pairing.Pairing, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bound, h.why
}

// look compares what is plugged with the pairing and tells the board.
func (h *hardware) look() {
	bound, why := h.pairingInUse()
	found := pairing.Check(h.sys, bound, h.nodes)
	h.mu.Lock()
	before := h.found
	h.found = found
	h.mu.Unlock()
	is := func(all []pairing.Finding, part string, what ...string) bool {
		for _, f := range all {
			for _, w := range what {
				if f.Part == part && f.What == w {
					return true
				}
			}
		}
		return false
	}
	swapped := []string{pairing.Changed, pairing.Simulated}
	unpaired := why != nil
	for part := range h.nodes {
		h.board.Set(health.Tamper, part, is(found, part, swapped...))
		unpaired = unpaired || is(found, part, pairing.Unbound)
		// The loop and the lines raise and clear the same code on what they meet: only a change is told here.
		if lost := is(found, part, pairing.Lost); lost {
			h.board.Raise(deviceLost[part], part)
		} else if is(before, part, pairing.Lost) {
			h.board.Clear(deviceLost[part], part)
		}
	}
	h.board.Set(health.Tamper, health.PartUSB, is(found, "", pairing.Unlisted))
	h.board.Set(health.DevicesUnpaired, health.PartController, unpaired)
	for _, f := range found {
		known := false
		for _, b := range before {
			known = known || b == f
		}
		if !known {
			h.log.Warn("egated: hardware", "part", f.Part, "what", f.What, "found", f.Text, "security", f.What != pairing.Lost)
		}
	}
}

// run looks until ctx ends.
func (h *hardware) run(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		h.look()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
