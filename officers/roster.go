// Package officers says whether an order is an officer's. The chain is: a roster, signed offline, names
// passkeys; a passkey's assertion certifies the order key of a browser for some gates and an hour at most; the
// order key signs the exact bytes of an order. Neither the console nor the broker nor the authority that issues
// their certificates holds any key of it. What is read here is read on the gate: standard library only.
package officers

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"time"

	"egate/api"
	"egate/seal"
)

// Kind is that of a signed roster.
const Kind = "roster"

// Limits of a roster.
const (
	MaxRoster    = 96 << 10 // bytes, signed: a row of the gate's journal holds it
	MaxOfficers  = 128
	maxGates     = 32
	maxPasskeys  = 4
	maxOrigins   = 8
	maxOrders    = 20
	maxLife      = 400 * 24 * time.Hour // of a roster: a list that nobody renews ends
	maxCredbytes = 1024
)

// Algorithms of passkeys (COSE -7 and -8).
const (
	ES256 = "es256"
	EdDSA = "eddsa"
)

// Roles of officers.
const (
	RoleOfficer    = "officer"
	RoleSupervisor = "supervisor"
	RoleTechnician = "technician"
)

// desk is what every officer at the line does.
var desk = []string{api.CmdTake, api.CmdReturn, api.CmdAccept, api.CmdSendBack, api.CmdHold, api.CmdOpenGate, api.CmdCloseGate, api.CmdReset,
	api.CmdOpenEntry, api.CmdRelease, api.CmdHoldEntry, api.CmdLetGo, api.CmdHandOver, api.CmdSafeguard, api.CmdOutOfService}

// roles lists the orders of each role.
var roles = map[string][]string{
	RoleOfficer:    desk,
	RoleSupervisor: slices.Concat(desk, []string{api.CmdOpenExit, api.CmdEndEmergency, api.CmdManual, api.CmdStandby}),
	RoleTechnician: {api.CmdCloseGate, api.CmdReset, api.CmdRelease, api.CmdStandby, api.CmdService, api.CmdSelfTest, api.CmdSpecimen},
}

// Roles lists them.
func Roles() []string { return []string{RoleOfficer, RoleSupervisor, RoleTechnician} }

// May tells whether one of the roles gives an order.
func May(have []string, order string) bool {
	return slices.ContainsFunc(have, func(r string) bool { return slices.Contains(roles[r], order) })
}

// NeedsFresh tells whether an order needs a touch of the passkey for itself: it opens a door across the border
// with nobody's inspection behind it, or ends an emergency.
func NeedsFresh(order string) bool { return order == api.CmdOpenExit || order == api.CmdEndEmergency }

var (
	plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	pseudonym = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	host      = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
)

// Roster is one whose signature and form are good.
type Roster struct {
	api.Roster
	raw   []byte
	kid   string
	byKey map[string]int // officer by credential id
}

// Raw is the signed document.
func (r *Roster) Raw() []byte { return r.raw }

// Signer is the id of the key that signed it.
func (r *Roster) Signer() string { return r.kid }

// Sign makes the signed document.
func Sign(r api.Roster, s *seal.Signer) ([]byte, error) {
	if err := Check(r); err != nil {
		return nil, err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("officers: %w", err)
	}
	sig := s.Sign(Kind, body)
	raw, err := json.Marshal(api.Signed{Kind: Kind, Payload: body, Signatures: []api.Signature{{Alg: sig.Alg, Kid: sig.Kid, Sig: sig.Sig}}})
	if err != nil {
		return nil, fmt.Errorf("officers: %w", err)
	}
	if len(raw) > MaxRoster {
		return nil, fmt.Errorf("officers: the roster has %d bytes, %d are the most", len(raw), MaxRoster)
	}
	return raw, nil
}

// Open verifies a signed roster of a site and checks its form. Whether it is in force is a question of the time.
func Open(raw []byte, keys seal.Keys, site string) (*Roster, error) {
	if len(raw) > MaxRoster {
		return nil, fmt.Errorf("officers: a roster of %d bytes, %d are the most", len(raw), MaxRoster)
	}
	var s api.Signed
	if err := strict(raw, &s); err != nil || s.Kind != Kind || s.Proof != nil || s.Second != nil {
		return nil, errors.New("officers: no signed roster: make one with egatectl roster sign")
	}
	sigs := make([]seal.Signature, 0, len(s.Signatures))
	for _, x := range s.Signatures {
		sigs = append(sigs, seal.Signature{Alg: x.Alg, Kid: x.Kid, Sig: x.Sig})
	}
	kid, err := keys.Verify(Kind, s.Payload, sigs)
	if err != nil {
		return nil, fmt.Errorf("officers: roster: %w", err)
	}
	r := &Roster{raw: bytes.Clone(raw), kid: kid, byKey: map[string]int{}}
	if err := strict(s.Payload, &r.Roster); err != nil {
		return nil, errors.New("officers: the roster is none: a field is missing, unknown or of another type")
	}
	if r.Site != site {
		return nil, fmt.Errorf("officers: the roster is of site %q, not of %q", r.Site, site)
	}
	if err := Check(r.Roster); err != nil {
		return nil, err
	}
	for i, o := range r.Officers {
		for _, p := range o.Passkeys {
			r.byKey[string(p.Credential)] = i
		}
	}
	return r, nil
}

