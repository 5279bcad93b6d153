// Package mutate holds broken laws as patches; `make mutate` tells whether a test notices each.
package mutate

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A patch that does not apply any more breaks no law and proves nothing: it follows the code.
func TestPatchesApply(t *testing.T) {
	if out, err := exec.Command("git", "rev-parse", "--show-toplevel").CombinedOutput(); err != nil {
		t.Skipf("no repository: %s", strings.TrimSpace(string(out)))
	}
	patches, err := filepath.Glob("*.patch")
	if err != nil || len(patches) < 40 {
		t.Fatalf("%d patches, %v", len(patches), err)
	}
	for _, p := range patches {
		cmd := exec.Command("git", "apply", "--check", filepath.Join("test", "mutate", p))
		cmd.Dir = filepath.Join("..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %s", p, strings.TrimSpace(string(out)))
		}
	}
}
