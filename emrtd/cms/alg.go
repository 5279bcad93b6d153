package cms

import (
	"crypto"
	_ "crypto/sha1" // SHA-1 is still found in old documents; policy decides, see DevSHA1
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"

	"egate/emrtd/ber"
)

// Scheme is a signature scheme.
type Scheme uint8

// Schemes. SchemeKey stands for "named by its key algorithm only" (rsaEncryption, id-ecPublicKey);
// the hash then comes from the digest algorithm of the signer info.
const (
	SchemeNone Scheme = iota
	SchemePKCS1
	SchemePSS
	SchemeECDSA
	SchemeECDSAPlain
)

func (s Scheme) String() string {
	return [...]string{"none", "rsa-pkcs1", "rsa-pss", "ecdsa", "ecdsa-plain"}[s%5]
}

// Algorithm is a signature algorithm with its parameters, taken from the structure, never guessed.
type Algorithm struct {
	Scheme  Scheme
	Hash    crypto.Hash // zero: to be taken from the digest algorithm
	MGFHash crypto.Hash // PSS only
	Salt    int         // PSS only, bytes
	keyOnly bool        // the identifier named a key algorithm
	noParam bool        // PSS without parameters
}

// Object identifiers.
const (
	oidRSA        = "1.2.840.113549.1.1.1"
	oidMGF1       = "1.2.840.113549.1.1.8"
	oidPSS        = "1.2.840.113549.1.1.10"
	oidECKey      = "1.2.840.10045.2.1"
	oidSignedData = "1.2.840.113549.1.7.2"
	oidAttrType   = "1.2.840.113549.1.9.3"
	oidAttrDigest = "1.2.840.113549.1.9.4"
	oidAttrTime   = "1.2.840.113549.1.9.5"
	oidSHA1       = "1.3.14.3.2.26"
)

var hashByOID = map[string]crypto.Hash{
	oidSHA1:                  crypto.SHA1,
	"2.16.840.1.101.3.4.2.4": crypto.SHA224,
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
	"2.16.840.1.101.3.4.2.5": crypto.SHA512_224,
	"2.16.840.1.101.3.4.2.6": crypto.SHA512_256,
}

var sigByOID = map[string]Algorithm{
	oidRSA:                    {Scheme: SchemePKCS1, keyOnly: true},
	"1.2.840.113549.1.1.5":    {Scheme: SchemePKCS1, Hash: crypto.SHA1},
	"1.2.840.113549.1.1.14":   {Scheme: SchemePKCS1, Hash: crypto.SHA224},
	"1.2.840.113549.1.1.11":   {Scheme: SchemePKCS1, Hash: crypto.SHA256},
	"1.2.840.113549.1.1.12":   {Scheme: SchemePKCS1, Hash: crypto.SHA384},
	"1.2.840.113549.1.1.13":   {Scheme: SchemePKCS1, Hash: crypto.SHA512},
	oidECKey:                  {Scheme: SchemeECDSA, keyOnly: true},
	"1.2.840.10045.4.1":       {Scheme: SchemeECDSA, Hash: crypto.SHA1},
	"1.2.840.10045.4.3.1":     {Scheme: SchemeECDSA, Hash: crypto.SHA224},
	"1.2.840.10045.4.3.2":     {Scheme: SchemeECDSA, Hash: crypto.SHA256},
	"1.2.840.10045.4.3.3":     {Scheme: SchemeECDSA, Hash: crypto.SHA384},
	"1.2.840.10045.4.3.4":     {Scheme: SchemeECDSA, Hash: crypto.SHA512},
	"0.4.0.127.0.7.1.1.4.1.1": {Scheme: SchemeECDSAPlain, Hash: crypto.SHA1},
	"0.4.0.127.0.7.1.1.4.1.2": {Scheme: SchemeECDSAPlain, Hash: crypto.SHA224},
	"0.4.0.127.0.7.1.1.4.1.3": {Scheme: SchemeECDSAPlain, Hash: crypto.SHA256},
	"0.4.0.127.0.7.1.1.4.1.4": {Scheme: SchemeECDSAPlain, Hash: crypto.SHA384},
	"0.4.0.127.0.7.1.1.4.1.5": {Scheme: SchemeECDSAPlain, Hash: crypto.SHA512},
}

// HashOID returns the object identifier of a hash that travel documents may use.
func HashOID(h crypto.Hash) (string, bool) {
	for o, v := range hashByOID {
		if v == h {
			return o, true
		}
	}
	return "", false
}

