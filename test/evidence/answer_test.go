package evidence

import (
	"slices"
	"testing"
	"time"

	"egate/api"
	"egate/console"
)

// BenchmarkO03Answer is how long the desk waits for a real gate's answer to an order: signed in the officer's browser,
// over centre and broker, checked, followed, and back. The limit of O-03 is 500 ms.
func BenchmarkO03Answer(b *testing.B) {
	l := newLine(b, "gate-1")
	w := l.quiet(b.Context(), "gate-1")
	if err := w.start(); err != nil {
		b.Fatal(err)
	}
	defer w.kill()
	if err := l.until(w.name, func(g console.GateView) bool { return g.State.Mode == "open" && g.State.Lease }); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		at := time.Now()
		r, err := l.order(b.Context(), w.name, api.CmdReset, "", "")
		if err != nil || r.Result != "accepted" {
			b.Fatalf("%+v %v", r, err)
		}
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), "median-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(ms(took[len(took)-1]), "longest-ms")
	over := 0
	for _, d := range took {
		if d > 500*time.Millisecond {
			over++
		}
	}
	b.ReportMetric(float64(over), "over-500ms")
}
