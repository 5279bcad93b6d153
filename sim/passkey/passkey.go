// Package passkey is the far end of an officer: a software authenticator (WebAuthn assertions under a key of its
// own) and the order key that a browser would hold. It speaks the formats of the real ones; nothing on the other
// side knows the difference.
package passkey

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"egate/api"
	"egate/console"
	"egate/officers"
	"egate/seal"
)

// Authenticator holds one passkey.
type Authenticator struct {
	RPID, Origin string
	Credential   []byte
	Flags        byte // of its assertions; user present and verified
	key          crypto.Signer
	count        uint32
}

const presentAndVerified = 0x05

// New makes an authenticator with a fresh passkey of an algorithm: officers.ES256 or officers.EdDSA.
func New(alg, rpID, origin string) (*Authenticator, error) {
	a := &Authenticator{RPID: rpID, Origin: origin, Credential: make([]byte, 16), Flags: presentAndVerified}
	_, _ = rand.Read(a.Credential) // never fails
	var err error
	switch alg {
	case officers.ES256:
		a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case officers.EdDSA:
		_, a.key, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("passkey: no algorithm %q", alg)
	}
	return a, err
}

// Load makes the authenticator of a saved Ed25519 passkey: credential id and seed in hexadecimal digits.
func Load(rpID, origin, credential, seed string) (*Authenticator, error) {
	id, err1 := hex.DecodeString(credential)
	s, err2 := hex.DecodeString(seed)
	if err := errors.Join(err1, err2); err != nil || len(s) != ed25519.SeedSize || len(id) == 0 {
		return nil, errors.New("passkey: credential id and a seed of 32 bytes are expected, hexadecimal digits")
	}
	return &Authenticator{RPID: rpID, Origin: origin, Credential: id, Flags: presentAndVerified, key: ed25519.NewKeyFromSeed(s)}, nil
}

// Seed is an Ed25519 passkey's private half; nil for another.
func (a *Authenticator) Seed() []byte {
	if k, ok := a.key.(ed25519.PrivateKey); ok {
		return k.Seed()
	}
	return nil
}

// Public is the public half, as a roster lists it.
func (a *Authenticator) Public() (api.Passkey, error) {
	der, err := x509.MarshalPKIXPublicKey(a.key.Public())
	if err != nil {
		return api.Passkey{}, fmt.Errorf("passkey: %w", err)
	}
	alg := officers.ES256
	if _, ok := a.key.(ed25519.PrivateKey); ok {
		alg = officers.EdDSA
	}
	return api.Passkey{Credential: a.Credential, Alg: alg, Key: der}, nil
}

// Assert answers a challenge (WebAuthn §6.3.3).
func (a *Authenticator) Assert(challenge []byte) (api.Assertion, error) {
	client, err := json.Marshal(map[string]any{"type": "webauthn.get", "challenge": base64.RawURLEncoding.EncodeToString(challenge), "origin": a.Origin, "crossOrigin": false})
	if err != nil {
		return api.Assertion{}, fmt.Errorf("passkey: %w", err)
	}
	rp := sha256.Sum256([]byte(a.RPID))
	a.count++
	auth := binary.BigEndian.AppendUint32(append(rp[:], a.Flags), a.count)
	h := sha256.Sum256(client)
	msg := append(append([]byte{}, auth...), h[:]...)
	var sig []byte
	if _, ok := a.key.(ed25519.PrivateKey); ok {
		sig, err = a.key.Sign(rand.Reader, msg, crypto.Hash(0))
	} else {
		d := sha256.Sum256(msg)
		sig, err = a.key.Sign(rand.Reader, d[:], crypto.SHA256)
	}
	if err != nil {
		return api.Assertion{}, fmt.Errorf("passkey: %w", err)
	}
	return api.Assertion{Credential: a.Credential, AuthData: auth, ClientData: client, Signature: sig}, nil
}

// Named is a further officer of a roster.
type Named struct {
	Officer string
	Passkey *Authenticator
}

