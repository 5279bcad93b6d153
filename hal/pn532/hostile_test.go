package pn532

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"egate/hal"
	"egate/hal/pn532/frame"
)

// peer is a device at the other end that says what it likes. answer gets each write and returns what
// comes back; babble comes in front of everything.
type peer struct {
	mu     sync.Mutex
	in     []byte
	wake   chan struct{}
	answer func(written []byte) []byte
	drop   bool // Discard drops
	closed chan struct{}
	once   sync.Once
}

func newPeer(answer func([]byte) []byte) *peer {
	return &peer{wake: make(chan struct{}, 1), closed: make(chan struct{}), answer: answer, drop: true}
}

func (p *peer) Read(ctx context.Context, b []byte) (int, error) {
	for {
		p.mu.Lock()
		n := copy(b, p.in)
		p.in = p.in[n:]
		p.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		select {
		case <-p.wake:
		case <-p.closed:
			return 0, hal.ErrClosed
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (p *peer) Write(ctx context.Context, b []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a := p.answer(b)
	p.mu.Lock()
	p.in = append(p.in, a...)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return nil
}

func (p *peer) Discard() error {
	if p.drop {
		p.mu.Lock()
		p.in = nil
		p.mu.Unlock()
	}
	return nil
}
func (p *peer) SetBaud(ctx context.Context, baud int) error { return ctx.Err() }
func (p *peer) Reopen(ctx context.Context) error            { return ctx.Err() }
func (p *peer) Close() error                                { p.once.Do(func() { close(p.closed) }); return nil }

// pn answers every command of a PN532 properly but for those that reply takes over.
func pn(reply func(code byte, args []byte) (answer []byte, mine bool)) func([]byte) []byte {
	var dec frame.Decoder
	return func(b []byte) (out []byte) {
		for _, c := range b {
			f, ok, _ := dec.Push(c)
			if !ok || f.Kind != frame.Info {
				continue
			}
			out = append(out, frame.AckBytes...)
			answer, mine := reply(f.Data[0], f.Data[1:])
			if !mine {
				switch f.Data[0] {
				case cmdGetFirmwareVersion:
					answer = []byte{0x32, 1, 6, 7}
				case cmdInRelease:
					answer = []byte{0}
				}
			}
			if answer == nil && mine {
				continue // acknowledged, never answered
			}
			out, _ = frame.Append(out, frame.FromPN532, []byte{f.Data[0] + 1}, answer)
		}
		return out
	}
}

// Answers that a broken or hostile reader gives to a search and to an exchange: an error in time, no
// card out of thin air, no panic.
func TestBadAnswers(t *testing.T) {
	good := []byte{1, 1, 0x00, 0x08, 0x20, 4, 1, 2, 3, 4, 5, 0x78, 0x77, 0xE1, 0x02}
	for name, c := range map[string]struct {
		list, exchange []byte
		want           error
	}{
		"no number":          {list: []byte{}, want: hal.ErrNoCard},
		"no target":          {list: []byte{1}, want: hal.ErrNoCard},
		"cut":                {list: good[:6], want: hal.ErrNoCard},
		"identifier beyond":  {list: []byte{1, 1, 0, 8, 0x20, 200, 1}, want: hal.ErrNoCard},
		"no ats":             {list: good[:10], want: hal.ErrNoCard},
		"ats beyond":         {list: append(bytes.Clone(good[:10]), 50, 0x78), want: hal.ErrNoCard},
		"not 14443-4":        {list: []byte{1, 1, 0, 8, 0x08, 4, 1, 2, 3, 4}, want: hal.ErrNoCard},
		"status only":        {list: good, exchange: []byte{0}, want: hal.ErrCardLost},
		"timeout of card":    {list: good, exchange: []byte{1}, want: hal.ErrCardLost},
		"no status":          {list: good, exchange: []byte{}},
		"does not fit":       {list: good, exchange: []byte{0x07}},
		"more without end":   {list: good, exchange: append([]byte{0x40}, make([]byte, 200)...)},
		"more of nothing":    {list: good, exchange: []byte{0x40}},
		"no answer for ever": {list: good, exchange: nil, want: hal.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeer(pn(func(code byte, _ []byte) ([]byte, bool) {
					switch code {
					case cmdInListPassive:
						return c.list, true
					case cmdInDataExchange:
						return c.exchange, true
					}
					return nil, false
				}))
				r, err := Open(context.Background(), p, Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
				defer cancel()
				card, err := r.Connect(ctx)
				if errors.Is(c.want, hal.ErrNoCard) {
					if !errors.Is(err, hal.ErrNoCard) {
						t.Fatalf("%v %v", card, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err = card.Transmit(context.Background(), []byte{0, 0xB0, 0, 0, 0}); err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Fatal(err)
				}
			})
		})
	}
}

// Something else at the port is told from a PN532 that is silent.
func TestOpenAnotherDevice(t *testing.T) {
	for name, answer := range map[string]func([]byte) []byte{
		"silence": func([]byte) []byte { return nil },
		"echo":    func(b []byte) []byte { return b },
		"scanner": func([]byte) []byte { return []byte("!P\r\n") },
		"acks":    func([]byte) []byte { return frame.AckBytes },
		"another": pn(func(code byte, _ []byte) ([]byte, bool) { return []byte{0x33, 1, 1, 1}, code == cmdGetFirmwareVersion }),
		"refuses": func([]byte) []byte { return append(bytes.Clone(frame.AckBytes), frame.ErrorBytes...) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if _, err := Open(context.Background(), newPeer(answer), Options{Baud: 921600}); err == nil || errors.Is(err, hal.ErrLost) {
					t.Error(err)
				}
				if d := time.Since(began); d > 5*time.Second {
					t.Errorf("took %v", d)
				}
			})
		})
	}
	if _, err := Open(context.Background(), newPeer(nil), Options{Baud: 1234}); err == nil {
		t.Error("1234 baud")
	}
}

