package service

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"egate/seal"
)

// fakeGate notes what it was asked.
type fakeGate struct {
	mu     sync.Mutex
	did    []string
	held   int
	revoke chan struct{}
	gave   chan struct{}
}

func (g *fakeGate) note(s ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.did = append(g.did, strings.Join(s, " "))
}
func (g *fakeGate) State() State { return State{Mode: "service"} }
func (g *fakeGate) Lines() Lines {
	return Lines{Inputs: map[string]string{"fire_ok": "high"}, Outputs: map[string]string{"beacon": "low"}}
}
func (g *fakeGate) Identify(who string, d time.Duration) error {
	g.note(who, "identify", d.String())
	return nil
}
func (g *fakeGate) Sound(who string) error {
	g.note(who, "sound")
	return nil
}
func (g *fakeGate) Order(_ context.Context, who, name, _ string) (Order, error) {
	g.note(who, name)
	return Order{Result: "accepted"}, nil
}
func (g *fakeGate) Hold(who, part string) (func(), <-chan struct{}, error) {
	g.note(who, "hold", part)
	return func() { g.gave <- struct{}{} }, g.revoke, nil
}
func (g *fakeGate) Pair(_ context.Context, who string, file []byte) (string, error) {
	g.note(who, "pair", string(file))
	return "v2", nil
}

func signer(t *testing.T) *seal.Signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.NewSigner(k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func serve(t *testing.T, keys seal.Keys) (*fakeGate, string) {
	t.Helper()
	g := &fakeGate{revoke: make(chan struct{}), gave: make(chan struct{}, 8)}
	path := filepath.Join(t.TempDir(), "s.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- (&Server{Site: "harbour", Gate: "gate-1", Technicians: keys, Do: g, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return g, path
}

// TestM09RolesAtTheSocket: who is in the group may look; what changes something needs a technician's key; what is
// none of a technician's is refused with it too.
func TestM09RolesAtTheSocket(t *testing.T) {
	tech, other := signer(t), signer(t)
	g, path := serve(t, seal.Trust(tech.Public()))
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o660 {
		t.Errorf("socket: %v %v", st.Mode(), err)
	}
	orders := []Request{{Name: AskIdentify, Seconds: 3}, {Name: AskSound}, {Name: AskOrder, Order: "gate_service"}, {Name: AskHold, Part: "camera"}, {Name: AskPair, File: []byte("f")}}
	for name, c := range map[string]struct {
		key *seal.Signer
		ok  bool
	}{"no key": {nil, false}, "stranger's key": {other, false}, "technician": {tech, true}} {
		k, err := Dial(t.Context(), path, c.key)
		if err != nil {
			t.Fatal(err)
		}
		r, err := k.Do(Request{Name: AskState})
		if name != "stranger's key" && (err != nil || r.State == nil || r.State.Mode != "service") {
			t.Errorf("%s: state: %v", name, err)
		}
		for _, o := range orders {
			if _, err := k.Do(o); (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %s: %v", name, o.Name, err)
			}
		}
		for _, o := range []Request{{Name: AskOrder, Order: "door_open_exit"}, {Name: AskOrder, Order: "gate_open"}, {Name: AskOrder, Order: "emergency_release"}, {Name: AskOrder},
			{Name: AskIdentify, Seconds: 3600}, {Name: AskIdentify, Seconds: -1}, {Name: "shell"}} {
			if _, err := k.Do(o); !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %s %s: %v", name, o.Name, o.Order, err)
			}
		}
		k.Close()
	}
	<-g.gave
	who := "service-" + tech.KeyID()
	if got, want := strings.Join(g.did, ", "), who+" identify 3s, "+who+" sound, "+who+" gate_service, "+who+" hold camera, "+who+" pair f"; got != want {
		t.Errorf("did %s, want %s", got, want)
	}
}

// TestM09NothingIsReplayed: a signed request counts once, on its connection and gate.
func TestM09NothingIsReplayed(t *testing.T) {
	tech := signer(t)
	keys := seal.Trust(tech.Public())
	h := Hello{Contract, "harbour", "gate-1", "c1"}
	make1 := func(p Payload) Asked {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		s := tech.Sign(kind, b)
		return Asked{b, &s}
	}
	order := Request{Name: AskOrder, Order: "self_test"}
	good := make1(Payload{"gate-1", "c1", 2, order})
	if _, who, err := verify(keys, h, 2, good); err != nil || who != tech.KeyID() {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		a Asked
		n int
	}{
		"again":              {good, 3},
		"other connection":   {make1(Payload{"gate-1", "c2", 2, order}), 2},
		"other gate":         {make1(Payload{"gate-2", "c1", 2, order}), 2},
		"signature removed":  {Asked{Payload: good.Payload}, 2},
		"payload changed":    {Asked{bytes.Replace(good.Payload, []byte("self_test"), []byte("gate_close"), 1), good.Signature}, 2},
		"signed as pairing":  {func() Asked { s := tech.Sign("pairing", good.Payload); return Asked{good.Payload, &s} }(), 2},
		"nothing is a frame": {Asked{}, 2},
	} {
		if _, _, err := verify(keys, h, c.n, c.a); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A lease ends with its connection, and the connection with the lease.
func TestC11LeaseAndConnectionEndTogether(t *testing.T) {
	tech := signer(t)
	g, path := serve(t, seal.Trust(tech.Public()))
	k, err := Dial(t.Context(), path, tech)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Do(Request{Name: AskHold, Part: "camera"}); err != nil {
		t.Fatal(err)
	}
	close(g.revoke) // the gate goes back into service
	if _, err := k.Next(); err == nil {
		t.Error("the connection outlives its lease")
	}
	<-g.gave
}

func TestWatch(t *testing.T) {
	_, path := serve(t, nil)
	k, err := Dial(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := k.Watch(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r, err := k.Next(); err != nil || r.Lines == nil || r.Lines.Inputs["fire_ok"] != "high" {
			t.Fatal(r, err)
		}
	}
}

// Hostile clients cost their connection only.
func TestM09HostileClients(t *testing.T) {
	g, path := serve(t, nil)
	for _, s := range []string{"\n", "{}\n", "null\n", `{"payload":"e30="}` + "\n", strings.Repeat("x", 2*MaxFrame) + "\n", "[[[[\n", `{"payload":`} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(s))
		c.Close()
	}
	var many []net.Conn
	for range 2 * maxConns {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		many = append(many, c)
	}
	for _, c := range many {
		c.Close()
	}
	var k *Client
	for k == nil { // when the last of them was let go
		k, _ = Dial(t.Context(), path, nil)
	}
	defer k.Close()
	if r, err := k.Do(Request{Name: AskState}); err != nil || r.State == nil {
		t.Error(err)
	}
	if len(g.did) != 0 {
		t.Errorf("did %v", g.did)
	}
	if _, err := Listen(path); err == nil {
		t.Error("the socket of a living gate was taken over")
	}
}

func FuzzAsked(f *testing.F) {
	f.Add([]byte(`{"payload":"e30=","signature":{"alg":"ed25519","kid":"0","sig":""}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a Asked
		if json.Unmarshal(b, &a) != nil {
			return
		}
		if r, who, err := verify(nil, Hello{Gate: "g", Challenge: "c"}, 1, a); err == nil && (who != "" || signed[r.Name]) {
			t.Fatalf("%+v %s", r, who)
		}
	})
}
