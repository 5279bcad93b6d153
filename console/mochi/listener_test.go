package mochi

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

// TestCloseReturns: a server closes although clients come and go at that very moment, and although somebody
// has connected and says nothing.
func TestCloseReturns(t *testing.T) {
	for range 20 {
		s := mqtt.New(&mqtt.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
			t.Fatal(err)
		}
		l := Listener(s, listeners.NewTCP(listeners.Config{ID: "t", Address: "127.0.0.1:0"}))
		if err := s.AddListener(l); err != nil {
			t.Fatal(err)
		}
		if err := s.Serve(); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var busy sync.WaitGroup
		dial := func() net.Conn {
			c, err := net.Dial("tcp", l.Address())
			if err != nil {
				return nil // closed meanwhile
			}
			return c
		}
		silent := dial()
		if silent == nil {
			t.Fatal("nobody listens")
		}
		for !l.(*listener).serves() { // accepted, not only in the kernel's queue
			runtime.Gosched()
		}
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
		busy.Go(func() {
			for c := dial(); c != nil; c = dial() {
				defer c.Close()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(limit):
			t.Fatal("Close does not return")
		}
		close(stop)
		busy.Wait()
		if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) {
			t.Fatal("a connection outlives the server")
		}
		_ = silent.Close()
	}
}

func (l *listener) serves() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns) > 0
}
