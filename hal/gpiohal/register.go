package gpiohal

import (
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/physic"
)

// Register makes the lines known to periph by their logical names: gpioreg.ByName("beacon") is the pin, for a program or a
// driver of periph's that is given names. They are known until forget; all of them, or none.
//
// A line keeps its direction, whoever asks: Out of an input and In of an output are errors, and Read of an output tells
// what it was driven to last, because asking the kernel is what turns outputs into inputs in other drivers (D-09).
func (l *Lines) Register() (forget func() error, err error) {
	var names []string
	forget = func() (err error) {
		for _, n := range names {
			err = errors.Join(err, gpioreg.Unregister(n))
		}
		names = nil
		return err
	}
	var all []gpio.PinIO
	for _, p := range l.in {
		all = append(all, inputIO{p})
	}
	for _, p := range l.out {
		all = append(all, &outputIO{Output: p})
	}
	for _, p := range all {
		if err := gpioreg.Register(p); err != nil {
			return nil, errors.Join(fmt.Errorf("gpiohal: %w", err), forget())
		}
		names = append(names, p.Name())
	}
	return forget, nil
}

// inputIO is an input with the other half of periph's contract.
type inputIO struct{ *Input }

// Out implements gpio.PinIO.
func (p inputIO) Out(gpio.Level) error { return fmt.Errorf("gpiohal: %s is an input", p.name) }

// PWM implements gpio.PinIO.
func (p inputIO) PWM(gpio.Duty, physic.Frequency) error { return p.Out(gpio.Low) }

// outputIO is an output with the other half of periph's contract.
type outputIO struct{ *Output }

// In implements gpio.PinIO.
func (p *outputIO) In(gpio.Pull, gpio.Edge) error {
	return fmt.Errorf("gpiohal: %s is an output and stays one", p.name)
}

// Read implements gpio.PinIO.
func (p *outputIO) Read() gpio.Level { return p.Driven() }

// WaitForEdge implements gpio.PinIO: an output has no edges.
func (p *outputIO) WaitForEdge(time.Duration) bool { return false }

// Pull implements gpio.PinIO.
func (p *outputIO) Pull() gpio.Pull { return gpio.PullNoChange }

// DefaultPull implements gpio.PinIO.
func (p *outputIO) DefaultPull() gpio.Pull { return gpio.PullNoChange }
