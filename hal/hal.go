// Package hal holds the contracts between the controller and its devices, on periph.io/x/conn/v3
// types. It contains no implementation: drivers live in the folders below and take contracts,
// only cmd and sim wire them.
//
// Laws common to every device:
//   - Every blocking call takes a context and returns its error soon (100 ms) after it ends.
//   - Close may be called from any goroutine, more than once, and unblocks every blocked call,
//     which then returns ErrClosed.
//   - A device that vanished returns an error for which errors.Is(err, ErrLost) holds, from then on
//     and until it is opened again; a time-out is never reported as a loss nor a loss as a time-out.
//   - Times are time.Duration since an arbitrary monotonic origin of the device unless said.
package hal

import (
	"context"
	"errors"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Errors that callers branch on.
var (
	ErrClosed  = errors.New("hal: device closed")
	ErrLost    = errors.New("hal: device lost")
	ErrTimeout = errors.New("hal: device did not answer in time")
	ErrNoCard  = errors.New("hal: no card in the field")
	// ErrCardLost says that the card left the field in the middle of an exchange. The reader lives.
	ErrCardLost = errors.New("hal: card lost")
	// ErrBlack and ErrOverexposed say that a camera delivers pictures on which nothing can be seen (F-14).
	ErrBlack       = errors.New("hal: the camera's picture is black")
	ErrOverexposed = errors.New("hal: the camera's picture is over-exposed")
	// ErrRefused is returned by the interlock for a command that live contacts forbid.
	ErrRefused = errors.New("hal: refused by interlock")
)

// Edge is one change of an input line.
type Edge struct {
	Line  string        // logical name from the configuration
	Level gpio.Level    // logical level, active-low already applied
	At    time.Duration // kernel or device time stamp where there is one
	Seq   uint32        // counts the edges of one line; a gap is a lost edge
}

// Lines is a set of named digital lines: beams, contacts, tamper and fire inputs, locks, lamps.
// Names are logical (from the configuration), polarity is applied below this contract.
type Lines interface {
	// Read returns the present level of an input. It never changes direction or bias.
	Read(name string) (gpio.Level, error)
	// Edges delivers every change of every input, in order per line, starting with one Edge that
	// tells the present level of each. It is closed when the device is closed or lost; Err then
	// tells why.
	Edges() <-chan Edge
	// Err is nil while the device lives, else ErrClosed or an ErrLost.
	Err() error
	// Set drives a level output (lock, lamp, hold). The de-energised level (gpio.Low) is the
	// declared safe one (D-09).
	Set(name string, l gpio.Level) error
	// Pulse drives an output High for d, then Low, and returns after the Low edge. d is capped at
	// MaxPulse; the line falls to Low on Close and, as far as the driver can, when the process dies.
	Pulse(ctx context.Context, name string, d time.Duration) error
	// Close sets every output Low and frees the lines.
	Close() error
}

// MaxPulse caps every output pulse (D-09).
const MaxPulse = 2 * time.Second

// Tone is what a sounder says. Nothing is told by sound alone: screen and lamps say the same.
type Tone uint8

// Tones.
const (
	ToneNone  Tone = iota
	ToneGo         // a door opens for the traveller
	ToneCall       // an officer is called to whoever stands at the gate: the same whatever for
	ToneAlarm      // danger: emergency, forced door, tamper, somebody where nobody may be
	ToneTest       // each of the others once, for a technician
)

func (t Tone) String() string {
	if t > ToneTest {
		return "?"
	}
	return [...]string{"none", "go", "call", "alarm", "test"}[t]
}

// Sounder is a device that sounds or is silent. How loud it is belongs to the part and to its wiring.
type Sounder interface {
	// Sound says t in place of what was said before, and returns at once. The same tone again changes nothing, also
	// when it has ended; another one, ToneNone too, lets it begin anew. No tone begins to sound more often than three
	// times in any second, sounds longer than half a second without a pause, or goes on beyond the limit of the
	// site. The error is that of the line since the last call, or ErrClosed.
	Sound(t Tone) error
	// Close leaves the sounder silent.
	Close() error
}

// Position is a measured door position (D-10). Unknown never satisfies a guard that opens anything.
type Position uint8

// Door positions.
const (
	PositionUnknown Position = iota
	PositionClosed
	PositionBetween
	PositionOpen
)

func (p Position) String() string {
	return [...]string{"unknown", "closed", "between", "open"}[p&3]
}

// Door is one door drive. Open and Close are pulses to the drive, which does the moving; Release
// drops the lock and asks the drive to open without regard to anything (life safety).
type Door interface {
	Open(ctx context.Context) error
	Close(ctx context.Context) error
	// Unlock energises or drops the lock: Lock(false) is the de-energised, safe state.
	Lock(locked bool) error
	// Release is the emergency release. It is idempotent and never refused by the interlock.
	Release() error
	Position() Position
}

// Scan is what a document scanner delivers.
type Scan struct {
	Kind ScanKind
	// Lines are the MRZ lines as read, without prefixes or line ends; only for ScanMRZ. Personal
	// data: never logged. The receiver wipes it.
	Lines [][]byte
}

// ScanKind tells the kinds of Scan apart (C-13).
type ScanKind uint8

// Kinds of scan.
const (
	ScanNone ScanKind = iota
	ScanPresent
	ScanRemoved
	ScanMRZ
	ScanUnreadable
	ScanWrongPage
	ScanUpsideDown
	ScanCoverOn
)

// DocumentScanner reads the MRZ of the document that lies on it.
type DocumentScanner interface {
	// Next blocks until the scanner says something.
	Next(ctx context.Context) (Scan, error)
	Close() error
}

// CardReader is a contactless reader.
type CardReader interface {
	// Connect waits for a card and activates it. It returns when ctx ends at the latest, with
	// ErrNoCard.
	Connect(ctx context.Context) (Card, error)
	// Reset switches the field off and on, which ends every session with a card.
	Reset(ctx context.Context) error
	Close() error
}

// Card is one activated ISO/IEC 14443-4 card. It is used by one goroutine at a time.
type Card interface {
	// Transmit sends one command APDU and returns the response APDU with its status word. ctx
	// bounds the exchange; waiting time extensions are handled below.
	Transmit(ctx context.Context, command []byte) ([]byte, error)
	// ATS returns the historical bytes (type A) or the protocol information (type B); it names the
	// chip type, never the person.
	ATS() []byte
	// Limits are the largest command and response APDU in bytes that reader and link carry.
	Limits() (command, response int)
	Close() error
}

// PixelFormat is the layout of Frame.Pix.
type PixelFormat uint8

// Pixel formats.
const (
	PixelNone PixelFormat = iota
	PixelRGB              // 3 bytes a pixel, R first
	PixelYUYV
	PixelNV12
	PixelGrey
	PixelMJPEG
)

// Frame is one camera picture. Pix is reused by the next call of Next with the same Frame and is
// wiped by whoever ends with it.
type Frame struct {
	Format        PixelFormat
	Width, Height int
	Stride        int
	Seq           uint32
	At            time.Duration
	Pix           []byte
}

// Camera delivers frames while it is open. Nothing is captured before Open nor after Close (DP-06).
type Camera interface {
	// Next blocks for the next frame and writes it into f, growing f.Pix when it must.
	Next(ctx context.Context, f *Frame) error
	Close() error
}
