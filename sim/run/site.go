package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"egate/sim/plant"
	"egate/sim/scenario"
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
	// Entry and Exit are where the doors are without power (D-03).
	Entry   string `json:"entry_unpowered,omitempty"`
	Exit    string `json:"exit_unpowered"`
	Config  string `json:"config"`
	Lines   string `json:"lines_socket"`
	Camera  string `json:"camera_socket"`
	Scanner string `json:"scanner_device"`
	NFC     string `json:"nfc_device"`
	Display string `json:"display_url"`
	Broker  string `json:"broker"` // what the gate dials: the simulator listens there
	State   string `json:"state_dir"`
}

// Console is the officers' console of the site.
type Console struct {
	Config  string  `json:"config"`
	URL     string  `json:"url"`
	Broker  string  `json:"broker"` // where its broker listens
	State   string  `json:"state_dir"`
	Officer Officer `json:"officer"`
	// Colleague is who takes the line over in a scenario.
	Colleague Officer `json:"colleague"`
}

// Officer is one of a simulated site.
type Officer struct {
	Name       string `json:"name"`
	Credential string `json:"credential"` // his passkey, hexadecimal digits
	Seed       string `json:"seed"`
}

// NewSite runs egatectl to make a site in dir, which must be empty or absent. broker is one that runs
// already, as host:port; empty for the console's own. topology is that of its gate; more are further arguments of site init.
func NewSite(ctx context.Context, bin, dir, broker, topology string, more ...string) (*Site, error) {
	args := append([]string{"site", "init", "--simulation", "--topology", topology}, more...)
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

// unpowered is what site init is told of the doors of a scenario's site without power.
func unpowered(sc *scenario.Scenario) []string {
	u := sc.Unpowered
	if u == (scenario.Unpowered{}) {
		return nil
	}
	return []string{"--unpowered", strings.Join([]string{u.Escape, u.Entry, u.Exit}, ",")}
}

// suit writes the policy that a scenario's site has and names it to the gates, and wires the witnesses of the count that
// they have; the built-in policy and a gate without witnesses stay as they are.
func (s *Site) suit(sc *scenario.Scenario) error {
	var policy strings.Builder
	if len(sc.Hold) > 0 {
		fmt.Fprintf(&policy, "hold: [%s]\n", strings.Join(sc.Hold, ", "))
	}
	if len(sc.Requires) > 0 {
		fmt.Fprintf(&policy, "checks: {%s: required}\n", strings.Join(sc.Requires, ": required, "))
	}
	if sc.AccompaniedFrom > 0 {
		fmt.Fprintf(&policy, "eligibility: {document_types: P, min_age: 18, accompanied_min_age: %d}\n", sc.AccompaniedFrom)
	}
	if policy.Len() > 0 {
		const name = "policy.yaml"
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(policy.String()), 0o600); err != nil {
			return fmt.Errorf("run: policy: %w", err)
		}
		if err := s.add("inspect", "policy: "+name); err != nil {
			return err
		}
	}
	if sc.SealEvents {
		if err := s.add("link", "seal_events: true"); err != nil {
			return err
		}
	}
	for _, w := range sc.Witnesses {
		lines := []string{w + "_ok: {}", w + "_occupied: {}"}
		if w == plant.Overhead {
			lines = append(lines, w+"_many: {}")
		}
		if err := s.add("inputs", lines...); err != nil {
			return err
		}
	}
	return nil
}

// add writes lines into a section of every gate's configuration.
func (s *Site) add(section string, lines ...string) error {
	head := regexp.MustCompile(`(?m)^ *` + section + `:\n( +)`)
	for _, g := range s.Gates {
		path := s.Path(g.Config)
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("run: site: %w", err)
		}
		at := head.FindAllSubmatchIndex(b, -1)
		if len(at) != 1 {
			return fmt.Errorf("run: site: %s has no section %s", path, section)
		}
		begin, indent := at[0][2], string(b[at[0][2]:at[0][3]])
		text := indent + strings.Join(lines, "\n"+indent) + "\n"
		if err := os.WriteFile(path, slices.Concat(b[:begin], []byte(text), b[begin:]), 0o600); err != nil {
			return fmt.Errorf("run: site: %w", err)
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
