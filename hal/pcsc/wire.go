package pcsc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"egate/hal"
)

// Commands of winscard_msg.h.
const (
	cmdEstablish  = 0x01
	cmdRelease    = 0x02
	cmdConnect    = 0x04
	cmdDisconnect = 0x06
	cmdTransmit   = 0x09
	cmdVersion    = 0x11
	cmdReaders    = 0x12
)

// Protocol versions that this package speaks: 4.2 to 4.5 do not differ in what is used here. pcscd 1.9.9
// accepts its own minor version only, and names it in its answer.
const (
	protocolMajor = 4
	protocolMinor = 4
	oldestMinor   = 2
	newestMinor   = 5
)

// Sizes of winscard_msg.h and pcsclite.h.
const (
	nameSize    = 128
	atrSize     = 36 // MAX_ATR_SIZE 33, padded
	readerSize  = nameSize + 4 + 4 + 4 + atrSize + 4 + 4
	maxReaders  = 16
	connectSize = 4 + nameSize + 5*4
	// maxAnswer is MAX_BUFFER_SIZE_EXTENDED: header, Lc, 65 536 bytes of data, Le, status word.
	maxAnswer = 4 + 3 + 1<<16 + 3 + 2
)

// Reader states.
const statePresent = 0x0004

// Return values that callers are told apart.
const (
	rvOK             = 0
	rvNoSmartcard    = 0x8010000C
	rvSharing        = 0x8010000B
	rvUnknownReader  = 0x80100009
	rvNotTransacted  = 0x80100016
	rvReaderGone     = 0x80100017
	rvUnresponsive   = 0x80100066
	rvUnpowered      = 0x80100067
	rvReset          = 0x80100068
	rvRemoved        = 0x80100069
	rvInvalidHandle  = 0x80100003
	rvNoService      = 0x8010001D
	rvServiceStopped = 0x8010001E
	rvCommError      = 0x8010002F
)

var names = map[uint32]string{rvNoSmartcard: "no card", rvSharing: "another program holds the card", rvUnknownReader: "no such reader", rvNotTransacted: "not transacted",
	rvReaderGone: "reader unavailable", rvUnresponsive: "the card does not answer", rvUnpowered: "the card has no power", rvReset: "the card was reset",
	rvRemoved: "the card was removed", rvInvalidHandle: "no such handle", rvNoService: "no service", rvServiceStopped: "service stopped", rvCommError: "communication failed"}

// code is the return value of the daemon as an error of package hal where there is one.
func code(what string, rv uint32) error {
	if rv == rvOK {
		return nil
	}
	text := names[rv]
	if text == "" {
		text = fmt.Sprintf("0x%08X", rv)
	}
	var kind error
	switch rv {
	case rvNoSmartcard, rvUnresponsive, rvUnpowered, rvReset, rvRemoved, rvNotTransacted, rvCommError, rvInvalidHandle:
		kind = hal.ErrCardLost
	case rvUnknownReader, rvReaderGone, rvNoService, rvServiceStopped:
		kind = hal.ErrLost
	default:
		return fmt.Errorf("pcsc: %s: %s", what, text)
	}
	return fmt.Errorf("pcsc: %s: %s: %w", what, text, kind)
}

var order = binary.NativeEndian

// conn is one connection to the daemon with its context. Calls are one after the other.
type conn struct {
	mu   sync.Mutex
	c    net.Conn
	ctx  uint32
	dead error
}

// state is what the daemon says of one reader.
type state struct {
	name   string
	events uint32
	state  uint32
	atr    []byte
}

func dial(ctx context.Context, path string) (*conn, error) {
	c, minor, err := greet(ctx, path, protocolMinor)
	if err != nil && minor != protocolMinor && minor >= oldestMinor && minor <= newestMinor {
		c, _, err = greet(ctx, path, minor)
	}
	return c, err
}

// greet opens a connection and asks for a version and a context: without both the daemon closes it. It
// returns the minor version that the daemon speaks, where it says so.
func greet(ctx context.Context, path string, minor uint32) (_ *conn, theirs uint32, err error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		if ctx.Err() != nil {
			return nil, minor, ctx.Err()
		}
		return nil, minor, fmt.Errorf("pcsc: pcscd does not answer on %s (%v): %w", path, err, hal.ErrLost)
	}
	c := &conn{c: nc}
	defer func() {
		if err != nil {
			nc.Close()
		}
	}()
	v, err := c.call(ctx, cmdVersion, numbers(protocolMajor, minor, 0), 0)
	if err != nil {
		return nil, minor, err
	}
	major, theirs := order.Uint32(v), order.Uint32(v[4:])
	if err := code("version", order.Uint32(v[8:])); err != nil || major != protocolMajor {
		return nil, theirs, fmt.Errorf("pcsc: pcscd speaks protocol %d.%d, this program %d.%d: %w", major, theirs, protocolMajor, minor, hal.ErrLost)
	}
	const systemScope = 2
	if v, err = c.call(ctx, cmdEstablish, numbers(systemScope, 0, 0), 0); err != nil {
		return nil, theirs, err
	}
	c.ctx = order.Uint32(v[4:])
	return c, theirs, code("context", order.Uint32(v[8:]))
}

