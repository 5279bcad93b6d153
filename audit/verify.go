package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"egate/journal"
)

// ErrTampered says that the log is not what a checkpoint commits to.
var ErrTampered = errors.New("audit: the log is not what was signed")

// Report is what Verify has checked.
type Report struct {
	Epochs    []EpochReport
	TornTail  bool
	Witnessed int // checkpoints from outside that were compared
	Deletions int // by retention, as signed leaves tell
}

// EpochReport is the part of one epoch.
type EpochReport struct {
	Epoch    uint64
	Signed   int64 // leaves below the checkpoint
	Cosigned int64 // leaves below the last checkpoint that a witness has cosigned, by the gate's own copy
	Present  int64 // of these, leaves that retention has not dropped: compared byte by byte
	Above    int64 // committed leaves that no checkpoint covers yet
}

// Verify checks the logs of a gate from its files: every leaf that is still there against the stored
// hashes, these against the signed roots, and all against checkpoints that left the gate earlier
// (against; what the centre or a witness kept), of which each must be a root of what is there. The
// journal is only read.
func Verify(journalDir, auditDir, name string, key ed25519.PublicKey, against ...[]byte) (Report, error) {
	v := Verifier(name, key)
	outside := map[uint64][]Checkpoint{}
	for i, b := range against {
		c, err := ParseCheckpoint(b, v)
		if err != nil {
			return Report{}, fmt.Errorf("audit: checkpoint %d from outside: %w", i+1, err)
		}
		e, err := c.Epoch()
		if err != nil || c.Origin != Origin(name, e) {
			return Report{}, fmt.Errorf("audit: checkpoint %d from outside: %w: it is of %s", i+1, ErrCheckpoint, c.Origin)
		}
		outside[e] = append(outside[e], c)
	}
	checks := map[uint64]*check{}
	epochs, err := Epochs(auditDir)
	if err != nil {
		return Report{}, err
	}
	defer func() {
		for _, c := range checks {
			c.f.Close()
		}
	}()
	for _, e := range epochs {
		if d := epochDir(auditDir, e); len(outside[e]) == 0 && absent(d, checkpointFile) && absent(d, cosignedFile) {
			continue // the gate ended between the first record of an epoch and its first checkpoint
		}
		c, err := openCheck(epochDir(auditDir, e), Origin(name, e), v, outside[e])
		if err != nil {
			return Report{}, err
		}
		checks[e] = c
	}
	rep := Report{Witnessed: len(against)}
	for e := range outside {
		if checks[e] == nil {
			return rep, fmt.Errorf("%w: the log of epoch %d, which has left the gate, is gone", ErrTampered, e)
		}
	}
	above := map[uint64]int64{}
	var gone deletions
	var sent error
	jr, err := journal.Read(journal.Dir(journalDir), func(e journal.Entry) error {
		for i, d := range e.Events {
			if sent == nil && (i >= len(e.Leaves) || !bytes.Equal(d, e.Leaves[i])) {
				sent = fmt.Errorf("%w: event %d-%d, which goes to the centre, is not the leaf beside it", ErrTampered, e.Epoch, e.FirstSeq+uint64(i))
			}
		}
		for i, d := range e.Leaves {
			c := checks[e.Epoch]
			gone.see(e.Epoch, e.FirstLeaf+uint64(i), d, c != nil && int64(e.FirstLeaf)+int64(i) < c.at.Size)
			if c == nil {
				above[e.Epoch]++ // an epoch that has no checkpoint yet
				continue
			}
			if c.err == nil {
				c.err = c.leaf(int64(e.FirstLeaf)+int64(i), d)
			}
		}
		return nil
	})
	if err != nil {
		return rep, err
	}
	rep.TornTail = jr.TornTail
	var found []error
	if sent != nil {
		found = append(found, sent)
	}
	for _, e := range slices.Sorted(maps.Keys(checks)) {
		c := checks[e]
		if c.err == nil {
			c.err = c.finish()
		}
		switch {
		case c.err != nil:
		case e > jr.Epoch:
			c.err = fmt.Errorf("%w: the journal of %s is gone", ErrTampered, c.epoch)
		case e == jr.Epoch && int64(jr.Leaves) < c.at.Size:
			c.err = fmt.Errorf("%w: %s: leaves end at %d, %d are signed", ErrTampered, c.epoch, jr.Leaves, c.at.Size)
		}
		if c.err != nil {
			found = append(found, c.err)
		}
		rep.Epochs = append(rep.Epochs, EpochReport{Epoch: e, Signed: c.at.Size, Cosigned: c.cosigned, Present: c.present, Above: c.above})
	}
	rep.Deletions = len(gone.all)
	if epochs := slices.Sorted(maps.Keys(checks)); len(epochs) > 0 && len(found) == 0 {
		found = append(found, gone.explain(epochs[0]))
		for _, x := range gone.all {
			c := checks[x.Epoch]
			if x.Leaf == 0 && x.Epoch <= jr.Epoch { // of whole epochs
				found = append(found, x.agrees(EmptyHash))
				continue
			}
			if c == nil || int64(x.Leaf) > c.at.Size || x.Leaf > math.MaxInt64 {
				found = append(found, fmt.Errorf("%w: a deletion tells of leaves that no log has", ErrTampered))
				continue
			}
			root, err := Root(auditDir, x.Epoch, x.Leaf)
			if err == nil {
				err = x.agrees(root)
			}
			found = append(found, err)
		}
	}
	for _, e := range slices.Sorted(maps.Keys(above)) {
		rep.Epochs = append(rep.Epochs, EpochReport{Epoch: e, Above: above[e]})
	}
	for _, h := range jr.Holes {
		found = append(found, fmt.Errorf("%w: journal %s at %d: %s", ErrTampered, h.Segment, h.Offset, h.Why))
	}
	return rep, errors.Join(found...)
}

