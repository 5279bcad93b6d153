package facematch

import (
	"testing"
	"time"
)

// F-12: every stage of a whole live picture is timed; go test -v -run F12Stages ./facematch prints milliseconds on this
// machine, and test/arm64 beside them those of the same program on arm64, emulated.
func TestF12Stages(t *testing.T) {
	e := SharedEngine(t)
	img := PortraitOf(t, "astronaut")
	stages, err := e.Measure(img, 3)
	if err != nil {
		t.Fatal(err)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	times := map[string]time.Duration{}
	var all time.Duration
	for _, s := range stages {
		times[s.Name] = s.Model + s.Rest
		all += s.Model + s.Rest
		t.Logf("stage %s %.2f ms", s.Name, ms(s.Model+s.Rest))
	}
	for _, name := range []string{"load", "detect", "landmarks", "pose", "eyes", "align", "quality", "texture", "embed"} {
		if _, ok := times[name]; !ok {
			t.Errorf("%s was not timed", name)
		}
	}
	a, err := e.Enrol(img, PortraitLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Wipe()
	start := time.Now()
	const rounds = 1000
	for range rounds {
		if score, err := Compare(a, a); err != nil || score < 0.999 {
			t.Fatalf("with itself: %v, %v", score, err)
		}
	}
	t.Logf("stage compare %.4f ms", ms(time.Since(start))/rounds)
	t.Logf("stage template %.2f ms", ms(times["detect"]+times["landmarks"]+times["align"]+times["embed"]))
	t.Logf("stage whole %.2f ms", ms(all))
}
