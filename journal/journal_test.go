package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func open(t rapidOrT, fs FS, opt Options) (*Journal, Recovered) {
	t.Helper()
	opt.FS = fs
	if opt.Prealloc == 0 {
		opt.Prealloc = -1 // files end where the log ends
	}
	j, r, err := Open("", opt)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return j, r
}

type rapidOrT interface {
	Helper()
	Fatalf(string, ...any)
}

func rec(step uint64, events, leaves int) Record {
	r := Record{Step: step, Model: fmt.Appendf(nil, "model %d", step)}
	for i := range events {
		r.Events = append(r.Events, fmt.Appendf(nil, "event %d/%d", step, i))
	}
	for i := range leaves {
		r.Leaves = append(r.Leaves, fmt.Appendf(nil, "leaf %d/%d", step, i))
	}
	return r
}

// put submits and waits for the result.
func put(t rapidOrT, j *Journal, r Record) {
	t.Helper()
	j.Submit(r)
	if res := <-j.Results(); res.Err != nil || res.Step != r.Step {
		t.Fatalf("%+v for step %d", res, r.Step)
	}
}

// drain reads n events.
func drain(t rapidOrT, o *Outbox, n int) (out []Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range n {
		e, err := o.Next(ctx)
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		out = append(out, e)
	}
	return out
}

func none(t rapidOrT, o *Outbox) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if e, err := o.Next(ctx); err == nil {
		t.Fatalf("unexpected event %d-%d", e.Epoch, e.Seq)
	}
}

// E-03: what was committed is there after a restart, in order and with its numbers.
func TestE03Restart(t *testing.T) {
	dir := t.TempDir()
	j, r, err := Open(dir, Options{})
	if err != nil || !r.First || r.Epoch == 0 || r.LastStep != 0 || r.Model != nil {
		t.Fatalf("%+v %v", r, err)
	}
	if _, _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Fatalf("a second daemon: %v", err)
	}
	put(t, j, rec(1, 2, 1))
	r5 := rec(5, 0, 0)
	r5.Meta = map[string]string{"policy": "7", "gone": "x"}
	put(t, j, r5)
	r6 := rec(6, 1, 1)
	r6.Meta = map[string]string{"gone": ""}
	put(t, j, r6)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	epoch := r.Epoch
	j, r, err = Open(dir, Options{})
	if err != nil || !r.Clean || r.TornTail || r.Epoch != epoch || r.LastStep != 6 || string(r.Model) != "model 6" || r.Pending != 3 || r.OldEpoch != 0 {
		t.Fatalf("%+v %v", r, err)
	}
	if len(r.Meta) != 1 || j.Meta("policy") != "7" {
		t.Fatalf("rows %v", r.Meta)
	}
	o := j.Outbox()
	es := drain(t, o, 3)
	for i, want := range []string{"event 1/0", "event 1/1", "event 6/0"} {
		if es[i].Seq != uint64(i+1) || es[i].Epoch != epoch || string(es[i].Data) != want {
			t.Errorf("%d: %+v", i, es[i])
		}
	}
	none(t, o)
	o.Rewind()
	if e := drain(t, o, 1)[0]; e.Seq != 1 {
		t.Errorf("rewound to %d", e.Seq)
	}
	if err := o.Ack(epoch, 2); err != nil {
		t.Fatal(err)
	}
	if e := drain(t, o, 1)[0]; e.Seq != 3 {
		t.Errorf("after the acknowledgement: %d", e.Seq)
	}
	var leaves []string
	for l, err := range j.Leaves(epoch, 0) {
		if err != nil || l.Index != uint64(len(leaves)) {
			t.Fatal(l, err)
		}
		leaves = append(leaves, string(l.Data))
	}
	if !slices.Equal(leaves, []string{"leaf 1/0", "leaf 6/0"}) {
		t.Errorf("%q", leaves)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, r, err = Open(dir, Options{})
	if err != nil || r.Pending != 1 || j.Acked() != (Cursor{epoch, 2}) {
		t.Fatalf("the cursor was not kept: %+v %v %v", r, j.Acked(), err)
	}
	j.Close()
	for _, e := range must(os.ReadDir(dir)) {
		if fi := must(e.Info()); fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), fi.Mode())
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// E-03, X-02: an acknowledgement that does not fit deletes nothing.
func TestE03AckOnlyWhatFits(t *testing.T) {
	fs := newMemFS()
	j, r := open(t, fs, Options{})
	defer j.Close()
	e := r.Epoch
	put(t, j, rec(1, 5, 0))
	if err := j.Ack(e, 2); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		epoch, upto uint64
		want        error
	}{
		{e, 6, ErrAhead}, {e, 1 << 60, ErrAhead}, {e + 1, 1, ErrAhead}, {e + 1, 0, ErrAhead},
		{e, 1, ErrStale}, {e - 1, 1 << 60, ErrStale}, {0, 0, ErrStale}, {e, 2, nil},
	} {
		if err := j.Ack(c.epoch, c.upto); !errors.Is(err, c.want) {
			t.Errorf("ack %d-%d: %v, want %v", c.epoch, c.upto, err, c.want)
		}
		if j.Acked() != (Cursor{e, 2}) {
			t.Fatalf("the cursor moved to %v", j.Acked())
		}
	}
	if es := drain(t, j.Outbox(), 3); es[0].Seq != 3 {
		t.Error(es)
	}
}

