package control

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/gate"
	"egate/hal"
	"egate/hal/doors"
)

// pulses are lines that note when an output moves; both outputs of one door are never high together.
type pulses struct {
	hal.Lines
	t     *testing.T
	begin time.Time
	mu    sync.Mutex
	high  map[string]bool
	moves []string
}

func (p *pulses) Set(n string, l gpio.Level) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.high[n] = bool(l)
	p.moves = append(p.moves, n+" "+l.String()+" "+time.Since(p.begin).String())
	if p.high["entry_open_pulse"] && p.high["entry_close_pulse"] {
		p.t.Error("both outputs of one door are high")
	}
	return nil
}

func (p *pulses) Pulse(ctx context.Context, n string, d time.Duration) error {
	_ = p.Set(n, gpio.High)
	defer func() { _ = p.Set(n, gpio.Low) }()
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// D-05, D-09: an opening ends a closing pulse that is under way, in no time, with its line Low before the other
// is High; closings that were asked for before it and wait are not carried out. What comes after it waits.
func TestD05OpeningWaitsForNoClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := &pulses{t: t, begin: time.Now(), high: map[string]bool{}}
		dev, err := doors.New(p, "entry", 150*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		d := newDrive()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			d.run(ctx, func(err error) {
				if err != context.Canceled && ctx.Err() == nil {
					t.Logf("told: %v", err)
				}
			})
		}()
		shut := func() { d.ask(gate.ActClose, dev, func(ctx context.Context, d hal.Door) error { return d.Close(ctx) }) }
		shut()
		synctest.Wait()
		shut() // waits for the first
		time.Sleep(40 * time.Millisecond)
		d.ask(gate.ActOpen, dev, func(ctx context.Context, d hal.Door) error { return d.Open(ctx) })
		shut() // after the opening
		time.Sleep(time.Second)
		cancel()
		<-ended
		want := []string{"entry_close_pulse High 0s", "entry_close_pulse Low 40ms", "entry_lock Low 40ms", "entry_open_pulse High 40ms",
			"entry_open_pulse Low 190ms", "entry_close_pulse High 190ms", "entry_close_pulse Low 340ms"}
		if !slices.Equal(p.moves, want) {
			t.Errorf("%q", p.moves)
		}
	})
}
