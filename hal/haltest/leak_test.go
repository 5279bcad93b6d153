package haltest

import (
	"os"
	"strings"
	"testing"
)

// The check can fail: a goroutine that blocks and a file that stays open are seen.
func TestLeaksAreSeen(t *testing.T) {
	goroutines, files := stacks(), descriptors(t)
	stop := make(chan struct{})
	began := make(chan struct{})
	go func() { close(began); <-stop }()
	<-began
	f, err := os.CreateTemp(t.TempDir(), "left")
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for id, s := range stacks() {
		seen = seen || goroutines[id] == "" && strings.Contains(s, "TestLeaksAreSeen")
	}
	if !seen {
		t.Error("a goroutine that was left is not seen")
	}
	seen = false
	for d := range descriptors(t) {
		seen = seen || !files[d] && strings.Contains(d, f.Name())
	}
	if !seen {
		t.Error("an open file is not seen")
	}
	close(stop)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
