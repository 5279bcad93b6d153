// Package chipauth is chip authentication version 1 (ICAO Doc 9303-11 §6.2): the chip proves that it
// has the private key to a static key of DG14 by opening a new secure messaging channel.
//
// The proof is complete when an answer under the new channel has been verified, and it is worth as much
// as the signature over the file that the static key came from.
package chipauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	"egate/emrtd/ber"
	"egate/emrtd/iso7816"
	"egate/emrtd/lds"
	"egate/emrtd/pace"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
)

// Errors that callers branch on.
var (
	// ErrNone says that no chip authentication is announced.
	ErrNone = errors.New("chipauth: not announced")
	// ErrUnsupported says that it is announced with parameters unknown here.
	ErrUnsupported = errors.New("chipauth: no usable key")
	// ErrRefused says that the chip refused every form of the protocol.
	ErrRefused = errors.New("chipauth: refused by the chip")
)

// Named deviations.
const (
	// DevNoInfo is a static key without ChipAuthenticationInfo: the cipher is assumed to be 3DES, as
	// first-generation chips have it.
	DevNoInfo = "chipauth.info_absent_3des_assumed"
)

// Key is one static key with its protocol.
type Key struct {
	ID         *big.Int // nil where the chip has one key only
	Group      pace.Group
	ECDH       bool
	Public     []byte
	OID        string // id-CA-…
	Version    int
	Suite      sm.Suite
	Deviations []string
}

// Announced tells whether security infos announce chip authentication at all, usable or not.
func Announced(list []lds.SecurityInfo) bool {
	for _, s := range list {
		if s.Under(lds.OIDCA) || s.OID == lds.OIDPKDH || s.OID == lds.OIDPKECDH {
			return true
		}
	}
	return false
}

type protocol struct {
	oid     string
	version int
	id      *big.Int
	ecdh    bool
	suite   sm.Suite
}

