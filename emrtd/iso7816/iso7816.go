// Package iso7816 encodes and decodes command and response APDUs (ISO/IEC 7816-3 §12, 7816-4 §5),
// short and extended, and names the status words that a reader of travel documents acts on.
package iso7816

import (
	"context"
	"errors"
	"fmt"
)

// Instruction bytes.
const (
	INSManageSecurity      = 0x22 // MANAGE SECURITY ENVIRONMENT
	INSExternalAuth        = 0x82 // EXTERNAL AUTHENTICATE
	INSGetChallenge        = 0x84
	INSGeneralAuth         = 0x86 // GENERAL AUTHENTICATE
	INSInternalAuth        = 0x88 // INTERNAL AUTHENTICATE
	INSSelect              = 0xA4
	INSReadBinary          = 0xB0
	INSReadBinaryOdd       = 0xB1 // offset in data object 54, for files beyond 32 767 bytes
	CLAChain          byte = 0x10
	CLASecure         byte = 0x0C
)

// Sizes of the encodings.
const (
	MaxShortData   = 255
	MaxShortNe     = 256
	MaxExtData     = 65535
	MaxExtNe       = 65536
	maxCommandSize = 4 + 3 + MaxExtData + 3
)

// Errors that callers branch on.
var (
	ErrFormat = errors.New("iso7816: malformed apdu")
	// ErrEmpty is an answer of fewer than two bytes: the link is to be taken as lost.
	ErrEmpty = errors.New("iso7816: answer without status word")
)

// SW is a status word.
type SW uint16

// Status words that the reader distinguishes.
const (
	SWOK               SW = 0x9000
	SWWarnEnd          SW = 0x6282 // end of file before Ne bytes
	SWFileDeactivated  SW = 0x6283
	SWAuthFailed       SW = 0x6300
	SWWrongLength      SW = 0x6700
	SWSMNotSupported   SW = 0x6882
	SWSecurityStatus   SW = 0x6982
	SWConditions       SW = 0x6985
	SWNotAllowed       SW = 0x6986
	SWSMMissing        SW = 0x6987
	SWSMIncorrect      SW = 0x6988
	SWWrongData        SW = 0x6A80
	SWFuncNotSupported SW = 0x6A81
	SWFileNotFound     SW = 0x6A82
	SWIncorrectP1P2    SW = 0x6A86
	SWLcInconsistent   SW = 0x6A87
	SWRefNotFound      SW = 0x6A88
	SWWrongOffset      SW = 0x6B00
	SWINSNotSupported  SW = 0x6D00
	SWCLANotSupported  SW = 0x6E00
	SWUnknown          SW = 0x6F00
	SWDead             SW = 0x6FFF // chip in a failed state
)

func (s SW) String() string { return fmt.Sprintf("%04X", uint16(s)) }

// SW1 is the first byte.
func (s SW) SW1() byte { return byte(s >> 8) }

// SW2 is the second byte.
func (s SW) SW2() byte { return byte(s) }

// StatusError is a status word that ended a step. It holds nothing personal.
type StatusError struct {
	Step string
	SW   SW
}

func (e *StatusError) Error() string { return fmt.Sprintf("iso7816: %s: status %s", e.Step, e.SW) }

// Status returns the status word inside an error.
func Status(err error) (SW, bool) {
	var e *StatusError
	if errors.As(err, &e) {
		return e.SW, true
	}
	return 0, false
}

// Command is a command APDU. Ne is the largest number of response bytes expected, 0 for none, up to
// 65536.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte
	Ne               int
	// Extended forces the extended form.
	Extended bool
}

// IsExtended tells whether the command needs, or was asked to take, the extended form.
func (c Command) IsExtended() bool {
	return c.Extended && (len(c.Data) > 0 || c.Ne > 0) || len(c.Data) > MaxShortData || c.Ne > MaxShortNe
}

// Bytes encodes the command.
func (c Command) Bytes() ([]byte, error) {
	if len(c.Data) > MaxExtData || c.Ne < 0 || c.Ne > MaxExtNe {
		return nil, fmt.Errorf("%w: length", ErrFormat)
	}
	out := make([]byte, 4, 4+len(c.Data)+6)
	out[0], out[1], out[2], out[3] = c.CLA, c.INS, c.P1, c.P2
	if !c.IsExtended() {
		if len(c.Data) > 0 {
			out = append(append(out, byte(len(c.Data))), c.Data...)
		}
		if c.Ne > 0 {
			out = append(out, byte(c.Ne))
		}
		return out, nil
	}
	out = append(out, 0)
	if len(c.Data) > 0 {
		out = append(append(out, byte(len(c.Data)>>8), byte(len(c.Data))), c.Data...)
	}
	if c.Ne > 0 {
		out = append(out, byte(c.Ne>>8), byte(c.Ne))
	}
	return out, nil
}

// ParseCommand decodes a command. Data aliases b.
func ParseCommand(b []byte) (Command, error) {
	if len(b) < 4 || len(b) > maxCommandSize {
		return Command{}, ErrFormat
	}
	c := Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	b = b[4:]
	short := func(v byte) int {
		if v == 0 {
			return MaxShortNe
		}
		return int(v)
	}
	ext := func(h, l byte) int {
		if h == 0 && l == 0 {
			return MaxExtNe
		}
		return int(h)<<8 | int(l)
	}
	switch {
	case len(b) == 0:
	case len(b) == 1:
		c.Ne = short(b[0])
	case b[0] != 0:
		n := int(b[0])
		switch len(b) - 1 - n {
		case 0:
		case 1:
			c.Ne = short(b[len(b)-1])
		default:
			return Command{}, ErrFormat
		}
		c.Data = b[1 : 1+n : 1+n]
	case len(b) == 3:
		c.Extended = true
		c.Ne = ext(b[1], b[2])
	case len(b) > 3:
		c.Extended = true
		n := int(b[1])<<8 | int(b[2])
		if n == 0 {
			return Command{}, ErrFormat
		}
		switch len(b) - 3 - n {
		case 0:
		case 2:
			c.Ne = ext(b[len(b)-2], b[len(b)-1])
		default:
			return Command{}, ErrFormat
		}
		c.Data = b[3 : 3+n : 3+n]
	default:
		return Command{}, ErrFormat
	}
	return c, nil
}

// Response is a response APDU.
type Response struct {
	Data []byte
	SW   SW
}

// OK tells whether the status word is 9000.
func (r Response) OK() bool { return r.SW == SWOK }

// Bytes encodes the response.
func (r Response) Bytes() []byte {
	return append(r.Data[:len(r.Data):len(r.Data)], byte(r.SW>>8), byte(r.SW))
}

// ParseResponse decodes a response. Data aliases b.
func ParseResponse(b []byte) (Response, error) {
	n := len(b) - 2
	if n < 0 {
		return Response{}, ErrEmpty
	}
	return Response{Data: b[:n:n], SW: SW(b[n])<<8 | SW(b[n+1])}, nil
}

// Transmitter carries one command to a card, in the clear or through secure messaging.
type Transmitter interface {
	Transmit(ctx context.Context, c Command) (Response, error)
}

// TransmitterFunc makes a function a Transmitter.
type TransmitterFunc func(ctx context.Context, c Command) (Response, error)

// Transmit calls f.
func (f TransmitterFunc) Transmit(ctx context.Context, c Command) (Response, error) { return f(ctx, c) }
