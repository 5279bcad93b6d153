package main

import (
	"errors"

	"gopkg.in/yaml.v3"

	"egate/seal"
)

// centreKeys makes the centre's signing key and its key for look-ups.
func (s *site) centreKeys() error {
	_, err := s.signing("keys/centre")
	if err != nil {
		return err
	}
	pub, priv, err := seal.GenerateHPKE()
	if err != nil {
		return err
	}
	return errors.Join(s.key("keys/centre-seal.key", priv), s.key("keys/centre-seal.pub", pub))
}

// consoleYAML is the part of the console's configuration that a simulation sets.
type consoleYAML struct {
	Site      string            `yaml:"site"`
	Simulated bool              `yaml:"simulated"`
	DataDir   string            `yaml:"data_dir"`
	Listen    string            `yaml:"listen"`
	Broker    map[string]string `yaml:"broker"`
	KeyFile   string            `yaml:"key_file"`
	SealKey   string            `yaml:"seal_key_file"`
	Gates     []consoleGate     `yaml:"gates"`
	Officers  string            `yaml:"officers_file"`
	Demo      map[string]string `yaml:"demo_officer"`
	WatchList string            `yaml:"watch_list"`
	Repeat    string            `yaml:"repeat_window"` // the same few documents pass all day
}

type consoleGate struct {
	Name    string `yaml:"name"`
	KeyFile string `yaml:"key_file"`
}

// simulatedHits is on the watch list of every simulated site: the scenario of a listed traveller asks
// for this number and this name.
const simulatedHits = `# Watch list of the simulation: read again whenever it changes.
documents:
  SIMHIT001: hold
names:
  "LISTED<<ERIKA": refer
`

// console writes the console's configuration, its officers and the watch list.
func (s *site) console(sim simulation) error {
	c := consoleYAML{Site: s.name, Simulated: true, DataDir: sim.Console.State, Listen: sim.Console.URL[len("http://"):],
		Broker: map[string]string{"listen": sim.Console.Broker}, KeyFile: "keys/centre.key", SealKey: "keys/centre-seal.key",
		Officers: "officers.yaml", Demo: map[string]string{"name": sim.Console.Officer.Name, "secret": sim.Console.Officer.Secret}, WatchList: sim.WatchList, Repeat: "0s"}
	if s.broker != "" {
		c.Broker = map[string]string{"url": "tcp://" + s.broker}
	}
	for _, g := range sim.Gates {
		c.Gates = append(c.Gates, consoleGate{g.Name, "keys/" + g.Name + ".pub"})
	}
	b, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	return errors.Join(
		s.write(sim.Console.Config, append([]byte("# Simulation: made by egatectl site init.\n"), b...)),
		s.write("officers.yaml", []byte("# The simulation has its demo officer only.\nofficers: []\n")),
		s.write(sim.WatchList, []byte(simulatedHits)),
	)
}
