// Package clock is the gate's wall time and whether certificate decisions may rest on it (E-07).
//
// Logic uses monotonic time. Wall time stands in events and decides about certificates and documents; it never runs behind
// the latest of build time, journal and what the centre has signed. It is trusted while the centre has signed it within a
// day, as the answer to a question of this gate's own, and the system's clock has not jumped since; two persons can
// confirm it where there is no centre. A clock that has once been told the time runs by itself: the system's
// clock is then watched, not followed.
package clock

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Why is the reason for which time is not trusted.
type Why string

// Reasons.
const (
	Trusted Why = ""
	Unset   Why = "unset"  // the system's clock is behind what is known: it was dead or never set
	Jumped  Why = "jumped" // the system's clock and the monotonic one went apart
	Stale   Why = "stale"  // nobody has confirmed the time for a day
)

// Limits of time.
const (
	MaxAge  = 24 * time.Hour  // without trusted time
	MaxStep = 2 * time.Second // of the system's clock against the monotonic one, between two looks
	MaxWay  = 5 * time.Second // from question to answer
	Every   = time.Second     // how often somebody should look
	drift   = 5000            // one part in so many that clocks may go apart: 200 ppm
)

// Sources are the clocks of the machine.
type Sources struct {
	Wall func() time.Time     // may jump
	Mono func() time.Duration // never does; goes on while the machine sleeps
}

// Known is what is known at the start.
type Known struct {
	Built   time.Time // the program
	Journal time.Time // latest trusted time in the journal
	Signed  time.Time // latest time that was signed or confirmed
}

// Row is what the journal keeps of it.
func (k Known) Row() string {
	return k.Journal.UTC().Format(time.RFC3339) + " " + k.Signed.UTC().Format(time.RFC3339)
}

// ParseRow reads a row of the journal; an empty one knows nothing.
func ParseRow(row string) (k Known, err error) {
	if row == "" {
		return k, nil
	}
	a, b, _ := strings.Cut(row, " ")
	var err1, err2 error
	k.Journal, err1 = time.Parse(time.RFC3339, a)
	k.Signed, err2 = time.Parse(time.RFC3339, b)
	if err := errors.Join(err1, err2); err != nil {
		return Known{}, errors.New("clock: the journal's row of the time is damaged")
	}
	return k, nil
}

// Clock may be used by several goroutines.
type Clock struct {
	src   Sources
	built time.Time

	mu     sync.Mutex
	base   time.Time     // the time at …
	at     time.Duration // … this monotonic reading
	own    bool          // runs by itself from base; else it follows the system's clock, never behind base
	signed time.Time     // last confirmation
	why    Why
	wall   time.Time // at the last look
	mono   time.Duration
}

// New starts a clock with what is known.
func New(src Sources, k Known) *Clock {
	c := &Clock{src: src, built: k.Built, signed: k.Signed, base: k.Built}
	for _, t := range []time.Time{k.Journal, k.Signed} {
		if t.After(c.base) {
			c.base = t
		}
	}
	c.wall, c.mono = src.Wall(), src.Mono()
	c.at = c.mono
	if c.wall.Before(c.base.Add(-MaxStep)) {
		c.why, c.own = Unset, true
	}
	c.age(c.now(c.mono, c.wall))
	return c
}

// now is the time at a reading; mu is held.
func (c *Clock) now(mono time.Duration, wall time.Time) time.Time {
	switch {
	case c.own:
		return c.base.Add(mono - c.at)
	case wall.After(c.base):
		return wall
	}
	return c.base
}

// age notes that nobody has confirmed the time for too long; mu is held.
func (c *Clock) age(now time.Time) {
	if c.why == Trusted && now.Sub(c.signed) > MaxAge {
		c.why = Stale
	}
}

// Look compares the machine's clocks with the last look, and tells the reason for which time is not trusted.
func (c *Clock) Look() Why {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.look()
}

func (c *Clock) look() Why {
	wall, mono := c.src.Wall(), c.src.Mono()
	passed := mono - c.mono
	if off := wall.Sub(c.wall.Add(passed)); off.Abs() > MaxStep+passed/drift {
		if !c.own { // go on from before the jump
			c.base, c.at, c.own = c.now(c.mono, c.wall), c.mono, true
		}
		if c.why == Trusted || c.why == Stale {
			c.why = Jumped
		}
	}
	c.wall, c.mono = wall, mono
	if !c.own { // a small step back is waited out
		c.base, c.at = c.now(mono, wall), mono
	}
	c.age(c.now(mono, wall))
	return c.why
}

// Now is the time, whether it is trusted or not.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	return c.now(c.mono, c.wall).UTC()
}

// Trusted tells whether certificates and documents may be judged by Now.
func (c *Clock) Trusted() bool { return c.Look() == Trusted }

// Known is what the journal should keep: its time rises only while it is trusted.
func (c *Clock) Known() Known {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	k := Known{Journal: c.built, Signed: c.signed}
	if c.why == Trusted {
		k.Journal = c.now(c.mono, c.wall)
	} else if c.signed.After(k.Journal) {
		k.Journal = c.signed
	}
	return k
}

// Mono is the reading to remember with a question.
func (c *Clock) Mono() time.Duration { return c.src.Mono() }

// Signed takes the time that the centre has signed as the answer to a question that was asked at a monotonic reading. It
// returns by how much this clock was behind.
func (c *Clock) Signed(at time.Time, asked time.Duration) (behind time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	way := c.mono - asked
	if way < 0 || way > MaxWay {
		return 0, fmt.Errorf("clock: the answer took %s, %s are the most", way.Round(time.Millisecond), MaxWay)
	}
	t := at.Add(way / 2)
	floor := c.built
	if c.signed.After(floor) {
		floor = c.signed
	}
	if c.own && c.why == Trusted {
		floor = c.base.Add(c.mono - c.at)
	}
	if slack := MaxStep + (c.mono-c.at)/drift; t.Before(floor.Add(-slack)) {
		return 0, fmt.Errorf("clock: the centre says %s, and it is later than %s for sure: look at the centre's clock", t.UTC().Format(time.RFC3339), floor.UTC().Format(time.RFC3339))
	}
	behind = t.Sub(c.now(c.mono, c.wall))
	c.set(t)
	return behind, nil
}

// Confirm takes the time that two persons have confirmed. It may lie before what the journal says, which a clock that was
// wrong has written, and not before the program.
func (c *Clock) Confirm(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	if t.Before(c.built) {
		return fmt.Errorf("clock: %s is before this program was built", t.UTC().Format(time.RFC3339))
	}
	c.set(t)
	return nil
}

func (c *Clock) set(t time.Time) {
	c.base, c.at, c.own, c.why = t, c.mono, true, Trusted
	c.signed = t
}
