package mochi

import (
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// patience bounds the wait for an old connection: one that hangs is left to mochi.
const (
	patience = 2 * time.Second
	look     = time.Millisecond
)

// Takeover is a hook that makes the broker end a client's old connection, its last will included, before it
// takes the next one of the same client.
//
// mochi ends the old connection in the background. Its last will, where mochi does not drop it, may then
// come after the new connection's first words, and its tidying up, which goes by the client's name, may take
// the new connection's place in the broker's book: that one could still speak and heard nothing any more.
type Takeover struct {
	mqtt.HookBase
	server *mqtt.Server
	limit  time.Duration
}

// NewTakeover makes the hook of a server, to which it must be added.
func NewTakeover(s *mqtt.Server) *Takeover { return &Takeover{server: s, limit: patience} }

// ID implements mqtt.Hook.
func (h *Takeover) ID() string { return "takeover" }

// Provides implements mqtt.Hook.
func (h *Takeover) Provides(b byte) bool { return b == mqtt.OnSessionEstablish }

// OnSessionEstablish waits for the end of the old connection. It runs on the new one's own goroutine, so
// that nobody else waits. mochi does not tell when its tidying up is done: the book is looked into until
// the old client has gone from it.
func (h *Takeover) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	old, there := h.server.Clients.Get(cl.ID)
	if !there || old == cl {
		return
	}
	old.Stop(packets.ErrSessionTakenOver) // nothing is said to it: a dead connection would not take it
	for end := time.Now().Add(h.limit); time.Now().Before(end); time.Sleep(look) {
		if now, there := h.server.Clients.Get(cl.ID); !there || now != old {
			return
		}
	}
}
