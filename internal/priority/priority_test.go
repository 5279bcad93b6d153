package priority

import (
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// E-04: the controller is a real-time process where it may be, and what it starts from a thread of ordinary priority
// comes after it.
func TestE04ChildrenComeAfter(t *testing.T) {
	if err := Raise(); errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	class := func() (policy uint32, nice string) {
		now, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("nice").Output()
		if err != nil {
			t.Fatal(err)
		}
		return now.Policy, strings.TrimSpace(string(out))
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if policy, nice := class(); policy != unix.SCHED_RR || nice != "-10" {
		t.Errorf("the controller is of policy %d, nice %s", policy, nice)
	}
	threads := make(chan uint32)
	for range 20 { // some of them begin here
		go func() {
			runtime.LockOSThread()
			now, err := unix.SchedGetAttr(0, 0)
			if err != nil {
				t.Error(err)
			}
			threads <- now.Policy
		}()
	}
	for range 20 {
		if p := <-threads; p != unix.SCHED_RR {
			t.Errorf("another thread of the controller is of policy %d", p)
		}
	}
	for _, c := range []struct {
		to   int
		want string
	}{{Inspectors, "-5"}, {Doors, "-5"}, {Ordinary, "0"}, {Inspectors, "0"}} {
		if err := Lower(c.to); err != nil {
			t.Fatal(err)
		}
		if policy, nice := class(); policy != unix.SCHED_NORMAL || nice != c.want {
			t.Errorf("a thread that was lowered to %d is of policy %d, nice %s, must be ordinary, nice %s", c.to, policy, nice, c.want)
		}
	}
}

// E-04: a process that the controller starts is an ordinary one, whichever thread asks.
func TestE04StartedCommandsComeAfter(t *testing.T) {
	if err := Raise(); errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sleep", "1000")
	if err := Start(c, Inspectors); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	now, err := unix.SchedGetAttr(c.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	if now.Policy != unix.SCHED_NORMAL || now.Nice != Inspectors {
		t.Errorf("policy %d, nice %d", now.Policy, now.Nice)
	}
}
