package gpiohal

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"

	"egate/hal"
	"egate/hal/haltest"
)

// board is a kernel with lines, as far as this package asks one.
type board struct {
	mu    sync.Mutex
	lines map[int]*wire
	log   []string
}

type wire struct {
	b       *board
	offset  int
	cfg     Config
	value   int
	handler func(event)
	seq     uint32
	closed  bool
	err     error
	sticks  error // of every command after the first High
}

func newBoard() *board { return &board{lines: map[int]*wire{}} }

func (b *board) request(chip string, offset int, c Config, handler func(event)) (request, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w, ok := b.lines[offset]; ok && !w.closed {
		return nil, unix.EBUSY
	}
	if chip != "gpiochip0" {
		return nil, unix.ENOENT
	}
	w := &wire{b: b, offset: offset, cfg: c, handler: handler}
	b.lines[offset] = w
	return w, nil
}

func (w *wire) Value() (int, error) {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	if w.handler == nil {
		panic("an output was read")
	}
	return w.value, w.err
}

func (w *wire) SetValue(v int) error {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	if w.closed {
		return unix.EBADF
	}
	if w.err == nil {
		w.value = v
		if v == 1 {
			w.err, w.sticks = w.sticks, nil
			return nil
		}
	}
	return w.err
}

func (w *wire) Reconfigure(...gpiocdev.LineConfigOption) error { return nil }

func (w *wire) Close() error {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	w.closed = true
	return nil
}

// drive changes an input; lose lets the kernel lose the edge.
func (b *board) drive(offset, v int, lose bool) {
	b.mu.Lock()
	w := b.lines[offset]
	w.value = v
	w.seq++
	e := event{level: v != 0, at: monotonic(), seq: w.seq}
	b.mu.Unlock()
	if !lose {
		w.handler(e)
	}
}

var plan = map[string]Line{
	"entry_closed": {Pin: 1},
	"fire_ok":      {Pin: 2, Config: Config{ActiveLow: true, Pull: gpio.PullUp, Debounce: 5 * time.Millisecond}},
	"entry_lock":   {Pin: 3, Output: true},
	"entry_open":   {Pin: 4, Output: true},
}

