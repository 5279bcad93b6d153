package display

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func request(t *testing.T, s *Server, method, path, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, f := range edit {
		f(r)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// TestDP05AcceptNeedsNotice: a consent counts only for a notice that is shown; ways out always count.
func TestDP05AcceptNeedsNotice(t *testing.T) {
	for _, c := range []struct {
		name   string
		screen Screen
		touch  Touch
		want   int
	}{
		{"accept at the notice", Screen{Name: ScreenNotice}, TouchAccept, http.StatusNoContent},
		{"accept elsewhere", Screen{Name: ScreenReading}, TouchAccept, http.StatusConflict},
		{"decline at the notice", Screen{Name: ScreenNotice}, TouchDecline, http.StatusNoContent},
		{"decline in the mantrap", Screen{Name: ScreenCapture}, TouchDecline, http.StatusNoContent},
		{"exit from a referral", Screen{Name: ScreenRefer}, TouchExit, http.StatusNoContent},
		{"more time offered", Screen{Name: ScreenPlace, More: true}, TouchMoreTime, http.StatusNoContent},
		{"more time not offered", Screen{Name: ScreenPlace}, TouchMoreTime, http.StatusConflict},
		{"unknown", Screen{Name: ScreenNotice}, "open_exit", http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New(Options{})
			s.Show(c.screen)
			body, _ := json.Marshal(map[string]Touch{"touch": c.touch})
			if w := request(t, s, "POST", "/touch", string(body)); w.Code != c.want {
				t.Fatalf("status %d, want %d: %s", w.Code, c.want, w.Body)
			}
			select {
			case got := <-s.Touches():
				if c.want != http.StatusNoContent || got != c.touch {
					t.Fatalf("delivered %q", got)
				}
			default:
				if c.want == http.StatusNoContent {
					t.Fatal("not delivered")
				}
			}
		})
	}
}

// TestHostileBrowser: the page's end is not trusted; what it sends is small, known and same-origin.
func TestHostileBrowser(t *testing.T) {
	s := New(Options{})
	s.Show(Screen{Name: ScreenNotice})
	const ok = `{"touch":"accept"}`
	for _, c := range []struct {
		name, method, path, body string
		edit                     func(*http.Request)
		want                     int
	}{
		{"foreign host name", "GET", "/", "", func(r *http.Request) { r.Host = "evil.example" }, http.StatusMisdirectedRequest},
		{"rebound name with port", "POST", "/touch", ok, func(r *http.Request) { r.Host = "evil.example:8080" }, http.StatusMisdirectedRequest},
		{"ipv6 loopback", "GET", "/setup.json", "", func(r *http.Request) { r.Host = "[::1]:8080" }, http.StatusOK},
		{"cross origin", "POST", "/touch", ok, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, http.StatusForbidden},
		{"cross site", "POST", "/touch", ok, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		{"form", "POST", "/touch", ok, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType},
		{"too long", "POST", "/touch", `{"touch":"` + strings.Repeat("a", maxBody) + `"}`, nil, http.StatusRequestEntityTooLarge},
		{"unknown field", "POST", "/touch", `{"touch":"accept","x":1}`, nil, http.StatusBadRequest},
		{"two documents", "POST", "/touch", ok + ok, nil, http.StatusBadRequest},
		{"not JSON", "POST", "/beat", "}", nil, http.StatusBadRequest},
		{"beat without number", "POST", "/beat", `{"seq":"-1"}`, nil, http.StatusBadRequest},
		{"other method", "PUT", "/touch", ok, nil, http.StatusMethodNotAllowed},
		{"outside the folder", "GET", "/../server.go", "", nil, http.StatusTemporaryRedirect},
		{"no such language", "GET", "/locales/xx.json", "", nil, http.StatusNotFound},
		{"language by path", "GET", "/locales/..%2fen.json", "", nil, http.StatusNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			edits := []func(*http.Request){}
			if c.edit != nil {
				edits = append(edits, c.edit)
			}
			w := request(t, s, c.method, c.path, c.body, edits...)
			if w.Code != c.want && !(c.want == http.StatusTemporaryRedirect && w.Code >= 300 && w.Code < 500) {
				t.Fatalf("status %d, want %d", w.Code, c.want)
			}
			if len(s.Touches()) != 0 {
				t.Fatal("a touch got through")
			}
		})
	}
	w := request(t, s, "GET", "/", "")
	csp := w.Header().Get("Content-Security-Policy")
	for _, bad := range []string{"unsafe", "*", "http:", "data:"} {
		if strings.Contains(csp, bad) {
			t.Errorf("policy allows %q: %s", bad, csp)
		}
	}
	if !strings.HasPrefix(csp, "default-src 'none'") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", w.Header())
	}
}

// TestRendererAlive: alive means that a page has painted what is shown, lately (D-09, M-01).
func TestRendererAlive(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := New(Options{Now: func() time.Time { return now }})
	beat := func(seq string) { request(t, s, "POST", "/beat", `{"seq":"`+seq+`"}`) }
	if s.RendererAlive() {
		t.Error("alive before the first beat")
	}
	beat("1")
	if !s.RendererAlive() {
		t.Error("not alive after a beat of the current screen")
	}
	now = now.Add(beatFresh + time.Millisecond)
	if s.RendererAlive() {
		t.Error("alive after 3 s of silence")
	}
	s.Show(Screen{Name: ScreenNotice})
	beat("1")
	if !s.RendererAlive() {
		t.Error("a page gets 3 s to paint a new screen")
	}
	now = now.Add(beatFresh + time.Millisecond)
	beat("1")
	if s.RendererAlive() {
		t.Error("alive while painting an old screen")
	}
	beat("99")
	if s.RendererAlive() {
		t.Error("a number from the future counts")
	}
	beat("2")
	if !s.RendererAlive() {
		t.Error("not alive after painting the new screen")
	}
}

