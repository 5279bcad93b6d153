package pace

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"testing"

	"egate/emrtd/ber"
	"egate/emrtd/dh"
	"egate/emrtd/ec"
	"egate/emrtd/iso7816"
	"egate/emrtd/lds"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
)

// C-01: ICAO Doc 9303-11 appendix G.2, generic mapping in the 1024-bit group.
func TestC01WorkedExampleDHGM(t *testing.T) {
	infos := infosOf(t, unhex(t, "3012060A04007F0007020204010202010202 0100"))
	if !infos[0].Usable() || infos[0].Group.Name() != "modp-1024-160" {
		t.Fatalf("%+v", infos[0])
	}
	infos[0].ParameterID = -1
	map1 := unhex(t, "23FB3749 EA030D2A 25B278D2 A562047A DE3F01B7 4F17A154 02CB7352 CA7D2B3E B71C343D B13D1DEB CE9A3666 DBCFC920 B49174A6 02CB4796 5CAA73DC 702489A4 4D41DB91 4DE9613D C5E98C94 160551C0 DF86274B 9359BC04 90D01B03 AD54022D CB4F57FA D6322497 D7A1E28D 46710F46 1AFE710F BBBC5F8B A166F431 1975EC6C")
	map2 := unhex(t, "78879F57 225AA808 0D52ED0F C890A4B2 5336F699 AA89A2D3 A189654A F70729E6 23EA5738 B26381E4 DA19E004 706FACE7 B235C2DB F2F38748 312F3C98 C2DD4882 A41947B3 24AA1259 AC22579D B93F7085 655AF308 89DBB845 D9E6783F E42C9F24 49400306 254C8AE8 EE9DD812 A804C0B6 6E8CAFC1 4F84D825 8950A91B 44126EE6")
	eph1 := unhex(t, "907D89E2D425A178AA81AF4A7774EC8E388C115CAE67031E85EECE520BD911551B9AE4D04369F29A02626C86FBC6747CC7BC352645B6161A2A42D44EDA80A08FA8D61B76D3A154AD8A5A51786B0BC07147057871A922212C5F67F43173172236B7747D1671E6D692A3C7D40A0C3C5CE397545D015C175EB5130551EDBC2EE5D4")
	eph2 := unhex(t, "075693D9 AE941877 573E634B 6E644F8E 60AF17A0 076B8B12 3D920107 4D36152B D8B3A213 F53820C4 2ADC79AB 5D0AEEC3 AEFB9139 4DA476BD 97B9B14D 0A65C1FC 71A0E019 CB08AF55 E1F72900 5FBA7E3F A5DC4189 9238A250 767A6D46 DB974064 386CD456 743585F8 E5D90CC8 B4004B1F 6D866C79 CE0584E4 9687FF61 BC29AEA1")
	ga := func(tag uint32, v []byte) []byte {
		b, _ := iso7816.Command{CLA: 0x10, INS: 0x86, Data: tlv.Encode(0x7C, tlv.Encode(tag, v)), Ne: 256}.Bytes()
		return b
	}
	ok := func(tag uint32, v []byte) []byte { return append(tlv.Encode(0x7C, tlv.Encode(tag, v)), 0x90, 0) }
	s := &script{t: t, steps: [][2][]byte{
		{unhex(t, "00 22 C1 A4 0F 80 0A 04 00 7F 00 07 02 02 04 01 02 83 01 01"), {0x90, 0}},
		{unhex(t, "10 86 00 00 02 7C 00 00"), unhex(t, "7C 12 80 10 85 4D 8D F5 82 7F A6 85 2D 1A 4F A7 01 CD DD CA 90 00")},
		{ga(0x81, map1), ok(0x82, map2)},
		{ga(0x83, eph1), ok(0x84, eph2)},
		{unhex(t, "00 86 00 00 0C 7C 0A 85 08 B4 6D D9 BD 4D 98 38 1F 00"), unhex(t, "7C 1B 86 08 91 7F 37 B5 C0 E6 D8 D1 87 0F 44 45 54 45 53 54 43 56 43 41 30 30 30 30 33 90 00")},
	}}
	random := bytes.NewReader(unhex(t, "5265030F751F4AD18B08AC565FC7AC952E41618D 89CCD99B0E8D3B1F11E1296DCA68EC53411CF2CA"))
	ch, _, err := (&Reader{Rand: random}).Establish(context.Background(), s, infos, MRZPassword([]byte("T22000129364081251010318")))
	if err != nil {
		t.Fatal(err)
	}
	peer, _ := sm.New(sm.AES128, unhex(t, "2F7F46AD CC9E7E52 1B45D192 FAFA9126"), unhex(t, "805A1D27 D45A5116 F73C5446 9462B7D8"), make([]byte, 16))
	w, _ := ch.Wrap(iso7816.Command{INS: 0xB0, Ne: 1})
	if _, err := peer.UnwrapCommand(w); err != nil {
		t.Fatal("session keys differ")
	}
}

