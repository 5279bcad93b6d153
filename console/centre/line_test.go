package centre

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/console"
	"egate/journal"
	"egate/link"
	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
	"egate/test/brokers"
	"egate/verdict"
)

// Of the site of these tests; its name is that of deploy/mosquitto/egate.acl.
const (
	site     = "example"
	here     = "gate-1"
	there    = "gate-2"
	patience = 60 * time.Second // bounds what a test waits for on a busy machine; nothing is measured with it
	pseud    = "officer-7"
	host     = "desk.example" // of the officers' pages
)

// TestMain is also the program that answers one look-up, as egate-console is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "answer-lookup" {
		os.Exit(AnswerMain(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// authority is a throw-away certificate authority.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	next int64
	host string // of its brokers
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "site"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte("site")}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &authority{t, key, c, 1, brokers.Host(t)}
}

// issue makes a certificate with a common name, as files.
func (a *authority) issue(name string) (cert, key []byte) {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.next++
	c := &x509.Certificate{SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.ParseIP(a.host)}}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	kb, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kb})
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// tls is what somebody of that name connects or listens with.
func (a *authority) tls(name string) *tls.Config {
	a.t.Helper()
	pair, err := tls.X509KeyPair(a.issue(name))
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ClientCAs: pool, Certificates: []tls.Certificate{pair}}
}

// asked is tls for each connection.
func (a *authority) asked(name string) func() *tls.Config {
	c := a.tls(name)
	return func() *tls.Config { return c }
}

// mosquitto starts the reference broker with the site's own configuration and access list.
func mosquitto(t *testing.T, ca *authority) *brokers.Broker {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("..", "..", "deploy", "mosquitto", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cert, key := ca.issue("broker")
	put("ca.pem", ca.pem())
	put("broker.pem", cert)
	put("broker.key", key)
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour)}, ca.cert, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	put("crl.pem", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
	put("egate.acl", append(read("egate.acl"), "\nuser wiretap\ntopic read egate/#\n"...)) // who runs the broker reads everything
	conf := strings.ReplaceAll(string(read("mosquitto.conf")), "/etc/egate/mosquitto", dir)
	if !strings.Contains(conf, "\nlistener 8883\n") {
		t.Fatal("the listener has changed")
	}
	return brokers.Mosquitto(t, strings.Replace(conf, "listener 8883", "listener {port} "+ca.host, 1))
}

// line is a centre with two gates, over TLS.
type line struct {
	sealTo  []byte                            // of the gates: where they seal events to
	two     []string                          // orders of two persons
	others  map[string]*passkey.Authenticator // of further officers
	t       *testing.T
	c       *Centre
	ca      *authority
	url     string
	disk    string // everything that the centre may write
	list    string // the watch list, elsewhere
	signers map[string]*seal.Signer
	keys    []ed25519.PublicKey // of the centre
	sealPub []byte
	stop    func()
	offline *seal.Signer           // signs rosters
	roster  string                 // its file
	auth    *passkey.Authenticator // of the officer
	key     *passkey.OrderKey      // of the newest sign-in
}

// listed writes a roster with some officers; the authenticator of the test is that of pseud.
func (l *line) listed(version uint64, names ...string) {
	l.t.Helper()
	now := time.Now().UTC()
	r := api.Roster{Site: site, Version: version, IssuedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Hour), RPID: host, Origins: []string{"https://" + host}, TwoPersons: append([]string{}, l.two...), Officers: []api.RosterOfficer{}}
	for _, n := range names {
		a := l.others[n]
		if n == pseud {
			a = l.auth
		} else if a == nil {
			a = must(passkey.New(officers.EdDSA, host, "https://"+host))
		}
		r.Officers = append(r.Officers, api.RosterOfficer{Officer: n, Passkeys: []api.Passkey{must(a.Public())}, Roles: officers.Roles(), Gates: []string{here, there}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)})
	}
	if err := os.WriteFile(l.roster+".new", must(officers.Sign(r, l.offline)), 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(l.roster+".new", l.roster); err != nil {
		l.t.Fatal(err)
	}
}