func TestLinesFirstLevelsThenEdges(t *testing.T) {
	b := newBoard()
	l, err := openLines(b.request, "gpiochip0", plan)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var got []string
	for range 2 {
		e := <-l.Edges()
		got = append(got, e.Line)
		if e.Level != gpio.Low || e.Seq != 0 || e.At == 0 {
			t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(got, []string{"entry_closed", "fire_ok"}) {
		t.Error(got)
	}
	// S-07: a lost edge shows as a gap.
	b.drive(1, 1, false)
	b.drive(1, 0, true)
	b.drive(1, 1, false)
	if e := <-l.Edges(); e.Seq != 1 || e.Level != gpio.High || e.At == 0 {
		t.Errorf("%+v", e)
	}
	if e := <-l.Edges(); e.Seq != 3 {
		t.Errorf("%+v", e)
	}
	if v, err := l.Read("entry_closed"); v != gpio.High || err != nil {
		t.Error(v, err)
	}
	if _, err := l.Read("entry_lock"); err == nil {
		t.Error("an output was read")
	}
	if c := b.lines[2].cfg; !c.ActiveLow || c.Pull != gpio.PullUp || c.Debounce != 5*time.Millisecond {
		t.Errorf("%+v", c)
	}
}

// D-09: outputs are Low after Close and after a refusal to open; a pulse ends Low.
func TestD09Outputs(t *testing.T) {
	b := newBoard()
	l, err := openLines(b.request, "gpiochip0", plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Set("entry_lock", gpio.High); err != nil || b.lines[3].value != 1 {
		t.Fatal(err)
	}
	if err := l.Pulse(context.Background(), "entry_open", time.Millisecond); err != nil || b.lines[4].value != 0 {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- l.Pulse(context.Background(), "entry_open", time.Hour) }()
	for up := false; !up && time.Since(began) < hal.MaxPulse; {
		b.mu.Lock()
		up = b.lines[4].value == 1
		b.mu.Unlock()
		runtime.Gosched()
	}
	l.Close()
	l.Close()
	// A machine that stood still for longer than the longest pulse has seen it end by itself.
	if err := <-done; !errors.Is(err, hal.ErrClosed) && (err != nil || time.Since(began) < hal.MaxPulse) {
		t.Error(err)
	}
	for _, o := range []int{3, 4} {
		if w := b.lines[o]; w.value != 0 || !w.closed {
			t.Errorf("line %d: %d, closed %v", o, w.value, w.closed)
		}
	}
	if _, ok := <-l.Edges(); ok {
		for range l.Edges() {
		}
	}
	if err := l.Set("entry_lock", gpio.High); !errors.Is(err, hal.ErrClosed) {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	b := newBoard()
	if _, err := openLines(b.request, "gpiochip7", plan); !errors.Is(err, hal.ErrLost) && err == nil {
		t.Error(err)
	}
	if _, err := openLines(b.request, "gpiochip0", map[string]Line{"a": {Pin: 1}, "b": {Pin: 1}}); err == nil {
		t.Error("two names for one line")
	}
	other, err := b.request("gpiochip0", 1, Config{}, func(event) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openLines(b.request, "gpiochip0", plan); !errors.Is(err, unix.EBUSY) {
		t.Error(err)
	}
	for _, o := range []int{3, 4} {
		if w := b.lines[o]; w != nil && !w.closed {
			t.Errorf("line %d is still held", o)
		}
	}
	other.Close()
	if _, err := openLines(b.request, "gpiochip0", map[string]Line{"a": {Find: "no-such-line"}}); err == nil {
		t.Error("unknown line name")
	}
}

// A chip that is gone (a USB expander unplugged) is a loss, once and for ever.
func TestC11ChipLost(t *testing.T) {
	b := newBoard()
	l, err := openLines(b.request, "gpiochip0", plan)
	if err != nil {
		t.Fatal(err)
	}
	b.lines[3].err = unix.ENODEV
	for range 2 {
		if err := l.Set("entry_lock", gpio.High); !errors.Is(err, hal.ErrLost) {
			t.Fatal(err)
		}
	}
	for range l.Edges() {
	}
	if !errors.Is(l.Err(), hal.ErrLost) {
		t.Error(l.Err())
	}
}

// The pins keep periph's contract where its own driver does not.
func TestPins(t *testing.T) {
	b := newBoard()
	in, err := newInput(b.request, "gpiochip0", "entry_beam", 1, Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if in.WaitForEdge(time.Millisecond) {
		t.Error("an edge from nowhere")
	}
	b.drive(1, 1, false)
	if !in.WaitForEdge(-1) || in.Read() != gpio.High || in.Name() != "entry_beam" || in.Number() != 1 {
		t.Error("edge not seen")
	}
	if err := in.In(gpio.PullUp, gpio.FallingEdge); err != nil || in.Pull() != gpio.PullUp {
		t.Error(err)
	}
	b.drive(1, 1, false)
	if in.WaitForEdge(0) {
		t.Error("rising edge seen")
	}
	b.drive(1, 0, false)
	if !in.WaitForEdge(-1) {
		t.Error("falling edge not seen")
	}
	done := make(chan bool)
	go func() { done <- in.WaitForEdge(-1) }() // for ever, until Halt
	in.Halt()
	if <-done {
		t.Error("Halt is no edge")
	}
	if err := in.In(gpio.PullUp, gpio.BothEdges); err == nil {
		t.Error("halted pin configured")
	}
	out, err := newOutput(b.request, "gpiochip0", "entry_lock", 2, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Out(gpio.High); err != nil || b.lines[2].value != 1 {
		t.Error(err)
	}
	out.Halt()
	if b.lines[2].value != 0 || out.Out(gpio.High) == nil {
		t.Error("not Low after Halt")
	}
}

func TestConformance(t *testing.T) {
	haltest.Lines(t, func(t *testing.T) haltest.LinesBench {
		b := newBoard()
		l, err := openLines(b.request, "gpiochip0", plan)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return haltest.LinesBench{Lines: l, Input: "entry_closed", Output: "entry_lock",
			Drive: func(v gpio.Level) {
				n := 0
				if v {
					n = 1
				}
				b.drive(1, n, false)
			},
			Driven: func() gpio.Level {
				b.mu.Lock()
				defer b.mu.Unlock()
				return gpio.Level(b.lines[3].value != 0)
			},
			Unplug: func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				for _, w := range b.lines {
					w.err = unix.ENODEV
				}
			}}
	})
}

// D-09: periph finds the lines by their logical names, and they keep their direction whoever asks; an output is not read from
// the kernel (the board panics).
func TestD09NamesOfPeriph(t *testing.T) {
	b := newBoard()
	l, err := openLines(b.request, "gpiochip0", plan)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	forget, err := l.Register()
	if err != nil {
		t.Fatal(err)
	}
	lock, closed := gpioreg.ByName("entry_lock"), gpioreg.ByName("entry_closed")
	if lock == nil || closed == nil || lock.Number() != 3 || closed.Number() != 1 {
		t.Fatalf("%v %v", lock, closed)
	}
	if err := lock.Out(gpio.High); err != nil || b.lines[3].value != 1 || lock.Read() != gpio.High {
		t.Errorf("driven by name: %v", err)
	}
	if lock.In(gpio.PullUp, gpio.NoEdge) == nil || closed.Out(gpio.High) == nil || closed.PWM(gpio.DutyHalf, 0) == nil || lock.WaitForEdge(-1) {
		t.Error("a line has changed its direction")
	}
	if b.lines[3].value != 1 {
		t.Error("asking an output to be an input let go of it")
	}
	b.drive(1, 1, false)
	if !closed.WaitForEdge(-1) || closed.Read() != gpio.High {
		t.Error("an edge by name")
	}
	// All or none: a second gate in one program has other names, or none.
	again, err := openLines(newBoard().request, "gpiochip0", map[string]Line{"a_line": {Pin: 1}, "entry_lock": {Pin: 3, Output: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.Register(); err == nil || gpioreg.ByName("a_line") != nil {
		t.Errorf("one name for two lines: %v", err)
	}
	if err := forget(); err != nil || gpioreg.ByName("entry_lock") != nil {
		t.Errorf("forgotten: %v", err)
	}
	if err := lock.Halt(); err != nil || lock.Read() != gpio.Low || b.lines[3].value != 0 {
		t.Errorf("halted: %v", err)
	}
}
