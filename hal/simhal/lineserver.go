package simhal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// backlog is how many changes wait for a client that does not read (frozen, stopped); then the oldest
// are lost, as in a kernel's line buffer, and seq shows it.
const backlog = 1024

// takeover is how long a new client waits for the lines of one that is just dying.
const takeover = 500 * time.Millisecond

// LineServer is the far end of DialLines: the terminal strip of a simulated gate. It serves one
// client at a time and survives any number of them. When a client goes, every output falls Low, as a
// relay board without power does.
type LineServer struct {
	ln    net.Listener
	start time.Time
	wg    sync.WaitGroup

	mu       sync.Mutex
	inputs   map[string]bool
	seqs     map[string]uint32
	outputs  map[string]bool
	onOutput func(name string, level gpio.Level, at time.Time)
	onGone   func()
	client   *lineClient
	free     chan struct{} // closed when the present client is gone
	closed   bool
	clients  int

	// order keeps the calls of onOutput in the order of the changes.
	order sync.Mutex
}

type lineClient struct {
	conn  net.Conn
	mu    sync.Mutex
	queue []message
	wake  chan struct{}
	gone  chan struct{}
}

// NewLineServer listens at the unix socket path, which it makes anew. Every line starts Low.
func NewLineServer(path string, inputs, outputs []string) (*LineServer, error) {
	s := &LineServer{start: time.Now(), inputs: map[string]bool{}, seqs: map[string]uint32{}, outputs: map[string]bool{}}
	for _, n := range inputs {
		s.inputs[n] = false
	}
	for _, n := range outputs {
		if _, both := s.inputs[n]; both {
			return nil, fmt.Errorf("simhal: %s is both input and output", n)
		}
		s.outputs[n] = false
	}
	ln, err := listen(path)
	if err != nil {
		return nil, err
	}
	s.ln = ln
	s.wg.Go(s.accept)
	return s, nil
}

// listen opens a unix socket for this user only, in place of one that a dead process left.
func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("simhal: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("simhal: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("simhal: %w", err)
	}
	return ln, nil
}

// OnOutput sets who is told of every change of an output that a client makes. f is called in order, before
// the client's Set returns, and may call SetInput.
func (s *LineServer) OnOutput(f func(name string, level gpio.Level, at time.Time)) {
	s.mu.Lock()
	s.onOutput = f
	s.mu.Unlock()
}

// OnDisconnect sets who is told that a client is gone. Every output has fallen Low by then, all in one
// instant, as without power: OnOutput's function is not called for that.
func (s *LineServer) OnDisconnect(f func()) {
	s.mu.Lock()
	s.onGone = f
	s.mu.Unlock()
}

// SetInput sets the level of an input. Setting the present level is no edge.
func (s *LineServer) SetInput(name string, level gpio.Level) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.inputs[name]
	if !ok {
		return fmt.Errorf("simhal: no input %s", name)
	}
	if old == bool(level) {
		return nil
	}
	s.inputs[name] = bool(level)
	s.seqs[name]++
	if s.client != nil {
		s.client.push(message{T: "in", Line: name, Level: bool(level), At: int64(time.Since(s.start)), Seq: s.seqs[name]})
	}
	return nil
}

// Input returns the level of an input as set last.
func (s *LineServer) Input(name string) gpio.Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	return gpio.Level(s.inputs[name])
}

// Output returns the level of an output.
func (s *LineServer) Output(name string) gpio.Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	return gpio.Level(s.outputs[name])
}

// Connected tells whether a client holds the lines, and how many have held them so far.
func (s *LineServer) Connected() (now bool, ever int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client != nil, s.clients
}

// Gone returns when the present client, if there is one, has ended and everything it said has been heard.
func (s *LineServer) Gone() {
	s.mu.Lock()
	c := s.client
	s.mu.Unlock()
	if c != nil {
		<-c.gone
	}
}

