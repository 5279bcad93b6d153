package pcsc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"egate/hal"
)

// DefaultSocket is where pcscd listens on Debian.
const DefaultSocket = "/run/pcscd/pcscd.comm"

// Limits and times.
const (
	pollEvery = 100 * time.Millisecond
	// maxCommand is the longest command APDU that is sent: what CCID readers and vpcd take.
	maxCommand = 4000
	farewell   = time.Second // for giving a card back
)

// Options of a reader.
type Options struct {
	Socket string // of pcscd; empty for DefaultSocket
	// Reader is the name of the reader, or how it begins; empty for the only one there is.
	Reader string
	// MaxAPDU caps command and response for readers that refuse extended length (some refuse 264 bytes with
	// 0x80100016); 0 for no cap.
	MaxAPDU int
	// RefuseVirtual leaves out readers without an antenna: vsmartcard's, whose cards are programs.
	RefuseVirtual bool
}

// Virtual tells the readers that are programs by their names.
func Virtual(name string) bool {
	n := strings.ToLower(name)
	return strings.Contains(n, "virtual pcd") || strings.Contains(n, "vpcd") || strings.Contains(n, "virtual smart card")
}

// Reader is a PC/SC reader (hal.CardReader).
type Reader struct {
	opt Options

	mu     sync.Mutex
	c      *conn
	cards  map[uint32]*conn // open cards and their connection
	closed bool
	done   chan struct{}
}

var _ hal.CardReader = (*Reader)(nil)

// Open connects to pcscd and finds the reader. A missing daemon or reader is hal.ErrLost, and the error
// lists the readers that there are.
func Open(ctx context.Context, opt Options) (*Reader, error) {
	if opt.Socket == "" {
		opt.Socket = DefaultSocket
	}
	r := &Reader{opt: opt, cards: map[uint32]*conn{}, done: make(chan struct{})}
	if _, err := r.find(ctx); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// Info is what pcscd says of one reader.
type Info struct {
	Name string
	Card bool // one is in it
	// Changes counts the cards that pcscd has seen come and go.
	Changes uint32
}

// Readers lists the readers that pcscd knows; socket is empty for DefaultSocket.
func Readers(ctx context.Context, socket string) ([]Info, error) {
	if socket == "" {
		socket = DefaultSocket
	}
	c, err := dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	defer c.close()
	list, err := c.readers(ctx)
	var out []Info
	for _, s := range list {
		out = append(out, Info{s.name, s.state&statePresent != 0, s.events})
	}
	return out, err
}

// connection is the living one, or a new one.
func (r *Reader) connection(ctx context.Context) (*conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, hal.ErrClosed
	}
	if r.c != nil {
		r.c.mu.Lock()
		dead := r.c.dead
		r.c.mu.Unlock()
		if dead == nil {
			return r.c, nil
		}
	}
	c, err := dial(ctx, r.opt.Socket)
	if err != nil {
		return nil, err
	}
	r.c = c
	return c, nil
}

// find returns the state of the reader.
func (r *Reader) find(ctx context.Context) (state, error) {
	c, err := r.connection(ctx)
	if err != nil {
		return state{}, err
	}
	list, err := c.readers(ctx)
	if err != nil {
		return state{}, r.named(err)
	}
	var all []string
	var hits []state
	for _, s := range list {
		if r.opt.RefuseVirtual && Virtual(s.name) {
			all = append(all, s.name+" (virtual, refused in service)")
			continue
		}
		all = append(all, s.name)
		if strings.HasPrefix(s.name, r.opt.Reader) {
			hits = append(hits, s)
		}
	}
	switch {
	case len(hits) == 1:
		return hits[0], nil
	case len(hits) == 0 && len(all) == 0:
		return state{}, fmt.Errorf("pcsc: pcscd knows no reader: %w", hal.ErrLost)
	case len(hits) == 0:
		return state{}, fmt.Errorf("pcsc: no reader %q; there are: %s: %w", r.opt.Reader, strings.Join(all, ", "), hal.ErrLost)
	case slices.ContainsFunc(hits, func(s state) bool { return s.name == r.opt.Reader }):
		return hits[slices.IndexFunc(hits, func(s state) bool { return s.name == r.opt.Reader })], nil
	}
	return state{}, fmt.Errorf("pcsc: %d readers are called %q…: name one of: %s", len(hits), r.opt.Reader, strings.Join(all, ", "))
}

// named tells a closed reader from a lost daemon.
func (r *Reader) named(err error) error {
	select {
	case <-r.done:
		return hal.ErrClosed
	default:
		return err
	}
}

// Connect implements hal.CardReader.
func (r *Reader) Connect(ctx context.Context) (hal.Card, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		card, err := r.try(ctx)
		if card != nil || err != nil {
			return card, err
		}
		select {
		case <-tick.C:
		case <-r.done:
			return nil, hal.ErrClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", hal.ErrNoCard, ctx.Err())
		}
	}
}

