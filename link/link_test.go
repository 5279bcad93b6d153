package link

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/api/contract"
	"egate/internal/failover"
	"egate/journal"
	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
	"egate/test/brokers"
	"egate/verdict"
)

const (
	site = "site"
	gate = "gate-1"
	boot = "0123456789abcdef"
	pid  = "00112233445566778899aabbccddeeff"
	// patience bounds what a test waits for on a busy machine; nothing is measured with it.
	patience = 60 * time.Second
)

var began = time.Now()

// clock is the wall clock of gates and officers here. It stands: what has ten seconds to live does not end because the
// machine is busy.
func clock() time.Time { return began }

type restartable interface {
	URL() string
	Kill()
	Start()
}

// each runs a test against the embedded broker and against Mosquitto.
func each(t *testing.T, f func(t *testing.T, b restartable, addr string)) {
	t.Run("mochi", func(t *testing.T) {
		b := brokers.Mochi(t)
		f(t, b, b.Addr)
	})
	t.Run("mosquitto", func(t *testing.T) {
		b := brokers.Mosquitto(t, brokers.Plain)
		f(t, b, b.Addr)
	})
}

func newSigner(t testing.TB) *seal.Signer {
	t.Helper()
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	s, err := seal.NewSigner(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, s *seal.Signer, kind string, v any) []byte {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	x := s.Sign(kind, body)
	b, err := json.Marshal(api.Signed{Kind: kind, Payload: body, Signatures: []api.Signature{{Alg: x.Alg, Kid: x.Kid, Sig: x.Sig}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// centre is the far end: it keeps events in order, drops repetitions, acknowledges, and checks every
// message that it sees against the contract (E-01).
type centre struct {
	t      testing.TB
	url    string
	signer *seal.Signer
	// ack decides what is acknowledged of what is stored; nil: everything.
	ack func(epoch, upto uint64) (uint64, uint64, bool)
	// miss is how many statuses of a new session do not reach it.
	miss int

	mu       sync.Mutex
	c        mqtt.Client
	events   []api.Event
	repeats  int
	early    int
	status   api.Status
	statuses []api.Status
	seen     []mqtt.Message
	broken   []string
	change   chan struct{}
}

func newCentre(t testing.TB, url string) *centre {
	return &centre{t: t, url: url, signer: newSigner(t), change: make(chan struct{})}
}

// run stays connected until ctx ends.
func (c *centre) run(ctx context.Context) {
	urls := strings.Split(c.url, " ")
	for n := 0; ctx.Err() == nil; n++ {
		lost := make(chan struct{})
		o := mqtt.NewClientOptions().AddBroker(urls[n%len(urls)]).SetClientID("centre").SetAutoReconnect(false).SetConnectRetry(false).SetCleanSession(true).SetOrderMatters(true).
			SetProtocolVersion(4).SetConnectTimeout(patience).SetKeepAlive(patience).SetPingTimeout(patience).SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) })
		m := mqtt.NewClient(o)
		t := m.Connect()
		if t.WaitTimeout(patience) && t.Error() == nil {
			c.mu.Lock()
			c.c = m
			c.mu.Unlock()
			if s := m.Subscribe("egate/#", 1, c.receive); s.WaitTimeout(patience) && s.Error() == nil {
				select {
				case <-lost:
				case <-ctx.Done():
				}
			}
		}
		m.Disconnect(0)
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (c *centre) receive(m mqtt.Client, msg mqtt.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		close(c.change)
		c.change = make(chan struct{})
	}()
	c.seen = append(c.seen, msg)
	if err := contract.Validate(msg.Topic(), msg.Payload()); err != nil {
		c.broken = append(c.broken, err.Error())
	}
	rest := strings.TrimPrefix(msg.Topic(), api.Topic(site, gate, ""))
	switch {
	case rest == api.TopicStatus:
		var s api.Status
		if json.Unmarshal(msg.Payload(), &s) == nil {
			if c.miss > 0 && s.State != "offline" && s.Session != c.status.Session {
				c.miss--
				return // as if the broker had lost it
			}
			c.statuses = append(c.statuses, s)
			if s.State == "offline" && c.status.State != "" && c.status.State != "offline" && s.Session != c.status.Session {
				return // the contract: offline speaks of its own session only
			}
			c.status = s
			if s.State != "offline" && len(c.events) > 0 {
				c.acknowledge(m)
			}
		}
	case strings.HasPrefix(rest, "evt/"):
		var e api.Event
		if json.Unmarshal(msg.Payload(), &e) != nil {
			return
		}
		if n := len(c.events); n > 0 {
			last := c.events[n-1]
			switch {
			case e.Epoch < last.Epoch, e.Epoch == last.Epoch && e.Seq <= last.Seq:
				c.repeats++
				c.acknowledge(m)
				return
			case e.Epoch == last.Epoch && e.Seq != last.Seq+1, e.Epoch > last.Epoch && e.Seq != 1:
				c.early++
				return
			}
		} else if e.Seq != 1 {
			c.early++ // the first ones were published while nobody listened
			return
		}
		c.events = append(c.events, e)
		c.acknowledge(m)
	}
}

// acknowledge says how far the centre is; mu is held. The client is the one that is used in its handler, so
// the token is not waited for.
func (c *centre) acknowledge(m mqtt.Client) {
	if len(c.events) == 0 || c.status.Session == "" {
		return
	}
	last := c.events[len(c.events)-1]
	epoch, upto, ok := last.Epoch, last.Seq, true
	if c.ack != nil {
		epoch, upto, ok = c.ack(epoch, upto)
	}
	if ok {
		m.Publish(api.Topic(site, gate, api.TopicAck), 1, false, sign(c.t, c.signer, "ack", api.Ack{Gate: gate, Epoch: epoch, Upto: upto, Session: c.status.Session}))
	}
}

// until waits for a condition on what the centre has seen.
func (c *centre) until(what string, f func() bool) {
	c.t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		c.mu.Lock()
		ok, change := f(), c.change
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-end.C:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Fatalf("%s: not within %s; %d events, %d repeats, %d early, status %s", what, patience, len(c.events), c.repeats, c.early, c.status.State)
		}
	}
}

func (c *centre) publish(topic string, retained bool, b []byte) {
	c.t.Helper()
	c.mu.Lock()
	m := c.c
	c.mu.Unlock()
	if tok := m.Publish(topic, 1, retained, b); !tok.WaitTimeout(patience) || tok.Error() != nil {
		c.t.Fatalf("publish: %v", tok.Error())
	}
}

func (c *centre) traffic() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

func (c *centre) now() api.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// contract fails the test for every message that broke it.
func (c *centre) contract() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range slices.Compact(slices.Sorted(slices.Values(c.broken))) {
		c.t.Errorf("E-01: %s", b)
	}
}

