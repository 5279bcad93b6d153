package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"egate/display"
)

// Screen is the traveller screen as a person in front of it sees it, over the same stream that the
// page paints, and with the same beats.
type Screen struct {
	url    string
	client *http.Client

	mu    sync.Mutex
	cur   display.Screen
	fresh bool // the stream is alive
	shown []string
	subs  map[chan struct{}]struct{}
}

// NewScreen makes a viewer of the screen at base.
func NewScreen(base string) *Screen {
	return &Screen{url: strings.TrimSuffix(base, "/"), client: &http.Client{}, subs: map[chan struct{}]struct{}{}}
}

// Run watches until ctx ends; a stream that breaks is opened again.
func (s *Screen) Run(ctx context.Context) {
	for ctx.Err() == nil {
		_ = s.watch(ctx)
		s.mu.Lock()
		s.fresh, s.cur = false, display.Screen{}
		s.mu.Unlock()
		s.tell()
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond): // pace of reconnecting
		}
	}
}

func (s *Screen) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/events", nil)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("run: screen: %s", resp.Status)
	}
	// The page falls back when the stream is silent for 3 s; so does this viewer.
	silence := time.AfterFunc(3*time.Second, cancel)
	defer silence.Stop()
	var id, event string
	in := bufio.NewScanner(resp.Body)
	in.Buffer(make([]byte, 0, 4096), 64<<10)
	for in.Scan() {
		silence.Reset(3 * time.Second)
		line := in.Text()
		switch {
		case strings.HasPrefix(line, "id:"):
			id = strings.TrimSpace(line[3:])
		case strings.HasPrefix(line, "event:"):
			event = strings.TrimSpace(line[6:])
		case strings.HasPrefix(line, "data:") && event == "":
			var sc display.Screen
			if err := json.Unmarshal([]byte(strings.TrimSpace(line[5:])), &sc); err != nil {
				return fmt.Errorf("run: screen: %w", err)
			}
			s.beat(ctx, id) // before anybody acts on it, as a page beats when it has painted
			s.mu.Lock()
			s.cur, s.fresh = sc, true
			if n := len(s.shown); n == 0 || s.shown[n-1] != sc.Name {
				s.shown = append(s.shown, sc.Name)
			}
			s.mu.Unlock()
			s.tell()
		case line == "":
			if event == "beat" {
				s.beat(ctx, id)
			}
			event = ""
		}
	}
	return in.Err()
}

func (s *Screen) beat(ctx context.Context, id string) {
	if id != "" {
		_ = s.post(ctx, "/beat", map[string]string{"seq": id})
	}
}

func (s *Screen) post(ctx context.Context, path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	msg, _ := io.ReadAll(io.LimitReader(resp.Body, 256))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("run: screen: %s: %s %s", path, resp.Status, bytes.TrimSpace(msg))
	}
	return nil
}

// Touch presses a button.
func (s *Screen) Touch(ctx context.Context, t display.Touch) error {
	return s.post(ctx, "/touch", map[string]display.Touch{"touch": t})
}

func (s *Screen) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Current returns what is shown now; ok is false while the stream is dead.
func (s *Screen) Current() (sc display.Screen, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cur, s.fresh
}

// Shown returns the names shown since Forget, repetitions dropped.
func (s *Screen) Shown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.shown...)
}

// Forget starts the list of Shown anew with what is shown now.
func (s *Screen) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = nil
	if s.fresh {
		s.shown = []string{s.cur.Name}
	}
}

// Changes returns a channel that wakes at every change, and a func that ends it.
func (s *Screen) Changes() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	c <- struct{}{}
	s.mu.Lock()
	s.subs[c] = struct{}{}
	s.mu.Unlock()
	return c, func() {
		s.mu.Lock()
		delete(s.subs, c)
		s.mu.Unlock()
	}
}

// Wait blocks until cond holds of what is shown, or ctx ends.
func (s *Screen) Wait(ctx context.Context, cond func(display.Screen) bool) error {
	c, end := s.Changes()
	defer end()
	for {
		if sc, ok := s.Current(); ok && cond(sc) {
			return nil
		}
		select {
		case <-c:
		case <-ctx.Done():
			sc, ok := s.Current()
			return fmt.Errorf("run: screen shows %q (alive: %v): %w", sc.Name, ok, ctx.Err())
		}
	}
}
