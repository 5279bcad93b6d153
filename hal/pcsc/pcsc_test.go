package pcsc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"egate/hal"
	"egate/hal/haltest"
)

// TestHistorical: where the historical bytes stand in an ATR (ISO/IEC 7816-3 §8.2).
func TestHistorical(t *testing.T) {
	for name, c := range map[string]struct{ atr, want []byte }{
		"contactless": {[]byte{0x3B, 0x83, 0x80, 0x01, 'a', 'b', 'c', 0x00}, []byte("abc")},
		"no T=1":      {[]byte{0x3B, 0x02, 0x11, 0x22}, []byte{0x11, 0x22}},
		"TA TB TC TD": {[]byte{0x3B, 0xF1, 1, 2, 3, 0x01, 0x99}, []byte{0x99}},
		"none":        {[]byte{0x3B, 0x80, 0x80, 0x01, 0}, nil},
		"cut":         {[]byte{0x3B, 0x8F, 0x80, 0x01, 'a'}, nil},
		"endless":     {bytes.Repeat([]byte{0x80}, 8), nil},
		"empty":       {nil, nil},
	} {
		if got := historical(c.atr); !bytes.Equal(got, c.want) {
			t.Errorf("%s: % X, want % X", name, got, c.want)
		}
	}
}

// daemon is a pcscd that says what a test wants.
func daemon(t *testing.T, serve func(c net.Conn, cmd uint32, body []byte) bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pcscd.comm")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for {
					head := make([]byte, 8)
					if _, err := io.ReadFull(c, head); err != nil {
						return
					}
					body := make([]byte, min(order.Uint32(head), 1<<16))
					if _, err := io.ReadFull(c, body); err != nil {
						return
					}
					if !serve(c, order.Uint32(head[4:]), body) {
						return
					}
				}
			}()
		}
	}()
	return path
}

// polite answers the greeting and one reader with a card.
func polite(c net.Conn, cmd uint32, body []byte) bool {
	switch cmd {
	case cmdVersion, cmdEstablish, cmdDisconnect:
		_, _ = c.Write(body)
	case cmdReaders:
		table := make([]byte, maxReaders*readerSize)
		copy(table, "Reader 00 00")
		order.PutUint32(table[nameSize+4:], statePresent)
		copy(table[nameSize+12:], []byte{0x3B, 0x81, 0x80, 0x01, 0x42, 0})
		order.PutUint32(table[nameSize+12+atrSize:], 6)
		_, _ = c.Write(table)
	case cmdConnect:
		_, _ = c.Write(body)
	default:
		return false
	}
	return true
}

// TestC11HostileDaemon: a daemon that lies, stops or goes ends an exchange with an error, never with a
// panic, a hang or a bad read.
func TestC11HostileDaemon(t *testing.T) {
	transmit := func(answer func(c net.Conn, body []byte)) func(net.Conn, uint32, []byte) bool {
		return func(c net.Conn, cmd uint32, body []byte) bool {
			if cmd != cmdTransmit {
				return polite(c, cmd, body)
			}
			_, _ = io.CopyN(io.Discard, c, int64(order.Uint32(body[12:])))
			answer(c, body)
			return true
		}
	}
	reply := func(n, rv uint32, data []byte) func(net.Conn, []byte) {
		return func(c net.Conn, body []byte) {
			order.PutUint32(body[24:], n)
			order.PutUint32(body[28:], rv)
			_, _ = c.Write(append(body, data...))
		}
	}
	for name, c := range map[string]struct {
		serve func(net.Conn, uint32, []byte) bool
		want  error
	}{
		"an answer of one byte": {transmit(reply(1, 0, []byte{0})), hal.ErrLost},
		"an endless answer":     {transmit(reply(1<<31, 0, nil)), hal.ErrLost},
		"half an answer, gone":  {transmit(func(c net.Conn, b []byte) { reply(100, 0, []byte{1, 2})(c, b); c.Close() }), hal.ErrLost},
		"gone":                  {transmit(func(c net.Conn, _ []byte) { c.Close() }), hal.ErrLost},
		"silent":                {transmit(func(net.Conn, []byte) {}), context.DeadlineExceeded},
		"card removed":          {transmit(reply(0, rvRemoved, nil)), hal.ErrCardLost},
		"reader gone":           {transmit(reply(0, rvReaderGone, nil)), hal.ErrLost},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			r, err := Open(ctx, Options{Socket: daemon(t, c.serve)})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			k, err := r.Connect(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(k.ATS(), []byte{0x42}) {
				t.Errorf("ATS % X", k.ATS())
			}
			short, end := context.WithTimeout(ctx, 300*time.Millisecond)
			defer end()
			if c.want != context.DeadlineExceeded {
				short = ctx
			}
			if got, err := k.Transmit(short, []byte{0, 0xA4, 4, 0x0C}); !errors.Is(err, c.want) || got != nil {
				t.Errorf("% X %v, want %v", got, err, c.want)
			}
		})
	}
}

