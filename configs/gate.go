package configs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
)

// Gate is the configuration of one gate: egated and its inspectors read the same file. Relative
// paths start at the folder of the file; times are written with their unit ("20s").
type Gate struct {
	Site      string   `yaml:"site"`              // name of the site, as in the topics
	Gate      string   `yaml:"gate"`              // name of the gate, unique at the site
	Simulated bool     `yaml:"simulated"`         // marks every page and event
	Topology  string   `yaml:"topology"`          // mantrap or one-step
	LengthMM  int      `yaml:"length_mm"`         // from the entry door, or the outer beam of a one-step zone, to the exit door
	StateDir  string   `yaml:"state_dir"`         // journal and cursors; nothing personal
	Languages []string `yaml:"languages"`         // of the traveller screen, the first is the default
	Lane      string   `yaml:"lane"`              // standard, or wide: for wheelchairs, prams and guide dogs
	Profile   string   `yaml:"profile,omitempty"` // file of what the site prescribes (M-08); empty: nothing

	Keys     Keys     `yaml:"keys"`
	Officers Officers `yaml:"officers"`
	Link     Link     `yaml:"link"`
	Display  Display  `yaml:"display"`
	Lines    Lines    `yaml:"lines"`
	Doors    Doors    `yaml:"doors"`
	Devices  Devices  `yaml:"devices"`
	Hardware Hardware `yaml:"hardware,omitempty"`
	Inspect  Inspect  `yaml:"inspect"`
	Limits   Limits   `yaml:"limits"`
	Sound    Sound    `yaml:"sound"`
	Wear     Wear     `yaml:"wear"`
	Watchdog Watchdog `yaml:"watchdog"`
}

// Keys are files of one line of hexadecimal digits.
type Keys struct {
	Gate       string `yaml:"gate"`        // Ed25519 seed of this gate, readable by its user only
	Centre     string `yaml:"centre"`      // Ed25519 public key of the centre: orders, leases, answers, acknowledgements
	CentreSeal string `yaml:"centre_seal"` // HPKE public key of the centre: look-ups
	// TPM is the TPM 2.0 that gate and link.cert_key_file are keys of (egatectl key make --tpm, egatectl pki request --tpm).
	TPM string `yaml:"tpm,omitempty"`
	// InFiles accepts private keys in plain files, readable by their user only; the gate warns of it.
	InFiles bool `yaml:"in_files,omitempty"`
}

// Officers is who may order what at this gate.
type Officers struct {
	// Roster is a signed roster to start with. Newer ones come over the link and are kept in the journal.
	Roster string `yaml:"roster,omitempty"`
	// RosterKey is the Ed25519 public key of who signs rosters, offline. No connected program holds its private half.
	RosterKey string `yaml:"roster_key"`
}

// Link is the way to the broker.
type Link struct {
	Broker       Brokers `yaml:"broker"`                  // tcp://host:port (loopback only) or tls://host:port
	CAFile       string  `yaml:"ca_file,omitempty"`       // authority of the brokers
	CertFile     string  `yaml:"cert_file,omitempty"`     // of this gate, by its name; read anew when it is replaced
	CertKeyFile  string  `yaml:"cert_key_file,omitempty"` // its key, readable by its user only
	User         string  `yaml:"user,omitempty"`
	PasswordFile string  `yaml:"password_file,omitempty"`
	// SealEvents seals every event but faults and starts to keys.centre_seal: brokers and maintenance see that something happened,
	// and not what (DP-07).
	SealEvents bool `yaml:"seal_events,omitempty"`
}

// Display is the traveller screen.
type Display struct {
	Listen string `yaml:"listen"` // loopback host:port
}

// Lines are the digital lines of the gate.
type Lines struct {
	Driver  string          `yaml:"driver"` // gpio or simhal
	Device  string          `yaml:"device"` // gpio: /dev/gpiochipN; simhal: unix socket
	Inputs  map[string]Line `yaml:"inputs"`
	Outputs map[string]Line `yaml:"outputs"`
	// Buses are devices beside the lines that lamps may hang on: an expander on I²C, an LED strip on SPI.
	Buses map[string]Bus `yaml:"buses,omitempty"`
}

// Bus is a device that lamps hang on. It keeps its outputs when the controller dies: no door, lock or release may.
type Bus struct {
	Driver  string `yaml:"driver"`            // mcp23017 or apa102
	Device  string `yaml:"device"`            // mcp23017: /dev/i2c-N; apa102: /dev/spidevN.M
	Address int    `yaml:"address,omitempty"` // mcp23017: 0x20 to 0x27
	LEDs    int    `yaml:"leds,omitempty"`    // apa102: how many are on the strip
}

// Line is how a logical name is wired. The zero value is an active-high line with no bias whose
// number is given by the driver (simhal).
type Line struct {
	Pin       *int   `yaml:"pin,omitempty"`  // offset on the chip; gpio only
	Name      string `yaml:"name,omitempty"` // in place of pin: the kernel's name of the line (gpio-line-names), on whichever chip it is
	ActiveLow bool   `yaml:"active_low,omitempty"`
	Bias      string `yaml:"bias,omitempty"` // none, pull-up or pull-down; inputs only
	// Bus is the bus of a lamp. On an expander pin is 0 to 15 (GPA0 to GPB7), on a strip leds tell first and last LED.
	Bus    string `yaml:"bus,omitempty"`
	LEDs   []int  `yaml:"leds,omitempty,flow"`
	Colour string `yaml:"colour,omitempty"` // of a lamp on a strip: six hexadecimal digits, red, green, blue
}

