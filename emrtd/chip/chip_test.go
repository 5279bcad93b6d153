package chip

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/sha1"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"egate/emrtd/activeauth"
	"egate/emrtd/ber"
	"egate/emrtd/chipauth"
	"egate/emrtd/cms"
	"egate/emrtd/ec"
	"egate/emrtd/internal/vectors"
	"egate/emrtd/iso7816"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/pace"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
	"egate/hal"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func passport(t testing.TB, edit func(*issue.Profile)) *issue.Passport {
	t.Helper()
	a, err := issue.NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	pr := issue.Profile{
		Number: "X0000001", Surname: "MUSTER", GivenNames: "ANNA", Nationality: "UTO", BirthDate: "1990-02-03",
		Sex: "F", Expiry: "2031-05-06", Portrait: append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, 15000)...),
		Access: issue.AccessPACE, ChipAuth: "ecdh", ActiveAuth: "none",
	}
	if edit != nil {
		edit(&pr)
	}
	p, err := a.Personalise(pr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reader is a reader written apart from the inspection system, so that a fault common to both ends of
// the project's own procedure would show.
type reader struct {
	t    testing.TB
	card *Card
	ch   *sm.Session
}

func (r *reader) send(c iso7816.Command) iso7816.Response {
	r.t.Helper()
	resp, err := r.try(c)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp
}

func (r *reader) try(c iso7816.Command) (iso7816.Response, error) {
	var err error
	if r.ch != nil {
		if c, err = r.ch.Wrap(c); err != nil {
			return iso7816.Response{}, err
		}
	}
	b, err := c.Bytes()
	if err != nil {
		return iso7816.Response{}, err
	}
	b, err = r.card.Transmit(context.Background(), b)
	if err != nil {
		return iso7816.Response{}, err
	}
	if len(b) < 2 {
		return iso7816.Response{}, iso7816.ErrEmpty
	}
	resp := iso7816.Response{Data: b[:len(b)-2], SW: iso7816.SW(uint16(b[len(b)-2])<<8 | uint16(b[len(b)-1]))}
	if r.ch != nil {
		return r.ch.Unwrap(resp)
	}
	return resp, nil
}

func (r *reader) ok(c iso7816.Command) []byte {
	r.t.Helper()
	resp := r.send(c)
	if !resp.OK() {
		r.t.Fatalf("INS %02X: %v", c.INS, resp.SW)
	}
	return resp.Data
}

func (r *reader) app() {
	r.t.Helper()
	r.ok(iso7816.Command{INS: 0xA4, P1: 4, P2: 0x0C, Data: lds.AID})
}

func (r *reader) bac(p *issue.Passport) {
	r.t.Helper()
	r.app()
	rnd := r.ok(iso7816.Command{INS: 0x84, Ne: 8})
	l := p.Lines[1]
	seed := sha1.Sum([]byte(l[0:10] + l[13:20] + l[21:28]))
	kEnc, kMAC := sm.TDES.KDF(seed[:16], 1), sm.TDES.KDF(seed[:16], 2)
	mac, _ := sm.NewMAC(sm.TDES, kMAC)
	ifd := random(24)
	e := tdesCBC(kEnc, append(append(bytes.Clone(ifd[:8]), rnd...), ifd[8:]...), true)
	m := mac.Sum(e)
	ans := r.ok(iso7816.Command{INS: 0x82, Data: append(e, m[:]...), Ne: 40})
	plain := tdesCBC(kEnc, ans[:32], false)
	if !bytes.Equal(plain[8:16], ifd[:8]) {
		r.t.Fatal("bac: wrong challenge")
	}
	k := make([]byte, 16)
	for i := range k {
		k[i] = ifd[8+i] ^ plain[16+i]
	}
	var err error
	r.ch, err = sm.New(sm.TDES, sm.TDES.KDF(k, 1), sm.TDES.KDF(k, 2), append(bytes.Clone(rnd[4:]), ifd[4:8]...))
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *reader) read(fid uint16) []byte {
	r.t.Helper()
	r.ok(iso7816.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{byte(fid >> 8), byte(fid)}})
	head := r.ok(iso7816.Command{INS: 0xB0, Ne: 8})
	_, n, h, err := tlv.Header(head, 1<<20)
	if err != nil {
		r.t.Fatal(err)
	}
	out := head[:min(len(head), n+h)]
	for len(out) < n+h {
		got := r.ok(iso7816.Command{INS: 0xB0, P1: byte(len(out) >> 8), P2: byte(len(out)), Ne: min(200, n+h-len(out))})
		if len(got) == 0 {
			r.t.Fatal("no data")
		}
		out = append(out, got...)
	}
	return out
}

