package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// cosignedFile is the last checkpoint that a witness has cosigned: the gate's note with the witness's line.
const cosignedFile = "cosigned"

// proofType marks the line of a published checkpoint that carries its proof of consistency: a signature type
// of its own, as the C2SP signed-note specification provides (0xff and a name). Whoever does not know it
// passes over it like over any signature of an unknown key.
const proofType = "\xffegate consistency proof/v1"

// proofName is the key name of the proof's line.
func proofName(name string) string { return name + "/consistency" }

func proofKey(name string) uint32 {
	h := sha256.Sum256([]byte(proofName(name) + "\n" + proofType))
	return binary.BigEndian.Uint32(h[:])
}

// Message is the last checkpoint as it is published: with the proof that it extends the last one that a
// witness has cosigned, in one retained message.
func (l *Log) Message() ([]byte, error) { return l.message(false) }

func (l *Log) message(fresh bool) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if fresh {
		if err := l.checkpoint(); err != nil {
			return nil, err
		}
	} else if err := l.usable(); err != nil {
		return nil, err
	}
	if l.last == nil {
		return nil, errors.New("audit: no checkpoint yet")
	}
	b := binary.BigEndian.AppendUint32(nil, proofKey(l.name))
	b = binary.BigEndian.AppendUint64(b, uint64(l.base))
	if l.base > 0 {
		p, err := tlog.ProveTree(l.signed, l.base, fileHashes{l.hashes})
		if err != nil {
			return nil, fmt.Errorf("audit: prove: %w", err)
		}
		for _, h := range p {
			b = append(b, h[:]...)
		}
	}
	return append(bytes.Clone(l.last), "— "+proofName(l.name)+" "+base64.StdEncoding.EncodeToString(b)+"\n"...), nil
}

// proofOf reads the proof of a published checkpoint; without one it begins at 0.
func proofOf(msg []byte, name string) (old int64, proof tlog.TreeProof, err error) {
	if len(msg) > maxNote {
		return 0, nil, fmt.Errorf("%w: %d bytes", ErrCheckpoint, len(msg))
	}
	i := strings.LastIndex(string(msg), "\n\n")
	if i < 0 {
		return 0, nil, fmt.Errorf("%w: no signatures", ErrCheckpoint)
	}
	for line := range strings.Lines(string(msg[i+2:])) {
		text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "— "+proofName(name)+" ")
		if !ok {
			continue
		}
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(b) < 12 || (len(b)-12)%tlog.HashSize != 0 || (len(b)-12)/tlog.HashSize > maxProof {
			return 0, nil, fmt.Errorf("%w: proof", ErrCheckpoint)
		}
		if binary.BigEndian.Uint32(b) != proofKey(name) {
			continue
		}
		if old = int64(binary.BigEndian.Uint64(b[4:])); old < 0 {
			return 0, nil, fmt.Errorf("%w: proof", ErrCheckpoint)
		}
		for b = b[12:]; len(b) > 0; b = b[tlog.HashSize:] {
			proof = append(proof, tlog.Hash(b[:tlog.HashSize]))
		}
		return old, proof, nil
	}
	return 0, nil, nil
}

// Cosigned takes a witness's signature line over the checkpoint of so many leaves of an epoch, and keeps
// both durably. Where it is not over the newest checkpoint, Follow publishes that again with the proof
// from here: a witness that was away, or that the gate has forgotten, catches up so.
//
// ErrBehind says that the witness has seen a history that this gate does not have any more, or has never
// had: its disk has lost or changed something, and the journal must begin a new epoch.
func (l *Log) Cosigned(epoch uint64, size int64, hash, line []byte, by note.Verifier) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if epoch < l.epoch || size <= 0 && epoch == l.epoch {
		return nil // of a log that has ended, or of nothing
	}
	if len(hash) != tlog.HashSize || size < 0 {
		return fmt.Errorf("%w: cosignature", ErrCheckpoint)
	}
	c := Checkpoint{Origin: Origin(l.name, epoch), Size: size, Hash: tlog.Hash(hash)}
	msg, err := note.Sign(&note.Note{Text: c.text()}, l.sign) // as it was: Ed25519 signs alike each time
	if err != nil {
		return fmt.Errorf("audit: sign: %w", err)
	}
	if _, err := ParseCosignature(msg, line, by); err != nil {
		return err
	}
	if epoch > l.epoch || size > l.signed {
		return fmt.Errorf("%w: a witness has cosigned %d leaves of epoch %d, here are %d of %d", ErrBehind, size, epoch, l.signed, l.epoch)
	}
	root, err := tlog.TreeHash(size, fileHashes{l.hashes})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if root != c.Hash {
		return fmt.Errorf("%w: a witness has cosigned another history of %d leaves", ErrBehind, size)
	}
	if size < l.base {
		return nil // late: a later one is kept
	}
	if size > l.base {
		if err := replace(filepath.Join(epochDir(l.dir, epoch), cosignedFile), append(msg, line...)); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		l.base = size
	}
	if size < l.signed {
		select {
		case l.again <- struct{}{}:
		default:
		}
	}
	return nil
}

// openCosigned is how many leaves the last cosigned checkpoint of an epoch has.
func (l *Log) openCosigned(dir string, signed int64) (int64, error) {
	b, err := os.ReadFile(filepath.Join(dir, cosignedFile))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("audit: open: %w", err)
	}
	c, err := ParseCheckpoint(b, Verifier(l.name, l.sign.pub))
	if err != nil {
		return 0, err
	}
	if c.Size > signed {
		return 0, fmt.Errorf("%w: a witness has cosigned %d leaves, %d are signed", ErrBehind, c.Size, signed)
	}
	return c.Size, nil
}

// LastCosigned reads a gate's copy of the last checkpoint that a witness has cosigned, and when.
func LastCosigned(auditDir, name string, epoch uint64, gate, witness note.Verifier) (Checkpoint, time.Time, error) {
	b, err := os.ReadFile(filepath.Join(epochDir(auditDir, epoch), cosignedFile))
	if err != nil {
		return Checkpoint{}, time.Time{}, fmt.Errorf("audit: %w", err)
	}
	c, err := ParseCheckpoint(b, gate)
	if err != nil {
		return c, time.Time{}, err
	}
	if c.Origin != Origin(name, epoch) {
		return c, time.Time{}, fmt.Errorf("%w: it is of %s", ErrCheckpoint, c.Origin)
	}
	at, err := ParseCosignature(b, nil, witness)
	return c, at, err
}
