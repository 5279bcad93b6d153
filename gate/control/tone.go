package control

import (
	"errors"
	"slices"
	"strings"

	"egate/gate"
	"egate/hal"
	"egate/health"
	"egate/verdict"
)

// said is a tone and, for an alarm, what for: an alarm that has ended by itself is heard again for another danger.
type said struct {
	tone hal.Tone
	why  string
}

// tone is what the sounder says of the gate, beside lamps and screen. A technician at work is not disturbed, and
// a gate asleep says nothing; danger is told whatever the gate does, but not to a technician whose enclosure stands
// open. Every referral sounds the same (P-11).
func (l *Loop) tone() said {
	m := &l.m
	if m.Mode == gate.ModeEmergency {
		return said{hal.ToneAlarm, m.Mode.String()}
	}
	if m.Mode == gate.ModeService || m.Mode == gate.ModeStandby {
		return said{}
	}
	var faults []string
	for f := range l.told {
		if f.Code == health.Tamper || f.Code == health.DoorForced {
			faults = append(faults, string(f.Code)+" "+f.Part)
		}
	}
	if m.Passage != gate.PasEmpty && danger(m.PReason) {
		faults = append(faults, m.PReason.String())
	}
	if len(faults) > 0 {
		slices.Sort(faults)
		return said{hal.ToneAlarm, strings.Join(faults, ", ")}
	}
	lit := gate.Lights(*m)
	switch {
	case m.Passage == gate.PasRefer || m.Reception == gate.RecRefer:
		return said{tone: hal.ToneCall}
	case m.Passage != gate.PasEmpty && (lit.EntryGreen || lit.ExitGreen):
		return said{tone: hal.ToneGo}
	}
	return said{}
}

func danger(r verdict.Reason) bool { return severity(r) == "danger" }

// sound tells the sounder, where the gate has one. It waits for nothing; a line that is lost is a fault of its own.
func (l *Loop) sound() {
	if l.p.Sounder == nil {
		return
	}
	now := l.tone()
	if now == l.sounds {
		return
	}
	var err error
	if now.tone == l.sounds.tone {
		err = l.p.Sounder.Sound(hal.ToneNone) // what has ended begins anew only so
	}
	l.sounds = now
	if err = errors.Join(err, l.p.Sounder.Sound(now.tone)); err != nil {
		l.log.Warn("control: sounder", "err", err)
	}
}
