package iso7816

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func TestEncodings(t *testing.T) {
	for _, x := range []struct {
		c    Command
		want string
	}{
		{Command{INS: INSSelect, P1: 2, P2: 0x0C, Data: []byte{1, 0x1E}}, "00a4020c02011e"},
		{Command{INS: INSReadBinary, Ne: 4}, "00b0000004"},
		{Command{INS: INSReadBinary, Ne: 256}, "00b0000000"},
		{Command{INS: INSReadBinary, Ne: 257}, "00b00000000101"},
		{Command{INS: INSReadBinary, Ne: 65536}, "00b00000000000"},
		{Command{CLA: 0x10, INS: INSGeneralAuth, Data: []byte{0x7c, 0}, Ne: 256}, "10860000027c0000"},
		{Command{INS: INSManageSecurity, Data: []byte{1}, Ne: 300}, "00220000000001" + "01" + "012c"},
		{Command{INS: 1}, "00010000"},
	} {
		b, err := x.c.Bytes()
		if err != nil || hex.EncodeToString(b) != x.want {
			t.Errorf("%x, want %s (%v)", b, x.want, err)
		}
		d, err := ParseCommand(b)
		if err != nil || d.Ne != x.c.Ne || !bytes.Equal(d.Data, x.c.Data) || d.INS != x.c.INS {
			t.Errorf("%x: parsed %+v %v", b, d, err)
		}
	}
}

func TestEmptyAnswer(t *testing.T) {
	for _, b := range [][]byte{nil, {}, {0x90}} {
		if _, err := ParseResponse(b); err != ErrEmpty {
			t.Errorf("%x: %v", b, err)
		}
	}
}

// C-10
func FuzzParseCommand(f *testing.F) {
	for _, s := range []string{"00a4020c02011e", "00b0000004", "00b00000000000", "0022c1a40f800a04007f00070202040202830101", "002200000000010101"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCommand(b)
		if err != nil {
			return
		}
		e, err := c.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		d, err := ParseCommand(e)
		if err != nil || !bytes.Equal(c.Data, d.Data) || c.Ne != d.Ne {
			t.Fatalf("%x became %x", b, e)
		}
	})
}
