package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/cms"
)

// Kinds of input that an Importer tells apart by content.
const (
	InputMasterList  = "master list"
	InputCertificate = "certificate"
	InputCRL         = "revocation list"
	InputLDIF        = "ldif export"
	InputDeviations  = "known deviations"
	InputPublished   = "deviation list"
)

// Errors of an import.
var (
	// ErrInput says that a file is of no kind that a bundle is made of.
	ErrInput = errors.New("trust: neither master list, certificate, revocation list, ldif nor known deviations")
	// ErrNotCSCA refuses a certificate that may not issue document signers.
	ErrNotCSCA = errors.New("trust: certificate is not one of a csca")
	// ErrTestCSCA refuses a certificate that is in the bundle already, for documents of the other kind.
	ErrTestCSCA = errors.New("trust: a csca is one of specimens or one of travellers' documents, not both")
	// ErrTestOnly refuses what is no single certificate as a csca of specimens.
	ErrTestOnly = errors.New("trust: a csca of specimens is given as a certificate of its own")
	// ErrCRLUnverified refuses a revocation list that no trusted key of the bundle has signed.
	ErrCRLUnverified = errors.New("trust: revocation list verifies with no anchor of the bundle")
	// ErrCRLOlder refuses a revocation list that is older than the one held.
	ErrCRLOlder = errors.New("trust: revocation list is older than the one held")
)

// Importer takes what publishers hand out into a bundle, verifying each on the way in: master lists up
// to a pinned root, revocation lists with a trusted key of the bundle. Its bundle must have site, version
// and dates before Finish.
type Importer struct {
	Bundle *Bundle
	// Roots are the pinned roots of master lists.
	Roots []*cms.Certificate
	// TrustCSCAs takes the CSCA certificates of an LDIF export for anchors; without it they are counted
	// and left.
	TrustCSCAs bool
	// DeviationLife takes the entries of a state's deviation list that can excuse a check (see Excuses), for so
	// long; zero takes none: what a state publishes is for the site to weigh.
	DeviationLife time.Duration
	// SignersOf are countries, two letters each, whose document signers are kept from an LDIF export where they
	// chain to an anchor: some states have issued documents whose SOD carries no certificate.
	SignersOf []string
	// Test takes single CSCA certificates as those of specimens, and nothing else (P-14).
	Test bool
	Now  time.Time

	lists   []queued
	signers []queued
}

type queued struct {
	der     []byte
	source  string
	fetched time.Time
	from    *Imported
	single  bool // given as a file of its own: a refusal is an error
}

// Imported says what became of one input.
type Imported struct {
	Source, Kind string
	Signer       string    // of a master list
	Signed       time.Time // of a master list, zero where it names no time
	Anchors      map[Kind]int
	CRLs         int // taken; known after Finish
	Signers      int // document signers taken; known after Finish
	Deviations   int
	Refused      int // certificates and lists that do not parse or verify
	Left         int // document signers, and CSCA certificates that nobody vouches for
	Notes        []string
}

// Add takes one file. source is for people; fetched is when it came from its publisher. Lists of
// revocations are kept until Finish, when every anchor is known.
func (i *Importer) Add(source string, data []byte, fetched time.Time) (*Imported, error) {
	out := &Imported{Source: source, Anchors: map[Kind]int{}}
	if err := i.add(out, data, fetched, true); err != nil {
		return out, fmt.Errorf("%s: %w", source, err)
	}
	return out, nil
}

func (i *Importer) add(out *Imported, data []byte, fetched time.Time, single bool) error {
	trimmed := bytes.TrimLeft(data, " \t\r\n\xef\xbb\xbf")
	switch {
	case len(trimmed) > 0 && trimmed[0] == '{':
		return i.deviations(out, trimmed)
	case bytes.HasPrefix(trimmed, []byte("-----BEGIN ")):
		n := 0
		for {
			var block *pem.Block
			if block, trimmed = pem.Decode(trimmed); block == nil {
				break
			}
			n++
			if err := i.der(out, block.Bytes, fetched, single); err != nil {
				return err
			}
		}
		if n == 0 {
			return ErrInput
		}
		return nil
	case looksLikeLDIF(trimmed):
		return i.ldif(out, data, fetched)
	}
	return i.der(out, data, fetched, single)
}

