package mochi

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Listener makes a listener whose clients are told and ended, when the server closes, without the library's
// own search for them: that one takes the lock of the client book twice, and waits for ever when a client
// comes or goes in between (mochi-mqtt/server issue 488). Server.Close would not return.
func Listener(s *mqtt.Server, l listeners.Listener) listeners.Listener { return &listener{l, s} }

type listener struct {
	listeners.Listener
	server *mqtt.Server
}

// Close implements listeners.Listener.
func (l *listener) Close(listeners.CloseFn) {
	l.Listener.Close(func(id string) {
		for _, c := range l.server.Clients.GetAll() {
			if c.Net.Listener == id && !c.Closed() {
				_ = l.server.DisconnectClient(c, packets.ErrServerShuttingDown)
			}
		}
	})
}
