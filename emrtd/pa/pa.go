// Package pa is passive authentication (ICAO Doc 9303-11 §5.1): is what the chip holds what the issuer
// signed? It answers in single checks (C-02), each judged on its own, so that none hides another:
// a false signature does not keep the hashes from being compared, nor an unknown anchor the dates.
//
// What could not be judged, for want of an anchor, a fresh revocation list or a known algorithm, is
// "not possible" and never "failed" (C-05). Every tolerance is named in the check's deviations.
package pa

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"time"

	"egate/emrtd/cms"
	"egate/emrtd/lds"
	"egate/emrtd/trust"
	"egate/verdict"
)

// Named deviations of this package.
const (
	DevKeyUsagePeriod = "x509.signed_outside_private_key_usage_period"
	DevDSKeyUsage     = "x509.ds_key_usage_absent"
	// DevSignerNotCarried: the certificate of the signer came from the trust bundle; the SOD carries none.
	DevSignerNotCarried = "cms.signer_certificate_not_in_sod"
	DevCOMDiffers       = "lds.com_differs_from_sod"
	DevCountryAlpha3    = "x509.ds_country_alpha3"
	DevCountryCase      = "x509.ds_country_not_in_capitals"
	DevDSDocType        = "x509.document_type_not_in_ds_list"
	// DevKnown prefixes the id of an entry of the signed list of known deviations.
	DevKnown = "known:"
)

// Policy is what a site tolerates.
type Policy struct {
	// ForbidSHA1 turns signatures and group hashes by SHA-1 into "not possible".
	ForbidSHA1 bool
	Revocation trust.RevocationPolicy
}

// Input is what one-shot verification takes. DGs are the raw files by group number.
type Input struct {
	SOD    []byte
	DGs    map[int][]byte
	MRZ    []byte // as scanned, lines joined; nil where nothing was scanned
	COM    []byte // EF.COM where it was read; never decides anything
	Trust  *trust.Store
	Now    time.Time
	Policy Policy
}

// Result is the outcome. It holds no personal data.
type Result struct {
	Checks      []verdict.Check
	Country     string // two-letter country of the document signer
	Groups      []int  // groups that the SOD lists
	Mismatched  []int  // groups whose hash differs
	Extra       []int  // groups read that the SOD does not list
	Missing     []int  // groups listed and wanted that the chip did not give
	SigningTime time.Time
	// Deviations are all of those named in the checks, sorted.
	Deviations []string
}

// Check returns one check of the result.
func (r *Result) Check(id verdict.CheckID) verdict.Check {
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	return verdict.Check{ID: id}
}

// Verify runs passive authentication on files that are all at hand.
func Verify(in Input) Result {
	v := New(in.SOD, in.Trust, in.Now, in.Policy)
	return v.Finish(Groups{Files: in.DGs, MRZ: in.MRZ, COM: in.COM})
}

// Verifier is passive authentication in steps: the signature and its chain while the large file is
// still coming in, then the groups.
type Verifier struct {
	trust  *trust.Store
	now    time.Time
	policy Policy

	sd       *cms.SignedData
	sdErr    error
	object   *lds.SecurityObject
	ds       *cms.Certificate
	dsDev    []string
	dsErr    error
	once     sync.Once
	path     *trust.Path
	sodCheck verdict.Check
	checks   [4]verdict.Check // chain, at signing, today, revocation
}

// New parses EF.SOD. It does no public-key work and never fails: what is wrong with the file shows in
// the checks. The file must stay unchanged until Finish.
func New(sod []byte, store *trust.Store, now time.Time, p Policy) *Verifier {
	v := &Verifier{trust: store, now: now, policy: p}
	v.sdErr = v.parse(sod)
	return v
}

func (v *Verifier) parse(sod []byte) error {
	in, err := lds.ParseSOD(sod)
	if err != nil {
		return err
	}
	if v.sd, err = cms.Parse(in); err != nil {
		return err
	}
	v.ds, v.dsDev, v.dsErr = v.signer(0)
	v.object, err = lds.ParseSecurityObject(v.sd.Content)
	return err
}