// Many records that wait are one frame and one fsync; results come in order.
func TestGroupCommit(t *testing.T) {
	fs := newMemFS()
	gate := make(chan struct{})
	j, _ := open(t, fs, Options{})
	fs.mu.Lock()
	fs.sync = func(string) error { <-gate; return nil }
	fs.mu.Unlock()
	before := j.Stats()
	for s := uint64(1); s <= 100; s++ {
		j.Submit(rec(s, 1, 1))
	}
	close(gate)
	for s := uint64(1); s <= 100; s++ {
		if r := <-j.Results(); r.Err != nil || r.Step != s {
			t.Fatal(r)
		}
	}
	st := j.Stats()
	if n := st.Syncs - before.Syncs; n > 3 || st.Records != 100 {
		t.Errorf("%d fsyncs for %d records", n, st.Records)
	}
	if es := drain(t, j.Outbox(), 100); es[99].Seq != 100 {
		t.Error("order")
	}
	j.Close()
}

// A full queue, a step that does not rise and a record that is too large are refused one by one.
func TestRefusedRecords(t *testing.T) {
	fs := newMemFS()
	gate := make(chan struct{})
	j, _ := open(t, fs, Options{Queue: 4})
	put(t, j, rec(10, 1, 0))
	big := rec(11, 0, 0)
	big.Model = make([]byte, MaxRecord+1)
	for _, r := range []Record{rec(10, 1, 0), rec(9, 1, 0), big} {
		j.Submit(r)
		if res := <-j.Results(); !errors.Is(res.Err, ErrRecord) || res.Step != r.Step {
			t.Errorf("%+v", res)
		}
	}
	fs.mu.Lock()
	fs.sync = func(string) error { <-gate; return nil }
	fs.mu.Unlock()
	for s := uint64(11); s < 31; s++ {
		j.Submit(rec(s, 1, 0))
	}
	go func() { close(gate) }()
	good, full := 0, 0
	for s := uint64(11); s < 31; s++ {
		r := <-j.Results()
		if r.Step != s {
			t.Fatalf("result of %d, want %d", r.Step, s)
		}
		if r.Err == nil {
			good++
		} else if errors.Is(r.Err, ErrFull) {
			full++
		}
	}
	if good < 4 || good+full != 20 {
		t.Errorf("%d committed, %d refused", good, full)
	}
	es := drain(t, j.Outbox(), good+1)
	if es[good].Seq != uint64(good+1) {
		t.Error("a refused record left a gap")
	}
	j.Close()
}

