package officers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"egate/api"
	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
)

const rpID, origin = "localhost", "http://localhost:8090"

// rig is a site with two officers: ann (supervisor, ES256) and bob (officer at gate-1 only, EdDSA).
type rig struct {
	signer   *seal.Signer
	now      time.Time
	ann, bob *passkey.Authenticator
	doc      api.Roster
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{signer: must(seal.NewSigner(bytes.Repeat([]byte{7}, 32))), now: time.Now().UTC().Truncate(time.Second)}
	r.ann, r.bob = must(passkey.New(officers.ES256, rpID, origin)), must(passkey.New(officers.EdDSA, rpID, origin))
	day := 24 * time.Hour
	r.doc = api.Roster{Site: "north", Version: 3, IssuedAt: r.now, ExpiresAt: r.now.Add(30 * day), RPID: rpID, Origins: []string{origin}, TwoPersons: []string{api.CmdManual},
		Officers: []api.RosterOfficer{
			{Officer: "ann", Passkeys: []api.Passkey{must(r.ann.Public())}, Roles: []string{officers.RoleSupervisor}, Group: "early", Gates: []string{"gate-1", "gate-2"}, NotBefore: r.now.Add(-day), NotAfter: r.now.Add(day)},
			{Officer: "bob", Passkeys: []api.Passkey{must(r.bob.Public())}, Roles: []string{officers.RoleOfficer}, Gates: []string{"gate-1"}, NotBefore: r.now.Add(-day), NotAfter: r.now.Add(day)},
		}}
	return r
}

func (r *rig) open(t testing.TB, change func(*api.Roster)) *officers.Roster {
	t.Helper()
	d := r.doc
	d.Officers = slices.Clone(d.Officers)
	if change != nil {
		change(&d)
	}
	ro, err := officers.Open(must(officers.Sign(d, r.signer)), seal.Trust(r.signer.Public()), "north")
	if err != nil {
		t.Fatal(err)
	}
	return ro
}

func (r *rig) command(name, officer string) api.Command {
	return api.Command{ID: "a1", Gate: "gate-1", Session: "0123456789abcdef", Epoch: 3, Name: name, Principal: "console", Officer: officer, Reason: "person_compared",
		IssuedAt: r.now, ExpiresAt: r.now.Add(8 * time.Second)}
}

