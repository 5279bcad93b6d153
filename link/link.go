// Package link is the gate's end of MQTT: events out of the journal's outbox in order, retained documents,
// sealed requests, and signed orders, answers, leases and acknowledgements in. Everything that comes in
// is verified here before the loop sees it; what is not is counted, logged as a security event and dropped.
//
// The broker is no witness: an event counts as delivered when the centre's signed, cumulative
// acknowledgement says so. Each connection has a client of its own without a store (measured: with
// automatic reconnection a publish token can succeed without a PUBACK).
package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/internal/failover"
	"egate/journal"
	"egate/officers"
	"egate/seal"
)

// Limits of the link.
const (
	keepAlive      = 5 * time.Second
	dialLimit      = 5 * time.Second
	subscribeLimit = 10 * time.Second
	publishLimit   = 10 * time.Second // until the broker has acknowledged a publish
	farewell       = time.Second      // for the last status
	quiesce        = 100 * time.Millisecond
	ackLimit       = 20 * time.Second // events unacknowledged for so long are sent again
	window         = 64               // events in flight before the centre has acknowledged
	maxMessage     = 256 << 10        // inbound: a lease with maxKeys keys is the largest
	maxKeys        = 64               // officers' keys of a lease: a dossier is sealed once per key
	maxCorrections = 16               // of one connection's status, when another session's stands in its place
	maxIDs         = 4096             // orders and answers whose ids are remembered against repetition
	maxLeases      = 256              // principals and officers whose lease numbers are remembered
	maxSkew        = 30 * time.Second // clocks of gate and centre apart
	maxOrderLife   = 10 * time.Second
	maxLeaseLife   = 30 * time.Second // O-01: a lease that outlives its desk by more holds a gate open unwatched
	outboundQueue  = 64
	inboundQueue   = 64
)

// Outbox are the journal's events that are not acknowledged yet. It is used by one goroutine.
type Outbox interface {
	Next(ctx context.Context) (journal.Event, error)
	Rewind()
	Ack(epoch, upto uint64) error
}

// Config is what a link is made of.
type Config struct {
	Site, Gate string
	Brokers    []string           // tcp://host:port or tls://host:port, the first that works is used
	TLS        func() *tls.Config // asked for each connection; nil without TLS
	User       string
	Password   string
	Boot       string // random per boot
	Epoch      func() uint64
	Signer     *seal.Signer
	Centre     map[string]seal.Keys // trusted keys by principal, e.g. "console"
	// Officers says whose orders are followed, and whose leases count.
	Officers *officers.Keeper
	Outbox   Outbox
	// SealTo is the centre's HPKE key that every event but faults and starts is sealed to (DP-07); nil: they go in the open.
	SealTo []byte
	// Ahead is told, at most once per connection, that the centre has acknowledged events that the outbox
	// never gave out: the journal has lost its end. It should begin a new epoch. It may be nil.
	Ahead func(ctx context.Context, why string) error
	Now   func() time.Time // the gate's wall time; nil for the system's
	// Time gets each verified answer to AskTime. It must not block; it may be nil.
	Time func(api.Time)
	// Cosigned gets each verified cosignature of a witness. It must not block; it may be nil.
	Cosigned func(api.Cosign)
	Log      *slog.Logger
}

// Item is one verified thing that came in. Exactly one of Command, Answer, Lease, Roster, Up and Down is set.
type Item struct {
	Command *api.Command
	// Refused is why a command that came from the centre is not followed: it is answered and nothing else.
	Refused string
	// Again says that a command was seen before, or on an earlier connection: it has the answer that it had.
	Again bool
	// Pair is the second officer of an order of two persons, with the document that both signed.
	Pair   *Pair
	Answer *api.Envelope
	Lease  *api.Lease
	Roster *officers.Roster // newer than the one before, in force from now on
	Up     bool             // connected and subscribed
	Down   bool
}

// Pair is what makes an order of one officer an order of two.
type Pair struct {
	Officer  string // pseudonym of the second
	Document []byte // JSON text of the api.Signed with both proofs
}

// proposal is an order that waits for its second signature.
type proposal struct {
	signed  api.Signed
	session string
	until   time.Time
}

