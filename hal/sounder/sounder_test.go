package sounder

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"egate/hal"
	"egate/hal/haltest"
)

// ear is a line that remembers.
type ear struct {
	mu   sync.Mutex
	on   bool
	gone bool
	all  []haltest.Sounding
}

func (e *ear) set(on bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return hal.ErrLost
	}
	if on != e.on {
		e.on = on
		e.all = append(e.all, haltest.Sounding{At: time.Now(), On: on})
	}
	return nil
}

func (e *ear) heard() []haltest.Sounding {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]haltest.Sounding(nil), e.all...)
}

func TestA03Conformance(t *testing.T) {
	for _, limit := range []time.Duration{10 * time.Second, 30 * time.Second, 2 * time.Minute} {
		t.Run(limit.String(), func(t *testing.T) {
			haltest.Sounder(t, func(t *testing.T) haltest.SounderBench {
				e := &ear{}
				s := New(e.set, limit)
				t.Cleanup(func() { _ = s.Close() })
				synctest.Wait()
				return haltest.SounderBench{Sounder: s, Limit: limit, Heard: e.heard, Unplug: func() {
					e.mu.Lock()
					defer e.mu.Unlock()
					if e.on { // whoever hears it: a line without voltage is silent
						e.on = false
						e.all = append(e.all, haltest.Sounding{At: time.Now()})
					}
					e.gone = true
				}}
			})
		})
	}
}

// a limit of nothing is a gate that says nothing, and one shorter than a tone is kept too.
func TestA03Limit(t *testing.T) {
	for limit, want := range map[time.Duration]int{0: 0, 100 * time.Millisecond: 0, 300 * time.Millisecond: 1, 760 * time.Millisecond: 2} {
		synctest.Test(t, func(t *testing.T) {
			e := &ear{}
			s := New(e.set, limit)
			defer s.Close()
			if err := s.Sound(hal.ToneAlarm); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			n := 0
			for _, h := range e.heard() {
				if h.On {
					n++
				}
			}
			if n != want {
				t.Errorf("limit %v: sounded %d times, want %d", limit, n, want)
			}
		})
	}
}

// every pattern keeps the bounds by itself.
func TestA03Patterns(t *testing.T) {
	for tone, p := range patterns {
		steps := p.steps
		if p.again {
			if len(steps)%2 != 0 {
				t.Errorf("%v: two sounds without a pause where it begins again", tone)
			}
			steps = append(append([]time.Duration(nil), steps...), steps...)
		}
		for i := 0; i < len(steps); i += 2 {
			if steps[i] > MaxOn {
				t.Errorf("%v sounds for %v", tone, steps[i])
			}
			if i+1 < len(steps) && steps[i]+steps[i+1] < apart {
				t.Errorf("%v begins again after %v", tone, steps[i]+steps[i+1])
			}
		}
	}
}
