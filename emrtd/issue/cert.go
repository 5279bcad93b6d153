package issue

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/cms"
	"egate/emrtd/ec"
)

// KeyKind selects key and signature algorithm of an authority.
type KeyKind string

// Kinds of key. They are those found in issued documents.
const (
	ECDSAP256  KeyKind = "ecdsa-p256"
	ECDSAP384  KeyKind = "ecdsa-p384"
	RSAPKCS1   KeyKind = "rsa-pkcs1"
	RSAPSS     KeyKind = "rsa-pss"
	Brainpool  KeyKind = "ecdsa-brainpoolp256r1"
	BPExplicit KeyKind = "ecdsa-brainpoolp256r1-explicit"
)

// signer is a key with the algorithm that it signs with.
type signer struct {
	kind KeyKind
	hash crypto.Hash
	key  crypto.Signer // nil for curves that the standard library lacks
	ec   *ec.Curve
	priv []byte
	spki []byte
	alg  []byte // AlgorithmIdentifier of its signatures
}

// rsaBits is the size of simulated RSA keys: the smallest that Doc 9303-12 §4.1 admits for a
// document signer, because key generation is on the path of every test.
const rsaBits = 2048

// algorithm returns a signer of this kind without its key.
func (kind KeyKind) algorithm() (*signer, error) {
	s := &signer{kind: kind, hash: crypto.SHA256}
	switch kind {
	case ECDSAP256:
		s.alg = ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.4.3.2"))
	case ECDSAP384:
		s.hash = crypto.SHA384
		s.alg = ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.4.3.3"))
	case RSAPKCS1:
		s.alg = ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.1.11"), []byte{ber.Null, 0})
	case RSAPSS:
		sha := ber.Encode(ber.Sequence, hashOID(crypto.SHA256), []byte{ber.Null, 0})
		mgf := ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.1.8"), sha)
		s.alg = ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.1.10"), ber.Encode(ber.Sequence,
			ber.Encode(0xA0, sha), ber.Encode(0xA1, mgf), ber.Encode(0xA2, ber.EncodeInt(32))))
	case Brainpool, BPExplicit:
		s.alg = ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.4.3.2"))
		var err error
		if s.ec, err = ec.ByStandardID(brainpoolP256r1); err != nil {
			return nil, fmt.Errorf("issue: %w", err)
		}
	default:
		return nil, fmt.Errorf("issue: unknown kind of key %q", kind)
	}
	return s, nil
}

// brainpoolP256r1 is its standardised domain parameter id.
const brainpoolP256r1 = 13

func newSigner(kind KeyKind, rnd io.Reader) (*signer, error) {
	if rnd == nil {
		rnd = rand.Reader
	}
	s, err := kind.algorithm()
	if err != nil {
		return nil, err
	}
	switch kind {
	case ECDSAP256:
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rnd)
	case ECDSAP384:
		s.key, err = ecdsa.GenerateKey(elliptic.P384(), rnd)
	case RSAPKCS1, RSAPSS:
		s.key, err = rsa.GenerateKey(rnd, rsaBits)
	case Brainpool, BPExplicit:
		var pub ec.Point
		if s.priv, pub, err = s.ec.GenerateKey(rnd); err != nil {
			break
		}
		s.spki = ExplicitSPKI(s.ec, pub)
		if kind == Brainpool {
			s.spki = ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"),
				ber.EncodeOID(s.ec.OID)), ber.EncodeBits(s.ec.Encode(pub)))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("issue: generate key: %w", err)
	}
	if s.spki == nil {
		if s.spki, err = x509.MarshalPKIXPublicKey(s.key.Public()); err != nil {
			return nil, fmt.Errorf("issue: encode key: %w", err)
		}
	}
	return s, nil
}

func hashOID(h crypto.Hash) []byte {
	o, ok := cms.HashOID(h)
	if !ok {
		panic("issue: hash without identifier")
	}
	return ber.EncodeOID(o)
}