// E-03: after a full disk, an I/O error or a failed fsync nothing is written any more, every later
// record is answered with the error, and nothing that was committed is lost.
func TestE03StorageFails(t *testing.T) {
	for name, set := range map[string]func(*memFS){
		"full disk": func(m *memFS) {
			m.write = func(_ string, b []byte) (int, error) { return len(b) / 2, syscall.ENOSPC }
		},
		"io error":    func(m *memFS) { m.write = func(string, []byte) (int, error) { return 0, syscall.EIO } },
		"short write": func(m *memFS) { m.write = func(_ string, b []byte) (int, error) { return len(b) - 1, nil } },
		"fsync":       func(m *memFS) { m.sync = func(string) error { return syscall.EIO } },
		"read only":   func(m *memFS) { m.write = func(string, []byte) (int, error) { return 0, syscall.EROFS } },
	} {
		t.Run(name, func(t *testing.T) {
			fs := newMemFS()
			j, r0 := open(t, fs, Options{})
			put(t, j, rec(1, 2, 1))
			fs.mu.Lock()
			set(fs)
			fs.mu.Unlock()
			j.Submit(rec(2, 1, 0))
			if r := <-j.Results(); !errors.Is(r.Err, ErrFailed) || r.Step != 2 {
				t.Fatalf("%+v", r)
			}
			fs.mu.Lock()
			fs.write, fs.sync = nil, nil
			fs.mu.Unlock()
			j.Submit(rec(3, 1, 0))
			if r := <-j.Results(); !errors.Is(r.Err, ErrFailed) {
				t.Fatalf("written after a failure: %+v", r)
			}
			if err := j.Ack(r0.Epoch, 1); !errors.Is(err, ErrFailed) {
				t.Errorf("ack: %v", err)
			}
			if err := j.Close(); !errors.Is(err, ErrFailed) {
				t.Errorf("close: %v", err)
			}
			j, r := open(t, fs, Options{})
			defer j.Close()
			if r.Epoch != r0.Epoch || r.Clean || r.OldEpoch != 0 {
				t.Fatalf("%+v", r)
			}
			if es := drain(t, j.Outbox(), 2); es[1].Seq != 2 {
				t.Error(es)
			}
			put(t, j, rec(9, 1, 0))
		})
	}
}

// history writes n records (every third with a roll-over in sight) and returns the folder and the
// size of the last file after each commit.
func history(t rapidOrT, n int, opt Options) (*memFS, []map[string]int) {
	fs := newMemFS()
	j, _ := open(t, fs, opt)
	sizes := []map[string]int{snapshot(fs)}
	for s := 1; s <= n; s++ {
		put(t, j, rec(uint64(s), s%3, s%2))
		sizes = append(sizes, snapshot(fs))
	}
	c := fs.copy(nil) // as a power cut finds it: not closed
	j.Close()
	return c, sizes
}

func snapshot(m *memFS) map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := map[string]int{}
	for n, f := range m.files {
		s[n] = len(f.data)
	}
	return s
}

func names(m *memFS) []string { l := must(m.List()); slices.Sort(l); return l }

// E-03, law 8: whatever byte of the last file a power cut leaves, all records whose frame is whole are
// there, none is lost, none is invented.
func TestE03CutAtEveryByte(t *testing.T) {
	for _, seg := range []int64{1 << 20, 300} {
		fs, sizes := history(t, 12, Options{Segment: seg})
		ns := names(fs)
		last := ns[len(ns)-1]
		for cut := 0; cut <= len(fs.files[last].data); cut++ {
			want := -1 // last step whose bytes are all there; -1: not even the first head
			for s, m := range sizes {
				if m[last] <= cut && (m[last] > 0 || len(ns) > 1) {
					want = s
				}
			}
			c := fs.copy(func(n string, _, size int) int {
				if n == last {
					return cut
				}
				return size
			})
			j, r := open(t, c, Options{Segment: seg})
			whole := cut == 0
			for _, m := range sizes {
				whole = whole || m[last] == cut
			}
			if r.TornTail == whole && !(cut == 0 && r.TornTail) {
				t.Fatalf("cut at %d: torn tail %v", cut, r.TornTail)
			}
			if r.OldEpoch != 0 {
				t.Fatalf("cut at %d: taken for damage: %+v", cut, r)
			}
			if want < 0 {
				if !r.First {
					t.Fatalf("cut at %d: %+v", cut, r)
				}
				j.Close()
				continue
			}
			if r.LastStep != uint64(want) {
				t.Fatalf("cut at %d: step %d, want %d", cut, r.LastStep, want)
			}
			check(t, j, want)
			// It goes on, and what it writes then is as good.
			put(t, j, rec(uint64(want)+1, 1, 1))
			j.Close()
			j2, r2 := open(t, c, Options{Segment: seg})
			if !r2.Clean || r2.LastStep != uint64(want)+1 || r2.Epoch != r.Epoch {
				t.Fatalf("cut at %d, second start: %+v", cut, r2)
			}
			j2.Close()
		}
	}
}