// signer finds the certificate of a signer: in the SOD or, where that carries none, among those that the trust
// bundle keeps.
func (v *Verifier) signer(i int) (*cms.Certificate, []string, error) {
	c, dev, err := v.sd.SignerCertificate(i)
	if errors.Is(err, cms.ErrNoSigner) && v.trust != nil {
		if c = v.sd.Signers[i].Named(v.trust.Signers()); c != nil {
			return c, []string{DevSignerNotCarried}, nil
		}
	}
	return c, dev, err
}

// Lists tells whether the SOD lists a data group. It holds only as far as Authentic does.
func (v *Verifier) Lists(dg int) bool { return v.object != nil && v.object.Groups[dg] != nil }

// Groups returns the listed data groups, nil where the SOD does not parse.
func (v *Verifier) Groups() []int {
	if v.object == nil {
		return nil
	}
	return v.object.Numbers()
}

// IssuedYear is the year in which the document was signed or, where the SOD does not say, in which its signer's
// certificate began: the personalisation follows it by months. Zero where neither is known.
func (v *Verifier) IssuedYear() int {
	switch {
	case v.ds == nil:
		return 0
	case !v.sd.Signers[0].SigningTime.IsZero():
		return v.sd.Signers[0].SigningTime.Year()
	}
	return v.ds.NotBefore.Year()
}

// Hasher returns a hash to stream a group's raw file through; its sum goes into Groups.Sums. It is
// nil where the SOD does not parse.
func (v *Verifier) Hasher() hash.Hash {
	if v.object == nil {
		return nil
	}
	return v.object.Hash.New()
}

// Matches tells whether a raw file has the hash that the SOD lists for it.
func (v *Verifier) Matches(dg int, file []byte) bool {
	if !v.Lists(dg) {
		return false
	}
	h := v.object.Hash.New()
	h.Write(file)
	return bytes.Equal(h.Sum(nil), v.object.Groups[dg])
}

// Authenticate does the public-key work: SOD signature, path of the document signer, revocation. It
// may run in a goroutine of its own; it does its work once and later calls wait for it.
func (v *Verifier) Authenticate() {
	v.once.Do(func() {
		v.sodCheck = v.checkSOD()
		v.checks[0] = v.checkChain()
		v.checks[1] = v.checkAtSigning()
		v.checks[2] = v.checkToday()
		v.checks[3] = v.checkRevocation()
	})
}

// Authentic tells whether the SOD signature and its chain both passed: the condition for letting a
// decoder see a portrait whose hash matches.
func (v *Verifier) Authentic() bool {
	v.Authenticate()
	return v.sodCheck.Result == verdict.Pass && v.checks[0].Result == verdict.Pass
}

func check(id verdict.CheckID, r verdict.Result, reason verdict.Reason, dev ...string) verdict.Check {
	return verdict.Check{ID: id, Result: r, Reason: reason, Deviations: cms.MergeDeviations(dev)}
}

func (v *Verifier) checkSOD() verdict.Check {
	id := verdict.CheckSODSignature
	if v.sd == nil || v.object == nil {
		if errors.Is(v.sdErr, cms.ErrUnsupported) {
			return check(id, verdict.NotPossible, verdict.SODSignatureFailed)
		}
		return check(id, verdict.Fail, verdict.SODSignatureFailed)
	}
	if v.sd.ContentType != lds.OIDLDSSecurity {
		return check(id, verdict.Fail, verdict.SODSignatureFailed)
	}
	var dev []string
	if len(v.sd.Signers) > 1 {
		dev = append(dev, cms.DevManySigners)
	}
	for i := range v.sd.Signers {
		cert, d, err := v.signer(i)
		if err == nil {
			dev = append(dev, d...)
			d, err = v.sd.VerifySigner(i, cert)
			dev = append(dev, d...)
		}
		switch {
		case err == nil:
		case errors.Is(err, cms.ErrUnsupported) || errors.Is(err, cms.ErrNoSigner):
			return check(id, verdict.NotPossible, verdict.SODSignatureFailed, dev...)
		default:
			return check(id, verdict.Fail, verdict.SODSignatureFailed, dev...)
		}
	}
	if v.policy.ForbidSHA1 && slices.Contains(dev, cms.DevSHA1) {
		return check(id, verdict.NotPossible, verdict.SODSignatureFailed, dev...)
	}
	return check(id, verdict.Pass, verdict.OK, dev...)
}

