package evidence

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/console"
	"egate/journal"
	"egate/sim/passkey"
	"egate/verdict"
)

// attacker owns the broker: it hears everything and publishes anything.
type attacker struct {
	t    *testing.T
	c    mqtt.Client
	mu   sync.Mutex
	toUs []message // what went to gates
	sent int
}

type message struct {
	topic   string
	payload []byte
}

func newAttacker(t *testing.T, url string) *attacker {
	t.Helper()
	a := &attacker{t: t}
	a.c = mqtt.NewClient(mqtt.NewClientOptions().AddBroker(url).SetClientID("attacker").SetCleanSession(true))
	if tok := a.c.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	t.Cleanup(func() { a.c.Disconnect(0) })
	tok := a.c.Subscribe("egate/v1/"+site+"/#", 1, func(_ mqtt.Client, m mqtt.Message) {
		p := strings.Split(m.Topic(), "/")
		switch p[4] {
		case api.TopicCommand, api.TopicLease, api.TopicAck, api.TopicAnswer:
		case api.TopicAudit:
			if p[5] != "cosign" {
				return
			}
		default:
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.toUs) < 400 {
			a.toUs = append(a.toUs, message{m.Topic(), bytes.Clone(m.Payload())})
		}
	})
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	return a
}

func (a *attacker) heard() []message {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]message(nil), a.toUs...)
}

func (a *attacker) publish(topic string, retained bool, payload []byte) {
	a.t.Helper()
	if tok := a.c.Publish(topic, 1, retained, payload); !tok.WaitTimeout(patience) || tok.Error() != nil {
		a.t.Fatal(tok.Error())
	}
	a.sent++
}

