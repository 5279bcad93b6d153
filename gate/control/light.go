package control

import (
	"slices"
	"time"

	"egate/gate"
	"egate/inspect/protocol"
)

// lightTimer is the loop's own timer of the light challenge; the machine has no such timer.
const lightTimer gate.Timer = 220

// maxChallenges is how many light challenges one traveller is shown: a capture begins anew now and then.
const maxChallenges = 6

// challenge is the light challenge that is played on screen and lamps, for one inspector.
type challenge struct {
	slot, gen int
	steps     []protocol.LightStep
	next      int
	colour    uint32 // shown now, zero for none
	ended     time.Time
}

// challenged begins to play a light challenge (A-03: a schedule that is not gentle ends its inspector). It plays only
// while a face is captured: nobody reads then. What comes at another time or while one is playing is not played, and
// the inspector says that it was not evaluated.
func (l *Loop) challenged(i int, t *trip, c protocol.Challenge) {
	if err := c.Validate(); err != nil {
		l.log.Warn("control: light challenge", "err", err)
		l.misbehaved(i, "challenge")
		return
	}
	if t != l.trips[gate.LanePassage] || l.m.Passage != gate.PasCapture || l.light.steps != nil || t.challenges >= maxChallenges {
		return
	}
	t.challenges++
	l.light = challenge{slot: i, gen: l.slots[i].gen, steps: slices.Clone(c.Schedule), ended: l.light.ended}
	// After an end as after a step: no faster than three changes a second.
	l.startTimer(lightTimer, max(0, protocol.MinLightMS*time.Millisecond-time.Since(l.light.ended)))
}

// lit shows the next step and tells its inspector when.
func (l *Loop) lit() {
	c := &l.light
	if c.steps == nil {
		return
	}
	told := protocol.Shown{Index: c.next}
	over := c.next >= len(c.steps)
	if over {
		slot := c.slot
		l.dark()
		told.T = protocol.Monotonic()
		l.p.Inspectors.Send(slot, protocol.ToInspector{Shown: &told})
		return
	}
	s := c.steps[c.next]
	c.next++
	c.colour = s.Colour
	l.sendLamps()
	l.show()
	told.T = protocol.Monotonic()
	l.p.Inspectors.Send(c.slot, protocol.ToInspector{Shown: &told})
	l.startTimer(lightTimer, time.Duration(s.MS)*time.Millisecond)
}

// dark ends the light challenge.
func (l *Loop) dark() {
	l.stopTimer(lightTimer)
	l.light = challenge{ended: time.Now()}
	l.sendLamps()
	l.show()
}

// keepLight ends a light challenge whose capture is over.
func (l *Loop) keepLight() {
	c := &l.light
	if c.steps != nil && (l.m.Passage != gate.PasCapture || c.gen != l.slots[c.slot].gen || l.slots[c.slot].ending) {
		l.dark()
	}
}

// lampSet is what the lamps show: those of the machine, and the colours of the light.
type lampSet struct {
	gate.Lamps
	r, g, b bool
}

// lampsNow is the present picture of the lamps.
func (l *Loop) lampsNow() lampSet {
	w := lampSet{Lamps: gate.Lights(l.m)}
	w.r, w.g, w.b = w.Light, w.Light, w.Light
	if w.Light && l.light.colour != 0 {
		w.r, w.g, w.b = protocol.LightStep{Colour: l.light.colour}.Lamps()
	}
	return w
}
