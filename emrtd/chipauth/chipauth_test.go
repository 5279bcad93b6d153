package chipauth

import (
	"context"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"egate/emrtd/ber"
	"egate/emrtd/internal/vectors"
	"egate/emrtd/iso7816"
	"egate/emrtd/lds"
	"egate/emrtd/pace"
	"egate/emrtd/sm"
	"egate/emrtd/tlv"
)

// bsi returns the static key of the BSI data set and its private scalar.
func bsi(t testing.TB) (Key, []byte) {
	t.Helper()
	d := filepath.Join(vectors.Dir(t), "bsi-tr03105-5")
	dg14, err := os.ReadFile(filepath.Join(d, "Datagroup14.bin"))
	if err != nil {
		t.Fatal(err)
	}
	infos, err := lds.ParseDG14(dg14)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParseKeys(infos)
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	p8, err := os.ReadFile(filepath.Join(d, "DG14_sk.pkcs8"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := ber.ParseExact(p8)
	if err != nil {
		t.Fatal(err)
	}
	k, _ := e.Children()
	inner, err := ber.ParseExact(k[2].Content)
	if err != nil {
		t.Fatal(err)
	}
	k, _ = inner.Children()
	return keys[0], k[1].Content
}

// card answers the protocol with a private key, in the form it knows.
func card(t testing.TB, k Key, priv []byte, form string, ch **sm.Session) iso7816.Transmitter {
	var chain []byte
	return iso7816.TransmitterFunc(func(_ context.Context, c iso7816.Command) (iso7816.Response, error) {
		if c.INS == iso7816.INSManageSecurity && c.Ne != 0 {
			t.Error("MSE with an expected length")
		}
		answer := func(pub []byte) (iso7816.Response, error) {
			s, err := Answer(k.Group, k.Suite, priv, pub)
			if err != nil {
				return iso7816.Response{SW: iso7816.SWWrongData}, nil
			}
			*ch = s
			return iso7816.Response{SW: iso7816.SWOK}, nil
		}
		switch {
		case c.INS == iso7816.INSManageSecurity && c.P2 == 0xA6:
			if form != "kat" {
				return iso7816.Response{SW: 0x6A80}, nil
			}
			pub, _ := tlv.Find(c.Data, 0x91)
			return answer(pub)
		case c.INS == iso7816.INSManageSecurity && c.P2 == 0xA4:
			if form == "kat" || form == "none" {
				return iso7816.Response{SW: 0x6985}, nil
			}
			return iso7816.Response{SW: iso7816.SWOK}, nil
		case c.INS == iso7816.INSGeneralAuth:
			if form == "chained" && c.CLA == 0 && len(chain) == 0 {
				return iso7816.Response{SW: iso7816.SWWrongLength}, nil
			}
			chain = append(chain, c.Data...)
			if c.CLA&iso7816.CLAChain != 0 {
				return iso7816.Response{SW: iso7816.SWOK}, nil
			}
			pub, ok := tlv.Find(chain, 0x7C, 0x80)
			if !ok {
				return iso7816.Response{SW: 0x6A80}, nil
			}
			return answer(pub)
		}
		return iso7816.Response{SW: 0x6D00}, nil
	})
}

func sameChannel(reader, chip *sm.Session) bool {
	w, err := reader.Wrap(iso7816.Command{INS: 0xB0, Ne: 4})
	if err != nil {
		return false
	}
	_, err = chip.UnwrapCommand(w)
	return err == nil
}

// C-03: the BSI key pair (explicit brainpoolP224r1, 3DES, no key id) by every form of the protocol; a
// wrong private key gives another channel.
func TestC03BSIChipAuthentication(t *testing.T) {
	k, priv := bsi(t)
	if k.Group.Name() != "brainpoolP224r1" || k.Suite != sm.TDES || k.ID != nil || k.Version != 1 || len(k.Deviations) != 0 {
		t.Fatalf("%+v", k)
	}
	other, _, err := pace.Curve(k.Group).GenerateKey(zero{7})
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"kat", "at", "chained"} {
		for _, genuine := range []bool{true, false} {
			key := priv
			if !genuine {
				key = other
			}
			p, err := Prepare(k, nil)
			if err != nil {
				t.Fatal(err)
			}
			var ch *sm.Session
			limit := 0
			if form == "chained" {
				limit = 40
			}
			s, err := Run(context.Background(), card(t, k, key, form, &ch), k, p, limit)
			if err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			if sameChannel(s, ch) != genuine {
				t.Errorf("%s: genuine %v", form, genuine)
			}
		}
	}
	var ch *sm.Session
	p, _ := Prepare(k, nil)
	if _, err := Run(context.Background(), card(t, k, priv, "none", &ch), k, p, 0); !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
}

type zero struct{ b byte }

func (z zero) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = z.b
	}
	return len(p), nil
}

