package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"egate/journal"
)

func export(t testing.TB, g *gate) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := Export(&b, g.journalDir(), g.auditDir(), name, pub); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// E-02, DP-08: an export proves itself, after retention too, and any byte of it that is changed, deleted or
// inserted, any line that is removed, repeated or moved, and any cut is found.
func TestE02Export(t *testing.T) {
	now := time.Unix(1.7e9, 0)
	g := start(t, t.TempDir(), journal.Options{Segment: 700, Retain: time.Hour, Now: func() time.Time { return now }})
	for i := range 20 {
		g.add(fmt.Sprintf("leaf %d", i))
	}
	g.checkpoint()
	whole := export(t, g)
	if r, err := CheckExport(bytes.NewReader(whole), name, pub); err != nil || len(r) != 1 || r[0].Signed != 20 || r[0].Present != 20 {
		t.Fatalf("%+v %v", r, err)
	}
	now = now.Add(2 * time.Hour)
	g.add("leaf 20", "")
	g.add("leaf 22")
	g.checkpoint() // what tells of the deletion is signed: now it goes
	g.add("leaf 24")
	if g.j.Stats().Dropped == 0 {
		t.Fatal("nothing was dropped")
	}
	g.checkpoint()
	if _, err := g.j.NewEpoch(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	g.add("of the next epoch")
	g.checkpoint()
	g.add("not yet under a checkpoint")
	b := export(t, g)
	g.close()
	r, err := CheckExport(bytes.NewReader(b), name, pub)
	if err != nil || len(r) != 2 || r[0].Signed != 25 || r[0].Present >= 25 || r[0].Present < 3 || r[1].Signed != 1 || r[1].Present != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	want := fmt.Sprint(r)
	bad := func(what string, x []byte) {
		t.Helper()
		// What JSON reads alike, e.g. one more blank, is no change.
		if r, err := CheckExport(bytes.NewReader(x), name, pub); err == nil && fmt.Sprint(r) != want {
			t.Fatalf("%s: taken: %+v", what, r)
		} else if err == nil && !sameLeaves(t, b, x) {
			t.Fatalf("%s: taken", what)
		}
	}
	every := 1
	if testing.Short() {
		every = 11
	}
	for i := 0; i < len(b); i += every {
		x := bytes.Clone(b)
		x[i] ^= 1 << (i % 8)
		bad(fmt.Sprint("changed at ", i), x)
		bad(fmt.Sprint("deleted at ", i), slices.Delete(bytes.Clone(b), i, i+1))
		bad(fmt.Sprint("inserted at ", i), slices.Insert(bytes.Clone(b), i, 'A'))
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	lines = lines[:len(lines)-1]
	for i := range lines {
		for what, x := range map[string][][]byte{
			"removed":  slices.Delete(slices.Clone(lines), i, i+1),
			"repeated": slices.Insert(slices.Clone(lines), i, lines[i]),
			"cut":      lines[:i],
		} {
			if r, err := CheckExport(bytes.NewReader(bytes.Join(x, nil)), name, pub); err == nil && !(what == "cut" && len(r) == 1 && r[0].Signed == 25 && r[0].Present > 0) {
				t.Errorf("line %d %s: taken: %+v", i, what, r)
			}
		}
		if i > 0 {
			x := slices.Clone(lines)
			x[i-1], x[i] = x[i], x[i-1]
			if _, err := CheckExport(bytes.NewReader(bytes.Join(x, nil)), name, pub); err == nil && !bytes.Equal(x[i], x[i-1]) {
				t.Errorf("lines %d and %d exchanged: taken", i-1, i)
			}
		}
	}
	// Of another gate, or by another key.
	if _, err := CheckExport(bytes.NewReader(b), "egate/site/gate-2", pub); err == nil {
		t.Error("taken for another gate's")
	}
	if _, err := CheckExport(bytes.NewReader(b), name, make([]byte, 32)); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("another key: %v", err)
	}
}

// sameLeaves tells whether two exports hold the same leaves.
func sameLeaves(t testing.TB, a, b []byte) bool {
	t.Helper()
	return fmt.Sprint(leavesOf(a)) == fmt.Sprint(leavesOf(b))
}

func FuzzCheckExport(f *testing.F) {
	g := start(f, f.TempDir(), journal.Options{})
	g.add("a", "b")
	g.checkpoint()
	f.Add(export(f, g))
	g.close()
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := CheckExport(bytes.NewReader(b), name, pub)
		if err == nil && (len(r) != 1 || r[0].Signed != 2) {
			t.Fatal("an export that was never signed is taken")
		}
	})
}

func leavesOf(b []byte) (out []string) {
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		var l exportLine
		if d.Decode(&l) != nil {
			return out
		}
		if l.Checkpoint == nil && l.Format == "" {
			out = append(out, string(l.Leaf))
		}
	}
}
