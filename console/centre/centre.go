// Package centre is the border control centre's end of the link for a small site: it stores and
// acknowledges events, answers look-ups, holds gates open for signed-in officers, carries their orders,
// and keeps referral envelopes, sealed, until the referral closes.
//
// It implements console.Centre. What it stores (SQLite) is events, which name no person; a look-up is
// opened, answered and wiped in a one-shot child; a dossier is never opened here.
package centre

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"egate/api"
	"egate/console"
	"egate/officers"
	"egate/seal"
)

// Principal is the name of this centre in topics and orders.
const Principal = "console"

// Limits of the centre.
const (
	leaseLife   = 5 * time.Second // O-01: a desk that is gone holds no gate open for longer
	leaseEvery  = 1500 * time.Millisecond
	orderLife   = 8 * time.Second // at most ten seconds
	maxSessions = 64              // a lease carries one key per session, and the gate takes so many
	maxRecent   = 50
	maxHistory  = 1000 // events of one page
	replayed    = 1000 // newest events of a gate that the desk's picture is made of at start
	rowQueue    = 4096 // events on their way to the disk; a gate sends again what finds no room
	forgetEvery = time.Hour
)

// Defaults of a Config.
const (
	DefaultSessionLife     = 16 * time.Minute // longer than the desk's own limit
	DefaultGatesPerOfficer = 6
	DefaultKeep            = 90 * 24 * time.Hour
)

// Config is what a centre is made of.
type Config struct {
	Site      string
	Simulated bool
	Gates     map[string]ed25519.PublicKey // gates of the line and their keys
	// Listen is the embedded broker's address; empty: Broker is external. ListenTLS holds its certificate
	// and the authority of its clients; without it the address must be a loopback one.
	Listen    string
	ListenTLS *tls.Config
	Broker    Broker
	Signer    *seal.Signer // orders, leases, answers, acknowledgements
	SealKey   []byte       // HPKE private key: look-ups
	// Roster is the file of the signed roster, read again when it changes and handed to the gates; RosterKey is the
	// public key of who signs it, offline.
	Roster    string
	RosterKey ed25519.PublicKey
	WatchList string // YAML file
	Database  string // SQLite file
	// AnswerChild is the command line of a program that calls AnswerMain, e.g. egate-console answer-lookup.
	AnswerChild []string
	// AnswerLimit is how long the child may take; 0: five seconds.
	AnswerLimit time.Duration
	// SessionLife ends a session that nobody touches; the desk's own limit is shorter.
	SessionLife time.Duration
	// GatesPerOfficer is how many gates one officer holds open (O-01).
	GatesPerOfficer int
	// RepeatWindow is how long a document that was used at a gate is known again (P-12); 0: never.
	RepeatWindow time.Duration
	// Keep is how long events are kept (DP-08).
	Keep time.Duration
	// Certificate tells which alert of the console's own certificate holds, "" for none (M-05); nil where it has none.
	Certificate func() string
	Log         *slog.Logger
	Now         func() time.Time
}

// Centre is the centre's end.
type Centre struct {
	cfg     Config
	log     *slog.Logger
	store   *store
	list    *watchList
	net     *network
	sealKid string
	repeats *repeats // nil: not asked for
	roster  *officers.Keeper
	events  chan row
	limits  limits

	life     context.Context // of the children
	endLife  context.CancelFunc
	children sync.WaitGroup

	mu       sync.Mutex
	ended    bool
	seq      uint64
	gates    map[string]*gateState
	order    []string
	recent   []console.RecentView
	watchers map[chan struct{}]struct{}
	sessions map[string]*session
	waiting  map[string]chan api.Response
	leaseSeq uint64
	nonces   map[string]time.Time   // of sign-ins that have begun
	seen     map[[32]byte]time.Time // questions
	asking   int

	// Used by the goroutine that tends, and by nobody else.
	rosterAt   time.Time
	rosterSize int64
	rosterBad  bool
	rosterSent map[string]time.Time // by gate
}

