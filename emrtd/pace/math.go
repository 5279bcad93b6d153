package pace

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"encoding/hex"
	"fmt"

	"egate/emrtd/ber"
	"egate/emrtd/ec"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
)

// maxNonce bounds the encrypted nonce: the longest defined is 32 bytes.
const maxNonce = 64

func block(s sm.Suite, key []byte) (cipher.Block, error) {
	if s == sm.TDES {
		k := append(append(make([]byte, 0, 24), key...), key[:8]...)
		defer clear(k)
		return des.NewTripleDESCipher(k)
	}
	return aes.NewCipher(key)
}

// NonceSize is the length in bytes of the nonce s for a cipher: the smallest multiple of the block that
// is not shorter than the key (ICAO Doc 9303-11 §4.4.3.3).
func NonceSize(s sm.Suite) int {
	if s == sm.AES192 || s == sm.AES256 {
		return 32
	}
	return 16
}

// EncryptNonce encrypts the nonce s under the password key; for the card side.
func EncryptNonce(s sm.Suite, kpi, nonce []byte) ([]byte, error) { return cbc(s, kpi, nonce, true) }

// DecryptNonce decrypts z.
func DecryptNonce(s sm.Suite, kpi, z []byte) ([]byte, error) {
	if len(z) < 8 || len(z) > maxNonce {
		return nil, fmt.Errorf("%w: nonce of %d bytes", ErrChip, len(z))
	}
	return cbc(s, kpi, z, false)
}

func cbc(s sm.Suite, key, in []byte, encrypt bool) ([]byte, error) {
	b, err := block(s, key)
	if err != nil {
		return nil, fmt.Errorf("pace: %w", err)
	}
	if len(in)%b.BlockSize() != 0 {
		return nil, fmt.Errorf("%w: length is no multiple of the block", ErrChip)
	}
	out := make([]byte, len(in))
	iv := make([]byte, b.BlockSize())
	if encrypt {
		cipher.NewCBCEncrypter(b, iv).CryptBlocks(out, in)
	} else {
		cipher.NewCBCDecrypter(b, iv).CryptBlocks(out, in)
	}
	return out, nil
}

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("pace: constant")
	}
	return b
}

// Constants of the pseudo-random function (ICAO Doc 9303-11 §4.4.3.3.2).
var (
	c0x128 = mustHex("a668892a7c41e3ca739f40b057d85904")
	c1x128 = mustHex("a4e136ac725f738b01c1f60217c188ad")
	c0x256 = mustHex("d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676")
	c1x256 = mustHex("54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517")
)

// PseudoRandom is R(s,t) of the integrated mapping, long enough for a modulus of the given bits.
func PseudoRandom(suite sm.Suite, s, t []byte, bits int) ([]byte, error) {
	k := suite.KeySize()
	if len(t) != k {
		return nil, fmt.Errorf("pace: nonce t of %d bytes", len(t))
	}
	c0, c1 := c0x128, c1x128
	if NonceSize(suite) == 32 {
		c0, c1 = c0x256, c1x256
	}
	key, err := cbc(suite, t, s, true)
	if err != nil {
		return nil, err
	}
	if len(key) < k {
		return nil, fmt.Errorf("%w: nonce shorter than the key", ErrChip)
	}
	defer func() { clear(key) }()
	var out []byte
	for len(out)*8 < bits+64 {
		x, err := cbc(suite, key[:k], c1, true)
		if err != nil {
			return nil, err
		}
		out = append(out, x...)
		next, err := cbc(suite, key[:k], c0, true)
		if err != nil {
			return nil, err
		}
		clear(key)
		key = next
	}
	return out, nil
}

// MapIntegrated returns the generator of the integrated mapping.
func MapIntegrated(suite sm.Suite, g Group, s, t []byte) ([]byte, error) {
	r, err := PseudoRandom(suite, s, t, g.bits())
	if err != nil {
		return nil, err
	}
	defer clear(r)
	return g.MapIntegrated(r)
}

// Token is the authentication token over the peer's public element (ICAO Doc 9303-11 §4.4.3.4).
func Token(a Algorithm, g Group, kMAC, peer []byte) ([]byte, error) {
	m, err := sm.NewMAC(a.Suite, kMAC)
	if err != nil {
		return nil, fmt.Errorf("pace: %w", err)
	}
	t := m.Sum(tlv.Encode(0x7F49, ber.EncodeOID(a.OID), tlv.Encode(g.tag(), peer)))
	return t[:], nil
}

// camIV is the encryption of the block of all ones (ICAO Doc 9303-11 §4.4.3.5.4).
func camIV(b cipher.Block) []byte {
	iv := make([]byte, b.BlockSize())
	for i := range iv {
		iv[i] = 0xff
	}
	b.Encrypt(iv, iv)
	return iv
}

// EncryptCAM encrypts the chip authentication data of PACE-CAM; for the card side.
func EncryptCAM(s sm.Suite, kEnc, data []byte) ([]byte, error) {
	b, err := block(s, kEnc)
	if err != nil {
		return nil, fmt.Errorf("pace: %w", err)
	}
	out := append(append([]byte(nil), data...), 0x80)
	for len(out)%b.BlockSize() != 0 {
		out = append(out, 0)
	}
	cipher.NewCBCEncrypter(b, camIV(b)).CryptBlocks(out, out)
	return out, nil
}

// DecryptCAM decrypts the chip authentication data.
func DecryptCAM(s sm.Suite, kEnc, data []byte) ([]byte, error) {
	b, err := block(s, kEnc)
	if err != nil {
		return nil, fmt.Errorf("pace: %w", err)
	}
	if len(data) == 0 || len(data)%b.BlockSize() != 0 || len(data) > 256 {
		return nil, fmt.Errorf("%w: chip authentication data", ErrChip)
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(b, camIV(b)).CryptBlocks(out, data)
	i := len(out) - 1
	for i > 0 && out[i] == 0 {
		i--
	}
	if out[i] != 0x80 {
		return nil, fmt.Errorf("%w: padding of the chip authentication data", ErrChip)
	}
	return out[:i], nil
}

// CAMData is the chip authentication data: static^-1 · mapping private key modulo the order; for the
// card side.
func CAMData(c *ec.Curve, static, mapping []byte) ([]byte, error) { return c.Quotient(mapping, static) }

// VerifyCAM checks PK_map = CA_IC · PK_IC: the chip knows the private key of a static public key
// (ICAO Doc 9303-11 §4.4.3.5.2). The static key must come from an authenticated file.
func VerifyCAM(c *ec.Curve, data []byte, static, mapping []byte) error {
	pk, err := c.Decode(static)
	if err != nil {
		return fmt.Errorf("%w: static key: %w", ErrChip, err)
	}
	p, err := c.ScalarMult(pk, data)
	if err != nil {
		return fmt.Errorf("%w: chip authentication data: %w", ErrChip, err)
	}
	if string(c.Encode(p)) != string(mapping) {
		return fmt.Errorf("%w: chip authentication data", ErrChip)
	}
	return nil
}
