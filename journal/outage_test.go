package journal

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestE03HundredThousandEvents: an outage of 100,000 events of a usual size fits the journal as it is configured by
// default, over a restart in the middle; when the centre is back they come in order, none twice, and the space is
// free for records all the time.
func TestE03HundredThousandEvents(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 events: the long form")
	}
	const events, perStep = 100_000, 40
	dir := t.TempDir()
	j, _, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	body := func(n int) []byte {
		return binary.BigEndian.AppendUint64(bytes.Repeat([]byte("e"), 900), uint64(n))
	}
	leaf := bytes.Repeat([]byte("l"), 300)
	n := 0
	for step := uint64(1); n < events; step++ {
		r := Record{Step: step, Model: bytes.Repeat([]byte("m"), 700)}
		for range perStep {
			n++
			r.Events, r.Leaves = append(r.Events, body(n)), append(r.Leaves, leaf)
		}
		j.Submit(r)
		if res := <-j.Results(); res.Err != nil {
			used, limit, pending := j.Usage()
			t.Fatalf("after %d events: %v (%d of %d bytes, %d pending)", n, res.Err, used, limit, pending)
		}
		if n == events/2 {
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if j, _, err = Open(dir, Options{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	used, limit, pending := j.Usage()
	t.Logf("%d events take %d MiB of %d", events, used>>20, limit>>20)
	if pending != events {
		t.Errorf("%d events wait", pending)
	}
	epoch, out := j.Epoch(), j.Outbox()
	for i := 1; i <= events; i++ {
		e, err := out.Next(t.Context())
		if err != nil || e.Epoch != epoch || e.Seq != uint64(i) || !bytes.Equal(e.Data, body(i)) {
			t.Fatalf("event %d: %d-%d %v", i, e.Epoch, e.Seq, err)
		}
		if i%64 == 0 || i == events {
			if err := out.Ack(epoch, e.Seq); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, pending := j.Usage(); pending != 0 {
		t.Errorf("%d events are left", pending)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
