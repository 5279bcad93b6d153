package trust

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/cms"
	"egate/emrtd/lds"
)

// MasterList is a verified CSCA master list (ICAO Doc 9303-12 §9).
type MasterList struct {
	Signer       *cms.Certificate
	Signed       time.Time // zero where the list names no time
	Certificates []*cms.Certificate
	Refused      []error // one per certificate that did not parse
	Deviations   []string
}

// Errors of a master list.
var (
	ErrMasterList = errors.New("trust: master list refused")
)

// ParseMasterList verifies a master list up to one of the pinned roots: the CMS signatures, the signers'
// extended key usage, their paths to a root, directly or over link certificates that the list itself
// carries, and that all held when the list was signed. A list that fails is refused as a whole.
func ParseMasterList(data []byte, roots ...*cms.Certificate) (*MasterList, error) {
	if len(data) > MaxBundle {
		return nil, fmt.Errorf("%w: master list of %d bytes", ErrLimit, len(data))
	}
	sd, err := cms.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterList, err)
	}
	if sd.ContentType != lds.OIDMasterList {
		return nil, fmt.Errorf("%w: content is no master list", ErrMasterList)
	}
	m, err := content(sd)
	if err != nil {
		return nil, err
	}
	m.Signer, m.Signed, m.Deviations, err = signers(sd, cms.EKUMasterList, slices.Concat(sd.Certificates, m.Certificates), roots)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterList, err)
	}
	return m, nil
}

// signers verifies every signer of a published list: one that does not hold would be a signature that nobody
// looked at. The first one and its time are returned.
func signers(sd *cms.SignedData, eku string, pool, roots []*cms.Certificate) (first *cms.Certificate, signed time.Time, dev []string, err error) {
	if len(roots) == 0 {
		return nil, signed, nil, errors.New("no pinned root")
	}
	for i := range sd.Signers {
		signer, d, err := sd.SignerCertificate(i)
		if err != nil {
			return nil, signed, nil, err
		}
		dev = append(dev, d...)
		d, err = sd.VerifySigner(i, signer)
		if err != nil {
			return nil, signed, nil, err
		}
		dev = append(dev, d...)
		if !slices.Contains(signer.EKU, eku) || len(signer.UnknownCritical) > 0 {
			return nil, signed, nil, errors.New("signer may not sign such lists")
		}
		at := sd.Signers[i].SigningTime
		if at.IsZero() {
			dev = append(dev, DevListUndated)
		}
		d, err = pinned(signer, pool, roots, at, 0, map[string]bool{})
		if err != nil {
			return nil, signed, nil, err
		}
		dev = append(dev, d...)
		if i == 0 {
			first, signed = signer, at
		}
	}
	return first, signed, cms.MergeDeviations(dev), nil
}

// pinned finds a path from c to a pinned root over certificates of the pool. at is the signing time, zero
// where there is none.
func pinned(c *cms.Certificate, pool, roots []*cms.Certificate, at time.Time, depth int, tried map[string]bool) ([]string, error) {
	if !at.IsZero() && (at.Before(c.NotBefore) || at.After(c.NotAfter)) {
		return nil, errors.New("signed outside the validity of its certificates")
	}
	refused := errors.New("signer was not issued by a pinned root")
	for _, r := range roots {
		if _, err := c.CheckSignatureFrom(r); err != nil {
			continue
		}
		switch {
		case !mayIssue(r):
			refused = errors.New("root may not issue certificates")
		case !at.IsZero() && (at.Before(r.NotBefore) || at.After(r.NotAfter)):
			refused = errors.New("signed outside the validity of its certificates")
		default:
			return nil, nil
		}
	}
	if depth >= MaxPath {
		return nil, refused
	}
	for _, p := range pool {
		if tried[string(p.Raw)] || !c.IssuedBy(p) || !mayIssue(p) {
			continue
		}
		if _, err := c.CheckSignatureFrom(p); err != nil {
			continue
		}
		tried[string(p.Raw)] = true
		d, err := pinned(p, pool, roots, at, depth+1, tried)
		if err == nil {
			return append(d, DevLinkPath), nil
		}
	}
	return nil, refused
}

// content reads the certificates of a list whose signature is still to be judged.
func content(sd *cms.SignedData) (*MasterList, error) {
	m := &MasterList{}
	e, err := ber.ParseExact(sd.Content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterList, err)
	}
	k, err := e.Children()
	if err != nil || len(k) != 2 || !k[1].Is(ber.Set) {
		return nil, fmt.Errorf("%w: content", ErrMasterList)
	}
	if v, err := k[0].Int(); err != nil || v != 0 {
		return nil, fmt.Errorf("%w: version", ErrMasterList)
	}
	list, err := k[1].Children()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterList, err)
	}
	if len(list) > MaxAnchors {
		return nil, fmt.Errorf("%w: %d certificates", ErrLimit, len(list))
	}
	for _, x := range list {
		c, err := cms.ParseCertificate(x.Raw)
		if err != nil {
			m.Refused = append(m.Refused, err)
			continue
		}
		m.Certificates = append(m.Certificates, c)
	}
	return m, nil
}

// Import adds every certificate of a verified master list and classifies it: Root where it is
// self-signed, Link where a certificate of the bundle verifies it, else Listed. It returns how many
// there are of each.
func (b *Bundle) Import(m *MasterList, source string) (map[Kind]int, error) {
	count := map[Kind]int{}
	have := map[[32]byte]bool{}
	bySKI, byName := map[string][]*cms.Certificate{}, map[string][]*cms.Certificate{}
	index := func(c *cms.Certificate) {
		bySKI[string(c.SKI)] = append(bySKI[string(c.SKI)], c)
		byName[c.Subject.Canonical] = append(byName[c.Subject.Canonical], c)
	}
	for _, e := range b.Anchors {
		if c, err := cms.ParseCertificate(e.DER); err == nil {
			have[c.SHA256()] = true
			index(c)
		}
	}
	for _, c := range m.Certificates {
		index(c)
	}
	for _, c := range m.Certificates {
		if have[c.SHA256()] {
			continue
		}
		have[c.SHA256()] = true
		k := classify(c, bySKI, byName)
		count[k]++
		if len(b.Anchors) >= MaxAnchors {
			return count, fmt.Errorf("%w: anchors", ErrLimit)
		}
		b.Anchors = append(b.Anchors, Entry{Kind: k, Source: source, DER: slices.Clone(c.Raw)})
	}
	return count, nil
}

func classify(c *cms.Certificate, bySKI, byName map[string][]*cms.Certificate) Kind {
	if c.SelfIssued() {
		if _, err := c.CheckSignatureFrom(c); err == nil {
			return Root
		}
	}
	var candidates []*cms.Certificate
	if len(c.AKI) > 0 {
		candidates = append(candidates, bySKI[string(c.AKI)]...)
	}
	candidates = append(candidates, byName[c.Issuer.Canonical]...)
	tried := map[string]bool{}
	for _, p := range candidates {
		if tried[string(p.RawSPKI)] {
			continue
		}
		tried[string(p.RawSPKI)] = true
		if _, err := c.CheckSignatureFrom(p); err == nil {
			return Link
		}
	}
	return Listed
}
