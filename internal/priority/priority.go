// Package priority puts the controller before what else the board's processors do: an inspector that compares faces
// must not delay a door (E-04). It is a matter of latency, never of safety.
//
// The controller is a real-time process of the lowest such priority: it has a processor at once when a line moves. It
// works for less than a millisecond at a time, and whatever it does the kernel keeps 5 % of each second for others
// (sched_rt_runtime_us). Without that right it shares by weight (nice), and waits for others now and then.
package priority

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Nice values; lower comes first.
const (
	// Doors is that of the controller where it is no real-time process.
	Doors = -10
	// Inspectors is that of whoever talks to the devices that a traveller waits at: before a screen, after the doors.
	Inspectors = -5
	// Ordinary is that of everybody else.
	Ordinary = 0
)

// realtime is SCHED_RR with its lowest priority. The unit file sets the same.
const realtime = 1

// Raise makes every thread of this process a real-time one; threads that are started later inherit it. That needs
// CAP_SYS_NICE, a limit RTPRIO, or a process that was started so. Without, every thread gets the nice value
// Doors, if it may; the error tells that doors wait for other programs, and for how long.
func Raise() error {
	for {
		changed, err := raise()
		if err != nil || !changed {
			return err
		}
	}
}

// raise goes once through the threads; one that began meanwhile may still be as its parent was.
func raise() (changed bool, err error) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return false, fmt.Errorf("priority: %w", err)
	}
	var weight error
	for _, e := range threads {
		tid, bad := strconv.Atoi(e.Name())
		if now, gone := unix.SchedGetAttr(tid, 0); bad != nil || gone != nil || now.Policy == unix.SCHED_RR {
			continue // a process that was started so may not be allowed to ask for it again
		}
		if rt := schedule(tid, unix.SCHED_RR, realtime); rt == nil {
			changed = true
		} else if rt != unix.ESRCH && err == nil {
			err = rt
		}
		if no := unix.Setpriority(unix.PRIO_PROCESS, tid, Doors); no != nil && no != unix.ESRCH && weight == nil {
			weight = no
		}
	}
	switch {
	case err == nil:
		return changed, nil
	case weight == nil:
		return changed, fmt.Errorf("priority: not real-time (%w): doors come first by weight alone, and wait some milliseconds on a busy board", err)
	}
	return changed, fmt.Errorf("priority: not real-time (%w), no nice value (%w): doors wait their turn on a busy board", err, weight)
}

// Lower makes the calling thread an ordinary one with this nice value, unless it has that or a higher one: what it
// starts comes after this process. The caller has locked its goroutine to the thread.
func Lower(to int) error {
	now, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	if now.Policy == unix.SCHED_RR {
		if err := schedule(0, unix.SCHED_NORMAL, 0); err != nil {
			return fmt.Errorf("priority: %w", err)
		}
	}
	if n, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || 20-n >= to { // the kernel returns 20 - nice
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, to)
}

// Start starts a command as an ordinary process with this nice value.
func Start(c *exec.Cmd, to int) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends here
		if err := Lower(to); err != nil {
			started <- err
			return
		}
		started <- c.Start()
	}()
	return <-started
}

// schedule is sched_setscheduler(2): unlike sched_setattr its policy can be seen by a seccomp filter, and
// RestrictRealtime= of systemd lets everybody go back to an ordinary one.
func schedule(tid, policy int, priority int32) error {
	param := struct{ priority int32 }{priority}
	if _, _, errno := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(tid), uintptr(policy), uintptr(unsafe.Pointer(&param))); errno != 0 {
		return errno
	}
	return nil
}
