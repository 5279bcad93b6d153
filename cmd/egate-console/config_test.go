package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func example(t *testing.T) (string, string) {
	t.Helper()
	path := filepath.Join("..", "..", "configs", "console.example.yaml")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(raw)
}

func TestExampleConfig(t *testing.T) {
	path, _ := example(t)
	c, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Site != "example" || len(c.Gates) != 2 || c.IdleOpen != time.Minute || c.KeyFile != filepath.Join("..", "..", "configs", "keys", "centre.key") {
		t.Errorf("%+v", c)
	}
}

// TestM08BadConfig: a wrong key, unit or range is refused with file, line and cure (M-08).
func TestM08BadConfig(t *testing.T) {
	_, good := example(t)
	for _, c := range []struct {
		name, old, new string
		want           []string
	}{
		{"unknown key", "site: example", "site: example\nsit: x", []string{"c.yaml:3: sit is no key"}},
		{"no unit", "idle_close: 60s", "idle_close: 60", []string{"c.yaml:7:"}},
		{"out of range", "idle_close: 60s", "idle_close: 61s", []string{"c.yaml:7: idle_close", "between 5s and 1m0s"}},
		{"idle_out too short", "idle_out: 15m", "idle_out: 30s", []string{"c.yaml:8: idle_out"}},
		{"not loopback", "127.0.0.1:8090", "0.0.0.0:8090", []string{"c.yaml:6: listen", "loopback"}},
		{"no port", "127.0.0.1:8090", "127.0.0.1", []string{"c.yaml:6: listen"}},
		{"two brokers", "  listen: 127.0.0.1:1883", "  listen: 127.0.0.1:1883\n  url: tcp://b:1", []string{"broker", "exactly one"}},
		{"bad broker url", "  listen: 127.0.0.1:1883    # embedded broker", "  url: http://b", []string{"c.yaml:11: broker.url"}},
		{"same gate twice", "gate-2\n", "gate-1\n", []string{"listed twice"}},
		{"bad name", "site: example", "site: Über", []string{"c.yaml:2: site"}},
		{"missing file", "watch_list: watchlist.yaml", "", []string{"watch_list: is missing"}},
		{"demo outside simulation", "watch_list:", "demo_officer: {name: d, credential: ab, seed: cd}\nwatch_list:", []string{"demo_officer", "simulated: true"}},
		{"two documents", "gates:", "---\ngates:", []string{"one document"}},
		{"two mistakes at once", "site: example\nsimulated: false", "site: EX\nsimulated: false\nidle_out: 1s", []string{"c.yaml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(good, c.old, c.new, 1)
			if text == good {
				t.Fatal("nothing was changed")
			}
			_, err := parseConfig("c.yaml", []byte(text))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
		})
	}
	if _, err := LoadConfig(filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a missing file is accepted")
	}
}

func FuzzConfig(f *testing.F) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "configs", "console.example.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte("gates: [{name: a}]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := parseConfig("f", raw); err == nil && len(c.Gates) == 0 {
			t.Fatal("accepted without gates")
		}
	})
}
