package configs

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// O-09: the simulation differs from service in drivers, device paths and limit values only.
func TestSimDiffersInDriversPathsAndLimitsOnly(t *testing.T) {
	g, err := Example(GateYAML)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Example(SimYAML)
	if err != nil {
		t.Fatal(err)
	}
	// Paths, drivers and limits are levelled; what then differs is a difference of behaviour.
	s.Simulated, s.StateDir, s.Keys, s.Officers, s.Link, s.Watchdog, s.Limits = g.Simulated, g.StateDir, g.Keys, g.Officers, g.Link, g.Watchdog, g.Limits
	s.Doors.Pulse, s.Doors.Travel = g.Doors.Pulse, g.Doors.Travel
	s.Inspect.Models, s.Inspect.ModelKeys, s.Inspect.Trust, s.Inspect.TrustKey = g.Inspect.Models, g.Inspect.ModelKeys, g.Inspect.Trust, g.Inspect.TrustKey
	s.Devices.Scanner.Device, s.Devices.NFC.Device = g.Devices.Scanner.Device, g.Devices.NFC.Device
	s.Devices.Camera.Driver, s.Devices.Camera.Device = g.Devices.Camera.Driver, g.Devices.Camera.Device
	s.Hardware = g.Hardware // keys and paths; nothing is plugged in a simulation
	s.Lines.Driver, s.Lines.Device = g.Lines.Driver, g.Lines.Device
	for _, m := range []map[string]Line{g.Lines.Inputs, g.Lines.Outputs, s.Lines.Inputs, s.Lines.Outputs} {
		for k := range m {
			m[k] = Line{}
		}
	}
	if !reflect.DeepEqual(g, s) {
		t.Errorf("the profiles differ in more:\n%+v\n%+v", g, s)
	}
}

