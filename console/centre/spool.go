package centre

import (
	"errors"
	"net"
	"sync"
	"time"
)

// maxSpool bounds what waits to be written, bytes: far more than a line of gates sends in a second.
const maxSpool = 8 << 20

// spool is a connection whose writes do not wait for the reader. The pipe to the embedded broker holds
// nothing itself: client and broker, each writing to the other, would wait for each other for ever, the
// broker holding the lock of its writer while its reader answers.
type spool struct {
	net.Conn
	mu    sync.Mutex
	some  *sync.Cond
	buf   []byte
	ended error
}

var errSpool = errors.New("centre: the embedded broker does not read")

// newSpool owns conn and one goroutine, which ends with Close.
func newSpool(conn net.Conn) *spool {
	s := &spool{Conn: conn}
	s.some = sync.NewCond(&s.mu)
	go s.drain()
	return s
}

func (s *spool) drain() {
	for {
		s.mu.Lock()
		for len(s.buf) == 0 && s.ended == nil {
			s.some.Wait()
		}
		b, ended := s.buf, s.ended
		s.buf = nil
		s.mu.Unlock()
		if ended != nil {
			return
		}
		if _, err := s.Conn.Write(b); err != nil {
			s.end(err)
			return
		}
	}
}

func (s *spool) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = err
	}
	s.some.Signal()
}

// Write implements net.Conn.
func (s *spool) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended != nil:
		return 0, s.ended
	case len(s.buf)+len(b) > maxSpool:
		s.ended = errSpool
		s.some.Signal()
		return 0, errSpool
	}
	s.buf = append(s.buf, b...)
	s.some.Signal()
	return len(b), nil
}

// Close implements net.Conn. What was not written yet is dropped with the connection.
func (s *spool) Close() error {
	s.end(net.ErrClosed)
	return s.Conn.Close()
}

// SetWriteDeadline implements net.Conn: a write never waits.
func (s *spool) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (s *spool) SetDeadline(t time.Time) error { return s.Conn.SetReadDeadline(t) }
