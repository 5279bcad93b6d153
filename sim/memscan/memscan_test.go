package memscan

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain plays the process with a leak when asked to: it holds what comes on its standard input.
func TestMain(m *testing.M) {
	if os.Getenv("MEMSCAN_HOLD") != "" {
		b, _ := io.ReadAll(bufio.NewReader(io.LimitReader(os.Stdin, 4096)))
		fmt.Println("holding", len(b))
		_, _ = io.Copy(io.Discard, os.NewFile(3, "hold"))
		os.Exit(int(b[0]) & 1)
	}
	os.Exit(m.Run())
}

// A planted leak in another process is found (DP-01), at any alignment; without it nothing is.
func TestPlantedLeakInProcess(t *testing.T) {
	secret := make([]byte, 4096)
	_, _ = rand.Read(secret)
	m := New()
	if m.AddBlocks("live frame", secret) == 0 {
		t.Fatal("no markers")
	}
	for _, c := range []struct {
		name string
		leak []byte
		want bool
	}{{"leak", secret[1000:1031], true}, {"clean", make([]byte, 31), false}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "MEMSCAN_HOLD=1")
		cmd.ExtraFiles = []*os.File{r}
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = in.Write(append([]byte{0, 1, 2}, c.leak...))
		in.Close()
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		var st Stats
		hits, err := m.Process(cmd.Process.Pid, "child", &st)
		if err != nil {
			t.Error(err)
		}
		if (len(hits) > 0) != c.want {
			t.Errorf("%s: hits %v in %d bytes", c.name, hits, st.Bytes)
		}
		w.Close()
		r.Close()
		_ = cmd.Wait()
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
