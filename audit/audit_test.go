package audit

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"egate/journal"
)

const name = "egate/site/gate-1"

var key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32))
var pub = key.Public().(ed25519.PublicKey)

// gate is a journal with its log in a folder.
type gate struct {
	t    testing.TB
	dir  string
	j    *journal.Journal
	l    *Log
	step uint64
	opt  journal.Options
}

func start(t testing.TB, dir string, opt journal.Options) *gate {
	t.Helper()
	g := &gate{t: t, dir: dir, opt: opt}
	g.open()
	return g
}

func (g *gate) open() journal.Recovered {
	g.t.Helper()
	if g.opt.Forget == nil {
		g.opt.Forget = g.forget
	}
	j, r, err := journal.Open(g.journalDir(), g.opt)
	if err != nil {
		g.t.Fatal(err)
	}
	l, err := Open(g.t.Context(), j, g.auditDir(), name, key)
	if err != nil {
		g.t.Fatal(err)
	}
	g.j, g.l, g.step = j, l, r.LastStep
	return r
}

// forget tells of a deletion as egated does.
func (g *gate) forget(f journal.Forgotten) journal.Record {
	root, err := Root(g.auditDir(), f.Epoch, f.Leaf)
	if err != nil {
		g.t.Error(err)
	}
	return deletionOf(f.Epoch, f.Leaf, root)
}

func deletionOf(epoch, leaf uint64, root tlog.Hash) journal.Record {
	return journal.Record{Leaves: [][]byte{fmt.Appendf(nil, `{"type":"deletion","data":{"epoch":%d,"leaf":%d,"root":"%x"}}`, epoch, leaf, root[:])}}
}

func (g *gate) journalDir() string { return filepath.Join(g.dir, "journal") }
func (g *gate) auditDir() string   { return filepath.Join(g.dir, "audit") }

func (g *gate) add(leaves ...string) {
	g.t.Helper()
	g.step++
	r := journal.Record{Step: g.step, Model: []byte("m")}
	for _, l := range leaves {
		r.Leaves = append(r.Leaves, []byte(l))
	}
	g.j.Submit(r)
	if res := <-g.j.Results(); res.Err != nil {
		g.t.Fatal(res.Err)
	}
}

// TestE02SentIsSigned: an event that goes to the centre is the leaf beside it; where somebody who can compute a CRC has put another
// one there, or one without a leaf, it is found.
func TestE02SentIsSigned(t *testing.T) {
	for name, r := range map[string]journal.Record{
		"another one":    {Events: [][]byte{[]byte("refused")}, Leaves: [][]byte{[]byte("allowed")}},
		"one without":    {Events: [][]byte{[]byte("a"), []byte("b")}, Leaves: [][]byte{[]byte("a")}},
		"in other order": {Events: [][]byte{[]byte("a"), []byte("b")}, Leaves: [][]byte{[]byte("b"), []byte("a")}},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, t.TempDir(), journal.Options{})
			defer g.close()
			g.step++
			g.j.Submit(journal.Record{Step: g.step, Events: [][]byte{[]byte("a")}, Leaves: [][]byte{[]byte("a"), []byte("only a leaf")}})
			if res := <-g.j.Results(); res.Err != nil {
				t.Fatal(res.Err)
			}
			c := g.checkpoint()
			if _, err := g.verify(c); err != nil {
				t.Fatal(err)
			}
			g.step++
			r.Step = g.step
			g.j.Submit(r)
			if res := <-g.j.Results(); res.Err != nil {
				t.Fatal(res.Err)
			}
			if _, err := g.verify(c); !errors.Is(err, ErrTampered) {
				t.Errorf("%v", err)
			}
		})
	}
}

func (g *gate) checkpoint() []byte {
	g.t.Helper()
	b, err := g.l.Checkpoint()
	if err != nil {
		g.t.Fatal(err)
	}
	return b
}

func (g *gate) close() {
	g.t.Helper()
	if err := errors.Join(g.l.Close(), g.j.Close()); err != nil {
		g.t.Fatal(err)
	}
}

// The witness of these tests.
var (
	witnessKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{4}, 32))
	byWitness  = CosignatureVerifier("witness", witnessKey.Public().(ed25519.PublicKey))
)

