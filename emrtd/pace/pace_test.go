package pace

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"egate/emrtd/ber"
	"egate/emrtd/internal/vectors"
	"egate/emrtd/iso7816"
	"egate/emrtd/lds"
	"egate/emrtd/sm"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// script is a chip that expects commands byte for byte.
type script struct {
	t     testing.TB
	steps [][2][]byte
	n     int
}

func (s *script) Transmit(_ context.Context, c iso7816.Command) (iso7816.Response, error) {
	s.t.Helper()
	b, err := c.Bytes()
	if err != nil {
		return iso7816.Response{}, err
	}
	if s.n == len(s.steps) {
		s.t.Fatalf("command beyond the script: %X", b)
	}
	st := s.steps[s.n]
	s.n++
	if !bytes.Equal(b, st[0]) {
		s.t.Fatalf("command %d: %X, want %X", s.n, b, st[0])
	}
	return iso7816.ParseResponse(bytes.Clone(st[1]))
}

func infosOf(t testing.TB, der ...[]byte) []Info {
	t.Helper()
	l, err := lds.ParseSecurityInfos(ber.Encode(ber.Set, der...))
	if err != nil {
		t.Fatal(err)
	}
	i, err := ParseInfos(l)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func scripted(t testing.TB, v vectors.Block, skip string) *script {
	s := &script{t: t}
	for _, a := range v.List(t, "apdus") {
		if a.Text(t, "step") == skip {
			continue
		}
		s.steps = append(s.steps, [2][]byte{a.Hex(t, "command"), a.Hex(t, "response")})
	}
	return s
}

// C-01: ICAO Doc 9303-11 appendix G.1, every command byte for byte.
func TestC01WorkedExampleGM(t *testing.T) {
	v := vectors.Examples(t, "part11_G1_pace_ecdh_gm")
	infos := infosOf(t, v.Hex(t, "pace_info_der"))
	p := MRZPassword([]byte(v.Text(t, "mrz_information")))
	if !bytes.Equal(p.Key(sm.AES128), v.Hex(t, "k_pi")) {
		t.Fatal("password key")
	}
	rand := func() *bytes.Reader {
		return bytes.NewReader(append(v.Hex(t, "map_terminal_private"), v.Hex(t, "eph_terminal_private")...))
	}
	s := scripted(t, v, "mse_set_at")
	ch, res, err := (&Reader{Rand: rand()}).Establish(context.Background(), s, infos, p)
	if err != nil || res.Attempts != 1 || ch.Suite() != sm.AES128 {
		t.Fatal(err)
	}
	// The keys are right when a second channel with the published keys understands the first.
	peer, err := sm.New(sm.AES128, v.Hex(t, "ks_enc"), v.Hex(t, "ks_mac"), v.Hex(t, "ssc_initial"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := ch.Wrap(iso7816.Command{INS: 0xB0, Data: []byte("x"), Ne: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := peer.UnwrapCommand(w); err != nil {
		t.Fatal("session keys differ")
	}

	// Any change of one bit of the chip's last answer is refused, and so are the reader's own keys.
	for bit := range 8 * 8 {
		s := scripted(t, v, "mse_set_at")
		last := &s.steps[len(s.steps)-1][1]
		(*last)[4+bit/8] ^= 1 << (bit % 8)
		if _, _, err := (&Reader{Rand: rand()}).Establish(context.Background(), s, infos, p); !errors.Is(err, ErrChip) {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	s = scripted(t, v, "mse_set_at")
	own := bytes.Clone(s.steps[3][0][5 : len(s.steps[3][0])-1])
	own[2] = tagPublicOut
	s.steps[3][1] = append(own, 0x90, 0)
	if _, _, err := (&Reader{Rand: rand()}).Establish(context.Background(), s, infos, p); !errors.Is(err, ErrChip) {
		t.Fatal("own key accepted")
	}
	s = scripted(t, v, "mse_set_at")
	s.steps[2][1][20] ^= 1
	if _, _, err := (&Reader{Rand: rand()}).Establish(context.Background(), s, infos, p); !errors.Is(err, ErrChip) {
		t.Fatal("point off the curve accepted")
	}
}

// C-01: appendix H.1, integrated mapping.
func TestC01WorkedExampleIM(t *testing.T) {
	v := vectors.Examples(t, "part11_H1_pace_ecdh_im")
	g := StandardGroup(13)
	r, err := PseudoRandom(sm.AES128, v.Hex(t, "nonce_s"), v.Hex(t, "nonce_t"), g.bits())
	if err != nil || !bytes.Equal(r, v.Hex(t, "prf_output_r")) {
		t.Fatalf("R: %X %v", r, err)
	}
	base, err := g.MapIntegrated(r)
	if err != nil || !bytes.Equal(base[1:33], v.Hex(t, "mapped_generator_x")) || !bytes.Equal(base[33:], v.Hex(t, "mapped_generator_y")) {
		t.Fatalf("generator: %X %v", base, err)
	}
	info := Info{ParameterID: -1, Version: 2, Group: g}
	info.Algorithm, _ = AlgorithmByOID(v.Text(t, "protocol_oid"))
	rand := bytes.NewReader(append(v.Hex(t, "nonce_t"), v.Hex(t, "eph_terminal_private")...))
	ch, _, err := (&Reader{Rand: rand}).Establish(context.Background(), scripted(t, v, ""), []Info{info}, CANPassword("123456"))
	if err != nil {
		t.Fatal(err)
	}
	peer, _ := sm.New(sm.AES128, v.Hex(t, "ks_enc"), v.Hex(t, "ks_mac"), v.Hex(t, "ssc_initial"))
	w, _ := ch.Wrap(iso7816.Command{INS: 0xB0, Ne: 1})
	if _, err := peer.UnwrapCommand(w); err != nil {
		t.Fatal("session keys differ")
	}
}

// C-01: ICAO Doc 9303-11 appendix H.2, integrated mapping in the 1024-bit group with AES-128.
func TestC01WorkedExampleDHIM(t *testing.T) {
	g := StandardGroup(0)
	s := unhex(t, "FA5B7E3E 49753A0D B9178B7B 9BD898C8")
	tt := unhex(t, "B3A6DB3C 870C3E99 245E0D1C 06B747DE")
	base, err := MapIntegrated(sm.AES128, g, s, tt)
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(base[:16]) != "1d7d767f11e333bcd6dbaef40e799e7a" {
		t.Fatalf("generator %x", base)
	}
	priv := unhex(t, "4BD0E547 40F9A028 E6A515BF DAF96784 8C4F5F5F FF65AA09 15947FFD 1A0DF2FA 6981271B C905F355 1457B7E0 3AC3B806 6DE4AA40 6C1171FB 43DD939C 4BA16175 103BA3DE E16419AA 248118F9 0CC36A3D 6F4C3736 52E0C3CC E7F0F1D0 C5425B36 00F0F0D6 A67F004C 8BBA33F2 B4733C72 52445C1D FC4F1107 203F71D2 EFB28161")
	pub, err := g.Public(base, priv)
	if err != nil || hex.EncodeToString(pub[:8]) != "0f0cc62945a80292" {
		t.Fatalf("public key %x %v", pub, err)
	}
	chipPub := unhex(t, "928D9A0F 9DBA450F 13FC859C 6F290D1D 36E42431 138A4378 500BEB4E 0401854C FF111F71 CB6DC1D0 335807A1 1388CC8E AA87B079 07AAD9FB A6B169AF 6D8C26AF 8DDDC39A DC3AD2E3 FF882B84 D23E9768 E95A80E4 746FB07A 9767679F E92133B4 D379935C 771BD7FB ED6C7BB4 B1708B27 5EA75679 524CDC9C 6A91370C C662A2F3")
	k, err := g.Agree(priv, chipPub)
	if err != nil {
		t.Fatal(err)
	}
	if got := sm.AES128.KDF(k, sm.CounterEnc); hex.EncodeToString(got) != "01afc10cf87be36d8179e87370171f07" {
		t.Fatalf("K_enc %x", got)
	}
	kMAC := sm.AES128.KDF(k, sm.CounterMAC)
	a, _ := AlgorithmByOID("0.4.0.127.0.7.2.2.4.3.2")
	tIC, _ := Token(a, g, kMAC, pub)
	tIFD, _ := Token(a, g, kMAC, chipPub)
	if hex.EncodeToString(tIC) != "c2f04230187e1525" || hex.EncodeToString(tIFD) != "55d61977cbf5307e" {
		t.Fatalf("tokens %x %x", tIC, tIFD)
	}
}

// C-03: ICAO Doc 9303-11 appendix I.1, chip authentication mapping.
func TestC03WorkedExampleCAM(t *testing.T) {
	info := infosOf(t, unhex(t, "3012060A 04007F00 07020204 06020201 0202010D"))
	if info[0].Mapping != CAM || !info[0].Usable() {
		t.Fatalf("%+v", info[0])
	}
	info[0].ParameterID = -1 // the printed command has no parameter reference
	s := &script{t: t, steps: [][2][]byte{
		{unhex(t, "00 22 C1 A4 0F 80 0A 04 00 7F 00 07 02 02 04 06 02 83 01 01"), {0x90, 0}},
		{unhex(t, "10 86 00 00 02 7C 00 00"), unhex(t, "7C 12 80 10 CB 60 E8 E0 D8 5B 76 A9 BD 30 47 47 C2 AD 42 E2 90 00")},
		{unhex(t, "10860000457C438141047F1D410ADB7DDB3B84BF1030800981A9105D7457B4A3ADE002384F3086C67EDE1AB889104A27DB6D842B019020FBF3CEACB0DC627F7BDCAC29969E19D0E553C100"),
			unhex(t, "7C43824104A234236AA9B9621E8EFB73B5245C0E09D2576E5277183C1208BDD55280CAE8B304F365713A356E65A451E165ECC9AC0AC46E3771342C8FE5AEDD092685338E239000")},
		{unhex(t, "10860000457C43834104446C934084D9DAB863944F219520076C29EE3F7AE6722B11FF319EC1C7728F955483400BFF60BF0C5929270009277DC2A515E12575010AD9BA916CF1BF86FEFC00"),
			unhex(t, "7C4384410402AD566F3C6EC7F9324509AD50A51FA52030782A4968FCFEDF737DAEA993333111C3B9B4C2287789BD137E7F8AA882E2A3C633CCD6ECC2C63C57AD401A09C2E19000")},
		{unhex(t, "008600000C7C0A8508E86BD06018A1CD3B00"),
			unhex(t, "7C3C86088596CF055C67C1A38A301EEA964DAAE372AC990E3EFDE6333353BFC89A6704D93DA8798CF77F5B7A54BD10CBA372B42BE0B9B5F28AA8DE2F4F929000")},
	}}
	rand := bytes.NewReader(unhex(t, "5D8BB87BD74D985A4B7D4325B9F7B976FE835122773400798914AA22738135CC76ECFDAA9841C323A3F5FC5E88B88DB3EFF7E35EBF57A7E6946CB630006C2120"))
	p := MRZPassword([]byte("C11T002JM496081222310314"))
	if hex.EncodeToString(p.Key(sm.AES128)) != "4e6f6fbf7be748b932c7b74161bba9df" {
		t.Fatal("password key")
	}
	_, res, err := (&Reader{Rand: rand}).Establish(context.Background(), s, info, p)
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(res.CAMData) != "85dc3fa93d0952bfa82f5fd189ee75bd82f11d1f0b8ed4bf5319ac9b53c426b3" {
		t.Fatalf("%x", res.CAMData)
	}
	static := unhex(t, "04 18727094 94399E74 70A6431B E25E83EE E24FEA56 8C2ED28D B48E05DB 3A610DC8 84D256A4 0E35EFCB 59BF6753 D3A489D2 8C7A4D97 3C2DA138 A6E7A4A0 8F68E16F")
	c := Curve(info[0].Group)
	if err := VerifyCAM(c, res.CAMData, static, res.MappingKey); err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(res.CAMData)
	bad[3] ^= 1
	if VerifyCAM(c, bad, static, res.MappingKey) == nil || VerifyCAM(c, res.CAMData, c.Encode(c.Generator()), res.MappingKey) == nil {
		t.Fatal("false chip authentication data accepted")
	}
}
