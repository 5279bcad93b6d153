package emrtd

import (
	"context"
	"errors"
	"fmt"

	"egate/emrtd/iso7816"
	"egate/emrtd/lds"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
)

// fileBuf is a file as far as it was read; it survives a lost tag, so that reading goes on at the byte
// where it stopped.
type fileBuf struct {
	buf   []byte // length: bytes read; capacity: at least total once it is known
	total int    // header and contents, zero while unknown
}

func (f *fileBuf) complete() bool { return f.total > 0 && len(f.buf) == f.total }

// errLimit says that a chip announced or gave more than is accepted.
var errLimit = errors.New("limit exceeded")

// sizes of a READ BINARY to fall back to, in plain bytes. 231 and 223 fill a short protected answer
// with 3DES and AES, the others are where chips in the field have their limits.
var ladder = []int{231, 223, 192, 160, 112, 64, 32}

// smallest is the read size below which a chip is given up.
const smallest = 32

// headerSize reads tag and length of any file.
const headerSize = 8

// maxEvenOffset is the largest offset of READ BINARY with even INS.
const maxEvenOffset = 0x7FFF

// size is the number of plain bytes to ask for.
func (r *reader) size() int {
	_, resp := r.link.card.Limits()
	nr := resp - 2
	if !r.extended() {
		nr = min(nr, iso7816.MaxShortNe)
	} else if r.chipResponse > 0 {
		nr = min(nr, r.chipResponse-2)
	}
	suite := sm.AES256
	if r.link.sm != nil {
		suite = r.link.sm.Suite()
	}
	n := min(suite.MaxData(nr), iso7816.MaxExtNe)
	if r.cap > 0 {
		n = min(n, r.cap)
	}
	return max(n, 1)
}

// extended tells whether commands of extended length may be sent.
func (r *reader) extended() bool {
	cmd, resp := r.link.card.Limits()
	return r.chipExtended && cmd > 4+1+iso7816.MaxShortData+1+4 && resp > iso7816.MaxShortNe+2
}

// lower takes the next smaller read size after a chip refused n; false where there is none.
func (r *reader) lower(n int) bool {
	if n > iso7816.MaxShortNe {
		// Extended length failed once: half of it while it is large, then short length for good.
		if n > 4096 {
			r.cap = n / 4
			return true
		}
		r.chipExtended = false
		r.cap = 0
		if r.size() < n {
			return true
		}
	}
	for _, s := range ladder {
		if s < n {
			r.cap = s
			return true
		}
	}
	return false
}

// lowerBare is lower for a refusal that ended the session: each costs an access, so the steps are longer.
func (r *reader) lowerBare(n int) bool {
	if n > iso7816.MaxShortNe {
		r.chipExtended, r.cap = false, 0
		return true
	}
	for _, s := range ladder {
		if 4*s <= 3*n {
			r.cap = s
			return true
		}
	}
	return false
}

// maxEmpty bounds reads in a row that bring nothing: every step of the ladder and those above it.
const maxEmpty = 12

// fileName names the files that are read.
func fileName(fid uint16, master bool) string {
	switch {
	case master && fid == lds.FIDCardAccess:
		return "EF.CardAccess"
	case master && fid == lds.FIDCardSecurity:
		return "EF.CardSecurity"
	case master && fid == lds.FIDATRInfo:
		return "EF.ATR/INFO"
	case fid == lds.FIDSOD:
		return "EF.SOD"
	case fid == lds.FIDCOM:
		return "EF.COM"
	}
	return fmt.Sprintf("DG%d", fid&0xff)
}

// allowed are the files of the application that may ever be selected (C-09): a gate has no business
// with fingers, irises or the others.
func allowed(fid uint16) bool {
	return fid == lds.FIDSOD || fid == lds.FID(1) || fid == lds.FID(2) || fid == lds.FID(14) || fid == lds.FID(15)
}

// readFile reads a file of the application through secure messaging into f, from where it stands.
// Errors: StatusError where the chip refused the file, errLimit, or those of the link.
func (r *reader) readFile(ctx context.Context, fid uint16, limit int, f *fileBuf, progress string) error {
	if r.link.sm == nil {
		return errors.New("no secure messaging") // never a plain read
	}
	if !allowed(fid) {
		return fmt.Errorf("file %04X is not read", fid)
	}
	return r.readEF(ctx, fid, byte(fid&0x1f), limit, f, progress)
}

