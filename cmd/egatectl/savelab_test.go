//go:build lab

package main

import (
	"path/filepath"
	"testing"

	"egate/emrtd"
)

// A lab build writes files once, for their owner only, and never into a folder that is there.
func TestSaveTouchesNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "specimen")
	if err := saveFiles(dir, new(emrtd.Report)); err != nil {
		t.Fatal(err)
	}
	if err := saveFiles(dir, new(emrtd.Report)); err == nil {
		t.Error("wrote into a folder that was there")
	}
}
