package control

import (
	"egate/gate"
	"egate/hal"
	"egate/health"
	"egate/verdict"
)

// tone is what the sounder says of the gate, beside lamps and screen. A technician at work is not disturbed, and
// a gate asleep says nothing; danger is told whatever the gate does, but not to a technician whose enclosure stands
// open. Every referral sounds the same (P-11).
func (l *Loop) tone() hal.Tone {
	m := &l.m
	if m.Mode == gate.ModeEmergency {
		return hal.ToneAlarm
	}
	if m.Mode == gate.ModeService || m.Mode == gate.ModeStandby {
		return hal.ToneNone
	}
	for f := range l.told {
		if f.Code == health.Tamper || f.Code == health.DoorForced {
			return hal.ToneAlarm
		}
	}
	lit := gate.Lights(*m)
	switch {
	case m.Passage != gate.PasEmpty && danger(m.PReason):
		return hal.ToneAlarm
	case m.Passage == gate.PasRefer || m.Reception == gate.RecRefer:
		return hal.ToneCall
	case m.Passage != gate.PasEmpty && (lit.EntryGreen || lit.ExitGreen):
		return hal.ToneGo
	}
	return hal.ToneNone
}

func danger(r verdict.Reason) bool { return severity(r) == "danger" }

// sound tells the sounder, where the gate has one. It waits for nothing; a line that is lost is a fault of its own.
func (l *Loop) sound() {
	if l.p.Sounder == nil {
		return
	}
	t := l.tone()
	if t == l.sounds {
		return
	}
	l.sounds = t
	if err := l.p.Sounder.Sound(t); err != nil {
		l.log.Warn("control: sounder", "err", err)
	}
}
