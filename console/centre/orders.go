package centre

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"egate/api"
)

// commands are the orders there are (O-03).
var commands = []string{api.CmdTake, api.CmdReturn, api.CmdAccept, api.CmdSendBack, api.CmdHold, api.CmdOpenGate, api.CmdCloseGate, api.CmdReset,
	api.CmdOpenEntry, api.CmdOpenExit, api.CmdRelease, api.CmdEndEmergency, api.CmdSelfTest,
	api.CmdStandby, api.CmdService, api.CmdManual, api.CmdHoldEntry, api.CmdLetGo}

// errAway says that an order could not be sent.
var errAway = errors.New("centre: the gate is not connected")

// issue signs an order, bound to gate, epoch and connection, and sends it.
func (c *Centre) issue(officer, gate, id, name, passage string, dossier []byte, reason string) error {
	c.mu.Lock()
	st := c.gates[gate].view.Status
	c.mu.Unlock()
	if st.Session == "" || st.State == offline {
		return errAway
	}
	now := c.cfg.Now().UTC()
	sent := c.send(gate, "cmd", api.TopicCommand+"/"+Principal+"/"+name, 1, api.Command{ID: id, Gate: gate, Session: st.Session, Epoch: st.Epoch, Name: name,
		Principal: Principal, Officer: officer, Passage: passage, Dossier: dossier, Reason: reason, IssuedAt: now, ExpiresAt: now.Add(orderLife)})
	if !sent {
		return errAway
	}
	return nil
}

func orderID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Order implements console.Centre.
func (c *Centre) Order(ctx context.Context, sessionID, gate, name, passage string, dossierHash []byte, reason string) (api.Response, error) {
	if !slices.Contains(commands, name) {
		return api.Response{}, errors.New("centre: no such order")
	}
	id := orderID()
	answer := make(chan api.Response, 1)
	c.mu.Lock()
	s := c.sessions[sessionID]
	if s == nil || c.gates[gate] == nil {
		c.mu.Unlock()
		return api.Response{}, errors.New("centre: not signed in, or no such gate")
	}
	c.waiting[gate+"/"+id] = answer // before the order is out: its answer may be quick
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, gate+"/"+id)
		c.mu.Unlock()
	}()
	if err := c.issue(s.officer.Pseudonym, gate, id, name, passage, dossierHash, reason); err != nil {
		return api.Response{}, err
	}
	timer := time.NewTimer(orderLife)
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
