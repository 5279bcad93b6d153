package emrtd

import (
	"fmt"
	"log/slog"
	"time"

	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/verdict"
)

// Report is what an inspection found.
type Report struct {
	// Checks has one result each, in the order of package verdict.
	Checks []verdict.Check
	// DG1 is the MRZ as the chip holds it; zero where it was not read.
	DG1 mrz.Document
	// Face is the first portrait of DG2. No decoder may see it unless Authenticated is set; an officer
	// may be shown an unauthenticated one only as pixels from the decoder child.
	Face lds.Face
	// Authenticated says that the SOD signature, its chain to a trust anchor and the hashes of DG1 and
	// DG2 all passed.
	Authenticated bool
	// Access names the access procedure: "bac", or mapping, group and cipher of PACE.
	Access string
	// Clone names the chip proof that passed: "ca", "aa" or "cam".
	Clone string
	// Country is the two-letter country of the document signer.
	Country string
	Groups  []int // data groups that the SOD lists
	Files   []File
	APDUs   int
	// BytesOut and BytesIn are the sizes of all APDUs to and from the card.
	BytesOut, BytesIn int
	Recoveries        int
	ReadSize          int
	Stages            []StageTime
	Deviations        []string
	// SlowestExchange and Baseline are the longest and the median exchange without public-key work; a
	// ratio above RelayRatio is an advisory hint (RelayHint). Relay is not excluded by its absence.
	SlowestExchange, Baseline time.Duration
	RelayHint                 bool

	files map[uint16]*fileBuf
}

// File is one elementary file that was read.
type File struct {
	Name string
	Size int
	// Status tells why it was not read: a status word, or empty.
	Status string
}

// StageTime is how long one stage took.
type StageTime struct {
	Stage string
	Took  time.Duration
}

// Check returns one check of the report.
func (r *Report) Check(id verdict.CheckID) verdict.Check {
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	return verdict.Check{ID: id}
}

// File returns the raw bytes of a file, nil where it was not read. They are wiped by Wipe.
func (r *Report) File(fid uint16) []byte {
	if f := r.files[fid]; f != nil && f.complete() {
		return f.buf
	}
	return nil
}

// Wipe overwrites the files and the portrait and forgets everything personal.
func (r *Report) Wipe() {
	for _, f := range r.files {
		clear(f.buf[:cap(f.buf)])
	}
	r.files = nil
	clear(r.Face.Image)
	r.Face = lds.Face{}
	r.DG1.Wipe()
}

// LogValue keeps personal data out of logs: checks, counts and nothing else.
func (r *Report) LogValue() slog.Value {
	return slog.GroupValue(slog.String("access", r.Access), slog.String("clone", r.Clone), slog.Int("apdus", r.APDUs),
		slog.Int("bytes_in", r.BytesIn), slog.Int("recoveries", r.Recoveries), slog.Bool("authenticated", r.Authenticated))
}

// String is for %v: nothing personal.
func (r *Report) String() string {
	return fmt.Sprintf("report of %d checks, %d apdus", len(r.Checks), r.APDUs)
}

// ReadError is why a read ended early. It holds nothing personal.
type ReadError struct {
	Stage  string
	Reason verdict.Reason
	Err    error
}

func (e *ReadError) Error() string { return fmt.Sprintf("emrtd: %s: %s: %v", e.Stage, e.Reason, e.Err) }

func (e *ReadError) Unwrap() error { return e.Err }
