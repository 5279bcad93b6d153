package nats

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"egate/console/centre"
	"egate/test/brokers"
)

// patience bounds what a test waits for on a busy machine; nothing is measured with it.
const patience = 3 * time.Minute

// TestMain is also a NATS server, in a process that can be killed, and the child that answers a look-up.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "nats-server":
		if err := serve(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case len(os.Args) == 2 && os.Args[1] == "answer-lookup":
		os.Exit(centre.AnswerMain(os.Stdin, os.Stdout))
	default:
		os.Exit(m.Run())
	}
}

// serve runs one server until its standard input ends, which it does with its parent.
func serve(conf string) error {
	signal.Ignore(syscall.SIGINT)
	opts, err := server.ProcessConfigFile(conf)
	if err != nil {
		return err
	}
	opts.NoSigs = true
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Shutdown()
	return nil
}

// authority is a throw-away certificate authority.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	next int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "site"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte("site")}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &authority{t, key, c, 1}
}

func (a *authority) issue(name string) (cert, key []byte) {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.next++
	c := &x509.Certificate{SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
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

// client is what somebody of that name connects with.
func (a *authority) client(name string) *tls.Config {
	a.t.Helper()
	pair, err := tls.X509KeyPair(a.issue(name))
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, Certificates: []tls.Certificate{pair}}
}

// node is one server of the cluster.
type node struct {
	t    *testing.T
	conf string
	log  string
	addr string // MQTT
	cmd  *exec.Cmd
	in   io.Closer
	gone chan struct{}
}

// newCluster starts n servers with the files of deploy/nats and throw-away certificates.
func newCluster(t *testing.T, ca *authority, n int, gates []string, extraUsers string) []*node {
	t.Helper()
	dir := t.TempDir()
	cert, key := ca.issue("broker")
	put := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
	put("broker.pem", cert)
	put("broker.key", key)
	users, err := exec.Command("../../deploy/nats/users.sh", append([]string{"example"}, gates...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	put("users.conf", bytes.Replace(users, []byte("  users: [\n"), []byte("  users: [\n"+extraUsers), 1))
	conf, err := os.ReadFile("../../deploy/nats/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	ports := free(t, 3*n)
	var routes []string
	for i := range n {
		routes = append(routes, fmt.Sprintf("%q", "nats://"+ports[3*i+2]))
	}
	var all []*node
	for i := range n {
		name := fmt.Sprintf("n%d", i+1)
		text := string(conf)
		for _, r := range []struct{ old, new string }{
			{`server_name: "n1"`, fmt.Sprintf("server_name: %q", name)},
			{`"127.0.0.1:4222"`, fmt.Sprintf("%q", ports[3*i])}, {`"0.0.0.0:8883"`, fmt.Sprintf("%q", ports[3*i+1])}, {`"0.0.0.0:6222"`, fmt.Sprintf("%q", ports[3*i+2])},
			{`["nats://n1:6222", "nats://n2:6222", "nats://n3:6222"]`, "[" + strings.Join(routes, ", ") + "]"},
			{"/var/lib/egate/nats", filepath.Join(dir, name)}, {"/etc/egate/nats", dir}, {`"users.conf"`, fmt.Sprintf("%q", "users.conf")},
		} {
			if !strings.Contains(text, r.old) {
				t.Fatalf("nats.conf has changed: no %s", r.old)
			}
			text = strings.ReplaceAll(text, r.old, r.new)
		}
		if n == 1 { // a server alone
			text = strings.NewReplacer("stream_replicas: 3", "stream_replicas: 1").Replace(text[:strings.Index(text, "\ncluster {")]) + "\ninclude \"users.conf\"\n"
		}
		put(name+".conf", []byte(text))
		s := &node{t: t, conf: filepath.Join(dir, name+".conf"), log: filepath.Join(dir, name+".log"), addr: ports[3*i+1]}
		all = append(all, s)
		s.start()
	}
	for _, s := range all {
		s.listens()
	}
	t.Cleanup(func() {
		for _, s := range all {
			s.kill()
			if t.Failed() {
				b, _ := os.ReadFile(s.log)
				t.Logf("%s:\n%s", filepath.Base(s.log), b[max(0, len(b)-4000):])
			}
		}
	})
	return all
}

func free(t *testing.T, n int) (addrs []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

func (s *node) start() {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(self, "nats-server", s.conf)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, gone := s.cmd, make(chan struct{})
	s.gone = gone
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
}

// listens waits until the server answers on its MQTT port.
func (s *node) listens() {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", s.addr, time.Second)
		if err == nil {
			_ = c.Close()
			return
		}
		ended := false
		select {
		case <-s.gone:
			ended = true
		default:
		}
		if ended || time.Now().After(end) {
			b, _ := os.ReadFile(s.log)
			s.t.Fatalf("the server does not listen: %v\n%s", err, b)
		}
	}
}

// kill ends the server as a power cut does.
func (s *node) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.gone
	_ = s.in.Close()
	s.cmd = nil
}

const observer = `    {user: "CN=` + brokers.Observer + `", permissions: {publish: ">", subscribe: ">"}}` + "\n"
