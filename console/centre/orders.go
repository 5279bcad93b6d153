package centre

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"time"

	"egate/api"
	"egate/console"
)

// errAway says that an order could not be sent.
var errAway = errors.New("centre: the gate is not connected")

// Order implements console.Centre. The centre's own signature says through which console an order came; whose it is
// says the officer's proof, which the centre passes on and cannot make.
func (c *Centre) Order(ctx context.Context, sessionID string, cmd api.Command, o console.Order) (api.Response, error) {
	answer := make(chan api.Response, 1)
	key := cmd.Gate + "/" + cmd.ID
	c.mu.Lock()
	s := c.sessions[sessionID]
	switch {
	case s == nil || c.gates[cmd.Gate] == nil:
		c.mu.Unlock()
		return api.Response{}, errors.New("centre: not signed in, or no such gate")
	case (s.officer.Pseudonym != cmd.Officer) != o.Second || cmd.Principal != Principal:
		c.mu.Unlock()
		return api.Response{}, errors.New("centre: an order of another officer or console")
	case o.Second && !bytes.Equal(c.gates[cmd.Gate].proposed[cmd.ID].Payload, o.Payload):
		c.mu.Unlock()
		return api.Response{}, errors.New("centre: no such order waits for a second signature")
	case c.waiting[key] != nil:
		c.mu.Unlock()
		return api.Response{}, errors.New("centre: the same order is on its way")
	}
	away := c.gates[cmd.Gate].view.Status.Session == "" || c.gates[cmd.Gate].view.Status.State == offline
	c.waiting[key] = answer // before the order is out: its answer may be quick
	first, second := &o.Proof, (*api.Proof)(nil)
	switch g := c.gates[cmd.Gate]; {
	case o.Second:
		p := g.proposed[cmd.ID].Proof
		first, second = &p, &o.Proof
	case c.roster.TwoPersons(cmd.Name):
		g.propose(cmd.ID, o, c.cfg.Now())
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, key)
		c.mu.Unlock()
	}()
	if away || !c.sign(cmd.Gate, "cmd", api.TopicCommand+"/"+Principal+"/"+cmd.Name, 1, o.Payload, first, second) {
		return api.Response{}, errAway
	}
	timer := time.NewTimer(c.limits.order)
	defer timer.Stop()
	select {
	case r := <-answer:
		return r, nil
	case <-timer.C:
		return api.Response{}, errors.New("centre: the gate did not answer in time")
	case <-ctx.Done():
		return api.Response{}, ctx.Err()
	}
}

// proposed is an order of one officer that may wait for a second one.
type proposed struct {
	console.Order
	until time.Time
}

// propose keeps what the second officer has to sign: the very bytes of the first; mu is held.
func (g *gateState) propose(id string, o console.Order, now time.Time) {
	maps.DeleteFunc(g.proposed, func(_ string, p proposed) bool { return !p.until.After(now) })
	if g.proposed == nil {
		g.proposed = map[string]proposed{}
	}
	g.proposed[id] = proposed{o, now.Add(secondLife)}
}
