package centre

import (
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"egate/api"
)

// E-03: what is acknowledged of a gate that loses nothing was stored, whatever the network drops and however
// often the gate begins again, over changes of epoch too; and in the end everything is stored.
func TestE03LedgerOverNoGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sent []position
		for epoch := range rapid.IntRange(1, 3).Draw(t, "epochs") {
			for s := range rapid.IntRange(1, 8).Draw(t, "events") {
				sent = append(sent, position{uint64(epoch + 5), uint64(s + 1)})
			}
		}
		l, stored, acked := newLedger(map[uint64]uint64{}), map[position]bool{}, 0
		pass := func(drop bool) {
			if rapid.Bool().Draw(t, "new connection") || !drop {
				l.began()
			}
			for _, p := range sent[acked:] {
				if drop && rapid.Bool().Draw(t, "dropped") {
					l.broke()
					continue
				}
				switch f := l.judge(p, 0); f {
				case known:
				case next, hole:
					stored[p] = true
				default:
					continue
				}
				// The acknowledgement: the gate deletes up to here, if nothing older waits.
				to := position{p.epoch, l.upto[p.epoch]}
				for acked < len(sent) && !to.before(sent[acked]) {
					if !stored[sent[acked]] {
						t.Fatalf("%v is acknowledged by %v and not stored", sent[acked], to)
					}
					acked++
				}
			}
		}
		for range rapid.IntRange(0, 4).Draw(t, "bad passes") {
			pass(len(stored) > 0) // the first pass of a gate that nobody knows is whole
		}
		for range 3 {
			pass(false)
		}
		if acked != len(sent) {
			t.Fatalf("%d of %d acknowledged", acked, len(sent))
		}
	})
}

// E-03: a gate that has lost events says so by a gap, and only then goes on after the hole; without it the
// history waits.
func TestE03LedgerHoles(t *testing.T) {
	l := newLedger(map[uint64]uint64{5: 3})
	l.began()
	for i, c := range []struct {
		p    position
		gap  uint64
		want fate
	}{
		{position{5, 7}, 0, stuck}, {position{6, 1}, 5, early}, // first pass: the gap is told after what is left
		{position{5, 7}, 0, hole}, {position{5, 8}, 0, next}, {position{6, 1}, 5, next}, {position{6, 2}, 0, next}, {position{6, 1}, 5, known},
		{position{6, 4}, 0, early}, {position{7, 2}, 0, early},
	} {
		if got := l.judge(c.p, c.gap); got != c.want {
			t.Fatalf("%d: %v is %d, want %d", i, c.p, got, c.want)
		}
	}
}

// E-03, DP-08: positions outlive a restart and retention; another event under a taken number is kept and told.
func TestE03Store(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.db")
	s, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	mk := func(seq uint64, data string) row {
		return row{gate: "g", event: api.Event{Type: "egate.fault.v1", Epoch: 5, Seq: seq, Data: []byte(data)},
			body: []byte(`{"type":"egate.fault.v1","epoch":5,"data":` + data + `}`)}
	}
	if _, err := s.put([]row{mk(1, `{"a":1}`), mk(2, `{"a":2}`)}, nil); err != nil {
		t.Fatal(err)
	}
	differ, err := s.put(nil, []row{mk(1, `{"a":1}`), mk(2, `{"a":3}`)})
	if err != nil || len(differ) != 1 {
		t.Fatal(differ, err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if s, err = openStore(path); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for range 2 {
		if p, err := s.positions("g"); err != nil || p[5] != 2 {
			t.Fatal(p, err)
		}
		if l, err := s.after("g", 5, 1, 10); err != nil || len(l) > 1 {
			t.Fatal(l, err)
		}
		if _, err := s.forget(mk(1, "1").event.Time, mk(1, "1").event.Time.AddDate(1, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
}
