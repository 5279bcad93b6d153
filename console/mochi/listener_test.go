package mochi

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

// TestCloseReturns: a server closes although clients come and go at that very moment.
func TestCloseReturns(t *testing.T) {
	for range 20 {
		s := mqtt.New(&mqtt.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.AddListener(Listener(s, listeners.NewTCP(listeners.Config{ID: "t", Address: "127.0.0.1:0"}))); err != nil {
			t.Fatal(err)
		}
		if err := s.Serve(); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var busy sync.WaitGroup
		for i := range 4 {
			busy.Go(func() { // the book as the library's own connections use it
				c := s.NewClient(nil, "elsewhere", fmt.Sprint(i), false)
				for {
					select {
					case <-stop:
						return
					default:
						s.Clients.Add(c)
						s.Clients.Delete(c.ID)
					}
				}
			})
		}
		closed := make(chan error, 1)
		go func() { closed <- Close(s) }()
		select {
		case err := <-closed:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("Close does not return")
		}
		close(stop)
		busy.Wait()
	}
}
