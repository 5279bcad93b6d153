// Package pn532end plays a PN532 at a pseudo-terminal: the far end of package hal/pn532. A chip of
// package emrtd/chip that is laid on its antenna answers; the times of link and chip are those of the
// chip's profile, the times of the serial line follow from the speed that the driver has set.
package pn532end

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"egate/emrtd/chip"
	"egate/hal/pn532/frame"
	"egate/sim/serialend"
)

// Fault is something that goes wrong once, at the next command.
type Fault uint8

// Faults.
const (
	// BadChecksum garbles the answer; a NACK gets it right.
	BadChecksum Fault = iota + 1
	// NoAck loses the acknowledgement and the command.
	NoAck
	// NoAnswer acknowledges and says no more.
	NoAnswer
	// Noise sends garbage before the answer.
	Noise
	// Nack refuses the command once.
	Nack
	// Syntax answers with the error frame.
	Syntax
	// Crumbs sends the answer byte by byte.
	Crumbs
)

// CardType is how a card shows itself at the antenna.
type CardType uint8

// Card types.
const (
	TypeA CardType = iota
	TypeB
	// NoISODEP is a card of type A that speaks no ISO/IEC 14443-4: a ticket, a tag.
	NoISODEP
)

// Times of the antenna.
const (
	// activation is what a search of one type takes when a card answers, RATS included.
	activation = 12 * time.Millisecond
	// search is what one search takes when none does.
	search = 6 * time.Millisecond
	// silence is how long the PN532 waits for a card that left, retries included.
	silence = 60 * time.Millisecond
)

// maxAnswer is what one InDataExchange carries (UM0701-02 §7.3.8).
const maxAnswer = 262

// Stats count what the driver did.
type Stats struct {
	Commands, Exchanges, Activations, Aborts, Nacks, FieldOffs int
}

// End is the PN532 and its antenna.
type End struct {
	line   *serialend.Line
	frames chan frame.Frame
	done   sync.WaitGroup
	stop   chan struct{}

	mu      sync.Mutex
	baud    int
	newBaud int // from the next frame on
	awake   bool
	field   bool
	chip    *chip.Chip
	kind    CardType
	lifted  chan struct{} // closed when the chip leaves
	active  bool          // target 1 is activated
	rest    []byte        // of an answer that is given in pieces
	chained []byte        // of a command that comes in pieces
	faults  []Fault
	last    []byte // the last answer, for a NACK
	stats   Stats
	closed  bool
	onAPDU  func(n int)
}

// Open makes the PN532 at a pseudo-terminal that link leads to.
func Open(link string) (*End, error) {
	l, err := serialend.Open(link)
	if err != nil {
		return nil, fmt.Errorf("pn532end: %w", err)
	}
	e := &End{line: l, frames: make(chan frame.Frame, 64), stop: make(chan struct{})}
	e.power()
	e.done.Go(e.read)
	e.done.Go(e.run)
	return e, nil
}

// power sets the state after power-on. The caller holds mu or is alone.
func (e *End) power() {
	e.baud, e.newBaud, e.awake, e.field, e.active = 115200, 0, false, false, false
	e.rest, e.chained, e.last = nil, nil, nil
	if e.chip != nil {
		e.chip.PowerOff()
	}
}

// Lay puts a chip on the antenna.
func (e *End) Lay(c *chip.Chip) { e.LayAs(c, TypeA) }

// LayAs puts a chip on the antenna that shows itself as the given type.
func (e *End) LayAs(c *chip.Chip, t CardType) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lift()
	e.chip, e.kind, e.lifted = c, t, make(chan struct{})
}

// Lift takes the chip away; an exchange under way ends without answer.
func (e *End) Lift() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lift()
}

func (e *End) lift() {
	if e.chip == nil {
		return
	}
	e.chip.PowerOff()
	close(e.lifted)
	e.chip, e.active, e.rest, e.chained = nil, false, nil, nil
}

// Inject makes the given faults happen at the next commands, one each.
func (e *End) Inject(f ...Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = append(e.faults, f...)
}

// OnExchange sets who is told before each APDU is given to the chip, with its number since Open.
func (e *End) OnExchange(f func(n int)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onAPDU = f
}

// Stats returns what was counted.
func (e *End) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}

// Baud is the speed that the PN532 is at.
func (e *End) Baud() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.baud
}

// Field tells whether the antenna's field is on.
func (e *End) Field() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.field
}

// Unplug pulls the cable of the converter, and with it the power.
func (e *End) Unplug() {
	e.line.Unplug()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.power()
}

// Replug puts it back.
func (e *End) Replug() error { return e.line.Replug() }

// Close ends the PN532 and removes the link.
func (e *End) Close() error {
	e.mu.Lock()
	was := e.closed
	e.closed = true
	e.mu.Unlock()
	if was {
		return nil
	}
	err := e.line.Close()
	close(e.stop)
	e.done.Wait()
	return err
}

