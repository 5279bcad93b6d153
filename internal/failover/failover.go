// Package failover keeps one connection to the first server of an ordered list that works, and comes back to an earlier
// one when that is there again.
package failover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync/atomic"
	"time"
)

// Limits of a list.
type Limits struct {
	MinPause, MaxPause time.Duration // between two rounds through the list; doubles while none works
	Settled            time.Duration // a connection that lives so long has worked
	Return             time.Duration // between two looks at the servers before the one in use; doubles while coming back fails
	Probe              time.Duration // of one look
}

// Defaults are the limits of a link.
var Defaults = Limits{MinPause: 300 * time.Millisecond, MaxPause: 10 * time.Second, Settled: 10 * time.Second, Return: time.Minute, Probe: 5 * time.Second}

// maxReturn caps Return when coming back fails time after time.
const maxReturn = 16

// ErrBetter ends a connection because an earlier server of the list is there again.
var ErrBetter = errors.New("failover: an earlier server is there again")

// List is an ordered list of servers.
type List struct {
	Servers []string
	Limits  Limits
	// Probe looks whether a server is there. It makes no session: a cluster would end the one in use.
	Probe func(ctx context.Context, server string) error

	at atomic.Int64
}

// At is the place of the server in use, or tried last, in the list.
func (l *List) At() int { return int(l.at.Load()) }

// Run connects, and connects again, until ctx ends. connect lives as long as its connection; ended is told why each one
// ended.
func (l *List) Run(ctx context.Context, connect func(ctx context.Context, server string) error, ended func(server string, err error)) {
	pause, wait := l.Limits.MinPause, l.Limits.Return
	returning := false // this round was begun to come back
	for ctx.Err() == nil {
		worked := false
		for i, server := range l.Servers {
			l.at.Store(int64(i))
			began := time.Now()
			err := l.connection(ctx, i, wait, connect)
			if ctx.Err() != nil {
				return
			}
			ended(server, err)
			lived := time.Since(began) >= l.Limits.Settled
			switch {
			case returning && !lived:
				wait = min(2*wait, maxReturn*l.Limits.Return)
			case lived && i == 0:
				wait = l.Limits.Return
			}
			returning = errors.Is(err, ErrBetter)
			if worked = lived || returning; worked {
				break // from the first one again
			}
		}
		if returning {
			continue
		}
		if worked {
			pause = l.Limits.MinPause
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)/2): // gates of a line do not come all at once
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, l.Limits.MaxPause)
	}
}

// connection is one connection to the i-th server, ended when an earlier one is there again.
func (l *List) connection(ctx context.Context, i int, wait time.Duration, connect func(context.Context, string) error) error {
	if i == 0 {
		return connect(ctx, l.Servers[0])
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if l.earlier(ctx, i, wait) {
			cancel(ErrBetter)
		}
	}()
	err := connect(ctx, l.Servers[i])
	better := errors.Is(context.Cause(ctx), ErrBetter)
	cancel(nil)
	<-watched
	if better {
		return ErrBetter
	}
	return err
}

// earlier waits until one of the servers before the i-th is there, and tells false when ctx ends before.
func (l *List) earlier(ctx context.Context, i int, wait time.Duration) bool {
	tick := time.NewTicker(wait)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		for _, s := range l.Servers[:i] {
			probe, cancel := context.WithTimeout(ctx, l.Limits.Probe)
			err := l.Probe(probe, s)
			cancel()
			if err == nil {
				return ctx.Err() == nil
			}
		}
	}
}

// Dial is a Probe: it opens a connection to a tcp:// or tls:// address, with the handshake, and closes it.
func Dial(config func() *tls.Config) func(ctx context.Context, server string) error {
	return func(ctx context.Context, server string) error {
		u, err := url.Parse(server)
		if err != nil {
			return fmt.Errorf("failover: %w", err)
		}
		var c net.Conn
		if u.Scheme == "tls" && config != nil {
			c, err = (&tls.Dialer{Config: config()}).DialContext(ctx, "tcp", u.Host)
		} else {
			c, err = (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		}
		if err != nil {
			return fmt.Errorf("failover: %w", err)
		}
		return c.Close()
	}
}