// Doors are the drives.
type Doors struct {
	Pulse  time.Duration `yaml:"pulse"`  // length of an open or close pulse
	Travel time.Duration `yaml:"travel"` // from one end contact to the other at the latest
	Facts  DoorFacts     `yaml:"facts"`
	// Unpowered is where the doors are without power or controller.
	Unpowered Unpowered `yaml:"unpowered"`
}

// Unpowered is the certified safe position of the doors without power, and without a controller: crashed, or reset by
// its watchdog (D-03). Wiring and drives keep it; the controller knows of it by the lines that it drives. It is the
// site's choice, and must leave a way out in the direction of escape and no other way across the border.
type Unpowered struct {
	Certificate string `yaml:"certificate"`     // the paper that says so
	Escape      string `yaml:"escape"`          // direction of escape: origin, across (the border) or both
	Entry       string `yaml:"entry,omitempty"` // open, free or shut; a one-step gate has none
	Exit        string `yaml:"exit"`
}

// Positions of a door without power.
const (
	Open = "open" // opened by spring or battery
	Free = "free" // unlocked, pushed open by hand
	Shut = "shut" // closed by its drive or spring and bolted: its lines are X_unlock and X_release in place of X_lock
)

// Directions of escape.
const (
	EscapeOrigin = "origin" // to the side of origin
	EscapeAcross = "across" // across the border
	EscapeBoth   = "both"
)

// check refuses positions that leave no way out, or one across the border that nobody certified.
func (u Unpowered) check(oneStep bool, at func(...string) string, bad func(string, string, ...any)) {
	where := func(key string) string { return at("doors", "unpowered", key) }
	if strings.TrimSpace(u.Certificate) == "" {
		bad(where("certificate"), "is missing: name the paper that says where the doors are without power (D-03)")
	}
	known := func(key, v string, of ...string) bool {
		if !slices.Contains(of, v) {
			bad(where(key), "must be %s, is %q (D-03)", strings.Join(of, ", "), v)
			return false
		}
		return true
	}
	ok := known("escape", u.Escape, EscapeOrigin, EscapeAcross, EscapeBoth)
	ok = known("exit", u.Exit, Open, Free, Shut) && ok
	if oneStep {
		if u.Entry != "" {
			bad(where("entry"), "is of a door that a one-step gate does not have: leave it out")
		}
	} else {
		ok = known("entry", u.Entry, Open, Free, Shut) && ok
	}
	if !ok {
		return
	}
	back, across := oneStep || u.Entry != Shut, u.Exit != Shut
	switch {
	case !back && !across:
		bad(at("doors", "unpowered"), "shuts both doors: without power nobody could leave the mantrap; the door in the direction of escape must be open or free (D-03)")
	case !back && u.Escape != EscapeAcross:
		bad(where("entry"), "is shut without power, and escape is to the side of origin: it must be open or free (D-03)")
	case !across && u.Escape != EscapeOrigin:
		bad(where("exit"), "is shut without power, and escape is across the border: it must be open or free, or escape: origin (D-03)")
	case across && u.Escape == EscapeOrigin:
		bad(where("exit"), "is %s without power: a way across the border that is no way of escape; it must be shut, or escape: across or both where the certificate says so (D-03)", u.Exit)
	case back && !oneStep && u.Escape == EscapeAcross:
		bad(where("entry"), "is %s without power beside an exit that is %s: a way across the border for everybody; it must be shut, or escape: both where the certificate says so (D-03)", u.Entry, u.Exit)
	}
}

// lines are the outputs with those of doors that are shut without power.
func (u Unpowered) lines(outputs []string) []string {
	out := slices.Clone(outputs)
	for door, position := range map[string]string{"entry": u.Entry, "exit": u.Exit} {
		if k := slices.Index(out, door+"_lock"); k >= 0 && position == Shut {
			out = slices.Replace(out, k, k+1, door+"_unlock", door+"_release")
		}
	}
	return out
}

// DoorFacts are what was measured at commissioning: the drive keeps them, the controller refuses to run without
// or beyond them. They are no safety function of egate (SAFETY.md).
type DoorFacts struct {
	LeafMass     float64   `yaml:"leaf_mass_kg"`
	LeafSpeed    float64   `yaml:"leaf_speed_mm_s"` // highest while closing
	ClosingForce float64   `yaml:"closing_force_n"`
	FingerGap    float64   `yaml:"finger_gap_mm"` // left between closing edges where the force is above byHandN
	HandForce    HandForce `yaml:"hand_force_n"`
	Detection    Detection `yaml:"detection_mm"`
	ClearWidth   float64   `yaml:"clear_width_mm"` // of the narrower door when open
}

// HandForce is what it takes to open a leaf by hand, in N.
type HandForce struct {
	Unlatch float64 `yaml:"unlatch"`
	Start   float64 `yaml:"start"`
	Open    float64 `yaml:"open"`
}

// Detection is how far before a leaf somebody is seen, in mm.
type Detection struct {
	Escape float64 `yaml:"escape"` // in the direction of escape
	Other  float64 `yaml:"other"`
}