// Epochs lists those that have a log, in their order.
func Epochs(auditDir string) ([]uint64, error) {
	names, err := os.ReadDir(auditDir)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	var out []uint64
	for _, n := range names {
		if e, err := strconv.ParseUint(n.Name(), 10, 64); err == nil && n.IsDir() {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return out, nil
}

// check follows one epoch: it goes through the stored hashes once, in order.
type check struct {
	f        *os.File
	r        *bufio.Reader
	at       Checkpoint
	roots    map[int64]tlog.Hash // further roots that must appear
	epoch    string
	tree     tree
	cosigned int64
	present  int64
	above    int64
	started  bool
	err      error
}

func absent(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return errors.Is(err, os.ErrNotExist)
}

func openCheck(dir, origin string, v note.Verifier, outside []Checkpoint) (*check, error) {
	b, err := os.ReadFile(filepath.Join(dir, checkpointFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %s has no checkpoint: %w", ErrTampered, origin, err)
	}
	c := &check{roots: map[int64]tlog.Hash{}, epoch: origin}
	if c.at, err = ParseCheckpoint(b, v); err != nil {
		return nil, err
	}
	if c.at.Origin != origin {
		return nil, fmt.Errorf("%w: the checkpoint of %s is of %s", ErrTampered, origin, c.at.Origin)
	}
	own := []Checkpoint{c.at}
	// The gate's copy of what a witness cosigned is one more root that must appear.
	switch b, err := os.ReadFile(filepath.Join(dir, cosignedFile)); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("audit: verify: %w", err)
	default:
		w, err := ParseCheckpoint(b, v)
		if err != nil || w.Origin != origin {
			return nil, fmt.Errorf("%w: the cosigned checkpoint of %s is not one of it", ErrTampered, origin)
		}
		c.cosigned, own = w.Size, append(own, w)
	}
	for _, o := range append(own, outside...) {
		if o.Size > c.at.Size {
			return nil, fmt.Errorf("%w: %s ends at %d, a checkpoint over %d has left the gate", ErrTampered, origin, c.at.Size, o.Size)
		}
		if h, ok := c.roots[o.Size]; ok && h != o.Hash {
			return nil, fmt.Errorf("%w: %s has two roots of %d leaves", ErrTampered, origin, o.Size)
		}
		c.roots[o.Size] = o.Hash
	}
	if c.f, err = os.Open(filepath.Join(dir, hashFile)); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrTampered, origin, err)
	}
	c.r = bufio.NewReaderSize(c.f, 1<<16)
	if err := c.root(); err != nil {
		c.f.Close()
		return nil, err
	}
	return c, nil
}

// root compares the tree so far with the root that was signed for its size.
func (c *check) root() error {
	if h, ok := c.roots[c.tree.n]; ok && h != c.tree.root() {
		return fmt.Errorf("%w: %s: the root of %d leaves differs", ErrTampered, c.epoch, c.tree.n)
	}
	return nil
}

