// Package vpcd plugs a simulated chip into PC/SC: it is the card's end of the vpcd protocol of the
// virtual smart card project, so that pcscd shows the chip to any PC/SC program.
//
// The card side connects to vpcd (TCP, port 35963 by default). Messages are a two-byte big-endian
// length and that many bytes; a message of one byte from vpcd is a control code.
package vpcd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"egate/emrtd/chip"
)

// DefaultAddress is where vpcd listens on this machine.
const DefaultAddress = "127.0.0.1:35963"

// Control codes.
const (
	ctrlOff   = 0
	ctrlOn    = 1
	ctrlReset = 2
	ctrlATR   = 4
)

// maxHistorical bounds the historical bytes of an ATR (ISO/IEC 7816-3 §8.2.4).
const maxHistorical = 15

// Serve connects to vpcd and answers for the chip until ctx ends or vpcd goes away. The chip's modelled
// times are waited.
func Serve(ctx context.Context, address string, c *chip.Chip) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("vpcd: connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	err = Run(ctx, quick{conn.(*net.TCPConn)}, c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// quick acknowledges at once what it reads. vpcd sends length and body apart with Nagle's algorithm on:
// without this every exchange waits 40 ms for a delayed acknowledgement.
type quick struct{ *net.TCPConn }

func (q quick) Read(b []byte) (int, error) {
	// The kernel falls back to delayed acknowledgements by itself, so this is set before every read. It
	// is a matter of speed only: an error changes nothing.
	if raw, err := q.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	}
	return q.TCPConn.Read(b)
}

// Run speaks the protocol on a connection that is already there.
func Run(ctx context.Context, conn io.ReadWriter, c *chip.Chip) error {
	in := bufio.NewReader(conn)
	historical := c.PowerOn()
	send := func(b []byte) error {
		out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(b)), uint16(len(b)))
		_, err := conn.Write(append(out, b...))
		return err
	}
	for {
		var size [2]byte
		if _, err := io.ReadFull(in, size[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("vpcd: read: %w", err)
		}
		msg := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(in, msg); err != nil {
			return fmt.Errorf("vpcd: read: %w", err)
		}
		if len(msg) == 1 {
			var err error
			switch msg[0] {
			case ctrlOff:
				c.PowerOff()
			case ctrlOn, ctrlReset:
				historical = c.PowerOn()
			case ctrlATR:
				err = send(ATR(historical))
			}
			if err != nil {
				return fmt.Errorf("vpcd: write: %w", err)
			}
			continue
		}
		resp, took, err := c.Transceive(msg)
		if errors.Is(err, chip.ErrMute) {
			<-ctx.Done()
			return ctx.Err()
		}
		if took > 0 {
			t := time.NewTimer(took)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return ctx.Err()
			}
		}
		if err != nil {
			// A lost tag answers nothing; the reader sees a mute card until the next power-on.
			resp = nil
		}
		if err := send(resp); err != nil {
			return fmt.Errorf("vpcd: write: %w", err)
		}
	}
}

// ATR builds the answer to reset that PC/SC part 3 §3.1.3.2.3.1 gives a contactless card of type A.
func ATR(historical []byte) []byte {
	h := historical[:min(len(historical), maxHistorical)]
	atr := append([]byte{0x3B, 0x80 | byte(len(h)), 0x80, 0x01}, h...)
	var check byte
	for _, b := range atr[1:] {
		check ^= b
	}
	return append(atr, check)
}
