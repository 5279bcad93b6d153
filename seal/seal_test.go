package seal

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// X-02, DP-07: an envelope opens for its key, purpose, gate and passage only.
func TestOpenOnlyWhereItBelongs(t *testing.T) {
	pub, priv, err := GenerateHPKE()
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte("a question")
	sealed, err := Seal(pub, PurposeLookup, "gate-1", "p1", plain)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, plain) {
		t.Fatal("not sealed")
	}
	got, err := Open(priv, PurposeLookup, "gate-1", "p1", sealed)
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%q %v", got, err)
	}
	if p, err := Public(priv); err != nil || !bytes.Equal(p, pub) {
		t.Errorf("public half: %v", err)
	}
	_, other, _ := GenerateHPKE()
	for name, f := range map[string]func() ([]byte, error){
		"key":     func() ([]byte, error) { return Open(other, PurposeLookup, "gate-1", "p1", sealed) },
		"purpose": func() ([]byte, error) { return Open(priv, PurposeAnswer, "gate-1", "p1", sealed) },
		"gate":    func() ([]byte, error) { return Open(priv, PurposeLookup, "gate-2", "p1", sealed) },
		"passage": func() ([]byte, error) { return Open(priv, PurposeLookup, "gate-1", "p2", sealed) },
		"short":   func() ([]byte, error) { return Open(priv, PurposeLookup, "gate-1", "p1", sealed[:40]) },
		"long":    func() ([]byte, error) { return Open(priv, PurposeLookup, "gate-1", "p1", make([]byte, MaxSealed+1)) },
	} {
		if _, err := f(); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := Open(priv, PurposeLookup, "gate-1", "p1", bad); err == nil {
			t.Fatalf("byte %d may be changed", i)
		}
	}
	if _, err := Seal([]byte("short"), PurposeLookup, "g", "p", plain); err == nil {
		t.Error("sealed to no key")
	}
}

// a signature holds for its kind, bytes and key.
func TestSignatures(t *testing.T) {
	s, err := NewSigner(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	o, _ := NewSigner(bytes.Repeat([]byte{8}, 32))
	keys := Trust(s.Public())
	sig := s.Sign("cmd", []byte("open"))
	if kid, err := keys.Verify("cmd", []byte("open"), []Signature{o.Sign("cmd", []byte("open")), sig}); err != nil || kid != s.KeyID() {
		t.Fatalf("%s %v", kid, err)
	}
	stolen := o.Sign("cmd", []byte("open"))
	stolen.Kid = s.KeyID()
	for name, f := range map[string]func() (string, error){
		"kind":    func() (string, error) { return keys.Verify("ack", []byte("open"), []Signature{sig}) },
		"payload": func() (string, error) { return keys.Verify("cmd", []byte("shut"), []Signature{sig}) },
		"unknown": func() (string, error) {
			return keys.Verify("cmd", []byte("open"), []Signature{o.Sign("cmd", []byte("open"))})
		},
		"kid lies": func() (string, error) { return keys.Verify("cmd", []byte("open"), []Signature{stolen}) },
		"alg": func() (string, error) {
			return keys.Verify("cmd", []byte("open"), []Signature{{"none", sig.Kid, sig.Sig}})
		},
		"none":  func() (string, error) { return keys.Verify("cmd", []byte("open"), nil) },
		"flood": func() (string, error) { return keys.Verify("cmd", []byte("open"), make([]Signature, 1000)) },
	} {
		if _, err := f(); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	priv, pub := filepath.Join(dir, "k.key"), filepath.Join(dir, "k.pub")
	seed := bytes.Repeat([]byte{9}, 32)
	s, _ := NewSigner(seed)
	if err := errors.Join(Save(priv, seed, true), Save(pub, s.Public(), false)); err != nil {
		t.Fatal(err)
	}
	if err := Save(priv, seed, true); err == nil {
		t.Error("a key was overwritten")
	}
	got, err := LoadSigner(priv)
	if err != nil || got.KeyID() != s.KeyID() {
		t.Fatal(err)
	}
	if p, err := LoadPublic(pub); err != nil || !bytes.Equal(p, s.Public()) {
		t.Fatal(err)
	}
	if err := os.Chmod(priv, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadSigner(priv); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a readable private key was taken: %v", err)
	}
	bad := filepath.Join(dir, "bad")
	_ = os.WriteFile(bad, []byte("SECRET"), 0o600)
	if _, err := Load(bad); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("%v", err)
	}
}

func FuzzOpen(f *testing.F) {
	pub, priv, err := GenerateHPKE()
	if err != nil {
		f.Fatal(err)
	}
	s, _ := Seal(pub, PurposeLookup, "g", "p", []byte("x"))
	f.Add(s)
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = Open(priv, PurposeLookup, "g", "p", b) })
}

// A list of signatures from outside is never a panic and never holds without a trusted key.
func FuzzVerify(f *testing.F) {
	s, err := NewSigner(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	good := s.Sign("cmd", []byte("open"))
	f.Add(good.Alg, good.Kid, good.Sig, []byte("open"))
	f.Add("", good.Kid, []byte{}, []byte{})
	keys := Trust(s.Public())
	f.Fuzz(func(t *testing.T, alg, kid string, sig, payload []byte) {
		_, err := keys.Verify("cmd", payload, []Signature{{alg, kid, sig}})
		if ok := alg == Alg && kid == good.Kid && bytes.Equal(sig, good.Sig) && string(payload) == "open"; ok != (err == nil) {
			t.Fatalf("%v for %q %q", err, alg, kid)
		}
	})
}

// The key for signed notes signs what it is given, and is not a signature of Sign.
func TestCryptoKeyIsApart(t *testing.T) {
	s, err := NewSigner(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Crypto().Sign(nil, []byte("open"), crypto.Hash(0))
	if err != nil || !ed25519.Verify(s.Public(), []byte("open"), sig) {
		t.Fatal(err)
	}
	if _, err := Trust(s.Public()).Verify("cmd", []byte("open"), []Signature{{Alg, s.KeyID(), sig}}); err == nil {
		t.Error("a note's signature is taken for an order's")
	}
}
