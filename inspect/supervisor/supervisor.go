// Package supervisor starts, feeds, watches and ends the inspectors: one process per traveller, at
// most Slots at once, each on an inherited socket pair. It belongs to egated and knows no more of a
// traveller than package protocol carries.
//
// An inspector that crashes, hangs, floods or breaks the protocol ends as one Event with Exited set;
// what it wrote to stderr is reduced to function names, because panic texts may quote anything.
package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"time"

	"egate/inspect/protocol"
	"egate/internal/priority"
)

const (
	// Slots is how many inspectors may live at once: one traveller in the mantrap, one at the reader.
	Slots = 2
	// queued bounds what is on its way to one inspector. The gate says a few things per traveller; a
	// full queue means that the inspector does not read.
	queued = 64
	// writeLimit is how long one frame may take into the socket.
	writeLimit = 2 * time.Second
	// maxTrace bounds what is kept of a panic, function names.
	maxTrace = 8
)

// ErrStalled says that an inspector does not read what it is told.
var ErrStalled = errors.New("supervisor: inspector does not read")

// Event is what became of an inspector.
type Event = protocol.InspectorEvent

// Supervisor owns the inspector processes. Its methods never block.
type Supervisor struct {
	argv   []string
	events chan Event

	start chan func() // the one thread that forks: children die with it (Pdeathsig)
	mu    sync.Mutex
	slots [Slots]*child
	wg    sync.WaitGroup
	done  chan struct{}
}

type child struct {
	slot, gen int
	cmd       *exec.Cmd
	sock      net.Conn
	out       chan protocol.ToInspector

	mu    sync.Mutex
	ended bool
	err   error
}

// New makes a supervisor that starts argv, e.g. egate-inspect --config FILE.
func New(argv ...string) *Supervisor {
	s := &Supervisor{argv: argv, events: make(chan Event, 256), start: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		_ = priority.Lower(priority.Inspectors) // what cannot be lowered was never raised
		for {
			select {
			case f := <-s.start:
				f()
			case <-s.done:
				return
			}
		}
	}()
	return s
}

// Events delivers messages and ends, in order per inspector.
func (s *Supervisor) Events() <-chan Event { return s.events }

// Start starts an inspector in a free slot. A failure comes as an Event.
func (s *Supervisor) Start(slot, gen int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot < 0 || slot >= Slots || s.slots[slot] != nil {
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			s.emit(Event{Slot: slot, Gen: gen, Exited: true, Err: fmt.Errorf("supervisor: slot %d is not free", slot)})
		}()
		return
	}
	c := &child{slot: slot, gen: gen, out: make(chan protocol.ToInspector, queued)}
	s.slots[slot] = c
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		trace, err := s.run(c)
		s.mu.Lock()
		s.slots[slot] = nil
		s.mu.Unlock()
		s.emit(Event{Slot: slot, Gen: gen, Exited: true, Err: err, Trace: trace})
	}()
}

// Send queues a message. An inspector that does not read is killed.
func (s *Supervisor) Send(slot int, m protocol.ToInspector) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot < 0 || slot >= Slots || s.slots[slot] == nil {
		return // it has just ended: its Event is on the way
	}
	c := s.slots[slot]
	select {
	case c.out <- m:
	default:
		c.kill(ErrStalled)
	}
}

// Kill ends an inspector at once, with its decoder children.
func (s *Supervisor) Kill(slot int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot >= 0 && slot < Slots && s.slots[slot] != nil {
		s.slots[slot].kill(errors.New("supervisor: killed"))
	}
}

// Alive counts the living inspectors.
func (s *Supervisor) Alive() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.slots {
		if c != nil {
			n++
		}
	}
	return n
}

// Close kills every inspector and waits for their ends.
func (s *Supervisor) Close() {
	for i := range Slots {
		s.Kill(i)
	}
	drained := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(drained)
	}()
	for {
		select {
		case <-s.events:
		case <-drained:
			close(s.done)
			return
		}
	}
}

