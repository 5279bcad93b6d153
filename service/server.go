package service

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"egate/seal"
)

// Limits of the server.
const (
	maxConns   = 16
	quiet      = 5 * time.Minute // a client that says nothing is let go; a lease with it
	writeLimit = 2 * time.Second // a client that does not read
	watchEvery = 200 * time.Millisecond
	maxBlink   = time.Minute
	orderLimit = 5 * time.Second
)

// Server serves one socket.
type Server struct {
	Site, Gate  string
	Technicians seal.Keys
	Do          Gate
	Log         *slog.Logger
}

// Listen makes the socket: for its owner and group only. What a dead process left there is replaced; a living one
// is not.
func Listen(path string) (*net.UnixListener, error) {
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("service: %s is in use by another process", path)
	}
	if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("service: %s is there and is no socket", path)
	}
	_ = os.Remove(path)
	// The mode is set before anybody can connect: bind makes it with the umask, listen opens it.
	old := unix.Umask(0o117)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	return l, nil
}

// Serve serves until ctx ends.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	free := make(chan struct{}, maxConns)
	for {
		c, err := l.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("service: %w", err)
		}
		select {
		case free <- struct{}{}:
		default:
			c.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-free }()
			if err := s.conn(ctx, c); err != nil {
				s.Log.Warn("service: connection", "err", err, "security", true)
			}
		})
	}
}

// peer tells whether who connected may.
func peer(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var groups []uint32
	var cerr error
	if err := raw.Control(func(fd uintptr) {
		if cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); cerr == nil {
			groups = peerGroups(int(fd))
		}
	}); err != nil || cerr != nil {
		return errors.Join(err, cerr)
	}
	if cred.Uid == 0 || int(cred.Uid) == os.Geteuid() || int(cred.Gid) == os.Getegid() || slices.Contains(groups, uint32(os.Getegid())) {
		return nil
	}
	return fmt.Errorf("service: user %d is no member of the gate's group", cred.Uid)
}

// peerGroups are the further groups of who connected (SO_PEERGROUPS, Linux 4.13).
func peerGroups(fd int) []uint32 {
	out := make([]uint32, 256)
	n := uint32(len(out) * 4)
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS, uintptr(unsafe.Pointer(&out[0])), uintptr(unsafe.Pointer(&n)), 0); e != 0 {
		return nil // more groups than that, or an old kernel: the first group decides
	}
	return out[:min(int(n)/4, len(out))]
}

type conn struct {
	c    *net.UnixConn
	in   *bufio.Reader
	give []func()
}

func (s *Server) conn(ctx context.Context, c *net.UnixConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	defer c.Close()
	if err := peer(c); err != nil {
		return err
	}
	k := &conn{c: c, in: bufio.NewReaderSize(c, 4096)}
	defer func() {
		for _, g := range k.give {
			g()
		}
	}()
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	h := Hello{Contract, s.Site, s.Gate, hex.EncodeToString(id[:])}
	if err := k.write(h); err != nil {
		return nil
	}
	for n := 1; ; n++ {
		var a Asked
		if err := k.read(&a); err != nil {
			return nil // gone, silent, or not speaking this contract
		}
		r, who, err := verify(s.Technicians, h, n, a)
		if err != nil {
			s.Log.Warn("service: refused", "err", err, "security", true)
			if k.write(Reply{Error: err.Error()}) != nil {
				return nil
			}
			continue
		}
		if r.Name == AskWatch {
			return s.watch(ctx, k)
		}
		reply := s.answer(ctx, cancel, k, r, who)
		if k.write(reply) != nil {
			return nil
		}
	}
}

func (s *Server) answer(ctx context.Context, end context.CancelFunc, k *conn, r Request, who string) Reply {
	technician := Principal + who
	fail := func(err error) Reply { return Reply{Error: err.Error()} }
	switch r.Name {
	case AskState:
		st := s.Do.State()
		return Reply{State: &st}
	case AskIdentify:
		d := time.Duration(r.Seconds) * time.Second
		if d <= 0 || d > maxBlink {
			return fail(fmt.Errorf("%w: 1 to %d seconds", ErrRefused, maxBlink/time.Second))
		}
		if err := s.Do.Identify(technician, d); err != nil {
			return fail(err)
		}
	case AskSound:
		if err := s.Do.Sound(technician); err != nil {
			return fail(err)
		}
	case AskOrder:
		if !slices.Contains(Orders, r.Order) {
			return fail(fmt.Errorf("%w: order %q is not one of a technician's: %v", ErrRefused, r.Order, Orders))
		}
		ctx, cancel := context.WithTimeout(ctx, orderLimit)
		defer cancel()
		o, err := s.Do.Order(ctx, technician, r.Order, r.Code)
		if err != nil {
			return fail(err)
		}
		return Reply{Order: &o}
	case AskHold:
		give, revoked, err := s.Do.Hold(technician, r.Part)
		if err != nil {
			return fail(err)
		}
		k.give = append(k.give, give)
		go func() { // ends with the connection
			select {
			case <-revoked:
				end()
			case <-ctx.Done():
			}
		}()
	case AskPair:
		ctx, cancel := context.WithTimeout(ctx, orderLimit)
		defer cancel()
		now, err := s.Do.Pair(ctx, technician, r.File)
		if err != nil {
			return fail(err)
		}
		return Reply{Paired: now}
	default:
		return fail(fmt.Errorf("%w: %q is no request of contract %d", ErrRefused, r.Name, Contract))
	}
	return Reply{}
}

// watch shows the lines until the client goes; it says nothing any more.
func (s *Server) watch(ctx context.Context, k *conn) error {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		l := s.Do.Lines()
		if k.write(Reply{Lines: &l}) != nil {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (k *conn) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := k.c.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	_, err = k.c.Write(append(b, '\n'))
	return err
}

func (k *conn) read(v any) error {
	if err := k.c.SetReadDeadline(time.Now().Add(quiet)); err != nil {
		return err
	}
	b, err := line(k.in)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// line reads one line of at most MaxFrame bytes.
func line(r *bufio.Reader) ([]byte, error) {
	var out []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(out)+len(part) > MaxFrame {
			return nil, fmt.Errorf("service: a line of more than %d bytes", MaxFrame)
		}
		out = append(out, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return out, err
		}
	}
}