// looksLikeLDIF: an export begins with a version, a comment or an entry.
func looksLikeLDIF(b []byte) bool {
	for _, p := range []string{"dn:", "version:", "#"} {
		if len(b) >= len(p) && bytes.EqualFold(b[:len(p)], []byte(p)) {
			return true
		}
	}
	return false
}

// der tells DER structures apart by their shape: a ContentInfo begins with an object identifier, a
// certificate's first element has a version in [0] or a serial before an algorithm and a name with a
// validity behind it, a revocation list has a time there.
func (i *Importer) der(out *Imported, data []byte, fetched time.Time, single bool) error {
	e, _, err := ber.Parse(data)
	if err != nil || !e.Is(ber.Sequence) {
		return ErrInput
	}
	k, err := e.Children()
	if err != nil || len(k) == 0 {
		return ErrInput
	}
	if _, err := k[0].OIDString(); err == nil {
		if sd, err := cms.Parse(data); err == nil && sd.ContentType == OIDDeviationList {
			return i.published(out, data)
		}
		return i.masterList(out, data)
	}
	if c, err := cms.ParseCertificate(data); err == nil {
		return i.certificate(out, c)
	}
	if _, err := cms.ParseCRL(data); err == nil {
		out.Kind = InputCRL
		i.lists = append(i.lists, queued{data, out.Source, fetched, out, single})
		return nil
	}
	return ErrInput
}

func (i *Importer) masterList(out *Imported, data []byte) error {
	if i.Test {
		return ErrTestOnly
	}
	out.Kind = InputMasterList
	m, err := ParseMasterList(data, i.Roots...)
	if err != nil {
		return err
	}
	if m.Signed.After(i.Now.Add(24 * time.Hour)) {
		return fmt.Errorf("%w: signed in the future", ErrMasterList)
	}
	out.Signer, out.Signed = Describe(m.Signer), m.Signed
	out.Refused += len(m.Refused)
	for _, d := range m.Deviations {
		out.Notes = append(out.Notes, "tolerated: "+d)
	}
	n, err := i.Bundle.Import(m, out.Source)
	for k, v := range n {
		out.Anchors[k] += v
	}
	return err
}

// published takes a deviation list of a state. Its root may be any root of the bundle: the list says nothing
// about other states, and its entries count for the signer's own country alone.
func (i *Importer) published(out *Imported, data []byte) error {
	out.Kind = InputPublished
	roots := slices.Clone(i.Roots)
	for _, a := range i.Bundle.Anchors {
		if c, err := cms.ParseCertificate(a.DER); err == nil && a.Kind == Root {
			roots = append(roots, c)
		}
	}
	l, err := ParseDeviationList(data, roots...)
	if err != nil {
		return err
	}
	if l.Signed.After(i.Now.Add(24 * time.Hour)) {
		return fmt.Errorf("%w: signed in the future", ErrDeviationList)
	}
	country := l.Signer.Subject.Country
	out.Signer, out.Signed = Describe(l.Signer), l.Signed
	for _, d := range l.Deviations {
		out.Notes = append(out.Notes, "tolerated: "+d)
	}
	for _, d := range l.Entries {
		e, ok := d.entry(country, i.Now.Add(i.DeviationLife).UTC().Truncate(time.Second))
		note := fmt.Sprintf("%s: %s %q", country, d.Name(), d.Text)
		switch {
		case !ok:
			out.Left++
			note += ": excuses nothing here"
		case i.DeviationLife <= 0:
			out.Left++
			note += fmt.Sprintf(": could excuse %s, not taken", e.Check)
		case e.valid() != nil:
			out.Refused++
		default:
			note += fmt.Sprintf(": excuses %s until %s", e.Check, e.Expires.Format(time.DateOnly))
			i.Bundle.setDeviation(e)
			out.Deviations++
		}
		out.Notes = append(out.Notes, note)
	}
	return nil
}

// setDeviation replaces the entry of the same id, or adds it.
func (b *Bundle) setDeviation(x Deviation) {
	if at := slices.IndexFunc(b.Deviations, func(d Deviation) bool { return d.ID == x.ID }); at >= 0 {
		b.Deviations[at] = x
		return
	}
	b.Deviations = append(b.Deviations, x)
}

