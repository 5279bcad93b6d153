// Package buildinfo tells which build a program is.
package buildinfo

import (
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// Version is set at link time; "dev" is a build without the Makefile.
var Version = "dev"

// Built is the time of the last commit in the build, seconds since 1970, set at link time.
var Built = ""

// Time is when what was built was written: no clock of a gate is earlier (E-07). Zero where nobody knows.
func Time() time.Time {
	if n, err := strconv.ParseInt(Built, 10, 64); err == nil {
		return time.Unix(n, 0).UTC()
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
					return t
				}
			}
		}
	}
	return time.Time{}
}

// String names program, version and toolchain.
func String(program string) string {
	return program + " " + Version + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