// Check tells every mistake in the form of a roster.
func Check(r api.Roster) error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("officers: "+format, a...)) }
	if !plainName.MatchString(r.Site) {
		bad("site must be 1 to 32 of a-z, 0-9 and \"-\"")
	}
	if r.Version == 0 {
		bad("version must be at least 1, and higher than the one before")
	}
	if life := r.ExpiresAt.Sub(r.IssuedAt); life <= 0 || life > maxLife {
		bad("expires_at must be after issued_at, by %d days at most", int(maxLife.Hours()/24))
	}
	if !host.MatchString(r.RPID) {
		bad("rp_id must be the host name of the officers' pages, e.g. desk.example.org")
	}
	if len(r.Origins) == 0 || len(r.Origins) > maxOrigins {
		bad("origins must list 1 to %d origins of the officers' pages", maxOrigins)
	}
	for _, o := range r.Origins {
		u, err := url.Parse(o)
		switch {
		case err != nil || u.Host == "" || u.Scheme+"://"+u.Host != o:
			bad("origin %q must be scheme and host, e.g. https://desk.example.org", o)
		case u.Hostname() != r.RPID && !suffix(u.Hostname(), r.RPID):
			bad("origin %q does not lie under rp_id %q", o, r.RPID)
		case u.Scheme != "https" && !(u.Scheme == "http" && u.Hostname() == "localhost"):
			bad("origin %q must be https; http is for localhost only", o)
		}
	}
	if len(r.Officers) > MaxOfficers {
		bad("%d officers, %d are the most", len(r.Officers), MaxOfficers)
	}
	for _, c := range r.TwoPersons {
		if !May(Roles(), c) {
			bad("two_persons names the order %q, which does not exist", c)
		}
		if c == api.CmdHandOver {
			bad("two_persons names %q: whoever takes the gate over has to be signed in, that is its second person", c)
		}
	}
	if len(r.TwoPersons) > maxOrders {
		bad("two_persons lists %d orders, %d are the most", len(r.TwoPersons), maxOrders)
	}
	names, creds := map[string]bool{}, map[string]bool{}
	for i, o := range r.Officers {
		if !pseudonym.MatchString(o.Officer) || names[o.Officer] {
			bad("officer %d needs a pseudonym of its own, 1 to 64 of A-Z a-z 0-9 . _ -", i+1)
		}
		names[o.Officer] = true
		if !o.NotAfter.After(o.NotBefore) {
			bad("%s: not_after must be after not_before", o.Officer)
		}
		if o.Demo && !r.Simulated {
			bad("%s: a demo officer is for the simulation only", o.Officer)
		}
		if len(o.Gates) == 0 || len(o.Gates) > maxGates || slices.ContainsFunc(o.Gates, func(g string) bool { return !plainName.MatchString(g) }) {
			bad("%s: gates must name 1 to %d gates", o.Officer, maxGates)
		}
		if o.Group != "" && !plainName.MatchString(o.Group) {
			bad("%s: group must be 1 to 32 of a-z, 0-9 and \"-\"", o.Officer)
		}
		if len(o.Roles) == 0 || slices.ContainsFunc(o.Roles, func(x string) bool { return roles[x] == nil }) {
			bad("%s: roles must be of %v", o.Officer, Roles())
		}
		if len(o.Passkeys) == 0 || len(o.Passkeys) > maxPasskeys {
			bad("%s: 1 to %d passkeys are needed", o.Officer, maxPasskeys)
		}
		for _, p := range o.Passkeys {
			if len(p.Credential) == 0 || len(p.Credential) > maxCredbytes || creds[string(p.Credential)] {
				bad("%s: a passkey needs a credential id of its own", o.Officer)
			}
			creds[string(p.Credential)] = true
			if _, err := public(p); err != nil {
				bad("%s: %w", o.Officer, err)
			}
		}
	}
	return errors.Join(errs...)
}

func suffix(name, domain string) bool {
	return len(name) > len(domain) && name[len(name)-len(domain)-1:] == "."+domain
}

// public is a passkey's verification key.
func public(p api.Passkey) (crypto.PublicKey, error) {
	k, err := x509.ParsePKIXPublicKey(p.Key)
	if err != nil {
		return nil, errors.New("the key of a passkey is no SubjectPublicKeyInfo")
	}
	switch k := k.(type) {
	case *ecdsa.PublicKey:
		if p.Alg == ES256 && k.Curve == elliptic.P256() {
			return k, nil
		}
	case ed25519.PublicKey:
		if p.Alg == EdDSA {
			return k, nil
		}
	}
	return nil, fmt.Errorf("a passkey must be %s on P-256 or %s (Ed25519)", ES256, EdDSA)
}

// InForce tells whether the roster holds now.
func (r *Roster) InForce(now time.Time) bool {
	return !now.Before(r.IssuedAt.Add(-MaxSkew)) && now.Before(r.ExpiresAt)
}

// At returns an officer who may work at a gate now.
func (r *Roster) At(officer, gate string, now time.Time) (api.RosterOfficer, bool) {
	for _, o := range r.Officers {
		if o.Officer == officer {
			return o, r.InForce(now) && valid(o, now) && slices.Contains(o.Gates, gate)
		}
	}
	return api.RosterOfficer{}, false
}

func valid(o api.RosterOfficer, now time.Time) bool {
	return !now.Before(o.NotBefore) && now.Before(o.NotAfter)
}

// strict parses one JSON document without unknown fields.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("officers: something follows the document")
	}
	return nil
}