// each runs a test over the embedded broker and over Mosquitto.
func each(t *testing.T, f func(t *testing.T, embedded bool)) {
	t.Run("embedded", func(t *testing.T) { f(t, true) })
	t.Run("mosquitto", func(t *testing.T) { f(t, false) })
}

func newLine(t *testing.T, embedded bool) *line {
	t.Helper()
	l := &line{t: t, ca: newAuthority(t), disk: t.TempDir(), list: filepath.Join(t.TempDir(), "watchlist.yaml"), signers: map[string]*seal.Signer{}}
	t.Setenv("TMPDIR", l.disk) // so that a temporary file is found as well
	l.write("documents: {}\n")
	newSigner := func() *seal.Signer {
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
	own := newSigner()
	l.keys = []ed25519.PublicKey{own.Public()}
	gates := map[string]ed25519.PublicKey{}
	for _, g := range []string{here, there} {
		l.signers[g] = newSigner()
		gates[g] = l.signers[g].Public()
	}
	pub, priv, err := seal.GenerateHPKE()
	if err != nil {
		t.Fatal(err)
	}
	l.sealPub = pub
	l.offline, l.roster, l.auth = newSigner(), filepath.Join(t.TempDir(), "roster.signed"), must(passkey.New(officers.ES256, host, "https://"+host))
	l.listed(1, pseud)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(l.disk, "centre.log"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Site: site, Gates: gates, Signer: own, SealKey: priv, Roster: l.roster, RosterKey: l.offline.Public(), WatchList: l.list, Database: filepath.Join(l.disk, "history.db"),
		AnswerChild: []string{"env", "GORACE=atexit_sleep_ms=0", self, "answer-lookup"}, Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if embedded {
		cfg.Listen, cfg.ListenTLS = l.ca.host+":8070", l.ca.tls("broker")
		l.url = "tls://" + cfg.Listen
	} else {
		l.url = "tls://" + mosquitto(t, l.ca).Addr
		cfg.Broker = Broker{URLs: []string{l.url}, TLS: l.ca.asked(Principal)}
	}
	l.c = patient(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}, 8), make(chan error, 1)
	go func() { done <- l.c.Run(ctx, func() { ready <- struct{}{} }) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("the centre does not end")
		}
		_ = log.Close()
	})
	t.Cleanup(l.stop)
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatal("the centre ended")
	case <-time.After(patience):
		t.Fatal("the centre does not reach its broker")
	}
	return l
}

// patient is a centre that waits as long as its test for what it has asked.
func patient(t *testing.T, cfg Config) *Centre {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.limits = limits{order: patience, answer: patience}
	return c
}

// write replaces the watch list at once, as an editor or a job does.
func (l *line) write(text string) {
	l.t.Helper()
	next := l.list + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(next, l.list); err != nil {
		l.t.Fatal(err)
	}
}

// until waits for a picture of the line.
func (l *line) until(what string, f func(map[string]console.GateView) bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seen := false
	_ = l.c.Watch(ctx, func(v console.Line) {
		gates := map[string]console.GateView{}
		for _, g := range v.Gates {
			gates[g.Gate] = g
		}
		if f(gates) {
			seen = true
			cancel()
		}
	})
	if !seen {
		l.t.Fatalf("not seen at the desk: %s", what)
	}
}

func (l *line) signIn() console.Officer {
	l.t.Helper()
	ch := must(l.c.Challenge())
	l.key = must(l.auth.Certify(ch.Site, ch.Gates, ch.Nonce, time.Now(), time.Hour))
	return must(l.c.SignIn(l.t.Context(), console.SignIn{OrderKey: l.key.Text, Assertion: l.key.Assertion}))
}