// Limits of low-energy doors (D-06) and of detection zones (D-07).
const (
	maxLeafEnergy   = 1.69 // J
	maxClosingForce = 150  // N
	maxFingerGap    = 8    // mm
	byHandN         = 67   // N, above which the finger gap counts
	maxUnlatch      = 67
	maxStart        = 90
	maxOpen         = 67
	minEscape       = 1500 // mm
	minDetection    = 1000
)

// Lanes of a gate. EN 17352 does not cover lanes for people with special needs: a wide one says so itself.
const (
	StandardLane = "standard"
	WideLane     = "wide"
)

const (
	minWideMM    = 900 // for a wheelchair
	minClearMM   = 500
	wideMinLimit = 15 * time.Second // to enter, to stand clear of the door, to leave: twice what a walker needs
)

// checkLane refuses a wide lane that is too narrow or too quick for whom it is.
func (g *Gate) checkLane(at func(...string) string, bad func(string, string, ...any)) {
	w := g.Doors.Facts.ClearWidth
	switch {
	case !(w >= minClearMM):
		bad(at("doors", "facts", "clear_width_mm"), "must be %d mm at least, is %g: measure the narrower door", minClearMM, w)
	case g.Lane == WideLane && w < minWideMM:
		bad(at("doors", "facts", "clear_width_mm"), "must be %d mm at least in a wide lane, is %g (A-06)", minWideMM, w)
	}
	if g.Lane != WideLane {
		return
	}
	for key, v := range map[string]time.Duration{"no_show": g.Limits.NoShow, "secure": g.Limits.Secure, "release": g.Limits.Release} {
		if v < wideMinLimit {
			bad(at("limits", key), "must be %s at least in a wide lane, is %s (A-06)", wideMinLimit, v)
		}
	}
}

// Energy of a moving leaf in J.
func (f DoorFacts) Energy() float64 { v := f.LeafSpeed / 1000; return f.LeafMass * v * v / 2 }

// check refuses doors that were not measured or are beyond the limits of a low-energy door.
func (f DoorFacts) check(at func(...string) string, bad func(string, string, ...any)) {
	for _, x := range []struct {
		key      []string
		v        float64
		max      float64
		unit, id string
	}{
		{[]string{"leaf_mass_kg"}, f.LeafMass, 200, "kg", "D-06"}, {[]string{"leaf_speed_mm_s"}, f.LeafSpeed, 2000, "mm/s", "D-06"},
		{[]string{"closing_force_n"}, f.ClosingForce, maxClosingForce, "N", "D-06"}, {[]string{"hand_force_n", "unlatch"}, f.HandForce.Unlatch, maxUnlatch, "N", "D-06"},
		{[]string{"hand_force_n", "start"}, f.HandForce.Start, maxStart, "N", "D-06"}, {[]string{"hand_force_n", "open"}, f.HandForce.Open, maxOpen, "N", "D-06"},
	} {
		key := append([]string{"doors", "facts"}, x.key...)
		if !(x.v > 0) {
			bad(at(key...), "is missing: measure it at commissioning (%s)", x.id)
		} else if x.v > x.max {
			bad(at(key...), "must be %g %s at most, is %g (%s)", x.max, x.unit, x.v, x.id)
		}
	}
	if e := f.Energy(); e > maxLeafEnergy {
		bad(at("doors", "facts"), "a leaf of %g kg at %g mm/s has %.2f J, %.2f J is the most: a lighter leaf or a slower drive (D-06)", f.LeafMass, f.LeafSpeed, e, maxLeafEnergy)
	}
	if f.ClosingForce > byHandN && !(f.FingerGap >= 0 && f.FingerGap <= maxFingerGap) {
		bad(at("doors", "facts", "finger_gap_mm"), "must be %d mm at most with a closing force above %d N, is %g (D-06)", maxFingerGap, byHandN, f.FingerGap)
	}
	if !(f.Detection.Escape >= minEscape) {
		bad(at("doors", "facts", "detection_mm", "escape"), "must be %d mm at least in the direction of escape, is %g (D-07)", minEscape, f.Detection.Escape)
	}
	if !(f.Detection.Other >= minDetection) {
		bad(at("doors", "facts", "detection_mm", "other"), "must be %d mm at least, is %g (D-07)", minDetection, f.Detection.Other)
	}
}

// Devices are what the inspectors are leased.
type Devices struct {
	Scanner Device `yaml:"scanner"` // driver mrzscan, or wedge: one that types, device is its node under /dev/input
	NFC     Device `yaml:"nfc"`     // driver pn532, or pcsc: device is the socket of pcscd
	Camera  Camera `yaml:"camera"`
}

// Device is a serial device.
type Device struct {
	Driver string `yaml:"driver"`
	Device string `yaml:"device"`
	Baud   int    `yaml:"baud,omitempty"`
	Layout string `yaml:"layout,omitempty"` // wedge: keyboard layout that the scanner is set to, us or de
	Reader string `yaml:"reader,omitempty"` // pcsc: name of the reader or how it begins; empty for the only one
}

// Camera is the live camera.
type Camera struct {
	Driver string `yaml:"driver"` // v4l2 or simhal
	Device string `yaml:"device"`
	Width  int    `yaml:"width"`
	Height int    `yaml:"height"`
	// Turn is by how many degrees clockwise its picture must be turned to stand upright: a camera on its side sees
	// children and tall people without being tilted (F-02).
	Turn int `yaml:"turn,omitempty"`
	// Controls lock exposure, gain, focus and white balance, in this order: "exposure_auto: 1" (manual) before
	// "exposure_time_absolute: 200". The camera must keep what it was given.
	Controls []CameraControl `yaml:"controls,omitempty"`
}

