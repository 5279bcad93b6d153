package simhal

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
	"egate/hal/internal/edges"
	"egate/hal/internal/pulse"
)

// Line tells how a logical name is wired to the far end.
type Line struct {
	Wire      string // name at the far end; empty means the logical name
	Output    bool
	ActiveLow bool
}

// ackLimit is how long Set waits for the far end, greetLimit how long opening does. A healthy one answers within a
// millisecond. Variables for the tests with hostile ones.
var ackLimit, greetLimit = time.Second, 2 * time.Second

type message struct {
	T       string            `json:"t"`
	ID      uint64            `json:"id,omitempty"`
	Line    string            `json:"line,omitempty"`
	Level   bool              `json:"level,omitempty"`
	At      int64             `json:"at,omitempty"`
	Seq     uint32            `json:"seq,omitempty"`
	Why     string            `json:"why,omitempty"`
	Inputs  map[string]bool   `json:"inputs,omitempty"`
	Seqs    map[string]uint32 `json:"seqs,omitempty"`
	Outputs []string          `json:"outputs,omitempty"`
}

type lines struct {
	conn net.Conn
	q    *edges.Queue

	cfg  map[string]Line
	name map[string]string // wire to logical name, inputs

	mu     sync.Mutex
	err    error
	levels map[string]gpio.Level // inputs, logical
	acks   map[uint64]chan error
	id     uint64
	pulses map[string]pulse.Turn

	wmu     sync.Mutex
	closing bool          // with wmu
	gone    chan struct{} // closed with err set
}

// DialLines connects to a LineServer at the unix socket path. cfg names the lines; with an empty cfg
// every line of the far end is taken under its own name. A line that the far end does not have is an
// error here, as on a board.
func DialLines(path string, cfg map[string]Line) (hal.Lines, error) {
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if err != nil {
		return nil, fmt.Errorf("simhal: lines: %w: %w", hal.ErrLost, err)
	}
	l, err := handshake(conn, cfg)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return l, nil
}

func handshake(conn net.Conn, cfg map[string]Line) (*lines, error) {
	_ = conn.SetReadDeadline(time.Now().Add(greetLimit))
	sc := bufio.NewScanner(conn)
	sc.Buffer(make([]byte, 0, 4096), MaxLineMessage)
	if !sc.Scan() {
		return nil, fmt.Errorf("simhal: lines: no greeting: %w", errors.Join(hal.ErrLost, sc.Err()))
	}
	var hello message
	if err := json.Unmarshal(sc.Bytes(), &hello); err != nil {
		return nil, fmt.Errorf("simhal: lines: greeting: %w", err)
	}
	switch hello.T {
	case "hello":
	case "busy":
		return nil, errors.New("simhal: lines: busy: another process holds them")
	default:
		return nil, fmt.Errorf("simhal: lines: unexpected greeting %.20q", hello.T)
	}
	_ = conn.SetReadDeadline(time.Time{})
	l := &lines{conn: conn, cfg: map[string]Line{}, name: map[string]string{}, levels: map[string]gpio.Level{},
		acks: map[uint64]chan error{}, pulses: map[string]pulse.Turn{}, gone: make(chan struct{})}
	outputs := map[string]bool{}
	for _, o := range hello.Outputs {
		outputs[o] = true
	}
	if len(cfg) == 0 {
		cfg = map[string]Line{}
		for n := range hello.Inputs {
			cfg[n] = Line{}
		}
		for n := range outputs {
			cfg[n] = Line{Output: true}
		}
	}
	taken := map[string]string{}
	for n, c := range cfg {
		if c.Wire == "" {
			c.Wire = n
		}
		if o, twice := taken[c.Wire]; twice {
			return nil, fmt.Errorf("simhal: lines: %s and %s are wired to the same line %s", o, n, c.Wire)
		}
		taken[c.Wire] = n
		l.cfg[n] = c
		if c.Output {
			if !outputs[c.Wire] {
				return nil, fmt.Errorf("simhal: lines: no output %s at the far end", c.Wire)
			}
			l.pulses[n] = pulse.NewTurn()
			continue
		}
		v, ok := hello.Inputs[c.Wire]
		if !ok {
			return nil, fmt.Errorf("simhal: lines: no input %s at the far end", c.Wire)
		}
		l.name[c.Wire] = n
		l.levels[n] = gpio.Level(v != c.ActiveLow)
	}
	l.q = edges.New()
	for w, n := range l.name {
		l.q.Push(hal.Edge{Line: n, Level: l.levels[n], At: time.Duration(hello.At), Seq: hello.Seqs[w]})
	}
	// An output whose active level is low must be driven to rest: its wire is Low now, which would be
	// energised.
	go l.read(sc)
	for n, c := range l.cfg {
		if c.Output && c.ActiveLow {
			if err := l.Set(n, gpio.Low); err != nil {
				l.Close()
				return nil, err
			}
		}
	}
	return l, nil
}

