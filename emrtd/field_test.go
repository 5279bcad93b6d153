package emrtd

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"egate/emrtd/chip"
	"egate/emrtd/cms"
	"egate/emrtd/internal/vectors"
	"egate/emrtd/iso7816"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/emrtd/tlv"
	"egate/hal"
	"egate/verdict"
)

// tap stands between reader and card: it may answer in the card's place.
type tap struct {
	hal.Card
	do func(n int, c iso7816.Command, raw []byte) ([]byte, error, bool)
	n  int
}

func (t *tap) Transmit(ctx context.Context, b []byte) ([]byte, error) {
	t.n++
	c, err := iso7816.ParseCommand(b)
	if err != nil {
		return nil, err
	}
	if a, err, ok := t.do(t.n, c, b); ok {
		return a, err
	}
	return t.Card.Transmit(ctx, b)
}

// with puts a tap before every card of a bench; its counter goes on over reconnections.
func (b *bench) with(do func(n int, c iso7816.Command, raw []byte) ([]byte, error, bool)) (*Report, error) {
	b.t.Helper()
	n := 0
	connect := func(ctx context.Context) (hal.Card, error) {
		c, err := b.reader.Connect(ctx)
		return &tap{Card: c, do: func(_ int, c iso7816.Command, raw []byte) ([]byte, error, bool) {
			n++
			return do(n, c, raw)
		}}, err
	}
	b.opt.Reconnect = connect
	card, err := connect(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := Read(context.Background(), card, b.doc(), b.opt)
	b.lawful(r, err)
	return r, err
}

func sw(v uint16) []byte { return []byte{byte(v >> 8), byte(v)} }

// The rows of the shared table of odd status words, each as the reader must take it.
func TestStatusWords(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(vectors.Dir(t), "status-words.json"))
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Rows []struct{ ID, Must string } `json:"rows"`
	}
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	bac := func(p *issue.Profile) { p.Access = issue.AccessBAC }
	short := func(p *issue.Profile) { p.ExtendedLength = false }
	passes := func(edit func(*issue.Profile), misbehave ...string) func(*testing.T) {
		return func(t *testing.T) {
			b := setup(t, passport(t, edit), misbehave...)
			r, err := b.read()
			if err != nil || !r.Authenticated || r.Clone != "ca" {
				t.Fatal(err)
			}
		}
	}
	rows := map[string]func(*testing.T){
		"mf-6982":         passes(bac, "mf-sw=6982"),
		"mf-6a86":         passes(bac, "mf-sw=6A86"),
		"mf-explicit":     passes(func(p *issue.Profile) {}, "mf-sw=6A86", "no-sfi"),
		"cardaccess-6982": passes(bac, "cardaccess-sw=6982"),
		"le-on-select":    passes(nil, "no-le"),
		"extra-tag-84":    passes(nil, "no-84"),
		"read-6282":       passes(short, "read-sw=6282@160"),
		"read-6cxx":       passes(short, "read-sw=6CA0@160"),
		"read-9000-empty": passes(short, "empty@200"),
		"no-answer":       passes(nil, "no-answer@15"),
		"im-only":         passes(func(p *issue.Profile) { p.PACE = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.4.2", Param: 13}} }),
		"bare-6a82-under-sm": func(t *testing.T) {
			b := setup(t, passport(t, nil), "strip-dg14", "bare-error")
			r, err := b.read()
			if err != nil {
				t.Fatal(err)
			}
			// Twice denied in fresh sessions: the group is missing, and the rest was read.
			b.expect(r, checks{verdict.CheckClone: fail(verdict.CloneSuspected), verdict.CheckGroups: fail(verdict.GroupInconsistent)})
		},
		"ef-6283": func(t *testing.T) {
			b := setup(t, passport(t, nil))
			r, err := b.with(func(_ int, c iso7816.Command, _ []byte) ([]byte, error, bool) { return nil, nil, false })
			if err != nil || r == nil {
				t.Fatal(err)
			}
			b = setup(t, passport(t, bac))
			if r, err = b.with(func(_ int, c iso7816.Command, raw []byte) ([]byte, error, bool) {
				return sw(0x6283), nil, c.INS == 0xA4 && c.P1 == 2
			}); err != nil || !r.Authenticated {
				t.Fatal(err)
			}
		},
		"pace-6300": func(t *testing.T) {
			b := setup(t, passport(t, nil), "pace-fail")
			r, err := b.read()
			var re *ReadError
			if !errors.As(err, &re) || re.Reason != verdict.ChipAccessFailed || r.Check(verdict.CheckAccess).Result != verdict.Fail {
				t.Fatal(err)
			}
			runs := 0
			for _, s := range b.chip.Log() {
				if s.INS == 0x22 {
					runs++
				}
			}
			if runs != 2 {
				t.Errorf("%d runs, want 2", runs)
			}
		},
		"dg3-6982":      passes(nil), // never selected at all: setup checks the log of every read
		"ca-chained-ga": nil,         // chipauth.TestC03BSIChipAuthentication
		"dead-6fff": func(t *testing.T) {
			b := setup(t, passport(t, nil), "dead")
			r, err := b.read()
			var re *ReadError
			if !errors.As(err, &re) || re.Reason != verdict.ChipReadFailed || r.Check(verdict.CheckAccess).Result != verdict.NotPossible {
				t.Fatal(err)
			}
		},
		"cla-ff": passes(nil), // no pseudo command is ever sent
	}
	for _, row := range table.Rows {
		f, known := rows[row.ID]
		if !known {
			t.Errorf("row %s has no test: %s", row.ID, row.Must)
		}
		if f != nil {
			t.Run(row.ID, f)
		}
	}
}

// Statuses outside secure messaging at any step end the session, never the read: the chip is opened
// again and reading goes on where it stopped.
func TestBareStatusAnywhere(t *testing.T) {
	for _, edit := range []func(*issue.Profile){nil, func(p *issue.Profile) { p.ExtendedLength = false }, func(p *issue.Profile) { p.Access = issue.AccessBAC }} {
		for _, status := range []uint16{0x6988, 0x6987, 0x6F00, 0x6700} {
			p := passport(t, edit)
			for _, at := range []int{1, 2, 4, 9} {
				b := setup(t, p)
				secure := 0
				r, err := b.with(func(_ int, c iso7816.Command, _ []byte) ([]byte, error, bool) {
					if c.CLA&0x0C == 0 {
						return nil, nil, false
					}
					secure++
					if secure == at {
						// The chip sees nothing of the command and keeps its counter; ours has moved.
						return sw(status), nil, true
					}
					return nil, nil, false
				})
				if err != nil || !r.Authenticated || r.Clone != "ca" && r.Clone != "" {
					t.Errorf("%04X at %d: %v", status, at, err)
				}
				if r.Check(verdict.CheckClone).Result != verdict.Pass {
					t.Errorf("%04X at %d: a genuine chip is suspected", status, at)
				}
			}
		}
	}
}

// After a loss, reading goes on at the byte where it stopped: no byte of DG2 is asked for twice.
func TestResumeAtTheByte(t *testing.T) {
	for _, ext := range []bool{false, true} {
		p := passport(t, func(p *issue.Profile) { p.ExtendedLength = ext })
		b := setup(t, p, "tag-loss@9000")
		b.opt.ReadSize = func([]byte) int { return 1000 }
		if !ext {
			b.opt.ReadSize = nil
		}
		var last int
		b.opt.Progress = func(stage string, done, total int) {
			if stage == StageDG2 {
				if done <= last || done > total {
					t.Errorf("progress went from %d to %d of %d", last, done, total)
				}
				last = done
			}
		}
		r, err := b.read()
		if err != nil || r.Recoveries != 1 || !r.Authenticated || r.Clone != "ca" {
			t.Fatal(err, r)
		}
		got := 0
		sods := 0
		cas := 0
		for _, s := range b.chip.Log() {
			if s.INS == 0xB0 && s.FID == lds.FID(2) {
				got += s.Got
			}
			if s.INS == 0xB0 && s.FID == lds.FIDSOD {
				sods++
			}
			if s.INS == 0x22 && s.Secure {
				cas++
			}
		}
		size := len(p.App[lds.FID(2)])
		if got > size+size/5+1200 {
			t.Errorf("%d bytes carried for a DG2 of %d", got, size)
		}
		if sods < 2 || cas != 2 {
			t.Errorf("SOD read %d times, chip authentication run %d times", sods, cas)
		}
	}
}

func TestLostForGood(t *testing.T) {
	b := setup(t, passport(t, nil))
	n := 0
	b.opt.Reconnect = func(context.Context) (hal.Card, error) { n++; return nil, hal.ErrNoCard }
	card, _ := b.reader.Connect(context.Background())
	r, err := Read(context.Background(), &tap{Card: card, do: func(n int, _ iso7816.Command, _ []byte) ([]byte, error, bool) {
		return nil, hal.ErrCardLost, n > 12
	}}, b.doc(), b.opt)
	var re *ReadError
	if !errors.As(err, &re) || re.Reason != verdict.ChipLost || n != MaxRecoveries {
		t.Fatal(err, n)
	}
	if r.Authenticated || r.Check(verdict.CheckClone).Result == verdict.Pass {
		t.Error("a part was taken for the whole")
	}
}

// A chip that proved itself and then left for good has proven nothing of what lies on the reader now.
func TestC03LostAfterTheProof(t *testing.T) {
	for name, edit := range map[string]func(*issue.Profile){"ca": nil, "cam": func(p *issue.Profile) {
		p.PACE, p.ChipAuth = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.6.4", Param: 12}}, "none"
	}, "aa": func(p *issue.Profile) { p.ChipAuth, p.ActiveAuth = "none", "ecdsa" }} {
		p := passport(t, edit)
		whole, err := setup(t, p).read()
		if err != nil || whole.Clone != name {
			t.Fatal(err)
		}
		b := setup(t, p)
		b.opt.Reconnect = func(context.Context) (hal.Card, error) { return nil, hal.ErrNoCard }
		card, _ := b.reader.Connect(context.Background())
		r, err := Read(context.Background(), &tap{Card: card, do: func(n int, _ iso7816.Command, _ []byte) ([]byte, error, bool) {
			return nil, hal.ErrCardLost, n >= whole.APDUs
		}}, b.doc(), b.opt)
		var re *ReadError
		if !errors.As(err, &re) || re.Reason != verdict.ChipLost {
			t.Fatal(err)
		}
		if c := r.Check(verdict.CheckClone); c.Result != verdict.NotPossible || r.Clone != "" {
			t.Errorf("%s: %s %s by %q", name, c.Result, c.Reason, r.Clone)
		}
	}
}

// Another chip that comes back after a loss is noticed by its SOD.
func TestAnotherChipComesBack(t *testing.T) {
	p := passport(t, nil)
	b := setup(t, p, "tag-loss@5000")
	q := *p
	q.App = map[uint16][]byte{}
	for k, v := range p.App {
		q.App[k] = v
	}
	groups := p.Groups()
	if err := q.Seal(authority(), groups, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	other := &chip.Reader{Chip: chip.New(&q, chip.Options{})}
	b.opt.Reconnect = func(ctx context.Context) (hal.Card, error) { return other.Connect(ctx) }
	r, err := b.read()
	if !errors.Is(err, errChanged) || r.Authenticated {
		t.Fatal(err)
	}
}

func TestPolicyAndPasswords(t *testing.T) {
	bac := passport(t, func(p *issue.Profile) { p.Access = issue.AccessBAC })
	b := setup(t, bac)
	b.opt.AllowBAC = false
	r, err := b.read()
	var re *ReadError
	if !errors.As(err, &re) || re.Reason != verdict.ChipAccessFailed || r.Check(verdict.CheckAccess).Result != verdict.NotPossible {
		t.Fatal(err)
	}
	for _, s := range b.chip.Log() {
		if s.INS == 0x82 || s.FID == lds.FIDSOD {
			t.Error("bac was tried against the policy")
		}
	}
	// A CAN opens PACE without an MRZ; the comparison with the MRZ is then not possible.
	b = setup(t, passport(t, func(p *issue.Profile) { p.CAN = "123456" }))
	b.opt.CAN = "123456"
	card, _ := b.reader.Connect(context.Background())
	r, err = Read(context.Background(), card, mrz.Document{}, b.opt)
	if err != nil || !r.Authenticated || r.Check(verdict.CheckDG1MRZ).Result != verdict.NotPossible {
		t.Fatal(err)
	}
	b.opt.CAN = "654321"
	card, _ = b.reader.Connect(context.Background())
	if _, err = Read(context.Background(), card, mrz.Document{}, b.opt); !errors.As(err, &re) || re.Reason != verdict.ChipAccessFailed {
		t.Fatal(err)
	}
	// The MRZ of another document.
	b = setup(t, bac)
	d, err := mrz.ParseJoined([]byte("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"), now)
	if err != nil {
		t.Fatal(err)
	}
	card, _ = b.reader.Connect(context.Background())
	r, err = Read(context.Background(), card, d, b.opt)
	if !errors.As(err, &re) || re.Reason != verdict.ChipAccessFailed || r.Check(verdict.CheckAccess).Result != verdict.Fail {
		t.Fatal(err)
	}
}

// C-12
func TestC12Validity(t *testing.T) {
	for expiry, want := range map[string]verdict.Check{"2026-11-22": fail(verdict.DocumentExpired), "2026-11-23": {Result: verdict.Pass, Reason: verdict.OK}} {
		b := setup(t, passport(t, func(p *issue.Profile) { p.Expiry = expiry }))
		r, err := b.read()
		if err != nil {
			t.Fatal(err)
		}
		b.expect(r, checks{verdict.CheckValidity: want})
	}
}

// C-05: without an anchor nothing is a failure, and nothing passes that rests on it.
func TestC05NoAnchor(t *testing.T) {
	b := setup(t, passport(t, nil))
	other, err := issue.NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	b.opt.Trust = anchors(t, other)
	r, err := b.read()
	if err != nil || r.Authenticated {
		t.Fatal(err)
	}
	for id, want := range map[verdict.CheckID]verdict.Result{verdict.CheckSODSignature: verdict.Pass, verdict.CheckDSChain: verdict.NotPossible, verdict.CheckDGHashes: verdict.Pass, verdict.CheckClone: verdict.NotPossible} {
		if c := r.Check(id); c.Result != want && !(id == verdict.CheckDSChain && c.Result == verdict.Fail) {
			t.Errorf("%s: %s %s", id, c.Result, c.Reason)
		}
	}
}

// The read size found is handed out once and taken as it is the next time.
func TestReadSizeMemory(t *testing.T) {
	p := passport(t, func(p *issue.Profile) { p.ExtendedLength = false })
	memory := map[string]int{}
	var apdus []int
	for range 2 {
		b := setup(t, p, "empty@150")
		b.opt.ReadSize = func(ats []byte) int { return memory[string(ats)] }
		b.opt.Remember = func(ats []byte, n int) { memory[string(ats)] = n }
		r, err := b.read()
		if err != nil {
			t.Fatal(err)
		}
		apdus = append(apdus, r.APDUs)
	}
	if len(memory) != 1 || apdus[1] >= apdus[0] {
		t.Errorf("%v, %v", memory, apdus)
	}
}

// A PN532 carries 262 bytes per exchange: the read stays within that.
func TestShortLink(t *testing.T) {
	for _, lim := range []int{262, 200, 100} {
		b := setup(t, passport(t, nil))
		card := chip.Direct(b.chip, nil)
		card.CommandLimit, card.ResponseLimit = max(lim, 180), lim
		r, err := Read(context.Background(), card, b.doc(), b.opt)
		if err != nil || !r.Authenticated || r.Clone != "ca" {
			t.Fatalf("%d: %v", lim, err)
		}
		for _, s := range b.chip.Log() {
			if s.Got > lim {
				t.Errorf("answer of %d bytes over a link of %d", s.Got, lim)
			}
		}
	}
}

// Files beyond 32 767 bytes need the odd instruction.
func TestLargeDG2(t *testing.T) {
	for _, ext := range []bool{false, true} {
		b := setup(t, passport(t, func(p *issue.Profile) {
			p.ExtendedLength = ext
			p.Portrait = append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, 70_000)...)
		}))
		r, err := b.read()
		if err != nil || !r.Authenticated {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(b.chip.Log(), func(s chip.Step) bool { return s.INS == 0xB1 }) {
			t.Error("no odd read")
		}
	}
}

// Deadline and cancellation are honoured between any two APDUs.
func TestCancelled(t *testing.T) {
	p := passport(t, nil)
	full := 0
	{
		b := setup(t, p)
		r, _ := b.read()
		full = r.APDUs
	}
	for stop := range full {
		b := setup(t, p)
		ctx, cancel := context.WithCancel(context.Background())
		card, _ := b.reader.Connect(ctx)
		n := 0
		r, err := Read(ctx, &tap{Card: card, do: func(_ int, _ iso7816.Command, _ []byte) ([]byte, error, bool) {
			if n++; n == stop+1 {
				cancel()
				return nil, ctx.Err(), true
			}
			return nil, nil, false
		}}, b.doc(), b.opt)
		if err == nil || n != stop+1 || !errors.Is(err, context.Canceled) || r.Authenticated {
			t.Fatalf("stopped at %d: %d APDUs, %v", stop, n, err)
		}
		cancel()
	}
}

// A reader that is gone is a device fault, not a lost card.
func TestReaderLost(t *testing.T) {
	b := setup(t, passport(t, nil))
	_, err := b.with(func(n int, _ iso7816.Command, _ []byte) ([]byte, error, bool) {
		return nil, fmt.Errorf("usb: %w", hal.ErrLost), n == 10
	})
	var re *ReadError
	if !errors.As(err, &re) || re.Reason != verdict.DeviceFault {
		t.Fatal(err)
	}
}

// C-13
func TestC13MRZReasons(t *testing.T) {
	for line, want := range map[string]verdict.Reason{
		"V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L8988901C4XXX4009078F96121096ZE184226B<<<<<<": verdict.MRZWrongPage,
		"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C37UTO7408122F1204159ZE184226B<<<<<10": verdict.MRZCheckDigits,
		"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10": verdict.OK,
		"hello": verdict.MRZUnreadable,
	} {
		_, err := mrz.ParseJoined([]byte(line), now)
		if got := MRZReason(err); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// An exchange far beyond the others is hinted at; an ordinary read is not.
func TestRelayHint(t *testing.T) {
	for _, slow := range []bool{false, true} {
		b := setup(t, passport(t, func(p *issue.Profile) { p.ExtendedLength = false }))
		card := chip.Direct(b.chip, nil)
		extra := time.Duration(0)
		b.opt.Clock = func() time.Duration { return card.Elapsed + extra }
		r, err := Read(context.Background(), &tap{Card: card, do: func(_ int, c iso7816.Command, _ []byte) ([]byte, error, bool) {
			if slow && card.APDUs == 40 {
				extra = 3 * time.Second
			}
			return nil, nil, false
		}}, b.doc(), b.opt)
		if err != nil || r.RelayHint != slow {
			t.Errorf("slow %v: hint %v, baseline %v, slowest %v (%v)", slow, r.RelayHint, r.Baseline, r.SlowestExchange, err)
		}
	}
}

// Beyond 32 767 bytes the answer is wrapped in a data object and shorter than what was asked: that is
// no limit of the chip, and must not shrink the read size that is remembered for its type (C-08).
func TestOddReadsDoNotShrinkTheReadSize(t *testing.T) {
	p := passport(t, func(p *issue.Profile) {
		p.ExtendedLength = false
		p.Portrait = append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, 36_000)...)
	})
	sizes := []int{}
	memory := 0
	for range 3 {
		b := setup(t, p)
		b.opt.ReadSize = func([]byte) int { return memory }
		b.opt.Remember = func(_ []byte, n int) { memory = n }
		r, err := b.read()
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, r.ReadSize)
	}
	if sizes[0] < 200 || sizes[2] != sizes[0] {
		t.Errorf("read sizes %v", sizes)
	}
}