// C-01: BAC, then every file as personalised.
func TestC01BAC(t *testing.T) {
	p := passport(t, func(p *issue.Profile) { p.Access = issue.AccessBAC })
	c := New(p, Options{Profile: "typical"})
	r := &reader{t: t, card: Direct(c, nil)}
	if resp := r.send(iso7816.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{1, 0x1C}}); resp.SW != iso7816.SWFileNotFound {
		t.Errorf("EF.CardAccess of a BAC chip: %v", resp.SW)
	}
	r.app()
	if resp := r.send(iso7816.Command{INS: 0xB0, P1: 0x81, Ne: 10}); resp.SW != iso7816.SWSecurityStatus {
		t.Errorf("plain read: %v", resp.SW)
	}
	r.bac(p)
	for _, fid := range []uint16{lds.FIDSOD, lds.FID(1), lds.FID(14), lds.FID(2)} {
		if !bytes.Equal(r.read(fid), p.App[fid]) {
			t.Errorf("file %04X differs", fid)
		}
	}
	t.Logf("%d APDUs, %d/%d bytes, %v", r.card.APDUs, r.card.Sent, r.card.Got, r.card.Elapsed)
}

const oidECDHGM = lds.OIDPACE + ".2"

// gm runs PACE with ECDH and generic mapping, written out from Doc 9303-11 §4.4 without package pace.
func (r *reader) gm(oid string, param int, info []byte) {
	r.t.Helper()
	suite := sm.Suite(oid[len(oid)-1]-'1') + sm.TDES
	curve, err := ec.ByStandardID(param)
	if err != nil {
		r.t.Fatal(err)
	}
	raw := ber.EncodeOID(oid)
	r.ok(iso7816.Command{INS: 0x22, P1: 0xC1, P2: 0xA4, Data: append(append(tlv.Encode(0x80, raw[2:]), tlv.Encode(0x83, []byte{1})...), tlv.Encode(0x84, []byte{byte(param)})...)})
	ga := func(last bool, tag uint32, v []byte, want uint32) []byte {
		in := []byte{}
		if v != nil {
			in = tlv.Encode(tag, v)
		}
		cla := byte(0x10)
		if last {
			cla = 0
		}
		out := r.ok(iso7816.Command{CLA: cla, INS: 0x86, Data: tlv.Encode(0x7C, in), Ne: 256})
		got, ok := tlv.Find(out, 0x7C, want)
		if !ok {
			r.t.Fatalf("pace: tag %X missing", want)
		}
		return got
	}
	h := sha1.Sum(info)
	kPi := suite.KDF(h[:], 3)
	z := ga(false, 0, nil, 0x80)
	var nonce []byte
	if suite == sm.TDES {
		nonce = tdesCBC(kPi, z, false)
	} else {
		b, err := aes.NewCipher(kPi)
		if err != nil {
			r.t.Fatal(err)
		}
		nonce = make([]byte, len(z))
		cipher.NewCBCDecrypter(b, make([]byte, 16)).CryptBlocks(nonce, z)
	}
	priv, pub, _ := curve.GenerateKey(rand.Reader)
	peer, err := curve.Decode(ga(false, 0x81, curve.Encode(pub), 0x82))
	if err != nil {
		r.t.Fatal(err)
	}
	hp, _ := curve.ScalarMult(peer, priv)
	s, _ := curve.ReduceScalar(nonce)
	sg, _ := curve.ScalarBaseMult(s)
	g, _ := curve.Add(sg, hp)
	priv, _, _ = curve.GenerateKey(rand.Reader)
	pub, _ = curve.ScalarMult(g, priv)
	peer, err = curve.Decode(ga(false, 0x83, curve.Encode(pub), 0x84))
	if err != nil {
		r.t.Fatal(err)
	}
	k, _ := curve.ScalarMult(peer, priv)
	mac, _ := sm.NewMAC(suite, suite.KDF(k.X, 2))
	token := func(p ec.Point) [8]byte { return mac.Sum(tlv.Encode(0x7F49, raw, tlv.Encode(0x86, curve.Encode(p)))) }
	own, other := token(peer), token(pub)
	if got := ga(true, 0x85, own[:], 0x86); !bytes.Equal(got, other[:]) {
		r.t.Fatal("pace: token of the chip")
	}
	if r.ch, err = sm.FromSecret(suite, k.X); err != nil {
		r.t.Fatal(err)
	}
}

