package issue

import (
	"crypto"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/cms"
	"egate/emrtd/lds"
	"egate/emrtd/pa"
	"egate/emrtd/trust"
)

// Authority is a simulated issuing state: CSCA and one document signer.
type Authority struct {
	Country  string // three characters as in an MRZ, "UTO"
	Country2 string
	Now      time.Time

	csca, ds         *signer
	cscaCert, dsCert []byte
	revoked          []*big.Int
	docTypes         []string
}

// Life spans, in the middle of what Doc 9303-12 §4.2 recommends.
const (
	cscaAge   = 2 * 365 * 24 * time.Hour
	cscaLife  = 15 * 365 * 24 * time.Hour
	dsAge     = 60 * 24 * time.Hour
	dsLife    = 10*365*24*time.Hour + 90*24*time.Hour
	dsUse     = 90 * 24 * time.Hour
	signedAgo = 30 * 24 * time.Hour
	crlLife   = 90 * 24 * time.Hour
)

// NewAuthority makes a CSCA and a document signer with ECDSA keys on P-256. country is the code of
// the issuing state in the MRZ (three letters, "D" for Germany); times are relative to now.
func NewAuthority(country string, rnd io.Reader, now time.Time) (*Authority, error) {
	return NewAuthorityWith(country, ECDSAP256, rnd, now)
}

// NewAuthorityWith is NewAuthority with a choice of key.
func NewAuthorityWith(country string, kind KeyKind, rnd io.Reader, now time.Time) (*Authority, error) {
	country = (strings.ToUpper(country) + "<<<")[:3]
	two, err := country2(country)
	if err != nil {
		return nil, err
	}
	a := &Authority{Country: country, Country2: two, Now: now.UTC().Truncate(time.Second), docTypes: []string{"P"}}
	if a.csca, err = newSigner(kind, rnd); err != nil {
		return nil, err
	}
	if a.ds, err = newSigner(kind, rnd); err != nil {
		return nil, err
	}
	t := template{issuer: a.cscaName(), subject: a.cscaName(), from: a.Now.Add(-cscaAge), to: a.Now.Add(cscaLife), ca: true}
	if a.cscaCert, err = certificate(t, a.csca, a.csca); err != nil {
		return nil, err
	}
	from := a.Now.Add(-dsAge)
	return a, a.issueDS(from, from.Add(dsLife), from.Add(dsUse))
}

func country2(country string) (string, error) {
	two, ok := pa.Alpha2(country)
	if !ok {
		return "", fmt.Errorf("%w: country %q is no issuing state; use a three-letter code such as UTO", ErrProfile, country)
	}
	return two, nil
}

func (a *Authority) cscaName() []byte {
	return name(a.Country2, "CSCA", Mark+" CSCA "+strings.TrimRight(a.Country, "<"))
}

func (a *Authority) issueDS(from, to, useTo time.Time) error {
	t := template{
		issuer: a.cscaName(), subject: name(a.Country2, "Document Signer", Mark+" Document Signer "+strings.TrimRight(a.Country, "<")),
		from: from, to: to, useTo: useTo, docTypes: a.docTypes,
	}
	var err error
	a.dsCert, err = certificate(t, a.ds, a.csca)
	return err
}

// Rollover gives the authority a new CSCA key under the same name and a new document signer below it. It
// returns the link certificate: the new key signed with the old one (Doc 9303-12 §7.1.2).
func (a *Authority) Rollover(kind KeyKind) (link []byte, err error) {
	old := a.csca
	if a.csca, err = newSigner(kind, rand.Reader); err != nil {
		return nil, err
	}
	if a.ds, err = newSigner(kind, rand.Reader); err != nil {
		return nil, err
	}
	from := a.Now.Add(-dsAge)
	t := template{issuer: a.cscaName(), subject: a.cscaName(), from: from, to: a.Now.Add(cscaLife), ca: true}
	if a.cscaCert, err = certificate(t, a.csca, a.csca); err != nil {
		return nil, err
	}
	if link, err = certificate(t, a.csca, old); err != nil {
		return nil, err
	}
	return link, a.issueDS(from, from.Add(dsLife), from.Add(dsUse))
}

// ReissueDS gives the document signer another certificate with these dates.
func (a *Authority) ReissueDS(from, to time.Time) error { return a.issueDS(from, to, to) }

// SetDocTypes gives the document signer a certificate with another list of document types.
func (a *Authority) SetDocTypes(codes ...string) error {
	a.docTypes = codes
	from := a.Now.Add(-dsAge)
	return a.issueDS(from, from.Add(dsLife), from.Add(dsUse))
}

// CSCAWithoutFlag returns another certificate of the CSCA key that lacks basic constraints, as some
// issued ones do.
func (a *Authority) CSCAWithoutFlag() ([]byte, error) {
	t := template{issuer: a.cscaName(), subject: a.cscaName(), from: a.Now.Add(-cscaAge), to: a.Now.Add(cscaLife), ca: true, noBasic: true}
	return certificate(t, a.csca, a.csca)
}

