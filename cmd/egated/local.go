package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"egate/api"
	"egate/configs"
	"egate/gate/control"
	"egate/hal"
	"egate/health"
	"egate/internal/buildinfo"
	"egate/officers"
	"egate/service"
)

const (
	modeService = "service"
	// revokeEvery is how soon a lease ends when the gate leaves service mode.
	revokeEvery = 200 * time.Millisecond
	// localLife is how long a local order may wait for the loop.
	localLife = 5 * time.Second
)

// local is the gate as a technician at its socket sees it. It implements service.Gate.
type local struct {
	centre *centre
	wires  *lines
	lamps  *lamps
	horn   hal.Sounder // nil: the gate has none
	hw     *hardware
	board  *health.Board
	ctx    context.Context  // of the program
	now    func() time.Time // the gate's wall time: a code does not live longer for a clock that is behind (E-07)

	mu   sync.Mutex
	held map[string]chan struct{}
}

func newLocal(ctx context.Context, c *centre, w *lines, l *lamps, horn hal.Sounder, hw *hardware, board *health.Board, now func() time.Time) *local {
	x := &local{centre: c, wires: w, lamps: l, horn: horn, hw: hw, board: board, ctx: ctx, now: now, held: map[string]chan struct{}{}}
	go x.revoke()
	return x
}

// State implements service.Gate.
func (x *local) State() service.State {
	h := x.centre.health()
	s := service.State{Mode: x.centre.mode(), Overall: h.Overall, Version: buildinfo.Version, Pairing: x.hw.version(), Counters: h.Counters}
	snap := x.board.Snapshot() // newer than the document
	s.Overall = snap.Overall
	for _, p := range snap.Parts {
		s.Parts = append(s.Parts, service.Part{Name: p.Name, State: p.State})
	}
	for _, f := range snap.Faults {
		s.Faults = append(s.Faults, service.Fault{Code: string(f.Code), Part: f.Part, Severity: f.Severity.String(), Since: f.Since})
	}
	if t := h.SelfTest; t != nil {
		s.SelfTest = &service.SelfTest{At: t.At, Passed: t.Passed, Reason: t.Reason.String()}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s.Held = slices.Sorted(maps.Keys(x.held))
	return s
}

// Lines implements service.Gate.
func (x *local) Lines() service.Lines { return x.wires.levels() }

// Identify implements service.Gate.
func (x *local) Identify(technician string, d time.Duration) error {
	if !x.lamps.blink(x.ctx, "beacon", d) {
		return fmt.Errorf("%w: it blinks already", service.ErrRefused)
	}
	x.did(technician, "identify")
	return nil
}

// Sound implements service.Gate: in service mode the loop wants silence, so that nothing is played over.
func (x *local) Sound(technician string) error {
	switch {
	case x.horn == nil:
		return fmt.Errorf("%w: this gate has no sounder (lines.outputs.%s)", service.ErrRefused, configs.LineSounder)
	case x.centre.mode() != modeService:
		return fmt.Errorf("%w: the sounder is tried in service mode only", service.ErrRefused)
	}
	// Silence first: a tone that was played to its end begins anew only so.
	if err := errors.Join(x.horn.Sound(hal.ToneNone), x.horn.Sound(hal.ToneTest)); err != nil {
		return fmt.Errorf("%w: %w", service.ErrRefused, err)
	}
	x.did(technician, "sound")
	return nil
}

// Order implements service.Gate.
func (x *local) Order(ctx context.Context, technician, name, code string) (service.Order, error) {
	permitted := false
	if code != "" {
		rule := x.hw.rule
		if err := officers.CheckPermit(rule.Officer, code, rule.Site, rule.Gate, strings.TrimPrefix(technician, service.Principal), x.now()); err != nil {
			return service.Order{}, fmt.Errorf("%w: %w", service.ErrRefused, err)
		}
		permitted = true
	}
	got := make(chan api.Response, 1)
	now := x.now()
	c := &api.Command{ID: newID(), Name: name, Principal: technician, Officer: technician, IssuedAt: now, ExpiresAt: now.Add(localLife)}
	if err := x.centre.send(ctx, control.Inbound{Local: &control.Local{Order: c, Permitted: permitted, Answer: func(r api.Response) { got <- r }}}); err != nil {
		return service.Order{}, err
	}
	select {
	case r := <-got:
		return service.Order{Result: r.Result, Reason: r.Reason}, nil
	case <-ctx.Done():
		return service.Order{}, fmt.Errorf("%w: the gate does not answer", service.ErrRefused)
	}
}

// Hold implements service.Gate: in service mode no inspector is given a device.
func (x *local) Hold(technician, part string) (func(), <-chan struct{}, error) {
	switch part {
	case health.PartScanner, health.PartNFC, health.PartCamera:
	default:
		return nil, nil, fmt.Errorf("%w: %q is no part that is leased: %s, %s or %s", service.ErrRefused, part, health.PartScanner, health.PartNFC, health.PartCamera)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.centre.mode() != modeService {
		return nil, nil, fmt.Errorf("%w: devices are leased to technicians in service mode only (egatectl hardware test --service)", service.ErrRefused)
	}
	if _, taken := x.held[part]; taken {
		return nil, nil, fmt.Errorf("%w: somebody else tests it", service.ErrRefused)
	}
	revoked := make(chan struct{})
	x.held[part] = revoked
	x.did(technician, "hold_"+part)
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.held[part] == revoked {
			delete(x.held, part)
		}
	}, revoked, nil
}

// revoke takes leases back when the gate leaves service mode.
func (x *local) revoke() {
	t := time.NewTicker(revokeEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-x.ctx.Done():
			return
		}
		x.mu.Lock()
		if len(x.held) > 0 && x.centre.mode() != modeService {
			for p, c := range x.held {
				close(c)
				delete(x.held, p)
			}
		}
		x.mu.Unlock()
	}
}

// Pair implements service.Gate.
func (x *local) Pair(ctx context.Context, technician string, file []byte) (string, error) {
	if x.hw.path == "" {
		return "", fmt.Errorf("%w: hardware.pairing is not set", service.ErrRefused)
	}
	was, now, err := x.hw.install(file)
	if err != nil {
		return "", fmt.Errorf("%w: %w", service.ErrRefused, err)
	}
	return now, x.centre.send(ctx, control.Inbound{Local: &control.Local{Did: &api.OrderEvent{ID: newID(), Principal: technician, Name: "pair", Result: "done"},
		Change: &api.Change{What: "pairing", Old: was, New: now}}})
}

// did makes evidence of what was done.
func (x *local) did(technician, what string) {
	go func() { // the loop takes it when it turns; the program may end first
		_ = x.centre.send(x.ctx, control.Inbound{Local: &control.Local{Did: &api.OrderEvent{ID: newID(), Principal: technician, Name: what, Result: "done"}}})
	}()
}

func newID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand never fails on Linux
	}
	return hex.EncodeToString(b[:])
}

var errStopping = errors.New("egated: the gate is stopping")

// send hands something to the loop as if the centre had said it.
func (c *centre) send(ctx context.Context, in control.Inbound) error {
	select {
	case c.in <- in:
		return nil
	case <-ctx.Done():
		return errStopping
	}
}