// order gives an order as the page does.
func (l *line) order(ctx context.Context, o console.Officer, gate, name, passage string, dossier []byte, reason string) (api.Response, error) {
	l.c.mu.Lock()
	st := l.c.gates[gate].view.Status
	l.c.mu.Unlock()
	now := time.Now()
	c := passkey.Order(gate, st, o.Pseudonym, name, passage, dossier, reason, now)
	payload, proof, err := l.key.Sign(c, now)
	if err != nil {
		return api.Response{}, err
	}
	return l.c.Order(ctx, o.Session, c, console.Order{Payload: payload, Proof: *proof})
}

// gateEnd is a gate's link with its journal; the test plays the loop.
type gateEnd struct {
	t     *testing.T
	line  *line
	name  string
	j     *journal.Journal
	l     *link.Link
	items chan link.Item // commands and answers
	times chan api.Time
	mu    sync.Mutex
	lease api.Lease // the newest
	step  uint64
	who   *officers.Keeper
}

func (l *line) gate(name string) *gateEnd {
	l.t.Helper()
	j, _, err := journal.Open(l.t.TempDir(), journal.Options{AckDelay: time.Millisecond})
	if err != nil {
		l.t.Fatal(err)
	}
	e := &gateEnd{t: l.t, line: l, name: name, j: j, items: make(chan link.Item, 64), times: make(chan api.Time, 8), who: officers.NewKeeper(site, name, false, seal.Trust(l.offline.Public()), nil)}
	e.l, err = link.New(link.Config{Site: site, Gate: name, Brokers: []string{l.url}, TLS: l.ca.asked(name), Boot: "0123456789abcdef", Epoch: j.Epoch, Signer: l.signers[name],
		Centre: map[string]seal.Keys{Principal: seal.Trust(l.keys...)}, Officers: e.who, Outbox: j.Outbox(), SealTo: l.sealTo, Time: func(a api.Time) { e.times <- a }})
	if err != nil {
		l.t.Fatal(err)
	}
	e.l.SetStatus("ready")
	ctx, cancel := context.WithCancel(context.Background())
	up := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() { _ = e.l.Run(ctx) })
	wg.Go(func() {
		for {
			select {
			case i := <-e.l.Inbound():
				switch {
				case i.Up:
					select {
					case up <- struct{}{}:
					default: // again
					}
				case i.Lease != nil:
					e.mu.Lock()
					e.lease = *i.Lease
					e.mu.Unlock()
				case i.Command != nil || i.Answer != nil:
					e.items <- i
				}
			case <-ctx.Done():
				return
			}
		}
	})
	l.t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := j.Close(); err != nil {
			l.t.Errorf("journal: %v", err)
		}
	})
	select {
	case <-up: // a link that is not up drops questions and answers
	case <-time.After(patience):
		l.t.Fatalf("%s does not reach the broker", name)
	}
	l.until(name+" is ready", func(v map[string]console.GateView) bool { return v[name].Status.State == "ready" })
	e.version(1)
	return e
}

// version waits until the gate has a roster of at least that version.
func (e *gateEnd) version(n uint64) {
	e.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if r := e.who.Current(); r != nil && r.Version >= n {
			return
		}
		if time.Now().After(end) {
			e.t.Fatalf("%s has no roster of version %d", e.name, n)
		}
	}
}

func (e *gateEnd) next() link.Item {
	e.t.Helper()
	select {
	case i := <-e.items:
		return i
	case <-time.After(patience):
		e.t.Fatalf("%s hears nothing", e.name)
		return link.Item{}
	}
}

// command is the next order.
func (e *gateEnd) command() api.Command {
	e.t.Helper()
	for {
		if i := e.next(); i.Command != nil {
			return *i.Command
		}
	}
}

