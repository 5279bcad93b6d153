// Package systemd_test holds the units of this folder to what the security model says of them.
package systemd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"

	"egate/inspect/sandbox"
)

const (
	controller = "egated.service"
	console    = "egate-console.service"
	screen     = "../kiosk/egate-screen.service"
)

// allowed says in the environment which system calls are allowed to the process that the test starts again.
const allowed = "EGATE_TEST_ALLOWED_CALLS"

func TestMain(m *testing.M) {
	if names := os.Getenv(allowed); names != "" {
		if err := confined(strings.Fields(names)); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// unit holds all values of each key, in order. An empty value resets a list, and later values of a key that
// takes one replace the earlier ones: so the whole of it is compared.
type unit map[string][]string

func parse(t *testing.T, path string) unit {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parseText(string(b))
}

func parseText(text string) unit {
	u, section := unit{}, ""
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", ""), "\n") {
		line = strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(line, "="); {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		case ok:
			u[section+"."+key] = append(u[section+"."+key], value)
		}
	}
	return u
}

// of makes a table of lines that hold for several units.
func of(rows ...string) unit { return parseText(strings.Join(rows, "\n")) }

var (
	// Every unit: no dump, no swap, nothing gained by exec, read-only system, only the loopback as shipped.
	every = []string{"[Unit]", "StartLimitIntervalSec=0", "[Service]", "UMask=0077", "Restart=always", "LimitCORE=0", "MemorySwapMax=0",
		"NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "ProtectClock=yes",
		"ProtectHostname=yes", "ProtectKernelModules=yes", "ProtectControlGroups=yes", "RestrictSUIDSGID=yes", "RestrictRealtime=yes", "LockPersonality=yes",
		"SystemCallArchitectures=native", "SystemCallErrorNumber=EPERM", "DevicePolicy=closed", "IPAddressDeny=any", "IPAddressAllow=localhost"}
	// Our programs: what they may call leaves room for the sandbox of their children.
	ours = []string{"Type=notify", "NotifyAccess=main", "KillMode=mixed", "OOMPolicy=continue", "AmbientCapabilities=", "RestrictNamespaces=yes",
		"MemoryDenyWriteExecute=yes", "ProtectProc=invisible", "ProtectKernelLogs=yes", "ProtectKernelTunables=yes", "KeyringMode=private", "RemoveIPC=yes",
		"SystemCallFilter=@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp", "SystemCallFilter=~@privileged @obsolete",
		"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "StateDirectoryMode=0700"}
	mandatory = map[string]unit{
		controller: of(slices.Concat(every, ours, []string{"User=egate", "Group=egate", "StateDirectory=egate", "WatchdogSec=10", "WatchdogSignal=SIGKILL",
			"LimitMEMLOCK=infinity", "MemoryMax=2G", "InaccessiblePaths=-/etc/egate/console -/var/lib/egate-console",
			"DeviceAllow=char-gpiochip rw", "DeviceAllow=char-ttyUSB rw", "DeviceAllow=char-ttyACM rw", "DeviceAllow=char-ttyS rw", "DeviceAllow=char-ttyAMA rw",
			"DeviceAllow=char-video4linux rw", "DeviceAllow=char-usb_device rw", "DeviceAllow=char-input r", "DeviceAllow=/dev/watchdog w", "DeviceAllow=char-watchdog w", "DeviceAllow=/dev/tpmrm0 rw"})...),
		console: of(slices.Concat(every, ours, []string{"User=egate-console", "Group=egate-console", "StateDirectory=egate-console", "MemoryMax=1G",
			"PrivateDevices=yes", "PrivateUsers=yes", "InaccessiblePaths=-/etc/egate/keys -/var/lib/egate"})...),
		// The browser has no camera, no reader and no line of a door.
		screen: of(slices.Concat(every, []string{"User=egate-screen", "MemoryMax=1G", "InaccessiblePaths=-/etc/egate -/var/lib/egate -/var/lib/egate-console",
			"DeviceAllow=char-drm rw", "DeviceAllow=char-input rw", "DeviceAllow=char-alsa rw", "DeviceAllow=/dev/tty7 rw"})...),
	}
	// A key that is not listed and loosens what is.
	never = []string{"Service.SupplementaryGroups", "Service.PermissionsStartOnly", "Service.ReadWritePaths", "Service.BindPaths", "Service.PassEnvironment",
		"Service.EnvironmentFile", "Service.RestartPreventExitStatus", "Service.CPUQuota"}
)

// broken lists the keys in which a unit is not as it must be.
func broken(u, want unit) []string {
	var out []string
	for key, values := range want {
		if !slices.Equal(u[key], values) {
			out = append(out, fmt.Sprintf("%s is %q, must be %q", key, u[key], values))
		}
	}
	for _, key := range never {
		if len(u[key]) > 0 {
			out = append(out, key+" is set")
		}
	}
	// A plus or exclamation mark before a program takes the limits off it.
	for key, values := range u {
		for _, v := range values {
			if strings.HasPrefix(key, "Service.Exec") && !strings.HasPrefix(v, "/usr/") {
				out = append(out, key+" starts "+v)
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestX06UnitsAreConfined: the mandatory lines stand in every unit, and taking any one of them out, or
// taking it back further down, is noticed.
func TestX06UnitsAreConfined(t *testing.T) {
	for path, want := range mandatory {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range broken(parseText(string(b)), want) {
			t.Errorf("%s: %s", path, x)
		}
		for key, values := range want {
			_, name, _ := strings.Cut(key, ".")
			for _, v := range values {
				line := "\n" + name + "=" + v + "\n"
				if without := strings.Replace(string(b), line, "\n", 1); len(broken(parseText(without), want)) == 0 {
					t.Errorf("%s without %q is not noticed", path, strings.TrimSpace(line))
				}
			}
			section, _, _ := strings.Cut(key, ".")
			if again := string(b) + "\n[" + section + "]\n" + name + "=\n"; len(broken(parseText(again), want)) == 0 {
				t.Errorf("%s: %s taken back at the end is not noticed", path, name)
			}
		}
	}
	u := parse(t, controller)
	u["Service.ExecStart"] = []string{"+/usr/lib/egate/egated"}
	if len(broken(u, mandatory[controller])) == 0 {
		t.Error("a program without limits is not noticed")
	}
}

// systemdAnalyze is the program, or a loud skip.
func systemdAnalyze(t *testing.T) string {
	t.Helper()
	p, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("SKIP: systemd-analyze is not installed: what systemd says of the units is NOT tested (apt-get install systemd)")
	}
	return p
}

func run(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err
}

// verify has systemd read a unit whose programs are installed.
func verify(t *testing.T, program, name, text string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	text = regexp.MustCompile(`(?m)^(ExecStart(?:Pre)?=)\S+`).ReplaceAllString(text, "${1}"+self)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, program, "verify", "--man=no", path)
	var said []string
	for line := range strings.SplitSeq(out, "\n") {
		// What it says of other units of the machine is not ours. An unknown key is a word, not a status.
		if strings.Contains(line, name) {
			said = append(said, line)
		}
	}
	if err != nil && len(said) == 0 {
		t.Fatalf("systemd-analyze verify: %v: %s", err, out)
	}
	return strings.Join(said, "\n")
}

// TestX06SystemdReadsTheUnits: systemd finds nothing to say of a unit, and does of a misspelt one.
func TestX06SystemdReadsTheUnits(t *testing.T) {
	program := systemdAnalyze(t)
	for path := range mandatory {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		if said := verify(t, program, name, string(b)); said != "" {
			t.Errorf("%s", said)
		}
		if verify(t, program, name, strings.Replace(string(b), "NoNewPrivileges=", "NoNewPrivilege=", 1)) == "" {
			t.Errorf("%s: a misspelt key is not noticed", name)
		}
	}
}

// TestX06ExposureIsBounded: the exposure that systemd computes, in tenths, is no greater than it was when the
// units were written. The browser's is greater: it needs user namespaces for its own sandbox.
func TestX06ExposureIsBounded(t *testing.T) {
	program := systemdAnalyze(t)
	for path, most := range map[string]int{controller: 16, console: 12, screen: 34} {
		// One tenth less fails: so a bound that is too wide is noticed as well.
		for bound, good := range map[int]bool{most: true, most - 1: false} {
			out, err := run(t, program, "security", "--offline=true", fmt.Sprintf("--threshold=%d", bound), path)
			if (err == nil) != good {
				t.Errorf("%s: exposure within %d tenths: %v, want %v: %v\n%s", path, bound, err == nil, good, err, lastLine(out))
			}
		}
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// calls expands the system call filter of a unit as this machine's systemd does.
func calls(t *testing.T, program string, filter []string) []string {
	t.Helper()
	out, err := run(t, program, "syscall-filter", "--no-pager")
	if err != nil {
		t.Fatal(err, out)
	}
	sets, current := map[string][]string{}, ""
	for line := range strings.SplitSeq(out, "\n") {
		name := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "@"):
			current = name
		case name != "" && name[0] != '#' && current != "":
			sets[current] = append(sets[current], name)
		}
	}
	var expand func(into map[string]bool, name string, on bool)
	expand = func(into map[string]bool, name string, on bool) {
		if name[0] == '@' {
			for _, n := range sets[name] {
				expand(into, n, on)
			}
			return
		}
		into[name] = on
	}
	all := map[string]bool{}
	expand(all, "@default", true)
	for _, f := range filter {
		list, off := strings.CutPrefix(f, "~")
		for _, name := range strings.Fields(list) {
			if name[0] == '@' && len(sets[name]) == 0 {
				t.Fatalf("this systemd knows no %s", name)
			}
			expand(all, name, !off)
		}
	}
	maps.DeleteFunc(all, func(_ string, on bool) bool { return !on })
	return slices.Sorted(maps.Keys(all))
}

// confined is the process that is started again: it takes the unit's filter, does what egated does to start a
// child, and enters the inspector's sandbox.
func confined(names []string) error {
	if names[0] != "all" {
		info, err := arch.GetInfo("")
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for name := range info.SyscallNames {
			known[name] = true
		}
		names = slices.DeleteFunc(names, func(n string) bool { return !known[n] })
		err = seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{{Action: seccomp.ActionAllow, Names: names}}}})
		if err != nil {
			return err
		}
		if err := syscall.Sethostname([]byte("x")); err != syscall.EPERM {
			return fmt.Errorf("the filter does not hold: %v", err)
		}
	}
	child := exec.Command("/bin/true")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := child.Run(); err != nil {
		return fmt.Errorf("start a child: %w", err)
	}
	level, err := sandbox.Enter(sandbox.Needs{Devices: []string{"/dev/null"}})
	fmt.Println(level)
	return err
}

// TestX06SandboxInsideTheUnit: under the system call filter of egated's unit an inspector reaches the same
// level of its own sandbox as without; under @system-service alone it would not.
func TestX06SandboxInsideTheUnit(t *testing.T) {
	program := systemdAnalyze(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	level := func(names []string) string {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), allowed+"="+strings.Join(names, " "))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	free := level([]string{"all"})
	if !strings.Contains(free, "seccomp") {
		t.Skip("SKIP: this kernel has no seccomp: the unit's filter is NOT tested: " + free)
	}
	for _, path := range []string{controller, console} {
		filter := parse(t, path)["Service.SystemCallFilter"]
		if got := level(calls(t, program, filter)); got != free {
			t.Errorf("%s: level %q, without the unit %q", path, got, free)
		}
	}
	if bare := level(calls(t, program, []string{"@system-service", "~@privileged @obsolete"})); bare == free {
		t.Errorf("level %q without naming Landlock and seccomp: the test proves nothing", bare)
	}
}

// TestX06ScreenOpensTheGatesPage: unit and browser policy of the screen name the address that the example
// configuration of a gate serves.
func TestX06ScreenOpensTheGatesPage(t *testing.T) {
	b, err := os.ReadFile("../../configs/gate.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^display:\n  listen: (127\.0\.0\.1:\d+)`).FindSubmatch(b)
	if m == nil {
		t.Fatal("configs/gate.yaml names no address of the screen on the loopback")
	}
	page := "http://" + string(m[1])
	if start := parse(t, screen)["Service.ExecStart"]; len(start) != 1 || !strings.HasSuffix(start[0], " "+page+"/") {
		t.Errorf("the unit does not open %s: %q", page, start)
	}
	if b, err = os.ReadFile("../kiosk/policy.json"); err != nil {
		t.Fatal(err)
	}
	var policy struct{ URLBlocklist, URLAllowlist []string }
	if err := json.Unmarshal(b, &policy); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(policy.URLAllowlist, []string{page}) || !slices.Equal(policy.URLBlocklist, []string{"*"}) {
		t.Errorf("the browser may open %q, must be %s only", policy.URLAllowlist, page)
	}
}

// TestX06DevicesBelongToTheController: lines, readers and camera are the controller's group's, and a session
// on the seat is not given them.
func TestX06DevicesBelongToTheController(t *testing.T) {
	b, err := os.ReadFile("72-egate.rules")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="egate", MODE="0660"`,
		`SUBSYSTEM=="video4linux", GROUP="egate", MODE="0660", TAG-="uaccess"`, `SUBSYSTEM=="watchdog", GROUP="egate", MODE="0620"`, `SUBSYSTEM=="tpmrm", GROUP="egate", MODE="0660"`,
		`SUBSYSTEM=="tty", KERNEL=="ttyUSB*|ttyACM*", GROUP="egate", MODE="0660", TAG-="uaccess"`} {
		if !bytes.Contains(b, []byte("\n"+want)) {
			t.Errorf("72-egate.rules lacks %s", want)
		}
	}
	if b, err = os.ReadFile("egate.sysusers"); err != nil {
		t.Fatal(err)
	}
	for path := range mandatory {
		user := parse(t, path)["Service.User"]
		if len(user) != 1 || !regexp.MustCompile(`(?m)^u `+user[0]+` .*/usr/sbin/nologin$`).Match(b) {
			t.Errorf("egate.sysusers does not make the user %q of %s without a login", user, path)
		}
	}
	if bytes.Contains(b, []byte("\nm ")) {
		t.Error("egate.sysusers puts a user into another group")
	}
}