// chip is a minimal card side over the package's own mathematics.
type chip struct {
	t        testing.TB
	password Password
	groups   map[string]Group // by protocol identifier
	no84     bool
	refuse   map[string]iso7816.SW // MSE status by protocol
	fail     int                   // mutual authentications to refuse

	alg         Algorithm
	g           Group
	s, base     []byte
	priv, pub   []byte
	peer        []byte
	session     *sm.Session
	runs, msesN int
	step        int
}

func (c *chip) Transmit(_ context.Context, cmd iso7816.Command) (iso7816.Response, error) {
	sw := func(v iso7816.SW) (iso7816.Response, error) { return iso7816.Response{SW: v}, nil }
	data := func(tag uint32, v []byte) (iso7816.Response, error) {
		return iso7816.Response{Data: tlv.Encode(0x7C, tlv.Encode(tag, v)), SW: 0x9000}, nil
	}
	must := func(b []byte, err error) []byte {
		if err != nil {
			c.t.Fatal(err)
		}
		return b
	}
	if cmd.INS == 0x22 {
		c.msesN++
		raw, _ := tlv.Find(cmd.Data, 0x80)
		oid, _ := ber.DecodeOID(raw)
		if _, has := tlv.Find(cmd.Data, 0x84); has && c.no84 {
			return sw(0x6A80)
		}
		if v, ok := c.refuse[oid]; ok {
			return sw(v)
		}
		a, ok := AlgorithmByOID(oid)
		if c.g, ok = c.groups[oid], ok && c.groups[oid] != nil; !ok {
			return sw(0x6A80)
		}
		c.alg, c.step = a, 0
		return sw(0x9000)
	}
	c.step++
	var err error
	switch c.step {
	case 1:
		c.runs++
		c.s = make([]byte, NonceSize(c.alg.Suite))
		rand.Read(c.s)
		return data(0x80, must(EncryptNonce(c.alg.Suite, c.password.Key(c.alg.Suite), c.s)))
	case 2:
		in, _ := tlv.Find(cmd.Data, 0x7C, 0x81)
		if c.alg.Mapping == IM {
			c.base = must(MapIntegrated(c.alg.Suite, c.g, c.s, in))
			return iso7816.Response{Data: []byte{0x7C, 0}, SW: 0x9000}, nil
		}
		priv, pub, err := c.g.GenerateKey(rand.Reader, c.g.Base())
		if err != nil {
			c.t.Fatal(err)
		}
		c.base = must(c.g.MapGeneric(c.s, must(c.g.Agree(priv, in))))
		return data(0x82, pub)
	case 3:
		c.peer, _ = tlv.Find(cmd.Data, 0x7C, 0x83)
		if c.priv, c.pub, err = c.g.GenerateKey(rand.Reader, c.base); err != nil {
			c.t.Fatal(err)
		}
		return data(0x84, c.pub)
	}
	k := c.g.Secret(must(c.g.Agree(c.priv, c.peer)))
	kmac := c.alg.Suite.KDF(k, sm.CounterMAC)
	token, _ := tlv.Find(cmd.Data, 0x7C, 0x85)
	if c.fail > 0 || !bytes.Equal(token, must(Token(c.alg, c.g, kmac, c.pub))) {
		c.fail--
		return sw(0x6300)
	}
	c.session, _ = sm.FromSecret(c.alg.Suite, k)
	return data(0x86, must(Token(c.alg, c.g, kmac, c.peer)))
}

func paceInfo(oid string, id int) []byte {
	return ber.Encode(ber.Sequence, ber.EncodeOID(oid), ber.EncodeInt(2), ber.EncodeInt(int64(id)))
}

