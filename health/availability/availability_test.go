package availability

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"egate/gate"
	"egate/health"
)

var month = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func at(day, hour, minute int) time.Time {
	return month.Add(time.Duration(day-1)*24*time.Hour + time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
}

// TestM04Month replays a month of a gate: open from 5 to 23 every day, with a camera that failed for two hours, a
// camera fault of eight minutes beside a door fault of twelve, a restart of five minutes, an emergency of ten, a
// night's fault that nobody missed, and a desk that was empty for an hour.
func TestM04Month(t *testing.T) {
	var es []Event
	add := func(e Event) { es = append(es, e) }
	fault := func(from time.Time, d time.Duration, code health.Code, part string) {
		add(Event{At: from, Code: string(code), Part: part, Raised: true})
		add(Event{At: from.Add(d), Code: string(code), Part: part})
	}
	for day := 1; day <= 31; day++ {
		add(Event{At: at(day, 5, 0), Mode: open, By: "officer-1"})
		add(Event{At: at(day, 23, 0), Mode: "closed", By: "officer-2"})
	}
	fault(at(3, 10, 0), 2*time.Hour, health.CameraLost, "camera")
	fault(at(7, 9, 0), 12*time.Minute, health.LinesLost, "exit_door")
	fault(at(7, 9, 4), 8*time.Minute, health.CameraLost, "camera")
	add(Event{At: at(12, 14, 0), Boot: true})
	add(Event{At: at(12, 14, 1), Mode: recovering})
	add(Event{At: at(12, 14, 5), Mode: open})
	add(Event{At: at(20, 8, 0), Mode: emergency, By: "officer-1"})
	add(Event{At: at(20, 8, 10), Mode: open, By: "officer-1"})
	fault(at(21, 1, 0), time.Hour, health.CameraLost, "camera")
	add(Event{At: at(22, 2, 0), Boot: true}) // at night: the order to be closed holds
	add(Event{At: at(22, 2, 1), Mode: recovering})
	add(Event{At: at(22, 2, 2), Mode: "closed"})
	fault(at(25, 12, 0), time.Hour, health.LeaseLost, "link")
	fault(at(26, 12, 0), time.Hour, health.DiskLow, "journal") // blocks nobody
	slices.SortStableFunc(es, func(a, b Event) int { return a.At.Compare(b.At) })

	r := Compute(es, month, month.AddDate(0, 1, 0))
	down := 2*time.Hour + 12*time.Minute + 5*time.Minute + 10*time.Minute
	scheduled := 31*18*time.Hour - time.Hour
	if r.Scheduled != scheduled || r.Down != down || r.Up != scheduled-down || r.Failures != 4 {
		t.Errorf("scheduled %v down %v up %v failures %d", r.Scheduled, r.Down, r.Up, r.Failures)
	}
	if r.MTBF != r.Up/4 || r.MTTR != down/4 || math.Abs(r.Availability()-(1-down.Hours()/scheduled.Hours())) > 1e-9 {
		t.Errorf("MTBF %v MTTR %v availability %v", r.MTBF, r.MTTR, r.Availability())
	}
	want := map[string]time.Duration{"camera_lost": 2*time.Hour + 8*time.Minute, "lines_lost": 12 * time.Minute, "start": 5 * time.Minute, "emergency": 10 * time.Minute}
	if fmt.Sprint(r.Causes) != fmt.Sprint(want) {
		t.Errorf("causes %v, want %v", r.Causes, want)
	}
	// The month is the sum of its days, but for failures that last over midnight: there are none.
	var sum Report
	for d := range 31 {
		x := Compute(es, month.AddDate(0, 0, d), month.AddDate(0, 0, d+1))
		sum.Scheduled, sum.Up, sum.Down, sum.Failures = sum.Scheduled+x.Scheduled, sum.Up+x.Up, sum.Down+x.Down, sum.Failures+x.Failures
	}
	if sum.Scheduled != r.Scheduled || sum.Up != r.Up || sum.Down != r.Down || sum.Failures != r.Failures {
		t.Errorf("days come to %+v, the month to %+v", sum, r)
	}
}

// TestM04AgainstAReference compares with a count minute by minute of random days.
func TestM04AgainstAReference(t *testing.T) {
	var modes []string
	for i := range 7 {
		modes = append(modes, gate.Mode(i).String())
	}
	if !slices.Contains(modes, open) || !slices.Contains(modes, recovering) || !slices.Contains(modes, emergency) {
		t.Fatalf("modes are %v", modes)
	}
	codes := []health.Code{health.CameraLost, health.LinesLost, health.LeaseLost, health.DiskLow}
	rapid.Check(t, func(rt *rapid.T) {
		var es []Event
		minute := 0
		for range rapid.IntRange(0, 40).Draw(rt, "events") {
			minute += rapid.IntRange(0, 90).Draw(rt, "gap")
			e := Event{At: month.Add(time.Duration(minute) * time.Minute)}
			switch rapid.IntRange(0, 4).Draw(rt, "kind") {
			case 0:
				e.Boot = true
			case 1, 2:
				e.Mode = rapid.SampledFrom(modes).Draw(rt, "mode")
				e.By = rapid.SampledFrom([]string{"", "officer-1"}).Draw(rt, "by")
			default:
				e.Code, e.Part, e.Raised = string(rapid.SampledFrom(codes).Draw(rt, "code")), "p", rapid.Bool().Draw(rt, "raised")
			}
			es = append(es, e)
		}
		from := month.Add(time.Duration(rapid.IntRange(0, 600).Draw(rt, "from")) * time.Minute)
		to := from.Add(time.Duration(rapid.IntRange(0, 1200).Draw(rt, "length")) * time.Minute)
		r := Compute(es, from, to)
		// The reference holds the whole past at each minute.
		var scheduled, down time.Duration
		for m := from; m.Before(to); m = m.Add(time.Minute) {
			mode, ordered, boot, known := "", false, false, false
			faults := map[string]bool{}
			for _, e := range es {
				if e.At.After(m) {
					break
				}
				switch {
				case e.Boot:
					known, boot, faults = true, true, map[string]bool{}
				case e.Mode != "":
					known = true
					if e.Mode != recovering {
						boot = false
					}
					switch {
					case e.Mode == open || e.Mode == emergency:
						ordered = false
					case e.By != "":
						ordered = true
					}
					mode = e.Mode
				case e.Raised:
					known = true
					faults[e.Code] = true
				default:
					delete(faults, e.Code)
				}
			}
			if !known || ordered || faults[string(health.LeaseLost)] {
				continue
			}
			scheduled += time.Minute
			if boot || mode != "" && mode != open || faults[string(health.CameraLost)] || faults[string(health.LinesLost)] {
				down += time.Minute
			}
		}
		if r.Scheduled != scheduled || r.Down != down || r.Up != scheduled-down {
			rt.Fatalf("scheduled %v down %v up %v, want %v %v", r.Scheduled, r.Down, r.Up, scheduled, down)
		}
		if (r.Down > 0) != (r.Failures > 0) || r.Availability() < 0 || r.Availability() > 1 {
			rt.Fatalf("%+v", r)
		}
	})
}
