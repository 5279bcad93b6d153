package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"egate/configs"
	"egate/console"
	"egate/console/centre"
	"egate/health"
	"egate/pki"
	"egate/test/brokers"
)

// siteCA is the authority of a site whose clock the test sets.
type siteCA struct {
	t   *testing.T
	dir string
	now time.Time
	a   *pki.Authority
}

func newSiteCA(t *testing.T) *siteCA {
	t.Helper()
	c := &siteCA{t: t, dir: filepath.Join(t.TempDir(), "ca"), now: time.Now().AddDate(-1, 0, 0)}
	a, err := pki.Init(c.dir, site, func() time.Time { return c.now })
	if err != nil {
		t.Fatal(err)
	}
	c.a = a
	return c
}

// at lets the authority sign as it would have so many days ago.
func (c *siteCA) at(daysAgo int) { c.now = time.Now().AddDate(0, 0, -daysAgo) }

// board makes a key, and a certificate that was signed so many days ago.
func (c *siteCA) board(name string, daysAgo int, hosts ...string) pki.Files {
	c.t.Helper()
	f := pki.Files{CA: filepath.Join(c.dir, pki.CertFile), Cert: filepath.Join(c.t.TempDir(), name+".pem")}
	f.Key = strings.TrimSuffix(f.Cert, ".pem") + ".key"
	key, err := pki.NewKey()
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := pki.MakeRequest(name, key)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := pki.ParseRequest(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.at(daysAgo)
	cert, err := c.a.Issue(r, hosts, pki.DefaultLife)
	if err = errors.Join(err, pki.SaveKey(f.Key, key), pki.Install(f.Cert, cert)); err != nil {
		c.t.Fatal(err)
	}
	return f
}

// renew signs the request that a gate has written, and installs the answer.
func (c *siteCA) renew(request, to string, daysAgo int) {
	c.t.Helper()
	var b []byte
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // a file appears
		var err error
		if b, err = os.ReadFile(request); err == nil {
			break
		}
		if time.Now().After(end) {
			c.t.Fatalf("the gate asks for no renewal: %v", err)
		}
	}
	r, err := pki.ParseRequest(b)
	if err != nil {
		c.t.Fatal(err)
	}
	c.at(daysAgo)
	cert, err := c.a.Renew(r, pki.DefaultLife)
	if err = errors.Join(err, pki.Install(to, cert)); err != nil {
		c.t.Fatal(err)
	}
}

// broker is Mosquitto with the files of deploy/mosquitto.
func (c *siteCA) broker() *brokers.Broker {
	c.t.Helper()
	c.at(0)
	if err := c.a.List(); err != nil {
		c.t.Fatal(err)
	}
	host := brokers.Host(c.t)
	own := c.board(fmt.Sprintf("broker-%d", len(c.a.Issued())), 0, host)
	text := map[string]string{}
	for _, n := range []string{"mosquitto.conf", "egate.acl"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "deploy", "mosquitto", n))
		if err != nil {
			c.t.Fatal(err)
		}
		text[n] = string(b)
	}
	dir := c.t.TempDir()
	acl := filepath.Join(dir, "egate.acl")
	if err := os.WriteFile(acl, []byte(strings.ReplaceAll(text["egate.acl"], "/example/", "/"+site+"/")), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return brokers.Mosquitto(c.t, strings.NewReplacer("listener 8883", "listener {port} "+host, "/etc/egate/mosquitto/ca.pem", own.CA, "/etc/egate/mosquitto/broker.pem", own.Cert,
		"/etc/egate/mosquitto/broker.key", own.Key, "/etc/egate/mosquitto/crl.pem", filepath.Join(c.dir, pki.ListFile), "/etc/egate/mosquitto/egate.acl", acl).Replace(text["mosquitto.conf"]))
}

func hasFault(g console.GateView, code health.Code) bool {
	for _, f := range g.Health.Faults {
		if f.Code == string(code) {
			return true
		}
	}
	return false
}

// TestX01RealGate (X-01, E-03): a real gate and a centre over two Mosquittos with TLS 1.3 and certificates on both sides. The
// gate's certificate has expired: it asks for another by a file, without any broker, and uses the answer without
// a restart. Two thirds on it asks again. The first broker is killed: gate and desk meet at the second. A
// certificate that was revoked lets nobody in.
func TestX01RealGate(t *testing.T) {
	ca := newSiteCA(t)
	first, second := ca.broker(), ca.broker()
	urls := configs.Brokers{"tls://" + first.Addr, "tls://" + second.Addr}
	desk, err := pki.Load(ca.board("console", 0), pki.Options{Name: centre.Principal})
	if err != nil {
		t.Fatal(err)
	}
	l := prepareLine(t, "gate-1")
	l.cfg.Listen, l.cfg.Broker = "", centre.Broker{URLs: urls, TLS: desk.Client}
	l.open()
	defer func() { l.stop() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := l.quiet(ctx, "gate-1")
	own := ca.board("gate-1", 91)
	w.gate.Link = configs.Link{Broker: urls, CAFile: own.CA, CertFile: own.Cert, CertKeyFile: own.Key}
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	defer w.kill()
	request := w.path("state", "renewal.csr")
	see := func(what string, f func(console.GateView) bool) {
		t.Helper()
		if err := l.until("gate-1", func(g console.GateView) bool { return g.Status.State != "offline" && g.State.Lease && f(g) }); err != nil {
			log, _ := os.ReadFile(w.path("egated.log"))
			t.Fatalf("%s: %v\n%s\n%s", what, err, log, first.Log())
		}
	}
	ca.renew(request, own.Cert, 61)
	see("renewed without a broker", func(g console.GateView) bool {
		return hasFault(g, health.CertificateDue) && !hasFault(g, health.CertificateExpired)
	})
	ca.renew(request, own.Cert, 0)
	see("renewed again, and the centre has signed the time", func(g console.GateView) bool {
		return !hasFault(g, health.CertificateDue) && !hasFault(g, health.ClockStale)
	})
	if _, err := os.Stat(request); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the request is still there: %v", err)
	}
	first.Kill()
	see("at the second broker", func(g console.GateView) bool { return hasFault(g, health.BrokerFallback) })
	ca.at(0)
	if err := ca.a.Revoke("gate-1", "key-compromise"); err != nil {
		t.Fatal(err)
	}
	second.Kill()
	second.Start()
	for end := time.Now().Add(patience); !strings.Contains(strings.ToLower(second.Log()), "certificate revoked") && !strings.Contains(second.Log(), "certificate verify failed"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the second broker refuses nobody:\n%s", second.Log())
		}
	}
	if err := l.until("gate-1", func(g console.GateView) bool { return g.Status.State == "offline" }); err != nil {
		t.Error(err)
	}
}
