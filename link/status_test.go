package link

import (
	"encoding/json"
	"testing"

	"egate/api"
	"egate/test/brokers"
)

// TestE03CentreMissedTheStatus: a broker that lost one of its servers may lose the status of a new connection, or
// deliver an older one after it. A centre that acknowledges for the session before, or not at all, is told again
// which session it is, and no event stays behind.
func TestE03CentreMissedTheStatus(t *testing.T) {
	for name, silent := range map[string]bool{"acknowledges for the session before": false, "says nothing": true} {
		t.Run(name, func(t *testing.T) {
			b := brokers.Mochi(t)
			net := brokers.NewNetwork(t, b.Addr)
			c := newCentre(t, b.URL())
			c.start(t)
			x := newBench(t, c, net.URL(), quick)
			x.commit(3)
			x.delivered()
			first := c.now().Session
			c.mu.Lock()
			c.miss = 1
			stale := func(epoch, upto uint64) (uint64, uint64, bool) { return epoch, upto, c.status.Session != first }
			if silent {
				c.ack = stale
			}
			c.mu.Unlock()
			net.Down(true)
			net.Down(false)
			x.commit(3)
			x.delivered()
			if c.now().Session == first {
				t.Error("the connection was the same: the test proves nothing")
			}
		})
	}
}

// TestX02OldAcknowledgementsCostLittle: a broker that repeats genuine acknowledgements of an earlier session makes the
// gate say its status a few times and no more.
func TestX02OldAcknowledgementsCostLittle(t *testing.T) {
	b := brokers.Mochi(t)
	c := newCentre(t, b.URL())
	c.start(t)
	x := newBench(t, c, b.URL(), quick)
	c.until("ready", func() bool { return c.status.State == "ready" })
	x.commit(1)
	x.delivered()
	old := sign(t, c.signer, "ack", api.Ack{Gate: gate, Epoch: x.j.Epoch(), Upto: 1, Session: "fedcba9876543210"})
	for range 20 * maxCorrections {
		c.publish(api.Topic(site, gate, api.TopicAck), false, old)
	}
	x.commit(1)
	x.delivered() // came after all of them
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.statuses); n > 2*maxCorrections {
		t.Errorf("%d statuses were said", n)
	}
	for _, s := range c.statuses {
		if b, _ := json.Marshal(s); s.Session != c.status.Session {
			t.Errorf("another session: %s", b)
		}
	}
}
