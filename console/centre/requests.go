package centre

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"egate/api"
	"egate/console"
	"egate/seal"
	"egate/verdict"
)

// Limits of sealed requests.
const (
	maxLookups    = 16               // answered at once
	maxLookup     = 16 << 10         // bytes of a sealed question
	maxDossiers   = 64               // referrals of one gate with sealed envelopes
	maxOver       = 256              // referrals of one gate that are remembered as over
	maxSeen       = 4096             // questions that are remembered against repetition
	maxLife       = 30 * time.Minute // of an envelope: a referral ends before
	orphanLife    = time.Minute      // of a dossier whose referral is not known: its event is late, or never comes
	answerLife    = 30 * time.Second
	answerLimit   = 5 * time.Second // for the child that answers
	lookupKind    = seal.PurposeLookup
	referralKind  = seal.PurposeReferral
	answerKind    = seal.PurposeAnswer
	answerSection = api.TopicAnswer + "/" + Principal + "/"
)

// sealed is a referral envelope for one officer's session.
type sealed struct {
	envelope api.Envelope
	came     time.Time
}

// request handles what a gate's inspectors ask: sealed, and signed by the gate over gate, passage,
// epoch, expiry and ciphertext hash.
func (c *Centre) request(gate, kind string, payload []byte) error {
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
	// That topic and envelope name the same gate, passage and type is part of the contract.
	now := c.cfg.Now()
	h := sha256.Sum256(e.Sealed)
	switch {
	case e.Gate != gate || e.Type != kind:
		return errors.New("centre: envelope of another gate or type")
	case !e.ExpiresAt.After(now):
		return errors.New("centre: envelope expired")
	case e.ExpiresAt.After(now.Add(maxLife)):
		return errors.New("centre: envelope lives too long")
	case !bytes.Equal(h[:], e.Hash):
		return errors.New("centre: hash of the envelope")
	}
	if kind == referralKind {
		return c.referral(gate, e, now)
	}
	return c.question(gate, e, h, now)
}

// question has a look-up answered, once.
func (c *Centre) question(gate string, e api.Envelope, hash [32]byte, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case e.Recipient != c.sealKid && e.Recipient != "centre":
		return errors.New("centre: question for another centre")
	case len(e.Sealed) > maxLookup:
		return errors.New("centre: question is too long")
	}
	for h, until := range c.seen {
		if !until.After(now) {
			delete(c.seen, h)
		}
	}
	if _, repeated := c.seen[hash]; repeated || len(c.seen) >= maxSeen {
		return errors.New("centre: question repeated, or too many")
	}
	if c.ended || c.asking >= maxLookups {
		return errors.New("centre: too many look-ups at once")
	}
	c.seen[hash] = e.ExpiresAt
	c.asking++
	c.children.Add(1)
	go func() {
		defer c.children.Done()
		c.lookup(gate, e)
		c.mu.Lock()
		c.asking--
		c.mu.Unlock()
	}()
	return nil
}

// lookup has a question answered in a one-shot child and signs the answer. The plain question is never
// in this process: what lives for weeks must not hold travellers.
func (c *Centre) lookup(gate string, e api.Envelope) {
	ctx, cancel := context.WithTimeout(c.life, c.limits.answer)
	defer cancel()
	q := question{Key: c.cfg.SealKey, Gate: gate, Envelope: e, List: c.list.now(), At: c.cfg.Now().UTC()}
	var again func([]docTag) bool
	if c.repeats != nil {
		q.Keys = c.repeats.keys(q.At)
		again = func(under []docTag) bool { return c.usedAgain(gate, e.Passage, under) }
	}
	a, err := ask(ctx, c.cfg.AnswerChild, q, again)
	if err != nil {
		c.log.Warn("centre: look-up", "gate", gate, "err", err, "security", true)
		return // no answer is a referral (P-11)
	}
	h := sha256.Sum256(a.Sealed)
	c.send(gate, answerKind, answerSection+e.Passage, 0, api.Envelope{Gate: gate, Passage: e.Passage, Epoch: e.Epoch, Type: answerKind,
		Recipient: a.Recipient, ExpiresAt: c.cfg.Now().UTC().Add(answerLife), Sealed: a.Sealed, Hash: h[:], Reason: verdict.ReasonNone})
}

// usedAgain tells whether a document was used before, and the desk if so.
func (c *Centre) usedAgain(gate, passage string, under []docTag) bool {
	now := c.cfg.Now().UTC()
	if !c.repeats.again(now, gate, passage, under) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alert(c.gates[gate], now, console.AlertRepeat, "warning", passage, true)
	c.changed()
	return true
}

// referral keeps a sealed dossier, in memory, for the session it was sealed to (O-06).
func (c *Centre) referral(gate string, e api.Envelope, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gates[gate]
	there := false
	for _, s := range c.sessions {
		there = there || s.kid == e.Recipient
	}
	switch {
	case !there:
		return errors.New("centre: dossier for nobody who is signed in")
	case slices.Contains(g.over, e.Passage):
		return errors.New("centre: dossier of a referral that is over")
	case g.dossiers[e.Passage] == nil && len(g.dossiers) >= maxDossiers:
		return errors.New("centre: too many open dossiers")
	}
	if g.dossiers[e.Passage] == nil {
		g.dossiers[e.Passage] = map[string]sealed{}
	}
	g.dossiers[e.Passage][e.Recipient] = sealed{e, now}
	c.changed()
	return nil
}

// sweep drops dossiers that have expired or whose referral was never told; mu is held.
func (c *Centre) sweep(now time.Time) {
	for _, g := range c.gates {
		for passage, keys := range g.dossiers {
			for kid, d := range keys {
				if !d.envelope.ExpiresAt.After(now) || g.referral[passage] == nil && now.Sub(d.came) > orphanLife {
					delete(keys, kid)
				}
			}
			if len(keys) == 0 {
				delete(g.dossiers, passage)
				c.changed()
			}
		}
	}
}