// limits are those that tests on a busy machine lengthen: for a gate's answer to an order, and for the child that
// answers a look-up.
type limits struct{ order, answer time.Duration }

// gateState is what is known of one gate.
type gateState struct {
	view     console.GateView
	greeted  bool // was told of acknowledgements and leases on this connection
	cut      bool // something may be missing before the next event
	acked    position
	ledger   *ledger                      // used by the goroutine that stores, and by nobody else
	dossiers map[string]map[string]sealed // by passage and key id
	referral map[string]*console.ReferralView
	over     []string // passages whose referral is over
	alerts   []*alert
	witness  *witness // used by the goroutine that stores, and by nobody else
	// uncovered is since when a stored event has waited for a checkpoint over it, coveredTo how far they go.
	uncovered time.Time
	coveredTo uint64
	skews     []time.Duration
	proposed  map[string]proposed // by id: orders that may wait for a second officer
}

var _ console.Centre = (*Centre)(nil)

// New opens the database and the watch list. It connects in Run.
func New(cfg Config) (*Centre, error) {
	if cfg.Site == "" || len(cfg.Gates) == 0 || cfg.Signer == nil || len(cfg.SealKey) == 0 || len(cfg.AnswerChild) == 0 {
		return nil, errors.New("centre: site, gates, signing key, sealing key and the child that answers are needed")
	}
	for name, key := range cfg.Gates {
		if len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("centre: the key of %s is none", name)
		}
		if _, taken := others[name]; taken || name == Principal {
			return nil, fmt.Errorf("centre: no gate may be called %s", name)
		}
	}
	if len(cfg.RosterKey) != ed25519.PublicKeySize {
		return nil, errors.New("centre: the key of the roster is none")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.SessionLife = cmp.Or(cfg.SessionLife, DefaultSessionLife)
	cfg.GatesPerOfficer = cmp.Or(cfg.GatesPerOfficer, DefaultGatesPerOfficer)
	cfg.Keep = cmp.Or(cfg.Keep, DefaultKeep)
	pub, err := seal.Public(cfg.SealKey)
	if err != nil {
		return nil, fmt.Errorf("centre: sealing key: %w", err)
	}
	c := &Centre{cfg: cfg, log: cfg.Log, limits: limits{order: orderLife, answer: cmp.Or(cfg.AnswerLimit, answerLimit)}, sealKid: seal.KeyID(pub), repeats: newRepeats(cfg.RepeatWindow), events: make(chan row, rowQueue),
		gates: map[string]*gateState{}, watchers: map[chan struct{}]struct{}{}, sessions: map[string]*session{},
		waiting: map[string]chan api.Response{}, seen: map[[32]byte]time.Time{}, nonces: map[string]time.Time{}, rosterSent: map[string]time.Time{},
		roster: officers.NewKeeper(cfg.Site, "", cfg.Simulated, seal.Trust(cfg.RosterKey), cfg.Now)}
	c.life, c.endLife = context.WithCancel(context.Background())
	if err := c.roster.Read(cfg.Roster); err != nil {
		return nil, fmt.Errorf("centre: %w", err)
	}
	if c.list, err = openWatchList(cfg.WatchList); err != nil {
		return nil, err
	}
	if c.store, err = openStore(cfg.Database); err != nil {
		return nil, err
	}
	if err := c.restore(); err != nil {
		return nil, errors.Join(err, c.store.close())
	}
	c.net = newNetwork(cfg, c.receive, c.lost)
	return c, nil
}

