package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// TestX02RosterCommands: the example of a roster is signed, shown and asked; the same version is not signed twice,
// and another key's signature is none (O-03, X-02).
func TestX02RosterCommands(t *testing.T) {
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	ctl := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := dispatch(t.Context(), &out, args)
		return out.String(), err
	}
	for _, k := range []string{"roster", "other"} {
		if _, err := ctl("key", "make", at(k)); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "configs", "roster.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	write := func(name string, change func(map[string]any)) string {
		t.Helper()
		var d map[string]any
		_ = yaml.Unmarshal(raw, &d)
		d["expires"] = now.Add(30 * 24 * time.Hour)
		o := d["officers"].([]any)[0].(map[string]any)
		o["from"], o["until"] = now.Add(-time.Hour), now.Add(time.Hour)
		if change != nil {
			change(d)
		}
		b, err := yaml.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	src := write("roster.yaml", nil)
	if out, err := ctl("roster", "sign", "--key", at("roster.key"), src, at("r.signed")); err != nil || !strings.Contains(out, "version 1, 1 officer(s)") {
		t.Fatalf("%v %s", err, out)
	}
	if _, err := ctl("roster", "sign", "--key", at("roster.key"), src, at("r.signed")); err == nil || !strings.Contains(err.Error(), "raise version") {
		t.Errorf("the same version again: %v", err)
	}
	if _, err := ctl("roster", "sign", "--key", at("roster.key"), write("next.yaml", func(d map[string]any) { d["version"] = 2 }), at("r.signed")); err != nil {
		t.Errorf("the next version: %v", err)
	}
	if out, err := ctl("roster", "show", "--key", at("roster.pub"), at("r.signed")); err != nil || !strings.Contains(out, "officer-07") || !strings.Contains(out, "version    2") {
		t.Errorf("%v %s", err, out)
	}
	if _, err := ctl("roster", "show", "--key", at("other.pub"), at("r.signed")); err == nil {
		t.Error("another key's roster is shown")
	}
	check := func(args ...string) error {
		_, err := ctl(append(append([]string{"roster", "check", "--key", at("roster.pub")}, args...), at("r.signed"))...)
		return err
	}
	if err := check(); err != nil {
		t.Error(err)
	}
	if err := check("--officer", "officer-07", "--gate", "gate-1", "--order", "referral_take"); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]string{{"--officer", "officer-07", "--gate", "gate-9"}, {"--officer", "nobody", "--gate", "gate-1"}, {"--officer", "officer-07", "--gate", "gate-1", "--order", "door_open_exit"}, {"--gate", "gate-1"}} {
		if check(bad...) == nil {
			t.Errorf("%v: allowed", bad)
		}
	}
	for name, change := range map[string]func(map[string]any){
		"no officer's key": func(d map[string]any) {
			d["officers"].([]any)[0].(map[string]any)["passkeys"].([]any)[0].(map[string]any)["key"] = "AAAA"
		},
		"no version":       func(d map[string]any) { delete(d, "version") },
		"a typing mistake": func(d map[string]any) { d["officiers"] = d["officers"] },
	} {
		if _, err := ctl("roster", "sign", "--key", at("roster.key"), write("bad.yaml", change), at("bad.signed")); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if err := os.WriteFile(at("reg.json"), []byte(`{"id":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ctl("roster", "enrol", "--rp-id", "localhost", "--origin", "http://localhost", at("reg.json")); err == nil || !strings.Contains(err.Error(), "copy all") {
		t.Errorf("a damaged registration: %v", err)
	}
}
