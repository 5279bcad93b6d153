package chip

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/ec"
	"egate/emrtd/iso7816"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
)

// Object identifier prefix of PACE with ECDH and generic mapping (Doc 9303-11 §9.2.3).
const oidECDHGM = lds.OIDPACE + ".2"

// paceRun is one PACE (Doc 9303-11 §4.4.3) from the card's end.
type paceRun struct {
	oid    string
	oidRaw []byte
	suite  sm.Suite
	curve  *ec.Curve
	kPi    []byte
	step   int
	nonce  []byte
	gen    ec.Point
	priv   []byte
	pub    ec.Point
	peer   ec.Point
	secret []byte
}

// paceSuite splits the identifier of a PACE protocol that this chip has.
func paceSuite(oid string) (sm.Suite, bool) {
	tail, ok := strings.CutPrefix(oid, oidECDHGM+".")
	if !ok || len(tail) != 1 || tail[0] < '1' || tail[0] > '4' {
		return 0, false
	}
	return sm.Suite(tail[0]-'1') + sm.TDES, true
}

// nonceTime is the modelled time of drawing and encrypting the nonce.
const nonceTime = 5 * time.Millisecond

func (c *Chip) setPACE(data []byte) iso7816.Response {
	c.pace = nil
	if len(c.p.PACE) == 0 {
		return status(iso7816.SWWrongData)
	}
	raw, ok := tlv.Find(data, 0x80)
	if !ok {
		return status(iso7816.SWWrongData)
	}
	oid, err := ber.DecodeOID(raw)
	if err != nil {
		return status(iso7816.SWWrongData)
	}
	param, hasParam := tlv.Find(data, 0x84)
	if hasParam && c.has(No84) {
		return status(iso7816.SWWrongData)
	}
	i := slices.IndexFunc(c.p.PACE, func(o issue.PACEOption) bool {
		return o.OID == oid && (!hasParam || len(param) == 1 && int(param[0]) == o.Param)
	})
	if i < 0 {
		return status(iso7816.SWWrongData)
	}
	suite, ok := paceSuite(oid)
	curve, err := ec.ByStandardID(c.p.PACE[i].Param)
	if !ok || err != nil {
		return status(iso7816.SWFuncNotSupported)
	}
	ref, _ := tlv.Find(data, 0x83)
	var secret []byte
	switch {
	case len(ref) == 1 && ref[0] == 1:
		h := sha1.Sum(c.mrzInfo())
		secret = h[:]
	case len(ref) == 1 && ref[0] == 2 && c.p.CAN != "":
		secret = []byte(c.p.CAN)
	default:
		return status(iso7816.SWRefNotFound)
	}
	c.pace = &paceRun{oid: oid, oidRaw: raw, suite: suite, curve: curve, kPi: suite.KDF(secret, sm.CounterPi)}
	return status(iso7816.SWOK)
}

// paceStep answers one GENERAL AUTHENTICATE.
func (c *Chip) paceStep(dyn []byte, last bool) ([]byte, iso7816.SW) {
	p := c.pace
	p.step++
	if last != (p.step == 4) {
		return nil, iso7816.SWWrongData
	}
	switch p.step {
	case 1:
		c.crypto += nonceTime
		p.nonce = random(16)
		return tlv.Encode(0x80, p.encryptNonce()), iso7816.SWOK
	case 2:
		peer, ok := tlv.Find(dyn, 0x81)
		if !ok {
			return nil, iso7816.SWWrongData
		}
		c.ecdh(p.curve)
		c.ecdh(p.curve)
		own, err := p.mapGeneric(peer)
		if err != nil {
			return nil, iso7816.SWWrongData
		}
		return tlv.Encode(0x82, own), iso7816.SWOK
	case 3:
		peer, ok := tlv.Find(dyn, 0x83)
		if !ok {
			return nil, iso7816.SWWrongData
		}
		c.ecdh(p.curve)
		c.ecdh(p.curve)
		own, err := p.agree(peer)
		if err != nil {
			return nil, iso7816.SWWrongData
		}
		return tlv.Encode(0x84, own), iso7816.SWOK
	}
	c.paceTries++
	token, ok := tlv.Find(dyn, 0x85)
	if !ok {
		return nil, iso7816.SWWrongData
	}
	if c.has(PACEFail) || c.has(PACEFailOnce) && c.paceTries == 1 {
		return nil, iso7816.SWAuthFailed
	}
	mac, err := sm.NewMAC(p.suite, p.suite.KDF(p.secret, sm.CounterMAC))
	if err != nil {
		return nil, iso7816.SWUnknown
	}
	want := mac.Sum(p.tokenInput(p.pub))
	if subtle.ConstantTimeCompare(want[:], token) != 1 {
		return nil, iso7816.SWAuthFailed
	}
	own := mac.Sum(p.tokenInput(p.peer))
	if c.next, err = sm.FromSecret(p.suite, p.secret); err != nil {
		return nil, iso7816.SWUnknown
	}
	c.access, c.pace = true, nil
	return tlv.Encode(0x86, own[:]), iso7816.SWOK
}

func (p *paceRun) encryptNonce() []byte {
	if p.suite == sm.TDES {
		return tdesCBC(p.kPi, p.nonce, true)
	}
	b, err := aes.NewCipher(p.kPi)
	if err != nil {
		panic("chip: key size")
	}
	out := make([]byte, len(p.nonce))
	cipher.NewCBCEncrypter(b, make([]byte, 16)).CryptBlocks(out, p.nonce)
	return out
}

// mapGeneric is the generic mapping (Doc 9303-11 §4.4.3.3.1): G' = s·G + H, H the shared point of an
// anonymous agreement.
func (p *paceRun) mapGeneric(peer []byte) ([]byte, error) {
	q, err := p.curve.Decode(peer)
	if err != nil {
		return nil, err
	}
	priv, pub, err := p.curve.GenerateKey(cryptoRand)
	if err != nil {
		return nil, err
	}
	h, err := p.curve.ScalarMult(q, priv)
	if err != nil {
		return nil, err
	}
	s, err := p.curve.ReduceScalar(p.nonce)
	if err != nil {
		return nil, err
	}
	sg, err := p.curve.ScalarBaseMult(s)
	if err != nil {
		return nil, err
	}
	if p.gen, err = p.curve.Add(sg, h); err != nil {
		return nil, err
	}
	return p.curve.Encode(pub), nil
}

func (p *paceRun) agree(peer []byte) ([]byte, error) {
	var err error
	if p.peer, err = p.curve.Decode(peer); err != nil {
		return nil, err
	}
	if p.priv, _, err = p.curve.GenerateKey(cryptoRand); err != nil {
		return nil, err
	}
	if p.pub, err = p.curve.ScalarMult(p.gen, p.priv); err != nil {
		return nil, err
	}
	if p.pub.Equal(p.peer) {
		return nil, ec.ErrPoint
	}
	z, err := p.curve.ScalarMult(p.peer, p.priv)
	if err != nil {
		return nil, err
	}
	p.secret = z.X
	return p.curve.Encode(p.pub), nil
}

// tokenInput is what an authentication token is computed over (Doc 9303-11 §4.4.3.4): the protocol's
// identifier and the other side's public key.
func (p *paceRun) tokenInput(pub ec.Point) []byte {
	return tlv.Encode(0x7F49, tlv.Encode(0x06, p.oidRaw), tlv.Encode(0x86, p.curve.Encode(pub)))
}
