package dossier

import (
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// confine gives up what a child that only answers handed-over connections does not need: new
// privileges, core dumps and being read by others, files, sockets of its own. What the kernel does
// not have is left out of the returned level, which the server logs.
func confine() string {
	var got []string
	if unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == nil {
		got = append(got, "no_new_privs")
	}
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
	return strings.Join(got, " ")
}
