// Package scenarios holds the scenario files that egate-sim plays by default.
package scenarios

import "embed"

// Files are the *.yaml files of this folder.
//
//go:embed *.yaml
var Files embed.FS
