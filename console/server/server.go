// Package server is the desk that officers look at: pages, sessions, the live line over SSE, orders,
// and the referral desk. It speaks to the centre's end through console.Centre and to open dossiers
// through children that hold what is personal; in this process there is no name and no pixel.
package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"egate/console"
	"egate/officers"
	"egate/verdict"
)

// Limits of the desk.
const (
	maxBody       = 16 << 10         // bytes of one request: an order with its officer's proof
	maxSessions   = 32               // officers signed in at once
	maxStreams    = 4                // event streams of one session: one desk with a few windows
	maxDossiers   = 4                // open at once in one session
	streamQueue   = 64               // messages that wait for a slow page before it is cut off
	streamWrite   = 5 * time.Second  // one message must be taken within this
	streamBeat    = 5 * time.Second  // of a stream with nothing to tell
	orderLimit    = 10 * time.Second // for a gate's answer to an order
	maxHistory    = 200              // events of one page of history
	failuresMax   = 5                // wrong sign-ins of one passkey before it waits
	failuresWait  = time.Minute
	failuresNames = 256 // passkeys remembered; when full, all wait
	cookieName    = "egate_desk"
)

// Opened is one open dossier in its own process.
type Opened interface {
	Hash() []byte
	Hand(conn syscall.Conn, part string) error
	Done() <-chan struct{}
	Close()
}

// Opener starts the process that opens one sealed dossier.
type Opener func(ctx context.Context, gate, passage string, sealed console.SealedDossier) (Opened, error)

// Options of a Server. Zero times take the defaults; Files and Open are needed.
type Options struct {
	Site      string
	Simulated bool
	Demo      *Demo         // demo officer named on the sign-in page, simulation only
	IdleClose time.Duration // no input for so long closes dossiers; 60 s (O-06)
	IdleOut   time.Duration // no input for so long signs out; 15 min
	Files     fs.FS         // built pages
	Open      Opener
	Log       *slog.Logger
	Now       func() time.Time // nil is time.Now
}

// Demo is the officer of the simulation profile, named as such on the sign-in page: the page plays his
// authenticator with this passkey, which is on the roster of that throw-away site and on no other.
type Demo struct {
	Name       string `json:"name"`
	Credential []byte `json:"credential"`
	Seed       []byte `json:"seed"`   // Ed25519
	Public     []byte `json:"public"` // Ed25519
}

// Server is the desk. It serves HTTP; Run keeps it live.
type Server struct {
	opt     Options
	centre  console.Centre
	handler http.Handler

	mu       sync.Mutex
	sessions map[[32]byte]*session // by SHA-256 of the cookie
	failures map[string]failure
	line     console.Line // last one published to the streams
	next     *console.Line
	wake     chan struct{}
	closed   bool
}

type failure struct {
	count int
	until time.Time
}

// session is one signed-in officer.
type session struct {
	key      [32]byte
	officer  console.Officer
	input    time.Time // last input of a person
	dossiers map[string]*desk
	streams  map[*stream]struct{}
	ended    bool
}

// desk is one open referral of a session.
type desk struct {
	gate, passage string
	opened        Opened
}

func deskKey(gate, passage string) string { return gate + "/" + passage }

// New makes a desk for a centre.
func New(centre console.Centre, opt Options) *Server {
	if opt.IdleClose == 0 {
		opt.IdleClose = time.Minute
	}
	if opt.IdleOut == 0 {
		opt.IdleOut = 15 * time.Minute
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if !opt.Simulated {
		opt.Demo = nil
	}
	s := &Server{
		opt: opt, centre: centre,
		sessions: map[[32]byte]*session{}, failures: map[string]failure{},
		wake: make(chan struct{}, 1),
	}
	s.handler = s.routes()
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run follows the line and the clocks of the sessions until ctx ends; then every session ends, and
// with it every dossier.
func (s *Server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watchErr error
	wg.Go(func() {
		defer cancel()
		watchErr = s.centre.Watch(ctx, func(l console.Line) {
			s.mu.Lock()
			s.next = &l
			s.mu.Unlock()
			select {
			case s.wake <- struct{}{}:
			default:
			}
		})
	})
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.endAll()
			wg.Wait()
			if watchErr != nil && !errors.Is(watchErr, context.Canceled) {
				return fmt.Errorf("console: watch: %w", watchErr)
			}
			return nil
		case <-s.wake:
			s.publish()
		case <-tick.C:
			s.sweep()
		}
	}
}

