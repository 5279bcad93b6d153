package link

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/journal"
	"egate/officers"
	"egate/seal"
)

// errRefused says that a message was not accepted; the text names the reason, never the content.
var errRefused = errors.New("refused")

func refuse(why string) error { return fmt.Errorf("%w: %s", errRefused, why) }

// receive verifies one message and hands it on.
func (l *Link) receive(ctx context.Context, session string, m mqtt.Message) {
	item, err := l.verify(ctx, session, m.Topic(), m.Payload(), m.Retained())
	if err != nil {
		l.refusal(m.Topic(), err.Error())
		return
	}
	if item.Refused != "" {
		l.refusal(m.Topic(), item.Refused)
	}
	if item == (Item{}) {
		return
	}
	if l.offer(item) && item.Roster != nil { // one that the loop did not take comes again, and is then kept too
		l.cfg.Officers.Use(item.Roster)
	}
}

// refusal counts a message that is not accepted, and tells of it.
func (l *Link) refusal(topic, why string) {
	l.mu.Lock()
	l.refused++
	l.mu.Unlock()
	l.log.Warn("link: message", "err", why, "kind", kindOf(topic), "security", true)
}

// kindOf is the part of a topic that may be logged.
func kindOf(topic string) string {
	p := strings.Split(topic, "/")
	if len(p) > 4 && len(p[4]) <= 8 {
		return p[4]
	}
	return "?"
}

// verify checks everything that can be known of a message: retained flag, size, topic, signature of
// that principal, gate, epoch, session, expiry, repetition.
func (l *Link) verify(ctx context.Context, session, topic string, payload []byte, retained bool) (Item, error) {
	if retained {
		return Item{}, refuse("retained")
	}
	if len(payload) > maxMessage {
		return Item{}, refuse("too long")
	}
	rest, ok := strings.CutPrefix(topic, l.topic(""))
	if !ok {
		return Item{}, refuse("topic")
	}
	if rest == api.TopicRoster {
		return l.roster(payload)
	}
	parts := strings.Split(rest, "/")
	var s api.Signed
	if err := strict(payload, &s); err != nil {
		return Item{}, refuse("not signed")
	}
	kinds := map[string]string{api.TopicCommand: "cmd", api.TopicAnswer: "ans", api.TopicLease: "lease", api.TopicAck: "ack", api.TopicTime: "time"}
	if rest == api.TopicCosign {
		parts = []string{"cosign"} // it names no principal, like an acknowledgement
		kinds = map[string]string{"cosign": "cosign"}
	}
	kind := kinds[parts[0]]
	if kind == "" || s.Kind != kind {
		return Item{}, refuse("kind")
	}
	principal := ""
	if len(parts) > 1 {
		principal = parts[1]
	}
	if err := l.signed(kind, principal, s); err != nil {
		return Item{}, err
	}
	now := l.cfg.Now()
	switch kind {
	case "cmd":
		var c api.Command
		if err := strict(s.Payload, &c); err != nil || len(parts) != 3 {
			return Item{}, refuse("not a command")
		}
		switch {
		case c.Principal != principal || c.Name != parts[2]:
			return Item{}, refuse("topic and command differ")
		case c.Gate != l.cfg.Gate || c.Epoch != l.cfg.Epoch():
			return Item{}, refuse("other gate or epoch")
		case c.IssuedAt.After(now.Add(maxSkew)):
			return Item{}, refuse("from the future")
		case c.ExpiresAt.Sub(c.IssuedAt) > maxOrderLife:
			return Item{}, refuse("lives too long")
		case !plain(c.ID) || !plain(c.Name) || c.Passage != "" && !plain(c.Passage) || c.Officer != "" && !pseudonym(c.Officer) || c.To != "" && !pseudonym(c.To) || c.Reason != "" && !plain(c.Reason) || len(c.Dossier) > maxName:
			return Item{}, refuse("not a command")
		}
		return l.order(session, s, &c)
	case "ans":
		var e api.Envelope
		if err := strict(s.Payload, &e); err != nil || len(parts) != 3 {
			return Item{}, refuse("not an answer")
		}
		h := sha256.Sum256(e.Sealed)
		switch {
		case e.Type != "ans":
			return Item{}, refuse("not an answer")
		case e.Gate != l.cfg.Gate || e.Epoch != l.cfg.Epoch() || e.Passage != parts[2]:
			return Item{}, refuse("other gate, epoch or passage")
		case !e.ExpiresAt.After(now):
			return Item{}, refuse("expired")
		case !bytes.Equal(h[:], e.Hash):
			return Item{}, refuse("hash")
		case !l.fresh("ans/" + string(h[:])):
			return Item{}, refuse("repeated")
		}
		return Item{Answer: &e}, nil
	case "lease":
		var le api.Lease
		if err := strict(s.Payload, &le); err != nil || len(parts) != 2 {
			return Item{}, refuse("not a lease")
		}
		switch {
		case le.Principal != principal:
			return Item{}, refuse("topic and lease differ")
		case le.Gate != l.cfg.Gate || le.Session != session || le.Epoch != l.cfg.Epoch():
			return Item{}, refuse("other gate, session or epoch")
		case !le.ExpiresAt.After(now):
			return Item{}, refuse("expired")
		case le.ExpiresAt.After(now.Add(maxLeaseLife + maxSkew)):
			return Item{}, refuse("lives too long")
		case len(le.Keys) > maxKeys || !pseudonym(le.Officer):
			return Item{}, refuse("not a lease")
		case !l.cfg.Officers.OnDuty(le.Officer):
			return Item{}, refuse("officer is not on the roster of this gate")
		}
		key := session + "\x00" + principal + "\x00" + le.Officer
		l.mu.Lock()
		defer l.mu.Unlock()
		if last, seen := l.leaseSeq[key]; seen && le.Seq <= last {
			return Item{}, refuse("repeated")
		}
		if len(l.leaseSeq) >= maxLeases {
			// Of sessions that ended: their leases are refused anyway.
			maps.DeleteFunc(l.leaseSeq, func(k string, _ uint64) bool { return !strings.HasPrefix(k, session+"\x00") })
		}
		if _, seen := l.leaseSeq[key]; !seen && len(l.leaseSeq) >= maxLeases {
			return Item{}, refuse("too many officers")
		}
		l.leaseSeq[key] = le.Seq
		return Item{Lease: &le}, nil
	case "time":
		var a api.Time
		if err := strict(s.Payload, &a); err != nil || len(parts) != 1 {
			return Item{}, refuse("not a time")
		}
		if a.Gate != l.cfg.Gate || a.Session != session {
			return Item{}, refuse("other gate or session")
		}
		if l.cfg.Time != nil {
			l.cfg.Time(a)
		}
		return Item{}, nil
	case "cosign":
		var c api.Cosign
		if err := strict(s.Payload, &c); err != nil || c.Size < 0 || len(c.Hash) != sha256.Size || len(c.Line) > maxLine {
			return Item{}, refuse("not a cosignature")
		}
		if c.Gate != l.cfg.Gate || c.Session != session {
			return Item{}, refuse("other gate or session")
		}
		if l.cfg.Cosigned != nil {
			l.cfg.Cosigned(c)
		}
		return Item{}, nil
	}
	var a api.Ack
	if err := strict(s.Payload, &a); err != nil || len(parts) != 1 {
		return Item{}, refuse("not an acknowledgement")
	}
	return Item{}, l.ack(ctx, session, a)
}