// tdesCBC is two-key 3DES in CBC mode with a zero vector, no padding.
func tdesCBC(key, in []byte, encrypt bool) []byte {
	b, err := des.NewTripleDESCipher(append(append([]byte{}, key...), key[:8]...))
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(in))
	if encrypt {
		cipher.NewCBCEncrypter(b, make([]byte, 8)).CryptBlocks(out, in)
	} else {
		cipher.NewCBCDecrypter(b, make([]byte, 8)).CryptBlocks(out, in)
	}
	return out
}

func mrzInfo(p *issue.Passport) []byte {
	l := p.Lines[1]
	return []byte(l[0:10] + l[13:20] + l[21:28])
}

// C-01, C-03: PACE on several curves and ciphers, then chip authentication, then the files over the
// new channel.
func TestC01PACEAndChipAuth(t *testing.T) {
	for _, o := range []issue.PACEOption{
		{OID: oidECDHGM + ".2", Param: 12}, {OID: oidECDHGM + ".2", Param: 13}, {OID: oidECDHGM + ".4", Param: 17}, {OID: oidECDHGM + ".1", Param: 10},
	} {
		p := passport(t, func(p *issue.Profile) { p.PACE = []issue.PACEOption{o} })
		c := New(p, Options{Profile: "fast"})
		r := &reader{t: t, card: Direct(c, nil)}
		r.gm(o.OID, o.Param, mrzInfo(p))
		r.app()
		if !bytes.Equal(r.read(lds.FIDSOD), p.App[lds.FIDSOD]) {
			t.Error("SOD differs")
		}
		r.chipAuth(p)
		if !bytes.Equal(r.read(lds.FID(2)), p.App[lds.FID(2)]) {
			t.Error("DG2 differs")
		}
		t.Logf("%v: %d APDUs, %v", o, r.card.APDUs, r.card.Elapsed)
	}
}

