package pace

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"egate/emrtd/ber"
	"egate/emrtd/iso7816"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
)

// Result tells how a channel was established.
type Result struct {
	Info Info
	// Attempts counts protocol runs, failed ones included.
	Attempts int
	// CAMData and MappingKey are set by chip authentication mapping: VerifyCAM joins them with the
	// static key of EF.CardSecurity.
	CAMData    []byte
	MappingKey []byte
	// Failed lists the variants that were tried in vain before this one.
	Failed []Failure
}

// Failure is one variant that did not work.
type Failure struct {
	Info Info
	Err  error
}

// Reader is the inspection system's end. The zero value is ready.
type Reader struct {
	// Rand is the source of keys and nonces; crypto/rand where nil.
	Rand io.Reader
	// Keys are prepared before the tap; see Prepare.
	Keys *Keys
	// MaxCommand bounds the command data field of the link; 255 where zero.
	MaxCommand int
	// MaxResponse bounds the response data field of the link; 256 where zero.
	MaxResponse int
}

// Establish runs PACE with the default reader.
func Establish(ctx context.Context, tx iso7816.Transmitter, infos []Info, p Password) (*sm.Session, Result, error) {
	return new(Reader).Establish(ctx, tx, infos, p)
}

// Establish tries the announced variants in the given order until one gives a channel. A refused
// password ends it after one repetition: some chips answer 6300 now and then, and a third attempt
// would only run into the chip's delay.
func (r *Reader) Establish(ctx context.Context, tx iso7816.Transmitter, infos []Info, p Password) (*sm.Session, Result, error) {
	var res Result
	if len(infos) == 0 {
		return nil, res, ErrNone
	}
	last := error(nil)
	for n, info := range infos {
		if !info.Usable() || n >= maxVariants || info.Explicit && !info.Group.sound() {
			res.Failed = append(res.Failed, Failure{info, ErrUnsupported})
			continue
		}
		with84 := info.ParameterID >= 0
		refused := false
		for {
			res.Attempts++
			s, out, err := r.run(ctx, tx, info, p, with84)
			if err == nil {
				out.Attempts, out.Failed = res.Attempts, res.Failed
				return s, out, nil
			}
			if ctx.Err() != nil {
				return nil, res, ctx.Err()
			}
			var mse *mseError
			if errors.As(err, &mse) && with84 && (mse.sw == iso7816.SWWrongData || mse.sw == iso7816.SWLcInconsistent || mse.sw == iso7816.SWRefNotFound) {
				with84 = false // some chips refuse the parameter reference
				continue
			}
			if errors.Is(err, ErrPassword) {
				if refused {
					return nil, res, err
				}
				refused = true
				continue
			}
			if _, isStatus := iso7816.Status(err); !isStatus && !errors.As(err, &mse) && !errors.Is(err, ErrChip) && !errors.Is(err, ErrUnsupported) {
				return nil, res, err // the link failed: another variant would not help
			}
			if sw, ok := iso7816.Status(err); ok && sw == iso7816.SWDead {
				return nil, res, err
			}
			res.Failed = append(res.Failed, Failure{info, err})
			last = err
			break
		}
	}
	if last == nil {
		last = ErrUnsupported
	}
	return nil, res, last
}

// maxVariants bounds the variants that are tried: issued chips announce up to four, and each costs time.
const maxVariants = 8

type mseError struct{ sw iso7816.SW }

func (e *mseError) Error() string { return "pace: MSE:SET AT: status " + e.sw.String() }

func (r *Reader) random() io.Reader {
	if r.Rand != nil {
		return r.Rand
	}
	return rand.Reader
}

// Tags of the dynamic authentication data (ICAO Doc 9303-11 §4.4.5).
const (
	tagDynamic   = 0x7C
	tagNonce     = 0x80
	tagMapIn     = 0x81
	tagMapOut    = 0x82
	tagPublicIn  = 0x83
	tagPublicOut = 0x84
	tagTokenIn   = 0x85
	tagTokenOut  = 0x86
	tagCAM       = 0x8A
)

// SetAT is the command that starts PACE. It carries no expected length: chips refuse one.
func SetAT(a Algorithm, p Password, parameterID int) iso7816.Command {
	oid := ber.EncodeOID(a.OID)
	d := tlv.Encode(0x80, oid[2:])
	d = tlv.Append(d, 0x83, []byte{p.Reference})
	if parameterID >= 0 {
		d = tlv.Append(d, 0x84, []byte{byte(parameterID)})
	}
	return iso7816.Command{INS: iso7816.INSManageSecurity, P1: 0xC1, P2: 0xA4, Data: d}
}

