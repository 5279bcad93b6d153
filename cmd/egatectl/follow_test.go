package main

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/test/brokers"
)

// screen is a terminal that a test can look at.
type screen struct {
	mu   sync.Mutex
	b    strings.Builder
	news chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Write(p)
	select {
	case s.news <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screen) until(t *testing.T, want string) string {
	t.Helper()
	for end := time.After(5 * time.Minute); ; {
		s.mu.Lock()
		text := s.b.String()
		s.mu.Unlock()
		if strings.Contains(text, want) {
			return text
		}
		select {
		case <-s.news:
		case <-end:
			t.Fatalf("no %q on the screen:\n%s", want, text)
		}
	}
}

// TestM01DiagFollow: the retained health is shown at once, each change as it comes, a repetition not at all, a gate that
// is gone as such; a message that breaks the contract is told of and not quoted.
func TestM01DiagFollow(t *testing.T) {
	b := brokers.Mochi(t)
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(b.URL()).SetClientID("gate").SetAutoReconnect(false).SetProtocolVersion(4))
	if tok := c.Connect(); !tok.WaitTimeout(time.Minute) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	defer c.Disconnect(0)
	say := func(topic string, v any) {
		t.Helper()
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if tok := c.Publish(api.Topic("site", "gate-1", topic), 1, true, raw); !tok.WaitTimeout(time.Minute) || tok.Error() != nil {
			t.Fatal(tok.Error())
		}
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := api.Health{At: at, Overall: "ok", Parts: []api.Part{{Name: "camera", State: "ok", Since: at}}, Faults: []api.Fault{}, Counters: map[string]int64{"steps": 1}}
	say(api.TopicHealth, h)
	ctx, cancel := context.WithCancel(t.Context())
	s, done := &screen{news: make(chan struct{}, 1)}, make(chan error, 1)
	go func() { done <- dispatch(ctx, s, []string{"diag", "follow", "--site", "site", "--broker", b.URL()}) }()
	s.until(t, "gate-1: ok, 1 of 1 parts ok\n")
	h.Counters["steps"] = 2 // nothing that is shown
	say(api.TopicHealth, h)
	h.Overall, h.Parts[0] = "out_of_service", api.Part{Name: "camera", State: "failed", Since: at, Code: "camera_lost"}
	h.Faults = []api.Fault{{Code: "camera_lost", Part: "camera", Severity: "error", Since: at}}
	say(api.TopicHealth, h)
	text := s.until(t, "fault camera               error     camera_lost since 2026-03-01 12:00:00 (docs/faults.md#camera_lost)")
	if strings.Count(text, "gate-1: ok") != 1 || !strings.Contains(text, "gate-1: out_of_service, 0 of 1 parts ok") {
		t.Errorf("screen:\n%s", text)
	}
	say(api.TopicStatus, api.Status{State: "offline", Boot: "0123456789abcdef", Session: "0123456789abcdef", Epoch: 1, At: at})
	s.until(t, "OFFLINE")
	say(api.TopicHealth, map[string]string{"surname": "MUSTERMANN"})
	if text := s.until(t, "refused: "); strings.Contains(text, "MUSTERMANN") {
		t.Errorf("a refused message is quoted:\n%s", text)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	b.Kill()
	if err := dispatch(t.Context(), s, []string{"diag", "follow", "--site", "site", "--broker", b.URL()}); err == nil || !strings.Contains(err.Error(), "does not let this in") {
		t.Error(err)
	}
	if err := dispatch(t.Context(), s, []string{"diag", "follow", "--site", "site", "--broker", "tls://127.0.0.1:1", "--ca", "/nowhere"}); err == nil || !strings.Contains(err.Error(), "--ca") {
		t.Error(err)
	}
}
