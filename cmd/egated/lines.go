package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/configs"
	"egate/gate"
	"egate/hal"
	"egate/hal/gpiohal"
	"egate/hal/identity"
	"egate/hal/lampbus"
	"egate/hal/lineset"
	"egate/hal/simhal"
	"egate/health"
	"egate/health/wear"
	"egate/sensors"
	"egate/service"
)

// reopen is how long the lines are left alone after they could not be opened.
const reopen = time.Second

// lines are the lines of the gate, opened again when they were lost. A missing board is a fault with
// its name, not an end: without lines nothing moves, and what is not driven is released.
type lines struct {
	cfg configs.Lines
	// service refuses lines of a chip that is a program of the kernel (gpio-sim, gpio-mockup).
	service bool
	// busLost is told when a bus with lamps is lost, and that it is back.
	busLost func(name string, lost bool)
	mu      sync.Mutex
	cur     hal.Lines
	driven  map[string]gpio.Level // outputs, as driven last
}

func newLines(cfg configs.Gate) *lines {
	return &lines{cfg: cfg.Lines, service: !cfg.Simulated, busLost: func(string, bool) {}, driven: map[string]gpio.Level{}}
}

func (l *lines) open() (hal.Lines, error) {
	var got hal.Lines
	var err error
	if l.service {
		if id, err := identity.New().Of(l.cfg.Device); err == nil && id.Simulated() {
			return nil, fmt.Errorf("%s (%s) is a simulated chip: a gate in service has real lines", l.cfg.Device, id.Port)
		}
	}
	if l.cfg.Driver == "simhal" {
		m := map[string]simhal.Line{}
		for n, c := range l.cfg.Inputs {
			m[n] = simhal.Line{ActiveLow: c.ActiveLow}
		}
		for n, c := range l.cfg.Outputs {
			m[n] = simhal.Line{Output: true, ActiveLow: c.ActiveLow}
		}
		got, err = simhal.DialLines(l.cfg.Device, m)
	} else {
		m := map[string]gpiohal.Line{}
		add := func(n string, c configs.Line, out bool) error {
			pin := 0
			switch {
			case c.Pin != nil:
				pin = *c.Pin
			case c.Name == "":
				return fmt.Errorf("line %s has neither pin nor name", n)
			}
			bias, err := biasOf(c.Bias)
			m[n] = gpiohal.Line{Config: gpiohal.Config{ActiveLow: c.ActiveLow, Pull: bias}, Pin: pin, Find: c.Name, Output: out}
			return err
		}
		var errs []error
		for n, c := range l.cfg.Inputs {
			errs = append(errs, add(n, c, false))
		}
		for n, c := range l.cfg.Outputs {
			if c.Bus == "" {
				errs = append(errs, add(n, c, true))
			}
		}
		if err = errors.Join(errs...); err == nil {
			var g *gpiohal.Lines
			if g, err = gpiohal.Open(l.cfg.Device, m); err == nil {
				got = lineset.Join(g, l.buses()...)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.cur = got
	clear(l.driven) // an opening drives every output Low
	l.mu.Unlock()
	return got, nil
}

// buses are the devices that lamps hang on.
func (l *lines) buses() (all []lineset.Bus) {
	for name, b := range l.cfg.Buses {
		pins, stretches := map[string]int{}, map[string]lampbus.Stretch{}
		var lamps []string
		for n, c := range l.cfg.Outputs {
			if c.Bus != name {
				continue
			}
			lamps = append(lamps, n)
			if c.Pin != nil {
				pins[n] = *c.Pin
				continue
			}
			colour, err := strconv.ParseUint(c.Colour, 16, 24) // checked by configs
			if err == nil && len(c.LEDs) == 2 {
				stretches[n] = lampbus.Stretch{From: c.LEDs[0], To: c.LEDs[1], Colour: uint32(colour)}
			}
		}
		open := func() (hal.Lines, error) {
			bus, err := lampbus.I2C(b.Device)
			if err != nil {
				return nil, err
			}
			return lampbus.OpenExpander(bus, uint16(b.Address), pins)
		}
		if b.Driver == "apa102" {
			open = func() (hal.Lines, error) {
				port, err := lampbus.SPI(b.Device)
				if err != nil {
					return nil, err
				}
				return lampbus.OpenStrip(port, b.LEDs, stretches)
			}
		}
		all = append(all, lineset.Bus{Name: name, Lamps: lamps, Open: open, Lost: func(lost bool) { l.busLost(name, lost) }})
	}
	return all
}

func biasOf(s string) (gpio.Pull, error) {
	switch s {
	case "pull-up":
		return gpio.PullUp, nil
	case "pull-down":
		return gpio.PullDown, nil
	case "none", "":
		return gpio.Float, nil
	}
	return gpio.PullNoChange, fmt.Errorf("unknown bias %q", s)
}

func (l *lines) now() (hal.Lines, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cur == nil {
		return nil, hal.ErrLost
	}
	return l.cur, nil
}

// Read implements hal.Lines.
func (l *lines) Read(name string) (gpio.Level, error) {
	c, err := l.now()
	if err != nil {
		return gpio.Low, err
	}
	return c.Read(name)
}

// Edges implements hal.Lines; the sensors read those of the lines that are open.
func (l *lines) Edges() <-chan hal.Edge {
	c, err := l.now()
	if err != nil {
		ch := make(chan hal.Edge)
		close(ch)
		return ch
	}
	return c.Edges()
}

// Err implements hal.Lines.
func (l *lines) Err() error {
	c, err := l.now()
	if err != nil {
		return err
	}
	return c.Err()
}

// Set implements hal.Lines.
func (l *lines) Set(name string, level gpio.Level) error {
	c, err := l.now()
	if err != nil {
		return err
	}
	err = c.Set(name, level)
	if err == nil {
		l.mu.Lock()
		l.driven[name] = level
		l.mu.Unlock()
	}
	return err
}

// levels are the levels of all lines, for a technician. Outputs are never read back.
func (l *lines) levels() service.Lines {
	out := service.Lines{Inputs: map[string]string{}, Outputs: map[string]string{}}
	word := map[gpio.Level]string{gpio.Low: "low", gpio.High: "high"}
	for n := range l.cfg.Inputs {
		v, err := l.Read(n)
		if out.Inputs[n] = word[v]; err != nil {
			out.Inputs[n] = "unknown"
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range l.cfg.Outputs {
		out.Outputs[n] = word[l.driven[n]] // not driven yet is Low
		if l.cur == nil || l.cur.Err() != nil {
			out.Outputs[n] = "unknown"
		}
	}
	return out
}

// Pulse implements hal.Lines.
func (l *lines) Pulse(ctx context.Context, name string, d time.Duration) error {
	c, err := l.now()
	if err != nil {
		return err
	}
	return c.Pulse(ctx, name, d)
}

// Close implements hal.Lines.
func (l *lines) Close() error {
	l.mu.Lock()
	c := l.cur
	l.cur = nil
	l.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.Close()
}

// matrix is the geometry of the beams: the lines beam_01 … in two rows over the length of the gate.
func matrix(cfg configs.Gate) (sensors.Config, error) {
	beams := 0
	for n := range cfg.Lines.Inputs {
		if len(n) == len("beam_00") && n[:5] == "beam_" {
			beams++
		}
	}
	sc, err := sensors.Matrix(beams, float64(cfg.LengthMM), cfg.Doors.Travel)
	if err != nil {
		return sc, fmt.Errorf("egated: %w", err)
	}
	sc.Witnesses = sensors.WitnessesOf(cfg.Lines.Inputs)
	_, sc.TestLine = cfg.Lines.Outputs[sensors.LineTest]
	sc.OneStep = cfg.Topology == configs.OneStep
	return sc, nil
}

// ends are the book's names of where a door is.
var ends = map[gate.Position]wear.Position{gate.PosClosed: wear.Closed, gate.PosBetween: wear.Between, gate.PosOpen: wear.Open}

// sense feeds the machine with what the lines tell, and opens them again, with the lamps, when they were lost.
func sense(ctx context.Context, sc sensors.Config, wires *lines, lit *lamps, board *health.Board, worn *wear.Book, out chan<- gate.Event, log *slog.Logger) error {
	tracker, err := sensors.New(sc)
	if err != nil {
		return fmt.Errorf("egated: %w", err)
	}
	for {
		l, err := wires.open()
		if err == nil {
			board.Set(health.LinesLost, health.PartLines, false)
			if err := lit.again(); err != nil {
				log.Warn("egated: lamps", "err", err) // lost already: Run tells
			}
			err = tracker.Run(ctx, l, func(events []gate.Event, found []sensors.Finding) {
				for _, e := range events {
					if e.Kind == gate.EvDoorMoved {
						worn.Moved(e.Door.String(), ends[e.Pos], time.Now())
					}
					select {
					case out <- e:
					case <-ctx.Done():
					}
				}
				for _, f := range found {
					board.Set(health.Code(f.Code), f.Part, f.On)
				}
			})
		}
		if ctx.Err() != nil {
			return nil
		}
		if board.Set(health.LinesLost, health.PartLines, true) {
			log.Error("egated: lines", "err", err)
		}
		select {
		case <-time.After(reopen):
		case <-ctx.Done():
			return nil
		}
	}
}