// cosign has a checkpoint cosigned and takes the cosignature.
func (g *gate) cosign(msg []byte) {
	g.t.Helper()
	c, err := ParseCheckpoint(msg, Verifier(name, pub))
	if err != nil {
		g.t.Fatal(err)
	}
	epoch, err := c.Epoch()
	if err != nil {
		g.t.Fatal(err)
	}
	line, err := Cosign(msg, Verifier(name, pub), "witness", witnessKey, time.Unix(1.8e9, 0))
	if err != nil {
		g.t.Fatal(err)
	}
	if err := g.l.Cosigned(epoch, c.Size, c.Hash[:], line, byWitness); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gate) verify(against ...[]byte) (Report, error) {
	return Verify(g.journalDir(), g.auditDir(), name, pub, against...)
}

// E-02: checkpoints are those of the reference implementation, at every size, over restarts.
func TestE02Checkpoints(t *testing.T) {
	g := start(t, t.TempDir(), journal.Options{Segment: 2000})
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, err error) {
		for _, i := range at {
			out = append(out, stored[i])
		}
		return
	})
	epoch := g.j.Epoch()
	var all [][]byte
	for n := range int64(40) {
		all = append(all, g.checkpoint())
		c, err := ParseCheckpoint(all[n], Verifier(name, pub))
		if err != nil || c.Size != n || c.Origin != Origin(name, epoch) {
			t.Fatalf("%d: %+v %v", n, c, err)
		}
		if e, err := c.Epoch(); err != nil || e != epoch {
			t.Fatal(e, err)
		}
		want := EmptyHash
		if n > 0 {
			if want, err = tlog.TreeHash(n, read); err != nil {
				t.Fatal(err)
			}
		}
		if c.Hash != want {
			t.Fatalf("root of %d leaves", n)
		}
		leaf := fmt.Sprintf("leaf %d", n)
		g.add(leaf)
		hs, err := tlog.StoredHashes(n, []byte(leaf), read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hs...)
		if n%7 == 3 {
			g.close()
			if r := g.open(); r.Epoch != epoch {
				t.Fatalf("%+v", r)
			}
		}
	}
	if again := g.checkpoint(); !bytes.Equal(again, g.checkpoint()) {
		t.Error("a checkpoint without new leaves differs")
	}
	g.add("above")
	g.close()
	r, err := g.verify(all...)
	if err != nil || len(r.Epochs) != 1 || r.Epochs[0] != (EpochReport{Epoch: epoch, Signed: 40, Present: 40, Above: 1}) || r.Witnessed != 40 {
		t.Fatalf("%+v %v", r, err)
	}
	for i := range int64(40) {
		p, err := Prove(g.journalDir(), g.auditDir(), name, pub, epoch, i)
		if err != nil || string(p.Leaf) != fmt.Sprintf("leaf %d", i) {
			t.Fatalf("%+v %v", p, err)
		}
		p.Leaf = append(p.Leaf, ' ')
		if err := p.Check(name, pub); !errors.Is(err, ErrTampered) {
			t.Fatalf("a changed leaf is proven: %v", err)
		}
	}
	for _, i := range []int64{-1, 40, 41, 1 << 40} {
		if _, err := Prove(g.journalDir(), g.auditDir(), name, pub, epoch, i); err == nil {
			t.Errorf("leaf %d is proven", i)
		}
	}
}

