package emrtd

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"egate/emrtd/chip"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/emrtd/trust"
	"egate/hal"
	"egate/verdict"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var authority = sync.OnceValue(func() *issue.Authority {
	a, err := issue.NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		panic(err)
	}
	return a
})

func anchors(t testing.TB, a *issue.Authority) *trust.Store {
	t.Helper()
	b, err := issue.Bundle("test", 1, now, a)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Store()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func passport(t testing.TB, edit func(*issue.Profile)) *issue.Passport {
	t.Helper()
	pr := issue.Profile{
		Number: "X0000001", Surname: "MUSTERFRAU", GivenNames: "ANNA", Nationality: "UTO", BirthDate: "1990-02-03",
		Sex: "F", Expiry: "2031-05-06", Portrait: append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, bytes.Repeat([]byte{0x5A}, 15000)...),
		Access: issue.AccessPACE, ChipAuth: "ecdh", ActiveAuth: "none", ExtendedLength: true,
	}
	if edit != nil {
		edit(&pr)
	}
	p, err := authority().Personalise(pr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bench is a chip on a reader with everything that a read needs.
type bench struct {
	t      testing.TB
	p      *issue.Passport
	chip   *chip.Chip
	reader *chip.Reader
	opt    Options
	log    bytes.Buffer
}

func setup(t testing.TB, p *issue.Passport, misbehave ...string) *bench {
	t.Helper()
	c, err := chip.NewChecked(p, chip.Options{Profile: "typical", Misbehave: misbehave})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, p: p, chip: c, reader: &chip.Reader{Chip: c}}
	b.opt = Options{Now: now, Trust: anchors(t, authority()), AllowBAC: true, Reconnect: func(ctx context.Context) (hal.Card, error) { return b.reader.Connect(ctx) }}
	b.opt.Log = slog.New(slog.NewJSONHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug - 10,
		// The clock's digits may be those of a date by chance: they are no leak.
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Value.Kind() == slog.KindDuration {
				return slog.Attr{}
			}
			return a
		}}))
	return b
}