func (v *Verifier) checkChain() verdict.Check {
	id := verdict.CheckDSChain
	if v.ds == nil || v.trust == nil {
		return check(id, verdict.NotPossible, verdict.NoAnchor)
	}
	p, err := v.trust.Find(v.ds, v.now)
	switch {
	case err == nil:
	case errors.Is(err, trust.ErrNoAnchor):
		return check(id, verdict.NotPossible, verdict.NoAnchor)
	case errors.Is(err, trust.ErrUnsupported):
		return check(id, verdict.NotPossible, verdict.DSChainFailed)
	default:
		return check(id, verdict.Fail, verdict.DSChainFailed)
	}
	v.path = p
	dev := slices.Concat(p.Deviations, v.ds.Deviations, v.dsDev)
	// ICAO Doc 9303-12 §7.1: a document signer signs and issues nothing. Without this, a CSCA's other
	// certificates (communication, master list signer) could sign documents.
	switch {
	case v.ds.IsCA || len(v.ds.UnknownCritical) > 0 || len(v.ds.EKU) > 0:
		return check(id, verdict.Fail, verdict.DSChainFailed, dev...)
	case v.ds.HasKeyUsage && v.ds.KeyUsage&cms.KeyUsageDigitalSignature == 0:
		return check(id, verdict.Fail, verdict.DSChainFailed, dev...)
	case !v.ds.HasKeyUsage:
		dev = append(dev, DevDSKeyUsage)
	}
	if v.policy.ForbidSHA1 && slices.Contains(dev, cms.DevSHA1) {
		return check(id, verdict.NotPossible, verdict.DSChainFailed, dev...)
	}
	return check(id, verdict.Pass, verdict.OK, dev...)
}

func (v *Verifier) checkAtSigning() verdict.Check {
	id := verdict.CheckDSAtSigning
	if v.ds == nil {
		return check(id, verdict.NotPossible, verdict.SigningTimeUnknown)
	}
	t := v.sd.Signers[0].SigningTime
	switch {
	case t.IsZero():
		return check(id, verdict.NotPossible, verdict.SigningTimeUnknown)
	case t.Before(v.ds.NotBefore) || t.After(v.now.Add(maxClockSkew)):
		return check(id, verdict.Fail, verdict.DSNotYetValid)
	case t.After(v.ds.NotAfter):
		return check(id, verdict.Fail, verdict.DSExpired)
	}
	var dev []string
	if !v.ds.PrivateFrom.IsZero() && t.Before(v.ds.PrivateFrom) || !v.ds.PrivateTo.IsZero() && t.After(v.ds.PrivateTo) {
		dev = append(dev, DevKeyUsagePeriod)
	}
	return check(id, verdict.Pass, verdict.OK, dev...)
}

// maxClockSkew is how far a signing time may lie ahead of the gate's clock: a document is not read
// within a day of its personalisation, but a signer's clock may run in local time.
const maxClockSkew = 24 * time.Hour

func (v *Verifier) checkToday() verdict.Check {
	id := verdict.CheckDSToday
	switch {
	case v.ds == nil:
		return check(id, verdict.NotPossible, verdict.NoAnchor)
	case v.now.Before(v.ds.NotBefore):
		return check(id, verdict.Fail, verdict.DSNotYetValid)
	case v.now.After(v.ds.NotAfter):
		return check(id, verdict.Fail, verdict.DSExpired)
	}
	return check(id, verdict.Pass, verdict.OK)
}

func (v *Verifier) checkRevocation() verdict.Check {
	id := verdict.CheckDSRevocation
	if v.ds == nil || v.trust == nil {
		return check(id, verdict.NotPossible, verdict.CRLStale)
	}
	r, dev := v.trust.Check(v.ds, v.path, v.now, v.policy.Revocation)
	switch r {
	case trust.Revoked:
		return check(id, verdict.Fail, verdict.DSRevoked)
	case trust.RevocationGood:
	default:
		// No list at all and a stale one come to the same: nothing fresh says that it is not revoked.
		return check(id, verdict.NotPossible, verdict.CRLStale)
	}
	// The certificates between are judged by the same lists where there are any.
	if v.path != nil {
		for _, c := range v.path.Certs {
			if !c.SelfIssued() || len(v.path.Certs) > 1 {
				if r, _ := v.trust.Check(c, nil, v.now, v.policy.Revocation); r == trust.Revoked {
					return check(id, verdict.Fail, verdict.DSRevoked)
				}
			}
		}
	}
	return check(id, verdict.Pass, verdict.OK, dev...)
}

