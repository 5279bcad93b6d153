package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"egate/gate"
	"egate/hal"
	"egate/health"
)

// drive carries the commands of one door out, one after the other: a pulse takes its time, and the loop waits
// for none. An opening does not wait for a closing: it ends the pulse that is under way, with its line Low,
// and closings that were asked for before it are not carried out any more (D-05).
type drive struct {
	queue chan command

	mu    sync.Mutex
	opens uint64             // openings asked for
	stop  context.CancelFunc // ends the closing that is under way; nil: none
	since time.Time          // of the command under way; zero: none
}

// driveLimit is how long a command of a door may take: a pulse is at most hal.MaxPulse, and a line answers at once.
const driveLimit = 5 * time.Second

// stuck tells of a driver that does not come back.
func (d *drive) stuck() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.since.IsZero() && time.Since(d.since) > driveLimit
}

func (d *drive) begin(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = t
}

type command struct {
	f     func(context.Context, hal.Door) error
	dev   hal.Door
	close bool
	opens uint64 // asked for when it was asked for
}

type doorErr struct {
	door gate.Door
	err  error
}

func newDrive() *drive { return &drive{queue: make(chan command, doorQueue)} }

// ask queues a command and tells whether there was room.
func (d *drive) ask(k gate.ActionKind, dev hal.Door, f func(context.Context, hal.Door) error) bool {
	d.mu.Lock()
	if k == gate.ActOpen {
		d.opens++
		if d.stop != nil {
			d.stop()
		}
	}
	c := command{f: f, dev: dev, close: k == gate.ActClose, opens: d.opens}
	d.mu.Unlock()
	select {
	case d.queue <- c:
		return true
	default:
		return false
	}
}

// run carries commands out until ctx ends.
func (d *drive) run(ctx context.Context, failed func(error)) {
	for {
		select {
		case c := <-d.queue:
			d.begin(time.Now())
			err := d.do(ctx, c)
			d.begin(time.Time{})
			if err != nil && ctx.Err() == nil {
				failed(err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (d *drive) do(ctx context.Context, c command) error {
	if !c.close {
		return c.f(ctx, c.dev)
	}
	d.mu.Lock()
	if c.opens != d.opens {
		d.mu.Unlock()
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	d.stop = cancel
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.stop = nil
		d.mu.Unlock()
		cancel()
	}()
	return c.f(ctx, c.dev)
}

// door queues a command of one door. A full queue is a drive that does not follow.
func (l *Loop) door(k gate.ActionKind, d gate.Door, f func(context.Context, hal.Door) error) {
	dev := l.p.Doors.Entry()
	if d == gate.Exit {
		dev = l.p.Doors.Exit()
	}
	if !l.drives[d].ask(k, dev, f) {
		l.fault(health.DoorRefused, part(d), true)
	}
}

func part(d gate.Door) string {
	if d == gate.Exit {
		return health.PartExit
	}
	return health.PartEntry
}

// doorFailed is a command that the interlock refused or the line did not take: model and contacts disagree.
func (l *Loop) doorFailed(e doorErr) {
	if errors.Is(e.err, hal.ErrLost) || errors.Is(e.err, hal.ErrClosed) {
		l.log.Warn("control: door", "door", e.door.String(), "err", e.err)
		l.fault(health.LinesLost, health.PartLines, true)
		return
	}
	if errors.Is(e.err, context.Canceled) {
		return // a newer command took its place
	}
	l.log.Warn("control: door", "door", e.door.String(), "err", e.err)
	l.fault(health.DoorRefused, part(e.door), true)
	l.fault(health.DoorRefused, part(e.door), false)
}
