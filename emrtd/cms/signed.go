package cms

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"fmt"
	"math/big"
	"slices"
	"time"

	"egate/emrtd/ber"
)

// Limits of a SignedData.
const (
	// MaxEmbeddedCerts bounds the certificates carried along: a SOD carries one, a master list its
	// signer and path.
	MaxEmbeddedCerts = 16
	// MaxSigners bounds the signer infos.
	MaxSigners = 8
)

// SignedData is a parsed CMS SignedData. Slices alias the input.
type SignedData struct {
	ContentType  string
	Content      []byte
	Certificates []*Certificate
	CertErrors   []error
	CRLs         [][]byte
	Signers      []SignerInfo
	Deviations   []string

	digests []crypto.Hash
	covered []byte // what the message digest is taken over
}

// SignerInfo is one signature over the content.
type SignerInfo struct {
	Version     int
	Issuer      Name // set where the signer is named by issuer and serial
	Serial      *big.Int
	SKI         []byte
	Digest      crypto.Hash
	Algorithm   Algorithm
	Signature   []byte
	SigningTime time.Time // zero where absent

	attrs     *ber.Element
	attrType  string
	attrHash  []byte
	digestErr error
	algErr    error
}

// Parse reads a ContentInfo with SignedData.
func Parse(b []byte) (*SignedData, error) {
	outer, err := ber.ParseExact(b)
	if err != nil {
		return nil, fmt.Errorf("cms: content info: %w", err)
	}
	sd := &SignedData{}
	if outer.Indefinite {
		sd.Deviations = append(sd.Deviations, DevIndefinite)
	}
	k, err := outer.Children()
	if err != nil || len(k) != 2 || !k[1].IsContext(0) {
		return nil, fmt.Errorf("%w: content info", ErrFormat)
	}
	if oid, err := k[0].OIDString(); err != nil || oid != oidSignedData {
		return nil, fmt.Errorf("%w: not signed data", ErrFormat)
	}
	in, err := k[1].Children()
	if err != nil || len(in) != 1 || !in[0].Is(ber.Sequence) {
		return nil, fmt.Errorf("%w: signed data", ErrFormat)
	}
	f, err := in[0].Children()
	if err != nil || len(f) < 4 {
		return nil, fmt.Errorf("%w: signed data fields", ErrFormat)
	}
	if _, err := f[0].Int(); err != nil {
		return nil, fmt.Errorf("cms: signed data version: %w", err)
	}
	algs, err := f[1].Children()
	if err != nil {
		return nil, fmt.Errorf("cms: digest algorithms: %w", err)
	}
	for _, a := range algs {
		if h, err := ParseHash(a); err == nil {
			sd.digests = append(sd.digests, h)
		}
	}
	if err := sd.content(f[2]); err != nil {
		return nil, err
	}
	for _, x := range f[3 : len(f)-1] {
		list, err := x.Children()
		if err != nil {
			return nil, fmt.Errorf("cms: certificates: %w", err)
		}
		switch {
		case x.IsContext(0):
			if len(list) > MaxEmbeddedCerts {
				return nil, fmt.Errorf("%w: %d certificates", ErrLimit, len(list))
			}
			for _, c := range list {
				cert, err := ParseCertificate(c.Raw)
				if err != nil {
					sd.CertErrors = append(sd.CertErrors, err)
					continue
				}
				sd.Certificates = append(sd.Certificates, cert)
			}
		case x.IsContext(1):
			for _, c := range list {
				sd.CRLs = append(sd.CRLs, c.Raw)
			}
		}
	}
	infos := f[len(f)-1]
	if !infos.Is(ber.Set) {
		return nil, fmt.Errorf("%w: signer infos", ErrFormat)
	}
	list, err := infos.Children()
	if err != nil {
		return nil, fmt.Errorf("cms: signer infos: %w", err)
	}
	if len(list) > MaxSigners {
		return nil, fmt.Errorf("%w: %d signers", ErrLimit, len(list))
	}
	for _, s := range list {
		si, err := parseSigner(s)
		if err != nil {
			return nil, err
		}
		sd.Signers = append(sd.Signers, si)
	}
	if len(sd.Signers) == 0 {
		return nil, fmt.Errorf("%w: no signer", ErrFormat)
	}
	return sd, nil
}

