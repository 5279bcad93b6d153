package journal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Defaults of Options.
const (
	DefaultSegment  = 4 << 20        // a segment is what retention drops at once
	DefaultMax      = 1 << 30        // about two days of a busy gate, see bench
	DefaultRetain   = 24 * time.Hour // DP-08
	DefaultQueue    = 256            // steps a stalled disk may lag behind the loop
	DefaultAckDelay = 250 * time.Millisecond
	// DefaultPrealloc is written ahead as zeros: a write that does not grow the file costs the file
	// system no metadata of its own (measured on ext4: see bench).
	DefaultPrealloc = 64 << 10
)

// maxBatch caps what is committed with one fsync, bytes.
const maxBatch = 1 << 20

// overhead is what a frame and its entries add to the bodies at most, bytes.
const overhead = frameHeader + 64

// Names of the cursors.
const (
	cursorAck    = "ack"    // events the centre has acknowledged
	cursorExport = "export" // leaves that the audit log has taken over
)

// Errors of results and of the outbox.
var (
	// ErrFailed says that a write or an fsync failed: nothing more is written until the journal is opened again.
	// After a failed fsync nobody knows what is on the disk.
	ErrFailed = errors.New("journal: storage has failed")
	// ErrFull says that the queue or the space for the journal is full.
	ErrFull = errors.New("journal: full")
	// ErrRecord says that a record is too large or its step does not rise.
	ErrRecord = errors.New("journal: record refused")
	// ErrClosed says that the journal is closed.
	ErrClosed = errors.New("journal: closed")
)

// Options of Open. Zero values mean the defaults.
type Options struct {
	Segment  int64         // size at which a new segment begins, bytes
	Max      int64         // all segments together, bytes; above it records are refused with ErrFull
	Retain   time.Duration // how long an acknowledged and exported segment stays
	Queue    int           // records waiting
	AckDelay time.Duration // an acknowledgement becomes durable with the next record or after this time
	Prealloc int64         // bytes written ahead as zeros; negative: none
	Now      func() time.Time
	// Gap makes the events and leaves that tell of a new epoch after a loss; they are its first.
	Gap func(old, epoch uint64, why string) (events, leaves [][]byte)
	// Forget makes the record that tells of a deletion before anything goes; its step is the journal's to set. Segments go when
	// the audit log has taken its leaves over (DP-08). Nil: they go untold.
	Forget func(Forgotten) Record
	// FS replaces the folder.
	FS FS
}

// Forgotten is what retention is about to delete.
type Forgotten struct {
	Epoch, Leaf uint64    // of the first leaf that remains, or will be there
	Leaves      uint64    // how many go
	Upto        time.Time // nothing that goes is later
}

func (o *Options) defaults(path string) {
	if o.Segment <= 0 {
		o.Segment = DefaultSegment
	}
	if o.Max <= 0 {
		o.Max = DefaultMax
	}
	if o.Retain <= 0 {
		o.Retain = DefaultRetain
	}
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.AckDelay <= 0 {
		o.AckDelay = DefaultAckDelay
	}
	if o.Prealloc == 0 {
		o.Prealloc = DefaultPrealloc
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = Dir(path)
	}
}

// Recovered tells what Open found.
type Recovered struct {
	Epoch    uint64
	LastStep uint64 // the next step is above it
	Model    []byte // last committed model, nil on first start
	Meta     map[string]string
	First    bool   // the journal was made now
	TornTail bool   // a record that was never committed was cut
	Clean    bool   // the last run ended with Close
	OldEpoch uint64 // not 0: evidence was lost, Epoch is new
	Why      string // of the loss
	Holes    []Hole
	Pending  uint64 // events not yet acknowledged
}

// Stats counts what this run wrote.
type Stats struct {
	Records uint64
	Frames  uint64
	Bytes   uint64
	Syncs   uint64
	Dropped uint64 // segments
}

