package main

import (
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestX03ServiceManagerIsFed: the loop's beat reaches the service manager, which restarts a program that is
// silent for WatchdogSec (deploy/systemd), and does so once a second however often the loop steps.
func TestX03ServiceManagerIsFed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	synctest.Test(t, func(*testing.T) {
		kick := feeder(nil)
		for range 5 { // virtual seconds
			kick()
			kick()
			time.Sleep(aliveEvery / 2)
			kick()
			time.Sleep(aliveEvery / 2)
		}
	})
	// All that was said lies in the socket by now: it is emptied without a wait.
	raw, err := manager.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	if err := raw.Read(func(fd uintptr) bool {
		for b := make([]byte, 64); ; said++ {
			n, _, err := unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT)
			if err != nil {
				return true
			}
			if string(b[:n]) != "WATCHDOG=1" {
				t.Errorf("said %q", b[:n])
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if said != 5 {
		t.Errorf("the service manager heard %d times in five seconds, must be 5", said)
	}
}
