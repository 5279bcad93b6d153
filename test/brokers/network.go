package brokers

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Network is a TCP relay in front of a broker that behaves as networks do: it breaks, freezes and ends
// after any number of bytes.
type Network struct {
	Addr string

	target string
	l      net.Listener
	wg     sync.WaitGroup

	mu     sync.Mutex
	conns  map[*relay]struct{}
	down   bool
	budget int64 // bytes of the next connections, 0 for no end
	change *sync.Cond
	frozen bool
	taken  int
}

type relay struct {
	near, far net.Conn
	frozen    bool
	left      int64
	limited   bool
}

// NewNetwork listens on loopback and relays to a broker until the test ends.
func NewNetwork(t testing.TB, target string) *Network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &Network{Addr: l.Addr().String(), target: target, l: l, conns: map[*relay]struct{}{}}
	n.change = sync.NewCond(&n.mu)
	n.wg.Add(1)
	go n.accept()
	t.Cleanup(func() {
		_ = l.Close()
		n.Down(true)
		n.wg.Wait()
	})
	return n
}

// URL is the address as a broker's.
func (n *Network) URL() string { return "tcp://" + n.Addr }

func (n *Network) accept() {
	defer n.wg.Done()
	for {
		c, err := n.l.Accept()
		if err != nil {
			return
		}
		n.mu.Lock()
		down := n.down
		r := &relay{near: c, left: n.budget, limited: n.budget > 0, frozen: n.frozen}
		n.mu.Unlock()
		if down {
			_ = c.Close()
			continue
		}
		if r.far, err = net.Dial("tcp", n.target); err != nil {
			_ = c.Close()
			continue
		}
		n.mu.Lock()
		if n.down {
			n.mu.Unlock()
			r.close()
			continue
		}
		n.conns[r] = struct{}{}
		n.taken++
		n.mu.Unlock()
		n.wg.Add(2)
		go n.pump(r, r.near, r.far)
		go n.pump(r, r.far, r.near)
	}
}

func (r *relay) close() {
	_ = r.near.Close()
	_ = r.far.Close()
}

func (n *Network) pump(r *relay, from, to net.Conn) {
	defer n.wg.Done()
	b := make([]byte, 4096)
	for {
		k, err := from.Read(b)
		n.mu.Lock()
		for r.frozen {
			n.change.Wait()
		}
		if r.limited {
			k = int(min(int64(k), r.left))
			if r.left -= int64(k); r.left == 0 {
				err = io.EOF
			}
		}
		n.mu.Unlock()
		if k > 0 {
			if _, werr := to.Write(b[:k]); err == nil {
				err = werr
			}
		}
		if err != nil {
			break
		}
	}
	n.mu.Lock()
	delete(n.conns, r)
	n.mu.Unlock()
	r.close()
}

// Down ends every connection and refuses new ones, or takes them again.
func (n *Network) Down(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = on
	if on {
		n.end()
	}
}

// Break ends every connection once.
func (n *Network) Break() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.end()
}

// end closes everything; mu is held.
func (n *Network) end() {
	for r := range n.conns {
		r.frozen = false
		r.close()
	}
	n.change.Broadcast()
}

// BreakAfter ends each connection that is made from now on after so many bytes of both directions; 0: never.
func (n *Network) BreakAfter(bytes int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.budget = bytes
}

// Freeze lets nothing through, and keeps connections open, until it is called with false.
func (n *Network) Freeze(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen = on
	for r := range n.conns {
		r.frozen = on
	}
	n.change.Broadcast()
}

// HalfOpen closes the client's side of all connections and keeps the broker's open, as a router that
// forgot them does: the broker does not notice.
func (n *Network) HalfOpen() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for r := range n.conns {
		r.frozen = true
		_ = r.near.Close()
	}
}

// Taken counts the connections so far.
func (n *Network) Taken() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.taken
}
