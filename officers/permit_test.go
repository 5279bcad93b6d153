package officers

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"egate/seal"
)

func permitSigner(t testing.TB, b byte) *seal.Signer {
	t.Helper()
	s, err := seal.NewSigner([]byte(strings.Repeat(string(rune(b)), 32)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// P-14: a code permits one technician service at one gate until it ends; no bit of it can be changed.
func TestP14Permit(t *testing.T) {
	key, other := permitSigner(t, 'a'), permitSigner(t, 'b')
	keys := seal.Trust(key.Public())
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	p := Permit{Site: "s", Gate: "g-1", Technician: "0123456789abcdef", From: now, Until: now.Add(4 * time.Hour)}
	text, err := p.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckPermit(keys, text, "s", "g-1", p.Technician, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	forged, err := p.Sign(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text, site, gate, who string
		at                    time.Duration
		want                  string
	}{
		"another gate":       {text, "s", "g-2", p.Technician, 0, "another gate"},
		"another site":       {text, "t", "g-1", p.Technician, 0, "another gate"},
		"another technician": {text, "s", "g-1", "fedcba9876543210", 0, "another technician"},
		"expired":            {text, "s", "g-1", p.Technician, 4 * time.Hour, "expired"},
		"not yet":            {text, "s", "g-1", p.Technician, -time.Hour, "not valid yet"},
		"another key":        {forged, "s", "g-1", p.Technician, 0, "not signed"},
		"nothing":            {"", "s", "g-1", p.Technician, 0, "no code"},
		"long":               {strings.Repeat("A", MaxPermit+1), "s", "g-1", p.Technician, 0, "no code"},
	} {
		if err := CheckPermit(keys, c.text, c.site, c.gate, c.who, now.Add(c.at)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	for i := range raw {
		bad := append([]byte(nil), raw...)
		bad[i] ^= 1
		if err := CheckPermit(keys, base64.RawURLEncoding.EncodeToString(bad), "s", "g-1", p.Technician, now); err == nil && !sameMeaning(raw, bad) {
			t.Errorf("byte %d changed and accepted", i)
		}
	}
	for name, bad := range map[string]Permit{"no gate": {Site: "s", Technician: "t", From: now, Until: now.Add(time.Hour)}, "backwards": {Site: "s", Gate: "g", Technician: "t", From: now, Until: now},
		"for ever": {Site: "s", Gate: "g", Technician: "t", From: now, Until: now.Add(25 * time.Hour)}} {
		if _, err := bad.Sign(key); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// sameMeaning tells that two texts differ in the case of a JSON key alone, which means the same.
func sameMeaning(a, b []byte) bool { return strings.EqualFold(string(a), string(b)) }

// FuzzP14Permit: whatever is typed is refused or was signed.
func FuzzP14Permit(f *testing.F) {
	key := permitSigner(f, 'a')
	now := time.Unix(0, 0).UTC()
	text, err := Permit{Site: "s", Gate: "g", Technician: "t", From: now, Until: now.Add(time.Hour)}.Sign(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, in string) {
		if CheckPermit(seal.Trust(permitSigner(t, 'c').Public()), in, "s", "g", "t", now) == nil {
			t.Error("accepted without a signature of the key")
		}
	})
}
