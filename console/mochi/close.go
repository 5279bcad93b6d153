package mochi

import (
	"errors"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
)

const (
	endEvery = 100 * time.Millisecond
	endLimit = 3 * time.Second
)

// ErrSilent says that somebody has connected and said nothing: the server does not know him as a client. It
// listens no more, and is gone with its process.
var ErrSilent = errors.New("mochi: a connection without a client does not end")

var errEnding = errors.New("mochi: the server ends")

// Close ends a server whose listeners are made with Listener. The library waits for all its clients, and has
// closed those that it knew when it began: one that came in at that moment would keep it for ever. Such
// clients are ended here; a connection that never became one is left after three seconds, with ErrSilent.
func Close(s *mqtt.Server) error {
	done := make(chan error, 1)
	go func() { done <- s.Close() }()
	again := time.NewTicker(endEvery)
	defer again.Stop()
	limit := time.NewTimer(endLimit)
	defer limit.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-limit.C:
			return ErrSilent
		case <-again.C:
			for _, cl := range s.Clients.GetAll() {
				cl.Stop(errEnding)
			}
		}
	}
}
