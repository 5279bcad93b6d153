package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a program may take to stop before it is killed.
const stopGrace = 8 * time.Second

// starter is the one thread that starts children: they are told to die with it (Pdeathsig), and a
// thread of its own lives as long as the program does.
var starter = sync.OnceValue(func() chan func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
})

// Process is one started program.
type Process struct {
	Name string
	cmd  *exec.Cmd
	sock *net.UnixConn
	path string
	log  *os.File

	mu    sync.Mutex
	ready chan struct{} // closed at READY=1
	said  bool
	done  chan struct{} // closed at its end
	err   error
}

// Start starts a program in a process group of its own. Its output goes to logDir/name.log, its
// sd_notify messages come here.
func Start(name, logDir string, argv ...string) (*Process, error) {
	if err := os.MkdirAll(logDir, 0o700); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(logDir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	path := filepath.Join(logDir, name+".notify")
	_ = os.Remove(path)
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		log.Close()
		return nil, fmt.Errorf("run: %w", err)
	}
	p := &Process{Name: name, sock: sock, path: path, log: log, ready: make(chan struct{}), done: make(chan struct{})}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	starter() <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		log.Close()
		sock.Close()
		return nil, fmt.Errorf("run: start %s: %w", name, err)
	}
	go p.listen()
	go func() {
		err := p.cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		sock.Close()
		os.Remove(path)
		log.Close()
		close(p.done)
	}()
	return p, nil
}

func (p *Process) listen() {
	buf := make([]byte, 4096)
	for {
		n, err := p.sock.Read(buf)
		if err != nil {
			return
		}
		for l := range bytes.Lines(buf[:n]) {
			if string(bytes.TrimSpace(l)) == "READY=1" {
				p.mu.Lock()
				if !p.said {
					p.said = true
					close(p.ready)
				}
				p.mu.Unlock()
			}
		}
	}
}

// Ready waits until the program says that it is ready, or ends.
func (p *Process) Ready(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.done:
		return fmt.Errorf("run: %s ended before it was ready: %v\n%s", p.Name, p.end(), p.tail())
	case <-ctx.Done():
		return fmt.Errorf("run: %s did not get ready: %w\n%s", p.Name, ctx.Err(), p.tail())
	}
}

func (p *Process) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// tail returns the last lines of the log.
func (p *Process) tail() string {
	b, err := os.ReadFile(p.log.Name())
	if err != nil {
		return ""
	}
	l := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(l) > 8 {
		l = l[len(l)-8:]
	}
	return strings.Join(l, "\n")
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Alive tells whether it runs.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends a signal to the program alone.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Kill kills the program alone, as kill -9 does, and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Stop asks the program to end, waits, and kills its whole group when it does not.
func (p *Process) Stop() error {
	if !p.Alive() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	t := time.NewTimer(stopGrace)
	defer t.Stop()
	select {
	case <-p.done:
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
		return nil
	case <-t.C:
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("run: %s did not stop in %v and was killed", p.Name, stopGrace)
	}
}

// Descendants returns the process ids below pid, from /proc.
func Descendants(pid int) []int {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	kids := map[int][]int{}
	for _, d := range dirs {
		n, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (comm) state ppid: comm may hold anything, the last parenthesis ends it.
		i := bytes.LastIndexByte(b, ')')
		var state string
		var ppid int
		if i < 0 {
			continue
		}
		if _, err := fmt.Sscan(string(b[i+1:]), &state, &ppid); err != nil || state == "Z" {
			continue
		}
		kids[ppid] = append(kids[ppid], n)
	}
	var out []int
	var walk func(int)
	walk = func(p int) {
		for _, k := range kids[p] {
			out = append(out, k)
			walk(k)
		}
	}
	walk(pid)
	return out
}

// Holder finds the process among pids that has path open; links are resolved.
func Holder(pids []int, path string) (int, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return 0, fmt.Errorf("run: %w", err)
	}
	for _, pid := range pids {
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			continue
		}
		for _, fd := range fds {
			if to, err := os.Readlink(fd); err == nil && to == real {
				return pid, nil
			}
		}
	}
	return 0, errors.New("run: no process has the device open")
}
