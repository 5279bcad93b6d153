package trust

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"egate/emrtd/cms"
	"egate/verdict"
)

// Anchor is one CSCA certificate of the store.
type Anchor struct {
	Cert   *cms.Certificate
	Kind   Kind
	Source string
	Test   bool // of specimens
}

// Info describes a store to people and events; it holds no personal data.
type Info struct {
	Site       string
	Version    uint64
	Created    time.Time
	Expires    time.Time
	Hash       [32]byte
	Simulation bool
	Anchors    int
	Refused    int // certificates that did not parse
	Countries  int
	CRLs       int
	OldestCRL  time.Time // fetch time of the oldest list, zero where there is none
}

// Age is how old the bundle is.
func (i Info) Age(now time.Time) time.Duration { return now.Sub(i.Created) }

// Store answers who issued a document signer and whether it was revoked. It is safe for use by
// several goroutines.
type Store struct {
	info         Info
	acceptListed bool
	anchors      []*Anchor
	bySKI        map[string][]*Anchor
	byName       map[string][]*Anchor
	crls         map[string][]crl
	signers      func() []*cms.Certificate
	deviations   []Deviation
}

type crl struct {
	list    *cms.CRL
	fetched time.Time
}

// Store indexes the bundle. A certificate that does not parse is counted, the rest kept.
func (b *Bundle) Store() (*Store, error) {
	if err := b.valid(); err != nil {
		return nil, err
	}
	s := &Store{
		info:  Info{Site: b.Site, Version: b.Version, Created: b.Created, Expires: b.Expires, Simulation: b.Simulation},
		bySKI: map[string][]*Anchor{}, byName: map[string][]*Anchor{}, crls: map[string][]crl{},
		acceptListed: b.AcceptListed, deviations: slices.Clone(b.Deviations),
	}
	s.signers = sync.OnceValue(func() (all []*cms.Certificate) { // parsed when a document asks for one: few do
		for _, e := range b.Signers {
			if c, err := cms.ParseCertificate(e.DER); err == nil {
				all = append(all, c)
			}
		}
		return all
	})
	countries := map[string]bool{}
	for _, e := range b.Anchors {
		c, err := cms.ParseCertificate(e.DER)
		if err != nil {
			s.info.Refused++
			continue
		}
		a := &Anchor{Cert: c, Kind: e.Kind, Source: e.Source, Test: e.Test}
		s.anchors = append(s.anchors, a)
		if len(c.SKI) > 0 {
			s.bySKI[string(c.SKI)] = append(s.bySKI[string(c.SKI)], a)
		}
		s.byName[c.Subject.Canonical] = append(s.byName[c.Subject.Canonical], a)
		countries[c.Subject.Country] = true
	}
	for _, e := range b.CRLs {
		l, err := cms.ParseCRL(e.DER)
		if err != nil {
			s.info.Refused++
			continue
		}
		s.crls[l.Issuer.Canonical] = append(s.crls[l.Issuer.Canonical], crl{l, e.Fetched})
		s.info.CRLs++
		if s.info.OldestCRL.IsZero() || e.Fetched.Before(s.info.OldestCRL) {
			s.info.OldestCRL = e.Fetched
		}
	}
	s.info.Anchors, s.info.Countries = len(s.anchors), len(countries)
	return s, nil
}

// Info describes the store.
func (s *Store) Info() Info { return s.info }

// Signers lists the document signers that the bundle keeps for documents that carry none. Being here proves
// nothing of a certificate.
func (s *Store) Signers() []*cms.Certificate { return s.signers() }

// Anchors lists the certificates, for display.
func (s *Store) Anchors() []*Anchor { return slices.Clone(s.anchors) }

// Path is a verified chain from a document signer's issuer up to an anchor.
type Path struct {
	// Certs are the CSCA certificates used, the issuer of the document signer first.
	Certs      []*cms.Certificate
	Test       bool // one of them is of specimens
	Deviations []string
}

// Issuer is the CSCA certificate that issued the document signer.
func (p *Path) Issuer() *cms.Certificate { return p.Certs[0] }

// Find builds and verifies the path of a document signer (ICAO Doc 9303-12 §8): by key identifier or
// issuer name to a CSCA certificate, over link certificates to an anchor. ErrNoAnchor, ErrChain and
// ErrUnsupported tell the ways in which there is none apart.
func (s *Store) Find(ds *cms.Certificate, now time.Time) (*Path, error) {
	return s.find(ds, now, 0)
}