// commit writes events as one step and waits until the centre has acknowledged them.
func (e *gateEnd) commit(events map[string]any) {
	e.t.Helper()
	e.step++
	r := journal.Record{Step: e.step, Model: []byte("{}")}
	for kind, v := range events {
		r.Events = append(r.Events, must(json.Marshal(api.Draft{Type: kind, Time: time.Now().UTC(), Data: must(json.Marshal(v))})))
	}
	e.j.Submit(r)
	if res := <-e.j.Results(); res.Err != nil {
		e.t.Fatal(res.Err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) { // the journal tells nobody of an acknowledgement
		if _, _, n := e.j.Usage(); n == 0 {
			return
		}
		if time.Now().After(end) {
			e.t.Fatal("events are not acknowledged")
		}
	}
}

func must[T any](b T, err error) T {
	if err != nil {
		panic(err)
	}
	return b
}

// passage is a new passage's id.
func passage() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// request sends one sealed request of a passage.
func (e *gateEnd) request(kind, passage string, to, plain []byte) {
	e.t.Helper()
	sealed := must(seal.Seal(to, kind, e.name, passage, plain))
	hash, clear := sha256.Sum256(sealed), sha256.Sum256(plain)
	v := api.Envelope{Gate: e.name, Passage: passage, Epoch: e.j.Epoch(), Type: kind, Recipient: seal.KeyID(to), ExpiresAt: time.Now().UTC().Add(time.Minute), Sealed: sealed, Hash: hash[:]}
	if kind == referralKind {
		v.PlainHash = clear[:]
	}
	e.l.Request(kind, v)
}

// lookup asks the centre about a traveller, as an inspector does, and opens the answer.
func (e *gateEnd) lookup(q api.LookupQuestion) string {
	e.t.Helper()
	pub, priv, err := seal.GenerateHPKE()
	if err != nil {
		e.t.Fatal(err)
	}
	q.Passage, q.ReplyKey = passage(), pub
	e.request(lookupKind, q.Passage, e.line.sealPub, must(json.Marshal(q)))
	for {
		i := e.next()
		if i.Answer == nil || i.Answer.Passage != q.Passage {
			continue
		}
		var a api.LookupAnswer
		if err := json.Unmarshal(must(seal.Open(priv, answerKind, e.name, q.Passage, i.Answer.Sealed)), &a); err != nil {
			e.t.Fatal(err)
		}
		return a.Answer
	}
}

// order has an officer order something, and the gate answer it.
func (e *gateEnd) order(o console.Officer, name, passage string, dossier []byte, reason string, meanwhile func(api.Command)) (api.Command, api.Response) {
	e.t.Helper()
	type result struct {
		r   api.Response
		err error
	}
	done := make(chan result, 1)
	go func() {
		r, err := e.line.order(context.Background(), o, e.name, name, passage, dossier, reason)
		done <- result{r, err}
	}()
	c := e.command()
	if meanwhile != nil {
		meanwhile(c)
	}
	e.l.Respond(Principal, api.Response{ID: c.ID, Result: "done", At: time.Now().UTC()})
	select {
	case d := <-done:
		if d.err != nil {
			e.t.Fatalf("order %s: %v", name, d.err)
		}
		return c, d.r
	case <-time.After(patience):
		e.t.Fatal("the order is not answered")
		panic("unreachable")
	}
}

// TestO03OrderAndAnswer (O-07, X-02): what an officer orders reaches the link of that gate and no other, signed
// and complete, with the reason of an override and the dossier that was shown; and the gate's answer comes back.
func TestO03OrderAndAnswer(t *testing.T) {
	each(t, func(t *testing.T, embedded bool) {
		l := newLine(t, embedded)
		a, b := l.gate(here), l.gate(there)
		o := l.signIn()
		p, shown := passage(), sha256.Sum256([]byte("dossier"))
		c, r := a.order(o, api.CmdAccept, p, shown[:], "identity_confirmed", nil)
		if c.Gate != here || c.Name != api.CmdAccept || c.Officer != pseud || c.Passage != p || !bytes.Equal(c.Dossier, shown[:]) || c.Reason != "identity_confirmed" {
			t.Errorf("the order arrived as %+v", c)
		}
		if r.ID != c.ID || r.Result != "done" {
			t.Errorf("the answer came back as %+v", r)
		}
		// The other gate's first order is its own.
		if c, _ := b.order(o, api.CmdCloseGate, "", nil, "", nil); c.Gate != there || c.Name != api.CmdCloseGate {
			t.Errorf("%s was ordered %+v", there, c)
		}
		if a.l.Refused() != 0 || b.l.Refused() != 0 {
			t.Errorf("%d and %d messages were refused by the gates", a.l.Refused(), b.l.Refused())
		}
	})
}

// TestX01GateSpeaksForItself: whoever holds the certificate of one gate can neither say anything in the name of
// another nor read what is meant for it.
func TestX01GateSpeaksForItself(t *testing.T) {
	each(t, func(t *testing.T, embedded bool) {
		l := newLine(t, embedded)
		a := l.gate(here)
		o := l.signIn()
		heard := make(chan mqtt.Message, 4096)
		m := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(l.url).SetTLSConfig(l.ca.tls(there)).SetClientID("gate-" + there).SetAutoReconnect(false).SetCleanSession(true).
			SetProtocolVersion(4).SetOrderMatters(true).SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { heard <- m }))
		await := func(what string, tok mqtt.Token) {
			t.Helper()
			if !tok.WaitTimeout(patience) || tok.Error() != nil {
				t.Fatalf("%s: %v", what, tok.Error())
			}
		}
		await("connect", m.Connect())
		defer m.Disconnect(0)
		for _, filter := range []string{"#", "egate/#", "egate/v1/" + site + "/#", api.Topic(site, "+", "cmd/+/+"), api.Topic(site, "+", "ans/+/+"), api.Topic(site, "+", "lease/+"),
			api.Topic(site, here, "#"), api.Topic(site, here, "cmd/+/+"), api.Topic(site, here, "ans/+/+"), api.Topic(site, here, "lease/+"), api.Topic(site, here, "ack"),
			api.Topic(site, here, "status"), api.Topic(site, here, "rsp/+/+"), api.Topic(site, there, "cmd/+/+")} {
			tok := m.Subscribe(filter, 0, nil)
			if !tok.WaitTimeout(patience) { // a refusal is a result, not an error
				t.Fatalf("subscribe to %s hangs", filter)
			}
		}
		// QoS 0: a broker may end the connection of who publishes with more what he may not.
		say := func(gate, rest string, v any) {
			await(rest, m.Publish(api.Topic(site, gate, rest), 0, false, must(json.Marshal(v))))
		}
		status := func(state, session string) api.Status {
			return api.Status{State: state, Boot: "0123456789abcdef", Session: session, Epoch: 9, At: time.Now().UTC()}
		}
		forged := api.Event{SpecVersion: "1.0", ID: "9-1", Source: "/" + site + "/" + here, Type: "egate.order.v1", Time: time.Now().UTC(), Schema: "egate/v1/order",
			ContentType: "application/json", Epoch: 9, Seq: 1, Data: must(json.Marshal(api.OrderEvent{ID: "forged", Principal: Principal, Name: api.CmdReset, Result: "done"}))}
		c, r := a.order(o, api.CmdCloseGate, "", nil, "", func(c api.Command) {
			say(here, "rsp/"+Principal+"/"+c.ID, api.Response{ID: c.ID, Result: "rejected", At: time.Now().UTC()})
			say(here, "status", status("offline", c.Session))
			say(here, "state", api.State{Seq: 1, Mode: "emergency", Reception: "idle", Passage: "empty", Entry: "closed", Exit: "closed", Occupancy: "0", At: time.Now().UTC()})
			say(here, "evt/order", forged)
			// In the same stream, and later: what was let through is at the desk by now.
			say(there, "status", status("degraded", "fedcba9876543210"))
			l.until("the word of "+there+" itself", func(v map[string]console.GateView) bool { return v[there].Status.State == "degraded" })
		})
		if r.Result != "done" {
			t.Errorf("%s answered an order to %s: %+v", there, here, r)
		}
		l.until("both gates", func(v map[string]console.GateView) bool {
			if v[here].Status.State != "ready" || v[here].State.Mode != "" || len(v[here].Alerts) > 0 {
				t.Errorf("%s spoke in the name of %s: %+v", there, here, v[here])
			}
			return true
		})
		// An event of its own shows that one is stored, and one of a forged number would have come before.
		a.commit(map[string]any{api.EventOrder: api.OrderEvent{ID: c.ID, Principal: Principal, Name: c.Name, Result: "done"}})
		if events, err := l.c.History(here, 0, 0, 10); err != nil || len(events) != 1 || events[0].Epoch == 9 {
			t.Errorf("history of %s: %+v, %v", here, events, err)
		}
		// Its own order is heard: so it could have heard the other one.
		go func() { _, _ = l.order(t.Context(), o, there, api.CmdOpenGate, "", nil, "") }()
		for end := time.After(patience); ; {
			select {
			case msg := <-heard:
				if msg.Topic() == api.Topic(site, there, "cmd/"+Principal+"/"+api.CmdOpenGate) {
					return
				}
				if !strings.HasPrefix(msg.Topic(), api.Topic(site, there, "")) {
					t.Errorf("%s read %s", there, msg.Topic())
				}
			case <-end:
				t.Fatal("the connection hears nothing: the test proves nothing")
			}
		}
	})
}

