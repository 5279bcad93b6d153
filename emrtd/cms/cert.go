package cms

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"egate/emrtd/ber"
)

// MaxCertificate bounds one certificate; the largest seen in master lists is under 3 KB.
const MaxCertificate = 64 << 10

// Key usage bits (RFC 5280 §4.2.1.3), bit 0 being the highest of the first byte.
const (
	KeyUsageDigitalSignature = 1 << 0
	KeyUsageCertSign         = 1 << 5
	KeyUsageCRLSign          = 1 << 6
)

// Extended key usages of ICAO Doc 9303-12.
const (
	EKUMasterList    = "2.23.136.1.1.3"
	EKUDeviationList = "2.23.136.1.1.8"
)

// Name is a distinguished name.
type Name struct {
	Raw       []byte
	Canonical string // for comparison: RFC 5280 §7.1 in the part that issuers need
	Country   string // in capitals
	// CountryCase says that the country is not written in capitals, as ISO 3166-1 has it.
	CountryCase bool
	Common      string
	Serial      string
}

// Certificate is a parsed X.509 certificate. Slices alias the input.
type Certificate struct {
	Raw, RawTBS, RawSPKI []byte
	Version              int
	Serial               *big.Int
	Issuer, Subject      Name
	NotBefore, NotAfter  time.Time
	Algorithm            Algorithm
	algErr               error
	Signature            []byte
	Key                  *PublicKey // nil with KeyErr where the key is of no known kind
	KeyErr               error

	SKI, AKI    []byte
	AKISerial   *big.Int
	HasBasic    bool
	IsCA        bool
	PathLen     int // -1 where absent
	HasKeyUsage bool
	KeyUsage    int
	EKU         []string
	EKUCritical bool
	// PrivateFrom and PrivateTo bound the use of the private key (RFC 3280 §4.2.1.4), which for a
	// document signer is the span in which it may sign; zero where absent.
	PrivateFrom, PrivateTo time.Time
	DocTypes               []string // ICAO Doc 9303-12 §7.1.1.6: MRZ document codes it may sign
	CRLPoints              []string
	NameChange             bool
	UnknownCritical        []string
	Deviations             []string
}

// SHA256 names the certificate in reports and lists.
func (c *Certificate) SHA256() [32]byte { return sha256.Sum256(c.Raw) }

// SelfIssued tells whether subject and issuer are the same name.
func (c *Certificate) SelfIssued() bool { return c.Issuer.Canonical == c.Subject.Canonical }

// ParseCertificatePEM reads one certificate in DER, BER or PEM.
func ParseCertificatePEM(b []byte) (*Certificate, error) {
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	return ParseCertificate(b)
}

// ParseCertificate reads one DER or BER certificate.
func ParseCertificate(b []byte) (*Certificate, error) {
	if len(b) > MaxCertificate {
		return nil, fmt.Errorf("%w: certificate of %d bytes", ErrLimit, len(b))
	}
	outer, rest, err := ber.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("cms: certificate: %w", err)
	}
	c := &Certificate{Raw: outer.Raw, PathLen: -1}
	if len(rest) > 0 {
		c.Deviations = append(c.Deviations, DevTrailing)
	}
	top, err := outer.Children()
	if err != nil || !outer.Is(ber.Sequence) || len(top) != 3 || !top[0].Is(ber.Sequence) {
		return nil, fmt.Errorf("%w: certificate", ErrFormat)
	}
	c.RawTBS = top[0].Raw
	c.Algorithm, c.algErr = ParseAlgorithm(top[1])
	if c.Signature, err = top[2].Bits(); err != nil {
		return nil, fmt.Errorf("cms: certificate signature: %w", err)
	}
	f, err := top[0].Children()
	if err != nil {
		return nil, fmt.Errorf("cms: certificate: %w", err)
	}
	c.Version = 1
	if len(f) > 0 && f[0].IsContext(0) {
		v, err := f[0].Children()
		if err != nil || len(v) != 1 {
			return nil, fmt.Errorf("%w: certificate version", ErrFormat)
		}
		n, err := v[0].Int()
		if err != nil {
			return nil, fmt.Errorf("cms: certificate version: %w", err)
		}
		c.Version = n + 1
		f = f[1:]
	}
	if len(f) < 6 {
		return nil, fmt.Errorf("%w: certificate fields", ErrFormat)
	}
	if c.Serial, err = f[0].BigInt(); err != nil || !f[0].Is(ber.Integer) {
		return nil, fmt.Errorf("%w: certificate serial", ErrFormat)
	}
	if !bytes.Equal(f[1].Raw, top[1].Raw) {
		c.Deviations = append(c.Deviations, DevSigAlgMismatch)
	}
	if c.Issuer, err = parseName(f[2]); err != nil {
		return nil, err
	}
	val, err := f[3].Children()
	if err != nil || len(val) != 2 {
		return nil, fmt.Errorf("%w: certificate validity", ErrFormat)
	}
	if c.NotBefore, err = val[0].Time(); err != nil {
		return nil, fmt.Errorf("cms: certificate validity: %w", err)
	}
	if c.NotAfter, err = val[1].Time(); err != nil {
		return nil, fmt.Errorf("cms: certificate validity: %w", err)
	}
	if c.Subject, err = parseName(f[4]); err != nil {
		return nil, err
	}
	c.RawSPKI = f[5].Raw
	c.Key, c.KeyErr = ParsePublicKey(f[5].Raw)
	if c.Key != nil {
		c.Deviations = append(c.Deviations, c.Key.Deviations...)
	}
	for _, x := range f[6:] {
		if x.IsContext(3) {
			c.extensions(x)
		}
	}
	return c, nil
}

