// Package pki is the certificates between gates, console and broker: the authority of a small site, kept in
// a folder that belongs offline; request files (PKCS #10, RFC 2986), which any other authority takes as well; and
// credentials that are read anew when somebody renews them.
//
// One certificate per gate and console, for clients only; one per broker, for servers only: whoever steals the
// one of a gate is no broker. A certificate is renewed for the same key, so that the request itself proves who asks;
// another key means another board, and the old certificates of that name are revoked.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Lives of what an authority signs.
const (
	DefaultLife   = 90 * 24 * time.Hour // of a certificate
	MaxLife       = 398 * 24 * time.Hour
	MinLife       = time.Minute
	authorityLife = 10 * 366 * 24 * time.Hour
	listLife      = 180 * 24 * time.Hour // of a revocation list: brokers let nobody in when it has expired
	backdate      = time.Hour            // clocks of gates are not exact
)

// Files of an authority's folder.
const (
	keyFile   = "ca.key"
	CertFile  = "ca.pem"  // goes to every gate, console and broker
	ListFile  = "crl.pem" // goes to every broker
	indexFile = "index.json"
)

// Reasons of a revocation (RFC 5280, 5.3.1).
var Reasons = map[string]int{"unspecified": 0, "key-compromise": 1, "superseded": 4, "cessation": 5}

var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Authority is a folder with the key of a site's certificates. It is used by one process at a time.
type Authority struct {
	dir   string
	key   crypto.Signer
	cert  *x509.Certificate
	index index
	now   func() time.Time
}

type index struct {
	Number int64   `json:"crl_number"` // of the last revocation list; only rises
	Issued []Entry `json:"issued"`
}