// next takes the next leaf from its data, or (nil) from its stored hash alone.
func (c *check) next(data []byte) error {
	var stored tlog.Hash
	if _, err := io.ReadFull(c.r, stored[:]); err != nil {
		return fmt.Errorf("%w: %s: stored hashes end at leaf %d", ErrTampered, c.epoch, c.tree.n)
	}
	if data != nil && tlog.RecordHash(data) != stored {
		return fmt.Errorf("%w: %s: leaf %d was changed", ErrTampered, c.epoch, c.tree.n)
	}
	for _, h := range c.tree.add(stored)[1:] {
		if _, err := io.ReadFull(c.r, stored[:]); err != nil || stored != h {
			return fmt.Errorf("%w: %s: an inner hash at leaf %d was changed", ErrTampered, c.epoch, c.tree.n-1)
		}
	}
	return c.root()
}

func (c *check) leaf(i int64, data []byte) error {
	if i >= c.at.Size {
		c.above++
		return nil
	}
	if !c.started {
		c.started = true
		for c.tree.n < i { // dropped by retention: their hashes stand for them
			if err := c.next(nil); err != nil {
				return err
			}
		}
	}
	if i != c.tree.n {
		return fmt.Errorf("%w: %s: leaf %d where %d is expected", ErrTampered, c.epoch, i, c.tree.n)
	}
	c.present++
	if data == nil {
		data = []byte{}
	}
	return c.next(data)
}

func (c *check) finish() error {
	if c.started && c.tree.n < c.at.Size {
		return fmt.Errorf("%w: %s: leaves end at %d, %d are signed", ErrTampered, c.epoch, c.tree.n, c.at.Size)
	}
	for c.tree.n < c.at.Size {
		if err := c.next(nil); err != nil {
			return err
		}
	}
	return nil
}

// InclusionProof shows that a leaf is in the log of a checkpoint; it needs nothing else to be checked
// than the gate's key.
type InclusionProof struct {
	Checkpoint []byte           `json:"checkpoint"`
	Index      int64            `json:"index"`
	Leaf       []byte           `json:"leaf"`
	Proof      tlog.RecordProof `json:"proof"`
}

// Prove makes the proof of one leaf under the last checkpoint of its epoch.
func Prove(journalDir, auditDir, name string, key ed25519.PublicKey, epoch uint64, index int64) (InclusionProof, error) {
	p := InclusionProof{Index: index}
	found := errors.New("found")
	_, err := journal.Read(journal.Dir(journalDir), func(e journal.Entry) error {
		if i := index - int64(e.FirstLeaf); e.Epoch == epoch && i >= 0 && i < int64(len(e.Leaves)) {
			p.Leaf = bytes.Clone(e.Leaves[i])
			return found
		}
		return nil
	})
	if err == nil {
		return p, fmt.Errorf("audit: prove: leaf %d of epoch %d is not there", index, epoch)
	}
	if !errors.Is(err, found) {
		return p, err
	}
	dir := epochDir(auditDir, epoch)
	if p.Checkpoint, err = os.ReadFile(filepath.Join(dir, checkpointFile)); err != nil {
		return p, fmt.Errorf("audit: prove: %w", err)
	}
	c, err := ParseCheckpoint(p.Checkpoint, Verifier(name, key))
	if err != nil {
		return p, err
	}
	if index >= c.Size {
		return p, fmt.Errorf("audit: prove: no checkpoint covers leaf %d yet", index)
	}
	f, err := os.Open(filepath.Join(dir, hashFile))
	if err != nil {
		return p, fmt.Errorf("audit: prove: %w", err)
	}
	defer f.Close()
	if p.Proof, err = tlog.ProveRecord(c.Size, index, fileHashes{f}); err != nil {
		return p, fmt.Errorf("audit: prove: %w", err)
	}
	return p, p.Check(name, key)
}

// Check checks a proof of inclusion.
func (p InclusionProof) Check(name string, key ed25519.PublicKey) error {
	c, err := ParseCheckpoint(p.Checkpoint, Verifier(name, key))
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(p.Proof, c.Size, c.Hash, p.Index, tlog.RecordHash(p.Leaf)); err != nil {
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return nil
}

// Extension is the last checkpoint with the proof that it extends the one of an older size, in the
// form that C2SP witnesses take: "old N", the hashes in base64, an empty line, the checkpoint.
func (l *Log) Extension(old int64) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hashes == nil || l.last == nil {
		return nil, errors.New("audit: no checkpoint yet")
	}
	if old < 0 || old > l.signed {
		return nil, fmt.Errorf("audit: a checkpoint over %d leaves cannot extend one over %d", l.signed, old)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "old %d\n", old)
	if old > 0 {
		p, err := tlog.ProveTree(l.signed, old, fileHashes{l.hashes})
		if err != nil {
			return nil, fmt.Errorf("audit: prove: %w", err)
		}
		for _, h := range p {
			b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
		}
	}
	b.WriteString("\n")
	b.Write(l.last)
	return []byte(b.String()), nil
}

