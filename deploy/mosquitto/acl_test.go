// Package mosquitto_test starts Mosquitto with the files of this folder.
package mosquitto_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/test/brokers"
)

// authority is a throw-away certificate authority.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newPKI(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte(name)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &authority{t: t, key: key, cert: c, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a certificate; its serial number is returned for the revocation list.
func (p *authority) issue(name string, until time.Time) (cert, key []byte, serial *big.Int) {
	p.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	serial, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		p.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, p.cert, k.Public(), p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	kb, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		p.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kb}), serial
}

func (p *authority) crl(serials ...*big.Int) []byte {
	p.t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour)}
	for _, s := range serials {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: time.Now().Add(-time.Hour)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, p.cert, p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func (p *authority) client(name string, until time.Time) *tls.Config {
	cert, key, _ := p.issue(name, until)
	return p.config(cert, key)
}

func (p *authority) config(cert, key []byte) *tls.Config {
	p.t.Helper()
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		p.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.pem)
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, Certificates: []tls.Certificate{pair}}
}

// site is the broker of this folder, with throw-away certificates.
type site struct {
	t  *testing.T
	ca *authority
	b  *brokers.Broker
}

func start(t *testing.T, extraACL string, revoked ...*big.Int) func(ca *authority) *site {
	return func(ca *authority) *site {
		t.Helper()
		dir := t.TempDir()
		put := func(name string, b []byte) {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		read := func(name string) string {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		cert, key, _ := ca.issue("broker", time.Now().Add(time.Hour))
		put("ca.pem", ca.pem)
		put("broker.pem", cert)
		put("broker.key", key)
		put("crl.pem", ca.crl(revoked...))
		put("egate.acl", []byte(read("egate.acl")+extraACL))
		conf := strings.ReplaceAll(read("mosquitto.conf"), "/etc/egate/mosquitto", dir)
		if !strings.Contains(conf, "\nlistener 8883\n") {
			t.Fatal("the listener has changed")
		}
		return &site{t, ca, brokers.Mosquitto(t, strings.Replace(conf, "listener 8883", "listener {port} 127.0.0.1", 1))}
	}
}

func (s *site) dial(c *tls.Config, will string) (mqtt.Client, error) {
	o := mqtt.NewClientOptions().AddBroker("tls://" + s.b.Addr).SetTLSConfig(c).SetClientID("same-id-for-all").SetAutoReconnect(false).SetCleanSession(true).
		SetConnectTimeout(5 * time.Second).SetConnectRetry(false).SetProtocolVersion(4).SetOrderMatters(true)
	if will != "" {
		o.SetWill(will, "will", 1, true)
	}
	m := mqtt.NewClient(o)
	t := m.Connect()
	if !t.WaitTimeout(time.Minute) {
		s.t.Fatal("connect hangs")
	}
	return m, t.Error()
}

func (s *site) client(name string) mqtt.Client {
	s.t.Helper()
	c, err := s.dial(s.ca.client(name, time.Now().Add(time.Hour)), "")
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, s.b.Log())
	}
	s.t.Cleanup(func() { c.Disconnect(0) })
	return c
}

const observer = "\nuser " + brokers.Observer + "\ntopic readwrite egate/#\n"

// TestX01AccessList (DP-07: maintenance reads no border event): the matrix of users and topics, by arrival at an observer (publishing) and at the user
// (reading). A broker acknowledges a refused publish, so its word proves nothing.
func TestX01AccessList(t *testing.T) {
	s := start(t, observer)(newPKI(t, "site"))
	brokers.AccessList(t, s.client)
}

