package pn532

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"egate/hal"
	"egate/hal/pn532/frame"
)

// Options are those of a reader.
type Options struct {
	// Baud is the speed to work at; 0 means 115200. At 921600 an exchange of 262 bytes is 20 ms shorter.
	Baud int
	// Patience is how many times its own times a PN532 may take, at most 100; 0 means 1. A real one needs no more; one
	// that is a program shares the processors with this one.
	Patience int
}

// Reader is a PN532. It implements hal.CardReader.
type Reader struct {
	port    hal.SerialPort
	baud    int
	version [4]byte

	mu     sync.Mutex // one command at a time
	link   *link
	card   *card // the activated one
	closed chan struct{}
	closer sync.Once
}

var _ hal.CardReader = (*Reader)(nil)

// Open wakes the PN532, configures it and raises its speed. The port must be open at 115200 baud. The
// PN532 may still be at the speed of somebody who did not say farewell: both are tried.
func Open(ctx context.Context, port hal.SerialPort, opt Options) (*Reader, error) {
	if opt.Baud == 0 {
		opt.Baud = defaultBaud
	}
	if _, ok := rates[opt.Baud]; !ok {
		return nil, fmt.Errorf("pn532: %d baud is not a speed of the PN532", opt.Baud)
	}
	r := &Reader{port: port, link: &link{port: port}, closed: make(chan struct{})}
	err := r.start(ctx, opt)
	if err != nil {
		return nil, fmt.Errorf("pn532: %w", err)
	}
	return r, nil
}

// rates are the codes of SetSerialBaudRate (§7.2.4).
var rates = map[int]byte{9600: 0, 19200: 1, 38400: 2, 57600: 3, 115200: 4, 230400: 5, 460800: 6, 921600: 7}

func (r *Reader) start(ctx context.Context, opt Options) error {
	try := []int{opt.Baud, defaultBaud}
	if opt.Baud == defaultBaud {
		// Highest first among the speeds that a predecessor may have left.
		try = []int{defaultBaud, 921600, 460800, 230400}
	}
	// Silence at every speed may be that of a slow far end.
	most := min(max(opt.Patience, 1), 100)
	for r.link.slow = 1; ; r.link.slow = min(4*r.link.slow, most) {
		err := r.find(ctx, try)
		if err == nil {
			break
		}
		if !errors.Is(err, hal.ErrTimeout) || r.link.slow == most {
			return err
		}
	}
	r.link.slow = most
	v, err := r.link.command(ctx, localLimit, cmdGetFirmwareVersion)
	if err != nil {
		return err
	}
	if len(v) != 4 || v[0] != 0x32 {
		return errors.New("the device at this port is no PN532")
	}
	copy(r.version[:], v)
	if r.baud != opt.Baud {
		if err := r.raise(ctx, opt.Baud); err != nil {
			return err
		}
	}
	for _, c := range [][]byte{
		{cmdSetParameters, 0x14},                  // automatic ATR_RES and RATS (§7.2.9)
		{cmdRFConfiguration, 0x05, 0x01, 0x01, 2}, // finite retries of ATR, PSL and activation (§7.3.1)
		{cmdRFConfiguration, 0x02, 0, 0x0B, 0x10}, // time-outs 102 ms and 3.3 s: key agreement takes long
		{cmdRFConfiguration, 0x04, 0x03},          // retries of a block that was not answered
		{cmdRFConfiguration, 0x01, 0x00},          // field off
	} {
		if _, err := r.link.command(ctx, localLimit, c[0], c[1:]); err != nil {
			return err
		}
	}
	return r.field(ctx)
}

// find wakes the PN532 at the first speed at which it answers.
func (r *Reader) find(ctx context.Context, speeds []int) (err error) {
	for _, baud := range speeds {
		if err = r.port.SetBaud(ctx, baud); err != nil {
			return err
		}
		if err = r.wake(ctx); err == nil {
			r.baud = baud
			return nil
		}
		if !errors.Is(err, hal.ErrTimeout) {
			return err
		}
	}
	return err
}

// wake leaves low-power mode, in which the PN532 starts (§7.2.11), and sets normal mode.
func (r *Reader) wake(ctx context.Context) error {
	// A run of 55 is the wake-up, the zeros fill the time that it takes.
	if err := r.port.Write(ctx, []byte{0x55, 0x55, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00}); err != nil {
		return err
	}
	if err := pause(ctx, wakeTime); err != nil {
		return err
	}
	r.link.dirty = true // a predecessor's command may still run
	_, err := r.link.command(ctx, localLimit, cmdSAMConfiguration, []byte{0x01, 0x14, 0x01})
	return err
}

