package cms

import (
	"fmt"
	"math/big"
	"time"

	"egate/emrtd/ber"
)

// MaxCRL bounds a revocation list. Lists of CSCAs hold tens of entries; the largest published is
// below 1 MB.
const MaxCRL = 4 << 20

// CRL is a certificate revocation list (RFC 5280 §5, ICAO Doc 9303-12 §7.1.4).
type CRL struct {
	Raw, RawTBS []byte
	Issuer      Name
	AKI         []byte
	Number      *big.Int
	ThisUpdate  time.Time
	NextUpdate  time.Time // zero where absent
	Algorithm   Algorithm
	Signature   []byte
	Critical    []string // unknown critical extensions: the list must not be used (RFC 5280 §5.2)

	revoked map[string]time.Time
	algErr  error
}

// ParseCRL reads one CRL.
func ParseCRL(b []byte) (*CRL, error) {
	if len(b) > MaxCRL {
		return nil, fmt.Errorf("%w: crl of %d bytes", ErrLimit, len(b))
	}
	outer, err := ber.ParseExact(b)
	if err != nil {
		return nil, fmt.Errorf("cms: crl: %w", err)
	}
	top, err := outer.Children()
	if err != nil || len(top) != 3 || !top[0].Is(ber.Sequence) {
		return nil, fmt.Errorf("%w: crl", ErrFormat)
	}
	c := &CRL{Raw: outer.Raw, RawTBS: top[0].Raw, revoked: map[string]time.Time{}}
	c.Algorithm, c.algErr = ParseAlgorithm(top[1])
	if c.Signature, err = top[2].Bits(); err != nil {
		return nil, fmt.Errorf("cms: crl signature: %w", err)
	}
	f, err := top[0].Children()
	if err != nil {
		return nil, fmt.Errorf("cms: crl: %w", err)
	}
	if len(f) > 0 && f[0].Is(ber.Integer) {
		f = f[1:]
	}
	if len(f) < 3 {
		return nil, fmt.Errorf("%w: crl fields", ErrFormat)
	}
	if c.Issuer, err = parseName(f[1]); err != nil {
		return nil, err
	}
	if c.ThisUpdate, err = f[2].Time(); err != nil {
		return nil, fmt.Errorf("cms: crl: %w", err)
	}
	f = f[3:]
	if len(f) > 0 && (f[0].Is(ber.UTCTime) || f[0].Is(ber.GeneralizedTime)) {
		if c.NextUpdate, err = f[0].Time(); err != nil {
			return nil, fmt.Errorf("cms: crl: %w", err)
		}
		f = f[1:]
	}
	for _, x := range f {
		switch {
		case x.Is(ber.Sequence):
			if err := c.entries(x); err != nil {
				return nil, err
			}
		case x.IsContext(0):
			if err := c.extensions(x); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func (c *CRL) entries(e ber.Element) error {
	list, err := e.Children()
	if err != nil {
		return fmt.Errorf("cms: crl entries: %w", err)
	}
	for _, x := range list {
		k, err := x.Children()
		if err != nil || len(k) < 2 {
			return fmt.Errorf("%w: crl entry", ErrFormat)
		}
		serial, err := k[0].BigInt()
		if err != nil {
			return fmt.Errorf("cms: crl entry: %w", err)
		}
		at, err := k[1].Time()
		if err != nil {
			return fmt.Errorf("cms: crl entry: %w", err)
		}
		c.revoked[serial.Text(16)] = at
	}
	return nil
}

func (c *CRL) extensions(e ber.Element) error {
	seq, err := e.Children()
	if err != nil || len(seq) != 1 {
		return fmt.Errorf("%w: crl extensions", ErrFormat)
	}
	list, err := seq[0].Children()
	if err != nil {
		return fmt.Errorf("cms: crl extensions: %w", err)
	}
	for _, x := range list {
		k, err := x.Children()
		if err != nil || len(k) < 2 {
			return fmt.Errorf("%w: crl extension", ErrFormat)
		}
		oid, err := k[0].OIDString()
		if err != nil {
			return fmt.Errorf("cms: crl extension: %w", err)
		}
		v, err := ber.ParseExact(k[len(k)-1].Content)
		if err != nil {
			return fmt.Errorf("cms: crl extension: %w", err)
		}
		switch oid {
		case "2.5.29.35":
			parts, err := v.Children()
			if err != nil {
				return fmt.Errorf("cms: crl extension: %w", err)
			}
			for _, p := range parts {
				if p.IsContext(0) {
					c.AKI = p.Content
				}
			}
		case "2.5.29.20":
			if c.Number, err = v.BigInt(); err != nil {
				return fmt.Errorf("cms: crl number: %w", err)
			}
		default:
			// A delta list (2.5.29.27) or an issuing distribution point narrows what the list says;
			// neither exists in ICAO Doc 9303-12, and taking one for a whole list would hide revocations.
			if len(k) > 2 && len(k[1].Content) == 1 && k[1].Content[0] != 0 {
				c.Critical = append(c.Critical, oid)
			}
		}
	}
	return nil
}

// Revoked tells whether a serial is listed, and since when.
func (c *CRL) Revoked(serial *big.Int) (time.Time, bool) {
	t, ok := c.revoked[serial.Text(16)]
	return t, ok
}

// Len is the number of entries.
func (c *CRL) Len() int { return len(c.revoked) }

// CheckSignatureFrom verifies the list with the key of the CSCA that issued it.
func (c *CRL) CheckSignatureFrom(issuer *Certificate) ([]string, error) {
	if c.algErr != nil {
		return nil, c.algErr
	}
	if issuer.Key == nil {
		return nil, issuer.KeyErr
	}
	return issuer.Key.Verify(c.Algorithm, c.RawTBS, c.Signature)
}
