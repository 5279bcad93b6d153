package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"egate/hal/recovery"
	"egate/hal/usbport"
	"egate/health"
	"egate/internal/priority"
)

const (
	// again is how long a device that was not brought back is left alone before it is only asked again.
	again = 15 * time.Second
	// probeEnd is how long a probe that was told to end may take.
	probeEnd = 500 * time.Millisecond
)

// probes are the names of the parts as egate-inspect --probe takes them.
var probes = map[string]string{health.PartScanner: "scanner", health.PartNFC: "nfc", health.PartCamera: "camera"}

// recoverer brings devices back that failed (C-11). A probe is a process of the inspector's program: egated links no
// driver of a device that sees a traveller.
type recoverer struct {
	ctx   context.Context
	board *health.Board
	log   *slog.Logger
	// ladder is that of a part.
	ladder func(part string) recovery.Ladder

	mu     sync.Mutex
	busy   map[string]bool
	counts map[string]int64
	wg     sync.WaitGroup
}

func newRecoverer(ctx context.Context, argv []string, hw *hardware, board *health.Board, log *slog.Logger) *recoverer {
	r := &recoverer{ctx: ctx, board: board, log: log, busy: map[string]bool{}, counts: map[string]int64{}}
	r.ladder = func(part string) recovery.Ladder {
		l := recovery.Ladder{Probe: func(ctx context.Context) error { return probe(ctx, argv, probes[part]) }}
		if p, err := hw.port(part); err == nil {
			l.Reset, l.PowerCycle = p.Reset, p.PowerCycle
		}
		return l
	}
	return r
}

// probe asks the device of a part by a process that opens it, asks it something and closes it.
func probe(ctx context.Context, argv []string, part string) error {
	c := exec.CommandContext(ctx, argv[0], append(argv[1:len(argv):len(argv)], "--probe", part)...)
	c.WaitDelay = probeEnd
	err := priority.Start(c, priority.Inspectors)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		var end *exec.ExitError
		if ctx.Err() != nil {
			return fmt.Errorf("no answer in time: %w", ctx.Err())
		} else if errors.As(err, &end) {
			return fmt.Errorf("does not answer (%w)", end)
		}
		return err
	}
	return nil
}

// Recover begins a recovery, unless one of the part is under way, and returns at once.
func (r *recoverer) Recover(code health.Code, part string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[part] || r.ctx.Err() != nil {
		return
	}
	r.busy[part] = true
	r.wg.Go(func() {
		r.run(code, part)
		r.mu.Lock()
		delete(r.busy, part)
		r.mu.Unlock()
	})
}

// run climbs the ladder once; a device that does not come back is a fault that stays, and is asked from time to
// time whether somebody has cured it.
func (r *recoverer) run(code health.Code, part string) {
	l := r.ladder(part)
	step, err := l.Run(r.ctx)
	for err != nil {
		if r.ctx.Err() != nil {
			return
		}
		if step == "" {
			step = "given_up"
			r.count(part, step)
			r.log.Error("egated: device", "part", part, "code", code, "recovery", err)
		}
		t := time.NewTimer(again)
		select {
		case <-t.C:
		case <-r.ctx.Done():
			t.Stop()
			return
		}
		var s string
		if s, err = (recovery.Ladder{Probe: l.Probe}).Run(r.ctx); err == nil {
			step = s
		}
	}
	r.count(part, step)
	r.log.Warn("egated: device", "part", part, "code", code, "recovered", step)
	r.board.Clear(code, part)
}

func (r *recoverer) count(part, step string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts["device_"+part+"_"+step]++
}

// counters adds those of recoveries to others, for the health document.
func (r *recoverer) counters(others func() map[string]int64) func() map[string]int64 {
	return func() map[string]int64 {
		all := others()
		r.mu.Lock()
		defer r.mu.Unlock()
		for k, n := range r.counts {
			all[k] = n
		}
		return all
	}
}

// port is the USB port of a part, as it was paired or as it is plugged.
func (h *hardware) port(part string) (*usbport.Port, error) {
	if p, _ := h.pairingInUse(); p != nil {
		if id, ok := p.Parts[part]; ok {
			return usbport.At(h.sys, id.Port)
		}
	}
	id, err := h.sys.Of(h.nodes[part])
	if err != nil {
		return nil, err
	}
	return usbport.At(h.sys, id.Port)
}
