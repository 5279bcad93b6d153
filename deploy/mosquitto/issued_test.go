package mosquitto_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/pki"
	"egate/test/brokers"
)

// issued is a board whose certificate the authority of package pki signed so many days ago.
func issued(t *testing.T, dir string, a *pki.Authority, now *time.Time, name string, daysAgo int, hosts ...string) pki.Files {
	t.Helper()
	out := t.TempDir()
	f := pki.Files{CA: filepath.Join(dir, pki.CertFile), Cert: filepath.Join(out, "cert.pem"), Key: filepath.Join(out, "key.pem")}
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	csr, err := pki.MakeRequest(name, key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pki.ParseRequest(csr)
	if err != nil {
		t.Fatal(err)
	}
	*now = time.Now().AddDate(0, 0, -daysAgo)
	cert, err := a.Issue(r, hosts, pki.DefaultLife)
	*now = time.Now()
	if err = errors.Join(err, pki.SaveKey(f.Key, key), pki.Install(f.Cert, cert)); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestX01IssuedByTheSite: certificates of egatectl pki at a real Mosquitto with the files of this folder. The gate's own is
// let in; another authority's, an expired one, a revoked one, the broker's own and TLS 1.2 are not; with the
// certificate of another gate nothing arrives in a gate's name.
func TestX01IssuedByTheSite(t *testing.T) {
	now := time.Now().AddDate(-1, 0, 0)
	dir, elsewhere := filepath.Join(t.TempDir(), "ca"), filepath.Join(t.TempDir(), "other")
	a, err := pki.Init(dir, "example", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	other, err := pki.Init(elsewhere, "example", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	own := issued(t, dir, a, &now, "broker", 0, "127.0.0.1")
	gone := issued(t, dir, a, &now, "gate-4", 1)
	if err := a.Revoke("gate-4", "key-compromise"); err != nil {
		t.Fatal(err)
	}
	conf := t.TempDir()
	for _, n := range []string{"mosquitto.conf", "egate.acl"} {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		if n == "egate.acl" {
			b = append(b, observer...)
		}
		if err := os.WriteFile(filepath.Join(conf, n), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(conf, "mosquitto.conf"))
	if err != nil {
		t.Fatal(err)
	}
	b := brokers.Mosquitto(t, strings.NewReplacer("listener 8883", "listener {port} 127.0.0.1", "/etc/egate/mosquitto/ca.pem", own.CA, "/etc/egate/mosquitto/broker.pem", own.Cert,
		"/etc/egate/mosquitto/broker.key", own.Key, "/etc/egate/mosquitto/crl.pem", filepath.Join(dir, pki.ListFile), "/etc/egate/mosquitto/egate.acl", filepath.Join(conf, "egate.acl")).Replace(string(text)))
	config := func(f pki.Files) *tls.Config {
		t.Helper()
		c, err := pki.Load(f, pki.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return c.Client()
	}
	s := &site{t: t, b: b}
	must := func(f pki.Files) mqtt.Client {
		t.Helper()
		c, err := s.dial(config(f), "")
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Log())
		}
		t.Cleanup(func() { c.Disconnect(0) })
		return c
	}
	must(issued(t, dir, a, &now, "gate-1", 0))
	stranger := issued(t, elsewhere, other, &now, "gate-1", 0)
	stranger.CA = own.CA
	old := config(issued(t, dir, a, &now, "gate-5", 0))
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for name, c := range map[string]*tls.Config{"of another authority": config(stranger), "expired": config(issued(t, dir, a, &now, "gate-3", 91)), "revoked": config(gone),
		"the broker's": config(own), "TLS 1.2": old, "none": config(pki.Files{CA: own.CA})} {
		if m, err := s.dial(c, ""); err == nil {
			m.Disconnect(0)
			t.Errorf("certificate %s: let in", name)
		}
	}
	// A false broker: the certificate of a gate, or one of another authority, is none to a gate.
	gate2 := issued(t, dir, a, &now, "gate-2", 0)
	if _, err := pki.Load(gate2, pki.Options{Name: "gate-1"}); err == nil {
		t.Error("gate-1 takes the certificate of gate-2")
	}
	// What its thief can do with it: speak as gate-2, and not as gate-1.
	heard := make(chan string, 64)
	eye := must(issued(t, dir, a, &now, brokers.Observer, 0))
	if tok := eye.Subscribe("egate/#", 1, func(_ mqtt.Client, m mqtt.Message) { heard <- m.Topic() }); !tok.WaitTimeout(time.Minute) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	thief := must(gate2)
	for _, topic := range []string{"status", "state", "evt/passage", "rsp/console/a1", "audit/checkpoint"} {
		thief.Publish(api.Topic("example", "gate-1", topic), 1, topic == "status", "x").WaitTimeout(5 * time.Second)
	}
	thief.Publish(api.Topic("example", "gate-2", "status"), 1, false, "last").WaitTimeout(5 * time.Second)
	select {
	case got := <-heard:
		if want := api.Topic("example", "gate-2", "status"); got != want {
			t.Errorf("arrived: %s", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal(fmt.Sprint("nothing arrived: the test proves nothing\n", b.Log()))
	}
}
