package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"time"

	"egate/configs"
	"egate/console/centre"
	"egate/console/server"
)

// Config is the console's configuration file. Relative paths are taken from the folder of the file.
// Times are written with their unit ("60s").
type Config struct {
	Site      string `yaml:"site"`      // name of the site, as in the topics
	Simulated bool   `yaml:"simulated"` // marks every page; the demo officer needs it
	DataDir   string `yaml:"data_dir"`  // history database and the centre's own state

	Listen   string        `yaml:"listen"`     // address of the officers' pages, host:port
	IdleOpen time.Duration `yaml:"idle_close"` // no input for so long closes dossiers, 5s … 60s (O-06)
	IdleOut  time.Duration `yaml:"idle_out"`   // no input for so long signs out, longer than idle_close

	Broker BrokerConfig `yaml:"broker"`

	KeyFile     string       `yaml:"key_file"`      // the centre's signing key, 32-byte Ed25519 seed in hex
	SealKeyFile string       `yaml:"seal_key_file"` // the centre's HPKE private key (look-ups), hex
	Gates       []GateConfig `yaml:"gates"`
	RosterFile  string       `yaml:"roster_file"`     // who may sign in and order what, signed offline; read again when it changes
	RosterKey   string       `yaml:"roster_key_file"` // public key of who signs it
	Demo        *DemoConfig  `yaml:"demo_officer"`    // named on the sign-in page; simulation only
	WatchList   string       `yaml:"watch_list"`      // YAML: documents, names; read again when it changes

	GatesPerOfficer int           `yaml:"gates_per_officer"` // gates that one officer holds open (O-01)
	RepeatWindow    time.Duration `yaml:"repeat_window"`     // a document used again within it goes to an officer (P-12); 0s in simulation only
	HistoryKeep     time.Duration `yaml:"history_keep"`      // events older than this are deleted (DP-08)
}

// BrokerConfig says which broker carries the link: exactly one of Listen and URL is set.
type BrokerConfig struct {
	Listen   string          `yaml:"listen,omitempty"`        // the embedded broker listens here, host:port
	URL      configs.Brokers `yaml:"url,omitempty"`           // external brokers, best first, e.g. tls://broker.example:8883
	CAFile   string          `yaml:"ca_file,omitempty"`       // of the external broker; of the clients of the embedded one
	CertFile string          `yaml:"cert_file,omitempty"`     // shown to the external broker; to the clients of the embedded one
	CertKey  string          `yaml:"cert_key_file,omitempty"` // to cert_file
	CRLFile  string          `yaml:"crl_file,omitempty"`      // of the embedded broker: certificates that were revoked
}

// TLS tells whether certificates are named.
func (b BrokerConfig) TLS() bool { return b.CAFile != "" || b.CertFile != "" || b.CertKey != "" }

// DemoConfig is the demo officer of a simulation: the pages play his authenticator. Outside of one it is refused: a
// page that holds a passkey has no place in service.
type DemoConfig struct {
	Name       string `yaml:"name"`
	Credential string `yaml:"credential"` // id of his passkey on the roster, hex
	Seed       string `yaml:"seed"`       // its Ed25519 seed, hex
}

// passkey is what the pages play.
func (d *DemoConfig) passkey() (*server.Demo, error) {
	id, err1 := hex.DecodeString(d.Credential)
	seed, err2 := hex.DecodeString(d.Seed)
	if errors.Join(err1, err2) != nil || d.Name == "" || len(id) == 0 || len(seed) != ed25519.SeedSize {
		return nil, errors.New("needs name, credential and seed (hexadecimal digits), as egatectl site init --simulation writes them")
	}
	return &server.Demo{Name: d.Name, Credential: id, Seed: seed, Public: ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)}, nil
}

// GateConfig is one gate of the line.
type GateConfig struct {
	Name    string `yaml:"name"`
	KeyFile string `yaml:"key_file"` // the gate's public Ed25519 key, hex
}

// Limits of the configuration.
const (
	maxGates       = 32 // of one line: what a desk can show
	maxIdleOpen    = 60 * time.Second
	minIdleOpen    = 5 * time.Second
	defaultIdleOut = 15 * time.Minute
	minKeep        = 24 * time.Hour
	maxRepeat      = time.Hour // what is remembered is little and short-lived
	maxKeep        = 5 * 366 * 24 * time.Hour
)

// defaults of the configuration.
func defaults() Config {
	return Config{IdleOpen: maxIdleOpen, IdleOut: defaultIdleOut, GatesPerOfficer: centre.DefaultGatesPerOfficer, HistoryKeep: centre.DefaultKeep, RepeatWindow: centre.DefaultRepeatWindow}
}

// exampleConfig is what errors point to.
const exampleConfig = "configs/console.example.yaml"

var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// LoadConfig reads and checks a configuration. Every error names file, line and cure.
func LoadConfig(path string) (Config, error) {
	c := defaults()
	f, err := configs.Decode(path, &c, exampleConfig)
	if err != nil {
		return Config{}, fmt.Errorf("egate-console: %w", err)
	}
	return c.finish(f)
}

func parseConfig(path string, raw []byte) (Config, error) {
	c := defaults()
	f, err := configs.Parse(path, raw, &c, exampleConfig)
	if err != nil {
		return Config{}, err
	}
	return c.finish(f)
}

