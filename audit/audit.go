// Package audit is the tamper-evident log over the journal's leaves: a Merkle tree (RFC 6962, as in
// golang.org/x/mod/sumdb/tlog) whose size and root are signed as a checkpoint (C2SP tlog-checkpoint, a
// signed note). Whoever holds one checkpoint that left the gate finds every change, removal,
// insertion or reordering of the leaves below it (E-02).
//
// Each epoch of the journal has a log of its own: after a loss the tree could not go on. Hashes of
// all leaves stay when retention drops the leaves, so that what remains is provably what was.
package audit

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"egate/journal"
)

// ErrBehind says that the journal holds fewer or other leaves than the log has signed.
var ErrBehind = errors.New("audit: the journal does not hold what was signed")

const (
	hashFile       = "hashes"
	checkpointFile = "checkpoint"
)

// EmptyHash is the root of a log without leaves.
var EmptyHash = tlog.Hash(sha256.Sum256(nil))

// tree is the right edge of a Merkle tree: the roots of its complete subtrees, largest first.
type tree struct {
	n    int64
	edge []tlog.Hash
}

// add appends a leaf hash and returns the stored hashes that it completes, in their order.
func (t *tree) add(h tlog.Hash) []tlog.Hash {
	out := []tlog.Hash{h}
	for m := t.n; m&1 == 1; m >>= 1 {
		last := len(t.edge) - 1
		h = tlog.NodeHash(t.edge[last], h)
		t.edge = t.edge[:last]
		out = append(out, h)
	}
	t.edge = append(t.edge, h)
	t.n++
	return out
}

func (t *tree) root() tlog.Hash {
	if t.n == 0 {
		return EmptyHash
	}
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}

// load makes the right edge of a tree of n leaves from its stored hashes.
func load(n int64, r tlog.HashReader) (tree, error) {
	t := tree{n: n}
	var need []int64
	at := int64(0)
	for level := 62; level >= 0; level-- {
		if n&(1<<level) != 0 {
			need = append(need, tlog.StoredHashIndex(level, at>>level))
			at += 1 << level
		}
	}
	if len(need) == 0 {
		return t, nil
	}
	hs, err := r.ReadHashes(need)
	t.edge = hs
	return t, err
}

// Log is the open audit log of a gate. Its methods may be called from any goroutine.
type Log struct {
	mu   sync.Mutex
	j    *journal.Journal
	dir  string
	name string
	sign *signer

	epoch  uint64
	hashes *os.File
	tree   tree
	last   []byte // checkpoint as signed
	signed int64
	base   int64  // leaves of the last checkpoint that a witness cosigned: what it can extend a proof from
	fresh  []byte // stored hashes of the leaves above signed, not written yet
	lost   error  // leaves are missing in the journal
	closed bool
	broken bool // an attempt failed half way: files are read again

	again chan struct{} // a witness needs the proof from elsewhere: publish again
}

