// Command hil boots Debian's kernel in an emulator with the kernel's own simulated hardware, runs the real
// programs and drivers there and judges what they did. See README.md.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	only := flag.String("cases", "", "`names` of cases, with commas between; all when empty. BOARD/NAME is one board's")
	quick := flag.Bool("quick", false, "the cases that belong to every test run, and only when the cache is warm")
	cuts := flag.Int("cuts", 5, "power cuts")
	streams := flag.Int("streams", 1, "disks whose power is cut, each as often as -cuts says")
	jobs := flag.Int("jobs", 2, "guests at a time")
	seed := flag.Int64("seed", 0, "where the power cuts fall; 0 for anywhere")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := runAll(ctx, *only, *quick, *jobs, plan{cuts: *cuts, streams: *streams, seed: *seed})
	if err != nil {
		fmt.Fprintln(os.Stderr, "hil:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

// plan says how often power is cut.
type plan struct {
	cuts, streams int
	seed          int64
}

// kit builds what goes into guests, each thing once.
type kit struct {
	root, cache string // the checkout and .cache/hil
	plan        plan
	mu          sync.Mutex
	drawn       uint64 // streams of random numbers
	made        map[string]func() (string, error)
}

func (k *kit) make(key string, f func(out string) error) (string, error) {
	k.mu.Lock()
	once, ok := k.made[key]
	if !ok {
		once = sync.OnceValues(func() (string, error) {
			out := filepath.Join(k.cache, "bin", key)
			return out, f(out)
		})
		k.made[key] = once
	}
	k.mu.Unlock()
	return once()
}

// goTool runs the go command for a board: static, as everything that egated links is.
func (k *kit) goTool(arch string, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir = k.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// build builds a program.
func (k *kit) build(arch, pkg string) (string, error) {
	return k.make(arch+"-"+filepath.Base(pkg), func(out string) error {
		return k.goTool(arch, "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	})
}

// test builds the tests of a package.
func (k *kit) test(arch, pkg string) (string, error) {
	return k.make(arch+"-"+filepath.Base(pkg)+".test", func(out string) error {
		return k.goTool(arch, "test", "-c", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	})
}

func runAll(ctx context.Context, only string, quick bool, jobs int, p plan) (bool, error) {
	b, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return false, err
	}
	root := filepath.Dir(string(bytes.TrimSpace(b)))
	k := &kit{root: root, cache: filepath.Join(root, ".cache/hil"), plan: p, made: map[string]func() (string, error){}}
	var chosen []testCase
	for _, c := range allCases {
		if quick && !c.quick || only == "" && c.named || only != "" && !slices.ContainsFunc(strings.Split(only, ","), func(n string) bool { return n == c.name || n == c.arch()+"/"+c.name }) {
			continue
		}
		for i := range max(1, p.streams) {
			if i > 0 && c.name != "power" {
				break
			}
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return false, fmt.Errorf("no such case: %s", only)
	}
	began := time.Now()
	rows := make([]row, len(chosen))
	boards := map[string]*board{}
	for i, c := range chosen {
		rows[i] = row{board: c.arch(), name: c.name}
		if _, tried := boards[c.arch()]; tried {
			continue
		}
		x, err := prepare(c.arch(), k.cache, !quick)
		if err != nil {
			say("%s: %v", c.arch(), err)
		}
		boards[c.arch()] = x // nil: skipped, loudly
	}
	slots := make(chan struct{}, max(jobs, 1))
	var wg sync.WaitGroup
	for i, c := range chosen {
		x := boards[c.arch()]
		if x == nil {
			rows[i].word, rows[i].note = skip, "no kernel or emulator for this board: NOT tested"
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			rows[i].word, rows[i].note, rows[i].took = k.play(ctx, c, x)
			say("%s %s: %s in %.0f s: %s", c.arch(), c.name, rows[i].word, rows[i].took.Seconds(), rows[i].note)
		})
	}
	wg.Wait()
	return table(rows, time.Since(began)), nil
}

// play plays one case.
func (k *kit) play(ctx context.Context, c testCase, b *board) (word, note string, took time.Duration) {
	dir, err := os.MkdirTemp("", "egate-hil-")
	if err != nil {
		return fail, err.Error(), 0
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	note, err = c.run(ctx, k, b, dir)
	took = time.Since(began)
	if errors.Is(err, errSkipped) {
		return skip, err.Error(), took
	}
	if err != nil {
		kept := filepath.Join(k.cache, "failed", c.arch()+"-"+c.name)
		keepLogs(dir, kept)
		say("%s %s: %v", c.arch(), c.name, err)
		first, _, _ := strings.Cut(err.Error(), "\n")
		return fail, first[:min(len(first), 120)] + " (logs: " + kept + ")", took
	}
	return pass, note, took
}

// table prints the summary. A skip is no pass: it is counted and named.
func table(rows []row, took time.Duration) bool {
	count := map[string]int{}
	fmt.Fprintf(out, "\n%-6s %-18s %-5s %6s  %s\n", "board", "case", "", "s", "")
	for _, r := range rows {
		count[r.word]++
		fmt.Fprintf(out, "%-6s %-18s %-5s %6.1f  %s\n", r.board, r.name, r.word, r.took.Seconds(), r.note)
	}
	fmt.Fprintf(out, "\nhil: %d passed, %d failed, %d skipped in %.0f s\n", count[pass], count[fail], count[skip], took.Seconds())
	if count[skip] > 0 {
		fmt.Fprintf(out, "SKIP: %d of %d cases were NOT run: that is no pass\n", count[skip], len(rows))
	}
	return count[fail] == 0
}
