package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"egate/api"
	"egate/audit"
	"egate/console"
	"egate/journal"
	"egate/link"
	"egate/officers"
	"egate/seal"
	"egate/test/brokers"
)

const gateName = "gate-1"

// rig is what egated makes evidence with (journal, audit log, link, wired alike), on a disk that fails and
// behind a network that fails, and a real centre with its broker.
type rig struct {
	*line
	t      *testing.T
	r      *rand.Rand
	net    *brokers.Network
	disk   *disk
	dir    string // of the audit log
	signer *seal.Signer
	jump   atomic.Int64 // of all clocks, ns

	j    *journal.Journal
	log  *audit.Log
	stop func()
	step uint64
	tick int64

	committed []entry // by time stamp, in order: acknowledged by the journal
	maybe     map[[32]byte]bool
	boots     int
}

func newRig(t *testing.T, r *rand.Rand) *rig {
	t.Helper()
	g := &rig{t: t, r: r, disk: newDisk(), dir: t.TempDir(), maybe: map[[32]byte]bool{}}
	g.line = newLine(t, gateName)
	s, err := seal.LoadSigner(filepath.Join(g.line.dir, gateName+".key"))
	if err != nil {
		t.Fatal(err)
	}
	g.signer = s
	g.net = brokers.NewNetwork(t, g.cfg.Listen)
	g.start()
	t.Cleanup(func() { g.stop() })
	return g
}

func (g *rig) now() time.Time { return time.Now().Add(time.Duration(g.jump.Load())) }

// start is a start of the gate.
func (g *rig) start() {
	g.t.Helper()
	gap := func(old, _ uint64, why string) (events, leaves [][]byte) {
		d := g.draft(api.EventGap, api.Gap{OldEpoch: old, Why: why})
		return [][]byte{d}, [][]byte{d}
	}
	j, rec, err := journal.Open("", journal.Options{FS: g.disk, Segment: 16 << 10, Prealloc: 4 << 10, AckDelay: time.Millisecond, Now: g.now, Gap: gap,
		Retain: 1000 * time.Hour}) // a clock that jumps ends no retention here: everything is compared
	if err != nil {
		g.t.Fatal(err)
	}
	log, err := audit.Open(g.t.Context(), j, g.dir, audit.Name(site, gateName), g.signer.Crypto())
	if err != nil {
		g.t.Fatal(err)
	}
	g.boots++
	cosigned := make(chan api.Cosign, 256)
	lk, err := link.New(link.Config{Site: site, Gate: gateName, Brokers: []string{g.net.URL()}, Boot: fmt.Sprintf("%016x", g.boots), Epoch: j.Epoch, Signer: g.signer, Officers: officers.NewKeeper(site, gateName, true, seal.Trust(g.signer.Public()), nil), // nobody orders here
		Centre: map[string]seal.Keys{"console": seal.Trust(g.key)}, Outbox: j.Outbox(),
		Ahead:    func(ctx context.Context, why string) error { _, err := j.Lost(ctx, j.Epoch(), why); return err },
		Cosigned: func(c api.Cosign) { cosigned <- c }})
	if err != nil {
		g.t.Fatal(err)
	}
	lk.SetStatus("ready")
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = lk.Run(ctx) })
	wg.Go(func() {
		log.Follow(ctx, audit.Rule{Period: 200 * time.Millisecond, Leaves: 8}, lk.PublishCheckpoint, func(error) {})
	})
	by := audit.CosignatureVerifier(audit.WitnessName(site, "console"), g.key)
	wg.Go(func() {
		for {
			select {
			case <-lk.Inbound():
			case c := <-cosigned:
				if errors.Is(log.Cosigned(c.Epoch, c.Size, c.Hash, []byte(c.Line), by), audit.ErrBehind) {
					_, _ = j.Lost(ctx, c.Epoch, "a witness has cosigned what the journal does not hold")
				}
			case <-ctx.Done():
				return
			}
		}
	})
	g.j, g.log, g.step = j, log, rec.LastStep
	g.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		_ = log.Close()
		_ = j.Close()
	})
}

