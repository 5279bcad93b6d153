package frame

import (
	"bytes"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

func decode(d *Decoder, b []byte) (out []Frame, bad int) {
	for _, c := range b {
		f, ok, wrong := d.Push(c)
		if ok {
			f.Data = bytes.Clone(f.Data)
			out = append(out, f)
		}
		if wrong {
			bad++
		}
	}
	return out, bad
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// Frames as in UM0701-02: GetFirmwareVersion, its answer (PN532 1.6), SAMConfiguration, ACK, NACK, error.
func TestKnownFrames(t *testing.T) {
	for _, c := range []struct {
		raw  string
		kind Kind
		tfi  byte
		data string
	}{
		{"0000ff02fed4022a00", Info, 0xD4, "02"},
		{"0000ff06fad50332010607e800", Info, 0xD5, "0332010607"},
		{"0000ff05fbd4140114010200", Info, 0xD4, "14011401"},
		{"0000ff00ff00", Ack, 0, ""},
		{"0000ffff0000", Nack, 0, ""},
		{"0000ff01ff7f8100", Error, 0, ""},
	} {
		got, bad := decode(new(Decoder), unhex(c.raw))
		if bad != 0 || len(got) != 1 || got[0].Kind != c.kind || got[0].TFI != c.tfi || hex.EncodeToString(got[0].Data) != c.data {
			t.Errorf("%s: %+v, %d bad", c.raw, got, bad)
		}
		if c.kind == Info {
			if b, err := Append(nil, c.tfi, unhex(c.data)); err != nil || hex.EncodeToString(b) != c.raw {
				t.Errorf("%x %v, want %s", b, err, c.raw)
			}
		}
	}
}

func TestExtended(t *testing.T) {
	for n := 250; n <= MaxLen; n++ {
		b, err := Append(nil, ToPN532, bytes.Repeat([]byte{0xFF}, n-1))
		if err != nil {
			t.Fatal(err)
		}
		if ext := b[3] == 0xFF && b[4] == 0xFF; ext != (n > 255) {
			t.Errorf("%d: extended %v", n, ext)
		}
		got, bad := decode(new(Decoder), b)
		if bad != 0 || len(got) != 1 || len(got[0].Data) != n-1 {
			t.Fatalf("%d: %d frames, %d bad", n, len(got), bad)
		}
	}
	if _, err := Append(nil, ToPN532, make([]byte, MaxLen)); err == nil {
		t.Error("frame beyond its cap")
	}
	// An announced length beyond the cap is refused at its length bytes.
	if got, bad := decode(new(Decoder), unhex("0000ffffff8000"+"80")); len(got) != 0 || bad != 1 {
		t.Error(got, bad)
	}
}

// After any noise that ends, two frames in a row: the second is always found (the first may serve as
// the rest of a frame that the noise began), unless the noise announced more bytes than both have.
func TestResynchronises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := new(Decoder)
		noise := rapid.SliceOfN(rapid.SampledFrom([]byte{0x00, 0xFF, 0x01, 0x02, 0xFE, 0xD5, 0x55}), 0, 60).Draw(t, "noise")
		decode(d, noise)
		want, _ := Append(nil, FromPN532, rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "data"))
		var all []byte
		for len(all) < 3*MaxLen {
			all = append(all, want...)
		}
		got, _ := decode(d, all)
		if len(got) == 0 {
			t.Fatal("never found again")
		}
		if b, _ := Append(nil, got[len(got)-1].TFI, got[len(got)-1].Data); !bytes.Equal(b, want) {
			t.Fatalf("% x", b)
		}
	})
}

// One changed bit is never taken for the frame that was sent.
func TestBitErrors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 1, MaxLen-1).Draw(t, "data")
		b, _ := Append(nil, FromPN532, data)
		i := rapid.IntRange(3, len(b)-2).Draw(t, "byte")
		b[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		got, _ := decode(new(Decoder), b)
		for _, f := range got {
			if f.Kind == Info && (f.TFI == FromPN532 && len(f.Data) == len(data)) {
				t.Fatalf("accepted % x", f.Data)
			}
		}
	})
}

func FuzzDecoder(f *testing.F) {
	for _, s := range []string{"0000ff02fed4022a00", "0000ff06fad50332010607e800", "0000ff00ff00", "0000ffff0000", "0000ff01ff7f8100", "0000ffffff010906d541", "5555000000"} {
		f.Add(unhex(s))
	}
	long, _ := Append(nil, FromPN532, bytes.Repeat([]byte{0x41}, 264))
	f.Add(long)
	f.Fuzz(func(t *testing.T, b []byte) {
		d := new(Decoder)
		got, _ := decode(d, b)
		if cap(d.buf) > 2*MaxLen {
			t.Fatal("buffer beyond its cap")
		}
		for _, fr := range got {
			if fr.Kind != Info {
				continue
			}
			again, err := Append(nil, fr.TFI, fr.Data)
			if err != nil {
				t.Fatal(err)
			}
			back, bad := decode(new(Decoder), again)
			if bad != 0 || len(back) != 1 || !bytes.Equal(back[0].Data, fr.Data) {
				t.Fatal("does not survive a round trip")
			}
		}
	})
}
