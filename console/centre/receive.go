package centre

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"egate/api"
	"egate/console"
	"egate/seal"
	"egate/verdict"
)

// maxBatch bounds how many events one transaction stores.
const maxBatch = 64

// receive sorts what the broker delivers. A message that does not parse, or claims to be of another
// gate, changes nothing.
func (c *Centre) receive(topic string, payload []byte, _ bool) {
	parts := strings.Split(topic, "/") // egate v1 site gate …
	if len(parts) < 5 || parts[0] != "egate" || parts[1] != "v1" || parts[2] != c.cfg.Site {
		return
	}
	gate, rest := parts[3], parts[4:]
	if _, ok := c.cfg.Gates[gate]; !ok {
		return
	}
	var err error
	switch rest[0] {
	case api.TopicStatus:
		err = c.status(gate, payload)
	case api.TopicState:
		var s api.State
		if err = strict(payload, &s); err == nil {
			c.update(gate, func(g *gateState) { g.view.State = s })
		}
	case api.TopicHealth:
		var h api.Health
		if err = strict(payload, &h); err == nil {
			c.update(gate, func(g *gateState) { g.view.Health = h })
		}
	case api.TopicEvent:
		err = c.event(gate, payload)
	case api.TopicRequest:
		err = c.request(gate, rest, payload)
	case api.TopicResponse:
		var r api.Response
		if err = strict(payload, &r); err == nil {
			c.mu.Lock()
			if w := c.waiting[gate+"/"+r.ID]; w != nil {
				select {
				case w <- r:
				default:
				}
			}
			c.mu.Unlock()
		}
	}
	if err != nil {
		c.log.Warn("centre: message", "gate", gate, "kind", rest[0], "err", err, "security", true)
	}
}

func (c *Centre) update(gate string, f func(*gateState)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.gates[gate])
	c.changed()
}

// status notes a gate's connection. A new session is told at once how far its events are stored.
func (c *Centre) status(gate string, payload []byte) error {
	var s api.Status
	if err := strict(payload, &s); err != nil {
		return err
	}
	c.mu.Lock()
	g := c.gates[gate]
	fresh := s.Session != g.view.Status.Session && s.State != "offline"
	g.view.Status = s
	c.changed()
	c.mu.Unlock()
	if fresh {
		c.ack(gate)
		c.leaseNow(gate)
	}
	return nil
}

// event puts one event into the line to the disk. Order is the gate's: what comes before its time is
// left, the gate sends it again.
func (c *Centre) event(gate string, payload []byte) error {
	var e api.Event
	if err := strict(payload, &e); err != nil {
		return err
	}
	switch {
	case e.SpecVersion != "1.0" || e.Source != "/"+c.cfg.Site+"/"+gate:
		return errors.New("centre: not an event of this gate")
	case e.Epoch == 0 || e.Seq == 0 || e.ID != fmt.Sprintf("%d-%d", e.Epoch, e.Seq):
		return errors.New("centre: numbers of the event disagree")
	}
	select {
	case c.net.events <- row{gate, e, bytes.Clone(payload)}:
	default: // the gate sends it again
	}
	return nil
}

// storing writes events and acknowledges what is durable (E-03): first the disk, then the word.
func (c *Centre) storing(ctx context.Context) {
	for {
		var batch []row
		select {
		case r := <-c.net.events:
			batch = append(batch, r)
		case <-ctx.Done():
			return
		}
	more:
		for len(batch) < maxBatch {
			select {
			case r := <-c.net.events:
				batch = append(batch, r)
			default:
				break more
			}
		}
		c.keep(batch)
	}
}