// CameraControl is one control by its name in V4L2.
type CameraControl struct {
	Name  string `yaml:"name"`
	Value int32  `yaml:"value"`
}

// Hardware is what the devices are bound by, and who may work at the gate itself (M-09).
type Hardware struct {
	Pairing     string   `yaml:"pairing,omitempty"`     // signed pairing: egatectl hardware pair
	Technicians []string `yaml:"technicians,omitempty"` // Ed25519 public keys: who may pair, test and use the socket
	Officers    []string `yaml:"officers,omitempty"`    // Ed25519 public keys: who may countersign a pairing
	Socket      string   `yaml:"socket,omitempty"`      // unix socket for egatectl hardware on this machine; empty: none
}

// Inspect configures egate-inspect.
type Inspect struct {
	Program string `yaml:"program"` // egate-inspect; default: beside egated
	Models  string `yaml:"models"`  // folder of the model pack
	// ModelKeys are Ed25519 public keys of who may sign the pack. Outside simulation two of them must have (F-06).
	ModelKeys []string `yaml:"model_keys,omitempty"`
	Trust     string   `yaml:"trust"`            // signed trust bundle: CSCA certificates and CRLs
	TrustKey  string   `yaml:"trust_key"`        // Ed25519 public key of the bundle
	Policy    string   `yaml:"policy,omitempty"` // signed policy (egatectl policy); default: the built-in policy
	// PolicyKeys are Ed25519 public keys of who may sign the policy: two of them must have (F-06). A policy in plain
	// text, without keys, is for simulation only.
	PolicyKeys []string `yaml:"policy_keys,omitempty"`
	AllowBAC   bool     `yaml:"allow_bac"` // documents without PACE may be read
	// ForbidSHA1 makes signatures and hashes by SHA-1, which old documents have, "not possible".
	ForbidSHA1 bool `yaml:"forbid_sha1,omitempty"`
	Threads    int  `yaml:"threads"` // of the inference runtime
}

// Limits of the stages. Every stage has one (design: a passage, stage by stage).
type Limits struct {
	Document   time.Duration `yaml:"document"`    // document laid and MRZ read, per try
	Chip       time.Duration `yaml:"chip"`        // chip read
	Lookup     time.Duration `yaml:"lookup"`      // answer of the centre
	Lift       time.Duration `yaml:"lift"`        // document lifted after the check
	NoShow     time.Duration `yaml:"no_show"`     // entry door stands open for nobody
	Secure     time.Duration `yaml:"secure"`      // entry closed, exactly one person
	Capture    time.Duration `yaml:"capture"`     // live frames
	Decide     time.Duration `yaml:"decide"`      // verdict after the capture
	Release    time.Duration `yaml:"release"`     // exit door open until the person is out
	Clear      time.Duration `yaml:"clear"`       // doors closed, mantrap empty
	LeaveBack  time.Duration `yaml:"leave_back"`  // nobody moves on the way back until an officer is called (D-13)
	Referral   time.Duration `yaml:"referral"`    // an officer decides (P-08: the way back opens by itself at the cap)
	Commit     time.Duration `yaml:"commit"`      // evidence on disk
	LeaseGrace time.Duration `yaml:"lease_grace"` // without a valid lease until the gate closes for new travellers
	Warm       time.Duration `yaml:"warm"`        // an inspector says that it is ready
	Beat       time.Duration `yaml:"beat"`        // silence of an inspector
	Recover    time.Duration `yaml:"recover"`     // proving the mantrap empty after a start
	// Shift of an officer at the gate, until it takes no new traveller before another signs in, and how long before
	// its end the desk is told (O-02). A shift of 0 never ends.
	Shift        time.Duration `yaml:"shift"`
	ShiftWarning time.Duration `yaml:"shift_warning"`
}

// Sound is the policy of the sounder, where lines.outputs has one. How loud it is belongs to the part (docs/hardware.md).
type Sound struct {
	Limit time.Duration `yaml:"limit"` // the longest that one tone goes on, its pauses counted; 0: silent
}

// maxSound is the longest limit of a tone that a site may set.
const maxSound = 2 * time.Minute

// Wear are the thresholds of trends: beyond one the gate asks for a service (M-05). Nothing else follows from it.
type Wear struct {
	MotorPercent   int `yaml:"motor_percent"`       // travel time of a door over that of its first 50 cycles
	RetriesPercent int `yaml:"retries_percent"`     // documents that had to be read again, running average
	DropsPercent   int `yaml:"frame_drops_percent"` // frames of a capture that were not looked at, running average
	TemperatureC   int `yaml:"temperature_c"`       // of the board
}

// Watchdog is the hardware watchdog; an empty device means none.
type Watchdog struct {
	Device string `yaml:"device,omitempty"`
}

// Topologies of a gate (P-02).
const (
	Mantrap = "mantrap"  // entry and exit door
	OneStep = "one-step" // one door, a zone bounded by beams before it: entry_beam is its outer beam
)

// LineSounder is the output that sounds while it is High; a gate may have none.
const LineSounder = "sounder"

// EntryDoorLines are those that a one-step gate does not have.
var EntryDoorLines = []string{"entry_closed", "entry_open", "entry_open_pulse", "entry_close_pulse", "entry_lock"}