// Link is the gate's end. Its methods may be called from any goroutine and do not block.
type Link struct {
	cfg    Config
	log    *slog.Logger
	in     chan Item
	limits limits

	brokers *failover.List

	mu       sync.Mutex
	latest   map[string][]byte // retained documents by topic, newest
	sent     map[string]bool   // on this connection
	wake     chan struct{}
	out      []outbound
	session  string
	up       bool
	status   string
	ids      map[string]bool
	proposed map[string]proposal // by principal and id: orders of two persons that one has signed
	idOrder  []string
	refused  int64
	dropped  int64
	leaseSeq map[string]uint64
	acked    chan struct{}
	ackedTo  position
	told     bool // Ahead, on this connection

	corrected int // see restate; of this connection
	stalls    int // see events
}

// position is a place in the sequence of events.
type position struct{ epoch, seq uint64 }

func (p position) before(q position) bool {
	return p.epoch < q.epoch || p.epoch == q.epoch && p.seq < q.seq
}

// limits are those that tests shorten, or lengthen where a busy machine must end no connection.
type limits struct {
	publish, ack time.Duration
	alive        time.Duration // between pings, and until each is answered
	connect      failover.Limits
}

type outbound struct {
	topic    string
	qos      byte
	retained bool
	payload  []byte
}

// New makes a link. It connects in Run.
func New(cfg Config) (*Link, error) {
	if cfg.Signer == nil || cfg.Outbox == nil || cfg.Epoch == nil || len(cfg.Centre) == 0 || cfg.Officers == nil {
		return nil, errors.New("link: signer, outbox, epoch, the centre's keys and the keeper of the roster are needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("link: a broker is needed")
	}
	l := &Link{cfg: cfg, log: cfg.Log, in: make(chan Item, inboundQueue),
		limits: limits{publishLimit, ackLimit, keepAlive, failover.Defaults}, latest: map[string][]byte{}, wake: make(chan struct{}, 1),
		status: "starting", ids: map[string]bool{}, proposed: map[string]proposal{}, leaseSeq: map[string]uint64{}, acked: make(chan struct{}, 1)}
	l.brokers = &failover.List{Servers: cfg.Brokers, Probe: failover.Dial(cfg.TLS)}
	return l, nil
}

// Inbound delivers what came in.
func (l *Link) Inbound() <-chan Item { return l.in }

// Refused counts messages that failed their verification.
func (l *Link) Refused() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// Dropped counts verified messages that the loop was too slow to take.
func (l *Link) Dropped() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// SetStatus changes what status says: ready, degraded or stopping.
func (l *Link) SetStatus(s string) {
	l.mu.Lock()
	changed := l.status != s
	l.status = s
	l.mu.Unlock()
	if changed {
		l.kick()
	}
}

// PublishState replaces the retained state.
func (l *Link) PublishState(s api.State) { l.retain(api.TopicState, s) }

// PublishHealth replaces the retained health document.
func (l *Link) PublishHealth(h api.Health) { l.retain(api.TopicHealth, h) }

// PublishInfo replaces the retained description of the gate.
func (l *Link) PublishInfo(i any) { l.retain(api.TopicInfo, i) }

// PublishCheckpoint replaces the retained signed tree head.
func (l *Link) PublishCheckpoint(note []byte) { l.retainRaw(api.TopicCheckpoint, note) }

func (l *Link) retain(topic string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		l.log.Error("link: encode", "topic", topic, "err", err)
		return
	}
	l.retainRaw(topic, b)
}

func (l *Link) retainRaw(topic string, b []byte) {
	l.mu.Lock()
	l.latest[topic] = b
	delete(l.sent, topic)
	l.mu.Unlock()
	l.kick()
}

// Request publishes a sealed, signed request: at most once, never stored (a question that is late has
// no use, and ciphertext of persons is not kept).
func (l *Link) Request(kind string, e api.Envelope) {
	body, err := json.Marshal(e)
	if err != nil {
		l.log.Error("link: encode", "kind", kind, "err", err)
		return
	}
	l.queue(api.TopicRequest+"/"+kind+"/"+e.Passage, 0, l.sign(kind, body))
}

// AskTime asks the centre for the time and tells whether there is a connection. The answer, if one comes, names the nonce (E-07).
func (l *Link) AskTime(nonce string) bool {
	l.mu.Lock()
	session, up := l.session, l.up
	l.mu.Unlock()
	if !up {
		return false
	}
	b, err := json.Marshal(api.AskTime{Gate: l.cfg.Gate, Session: session, Nonce: nonce})
	if err != nil {
		l.log.Error("link: encode", "err", err)
		return false
	}
	l.queue(api.TopicRequest+"/time/"+nonce, 0, l.sign("ask_time", b))
	return true
}

