package sm

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"egate/emrtd/internal/vectors"
	"egate/emrtd/iso7816"
)

// C-01: ICAO Doc 9303-11 appendix D.4.
func TestC01WorkedExampleD4(t *testing.T) {
	v := vectors.Examples(t, "part11_D4_secure_messaging")
	s, err := New(TDES, v.Hex(t, "ks_enc"), v.Hex(t, "ks_mac"), v.Hex(t, "ssc_start"))
	if err != nil {
		t.Fatal(err)
	}
	card, _ := New(TDES, v.Hex(t, "ks_enc"), v.Hex(t, "ks_mac"), v.Hex(t, "ssc_start"))
	for _, x := range v.List(t, "exchanges") {
		plain, err := iso7816.ParseCommand(x.Hex(t, "command_plain"))
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.Wrap(plain)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := w.Bytes()
		if !bytes.Equal(b, x.Hex(t, "command_protected")) {
			t.Fatalf("%s: command %X", x["id"], b)
		}
		u, err := card.UnwrapCommand(w)
		if err != nil {
			t.Fatal(err)
		}
		if ub, _ := u.Bytes(); !bytes.Equal(ub, x.Hex(t, "command_plain")) {
			t.Fatalf("%s: card saw %X", x["id"], ub)
		}
		cr, err := card.WrapResponse(iso7816.Response{Data: x.Hex(t, "response_data"), SW: iso7816.SWOK})
		if err != nil || !bytes.Equal(cr.Bytes(), x.Hex(t, "response_protected")) {
			t.Fatalf("%s: card answered %X", x["id"], cr.Bytes())
		}
		r, err := iso7816.ParseResponse(x.Hex(t, "response_protected"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Unwrap(r)
		if err != nil || !bytes.Equal(got.Bytes(), x.Hex(t, "response_plain")) {
			t.Fatalf("%s: answer %X %v", x["id"], got.Bytes(), err)
		}
	}
}

func TestRetailMACExtra(t *testing.T) {
	v := vectors.Examples(t, "iso9797_alg3_extra")
	m, err := NewMAC(TDES, v.Hex(t, "key"))
	if err != nil {
		t.Fatal(err)
	}
	got := m.retail(false, [][]byte{[]byte(v.Text(t, "message_ascii"))})
	if !bytes.Equal(got[:], v.Hex(t, "mac")) {
		t.Fatalf("%X", got)
	}
}

// AES-CMAC examples of NIST SP 800-38B, truncated.
func TestCMACExamples(t *testing.T) {
	key, _ := hex.DecodeString("2b7e151628aed2a6abf7158809cf4f3c")
	msg, _ := hex.DecodeString("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	m, err := NewMAC(AES128, key)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{0: "bb1d6929e9593728", 16: "070a16b46b4d4144", 40: "dfa66747de9ae630", 64: "51f0bebf7e3b9d92"} {
		got := m.Sum(msg[:n/2], msg[n/2:n])
		if hex.EncodeToString(got[:]) != want {
			t.Errorf("%d bytes: %x", n, got)
		}
	}
}

func pair(t interface{ Fatal(...any) }, s Suite) (reader, card *Session) {
	secret := make([]byte, 32)
	rand.Read(secret)
	a, err := FromSecret(s, secret)
	if err != nil {
		t.Fatal(err)
	}
	b, err := FromSecret(s, secret)
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// C-01: every suite carries every kind of command both ways.
func TestC01RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		suite := Suite(rapid.IntRange(int(TDES), int(AES256)).Draw(t, "suite"))
		r, c := pair(t, suite)
		for range rapid.IntRange(1, 5).Draw(t, "exchanges") {
			cmd := iso7816.Command{INS: rapid.SampledFrom([]byte{0xA4, 0xB0, 0xB1, 0x86, 0x88}).Draw(t, "ins"),
				Data: rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "data"), Ne: rapid.SampledFrom([]int{0, 1, 223, 256, 257, 65536}).Draw(t, "ne")}
			w, err := r.Wrap(cmd)
			if err != nil {
				t.Fatal(err)
			}
			b, err := w.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			w2, err := iso7816.ParseCommand(b)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.UnwrapCommand(w2)
			if err != nil || !bytes.Equal(got.Data, cmd.Data) || got.Ne != cmd.Ne || got.INS != cmd.INS || got.CLA != 0 {
				t.Fatalf("%+v became %+v: %v", cmd, got, err)
			}
			ans := iso7816.Response{Data: rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "answer"), SW: rapid.SampledFrom([]iso7816.SW{0x9000, 0x6282, 0x6A82}).Draw(t, "sw")}
			p, err := c.WrapResponse(ans)
			if err != nil {
				t.Fatal(err)
			}
			back, err := r.Unwrap(p)
			if err != nil || !bytes.Equal(back.Data, ans.Data) || back.SW != ans.SW {
				t.Fatalf("answer %v", err)
			}
		}
	})
}

// Any change of one bit of a protected answer ends the channel.
func TestAlteredAnswerEndsTheChannel(t *testing.T) {
	for s := TDES; s <= AES256; s++ {
		for i := 0; ; i++ {
			r, c := pair(t, s)
			w, _ := r.Wrap(iso7816.Command{INS: 0xB0, Ne: 20})
			c.UnwrapCommand(w)
			p, _ := c.WrapResponse(iso7816.Response{Data: []byte("twenty bytes of plain"), SW: iso7816.SWOK})
			if i == len(p.Data)*8 {
				break
			}
			p.Data[i/8] ^= 1 << (i % 8)
			if got, err := r.Unwrap(p); err == nil || len(got.Data) != 0 {
				t.Fatalf("%s: bit %d accepted", s, i)
			}
			if !r.Dead() {
				t.Fatal("channel lives")
			}
			if _, err := r.Wrap(iso7816.Command{INS: 0xB0, Ne: 1}); !errors.Is(err, ErrDead) {
				t.Fatal(err)
			}
		}
	}
}

