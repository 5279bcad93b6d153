package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"egate/configs"
	"egate/hal/identity"
	"egate/health"
	"egate/pairing"
	"egate/seal"
	"egate/service"
)

// sys is the machine's own; tests have another.
var sys = identity.New()

func hardwareCommands() []command {
	return []command{
		{"hardware list", "[--config GATE.yaml]", "the devices of this gate: where they are plugged, whether they are those that were paired, what the gate says of them", hardwareList},
		{"hardware wire", "[--config GATE.yaml]", "the wiring table of the configuration: name, pin, polarity, bias, meaning", hardwareWire},
		{"hardware watch", "[--config GATE.yaml] [--once]", "the live lines of the running gate as a table", hardwareWatch},
		{"hardware identify", "--key T.key [--for 10s]", "blink the beacon of this gate", hardwareIdentify},
		{"service code", "--key O.key --site S --gate G --technician T.pub [--for 4h]", "let a technician bring a gate whose network is dead into service mode, for a while", serviceCode},
		{"hardware test", "--key T.key [--card] [--service [--code CODE]] PART", "self-test of one part: lines, doors, sounder, document_scanner, chip_reader, camera", hardwareTest},
		{"hardware pair", "--key T.key --out FILE", "note what is plugged and sign it as a technician; an officer countersigns", hardwarePair},
		{"hardware countersign", "--key O.key FILE", "show a pairing and countersign it as an officer", hardwareCountersign},
		{"hardware install", "--key T.key FILE", "take a countersigned pairing into use", hardwareInstall},
		{"hardware accept", "--key T.key [--code CODE] --mrz FILE --out FILE", "walk through the acceptance of this gate with a specimen, to a signed report", hardwareAccept},
		{"hardware accepted", "--key T.pub FILE", "check and show a signed report of acceptance", hardwareAccepted},
	}
}

// bench is what every command of hardware needs.
type bench struct {
	path *string
	key  *string
	cfg  configs.Gate
}

func (b *bench) flags(f *flag.FlagSet, withKey bool) {
	b.path = f.String("config", "/etc/egate/gate.yaml", "configuration of the gate")
	if withKey {
		b.key = f.String("key", "", "private `key` of a technician (hardware.technicians)")
	}
}

func (b *bench) load() (err error) {
	if b.cfg, err = configs.Load(*b.path); err != nil {
		return err
	}
	if b.key != nil && *b.key == "" {
		return errors.New("--key: name the private key of a technician")
	}
	return nil
}

func (b *bench) signer() (*seal.Signer, error) {
	if b.key == nil {
		return nil, nil
	}
	return seal.LoadSigner(*b.key)
}

// reach reads the configuration and dials.
func (b *bench) reach(ctx context.Context) (*service.Client, error) {
	if err := b.load(); err != nil {
		return nil, err
	}
	return b.dial(ctx)
}

// dial reaches the running gate.
func (b *bench) dial(ctx context.Context) (*service.Client, error) {
	if b.cfg.Hardware.Socket == "" {
		return nil, fmt.Errorf("%w: set hardware.socket in %s", service.ErrNotRunning, *b.path)
	}
	key, err := b.signer()
	if err != nil {
		return nil, err
	}
	k, err := service.Dial(ctx, b.cfg.Hardware.Socket, key)
	if err != nil {
		return nil, err
	}
	if k.Site != b.cfg.Site || k.Gate != b.cfg.Gate {
		k.Close()
		return nil, fmt.Errorf("the gate at %s is %s/%s, the configuration is of %s/%s", b.cfg.Hardware.Socket, k.Site, k.Gate, b.cfg.Site, b.cfg.Gate)
	}
	return k, nil
}

// nodes are the device nodes of the parts.
func (b *bench) nodes() map[string]string {
	nfc := b.cfg.Devices.NFC.Device
	if b.cfg.Devices.NFC.Driver == "pcsc" {
		nfc = "usbclass:0b"
	}
	return map[string]string{health.PartScanner: b.cfg.Devices.Scanner.Device, health.PartNFC: nfc, health.PartCamera: b.cfg.Devices.Camera.Device, health.PartLines: b.cfg.Lines.Device}
}

func (b *bench) rule() (pairing.Rule, error) {
	t, err := seal.LoadPublics(b.cfg.Hardware.Technicians)
	if err != nil {
		return pairing.Rule{}, fmt.Errorf("hardware.technicians: %w", err)
	}
	o, err := seal.LoadPublics(b.cfg.Hardware.Officers)
	if err != nil {
		return pairing.Rule{}, fmt.Errorf("hardware.officers: %w", err)
	}
	return pairing.Rule{Site: b.cfg.Site, Gate: b.cfg.Gate, Technicians: t, Officer: o}, nil
}

