package audit

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"egate/journal"
)

// E-02: one retained message with its proof is enough for a witness, whatever it has missed: it follows a
// gate over restarts of both, lost messages in both directions and any growth in between, and what it
// says stays on the gate's disk.
func TestE02WitnessByOneMessage(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "gate")
		if err != nil {
			rt.Fatal(err)
		}
		g := start(t, dir, journal.Options{})
		defer func() { g.close() }()
		w := &Witness{By: Verifier(name, pub), Name: name}
		last := map[string][]byte{} // the witness's own copy of what it cosigned
		var told []byte             // of which the gate has not heard yet
		leaf := 0
		deliver := func() {
			if told != nil {
				g.cosign(told)
				told = nil
			}
		}
		publish := func() {
			msg, err := g.l.Message()
			if err != nil {
				rt.Fatal(err)
			}
			switch c, err := w.TakeMessage(msg); {
			case err == nil:
				last[c.Origin], told = msg, msg
			case errors.Is(err, ErrOld): // says what it knows
				told = last[c.Origin]
			default:
				rt.Fatal(err)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"leaves": func(rt *rapid.T) {
				for range rapid.IntRange(1, 9).Draw(rt, "n") {
					leaf++
					g.add(fmt.Sprint("leaf ", leaf))
				}
				g.checkpoint()
			},
			"published":           func(*rapid.T) { g.checkpoint(); publish() },
			"cosigned":            func(*rapid.T) { deliver() },
			"cosignature is lost": func(*rapid.T) { told = nil },
			"gate restarts":       func(*rapid.T) { g.close(); g.open() },
			"witness restarts": func(*rapid.T) {
				again := &Witness{By: w.By, Name: name}
				for _, msg := range last {
					if _, err := again.TakeMessage(msg); err != nil {
						rt.Fatal(err)
					}
				}
				w = again
			},
		})
		// Undisturbed, both agree after two rounds at most.
		g.add("last")
		g.checkpoint()
		for range 2 {
			publish()
			deliver()
		}
		n := int64(leaf + 1)
		if c := w.Seen[Origin(name, g.j.Epoch())]; c.Size != n || g.l.base != n {
			rt.Fatalf("the witness knows %d of %d leaves, the gate has %d cosigned", c.Size, n, g.l.base)
		}
		c, at, err := LastCosigned(g.auditDir(), name, g.j.Epoch(), Verifier(name, pub), byWitness)
		if err != nil || c.Size != n || at.Unix() != 1.8e9 {
			rt.Fatalf("%+v %v %v", c, at, err)
		}
	})
}

// E-02: a message whose proof is of another history, cut or not there is a fork or asked for again, never
// taken; plain readers of signed notes read it without knowing of proofs.
func TestE02ProofOfAnotherHistory(t *testing.T) {
	g := start(t, t.TempDir(), journal.Options{})
	defer g.close()
	g.add("a", "b", "c")
	first := g.checkpoint()
	w := &Witness{By: Verifier(name, pub), Name: name}
	if _, err := w.TakeMessage(first); err != nil { // without a line: it begins at 0
		t.Fatal(err)
	}
	g.cosign(first)
	g.add("d", "e")
	plain := g.checkpoint()
	msg, err := g.l.Message()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := ParseCheckpoint(msg, w.By); err != nil || c.Size != 5 {
		t.Fatalf("%+v %v", c, err)
	}
	fork := func() *Witness {
		c := w.Seen[Origin(name, g.j.Epoch())]
		c.Hash[0] ^= 1
		return &Witness{By: w.By, Name: name, Seen: map[string]Checkpoint{c.Origin: c}}
	}
	if _, err := fork().TakeMessage(msg); !errors.Is(err, ErrFork) {
		t.Errorf("another history: %v", err)
	}
	if _, err := w.TakeMessage(plain); !errors.Is(err, ErrOld) {
		t.Errorf("no proof: %v", err)
	}
	head, line, _ := strings.Cut(string(msg), "— "+proofName(name)+" ")
	for what, bad := range map[string]string{
		"cut":     head + "— " + proofName(name) + " " + line[:24] + "\n",
		"empty":   head + "— " + proofName(name) + " \n",
		"garbage": head + "— " + proofName(name) + " !!!!\n",
		"long":    head + "— " + proofName(name) + " " + strings.Repeat("A", 4*1000) + "\n",
	} {
		if c, err := w.TakeMessage([]byte(bad)); err == nil {
			t.Errorf("%s: taken: %+v", what, c)
		}
	}
	if c := w.Seen[Origin(name, g.j.Epoch())]; c.Size != 3 {
		t.Fatalf("a refused message was remembered: %d", c.Size)
	}
	if c, err := w.TakeMessage(msg); err != nil || c.Size != 5 {
		t.Errorf("%+v %v", c, err)
	}
}

