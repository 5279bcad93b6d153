// Command idle measures what a gate takes that waits for travellers: resident memory and share of one core of egated in a
// simulated gate at rest, with what it holds open (lines, journal, audit log, link, screen; goal: at most 40 MB and 1 % of
// a core), and of the inspectors that are kept warm beside it. Scanner, chip reader and camera are open in an inspector, and
// only while it has them leased: at rest nobody has.
//
//	go run ./bench/idle [-bin bin] [-seconds 30]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"egate/sim/run"
	"egate/sim/scenario"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	seconds := flag.Int("seconds", 30, "how long the gate is watched")
	flag.Parse()
	if err := measure(*bin, time.Duration(*seconds)*time.Second); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

func measure(bin string, d time.Duration) (err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "egate-idle-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	site, err := run.NewSite(ctx, bin, filepath.Join(dir, "site"), "", scenario.Mantrap)
	if err != nil {
		return err
	}
	h, err := run.Open(ctx, bin, site, func(string, ...any) {})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := h.Close(); err == nil {
			err = cerr
		}
	}()
	time.Sleep(5 * time.Second) // until all have told of their start
	type reading struct {
		pid  int
		name string
		cpu  time.Duration
	}
	var all []reading
	for pid, name := range h.Processes() {
		if !strings.HasPrefix(name, "egated") && !strings.HasPrefix(name, "egate-inspect") {
			continue // the far ends and the desk
		}
		used, err := cpu(pid)
		if err != nil {
			return err
		}
		all = append(all, reading{pid, name, used})
	}
	slices.SortFunc(all, func(a, b reading) int { return strings.Compare(b.name, a.name) })
	time.Sleep(d)
	found := false
	for _, r := range all {
		is, err := cpu(r.pid)
		if err != nil {
			return err
		}
		rss, err := status(r.pid, "VmRSS:")
		if err != nil {
			return err
		}
		own, err := status(r.pid, "RssAnon:")
		if err != nil {
			return err
		}
		found = found || strings.HasPrefix(r.name, "egated")
		fmt.Printf("%s at rest, watched for %v: %.1f MB resident (%.1f MB of its own), %.2f %% of a core\n", r.name, d, rss/1024, own/1024, 100*(is-r.cpu).Seconds()/d.Seconds())
	}
	if !found {
		return fmt.Errorf("no egated among the processes of the site")
	}
	return nil
}

// cpu is the processor time of a process so far.
func cpu(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("process %d: an unknown stat", pid)
	}
	var ticks int64 // of 10 ms: utime and stime
	for _, s := range f[11:13] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// status is a value of /proc/PID/status in KiB.
func status(pid int, key string) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, key); ok {
			return strconv.ParseFloat(strings.Fields(v)[0], 64)
		}
	}
	return 0, fmt.Errorf("process %d: no %s", pid, key)
}
