// Package configs is the configuration of a gate as plain data: Go types, defaults, strict YAML and
// validation that names file, line and cure. The packages own the meaning of their parameters; cmd maps.
//
// sim.yaml differs from gate.yaml in drivers, device paths and limit values only. No clock is scaled.
package configs
