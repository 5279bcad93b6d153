package officers

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"egate/api"
)

// Limits of an order's proof.
const (
	MaxKeyLife   = time.Hour        // of an order key: one shift hour (O-02)
	MaxFresh     = time.Minute      // from a touch to its order
	MaxSkew      = 30 * time.Second // clocks of browser and gate apart
	maxOrderKey  = 6 << 10          // bytes
	maxAuthData  = 1024
	maxClient    = 2048
	maxSignature = 128
)

// Refusal is why an order is not an officer's. Its text is the reason code of the answer.
type Refusal string

// Reasons of refusals, in the order in which they are looked for.
const (
	NoRoster     Refusal = "no_roster"         // the gate has none
	Expired      Refusal = "roster_expired"    // the roster does not hold now
	KeyRefused   Refusal = "order_key_refused" // the certificate of the order key is not genuine
	KeyExpired   Refusal = "order_key_expired"
	Unknown      Refusal = "officer_unknown"  // not on the roster, or not now
	Mismatch     Refusal = "officer_mismatch" // the order names another officer than the one who signed it
	OtherGate    Refusal = "other_gate"
	BadSignature Refusal = "order_signature"
	RoleMissing  Refusal = "role_missing"
	FreshNeeded  Refusal = "fresh_needed"
	SameOfficer  Refusal = "same_officer"     // the second signature is of the first officer, or of his key
	OtherOrder   Refusal = "other_document"   // the second signature is of another order than the first
	Receiver     Refusal = "receiver_unknown" // of a hand-over: not on the roster, not for this gate, or not for a desk
)

func (r Refusal) Error() string { return "officers: " + string(r) }

// KeyChallenge is what a passkey signs to certify an order key: the exact text of an api.OrderKey.
func KeyChallenge(orderKey []byte) [32]byte {
	return sha256.Sum256(append([]byte("egate/v1/order-key\x00"), orderKey...))
}

// FreshChallenge is what a passkey signs for one order.
func FreshChallenge(c api.Command, at time.Time) [32]byte {
	return sha256.Sum256([]byte(strings.Join([]string{"egate/v1/fresh", c.ID, c.Gate, c.Session, c.Name, c.Passage, c.Reason, strconv.FormatInt(at.UnixMilli(), 10)}, "\x00")))
}

// orderText is what an order key signs.
func orderText(payload []byte) []byte { return append([]byte("egate/v1/cmd\x00"), payload...) }

// clientData is what the browser says of a ceremony (WebAuthn §5.8.1). Browsers may add fields.
type clientData struct {
	Type        string `json:"type"`
	Challenge   string `json:"challenge"`
	Origin      string `json:"origin"`
	CrossOrigin bool   `json:"crossOrigin"`
}

// Flags of authenticator data (WebAuthn §6.1).
const (
	userPresent  = 1 << 0
	userVerified = 1 << 2
	authDataMin  = 37
)

// Assert verifies a passkey's assertion over a challenge (WebAuthn §7.2) and returns its officer. The signature
// counter is not kept: synchronised passkeys have none, and every challenge is used once.
func (r *Roster) Assert(a api.Assertion, challenge [32]byte) (api.RosterOfficer, error) {
	i, known := r.byKey[string(a.Credential)]
	if !known {
		return api.RosterOfficer{}, Unknown
	}
	o := r.Officers[i]
	p := o.Passkeys[slices.IndexFunc(o.Passkeys, func(p api.Passkey) bool { return bytes.Equal(p.Credential, a.Credential) })]
	if len(a.AuthData) < authDataMin || len(a.AuthData) > maxAuthData || len(a.ClientData) > maxClient || len(a.Signature) > maxSignature {
		return api.RosterOfficer{}, KeyRefused
	}
	var c clientData
	if json.Unmarshal(a.ClientData, &c) != nil {
		return api.RosterOfficer{}, KeyRefused
	}
	said, err := base64.RawURLEncoding.DecodeString(c.Challenge)
	rp := sha256.Sum256([]byte(r.RPID))
	const both = userPresent | userVerified
	switch {
	case err != nil || c.Type != "webauthn.get" || c.CrossOrigin || !slices.Contains(r.Origins, c.Origin),
		subtle.ConstantTimeCompare(said, challenge[:]) != 1,
		!bytes.Equal(a.AuthData[:32], rp[:]),
		a.AuthData[32]&both != both:
		return api.RosterOfficer{}, KeyRefused
	}
	h := sha256.Sum256(a.ClientData)
	msg := append(bytes.Clone(a.AuthData), h[:]...)
	pub, err := public(p)
	if err != nil {
		return api.RosterOfficer{}, KeyRefused
	}
	good := false
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		d := sha256.Sum256(msg)
		good = ecdsa.VerifyASN1(k, d[:], a.Signature)
	case ed25519.PublicKey:
		good = ed25519.Verify(k, msg, a.Signature)
	}
	if !good {
		return api.RosterOfficer{}, KeyRefused
	}
	return o, nil
}