// Errors of a witness.
var (
	// ErrFork says that a gate has signed two histories: an alarm.
	ErrFork = errors.New("audit: fork: the gate has signed two histories")
	// ErrRollback says that a gate came with less than it had signed before: an alarm.
	ErrRollback = errors.New("audit: rollback: the gate has signed more than this before")
	// ErrOld says that the extension begins at another size than the witness knows; it is asked for again.
	ErrOld = errors.New("audit: the proof begins elsewhere")
)

// Witness remembers the last checkpoint of each log of one gate. One goroutine uses it; what it
// remembers (Seen) is its owner's to keep durably before the cosignature leaves.
type Witness struct {
	By   note.Verifier
	Name string // of the gate
	Seen map[string]Checkpoint
}

// maxProof caps the hashes of a consistency proof: a tree has at most 63 levels.
const maxProof = 63

// Take checks an extension, in the form that C2SP witnesses take, and remembers its checkpoint.
func (w *Witness) Take(ext []byte) (Checkpoint, []byte, error) {
	head, msg, ok := bytes.Cut(ext, []byte("\n\n"))
	if !ok || len(ext) > maxNote {
		return Checkpoint{}, nil, fmt.Errorf("%w: no proof before it", ErrCheckpoint)
	}
	lines := strings.Split(string(head), "\n")
	oldText, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(oldText, 10, 64)
	if !ok || err != nil || old < 0 || len(lines)-1 > maxProof {
		return Checkpoint{}, nil, fmt.Errorf("%w: proof", ErrCheckpoint)
	}
	var proof tlog.TreeProof
	for _, l := range lines[1:] {
		b, err := base64.StdEncoding.Strict().DecodeString(l)
		if err != nil || len(b) != tlog.HashSize {
			return Checkpoint{}, nil, fmt.Errorf("%w: proof", ErrCheckpoint)
		}
		proof = append(proof, tlog.Hash(b))
	}
	c, err := w.check(msg, old, proof)
	if err != nil {
		return c, nil, err
	}
	return c, msg, nil
}

// TakeMessage checks a checkpoint as a gate publishes it (see Log.Message) and remembers it. Of an epoch
// that it does not know it takes any.
func (w *Witness) TakeMessage(msg []byte) (Checkpoint, error) {
	old, proof, err := proofOf(msg, w.Name)
	if err != nil {
		return Checkpoint{}, err
	}
	return w.check(msg, old, proof)
}

// check compares a signed checkpoint with what is known.
func (w *Witness) check(msg []byte, old int64, proof tlog.TreeProof) (Checkpoint, error) {
	c, err := ParseCheckpoint(msg, w.By)
	if err != nil {
		return c, err
	}
	if e, err := c.Epoch(); err != nil || c.Origin != Origin(w.Name, e) {
		return c, fmt.Errorf("%w: it is of %s", ErrCheckpoint, c.Origin)
	}
	seen, known := w.Seen[c.Origin]
	switch {
	case !known || seen.Size == 0:
	case c.Size < seen.Size:
		return c, fmt.Errorf("%w: %d leaves after %d", ErrRollback, c.Size, seen.Size)
	case c.Size == seen.Size && c.Hash == seen.Hash:
		return c, nil
	case c.Size == seen.Size:
		return c, fmt.Errorf("%w: two roots of %d leaves", ErrFork, c.Size)
	case old != seen.Size:
		return c, fmt.Errorf("%w: at %d, %d is known", ErrOld, old, seen.Size)
	default:
		if err := tlog.CheckTree(proof, c.Size, c.Hash, seen.Size, seen.Hash); err != nil {
			return c, fmt.Errorf("%w: %d leaves do not extend %d", ErrFork, c.Size, seen.Size)
		}
	}
	if w.Seen == nil {
		w.Seen = map[string]Checkpoint{}
	}
	w.Seen[c.Origin] = c
	return c, nil
}
