package gpiohal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"egate/hal"
)

// The tests of this file run against the kernel's own GPIO interface with gpio-sim: `make hil` boots a
// kernel that has it.

// chip is a chip of gpio-sim, made for one test.
type chip struct {
	t         *testing.T
	name, dir string
}

// sim makes a chip with eight lines, named as given.
func sim(t *testing.T, names ...string) chip {
	t.Helper()
	const root = "/sys/kernel/config/gpio-sim"
	if _, err := os.Stat(root); err != nil {
		t.Skip("SKIP: this kernel has no gpio-sim (or configfs is not mounted): the kernel's own path is NOT tested here (make hil)")
	}
	dev := filepath.Join(root, fmt.Sprintf("egate-%d", os.Getpid()))
	bank := filepath.Join(dev, "bank0")
	dirs := []string{dev, bank}
	for i := range names {
		dirs = append(dirs, filepath.Join(bank, fmt.Sprintf("line%d", i)))
	}
	c := chip{t: t}
	for i, d := range dirs {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(dirs[i]) })
		if d == bank {
			c.write(filepath.Join(bank, "num_lines"), "8")
		}
	}
	for i, n := range names {
		c.write(filepath.Join(bank, fmt.Sprintf("line%d", i), "name"), n)
	}
	c.write(filepath.Join(dev, "live"), "1")
	t.Cleanup(func() { _ = os.WriteFile(filepath.Join(dev, "live"), []byte("0"), 0o644) })
	c.name = c.read(filepath.Join(bank, "chip_name"))
	c.dir = filepath.Join("/sys/devices/platform", c.read(filepath.Join(dev, "dev_name")), c.name)
	return c
}

