package run

import (
	"context"
	"math"
	"sync"
	"time"

	"egate/display"
	"egate/sim/people"
	"egate/sim/plant"
	"egate/sim/scenario"
)

// What a traveller takes to do things: assumptions, stated once.
const (
	readTime   = 700 * time.Millisecond // to read an instruction and act
	layTime    = 500 * time.Millisecond // to lay a passport down
	headLag    = 250 * time.Millisecond // of the head behind the dot
	headDegree = 17.0                   // yaw at the edge of the screen
	atReader   = -700.0                 // mm: where one stands to lay a document down
	atCapture  = 950.0                  // mm: the marked spot in the mantrap
	beyond     = 2500.0                 // mm: well across the border
	away       = -1600.0                // mm: back in the hall
)

// traveller acts as the screen says, with the delays of a person.
type traveller struct {
	sc   *scenario.Scenario
	who  *people.Walker
	pl   *plant.Plant
	scr  *Screen
	ends FarEnds
	pass *Passport
	say  func(string, ...any)

	mu       sync.Mutex
	laid     bool
	lifted   bool // for good
	held     bool // somebody else decides where the feet go
	standing bool // before the camera
	done     chan struct{}
	left     []*people.Thing
}

// dropped are the things that the traveller left behind.
func (t *traveller) dropped() []*people.Thing {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left
}

// pause waits as a person does; it returns false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// act runs until the traveller has left the gate or ctx ends.
func (t *traveller) act(ctx context.Context) {
	wake, end := t.scr.Changes()
	defer end()
	go t.head(ctx)
	last := ""
	for {
		sc, ok := t.scr.Current()
		if ok && sc.Name != last {
			last = sc.Name
			t.react(ctx, sc)
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

func (t *traveller) react(ctx context.Context, sc display.Screen) {
	if t.who.X(t.pl) > t.pl.View().Length() {
		return // through: what the screen says is for others
	}
	zone := t.sc.Topology == scenario.OneStep // screen, reader and camera are where the traveller stands
	inside := t.who.X(t.pl) > 0 && !zone
	switch sc.Name {
	case display.ScreenNotice:
		if inside || t.done == nil || t.isLifted() || t.sc.Traveller.Notice == "waits" {
			return
		}
		if zone {
			t.walk(atCapture)
			if t.pl.Wait(ctx, func(plant.View) bool { return t.who.Standing() }) != nil {
				return
			}
		}
		if !pause(ctx, readTime) {
			return
		}
		touch := display.TouchAccept
		if t.sc.Traveller.Notice == "declines" {
			touch = display.TouchDecline
		}
		if err := t.scr.Touch(ctx, touch); err != nil {
			t.say("touch %s: %v", touch, err)
		}
		if touch == display.TouchDecline {
			t.finishDocument()
			t.walk(away)
		}
	case display.ScreenPlace, display.ScreenReading:
		if !inside && pause(ctx, layTime) {
			t.lay()
		}
	case display.ScreenLift:
		if pause(ctx, readTime) {
			if zone {
				t.stand()
			}
			t.lift()
			t.finishDocument()
		}
	case display.ScreenEnter:
		t.lift()
		t.finishDocument()
		if t.sc.Traveller.Enters == "never" {
			t.walk(away)
			return
		}
		t.stand()
		if pause(ctx, readTime/2) {
			t.walk(atCapture)
		}
	case display.ScreenGo:
		if t.sc.Traveller.Leaves == "never" {
			return
		}
		if t.sc.Traveller.Leaves == "without the suitcase" {
			thing, err := t.who.DropCase(t.pl)
			if err != nil {
				t.say("%v", err)
			} else {
				t.mu.Lock()
				t.left = append(t.left, thing)
				t.mu.Unlock()
			}
		}
		if pause(ctx, readTime/2) {
			t.walk(beyond)
		}
	case display.ScreenRefer:
		if t.isLaid() && pause(ctx, readTime) {
			t.lift()
		}
		t.finishDocument()
		if zone && !t.isStanding() {
			t.walk(away) // to the officer; the zone is for the next one
		}
		if !inside {
			return // waits for the officer beside the gate
		}
	case display.ScreenLeaveBack, display.ScreenOneAtATime, display.ScreenRecovering:
		t.lift()
		t.finishDocument()
		if pause(ctx, readTime) {
			t.walk(away)
		}
	}
}

// walk sends the traveller somewhere unless the scenario has taken over.
func (t *traveller) walk(x float64) {
	t.mu.Lock()
	held := t.held
	t.mu.Unlock()
	if !held {
		t.who.WalkTo(t.pl, x)
	}
}

// hold takes the feet over (true) or gives them back.
func (t *traveller) hold(on bool) {
	t.mu.Lock()
	t.held = on
	t.mu.Unlock()
}

func (t *traveller) lay() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.laid || t.lifted || t.pass == nil {
		return
	}
	t.laid = true
	if err := t.ends.Scanner.Lay(t.pass.Lines); err != nil {
		t.say("scanner: %v", err)
	}
	t.ends.Reader.Lay(t.pass.Chip)
}

func (t *traveller) lift() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.laid {
		return
	}
	t.laid = false
	t.ends.Reader.Lift()
	if err := t.ends.Scanner.Lift(); err != nil {
		t.say("scanner: %v", err)
	}
}

// slip takes the passport off the antenna for d and puts it back.
func (t *traveller) slip(ctx context.Context, d time.Duration) {
	t.mu.Lock()
	laid := t.laid
	t.mu.Unlock()
	if !laid {
		t.say("the passport does not lie on the reader: it cannot be taken away")
		return
	}
	t.ends.Reader.Lift()
	if pause(ctx, d) {
		t.mu.Lock()
		if t.laid {
			t.ends.Reader.Lay(t.pass.Chip)
		}
		t.mu.Unlock()
	}
}

func (t *traveller) finishDocument() {
	t.mu.Lock()
	t.lifted = true
	t.mu.Unlock()
}

func (t *traveller) isLifted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lifted
}

