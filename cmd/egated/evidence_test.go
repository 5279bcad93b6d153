package main

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"egate/api"
	"egate/api/contract"
	"egate/audit"
	"egate/journal"
	"egate/seal"
)

// kept is a gate's evidence in a folder, with small segments.
type kept struct {
	t    *testing.T
	dir  string
	now  time.Time
	key  *seal.Signer
	j    *journal.Journal
	log  *audit.Log
	last uint64
}

func (k *kept) path(name string) string { return filepath.Join(k.dir, name) }

func (k *kept) open(forget func(journal.Forgotten) journal.Record) journal.Recovered {
	k.t.Helper()
	j, found, err := journal.Open(k.path("journal"), journal.Options{Segment: 1000, Retain: time.Hour, Now: func() time.Time { return k.now }, Gap: gap, Forget: forget})
	if err != nil {
		k.t.Fatal(err)
	}
	log, err := audit.Open(k.t.Context(), j, k.path("audit"), audit.Name("north", "gate-1"), k.key.Crypto())
	if err != nil {
		k.t.Fatal(err)
	}
	k.j, k.log, k.last = j, log, found.LastStep
	return found
}

// work commits some steps, has them acknowledged and signed, and lets their time pass.
func (k *kept) work() {
	k.t.Helper()
	for range 30 {
		k.last++
		d := []byte(`{"type":"boot","data":{}}`)
		if err := commit(k.t.Context(), k.j, journal.Record{Step: k.last, Events: [][]byte{d}, Leaves: [][]byte{d}}); err != nil {
			k.t.Fatal(err)
		}
	}
	k.settle()
	k.now = k.now.Add(2 * time.Hour)
}

// settle has everything acknowledged and signed, and commits one step more.
func (k *kept) settle() {
	k.t.Helper()
	_, _, n := k.j.Usage()
	if err := k.j.Ack(k.j.Epoch(), k.j.Acked().Upto+n); err != nil {
		k.t.Fatal(err)
	}
	if _, err := k.log.Checkpoint(); err != nil {
		k.t.Fatal(err)
	}
	k.last++
	if err := commit(k.t.Context(), k.j, journal.Record{Step: k.last, Leaves: [][]byte{[]byte("{}")}}); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kept) close() {
	k.t.Helper()
	if err := k.log.Close(); err != nil {
		k.t.Fatal(err)
	}
	if err := k.j.Close(); err != nil {
		k.t.Fatal(err)
	}
}

// deletions are the events of deletions in the journal; each keeps to the contract.
func (k *kept) deletions() (out []api.Deletion) {
	k.t.Helper()
	if _, err := journal.Read(journal.Dir(k.path("journal")), func(e journal.Entry) error {
		for _, b := range e.Events {
			var d api.Draft
			var x api.Deletion
			if err := json.Unmarshal(b, &d); err != nil || d.Type != api.EventDeletion {
				continue
			}
			if err := contract.ValidateAs("evt-deletion", d.Data); err != nil {
				k.t.Error(err)
			}
			if err := json.Unmarshal(d.Data, &x); err != nil {
				k.t.Error(err)
			}
			out = append(out, x)
		}
		return nil
	}); err != nil {
		k.t.Fatal(err)
	}
	return out
}

func (k *kept) verify() (audit.Report, error) {
	return audit.Verify(k.path("journal"), k.path("audit"), audit.Name("north", "gate-1"), k.key.Public())
}

// TestDP08DeletionIsTold: what retention deletes is told of before it goes, in an event and a leaf that keep to the contract, and the log that
// remains proves that nothing else has gone; what a version before deleted is told of once, at the first start.
func TestDP08DeletionIsTold(t *testing.T) {
	for _, upgraded := range []bool{false, true} {
		key, err := seal.NewSigner(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		k := &kept{t: t, dir: t.TempDir(), now: time.Unix(1.8e9, 0), key: key}
		if upgraded {
			k.open(nil)
			k.work()
			k.settle()
			if k.j.Stats().Dropped == 0 {
				t.Fatal("nothing was dropped")
			}
			k.settle()
			k.close()
			if _, err := k.verify(); err == nil {
				t.Error("what went untold is not missed")
			}
		}
		found := k.open(forget(k.path("audit")))
		if k.last, err = tellDeleted(t.Context(), k.j, k.last, found.First, k.path("audit")); err != nil {
			t.Fatal(err)
		}
		if all := k.deletions(); upgraded != (len(all) == 1 && all[0].Class == "found_gone" && all[0].Leaves > 0 && all[0].Leaf == all[0].Leaves && all[0].Root != "") {
			t.Errorf("at the first start: %+v", all)
		}
		k.work()
		k.settle() // tells
		if k.j.Stats().Dropped != 0 {
			t.Error("something went before the log held that it goes")
		}
		k.settle()
		k.settle()
		if k.j.Stats().Dropped == 0 {
			t.Fatal("nothing was dropped")
		}
		k.settle()
		if last, err := tellDeleted(t.Context(), k.j, k.last, false, k.path("audit")); err != nil || last != k.last {
			t.Error("told again at the next start", err)
		}
		k.close()
		if _, err := k.verify(); err != nil {
			t.Error(err)
		}
		all := k.deletions()
		if len(all) == 0 {
			t.Fatal("no deletion is told of")
		}
		for _, d := range all {
			if d.Class != "journal" || d.Leaves == 0 || d.Leaf == 0 || d.Root == "" || d.Upto.After(k.now) {
				t.Errorf("%+v", d)
			}
		}
	}
}
