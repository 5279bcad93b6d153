package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/console"
)

const passage = "00112233445566778899aabbccddeeff"

// fakeCentre answers orders and shows what it was asked.
type fakeCentre struct {
	mu       sync.Mutex
	view     console.Line
	f        func(console.Line)
	orders   []string
	sessions map[string]bool
	touched  int
	result   api.Response
	err      error
}

func newCentre() *fakeCentre {
	return &fakeCentre{
		sessions: map[string]bool{}, result: api.Response{Result: "done"},
		view: console.Line{Seq: 1, Gates: []console.GateView{
			{Gate: "gate-1", Referral: &console.ReferralView{Gate: "gate-1", Passage: passage, Reason: "face_mismatch", Dossier: true}},
			{Gate: "gate-2"},
		}},
	}
}

func (c *fakeCentre) Watch(ctx context.Context, f func(console.Line)) error {
	c.mu.Lock()
	c.f = f
	f(c.view)
	c.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (c *fakeCentre) change(edit func(*console.Line)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	gates := append([]console.GateView(nil), c.view.Gates...)
	c.view.Gates = gates
	edit(&c.view)
	c.view.Seq++
	if c.f != nil {
		c.f(c.view)
	}
}

func (c *fakeCentre) Challenge() (console.Challenge, error) {
	return console.Challenge{Nonce: []byte("nonce"), Site: "north", RPID: "localhost", Gates: []string{"gate-1", "gate-2"}, At: time.Unix(0, 0)}, nil
}

// SignIn takes the passkey whose signature is "right".
func (c *fakeCentre) SignIn(_ context.Context, in console.SignIn) (console.Officer, error) {
	if string(in.Assertion.Signature) != "right" {
		return console.Officer{}, errors.New("wrong")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := fmt.Sprintf("s%d", len(c.sessions))
	c.sessions[id] = true
	return console.Officer{Session: id, Pseudonym: "p-" + string(in.Assertion.Credential), Demo: true, Roles: []string{"officer"}, Credential: in.Assertion.Credential}, nil
}

func (c *fakeCentre) Active(s string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[s]
}

// signing is the body of a sign-in.
func signing(passkey, signature string) string {
	b, _ := json.Marshal(console.SignIn{OrderKey: []byte("{}"), Assertion: api.Assertion{Credential: []byte(passkey), Signature: []byte(signature)}})
	return string(b)
}

// signedOrder is the body of an order.
func signedOrder(c api.Command) string {
	payload, _ := json.Marshal(c)
	b, _ := json.Marshal(console.Order{Payload: payload})
	return string(b)
}
func (c *fakeCentre) SignOut(s string) { c.mu.Lock(); c.sessions[s] = false; c.mu.Unlock() }
func (c *fakeCentre) Touch(string)     { c.mu.Lock(); c.touched++; c.mu.Unlock() }
func (c *fakeCentre) Order(_ context.Context, session string, o api.Command, _ console.Order) (api.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = append(c.orders, fmt.Sprint(session, " ", o.Gate, " ", o.Name, " ", o.Passage, " ", string(o.Dossier), " ", o.Reason))
	return c.result, c.err
}
func (c *fakeCentre) History(gate string, epoch, after uint64, limit int) ([]api.Event, error) {
	return []api.Event{{ID: "1-1", Epoch: 1, Seq: uint64(limit)}}, nil
}
func (c *fakeCentre) Dossier(session, gate, p string) (console.SealedDossier, error) {
	if gate != "gate-1" || p != passage {
		return console.SealedDossier{}, errors.New("none")
	}
	return console.SealedDossier{}, nil
}

// fakeDossier stands for a child: it answers nothing, and tells when it was closed.
type fakeDossier struct {
	hash   string
	once   sync.Once
	done   chan struct{}
	handed []string
}

func (d *fakeDossier) Hash() []byte          { return []byte(d.hash) }
func (d *fakeDossier) Done() <-chan struct{} { return d.done }
func (d *fakeDossier) Close()                { d.once.Do(func() { close(d.done) }) }
func (d *fakeDossier) Hand(conn syscall.Conn, part string) error {
	d.handed = append(d.handed, part)
	_, err := conn.(net.Conn).Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"))
	return err
}

type rig struct {
	t      *testing.T
	centre *fakeCentre
	srv    *Server
	http   *httptest.Server
	opened []*fakeDossier
	now    time.Time
	stop   context.CancelFunc
	ran    chan error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, centre: newCentre(), now: time.Unix(1_700_000_000, 0), ran: make(chan error, 1)}
	r.srv = New(r.centre, Options{
		Site: "north", Simulated: true, Files: fstest.MapFS{"index.html": {Data: []byte("page")}},
		Now: func() time.Time { return r.now },
		Open: func(context.Context, string, string, console.SealedDossier) (Opened, error) {
			d := &fakeDossier{hash: "HASH", done: make(chan struct{})}
			r.opened = append(r.opened, d)
			return d, nil
		},
	})
	// The line is published by hand: Run has its own tests.
	r.srv.next = &r.centre.view
	r.srv.publish()
	r.http = httptest.NewServer(r.srv)
	t.Cleanup(r.http.Close)
	return r
}

func (r *rig) do(method, path, body, cookie string, edit ...func(*http.Request)) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.http.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-Egate", "1")
	if cookie != "" {
		req.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
	}
	for _, f := range edit {
		f(req)
	}
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, _ := io.ReadAll(rsp.Body)
	return rsp.StatusCode, string(b)
}

