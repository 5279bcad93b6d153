package centre

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"egate/api"
	"egate/console"
	"egate/seal"
)

// Limits of signing in.
const (
	nonceLife = 2 * time.Minute
	maxNonces = 256
	// rosterEvery is how often the roster is handed to each gate: one that did not take it gets it again within the
	// minute that a removed officer has.
	rosterEvery = 20 * time.Second
)

// session is one signed-in officer. Its keys are made here, live in memory and end with it.
type session struct {
	officer console.Officer
	kid     string
	pub     []byte
	priv    []byte
	touched time.Time
	handed  map[string]bool // gates that its officer has handed over
}

// errSignIn does not tell what was wrong.
var errSignIn = errors.New("centre: sign-in refused")

// onDuty tells whether an officer may work at some gate of the line now.
func (c *Centre) onDuty(pseudonym string) bool {
	r, now := c.roster.Current(), c.cfg.Now()
	return r != nil && slices.ContainsFunc(c.order, func(gate string) bool { _, ok := r.At(pseudonym, gate, now); return ok })
}

// Challenge implements console.Centre.
func (c *Centre) Challenge() (console.Challenge, error) {
	r := c.roster.Current()
	if r == nil {
		return console.Challenge{}, errors.New("centre: there is no roster")
	}
	nonce := make([]byte, 32)
	_, _ = rand.Read(nonce) // never fails
	now := c.cfg.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, until := range c.nonces {
		if !until.After(now) {
			delete(c.nonces, n)
		}
	}
	if len(c.nonces) >= maxNonces {
		return console.Challenge{}, errors.New("centre: too many sign-ins at once")
	}
	c.nonces[string(nonce)] = now.Add(nonceLife)
	return console.Challenge{Nonce: nonce, Site: c.cfg.Site, RPID: r.RPID, Gates: slices.Clone(c.order), At: now.UTC()}, nil
}

// SignIn implements console.Centre. What the desk believes here opens dossiers; orders are the gates' to believe.
func (c *Centre) SignIn(_ context.Context, in console.SignIn) (console.Officer, error) {
	r, now := c.roster.Current(), c.cfg.Now()
	if r == nil {
		return console.Officer{}, errSignIn
	}
	who, key, err := r.Certified(in.OrderKey, in.Assertion, now)
	if err != nil {
		return console.Officer{}, fmt.Errorf("%w: %w", errSignIn, err)
	}
	c.mu.Lock()
	until, asked := c.nonces[string(key.Nonce)]
	delete(c.nonces, string(key.Nonce))
	c.mu.Unlock()
	if !asked || !until.After(now) || !c.onDuty(who.Officer) {
		return console.Officer{}, errSignIn
	}
	pub, priv, err := seal.GenerateHPKE()
	if err != nil {
		return console.Officer{}, err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	s := &session{officer: console.Officer{Session: hex.EncodeToString(id[:]), Pseudonym: who.Officer, Demo: who.Demo, Since: now, Roles: who.Roles, Credential: in.Assertion.Credential},
		kid: seal.KeyID(pub), pub: pub, priv: priv, touched: now, handed: map[string]bool{}}
	c.mu.Lock()
	if c.ended || len(c.sessions) >= maxSessions {
		c.mu.Unlock()
		clear(priv)
		return console.Officer{}, errors.New("centre: too many officers are signed in, or the centre has ended")
	}
	c.sessions[s.officer.Session] = s
	c.changed()
	c.mu.Unlock()
	c.leaseAll()
	return s.officer, nil
}

// Active implements console.Centre.
func (c *Centre) Active(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[id] != nil
}

// renew reads the roster's file again when it has changed, and hands the roster to gates that are due.
func (c *Centre) renew(now time.Time) {
	if st, err := os.Stat(c.cfg.Roster); err == nil && !(st.ModTime().Equal(c.rosterAt) && st.Size() == c.rosterSize) {
		c.rosterAt, c.rosterSize = st.ModTime(), st.Size()
		before := c.roster.Current()
		err := c.roster.Read(c.cfg.Roster)
		if err != nil {
			c.log.Error("centre: the roster before stays in use", "err", err, "security", true)
		}
		if r := c.roster.Current(); r != before {
			c.log.Info("centre: roster", "version", r.Version, "security", true)
			clear(c.rosterSent)
		}
		c.rosterBad = err != nil
	}
	r := c.roster.Current()
	c.raise("", console.AlertRoster, c.rosterBad || r == nil || !r.InForce(now))
	for _, gate := range c.order {
		if now.Sub(c.rosterSent[gate]) >= rosterEvery {
			c.rosterSent[gate] = now
			c.rosterNow(gate)
		}
	}
}

// rosterNow hands the roster to a gate.
func (c *Centre) rosterNow(gate string) {
	if r := c.roster.Current(); r != nil {
		c.net.publish(api.Topic(c.cfg.Site, gate, api.TopicRoster), 1, r.Raw())
	}
}

// SignOut implements console.Centre: keys and envelopes of the session are gone and its leases run out; with the
// last lease of the officer the gates return what he owned to the queue (O-01).
func (c *Centre) SignOut(id string) {
	c.mu.Lock()
	s := c.sessions[id]
	if s == nil {
		c.mu.Unlock()
		return
	}
	delete(c.sessions, id)
	clear(s.priv)
	for _, g := range c.gates {
		for p, keys := range g.dossiers {
			delete(keys, s.kid)
			if len(keys) == 0 {
				delete(g.dossiers, p)
			}
		}
	}
	c.changed()
	c.mu.Unlock()
	c.leaseAll() // of the others, without this session's key
}

// Touch implements console.Centre: somebody is there. The desk signs out who is idle; should it fail to,
// the centre does so itself after SessionLife.
func (c *Centre) Touch(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[id]; s != nil {
		s.touched = c.cfg.Now()
	}
}

// tend keeps the gates of the line open for the officers who are signed in (O-01), ends sessions that
// nobody touches, and clears away.
func (c *Centre) tend(ctx context.Context) {
	t := time.NewTicker(leaseEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			c.tick()
		case <-ctx.Done():
			return
		}
	}
}

