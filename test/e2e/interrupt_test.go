package e2e

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"egate/sim/run"
)

// TestInterruptEndsEverything: a run without end prints both addresses, keeps travellers coming, and Ctrl-C
// ends everything that it started: no process, no folder is left, and the exit status is 0 (make run).
func TestInterruptEndsEverything(t *testing.T) {
	bin := programs(t)
	tmp := t.TempDir()
	cmd := exec.Command(filepath.Join(bin, "egate-sim"), "run", "--scenario", "23-declines-at-notice")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "DISPLAY=", "WAYLAND_DISPLAY=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }()
	killer := time.AfterFunc(10*time.Minute, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	address := regexp.MustCompile(`(officers' console|traveller screen) +(http://[a-z0-9.:]+)`)
	pages := map[string]string{}
	played := 0
	in := bufio.NewScanner(out)
	for in.Scan() {
		line := in.Text()
		if m := address.FindStringSubmatch(line); m != nil {
			pages[m[1]] = m[2]
		}
		if strings.HasPrefix(line, "─ ") && played == 0 {
			t.Logf("the first traveller came %.1f s after the start", time.Since(begin).Seconds())
		}
		if strings.HasPrefix(line, "PASS") || strings.HasPrefix(line, "FAIL") {
			t.Log(line)
			if played++; played == 2 { // the second round has ended
				break
			}
		}
	}
	if len(pages) != 2 || played != 2 {
		t.Fatalf("pages %v, %d passages", pages, played)
	}
	for what, url := range pages {
		r, err := http.Get(url)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", what, r.Status)
		}
	}
	children := run.Descendants(cmd.Process.Pid)
	if len(children) < 3 { // console, controller, inspector
		t.Errorf("only %d processes below egate-sim", len(children))
	}
	// As a terminal does: to the whole group, so that every program of ours gets it at once.
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for in.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	for _, pid := range children {
		if b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")); err == nil && !strings.Contains(string(b), ") Z ") {
			t.Errorf("process %d is still there: %.60s", pid, b)
		}
	}
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("%s was left behind", e.Name())
	}
}