func (r *rig) signIn() string {
	r.t.Helper()
	req, _ := http.NewRequestWithContext(r.t.Context(), "POST", r.http.URL+"/api/sign-in", strings.NewReader(signing("a", "right")))
	req.Header.Set("X-Egate", "1")
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rsp.Body.Close()
	for _, c := range rsp.Cookies() {
		if c.Name == cookieName {
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || len(c.Value) < 40 {
				r.t.Errorf("cookie %+v", c)
			}
			return c.Value
		}
	}
	r.t.Fatalf("no cookie: %s", rsp.Status)
	return ""
}

// TestEveryRouteNeedsSession: everything but sign-in and files asks for a session, and for the marks
// of our own page (O-03, X-01).
func TestEveryRouteNeedsSession(t *testing.T) {
	r := newRig(t)
	ref := "/api/referrals/gate-1/" + passage
	for _, c := range [][2]string{
		{"POST", "/api/sign-out"}, {"POST", "/api/input"}, {"GET", "/api/me"}, {"GET", "/api/line"}, {"GET", "/api/events"},
		{"GET", "/api/history?gate=gate-1"}, {"POST", "/api/orders"}, {"POST", ref + "/open"}, {"GET", ref + "/photo/live"}, {"DELETE", ref},
	} {
		if code, _ := r.do(c[0], c[1], "{}", ""); code != http.StatusUnauthorized {
			t.Errorf("%v without session: %d", c, code)
		}
		if code, _ := r.do(c[0], c[1], "{}", "guess"); code != http.StatusUnauthorized {
			t.Errorf("%v with a guessed cookie: %d", c, code)
		}
		if c[0] != "GET" {
			if code, _ := r.do(c[0], c[1], "{}", "", func(q *http.Request) { q.Header.Del("X-Egate") }); code != http.StatusForbidden {
				t.Errorf("%v without header: %d", c, code)
			}
			if code, _ := r.do(c[0], c[1], "{}", "", func(q *http.Request) { q.Header.Set("Sec-Fetch-Site", "cross-site") }); code != http.StatusForbidden {
				t.Errorf("%v cross site: %d", c, code)
			}
		}
	}
	if len(r.centre.orders) != 0 || len(r.opened) != 0 {
		t.Error("something got through")
	}
}

// TestSignInWaits: five wrong sign-ins make a passkey wait a minute; a flood of passkeys makes all wait (O-03).
func TestSignInWaits(t *testing.T) {
	r := newRig(t)
	try := func(name, secret string) int {
		code, _ := r.do("POST", "/api/sign-in", signing(name, secret), "")
		return code
	}
	for range failuresMax {
		if c := try("a", "x"); c != http.StatusUnauthorized {
			t.Fatalf("status %d", c)
		}
	}
	if c := try("a", "right"); c != http.StatusTooManyRequests {
		t.Errorf("right signature while waiting: %d", c)
	}
	if c := try("b", "right"); c != http.StatusOK {
		t.Errorf("another name: %d", c)
	}
	r.now = r.now.Add(failuresWait + time.Second)
	if c := try("a", "right"); c != http.StatusOK {
		t.Errorf("after the wait: %d", c)
	}
	for i := range failuresNames {
		r.srv.failed(fmt.Sprint("n", i))
	}
	if c := try("new", "right"); c != http.StatusTooManyRequests {
		t.Errorf("flood of names: %d", c)
	}
}