// Groups is what was read from the chip besides EF.SOD.
type Groups struct {
	Files map[int][]byte // raw files; DG1 must be here for the MRZ checks
	// Sums are hashes of raw files that were streamed through Hasher.
	Sums map[int][]byte
	// Refused names groups that were asked for and that the chip did not give.
	Refused []int
	MRZ     []byte
	COM     []byte
}

// Finish judges the groups and returns all checks, in the order of package verdict.
func (v *Verifier) Finish(g Groups) Result {
	v.Authenticate()
	r := Result{Groups: v.Groups()}
	if v.ds != nil {
		r.Country = v.ds.Subject.Country
	}
	if v.sd != nil {
		r.SigningTime = v.sd.Signers[0].SigningTime
	}
	r.Checks = append(r.Checks, v.sodCheck)
	r.Checks = append(r.Checks, v.checks[:]...)
	r.Checks = append(r.Checks, v.checkGroups(g, &r), v.checkHashes(g, &r), v.checkMRZ(g), v.checkCountry(g))
	v.excuse(&r)
	for _, c := range r.Checks {
		r.Deviations = append(r.Deviations, c.Deviations...)
	}
	r.Deviations = cms.MergeDeviations(r.Deviations)
	return r
}

// wanted are the groups that a gate reads where the SOD lists them (C-08, C-09).
var wanted = []int{1, 2, 14, 15}

func (g *Groups) has(n int) bool { return g.Files[n] != nil || g.Sums[n] != nil }

func (v *Verifier) checkGroups(g Groups, r *Result) verdict.Check {
	id := verdict.CheckGroups
	if v.object == nil {
		return check(id, verdict.NotPossible, verdict.GroupInconsistent)
	}
	var dev []string
	if g.COM != nil {
		if com, err := lds.ParseCOM(g.COM); err != nil || !slices.Equal(slices.Sorted(slices.Values(com.Groups)), r.Groups) {
			dev = append(dev, DevCOMDiffers)
		}
	}
	for n := 1; n <= lds.MaxGroups; n++ {
		if g.has(n) && !v.Lists(n) {
			r.Extra = append(r.Extra, n)
		}
	}
	unread := false
	for _, n := range wanted {
		if !v.Lists(n) || g.has(n) {
			continue
		}
		if slices.Contains(g.Refused, n) {
			r.Missing = append(r.Missing, n)
		} else {
			unread = true
		}
	}
	switch {
	case !v.Lists(1) || !v.Lists(2) || len(r.Extra) > 0 || len(r.Missing) > 0:
		return check(id, verdict.Fail, verdict.GroupInconsistent, dev...)
	case unread:
		return check(id, verdict.NotPossible, verdict.GroupInconsistent, dev...)
	}
	return check(id, verdict.Pass, verdict.OK, dev...)
}

func (v *Verifier) checkHashes(g Groups, r *Result) verdict.Check {
	id := verdict.CheckDGHashes
	if v.object == nil {
		return check(id, verdict.NotPossible, verdict.DGHashMismatch)
	}
	for _, n := range v.object.Numbers() {
		sum := g.Sums[n]
		if f := g.Files[n]; f != nil {
			h := v.object.Hash.New()
			h.Write(f)
			sum = h.Sum(nil)
		}
		if sum != nil && !bytes.Equal(sum, v.object.Groups[n]) {
			r.Mismatched = append(r.Mismatched, n)
		}
	}
	var dev []string
	if v.object.Hash == crypto.SHA1 {
		dev = append(dev, cms.DevSHA1)
	}
	switch {
	case len(r.Mismatched) > 0:
		return check(id, verdict.Fail, verdict.DGHashMismatch, dev...)
	case !g.has(1) || !g.has(2), v.policy.ForbidSHA1 && len(dev) > 0:
		return check(id, verdict.NotPossible, verdict.DGHashMismatch, dev...)
	}
	return check(id, verdict.Pass, verdict.OK, dev...)
}

