package audit

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Signature types of the C2SP signed-note specification.
const (
	algEd25519     = 0x01
	algCosignature = 0x04 // cosignature/v1 with a time stamp
)

// maxNote caps a checkpoint that is parsed, bytes.
const maxNote = 64 << 10

// ErrCheckpoint says that a checkpoint does not parse or is not signed by the expected key.
var ErrCheckpoint = errors.New("audit: checkpoint is not valid")

// Checkpoint is a commitment to the first Size leaves of a log (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   int64
	Hash   tlog.Hash
}

// Name is the key name of a gate in its checkpoints.
func Name(site, gate string) string { return "egate/" + site + "/" + gate }

// WitnessName is the key name of a centre, or of another principal of the site, in its cosignatures.
func WitnessName(site, principal string) string { return Name(site, principal) }

// Origin names the log of one epoch of a gate.
func Origin(name string, epoch uint64) string { return name + "/" + strconv.FormatUint(epoch, 10) }

func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Hash[:]) + "\n"
}

func parseText(text string) (Checkpoint, error) {
	l := strings.Split(text, "\n")
	if len(l) < 4 || l[0] == "" || l[len(l)-1] != "" {
		return Checkpoint{}, fmt.Errorf("%w: three lines are expected", ErrCheckpoint)
	}
	n, err := strconv.ParseInt(l[1], 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != l[1] {
		return Checkpoint{}, fmt.Errorf("%w: size", ErrCheckpoint)
	}
	h, err := base64.StdEncoding.Strict().DecodeString(l[2])
	if err != nil || len(h) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("%w: hash", ErrCheckpoint)
	}
	return Checkpoint{Origin: l[0], Size: n, Hash: tlog.Hash(h)}, nil
}

// Epoch is the epoch that the origin names.
func (c Checkpoint) Epoch() (uint64, error) {
	i := strings.LastIndexByte(c.Origin, '/')
	e, err := strconv.ParseUint(c.Origin[i+1:], 10, 64)
	if i < 0 || err != nil {
		return 0, fmt.Errorf("%w: origin names no epoch", ErrCheckpoint)
	}
	return e, nil
}

func keyHash(name string, alg byte, pub ed25519.PublicKey) uint32 {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write([]byte{alg})
	h.Write(pub)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// signer signs notes with a key that may live in a TPM.
type signer struct {
	name string
	key  crypto.Signer
	pub  ed25519.PublicKey
}

func newSigner(name string, key crypto.Signer) (*signer, error) {
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok || name == "" || strings.ContainsAny(name, "+ \t\r\n") {
		return nil, fmt.Errorf("audit: key of %q: an Ed25519 key and a name without blanks are expected", name)
	}
	return &signer{name, key, pub}, nil
}

func (s *signer) Name() string    { return s.name }
func (s *signer) KeyHash() uint32 { return keyHash(s.name, algEd25519, s.pub) }
func (s *signer) Sign(msg []byte) ([]byte, error) {
	return s.key.Sign(nil, msg, crypto.Hash(0))
}

// Verifier checks the checkpoints of one gate.
func Verifier(name string, pub ed25519.PublicKey) note.Verifier {
	return verifier{name, algEd25519, pub}
}

// CosignatureVerifier checks the cosignatures of one witness.
func CosignatureVerifier(name string, pub ed25519.PublicKey) note.Verifier {
	return verifier{name, algCosignature, pub}
}

type verifier struct {
	name string
	alg  byte
	pub  ed25519.PublicKey
}

func (v verifier) Name() string    { return v.name }
func (v verifier) KeyHash() uint32 { return keyHash(v.name, v.alg, v.pub) }
func (v verifier) Verify(msg, sig []byte) bool {
	if len(v.pub) != ed25519.PublicKeySize {
		return false
	}
	if v.alg == algCosignature {
		if len(sig) != 8+ed25519.SignatureSize {
			return false
		}
		return ed25519.Verify(v.pub, cosigned(binary.BigEndian.Uint64(sig), msg), sig[8:])
	}
	return ed25519.Verify(v.pub, msg, sig)
}

func cosigned(at uint64, text []byte) []byte {
	return append([]byte("cosignature/v1\ntime "+strconv.FormatUint(at, 10)+"\n"), text...)
}

// ParseCheckpoint checks the signature of a checkpoint and reads it.
func ParseCheckpoint(msg []byte, by note.Verifier) (Checkpoint, error) {
	n, err := openNote(msg, by)
	if err != nil {
		return Checkpoint{}, err
	}
	return parseText(n.Text)
}

func openNote(msg []byte, by ...note.Verifier) (*note.Note, error) {
	if len(msg) > maxNote {
		return nil, fmt.Errorf("%w: %d bytes", ErrCheckpoint, len(msg))
	}
	n, err := note.Open(msg, note.VerifierList(by...))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return n, nil
}

// Cosign makes a witness's signature line over a checkpoint. Whoever calls it has checked the
// checkpoint and its consistency: see Witness.
func Cosign(msg []byte, by note.Verifier, name string, key crypto.Signer, at time.Time) ([]byte, error) {
	n, err := openNote(msg, by)
	if err != nil {
		return nil, err
	}
	s, err := newSigner(name, key)
	if err != nil {
		return nil, err
	}
	t := uint64(max(at.Unix(), 0))
	sig, err := s.Sign(cosigned(t, []byte(n.Text)))
	if err != nil {
		return nil, fmt.Errorf("audit: cosign: %w", err)
	}
	b := binary.BigEndian.AppendUint32(nil, keyHash(name, algCosignature, s.pub))
	b = binary.BigEndian.AppendUint64(b, t)
	b = append(b, sig...)
	return []byte("— " + name + " " + base64.StdEncoding.EncodeToString(b) + "\n"), nil
}

// ParseCosignature checks a witness's signature line over a checkpoint and tells its time.
func ParseCosignature(checkpoint, line []byte, by note.Verifier) (time.Time, error) {
	n, err := openNote(append(append([]byte(nil), checkpoint...), line...), by)
	if err != nil {
		return time.Time{}, err
	}
	for _, s := range n.Sigs {
		if s.Name == by.Name() && s.Hash == by.KeyHash() {
			b, err := base64.StdEncoding.DecodeString(s.Base64)
			if err == nil && len(b) == 4+8+ed25519.SignatureSize {
				return time.Unix(int64(binary.BigEndian.Uint64(b[4:])&(1<<62-1)), 0).UTC(), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%w: no cosignature", ErrCheckpoint)
}