// Journal is an open journal. It owns one goroutine, which Close ends.
type Journal struct {
	opt  Options
	fs   FS
	lock io.Closer

	results chan Result
	kick    chan struct{}
	quit    chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	queue   []item
	closing bool
	failed  error
	state          // committed
	ack     Cursor // what Ack has taken; state.cursors holds what is durable
	segs    []*segment
	refs    []frameRef // frames with events not acknowledged, oldest first
	total   int64
	changed chan struct{}
	stats   Stats
	lazy    bool // a timer for a waiting cursor runs
	memo    leafMemo
	told    *segment // up to here a deletion is told of
	tellsAt Cursor   // the export that covers what tells of it

	// Owned by the writer.
	active File
	alloc  int64 // size of the active file, zeros at its end included
	index  uint64
	crc    uint32
	holes  uint64
}

type item struct {
	rec    Record
	err    error
	cursor string
	at     Cursor
	fresh  string // reason of a new epoch
	after  uint64 // only while this epoch is the last one; 0: whatever it is
	reply  chan error
}

func (it item) isRecord() bool { return it.cursor == "" && it.fresh == "" }

// Open opens or makes the journal in a folder, cuts a torn tail, and begins a new epoch where
// committed evidence is damaged or missing.
func Open(path string, opt Options) (*Journal, Recovered, error) {
	opt.defaults(path)
	lock, err := opt.FS.Lock()
	if err != nil {
		if errors.Is(err, ErrLocked) {
			return nil, Recovered{}, err
		}
		return nil, Recovered{}, fmt.Errorf("journal: open: %w", err)
	}
	j := &Journal{
		opt: opt, fs: opt.FS, lock: lock,
		results: make(chan Result, 2*opt.Queue),
		kick:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		done:    make(chan struct{}),
		changed: make(chan struct{}),
	}
	rec, err := j.recover()
	if err != nil {
		if j.active != nil {
			j.active.Close()
		}
		lock.Close()
		return nil, Recovered{}, fmt.Errorf("journal: open: %w", err)
	}
	go j.run()
	return j, rec, nil
}

func (j *Journal) recover() (Recovered, error) {
	s, err := read(j.fs, nil)
	if err != nil {
		return Recovered{}, err
	}
	rec := Recovered{TornTail: s.torn, Clean: s.clean && !s.torn, Holes: s.holes}
	if s.torn {
		if err := j.cut(s); err != nil {
			return rec, err
		}
	}
	j.state, j.segs, j.refs, j.index, j.crc = s.state, s.segs, s.refs, s.index, s.crc
	j.holes = uint64(len(s.holes))
	for _, seg := range j.segs {
		j.total += seg.size
	}
	switch {
	case len(j.segs) == 0:
		rec.First, rec.Clean = true, true
		err = j.begin("", 0)
	case len(s.holes) > 0:
		rec.OldEpoch, rec.Why, rec.Clean = s.epoch, s.holes[0].Why, false
		// The damaged segment stays as it is.
		err = j.begin(rec.Why, s.epoch)
	default:
		last := j.segs[len(j.segs)-1]
		if j.active, err = j.fs.Edit(last.name); err == nil {
			// Left by a killed process: whole, but perhaps in memory only.
			err = j.sync(j.active)
		}
		if err == nil {
			j.alloc, err = j.active.Size()
		}
	}
	if err != nil {
		return rec, err
	}
	j.ack = j.cursors[cursorAck]
	rec.Epoch, rec.LastStep = j.epoch, j.step
	rec.Model = append([]byte(nil), j.model...)
	rec.Meta = j.state.clone().meta
	rec.Pending = j.pending()
	return rec, nil
}

// cut removes the torn tail, or the whole last segment where nothing of it was ever committed.
func (j *Journal) cut(s *scan) error {
	last := s.segs[len(s.segs)-1]
	if s.good == 0 {
		if err := j.fs.Remove(last.name); err != nil {
			return err
		}
		s.segs = s.segs[:len(s.segs)-1]
		if n := len(s.segs); n > 0 {
			before := s.segs[n-1] // the name of the removed one may have named a new epoch
			s.epoch, s.seq, s.leaf = before.epoch, before.seq, before.leafTo
		}
		return j.fs.Sync()
	}
	f, err := j.fs.Edit(last.name)
	if err != nil {
		return err
	}
	err = errors.Join(f.Truncate(s.good), j.sync(f), f.Close())
	last.size = s.good
	return err
}

