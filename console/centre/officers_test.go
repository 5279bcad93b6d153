package centre

import (
	"context"
	"testing"
	"time"

	"egate/api"
	"egate/console"
	"egate/officers"
	"egate/sim/passkey"
)

// TestX02SignIn: an officer signs in with a passkey of the roster over a challenge of this centre, once. What was seen
// signs nobody in, and neither does another passkey, an old challenge or none.
func TestX02SignIn(t *testing.T) {
	l := newLine(t, true)
	sign := func(a *passkey.Authenticator, nonce []byte) error {
		k := must(a.Certify(site, []string{here, there}, nonce, time.Now(), time.Hour))
		o, err := l.c.SignIn(t.Context(), console.SignIn{OrderKey: k.Text, Assertion: k.Assertion})
		if err == nil && (o.Pseudonym != pseud || o.Demo || !l.c.Active(o.Session)) {
			t.Errorf("signed in as %+v", o)
		}
		return err
	}
	nonce := func() []byte { return must(l.c.Challenge()).Nonce }
	used := nonce()
	if err := sign(l.auth, used); err != nil {
		t.Fatal(err)
	}
	stranger := must(passkey.New(officers.ES256, host, "https://"+host))
	claims := *stranger
	claims.Credential = l.auth.Credential
	elsewhere := *l.auth
	elsewhere.Origin = "https://desk.example.evil"
	for what, err := range map[string]error{"a used challenge": sign(l.auth, used), "an invented challenge": sign(l.auth, make([]byte, 32)), "no challenge": sign(l.auth, nil),
		"a stranger": sign(stranger, nonce()), "a stranger with a known credential id": sign(&claims, nonce()), "at another page": sign(&elsewhere, nonce())} {
		if err == nil {
			t.Errorf("%s signs in", what)
		}
	}
	for range maxNonces {
		_, _ = l.c.Challenge()
	}
	if _, err := l.c.Challenge(); err == nil {
		t.Error("challenges without an end")
	}
}

// TestX02RemovedOfficer: a new roster reaches desk and gates: the officer who is gone is signed out, has no lease and is
// refused; an older roster in the file changes nothing (X-02: within a minute).
func TestX02RemovedOfficer(t *testing.T) {
	each(t, func(t *testing.T, embedded bool) {
		l := newLine(t, embedded)
		g := l.gate(here)
		o := l.signIn()
		if _, r := g.order(o, api.CmdCloseGate, "", nil, "", nil); r.Result != "done" {
			t.Fatalf("%+v", r)
		}
		l.listed(2, "officer-8")
		g.version(2)
		for end := time.Now().Add(patience); l.c.Active(o.Session); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the officer is signed in still")
			}
		}
		if _, err := l.order(t.Context(), o, here, api.CmdOpenGate, "", nil, ""); err == nil {
			t.Error("the desk carries an order of who is signed out")
		}
		// Whoever owns the desk carries it all the same: the gate refuses.
		c := passkey.Order(here, api.Status{Session: g.session(), Epoch: g.j.Epoch()}, pseud, api.CmdOpenGate, "", nil, "", time.Now())
		payload, p, err := l.key.Sign(c, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		l.c.sign(here, "cmd", api.TopicCommand+"/"+Principal+"/"+c.Name, 1, payload, p, nil)
		if i := g.next(); i.Command == nil || i.Refused != "officer_unknown" {
			t.Errorf("%+v", i)
		}
		l.listed(1, pseud)
		if err := l.c.roster.Read(l.roster); err != nil {
			t.Errorf("an older roster is no mistake: %v", err)
		}
		if l.c.roster.Current().Version != 2 || g.who.Current().Version != 2 {
			t.Error("an older roster is back")
		}
	})
}

