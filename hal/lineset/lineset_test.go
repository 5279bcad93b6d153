package lineset

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
)

// wires are lines that remember.
type wires struct {
	hal.Lines
	lit map[string]gpio.Level
	err error
}

func (w *wires) Set(n string, v gpio.Level) error {
	if w.err == nil {
		w.lit[n] = v
	}
	return w.err
}
func (w *wires) Err() error   { return w.err }
func (w *wires) Close() error { w.err = errors.Join(hal.ErrClosed, w.err); return nil }

// C-11: a bus that is lost takes its lamps and nothing else, is tried again once a second at most, and its lamps are
// then as they were last wanted, whether they could be driven or not.
func TestC11BusLostAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := &wires{lit: map[string]gpio.Level{}}
		var strip *wires
		opened, there := 0, false
		var told []bool
		s := Join(gate, Bus{Name: "strip", Lamps: []string{"red", "green"}, Lost: func(on bool) { told = append(told, on) },
			Open: func() (hal.Lines, error) {
				opened++
				if !there {
					return nil, errors.New("no such device")
				}
				strip = &wires{lit: map[string]gpio.Level{}}
				return strip, nil
			}})
		for range 3 {
			if err := s.Set("red", gpio.High); !errors.Is(err, hal.ErrLost) {
				t.Fatalf("no strip: %v", err)
			}
		}
		if err := s.Set("lock", gpio.High); err != nil || !gate.lit["lock"] || s.Err() != nil {
			t.Errorf("a lock suffers from a lamp: %v", err)
		}
		there = true
		if err := s.Set("green", gpio.Low); !errors.Is(err, hal.ErrLost) || opened != 1 {
			t.Errorf("tried %d times in no time: %v", opened, err)
		}
		time.Sleep(pause)
		if err := s.Set("green", gpio.High); err != nil || !strip.lit["red"] || !strip.lit["green"] {
			t.Errorf("back: %v %v", strip.lit, err)
		}
		strip.err = hal.ErrLost
		if err := s.Set("red", gpio.Low); !errors.Is(err, hal.ErrLost) {
			t.Errorf("lost: %v", err)
		}
		time.Sleep(pause)
		if err := s.Set("green", gpio.High); err != nil || strip.lit["red"] || !strip.lit["green"] {
			t.Errorf("back again: %v %v", strip.lit, err)
		}
		if told = slices.Compact(told); !slices.Equal(told, []bool{true, false, true, false}) {
			t.Errorf("told %v", told)
		}
		gate.err = hal.ErrLost // no lamp shines on a gate whose lines are gone as if it worked
		if err := s.Set("green", gpio.Low); !errors.Is(err, hal.ErrLost) || strip.lit["green"] != gpio.High {
			t.Errorf("lines lost: %v", err)
		}
		s.Close()
		if err := s.Set("green", gpio.High); !errors.Is(err, hal.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}
