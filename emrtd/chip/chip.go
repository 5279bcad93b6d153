package chip

import (
	"bytes"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"egate/emrtd/iso7816"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/pace"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
)

// Options select how the chip behaves.
type Options struct {
	// Profile is "fast", "typical" or "slow"; empty models no time at all.
	Profile string
	// Misbehave lists faults in text form (Misbehaviour); NewChecked reports bad ones, New panics.
	Misbehave []string
	// ExtendedLength lets the chip take extended length whatever its EF.ATR/INFO says.
	ExtendedLength bool
	// Jitter spreads the modelled times; nil for none.
	Jitter *mathrand.Rand
	// Historical are the historical bytes of the ATS; nil for a default. They name the chip type.
	Historical []byte
}

// maxShortAnswer and maxExtAnswer bound the data of one answer.
const (
	maxShortAnswer = 256
	maxExtAnswer   = 0x7FFF
	// maxChain bounds the data of a chained command.
	maxChain = 4096
)

// Chip is one simulated passport chip. It is used by one goroutine at a time.
type Chip struct {
	p       *issue.Passport
	opt     Options
	timing  Timing
	faults  map[Kind]Misbehaviour
	master  map[uint16][]byte
	app     map[uint16][]byte
	ca, cam *issue.ChipKey
	history []byte

	lost   bool
	inApp  bool
	access bool // BAC or PACE passed
	file   *file
	ch     *sm.Session
	next   *sm.Session // channel to start after the present answer
	rndIC  []byte
	pace   *paceRun
	kat    bool // MSE:SET AT for chip authentication seen
	chain  []byte

	count, smCount, reads int
	dg2Given              int
	lastRead              []byte
	paceTries             int
	tagLossDone           bool
	crypto                time.Duration // of the command in hand
	log                   []Step
}

type file struct {
	fid     uint16
	content []byte
	size    int // announced; larger than content for HugeDG2
}

// Step is one command as the chip saw it, for tests: no data, no keys.
type Step struct {
	INS, P1, P2 byte
	FID         uint16 // selected or read file, zero for none
	Secure      bool
	SW          iso7816.SW
	Sent, Got   int // bytes to and from the chip
	Took        time.Duration
}

// New makes a chip from a personalised passport. It panics on options that do not parse.
func New(p *issue.Passport, opt Options) *Chip {
	c, err := NewChecked(p, opt)
	if err != nil {
		panic(err)
	}
	return c
}