// Certified verifies the certificate of an order key and returns its officer and its text. It does not ask for
// which gates it is.
func (r *Roster) Certified(orderKey []byte, a api.Assertion, now time.Time) (api.RosterOfficer, api.OrderKey, error) {
	var k api.OrderKey
	if !r.InForce(now) {
		return api.RosterOfficer{}, k, Expired
	}
	if len(orderKey) > maxOrderKey || strict(orderKey, &k) != nil {
		return api.RosterOfficer{}, k, KeyRefused
	}
	o, err := r.Assert(a, KeyChallenge(orderKey))
	switch {
	case err != nil:
		return api.RosterOfficer{}, k, err
	case k.Site != r.Site || k.ExpiresAt.Sub(k.IssuedAt) > MaxKeyLife || k.IssuedAt.After(now.Add(MaxSkew)):
		return api.RosterOfficer{}, k, KeyRefused
	case !k.ExpiresAt.After(now):
		return api.RosterOfficer{}, k, KeyExpired
	case !valid(o, now):
		return api.RosterOfficer{}, k, Unknown
	}
	return o, k, nil
}

// Verify tells whether an order of this gate is its officer's: nil, or a Refusal. payload is the exact text of c.
func (r *Roster) Verify(gate string, payload []byte, c api.Command, p *api.Proof, now time.Time) error {
	o, err := r.signer(gate, payload, c, p, now)
	switch {
	case err != nil && o.Officer != "" && o.Officer != c.Officer:
		return Mismatch
	case err != nil:
		return err
	case o.Officer != c.Officer:
		return Mismatch
	}
	return nil
}

// VerifySecond tells which officer has signed the very order that another one signed first (two persons): of another
// name, with another passkey and another order key, over the same bytes.
func (r *Roster) VerifySecond(gate string, payload []byte, c api.Command, first, second *api.Proof, now time.Time) (officer string, err error) {
	o, err := r.signer(gate, payload, c, second, now)
	switch {
	case first == nil:
		return "", BadSignature
	case o.Officer == "":
		return "", err
	case o.Officer == c.Officer, bytes.Equal(first.Assertion.Credential, second.Assertion.Credential), sameKey(first.OrderKey, second.OrderKey):
		return "", SameOfficer
	case err != nil:
		return "", err
	}
	return o.Officer, nil
}

// sameKey tells whether two certificates are of one order key.
func sameKey(a, b []byte) bool {
	var x, y api.OrderKey
	return strict(a, &x) != nil || strict(b, &y) != nil || bytes.Equal(x.Key, y.Key)
}

// signer tells who has signed an order and whether he may give it. The officer is known where the certificate is genuine.
func (r *Roster) signer(gate string, payload []byte, c api.Command, p *api.Proof, now time.Time) (api.RosterOfficer, error) {
	if p == nil {
		return api.RosterOfficer{}, BadSignature
	}
	o, k, err := r.Certified(p.OrderKey, p.Assertion, now)
	switch {
	case err != nil:
		return api.RosterOfficer{}, err
	case c.Gate != gate || !slices.Contains(k.Gates, gate) || !slices.Contains(o.Gates, gate):
		return o, OtherGate
	case !signedBy(k.Key, orderText(payload), p.Signature):
		return o, BadSignature
	case !May(o.Roles, c.Name):
		return o, RoleMissing
	case c.Name == api.CmdHandOver && !r.receives(c.To, gate, now):
		return o, Receiver
	case !NeedsFresh(c.Name):
		return o, nil
	case p.Fresh == nil || now.Sub(p.Fresh.At) > MaxFresh || p.Fresh.At.After(now.Add(MaxSkew)),
		strings.ContainsRune(c.ID+c.Session+c.Passage+c.Reason, 0):
		return o, FreshNeeded
	}
	again, err := r.Assert(p.Fresh.Assertion, FreshChallenge(c, p.Fresh.At))
	if err != nil || again.Officer != o.Officer {
		return o, FreshNeeded
	}
	return o, nil
}

// receives tells whether a gate may be handed over to an officer: his roles have the orders of a desk.
func (r *Roster) receives(officer, gate string, now time.Time) bool {
	o, there := r.At(officer, gate, now)
	return there && May(o.Roles, api.CmdHandOver)
}

// signedBy verifies a signature as WebCrypto makes it: r and s, 32 bytes each.
func signedBy(point, text, sig []byte) bool {
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil || len(sig) != 64 {
		return false
	}
	h := sha256.Sum256(text)
	return ecdsa.Verify(pub, h[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

// SignedBy tells whether an order key signed a text of another use, such as a console's nonce.
func SignedBy(k api.OrderKey, use string, text, sig []byte) bool {
	return signedBy(k.Key, append([]byte("egate/v1/"+use+"\x00"), text...), sig)
}
