package memscan

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// HoldCommand is the argument by which a program plays the process with a planted leak; its main calls
// Hold then.
const HoldCommand = "memscan-hold"

// maxHold bounds what is planted.
const maxHold = 4096

// Hold reads from standard input, says so on standard output, and keeps what it read in memory until
// standard input ends.
func Hold(in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, 2*maxHold)
	b := make([]byte, maxHold)
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("memscan: hold: %w", err)
	}
	fmt.Fprintln(out, "holding")
	_, err := io.Copy(io.Discard, r)
	if b[0] == b[1] && b[1] == b[2] { // b lives until here
		fmt.Fprintln(out, "flat")
	}
	return err
}

// SelfTest proves that the scan finds a leak planted in another process and in a file, and that it
// accuses neither without one. program is started with HoldCommand.
func SelfTest(ctx context.Context, program string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	secret := make([]byte, maxHold)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	m := New()
	m.AddBlocks("planted leak", secret)
	leak, clean := make([]byte, maxHold), make([]byte, maxHold)
	copy(leak[1001:], secret[7:7+2*Block-1])
	for _, c := range []struct {
		name string
		data []byte
		want bool
	}{{"a process with a leak", leak, true}, {"a process without one", clean, false}} {
		hits, err := held(ctx, program, m, c.data)
		if err != nil {
			return err
		}
		if (len(hits) > 0) != c.want {
			return fmt.Errorf("memscan: %s: %d hits", c.name, len(hits))
		}
	}
	dir, err := os.MkdirTemp("", "memscan-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, c := range []struct {
		data []byte
		want bool
	}{{clean, false}, {leak, true}} {
		if err := os.WriteFile(filepath.Join(dir, "file"), c.data, 0o600); err != nil {
			return err
		}
		var st Stats
		hits, err := m.Tree(dir, &st)
		if err != nil {
			return err
		}
		if (len(hits) > 0) != c.want {
			return errors.New("memscan: the leak in a file")
		}
	}
	return nil
}

func held(ctx context.Context, program string, m *Markers, data []byte) ([]Hit, error) {
	cmd := exec.CommandContext(ctx, program, HoldCommand)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("memscan: self-test: %w", err)
	}
	defer func() {
		in.Close()
		_ = cmd.Wait()
	}()
	if _, err := in.Write(data); err != nil {
		return nil, fmt.Errorf("memscan: self-test: %w", err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("memscan: self-test: %w", err)
	}
	var st Stats
	return m.Process(cmd.Process.Pid, "child", &st)
}