func (c *Centre) keep(batch []row) {
	var fresh []row
	told := map[string]bool{}
	c.mu.Lock()
	next := map[string][2]uint64{}
	for _, r := range batch {
		at, ok := next[r.gate]
		if !ok {
			at = [2]uint64{c.gates[r.gate].epoch, c.gates[r.gate].upto}
		}
		told[r.gate] = true
		switch {
		case r.event.Epoch < at[0], r.event.Epoch == at[0] && r.event.Seq <= at[1]:
			continue // known: acknowledged again
		case r.event.Epoch == at[0] && at[1] != 0 && r.event.Seq != at[1]+1:
			continue // too early
		}
		next[r.gate] = [2]uint64{r.event.Epoch, r.event.Seq}
		fresh = append(fresh, r)
	}
	c.mu.Unlock()
	if len(fresh) > 0 {
		if err := c.store.put(fresh); err != nil {
			c.log.Error("centre: store", "err", err)
			return // not acknowledged: the gate keeps it
		}
	}
	c.mu.Lock()
	for _, r := range fresh {
		g := c.gates[r.gate]
		g.epoch, g.upto = r.event.Epoch, r.event.Seq
		g.view.AckedUpto = g.upto
		c.learn(r.gate, r.event)
	}
	if len(fresh) > 0 {
		c.changed()
	}
	c.mu.Unlock()
	for gate := range told {
		c.ack(gate)
	}
}

// learn updates what officers see from a stored event; mu is held.
func (c *Centre) learn(gate string, e api.Event) {
	g := c.gates[gate]
	switch strings.TrimSuffix(strings.TrimPrefix(e.Type, "egate."), ".v1") {
	case api.EventPassage:
		var p api.Passage
		if json.Unmarshal(e.Data, &p) != nil {
			return
		}
		c.recent = append([]console.RecentView{{Gate: gate, Passage: p, At: e.Time}}, c.recent[:min(len(c.recent), maxRecent-1)]...)
		c.closeReferral(gate, p.Passage)
	case api.EventReferral:
		var r api.ReferralEvent
		if json.Unmarshal(e.Data, &r) != nil {
			return
		}
		switch r.State {
		case "open":
			g.referral[r.Passage] = &console.ReferralView{Gate: gate, Passage: r.Passage, Reason: r.Reason.String(), Since: e.Time, State: "open"}
		case "taken":
			if v := g.referral[r.Passage]; v != nil {
				v.State, v.Owner = "taken", r.Officer
			}
		case "returned":
			if v := g.referral[r.Passage]; v != nil {
				v.State, v.Owner = "open", ""
			}
		case "decided", "closed":
			c.closeReferral(gate, r.Passage)
		}
	case api.EventAlarm:
		var a api.Alarm
		if json.Unmarshal(e.Data, &a) == nil {
			c.alert(g, gate, a, e)
		}
	case api.EventBoot:
		// Nothing of an earlier run is still open.
		clear(g.referral)
		clear(g.dossiers)
	}
}

// closeReferral forgets a referral and its envelopes; mu is held.
func (c *Centre) closeReferral(gate, passage string) {
	delete(c.gates[gate].referral, passage)
	delete(c.gates[gate].dossiers, passage)
}

// alert keeps one row per gate and reason (O-05); mu is held.
func (c *Centre) alert(g *gateState, gate string, a api.Alarm, e api.Event) {
	id := gate + "/" + a.Reason.String()
	i := slices.IndexFunc(g.view.Alerts, func(v console.AlertView) bool { return v.ID == id })
	switch {
	case !a.Raised && i >= 0:
		g.view.Alerts = slices.Delete(g.view.Alerts, i, i+1)
	case a.Raised && i >= 0:
		g.view.Alerts[i].Count++
		g.view.Alerts[i].Active, g.view.Alerts[i].Passage = true, a.Passage
	case a.Raised:
		g.view.Alerts = append(g.view.Alerts, console.AlertView{ID: id, Gate: gate, Passage: a.Passage, Reason: a.Reason.String(),
			Severity: a.Severity, Since: e.Time, Count: 1, Active: true})
		if len(g.view.Alerts) > maxAlerts {
			g.view.Alerts = g.view.Alerts[1:]
		}
	}
}

// ack publishes the signed cumulative acknowledgement of a gate.
func (c *Centre) ack(gate string) {
	c.mu.Lock()
	g := c.gates[gate]
	a := api.Ack{Gate: gate, Epoch: g.epoch, Upto: g.upto, Session: g.view.Status.Session}
	c.mu.Unlock()
	if a.Epoch == 0 || a.Session == "" {
		return
	}
	c.send(gate, "ack", api.TopicAck, 1, a)
}