func (s *Store) find(c *cms.Certificate, now time.Time, depth int) (*Path, error) {
	if depth >= MaxPath {
		return nil, fmt.Errorf("%w: path too long", ErrNoAnchor)
	}
	var candidates []*Anchor
	if len(c.AKI) > 0 {
		candidates = append(candidates, s.bySKI[string(c.AKI)]...)
	}
	claimed := len(candidates) > 0
	for _, a := range s.byName[c.Issuer.Canonical] {
		if !slices.Contains(candidates, a) {
			candidates = append(candidates, a)
		}
	}
	// Roots first: the shortest path, and the one that needs no deviation; those of specimens last.
	slices.SortStableFunc(candidates, func(a, b *Anchor) int { return rank(a) - rank(b) })
	result := ErrNoAnchor
	tried := map[string]bool{}
	for _, a := range candidates {
		if bytes.Equal(a.Cert.Raw, c.Raw) {
			continue
		}
		// Several certificates of one key (link and self-signed) need one verification only where it
		// fails.
		key := string(a.Cert.RawSPKI)
		if tried[key] {
			continue
		}
		dev, err := c.CheckSignatureFrom(a.Cert)
		if err != nil {
			tried[key] = true
			switch {
			case errors.Is(err, cms.ErrUnsupported):
				if result == ErrNoAnchor {
					result = ErrUnsupported
				}
			case claimed && len(c.AKI) > 0 && bytes.Equal(a.Cert.SKI, c.AKI):
				// The certificate names this very key, and the key did not sign it.
				result = ErrChain
			}
			continue
		}
		if !mayIssue(a.Cert) {
			// A root is trusted because a verified list names it as CSCA. Issued ones lack the flag, which
			// then is a deviation; without the key usage it is no issuer of anything.
			if a.Kind != Root || a.Cert.KeyUsage&cms.KeyUsageCertSign == 0 || len(a.Cert.UnknownCritical) > 0 {
				result = ErrChain
				continue
			}
			dev = append(dev, DevCSCANotCA)
		}
		if c.Issuer.Canonical != a.Cert.Subject.Canonical {
			dev = append(dev, DevNameSpelling)
		}
		switch {
		case len(c.AKI) == 0 && c.Version >= 3:
			dev = append(dev, DevNoAuthorityKey) // Doc 9303-12 §7.1 demands it of document signers and links
		case len(c.AKI) > 0 && len(a.Cert.SKI) > 0 && !bytes.Equal(c.AKI, a.Cert.SKI):
			dev = append(dev, DevAuthorityKey)
		}
		if !a.Cert.HasKeyUsage {
			dev = append(dev, DevCSCAKeyUsage)
		}
		if c.NotBefore.After(a.Cert.NotAfter) {
			// A key past its end issues nothing. Another certificate of the same key may reach further.
			result = ErrChain
			continue
		}
		if c.NotBefore.Before(a.Cert.NotBefore) {
			dev = append(dev, DevDSBeforeCSCA)
		}
		if now.After(a.Cert.NotAfter) {
			dev = append(dev, DevCSCAExpired)
		}
		dev = append(dev, a.Cert.Deviations...)
		p := &Path{Certs: []*cms.Certificate{a.Cert}, Test: a.Test}
		switch {
		case a.Kind == Root:
		case a.Kind == Listed && s.acceptListed:
			dev = append(dev, DevListedOnly)
		default:
			up, err := s.find(a.Cert, now, depth+1)
			if err != nil {
				if s.acceptListed {
					dev = append(dev, DevListedOnly)
					break
				}
				continue
			}
			p.Certs = append(p.Certs, up.Certs...)
			p.Test = p.Test || up.Test
			dev = append(dev, DevLinkPath)
			dev = append(dev, up.Deviations...)
		}
		if p.Test {
			dev = append(dev, DevTestCSCA)
		}
		p.Deviations = cms.MergeDeviations(dev)
		return p, nil
	}
	return nil, result
}

func rank(a *Anchor) int {
	switch {
	case a.Test:
		return 3
	case a.Kind == Root:
		return 0
	case a.Kind == Link:
		return 1
	}
	return 2
}

// mayIssue tells whether a certificate is a CA that may sign certificates (ICAO Doc 9303-12 §7.1).
func mayIssue(c *cms.Certificate) bool {
	if c.Version >= 3 && (!c.IsCA || len(c.UnknownCritical) > 0) {
		return false
	}
	return !c.HasKeyUsage || c.KeyUsage&cms.KeyUsageCertSign != 0
}

// Revocation is what the revocation lists say about a certificate.
type Revocation uint8

// Results of a revocation check.
const (
	RevocationUnknown Revocation = iota // no usable list of the issuer
	RevocationStale                     // the list is too old to prove anything
	RevocationGood
	Revoked
)

