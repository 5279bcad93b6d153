package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
)

// ErrFrame says that the far end broke the framing: too long, not JSON, an unknown field, or not
// exactly one message in a frame. The inspection ends as "inspector fault".
var ErrFrame = errors.New("protocol: bad frame")

// Conn speaks frames: it sends Out and receives In. Send may be called from several goroutines,
// Receive from one.
type Conn[In, Out any] struct {
	rw  io.ReadWriter
	mu  sync.Mutex
	buf []byte
}

// NewInspector is the inspector's end.
func NewInspector(rw io.ReadWriter) *Conn[ToInspector, FromInspector] {
	return &Conn[ToInspector, FromInspector]{rw: rw}
}

// NewController is egated's end.
func NewController(rw io.ReadWriter) *Conn[FromInspector, ToInspector] {
	return &Conn[FromInspector, ToInspector]{rw: rw}
}

// Send writes one message.
func (c *Conn[In, Out]) Send(m Out) error {
	if n := fieldsSet(m); n != 1 {
		return fmt.Errorf("%w: %d messages in one frame", ErrFrame, n)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("protocol: %w", err)
	}
	if len(body) > MaxFrame {
		return fmt.Errorf("%w: %d bytes", ErrFrame, len(body))
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	frame = append(frame, body...)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = c.rw.Write(frame)
	clear(frame)
	clear(body)
	return err
}

// Receive blocks for the next message. io.EOF is the far end's orderly close.
func (c *Conn[In, Out]) Receive() (In, error) {
	var m In
	var head [4]byte
	if _, err := io.ReadFull(c.rw, head[:]); err != nil {
		return m, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > MaxFrame {
		return m, fmt.Errorf("%w: length %d", ErrFrame, n)
	}
	if cap(c.buf) < int(n) {
		c.buf = make([]byte, n)
	}
	body := c.buf[:n]
	defer clear(body)
	if _, err := io.ReadFull(c.rw, body); err != nil {
		return m, fmt.Errorf("protocol: %w", err)
	}
	return m, Decode(body, &m)
}

// Decode parses the body of one frame.
func Decode[T any](body []byte, m *T) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	// The parser's own text may quote what it read, so it is not passed on.
	if err := dec.Decode(m); err != nil {
		return fmt.Errorf("%w: not a message", ErrFrame)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the message", ErrFrame)
	}
	if n := fieldsSet(*m); n != 1 {
		return fmt.Errorf("%w: %d messages in one frame", ErrFrame, n)
	}
	return nil
}

// Name is the wire name of the one message that is set, for logs: never a value.
func Name[T any](m T) string {
	v := reflect.ValueOf(m)
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			return v.Type().Field(i).Name
		}
	}
	return "none"
}

func fieldsSet(m any) (n int) {
	v := reflect.ValueOf(m)
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			n++
		}
	}
	return n
}

// InspectorEvent is what became of an inspector process: a message, or its end.
type InspectorEvent struct {
	Slot, Gen int
	Msg       *FromInspector
	Exited    bool
	Err       error    // why it ended; nil after an orderly End
	Trace     []string // function names of a crash, innermost first
}