// raise changes the speed at both ends. The PN532 changes when its answer is acknowledged.
func (r *Reader) raise(ctx context.Context, baud int) error {
	if _, err := r.link.command(ctx, localLimit, cmdSetSerialBaudRate, []byte{rates[baud]}); err != nil {
		return err
	}
	if err := r.port.Write(ctx, frame.AckBytes); err != nil {
		return err
	}
	if err := r.port.SetBaud(ctx, baud); err != nil {
		return err
	}
	if err := pause(ctx, time.Millisecond); err != nil { // §7.2.4: at least 200 µs
		return err
	}
	if _, err := r.link.command(ctx, localLimit, cmdGetFirmwareVersion); err != nil {
		return fmt.Errorf("at %d baud: %w", baud, err)
	}
	r.baud = baud
	return nil
}

// Version is the firmware version of the PN532, for the health document.
func (r *Reader) Version() string {
	return fmt.Sprintf("PN5%02X %d.%d", r.version[0], r.version[1], r.version[2])
}

// Baud is the speed that the reader works at.
func (r *Reader) Baud() int { return r.baud }

// Stats returns what was counted on the line.
func (r *Reader) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.link.stats
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// field switches the field off and on.
func (r *Reader) field(ctx context.Context) error {
	r.drop()
	if _, err := r.link.command(ctx, localLimit, cmdRFConfiguration, []byte{0x01, 0x00}); err != nil {
		return err
	}
	if err := pause(ctx, fieldOff); err != nil {
		return err
	}
	if _, err := r.link.command(ctx, localLimit, cmdRFConfiguration, []byte{0x01, 0x01}); err != nil {
		return err
	}
	return pause(ctx, fieldOn)
}

// drop ends the card that was activated last.
func (r *Reader) drop() {
	if r.card != nil {
		r.card.gone = true
		r.card = nil
	}
}

func (r *Reader) check() error {
	select {
	case <-r.closed:
		return hal.ErrClosed
	default:
		return nil
	}
}

// Reset implements hal.CardReader.
func (r *Reader) Reset(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(); err != nil {
		return err
	}
	if err := r.field(ctx); err != nil {
		return r.wrap(err)
	}
	return nil
}

func (r *Reader) wrap(err error) error {
	if c := r.check(); c != nil {
		return c
	}
	return fmt.Errorf("pn532: %w", err)
}

// Connect implements hal.CardReader. It looks for type A and type B in turn.
func (r *Reader) Connect(ctx context.Context) (hal.Card, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.card != nil {
		// Its session ends before the next one starts, also when it is the same card.
		if _, err := r.link.command(ctx, localLimit, cmdInRelease, []byte{0}); err != nil && ctx.Err() == nil {
			return nil, r.wrap(err)
		}
		r.drop()
	}
	for ghost := 0; ; {
		if err := r.check(); err != nil {
			return nil, err
		}
		for _, search := range [][]byte{{1, 0x00}, {1, 0x03, 0x00}} {
			b, err := r.link.command(ctx, listLimit, cmdInListPassive, search)
			if ctx.Err() != nil {
				break
			}
			if err != nil {
				return nil, r.wrap(err)
			}
			c, found, err := parseTarget(b, search[1] == 0x03)
			if err == nil && found {
				c.r = r
				r.card = c
				return c, nil
			}
			if found || err != nil {
				// Something is there that is no document, or only half of one answered: after a few
				// rounds the field is reset, which wakes a card that got stuck.
				if ghost++; ghost%3 == 0 {
					err = r.field(ctx)
				} else {
					_, err = r.link.command(ctx, localLimit, cmdInRelease, []byte{0})
				}
				if err != nil && ctx.Err() == nil {
					return nil, r.wrap(err)
				}
			}
		}
		if ctx.Err() != nil || pause(ctx, searchPause) != nil {
			if err := r.check(); err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("pn532: %w", hal.ErrNoCard)
		}
	}
}

// parseTarget reads the answer to InListPassiveTarget (§7.3.5). found without error is a card that
// speaks ISO/IEC 14443-4; found with an error is another thing.
func parseTarget(b []byte, typeB bool) (c *card, found bool, err error) {
	if len(b) == 0 {
		return nil, false, errors.New("answer without a number of targets")
	}
	if b[0] == 0 {
		return nil, false, nil
	}
	short := errors.New("target data too short")
	if len(b) < 2 {
		return nil, true, short
	}
	c, b = &card{target: b[1]}, b[2:]
	if typeB {
		// ATQB: 50, identifier (4), application data (4), protocol information (3); ISO/IEC 14443-3 §7.9.
		if len(b) < 12 || b[0] != 0x50 {
			return nil, true, short
		}
		if b[10]&0x01 == 0 {
			return nil, true, errors.New("no ISO/IEC 14443-4 card")
		}
		c.ats = slices.Clone(b[9:12])
		return c, true, nil
	}
	// SENS_RES (2), SEL_RES (1), length of the identifier, identifier, ATS.
	if len(b) < 4 || len(b) < 4+int(b[3]) {
		return nil, true, short
	}
	if b[2]&0x20 == 0 {
		return nil, true, errors.New("no ISO/IEC 14443-4 card")
	}
	ats := b[4+int(b[3]):]
	if len(ats) == 0 || int(ats[0]) > len(ats) || ats[0] == 0 {
		return nil, true, short
	}
	c.ats = historical(ats[:ats[0]])
	return c, true, nil
}

