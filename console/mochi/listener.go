package mochi

import (
	"errors"
	"net"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Listener makes a listener with which Server.Close returns. The library's own way of ending clients takes
// the lock of the client book twice and waits for ever when a client comes or goes in between
// (mochi-mqtt/server issue 488); it does not know a connection that has not said anything yet, nor one that
// comes in at that moment, and waits for both.
func Listener(s *mqtt.Server, l listeners.Listener) listeners.Listener {
	return &listener{Listener: l, server: s, conns: map[net.Conn]struct{}{}}
}

type listener struct {
	listeners.Listener
	server *mqtt.Server

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	ended bool
	busy  sync.WaitGroup // connections; none is added once ended is set
}

var errEnding = errors.New("mochi: the server ends")

// Serve implements listeners.Listener.
func (l *listener) Serve(establish listeners.EstablishFn) {
	l.Listener.Serve(func(id string, c net.Conn) error {
		l.mu.Lock()
		if l.ended {
			l.mu.Unlock()
			return errors.Join(errEnding, c.Close())
		}
		l.conns[c] = struct{}{}
		l.busy.Add(1)
		l.mu.Unlock()
		defer l.busy.Done()
		defer func() {
			l.mu.Lock()
			delete(l.conns, c)
			l.mu.Unlock()
		}()
		return establish(id, c)
	})
}

// Close implements listeners.Listener: clients are told, connections are closed, and it returns when nobody
// serves one any more.
func (l *listener) Close(listeners.CloseFn) {
	l.Listener.Close(func(id string) {
		l.mu.Lock()
		l.ended = true
		l.mu.Unlock()
		for _, c := range l.server.Clients.GetAll() {
			if c.Net.Listener == id && !c.Closed() {
				_ = l.server.DisconnectClient(c, packets.ErrServerShuttingDown)
			} else {
				c.Stop(errEnding) // the pipe of the process itself, say: nobody may read there any more
			}
		}
		l.mu.Lock()
		for c := range l.conns {
			_ = c.Close()
		}
		l.mu.Unlock()
	})
	l.busy.Wait()
}