// bench is a link with a real journal.
type bench struct {
	t      testing.TB
	j      *journal.Journal
	l      *Link
	centre *centre
	signer *seal.Signer
	ahead  chan string
	step   uint64
	want   []string // reference of every event that was committed
	keeper *officers.Keeper
	key    *passkey.OrderKey // of the officer o-1
	cancel context.CancelFunc
	done   chan error
}

func newBench(t testing.TB, c *centre, url string, lim limits) *bench {
	t.Helper()
	who, key := newOfficer(t)
	b := newBenchFor(t, c, url, lim, who)
	b.key = key
	return b
}

// newOfficer is a roster in force with the officer o-1, and an order key of hers.
func newOfficer(t testing.TB) (*officers.Keeper, *passkey.OrderKey) {
	t.Helper()
	const origin = "https://desk.example"
	offline, now := newSigner(t), clock().UTC()
	a := must(passkey.New(officers.EdDSA, "desk.example", origin))
	who := officers.NewKeeper(site, gate, false, seal.Trust(offline.Public()), clock)
	must(who.Offer(must(officers.Sign(api.Roster{Site: site, Version: 1, IssuedAt: now, ExpiresAt: now.Add(24 * time.Hour), RPID: "desk.example", Origins: []string{origin}, TwoPersons: []string{},
		Officers: []api.RosterOfficer{{Officer: "o-1", Passkeys: []api.Passkey{must(a.Public())}, Roles: officers.Roles(), Gates: []string{gate}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}}}, offline))))
	return who, must(a.Certify(site, []string{gate}, nil, now, time.Hour))
}

