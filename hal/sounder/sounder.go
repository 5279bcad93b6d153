// Package sounder plays the tones of hal.Sounder on a line that sounds while it is High: an active buzzer or a horn with a
// driver of its own. The line never stays High between two steps of a pattern, so that a sounder is silent most of the
// time and speech of the traveller screen is heard beside it.
package sounder

import (
	"context"
	"errors"
	"sync"
	"time"

	"egate/hal"
)

// Bounds of every pattern, whoever asks for it.
const (
	MaxOnsets = 3                      // in any second
	MaxOn     = 500 * time.Millisecond // without a pause
	apart     = time.Second/MaxOnsets + time.Millisecond
)

// pattern is on, off, on, off …, and whether it begins again at its end.
type pattern struct {
	steps []time.Duration
	again bool
}

const ms = time.Millisecond

// patterns of the tones. None is the temporal three of ISO 8201 (three of half a second, a pause of a second and a half):
// that one means evacuation and belongs to the building.
var patterns = map[hal.Tone]pattern{
	hal.ToneGo:    {steps: []time.Duration{120 * ms}},
	hal.ToneCall:  {steps: []time.Duration{150 * ms, 250 * ms, 150 * ms, 5 * time.Second}, again: true},
	hal.ToneAlarm: {steps: []time.Duration{250 * ms, 250 * ms}, again: true},
	hal.ToneTest:  {steps: []time.Duration{120 * ms, 1500 * ms, 150 * ms, 250 * ms, 150 * ms, 1500 * ms, 250 * ms, 250 * ms, 250 * ms, 250 * ms, 250 * ms}},
}

// Sounder is one line. It implements hal.Sounder.
type Sounder struct {
	drive func(on bool) error
	limit time.Duration
	wake  chan struct{}
	stop  context.CancelFunc
	ended chan struct{}

	mu   sync.Mutex
	tone hal.Tone
	gen  int // of the tone: the player begins anew when it rises
	err  error
	over bool
}

// New makes a sounder of a line that drive sets; limit is the longest that one tone goes on, its pauses counted. A limit of
// zero is silence.
func New(drive func(on bool) error, limit time.Duration) *Sounder {
	ctx, stop := context.WithCancel(context.Background())
	s := &Sounder{drive: drive, limit: limit, wake: make(chan struct{}, 1), stop: stop, ended: make(chan struct{})}
	go s.play(ctx)
	return s
}

// Sound implements hal.Sounder.
func (s *Sounder) Sound(t hal.Tone) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return hal.ErrClosed
	}
	if t != s.tone {
		s.tone = t
		s.gen++
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	err := s.err
	s.err = nil
	return err
}

// Close implements hal.Sounder.
func (s *Sounder) Close() error {
	s.mu.Lock()
	first := !s.over
	s.over = true
	s.mu.Unlock()
	s.stop()
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	s.err = nil
	if !first || errors.Is(err, hal.ErrClosed) || errors.Is(err, hal.ErrLost) {
		return nil // the line is nobody's any more, and Low
	}
	return err
}

func (s *Sounder) set(on bool) {
	if err := s.drive(on); err != nil {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
	}
}

func (s *Sounder) want() (hal.Tone, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tone, s.gen
}

// play owns the line.
func (s *Sounder) play(ctx context.Context) {
	defer close(s.ended)
	defer s.set(false)
	timer := time.NewTimer(0)
	defer timer.Stop()
	s.set(false)
	var (
		now   pattern
		gen   int
		next  int       // step of the pattern that comes
		on    bool      // the line
		began time.Time // the tone
		onset time.Time // the last one, of whatever tone
	)
	silent := func() {
		if on {
			s.set(false)
		}
		on = false
	}
	for {
		woken := false
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			woken = true
		case <-timer.C:
		}
		t, g := s.want()
		if woken && g == gen {
			continue // seen already
		}
		at := time.Now()
		if g != gen {
			silent()
			now, gen, next, began = patterns[t], g, 0, at
		}
		if next == len(now.steps) && now.again {
			next = 0
		}
		if next >= len(now.steps) { // of a tone that is none, or has ended
			silent()
			continue
		}
		step := now.steps[next]
		sounds := next%2 == 0
		if sounds {
			if rest := apart - at.Sub(onset); !onset.IsZero() && rest > 0 { // after another tone
				silent()
				timer.Reset(rest)
				continue
			}
			if at.Add(step).Sub(began) > s.limit {
				silent()
				now = pattern{} // until another tone is asked for
				continue
			}
			onset = at
		}
		if sounds != on {
			s.set(sounds)
			on = sounds
		}
		next++
		timer.Reset(step)
	}
}