// TestX02OrderOfAnOfficer: an order is followed with the whole chain, roster to passkey to order key to exact bytes,
// and with no link of it missing, foreign, old or of another use (O-03, X-02). The console's keys make none of it.
func TestX02OrderOfAnOfficer(t *testing.T) {
	r := newRig(t)
	thief := must(passkey.New(officers.ES256, rpID, origin))
	both := []string{"gate-1", "gate-2"}
	type order struct {
		ro      *officers.Roster
		gate    string
		c       api.Command
		payload []byte
		p       *api.Proof
		at      time.Time
	}
	good := func(a *passkey.Authenticator, c api.Command) *order {
		k := must(a.Certify("north", both, []byte("n"), r.now, time.Hour))
		payload, p, err := k.Sign(c, r.now)
		if err != nil {
			t.Fatal(err)
		}
		return &order{r.open(t, nil), "gate-1", c, payload, p, r.now}
	}
	annOpens := func() *order { return good(r.ann, r.command(api.CmdOpenExit, "ann")) }
	bobTakes := func() *order { return good(r.bob, r.command(api.CmdTake, "bob")) }
	for name, c := range map[string]struct {
		make func() *order
		want error
	}{
		"ann opens the exit":           {annOpens, nil},
		"bob takes a referral":         {bobTakes, nil},
		"an hour later, to the second": {func() *order { o := bobTakes(); o.at = r.now.Add(time.Hour - time.Second); return o }, nil},
		"no proof":                     {func() *order { o := bobTakes(); o.p = nil; return o }, officers.BadSignature},
		"another's name":               {func() *order { return good(r.bob, r.command(api.CmdTake, "ann")) }, officers.Mismatch},
		"an officer not on the roster": {func() *order { return good(thief, r.command(api.CmdTake, "ann")) }, officers.Unknown},
		"a stolen credential id": {func() *order {
			claims := *thief
			claims.Credential = r.ann.Credential
			return good(&claims, r.command(api.CmdTake, "ann"))
		}, officers.KeyRefused},
		"one byte of the order": {func() *order {
			o := bobTakes()
			o.payload = bytes.Replace(o.payload, []byte("a1"), []byte("a2"), 1)
			return o
		}, officers.BadSignature},
		"signature of another order key": {func() *order {
			o := bobTakes()
			o.p.Signature = good(r.bob, o.c).p.Signature
			return o
		}, officers.BadSignature},
		"signature cut":      {func() *order { o := bobTakes(); o.p.Signature = o.p.Signature[:63]; return o }, officers.BadSignature},
		"signature of zeros": {func() *order { o := bobTakes(); o.p.Signature = make([]byte, 64); return o }, officers.BadSignature},
		"key certified for an hour and a bit": {func() *order {
			k := must(r.bob.Certify("north", both, nil, r.now, time.Hour+time.Second))
			o := bobTakes()
			o.payload, o.p, _ = k.Sign(o.c, r.now)
			return o
		}, officers.KeyRefused},
		"key certified for later": {func() *order {
			k := must(r.bob.Certify("north", both, nil, r.now.Add(time.Minute), time.Hour))
			o := bobTakes()
			o.payload, o.p, _ = k.Sign(o.c, r.now)
			return o
		}, officers.KeyRefused},
		"key of another site": {func() *order {
			k := must(r.bob.Certify("south", both, nil, r.now, time.Hour))
			o := bobTakes()
			o.payload, o.p, _ = k.Sign(o.c, r.now)
			return o
		}, officers.KeyRefused},
		"key for another gate": {func() *order {
			k := must(r.bob.Certify("north", []string{"gate-2"}, nil, r.now, time.Hour))
			o := bobTakes()
			o.payload, o.p, _ = k.Sign(o.c, r.now)
			return o
		}, officers.OtherGate},
		"order to another gate":    {func() *order { o := annOpens(); o.gate = "gate-2"; return o }, officers.OtherGate},
		"officer not at this gate": {func() *order { o := bobTakes(); o.gate = "gate-2"; o.c.Gate = "gate-2"; return o }, officers.OtherGate},
		"certificate altered": {func() *order {
			o := bobTakes()
			o.p.OrderKey = bytes.Replace(o.p.OrderKey, []byte("gate-2"), []byte("gate-3"), 1)
			return o
		}, officers.KeyRefused},
		"certificate expired":          {func() *order { o := bobTakes(); o.at = r.now.Add(time.Hour); return o }, officers.KeyExpired},
		"clock before the certificate": {func() *order { o := bobTakes(); o.at = r.now.Add(-time.Minute); return o }, officers.Expired},
		"roster expired": {func() *order {
			o := bobTakes()
			o.ro = r.open(t, func(d *api.Roster) { d.ExpiresAt = r.now.Add(time.Minute) })
			o.at = r.now.Add(time.Minute)
			return o
		}, officers.Expired},
		"officer's time over": {func() *order {
			o := bobTakes()
			o.ro = r.open(t, func(d *api.Roster) { d.Officers[1].NotAfter = r.now })
			return o
		}, officers.Unknown},
		"officer's time not yet come": {func() *order {
			o := bobTakes()
			o.ro = r.open(t, func(d *api.Roster) { d.Officers[1].NotBefore = r.now.Add(time.Hour) })
			return o
		}, officers.Unknown},
		"officer removed": {func() *order {
			o := bobTakes()
			o.ro = r.open(t, func(d *api.Roster) { d.Officers = d.Officers[:1] })
			return o
		}, officers.Unknown},
		"passkey replaced": {func() *order {
			o := bobTakes()
			o.ro = r.open(t, func(d *api.Roster) {
				d.Officers[1].Passkeys = []api.Passkey{must(thief.Public())}
				d.Officers = d.Officers[1:]
			})
			return o
		}, officers.Unknown},
		"a role too few":                    {func() *order { return good(r.bob, r.command(api.CmdOpenExit, "bob")) }, officers.RoleMissing},
		"a technician's order":              {func() *order { return good(r.ann, r.command(api.CmdService, "ann")) }, officers.RoleMissing},
		"an order that does not exist":      {func() *order { return good(r.ann, r.command("door_explode", "ann")) }, officers.RoleMissing},
		"door order without a touch":        {func() *order { o := annOpens(); o.p.Fresh = nil; return o }, officers.FreshNeeded},
		"touch a minute ago":                {func() *order { o := annOpens(); o.at = r.now.Add(time.Minute + time.Second); return o }, officers.FreshNeeded},
		"touch in the future":               {func() *order { o := annOpens(); o.p.Fresh.At = r.now.Add(time.Minute); return o }, officers.FreshNeeded},
		"touch of another order":            {func() *order { o := annOpens(); c := o.c; c.ID = "a2"; o.p.Fresh = good(r.ann, c).p.Fresh; return o }, officers.FreshNeeded},
		"touch of another officer":          {func() *order { o := annOpens(); o.p.Fresh = good(r.bob, o.c).p.Fresh; return o }, officers.FreshNeeded},
		"the sign-in in place of the touch": {func() *order { o := annOpens(); o.p.Fresh.Assertion = o.p.Assertion; return o }, officers.FreshNeeded},
	} {
		t.Run(name, func(t *testing.T) {
			o := c.make()
			err := o.ro.Verify(o.gate, o.payload, o.c, o.p, o.at)
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, must be %v", err, c.want)
			}
		})
	}
}