// newBenchFor is a link that follows the orders of a roster's officers.
func newBenchFor(t testing.TB, c *centre, url string, lim limits, who *officers.Keeper) *bench {
	t.Helper()
	j, _, err := journal.Open(t.TempDir(), journal.Options{AckDelay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, j: j, centre: c, signer: newSigner(t), ahead: make(chan string, 8), keeper: who}
	b.start(url, lim)
	t.Cleanup(func() {
		b.stop()
		if err := j.Close(); err != nil {
			t.Errorf("journal: %v", err)
		}
	})
	return b
}

func (b *bench) start(url string, lim limits) {
	b.t.Helper()
	l, err := New(Config{Site: site, Gate: gate, Brokers: strings.Split(url, " "), Boot: boot, Epoch: b.j.Epoch, Signer: b.signer,
		Centre: map[string]seal.Keys{"console": seal.Trust(b.centre.signer.Public())}, Officers: b.keeper, Outbox: b.j.Outbox(), Now: clock,
		Ahead: func(_ context.Context, why string) error { b.ahead <- why; return nil }})
	if err != nil {
		b.t.Fatal(err)
	}
	l.limits = lim
	l.SetStatus("ready")
	b.l, b.done = l, make(chan error, 1)
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(context.Background())
	go func() { b.done <- l.Run(ctx) }()
}

func (b *bench) stop() {
	b.t.Helper()
	b.cancel()
	if b.done == nil {
		return
	}
	defer func() { b.done = nil }()
	select {
	case err := <-b.done:
		if err != nil {
			b.t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		b.t.Error("Run does not end")
	}
}

// commit writes one step with some events and waits until it is durable.
func (b *bench) commit(events int) {
	b.t.Helper()
	b.step++
	r := journal.Record{Step: b.step, Model: []byte("{}")}
	for range events {
		ref := fmt.Sprintf("n%d", len(b.want))
		b.want = append(b.want, ref)
		data, _ := json.Marshal(api.OrderEvent{ID: ref, Principal: "console", Name: api.CmdReset, Result: "done"})
		d, _ := json.Marshal(api.Draft{Type: api.EventOrder, Time: time.Now().UTC(), Data: data})
		r.Events = append(r.Events, d)
	}
	b.j.Submit(r)
	if res := <-b.j.Results(); res.Err != nil {
		b.t.Fatal(res.Err)
	}
}

func (b *bench) pending() uint64 {
	_, _, n := b.j.Usage()
	return n
}

// delivered waits until the centre has everything and the journal knows, and checks order and content.
func (b *bench) delivered() {
	b.t.Helper()
	b.centre.until("delivery", func() bool { return len(b.centre.events) >= len(b.want) })
	for end := time.Now().Add(patience); b.pending() > 0; {
		if time.Now().After(end) {
			b.t.Fatalf("%d events stay in the outbox", b.pending())
		}
		time.Sleep(time.Millisecond) // the acknowledgement is on its way
	}
	b.centre.mu.Lock()
	defer b.centre.mu.Unlock()
	if len(b.centre.events) != len(b.want) {
		b.t.Fatalf("%d events at the centre, %d were committed", len(b.centre.events), len(b.want))
	}
	for i, e := range b.centre.events {
		var o api.OrderEvent
		if json.Unmarshal(e.Data, &o) != nil || o.ID != b.want[i] || e.Seq != uint64(i+1) || e.ID != fmt.Sprintf("%d-%d", e.Epoch, e.Seq) {
			b.t.Fatalf("event %d at the centre is %s (%s), %s was committed", i, o.ID, e.ID, b.want[i])
		}
	}
}

var hasty = failover.Limits{MinPause: 5 * time.Millisecond, MaxPause: 50 * time.Millisecond, Settled: 50 * time.Millisecond, Return: 50 * time.Millisecond, Probe: time.Second}

// quick gives a connection up soon: for tests that break connections, to which one more is all the same.
var quick = limits{publish: 2 * time.Second, ack: 500 * time.Millisecond, alive: keepAlive, connect: hasty}

// steady keeps a connection however busy the machine is: for tests of one session.
var steady = limits{publish: patience, ack: 500 * time.Millisecond, alive: patience, connect: hasty}

func (c *centre) start(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	end := time.Now().Add(patience)
	for {
		c.mu.Lock()
		ok := c.c != nil && c.c.IsConnectionOpen()
		c.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the centre does not connect")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestE03BrokerKilled: the broker is killed and started again while events are committed: the centre gets
// each exactly once and in order after it drops repetitions by their number.
func TestE03BrokerKilled(t *testing.T) {
	each(t, func(t *testing.T, b restartable, _ string) {
		if strings.HasSuffix(t.Name(), "/mochi") && raceEnabled {
			t.Skip("SKIP: the embedded broker's library writes and reads the path of a retained message without one lock (mochi v2.7.9, RetainMessage and scanMessages): with it killed this test runs without the race detector only")
		}
		c := newCentre(t, b.URL())
		c.start(t)
		x := newBench(t, c, b.URL(), quick)
		x.drain()
		for round := range 5 {
			for range 20 {
				x.commit(1 + round%3)
			}
			b.Kill()
			x.commit(4)
			b.Start()
		}
		x.commit(1)
		x.delivered()
		c.contract()
		t.Logf("%d events, %d repetitions dropped", len(x.want), c.repeats)
	})
}

// TestE03NextBroker: the first broker of the list is killed and the gate goes on at the second; when the first is there
// again the gate comes back to it; nothing is lost, nothing is twice, order is kept.
func TestE03NextBroker(t *testing.T) {
	one, two := brokers.Mosquitto(t, brokers.Plain), brokers.Mosquitto(t, brokers.Plain)
	both := one.URL() + " " + two.URL()
	c := newCentre(t, both)
	c.start(t)
	x := newBench(t, c, both, quick)
	x.drain()
	for range 3 {
		x.commit(5)
		x.delivered()
		one.Kill()
		x.commit(5)
		x.delivered()
		if !x.l.Fallback() {
			t.Fatal("delivered through a broker that is dead")
		}
		one.Start()
		wait4(t, "the gate at the first broker again", func() bool { return !x.l.Fallback() })
		x.commit(5)
		two.Kill() // the centre of this test goes to the other broker only so
		x.delivered()
		two.Start()
	}
	c.contract()
}

// TestE03RandomCuts: the network ends after any number of bytes, hundreds of times, while events are
// committed: nothing is lost, nothing is twice, order is kept. In every third round the cut is aimed: it falls
// when the centre has an event and has not said so, and the centre stays silent until the repetition comes.
func TestE03RandomCuts(t *testing.T) {
	each(t, func(t *testing.T, b restartable, addr string) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := mrand.New(mrand.NewPCG(seed, 1))
		net := brokers.NewNetwork(t, addr)
		c := newCentre(t, b.URL()) // the centre's side is whole; the gate's is not
		var aimed, hit bool        // under c.mu, which is held when the centre is about to acknowledge
		var before int             // repetitions before the hit
		c.ack = func(e, u uint64) (uint64, uint64, bool) {
			switch {
			case aimed:
				aimed, hit, before = false, true, c.repeats
				net.Break()
			case hit && c.repeats > before:
				hit = false
			}
			return e, u, !hit
		}
		c.start(t)
		x := newBench(t, c, net.URL(), quick)
		x.drain()
		rounds := 120
		if testing.Short() {
			rounds = 20
		}
		for round := range rounds {
			if round%3 == 0 {
				net.BreakAfter(0)
				net.Break()
				c.mu.Lock()
				aimed = true
				c.mu.Unlock()
				x.commit(1)
				c.until("the repetition", func() bool { return !aimed && !hit })
				continue
			}
			net.BreakAfter(200 + r.Int64N(4000))
			net.Break()
			x.commit(1 + r.IntN(4))
			seen, taken, enough := c.traffic(), net.Taken(), r.IntN(6)
			wait4(t, "some traffic or three connections", func() bool { return c.traffic() > seen+enough || net.Taken() > taken+3 || x.pending() == 0 })
		}
		net.BreakAfter(0)
		net.Break()
		x.delivered()
		c.contract()
		t.Logf("%d events over %d cuts, %d repetitions dropped, %d too early", len(x.want), rounds, c.repeats, c.early)
		if c.repeats < rounds/3 {
			t.Error("fewer repetitions than aimed cuts: the test proves nothing")
		}
	})
}

// TestE03NothingLeavesWithoutAck: the broker acknowledges everything, the centre nothing: every event
// stays, and is sent again on the same connection and on the next.
func TestE03NothingLeavesWithoutAck(t *testing.T) {
	each(t, func(t *testing.T, b restartable, _ string) {
		c := newCentre(t, b.URL())
		silent := true
		c.ack = func(e, u uint64) (uint64, uint64, bool) { return e, u, !silent }
		c.start(t)
		x := newBench(t, c, b.URL(), steady)
		x.commit(window + 10)
		c.until("the window", func() bool { return len(c.events) == window })
		c.until("repetition on the same connection", func() bool { return c.repeats >= window })
		if n := x.pending(); n != window+10 {
			t.Fatalf("%d of %d events are left without an acknowledgement", n, window+10)
		}
		c.mu.Lock()
		if len(c.events) > window {
			t.Errorf("%d events in flight, %d are allowed", len(c.events), window)
		}
		sessions := map[string]bool{}
		for _, s := range c.statuses { // said again meanwhile: the centre could have missed it
			sessions[s.Session] = true
		}
		silent = false
		c.mu.Unlock()
		x.delivered()
		if len(sessions) != 1 {
			t.Errorf("%d sessions: the connection did not last", len(sessions))
		}
	})
}

// TestX02AcknowledgementsOfAnAttacker: a forged, replayed, misdirected, retained or too high
// acknowledgement deletes nothing; a genuine too high one tells of the loss once.
func TestX02AcknowledgementsOfAnAttacker(t *testing.T) {
	each(t, func(t *testing.T, b restartable, _ string) {
		c := newCentre(t, b.URL())
		quiet := true
		c.ack = func(e, u uint64) (uint64, uint64, bool) { return e, u, !quiet }
		c.start(t)
		x := newBench(t, c, b.URL(), limits{publish: patience, ack: time.Hour, alive: patience, connect: hasty})
		x.commit(6)
		c.until("the events", func() bool { return len(c.events) == 6 })
		st, epoch := c.now(), x.j.Epoch()
		topic := api.Topic(site, gate, api.TopicAck)
		good := api.Ack{Gate: gate, Epoch: epoch, Upto: 4, Session: st.Session}
		with := func(f func(*api.Ack)) []byte {
			a := good
			f(&a)
			return sign(t, c.signer, "ack", a)
		}
		thief := newSigner(t)
		forged := sign(t, thief, "ack", good)
		var s api.Signed
		if err := json.Unmarshal(forged, &s); err != nil {
			t.Fatal(err)
		}
		s.Signatures[0].Kid = c.signer.KeyID()
		borrowed, _ := json.Marshal(s)
		s.Signatures = nil
		bare, _ := json.Marshal(s)
		attacks := map[string][]byte{
			"another key": forged, "another key under the centre's id": borrowed, "no signature": bare, "the gate's own key": sign(t, x.signer, "ack", good),
			"signed as a lease": reKind(t, sign(t, c.signer, "lease", good), "ack"), "of another kind": sign(t, c.signer, "lease", good),
			"another gate": with(func(a *api.Ack) { a.Gate = "gate-2" }), "an old session": with(func(a *api.Ack) { a.Session = "ffffffffffffffff" }),
			"no session": with(func(a *api.Ack) { a.Session = "" }), "an epoch to come": with(func(a *api.Ack) { a.Epoch++ }), "too high": with(func(a *api.Ack) { a.Upto = 7 }),
			"as high as can be": with(func(a *api.Ack) { a.Upto = 1<<64 - 1 }), "not JSON": []byte("{"), "empty": {}, "plain": []byte(`{"gate":"gate-1","epoch":1,"upto":6}`),
			"a field more": sign(t, c.signer, "ack", map[string]any{"gate": gate, "epoch": epoch, "upto": 4, "session": st.Session, "all": true}),
		}
		want := int64(0)
		for name, a := range attacks {
			want++
			c.publish(topic, false, a)
			wait4(t, name, func() bool { return x.l.Refused() == want })
			if n := x.pending(); n != 6 {
				t.Fatalf("%s: %d of 6 events are left", name, n)
			}
		}
		c.publish(topic, true, with(func(*api.Ack) {})) // the broker passes it on as fresh: it is genuine
		wait4(t, "genuine", func() bool { return x.pending() == 2 })
		// An older one again: harmless.
		c.publish(topic, false, with(func(a *api.Ack) { a.Upto = 1 }))
		c.publish(topic, false, with(func(a *api.Ack) { a.Upto = 5 }))
		wait4(t, "after a stale one", func() bool { return x.pending() == 1 })
		select {
		case <-x.ahead:
		case <-time.After(patience):
			t.Error("a genuine acknowledgement of what is not there was not told")
		}
		if len(x.ahead) != 0 {
			t.Error("a loss was told more than once on one connection")
		}
		c.mu.Lock()
		quiet = false
		c.mu.Unlock()
		// The retained one meets the next connection: refused.
		x.stop()
		x.start(b.URL(), quick)
		c.until("the next session", func() bool { return c.status.Session != st.Session && c.status.State == "ready" })
		wait4(t, "retained", func() bool { return x.l.Refused() >= 1 })
		x.delivered()
	})
}

// reKind changes what a message says of its kind, not its signature.
func reKind(t testing.TB, b []byte, kind string) []byte {
	var s api.Signed
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	s.Kind = kind
	out, _ := json.Marshal(s)
	return out
}

func wait4(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
		time.Sleep(time.Millisecond)
	}
}

// drain is a loop that takes what comes in and forgets it.
func (b *bench) drain() {
	l, ctx := b.l, b.t.Context()
	go func() {
		for {
			select {
			case <-l.Inbound():
			case <-ctx.Done():
				return
			}
		}
	}()
}

// next takes the next item but for connection changes.
func (b *bench) next() Item {
	b.t.Helper()
	for {
		select {
		case i := <-b.l.Inbound():
			if !i.Up && !i.Down {
				return i
			}
		case <-time.After(patience):
			b.t.Fatal("nothing came in")
		}
	}
}

// TestX02OrdersOfAnAttacker: whoever holds the broker replays, alters, reroutes, delays, retains and invents
// orders, answers and leases: none reaches the loop, and a genuine one after each does.
func TestX02OrdersOfAnAttacker(t *testing.T) {
	each(t, func(t *testing.T, b restartable, _ string) {
		c := newCentre(t, b.URL())
		c.start(t)
		x := newBench(t, c, b.URL(), steady)
		c.until("ready", func() bool { return c.status.State == "ready" })
		st, epoch, thief := c.now(), x.j.Epoch(), newSigner(t)
		n := 0
		order := func(f func(*api.Command)) api.Command {
			n++
			now := clock().UTC()
			o := api.Command{ID: fmt.Sprintf("id%d", n), Gate: gate, Session: st.Session, Epoch: epoch, Name: api.CmdOpenExit, Principal: "console", Officer: "o-1",
				Reason: "person_compared", IssuedAt: now, ExpiresAt: now.Add(8 * time.Second)}
			if f != nil {
				f(&o)
			}
			return o
		}
		env := func(f func(*api.Envelope)) api.Envelope {
			n++
			e := api.Envelope{Gate: gate, Passage: pid, Epoch: epoch, Type: "ans", Recipient: boot, ExpiresAt: clock().UTC().Add(20 * time.Second), Sealed: []byte(fmt.Sprint("sealed", n))}
			e.Hash = hashOf(e.Sealed)
			if f != nil {
				f(&e)
			}
			return e
		}
		leaseSeq := uint64(0)
		lease := func(f func(*api.Lease)) api.Lease {
			leaseSeq++
			le := api.Lease{Gate: gate, Session: st.Session, Epoch: epoch, Principal: "console", Officer: "o-1", Seq: leaseSeq, ExpiresAt: clock().UTC().Add(5 * time.Second),
				Keys: []api.RecipientKey{}}
			if f != nil {
				f(&le)
			}
			return le
		}
		cmdTopic, ansTopic, leaseTopic := "cmd/console/"+api.CmdOpenExit, "ans/console/"+pid, "lease/console"
		proven := func(by *seal.Signer, o api.Command) []byte {
			payload, p, err := x.key.Sign(o, clock())
			if err != nil {
				t.Fatal(err)
			}
			sig := by.Sign("cmd", payload)
			return must(json.Marshal(api.Signed{Kind: "cmd", Payload: payload, Signatures: []api.Signature{{Alg: sig.Alg, Kid: sig.Kid, Sig: sig.Sig}}, Proof: p}))
		}
		cmd := func(f func(*api.Command)) []byte { return proven(c.signer, order(f)) }
		ans := func(f func(*api.Envelope)) []byte { return sign(t, c.signer, "ans", env(f)) }
		le := func(f func(*api.Lease)) []byte { return sign(t, c.signer, "lease", lease(f)) }
		type attack struct {
			name, topic string
			payload     []byte
		}
		replay, ansReplay, leaseReplay := cmd(nil), ans(nil), le(nil)
		attacks := []attack{
			{"cmd: another key", cmdTopic, proven(thief, order(nil))},
			{"cmd: unsigned", cmdTopic, must(json.Marshal(order(nil)))},
			{"cmd: signed as lease", cmdTopic, reKind(t, sign(t, c.signer, "lease", order(nil)), "cmd")},
			{"cmd: another gate", cmdTopic, cmd(func(o *api.Command) { o.Gate = "gate-2" })},
			{"cmd: another session", cmdTopic, cmd(func(o *api.Command) { o.Session = boot })},
			{"cmd: another epoch", cmdTopic, cmd(func(o *api.Command) { o.Epoch-- })},
			{"cmd: expired", cmdTopic, cmd(func(o *api.Command) {
				o.ExpiresAt = clock().Add(-time.Millisecond)
				o.IssuedAt = o.ExpiresAt.Add(-time.Second)
			})},
			{"cmd: from the future", cmdTopic, cmd(func(o *api.Command) {
				o.IssuedAt = clock().Add(time.Hour)
				o.ExpiresAt = o.IssuedAt.Add(time.Second)
			})},
			{"cmd: lives too long", cmdTopic, cmd(func(o *api.Command) { o.ExpiresAt = o.IssuedAt.Add(11 * time.Second) })},
			{"cmd: another name in the topic", "cmd/console/" + api.CmdReset, cmd(nil)},
			{"cmd: another principal in the topic", "cmd/other/" + api.CmdOpenExit, cmd(nil)},
			{"cmd: another principal", cmdTopic, cmd(func(o *api.Command) { o.Principal = "other" })},
			{"cmd: a principal without keys", "cmd/other/" + api.CmdOpenExit, cmd(func(o *api.Command) { o.Principal = "other" })},
			{"cmd: no id", cmdTopic, cmd(func(o *api.Command) { o.ID = "" })},
			{"cmd: an id that is a topic", cmdTopic, cmd(func(o *api.Command) { o.ID = "a/+/#" })},
			{"cmd: a passage that is a text", cmdTopic, cmd(func(o *api.Command) { o.Passage = "Erika Mustermann" })},
			{"cmd: a long reason", cmdTopic, cmd(func(o *api.Command) { o.Reason = strings.Repeat("x", 65) })},
			{"cmd: a field more", cmdTopic, sign(t, c.signer, "cmd", map[string]any{"id": "z1", "gate": gate, "force": true})},
			{"cmd: two documents", cmdTopic, append(cmd(nil), "{}"...)},
			{"cmd: too large", cmdTopic, append(cmd(nil), strings.Repeat(" ", maxMessage)...)},
			{"cmd: bytes", cmdTopic, []byte("\x00\xff\xfe")},
			{"ans: another key", ansTopic, sign(t, thief, "ans", env(nil))},
			{"ans: another gate", ansTopic, ans(func(e *api.Envelope) { e.Gate = "gate-2" })},
			{"ans: another passage", "ans/console/" + strings.Repeat("f", 32), ans(nil)},
			{"ans: another epoch", ansTopic, ans(func(e *api.Envelope) { e.Epoch++ })},
			{"ans: expired", ansTopic, ans(func(e *api.Envelope) { e.ExpiresAt = clock().Add(-time.Millisecond) })},
			{"ans: other bytes than its hash", ansTopic, ans(func(e *api.Envelope) { e.Sealed = []byte("other") })},
			{"ans: a question", ansTopic, ans(func(e *api.Envelope) { e.Type = "lookup" })},
			{"ans: signed as order", ansTopic, reKind(t, sign(t, c.signer, "cmd", env(nil)), "ans")},
			{"ans: another principal", "ans/other/" + pid, ans(nil)},
			{"lease: another key", leaseTopic, sign(t, thief, "lease", lease(nil))},
			{"lease: another gate", leaseTopic, le(func(x *api.Lease) { x.Gate = "gate-2" })},
			{"lease: another session", leaseTopic, le(func(x *api.Lease) { x.Session = boot })},
			{"lease: expired", leaseTopic, le(func(x *api.Lease) { x.ExpiresAt = clock().Add(-time.Millisecond) })},
			{"lease: for a year", leaseTopic, le(func(x *api.Lease) { x.ExpiresAt = clock().Add(365 * 24 * time.Hour) })},
			{"lease: another principal", "lease/other", le(nil)},
			{"lease: nobody's", leaseTopic, le(func(x *api.Lease) { x.Officer = "" })},
			{"lease: a thousand keys", leaseTopic, le(func(x *api.Lease) { x.Keys = make([]api.RecipientKey, maxKeys+1) })},
		}
		// Genuine ones first, so that there is something to repeat.
		for _, g := range []attack{{"", cmdTopic, replay}, {"", ansTopic, ansReplay}, {"", leaseTopic, leaseReplay}} {
			c.publish(api.Topic(site, gate, g.topic), false, g.payload)
			x.next()
		}
		attacks = append(attacks, attack{"cmd: repeated", cmdTopic, replay}, attack{"ans: repeated", ansTopic, ansReplay}, attack{"lease: repeated", leaseTopic, leaseReplay})
		answered := map[string]string{"cmd: another session": "again", "cmd: repeated": "again", "cmd: expired": "expired"}
		refused := int64(0)
		for _, a := range attacks {
			refused++
			c.publish(api.Topic(site, gate, a.topic), false, a.payload)
			c.publish(api.Topic(site, gate, cmdTopic), false, cmd(nil))
			i := x.next()
			if what := answered[a.name]; what != "" { // it reaches the loop, to be answered and no more
				if what == "again" {
					refused--
				}
				if i.Command == nil || (what == "again") != i.Again || !i.Again && i.Refused != what {
					t.Errorf("%s: %+v, must be %s", a.name, i, what)
				}
				i = x.next()
			}
			if i.Command == nil || i.Again || i.Refused != "" || i.Command.ID != fmt.Sprintf("id%d", n) {
				t.Errorf("%s: reached the loop: %+v", a.name, i)
			}
			if r := x.l.Refused(); r != refused {
				t.Errorf("%s: %d messages refused, want %d", a.name, r, refused)
				refused = r
			}
		}
		// Retained ones wait for the next connection, which has another session anyway: all are refused.
		for _, g := range []attack{{"", cmdTopic, cmd(nil)}, {"", ansTopic, ans(nil)}, {"", leaseTopic, le(nil)}} {
			c.publish(api.Topic(site, gate, g.topic), true, g.payload)
			x.next()
		}
		x.stop()
		x.start(b.URL(), steady)
		c.until("the next session", func() bool { return c.status.Session != st.Session && c.status.State == "ready" })
		wait4(t, "the retained ones", func() bool { return x.l.Refused() == 3 })
		if d := x.l.Dropped(); d != 0 {
			t.Errorf("%d messages dropped", d)
		}
	})
}

// retained is what somebody who has just come learns of the gate's status.
func retained(t *testing.T, url string) api.Status {
	t.Helper()
	m := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(url).SetClientID("reader").SetAutoReconnect(false).SetProtocolVersion(4))
	if tok := m.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal("reader: ", tok.Error())
	}
	defer m.Disconnect(0)
	got := make(chan api.Status, 64)
	tok := m.Subscribe(api.Topic(site, gate, api.TopicStatus), 1, func(_ mqtt.Client, msg mqtt.Message) {
		var s api.Status
		if json.Unmarshal(msg.Payload(), &s) == nil {
			got <- s
		}
	})
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal("reader: ", tok.Error())
	}
	select {
	case s := <-got:
		return s
	case <-time.After(patience):
		t.Fatal("nothing is retained")
		return api.Status{}
	}
}