func (v *Verifier) checkMRZ(g Groups) verdict.Check {
	id := verdict.CheckDG1MRZ
	if g.Files[1] == nil || g.MRZ == nil {
		return check(id, verdict.NotPossible, verdict.DG1MRZMismatch)
	}
	mrz, err := lds.ParseDG1(g.Files[1])
	if err != nil {
		return check(id, verdict.Fail, verdict.DG1MRZMismatch)
	}
	if !sameMRZ(mrz, g.MRZ) {
		return check(id, verdict.Fail, verdict.DG1MRZMismatch)
	}
	return check(id, verdict.Pass, verdict.OK)
}

// sameMRZ compares without regard to line breaks, and without a copy that would outlive the traveller.
func sameMRZ(dg1, scanned []byte) bool {
	i := 0
	for _, c := range scanned {
		if c == '\n' || c == '\r' {
			continue
		}
		if i == len(dg1) || dg1[i] != c {
			return false
		}
		i++
	}
	return i == len(dg1)
}

func (v *Verifier) checkCountry(g Groups) verdict.Check {
	id := verdict.CheckDG1Country
	if g.Files[1] == nil || v.ds == nil {
		return check(id, verdict.NotPossible, verdict.CountryMismatch)
	}
	mrz, err := lds.ParseDG1(g.Files[1])
	if err != nil {
		return check(id, verdict.Fail, verdict.CountryMismatch)
	}
	want, ok := Alpha2(string(mrz[2:5]))
	if !ok {
		return check(id, verdict.NotPossible, verdict.CountryMismatch)
	}
	have := v.ds.Subject.Country
	var dev []string
	if len(have) == 3 {
		if two, ok := Alpha2(have); ok {
			have = two
			dev = append(dev, DevCountryAlpha3)
		}
	}
	if v.ds.Subject.CountryCase {
		dev = append(dev, DevCountryCase)
	}
	if len(v.ds.DocTypes) > 0 && !slices.ContainsFunc(v.ds.DocTypes, func(t string) bool {
		t = strings.TrimRight(t, "<")
		return t != "" && strings.HasPrefix(strings.TrimRight(string(mrz[:2]), "<"), t)
	}) {
		// Doc 9303-12 §7.1.1.6; lists of issuers are incomplete often enough that this alone refuses nothing.
		dev = append(dev, DevDSDocType)
	}
	switch {
	case have == "":
		return check(id, verdict.NotPossible, verdict.CountryMismatch, dev...)
	case have != want:
		return check(id, verdict.Fail, verdict.CountryMismatch, dev...)
	case v.path != nil && !strings.EqualFold(v.path.Issuer().Subject.Country, v.ds.Subject.Country):
		return check(id, verdict.Fail, verdict.CountryMismatch, dev...)
	}
	return check(id, verdict.Pass, verdict.OK, dev...)
}

// excuse applies the signed list of known deviations (C-06). Nothing is excused unless signature and
// chain passed: otherwise anybody could claim to be the issuer with the known defect.
func (v *Verifier) excuse(r *Result) {
	if v.trust == nil || !v.Authentic() {
		return
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		if c.Result == verdict.Pass || c.Result == verdict.NotApplicable {
			continue
		}
		if name, ok := v.trust.Excuse(c.ID, c.Reason, v.ds, v.sd.Signers[0].SigningTime, v.now); ok {
			c.Result, c.Reason = verdict.Pass, verdict.DeviationKnown
			c.Deviations = cms.MergeDeviations(c.Deviations, []string{DevKnown + name})
		}
	}
}

// Explain returns the technical cause of an unreadable SOD for maintenance, nil where it parses.
func (v *Verifier) Explain() error {
	if v.sdErr != nil {
		return fmt.Errorf("pa: sod: %w", v.sdErr)
	}
	if v.dsErr != nil {
		return fmt.Errorf("pa: document signer: %w", v.dsErr)
	}
	return nil
}