// TestX01Certificates: who has no certificate of the site, an expired or a revoked one, or an old TLS, is
// not let in; and the holder of another gate's certificate cannot end a gate's connection with its client id.
func TestX01Certificates(t *testing.T) {
	ca := newPKI(t, "site")
	hour := time.Now().Add(time.Hour)
	badCert, badKey, serial := ca.issue("gate-1", hour)
	s := start(t, observer, serial)(ca)
	gate := s.client("gate-1")
	s.client("gate-2") // gives the same client id
	stranger := newPKI(t, "stranger").client("gate-1", hour)
	stranger.RootCAs = s.ca.client("x", hour).RootCAs
	old := ca.client("gate-3", hour)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	none := ca.client("gate-3", hour)
	none.Certificates = nil
	for name, c := range map[string]*tls.Config{"of another authority": stranger, "expired": ca.client("gate-1", time.Now().Add(-time.Minute)),
		"revoked": ca.config(badCert, badKey), "TLS 1.2": old, "none": none} {
		if m, err := s.dial(c, ""); err == nil {
			m.Disconnect(0)
			t.Errorf("certificate %s: let in", name)
		}
	}
	if !gate.IsConnectionOpen() {
		t.Error("gate-1 was thrown out by gate-2")
	}
	other := newPKI(t, "site") // same name, other key: a false broker
	c := other.client("gate-1", hour)
	if m, err := s.dial(c, ""); err == nil {
		m.Disconnect(0)
		t.Error("the client accepts a broker of another authority")
	}
}

// TestX01WillIsBounded: a last will is bounded by the same list: it cannot say offline of another gate.
func TestX01WillIsBounded(t *testing.T) {
	s := start(t, observer)(newPKI(t, "site"))
	heard := make(chan string, 16)
	obs := s.client(brokers.Observer)
	if tok := obs.Subscribe("egate/#", 1, func(_ mqtt.Client, m mqtt.Message) { heard <- m.Topic() }); !tok.WaitTimeout(time.Minute) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	for _, gate := range []string{"gate-1", "gate-2"} {
		cfg := s.ca.client("gate-2", time.Now().Add(time.Hour))
		raw := make(chan net.Conn, 1)
		o := mqtt.NewClientOptions().AddBroker("tls://"+s.b.Addr).SetTLSConfig(cfg).SetClientID("x").SetAutoReconnect(false).SetWill(api.Topic("example", gate, "status"), "will", 1, true).
			SetProtocolVersion(4).SetCustomOpenConnectionFn(opener(s.b.Addr, cfg, raw))
		c := mqtt.NewClient(o)
		if tok := c.Connect(); !tok.WaitTimeout(time.Minute) || tok.Error() != nil {
			t.Fatal(tok.Error())
		}
		_ = (<-raw).Close() // no DISCONNECT: the broker publishes the will
	}
	select {
	case topic := <-heard:
		if topic != api.Topic("example", "gate-2", "status") {
			t.Errorf("a will arrived at %s", topic)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no will arrived: the test proves nothing")
	}
}

// opener opens a TLS connection and hands it out, so that the test can break it.
func opener(addr string, cfg *tls.Config, out chan<- net.Conn) mqtt.OpenConnectionFunc {
	return func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		c, err := tls.Dial("tcp", addr, cfg)
		if err == nil {
			out <- c.NetConn()
		}
		return c, err
	}
}

// TestE01ListNamesTheContract: every topic of the contract stands in the list, and nothing else does.
func TestE01ListNamesTheContract(t *testing.T) {
	b, err := os.ReadFile("egate.acl")
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{api.TopicStatus, api.TopicInfo, api.TopicState, api.TopicHealth, api.TopicCheckpoint, api.TopicReported, api.TopicEvent + "/+",
		api.TopicTelemetry + "/+", api.TopicResponse + "/+/+", api.TopicRequest + "/lookup/+", api.TopicRequest + "/referral/+", api.TopicRequest + "/time/+", api.TopicTime, api.TopicCommand + "/+/+",
		api.TopicAnswer + "/+/+", api.TopicLease + "/+", api.TopicAck, api.TopicCosign} {
		if !bytes.Contains(b, []byte("egate/v1/example/%u/"+topic+"\n")) {
			t.Errorf("egate.acl lacks %s", topic)
		}
	}
	if bytes.Contains(b, []byte("/#")) {
		t.Error("egate.acl grants a whole tree")
	}
}
