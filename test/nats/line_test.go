package nats

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"egate/api"
	"egate/console/centre"
	"egate/journal"
	"egate/link"
	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
)

// gateEnd is a gate's journal and link; the test plays the loop.
type gateEnd struct {
	name string
	j    *journal.Journal
	said map[uint64]string // by number, what was committed
}

// step commits one event and waits until it is on the disk.
func (g *gateEnd) step(what string) error {
	data, _ := json.Marshal(api.DoorEvent{Door: "exit", What: what})
	draft, _ := json.Marshal(api.Draft{Type: api.EventDoor, Time: time.Now().UTC(), Data: data})
	g.j.Submit(journal.Record{Step: uint64(len(g.said) + 1), Model: []byte("m"), Events: [][]byte{draft}, Leaves: [][]byte{draft}})
	r := <-g.j.Results()
	if r.Err != nil {
		return fmt.Errorf("%s: %w", g.name, r.Err)
	}
	g.said[uint64(len(g.said)+1)] = what
	return nil
}

func number(t *testing.T, env string, def int) int {
	if s := os.Getenv(env); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: %v", env, err)
		}
		return n
	}
	return def
}

func signer(t *testing.T) *seal.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.NewSigner(key.Seed())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestE03ClusterLosesANode: gates publish through three servers while one of them is killed as by a power cut and
// comes back, each in turn. Every event that a gate has committed is in the centre's database, once, in its
// place, with what it said; nothing else is.
func TestE03ClusterLosesANode(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers and a line of gates: the long form")
	}
	count, events := number(t, "EGATE_GATES", 200), number(t, "EGATE_EVENTS", 30)
	seed := uint64(number(t, "SEED", int(time.Now().UnixNano()%1e9)))
	t.Logf("%d gates, %d events each, seed %d", count, events, seed)
	rnd := mrand.New(mrand.NewPCG(seed, 1))
	ca, own := newAuthority(t), signer(t)
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("gate-%d", i+1))
	}
	nodes := newCluster(t, ca, 3, names, "")
	// Each gate has an order of its own of the three servers.
	order := func(first int) (urls []string) {
		for i := range nodes {
			urls = append(urls, "tls://"+nodes[(first+i)%len(nodes)].addr)
		}
		return urls
	}

	// The centre of the console, as it is.
	keys, signers := map[string]ed25519.PublicKey{}, map[string]*seal.Signer{}
	for _, n := range names {
		signers[n] = signer(t)
		keys[n] = signers[n].Public()
	}
	_, priv, err := seal.GenerateHPKE()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	list := filepath.Join(dir, "watchlist.yaml")
	if err := os.WriteFile(list, []byte("documents: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	offline, roster := signer(t), filepath.Join(dir, "roster.signed") // nobody orders here
	officer, err := passkey.New(officers.ES256, "desk.example", "https://desk.example")
	if err != nil {
		t.Fatal(err)
	}
	listed, err := officer.Enlist(offline, "example", "ada", true, names[:1], time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(roster, listed, 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	logger := slog.New(slog.NewTextHandler(log, nil))
	desk := ca.client(centre.Principal)
	c, err := centre.New(centre.Config{Site: "example", Simulated: true, Gates: keys, Roster: roster, RosterKey: offline.Public(), Signer: own, SealKey: priv, WatchList: list, Database: filepath.Join(dir, "history.db"),
		AnswerChild: []string{self, "answer-lookup"}, Broker: centre.Broker{URLs: order(0), TLS: func() *tls.Config { return desk }}, Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx, nil) })

	var gates []*gateEnd
	for i, n := range names {
		j, _, err := journal.Open(t.TempDir(), journal.Options{AckDelay: 50 * time.Millisecond, Prealloc: -1})
		if err != nil {
			t.Fatal(err)
		}
		g := &gateEnd{name: n, j: j, said: map[uint64]string{}}
		cfg := ca.client(n)
		l, err := link.New(link.Config{Site: "example", Gate: n, Brokers: order(i), TLS: func() *tls.Config { return cfg }, Boot: "0123456789abcdef", Epoch: j.Epoch, Signer: signers[n],
			Centre: map[string]seal.Keys{centre.Principal: seal.Trust(own.Public())}, Outbox: j.Outbox(),
			Officers: officers.NewKeeper("example", n, true, seal.Trust(offline.Public()), nil), Log: logger.With("gate", n)})
		if err != nil {
			t.Fatal(err)
		}
		l.SetStatus("ready")
		wg.Go(func() { _ = l.Run(ctx) })
		wg.Go(func() {
			for {
				select {
				case <-l.Inbound():
				case <-ctx.Done():
					return
				}
			}
		})
		gates = append(gates, g)
	}
	defer func() {
		cancel()
		wg.Wait()
		for _, g := range gates {
			_ = g.j.Close()
		}
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("log:\n%s", b[max(0, len(b)-6000):])
		}
	}()

	// acknowledged waits until the centre has signed for everything that the gates have committed so far.
	acknowledged := func(what string, share float64) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			done, all := 0, 0
			for _, g := range gates {
				done += int(g.j.Acked().Upto)
				all += len(g.said)
			}
			if float64(done) >= share*float64(all) {
				t.Logf("%s: %d of %d acknowledged", what, done, all)
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %d of %d events acknowledged", what, done, all)
			}
		}
	}
	burst := func(n int) {
		t.Helper()
		var all sync.WaitGroup
		errs := make(chan error, len(gates))
		for _, g := range gates {
			order := rnd.Perm(4)
			all.Go(func() {
				for i := range n {
					if err := g.step([]string{"opened", "closed", "blocked", "released"}[order[i%4]]); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		all.Wait()
		select {
		case err := <-errs:
			t.Fatal(err)
		default:
		}
	}
	part := max(1, events/7)
	burst(part)
	acknowledged("three servers", 1)
	kills := 0
	for _, i := range rnd.Perm(3) {
		burst(part)
		acknowledged("before the kill", 1-0.5*rnd.Float64())
		nodes[i].kill()
		kills++
		burst(part)
		acknowledged(fmt.Sprintf("without n%d", i+1), 1)
		nodes[i].start()
		nodes[i].listens()
	}
	acknowledged("at the end", 1)
	total := 0
	for _, g := range gates {
		stored, err := c.History(g.name, 0, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(stored) != len(g.said) {
			t.Errorf("%s: %d events stored, %d committed", g.name, len(stored), len(g.said))
			continue
		}
		for i, e := range stored {
			var d api.DoorEvent
			if err := json.Unmarshal(e.Data, &d); err != nil || e.Epoch != g.j.Epoch() || e.Seq != uint64(i+1) || d.What != g.said[e.Seq] {
				t.Errorf("%s: event %d is %s, %s was committed", g.name, i+1, e.Data, g.said[uint64(i+1)])
			}
		}
		total += len(stored)
	}
	if kills != 3 || total == 0 {
		t.Errorf("%d kills, %d events: the test proves nothing", kills, total)
	}
	t.Logf("%d events of %d gates stored once and in order over %d kills", total, len(gates), kills)
}
