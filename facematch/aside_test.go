package facematch_test

import (
	"testing"
	"time"

	"egate/facematch"
	"egate/hal"
	"egate/sim/camera"
	"egate/sim/faces"
	"egate/verdict"
)

// F-01: a second head is counted when its face is turned aside by 45 degrees, to either side. Further away the
// detector of the pack need not see a face, and the back of a head is none: what the camera misses there, the passage
// sensors count (S-03).
func TestF01HeadsAside(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: long: runs in full without the race detector")
	}
	e := engine(t)
	first, _ := faces.Get("admiral")
	second, _ := faces.Get("astronaut")
	for _, yaw := range []float64{-45, -30, 30, 45} {
		sc := small(uint64(45 + yaw))
		if _, err := sc.Person(first, camera.Place{X: -60}); err != nil {
			t.Fatal(err)
		}
		x, err := sc.Person(second, camera.Place{X: 230, Distance: 900})
		if err != nil {
			t.Fatal(err)
		}
		x.Look(yaw, 0)
		s := facematch.NewSession(e, nil, facematch.DefaultParams(verdict.DefaultMatch))
		var f hal.Frame
		seen, least, last := 0, 1.0, -1
		for k := range 16 {
			at := time.Duration(k) * 125 * time.Millisecond
			sc.Render(at, &f)
			o, err := s.Frame(view(&f), at)
			if err != nil {
				t.Fatal(err)
			}
			if last = o.Count; k >= 6 && o.Heads == 2 { // the head has turned by then
				seen, least = seen+1, min(least, o.Confidence)
			}
		}
		s.Close()
		t.Logf("turned by %+.0f degrees: two heads in %d of 10 pictures, confidence %.2f and more; the count in the end is %d", yaw, seen, least, last)
		if last != 2 {
			t.Errorf("turned by %+.0f degrees: the count is %d, want 2", yaw, last)
		}
	}
}
