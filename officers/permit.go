package officers

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"egate/seal"
)

// permitKind is that of a signed permit.
const permitKind = "service-permit"

// Limits of a permit.
const (
	MaxPermit     = 1 << 10        // bytes of its text
	MaxPermitLife = 24 * time.Hour // a code that was written down ends
)

// Permit lets one technician bring one gate into service mode while its network is dead (P-14): an officer who can be
// asked releases the gate by an order. It is signed by an officer whom the
// gate's configuration names (hardware.officers); no connected program holds that key.
type Permit struct {
	Site       string    `json:"site"`
	Gate       string    `json:"gate"`
	Technician string    `json:"technician"` // id of the technician's key
	From       time.Time `json:"from"`
	Until      time.Time `json:"until"`
}

type signedPermit struct {
	Permit    []byte         `json:"permit"` // JSON of Permit
	Signature seal.Signature `json:"signature"`
}

// ErrPermit says that a permit does not hold, and why.
var ErrPermit = errors.New("officers: the code does not hold")

// Sign makes the text of a permit: letters, digits, - and _, to be carried or typed.
func (p Permit) Sign(key *seal.Signer) (string, error) {
	if p.Site == "" || p.Gate == "" || p.Technician == "" || !p.Until.After(p.From) || p.Until.Sub(p.From) > MaxPermitLife {
		return "", fmt.Errorf("officers: a permit names site, gate and technician, and lasts %s at most", MaxPermitLife)
	}
	body, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("officers: permit: %w", err)
	}
	all, err := json.Marshal(signedPermit{body, key.Sign(permitKind, body)})
	if err != nil {
		return "", fmt.Errorf("officers: permit: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(all), nil
}

// CheckPermit tells why a text does not permit a technician service at a gate now; nil: it does.
func CheckPermit(keys seal.Keys, text, site, gate, technician string, now time.Time) error {
	if len(text) > MaxPermit {
		return fmt.Errorf("%w: it is no code of egatectl service code", ErrPermit)
	}
	var s signedPermit
	var p Permit
	all, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(all, &s) != nil || json.Unmarshal(s.Permit, &p) != nil {
		return fmt.Errorf("%w: it is no code of egatectl service code", ErrPermit)
	}
	if _, err := keys.Verify(permitKind, s.Permit, []seal.Signature{s.Signature}); err != nil {
		return fmt.Errorf("%w: it was not signed by an officer whom the gate knows (hardware.officers)", ErrPermit)
	}
	switch {
	case p.Site != site || p.Gate != gate:
		return fmt.Errorf("%w: it is for another gate", ErrPermit)
	case p.Technician != technician:
		return fmt.Errorf("%w: it is for another technician", ErrPermit)
	case p.Until.Sub(p.From) > MaxPermitLife || now.Before(p.From.Add(-MaxSkew)):
		return fmt.Errorf("%w: it is not valid yet, or for longer than %s: look at the clock of the gate", ErrPermit, MaxPermitLife)
	case !now.Before(p.Until):
		return fmt.Errorf("%w: it has expired: have a new one made", ErrPermit)
	}
	return nil
}
