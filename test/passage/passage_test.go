package passage

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/display"
	"egate/sim/people"
	"egate/sim/plant"
	"egate/verdict"
)

type story struct {
	name    string
	ids     string
	luggage bool
	second  float64 // gap of a second person, mm
	outcome verdict.Outcome
	reason  verdict.Reason
	insp    verdict.Outcome
	inspWhy verdict.Reason
	crosses bool
	extra   func(h *house, w *people.Walker, name string) bool
	limit   time.Duration
}

// TestStories plays whole passages (P-03, P-04, P-06, P-08, S-01, S-05, D-05).
func TestStories(t *testing.T) {
	for _, s := range []story{
		{name: "genuine", outcome: verdict.Allow, reason: verdict.OK, crosses: true},
		{name: "genuine with suitcase", luggage: true, outcome: verdict.Allow, reason: verdict.OK, crosses: true},
		{name: "refused", insp: verdict.Refer, inspWhy: verdict.FaceMismatch, outcome: verdict.Refer, reason: verdict.FaceMismatch, limit: 90 * time.Second},
		{name: "two people", second: 400, outcome: verdict.Refer, reason: verdict.TwoPersons, limit: 90 * time.Second},
		{name: "nobody enters", outcome: verdict.OutcomeNone, reason: verdict.NoShow,
			extra: func(h *house, w *people.Walker, name string) bool { return name == display.ScreenEnter }},
		{name: "suitcase left", luggage: true, outcome: verdict.Allow, reason: verdict.OK, crosses: true, limit: 90 * time.Second,
			extra: func() func(h *house, w *people.Walker, name string) bool {
				var thing *people.Thing
				return func(h *house, w *people.Walker, name string) bool {
					switch name {
					case display.ScreenGo:
						thing, _ = w.DropCase(h.plant)
					case display.ScreenLuggage:
						time.Sleep(3 * time.Second)
						h.plant.Remove(thing)
					}
					return false
				}
			}()},
		{name: "stands in the entry door", outcome: verdict.Allow, reason: verdict.OK, crosses: true, limit: 90 * time.Second,
			extra: func(h *house, w *people.Walker, name string) bool {
				if name != display.ScreenEnter {
					return false
				}
				w.WalkTo(h.plant, 20)
				time.Sleep(4 * time.Second)
				w.WalkTo(h.plant, 900)
				return true
			}},
	} {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { s.play(t) })
		})
	}
}

func (s story) play(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := build(ctx, t)
	defer func() {
		cancel()
		synctest.Wait()
		if t.Failed() || testing.Verbose() {
			h.dump()
		}
	}()
	if s.insp != verdict.OutcomeNone {
		h.insp.verdict, h.insp.reason = s.insp, s.inspWhy
	}
	var c *people.Case
	if s.luggage {
		l := people.Cabin()
		c = &l
	}
	b := people.Adult()
	w := people.NewWalker("traveller", b, -1000, c, 5)
	h.plant.Add(w)
	if s.second > 0 {
		w2 := people.NewWalker("second", b, -1000-b.Torso-s.second, nil, 6)
		w2.Follow(h.plant, w, s.second)
		h.plant.Add(w2)
		go func() {
			for {
				select {
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
					return
				}
				x := w.X(h.plant)
				if x > -900 {
					w2.WalkTo(h.plant, x-b.Torso-s.second)
				}
				if x < -1100 {
					w2.WalkTo(h.plant, -3000)
				}
			}
		}()
	}
	limit := s.limit
	if limit == 0 {
		limit = 60 * time.Second
	}
	end, ok := h.follow(ctx, w, limit, func(name string) bool {
		return s.extra != nil && s.extra(h, w, name)
	})
	if !ok {
		t.Fatalf("no end of the passage within %v", limit)
	}
	h.note("end: %v %v after %v", end.Outcome, end.Reason, h.plant.View().Now)
	if end.Outcome != s.outcome || end.Reason != s.reason {
		t.Errorf("ended as %v, %v; want %v, %v", end.Outcome, end.Reason, s.outcome, s.reason)
	}
	crossed := slices.ContainsFunc(h.plant.Crossings(), func(c plant.Crossing) bool { return c.Human && c.Across })
	if crossed != s.crosses {
		t.Errorf("crossed %v, want %v", crossed, s.crosses)
	}
	if v := h.plant.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
	var _ api.Passage = end
}