func (s *Server) endAll() {
	s.mu.Lock()
	s.closed = true
	var all []*session
	for _, ses := range s.sessions {
		all = append(all, ses)
	}
	s.mu.Unlock()
	for _, ses := range all {
		s.end(ses, "stopped")
	}
}

// sweep closes dossiers without input for IdleClose (O-06) and sessions without it for IdleOut, and
// takes note of children that have gone by themselves.
func (s *Server) sweep() {
	now := s.opt.Now()
	var out, gone []*session
	var close []Opened
	s.mu.Lock()
	for _, ses := range s.sessions {
		idle := now.Sub(ses.input)
		if idle >= s.opt.IdleOut {
			out = append(out, ses)
			continue
		}
		if !s.centre.Active(ses.officer.Session) {
			gone = append(gone, ses)
			continue
		}
		for key, d := range ses.dossiers {
			why := ""
			select {
			case <-d.opened.Done():
				why = "failed"
			default:
			}
			if idle >= s.opt.IdleClose {
				why = "idle"
			}
			if why != "" {
				close = append(close, s.drop(ses, key, why))
			}
		}
	}
	s.mu.Unlock()
	closeAll(close)
	for _, ses := range out {
		s.end(ses, "idle")
	}
	for _, ses := range gone {
		s.end(ses, "removed")
	}
}

// drop takes a dossier out of its session and tells the session's pages. s.mu is held; the caller
// closes what is returned without the lock.
func (s *Server) drop(ses *session, key, why string) Opened {
	d := ses.dossiers[key]
	delete(ses.dossiers, key)
	ses.tell("dossier_closed", map[string]string{"gate": d.gate, "passage": d.passage, "why": why})
	s.opt.Log.Info("dossier closed", "gate", d.gate, "why", why, "officer", ses.officer.Pseudonym)
	return d.opened
}

func closeAll(list []Opened) {
	var wg sync.WaitGroup
	for _, o := range list {
		wg.Go(o.Close)
	}
	wg.Wait()
}

// end signs a session out: dossiers, streams, the centre's keys and leases.
func (s *Server) end(ses *session, why string) {
	s.mu.Lock()
	if ses.ended {
		s.mu.Unlock()
		return
	}
	ses.ended = true
	delete(s.sessions, ses.key)
	var close []Opened
	for key := range ses.dossiers {
		close = append(close, s.drop(ses, key, "signed_out"))
	}
	ses.tell("signed_out", map[string]string{"why": why})
	for st := range ses.streams {
		st.finish()
	}
	s.mu.Unlock()
	closeAll(close)
	s.centre.SignOut(ses.officer.Session)
	s.opt.Log.Info("signed out", "officer", ses.officer.Pseudonym, "why", why)
}

// find returns the session of a request, or nil.
func (s *Server) find(r *http.Request) *session {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	key := sha256.Sum256([]byte(c.Value))
	s.mu.Lock()
	defer s.mu.Unlock()
	ses := s.sessions[key]
	if ses == nil || ses.ended {
		return nil
	}
	return ses
}

// input notes that a person did something.
func (s *Server) input(ses *session) {
	s.mu.Lock()
	ses.input = s.opt.Now()
	s.mu.Unlock()
	s.centre.Touch(ses.officer.Session)
}

// me is what a page is told about its officer.
type me struct {
	Pseudonym  string    `json:"pseudonym"`
	Demo       bool      `json:"demo"`
	Since      time.Time `json:"since"`
	Site       string    `json:"site"`
	IdleClose  int       `json:"idle_close_s"`
	Simulated  bool      `json:"simulated"`
	Credential []byte    `json:"credential"` // of the passkey that signed in
	May        []string  `json:"may"`        // orders of the officer's roles; the gate decides
	Fresh      []string  `json:"fresh"`      // those that need a touch of the passkey each
	Stops      []string  `json:"stops"`      // reasons of a safeguarding stop (O-08)
}