func (sd *SignedData) content(e ber.Element) error {
	k, err := e.Children()
	if err != nil || len(k) < 1 || len(k) > 2 {
		return fmt.Errorf("%w: encapsulated content", ErrFormat)
	}
	if sd.ContentType, err = k[0].OIDString(); err != nil {
		return fmt.Errorf("cms: content type: %w", err)
	}
	if len(k) == 1 {
		return fmt.Errorf("%w: detached content", ErrFormat)
	}
	in, err := k[1].Children()
	if err != nil || len(in) != 1 || !k[1].IsContext(0) {
		return fmt.Errorf("%w: encapsulated content", ErrFormat)
	}
	if in[0].Is(ber.Sequence) {
		// PKCS #7 version 1.5 content, not wrapped in an octet string: the digest covers the contents
		// without tag and length (RFC 5652 §5.2.1).
		sd.Content, sd.covered = in[0].Raw, in[0].Content
		sd.Deviations = append(sd.Deviations, DevPKCS7Content)
		return nil
	}
	if in[0].Number != ber.OctetString || in[0].Class != ber.ClassUniversal {
		return fmt.Errorf("%w: encapsulated content is no octet string", ErrFormat)
	}
	if in[0].Indefinite && !slices.Contains(sd.Deviations, DevIndefinite) {
		sd.Deviations = append(sd.Deviations, DevIndefinite)
	}
	if sd.Content, err = in[0].Octets(); err != nil {
		return fmt.Errorf("cms: content: %w", err)
	}
	sd.covered = sd.Content
	return nil
}

func parseSigner(e ber.Element) (SignerInfo, error) {
	var s SignerInfo
	f, err := e.Children()
	if err != nil || len(f) < 5 {
		return s, fmt.Errorf("%w: signer info", ErrFormat)
	}
	if s.Version, err = f[0].Int(); err != nil {
		return s, fmt.Errorf("cms: signer info version: %w", err)
	}
	switch {
	case f[1].Is(ber.Sequence):
		id, err := f[1].Children()
		if err != nil || len(id) != 2 {
			return s, fmt.Errorf("%w: signer identifier", ErrFormat)
		}
		if s.Issuer, err = parseName(id[0]); err != nil {
			return s, err
		}
		if s.Serial, err = id[1].BigInt(); err != nil {
			return s, fmt.Errorf("cms: signer serial: %w", err)
		}
	case f[1].IsContext(0):
		if s.SKI, err = f[1].Octets(); err != nil {
			return s, fmt.Errorf("cms: signer key identifier: %w", err)
		}
		// Some issuers tag the octet string explicitly.
		if f[1].Constructed && len(s.SKI) == 0 {
			return s, fmt.Errorf("%w: signer key identifier", ErrFormat)
		}
	default:
		return s, fmt.Errorf("%w: signer identifier", ErrFormat)
	}
	s.Digest, s.digestErr = ParseHash(f[2])
	i := 3
	if f[i].IsContext(0) {
		s.attrs = &f[i]
		if err := s.attributes(f[i]); err != nil {
			return s, err
		}
		i++
	}
	if len(f) < i+2 {
		return s, fmt.Errorf("%w: signer info", ErrFormat)
	}
	s.Algorithm, s.algErr = ParseAlgorithm(f[i])
	if f[i+1].Number != ber.OctetString || f[i+1].Class != ber.ClassUniversal {
		return s, fmt.Errorf("%w: signature value", ErrFormat)
	}
	if s.Signature, err = f[i+1].Octets(); err != nil {
		return s, fmt.Errorf("cms: signature value: %w", err)
	}
	return s, nil
}

func (s *SignerInfo) attributes(e ber.Element) error {
	list, err := e.Children()
	if err != nil {
		return fmt.Errorf("cms: signed attributes: %w", err)
	}
	seen := map[string]bool{}
	for _, a := range list {
		k, err := a.Children()
		if err != nil || len(k) != 2 {
			return fmt.Errorf("%w: signed attribute", ErrFormat)
		}
		oid, err := k[0].OIDString()
		if err != nil {
			return fmt.Errorf("cms: signed attribute: %w", err)
		}
		switch oid {
		case oidAttrType, oidAttrDigest, oidAttrTime:
		default:
			continue
		}
		// Two of a kind would let one be checked and the other be meant (RFC 5652 §11).
		if seen[oid] {
			return fmt.Errorf("%w: signed attribute twice", ErrFormat)
		}
		seen[oid] = true
		v, err := k[1].Children()
		if err != nil || len(v) != 1 {
			return fmt.Errorf("%w: signed attribute value", ErrFormat)
		}
		switch oid {
		case oidAttrType:
			if s.attrType, err = v[0].OIDString(); err != nil {
				return fmt.Errorf("cms: content type attribute: %w", err)
			}
		case oidAttrDigest:
			if !v[0].Is(ber.OctetString) {
				return fmt.Errorf("%w: message digest attribute", ErrFormat)
			}
			s.attrHash = v[0].Content
		case oidAttrTime:
			if s.SigningTime, err = v[0].Time(); err != nil {
				return fmt.Errorf("cms: signing time attribute: %w", err)
			}
		}
	}
	return nil
}

