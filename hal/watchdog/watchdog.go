// Package watchdog feeds a hardware watchdog through /dev/watchdog (Linux watchdog API). When it is no
// longer fed, the board resets; the doors then stand in the position that the site has chosen for a
// power cut (D-03).
//
// There is one owner: either systemd (RuntimeWatchdogSec) or this program; the kernel refuses the second
// opening. Whoever calls Kick calls it only while the gate's loop has stepped, its devices are fresh and
// its laws hold: a watchdog that is fed by a timer watches nothing.
package watchdog

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"egate/hal"
)

// Bounds of the time-out. Below two seconds a busy disk resets the gate; above two minutes people stand
// in a dead mantrap for too long before the board starts again.
const (
	MinTimeout = 2 * time.Second
	MaxTimeout = 2 * time.Minute
)

// Watchdog is an armed watchdog.
type Watchdog struct {
	mu      sync.Mutex
	f       *os.File
	timeout time.Duration
	name    string
	noWay   bool
}

// ioctls of a watchdog; a variable for tests on machines that have none.
var (
	setTimeout = func(f *os.File, seconds int) (int, error) {
		if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.WDIOC_SETTIMEOUT, seconds); err != nil {
			return 0, err
		}
		// The driver may have rounded.
		return unix.IoctlGetInt(int(f.Fd()), unix.WDIOC_GETTIMEOUT)
	}
	info = func(f *os.File) (*unix.WatchdogInfo, error) { return unix.IoctlGetWatchdogInfo(int(f.Fd())) }
	kick = func(f *os.File) error { return unix.IoctlWatchdogKeepalive(int(f.Fd())) }
)

// Open arms the watchdog of a device such as /dev/watchdog0: from here on somebody must call Kick more
// often than every Timeout.
func Open(device string, timeout time.Duration) (*Watchdog, error) {
	if timeout < MinTimeout || timeout > MaxTimeout {
		return nil, fmt.Errorf("watchdog: time-out %v: %v to %v are allowed", timeout, MinTimeout, MaxTimeout)
	}
	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("watchdog: %s has an owner already (systemd's RuntimeWatchdogSec?): %w", device, err)
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("watchdog: %w: %w", hal.ErrLost, err)
	case err != nil:
		return nil, fmt.Errorf("watchdog: %w", err)
	}
	w := &Watchdog{f: f}
	i, err := info(f)
	if err != nil {
		// Opening may have armed it, so it is disarmed again before giving up.
		return nil, errors.Join(fmt.Errorf("watchdog: %s is no watchdog: %w", device, err), w.Close())
	}
	for _, c := range i.Identity {
		if c == 0 {
			break
		}
		w.name += string(rune(c))
	}
	w.noWay = i.Options&unix.WDIOF_MAGICCLOSE == 0
	got, err := setTimeout(f, int(timeout.Round(time.Second)/time.Second))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watchdog: %s: set %v: %w", device, timeout, err), w.Close())
	}
	w.timeout = time.Duration(got) * time.Second
	if w.timeout > MaxTimeout || w.timeout <= 0 {
		return nil, errors.Join(fmt.Errorf("watchdog: %s took %v for %v", device, w.timeout, timeout), w.Close())
	}
	if err := w.Kick(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Timeout is the time-out that the hardware has taken; Kick at least three times in it.
func (w *Watchdog) Timeout() time.Duration { return w.timeout }

// Name is what the driver calls itself.
func (w *Watchdog) Name() string { return w.name }

// CanDisarm tells whether Close disarms the watchdog. A driver without magic close stays armed or
// disarms at any closing; in production the kernel's nowayout keeps it armed either way.
func (w *Watchdog) CanDisarm() bool { return !w.noWay }

// Kick feeds the watchdog.
func (w *Watchdog) Kick() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return hal.ErrClosed
	}
	if err := kick(w.f); err != nil {
		return fmt.Errorf("watchdog: kick: %w: %w", hal.ErrLost, err)
	}
	return nil
}

// Close disarms the watchdog with the magic character 'V' and closes it: an orderly end, called only
// when the doors are in their safe state. A process that dies does not get here, and the board resets.
func (w *Watchdog) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return nil
	}
	_, err := w.f.Write([]byte{'V'})
	err = errors.Join(err, w.f.Close())
	w.f = nil
	if err != nil {
		return fmt.Errorf("watchdog: close: %w", err)
	}
	return nil
}