func (r *Reader) run(ctx context.Context, tx iso7816.Transmitter, info Info, p Password, with84 bool) (*sm.Session, Result, error) {
	res := Result{Info: info}
	g := info.Group
	maxIn := r.MaxCommand
	if maxIn == 0 {
		maxIn = iso7816.MaxShortData
	}
	if 8+len(g.Base()) > maxIn {
		return nil, res, fmt.Errorf("%w: link carries no key of this size", ErrUnsupported)
	}
	id := -1
	if with84 {
		id = info.ParameterID
	}
	a, err := tx.Transmit(ctx, SetAT(info.Algorithm, p, id))
	if err != nil {
		return nil, res, fmt.Errorf("pace: set at: %w", err)
	}
	// 63Cx warns of a remaining number of attempts.
	if !a.OK() && a.SW&0xFFF0 != 0x63C0 {
		if a.SW == iso7816.SWDead {
			return nil, res, &iso7816.StatusError{Step: "pace set at", SW: a.SW}
		}
		return nil, res, &mseError{a.SW}
	}
	step := func(name string, tag uint32, value []byte, final bool) ([]tlv.Object, error) {
		var in []byte
		if value != nil {
			in = tlv.Encode(tag, value)
		}
		c := iso7816.Command{CLA: iso7816.CLAChain, INS: iso7816.INSGeneralAuth, Data: tlv.Encode(tagDynamic, in), Ne: iso7816.MaxShortNe}
		if final {
			c.CLA = 0
		}
		if len(g.Base())+8 > iso7816.MaxShortNe {
			c.Ne = iso7816.MaxExtNe
			if r.MaxResponse > 0 {
				c.Ne = min(c.Ne, r.MaxResponse)
			}
		}
		a, err := tx.Transmit(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("pace: %s: %w", name, err)
		}
		if !a.OK() {
			if final && (a.SW == iso7816.SWAuthFailed || a.SW&0xFFF0 == 0x63C0) {
				return nil, fmt.Errorf("%w: status %s", ErrPassword, a.SW)
			}
			return nil, &iso7816.StatusError{Step: "pace " + name, SW: a.SW}
		}
		if len(a.Data) == 0 && tag == tagMapIn && info.Mapping == IM {
			return nil, nil // the chip has nothing to say to the integrated mapping
		}
		o, rest, err := tlv.Read(a.Data)
		if err != nil || o.Tag != tagDynamic || len(rest) != 0 {
			return nil, fmt.Errorf("%w: %s: answer is no dynamic authentication data", ErrChip, name)
		}
		l, err := tlv.List(o.Value)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrChip, name, err)
		}
		return l, nil
	}
	get := func(l []tlv.Object, tag uint32) []byte {
		for _, o := range l {
			if o.Tag == tag {
				return o.Value
			}
		}
		return nil
	}
	chip := func(what string, err error) error {
		return fmt.Errorf("%w: %s: %w", ErrChip, what, err)
	}

	l, err := step("nonce", tagNonce, nil, false)
	if err != nil {
		return nil, res, err
	}
	kpi := p.Key(info.Suite)
	defer clear(kpi)
	s, err := DecryptNonce(info.Suite, kpi, get(l, tagNonce))
	if err != nil {
		return nil, res, err
	}
	defer clear(s)

	var base []byte
	if info.Mapping == IM {
		t := make([]byte, info.Suite.KeySize())
		if _, err := io.ReadFull(r.random(), t); err != nil {
			return nil, res, fmt.Errorf("pace: random source: %w", err)
		}
		if _, err := step("map", tagMapIn, t, false); err != nil {
			return nil, res, err
		}
		if base, err = MapIntegrated(info.Suite, g, s, t); err != nil {
			return nil, res, chip("map", err)
		}
	} else {
		priv, pub, err := r.Keys.take(r.random(), g)
		if err != nil {
			return nil, res, err
		}
		defer clear(priv)
		l, err := step("map", tagMapIn, pub, false)
		if err != nil {
			return nil, res, err
		}
		peer := get(l, tagMapOut)
		if bytes.Equal(peer, pub) {
			return nil, res, fmt.Errorf("%w: own mapping key returned", ErrChip)
		}
		h, err := g.Agree(priv, peer)
		if err != nil {
			return nil, res, chip("mapping key", err)
		}
		defer clear(h)
		if base, err = g.MapGeneric(s, h); err != nil {
			return nil, res, chip("map", err)
		}
		res.MappingKey = bytes.Clone(peer)
	}
	defer clear(base)
	priv, pub, err := g.GenerateKey(r.random(), base)
	if err != nil {
		return nil, res, fmt.Errorf("pace: ephemeral key: %w", err)
	}
	defer clear(priv)
	if l, err = step("key agreement", tagPublicIn, pub, false); err != nil {
		return nil, res, err
	}
	peer := get(l, tagPublicOut)
	if bytes.Equal(peer, pub) {
		return nil, res, fmt.Errorf("%w: own ephemeral key returned", ErrChip)
	}
	shared, err := g.Agree(priv, peer)
	if err != nil {
		return nil, res, chip("ephemeral key", err)
	}
	defer clear(shared)
	k := g.Secret(shared)
	kEnc, kMAC := info.Suite.KDF(k, sm.CounterEnc), info.Suite.KDF(k, sm.CounterMAC)
	defer clear(kEnc)
	defer clear(kMAC)
	mine, err := Token(info.Algorithm, g, kMAC, peer)
	if err != nil {
		return nil, res, err
	}
	want, err := Token(info.Algorithm, g, kMAC, pub)
	if err != nil {
		return nil, res, err
	}
	if l, err = step("mutual authentication", tagTokenIn, mine, true); err != nil {
		return nil, res, err
	}
	if subtle.ConstantTimeCompare(get(l, tagTokenOut), want) != 1 {
		return nil, res, fmt.Errorf("%w: authentication token", ErrChip)
	}
	if info.Mapping == CAM {
		// A missing or false value fails the clone check, not the access.
		if enc := get(l, tagCAM); enc != nil {
			res.CAMData, _ = DecryptCAM(info.Suite, kEnc, enc)
		}
	} else {
		res.MappingKey = nil
	}
	ch, err := sm.New(info.Suite, kEnc, kMAC, make([]byte, info.Suite.BlockSize()))
	return ch, res, err
}