func (b *bench) doc() mrz.Document {
	b.t.Helper()
	d, err := mrz.Parse([][]byte{[]byte(b.p.Lines[0]), []byte(b.p.Lines[1])}, now)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func (b *bench) read() (*Report, error) {
	b.t.Helper()
	card, err := b.reader.Connect(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := Read(context.Background(), card, b.doc(), b.opt)
	b.lawful(r, err)
	return r, err
}

// lawful checks what must hold of every read.
func (b *bench) lawful(r *Report, err error) {
	b.t.Helper()
	if r == nil {
		b.t.Fatal("no report")
	}
	// Whatever happens: no fingers, no irises, no plain read of the application, nothing personal said.
	app := false
	for _, s := range b.chip.Log() {
		if s.FID == lds.FID(3) || s.FID == lds.FID(4) {
			b.t.Errorf("C-09: file %04X touched", s.FID)
		}
		if s.INS == 0xA4 && s.P1 == 4 {
			app = true
		} else if s.INS == 0xA4 && s.P1 == 0 {
			app = false
		}
		if app && s.INS == 0xB0 && !s.Secure && s.Got > 2 {
			b.t.Error("plain read of the application")
		}
	}
	said := b.log.String()
	if err != nil {
		said += err.Error()
	}
	for _, secret := range []string{"MUSTERFRAU", "ANNA", "X0000001", "900203", "310506"} {
		if strings.Contains(said, secret) {
			b.t.Errorf("%s was logged", secret)
		}
	}
}

func (b *bench) expect(r *Report, want map[verdict.CheckID]verdict.Check) {
	b.t.Helper()
	seen := map[verdict.CheckID]bool{}
	for _, c := range r.Checks {
		if seen[c.ID] {
			b.t.Errorf("%s twice", c.ID)
		}
		seen[c.ID] = true
		w, ok := want[c.ID]
		if !ok {
			w = verdict.Check{Result: verdict.Pass, Reason: verdict.OK}
		}
		if c.Result != w.Result || c.Reason != w.Reason {
			b.t.Errorf("%s: %s %s, want %s %s", c.ID, c.Result, c.Reason, w.Result, w.Reason)
		}
	}
	for id := verdict.CheckMRZ; id <= verdict.CheckValidity; id++ {
		if !seen[id] {
			b.t.Errorf("%s missing", id)
		}
	}
}

func fail(r verdict.Reason) verdict.Check { return verdict.Check{Result: verdict.Fail, Reason: r} }
func notPossible(r verdict.Reason) verdict.Check {
	return verdict.Check{Result: verdict.NotPossible, Reason: r}
}

type checks = map[verdict.CheckID]verdict.Check

// C-01, C-02, C-03: genuine chips of every kind pass every check.
func TestC01Genuine(t *testing.T) {
	for name, x := range map[string]struct {
		edit   func(*issue.Profile)
		access string
		clone  string
		want   checks
	}{
		"pace gm p256 aes128, ca": {nil, "pace-gm/P-256/aes-128", "ca", nil},
		"pace gm brainpoolP256r1 aes256, ca": {func(p *issue.Profile) {
			p.PACE = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.2.4", Param: 13}}
		}, "pace-gm/brainpoolP256r1/aes-256", "ca", nil},
		"pace 3des, aa ecdsa": {func(p *issue.Profile) {
			p.PACE = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.2.1", Param: 12}}
			p.ChipAuth, p.ActiveAuth = "none", "ecdsa"
		}, "pace-gm/P-256/3des", "aa", nil},
		"pace cam": {func(p *issue.Profile) {
			p.PACE = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.6.2", Param: 13}, {OID: "0.4.0.127.0.7.2.2.4.2.2", Param: 13}}
		}, "pace-cam/brainpoolP256r1/aes-128", "cam", nil},
		"pace cam alone": {func(p *issue.Profile) {
			p.PACE, p.ChipAuth = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.6.4", Param: 12}}, "none"
		}, "pace-cam/P-256/aes-256", "cam", nil},
		"pace im": {func(p *issue.Profile) {
			p.PACE = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.4.4", Param: 16}}
		}, "pace-im/brainpoolP384r1/aes-256", "ca", nil},
		"pace dh gm, ca dh": {func(p *issue.Profile) {
			p.PACE, p.ChipAuth = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.1.2", Param: 2}}, "dh"
		}, "pace-gm/modp-2048-256/aes-128", "ca", nil},
		"pace dh im": {func(p *issue.Profile) {
			p.PACE = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.3.3", Param: 1}}
		}, "pace-im/modp-2048-224/aes-192", "ca", nil},
		"aa rsa":     {func(p *issue.Profile) { p.ChipAuth, p.ActiveAuth = "none", "rsa" }, "pace-gm/P-256/aes-128", "aa", nil},
		"ca and aa":  {func(p *issue.Profile) { p.ActiveAuth = "rsa" }, "pace-gm/P-256/aes-128", "ca", nil},
		"short":      {func(p *issue.Profile) { p.ExtendedLength = false }, "pace-gm/P-256/aes-128", "ca", nil},
		"bac, ca":    {func(p *issue.Profile) { p.Access = issue.AccessBAC }, "bac", "ca", nil},
		"bac, plain": {func(p *issue.Profile) { p.Access, p.ChipAuth = issue.AccessBAC, "none" }, "bac", "", checks{verdict.CheckClone: {Result: verdict.NotApplicable, Reason: verdict.CloneUnproven}}},
		"no proof":   {func(p *issue.Profile) { p.ChipAuth = "none" }, "pace-gm/P-256/aes-128", "", checks{verdict.CheckClone: notPossible(verdict.CloneUnproven)}},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, passport(t, x.edit))
			r, err := b.read()
			if err != nil {
				t.Fatal(err)
			}
			b.expect(r, x.want)
			if r.Access != x.access || r.Clone != x.clone || !r.Authenticated || r.Country != "UT" && r.Country == "" {
				t.Errorf("access %s, clone %s, authenticated %v", r.Access, r.Clone, r.Authenticated)
			}
			if r.DG1.Zero() || r.Face.Format != lds.ImageJPEG || !bytes.HasPrefix(r.Face.Image, []byte{0xFF, 0xD8}) {
				t.Error("no data")
			}
			var sum time.Duration
			for _, s := range r.Stages {
				sum += s.Took
			}
			t.Logf("%d APDUs, %d out, %d in, %v modelled", r.APDUs, r.BytesOut, r.BytesIn, b.reader.Cards[0].Elapsed)
			img := r.Face.Image
			r.Wipe()
			if !bytes.Equal(img, make([]byte, len(img))) {
				t.Error("portrait not wiped")
			}
		})
	}
}

