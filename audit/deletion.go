package audit

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// deletion is what a leaf says of leaves that retention has deleted (DP-08); api.Deletion is the same in the contract.
type deletion struct {
	Epoch uint64 `json:"epoch"`
	Leaf  uint64 `json:"leaf"` // first one that remains
	Root  string `json:"root"` // of the tree of those before it, hex
}

// deletions collects them: a leaf that is gone and that no signed leaf tells of was not deleted by retention.
type deletions struct {
	all   []deletion
	first *deletion // first leaf that is there
}

// see takes the next leaf; signed tells whether a checkpoint covers it.
func (d *deletions) see(epoch, index uint64, leaf []byte, signed bool) {
	if d.first == nil {
		d.first = &deletion{Epoch: epoch, Leaf: index}
	}
	var l struct {
		Type string   `json:"type"`
		Data deletion `json:"data"`
	}
	if signed && json.Unmarshal(leaf, &l) == nil && l.Type == "deletion" {
		d.all = append(d.all, l.Data)
	}
}

// explain tells whether all that is missing before the first leaf was told of; oldest is the oldest epoch that there is a log of.
func (d *deletions) explain(oldest uint64) error {
	if d.first == nil || d.first.Leaf == 0 && d.first.Epoch <= oldest {
		return nil
	}
	for _, x := range d.all {
		if x.Epoch > d.first.Epoch || x.Epoch == d.first.Epoch && x.Leaf >= d.first.Leaf {
			return nil
		}
	}
	return fmt.Errorf("%w: leaves before leaf %d of epoch %d are gone, and no deletion tells of them", ErrTampered, d.first.Leaf, d.first.Epoch)
}

// Root is the root of the first n leaves of an epoch, by the stored hashes: of leaves that are gone too.
func Root(auditDir string, epoch, n uint64) (tlog.Hash, error) {
	if n == 0 {
		return EmptyHash, nil
	}
	f, err := os.Open(filepath.Join(epochDir(auditDir, epoch), hashFile))
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("audit: root: %w", err)
	}
	defer f.Close()
	t, err := load(int64(n), fileHashes{f})
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("audit: root: %w", err)
	}
	return t.root(), nil
}

// agrees tells whether what was deleted is what the stored hashes say it was.
func (x deletion) agrees(root tlog.Hash) error {
	if x.Root != hex.EncodeToString(root[:]) {
		return fmt.Errorf("%w: a deletion tells of other leaves before leaf %d of epoch %d", ErrTampered, x.Leaf, x.Epoch)
	}
	return nil
}