// newEpoch rises with the clock and above the old one; its last bits are random so that two
// journals made in one second differ. It stays below 2^53, which JSON readers need.
func (j *Journal) newEpoch(old uint64) uint64 {
	var r [8]byte
	_, _ = rand.Read(r[:]) // never fails
	e := uint64(max(j.opt.Now().Unix(), 0))&(1<<33-1)<<18 | binary.LittleEndian.Uint64(r[:])&(1<<18-1)
	return max(e, old+1, 1)
}

// begin starts a new epoch with a segment of its own.
func (j *Journal) begin(why string, old uint64) error {
	epoch := j.newEpoch(old)
	h := j.state.head(j.opt.Now().UnixMilli())
	h.epoch, h.fresh, h.old, h.why, h.holes, h.seq, h.leaf = epoch, true, old, why, j.holes, 0, 0
	es := []entry{{kind: kindHead, head: h}}
	payload := appendEntry(nil, kindHead, putHead(h))
	if old != 0 && j.opt.Gap != nil {
		r := Record{Step: j.step}
		r.Events, r.Leaves = j.opt.Gap(old, epoch, why)
		e := entry{kind: kindStep, rec: r, seq: 1, leaf: 0}
		es = append(es, e)
		payload = appendEntry(payload, kindStep, putStep(r, 1, 0))
	}
	return j.write(payload, es, epoch)
}

// write appends one frame and makes it durable. A head as first entry begins a new segment.
func (j *Journal) write(payload []byte, es []entry, epoch uint64) error {
	b := putFrame(j.index+1, j.crc, payload)
	roll := es[0].kind == kindHead
	var seg *segment
	f := j.active
	if roll {
		seg = &segment{name: segmentName(j.index+1, epoch), first: j.index + 1, epoch: epoch, created: es[0].head.created, leafFrom: es[0].head.leaf}
		var err error
		if f, err = j.fs.Create(seg.name); err != nil {
			return err
		}
	} else {
		seg = j.segs[len(j.segs)-1]
	}
	out, alloc := b, j.alloc
	if roll {
		alloc = 0
	}
	if end := seg.size + int64(len(b)); end > alloc {
		alloc = end
		if p := j.opt.Prealloc; p > 0 {
			alloc = (end + p - 1) / p * p
			out = append(b[:len(b):len(b)], make([]byte, alloc-end)...)
		}
	}
	n, err := f.WriteAt(out, seg.size)
	if err == nil && n < len(out) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = j.sync(f)
	}
	if err == nil && roll {
		j.mu.Lock()
		j.stats.Syncs++
		j.mu.Unlock()
		err = j.fs.Sync()
	}
	if err != nil {
		if roll {
			f.Close()
		}
		return err
	}
	if roll && j.active != nil {
		// Without the zeros; if that does not become durable, they are read as the end they are.
		_ = j.active.Truncate(j.segs[len(j.segs)-1].size)
		j.active.Close()
	}
	j.active, j.alloc = f, alloc
	j.index++
	j.crc = binary.LittleEndian.Uint32(b[crcAt:])

	j.mu.Lock()
	defer j.mu.Unlock()
	if roll {
		j.segs = append(j.segs, seg)
	}
	ref := frameRef{seg: seg, off: seg.size, size: int64(len(b)), epoch: epoch}
	for _, e := range es {
		j.state.apply(e)
		if e.kind == kindStep && len(e.rec.Events) > 0 {
			if ref.n == 0 {
				ref.first = e.seq
			}
			ref.n += uint64(len(e.rec.Events))
		}
	}
	if ref.n > 0 {
		j.refs = append(j.refs, ref)
	}
	seg.size += int64(len(b))
	seg.seq, seg.leafTo = j.seq, j.leaf
	j.total += int64(len(b))
	j.stats.Frames++
	j.stats.Bytes += uint64(len(b))
	close(j.changed)
	j.changed = make(chan struct{})
	return nil
}

func (j *Journal) sync(f File) error {
	j.mu.Lock()
	j.stats.Syncs++
	j.mu.Unlock()
	return f.Sync()
}

