// Package enrol reads what a browser says of a new passkey, for whoever signs the roster. It is a package of its own so
// that no gate links it.
package enrol

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"egate/api"
	"egate/officers"
)

// Passkey verifies a registration (WebAuthn §7.1) and returns its passkey. The challenge is the officer's own: who
// signs the roster has seen the officer and needs no proof of the time.
func Passkey(raw []byte, rp, origin string) (api.Passkey, error) {
	c, err := protocol.ParseCredentialCreationResponseBytes(raw)
	if err != nil {
		return api.Passkey{}, fmt.Errorf("enrol: this is no registration of a passkey: copy all of what the enrolment page shows: %w", err)
	}
	_, err = c.Verify(c.Response.CollectedClientData.Challenge, rp, []string{origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true, nil, []protocol.CredentialParameter{
		{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256}, {Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA}},
		protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return api.Passkey{}, fmt.Errorf("enrol: the registration is not of %s at %s, or the user was not verified: %w", rp, origin, err)
	}
	a := c.Response.AttestationObject.AuthData.AttData
	parsed, err := webauthncose.ParsePublicKey(a.CredentialPublicKey)
	if err != nil {
		return api.Passkey{}, fmt.Errorf("enrol: the key of the passkey: %w", err)
	}
	alg, pub, err := key(parsed)
	if err != nil {
		return api.Passkey{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return api.Passkey{}, err
	}
	return api.Passkey{Credential: a.CredentialID, Alg: alg, Key: der}, nil
}

// key is the key of a credential as the standard library has it.
func key(k any) (alg string, pub any, err error) {
	switch k := k.(type) {
	case webauthncose.EC2PublicKeyData:
		p, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, k.XCoord, k.YCoord))
		if err != nil {
			return "", nil, fmt.Errorf("enrol: the key of the passkey is not on P-256: %w", err)
		}
		return officers.ES256, p, nil
	case webauthncose.OKPPublicKeyData:
		if len(k.XCoord) != ed25519.PublicKeySize {
			return "", nil, errors.New("enrol: the key of the passkey is no Ed25519 key")
		}
		return officers.EdDSA, ed25519.PublicKey(k.XCoord), nil
	}
	return "", nil, errors.New("enrol: the passkey must be ES256 or EdDSA (Ed25519)")
}
