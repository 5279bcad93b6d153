package recovery

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestC11Ladder: each fault is cured by the mildest step that helps, within 15 s; what none cures is told with
// every step, also by a device that hangs each time it is asked.
func TestC11Ladder(t *testing.T) {
	sick := errors.New("silent")
	for name, c := range map[string]struct {
		cure    string        // the step that helps
		after   time.Duration // it takes so long
		hang    bool          // a probe blocks until its deadline
		noUSB   bool
		refused bool // the reset is refused
		want    string
	}{
		"was only closed badly":   {cure: Reopened, want: Reopened},
		"hung":                    {cure: WasReset, after: time.Second, want: WasReset},
		"hung for good":           {cure: PowerCycled, after: 3 * time.Second, hang: true, want: PowerCycled},
		"slow to come back":       {cure: PowerCycled, after: 5 * time.Second, want: PowerCycled},
		"dead":                    {want: ""},
		"dead and hanging":        {hang: true, want: ""},
		"UART that hangs":         {noUSB: true, hang: true, want: ""},
		"reset refused, cycled":   {cure: PowerCycled, refused: true, want: PowerCycled},
		"reset refused, and dead": {refused: true, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var well time.Time // from then on it answers
				if c.cure == Reopened {
					well = time.Now()
				}
				did := func(step string) func(context.Context) error {
					return func(context.Context) error {
						if step == WasReset && c.refused {
							return errors.New("no permission")
						}
						if step == PowerCycled {
							time.Sleep(time.Second)
						}
						if step == c.cure {
							well = time.Now().Add(c.after)
						}
						return nil
					}
				}
				l := Ladder{Probe: func(ctx context.Context) error {
					if !well.IsZero() && !time.Now().Before(well) {
						return nil
					}
					if c.hang {
						<-ctx.Done()
						return ctx.Err()
					}
					return sick
				}, Reset: did(WasReset), PowerCycle: did(PowerCycled)}
				if c.noUSB {
					l.Reset, l.PowerCycle = nil, nil
				}
				began := time.Now()
				step, err := l.Run(t.Context())
				if step != c.want || (err == nil) != (c.want != "") {
					t.Errorf("%q %v, want %q", step, err, c.want)
				}
				if d := time.Since(began); d > Limit+100*time.Millisecond {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}
