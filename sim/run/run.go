package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"egate/sim/memscan"
	"egate/sim/scenario"
)

// Options of a run.
type Options struct {
	Bin       string // folder of the programs
	Dir       string // state folder; empty makes a fresh one that is removed after a run without failure
	Scenarios []*scenario.Scenario
	Once      bool // play each scenario once and end; else keep travellers coming
	JSON      bool
	Keep      bool   // keep the state folder
	Broker    string // host:port of a broker that runs already; empty for the console's own
	Out       io.Writer
}

// ErrFailed says that scenarios failed; the output has told which.
var ErrFailed = errors.New("scenarios failed")

// Run plays scenarios and prints what came of them.
func Run(ctx context.Context, o Options) (err error) {
	say := func(format string, a ...any) {
		if !o.JSON {
			fmt.Fprintf(o.Out, format+"\n", a...)
		}
	}
	if err := memscan.SelfTest(ctx, os.Args[0]); err != nil {
		return fmt.Errorf("the memory scan does not find a planted leak: %w", err)
	}
	say("memory scan: a leak planted in a process and in a file was found, a clean process was not accused")
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "egate-sim-"); err != nil {
			return fmt.Errorf("run: %w", err)
		}
		defer func() {
			if err == nil && !o.Keep {
				err = os.RemoveAll(dir)
				return
			}
			say("state and logs are kept in %s", dir)
		}()
	}
	begin := time.Now()
	site, err := NewSite(ctx, o.Bin, filepath.Join(dir, "site"), o.Broker)
	if err != nil {
		return err
	}
	h, err := Open(ctx, o.Bin, site, say)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := h.Close(); cerr != nil && err == nil {
			err = cerr
		}
	}()
	say("ready after %.1f s", time.Since(begin).Seconds())
	say("")
	say("  officers' console   %s   (sign in as %q, secret %q)", site.Console.URL, site.Console.Officer.Name, site.Console.Officer.Secret)
	for _, l := range h.Lanes {
		say("  traveller screen    %s   (%s)", l.Gate.Display, l.Gate.Name)
	}
	if !o.Once {
		openPages(site.Console.URL, h.Lanes)
	}
	say("")
	var results []*Result
	failed := 0
	for round := 0; ; round++ {
		for _, sc := range o.Scenarios {
			if ctx.Err() != nil {
				break
			}
			if err := h.Revive(ctx, h.Lanes[0]); err != nil {
				return err
			}
			say("─ %s: %s", sc.Name, sc.Title)
			r := h.Play(ctx, h.Lanes[0], sc)
			if ctx.Err() != nil {
				break // interrupted: no verdict
			}
			results = append(results, r)
			for _, f := range r.Faults {
				say("    ✗ %s", f)
			}
			if !r.Pass() {
				failed++
			}
			say("%s", r.Line())
			if o.JSON {
				if err := json.NewEncoder(o.Out).Encode(r); err != nil {
					return err
				}
			}
		}
		if o.Once || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil && !o.Once {
		return nil // Ctrl-C is how a run without end ends
	}
	say("")
	table(say, results)
	say("%d passed, %d failed · %.0f s", len(results)-failed, failed, time.Since(begin).Seconds())
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed > 0:
		return ErrFailed
	}
	return nil
}

// Revive makes a lane usable after a scenario that went wrong: whoever is left goes away, faults
// and the network are mended, a controller that is dead is started.
func (h *House) Revive(ctx context.Context, l *Lane) error {
	l.Proxy.Cut(false)
	l.Proxy.Forge(false)
	l.Plant.Forget()
	l.Plant.Heal()
	l.Ends.Reader.Lift()
	if err := l.Ends.Scanner.Lift(); err != nil {
		return fmt.Errorf("run: scanner: %w", err)
	}
	l.Ends.Camera.Leave()
	if !l.Gated().Alive() {
		return h.StartGate(ctx, l)
	}
	return nil
}

// table prints the summary.
func table(say func(string, ...any), results []*Result) {
	say("%-4s %-26s %-8s %-24s %8s %8s %10s %9s", "", "scenario", "outcome", "reason", "seconds", "events", "overhead", "searched")
	for _, r := range results {
		mark := "ok"
		if !r.Pass() {
			mark = "FAIL"
		}
		over := "-"
		if r.Steps > 0 {
			over = fmt.Sprintf("%d µs/step", r.Overhead/int64(r.Steps))
		}
		say("%-4s %-26s %-8s %-24s %8.1f %5d/%-2d %10s %6d MB", mark, r.Name, r.Outcome, r.Reason, r.Seconds, r.Acked, r.Events, over, r.Scanned>>20)
	}
}

// openPages shows the pages where there is a display; where there is none, the addresses stand above.
func openPages(console string, lanes []*Lane) {
	opener, err := exec.LookPath("xdg-open")
	if err != nil || os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return
	}
	pages := []string{console}
	for _, l := range lanes {
		pages = append(pages, l.Gate.Display)
	}
	for _, p := range pages {
		cmd := exec.Command(opener, p)
		if cmd.Start() == nil {
			go func() { _ = cmd.Wait() }()
		}
	}
}