// chipAuth runs chip authentication with the key that DG14 holds.
func (r *reader) chipAuth(p *issue.Passport) {
	r.t.Helper()
	infos, err := lds.ParseDG14(p.App[lds.FID(14)])
	if err != nil {
		r.t.Fatal(err)
	}
	keys, err := chipauth.ParseKeys(infos)
	if err != nil {
		r.t.Fatal(err)
	}
	prep, err := chipauth.Prepare(keys[0], rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	ch, err := chipauth.Run(context.Background(), r, keys[0], prep, 200)
	if err != nil {
		r.t.Fatal(err)
	}
	r.ch = ch
}

// Transmit makes the reader an iso7816.Transmitter over its channel.
func (r *reader) Transmit(_ context.Context, c iso7816.Command) (iso7816.Response, error) {
	return r.try(c)
}

// C-01, C-03: every mapping, over curves and prime fields, with every cipher; the chip authentication
// mapping proves the static key of EF.CardSecurity.
func TestC01Mappings(t *testing.T) {
	for i, o := range []issue.PACEOption{
		{OID: lds.OIDPACE + ".2.3", Param: 16}, {OID: lds.OIDPACE + ".4.2", Param: 13}, {OID: lds.OIDPACE + ".4.4", Param: 15},
		{OID: lds.OIDPACE + ".6.2", Param: 13}, {OID: lds.OIDPACE + ".6.4", Param: 12}, {OID: lds.OIDPACE + ".1.2", Param: 0},
		{OID: lds.OIDPACE + ".1.4", Param: 2}, {OID: lds.OIDPACE + ".3.2", Param: 1},
	} {
		if testing.Short() && i%3 != 0 {
			continue
		}
		p := passport(t, func(p *issue.Profile) {
			p.PACE = []issue.PACEOption{o}
			p.CAN = "123456"
			p.ExtendedLength = true
		})
		for _, pw := range []pace.Password{pace.MRZPassword(mrzInfo(p)), pace.CANPassword("123456")} {
			r := &reader{t: t, card: Direct(New(p, Options{}), nil)}
			list, err := lds.ParseSecurityInfos(p.Master[lds.FIDCardAccess])
			if err != nil {
				t.Fatal(err)
			}
			infos, err := pace.ParseInfos(list)
			if err != nil {
				t.Fatal(err)
			}
			rd := pace.Reader{MaxCommand: 1000, MaxResponse: 1000}
			ch, res, err := rd.Establish(context.Background(), r, infos, pw)
			if err != nil {
				t.Fatalf("%v: %v", o, err)
			}
			r.ch = ch
			if res.Info.Mapping == pace.CAM {
				r.ok(iso7816.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{1, 0x1D}})
				sd, err := cms.Parse(p.Master[lds.FIDCardSecurity])
				if err != nil || sd.ContentType != lds.OIDCardSecure {
					t.Fatalf("EF.CardSecurity: %v", err)
				}
				if err := pace.VerifyCAM(pace.Curve(res.Info.Group), res.CAMData, p.CAM.Public, res.MappingKey); err != nil {
					t.Errorf("%v: %v", o, err)
				}
			}
			r.app()
			if !bytes.Equal(r.read(lds.FID(1)), p.App[lds.FID(1)]) {
				t.Errorf("%v: DG1 differs", o)
			}
		}
		r := &reader{t: t, card: Direct(New(p, Options{}), nil)}
		list, _ := lds.ParseSecurityInfos(p.Master[lds.FIDCardAccess])
		infos, _ := pace.ParseInfos(list)
		rd := pace.Reader{MaxCommand: 1000, MaxResponse: 1000}
		if _, _, err := rd.Establish(context.Background(), r, infos, pace.CANPassword("654321")); !errors.Is(err, pace.ErrPassword) {
			t.Errorf("%v: wrong password: %v", o, err)
		}
	}
}

// C-03: chip authentication with every cipher, over a curve and a prime field.
func TestC03ChipAuthVariants(t *testing.T) {
	for _, kind := range []string{"ecdh", "dh"} {
		for _, suite := range []string{"3des", "aes128", "aes192", "aes256"} {
			p := passport(t, func(p *issue.Profile) {
				p.ChipAuth, p.ChipAuthSuite, p.ExtendedLength = kind, suite, true
			})
			r := &reader{t: t, card: Direct(New(p, Options{}), nil)}
			r.gm(oidECDHGM+".2", 12, mrzInfo(p))
			r.app()
			r.chipAuth(p)
			if !bytes.Equal(r.read(lds.FID(1)), p.App[lds.FID(1)]) {
				t.Errorf("%s %s: DG1 differs", kind, suite)
			}
		}
	}
}

// C-03: active authentication with both kinds of key; a clone's signature does not verify.
func TestC03ActiveAuth(t *testing.T) {
	for _, kind := range []string{"rsa", "ecdsa"} {
		for _, fault := range []string{"", "clone", "clone-refuse"} {
			p := passport(t, func(p *issue.Profile) { p.ActiveAuth = kind })
			var opt Options
			if fault != "" {
				opt.Misbehave = []string{fault}
			}
			r := &reader{t: t, card: Direct(New(p, opt), nil)}
			r.gm(oidECDHGM+".2", 12, mrzInfo(p))
			r.app()
			spki, err := lds.ParseDG15(p.App[lds.FID(15)])
			if err != nil {
				t.Fatal(err)
			}
			infos, err := lds.ParseDG14(p.App[lds.FID(14)])
			if err != nil {
				t.Fatal(err)
			}
			k, err := activeauth.ParseKey(spki, infos)
			if err != nil {
				t.Fatal(err)
			}
			dev, err := activeauth.Run(context.Background(), r, k, nil, 256)
			if (err == nil) != (fault == "") || len(dev) > 0 {
				t.Errorf("%s %q: %v %v", kind, fault, dev, err)
			}
		}
	}
}