// TestO07AcceptNeedsReasonAndDossier: an acceptance names a reason of the list and the dossier that
// this session was shown.
func TestO07AcceptNeedsReasonAndDossier(t *testing.T) {
	r := newRig(t)
	cookie := r.signIn()
	order := func(gate, name, pass, hash, reason string) (int, string) {
		return r.do("POST", "/api/orders", signedOrder(api.Command{Gate: gate, Name: name, Passage: pass, Dossier: []byte(hash), Reason: reason}), cookie)
	}
	if code, _ := r.do("POST", "/api/referrals/gate-1/other/open", "", cookie); code != http.StatusConflict {
		t.Errorf("open of another passage: %d", code)
	}
	for _, c := range []struct {
		name, gate, order, pass, hash, reason string
		want                                  int
	}{
		{"unknown order", "gate-1", "boot", "", "", "", 400},
		{"unknown gate", "gate-9", api.CmdOpenGate, "", "", "", 400},
		{"no reason", "gate-1", api.CmdAccept, passage, "HASH", "", 400},
		{"invented reason", "gate-1", api.CmdAccept, passage, "HASH", "because", 400},
		{"not opened", "gate-1", api.CmdAccept, passage, "HASH", "person_compared", 409},
		{"without hash", "gate-1", api.CmdAccept, passage, "", "person_compared", 409},
		{"other passage", "gate-1", api.CmdAccept, "other", "", "person_compared", 409},
		{"gate without referral", "gate-2", api.CmdTake, passage, "", "", 409},
		{"exit door without reason", "gate-1", api.CmdOpenExit, "", "", "", 400},
		{"exit door", "gate-1", api.CmdOpenExit, "", "", "technical_cause", 200},
		{"close gate", "gate-2", api.CmdCloseGate, "", "", "", 200},
		{"safeguarding stop without reason", "gate-1", api.CmdSafeguard, "", "", "", 400},
		{"safeguarding stop for an override's reason", "gate-1", api.CmdSafeguard, "", "", "technical_cause", 400},
		{"safeguarding stop that names a passage", "gate-1", api.CmdSafeguard, passage, "", "child_alone", 400},
		{"safeguarding stop", "gate-1", api.CmdSafeguard, "", "", "child_alone", 200},
		{"a stop's reason for an acceptance", "gate-1", api.CmdAccept, passage, "HASH", "child_alone", 400},
		{"take", "gate-1", api.CmdTake, passage, "", "", 200},
	} {
		if code, body := order(c.gate, c.order, c.pass, c.hash, c.reason); code != c.want {
			t.Errorf("%s: %d %s", c.name, code, body)
		}
	}
	if code, _ := r.do("POST", "/api/referrals/gate-1/"+passage+"/open", "", cookie); code != 200 {
		t.Fatalf("open: %d", code)
	}
	if code, _ := order("gate-1", api.CmdAccept, passage, "OTHER", "person_compared"); code != 409 {
		t.Errorf("accept with another hash: %d", code)
	}
	if code, _ := order("gate-1", api.CmdAccept, passage, "HASH", "person_compared"); code != 200 {
		t.Errorf("accept: %d", code)
	}
	select {
	case <-r.opened[0].done:
	default:
		t.Error("the dossier outlived the decision (O-06)")
	}
	if got := r.centre.orders[len(r.centre.orders)-1]; got != "s0 gate-1 referral_accept "+passage+" HASH person_compared" {
		t.Errorf("order %q", got)
	}
	r.centre.err = errors.New("nobody")
	if code, _ := order("gate-2", api.CmdOpenGate, "", "", ""); code != http.StatusBadGateway {
		t.Errorf("no answer: %d", code)
	}
}