// Law 8: with zeros written ahead, a power cut may leave any of the sectors of the last write and not
// the others: what was committed before is there, the torn write is cut or was never begun.
func TestE03TornSectors(t *testing.T) {
	const sector = 64 // smaller than a real one: more of them in a frame
	fs := newMemFS()
	opt := Options{Prealloc: 1 << 14}
	j, r0 := open(t, fs, opt)
	for s := 1; s <= 6; s++ {
		put(t, j, rec(uint64(s), s%3, s%2))
	}
	before := fs.copy(nil)
	big := rec(7, 7%3, 7%2)
	big.Model = bytes.Repeat([]byte("x"), 10*sector)
	put(t, j, big)
	after := fs.copy(nil)
	j.Close()
	name := names(before)[0]
	a, b := before.files[name].data, after.files[name].data
	if len(a) != len(b) || len(a) != 1<<14 {
		t.Fatalf("the file grew: %d, %d", len(a), len(b))
	}
	rapid.Check(t, func(t *rapid.T) {
		c := before.copy(nil)
		whole := true
		for at := 0; at < len(a); at += sector {
			if bytes.Equal(a[at:at+sector], b[at:at+sector]) {
				continue
			}
			if rapid.Bool().Draw(t, "sector") {
				copy(c.files[name].data[at:], b[at:at+sector])
			} else {
				whole = false
			}
		}
		touched := !bytes.Equal(c.files[name].data, a)
		j, r := open(t, c, opt)
		want := 6
		if whole {
			want = 7
		}
		if r.LastStep != uint64(want) || r.Epoch != r0.Epoch || r.OldEpoch != 0 || r.TornTail != (touched && !whole) {
			t.Fatalf("whole %v: %+v", whole, r)
		}
		check(t, j, want)
		put(t, j, rec(uint64(want)+1, 1, 1))
		j.Close()
		j, r = open(t, c, opt)
		if !r.Clean || r.LastStep != uint64(want)+1 || r.OldEpoch != 0 {
			t.Fatalf("second start: %+v", r)
		}
		j.Close()
	})
}

// check compares all events and leaves with what the steps up to last wrote.
func check(t rapidOrT, j *Journal, last int) {
	t.Helper()
	var events, leaves []string
	for s := 1; s <= last; s++ {
		r := rec(uint64(s), s%3, s%2)
		for _, e := range r.Events {
			events = append(events, string(e))
		}
		for _, l := range r.Leaves {
			leaves = append(leaves, string(l))
		}
	}
	o := j.Outbox()
	for i, e := range drain(t, o, len(events)) {
		if e.Seq != uint64(i+1) || string(e.Data) != events[i] {
			t.Fatalf("event %d is %d %q, want %q", i, e.Seq, e.Data, events[i])
		}
	}
	none(t, o)
	n := 0
	for l, err := range j.Leaves(j.Epoch(), 0) {
		if err != nil || n >= len(leaves) || l.Index != uint64(n) || string(l.Data) != leaves[n] {
			t.Fatalf("leaf %d: %+v %v", n, l, err)
		}
		n++
	}
	if n != len(leaves) {
		t.Fatalf("%d leaves, want %d", n, len(leaves))
	}
}

func gapOption(seen *[]string) Options {
	return Options{Segment: 400, Gap: func(old, epoch uint64, why string) ([][]byte, [][]byte) {
		*seen = append(*seen, why)
		return [][]byte{fmt.Appendf(nil, "gap %d", old)}, [][]byte{[]byte("gap")}
	}}
}

