// Package policy is the policy of package verdict as a signed document (F-06): of one site, with a version that only
// rises and an end, and in force when two persons have signed the same bytes.
package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"egate/api"
	"egate/seal"
	"egate/verdict"
)

// Kind is that of a signed policy.
const Kind = "policy"

// Quorum is how many persons sign.
const Quorum = 2

// Limits of a document.
const (
	maxSize = 256 << 10
	maxLife = 400 * 24 * time.Hour
)

var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Document is what is signed.
type Document struct {
	Site      string         `json:"site"`
	IssuedAt  time.Time      `json:"issued_at"`
	ExpiresAt time.Time      `json:"expires_at"`
	Policy    verdict.Policy `json:"policy"` // with its version
}

// Signed is a document whose form is good, and who has signed it.
type Signed struct {
	Document
	Hash    string   // SHA-256 of the signed bytes, hexadecimal
	Signers []string // ids of trusted keys, each once
}

// Make is the document that the persons sign.
func Make(site string, p verdict.Policy, now time.Time, life time.Duration) ([]byte, error) {
	d := Document{Site: site, IssuedAt: now.UTC().Truncate(time.Second), ExpiresAt: now.UTC().Truncate(time.Second).Add(life), Policy: p}
	if err := d.check(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return encode(api.Signed{Kind: Kind, Payload: body})
}

// Sign adds one person's signature. Who signs again replaces nothing: one person is one signature.
func Sign(raw []byte, s *seal.Signer) ([]byte, error) {
	d, _, err := read(raw)
	if err != nil {
		return nil, err
	}
	d.Signatures = slices.DeleteFunc(d.Signatures, func(x api.Signature) bool { return x.Kid == s.KeyID() })
	sig := s.Sign(Kind, d.Payload)
	d.Signatures = append(d.Signatures, api.Signature{Alg: sig.Alg, Kid: sig.Kid, Sig: sig.Sig})
	return encode(d)
}

func encode(s api.Signed) ([]byte, error) {
	if s.Signatures == nil {
		s.Signatures = []api.Signature{}
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if len(b) > maxSize {
		return nil, fmt.Errorf("policy: %d bytes, %d are the most", len(b), maxSize)
	}
	return append(b, '\n'), nil
}

func read(raw []byte) (s api.Signed, d Document, err error) {
	if len(raw) > maxSize {
		return s, d, fmt.Errorf("policy: %d bytes, %d are the most", len(raw), maxSize)
	}
	if strict(raw, &s) != nil || s.Kind != Kind || s.Proof != nil || s.Second != nil {
		return s, d, errors.New("policy: no signed policy: make one with egatectl policy sign")
	}
	if err := strict(s.Payload, &d); err != nil {
		return s, d, errors.New("policy: a field is missing, unknown or of another type: made by another version of egatectl?")
	}
	return s, d, d.check()
}

func (d Document) check() error {
	if !plainName.MatchString(d.Site) {
		return errors.New("policy: site must be 1 to 32 of a-z, 0-9 and \"-\"")
	}
	if life := d.ExpiresAt.Sub(d.IssuedAt); life <= 0 || life > maxLife {
		return fmt.Errorf("policy: it must end after it begins, %d days later at most", int(maxLife/(24*time.Hour)))
	}
	return d.Policy.Validate()
}

// Open verifies a signed policy: form, site, and the signatures of enough of the persons whose keys are named.
func Open(raw []byte, persons seal.Keys, site string, quorum int) (Signed, error) {
	s, d, err := read(raw)
	if err != nil {
		return Signed{}, err
	}
	h := sha256.Sum256(s.Payload)
	out := Signed{Document: d, Hash: hex.EncodeToString(h[:])}
	for _, x := range s.Signatures {
		kid, err := persons.Verify(Kind, s.Payload, []seal.Signature{{Alg: x.Alg, Kid: x.Kid, Sig: x.Sig}})
		if err == nil && !slices.Contains(out.Signers, kid) {
			out.Signers = append(out.Signers, kid)
		}
	}
	switch {
	case len(out.Signers) < quorum:
		return Signed{}, fmt.Errorf("policy: %d of %d persons whose keys are named have signed (F-06): egatectl policy sign", len(out.Signers), quorum)
	case d.Site != site:
		return Signed{}, fmt.Errorf("policy: it is of site %q, not of %q", d.Site, site)
	}
	return out, nil
}

// In tells whether the policy is in force at a time.
func (s Signed) In(now time.Time) error {
	switch {
	case now.Before(s.IssuedAt.Add(-24 * time.Hour)): // the machine that signs may be ahead of us
		return fmt.Errorf("policy: version %d is of %s, which has not come", s.Policy.Version, s.IssuedAt.Format(time.DateOnly))
	case !now.Before(s.ExpiresAt):
		return fmt.Errorf("policy: version %d ended on %s: sign it again with a higher version", s.Policy.Version, s.ExpiresAt.Format(time.DateOnly))
	}
	return nil
}

// Accepted is the highest version that a gate has had: a row of its journal.
type Accepted struct {
	Version int
	Hash    string
}

// ParseAccepted reads a row; an empty one is no version at all.
func ParseAccepted(row string) (a Accepted, err error) {
	if row == "" {
		return a, nil
	}
	version, hash, ok := strings.Cut(row, " ")
	if a.Version, err = strconv.Atoi(version); err != nil || !ok || a.Version < 1 || len(hash) != 2*sha256.Size {
		return Accepted{}, fmt.Errorf("policy: the journal's row of the accepted version is damaged")
	}
	a.Hash = hash
	return a, nil
}

// Row is what the journal keeps.
func (s Signed) Row() string { return fmt.Sprintf("%d %s", s.Policy.Version, s.Hash) }

// After refuses an older version than the accepted one, and another content under the same number.
func (s Signed) After(a Accepted) error {
	switch {
	case s.Policy.Version < a.Version:
		return fmt.Errorf("policy: version %d is older than %d, which this gate has had: versions only rise", s.Policy.Version, a.Version)
	case s.Policy.Version == a.Version && s.Hash != a.Hash:
		return fmt.Errorf("policy: version %d was something else at this gate: a change needs a higher version", a.Version)
	}
	return nil
}

// strict parses one JSON document without unknown fields.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("policy: something follows the document")
	}
	return nil
}
