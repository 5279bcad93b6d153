package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"egate/configs"
)

// F-06: an inspector takes exactly the file that the controller has accepted, and no plain text where keys are named.
func TestF06PolicyOfTheInspector(t *testing.T) {
	text := []byte("id: site\nversion: 4\nmatch_threshold: 0.5\n")
	cfg := configs.Gate{Site: "site"}
	cfg.Inspect.Policy = filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(cfg.Inspect.Policy, text, 0o600); err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(text)
	if p, err := loadPolicy(cfg, hex.EncodeToString(h[:])); err != nil || p.Version != 4 {
		t.Errorf("accepted: %+v, %v", p, err)
	}
	for what, hash := range map[string]string{"another file": hex.EncodeToString(make([]byte, 32)), "refused": refusedPolicy} {
		if _, err := loadPolicy(cfg, hash); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	cfg.Inspect.PolicyKeys = []string{cfg.Inspect.Policy, cfg.Inspect.Policy}
	if _, err := loadPolicy(cfg, ""); err == nil {
		t.Error("plain text was taken where keys are named")
	}
}
