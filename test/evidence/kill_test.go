package evidence

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"egate/console"
)

// gates of the campaign, beside each other: most of a passage is waiting for doors and people.
const gatesOfLine = 4

// delay is how long a controller lives: mostly short, so that starting, recovering and connecting are hit, and
// sometimes long enough for a whole passage.
func delay(r *rand.Rand) time.Duration {
	switch n := r.IntN(100); {
	case n < 60:
		return time.Duration(r.Int64N(int64(500 * time.Millisecond)))
	case n < 90:
		return time.Duration(r.Int64N(int64(3 * time.Second)))
	}
	return time.Duration(r.Int64N(int64(10 * time.Second)))
}

// TestE03KilledControllers (E-02, E-03, laws 2 and 8): the real controller, SIGKILLed at random points of real
// passages, again and again on the same state. After each kill no event that was committed is lost, changed
// or there under another number, nothing was heard outside that is not committed, order and steps rise,
// the audit log goes with every checkpoint that left the gate, the exit was pulsed only after an allow of
// the same start, and the plant saw nothing unsafe. At the end everything is at the centre, in order.
// EGATE_KILLS=2000 is the long form.
func TestE03KilledControllers(t *testing.T) {
	kills := scale(t, "EGATE_KILLS", 12)
	s := seed(t)
	var names []string
	for i := range gatesOfLine {
		names = append(names, fmt.Sprintf("gate-%d", i+1))
	}
	l := newLine(t, names...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	total, torn, early := 0, 0, 0
	for i, name := range names {
		w := l.world(ctx, name)
		l.gates = append(l.gates, w)
		wg.Go(func() {
			r := rand.New(rand.NewPCG(s, uint64(i)))
			for k := range (kills + gatesOfLine - 1 - i) / gatesOfLine {
				if err := w.start(); err != nil {
					w.fail("start: %v", err)
					return
				}
				select {
				case <-time.After(delay(r)): // the random point: nothing is waited for
				case <-ctx.Done():
				}
				w.kill()
				what := fmt.Sprintf("after kill %d", k+1)
				rep, _ := w.read(what)
				if rep.Epoch != 0 {
					w.verify(what)
				}
				w.safe(what)
				mu.Lock()
				total++
				if rep.TornTail {
					torn++
				}
				if rep.Seq == 0 {
					early++
				}
				mu.Unlock()
				if len(w.failures()) > 0 {
					return
				}
			}
			w.finish()
		})
	}
	wg.Wait()
	events, pulses, crossed := 0, int64(0), 0
	for _, w := range l.gates {
		for _, f := range w.failures() {
			t.Error(f)
		}
		events += len(w.known)
		pulses += w.pulses.Load()
		for _, c := range w.plant.Crossings() {
			if c.Across && c.Human {
				crossed++
			}
		}
		if t.Failed() {
			t.Logf("%s: last lines of egated's log:\n%s", w.name, tail(filepath.Join(w.dir, w.name, "egated.log"), 15))
		}
	}
	for _, x := range l.wire.wrong {
		t.Error(x)
	}
	t.Logf("%d kills of %d controllers (%d before the first record), %d torn tails, %d events committed: 0 lost, 0 twice, 0 out of order; %d pulses at exits, %d travellers across",
		total, gatesOfLine, early, torn, events, pulses, crossed)
}

// finish lets the controller deliver, ends it in order and compares both ends.
func (w *world) finish() {
	if err := w.start(); err != nil {
		w.fail("last start: %v", err)
		return
	}
	if err := w.until(w.name, func(g console.GateView) bool {
		// What the controller before had said is retained, and may be as good.
		return g.Status.At.After(w.began) && g.State.At.After(w.began) && (g.Status.State == "ready" || g.Status.State == "degraded") && g.AckedUpto >= uint64(len(w.known)) && g.State.Mode == "open"
	}); err != nil {
		w.fail("last start: %v", err)
	}
	if err := w.proc.Process.Signal(syscall.SIGTERM); err != nil {
		w.fail("stop: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.proc.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			w.fail("egated ended with %v", err)
		}
	case <-time.After(patience):
		w.fail("egated does not end")
		w.kill()
		return
	}
	rep, _ := w.read("at the end")
	if !rep.Clean {
		w.fail("an orderly end left no clean journal")
	}
	for _, e := range w.verify("at the end").Epochs {
		if e.Above > 0 {
			w.fail("an orderly end left %d leaves of epoch %d above the last signed checkpoint", e.Above, e.Epoch)
		}
	}
	w.safe("at the end")
	// What was committed after the last acknowledgement waits for the next start; all before it is at the centre.
	got, err := w.history()
	if err != nil {
		w.fail("history: %v", err)
		return
	}
	if len(got) > len(w.known) {
		w.fail("the centre has %d events, %d are committed", len(got), len(w.known))
		return
	}
	for i, e := range got {
		if k := w.known[i]; k.id != e.id || k.hash != e.hash {
			w.fail("event %d at the centre is %d-%d, committed is %d-%d", i, e.epoch, e.seq, k.epoch, k.seq)
			return
		}
	}
	if c := rep.Cursors["ack"]; uint64(len(got)) < c.Upto {
		w.fail("%d events are acknowledged, the centre has %d", c.Upto, len(got))
	}
	if err := w.until(w.name, func(g console.GateView) bool {
		for _, a := range g.Alerts {
			switch a.Reason {
			case console.AlertLost, console.AlertMissing, console.AlertRefused, console.AlertFork, console.AlertRollback:
				w.fail("alarm at the centre: %s", a.Reason)
			}
		}
		return true
	}); err != nil {
		w.fail("%v", err)
	}
}

// history reads everything that the centre has stored of a gate.
func (w *world) history() (out []entry, err error) {
	var at id
	for {
		es, err := w.c.History(w.name, at.epoch, at.seq, 1000)
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			at = id{e.Epoch, e.Seq}
			out = append(out, entry{id: at, hash: said(strings.TrimSuffix(strings.TrimPrefix(e.Type, "egate."), ".v1"), e.Data)})
		}
		if len(es) == 0 {
			return out, nil
		}
	}
}
