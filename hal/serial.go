package hal

import "context"

// SerialPort is a byte stream to a device at a serial line: UART, USB-CDC or a pseudo-terminal. One
// goroutine reads and one writes at a time; Close may come from any.
//
// Bytes that the device sent before the port was opened are never delivered: they may belong to
// somebody else. What came in and was read is wiped from the port's buffers.
type SerialPort interface {
	// Read blocks until there is at least one byte and returns what fits. It returns the error of ctx
	// when ctx ends first: silence is never a loss. What is there already is delivered whatever ctx says: a
	// process that was woken late must not take an answer that came in time for none.
	Read(ctx context.Context, p []byte) (int, error)
	// Write returns when the driver below has taken all of p. When ctx ends first, an unknown part of
	// p is on its way: the caller starts a new frame.
	Write(ctx context.Context, p []byte) error
	// Discard drops what came in and was not read.
	Discard() error
	// SetBaud changes the speed in baud, keeping the port open. What was written before has left.
	SetBaud(ctx context.Context, baud int) error
	// Reopen closes what is left of the port and waits until the device is there (again) or ctx ends.
	Reopen(ctx context.Context) error
	Close() error
}