// SignerCertificate finds the embedded certificate of a signer (RFC 5652 §5.3), by issuer and serial or
// by subject key identifier.
func (sd *SignedData) SignerCertificate(i int) (*Certificate, []string, error) {
	return sd.Signers[i].among(sd.Certificates)
}

// Named finds the certificate that a signer names, to the letter, among certificates from elsewhere; nil where
// there is none.
func (s *SignerInfo) Named(certs []*Certificate) *Certificate {
	if c, dev, err := s.among(certs); err == nil && len(dev) == 0 {
		return c
	}
	return nil
}

func (s *SignerInfo) among(certs []*Certificate) (*Certificate, []string, error) {
	var serialOnly *Certificate
	for _, c := range certs {
		if s.Serial != nil {
			if c.Serial.Cmp(s.Serial) != 0 {
				continue
			}
			if c.Issuer.Canonical == s.Issuer.Canonical {
				return c, nil, nil
			}
			serialOnly = c
		} else if len(s.SKI) > 0 && bytes.Equal(c.SKI, s.SKI) {
			return c, nil, nil
		}
	}
	// Seen in issued documents: the name in the signer info is written in another order or with
	// another attribute. The signature below still has to verify with that certificate's key.
	if serialOnly != nil {
		return serialOnly, []string{DevSignerBySubject}, nil
	}
	return nil, nil, ErrNoSigner
}

// VerifySigner verifies one signer with a certificate: content type, message digest and signature. It
// says nothing about the certificate itself. Deviations are those that had to be tolerated.
func (sd *SignedData) VerifySigner(i int, cert *Certificate) ([]string, error) {
	s := &sd.Signers[i]
	dev := slices.Clone(sd.Deviations)
	if s.digestErr != nil {
		return dev, s.digestErr
	}
	if s.algErr != nil {
		return dev, s.algErr
	}
	if cert.Key == nil {
		return dev, cert.KeyErr
	}
	if want := 1; s.Serial == nil {
		want = 3
		if s.Version != want {
			dev = append(dev, DevVersion)
		}
	} else if s.Version != want {
		dev = append(dev, DevVersion)
	}
	if !slices.Contains(sd.digests, s.Digest) {
		dev = append(dev, DevDigestNotListed)
	}
	alg, d := s.Algorithm.settle(s.Digest)
	dev = append(dev, d...)
	if k := cert.Key.pss; k != nil && alg.keyOnly && alg.Scheme == SchemePKCS1 {
		// The signer info names no more than a key algorithm, the certified key allows PSS alone: its own
		// parameters hold, and nothing is guessed.
		alg.Scheme, alg.Hash, alg.MGFHash, alg.Salt = SchemePSS, k.Hash, k.MGFHash, k.Salt
		dev = append(dev, DevSigAlgIsKeyAlg)
	}
	if s.attrs == nil {
		// RFC 5652 §5.3 demands attributes for any content type but id-data.
		dev = append(dev, DevNoSignedAttrs)
		d, err := cert.Key.Verify(alg, sd.covered, s.Signature)
		return append(dev, d...), err
	}
	if s.attrType != sd.ContentType {
		return dev, fmt.Errorf("%w: content type attribute", ErrDigest)
	}
	h := s.Digest.New()
	h.Write(sd.covered)
	if subtle.ConstantTimeCompare(h.Sum(nil), s.attrHash) != 1 {
		return dev, ErrDigest
	}
	// The signature is over the attributes as SET OF in DER (RFC 5652 §5.4).
	asSet := slices.Clone(s.attrs.Raw)
	asSet[0] = ber.Set
	list, err := s.attrs.Children()
	if err != nil {
		return dev, fmt.Errorf("cms: signed attributes: %w", err)
	}
	parts := make([][]byte, len(list))
	for n, a := range list {
		parts[n] = a.Raw
	}
	der := ber.EncodeSet(parts...)
	tries := []struct {
		msg []byte
		dev string
	}{{der, ""}}
	if !bytes.Equal(asSet, der) {
		tries[0].dev = DevAttrsNotDER
		tries = append(tries, struct {
			msg []byte
			dev string
		}{asSet, DevAttrsNotDER})
	}
	tries = append(tries, struct {
		msg []byte
		dev string
	}{s.attrs.Raw, DevAttrsAsTagged})
	var first error
	for _, t := range tries {
		d, err := cert.Key.Verify(alg, t.msg, s.Signature)
		if err == nil {
			if t.dev != "" {
				dev = append(dev, t.dev)
			}
			return append(dev, d...), nil
		}
		if first == nil {
			first = err
		}
	}
	return dev, first
}
