package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// siteFile is what `egatectl site init --simulation` writes for the simulator.
const siteFile = "simulation.json"

// Site tells where everything of a throw-away site is. Relative paths are relative to Dir.
type Site struct {
	Dir       string  `json:"-"`
	Name      string  `json:"site"`
	Gates     []Gate  `json:"gates"`
	Console   Console `json:"console"`
	WatchList string  `json:"watchlist"`
	Issuer    string  `json:"issuer_dir"`
}

// Gate is one gate of the site.
type Gate struct {
	Name string `json:"name"`
	// Topology is mantrap or one-step.
	Topology string `json:"topology"`
	Config   string `json:"config"`
	Lines    string `json:"lines_socket"`
	Camera   string `json:"camera_socket"`
	Scanner  string `json:"scanner_device"`
	NFC      string `json:"nfc_device"`
	Display  string `json:"display_url"`
	Broker   string `json:"broker"` // what the gate dials: the simulator listens there
	State    string `json:"state_dir"`
}

// Console is the officers' console of the site.
type Console struct {
	Config  string `json:"config"`
	URL     string `json:"url"`
	Broker  string `json:"broker"` // where its broker listens
	State   string `json:"state_dir"`
	Officer struct {
		Name   string `json:"name"`
		Secret string `json:"secret"`
	} `json:"officer"`
}

// NewSite runs egatectl to make a site in dir, which must be empty or absent. broker is one that runs
// already, as host:port; empty for the console's own. topology is that of its gate.
func NewSite(ctx context.Context, bin, dir, broker, topology string) (*Site, error) {
	args := []string{"site", "init", "--simulation", "--topology", topology}
	if broker != "" {
		args = append(args, "--broker", broker)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "egatectl"), append(args, dir)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run: egatectl site init: %w\n%s", err, bytes.TrimSpace(out))
	}
	return LoadSite(dir)
}

// policy writes a policy by which some reasons end as refuse-and-hold and some more checks are required, and names it
// to the gates; none of either: the built-in policy stays.
func (s *Site) policy(hold, requires []string) error {
	if len(hold)+len(requires) == 0 {
		return nil
	}
	const name = "policy.yaml"
	text := "hold: [" + strings.Join(hold, ", ") + "]\n"
	if len(requires) > 0 {
		text += "checks: {" + strings.Join(requires, ": required, ") + ": required}\n"
	}
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
		return fmt.Errorf("run: policy: %w", err)
	}
	for _, g := range s.Gates {
		path := s.Path(g.Config)
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("run: policy: %w", err)
		}
		const section = "\ninspect:\n"
		if bytes.Count(b, []byte(section)) != 1 {
			return fmt.Errorf("run: policy: %s has no section inspect", path)
		}
		i := bytes.Index(b, []byte(section)) + len(section)
		rest := b[i:]
		indent := rest[:len(rest)-len(bytes.TrimLeft(rest, " "))]
		line := string(indent) + "policy: " + name + "\n"
		if err := os.WriteFile(path, slices.Concat(b[:i], []byte(line), rest), 0o600); err != nil {
			return fmt.Errorf("run: policy: %w", err)
		}
	}
	return nil
}

// LoadSite reads a site that exists.
func LoadSite(dir string) (*Site, error) {
	b, err := os.ReadFile(filepath.Join(dir, siteFile))
	if err != nil {
		return nil, fmt.Errorf("run: %w (made by: egatectl site init --simulation %s)", err, dir)
	}
	s := &Site{Dir: dir}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(s); err != nil {
		return nil, fmt.Errorf("run: %s: %w", siteFile, err)
	}
	if len(s.Gates) == 0 {
		return nil, fmt.Errorf("run: %s: no gates", siteFile)
	}
	return s, nil
}

// Path resolves a path of the site.
func (s *Site) Path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(s.Dir, p)
}
