package control

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"egate/gate"
	"egate/hal"
	"egate/health"
	"egate/inspect/protocol"
)

// TestX03WatchdogIsFedWhileAllIsWell: the watchdog is fed while the loop steps, the drivers come back and the state is
// sound, and never again once one of them was not so: a driver that comes back too late changes nothing.
func TestX03WatchdogIsFedWhileAllIsWell(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(*rig, chan struct{})
		fed  bool
	}{
		"well":                {func(*rig, chan struct{}) {}, true},
		"a driver that works": {func(r *rig, _ chan struct{}) { hang(r, gate.Entry, nil) }, true},
		"the entry hangs":     {func(r *rig, end chan struct{}) { hang(r, gate.Entry, end) }, false},
		"the exit hangs":      {func(r *rig, end chan struct{}) { hang(r, gate.Exit, end) }, false},
		"the lamps hang":      {func(r *rig, _ chan struct{}) { r.l.lampDrive.begin(time.Now()) }, false},
		"both doors free":     {func(r *rig, _ chan struct{}) { r.l.m.Locked = [2]bool{} }, false},
		"one inspector twice": {func(r *rig, _ chan struct{}) { r.l.m.RSlot, r.l.m.PSlot = gate.Slot1, gate.Slot1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			loop(t, func(r *rig) {
				var fed atomic.Int32
				end := make(chan struct{})
				r.l.p.Kick = func() { fed.Add(1) }
				beat := func() { r.says(0, protocol.FromInspector{Beat: &protocol.Beat{}}) } // what was written above is the loop's from here
				beat()
				r.pass(2*time.Second, 0)
				if n := fed.Load(); n < 3 {
					t.Fatalf("fed %d times in two seconds", n)
				}
				c.harm(r, end)
				beat()
				r.pass(driveLimit+time.Second, 0)
				fed.Store(0)
				r.pass(3*time.Second, 0)
				if n := fed.Load(); (n > 0) != c.fed {
					t.Errorf("fed %d times", n)
				}
				close(end)
				r.pass(time.Second, 0)
				if n := fed.Load(); (n > 0) != c.fed {
					t.Errorf("fed %d times after the harm ended", n)
				}
			})
		})
	}
}

// hang gives a door a command that ends with end; at once where that is nil.
func hang(r *rig, d gate.Door, end chan struct{}) {
	r.l.drives[d].ask(gate.ActLock, r.doors.Entry(), func(ctx context.Context, _ hal.Door) error {
		if end != nil {
			select {
			case <-end:
			case <-ctx.Done():
			}
		}
		return nil
	})
}

// TestC11UnpluggedIsRecovered: a device that goes while nobody uses it is handed over once, and again when it goes
// again.
func TestC11UnpluggedIsRecovered(t *testing.T) {
	loop(t, func(r *rig) {
		var asked []string
		r.l.p.Recover = func(c health.Code, part string) { asked = append(asked, string(c)+" "+part) }
		r.says(0, protocol.FromInspector{Beat: &protocol.Beat{}})
		for n := 1; n <= 2; n++ {
			r.board.Raise(health.CameraLost, health.PartCamera)
			r.pass(4*time.Second, 0)
			if want := slices.Repeat([]string{"camera_lost camera"}, n); !slices.Equal(asked, want) {
				t.Fatalf("asked %v, must be %v", asked, want)
			}
			r.board.Clear(health.CameraLost, health.PartCamera)
			r.pass(2*time.Second, 0)
		}
	})
}