// Enlist signs a roster that lists this authenticator's officer, and others, in all roles at some gates, for a year. Its
// version is the time, so that a later one replaces it. Outside of a simulation pass simulated false: then nobody is a
// demo officer.
func (a *Authenticator) Enlist(by *seal.Signer, site, officer string, simulated bool, gates []string, now time.Time, others ...Named) ([]byte, error) {
	from, until := now.UTC().Add(-24*time.Hour), now.UTC().AddDate(1, 0, 0)
	var all []api.RosterOfficer
	for _, o := range append([]Named{{officer, a}}, others...) {
		pub, err := o.Passkey.Public()
		if err != nil {
			return nil, err
		}
		all = append(all, api.RosterOfficer{Officer: o.Officer, Passkeys: []api.Passkey{pub}, Roles: officers.Roles(), Gates: gates, NotBefore: from, NotAfter: until, Demo: simulated})
	}
	return officers.Sign(api.Roster{Site: site, Version: uint64(now.Unix()), IssuedAt: from, ExpiresAt: until, RPID: a.RPID, Origins: []string{a.Origin}, Simulated: simulated, TwoPersons: []string{}, // one officer plays them all
		Officers: all}, by)
}

// SignIn signs the officer in at a centre, as the desk does for a page.
func (a *Authenticator) SignIn(ctx context.Context, c console.Centre) (console.Officer, *OrderKey, error) {
	ch, err := c.Challenge()
	if err != nil {
		return console.Officer{}, nil, err
	}
	k, err := a.Certify(ch.Site, ch.Gates, ch.Nonce, time.Now(), time.Hour)
	if err != nil {
		return console.Officer{}, nil, err
	}
	o, err := c.SignIn(ctx, console.SignIn{OrderKey: k.Text, Assertion: k.Assertion})
	return o, k, err
}

// OrderKey is a certified key that signs orders, as an officer's browser holds one.
type OrderKey struct {
	Text      []byte // what was certified
	Assertion api.Assertion
	Expires   time.Time
	key       *ecdsa.PrivateKey
	by        *Authenticator
}

// Certify makes an order key for some gates and certifies it.
func (a *Authenticator) Certify(site string, gates []string, nonce []byte, now time.Time, life time.Duration) (*OrderKey, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	text, err := json.Marshal(api.OrderKey{Site: site, Gates: gates, Key: point, Nonce: nonce, IssuedAt: now.UTC(), ExpiresAt: now.Add(life).UTC()})
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	h := officers.KeyChallenge(text)
	as, err := a.Assert(h[:])
	return &OrderKey{Text: text, Assertion: as, Expires: now.Add(life), key: k, by: a}, err
}

// SignText signs a text for a use.
func (k *OrderKey) SignText(use string, text []byte) ([]byte, error) {
	h := sha256.Sum256(append([]byte("egate/v1/"+use+"\x00"), text...))
	r, s, err := ecdsa.Sign(rand.Reader, k.key, h[:])
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig, nil
}

// Sign signs an order and returns its exact text with the proof of its officer. Where the order needs one, the
// authenticator is touched for it at now.
func (k *OrderKey) Sign(c api.Command, now time.Time) (payload []byte, p *api.Proof, err error) {
	if payload, err = json.Marshal(c); err != nil {
		return nil, nil, fmt.Errorf("passkey: %w", err)
	}
	p = &api.Proof{OrderKey: k.Text, Assertion: k.Assertion}
	if p.Signature, err = k.SignText("cmd", payload); err != nil {
		return nil, nil, err
	}
	if officers.NeedsFresh(c.Name) {
		h := officers.FreshChallenge(c, now)
		as, err := k.by.Assert(h[:])
		if err != nil {
			return nil, nil, err
		}
		p.Fresh = &api.Fresh{At: now.UTC(), Assertion: as}
	}
	return payload, p, nil
}

// Order is an order of the desk to a gate on its present connection, for eight seconds from now.
func Order(gate string, st api.Status, officer, name, passage string, dossier []byte, reason string, now time.Time) api.Command {
	now = now.UTC()
	return api.Command{ID: rand.Text(), Gate: gate, Session: st.Session, Epoch: st.Epoch, Name: name, Principal: principal, Officer: officer, Passage: passage, Dossier: dossier, Reason: reason,
		IssuedAt: now, ExpiresAt: now.Add(orderLife)}
}

// What the pages of the console put into an order.
const (
	principal = "console"
	orderLife = 8 * time.Second
)
