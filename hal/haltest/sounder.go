package haltest

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"egate/hal"
)

// Sounding is a change of a sounder, as it is heard.
type Sounding struct {
	At time.Time
	On bool
}

// SounderBench is a sounder and an ear.
type SounderBench struct {
	Sounder hal.Sounder
	// Limit is that of the site.
	Limit time.Duration
	// Heard are all changes up to now.
	Heard func() []Sounding
	// Unplug takes the line away.
	Unplug func()
}

// Sounder runs the suite of hal.Sounder. Time is virtual, and fresh is called in it.
func Sounder(t *testing.T, fresh func(t *testing.T) SounderBench) {
	run := func(name string, f func(t *testing.T, b SounderBench)) {
		t.Run(name, func(t *testing.T) {
			Leaks(t)
			synctest.Test(t, func(t *testing.T) {
				b := fresh(t)
				f(t, b)
				for range 2 {
					if err := b.Sounder.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				}
				if err := b.Sounder.Sound(hal.ToneAlarm); !errors.Is(err, hal.ErrClosed) {
					t.Errorf("after Close: %v", err)
				}
				gentle(t, b.Heard(), time.Now())
			})
		})
	}
	say := func(t *testing.T, b SounderBench, tone hal.Tone) {
		t.Helper()
		if err := b.Sounder.Sound(tone); err != nil {
			t.Fatalf("%v: %v", tone, err)
		}
		synctest.Wait()
	}
	run("silent until asked", func(t *testing.T, b SounderBench) {
		time.Sleep(time.Minute)
		say(t, b, hal.ToneNone)
		if n := onsets(b.Heard()); n != 0 {
			t.Errorf("sounded %d times", n)
		}
	})
	for _, tone := range []hal.Tone{hal.ToneGo, hal.ToneCall, hal.ToneAlarm, hal.ToneTest} {
		run("A-03 "+tone.String()+" begins at once and ends with the limit", func(t *testing.T, b SounderBench) {
			began := time.Now()
			say(t, b, tone)
			if n := onsets(b.Heard()); n != 1 {
				t.Fatalf("%d onsets at once", n)
			}
			time.Sleep(b.Limit + time.Second)
			synctest.Wait()
			h := b.Heard()
			if last := h[len(h)-1]; last.On || last.At.Sub(began) > b.Limit {
				t.Errorf("ended %v after it began: %+v", last.At.Sub(began), last)
			}
			n := onsets(h)
			say(t, b, tone)
			time.Sleep(2 * b.Limit)
			synctest.Wait()
			if onsets(b.Heard()) != n {
				t.Error("the same tone began again by itself")
			}
			say(t, b, hal.ToneNone)
			say(t, b, tone)
			if onsets(b.Heard()) != n+1 {
				t.Error("it does not begin anew after silence was asked for")
			}
		})
		run(tone.String()+" is cut", func(t *testing.T, b SounderBench) {
			say(t, b, tone)
			time.Sleep(50 * time.Millisecond)
			say(t, b, hal.ToneNone)
			if h := b.Heard(); h[len(h)-1].On {
				t.Error("sounds on")
			}
			n := onsets(b.Heard())
			time.Sleep(time.Minute)
			synctest.Wait()
			if onsets(b.Heard()) != n {
				t.Error("sounded after silence was asked for")
			}
		})
		run(tone.String()+" is closed", func(t *testing.T, b SounderBench) {
			say(t, b, tone)
			if err := b.Sounder.Close(); err != nil {
				t.Error(err)
			}
			if h := b.Heard(); h[len(h)-1].On {
				t.Error("sounds on")
			}
		})
	}
	run("the tones differ", func(t *testing.T, b SounderBench) {
		seen := map[int]hal.Tone{}
		for _, tone := range []hal.Tone{hal.ToneGo, hal.ToneCall, hal.ToneAlarm} {
			say(t, b, hal.ToneNone)
			time.Sleep(time.Second)
			n := onsets(b.Heard())
			say(t, b, tone)
			time.Sleep(4 * time.Second)
			synctest.Wait()
			n = onsets(b.Heard()) - n
			if o, twice := seen[n]; twice || n == 0 {
				t.Errorf("%v is heard as %v: %d times in four seconds", tone, o, n)
			}
			seen[n] = tone
		}
	})
	run("A-03 whatever is asked for, how often ever", func(t *testing.T, b SounderBench) {
		r := rand.New(rand.NewPCG(3, 4))
		for range 5000 {
			if err := b.Sounder.Sound(hal.Tone(r.IntN(int(hal.ToneTest) + 2))); err != nil { // one that is none, too
				t.Fatal(err)
			}
			time.Sleep(time.Duration(r.Int64N(int64(300 * time.Millisecond))))
		}
		if onsets(b.Heard()) == 0 {
			t.Error("nothing was heard")
		}
	})
	run("C-11 the line is lost", func(t *testing.T, b SounderBench) {
		if b.Unplug == nil {
			t.Skip("SKIP: this far end cannot be unplugged")
		}
		say(t, b, hal.ToneAlarm)
		b.Unplug()
		time.Sleep(time.Second)
		synctest.Wait()
		if err := b.Sounder.Sound(hal.ToneCall); !errors.Is(err, hal.ErrLost) {
			t.Errorf("lost: %v", err)
		}
	})
}

func onsets(h []Sounding) (n int) {
	for _, s := range h {
		if s.On {
			n++
		}
	}
	return n
}

// gentle holds A-03 over all that was heard: at most three onsets in any second, no sound of more than half a second.
func gentle(t *testing.T, h []Sounding, end time.Time) {
	t.Helper()
	var starts []time.Time
	for i, s := range h {
		if !s.On {
			continue
		}
		if i > 0 && h[i-1].On {
			t.Errorf("change %d is none", i)
		}
		if n := len(starts); n >= 3 && s.At.Sub(starts[n-3]) < time.Second {
			t.Errorf("four onsets within %v", s.At.Sub(starts[n-3]))
		}
		starts = append(starts, s.At)
		off := end
		if i+1 < len(h) {
			off = h[i+1].At
		}
		if off.Sub(s.At) > 500*time.Millisecond {
			t.Errorf("it sounded for %v", off.Sub(s.At))
		}
	}
}