// Law 8: a changed byte anywhere but in the very last frame begins a new epoch that tells of the gap;
// it is told once; what is readable is still delivered, and nothing is delivered that was not written.
func TestDamageBeginsNewEpoch(t *testing.T) {
	fs, _ := history(t, 12, Options{Segment: 400})
	ns := names(fs)
	last := ns[len(ns)-1]
	written := map[string]bool{}
	for s := 1; s <= 12; s++ {
		for i := range s % 3 {
			written[fmt.Sprintf("event %d/%d", s, i)] = true
		}
	}
	for _, n := range ns {
		for at := range fs.files[n].data {
			c := fs.copy(nil)
			c.files[n].data[at] ^= 0x40
			var seen []string
			j, r := open(t, c, gapOption(&seen))
			if n == last && r.TornTail {
				j.Close() // a changed last frame and a torn one look the same: the audit log and the centre tell them apart
				continue
			}
			if r.OldEpoch == 0 || r.Epoch <= r.OldEpoch || len(seen) != 1 || len(r.Holes) == 0 {
				t.Fatalf("%s at %d: not found: %+v", n, at, r)
			}
			o := j.Outbox()
			total := int(r.Pending)
			lastSeq := Cursor{}
			for i, e := range drain(t, o, total) {
				if !lastSeq.before(Cursor{e.Epoch, e.Seq}) {
					t.Fatalf("order: %d-%d after %v", e.Epoch, e.Seq, lastSeq)
				}
				lastSeq = Cursor{e.Epoch, e.Seq}
				if i == total-1 {
					if e.Epoch != r.Epoch || e.Seq != 1 || string(e.Data) != fmt.Sprintf("gap %d", r.OldEpoch) {
						t.Fatalf("no gap event: %+v", e)
					}
				} else if !written[string(e.Data)] || e.Epoch != r.OldEpoch {
					t.Fatalf("invented: %q", e.Data)
				}
			}
			put(t, j, rec(100, 1, 1))
			j.Close()
			j, r2 := open(t, c, gapOption(&seen))
			if r2.OldEpoch != 0 || r2.Epoch != r.Epoch || len(seen) != 1 || !r2.Clean {
				t.Fatalf("%s at %d: told again: %+v", n, at, r2)
			}
			j.Close()
		}
	}
}

// Law 8: a removed segment, be it the oldest, one in the middle, or with what the centre has acknowledged, is found.
func TestMissingSegment(t *testing.T) {
	fs := newMemFS()
	j, r0 := open(t, fs, Options{Segment: 400})
	for s := uint64(1); s <= 30; s++ {
		put(t, j, rec(s, 1, 1))
	}
	if err := j.Ack(r0.Epoch, 3); err != nil {
		t.Fatal(err)
	}
	put(t, j, rec(31, 0, 0))
	c := fs.copy(nil)
	j.Close()
	for i, n := range names(c)[:len(names(c))-1] {
		d := c.copy(nil)
		delete(d.files, n)
		var seen []string
		j, r := open(t, d, gapOption(&seen))
		if r.OldEpoch != r0.Epoch || len(seen) != 1 {
			t.Errorf("segment %d: %+v", i, r)
		}
		j.Close()
		j, r = open(t, d, gapOption(&seen))
		if r.OldEpoch != 0 {
			t.Errorf("segment %d: told again %+v", i, r)
		}
		j.Close()
	}
}

// Law 8: a disk that lies about fsync loses a tail that the centre has acknowledged; the centre's
// acknowledgement tells, a new epoch begins, and the old one is closed by the same acknowledgement.
func TestLyingDisk(t *testing.T) {
	fs := newMemFS()
	j, r0 := open(t, fs, Options{})
	put(t, j, rec(1, 2, 0))
	fs.mu.Lock()
	fs.lie = true
	fs.mu.Unlock()
	put(t, j, rec(2, 3, 0))
	c := fs.copy(func(_ string, synced, _ int) int { return synced })
	j.Close()
	var seen []string
	j, r := open(t, c, gapOption(&seen))
	if r.LastStep != 1 || r.OldEpoch != 0 {
		t.Fatalf("%+v", r)
	}
	if err := j.Ack(r0.Epoch, 5); !errors.Is(err, ErrAhead) {
		t.Fatalf("ack of what was lost: %v", err)
	}
	epoch, err := j.NewEpoch(t.Context(), "acknowledged more than there is")
	if err != nil || epoch <= r0.Epoch || len(seen) != 1 {
		t.Fatal(epoch, err, seen)
	}
	if err := j.Ack(r0.Epoch, 5); err != nil {
		t.Fatalf("ack of the epoch that ended: %v", err)
	}
	o := j.Outbox()
	if e := drain(t, o, 1)[0]; e.Epoch != epoch || e.Seq != 1 || !bytes.HasPrefix(e.Data, []byte("gap")) {
		t.Fatalf("%+v", e)
	}
	put(t, j, rec(2, 1, 0))
	if e := drain(t, o, 1)[0]; e.Epoch != epoch || e.Seq != 2 {
		t.Fatalf("%+v", e)
	}
	j.Close()
	j, r = open(t, c, gapOption(&seen))
	if r.OldEpoch != 0 || r.Epoch != epoch || r.Pending != 2 {
		t.Fatalf("%+v", r)
	}
	j.Close()
}

