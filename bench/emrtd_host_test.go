//go:build !race

package bench

import (
	"context"
	"fmt"
	"os"
	"testing"
	"text/tabwriter"
	"time"

	"egate/emrtd"
)

// C-08: the host's share of a whole read, image decoding apart, on whatever core the test gets. The best of
// several runs is taken, so that a busy machine does not fail it; the limits leave an order of magnitude.
func TestC08HostTime(t *testing.T) {
	w := tabwriter.NewWriter(os.Stderr, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "host share\tbest of 10\tlimit")
	for _, v := range hostVariants {
		card, d, opt := recorded(t, v.oid, v.param, v.ca)
		best := time.Hour
		for range 10 {
			card.n = 0
			opt.Rand = &fixed{}
			start := time.Now()
			if _, err := emrtd.Read(context.Background(), card, d, opt); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
		fmt.Fprintf(w, "%s\t%.1f ms\t%d ms\n", v.name, float64(best.Microseconds())/1000, v.limit.Milliseconds())
		if best > v.limit {
			t.Errorf("%s: %v, at most %v", v.name, best, v.limit)
		}
	}
	w.Flush()
}