func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func files(t testing.TB, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "LOCK" {
			out = append(out, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// E-02: any changed byte, in whatever file, any removed file and any shortened file is found.
func TestE02EveryByte(t *testing.T) {
	g := start(t, t.TempDir(), journal.Options{Segment: 600, Prealloc: -1})
	for i := range 12 {
		g.add(fmt.Sprintf("leaf %d", i))
	}
	outside := g.checkpoint()
	g.cosign(outside)
	dir := copyDir(t, g.dir) // as it is when the checkpoint leaves
	epoch := g.j.Epoch()
	g.close()
	verify := func() error {
		_, err := Verify(filepath.Join(dir, "journal"), filepath.Join(dir, "audit"), name, pub, outside)
		if err == nil {
			_, _, err = LastCosigned(filepath.Join(dir, "audit"), name, epoch, Verifier(name, pub), byWitness)
		}
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files(t, dir) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		every := 1
		if testing.Short() {
			every = 23
		}
		for at := 0; at < len(b); at += every {
			bad := bytes.Clone(b)
			bad[at] ^= 1 << (at % 8)
			write(t, f, bad)
			if verify() == nil {
				t.Fatalf("%s: byte %d may be changed", filepath.Base(f), at)
			}
			write(t, f, slices.Delete(bytes.Clone(b), at, at+1))
			if verify() == nil {
				t.Fatalf("%s: byte %d may be deleted", filepath.Base(f), at)
			}
			write(t, f, slices.Insert(bytes.Clone(b), at, b[at]^0x55))
			if verify() == nil {
				t.Fatalf("%s: a byte may be inserted at %d", filepath.Base(f), at)
			}
			if at > 0 && b[at-1] != b[at] {
				bad := bytes.Clone(b)
				bad[at-1], bad[at] = bad[at], bad[at-1]
				write(t, f, bad)
				if verify() == nil {
					t.Fatalf("%s: bytes %d and %d may be exchanged", filepath.Base(f), at-1, at)
				}
			}
			if at%5 == 0 {
				write(t, f, b[:at])
				if verify() == nil {
					t.Fatalf("%s: may be cut to %d of %d", filepath.Base(f), at, len(b))
				}
			}
			n++
		}
		os.Remove(f)
		if verify() == nil && !oldestSegment(f, files(t, filepath.Join(dir, "journal"))) {
			t.Fatalf("%s may be removed", filepath.Base(f))
		}
		write(t, f, b)
	}
	t.Logf("%d bytes changed, deleted, inserted before and exchanged one by one, all found", n)
	// The whole journal, and the whole log.
	for _, sub := range []string{"journal", "audit"} {
		d := copyDir(t, dir)
		for _, f := range files(t, filepath.Join(d, sub)) {
			os.Remove(f)
		}
		if _, err := Verify(filepath.Join(d, "journal"), filepath.Join(d, "audit"), name, pub, outside); err == nil {
			t.Errorf("%s may be removed", sub)
		}
	}
}

// oldestSegment tells the removal that cannot be told from retention: the hashes prove what was there.
func oldestSegment(f string, left []string) bool {
	return strings.HasSuffix(f, ".seg") && (len(left) == 0 || filepath.Base(f) < filepath.Base(left[0]))
}

func write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// forge rewrites the frames of a one-segment journal as somebody would who knows the format: with
// right numbers, chain and CRCs.
func forge(t testing.TB, dir string, change func([][]byte) [][]byte) {
	t.Helper()
	le, table := binary.LittleEndian, crc32.MakeTable(crc32.Castagnoli)
	seg := files(t, filepath.Join(dir, "journal"))[0]
	b, err := os.ReadFile(seg)
	if err != nil {
		t.Fatal(err)
	}
	var payloads [][]byte
	for len(b) > 0 {
		n := 24 + le.Uint32(b[4:])
		payloads = append(payloads, b[24:n])
		b = b[n:]
	}
	var out []byte
	crc := uint32(0)
	for i, p := range change(payloads) {
		h := make([]byte, 24)
		le.PutUint32(h, 0x314a4745)
		le.PutUint32(h[4:], uint32(len(p)))
		le.PutUint64(h[8:], uint64(i+1))
		le.PutUint32(h[16:], crc)
		crc = crc32.Update(crc32.Checksum(h[:20], table), table, p)
		le.PutUint32(h[20:], crc)
		out = append(append(out, h...), p...)
	}
	write(t, seg, out)
}

// E-02: a forger who makes the journal's own checks fit is found by the signed root.
func TestE02Forged(t *testing.T) {
	g := start(t, t.TempDir(), journal.Options{})
	for i := range 9 {
		g.add(fmt.Sprintf("threshold %d", i))
	}
	outside := g.checkpoint()
	g.close()
	swap := func(ps [][]byte, a, b string) [][]byte {
		for i, p := range ps {
			p = bytes.ReplaceAll(p, []byte(a), []byte("\x00\x00\x00"))
			p = bytes.ReplaceAll(p, []byte(b), []byte(a))
			ps[i] = bytes.ReplaceAll(p, []byte("\x00\x00\x00"), []byte(b))
		}
		return ps
	}
	for what, change := range map[string]func([][]byte) [][]byte{
		"nothing": func(p [][]byte) [][]byte { return p },
		"changed": func(p [][]byte) [][]byte {
			p[4] = bytes.ReplaceAll(p[4], []byte("threshold"), []byte("threshole"))
			return p
		},
		"reordered": func(p [][]byte) [][]byte { return swap(p, "d 3", "d 5") },
		"removed":   func(p [][]byte) [][]byte { return slices.Delete(p, 4, 5) },
		"inserted":  func(p [][]byte) [][]byte { return slices.Insert(p, 4, p[4]) },
		"truncated": func(p [][]byte) [][]byte { return p[:7] },
		"emptied":   func(p [][]byte) [][]byte { return p[:1] },
	} {
		d := copyDir(t, g.dir)
		forge(t, d, change)
		_, err := Verify(filepath.Join(d, "journal"), filepath.Join(d, "audit"), name, pub, outside)
		if (err == nil) != (what == "nothing") || err != nil && !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Rolled back as a whole, with an older checkpoint that was valid: only what left the gate tells.
	g2 := start(t, t.TempDir(), journal.Options{})
	g2.add("a")
	g2.checkpoint()
	old := copyDir(t, g2.dir)
	g2.add("b")
	later := g2.checkpoint()
	g2.close()
	if _, err := Verify(filepath.Join(old, "journal"), filepath.Join(old, "audit"), name, pub); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(filepath.Join(old, "journal"), filepath.Join(old, "audit"), name, pub, later); !errors.Is(err, ErrTampered) {
		t.Errorf("rollback: %v", err)
	}
}

// DP-08, E-02: when retention has dropped leaves, their hashes prove what is left.
func TestDP08VerifyAfterRetention(t *testing.T) {
	now := time.Unix(1.7e9, 0)
	g := start(t, t.TempDir(), journal.Options{Segment: 500, Retain: time.Hour, Now: func() time.Time { return now }})
	for i := range 30 {
		g.add(fmt.Sprintf("leaf %d", i))
	}
	outside := g.checkpoint()
	now = now.Add(2 * time.Hour)
	g.add("leaf 30")
	g.add("leaf 31")
	if g.j.Stats().Dropped != 0 {
		t.Fatal("leaves went before the log held that they go")
	}
	told := g.checkpoint()
	g.add("leaf 32")
	if g.j.Stats().Dropped == 0 {
		t.Fatal("nothing was dropped")
	}
	last := g.checkpoint()
	g.close()
	r, err := g.verify(outside, told, last)
	if err != nil || r.Epochs[0].Signed != 34 || r.Epochs[0].Present >= 34 || r.Epochs[0].Present == 0 || r.Deletions != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	// What remains is what was: one segment more that goes is told of by nothing.
	names, err := filepath.Glob(filepath.Join(g.journalDir(), "*.seg"))
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	if err := os.Remove(names[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := g.verify(outside, told, last); !errors.Is(err, ErrTampered) {
		t.Errorf("a segment that somebody else removed: %v", err)
	}
}

// TestDP08DeletionTellsTheTruth: a deletion whose root is not that of what went, and one of leaves that never were, are
// found, and so is a log whose beginning is gone without any.
func TestDP08DeletionTellsTheTruth(t *testing.T) {
	for what, forget := range map[string]func(f journal.Forgotten) journal.Record{
		"of other leaves":        func(f journal.Forgotten) journal.Record { return deletionOf(f.Epoch, f.Leaf, EmptyHash) },
		"of leaves to come":      func(f journal.Forgotten) journal.Record { return deletionOf(f.Epoch, 1<<40, EmptyHash) },
		"of an epoch to come":    func(f journal.Forgotten) journal.Record { return deletionOf(f.Epoch+1, 0, EmptyHash) },
		"of fewer than went":     func(f journal.Forgotten) journal.Record { return deletionOf(f.Epoch, 0, EmptyHash) },
		"that is not a deletion": func(journal.Forgotten) journal.Record { return journal.Record{Leaves: [][]byte{[]byte("gone")}} },
	} {
		now := time.Unix(1.7e9, 0)
		g := start(t, t.TempDir(), journal.Options{Segment: 500, Retain: time.Hour, Now: func() time.Time { return now }, Forget: forget})
		for i := range 30 {
			g.add(fmt.Sprintf("leaf %d", i))
		}
		g.checkpoint()
		now = now.Add(2 * time.Hour)
		g.add("leaf 30")
		g.add("leaf 31")
		g.checkpoint()
		g.add("leaf 32")
		if g.j.Stats().Dropped == 0 {
			t.Fatal("nothing was dropped")
		}
		g.checkpoint()
		g.close()
		if r, err := g.verify(); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %+v %v", what, r, err)
		}
	}
}

// Law 8: a journal that has lost what was signed begins a new epoch; the old log stays and tells.
// E-02: a gate that ends before its first checkpoint has a log that says so; without the checkpoint that left it, the
// log is not what was signed.
func TestE02BeforeTheFirstCheckpoint(t *testing.T) {
	g := start(t, t.TempDir(), journal.Options{})
	g.add("one", "two")
	g.close()
	if r, err := g.verify(); err != nil || len(r.Epochs) != 1 || r.Epochs[0].Above != 2 || r.Epochs[0].Signed != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	g.open()
	c, err := g.l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	epoch := g.j.Epoch()
	g.close()
	if err := os.Remove(filepath.Join(epochDir(g.auditDir(), epoch), checkpointFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.verify(c); !errors.Is(err, ErrTampered) {
		t.Errorf("a checkpoint that has left the gate: %v", err)
	}
}

func TestLostTail(t *testing.T) {
	told := 0
	opt := journal.Options{Gap: func(old, epoch uint64, why string) ([][]byte, [][]byte) {
		told++
		return nil, [][]byte{fmt.Appendf(nil, "gap after %d", old)}
	}}
	g := start(t, t.TempDir(), opt)
	g.add("a")
	short := copyDir(t, g.journalDir())
	g.add("b")
	outside := g.checkpoint()
	epoch := g.j.Epoch()
	g.close()
	os.RemoveAll(g.journalDir())
	if err := os.CopyFS(g.journalDir(), os.DirFS(short)); err != nil {
		t.Fatal(err)
	}
	g.open()
	if told != 1 || g.j.Epoch() <= epoch {
		t.Fatalf("not found: %d", told)
	}
	c, err := ParseCheckpoint(g.checkpoint(), Verifier(name, pub))
	if err != nil || c.Size != 1 || c.Origin != Origin(name, g.j.Epoch()) {
		t.Fatalf("%+v %v", c, err)
	}
	g.close()
	if _, err := g.verify(outside); !errors.Is(err, ErrTampered) {
		t.Errorf("the loss is not told: %v", err)
	}
	g.open()
	if told != 1 {
		t.Error("told twice")
	}
	g.close()
}

// A new epoch while running ends one log and begins another; stored hashes that were damaged do so too.
func TestNewEpochWhileRunning(t *testing.T) {
	g := start(t, t.TempDir(), journal.Options{})
	first := g.j.Epoch()
	g.add("a", "b")
	if _, err := g.j.NewEpoch(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	g.add("c")
	c, err := ParseCheckpoint(g.checkpoint(), Verifier(name, pub))
	if err != nil || c.Size != 1 || c.Origin == Origin(name, first) {
		t.Fatalf("%+v %v", c, err)
	}
	g.close()
	r, err := g.verify()
	if err != nil || len(r.Epochs) != 2 || r.Epochs[0].Signed != 2 || r.Epochs[1].Signed != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	h := filepath.Join(epochDir(g.auditDir(), r.Epochs[1].Epoch), hashFile)
	write(t, h, make([]byte, 32))
	g.open()
	if g.j.Epoch() <= r.Epochs[1].Epoch {
		t.Error("a log with a damaged hash went on")
	}
	g.close()
}

// E-02: a witness follows extensions and finds forks and rollbacks.
func TestWitness(t *testing.T) {
	g := start(t, t.TempDir(), journal.Options{})
	w := &Witness{By: Verifier(name, pub), Name: name}
	take := func(ext []byte) (Checkpoint, []byte) {
		t.Helper()
		c, msg, err := w.Take(ext)
		if err != nil {
			t.Fatal(err)
		}
		return c, msg
	}
	witness := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{4}, 32))
	wpub := witness.Public().(ed25519.PublicKey)
	at := time.Unix(1.8e9, 0).UTC()
	seen := int64(0)
	for n := range 20 {
		g.add(fmt.Sprint("leaf ", n), "x")
		g.checkpoint()
		ext, err := g.l.Extension(seen)
		if err != nil {
			t.Fatal(err)
		}
		c, msg := take(ext)
		take(ext)
		line, err := Cosign(msg, w.By, "witness", witness, at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseCosignature(msg, line, CosignatureVerifier("witness", wpub)); err != nil || !got.Equal(at) {
			t.Fatal(got, err)
		}
		if _, err := ParseCosignature(msg, line, CosignatureVerifier("witness", pub)); !errors.Is(err, ErrCheckpoint) {
			t.Error("another key's cosignature holds")
		}
		line[len(line)-20] ^= 1
		if _, err := ParseCosignature(msg, line, CosignatureVerifier("witness", wpub)); err == nil {
			t.Error("a changed cosignature holds")
		}
		seen = c.Size
	}
	older, _ := g.l.Extension(3)
	if _, _, err := w.Take(older); err != nil {
		t.Errorf("what is known, proven from elsewhere: %v", err)
	}
	if _, err := g.l.Extension(41); err == nil {
		t.Error("extension of the future")
	}
	// The same key, the same epoch, another history.
	other := copyDir(t, g.dir)
	ext40, _ := g.l.Extension(0)
	g.add("honest")
	g.checkpoint()
	ext, _ := g.l.Extension(seen)
	if _, _, err := w.Take(mustExt(g, 7)); !errors.Is(err, ErrOld) {
		t.Errorf("a proof from elsewhere: %v", err)
	}
	take(ext)
	g.close()
	f := start(t, other, journal.Options{})
	f.add("dishonest")
	f.checkpoint()
	forked, _ := f.l.Extension(seen)
	if _, _, err := w.Take(forked); !errors.Is(err, ErrFork) {
		t.Errorf("fork of one size: %v", err)
	}
	f.add("more")
	f.checkpoint()
	if _, _, err := w.Take(mustExt(f, seen+1)); !errors.Is(err, ErrFork) {
		t.Errorf("fork: %v", err)
	}
	f.close()
	if _, _, err := w.Take(ext40); !errors.Is(err, ErrRollback) {
		t.Errorf("rollback: %v", err)
	}
}

func mustExt(g *gate, old int64) []byte {
	b, err := g.l.Extension(old)
	if err != nil {
		g.t.Fatal(err)
	}
	return b
}

// A checkpoint holds for its key and origin only.
func TestForeignCheckpoint(t *testing.T) {
	g := start(t, t.TempDir(), journal.Options{})
	g.add("a")
	b := g.checkpoint()
	g.close()
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{5}, 32)).Public().(ed25519.PublicKey)
	if _, err := ParseCheckpoint(b, Verifier(name, other)); !errors.Is(err, ErrCheckpoint) {
		t.Error(err)
	}
	if _, err := ParseCheckpoint(b, Verifier("egate/site/gate-2", pub)); !errors.Is(err, ErrCheckpoint) {
		t.Error(err)
	}
	if _, err := Verify(g.journalDir(), g.auditDir(), name, other); err == nil {
		t.Error("verified with another key")
	}
	for _, n := range []string{"", "a b", "a+b"} {
		if _, err := newSigner(n, key); err == nil {
			t.Errorf("name %q", n)
		}
	}
}

// Property: the right edge gives the root of the reference implementation.
func TestEdge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 300).Draw(t, "n")
		var tr tree
		var stored []tlog.Hash
		read := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, err error) {
			for _, i := range at {
				out = append(out, stored[i])
			}
			return
		})
		for i := range n {
			stored = append(stored, tr.add(tlog.RecordHash([]byte{byte(i)}))...)
		}
		if int64(len(stored)) != tlog.StoredHashCount(n) {
			t.Fatal("stored hashes")
		}
		again, err := load(n, read)
		if err != nil || again.root() != tr.root() {
			t.Fatal(err)
		}
		if n > 0 {
			if want, _ := tlog.TreeHash(n, read); want != tr.root() {
				t.Fatal("root")
			}
		}
	})
}

func FuzzWitness(f *testing.F) {
	s, _ := newSigner(name, key)
	_ = s
	f.Add([]byte("old 0\n\negate/site/gate-1/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— x AAAA\n"))
	f.Add([]byte("old 99999999999999999999\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := &Witness{By: Verifier(name, pub), Name: name, Seen: map[string]Checkpoint{}}
		_, _, _ = w.Take(b)
		_, _ = parseText(string(b))
	})
}

// BenchmarkVerify tells leaves per second of append, checkpoint and verification.
func BenchmarkVerify(b *testing.B) {
	g := start(b, b.TempDir(), journal.Options{})
	const per, n = 1000, 100
	leaves := make([]string, per)
	for i := range leaves {
		leaves[i] = strings.Repeat("x", 200)
	}
	for range n {
		g.add(leaves...)
	}
	t0 := time.Now()
	g.checkpoint()
	b.ReportMetric(per*n/time.Since(t0).Seconds(), "appended/s")
	g.close()
	b.ResetTimer()
	for range b.N {
		if _, err := g.verify(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*per*n/b.Elapsed().Seconds(), "verified/s")
}

var _ crypto.Signer = key
