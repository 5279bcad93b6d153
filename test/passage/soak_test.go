package passage

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"egate/gate"
)

// heap is what lives after a collection.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1024
}

// TestTenHours plays genuine passages back to back for EGATE_SOAK of virtual time and prints what they took;
// it is part of make bench. One traveller after the other crosses, each on a grant of his own, and nothing
// else happens: no violation, no restart.
func TestTenHours(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("EGATE_SOAK"))
	if err != nil {
		t.Skip("SKIP: ten hours of passages run with make bench")
	}
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := newField(ctx, plan{})
		f.begin("clean")
		f.lease(20 * time.Second)
		ready := func() bool {
			m := f.life.ls.now()
			return f.bad() || m.Mode == gate.ModeOpen && m.Reception == gate.RecNotice && m.Passage == gate.PasEmpty
		}
		f.passTime(time.Minute, time.Now(), ready, false)
		passages, warm := 0, 0.0
		for time.Since(f.start) < d && !f.bad() {
			f.arrive(round{People: []person{{Seed: uint64(passages), Reaction: 500, Luggage: passages%4 == 3}}})
			w := f.walkers[len(f.walkers)-1]
			f.passTime(2*time.Minute, time.Now(), func() bool { return ready() && w.X(f.p) > 3000 }, false)
			if w.X(f.p) < 3000 {
				f.wrong("traveller %d is still here: %v, %+v", passages, f.where(), f.life.ls.now())
			}
			f.goAway()
			f.p.Forget() // the plant's list of crossings would grow
			if passages++; passages == 50 {
				warm = heap()
			}
		}
		virtual, grown := time.Since(f.start), heap()-warm
		if f.life != nil {
			f.life.end()
		}
		cancel()
		synctest.Wait()
		for _, w := range f.res.wrong {
			t.Error(w)
		}
		if f.res.crossings != passages {
			t.Errorf("%d crossed in %d passages", f.res.crossings, passages)
		}
		fmt.Printf("soak: %v of virtual time: %d genuine passages, %d steps of the machine, heap %+.0f KiB after the first 50 passages\n",
			virtual.Round(time.Second), passages, f.res.steps, grown)
	})
	fmt.Printf("soak: %.1f s of wall time\n", time.Since(began).Seconds())
}
