package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// lifeLimit is how long a guest may live: generous, for a machine that does other things as well.
const lifeLimit = 15 * time.Minute

// boot is one life of a guest.
type boot struct {
	dir     string // of this life: results.log, console.log
	cmd     *exec.Cmd
	results *tail
	limit   <-chan time.Time

	mu     sync.Mutex
	events []string // of the emulator, in order, with the reason of a shutdown
	ended  chan struct{}
}

// machine is what a guest is made of beside its board.
type machine struct {
	tree    tree
	modules []string
	cmdline string   // words after the console's
	devices []string // of the emulator
	packed  bool     // boots by way of the firmware, some ten seconds longer
}

// start starts a guest; ctx kills it as a power cut does.
func (b *board) start(ctx context.Context, dir string, m machine) (*boot, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := b.add(m.tree, m.modules); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(dir, "initrd"))
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := errors.Join(m.tree.write(w), w.Flush(), f.Close()); err != nil {
		return nil, err
	}
	console := "ttyS0"
	args := []string{"-accel", "tcg", "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-no-reboot", "-nic", "none"}
	if b.arch == "amd64" {
		args = append(args, "-M", "q35", "-cpu", "max")
	} else {
		console = "ttyAMA0"
		args = append(args, "-M", "virt", "-cpu", "cortex-a72")
	}
	// Results go through a port of their own: the second serial port, or on a board with only one a PCI card.
	args = append(args, "-serial", "file:"+filepath.Join(dir, "console.log"))
	results := filepath.Join(dir, "results.log")
	if b.arch == "amd64" {
		args = append(args, "-serial", "file:"+results)
	} else {
		args = append(args, "-chardev", "file,id=results,path="+results, "-device", "pci-serial,chardev=results")
	}
	// A relative path: the kernel's limit for sockets is 107 bytes.
	kernel := "kernel"
	if m.packed {
		kernel = packed
	}
	args = append(args, "-qmp", "unix:qmp,server=on,wait=off",
		"-kernel", filepath.Join(b.dir, kernel), "-initrd", filepath.Join(dir, "initrd"),
		"-append", strings.TrimSpace("console="+console+" quiet panic=-1 "+m.cmdline))
	args = append(args, m.devices...)
	g := &boot{dir: dir, limit: time.After(lifeLimit), ended: make(chan struct{})}
	if g.results, err = newTail(results); err != nil {
		return nil, err
	}
	_ = os.Remove(filepath.Join(dir, "qmp"))
	g.cmd = exec.CommandContext(ctx, emulator[b.arch], args...)
	g.cmd.Dir = dir
	log, err := os.Create(filepath.Join(dir, "emulator.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	g.cmd.Stdout, g.cmd.Stderr = log, log
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	watched := make(chan struct{})
	go func() { defer close(watched); g.watch(filepath.Join(dir, "qmp")) }()
	go func() {
		_ = g.cmd.Wait() // 0 for power-off, reset and panic alike: it says nothing
		<-watched
		_ = os.Remove(filepath.Join(dir, "initrd"))
		close(g.ended)
	}()
	return g, nil
}

// watch notes what the emulator tells of itself, until it ends.
func (g *boot) watch(socket string) {
	var c net.Conn
	for i := 0; ; i++ { // the emulator makes the socket before it starts the guest
		var err error
		if c, err = net.Dial("unix", socket); err == nil {
			break
		}
		if i > 500 || g.cmd.ProcessState != nil || !errors.Is(err, fs.ErrNotExist) && i > 50 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	defer c.Close()
	if _, err := c.Write([]byte(`{"execute":"qmp_capabilities"}` + "\n")); err != nil {
		return
	}
	for in := bufio.NewScanner(c); in.Scan(); {
		var m struct {
			Event string
			Data  struct{ Reason, Action string }
		}
		if json.Unmarshal(in.Bytes(), &m) == nil && m.Event != "" {
			g.mu.Lock()
			g.events = append(g.events, strings.TrimSpace(m.Event+" "+m.Data.Reason+m.Data.Action))
			g.mu.Unlock()
		}
	}
}

// told tells whether the emulator said something.
func (g *boot) told(event string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.events {
		if e == event {
			return true
		}
	}
	return false
}

func (g *boot) cut() {
	_ = g.cmd.Process.Kill()
	<-g.ended
}

// wait waits for the end, or for a whole line of the results for which f is true.
func (g *boot) wait(f func(line string) bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	seen := 0
	for {
		over := false
		select {
		case <-g.ended:
			over = true
		case <-g.limit:
			g.cut()
			return fmt.Errorf("the guest did not come to its end in %v", lifeLimit)
		case <-tick.C:
		}
		lines := g.results.lines()
		for ; f != nil && seen < len(lines); seen++ {
			if f(lines[seen]) {
				return nil
			}
		}
		if over {
			if f != nil {
				return errors.New("the guest ended before it said what it was waited for")
			}
			return nil
		}
	}
}

// tail reads whole lines of a file that grows.
type tail struct{ path string }

func newTail(path string) (*tail, error) { return &tail{path}, os.WriteFile(path, nil, 0o644) }

func (t *tail) lines() []string {
	b, err := os.ReadFile(t.path)
	if err != nil {
		return nil
	}
	s := strings.ReplaceAll(string(b), "\r", "")
	whole := strings.LastIndexByte(s, '\n')
	if whole < 0 {
		return nil
	}
	return strings.Split(s[:whole], "\n")
}

// judge reads the results of an orderly life: every expected PASS and DONE must be there, no FAIL and no SKIP.
func judge(lines []string, want []string) (passes []string, err error) {
	var errs []error
	done := false
	got := map[string]bool{}
	for _, l := range lines {
		word, rest, _ := strings.Cut(l, " ")
		switch word {
		case "PASS":
			got[rest] = true
			name, _, _ := strings.Cut(rest, ":")
			got[name] = true
			passes = append(passes, rest)
		case "FAIL":
			errs = append(errs, errors.New("FAIL "+rest))
		case "SKIP":
			errs = append(errs, errors.New("skipped in the guest, which is no pass: "+rest))
		case "DONE":
			done = true
		}
	}
	for _, w := range want {
		if !got[w] {
			errs = append(errs, fmt.Errorf("no PASS %s", w))
		}
	}
	if !done {
		errs = append(errs, errors.New("no DONE: the guest did not come to its end"))
	}
	return passes, errors.Join(errs...)
}

func num(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}
