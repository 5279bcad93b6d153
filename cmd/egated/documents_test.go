package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/health"
	"egate/officers"
)

// F-06, X-02: a policy and a roster that end while the gate runs are told of, before it (roster) and by the minute; a
// newer roster ends it, a policy waits for a restart.
func TestF06DocumentsEndWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := health.New(nil)
		board.Declare(health.PartInspector, health.PartKeys)
		begin := time.Now()
		of := func(from time.Time, life time.Duration) *officers.Roster {
			return &officers.Roster{Roster: api.Roster{IssuedAt: from, ExpiresAt: from.Add(life)}}
		}
		var roster atomic.Pointer[officers.Roster]
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			documents(ctx, ruling{until: begin.Add(100 * time.Minute)}, roster.Load, time.Now, board, slog.New(slog.DiscardHandler))
		}()
		at := func(minutes float64, what string, policy, ended, ending bool) {
			t.Helper()
			time.Sleep(time.Until(begin.Add(time.Duration(minutes * float64(time.Minute)))))
			time.Sleep(2 * documentsEvery)
			synctest.Wait()
			for code, want := range map[health.Code]bool{health.PolicyRefused: policy, health.RosterEnded: ended, health.RosterEnding: ending} {
				part := health.PartKeys
				if code == health.PolicyRefused {
					part = health.PartInspector
				}
				if got := board.Has(code, part); got != want {
					t.Errorf("%s: %s is %v", what, code, got)
				}
			}
		}
		at(0, "no roster", false, true, false)
		roster.Store(of(begin, 90*time.Minute))
		at(1, "a roster of ninety minutes", false, false, false)
		at(80.9, "just before the last tenth of its life", false, false, false)
		at(81.1, "the last tenth of its life", false, false, true)
		at(90, "its end", false, true, false)
		roster.Store(of(begin.Add(90*time.Minute), 90*time.Minute))
		at(99.9, "the next one, and just before the policy's end", false, false, false)
		at(100, "the policy's end", true, false, false)
		cancel()
		<-done
	})
	long := &officers.Roster{Roster: api.Roster{IssuedAt: time.Now(), ExpiresAt: time.Now().Add(90 * 24 * time.Hour)}}
	for left, want := range map[time.Duration]bool{rosterWarning + time.Hour: false, rosterWarning - time.Hour: true} {
		if ended, ending := rosterStage(long, long.ExpiresAt.Add(-left)); ended || ending != want {
			t.Errorf("%s before the end of a long roster: %v %v", left, ended, ending)
		}
	}
	for _, code := range []health.Code{health.PolicyRefused, health.RosterEnded} {
		if !health.Lookup(code).Blocks {
			t.Errorf("%s lets new travellers in", code)
		}
	}
}
