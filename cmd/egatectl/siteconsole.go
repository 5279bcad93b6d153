package main

import (
	"encoding/hex"
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"

	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
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
	Roster    string            `yaml:"roster_file"`
	RosterKey string            `yaml:"roster_key_file"`
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

// rosterFile is the signed roster of the site.
const rosterFile = "roster.signed"

func gateName(n int) string { return fmt.Sprintf("gate-%d", n) }

// roster makes the passkeys of the demo officer and his colleague and signs the roster that lists them, for a year and
// marked as simulation: no gate in service takes it.
func (s *site) roster(url string, gates int) (officer, colleague simOfficer, err error) {
	key, err := s.signing("keys/roster")
	if err != nil {
		return officer, colleague, err
	}
	signer, err := seal.NewSigner(key)
	if err != nil {
		return officer, colleague, err
	}
	const host = "localhost"
	a, err1 := passkey.New(officers.EdDSA, host, url)
	b, err2 := passkey.New(officers.EdDSA, host, url)
	if err := errors.Join(err1, err2); err != nil {
		return officer, colleague, err
	}
	var names []string
	for n := 1; n <= gates; n++ {
		names = append(names, gateName(n))
	}
	raw, err := a.Enlist(signer, s.name, "officer-demo", true, names, s.now, passkey.Named{Officer: "officer-relief", Passkey: b})
	if err != nil {
		return officer, colleague, err
	}
	with := func(name string, a *passkey.Authenticator) simOfficer {
		return simOfficer{Name: name, Credential: hex.EncodeToString(a.Credential), Seed: hex.EncodeToString(a.Seed())}
	}
	return with("demo", a), with("relief", b), s.write(rosterFile, raw)
}

// console writes the console's configuration and the watch list.
func (s *site) console(sim simulation, listen string) error {
	o := sim.Console.Officer
	c := consoleYAML{Site: s.name, Simulated: true, DataDir: sim.Console.State, Listen: listen,
		Broker: map[string]string{"listen": sim.Console.Broker}, KeyFile: "keys/centre.key", SealKey: "keys/centre-seal.key",
		Roster: rosterFile, RosterKey: "keys/roster.pub", Demo: map[string]string{"name": o.Name, "credential": o.Credential, "seed": o.Seed}, WatchList: sim.WatchList, Repeat: "0s"}
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
		s.write(sim.WatchList, []byte(simulatedHits)),
	)
}
