package sm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
)

// macSize is the length of a truncated authentication code (ICAO Doc 9303-11 §9.8.6).
const macSize = 8

// cipherFor returns the block cipher of a suite.
func cipherFor(s Suite, key []byte) (cipher.Block, error) {
	if s == TDES {
		k := append(append(make([]byte, 0, 24), key...), key[:8]...)
		defer clear(k)
		return des.NewTripleDESCipher(k)
	}
	return aes.NewCipher(key)
}

// MAC authenticates messages under one key: ISO/IEC 9797-1 algorithm 3 (retail MAC) for 3DES, AES-CMAC
// (NIST SP 800-38B) truncated to 8 bytes otherwise.
type MAC struct {
	suite  Suite
	a, b   cipher.Block // retail: single DES of both halves; b unused for CMAC
	k1, k2 [16]byte
	// h and last are the state of a sum, here so that no exchange allocates them. A MAC sums one message at a
	// time.
	h, last [16]byte
}

// NewMAC prepares a key.
func NewMAC(s Suite, key []byte) (*MAC, error) {
	m := &MAC{suite: s}
	var err error
	if s == TDES {
		if m.a, err = des.NewCipher(key[:8]); err != nil {
			return nil, err
		}
		m.b, err = des.NewCipher(key[8:16])
		return m, err
	}
	if m.a, err = aes.NewCipher(key); err != nil {
		return nil, err
	}
	m.a.Encrypt(m.k1[:], m.k1[:])
	doubleGF(&m.k1)
	m.k2 = m.k1
	doubleGF(&m.k2)
	return m, nil
}

func doubleGF(b *[16]byte) {
	var c byte
	for i := 15; i >= 0; i-- {
		n := b[i] >> 7
		b[i] = b[i]<<1 | c
		c = n
	}
	b[15] ^= 0x87 & -c
}

// Sum returns the 8-byte code of a message; retail padding (method 2) is applied for 3DES, CMAC has
// its own.
func (m *MAC) Sum(parts ...[]byte) [macSize]byte {
	if m.suite == TDES {
		return m.retail(true, parts)
	}
	return m.cmac(parts)
}

func (m *MAC) retail(pad bool, parts [][]byte) (out [macSize]byte) {
	h := m.h[:8]
	clear(h)
	n := 0
	feed := func(c byte) {
		h[n] ^= c
		if n++; n == 8 {
			m.a.Encrypt(h, h)
			n = 0
		}
	}
	for _, p := range parts {
		for _, c := range p {
			feed(c)
		}
	}
	if pad {
		feed(0x80)
		for n != 0 {
			feed(0)
		}
	}
	m.b.Decrypt(h, h)
	m.a.Encrypt(h, h)
	copy(out[:], h)
	return out
}

func (m *MAC) cmac(parts [][]byte) (out [macSize]byte) {
	h, last := &m.h, &m.last
	clear(h[:])
	n := 0
	for _, p := range parts {
		for len(p) > 0 {
			if n == 16 { // a full block that is not the last one
				for i := range h {
					h[i] ^= last[i]
				}
				m.a.Encrypt(h[:], h[:])
				n = 0
			}
			c := copy(last[n:], p)
			n += c
			p = p[c:]
		}
	}
	k := &m.k1
	if n < 16 {
		k = &m.k2
		last[n] = 0x80
		clear(last[n+1:])
	}
	for i := range h {
		h[i] ^= last[i] ^ k[i]
	}
	m.a.Encrypt(h[:], h[:])
	copy(out[:], h[:])
	return out
}