// send signs and publishes.
func (c *Centre) send(gate, kind, rest string, qos byte, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		c.log.Error("centre: encode", "kind", kind, "err", err)
		return
	}
	s := c.cfg.Signer.Sign(kind, body)
	b, err := json.Marshal(api.Signed{Kind: kind, Payload: body, Signatures: []api.Signature{{Alg: s.Alg, Kid: s.Kid, Sig: s.Sig}}})
	if err != nil {
		c.log.Error("centre: encode", "kind", kind, "err", err)
		return
	}
	c.net.publish(api.Topic(c.cfg.Site, gate, rest), qos, b)
}

// request handles what a gate's inspectors ask: sealed, and signed by the gate over gate, passage,
// epoch, expiry and ciphertext hash.
func (c *Centre) request(gate string, rest []string, payload []byte) error {
	if len(rest) != 3 {
		return errors.New("centre: topic")
	}
	kind, passage := rest[1], rest[2]
	var s api.Signed
	if err := strict(payload, &s); err != nil {
		return err
	}
	sigs := make([]seal.Signature, 0, len(s.Signatures))
	for _, x := range s.Signatures {
		sigs = append(sigs, seal.Signature{Alg: x.Alg, Kid: x.Kid, Sig: x.Sig})
	}
	if _, err := seal.Trust(c.cfg.Gates[gate]).Verify(kind, s.Payload, sigs); err != nil || s.Kind != kind {
		return errors.New("centre: signature of the gate")
	}
	var e api.Envelope
	if err := strict(s.Payload, &e); err != nil {
		return err
	}
	h := sha256.Sum256(e.Sealed)
	switch {
	case e.Gate != gate || e.Passage != passage || e.Type != kind:
		return errors.New("centre: envelope of another gate, passage or type")
	case !e.ExpiresAt.After(c.cfg.Now()):
		return errors.New("centre: envelope expired")
	case !bytes.Equal(h[:], e.Hash):
		return errors.New("centre: hash of the envelope")
	}
	switch kind {
	case seal.PurposeLookup:
		select {
		case c.lookups <- struct{}{}:
			go func() {
				defer func() { <-c.lookups }()
				c.lookup(gate, e)
			}()
			return nil
		default:
			return errors.New("centre: too many look-ups at once")
		}
	case seal.PurposeReferral:
		c.mu.Lock()
		defer c.mu.Unlock()
		g := c.gates[gate]
		if len(g.dossiers) >= maxDossiers {
			return errors.New("centre: too many open dossiers")
		}
		if g.dossiers[passage] == nil {
			g.dossiers[passage] = map[string]api.Envelope{}
		}
		g.dossiers[passage][e.Recipient] = e
		c.changed()
		return nil
	}
	return errors.New("centre: unknown request")
}

// lookup has a question answered in a one-shot child and signs the answer. The plain question is never
// in this process: what lives for weeks must not hold travellers.
func (c *Centre) lookup(gate string, e api.Envelope) {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	a, err := ask(ctx, c.cfg.AnswerChild, question{Key: c.cfg.SealKey, Gate: gate, Envelope: e, List: c.list.now(), At: c.cfg.Now().UTC()})
	if err != nil {
		c.log.Warn("centre: look-up", "gate", gate, "err", err, "security", true)
		return
	}
	h := sha256.Sum256(a.Sealed)
	c.send(gate, "ans", api.TopicAnswer+"/"+Principal+"/"+e.Passage, 0, api.Envelope{Gate: gate, Passage: e.Passage, Epoch: e.Epoch, Type: "ans",
		Recipient: a.Recipient, ExpiresAt: c.cfg.Now().UTC().Add(answerLife), Sealed: a.Sealed, Hash: h[:], Reason: verdict.ReasonNone})
}

// strict parses one JSON document without unknown fields (DP-04).
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errors.New("centre: message does not parse") // the parser's text may quote it
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("centre: something follows the message")
	}
	return nil
}