// DP-08: a segment goes once it is acknowledged, exported and old enough; not before.
func TestDP08Retention(t *testing.T) {
	fs := newMemFS()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	opt := Options{Segment: 400, Retain: time.Hour, Now: func() time.Time { return now }}
	j, r := open(t, fs, opt)
	step := uint64(0)
	add := func() { step++; put(t, j, rec(step, 1, 1)) }
	for range 20 {
		add()
	}
	n := len(names(fs))
	if n < 4 {
		t.Fatal("too few segments for the test")
	}
	now = now.Add(2 * time.Hour)
	add()
	if j.Stats().Dropped != 0 {
		t.Fatal("dropped what nobody acknowledged")
	}
	if err := j.Ack(r.Epoch, 20); err != nil {
		t.Fatal(err)
	}
	add()
	if j.Stats().Dropped != 0 {
		t.Fatal("dropped what the audit log has not taken over")
	}
	if err := j.Exported(r.Epoch, 99); !errors.Is(err, ErrAhead) {
		t.Fatal(err)
	}
	if err := j.Exported(r.Epoch, 20); err != nil {
		t.Fatal(err)
	}
	add()
	if d := j.Stats().Dropped; d == 0 || int(d) > n {
		t.Fatalf("%d dropped", d)
	}
	for range 3 {
		add()
	}
	if got := drain(t, j.Outbox(), 6); got[0].Seq != 21 {
		t.Fatalf("first after retention: %d", got[0].Seq)
	}
	j.Close()
	j, r2 := open(t, fs, opt)
	defer j.Close()
	if r2.OldEpoch != 0 || r2.LastStep != step || r2.Pending != 6 {
		t.Fatalf("%+v", r2)
	}
}

// E-03: near the limit records are refused, an acknowledgement still gets through and makes room.
func TestFullJournal(t *testing.T) {
	fs := newMemFS()
	now := time.Unix(1e9, 0)
	j, r := open(t, fs, Options{Segment: 1000, Max: 4000, Retain: time.Second, Now: func() time.Time { return now }})
	defer j.Close()
	var step, seq uint64
	for {
		step++
		j.Submit(rec(step, 1, 0))
		if res := <-j.Results(); errors.Is(res.Err, ErrFull) {
			break
		} else if res.Err != nil {
			t.Fatal(res.Err)
		}
		seq++
	}
	if used, limit, pending := j.Usage(); used > limit || pending != seq {
		t.Errorf("%d of %d, %d pending", used, limit, pending)
	}
	if err := j.Ack(r.Epoch, seq); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	for i := 0; ; i++ { // the acknowledgement is in the first of these frames, room in the next
		step++
		changed := j.Changed()
		j.Submit(rec(step, 1, 0))
		res := <-j.Results()
		if res.Err == nil {
			break
		}
		if i > 3 {
			t.Fatal(res.Err)
		}
		select {
		case <-changed:
		default:
		}
	}
	if e := drain(t, j.Outbox(), 1)[0]; e.Seq != seq+1 {
		t.Errorf("%d", e.Seq)
	}
}

