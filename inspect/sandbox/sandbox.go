// Package sandbox puts an inspector where it can do its work and little else: no new privileges, no
// core dump and no reader of its memory, no file to write, no network, no program to start (design
// §2). What the kernel does not have is left out and named in the level, which the gate publishes.
//
// It is entered once, after the models are loaded and the decoder children have been started, and
// before anything of a traveller arrives.
package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// Needs is what the inspector must still reach inside.
type Needs struct {
	// Devices are device files and unix sockets that will be opened. One that is absent now stays out
	// of reach, but for pseudo-terminals, whose folder is granted.
	Devices []string
	// Pipes is for a child that has everything open that it needs: it opens no file and no socket,
	// whether or not the kernel has Landlock.
	Pipes bool
}

// maxFiles is how many descriptors an inspector needs: socket, devices, decoder pipes, runtime.
const maxFiles = 64

// denied are system calls that an inspector has no use for. A denied call fails with EPERM.
var denied = []string{
	"execve", "execveat", // the decoder children have been started before
	"ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
	"mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "open_by_handle_at",
	"bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key",
	"init_module", "finit_module", "delete_module", "kexec_load", "reboot", "swapon", "swapoff",
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "capset",
	"memfd_create", // a file in memory could be executed or handed on
	"listen", "accept", "accept4", "bind",
	"io_uring_setup", "io_uring_enter", "io_uring_register",
	"personality", "quotactl", "acct", "syslog", "settimeofday", "clock_settime", "adjtimex",
}

// secret is what 32-bit Arm does not have; a name that a machine does not know voids the filter.
var secret = map[string][]string{"amd64": {"memfd_secret"}, "arm64": {"memfd_secret"}}

// opening are the further calls that a child on pipes has no use for.
var opening = map[string][]string{
	"": {"openat", "openat2", "socket", "socketpair", "connect", "sendto", "sendmsg", "recvmsg", "mkdirat", "mknodat", "unlinkat", "renameat2",
		"linkat", "symlinkat", "fchmodat", "fchownat", "truncate", "fallocate", "ioctl", "kill", "getdents64"},
	// Calls that only the older machines have.
	"amd64": {"open", "creat", "mkdir", "unlink", "rename", "link", "symlink", "chmod", "chown", "fork", "vfork", "getdents"},
	"arm":   {"open", "creat", "mkdir", "unlink", "rename", "link", "symlink", "chmod", "chown", "fork", "vfork", "getdents"},
}

// Enter confines the whole process, all threads, and returns what took hold, e.g. "no_dump limits
// landlock_files landlock_net seccomp no_new_privs". The error is one that an operator must see: a
// process that could not even forbid its own dump.
func Enter(n Needs) (level string, err error) {
	var got []string
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return "", fmt.Errorf("sandbox: no_dump: %w", err)
	}
	got = append(got, "no_dump")
	for what, v := range map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_NOFILE: maxFiles} {
		if err := unix.Setrlimit(what, &unix.Rlimit{Cur: v, Max: v}); err != nil {
			return "", fmt.Errorf("sandbox: limits: %w", err)
		}
	}
	got = append(got, "limits")
	// Pages stay out of swap where the memory-lock limit lets them; a board has no swap at all.
	if unix.Mlockall(unix.MCL_CURRENT|unix.MCL_ONFAULT) == nil {
		got = append(got, "mlock")
	} else if noSwap() {
		got = append(got, "no_swap")
	}
	rules := []landlock.Rule{}
	for _, p := range n.Devices {
		r, err := filepath.EvalSymlinks(p)
		if err != nil {
			continue
		}
		if filepath.Dir(r) == "/dev/pts" {
			// A simulated device that is plugged again gets another number.
			rules = append(rules, landlock.RWDirs("/dev/pts").WithIoctlDev(), landlock.RODirs(filepath.Dir(p)))
			continue
		}
		rules = append(rules, landlock.RWFiles(r).WithIoctlDev().WithResolveUnix(), landlock.RODirs(filepath.Dir(p)))
	}
	// The newest version first: an older kernel is asked for what it has.
	switch {
	case landlock.V5.RestrictPaths(rules...) == nil:
		got = append(got, "landlock_files=5")
	case landlock.V1.BestEffort().RestrictPaths(rules...) == nil && landlock.V1.RestrictPaths(rules...) == nil:
		got = append(got, "landlock_files=1")
	}
	if landlock.V4.RestrictNet() == nil {
		got = append(got, "landlock_net")
	}
	if err := filter(n.Pipes); err == nil {
		got = append(got, "seccomp")
	}
	if on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && on == 1 {
		got = append(got, "no_new_privs")
	}
	return strings.Join(got, " "), nil
}

// filter denies the calls above and every socket that is not a unix one, on all threads; with it the
// kernel sets no_new_privs on all of them.
func filter(pipes bool) error {
	denied := slices.Concat(denied, secret[runtime.GOARCH])
	if pipes {
		all := slices.Concat(denied, opening[""], opening[runtime.GOARCH])
		return load(seccomp.SyscallGroup{Action: seccomp.ActionErrno, Names: all})
	}
	return load(seccomp.SyscallGroup{Action: seccomp.ActionErrno, Names: denied},
		seccomp.SyscallGroup{Action: seccomp.ActionErrno, NamesWithCondtions: []seccomp.NameWithConditions{{
			Name:       "socket",
			Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.NotEqual, Value: unix.AF_UNIX}},
		}}})
}

func load(groups ...seccomp.SyscallGroup) error {
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls:      groups,
		},
	})
}

func noSwap() bool {
	b, err := os.ReadFile("/proc/swaps")
	return err == nil && strings.Count(string(b), "\n") <= 1
}