// E-02: a gate that a witness has seen ahead of itself, or otherwise, has lost or changed something; a
// forged, foreign or late cosignature changes nothing.
func TestE02CosignatureBeyondTheEnd(t *testing.T) {
	g := start(t, t.TempDir(), journal.Options{})
	g.add("a", "b")
	g.checkpoint()
	short := copyDir(t, g.dir)
	g.add("c")
	long := g.checkpoint()
	epoch := g.j.Epoch()
	g.close()

	old := start(t, short, journal.Options{})
	c, err := ParseCheckpoint(long, Verifier(name, pub))
	if err != nil {
		t.Fatal(err)
	}
	line, err := Cosign(long, Verifier(name, pub), "witness", witnessKey, time.Unix(1.8e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := old.l.Cosigned(epoch, c.Size, c.Hash[:], line, byWitness); !errors.Is(err, ErrBehind) {
		t.Errorf("rolled back: %v", err)
	}
	old.add("another c")
	forked := old.checkpoint()
	if err := old.l.Cosigned(epoch, c.Size, c.Hash[:], line, byWitness); !errors.Is(err, ErrBehind) {
		t.Errorf("two histories: %v", err)
	}
	other := CosignatureVerifier("witness", pub)
	good, err := Cosign(forked, Verifier(name, pub), "witness", witnessKey, time.Unix(1.8e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseCheckpoint(forked, Verifier(name, pub))
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"another key": old.l.Cosigned(epoch, f.Size, f.Hash[:], good, other),
		"no line":     old.l.Cosigned(epoch, f.Size, f.Hash[:], nil, byWitness),
		"another":     old.l.Cosigned(epoch, f.Size, f.Hash[:], line, byWitness),
		"short hash":  old.l.Cosigned(epoch, f.Size, f.Hash[:31], good, byWitness),
		"negative":    old.l.Cosigned(epoch+1, -1, f.Hash[:], good, byWitness),
	} {
		if !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if old.l.base != 0 {
		t.Fatalf("base %d", old.l.base)
	}
	if err := old.l.Cosigned(epoch-1, 9, f.Hash[:], good, byWitness); err != nil {
		t.Errorf("of an epoch that has ended: %v", err)
	}
	old.cosign(forked)
	if old.l.base != 3 {
		t.Fatalf("base %d", old.l.base)
	}
	old.close()

	// A cosigned checkpoint ahead of the log's own files: they were rolled back one by one.
	if err := os.Remove(filepath.Join(epochDir(old.auditDir(), epoch), checkpointFile)); err != nil {
		t.Fatal(err)
	}
	old.open()
	if old.j.Epoch() <= epoch {
		t.Error("a log behind its own cosignature went on")
	}
	old.close()
	if _, err := Verify(old.journalDir(), old.auditDir(), name, pub); !errors.Is(err, ErrTampered) {
		t.Errorf("and Verify: %v", err)
	}
}

// E-02: an order or a change of policy leaves the gate at once, many leaves as soon as they are many,
// anything else within the period; a witness that asks for a proof from elsewhere gets it.
func TestE02FollowRule(t *testing.T) {
	g := start(t, t.TempDir(), journal.Options{})
	defer func() { g.close() }()
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan int64)
	done := make(chan struct{})
	w := &Witness{By: Verifier(name, pub), Name: name}
	go func() {
		defer close(done)
		// A period that this test never sees.
		g.l.Follow(ctx, Rule{Period: time.Hour, Leaves: 4, Urgent: func(b []byte) bool { return bytes.HasPrefix(b, []byte("order")) }}, func(msg []byte) {
			c, err := w.TakeMessage(msg)
			if err != nil && !errors.Is(err, ErrOld) {
				t.Error(err)
			}
			select {
			case out <- c.Size:
			case <-ctx.Done():
			}
		}, func(err error) { t.Error(err) })
	}()
	want := func(n int64) {
		t.Helper()
		select {
		case got := <-out:
			if got != n {
				t.Fatalf("a checkpoint over %d leaves, want %d", got, n)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no checkpoint over %d leaves", n)
		}
	}
	want(0)
	g.add("a")
	g.add("order 1")
	want(2)
	g.add("b", "c", "d")
	g.add("e")
	want(6)
	// The witness has missed everything and knows two leaves.
	msg, err := g.l.Message()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCheckpoint(msg, w.By)
	if err != nil {
		t.Fatal(err)
	}
	root, err := tlog.TreeHash(2, fileHashes{g.l.hashes})
	if err != nil {
		t.Fatal(err)
	}
	c.Size, c.Hash = 2, root
	w.Seen[c.Origin] = c
	line, err := cosignText(c.text())
	if err != nil {
		t.Fatal(err)
	}
	epoch := g.j.Epoch()
	if err := g.l.Cosigned(epoch, 2, root[:], line, byWitness); err != nil {
		t.Fatal(err)
	}
	want(6)
	if got := w.Seen[c.Origin].Size; got != 6 {
		t.Errorf("the witness knows %d leaves", got)
	}
	cancel()
	<-done
}

func cosignText(text string) ([]byte, error) {
	s, err := newSigner(name, key)
	if err != nil {
		return nil, err
	}
	sig, err := s.Sign([]byte(text))
	if err != nil {
		return nil, err
	}
	b := append(binary.BigEndian.AppendUint32(nil, s.KeyHash()), sig...)
	msg := []byte(text + "\n— " + name + " " + base64.StdEncoding.EncodeToString(b) + "\n")
	return Cosign(msg, Verifier(name, pub), "witness", witnessKey, time.Unix(1.8e9, 0))
}

func FuzzTakeMessage(f *testing.F) {
	g := start(f, f.TempDir(), journal.Options{})
	g.add("a")
	g.cosign(g.checkpoint())
	g.add("b")
	g.checkpoint()
	msg, err := g.l.Message()
	if err != nil {
		f.Fatal(err)
	}
	g.close()
	f.Add(msg)
	f.Add([]byte("\n\n— " + proofName(name) + " AAAA\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := &Witness{By: Verifier(name, pub), Name: name, Seen: map[string]Checkpoint{}}
		if c, err := w.TakeMessage(b); err == nil {
			if _, err := ParseCheckpoint(b, Verifier(name, pub)); err != nil || c.Origin == "" {
				t.Fatal("taken without the gate's signature")
			}
		}
	})
}
