package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"egate/facematch"
)

// F-06: a pack that nobody names is found where packs are, in a fixed order; one that is nowhere, or not where
// somebody says, is an error with every place that was looked in.
func TestF06PackIsFound(t *testing.T) {
	t.Setenv("EGATE_MODELS", "")
	here, other := t.TempDir(), t.TempDir()
	t.Chdir(here)
	pack := func(dir string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	places := packPlaces()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{modelFolder, filepath.Join(filepath.Dir(self), "..", modelFolder), installedModels}; len(places) != 3 || places[0] != want[0] || places[1] != want[1] || places[2] != want[2] {
		t.Errorf("%q, want %q", places, want)
	}
	pack(modelFolder)
	if dir, err := packFolder(""); err != nil || dir != modelFolder {
		t.Errorf("below the working directory: %q, %v", dir, err)
	}
	if dir, err := packFolder(other); err != nil || dir != other {
		t.Errorf("named: %q, %v", dir, err)
	}
	// Who names a place by the environment gets no pack of another one.
	t.Setenv("EGATE_MODELS", other)
	for _, args := range [][]string{{"face", "compare", "a", "b"}, {"face", "evaluate", here}, {"face", "pad-evaluate", here}, {"model", "show"}, {"model", "verify", "--demo"}, {"model", "bench", "a"}} {
		_, err := ctl(t, args...)
		if !errors.Is(err, facematch.ErrNoPack) || !strings.Contains(err.Error(), other) || strings.Contains(err.Error(), modelFolder) {
			t.Errorf("%v: %v", args, err)
		}
	}
	pack(other)
	if dir, err := packFolder(""); err != nil || dir != other {
		t.Errorf("of the environment: %q, %v", dir, err)
	}
	for _, args := range [][]string{{"face", "compare", "--help"}, {"face", "evaluate", "--help"}, {"face", "pad-evaluate", "--help"}, {"model", "show", "--help"}, {"model", "verify", "--help"}, {"model", "bench", "--help"}} {
		if out, _ := ctl(t, args...); !strings.Contains(out, modelsHelp) {
			t.Errorf("%v does not say where packs are looked for:\n%s", args, out)
		}
	}
	if gate, err := ctl(t, "config", "example", "gate"); err != nil || !strings.Contains(gate, "models: "+installedModels+"\n") {
		t.Errorf("a gate has its models elsewhere than %s: %v", installedModels, err)
	}
}