// paired is the pairing of the configuration, verified; nil with the reason for none.
func (b *bench) paired() (*pairing.Pairing, error) {
	if b.cfg.Hardware.Pairing == "" {
		return nil, pairing.ErrNone
	}
	rule, err := b.rule()
	if err != nil {
		return nil, err
	}
	f, err := pairing.Read(b.cfg.Hardware.Pairing)
	if err != nil {
		return nil, err
	}
	p, err := f.Verify(rule)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

func hardwareList(ctx context.Context, out io.Writer, args []string) error {
	var b bench
	f := flags("hardware list", out)
	b.flags(f, false)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return errUsage
	}
	if err := b.load(); err != nil {
		return err
	}
	p, why := b.paired()
	found := pairing.Check(sys, p, b.nodes())
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "part\tdevice\tport\tid\tserial\tis")
	for _, part := range slices.Sorted(maps.Keys(b.nodes())) {
		id, _ := sys.Of(b.nodes()[part]) // what is wrong with it is told below
		is := "as paired"
		if p == nil {
			is = "not paired"
		}
		for _, x := range found {
			if x.Part == part {
				is = x.What + ": " + x.Text
			}
		}
		if b.cfg.Simulated && p == nil { // nothing is plugged in a simulation: a program is behind the name, or nobody yet
			is = "simulated: a program plays it"
			if _, err := os.Stat(b.nodes()[part]); err != nil {
				is = "simulated: not there, the program that plays it does not run"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", part, b.nodes()[part], dash(id.Port), usbID(id), dash(id.Serial), is)
	}
	all, err := sys.USB()
	if err != nil {
		return err
	}
	for _, d := range all {
		if !isPart(b.nodes(), d.Identity) {
			is := "may be there"
			if p == nil {
				is = "not paired"
			}
			for _, x := range found {
				if x.What == pairing.Unlisted && strings.Contains(x.Text, d.Port) {
					is = "unlisted: nobody paired it"
				}
			}
			fmt.Fprintf(w, "usb\tclass %s %s\t%s\t%s\t%s\t%s\n", strings.Join(d.Classes, "+"), d.Name, d.Port, usbID(d.Identity), dash(d.Serial), is)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if why != nil {
		fmt.Fprintln(out, why)
	} else {
		fmt.Fprintf(out, "pairing version %d of %s\n", p.Version, p.At.Format(time.DateTime))
	}
	k, err := b.dial(ctx)
	if errors.Is(err, service.ErrNotRunning) {
		fmt.Fprintln(out, "the gate: egated is not running here")
		return nil
	} else if err != nil {
		return err
	}
	defer k.Close()
	r, err := k.Do(service.Request{Name: service.AskState})
	if err != nil {
		return err
	}
	s := r.State
	fmt.Fprintf(out, "the gate: mode %s, %s, pairing in use %s, leased to technicians: %s\n", s.Mode, s.Overall, s.Pairing, cmp.Or(strings.Join(s.Held, ", "), "nothing"))
	for _, x := range s.Faults {
		fmt.Fprintf(out, "  fault %s on %s (%s) since %s\n", x.Code, x.Part, x.Severity, x.Since.Format(time.TimeOnly))
	}
	for _, c := range slices.Sorted(maps.Keys(s.Counters)) {
		if strings.HasPrefix(c, "device_") {
			fmt.Fprintf(out, "  %s %d\n", c, s.Counters[c])
		}
	}
	return nil
}

func isPart(nodes map[string]string, id identity.Identity) bool {
	for _, n := range nodes {
		if p, err := sys.Of(n); err == nil && p == id {
			return true
		}
	}
	return false
}

func dash(s string) string { return cmp.Or(s, "-") }

func usbID(i identity.Identity) string {
	if i.Vendor == "" {
		return "-"
	}
	return i.Vendor + ":" + i.Product
}

func hardwareWire(_ context.Context, out io.Writer, args []string) error {
	var b bench
	f := flags("hardware wire", out)
	b.flags(f, false)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return errUsage
	}
	if err := b.load(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s/%s, %s: driver %s, chip %s\n", b.cfg.Site, b.cfg.Gate, b.cfg.Topology, b.cfg.Lines.Driver, b.cfg.Lines.Device)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "line\tdirection\toffset or name\tvoltage that means High\tbias\tHigh means")
	for _, side := range []struct {
		dir string
		m   map[string]configs.Line
	}{{"in", b.cfg.Lines.Inputs}, {"out", b.cfg.Lines.Outputs}} {
		for _, n := range configs.LineNames(side.m) {
			l := side.m[n]
			pin, level := "-", "high"
			if l.Bus != "" {
				pin = place(b.cfg.Lines.Buses[l.Bus], l)
			} else if l.Pin != nil {
				pin = fmt.Sprint(*l.Pin)
			} else if l.Name != "" {
				pin = l.Name
			}
			if l.ActiveLow {
				level = "low"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", n, side.dir, pin, level, dash(l.Bias), configs.LineMeans(n))
		}
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "device\tdriver\tnode\tspeed or size\t\t")
	d := b.cfg.Devices
	fmt.Fprintf(w, "%s\t%s\t%s\t%d\t\t\n", health.PartScanner, d.Scanner.Driver, d.Scanner.Device, cmp.Or(d.Scanner.Baud, 115200))
	fmt.Fprintf(w, "%s\t%s\t%s %s\t%d\t\t\n", health.PartNFC, d.NFC.Driver, d.NFC.Device, d.NFC.Reader, d.NFC.Baud)
	fmt.Fprintf(w, "%s\t%s\t%s\t%d x %d\t\t\n", health.PartCamera, d.Camera.Driver, d.Camera.Device, d.Camera.Width, d.Camera.Height)
	fmt.Fprintf(w, "watchdog\t\t%s\t\t\t\n", dash(b.cfg.Watchdog.Device))
	if err := w.Flush(); err != nil {
		return err
	}
	u := b.cfg.Doors.Unpowered
	fmt.Fprintf(out, "\nwithout power, or when the controller is dead or reset (D-03, %s): escape %s", u.Certificate, u.Escape)
	if u.Entry != "" {
		fmt.Fprintf(out, ", entry %s", u.Entry)
	}
	_, err := fmt.Fprintf(out, ", exit %s\n", u.Exit)
	return err
}

// place tells where on its bus a lamp hangs.
func place(b configs.Bus, l configs.Line) string {
	if l.Pin != nil {
		return fmt.Sprintf("%s %#x GP%c%d", b.Device, b.Address, 'A'+rune(*l.Pin/8), *l.Pin%8)
	}
	return fmt.Sprintf("%s LED %v #%s", b.Device, l.LEDs, l.Colour)
}

func hardwareWatch(ctx context.Context, out io.Writer, args []string) error {
	var b bench
	f := flags("hardware watch", out)
	b.flags(f, false)
	once := f.Bool("once", false, "print the table once")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return errUsage
	}
	k, err := b.reach(ctx)
	if err != nil {
		return err
	}
	defer k.Close()
	if err := k.Watch(); err != nil {
		return err
	}
	screen, tty := out.(*os.File)
	if tty {
		st, err := screen.Stat()
		tty = err == nil && st.Mode()&os.ModeCharDevice != 0
	}
	changes := map[string]int{}
	var last *service.Lines
	for {
		r, err := k.Next()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		changed := last == nil
		if last != nil {
			for _, side := range [][2]map[string]string{{last.Inputs, r.Lines.Inputs}, {last.Outputs, r.Lines.Outputs}} {
				for n, v := range side[1] {
					if side[0][n] != v {
						changes[n]++
						changed = true
						if !tty {
							fmt.Fprintf(out, "%s %s\n", n, v)
						}
					}
				}
			}
		}
		first := last == nil
		last = r.Lines
		if changed && (tty || first) {
			if tty && !*once {
				fmt.Fprint(out, "\x1b[H\x1b[2J")
			}
			if err := b.table(out, *last, changes); err != nil {
				return err
			}
		}
		if *once {
			return nil
		}
	}
}

// table prints the lines, inputs and outputs.
func (b *bench) table(out io.Writer, l service.Lines, changes map[string]int) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "line\t\tlevel\tchanges\tHigh means")
	for _, side := range []struct {
		dir    string
		m      map[string]configs.Line
		levels map[string]string
	}{{"in", b.cfg.Lines.Inputs, l.Inputs}, {"out", b.cfg.Lines.Outputs, l.Outputs}} {
		for _, n := range configs.LineNames(side.m) {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", n, side.dir, side.levels[n], changes[n], configs.LineMeans(n))
		}
	}
	return w.Flush()
}

func hardwareIdentify(ctx context.Context, out io.Writer, args []string) error {
	var b bench
	f := flags("hardware identify", out)
	b.flags(f, true)
	d := f.Duration("for", 10*time.Second, "how long")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return errUsage
	}
	k, err := b.reach(ctx)
	if err != nil {
		return err
	}
	defer k.Close()
	if _, err := k.Do(service.Request{Name: service.AskIdentify, Seconds: int(d.Round(time.Second) / time.Second)}); err != nil {
		return err
	}
	fmt.Fprintf(out, "the beacon of %s/%s blinks for %s\n", b.cfg.Site, b.cfg.Gate, *d)
	return nil
}