func numbers(n ...uint32) []byte {
	out := make([]byte, 0, 4*len(n))
	for _, x := range n {
		out = order.AppendUint32(out, x)
	}
	return out
}

// call sends a structure and returns the daemon's, of answer bytes; 0 means the size of what was sent.
func (c *conn) call(ctx context.Context, cmd uint32, body []byte, answer int) ([]byte, error) {
	if answer == 0 {
		answer = len(body)
	}
	out := make([]byte, answer)
	err := c.exchange(ctx, func() error {
		if err := c.send(cmd, body, nil); err != nil {
			return err
		}
		_, err := io.ReadFull(c.c, out)
		return err
	})
	return out, err
}

func (c *conn) send(cmd uint32, body, extra []byte) error {
	msg := append(numbers(uint32(len(body)), cmd), body...)
	_, err := c.c.Write(append(msg, extra...))
	return err
}

// exchange runs f under ctx. A connection on which an exchange was given up cannot be used again.
func (c *conn) exchange(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		return c.dead
	}
	_ = c.c.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { _ = c.c.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if stop() && err == nil {
		return nil
	}
	if err == nil {
		return nil // it was just in time
	}
	c.c.Close()
	switch {
	case ctx.Err() != nil:
		c.dead = fmt.Errorf("pcsc: an exchange was given up: %w", hal.ErrCardLost)
		return ctx.Err()
	case errors.Is(err, net.ErrClosed):
		c.dead = hal.ErrClosed
	default:
		c.dead = fmt.Errorf("pcsc: pcscd: %w: %w", err, hal.ErrLost)
	}
	return c.dead
}

// readers asks for the state of every reader.
func (c *conn) readers(ctx context.Context) ([]state, error) {
	b, err := c.call(ctx, cmdReaders, nil, maxReaders*readerSize)
	if err != nil {
		return nil, err
	}
	return parseReaders(b), nil
}

// parseReaders reads the table of readers; lengths that the daemon invents are bounded.
func parseReaders(b []byte) (out []state) {
	for ; len(b) >= readerSize; b = b[readerSize:] {
		name, _, _ := bytes.Cut(b[:nameSize], []byte{0})
		if len(name) == 0 {
			continue
		}
		s := state{name: strings.ToValidUTF8(string(name), "?"), events: order.Uint32(b[nameSize:]), state: order.Uint32(b[nameSize+4:])}
		at := nameSize + 12
		n := min(int(order.Uint32(b[at+atrSize:])), 33)
		s.atr = bytes.Clone(b[at : at+max(n, 0)])
		out = append(out, s)
	}
	return out
}

// connect opens the card in a reader for nobody else.
func (c *conn) connect(ctx context.Context, reader string) (card, protocol uint32, err error) {
	const exclusive, anyProtocol = 1, 3
	body := order.AppendUint32(nil, c.ctx)
	body = append(body, make([]byte, nameSize)...)
	copy(body[4:4+nameSize-1], reader)
	body = append(body, numbers(exclusive, anyProtocol, 0, 0, 0)...)
	b, err := c.call(ctx, cmdConnect, body, 0)
	if err != nil {
		return 0, 0, err
	}
	b = b[4+nameSize+8:]
	return order.Uint32(b), order.Uint32(b[4:]), code("connect", order.Uint32(b[8:]))
}

// disconnect gives the card back without power.
func (c *conn) disconnect(ctx context.Context, card uint32) error {
	const unpower = 2
	b, err := c.call(ctx, cmdDisconnect, numbers(card, unpower, 0), 0)
	if err != nil {
		return err
	}
	return code("disconnect", order.Uint32(b[8:]))
}

// transmit exchanges one APDU.
func (c *conn) transmit(ctx context.Context, card, protocol uint32, command []byte) (answer []byte, err error) {
	const pci = 16 // sizeof(SCARD_IO_REQUEST) on the daemon's machine; it is echoed, not used
	head := make([]byte, 8*4)
	rv := uint32(0)
	err = c.exchange(ctx, func() error {
		if err := c.send(cmdTransmit, numbers(card, protocol, pci, uint32(len(command)), protocol, pci, maxAnswer, 0), command); err != nil {
			return err
		}
		if _, err := io.ReadFull(c.c, head); err != nil {
			return err
		}
		if rv = order.Uint32(head[28:]); rv != rvOK {
			return nil
		}
		n := order.Uint32(head[24:])
		if n < 2 || n > maxAnswer {
			return fmt.Errorf("an answer of %d bytes", n)
		}
		answer = make([]byte, n)
		_, err := io.ReadFull(c.c, answer)
		return err
	})
	if err != nil {
		clear(answer)
		return nil, err
	}
	return answer, code("transmit", rv)
}

func (c *conn) close() error {
	err := c.c.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
