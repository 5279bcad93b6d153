package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"egate/journal"
)

// exportFormat names the format of an export in its first line.
const exportFormat = "egate audit export 1"

// maxExportLine caps one line of an export, bytes: a leaf in base64 with its frame.
const maxExportLine = 2 * journal.MaxRecord

// exportLine is one line: the head of the file, the head of an epoch, or a leaf.
type exportLine struct {
	Format string `json:"format,omitempty"`
	Name   string `json:"name,omitempty"`

	Epoch      uint64      `json:"epoch,omitempty"`
	Checkpoint []byte      `json:"checkpoint,omitempty"`
	First      int64       `json:"first,omitempty"` // leaf that the export begins with; retention has dropped those before
	Edge       []tlog.Hash `json:"edge,omitempty"`  // of the tree of the leaves before: what was there is proven by it

	Leaf []byte `json:"leaf,omitempty"`
	None bool   `json:"none,omitempty"` // an empty leaf
}

// Export writes the leaves that the journal still holds below the last checkpoints, each epoch with its
// checkpoint and the edge of the tree before its first leaf: the file proves by itself that it is what
// the gate has signed. It tells how many leaves there are.
func Export(w io.Writer, journalDir, auditDir, name string, key ed25519.PublicKey) (n int, err error) {
	out := json.NewEncoder(w)
	if err := out.Encode(exportLine{Format: exportFormat, Name: name}); err != nil {
		return 0, fmt.Errorf("audit: export: %w", err)
	}
	heads := map[uint64]Checkpoint{}
	skip := map[uint64]bool{}
	next := map[uint64]int64{}
	var broken error
	_, err = journal.Read(journal.Dir(journalDir), func(e journal.Entry) error {
		for i, leaf := range e.Leaves {
			at := int64(e.FirstLeaf) + int64(i)
			c, begun := heads[e.Epoch]
			if !begun && !skip[e.Epoch] {
				line, cp, err := exportHead(auditDir, name, key, e.Epoch, at)
				if errors.Is(err, os.ErrNotExist) {
					skip[e.Epoch] = true // no checkpoint yet
					continue
				}
				if err != nil {
					return err
				}
				if c = cp; at >= c.Size {
					skip[e.Epoch] = true
					continue
				}
				heads[e.Epoch], next[e.Epoch] = c, at
				if err := out.Encode(line); err != nil {
					return err
				}
			}
			if skip[e.Epoch] || at >= c.Size {
				continue
			}
			if at != next[e.Epoch] && broken == nil {
				broken = fmt.Errorf("%w: epoch %d: leaf %d where %d is expected", ErrTampered, e.Epoch, at, next[e.Epoch])
			}
			next[e.Epoch] = at + 1
			if err := out.Encode(exportLine{Leaf: leaf, None: len(leaf) == 0}); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return n, fmt.Errorf("audit: export: %w", err)
	}
	for _, e := range slices.Sorted(maps.Keys(heads)) {
		if c := heads[e]; next[e] != c.Size && broken == nil {
			broken = fmt.Errorf("%w: epoch %d: leaves end at %d, %d are signed", ErrTampered, e, next[e], c.Size)
		}
	}
	return n, broken
}

func exportHead(auditDir, name string, key ed25519.PublicKey, epoch uint64, first int64) (exportLine, Checkpoint, error) {
	dir := epochDir(auditDir, epoch)
	msg, err := os.ReadFile(filepath.Join(dir, checkpointFile))
	if err != nil {
		return exportLine{}, Checkpoint{}, err
	}
	c, err := ParseCheckpoint(msg, Verifier(name, key))
	if err != nil {
		return exportLine{}, c, err
	}
	l := exportLine{Epoch: epoch, Checkpoint: msg, First: first}
	if first > c.Size {
		return l, c, nil
	}
	f, err := os.Open(filepath.Join(dir, hashFile))
	if err != nil {
		return l, c, err
	}
	defer f.Close()
	t, err := load(first, fileHashes{f})
	l.Edge = t.edge
	return l, c, err
}

// CheckExport checks a file that Export has written, with nothing but the gate's key: every leaf, their
// order and number, and that nothing is missing between the first one and the checkpoint.
func CheckExport(r io.Reader, name string, key ed25519.PublicKey) ([]EpochReport, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 1<<16), maxExportLine)
	var out []EpochReport
	var t tree
	var at Checkpoint
	var gone deletions
	roots := map[deletion]tlog.Hash{} // of what is gone before each epoch
	end := func() error {
		if len(out) == 0 {
			return nil
		}
		if t.n != at.Size || t.root() != at.Hash {
			return fmt.Errorf("%w: %s: %d leaves do not give the root of %d that was signed", ErrTampered, at.Origin, t.n, at.Size)
		}
		return nil
	}
	for n := 0; in.Scan(); n++ {
		var l exportLine
		d := json.NewDecoder(bytes.NewReader(in.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil {
			return out, fmt.Errorf("%w: line %d does not parse", ErrTampered, n+1)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return out, fmt.Errorf("%w: something follows line %d", ErrTampered, n+1)
		}
		switch {
		case n == 0:
			if l.Format != exportFormat || l.Name != name {
				return out, fmt.Errorf("audit: this is no export of %s", name)
			}
		case l.Checkpoint != nil:
			if err := end(); err != nil {
				return out, err
			}
			c, err := ParseCheckpoint(l.Checkpoint, Verifier(name, key))
			if err != nil {
				return out, err
			}
			if c.Origin != Origin(name, l.Epoch) || l.First < 0 || l.First > c.Size || len(l.Edge) != edges(l.First) ||
				len(out) > 0 && l.Epoch <= out[len(out)-1].Epoch {
				return out, fmt.Errorf("%w: line %d: head of an epoch", ErrTampered, n+1)
			}
			at, t = c, tree{n: l.First, edge: l.Edge}
			roots[deletion{Epoch: l.Epoch, Leaf: uint64(l.First)}] = t.root()
			out = append(out, EpochReport{Epoch: l.Epoch, Signed: c.Size})
		case len(out) == 0 || (l.Leaf == nil) != l.None || l.Format != "" || l.Name != "" || l.Epoch != 0 || l.First != 0 || l.Edge != nil:
			return out, fmt.Errorf("%w: line %d is no leaf", ErrTampered, n+1)
		default:
			if t.n >= at.Size {
				return out, fmt.Errorf("%w: line %d: more leaves than were signed", ErrTampered, n+1)
			}
			gone.see(out[len(out)-1].Epoch, uint64(t.n), l.Leaf, true)
			t.add(tlog.RecordHash(l.Leaf))
			out[len(out)-1].Present++
		}
	}
	if err := in.Err(); err != nil {
		return out, fmt.Errorf("audit: export: %w", err)
	}
	if err := end(); err != nil {
		return out, err
	}
	if len(out) == 0 {
		return out, fmt.Errorf("%w: the export holds no epoch", ErrTampered)
	}
	for _, x := range gone.all {
		if root, here := roots[deletion{Epoch: x.Epoch, Leaf: x.Leaf}]; here {
			if err := x.agrees(root); err != nil {
				return out, err
			}
		}
	}
	return out, gone.explain(out[0].Epoch)
}

// edges is how many complete subtrees a tree of n leaves has.
func edges(n int64) (k int) {
	for ; n > 0; n &= n - 1 {
		k++
	}
	return k
}