// TestX02BrokerOfAnAttacker (X-02, P-11, O-01, E-02, E-03): whoever owns the broker of a real gate replays, alters, reroutes,
// retains and delays everything that a centre says, signs it with a key of its own, and invents orders,
// acknowledgements, answers, leases and cosignatures: no door moves, nothing is answered or taken for an
// order, no evidence is deleted, no epoch begins, and the desk's own order still gets its answer.
func TestX02BrokerOfAnAttacker(t *testing.T) {
	l := newLine(t, "gate-1", "gate-2")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a := newAttacker(t, "tcp://"+l.cfg.Listen)
	// What a controller before had said is retained, and may be as good: it must have been said since.
	open := func(w *world) {
		t.Helper()
		since := w.began
		if err := l.until(w.name, func(g console.GateView) bool {
			return g.Status.At.After(since) && g.State.At.After(since) && g.State.Mode == "open" && g.State.Lease && (g.Status.State == "ready" || g.Status.State == "degraded")
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []string{"gate-1", "gate-2"} {
		w := l.quiet(ctx, n)
		l.gates = append(l.gates, w)
		if err := w.start(); err != nil {
			t.Fatal(err)
		}
		defer w.kill()
		open(w)
	}
	orders := map[string]int{}
	order := func(w *world) {
		t.Helper()
		// A link under fire may be making a new connection: an order for the old session is refused unanswered.
		for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			_, err := l.order(ctx, w.name, api.CmdReset, "", "")
			if err == nil {
				orders[w.name]++
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: the desk's own order: %v", w.name, err)
			}
		}
	}
	for _, w := range l.gates {
		order(w)
	}
	evil, _ := newSigner(t)
	attack := func(ms []message) {
		for i, m := range ms {
			p := strings.Split(m.topic, "/")
			a.publish(m.topic, false, m.payload) // replayed
			if p[3] == "gate-1" {
				p[3] = "gate-2"
			} else {
				p[3] = "gate-1"
			}
			a.publish(strings.Join(p, "/"), false, m.payload) // rerouted
			bad := bytes.Clone(m.payload)
			bad[(i*7919)%len(bad)] ^= 1
			a.publish(m.topic, false, bad) // altered
			var s api.Signed
			if err := json.Unmarshal(m.payload, &s); err != nil {
				continue
			}
			sig := evil.Sign(s.Kind, s.Payload) // forged: another key, under the centre's name and under its own
			for _, kid := range []string{sig.Kid, s.Signatures[0].Kid} {
				b, err := json.Marshal(api.Signed{Kind: s.Kind, Payload: s.Payload, Signatures: []api.Signature{{Alg: sig.Alg, Kid: kid, Sig: sig.Sig}}})
				if err != nil {
					t.Fatal(err)
				}
				a.publish(m.topic, false, b)
			}
			s.Payload = bytes.ReplaceAll(s.Payload, []byte(api.CmdReset), []byte(api.CmdOpenExit))
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			a.publish(strings.ReplaceAll(m.topic, api.CmdReset, api.CmdOpenExit), false, b) // another order under the old signature
			if i%5 == 0 {
				a.publish(m.topic, true, m.payload) // retained, for whoever comes next
			}
		}
	}
	forged, answered := 0, 0 // orders under the console's key
	invent := func(w *world) {
		var st api.Status
		if err := l.until(w.name, func(g console.GateView) bool { st = g.Status; return st.Session != "" }); err != nil {
			t.Fatal(err)
		}
		var id [8]byte
		_, _ = rand.Read(id[:])
		now := time.Now().UTC()
		sealed := []byte("clear")
		for topic, x := range map[string]struct {
			kind string
			v    any
		}{
			"cmd/console/" + api.CmdOpenExit: {"cmd", api.Command{ID: fmt.Sprintf("%x", id), Gate: w.name, Session: st.Session, Epoch: st.Epoch, Name: api.CmdOpenExit, Principal: "console", Officer: "officer-demo",
				IssuedAt: now, ExpiresAt: now.Add(5 * time.Second)}},
			"cmd/attacker/" + api.CmdRelease: {"cmd", api.Command{ID: fmt.Sprintf("%x", id), Gate: w.name, Session: st.Session, Epoch: st.Epoch, Name: api.CmdRelease, Principal: "attacker", Officer: "o",
				IssuedAt: now, ExpiresAt: now.Add(5 * time.Second)}},
			"ack":           {"ack", api.Ack{Gate: w.name, Epoch: st.Epoch, Upto: 1 << 40, Session: st.Session}},
			"lease/console": {"lease", api.Lease{Gate: w.name, Session: st.Session, Epoch: st.Epoch, Principal: "console", Officer: "o", Seq: 1 << 40, ExpiresAt: now.Add(20 * time.Second), Keys: []api.RecipientKey{}}},
			"ans/console/00112233445566778899aabbccddeeff": {"ans", api.Envelope{Gate: w.name, Passage: "00112233445566778899aabbccddeeff", Epoch: st.Epoch, Type: "ans", ExpiresAt: now.Add(20 * time.Second), Sealed: sealed, Hash: sealed}},
			"audit/cosign": {"cosign", api.Cosign{Gate: w.name, Epoch: st.Epoch, Size: 1 << 40, Hash: make([]byte, 32), Line: "— egate/campaign/console AAAA\n", Session: st.Session}},
		} {
			body, err := json.Marshal(x.v)
			if err != nil {
				t.Fatal(err)
			}
			s := evil.Sign(x.kind, body)
			b, err := json.Marshal(api.Signed{Kind: x.kind, Payload: body, Signatures: []api.Signature{{Alg: s.Alg, Kid: s.Kid, Sig: s.Sig}}})
			if err != nil {
				t.Fatal(err)
			}
			a.publish(api.Topic(site, w.name, topic), false, b)
			a.publish(api.Topic(site, w.name, topic), false, body) // without any signature
		}
		// With the console's own key, which is no officer's: an order without a proof, and under the proof of another.
		for _, p := range []*api.Proof{nil, {OrderKey: l.desk.Text, Assertion: l.desk.Assertion, Signature: make([]byte, 64)}} {
			now = now.Add(time.Millisecond)
			body, err := json.Marshal(passkey.Order(w.name, st, "ada", api.CmdOpenExit, "", nil, verdict.PersonCompared, now))
			if err != nil {
				t.Fatal(err)
			}
			s := l.cfg.Signer.Sign("cmd", body)
			b, err := json.Marshal(api.Signed{Kind: "cmd", Payload: body, Signatures: []api.Signature{{Alg: s.Alg, Kid: s.Kid, Sig: s.Sig}}, Proof: p})
			if err != nil {
				t.Fatal(err)
			}
			a.publish(api.Topic(site, w.name, "cmd/console/"+api.CmdOpenExit), false, b)
			forged++
		}
	}
	var first []message
	kinds := map[string]bool{}
	for end := time.Now().Add(patience); len(kinds) < 4; time.Sleep(20 * time.Millisecond) { // orders, leases, acknowledgements and cosignatures come in their time
		first = a.heard()
		for _, m := range first {
			kinds[strings.Split(m.topic, "/")[4]] = true
		}
		if time.Now().After(end) {
			t.Fatalf("the attacker has heard %v only: this proves nothing", kinds)
		}
	}
	attack(first)
	for _, w := range l.gates {
		invent(w)
		order(w)
	}
	// Delayed: for the sessions after a restart.
	for _, w := range l.gates {
		w.kill()
		if err := w.start(); err != nil {
			t.Fatal(err)
		}
		open(w)
	}
	attack(first)
	for _, w := range l.gates {
		invent(w)
		order(w)
		open(w)
	}
	for _, w := range l.gates {
		if n := w.pulses.Load(); n != 0 {
			t.Errorf("%s: %d pulses at the exit", w.name, n)
		}
		w.kill()
		rep, _ := w.read("after the attack")
		if c := rep.Cursors["ack"]; c.Epoch > rep.Epoch || c.Epoch == rep.Epoch && c.Upto > rep.Seq {
			t.Errorf("%s: acknowledged up to %+v of %d-%d", w.name, c, rep.Epoch, rep.Seq)
		}
		w.verify("after the attack")
		w.safe("after the attack")
		got := map[string]int{}
		if _, err := journal.Read(journal.Dir(w.journalDir()), func(e journal.Entry) error {
			for _, b := range e.Events {
				var d api.Draft
				var o api.OrderEvent
				if json.Unmarshal(b, &d) != nil || d.Type != api.EventOrder || json.Unmarshal(d.Data, &o) != nil {
					continue
				}
				if o.Reason == "order_signature" {
					answered++
				}
				if o.Result != "rejected" {
					got[o.Name]++
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		for name, n := range got {
			if name != api.CmdReset {
				t.Errorf("%s: %d orders %s, and nobody gave any", w.name, n, name)
			}
		}
		for _, f := range w.failures() {
			t.Error(f)
		}
	}
	if answered == 0 || answered > forged {
		t.Errorf("%d orders were forged with the console's key, %d are in the journal as refused", forged, answered)
	}
	t.Logf("%d messages of the attacker, %d of the centre's to learn from; orders of the desk: %v, all answered", a.sent, len(first), orders)
}