// order decides about a well-formed order of the centre: it is its officer's and in time, or refused with a reason.
// One that was seen, or is of an earlier connection, is never followed: the loop answers it as it did. So nobody
// fills the journal by repeating.
func (l *Link) order(session string, s api.Signed, c *api.Command) (Item, error) {
	if s.Second != nil {
		return l.second(session, s, c)
	}
	switch fresh := l.fresh("cmd/" + c.Principal + "/" + c.ID); {
	case !fresh || c.Session != session:
		return Item{Command: c, Again: true}, nil
	case !c.ExpiresAt.After(l.cfg.Now()):
		return Item{Command: c, Refused: "expired"}, nil
	}
	if err := l.cfg.Officers.Verify(s.Payload, *c, s.Proof); err != nil {
		return refusedOrder(c, err)
	}
	if l.cfg.Officers.TwoPersons(c.Name) {
		l.propose(session, s, c)
	}
	return Item{Command: c}, nil
}

func refusedOrder(c *api.Command, err error) (Item, error) {
	var r officers.Refusal
	if !errors.As(err, &r) {
		return Item{}, refuse("order")
	}
	return Item{Command: c, Refused: string(r)}, nil
}

// propose keeps an order that came in time and is its officer's until a second one has signed it too.
func (l *Link) propose(session string, s api.Signed, c *api.Command) {
	now := l.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.proposed, func(_ string, p proposal) bool { return !p.until.After(now) || p.session != session })
	if len(l.proposed) < maxProposals {
		l.proposed[c.Principal+"/"+c.ID] = proposal{s, session, now.Add(secondLife)}
	}
}

