package cms

import (
	"crypto"
	"fmt"
	"math/big"
	"slices"

	"egate/emrtd/ber"
)

// PublicKey is a public key of a kind that travel documents use.
type PublicKey struct {
	// Kind is "RSA" or the name of the curve.
	Kind       string
	Bits       int
	Deviations []string

	rsa *rsaKey
	ec  *ecKey
	pss *Algorithm // restriction in the key's own identifier (id-RSASSA-PSS with parameters)
}

// ParsePublicKey reads a SubjectPublicKeyInfo.
func ParsePublicKey(spki []byte) (*PublicKey, error) {
	e, err := ber.ParseExact(spki)
	if err != nil {
		return nil, fmt.Errorf("cms: public key: %w", err)
	}
	k, err := e.Children()
	if err != nil || len(k) != 2 {
		return nil, fmt.Errorf("%w: public key", ErrFormat)
	}
	oid, par, err := algID(k[0])
	if err != nil {
		return nil, err
	}
	bits, err := k[1].Bits()
	if err != nil {
		return nil, fmt.Errorf("cms: public key: %w", err)
	}
	switch oid {
	case oidRSA, oidPSS:
		r, err := parseRSA(bits)
		if err != nil {
			return nil, err
		}
		p := &PublicKey{Kind: "RSA", Bits: r.n.BitLen(), rsa: r}
		if p.Bits < weakRSABits {
			p.Deviations = append(p.Deviations, DevWeakRSA)
		}
		if oid == oidPSS && par != nil && !par.Is(ber.Null) {
			a, err := parsePSS(par)
			if err != nil {
				return nil, err
			}
			p.pss = &a
		}
		return p, nil
	case oidECKey:
		if par == nil {
			return nil, fmt.Errorf("%w: curve parameters", ErrFormat)
		}
		c, explicit, err := parseCurve(*par)
		if err != nil {
			return nil, err
		}
		q, err := newECKey(c, bits)
		if err != nil {
			return nil, err
		}
		p := &PublicKey{Kind: q.name(), Bits: q.bits(), ec: q}
		if explicit {
			p.Deviations = append(p.Deviations, DevExplicitCurve)
		}
		return p, nil
	}
	return nil, fmt.Errorf("%w: key %s", ErrUnsupported, oid)
}

// Verify verifies a signature over message. ErrSignature says that it is false, ErrUnsupported that it
// could not be judged.
func (k *PublicKey) Verify(a Algorithm, message, sig []byte) ([]string, error) {
	if a.Hash == 0 || !a.Hash.Available() {
		return nil, fmt.Errorf("%w: hash", ErrUnsupported)
	}
	var dev []string
	if a.Hash == crypto.SHA1 {
		dev = append(dev, DevSHA1)
	}
	h := a.Hash.New()
	h.Write(message)
	digest := h.Sum(nil)
	switch a.Scheme {
	case SchemePKCS1:
		if k.rsa == nil || k.pss != nil {
			return dev, fmt.Errorf("%w: signature scheme does not fit the key", ErrSignature)
		}
		d, err := k.rsa.verifyPKCS1(a.Hash, digest, sig)
		return append(dev, d...), err
	case SchemePSS:
		if k.rsa == nil {
			return dev, fmt.Errorf("%w: signature scheme does not fit the key", ErrSignature)
		}
		if k.pss != nil && (k.pss.Hash != a.Hash || k.pss.MGFHash != a.MGFHash || a.Salt < k.pss.Salt) {
			return dev, fmt.Errorf("%w: pss parameters differ from those of the key", ErrSignature)
		}
		return dev, k.rsa.verifyPSS(a, digest, sig)
	case SchemeECDSA, SchemeECDSAPlain:
		if k.ec == nil {
			return dev, fmt.Errorf("%w: signature scheme does not fit the key", ErrSignature)
		}
		r, s, plain, err := ecdsaValues(a.Scheme, sig, k.ec.size())
		if err != nil {
			return dev, err
		}
		if plain {
			dev = append(dev, DevECPlain)
		}
		if !k.ec.verify(digest, r, s) {
			return dev, ErrSignature
		}
		return dev, nil
	}
	return dev, fmt.Errorf("%w: scheme", ErrUnsupported)
}