func (c Config) finish(f *configs.File) (Config, error) {
	if err := errors.Join(c.check(f.At)...); err != nil {
		return Config{}, err
	}
	for _, p := range []*string{&c.DataDir, &c.KeyFile, &c.SealKeyFile, &c.RosterFile, &c.RosterKey, &c.WatchList, &c.Broker.CAFile, &c.Broker.CertFile, &c.Broker.CertKey, &c.Broker.CRLFile} {
		*p = f.Under(*p)
	}
	for i := range c.Gates {
		c.Gates[i].KeyFile = f.Under(c.Gates[i].KeyFile)
	}
	return c, nil
}

// check returns every mistake, not only the first.
func (c *Config) check(at func(...string) string) (errs []error) {
	bad := func(where, cure string, arg ...any) { errs = append(errs, fmt.Errorf(where+": "+cure, arg...)) }
	if !plainName.MatchString(c.Site) {
		bad(at("site"), "must be 1 to 32 of a-z, 0-9 and \"-\"")
	}
	for _, f := range []struct{ key, val string }{
		{"data_dir", c.DataDir}, {"key_file", c.KeyFile}, {"seal_key_file", c.SealKeyFile},
		{"roster_file", c.RosterFile}, {"roster_key_file", c.RosterKey}, {"watch_list", c.WatchList},
	} {
		if f.val == "" {
			bad(at(f.key), "is missing: name a file or folder")
		}
	}
	if host, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad(at("listen"), "must be host:port, e.g. 127.0.0.1:8090")
	} else if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		bad(at("listen"), "must be a loopback address: another desk reaches the pages through a TLS terminator on this machine")
	}
	if c.Demo != nil && !c.Simulated {
		bad(at("demo_officer"), "needs simulated: true; remove it in service")
	} else if c.Demo != nil {
		if _, err := c.Demo.passkey(); err != nil {
			bad(at("demo_officer"), "%v", err)
		}
	}
	if c.IdleOpen < minIdleOpen || c.IdleOpen > maxIdleOpen {
		bad(at("idle_close"), "must lie between %s and %s, is %s", minIdleOpen, maxIdleOpen, c.IdleOpen)
	}
	if c.IdleOut <= c.IdleOpen || c.IdleOut > 12*time.Hour {
		bad(at("idle_out"), "must be longer than idle_close and at most 12h, is %s", c.IdleOut)
	}
	switch {
	case (c.Broker.Listen == "") == (len(c.Broker.URL) == 0):
		bad(at("broker"), "set exactly one of listen (embedded broker) and url (external broker)")
	case c.Broker.Listen != "":
		host, _, err := net.SplitHostPort(c.Broker.Listen)
		ip, notIP := netip.ParseAddr(host)
		switch {
		case err != nil:
			bad(at("broker", "listen"), "must be host:port")
		case c.Broker.TLS() && (c.Broker.CAFile == "" || c.Broker.CertFile == "" || c.Broker.CertKey == ""):
			bad(at("broker"), "TLS of the embedded broker needs ca_file, cert_file and cert_key_file")
		case !c.Broker.TLS() && host != "localhost" && (notIP != nil || !ip.IsLoopback()):
			bad(at("broker", "listen"), "gates on other machines need TLS: set ca_file, cert_file and cert_key_file, or a loopback address")
		}
	default:
		tls, err := c.Broker.URL.Check()
		if err != nil {
			bad(at("broker", "url"), "%w", err)
		}
		if tls && (c.Broker.CAFile == "" || c.Broker.CertFile == "" || c.Broker.CertKey == "") {
			bad(at("broker"), "tls needs ca_file, cert_file and cert_key_file (X-01)")
		}
	}
	if c.Broker.CRLFile != "" && (c.Broker.Listen == "" || !c.Broker.TLS()) {
		bad(at("broker", "crl_file"), "is for the embedded broker with TLS: an external one has its own list")
	}
	if c.GatesPerOfficer < 1 || c.GatesPerOfficer > maxGates {
		bad(at("gates_per_officer"), "must lie between 1 and %d, is %d", maxGates, c.GatesPerOfficer)
	}
	if c.RepeatWindow < 0 || c.RepeatWindow > maxRepeat || c.RepeatWindow == 0 && !c.Simulated {
		bad(at("repeat_window"), "must lie between 1s and %s, and may be 0s (never) in simulation only; is %s", maxRepeat, c.RepeatWindow)
	}
	if c.HistoryKeep < minKeep || c.HistoryKeep > maxKeep {
		bad(at("history_keep"), "must lie between %s and %s, is %s", minKeep, maxKeep, c.HistoryKeep)
	}
	if len(c.Gates) == 0 || len(c.Gates) > maxGates {
		bad(at("gates"), "must list 1 to %d gates, lists %d", maxGates, len(c.Gates))
	}
	seen := map[string]bool{}
	for _, g := range c.Gates {
		switch {
		case !plainName.MatchString(g.Name):
			bad(at("gates"), "name %q must be 1 to 32 of a-z, 0-9 and \"-\"", g.Name)
		case seen[g.Name]:
			bad(at("gates"), "gate %q is listed twice", g.Name)
		case g.KeyFile == "":
			bad(at("gates"), "gate %q has no key_file", g.Name)
		}
		seen[g.Name] = true
	}
	return errs
}
