package issue

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/ec"
	"egate/emrtd/lds"
)

// ChipKey is the static key of chip authentication.
type ChipKey struct {
	Curve   *ec.Curve
	Private []byte // scalar
	OID     string // chip authentication protocol, from its ChipAuthenticationInfo
}

// Passport is a personalised chip: its files and its keys.
type Passport struct {
	// Lines are the lines of the printed MRZ.
	Lines  [2]string
	Access Access
	PACE   []PACEOption
	CAN    string
	// Master are the files of the master file, App those of the eMRTD application, by file identifier.
	Master map[uint16][]byte
	App    map[uint16][]byte
	CA     *ChipKey
	AA     crypto.Signer
	// Extended tells whether the chip takes extended length.
	Extended bool
}

// MRZ returns both lines joined, as DG1 has them.
func (p *Passport) MRZ() []byte { return []byte(p.Lines[0] + p.Lines[1]) }

// Default choices: what most chips issued today offer.
const (
	defaultPACE  = "0.4.0.127.0.7.2.2.4.2.2" // id-PACE-ECDH-GM-AES-CBC-CMAC-128
	defaultParam = 12                        // P-256
	defaultCA    = "0.4.0.127.0.7.2.2.3.2.2" // id-CA-ECDH-AES-CBC-CMAC-128
	caCurveParam = 13                        // brainpoolP256r1
	// aaRSABits is the largest usual modulus whose signature fits a short protected answer (223 bytes);
	// a chip with extended length takes aaRSABitsExt.
	aaRSABits    = 1536
	aaRSABitsExt = 2048
	oidPlain     = "0.4.0.127.0.7.1.1.4.1.3" // ecdsa-plain-SHA256, named by ActiveAuthenticationInfo
)

// atrInfoLimit is the size of command and response APDUs announced in EF.ATR/INFO.
const atrInfoLimit = 0x7FFF

// Personalise makes the files and keys of one passport.
func (a *Authority) Personalise(profile Profile) (*Passport, error) {
	pr, err := profile.normal()
	if err != nil {
		return nil, err
	}
	p := &Passport{
		Access: pr.Access, CAN: pr.CAN, Master: map[uint16][]byte{}, App: map[uint16][]byte{}, Extended: pr.ExtendedLength,
	}
	p.Lines[0], p.Lines[1] = pr.lines(a.Country)
	groups := map[int][]byte{1: lds.BuildDG1(p.MRZ()), 2: lds.BuildDG2(pr.Portrait, pr.PortraitWidth, pr.PortraitHeight)}

	var infos, paceInfos [][]byte
	if pr.Access != AccessBAC {
		p.PACE = pr.PACE
		if len(p.PACE) == 0 {
			p.PACE = []PACEOption{{defaultPACE, defaultParam}}
		}
		for _, o := range p.PACE {
			paceInfos = append(paceInfos, ber.Encode(ber.Sequence, ber.EncodeOID(o.OID), ber.EncodeInt(2), ber.EncodeInt(int64(o.Param))))
		}
		p.Master[lds.FIDCardAccess] = ber.Encode(ber.Set, paceInfos...)
	}
	if pr.ChipAuth == "ecdh" {
		c, err := ec.ByStandardID(caCurveParam)
		if err != nil {
			return nil, fmt.Errorf("issue: %w", err)
		}
		priv, pub, err := c.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("issue: chip authentication key: %w", err)
		}
		p.CA = &ChipKey{Curve: c, Private: priv, OID: defaultCA}
		infos = append(infos,
			ber.Encode(ber.Sequence, ber.EncodeOID(lds.OIDPKECDH), ExplicitSPKI(c, pub)),
			ber.Encode(ber.Sequence, ber.EncodeOID(defaultCA), ber.EncodeInt(1)))
	}
	switch pr.ActiveAuth {
	case "rsa":
		bits := aaRSABits
		if pr.ExtendedLength {
			bits = aaRSABitsExt
		}
		p.AA, err = rsa.GenerateKey(rand.Reader, bits)
	case "ecdsa":
		p.AA, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		infos = append(infos, ber.Encode(ber.Sequence, ber.EncodeOID(lds.OIDAA), ber.EncodeInt(1), ber.EncodeOID(oidPlain)))
	}
	if err != nil {
		return nil, fmt.Errorf("issue: active authentication key: %w", err)
	}
	if p.AA != nil {
		spki, err := x509.MarshalPKIXPublicKey(p.AA.Public())
		if err != nil {
			return nil, fmt.Errorf("issue: active authentication key: %w", err)
		}
		groups[15] = lds.BuildDG15(spki)
	}
	// DG14 repeats the announcements of EF.CardAccess, so that hiding them shows (Doc 9303-11 §9.2.11).
	if infos = append(infos, paceInfos...); len(infos) > 0 {
		groups[14] = lds.BuildDG14(infos...)
	}
	at := a.Now.Add(-signedAgo)
	if pr.SignedAt != "" {
		if at, err = time.Parse(time.DateOnly, pr.SignedAt); err != nil {
			return nil, fmt.Errorf("%w: signed_at", ErrProfile)
		}
	}
	if err := p.Seal(a, groups, at); err != nil {
		return nil, err
	}
	if p.Extended {
		n := []byte{atrInfoLimit >> 8, atrInfoLimit & 0xff}
		// Card capabilities (ISO/IEC 7816-4 §8.1.1.2.7): short EF identifiers, extended length.
		p.Master[lds.FIDATRInfo] = append(ber.Encode(0x47, []byte{0x14, 0x01, 0x40}),
			ber.Encode(0x7F66, ber.Encode(ber.Integer, n), ber.Encode(ber.Integer, n))...)
	}
	return p, nil
}

// Seal signs the groups and replaces the files of the application by them, EF.COM and EF.SOD.
func (p *Passport) Seal(a *Authority, groups map[int][]byte, at time.Time) error {
	sod, err := a.SignSOD(groups, at)
	if err != nil {
		return err
	}
	com := lds.COM{LDSVersion: "0107", UnicodeVersion: "040000"}
	for n := 1; n <= lds.MaxGroups; n++ {
		if g, ok := groups[n]; ok {
			p.App[lds.FID(n)] = g
			com.Groups = append(com.Groups, n)
		}
	}
	p.App[lds.FIDCOM] = lds.BuildCOM(com)
	p.App[lds.FIDSOD] = sod
	return nil
}

// Groups returns the data groups by number.
func (p *Passport) Groups() map[int][]byte {
	out := map[int][]byte{}
	for n := 1; n <= lds.MaxGroups; n++ {
		if g, ok := p.App[lds.FID(n)]; ok {
			out[n] = g
		}
	}
	return out
}

// ExplicitSPKI writes a SubjectPublicKeyInfo with explicit curve parameters, as most issuers do
// (BSI TR-03111 §5.1.1).
func ExplicitSPKI(c *ec.Curve, pub ec.Point) []byte {
	oct := func(b []byte) []byte { return ber.Encode(ber.OctetString, b) }
	n := c.Size()
	par := ber.Encode(ber.Sequence, ber.EncodeInt(1),
		ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.1.1"), ber.EncodeBig(c.P)),
		ber.Encode(ber.Sequence, oct(c.A.FillBytes(make([]byte, n))), oct(c.B.FillBytes(make([]byte, n)))),
		oct(c.Encode(c.Generator())), ber.EncodeBig(c.N), ber.EncodeInt(int64(c.H)))
	return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), par), ber.EncodeBits(c.Encode(pub)))
}
