package centre

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"egate/api"
	"egate/api/contract"
	"egate/console"
)

// receive sorts what the broker delivers. A message that breaks the contract, or claims to be of another
// gate, changes nothing (DP-04). It never waits: it runs in the client's own goroutine.
func (c *Centre) receive(topic string, payload []byte, retained bool) {
	parts := strings.Split(topic, "/") // egate v1 site gate …
	if len(parts) < 5 || parts[0] != "egate" || parts[1] != "v1" || parts[2] != c.cfg.Site {
		return
	}
	gate, rest := parts[3], parts[4:]
	if _, ok := c.cfg.Gates[gate]; !ok {
		return
	}
	err := contract.Validate(topic, payload)
	if err == nil {
		err = c.dispatch(gate, rest, payload, retained)
	}
	if err != nil {
		c.log.Warn("centre: message", "gate", gate, "kind", rest[0], "err", err, "security", true)
		if rest[0] == api.TopicEvent {
			c.raise(gate, console.AlertRefused, true)
		}
	}
}

func (c *Centre) dispatch(gate string, rest []string, payload []byte, retained bool) error {
	switch rest[0] {
	case api.TopicStatus:
		return c.status(gate, payload, retained)
	case api.TopicState:
		var s api.State
		if err := strict(payload, &s); err != nil {
			return err
		}
		c.update(gate, func(g *gateState) {
			g.view.State = s
			if !retained {
				c.skew(g, s.At)
			}
		})
	case api.TopicHealth:
		var h api.Health
		if err := strict(payload, &h); err != nil {
			return err
		}
		c.update(gate, func(g *gateState) { g.view.Health = h })
	case api.TopicEvent:
		if retained {
			return errors.New("centre: retained event") // nobody of ours retains one
		}
		return c.event(gate, payload)
	case api.TopicAudit:
		c.queue(row{gate: gate, note: bytes.Clone(payload)})
	case api.TopicRequest:
		if retained {
			return errors.New("centre: retained request")
		}
		if rest[1] == timeKind {
			return c.askTime(gate, payload)
		}
		return c.request(gate, rest[1], payload)
	case api.TopicResponse:
		var r api.Response
		if err := strict(payload, &r); err != nil || retained {
			return errors.New("centre: response")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if w := c.waiting[gate+"/"+r.ID]; w != nil {
			select {
			case w <- r:
			default: // answered already
			}
		}
	}
	return nil
}

func (c *Centre) update(gate string, f func(*gateState)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.gates[gate])
	c.changed()
}

// status notes a gate's connection. A new one is told at once how far its events are stored, and who
// watches.
func (c *Centre) status(gate string, payload []byte, retained bool) error {
	var s api.Status
	if err := strict(payload, &s); err != nil {
		return err
	}
	c.mu.Lock()
	g := c.gates[gate]
	away := s.State == offline
	if away && s.Session != g.view.Status.Session && g.view.Status.State != offline && g.view.Status.Session != "" {
		// The will of a connection before: its successor is here already.
		c.mu.Unlock()
		return nil
	}
	fresh := !away && (s.Session != g.view.Status.Session || !g.greeted)
	begins := fresh && !retained && s.Session != g.view.Status.Session
	g.view.Status, g.greeted = s, !away
	if !retained && !away {
		c.skew(g, s.At)
	}
	c.changed()
	c.mu.Unlock()
	if begins {
		c.queue(row{gate: gate, start: true})
	}
	if fresh {
		c.ackNow(gate)
		c.rosterNow(gate) // before the leases: they are for its officers
		c.leaseNow(gate)
	}
	return nil
}

// offline is the state of a gate whose connection has ended, and of every gate while the centre itself
// is not connected: what is retained is only as fresh as its sender.
const offline = "offline"

// lost marks every gate as not reachable: the centre's own connection has ended.
func (c *Centre) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.gates {
		g.cut, g.greeted = true, false
		g.view.Status.State = offline
	}
	c.changed()
}

// Limits of the comparison of clocks (E-07).
const (
	maxSkew     = 2 * time.Second
	skewSamples = 6 // a message that waits somewhere is late; all of them are late only by the clock
)

// skew compares a gate's clock with the centre's by messages that have just come; mu is held. The
// smallest of the last differences is the least disturbed by the way.
func (c *Centre) skew(g *gateState, at time.Time) {
	now := c.cfg.Now().UTC()
	g.skews = append(g.skews, now.Sub(at))
	if len(g.skews) > skewSamples {
		g.skews = g.skews[1:]
	}
	least := g.skews[0]
	for _, d := range g.skews {
		least = min(least, d)
	}
	c.alert(g, now, console.AlertClock, "warning", "", least < -maxSkew || least > maxSkew && len(g.skews) == skewSamples)
}

// send signs and publishes. It tells whether the message will go out.
func (c *Centre) send(gate, kind, rest string, qos byte, v any) bool {
	body, err := json.Marshal(v)
	if err != nil {
		c.log.Error("centre: encode", "kind", kind, "err", err)
		return false
	}
	return c.sign(gate, kind, rest, qos, body, nil, nil)
}

// sign signs a message with the centre's key and publishes it; an order goes with its officer's own proof.
func (c *Centre) sign(gate, kind, rest string, qos byte, body []byte, p, second *api.Proof) bool {
	s := c.cfg.Signer.Sign(kind, body)
	b, err := json.Marshal(api.Signed{Kind: kind, Payload: body, Signatures: []api.Signature{{Alg: s.Alg, Kid: s.Kid, Sig: s.Sig}}, Proof: p, Second: second})
	if err != nil {
		c.log.Error("centre: encode", "kind", kind, "err", err)
		return false
	}
	return c.net.publish(api.Topic(c.cfg.Site, gate, rest), qos, b)
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
