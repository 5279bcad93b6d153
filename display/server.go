package display

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"egate/locales"
)

// Limits of the page's end. The browser is not trusted: whatever it sends is small, rare and one of
// a few known words.
const (
	maxBody      = 256                    // bytes of a touch or a beat
	maxClients   = 4                      // event streams at once: the kiosk, its successor after a restart, a technician
	touchQueue   = 8                      // touches that wait for the loop
	touchRepeat  = 300 * time.Millisecond // the same touch within this time is one finger
	beatFresh    = 3 * time.Second        // a renderer that has not said so for longer is missing
	heartbeat    = time.Second            // of the stream: the page falls back after 3 s of silence
	writeTimeout = 2 * time.Second        // a page that takes nothing for so long is cut off and reconnects
)

// Options of a Server. The zero value is usable: every language there is, English first.
type Options struct {
	Simulated bool             // marks every page
	Languages []string         // BCP 47 tags offered in the picker, first is the default; nil offers all
	Now       func() time.Time // clock of beats and deadlines, nil is time.Now
}

// Server holds the one current screen and gives it to every page that listens.
type Server struct {
	opt     Options
	langs   []locales.Language
	handler http.Handler
	touches chan Touch

	mu        sync.Mutex
	seq       uint64
	screen    Screen
	shownAt   time.Time
	clients   map[chan struct{}]struct{}
	beatAt    time.Time
	beatSeq   uint64
	lastTouch Touch
	touchAt   time.Time
}

// New makes a server that shows the recovering screen until told otherwise. A language that has no
// catalogue is left out of the picker.
func New(opt Options) *Server {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Server{
		opt:     opt,
		langs:   locales.Offer(opt.Languages),
		touches: make(chan Touch, touchQueue),
		clients: map[chan struct{}]struct{}{},
		screen:  Screen{Name: ScreenRecovering, Progress: -1, Simulated: opt.Simulated},
		shownAt: opt.Now(),
		seq:     1,
	}
	s.handler = s.routes()
	return s
}

// Show replaces the current screen. It never blocks: a page that is slow sees the newest screen and
// misses those between.
func (s *Server) Show(sc Screen) {
	sc.Simulated = sc.Simulated || s.opt.Simulated
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	s.screen = sc
	s.shownAt = s.opt.Now()
	for c := range s.clients {
		select {
		case c <- struct{}{}:
		default: // already told
		}
	}
}

// Touches delivers what travellers press, in order. When nobody takes them, later ones are dropped:
// a touch is never worth more than the screen it answers.
func (s *Server) Touches() <-chan Touch { return s.touches }

// RendererAlive tells whether a page has painted the current screen, or one shown less than 3 s ago,
// and has said so within the last 3 s. A screen that nobody can see is a health fault.
func (s *Server) RendererAlive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opt.Now()
	if s.beatAt.IsZero() || now.Sub(s.beatAt) > beatFresh {
		return false
	}
	return s.beatSeq == s.seq || now.Sub(s.shownAt) <= beatFresh
}

// Handler serves the page. It answers on loopback names only, so that a foreign page cannot reach it
// by rebinding a name.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", files())
	mux.HandleFunc("GET /setup.json", s.serveSetup)
	mux.HandleFunc("GET /locales/{file}", serveLocale)
	mux.HandleFunc("GET /events", s.serveEvents)
	mux.HandleFunc("POST /touch", s.serveTouch)
	mux.HandleFunc("POST /beat", s.serveBeat)
	cross := http.NewCrossOriginProtection()
	return loopbackOnly(headers(cross.Handler(mux)))
}

