// Package brokers runs real MQTT brokers for tests, and a network in front of them that can be cut.
package brokers

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// startLimit is how long a broker may take to listen, on a machine with other work.
const startLimit = 20 * time.Second

// Plain is the configuration of a broker without access control.
const Plain = "listener {port} {host}\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"

// Broker is one Mosquitto.
type Broker struct {
	Addr string // host:port, the same after every start

	t    testing.TB
	conf string
	mu   sync.Mutex
	cmd  *exec.Cmd
	gone chan struct{}
	log  bytes.Buffer
}

// Host is a loopback address that nothing else of this machine uses. Connections that go out are made from 127.0.0.1
// and may be given any free port there: that of a broker that is dead for a moment too, by a client that tries to
// reach it and then meets itself.
func Host(t testing.TB) string {
	t.Helper()
	for range 100 {
		host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 2+rand.IntN(250))
		if l, err := net.Listen("tcp", host+":8070"); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return host
		}
	}
	t.Fatal("no loopback address is free")
	return ""
}

// Address is a Host with a port.
func Address(t testing.TB) string { return Host(t) + ":8070" }

var listens = regexp.MustCompile(`(?m)^listener \{port\} (\S+)$`)

// Mosquitto starts Debian's Mosquitto with a configuration in which {port} stands for its port and {host}, if it names
// none, for its address, and ends it with the test. Where it is not installed, the test is skipped.
func Mosquitto(t testing.TB, conf string) *Broker {
	t.Helper()
	program := program()
	if program == "" {
		t.Skip("SKIP: mosquitto is not installed: apt-get install mosquitto")
	}
	if strings.Contains(conf, "{host}") {
		conf = strings.ReplaceAll(conf, "{host}", Host(t))
	}
	host := listens.FindStringSubmatch(conf)
	if host == nil {
		t.Fatal("brokers: the configuration has no line \"listener {port} ADDRESS\"")
	}
	l, err := net.Listen("tcp", host[1]+":0")
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{Addr: l.Addr().String(), t: t}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	conf = strings.ReplaceAll(conf, "{port}", port)
	if os.Geteuid() == 0 {
		conf += "\nuser root\n" // else it becomes a user who cannot read the test's files
	}
	b.conf = filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(b.conf, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Kill)
	b.Start()
	return b
}

func program() string {
	for _, p := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if full, err := exec.LookPath(p); err == nil {
			return full
		}
	}
	return ""
}

// Start starts the broker again after Kill and waits until it listens.
func (b *Broker) Start() {
	b.t.Helper()
	cmd := exec.Command(program(), "-c", b.conf)
	b.mu.Lock()
	cmd.Stdout, cmd.Stderr = &lockedWriter{b}, &lockedWriter{b}
	b.mu.Unlock()
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	b.mu.Lock()
	b.cmd, b.gone = cmd, gone
	b.mu.Unlock()
	end := time.Now().Add(startLimit)
	for {
		c, err := net.DialTimeout("tcp", b.Addr, time.Second)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-gone:
			b.t.Fatalf("mosquitto ended: %s", b.Log())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			b.t.Fatalf("mosquitto does not listen: %s", b.Log())
		}
	}
}

// Kill ends the broker at once, as a power cut does.
func (b *Broker) Kill() {
	b.mu.Lock()
	cmd, gone := b.cmd, b.gone
	b.cmd = nil
	b.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Kill()
		<-gone
	}
}

// Log is what the broker wrote.
func (b *Broker) Log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

// URL is the broker without TLS.
func (b *Broker) URL() string { return "tcp://" + b.Addr }

type lockedWriter struct{ b *Broker }

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	return w.b.log.Write(p)
}