// read decodes what the driver sends.
func (e *End) read() {
	var dec frame.Decoder
	b := make([]byte, 512)
	fives := 0
	for {
		n, err := e.line.Read(b)
		if errors.Is(err, serialend.ErrClosed) {
			return
		}
		if err != nil {
			dec.Reset()
			<-e.line.Plugged()
			continue
		}
		e.mu.Lock()
		// Between the answer to SetSerialBaudRate and its acknowledgement both speeds are right: here the
		// bytes and the driver's speed do not travel together.
		if now := e.line.Baud(); now != e.baud && (e.newBaud == 0 || now != e.newBaud) {
			// The wrong speed: the UART sees garbage.
			e.mu.Unlock()
			dec.Reset()
			continue
		}
		for _, c := range b[:n] {
			if c == 0x55 {
				if fives++; fives == 2 {
					e.awake = true
				}
			} else {
				fives = 0
			}
		}
		awake := e.awake
		e.mu.Unlock()
		if !awake {
			continue
		}
		for _, c := range b[:n] {
			f, ok, _ := dec.Push(c)
			if !ok {
				continue
			}
			f.Data = append([]byte(nil), f.Data...)
			e.mu.Lock()
			garbage := false
			if e.newBaud != 0 {
				e.baud, e.newBaud = e.newBaud, 0
				garbage = e.line.Baud() != e.baud
			}
			e.mu.Unlock()
			select {
			case e.frames <- f:
			case <-e.stop:
				return
			}
			if garbage {
				break
			}
		}
	}
}

// run answers commands, one at a time; a frame that comes while one runs ends it.
func (e *End) run() {
	var next *frame.Frame
	for {
		var f frame.Frame
		if next != nil {
			f, next = *next, nil
		} else {
			select {
			case f = <-e.frames:
			case <-e.stop:
				return
			}
		}
		switch {
		case f.Kind == frame.Nack:
			e.mu.Lock()
			e.stats.Nacks++
			last := e.last
			e.mu.Unlock()
			e.send(last)
		case f.Kind == frame.Info && f.TFI == frame.ToPN532 && len(f.Data) > 0:
			next = e.command(f.Data)
		}
	}
}

func (e *End) send(b []byte) {
	if len(b) > 0 {
		_, _ = e.line.Write(b)
	}
}

// wire is how long n bytes take at the present speed, ten bits each.
func (e *End) wire(n int) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Duration(n*10) * time.Second / time.Duration(e.baud)
}

// result is what a command leads to.
type result struct {
	answer []byte // code and parameters; nil for a syntax error
	took   time.Duration
	// late replaces the answer when the card leaves before took is over.
	late   []byte
	lifted <-chan struct{}
	// never says that no answer comes until the driver aborts.
	never bool
}

// command runs one command. It returns the frame that ended it early.
func (e *End) command(cmd []byte) *frame.Frame {
	e.mu.Lock()
	e.stats.Commands++
	var fault Fault
	if len(e.faults) > 0 {
		fault, e.faults = e.faults[0], e.faults[1:]
	}
	e.mu.Unlock()
	switch fault {
	case NoAck:
		return nil
	case Nack:
		e.send(frame.NackBytes)
		return nil
	}
	e.send(frame.AckBytes)
	switch fault {
	case NoAnswer:
		return nil
	case Syntax:
		e.send(frame.ErrorBytes)
		return nil
	}
	r := e.execute(cmd)
	out := frame.ErrorBytes
	if r.answer != nil {
		b, err := frame.Append(nil, frame.FromPN532, r.answer)
		if err != nil {
			b = frame.ErrorBytes
		}
		out = b
	}
	wait := r.took + e.wire(len(cmd)+8+len(out)+len(frame.AckBytes))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	tick := timer.C
	if r.never {
		tick = nil
	}
	select {
	case <-tick:
	case <-r.lifted:
		t := time.NewTimer(silence)
		defer t.Stop()
		select {
		case <-t.C:
		case f := <-e.frames:
			return e.abort(f)
		case <-e.stop:
			return nil
		}
		b, err := frame.Append(nil, frame.FromPN532, r.late)
		if err == nil {
			out = b
		}
	case f := <-e.frames:
		return e.abort(f)
	case <-e.stop:
		return nil
	}
	e.mu.Lock()
	e.last = out
	e.mu.Unlock()
	switch fault {
	case BadChecksum:
		bad := append([]byte(nil), out...)
		bad[len(bad)-3] ^= 0x10
		e.send(bad)
	case Noise:
		e.send(append([]byte{0x12, 0x00, 0xFF, 0x05, 0x77, 0x00}, out...))
	case Crumbs:
		for i := range out {
			e.send(out[i : i+1])
		}
	default:
		e.send(out)
	}
	return nil
}

