package haltest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"egate/hal"
)

// Peer is the far end of a byte stream: what it says to what was written, piece by piece. It is asked with nil when the
// stream is opened.
type Peer func(written []byte) []Say

// Say is one piece.
type Say struct {
	After time.Duration // since the piece before
	Bytes []byte
	Gone  bool // the far end hangs up instead
}

// late is beyond every limit of a driver's own; soon is what the law of package hal allows after the end of a context.
const (
	late = 10 * time.Second
	soon = 100 * time.Millisecond
)

// peers are the hostile ones. proper makes an honest far end, whose answers are garbled, cut, flooded and delayed.
func peers(proper func() func([]byte) []byte) map[string]func() Peer {
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	// to changes the answers of an honest far end.
	to := func(change func(b []byte) []Say) func() Peer {
		return func() Peer {
			answer := proper()
			return func(w []byte) []Say {
				if b := answer(w); len(b) > 0 {
					return change(b)
				}
				return nil
			}
		}
	}
	whole := func(b []byte) []Say { return []Say{{Bytes: b}} }
	said := func(b []byte) func() Peer { return func() Peer { return func([]byte) []Say { return whole(b) } } }
	out := map[string]func() Peer{
		"honest":       to(whole),
		"silence":      func() Peer { return func([]byte) []Say { return nil } },
		"echo":         func() Peer { return func(w []byte) []Say { return whole(bytes.Clone(w)) } },
		"zeros":        said(make([]byte, 4096)),
		"ones":         said(bytes.Repeat([]byte{0xFF}, 4096)),
		"flood":        said(noise(256 << 10)),
		"noise first":  to(func(b []byte) []Say { return []Say{{Bytes: noise(300)}, {Bytes: b}} }),
		"noise within": to(func(b []byte) []Say { return whole(slices.Concat(b[:len(b)/2], noise(7), b[len(b)/2:])) }),
		"half frames":  to(func(b []byte) []Say { return whole(b[:(len(b)+1)/2]) }),
		"wrong sums": to(func(b []byte) []Say {
			b = bytes.Clone(b)
			b[len(b)-1-random.IntN(min(len(b), 4))] ^= 0x55
			return whole(b)
		}),
		"a bit wrong": to(func(b []byte) []Say {
			b = bytes.Clone(b)
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			return whole(b)
		}),
		"twice": to(func(b []byte) []Say { return whole(slices.Concat(b, b)) }),
		"byte by byte": to(func(b []byte) (s []Say) {
			for i := range b {
				s = append(s, Say{Bytes: b[i : i+1]})
			}
			return s
		}),
		"late":     to(func(b []byte) []Say { return []Say{{After: late, Bytes: b}} }),
		"in drops": to(func(b []byte) []Say { return []Say{{Bytes: b[:1]}, {After: late, Bytes: b[1:]}} }),
		"hangs up": to(func(b []byte) []Say { return []Say{{Bytes: b[:len(b)/2]}, {Gone: true}} }),
		"gone":     func() Peer { return func([]byte) []Say { return []Say{{Gone: true}} } },
	}
	for name, n := range map[string]int{"short noise": 3, "noise": 600} {
		out[name] = func() Peer { return func([]byte) []Say { return whole(noise(n)) } }
	}
	return out
}

// Hostile runs a driver at a serial port against far ends that lie, stop, flood and answer late. use opens the driver
// and calls what it has, each call with ctx; it closes what it opened and returns the errors. However the far end
// behaves, all ends at most a moment after ctx, without a panic and with every goroutine; only one that hung up is lost.
// Time is virtual: no machine is too slow.
func Hostile(t *testing.T, proper func() func([]byte) []byte, use func(ctx context.Context, p hal.SerialPort) []error) {
	for name, peer := range peers(proper) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(peer())
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				began := time.Now()
				errs := use(ctx, w)
				if d := time.Since(began); d > 3*time.Second+soon {
					t.Errorf("ended %v after a deadline of 3 s", d)
				}
				for _, err := range errs {
					if errors.Is(err, hal.ErrClosed) || errors.Is(err, hal.ErrLost) && !w.hungUp() {
						t.Errorf("a far end that is there: %v", err)
					}
				}
				if name == "honest" && errors.Join(errs...) != nil {
					t.Errorf("the honest far end: %v", errors.Join(errs...))
				}
				_ = w.Close()
			})
		})
	}
}

