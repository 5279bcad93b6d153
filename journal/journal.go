// Package journal is the one truth on disk: an append-only, CRC-framed log in segments with one
// record and one fsync per step of the gate, snapshots of the model, and cursors (outbox, audit).
//
// The control loop never waits for the disk: it hands a Record to Submit and later receives its
// Result. A result that does not come is for the loop's timers to notice, not for the journal.
//
// # What a frame is
//
// Records that are queued together are written as one frame with one CRC and made durable with one
// fdatasync (group commit). The next frame is not written before the last one is durable, so a
// power cut can leave at most one broken frame, and only as the last thing of the last segment: a
// torn tail, which is cut. A broken frame anywhere else is damage: a new epoch begins, whose first
// events tell of the gap, and what is still readable of the old epoch is kept and delivered.
//
// # Numbers
//
// An event's sequence number is given when it is written; it starts at one and has no gap within an
// epoch. A leaf's number starts at zero in each epoch. Epochs rise.
package journal

// Record is everything that one step changed. It is written whole or not at all.
type Record struct {
	Step   uint64   `json:"step"`             // step number of the gate loop, rising by at least one
	Model  []byte   `json:"model,omitempty"`  // encoded gate model after the step
	Events [][]byte `json:"events,omitempty"` // CloudEvents without id, seq and epoch; the journal's reader assigns them
	Leaves [][]byte `json:"leaves,omitempty"` // canonical JSON leaves for the audit log
	// Meta are small rows that live and die with the record: the highest accepted version of a signed
	// document, an order id and its answer. An empty value removes the row.
	Meta map[string]string `json:"meta,omitempty"`
}

// Result tells that the record of Step is durable, or why it is not.
type Result struct {
	Step uint64
	Err  error
}

// Committer is what the control loop needs of a journal.
type Committer interface {
	// Submit queues the record and returns at once. A full queue is reported as a Result with Err.
	Submit(Record)
	// Results delivers one Result per submitted record, in order.
	Results() <-chan Result
}
