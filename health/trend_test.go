package health

import (
	"math"
	"testing"
	"time"
)

// F-15: lamps that fade by one part in a hundred a day are an alarm on the day after the eleventh; travellers who
// differ are none, neither is a day with few of them; new lamps end the alarm.
func TestF15TrendOfLight(t *testing.T) {
	var x Trend
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	day := func(lamp float64, captures int) (bool, []float64) {
		for k := range captures {
			// Faces differ by as much as a third either way.
			x.Add(at.Add(time.Duration(k)*time.Minute), lamp*(1+.33*math.Sin(float64(k)*2.399)), 80)
		}
		at = at.AddDate(0, 0, 1)
		x.Add(at, math.NaN(), 80) // the first of the next day ends this one
		return x.Shifted()
	}
	told := 0
	for d := range 20 {
		alarm, parts := day(130*(1-.01*float64(d)), 60)
		if alarm && told == 0 {
			told = d
		}
		if d == 5 && (alarm || math.Abs(parts[0]+.05) > .02 || parts[1] != 0) {
			t.Errorf("day 5: %v %v", alarm, parts)
		}
	}
	if told < 10 || told > 12 {
		t.Errorf("the alarm came on day %d", told)
	}
	if alarm, _ := day(20, 3); !alarm {
		t.Error("three captures changed the verdict of a day")
	}
	if alarm, parts := day(130, 60); alarm {
		t.Errorf("new lamps: %v", parts)
	}
	var few Trend
	for k := range 2 * 10 { // ten captures make a day, nine none
		few.Add(at.AddDate(0, 0, k/10), 100)
	}
	if few.Add(at.AddDate(0, 0, 2), 100); few.First() == nil {
		t.Error("a day of ten captures is no reference")
	}
	var none Trend
	if alarm, parts := none.Shifted(); alarm || parts != nil {
		t.Error("nothing was measured")
	}
}

// F-15: the first day stays the reference when the controller starts again, so that lamps which fade over months are
// told by a gate that restarts every night.
func TestF15ReferenceOutlivesProcess(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	var kept []float64
	told := -1
	for d := range 20 {
		var x Trend // a new process every day
		if d > 0 {
			x.Resume(kept)
		}
		for k := range 20 {
			x.Add(at.Add(time.Duration(k)*time.Minute), 130*(1-.01*float64(d)), 80, .9)
		}
		at = at.AddDate(0, 0, 1)
		x.Add(at, 130, 80, .9)
		if alarm, _ := x.Shifted(); alarm && told < 0 {
			told = d
		}
		if kept = x.First(); len(kept) != 3 || kept[0] != 130 {
			t.Fatalf("day %d: reference %v", d, kept)
		}
	}
	if told < 10 || told > 12 {
		t.Errorf("the alarm came on day %d", told)
	}
	// What is no reference is none; one of other numbers is begun anew.
	for _, bad := range [][]float64{nil, {math.NaN(), 80, .9}, {math.Inf(1), 80, .9}, {130, 80}} {
		var x Trend
		x.Resume(bad)
		for k := range 20 {
			x.Add(at.Add(time.Duration(k)*time.Minute), 100, 80, .9)
		}
		x.Add(at.AddDate(0, 0, 1), 100, 80, .9)
		if alarm, parts := x.Shifted(); alarm || len(parts) != 3 {
			t.Errorf("%v: %v %v", bad, alarm, parts)
		}
	}
}