// try connects to a card that is there; nil, nil where there is none.
func (r *Reader) try(ctx context.Context) (hal.Card, error) {
	ended := func(err error) error {
		if e := ctx.Err(); e != nil && errors.Is(err, e) {
			return fmt.Errorf("%w: %w", hal.ErrNoCard, e)
		}
		return r.named(err)
	}
	s, err := r.find(ctx)
	if err != nil {
		return nil, ended(err)
	}
	if s.state&statePresent == 0 {
		return nil, nil
	}
	c, err := r.connection(ctx)
	if err != nil {
		return nil, ended(err)
	}
	if err := r.release(ctx); err != nil { // a card that was lost is held until it is given back
		return nil, ended(err)
	}
	h, protocol, err := c.connect(ctx, s.name)
	switch {
	case errors.Is(err, hal.ErrCardLost):
		return nil, nil // it went, or does not answer yet
	case err != nil:
		return nil, ended(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, hal.ErrClosed
	}
	r.cards[h] = c
	return &card{r: r, c: c, handle: h, protocol: protocol, history: historical(s.atr)}, nil
}

// release gives back the card that is held, without power; its session is over.
func (r *Reader) release(ctx context.Context) error {
	r.mu.Lock()
	held := r.cards
	r.cards = map[uint32]*conn{}
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return hal.ErrClosed
	}
	for h, c := range held {
		if err := c.disconnect(ctx, h); err != nil && ctx.Err() != nil {
			return ctx.Err() // any other error means that it is not held any more
		}
	}
	return nil
}

// Reset implements hal.CardReader: whatever lies there loses its power.
func (r *Reader) Reset(ctx context.Context) error {
	r.mu.Lock()
	held := len(r.cards)
	r.mu.Unlock()
	if err := r.release(ctx); err != nil || held > 0 {
		return err
	}
	got, err := r.try(ctx) // taken and given back without power
	if err != nil || got == nil {
		return err
	}
	return got.Close()
}

// holds tells whether a handle is still good: pcscd ends the connection of who uses another one.
func (r *Reader) holds(handle uint32, c *conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cards[handle] == c
}

// Close implements hal.CardReader. pcscd frees cards and context with the connection.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	close(r.done)
	if r.c != nil {
		return r.c.close()
	}
	return nil
}

// card is one card, held exclusively.
type card struct {
	r        *Reader
	c        *conn
	handle   uint32
	protocol uint32
	history  []byte
	lost     bool
	closed   bool
}

// Transmit implements hal.Card.
func (k *card) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	limit, _ := k.Limits()
	switch {
	case k.closed:
		return nil, k.r.named(fmt.Errorf("pcsc: the card was given back: %w", hal.ErrCardLost))
	case k.lost, !k.r.holds(k.handle, k.c):
		return nil, k.r.named(fmt.Errorf("pcsc: %w", hal.ErrCardLost))
	case len(command) > limit:
		return nil, fmt.Errorf("pcsc: a command of %d bytes, %d are carried", len(command), limit)
	}
	out, err := k.c.transmit(ctx, k.handle, k.protocol, command)
	if err != nil {
		k.lost = errors.Is(err, hal.ErrCardLost) || ctx.Err() != nil
		return nil, k.r.named(err)
	}
	return out, nil
}

// ATS implements hal.Card: the historical bytes of the ATR, which for a contactless card are those of its
// ATS (PC/SC part 3, 3.1.3.2.3).
func (k *card) ATS() []byte { return slices.Clone(k.history) }

// Limits implements hal.Card.
func (k *card) Limits() (command, response int) {
	command, response = maxCommand, 1<<16+2
	if m := k.r.opt.MaxAPDU; m > 0 {
		command, response = min(command, m), min(response, m)
	}
	return command, response
}

// Close implements hal.Card.
func (k *card) Close() error {
	if k.closed {
		return nil
	}
	k.closed = true
	k.r.mu.Lock()
	_, open := k.r.cards[k.handle]
	delete(k.r.cards, k.handle)
	k.r.mu.Unlock()
	if !open {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := k.c.disconnect(ctx, k.handle); err != nil && !errors.Is(err, hal.ErrCardLost) && !errors.Is(err, hal.ErrLost) && !errors.Is(err, hal.ErrClosed) {
		return err
	}
	return nil
}

// historical are the historical bytes of an ATR (ISO/IEC 7816-3 §8.2); nil for what is none.
func historical(atr []byte) []byte {
	if len(atr) < 2 {
		return nil
	}
	n, td, at := int(atr[1]&0x0F), atr[1]>>4, 2
	for {
		for b := range 3 {
			if td>>b&1 == 1 {
				at++
			}
		}
		if td>>3&1 == 0 {
			break
		}
		if at >= len(atr) {
			return nil
		}
		td = atr[at] >> 4
		at++
	}
	if n == 0 || at+n > len(atr) {
		return nil
	}
	return slices.Clone(atr[at : at+n])
}
