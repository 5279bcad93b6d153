package plant

import "time"

// DoorConfig describes one door and its drive.
type DoorConfig struct {
	TravelMM  float64 // clear width when open
	SpeedMMS  float64 // speed of the opening, mm/s
	AccelMMS2 float64 // what the motor makes of the leaf's inertia, mm/s²
	// Slow multiplies the speed of a worn motor; 0 means 1.
	Slow float64
}

// Unpowered is where a door goes without power, and when no controller drives the release line (D-03).
type Unpowered uint8

// Positions without power.
const (
	Opens  Unpowered = iota // by a spring or a battery
	Pushed                  // unlocked: who stands before it pushes it open
	Shuts                   // by its drive or a closer, bolted; opened by the fire loop and by its own release line
)

// UnpoweredOf reads the word of a configuration: open, free or shut.
func UnpoweredOf(word string) Unpowered {
	switch word {
	case "free":
		return Pushed
	case "shut":
		return Shuts
	}
	return Opens
}

// rule is who moves a drive in a step.
type rule uint8

const (
	obeys    rule = iota // pulses
	released             // it opens
	letGo                // nobody but who pushes
	shuts                // it closes
)

const (
	// reachMM is from how far somebody pushes a door.
	reachMM = 400.0
	// contactMM is where the end contacts switch.
	contactMM = 5.0
	// backMM is how far the drive gives way after it met something: its own force limit, below any
	// software (D-04).
	backMM = 150.0
	// lockWait is how long a drive that was told to open keeps pulling at an engaged lock.
	lockWait = 2 * time.Second
)

// door is one leaf with its drive. order is where the drive wants to go.
type door struct {
	name      string
	x         float64
	cfg       DoorConfig
	pos, vel  float64 // clear width and its change, mm and mm/s
	want      int     // -1 closing, 0 at rest, +1 opening
	stopAt    float64 // where an opening ends
	since     time.Duration
	lock      bool // the bolt falls when the leaf is closed
	unpowered Unpowered
	own       *output // its own release line, where it has one
	forced    time.Duration
	beamSince time.Duration
	hits      int // times that the leaf met something

	beam         *input
	closed, open *contact // nil where there is no leaf
}

func newDoor(name string, x float64, cfg DoorConfig) *door {
	return &door{name: name, x: x, cfg: cfg, stopAt: cfg.TravelMM}
}

func (d *door) order(want int, now time.Duration) {
	d.want, d.since, d.stopAt = want, now, d.cfg.TravelMM
}

// step moves the leaf. obstacle is the width of what stands in the plane, 0 for nothing; pushed tells that somebody
// stands before it.
func (d *door) step(dt, now time.Duration, by rule, obstacle float64, pushed bool) {
	s := dt.Seconds()
	forced := now < d.forced
	switch {
	case by == released || forced || by == letGo && pushed:
		d.want, d.stopAt, d.since = +1, d.cfg.TravelMM, now
	case by == letGo:
		d.want, d.vel = 0, 0
	case by == shuts && d.beam.high:
		d.want, d.vel = 0, 0 // its own safety beam: no software is asked
	case by == shuts && d.pos > 0 && d.want == 0:
		d.want, d.since = -1, now
	}
	bolt := d.lock && (by == obeys || by == shuts) && !forced && d.pos <= contactMM
	if d.want > 0 && bolt {
		d.vel = 0
		if now-d.since > lockWait {
			d.want = 0
		}
		return
	}
	speed := d.cfg.SpeedMMS
	if d.cfg.Slow > 0 {
		speed *= d.cfg.Slow
	}
	target := d.stopAt
	if d.want < 0 {
		target = 0
	}
	if d.want == 0 {
		d.vel = 0
		return
	}
	dist := target - d.pos
	dir := 1.0
	if dist < 0 {
		dir = -1
	}
	// The fastest speed from which the leaf still stops at the target.
	limit := min(speed, sqrt(2*d.cfg.AccelMMS2*abs(dist)))
	v := d.vel + dir*d.cfg.AccelMMS2*s
	if v*dir > limit {
		v = dir * limit
	}
	d.vel = v
	next := d.pos + v*s
	// A leaf that moves on by its inertia meets a body just as one that is driven.
	if next < d.pos && obstacle > 0 && next < obstacle && d.pos >= obstacle-1 {
		d.vel, d.pos = 0, max(d.pos, obstacle)
		d.hits++
		if d.want < 0 {
			// The drive's force limit stops it and gives way a little.
			d.want, d.stopAt = +1, min(d.pos+backMM, d.cfg.TravelMM)
		}
		return
	}
	if (dir > 0 && next >= target) || (dir < 0 && next <= target) || abs(dist) < 0.5 {
		next, d.vel, d.want = target, 0, 0
	}
	d.pos = min(max(next, 0), d.cfg.TravelMM)
}
