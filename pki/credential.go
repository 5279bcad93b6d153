package pki

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files are what one side of a connection shows and trusts.
type Files struct {
	CA   string // authority of the other side
	Cert string // own certificate, with its chain; empty where no certificate is shown
	Key  string // its key
	List string // revocation list of the authority; servers only, empty for none
}

// Options of a credential.
type Options struct {
	Name string           // that the own certificate must be of; empty for any
	Key  crypto.Signer    // in place of Files.Key: a key that no file holds
	Now  func() time.Time // of the gate's trusted clock; nil for time.Now
	Log  *slog.Logger     // is told of renewals and of files that are not usable; nil for none
}

// Credential is TLS 1.3 with a certificate whose files may be replaced at any time: every new connection uses what is
// there then. Files that are not usable leave the last ones in use. It may be used by several goroutines.
type Credential struct {
	files Files
	opt   Options

	mu   sync.Mutex
	seen [4][sha256.Size]byte // of the files when they were last read
	held held
}

type held struct {
	roots *x509.CertPool
	ca    *x509.Certificate // the first of roots
	own   *tls.Certificate
	list  *x509.RevocationList
}

// Load reads a credential.
func Load(f Files, o Options) (*Credential, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Credential{files: f, opt: o}
	c.seen = c.look()
	h, err := c.read()
	if err != nil {
		return nil, err
	}
	c.held = h
	return c, nil
}

// look tells the files by their content: two writes within a tick of the file system's clock have one time, and
// certificates have one size.
func (c *Credential) look() (s [4][sha256.Size]byte) {
	for i, p := range []string{c.files.CA, c.files.Cert, c.files.Key, c.files.List} {
		if p == "" {
			continue
		}
		if b, err := os.ReadFile(p); err == nil {
			s[i] = sha256.Sum256(b)
			clear(b)
		}
	}
	return s
}

func (c *Credential) read() (h held, err error) {
	if c.files.CA != "" {
		if h.ca, err = LoadCert(c.files.CA); err != nil {
			return h, err
		}
		b, err := os.ReadFile(c.files.CA)
		if err != nil {
			return h, fmt.Errorf("pki: %w", err)
		}
		h.roots = x509.NewCertPool()
		if !h.roots.AppendCertsFromPEM(b) {
			return h, fmt.Errorf("pki: %s holds no certificate", c.files.CA)
		}
	}
	if c.files.List != "" {
		if h.ca == nil {
			return h, fmt.Errorf("pki: %s: whose list it is says the authority's certificate: name it", c.files.List)
		}
		if h.list, err = LoadList(c.files.List, h.ca); err != nil {
			return h, err
		}
	}
	if c.files.Cert == "" {
		return h, nil
	}
	key := c.opt.Key
	if key == nil {
		if key, err = LoadKey(c.files.Key); err != nil {
			return h, err
		}
	}
	chain, err := os.ReadFile(c.files.Cert)
	if err != nil {
		return h, fmt.Errorf("pki: %w", err)
	}
	own := &tls.Certificate{PrivateKey: key}
	if own.Certificate, err = certs(c.files.Cert, chain); err != nil {
		return h, err
	}
	if own.Leaf, err = x509.ParseCertificate(own.Certificate[0]); err != nil {
		return h, fmt.Errorf("pki: %s: %w", c.files.Cert, err)
	}
	switch {
	case !samePublic(own.Leaf.PublicKey, key.Public()):
		return h, fmt.Errorf("pki: %s is not the certificate of this key: install the one that answers the request of this board", c.files.Cert)
	case c.opt.Name != "" && own.Leaf.Subject.CommonName != c.opt.Name:
		return h, fmt.Errorf("pki: %s is the certificate of %q, not of %q: every gate and console has its own", c.files.Cert, own.Leaf.Subject.CommonName, c.opt.Name)
	}
	h.own = own
	return h, nil
}

// refresh reads the files again when one of them has changed.
func (c *Credential) refresh() held {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.look()
	if s == c.seen {
		return c.held
	}
	c.seen = s // a broken file is complained of once
	h, err := c.read()
	if err != nil {
		c.opt.Log.Error("certificate: the files have changed and cannot be used; the last ones stay in use", "err", err, "security", true)
		return c.held
	}
	c.held = h
	if h.own != nil {
		c.opt.Log.Info("certificate: read anew", "name", h.own.Leaf.Subject.CommonName, "serial", h.own.Leaf.SerialNumber.Text(16), "ends", h.own.Leaf.NotAfter, "security", true)
	}
	return h
}

// Leaf is the own certificate as it is now, nil where there is none.
func (c *Credential) Leaf() *x509.Certificate {
	h := c.refresh()
	if h.own == nil {
		return nil
	}
	return h.own.Leaf
}

// Request asks for the renewal of the own certificate, for its key.
func (c *Credential) Request() ([]byte, error) {
	h := c.refresh()
	if h.own == nil {
		return nil, errors.New("pki: no certificate to renew")
	}
	return MakeRequest(h.own.Leaf.Subject.CommonName, h.own.PrivateKey.(crypto.Signer))
}

// Client is for one connection to a server of the authority.
func (c *Credential) Client() *tls.Config {
	h := c.refresh()
	t := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: h.roots, Time: c.opt.Now}
	if h.own != nil {
		t.Certificates = []tls.Certificate{*h.own}
	}
	return t
}

// Server takes clients of the authority and nobody else. It reads the files again for every connection.
func (c *Credential) Server() *tls.Config {
	one := func() *tls.Config {
		h := c.refresh()
		t := &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: h.roots, Time: c.opt.Now,
			VerifyConnection: func(s tls.ConnectionState) error { return h.revoked(s.PeerCertificates, c.opt.Now()) }}
		if h.own != nil {
			t.Certificates = []tls.Certificate{*h.own}
		}
		return t
	}
	t := one()
	t.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return one(), nil }
	return t
}

// revoked refuses a certificate that is on the list, and everybody when the list has expired, as OpenSSL does.
func (h held) revoked(peer []*x509.Certificate, now time.Time) error {
	if h.list == nil || len(peer) == 0 {
		return nil
	}
	if now.After(h.list.NextUpdate) {
		return errors.New("pki: the revocation list has expired: egatectl pki crl makes a new one")
	}
	for _, e := range h.list.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(peer[0].SerialNumber) == 0 {
			return fmt.Errorf("pki: the certificate of %s was revoked", peer[0].Subject.CommonName)
		}
	}
	return nil
}

func certs(path string, b []byte) (all [][]byte, err error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == typeCert {
			all = append(all, block.Bytes)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("pki: %s holds no certificate", path)
	}
	return all, nil
}