// hardwarePair notes what is plugged; it needs no running gate.
func hardwarePair(_ context.Context, out io.Writer, args []string) error {
	var b bench
	f := flags("hardware pair", out)
	b.flags(f, true)
	to := f.String("out", "", "file to write")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 || *to == "" {
		return errUsage
	}
	if err := b.load(); err != nil {
		return err
	}
	key, err := b.signer()
	if err != nil {
		return err
	}
	version := 1
	if old, err := pairing.Read(b.cfg.Hardware.Pairing); err == nil {
		if p, err := old.Look(); err == nil {
			version = p.Version + 1
		}
	}
	p, err := pairing.Draft(sys, b.cfg.Site, b.cfg.Gate, version, time.Now(), b.nodes())
	if err != nil {
		return fmt.Errorf("%w: plug every part, then pair", err)
	}
	for part, id := range p.Parts {
		if id.Simulated() && !b.cfg.Simulated {
			return fmt.Errorf("%s is no hardware (%s): a gate in service has real devices", part, id.Port)
		}
	}
	file, err := pairing.Sign(p, key)
	if err != nil {
		return err
	}
	if err := file.Write(*to); err != nil {
		return err
	}
	showPairing(out, p)
	fmt.Fprintf(out, "%s: signed by technician %s. An officer looks at it and countersigns: egatectl hardware countersign --key OFFICER.key %s\n", *to, key.KeyID(), *to)
	return nil
}