func (t *traveller) isStanding() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.standing
}

func (t *traveller) isLaid() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.laid
}

// stand puts the face, or what is held before it, into the camera's view.
func (t *traveller) stand() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.standing {
		return
	}
	t.standing = true
	holder := t.sc.Document.Holder
	if holder == "" {
		holder = holders[0]
	}
	who := holder
	var sheet *scenario.Sheet
	var panel *scenario.Panel
	if t.sc.Traveller.Shows == "print" {
		sheet = t.sc.Traveller.Sheet
	} else if t.sc.Traveller.Shows == "screen" {
		panel = t.sc.Traveller.Panel
	} else if t.sc.Traveller.Face == "other" {
		who = other(holder)
	}
	if err := t.ends.Camera.Stand(who, sheet, panel); err != nil {
		t.say("camera: %v", err)
	}
}

// holders are the two portraits that there are.
var holders = [2]string{"astronaut", "admiral"}

func other(who string) string {
	if who == holders[0] {
		return holders[1]
	}
	return holders[0]
}

// head follows the dot with the lag of a person.
func (t *traveller) head(ctx context.Context) {
	const frame = 20 * time.Millisecond
	tick := time.NewTicker(frame)
	defer tick.Stop()
	yaw := 0.0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		target := 0.0
		if sc, ok := t.scr.Current(); ok && sc.DotX != nil && t.sc.Traveller.Turns != "no" {
			target = headDegree * min(1, max(-1, *sc.DotX))
		}
		next := yaw + (target-yaw)*(1-math.Exp(-float64(frame)/float64(headLag)))
		if math.Abs(next-yaw) > 1e-3 {
			t.ends.Camera.Look(next)
		}
		yaw = next
	}
}
