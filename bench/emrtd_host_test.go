//go:build !race

package bench

import (
	"context"
	"fmt"
	"os"
	"syscall"
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
			start := cpu(t)
			if _, err := emrtd.Read(context.Background(), card, d, opt); err != nil {
				t.Fatal(err)
			}
			best = min(best, cpu(t)-start)
		}
		fmt.Fprintf(w, "%s\t%.1f ms\t%d ms\n", v.name, float64(best.Microseconds())/1000, v.limit.Milliseconds())
		if best > v.limit {
			t.Errorf("%s: %v, at most %v", v.name, best, v.limit)
		}
	}
	w.Flush()
}

// cpu is the processor time that this process has used: other programs on the machine do not count.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