// certAlerts are those of the console's own certificate.
var certAlerts = []string{console.AlertCertDue, console.AlertCertEnding, console.AlertCertLastDay, console.AlertCertExpired}

// certificate tells the desk of the stage of the console's own.
func (c *Centre) certificate() {
	if c.cfg.Certificate == nil {
		return
	}
	holds := c.cfg.Certificate()
	for _, a := range certAlerts {
		c.raise("", a, a == holds)
	}
}

func (c *Centre) tick() {
	now := c.cfg.Now()
	c.renew(now)
	c.certificate()
	var idle []string
	c.mu.Lock()
	for id, s := range c.sessions {
		if now.Sub(s.touched) >= c.cfg.SessionLife || !c.onDuty(s.officer.Pseudonym) {
			idle = append(idle, id)
		}
	}
	c.sweep(now)
	c.silent(now)
	c.mu.Unlock()
	for _, id := range idle {
		c.log.Warn("centre: nobody touched a session, or its officer is off the roster", "security", true)
		c.SignOut(id)
	}
	c.leaseAll()
	if changed, err := c.list.refresh(); changed {
		if err != nil {
			c.log.Error("centre: the list before stays in use", "err", err)
		} else {
			c.log.Info("centre: watch list read again")
		}
		c.raise("", console.AlertList, err != nil)
	}
}

func (c *Centre) leaseAll() {
	for _, name := range c.order {
		c.leaseNow(name)
	}
}

// leaseNow publishes one lease per officer for a gate that is connected and watched. An officer watches
// GatesPerOfficer gates of the line and no more (O-01): further gates get no lease and stay shut.
func (c *Centre) leaseNow(gate string) {
	c.mu.Lock()
	g := c.gates[gate]
	var out []api.Lease
	if st := g.view.Status; st.Session != "" && st.State != offline && c.watched(gate) {
		keys := []api.RecipientKey{}
		officers := map[string]time.Time{} // by pseudonym: the newest sign-in
		for _, s := range c.sessions {
			if s.handed[gate] {
				continue
			}
			keys = append(keys, api.RecipientKey{Kid: s.kid, Key: s.pub})
			if s.officer.Since.After(officers[s.officer.Pseudonym]) {
				officers[s.officer.Pseudonym] = s.officer.Since
			}
		}
		for o, since := range officers {
			c.leaseSeq++
			out = append(out, api.Lease{Gate: gate, Session: st.Session, Epoch: st.Epoch, Principal: Principal, Officer: o,
				Seq: c.leaseSeq, ExpiresAt: c.cfg.Now().UTC().Add(leaseLife), SignedIn: since.UTC(), Keys: keys})
		}
	}
	c.mu.Unlock()
	for _, l := range out {
		c.send(gate, "lease", api.TopicLease+"/"+Principal, 0, l)
	}
}

// watched tells whether the officers who are signed in suffice for a gate; connected gates count by their
// names. mu is held.
func (c *Centre) watched(gate string) bool {
	officers := map[string]bool{}
	for _, s := range c.sessions {
		if !s.handed[gate] {
			officers[s.officer.Pseudonym] = true
		}
	}
	room := len(officers) * c.cfg.GatesPerOfficer
	for _, name := range c.order {
		st := c.gates[name].view.Status
		if st.Session == "" || st.State == offline {
			continue
		}
		if room--; room < 0 {
			return false
		}
		if name == gate {
			return true
		}
	}
	return false
}

// handedOver notes that an officer has handed a gate over: the sessions that he had then get no lease there, nor
// dossiers. The gate itself counts none of theirs any more. mu is held.
func (c *Centre) handedOver(gate string, e api.Event, officer string) {
	for _, s := range c.sessions {
		if s.officer.Pseudonym == officer && s.officer.Since.Before(e.Time) {
			s.handed[gate] = true
		}
	}
}