func (c *Certificate) extensions(e ber.Element) {
	bad := func() { c.Deviations = append(c.Deviations, DevExtension) }
	seq, err := e.Children()
	if err != nil || len(seq) != 1 {
		bad()
		return
	}
	list, err := seq[0].Children()
	if err != nil {
		bad()
		return
	}
	for _, x := range list {
		k, err := x.Children()
		if err != nil || len(k) < 2 {
			bad()
			continue
		}
		oid, err := k[0].OIDString()
		if err != nil {
			bad()
			continue
		}
		critical := len(k) > 2 && k[1].Is(ber.Boolean) && len(k[1].Content) == 1 && k[1].Content[0] != 0
		v, err := k[len(k)-1].Octets()
		if err == nil {
			err = c.extension(oid, critical, v)
		}
		if err != nil {
			bad()
			if critical {
				c.UnknownCritical = append(c.UnknownCritical, oid)
			}
		}
	}
}

func (c *Certificate) extension(oid string, critical bool, v []byte) error {
	e, err := ber.ParseExact(v)
	if err != nil {
		return err
	}
	switch oid {
	case "2.5.29.14":
		c.SKI = e.Content
	case "2.5.29.35":
		k, err := e.Children()
		if err != nil {
			return err
		}
		for _, f := range k {
			switch {
			case f.IsContext(0):
				c.AKI = f.Content
			case f.IsContext(2):
				if c.AKISerial, err = f.BigInt(); err != nil {
					return err
				}
			}
		}
	case "2.5.29.19":
		k, err := e.Children()
		if err != nil {
			return err
		}
		c.HasBasic = true
		for _, f := range k {
			switch {
			case f.Is(ber.Boolean):
				c.IsCA = len(f.Content) == 1 && f.Content[0] != 0
			case f.Is(ber.Integer):
				if c.PathLen, err = f.Int(); err != nil {
					c.PathLen = -1
					return err
				}
			}
		}
		if c.PathLen >= 0 && !c.IsCA {
			c.Deviations = append(c.Deviations, DevPathLenNoCA)
		}
	case "2.5.29.15":
		b, err := e.Bits()
		if err != nil {
			return err
		}
		c.HasKeyUsage = true
		for i := range 8 * min(len(b), 2) {
			if b[i/8]&(0x80>>(i%8)) != 0 {
				c.KeyUsage |= 1 << i
			}
		}
	case "2.5.29.37":
		k, err := e.Children()
		if err != nil {
			return err
		}
		c.EKUCritical = critical
		for _, f := range k {
			o, err := f.OIDString()
			if err != nil {
				return err
			}
			c.EKU = append(c.EKU, o)
		}
	case "2.5.29.16":
		k, err := e.Children()
		if err != nil {
			return err
		}
		for _, f := range k {
			// Implicitly tagged GeneralizedTime.
			t, err := time.Parse("20060102150405Z", string(f.Content))
			if err != nil {
				return err
			}
			if f.IsContext(0) {
				c.PrivateFrom = t
			} else if f.IsContext(1) {
				c.PrivateTo = t
			}
		}
	case "2.5.29.31":
		k, err := e.Children()
		if err != nil {
			return err
		}
		for _, dp := range k {
			c.CRLPoints = append(c.CRLPoints, uris(dp, 0)...)
		}
	case "2.23.136.1.1.6.2":
		k, err := e.Children()
		if err != nil {
			return err
		}
		for _, f := range k {
			if !f.Is(ber.Set) {
				continue
			}
			codes, err := f.Children()
			if err != nil {
				return err
			}
			for _, s := range codes {
				c.DocTypes = append(c.DocTypes, string(s.Content))
			}
		}
	case "2.23.136.1.1.6.1":
		c.NameChange = true
	case "2.5.29.17", "2.5.29.18", "2.5.29.32", "2.5.29.46":
		// Alternative names, policies and delta CRL points decide nothing here.
	default:
		if critical {
			c.UnknownCritical = append(c.UnknownCritical, oid)
		}
	}
	return nil
}

