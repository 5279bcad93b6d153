package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"egate/facematch"
	"egate/sim/faces"
)

// servicePack is a copy of the cached models with the manifest of a pack for service: whose evidence is
// invented here, so that the rest can be tested.
func servicePack(t *testing.T) string {
	t.Helper()
	from := os.Getenv("EGATE_MODELS")
	if from == "" {
		from = filepath.Join("..", "..", ".cache", "models")
	}
	raw, err := os.ReadFile(filepath.Join(from, "manifest.json"))
	if err != nil {
		t.Skip("SKIP: the model files are not here: commands for model packs are NOT tested (make models)")
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "pack"), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "pack")
	var m facematch.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	m.Demo = false
	for i := range m.Models {
		if m.Models[i].Role == facematch.RoleEmbedder {
			m.Models[i].Thresholds = []facematch.Threshold{{FMR: 0.001, Score: 0.4, Evidence: "test", Dataset: "test", Population: "invented", Date: "2026-01-01", Pairs: 1, Embedder: m.Models[i].SHA256}}
		}
	}
	if raw, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(dir, "manifest.sig"))
	return dir
}

// TestF06ModelPackOfTwoPersons: a pack is for service only when two persons have signed it, and not any more
// when one byte of it is another.
func TestF06ModelPackOfTwoPersons(t *testing.T) {
	pack, keys := servicePack(t), t.TempDir()
	a, b := filepath.Join(keys, "a"), filepath.Join(keys, "b")
	do := func(args ...string) string {
		t.Helper()
		out, err := ctl(t, args...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out
	}
	refused := func(why string, args ...string) {
		t.Helper()
		if _, err := ctl(t, args...); err == nil || !strings.Contains(err.Error(), why) {
			t.Fatalf("%v: %v, not %q", args, err, why)
		}
	}
	do("key", "make", a)
	do("key", "make", b)
	verify := []string{"model", "verify", "--key", a + ".pub", "--key", b + ".pub", pack}
	refused("0 trusted signatures, 2 needed", verify...)
	do("model", "sign", "--key", a+".key", pack)
	do("model", "sign", "--key", a+".key", pack) // the same person twice is one person
	refused("1 trusted signatures, 2 needed", verify...)
	if out := do("model", "sign", "--key", b+".key", pack); !strings.Contains(out, "2 of the 2") {
		t.Errorf("sign says %q", out)
	}
	if out := do(verify...); !strings.Contains(out, "a gate in service loads it") {
		t.Errorf("verify says %q", out)
	}
	if out := do("model", "show", pack); strings.Count(out, "signed     key") != 2 || !strings.Contains(out, "embedder") {
		t.Errorf("show says %q", out)
	}
	refused("1 trusted signatures, 2 needed", "model", "verify", "--key", a+".pub", "--key", a+".pub", pack)
	refused("name the public keys", "model", "verify", pack)

	change := func(file string) func() {
		t.Helper()
		path := filepath.Join(pack, file)
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		other := bytes.Clone(old)
		at := bytes.Index(other, []byte("invented")) // in the manifest: it stays one
		if at < 0 {
			at = len(other) / 2
		}
		other[at] ^= 1
		if err := os.WriteFile(path, other, 0o644); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.WriteFile(path, old, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for file, why := range map[string]string{"fr_feature.onnx": "does not have the size and hash", "manifest.json": "does not fit the manifest", "libonnxruntime.so.1": "runtime library"} {
		back := change(file)
		refused(why, verify...)
		back()
	}
	do(verify...)
}

// F-12: model bench times every stage of a live frame.
func TestF12ModelBench(t *testing.T) {
	pack := servicePack(t)
	p, err := faces.Get("admiral")
	if err != nil {
		t.Fatal(err)
	}
	picture := filepath.Join(t.TempDir(), "p.jpg")
	if err := os.WriteFile(picture, p.DG2JPEG(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := ctl(t, "model", "bench", "--rounds", "1", "--json", pack, picture)
	if err != nil {
		t.Fatal(err)
	}
	var got modelTimes
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Stages) < 8 || got.ModelMS <= 0 || got.RestMS <= 0 || got.PeakMB <= 0 || got.OpenMS <= 0 {
		t.Errorf("%+v", got)
	}
	if _, err := ctl(t, "model", "bench", pack, filepath.Join(pack, "manifest.json")); err == nil || !strings.Contains(err.Error(), "no JPEG") {
		t.Errorf("a file that is no picture: %v", err)
	}
}
