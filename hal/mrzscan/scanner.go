package mrzscan

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"egate/hal"
)

// queryLimit bounds the writing of the one query.
const queryLimit = time.Second

// Options are those of a scanner.
type Options struct {
	// Query is sent at opening; empty means "?S\r", "none" means nothing.
	Query string
}

// source is where a scanner's text comes from: a serial port or a keyboard.
type source interface {
	Read(ctx context.Context, p []byte) (int, error)
	Close() error
}

// Scanner is a document scanner at a serial port, or one that types.
type Scanner struct {
	port  source
	start time.Time

	mu     sync.Mutex // held by Next
	dec    *decoder
	buf    [256]byte
	lost   error
	closer sync.Once
	closed chan struct{}
}

var _ hal.DocumentScanner = (*Scanner)(nil)

// Open takes over the port and asks the scanner for its present state.
func Open(ctx context.Context, port hal.SerialPort, opt Options) (*Scanner, error) {
	if opt.Query == "" {
		opt.Query = "?S\r"
	}
	if opt.Query != "none" {
		ctx, cancel := context.WithTimeout(ctx, queryLimit)
		defer cancel()
		if err := port.Write(ctx, []byte(opt.Query)); err != nil {
			return nil, fmt.Errorf("mrzscan: %w", err)
		}
	}
	return newScanner(port), nil
}

func newScanner(from source) *Scanner {
	return &Scanner{port: from, start: time.Now(), dec: newDecoder(), closed: make(chan struct{})}
}

// Next implements hal.DocumentScanner.
func (s *Scanner) Next(ctx context.Context) (hal.Scan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		select {
		case <-s.closed:
			s.dec.wipe()
			return hal.Scan{}, hal.ErrClosed
		default:
		}
		if scan, ok := s.dec.pop(); ok {
			return scan, nil
		}
		if s.lost != nil {
			return hal.Scan{}, s.lost
		}
		if err := ctx.Err(); err != nil {
			return hal.Scan{}, err
		}
		if err := s.read(ctx); err != nil {
			return hal.Scan{}, err
		}
	}
}

func (s *Scanner) read(ctx context.Context) error {
	rctx := ctx
	until, waiting := s.dec.waiting()
	if waiting {
		var cancel context.CancelFunc
		rctx, cancel = context.WithDeadline(ctx, s.start.Add(until+time.Millisecond))
		defer cancel()
	}
	n, err := s.port.Read(rctx, s.buf[:])
	now := time.Since(s.start)
	if n > 0 && waiting {
		// They were waited for: a process that was woken late must not take them for late.
		now = min(now, until)
	}
	s.dec.feed(s.buf[:n], now)
	switch {
	case err == nil:
	case errors.Is(err, hal.ErrLost), errors.Is(err, hal.ErrClosed):
		s.lost = fmt.Errorf("mrzscan: %w", err)
	case ctx.Err() != nil:
		return ctx.Err()
	case rctx.Err() != nil:
		s.dec.expire(now)
	default:
		return fmt.Errorf("mrzscan: %w", err)
	}
	return nil
}

// Garbled counts the lines that made no sense.
func (s *Scanner) Garbled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dec.garbled
}

// Close implements hal.DocumentScanner; it closes the port too.
func (s *Scanner) Close() error {
	var err error
	s.closer.Do(func() {
		close(s.closed)
		err = s.port.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dec.wipe()
		clear(s.buf[:])
	})
	return err
}
