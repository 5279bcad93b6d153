package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"egate/api"
	"egate/console"
	"egate/locales"
	"egate/verdict"
)

// policy of the officers' pages: own files only; one Trusted Types policy, that of the template library.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html"

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", s.servePage)
	mux.HandleFunc("GET /locales/{file}", serveLocale)
	mux.HandleFunc("GET /api/hello", s.serveHello)
	mux.HandleFunc("POST /api/challenge", marked(s.serveChallenge))
	mux.HandleFunc("POST /api/sign-in", marked(s.serveSignIn))
	mux.HandleFunc("POST /api/sign-out", s.signedIn(s.serveSignOut))
	mux.HandleFunc("POST /api/input", s.signedIn(s.serveInput))
	mux.HandleFunc("GET /api/me", s.signedIn(s.serveMe))
	mux.HandleFunc("GET /api/line", s.signedIn(s.serveLine))
	mux.HandleFunc("GET /api/events", s.signedIn(s.serveEvents))
	mux.HandleFunc("GET /api/history", s.signedIn(s.serveHistory))
	mux.HandleFunc("POST /api/orders", s.signedIn(s.serveOrder))
	mux.HandleFunc("POST /api/referrals/{gate}/{passage}/open", s.signedIn(s.serveOpen))
	mux.HandleFunc("GET /api/referrals/{gate}/{passage}/photo/{which}", s.signedIn(s.servePhoto))
	mux.HandleFunc("DELETE /api/referrals/{gate}/{passage}", s.signedIn(s.serveClose))
	return headers(http.NewCrossOriginProtection().Handler(mux))
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// marked asks for the header that a page of another origin cannot send without being asked for leave.
func marked(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Header.Get("X-Egate") != "1" {
			refuse(w, http.StatusForbidden, "bad_request")
			return
		}
		next(w, r)
	}
}

// signedIn lets only a session through; whatever changes something counts as input of a person.
func (s *Server) signedIn(next func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return marked(func(w http.ResponseWriter, r *http.Request) {
		ses := s.find(r)
		if ses == nil {
			refuse(w, http.StatusUnauthorized, "signed_out")
			return
		}
		if r.Method != http.MethodGet {
			s.input(ses)
		}
		next(w, r, ses)
	})
}

// servePage serves the built pages; without them it says how to build them.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	if _, err := fs.Stat(s.opt.Files, "index.html"); err != nil {
		http.Error(w, "console: the pages are not built into this program: run make", http.StatusServiceUnavailable)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/assets/") {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable") // names carry a hash
	}
	http.FileServerFS(s.opt.Files).ServeHTTP(w, r)
}

func serveLocale(w http.ResponseWriter, r *http.Request) {
	tag, ok := strings.CutSuffix(r.PathValue("file"), ".json")
	text, err := locales.File(tag)
	if !ok || err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

// serveHello tells the sign-in page what it may know without a session.
func (s *Server) serveHello(w http.ResponseWriter, _ *http.Request) {
	reply(w, struct {
		Site      string             `json:"site"`
		Simulated bool               `json:"simulated"`
		Demo      *Demo              `json:"demo,omitempty"`
		Languages []locales.Language `json:"languages"`
	}{s.opt.Site, s.opt.Simulated, s.opt.Demo, locales.Offer(nil)})
}

func (s *Server) serveInput(w http.ResponseWriter, _ *http.Request, _ *session) {
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) serveMe(w http.ResponseWriter, _ *http.Request, ses *session) { reply(w, s.me(ses)) }

func (s *Server) serveLine(w http.ResponseWriter, _ *http.Request, _ *session) {
	s.mu.Lock()
	l := s.line
	s.mu.Unlock()
	reply(w, l)
}

func (s *Server) serveHistory(w http.ResponseWriter, r *http.Request, _ *session) {
	q := r.URL.Query()
	num := func(key string, def uint64) (uint64, bool) {
		if !q.Has(key) {
			return def, true
		}
		n, err := strconv.ParseUint(q.Get(key), 10, 63)
		return n, err == nil
	}
	epoch, ok1 := num("epoch", 0)
	after, ok2 := num("after", 0)
	limit, ok3 := num("limit", 50)
	gate := q.Get("gate")
	if !ok1 || !ok2 || !ok3 || !s.known(gate) {
		refuse(w, http.StatusBadRequest, "bad_request")
		return
	}
	events, err := s.centre.History(gate, epoch, after, int(min(limit, maxHistory)))
	if err != nil {
		s.opt.Log.Error("history", "gate", gate, "err", err)
		refuse(w, http.StatusBadGateway, "failed")
		return
	}
	if events == nil {
		events = []api.Event{}
	}
	reply(w, events)
}

func (s *Server) known(gate string) bool {
	_, ok := s.view(gate)
	return ok
}

func (s *Server) view(gate string) (console.GateView, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.line.Gates, func(g console.GateView) bool { return g.Gate == gate })
	if i < 0 {
		return console.GateView{}, false
	}
	return s.line.Gates[i], true
}