// Submit implements Committer. The journal keeps the record's slices: they must not change any more.
func (j *Journal) Submit(r Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	it := item{rec: r}
	switch {
	case j.closing:
		return // Results is closing or closed: nobody waits for this one
	case len(j.queue) >= j.opt.Queue:
		it = item{rec: Record{Step: r.Step}, err: fmt.Errorf("%w: %d records wait", ErrFull, len(j.queue))}
	}
	j.queue = append(j.queue, it)
	j.wake()
}

// Results implements Committer. It is closed by Close.
func (j *Journal) Results() <-chan Result { return j.results }

func (j *Journal) wake() {
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

// run is the writer: the only one who touches the active segment.
func (j *Journal) run() {
	defer close(j.done)
	for {
		select {
		case <-j.kick:
			for j.commit() {
			}
		case <-j.quit:
			for j.commit() {
			}
			return
		}
	}
}

// commit writes what is queued as one frame. It returns whether there was anything.
func (j *Journal) commit() bool {
	j.mu.Lock()
	batch := j.queue
	size := 0
	for i, it := range batch {
		size += it.rec.size()
		if i > 0 && (size > maxBatch || it.fresh != "" || batch[i-1].fresh != "") {
			batch = batch[:i:i]
			break
		}
	}
	j.queue = j.queue[len(batch):]
	if len(j.queue) == 0 {
		j.queue = nil
	}
	st, failed := j.state, j.failed // maps of st are read by this goroutine only, which alone changes them
	total := j.total
	j.mu.Unlock()
	if len(batch) == 0 {
		return false
	}
	if batch[0].fresh != "" {
		err := failed
		if it := batch[0]; err == nil && (it.after == 0 || st.epoch <= it.after) {
			if err = j.begin(batch[0].fresh, st.epoch); err != nil {
				err = j.fail(err)
			}
		}
		batch[0].reply <- err
		return true
	}
	var payload []byte
	var es []entry
	results := make([]Result, 0, len(batch))
	add := func(e entry, body []byte) {
		payload = appendEntry(payload, e.kind, body)
		es = append(es, e)
	}
	for _, it := range batch {
		if !it.isRecord() {
			if failed == nil {
				add(entry{kind: kindCursor, cursor: it.cursor, at: it.at}, putCursor(it.cursor, it.at))
			}
			continue
		}
		err := it.err
		if err == nil {
			err = failed
		}
		if err == nil {
			err = it.rec.check(&st)
		}
		var body []byte
		if err == nil {
			body = putStep(it.rec, st.seq+1, st.leaf)
			switch {
			case len(body) > MaxRecord:
				err = fmt.Errorf("%w: %d bytes", ErrRecord, len(body))
			case total+int64(len(payload)+len(body))+overhead > j.opt.Max:
				err = fmt.Errorf("%w: %d bytes on disk", ErrFull, total)
			}
		}
		results = append(results, Result{Step: it.rec.Step, Err: err})
		if err != nil {
			continue
		}
		add(entry{kind: kindStep, rec: it.rec, seq: st.seq + 1, leaf: st.leaf}, body)
		st.step = it.rec.Step
		st.seq += uint64(len(it.rec.Events))
		st.leaf += uint64(len(it.rec.Leaves))
	}
	if len(es) > 0 {
		j.mu.Lock()
		active := j.segs[len(j.segs)-1].size
		j.mu.Unlock()
		rolled := active+int64(len(payload)) > j.opt.Segment
		if rolled {
			h := j.state.head(j.opt.Now().UnixMilli())
			es = append([]entry{{kind: kindHead, head: h}}, es...)
			payload = append(appendEntry(nil, kindHead, putHead(h)), payload...)
		}
		if err := j.write(payload, es, st.epoch); err != nil {
			err = j.fail(err)
			for i := range results {
				if results[i].Err == nil {
					results[i].Err = err
				}
			}
		} else {
			j.mu.Lock()
			for _, r := range results {
				if r.Err == nil {
					j.stats.Records++
				}
			}
			j.mu.Unlock()
			j.drop()
		}
	}
	for _, r := range results {
		select {
		case j.results <- r:
			continue
		default:
		}
		select {
		case j.results <- r:
		case <-j.quit: // nobody reads any more
		}
	}
	return true
}

// fail makes a storage error final: after it nothing is written, so that nothing stands behind a broken frame.
func (j *Journal) fail(err error) error {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed == nil {
		j.failed = err
	}
	close(j.changed)
	j.changed = make(chan struct{})
	return j.failed
}

// Err is the storage error that ended writing, if any.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

func (r Record) size() int {
	n := len(r.Model) + 64
	for _, l := range [][][]byte{r.Events, r.Leaves} {
		for _, b := range l {
			n += len(b) + 8
		}
	}
	for k, v := range r.Meta {
		n += len(k) + len(v) + 8
	}
	return n
}

func (r Record) check(st *state) error {
	switch {
	case r.Step <= st.step:
		return fmt.Errorf("%w: step %d after %d", ErrRecord, r.Step, st.step)
	case len(r.Events) > maxItems, len(r.Leaves) > maxItems, len(r.Meta) > maxItems:
		return fmt.Errorf("%w: %d events, %d leaves, %d rows", ErrRecord, len(r.Events), len(r.Leaves), len(r.Meta))
	case r.size() > MaxRecord:
		return fmt.Errorf("%w: %d bytes", ErrRecord, r.size())
	}
	rows, size := len(st.meta), st.metaLen
	for k, v := range r.Meta {
		if v != "" {
			rows++
			size += len(k) + len(v)
		}
	}
	if rows > MaxMeta || size > MaxMetaBytes {
		return fmt.Errorf("%w: %d rows are kept", ErrRecord, len(st.meta))
	}
	return nil
}

// drop removes the oldest segments that are acknowledged, exported and old enough (DP-08): first it tells of them, and
// when the audit log holds that, they go. A removal that fails is tried again later: a segment too many is no loss. What was told
// before a restart is told again.
func (j *Journal) drop() {
	now := j.opt.Now().UnixMilli()
	j.mu.Lock()
	n := 0
	for n < len(j.segs)-1 && j.droppable(j.segs[n], j.segs[n+1].created, now) {
		n++
	}
	old, kept := j.segs[:n], j.segs[n:]
	j.mu.Unlock()
	if n == 0 {
		return
	}
	if j.opt.Forget != nil {
		at := slices.Index(old, j.told) + 1
		if at == 0 {
			j.tell(old, kept[0])
			return
		}
		if !done(j.cursors[cursorExport], j.tellsAt.Epoch, j.tellsAt.Upto) {
			return
		}
		old = old[:at]
	}
	gone := false
	for _, seg := range old {
		if j.fs.Remove(seg.name) != nil {
			break
		}
		gone = true
		j.mu.Lock()
		j.segs = j.segs[1:]
		j.total -= seg.size
		j.stats.Dropped++
		j.mu.Unlock()
	}
	if gone {
		_ = j.fs.Sync()
	}
}

// tell commits the record of a deletion.
func (j *Journal) tell(old []*segment, kept *segment) {
	f := Forgotten{Epoch: kept.epoch, Leaf: kept.leafFrom, Upto: time.UnixMilli(kept.created).UTC()}
	for _, seg := range old {
		f.Leaves += seg.leafTo - seg.leafFrom
	}
	r := j.opt.Forget(f)
	r.Step = j.step
	e := entry{kind: kindStep, rec: r, seq: j.seq + 1, leaf: j.leaf}
	if err := j.write(appendEntry(nil, kindStep, putStep(r, e.seq, e.leaf)), []entry{e}, j.epoch); err != nil {
		_ = j.fail(err)
		return
	}
	j.told, j.tellsAt = old[len(old)-1], Cursor{j.epoch, j.leaf}
}

// done tells whether a cursor is at or behind a place.
func done(c Cursor, epoch, upto uint64) bool {
	return c.Epoch > epoch || c.Epoch == epoch && c.Upto >= upto
}

func (j *Journal) droppable(seg *segment, closed, now int64) bool {
	return closed != 0 && now-closed >= j.opt.Retain.Milliseconds() &&
		(seg.seq == 0 || done(j.cursors[cursorAck], seg.epoch, seg.seq)) &&
		(seg.leafTo == seg.leafFrom || done(j.cursors[cursorExport], seg.epoch, seg.leafTo))
}

// First is the first leaf that is there or will be: retention has deleted those before.
func (j *Journal) First() (epoch, leaf uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segs[0].epoch, j.segs[0].leafFrom
}

// move queues a cursor; it becomes durable with the next record or after AckDelay. Callers hold mu.
func (j *Journal) move(name string, c Cursor) {
	if n := len(j.queue); n > 0 && j.queue[n-1].cursor == name {
		j.queue[n-1].at = c
		return
	}
	j.queue = append(j.queue, item{cursor: name, at: c})
	if !j.lazy {
		j.lazy = true
		time.AfterFunc(j.opt.AckDelay, func() {
			j.mu.Lock()
			j.lazy = false
			j.mu.Unlock()
			j.wake()
		})
	}
}

// Exported tells that the audit log has durably taken over all leaves of the epoch below upto:
// retention may drop them.
func (j *Journal) Exported(epoch, upto uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if epoch > j.epoch || epoch == j.epoch && upto > j.leaf {
		return fmt.Errorf("%w: %d leaves of epoch %d", ErrAhead, upto, epoch)
	}
	j.move(cursorExport, Cursor{epoch, upto})
	return nil
}

// NewEpoch begins a new epoch because evidence was lost that only somebody else can know of: the
// centre has acknowledged, or the audit log has signed, more than the journal holds.
func (j *Journal) NewEpoch(ctx context.Context, why string) (uint64, error) {
	return j.freshEpoch(ctx, 0, why)
}

// Lost is NewEpoch for a loss in a certain epoch: where a later one has begun already, because the same loss
// was found in another way, nothing changes.
func (j *Journal) Lost(ctx context.Context, epoch uint64, why string) (uint64, error) {
	return j.freshEpoch(ctx, epoch, why)
}

func (j *Journal) freshEpoch(ctx context.Context, after uint64, why string) (uint64, error) {
	if why == "" {
		why = "unknown"
	}
	reply := make(chan error, 1)
	j.mu.Lock()
	if j.closing {
		j.mu.Unlock()
		return 0, ErrClosed
	}
	j.queue = append(j.queue, item{fresh: why, after: after, reply: reply})
	j.wake()
	j.mu.Unlock()
	select {
	case err := <-reply:
		return j.Epoch(), err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Epoch is the current epoch.
func (j *Journal) Epoch() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.epoch
}

// Meta returns a committed row, "" where there is none.
func (j *Journal) Meta(key string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.meta[key]
}

// Changed returns a channel that is closed at the next commit or failure.
func (j *Journal) Changed() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed
}

// Stats counts what this run wrote.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stats
}