// C-03: a clone has the files and fails at the first answer after chip authentication.
func TestC03CloneFailsChipAuth(t *testing.T) {
	p := passport(t, nil)
	c := New(p, Options{Misbehave: []string{"clone"}})
	r := &reader{t: t, card: Direct(c, nil)}
	r.gm(oidECDHGM+".2", 12, mrzInfo(p))
	r.app()
	r.chipAuth(p)
	if _, err := r.try(iso7816.Command{INS: 0xB0, P1: 0x82, Ne: 10}); !errors.Is(err, sm.ErrUnprotected) && !errors.Is(err, sm.ErrMAC) {
		t.Errorf("clone answered: %v", err)
	}
}

// A tag lost in the middle of DG2 stays lost until it is put back, and then needs access control again.
func TestTagLoss(t *testing.T) {
	p := passport(t, func(p *issue.Profile) { p.Access = issue.AccessBAC })
	c := New(p, Options{Misbehave: []string{"tag-loss@4000"}})
	r := &reader{t: t, card: Direct(c, nil)}
	r.bac(p)
	r.ok(iso7816.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{1, 2}})
	n := 0
	var err error
	for err == nil && n < 100 {
		_, err = r.try(iso7816.Command{INS: 0xB0, P1: byte(n * 200 >> 8), P2: byte(n * 200), Ne: 200})
		n++
	}
	if !errors.Is(err, hal.ErrCardLost) || n != 21 {
		t.Errorf("after %d reads: %v", n, err)
	}
	if _, err := r.try(iso7816.Command{INS: 0xB0, Ne: 1}); !errors.Is(err, hal.ErrCardLost) {
		t.Errorf("still there: %v", err)
	}
	r = &reader{t: t, card: Direct(c, nil)}
	r.app()
	if resp := r.send(iso7816.Command{INS: 0xB0, P1: 0x82, Ne: 8}); resp.SW != iso7816.SWSecurityStatus {
		t.Errorf("session survived: %v", resp.SW)
	}
	r.bac(p)
	if !bytes.Equal(r.read(lds.FID(2)), p.App[lds.FID(2)]) {
		t.Error("DG2 differs")
	}
}

// The reference document of BSI TR-03105-5 plays on the chip: BAC, chip authentication over explicit
// parameters with 3DES, active authentication with RSA 1024; a wrong private key fails the first
// protected answer.
func TestC03ReferenceDocument(t *testing.T) {
	p, err := issue.LoadFolder(filepath.Join(vectors.Dir(t), "bsi-tr03105-5"))
	if err != nil {
		t.Fatal(err)
	}
	c := New(p, Options{Profile: "typical"})
	r := &reader{t: t, card: Direct(c, nil)}
	r.bac(p)
	if resp := r.send(iso7816.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{1, 3}}); resp.SW != iso7816.SWSecurityStatus {
		t.Errorf("DG3: %v", resp.SW)
	}
	r.chipAuth(p)
	if r.ch.Suite() != sm.TDES {
		t.Errorf("channel %v", r.ch.Suite())
	}
	for _, fid := range []uint16{lds.FIDSOD, lds.FID(1), lds.FID(2), lds.FID(14), lds.FID(15)} {
		if !bytes.Equal(r.read(fid), p.App[fid]) {
			t.Errorf("file %04X differs", fid)
		}
	}
	spki, err := lds.ParseDG15(p.App[lds.FID(15)])
	if err != nil {
		t.Fatal(err)
	}
	k, err := activeauth.ParseKey(spki, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := activeauth.Run(context.Background(), r, k, nil, 256); err != nil {
		t.Error(err)
	}
	r = &reader{t: t, card: Direct(New(p, Options{Misbehave: []string{"clone"}}), nil)}
	r.bac(p)
	r.chipAuth(p)
	if _, err := r.try(iso7816.Command{INS: 0xB0, P1: 0x81, Ne: 8}); err == nil {
		t.Error("wrong chip authentication key went unnoticed")
	}
}