func (s *signer) sign(msg []byte) ([]byte, error) {
	h := s.hash.New()
	h.Write(msg)
	if s.key == nil {
		r, v, err := ec.SignECDSA(rand.Reader, s.ec, s.priv, h.Sum(nil))
		if err != nil {
			return nil, fmt.Errorf("issue: sign: %w", err)
		}
		return ber.Encode(ber.Sequence, ber.EncodeBig(r), ber.EncodeBig(v)), nil
	}
	var opts crypto.SignerOpts = s.hash
	if s.kind == RSAPSS {
		opts = &rsa.PSSOptions{SaltLength: 32, Hash: s.hash}
	}
	sig, err := s.key.Sign(rand.Reader, h.Sum(nil), opts)
	if err != nil {
		return nil, fmt.Errorf("issue: sign: %w", err)
	}
	return sig, nil
}

// keyID is the key identifier by SHA-1 of the public key (RFC 5280 §4.2.1.2, method 1).
func (s *signer) keyID() []byte {
	e, err := ber.ParseExact(s.spki)
	if err != nil {
		return nil
	}
	k, err := e.Children()
	if err != nil || len(k) != 2 {
		return nil
	}
	bits, err := k[1].Bits()
	if err != nil {
		return nil
	}
	h := sha1.Sum(bits)
	return h[:]
}

type attr struct {
	oid, value string
}

func name(country2, unit, common string) []byte {
	var rdns [][]byte
	for _, a := range []attr{{"2.5.4.6", country2}, {"2.5.4.10", Mark}, {"2.5.4.11", unit}, {"2.5.4.3", common}} {
		tag := uint16(ber.UTF8String)
		if a.oid == "2.5.4.6" {
			tag = ber.PrintableString
		}
		rdns = append(rdns, ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID(a.oid), ber.Encode(tag, []byte(a.value)))))
	}
	return ber.Encode(ber.Sequence, rdns...)
}

func extension(oid string, critical bool, value []byte) []byte {
	parts := [][]byte{ber.EncodeOID(oid)}
	if critical {
		parts = append(parts, ber.Encode(ber.Boolean, []byte{0xff}))
	}
	return ber.Encode(ber.Sequence, append(parts, ber.Encode(ber.OctetString, value))...)
}

// template is what a certificate says.
type template struct {
	issuer, subject []byte
	from, to        time.Time
	useTo           time.Time // end of the private key's use, zero for none
	ca              bool
	noBasic         bool
	docTypes        []string
	eku             string
}

