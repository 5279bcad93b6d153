package chip

import (
	"context"
	"errors"
	"time"

	"egate/hal"
)

// Clock waits the modelled times. A nil Clock lets them pass at once and only sums them up.
type Clock interface {
	// Sleep waits d or until ctx ends, whose error it returns.
	Sleep(ctx context.Context, d time.Duration) error
}

// Card is a chip at a reader in the same process. It sums up what a link would have carried.
type Card struct {
	chip  *Chip
	clock Clock
	ats   []byte
	// CommandLimit and ResponseLimit are the largest APDUs of the pretended reader and link.
	CommandLimit, ResponseLimit int

	Elapsed time.Duration // modelled time of all exchanges
	APDUs   int
	Sent    int // bytes to the chip
	Got     int // bytes from the chip
}

var _ hal.Card = (*Card)(nil)

// Limits of the pretended link: what a reader with extended length carries.
const (
	linkCommand  = 4 + 3 + 0x7FFF + 2
	linkResponse = 0x7FFF + 2
)

// Direct switches the chip on and returns it as a card.
func Direct(c *Chip, clock Clock) *Card {
	return &Card{chip: c, clock: clock, ats: c.PowerOn(), CommandLimit: linkCommand, ResponseLimit: linkResponse}
}

// Transmit implements hal.Card.
func (d *Card) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(command) > d.CommandLimit {
		return nil, errors.New("chip: command beyond the limit of the link")
	}
	resp, took, err := d.chip.Transceive(command)
	d.APDUs++
	d.Sent += len(command)
	d.Got += len(resp)
	d.Elapsed += took
	if errors.Is(err, ErrMute) {
		// Nothing ever comes; the caller's deadline ends it.
		if d.clock == nil {
			return nil, hal.ErrTimeout
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if d.clock != nil && took > 0 {
		if err := d.clock.Sleep(ctx, took); err != nil {
			return nil, err
		}
	}
	if errors.Is(err, ErrTagLost) {
		return nil, hal.ErrCardLost
	}
	return resp, err
}

// ATS implements hal.Card.
func (d *Card) ATS() []byte { return d.ats }

// Limits implements hal.Card.
func (d *Card) Limits() (command, response int) { return d.CommandLimit, d.ResponseLimit }

// Close implements hal.Card. The chip leaves the field.
func (d *Card) Close() error {
	d.chip.PowerOff()
	return nil
}

// Reader is a reader in the same process with one chip on it, which is put back whenever it was lost.
type Reader struct {
	Chip  *Chip
	Clock Clock
	// Cards lists every card that Connect returned.
	Cards []*Card
	// Short pretends a link that carries no extended length.
	Short bool
}

var _ hal.CardReader = (*Reader)(nil)

// Connect implements hal.CardReader.
func (r *Reader) Connect(ctx context.Context) (hal.Card, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d := Direct(r.Chip, r.Clock)
	if r.Short {
		d.CommandLimit, d.ResponseLimit = 261, 258
	}
	r.Cards = append(r.Cards, d)
	return d, nil
}

// Reset implements hal.CardReader.
func (r *Reader) Reset(ctx context.Context) error {
	r.Chip.PowerOff()
	return ctx.Err()
}

// Close implements hal.CardReader.
func (r *Reader) Close() error { return nil }
