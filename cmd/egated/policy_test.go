package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"egate/configs"
	"egate/policy"
	"egate/seal"
	"egate/verdict"
)

// F-06: the controller takes what two persons have signed, keeps its version, and takes no older one, no other content under
// the same number, none that has ended, and not the built-in one after a signed one.
func TestF06PolicyOfTheGate(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2030, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg := configs.Gate{Site: "site", Gate: "gate-1"}
	cfg.Inspect.Policy = filepath.Join(dir, "policy.signed")
	var persons []*seal.Signer
	for n := range byte(2) {
		s, err := seal.NewSigner(bytes.Repeat([]byte{n + 1}, 32))
		if err != nil {
			t.Fatal(err)
		}
		pub := filepath.Join(dir, string('a'+rune(n))+".pub")
		if err := seal.Save(pub, s.Public(), false); err != nil {
			t.Fatal(err)
		}
		persons, cfg.Inspect.PolicyKeys = append(persons, s), append(cfg.Inspect.PolicyKeys, pub)
	}
	put := func(version int, match float64, by ...*seal.Signer) {
		t.Helper()
		p := verdict.DefaultPolicy()
		p.Version, p.Match = version, match
		raw, err := policy.Make("site", p, now, 90*24*time.Hour)
		for _, s := range by {
			if err == nil {
				raw, err = policy.Sign(raw, s)
			}
		}
		if err == nil {
			err = os.WriteFile(cfg.Inspect.Policy, raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	rows := map[string]string{}
	try := func(what string, want bool) {
		t.Helper()
		r, err := rule(cfg, rows, now)
		if (err == nil) != want || (r.file == refusedPolicy) == want || !want && r.rows != nil {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		for k, v := range r.rows {
			rows[k] = v
		}
	}
	put(2, 0.5, persons...)
	try("version 2", true)
	try("version 2 again", true)
	put(1, 0.5, persons...)
	try("version 1", false)
	put(2, 0.4, persons...)
	try("version 2 with another threshold", false)
	put(3, 0.5, persons[0])
	try("of one person", false)
	put(3, 0.5, persons...)
	try("version 3", true)
	now = now.Add(91 * 24 * time.Hour)
	try("ended", false)
	file := cfg.Inspect.Policy
	cfg.Inspect.Policy = ""
	try("the built-in one after a signed one", false)
	cfg.Simulated = true
	if _, err := rule(cfg, rows, now); err != nil {
		t.Errorf("simulation: %v", err)
	}
	cfg.Simulated, cfg.Inspect.Policy, rows = false, file, map[string]string{}
	cfg.Inspect.PolicyKeys = nil
	try("without keys", false)
}
