package trust

import (
	"errors"
	"fmt"
	"slices"

	"egate/emrtd/ber"
	"egate/emrtd/cms"
	"egate/emrtd/lds"
)

// MasterList is a verified CSCA master list (ICAO Doc 9303-12 §9).
type MasterList struct {
	Signer       *cms.Certificate
	Certificates []*cms.Certificate
	Refused      []error // one per certificate that did not parse
	Deviations   []string
}

// Errors of a master list.
var (
	ErrMasterList = errors.New("trust: master list refused")
)

// ParseMasterList verifies a master list up to a pinned root: the CMS signature, the signer's extended
// key usage, its path to root, and that all held when the list was signed. A list that fails is refused
// as a whole.
func ParseMasterList(data []byte, root *cms.Certificate) (*MasterList, error) {
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
	if len(sd.Signers) != 1 {
		return nil, fmt.Errorf("%w: %d signers", ErrMasterList, len(sd.Signers))
	}
	signer, dev, err := sd.SignerCertificate(0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterList, err)
	}
	d, err := sd.VerifySigner(0, signer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterList, err)
	}
	dev = append(dev, d...)
	if !slices.Contains(signer.EKU, cms.EKUMasterList) || len(signer.UnknownCritical) > 0 {
		return nil, fmt.Errorf("%w: signer may not sign master lists", ErrMasterList)
	}
	if at := sd.Signers[0].SigningTime; !at.IsZero() {
		for _, c := range []*cms.Certificate{signer, root} {
			if at.Before(c.NotBefore) || at.After(c.NotAfter) {
				return nil, fmt.Errorf("%w: signed outside the validity of its certificates", ErrMasterList)
			}
		}
	}
	if !mayIssue(root) {
		return nil, fmt.Errorf("%w: root may not issue certificates", ErrMasterList)
	}
	if _, err := signer.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("%w: signer was not issued by the pinned root: %w", ErrMasterList, err)
	}
	m := &MasterList{Signer: signer}
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
	m.Deviations = cms.MergeDeviations(dev)
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
