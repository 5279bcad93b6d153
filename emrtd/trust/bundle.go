package trust

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"egate/emrtd/cms"
	"egate/verdict"
)

// BundleType names the kind of the signed document.
const BundleType = "egate.trust-bundle/1"

// signContext separates signatures over bundles from those over anything else.
const signContext = "egate trust bundle v1\x00"

// Kind tells why a certificate is in the bundle.
type Kind string

// Kinds of anchor.
const (
	// Root is a self-signed CSCA certificate whose own signature was verified on import.
	Root Kind = "root"
	// Link is a CSCA certificate signed with another key; it is trusted only by a path to a Root.
	Link Kind = "link"
	// Listed is a certificate for which the import found no verifying key; it is an anchor only
	// where the bundle's AcceptListed says so, and reported as DevListedOnly.
	Listed Kind = "listed"
)

// Entry is one certificate of a bundle.
type Entry struct {
	Kind   Kind   `json:"kind"`
	Source string `json:"source"` // where it came from, for people
	DER    []byte `json:"der"`
	// Test marks a CSCA of specimens: what chains to it opens nothing (P-14).
	Test bool `json:"test,omitempty"`
}

// SignerEntry is the certificate of a document signer as its state has published it.
type SignerEntry struct {
	Source string `json:"source"`
	DER    []byte `json:"der"`
}

// CRLEntry is one revocation list with the time at which it was fetched from its publisher.
type CRLEntry struct {
	Source  string    `json:"source"`
	Fetched time.Time `json:"fetched"`
	DER     []byte    `json:"der"`
}

// Deviation is a known defect of an issuer's documents (C-06): it excuses one check for one reason.
type Deviation struct {
	ID      string          `json:"id"`
	Country string          `json:"country"` // two letters, as in the document signer's name
	Check   verdict.CheckID `json:"check"`
	Reason  verdict.Reason  `json:"reason"`
	// DSIssuedFrom and DSIssuedTo bound the notBefore of the document signers meant; zero is open.
	DSIssuedFrom time.Time `json:"ds_issued_from,omitzero"`
	DSIssuedTo   time.Time `json:"ds_issued_to,omitzero"`
	// DSIssuer (canonical name) with DSSerial, or DSKeyID, name one document signer; hexadecimal, empty is any.
	DSIssuer string `json:"ds_issuer,omitempty"`
	DSSerial string `json:"ds_serial,omitempty"`
	DSKeyID  string `json:"ds_key_id,omitempty"`
	// SignedFrom and SignedTo bound the time of signing; a document that names none is not meant then.
	SignedFrom time.Time `json:"signed_from,omitzero"`
	SignedTo   time.Time `json:"signed_to,omitzero"`
	Expires    time.Time `json:"expires"`
	Note       string    `json:"note,omitempty"`
}

