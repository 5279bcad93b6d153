package haltest

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Leaks fails the test if goroutines or descriptors that it began are left when it has ended, devices closed. Call
// it first: its check runs after every cleanup that the test registers later. Not for parallel tests.
func Leaks(t *testing.T) {
	t.Helper()
	// One look before: the runtime opens its poller and its signal pipe for good.
	goroutines, files := stacks(), descriptors(t)
	t.Cleanup(func() {
		if t.Failed() || t.Skipped() {
			return
		}
		// What was told to end needs a moment: the drivers' own read step is the longest.
		var left []string
		var open map[string]bool
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			left, open = nil, map[string]bool{}
			for id, s := range stacks() {
				if goroutines[id] == "" && !strings.Contains(s, "testing.") {
					left = append(left, s)
				}
			}
			for f := range descriptors(t) {
				if !files[f] {
					open[f] = true
				}
			}
			if len(left) == 0 && len(open) == 0 || time.Now().After(end) {
				break
			}
		}
		for _, s := range left {
			t.Errorf("a goroutine was left:\n%s", s)
		}
		for f := range open {
			t.Errorf("a descriptor was left: %s", f)
		}
	})
}

// stacks are the goroutines by their number.
func stacks() map[string]string {
	b := make([]byte, 1<<20)
	b = b[:runtime.Stack(b, true)]
	out := map[string]string{}
	for s := range bytes.SplitSeq(b, []byte("\n\n")) {
		if id, _, ok := strings.Cut(strings.TrimPrefix(string(s), "goroutine "), " "); ok {
			out[id] = string(s)
		}
	}
	return out
}

// descriptors are the open files by number and what they are; those of the runtime are left out.
func descriptors(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err != nil || strings.HasPrefix(to, "/proc/") || strings.HasPrefix(to, "anon_inode:[event") {
			continue // the folder that is read here, the poller
		}
		out[e.Name()+" "+to] = true
	}
	return out
}
