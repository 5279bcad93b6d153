package chip

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"egate/emrtd/iso7816"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/sm"
	"egate/hal"
)

// Every misbehaviour reads back from its text form, and nothing else does.
func TestMisbehaviourNames(t *testing.T) {
	for _, k := range Kinds() {
		for _, m := range []Misbehaviour{{Kind: k}, {Kind: k, At: 12}, {Kind: k, Value: 0x6F00, At: 3}} {
			if got, err := ParseMisbehaviour(m.String()); err != nil || got != m {
				t.Errorf("%s: %+v %v", m, got, err)
			}
		}
	}
	for _, s := range []string{"", "cloned", "sw=GGGG", "tag-loss@-1", "tag-loss@x", "sw=10000"} {
		if _, err := ParseMisbehaviour(s); err == nil {
			t.Errorf("%q accepted", s)
		}
	}
}

func sel(fid uint16) iso7816.Command {
	return iso7816.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{byte(fid >> 8), byte(fid)}}
}

// Each misbehaviour shows on the wire as its name says.
func TestMisbehaviours(t *testing.T) {
	bac := func(p *issue.Profile) { p.Access = issue.AccessBAC; p.ActiveAuth = "ecdsa" }
	opened := func(t *testing.T, faults ...string) (*reader, *issue.Passport) {
		p := passport(t, bac)
		r := &reader{t: t, card: Direct(New(p, Options{Misbehave: faults}), nil)}
		r.bac(p)
		return r, p
	}
	fresh := func(t *testing.T, edit func(*issue.Profile), faults ...string) *reader {
		return &reader{t: t, card: Direct(New(passport(t, edit), Options{Misbehave: faults}), nil)}
	}
	differing := func(a, b []byte) (n int) {
		for i := range a {
			if a[i] != b[i] {
				n++
			}
		}
		return n
	}
	for name, f := range map[string]func(t *testing.T){
		"bitflip-dg2": func(t *testing.T) {
			r, p := opened(t, "bitflip-dg2")
			if n := differing(r.read(lds.FID(2)), p.App[lds.FID(2)]); n != 1 {
				t.Errorf("%d bytes differ", n)
			}
		},
		"bitflip-dg1": func(t *testing.T) {
			r, p := opened(t, "bitflip-dg1")
			got := r.read(lds.FID(1))
			if n := differing(got, p.App[lds.FID(1)]); n != 1 {
				t.Errorf("%d bytes differ", n)
			}
			if _, err := lds.ParseDG1(got); err != nil {
				t.Error(err)
			}
		},
		"huge-dg2": func(t *testing.T) {
			r, _ := opened(t, "huge-dg2")
			r.ok(sel(lds.FID(2)))
			if head := r.ok(iso7816.Command{INS: 0xB0, Ne: 8}); !bytes.HasPrefix(head, []byte{0x75, 0x84, 0x7F, 0xFF, 0xFF, 0xFF}) {
				t.Errorf("% X", head)
			}
			if got := r.ok(iso7816.Command{INS: 0xB0, P1: 0x7F, P2: 0, Ne: 100}); len(got) != 100 {
				t.Errorf("%d bytes", len(got))
			}
		},
		"strip-dg15": func(t *testing.T) {
			r, p := opened(t, "strip-dg15")
			if resp := r.send(sel(lds.FID(15))); resp.SW != iso7816.SWFileNotFound {
				t.Error(resp.SW)
			}
			com, err := lds.ParseCOM(r.read(lds.FIDCOM))
			if err != nil || slices.Contains(com.Groups, 15) {
				t.Errorf("%v %v", com.Groups, err)
			}
			if !bytes.Equal(r.read(lds.FIDSOD), p.App[lds.FIDSOD]) {
				t.Error("SOD differs")
			}
		},
		"hide-pace": func(t *testing.T) {
			if resp := fresh(t, nil, "hide-pace").send(sel(lds.FIDCardAccess)); resp.SW != iso7816.SWFileNotFound {
				t.Error(resp.SW)
			}
		},
		"sw": func(t *testing.T) {
			r := fresh(t, nil, "sw=6F00@2")
			r.ok(sel(lds.FIDCardAccess))
			if resp := r.send(sel(lds.FIDCardAccess)); resp.SW != iso7816.SWUnknown {
				t.Error(resp.SW)
			}
		},
		"read-sw": func(t *testing.T) {
			r, _ := opened(t, "read-sw=6700@100")
			r.ok(sel(lds.FID(1)))
			if resp := r.send(iso7816.Command{INS: 0xB0, Ne: 101}); resp.SW != iso7816.SWWrongLength {
				t.Error(resp.SW)
			}
			r.ok(iso7816.Command{INS: 0xB0, Ne: 90})
		},
		"empty": func(t *testing.T) {
			r, _ := opened(t, "empty@100")
			r.ok(sel(lds.FID(1)))
			if got := r.ok(iso7816.Command{INS: 0xB0, Ne: 101}); len(got) != 0 {
				t.Errorf("%d bytes", len(got))
			}
		},
		"no-answer": func(t *testing.T) {
			if _, err := fresh(t, nil, "no-answer@1").try(sel(lds.FIDCardAccess)); !errors.Is(err, iso7816.ErrEmpty) {
				t.Error(err)
			}
		},
		"wtx": func(t *testing.T) {
			if _, err := fresh(t, nil, "wtx@1").try(sel(lds.FIDCardAccess)); !errors.Is(err, hal.ErrTimeout) {
				t.Error(err)
			}
		},
		"truncate": func(t *testing.T) {
			r, _ := opened(t, "truncate=2@500")
			r.ok(sel(lds.FID(2)))
			if resp := r.send(iso7816.Command{INS: 0xB0, P1: 1, P2: 0xE0, Ne: 100}); resp.SW != iso7816.SWWarnEnd || len(resp.Data) != 20 {
				t.Errorf("%v, %d bytes", resp.SW, len(resp.Data))
			}
			if resp := r.send(iso7816.Command{INS: 0xB0, P1: 2, Ne: 100}); resp.SW != iso7816.SWWrongOffset {
				t.Error(resp.SW)
			}
		},
		"wrong-ssc": func(t *testing.T) {
			r, _ := opened(t, "wrong-ssc@2")
			r.ok(sel(lds.FID(1)))
			if _, err := r.try(iso7816.Command{INS: 0xB0, Ne: 8}); !errors.Is(err, sm.ErrMAC) {
				t.Error(err)
			}
		},
		"replay": func(t *testing.T) {
			r, _ := opened(t, "replay@2")
			r.ok(sel(lds.FID(1)))
			r.ok(iso7816.Command{INS: 0xB0, Ne: 8})
			if _, err := r.try(iso7816.Command{INS: 0xB0, Ne: 8}); !errors.Is(err, sm.ErrMAC) {
				t.Error(err)
			}
		},
		"bare-error": func(t *testing.T) {
			r, _ := opened(t, "bare-error")
			if _, err := r.try(sel(lds.FID(7))); !errors.Is(err, sm.ErrUnprotected) {
				t.Error(err)
			}
			r.ch = nil
			if resp := r.send(iso7816.Command{INS: 0xB0, P1: 0x81, Ne: 8}); resp.SW != iso7816.SWSecurityStatus {
				t.Error(resp.SW)
			}
		},
		"no-84": func(t *testing.T) {
			r := fresh(t, nil, "no-84")
			oid := []byte{0x80, 10, 0x04, 0, 0x7F, 0, 7, 2, 2, 4, 2, 2, 0x83, 1, 1}
			if resp := r.send(iso7816.Command{INS: 0x22, P1: 0xC1, P2: 0xA4, Data: append(slices.Clone(oid), 0x84, 1, 12)}); resp.SW != iso7816.SWWrongData {
				t.Error(resp.SW)
			}
			r.ok(iso7816.Command{INS: 0x22, P1: 0xC1, P2: 0xA4, Data: oid})
		},
		"dead": func(t *testing.T) {
			if resp := fresh(t, nil, "dead").send(sel(lds.FIDCardAccess)); resp.SW != iso7816.SWDead {
				t.Error(resp.SW)
			}
		},
		"plain-read": func(t *testing.T) {
			r := fresh(t, nil, "plain-read")
			r.app()
			r.read(lds.FID(1))
		},
		"cardaccess-sw": func(t *testing.T) {
			if resp := fresh(t, bac, "cardaccess-sw=6982").send(sel(lds.FIDCardAccess)); resp.SW != iso7816.SWSecurityStatus {
				t.Error(resp.SW)
			}
		},
		"mf-sw": func(t *testing.T) {
			if resp := fresh(t, nil, "mf-sw=6A86").send(iso7816.Command{INS: 0xA4, P2: 0x0C}); resp.SW != iso7816.SWIncorrectP1P2 {
				t.Error(resp.SW)
			}
		},
		"no-sfi": func(t *testing.T) {
			r, _ := opened(t, "no-sfi")
			if resp := r.send(iso7816.Command{INS: 0xB0, P1: 0x81, Ne: 8}); resp.SW != iso7816.SWIncorrectP1P2 {
				t.Error(resp.SW)
			}
		},
		"no-le": func(t *testing.T) {
			c := sel(lds.FIDCardAccess)
			c.Ne = 256
			if resp := fresh(t, nil, "no-le").send(c); resp.SW != iso7816.SWWrongLength {
				t.Error(resp.SW)
			}
		},
	} {
		t.Run(name, f)
	}
}

