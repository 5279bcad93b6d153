package pn532

import (
	"context"
	"errors"
	"fmt"
	"time"

	"egate/hal"
	"egate/hal/pn532/frame"
)

// link carries commands: frame, acknowledgement, answer.
type link struct {
	port hal.SerialPort
	dec  frame.Decoder
	in   [frame.MaxLen + 16]byte
	have []byte // bytes of in that are not decoded yet
	out  []byte
	// dirty says that an answer may still come that nobody waits for.
	dirty bool
	stats Stats
	slow  int // how many times its own times the PN532 may take
}

// Stats count what went wrong on the line since Open.
type Stats struct {
	Commands, BadFrames, Repeats, Aborts, Silent int
}

// patience is how long the PN532 may be silent. It runs while the host listens: a wait that ended late, because the
// processor was busy with something else, counts as long as it should have been, and then the port is looked at once
// more. A slow host is no mute device.
type patience struct{ left, step time.Duration }

// looks is in how many waits a limit is cut.
const looks = 8

func (l *link) patient(limit time.Duration) *patience {
	limit *= time.Duration(max(l.slow, 1))
	return &patience{limit, max(limit/looks, time.Millisecond)}
}

// spend takes a wait off, or, of a device that never stops talking, the time of its bytes on the line.
func (p *patience) spend(took time.Duration, bytes int) {
	p.left -= max(min(took, p.step), time.Duration(bytes)*10*time.Microsecond)
}

// next returns the next frame, errSilent at the end of patience. bad tells of one with a wrong checksum.
func (l *link) next(ctx context.Context, p *patience) (f frame.Frame, bad bool, err error) {
	for {
		for len(l.have) > 0 {
			c := l.have[0]
			l.have[0] = 0
			l.have = l.have[1:]
			f, ok, wrong := l.dec.Push(c)
			if wrong {
				l.stats.BadFrames++
				return frame.Frame{}, true, nil
			}
			if ok {
				return f, false, nil
			}
		}
		if p.left <= 0 {
			return frame.Frame{}, false, errSilent
		}
		began := time.Now()
		wait, cancel := context.WithTimeout(ctx, p.step)
		n, err := l.port.Read(wait, l.in[:])
		late := wait.Err() != nil
		cancel()
		p.spend(time.Since(began), n)
		switch {
		case err == nil:
			l.have = l.in[:n]
		case ctx.Err() != nil || !late || errors.Is(err, hal.ErrLost) || errors.Is(err, hal.ErrClosed):
			return frame.Frame{}, false, err
		}
	}
}

// forget drops what came in and makes the PN532 drop what it is doing (§6.2.1.3 d).
func (l *link) forget(ctx context.Context) error {
	l.stats.Aborts++
	err := l.port.Write(ctx, frame.AckBytes)
	clear(l.have)
	l.have = nil
	l.dec.Reset()
	return errors.Join(err, l.port.Discard())
}

// command sends code with data and returns the parameters of the answer, valid until the next call.
func (l *link) command(ctx context.Context, limit time.Duration, code byte, data ...[]byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.stats.Commands++
	if l.dirty {
		if err := l.forget(ctx); err != nil {
			return nil, err
		}
		l.dirty = false
	}
	// Nothing is under way, so whatever came in is noise.
	clear(l.have)
	l.have = nil
	l.dec.Reset()
	if err := l.port.Discard(); err != nil {
		return nil, err
	}
	answer, err := l.run(ctx, limit, code, data)
	if err != nil && !errors.Is(err, errSyntax) {
		l.dirty = true
		if ctx.Err() != nil {
			// Stop the PN532 now, not at the next command: it may hold the field with an endless wait.
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), localLimit/5)
			defer cancel()
			if l.forget(end) == nil {
				l.dirty = false
			}
		}
	}
	if errors.Is(err, errSilent) {
		l.stats.Silent++
		err = fmt.Errorf("%w: %w", hal.ErrTimeout, err)
	}
	return answer, err
}

func (l *link) run(ctx context.Context, limit time.Duration, code byte, data [][]byte) ([]byte, error) {
	var err error
	defer func() { clear(l.out) }()
	if l.out, err = frame.Append(l.out[:0], frame.ToPN532, append([][]byte{{code}}, data...)...); err != nil {
		return nil, err
	}
	ack := ackLimit
	if code == cmdInDataExchange {
		ack = exchangeAck
	}
	if err := l.send(ctx, ack); err != nil {
		return nil, err
	}
	p := l.patient(limit)
	for asked := 0; ; {
		f, bad, err := l.next(ctx, p)
		switch {
		case err != nil:
			return nil, err
		case bad:
			// The PN532 keeps its answer until the next command (§6.2.1.4).
			if asked++; asked == tries {
				return nil, errSilent
			}
			l.stats.Repeats++
			if err := l.port.Write(ctx, frame.NackBytes); err != nil {
				return nil, err
			}
		case f.Kind == frame.Error:
			return nil, errSyntax
		case f.Kind == frame.Info && f.TFI == frame.FromPN532 && len(f.Data) > 0 && f.Data[0] == code+1:
			return f.Data[1:], nil
		}
		// Anything else is a leftover: an acknowledgement sent twice, an answer to an older command.
	}
}

// send writes l.out until the PN532 acknowledges it, which it has to do within limit.
func (l *link) send(ctx context.Context, limit time.Duration) error {
	for try := 0; ; try++ {
		if try > 0 {
			l.stats.Repeats++
		}
		if err := l.port.Write(ctx, l.out); err != nil {
			return err
		}
		for p := l.patient(limit); ; {
			f, _, err := l.next(ctx, p)
			if errors.Is(err, errSilent) || err == nil && f.Kind == frame.Nack {
				break
			}
			if err != nil {
				return err
			}
			if f.Kind == frame.Ack {
				return nil
			}
		}
		if try == tries-1 {
			return errSilent
		}
	}
}