// ParseKeys joins static keys and protocols by key identifier, the strongest first.
func ParseKeys(list []lds.SecurityInfo) ([]Key, error) {
	var protos []protocol
	for _, s := range list {
		rest, ok := strings.CutPrefix(s.OID, lds.OIDCA+".")
		if !ok {
			continue
		}
		kind, c, ok := strings.Cut(rest, ".")
		n, err := strconv.Atoi(c)
		if !ok || err != nil || n < 1 || n > 4 || kind != "1" && kind != "2" {
			continue
		}
		v, err := s.Required.Int()
		if err != nil {
			return nil, fmt.Errorf("chipauth: info: %w", err)
		}
		p := protocol{oid: s.OID, version: v, ecdh: kind == "2", suite: sm.Suite(n)}
		if s.Optional != nil {
			if p.id, err = s.Optional.BigInt(); err != nil {
				return nil, fmt.Errorf("chipauth: info: %w", err)
			}
		}
		protos = append(protos, p)
	}
	var out []Key
	for _, s := range list {
		if s.OID != lds.OIDPKDH && s.OID != lds.OIDPKECDH {
			continue
		}
		k := Key{ECDH: s.OID == lds.OIDPKECDH}
		if s.Optional != nil {
			id, err := s.Optional.BigInt()
			if err != nil {
				return nil, fmt.Errorf("chipauth: key: %w", err)
			}
			k.ID = id
		}
		spki, err := s.Required.Children()
		if err != nil || len(spki) != 2 {
			return nil, fmt.Errorf("chipauth: key: %w", lds.ErrFormat)
		}
		if k.Group, err = pace.ParseGroup(spki[0]); err != nil {
			continue // another key may be usable
		}
		if (pace.Curve(k.Group) != nil) != k.ECDH {
			continue
		}
		if k.Public, err = spki[1].Bits(); err != nil {
			return nil, fmt.Errorf("chipauth: key: %w", err)
		}
		if !k.ECDH {
			// DHPublicKey is an INTEGER inside the bit string.
			e, err := ber.ParseExact(k.Public)
			if err != nil || !e.Is(ber.Integer) {
				return nil, fmt.Errorf("chipauth: key: %w", lds.ErrFormat)
			}
			y, err := e.BigInt()
			if err != nil || y.Sign() <= 0 || (y.BitLen()+7)/8 > len(k.Group.Base()) {
				return nil, fmt.Errorf("chipauth: key: %w", lds.ErrFormat)
			}
			k.Public = y.FillBytes(make([]byte, len(k.Group.Base())))
		}
		found := false
		for _, p := range protos {
			if p.ecdh != k.ECDH || p.version != 1 && p.version != 2 || !sameID(p.id, k.ID, len(protos) == 1) {
				continue
			}
			x := k
			x.OID, x.Version, x.Suite = p.oid, p.version, p.suite
			out = append(out, x)
			found = true
		}
		if !found && len(protos) == 0 {
			k.Suite, k.Version, k.Deviations = sm.TDES, 1, []string{DevNoInfo}
			k.OID = lds.OIDCADH + ".1"
			if k.ECDH {
				k.OID = lds.OIDCAECDH + ".1"
			}
			out = append(out, k)
		}
	}
	// Strongest cipher first; among equals the order of the file.
	for i := 1; i < len(out); i++ {
		for j := i; j > 0 && out[j].Suite > out[j-1].Suite; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	if len(out) == 0 {
		if Announced(list) {
			return nil, ErrUnsupported
		}
		return nil, ErrNone
	}
	return out, nil
}

// sameID tells whether a protocol belongs to a key. One protocol without an identifier serves any key.
func sameID(p, k *big.Int, only bool) bool {
	if p == nil || k == nil {
		return p == nil && k == nil || only
	}
	return p.Cmp(k) == 0
}

// Prepared is an ephemeral key made ahead for a static key.
type Prepared struct{ priv, pub, secret []byte }

// Prepare makes the ephemeral key and the shared secret; it needs no card.
func Prepare(k Key, random io.Reader) (*Prepared, error) {
	if random == nil {
		random = rand.Reader
	}
	priv, pub, err := k.Group.GenerateKey(random, k.Group.Base())
	if err != nil {
		return nil, fmt.Errorf("chipauth: ephemeral key: %w", err)
	}
	sh, err := k.Group.Agree(priv, k.Public)
	if err != nil {
		return nil, fmt.Errorf("chipauth: static key: %w", err)
	}
	return &Prepared{priv: priv, pub: pub, secret: sh}, nil
}

// Wipe overwrites the keys.
func (p *Prepared) Wipe() {
	if p != nil {
		clear(p.priv)
		clear(p.secret)
	}
}

// keyRef encodes a private key reference.
func keyRef(id *big.Int) []byte {
	b := id.Bytes()
	if len(b) == 0 {
		b = []byte{0}
	}
	return b
}

// Run performs the protocol over the present channel and returns the new one. Every command that
// follows must use it; the proof holds once an answer under it has been verified. maxData bounds the
// data field of a plain command through the present channel.
//
// 3DES is set up by MSE:SET KAT, AES by MSE:SET AT and GENERAL AUTHENTICATE (ICAO Doc 9303-11
// §6.2.4). As chips differ, the other form is tried where the first is refused.
func Run(ctx context.Context, tx iso7816.Transmitter, k Key, p *Prepared, maxData int) (*sm.Session, error) {
	var err error
	kat := func() error {
		d := tlv.Encode(0x91, p.pub)
		if k.ID != nil {
			d = tlv.Append(d, 0x84, keyRef(k.ID))
		}
		return send(ctx, tx, "set kat", iso7816.Command{INS: iso7816.INSManageSecurity, P1: 0x41, P2: 0xA6, Data: d})
	}
	at := func() error {
		oid := ber.EncodeOID(k.OID)
		d := tlv.Encode(0x80, oid[2:])
		if k.ID != nil {
			d = tlv.Append(d, 0x84, keyRef(k.ID))
		}
		if err := send(ctx, tx, "set at", iso7816.Command{INS: iso7816.INSManageSecurity, P1: 0x41, P2: 0xA4, Data: d}); err != nil {
			return err
		}
		ga := tlv.Encode(0x7C, tlv.Encode(0x80, p.pub))
		if maxData <= 0 || len(ga) <= maxData {
			err := send(ctx, tx, "general authenticate", iso7816.Command{INS: iso7816.INSGeneralAuth, Data: ga, Ne: iso7816.MaxShortNe})
			if err == nil {
				return nil
			}
			if sw, ok := iso7816.Status(err); !ok || sw != iso7816.SWWrongLength {
				return err
			}
		}
		return chained(ctx, tx, ga, min(maxChain, max(maxData, 0)))
	}
	order := []func() error{at} // SET KAT cannot name a cipher
	if k.Suite == sm.TDES {
		order = []func() error{kat, at}
		if maxData > 0 && len(p.pub)+katOverhead > maxData {
			// SET KAT does not chain: a key of a prime group that neither link nor chip takes in one command
			// goes by SET AT and a chain.
			order = order[1:]
		}
	}
	for _, f := range order {
		if err = f(); err == nil {
			ch, err := sm.FromSecret(k.Suite, k.Group.Secret(p.secret))
			if err != nil {
				return nil, fmt.Errorf("chipauth: %w", err)
			}
			return ch, nil
		}
		if _, ok := iso7816.Status(err); !ok {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrRefused, err)
}

// katOverhead is what SET KAT has besides the key: tag and length of it, and a private key reference.
const katOverhead = 4 + 10

// maxChain is the data of one link of a command chain: it fits a short protected command.
const maxChain = 200

func chained(ctx context.Context, tx iso7816.Transmitter, data []byte, n int) error {
	if n == 0 {
		n = maxChain
	}
	for len(data) > 0 {
		part := data[:min(n, len(data))]
		data = data[len(part):]
		c := iso7816.Command{INS: iso7816.INSGeneralAuth, Data: part}
		if len(data) > 0 {
			c.CLA = iso7816.CLAChain
		} else {
			c.Ne = iso7816.MaxShortNe
		}
		if err := send(ctx, tx, "general authenticate (chained)", c); err != nil {
			return err
		}
	}
	return nil
}

func send(ctx context.Context, tx iso7816.Transmitter, step string, c iso7816.Command) error {
	r, err := tx.Transmit(ctx, c)
	if err != nil {
		return fmt.Errorf("chipauth: %s: %w", step, err)
	}
	if !r.OK() {
		return &iso7816.StatusError{Step: "chipauth " + step, SW: r.SW}
	}
	return nil
}

// Answer is the card's end: the channel for its private key and the reader's ephemeral element.
func Answer(g pace.Group, s sm.Suite, priv, ephemeral []byte) (*sm.Session, error) {
	sh, err := g.Agree(priv, ephemeral)
	if err != nil {
		return nil, fmt.Errorf("chipauth: ephemeral key: %w", err)
	}
	defer clear(sh)
	return sm.FromSecret(s, g.Secret(sh))
}
