// Package sm is secure messaging between an inspection system and a travel document (ICAO Doc 9303-11
// §9.8): 3DES with the retail MAC, AES-128/192/256 with CMAC, short and extended length, even and odd
// instructions. Both ends share it: Wrap and Unwrap for the reader, UnwrapCommand and WrapResponse for
// the card.
//
// The send sequence counter moves once per command and once per answer. After any error the channel
// is dead: the caller re-authenticates; a counter is never guessed.
package sm

import (
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"

	"egate/emrtd/iso7816"
	"egate/emrtd/tlv"
)

// Errors that callers branch on.
var (
	// ErrUnprotected is an answer without DO99 and DO8E: its status word is not authenticated and the
	// counter of the card is unknown.
	ErrUnprotected = errors.New("sm: unprotected answer")
	ErrMAC         = errors.New("sm: authentication code does not match")
	ErrFormat      = errors.New("sm: malformed")
	ErrDead        = errors.New("sm: channel ended")
)

// Data objects.
const (
	doData    = 0x87 // padding indicator and cryptogram
	doDataOdd = 0x85 // cryptogram alone, odd instructions
	doLe      = 0x97
	doStatus  = 0x99
	doMAC     = 0x8E
)

// Session is one channel. It is used by one goroutine at a time.
type Session struct {
	suite Suite
	enc   cipher.Block
	mac   *MAC
	ssc   [16]byte // right-most BlockSize bytes are used for 3DES: index 8 to 15
	last  [16]byte // chaining block in hand, here so that no exchange allocates it
	dead  bool
	odd   bool // instruction of the present exchange is odd
}

// New starts a session with given keys and counter.
func New(s Suite, kEnc, kMAC, ssc []byte) (*Session, error) {
	if !s.Valid() || len(kEnc) != s.KeySize() || len(kMAC) != s.KeySize() || len(ssc) != s.BlockSize() {
		return nil, fmt.Errorf("%w: keys", ErrFormat)
	}
	enc, err := cipherFor(s, kEnc)
	if err != nil {
		return nil, fmt.Errorf("sm: %w", err)
	}
	mac, err := NewMAC(s, kMAC)
	if err != nil {
		return nil, fmt.Errorf("sm: %w", err)
	}
	x := &Session{suite: s, enc: enc, mac: mac}
	copy(x.ssc[16-len(ssc):], ssc)
	return x, nil
}

// Suite tells the cipher.
func (s *Session) Suite() Suite { return s.suite }

// Dead tells whether the channel ended.
func (s *Session) Dead() bool { return s == nil || s.dead }

// Wipe ends the channel and forgets what can be forgotten of its keys.
func (s *Session) Wipe() {
	if s == nil {
		return
	}
	s.dead = true
	clear(s.ssc[:])
	clear(s.last[:])
	if s.mac != nil {
		clear(s.mac.k1[:])
		clear(s.mac.k2[:])
		clear(s.mac.h[:])
		clear(s.mac.last[:])
	}
	s.enc, s.mac = nil, nil
}

func (s *Session) counter() []byte { return s.ssc[16-s.suite.BlockSize():] }

func (s *Session) step() {
	c := s.counter()
	for i := len(c) - 1; i >= 0; i-- {
		if c[i]++; c[i] != 0 {
			return
		}
	}
}

// iv is zero for 3DES and the encrypted counter for AES. It lies in s.last.
func (s *Session) iv() []byte {
	iv := s.last[:s.suite.BlockSize()]
	clear(iv)
	if s.suite != TDES {
		s.enc.Encrypt(iv, s.counter())
	}
	return iv
}

// Cipher block chaining is written out: crypto/cipher copies the whole key schedule for every message, which is
// more than a short answer has bytes.

// encryptBlocks encrypts b in place.
func (s *Session) encryptBlocks(b []byte) {
	bs := s.suite.BlockSize()
	prev := s.iv()
	for ; len(b) > 0; b = b[bs:] {
		subtle.XORBytes(b, b[:bs], prev)
		s.enc.Encrypt(b[:bs], b[:bs])
		prev = b[:bs]
	}
}

// decryptBlocks decrypts b in place, from its end, so that every block is still there for the next.
func (s *Session) decryptBlocks(b []byte) {
	bs := s.suite.BlockSize()
	iv := s.iv()
	for i := len(b) - bs; i >= 0; i -= bs {
		prev := iv
		if i > 0 {
			prev = b[i-bs : i]
		}
		s.enc.Decrypt(b[i:i+bs], b[i:i+bs])
		subtle.XORBytes(b[i:i+bs], b[i:i+bs], prev)
	}
}

