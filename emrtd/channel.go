package emrtd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"egate/emrtd/iso7816"
	"egate/emrtd/sm"
	"egate/hal"
)

// Causes by which the procedure decides what to do next.
var (
	// errLost: the card left the field or the link gave nothing usable. Activation and access again.
	errLost = errors.New("card lost")
	// errSession: the channel is dead, the card may live. Access again.
	errSession = errors.New("secure messaging ended")
	// errProof: the first answer under the channel of chip authentication was false.
	errProof = errors.New("chip lacks the authentication key")
)

// bareError is an unprotected status inside a session: it is not authenticated.
type bareError struct{ sw iso7816.SW }

func (e *bareError) Error() string { return "unprotected status " + e.sw.String() }
func (e *bareError) Unwrap() error { return errSession }

// link carries commands to the card, through secure messaging where there is a channel.
type link struct {
	card hal.Card
	sm   *sm.Session
	// proof is set between chip authentication and the first verified answer.
	proof   bool
	onProof func()
	report  *Report
	clock   func() time.Duration
	log     *slog.Logger
	times   []time.Duration // of exchanges without public-key work
}

// Transmit implements iso7816.Transmitter.
func (l *link) Transmit(ctx context.Context, c iso7816.Command) (iso7816.Response, error) {
	var none iso7816.Response
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if l.report.APDUs >= MaxAPDUs {
		return none, fmt.Errorf("%w: %d apdus", errLimit, MaxAPDUs)
	}
	out := c
	var err error
	if l.sm != nil {
		if out, err = l.sm.Wrap(c); err != nil {
			return none, fmt.Errorf("%w: %w", errSession, err)
		}
	}
	b, err := out.Bytes()
	if err != nil {
		return none, err
	}
	if max, _ := l.card.Limits(); len(b) > max {
		// Nothing was sent, but the counter has moved: the channel is gone.
		return none, fmt.Errorf("%w: command of %d bytes beyond the link", errSession, len(b))
	}
	start := l.clock()
	ans, err := l.card.Transmit(ctx, b)
	took := l.clock() - start
	l.report.APDUs++
	l.report.BytesOut += len(b)
	l.report.BytesIn += len(ans)
	if err != nil {
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		if errors.Is(err, hal.ErrLost) || errors.Is(err, hal.ErrClosed) {
			return none, err // the reader is gone, not the card
		}
		return none, fmt.Errorf("%w: %w", errLost, err)
	}
	r, err := iso7816.ParseResponse(ans)
	if err != nil {
		return none, fmt.Errorf("%w: %w", errLost, err)
	}
	if l.log != nil {
		l.log.LogAttrs(ctx, slog.LevelDebug, "apdu", slog.String("ins", fmt.Sprintf("%02X", c.INS)), slog.Bool("secure", l.sm != nil),
			slog.Int("out", len(b)), slog.Int("in", len(ans)), slog.String("sw", r.SW.String()), slog.Duration("took", took))
	}
	if c.INS == iso7816.INSSelect || c.INS == iso7816.INSReadBinary && len(ans) <= 300 {
		l.times = append(l.times, took)
	}
	if l.sm == nil {
		return r, nil
	}
	p, err := l.sm.Unwrap(r)
	switch {
	case err == nil:
		if l.proof {
			l.proof = false
			l.onProof()
		}
		return p, nil
	case l.proof:
		return none, fmt.Errorf("%w: %w", errProof, err)
	case errors.Is(err, sm.ErrUnprotected):
		return none, &bareError{r.SW}
	}
	return none, fmt.Errorf("%w: %w", errSession, err)
}

// MaxAPDUs bounds one read: the largest DG2 accepted in the smallest usual pieces takes about as many; a
// chip that gives single bytes for ever ends here and not at the deadline.
const MaxAPDUs = 12_000

// use replaces the channel.
func (l *link) use(s *sm.Session, proof bool) {
	l.sm.Wipe()
	l.sm, l.proof = s, proof
}

// RelayRatio is how many times the median exchange the slowest simple exchange may take before the
// report hints at a relay. A waiting time extension of an honest chip stays below it in the timing
// model; a relay over a network adds its delay to every exchange alike and is then only seen against
// the chip type's own history, so the hint is weak by nature.
const RelayRatio = 20

func (l *link) timing() {
	if len(l.times) < 4 {
		return
	}
	t := slices.Clone(l.times)
	slices.Sort(t)
	l.report.Baseline, l.report.SlowestExchange = t[len(t)/2], t[len(t)-1]
	l.report.RelayHint = l.report.Baseline > 0 && l.report.SlowestExchange > RelayRatio*l.report.Baseline
}