// Usage tells how full the journal is: bytes of all segments, their limit, events not acknowledged.
func (j *Journal) Usage() (bytes, limit int64, pending uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.total, j.opt.Max, j.pending()
}

func (j *Journal) pending() uint64 {
	n := uint64(0)
	for _, r := range j.refs {
		n += r.n
	}
	if len(j.refs) > 0 && j.refs[0].epoch == j.ack.Epoch && j.ack.Upto >= j.refs[0].first {
		n -= j.ack.Upto - j.refs[0].first + 1
	}
	return n
}

// Close commits what is queued, marks the end as clean and closes.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closing {
		j.mu.Unlock()
		<-j.done
		return nil
	}
	j.closing = true
	j.mu.Unlock()
	close(j.quit)
	<-j.done
	err := j.Err()
	if err == nil {
		e := entry{kind: kindClean}
		if err = j.write(appendEntry(nil, kindClean, nil), []entry{e}, j.epoch); err != nil {
			err = j.fail(err)
		}
		_ = j.active.Truncate(j.segs[len(j.segs)-1].size) // as in write
	}
	j.mu.Lock()
	close(j.changed)
	j.changed = make(chan struct{})
	j.mu.Unlock()
	close(j.results)
	return errors.Join(err, j.active.Close(), j.lock.Close())
}