// C-10: a read that ended says why in every check that it left open.
func TestC10OpenChecksSayWhyTheReadEnded(t *testing.T) {
	b := setup(t, passport(t, nil), "huge-dg2")
	r, err := b.read()
	if err == nil {
		t.Fatal("a portrait of 2 GB was read")
	}
	for _, id := range []verdict.CheckID{verdict.CheckGroups, verdict.CheckDGHashes} {
		if c := r.Check(id); c.Result != verdict.NotPossible || c.Reason != verdict.ChipLimit {
			t.Errorf("%s: %s %s", id, c.Result, c.Reason)
		}
	}
}

// C-03: a chip that never had a proof passes as such, unless the policy says that its issuer gave one to every
// document of that year.
func TestC03NoProofByIssuerAndYear(t *testing.T) {
	none := func(p *issue.Profile) { p.Access, p.ChipAuth, p.SignedAt = issue.AccessBAC, "none", "2026-10-01" }
	policy := verdict.DefaultPolicy()
	for _, x := range []struct {
		rules []verdict.CloneRule
		want  verdict.Result
	}{
		{nil, verdict.NotApplicable},
		{[]verdict.CloneRule{{Issuer: "UT", From: 2020}}, verdict.NotPossible},
		{[]verdict.CloneRule{{Issuer: "UT", From: 2027}}, verdict.NotApplicable},
		{[]verdict.CloneRule{{Issuer: "UT", From: 2010, To: 2025}}, verdict.NotApplicable},
		{[]verdict.CloneRule{{Issuer: "DE", From: 2010}}, verdict.NotApplicable},
		{[]verdict.CloneRule{{Issuer: "*", From: 2026, To: 2026}}, verdict.NotPossible},
	} {
		b := setup(t, passport(t, none))
		policy.CloneProof = x.rules
		b.opt.CloneProofDue = policy.CloneProofDue
		r, err := b.read()
		if err != nil {
			t.Fatal(err)
		}
		b.expect(r, checks{verdict.CheckClone: {Result: x.want, Reason: verdict.CloneUnproven}})
	}
	// What announces a proof is judged by it, whatever the policy says of others.
	b := setup(t, passport(t, nil))
	policy.CloneProof = []verdict.CloneRule{{Issuer: "*", From: 2010}}
	b.opt.CloneProofDue = policy.CloneProofDue
	if r, err := b.read(); err != nil || r.Check(verdict.CheckClone).Result != verdict.Pass {
		t.Error(err)
	}
}