func lateAt(status []byte) time.Time {
	var s api.Status
	_ = json.Unmarshal(status, &s)
	return s.At
}

func must[T any](b T, err error) T {
	if err != nil {
		panic(err)
	}
	return b
}

// TestStatusFollowsTheConnection: ready at each connection; offline by the last will when the network
// breaks, contradicted when the broker publishes that will after the next ready; offline at the end.
func TestM01StatusFollowsTheConnection(t *testing.T) {
	each(t, func(t *testing.T, b restartable, addr string) {
		net := brokers.NewNetwork(t, addr)
		c := newCentre(t, b.URL())
		c.start(t)
		x := newBench(t, c, net.URL(), quick)
		c.until("ready", func() bool { return c.status.State == "ready" })
		first := c.now()
		if first.Boot != boot || first.Epoch != x.j.Epoch() || len(first.Session) != 16 {
			t.Errorf("status %+v", first)
		}
		net.HalfOpen()
		c.until("ready again", func() bool { return c.status.State == "ready" && c.status.Session != first.Session })
		c.mu.Lock()
		if s := c.statuses[0]; s.State != "ready" || s.Session != first.Session {
			t.Errorf("first status %+v", s)
		}
		c.mu.Unlock()
		// Whenever a broker publishes the old will, before the next ready or after it, ready is what it keeps.
		// What two clients say may reach a third in either order: a reader that comes later must find it.
		late, _ := json.Marshal(api.Status{State: "offline", Boot: boot, Session: first.Session, Epoch: first.Epoch, At: time.Now().UTC()})
		before := c.now()
		c.mu.Lock()
		c.c.Publish(api.Topic(site, gate, api.TopicStatus), 1, true, late)
		c.mu.Unlock()
		c.until("the late will", func() bool {
			return slices.ContainsFunc(c.statuses, func(s api.Status) bool { return s.At.Equal(lateAt(late)) })
		})
		c.until("ready is what the broker keeps", func() bool {
			s := retained(t, b.URL())
			return s.State == "ready" && s.Session == before.Session
		})
		if now := c.now(); now.State != "ready" || now.Session != before.Session {
			t.Errorf("an old will made %+v of %+v", now, before)
		}
		x.l.SetStatus("degraded")
		c.until("degraded", func() bool { return c.status.State == "degraded" })
		x.stop()
		c.until("offline", func() bool { return c.status.State == "offline" })
		x.start(net.URL(), quick)
		c.contract()
	})
}

