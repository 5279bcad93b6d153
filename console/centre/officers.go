package centre

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
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

// officersExample is what errors point to.
const officersExample = "configs/officers.example.yaml"

// pseudonym is what the messages of the contract allow for an officer.
var pseudonym = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// LoadOfficers reads the officers' file: a list under "officers".
func LoadOfficers(path string) ([]OfficerRow, error) {
	var file struct {
		Officers []OfficerRow `yaml:"officers"`
	}
	f, err := configs.Decode(path, &file, officersExample)
	if err != nil {
		return nil, err
	}
	if err := checkOfficers(file.Officers); err != nil {
		return nil, fmt.Errorf("%s: %w: see %s", f.At("officers"), err, officersExample)
	}
	return file.Officers, nil
}

// checkOfficers holds officers apart: two who share a pseudonym could decide each other's referrals.
func checkOfficers(rows []OfficerRow) error {
	names, pseudonyms := map[string]bool{}, map[string]bool{}
	for i, o := range rows {
		_, err := bcrypt.Cost([]byte(o.Secret))
		switch {
		case o.Name == "" || names[o.Name]:
			return fmt.Errorf("officer %d needs a name of its own", i+1)
		case !pseudonym.MatchString(o.Pseudonym) || pseudonyms[o.Pseudonym]:
			return fmt.Errorf("officer %d needs a pseudonym of its own, 1 to 64 of A-Z a-z 0-9 . _ -", i+1)
		case err != nil:
			return fmt.Errorf("officer %d needs a secret as bcrypt hash", i+1)
		}
		names[o.Name], pseudonyms[o.Pseudonym] = true, true
	}
	return nil
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
	touched time.Time
}

// errSignIn does not tell which of the two was wrong.
var errSignIn = errors.New("centre: name or secret is wrong")

// nobodyHash costs a wrong name the time of a wrong secret: as much as the dearest hash of the file.
func nobodyHash(rows []OfficerRow) ([]byte, error) {
	cost := bcrypt.MinCost
	for _, o := range rows {
		if c, err := bcrypt.Cost([]byte(o.Secret)); err == nil {
			cost = max(cost, c)
		}
	}
	return bcrypt.GenerateFromPassword([]byte(rand.Text()), cost)
}

// SignIn implements console.Centre.
func (c *Centre) SignIn(_ context.Context, name, secret string) (console.Officer, error) {
	hash, who := c.nobody, OfficerRow{}
	for _, o := range c.cfg.Officers {
		if o.Name == name {
			hash, who = []byte(o.Secret), o
		}
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(secret)) != nil || who.Name == "" {
		return console.Officer{}, errSignIn
	}
	pub, priv, err := seal.GenerateHPKE()
	if err != nil {
		return console.Officer{}, err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	now := c.cfg.Now()
	s := &session{officer: console.Officer{Session: hex.EncodeToString(id[:]), Pseudonym: who.Pseudonym, Demo: who.Demo, Since: now},
		kid: seal.KeyID(pub), pub: pub, priv: priv, touched: now}
	c.mu.Lock()
	if c.ended || len(c.sessions) >= maxSessions {
		c.mu.Unlock()
		clear(priv)
		return console.Officer{}, errors.New("centre: too many officers are signed in, or the centre has ended")
	}
	c.sessions[s.officer.Session] = s
	c.mu.Unlock()
	c.leaseAll()
	return s.officer, nil
}

// SignOut implements console.Centre: keys and envelopes of the session are gone, its leases run out, and
// what the officer owned returns to the queue, unless the same officer is signed in elsewhere.
func (c *Centre) SignOut(id string) {
	c.mu.Lock()
	s := c.sessions[id]
	if s == nil {
		c.mu.Unlock()
		return
	}
	delete(c.sessions, id)
	clear(s.priv)
	elsewhere := false
	for _, o := range c.sessions {
		elsewhere = elsewhere || o.officer.Pseudonym == s.officer.Pseudonym
	}
	var owned [][2]string
	for name, g := range c.gates {
		for p, keys := range g.dossiers {
			delete(keys, s.kid)
			if len(keys) == 0 {
				delete(g.dossiers, p)
			}
		}
		for p, r := range g.referral {
			if r.State == "taken" && r.Owner == s.officer.Pseudonym && !elsewhere {
				owned = append(owned, [2]string{name, p})
			}
		}
	}
	c.changed()
	c.mu.Unlock()
	for _, o := range owned {
		if err := c.issue(s.officer.Pseudonym, o[0], orderID(), api.CmdReturn, o[1], nil, ""); err != nil {
			c.log.Warn("centre: return", "gate", o[0], "err", err)
		}
	}
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

func (c *Centre) tick() {
	now := c.cfg.Now()
	var idle []string
	c.mu.Lock()
	for id, s := range c.sessions {
		if now.Sub(s.touched) >= c.cfg.SessionLife {
			idle = append(idle, id)
		}
	}
	c.sweep(now)
	c.silent(now)
	c.mu.Unlock()
	for _, id := range idle {
		c.log.Warn("centre: nobody touched a session", "security", true)
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
		officers := map[string]bool{}
		for _, s := range c.sessions {
			keys = append(keys, api.RecipientKey{Kid: s.kid, Key: s.pub})
			officers[s.officer.Pseudonym] = true
		}
		for o := range officers {
			c.leaseSeq++
			out = append(out, api.Lease{Gate: gate, Session: st.Session, Epoch: st.Epoch, Principal: Principal, Officer: o,
				Seq: c.leaseSeq, ExpiresAt: c.cfg.Now().UTC().Add(leaseLife), Keys: keys})
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
		officers[s.officer.Pseudonym] = true
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
