package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
)

// Request is a request whose signature is right: whoever made it holds the key.
type Request struct {
	Name   string // of the gate, "console", "broker" …
	Public crypto.PublicKey
	Key    string // KeyID
}

// NewKey makes a key for TLS.
func NewKey() (crypto.Signer, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return k, nil
}

// MakeRequest asks for a certificate of a name: PEM, to be carried to whoever signs.
func MakeRequest(name string, key crypto.Signer) ([]byte, error) {
	if !plainName.MatchString(name) {
		return nil, fmt.Errorf("pki: name %q: 1 to 32 of a-z, 0-9 and \"-\" are expected", name)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return nil, fmt.Errorf("pki: request: %w", err)
	}
	return pemBlock(typeRequest, der), nil
}

// ParseRequest reads a request. Of what it asks for, the name and the key count: hosts are said by who signs.
func ParseRequest(pem []byte) (*Request, error) {
	der, err := firstPEM("request", pem, typeRequest)
	if err != nil {
		return nil, err
	}
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("pki: request: %w", err)
	}
	if err := r.CheckSignature(); err != nil {
		return nil, fmt.Errorf("pki: request: the signature is wrong: %w", err)
	}
	if !plainName.MatchString(r.Subject.CommonName) {
		return nil, fmt.Errorf("pki: request of the name %q: 1 to 32 of a-z, 0-9 and \"-\" are expected", r.Subject.CommonName)
	}
	if !strong(r.PublicKey) {
		return nil, fmt.Errorf("pki: request of %s: an ECDSA key on P-256 or P-384, or an Ed25519 key is expected", r.Subject.CommonName)
	}
	id, err := KeyID(r.PublicKey)
	if err != nil {
		return nil, err
	}
	return &Request{Name: r.Subject.CommonName, Public: r.PublicKey, Key: id}, nil
}
