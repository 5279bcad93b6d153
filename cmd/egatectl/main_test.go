package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"egate/sim/run"
)

func ctl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := dispatch(context.Background(), &out, args)
	return out.String(), err
}

// A throw-away site is complete: its files load where they are used, private keys are the owner's only,
// and two sites share no secret.
func TestSiteInit(t *testing.T) {
	var secrets []string
	for range 2 {
		dir := filepath.Join(t.TempDir(), "site")
		if out, err := ctl(t, "site", "init", "--simulation", "--gates", "2", "--models", t.TempDir(), dir); err != nil {
			t.Fatal(err, out)
		}
		s, err := run.LoadSite(dir)
		if err != nil || len(s.Gates) != 2 {
			t.Fatal(err)
		}
		for _, g := range s.Gates {
			if out, err := ctl(t, "config", "check", s.Path(g.Config)); err != nil || !strings.Contains(out, "simulation") {
				t.Fatalf("%s: %v", out, err)
			}
		}
		out, err := ctl(t, "trust", "show", "--key", filepath.Join(dir, "keys/trust.pub"), filepath.Join(dir, "trust.json"))
		if err != nil || !strings.Contains(out, "simulation true") {
			t.Errorf("trust: %s %v", out, err)
		}
		keys, err := filepath.Glob(filepath.Join(dir, "keys/*.key"))
		if err != nil || len(keys) < 4 {
			t.Fatalf("keys: %v %v", keys, err)
		}
		for _, k := range keys {
			if st, err := os.Stat(k); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", filepath.Base(k), st.Mode(), err)
			}
			b, _ := os.ReadFile(k)
			secrets = append(secrets, string(b))
		}
		secrets = append(secrets, s.Console.Officer.Secret)
		if _, err := ctl(t, "site", "init", "--simulation", dir); err == nil {
			t.Error("a site was made over another one")
		}
	}
	seen := map[string]bool{}
	for _, s := range secrets {
		if seen[s] {
			t.Error("two sites share a secret")
		}
		seen[s] = true
	}
}

// What is asked wrongly is answered with help or a cure, never with a guess.
func TestWrongQuestions(t *testing.T) {
	for _, args := range [][]string{{}, {"site"}, {"open", "door"}, {"trust", "show", "x"}, {"config", "check"}, {"audit", "verify", "x"}, {"face", "compare", "a.jpg"}} {
		if _, err := ctl(t, args...); !errors.Is(err, errUsage) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := ctl(t, "site", "init", t.TempDir()); err == nil || !strings.Contains(err.Error(), "--simulation") {
		t.Errorf("site in service: %v", err)
	}
	if out, err := ctl(t, "help"); err != nil || !strings.Contains(out, "site init") {
		t.Errorf("help: %v", err)
	}
}