// Entry is one certificate that an authority has issued.
type Entry struct {
	Serial  string    `json:"serial"` // hexadecimal
	Name    string    `json:"name"`
	Key     string    `json:"key"`             // KeyID
	Hosts   []string  `json:"hosts,omitempty"` // of a broker
	Begins  time.Time `json:"begins"`
	Ends    time.Time `json:"ends"`
	Revoked time.Time `json:"revoked,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

// Live tells whether brokers would take the certificate.
func (e Entry) Live(now time.Time) bool { return e.Revoked.IsZero() && now.Before(e.Ends) }

// KeyID names a public key: SHA-256 of its SubjectPublicKeyInfo, hexadecimal.
func KeyID(pub crypto.PublicKey) (string, error) {
	b, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("pki: public key: %w", err)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}

// Init makes the authority of a site in a folder that does not exist or is empty.
func Init(dir, site string, now func() time.Time) (*Authority, error) {
	if !plainName.MatchString(site) {
		return nil, fmt.Errorf("pki: site %q: 1 to 32 of a-z, 0-9 and \"-\" are expected", site)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	if l, err := os.ReadDir(dir); err != nil || len(l) > 0 {
		return nil, errors.Join(fmt.Errorf("pki: %s is not empty: an authority gets a folder of its own", dir), err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	t := now().UTC()
	tmpl := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{Organization: []string{site}, CommonName: "egate " + site}, NotBefore: t.Add(-backdate),
		NotAfter: t.Add(authorityLife), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	if err := SaveKey(filepath.Join(dir, keyFile), key); err != nil {
		return nil, err
	}
	if err := save(filepath.Join(dir, CertFile), pemBlock(typeCert, der), 0o644); err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, key: key, now: now}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return a, a.List()
}

// Open reads an authority's folder.
func Open(dir string, now func() time.Time) (*Authority, error) {
	key, err := LoadKey(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	cert, err := LoadCert(filepath.Join(dir, CertFile))
	if err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, key: key, cert: cert, now: now}
	if !samePublic(cert.PublicKey, key.Public()) {
		return nil, fmt.Errorf("pki: %s is not the key of %s", keyFile, CertFile)
	}
	b, err := os.ReadFile(filepath.Join(dir, indexFile))
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	if err := json.Unmarshal(b, &a.index); err != nil {
		return nil, fmt.Errorf("pki: %s: %w: restore it from the copy of this folder", indexFile, err)
	}
	return a, nil
}

// Issued lists what was issued, oldest first.
func (a *Authority) Issued() []Entry { return slices.Clone(a.index.Issued) }

// Certificate is the authority's own.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// ErrHasOne says that a name has a certificate already.
var ErrHasOne = errors.New("has a certificate already: renew it, or replace-board if this is another board")

// ErrOtherKey says that a request is of another key than the certificate that it renews.
var ErrOtherKey = errors.New("the request is of another key: only the board that holds the certificate's key can renew it; another board: replace-board")

// Issue signs a request of a name that has no certificate. Hosts make it the certificate of a broker. It returns PEM.
func (a *Authority) Issue(r *Request, hosts []string, life time.Duration) ([]byte, error) {
	if e := a.live(r.Name); len(e) > 0 {
		return nil, fmt.Errorf("pki: %s %w", r.Name, ErrHasOne)
	}
	return a.sign(r, hosts, life)
}

// Renew signs a request of a name and key that had a certificate, whether it has expired or not.
func (a *Authority) Renew(r *Request, life time.Duration) ([]byte, error) {
	last := a.last(r.Name)
	switch {
	case last == nil:
		return nil, fmt.Errorf("pki: %s has never had a certificate: issue one", r.Name)
	case !last.Revoked.IsZero():
		return nil, fmt.Errorf("pki: the certificate of %s was revoked (%s): a revoked key is not renewed; replace-board with a new one", r.Name, last.Reason)
	case last.Key != r.Key:
		return nil, fmt.Errorf("pki: %s: %w", r.Name, ErrOtherKey)
	}
	return a.sign(r, last.Hosts, life)
}

// ReplaceBoard revokes every certificate of a name and signs the request of its new board.
func (a *Authority) ReplaceBoard(r *Request, life time.Duration) ([]byte, error) {
	last := a.last(r.Name)
	if last == nil {
		return nil, fmt.Errorf("pki: %s has never had a certificate: issue one", r.Name)
	}
	if slices.ContainsFunc(a.index.Issued, func(e Entry) bool { return e.Name == r.Name && e.Key == r.Key }) {
		return nil, fmt.Errorf("pki: %s: the request is of a key that this name had before: a new board makes its own", r.Name)
	}
	hosts := last.Hosts
	if len(a.live(r.Name)) > 0 {
		if err := a.Revoke(r.Name, "superseded"); err != nil {
			return nil, err
		}
	}
	return a.sign(r, hosts, life)
}

// Revoke takes every live certificate of a name, or the one with that serial number, into the revocation list.
func (a *Authority) Revoke(nameOrSerial, reason string) error {
	if _, ok := Reasons[reason]; !ok {
		return fmt.Errorf("pki: reason %q: one of unspecified, key-compromise, superseded, cessation is expected", reason)
	}
	t, n := a.now().UTC().Truncate(time.Second), 0
	for i := range a.index.Issued {
		e := &a.index.Issued[i]
		if (e.Name == nameOrSerial || e.Serial == strings.ToLower(nameOrSerial)) && e.Live(t) {
			e.Revoked, e.Reason, n = t, reason, n+1
		}
	}
	if n == 0 {
		return fmt.Errorf("pki: %s has no certificate that is valid: nothing was revoked", nameOrSerial)
	}
	return a.List()
}

// List writes a revocation list with a higher number, and the index that belongs to it.
func (a *Authority) List() error {
	t := a.now().UTC()
	a.index.Number++
	l := &x509.RevocationList{Number: big.NewInt(a.index.Number), ThisUpdate: t.Add(-backdate), NextUpdate: t.Add(listLife)}
	for _, e := range a.index.Issued {
		if e.Revoked.IsZero() {
			continue
		}
		serial, ok := new(big.Int).SetString(e.Serial, 16)
		if !ok {
			return fmt.Errorf("pki: %s: serial number %q", indexFile, e.Serial)
		}
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: e.Revoked, ReasonCode: Reasons[e.Reason]})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, a.cert, a.key)
	if err != nil {
		return fmt.Errorf("pki: revocation list: %w", err)
	}
	if err := a.saveIndex(); err != nil {
		return err
	}
	return save(filepath.Join(a.dir, ListFile), pemBlock(typeList, der), 0o644)
}

func (a *Authority) saveIndex() error {
	b, err := json.MarshalIndent(a.index, "", "  ")
	if err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	return save(filepath.Join(a.dir, indexFile), append(b, '\n'), 0o600)
}

func (a *Authority) live(name string) (all []Entry) {
	for _, e := range a.index.Issued {
		if e.Name == name && e.Live(a.now()) {
			all = append(all, e)
		}
	}
	return all
}

func (a *Authority) last(name string) *Entry {
	for i := range slices.Backward(a.index.Issued) {
		if a.index.Issued[i].Name == name {
			return &a.index.Issued[i]
		}
	}
	return nil
}

// sign notes the certificate before it exists: one that is not in the index could not be revoked.
func (a *Authority) sign(r *Request, hosts []string, life time.Duration) ([]byte, error) {
	if life < MinLife || life > MaxLife {
		return nil, fmt.Errorf("pki: a certificate lives %s to %d days, not %s", MinLife, MaxLife/(24*time.Hour), life)
	}
	t := a.now().UTC().Truncate(time.Second)
	ends := t.Add(life)
	if ends.After(a.cert.NotAfter) {
		return nil, fmt.Errorf("pki: the authority itself ends on %s: make a new one, and give its %s to everybody before", a.cert.NotAfter.Format(time.DateOnly), CertFile)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{Organization: a.cert.Subject.Organization, CommonName: r.Name}, NotBefore: t.Add(-min(backdate, life)), NotAfter: ends,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if len(hosts) > 0 {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		for _, h := range hosts {
			if ip := net.ParseIP(h); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, h)
			}
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, r.Public, a.key)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	a.index.Issued = append(a.index.Issued, Entry{Serial: serial.Text(16), Name: r.Name, Key: r.Key, Hosts: hosts, Begins: c.NotBefore, Ends: ends})
	if err := a.saveIndex(); err != nil {
		return nil, err
	}
	return pemBlock(typeCert, der), nil
}

func newSerial() (*big.Int, error) {
	b := make([]byte, 16) // RFC 5280, 4.1.2.2: at most 20 bytes, positive
	if _, err := rand.Read(b); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}

// PEM types.
const (
	typeCert    = "CERTIFICATE"
	typeList    = "X509 CRL"
	typeKey     = "PRIVATE KEY"
	typeRequest = "CERTIFICATE REQUEST"
)

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// maxFile caps what is read: certificates and lists of a site.
const maxFile = 1 << 20

// readPEM reads the first block of a type.
func readPEM(path, kind string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	if st.Size() > maxFile {
		return nil, fmt.Errorf("pki: %s: %d bytes are too many", path, st.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return firstPEM(path, b, kind)
}

func firstPEM(path string, b []byte, kind string) ([]byte, error) {
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return nil, fmt.Errorf("pki: %s: no PEM block %q", path, kind)
		}
		if block.Type == kind {
			return block.Bytes, nil
		}
		b = rest
	}
}

// LoadCert reads the first certificate of a PEM file.
func LoadCert(path string) (*x509.Certificate, error) {
	der, err := readPEM(path, typeCert)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("pki: %s: %w", path, err)
	}
	return c, nil
}

// LoadList reads a revocation list and checks who signed it.
func LoadList(path string, by *x509.Certificate) (*x509.RevocationList, error) {
	der, err := readPEM(path, typeList)
	if err != nil {
		return nil, err
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("pki: %s: %w", path, err)
	}
	if err := l.CheckSignatureFrom(by); err != nil {
		return nil, fmt.Errorf("pki: %s: not of this authority: %w", path, err)
	}
	return l, nil
}

// LoadKey reads a private key that only its user may read.
func LoadKey(path string) (crypto.Signer, error) {
	if err := private(path); err != nil {
		return nil, err
	}
	der, err := readPEM(path, typeKey)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("pki: %s: no PKCS #8 key", path)
	}
	s, ok := k.(crypto.Signer)
	if !ok || !strong(s.Public()) {
		return nil, fmt.Errorf("pki: %s: an ECDSA key on P-256 or P-384, or an Ed25519 key is expected", path)
	}
	return s, nil
}

func private(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("pki: %s: others may read this private key: chmod 600 %s", path, path)
	}
	return nil
}

// SaveKey writes a private key, readable by its user only, where none was.
func SaveKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	defer clear(der)
	text := pemBlock(typeKey, der)
	defer clear(text)
	return SavePrivate(path, text)
}

// SavePrivate writes a new file that its user alone may read.
func SavePrivate(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("pki: %s is there already: keys are never overwritten", path)
	} else if err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	return nil
}

// save replaces a file as a whole: whoever reads it meanwhile has the old or the new one.
func save(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	defer os.Remove(f.Name()) // gone after the rename
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	return nil
}

// Install puts a certificate where a program looks for it.
func Install(path string, cert []byte) error { return save(path, cert, 0o644) }

// strong tells whether a key is of a kind that TLS 1.3 and this authority take.
func strong(pub crypto.PublicKey) bool {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P256() || k.Curve == elliptic.P384()
	case ed25519.PublicKey:
		return len(k) == ed25519.PublicKeySize
	}
	return false
}

func samePublic(a, b crypto.PublicKey) bool {
	x, errX := x509.MarshalPKIXPublicKey(a)
	y, errY := x509.MarshalPKIXPublicKey(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
