package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/configs"
	"egate/display"
	"egate/hal/simhal"
	"egate/sim/people"
	"egate/sim/plant"
	"egate/sim/run"
)

// terminal is one terminal of the strip: an offset on the chip of gpio-sim and how it is wired.
type terminal struct {
	name   string
	offset int
	out    bool
	low    bool // active-low
}

// strip is the terminal strip of the example's gate. Light beams and the red lamp are active-low, as many are.
func strip(g configs.Gate) (all []terminal) {
	for _, n := range slices.Sorted(maps.Keys(g.Lines.Inputs)) {
		all = append(all, terminal{name: n, low: strings.HasPrefix(n, "beam_")})
	}
	for _, n := range slices.Sorted(maps.Keys(g.Lines.Outputs)) {
		all = append(all, terminal{name: n, out: true, low: n == "lamp_red"})
	}
	for i := range all {
		all[i].offset = i
	}
	return all
}

// chip is what configfs made.
type chip struct{ device, dir string }

// newChip makes a chip of gpio-sim with a line per terminal, pulled to where the line is inactive.
func newChip(all []terminal) (chip, error) {
	const dev = "/sys/kernel/config/gpio-sim/gate"
	bank := filepath.Join(dev, "bank0")
	var errs []error
	write := func(path, s string) { errs = append(errs, os.WriteFile(path, []byte(s), 0o644)) }
	errs = append(errs, os.Mkdir(dev, 0o755), os.Mkdir(bank, 0o755))
	write(filepath.Join(bank, "num_lines"), "64")
	for _, t := range all {
		dir := filepath.Join(bank, fmt.Sprintf("line%d", t.offset))
		errs = append(errs, os.Mkdir(dir, 0o755))
		write(filepath.Join(dir, "name"), strings.ToUpper(t.name))
	}
	write(filepath.Join(dev, "live"), "1")
	if err := errors.Join(errs...); err != nil {
		return chip{}, err
	}
	name, err := os.ReadFile(filepath.Join(bank, "chip_name"))
	if err != nil {
		return chip{}, err
	}
	on, err := os.ReadFile(filepath.Join(dev, "dev_name"))
	if err != nil {
		return chip{}, err
	}
	n := strings.TrimSpace(string(name))
	return chip{"/dev/" + n, filepath.Join("/sys/devices/platform", strings.TrimSpace(string(on)), n)}, nil
}

func (c chip) file(t terminal, attribute string) (*os.File, error) {
	mode := os.O_RDONLY
	if attribute == "pull" {
		mode = os.O_WRONLY
	}
	return os.OpenFile(filepath.Join(c.dir, fmt.Sprintf("sim_gpio%d", t.offset), attribute), mode, 0)
}

func pull(f *os.File, t terminal, high bool) error {
	word := "pull-down"
	if high != t.low {
		word = "pull-up"
	}
	_, err := f.WriteAt([]byte(word), 0)
	return err
}

// nobody is the word for a gate that no traveller comes to.
const nobody = "nobody"

// Without gpio-sim the lines are the simulation's, over a socket.
const noChip, linesSocket = "none", "/run/lines.sock"

// poll is how often the outputs are looked at: the shortest pulse is many times as long.
const poll = 3 * time.Millisecond

