package bac

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"egate/emrtd/internal/vectors"
	"egate/emrtd/iso7816"
	"egate/emrtd/sm"
)

// C-01: ICAO Doc 9303-11 appendix D.1 to D.3, byte for byte.
func TestC01WorkedExampleBAC(t *testing.T) {
	v := vectors.Examples(t, "part11_D1_D3_bac")
	seed := KeySeed([]byte(v.Text(t, "mrz_information")))
	k := DeriveKeys(seed)
	if !bytes.Equal(seed, v.Hex(t, "kseed")) || !bytes.Equal(k.Enc, v.Hex(t, "k_enc")) || !bytes.Equal(k.MAC, v.Hex(t, "k_mac")) {
		t.Fatal("keys")
	}
	run := func(answer []byte) (*sm.Session, error) {
		tx := iso7816.TransmitterFunc(func(_ context.Context, c iso7816.Command) (iso7816.Response, error) {
			b, _ := c.Bytes()
			switch {
			case bytes.Equal(b, v.Hex(t, "get_challenge_command")):
				return iso7816.ParseResponse(v.Hex(t, "get_challenge_response"))
			case bytes.Equal(b, v.Hex(t, "external_authenticate_command")):
				return iso7816.ParseResponse(answer)
			}
			t.Fatalf("command %X", b)
			return iso7816.Response{}, nil
		})
		return Establish(context.Background(), tx, k, bytes.NewReader(append(v.Hex(t, "rnd_ifd"), v.Hex(t, "k_ifd")...)))
	}
	s, err := run(v.Hex(t, "external_authenticate_response"))
	if err != nil {
		t.Fatal(err)
	}
	peer, err := sm.New(sm.TDES, v.Hex(t, "ks_enc"), v.Hex(t, "ks_mac"), v.Hex(t, "ssc_initial"))
	if err != nil {
		t.Fatal(err)
	}
	w, _ := s.Wrap(iso7816.Command{INS: 0xB0, Ne: 4})
	if _, err := peer.UnwrapCommand(w); err != nil {
		t.Fatal("session keys differ")
	}
	for i := range 40 * 8 {
		a := v.Hex(t, "external_authenticate_response")
		a[i/8] ^= 1 << (i % 8)
		if _, err := run(a); !errors.Is(err, ErrChip) {
			t.Fatalf("bit %d accepted: %v", i, err)
		}
	}
	out, _, err := Answer(k, v.Hex(t, "rnd_ic"), v.Hex(t, "external_authenticate_command")[5:45], v.Hex(t, "k_ic"))
	if err != nil || !bytes.Equal(append(out, 0x90, 0), v.Hex(t, "external_authenticate_response")) {
		t.Fatalf("card side: %X %v", out, err)
	}
}

func TestRefusals(t *testing.T) {
	for sw, wrong := range map[iso7816.SW]bool{0x6300: true, 0x63C2: true, 0x6982: true, 0x6A88: false, 0x6D00: false, 0x6FFF: false} {
		tx := iso7816.TransmitterFunc(func(_ context.Context, c iso7816.Command) (iso7816.Response, error) {
			if c.INS == iso7816.INSGetChallenge {
				return iso7816.Response{Data: make([]byte, 8), SW: 0x9000}, nil
			}
			return iso7816.Response{SW: sw}, nil
		})
		_, err := Establish(context.Background(), tx, DeriveKeys(make([]byte, 16)), nil)
		if errors.Is(err, ErrPassword) != wrong || err == nil {
			t.Errorf("%s: %v", sw, err)
		}
	}
}
