package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// passage: travellers pass the gate; doors and beams are lines of the kernel.
func passage(ctx context.Context, _ map[string]string) error {
	s, err := openSite("/tmp", "")
	if err != nil {
		return err
	}
	if err := s.openCentre(ctx); err != nil {
		return err
	}
	if err := s.start("-700"); err != nil {
		return err
	}
	report("open", s.open(ctx))
	report("two travellers cross", s.await("CROSSED", 2))
	if s.chip.dir == noChip { // there the release is not seen as a line
		report("orderly end", s.stop())
		what, err := s.intact(nil, s.notes)
		report("journal and audit log: "+what, err)
		return s.safe()
	}
	report("the doors are heard", s.await("SOUNDED", 2))
	// D-01, D-02: the loop opens the doors by wire; the controller sees it and lets go as well.
	if _, err := fmt.Fprintln(s.order, "fire"); err != nil {
		return err
	}
	report("fire releases", s.await("RELEASED", 1))
	report("orderly end", s.stop())
	what, err := s.intact(nil, s.notes)
	report("journal and audit log: "+what, err)
	return s.safe()
}

// safe tells whether the steel saw anything that must not be.
func (s *site) safe() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unsafe) == 0 {
		report("nothing unsafe seen by the steel", nil)
	}
	return nil
}

// use tells memory and processor time of the controller over d.
func (s *site) use(d time.Duration) (string, error) {
	dir := filepath.Join("/proc", strconv.Itoa(s.egated.Process.Pid))
	ticks := func() (n int, err error) {
		b, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			return 0, err
		}
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		user, err := strconv.Atoi(f[11])
		sys, err2 := strconv.Atoi(f[12])
		return user + sys, errors.Join(err, err2)
	}
	before, err := ticks()
	if err != nil {
		return "", err
	}
	time.Sleep(d) // what is measured
	after, err := ticks()
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return "", err
	}
	rss := "?"
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			rss = strings.TrimSpace(v)
		}
	}
	return fmt.Sprintf("RSS %s, %.1f %% of a core", rss, float64(after-before)/d.Seconds()), nil // 100 ticks a second
}

// guarded: the board's watchdog is the controller's. The word "mode" says what becomes of the controller.
func guarded(ctx context.Context, words map[string]string) error {
	const limit = 10 * time.Second // the controller's time-out
	s, err := openSite("/tmp", "/dev/watchdog0")
	if err != nil {
		return err
	}
	if err := s.openCentre(ctx); err != nil {
		return err
	}
	if err := s.start(nobody); err != nil {
		return err
	}
	err = s.open(ctx)
	report("open", err)
	if err != nil {
		return err
	}
	if f, err := os.OpenFile("/dev/watchdog0", os.O_WRONLY, 0); !errors.Is(err, unix.EBUSY) {
		f.Close()
		return fmt.Errorf("the watchdog is not the controller's: %w", err)
	}
	switch words["mode"] {
	case "healthy":
		use, err := s.use(3 * limit) // a reset ends this process
		if err != nil {
			return err
		}
		tell("INFO idle, under emulation: %s", use)
		report("not reset while healthy", s.open(ctx))
		report("orderly end", s.stop())
		time.Sleep(2 * limit)
		report("not reset after an orderly end", nil)
		return nil
	case "frozen":
		err = s.egated.Process.Signal(unix.SIGSTOP)
	case "killed":
		err = s.egated.Process.Kill()
	default:
		err = fmt.Errorf("mode %q", words["mode"])
	}
	if err != nil {
		return err
	}
	tell("PASS %s", words["mode"])
	time.Sleep(6 * limit)
	return errors.New("the watchdog did not reset the board")
}

// power: one life between two power cuts. The disk holds the gate's state and the centre's; /heard holds what the
// host heard in the lives before.
func power(ctx context.Context, words map[string]string) error {
	if err := os.MkdirAll("/disk", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/dev/vda", "/disk", "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount /dev/vda: %w", err)
	}
	s, err := openSite("/disk", "")
	if err != nil {
		return err
	}
	events, notes, err := heardBefore("/heard")
	if err != nil {
		return err
	}
	if words["life"] != "1" {
		what, err := s.intact(events, notes)
		report("after the cut: "+what, err)
		if err != nil {
			return err
		}
	}
	if err := s.openCentre(ctx); err != nil {
		return err
	}
	if words["life"] == "1" {
		unix.Sync() // what this program has made: keys. From here on only the gate's own care counts.
	}
	if err := s.start(words["x"]); err != nil {
		return err
	}
	tell("RUNNING")
	if words["last"] == "" {
		time.Sleep(patience)
		return errors.New("the power was not cut")
	}
	report("open after the last cut", s.open(ctx))
	report("a traveller crosses", s.await("CROSSED", 1))
	report("orderly end", s.stop())
	what, err := s.intact(events, append(notes, s.notes...))
	report("at the end: "+what, err)
	unix.Sync()
	return s.safe()
}

func heardBefore(path string) (events map[string]string, notes [][]byte, err error) {
	events = map[string]string{}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return events, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		w := strings.Fields(in.Text())
		switch {
		case len(w) == 3 && w[0] == "HEARD":
			if old, twice := events[w[1]]; twice && old != w[2] {
				return nil, nil, fmt.Errorf("event %s was sent with two contents", w[1])
			}
			events[w[1]] = w[2]
		case len(w) == 2 && w[0] == "NOTE":
			b, err := base64.StdEncoding.DecodeString(w[1])
			if err != nil {
				return nil, nil, err
			}
			notes = append(notes, b)
		default:
			return nil, nil, fmt.Errorf("not heard: %q", in.Text())
		}
	}
	return events, notes, in.Err()
}
