package emrtd

import (
	"context"
	"errors"
	"fmt"

	"egate/emrtd/bac"
	"egate/emrtd/iso7816"
	"egate/emrtd/lds"
	"egate/emrtd/pace"
	"egate/emrtd/tlv"
	"egate/verdict"
)

// Named deviations of the access to a chip.
const (
	// DevBAC: the chip offers no PACE and was opened by Basic Access Control.
	DevBAC = "access.bac"
	// DevPACEFallback: the strongest announced PACE did not work and another one was used.
	DevPACEFallback = "access.pace_variant_failed"
	// DevPACERepeated: a run had to be repeated, without the parameter reference or after a 6300.
	DevPACERepeated = "access.pace_repeated"
)

// limits learns from the answer to select and EF.ATR/INFO what the chip carries. Failure costs speed,
// never the read.
func (r *reader) limits(ctx context.Context) error {
	ats := r.link.card.ATS()
	if r.opt.ReadSize != nil && len(ats) > 0 {
		if n := r.opt.ReadSize(ats); n > 0 {
			r.cap = n
			r.chipExtended = n > iso7816.MaxShortNe
			r.remembered = n
			return nil
		}
	}
	known, ext := historical(ats)
	if known && !ext {
		return nil // the chip says that it has no extended length: nothing to learn
	}
	r.chipExtended = ext
	a, err := r.link.Transmit(ctx, iso7816.Command{INS: iso7816.INSReadBinary, P1: 0x80 | lds.SFIATRInfo, Ne: iso7816.MaxShortNe})
	if err != nil {
		return err
	}
	if !a.OK() && a.SW != iso7816.SWWarnEnd {
		return nil
	}
	list, err := tlv.List(a.Data)
	if err != nil {
		return nil
	}
	for _, o := range list {
		switch o.Tag {
		case 0x47: // card capabilities (ISO/IEC 7816-4 §8.1.1.2.7): third byte, bit 7
			if len(o.Value) >= 3 && o.Value[2]&0x40 != 0 {
				r.chipExtended = true
			}
		case 0x7F66: // extended length information: largest command, largest response
			v, err := tlv.List(o.Value)
			if err != nil || len(v) < 2 || v[0].Tag != 2 || v[1].Tag != 2 {
				continue
			}
			r.chipExtended = true
			if n := number(v[0].Value); n >= minChipAPDU {
				r.chipCommand = n
			}
			if n := number(v[1].Value); n >= minChipAPDU {
				r.chipResponse = n
			}
		}
	}
	return nil
}

// minChipAPDU is the smallest extended length that is believed.
const minChipAPDU = 256

func number(b []byte) int {
	n := 0
	for _, c := range b {
		if n = n<<8 | int(c); n > 1<<20 {
			return 1 << 20
		}
	}
	return n
}

// historical reads the card capabilities out of historical bytes in compact form (ISO/IEC 7816-4
// §8.1.1.2): tag 7, length 3, third byte bit 7.
func historical(h []byte) (known, extended bool) {
	if len(h) == 0 || h[0] != 0x80 && h[0] != 0x00 {
		return false, false
	}
	h = h[1:]
	for len(h) > 0 {
		n := int(h[0] & 15)
		if len(h) < 1+n {
			return false, false
		}
		if h[0]>>4 == 7 && n == 3 {
			return true, h[3]&0x40 != 0
		}
		h = h[1+n:]
	}
	return false, false
}