// TestE04SlowBroker: while nothing gets through, publishing never waits, only the newest retained
// document is kept, questions nobody can answer are dropped, and the connection is given up and made anew.
func TestE04SlowBroker(t *testing.T) {
	each(t, func(t *testing.T, b restartable, addr string) {
		net := brokers.NewNetwork(t, addr)
		c := newCentre(t, b.URL())
		c.start(t)
		lim := quick
		lim.publish = time.Second
		x := newBench(t, c, net.URL(), lim)
		c.until("ready", func() bool { return c.status.State == "ready" })
		first := c.now().Session
		net.Freeze(true)
		const states = 1000
		done := make(chan struct{})
		go func() { // were any of these to wait, the test would hang
			defer close(done)
			for i := range states {
				x.l.PublishState(state(uint64(i)))
				x.l.PublishHealth(api.Health{At: time.Now().UTC(), Overall: "ok", Parts: []api.Part{}, Faults: []api.Fault{}})
				x.l.PublishCheckpoint([]byte(note))
				x.l.Request("lookup", envelope(x))
				x.l.Respond("console", api.Response{ID: "a1", Result: "accepted", At: time.Now().UTC()})
			}
		}()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("publishing waits for the broker")
		}
		x.commit(5)
		wait4(t, "the connection is given up", func() bool { x.l.mu.Lock(); defer x.l.mu.Unlock(); return !x.l.up })
		net.Break()
		net.Freeze(false)
		x.delivered()
		c.until("the newest state", func() bool {
			for _, m := range slices.Backward(c.seen) {
				if m.Topic() == api.Topic(site, gate, api.TopicState) {
					var s api.State
					return json.Unmarshal(m.Payload(), &s) == nil && s.Seq == states-1 && c.status.Session != first
				}
			}
			return false
		})
		c.mu.Lock()
		n := map[uint64]bool{} // each connection says the newest once more
		for _, m := range c.seen {
			var s api.State
			if m.Topic() == api.Topic(site, gate, api.TopicState) && json.Unmarshal(m.Payload(), &s) == nil {
				n[s.Seq] = true
			}
		}
		c.mu.Unlock()
		if len(n) > states/10 {
			t.Errorf("%d of %d states were published: latest wins", len(n), states)
		}
		c.contract()
	})
}

