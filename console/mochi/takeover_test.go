package mochi

import (
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

// limit bounds a wait on a busy machine; nothing is measured with it.
const limit = time.Minute

// TestM01TakeoverKeepsTheNewConnection: a client that connects again and again under its name hears what is
// published to it, and no will of an old connection comes after the new one has spoken.
func TestM01TakeoverKeepsTheNewConnection(t *testing.T) {
	s := mqtt.New(&mqtt.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
		t.Fatal(err)
	}
	h := NewTakeover(s)
	h.limit = limit
	if err := s.AddHook(h, nil); err != nil {
		t.Fatal(err)
	}
	l := Listener(s, listeners.NewTCP(listeners.Config{ID: "t", Address: "127.0.0.1:0"}))
	if err := s.AddListener(l); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	client := func(id, will string) paho.Client {
		o := paho.NewClientOptions().AddBroker("tcp://" + l.Address()).SetClientID(id).SetAutoReconnect(false).SetCleanSession(true).SetProtocolVersion(4).SetOrderMatters(true)
		if will != "" {
			o.SetWill("w", will, 1, false)
		}
		c := paho.NewClient(o)
		wait(t, c.Connect())
		return c
	}
	words := make(chan string, 4096)
	watcher := client("watcher", "")
	wait(t, watcher.Subscribe("w", 1, func(_ paho.Client, m paho.Message) { words <- string(m.Payload()) }))
	const rounds = 150
	for i := range rounds {
		c := client("gate", fmt.Sprintf("will %d", i))
		heard := make(chan struct{}, 1)
		wait(t, c.Subscribe("in", 1, func(paho.Client, paho.Message) { heard <- struct{}{} }))
		wait(t, c.Publish("w", 1, false, fmt.Sprintf("hello %d", i)))
		wait(t, watcher.Publish("in", 1, false, "x"))
		select {
		case <-heard:
		case <-time.After(limit):
			t.Fatalf("connection %d is deaf", i)
		}
	}
	// mochi drops the will of a connection that it takes over, now and then; a late one is worse than none.
	for i := 0; i < rounds; {
		var w string
		select {
		case w = <-words:
		case <-time.After(limit):
			t.Fatalf("the first word of connection %d never came", i)
		}
		var n int
		if k, _ := fmt.Sscanf(w, "will %d", &n); k == 1 {
			if n < i-1 {
				t.Fatalf("the will of connection %d came after the first word of connection %d", n, i-1)
			}
			continue
		}
		if w != fmt.Sprintf("hello %d", i) {
			t.Fatalf("%q out of turn", w)
		}
		i++
	}
}

func wait(t *testing.T, tok paho.Token) {
	t.Helper()
	if !tok.WaitTimeout(limit) || tok.Error() != nil {
		t.Fatal("broker: ", tok.Error())
	}
}