// NewChecked makes a chip from a personalised passport.
func NewChecked(p *issue.Passport, opt Options) (*Chip, error) {
	c := &Chip{p: p, opt: opt, faults: map[Kind]Misbehaviour{}, lost: true,
		master: maps.Clone(p.Master), app: maps.Clone(p.App), ca: p.CA, cam: p.CAM, history: opt.Historical}
	if opt.Profile != "" {
		t, err := Profile(opt.Profile)
		if err != nil {
			return nil, err
		}
		c.timing = t
	}
	for _, s := range opt.Misbehave {
		m, err := ParseMisbehaviour(s)
		if err != nil {
			return nil, err
		}
		c.faults[m.Kind] = m
	}
	if c.history == nil {
		// Card capabilities and a type mark in the compact form of ISO/IEC 7816-4 §8.1.1.2.
		c.history = []byte{0x80, 0x73, 0x14, 0x01, 0x40, 0x44, 'S', 'I', 'M', 1}
		if !c.extended() {
			c.history[4] = 0
		}
	}
	if err := c.breakFiles(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Chip) has(k Kind) bool { _, ok := c.faults[k]; return ok }

func (c *Chip) extended() bool { return c.opt.ExtendedLength || c.p.Extended }

// breakFiles applies the misbehaviours that show in the files.
func (c *Chip) breakFiles() (err error) {
	edit := func(n int, f func([]byte) []byte) {
		if b, ok := c.app[lds.FID(n)]; ok {
			c.app[lds.FID(n)] = f(bytes.Clone(b))
		}
	}
	if c.has(BitflipDG2) {
		edit(2, func(b []byte) []byte { b[len(b)-min(100, len(b)/2)] ^= 1; return b })
	}
	if c.has(BitflipDG1) {
		// The second letter of the name becomes its neighbour: still an MRZ, with all digits right.
		edit(1, func(b []byte) []byte {
			if i := len(b) - 88 + 6; b[i] == 'A' {
				b[i] = 'B'
			} else {
				b[i] = 'A'
			}
			return b
		})
	}
	for k, n := range map[Kind]int{StripDG14: 14, StripDG15: 15} {
		if c.has(k) {
			delete(c.app, lds.FID(n))
			com, err := lds.ParseCOM(c.app[lds.FIDCOM])
			if err != nil {
				return fmt.Errorf("chip: strip group: %w", err)
			}
			com.Groups = slices.DeleteFunc(com.Groups, func(g int) bool { return g == n })
			c.app[lds.FIDCOM] = lds.BuildCOM(com)
		}
	}
	if c.has(HidePACE) {
		delete(c.master, lds.FIDCardAccess)
	}
	if m, ok := c.faults[Truncate]; ok {
		edit(int(m.Value), func(b []byte) []byte { return b[:min(m.At, len(b))] })
	}
	if c.has(HugeDG2) {
		c.app[lds.FID(2)] = []byte{0x75, 0x84, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0x61, 0x84, 0x7F, 0xFF, 0xFF, 0xF0}
	}
	if c.has(Clone) && c.ca != nil {
		own := *c.ca
		if own.Private, _, err = own.Group.GenerateKey(cryptoRand, own.Group.Base()); err != nil {
			return fmt.Errorf("chip: clone key: %w", err)
		}
		c.ca = &own
	}
	if c.has(Clone) && c.cam != nil {
		own := *c.cam
		if own.Private, _, err = own.Group.GenerateKey(cryptoRand, own.Group.Base()); err != nil {
			return fmt.Errorf("chip: clone key: %w", err)
		}
		c.cam = &own
	}
	return nil
}

// PowerOn puts the chip into the field: every session is gone. It returns the historical bytes of its
// answer to select.
func (c *Chip) PowerOn() []byte {
	c.reset()
	c.lost, c.inApp, c.file = false, false, nil
	return bytes.Clone(c.history)
}

// PowerOff takes the chip out of the field.
func (c *Chip) PowerOff() { c.lost = true }

// reset ends sessions and access.
func (c *Chip) reset() {
	if c.ch != nil {
		c.ch.Wipe()
	}
	c.ch, c.next, c.access, c.rndIC, c.pace, c.kat, c.chain = nil, nil, false, nil, nil, false, nil
}

// Log returns the commands seen so far.
func (c *Chip) Log() []Step { return slices.Clone(c.log) }

// Transceive answers one command APDU. took is the modelled time of the exchange, which the far end
// waits; on ErrTagLost it is the time until the loss.
func (c *Chip) Transceive(cmd []byte) (resp []byte, took time.Duration, err error) {
	if c.lost {
		return nil, 0, ErrTagLost
	}
	c.count++
	c.crypto = 0
	step := Step{Sent: len(cmd)}
	defer func() {
		step.Got, step.Took = len(resp), took
		if len(resp) >= 2 && step.SW == 0 {
			step.SW = iso7816.SW(uint16(resp[len(resp)-2])<<8 | uint16(resp[len(resp)-1]))
		}
		c.log = append(c.log, step)
	}()
	if m, ok := c.faults[Mute]; ok && c.count >= m.At {
		return nil, 0, ErrMute
	}
	if m, ok := c.faults[NoAnswer]; ok && c.count == m.At {
		return nil, c.timing.Exchange(len(cmd), 2), nil
	}
	r := c.answer(bytes.Clone(cmd), &step)
	if c.lost {
		return nil, jitter(c.timing.Exchange(len(cmd), len(r.Data)+2)/2, c.opt.Jitter), ErrTagLost
	}
	resp = append(r.Data, r.SW.SW1(), r.SW.SW2())
	return resp, jitter(c.timing.Exchange(len(cmd), len(resp))+c.crypto, c.opt.Jitter), nil
}

func status(sw iso7816.SW) iso7816.Response { return iso7816.Response{SW: sw} }

// answer takes the command through secure messaging.
func (c *Chip) answer(raw []byte, step *Step) iso7816.Response {
	if c.has(Dead) {
		return status(iso7816.SWDead)
	}
	cmd, err := iso7816.ParseCommand(raw)
	if err != nil {
		return status(iso7816.SWWrongLength)
	}
	step.INS, step.P1, step.P2 = cmd.INS, cmd.P1, cmd.P2
	if cmd.CLA == 0xFF {
		return status(iso7816.SWCLANotSupported)
	}
	if cmd.Extended && !c.extended() {
		return status(iso7816.SWWrongLength)
	}
	limit := maxShortAnswer
	if cmd.Extended {
		limit = maxExtAnswer
	}
	if m, ok := c.faults[StatusWord]; ok && c.count == m.At {
		return status(iso7816.SW(m.Value))
	}
	if cmd.CLA&iso7816.CLASecure == 0 {
		// A plain command ends the session (ICAO Doc 9303-11 §9.8.1).
		if c.ch != nil {
			c.reset()
			return status(iso7816.SWSMMissing)
		}
		r := c.execute(cmd, limit, step)
		if c.next != nil {
			c.ch, c.next = c.next, nil
		}
		return r
	}
	step.Secure = true
	if c.ch == nil {
		return status(iso7816.SWSMIncorrect)
	}
	c.smCount++
	plain, err := c.ch.UnwrapCommand(cmd)
	if err != nil {
		c.reset()
		return status(iso7816.SWSMIncorrect)
	}
	r := c.execute(plain, min(limit, c.ch.Suite().MaxData(limit)), step)
	if c.lost {
		return r
	}
	if c.has(BareError) && r.SW == iso7816.SWFileNotFound {
		c.reset()
		return r
	}
	step.SW = r.SW
	if m, ok := c.faults[WrongSSC]; ok && c.smCount == m.At {
		if _, err := c.ch.WrapResponse(iso7816.Response{SW: iso7816.SWOK}); err != nil {
			return status(iso7816.SWSMIncorrect)
		}
	}
	sealed, err := c.ch.WrapResponse(r)
	if err != nil {
		c.reset()
		return status(iso7816.SWSMIncorrect)
	}
	if plain.INS == iso7816.INSReadBinary {
		c.reads++
		if m, ok := c.faults[Replay]; ok && c.reads == m.At && c.lastRead != nil {
			sealed.Data = bytes.Clone(c.lastRead)
		}
		c.lastRead = bytes.Clone(sealed.Data)
	}
	if c.next != nil {
		c.ch.Wipe()
		c.ch, c.next = c.next, nil
	}
	return sealed
}

// execute runs a plain command. limit bounds the data of the answer.
func (c *Chip) execute(cmd iso7816.Command, limit int, step *Step) iso7816.Response {
	if cmd.CLA&iso7816.CLAChain != 0 && cmd.INS != iso7816.INSGeneralAuth {
		return status(0x6884)
	}
	if c.has(NoLeOnSelect) && cmd.Ne > 0 && (cmd.INS == iso7816.INSSelect || cmd.INS == iso7816.INSManageSecurity) {
		return status(iso7816.SWWrongLength)
	}
	switch cmd.INS {
	case iso7816.INSSelect:
		return c.selectFile(cmd, step)
	case iso7816.INSReadBinary:
		return c.readBinary(cmd, limit, step)
	case iso7816.INSReadBinaryOdd:
		return c.readOdd(cmd, limit, step)
	case iso7816.INSGetChallenge:
		return c.getChallenge(cmd)
	case iso7816.INSExternalAuth:
		return c.externalAuth(cmd)
	case iso7816.INSManageSecurity:
		return c.manageSecurity(cmd)
	case iso7816.INSGeneralAuth:
		return c.generalAuth(cmd)
	case iso7816.INSInternalAuth:
		return c.internalAuth(cmd, limit)
	}
	return status(iso7816.SWINSNotSupported)
}

func (c *Chip) selectFile(cmd iso7816.Command, step *Step) iso7816.Response {
	switch cmd.P1 {
	case 0x04:
		if !bytes.Equal(cmd.Data, lds.AID) {
			return status(iso7816.SWFileNotFound)
		}
		c.inApp, c.file = true, nil
		return status(iso7816.SWOK)
	case 0x00:
		if m, ok := c.faults[MFStatus]; ok {
			return status(iso7816.SW(m.Value))
		}
		if len(cmd.Data) != 0 && !bytes.Equal(cmd.Data, []byte{0x3F, 0x00}) {
			return status(iso7816.SWFileNotFound)
		}
		c.inApp, c.file = false, nil
		return status(iso7816.SWOK)
	case 0x02:
		if len(cmd.Data) != 2 {
			return status(iso7816.SWLcInconsistent)
		}
		fid := uint16(cmd.Data[0])<<8 | uint16(cmd.Data[1])
		step.FID = fid
		f, sw := c.open(fid)
		if sw == iso7816.SWOK {
			c.file = f
		}
		return status(sw)
	}
	return status(iso7816.SWIncorrectP1P2)
}

// open finds a file and checks its access condition.
func (c *Chip) open(fid uint16) (*file, iso7816.SW) {
	dir := c.master
	if c.inApp {
		dir = c.app
		// DG3 and DG4 need terminal authentication.
		if fid == lds.FID(3) || fid == lds.FID(4) {
			return nil, iso7816.SWSecurityStatus
		}
		if !c.access && !c.has(PlainRead) {
			return nil, iso7816.SWSecurityStatus
		}
	} else if m, ok := c.faults[CardAccessStatus]; ok && fid == lds.FIDCardAccess {
		return nil, iso7816.SW(m.Value)
	} else if fid == lds.FIDCardSecurity && !c.access {
		return nil, iso7816.SWSecurityStatus
	}
	b, ok := dir[fid]
	if !ok {
		return nil, iso7816.SWFileNotFound
	}
	f := &file{fid: fid, content: b, size: len(b)}
	if c.inApp && fid == lds.FID(2) && c.has(HugeDG2) {
		f.size = 1<<31 - 1
	}
	return f, iso7816.SWOK
}

// shortEF maps a short EF identifier to a file of the current directory (Doc 9303-10 §3.10).
func (c *Chip) shortEF(sfi byte) uint16 {
	if c.inApp || sfi >= 0x1C && sfi <= 0x1D {
		return 0x0100 | uint16(sfi)
	}
	switch sfi {
	case lds.SFIATRInfo:
		return lds.FIDATRInfo
	case 0x1E:
		return lds.FIDDir
	}
	return 0
}

func (c *Chip) readBinary(cmd iso7816.Command, limit int, step *Step) iso7816.Response {
	off := int(cmd.P1)<<8 | int(cmd.P2)
	if cmd.P1&0x80 != 0 {
		if cmd.P1&0x60 != 0 || c.has(NoShortEF) {
			return status(iso7816.SWIncorrectP1P2)
		}
		f, sw := c.open(c.shortEF(cmd.P1 & 0x1f))
		if sw != iso7816.SWOK {
			return status(sw)
		}
		c.file = f
		off = int(cmd.P2)
	}
	return c.read(off, cmd.Ne, limit, step)
}

// readOdd is READ BINARY with the offset in a data object (ISO/IEC 7816-4 §11.3.3), for files beyond
// 32 767 bytes.
func (c *Chip) readOdd(cmd iso7816.Command, limit int, step *Step) iso7816.Response {
	if cmd.P1 != 0 || cmd.P2 > 0x1f {
		return status(iso7816.SWIncorrectP1P2)
	}
	v, ok := tlv.Find(cmd.Data, 0x54)
	if !ok || len(v) == 0 || len(v) > 4 {
		return status(iso7816.SWWrongData)
	}
	off := 0
	for _, b := range v {
		off = off<<8 | int(b)
	}
	if cmd.P2 != 0 {
		f, sw := c.open(c.shortEF(cmd.P2))
		if sw != iso7816.SWOK {
			return status(sw)
		}
		c.file = f
	}
	// Ne counts the data object's header.
	n := min(cmd.Ne, limit)
	head := 2
	if n > 0x7f+2 {
		head = 3
	}
	if n > 0xff+3 {
		head = 4
	}
	if n <= head {
		return status(iso7816.SWWrongLength)
	}
	r := c.read(off, n-head, limit-head, step)
	if len(r.Data) > 0 {
		r.Data = tlv.Encode(0x53, r.Data)
	}
	return r
}

func (c *Chip) read(off, ne, limit int, step *Step) iso7816.Response {
	if c.file == nil {
		return status(iso7816.SWNotAllowed)
	}
	step.FID = c.file.fid
	if m, ok := c.faults[ReadStatus]; ok && ne > m.At {
		return status(iso7816.SW(m.Value))
	}
	if m, ok := c.faults[Empty]; ok && ne > m.At {
		return status(iso7816.SWOK)
	}
	if off > c.file.size || off == c.file.size && ne > 0 {
		return status(iso7816.SWWrongOffset)
	}
	n := min(ne, limit, c.file.size-off)
	out := make([]byte, n)
	if off < len(c.file.content) {
		copy(out, c.file.content[off:])
	}
	if c.inApp && c.file.fid == lds.FID(2) {
		c.dg2Given += n
		if m, ok := c.faults[TagLoss]; ok && !c.tagLossDone && c.dg2Given > m.At {
			c.tagLossDone, c.lost = true, true
			return iso7816.Response{}
		}
	}
	sw := iso7816.SWOK
	if n < min(ne, limit) && ne < maxShortAnswer {
		sw = iso7816.SWWarnEnd
	}
	return iso7816.Response{Data: out, SW: sw}
}

// agreement adds the modelled time of n multiplications or exponentiations in a group: on a curve it
// grows with the cube of the size; a 2048-bit prime field costs about as much as RSA of that size.
func (c *Chip) agreement(g pace.Group, n int) {
	curve := pace.Curve(g)
	if curve == nil {
		c.crypto += time.Duration(n) * c.timing.RSA2048 / 2
		return
	}
	k := float64(curve.Bits()) / 256
	c.crypto += time.Duration(float64(n) * float64(c.timing.ECDH) * k * k * k)
}
