package run

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"egate/api"
	"egate/display"
)

func publish(topic string, payload []byte) []byte {
	body := append([]byte{byte(len(topic) >> 8), byte(len(topic))}, topic...)
	body = append(body, payload...)
	return append(encodeRemaining([]byte{0x30}, len(body)), body...)
}

// The network forwards, keeps what passes, forges answers and can be cut (P-11, X-02).
func TestProxy(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	broker, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	p, err := NewProxy("127.0.0.1:0", broker.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var topics []string
	p.Watch(func(topic string, _ []byte) { topics = append(topics, topic) })
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()

	gate, err := net.Dial("tcp", p.listen.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	far, err := broker.Accept()
	if err != nil {
		t.Fatal(err)
	}
	env, _ := json.Marshal(api.Envelope{Gate: "g", Sealed: []byte("sealed answer")})
	signed, _ := json.Marshal(api.Signed{Kind: "ans", Payload: env, Signatures: []api.Signature{{Alg: "ed25519", Kid: "k", Sig: []byte("s")}}})
	pkt := publish(api.Topic("s", "g", "ans/console/x"), signed)
	read := func() []byte {
		t.Helper()
		b := make([]byte, len(pkt)+400)
		_ = gate.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := gate.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return b[:n]
	}
	if _, err := far.Write(pkt); err != nil {
		t.Fatal(err)
	}
	if got := read(); !bytes.Equal(got, pkt) {
		t.Fatal("not forwarded as it was")
	}
	p.Forge(true)
	if _, err := far.Write(pkt); err != nil {
		t.Fatal(err)
	}
	if got := read(); bytes.Contains(got, signed) || p.Forged() != 1 {
		t.Fatal("the answer was not forged")
	}
	if b, err := p.Captured(); err != nil || !bytes.Contains(b, signed) {
		t.Fatalf("the traffic was not kept: %v", err)
	}
	p.Cut(true)
	if _, err := io.ReadAll(gate); err != nil {
		if e, ok := err.(net.Error); !ok || e.Timeout() {
			t.Fatalf("the connection was not cut: %v", err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if len(topics) != 2 {
		t.Fatalf("topics %v", topics)
	}
}

// The witness on the wire counts what was published and acknowledged (E-03).
func TestWire(t *testing.T) {
	w := newWire()
	ev := func(seq uint64, kind string) {
		b, _ := json.Marshal(api.Event{ID: "x", Type: "egate." + kind + ".v1", Epoch: 7, Seq: seq})
		w.packet(api.Topic("s", "g", "evt/"+kind), b)
	}
	ev(1, "boot")
	e, last, _ := w.position()
	ev(2, api.EventPassage)
	ev(4, "alarm")
	p, _ := json.Marshal(api.Ack{Epoch: 7, Upto: 2})
	a, _ := json.Marshal(api.Signed{Kind: "ack", Payload: p})
	w.packet(api.Topic("s", "g", "ack"), a)
	n, acked, holes := w.since(e, last)
	if n != 2 || acked != 1 || holes != 1 {
		t.Fatalf("%d %d %d", n, acked, holes)
	}
	ev(5, api.EventSealed)
	if open := w.opened(); !slices.Equal(open, []string{"alarm", "boot", "passage"}) || len(w.opened()) != 0 {
		t.Errorf("open: %v (DP-07)", open)
	}
}

// A person reads the real screen's stream and touches it (DP-05).
func TestScreenReadsAndTouches(t *testing.T) {
	srv := display.New(display.Options{})
	ts := httptest.NewServer(srv.Handler())
	defer ts.Close()
	srv.Show(display.Screen{Name: display.ScreenNotice})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := NewScreen(ts.URL)
	go s.Run(ctx)
	if err := s.Wait(ctx, func(sc display.Screen) bool { return sc.Name == display.ScreenNotice }); err != nil {
		t.Fatal(err)
	}
	if err := s.Touch(ctx, display.TouchAccept); err != nil {
		t.Fatal(err)
	}
	if got := <-srv.Touches(); got != display.TouchAccept {
		t.Fatal(got)
	}
	if !srv.RendererAlive() {
		t.Error("the viewer does not beat")
	}
}

// A process is found by the device that it holds, ready by its word, and ends when told.
func TestProcess(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "device")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Start("child", dir, "/bin/sh", "-c", "exec 7<"+file+"; trap 'exit 0' TERM; echo up; while :; do read -t 1 x </dev/zero || :; done")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	deadline := time.Now().Add(time.Minute)
	for {
		if pid, err := Holder(append(Descendants(os.Getpid()), p.PID()), file); err == nil {
			if pid != p.PID() {
				t.Fatalf("holder %d, want %d", pid, p.PID())
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("holder not found")
		}
	}
	p.Kill()
	if p.Alive() {
		t.Fatal("alive")
	}
	if err := p.Ready(t.Context()); err == nil {
		t.Fatal("ready after its end")
	}
}