// Open continues the log of the journal's epoch in a folder, or begins it. Where the journal holds
// less than the log has signed, the journal begins a new epoch, and with it a new log.
func Open(ctx context.Context, j *journal.Journal, dir, name string, key crypto.Signer) (*Log, error) {
	s, err := newSigner(name, key)
	if err != nil {
		return nil, err
	}
	l := &Log{j: j, dir: dir, name: name, sign: s, again: make(chan struct{}, 1)}
	epoch, n := j.LeafCount()
	err = l.openEpoch(epoch)
	if err == nil && l.tree.n > int64(n) {
		err = fmt.Errorf("%w: %d leaves, %d are signed", ErrBehind, n, l.tree.n)
	}
	if errors.Is(err, ErrBehind) || errors.Is(err, ErrCheckpoint) {
		l.close()
		if epoch, err = j.NewEpoch(ctx, "the audit log has signed more than the journal holds"); err != nil {
			return nil, fmt.Errorf("audit: open: %w", err)
		}
		err = l.openEpoch(epoch)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func epochDir(dir string, epoch uint64) string {
	return filepath.Join(dir, strconv.FormatUint(epoch, 10))
}

func (l *Log) openEpoch(epoch uint64) error {
	d := epochDir(l.dir, epoch)
	if err := os.MkdirAll(d, 0o700); err != nil {
		return fmt.Errorf("audit: open: %w", err)
	}
	c := Checkpoint{Origin: Origin(l.name, epoch), Hash: EmptyHash}
	last, err := os.ReadFile(filepath.Join(d, checkpointFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return fmt.Errorf("audit: open: %w", err)
	default:
		if c, err = ParseCheckpoint(last, Verifier(l.name, l.sign.pub)); err != nil {
			return err
		}
		if c.Origin != Origin(l.name, epoch) {
			return fmt.Errorf("%w: it is of %s", ErrCheckpoint, c.Origin)
		}
	}
	f, err := os.OpenFile(filepath.Join(d, hashFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("audit: open: %w", err)
	}
	l.hashes = f
	// What stands above the checkpoint was perhaps never synced: it is made again from the journal.
	if err := f.Truncate(min(size(f), tlog.StoredHashCount(c.Size)*tlog.HashSize)); err != nil {
		return fmt.Errorf("audit: open: %w", err)
	}
	t, err := load(c.Size, fileHashes{f})
	if err != nil || t.root() != c.Hash {
		return fmt.Errorf("%w: stored hashes do not give the signed root", ErrBehind)
	}
	base, err := l.openCosigned(d, c.Size)
	if err != nil {
		return err
	}
	l.epoch, l.tree, l.last, l.signed = epoch, t, last, c.Size
	l.base, l.fresh, l.lost = base, nil, nil
	return nil
}

func size(f *os.File) int64 {
	st, err := f.Stat()
	if err != nil {
		return 0
	}
	return st.Size()
}

func (l *Log) close() {
	if l.hashes != nil {
		l.hashes.Close()
		l.hashes = nil
	}
}

// Close closes the log. It does not sign: call Checkpoint before.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close()
	l.closed = true
	return nil
}

// Checkpoint takes over the leaves committed since the last one and returns the signed checkpoint,
// which is durable then. Without new leaves it is the last one again. It reads and writes files: not
// for the control loop.
func (l *Log) Checkpoint() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.checkpoint(); err != nil {
		return nil, err
	}
	return append([]byte(nil), l.last...), nil
}

// usable opens the files again after an attempt that failed half way; mu is held.
func (l *Log) usable() error {
	if l.closed {
		return errors.New("audit: closed")
	}
	if l.broken {
		l.close()
		if err := l.openEpoch(l.epoch); err != nil {
			return err
		}
		l.broken = false
	}
	return nil
}

func (l *Log) checkpoint() error {
	if err := l.usable(); err != nil {
		return err
	}
	err := l.follow()
	l.broken = err != nil
	return err
}

func (l *Log) follow() error {
	epoch, _ := l.j.LeafCount()
	if epoch != l.epoch {
		// What the old epoch still holds is signed before its log ends; where leaves are missing, that
		// is why it ended.
		if err := l.extend(); err != nil && !errors.Is(err, ErrBehind) {
			return err
		}
		l.close()
		if err := l.openEpoch(epoch); err != nil {
			return err
		}
	}
	return l.extend()
}

// take adds the leaves that were committed since to the tree in memory, and tells whether urgent knows
// one of them.
func (l *Log) take(urgent func(leaf []byte) bool) (hot bool, err error) {
	for leaf, err := range l.j.Leaves(l.epoch, uint64(l.tree.n)) {
		if err != nil {
			return hot, fmt.Errorf("audit: %w", err)
		}
		if leaf.Index != uint64(l.tree.n) {
			l.lost = fmt.Errorf("%w: leaf %d is missing", ErrBehind, l.tree.n)
			break
		}
		for _, h := range l.tree.add(tlog.RecordHash(leaf.Data)) {
			l.fresh = append(l.fresh, h[:]...)
		}
		hot = hot || urgent != nil && urgent(leaf.Data)
	}
	return hot, nil
}

func (l *Log) extend() error {
	if _, err := l.take(nil); err != nil {
		return err
	}
	if l.tree.n == l.signed && l.last != nil {
		return l.lost
	}
	if len(l.fresh) > 0 {
		if _, err := l.hashes.WriteAt(l.fresh, tlog.StoredHashCount(l.signed)*tlog.HashSize); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		if err := l.hashes.Sync(); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	c := Checkpoint{Origin: Origin(l.name, l.epoch), Size: l.tree.n, Hash: l.tree.root()}
	msg, err := note.Sign(&note.Note{Text: c.text()}, l.sign)
	if err != nil {
		return fmt.Errorf("audit: sign: %w", err)
	}
	if err := replace(filepath.Join(epochDir(l.dir, l.epoch), checkpointFile), msg); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	l.last, l.signed, l.fresh = msg, l.tree.n, nil
	if err := l.j.Exported(l.epoch, uint64(l.signed)); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return l.lost
}

// replace writes a file that is whole at any time.
func replace(path string, b []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Rule says when Follow makes a checkpoint.
type Rule struct {
	Period time.Duration          // at the latest so long after a leaf came
	Leaves int64                  // as soon as so many leaves wait; 0: no such limit
	Urgent func(leaf []byte) bool // at once when a leaf is one of these: an order, a change of policy; may be nil
}

// urgentPause is the least time between two checkpoints that leaves of urgency or number ask for: whoever
// can make leaves cannot make the disk busy with checkpoints.
const urgentPause = 250 * time.Millisecond

// Follow makes checkpoints by a rule as leaves are committed; publish gets each new one, with the proof
// that it extends the last one that a witness has cosigned (see Message). It ends with ctx. An error is
// given to fault and tried again with the next period.
func (l *Log) Follow(ctx context.Context, rule Rule, publish func([]byte), fault func(error)) {
	tick := time.NewTicker(rule.Period)
	defer tick.Stop()
	var said string
	var made time.Time
	var pause <-chan time.Time
	due, failed := true, false
	for {
		changed := l.j.Changed() // before looking: what is committed after that wakes this loop again
		if !due && !failed {
			var err error
			if due, err = l.pressing(rule); err != nil {
				due, failed = false, true
				fault(err)
			}
		}
		if wait := urgentPause - time.Since(made); due && wait > 0 {
			if pause == nil {
				pause = time.After(wait)
			}
			due = false
		} else if due {
			pause = nil
			due, failed, made = false, false, time.Now()
			if b, err := l.message(true); err != nil {
				failed = true
				fault(err)
			} else if string(b) != said {
				said = string(b)
				publish(b)
			}
		}
		if failed {
			changed = nil // with the next period
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			due = true
		case <-l.again:
			due = true
		case <-pause:
			pause, due = nil, true
		case <-changed:
		}
	}
}

// pressing takes over new leaves and tells whether a checkpoint must not wait for its period.
func (l *Log) pressing(rule Rule) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return false, err
	}
	if epoch, _ := l.j.LeafCount(); epoch != l.epoch {
		return true, nil
	}
	hot, err := l.take(rule.Urgent)
	if err != nil {
		l.broken = true
		return false, err
	}
	return hot || rule.Leaves > 0 && l.tree.n-l.signed >= rule.Leaves, nil
}

// fileHashes reads stored hashes of a file.
type fileHashes struct{ r io.ReaderAt }

// ReadHashes implements tlog.HashReader.
func (f fileHashes) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, k := range at {
		if n, err := f.r.ReadAt(out[i][:], k*tlog.HashSize); n < tlog.HashSize {
			return nil, fmt.Errorf("audit: stored hash %d: %w", k, err)
		}
	}
	return out, nil
}