// ParseHash reads an AlgorithmIdentifier of a hash.
func ParseHash(e ber.Element) (crypto.Hash, error) {
	oid, _, err := algID(e)
	if err != nil {
		return 0, err
	}
	h, ok := hashByOID[oid]
	if !ok {
		return 0, fmt.Errorf("%w: hash %s", ErrUnsupported, oid)
	}
	return h, nil
}

func algID(e ber.Element) (string, *ber.Element, error) {
	if !e.Is(ber.Sequence) {
		return "", nil, fmt.Errorf("%w: algorithm identifier", ErrFormat)
	}
	k, err := e.Children()
	if err != nil || len(k) == 0 {
		return "", nil, fmt.Errorf("%w: algorithm identifier", ErrFormat)
	}
	oid, err := k[0].OIDString()
	if err != nil {
		return "", nil, fmt.Errorf("%w: algorithm identifier", ErrFormat)
	}
	if len(k) > 1 {
		return oid, &k[1], nil
	}
	return oid, nil, nil
}

// ParseAlgorithm reads the AlgorithmIdentifier of a signature. PSS parameters are honoured with
// the defaults of RFC 4055 §3.1 (SHA-1, MGF1 with SHA-1, salt 20).
func ParseAlgorithm(e ber.Element) (Algorithm, error) {
	oid, par, err := algID(e)
	if err != nil {
		return Algorithm{}, err
	}
	if oid == oidPSS {
		return parsePSS(par)
	}
	a, ok := sigByOID[oid]
	if !ok {
		return Algorithm{}, fmt.Errorf("%w: signature %s", ErrUnsupported, oid)
	}
	return a, nil
}

// maxSalt bounds the PSS salt: no more than the longest hash in use.
const maxSalt = 512

func parsePSS(par *ber.Element) (Algorithm, error) {
	a := Algorithm{Scheme: SchemePSS, Hash: crypto.SHA1, MGFHash: crypto.SHA1, Salt: 20}
	if par == nil || par.Is(ber.Null) {
		// Absent parameters restrict nothing in a key; in a signature they are an issuer's fault.
		a.Hash, a.MGFHash, a.noParam = 0, 0, true
		return a, nil
	}
	fields, err := par.Children()
	if err != nil {
		return a, fmt.Errorf("%w: pss parameters", ErrFormat)
	}
	for _, f := range fields {
		in, err := f.Children()
		if err != nil || len(in) != 1 || f.Class != ber.ClassContext {
			return a, fmt.Errorf("%w: pss parameters", ErrFormat)
		}
		switch f.Number {
		case 0:
			if a.Hash, err = ParseHash(in[0]); err != nil {
				return a, err
			}
		case 1:
			oid, p, err := algID(in[0])
			if err != nil || p == nil {
				return a, fmt.Errorf("%w: pss mask generation", ErrFormat)
			}
			if oid != oidMGF1 {
				return a, fmt.Errorf("%w: mask generation %s", ErrUnsupported, oid)
			}
			if a.MGFHash, err = ParseHash(*p); err != nil {
				return a, err
			}
		case 2:
			if a.Salt, err = in[0].Int(); err != nil || a.Salt > maxSalt {
				return a, fmt.Errorf("%w: pss salt", ErrFormat)
			}
		case 3:
			if t, err := in[0].Int(); err != nil || t != 1 {
				return a, fmt.Errorf("%w: pss trailer", ErrFormat)
			}
		default:
			return a, fmt.Errorf("%w: pss parameters", ErrFormat)
		}
	}
	return a, nil
}

// settle fills what the signature algorithm left open from the digest algorithm, naming each case.
func (a Algorithm) settle(digest crypto.Hash) (Algorithm, []string) {
	var dev []string
	if a.noParam {
		a.Hash, a.MGFHash, a.Salt = digest, digest, digest.Size()
		dev = append(dev, DevPSSNoParams)
	}
	if a.Hash == 0 {
		a.Hash = digest
		if a.Scheme == SchemeECDSA {
			// rsaEncryption in a SignerInfo is regular (RFC 3370 §3.2); id-ecPublicKey is not.
			dev = append(dev, DevSigAlgIsKeyAlg)
		}
	} else if digest != 0 && a.Hash != digest {
		dev = append(dev, DevDigestFromSigAlg)
	}
	return a, dev
}