// C-03: the proof of PACE with chip authentication mapping is worth what the signature over EF.CardSecurity is:
// a signer that is unknown, of another country, expired, not yet valid or revoked proves nothing.
func TestC03CardSecurityIsVerified(t *testing.T) {
	issuer := func(t *testing.T, country string) *issue.Authority {
		a, err := issue.NewAuthority(country, rand.Reader, now)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	year := 365 * 24 * time.Hour
	for name, x := range map[string]struct {
		by   string
		sign func(a *issue.Authority) error // changes the authority before EF.CardSecurity is signed
		cut  bool
		want verdict.Result
	}{
		"genuine":               {by: "UTO", want: verdict.Pass},
		"unknown signer":        {by: "", want: verdict.NotPossible},
		"of another country":    {by: "D", want: verdict.NotPossible},
		"signer expired":        {by: "UTO", sign: func(a *issue.Authority) error { return a.ReissueDS(now.Add(-year), now.Add(-time.Hour)) }, want: verdict.NotPossible},
		"signer not yet valid":  {by: "UTO", sign: func(a *issue.Authority) error { return a.ReissueDS(now.Add(time.Hour), now.Add(year)) }, want: verdict.NotPossible},
		"signer revoked":        {by: "UTO", sign: func(a *issue.Authority) error { return a.Revoke() }, want: verdict.NotPossible},
		"signature bit flipped": {by: "UTO", cut: true, want: verdict.NotPossible},
	} {
		t.Run(name, func(t *testing.T) {
			home := issuer(t, "UTO")
			p, err := home.Personalise(issue.Profile{Number: "X0000001", Surname: "MUSTERFRAU", GivenNames: "ANNA", Nationality: "UTO", BirthDate: "1990-02-03", Sex: "F", Expiry: "2031-05-06",
				Portrait: append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, 900)...), Access: issue.AccessPACE, ExtendedLength: true,
				PACE: []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.6.4", Param: 12}}})
			if err != nil {
				t.Fatal(err)
			}
			known := []*issue.Authority{home}
			signer := home
			if x.by != "UTO" {
				if signer = issuer(t, map[string]string{"": "UTO", "D": "D"}[x.by]); x.by != "" {
					known = append(known, signer)
				}
			}
			if x.sign != nil {
				if err := x.sign(signer); err != nil {
					t.Fatal(err)
				}
			}
			sd, err := cms.Parse(p.Master[lds.FIDCardSecurity])
			if err != nil {
				t.Fatal(err)
			}
			if p.Master[lds.FIDCardSecurity], err = signer.CardSecurity(bytes.Clone(sd.Content), now.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
			if x.cut {
				b := p.Master[lds.FIDCardSecurity]
				b[len(b)-1] ^= 1
			}
			bundle, err := issue.Bundle("test", 1, now, known...)
			if err != nil {
				t.Fatal(err)
			}
			b := setup(t, p)
			if b.opt.Trust, err = bundle.Store(); err != nil {
				t.Fatal(err)
			}
			r, err := b.read()
			if err != nil {
				t.Fatal(err)
			}
			if c := r.Check(verdict.CheckClone); c.Result != x.want || (r.Clone == "cam") != (x.want == verdict.Pass) {
				t.Errorf("%s %s by %q", c.Result, c.Reason, r.Clone)
			}
		})
	}
}

// C-03: a chip that runs the mapping of chip authentication and withholds its proof is suspected, not excused.
func TestC03MappingProofWithheld(t *testing.T) {
	b := setup(t, passport(t, func(p *issue.Profile) {
		p.PACE, p.ChipAuth = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.6.4", Param: 12}}, "none"
	}))
	cut := false
	r, err := b.withAnswers(func(_ int, a []byte) []byte {
		if len(a) < 4 || a[0] != 0x7C {
			return a
		}
		list, err := tlv.List(a[:len(a)-2])
		if err != nil || len(list) != 1 {
			return a
		}
		in, err := tlv.List(list[0].Value)
		if err != nil {
			return a
		}
		var keep []byte
		for _, o := range in {
			if o.Tag == 0x8A {
				cut = true
				continue
			}
			keep = append(keep, o.Raw...)
		}
		return append(tlv.Encode(0x7C, keep), 0x90, 0)
	})
	if err != nil || !cut {
		t.Fatal(err, cut)
	}
	if c := r.Check(verdict.CheckClone); c.Result != verdict.Fail || c.Reason != verdict.CloneSuspected {
		t.Errorf("%s %s", c.Result, c.Reason)
	}
}

// C-03: a copy that takes the chip's place after a loss has the same files and lacks the key: the proof is asked
// for again, and what the genuine chip showed before does not count for it.
func TestC03ACopyComesBack(t *testing.T) {
	for name, edit := range map[string]func(*issue.Profile){
		"ca": nil,
		"cam": func(p *issue.Profile) {
			p.PACE, p.ChipAuth = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.6.4", Param: 12}}, "none"
		},
		"aa": func(p *issue.Profile) { p.ChipAuth, p.ActiveAuth = "none", "ecdsa" },
	} {
		for _, copied := range []string{"clone", "clone-refuse"} {
			p := passport(t, edit)
			b := setup(t, p, "tag-loss@6000")
			c, err := chip.NewChecked(p, chip.Options{Misbehave: []string{copied}})
			if err != nil {
				t.Fatal(err)
			}
			other := &chip.Reader{Chip: c}
			b.opt.Reconnect = func(ctx context.Context) (hal.Card, error) { return other.Connect(ctx) }
			r, _ := b.read()
			if r.Recoveries == 0 {
				t.Fatalf("%s, %s: nothing was lost", name, copied)
			}
			if got := r.Check(verdict.CheckClone); got.Result == verdict.Pass || r.Clone != "" {
				t.Errorf("%s, %s: %s %s by %q", name, copied, got.Result, got.Reason, r.Clone)
			}
		}
	}
}

// C-10: a changed group of data is not authenticated, whichever it is: no decoder sees the portrait.
func TestC10NotAuthenticated(t *testing.T) {
	for _, m := range []string{"bitflip-dg1", "bitflip-dg2"} {
		r, err := setup(t, passport(t, nil), m).read()
		if err != nil || r.Authenticated {
			t.Errorf("%s: authenticated %v, %v", m, r.Authenticated, err)
		}
	}
}