// RevocationPolicy bounds the age of a list since it was fetched.
type RevocationPolicy struct {
	Warn, Stop time.Duration // zero takes DefaultCRLWarn and DefaultCRLStop
}

func (p RevocationPolicy) withDefaults() RevocationPolicy {
	if p.Warn == 0 {
		p.Warn = DefaultCRLWarn
	}
	if p.Stop == 0 {
		p.Stop = DefaultCRLStop
	}
	return p
}

// state judges the age of a list: since it was fetched, and by its own dates.
func (l crl) state(now time.Time, pol RevocationPolicy) (state Revocation, warn bool) {
	age := now.Sub(l.fetched)
	if age > pol.Stop || now.Before(l.list.ThisUpdate.Add(-maxSkew)) || !l.list.NextUpdate.IsZero() && now.After(l.list.NextUpdate) {
		return RevocationStale, false
	}
	return RevocationGood, age > pol.Warn
}

// Check looks a certificate up in the verified lists of its issuer. A listed serial counts however old
// the list is: revocation is not taken back.
func (s *Store) Check(c *cms.Certificate, p *Path, now time.Time, pol RevocationPolicy) (Revocation, []string) {
	pol = pol.withDefaults()
	names := []string{c.Issuer.Canonical}
	if p != nil && p.Issuer().Subject.Canonical != names[0] {
		names = append(names, p.Issuer().Subject.Canonical)
	}
	result := RevocationUnknown
	var dev []string
	for _, n := range names {
		for _, l := range s.crls[n] {
			if len(l.list.Critical) > 0 || !s.signedByAnchor(l.list, now, p != nil && p.Test) {
				continue
			}
			if at, yes := l.list.Revoked(c.Serial); yes && !at.After(now) {
				return Revoked, nil
			}
			state, warn := l.state(now, pol)
			if state != RevocationGood {
				result = max(result, state)
				continue
			}
			if result != RevocationGood {
				dev = nil
				if warn {
					dev = []string{DevCRLAge}
				}
			}
			result = RevocationGood
		}
	}
	return result, dev
}

// signedByAnchor tells whether a list verifies with a trusted CSCA key of its issuer's name. The
// current key signs for all earlier ones (ICAO Doc 9303-12 §7.1.4). A CSCA of specimens speaks of specimens alone.
func (s *Store) signedByAnchor(l *cms.CRL, now time.Time, test bool) bool {
	for _, a := range s.byName[l.Issuer.Canonical] {
		if a.Test != test {
			continue
		}
		if len(l.AKI) > 0 && len(a.Cert.SKI) > 0 && !bytes.Equal(l.AKI, a.Cert.SKI) {
			continue
		}
		if a.Cert.HasKeyUsage && a.Cert.KeyUsage&cms.KeyUsageCRLSign == 0 {
			continue
		}
		if _, err := l.CheckSignatureFrom(a.Cert); err != nil {
			continue
		}
		if a.Kind == Root || s.acceptListed {
			return true
		}
		if up, err := s.find(a.Cert, now, 1); err == nil && (test || !up.Test) {
			return true
		}
	}
	return false
}

// Excuse returns the id of a known deviation that covers a failed check of a document signer. signed is the
// time of signing, zero where the document names none.
func (s *Store) Excuse(check verdict.CheckID, reason verdict.Reason, ds *cms.Certificate, signed, now time.Time) (string, bool) {
	for _, d := range s.deviations {
		if d.Check == check && d.Reason == reason && !now.After(d.Expires) && d.means(ds, signed) {
			return d.ID, true
		}
	}
	return "", false
}

// means tells whether an entry is about documents of this signer, signed then. Every condition that it names
// must hold.
func (d Deviation) means(ds *cms.Certificate, signed time.Time) bool {
	outside := func(t, from, to time.Time) bool {
		return !from.IsZero() && t.Before(from) || !to.IsZero() && t.After(to)
	}
	bySigned := !d.SignedFrom.IsZero() || !d.SignedTo.IsZero()
	switch {
	case d.Country != ds.Subject.Country, outside(ds.NotBefore, d.DSIssuedFrom, d.DSIssuedTo):
		return false
	case bySigned && (signed.IsZero() || outside(signed, d.SignedFrom, d.SignedTo)):
		return false
	case d.DSSerial != "" && (d.DSSerial != ds.Serial.Text(16) || d.DSIssuer != "" && d.DSIssuer != ds.Issuer.Canonical):
		return false
	case d.DSKeyID != "" && d.DSKeyID != hex.EncodeToString(ds.SKI):
		return false
	}
	return true
}
