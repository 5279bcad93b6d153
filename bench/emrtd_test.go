// Package bench holds measurements with limits: figures that a change must not make worse.
package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"text/tabwriter"
	"time"

	"egate/emrtd"
	"egate/emrtd/chip"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/emrtd/pace"
	"egate/emrtd/sm"
	"egate/emrtd/trust"
	"egate/hal"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// portraitSize makes a DG2 of the size of the usual reference set, 15 KB.
const portraitSize = 15000

func passport(t testing.TB, edit func(*issue.Profile)) (*issue.Passport, *trust.Store) {
	t.Helper()
	a, err := issue.NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	pr := issue.Profile{Number: "X0000001", Surname: "MUSTER", GivenNames: "ANNA", Nationality: "UTO", BirthDate: "1990-02-03", Sex: "F", Expiry: "2031-05-06",
		Portrait: append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, portraitSize)...), Access: issue.AccessPACE, ChipAuth: "ecdh", ExtendedLength: true}
	if edit != nil {
		edit(&pr)
	}
	p, err := a.Personalise(pr)
	if err != nil {
		t.Fatal(err)
	}
	b, err := issue.Bundle("bench", 1, now, a)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Store()
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

func document(t testing.TB, p *issue.Passport) mrz.Document {
	t.Helper()
	d, err := mrz.ParseJoined(p.MRZ(), now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// protected is the size of a protected answer with n plain bytes: DO87, DO99, DO8E, status word.
func protected(s sm.Suite, n int) int {
	bs := s.BlockSize()
	v := (n/bs+1)*bs + 1
	h := 2
	if v > 0x7f {
		h++
	}
	if v > 0xff {
		h++
	}
	return h + v + 4 + 10 + 2
}

// floor is the least that the model allows for what was read: the public-key times of the run, PACE,
// the selection of the application, chip authentication, and each file in as few answers as carry it.
func floor(t testing.TB, profile string, p *issue.Passport, log []chip.Step, extended bool) time.Duration {
	t.Helper()
	m, err := chip.Profile(profile)
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	for _, s := range log {
		public := s.INS == 0x86 || s.INS == 0x22
		switch {
		case public, s.INS == 0xA4 && s.P1 == 4: // with its cryptography, as it was
			sum += s.Took
		case s.INS == 0xB0 && s.FID == lds.FIDCardAccess && s.SW == 0x9000:
			sum += s.Took
		}
	}
	limit := 256
	out := 5 + 3 + 10 + 1
	if extended {
		limit, out = 0x7FFF, 7+4+10+2
	}
	suite := sm.AES128
	most := suite.MaxData(limit)
	for _, fid := range []uint16{lds.FIDSOD, lds.FID(14), lds.FID(1), lds.FID(2)} {
		for n := len(p.App[fid]); n > 0; n -= most {
			sum += m.Exchange(out, protected(suite, min(n, most)))
		}
	}
	return sum
}

// C-08: seconds of a whole read in virtual time, against the floor of the timing model.
func TestC08ReadTime(t *testing.T) {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "length\tprofile\ttype\tAPDUs\tafter access\tout B\tin B\tmodelled s\tfloor s\tratio")
	for _, extended := range []bool{true, false} {
		for _, profile := range []string{"fast", "typical", "slow"} {
			for _, known := range []bool{false, true} {
				p, store := passport(t, func(p *issue.Profile) { p.ExtendedLength = extended })
				c := chip.New(p, chip.Options{Profile: profile})
				card := chip.Direct(c, nil)
				opt := emrtd.Options{Now: now, Trust: store, Clock: func() time.Duration { return card.Elapsed }}
				if known {
					size := 223
					if extended {
						size = 32000
					}
					opt.ReadSize = func([]byte) int { return size }
				}
				r, err := emrtd.Read(context.Background(), card, document(t, p), opt)
				if err != nil || !r.Authenticated || r.Clone != "ca" {
					t.Fatal(err, r)
				}
				log := c.Log()
				after := 0
				for _, s := range log {
					if s.Secure {
						after++
					}
				}
				f := floor(t, profile, p, log, extended)
				ratio := float64(card.Elapsed) / float64(f)
				name, limit := "short", 1.10
				if extended {
					name, limit = "extended", 1.15
				}
				kind := "new"
				if known {
					kind = "known"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%.2f\t%.2f\t%.3f\n", name, profile, kind, r.APDUs, after, r.BytesOut, r.BytesIn, card.Elapsed.Seconds(), f.Seconds(), ratio)
				if ratio > limit {
					t.Errorf("%s, %s: %.3f of the floor, at most %.2f", name, profile, ratio, limit)
				}
				// The budget of the reference for access, chip authentication and all files, in seconds.
				if budget := map[string]float64{"fast": 1.2, "typical": 2.2, "slow": 5}[profile]; extended && card.Elapsed.Seconds() > budget {
					t.Errorf("%s: %.2f s, at most %.1f", profile, card.Elapsed.Seconds(), budget)
				}
				if extended && after > 12 {
					t.Errorf("%d APDUs after access control, at most 12", after)
				}
				var sum time.Duration
				for _, s := range r.Stages {
					sum += s.Took
				}
				if sum != card.Elapsed {
					t.Errorf("stages add up to %v of %v", sum, card.Elapsed)
				}
			}
		}
	}
	w.Flush()
	fmt.Fprint(os.Stderr, table.String())
}

// fixed is a reproducible source of bytes, so that a run can be replayed.
type fixed struct{ n byte }

func (f *fixed) Read(p []byte) (int, error) {
	for i := range p {
		f.n = f.n*167 + 13
		p[i] = f.n
	}
	return len(p), nil
}

// replay is a card that says again what another said.
type replay struct {
	hal.Card
	answers [][]byte
	n       int
	record  bool
	fresh   [][]byte // copies for one read, made before it where its memory is measured
}

// copies makes the answers of one read ahead of it: a real link brings them in memory of its own.
func (r *replay) copies() {
	r.fresh = nil
	for _, a := range r.answers {
		r.fresh = append(r.fresh, bytes.Clone(a))
	}
}

func (r *replay) Transmit(ctx context.Context, c []byte) ([]byte, error) {
	if r.record {
		a, err := r.Card.Transmit(ctx, c)
		r.answers = append(r.answers, bytes.Clone(a))
		return a, err
	}
	if r.n == len(r.answers) {
		return nil, io.ErrUnexpectedEOF
	}
	r.n++
	if r.fresh != nil {
		return r.fresh[r.n-1], nil
	}
	return bytes.Clone(r.answers[r.n-1]), nil
}

var hostVariants = []struct {
	name, oid string
	param     int
	ca        string
	limit     time.Duration
}{
	{"P-256", "0.4.0.127.0.7.2.2.4.2.2", 12, "ecdh", 30 * time.Millisecond},
	{"brainpoolP256r1", "0.4.0.127.0.7.2.2.4.2.2", 13, "ecdh", 30 * time.Millisecond},
	{"brainpoolP384r1", "0.4.0.127.0.7.2.2.4.2.4", 16, "ecdh", 80 * time.Millisecond},
	{"brainpoolP512r1", "0.4.0.127.0.7.2.2.4.2.4", 17, "ecdh", 80 * time.Millisecond},
	{"DH 2048-256", "0.4.0.127.0.7.2.2.4.1.2", 2, "dh", 80 * time.Millisecond},
}

func recorded(t testing.TB, oid string, param int, ca string) (*replay, mrz.Document, emrtd.Options) {
	p, store := passport(t, func(p *issue.Profile) {
		p.PACE, p.ChipAuth = []issue.PACEOption{{OID: oid, Param: param}}, ca
	})
	card := &replay{Card: chip.Direct(chip.New(p, chip.Options{}), nil), record: true}
	opt := emrtd.Options{Now: now, Trust: store, Rand: &fixed{}}
	d := document(t, p)
	if r, err := emrtd.Read(context.Background(), card, d, opt); err != nil || r.Clone != "ca" {
		t.Fatal(err)
	}
	card.record = false
	return card, d, opt
}

// The host's share of a read, the card's answers replayed. The limits of time are for people to read
// (go test -bench): a busy machine must not fail a test. The bytes allocated are a test.
func BenchmarkHostRead(b *testing.B) {
	for _, v := range hostVariants {
		b.Run(v.name, func(b *testing.B) {
			card, d, opt := recorded(b, v.oid, v.param, v.ca)
			b.ReportAllocs()
			for b.Loop() {
				card.n = 0
				opt.Rand = &fixed{}
				if _, err := emrtd.Read(context.Background(), card, d, opt); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(v.limit.Milliseconds()), "ms-limit")
		})
	}
}

// The file and secure messaging path allocates at most three times the bytes read.
func TestAllocation(t *testing.T) {
	for _, extended := range []bool{true, false} {
		read := func(portrait int) (alloc, in uint64) {
			p, store := passport(t, func(p *issue.Profile) {
				p.ExtendedLength = extended
				p.Portrait = append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, portrait)...)
			})
			card := &replay{Card: chip.Direct(chip.New(p, chip.Options{}), nil), record: true}
			opt := emrtd.Options{Now: now, Trust: store, Rand: &fixed{}}
			d := document(t, p)
			if _, err := emrtd.Read(context.Background(), card, d, opt); err != nil {
				t.Fatal(err)
			}
			card.record = false
			card.copies()
			opt.Rand = &fixed{}
			var a, b runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&a)
			r, err := emrtd.Read(context.Background(), card, d, opt)
			runtime.ReadMemStats(&b)
			if err != nil {
				t.Fatal(err)
			}
			return b.TotalAlloc - a.TotalAlloc, uint64(r.BytesIn)
		}
		// The difference between two sizes leaves the fixed cost of keys and certificates out.
		a1, n1 := read(15_000)
		a2, n2 := read(115_000)
		ratio := float64(a2-a1) / float64(n2-n1)
		fmt.Fprintf(os.Stderr, "extended length %v: %.2f bytes allocated per byte read, at most 3\n", extended, ratio)
		if ratio > 3 {
			t.Errorf("extended %v: %.2f bytes allocated per byte read, at most 3", extended, ratio)
		}
	}
}

// PACE keys made before the tap are used: the host then makes one key pair less while the traveller waits.
func BenchmarkPreparedKeys(b *testing.B) {
	for b.Loop() {
		var k pace.Keys
		if err := k.Prepare(rand.Reader, 1, 12, 13); err != nil {
			b.Fatal(err)
		}
		k.Wipe()
	}
}
