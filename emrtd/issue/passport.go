package issue

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/dh"
	"egate/emrtd/ec"
	"egate/emrtd/lds"
	"egate/emrtd/pace"
	"egate/emrtd/sm"
)

// ChipKey is a static key of chip authentication.
type ChipKey struct {
	Group   pace.Group
	Private []byte
	Public  []byte
	OID     string // chip authentication protocol, from its ChipAuthenticationInfo
	Suite   sm.Suite
}

// Passport is a personalised chip: its files and its keys.
type Passport struct {
	// Lines are the lines of the printed MRZ of a TD3 document.
	Lines  [2]string
	Access Access
	PACE   []PACEOption
	CAN    string
	// Master are the files of the master file, App those of the eMRTD application, by file identifier.
	Master map[uint16][]byte
	App    map[uint16][]byte
	CA     *ChipKey
	CAM    *ChipKey // of PACE with chip authentication mapping; OID and Suite unset
	AA     crypto.Signer
	// Extended tells whether the chip takes extended length.
	Extended bool
}

// MRZ returns the printed lines joined. A folder with another format than TD3 has them in DG1 only.
func (p *Passport) MRZ() []byte {
	if p.Lines[0] == "" {
		m, err := lds.ParseDG1(p.App[lds.FID(1)])
		if err != nil {
			return nil
		}
		return m
	}
	return []byte(p.Lines[0] + p.Lines[1])
}

// Default choices: what most chips issued today offer.
const (
	defaultPACE  = "0.4.0.127.0.7.2.2.4.2.2" // id-PACE-ECDH-GM-AES-CBC-CMAC-128
	defaultParam = 12                        // P-256
	caParamECDH  = 13                        // brainpoolP256r1
	caParamDH    = 2                         // 2048-bit MODP group with 256-bit subgroup
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

	if pr.FaceRecord == "39794-5" {
		groups[2] = lds.BuildDG2As39794(pr.Portrait)
	}

	var infos, paceInfos [][]byte
	if pr.Access != AccessBAC {
		p.PACE = pr.PACE
		if len(p.PACE) == 0 {
			p.PACE = []PACEOption{{defaultPACE, defaultParam}}
		}
		for _, o := range p.PACE {
			if _, ok := pace.AlgorithmByOID(o.OID); !ok || pace.StandardGroup(o.Param) == nil {
				return nil, fmt.Errorf("%w: pace: a PACE object identifier and a standardised domain parameter id", ErrProfile)
			}
			paceInfos = append(paceInfos, ber.Encode(ber.Sequence, ber.EncodeOID(o.OID), ber.EncodeInt(2), ber.EncodeInt(int64(o.Param))))
		}
		p.Master[lds.FIDCardAccess] = ber.Encode(ber.Set, paceInfos...)
	}
	if pr.ChipAuth != "none" {
		if err := p.chipAuth(pr, &infos); err != nil {
			return nil, err
		}
	}
	if err := p.cardSecurity(a, paceInfos); err != nil {
		return nil, err
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

// chipAuth makes the static key of chip authentication and its announcements.
func (p *Passport) chipAuth(pr Profile, infos *[][]byte) error {
	param := pr.ChipAuthParam
	base, pk := lds.OIDCAECDH, lds.OIDPKECDH
	if pr.ChipAuth == "dh" {
		base, pk = lds.OIDCADH, lds.OIDPKDH
		if param < 0 || param > 2 {
			param = caParamDH
		}
	} else if param == 0 {
		param = caParamECDH
	}
	g := pace.StandardGroup(param)
	if g == nil || (pace.Curve(g) == nil) != (pr.ChipAuth == "dh") {
		return fmt.Errorf("%w: chip_auth_param: a standardised domain parameter id (0-2 for dh, 8-18 for ecdh)", ErrProfile)
	}
	suite := suites[pr.ChipAuthSuite]
	k := &ChipKey{Group: g, Suite: suite, OID: fmt.Sprintf("%s.%d", base, suite-sm.TDES+1)}
	var err error
	if k.Private, k.Public, err = g.GenerateKey(rand.Reader, g.Base()); err != nil {
		return fmt.Errorf("issue: chip authentication key: %w", err)
	}
	p.CA = k
	*infos = append(*infos,
		ber.Encode(ber.Sequence, ber.EncodeOID(pk), groupSPKI(param, g, k.Public)),
		ber.Encode(ber.Sequence, ber.EncodeOID(k.OID), ber.EncodeInt(1)))
	return nil
}

var suites = map[string]sm.Suite{"3des": sm.TDES, "aes128": sm.AES128, "aes192": sm.AES192, "aes256": sm.AES256}

// groupSPKI writes a static key: curves in full, prime fields by X9.42 parameters as RFC 2631 has them.
func groupSPKI(param int, g pace.Group, pub []byte) []byte {
	if c := pace.Curve(g); c != nil {
		q, err := c.Decode(pub)
		if err != nil {
			panic("issue: own key off its curve")
		}
		return ExplicitSPKI(c, q)
	}
	d, err := dh.ByStandardID(param)
	if err != nil {
		panic("issue: group without parameters")
	}
	par := ber.Encode(ber.Sequence, ber.EncodeBig(d.P), ber.EncodeBig(d.G), ber.EncodeBig(d.Q))
	return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10046.2.1"), par),
		ber.EncodeBits(ber.EncodeBig(new(big.Int).SetBytes(pub))))
}

// cardSecurity makes EF.CardSecurity and its static key where PACE with chip authentication mapping
// is announced (Doc 9303-11 §4.4.3.5, Doc 9303-10 §3.11.4).
func (p *Passport) cardSecurity(a *Authority, paceInfos [][]byte) error {
	i := slices.IndexFunc(p.PACE, func(o PACEOption) bool {
		alg, ok := pace.AlgorithmByOID(o.OID)
		return ok && alg.Mapping == pace.CAM
	})
	if i < 0 {
		return nil
	}
	g := pace.StandardGroup(p.PACE[i].Param)
	if g == nil || pace.Curve(g) == nil {
		return fmt.Errorf("%w: pace: chip authentication mapping needs a curve", ErrProfile)
	}
	k := &ChipKey{Group: g}
	var err error
	if k.Private, k.Public, err = g.GenerateKey(rand.Reader, g.Base()); err != nil {
		return fmt.Errorf("issue: chip authentication mapping key: %w", err)
	}
	p.CAM = k
	// BSI TR-03110-3 §A.2.1.1: a standardised domain parameter by its id.
	spki := ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.1.2"), ber.EncodeInt(int64(p.PACE[i].Param))),
		ber.EncodeBits(k.Public))
	infos := append(slices.Clone(paceInfos), ber.Encode(ber.Sequence, ber.EncodeOID(lds.OIDPKECDH), spki))
	sd, err := a.CardSecurity(ber.EncodeSet(infos...), a.Now.Add(-signedAgo))
	if err != nil {
		return err
	}
	p.Master[lds.FIDCardSecurity] = sd
	return nil
}

// CardSecurity signs EF.CardSecurity over encoded security infos.
func (a *Authority) CardSecurity(infos []byte, at time.Time) ([]byte, error) {
	return signedData(lds.OIDCardSecure, infos, a.ds, [][]byte{a.dsCert}, a.dsCert, at)
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
