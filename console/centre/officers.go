package centre

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/bcrypt"

	"egate/api"
	"egate/configs"
	"egate/console"
	"egate/seal"
)

// OfficerRow is one officer of the officers' file.
type OfficerRow struct {
	Name      string `yaml:"name"`      // what is typed at sign-in
	Pseudonym string `yaml:"pseudonym"` // what events and gates see
	Secret    string `yaml:"secret"`    // bcrypt hash
	Demo      bool   `yaml:"-"`
}

// LoadOfficers reads the officers' file: a list under "officers".
func LoadOfficers(path string) ([]OfficerRow, error) {
	var file struct {
		Officers []OfficerRow `yaml:"officers"`
	}
	f, err := configs.Decode(path, &file, "configs/officers.example.yaml")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, o := range file.Officers {
		if _, err := bcrypt.Cost([]byte(o.Secret)); err != nil || o.Name == "" || o.Pseudonym == "" || seen[o.Name] {
			return nil, fmt.Errorf("%s: each officer needs a name of its own, a pseudonym and a secret as bcrypt hash", f.At("officers"))
		}
		seen[o.Name] = true
	}
	return file.Officers, nil
}

// DemoOfficer is the named officer of a simulation.
func DemoOfficer(name, secret string) (OfficerRow, error) {
	h, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
	if err != nil {
		return OfficerRow{}, fmt.Errorf("centre: demo officer: %w", err)
	}
	return OfficerRow{Name: name, Pseudonym: "officer-demo", Secret: string(h), Demo: true}, nil
}

// session is one signed-in officer. Its keys are made here, live in memory and end with it.
type session struct {
	officer console.Officer
	kid     string
	pub     []byte
	priv    []byte
}

// errSignIn does not tell which of the two was wrong.
var errSignIn = errors.New("centre: name or secret is wrong")

// nobody costs a wrong name the time of a wrong secret.
var nobody, _ = bcrypt.GenerateFromPassword([]byte("nobody"), bcrypt.MinCost)

// SignIn implements console.Centre.
func (c *Centre) SignIn(_ context.Context, name, secret string) (console.Officer, error) {
	var who *OfficerRow
	for i := range c.cfg.Officers {
		if c.cfg.Officers[i].Name == name {
			who = &c.cfg.Officers[i]
		}
	}
	if who == nil {
		_ = bcrypt.CompareHashAndPassword(nobody, []byte(secret))
		return console.Officer{}, errSignIn
	}
	if bcrypt.CompareHashAndPassword([]byte(who.Secret), []byte(secret)) != nil {
		return console.Officer{}, errSignIn
	}
	pub, priv, err := seal.GenerateHPKE()
	if err != nil {
		return console.Officer{}, err
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return console.Officer{}, err
	}
	s := &session{officer: console.Officer{Session: hex.EncodeToString(id[:]), Pseudonym: who.Pseudonym, Demo: who.Demo, Since: c.cfg.Now()},
		kid: seal.KeyID(pub), pub: pub, priv: priv}
	c.mu.Lock()
	c.sessions[s.officer.Session] = s
	c.mu.Unlock()
	for name := range c.cfg.Gates {
		c.leaseNow(name)
	}
	return s.officer, nil
}

// SignOut implements console.Centre: keys and envelopes of the session are gone, its leases run out.
func (c *Centre) SignOut(id string) {
	c.mu.Lock()
	s := c.sessions[id]
	delete(c.sessions, id)
	var mine [][2]string
	if s != nil {
		clear(s.priv)
		for name, g := range c.gates {
			for p, keys := range g.dossiers {
				delete(keys, s.kid)
				if len(keys) == 0 {
					delete(g.dossiers, p)
				}
			}
			for p, r := range g.referral {
				if r.State == "taken" && r.Owner == s.officer.Pseudonym {
					mine = append(mine, [2]string{name, p})
				}
			}
		}
		c.changed()
	}
	c.mu.Unlock()
	for _, m := range mine { // what the officer owned returns to the queue
		if err := c.issue(s, m[0], orderID(), api.CmdReturn, m[1], nil, ""); err != nil {
			c.log.Warn("centre: return", "gate", m[0], "err", err)
		}
	}
}

// Touch implements console.Centre. The session's life is the desk's: it signs out whoever is idle.
func (c *Centre) Touch(string) {}

// leases keeps the gates of the line open for the officers who are signed in (O-01).
func (c *Centre) leases(ctx context.Context) {
	t := time.NewTicker(leaseEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			for name := range c.cfg.Gates {
				c.leaseNow(name)
			}
		case <-ctx.Done():
			return
		}
	}
}

// leaseNow publishes one lease per officer for a gate that is connected.
func (c *Centre) leaseNow(gate string) {
	c.mu.Lock()
	g := c.gates[gate]
	var out []api.Lease
	if st := g.view.Status; st.Session != "" && st.State != "offline" {
		keys := []api.RecipientKey{}
		for _, s := range c.sessions {
			keys = append(keys, api.RecipientKey{Kid: s.kid, Key: s.pub})
		}
		for _, s := range c.sessions {
			c.leaseSeq++
			out = append(out, api.Lease{Gate: gate, Session: st.Session, Epoch: st.Epoch, Principal: Principal, Officer: s.officer.Pseudonym,
				Seq: c.leaseSeq, ExpiresAt: c.cfg.Now().UTC().Add(leaseLife), Keys: keys})
		}
	}
	c.mu.Unlock()
	for _, l := range out {
		c.send(gate, "lease", api.TopicLease+"/"+Principal, 0, l)
	}
}

// issue signs and sends an order.
func (c *Centre) issue(s *session, gate, id, name, passage string, dossier []byte, reason string) error {
	c.mu.Lock()
	st := c.gates[gate].view.Status
	c.mu.Unlock()
	if st.Session == "" || st.State == "offline" {
		return errors.New("centre: the gate is not connected")
	}
	now := c.cfg.Now().UTC()
	c.send(gate, "cmd", api.TopicCommand+"/"+Principal+"/"+name, 1, api.Command{ID: id, Gate: gate, Session: st.Session, Epoch: st.Epoch, Name: name,
		Principal: Principal, Officer: s.officer.Pseudonym, Passage: passage, Dossier: dossier, Reason: reason, IssuedAt: now, ExpiresAt: now.Add(orderLife)})
	return nil
}

func orderID() string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Order implements console.Centre.
func (c *Centre) Order(ctx context.Context, sessionID, gate, name, passage string, dossierHash []byte, reason string) (api.Response, error) {
	id := orderID()
	answer := make(chan api.Response, 1)
	c.mu.Lock()
	s, g := c.sessions[sessionID], c.gates[gate]
	if s == nil || g == nil {
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
	if err := c.issue(s, gate, id, name, passage, dossierHash, reason); err != nil {
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
