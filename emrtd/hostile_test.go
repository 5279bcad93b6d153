package emrtd

import (
	"bytes"
	"crypto/rand"
	"math/big"
	"runtime"
	"syscall"
	"testing"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/chipauth"
	"egate/emrtd/cms"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/emrtd/pa"
	"egate/emrtd/pace"
	"egate/emrtd/tlv"
	"egate/emrtd/trust"
)

// odd is a random odd number of that many bits, as INTEGER.
func odd(bits int) []byte {
	b := make([]byte, bits/8)
	rand.Read(b)
	b[0] |= 0x80
	b[len(b)-1] |= 1
	return ber.EncodeBig(new(big.Int).SetBytes(b))
}

// fill repeats a part up to a size.
func fill(part []byte, size int) [][]byte {
	var out [][]byte
	for n := 0; n+len(part) < size; n += len(part) {
		out = append(out, part)
	}
	return out
}

// C-10: the largest and the most expensive that a chip or a publisher can hand in, within the limits of each
// decoder: nothing takes a second of a processor or 64 MiB.
func TestC10MostExpensiveInputs(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures what an input costs: not under the race detector")
	}
	deep := bytes.Repeat([]byte{0x30, 0x80}, lds.MaxFile/2-16)
	nested := []byte{0x04, 0}
	for len(nested) < 40_000 {
		nested = ber.Encode(ber.Sequence, nested)
	}
	dhKey := func() []byte {
		par := ber.Encode(ber.Sequence, odd(4096), odd(4088), odd(256))
		return ber.Encode(ber.Sequence, ber.EncodeOID(lds.OIDPKDH), ber.Encode(ber.Sequence,
			ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10046.2.1"), par), ber.EncodeBits(odd(4096))))
	}
	var keys, paces [][]byte
	for i := range 40 {
		keys = append(keys, dhKey())
		if i < 5 {
			paces = append(paces, ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.2.2.4.1"), ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10046.2.1"),
				ber.Encode(ber.Sequence, odd(4096), odd(4088), odd(256))), ber.EncodeInt(int64(i))),
				ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.2.2.4.1.4"), ber.EncodeInt(2), ber.EncodeInt(int64(i))))
		}
	}
	infos := func(b []byte) []lds.SecurityInfo {
		l, err := lds.ParseSecurityInfos(b)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	entry := ber.Encode(ber.Sequence, ber.EncodeInt(77), ber.Encode(ber.UTCTime, []byte("260101000000Z")))
	name := ber.Encode(ber.Sequence, ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID("2.5.4.6"), ber.Encode(ber.PrintableString, []byte("UT")))))
	alg := ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.4.3.2"))
	crl := ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeInt(1), alg, name, ber.Encode(ber.UTCTime, []byte("260101000000Z")),
		ber.Encode(ber.Sequence, fill(entry, 140_000*len(entry))...)), alg, ber.EncodeBits([]byte{1, 2, 3}))
	// A SOD of the largest key: every signer and every form of the attributes is tried.
	p := passport(t, nil)
	sod := rsaSOD(t, p.Groups())
	root, err := cms.ParseCertificate(authority().CSCA())
	if err != nil {
		t.Fatal(err)
	}
	list, err := authority().MasterList(fill(authority().CSCA(), 2_000_000), now)
	if err != nil {
		t.Fatal(err)
	}
	dg2 := func(parts [][]byte) []byte { return ber.Encode(uint16(lds.Tag(2)), ber.Encode(0x7F61, parts...)) }
	store := anchors(t, authority())
	templates := dg2(fill(ber.Encode(0x7F60, ber.Encode(0xA1)), lds.MaxDG2-100))
	small := dg2([][]byte{bytes.Repeat([]byte{5, 0}, lds.MaxDG2/2-50)})
	spiral := append([]byte{0x75, 0x83, 0x10, 0, 0}, bytes.Repeat([]byte{0x7F, 0x61, 0x80}, 1<<20/3)...)
	for name, f := range map[string]func(){
		"sod of indefinite lengths": func() {
			pa.Verify(pa.Input{SOD: append([]byte{0x77, 0x82, 0xFF, 0x00}, deep...), Trust: store, Now: now})
		},
		"sod nested":                   func() { pa.Verify(pa.Input{SOD: lds.BuildSOD(nested), Trust: store, Now: now}) },
		"sod with RSA 8192 and e 256":  func() { pa.Verify(pa.Input{SOD: sod, DGs: p.Groups(), Trust: store, Now: now}) },
		"dg14 with forty prime groups": func() { chipauth.ParseKeys(infos(ber.Encode(ber.Set, keys...))) },
		"chip authentication in one of them": func() {
			if ks, err := chipauth.ParseKeys(infos(ber.Encode(ber.Set, keys[0]))); err == nil {
				if pr, err := chipauth.Prepare(ks[0], nil); err == nil {
					pr.Wipe()
				}
			}
		},
		"card access with five prime groups": func() {
			if l, err := pace.ParseInfos(infos(ber.Encode(ber.Set, paces...))); err == nil {
				pace.SameAnnouncements(l, l)
			}
		},
		"dg2 of templates":         func() { lds.ParseDG2(templates) },
		"dg2 of one byte elements": func() { lds.ParseDG2(small) },
		"dg2 nested": func() {
			lds.ParseDG2(spiral)
		},
		"largest list of revocations": func() {
			if _, err := cms.ParseCRL(crl); err != nil {
				t.Error(err)
			}
		},
		"master list of one certificate again and again": func() {
			m, err := trust.ParseMasterList(list, root)
			if err == nil {
				var b trust.Bundle
				b.Import(m, "x")
			}
		},
		"apdu data of empty objects": func() { tlv.List(bytes.Repeat([]byte{0x80, 0}, 32_000)) },
		"zone of confusions": func() {
			mrz.Parse([][]byte{[]byte("P<UTOO0O0O0O0<<O0O0O0O0O0O0O0O0O0O0O0O0O0O0O"), []byte("O0O0O0O0O0UTOO0O0O0OFO0O0O0OO0O0O0O0O0O0O0O0")}, now)
		},
		"explain the deepest": func() { lds.Explain(&bytes.Buffer{}, nested) },
	} {
		t.Run(name, func(t *testing.T) {
			var a, b runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&a)
			best := time.Hour
			for range 2 {
				start := cpu(t)
				f()
				best = min(best, cpu(t)-start)
			}
			runtime.ReadMemStats(&b)
			alloc := (b.TotalAlloc - a.TotalAlloc) / 2
			t.Logf("%v, %d KiB", best.Round(time.Microsecond), alloc>>10)
			if best > time.Second || alloc > 64<<20 {
				t.Errorf("%v, %d KiB", best, alloc>>10)
			}
		})
	}
}