// Bundle is the content of a trust bundle.
type Bundle struct {
	Type    string    `json:"type"`
	Site    string    `json:"site"`
	Version uint64    `json:"version"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// Simulation marks a bundle whose anchors are made by the simulator.
	Simulation   bool    `json:"simulation,omitempty"`
	AcceptListed bool    `json:"accept_listed,omitempty"`
	Anchors      []Entry `json:"anchors"`
	// Signers are document signers of an export, kept for documents whose SOD carries none. They are no anchors.
	Signers    []SignerEntry `json:"signers,omitempty"`
	CRLs       []CRLEntry    `json:"crls,omitempty"`
	Deviations []Deviation   `json:"deviations,omitempty"`
}

type signature struct {
	Alg string `json:"alg"`
	KID string `json:"kid"`
	Sig []byte `json:"sig"`
}

type envelope struct {
	Payload    []byte      `json:"payload"`
	Signatures []signature `json:"signatures"`
}

// KeyID names a verification key: the first eight bytes of its SHA-256 in hex.
func KeyID(pub ed25519.PublicKey) string {
	h := sha256.Sum256(pub)
	return hex.EncodeToString(h[:8])
}

// Sign encodes and signs the bundle.
func (b *Bundle) Sign(key ed25519.PrivateKey) ([]byte, error) {
	b.Type = BundleType
	if err := b.valid(); err != nil {
		return nil, err
	}
	payload, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("trust: encode bundle: %w", err)
	}
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok || len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: signing key", ErrFormat)
	}
	sig := ed25519.Sign(key, append([]byte(signContext), payload...))
	return json.Marshal(envelope{Payload: payload, Signatures: []signature{{"Ed25519", KeyID(pub), sig}}})
}

// Save writes the signed bundle to a file: a temporary file in the same folder, then a rename, so that
// a reader never sees half a bundle.
func (b *Bundle) Save(path string, key ed25519.PrivateKey) error {
	data, err := b.Sign(key)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".trust-*")
	if err != nil {
		return fmt.Errorf("trust: save bundle: %w", err)
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(data); err == nil {
		if err = f.Chmod(0o644); err == nil {
			err = f.Sync()
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("trust: save bundle: %w", err)
	}
	return nil
}

// Verify checks the signature of an encoded bundle and decodes it. It says nothing of expiry, site
// or version; Open does.
func Verify(data []byte, pub ed25519.PublicKey) (*Bundle, error) {
	if len(data) > MaxBundle {
		return nil, fmt.Errorf("%w: bundle of %d bytes", ErrLimit, len(data))
	}
	if len(pub) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: verification key", ErrFormat)
	}
	var env envelope
	if err := json.Unmarshal(data, &env); err != nil {
		return nil, fmt.Errorf("%w: bundle envelope: %v", ErrFormat, err)
	}
	kid, ok := KeyID(pub), false
	for _, s := range env.Signatures {
		if s.Alg == "Ed25519" && s.KID == kid {
			ok = ed25519.Verify(pub, append([]byte(signContext), env.Payload...), s.Sig)
			break
		}
	}
	if !ok {
		return nil, ErrSignature
	}
	var b Bundle
	if err := json.Unmarshal(env.Payload, &b); err != nil {
		return nil, fmt.Errorf("%w: bundle: %v", ErrFormat, err)
	}
	return &b, b.valid()
}

func (b *Bundle) valid() error {
	switch {
	case b.Type != BundleType:
		return fmt.Errorf("%w: not a trust bundle", ErrFormat)
	case b.Site == "" || b.Version == 0 || b.Created.IsZero() || !b.Expires.After(b.Created):
		return fmt.Errorf("%w: bundle needs site, version, created and a later expires", ErrFormat)
	case len(b.Anchors) > MaxAnchors || len(b.CRLs) > MaxCRLs || len(b.Deviations) > MaxAnchors || len(b.Signers) > MaxSigners:
		return fmt.Errorf("%w: bundle entries", ErrLimit)
	}
	for _, e := range b.Anchors {
		if e.Kind != Root && e.Kind != Link && e.Kind != Listed {
			return fmt.Errorf("%w: kind of anchor", ErrFormat)
		}
	}
	for _, d := range b.Deviations {
		if err := d.valid(); err != nil {
			return err
		}
	}
	return nil
}

// valid refuses entries for checks on which everything else rests: an excuse for them would be an
// open door for a forger.
func (d Deviation) valid() error {
	if d.ID == "" || len(d.Country) != 2 || d.Expires.IsZero() || d.Reason == verdict.ReasonNone {
		return fmt.Errorf("%w: deviation needs id, country, reason and expires", ErrFormat)
	}
	switch d.Check {
	case verdict.CheckGroups, verdict.CheckDG1MRZ, verdict.CheckDG1Country, verdict.CheckDSAtSigning, verdict.CheckDSToday:
		return nil
	}
	return fmt.Errorf("%w: deviation %q excuses a check that admits none", ErrFormat, d.ID)
}

// Option narrows what Open accepts.
type Option func(*accept)

type accept struct {
	min     uint64
	site    string
	service bool
}

// MinVersion refuses bundles older than the highest version accepted before.
func MinVersion(v uint64) Option { return func(a *accept) { a.min = v } }

// InService refuses bundles of the simulator: anybody may hold the keys of its issuers.
func InService() Option { return func(a *accept) { a.service = true } }

// Site refuses bundles of another site.
func Site(s string) Option { return func(a *accept) { a.site = s } }

// Open verifies an encoded bundle with the pinned key and makes a Store of it.
func Open(data []byte, pub ed25519.PublicKey, now time.Time, opts ...Option) (*Store, error) {
	b, err := Verify(data, pub)
	if err != nil {
		return nil, err
	}
	var a accept
	for _, o := range opts {
		o(&a)
	}
	switch {
	case a.site != "" && a.site != b.Site:
		return nil, ErrSite
	case a.service && b.Simulation:
		return nil, ErrSimulation
	case b.Version < a.min:
		return nil, fmt.Errorf("%w: version %d, accepted %d", ErrOlder, b.Version, a.min)
	case now.After(b.Expires):
		return nil, fmt.Errorf("%w at %s", ErrExpired, b.Expires.UTC().Format(time.RFC3339))
	case now.Add(maxSkew).Before(b.Created):
		return nil, ErrNotYet
	}
	s, err := b.Store()
	if err != nil {
		return nil, err
	}
	if a.service && slices.ContainsFunc(s.anchors, func(a *Anchor) bool { return strings.HasPrefix(a.Cert.Subject.Common, simulationMark) }) {
		return nil, ErrSimulation
	}
	s.info.Hash = sha256.Sum256(data)
	return s, nil
}

// simulationMark begins the subject names of simulated issuers, whatever the bundle says of itself.
const simulationMark = "SIMULATION"

// maxSkew is how far the gate's clock may lag behind the desk's.
const maxSkew = 5 * time.Minute

// Load reads a bundle file and opens it.
func Load(path string, pub ed25519.PublicKey, now time.Time, opts ...Option) (*Store, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("trust: load bundle: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxBundle+1))
	if err != nil {
		return nil, fmt.Errorf("trust: load bundle: %w", err)
	}
	return Open(data, pub, now, opts...)
}

// AddAnchor adds one CSCA certificate, classifying it: Root where its own signature verifies, else
// Link. Whether a Link leads anywhere is found when it is used.
func (b *Bundle) AddAnchor(der []byte, source string) (Kind, error) {
	c, err := cms.ParseCertificate(der)
	if err != nil {
		return "", err
	}
	k := Link
	if c.SelfIssued() {
		if _, err := c.CheckSignatureFrom(c); err == nil {
			k = Root
		}
	}
	sum := c.SHA256()
	for _, e := range b.Anchors {
		if sha256.Sum256(e.DER) == sum {
			return e.Kind, nil
		}
	}
	if len(b.Anchors) >= MaxAnchors {
		return "", fmt.Errorf("%w: anchors", ErrLimit)
	}
	b.Anchors = append(b.Anchors, Entry{Kind: k, Source: source, DER: c.Raw})
	return k, nil
}

// AddCRL adds one revocation list. Its signature is checked when it is used, with the key of the
// CSCA that it names.
func (b *Bundle) AddCRL(der []byte, source string, fetched time.Time) error {
	if _, err := cms.ParseCRL(der); err != nil {
		return err
	}
	if len(b.CRLs) >= MaxCRLs {
		return fmt.Errorf("%w: revocation lists", ErrLimit)
	}
	b.CRLs = append(b.CRLs, CRLEntry{Source: source, Fetched: fetched, DER: der})
	return nil
}