// MaxData is the number of plain bytes that fit a protected answer of nr bytes (status word not
// counted).
func (s Suite) MaxData(nr int) int {
	// DO87 header of 2 to 4 bytes and the indicator, DO99 4, DO8E 10.
	n := nr - 14
	switch {
	case n <= 0:
		return 0
	case n <= 0x81:
		n -= 3
	case n <= 0x103:
		n -= 4
	default:
		n -= 5
	}
	n = n / s.BlockSize() * s.BlockSize()
	return max(n-1, 0)
}

// MaxCommandData is the number of plain bytes that fit the data field of a protected command of nc
// bytes, with an expected length.
func (s Suite) MaxCommandData(nc int) int { return s.MaxData(nc) }

func (s *Session) encrypt(dst, plain []byte) []byte {
	bs := s.suite.BlockSize()
	at := len(dst)
	dst = append(append(dst, plain...), 0x80)
	for (len(dst)-at)%bs != 0 {
		dst = append(dst, 0)
	}
	s.encryptBlocks(dst[at:])
	return dst
}

// decrypt works in place.
func (s *Session) decrypt(b []byte) ([]byte, error) {
	if len(b) == 0 || len(b)%s.suite.BlockSize() != 0 {
		return nil, fmt.Errorf("%w: cryptogram", ErrFormat)
	}
	s.decryptBlocks(b)
	i := len(b) - 1
	for i > 0 && b[i] == 0 {
		i--
	}
	if b[i] != 0x80 || len(b)-i > s.suite.BlockSize() {
		return nil, fmt.Errorf("%w: padding", ErrFormat)
	}
	return b[:i], nil
}

// appendData appends DO87 or DO85 around data.
func (s *Session) appendData(dst, data []byte) []byte {
	bs := s.suite.BlockSize()
	n := (len(data)/bs + 1) * bs
	if s.odd {
		return s.encrypt(tlv.AppendHeader(dst, doDataOdd, n), data)
	}
	return s.encrypt(append(tlv.AppendHeader(dst, doData, n+1), 1), data)
}

// padding is that of method 2 for the largest block.
var padding = [16]byte{0x80}

// pad is padding method 2 to the block of the cipher: what follows n bytes.
func (s *Session) pad(n int) []byte {
	bs := s.suite.BlockSize()
	return padding[:bs-n%bs]
}

// sum authenticates the counter, a padded header (commands only) and data objects. The padding here is
// the one that the standard adds to the message: the retail MAC then needs no further one, and CMAC
// runs over the padded message.
func (s *Session) sum(header, objects []byte) [macSize]byte {
	var list [5][]byte
	parts := append(list[:0], s.counter())
	if header != nil {
		parts = append(parts, header, s.pad(len(header)))
	}
	if len(objects) > 0 || header == nil {
		parts = append(parts, objects, s.pad(len(objects)))
	}
	if s.suite == TDES {
		return s.mac.retail(false, parts)
	}
	return s.mac.cmac(parts)
}

// Wrap protects a command.
func (s *Session) Wrap(c iso7816.Command) (iso7816.Command, error) {
	if s.Dead() {
		return c, ErrDead
	}
	if c.CLA&^iso7816.CLAChain != 0 {
		return c, fmt.Errorf("%w: class byte", ErrFormat)
	}
	s.step()
	s.odd = c.INS&1 == 1
	out := c
	out.CLA |= iso7816.CLASecure
	ext := c.IsExtended()
	var d []byte
	if len(c.Data) > 0 {
		d = make([]byte, 0, len(c.Data)+64)
		d = s.appendData(d, c.Data)
	}
	if c.Ne > 0 {
		if ext {
			d = append(d, doLe, 2, byte(c.Ne>>8), byte(c.Ne))
		} else {
			d = append(d, doLe, 1, byte(c.Ne))
		}
	}
	m := s.sum([]byte{out.CLA, out.INS, out.P1, out.P2}, d)
	d = tlv.Append(d, doMAC, m[:])
	out.Data = d
	out.Extended = ext || len(d) > iso7816.MaxShortData
	out.Ne = iso7816.MaxShortNe
	if out.Extended {
		out.Ne = iso7816.MaxExtNe
	}
	return out, nil
}

// Unwrap checks and opens an answer. r.Data is overwritten. The plain answer carries the status word
// of DO99. Any error ends the channel.
func (s *Session) Unwrap(r iso7816.Response) (iso7816.Response, error) {
	if s.Dead() {
		return iso7816.Response{}, ErrDead
	}
	out, err := s.unwrap(r)
	if err != nil {
		s.dead = true
	}
	return out, err
}