// TestNoDossierNoHash: where nothing was sealed to the officer, person and document are all there is.
func TestNoDossierNoHash(t *testing.T) {
	r := newRig(t)
	cookie := r.signIn()
	r.centre.change(func(l *console.Line) {
		l.Gates[0].Referral = &console.ReferralView{Gate: "gate-1", Passage: passage, Reason: "inspector_fault"}
	})
	r.srv.next = &r.centre.view
	r.srv.publish()
	if code, b := r.do("POST", "/api/orders", signedOrder(api.Command{Gate: "gate-1", Name: api.CmdAccept, Passage: passage, Reason: "document_examined"}), cookie); code != 200 {
		t.Errorf("%d %s", code, b)
	}
}

// TestO06Gone: dossiers go at close, at sign-out, after 60 s without input, when the referral is over,
// when another officer has it, and when their child has gone; photos with them.
func TestO06Gone(t *testing.T) {
	ref := "/api/referrals/gate-1/" + passage
	for name, end := range map[string]func(r *rig, cookie string){
		"close":    func(r *rig, c string) { r.do("DELETE", ref, "", c) },
		"sign-out": func(r *rig, c string) { r.do("POST", "/api/sign-out", "", c) },
		"60 s without input": func(r *rig, c string) {
			r.now = r.now.Add(59 * time.Second)
			r.srv.sweep()
			r.do("GET", "/api/line", "", c) // reading is no input
			select {
			case <-r.opened[0].done:
				r.t.Error("closed too early")
			default:
			}
			r.now = r.now.Add(time.Second)
			r.srv.sweep()
		},
		"referral over": func(r *rig, _ string) {
			r.centre.change(func(l *console.Line) { l.Gates[0].Referral = nil })
			r.srv.next = &r.centre.view
			r.srv.publish()
		},
		"taken by another": func(r *rig, _ string) {
			r.centre.change(func(l *console.Line) {
				l.Gates[0].Referral = &console.ReferralView{Gate: "gate-1", Passage: passage, Owner: "p-other", Dossier: true}
			})
			r.srv.next = &r.centre.view
			r.srv.publish()
		},
		"child died":     func(r *rig, _ string) { r.opened[0].Close(); r.srv.sweep() },
		"server stopped": func(r *rig, _ string) { r.srv.endAll() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			cookie := r.signIn()
			if code, _ := r.do("POST", ref+"/open", "", cookie); code != 200 {
				t.Fatalf("open: %d", code)
			}
			if code, _ := r.do("GET", ref+"/photo/live", "", cookie); code != 200 {
				t.Fatalf("photo: %d", code)
			}
			other := r.signIn()
			if code, _ := r.do("GET", ref+"/photo/live", "", other); code != http.StatusNotFound {
				t.Errorf("another session sees the photo: %d", code)
			}
			if code, _ := r.do("GET", ref+"/photo/name", "", cookie); code != http.StatusNotFound {
				t.Errorf("unknown photo: %d", code)
			}
			end(r, cookie)
			select {
			case <-r.opened[0].done:
			default:
				t.Error("the child was not closed")
			}
			if code, _ := r.do("GET", ref+"/photo/live", "", cookie); code == 200 {
				t.Error("the photo is still served")
			}
		})
	}
}

// TestInputKeepsOpen: a person's input starts the 60 s again and reaches the centre.
func TestInputKeepsOpen(t *testing.T) {
	r := newRig(t)
	cookie := r.signIn()
	r.do("POST", "/api/referrals/gate-1/"+passage+"/open", "", cookie)
	for range 5 {
		r.now = r.now.Add(50 * time.Second)
		if code, _ := r.do("POST", "/api/input", "", cookie); code != http.StatusNoContent {
			t.Fatal(code)
		}
		r.srv.sweep()
	}
	select {
	case <-r.opened[0].done:
		t.Error("closed in spite of input")
	default:
	}
	if r.centre.touched < 5 {
		t.Errorf("the centre was told %d times", r.centre.touched)
	}
	r.now = r.now.Add(16 * time.Minute)
	r.srv.sweep()
	if code, _ := r.do("GET", "/api/me", "", cookie); code != http.StatusUnauthorized {
		t.Errorf("signed in for ever: %d", code)
	}
	if r.centre.sessions["s0"] {
		t.Error("the centre still holds the session's keys")
	}
}

