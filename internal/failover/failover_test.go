package failover

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

// world is servers that are up or down, in virtual time.
type world struct {
	mu    sync.Mutex
	up    map[string]bool
	cut   map[string]chan struct{}
	visit []string
}

func newWorld() *world { return &world{up: map[string]bool{}, cut: map[string]chan struct{}{}} }

func (w *world) set(server string, up bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.cut[server]; c != nil && !up {
		close(c)
		delete(w.cut, server)
	}
	w.up[server] = up
}

func (w *world) connect(ctx context.Context, server string) error {
	w.mu.Lock()
	w.visit = append(w.visit, server)
	if !w.up[server] {
		w.mu.Unlock()
		return errDown
	}
	c := make(chan struct{})
	w.cut[server] = c
	w.mu.Unlock()
	select {
	case <-c:
		return errDown
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *world) probe(_ context.Context, server string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.up[server] {
		return errDown
	}
	return nil
}

func (w *world) visits() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.visit
	w.visit = nil
	return v
}

// E-03: the next broker when one is gone, the first again when it is back; nothing spins when all are gone.
func TestE03NextAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("a", true)
		w.set("b", true)
		l := &List{Servers: []string{"a", "b", "c"}, Limits: Defaults, Probe: w.probe}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go l.Run(ctx, w.connect, func(string, error) {})
		step := func(d time.Duration, at int, want ...string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if v := w.visits(); l.At() != at || want != nil && !slices.Equal(v, want) {
				t.Fatalf("at %d after %v, want %d after %v", l.At(), v, at, want)
			}
		}
		step(time.Hour, 0, "a")
		w.set("a", false)
		step(time.Second, 1, "a", "b")
		step(time.Hour, 1) // a is looked at, nothing else
		w.set("a", true)
		step(Defaults.Return, 0, "a")
		step(time.Hour, 0)
		w.set("a", false)
		w.set("b", false)
		time.Sleep(10 * time.Minute)
		if n := len(w.visits()); n > 3*130 || n < 3*50 {
			t.Errorf("%d attempts in ten minutes without any server", n)
		}
		w.set("c", true)
		step(Defaults.MaxPause, 2)
		w.set("b", true)
		step(Defaults.Return, 1) // better, though not the best
	})
}

// A server that accepts and drops at once keeps nobody from the next one, and coming back to it becomes rare.
func TestE03FirstThatDoesNotWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("b", true)
		probes := 0
		l := &List{Servers: []string{"a", "b"}, Limits: Defaults, Probe: func(context.Context, string) error { probes++; return nil }}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go l.Run(ctx, w.connect, func(string, error) {})
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		if l.At() != 1 || probes > 25 {
			t.Errorf("at %d, came back %d times in four hours", l.At(), probes)
		}
	})
}