// C-02, C-03 and the reference's weak spots of other readers: one misbehaviour, exactly its checks.
func TestC03Misbehaviour(t *testing.T) {
	bacOnly := func(p *issue.Profile) { p.Access = issue.AccessBAC }
	aa := func(kind string) func(*issue.Profile) {
		return func(p *issue.Profile) { p.ChipAuth, p.ActiveAuth = "none", kind }
	}
	short := func(p *issue.Profile) { p.ExtendedLength = false }
	cam := func(p *issue.Profile) {
		p.PACE, p.ChipAuth = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.6.4", Param: 12}}, "none"
	}
	clone := checks{verdict.CheckClone: fail(verdict.CloneSuspected)}
	ended := func(access verdict.Check) checks {
		m := checks{verdict.CheckAccess: access, verdict.CheckMRZ: {Result: verdict.Pass, Reason: verdict.OK}}
		for id := verdict.CheckSODSignature; id <= verdict.CheckClone; id++ {
			m[id] = notPossible(access.Reason)
		}
		return m
	}
	for name, x := range map[string]struct {
		edit      func(*issue.Profile)
		misbehave string
		reason    verdict.Reason // of the ReadError, none where the read completes
		want      checks
	}{
		"clone":                   {nil, "clone", 0, clone},
		"clone refuses ca":        {nil, "clone-refuse", 0, clone},
		"clone aa rsa":            {aa("rsa"), "clone", 0, clone},
		"clone aa ecdsa":          {aa("ecdsa"), "clone", 0, clone},
		"clone refuses aa":        {aa("ecdsa"), "clone-refuse", 0, clone},
		"clone cam":               {cam, "clone", 0, clone},
		"tag lost, cam":           {cam, "tag-loss@7000", 0, nil},
		"dg14 stripped":           {nil, "strip-dg14", 0, checks{verdict.CheckClone: fail(verdict.CloneSuspected), verdict.CheckGroups: fail(verdict.GroupInconsistent)}},
		"dg15 stripped":           {aa("rsa"), "strip-dg15", 0, checks{verdict.CheckClone: fail(verdict.CloneSuspected), verdict.CheckGroups: fail(verdict.GroupInconsistent)}},
		"one bit in dg2":          {nil, "bitflip-dg2", 0, checks{verdict.CheckDGHashes: fail(verdict.DGHashMismatch)}},
		"one letter in dg1":       {nil, "bitflip-dg1", 0, checks{verdict.CheckDGHashes: fail(verdict.DGHashMismatch), verdict.CheckDG1MRZ: fail(verdict.DG1MRZMismatch)}},
		"pace hidden":             {nil, "hide-pace", 0, checks{verdict.CheckAccess: fail(verdict.PACEDowngrade)}},
		"2 GB dg2":                {nil, "huge-dg2", verdict.ChipLimit, checks{verdict.CheckDGHashes: notPossible(verdict.ChipLimit), verdict.CheckGroups: notPossible(verdict.ChipLimit)}},
		"tag lost in dg2":         {nil, "tag-loss@7000", 0, nil},
		"tag lost in dg2, short":  {short, "tag-loss@7000", 0, nil},
		"tag lost, bac":           {bacOnly, "tag-loss@7000", 0, nil},
		"pace fails":              {nil, "pace-fail", verdict.ChipAccessFailed, ended(fail(verdict.ChipAccessFailed))},
		"pace fails once":         {nil, "pace-fail-once", 0, nil},
		"parameter refused":       {nil, "no-84", 0, nil},
		"dead":                    {nil, "dead", verdict.ChipReadFailed, ended(notPossible(verdict.ChipReadFailed))},
		"plain reads allowed":     {nil, "plain-read", 0, nil},
		"plain reads, pace fails": {nil, "pace-fail", verdict.ChipAccessFailed, ended(fail(verdict.ChipAccessFailed))},
		"card access 6982":        {bacOnly, "cardaccess-sw=6982", 0, nil},
		"card access 6986":        {bacOnly, "cardaccess-sw=6986", 0, nil},
		"mf 6982":                 {bacOnly, "mf-sw=6982", 0, nil},
		"mf 6A86":                 {bacOnly, "mf-sw=6A86", 0, nil},
		"no short identifiers":    {nil, "no-sfi", 0, nil},
		"no le on select":         {nil, "no-le", 0, nil},
		"6700 above 231":          {nil, "read-sw=6700@231", 0, nil},
		"6282 above 160":          {short, "read-sw=6282@160", 0, nil},
		"6B00 above 160":          {short, "read-sw=6B00@160", 0, nil},
		"6CA0":                    {short, "read-sw=6CA0@160", 0, nil},
		"empty above 100":         {short, "empty@100", 0, nil},
		"empty above 100, ext":    {nil, "empty@100", 0, nil},
		"no answer":               {nil, "no-answer@14", 0, nil},
		"wrong counter":           {nil, "wrong-ssc@3", 0, nil},
		"replay":                  {short, "replay@20", 0, nil},
		"6F00 in the middle":      {short, "sw=6F00@30", 0, nil},
		"6988 in the middle":      {short, "sw=6988@40", 0, nil},
		"dg2 truncated":           {nil, "truncate=2@500", verdict.ChipReadFailed, checks{verdict.CheckDGHashes: notPossible(verdict.ChipReadFailed), verdict.CheckGroups: notPossible(verdict.ChipReadFailed)}},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, passport(t, x.edit), x.misbehave)
			r, err := b.read()
			var re *ReadError
			switch {
			case x.reason == 0 && err != nil:
				t.Fatalf("%v\n%s", err, b.log.String())
			case x.reason != 0 && (!errors.As(err, &re) || re.Reason != x.reason):
				t.Fatalf("%v, want %s", err, x.reason)
			}
			b.expect(r, x.want)
			t.Logf("%d APDUs, %d recoveries, read size %d", r.APDUs, r.Recoveries, r.ReadSize)
		})
	}
}