// TestF06SecondOfficer: what waits for a second officer is shown with the very bytes that the first one signed; the second one's signature over
// them reaches the gate with the first one's, and no other way: not of the first again, not over other bytes, not of what does not wait.
func TestF06SecondOfficer(t *testing.T) {
	each(t, func(t *testing.T, embedded bool) {
		l := newLine(t, embedded)
		ben := must(passkey.New(officers.EdDSA, host, "https://"+host))
		l.two, l.others = []string{api.CmdManual}, map[string]*passkey.Authenticator{"officer-8": ben}
		g := l.gate(here)
		l.listed(2, pseud, "officer-8")
		g.version(2)
		first := l.signIn()
		second, key, err := ben.SignIn(t.Context(), l.c)
		if err != nil {
			t.Fatal(err)
		}
		asked, _ := g.order(first, api.CmdManual, "", nil, "", func(c api.Command) {
			g.commit(map[string]any{api.EventOrder: api.OrderEvent{ID: c.ID, Principal: Principal, Officer: c.Officer, Name: c.Name, Result: "rejected", Reason: "second_officer"}})
		})
		var view console.SecondView
		l.until("the order that waits", func(all map[string]console.GateView) bool {
			v := all[here].Second
			if v != nil {
				view = *v
			}
			return v != nil
		})
		payload, proof, err := key.Sign(asked, time.Now())
		if err != nil || view.ID != asked.ID || view.Officer != pseud || string(view.Payload) != string(payload) {
			t.Fatalf("%v: %+v", err, view)
		}
		_, again, err := l.key.Sign(asked, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		other := asked
		other.ID = "another"
		for what, x := range map[string]func() (api.Response, error){
			"the first again": func() (api.Response, error) {
				return l.c.Order(t.Context(), first.Session, asked, console.Order{Payload: payload, Proof: *again, Second: true})
			},
			"other bytes": func() (api.Response, error) {
				return l.c.Order(t.Context(), second.Session, asked, console.Order{Payload: append([]byte(" "), payload...), Proof: *proof, Second: true})
			},
			"what does not wait": func() (api.Response, error) {
				return l.c.Order(t.Context(), second.Session, other, console.Order{Payload: payload, Proof: *proof, Second: true})
			},
			"without saying that it is a second signature": func() (api.Response, error) {
				return l.c.Order(t.Context(), second.Session, asked, console.Order{Payload: payload, Proof: *proof})
			},
		} {
			if _, err := x(); err == nil {
				t.Errorf("%s: sent", what)
			}
		}
		done := make(chan error, 1)
		go func() {
			_, err := l.c.Order(context.Background(), second.Session, asked, console.Order{Payload: payload, Proof: *proof, Second: true})
			done <- err
		}()
		if i := g.next(); i.Pair == nil || i.Pair.Officer != "officer-8" || i.Command.ID != asked.ID || i.Refused != "" {
			t.Errorf("%+v", i)
		}
		g.l.Respond(Principal, api.Response{ID: asked.ID, Result: "accepted", At: time.Now().UTC()})
		if err := <-done; err != nil {
			t.Error(err)
		}
		g.commit(map[string]any{api.EventOrder: api.OrderEvent{ID: asked.ID, Principal: Principal, Officer: pseud, Second: "officer-8", Name: asked.Name, Result: "accepted"}})
		l.until("nothing waits", func(all map[string]console.GateView) bool { return all[here].Second == nil })
	})
}

// session is the gate's present connection.
func (e *gateEnd) session() string {
	e.line.c.mu.Lock()
	defer e.line.c.mu.Unlock()
	return e.line.c.gates[e.name].view.Status.Session
}

// TestO02HandedOver: an officer who has handed a gate over has no lease there and no key for its dossiers, whatever
// became of the answer to his order: the gate's event says it. His next sign-in is one of its own.
func TestO02HandedOver(t *testing.T) {
	l := newLine(t, true)
	g := l.gate(here)
	o := l.signIn()
	lease := func(after time.Time) api.Lease { // the first of a sign-in after that time
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			g.mu.Lock()
			got := g.lease
			g.mu.Unlock()
			if got.Officer == pseud && got.SignedIn.After(after) {
				return got
			}
			if time.Now().After(end) {
				t.Fatalf("the newest lease is of %q, signed in %v, not after %v", got.Officer, got.SignedIn, after)
			}
			l.c.leaseNow(here)
		}
	}
	first := lease(time.Time{})
	g.commit(map[string]any{api.EventOrder: api.OrderEvent{ID: "1", Principal: Principal, Officer: "another", Name: api.CmdHandOver, To: pseud, Result: "accepted"}})
	g.commit(map[string]any{api.EventOrder: api.OrderEvent{ID: "2", Principal: Principal, Officer: pseud, Name: api.CmdHandOver, To: "another", Result: "rejected", Reason: "receiver_absent"}})
	held := func() bool {
		l.c.mu.Lock()
		defer l.c.mu.Unlock()
		return !l.c.sessions[o.Session].handed[here] && l.c.watched(here)
	}
	if !held() {
		t.Fatal("another's hand-over, or one that was refused, takes the gate from him")
	}
	g.commit(map[string]any{api.EventOrder: api.OrderEvent{ID: "3", Principal: Principal, Officer: pseud, Name: api.CmdHandOver, To: "another", Result: "accepted"}})
	if held() {
		t.Fatal("he has the gate still")
	}
	l.signIn()
	if again := lease(first.SignedIn); len(again.Keys) != 1 {
		t.Errorf("%d keys, one of them of who handed over", len(again.Keys))
	}
}