func (i *Importer) certificate(out *Imported, c *cms.Certificate) error {
	out.Kind = InputCertificate
	if !mayIssue(c) {
		return ErrNotCSCA
	}
	before := len(i.Bundle.Anchors)
	k, err := i.Bundle.AddAnchor(c.Raw, out.Source)
	if err != nil {
		return err
	}
	out.Notes = append(out.Notes, Describe(c))
	switch {
	case len(i.Bundle.Anchors) > before:
		i.Bundle.Anchors[before].Test = i.Test
		out.Anchors[k]++
	case i.Test != i.Bundle.test(c.Raw):
		return ErrTestCSCA
	}
	return nil
}

// test tells whether an anchor of the bundle is one of specimens.
func (b *Bundle) test(der []byte) bool {
	return slices.ContainsFunc(b.Anchors, func(e Entry) bool { return e.Test && bytes.Equal(e.DER, der) })
}

func (i *Importer) ldif(out *Imported, data []byte, fetched time.Time) error {
	if i.Test {
		return ErrTestOnly
	}
	out.Kind = InputLDIF
	l, err := ParseLDIF(data)
	if err != nil {
		return err
	}
	if len(i.SignersOf) == 0 {
		out.Left += len(l.Certificates)
	} else {
		for _, d := range l.Certificates {
			i.signers = append(i.signers, queued{der: d, source: out.Source, from: out})
		}
	}
	for _, m := range l.MasterLists {
		// Each list of an export stands or falls by itself: an export holds those of many states.
		part := &Imported{Source: out.Source, Anchors: out.Anchors}
		if err := i.masterList(part, m); err != nil {
			if errors.Is(err, ErrLimit) {
				return err
			}
			out.Refused++
			out.Notes = append(out.Notes, "master list refused: "+err.Error())
			continue
		}
		out.Refused += part.Refused
		out.Notes = append(out.Notes, fmt.Sprintf("master list of %s, signed %s", part.Signer, part.Signed.Format(time.DateOnly)))
	}
	for _, d := range l.CSCAs {
		c, err := cms.ParseCertificate(d)
		switch {
		case err != nil || !mayIssue(c):
			out.Refused++
		case !i.TrustCSCAs:
			out.Left++
		default:
			before := len(i.Bundle.Anchors)
			k, err := i.Bundle.AddAnchor(d, out.Source)
			if err != nil {
				return err
			}
			if len(i.Bundle.Anchors) > before {
				out.Anchors[k]++
			}
		}
	}
	for _, d := range l.CRLs {
		i.lists = append(i.lists, queued{d, out.Source, fetched, out, false})
	}
	return nil
}

// deviationFile is how a site writes its known deviations (C-06).
type deviationFile struct {
	Deviations []Deviation `json:"deviations"`
}

// deviations replaces entries of the same id and adds the others.
func (i *Importer) deviations(out *Imported, data []byte) error {
	out.Kind = InputDeviations
	var f deviationFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	if _, err := d.Token(); err != io.EOF || len(f.Deviations) == 0 {
		return ErrInput
	}
	for _, x := range f.Deviations {
		if err := x.valid(); err != nil {
			return err
		}
		if i.Now.After(x.Expires) {
			return fmt.Errorf("%w: deviation %q has expired", ErrFormat, x.ID)
		}
		i.Bundle.setDeviation(x)
		out.Deviations++
	}
	return nil
}

// Finish verifies the revocation lists with the anchors of the whole bundle and takes those that are
// newer than what the bundle holds of the same key, and the document signers that chain to an anchor.
func (i *Importer) Finish() error {
	if len(i.lists)+len(i.signers) == 0 {
		return nil
	}
	s, err := i.Bundle.Store()
	if err != nil {
		return err
	}
	for _, q := range i.lists {
		err := i.Bundle.replaceCRL(s, q, i.Now)
		switch {
		case err == nil:
			q.from.CRLs++
		case errors.Is(err, ErrLimit), q.single:
			return fmt.Errorf("%s: %w", q.source, err)
		default:
			q.from.Refused++
		}
	}
	i.lists = nil
	return i.keepSigners(s)
}