// restore makes the desk's picture of the newest stored events, so that what was open or alarmed before a
// restart still is.
func (c *Centre) restore() error {
	for name := range c.cfg.Gates {
		g := &gateState{cut: true, dossiers: map[string]map[string]sealed{}, referral: map[string]*console.ReferralView{}}
		g.view = console.GateView{Site: c.cfg.Site, Gate: name, Status: api.Status{State: offline}}
		upto, err := c.store.positions(name)
		if err != nil {
			return err
		}
		g.ledger = newLedger(upto)
		g.acked = position{g.ledger.top, upto[g.ledger.top]}
		g.view.AckedUpto = g.acked.seq
		c.gates[name] = g
		c.order = append(c.order, name)
		if g.witness, err = c.openWitness(name); err != nil {
			return err
		}
		events, err := c.store.newest(name, replayed)
		if err != nil {
			return err
		}
		doubts, err := c.store.suspects(name)
		if err != nil {
			return err
		}
		for _, e := range events {
			for len(doubts) > 0 && !doubts[0].at.After(e.Time) {
				c.alert(g, doubts[0].at, doubts[0].reason, "danger", "", true)
				doubts = doubts[1:]
			}
			c.learn(g, e)
		}
		for _, d := range doubts {
			c.alert(g, d.at, d.reason, "danger", "", true)
		}
	}
	slices.Sort(c.order)
	slices.SortStableFunc(c.recent, func(a, b console.RecentView) int { return b.At.Compare(a.At) })
	return nil
}

// Run serves until ctx ends. ready is called whenever the broker can be used.
func (c *Centre) Run(ctx context.Context, ready func()) error {
	if err := c.net.listen(); err != nil {
		return errors.Join(err, c.store.close())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.net.run(ctx, ready) })
	g.Go(func() error { c.tend(ctx); return nil })
	g.Go(func() error { c.storing(ctx); return nil })
	g.Go(func() error { c.retain(ctx); return nil })
	err := g.Wait()
	c.end()
	return errors.Join(err, c.net.close(), c.store.close())
}

// end forgets everything that must not outlive the centre.
func (c *Centre) end() {
	c.mu.Lock()
	c.ended = true
	for _, s := range c.sessions {
		clear(s.priv)
	}
	clear(c.sessions)
	for _, g := range c.gates {
		clear(g.dossiers)
	}
	c.mu.Unlock()
	c.endLife()
	c.children.Wait()
	c.repeats.forget()
}

// Watch implements console.Centre. A watcher that is slow sees fewer snapshots, and the newest.
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
	l := console.Line{Seq: c.seq, Simulated: c.cfg.Simulated, At: c.cfg.Now().UTC(), Gates: []console.GateView{}, Recent: append([]console.RecentView{}, c.recent...), OnDuty: []string{}}
	for _, s := range c.sessions {
		if who := s.officer.Pseudonym; !slices.Contains(l.OnDuty, who) {
			l.OnDuty = append(l.OnDuty, who)
		}
	}
	slices.Sort(l.OnDuty)
	for _, name := range c.order {
		g := c.gates[name]
		v := g.view
		v.Alerts = []console.AlertView{}
		for _, a := range g.alerts {
			if a.view.Active {
				v.Alerts = append(v.Alerts, a.view)
			}
		}
		var first *console.ReferralView
		for _, r := range g.referral {
			if first == nil || r.Since.Before(first.Since) || r.Since.Equal(first.Since) && r.Passage < first.Passage {
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
		return nil, errors.New("centre: no gate of that name")
	}
	return c.store.after(gate, min(afterEpoch, maxNumber), min(afterSeq, maxNumber), min(max(limit, 0), maxHistory))
}

// Dossier implements console.Centre.
func (c *Centre) Dossier(sessionID, gate, passage string) (console.SealedDossier, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, g := c.sessions[sessionID], c.gates[gate]
	if s == nil || g == nil {
		return console.SealedDossier{}, errors.New("centre: not signed in, or no such gate")
	}
	d, ok := g.dossiers[passage][s.kid]
	if !ok {
		return console.SealedDossier{}, errors.New("centre: no dossier of this referral was sealed to this session")
	}
	return console.SealedDossier{Envelope: d.envelope, PrivateKey: slices.Clone(s.priv)}, nil
}