// Names of the lines of a mantrap; a one-step gate has no entry door. Beams follow as beam_01 …
var (
	mantrapInputs = []string{"entry_closed", "entry_open", "exit_closed", "exit_open", "entry_beam", "exit_beam",
		"fire_ok", "tamper_ok", "exit_request"}
	mantrapOutputs = []string{"entry_open_pulse", "entry_close_pulse", "exit_open_pulse", "exit_close_pulse",
		"entry_lock", "exit_lock", "release", "lamp_entry_green", "lamp_exit_green", "lamp_red", "beacon",
		"light_r", "light_g", "light_b"}
	// supplyInputs are those of a site whose gates have a battery: healthy while the mains are there.
	supplyInputs = []string{"power_ok"}
	// optionalOutputs are those that not every gate has: one puts out the transmitters of the beams for their self-test,
	// where they have an input for it (S-08), the other sounds.
	optionalOutputs = []string{"beam_test", LineSounder}
	// witnessInputs are those of other sources of the count than the beams, where a site has them (S-03).
	witnessInputs = []string{"overhead_ok", "overhead_occupied", "overhead_many", "mat_ok", "mat_occupied", "mat_many"}
	plainName     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	i2cNode       = regexp.MustCompile(`^/dev/i2c-[0-9]{1,3}$`)
	spiNode       = regexp.MustCompile(`^/dev/spidev[0-9]{1,3}\.[0-9]{1,2}$`)
	colour        = regexp.MustCompile(`^[0-9a-fA-F]{6}$`)
	lineName      = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)
	beamName      = regexp.MustCompile(`^beam_[0-9]{2}$`)
	langTag       = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
)

// exampleGate is what errors point to.
const exampleGate = "configs/gate.yaml"

// Defaults are the values of a gate in service.
func Defaults() Gate {
	return Gate{
		Topology:  Mantrap,
		Lane:      StandardLane,
		LengthMM:  1600,
		Languages: []string{"en", "fr", "es", "de", "ar", "uk"},
		Doors:     Doors{Pulse: 150 * time.Millisecond, Travel: 4 * time.Second},
		Devices:   Devices{Camera: Camera{Width: 720, Height: 960}},
		Inspect:   Inspect{Threads: 1},
		Limits: Limits{
			Document: 30 * time.Second, Chip: 25 * time.Second, Lookup: 5 * time.Second, Lift: 10 * time.Second,
			NoShow: 10 * time.Second, Secure: 8 * time.Second, Capture: 20 * time.Second, Decide: 5 * time.Second,
			Release: 15 * time.Second, Clear: 8 * time.Second, LeaveBack: 45 * time.Second, Referral: 2 * time.Minute,
			Commit: 2 * time.Second, LeaseGrace: 15 * time.Second, Warm: 20 * time.Second, Beat: 5 * time.Second,
			Recover: 10 * time.Second, Shift: time.Hour, ShiftWarning: 5 * time.Minute,
		},
		Sound: Sound{Limit: 30 * time.Second},
		Wear:  Wear{MotorPercent: 25, RetriesPercent: 50, DropsPercent: 60, TemperatureC: 80},
	}
}

// Load reads and checks the configuration of a gate. Every error names file, line and cure; all
// mistakes come at once.
func Load(path string) (Gate, error) {
	g := Defaults()
	f, err := Decode(path, &g, exampleGate)
	if err != nil {
		return Gate{}, err
	}
	if err := errors.Join(g.check(f.At)...); err != nil {
		return Gate{}, err
	}
	g.resolve(f)
	return g, nil
}

// parseGate is Load of bytes.
func parseGate(path string, raw []byte) (Gate, error) {
	g := Defaults()
	f, err := Parse(path, raw, &g, exampleGate)
	if err != nil {
		return Gate{}, err
	}
	return g, errors.Join(g.check(f.At)...)
}

func (g *Gate) resolve(f *File) {
	for _, p := range []*string{&g.StateDir, &g.Profile, &g.Keys.Gate, &g.Keys.Centre, &g.Keys.CentreSeal, &g.Keys.TPM, &g.Officers.Roster, &g.Officers.RosterKey, &g.Link.CAFile, &g.Link.CertFile,
		&g.Link.CertKeyFile, &g.Link.PasswordFile, &g.Lines.Device, &g.Devices.Scanner.Device, &g.Devices.NFC.Device,
		&g.Devices.Camera.Device, &g.Inspect.Program, &g.Inspect.Models, &g.Inspect.Trust,
		&g.Inspect.TrustKey, &g.Inspect.Policy, &g.Watchdog.Device, &g.Hardware.Pairing, &g.Hardware.Socket} {
		*p = f.Under(*p)
	}
	for _, l := range [][]string{g.Hardware.Technicians, g.Hardware.Officers} {
		for i, p := range l {
			l[i] = f.Under(p)
		}
	}
	for _, keys := range [][]string{g.Inspect.ModelKeys, g.Inspect.PolicyKeys} {
		for i, p := range keys {
			keys[i] = f.Under(p)
		}
	}
}

// pseudoTerminal is the name of one. Drivers refuse what such a name hides behind a link (serialhal).
var pseudoTerminal = regexp.MustCompile(`^/dev/(pts/|ptmx$|[pt]ty[p-za-e][0-9a-f]$)`)

// part is a device of the gate and where the configuration names it.
type part struct {
	key            []string
	driver, device string
}

