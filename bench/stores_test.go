package bench

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.etcd.io/bbolt"

	"egate/audit"
	"egate/journal"
	"egate/test/brokers"
)

// eventSize is a usual event: a passage with its checks and stages.
const eventSize = 900

// work is what one store did: events made durable one by one, each waited for, and then taken out one by one.
type work struct {
	name       string
	put, drain time.Duration
	disk       float64 // bytes on the block device per event, both ways; 0: not known
	syncs      float64 // fsyncs per event; negative: not known
	note       string
}

// perEvent is what the block device below a folder wrote meanwhile, by its own count, per event: of everybody, so it
// says something on a quiet machine only. 0 where the device cannot be told.
func perEvent(b *testing.B, dir string, n int, f func()) float64 {
	before, ok := deviceSectors(b, dir)
	f()
	after, ok2 := deviceSectors(b, dir)
	if !ok || !ok2 {
		return 0
	}
	return float64(after-before) * 512 / float64(n)
}

// BenchmarkStores gives the journal, bbolt and Mosquitto's own persistence the same work in one run: n events, each
// durable before the next, then each acknowledged. Mosquitto holds them for a subscriber who is away (QoS 1, saved on
// each change), which is how a gate without an outbox of its own would survive an outage.
func BenchmarkStores(b *testing.B) {
	const n = 400
	event := bytes.Repeat([]byte("e"), eventSize)
	var all []work
	for range b.N {
		all = all[:0]
		all = append(all, onJournal(b, n, event), onBolt(b, n, event))
		if w, ok := onMosquitto(b, n, event); ok {
			all = append(all, w)
		}
	}
	ours := all[0]
	for _, w := range all {
		b.Logf("%-10s %6.0f events/s committed (ratio %5.2f), %6.0f/s acknowledged (%5.2f), %7.0f B to disk per event (%5.2f), %s fsyncs per event%s", w.name,
			n/w.put.Seconds(), w.put.Seconds()/ours.put.Seconds(), n/w.drain.Seconds(), w.drain.Seconds()/ours.drain.Seconds(), w.disk, w.disk/ours.disk, syncs(w.syncs), w.note)
		b.ReportMetric(n/w.put.Seconds(), w.name+"-events/s")
		b.ReportMetric(w.disk, w.name+"-B/event")
	}
}

func syncs(n float64) string {
	if n < 0 {
		return "?"
	}
	return fmt.Sprintf("%.2f", n)
}

func onJournal(b *testing.B, n int, event []byte) (w work) {
	dir := b.TempDir()
	j, _, err := journal.Open(dir, journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	w.name = "journal"
	before := j.Stats()
	w.disk = perEvent(b, dir, n, func() {
		began := time.Now()
		for i := range n {
			j.Submit(journal.Record{Step: uint64(i + 1), Model: []byte("m"), Events: [][]byte{event}})
			if r := <-j.Results(); r.Err != nil {
				b.Fatal(r.Err)
			}
		}
		w.put, began = time.Since(began), time.Now()
		out, epoch := j.Outbox(), j.Epoch()
		for range n {
			e, err := out.Next(b.Context())
			if err != nil || len(e.Data) != len(event) {
				b.Fatal(err)
			}
			if err := out.Ack(epoch, e.Seq); err != nil {
				b.Fatal(err)
			}
		}
		w.drain = time.Since(began)
	})
	w.syncs = float64(j.Stats().Syncs-before.Syncs) / float64(n)
	w.note = "; acknowledgements ride on the next record, as at the gate"
	return w
}

func onBolt(b *testing.B, n int, event []byte) (w work) {
	dir := b.TempDir()
	db, err := bbolt.Open(filepath.Join(dir, "db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	name := []byte("outbox")
	if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(name); return err }); err != nil {
		b.Fatal(err)
	}
	w.name, w.syncs = "bbolt", -1
	key := func(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }
	w.disk = perEvent(b, dir, n, func() {
		began := time.Now()
		for i := range n {
			if err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(name).Put(key(i), event) }); err != nil {
				b.Fatal(err)
			}
		}
		w.put, began = time.Since(began), time.Now()
		for i := range n {
			if err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(name).Delete(key(i)) }); err != nil {
				b.Fatal(err)
			}
		}
		w.drain = time.Since(began)
	})
	return w
}