// C-09: DG3 and DG4 are refused and the refusal is on the chip's log.
func TestC09FingersRefused(t *testing.T) {
	p := passport(t, func(p *issue.Profile) { p.Access = issue.AccessBAC })
	c := New(p, Options{})
	r := &reader{t: t, card: Direct(c, nil)}
	r.bac(p)
	for _, n := range []int{3, 4} {
		if resp := r.send(sel(lds.FID(n))); resp.SW != iso7816.SWSecurityStatus {
			t.Errorf("DG%d: %v", n, resp.SW)
		}
	}
	if l := c.Log(); l[len(l)-1].FID != lds.FID(4) || l[len(l)-1].SW != iso7816.SWSecurityStatus || !l[len(l)-1].Secure {
		t.Errorf("%+v", l[len(l)-1])
	}
}

// A plain command inside a session ends it.
func TestPlainCommandEndsSession(t *testing.T) {
	p := passport(t, func(p *issue.Profile) { p.Access = issue.AccessBAC })
	r := &reader{t: t, card: Direct(New(p, Options{}), nil)}
	r.bac(p)
	ch := r.ch
	r.ch = nil
	if resp := r.send(sel(lds.FID(1))); resp.SW != iso7816.SWSMMissing {
		t.Error(resp.SW)
	}
	r.ch = ch
	if _, err := r.try(sel(lds.FID(1))); !errors.Is(err, sm.ErrUnprotected) {
		t.Error(err)
	}
}