// cpu is the processor time that this process has used: other programs on the machine do not count.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rsaSOD is a SOD with a key of 8192 bits, an exponent of 256 and eight false signatures.
func rsaSOD(t *testing.T, groups map[int][]byte) []byte {
	t.Helper()
	good, err := authority().SignSOD(groups, now)
	if err != nil {
		t.Fatal(err)
	}
	in, err := lds.ParseSOD(good)
	if err != nil {
		t.Fatal(err)
	}
	sd, err := cms.Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	// The certificate with the large key in place of its own.
	cert, _, err := ber.Parse(sd.Certificates[0].Raw)
	if err != nil {
		t.Fatal(err)
	}
	top, _ := cert.Children()
	tbs, _ := top[0].Children()
	var fields [][]byte
	for i, f := range tbs {
		if i == 6 {
			key := ber.Encode(ber.Sequence, odd(8192), odd(256))
			fields = append(fields, ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.1.1"), []byte{5, 0}), ber.EncodeBits(key)))
			continue
		}
		fields = append(fields, f.Raw)
	}
	big := ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, fields...), top[1].Raw, top[2].Raw)
	outer, _, _ := ber.Parse(in)
	ci, _ := outer.Children()
	wrap, _ := ci[1].Children()
	f, _ := wrap[0].Children()
	infos, _ := f[len(f)-1].Children()
	si, _ := infos[0].Children()
	sig := make([]byte, 1024)
	sig[5] = 9
	one := ber.Encode(ber.Sequence, si[0].Raw, si[1].Raw, si[2].Raw, si[3].Raw,
		ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.1.11"), []byte{5, 0}), ber.Encode(ber.OctetString, sig))
	body := [][]byte{f[0].Raw, f[1].Raw, f[2].Raw, ber.Encode(0xA0, big), ber.Encode(ber.Set, fill(one, 8*len(one)+1)...)}
	out := ber.Encode(ber.Sequence, ci[0].Raw, ber.Encode(0xA0, ber.Encode(ber.Sequence, body...)))
	if x, err := cms.Parse(out); err != nil || len(x.Signers) != 8 || x.Certificates[0].Key == nil {
		t.Fatal("the expensive document does not parse: ", err)
	}
	return lds.BuildSOD(out)
}