// steelMain is the process of doors, beams and travellers: all that the controller does reaches it through
// the kernel's lines, all that it does reaches the controller through them. Its arguments are the chip's
// folder, the address of the screen, the file of allowances and where the first traveller stands in mm, or
// nobody. It says READY, CROSSED, BACK, RELEASED, SOUNDED and UNSAFE, and hears "fire" and "heal".
func steelMain(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("steel: %q", args)
	}
	g, err := configs.Example(configs.SimYAML)
	if err != nil {
		return err
	}
	c := chip{dir: args[0]}
	cfg := plant.Default()
	cfg.Door.SpeedMMS, cfg.Door.AccelMMS2 = 3000, 12000 // a short passage
	p := plant.New(cfg)
	pulls := map[string]func(bool){}
	type watched struct {
		terminal
		value *os.File
		high  bool
	}
	var outs []watched
	levels := p.Inputs()
	if c.dir == noChip {
		srv, err := simhal.NewLineServer(linesSocket, slices.Collect(maps.Keys(levels)), p.Outputs())
		if err != nil {
			return err
		}
		for n, high := range levels {
			if err := srv.SetInput(n, gpio.Level(high)); err != nil {
				return err
			}
			pulls[n] = func(high bool) { _ = srv.SetInput(n, gpio.Level(high)) }
		}
		srv.OnOutput(func(name string, l gpio.Level, _ time.Time) { p.Set(name, bool(l)) })
		srv.OnDisconnect(p.AllLow)
	}
	for _, t := range strip(g) {
		if c.dir == noChip {
			break
		}
		f, err := c.file(t, "pull")
		if err != nil {
			return err
		}
		if err := pull(f, t, levels[t.name]); err != nil {
			return err
		}
		if t.out {
			v, err := c.file(t, "value")
			if err != nil {
				return err
			}
			outs = append(outs, watched{terminal: t, value: v})
			continue
		}
		pulls[t.name] = func(high bool) {
			if err := pull(f, t, high); err != nil {
				fmt.Println("UNSAFE", err)
			}
		}
	}
	p.OnInput(func(name string, high bool, _ time.Duration) {
		if f, wired := pulls[name]; wired { // a sensor that this gate does not have leads nowhere
			f(high)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go p.Run(ctx)
	scr := run.NewScreen("http://" + args[1])
	go scr.Run(ctx)
	if args[3] != nobody {
		var x float64
		if _, err := fmt.Sscan(args[3], &x); err != nil {
			return err
		}
		go travel(ctx, p, scr, x)
	}
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			p.Fire(in.Text() == "fire")
		}
	}()
	fmt.Println("READY")
	unsafe, crossed := 0, 0
	said := false
	var changed []plant.Level
	for tick := time.NewTicker(poll); ; <-tick.C {
		// What one look finds changed is one instant for the steel: lines that fall together are read one after the other,
		// the release, which is the last by its name, after the locks (P-03).
		changed = changed[:0]
		var b [4]byte
		for i := range outs {
			o := &outs[i]
			if _, err := o.value.ReadAt(b[:], 0); err != nil && b[0] == 0 {
				return err
			}
			high := (b[0] == '1') != o.low
			if high == o.high {
				continue
			}
			o.high = high
			if o.name == "exit_open_pulse" && high {
				if n, err := os.Stat(args[2]); err != nil || n.Size() == 0 {
					fmt.Println("UNSAFE the exit was pulsed open, and no inspector of this start has allowed anything")
				}
			}
			if o.name == plant.OutRelease && said != !high {
				said = !high
				if said {
					fmt.Println("RELEASED")
				}
			}
			if o.name == plant.OutSounder && high {
				fmt.Println("SOUNDED")
			}
			changed = append(changed, plant.Level{Name: o.name, High: high})
		}
		p.SetAll(changed)
		v := p.Violations()
		for ; unsafe < len(v); unsafe++ {
			fmt.Println("UNSAFE", v[unsafe].At, v[unsafe].What)
		}
		all := p.Crossings()
		for ; crossed < len(all); crossed++ {
			fmt.Println(map[bool]string{true: "CROSSED", false: "BACK"}[all[crossed].Across])
		}
	}
}

// travel lets one traveller after the other obey the screen. The first stands at x.
func travel(ctx context.Context, p *plant.Plant, scr *run.Screen, x float64) {
	var who *people.Walker
	changes, end := scr.Changes()
	defer end()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := uint64(1); ; {
		if who == nil {
			who = people.NewWalker(fmt.Sprintf("traveller %d", n), people.Adult(), x, nil, n)
			p.Add(who)
			n++
			x = -700
		}
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-tick.C:
		}
		at := who.X(p)
		if at > 2600 || at < -1200 {
			p.Remove(who)
			who = nil
			continue
		}
		s, ok := scr.Current()
		if !ok {
			continue // a controller that is dead says nothing
		}
		switch s.Name {
		case display.ScreenNotice:
			if at <= 0 {
				_ = scr.Touch(ctx, display.TouchAccept)
			}
		case display.ScreenEnter:
			who.WalkTo(p, 900)
		case display.ScreenGo:
			if at > 0 {
				who.WalkTo(p, 4000)
			}
		case display.ScreenLeaveBack, display.ScreenOneAtATime, display.ScreenRecovering:
			if at < p.View().Length() {
				who.WalkTo(p, -1500)
			}
		}
	}
}
