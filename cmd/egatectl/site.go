package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"egate/configs"
	"egate/emrtd/issue"
)

// siteInit makes a throw-away site for the simulator. Keys are fresh each time, and every page and
// event of it says "simulation".
func siteInit(_ context.Context, out io.Writer, args []string) error {
	f := flags("site init", out)
	sim := f.Bool("simulation", false, "make a throw-away site (the only kind that is made by one command)")
	gates := f.Int("gates", 1, "how many gates the line has")
	models := f.String("models", "", "folder of the model pack (default: .cache/models beside the folder of the programs)")
	topology := f.String("topology", configs.Mantrap, "how the gates are built: mantrap or one-step")
	name := f.String("site", "sim", "name of the site")
	unpowered := f.String("unpowered", "both,open,open", "escape, entry and exit without power, as origin,free,shut (D-03)")
	broker := f.String("broker", "", "loopback host:port of a broker that runs already (default: the console's embedded one)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errUsage
	}
	if !*sim {
		return errors.New("a site in service is made step by step, with its keys in its own hands: see the README, \"On a real gate\"; a throw-away one with --simulation")
	}
	if *gates < 1 || *gates > 8 {
		return errors.New("--gates must lie between 1 and 8")
	}
	if *topology != configs.Mantrap && *topology != configs.OneStep {
		return fmt.Errorf("--topology must be %s or %s", configs.Mantrap, configs.OneStep)
	}
	where := strings.Split(*unpowered, ",")
	if len(where) != 3 {
		return errors.New("--unpowered is three words: escape, entry and exit, as origin,free,shut")
	}
	if *models == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		*models = filepath.Join(filepath.Dir(self), "..", ".cache", "models")
	}
	abs, err := filepath.Abs(*models)
	if err != nil {
		return err
	}
	s := &site{dir: f.Arg(0), name: *name, models: abs, broker: *broker, topology: *topology, unpowered: where, now: time.Now()}
	if err := s.make(*gates); err != nil {
		return fmt.Errorf("site init: %w", err)
	}
	fmt.Fprintf(out, "made the throw-away site %q in %s: %d gate(s)\n", s.name, s.dir, *gates)
	return nil
}

// site is being made.
type site struct {
	dir, name, models string
	broker            string // external broker, empty for the embedded one
	topology          string
	unpowered         []string // escape, entry, exit
	now               time.Time
}

// simulation is what the simulator reads: where everything is.
type simulation struct {
	Site      string     `json:"site"`
	Gates     []simGate  `json:"gates"`
	Console   simConsole `json:"console"`
	WatchList string     `json:"watchlist"`
	Issuer    string     `json:"issuer_dir"`
}

type simGate struct {
	Name     string `json:"name"`
	Topology string `json:"topology"`
	// Entry and Exit are where the doors are without power.
	Entry   string `json:"entry_unpowered,omitempty"`
	Exit    string `json:"exit_unpowered"`
	Config  string `json:"config"`
	Lines   string `json:"lines_socket"`
	Camera  string `json:"camera_socket"`
	Scanner string `json:"scanner_device"`
	NFC     string `json:"nfc_device"`
	Display string `json:"display_url"`
	Broker  string `json:"broker"`
	State   string `json:"state_dir"`
}

type simConsole struct {
	Config  string     `json:"config"`
	URL     string     `json:"url"`
	Broker  string     `json:"broker"`
	State   string     `json:"state_dir"`
	Officer simOfficer `json:"officer"`
	// Colleague has no place on the pages: the simulator signs him in when a line is handed over.
	Colleague simOfficer `json:"colleague"`
}

// simOfficer is the demo officer with his passkey, which is on the roster of this throw-away site only.
type simOfficer struct {
	Name       string `json:"name"`
	Credential string `json:"credential"`
	Seed       string `json:"seed"`
}

