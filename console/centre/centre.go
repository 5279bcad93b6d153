// Package centre is the border control centre's end of the link for a small site: it stores and
// acknowledges events, answers look-ups, holds gates open for signed-in officers, carries their orders,
// and keeps referral envelopes, sealed, until the referral closes.
//
// It implements console.Centre. What it stores (SQLite) is events, which name no person; a look-up is
// opened, answered and wiped; a dossier is never opened here.
package centre

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"egate/api"
	"egate/console"
	"egate/seal"
)

// Principal is the name of this centre in topics and orders.
const Principal = "console"

// Limits of the centre.
const (
	leaseLife   = 5 * time.Second // O-01: a desk that is gone holds no gate open for longer
	leaseEvery  = 1500 * time.Millisecond
	orderLife   = 8 * time.Second // at most ten seconds
	answerLife  = 30 * time.Second
	maxLookups  = 16 // at once
	answerLimit = 5 * time.Second
	maxDossiers = 64 // sealed referral envelopes per gate
	maxAlerts   = 100
	maxRecent   = 50
)

// Config is what a centre is made of.
type Config struct {
	Site      string
	Simulated bool
	Gates     map[string]ed25519.PublicKey // gates of the line and their keys
	Listen    string                       // the embedded broker listens here; empty: Broker is external
	Broker    Broker
	Signer    *seal.Signer // orders, leases, answers, acknowledgements
	SealKey   []byte       // HPKE private key: look-ups
	Officers  []OfficerRow
	WatchList string // YAML file
	Database  string // SQLite file
	// AnswerChild is the command line of a program that calls AnswerMain, e.g. egate-console answer-lookup.
	AnswerChild []string
	Log         *slog.Logger
	Now         func() time.Time
}

// Centre is the centre's end.
type Centre struct {
	cfg   Config
	log   *slog.Logger
	store *store
	list  *watchList
	net   *network
	// lookups bounds the children that answer.
	lookups chan struct{}

	mu       sync.Mutex
	seq      uint64
	gates    map[string]*gateState
	order    []string
	recent   []console.RecentView
	watchers map[chan struct{}]struct{}
	sessions map[string]*session
	waiting  map[string]chan api.Response
	leaseSeq uint64
}

// gateState is what is known of one gate.
type gateState struct {
	view     console.GateView
	epoch    uint64 // of the last stored event
	upto     uint64
	dossiers map[string]map[string]api.Envelope // passage, key id
	referral map[string]*console.ReferralView
}

var _ console.Centre = (*Centre)(nil)

// New opens the database and the watch list. It connects in Run.
func New(cfg Config) (*Centre, error) {
	if len(cfg.Gates) == 0 || cfg.Signer == nil || len(cfg.SealKey) == 0 || len(cfg.AnswerChild) == 0 {
		return nil, errors.New("centre: gates, signing key, sealing key and the child that answers are needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Centre{cfg: cfg, log: cfg.Log, gates: map[string]*gateState{}, watchers: map[chan struct{}]struct{}{},
		lookups: make(chan struct{}, maxLookups), sessions: map[string]*session{}, waiting: map[string]chan api.Response{}}
	var err error
	if c.store, err = openStore(cfg.Database); err != nil {
		return nil, err
	}
	if c.list, err = openWatchList(cfg.WatchList); err != nil {
		return nil, errors.Join(err, c.store.close())
	}
	for name := range cfg.Gates {
		g := &gateState{dossiers: map[string]map[string]api.Envelope{}, referral: map[string]*console.ReferralView{}}
		g.view = console.GateView{Site: cfg.Site, Gate: name, Status: api.Status{State: "offline"}, Alerts: []console.AlertView{}}
		if g.epoch, g.upto, err = c.store.last(name); err != nil {
			return nil, errors.Join(err, c.store.close())
		}
		g.view.AckedUpto = g.upto
		c.gates[name] = g
		c.order = append(c.order, name)
	}
	slices.Sort(c.order)
	c.net = newNetwork(cfg, c.receive)
	return c, nil
}

// Run serves until ctx ends. ready is called when the broker can be used.
func (c *Centre) Run(ctx context.Context, ready func()) error {
	if err := c.net.listen(); err != nil {
		return errors.Join(err, c.store.close())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.net.run(ctx, ready) })
	g.Go(func() error { c.leases(ctx); return nil })
	g.Go(func() error { c.storing(ctx); return nil })
	err := g.Wait()
	return errors.Join(err, c.net.close(), c.store.close())
}

// Watch implements console.Centre.
func (c *Centre) Watch(ctx context.Context, f func(console.Line)) error {
	wake := make(chan struct{}, 1)
	c.mu.Lock()
	c.watchers[wake] = struct{}{}
	line := c.line()
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.watchers, wake)
		c.mu.Unlock()
	}()
	for {
		f(line)
		select {
		case <-wake:
			c.mu.Lock()
			line = c.line()
			c.mu.Unlock()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// changed wakes the watchers; mu is held.
func (c *Centre) changed() {
	c.seq++
	for w := range c.watchers {
		select {
		case w <- struct{}{}:
		default: // it has not looked yet and will see this change too
		}
	}
}

// line copies what is known; mu is held.
func (c *Centre) line() console.Line {
	l := console.Line{Seq: c.seq, Simulated: c.cfg.Simulated, At: c.cfg.Now().UTC(), Gates: []console.GateView{}, Recent: append([]console.RecentView{}, c.recent...)}
	for _, name := range c.order {
		g := c.gates[name]
		v := g.view
		v.Alerts = append([]console.AlertView{}, v.Alerts...)
		var first *console.ReferralView
		for _, r := range g.referral {
			if first == nil || r.Since.Before(first.Since) {
				first = r
			}
		}
		if first != nil {
			r := *first
			r.Dossier = len(g.dossiers[r.Passage]) > 0
			v.Referral = &r
		}
		l.Gates = append(l.Gates, v)
	}
	return l
}

// History implements console.Centre.
func (c *Centre) History(gate string, afterEpoch, afterSeq uint64, limit int) ([]api.Event, error) {
	if _, ok := c.cfg.Gates[gate]; !ok {
		return nil, fmt.Errorf("centre: no gate of that name")
	}
	return c.store.after(gate, afterEpoch, afterSeq, limit)
}

// Dossier implements console.Centre.
func (c *Centre) Dossier(sessionID, gate, passage string) (console.SealedDossier, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, g := c.sessions[sessionID], c.gates[gate]
	if s == nil || g == nil {
		return console.SealedDossier{}, errors.New("centre: not signed in, or no such gate")
	}
	e, ok := g.dossiers[passage][s.kid]
	if !ok {
		return console.SealedDossier{}, errors.New("centre: no dossier of this referral was sealed to this session")
	}
	return console.SealedDossier{Envelope: e, PrivateKey: append([]byte{}, s.priv...)}, nil
}