// TestSnapshotThenDeltas: a page gets the line at once, then one message per changed gate.
func TestSnapshotThenDeltas(t *testing.T) {
	r := newRig(t)
	cookie := r.signIn()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", r.http.URL+"/api/events", nil)
	req.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	br := bufio.NewReader(rsp.Body)
	next := func() (event, data string) {
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				return "end", ""
			}
			if v, ok := strings.CutPrefix(line, "event: "); ok {
				event = strings.TrimSpace(v)
			}
			if v, ok := strings.CutPrefix(line, "data: "); ok {
				return event, strings.TrimSpace(v)
			}
		}
	}
	if e, d := next(); e != "line" || !strings.Contains(d, "gate-2") || !strings.Contains(d, `"simulated":true`) {
		t.Fatalf("%s %s", e, d)
	}
	r.centre.change(func(l *console.Line) { l.Gates[1].State.Mode = "closed" })
	r.srv.next = &r.centre.view
	r.srv.publish()
	if e, d := next(); e != "gate" || !strings.Contains(d, `"gate":"gate-2"`) || strings.Contains(d, "gate-1") {
		t.Fatalf("%s %s", e, d)
	}
	r.centre.change(func(l *console.Line) { l.Recent = []console.RecentView{{Gate: "gate-2"}} })
	r.srv.next = &r.centre.view
	r.srv.publish()
	if e, d := next(); e != "recent" || !strings.Contains(d, "gate-2") {
		t.Fatalf("%s %s", e, d)
	}
	r.do("POST", "/api/sign-out", "", cookie)
	if e, _ := next(); e != "signed_out" {
		t.Errorf("event %q at sign-out", e)
	}
	if e, _ := next(); e != "end" {
		t.Errorf("%q after sign-out", e)
	}
}

// TestSlowClientIsCut: a page that does not read is closed when its queue is full; nobody waits for it.
func TestSlowClientIsCut(t *testing.T) {
	r := newRig(t)
	r.signIn()
	var ses *session
	for _, s := range r.srv.sessions {
		ses = s
	}
	st := &stream{queue: make(chan []byte, streamQueue), gone: make(chan struct{})}
	ses.streams[st] = struct{}{}
	for i := range streamQueue + 5 {
		r.centre.change(func(l *console.Line) { l.Gates[1].AckedUpto = uint64(i + 1) })
		r.srv.next = &r.centre.view
		r.srv.publish()
	}
	select {
	case <-st.gone:
	default:
		t.Error("the slow client was not cut off")
	}
	if len(st.queue) != streamQueue {
		t.Errorf("queue holds %d", len(st.queue))
	}
}

// TestRunEnds: Run follows the line, and at its end no session, no key and no dossier is left.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentre()
		s := New(c, Options{Files: fstest.MapFS{}})
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- s.Run(ctx) }()
		synctest.Wait()
		if len(s.line.Gates) != 2 {
			t.Error("the line was not followed")
		}
		d := &fakeDossier{done: make(chan struct{})}
		officer, _ := c.SignIn(ctx, console.SignIn{Assertion: api.Assertion{Credential: []byte("a"), Signature: []byte("right")}})
		ses := &session{officer: officer, input: time.Now(), dossiers: map[string]*desk{"k": {gate: "gate-1", passage: passage, opened: d}}, streams: map[*stream]struct{}{}}
		s.mu.Lock()
		s.sessions[ses.key] = ses
		s.mu.Unlock()
		time.Sleep(61 * time.Second) // of the bubble's clock
		synctest.Wait()
		select {
		case <-d.done:
		default:
			t.Error("the clock closes nothing")
		}
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if c.sessions["s0"] || len(s.sessions) != 0 {
			t.Error("a session outlived the server")
		}
	})
}