// Overrides are the reason codes of an acceptance (O-07).
var Overrides = verdict.Questions()

// orders that the desk may give, and whether they name a referral.
var orders = map[string]bool{
	api.CmdTake: true, api.CmdReturn: true, api.CmdAccept: true, api.CmdSendBack: true, api.CmdHold: true,
	api.CmdOpenGate: false, api.CmdCloseGate: false, api.CmdReset: false, api.CmdOpenEntry: false,
	api.CmdOpenExit: false, api.CmdRelease: false, api.CmdEndEmergency: false, api.CmdSelfTest: false,
	api.CmdStandby: false, api.CmdService: false, api.CmdManual: false,
	api.CmdHoldEntry: false, api.CmdLetGo: false, api.CmdHandOver: false, api.CmdSafeguard: false, api.CmdSpecimen: false, api.CmdOutOfService: false,
}

// serveOrder passes an officer's order on. What it refuses by itself is what the officer cannot have
// meant: an acceptance without a reason, or of a dossier that this session has not opened.
func (s *Server) serveOrder(w http.ResponseWriter, r *http.Request, ses *session) {
	var signed console.Order
	if !decode(w, r, &signed) {
		return
	}
	in, err := command(signed.Payload)
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad_request")
		return
	}
	ofReferral, ok := orders[in.Name]
	gate, there := s.view(in.Gate)
	switch {
	case !ok || !there:
		refuse(w, http.StatusBadRequest, "bad_request")
		return
	case in.Name == api.CmdSafeguard && (in.Passage != "" || !slices.Contains(verdict.Safeguarding(), in.Reason)):
		refuse(w, http.StatusBadRequest, "bad_reason")
		return
	case in.Name != api.CmdSafeguard && in.Reason != "" && !slices.Contains(Overrides, in.Reason):
		refuse(w, http.StatusBadRequest, "bad_reason")
		return
	case (in.Name == api.CmdAccept || in.Name == api.CmdOpenExit) && in.Reason == "":
		refuse(w, http.StatusBadRequest, "reason_missing")
		return
	case ofReferral && (gate.Referral == nil || gate.Referral.Passage != in.Passage):
		refuse(w, http.StatusConflict, "gone")
		return
	}
	if in.Name == api.CmdAccept || len(in.Dossier) > 0 {
		s.mu.Lock()
		d := ses.dossiers[deskKey(in.Gate, in.Passage)]
		s.mu.Unlock()
		switch {
		case d != nil && sameHash(in.Dossier, d.opened.Hash()):
		case d == nil && len(in.Dossier) == 0 && gate.Referral != nil && !gate.Referral.Dossier:
		// nothing was sealed to this officer: person and document at the desk are all there is
		default:
			refuse(w, http.StatusConflict, "not_shown")
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), orderLimit)
	defer cancel()
	rsp, err := s.centre.Order(ctx, ses.officer.Session, in, signed)
	log := s.opt.Log.With("stream", "security", "gate", in.Gate, "order", in.Name, "officer", ses.officer.Pseudonym, "reason", in.Reason)
	if err != nil {
		log.Warn("order without answer", "err", err)
		refuse(w, http.StatusBadGateway, "no_answer")
		return
	}
	log.Info("order", "result", rsp.Result)
	decided := in.Name == api.CmdAccept || in.Name == api.CmdSendBack || in.Name == api.CmdReturn
	if decided && (rsp.Result == "done" || rsp.Result == "accepted") {
		s.closeDesk(ses, in.Gate, in.Passage, "decided")
	}
	reply(w, rsp)
}

