package interlock

import (
	"testing"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
	"egate/hal/doors"
)

// The one-step gate opens a shut door only for a proven zone, opens an open one again, closes into no beam,
// and obeys nothing but the end of a release while it is released (P-02, D-05).
func TestP02OneStep(t *testing.T) {
	f := newFake()
	d, err := doors.New(f, "exit", 0)
	if err != nil {
		t.Fatal(err)
	}
	zone := false
	o := NewOneStep(f, d, "exit_beam", func() bool { return zone })
	ctx := t.Context()
	for what, err := range map[string]error{"open": o.Open(ctx), "close": o.Close(ctx), "lock": o.Lock(true)} {
		if !refused(err) {
			t.Errorf("%s before the first restore: %v", what, err)
		}
	}
	if err := o.Restore(); err != nil {
		t.Fatal(err)
	}
	f.set("exit_closed", gpio.High)
	for what, err := range map[string]error{"open": o.Open(ctx), "unlock": o.Lock(false)} {
		if !refused(err) {
			t.Errorf("%s of an unproven zone: %v", what, err)
		}
	}
	zone = true
	if err := o.Open(ctx); err != nil {
		t.Fatal(err)
	}
	// Closing, somebody steps in: the zone is empty by now, the door is not shut.
	zone = false
	f.set("exit_closed", gpio.Low)
	f.set("exit_beam", gpio.High)
	if err := o.Close(ctx); !refused(err) {
		t.Errorf("closed into a broken beam: %v", err)
	}
	if err := o.Open(ctx); err != nil {
		t.Errorf("a door that is not shut was not opened again: %v", err)
	}
	f.dead["exit_closed"] = true
	if err := o.Open(ctx); !refused(err) {
		t.Errorf("opened at an unknown position: %v", err)
	}
	if err := o.Release(); err != nil {
		t.Fatal(err)
	}
	if err := o.Lock(true); !refused(err) {
		t.Errorf("locked in a release: %v", err)
	}
	if err := o.Lock(false); err != nil {
		t.Errorf("a lock may always fall in a release: %v", err)
	}
	for what, err := range map[string]error{"open": o.Entry().Open(ctx), "close": o.Entry().Close(ctx), "lock": o.Entry().Lock(false)} {
		if !refused(err) {
			t.Errorf("%s of a door that is not there: %v", what, err)
		}
	}
	if o.Entry().Position() != hal.PositionUnknown || o.Entry().Release() != nil {
		t.Error("a door that is not there has a place")
	}
}

// Zone holds for one unbroken run of beams with the outer one free, and for nothing else, whatever the
// levels; a beam that cannot be read proves nothing.
func TestP02Zone(t *testing.T) {
	row := []string{"beam_05", "beam_06", "beam_07", "beam_08"}
	for _, dead := range append([]string{"", "entry_beam"}, row...) {
		for bits := range 1 << (len(row) + 1) { // all of them
			f := newFake()
			runs, before := 0, false
			for i := range row {
				l := bits>>i&1 == 1
				f.set(row[i], gpio.Level(l))
				if l && !before {
					runs++
				}
				before = l
			}
			outer := bits>>len(row) == 1
			f.set("entry_beam", gpio.Level(outer))
			if dead != "" {
				f.dead[dead] = true
			}
			if got, want := Zone(f, "entry_beam", row)(), runs == 1 && !outer && dead == ""; got != want {
				t.Errorf("levels %05b dead %q: %v", bits, dead, got)
			}
		}
	}
}
