package centre

import (
	"errors"
	"time"

	"egate/api"
	"egate/audit"
	"egate/console"
)

// silenceLimit is how long a stored event of a gate that is connected may be without a checkpoint over it:
// six times what the gate needs.
const silenceLimit = time.Minute

// witness is what the centre knows of the audit log of one gate. It is used by the goroutine that stores,
// and by nobody else.
//
// It remembers the last checkpoint of each epoch, on disk before its cosignature leaves, and cosigns only
// what extends it: a gate, or whoever holds its key, cannot show two histories. A witness that runs with
// the desk is not independent of it: a site that wants one runs another with a key of its own.
type witness struct {
	audit.Witness
	lines map[uint64]api.Cosign // the last cosignature of each epoch, without a session
	top   uint64
	boot  string // start of the gate that said the last one
}

func newWitness(site, gate string, by audit.Witness) *witness {
	by.Name = audit.Name(site, gate)
	return &witness{Witness: by, lines: map[uint64]api.Cosign{}}
}

// openWitness reads what was remembered of a gate.
func (c *Centre) openWitness(gate string) (*witness, error) {
	name := audit.Name(c.cfg.Site, gate)
	w := newWitness(c.cfg.Site, gate, audit.Witness{By: audit.Verifier(name, c.cfg.Gates[gate]), Seen: map[string]audit.Checkpoint{}})
	notes, err := c.store.witnessed(gate)
	if err != nil {
		return nil, err
	}
	for _, msg := range notes {
		p, err := w.TakeMessage(msg)
		if err != nil {
			// The gate's key was replaced since: what it signed before says nothing about the new one.
			c.log.Warn("centre: witness: a stored checkpoint is of another key", "gate", gate)
			continue
		}
		if err := c.cosign(w, gate, p, msg); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// cosign makes the cosignature of a checkpoint that was checked.
func (c *Centre) cosign(w *witness, gate string, p audit.Checkpoint, msg []byte) error {
	epoch, err := p.Epoch()
	if err != nil {
		return err
	}
	line, err := audit.Cosign(msg, w.By, audit.WitnessName(c.cfg.Site, Principal), c.cfg.Signer.Crypto(), c.cfg.Now())
	if err != nil {
		return err
	}
	w.lines[epoch] = api.Cosign{Gate: gate, Epoch: epoch, Size: p.Size, Hash: p.Hash[:], Line: string(line)}
	w.top = max(w.top, epoch)
	return nil
}

// checkpoint checks what a gate has published, and cosigns it or raises the alarm.
func (c *Centre) checkpoint(gate string, msg []byte) {
	g := c.gates[gate]
	w := g.witness
	p, err := audit.ParseCheckpoint(msg, w.By)
	var epoch uint64
	if err == nil {
		epoch, err = p.Epoch()
	}
	if err != nil || epoch == 0 || epoch > maxNumber {
		// Not from the gate: nothing is concluded. If nothing else comes, the silence is told.
		c.log.Warn("centre: checkpoint", "gate", gate, "err", err, "security", true)
		return
	}
	before, known := w.Seen[p.Origin]
	if !known && (epoch < w.top || len(w.Seen) >= maxEpochs) {
		err = audit.ErrRollback
	} else {
		p, err = w.TakeMessage(msg)
	}
	now := c.cfg.Now().UTC()
	c.mu.Lock()
	boot := g.view.Status.Boot
	c.mu.Unlock()
	reason := ""
	switch {
	case err == nil:
		w.boot = boot
	case errors.Is(err, audit.ErrRollback) && known && boot != "" && boot == w.boot:
		// The log of a controller that runs cannot become shorter: a broker said again what it had said before.
		c.log.Warn("centre: an old checkpoint came again", "gate", gate, "epoch", epoch, "size", p.Size, "known", before.Size)
	case errors.Is(err, audit.ErrFork):
		reason = console.AlertFork
	case errors.Is(err, audit.ErrRollback):
		reason = console.AlertRollback
	case errors.Is(err, audit.ErrOld):
		// The gate does not know how far this witness is: it is told, and publishes again.
	default:
		c.log.Warn("centre: checkpoint", "gate", gate, "err", err, "security", true)
		return
	}
	if reason != "" {
		c.log.Error("centre: audit log of a gate", "gate", gate, "err", err, "epoch", epoch, "size", p.Size, "known", before.Size, "security", true)
		if err := c.store.suspect(gate, reason, now, msg); err != nil {
			c.log.Error("centre: store", "err", err)
		}
		c.mu.Lock()
		c.alert(g, now, reason, "danger", "", true)
		c.changed()
		c.mu.Unlock()
	}
	if err == nil && (!known || before != p) {
		if err := c.store.witness(gate, epoch, msg); err != nil { // first the disk, then the word
			c.log.Error("centre: store", "err", err)
			if known {
				w.Seen[p.Origin] = before
			} else {
				delete(w.Seen, p.Origin)
			}
			c.raise(gate, console.AlertStore, true)
			return
		}
	}
	if err == nil {
		if err := c.cosign(w, gate, p, msg); err != nil {
			c.log.Error("centre: cosign", "gate", gate, "err", err)
			return
		}
	}
	if reason != "" && !known {
		epoch = w.top // the newest that it should have gone on with
	}
	c.tellCosigned(gate, epoch)
	c.covered(gate, now)
}

// tellCosigned sends a gate the last cosignature of an epoch.
func (c *Centre) tellCosigned(gate string, epoch uint64) {
	s, ok := c.gates[gate].witness.lines[epoch]
	c.mu.Lock()
	s.Session = c.gates[gate].view.Status.Session
	c.mu.Unlock()
	if ok && s.Session != "" {
		c.send(gate, "cosign", api.TopicCosign, 1, s)
	}
}

// covered notes how far checkpoints cover the events of a gate. In a gate each event is a leaf of the audit
// log, and event n of an epoch the leaf n-1: a checkpoint over n leaves covers the events up to n.
func (c *Centre) covered(gate string, now time.Time) {
	g := c.gates[gate]
	l, w := g.ledger, g.witness
	size := uint64(0)
	if s, ok := w.lines[l.top]; ok {
		size = uint64(s.Size)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := w.lines[w.top]; ok {
		g.view.Witness = &console.WitnessView{Epoch: s.Epoch, Size: s.Size, By: audit.WitnessName(c.cfg.Site, Principal), Independent: false}
	}
	switch {
	case l.upto[l.top] <= size:
		g.uncovered = time.Time{}
		c.alert(g, now, console.AlertSilent, "warning", "", false)
	case g.uncovered.IsZero() || size > g.coveredTo:
		g.uncovered = now
	}
	g.coveredTo = size
	c.changed()
}

// silent raises the alarm about gates whose log says nothing; mu is held.
func (c *Centre) silent(now time.Time) {
	for _, g := range c.gates {
		if s := g.view.Second; s != nil && !s.Until.After(now) {
			g.view.Second = nil
			c.changed()
		}
		away := g.view.Status.State == offline || g.view.Status.Session == ""
		if away && !g.uncovered.IsZero() {
			g.uncovered = now // its time begins when it is back
		}
		if !away && !g.uncovered.IsZero() && now.Sub(g.uncovered) >= silenceLimit {
			c.alert(g, now.UTC(), console.AlertSilent, "warning", "", true)
			c.changed()
		}
	}
}