func showPairing(out io.Writer, p pairing.Pairing) {
	fmt.Fprintf(out, "pairing of %s/%s, version %d, %s\n", p.Site, p.Gate, p.Version, p.At.Format(time.DateTime))
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, part := range slices.Sorted(maps.Keys(p.Parts)) {
		id := p.Parts[part]
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s…\n", part, id.Port, usbID(id), dash(id.Serial), dash(id.Name), id.Descriptors[:min(len(id.Descriptors), 12)])
	}
	for _, u := range p.USB {
		fmt.Fprintf(w, "  also on USB: class %s\t%s\t%s\t%s\t%s\t%s…\n", strings.Join(u.Classes, "+"), u.Port, usbID(u.Identity), dash(u.Serial), dash(u.Name), u.Descriptors[:min(len(u.Descriptors), 12)])
	}
	_ = w.Flush() // to a terminal or a buffer
}

func hardwareCountersign(_ context.Context, out io.Writer, args []string) error {
	f := flags("hardware countersign", out)
	key := f.String("key", "", "private `key` of an officer (hardware.officers)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *key == "" {
		return errUsage
	}
	signer, err := seal.LoadSigner(*key)
	if err != nil {
		return err
	}
	file, err := pairing.Read(f.Arg(0))
	if err != nil {
		return err
	}
	p, err := file.Look()
	if err != nil {
		return err
	}
	showPairing(out, p)
	file.Countersign(signer)
	if err := file.Write(f.Arg(0)); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: countersigned by %s; at the gate: egatectl hardware install --key TECHNICIAN.key %s\n", f.Arg(0), signer.KeyID(), f.Arg(0))
	return nil
}

// hardwareInstall gives a pairing to the running gate, which keeps it and writes a leaf of the audit log.
func hardwareInstall(ctx context.Context, out io.Writer, args []string) error {
	var b bench
	f := flags("hardware install", out)
	b.flags(f, true)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errUsage
	}
	if err := b.load(); err != nil {
		return err
	}
	file, err := pairing.Read(f.Arg(0))
	if err != nil {
		return err
	}
	rule, err := b.rule()
	if err != nil {
		return err
	}
	if _, err := file.Verify(rule); err != nil {
		return err
	}
	raw, err := json.Marshal(file)
	if err != nil {
		return err
	}
	k, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer k.Close()
	r, err := k.Do(service.Request{Name: service.AskPair, File: raw})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "in use: %s. A tamper fault that it answers ends with an officer's reset\n", r.Paired)
	return nil
}