func (i *Importer) keepSigners(s *Store) error {
	have := map[[sha256.Size]byte]bool{}
	for _, e := range i.Bundle.Signers {
		have[sha256.Sum256(e.DER)] = true
	}
	for _, q := range i.signers {
		c, err := cms.ParseCertificate(q.der)
		if err != nil {
			q.from.Refused++
			continue
		}
		if !slices.ContainsFunc(i.SignersOf, func(s string) bool { return strings.EqualFold(s, c.Subject.Country) }) {
			q.from.Left++
			continue
		}
		if _, err := s.Find(c, i.Now); err != nil || c.IsCA {
			q.from.Refused++
			continue
		}
		if have[c.SHA256()] {
			continue
		}
		if len(i.Bundle.Signers) >= MaxSigners {
			return fmt.Errorf("%s: %w: more than %d document signers: name fewer countries", q.source, ErrLimit, MaxSigners)
		}
		have[c.SHA256()] = true
		i.Bundle.Signers = append(i.Bundle.Signers, SignerEntry{q.source, c.Raw})
		q.from.Signers++
	}
	i.signers = nil
	return nil
}

func (b *Bundle) replaceCRL(s *Store, q queued, now time.Time) error {
	l, err := cms.ParseCRL(q.der)
	if err != nil {
		return err
	}
	real := s.signedByAnchor(l, now, false)
	if len(l.Critical) > 0 || !real && !s.signedByAnchor(l, now, true) {
		return ErrCRLUnverified
	}
	for at := range b.CRLs {
		have, err := cms.ParseCRL(b.CRLs[at].DER)
		if err != nil || have.Issuer.Canonical != l.Issuer.Canonical || !bytes.Equal(have.AKI, l.AKI) || s.signedByAnchor(have, now, false) != real {
			continue
		}
		switch {
		case bytes.Equal(have.Raw, l.Raw):
			if q.fetched.After(b.CRLs[at].Fetched) {
				b.CRLs[at].Fetched, b.CRLs[at].Source = q.fetched, q.source
			}
			return nil
		case l.ThisUpdate.Before(have.ThisUpdate):
			return ErrCRLOlder
		}
		b.CRLs[at] = CRLEntry{Source: q.source, Fetched: q.fetched, DER: slices.Clone(l.Raw)}
		return nil
	}
	return b.AddCRL(slices.Clone(l.Raw), q.source, q.fetched)
}

// IssuerState is how far the revocation of one issuer's document signers can be told.
type IssuerState struct {
	Country, Name string
	Fetched       time.Time // of the best list, zero where there is none
	NextUpdate    time.Time
	State         Revocation // RevocationUnknown (no list), RevocationStale or RevocationGood
	Warn          bool       // older than the policy's warning
}

// CRLStates judges the revocation lists of every issuer name that has an anchor (C-07), sorted by country.
func (s *Store) CRLStates(now time.Time, pol RevocationPolicy) []IssuerState {
	pol = pol.withDefaults()
	var out []IssuerState
	for n, as := range s.byName {
		st := IssuerState{Country: as[0].Cert.Subject.Country, Name: as[0].Cert.Subject.Common}
		test := !slices.ContainsFunc(as, func(a *Anchor) bool { return !a.Test })
		for _, l := range s.crls[n] {
			if len(l.list.Critical) > 0 || !s.signedByAnchor(l.list, now, test) {
				continue
			}
			state, warn := l.state(now, pol)
			if state > st.State || state == st.State && l.fetched.After(st.Fetched) {
				st.State, st.Warn, st.Fetched, st.NextUpdate = state, warn, l.fetched, l.list.NextUpdate
			}
		}
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b IssuerState) int {
		return bytes.Compare([]byte(a.Country+"\x00"+a.Name), []byte(b.Country+"\x00"+b.Name))
	})
	return out
}

// Trusted tells whether an anchor can end a path: a root, a link with a path to a root, or a listed
// certificate where the bundle accepts those.
func (s *Store) Trusted(a *Anchor, now time.Time) bool {
	if a.Kind == Root || s.acceptListed {
		return true
	}
	_, err := s.find(a.Cert, now, 1)
	return err == nil
}

// Deviations lists the known deviations, for display.
func (s *Store) Deviations() []Deviation { return slices.Clone(s.deviations) }
