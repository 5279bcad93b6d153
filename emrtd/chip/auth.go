package chip

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"time"

	"egate/emrtd/activeauth"
	"egate/emrtd/bac"
	"egate/emrtd/ber"
	"egate/emrtd/chipauth"
	"egate/emrtd/iso7816"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
)

var cryptoRand = rand.Reader

func random(n int) []byte {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic("chip: no randomness")
	}
	return b
}

// mrzInfo is the MRZ information of Doc 9303-11 §4.3.2: document number, birth and expiry dates, each
// with its check digit.
func (c *Chip) mrzInfo() []byte {
	// The reference date decides the century of dates only, which access keys do not depend on.
	d, err := mrz.ParseJoined(c.p.MRZ(), time.Unix(0, 0))
	if err != nil {
		return nil
	}
	return d.Information()
}

// getChallenge starts BAC (Doc 9303-11 §4.3.4.1).
func (c *Chip) getChallenge(cmd iso7816.Command) iso7816.Response {
	if !c.inApp || cmd.Ne != 8 && cmd.Ne != 256 {
		return status(iso7816.SWWrongLength)
	}
	c.rndIC = random(8)
	return iso7816.Response{Data: bytes.Clone(c.rndIC), SW: iso7816.SWOK}
}

// externalAuth ends BAC (Doc 9303-11 §4.3.4.2).
func (c *Chip) externalAuth(cmd iso7816.Command) iso7816.Response {
	if c.p.Access == issue.AccessPACEOld {
		// What chips without BAC say: the referenced key does not exist.
		return status(iso7816.SWRefNotFound)
	}
	rndIC := c.rndIC
	c.rndIC = nil
	if rndIC == nil || !c.inApp {
		return status(iso7816.SWConditions)
	}
	if len(cmd.Data) != 40 {
		return status(iso7816.SWWrongLength)
	}
	c.crypto += c.timing.BAC
	k := bac.DeriveKeys(bac.KeySeed(c.mrzInfo()))
	defer k.Wipe()
	out, ch, err := bac.Answer(k, rndIC, cmd.Data, random(16))
	if err != nil {
		return status(iso7816.SWAuthFailed)
	}
	c.next, c.access = ch, true
	return iso7816.Response{Data: out, SW: iso7816.SWOK}
}

// manageSecurity is MSE:SET AT for PACE (C1 A4) and chip authentication (41 A4), and MSE:SET KAT (41 A6).
func (c *Chip) manageSecurity(cmd iso7816.Command) iso7816.Response {
	switch uint16(cmd.P1)<<8 | uint16(cmd.P2) {
	case 0xC1A4:
		return c.setPACE(cmd.Data)
	case 0x41A4:
		oid, ok := tlv.Find(cmd.Data, 0x80)
		if !ok || !c.access || c.ca == nil {
			return status(iso7816.SWWrongData)
		}
		if s, err := ber.DecodeOID(oid); err != nil || s != c.ca.OID {
			return status(iso7816.SWWrongData)
		}
		c.kat = true
		return status(iso7816.SWOK)
	case 0x41A6:
		if !c.access || c.ca == nil {
			return status(iso7816.SWWrongData)
		}
		if c.ca.Suite != sm.TDES {
			return status(iso7816.SWWrongData)
		}
		pub, ok := tlv.Find(cmd.Data, 0x91)
		if !ok {
			return status(iso7816.SWWrongData)
		}
		return c.agree(pub)
	}
	return status(iso7816.SWIncorrectP1P2)
}

// agree is the card's part of chip authentication (Doc 9303-11 §6.2.3): a new channel under the secret
// of its static key and the reader's ephemeral one.
func (c *Chip) agree(pub []byte) iso7816.Response {
	if c.has(CloneRefuse) {
		return status(iso7816.SWWrongData)
	}
	c.agreement(c.ca.Group, 1)
	ch, err := chipauth.Answer(c.ca.Group, c.ca.Suite, c.ca.Private, pub)
	if err != nil {
		return status(iso7816.SWWrongData)
	}
	c.next = ch
	return status(iso7816.SWOK)
}