func info(oid string, parts ...[]byte) []byte {
	return ber.Encode(ber.Sequence, append([][]byte{ber.EncodeOID(oid)}, parts...)...)
}

func spki(t testing.TB, id int) []byte {
	g := pace.StandardGroup(id)
	_, pub, err := g.GenerateKey(zero{5}, g.Base())
	if err != nil {
		t.Fatal(err)
	}
	if pace.Curve(g) == nil {
		pub = ber.EncodeBig(new(big.Int).SetBytes(pub))
	}
	return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.1.2"), ber.EncodeInt(int64(id))), ber.EncodeBits(pub))
}

func TestParseKeys(t *testing.T) {
	v1 := ber.EncodeInt(1)
	parse := func(der ...[]byte) ([]Key, error) {
		l, err := lds.ParseSecurityInfos(ber.Encode(ber.Set, der...))
		if err != nil {
			t.Fatal(err)
		}
		return ParseKeys(l)
	}
	// Two keys joined with their protocols by identifier, the strongest cipher first.
	k, err := parse(info(lds.OIDPKECDH, spki(t, 13), ber.EncodeInt(1)), info(lds.OIDPKDH, spki(t, 2), ber.EncodeInt(2)),
		info(lds.OIDCAECDH+".2", v1, ber.EncodeInt(1)), info(lds.OIDCADH+".4", v1, ber.EncodeInt(2)))
	if err != nil || len(k) != 2 || k[0].Suite != sm.AES256 || k[0].ECDH || k[0].ID.Int64() != 2 || k[1].Group.Name() != "brainpoolP256r1" {
		t.Fatalf("%+v %v", k, err)
	}
	// A key without a protocol: 3DES is assumed, and said.
	k, err = parse(info(lds.OIDPKECDH, spki(t, 12)))
	if err != nil || k[0].Suite != sm.TDES || len(k[0].Deviations) != 1 {
		t.Fatalf("%+v %v", k, err)
	}
	// Announced with unknown parameters: not the same as not announced.
	bad := ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.1.2"), ber.EncodeInt(99)), ber.EncodeBits([]byte{4}))
	if _, err = parse(info(lds.OIDPKECDH, bad), info(lds.OIDCAECDH+".2", v1)); !errors.Is(err, ErrUnsupported) {
		t.Fatal(err)
	}
	if _, err = parse(info("0.4.0.127.0.7.2.2.4.2.2", ber.EncodeInt(2), ber.EncodeInt(13))); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
	// A protocol without a key.
	if _, err = parse(info(lds.OIDCAECDH+".2", v1)); !errors.Is(err, ErrUnsupported) {
		t.Fatal(err)
	}
}

// C-10
func FuzzParseKeys(f *testing.F) {
	f.Add(ber.Encode(ber.Set, info(lds.OIDPKECDH, spki(f, 13), ber.EncodeInt(1)), info(lds.OIDCAECDH+".2", ber.EncodeInt(1), ber.EncodeInt(1))))
	f.Add(ber.Encode(ber.Set, info(lds.OIDPKDH, spki(f, 0)), info(lds.OIDCADH+".1", ber.EncodeInt(1))))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := lds.ParseSecurityInfos(b)
		if err != nil {
			return
		}
		k, err := ParseKeys(l)
		if err == nil && len(k) == 0 {
			t.Fatal("no key and no error")
		}
		if err == nil && pace.Curve(k[0].Group) != nil {
			if p, err := Prepare(k[0], nil); err == nil {
				p.Wipe()
			}
		}
	})
}