func (s *site) make(gates int) error {
	if l, err := os.ReadDir(s.dir); err == nil && len(l) > 0 {
		return fmt.Errorf("%s is not empty: name a new folder", s.dir)
	}
	for _, d := range []string{"keys", "issuer", "dev", "state/console"} {
		if err := os.MkdirAll(filepath.Join(s.dir, d), 0o700); err != nil {
			return err
		}
	}
	if err := s.trust(); err != nil {
		return err
	}
	if err := s.centreKeys(); err != nil {
		return err
	}
	broker := s.broker
	if broker == "" {
		var err error
		if broker, err = freePort(); err != nil {
			return err
		}
	}
	desk, err := freePort()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(desk)
	if err != nil {
		return err
	}
	url := "http://localhost:" + port // a passkey belongs to a host name
	officer, colleague, err := s.roster(url, gates)
	if err != nil {
		return err
	}
	out := simulation{Site: s.name, WatchList: "watchlist.yaml", Issuer: "issuer",
		Console: simConsole{Config: "console.yaml", URL: url, Broker: broker, State: "state/console", Officer: officer, Colleague: colleague}}
	for n := 1; n <= gates; n++ {
		g, err := s.gate(gateName(n))
		if err != nil {
			return err
		}
		out.Gates = append(out.Gates, g)
	}
	if err := s.console(out, desk); err != nil {
		return err
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	return s.write("simulation.json", append(b, '\n'))
}

// trust makes a simulated issuing authority and the signed bundle that knows it.
func (s *site) trust() error {
	a, err := issue.NewAuthority("UTO", rand.Reader, s.now)
	if err != nil {
		return err
	}
	if err := issue.SaveAuthority(a, filepath.Join(s.dir, "issuer")); err != nil {
		return err
	}
	b, err := issue.Bundle(s.name, 1, s.now, a)
	if err != nil {
		return err
	}
	key, err := s.signing("keys/trust")
	if err != nil {
		return err
	}
	signed, err := b.Sign(key)
	if err != nil {
		return err
	}
	return s.write("trust.json", signed)
}

// gate writes keys and configuration of one gate, from the simulation profile.
func (s *site) gate(name string) (simGate, error) {
	if _, err := s.signing("keys/" + name); err != nil {
		return simGate{}, err
	}
	screen, err := freePort()
	if err != nil {
		return simGate{}, err
	}
	broker, err := freePort()
	if err != nil {
		return simGate{}, err
	}
	g, err := configs.Example(configs.SimYAML)
	if err != nil {
		return simGate{}, err
	}
	run := "run/" + name
	if err := os.MkdirAll(filepath.Join(s.dir, run), 0o700); err != nil {
		return simGate{}, err
	}
	g.Site, g.Gate, g.StateDir = s.name, name, "state/"+name
	g.Officers.Roster, g.Officers.RosterKey = rosterFile, "keys/roster.pub"
	g.Keys.Gate, g.Link.Broker, g.Display.Listen = "keys/"+name+".key", configs.Brokers{"tcp://" + broker}, screen
	g.Lines.Device, g.Devices.Camera.Device = run+"/lines.sock", run+"/camera.sock"
	g.Devices.Scanner.Device, g.Devices.NFC.Device = "dev/"+name+"-scanner", "dev/"+name+"-nfc"
	g.Inspect.Models = s.models
	if g.Topology = s.topology; g.Topology == configs.OneStep {
		for _, n := range configs.EntryDoorLines {
			delete(g.Lines.Inputs, n)
			delete(g.Lines.Outputs, n)
		}
	}
	u := &g.Doors.Unpowered
	u.Certificate, u.Escape, u.Entry, u.Exit = "simulation", s.unpowered[0], s.unpowered[1], s.unpowered[2]
	if g.Topology == configs.OneStep {
		u.Entry = ""
	}
	for door, position := range map[string]string{"entry": u.Entry, "exit": u.Exit} {
		if position == configs.Shut {
			delete(g.Lines.Outputs, door+"_lock")
			g.Lines.Outputs[door+"_unlock"], g.Lines.Outputs[door+"_release"] = configs.Line{}, configs.Line{}
		}
	}
	b, err := yaml.Marshal(g)
	if err != nil {
		return simGate{}, err
	}
	if err := s.write(name+".yaml", append([]byte("# Simulation: made by egatectl site init.\n"), b...)); err != nil {
		return simGate{}, err
	}
	return simGate{Name: name, Topology: g.Topology, Entry: u.Entry, Exit: u.Exit, Config: name + ".yaml", Lines: g.Lines.Device, Camera: g.Devices.Camera.Device,
		Scanner: g.Devices.Scanner.Device, NFC: g.Devices.NFC.Device, Display: "http://" + screen, Broker: broker, State: g.StateDir}, nil
}

// signing makes an Ed25519 pair: NAME.key and NAME.pub.
func (s *site) signing(name string) (ed25519.PrivateKey, error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return priv, errors.Join(s.key(name+".key", priv.Seed()), s.key(name+".pub", pub))
}

// key writes one line of hexadecimal digits.
func (s *site) key(name string, b []byte) error {
	return s.write(name, []byte(hex.EncodeToString(b)+"\n"))
}

func (s *site) write(name string, b []byte) error {
	return os.WriteFile(filepath.Join(s.dir, name), b, 0o600)
}

// freePort finds a loopback port that nobody listens on now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