// ecdsaValues reads r and s: a DER sequence (ANSI X9.62), or r‖s (BSI TR-03111 §5.2.1), which is
// regular under its own identifier and a deviation under another.
func ecdsaValues(s Scheme, sig []byte, size int) (r, v *big.Int, deviates bool, err error) {
	if s == SchemeECDSA {
		if e, err := ber.ParseExact(sig); err == nil && e.Is(ber.Sequence) {
			k, err := e.Children()
			if err == nil && len(k) == 2 && k[0].Is(ber.Integer) && k[1].Is(ber.Integer) {
				r, err1 := k[0].BigInt()
				v, err2 := k[1].BigInt()
				if err1 == nil && err2 == nil {
					return r, v, false, nil
				}
			}
		}
	}
	if len(sig) != 2*size {
		return nil, nil, false, fmt.Errorf("%w: ecdsa value", ErrSignature)
	}
	return new(big.Int).SetBytes(sig[:size]), new(big.Int).SetBytes(sig[size:]), s == SchemeECDSA, nil
}

// curveParams are the domain parameters of an explicit curve over a prime field.
type curveParams struct {
	p, a, b, gx, gy, n, h *big.Int
}

// parseExplicit reads ECParameters (ANSI X9.62). Only prime fields exist in travel documents.
func parseExplicit(e ber.Element) (*curveParams, []byte, error) {
	bad := func() (*curveParams, []byte, error) {
		return nil, nil, fmt.Errorf("%w: explicit curve parameters", ErrFormat)
	}
	k, err := e.Children()
	if err != nil || len(k) < 5 {
		return bad()
	}
	field, err := k[1].Children()
	if err != nil || len(field) != 2 {
		return bad()
	}
	if oid, err := field[0].OIDString(); err != nil || oid != "1.2.840.10045.1.1" {
		return nil, nil, fmt.Errorf("%w: field of the curve", ErrUnsupported)
	}
	ab, err := k[2].Children()
	if err != nil || len(ab) < 2 {
		return bad()
	}
	c := &curveParams{a: new(big.Int).SetBytes(ab[0].Content), b: new(big.Int).SetBytes(ab[1].Content), h: big.NewInt(1)}
	if c.p, err = field[1].BigInt(); err != nil || c.p.Sign() <= 0 || c.p.BitLen() > maxFieldBits {
		return bad()
	}
	if c.n, err = k[4].BigInt(); err != nil || c.n.Sign() <= 0 {
		return bad()
	}
	if len(k) > 5 {
		if c.h, err = k[5].BigInt(); err != nil {
			return bad()
		}
	}
	return c, k[3].Content, nil
}

// maxFieldBits bounds the field of a curve; the largest standardised one is 521 bits.
const maxFieldBits = 521

func parseCurve(e ber.Element) (curve, bool, error) {
	if e.Is(ber.OID) {
		oid, err := e.OIDString()
		if err != nil {
			return nil, false, fmt.Errorf("cms: curve: %w", err)
		}
		if c := curveByOID(oid); c != nil {
			return c, false, nil
		}
		return nil, false, fmt.Errorf("%w: curve %s", ErrUnsupported, oid)
	}
	p, g, err := parseExplicit(e)
	if err != nil {
		return nil, false, err
	}
	// Explicit parameters are accepted only because they equal a known curve: free parameters would
	// let a forger choose the base point (CVE-2020-0601).
	c := curveByParams(p, g)
	if c == nil {
		return nil, false, fmt.Errorf("%w: explicit curve is no known one", ErrUnsupported)
	}
	return c, true, nil
}

// MergeDeviations joins lists of deviations without repeats, sorted.
func MergeDeviations(lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, l...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
