package health

import (
	"math"
	"slices"
	"time"
)

// Limits of a trend.
const (
	trendValues = 500  // of one day; the rest of the day counts nothing more
	trendDay    = 10   // captures that make a day
	trendShift  = 0.10 // of the daily median against the reference (F-15)
)

// Trend watches numbers that come many times a day by their daily medians: the first whole day with enough of
// them is the reference, a later one whose median has shifted by more than a tenth is an alarm. It holds numbers
// of two days and of no person. The zero value is ready; it is used by one goroutine.
// The reference outlives a process by First and Resume.
type Trend struct {
	day    string
	today  [][]float64 // per number
	first  []float64
	latest []float64
}

// Add notes the numbers of one capture, made at a wall time. They are always as many.
func (t *Trend) Add(at time.Time, numbers ...float64) {
	if day := at.Format(time.DateOnly); day != t.day {
		t.close()
		t.day, t.today = day, make([][]float64, len(numbers))
	}
	for i, v := range numbers {
		if i < len(t.today) && len(t.today[i]) < trendValues && !math.IsNaN(v) && !math.IsInf(v, 0) {
			t.today[i] = append(t.today[i], v)
		}
	}
}

// close ends a day.
func (t *Trend) close() {
	if len(t.today) == 0 || len(t.today[0]) < trendDay {
		return
	}
	t.latest = make([]float64, len(t.today))
	for i, v := range t.today {
		slices.Sort(v)
		if len(v) > 0 {
			t.latest[i] = v[len(v)/2]
		}
	}
	if len(t.first) != len(t.latest) {
		t.first = slices.Clone(t.latest)
	}
}

// First are the medians of the reference day, nil before there was one.
func (t *Trend) First() []float64 { return slices.Clone(t.first) }

// Resume goes on with the reference of an earlier process. What is not finite is none.
func (t *Trend) Resume(first []float64) {
	for _, v := range first {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
	}
	t.first = slices.Clone(first)
}

// Shifted tells whether a daily median has shifted too far from that of the first day, and by what part of it each
// has. It is nil before two whole days.
func (t *Trend) Shifted() (alarm bool, parts []float64) {
	for i := range t.latest {
		part := 0.0
		if t.first[i] != 0 {
			part = (t.latest[i] - t.first[i]) / math.Abs(t.first[i])
		}
		parts = append(parts, part)
		alarm = alarm || math.Abs(part) > trendShift
	}
	return alarm, parts
}
