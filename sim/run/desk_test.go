package run

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"egate/api"
	"egate/console"
	"egate/console/centre"
	"egate/console/server"
	"egate/journal"
	"egate/link"
	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
)

// TestO03OfficerOfTheSimulation: the simulated officer signs in and orders over the console's HTTP interface with a
// passkey of its own, and the gate's end believes it for the roster alone: desk, centre, broker and link are the real ones
// (O-03, X-02).
func TestO03OfficerOfTheSimulation(t *testing.T) {
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	signer := func() *seal.Signer {
		_, k, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := seal.NewSigner(k.Seed())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	own, gate, offline := signer(), signer(), signer()
	_, sealKey, err := seal.GenerateHPKE()
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broker := free.Addr().String()
	_ = free.Close()
	web := httptest.NewUnstartedServer(nil)
	base := strings.Replace("http://"+web.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	auth, err := passkey.New(officers.EdDSA, "localhost", base)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := auth.Enlist(offline, "sim", "officer-demo", true, []string{"gate-1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"roster": raw, "watch": []byte("documents: {}\n")} {
		if err := os.WriteFile(at(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := centre.New(centre.Config{Site: "sim", Simulated: true, Gates: map[string]ed25519.PublicKey{"gate-1": gate.Public()}, Listen: broker, Signer: own, SealKey: sealKey,
		Roster: at("roster"), RosterKey: offline.Public(), WatchList: at("watch"), Database: at("history.db"), AnswerChild: []string{"none"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	ready, ended := make(chan struct{}, 4), make(chan error, 3)
	go func() { ended <- c.Run(ctx, func() { ready <- struct{}{} }) }()
	<-ready
	desk := server.New(c, server.Options{Site: "sim", Simulated: true, Files: fstest.MapFS{}})
	go func() { ended <- desk.Run(ctx) }()
	web.Config.Handler = desk
	web.Start()

	j, _, err := journal.Open(at("journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	who := officers.NewKeeper("sim", "gate-1", true, seal.Trust(offline.Public()), nil)
	l, err := link.New(link.Config{Site: "sim", Gate: "gate-1", Brokers: []string{"tcp://" + broker}, Boot: "0123456789abcdef", Epoch: j.Epoch, Signer: gate,
		Centre: map[string]seal.Keys{centre.Principal: seal.Trust(own.Public())}, Officers: who, Outbox: j.Outbox()})
	if err != nil {
		t.Fatal(err)
	}
	l.SetStatus("ready")
	go func() { ended <- l.Run(ctx) }()
	heard := make(chan link.Item, 16)
	go func() {
		for ctx.Err() == nil {
			select {
			case i := <-l.Inbound():
				if i.Command != nil {
					heard <- i
					l.Respond(i.Command.Principal, api.Response{ID: i.Command.ID, Result: "accepted", At: time.Now().UTC()})
				}
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		web.CloseClientConnections()
		web.Close()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})

	d, err := NewDesk(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SignIn(ctx, hex.EncodeToString(auth.Credential), strings.Repeat("00", 32)); err == nil {
		t.Error("another key under the credential's name signs in")
	}
	if err := d.SignIn(ctx, hex.EncodeToString(auth.Credential), hex.EncodeToString(auth.Seed())); err != nil {
		t.Fatal(err)
	}
	go d.Run(ctx)
	if _, err := d.Wait(ctx, "gate-1", func(g console.GateView) bool { return g.Status.State == "ready" }); err != nil {
		t.Fatal(err)
	}
	for who.Current() == nil && ctx.Err() == nil { // the roster comes over the link
		time.Sleep(5 * time.Millisecond)
	}
	for _, name := range []string{api.CmdCloseGate, api.CmdEndEmergency} { // the second needs a touch
		r, err := d.Order(ctx, "gate-1", name, "", nil, "")
		if err != nil || r.Result != "accepted" {
			t.Fatalf("%s: %+v %v", name, r, err)
		}
		if i := <-heard; i.Refused != "" || i.Command.Name != name || i.Command.Officer != "officer-demo" {
			t.Errorf("%s arrived as %+v", name, i)
		}
	}
}