// Disconnect cuts the present client off, as a pulled cable would.
func (s *LineServer) Disconnect() {
	s.mu.Lock()
	c := s.client
	s.mu.Unlock()
	if c != nil {
		c.conn.Close()
		<-c.gone
	}
}

// Close ends the server; it returns when no call of OnOutput's function runs any more.
func (s *LineServer) Close() error {
	s.mu.Lock()
	s.closed = true
	c := s.client
	s.mu.Unlock()
	err := s.ln.Close()
	if c != nil {
		c.conn.Close()
	}
	s.wg.Wait()
	return err
}

func (s *LineServer) accept() {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.serve(conn) })
	}
}

// register makes c the client, or returns false when another one stays.
func (s *LineServer) register(c *lineClient) bool {
	deadline := time.NewTimer(takeover)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return false
		}
		old := s.client
		if old == nil {
			s.client = c
			s.clients++
			hello := message{T: "hello", Inputs: maps.Clone(s.inputs), Seqs: maps.Clone(s.seqs),
				Outputs: slices.Sorted(maps.Keys(s.outputs)), At: int64(time.Since(s.start))}
			c.push(hello)
			s.mu.Unlock()
			return true
		}
		s.mu.Unlock()
		select {
		case <-old.gone:
		case <-deadline.C:
			return false
		}
	}
}

func (s *LineServer) serve(conn net.Conn) {
	defer conn.Close()
	c := &lineClient{conn: conn, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	if !s.register(c) {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write([]byte("{\"t\":\"busy\"}\n"))
		return
	}
	done := make(chan struct{})
	var w sync.WaitGroup
	w.Go(func() { c.write(done) })
	sc := bufio.NewScanner(conn)
	sc.Buffer(make([]byte, 0, 4096), MaxLineMessage)
	for sc.Scan() {
		var m message
		if json.Unmarshal(sc.Bytes(), &m) != nil {
			break
		}
		if m.T != "set" {
			continue
		}
		if s.setOutput(m.Line, m.Level) {
			c.push(message{T: "ok", ID: m.ID})
		} else {
			c.push(message{T: "no", ID: m.ID, Why: "unknown line"})
		}
	}
	conn.Close()
	close(done)
	w.Wait()
	s.order.Lock()
	s.mu.Lock()
	for n := range s.outputs {
		s.outputs[n] = false
	}
	s.client = nil
	f := s.onGone
	s.mu.Unlock()
	if f != nil {
		f()
	}
	s.order.Unlock()
	close(c.gone)
}

func (s *LineServer) setOutput(name string, level bool) bool {
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	old, ok := s.outputs[name]
	if ok {
		s.outputs[name] = level
	}
	f := s.onOutput
	s.mu.Unlock()
	if ok && old != level && f != nil {
		f(name, gpio.Level(level), time.Now())
	}
	return ok
}

func (c *lineClient) push(m message) {
	c.mu.Lock()
	if len(c.queue) >= backlog {
		// The oldest edge goes that a newer one of its line follows; answers and the greeting stay.
		later := map[string]int{m.Line: 1}
		for _, q := range c.queue {
			later[q.Line]++
		}
		i := slices.IndexFunc(c.queue, func(q message) bool { return q.T == "in" && later[q.Line] > 1 })
		if i < 0 {
			c.conn.Close() // asks without end and reads nothing
		} else {
			c.queue = slices.Delete(c.queue, i, i+1)
		}
	}
	c.queue = append(c.queue, m)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *lineClient) write(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-c.wake:
		}
		for {
			c.mu.Lock()
			if len(c.queue) == 0 {
				c.mu.Unlock()
				break
			}
			m := c.queue[0]
			c.queue = c.queue[1:]
			c.mu.Unlock()
			b, err := json.Marshal(m)
			if err != nil {
				continue
			}
			if _, err := c.conn.Write(append(b, '\n')); err != nil {
				return
			}
		}
	}
}