// TestD06D07Refusals: every mistake has file, line and cure; doors that are too strong (D-06) or see too little
// (D-07) are refused.
func TestD06D07Refusals(t *testing.T) {
	base := string(SimYAML)
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":       {"topology: mantrap", "topologie: mantrap", "topologie is no key"},
		"unit missing":      {"pulse: 150ms", "pulse: 150", "unit"},
		"out of range":      {"capture: 20s", "capture: 1s", "limits.capture: must lie between"},
		"bad driver":        {"driver: pn532", "driver: pn533", "devices.nfc.driver: must be one of"},
		"reader of pn532":   {"driver: pn532", "driver: pn532, reader: ACS", "devices.nfc.reader: is of the driver pcsc"},
		"layout of mrzscan": {"driver: mrzscan", "driver: mrzscan, layout: us", "devices.scanner.layout: is of the driver wedge"},
		"line twice":        {"fire_ok: {}", "fire_ok: {name: A}\n    power_ok: {name: A}", "A is wired to fire_ok already"},
		"layout unknown":    {"driver: mrzscan, device: dev/gate-1-scanner, baud: 115200", "driver: wedge, device: dev/x, layout: fr", "devices.scanner.layout: must be one of"},
		"baud of wedge":     {"driver: mrzscan", "driver: wedge", "devices.scanner.baud: is of the driver mrzscan"},
		"baud of pcsc":      {"driver: pn532", "driver: pcsc", "devices.nfc.baud: is of the driver pn532"},
		"remote plain":      {"tcp://127.0.0.1:1883", "tcp://10.0.0.1:1883", "loopback only"},
		"screen outside":    {"listen: 127.0.0.1:8070", "listen: 0.0.0.0:8070", "loopback address"},
		"entry of one-step": {"topology: mantrap", "topology: one-step", "entry_closed: is no line of this topology"},
		"no roster key":     {"roster_key: keys/roster.pub", "# none", "officers.roster_key: is missing"},
		"no topology":       {"topology: mantrap", "topology: turnstile", "topology: must be one of"},
		"length":            {"length_mm: 1600", "length_mm: 160", "length_mm: must lie between"},
		"missing line":      {"    fire_ok: {}\n", "", `line "fire_ok" is missing`},
		"unknown line":      {"    fire_ok: {}\n", "    fire_ok: {}\n    door_bell: {}\n", "no line of this topology"},
		"sim in service":    {"simulated: true", "simulated: false", "simhal"},
		"socket, nobody":    {"inspect:\n", "hardware: {socket: s.sock}\n\ninspect:\n", "hardware.technicians: is missing"},
		"two documents":     {"site: example", "site: example\n---\nsite: other", "one document"},
		"sounder on a bus":  {"sounder: {}", "sounder: {bus: x, pin: 1}", "only lamps may hang on a bus"},
		"sounds for ever":   {"doors:\n", "sound: {limit: 3m}\ndoors:\n", "sound.limit: must lie between 0"},
		"lock on a bus":     {"entry_lock: {}", "entry_lock: {bus: x, pin: 1}", "only lamps may hang on a bus"},
		"no such bus":       {"lamp_red: {}", "lamp_red: {bus: x, pin: 1}", "not under lines.buses"},
		"LEDs without bus":  {"lamp_red: {}", "lamp_red: {leds: [0, 1]}", "name the bus"},
		"wrong type":        {"threads: 1", "threads: many", "into int"},
		"bad gate name":     {"gate: gate-1", "gate: Gate_1", "must be 1 to 32"},
		"heavy leaf":        {"leaf_mass_kg: 10", "leaf_mass_kg: 30", "doors.facts: a leaf of 30 kg at 550 mm/s has 4.54 J"},
		"not measured":      {"    leaf_mass_kg: 10\n", "", "doors.facts.leaf_mass_kg: is missing: measure it"},
		"strong drive":      {"closing_force_n: 140", "closing_force_n: 151", "must be 150 N at most"},
		"fingers":           {"finger_gap_mm: 6", "finger_gap_mm: 9", "must be 8 mm at most"},
		"hand force":        {"start: 80", "start: 91", "hand_force_n.start: must be 90 N at most"},
		"detection":         {"escape: 1500", "escape: 1400", "detection_mm.escape: must be 1500 mm at least"},
		"detection, other":  {"other: 1000", "other: 900", "must be 1000 mm at least"},
		"narrow":            {"clear_width_mm: 650", "clear_width_mm: 450", "must be 500 mm at least"},
		"no width":          {"    clear_width_mm: 650       # of the narrower door when open\n", "", "clear_width_mm: must be"},
		"narrow wide lane":  {"lane: standard", "lane: wide", "must be 900 mm at least in a wide lane"},
		"quick wide lane":   {"lane: standard", "lane: wide", "limits.secure: must be 15s at least in a wide lane"},
		"no lane":           {"lane: standard", "lane: narrow", "lane: must be one of"},
		"no certificate":    {"certificate: example ", "certificate: \"\" ", "doors.unpowered.certificate: is missing: name the paper"},
		"no position":       {"exit: open", "exit: ajar", "must be open, free, shut, is \"ajar\" (D-03)"},
		"no escape":         {"escape: both", "escape: up", "must be origin, across, both"},
		"no number":         {"leaf_mass_kg: 10", "leaf_mass_kg: .nan", "doors.facts.leaf_mass_kg: is missing"},
		"pulse over cap":    {"pulse: 150ms", "pulse: 3s", "D-09"},
		"key file missing":  {"  gate: keys/gate-1.key        # Ed25519 seed of this gate, readable by its user only\n", "", "keys.gate: is missing"},
	} {
		raw := strings.Replace(base, c.old, c.new, 1)
		if raw == base {
			t.Fatalf("%s: nothing replaced", name)
		}
		_, err := parseGate("sim.yaml", []byte(raw))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "sim.yaml:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// D-03: where the doors are without power is the site's to choose, as long as it leaves a way out in the direction of
// escape and no other way across the border. A door that is shut then has lines of its own.
func TestD03Unpowered(t *testing.T) {
	for _, c := range []struct{ topology, escape, entry, exit, want string }{
		{Mantrap, "both", "open", "open", ""}, {Mantrap, "both", "free", "open", ""}, {Mantrap, "both", "free", "free", ""},
		{Mantrap, "origin", "open", "shut", ""}, {Mantrap, "origin", "free", "shut", ""},
		{Mantrap, "across", "shut", "open", ""}, {Mantrap, "across", "shut", "free", ""},
		{OneStep, "origin", "", "shut", ""}, {OneStep, "across", "", "open", ""}, {OneStep, "both", "", "free", ""},
		{Mantrap, "origin", "shut", "shut", "nobody could leave the mantrap"}, {Mantrap, "across", "shut", "shut", "nobody could leave the mantrap"},
		{Mantrap, "origin", "shut", "open", "unpowered.entry: is shut without power, and escape is to the side of origin"},
		{Mantrap, "both", "shut", "free", "unpowered.entry: is shut without power"},
		{Mantrap, "both", "open", "shut", "unpowered.exit: is shut without power, and escape is across the border"},
		{Mantrap, "across", "open", "shut", "unpowered.exit: is shut without power"},
		{Mantrap, "origin", "open", "open", "unpowered.exit: is open without power: a way across the border"},
		{Mantrap, "origin", "free", "free", "unpowered.exit: is free without power: a way across the border"},
		{Mantrap, "across", "free", "open", "a way across the border for everybody"},
		{OneStep, "origin", "", "open", "a way across the border"}, {OneStep, "across", "", "shut", "unpowered.exit: is shut"},
		{OneStep, "origin", "open", "shut", "a door that a one-step gate does not have"},
		{Mantrap, "origin", "", "shut", "unpowered.entry: must be open, free, shut"},
	} {
		g, err := parseGate("sim.yaml", SimYAML)
		if err != nil {
			t.Fatal(err)
		}
		g.Topology = c.topology
		g.Doors.Unpowered = Unpowered{Certificate: "x", Escape: c.escape, Entry: c.entry, Exit: c.exit}
		for name, position := range map[string]string{"entry": c.entry, "exit": c.exit} {
			if position == Shut {
				delete(g.Lines.Outputs, name+"_lock")
				g.Lines.Outputs[name+"_unlock"], g.Lines.Outputs[name+"_release"] = Line{}, Line{}
			}
		}
		if c.topology == OneStep {
			for _, n := range EntryDoorLines {
				delete(g.Lines.Inputs, n)
				delete(g.Lines.Outputs, n)
			}
		}
		b, err := yaml.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseGate("x.yaml", b)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	raw := strings.Replace(string(SimYAML), "escape: both ", "escape: origin", 1)
	if raw = strings.Replace(raw, "exit: open", "exit: shut", 1); raw == string(SimYAML) {
		t.Fatal("nothing replaced")
	}
	_, err := parseGate("x.yaml", []byte(raw))
	for _, want := range []string{`line "exit_unlock" is missing`, `line "exit_release" is missing`, "exit_lock: is no line of this topology"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// P-02: a one-step gate is the same file without the entry door.
func TestP02OneStep(t *testing.T) {
	raw := strings.Replace(string(SimYAML), "topology: mantrap", "topology: one-step", 1)
	for _, line := range EntryDoorLines {
		raw = strings.Replace(raw, "    "+line+": {}\n", "", 1)
	}
	raw = regexp.MustCompile(`(?m)^    entry: open .*\n`).ReplaceAllString(raw, "")
	g, err := parseGate("one-step.yaml", []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if _, there := g.Lines.Inputs["entry_beam"]; !there || g.Topology != OneStep {
		t.Errorf("%+v", g.Lines.Inputs)
	}
}

// a wide lane is 900 mm wide and leaves more time to enter, to stand clear of the door and to leave.
func TestA06WideLane(t *testing.T) {
	raw := string(GateYAML)
	for old, now := range map[string]string{"lane: standard": "lane: wide", "clear_width_mm: 650": "clear_width_mm: 920", "no_show: 10s": "no_show: 20s", "secure: 8s": "secure: 20s", "release: 15s": "release: 30s"} {
		raw = strings.Replace(raw, old, now, 1)
	}
	g, err := parseGate("wide.yaml", []byte(raw))
	if err != nil || g.Lane != WideLane {
		t.Errorf("%s: %v", g.Lane, err)
	}
}

func TestLineNumbers(t *testing.T) {
	raw := strings.Replace(string(SimYAML), "capture: 20s", "capture: 1s", 1)
	line := 1 + strings.Count(raw[:strings.Index(raw, "capture: 1s")], "\n")
	_, err := parseGate("x.yaml", []byte(raw))
	if want := "x.yaml:" + strconv.Itoa(line) + ": limits.capture"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %s in %v", want, err)
	}
}

func TestPathsStartAtTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gate.yaml")
	if err := os.WriteFile(path, SimYAML, 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if g.StateDir != filepath.Join(dir, "state/gate-1") || g.Devices.NFC.Device != filepath.Join(dir, "dev/gate-1-nfc") {
		t.Errorf("%s %s", g.StateDir, g.Devices.NFC.Device)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(GateYAML)
	f.Add(SimYAML)
	f.Fuzz(func(t *testing.T, raw []byte) { _, _ = parseGate("f.yaml", raw) })
}

// Lines of a gate in service are named by offset or by the kernel's name, never by both or neither.
func TestLinesByNameOrPin(t *testing.T) {
	base := string(GateYAML)
	for old, c := range map[string]struct{ now, want string }{
		"fire_ok: {pin: 7, bias: pull-down}": {"fire_ok: {name: FIRE, bias: pull-down}", ""},
		"tamper_ok: {pin: 8, ":               {"tamper_ok: {pin: 8, name: TAMPER, ", "needs pin, the offset"},
		"exit_request: {pin: 9, ":            {"exit_request: {", "needs pin, the offset"},
		"beacon: {pin: 40}":                  {"beacon: {pin: 4000}", "between 0 and 1023"},
		"    release: ":                      {"    beam_test: {pin: 61}\n    release: ", ""}, // S-08
		"    exit_closed: ":                  {"    beam_test: {pin: 61}\n    exit_closed: ", "lines.inputs.beam_test: is no line"},
		"    beam_16: {pin: 25, ":            {"    mat_ok: {bias: pull-up}\n    mat_occupied: {pin: 60}\n    beam_16: {pin: 25, ", "lines.inputs.mat_ok: needs pin"},
	} {
		raw := strings.Replace(base, old, c.now, 1)
		if raw == base {
			t.Fatalf("%s: nothing replaced", old)
		}
		_, err := parseGate("gate.yaml", []byte(raw))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.now, err, c.want)
		}
	}
}

// TestBenchGate: the profile of the bench gate is good, and the pin tables of docs/hardware.md are its own.
func TestBenchGate(t *testing.T) {
	g, err := Example(BenchYAML)
	if err != nil {
		t.Fatal(err)
	}
	same, err := Example(GateYAML)
	if err != nil {
		t.Fatal(err)
	}
	same.Lines, same.Devices.NFC.Device = g.Lines, g.Devices.NFC.Device
	same.Doors.Unpowered = g.Doors.Unpowered // magnets in place of drives
	if !reflect.DeepEqual(g, same) {
		t.Error("bench.yaml differs from gate.yaml in more than its lines, its doors without power and the port of the chip reader: repeat there what was changed here")
	}
	page, err := os.ReadFile("../docs/hardware.md")
	if err != nil {
		t.Fatal(err)
	}
	for n, l := range g.Lines.Inputs {
		if l.Pin == nil || !strings.Contains(string(page), "\n| `"+n+"` | GPIO"+strconv.Itoa(*l.Pin)+" | ") {
			t.Errorf("%s is not in the pin table as in the profile", n)
		}
	}
	for n, l := range g.Lines.Outputs {
		if l.Name != n || !strings.Contains(string(page), "\n| `"+n+"` | GP") || !strings.Contains(string(page), "\""+n+"\"") {
			t.Errorf("%s is not in the pin table and the overlay as in the profile", n)
		}
	}
	for n := range lineMeans {
		if !strings.Contains(string(page), "`"+n+"`") {
			t.Errorf("%s is not in docs/hardware.md", n)
		}
	}
}
