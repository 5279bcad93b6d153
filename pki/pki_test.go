package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2030, 3, 1, 12, 0, 0, 0, time.UTC)

// site is an authority whose time the test sets.
type site struct {
	t   *testing.T
	dir string
	now time.Time
	a   *Authority
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "ca"), now: start}
	var err error
	if s.a, err = Init(s.dir, "site", func() time.Time { return s.now }); err != nil {
		t.Fatal(err)
	}
	return s
}

// board is a machine with a key and, after take, a certificate.
type board struct{ Files }

func (s *site) board(name string) board {
	s.t.Helper()
	dir := s.t.TempDir()
	key, err := NewKey()
	if err != nil {
		s.t.Fatal(err)
	}
	b := board{Files{CA: filepath.Join(s.dir, CertFile), Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}}
	if err := SaveKey(b.Key, key); err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (b board) request(t *testing.T, name string) *Request {
	t.Helper()
	key, err := LoadKey(b.Key)
	if err != nil {
		t.Fatal(err)
	}
	p, err := MakeRequest(name, key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRequest(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (b board) take(t *testing.T, cert []byte, err error) {
	t.Helper()
	if err == nil {
		err = Install(b.Cert, cert)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// issued is a board with its first certificate.
func (s *site) issued(name string, hosts ...string) board {
	s.t.Helper()
	b := s.board(name)
	c, err := s.a.Issue(b.request(s.t, name), hosts, DefaultLife)
	b.take(s.t, c, err)
	return b
}

// handshake connects a client with a server over a pipe and says a word both ways: a client of TLS 1.3 hears of its
// refusal only then.
func handshake(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		s := tls.Server(c, server)
		if err = s.Handshake(); err == nil {
			_, err = s.Write([]byte("x"))
		}
		done <- err
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), client)
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		_ = c.Close()
	}
	return errors.Join(err, <-done)
}

// issue, renew at two thirds for the same key only, another board, revocation, lists whose number rises.
func TestX01LifeOfACertificate(t *testing.T) {
	s := newSite(t)
	gate := s.issued("gate-1")
	r := gate.request(t, "gate-1")
	if _, err := s.a.Issue(r, nil, DefaultLife); !errors.Is(err, ErrHasOne) {
		t.Errorf("a second first certificate: %v", err)
	}
	thief := s.board("gate-1")
	if _, err := s.a.Renew(thief.request(t, "gate-1"), DefaultLife); !errors.Is(err, ErrOtherKey) {
		t.Errorf("renewal for another key: %v", err)
	}
	if _, err := s.a.Renew(gate.request(t, "gate-2"), DefaultLife); err == nil {
		t.Error("renewal of a name that has no certificate")
	}
	// Long expired: the request file still brings a new one, without broker and without the old certificate's time.
	s.now = start.Add(2 * DefaultLife)
	c, err := s.a.Renew(r, DefaultLife)
	gate.take(t, c, err)
	if leaf, err := LoadCert(gate.Cert); err != nil || StageOf(leaf, s.now) != Fresh {
		t.Errorf("renewed: %v, %v", leaf, err)
	}
	// The index is on disk, and the list's number rises over a new start.
	if s.a, err = Open(s.dir, func() time.Time { return s.now }); err != nil {
		t.Fatal(err)
	}
	number := func() int64 {
		l, err := LoadList(filepath.Join(s.dir, ListFile), s.a.Certificate())
		if err != nil {
			t.Fatal(err)
		}
		return l.Number.Int64()
	}
	before := number()
	c, err = s.a.ReplaceBoard(thief.request(t, "gate-1"), DefaultLife)
	thief.take(t, c, err)
	if number() <= before {
		t.Error("the number of the revocation list does not rise")
	}
	if _, err := s.a.Renew(r, DefaultLife); err == nil {
		t.Error("the old board renews")
	}
	if _, err := s.a.ReplaceBoard(r, DefaultLife); err == nil {
		t.Error("the old board comes back with its old key")
	}
	if err := s.a.Revoke("gate-1", "key-compromise"); err != nil {
		t.Error(err)
	}
	if err := s.a.Revoke("gate-1", "key-compromise"); err == nil {
		t.Error("revoked twice")
	}
	if _, err := s.a.Renew(thief.request(t, "gate-1"), DefaultLife); err == nil {
		t.Error("a revoked key is renewed")
	}
}

// what is refused at the handshake, on either side.
func TestX01Handshake(t *testing.T) {
	s, other := newSite(t), newSite(t)
	broker, gate := s.issued("broker", "127.0.0.1"), s.issued("gate-1")
	broker.List = filepath.Join(s.dir, ListFile)
	load := func(f Files) *Credential {
		t.Helper()
		c, err := Load(f, Options{Now: func() time.Time { return s.now }})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	srv := load(broker.Files)
	if err := handshake(t, load(gate.Files).Client(), srv.Server()); err != nil {
		t.Fatal(err)
	}
	stranger := other.issued("gate-1")
	stranger.CA = gate.CA // trusts our broker, shows a certificate of elsewhere
	old := load(gate.Files).Client()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	deaf := load(gate.Files)
	lost := gate
	lost.CA = filepath.Join(other.dir, CertFile)
	for name, c := range map[string]*tls.Config{"another authority's client": load(stranger.Files).Client(), "TLS 1.2": old, "none": load(Files{CA: gate.CA}).Client(), "another authority's broker": load(lost.Files).Client()} {
		if err := handshake(t, c, srv.Server()); err == nil {
			t.Errorf("%s: let in", name)
		}
	}
	// The certificate of a gate makes no broker, the broker's no gate.
	if err := handshake(t, deaf.Client(), load(gate.Files).Server()); err == nil {
		t.Error("a gate's certificate passes for a broker's")
	}
	if err := handshake(t, srv.Client(), srv.Server()); err == nil {
		t.Error("the broker's certificate passes for a gate's")
	}
	if err := s.a.Revoke("gate-1", "key-compromise"); err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, load(gate.Files).Client(), srv.Server()); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("revoked: %v", err)
	}
	second := s.issued("gate-2")
	s.now = start.Add(listLife + time.Hour)
	c, err := s.a.Renew(second.request(t, "gate-2"), DefaultLife)
	second.take(t, c, err)
	c, err = s.a.Renew(broker.request(t, "broker"), DefaultLife)
	broker.take(t, c, err)
	if err := handshake(t, load(second.Files).Client(), srv.Server()); err == nil || !strings.Contains(err.Error(), "list has expired") {
		t.Errorf("expired list: %v", err)
	}
	if err := s.a.List(); err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, load(second.Files).Client(), srv.Server()); err != nil {
		t.Errorf("fresh list: %v", err)
	}
	s.now = s.now.Add(DefaultLife + time.Hour)
	if err := handshake(t, load(second.Files).Client(), srv.Server()); err == nil {
		t.Error("expired: let in")
	}
}

// a renewed certificate is used by the next connection, a broken file changes nothing.
func TestX01ReadAnew(t *testing.T) {
	s := newSite(t)
	gate := s.issued("gate-1")
	c, err := Load(gate.Files, Options{Name: "gate-1", Now: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	first := c.Leaf().SerialNumber
	s.now = start.Add(60*day + time.Hour)
	if c.Stage() != Due {
		t.Errorf("two thirds on: stage %d", c.Stage())
	}
	p, err := c.Request()
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRequest(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(gate.Cert, []byte("half a cert"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c.Leaf().SerialNumber.Cmp(first) != 0 {
		t.Error("a broken file took the certificate away")
	}
	foreign := s.issued("gate-2")
	wrong, err := os.ReadFile(foreign.Cert)
	if err != nil {
		t.Fatal(err)
	}
	gate.take(t, wrong, nil)
	if c.Leaf().SerialNumber.Cmp(first) != 0 {
		t.Error("another gate's certificate was taken")
	}
	renewed, err := s.a.Renew(r, DefaultLife)
	gate.take(t, renewed, err)
	if c.Leaf().SerialNumber.Cmp(first) == 0 || c.Stage() != Fresh || c.Client().Certificates[0].Leaf.SerialNumber.Cmp(c.Leaf().SerialNumber) != 0 {
		t.Error("the renewed certificate is not used")
	}
}

// 30, 7 and 1 days before the end of 90; shorter lives shorten them.
func TestX01Stages(t *testing.T) {
	for _, x := range []struct {
		life, left time.Duration
		want       Stage
	}{
		{90 * day, 31 * day, Fresh}, {90 * day, 30 * day, Due}, {90 * day, 8 * day, Due}, {90 * day, 7 * day, Ending}, {90 * day, 25 * time.Hour, Ending},
		{90 * day, day, LastDay}, {90 * day, time.Second, LastDay}, {90 * day, 0, Expired}, {90 * day, 91 * day, Expired},
		{24 * time.Hour, 9 * time.Hour, Fresh}, {24 * time.Hour, 8 * time.Hour, Due}, {24 * time.Hour, 4 * time.Hour, Ending}, {24 * time.Hour, 2 * time.Hour, LastDay},
		{398 * day, 31 * day, Fresh}, {398 * day, 30 * day, Due},
	} {
		c := &x509.Certificate{NotBefore: start, NotAfter: start.Add(x.life)}
		if got := StageOf(c, c.NotAfter.Add(-x.left)); got != x.want {
			t.Errorf("life %s, %s left: stage %d, want %d", x.life, x.left, got, x.want)
		}
	}
}

func TestX01FilesRefused(t *testing.T) {
	s := newSite(t)
	gate, second := s.issued("gate-1"), s.issued("gate-2")
	mixed := gate.Files
	mixed.Key = second.Key
	open := gate.Files
	open.Key = filepath.Join(t.TempDir(), "open.key")
	b, err := os.ReadFile(gate.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(open.Key, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]Files{"another's key": mixed, "a key that others may read": open, "no certificate": {CA: gate.Key}, "absent": {CA: gate.CA, Cert: "absent", Key: gate.Key},
		"another gate's": second.Files} {
		if _, err := Load(f, Options{Name: "gate-1"}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := SaveKey(gate.Key, nil); err == nil {
		t.Error("a key was overwritten")
	}
	if _, err := Init(s.dir, "site", time.Now); err == nil {
		t.Error("an authority was overwritten")
	}
	if _, err := s.a.Issue(s.board("gate-3").request(t, "gate-3"), nil, 3*365*day); err == nil {
		t.Error("a life of three years")
	}
}

func FuzzParseRequest(f *testing.F) {
	key, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	good, err := MakeRequest("gate-1", key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseRequest(b); err == nil && (!plainName.MatchString(r.Name) || !strong(r.Public) || len(r.Key) != 64) {
			t.Errorf("taken: %+v", r)
		}
	})
}
