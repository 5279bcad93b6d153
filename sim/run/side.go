package run

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"egate/sim/scenario"
)

// Most of a scenario is waiting for people and doors, so sites are played side by side: each by a program
// of its own, whose memory scan therefore sees the processes of its own site and no others.

// sideLimit bounds a line that a program says.
const sideLimit = 4 << 20

// batches cuts scenarios into what one site can play, about n at once; the longest come first.
func batches(all []*scenario.Scenario, n int) [][]*scenario.Scenario {
	per := max(1, (len(all)+n-1)/n)
	var out [][]*scenario.Scenario
	for _, g := range byTopology(all) {
		parts := (len(g) + per - 1) / per
		out = slices.AppendSeq(out, slices.Chunk(g, (len(g)+parts-1)/parts))
	}
	slices.SortStableFunc(out, func(a, b []*scenario.Scenario) int { return cmp.Compare(len(b), len(a)) })
	return out
}

// sideBySide plays every scenario once, on o.Jobs sites at a time, and returns the results in the order of the scenarios.
func sideBySide(ctx context.Context, o Options, dir string, say func(string, ...any)) ([]*Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := batches(o.Scenarios, o.Jobs)
	say("%d scenarios, %d sites at a time", len(o.Scenarios), min(o.Jobs, len(todo)))
	var (
		mu      sync.Mutex
		results []*Result
		errs    []error
		all     sync.WaitGroup
	)
	next := make(chan int, len(todo))
	for i := range todo {
		next <- i
	}
	close(next)
	for range min(o.Jobs, len(todo)) {
		all.Go(func() {
			for i := range next {
				if ctx.Err() != nil {
					return
				}
				r, err := child(ctx, o, todo[i], filepath.Join(dir, "side-"+strconv.Itoa(i+1)), func(line string) {
					mu.Lock()
					defer mu.Unlock()
					say("%d │ %s", i+1, line)
				})
				mu.Lock()
				results = append(results, r...)
				if err != nil {
					errs = append(errs, err)
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	at := func(r *Result) int {
		return slices.IndexFunc(o.Scenarios, func(s *scenario.Scenario) bool { return s.Name == r.Name })
	}
	slices.SortFunc(results, func(a, b *Result) int { return cmp.Compare(at(a), at(b)) })
	return results, errors.Join(errs...)
}

// child plays scenarios of one kind of gate in a program of its own.
func child(ctx context.Context, o Options, list []*scenario.Scenario, dir string, say func(string)) ([]*Result, error) {
	args := []string{"run", "--once", "--json", "--jobs", "1", "--bin", o.Bin, "--dir", dir}
	if o.From != "" {
		args = append(args, "--scenarios", o.From)
	}
	for _, s := range list {
		args = append(args, "--scenario", s.Name)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(o.Bin, "egate-sim"), args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends what it has started
	cmd.WaitDelay = 3 * stopGrace
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	words, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run: start %s: %w", cmd.Path, err)
	}
	var both sync.WaitGroup
	both.Go(func() {
		in := bufio.NewScanner(words)
		in.Buffer(nil, sideLimit)
		for in.Scan() {
			say(in.Text())
		}
		_, _ = io.Copy(io.Discard, words) // it never waits for us
	})
	var results []*Result
	var bad error
	dec := json.NewDecoder(out)
	for bad == nil {
		r := new(Result)
		if bad = dec.Decode(r); bad == nil {
			results = append(results, r)
		}
	}
	_, _ = io.Copy(io.Discard, out)
	both.Wait()
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return results, nil // interrupted: no verdict
	case !errors.Is(bad, io.EOF):
		return results, fmt.Errorf("run: %s: results: %w", dir, bad)
	case len(results) != len(list):
		return results, fmt.Errorf("run: %s: %d of %d scenarios were played: %w", dir, len(results), len(list), cmp.Or(err, errors.New("it ended early")))
	}
	return results, nil // who failed is told by the results
}