func (g *Gate) parts() []part {
	return []part{
		{[]string{"lines"}, g.Lines.Driver, g.Lines.Device}, {[]string{"devices", "scanner"}, g.Devices.Scanner.Driver, g.Devices.Scanner.Device},
		{[]string{"devices", "nfc"}, g.Devices.NFC.Driver, g.Devices.NFC.Device}, {[]string{"devices", "camera"}, g.Devices.Camera.Driver, g.Devices.Camera.Device},
	}
}

// check returns every mistake, not only the first.
func (g *Gate) check(at func(...string) string) (errs []error) {
	bad := func(where, cure string, arg ...any) { errs = append(errs, fmt.Errorf(where+": "+cure, arg...)) }
	oneOf := func(val string, key []string, allowed ...string) {
		if !slices.Contains(allowed, val) {
			bad(at(key...), "must be one of %v, is %q", allowed, val)
		}
	}
	for key, v := range map[string]string{"site": g.Site, "gate": g.Gate} {
		if !plainName.MatchString(v) {
			bad(at(key), "must be 1 to 32 of a-z, 0-9 and \"-\"")
		}
	}
	oneOf(g.Topology, []string{"topology"}, Mantrap, OneStep)
	oneOf(g.Lane, []string{"lane"}, StandardLane, WideLane)
	g.checkLane(at, bad)
	if g.LengthMM < 800 || g.LengthMM > 4000 {
		bad(at("length_mm"), "must lie between 800 and 4000, is %d", g.LengthMM)
	}
	for _, f := range []struct {
		key []string
		val string
	}{
		{[]string{"state_dir"}, g.StateDir}, {[]string{"keys", "gate"}, g.Keys.Gate}, {[]string{"keys", "centre"}, g.Keys.Centre},
		{[]string{"keys", "centre_seal"}, g.Keys.CentreSeal}, {[]string{"lines", "device"}, g.Lines.Device},
		{[]string{"devices", "scanner", "device"}, g.Devices.Scanner.Device}, {[]string{"devices", "nfc", "device"}, g.Devices.NFC.Device},
		{[]string{"devices", "camera", "device"}, g.Devices.Camera.Device}, {[]string{"inspect", "models"}, g.Inspect.Models},
		{[]string{"inspect", "trust"}, g.Inspect.Trust}, {[]string{"inspect", "trust_key"}, g.Inspect.TrustKey},
	} {
		if f.val == "" {
			bad(at(f.key...), "is missing: name a file, folder or device")
		}
	}
	if len(g.Languages) == 0 {
		bad(at("languages"), "must list at least one language")
	}
	for _, l := range g.Languages {
		if !langTag.MatchString(l) {
			bad(at("languages"), "%q is no BCP 47 tag", l)
		}
	}
	g.checkLink(at, bad)
	if host, _, err := net.SplitHostPort(g.Display.Listen); err != nil {
		bad(at("display", "listen"), "must be host:port, e.g. 127.0.0.1:8070")
	} else if !loopback(host) {
		bad(at("display", "listen"), "must be a loopback address: the screen is on this machine")
	}
	oneOf(g.Lines.Driver, []string{"lines", "driver"}, "gpio", "simhal")
	g.checkLines(at, bad)
	oneOf(g.Devices.Scanner.Driver, []string{"devices", "scanner", "driver"}, "mrzscan", "wedge")
	if d := g.Devices.Scanner; d.Driver == "wedge" && d.Baud != 0 {
		bad(at("devices", "scanner", "baud"), "is of the driver mrzscan")
	} else if d.Driver == "wedge" {
		oneOf(d.Layout, []string{"devices", "scanner", "layout"}, "", "us", "de")
	} else if d.Layout != "" {
		bad(at("devices", "scanner", "layout"), "is of the driver wedge")
	}
	oneOf(g.Devices.NFC.Driver, []string{"devices", "nfc", "driver"}, "pn532", "pcsc")
	if d := g.Devices.NFC; d.Driver != "pcsc" && d.Reader != "" {
		bad(at("devices", "nfc", "reader"), "is of the driver pcsc")
	} else if d.Driver == "pcsc" && d.Baud != 0 {
		bad(at("devices", "nfc", "baud"), "is of the driver pn532")
	}
	oneOf(g.Devices.Camera.Driver, []string{"devices", "camera", "driver"}, "v4l2", "simhal")
	if c := g.Devices.Camera; c.Width < 320 || c.Width > 3840 || c.Height < 320 || c.Height > 3840 {
		bad(at("devices", "camera"), "width and height must lie between 320 and 3840 pixels")
	}
	if t := g.Devices.Camera.Turn; t != 0 && t != 90 && t != 180 && t != 270 {
		bad(at("devices", "camera", "turn"), "must be 0, 90, 180 or 270 degrees clockwise")
	}
	if !g.Simulated {
		for _, d := range g.parts() {
			if d.driver == "simhal" {
				bad(at(append(d.key, "driver")...), "simhal is for the simulation: a gate in service has real lines and a real camera, or says simulated: true")
			}
			if pseudoTerminal.MatchString(d.device) {
				bad(at(append(d.key, "device")...), "%s is a pseudo-terminal: behind it is a program, not a device", d.device)
			}
		}
		if g.Hardware.Pairing == "" || len(g.Hardware.Technicians) == 0 || len(g.Hardware.Officers) == 0 {
			bad(at("hardware"), "needs pairing, technicians and officers: the devices of a gate in service are bound to it (X-04)")
		}
		if g.Keys.TPM == "" && !g.Keys.InFiles {
			bad(at("keys"), "the private keys of a gate in service are in a TPM 2.0 (X-05): make them there and say tpm: /dev/tpmrm0, or accept plain files, and the warning, with in_files: true")
		}
		if len(g.Inspect.ModelKeys) < 2 {
			bad(at("inspect", "model_keys"), "needs the keys of two persons or more: a gate in service loads model packs only that two have signed")
		}
	}
	if g.Keys.TPM != "" && g.Keys.InFiles {
		bad(at("keys", "in_files"), "is for a gate without a TPM")
	}
	if g.Hardware.Socket != "" && len(g.Hardware.Technicians) == 0 {
		bad(at("hardware", "technicians"), "is missing: nobody could use the socket")
	}
	if g.Inspect.Policy != "" && len(g.Inspect.PolicyKeys) < 2 && (!g.Simulated || len(g.Inspect.PolicyKeys) > 0) {
		bad(at("inspect", "policy_keys"), "needs the keys of two persons or more: two have to sign a policy (F-06); one in plain text, without keys, is for simulation only")
	}
	if g.Inspect.Threads < 1 || g.Inspect.Threads > 16 {
		bad(at("inspect", "threads"), "must lie between 1 and 16")
	}
	if g.Doors.Pulse < 50*time.Millisecond || g.Doors.Pulse > 2*time.Second {
		bad(at("doors", "pulse"), "must lie between 50ms and 2s (D-09), is %s", g.Doors.Pulse)
	}
	if g.Doors.Travel < 500*time.Millisecond || g.Doors.Travel > 30*time.Second {
		bad(at("doors", "travel"), "must lie between 500ms and 30s, is %s", g.Doors.Travel)
	}
	if g.Sound.Limit < 0 || g.Sound.Limit > maxSound {
		bad(at("sound", "limit"), "must lie between 0, which is silence, and %s, is %s", maxSound, g.Sound.Limit)
	}
	g.Doors.Facts.check(at, bad)
	g.Doors.Unpowered.check(g.Topology == OneStep, at, bad)
	for _, l := range g.Limits.list() {
		if l.val < l.min || l.val > l.max {
			bad(at("limits", l.key), "must lie between %s and %s, is %s", l.min, l.max, l.val)
		}
	}
	return errs
}