func certificate(t template, subject, issuer *signer) ([]byte, error) {
	serial := make([]byte, 12)
	if _, err := rand.Read(serial); err != nil {
		return nil, fmt.Errorf("issue: serial: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40
	ext := [][]byte{extension("2.5.29.14", false, ber.Encode(ber.OctetString, subject.keyID()))}
	ext = append(ext, extension("2.5.29.35", false, ber.Encode(ber.Sequence, ber.Encode(0x80, issuer.keyID()))))
	if t.ca {
		if !t.noBasic {
			ext = append(ext, extension("2.5.29.19", true,
				ber.Encode(ber.Sequence, ber.Encode(ber.Boolean, []byte{0xff}), ber.EncodeInt(0))))
		}
		ext = append(ext, extension("2.5.29.15", true, ber.Encode(ber.BitString, []byte{1, 0x06})))
	} else {
		ext = append(ext, extension("2.5.29.15", true, ber.Encode(ber.BitString, []byte{7, 0x80})))
	}
	if !t.useTo.IsZero() {
		const f = "20060102150405Z"
		ext = append(ext, extension("2.5.29.16", false, ber.Encode(ber.Sequence,
			ber.Encode(0x80, []byte(t.from.UTC().Format(f))), ber.Encode(0x81, []byte(t.useTo.UTC().Format(f))))))
	}
	if len(t.docTypes) > 0 {
		var codes [][]byte
		for _, c := range t.docTypes {
			codes = append(codes, ber.Encode(ber.PrintableString, []byte(c)))
		}
		ext = append(ext, extension("2.23.136.1.1.6.2", false,
			ber.Encode(ber.Sequence, ber.EncodeInt(0), ber.EncodeSet(codes...))))
	}
	if t.eku != "" {
		ext = append(ext, extension("2.5.29.37", true, ber.Encode(ber.Sequence, ber.EncodeOID(t.eku))))
	}
	tbs := ber.Encode(ber.Sequence,
		ber.Encode(0xA0, ber.EncodeInt(2)),
		ber.EncodeBig(new(big.Int).SetBytes(serial)),
		issuer.alg, t.issuer,
		ber.Encode(ber.Sequence, ber.EncodeTime(t.from), ber.EncodeTime(t.to)),
		t.subject, subject.spki,
		ber.Encode(0xA3, ber.Encode(ber.Sequence, ext...)))
	return sealed(tbs, issuer)
}

func sealed(tbs []byte, s *signer) ([]byte, error) {
	sig, err := s.sign(tbs)
	if err != nil {
		return nil, err
	}
	return ber.Encode(ber.Sequence, tbs, s.alg, ber.EncodeBits(sig)), nil
}

// crl writes a revocation list with the given serials.
func crl(issuerName []byte, s *signer, thisUpdate, nextUpdate time.Time, number int64, revoked []*big.Int) ([]byte, error) {
	var entries []byte
	if len(revoked) > 0 {
		var list [][]byte
		for _, r := range revoked {
			list = append(list, ber.Encode(ber.Sequence, ber.EncodeBig(r), ber.EncodeTime(thisUpdate)))
		}
		entries = ber.Encode(ber.Sequence, list...)
	}
	ext := ber.Encode(ber.Sequence,
		extension("2.5.29.35", false, ber.Encode(ber.Sequence, ber.Encode(0x80, s.keyID()))),
		extension("2.5.29.20", false, ber.EncodeInt(number)))
	tbs := ber.Encode(ber.Sequence, ber.EncodeInt(1), s.alg, issuerName, ber.EncodeTime(thisUpdate),
		ber.EncodeTime(nextUpdate), entries, ber.Encode(0xA0, ext))
	return sealed(tbs, s)
}

// signedData writes a CMS SignedData over content with signed attributes.
func signedData(contentType string, content []byte, s *signer, certs [][]byte, signerCert []byte, at time.Time) ([]byte, error) {
	c, err := cms.ParseCertificate(signerCert)
	if err != nil {
		return nil, err
	}
	h := s.hash.New()
	h.Write(content)
	attribute := func(oid string, value []byte) []byte {
		return ber.Encode(ber.Sequence, ber.EncodeOID(oid), ber.Encode(ber.Set, value))
	}
	attrs := [][]byte{
		attribute("1.2.840.113549.1.9.3", ber.EncodeOID(contentType)),
		attribute("1.2.840.113549.1.9.4", ber.Encode(ber.OctetString, h.Sum(nil))),
	}
	if !at.IsZero() {
		attrs = append(attrs, attribute("1.2.840.113549.1.9.5", ber.EncodeTime(at)))
	}
	set := ber.EncodeSet(attrs...)
	sig, err := s.sign(set)
	if err != nil {
		return nil, err
	}
	tagged := append([]byte{0xA0}, set[1:]...)
	digest := ber.Encode(ber.Sequence, hashOID(s.hash))
	info := ber.Encode(ber.Sequence, ber.EncodeInt(1),
		ber.Encode(ber.Sequence, c.Issuer.Raw, ber.EncodeBig(c.Serial)),
		digest, tagged, s.alg, ber.Encode(ber.OctetString, sig))
	sd := ber.Encode(ber.Sequence, ber.EncodeInt(3), ber.Encode(ber.Set, digest),
		ber.Encode(ber.Sequence, ber.EncodeOID(contentType), ber.Encode(0xA0, ber.Encode(ber.OctetString, content))),
		ber.Encode(0xA0, certs...), ber.Encode(ber.Set, info))
	return ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.7.2"), ber.Encode(0xA0, sd)), nil
}
