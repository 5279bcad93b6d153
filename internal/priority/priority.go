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

// Nice values; lower comes first.
const (
	// Doors is that of the controller. The unit file sets the same.
	Doors = -10
	// Inspectors is that of whoever talks to the devices that a traveller waits at: before a screen, after the doors.
	Inspectors = -5
	// Ordinary is that of everybody else.
	Ordinary = 0
)

// Raise gives every thread of this process a nice value; threads that are started later inherit it. It needs
// CAP_SYS_NICE, or a process that was started so.
func Raise(to int) error {
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
		if err := unix.Setpriority(unix.PRIO_PROCESS, tid, to); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("priority: thread %d: %w", tid, err))
		}
	}
	return errors.Join(errs...)
}

// Lower gives the calling thread a nice value unless it has that or a higher one: what it starts comes after this
// process. The caller has locked its goroutine to the thread.
func Lower(to int) error {
	if n, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || 20-n >= to { // the kernel returns 20 - nice
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, to)
}
