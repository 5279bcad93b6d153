package dossier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"egate/console"
)

// Child is a running child with one open dossier. Its methods may be used by many goroutines.
type Child struct {
	opened Opened
	cmd    *exec.Cmd
	done   chan struct{} // closed when the process has gone

	mu   sync.Mutex
	ctrl *os.File // nil once closed
}

// Command is how a child is started: this program, again, with an argument.
type Command struct {
	Path string
	Args []string
	Env  []string // nothing of the parent's environment reaches a child but this

	limit time.Duration // openLimit, if none
}

// Start opens a sealed dossier of a gate's passage in a new child. The key stays the caller's. An error names a fault code and nothing of the contents.
func (c Command) Start(ctx context.Context, gate, passage string, sealed console.SealedDossier) (*Child, error) {
	doc, err := json.Marshal(input{Gate: gate, Passage: passage, Envelope: sealed.Envelope, Key: sealed.PrivateKey})
	if err != nil {
		return nil, fmt.Errorf("dossier: encode: %w", err)
	}
	defer clear(doc)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("dossier: socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "dossier"), os.NewFile(uintptr(pair[1]), "dossier-child")
	defer theirs.Close()

	var out bytes.Buffer
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = append([]string{"GOTRACEBACK=none"}, c.Env...)
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(doc)
	cmd.ExtraFiles = []*os.File{theirs}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("dossier: pipe: %w", err)
	}
	// Its own group: a Ctrl-C at the terminal is the parent's to pass on, in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, fmt.Errorf("dossier: start child: %w", err)
	}
	ch := &Child{cmd: cmd, ctrl: ours, done: make(chan struct{})}
	if c.limit == 0 {
		c.limit = openLimit
	}
	timer := time.AfterFunc(c.limit, func() { _ = cmd.Process.Kill() })
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	_, readErr := io.Copy(&out, io.LimitReader(stdout, 4<<10))
	timer.Stop()
	cancelled := !stop()
	go func() {
		_ = cmd.Wait()
		close(ch.done)
	}()
	if err := json.Unmarshal(out.Bytes(), &ch.opened); err != nil || readErr != nil || cancelled {
		ch.Close()
		return nil, errors.New("dossier: child did not open it")
	}
	if ch.opened.Fault != "" {
		ch.Close()
		return nil, fmt.Errorf("dossier: not opened: %s", ch.opened.Fault)
	}
	return ch, nil
}

// Hash is what an officer's order names.
func (c *Child) Hash() []byte { return c.opened.Hash }

// Sandbox tells how far the child confined itself.
func (c *Child) Sandbox() string { return c.opened.Sandbox }

// Done is closed when the child has gone.
func (c *Child) Done() <-chan struct{} { return c.done }

// Hand gives a connection whose request has been read to the child, which answers it with a part and
// closes it. The caller closes its own descriptor afterwards and writes nothing.
func (c *Child) Hand(conn syscall.Conn, part string) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("dossier: connection: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctrl == nil {
		return net.ErrClosed
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		sent = unix.Sendmsg(int(c.ctrl.Fd()), []byte(part), unix.UnixRights(int(fd)), nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	})
	if err = errors.Join(err, sent); err != nil {
		return fmt.Errorf("dossier: hand over: %w", err)
	}
	return nil
}

// Close ends the child and waits until it has gone: at once by itself, or killed after a second.
func (c *Child) Close() {
	c.mu.Lock()
	if c.ctrl != nil {
		_ = c.ctrl.Close()
		c.ctrl = nil
	}
	c.mu.Unlock()
	select {
	case <-c.done:
	case <-time.After(reapLimit):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}