// draft is an event with a time stamp of its own.
func (g *rig) draft(kind string, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	n := atomic.AddInt64(&g.tick, 1)
	d, err := json.Marshal(api.Draft{Type: kind, Time: time.Unix(1.8e9, n).UTC(), Data: data})
	if err != nil {
		panic(err)
	}
	return d
}

// mark is what tells an event from all others.
func mark(at time.Time) (h [32]byte) {
	copy(h[:], at.UTC().Format(time.RFC3339Nano))
	return h
}

// commit hands one step to the journal and tells whether it became durable.
func (g *rig) commit() error {
	g.step++
	rec := journal.Record{Step: g.step, Model: []byte(`{"a":"model"}`)}
	var marks [][32]byte
	for range 1 + g.r.IntN(3) {
		d := g.draft(api.EventDoor, api.DoorEvent{Door: "exit", What: []string{"opened", "closed"}[g.r.IntN(2)]})
		rec.Events, rec.Leaves = append(rec.Events, d), append(rec.Leaves, d)
		var x api.Draft
		_ = json.Unmarshal(d, &x)
		marks = append(marks, mark(x.Time))
	}
	g.j.Submit(rec)
	res := <-g.j.Results()
	for _, m := range marks {
		if res.Err == nil {
			g.committed = append(g.committed, entry{hash: m})
		} else {
			g.maybe[m] = true
		}
	}
	return res.Err
}

// restart is a power cut and a start; it checks what was found.
func (g *rig) restart(what string) {
	g.t.Helper()
	next := g.disk.cut(g.r)
	g.stop()
	g.disk = next
	g.start()
	g.check(what)
}

// check compares what the journal holds with what it has acknowledged to the loop.
func (g *rig) check(what string) {
	g.t.Helper()
	var found []entry
	rep, err := journal.Read(g.disk, func(e journal.Entry) error {
		for i, d := range e.Events {
			var x api.Draft
			if err := json.Unmarshal(d, &x); err != nil {
				return err
			}
			found = append(found, entry{id: id{e.Epoch, e.FirstSeq + uint64(i)}, hash: mark(x.Time)})
		}
		return nil
	})
	if err != nil || len(rep.Holes) > 0 {
		g.t.Fatalf("%s: %v, holes %+v", what, err, rep.Holes)
	}
	k := 0
	for i, f := range found {
		if f.epoch != found[0].epoch || f.seq != uint64(i+1) {
			g.t.Fatalf("%s: event %d-%d at place %d", what, f.epoch, f.seq, i)
		}
		switch {
		case k < len(g.committed) && f.hash == g.committed[k].hash:
			k++
		case g.maybe[f.hash]: // the disk has failed while it was written: nobody was told that it is durable
		default:
			g.t.Fatalf("%s: event %d-%d (%s) is not the committed one (%d of %d)", what, f.epoch, f.seq, f.hash[:30], k, len(g.committed))
		}
	}
	if k != len(g.committed) {
		g.t.Fatalf("%s: %d of %d committed events are there", what, k, len(g.committed))
	}
	g.committed = found
}

// delivered waits until the centre has everything, and compares.
func (g *rig) delivered(what string) {
	g.t.Helper()
	want := uint64(len(g.committed))
	if err := g.until(gateName, func(v console.GateView) bool {
		return v.AckedUpto >= want && v.Status.State == "ready" && v.Witness != nil && uint64(v.Witness.Size) >= want
	}); err != nil {
		g.t.Fatalf("%s: %d events: %v", what, want, err)
	}
	i := 0
	var at id
	for {
		es, err := g.c.History(gateName, at.epoch, at.seq, 1000)
		if err != nil {
			g.t.Fatal(err)
		}
		if len(es) == 0 {
			break
		}
		for _, e := range es {
			at = id{e.Epoch, e.Seq}
			if i >= len(g.committed) || g.committed[i].hash != mark(e.Time) || e.Seq != uint64(i+1) {
				g.t.Fatalf("%s: event %d at the centre is %d-%d, not the committed one", what, i, e.Epoch, e.Seq)
			}
			i++
		}
	}
	if i != len(g.committed) {
		g.t.Fatalf("%s: the centre has %d of %d events", what, i, len(g.committed))
	}
}

