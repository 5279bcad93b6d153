package dossier

import (
	"strings"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// Confine gives up what a child that only answers handed-over connections does not need: new
// privileges, core dumps and being read by others, files, sockets of its own. What the kernel does
// not have is left out of the returned level, which the server logs.
func Confine() string {
	var got []string
	// Of all threads: the runtime has several by now. With cgo linked in only libpsx can do that, and
	// the Landlock calls below bring it along; the attribute is asked for again after them.
	_, _, _ = syscall.AllThreadsSyscall6(syscall.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	if unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) == nil {
		got = append(got, "no_dump")
	}
	limits := true
	for what, n := range map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_NOFILE: 32, unix.RLIMIT_MEMLOCK: 0} {
		limits = unix.Setrlimit(what, &unix.Rlimit{Cur: n, Max: n}) == nil && limits
	}
	if limits {
		got = append(got, "limits")
	}
	if landlock.V1.RestrictPaths() == nil {
		got = append(got, "landlock_files")
	}
	if landlock.V4.RestrictNet() == nil {
		got = append(got, "landlock_net")
	}
	if on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && on == 1 {
		got = append(got, "no_new_privs")
	}
	return strings.Join(got, " ")
}