// TestX02Assertions: of an assertion everything counts: type, challenge, origin, relying party, presence and
// verification of the user, and the signature over all of them (WebAuthn §7.2).
func TestX02Assertions(t *testing.T) {
	r := newRig(t)
	for _, a := range []*passkey.Authenticator{r.ann, r.bob} {
		ro, h := r.open(t, nil), officers.KeyChallenge([]byte("text"))
		as := must(a.Assert(h[:]))
		if _, err := ro.Assert(as, h); err != nil {
			t.Fatal(err)
		}
		other := h
		other[31] ^= 1
		if _, err := ro.Assert(as, other); err == nil {
			t.Error("another challenge")
		}
		for what, change := range map[string]func(*passkey.Authenticator){
			"origin":   func(a *passkey.Authenticator) { a.Origin = "http://localhost:9999" },
			"rp id":    func(a *passkey.Authenticator) { a.RPID = "evil.example" },
			"present":  func(a *passkey.Authenticator) { a.Flags = 0x04 },
			"verified": func(a *passkey.Authenticator) { a.Flags = 0x01 },
		} {
			b := *a
			change(&b)
			if _, err := ro.Assert(must(b.Assert(h[:])), h); !errors.Is(err, officers.KeyRefused) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for what, change := range map[string]func(*api.Assertion){
			"created, not got": func(a *api.Assertion) {
				a.ClientData = bytes.Replace(a.ClientData, []byte("webauthn.get"), []byte("webauthn.create"), 1)
			},
			"framed":          func(a *api.Assertion) { a.ClientData = bytes.Replace(a.ClientData, []byte("false"), []byte("true"), 1) },
			"no client data":  func(a *api.Assertion) { a.ClientData = nil },
			"no auth data":    func(a *api.Assertion) { a.AuthData = nil },
			"short auth data": func(a *api.Assertion) { a.AuthData = a.AuthData[:36] },
			"counter":         func(a *api.Assertion) { a.AuthData = bytes.Clone(a.AuthData); a.AuthData[36]++ },
			"no signature":    func(a *api.Assertion) { a.Signature = nil },
			"long":            func(a *api.Assertion) { a.Signature = make([]byte, 1<<20) },
			"space":           func(a *api.Assertion) { a.ClientData = append(bytes.Clone(a.ClientData), ' ') },
		} {
			b := as
			change(&b)
			if _, err := ro.Assert(b, h); !errors.Is(err, officers.KeyRefused) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// TestX02Rosters: a roster counts with the signature of the offline key, of this site, well formed, and newer than
// the one before; a gate in service takes none of the simulation.
func TestX02Rosters(t *testing.T) {
	r := newRig(t)
	raw := must(officers.Sign(r.doc, r.signer))
	thief := must(seal.NewSigner(bytes.Repeat([]byte{9}, 32)))
	trust := seal.Trust(r.signer.Public())
	for what, b := range map[string][]byte{
		"another key": must(officers.Sign(r.doc, thief)), "altered": bytes.Replace(raw, []byte(`"payload":"ey`), []byte(`"payload":"ez`), 1),
		"no document": []byte("{}"), "more behind": append(bytes.Clone(raw), "{}"...), "too long": append(bytes.Clone(raw), make([]byte, officers.MaxRoster)...),
		"the text alone": must(json.Marshal(r.doc)),
		"another kind":   bytes.Replace(raw, []byte(`"kind":"roster"`), []byte(`"kind":"cfg"`), 1),
	} {
		if _, err := officers.Open(b, trust, "north"); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if _, err := officers.Open(raw, trust, "south"); err == nil {
		t.Error("a roster of another site")
	}
	for what, change := range map[string]func(*api.Roster){
		"no version":        func(d *api.Roster) { d.Version = 0 },
		"for ever":          func(d *api.Roster) { d.ExpiresAt = d.IssuedAt.Add(401 * 24 * time.Hour) },
		"no origin":         func(d *api.Roster) { d.Origins = nil },
		"origin elsewhere":  func(d *api.Roster) { d.Origins = []string{"https://evil.example"} },
		"origin in clear":   func(d *api.Roster) { d.RPID, d.Origins = "desk.example", []string{"http://desk.example"} },
		"origin with path":  func(d *api.Roster) { d.Origins = []string{origin + "/x"} },
		"suffix, no domain": func(d *api.Roster) { d.RPID, d.Origins = "sk.example", []string{"https://desk.example"} },
		"same passkey":      func(d *api.Roster) { d.Officers[1].Passkeys = d.Officers[0].Passkeys },
		"same officer":      func(d *api.Roster) { d.Officers[1].Officer = "ann" },
		"no passkey":        func(d *api.Roster) { d.Officers[1].Passkeys = nil },
		"algorithm lies": func(d *api.Roster) {
			d.Officers[1].Passkeys = []api.Passkey{{Credential: []byte("x"), Alg: officers.ES256, Key: d.Officers[1].Passkeys[0].Key}}
		},
		"no role":         func(d *api.Roster) { d.Officers[1].Roles = nil },
		"unknown role":    func(d *api.Roster) { d.Officers[1].Roles = []string{"king"} },
		"no gate":         func(d *api.Roster) { d.Officers[1].Gates = nil },
		"no group":        func(d *api.Roster) { d.Officers[1].Group = "Early Birds" },
		"every gate":      func(d *api.Roster) { d.Officers[1].Gates = []string{"*"} },
		"backwards":       func(d *api.Roster) { d.Officers[1].NotAfter = d.Officers[1].NotBefore },
		"demo in service": func(d *api.Roster) { d.Officers[1].Demo = true },
		"two for nothing": func(d *api.Roster) { d.TwoPersons = []string{"dance"} },
	} {
		d := r.doc
		d.Officers = slices.Clone(d.Officers)
		change(&d)
		if _, err := officers.Sign(d, r.signer); err == nil || !strings.HasPrefix(err.Error(), "officers: ") {
			t.Errorf("%s: %v", what, err)
		}
	}

	k := officers.NewKeeper("north", "gate-1", false, trust, func() time.Time { return r.now })
	c := r.command(api.CmdTake, "bob")
	payload, p, err := must(r.bob.Certify("north", []string{"gate-1"}, nil, r.now, time.Hour)).Sign(c, r.now)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Verify(payload, c, p); !errors.Is(err, officers.NoRoster) || k.OnDuty("bob") {
		t.Errorf("without a roster: %v", err)
	}
	if _, err := k.Offer(raw); err != nil || k.Verify(payload, c, p) != nil || !k.OnDuty("bob") || k.OnDuty("carl") || !k.TwoPersons(api.CmdManual) || k.TwoPersons(api.CmdTake) {
		t.Errorf("%v %v", err, k.Verify(payload, c, p))
	}
	if got := []string{k.Group("ann"), k.Group("bob"), k.Group("carl")}; !slices.Equal(got, []string{"early", officers.RoleOfficer, ""}) {
		t.Errorf("groups (O-07): %q", got)
	}
	if _, err := k.Offer(raw); !errors.Is(err, officers.ErrOlder) {
		t.Errorf("the same again: %v", err)
	}
	next := r.doc
	next.Version, next.Officers = 4, next.Officers[:1]
	if _, err := k.Offer(must(officers.Sign(next, r.signer))); err != nil {
		t.Fatal(err)
	}
	if err := k.Verify(payload, c, p); !errors.Is(err, officers.Unknown) || k.OnDuty("bob") {
		t.Errorf("a removed officer: %v", err)
	}
	if _, err := k.Offer(raw); !errors.Is(err, officers.ErrOlder) {
		t.Errorf("an older roster: %v", err)
	}
	if err := k.Verify(payload, c, p); !errors.Is(err, officers.Unknown) {
		t.Errorf("after a rollback: %v", err)
	}
	sim := next
	sim.Version, sim.Simulated = 5, true
	if _, err := k.Offer(must(officers.Sign(sim, r.signer))); err == nil {
		t.Error("a roster of the simulation in service")
	}
}

// TestF06TwoSignatures: two officers who sign the same bytes, each with a passkey and an order key of his own, are two persons; the same
// officer again, the same order key, another document, another gate, another role, a stranger and nobody are not.
func TestF06TwoSignatures(t *testing.T) {
	r := newRig(t)
	cat := must(passkey.New(officers.ES256, rpID, origin))
	spare := must(passkey.New(officers.ES256, rpID, origin))
	ro := r.open(t, func(d *api.Roster) {
		d.Officers[0].Passkeys = append(d.Officers[0].Passkeys, must(spare.Public())) // ann has two passkeys
		d.Officers = append(d.Officers, api.RosterOfficer{Officer: "cat", Passkeys: []api.Passkey{must(cat.Public())}, Roles: []string{officers.RoleSupervisor}, Gates: []string{"gate-1"},
			NotBefore: r.now.Add(-time.Hour), NotAfter: r.now.Add(time.Hour)})
	})
	certify := func(a *passkey.Authenticator) *passkey.OrderKey {
		return must(a.Certify("north", []string{"gate-1"}, nil, r.now, time.Hour))
	}
	ann, other, bob, cats := certify(r.ann), certify(spare), certify(r.bob), certify(cat)
	c := r.command(api.CmdOpenExit, "ann")
	payload, first, err := ann.Sign(c, r.now)
	if err != nil || ro.Verify("gate-1", payload, c, first, r.now) != nil {
		t.Fatal(err)
	}
	over := func(k *passkey.OrderKey, c api.Command) *api.Proof {
		_, p, err := k.Sign(c, r.now)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if who, err := ro.VerifySecond("gate-1", payload, c, first, over(cats, c), r.now.Add(40*time.Second)); err != nil || who != "cat" {
		t.Fatalf("two persons: %q %v", who, err)
	}
	changed := c
	changed.Passage = "another"
	stolen := *over(cats, c) // the second officer's certificate over the first one's order key cannot be made: his own certificate is all there is
	stolen.OrderKey, stolen.Signature = first.OrderKey, first.Signature
	noTouch := *over(cats, c)
	noTouch.Fresh = nil
	for what, x := range map[string]struct {
		first, second *api.Proof
		want          officers.Refusal
	}{
		"the same signature twice":        {first, first, officers.SameOfficer},
		"the same officer again":          {first, over(ann, c), officers.SameOfficer},
		"with his other passkey":          {first, over(other, c), officers.SameOfficer},
		"of another document":             {first, over(cats, changed), officers.BadSignature},
		"under the first one's order key": {first, &stolen, officers.KeyRefused},
		"of an officer without the role":  {first, over(bob, c), officers.RoleMissing},
		"of a stranger":                   {first, over(certify(must(passkey.New(officers.ES256, rpID, origin))), c), officers.Unknown},
		"without a touch":                 {first, &noTouch, officers.FreshNeeded},
		"none":                            {first, nil, officers.BadSignature},
		"without the first":               {nil, over(cats, c), officers.BadSignature},
	} {
		if who, err := ro.VerifySecond("gate-1", payload, c, x.first, x.second, r.now); who != "" || !errors.Is(err, x.want) {
			t.Errorf("%s: %q %v, must be %v", what, who, err, x.want)
		}
	}
	if who, err := ro.VerifySecond("gate-2", payload, c, first, over(cats, c), r.now); who != "" || !errors.Is(err, officers.OtherGate) {
		t.Errorf("at another gate: %q %v", who, err)
	}
}

// TestO02Receiver: a gate is handed over to an officer of its roster who has a desk's orders, and to nobody else.
func TestO02Receiver(t *testing.T) {
	r := newRig(t)
	tom := must(passkey.New(officers.EdDSA, rpID, origin))
	ro := r.open(t, func(d *api.Roster) {
		day := 24 * time.Hour
		d.Officers = append(d.Officers, api.RosterOfficer{Officer: "tom", Passkeys: []api.Passkey{must(tom.Public())}, Roles: []string{officers.RoleTechnician}, Gates: []string{"gate-1", "gate-2"},
			NotBefore: r.now.Add(-day), NotAfter: r.now.Add(day)})
	})
	k := must(r.ann.Certify("north", []string{"gate-1", "gate-2"}, nil, r.now, time.Hour))
	for _, x := range []struct {
		gate, to string
		want     error
	}{{"gate-1", "bob", nil}, {"gate-2", "bob", officers.Receiver}, {"gate-1", "tom", officers.Receiver}, {"gate-1", "carl", officers.Receiver}, {"gate-1", "", officers.Receiver}} {
		c := r.command(api.CmdHandOver, "ann")
		c.Gate, c.To = x.gate, x.to
		payload, p, err := k.Sign(c, r.now)
		if err != nil {
			t.Fatal(err)
		}
		if err := ro.Verify(x.gate, payload, c, p, r.now); !errors.Is(err, x.want) {
			t.Errorf("%s to %q: %v", x.gate, x.to, err)
		}
	}
	d := r.doc
	d.TwoPersons = []string{api.CmdHandOver}
	if err := officers.Check(d); err == nil {
		t.Error("a roster that asks two persons for a hand-over")
	}
}

// TestO03Roles: every order of the contract belongs to some role, and a technician decides about no traveller.
func TestO03Roles(t *testing.T) {
	for _, name := range []string{api.CmdTake, api.CmdReturn, api.CmdAccept, api.CmdSendBack, api.CmdHold, api.CmdOpenGate, api.CmdCloseGate, api.CmdReset,
		api.CmdOpenEntry, api.CmdOpenExit, api.CmdRelease, api.CmdEndEmergency, api.CmdSelfTest, api.CmdStandby, api.CmdService, api.CmdManual, api.CmdHoldEntry, api.CmdLetGo, api.CmdHandOver, api.CmdSafeguard, api.CmdSpecimen, api.CmdOutOfService} {
		if !officers.May(officers.Roles(), name) {
			t.Errorf("%s belongs to no role", name)
		}
		if strings.HasPrefix(name, "referral_") && officers.May([]string{officers.RoleTechnician}, name) || strings.HasPrefix(name, "door_open") && officers.May([]string{officers.RoleTechnician}, name) {
			t.Errorf("a technician gives %s", name)
		}
	}
	if officers.May([]string{officers.RoleOfficer}, api.CmdOpenExit) || officers.May(nil, api.CmdTake) {
		t.Error("roles mean nothing")
	}
}

func FuzzRoster(f *testing.F) {
	r := newRig(f)
	raw := must(officers.Sign(r.doc, r.signer))
	f.Add(raw)
	f.Add([]byte("{}"))
	keys := seal.Trust(r.signer.Public())
	f.Fuzz(func(t *testing.T, b []byte) {
		ro, err := officers.Open(b, keys, "north")
		if err == nil && officers.Check(ro.Roster) != nil {
			t.Error("a roster that is none was opened")
		}
	})
}

func FuzzProof(f *testing.F) {
	r := newRig(f)
	ro := r.open(f, nil)
	c := r.command(api.CmdOpenExit, "ann")
	payload, p, err := must(r.ann.Certify("north", []string{"gate-1"}, nil, r.now, time.Hour)).Sign(c, r.now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.OrderKey, p.Assertion.AuthData, p.Assertion.ClientData, p.Assertion.Signature, p.Signature)
	f.Fuzz(func(t *testing.T, key, auth, client, sig, own []byte) {
		q := *p
		q.OrderKey, q.Signature = key, own
		q.Assertion = api.Assertion{Credential: p.Assertion.Credential, AuthData: auth, ClientData: client, Signature: sig}
		if ro.Verify("gate-1", payload, c, &q, r.now) == nil && (!bytes.Equal(key, p.OrderKey) || !bytes.Equal(auth, p.Assertion.AuthData) || !bytes.Equal(client, p.Assertion.ClientData)) {
			t.Error("a forged proof was believed")
		}
	})
}