func (l *lines) read(sc *bufio.Scanner) {
	for sc.Scan() {
		var m message
		if err := json.Unmarshal(sc.Bytes(), &m); err != nil {
			l.fail(fmt.Errorf("simhal: lines: %w: garbled message", hal.ErrLost))
			break
		}
		switch m.T {
		case "in":
			n, ours := l.name[m.Line]
			if !ours {
				continue
			}
			v := gpio.Level(m.Level != l.cfg[n].ActiveLow)
			l.mu.Lock()
			l.levels[n] = v
			l.mu.Unlock()
			l.q.Push(hal.Edge{Line: n, Level: v, At: time.Duration(m.At), Seq: m.Seq})
		case "ok", "no":
			l.mu.Lock()
			ch := l.acks[m.ID]
			delete(l.acks, m.ID)
			l.mu.Unlock()
			if ch == nil {
				continue
			}
			if m.T == "no" {
				ch <- fmt.Errorf("simhal: lines: far end refused: %.80s", m.Why)
			} else {
				ch <- nil
			}
		}
	}
	l.fail(fmt.Errorf("simhal: lines: %w", hal.ErrLost))
}

// fail ends the device with err, once.
func (l *lines) fail(err error) {
	l.mu.Lock()
	first := l.err == nil
	if first {
		l.err = err
		close(l.gone)
	}
	l.mu.Unlock()
	if first {
		l.conn.Close()
		l.q.Close()
	}
}

// Read implements hal.Lines.
func (l *lines) Read(name string) (gpio.Level, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return gpio.Low, l.err
	}
	v, ok := l.levels[name]
	if !ok {
		return gpio.Low, fmt.Errorf("simhal: lines: no input %s", name)
	}
	return v, nil
}

// Edges implements hal.Lines.
func (l *lines) Edges() <-chan hal.Edge { return l.q.C() }

// Err implements hal.Lines.
func (l *lines) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Set implements hal.Lines. It returns when the far end has set the line.
func (l *lines) Set(name string, v gpio.Level) error { return l.set(name, v, false) }

// set drives an output. Once Close has begun, only its own orders (last) go out.
func (l *lines) set(name string, v gpio.Level, last bool) error {
	c, ok := l.cfg[name]
	if !ok || !c.Output {
		return fmt.Errorf("simhal: lines: no output %s", name)
	}
	l.mu.Lock()
	if err := l.err; err != nil {
		l.mu.Unlock()
		return err
	}
	l.id++
	id := l.id
	ch := make(chan error, 1)
	l.acks[id] = ch
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.acks, id)
		l.mu.Unlock()
	}()
	b, err := json.Marshal(message{T: "set", ID: id, Line: c.Wire, Level: bool(v) != c.ActiveLow})
	if err != nil {
		return fmt.Errorf("simhal: lines: %w", err)
	}
	l.wmu.Lock()
	if l.closing && !last {
		l.wmu.Unlock()
		return hal.ErrClosed
	}
	_ = l.conn.SetWriteDeadline(time.Now().Add(ackLimit))
	_, err = l.conn.Write(append(b, '\n'))
	l.wmu.Unlock()
	if err != nil {
		// Half a message may be on its way: this connection is of no more use.
		l.fail(fmt.Errorf("simhal: lines: %w", hal.ErrLost))
		return l.Err()
	}
	t := time.NewTimer(ackLimit)
	defer t.Stop()
	select {
	case err := <-ch:
		return err
	case <-l.gone:
		return l.Err()
	case <-t.C:
		select {
		case err := <-ch: // this process was woken late
			return err
		default:
		}
		return fmt.Errorf("simhal: lines: set %s: %w", name, hal.ErrTimeout)
	}
}

// Pulse implements hal.Lines. Pulses of one line follow each other.
func (l *lines) Pulse(ctx context.Context, name string, d time.Duration) error {
	turn := l.pulses[name]
	if turn == nil {
		return fmt.Errorf("simhal: lines: no output %s", name)
	}
	set := func(v gpio.Level) error { return l.Set(name, v) }
	if err := pulse.Run(ctx, turn, l.gone, l.Err, set, d); err != nil {
		return fmt.Errorf("simhal: lines: %s: %w", name, err)
	}
	return nil
}

// Close implements hal.Lines.
func (l *lines) Close() error {
	l.wmu.Lock()
	again := l.closing
	l.closing = true
	l.wmu.Unlock()
	if !again && l.Err() == nil {
		for n, c := range l.cfg {
			if c.Output && l.set(n, gpio.Low, true) != nil {
				break // the far end lets everything fall when we are gone
			}
		}
	}
	l.fail(hal.ErrClosed)
	l.mu.Lock()
	if !errors.Is(l.err, hal.ErrClosed) {
		l.err = errors.Join(hal.ErrClosed, l.err)
	}
	l.mu.Unlock()
	return nil
}