// A file beyond 32 767 bytes is read with odd READ BINARY, inside extended length and out of it.
func TestOddRead(t *testing.T) {
	for _, ext := range []bool{false, true} {
		p := passport(t, func(p *issue.Profile) {
			p.Access, p.ExtendedLength = issue.AccessBAC, ext
			p.Portrait = append([]byte{0xFF, 0xD8, 0xFF}, bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, 9000)...)
		})
		r := &reader{t: t, card: Direct(New(p, Options{}), nil)}
		r.bac(p)
		want := p.App[lds.FID(2)]
		var got []byte
		r.ok(sel(lds.FID(2)))
		ne := 200
		if ext {
			ne = 2000
		}
		for len(got) < len(want) {
			n := len(got)
			resp := r.send(iso7816.Command{INS: 0xB1, Data: []byte{0x54, 3, byte(n >> 16), byte(n >> 8), byte(n)}, Ne: ne, Extended: ext})
			data := resp.Data
			// 6282 warns of the end of the file.
			if !resp.OK() && resp.SW != iso7816.SWWarnEnd || data[0] != 0x53 {
				t.Fatalf("%v", resp.SW)
			}
			switch {
			case data[1] < 0x80:
				got = append(got, data[2:]...)
			case data[1] == 0x81:
				got = append(got, data[3:]...)
			default:
				got = append(got, data[4:]...)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("extended %v: DG2 differs", ext)
		}
	}
}

// The timing model gives the sums of its formula.
func TestTimingModel(t *testing.T) {
	slow, err := Profile("slow")
	if err != nil {
		t.Fatal(err)
	}
	// 61-byte blocks: 20 bytes are one, 200 bytes four. 5 + 20 + 0.04·200 + 9·(220+15+9)/106 + 0.5 ms.
	want := 5 + 20 + 8 + 9*(220+3*5+3*3)/106.0 + 0.5
	if got := float64(slow.Exchange(20, 200)) / float64(time.Millisecond); got < want-0.001 || got > want+0.001 {
		t.Errorf("%v ms, want %v", got, want)
	}
	if _, err := Profile("instant"); err == nil {
		t.Error("unknown profile accepted")
	}
	// Jitter spreads around the figure and repeats with its seed.
	r := rand.New(rand.NewPCG(1, 2))
	sum := time.Duration(0)
	for range 1000 {
		sum += jitter(time.Millisecond, r)
	}
	if m := sum / 1000; m < 950*time.Microsecond || m > 1100*time.Microsecond {
		t.Errorf("mean %v", m)
	}
}

// Whatever a reader sends, the chip answers with a status word.
func FuzzC10Chip(f *testing.F) {
	p := passport(f, func(p *issue.Profile) { p.ActiveAuth, p.CAN = "ecdsa", "123456" })
	f.Add([]byte{0x00, 0xA4, 0x04, 0x0C, 0x07, 0xA0, 0, 0, 2, 0x47, 0x10, 1}, []byte{0, 0x84, 0, 0, 8})
	f.Add([]byte{0x00, 0x22, 0xC1, 0xA4, 0x0F, 0x80, 10, 4, 0, 0x7F, 0, 7, 2, 2, 4, 2, 2, 0x83, 1, 1}, []byte{0x10, 0x86, 0, 0, 2, 0x7C, 0, 0})
	f.Add([]byte{0x0C, 0xB0, 0x81, 0, 0x0D, 0x97, 1, 8, 0x8E, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0}, []byte{0, 0xB1, 0, 0, 4, 0x54, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		c := New(p, Options{Misbehave: []string{"plain-read"}})
		c.PowerOn()
		for range 2 {
			for _, cmd := range [][]byte{a, b} {
				if resp, _, err := c.Transceive(cmd); err != nil || len(resp) < 2 {
					t.Fatalf("%X: %X %v", cmd, resp, err)
				}
			}
		}
	})
}