// Respond answers an order.
func (l *Link) Respond(principal string, r api.Response) {
	b, err := json.Marshal(r)
	if err != nil {
		l.log.Error("link: encode", "err", err)
		return
	}
	l.queue(api.TopicResponse+"/"+principal+"/"+r.ID, 1, b)
}

func (l *Link) sign(kind string, payload []byte) []byte {
	s := l.cfg.Signer.Sign(kind, payload)
	b, err := json.Marshal(api.Signed{Kind: kind, Payload: payload, Signatures: []api.Signature{{Alg: s.Alg, Kid: s.Kid, Sig: s.Sig}}})
	if err != nil {
		panic(err) // no field of it can fail to encode
	}
	return b
}

func (l *Link) queue(topic string, qos byte, payload []byte) {
	l.mu.Lock()
	if !l.up || len(l.out) >= outboundQueue {
		l.mu.Unlock()
		return // not connected: an answer or a question nobody waits for any more
	}
	l.out = append(l.out, outbound{topic, qos, false, payload})
	l.mu.Unlock()
	l.kick()
}

func (l *Link) kick() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run connects to the first broker that works, and connects again, until ctx ends.
func (l *Link) Run(ctx context.Context) error {
	l.brokers.Limits = l.limits.connect
	l.brokers.Run(ctx, l.connection, func(broker string, err error) { l.log.Info("link: connection ended", "broker", broker, "err", err) })
	return nil
}

// Fallback tells whether the broker in use is not the first of the list.
func (l *Link) Fallback() bool { return l.brokers.At() > 0 }

func (l *Link) topic(rest string) string { return api.Topic(l.cfg.Site, l.cfg.Gate, rest) }

func (l *Link) statusDoc(state, session string) []byte {
	b, _ := json.Marshal(api.Status{State: state, Boot: l.cfg.Boot, Session: session, Epoch: l.cfg.Epoch(), At: l.cfg.Now().UTC()})
	return b
}

// connection lives as long as one client.
func (l *Link) connection(ctx context.Context, broker string) error {
	var id [8]byte
	_, _ = rand.Read(id[:])
	session := hex.EncodeToString(id[:])
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// One client id per gate, so that the broker ends an old half-open connection when it accepts this one.
	// Some brokers publish the old will only after that: see contradicted.
	opt := mqtt.NewClientOptions().AddBroker(broker).SetClientID("gate-"+l.cfg.Gate).
		SetAutoReconnect(false).SetCleanSession(true).SetConnectRetry(false).SetOrderMatters(true).SetResumeSubs(false).
		SetKeepAlive(l.limits.alive).SetPingTimeout(l.limits.alive).SetConnectTimeout(dialLimit).SetWriteTimeout(l.limits.publish).SetProtocolVersion(4).
		SetBinaryWill(l.topic(api.TopicStatus), l.statusDoc("offline", session), 1, true).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { cancel(fmt.Errorf("link: lost: %w", err)) })
	if l.cfg.TLS != nil {
		opt.SetTLSConfig(l.cfg.TLS())
	}
	if l.cfg.User != "" {
		opt.SetUsername(l.cfg.User).SetPassword(l.cfg.Password)
	}
	c := mqtt.NewClient(opt)
	if err := wait(ctx, c.Connect(), dialLimit); err != nil {
		return fmt.Errorf("link: connect: %w", err)
	}
	defer l.leave(c, session)
	l.mu.Lock()
	l.session, l.sent, l.out, l.told, l.corrected = session, map[string]bool{}, nil, false, 0
	l.mu.Unlock()
	handler := func(_ mqtt.Client, m mqtt.Message) { l.receive(ctx, session, m) }
	// QoS 0: what comes in is cumulative, repeated, or of no use in ten seconds, and a connection keeps its order. A
	// cluster keeps a queue of its own for each subscription of QoS 1, which can die while the connection lives.
	subs := map[string]byte{}
	for _, t := range []string{api.TopicCommand + "/+/+", api.TopicAnswer + "/+/+", api.TopicLease + "/+", api.TopicAck, api.TopicTime, api.TopicCosign, api.TopicRoster} {
		subs[l.topic(t)] = 0
	}
	sub := c.SubscribeMultiple(subs, handler)
	if err := wait(ctx, sub, subscribeLimit); err != nil {
		return fmt.Errorf("link: subscribe: %w", err)
	}
	if t, ok := sub.(*mqtt.SubscribeToken); ok {
		for _, granted := range t.Result() { // a refused subscription is no error of the token
			if granted > 2 {
				return errors.New("link: subscribe: the broker refused")
			}
		}
	}
	said := l.now()
	if err := l.publish(ctx, c, api.TopicStatus, 1, true, l.statusDoc(said.status, session)); err != nil {
		return err
	}
	// From here on the gate reads what its own status says. A broker that does not let it loses the repair only.
	watch := c.Subscribe(l.topic(api.TopicStatus), 0, func(_ mqtt.Client, m mqtt.Message) { l.contradicted(session, m.Payload()) })
	if err := wait(ctx, watch, subscribeLimit); err != nil {
		return fmt.Errorf("link: subscribe: %w", err)
	}
	l.mu.Lock()
	l.up = true
	l.mu.Unlock()
	l.deliver(ctx, Item{Up: true})
	defer func() {
		l.mu.Lock()
		l.up = false
		l.mu.Unlock()
		select {
		case l.in <- Item{Down: true}:
		case <-time.After(time.Second): // the loop has ended
		}
	}()
	events := make(chan struct{})
	go func() {
		defer close(events)
		cancel(l.events(ctx, c)) // a connection that does not carry events is none
	}()
	err := l.pump(ctx, c, session, said)
	cancel(err)
	<-events // it uses the outbox; nobody else may before it has ended
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// contradicted says the status again when the retained one is that of another session: the will of an old
// connection, which a broker may publish after it has accepted the new one, would say offline of a gate
// that is not. A broker that keeps contradicting is not answered for ever.
func (l *Link) contradicted(session string, payload []byte) {
	var s api.Status
	if len(payload) > maxMessage || json.Unmarshal(payload, &s) != nil || s.Session == session {
		return
	}
	l.restate(session)
}