// An answer in several pieces ("more information") is put together.
func TestPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		p := newPeer(pn(func(code byte, args []byte) ([]byte, bool) {
			switch code {
			case cmdInListPassive:
				return []byte{1, 1, 0x00, 0x08, 0x20, 0, 5, 0x78, 0x77, 0xE1, 0x02}, true
			case cmdInDataExchange:
				if n++; n == 1 {
					return append([]byte{0x40}, bytes.Repeat([]byte{7}, 262)...), true
				}
				if len(args) != 1 {
					t.Errorf("the command was sent again: % X", args)
				}
				return []byte{0x00, 0x90, 0x00}, true
			}
			return nil, false
		}))
		r, err := Open(context.Background(), p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		c, err := r.Connect(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Transmit(context.Background(), []byte{0, 0xB0, 0, 0, 0}); err != nil || len(got) != 264 || n != 2 {
			t.Fatalf("%d bytes in %d, %v", len(got), n, err)
		}
	})
}

// Whatever comes over the line, every call ends in time and without a panic, and nothing is called lost.
func FuzzHostilePeer(f *testing.F) {
	var proper []byte
	answer := pn(func(code byte, _ []byte) ([]byte, bool) { return nil, false })
	for _, c := range []byte{cmdSAMConfiguration, cmdGetFirmwareVersion, cmdSetParameters, cmdRFConfiguration} {
		b, _ := frame.Append(nil, frame.ToPN532, []byte{c})
		proper = append(proper, answer(b)...)
	}
	f.Add(proper, true)
	f.Add([]byte{0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0x03, 0xFD, 0xD5, 0x4B, 0x01, 0xDF, 0x00}, false)
	f.Add(frame.NackBytes, true)
	f.Fuzz(func(t *testing.T, b []byte, drop bool) {
		synctest.Test(t, func(t *testing.T) {
			rest := b
			p := newPeer(func([]byte) []byte {
				n := min(len(rest), 40)
				out := rest[:n]
				rest = rest[n:]
				return out
			})
			p.drop = drop
			r := &Reader{port: p, link: &link{port: p}, closed: make(chan struct{})}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			began := time.Now()
			err := r.start(ctx, Options{Baud: 115200})
			c, cerr := r.Connect(ctx)
			if cerr == nil {
				_, cerr = c.Transmit(ctx, []byte{0, 0xB0, 0, 0, 0})
			}
			rerr := r.Reset(ctx)
			for _, err := range []error{err, cerr, rerr} {
				if errors.Is(err, hal.ErrLost) || errors.Is(err, hal.ErrClosed) {
					t.Fatal(err)
				}
			}
			if d := time.Since(began); d > 61*time.Second {
				t.Fatalf("took %v", d)
			}
			r.Close()
		})
	})
}

func FuzzTarget(f *testing.F) {
	f.Add([]byte{1, 1, 0x00, 0x08, 0x20, 4, 1, 2, 3, 4, 5, 0x78, 0x77, 0xE1, 0x02}, false)
	f.Add([]byte{1, 1, 0x50, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0x81, 0xE1, 1, 0}, true)
	f.Fuzz(func(t *testing.T, b []byte, typeB bool) {
		c, found, err := parseTarget(b, typeB)
		if err == nil && found != (c != nil) {
			t.Fatal(found, c)
		}
	})
}

// slept is a port whose process was not given the processor: every other wait ends late and without a look at what
// came meanwhile.
type slept struct {
	*peer
	n int
}

func (p *slept) Read(ctx context.Context, b []byte) (int, error) {
	if p.n++; p.n%2 == 1 {
		<-ctx.Done()
		time.Sleep(700 * time.Millisecond)
		return 0, ctx.Err()
	}
	return p.peer.Read(ctx, b)
}

