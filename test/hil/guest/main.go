// Command guest is the first process of a guest that `make hil` boots, and everything that a case needs around
// the real programs: the steel and glass, a traveller, the centre, a scripted inspector. Results leave through
// a serial port of their own, one line each: PASS name, FAIL name: why, and DONE at the very end.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"egate/console/centre"
)

// Names under which the program plays its other parts.
const (
	peerName   = "scripted-inspector"
	answerName = "answer-lookup"
	steelName  = "steel"
)

func main() {
	switch {
	case filepath.Base(os.Args[0]) == peerName:
		peer(os.Args[len(os.Args)-1])
	case len(os.Args) == 2 && os.Args[1] == answerName:
		os.Exit(centre.AnswerMain(os.Stdin, os.Stdout))
	case len(os.Args) > 1 && os.Args[1] == steelName:
		if err := steelMain(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case os.Getpid() == 1:
		first()
	default:
		fmt.Fprintln(os.Stderr, "guest: this is the first process of a guest of `make hil`")
		os.Exit(2)
	}
}

// results is where the host listens.
var results struct {
	sync.Mutex
	*os.File
}

func tell(format string, a ...any) {
	results.Lock()
	defer results.Unlock()
	s := strings.ReplaceAll(fmt.Sprintf(format, a...), "\n", " | ")
	if results.File == nil {
		fmt.Println(s)
		return
	}
	_, _ = results.WriteString(s + "\n")
}

// report tells the end of one check.
func report(name string, err error) {
	if err != nil {
		tell("FAIL %s: %v", name, err)
		return
	}
	tell("PASS %s", name)
}

// first is what the kernel starts.
func first() {
	err := prepare()
	if err == nil {
		var words map[string]string
		if words, err = commandLine(); err == nil {
			f, ok := cases[words["hil"]]
			if !ok {
				err = fmt.Errorf("no case %q", words["hil"])
			} else {
				ctx, cancel := context.WithTimeout(context.Background(), 14*time.Minute)
				err = f(ctx, words)
				cancel()
			}
		}
	}
	if err != nil {
		tell("FAIL guest: %v", err)
	}
	tell("DONE")
	if results.File != nil {
		_ = unix.IoctlSetInt(int(results.Fd()), unix.TCSBRK, 1) // until the last byte has left
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	for {
		time.Sleep(time.Hour)
	}
}

func prepare() error {
	for _, m := range []struct{ kind, at string }{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"}, {"devpts", "/dev/pts"}} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	for _, port := range []string{"/dev/ttyS1", "/dev/ttyS0"} {
		if isConsole(port) {
			continue
		}
		if f, err := os.OpenFile(port, os.O_WRONLY|unix.O_NOCTTY, 0); err == nil {
			// A port without hardware opens all the same, and takes nothing.
			if _, err := fmt.Fprintf(f, "BOOT %s\n", uptime()); err == nil {
				results.File = f
				break
			}
			f.Close()
		}
	}
	if results.File == nil {
		return errors.New("no port for results")
	}
	order, err := os.ReadFile("/mod/order")
	if err != nil {
		return err
	}
	for _, ko := range strings.Fields(string(order)) {
		if err := insmod(ko); err != nil {
			return err
		}
	}
	for _, m := range []struct{ kind, at string }{{"configfs", "/sys/kernel/config"}, {"tracefs", "/sys/kernel/tracing"}} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	return loopback()
}

// parameters of modules.
var parameters = map[string]string{"vivid.ko": "n_devs=1 node_types=0x1", "i6300esb.ko": "nowayout=0"}

// insmod loads a module. One for a processor that is not here refuses itself; what needs it would too.
func insmod(ko string) error {
	f, err := os.Open(filepath.Join("/mod", ko))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), parameters[ko], 0); err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("insmod %s: %w", ko, err)
	}
	return nil
}

func isConsole(port string) bool {
	b, err := os.ReadFile("/sys/class/tty/console/active")
	return err == nil && strings.Contains(string(b), filepath.Base(port))
}

func uptime() string {
	b, _ := os.ReadFile("/proc/uptime")
	s, _, _ := strings.Cut(string(b), " ")
	return s
}

// loopback brings the loopback interface up.
func loopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return nil
}

func commandLine() (map[string]string, error) {
	b, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for _, w := range strings.Fields(string(b)) {
		k, v, _ := strings.Cut(w, "=")
		m[k] = v
	}
	return m, nil
}

// cases by the name that stands on the kernel's command line.
var cases = map[string]func(ctx context.Context, words map[string]string) error{
	"tests":     tests,
	"passage":   passage,
	"watchdog":  guarded,
	"power":     power,
	"inspector": inspector,
	"tpm":       withTPM,
}

// tests runs the test programs of /t and tells every test's end. The word "run" chooses.
func tests(ctx context.Context, words map[string]string) error {
	progs, err := filepath.Glob("/t/*.test")
	if err != nil || len(progs) == 0 {
		return fmt.Errorf("no test programs: %w", err)
	}
	for _, p := range progs {
		cmd := exec.CommandContext(ctx, p, "-test.v", "-test.run", words["run"], "-test.timeout", "90s")
		cmd.Dir = "/tmp"
		cmd.Env = append(os.Environ(), "TMPDIR=/tmp", "EGATE_TEST_CAMERA="+words["camera"])
		var buf bytes.Buffer
		cmd.Stdout = io.MultiWriter(&buf, os.Stdout) // the console keeps it when the guest dies
		cmd.Stderr = cmd.Stdout
		err := cmd.Run()
		out := buf.Bytes()
		pkg := strings.TrimSuffix(filepath.Base(p), ".test")
		var said []string
		ran := 0
		for l := range strings.Lines(string(out)) {
			l = strings.TrimRight(l, "\n")
			if _, m, ok := strings.Cut(l, "MEASURED "); ok {
				tell("INFO %s", m)
			}
			end, isEnd := strings.CutPrefix(strings.TrimSpace(l), "--- ")
			if !isEnd || strings.HasPrefix(l, " ") {
				said = append(said, strings.TrimSpace(l))
				continue
			}
			word, rest, _ := strings.Cut(end, ": ")
			name, _, _ := strings.Cut(rest, " ")
			ran++
			if word == "FAIL" || word == "SKIP" {
				tell("%s %s.%s: %s", word, pkg, name, strings.Join(said[max(0, len(said)-20):], " | "))
			} else {
				tell("PASS %s.%s", pkg, name)
			}
			said = nil
		}
		if err != nil {
			tell("FAIL %s: %v: %s", pkg, err, strings.Join(said[max(0, len(said)-20):], " | "))
		}
		if ran == 0 {
			tell("FAIL %s: no test ran", pkg)
		}
	}
	return nil
}
