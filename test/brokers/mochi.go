package brokers

import (
	"io"
	"log/slog"
	"sync"
	"testing"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"

	"egate/console/mochi"
)

// Embedded is the broker that egate-console embeds.
type Embedded struct {
	Addr string

	t  testing.TB
	mu sync.Mutex
	s  *mqtt.Server
}

// Mochi starts an embedded broker without access control, until the test ends.
func Mochi(t testing.TB) *Embedded {
	t.Helper()
	b := &Embedded{Addr: Address(t), t: t}
	b.Start()
	t.Cleanup(b.Kill)
	return b
}

// Start starts it again after Kill, on the same port and with nothing in its memory.
func (b *Embedded) Start() {
	b.t.Helper()
	s := mqtt.New(&mqtt.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
		b.t.Fatal(err)
	}
	if err := s.AddHook(mochi.NewTakeover(s), nil); err != nil {
		b.t.Fatal(err)
	}
	if err := s.AddListener(mochi.Listener(s, listeners.NewTCP(listeners.Config{ID: "tcp", Address: b.Addr}))); err != nil {
		b.t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	b.s = s
	b.mu.Unlock()
}

// Kill ends the broker.
func (b *Embedded) Kill() {
	b.mu.Lock()
	s := b.s
	b.s = nil
	b.mu.Unlock()
	if s != nil {
		_ = s.Close()
	}
}

// URL is the broker's address.
func (b *Embedded) URL() string { return "tcp://" + b.Addr }