const note = "egate/site/gate-1\n4\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— egate/site/gate-1 AAAA\n"

func state(seq uint64) api.State {
	return api.State{Seq: seq, Mode: "open", Reception: "idle", Passage: "empty", Entry: "closed", Exit: "closed", Occupancy: "0", At: time.Now().UTC()}
}

func envelope(x *bench) api.Envelope {
	sealed := []byte("ciphertext")
	return api.Envelope{Gate: gate, Passage: pid, Epoch: x.j.Epoch(), Type: "lookup", Recipient: "centre", ExpiresAt: time.Now().UTC().Add(time.Minute), Sealed: sealed,
		Hash: hashOf(sealed)}
}

// TestP11RequestsAreSigned: what goes out as a question or an answer keeps the contract, is signed by the gate
// over its kind, and is not retained.
func TestP11RequestsAreSigned(t *testing.T) {
	each(t, func(t *testing.T, b restartable, _ string) {
		c := newCentre(t, b.URL())
		c.start(t)
		x := newBench(t, c, b.URL(), steady)
		for { // Up
			if i := <-x.l.Inbound(); i.Up {
				break
			}
		}
		x.l.Request("lookup", envelope(x))
		e := envelope(x)
		e.Type, e.Recipient, e.PlainHash, e.Reason = "referral", boot, e.Hash, verdict.FaceMismatch
		x.l.Request("referral", e)
		x.l.Respond("console", api.Response{ID: "a1", Result: "rejected", Reason: "expired", At: time.Now().UTC()})
		x.l.PublishInfo(api.Info{At: time.Now().UTC(), Contract: api.Contract, Boot: boot, Version: "v1", Kid: x.signer.KeyID()})
		x.l.PublishState(state(1))
		x.l.PublishCheckpoint([]byte(note))
		for _, topic := range []string{"req/lookup/" + pid, "req/referral/" + pid, "rsp/console/a1", "info", "state", "audit/checkpoint"} {
			var m mqtt.Message
			c.until(topic, func() bool {
				i := slices.IndexFunc(c.seen, func(m mqtt.Message) bool { return m.Topic() == api.Topic(site, gate, topic) })
				if i >= 0 {
					m = c.seen[i]
				}
				return i >= 0
			})
			kind, isRequest := strings.CutPrefix(topic, "req/")
			if !isRequest {
				continue
			}
			kind = strings.Split(kind, "/")[0]
			var s api.Signed
			if err := json.Unmarshal(m.Payload(), &s); err != nil {
				t.Fatal(err)
			}
			sig := seal.Signature{Alg: s.Signatures[0].Alg, Kid: s.Signatures[0].Kid, Sig: s.Signatures[0].Sig}
			if _, err := seal.Trust(x.signer.Public()).Verify(kind, s.Payload, []seal.Signature{sig}); err != nil || m.Qos() != 0 {
				t.Errorf("%s: signature %v, qos %d", topic, err, m.Qos())
			}
		}
		// A subscriber that comes later gets the retained documents and nothing else.
		late := make(chan mqtt.Message, 64)
		m := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(b.URL()).SetClientID("late").SetAutoReconnect(false).SetProtocolVersion(4))
		if tok := m.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
			t.Fatal(tok.Error())
		}
		defer m.Disconnect(0)
		if tok := m.Subscribe("egate/#", 1, func(_ mqtt.Client, msg mqtt.Message) { late <- msg }); !tok.WaitTimeout(patience) || tok.Error() != nil {
			t.Fatal(tok.Error())
		}
		want := map[string]bool{"status": true, "info": true, "state": true, "audit/checkpoint": true}
		for len(want) > 0 {
			select {
			case msg := <-late:
				rest := strings.TrimPrefix(msg.Topic(), api.Topic(site, gate, ""))
				if !want[rest] || !msg.Retained() {
					t.Errorf("late: %s, retained %v", rest, msg.Retained())
				}
				delete(want, rest)
			case <-time.After(patience):
				t.Fatalf("late subscriber misses %v", want)
			}
		}
		c.contract()
	})
}