// C-01: every mapping and cipher over every standardised parameter gives a common channel.
func TestC01EveryVariant(t *testing.T) {
	p := MRZPassword([]byte("T22000129364081251010318"))
	for id := range 19 {
		g := StandardGroup(id)
		if g == nil {
			continue
		}
		for _, m := range []string{"1", "2", "3", "4", "6"} {
			for n := 1; n <= 4; n++ {
				oid := lds.OIDPACE + "." + m + "." + string(rune('0'+n))
				i := infosOf(t, paceInfo(oid, id))[0]
				if !i.Usable() {
					if id == 10 && m == "4" || i.ECDH != (Curve(g) != nil) || m == "6" && n == 1 {
						continue
					}
					t.Errorf("%s with %d is not usable", oid, id)
					continue
				}
				if testing.Short() && n != 2 {
					continue
				}
				c := &chip{t: t, password: p, groups: map[string]Group{oid: g}}
				r := Reader{MaxCommand: 4096}
				s, res, err := r.Establish(context.Background(), c, []Info{i}, p)
				if err != nil || res.Attempts != 1 {
					t.Fatalf("%s: %v", i, err)
				}
				w, _ := s.Wrap(iso7816.Command{INS: 0xB0, Ne: 4})
				if _, err := c.session.UnwrapCommand(w); err != nil {
					t.Fatalf("%s: keys differ", i)
				}
			}
		}
	}
}

func TestOrderAndFallback(t *testing.T) {
	const gm128, gm256, im128, cam128 = "0.4.0.127.0.7.2.2.4.2.2", "0.4.0.127.0.7.2.2.4.2.4", "0.4.0.127.0.7.2.2.4.4.2", "0.4.0.127.0.7.2.2.4.6.2"
	infos := infosOf(t, paceInfo(gm128, 12), paceInfo("0.4.0.127.0.7.2.2.4.1.2", 0), paceInfo(gm256, 13), paceInfo(im128, 99), paceInfo(cam128, 12))
	var order []string
	for _, i := range infos {
		order = append(order, i.OID)
	}
	if order[0] != cam128 || order[1] != gm256 || order[2] != gm128 || infos[4].Usable() {
		t.Fatal(order)
	}
	p := CANPassword("123456")
	groups := map[string]Group{gm128: StandardGroup(12), gm256: StandardGroup(13)}
	ctx := context.Background()
	// The best one refused by the chip: the next is used, and said.
	c := &chip{t: t, password: p, groups: groups, refuse: map[string]iso7816.SW{cam128: 0x6A80}}
	_, res, err := Establish(ctx, c, infos, p)
	if err != nil || res.Info.OID != gm256 || len(res.Failed) != 1 {
		t.Fatal(err, res)
	}
	// Without the parameter reference.
	c = &chip{t: t, password: p, groups: map[string]Group{gm128: StandardGroup(12)}, no84: true}
	if _, res, err = Establish(ctx, c, infos[2:3], p); err != nil || res.Attempts != 2 {
		t.Fatal(err, res)
	}
	// 6300 once is repeated; a wrong password is tried twice and not with other variants.
	c = &chip{t: t, password: p, groups: groups, fail: 1}
	if _, _, err = Establish(ctx, c, infos[1:], p); err != nil || c.runs != 2 {
		t.Fatal(err, c.runs)
	}
	c = &chip{t: t, password: p, groups: groups}
	if _, _, err = Establish(ctx, c, infos[1:], CANPassword("654321")); !errors.Is(err, ErrPassword) || c.runs != 2 {
		t.Fatal(err, c.runs)
	}
	// A lost link is not a reason for another variant.
	lost := errors.New("lost")
	n := 0
	tx := iso7816.TransmitterFunc(func(context.Context, iso7816.Command) (iso7816.Response, error) { n++; return iso7816.Response{}, lost })
	if _, _, err = Establish(ctx, tx, infos, p); !errors.Is(err, lost) || n != 1 {
		t.Fatal(err, n)
	}
	if _, _, err = Establish(ctx, c, nil, p); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
	if _, _, err = Establish(ctx, c, infos[4:], p); !errors.Is(err, ErrUnsupported) {
		t.Fatal(err)
	}
}