func (r *reader) readEF(ctx context.Context, fid uint16, sfi byte, limit int, f *fileBuf, progress string) error {
	step := "read " + fmt.Sprintf("%04X", fid)
	selected := false
	headerOnly := false
	for empty := 0; !f.complete(); {
		n := r.size()
		if f.total > 0 {
			n = min(n, f.total-len(f.buf))
		} else if headerOnly {
			n = min(n, headerSize)
		}
		off := len(f.buf)
		bySFI := off == 0 && !selected && !r.noSFI
		if !bySFI && !selected {
			if err := r.selectEF(ctx, fid); err != nil {
				return err
			}
			selected = true
		}
		a, err := r.readBinary(ctx, off, n, sfi, bySFI)
		var bare *bareError
		if errors.As(err, &bare) {
			// A chip that refuses a length or a short identifier in the clear ends its session; what is
			// changed here holds after the next access.
			switch {
			case bare.sw == iso7816.SWWrongLength || bare.sw.SW1() == 0x6C || bare.sw == iso7816.SWWarnEnd || bare.sw == iso7816.SWWrongOffset:
				if !r.lowerBare(n) {
					return &iso7816.StatusError{Step: step, SW: bare.sw}
				}
			case bySFI && (bare.sw == iso7816.SWFileNotFound || bare.sw == iso7816.SWIncorrectP1P2 || bare.sw == iso7816.SWFuncNotSupported):
				r.noSFI = true
			}
			return err
		}
		if err != nil {
			return err
		}
		if bySFI && (a.OK() || a.SW == iso7816.SWWarnEnd) {
			selected = true // a short identifier makes the file the current one
		}
		switch {
		case a.OK() && len(a.Data) > 0:
		case a.SW == iso7816.SWWarnEnd && len(a.Data) > 0:
			// The end of the file, or of what the chip gives at once: judged by the length below.
		case a.SW.SW1() == 0x6C && a.SW.SW2() > 0 && int(a.SW.SW2()) < n:
			r.cap = int(a.SW.SW2())
			if empty++; empty > maxEmpty {
				return &iso7816.StatusError{Step: step, SW: a.SW}
			}
			continue
		case a.SW == iso7816.SWWarnEnd && f.total == 0 && !headerOnly:
			headerOnly = true
			continue
		case a.OK(), a.SW == iso7816.SWWarnEnd, a.SW == iso7816.SWWrongLength, a.SW.SW1() == 0x6C,
			a.SW == iso7816.SWWrongOffset && (off > 0 || !bySFI):
			// Nothing came: the chip cannot carry this much.
			if empty++; empty > maxEmpty || n <= smallest || !r.lower(n) {
				return &iso7816.StatusError{Step: step, SW: a.SW}
			}
			continue
		case bySFI && (a.SW == iso7816.SWIncorrectP1P2 || a.SW == iso7816.SWWrongOffset || a.SW == iso7816.SWFuncNotSupported ||
			a.SW == iso7816.SWFileNotFound || a.SW == iso7816.SWRefNotFound || a.SW == iso7816.SWINSNotSupported || a.SW == iso7816.SWWrongData ||
			a.SW == iso7816.SWNotAllowed):
			// Either no such file or no short identifiers here: SELECT tells.
			if err := r.selectEF(ctx, fid); err != nil {
				return err
			}
			selected = true
			r.noSFI = true
			continue
		default:
			return &iso7816.StatusError{Step: step, SW: a.SW}
		}
		empty = 0
		if len(a.Data) > n {
			return fmt.Errorf("%w: %d bytes where %d were asked", errLimit, len(a.Data), n)
		}
		if f.total == 0 {
			if err := f.begin(a.Data, limit); err != nil {
				return err
			}
			if len(a.Data) < headerSize && f.total == 0 {
				return &iso7816.StatusError{Step: step, SW: iso7816.SWWarnEnd}
			}
		}
		f.buf = append(f.buf, a.Data[:min(len(a.Data), f.total-len(f.buf))]...)
		if off <= maxEvenOffset && len(a.Data) < n && !f.complete() && len(a.Data) >= smallest && !headerOnly {
			r.cap = len(a.Data) // the chip gives no more than this at once
		}
		if progress != "" && r.opt.Progress != nil {
			r.opt.Progress(progress, len(f.buf), f.total)
		}
	}
	return nil
}

// begin learns the size of the file from its first bytes and takes the memory for it once.
func (f *fileBuf) begin(first []byte, limit int) error {
	_, n, h, err := tlv.Header(first, uint64(limit))
	switch {
	case errors.Is(err, tlv.ErrLimit):
		return errLimit
	case err != nil:
		return fmt.Errorf("%w: %w", lds.ErrFormat, err)
	case n+h > limit:
		return errLimit
	}
	f.total = n + h
	f.buf = make([]byte, 0, f.total)
	return nil
}

func (r *reader) selectEF(ctx context.Context, fid uint16) error {
	// Without an expected length: chips refuse SELECT with one.
	a, err := r.link.Transmit(ctx, iso7816.Command{INS: iso7816.INSSelect, P1: 0x02, P2: 0x0C, Data: []byte{byte(fid >> 8), byte(fid)}})
	if err != nil {
		return err
	}
	if !a.OK() {
		// 6283 is a deactivated file: it counts as absent.
		return &iso7816.StatusError{Step: fmt.Sprintf("select %04X", fid), SW: a.SW}
	}
	return nil
}

func (r *reader) readBinary(ctx context.Context, off, n int, sfi byte, bySFI bool) (iso7816.Response, error) {
	if bySFI {
		return r.link.Transmit(ctx, iso7816.Command{INS: iso7816.INSReadBinary, P1: 0x80 | sfi, P2: 0, Ne: n})
	}
	if off <= maxEvenOffset {
		return r.link.Transmit(ctx, iso7816.Command{INS: iso7816.INSReadBinary, P1: byte(off >> 8), P2: byte(off), Ne: n})
	}
	// Odd INS: offset in data object 54, answer in data object 53, whose header counts as well.
	ne := n + 4
	if !r.extended() {
		ne = min(ne, r.size())
	}
	a, err := r.link.Transmit(ctx, iso7816.Command{INS: iso7816.INSReadBinaryOdd, Data: tlv.Encode(0x54, offsetBytes(off)), Ne: ne})
	if err != nil || len(a.Data) == 0 {
		return a, err
	}
	o, _, err := tlv.Read(a.Data)
	if err != nil || o.Tag != 0x53 {
		return a, fmt.Errorf("%w: answer to odd read", lds.ErrFormat)
	}
	a.Data = o.Value[:min(len(o.Value), n)]
	return a, nil
}

func offsetBytes(off int) []byte {
	if off > 0xFFFF {
		return []byte{byte(off >> 16), byte(off >> 8), byte(off)}
	}
	return []byte{byte(off >> 8), byte(off)}
}
