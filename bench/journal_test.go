package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"egate/journal"
)

// maxBytesPerStep is the limit of what one journalled step may cost the disk (E-03: wear).
const maxBytesPerStep = 8 << 10

// step is a journalled step of a usual size: model, a third of an event and of a leaf.
func step(n uint64) journal.Record {
	r := journal.Record{Step: n, Model: bytes.Repeat([]byte("m"), 700)}
	if n%3 == 0 {
		r.Events = [][]byte{bytes.Repeat([]byte("e"), 900)}
		r.Leaves = [][]byte{bytes.Repeat([]byte("l"), 300)}
	}
	return r
}

// deviceSectors reads how many sectors of 512 bytes the block device below a path has written, by the
// kernel's own count; ok is false where the device cannot be told.
func deviceSectors(t testing.TB, path string) (uint64, bool) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return 0, false
	}
	best, dev := "", ""
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) > 4 && strings.HasPrefix(path, f[4]) && len(f[4]) >= len(best) {
			best, dev = f[4], f[2]
		}
	}
	b, err := os.ReadFile(filepath.Join("/sys/dev/block", dev, "stat"))
	if err != nil {
		return 0, false
	}
	f := strings.Fields(string(b))
	if len(f) < 7 {
		return 0, false
	}
	n, err := strconv.ParseUint(f[6], 10, 64)
	return n, err == nil
}

// TestE03JournalWear measures bytes written to the disk and fsyncs per step, each step waited for: the
// worst case, nothing is committed together. Device counts include what other processes write: the
// least of several rounds is compared.
func TestE03JournalWear(t *testing.T) {
	dir := t.TempDir()
	j, _, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	const rounds, steps = 5, 100
	var n uint64
	least, known := ^uint64(0), false
	before := j.Stats()
	began := time.Now()
	for range rounds {
		a, ok1 := deviceSectors(t, dir)
		for range steps {
			n++
			j.Submit(step(n))
			if r := <-j.Results(); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		b, ok2 := deviceSectors(t, dir)
		if known = ok1 && ok2 && b > a; known {
			least = min(least, (b-a)*512/steps)
		}
	}
	took := time.Since(began)
	after := j.Stats()
	fsyncs := float64(after.Syncs-before.Syncs) / (rounds * steps)
	logical := (after.Bytes - before.Bytes) / (rounds * steps)
	t.Logf("%d bytes of log per step, %.2f fsyncs per step, %v per step", logical, fsyncs, took/(rounds*steps))
	if fsyncs > 1.05 {
		t.Errorf("%.2f fsyncs per step", fsyncs)
	}
	if !known {
		t.Log("SKIP: the block device's own count cannot be read here")
		return
	}
	t.Logf("%d bytes per step on the block device (limit %d)", least, maxBytesPerStep)
	// The count is of the whole device: others write to it too. It is a limit where nobody else does.
	if least > maxBytesPerStep && os.Getenv("EGATE_QUIET_DISK") != "" {
		t.Errorf("%d bytes per step on the block device, limit %d", least, maxBytesPerStep)
	}
}

// BenchmarkJournal is the throughput with n steps in flight.
func BenchmarkJournal(b *testing.B) {
	for _, flight := range []int{1, 8, 64} {
		b.Run(fmt.Sprint("in-flight-", flight), func(b *testing.B) {
			j, _, err := journal.Open(b.TempDir(), journal.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			before := j.Stats()
			b.ResetTimer()
			done := 0
			for i := range b.N {
				j.Submit(step(uint64(i + 1)))
				for i+1-done >= flight || i == b.N-1 && done < b.N {
					if r := <-j.Results(); r.Err != nil {
						b.Fatal(r.Err)
					}
					done++
				}
			}
			b.StopTimer()
			after := j.Stats()
			b.ReportMetric(float64(after.Syncs-before.Syncs)/float64(b.N), "fsyncs/step")
			b.ReportMetric(float64(after.Bytes-before.Bytes)/float64(b.N), "bytes/step")
		})
	}
}
