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
	From      string // folder of the scenario files; empty for the built-in ones
	Jobs      int    // with Once: how many sites are played side by side
	Once      bool   // play each scenario once and end; else keep travellers coming
	JSON      bool
	Keep      bool   // keep the state folder
	Broker    string // host:port of a broker that runs already; empty for the console's own
	Out       io.Writer
	Err       io.Writer // progress, where Out takes JSON
}

// ErrFailed says that scenarios failed; the output has told which.
var ErrFailed = errors.New("scenarios failed")

// Run plays scenarios and prints what came of them.
func Run(ctx context.Context, o Options) (err error) {
	say := func(format string, a ...any) {
		w := o.Out
		if o.JSON {
			w = o.Err
		}
		fmt.Fprintf(w, format+"\n", a...)
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
	results, err := o.play(ctx, dir, say)
	if err != nil {
		return err
	}
	if ctx.Err() != nil && !o.Once {
		return nil // Ctrl-C is how a run without end ends
	}
	failed := 0
	for _, r := range results {
		if !r.Pass() {
			failed++
		}
	}
	if o.JSON { // the results have been printed
		say = func(string, ...any) {}
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

// play plays the scenarios, site after site or side by side.
func (o Options) play(ctx context.Context, dir string, say func(string, ...any)) (results []*Result, err error) {
	if o.Once && o.Jobs > 1 && len(o.Scenarios) > 1 && o.Broker == "" && !o.JSON { // one broker is one site's
		return sideBySide(ctx, o, dir, say)
	}
	groups := byTopology(o.Scenarios)
	if !o.Once {
		groups = groups[:1] // a run without end stays at one gate
	}
	for i, group := range groups {
		s := session{o: o, say: say, dir: filepath.Join(dir, fmt.Sprintf("site-%d", i+1)), group: group}
		err := s.run(ctx)
		results = append(results, s.results...)
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

// byTopology puts the scenarios of one kind of gate and one policy together, in order of the first of each.
func byTopology(all []*scenario.Scenario) (groups [][]*scenario.Scenario) {
next:
	for _, s := range all {
		for i := range groups {
			if groups[i][0].SameSite(s) {
				groups[i] = append(groups[i], s)
				continue next
			}
		}
		groups = append(groups, []*scenario.Scenario{s})
	}
	return groups
}

// session is one site with one kind of gate.
type session struct {
	o       Options
	say     func(string, ...any)
	dir     string
	group   []*scenario.Scenario
	results []*Result
}

// run opens the site, plays the scenarios, and ends everything that it started.
func (s *session) run(ctx context.Context) (err error) {
	begin := time.Now()
	site, err := NewSite(ctx, s.o.Bin, s.dir, s.o.Broker, s.group[0].Topology, unpowered(s.group[0])...)
	if err != nil {
		return err
	}
	if err := site.suit(s.group[0]); err != nil {
		return err
	}
	h, err := Open(ctx, s.o.Bin, site, s.say)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := h.Close(); cerr != nil && err == nil {
			err = cerr
		}
	}()
	s.say("ready after %.1f s (%s)", time.Since(begin).Seconds(), s.group[0].Topology)
	s.say("")
	s.say("  officers' console   %s   (the page signs in as the demo officer %q)", site.Console.URL, site.Console.Officer.Name)
	for _, l := range h.Lanes {
		s.say("  traveller screen    %s   (%s)", l.Gate.Display, l.Gate.Name)
	}
	inj, err := listen(filepath.Dir(s.dir), h.Lanes[0].Plant)
	if err != nil {
		return err
	}
	defer inj.close()
	s.say("  faults              egate-sim inject --dir %s FAULT", filepath.Dir(s.dir))
	if !s.o.Once {
		openPages(site.Console.URL, h.Lanes)
	}
	s.say("")
	for {
		for _, sc := range s.group {
			if ctx.Err() != nil {
				return nil
			}
			if err := s.play(ctx, h, sc); err != nil {
				return err
			}
		}
		if s.o.Once {
			return nil
		}
	}
}

// play plays one scenario and tells what came of it.
func (s *session) play(ctx context.Context, h *House, sc *scenario.Scenario) error {
	if err := h.Revive(ctx, h.Lanes[0]); err != nil {
		return err
	}
	s.say("─ %s: %s", sc.Name, sc.Title)
	r := h.Play(ctx, h.Lanes[0], sc)
	if ctx.Err() != nil {
		return nil // interrupted: no verdict
	}
	s.results = append(s.results, r)
	for _, f := range r.Faults {
		s.say("    ✗ %s", f)
	}
	s.say("%s", r.Line())
	if s.o.JSON {
		return json.NewEncoder(s.o.Out).Encode(r)
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
		for _, f := range r.Faults {
			say("     ✗ %s", f)
		}
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