// TestC11SlowHostIsNoMuteReader: on a busy board the host sleeps through time-outs. What the PN532 said meanwhile
// counts: no command goes to the card twice, and neither reader nor card is called lost.
func TestC11SlowHostIsNoMuteReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exchanges := 0
		p := &slept{peer: newPeer(pn(func(code byte, _ []byte) ([]byte, bool) {
			switch code {
			case cmdInListPassive:
				return []byte{1, 1, 0x00, 0x08, 0x20, 0, 5, 0x78, 0x77, 0xE1, 0x02}, true
			case cmdInDataExchange:
				exchanges++
				return []byte{0x00, 0x90, 0x00}, true
			}
			return nil, false
		}))}
		r, err := Open(context.Background(), p, Options{Baud: 921600})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		c, err := r.Connect(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 10; n++ {
			if _, err := c.Transmit(context.Background(), []byte{0, 0xB0, 0, 0, 0}); err != nil || exchanges != n {
				t.Fatalf("%d exchanges for %d commands, %v", exchanges, n, err)
			}
		}
		if s := r.Stats(); s.Repeats+s.Silent > 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestC11MuteReaderIsFoundInTwoSeconds: a reader that falls silent, at rest or in the middle of a chip, is a time-out of the
// reader's within two seconds, however long its caller would wait.
func TestC11MuteReaderIsFoundInTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mute := false
		talk := pn(func(code byte, _ []byte) ([]byte, bool) {
			switch code {
			case cmdInListPassive:
				return []byte{1, 1, 0x00, 0x08, 0x20, 0, 5, 0x78, 0x77, 0xE1, 0x02}, true
			case cmdInDataExchange:
				return []byte{0x00, 0x90, 0x00}, true
			}
			return nil, false
		})
		r, err := Open(context.Background(), newPeer(func(b []byte) []byte {
			if mute {
				return nil
			}
			return talk(b)
		}), Options{Baud: 921600})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		c, err := r.Connect(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Transmit(context.Background(), []byte{0, 0xB0, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
		mute = true
		for _, x := range []struct { // in this order: a search or a reset gives the chip up
			what string
			call func() error
		}{
			{"exchange", func() error { _, err := c.Transmit(context.Background(), []byte{0, 0xB0, 0, 0, 0}); return err }},
			{"search", func() error { _, err := r.Connect(context.Background()); return err }},
			{"reset", func() error { return r.Reset(context.Background()) }},
		} {
			began := time.Now()
			if err := x.call(); !errors.Is(err, hal.ErrTimeout) && !errors.Is(err, hal.ErrLost) || time.Since(began) > 2*time.Second {
				t.Errorf("%s: %v after %v", x.what, err, time.Since(began))
			}
		}
	})
}

// flood is a port that always has more.
type flood struct {
	*peer
	b byte
}

func (p *flood) Read(ctx context.Context, b []byte) (int, error) {
	for i := range b {
		b[i] = p.b
	}
	return len(b), nil
}

// TestC11Flood: a device that never stops talking is silent all the same, however fast its bytes come.
func TestC11Flood(t *testing.T) {
	for _, b := range []byte{0, 0xFF, 0x55} {
		synctest.Test(t, func(t *testing.T) {
			if _, err := Open(context.Background(), &flood{newPeer(func([]byte) []byte { return nil }), b}, Options{}); !errors.Is(err, hal.ErrTimeout) {
				t.Errorf("%02x: %v", b, err)
			}
		})
	}
}

// tardy is a far end that answers everything, a third of a second late.
type tardy struct {
	*peer
	one sync.Mutex
}

func (p *tardy) Write(ctx context.Context, b []byte) error {
	b = bytes.Clone(b)
	time.AfterFunc(350*time.Millisecond, func() {
		p.one.Lock()
		defer p.one.Unlock()
		_ = p.peer.Write(context.Background(), b)
	})
	return ctx.Err()
}

// TestC11Patience: a far end that is a program on a busy machine is waited for where that was asked for, and there alone.
func TestC11Patience(t *testing.T) {
	for patience, want := range map[int]error{0: hal.ErrTimeout, 1: hal.ErrTimeout, 5: nil, 1000: nil} {
		synctest.Test(t, func(t *testing.T) {
			p := &tardy{peer: newPeer(pn(func(byte, []byte) ([]byte, bool) { return nil, false }))}
			r, err := Open(context.Background(), p, Options{Baud: 921600, Patience: patience})
			if !errors.Is(err, want) {
				t.Fatalf("patience %d: %v", patience, err)
			}
			if err == nil {
				if err := r.Reset(context.Background()); err != nil {
					t.Errorf("patience %d: %v", patience, err)
				}
				r.Close()
			}
			time.Sleep(time.Minute) // what was said last
		})
	}
}
