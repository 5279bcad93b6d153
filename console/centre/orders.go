package centre

import (
	"context"
	"errors"
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
	case s.officer.Pseudonym != cmd.Officer || cmd.Principal != Principal:
		c.mu.Unlock()
		return api.Response{}, errors.New("centre: an order of another officer or console")
	case c.waiting[key] != nil:
		c.mu.Unlock()
		return api.Response{}, errors.New("centre: the same order is on its way")
	}
	away := c.gates[cmd.Gate].view.Status.Session == "" || c.gates[cmd.Gate].view.Status.State == offline
	c.waiting[key] = answer // before the order is out: its answer may be quick
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, key)
		c.mu.Unlock()
	}()
	if away || !c.sign(cmd.Gate, "cmd", api.TopicCommand+"/"+Principal+"/"+cmd.Name, 1, o.Payload, &o.Proof) {
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
