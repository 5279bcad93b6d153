package centre

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"egate/api"
	"egate/audit"
	"egate/console"
	"egate/journal"
	"egate/link"
	"egate/officers"
	"egate/seal"
)

// audited is a gate with its audit log, wired as egated does it.
type audited struct {
	t    *testing.T
	line *line
	dir  string
	j    *journal.Journal
	log  *audit.Log
	l    *link.Link
	step uint64
	boot string
	stop func()
}

// boots numbers the starts of gates.
var boots atomic.Uint64

func (l *line) audited(dir string) *audited {
	l.t.Helper()
	j, r, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{AckDelay: time.Millisecond})
	if err != nil {
		l.t.Fatal(err)
	}
	a := &audited{t: l.t, line: l, dir: dir, j: j, step: r.LastStep, boot: fmt.Sprintf("%016x", boots.Add(1))}
	if a.log, err = audit.Open(l.t.Context(), j, filepath.Join(dir, "audit"), audit.Name(site, here), l.signers[here].Crypto()); err != nil {
		l.t.Fatal(err)
	}
	in := make(chan api.Cosign, 1024)
	by := audit.CosignatureVerifier(audit.WitnessName(site, Principal), l.keys[0])
	a.l, err = link.New(link.Config{Site: site, Gate: here, Brokers: []string{l.url}, TLS: l.ca.asked(here), Boot: a.boot, Epoch: j.Epoch, Signer: l.signers[here], Officers: officers.NewKeeper(site, here, false, seal.Trust(l.offline.Public()), nil),
		Centre: map[string]seal.Keys{Principal: seal.Trust(l.keys...)}, Outbox: j.Outbox(), Cosigned: func(c api.Cosign) { in <- c }})
	if err != nil {
		l.t.Fatal(err)
	}
	a.l.SetStatus("ready")
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.l.Run(ctx) })
	wg.Go(func() {
		for {
			select {
			case <-a.l.Inbound():
			case c := <-in:
				if err := a.log.Cosigned(c.Epoch, c.Size, c.Hash, []byte(c.Line), by); err != nil {
					l.t.Errorf("cosignature: %v", err)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	a.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := errors.Join(a.log.Close(), j.Close()); err != nil {
			l.t.Errorf("gate: %v", err)
		}
	})
	l.t.Cleanup(a.stop)
	return a
}

// event commits an event that is a leaf, as every event of a gate is.
func (a *audited) event(kind string, v any) {
	a.t.Helper()
	a.step++
	d := must(json.Marshal(api.Draft{Type: kind, Time: time.Now().UTC(), Data: must(json.Marshal(v))}))
	a.j.Submit(journal.Record{Step: a.step, Model: []byte("{}"), Events: [][]byte{d}, Leaves: [][]byte{d}})
	if res := <-a.j.Results(); res.Err != nil {
		a.t.Fatal(res.Err)
	}
}

func (a *audited) publish() {
	a.t.Helper()
	if _, err := a.log.Checkpoint(); err != nil {
		a.t.Fatal(err)
	}
	b, err := a.log.Message()
	if err != nil {
		a.t.Fatal(err)
	}
	a.l.PublishCheckpoint(b)
}

func (l *line) alarmed(reason string, on bool) {
	l.t.Helper()
	l.until(reason, func(v map[string]console.GateView) bool {
		for _, a := range v[here].Alerts {
			if a.Reason == reason {
				return on
			}
		}
		return !on
	})
}

// TestE02CentreIsWitness: the centre cosigns what a gate's audit log extends, the gate keeps it, and a fork, a
// rollback and a silence raise the alarm; all of it outlives the centre's restart.
func TestE02CentreIsWitness(t *testing.T) {
	each(t, func(t *testing.T, embedded bool) {
		l := newLine(t, embedded)
		dir := t.TempDir()
		a := l.audited(dir)
		gate := audit.Verifier(audit.Name(site, here), l.signers[here].Public())
		kept := func(n int64) {
			t.Helper()
			for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) { // the file appears when it does
				c, _, err := audit.LastCosigned(filepath.Join(dir, "audit"), audit.Name(site, here), a.j.Epoch(), gate, audit.CosignatureVerifier(audit.WitnessName(site, Principal), l.keys[0]))
				if err == nil && c.Size == n {
					return
				}
				if time.Now().After(end) {
					t.Fatalf("the gate keeps %+v %v, want %d leaves", c, err, n)
				}
			}
		}
		covers := func(n int64) {
			t.Helper()
			l.until("witnessed", func(v map[string]console.GateView) bool {
				w := v[here].Witness
				return w != nil && w.Size == n && !w.Independent && w.By == audit.WitnessName(site, Principal)
			})
		}
		a.event(api.EventBoot, api.Boot{Boot: "0123456789abcdef", Version: "v", Recovered: "clean"})
		a.publish()
		covers(1)
		kept(1)
		for n := range 5 {
			a.event(api.EventDoor, api.DoorEvent{Door: "exit", What: "opened"})
			a.event(api.EventDoor, api.DoorEvent{Door: "exit", What: "closed"})
			a.publish()
			covers(int64(2*n + 3))
			kept(int64(2*n + 3))
		}
		older, err := a.log.Message()
		if err != nil {
			t.Fatal(err)
		}
		// The same key, the same beginning, another end.
		twin := t.TempDir()
		if err := os.CopyFS(twin, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		a.event(api.EventDoor, api.DoorEvent{Door: "entry", What: "opened"})
		a.publish()
		covers(12)
		kept(12)

		// Silence: a stored event that no checkpoint covers.
		a.event(api.EventDoor, api.DoorEvent{Door: "entry", What: "closed"})
		l.until("the event is stored", func(v map[string]console.GateView) bool { return v[here].AckedUpto == 13 })
		late := func() {
			l.c.mu.Lock()
			defer l.c.mu.Unlock()
			l.c.silent(time.Now().Add(2 * silenceLimit))
		}
		l.until("silence", func(v map[string]console.GateView) bool { // its clock starts after the acknowledgement
			for _, x := range v[here].Alerts {
				if x.Reason == console.AlertSilent {
					return true
				}
			}
			go late()
			return false
		})
		a.publish()
		l.alarmed(console.AlertSilent, false)
		covers(13)

		kept(13)
		// A broker that says an old checkpoint again while the gate runs accuses nobody.
		a.l.PublishCheckpoint(older)
		a.event(api.EventDoor, api.DoorEvent{Door: "exit", What: "closed"})
		a.publish()
		covers(14)
		kept(14)
		l.alarmed(console.AlertRollback, false)
		// Rollback: an older checkpoint of a gate that was started anew, and what the gate hears of it is where the witness stands.
		a.stop()
		a = l.audited(dir)
		l.until("started anew", func(v map[string]console.GateView) bool {
			return v[here].Status.Boot == a.boot
		})
		a.l.PublishCheckpoint(older)
		l.alarmed(console.AlertRollback, true)
		// Fork.
		b, _, err := journal.Open(filepath.Join(twin, "journal"), journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		blog, err := audit.Open(t.Context(), b, filepath.Join(twin, "audit"), audit.Name(site, here), l.signers[here].Crypto())
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			a.step++
			b.Submit(journal.Record{Step: a.step, Leaves: [][]byte{[]byte("another story")}})
			if res := <-b.Results(); res.Err != nil {
				t.Fatal(res.Err)
			}
		}
		if _, err := blog.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		c, err := audit.ParseCheckpoint(must(a.log.Checkpoint()), gate)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(blog.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
		forked, err := os.ReadFile(filepath.Join(twin, "audit", epochName(c), "checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		same := func(n int) { // of the size that the witness knows
			for range n {
				a.event(api.EventDoor, api.DoorEvent{Door: "exit", What: "opened"})
			}
		}
		f, err := audit.ParseCheckpoint(forked, gate)
		if err != nil {
			t.Fatal(err)
		}
		same(int(f.Size) - 14)
		a.publish()
		covers(f.Size)
		kept(f.Size)
		a.l.PublishCheckpoint(forked)
		l.alarmed(console.AlertFork, true)
		covers(f.Size)

		// The witness and its doubts outlive the centre; an officer's reset ends them.
		a.stop()
		l.stop()
		again, err := New(l.c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer again.store.close()
		g := again.gates[here]
		if got := g.witness.Seen[f.Origin]; got.Size != f.Size || got.Hash == f.Hash {
			t.Errorf("after a restart the witness knows %+v", got)
		}
		active := func() (n int) {
			for _, x := range g.alerts {
				if x.view.Active && (x.view.Reason == console.AlertFork || x.view.Reason == console.AlertRollback) && x.view.Severity == "danger" {
					n++
				}
			}
			return n
		}
		if active() != 2 {
			t.Errorf("%d alarms after a restart", active())
		}
		again.learn(g, api.Event{Type: "egate.order.v1", Time: time.Now(), Data: must(json.Marshal(api.OrderEvent{ID: "a", Principal: Principal, Name: api.CmdReset, Result: "done"}))})
		if active() != 0 {
			t.Error("a reset does not end them")
		}
	})
}

func epochName(c audit.Checkpoint) string { return filepath.Base(c.Origin) }
