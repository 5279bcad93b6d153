package emrtd

import (
	"context"
	"maps"
	"testing"

	"egate/emrtd/chip"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/hal"
	"egate/verdict"
)

// script is a card whose answers come from the fuzzer: a length byte and that many bytes, again and
// again, then silence.
type script struct{ rest []byte }

func (s *script) Transmit(context.Context, []byte) ([]byte, error) {
	if len(s.rest) == 0 {
		return nil, hal.ErrCardLost
	}
	n := min(int(s.rest[0]), len(s.rest)-1)
	out := s.rest[1 : 1+n]
	s.rest = s.rest[1+n:]
	return append([]byte(nil), out...), nil
}
func (s *script) ATS() []byte                   { return []byte{0x80, 0x73, 0x14, 0x01, 0x40} }
func (s *script) Limits() (command, answer int) { return 262, 262 }
func (s *script) Close() error                  { return nil }

// C-10: whatever a card answers before and during access control, the read ends with a report in which
// nothing has been proven.
func FuzzAnswers(f *testing.F) {
	p := passport(f, nil)
	for _, edit := range []func(*issue.Profile){nil, func(p *issue.Profile) { p.Access = issue.AccessBAC }} {
		b := setup(f, passport(f, edit))
		var rec []byte
		card, _ := b.reader.Connect(context.Background())
		Read(context.Background(), &recorder{Card: card, out: &rec}, b.doc(), b.opt)
		f.Add(rec)
	}
	f.Add([]byte{4, 0x31, 0x80, 0x90, 0x00, 2, 0x90, 0})
	f.Add([]byte{2, 0x6A, 0x82, 2, 0x6A, 0x82, 2, 0x90, 0, 2, 0x90, 0, 10, 1, 2, 3, 4, 5, 6, 7, 8, 0x90, 0})
	doc := setup(f, p).doc()
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read(context.Background(), &script{b}, doc, Options{Now: now, AllowBAC: true})
		if err == nil || r.Authenticated || r.APDUs > len(b)+2 {
			t.Fatal(err, r)
		}
		for _, id := range []verdict.CheckID{verdict.CheckSODSignature, verdict.CheckClone, verdict.CheckDGHashes} {
			if r.Check(id).Result == verdict.Pass {
				t.Fatal(id)
			}
		}
		r.Wipe()
	})
}

type recorder struct {
	hal.Card
	out *[]byte
}

func (r *recorder) Transmit(ctx context.Context, c []byte) ([]byte, error) {
	a, err := r.Card.Transmit(ctx, c)
	if len(a) < 256 {
		*r.out = append(append(*r.out, byte(len(a))), a...)
	}
	return a, err
}

// C-10: whatever the files hold, read through genuine secure messaging, nothing forged passes.
func FuzzFiles(f *testing.F) {
	p := passport(f, func(p *issue.Profile) { p.ActiveAuth = "ecdsa"; p.Portrait = p.Portrait[:600] })
	fids := []uint16{lds.FIDSOD, lds.FID(1), lds.FID(2), lds.FID(14), lds.FID(15)}
	for i, fid := range fids {
		f.Add(byte(i), p.App[fid])
	}
	f.Add(byte(5), p.Master[lds.FIDCardAccess])
	f.Add(byte(6), p.Master[lds.FIDATRInfo])
	b := setup(f, p)
	doc := b.doc()
	f.Fuzz(func(t *testing.T, which byte, content []byte) {
		q := *p
		q.App, q.Master = maps.Clone(p.App), maps.Clone(p.Master)
		var was []byte
		switch {
		case int(which) < len(fids):
			was = q.App[fids[which]]
			q.App[fids[which]] = content
		case which == 5:
			q.Master[lds.FIDCardAccess] = content
		default:
			q.Master[lds.FIDATRInfo] = content
		}
		opt := Options{Now: now, Trust: b.opt.Trust, AllowBAC: true}
		r, _ := Read(context.Background(), chip.Direct(chip.New(&q, chip.Options{}), nil), doc, opt)
		if was != nil && r.Authenticated && r.Check(verdict.CheckDGHashes).Result == verdict.Pass && r.Check(verdict.CheckSODSignature).Result == verdict.Pass {
			got := r.File(fids[which])
			if got != nil && string(got) != string(was) {
				t.Fatalf("file %d was replaced and everything passed", which)
			}
		}
		r.Wipe()
	})
}
