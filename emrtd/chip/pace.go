package chip

import (
	"bytes"
	"slices"
	"time"

	"crypto/subtle"

	"egate/emrtd/ber"
	"egate/emrtd/iso7816"
	"egate/emrtd/issue"
	"egate/emrtd/pace"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
)

// paceRun is one PACE (Doc 9303-11 §4.4.3) from the card's end.
type paceRun struct {
	alg     pace.Algorithm
	group   pace.Group
	kPi     []byte
	step    int
	nonce   []byte
	base    []byte
	mapPriv []byte
	pub     []byte
	peer    []byte
	secret  []byte
}

// nonceTime is the modelled time of drawing and encrypting the nonce.
const nonceTime = 5 * time.Millisecond

// setPACE is MSE:SET AT (Doc 9303-11 §4.4.4.1).
func (c *Chip) setPACE(data []byte) iso7816.Response {
	c.pace, c.chain = nil, nil
	raw, ok := tlv.Find(data, 0x80)
	if !ok || len(c.p.PACE) == 0 {
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
	alg, ok := pace.AlgorithmByOID(oid)
	g := pace.StandardGroup(c.p.PACE[i].Param)
	if !ok || g == nil || alg.Mapping == pace.CAM && c.cam == nil {
		return status(iso7816.SWFuncNotSupported)
	}
	ref, _ := tlv.Find(data, 0x83)
	var pw pace.Password
	switch {
	case len(ref) == 1 && ref[0] == pace.RefMRZ:
		pw = pace.MRZPassword(c.mrzInfo())
	case len(ref) == 1 && ref[0] == pace.RefCAN && c.p.CAN != "":
		pw = pace.CANPassword(c.p.CAN)
	default:
		return status(iso7816.SWRefNotFound)
	}
	c.pace = &paceRun{alg: alg, group: g, kPi: pw.Key(alg.Suite)}
	return status(iso7816.SWOK)
}

// paceStep answers one set of dynamic authentication data (Doc 9303-11 §4.4.4.2).
func (c *Chip) paceStep(dyn []byte, last bool) ([]byte, iso7816.SW) {
	p := c.pace
	p.step++
	if last != (p.step == 4) {
		return nil, iso7816.SWWrongData
	}
	switch p.step {
	case 1:
		c.crypto += nonceTime
		p.nonce = random(pace.NonceSize(p.alg.Suite))
		z, err := pace.EncryptNonce(p.alg.Suite, p.kPi, p.nonce)
		if err != nil {
			return nil, iso7816.SWUnknown
		}
		return tlv.Encode(0x80, z), iso7816.SWOK
	case 2:
		in, ok := tlv.Find(dyn, 0x81)
		if !ok {
			return nil, iso7816.SWWrongData
		}
		out, err := p.mapping(c, in)
		if err != nil {
			return nil, iso7816.SWWrongData
		}
		return tlv.Encode(0x82, out), iso7816.SWOK
	case 3:
		peer, ok := tlv.Find(dyn, 0x83)
		if !ok {
			return nil, iso7816.SWWrongData
		}
		c.agreement(p.group, 2)
		if err := p.agree(peer); err != nil {
			return nil, iso7816.SWWrongData
		}
		return tlv.Encode(0x84, p.pub), iso7816.SWOK
	}
	return c.paceToken(dyn)
}

// mapping makes the generator (Doc 9303-11 §4.4.3.3) and returns what the reader needs for it.
func (p *paceRun) mapping(c *Chip, in []byte) ([]byte, error) {
	var err error
	if p.alg.Mapping == pace.IM {
		c.agreement(p.group, 1)
		p.base, err = pace.MapIntegrated(p.alg.Suite, p.group, p.nonce, in)
		return nil, err
	}
	c.agreement(p.group, 2)
	priv, pub, err := p.group.GenerateKey(cryptoRand, p.group.Base())
	if err != nil {
		return nil, err
	}
	shared, err := p.group.Agree(priv, in)
	if err != nil {
		return nil, err
	}
	p.mapPriv = priv
	p.base, err = p.group.MapGeneric(p.nonce, shared)
	return pub, err
}

func (p *paceRun) agree(peer []byte) error {
	priv, pub, err := p.group.GenerateKey(cryptoRand, p.base)
	if err != nil {
		return err
	}
	shared, err := p.group.Agree(priv, peer)
	if err != nil {
		return err
	}
	if bytes.Equal(pub, peer) {
		return pace.ErrChip
	}
	p.pub, p.peer, p.secret = pub, bytes.Clone(peer), bytes.Clone(p.group.Secret(shared))
	return nil
}

// paceToken checks the reader's token and answers with the chip's own, and with chip authentication
// data where the mapping has them.
func (c *Chip) paceToken(dyn []byte) ([]byte, iso7816.SW) {
	p := c.pace
	c.paceTries++
	token, ok := tlv.Find(dyn, 0x85)
	if !ok {
		return nil, iso7816.SWWrongData
	}
	if c.has(PACEFail) || c.has(PACEFailOnce) && c.paceTries == 1 {
		return nil, iso7816.SWAuthFailed
	}
	kMAC := p.alg.Suite.KDF(p.secret, sm.CounterMAC)
	want, err := pace.Token(p.alg, p.group, kMAC, p.pub)
	if err != nil {
		return nil, iso7816.SWUnknown
	}
	if subtle.ConstantTimeCompare(want, token) != 1 {
		return nil, iso7816.SWAuthFailed
	}
	own, err := pace.Token(p.alg, p.group, kMAC, p.peer)
	if err != nil {
		return nil, iso7816.SWUnknown
	}
	out := tlv.Encode(0x86, own)
	if p.alg.Mapping == pace.CAM && !c.has(CloneRefuse) { // a copy without the key can but withhold its proof
		c.agreement(p.group, 1)
		data, err := pace.CAMData(pace.Curve(p.group), c.cam.Private, p.mapPriv)
		if err != nil {
			return nil, iso7816.SWUnknown
		}
		sealed, err := pace.EncryptCAM(p.alg.Suite, p.alg.Suite.KDF(p.secret, sm.CounterEnc), data)
		if err != nil {
			return nil, iso7816.SWUnknown
		}
		out = append(out, tlv.Encode(0x8A, sealed)...)
	}
	if c.next, err = sm.FromSecret(p.alg.Suite, p.secret); err != nil {
		return nil, iso7816.SWUnknown
	}
	c.access, c.pace = true, nil
	return out, iso7816.SWOK
}