func (g *Gate) checkLink(at func(...string) string, bad func(string, string, ...any)) {
	tls, err := g.Link.Broker.Check()
	if err != nil {
		bad(at("link", "broker"), "%w", err)
	}
	if g.Officers.RosterKey == "" {
		bad(at("officers", "roster_key"), "is missing: the public key of who signs the roster of officers (egatectl roster sign)")
	}
	for _, f := range []struct{ key, val, what string }{{"ca_file", g.Link.CAFile, "the brokers' certificate authority"},
		{"cert_file", g.Link.CertFile, "the certificate of this gate (egatectl pki)"}, {"cert_key_file", g.Link.CertKeyFile, "the key of the certificate"}} {
		if tls && f.val == "" {
			bad(at("link", f.key), "is missing: tls needs %s (X-01)", f.what)
		}
	}
}

func (g *Gate) checkLines(at func(...string) string, bad func(string, string, ...any)) {
	used, named := map[int]string{}, map[string]string{}
	side := func(key string, have map[string]Line, need []string, beams bool) {
		for _, n := range need {
			if _, ok := have[n]; !ok {
				bad(at("lines", key), "line %q is missing", n)
			}
		}
		names := make([]string, 0, len(have))
		for n := range have {
			names = append(names, n)
		}
		sort.Strings(names)
		for _, n := range names {
			l := have[n]
			witness := beams && slices.Contains(witnessInputs, n)
			if witness {
				name, _, _ := strings.Cut(n, "_")
				for _, other := range []string{"_ok", "_occupied"} {
					if _, ok := have[name+other]; !ok {
						bad(at("lines", key, n), "needs line %q too: a witness supervises itself and says whether it sees anybody (S-03)", name+other)
					}
				}
			}
			switch {
			case !witness && !slices.Contains(need, n) && !(beams && (beamName.MatchString(n) || slices.Contains(supplyInputs, n))) && (beams || !slices.Contains(optionalOutputs, n)):
				bad(at("lines", key, n), "is no line of this topology: known are %v%s", need, map[bool]string{true: " beam_01 … and those of witnesses (overhead_ok …)"}[beams])
			case l.Bus != "":
				g.checkLamp(at("lines", key, n), n, l, bad)
				continue // its pin is on another chip
			case len(l.LEDs) > 0 || l.Colour != "":
				bad(at("lines", key, n), "leds and colour belong to a lamp on a bus: name the bus")
			case g.Lines.Driver == "gpio" && (l.Pin == nil) == (l.Name == ""):
				bad(at("lines", key, n), "needs pin, the offset of the line on %s, or name, the kernel's name of it (gpioinfo lists them)", g.Lines.Device)
			case l.Pin != nil && (*l.Pin < 0 || *l.Pin > 1023):
				bad(at("lines", key, n), "pin must lie between 0 and 1023, is %d", *l.Pin)
			case l.Bias != "" && (!beams || !slices.Contains([]string{"none", "pull-up", "pull-down"}, l.Bias)):
				bad(at("lines", key, n), "bias must be none, pull-up or pull-down, and belongs to inputs")
			}
			if l.Pin != nil {
				if o, twice := used[*l.Pin]; twice {
					bad(at("lines", key, n), "pin %d is wired to %s already", *l.Pin, o)
				}
				used[*l.Pin] = n
			}
			if o, twice := named[l.Name]; twice && l.Name != "" {
				bad(at("lines", key, n), "%s is wired to %s already", l.Name, o)
			}
			named[l.Name] = n
		}
	}
	inputs, outputs := mantrapInputs, mantrapOutputs
	if g.Topology == OneStep {
		entry := func(n string) bool { return slices.Contains(EntryDoorLines, n) }
		inputs, outputs = slices.DeleteFunc(slices.Clone(inputs), entry), slices.DeleteFunc(slices.Clone(outputs), entry)
	}
	outputs = g.Doors.Unpowered.lines(outputs)
	g.checkBuses(at, bad)
	side("inputs", g.Lines.Inputs, inputs, true)
	side("outputs", g.Lines.Outputs, outputs, false)
	n := 0
	for name := range g.Lines.Inputs {
		if beamName.MatchString(name) {
			n++
		}
	}
	if n < 4 {
		bad(at("lines", "inputs"), "at least 4 beams are needed to count people, %d are listed", n)
	}
}

