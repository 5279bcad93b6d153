// Package cms reads and verifies what signs a travel document: CMS SignedData (RFC 5652) around the
// document security object and master lists, X.509 certificates of CSCA and document signers
// (ICAO Doc 9303-12 §7), and their revocation lists.
//
// It has its own certificate parser because issuers use Brainpool curves and explicit curve
// parameters, which the standard library refuses. It verifies public data only; nothing here works
// on a secret. Every tolerance towards an issuer's habit is returned as a named deviation
// (constants Dev…), never applied in silence.
package cms

import "errors"

// Errors that callers branch on.
var (
	// ErrFormat says that the structure is not what it claims to be.
	ErrFormat = errors.New("cms: malformed")
	// ErrUnsupported says that an algorithm or curve is not known: nothing was proven or disproven.
	ErrUnsupported = errors.New("cms: unsupported algorithm")
	// ErrSignature says that a signature does not verify.
	ErrSignature = errors.New("cms: signature does not verify")
	// ErrDigest says that the message digest attribute does not match the content.
	ErrDigest = errors.New("cms: message digest differs from content")
	// ErrNoSigner says that no embedded certificate belongs to the signer info.
	ErrNoSigner = errors.New("cms: signer certificate not present")
	// ErrLimit says that a size or count is beyond what is ever issued.
	ErrLimit = errors.New("cms: limit exceeded")
)

// Named deviations. A report lists those that were tolerated.
const (
	DevAttrsNotDER      = "cms.signed_attributes_not_der"
	DevAttrsAsTagged    = "cms.signed_attributes_signed_as_tagged"
	DevPKCS7Content     = "cms.pkcs7_content"
	DevIndefinite       = "cms.indefinite_length"
	DevDigestFromSigAlg = "cms.digest_differs_from_signature_hash"
	DevSigAlgIsKeyAlg   = "cms.signature_algorithm_is_key_algorithm"
	DevDigestNotListed  = "cms.digest_algorithm_not_listed"
	DevSignerBySubject  = "cms.signer_found_by_serial_only"
	DevNoSignedAttrs    = "cms.no_signed_attributes"
	DevVersion          = "cms.signer_info_version"
	DevManySigners      = "cms.several_signers"
	DevECPlain          = "ecdsa.plain_signature"
	DevExplicitCurve    = "ec.explicit_parameters"
	DevPKCS1NoNull      = "rsa.digest_info_without_null"
	DevPSSNoParams      = "rsa.pss_parameters_absent"
	DevSHA1             = "hash.sha1"
	DevWeakRSA          = "rsa.modulus_below_2048"
	DevExtension        = "x509.extension_malformed"
	DevTrailing         = "x509.trailing_bytes"
	DevSigAlgMismatch   = "x509.signature_algorithms_differ"
	DevPathLenNoCA      = "x509.path_length_without_ca"
)
