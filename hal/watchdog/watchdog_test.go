package watchdog

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"egate/hal"
)

// device stands in for the kernel's watchdog: what is written to it stays in a file.
func device(t *testing.T, magic bool, refuse error) (path string, kicks *int, dead *bool) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "watchdog")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	kicks, dead = new(int), new(bool)
	s, i, k := setTimeout, info, kick
	t.Cleanup(func() { setTimeout, info, kick = s, i, k })
	info = func(*os.File) (*unix.WatchdogInfo, error) {
		w := &unix.WatchdogInfo{Options: unix.WDIOF_SETTIMEOUT}
		copy(w.Identity[:], "Software Watchdog")
		if magic {
			w.Options |= unix.WDIOF_MAGICCLOSE
		}
		return w, nil
	}
	setTimeout = func(_ *os.File, s int) (int, error) { return s + s%2, refuse } // hardware with steps of two seconds
	kick = func(*os.File) error {
		if *dead {
			return unix.ENODEV
		}
		*kicks++
		return nil
	}
	return path, kicks, dead
}

func TestX03ArmKickDisarm(t *testing.T) {
	path, kicks, dead := device(t, true, nil)
	w, err := Open(path, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if w.Timeout() != 6*time.Second || w.Name() != "Software Watchdog" || !w.CanDisarm() || *kicks != 1 {
		t.Errorf("%v %q %d", w.Timeout(), w.Name(), *kicks)
	}
	if err := w.Kick(); err != nil || *kicks != 2 {
		t.Error(err)
	}
	*dead = true
	if err := w.Kick(); !errors.Is(err, hal.ErrLost) {
		t.Error(err)
	}
	if b, _ := os.ReadFile(path); len(b) != 0 {
		t.Errorf("%q was written before Close: a crash would disarm", b)
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != "V" {
		t.Errorf("farewell %q", b)
	}
	if err := w.Kick(); !errors.Is(err, hal.ErrClosed) {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	path, _, _ := device(t, false, unix.EINVAL)
	if _, err := Open(path, time.Second); err == nil {
		t.Error("a time-out that a busy disk exceeds")
	}
	if _, err := Open(path, time.Hour); err == nil {
		t.Error("a time-out of an hour")
	}
	if _, err := Open(path+"x", 5*time.Second); !errors.Is(err, hal.ErrLost) {
		t.Error(err)
	}
	if _, err := Open(path, 5*time.Second); err == nil {
		t.Error("armed with an unknown time-out")
	}
	if b, _ := os.ReadFile(path); string(b) != "V" {
		t.Error("a refused watchdog stays armed")
	}
}

// The kernel's own watchdog, where there is one to spare and the operator says so: it may reset the machine.
func TestKernelWatchdog(t *testing.T) {
	dev := os.Getenv("EGATE_TEST_WATCHDOG")
	if dev == "" {
		t.Skip("SKIP: EGATE_TEST_WATCHDOG names no device: the kernel's watchdog is NOT tested here")
	}
	w, err := Open(dev, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Kick(); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
