package evidence

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"egate/api"
	"egate/console"
	"egate/display"
	"egate/health"
)

// TestE03NearlyFull (E-03): the disk of a real gate fills: before the journal has no room any more the gate takes no new
// traveller, and says which part it is; orders are still answered and written down; when there is room again it opens
// by itself.
func TestE03NearlyFull(t *testing.T) {
	l := newLine(t, "gate-1")
	w := l.quiet(t.Context(), "gate-1")
	if err := os.MkdirAll(w.gate.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", w.gate.StateDir, "tmpfs", 0, "size=40m,mode=0700"); err != nil {
		t.Skipf("SKIP: no small disk can be mounted here (%v): a full one at a real gate is NOT tested", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(w.gate.StateDir, syscall.MNT_DETACH) })
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	defer w.kill()
	see := func(what, screen string, full bool) {
		t.Helper()
		if err := l.until(w.name, func(g console.GateView) bool {
			return g.Status.At.After(w.began) && g.State.Lease && g.State.Mode == "open" && hasFault(g, health.DiskLow) && hasFault(g, health.DiskFull) == full
		}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := w.scr.Wait(t.Context(), func(s display.Screen) bool { return s.Name == screen }); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if r, err := l.order(t.Context(), w.name, api.CmdSelfTest, "", ""); err != nil || r.Result != "rejected" { // refused in this mode: evidence all the same
			t.Errorf("%s: %+v %v", what, r, err)
		}
	}
	see("room", display.ScreenNotice, false)
	ballast := filepath.Join(w.gate.StateDir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 26<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	see("nearly full", display.ScreenClosed, true)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	see("room again", display.ScreenNotice, false)
	w.kill()
	rep, _ := w.read("at the end")
	w.verify("at the end")
	if rep.Seq == 0 {
		t.Error("nothing was written down")
	}
	for _, f := range w.failures() {
		t.Error(f)
	}
}