func TestReplayAndBareAnswers(t *testing.T) {
	r, c := pair(t, AES128)
	w, _ := r.Wrap(iso7816.Command{INS: 0xB0, Ne: 4})
	c.UnwrapCommand(w)
	p, _ := c.WrapResponse(iso7816.Response{Data: []byte{1, 2, 3, 4}, SW: iso7816.SWOK})
	again := iso7816.Response{Data: bytes.Clone(p.Data), SW: p.SW}
	if _, err := r.Unwrap(p); err != nil {
		t.Fatal(err)
	}
	r.Wrap(iso7816.Command{INS: 0xB0, Ne: 4})
	if _, err := r.Unwrap(again); !errors.Is(err, ErrMAC) {
		t.Fatal("replayed answer accepted")
	}
	for _, bare := range []iso7816.Response{{SW: 0x6A82}, {SW: 0x9000}, {Data: []byte{0x99, 2, 0x90, 0}, SW: 0x9000}} {
		r, _ := pair(t, AES128)
		r.Wrap(iso7816.Command{INS: 0xB0, Ne: 4})
		if _, err := r.Unwrap(bare); !errors.Is(err, ErrUnprotected) || !r.Dead() {
			t.Fatal(err)
		}
	}
}

func TestMaxData(t *testing.T) {
	for s := TDES; s <= AES256; s++ {
		for _, nr := range []int{20, 64, 100, 127, 128, 129, 130, 131, 144, 200, 255, 256, 257, 258, 259, 260, 261, 1000, 65536} {
			n := s.MaxData(nr)
			for _, d := range []int{n, n + 1} {
				_, c := pair(t, s)
				p, _ := c.WrapResponse(iso7816.Response{Data: make([]byte, d), SW: iso7816.SWOK})
				if d == n && n > 0 && len(p.Data) > nr {
					t.Errorf("%s: %d plain bytes make %d, more than %d", s, d, len(p.Data), nr)
				}
				// One more byte must not fit, but for the steps of the length field.
				if d == n+1 && len(p.Data) <= nr-2 && nr > 40 {
					t.Errorf("%s: %d plain bytes would fit %d", s, d, nr)
				}
			}
		}
	}
}

// C-10
func FuzzUnwrap(f *testing.F) {
	f.Add([]byte{0x99, 2, 0x90, 0, 0x8E, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{0x87, 0x11, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0x99, 2, 0x90, 0, 0x8E, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		for s := TDES; s <= AES256; s++ {
			r, err := New(s, make([]byte, s.KeySize()), make([]byte, s.KeySize()), make([]byte, s.BlockSize()))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Unwrap(iso7816.Response{Data: bytes.Clone(b), SW: 0x9000}); err == nil {
				t.Fatal("forged answer accepted")
			}
			r, _ = New(s, make([]byte, s.KeySize()), make([]byte, s.KeySize()), make([]byte, s.BlockSize()))
			r.UnwrapCommand(iso7816.Command{CLA: 0x0C, INS: 0xB0, Data: bytes.Clone(b)})
		}
	})
}

// An answer whose code verifies but which lacks its status, or whose padding is longer than a block, is not taken.
func TestAuthenticButMalformed(t *testing.T) {
	for _, suite := range []Suite{TDES, AES128, AES256} {
		pair := func() (reader, card *Session) {
			enc, mac, ssc := make([]byte, suite.KeySize()), make([]byte, suite.KeySize()), make([]byte, suite.BlockSize())
			rand.Read(enc)
			rand.Read(mac)
			var err error
			if reader, err = New(suite, enc, mac, ssc); err != nil {
				t.Fatal(err)
			}
			if card, err = New(suite, enc, mac, ssc); err != nil {
				t.Fatal(err)
			}
			return reader, card
		}
		sealed := func(card *Session, objects []byte) iso7816.Response {
			m := card.sum(nil, objects)
			return iso7816.Response{Data: append(append(bytes.Clone(objects), doMAC, 8), m[:]...), SW: iso7816.SWOK}
		}
		status := []byte{doStatus, 2, 0x90, 0}
		bs := suite.BlockSize()
		for name, objects := range map[string]func(card *Session) []byte{
			"no status": func(card *Session) []byte { return card.appendData(nil, []byte("data")) },
			"padding of two blocks": func(card *Session) []byte {
				plain := append([]byte("data"), append([]byte{0x80}, make([]byte, 2*bs-5)...)...)
				card.encryptBlocks(plain)
				return append(append([]byte{doData, byte(len(plain) + 1), 1}, plain...), status...)
			},
			"no padding": func(card *Session) []byte {
				plain := bytes.Repeat([]byte{7}, bs)
				card.encryptBlocks(plain)
				return append(append([]byte{doData, byte(len(plain) + 1), 1}, plain...), status...)
			},
			"nothing but zeros": func(card *Session) []byte {
				plain := make([]byte, bs)
				card.encryptBlocks(plain)
				return append(append([]byte{doData, byte(len(plain) + 1), 1}, plain...), status...)
			},
		} {
			reader, card := pair()
			reader.step()
			card.step()
			card.step()
			if _, err := reader.Unwrap(sealed(card, objects(card))); !errors.Is(err, ErrFormat) || !reader.Dead() {
				t.Errorf("%v, %s: %v", suite, name, err)
			}
		}
		reader, card := pair()
		reader.step()
		card.step()
		card.step()
		if r, err := reader.Unwrap(sealed(card, append(card.appendData(nil, []byte("data")), status...))); err != nil || string(r.Data) != "data" {
			t.Errorf("%v: %v", suite, err)
		}
	}
}