// cardAccess reads EF.CardAccess in the clear: it is public by definition. ok is false where the chip
// has none, whatever it answers.
func (r *reader) cardAccess(ctx context.Context) (infos []byte, ok bool, err error) {
	var f fileBuf
	try := func(bySFI bool) (bool, error) {
		f = fileBuf{}
		most := iso7816.MaxShortNe
		if _, resp := r.link.card.Limits(); resp-2 < most {
			most = resp - 2
		}
		for tries := 0; !f.complete(); {
			n := most
			if f.total > 0 {
				n = min(n, f.total-len(f.buf))
			}
			a, err := r.readBinary(ctx, len(f.buf), n, lds.SFICardAccess, bySFI && len(f.buf) == 0)
			if err != nil {
				return false, err
			}
			if a.SW == iso7816.SWDead {
				return false, &iso7816.StatusError{Step: "read EF.CardAccess", SW: a.SW}
			}
			if !a.OK() && a.SW != iso7816.SWWarnEnd || len(a.Data) == 0 {
				// A chip that cannot carry this much must not pass for one without PACE.
				size := a.OK() || a.SW == iso7816.SWWarnEnd || a.SW == iso7816.SWWrongLength || a.SW.SW1() == 0x6C || a.SW == iso7816.SWWrongOffset
				if tries++; !size || tries > maxEmpty || n <= headerSize {
					return false, nil
				}
				most = max(n/2, headerSize)
				if x := int(a.SW.SW2()); a.SW.SW1() == 0x6C && x > 0 && x < n {
					most = x
				}
				continue
			}
			if f.total == 0 && f.begin(a.Data, maxCardAccess) != nil {
				return false, errMalformed
			}
			f.buf = append(f.buf, a.Data[:min(len(a.Data), f.total-len(f.buf))]...)
		}
		return true, nil
	}
	ok, err = try(true)
	if ok || err != nil {
		return f.buf, ok, err
	}
	// No short identifiers, or another application is current: select the master file, which may fail
	// in many ways that mean nothing, and the file.
	a, err := r.link.Transmit(ctx, iso7816.Command{INS: iso7816.INSSelect, P1: 0x00, P2: 0x0C})
	if err != nil {
		return nil, false, err
	}
	if a.SW == iso7816.SWDead {
		return nil, false, &iso7816.StatusError{Step: "select master file", SW: a.SW}
	}
	if !a.OK() {
		if _, err := r.link.Transmit(ctx, iso7816.Command{INS: iso7816.INSSelect, P1: 0x00, P2: 0x0C, Data: []byte{0x3F, 0x00}}); err != nil {
			return nil, false, err
		}
	}
	if err := r.selectEF(ctx, lds.FIDCardAccess); err != nil {
		if _, isStatus := iso7816.Status(err); isStatus {
			return nil, false, nil
		}
		return nil, false, err
	}
	ok, err = try(false)
	return f.buf, ok, err
}

// maxCardAccess bounds EF.CardAccess: issued ones have fewer than 500 bytes, explicit domain parameters
// add a kilobyte.
const maxCardAccess = 8 << 10

var errMalformed = errors.New("malformed EF.CardAccess")

// open gains access to the chip and selects the application. It leaves secure messaging on or fails.
func (r *reader) open(ctx context.Context) error {
	r.link.use(nil, false)
	if !r.limitsKnown {
		if err := r.limits(ctx); err != nil {
			return err
		}
		r.limitsKnown = true
	}
	if !r.accessKnown {
		b, ok, err := r.cardAccess(ctx)
		if errors.Is(err, errMalformed) {
			return r.refuse(verdict.Fail, verdict.PACEDowngrade, err)
		}
		if err != nil {
			return err
		}
		if ok {
			list, err := lds.ParseSecurityInfos(b)
			if err == nil {
				r.infos, err = pace.ParseInfos(list)
			}
			if err != nil {
				// A chip must not hide an announcement behind a malformed one.
				return r.refuse(verdict.Fail, verdict.PACEDowngrade, err)
			}
		}
		r.accessKnown = true
	}
	if len(r.infos) > 0 {
		if err := r.openPACE(ctx); err != nil {
			return err
		}
		if err := r.camProof(ctx); err != nil {
			return err
		}
		return r.selectApplication(ctx)
	}
	switch {
	case !r.opt.AllowBAC:
		return r.refuse(verdict.NotPossible, verdict.ChipAccessFailed, errors.New("no pace announced and bac not allowed"))
	case len(r.info) == 0:
		return r.refuse(verdict.NotPossible, verdict.ChipAccessFailed, errors.New("no pace announced and bac needs the mrz"))
	}
	if err := r.selectApplication(ctx); err != nil {
		return err
	}
	keys := bac.DeriveKeys(bac.KeySeed(r.info))
	defer keys.Wipe()
	s, err := bac.Establish(ctx, &r.link, keys, r.opt.Rand)
	switch {
	case err == nil:
	case errors.Is(err, bac.ErrPassword), errors.Is(err, bac.ErrChip):
		return r.refuse(verdict.Fail, verdict.ChipAccessFailed, err)
	default:
		if _, ok := iso7816.Status(err); ok {
			return r.refuse(verdict.NotPossible, verdict.ChipAccessFailed, err)
		}
		return err
	}
	r.link.use(s, false)
	r.report.Access = "bac"
	r.accessDev = []string{DevBAC}
	return nil
}