func (s *Server) me(ses *session) me {
	return me{
		Pseudonym: ses.officer.Pseudonym, Demo: ses.officer.Demo, Since: ses.officer.Since,
		Site: s.opt.Site, IdleClose: int(s.opt.IdleClose / time.Second), Simulated: s.opt.Simulated, Credential: ses.officer.Credential,
		May: pick(func(name string) bool { return officers.May(ses.officer.Roles, name) }), Fresh: pick(officers.NeedsFresh), Stops: verdict.Safeguarding(),
	}
}

// pick are the orders of the desk that f holds of, in a fixed order.
func pick(f func(string) bool) []string {
	out := []string{}
	for _, name := range slices.Sorted(maps.Keys(orders)) {
		if f(name) {
			out = append(out, name)
		}
	}
	return out
}

func (s *Server) serveChallenge(w http.ResponseWriter, _ *http.Request) {
	c, err := s.centre.Challenge()
	if err != nil {
		s.opt.Log.Warn("challenge", "err", err)
		refuse(w, http.StatusServiceUnavailable, "failed")
		return
	}
	reply(w, c)
}

func (s *Server) serveSignIn(w http.ResponseWriter, r *http.Request) {
	var in console.SignIn
	if !decode(w, r, &in) {
		return
	}
	who := hex.EncodeToString(in.Assertion.Credential)
	if wait := s.mustWait(who); wait {
		refuse(w, http.StatusTooManyRequests, "locked")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), orderLimit)
	defer cancel()
	officer, err := s.centre.SignIn(ctx, in)
	if err != nil {
		s.failed(who)
		s.opt.Log.Warn("sign-in refused", "stream", "security", "err", err)
		refuse(w, http.StatusUnauthorized, "wrong")
		return
	}
	token := rand.Text() + rand.Text()
	ses := &session{
		key: sha256.Sum256([]byte(token)), officer: officer, input: s.opt.Now(),
		dossiers: map[string]*desk{}, streams: map[*stream]struct{}{},
	}
	s.mu.Lock()
	full := s.closed || len(s.sessions) >= maxSessions
	if !full {
		s.sessions[ses.key] = ses
		delete(s.failures, who)
	}
	s.mu.Unlock()
	if full {
		s.centre.SignOut(officer.Session)
		refuse(w, http.StatusServiceUnavailable, "failed")
		return
	}
	if old := s.find(r); old != nil { // the same browser signs in again
		s.end(old, "again")
	}
	s.opt.Log.Info("signed in", "officer", officer.Pseudonym, "demo", officer.Demo)
	http.SetCookie(w, s.cookie(r, token, 0))
	reply(w, s.me(ses))
}

// cookie lives as long as the browser window and is never readable by script. It is marked secure
// behind a TLS terminator; on the loopback itself there is no TLS to demand.
func (s *Server) cookie(r *http.Request, token string, age int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: token, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

func (s *Server) mustWait(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opt.Now()
	for n, f := range s.failures {
		if !f.until.IsZero() && now.After(f.until) {
			delete(s.failures, n)
		}
	}
	f, known := s.failures[name]
	return f.count >= failuresMax || (!known && len(s.failures) >= failuresNames)
}

func (s *Server) failed(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.failures[name]
	f.count++
	f.until = s.opt.Now().Add(failuresWait)
	s.failures[name] = f
}

func (s *Server) serveSignOut(w http.ResponseWriter, r *http.Request, ses *session) {
	s.end(ses, "officer")
	http.SetCookie(w, s.cookie(r, "", -1))
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	w.WriteHeader(http.StatusNoContent)
}

// sameHash compares without telling how far.
func sameHash(a, b []byte) bool { return len(a) > 0 && subtle.ConstantTimeCompare(a, b) == 1 }

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// refuse answers with a code that the page has a text for.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code})
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("more than one document")
		}
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad_request")
		return false
	}
	return true
}