func (s *Supervisor) emit(e Event) { s.events <- e }

// run lives as long as the inspector.
func (s *Supervisor) run(c *child) ([]string, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("supervisor: %w", err)
	}
	far := os.NewFile(uintptr(fds[1]), "inspector")
	near := os.NewFile(uintptr(fds[0]), "controller")
	c.sock, err = net.FileConn(near)
	near.Close()
	if err != nil {
		far.Close()
		return nil, fmt.Errorf("supervisor: %w", err)
	}
	defer c.sock.Close()
	stderr, stderrW, err := os.Pipe()
	if err != nil {
		far.Close()
		return nil, fmt.Errorf("supervisor: %w", err)
	}
	c.mu.Lock()
	c.cmd = exec.Command(s.argv[0], s.argv[1:]...)
	c.cmd.ExtraFiles = []*os.File{far} // file descriptor 3
	c.cmd.Stderr = stderrW
	c.cmd.Env = []string{"GOTRACEBACK=single", "PATH=/usr/bin:/bin"}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if c.ended {
		err = c.err
	} else {
		started := make(chan error)
		select {
		case s.start <- func() { started <- c.cmd.Start() }:
			err = <-started
		case <-s.done:
			err = errors.New("supervisor: closed")
		}
	}
	far.Close()
	stderrW.Close()
	if err != nil {
		c.cmd = nil
		c.mu.Unlock()
		stderr.Close()
		return nil, fmt.Errorf("supervisor: start: %w", err)
	}
	c.mu.Unlock()

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var trace []string
	conn := protocol.NewController(deadlined{c.sock})
	wg.Go(func() { trace = functions(stderr); stderr.Close() })
	wg.Go(func() { s.write(ctx, c, conn) })
	orderly := false
	for {
		m, err := conn.Receive()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
				c.kill(err)
			}
			break
		}
		if m.Ended != nil {
			orderly = true
		}
		s.emit(Event{Slot: c.slot, Gen: c.gen, Msg: &m})
	}
	// Its end of the socket is gone: it is dying or must.
	reap := time.AfterFunc(2*time.Second, func() { c.kill(errors.New("supervisor: closed its socket and lived on")) })
	werr := c.cmd.Wait()
	reap.Stop()
	cancel()
	// What it started ends with it.
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	switch {
	case c.err != nil:
		return trace, c.err
	case werr != nil:
		return trace, fmt.Errorf("supervisor: inspector: %w", werr)
	case !orderly:
		return trace, errors.New("supervisor: inspector left without its last word")
	}
	return nil, nil
}

func (s *Supervisor) write(ctx context.Context, c *child, conn *protocol.Conn[protocol.FromInspector, protocol.ToInspector]) {
	for {
		select {
		case m := <-c.out:
			if err := conn.Send(m); err != nil {
				if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, net.ErrClosed) {
					c.kill(err)
				}
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// kill ends the process group; the first reason is kept.
func (c *child) kill(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	if c.err == nil {
		c.err = why
	}
	if c.cmd == nil || c.cmd.Process == nil {
		c.ended = true
		return
	}
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
}

// deadlined bounds each write.
type deadlined struct{ net.Conn }

func (d deadlined) Write(b []byte) (int, error) {
	_ = d.SetWriteDeadline(time.Now().Add(writeLimit))
	return d.Conn.Write(b)
}

// frame finds the function of a line of a stack trace.
var frame = regexp.MustCompile(`^((?:egate/|main\.|runtime\.|github\.com/)[A-Za-z0-9_./\-*()]*[A-Za-z0-9_)])\(`)

// functions reads a stderr to its end and keeps function names only: no message, no argument.
func functions(r io.Reader) []string {
	var out []string
	in := bufio.NewReaderSize(r, 4096)
	for {
		line, err := in.ReadSlice('\n')
		if len(out) < maxTrace {
			if m := frame.FindSubmatch(line); m != nil {
				out = append(out, string(m[1]))
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return out
		}
	}
}