// abort ends a command. An acknowledgement says no more than that; a new command follows at once.
func (e *End) abort(f frame.Frame) *frame.Frame {
	e.mu.Lock()
	e.stats.Aborts++
	e.mu.Unlock()
	if f.Kind == frame.Info {
		return &f
	}
	return nil
}

func (e *End) execute(cmd []byte) result {
	e.mu.Lock()
	defer e.mu.Unlock()
	ok := func(b ...byte) result { return result{answer: append([]byte{cmd[0] + 1}, b...)} }
	arg := cmd[1:]
	switch cmd[0] {
	case 0x02: // GetFirmwareVersion: PN532, firmware 1.6, types A and B and ISO/IEC 18092
		return ok(0x32, 1, 6, 7)
	case 0x10: // SetSerialBaudRate
		rates := []int{9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600}
		if len(arg) != 1 || int(arg[0]) >= len(rates) {
			return result{}
		}
		e.newBaud = rates[arg[0]]
		return ok()
	case 0x12: // SetParameters
		return ok()
	case 0x14: // SAMConfiguration
		return ok()
	case 0x32: // RFConfiguration
		if len(arg) < 2 {
			return result{}
		}
		if arg[0] == 0x01 {
			on := arg[1]&1 != 0
			if e.field && !on {
				e.stats.FieldOffs++
				e.active, e.rest, e.chained = false, nil, nil
				if e.chip != nil {
					e.chip.PowerOff()
				}
			}
			e.field = on
		}
		return ok()
	case 0x4A:
		return e.list(cmd)
	case 0x40:
		return e.exchange(cmd)
	case 0x52: // InRelease
		e.active, e.rest, e.chained = false, nil, nil
		return ok(0)
	}
	return result{}
}

// list is InListPassiveTarget.
func (e *End) list(cmd []byte) result {
	if len(cmd) < 3 {
		return result{}
	}
	e.field = true // the PN532 switches it on for a search
	b := cmd[2] == 0x03
	if e.chip == nil || b != (e.kind == TypeB) {
		return result{answer: []byte{0x4B, 0}, took: search}
	}
	history := e.chip.PowerOn()
	e.active, e.rest, e.chained = true, nil, nil
	e.stats.Activations++
	a := []byte{0x4B, 1, 1}
	switch e.kind {
	case TypeB:
		// ATQB with a random identifier, 106 kbit/s both ways, frames of 256 bytes, ISO/IEC 14443-4.
		a = append(a, 0x50, 0x08, 0x12, 0x34, 0x56, 0, 0, 0, 0, 0x00, 0x81, 0xE1, 1, 0x00)
	case NoISODEP:
		a = append(a, 0x00, 0x04, 0x08, 4, 0x08, 0x12, 0x34, 0x56)
	default:
		// SENS_RES, SEL_RES with ISO/IEC 14443-4, a random identifier (08…), ATS with FSCI 8.
		a = append(a, 0x00, 0x08, 0x20, 4, 0x08, 0x12, 0x34, 0x56)
		a = append(a, byte(5+len(history)), 0x78, 0x77, 0xE1, 0x02)
		a = append(a, history...)
	}
	return result{answer: a, took: activation}
}

// exchange is InDataExchange.
func (e *End) exchange(cmd []byte) result {
	if len(cmd) < 2 {
		return result{}
	}
	status := func(s byte) result { return result{answer: []byte{0x41, s}} }
	if !e.active || cmd[1]&0x3F != 1 {
		return status(0x27) // not acceptable in the present state
	}
	if len(cmd)-2 > maxAnswer {
		return status(0x10)
	}
	if e.rest != nil && len(cmd) == 2 {
		return e.piece(e.rest, 0)
	}
	e.rest = nil
	e.chained = append(e.chained, cmd[2:]...)
	if cmd[1]&0x40 != 0 {
		return status(0)
	}
	apdu := e.chained
	e.chained = nil
	e.stats.Exchanges++
	if e.onAPDU != nil {
		f, n := e.onAPDU, e.stats.Exchanges
		e.mu.Unlock()
		f(n)
		e.mu.Lock()
		if e.chip == nil || !e.active {
			return result{answer: []byte{0x41, 0x01}, took: silence}
		}
	}
	lost := []byte{0x41, 0x01} // the target has not answered
	resp, took, err := e.chip.Transceive(apdu)
	switch {
	case errors.Is(err, chip.ErrMute):
		return result{answer: lost, never: true, late: lost, lifted: e.lifted}
	case err != nil, len(resp) == 0:
		e.active = false
		return result{answer: lost, took: took + silence}
	}
	r := e.piece(resp, took)
	r.late, r.lifted = lost, e.lifted
	return r
}

// piece answers with as much as fits and keeps the rest.
func (e *End) piece(b []byte, took time.Duration) result {
	n := min(len(b), maxAnswer)
	status := byte(0)
	e.rest = nil
	if n < len(b) {
		status, e.rest = 0x40, b[n:]
	}
	return result{answer: append([]byte{0x41, status}, b[:n]...), took: took}
}
