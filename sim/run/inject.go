package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"egate/sim/plant"
)

// Words of the injection socket: one request a connection, "inject NAME…", "end NAME…" or "list", one line; the
// answer is lines, of which the last is "ok", or one line that begins with "error: ".
const (
	socketName   = "inject.sock"
	maxRequest   = 4 << 10
	requestLimit = 5 * time.Second
)

// injector is a local socket by which faults are injected into a running simulation. Only its user reaches it:
// it lies in the state folder.
type injector struct {
	l   net.Listener
	all sync.WaitGroup
}

// listen opens the socket in a folder, for the plant, until close.
func listen(dir string, p *plant.Plant) (*injector, error) {
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("run: inject: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("run: inject: %w", err)
	}
	i := &injector{l: l}
	i.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			i.all.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(requestLimit))
				line, err := bufio.NewReader(io.LimitReader(c, maxRequest)).ReadString('\n')
				if err == nil {
					_, _ = io.WriteString(c, answer(p, strings.Fields(line)))
				}
			})
		}
	})
	return i, nil
}

func (i *injector) close() {
	_ = i.l.Close()
	i.all.Wait()
}

// answer does what a request asks for, all of it or nothing.
func answer(p *plant.Plant, words []string) string {
	known := p.FaultNames()
	switch {
	case len(words) == 1 && words[0] == "list":
		return strings.Join(known, "\n") + "\nok\n"
	case len(words) < 2 || words[0] != "inject" && words[0] != "end":
		return "error: inject NAME…, end NAME… or list is asked for\n"
	}
	for _, n := range words[1:] {
		if !slices.Contains(known, n) {
			return fmt.Sprintf("error: %v\n", p.Inject(n, true))
		}
	}
	for _, n := range words[1:] {
		if err := p.Inject(n, words[0] == "inject"); err != nil {
			return fmt.Sprintf("error: %v\n", err)
		}
	}
	return "ok\n"
}

// Inject asks the simulation whose state folder is dir, or the only one that runs, to do what the words say
// ("inject NAME…", "end NAME…", "list"), and returns its answer.
func Inject(ctx context.Context, dir string, words ...string) (string, error) {
	conn, err := reach(ctx, dir)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(requestLimit))
	if _, err := io.WriteString(conn, strings.Join(words, " ")+"\n"); err != nil {
		return "", fmt.Errorf("run: inject: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(conn, 64<<10))
	if err != nil {
		return "", fmt.Errorf("run: inject: %w", err)
	}
	out := string(b)
	if msg, bad := strings.CutPrefix(out, "error: "); bad {
		return "", errors.New(strings.TrimSpace(msg))
	}
	out, ok := strings.CutSuffix(out, "ok\n")
	if !ok {
		return "", errors.New("run: inject: the simulation ended while it was asked")
	}
	return out, nil
}

// reach connects to the simulation of a state folder, or to the only one of a fresh folder.
func reach(ctx context.Context, dir string) (net.Conn, error) {
	paths := []string{filepath.Join(dir, socketName)}
	if dir == "" {
		paths, _ = filepath.Glob(filepath.Join(os.TempDir(), "egate-sim-*", socketName)) // the pattern is well-formed
	}
	var found net.Conn
	var at []string
	for _, p := range paths {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", p)
		if err != nil {
			continue // of a simulation that has ended
		}
		at = append(at, filepath.Dir(p))
		if found != nil {
			c.Close()
			continue
		}
		found = c
	}
	switch {
	case found == nil && dir != "":
		return nil, fmt.Errorf("run: inject: no simulation runs in %s", dir)
	case found == nil:
		return nil, errors.New("run: inject: no simulation runs: start one with egate-sim run, or name its folder with --dir")
	case len(at) > 1:
		found.Close()
		return nil, fmt.Errorf("run: inject: several simulations run: name one with --dir: %s", strings.Join(at, ", "))
	}
	return found, nil
}
