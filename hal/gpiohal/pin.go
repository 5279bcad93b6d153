package gpiohal

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// Consumer is the name under which the kernel lists our lines (gpioinfo).
const Consumer = "egate"

// kernelBuffer is how many edges of one line wait in the kernel. Its own default of 16 was seen to lose
// edges in a burst of 40.
const kernelBuffer = 256

// Config is how a line is wired.
type Config struct {
	ActiveLow bool
	// Pull is the bias of an input; PullNoChange leaves it as it is.
	Pull gpio.Pull
	// Debounce is done by the kernel; 0 for none. A chip that cannot lets the kernel do it in software.
	Debounce time.Duration
}

// event is one edge as the kernel saw it.
type event struct {
	level gpio.Level
	at    time.Duration // CLOCK_MONOTONIC
	seq   uint32        // of the line's edges, from 1
}

// request is a line that the kernel has given to us.
type request interface {
	Value() (int, error)
	SetValue(int) error
	Reconfigure(...gpiocdev.LineConfigOption) error
	Close() error
}

// kernel asks the kernel for a line. handler is nil for an output, which starts at its inactive level:
// the value is set before the direction, so that it never glitches.
type kernel func(chip string, offset int, c Config, handler func(event)) (request, error)

func cdev(chip string, offset int, c Config, handler func(event)) (request, error) {
	opts := []gpiocdev.LineReqOption{gpiocdev.WithConsumer(Consumer)}
	if c.ActiveLow {
		opts = append(opts, gpiocdev.AsActiveLow)
	}
	if handler == nil {
		opts = append(opts, gpiocdev.AsOutput(0))
	} else {
		opts = append(opts, gpiocdev.AsInput)
		switch c.Pull {
		case gpio.PullUp:
			opts = append(opts, gpiocdev.WithPullUp)
		case gpio.PullDown:
			opts = append(opts, gpiocdev.WithPullDown)
		case gpio.Float:
			opts = append(opts, gpiocdev.WithBiasDisabled)
		}
		if c.Debounce > 0 {
			opts = append(opts, gpiocdev.WithDebounce(c.Debounce))
		}
		opts = append(opts, gpiocdev.WithEventBufferSize(kernelBuffer), gpiocdev.WithBothEdges,
			gpiocdev.WithEventHandler(func(e gpiocdev.LineEvent) {
				handler(event{e.Type == gpiocdev.LineEventRisingEdge, e.Timestamp, e.LineSeqno})
			}))
	}
	l, err := gpiocdev.RequestLine(chip, offset, opts...)
	if err != nil {
		return nil, err
	}
	return l, nil
}

var errHalted = errors.New("gpiohal: pin halted")

// common is what both kinds of pin have.
type common struct {
	name   string
	number int
	mu     sync.Mutex
	req    request // nil after Halt
}

// String and Name return the logical name.
func (c *common) String() string { return c.name }

// Name returns the logical name.
func (c *common) Name() string { return c.name }

// Number is the offset of the line on its chip.
func (c *common) Number() int { return c.number }

// Input is one input line. It implements gpio.PinIn.
type Input struct {
	common
	cfg    Config
	edge   gpio.Edge
	wake   chan struct{} // one edge that WaitForEdge has not seen
	halted chan struct{}
}

var _ gpio.PinIn = (*Input)(nil)

func newInput(k kernel, chip, name string, offset int, c Config, told func(event)) (*Input, error) {
	p := &Input{common: common{name: name, number: offset}, cfg: c, edge: gpio.BothEdges, wake: make(chan struct{}, 1), halted: make(chan struct{})}
	req, err := k(chip, offset, c, func(e event) {
		p.mu.Lock()
		want := p.edge == gpio.BothEdges || p.edge == gpio.RisingEdge && bool(e.level) || p.edge == gpio.FallingEdge && !bool(e.level)
		p.mu.Unlock()
		if want {
			select {
			case p.wake <- struct{}{}:
			default:
			}
		}
		if told != nil {
			told(e)
		}
	})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.req = req
	p.mu.Unlock()
	return p, nil
}

// OpenInput takes a line of a chip ("gpiochip0" or a path) as an input.
func OpenInput(chip, name string, offset int, c Config) (*Input, error) {
	p, err := newInput(cdev, chip, name, offset, c, nil)
	if err != nil {
		return nil, fmt.Errorf("gpiohal: %s: %w", name, explain(err, chip, offset))
	}
	return p, nil
}