// TestE03Faults (E-02, E-03, E-07): torn writes, power cuts, EIO, ENOSPC, a read-only remount, short writes, a
// network that breaks, freezes, forgets and ends after any number of bytes, a broker and centre that
// restart, clocks that jump: what was acknowledged to the loop is there, in order, under its number, once;
// all of it reaches the centre; and the audit log goes with every checkpoint that left the gate.
// EGATE_ROUNDS=300 is the long form.
func TestE03Faults(t *testing.T) {
	rounds := scale(t, "EGATE_ROUNDS", 14)
	r := rand.New(rand.NewPCG(seed(t), 2))
	g := newRig(t, r)
	failing := func(errno error, ops ...string) func() {
		return func() {
			g.disk.set(func() {
				g.disk.fault = func(op string) error {
					for _, o := range ops {
						if o == op {
							return errno
						}
					}
					return nil
				}
			})
			var err error
			for range 3 {
				err = errors.Join(err, g.commit())
			}
			if !errors.Is(err, journal.ErrFailed) {
				t.Fatalf("%v on %v: the journal says %v", errno, ops, err)
			}
			g.restart(fmt.Sprint(errno))
		}
	}
	some := func() {
		for range 1 + r.IntN(5) {
			if err := g.commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	faults := []struct {
		name string
		play func()
	}{
		{"power cut", func() { some(); g.restart("power cut") }},
		{"EIO on write", failing(syscall.EIO, "write")},
		{"EIO on fsync", failing(syscall.EIO, "sync")},
		{"ENOSPC", failing(syscall.ENOSPC, "write", "create")},
		{"read-only remount", failing(syscall.EROFS, "write", "sync", "create", "folder")},
		{"torn write", func() {
			g.disk.set(func() { g.disk.short = 1 + r.IntN(20) }) // less than any frame
			if err := g.commit(); !errors.Is(err, journal.ErrFailed) {
				t.Fatalf("a short write: %v", err)
			}
			g.restart("torn write")
		}},
		{"network down", func() { g.net.Down(true); some(); g.net.Down(false) }},
		{"broken connection", func() { some(); g.net.Break(); some() }},
		{"broken after some bytes", func() {
			g.net.BreakAfter(1 + r.Int64N(6000))
			g.net.Break()
			some()
			g.net.BreakAfter(0)
			g.net.Break()
		}},
		{"frozen", func() { g.net.Freeze(true); some(); g.net.Freeze(false) }},
		{"half open", func() { g.net.HalfOpen(); some() }},
		{"broker and centre restart", func() { some(); g.line.stop(); some(); g.line.open() }},
		{"clock jumps", func() {
			g.jump.Store(int64(time.Duration(r.Int64N(int64(48*time.Hour))) - 24*time.Hour))
			some()
			g.restart("clock jump")
		}},
		{"orderly restart", func() { some(); g.stop(); g.start(); g.check("orderly restart") }},
	}
	count := map[string]int{}
	for n := range rounds {
		f := faults[n%len(faults)] // each of them, in an order of its own each time round
		if n%len(faults) == 0 {
			r.Shuffle(len(faults), func(i, k int) { faults[i], faults[k] = faults[k], faults[i] })
			f = faults[0]
		}
		some()
		f.play()
		count[f.name]++
		if n%5 == 4 || n == rounds-1 {
			g.delivered(f.name)
		}
	}
	g.stop()
	g.check("at the end")
	dir := t.TempDir()
	if err := g.disk.dump(dir); err != nil {
		t.Fatal(err)
	}
	var notes [][]byte
	for end := time.Now().Add(patience); len(notes) == 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		notes = g.wire.checkpoints(gateName) // the observer may still be on its way back to the broker, which keeps the last one
	}
	rep, err := audit.Verify(dir, g.dir, audit.Name(site, gateName), g.cfg.Gates[gateName], notes...)
	if err != nil || len(notes) == 0 {
		t.Errorf("audit log against %d checkpoints from outside: %v", len(notes), err)
	}
	for _, x := range g.wire.wrong {
		t.Error(x)
	}
	t.Logf("%d faults %v, %d starts, %d events committed: 0 lost, 0 twice, 0 out of order; %d checkpoints from outside agree (%+v)", rounds, count, g.boots, len(g.committed), len(notes), rep.Epochs)
}

// TestE03LyingDisk: a disk that says it has synced and has not, and a power cut: what the centre has seen and
// the gate has lost is detected, whether the audit log was on the same disk or not: a new epoch begins with
// a gap event, the desk has its alarm, and what the centre has stays as it was.
func TestE03LyingDisk(t *testing.T) {
	rounds := max(1, scale(t, "EGATE_ROUNDS", 2)/30)
	r := rand.New(rand.NewPCG(seed(t), 3))
	lost, epochs := 0, 0
	for n := range 2 * rounds {
		g := newRig(t, r)
		for range 1 + r.IntN(6) {
			if err := g.commit(); err != nil {
				t.Fatal(err)
			}
		}
		g.delivered("before")
		// An old copy of the audit log, as on a disk that lies about it too.
		old := t.TempDir()
		for n := 0; ; n++ { // a file that is being replaced may vanish under the copy
			to := filepath.Join(old, fmt.Sprint(n))
			err := os.CopyFS(to, os.DirFS(g.dir))
			if err == nil {
				old = to
				break
			}
			if !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		g.disk.set(func() { g.disk.lie = true })
		before := len(g.committed)
		for range 1 + r.IntN(6) {
			if err := g.commit(); err != nil {
				t.Fatal(err)
			}
		}
		g.delivered("while the disk lies")
		g.check("while the disk lies")
		epoch := g.j.Epoch()
		next := g.disk.cut(nil)
		g.stop()
		g.disk = next
		same := n%2 == 0 // one disk for both
		if same {
			g.dir = old
		}
		lost += len(g.committed) - before
		known := g.committed
		g.start()
		// The loop goes on at once, as egated does with its boot event.
		g.committed, g.maybe = nil, map[[32]byte]bool{}
		if err := g.commit(); err != nil {
			t.Fatal(err)
		}
		if err := g.until(gateName, func(v console.GateView) bool {
			told := false
			for _, a := range v.Alerts {
				told = told || a.Reason == console.AlertLost
			}
			return told && v.Status.Epoch > epoch && v.Witness != nil && v.Witness.Epoch > epoch
		}); err != nil {
			t.Fatalf("one disk %v: %v", same, err)
		}
		if g.j.Epoch() <= epoch {
			t.Fatalf("epoch %d after %d", g.j.Epoch(), epoch)
		}
		// Status and checkpoint may be at the desk before the first event of the new epoch is.
		var es []api.Event
		for end := time.Now().Add(patience); len(es) == 0 || es[len(es)-1].Epoch <= epoch; time.Sleep(5 * time.Millisecond) {
			var err error
			if es, err = g.c.History(gateName, 0, 0, 1000); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(end) {
				t.Fatal("no event of the new epoch")
			}
		}
		gaps := 0
		for i, e := range es {
			switch {
			case i < len(known) && (e.Epoch != epoch || mark(e.Time) != known[i].hash):
				t.Errorf("event %d at the centre was replaced", i)
			case e.Epoch > epoch && e.Seq == 1: // what was committed before the loss was known stands under the old epoch
				var gap api.Gap
				if err := json.Unmarshal(e.Data, &gap); err != nil || e.Type != "egate.gap.v1" || gap.OldEpoch < epoch {
					t.Errorf("the new epoch begins with %s %d-%d", e.Type, e.Epoch, e.Seq)
				}
				gaps++
			}
		}
		if gaps == 0 {
			t.Error("no gap event")
		}
		epochs += gaps
		g.stop()
		g.line.stop()
	}
	t.Logf("%d times a disk lied and the power was cut: %d events lost at the gate, %d new epochs, each time with a gap event and an alarm; all of them at the centre", 2*rounds, lost, epochs)
}
