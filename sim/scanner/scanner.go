// Package scanner plays an OCR document scanner at a pseudo-terminal, in the line protocol that package
// hal/mrzscan documents.
package scanner

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"egate/hal"
	"egate/sim/serialend"
)

// DefaultReading is how long the scanner takes from the document on the glass to its zone: desktop
// scanners are sold with half a second to one and a half.
const DefaultReading = 400 * time.Millisecond

// Form is how the scanner writes a zone.
type Form struct {
	Prefix bool   // "1:" and "2:" before the lines
	End    string // line end; "\r\n" when empty
	Frame  bool   // STX before and ETX after a zone
	Mute   bool   // tells neither presence nor removal, answers no query: a swipe reader
	Twice  bool   // sends every zone twice
}

// End is the scanner.
type End struct {
	line *serialend.Line

	mu      sync.Mutex
	form    Form
	reading time.Duration
	here    bool
	lay     int // counts documents, so that a late reading finds its own gone
	result  string
	ready   bool
	timer   *time.Timer
	closed  bool
	queries int
	done    sync.WaitGroup
}

// Open makes the scanner at a pseudo-terminal that link leads to.
func Open(link string) (*End, error) {
	l, err := serialend.Open(link)
	if err != nil {
		return nil, fmt.Errorf("scanner: %w", err)
	}
	e := &End{line: l, reading: DefaultReading}
	e.done.Go(e.listen)
	return e, nil
}

// Set changes form and reading time of the documents laid from now on.
func (e *End) Set(f Form, reading time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.form, e.reading = f, reading
}

// listen answers queries.
func (e *End) listen() {
	var cmd []byte
	b := make([]byte, 64)
	for {
		n, err := e.line.Read(b)
		if errors.Is(err, serialend.ErrClosed) {
			return
		}
		if err != nil {
			<-e.line.Plugged()
			continue
		}
		for _, c := range b[:n] {
			if c != '\r' && c != '\n' {
				if len(cmd) < 16 {
					cmd = append(cmd, c)
				}
				continue
			}
			if string(cmd) == "?S" {
				e.mu.Lock()
				e.queries++
				e.state()
				e.mu.Unlock()
			}
			cmd = cmd[:0]
		}
	}
}

// state tells everything. The caller holds mu.
func (e *End) state() {
	switch {
	case e.form.Mute:
	case !e.here:
		e.say("!R" + e.end())
	default:
		e.say("!P" + e.end())
		if e.ready {
			e.say(e.result)
		}
	}
}

func (e *End) end() string {
	if e.form.End == "" {
		return "\r\n"
	}
	return e.form.End
}

func (e *End) say(s string) { _, _ = e.line.Write([]byte(s)) }

// Lay puts a document of two lines (TD3 or TD2) on the glass.
func (e *End) Lay(lines [2]string) error { return e.LayLines(lines[:]...) }

// LayLines puts a document with any lines on the glass.
func (e *End) LayLines(lines ...string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	if e.form.Frame {
		b.WriteByte(0x02)
	}
	for i, l := range lines {
		if e.form.Prefix {
			fmt.Fprintf(&b, "%d:", i+1)
		}
		b.WriteString(l)
		b.WriteString(e.end())
	}
	if e.form.Frame {
		b.WriteByte(0x03)
	}
	s := b.String()
	if e.form.Twice {
		s += s
	}
	return e.put(s)
}

// LayBad puts a document on the glass that the scanner complains about: hal.ScanUnreadable,
// ScanWrongPage, ScanUpsideDown or ScanCoverOn.
func (e *End) LayBad(k hal.ScanKind) error {
	c, ok := map[hal.ScanKind]string{hal.ScanUnreadable: "!U", hal.ScanWrongPage: "!W", hal.ScanUpsideDown: "!F", hal.ScanCoverOn: "!C"}[k]
	if !ok {
		return fmt.Errorf("scanner: no complaint of kind %d", k)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.put(c + e.end())
}

func (e *End) put(result string) error {
	if e.closed {
		return errors.New("scanner: closed")
	}
	if e.here {
		return errors.New("scanner: a document lies there already")
	}
	e.lay++
	mine := e.lay
	e.here, e.ready, e.result = true, false, result
	if !e.form.Mute {
		e.say("!P" + e.end())
	}
	e.timer = time.AfterFunc(e.reading, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.closed || !e.here || e.lay != mine {
			return
		}
		e.ready = true
		e.say(e.result)
	})
	return nil
}

// Lift takes the document away.
func (e *End) Lift() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.here {
		return nil
	}
	e.timer.Stop()
	e.here, e.ready, e.result = false, false, ""
	if !e.form.Mute {
		e.say("!R" + e.end())
	}
	return nil
}

// Raw sends bytes as they are: noise, half lines, floods.
func (e *End) Raw(b []byte) error {
	_, err := e.line.Write(b)
	return err
}

// Queries counts the status queries answered.
func (e *End) Queries() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queries
}

// Unplug pulls the cable; Replug puts it back. The document stays.
func (e *End) Unplug() { e.line.Unplug() }

// Replug puts the cable back.
func (e *End) Replug() error { return e.line.Replug() }

// Close ends the scanner and removes the link.
func (e *End) Close() error {
	// The line first: a write that nobody reads holds mu.
	err := e.line.Close()
	e.mu.Lock()
	e.closed = true
	if e.timer != nil {
		e.timer.Stop()
	}
	e.mu.Unlock()
	e.done.Wait()
	return err
}