// TestVersions: a daemon that takes its own minor version only, as pcscd 1.9.9 does, tells it.
func TestVersions(t *testing.T) {
	for minor, ok := range map[uint32]bool{2: true, 4: true, 5: true, 1: false, 99: false} {
		path := daemon(t, func(c net.Conn, cmd uint32, body []byte) bool {
			if cmd == cmdVersion {
				if order.Uint32(body[4:]) != minor {
					order.PutUint32(body[8:], rvServiceStopped)
				}
				order.PutUint32(body[4:], minor)
			}
			return polite(c, cmd, body)
		})
		if _, err := Readers(t.Context(), path); (err == nil) != ok {
			t.Errorf("4.%d: %v", minor, err)
		}
	}
}

// TestOpenSaysWhatToDo: no daemon, no reader, several readers.
func TestOpenSaysWhatToDo(t *testing.T) {
	if _, err := Open(t.Context(), Options{Socket: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, hal.ErrLost) {
		t.Errorf("no daemon: %v", err)
	}
	path := daemon(t, polite)
	if _, err := Open(t.Context(), Options{Socket: path, Reader: "ACS"}); !errors.Is(err, hal.ErrLost) || !bytes.Contains([]byte(err.Error()), []byte("Reader 00 00")) {
		t.Errorf("another reader: %v", err)
	}
	names, err := Readers(t.Context(), path)
	if err != nil || len(names) != 1 || names[0] != (Info{"Reader 00 00", true, 0}) {
		t.Errorf("%v %v", names, err)
	}
}

// FuzzReaders: whatever table the daemon sends is read within its bounds.
func FuzzReaders(f *testing.F) {
	f.Add(make([]byte, readerSize))
	f.Add(bytes.Repeat([]byte{0xFF}, 2*readerSize+5))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range parseReaders(b) {
			if len(s.atr) > 33 || len(s.name) > 3*nameSize {
				t.Fatalf("%d bytes of ATR", len(s.atr))
			}
			historical(s.atr)
		}
	})
}

// TestX08VirtualReaderIsRefused: the reader of vsmartcard, whose cards are programs, is none for a gate in service.
func TestX08VirtualReaderIsRefused(t *testing.T) {
	path := daemon(t, func(c net.Conn, cmd uint32, body []byte) bool {
		if cmd != cmdReaders {
			return polite(c, cmd, body)
		}
		table := make([]byte, maxReaders*readerSize)
		copy(table, "Virtual PCD 00 00")
		order.PutUint32(table[nameSize+4:], statePresent)
		_, _ = c.Write(table)
		return true
	})
	if r, err := Open(t.Context(), Options{Socket: path}); err != nil {
		t.Error(err)
	} else if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), Options{Socket: path, RefuseVirtual: true}); !errors.Is(err, hal.ErrLost) || !bytes.Contains([]byte(err.Error()), []byte("virtual, refused in service")) {
		t.Errorf("in service: %v", err)
	}
}

// recorded is a connection whose other end is a slice.
type recorded struct {
	net.Conn
	said []byte
}

func (r *recorded) Write(b []byte) (int, error) { r.said = append(r.said, b...); return len(b), nil }

// C-10, C-11: the generic hostile far ends.
func TestC11HostilePeers(t *testing.T) {
	proper := func() func([]byte) []byte {
		var in []byte
		return func(w []byte) []byte {
			in = append(in, w...)
			r := new(recorded)
			for len(in) >= 8 {
				n, cmd := int(order.Uint32(in)), order.Uint32(in[4:])
				if len(in) < 8+n {
					break
				}
				body := bytes.Clone(in[8 : 8+n])
				more := 0
				if cmd == cmdTransmit {
					more = int(order.Uint32(body[12:]))
				}
				if len(in) < 8+n+more {
					break
				}
				in = in[8+n+more:]
				if cmd == cmdTransmit {
					order.PutUint32(body[24:], 2)
					order.PutUint32(body[28:], 0)
					_, _ = r.Write(append(body, 0x90, 0x00))
				} else if !polite(r, cmd, body) {
					_, _ = r.Write(body)
				}
			}
			return r.said
		}
	}
	haltest.HostileSocket(t, proper, func(ctx context.Context, path string) []error {
		r, err := Open(ctx, Options{Socket: path})
		if err != nil {
			return []error{err}
		}
		defer r.Close()
		c, err := r.Connect(ctx)
		if err != nil {
			return []error{err}
		}
		_, terr := c.Transmit(ctx, []byte{0, 0xB0, 0, 0, 0})
		_ = c.Close()
		return []error{terr, r.Reset(ctx)}
	})
}