// TestE03NewEpoch: events of a new epoch begin at one again and are delivered, repeated and acknowledged
// like those before, though their numbers are lower.
func TestE03NewEpoch(t *testing.T) {
	b := brokers.Mochi(t)
	c := newCentre(t, b.URL())
	c.start(t)
	x := newBench(t, c, b.URL(), quick)
	x.commit(20)
	x.delivered()
	old := x.j.Epoch()
	c.mu.Lock()
	deaf := true
	c.ack = func(e, u uint64) (uint64, uint64, bool) { return e, u, !deaf }
	c.mu.Unlock()
	if _, err := x.j.NewEpoch(context.Background(), "test"); err != nil {
		t.Fatal(err)
	}
	x.commit(3)
	c.until("events of the new epoch", func() bool { n := len(c.events); return n == 23 && c.events[n-1].Epoch > old && c.events[n-1].Seq == 3 })
	c.until("sent again though the numbers are below those that were acknowledged", func() bool { return c.repeats >= 3 })
	c.mu.Lock()
	deaf = false
	c.mu.Unlock()
	wait4(t, "acknowledged", func() bool { return x.pending() == 0 })
	x.l.SetStatus("degraded")
	c.until("status names the epoch", func() bool { return c.status.Epoch > old })
}

// TestSlowLoop: a loop that does not take what came in does not stop acknowledgements.
func TestE04SlowLoop(t *testing.T) {
	b := brokers.Mochi(t)
	c := newCentre(t, b.URL())
	c.start(t)
	x := newBench(t, c, b.URL(), steady)
	c.until("ready", func() bool { return c.status.State == "ready" })
	st := c.now()
	for i := range inboundQueue + 50 {
		c.publish(api.Topic(site, gate, "lease/console"), false, sign(t, c.signer, "lease", api.Lease{Gate: gate, Session: st.Session, Epoch: st.Epoch, Principal: "console",
			Officer: "o-1", Seq: uint64(i + 1), ExpiresAt: clock().Add(5 * time.Second), Keys: []api.RecipientKey{}}))
	}
	x.commit(5)
	x.delivered()
	wait4(t, "drops are counted", func() bool { return x.l.Dropped() >= 50 })
	if got := c.now().Session; got != st.Session {
		t.Error("the connection was lost")
	}
}

