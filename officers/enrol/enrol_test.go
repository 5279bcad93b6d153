package enrol

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"

	"egate/officers"
)

const host, origin = "desk.example", "https://desk.example"

// registration is what a browser says of a new passkey (WebAuthn §5.2.1, attestation "none").
type registration struct {
	kind, host, origin string
	flags              byte
	cose               []byte
}

func (r registration) json(t testing.TB) []byte {
	t.Helper()
	client, err := json.Marshal(map[string]any{"type": r.kind, "challenge": base64.RawURLEncoding.EncodeToString([]byte("a challenge")), "origin": r.origin, "crossOrigin": false})
	if err != nil {
		t.Fatal(err)
	}
	rp := sha256.Sum256([]byte(r.host))
	id := []byte("credential-of-7!")
	auth := slices.Concat(rp[:], []byte{r.flags, 0, 0, 0, 1}, make([]byte, 16), binary.BigEndian.AppendUint16(nil, uint16(len(id))), id, r.cose)
	object := slices.Concat([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"), binary.BigEndian.AppendUint16(nil, uint16(len(auth))), auth)
	url := base64.RawURLEncoding.EncodeToString
	b, err := json.Marshal(map[string]any{"id": url(id), "rawId": url(id), "type": "public-key", "response": map[string]string{"clientDataJSON": url(client), "attestationObject": url(object)}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestX02Enrolment: a registration of the officers' pages, of a user who was verified, gives the key as a roster lists
// it; of another page, host, ceremony or algorithm it gives none.
func TestX02Enrolment(t *testing.T) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	es256 := slices.Concat([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, point[1:33], []byte{0x22, 0x58, 32}, point[33:])
	eddsa := slices.Concat([]byte{0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32}, pub)
	off := bytes.Clone(es256)
	off[len(off)-1] ^= 1 // not on the curve
	good := registration{"webauthn.create", host, origin, 0x45, es256}
	for alg, r := range map[string]registration{officers.ES256: good, officers.EdDSA: {good.kind, host, origin, 0x45, eddsa}} {
		p, err := Passkey(r.json(t), host, origin)
		if err != nil || p.Alg != alg || string(p.Credential) != "credential-of-7!" {
			t.Fatalf("%s: %+v %v", alg, p, err)
		}
		var want any = &k.PublicKey
		if alg == officers.EdDSA {
			want = pub
		}
		if der, _ := x509.MarshalPKIXPublicKey(want); !bytes.Equal(der, p.Key) {
			t.Errorf("%s: another key", alg)
		}
	}
	for what, r := range map[string]registration{
		"another page": {good.kind, host, "https://evil.example", 0x45, es256}, "another host": {good.kind, "evil.example", origin, 0x45, es256},
		"a sign-in": {"webauthn.get", host, origin, 0x45, es256}, "user not verified": {good.kind, host, origin, 0x41, es256},
		"user not there": {good.kind, host, origin, 0x44, es256}, "no key": {good.kind, host, origin, 0x45, nil}, "off the curve": {good.kind, host, origin, 0x45, off},
	} {
		if p, err := Passkey(r.json(t), host, origin); err == nil {
			t.Errorf("%s: %+v", what, p)
		}
	}
}

func FuzzPasskey(f *testing.F) {
	f.Add([]byte(`{"id":"x"}`))
	f.Add(registration{"webauthn.create", host, origin, 0x45, []byte{0xa0}}.json(f))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = Passkey(b, host, origin) })
}