// TestX01ClientNeedsItsOwnName: at the embedded broker the holder of a certificate cannot take the client id of
// another gate or of the centre, and a stranger is not let in.
func TestX01ClientNeedsItsOwnName(t *testing.T) {
	l := newLine(t, true)
	stranger := newAuthority(t).tls(here)
	stranger.RootCAs = l.ca.tls(here).RootCAs
	none := l.ca.tls(here)
	none.Certificates = nil
	for _, x := range []struct {
		what string
		cfg  *tls.Config
		id   string
		in   bool
	}{
		{"itself", l.ca.tls(here), "gate-" + here, true}, {"another gate", l.ca.tls(there), "gate-" + here, false}, {"the centre", l.ca.tls(here), selfPrefix + "00", false},
		{"of another authority", stranger, "gate-" + here, false}, {"without a certificate", none, "gate-" + here, false},
	} {
		m := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(l.url).SetTLSConfig(x.cfg).SetClientID(x.id).SetAutoReconnect(false).SetConnectRetry(false).SetProtocolVersion(4).SetConnectTimeout(5 * time.Second))
		tok := m.Connect()
		if !tok.WaitTimeout(patience) {
			t.Fatal("connect hangs")
		}
		if in := tok.Error() == nil; in != x.in {
			t.Errorf("%s: let in %v (%v)", x.what, in, tok.Error())
		}
		m.Disconnect(0)
	}
}

