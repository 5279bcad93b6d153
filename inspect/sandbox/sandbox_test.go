package sandbox

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SANDBOX_TRY"); dir != "" {
		try(dir)
		return
	}
	os.Exit(m.Run())
}

// try enters the sandbox and prints what still works.
func try(dir string) {
	needs := Needs{Devices: []string{filepath.Join(dir, "camera.sock"), "/dev/null"}}
	if os.Getenv("SANDBOX_PIPES") != "" {
		needs = Needs{Pipes: true}
	}
	level, err := Enter(needs)
	fmt.Println("level:", level, err)
	report := func(what string, err error) {
		if err == nil {
			fmt.Println("allowed:", what)
		} else {
			fmt.Println("denied:", what)
		}
	}
	_, err = net.Dial("tcp", "127.0.0.1:1")
	report("tcp", errIf(err, os.ErrPermission))
	_, err = net.Dial("udp", "127.0.0.1:53")
	report("udp", errIf(err, os.ErrPermission))
	report("exec", exec.Command("/bin/true").Run())
	report("write", os.WriteFile(filepath.Join(dir, "leak"), []byte("x"), 0o600))
	_, err = os.ReadFile("/etc/hostname")
	report("read", err)
	report("ptrace", unix.PtraceAttach(os.Getppid()))
	d, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	report("dump", map[bool]error{true: nil, false: os.ErrPermission}[d != 0])
	c, err := net.Dial("unix", filepath.Join(dir, "camera.sock"))
	report("camera", err)
	if err == nil {
		c.Close()
	}
	f, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	report("device", err)
	if err == nil {
		f.Close()
	}
}

// errIf keeps an error that is a denial; a refused connection shows that the call was allowed.
func errIf(err, denial error) error {
	if err != nil && (strings.Contains(err.Error(), "not permitted") || strings.Contains(err.Error(), denial.Error())) {
		return err
	}
	return nil
}

// DP-01, DP-02: an inspector reaches its devices and nothing else.
func TestX02Sandbox(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "camera.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	self, _ := os.Executable()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "SANDBOX_TRY="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	got := string(out)
	for _, want := range []string{"no_dump", "limits", "denied: dump", "allowed: camera", "allowed: device", "denied: write"} {
		if !strings.Contains(got, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(got, "seccomp") {
		for _, want := range []string{"no_new_privs", "denied: tcp", "denied: udp", "denied: exec", "denied: ptrace"} {
			if !strings.Contains(got, want) {
				t.Errorf("missing with seccomp: %s", want)
			}
		}
	} else {
		t.Log("SKIP: this kernel has no seccomp filters: network and exec are NOT proven closed")
	}
	if strings.Contains(got, "landlock_files") && !strings.Contains(got, "denied: read") {
		t.Error("a file outside was read under Landlock")
	}
	if !strings.Contains(got, "landlock_files") {
		t.Log("SKIP: this kernel has no Landlock: reading of files is NOT proven closed")
	}
}

// the decoder child has its pipes and nothing else.
func TestX06Pipes(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "camera.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	self, _ := os.Executable()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "SANDBOX_TRY="+dir, "SANDBOX_PIPES=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := string(out)
	if !strings.Contains(got, "seccomp") && !strings.Contains(got, "landlock_files") {
		t.Skip("SKIP: this kernel has neither seccomp filters nor Landlock: the child's confinement is NOT proven")
	}
	if strings.Contains(got, "allowed:") && strings.Contains(got, "seccomp") {
		t.Errorf("a child on pipes reached something:\n%s", got)
	}
}

// a name that a board's kernel does not know would take the whole filter away.
func TestX06NamesOfEveryBoard(t *testing.T) {
	for _, board := range []string{"amd64", "arm64", "arm"} {
		info, err := arch.GetInfo(map[string]string{"amd64": "x86_64", "arm64": "aarch64", "arm": "arm"}[board])
		if err != nil {
			t.Fatalf("%s: %v", board, err)
		}
		known := map[string]bool{}
		for name := range info.SyscallNames {
			known[name] = true
		}
		for _, n := range slices.Concat(denied, secret[board], opening[""], opening[board], []string{"socket"}) {
			if !known[n] {
				t.Errorf("%s does not know %q", board, n)
			}
		}
	}
}