func TestExplicitParameters(t *testing.T) {
	c, _ := ec.ByStandardID(14)
	oct := func(b []byte) []byte { return ber.Encode(ber.OctetString, b) }
	curve := func(gx *big.Int) []byte {
		g := append([]byte{4}, gx.FillBytes(make([]byte, c.Size()))...)
		g = append(g, c.Gy.FillBytes(make([]byte, c.Size()))...)
		return ber.Encode(ber.Sequence, ber.EncodeInt(1), ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.1.1"), ber.EncodeBig(c.P)),
			ber.Encode(ber.Sequence, oct(c.A.Bytes()), oct(c.B.Bytes())), oct(g), ber.EncodeBig(c.N), ber.EncodeInt(1))
	}
	domain := func(oid string, alg []byte, id int) []byte {
		return ber.Encode(ber.Sequence, ber.EncodeOID(oid), alg, ber.EncodeInt(int64(id)))
	}
	ecAlg := func(gx *big.Int) []byte {
		return ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), curve(gx))
	}
	i := infosOf(t, domain(lds.OIDPACE+".2", ecAlg(c.Gx), 40), paceInfo(lds.OIDPACE+".2.2", 40))
	if len(i) != 1 || !i[0].Usable() || i[0].Group.Name() != "brainpoolP320r1" || !i[0].Explicit {
		t.Fatalf("%+v", i)
	}
	// The base point in compressed form is the same point, with the other sign it is another one.
	for sign, want := range map[byte]bool{2 + byte(c.Gy.Bit(0)): true, 3 - byte(c.Gy.Bit(0)): false} {
		full := append([]byte{4}, append(c.Gx.FillBytes(make([]byte, c.Size())), c.Gy.FillBytes(make([]byte, c.Size()))...)...)
		k, _ := ber.ParseExact(curve(c.Gx))
		f, _ := k.Children()
		alg := ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), ber.Encode(ber.Sequence, f[0].Raw, f[1].Raw, f[2].Raw, oct(append([]byte{sign}, full[1:1+c.Size()]...)), f[4].Raw, f[5].Raw))
		if i = infosOf(t, domain(lds.OIDPACE+".2", alg, 40), paceInfo(lds.OIDPACE+".2.2", 40)); len(i) != 1 || i[0].Usable() != want {
			t.Fatalf("compressed %d: %+v", sign, i)
		}
	}
	// Another base point is no known curve: announced, not usable.
	i = infosOf(t, domain(lds.OIDPACE+".2", ecAlg(new(big.Int).Add(c.Gx, big.NewInt(1))), 40), paceInfo(lds.OIDPACE+".2.2", 40))
	if len(i) != 1 || i[0].Usable() {
		t.Fatalf("%+v", i)
	}
	// A standardised identifier cannot be redefined.
	i = infosOf(t, domain(lds.OIDPACE+".2", ecAlg(c.Gx), 13), paceInfo(lds.OIDPACE+".2.2", 13))
	if i[0].Group.Name() != "brainpoolP256r1" {
		t.Fatalf("%+v", i)
	}
	// Explicit prime field parameters that are no group must not see a password.
	g, _ := dh.ByStandardID(1)
	dhAlg := func(p *big.Int) []byte {
		return ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10046.2.1"), ber.Encode(ber.Sequence, ber.EncodeBig(p), ber.EncodeBig(g.G), ber.EncodeBig(g.Q)))
	}
	i = infosOf(t, domain(lds.OIDPACE+".1", dhAlg(new(big.Int).Add(g.P, big.NewInt(2))), 50), paceInfo(lds.OIDPACE+".1.2", 50))
	n := 0
	tx := iso7816.TransmitterFunc(func(context.Context, iso7816.Command) (iso7816.Response, error) {
		n++
		return iso7816.Response{SW: 0x9000}, nil
	})
	if _, _, err := Establish(context.Background(), tx, i, CANPassword("1")); !errors.Is(err, ErrUnsupported) || n != 0 {
		t.Fatal(err, n)
	}
	i = infosOf(t, domain(lds.OIDPACE+".1", dhAlg(g.P), 50), paceInfo(lds.OIDPACE+".1.2", 50))
	if !i[0].Usable() || i[0].Group.Name() != g.Name {
		t.Fatalf("%+v", i)
	}
}

func TestPreparedKeys(t *testing.T) {
	var k Keys
	if err := k.Prepare(rand.Reader, 1, 12, 13); err != nil {
		t.Fatal(err)
	}
	g := StandardGroup(12)
	_, p1, _ := k.take(nil, g) // from the pool: no source needed
	_, p2, err := k.take(rand.Reader, g)
	if err != nil || bytes.Equal(p1, p2) {
		t.Fatal("a key was used twice")
	}
	k.Wipe()
	if _, _, err := (*Keys)(nil).take(rand.Reader, g); err != nil {
		t.Fatal(err)
	}
}

// C-10
func FuzzParseInfos(f *testing.F) {
	f.Add(ber.Encode(ber.Set, paceInfo(lds.OIDPACE+".2.2", 13), paceInfo(lds.OIDPACE+".6.4", 40)))
	f.Add([]byte{0x31, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := lds.ParseSecurityInfos(b)
		if err != nil {
			return
		}
		i, err := ParseInfos(l)
		if err != nil {
			return
		}
		for k := range i {
			_ = i[k].String()
			if k > 0 && i[k].strength() > i[k-1].strength() {
				t.Fatal("order")
			}
		}
		if !SameAnnouncements(i, i) {
			t.Fatal("not the same as itself")
		}
	})
}
