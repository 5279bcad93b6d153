// Package issue plays the issuing state for tests and simulation: a CSCA with its document signer
// (ICAO Doc 9303-12) and the personalisation of passports (Doc 9303-10) from a profile.
//
// Everything it makes is marked: the subject names of its certificates say SIMULATION, and no key of
// it belongs in the trust bundle of a gate in service.
package issue

import "errors"

// Mark stands in every subject name.
const Mark = "SIMULATION"

// ErrProfile says that a profile cannot be personalised; the message names field and cure.
var ErrProfile = errors.New("issue: profile")
