package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
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

	KeyFile      string       `yaml:"key_file"`      // the centre's signing key, 32-byte Ed25519 seed in hex
	SealKeyFile  string       `yaml:"seal_key_file"` // the centre's HPKE private key (look-ups), hex
	Gates        []GateConfig `yaml:"gates"`
	OfficersFile string       `yaml:"officers_file"` // who may sign in
	Demo         *DemoConfig  `yaml:"demo_officer"`  // named on the sign-in page; simulation only
	WatchList    string       `yaml:"watch_list"`    // YAML: documents, names; read again when it changes
}

// BrokerConfig says which broker carries the link: exactly one of Listen and URL is set.
type BrokerConfig struct {
	Listen   string `yaml:"listen,omitempty"`  // the embedded broker listens here, host:port
	URL      string `yaml:"url,omitempty"`     // an external broker, e.g. tls://broker.example:8883
	CAFile   string `yaml:"ca_file,omitempty"` // of an external broker
	CertFile string `yaml:"cert_file,omitempty"`
	CertKey  string `yaml:"cert_key_file,omitempty"`
}

// DemoConfig is the demo officer of a simulation. Outside of one it is refused: a page that names a
// secret has no place in service.
type DemoConfig struct {
	Name   string `yaml:"name"`
	Secret string `yaml:"secret"`
}

// GateConfig is one gate of the line.
type GateConfig struct {
	Name    string `yaml:"name"`
	KeyFile string `yaml:"key_file"` // the gate's public Ed25519 key, hex
}

// Limits of the configuration.
const (
	maxConfig      = 256 << 10 // bytes of the file
	maxGates       = 32        // of one line: what a desk can show
	maxIdleOpen    = 60 * time.Second
	minIdleOpen    = 5 * time.Second
	defaultIdleOut = 15 * time.Minute
)

var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// LoadConfig reads and checks a configuration. Every error names file, line and cure.
func LoadConfig(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("egate-console: config: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return Config{}, fmt.Errorf("egate-console: config: %w", err)
	}
	if len(raw) > maxConfig {
		return Config{}, fmt.Errorf("egate-console: config: %s: longer than %d bytes", path, maxConfig)
	}
	return parseConfig(path, raw)
}

func parseConfig(path string, raw []byte) (Config, error) {
	c := Config{IdleOpen: maxIdleOpen, IdleOut: defaultIdleOut}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		return Config{}, located(path, err)
	}
	var extra any
	if err := dec.Decode(&extra); !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("%s: one document is expected, there are more: remove what follows \"---\"", path)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(raw, &root); err != nil {
		return Config{}, located(path, err)
	}
	at := func(key ...string) string {
		return fmt.Sprintf("%s:%d: %s", path, lineOf(&root, key), strings.Join(key, "."))
	}
	if err := errors.Join(c.check(at)...); err != nil {
		return Config{}, err
	}
	dir := filepath.Dir(path)
	for _, p := range []*string{&c.DataDir, &c.KeyFile, &c.SealKeyFile, &c.OfficersFile, &c.WatchList, &c.Broker.CAFile, &c.Broker.CertFile, &c.Broker.CertKey} {
		*p = under(dir, *p)
	}
	for i := range c.Gates {
		c.Gates[i].KeyFile = under(dir, c.Gates[i].KeyFile)
	}
	return c, nil
}

func under(dir, p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(dir, p)
}

// check returns every mistake, not only the first.
func (c *Config) check(at func(...string) string) (errs []error) {
	bad := func(where, cure string, arg ...any) { errs = append(errs, fmt.Errorf(where+": "+cure, arg...)) }
	if !plainName.MatchString(c.Site) {
		bad(at("site"), "must be 1 to 32 of a-z, 0-9 and \"-\"")
	}
	for _, f := range []struct{ key, val string }{
		{"data_dir", c.DataDir}, {"key_file", c.KeyFile}, {"seal_key_file", c.SealKeyFile},
		{"officers_file", c.OfficersFile}, {"watch_list", c.WatchList},
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
	if c.Demo != nil && (!c.Simulated || c.Demo.Name == "" || c.Demo.Secret == "") {
		bad(at("demo_officer"), "needs name and secret, and simulated: true; remove it in service")
	}
	if c.IdleOpen < minIdleOpen || c.IdleOpen > maxIdleOpen {
		bad(at("idle_close"), "must lie between %s and %s, is %s", minIdleOpen, maxIdleOpen, c.IdleOpen)
	}
	if c.IdleOut <= c.IdleOpen || c.IdleOut > 12*time.Hour {
		bad(at("idle_out"), "must be longer than idle_close and at most 12h, is %s", c.IdleOut)
	}
	switch {
	case (c.Broker.Listen == "") == (c.Broker.URL == ""):
		bad(at("broker"), "set exactly one of listen (embedded broker) and url (external broker)")
	case c.Broker.Listen != "":
		if _, _, err := net.SplitHostPort(c.Broker.Listen); err != nil {
			bad(at("broker", "listen"), "must be host:port")
		}
	default:
		u, err := url.Parse(c.Broker.URL)
		if err != nil || u.Host == "" || !slices.Contains([]string{"tcp", "tls"}, u.Scheme) {
			bad(at("broker", "url"), "must be tcp://host:port or tls://host:port")
		}
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

// lineOf finds the line of a key, or of its nearest parent that exists.
func lineOf(n *yaml.Node, key []string) int {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	if n.Kind == yaml.MappingNode && len(key) > 0 {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key[0] {
				if len(key) == 1 {
					return n.Content[i].Line
				}
				return lineOf(n.Content[i+1], key[1:])
			}
		}
	}
	return max(1, n.Line)
}

// located turns yaml's "line 3: …" into file:3: with a cure for the commonest mistake.
func located(path string, err error) error {
	msgs := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var t *yaml.TypeError
	if errors.As(err, &t) {
		msgs = t.Errors
	}
	var errs []error
	for _, m := range msgs {
		line := 1
		if n, _ := fmt.Sscanf(m, "line %d:", &line); n == 1 {
			_, m, _ = strings.Cut(m, ": ")
		}
		if strings.Contains(m, "not found in type") {
			m = strings.Fields(m)[1] + " is no key of this file: see configs/console.example.yaml"
		}
		errs = append(errs, fmt.Errorf("%s:%d: %s", path, line, m))
	}
	return errors.Join(errs...)
}
