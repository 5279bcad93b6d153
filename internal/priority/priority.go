// Package priority puts the controller before what else the board's processors do: an inspector that compares faces
// must not delay a door (E-04). It is a matter of latency, never of safety.
package priority

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Doors is the nice value of the controller; lower comes first. The unit file sets the same.
const Doors = -10

// Raise gives every thread of this process the nice value of the controller; threads that are started later inherit
// it. It needs CAP_SYS_NICE, or a process that was started so.
func Raise() error {
	dir, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	var errs []error
	for _, e := range dir {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, tid, Doors); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("priority: thread %d: %w", tid, err))
		}
	}
	return errors.Join(errs...)
}

// Ordinary gives the calling thread the nice value of an ordinary program: what it starts comes after the doors.
// The caller has locked its goroutine to the thread.
func Ordinary() error {
	if n, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || 20-n >= 0 { // the kernel returns 20 - nice
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, 0)
}
