package pulse

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
)

// D-09: however long a pulse is asked for, the line is High for at most hal.MaxPulse, and Low at the end
// of every path.
func TestD09Pulse(t *testing.T) {
	for name, c := range map[string]struct {
		d, cancel, gone, high time.Duration
		fail                  int // call of set that fails
		err                   error
		level                 gpio.Level
	}{
		"plain":       {d: 100 * time.Millisecond, high: 100 * time.Millisecond},
		"capped":      {d: time.Hour, high: hal.MaxPulse},
		"cancelled":   {d: time.Second, cancel: 30 * time.Millisecond, high: 30 * time.Millisecond, err: context.Canceled},
		"device lost": {d: time.Second, gone: 20 * time.Millisecond, err: hal.ErrLost, level: gpio.High, high: -1},
		"high failed": {d: time.Second, fail: 1, err: hal.ErrTimeout},
		"no length":   {d: 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				gone := make(chan struct{})
				if c.cancel > 0 {
					time.AfterFunc(c.cancel, cancel)
				}
				if c.gone > 0 {
					time.AfterFunc(c.gone, func() { close(gone) })
				}
				var level gpio.Level
				var up time.Time
				var high time.Duration
				calls := 0
				err := Run(ctx, NewTurn(), gone, func() error { return hal.ErrLost }, func(l gpio.Level) error {
					calls++
					if calls == c.fail {
						return hal.ErrTimeout
					}
					if l && !level {
						up = time.Now()
					} else if !l && level {
						high += time.Since(up)
					}
					level = l
					return nil
				}, c.d)
				if c.d == 0 {
					if err == nil || calls != 0 {
						t.Fatal(err, calls)
					}
					return
				}
				if !errors.Is(err, c.err) || level != c.level || c.high >= 0 && high != c.high {
					t.Errorf("%v, %v, high for %v", err, level, high)
				}
			})
		})
	}
}

func TestPulsesFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn, start := NewTurn(), time.Now()
		done := make(chan error)
		for range 3 {
			go func() {
				done <- Run(context.Background(), turn, nil, nil, func(gpio.Level) error { return nil }, time.Second)
			}()
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if time.Since(start) != 3*time.Second {
			t.Error(time.Since(start))
		}
	})
}