// restate says the status of this connection again, a bounded number of times.
func (l *Link) restate(session string) {
	l.mu.Lock()
	if l.session == session && l.corrected < maxCorrections {
		l.corrected++
	}
	l.mu.Unlock()
	l.kick()
}

// leave says offline and then goodbye, in this order on one stream: a goodbye that the broker gets
// withholds the will.
func (l *Link) leave(c mqtt.Client, session string) {
	said := make(chan struct{})
	go func() { // a stuck connection holds it for the write time limit
		defer close(said)
		if c.IsConnectionOpen() {
			c.Publish(l.topic(api.TopicStatus), 1, true, l.statusDoc("offline", session)).WaitTimeout(farewell)
		}
	}()
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-said:
	case <-timer.C:
	}
	c.Disconnect(uint(quiesce.Milliseconds()))
}

// saying is what the status document depends on.
type saying struct {
	status    string
	epoch     uint64
	corrected int // how often somebody had to be told again which session this is
	stalls    int // how often the centre let events wait
}

func (l *Link) now() saying {
	epoch := l.cfg.Epoch()
	l.mu.Lock()
	defer l.mu.Unlock()
	return saying{l.status, epoch, l.corrected, l.stalls}
}

// pump sends retained documents, requests and answers.
func (l *Link) pump(ctx context.Context, c mqtt.Client, session string, said saying) error {
	for {
		if now := l.now(); now != said {
			said = now
			if err := l.publish(ctx, c, api.TopicStatus, 1, true, l.statusDoc(now.status, session)); err != nil {
				return err
			}
		}
		l.mu.Lock()
		var todo []outbound
		todo, l.out = l.out, nil
		for t, b := range l.latest {
			if !l.sent[t] {
				l.sent[t] = true
				todo = append(todo, outbound{t, 1, true, b})
			}
		}
		l.mu.Unlock()
		for _, o := range todo {
			if err := l.publish(ctx, c, o.topic, o.qos, o.retained, o.payload); err != nil {
				return err
			}
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// events sends the outbox in order, at most window ahead of the centre's acknowledgement, and again from
// the first one that the centre has not acknowledged in ackLimit. It returns when the connection is of no
// more use to events.
func (l *Link) events(ctx context.Context, c mqtt.Client) error {
	l.cfg.Outbox.Rewind()
	var flight []position
	progress := time.Now() // of the oldest in flight
	for {
		if done := l.landed(flight); done > 0 {
			flight, progress = flight[done:], time.Now()
		}
		if len(flight) > 0 && time.Since(progress) >= l.limits.ack {
			l.cfg.Outbox.Rewind()
			flight = nil
			l.mu.Lock()
			l.stalls++ // it may not know this session: the status goes out again
			l.mu.Unlock()
			l.kick()
		}
		wait, stop := ctx, context.CancelFunc(func() {})
		if len(flight) > 0 {
			wait, stop = context.WithDeadline(ctx, progress.Add(l.limits.ack))
		}
		if len(flight) >= window {
			select {
			case <-l.acked:
			case <-wait.Done():
			}
			stop()
		} else {
			e, err := l.cfg.Outbox.Next(wait)
			stop()
			switch {
			case err == nil:
				if err := l.event(ctx, c, e); err != nil {
					return err
				}
				if len(flight) == 0 {
					progress = time.Now()
				}
				flight = append(flight, position{e.Epoch, e.Seq})
			case ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded):
				return fmt.Errorf("link: outbox: %w", err)
			}
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// landed counts how many of the events in flight are acknowledged.
func (l *Link) landed(flight []position) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n < len(flight) && !l.ackedTo.before(flight[n]) {
		n++
	}
	return n
}

// event makes the CloudEvent of a committed draft.
func (l *Link) event(ctx context.Context, c mqtt.Client, e journal.Event) error {
	var d api.Draft
	if err := json.Unmarshal(e.Data, &d); err != nil || d.Type == "" {
		// What the journal wrote of its own accord, e.g. the gap at the start of an epoch.
		d = api.Draft{Type: api.EventGap, Time: time.Now().UTC(), Data: e.Data}
	}
	ev := api.Event{SpecVersion: "1.0", ID: fmt.Sprintf("%d-%d", e.Epoch, e.Seq), Source: "/" + l.cfg.Site + "/" + l.cfg.Gate,
		Type: "egate." + d.Type + ".v1", Time: d.Time, Schema: "egate/v1/" + d.Type, ContentType: "application/json", Epoch: e.Epoch, Seq: e.Seq, Data: d.Data}
	b, err := json.Marshal(ev)
	if err == nil && len(l.cfg.SealTo) > 0 && !diagnostic[d.Type] {
		d.Type = api.EventSealed
		b, err = l.sealed(ev, b)
	}
	if err != nil {
		return fmt.Errorf("link: encode event: %w", err)
	}
	return l.publish(ctx, c, api.TopicEvent+"/"+d.Type, 1, false, b)
}

// diagnostic are the events that maintenance reads; all others are the border's (DP-07).
var diagnostic = map[string]bool{api.EventFault: true, api.EventBoot: true}

// sealPad is what sealed events are padded to a multiple of: their sizes would tell their types.
const sealPad = 1 << 10

// sealed puts an event into an envelope that the centre alone opens. Its number stays outside: acknowledgements need it.
func (l *Link) sealed(ev api.Event, text []byte) ([]byte, error) {
	text = append(text, bytes.Repeat([]byte(" "), (sealPad-len(text)%sealPad)%sealPad)...)
	box, err := seal.Seal(l.cfg.SealTo, api.EventSealed, l.cfg.Gate, ev.ID, text)
	if err != nil {
		return nil, err
	}
	if ev.Data, err = json.Marshal(api.SealedEvent{Recipient: seal.KeyID(l.cfg.SealTo), Sealed: box}); err != nil {
		return nil, err
	}
	ev.Type, ev.Schema = "egate."+api.EventSealed+".v1", "egate/v1/"+api.EventSealed
	ev.Time = ev.Time.UTC().Truncate(time.Second) // whole seconds are always written alike; the exact time is inside
	return json.Marshal(ev)
}

func (l *Link) publish(ctx context.Context, c mqtt.Client, rest string, qos byte, retained bool, payload []byte) error {
	if err := wait(ctx, c.Publish(l.topic(rest), qos, retained, payload), l.limits.publish); err != nil {
		return fmt.Errorf("link: publish %s: %w", rest, err)
	}
	return nil
}

// wait bounds a token. A token of a dead connection can succeed: the caller's acknowledgement decides.
func wait(ctx context.Context, t mqtt.Token, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return errors.New("no answer in time")
	}
}

func (l *Link) deliver(ctx context.Context, i Item) {
	select {
	case l.in <- i:
	case <-ctx.Done():
	}
}

// offer delivers what the broker brought, without waiting: a handler that waits stalls acknowledgements
// and pings of the whole connection. What finds no room is an order without an answer or a lease that
// is renewed.
func (l *Link) offer(i Item) bool {
	select {
	case l.in <- i:
		return true
	default:
		l.mu.Lock()
		l.dropped++
		l.mu.Unlock()
		l.log.Warn("link: the loop does not take what came in")
		return false
	}
}