func (c chip) write(path, s string) {
	c.t.Helper()
	if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c chip) read(path string) string {
	c.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// pull drives an input from outside. For an output it is where the line goes when nobody drives it.
func (c chip) pull(line int, up bool) {
	c.t.Helper()
	c.write(filepath.Join(c.dir, fmt.Sprintf("sim_gpio%d", line), "pull"), map[bool]string{true: "pull-up", false: "pull-down"}[up])
}

// value is the level at the terminal.
func (c chip) value(line int) string {
	c.t.Helper()
	return c.read(filepath.Join(c.dir, fmt.Sprintf("sim_gpio%d", line), "value"))
}

// next is the next edge; patience bounds a wait on a slow machine.
func next(t *testing.T, l *Lines) hal.Edge {
	t.Helper()
	select {
	case e, ok := <-l.Edges():
		if !ok {
			t.Fatalf("no more edges: %v", l.Err())
		}
		return e
	case <-time.After(patience):
		t.Fatal("no edge came")
	}
	panic("unreachable")
}

const patience = time.Minute

// D-09, S-07: lines by number and by name, first levels, every edge in order, outputs at rest and after Close.
func TestKernelLines(t *testing.T) {
	c := sim(t, "ENTRY_CLOSED", "FIRE_OK", "ENTRY_LOCK", "ENTRY_OPEN")
	l, err := Open(c.name, map[string]Line{
		"entry_closed": {Pin: 0}, "fire_ok": {Find: "FIRE_OK", Config: Config{ActiveLow: true}},
		"entry_lock": {Pin: 2, Output: true}, "entry_open": {Find: "ENTRY_OPEN", Output: true, Config: Config{ActiveLow: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first := map[string]gpio.Level{}
	for range 2 {
		e := next(t, l)
		first[e.Line] = e.Level
	}
	if first["entry_closed"] != gpio.Low || first["fire_ok"] != gpio.High {
		t.Errorf("%v", first)
	}
	var last time.Duration
	var late, set []time.Duration
	for i := range 100 {
		c.pull(0, i%2 == 0)
		e := next(t, l)
		late = append(late, monotonic()-e.At)
		if e.Line != "entry_closed" || e.Level != gpio.Level(i%2 == 0) || e.Seq != uint32(i+1) || e.At <= last {
			t.Fatalf("edge %d is %+v after %v", i, e, last)
		}
		last = e.At
	}
	if c.value(2) != "0" || c.value(3) != "1" {
		t.Errorf("outputs at rest: %s %s", c.value(2), c.value(3))
	}
	for i := range 100 {
		begin := monotonic()
		if err := l.Set("entry_lock", i%2 == 1); err != nil {
			t.Fatal(err)
		}
		set = append(set, monotonic()-begin)
	}
	if c.value(2) != "1" {
		t.Error("the lock is not energised")
	}
	slices.Sort(late)
	slices.Sort(set)
	t.Logf("MEASURED kernel's time stamp to reader %v (99 of 100: %v), command to line %v (%v)", late[50], late[99], set[50], set[99])
	if err := l.Pulse(context.Background(), "entry_open", 10*time.Millisecond); err != nil || c.value(3) != "1" {
		t.Error(err)
	}
	if _, err := Open(c.name, map[string]Line{"x": {Find: "NO_SUCH_LINE"}}); err == nil || !strings.Contains(err.Error(), "NO_SUCH_LINE") {
		t.Errorf("a name that no line has: %v", err)
	}
	l.Close()
	if c.value(2) != "0" {
		t.Error("the lock is energised after Close")
	}
}

// A line that another program holds is refused with a sentence that names the cure, and nothing is taken.
func TestKernelBusyLine(t *testing.T) {
	c := sim(t)
	in, err := OpenInput(c.name, "theirs", 1, Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(c.name, map[string]Line{"lock": {Pin: 0, Output: true}, "beam": {Pin: 1}})
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "in use by another program") {
		t.Errorf("a busy line: %v", err)
	}
	if err := in.Halt(); err != nil {
		t.Fatal(err)
	}
	l, err := Open(c.name, map[string]Line{"lock": {Pin: 0, Output: true}, "beam": {Pin: 1}})
	if err != nil {
		t.Fatalf("something stayed taken: %v", err)
	}
	l.Close()
}

// The kernel's debounce makes one edge of a bouncing contact.
func TestKernelDebounce(t *testing.T) {
	c := sim(t)
	// Long, so that a pause of a loaded machine is no end of the bouncing.
	l, err := Open(c.name, map[string]Line{"contact": {Pin: 0, Config: Config{Debounce: 500 * time.Millisecond}}, "plain": {Pin: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	next(t, l)
	next(t, l)
	for i := range 21 {
		c.pull(0, i%2 == 0)
	}
	if e := next(t, l); e.Line != "contact" || e.Level != gpio.High {
		t.Fatalf("%+v", e)
	}
	for range 3 {
		c.pull(0, false)
		c.pull(0, true)
	}
	c.pull(0, false)
	if e := next(t, l); e.Line != "contact" || e.Level != gpio.Low {
		t.Fatalf("%+v", e)
	}
	c.pull(1, true)
	if e := next(t, l); e.Line != "plain" {
		t.Fatalf("an edge of the bouncing came through: %+v", e)
	}
}

// trace listens to the kernel's GPIO tracepoints. said tells what was done to each line of the chip since.
func (c chip) trace() (said func() map[int][]string) {
	c.t.Helper()
	const dir = "/sys/kernel/tracing"
	if _, err := os.Stat(dir + "/events/gpio"); err != nil {
		c.t.Skip("SKIP: tracefs is not mounted: what the kernel does to the lines is NOT seen here")
	}
	bases, err := filepath.Glob(filepath.Join(c.dir, "../gpio/gpiochip*/base"))
	if err != nil || len(bases) != 1 {
		c.t.Fatalf("the number of the chip's first line: %v %v", bases, err)
	}
	base, err := strconv.Atoi(c.read(bases[0]))
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(dir+"/trace", "")
	c.write(dir+"/events/gpio/enable", "1")
	c.t.Cleanup(func() { c.write(dir+"/events/gpio/enable", "0") })
	// gpio_value: 512 set 1 · gpio_direction: 512 out (0)
	event := regexp.MustCompile(`gpio_(value|direction): (\d+)\s+(\w+) \(?(-?\d+)\)?`)
	return func() map[int][]string {
		c.t.Helper()
		m := map[int][]string{}
		for _, e := range event.FindAllStringSubmatch(c.read(dir+"/trace"), -1) {
			n, err := strconv.Atoi(e[2])
			if err != nil {
				c.t.Fatal(err)
			}
			if e[1] == "value" {
				m[n-base] = append(m[n-base], e[3]+" "+e[4])
			} else {
				m[n-base] = append(m[n-base], e[3])
			}
		}
		return m
	}
}

// D-09: an output is at its inactive level before it becomes an output, and nothing ever makes an input of it.
func TestD09KernelFirstOutput(t *testing.T) {
	c := sim(t)
	// The terminals rest at the other level, so that a glitch would show.
	c.pull(0, true)
	c.pull(1, false)
	said := c.trace()
	l, err := Open(c.name, map[string]Line{"lock": {Pin: 0, Output: true}, "pulse": {Pin: 1, Output: true, Config: Config{ActiveLow: true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := said()
	for line, want := range map[int]string{0: "set 0", 1: "set 1"} {
		seq := got[line]
		out := slices.Index(seq, "out")
		if out < 0 {
			t.Fatalf("line %d never became an output: %q", line, seq)
		}
		set := 0
		for i, s := range seq {
			switch {
			case strings.HasPrefix(s, "set ") && s != want:
				t.Errorf("line %d glitched: %q", line, seq)
			case strings.HasPrefix(s, "set ") && i < out:
				set++
			case s == "in" && i > out:
				t.Errorf("line %d was made an input: %q", line, seq)
			}
		}
		if set == 0 {
			t.Errorf("line %d became an output before it had a level: %q", line, seq)
		}
	}
	if err := l.Set("lock", gpio.High); err != nil {
		t.Fatal(err)
	}
	if err := l.Pulse(context.Background(), "pulse", time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for line, seq := range said() {
		if i := slices.Index(seq, "out"); slices.Contains(seq[i:], "in") {
			t.Errorf("using line %d made it an input: %q", line, seq)
		}
	}
}

// child is this program as another process that holds lines of a chip: it says "up" when it does, then
// tells every edge.
func (c chip) child(what string) (cmd *exec.Cmd, out *bufio.Scanner) {
	c.t.Helper()
	cmd = exec.Command(os.Args[0], "-test.run", "^TestKernelChild$")
	cmd.Env = append(os.Environ(), "EGATE_GPIO_CHILD="+what+" "+c.name)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	out = bufio.NewScanner(pipe)
	for out.Scan() {
		if out.Text() == "up" {
			return cmd, out
		}
	}
	c.t.Fatal("the other process did not start")
	return nil, nil
}

// TestKernelChild is the other process of TestKernelLoss and TestD09KernelKilledInMidPulse.
func TestKernelChild(t *testing.T) {
	what, name, ok := strings.Cut(os.Getenv("EGATE_GPIO_CHILD"), " ")
	if !ok {
		return // nobody's child
	}
	lines := map[string]Line{"beam": {Pin: 0}}
	if what == "pulse" {
		lines = map[string]Line{"down": {Pin: 0, Output: true}, "up": {Pin: 1, Output: true}, "low": {Pin: 2, Output: true, Config: Config{ActiveLow: true}}}
	}
	l, err := Open(name, lines)
	if err != nil {
		t.Fatal(err)
	}
	if what == "pulse" {
		for n := range lines {
			go func() { _ = l.Pulse(context.Background(), n, hal.MaxPulse) }()
		}
	} else {
		<-l.Edges()
	}
	fmt.Println("up")
	for e := range l.Edges() {
		fmt.Println("edge", e.Seq, e.Level)
	}
}

// S-07: what a frozen process misses shows as a gap in the numbers, and what comes after it has none. (Edges that
// follow each other faster than the kernel's handler runs are one edge for it: they have no number.)
func TestS07KernelLossShows(t *testing.T) {
	c := sim(t)
	cmd, out := c.child("edges")
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	level := false
	flip := func() { level = !level; c.pull(0, level) }
	const made = 8 * kernelBuffer
	for range made {
		flip()
	}
	if err := cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// From here on slowly.
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-tick.C:
				flip()
			case <-stop:
				return
			}
		}
	}()
	n, missed, last, inRow, levels := 0, 0, 0, 0, ""
	for inRow < 20 && out.Scan() {
		var seq int
		var is string
		if _, err := fmt.Sscanf(out.Text(), "edge %d %s", &seq, &is); err != nil {
			continue
		}
		n++
		switch {
		case seq <= last:
			t.Fatalf("edge %d after %d", seq, last)
		case seq > last+1:
			missed += seq - last - 1
			inRow = 0
		case n > kernelBuffer && is != levels:
			inRow++
		}
		last, levels = seq, is
	}
	close(stop)
	<-stopped
	if missed == 0 || inRow < 20 {
		t.Errorf("%d edges came, %d are known to be lost, %d in a row after them: no gap told of the loss", n, missed, inRow)
	}
	t.Logf("%d edges made while frozen: %d known to be lost through a buffer of %d", made, missed, kernelBuffer)
}

// D-09: what becomes of outputs when the process is killed in the middle of a pulse. gpio-sim gives a line back
// to its pull: the level is the wiring's, not this program's. A new process takes the lines at rest.
func TestD09KernelKilledInMidPulse(t *testing.T) {
	c := sim(t)
	c.pull(0, false)
	c.pull(1, true)
	c.pull(2, true)
	cmd, _ := c.child("pulse")
	for begin := time.Now(); c.value(0) != "1" || c.value(1) != "1" || c.value(2) != "0"; {
		if time.Since(begin) > patience {
			t.Fatal("the pulse does not begin")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	got := []string{c.value(0), c.value(1), c.value(2)}
	if want := []string{"0", "1", "1"}; !slices.Equal(got, want) {
		t.Errorf("after SIGKILL in mid-pulse the lines stand at %q, their pulls are %q", got, want)
	}
	l, err := Open(c.name, map[string]Line{"down": {Pin: 0, Output: true}, "up": {Pin: 1, Output: true}, "low": {Pin: 2, Output: true, Config: Config{ActiveLow: true}}})
	if err != nil {
		t.Fatalf("a dead process holds the lines: %v", err)
	}
	defer l.Close()
	if c.value(0) != "0" || c.value(1) != "0" || c.value(2) != "1" {
		t.Errorf("taken again, the lines are not at rest: %s %s %s", c.value(0), c.value(1), c.value(2))
	}
}
