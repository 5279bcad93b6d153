package centre

import (
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
		l.c.sign(here, "cmd", api.TopicCommand+"/"+Principal+"/"+c.Name, 1, payload, p)
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

// session is the gate's present connection.
func (e *gateEnd) session() string {
	e.line.c.mu.Lock()
	defer e.line.c.mu.Unlock()
	return e.line.c.gates[e.name].view.Status.Session
}