// A reader that waits gets the event when it is committed, and ends with its context or the journal.
func TestOutboxWaits(t *testing.T) {
	j, _ := open(t, newMemFS(), Options{})
	o := j.Outbox()
	got := make(chan error)
	go func() {
		_, err := o.Next(context.Background())
		got <- err
		_, err = o.Next(context.Background())
		got <- err
	}()
	put(t, j, rec(1, 1, 0))
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	j.Close()
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

// Property, law 8: any sequence of records, acknowledgements, restarts and power cuts keeps every
// committed event under its number, in order, until it is acknowledged.
func TestE03AnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := newMemFS()
		opt := Options{Segment: int64(rapid.IntRange(200, 2000).Draw(t, "segment")), Prealloc: rapid.SampledFrom([]int64{-1, 64, 4096}).Draw(t, "prealloc")}
		j, r := open(t, fs, opt)
		epoch := r.Epoch
		var want []string
		acked, step := 0, uint64(0)
		for range rapid.IntRange(1, 40).Draw(t, "ops") {
			switch rapid.IntRange(0, 5).Draw(t, "op") {
			case 0, 1, 2:
				step += uint64(rapid.IntRange(1, 3).Draw(t, "skip"))
				rc := rec(step, rapid.IntRange(0, 3).Draw(t, "events"), 1)
				put(t, j, rc)
				for _, e := range rc.Events {
					want = append(want, string(e))
				}
			case 3:
				acked = rapid.IntRange(acked, len(want)).Draw(t, "ack")
				if err := j.Ack(epoch, uint64(acked)); err != nil {
					t.Fatalf("ack %d: %v", acked, err)
				}
			case 4, 5:
				c := fs
				if rapid.Bool().Draw(t, "cut") { // what was not synced is gone
					c = fs.copy(func(_ string, synced, _ int) int { return synced })
				}
				j.Close()
				fs = c
				if j, r = open(t, fs, opt); r.Epoch != epoch || r.LastStep != step || r.OldEpoch != 0 {
					t.Fatalf("%+v", r)
				}
				if int(j.Acked().Upto) > acked {
					t.Fatalf("cursor invented")
				}
				acked = int(j.Acked().Upto)
			}
			o := j.Outbox()
			for i, e := range drain(t, o, len(want)-acked) {
				if e.Epoch != epoch || int(e.Seq) != acked+i+1 || string(e.Data) != want[acked+i] {
					t.Fatalf("event %d-%d %q, want %d %q", e.Epoch, e.Seq, e.Data, acked+i+1, want[acked+i])
				}
			}
			none(t, o)
		}
		j.Close()
	})
}

// Hostile bytes in a segment are never a panic, and never an event that has no valid frame.
func FuzzRead(f *testing.F) {
	fs, _ := history(rapidT{f}, 4, Options{Segment: 1 << 20})
	for _, m := range fs.files {
		f.Add(m.data)
	}
	f.Add(putFrame(1, 0, []byte{byte(kindStep), 3, 1, 0xff, 0xff}))
	f.Add(putFrame(1, 0, appendEntry(nil, kindHead, []byte{1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newMemFS()
		m.files[segmentName(1, 1)] = &memFile{data: b}
		_, _ = Read(m, nil)
		j, r, err := Open("", Options{FS: m})
		if err != nil {
			t.Fatal(err)
		}
		if r.LastStep+1 != 0 {
			put(t, j, rec(r.LastStep+1, 1, 1))
		}
		j.Close()
	})
}

type rapidT struct{ *testing.F }

func (r rapidT) Fatalf(f string, a ...any) { r.F.Fatalf(f, a...) }

// Entries that somebody wrote with a right CRC are never a panic either, and the journal goes on.
func FuzzEntries(f *testing.F) {
	h := putHead(head{epoch: 1, fresh: true, cursors: map[string]Cursor{cursorAck: {1, 2}}, meta: map[string]string{"a": "b"}, model: []byte("m")})
	f.Add(appendEntry(appendEntry(nil, kindHead, h), kindStep, putStep(rec(3, 2, 2), 1, 0)))
	f.Add(appendEntry(appendEntry(nil, kindHead, h), kindStep, putStep(rec(3, 2, 2), 0, 1<<63)))
	f.Add(appendEntry(appendEntry(nil, kindHead, h), kindCursor, putCursor(cursorAck, Cursor{1 << 63, 1 << 63})))
	f.Add(appendEntry(appendEntry(nil, kindHead, h), kindClean, nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m := newMemFS()
		m.files[segmentName(1, 1)] = &memFile{data: putFrame(1, 0, payload)}
		j, r, err := Open("", Options{FS: m, Prealloc: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if r.LastStep+1 != 0 {
			j.Submit(rec(r.LastStep+1, 1, 1))
			<-j.Results()
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		o := j.Outbox()
		for range 8 {
			if _, err := o.Next(ctx); err != nil {
				break
			}
		}
		for _, err := range j.Leaves(j.Epoch(), 0) {
			if err != nil {
				break
			}
		}
		_ = j.Ack(j.Epoch(), 1)
	})
}