// historical returns the historical bytes of an ATS (ISO/IEC 14443-4 §5.2).
func historical(ats []byte) []byte {
	if len(ats) < 2 {
		return nil
	}
	i := 2
	for _, bit := range []byte{0x10, 0x20, 0x40} { // TA, TB, TC
		if ats[1]&bit != 0 {
			i++
		}
	}
	if i > len(ats) {
		return nil
	}
	return slices.Clone(ats[i:])
}

// Close implements hal.CardReader. It switches the field off and the speed back when the PN532 still
// listens, then closes the port.
func (r *Reader) Close() error {
	var err error
	r.closer.Do(func() {
		close(r.closed)
		if r.mu.TryLock() {
			ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
			r.drop()
			_, _ = r.link.command(ctx, closeLimit, cmdRFConfiguration, []byte{0x01, 0x00})
			if r.baud != defaultBaud && r.baud != 0 {
				if _, e := r.link.command(ctx, closeLimit, cmdSetSerialBaudRate, []byte{rates[defaultBaud]}); e == nil {
					_ = r.port.Write(ctx, frame.AckBytes)
					_ = r.port.SetBaud(ctx, defaultBaud) // returns when the acknowledgement has left
				}
			}
			cancel()
			r.mu.Unlock()
		}
		err = r.port.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		clear(r.link.in[:])
		clear(r.link.out[:cap(r.link.out)])
		r.link.dec.Reset()
	})
	return err
}

// card is an activated card.
type card struct {
	r      *Reader
	target byte
	ats    []byte
	gone   bool // with r.mu
}

// ATS implements hal.Card.
func (c *card) ATS() []byte { return slices.Clone(c.ats) }

// Limits implements hal.Card.
func (c *card) Limits() (command, response int) { return MaxAPDU, MaxAPDU }

// Status bytes (§7.1): bit 6 says that more comes, the low 6 bits are the error.
const (
	statusMore  = 0x40
	statusError = 0x3F
)

// tooLong are the errors that say that the card's answer did not fit, not that it left.
var tooLong = map[byte]bool{0x07: true, 0x09: true, 0x0E: true}

// Transmit implements hal.Card.
func (c *card) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	r := c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(); err != nil {
		return nil, err
	}
	if c.gone {
		return nil, hal.ErrCardLost
	}
	if len(command) > MaxAPDU {
		return nil, fmt.Errorf("pn532: command of %d bytes; %d fit", len(command), MaxAPDU)
	}
	var answer []byte
	for pieces := 0; ; pieces++ {
		if pieces == maxPieces {
			clear(answer)
			c.gone = true
			return nil, errors.New("pn532: the card's answer has no end")
		}
		b, err := r.link.command(ctx, exchangeLimit, cmdInDataExchange, []byte{c.target}, command)
		if err != nil {
			// What the card did is unknown: its session is of no more use.
			c.gone = true
			clear(answer)
			return nil, r.wrap(err)
		}
		if len(b) == 0 {
			c.gone = true
			clear(answer)
			return nil, errors.New("pn532: answer without status")
		}
		if e := b[0] & statusError; e != 0 {
			clear(answer)
			if tooLong[e] {
				return nil, fmt.Errorf("pn532: the card's answer does not fit into a frame (status %02X)", e)
			}
			c.gone = true
			return nil, fmt.Errorf("pn532: %w (status %02X)", hal.ErrCardLost, e)
		}
		if len(answer)+len(b)-1 > maxChained {
			clear(answer)
			c.gone = true
			return nil, errors.New("pn532: the card's answer has no end")
		}
		more := b[0]&statusMore != 0
		answer = append(answer, b[1:]...)
		clear(b)
		if !more {
			break
		}
		command = nil // the next call asks for the rest
	}
	if len(answer) == 0 {
		c.gone = true
		return nil, fmt.Errorf("pn532: %w (empty answer)", hal.ErrCardLost)
	}
	return answer, nil
}

// Close implements hal.Card.
func (c *card) Close() error {
	r := c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.gone || r.check() != nil {
		return nil
	}
	c.gone = true
	r.card = nil
	ctx, cancel := context.WithTimeout(context.Background(), localLimit)
	defer cancel()
	if _, err := r.link.command(ctx, localLimit, cmdInRelease, []byte{c.target}); err != nil {
		return r.wrap(err)
	}
	return nil
}