// Function implements pin.Pin.
func (p *Input) Function() string { return "In" }

// Halt gives the line back. WaitForEdge returns.
func (p *Input) Halt() error {
	p.mu.Lock()
	req := p.req
	p.req = nil
	p.mu.Unlock()
	if req == nil {
		return nil
	}
	close(p.halted)
	// Without the lock: the kernel's watcher may be in the handler.
	return req.Close()
}

// In implements gpio.PinIn. The bias is changed only when it differs; the polarity stays.
func (p *Input) In(pull gpio.Pull, edge gpio.Edge) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.req == nil {
		return errHalted
	}
	if pull != gpio.PullNoChange && pull != p.cfg.Pull {
		bias, ok := map[gpio.Pull]gpiocdev.LineConfigOption{gpio.PullUp: gpiocdev.WithPullUp, gpio.PullDown: gpiocdev.WithPullDown,
			gpio.Float: gpiocdev.WithBiasDisabled}[pull]
		if !ok {
			return fmt.Errorf("gpiohal: %s: no bias %v", p.name, pull)
		}
		if err := p.req.Reconfigure(bias); err != nil {
			return fmt.Errorf("gpiohal: %s: %w", p.name, err)
		}
		p.cfg.Pull = pull
	}
	p.edge = edge
	select {
	case <-p.wake:
	default:
	}
	return nil
}

// Read implements gpio.PinIn. An error reads as Low; Level tells it.
func (p *Input) Read() gpio.Level {
	l, _ := p.Level()
	return l
}

// Level reads the line without touching direction or bias.
func (p *Input) Level() (gpio.Level, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.req == nil {
		return gpio.Low, errHalted
	}
	v, err := p.req.Value()
	return gpio.Level(v != 0), err
}

// WaitForEdge implements gpio.PinIn. Edges that come between two calls count as one.
func (p *Input) WaitForEdge(timeout time.Duration) bool {
	var end <-chan time.Time
	if timeout >= 0 {
		t := time.NewTimer(timeout)
		defer t.Stop()
		end = t.C
	}
	select {
	case <-p.wake:
		return true
	case <-end:
		return false
	case <-p.halted:
		return false
	}
}

// Pull implements gpio.PinIn.
func (p *Input) Pull() gpio.Pull {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg.Pull
}

// DefaultPull implements gpio.PinIn. The kernel does not tell.
func (p *Input) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// Output is one output line. It implements gpio.PinOut. It is never read back: reading is what turns
// outputs into inputs in other drivers.
type Output struct {
	common
	level gpio.Level // as driven last; Low after Halt
}

var _ gpio.PinOut = (*Output)(nil)

func newOutput(k kernel, chip, name string, offset int, c Config) (*Output, error) {
	req, err := k(chip, offset, c, nil)
	if err != nil {
		return nil, err
	}
	return &Output{common: common{name: name, number: offset, req: req}}, nil
}

// OpenOutput takes a line of a chip as an output, at Low.
func OpenOutput(chip, name string, offset int, c Config) (*Output, error) {
	p, err := newOutput(cdev, chip, name, offset, c)
	if err != nil {
		return nil, fmt.Errorf("gpiohal: %s: %w", name, explain(err, chip, offset))
	}
	return p, nil
}

// Function implements pin.Pin.
func (p *Output) Function() string { return "Out" }

// Out implements gpio.PinOut.
func (p *Output) Out(l gpio.Level) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.req == nil {
		return errHalted
	}
	v := 0
	if l {
		v = 1
	}
	err := p.req.SetValue(v)
	if err == nil {
		p.level = l
	}
	return err
}

// Driven is what the line was driven to last. The kernel is not asked.
func (p *Output) Driven() gpio.Level {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.level
}

// PWM implements gpio.PinOut: locks and lamps have none.
func (p *Output) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("gpiohal: %s: no PWM", p.name)
}

// Halt drives the line Low and gives it back.
func (p *Output) Halt() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.req == nil {
		return nil
	}
	err := errors.Join(p.req.SetValue(0), p.req.Close())
	p.req, p.level = nil, gpio.Low
	return err
}