// uris collects the URIs of a distribution point.
func uris(e ber.Element, depth int) []string {
	if depth > 4 {
		return nil
	}
	if e.Class == ber.ClassContext && e.Number == 6 && !e.Constructed {
		return []string{string(e.Content)}
	}
	k, err := e.Children()
	if err != nil {
		return nil
	}
	var out []string
	for _, c := range k {
		out = append(out, uris(c, depth+1)...)
	}
	return out
}

// ParseName reads a distinguished name.
func ParseName(e ber.Element) (Name, error) { return parseName(e) }

func parseName(e ber.Element) (Name, error) {
	n := Name{Raw: e.Raw}
	if !e.Is(ber.Sequence) {
		return n, fmt.Errorf("%w: name", ErrFormat)
	}
	rdns, err := e.Children()
	if err != nil {
		return n, fmt.Errorf("cms: name: %w", err)
	}
	var canon strings.Builder
	for _, rdn := range rdns {
		atvs, err := rdn.Children()
		if err != nil {
			return n, fmt.Errorf("cms: name: %w", err)
		}
		var parts []string
		for _, a := range atvs {
			k, err := a.Children()
			if err != nil || len(k) != 2 {
				return n, fmt.Errorf("%w: name attribute", ErrFormat)
			}
			oid, err := k[0].OIDString()
			if err != nil {
				return n, fmt.Errorf("cms: name: %w", err)
			}
			v := text(k[1])
			switch oid {
			case "2.5.4.6":
				n.Country = strings.ToUpper(strings.TrimSpace(v))
				n.CountryCase = n.Country != v
			case "2.5.4.3":
				n.Common = v
			case "2.5.4.5":
				n.Serial = v
			}
			parts = append(parts, oid+"="+strings.Join(strings.Fields(strings.ToLower(v)), " "))
		}
		slices.Sort(parts)
		fmt.Fprintf(&canon, "/%q", parts)
	}
	n.Canonical = canon.String()
	return n, nil
}

// text decodes a directory string; the encoding (T61, UTF-8, BMP …) varies between certificates of
// one issuer, which must not part their names.
func text(e ber.Element) string {
	b, err := e.Octets()
	if err != nil {
		return ""
	}
	if e.Is(0x1E) && len(b)%2 == 0 { // BMPString
		u := make([]uint16, len(b)/2)
		for i := range u {
			u[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
		}
		return string(utf16.Decode(u))
	}
	return strings.ToValidUTF8(string(b), "?")
}

// CheckSignatureFrom verifies c's signature with the key of issuer and returns the deviations that
// were tolerated.
func (c *Certificate) CheckSignatureFrom(issuer *Certificate) ([]string, error) {
	if c.algErr != nil {
		return nil, c.algErr
	}
	if issuer.Key == nil {
		return nil, issuer.KeyErr
	}
	alg := c.Algorithm
	if alg.Hash == 0 {
		return nil, fmt.Errorf("%w: certificate signature names no hash", ErrUnsupported)
	}
	return issuer.Key.Verify(alg, c.RawTBS, c.Signature)
}

// IssuedBy tells whether issuer may be the issuer of c by name or key identifier. It proves nothing;
// CheckSignatureFrom does.
func (c *Certificate) IssuedBy(issuer *Certificate) bool {
	if len(c.AKI) > 0 && len(issuer.SKI) > 0 && bytes.Equal(c.AKI, issuer.SKI) {
		return true
	}
	return c.Issuer.Canonical == issuer.Subject.Canonical
}