// TestPages: policy and caching of the files; without a build the server says what to do.
func TestPages(t *testing.T) {
	r := newRig(t)
	rsp, err := http.Get(r.http.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	rsp.Body.Close()
	csp := rsp.Header.Get("Content-Security-Policy")
	if rsp.StatusCode != 200 || !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "data:") || strings.Contains(csp, "blob:") {
		t.Errorf("%s %q", rsp.Status, csp)
	}
	empty := httptest.NewServer(New(newCentre(), Options{Files: fstest.MapFS{}}))
	defer empty.Close()
	rsp, err = http.Get(empty.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(rsp.Body)
	rsp.Body.Close()
	if rsp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "run make") {
		t.Errorf("%s %s", rsp.Status, body)
	}
	// The demo officer is named only in a simulation.
	plain := New(newCentre(), Options{Demo: &Demo{Name: "d", Seed: []byte("s")}, Files: fstest.MapFS{}})
	w := httptest.NewRecorder()
	plain.ServeHTTP(w, httptest.NewRequest("GET", "/api/hello", nil))
	if strings.Contains(w.Body.String(), "seed") {
		t.Errorf("demo officer outside a simulation: %s", w.Body)
	}
}

// TestHistory: bounded, of known gates only.
func TestHistory(t *testing.T) {
	r := newRig(t)
	cookie := r.signIn()
	for path, want := range map[string]int{
		"/api/history?gate=gate-1": 200, "/api/history?gate=gate-1&limit=99999": 200, "/api/history?gate=gate-7": 400,
		"/api/history?gate=gate-1&after=-1": 400, "/api/history?gate=gate-1&epoch=x": 400,
	} {
		code, body := r.do("GET", path, "", cookie)
		if code != want {
			t.Errorf("%s: %d", path, code)
		}
		if strings.Contains(path, "99999") && !strings.Contains(body, fmt.Sprintf(`"seq":%d`, maxHistory)) {
			t.Errorf("limit not capped: %s", body)
		}
	}
}

// TestRemovedOfficerIsSignedOut: whose session the centre has ended has none at the desk, and no dossier.
func TestRemovedOfficerIsSignedOut(t *testing.T) {
	r := newRig(t)
	cookie := r.signIn()
	if code, _ := r.do("POST", "/api/referrals/gate-1/"+passage+"/open", "", cookie); code != 200 {
		t.Fatalf("open: %d", code)
	}
	r.srv.sweep()
	if code, _ := r.do("GET", "/api/me", "", cookie); code != 200 {
		t.Fatalf("me: %d", code)
	}
	r.centre.SignOut("s0")
	r.srv.sweep()
	if code, _ := r.do("GET", "/api/me", "", cookie); code != http.StatusUnauthorized {
		t.Errorf("me: %d", code)
	}
	select {
	case <-r.opened[0].done:
	default:
		t.Error("the dossier is open still")
	}
}

// TestO03PageLearnsItsOrders: a page is told which orders its officer's roles have and which need a touch each.
func TestO03PageLearnsItsOrders(t *testing.T) {
	r := newRig(t)
	_, body := r.do("GET", "/api/me", "", r.signIn())
	var me me
	if err := json.Unmarshal([]byte(body), &me); err != nil {
		t.Fatal(err)
	}
	has := func(list []string, name string) bool {
		return strings.Contains(" "+strings.Join(list, " ")+" ", " "+name+" ")
	}
	if !has(me.May, api.CmdTake) || has(me.May, api.CmdOpenExit) || has(me.May, api.CmdService) || !has(me.Fresh, api.CmdOpenExit) || !has(me.Fresh, api.CmdEndEmergency) || has(me.Fresh, api.CmdTake) {
		t.Errorf("%+v", me)
	}
}

func FuzzOrder(f *testing.F) {
	f.Add(signedOrder(api.Command{Gate: "gate-1", Name: api.CmdOpenGate}))
	f.Add(signedOrder(api.Command{Gate: "gate-1", Name: api.CmdAccept, Passage: passage, Dossier: []byte("AAA"), Reason: "person_compared"}))
	c := newCentre()
	s := New(c, Options{Files: fstest.MapFS{}})
	s.next = &c.view
	s.publish()
	ses := &session{officer: console.Officer{Session: "s"}, dossiers: map[string]*desk{}, streams: map[*stream]struct{}{}}
	f.Fuzz(func(t *testing.T, body string) {
		before := len(c.orders)
		w := httptest.NewRecorder()
		s.serveOrder(w, httptest.NewRequest("POST", "/api/orders", strings.NewReader(body)), ses)
		if len(c.orders) > before && strings.Contains(c.orders[before], api.CmdAccept) {
			t.Fatalf("accepted without a dossier: %s", body)
		}
	})
}