// command reads what an officer's browser has signed.
func command(payload []byte) (c api.Command, err error) {
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()
	if err = dec.Decode(&c); err == nil && dec.More() {
		err = errors.New("console: something follows the order")
	}
	return c, err
}

func (s *Server) closeDesk(ses *session, gate, passage, why string) bool {
	s.mu.Lock()
	key := deskKey(gate, passage)
	var o Opened
	if ses.dossiers[key] != nil {
		o = s.drop(ses, key, why)
	}
	s.mu.Unlock()
	if o == nil {
		return false
	}
	o.Close()
	return true
}

// serveOpen starts the child that opens the dossier of a referral and hands it this very connection:
// the facts go from the child to the browser.
func (s *Server) serveOpen(w http.ResponseWriter, r *http.Request, ses *session) {
	gate, passage := r.PathValue("gate"), r.PathValue("passage")
	v, ok := s.view(gate)
	if !ok || v.Referral == nil || v.Referral.Passage != passage {
		refuse(w, http.StatusConflict, "gone")
		return
	}
	key := deskKey(gate, passage)
	s.mu.Lock()
	d := ses.dossiers[key]
	full := len(ses.dossiers) >= maxDossiers
	s.mu.Unlock()
	if d == nil {
		if full {
			refuse(w, http.StatusConflict, "too_many")
			return
		}
		sealed, err := s.centre.Dossier(ses.officer.Session, gate, passage)
		if err != nil {
			refuse(w, http.StatusNotFound, "no_dossier")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), orderLimit)
		opened, err := s.opt.Open(ctx, gate, passage, sealed)
		cancel()
		if err != nil {
			s.opt.Log.Warn("dossier", "gate", gate, "err", err)
			refuse(w, http.StatusUnprocessableEntity, "not_opened")
			return
		}
		d = &desk{gate: gate, passage: passage, opened: opened}
		s.mu.Lock()
		lost := ses.ended || ses.dossiers[key] != nil
		if !lost {
			ses.dossiers[key] = d
		}
		s.mu.Unlock()
		if lost { // signed out meanwhile, or opened twice at once
			opened.Close()
			refuse(w, http.StatusConflict, "gone")
			return
		}
		s.opt.Log.Info("dossier opened", "stream", "security", "gate", gate, "officer", ses.officer.Pseudonym)
	}
	s.hand(w, d, "facts")
}

func (s *Server) servePhoto(w http.ResponseWriter, r *http.Request, ses *session) {
	which := r.PathValue("which")
	if which != "portrait" && which != "live" {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	d := ses.dossiers[deskKey(r.PathValue("gate"), r.PathValue("passage"))]
	s.mu.Unlock()
	if d == nil {
		refuse(w, http.StatusNotFound, "gone")
		return
	}
	s.hand(w, d, which)
}

// hand takes the browser's connection off this server and gives it to the child, which answers.
func (s *Server) hand(w http.ResponseWriter, d *desk, part string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, http.StatusInternalServerError, "failed")
		return
	}
	defer conn.Close() // our descriptor; the child has its own
	_ = conn.SetDeadline(time.Time{})
	raw, ok := conn.(syscall.Conn)
	if !ok {
		err = errors.New("console: connection cannot be handed over: TLS must end in front of this server")
	} else {
		err = d.opened.Hand(raw, part)
	}
	if err != nil {
		s.opt.Log.Warn("dossier part", "gate", d.gate, "part", part, "err", err)
		var b bytes.Buffer
		b.WriteString("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n")
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write(b.Bytes())
	}
}

func (s *Server) serveClose(w http.ResponseWriter, r *http.Request, ses *session) {
	s.closeDesk(ses, r.PathValue("gate"), r.PathValue("passage"), "officer")
	w.WriteHeader(http.StatusNoContent)
}
