// Package e2e runs the real programs against the reference broker.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mosquitto starts the reference broker on a free loopback port and ends it with the test.
func mosquitto(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		if path = "/usr/sbin/mosquitto"; !exists(path) {
			t.Skip("SKIP: mosquitto is not installed: nothing is tested against the reference broker (apt-get install mosquitto)")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	// Loopback only and without passwords: what matters is signed. The ACL has a test of its own.
	text := "listener " + port + " 127.0.0.1\nallow_anonymous true\npersistence false\nmessage_size_limit 700000\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
		time.Sleep(20 * time.Millisecond) // polling a port: nothing else tells that a broker listens
	}
	t.Fatal("mosquitto does not listen")
	return ""
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// programs is the folder of the built programs.
func programs(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("EGATE_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "bin")
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	if !exists(filepath.Join(bin, "egate-sim")) {
		t.Skip("SKIP: the programs are not built: the real programs are NOT tested (make build)")
	}
	return bin
}

// E-03, P-11, X-02: scenarios with the real programs over Mosquitto: a genuine traveller, the centre out
// of reach, a forged answer.
func TestScenariosOverMosquitto(t *testing.T) {
	bin := programs(t)
	broker := mosquitto(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "egate-sim"), "run", "--once", "--broker", broker,
		"--scenario", "01-genuine-bac", "--scenario", "15-centre-unreachable", "--scenario", "16-forged-answer")
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.CombinedOutput()
	for _, l := range strings.Split(string(out), "\n") {
		if strings.HasPrefix(l, "PASS") || strings.HasPrefix(l, "FAIL") || strings.Contains(l, "✗") || strings.Contains(l, "passed,") {
			t.Log(l)
		}
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	retained(t, broker)
}

// retained reads what the gate left on the broker with a client that knows nothing of egate (M-01), and finds in its health what its
// devices did in those passages (M-05).
func retained(t *testing.T, broker string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(broker)
	out, err := exec.Command("mosquitto_sub", "-h", host, "-p", port, "-t", "egate/v1/+/+/health", "-t", "egate/v1/+/+/status", "-t", "egate/v1/+/+/state", "-t", "egate/v1/+/+/info",
		"-C", "4", "-W", "30", "-v").Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("SKIP: mosquitto_sub is not installed: nothing was read with a plain client (apt-get install mosquitto-clients)")
	}
	if err != nil {
		t.Fatalf("mosquitto_sub: %v\n%s", err, out)
	}
	read := map[string]map[string]any{}
	for l := range strings.Lines(string(out)) {
		topic, text, _ := strings.Cut(l, " ")
		var v map[string]any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Errorf("%s: %v", topic, err)
		}
		read[topic[strings.LastIndex(topic, "/")+1:]] = v
	}
	if s := read["status"]["state"]; s != "offline" {
		t.Errorf("the gate has ended and its status is %v", s)
	}
	counters, _ := read["health"]["counters"].(map[string]any)
	for _, least := range []string{"captures", "readings", "entry_cycles", "exit_cycles", "entry_open_ms"} {
		if n, _ := counters[least].(float64); n < 1 {
			t.Errorf("health: %s is %v after a genuine passage", least, counters[least])
		}
	}
	for _, named := range []string{"frame_drops_percent", "reader_retries_percent"} {
		if _, ok := counters[named].(float64); !ok {
			t.Errorf("health does not tell %s", named)
		}
	}
	if t.Failed() {
		t.Logf("read:\n%s", out)
	}
}