func (s *Session) unwrap(r iso7816.Response) (iso7816.Response, error) {
	var out iso7816.Response
	if len(r.Data) == 0 {
		out.SW = r.SW
		return out, ErrUnprotected
	}
	s.step()
	var data []byte
	var have, odd bool
	var status, mac []byte
	signed := 0
	for rest := r.Data; len(rest) > 0; {
		o, next, err := tlv.Read(rest)
		if err != nil {
			return out, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		rest = next
		if mac != nil {
			return out, fmt.Errorf("%w: object after the code", ErrFormat)
		}
		switch o.Tag {
		case doData, doDataOdd:
			if have || status != nil {
				return out, fmt.Errorf("%w: order of objects", ErrFormat)
			}
			have, odd, data = true, o.Tag == doDataOdd, o.Value
		case doStatus:
			if status != nil || len(o.Value) != 2 {
				return out, fmt.Errorf("%w: status object", ErrFormat)
			}
			status = o.Value
		case doMAC:
			mac = o.Value
			continue
		default:
			return out, fmt.Errorf("%w: unknown object", ErrFormat)
		}
		signed += len(o.Raw)
	}
	if mac == nil {
		out.SW = r.SW
		return out, ErrUnprotected
	}
	m := s.sum(nil, r.Data[:signed])
	if subtle.ConstantTimeCompare(m[:], mac) != 1 {
		return out, ErrMAC
	}
	if status == nil {
		return out, fmt.Errorf("%w: no status object", ErrFormat)
	}
	out.SW = iso7816.SW(status[0])<<8 | iso7816.SW(status[1])
	// The outer status word is not authenticated; where chips let the two differ, DO99 decides.
	if have {
		if !odd {
			if len(data) < 1 || data[0] != 1 {
				return iso7816.Response{}, fmt.Errorf("%w: padding indicator", ErrFormat)
			}
			data = data[1:]
		}
		var err error
		if out.Data, err = s.decrypt(data); err != nil {
			return iso7816.Response{}, err
		}
	}
	return out, nil
}

// UnwrapCommand checks and opens a protected command; for the card side. c.Data is overwritten.
func (s *Session) UnwrapCommand(c iso7816.Command) (iso7816.Command, error) {
	if s.Dead() {
		return c, ErrDead
	}
	out, err := s.unwrapCommand(c)
	if err != nil {
		s.dead = true
	}
	return out, err
}

func (s *Session) unwrapCommand(c iso7816.Command) (iso7816.Command, error) {
	out := c
	if c.CLA&iso7816.CLASecure != iso7816.CLASecure {
		return out, ErrUnprotected
	}
	s.step()
	s.odd = c.INS&1 == 1
	list, err := tlv.List(c.Data)
	if err != nil {
		return out, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	var data, mac []byte
	signed := 0
	out.Data, out.Ne, out.Extended = nil, 0, false
	for _, o := range list {
		if mac != nil {
			return out, fmt.Errorf("%w: object after the code", ErrFormat)
		}
		switch o.Tag {
		case doData:
			if len(o.Value) < 1 || o.Value[0] != 1 || s.odd {
				return out, fmt.Errorf("%w: data object", ErrFormat)
			}
			data = o.Value[1:]
		case doDataOdd:
			if !s.odd {
				return out, fmt.Errorf("%w: data object", ErrFormat)
			}
			data = o.Value
		case doLe:
			switch len(o.Value) {
			case 1:
				if out.Ne = int(o.Value[0]); out.Ne == 0 {
					out.Ne = iso7816.MaxShortNe
				}
			case 2:
				out.Extended = true
				if out.Ne = int(o.Value[0])<<8 | int(o.Value[1]); out.Ne == 0 {
					out.Ne = iso7816.MaxExtNe
				}
			default:
				return out, fmt.Errorf("%w: expected length", ErrFormat)
			}
		case doMAC:
			mac = o.Value
			continue
		default:
			return out, fmt.Errorf("%w: unknown object", ErrFormat)
		}
		signed += len(o.Raw)
	}
	m := s.sum([]byte{c.CLA, c.INS, c.P1, c.P2}, c.Data[:signed])
	if subtle.ConstantTimeCompare(m[:], mac) != 1 {
		return out, ErrMAC
	}
	out.CLA &^= iso7816.CLASecure
	if data != nil {
		if out.Data, err = s.decrypt(data); err != nil {
			return out, err
		}
	}
	return out, nil
}

// WrapResponse protects an answer; for the card side.
func (s *Session) WrapResponse(r iso7816.Response) (iso7816.Response, error) {
	if s.Dead() {
		return r, ErrDead
	}
	s.step()
	var d []byte
	if len(r.Data) > 0 {
		d = make([]byte, 0, len(r.Data)+48)
		d = s.appendData(d, r.Data)
	}
	d = append(d, doStatus, 2, byte(r.SW>>8), byte(r.SW))
	m := s.sum(nil, d)
	return iso7816.Response{Data: tlv.Append(d, doMAC, m[:]), SW: r.SW}, nil
}