// TestNewRefuses: a link without what it needs is not made.
func TestX02NewNeedsKeys(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a link without keys")
	}
}

// TestE07TimeIsVerified: a time counts when the centre has signed it for this gate and session.
func TestE07TimeIsVerified(t *testing.T) {
	centre, thief := newSigner(t), newSigner(t)
	var got []api.Time
	l, err := New(Config{Site: site, Gate: gate, Brokers: []string{"tcp://127.0.0.1:1"}, Signer: newSigner(t), Epoch: func() uint64 { return 3 }, Outbox: refusing{t},
		Centre: map[string]seal.Keys{"console": seal.Trust(centre.Public())}, Officers: officers.NewKeeper(site, gate, false, seal.Trust(newSigner(t).Public()), nil),
		Time: func(a api.Time) { got = append(got, a) }})
	if err != nil {
		t.Fatal(err)
	}
	good := api.Time{Gate: gate, Session: boot, Nonce: strings.Repeat("a", 32), At: time.Now()}
	elsewhere, earlier := good, good
	elsewhere.Gate, earlier.Session = "gate-9", "0000000000000000"
	topic := api.Topic(site, gate, api.TopicTime)
	for name, x := range map[string]struct {
		payload  []byte
		retained bool
		want     bool
	}{"good": {sign(t, centre, "time", good), false, true}, "retained": {sign(t, centre, "time", good), true, false}, "a thief's": {sign(t, thief, "time", good), false, false},
		"another kind": {sign(t, centre, "ack", good), false, false}, "another gate": {sign(t, centre, "time", elsewhere), false, false},
		"another session": {sign(t, centre, "time", earlier), false, false}, "nonsense": {[]byte("{}"), false, false}} {
		got = nil
		_, err := l.verify(t.Context(), boot, topic, x.payload, x.retained)
		if (err == nil) != x.want || (len(got) == 1) != x.want {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
}

// FuzzVerify: whatever the broker brings, nothing that is not signed by the centre reaches the loop, and
// nothing makes it crash.
func FuzzVerify(f *testing.F) {
	thief := newSigner(f)
	l, err := New(Config{Site: site, Gate: gate, Brokers: []string{"tcp://127.0.0.1:1"}, Signer: newSigner(f), Epoch: func() uint64 { return 3 }, Outbox: refusing{f},
		Centre: map[string]seal.Keys{"console": seal.Trust(newSigner(f).Public())}, Officers: officers.NewKeeper(site, gate, false, seal.Trust(newSigner(f).Public()), nil)})
	if err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	f.Add("cmd/console/gate_open", sign(f, thief, "cmd", api.Command{ID: "a", Gate: gate, Session: boot, Epoch: 3, Name: "gate_open", Principal: "console", IssuedAt: now, ExpiresAt: now.Add(9 * time.Second)}), false)
	f.Add("ans/console/"+pid, sign(f, thief, "ans", api.Envelope{Gate: gate, Passage: pid, Epoch: 3, Type: "ans", ExpiresAt: now.Add(time.Hour), Sealed: []byte("x"), Hash: hashOf([]byte("x"))}), false)
	f.Add("lease/console", sign(f, thief, "lease", api.Lease{Gate: gate, Session: boot, Epoch: 3, Principal: "console", Officer: "o", Seq: 1, ExpiresAt: now.Add(time.Second)}), false)
	f.Add("ack", sign(f, thief, "ack", api.Ack{Gate: gate, Epoch: 3, Upto: 9, Session: boot}), false)
	f.Add("ack", []byte(`{"kind":"ack","payload":"e30=","signatures":[{"alg":"ed25519","kid":"","sig":""}]}`), true)
	f.Fuzz(func(t *testing.T, rest string, payload []byte, retained bool) {
		if i, err := l.verify(context.Background(), boot, api.Topic(site, gate, rest), payload, retained); err == nil || i != (Item{}) {
			t.Errorf("accepted: %+v", i)
		}
		if _, err := l.verify(context.Background(), boot, rest, payload, retained); err == nil {
			t.Error("accepted on another topic")
		}
		_ = kindOf(rest)
	})
}

type refusing struct{ t testing.TB }

func (refusing) Next(context.Context) (journal.Event, error) {
	return journal.Event{}, errors.New("none")
}
func (refusing) Rewind() {}
func (r refusing) Ack(uint64, uint64) error {
	r.t.Error("a forged acknowledgement reached the outbox")
	return nil
}

func hashOf(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:]
}