// checkLamp checks a line that hangs on a bus.
func (g *Gate) checkLamp(where, name string, l Line, bad func(string, string, ...any)) {
	b, ok := g.Lines.Buses[l.Bus]
	switch {
	case !strings.HasPrefix(name, "lamp_") && !strings.HasPrefix(name, "light_") && name != "beacon":
		bad(where, "only lamps may hang on a bus: what moves, locks or releases a door is a line of its own, because a chip on a bus keeps its outputs when the controller dies (D-09)")
	case !ok:
		bad(where, "bus %q is not under lines.buses", l.Bus)
	case l.Name != "" || l.ActiveLow || l.Bias != "":
		bad(where, "name, active_low and bias do not go with a bus")
	case b.Driver == "mcp23017" && (l.Pin == nil || *l.Pin < 0 || *l.Pin > 15 || len(l.LEDs) > 0 || l.Colour != ""):
		bad(where, "needs pin, 0 to 15 (GPA0 to GPB7), and nothing else beside the bus")
	case b.Driver == "apa102" && (l.Pin != nil || len(l.LEDs) != 2 || l.LEDs[0] < 0 || l.LEDs[1] < l.LEDs[0] || l.LEDs[1] >= b.LEDs):
		bad(where, "needs leds: [first, last] on a strip of %d", b.LEDs)
	case b.Driver == "apa102" && !colour.MatchString(l.Colour):
		bad(where, "needs colour: six hexadecimal digits, red, green, blue")
	}
}

// checkBuses checks the buses themselves.
func (g *Gate) checkBuses(at func(...string) string, bad func(string, string, ...any)) {
	for n, b := range g.Lines.Buses {
		switch where := at("lines", "buses", n); {
		case g.Lines.Driver != "gpio":
			bad(where, "goes with lines of driver gpio only")
		case !lineName.MatchString(n):
			bad(where, "its name must be 1 to 32 of a-z, 0-9 and \"_\"")
		case b.Driver == "mcp23017" && (!i2cNode.MatchString(b.Device) || b.Address < 0x20 || b.Address > 0x27 || b.LEDs != 0):
			bad(where, "an mcp23017 needs device: /dev/i2c-N and address: 0x20 to 0x27")
		case b.Driver == "apa102" && (!spiNode.MatchString(b.Device) || b.LEDs < 1 || b.LEDs > 1024 || b.Address != 0):
			bad(where, "an apa102 needs device: /dev/spidevN.M and leds: 1 to 1024")
		case b.Driver != "mcp23017" && b.Driver != "apa102":
			bad(where, "driver must be mcp23017 or apa102, is %q", b.Driver)
		}
	}
}

type limit struct {
	key           string
	val, min, max time.Duration
}

func (l Limits) list() []limit {
	s := time.Second
	return []limit{
		{"document", l.Document, 5 * s, 120 * s}, {"chip", l.Chip, 5 * s, 60 * s}, {"lookup", l.Lookup, s, 30 * s},
		{"lift", l.Lift, 2 * s, 60 * s}, {"no_show", l.NoShow, 3 * s, 60 * s}, {"secure", l.Secure, 3 * s, 60 * s},
		{"capture", l.Capture, 5 * s, 60 * s}, {"decide", l.Decide, s, 30 * s}, {"release", l.Release, 3 * s, 60 * s},
		{"clear", l.Clear, 2 * s, 60 * s}, {"leave_back", l.LeaveBack, 3 * s, 120 * s}, {"referral", l.Referral, 10 * s, 15 * 60 * s},
		{"commit", l.Commit, 200 * time.Millisecond, 10 * s}, {"lease_grace", l.LeaseGrace, 2 * s, 60 * s}, {"warm", l.Warm, 2 * s, 180 * s},
		{"beat", l.Beat, 2 * s, 15 * s}, {"recover", l.Recover, 2 * s, 60 * s},
		{"shift", l.Shift, shiftMin(l.Shift), 24 * time.Hour}, {"shift_warning", l.ShiftWarning, 0, l.Shift},
	}
}

// shiftMin is the least value of a shift: 0 is one that never ends.
func shiftMin(d time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	return time.Minute
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
