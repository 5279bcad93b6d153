// Package trust holds what a gate believes in: CSCA certificates with their link certificates,
// revocation lists and known deviations of issuers, in one signed, versioned bundle with an expiry
// (C-06, C-07).
//
// A bundle is made at a desk from master lists, single certificates and revocation lists, each of
// which is verified on the way in, and signed with an Ed25519 key. A gate accepts a bundle of its own
// site only, never an older version than it has seen, and none past its expiry.
package trust

import (
	"errors"
	"time"
)

// Limits of a bundle.
const (
	// MaxBundle bounds the file: both public master lists with all lists of revocations stay below
	// 4 MB in base 64.
	MaxBundle = 24 << 20
	// MaxAnchors bounds the certificates: 627 different ones are in the German and Dutch lists.
	MaxAnchors = 5000
	// MaxSigners bounds the document signers that a bundle keeps for documents that carry none: those of a few states.
	MaxSigners = 4000
	// MaxCRLs bounds the revocation lists: one per issuing state and key generation.
	MaxCRLs = 2000
	// MaxPath bounds the CSCA certificates from a document signer up to an anchor: a document is
	// valid for ten years and a CSCA key is used for three to five.
	MaxPath = 6
)

// Ages of a revocation list since it was fetched (C-07).
const (
	DefaultCRLWarn = 24 * time.Hour
	DefaultCRLStop = 7 * 24 * time.Hour
)

// Errors that callers branch on.
var (
	ErrSignature = errors.New("trust: bundle signature does not verify")
	ErrExpired   = errors.New("trust: bundle expired")
	ErrNotYet    = errors.New("trust: bundle not yet valid")
	ErrOlder     = errors.New("trust: bundle older than the accepted version")
	ErrSite      = errors.New("trust: bundle of another site")
	// ErrSimulation refuses a simulator's bundle on a gate in service.
	ErrSimulation = errors.New("trust: bundle of a simulation")
	ErrFormat     = errors.New("trust: malformed")
	ErrLimit      = errors.New("trust: limit exceeded")
	// ErrNoAnchor says that no trusted certificate claims to have issued the document signer:
	// nothing was proven or disproven.
	ErrNoAnchor = errors.New("trust: no anchor")
	// ErrChain says that the certificate that claims to have issued the document signer did not.
	ErrChain = errors.New("trust: chain does not verify")
	// ErrUnsupported says that a signature in the chain could not be judged.
	ErrUnsupported = errors.New("trust: chain uses an unsupported algorithm")
)

// Named deviations of a chain.
const (
	DevListedOnly   = "trust.anchor_by_list_membership"
	DevLinkPath     = "trust.path_by_link_certificate"
	DevNameSpelling = "trust.issuer_name_spelled_differently"
	DevCSCAExpired  = "trust.csca_expired_today"
	DevDSBeforeCSCA = "trust.certificate_older_than_its_csca"
	DevCSCANotCA    = "trust.csca_without_ca_flag"
	DevCSCAKeyUsage = "trust.csca_key_usage"
	DevCRLAge       = "trust.crl_age_over_warning"
	// DevAuthorityKey: the certificate names another key than the one that signed it.
	DevAuthorityKey   = "trust.authority_key_identifier_differs"
	DevNoAuthorityKey = "trust.authority_key_identifier_absent"
	DevListUndated    = "trust.master_list_without_signing_time"
	// DevTestCSCA: the path ends at a CSCA of specimens, or leads through one.
	DevTestCSCA = "trust.test_csca"
)