// CSCA returns the CSCA certificate, DS that of the document signer.
func (a *Authority) CSCA() []byte { return a.cscaCert }

// DS returns the document signer's certificate.
func (a *Authority) DS() []byte { return a.dsCert }

// Anchors returns what a trust bundle needs to know this authority by.
func (a *Authority) Anchors() []trust.Entry {
	return []trust.Entry{{Kind: trust.Root, Source: "simulated issuer " + a.Country, DER: a.cscaCert}}
}

// Revoke puts the document signer on the next revocation list.
func (a *Authority) Revoke() error {
	c, err := cms.ParseCertificate(a.dsCert)
	if err != nil {
		return err
	}
	a.revoked = append(a.revoked, c.Serial)
	return nil
}

// CRL signs a revocation list dated at.
func (a *Authority) CRL(at time.Time) ([]byte, error) {
	return crl(a.cscaName(), a.csca, at, at.Add(crlLife), at.Unix(), a.revoked)
}

// Bundle makes an unsigned trust bundle of the given authorities with fresh revocation lists, valid for
// a week, marked as simulation.
func Bundle(site string, version uint64, now time.Time, authorities ...*Authority) (*trust.Bundle, error) {
	b := &trust.Bundle{Type: trust.BundleType, Site: site, Version: version, Created: now, Expires: now.Add(trust.DefaultCRLStop), Simulation: true}
	for _, a := range authorities {
		b.Anchors = append(b.Anchors, a.Anchors()...)
		l, err := a.CRL(now)
		if err != nil {
			return nil, err
		}
		if err := b.AddCRL(l, "simulated issuer "+a.Country, now); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// SignSOD makes EF.SOD over raw data groups.
func (a *Authority) SignSOD(groups map[int][]byte, at time.Time) ([]byte, error) {
	o := lds.SecurityObject{Hash: crypto.SHA256, Groups: map[int][]byte{}}
	for n, g := range groups {
		h := o.Hash.New()
		h.Write(g)
		o.Groups[n] = h.Sum(nil)
	}
	content, err := o.Encode()
	if err != nil {
		return nil, err
	}
	sd, err := signedData(lds.OIDLDSSecurity, content, a.ds, [][]byte{a.dsCert}, a.dsCert, at)
	if err != nil {
		return nil, err
	}
	return lds.BuildSOD(sd), nil
}

// MasterList signs a CSCA master list (ICAO Doc 9303-12 §9) with a signer of its own under this CSCA.
func (a *Authority) MasterList(certs [][]byte, at time.Time) ([]byte, error) {
	return a.list(lds.OIDMasterList, cms.EKUMasterList, "Master List Signer", ber.Encode(ber.Sequence, ber.EncodeInt(0), ber.EncodeSet(certs...)), at)
}

// DeviationList signs a deviation list (ICAO Doc 9303-12 §10) of encoded deviations with a signer of its own
// under this CSCA.
func (a *Authority) DeviationList(deviations [][]byte, at time.Time) ([]byte, error) {
	return a.list(trust.OIDDeviationList, cms.EKUDeviationList, "Deviation List Signer", ber.Encode(ber.Sequence, ber.EncodeInt(0), ber.EncodeSet(deviations...)), at)
}

func (a *Authority) list(contentType, eku, unit string, content []byte, at time.Time) ([]byte, error) {
	s, err := newSigner(a.csca.kind, nil)
	if err != nil {
		return nil, err
	}
	t := template{
		issuer: a.cscaName(), subject: name(a.Country2, unit, Mark+" "+unit),
		from: at.Add(-dsAge), to: at.Add(cscaLife), eku: eku,
	}
	cert, err := certificate(t, s, a.csca)
	if err != nil {
		return nil, err
	}
	return signedData(contentType, content, s, [][]byte{cert, a.cscaCert}, cert, at)
}

// SignSODAsCSCA makes EF.SOD with the CSCA's own key and certificate, which Doc 9303-12 forbids.
func (a *Authority) SignSODAsCSCA(groups map[int][]byte, at time.Time) ([]byte, error) {
	wrong := *a
	wrong.ds, wrong.dsCert = a.csca, a.cscaCert
	return wrong.SignSOD(groups, at)
}

// MasterListByDS signs a master list with the document signer, which lacks the extended key usage.
func (a *Authority) MasterListByDS(certs [][]byte, at time.Time) ([]byte, error) {
	content := ber.Encode(ber.Sequence, ber.EncodeInt(0), ber.EncodeSet(certs...))
	return signedData(lds.OIDMasterList, content, a.ds, [][]byte{a.dsCert}, a.dsCert, at)
}
