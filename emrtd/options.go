package emrtd

import (
	"context"
	"io"
	"log/slog"
	"time"

	"egate/emrtd/pa"
	"egate/emrtd/pace"
	"egate/emrtd/trust"
	"egate/hal"
)

// Options of one inspection.
type Options struct {
	// Now is the trusted date for documents and certificates.
	Now time.Time
	// Trust holds anchors, revocation lists and known deviations; nil makes their checks "not possible".
	Trust *trust.Store
	// Policy of passive authentication.
	Policy pa.Policy
	// CloneProofDue says whether a chip of this issuer (two letters of the document signer) and year of issue
	// (zero where unknown) must prove that it is no copy. One that announces no proof and must have one is "not
	// possible" in place of "not applicable" (C-03). Nil asks it of nobody.
	CloneProofDue func(issuer string, year int) bool
	// AllowBAC permits Basic Access Control where the chip announces no PACE.
	AllowBAC bool
	// CAN opens the chip in place of the MRZ where it is set; PACE only.
	CAN string
	// Keys are mapping keys prepared before the tap; may be nil.
	Keys *pace.Keys
	// Rand is the source of keys, nonces and challenges; crypto/rand where nil.
	Rand io.Reader
	// ReadSize returns the remembered read size of a chip type, zero where there is none; Remember
	// takes the size found. Both may be nil.
	ReadSize func(ats []byte) int
	Remember func(ats []byte, size int)
	// Progress is told the bytes read of a file and its size. It is called between two APDUs and must
	// not block.
	Progress func(stage string, done, total int)
	// Reconnect activates the card again after it left the field. Without it, a lost tag ends the read.
	Reconnect func(ctx context.Context) (hal.Card, error)
	// Clock is a monotonic time for the stages of the report; time since start where nil.
	Clock func() time.Duration
	// Log receives stages, status words and sizes, nothing else. May be nil.
	Log *slog.Logger

	verified func() // for tests: signature and chain have been judged
}

// MaxRecoveries bounds how often a lost tag or a broken channel is repaired in one read. A hand that
// shakes loses a tag once or twice; more means that the document does not lie on the reader.
const MaxRecoveries = 3

// Stages of a read.
const (
	StageAccess   = "access"
	StageSOD      = "sod"
	StageDG14     = "dg14"
	StageChipAuth = "chip_authentication"
	StageDG15     = "dg15"
	StageActive   = "active_authentication"
	StageDG1      = "dg1"
	StageDG2      = "dg2"
	StageVerify   = "verification"
	StageRecovery = "recovery"
)
