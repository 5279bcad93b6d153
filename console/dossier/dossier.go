// Package dossier opens one referral dossier in one short-lived process and shows it to one browser.
//
// The officers' server never holds a name or a pixel: it gives the sealed dossier and the session's
// key to a child (Start), and hands the browser's own connections on to it over a socket pair
// (SCM_RIGHTS). The child answers those connections itself and dies with the referral; the kernel
// takes its memory back (O-06, DP-01).
//
// Between the two: standard input carries one JSON document (the envelope and the key), standard
// output one line of JSON back (Opened, nothing personal), descriptor 3 is the socket pair.
package dossier

import (
	"time"

	"egate/api"
)

// Limits of a dossier and of the answers that carry it.
const (
	maxInput   = 1 << 20          // bytes on standard input: a sealed dossier is at most 512 KiB
	maxPhoto   = 256 << 10        // bytes of one JPEG
	maxText    = 128              // bytes of one text of a document
	maxChecks  = 64               // checks of one dossier
	sendLimit  = 5 * time.Second  // a browser that takes no byte for so long is cut off
	openLimit  = 5 * time.Second  // a child that has not opened its dossier by then is ended
	reapLimit  = time.Second      // a child that was told to end and has not by then is killed
	maxAge     = 10 * time.Minute // a child never outlives this, whatever its parent does
	controlFD  = 3                // the socket pair in the child
	markerSize = 16               // bytes of a part's name on the socket pair
)

// Parts of a dossier that a connection can ask for.
const (
	PartFacts    = "facts"    // everything but the photos, JSON
	PartPortrait = "portrait" // from the chip, JPEG
	PartLive     = "live"     // from the camera, JPEG
)

// input is what a child is given.
type input struct {
	Gate     string       `json:"gate"`
	Passage  string       `json:"passage"`
	Envelope api.Envelope `json:"envelope"`
	Key      []byte       `json:"key"`
}

// Opened is what a child tells its parent. Nothing in it is personal.
type Opened struct {
	Fault   string `json:"fault,omitempty"` // code of what went wrong, "" when it is open
	Hash    []byte `json:"hash,omitempty"`  // SHA-256 over the plain dossier: what an order names
	Sandbox string `json:"sandbox"`         // what the kernel granted of the child's confinement
}

// Faults of opening a dossier.
const (
	FaultInput    = "input"    // the parent's document does not parse
	FaultExpired  = "expired"  // the envelope is too old
	FaultSealed   = "sealed"   // wrong hash, wrong key or altered bytes
	FaultContents = "contents" // opened, but not a dossier of this passage
)
