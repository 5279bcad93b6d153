package control

import (
	"testing"
	"testing/synctest"
	"time"

	"egate/gate"
	"egate/inspect/protocol"
	"egate/verdict"
)

var gentle = protocol.FromInspector{Challenge: &protocol.Challenge{Schedule: []protocol.LightStep{{Colour: 0x95BCFF, MS: 400}, {Colour: 0xF9AE6C, MS: 400}, {Colour: 0x89CE95, MS: 400}}}}

// told counts the steps of light challenges that an inspector was told of.
func (f *fakeInspectors) told(slot int) (out []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.sent[slot] {
		if m.Shown != nil {
			out = append(out, m.Shown.Index)
		}
	}
	return out
}

func (d *fakeDisplay) light() uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown[len(d.shown)-1].Light
}

// screen and lamps play what the inspector asks for, step by step, while a face is captured and no
// longer; each step is told when it is shown.
func TestX08LightChallenge(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.says(0, gentle)
		if r.disp.light() != 0 || len(r.insp.told(0)) != 0 {
			t.Error("a light challenge before the capture")
		}
		r.inside()
		want := func(colour uint32, lamps string, told int) {
			t.Helper()
			if r.disp.light() != colour || r.lamps.light() != lamps || len(r.insp.told(0)) != told {
				t.Errorf("screen %06x, lamps %q, told %v; expected %06x %q and %d", r.disp.light(), r.lamps.light(), r.insp.told(0), colour, lamps, told)
			}
		}
		want(0, "rgb", 0)
		r.says(0, gentle)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		want(0x95BCFF, "gb", 1)
		r.says(0, gentle) // one at a time
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		want(0xF9AE6C, "rg", 2)
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		want(0x89CE95, "g", 3)
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		want(0, "rgb", 4)
		r.screen("capture")
		// Not at once after the last one: three changes a second.
		r.says(0, gentle)
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		want(0, "rgb", 4)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		want(0x95BCFF, "gb", 5)
		// The capture is over: the light is as before, at once.
		r.sense(gate.Event{Kind: gate.EvCounted, Count: gate.CountMany})
		if r.disp.now() == "capture" || r.disp.light() != 0 {
			t.Errorf("the screen shows %s with light %06x", r.disp.now(), r.disp.light())
		}
		r.pass(2*time.Second, 0)
		if n := len(r.insp.told(0)); n != 5 {
			t.Errorf("%d steps were told", n)
		}
	})
}

// an inspector that asks for a flash has lost its mind: its traveller is referred, nothing flashes.
func TestA03FlashIsNotPlayed(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.says(0, protocol.FromInspector{Challenge: &protocol.Challenge{Schedule: []protocol.LightStep{{Colour: 0xFF0000, MS: 400}}}})
		r.pass(time.Second)
		if r.disp.light() != 0 || len(r.insp.told(0)) != 0 {
			t.Error("it was played")
		}
		if v := r.l.m.PReason; v != verdict.InspectorFault {
			t.Errorf("reason %s", v)
		}
	})
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		for range 4 * maxChallenges {
			r.says(0, gentle)
			r.pass(1700*time.Millisecond, 0)
		}
		if n := len(r.insp.told(0)); n > 4*maxChallenges {
			t.Errorf("%d steps were told to one traveller", n)
		}
	})
}
