package issue

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"egate/emrtd/cms"
)

// authorityFile holds a simulated authority inside its folder. It contains private keys.
const authorityFile = "authority.json"

// maxAuthority bounds the file: two keys and two certificates.
const maxAuthority = 1 << 20

type savedKey struct {
	Kind KeyKind `json:"kind"`
	// PKCS8 holds keys that the standard library knows, Scalar those on a Brainpool curve.
	PKCS8  []byte `json:"pkcs8,omitempty"`
	Scalar []byte `json:"scalar,omitempty"`
}

type savedAuthority struct {
	Warning string    `json:"warning"`
	Country string    `json:"country"`
	Now     time.Time `json:"now"`
	CSCA    savedKey  `json:"csca_key"`
	DS      savedKey  `json:"ds_key"`
	CSCADER []byte    `json:"csca"`
	DSDER   []byte    `json:"ds"`
	Revoked []string  `json:"revoked,omitempty"`
}

// SaveAuthority writes an authority with its private keys into a folder, readable by its owner only, so
// that several programs of one simulation issue as the same state.
func SaveAuthority(a *Authority, dir string) error {
	s := savedAuthority{
		Warning: "simulation only: never put this issuer into the trust bundle of a gate in service",
		Country: a.Country, Now: a.Now, CSCADER: a.cscaCert, DSDER: a.dsCert,
	}
	var err error
	if s.CSCA, err = a.csca.save(); err != nil {
		return err
	}
	if s.DS, err = a.ds.save(); err != nil {
		return err
	}
	for _, r := range a.revoked {
		s.Revoked = append(s.Revoked, r.Text(16))
	}
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return fmt.Errorf("issue: save authority: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("issue: save authority: %w", err)
	}
	f, err := os.CreateTemp(dir, ".authority-*")
	if err != nil {
		return fmt.Errorf("issue: save authority: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(b, '\n'))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, authorityFile))
	}
	if err != nil {
		return fmt.Errorf("issue: save authority: %w", err)
	}
	return nil
}

// LoadAuthority reads what SaveAuthority wrote.
func LoadAuthority(dir string) (*Authority, error) {
	f, err := os.Open(filepath.Join(dir, authorityFile))
	if err != nil {
		return nil, fmt.Errorf("issue: load authority: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxAuthority))
	if err != nil {
		return nil, fmt.Errorf("issue: load authority: %w", err)
	}
	var s savedAuthority
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("issue: load authority: %w", err)
	}
	two, err := country2(s.Country)
	if err != nil {
		return nil, err
	}
	a := &Authority{Country: s.Country, Country2: two, Now: s.Now, cscaCert: s.CSCADER, dsCert: s.DSDER, docTypes: []string{"P"}}
	if a.csca, err = s.CSCA.load(s.CSCADER); err != nil {
		return nil, err
	}
	if a.ds, err = s.DS.load(s.DSDER); err != nil {
		return nil, err
	}
	for _, r := range s.Revoked {
		v, ok := new(big.Int).SetString(r, 16)
		if !ok {
			return nil, fmt.Errorf("issue: load authority: revoked serial is no number")
		}
		a.revoked = append(a.revoked, v)
	}
	return a, nil
}

func (s *signer) save() (savedKey, error) {
	k := savedKey{Kind: s.kind, Scalar: s.priv}
	if s.key != nil {
		var err error
		if k.PKCS8, err = x509.MarshalPKCS8PrivateKey(s.key); err != nil {
			return k, fmt.Errorf("issue: save key: %w", err)
		}
	}
	return k, nil
}

// load restores a key; its public part is that of the certificate.
func (k savedKey) load(cert []byte) (*signer, error) {
	c, err := cms.ParseCertificate(cert)
	if err != nil {
		return nil, fmt.Errorf("issue: load authority: %w", err)
	}
	s, err := k.Kind.algorithm()
	if err != nil {
		return nil, err
	}
	s.spki = c.RawSPKI
	if s.ec != nil {
		s.priv = k.Scalar
		return s, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return nil, fmt.Errorf("issue: load key: %w", err)
	}
	var ok bool
	if s.key, ok = key.(crypto.Signer); !ok {
		return nil, fmt.Errorf("issue: load key: not a signing key")
	}
	return s, nil
}