// generalAuth carries PACE and chip authentication. A chain that splits one set of dynamic
// authentication data over several commands is put together first (ISO/IEC 7816-4 §5.3.3).
func (c *Chip) generalAuth(cmd iso7816.Command) iso7816.Response {
	last := cmd.CLA&iso7816.CLAChain == 0
	data := append(c.chain, cmd.Data...)
	c.chain = nil
	if o, _, err := tlv.Read(data); errors.Is(err, tlv.ErrTruncated) && !last {
		if len(data) > maxChain {
			return status(iso7816.SWWrongLength)
		}
		c.chain = data
		return status(iso7816.SWOK)
	} else if err != nil || o.Tag != 0x7C {
		return status(iso7816.SWWrongData)
	}
	dyn, _ := tlv.Find(data, 0x7C)
	if c.kat && c.pace == nil {
		c.kat = false
		pub, ok := tlv.Find(dyn, 0x80)
		if !ok {
			return status(iso7816.SWWrongData)
		}
		r := c.agree(pub)
		if r.OK() {
			r.Data = []byte{0x7C, 0}
		}
		return r
	}
	if c.pace == nil {
		return status(iso7816.SWConditions)
	}
	out, sw := c.paceStep(dyn, last)
	if sw != iso7816.SWOK {
		c.pace = nil
		return status(sw)
	}
	return iso7816.Response{Data: tlv.Encode(0x7C, out), SW: iso7816.SWOK}
}

// internalAuth is active authentication (Doc 9303-11 §6.1).
func (c *Chip) internalAuth(cmd iso7816.Command, limit int) iso7816.Response {
	if !c.access {
		return status(iso7816.SWSecurityStatus)
	}
	if c.p.AA == nil || c.has(CloneRefuse) {
		return status(iso7816.SWINSNotSupported)
	}
	if len(cmd.Data) != 8 {
		return status(iso7816.SWWrongLength)
	}
	var sig []byte
	var err error
	switch k := c.p.AA.(type) {
	case *ecdsa.PrivateKey:
		if c.has(Clone) {
			if k, err = ecdsa.GenerateKey(k.Curve, cryptoRand); err != nil {
				return status(iso7816.SWUnknown)
			}
		}
		c.crypto += c.timing.ECDH
		r, s, err := ecdsa.Sign(cryptoRand, k, c.activeDigest(cmd.Data))
		if err != nil {
			return status(iso7816.SWUnknown)
		}
		n := (k.Params().BitSize + 7) / 8
		sig = append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	case *issue.CurveKey:
		if c.has(Clone) {
			d, q, err := k.Curve.GenerateKey(cryptoRand)
			if err != nil {
				return status(iso7816.SWUnknown)
			}
			k = &issue.CurveKey{Curve: k.Curve, D: d, Q: q}
		}
		c.crypto += c.timing.ECDH
		if sig, err = k.Sign(cryptoRand, c.activeDigest(cmd.Data), nil); err != nil {
			return status(iso7816.SWUnknown)
		}
	case *rsa.PrivateKey:
		if c.has(Clone) {
			if k, err = rsa.GenerateKey(cryptoRand, k.N.BitLen()); err != nil {
				return status(iso7816.SWUnknown)
			}
		}
		c.crypto += c.rsa(k.N.BitLen())
		sig, err = activeauth.SignRSA(cryptoRand, k.N, func(m *big.Int) *big.Int { return m.Exp(m, k.D, k.N) }, crypto.SHA256, cmd.Data)
		if err != nil {
			return status(iso7816.SWUnknown)
		}
	}
	if len(sig) > limit {
		// A 2048-bit signature does not fit a short protected answer of 256 bytes: chips with such keys
		// take extended length or shorter keys.
		return status(iso7816.SWWrongLength)
	}
	return iso7816.Response{Data: sig, SW: iso7816.SWOK}
}

// activeDigest hashes a challenge as DG14 announces it, by SHA-256 where it announces nothing.
func (c *Chip) activeDigest(challenge []byte) []byte {
	h := crypto.SHA256
	if infos, err := lds.ParseDG14(c.p.App[lds.FID(14)]); err == nil {
		if a := activeauth.AnnouncedHash(infos); a != 0 {
			h = a
		}
	}
	w := h.New()
	w.Write(challenge)
	return w.Sum(nil)
}

func (c *Chip) rsa(bits int) time.Duration {
	if bits <= 1024 {
		return c.timing.RSA1024
	}
	return c.timing.RSA2048
}