// HostileSocket is Hostile for a driver that dials a unix socket. Here time is real, and all that is asked of it is that
// every call ends: one that hangs hangs the test.
func HostileSocket(t *testing.T, proper func() func([]byte) []byte, use func(ctx context.Context, path string) []error) {
	for name, peer := range peers(proper) {
		t.Run(name, func(t *testing.T) {
			Leaks(t)
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			end, stop := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					wg.Go(func() { serve(end, c, peer()) })
				}
			})
			limit := 100 * time.Millisecond
			if name == "honest" {
				limit = patience
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			errs := use(ctx, path)
			cancel()
			stop()
			l.Close()
			wg.Wait()
			if name == "honest" && errors.Join(errs...) != nil {
				t.Errorf("the honest far end: %v", errors.Join(errs...))
			}
		})
	}
}

// serve plays a peer at one connection.
func serve(ctx context.Context, c net.Conn, peer Peer) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	b := make([]byte, 64<<10)
	for n := 0; ; {
		for _, s := range peer(b[:n]) {
			if s.Gone {
				return
			}
			if s.After > 0 {
				<-ctx.Done() // later than anybody waits
				return
			}
			if _, err := c.Write(s.Bytes); err != nil {
				return
			}
		}
		var err error
		if n, err = c.Read(b); err != nil {
			return
		}
	}
}

// wire is a serial port in memory with a peer at its end.
type wire struct {
	peer Peer
	ctx  context.Context
	end  context.CancelFunc

	mu   sync.Mutex
	in   []byte
	wake chan struct{}
	gone chan struct{}
	once sync.Once
	said sync.WaitGroup
}

func newWire(p Peer) *wire {
	w := &wire{peer: p, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	w.ctx, w.end = context.WithCancel(context.Background())
	w.say(p(nil))
	return w
}

func (w *wire) hungUp() bool {
	select {
	case <-w.gone:
		return true
	default:
		return false
	}
}

func (w *wire) say(all []Say) {
	w.said.Go(func() {
		for _, s := range all {
			select {
			case <-time.After(s.After):
			case <-w.ctx.Done():
				return
			}
			if s.Gone {
				w.once.Do(func() { close(w.gone) })
				return
			}
			w.mu.Lock()
			w.in = append(w.in, s.Bytes...)
			w.mu.Unlock()
			select {
			case w.wake <- struct{}{}:
			default:
			}
		}
	})
}

func (w *wire) Read(ctx context.Context, p []byte) (int, error) {
	for {
		w.mu.Lock()
		n := copy(p, w.in)
		w.in = w.in[n:]
		w.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		select {
		case <-w.wake:
		case <-w.ctx.Done():
			return 0, hal.ErrClosed
		case <-w.gone:
			return 0, errors.Join(hal.ErrLost, io.EOF)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (w *wire) Write(ctx context.Context, p []byte) error {
	switch {
	case w.ctx.Err() != nil:
		return hal.ErrClosed
	case w.hungUp():
		return hal.ErrLost
	case ctx.Err() != nil:
		return ctx.Err()
	}
	w.mu.Lock()
	all := w.peer(p)
	w.mu.Unlock()
	w.say(all)
	return nil
}

func (w *wire) Discard() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.in = nil
	return nil
}

func (w *wire) SetBaud(ctx context.Context, _ int) error { return ctx.Err() }
func (w *wire) Reopen(ctx context.Context) error         { return ctx.Err() }
func (w *wire) Close() error                             { w.end(); w.said.Wait(); return nil }
