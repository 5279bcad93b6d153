// Package buildinfo tells which build a program is.
package buildinfo

import "runtime"

// Version is set at link time; "dev" is a build without the Makefile.
var Version = "dev"

// String names program, version and toolchain.
func String(program string) string {
	return program + " " + Version + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
