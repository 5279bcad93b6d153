package centre

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"egate/api"
	"egate/api/contract"
	"egate/console"
	"egate/seal"
)

// maxBatch bounds how many events one transaction stores.
const maxBatch = 64

// event puts one event into the line to the disk. What finds no room is sent again by the gate, and the
// next one is marked as coming after a cut.
func (c *Centre) event(gate string, payload []byte) error {
	var e api.Event
	if err := strict(payload, &e); err != nil {
		return err
	}
	if e.Epoch > maxNumber || e.Seq > maxNumber {
		return errors.New("centre: number of the event")
	}
	body := bytes.Clone(payload)
	if kind(e) == api.EventSealed {
		var err error
		if body, e, err = c.unseal(gate, e); err != nil {
			return err
		}
	}
	c.queue(row{gate: gate, event: e, body: body})
	return nil
}

// unseal opens an event that was sealed to this centre (DP-07). What is inside keeps to the contract too, and has the number
// that it came under.
func (c *Centre) unseal(gate string, outer api.Event) ([]byte, api.Event, error) {
	var s api.SealedEvent
	var e api.Event
	if err := strict(outer.Data, &s); err != nil {
		return nil, e, err
	}
	if s.Recipient != c.sealKid {
		return nil, e, errors.New("centre: event sealed to another key")
	}
	text, err := seal.Open(c.cfg.SealKey, api.EventSealed, gate, outer.ID, s.Sealed)
	if err != nil {
		return nil, e, err
	}
	text = bytes.TrimRight(text, " ")
	if err := strict(text, &e); err != nil {
		return nil, e, err
	}
	if e.ID != outer.ID || e.Epoch != outer.Epoch || e.Seq != outer.Seq || kind(e) == api.EventSealed {
		return nil, e, errors.New("centre: sealed event of another number")
	}
	return text, e, contract.Validate(api.Topic(c.cfg.Site, gate, api.TopicEvent+"/"+kind(e)), text)
}

// maxNumber is what the database counts to.
const maxNumber = 1<<63 - 1

// queue puts a row into the line, in order, without waiting.
func (c *Centre) queue(r row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gates[r.gate]
	r.cut = g.cut
	select {
	case c.events <- r:
		g.cut = false
	default:
		g.cut = true
	}
}

// storing writes events and acknowledges what is durable (E-03): first the disk, then the word.
func (c *Centre) storing(ctx context.Context) {
	for {
		var batch []row
		select {
		case r := <-c.events:
			batch = append(batch, r)
		case <-ctx.Done():
			return
		}
	more:
		for len(batch) < maxBatch {
			select {
			case r := <-c.events:
				batch = append(batch, r)
			default:
				break more
			}
		}
		c.keep(batch)
	}
}

// keep stores a batch and then acknowledges. Only the goroutine of storing comes here, and it alone uses
// the ledgers.
func (c *Centre) keep(batch []row) {
	var fresh, again, notes []row
	var restarted []string
	before := map[string]*ledger{}
	told := map[position]map[string]bool{} // by epoch: gates to acknowledge
	state := map[string]fate{}
	for _, r := range batch {
		l := c.gates[r.gate].ledger
		if before[r.gate] == nil {
			before[r.gate] = l.clone()
		}
		if r.cut {
			l.broke()
		}
		switch {
		case r.note != nil:
			notes = append(notes, r)
			continue
		case r.start:
			l.began()
			restarted = append(restarted, r.gate)
			continue
		}
		p := position{r.event.Epoch, r.event.Seq}
		f := l.judge(p, ends(r.event))
		switch f {
		case known:
			again = append(again, r)
		case next, hole:
			fresh = append(fresh, r)
		case early, stuck:
			c.log.Warn("centre: events are missing before one", "gate", r.gate, "epoch", p.epoch, "seq", p.seq, "stuck", f == stuck)
		}
		if f == hole {
			c.log.Error("centre: events are lost before one", "gate", r.gate, "epoch", p.epoch, "seq", p.seq, "security", true)
		}
		if f != early && (f != next && f != known || state[r.gate] != hole) {
			state[r.gate] = f
		}
		if f != early && f != stuck {
			e := position{epoch: p.epoch}
			if told[e] == nil {
				told[e] = map[string]bool{}
			}
			told[e][r.gate] = true
		}
	}
	var differ []string
	if len(fresh)+len(again) > 0 {
		var err error
		if differ, err = c.store.put(fresh, again); err != nil {
			c.log.Error("centre: store", "err", err)
			for name, l := range before {
				c.gates[name].ledger = l
				l.broke()
			}
			c.raise(batch[0].gate, console.AlertStore, true)
			return // not acknowledged: the gate keeps it and sends it again
		}
		c.raise("", console.AlertStore, false)
	}
	now := c.cfg.Now().UTC()
	c.mu.Lock()
	for _, r := range fresh {
		g := c.gates[r.gate]
		if p := (position{r.event.Epoch, r.event.Seq}); g.acked.before(p) {
			g.acked = p
			g.view.AckedUpto = p.seq
		}
		c.learn(g, r.event)
	}
	for name, f := range state {
		g := c.gates[name]
		switch f {
		case stuck:
			c.alert(g, now, console.AlertMissing, "warning", "", true)
		case hole:
			c.alert(g, now, console.AlertLost, "warning", "", true)
		default:
			c.alert(g, now, console.AlertMissing, "warning", "", false)
		}
		if f == next || f == hole {
			c.alert(g, now, console.AlertRefused, "warning", "", false)
		}
	}
	for _, name := range differ {
		c.log.Error("centre: a gate sends another event under a number that is taken", "gate", name, "security", true)
		c.alert(c.gates[name], now, console.AlertLost, "warning", "", true)
	}
	if len(state) > 0 {
		c.changed()
	}
	c.mu.Unlock()
	for _, name := range restarted {
		c.tellCosigned(name, c.gates[name].witness.top)
	}
	for _, r := range notes {
		c.checkpoint(r.gate, r.note)
	}
	for name := range state {
		c.covered(name, now)
	}
	// Older epochs first: the gate refuses to skip one.
	epochs := make([]position, 0, len(told))
	for e := range told {
		epochs = append(epochs, e)
	}
	slices.SortFunc(epochs, func(a, b position) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	for _, e := range epochs {
		for name := range told[e] {
			c.ack(name, e.epoch, c.gates[name].ledger.upto[e.epoch])
		}
	}
}

// ends is the epoch that an event says was ended by a loss.
func ends(e api.Event) uint64 {
	var g api.Gap
	if kind(e) != api.EventGap || json.Unmarshal(e.Data, &g) != nil {
		return 0
	}
	return g.OldEpoch
}

// kind is the last part of the event's topic.
func kind(e api.Event) string {
	return strings.TrimSuffix(strings.TrimPrefix(e.Type, "egate."), ".v1")
}

// ackNow tells a gate that has just connected how far its events are stored.
func (c *Centre) ackNow(gate string) {
	c.mu.Lock()
	p := c.gates[gate].acked
	c.mu.Unlock()
	c.ack(gate, p.epoch, p.seq)
}

// ack publishes the signed cumulative acknowledgement of one epoch of a gate.
func (c *Centre) ack(gate string, epoch, upto uint64) {
	c.mu.Lock()
	session := c.gates[gate].view.Status.Session
	c.mu.Unlock()
	if epoch == 0 || session == "" {
		return
	}
	c.send(gate, "ack", api.TopicAck, 1, api.Ack{Gate: gate, Epoch: epoch, Upto: upto, Session: session})
}