// policy of the page: own files only, no inline script or style, no frame around it, nothing sent on.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), usb=(), serial=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if host != "localhost" && (err != nil || !addr.IsLoopback()) {
			http.Error(w, "display: not a loopback name", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// setup is what the page needs to know before the first screen.
type setup struct {
	Simulated bool               `json:"simulated"`
	Languages []locales.Language `json:"languages"`
}

func (s *Server) serveSetup(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(setup{Simulated: s.opt.Simulated, Languages: s.langs})
}

func serveLocale(w http.ResponseWriter, r *http.Request) {
	tag, ok := strings.CutSuffix(r.PathValue("file"), ".json")
	text, err := locales.Screen(tag)
	if !ok || err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

// snapshot returns the current screen as one message, its deadline counted down to now.
func (s *Server) snapshot() (seq uint64, msg []byte, err error) {
	s.mu.Lock()
	sc, seq, age := s.screen, s.seq, s.opt.Now().Sub(s.shownAt)
	s.mu.Unlock()
	if sc.DeadlineMS > 0 {
		sc.DeadlineMS = max(1, sc.DeadlineMS-age.Milliseconds())
	}
	body, err := json.Marshal(sc)
	if err != nil {
		return 0, nil, fmt.Errorf("display: encode screen: %w", err)
	}
	return seq, fmt.Appendf(nil, "id: %d\ndata: %s\n\n", seq, body), nil
}

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	wake := make(chan struct{}, 1)
	s.mu.Lock()
	if len(s.clients) >= maxClients {
		s.mu.Unlock()
		http.Error(w, "display: too many pages", http.StatusServiceUnavailable)
		return
	}
	s.clients[wake] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.clients, wake)
		s.mu.Unlock()
	}()

	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	send := func(msg []byte) error {
		// Deadlines are of the socket: the wall clock, not the injected one.
		if err := out.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := w.Write(msg); err != nil {
			return err
		}
		return out.Flush()
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	var sent uint64
	for {
		seq, msg, err := s.snapshot()
		if err != nil {
			return
		}
		if seq != sent {
			if send(msg) != nil {
				return
			}
			sent = seq
		}
		select {
		case <-r.Context().Done():
			return
		case <-wake:
		case <-tick.C:
			// A comment keeps the connection warm; the named event is what a page can see.
			if send([]byte(": beat\nevent: beat\ndata: 1\n\n")) != nil {
				return
			}
		}
	}
}

func (s *Server) serveTouch(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Touch Touch `json:"touch"`
	}
	if !decode(w, r, &body) {
		return
	}
	if !slices.Contains([]Touch{TouchAccept, TouchDecline, TouchMoreTime, TouchExit}, body.Touch) {
		http.Error(w, "display: unknown touch", http.StatusBadRequest)
		return
	}
	if !s.offered(body.Touch) {
		w.WriteHeader(http.StatusConflict) // the screen has changed under the finger
		return
	}
	select {
	case s.touches <- body.Touch:
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "display: touches are not taken", http.StatusServiceUnavailable)
	}
}

// offered tells whether the current screen offers a touch. Ways out (decline, exit) are passed on
// from every screen: the gate decides, never this page's state. A consent is different: Accept
// counts only for a notice that is being shown (DP-05).
func (s *Server) offered(t Touch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opt.Now()
	if t == s.lastTouch && now.Sub(s.touchAt) < touchRepeat {
		return false
	}
	switch {
	case t == TouchAccept && s.screen.Name != ScreenNotice, t == TouchMoreTime && !s.screen.More:
		return false
	}
	s.lastTouch, s.touchAt = t, now
	return true
}

func (s *Server) serveBeat(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Seq string `json:"seq"` // id of the message that was painted last
	}
	if !decode(w, r, &body) {
		return
	}
	seq, err := strconv.ParseUint(body.Seq, 10, 64)
	if err != nil {
		http.Error(w, "display: beat without a number", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	if seq <= s.seq {
		s.beatAt, s.beatSeq = s.opt.Now(), seq
	}
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// decode reads one small JSON document of known fields, or answers why not.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); t != "application/json" {
		http.Error(w, "display: content type must be application/json", http.StatusUnsupportedMediaType)
		return false
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "display: body too long", http.StatusRequestEntityTooLarge)
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil || dec.More() {
		http.Error(w, "display: body is not the JSON that is expected", http.StatusBadRequest)
		return false
	}
	return true
}
