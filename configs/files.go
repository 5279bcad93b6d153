package configs

import _ "embed"

// GateYAML is the profile of a gate in service, to start a site's own file from.
//
//go:embed gate.yaml
var GateYAML []byte

// SimYAML is the simulation profile.
//
//go:embed sim.yaml
var SimYAML []byte

// SiteProfileYAML is a site profile to start from.
//
//go:embed site-profile.yaml
var SiteProfileYAML []byte

// BenchYAML is the profile of the bench gate that docs/hardware.md describes.
//
//go:embed bench.yaml
var BenchYAML []byte

// Example parses one of the profiles above without resolving its paths.
func Example(raw []byte) (Gate, error) { return parseGate("profile", raw) }