// TestDP07SealedEvents: at a gate that seals them, a border event reaches the history whole, and what passes the broker says to nobody else what it was: not to
// maintenance, which reads faults and starts in the open, and not to whoever reads everything there is, by content, type or size. An envelope under another
// number, of another gate or for another key is refused.
func TestDP07SealedEvents(t *testing.T) {
	each(t, func(t *testing.T, embedded bool) {
		l := newLine(t, embedded)
		l.sealTo = l.sealPub
		var mu sync.Mutex
		heard := map[string][][]byte{}
		listen := func(name, id string, topics ...string) {
			m := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(l.url).SetTLSConfig(l.ca.tls(name)).SetClientID(id).SetAutoReconnect(false).SetCleanSession(true).SetProtocolVersion(4).
				SetDefaultPublishHandler(func(_ mqtt.Client, msg mqtt.Message) {
					mu.Lock()
					defer mu.Unlock()
					heard[name+" "+msg.Topic()] = append(heard[name+" "+msg.Topic()], msg.Payload())
				}))
			if tok := m.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
				t.Fatal(tok.Error())
			}
			t.Cleanup(func() { m.Disconnect(0) })
			for _, topic := range topics {
				if tok := m.Subscribe(topic, 1, nil); !tok.WaitTimeout(patience) {
					t.Fatal("subscribe hangs")
				}
			}
		}
		if !embedded {
			listen("maintenance", "maintenance", "egate/#", "egate/v1/"+site+"/+/evt/+", "egate/v1/"+site+"/+/evt/fault", "egate/v1/"+site+"/+/evt/boot")
			listen("wiretap", "wiretap", "egate/#")
		}
		g := l.gate(here)
		id := passage()
		g.commit(map[string]any{api.EventChoice: api.Choice{Passage: id, Choice: "accept", Stage: "notice"}})
		g.commit(map[string]any{api.EventPassage: api.Passage{Passage: id, Outcome: verdict.Refer, Reason: verdict.FaceMismatch, Stages: []api.StageTime{}, Checks: []verdict.Check{}}})
		g.commit(map[string]any{api.EventFault: api.FaultEvent{Code: "disk_low", Part: "journal", Raised: true}})
		all, err := l.c.History(here, 0, 0, 10)
		if err != nil || len(all) != 3 || kind(all[0]) != api.EventChoice || kind(all[1]) != api.EventPassage || !bytes.Contains(all[1].Data, []byte(id)) || kind(all[2]) != api.EventFault {
			t.Fatalf("history: %+v %v", all, err)
		}
		box, err := seal.Seal(l.sealPub, api.EventSealed, here, "7-9", []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		inside := must(json.Marshal(all[1]))
		under := func(gate, id string, text []byte) []byte {
			return must(seal.Seal(l.sealPub, api.EventSealed, gate, id, text))
		}
		for what, e := range map[string]api.SealedEvent{
			"no event inside": {Recipient: seal.KeyID(l.sealPub), Sealed: box},
			"another number":  {Recipient: seal.KeyID(l.sealPub), Sealed: under(here, "7-9", inside)},
			"of another gate": {Recipient: seal.KeyID(l.sealPub), Sealed: under(there, "7-9", inside)},
			"for another key": {Recipient: "0123456789abcdef", Sealed: box},
			"nothing at all":  {Recipient: seal.KeyID(l.sealPub)},
		} {
			if _, _, err := l.c.unseal(here, api.Event{ID: "7-9", Epoch: 7, Seq: 9, Data: must(json.Marshal(e))}); err == nil {
				t.Errorf("%s: taken", what)
			}
		}
		if embedded {
			return
		}
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			mu.Lock()
			told, sealed := len(heard["maintenance "+api.Topic(site, here, "evt/fault")]), len(heard["wiretap "+api.Topic(site, here, "evt/sealed")])
			mu.Unlock()
			if told > 0 && sealed == 2 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("faults %d, sealed %d: the test proves nothing", told, sealed)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for topic, msgs := range heard {
			for _, m := range msgs {
				if bytes.Contains(m, []byte(id)) || bytes.Contains(m, []byte("egate.passage")) || bytes.Contains(m, []byte("egate.choice")) || bytes.Contains(m, []byte("face_mismatch")) {
					t.Errorf("%s tells of the passage", topic)
				}
			}
			if who, rest, _ := strings.Cut(topic, " "); who == "maintenance" && strings.Contains(rest, "/evt/") && !strings.HasSuffix(rest, "/evt/fault") {
				t.Errorf("maintenance read %s", rest)
			}
		}
		if two := heard["wiretap "+api.Topic(site, here, "evt/sealed")]; len(two[0]) != len(two[1]) {
			t.Errorf("sizes %d and %d tell them apart", len(two[0]), len(two[1]))
		}
	})
}
