// Package vectors finds the shared test vectors, which lie beside the project and are not part of it.
// It is for tests only.
package vectors

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Dir returns the folder of the vectors, or skips the test loudly.
func Dir(t testing.TB) string {
	t.Helper()
	d, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(d)
		if up == d {
			t.Fatal("vectors: module root not found")
		}
		d = up
	}
	v := filepath.Join(d, "..", "shared", "vectors")
	if _, err := os.Stat(v); err != nil {
		t.Skip("SKIP: shared test vectors are absent: nothing was proven here")
	}
	return v
}

// Block is one block of the worked examples.
type Block map[string]any

// Examples returns one block of the worked examples of ICAO Doc 9303.
func Examples(t testing.TB, block string) Block {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Dir(t), "icao9303-worked-examples.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]Block
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	e, ok := all[block]
	if !ok {
		t.Fatalf("vectors: no block %s", block)
	}
	return e
}

// Text returns a field as text.
func (b Block) Text(t testing.TB, key string) string {
	t.Helper()
	s, ok := b[key].(string)
	if !ok {
		t.Fatalf("vectors: no field %s", key)
	}
	return s
}

// Hex returns a field as bytes.
func (b Block) Hex(t testing.TB, key string) []byte {
	t.Helper()
	v, err := hex.DecodeString(strings.TrimSpace(b.Text(t, key)))
	if err != nil {
		t.Fatalf("vectors: %s: %v", key, err)
	}
	return v
}

// List returns a field as a list of blocks.
func (b Block) List(t testing.TB, key string) []Block {
	t.Helper()
	l, ok := b[key].([]any)
	if !ok {
		t.Fatalf("vectors: no list %s", key)
	}
	var out []Block
	for _, x := range l {
		m, ok := x.(map[string]any)
		if !ok {
			t.Fatalf("vectors: list %s", key)
		}
		out = append(out, m)
	}
	return out
}
