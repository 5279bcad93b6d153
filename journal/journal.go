// Package journal is the one truth on disk: an append-only, CRC-framed log in segments with one
// record and one fsync per step of the gate, snapshots of the model, and cursors (outbox, audit).
//
// The control loop never waits for the disk: it hands a Record to Submit and later receives its
// Result. A result that does not come is for the loop's timers to notice, not for the journal.
package journal

// Record is everything that one step changed. It is written whole or not at all.
type Record struct {
	Step   uint64   `json:"step"`             // step number of the gate loop, rising by at least one
	Model  []byte   `json:"model,omitempty"`  // encoded gate model after the step
	Events [][]byte `json:"events,omitempty"` // CloudEvents without id, seq and epoch; the journal's reader assigns them
	Leaves [][]byte `json:"leaves,omitempty"` // canonical JSON leaves for the audit log
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
