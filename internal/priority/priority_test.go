package priority

import (
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// E-04: what a thread of ordinary priority starts comes after the controller.
func TestE04ChildrenComeAfter(t *testing.T) {
	if err := Raise(Doors); errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		t.Skip("needs the right to raise a priority")
	} else if err != nil {
		t.Fatal(err)
	}
	nice := func() string {
		out, err := exec.Command("nice").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if got := nice(); got != "-10" {
		t.Errorf("a child of the controller has %s", got)
	}
	for _, c := range []struct {
		to   int
		want string
	}{{Inspectors, "-5"}, {Doors, "-5"}, {Ordinary, "0"}, {Inspectors, "0"}} {
		if err := Lower(c.to); err != nil {
			t.Fatal(err)
		}
		if got := nice(); got != c.want {
			t.Errorf("a child of a thread that was lowered to %d has %s, must have %s", c.to, got, c.want)
		}
	}
}