// second decides about an order that comes with a second signature: both have signed the very document that this gate holds since
// the first one sent it, and they are two. It is followed once.
func (l *Link) second(session string, s api.Signed, c *api.Command) (Item, error) {
	key := c.Principal + "/" + c.ID
	l.mu.Lock()
	p, waits := l.proposed[key]
	l.mu.Unlock()
	switch {
	case !waits || p.session != session || c.Session != session || !p.until.After(l.cfg.Now()):
		return Item{Command: c, Again: true}, nil
	case !bytes.Equal(p.signed.Payload, s.Payload):
		return Item{Command: c, Refused: string(officers.OtherOrder)}, nil
	case !l.cfg.Officers.OnDuty(c.Officer):
		return Item{Command: c, Refused: string(officers.Unknown)}, nil // the first one has left the roster meanwhile
	}
	who, err := l.cfg.Officers.VerifySecond(s.Payload, *c, p.signed.Proof, s.Second)
	if err != nil {
		return refusedOrder(c, err)
	}
	l.mu.Lock()
	delete(l.proposed, key)
	l.mu.Unlock()
	p.signed.Second = s.Second
	doc, err := json.Marshal(p.signed)
	if err != nil {
		return Item{}, refuse("order")
	}
	return Item{Command: c, Pair: &Pair{who, doc}}, nil
}

// roster examines a roster. One that is not newer is no attack: the centre repeats it.
func (l *Link) roster(payload []byte) (Item, error) {
	r, err := l.cfg.Officers.Examine(payload)
	switch {
	case errors.Is(err, officers.ErrOlder):
		if cur := l.cfg.Officers.Current(); r.Version < cur.Version {
			return Item{}, refuse("older roster")
		}
		return Item{}, nil
	case err != nil:
		return Item{}, refuse("roster")
	}
	return Item{Roster: r}, nil
}

// ack moves the outbox. A forged, replayed, stale or too high acknowledgement deletes nothing. One that is
// genuine, of this session and too high tells of a loss.
func (l *Link) ack(ctx context.Context, session string, a api.Ack) error {
	if a.Gate != l.cfg.Gate {
		return refuse("other gate")
	}
	if a.Session != session {
		l.restate(session) // genuine: the centre has missed this session, or a broker repeats
		return refuse("other session")
	}
	switch err := l.cfg.Outbox.Ack(a.Epoch, a.Upto); {
	case err == nil:
	case errors.Is(err, journal.ErrStale):
		return nil // the centre repeats itself: no harm
	case errors.Is(err, journal.ErrAhead):
		if a.Epoch >= l.cfg.Epoch() { // of an earlier one it is known: its end was lost, and a new one began
			l.ahead(ctx, a.Epoch)
		}
		return refuse("acknowledges more than there is")
	default:
		l.log.Error("link: acknowledgement", "err", err)
		return nil // the journal's fault, not the message's
	}
	l.mu.Lock()
	if to := (position{a.Epoch, a.Upto}); l.ackedTo.before(to) {
		l.ackedTo = to
	}
	l.mu.Unlock()
	select {
	case l.acked <- struct{}{}:
	default:
	}
	return nil
}

// ahead tells of lost evidence, once per connection. Its goroutine ends with the connection.
func (l *Link) ahead(ctx context.Context, epoch uint64) {
	l.mu.Lock()
	told := l.told
	l.told = true
	l.mu.Unlock()
	if told || l.cfg.Ahead == nil {
		return
	}
	go func() {
		if l.cfg.Epoch() > epoch {
			return // found in another way meanwhile
		}
		if err := l.cfg.Ahead(ctx, "the centre has acknowledged more than the journal holds"); err != nil {
			l.log.Error("link: new epoch", "err", err)
		}
		l.kick() // status names the epoch
	}()
}

// signed checks the signature against the keys of the principal that the topic names; an
// acknowledgement names none and may come from any.
func (l *Link) signed(kind, principal string, s api.Signed) error {
	sigs := make([]seal.Signature, 0, len(s.Signatures))
	for _, x := range s.Signatures {
		sigs = append(sigs, seal.Signature{Alg: x.Alg, Kid: x.Kid, Sig: x.Sig})
	}
	for p, keys := range l.cfg.Centre {
		if principal != "" && p != principal {
			continue
		}
		if _, err := keys.Verify(kind, s.Payload, sigs); err == nil {
			return nil
		}
	}
	return refuse("signature")
}

// Orders of two persons.
const (
	secondLife   = time.Minute // from the first signature to the second
	maxProposals = 16
)

// Caps of what a message holds, bytes.
const (
	maxName = 64  // names and ids
	maxLine = 512 // a witness's signature line
)

// plain tells whether an id can stand in a topic and in an event.
func plain(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// pseudonym tells whether an officer's name can stand in an event.
func pseudonym(s string) bool { return plain(strings.ReplaceAll(s, ".", "-")) }

// fresh notes an id and tells whether it is new.
func (l *Link) fresh(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids[id] {
		return false
	}
	l.ids[id] = true
	l.idOrder = append(l.idOrder, id)
	if len(l.idOrder) > maxIDs {
		delete(l.ids, l.idOrder[0])
		l.idOrder = l.idOrder[1:]
	}
	return true
}

// strict parses one JSON document without unknown fields.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("link: something follows the message")
	}
	return nil
}
