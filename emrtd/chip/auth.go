package chip

import (
	"bytes"
	"crypto"
	"crypto/cipher"
	"crypto/des"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"math/big"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/iso7816"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
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
	l := c.p.Lines[1]
	return []byte(l[0:10] + l[13:20] + l[21:28])
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
	seed := sha1.Sum(c.mrzInfo())
	kEnc, kMAC := sm.TDES.KDF(seed[:16], sm.CounterEnc), sm.TDES.KDF(seed[:16], sm.CounterMAC)
	mac, err := sm.NewMAC(sm.TDES, kMAC)
	if err != nil {
		return status(iso7816.SWUnknown)
	}
	want := mac.Sum(cmd.Data[:32])
	if subtle.ConstantTimeCompare(want[:], cmd.Data[32:]) != 1 {
		return status(iso7816.SWAuthFailed)
	}
	plain := tdesCBC(kEnc, cmd.Data[:32], false)
	if !bytes.Equal(plain[8:16], rndIC) {
		return status(iso7816.SWAuthFailed)
	}
	kIC := random(16)
	secret := make([]byte, 16)
	subtle.XORBytes(secret, kIC, plain[16:32])
	answer := append(append(append([]byte{}, rndIC...), plain[:8]...), kIC...)
	out := tdesCBC(kEnc, answer, true)
	code := mac.Sum(out)
	ssc := append(append([]byte{}, rndIC[4:]...), plain[4:8]...)
	kSEnc, kSMAC := sm.TDES.KDF(secret, sm.CounterEnc), sm.TDES.KDF(secret, sm.CounterMAC)
	if c.next, err = sm.New(sm.TDES, kSEnc, kSMAC, ssc); err != nil {
		return status(iso7816.SWUnknown)
	}
	c.access = true
	return iso7816.Response{Data: append(out, code[:]...), SW: iso7816.SWOK}
}

// tdesCBC is two-key 3DES in CBC mode with a zero vector, no padding.
func tdesCBC(key, in []byte, encrypt bool) []byte {
	b, err := des.NewTripleDESCipher(append(append([]byte{}, key...), key[:8]...))
	if err != nil {
		panic("chip: key size")
	}
	out := make([]byte, len(in))
	if encrypt {
		cipher.NewCBCEncrypter(b, make([]byte, 8)).CryptBlocks(out, in)
	} else {
		cipher.NewCBCDecrypter(b, make([]byte, 8)).CryptBlocks(out, in)
	}
	return out
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
		if s, _ := caSuite(c.ca.OID); s != sm.TDES {
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

func caSuite(oid string) (sm.Suite, bool) {
	for _, base := range []string{lds.OIDCAECDH, lds.OIDCADH} {
		for i, s := range []sm.Suite{sm.TDES, sm.AES128, sm.AES192, sm.AES256} {
			if oid == base+"."+string(rune('1'+i)) {
				return s, true
			}
		}
	}
	return 0, false
}

// agree is the card's part of chip authentication (Doc 9303-11 §6.2.3): a new channel under the secret
// of its static key and the reader's ephemeral one.
func (c *Chip) agree(pub []byte) iso7816.Response {
	if c.has(CloneRefuse) {
		return status(iso7816.SWWrongData)
	}
	c.ecdh(c.ca.Curve)
	q, err := c.ca.Curve.Decode(pub)
	if err != nil {
		return status(iso7816.SWWrongData)
	}
	z, err := c.ca.Curve.ScalarMult(q, c.ca.Private)
	if err != nil {
		return status(iso7816.SWWrongData)
	}
	suite, ok := caSuite(c.ca.OID)
	if !ok {
		return status(iso7816.SWUnknown)
	}
	if c.next, err = sm.FromSecret(suite, z.X); err != nil {
		return status(iso7816.SWUnknown)
	}
	return status(iso7816.SWOK)
}

// generalAuth carries PACE and chip authentication, chained where the reader chains.
func (c *Chip) generalAuth(cmd iso7816.Command) iso7816.Response {
	dyn, ok := tlv.Find(cmd.Data, 0x7C)
	if !ok {
		return status(iso7816.SWWrongData)
	}
	last := cmd.CLA&iso7816.CLAChain == 0
	if c.kat && c.pace == nil {
		c.kat = false
		pub, ok := tlv.Find(dyn, 0x80)
		if !ok || !last {
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
	data, sw := c.paceStep(dyn, last)
	if sw != iso7816.SWOK {
		c.pace = nil
		return status(sw)
	}
	return iso7816.Response{Data: tlv.Encode(0x7C, data), SW: iso7816.SWOK}
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
		h := sha256.Sum256(cmd.Data)
		r, s, err := ecdsa.Sign(cryptoRand, k, h[:])
		if err != nil {
			return status(iso7816.SWUnknown)
		}
		n := (k.Params().BitSize + 7) / 8
		sig = append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	case *rsa.PrivateKey:
		if c.has(Clone) {
			if k, err = rsa.GenerateKey(cryptoRand, k.N.BitLen()); err != nil {
				return status(iso7816.SWUnknown)
			}
		}
		c.crypto += c.rsa(k.N.BitLen())
		sig = sign9796(k, cmd.Data)
	}
	if len(sig) > limit {
		// A 2048-bit signature does not fit a short protected answer of 256 bytes: chips with such keys
		// take extended length or shorter keys.
		return status(iso7816.SWWrongLength)
	}
	return iso7816.Response{Data: sig, SW: iso7816.SWOK}
}

func (c *Chip) rsa(bits int) time.Duration {
	if bits <= 1024 {
		return c.timing.RSA1024
	}
	return c.timing.RSA2048
}

// sign9796 is a signature with partial message recovery of ISO/IEC 9796-2 scheme 1 (Doc 9303-11
// §6.1.2.2) with SHA-256: 6A ‖ M1 ‖ H(M1 ‖ M2) ‖ 34CC.
func sign9796(k *rsa.PrivateKey, m2 []byte) []byte {
	n := (k.N.BitLen() + 7) / 8
	f := make([]byte, n)
	f[0] = 0x6A
	m1 := f[1 : n-2-sha256.Size]
	copy(m1, random(len(m1)))
	h := crypto.SHA256.New()
	h.Write(m1)
	h.Write(m2)
	copy(f[n-2-sha256.Size:], h.Sum(nil))
	f[n-2], f[n-1] = 0x34, 0xCC
	v := new(big.Int).SetBytes(f)
	v.Exp(v, k.D, k.N)
	return v.FillBytes(make([]byte, n))
}
