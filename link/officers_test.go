package link

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"egate/api"
	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
)

// TestX02ConsoleOfAnAttacker: whoever holds the console's own key, the broker and every certificate, and not an
// officer's passkey, gives no order that a gate follows: each forgery is refused with its reason and a genuine order
// after it passes. A removed officer is refused as soon as the new roster is there; an older roster never comes back.
func TestX02ConsoleOfAnAttacker(t *testing.T) {
	each(t, func(t *testing.T, b restartable, _ string) {
		c := newCentre(t, b.URL())
		c.start(t)
		const origin = "https://desk.example"
		offline, now := newSigner(t), clock().UTC()
		ann, eve := must(passkey.New(officers.ES256, "desk.example", origin)), must(passkey.New(officers.EdDSA, "desk.example", origin))
		roster := func(version uint64, by *seal.Signer, who map[string]*passkey.Authenticator) []byte {
			r := api.Roster{Site: site, Version: version, IssuedAt: now, ExpiresAt: now.Add(24 * time.Hour), RPID: "desk.example", Origins: []string{origin}, TwoPersons: []string{api.CmdManual}}
			for name, a := range who {
				r.Officers = append(r.Officers, api.RosterOfficer{Officer: name, Passkeys: []api.Passkey{must(a.Public())}, Roles: []string{officers.RoleSupervisor},
					Gates: []string{gate}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)})
			}
			return must(officers.Sign(r, by))
		}
		keeper := officers.NewKeeper(site, gate, false, seal.Trust(offline.Public()), clock)
		x := newBenchFor(t, c, b.URL(), steady, keeper)
		c.until("ready", func() bool { return c.status.State == "ready" })
		st, epoch, n := c.now(), x.j.Epoch(), 0
		give := func(raw []byte) { c.publish(api.Topic(site, gate, api.TopicRoster), false, raw) }
		give(roster(3, offline, map[string]*passkey.Authenticator{"ann": ann, "bob": eve}))
		if i := x.next(); i.Roster == nil || i.Roster.Version != 3 {
			t.Fatalf("roster: %+v", i)
		}
		wait4(t, "the roster", func() bool { return keeper.OnDuty("bob") })

		key := must(ann.Certify(site, []string{gate}, nil, now, time.Hour))
		order := func(f func(*api.Command)) (api.Command, []byte, *api.Proof) {
			n++
			at := clock().UTC()
			o := api.Command{ID: fmt.Sprintf("o%d", n), Gate: gate, Session: st.Session, Epoch: epoch, Name: api.CmdOpenExit, Principal: "console", Officer: "ann",
				Reason: "person_compared", IssuedAt: at, ExpiresAt: at.Add(8 * time.Second)}
			if f != nil {
				f(&o)
			}
			payload, p, err := key.Sign(o, at)
			if err != nil {
				t.Fatal(err)
			}
			return o, payload, p
		}
		// send signs with the console's own key: the attacker has it.
		send := func(payload []byte, p *api.Proof) {
			s := c.signer.Sign("cmd", payload)
			c.publish(api.Topic(site, gate, "cmd/console/"+api.CmdOpenExit), false,
				must(json.Marshal(api.Signed{Kind: "cmd", Payload: payload, Signatures: []api.Signature{{Alg: s.Alg, Kid: s.Kid, Sig: s.Sig}}, Proof: p})))
		}
		genuine := func(what string) {
			t.Helper()
			o, payload, p := order(nil)
			send(payload, p)
			if i := x.next(); i.Command == nil || i.Command.ID != o.ID || i.Refused != "" || i.Again {
				t.Errorf("a genuine order after %s: %+v", what, i)
			}
		}
		genuine("nothing")
		_, sealed, proof := order(nil)
		send(sealed, proof)
		x.next()
		for _, a := range []struct {
			name string
			do   func()
			want string // reason of the refusal; "again": nothing happens a second time
		}{
			{"replay", func() { send(sealed, proof) }, "again"},
			{"invent: no officer", func() { _, p, _ := order(nil); send(p, nil) }, "order_signature"},
			{"invent: the proof of another order", func() { _, p, _ := order(nil); send(p, proof) }, "order_signature"},
			{"alter: another officer's name", func() { _, p, q := order(func(o *api.Command) { o.Officer = "bob" }); send(p, q) }, "officer_mismatch"},
			{"alter: the dossier", func() {
				o, _, q := order(nil)
				o.Dossier = make([]byte, 32)
				send(must(json.Marshal(o)), q)
			}, "order_signature"},
			{"delay: until it is late", func() {
				_, p, q := order(func(o *api.Command) {
					o.IssuedAt = o.IssuedAt.Add(-9 * time.Second)
					o.ExpiresAt = o.IssuedAt.Add(8 * time.Second)
				})
				send(p, q)
			}, "expired"},
			{"reroute: an order of an earlier connection", func() { _, p, q := order(func(o *api.Command) { o.Session = boot }); send(p, q) }, "again"},
			{"an own passkey", func() {
				m := must(passkey.New(officers.ES256, "desk.example", origin))
				k := must(m.Certify(site, []string{gate}, nil, now, time.Hour))
				o, _, _ := order(nil)
				p, q, _ := k.Sign(o, clock())
				send(p, q)
			}, "officer_unknown"},
			{"an own order key under a seen assertion", func() {
				m := must(passkey.New(officers.ES256, "desk.example", origin))
				k := must(m.Certify(site, []string{gate}, nil, now, time.Hour))
				o, _, _ := order(nil)
				p, q, _ := k.Sign(o, clock())
				q.Assertion = proof.Assertion
				send(p, q)
			}, "order_key_refused"},
			{"a key for another gate", func() {
				k := must(ann.Certify(site, []string{"gate-9"}, nil, now, time.Hour))
				o, _, _ := order(nil)
				p, q, _ := k.Sign(o, clock())
				send(p, q)
			}, "other_gate"},
			{"a key that has ended", func() {
				k := must(ann.Certify(site, []string{gate}, nil, now.Add(-2*time.Hour), time.Hour))
				o, _, _ := order(nil)
				p, q, _ := k.Sign(o, clock())
				send(p, q)
			}, "order_key_expired"},
			{"a door order without a touch", func() { _, p, q := order(nil); q.Fresh = nil; send(p, q) }, "fresh_needed"},
			{"the touch of another door order", func() { _, p, q := order(nil); q.Fresh = proof.Fresh; send(p, q) }, "fresh_needed"},
		} {
			a.do()
			i := x.next()
			if got := i.Refused; i.Command == nil || a.want == "again" != i.Again || !i.Again && got != a.want {
				t.Errorf("%s: %+v, must be %q", a.name, i, a.want)
			}
			genuine(a.name)
		}
		// Two persons: the gate holds the document that the first one signed, and takes the second signature over no other.
		func() {
			second := must(eve.Certify(site, []string{gate}, nil, now, time.Hour)) // bob's
			manual := func(o *api.Command) { o.Name = api.CmdManual }
			both := func(payload []byte, p, q *api.Proof) {
				s := c.signer.Sign("cmd", payload)
				c.publish(api.Topic(site, gate, "cmd/console/"+api.CmdManual), false,
					must(json.Marshal(api.Signed{Kind: "cmd", Payload: payload, Signatures: []api.Signature{{Alg: s.Alg, Kid: s.Kid, Sig: s.Sig}}, Proof: p, Second: q})))
			}
			sign := func(k *passkey.OrderKey, o api.Command) *api.Proof {
				_, p, err := k.Sign(o, clock())
				return must(p, err)
			}
			o, doc, p := order(manual)
			both(doc, p, sign(second, o))
			if i := x.next(); !i.Again || i.Pair != nil {
				t.Errorf("both at once, of an order that the gate was never given by the first: %+v", i)
			}
			o, doc, p = order(manual)
			both(doc, p, nil)
			if i := x.next(); i.Command == nil || i.Pair != nil || i.Refused != "" {
				t.Errorf("the first signature: %+v", i)
			}
			late := o
			late.Passage = "0123456789abcdef0123456789abcdef"
			for what, a := range map[string]struct {
				doc  []byte
				q    *api.Proof
				want string
			}{
				"the same officer":                   {doc, sign(key, o), "same_officer"},
				"the second of another document":     {doc, sign(second, late), "order_signature"},
				"another document under the same id": {must(json.Marshal(late)), sign(second, late), "other_document"},
			} {
				both(a.doc, p, a.q)
				if i := x.next(); i.Command == nil || i.Pair != nil || i.Refused != a.want {
					t.Errorf("%s: %+v, must be %q", what, i, a.want)
				}
			}
			both(doc, nil, sign(second, o)) // what the desk says of the first signature is nothing: the gate has it
			i := x.next()
			var signed api.Signed
			if i.Pair == nil || i.Pair.Officer != "bob" || i.Command.ID != o.ID || json.Unmarshal(i.Pair.Document, &signed) != nil {
				t.Fatalf("two persons: %+v", i)
			}
			if string(signed.Payload) != string(doc) || signed.Proof == nil || signed.Second == nil {
				t.Errorf("the document: %s", i.Pair.Document)
			}
			both(doc, p, sign(second, o))
			if i := x.next(); !i.Again || i.Pair != nil {
				t.Errorf("a second time: %+v", i)
			}
		}()
		refused := func(what string, do func()) {
			t.Helper()
			before := x.l.Refused()
			do()
			wait4(t, what, func() bool { return x.l.Refused() == before+1 })
			genuine(what)
		}
		lease := func(officer string) {
			c.publish(api.Topic(site, gate, "lease/console"), false, sign(t, c.signer, "lease", api.Lease{Gate: gate, Session: st.Session, Epoch: epoch, Principal: "console",
				Officer: officer, Seq: uint64(time.Now().UnixNano()), ExpiresAt: clock().UTC().Add(5 * time.Second), Keys: []api.RecipientKey{}}))
		}
		refused("a lease of nobody on the roster", func() { lease("mallory") })
		refused("an own roster", func() { give(roster(9, newSigner(t), map[string]*passkey.Authenticator{"ann": eve})) })
		refused("a roster signed by the console", func() { give(roster(9, c.signer, map[string]*passkey.Authenticator{"ann": eve})) })
		if keeper.Current().Version != 3 {
			t.Errorf("version %d is in force", keeper.Current().Version)
		}

		// The officer is removed: refused from this message on.
		last := roster(4, offline, map[string]*passkey.Authenticator{"ann": ann})
		give(last)
		if i := x.next(); i.Roster == nil || i.Roster.Version != 4 {
			t.Fatalf("%+v", i)
		}
		wait4(t, "the new roster", func() bool { return keeper.Current().Version == 4 })
		refused("a rollback", func() { give(roster(3, offline, map[string]*passkey.Authenticator{"ann": ann, "bob": eve})) })
		give(last) // repeated by the centre: no attack, no news
		refused("a lease of the removed one", func() { lease("bob") })
		k := must(eve.Certify(site, []string{gate}, nil, now, time.Hour))
		o, _, _ := order(func(o *api.Command) { o.Officer = "bob" })
		p, q, _ := k.Sign(o, clock())
		send(p, q)
		if i := x.next(); i.Refused != "officer_unknown" {
			t.Errorf("an order of the removed one: %+v", i)
		}
	})
}
