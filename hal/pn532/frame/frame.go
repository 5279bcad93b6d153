// Package frame is the framing of the PN532 at a high-speed UART (NXP UM0701-02 §6.2): normal and
// extended information frames, ACK, NACK and error frame.
package frame

import "fmt"

// Kind tells frames apart.
type Kind uint8

// Kinds of frame.
const (
	Info  Kind = iota + 1 // TFI and data
	Ack                   // the frame before was understood; from the host while a command runs: abort
	Nack                  // send the frame before again
	Error                 // the PN532 did not understand a command's syntax
)

// Frame identifiers (TFI).
const (
	ToPN532   = 0xD4
	FromPN532 = 0xD5
	tfiError  = 0x7F
)

// MaxLen caps TFI and data of one frame: TFI, command, target and 262 bytes of an exchange.
const MaxLen = 265

// maxNormal is the longest TFI and data that a normal frame carries.
const maxNormal = 255

// Frame is one frame.
type Frame struct {
	Kind Kind
	TFI  byte   // only Info
	Data []byte // only Info: command code and parameters
}

// AckBytes and NackBytes are those frames with preamble and postamble.
var (
	AckBytes   = []byte{0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00}
	NackBytes  = []byte{0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00}
	ErrorBytes = []byte{0x00, 0x00, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0x00}
)

// Append appends an information frame to b.
func Append(b []byte, tfi byte, data ...[]byte) ([]byte, error) {
	n := 1
	for _, d := range data {
		n += len(d)
	}
	switch {
	case n > MaxLen:
		return b, fmt.Errorf("frame: %d bytes are more than the %d of a frame", n, MaxLen)
	case n > maxNormal:
		m, l := byte(n>>8), byte(n)
		b = append(b, 0x00, 0x00, 0xFF, 0xFF, 0xFF, m, l, -(m + l))
	default:
		b = append(b, 0x00, 0x00, 0xFF, byte(n), -byte(n))
	}
	b = append(b, tfi)
	sum := tfi
	for _, d := range data {
		b = append(b, d...)
		for _, c := range d {
			sum += c
		}
	}
	return append(b, -sum, 0x00), nil
}

// Decoder finds frames in a stream of bytes and resynchronises on the start code after anything that is
// none. Its memory is bounded by MaxLen. The zero value is ready.
type Decoder struct {
	state byte
	n     int // bytes of TFI and data to come
	m     byte
	sum   byte
	buf   []byte
	bad   int
}

// States: waiting for 00, FF, LEN, LCS, LENM, LENL, LCS of an extended frame, body, DCS.
const (
	stZero = iota
	stStart
	stLen
	stLCS
	stLenM
	stLenL
	stLCSExt
	stBody
	stDCS
)

// Reset forgets a frame that is under way.
func (d *Decoder) Reset() {
	clear(d.buf)
	d.state, d.buf = stZero, d.buf[:0]
}

// Bad counts the frames whose length or checksum was wrong.
func (d *Decoder) Bad() int { return d.bad }

// Push takes one byte. It returns a frame when one is complete, and bad when one ended with a wrong
// checksum: the receiver may ask for it again. Data is valid until the next Push.
func (d *Decoder) Push(c byte) (f Frame, complete, bad bool) {
	switch d.state {
	case stZero:
		if c == 0x00 {
			d.state = stStart
		}
	case stStart:
		switch c {
		case 0xFF:
			d.state = stLen
		case 0x00: // any number of zeros is a preamble
		default:
			d.state = stZero
		}
	case stLen:
		d.n, d.state = int(c), stLCS
	case stLCS:
		switch {
		case d.n == 0x00 && c == 0xFF:
			d.state = stZero
			return Frame{Kind: Ack}, true, false
		case d.n == 0xFF && c == 0x00:
			d.state = stZero
			return Frame{Kind: Nack}, true, false
		case d.n == 0xFF && c == 0xFF:
			d.state = stLenM
		default:
			return d.begin(byte(d.n), c)
		}
	case stLenM:
		d.m, d.state = c, stLenL
	case stLenL:
		d.n, d.state = int(d.m)<<8|int(c), stLCSExt
	case stLCSExt:
		return d.begin(d.m+byte(d.n), c)
	case stBody:
		d.buf = append(d.buf, c)
		d.sum += c
		if len(d.buf) == d.n {
			d.state = stDCS
		}
	case stDCS:
		d.state = stZero
		if d.sum+c != 0 {
			d.bad++
			return Frame{}, false, true
		}
		if d.n == 1 && d.buf[0] == tfiError {
			return Frame{Kind: Error}, true, false
		}
		return Frame{Kind: Info, TFI: d.buf[0], Data: d.buf[1:]}, true, false
	}
	return Frame{}, false, false
}

// begin starts the body when the length is right.
func (d *Decoder) begin(length, lcs byte) (Frame, bool, bool) {
	if length+lcs != 0 || d.n == 0 || d.n > MaxLen {
		d.bad++
		d.state = stZero
		if lcs == 0x00 {
			d.state = stStart // this zero may begin the next frame
		}
		return Frame{}, false, true
	}
	if cap(d.buf) < MaxLen {
		d.buf = make([]byte, 0, MaxLen)
	}
	clear(d.buf[:cap(d.buf)])
	d.buf, d.sum, d.state = d.buf[:0], 0, stBody
	return Frame{}, false, false
}