func onMosquitto(b *testing.B, n int, event []byte) (w work, ok bool) {
	dir := b.TempDir()
	m := brokers.Mosquitto(b, "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence true\npersistence_location "+dir+
		"/\nautosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\nmax_inflight_messages 1\n")
	connect := func(id string, clean bool, got func(mqtt.Message)) mqtt.Client {
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + m.Addr).SetClientID(id).SetCleanSession(clean).SetAutoReconnect(false).SetProtocolVersion(4).
			SetDefaultPublishHandler(func(_ mqtt.Client, msg mqtt.Message) { got(msg) }))
		if t := c.Connect(); !t.WaitTimeout(20*time.Second) || t.Error() != nil {
			b.Fatal(t.Error())
		}
		return c
	}
	away := connect("centre", false, nil)
	if t := away.Subscribe("evt", 1, nil); !t.WaitTimeout(20*time.Second) || t.Error() != nil {
		b.Fatal(t.Error())
	}
	away.Disconnect(100)
	c := connect("gate", true, nil)
	defer c.Disconnect(0)
	w.name, w.syncs = "mosquitto", -1
	w.disk = perEvent(b, dir, n, func() {
		began := time.Now()
		for range n {
			if t := c.Publish("evt", 1, false, event); !t.WaitTimeout(20*time.Second) || t.Error() != nil {
				b.Fatal(t.Error())
			}
		}
		w.put, began = time.Since(began), time.Now()
		done, got := make(chan struct{}), 0
		back := connect("centre", false, func(mqtt.Message) {
			if got++; got == n {
				close(done)
			}
		})
		select {
		case <-done:
		case <-time.After(time.Minute):
			b.Fatalf("%d of %d came back", got, n)
		}
		w.drain = time.Since(began)
		back.Disconnect(100)
	})
	w.note = "; its PUBACK comes before its disk: the whole database is written again after each change"
	return w, true
}

// BenchmarkAudit is the audit log on a journal of 20,000 leaves: appended with checkpoints as at a gate, verified from
// the files, one leaf proven.
func BenchmarkAudit(b *testing.B) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	pub := key.Public().(ed25519.PublicKey)
	const name, leaves, perStep = "egate/site/gate-1", 20000, 50
	for range b.N {
		dir := b.TempDir()
		at := filepath.Join(dir, "journal")
		j, _, err := journal.Open(at, journal.Options{})
		if err != nil {
			b.Fatal(err)
		}
		l, err := audit.Open(b.Context(), j, filepath.Join(dir, "audit"), name, key)
		if err != nil {
			b.Fatal(err)
		}
		leaf := bytes.Repeat([]byte("l"), 200)
		began := time.Now()
		var appending time.Duration
		for i := range leaves / perStep {
			r := journal.Record{Step: uint64(i + 1), Model: []byte("m")}
			for range perStep {
				r.Leaves = append(r.Leaves, leaf)
			}
			j.Submit(r)
			if res := <-j.Results(); res.Err != nil {
				b.Fatal(res.Err)
			}
			if i%20 == 19 {
				a := time.Now()
				if _, err := l.Checkpoint(); err != nil {
					b.Fatal(err)
				}
				appending += time.Since(a)
			}
		}
		b.ReportMetric(leaves/time.Since(began).Seconds(), "journalled-leaves/s")
		b.ReportMetric(leaves/appending.Seconds(), "appended-leaves/s")
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		if _, err := audit.Verify(at, filepath.Join(dir, "audit"), name, pub); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(leaves/time.Since(began).Seconds(), "verified-leaves/s")
		began = time.Now()
		if _, err := audit.Prove(at, filepath.Join(dir, "audit"), name, pub, j.Epoch(), leaves/2); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Microseconds()), "µs/proof")
	}
}
