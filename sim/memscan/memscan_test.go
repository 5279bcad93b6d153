package memscan

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestMain plays the process with a leak when asked to.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == HoldCommand {
		if err := Hold(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A planted leak in another process and in a file is found (DP-01), at any alignment; without one
// nothing is.
func TestDP01PlantedLeak(t *testing.T) {
	if testing.Short() {
		t.Skip("searches the memory of a process three times: under the race detector that is a lot of it")
	}
	if err := SelfTest(t.Context(), os.Args[0]); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAndText(t *testing.T) {
	dir := t.TempDir()
	m := New()
	if err := m.AddText("document number", "X98765432"); err != nil {
		t.Fatal(err)
	}
	if err := m.AddText("mrz", "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"); err != nil {
		t.Fatal(err)
	}
	if err := m.Add("x", []byte("short")); err == nil {
		t.Error("a short marker was taken")
	}
	var st Stats
	big := make([]byte, 3*chunk)
	copy(big[chunk-4:], "X98765432") // across the border of two reads
	for name, b := range map[string][]byte{
		"plain": []byte("number X98765432 read"), "hex": []byte("583938373635343332"), "border": big,
		"b64-1": []byte("UDxVVE9FUklLU1NPTjw8QU5OQTxNQVJJQTw8PDw8PDw8PDw8PDw8PDw8PDw8PDw="), "clean": []byte("nothing here at all"),
	} {
		sub := filepath.Join(dir, name)
		if err := os.MkdirAll(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, "f"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		hits, err := m.Tree(sub, &st)
		if err != nil {
			t.Fatal(err)
		}
		if (len(hits) > 0) != (name != "clean") {
			t.Errorf("%s: %v", name, hits)
		}
	}
}

func BenchmarkBytes(b *testing.B) {
	m := New()
	data := make([]byte, 200<<10)
	_, _ = rand.Read(data)
	m.AddBlocks("x", data)
	mem := make([]byte, 8<<20)
	_, _ = rand.Read(mem)
	b.SetBytes(int64(len(mem)))
	for b.Loop() {
		m.Bytes("m", mem, 0)
	}
}
