package passage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"egate/verdict"
)

// totals add up what many runs came to.
type totals struct {
	mu sync.Mutex
	result
	runs, wanted int
	until        time.Time // wall clock; zero: steps alone count
}

func (s *totals) enough() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.steps >= s.wanted || !s.until.IsZero() && time.Now().After(s.until)
}

func (s *totals) add(r result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	s.steps += r.steps
	s.passages += r.passages
	s.faults += r.faults
	s.crossings += r.crossings
	s.freed += r.freed
	s.missed += r.missed
	s.restarts += r.restarts
	s.virtual += r.virtual
	s.wrong = append(s.wrong, r.wrong...)
}

func (s *totals) String() string {
	return fmt.Sprintf("%d steps in %d runs, %v of the gate's time: %d passages ended, %d faults injected, %d restarts, %d crossed on a grant, %d through released or forced doors, %d tailgaters whom no beam told from one person, %d violations",
		s.steps, s.runs, s.virtual.Round(time.Second), s.passages, s.faults, s.restarts, s.crossings, s.freed, s.missed, len(s.wrong))
}

// campaign plays drawn plans until there were enough steps.
func campaign(t *testing.T, sum *totals) {
	for !sum.enough() && !t.Failed() {
		rapid.Check(t, func(r *rapid.T) {
			if sum.enough() {
				return
			}
			p := drawPlan(r)
			res := run(t, p)
			sum.add(res)
			if len(res.wrong) > 0 {

				r.Fatalf("%s\nplan: %+v\nthe last steps:\n%s", strings.Join(res.wrong, "\n"), p, strings.Join(res.log[max(0, len(res.log)-80):], "\n"))
			}
		})
	}
}

// run plays a plan in a bubble of its own.
func run(t *testing.T, p plan) (res result) {
	synctest.Test(t, func(t *testing.T) {
		res = p.play(t.Context())
		synctest.Wait()
	})
	return res
}

// TestVerifyShort drives the real loop, machine, sensors, interlock and doors in lock-step with the pure
// model through drawn plans of people and faults: never both doors free (P-03), nobody across without an
// allow or an order for this occupancy (P-04, P-11), no closing into a beam (D-05), no long pulse (D-09),
// no step that the model would not take, the records are the loop's own models (P-15), and everybody gets
// out and the gate comes back to rest (P-08).
func TestVerifyShort(t *testing.T) {
	sum := &totals{wanted: 4000}
	if testing.Short() { // with the race detector
		sum.wanted = 1500
	}
	// Few plans let somebody cross: one that does stands for the judgement of who may.
	honest := run(t, plan{Rounds: []round{{People: []person{{Reaction: 500}}, Inspections: []inspection{{Document: verdict.OK, Face: verdict.OK, Slow: 500, Heads: 1}},
		Desk: []decision{{After: 100}}, Lasts: 25000}}})
	if honest.crossings != 1 || len(honest.wrong) > 0 {
		t.Fatalf("one honest traveller: %d crossed, %v\n%s", honest.crossings, honest.wrong, strings.Join(honest.log, "\n"))
	}
	sum.add(honest)
	campaign(t, sum)
	t.Log(sum)
	if !t.Failed() && (sum.steps < sum.wanted || sum.passages < 2 || sum.faults == 0) {
		t.Errorf("the campaign proved nothing: %v", sum)
	}
}

// TestP04ExitContactLies is the smallest plan in which the campaign saw a referred person cross: allowed, he
// does not go; the exit closes behind its limit, one of its contacts lies, and the next try of a door that
// did not arrive opened it again though it was shut and nobody might go.
func TestP04ExitContactLies(t *testing.T) {
	for name, arg := range map[string]int{"open contact stays made": 6, "closed contact stays open": 0} {
		t.Run(name, func(t *testing.T) {
			p := plan{Rounds: []round{{
				People:      []person{{Reaction: 500, Whims: []whim{{At: 4000, For: 18000, To: 900}, {At: 22000, For: 20000, To: 4000}}}},
				Inspections: []inspection{{Document: verdict.OK, Face: verdict.OK, Slow: 500, Heads: 1}},
				Desk:        []decision{{After: 100, What: "take"}},
				// After the exit has opened, and before it has closed.
				Faults: []fault{{At: 15000, For: 30000, Kind: "exit contact", Arg: arg}},
				Lasts:  45000,
			}}}
			res := run(t, p)
			if len(res.wrong) > 0 {
				t.Errorf("%s\n%s", strings.Join(res.wrong, "\n"), strings.Join(res.log, "\n"))
			}
		})
	}
}

// TestClosedContactWelded is the smallest plan in which the campaign saw both doors open: the closed contact of
// the entry stays made. The open door tells (both made), but as soon as it leaves its open contact on
// the way back it counts as closed, and the exit opens before it is.
func TestClosedContactWelded(t *testing.T) {
	p := plan{Rounds: []round{{
		People:      []person{{Reaction: 300}},
		Inspections: []inspection{{Document: verdict.OK, Face: verdict.OK, Slow: 100, Heads: 1}},
		Desk:        []decision{{After: 100}},
		Faults:      []fault{{At: 0, For: 11900, Kind: "welded contact"}},
		Lasts:       20000,
	}}}
	if res := run(t, p); len(res.wrong) > 0 {
		t.Errorf("%s\n%s", strings.Join(res.wrong, "\n"), strings.Join(res.log, "\n"))
	}
}

// TestVerify is the long form: EGATE_VERIFY_STEPS steps, at most ten minutes.
func TestVerify(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("EGATE_VERIFY_STEPS"))
	if err != nil {
		t.Skip("SKIP: the long campaign runs with make verify")
	}
	sum := &totals{wanted: n, until: time.Now().Add(9*time.Minute + 30*time.Second)}
	began := time.Now()
	t.Run("runs", func(t *testing.T) {
		for i := range 2 {
			t.Run(fmt.Sprint("worker-", i), func(t *testing.T) {
				t.Parallel()
				campaign(t, sum)
			})
		}
	})
	fmt.Printf("verify: %v; %v\n", sum, time.Since(began).Round(time.Second))
	if sum.steps < sum.wanted {
		t.Errorf("%d steps of %d", sum.steps, sum.wanted)
	}
}