// TestOneFingerOneTouch: the same touch within 300 ms is one; nobody taking them blocks nothing.
func TestOneFingerOneTouch(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := New(Options{Now: func() time.Time { return now }})
	s.Show(Screen{Name: ScreenNotice})
	codes := []int{}
	for range touchQueue + 2 {
		codes = append(codes, request(t, s, "POST", "/touch", `{"touch":"decline"}`).Code)
		codes = append(codes, request(t, s, "POST", "/touch", `{"touch":"decline"}`).Code)
		now = now.Add(touchRepeat)
	}
	if n := len(s.Touches()); n != touchQueue {
		t.Errorf("%d touches wait, want %d", n, touchQueue)
	}
	if codes[1] != http.StatusConflict || codes[len(codes)-2] != http.StatusServiceUnavailable {
		t.Errorf("codes %v", codes)
	}
}

// stream is a page over a pipe: it reads messages of the event stream.
func stream(t *testing.T, s *Server) (next func() (id string, sc Screen), closeStream func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	pr, pw := io.Pipe()
	done := make(chan struct{})
	r := httptest.NewRequest("GET", "http://localhost/events", nil).WithContext(ctx)
	go func() {
		defer close(done)
		s.Handler().ServeHTTP(&pipeWriter{h: http.Header{}, w: pw}, r)
		pw.Close()
	}()
	br := bufio.NewReader(pr)
	next = func() (string, Screen) {
		var id string
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				t.Fatalf("stream: %v", err)
			}
			line = strings.TrimSpace(line)
			if v, ok := strings.CutPrefix(line, "id: "); ok {
				id = v
			}
			if v, ok := strings.CutPrefix(line, "data: "); ok && id != "" {
				var sc Screen
				if err := json.Unmarshal([]byte(v), &sc); err != nil {
					t.Fatal(err)
				}
				return id, sc
			}
		}
	}
	return next, func() { cancel(); pr.Close(); <-done }
}

type pipeWriter struct {
	h http.Header
	w *io.PipeWriter
}

func (p *pipeWriter) Header() http.Header         { return p.h }
func (p *pipeWriter) WriteHeader(int)             {}
func (p *pipeWriter) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *pipeWriter) FlushError() error           { return nil }

// TestStreamSnapshot: a page that connects, late or again, gets the whole current screen with the
// time that is left, then every newest one.
func TestStreamSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Simulated: true})
		s.Show(Screen{Name: ScreenPlace, DeadlineMS: 10_000, Progress: -1})
		time.Sleep(4 * time.Second) // of the bubble's clock
		next, end := stream(t, s)
		id, sc := next()
		if id != "2" || sc.Name != ScreenPlace || sc.DeadlineMS != 6000 || !sc.Simulated {
			t.Errorf("snapshot %s %+v", id, sc)
		}
		synctest.Wait()
		s.Show(Screen{Name: ScreenGo})
		if _, sc = next(); sc.Name != ScreenGo || !sc.Simulated {
			t.Errorf("change %+v", sc)
		}
		end()
		synctest.Wait()
		if len(s.clients) != 0 {
			t.Error("the stream was not forgotten")
		}
	})
}

// TestSlowPage: a page that reads nothing never blocks Show, and is cut off.
func TestSlowPage(t *testing.T) {
	s := New(Options{})
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil { // it has begun
		t.Fatal(err)
	}
	for i := range 20_000 {
		s.Show(Screen{Name: ScreenReading, Progress: i % 100, Prompt: strings.Repeat("x", 500)})
	}
	// All 20 000 were shown although nobody read; the server ends with its page (deferred Close waits).
	srv.CloseClientConnections()
}

func TestTooManyPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		var ends []func()
		for range maxClients {
			next, end := stream(t, s)
			next()
			ends = append(ends, end)
		}
		if w := request(t, s, "GET", "/events", ""); w.Code != http.StatusServiceUnavailable {
			t.Errorf("status %d", w.Code)
		}
		for _, end := range ends {
			end()
		}
	})
}

func FuzzTouch(f *testing.F) {
	f.Add(`{"touch":"accept"}`)
	f.Add(`{"touch":"exit_request"}`)
	f.Add(`{"touch":null}`)
	f.Add(`[{"touch":"accept"}]`)
	s := New(Options{})
	f.Fuzz(func(t *testing.T, body string) {
		s.Show(Screen{Name: ScreenNotice, More: true})
		r := httptest.NewRequest("POST", "http://localhost/touch", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		s.Handler().ServeHTTP(httptest.NewRecorder(), r)
		select {
		case got := <-s.Touches():
			if !slices.Contains([]Touch{TouchAccept, TouchDecline, TouchMoreTime, TouchExit}, got) {
				t.Fatalf("delivered %q", got)
			}
		default:
		}
	})
}
