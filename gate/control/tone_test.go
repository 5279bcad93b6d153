package control

import (
	"slices"
	"sync"
	"testing"
	"time"

	"egate/api"
	"egate/gate"
	"egate/hal"
	"egate/health"
	"egate/inspect/protocol"
	"egate/verdict"
)

// fakeSounder notes what it was asked for.
type fakeSounder struct {
	mu    sync.Mutex
	asked []hal.Tone
}

func (f *fakeSounder) Sound(t hal.Tone) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, t)
	return nil
}
func (f *fakeSounder) Close() error { return nil }
func (f *fakeSounder) tones() []hal.Tone {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// A-03, P-11: every reason for which somebody is referred, at the reader or inside, sounds the same, a hit of the centre
// too; what endangers somebody is heard as danger; a technician is left in peace, an emergency is told to him too.
func TestA03Tones(t *testing.T) {
	base := gate.New(gate.Mantrap, true)
	base.Mode = gate.ModeOpen
	with := func(f func(m *gate.Model)) gate.Model { m := base; f(&m); return m }
	tone := func(m gate.Model, told ...health.Code) hal.Tone {
		l := &Loop{m: m, told: map[latched]bool{}}
		for _, c := range told {
			l.told[latched{c, health.PartController}] = true
		}
		return l.tone().tone
	}
	heard := 0
	for _, r := range verdict.Reasons() {
		want := hal.ToneCall
		if danger(r) {
			want = hal.ToneAlarm
		}
		if got := tone(with(func(m *gate.Model) { m.Passage, m.PReason = gate.PasRefer, r })); got != want {
			t.Errorf("referred inside for %v: %v", r, got)
		}
		if got := tone(with(func(m *gate.Model) { m.Reception, m.RReason = gate.RecRefer, r })); got != hal.ToneCall {
			t.Errorf("referred at the reader for %v: %v", r, got)
		}
		heard++
	}
	if heard < 20 {
		t.Fatalf("%d reasons were tried", heard)
	}
	for name, c := range map[string]struct {
		m    gate.Model
		told []health.Code
		want hal.Tone
	}{
		"nobody there":               {base, nil, hal.ToneNone},
		"the entry opens":            {with(func(m *gate.Model) { m.Passage, m.Cmd[gate.Entry] = gate.PasAdmit, gate.CmdOpen }), nil, hal.ToneGo},
		"the entry has not opened":   {with(func(m *gate.Model) { m.Passage = gate.PasAdmit }), nil, hal.ToneNone},
		"a face is captured":         {with(func(m *gate.Model) { m.Passage = gate.PasCapture }), nil, hal.ToneNone},
		"emergency":                  {with(func(m *gate.Model) { m.Mode = gate.ModeEmergency }), nil, hal.ToneAlarm},
		"tamper":                     {base, []health.Code{health.Tamper}, hal.ToneAlarm},
		"a forced door":              {base, []health.Code{health.DoorForced}, hal.ToneAlarm},
		"another fault":              {base, []health.Code{health.CameraLost}, hal.ToneNone},
		"open enclosure, in service": {with(func(m *gate.Model) { m.Mode = gate.ModeService }), []health.Code{health.Tamper}, hal.ToneNone},
		"the doors are tested": {with(func(m *gate.Model) {
			m.Mode, m.Passage, m.Cmd[gate.Entry] = gate.ModeService, gate.PasTest, gate.CmdOpen
		}), nil, hal.ToneNone},
		"asleep":                         {with(func(m *gate.Model) { m.Mode = gate.ModeStandby }), nil, hal.ToneNone},
		"one-step, inviting for an hour": {with(func(m *gate.Model) { m.Topology, m.Reception = gate.OneStep, gate.RecNotice }), nil, hal.ToneNone},
	} {
		if got := tone(c.m, c.told...); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// a passage as it is heard: a tone as each door opens, silence between; the call of a referral; silence when a
// technician comes; and the alarm of the fire loop, whoever is there. Each is asked for once.
func TestA03PassageIsHeard(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: verdict.NoFace}})
		want := []hal.Tone{hal.ToneGo, hal.ToneNone, hal.ToneCall}
		if got := r.horn.tones(); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		r.sense(gate.Event{Kind: gate.EvFire, Tri: gate.Low})
		r.pass(time.Second)
		if got := r.horn.tones(); got[len(got)-1] != hal.ToneAlarm {
			t.Errorf("%v", got)
		}
	})
	loop(t, func(r *rig) {
		r.board.Set(health.Tamper, health.PartController, true) // the round finds it
		r.pass(time.Second)
		if got := r.horn.tones(); !slices.Equal(got, []hal.Tone{hal.ToneAlarm}) {
			t.Fatalf("%v", got)
		}
		r.sense(gate.Event{Kind: gate.EvFire, Tri: gate.Low}) // another danger, while the first waits for an officer
		if got := r.horn.tones(); !slices.Equal(got, []hal.Tone{hal.ToneAlarm, hal.ToneNone, hal.ToneAlarm}) {
			t.Fatalf("fire after tamper: %v", got)
		}
	})
	loop(t, func(r *rig) {
		r.board.Set(health.Tamper, health.PartController, true)
		r.pass(time.Second)
		if a := r.order(api.Command{Name: "gate_service"}); a.Result != "accepted" {
			t.Fatalf("%+v", a)
		}
		r.pass(time.Second)
		if got := r.horn.tones(); !slices.Equal(got, []hal.Tone{hal.ToneAlarm, hal.ToneNone}) {
			t.Errorf("a technician at work hears %v", got)
		}
	})
}