func (r *reader) openPACE(ctx context.Context) error {
	p := pace.MRZPassword(r.info)
	if r.opt.CAN != "" {
		p = pace.CANPassword(r.opt.CAN)
	} else if len(r.info) == 0 {
		return r.refuse(verdict.NotPossible, verdict.ChipAccessFailed, errors.New("neither mrz nor can"))
	}
	defer p.Wipe()
	cmd, resp := r.link.card.Limits()
	pr := pace.Reader{Rand: r.opt.Rand, Keys: r.opt.Keys, MaxCommand: min(cmd-6, iso7816.MaxShortData)}
	if r.extended() {
		pr.MaxCommand, pr.MaxResponse = cmd-9, resp-2
		if r.chipCommand > 0 {
			pr.MaxCommand = min(pr.MaxCommand, r.chipCommand-9)
		}
		if r.chipResponse > 0 {
			// Chips refuse an expected length beyond what they announced.
			pr.MaxResponse = min(pr.MaxResponse, r.chipResponse-2)
		}
	}
	s, res, err := pr.Establish(ctx, &r.link, r.infos, p)
	switch {
	case err == nil:
	case errors.Is(err, pace.ErrPassword):
		return r.refuse(verdict.Fail, verdict.ChipAccessFailed, err)
	case errors.Is(err, pace.ErrUnsupported):
		return r.refuse(verdict.NotPossible, verdict.ChipAccessFailed, err)
	case errors.Is(err, errLost), errors.Is(err, errSession), ctx.Err() != nil:
		return err
	default:
		if sw, ok := iso7816.Status(err); ok && sw == iso7816.SWDead {
			return err
		}
		// Announced and then failed: never BAC, never a plain read.
		return r.refuse(verdict.Fail, verdict.PACEDowngrade, err)
	}
	r.link.use(s, false)
	r.report.Access = "pace-" + res.Info.String()
	r.pace = res
	r.accessDev = nil
	if len(res.Failed) > 0 {
		r.accessDev = append(r.accessDev, DevPACEFallback)
	}
	if res.Attempts > 1+len(res.Failed) {
		r.accessDev = append(r.accessDev, DevPACERepeated)
	}
	return nil
}

func (r *reader) selectApplication(ctx context.Context) error {
	a, err := r.link.Transmit(ctx, iso7816.Command{INS: iso7816.INSSelect, P1: 0x04, P2: 0x0C, Data: lds.AID})
	if err != nil {
		return err
	}
	if !a.OK() {
		// Going on would read files of the master file under the same identifiers.
		return &iso7816.StatusError{Step: "select application", SW: a.SW}
	}
	return nil
}

// accessError ends the read: the chip could not be opened, or not in a way that may be trusted.
type accessError struct {
	result verdict.Result
	reason verdict.Reason
	err    error
}

func (e *accessError) Error() string { return fmt.Sprintf("access: %v", e.err) }
func (e *accessError) Unwrap() error { return e.err }

func (r *reader) refuse(res verdict.Result, reason verdict.Reason, err error) error {
	return &accessError{res, reason, err}
}
