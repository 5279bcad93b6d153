package journal

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestX02EventIsItsLeaf: what is event and leaf stands once in the file, and comes
// back as both; a record of an earlier version, which wrote it twice, reads the same.
func TestX02EventIsItsLeaf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOfN(rapid.Byte(), 0, 40)
		r := Record{Step: 1, Events: rapid.SliceOfN(body, 0, 4).Draw(t, "events")}
		for i := range rapid.IntRange(0, 5).Draw(t, "leaves") {
			if i < len(r.Events) && rapid.Bool().Draw(t, "same") {
				r.Leaves = append(r.Leaves, r.Events[i])
			} else {
				r.Leaves = append(r.Leaves, body.Draw(t, "leaf"))
			}
		}
		read := func(k kind, b []byte) Record {
			es, err := entries(appendEntry(nil, k, b))
			if err != nil {
				t.Fatal(err)
			}
			if len(es) != 1 || es[0].kind != kindStep || es[0].seq != 7 || es[0].leaf != 6 {
				t.Fatalf("%+v", es)
			}
			return es[0].rec
		}
		same := func(got Record) {
			if len(got.Events) != len(r.Events) || len(got.Leaves) != len(r.Leaves) {
				t.Fatalf("%q %q", got.Events, got.Leaves)
			}
			for i := range r.Events {
				if !bytes.Equal(got.Events[i], r.Events[i]) {
					t.Fatalf("event %d: %q, not %q", i, got.Events[i], r.Events[i])
				}
			}
			for i := range r.Leaves {
				if !bytes.Equal(got.Leaves[i], r.Leaves[i]) {
					t.Fatalf("leaf %d: %q, not %q", i, got.Leaves[i], r.Leaves[i])
				}
			}
		}
		same(read(kindStep, putStep(r, 7, 6)))
		old := appendBytes([]byte{1}, r.Model)
		old = appendList(append(old, 7), r.Events)
		old = appendList(append(old, 6), r.Leaves)
		same(read(kindTwice, appendMeta(old, nil)))
	})
	event := bytes.Repeat([]byte("event "), 50)
	r := Record{Step: 1, Events: [][]byte{event}, Leaves: [][]byte{event}}
	if b := putStep(r, 1, 0); bytes.Count(b, event) != 1 {
		t.Errorf("an event that is a leaf stands %d times in its record", bytes.Count(b, event))
	}
	// A leaf that says to be the event beside it, where there is none.
	if es, err := entries(appendEntry(nil, kindStep, []byte{1, 0, 1, 0, 0, 1, 0, 0})); !errors.Is(err, errEntry) {
		t.Errorf("read as %v, %v", es, err)
	}
	if reflect.DeepEqual(putStep(r, 1, 0), putStep(Record{Step: 1, Events: r.Events}, 1, 0)) {
		t.Error("an event without a leaf is written as one with")
	}
}
