package tlv

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestHeader(t *testing.T) {
	for _, x := range []struct {
		in        []byte
		tag       uint32
		n, header int
		err       error
	}{
		{[]byte{0x61, 0x5B, 1}, 0x61, 0x5B, 2, nil},
		{[]byte{0x77, 0x82, 0x07, 0x8A}, 0x77, 0x78A, 4, nil},
		{[]byte{0x7F, 0x61, 0x81, 0x80}, 0x7F61, 0x80, 4, nil},
		{[]byte{0x75, 0x84, 0x7F, 0xFF, 0xFF, 0xFF}, 0x75, 0, 6, ErrLimit},
		{[]byte{0x75, 0x80}, 0, 0, 0, ErrFormat},
		{[]byte{0x75, 0x85, 1, 1, 1, 1, 1}, 0, 0, 0, ErrFormat},
		{[]byte{0x7F, 0xFF, 0xFF, 1}, 0, 0, 0, ErrFormat},
		{[]byte{0x75}, 0, 0, 0, ErrTruncated}, {nil, 0, 0, 0, ErrTruncated}, {[]byte{0x75, 0x82, 1}, 0, 0, 0, ErrTruncated},
	} {
		tag, n, h, err := Header(x.in, 1<<20)
		if !errors.Is(err, x.err) || err == nil && (tag != x.tag || n != x.n || h != x.header) {
			t.Errorf("%X: %X %d %d %v", x.in, tag, n, h, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tag := rapid.SampledFrom([]uint32{0x04, 0x7C, 0x7F49, 0x5F1F}).Draw(t, "tag")
		v := rapid.SliceOfN(rapid.Byte(), 0, 70000).Draw(t, "value")
		o, rest, err := Read(append(Encode(tag, v), 0xAA))
		if err != nil || o.Tag != tag || !bytes.Equal(o.Value, v) || len(rest) != 1 {
			t.Fatal(err)
		}
	})
}

// C-10
func FuzzList(f *testing.F) {
	f.Add(Encode(0x7C, Encode(0x80, []byte{1, 2, 3})))
	f.Add([]byte{0x87, 0x09, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x99, 2, 0x90, 0, 0x8E, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := List(b)
		if err == nil {
			n := 0
			for _, o := range l {
				n += len(o.Raw)
			}
			if n != len(b) {
				t.Fatal("bytes lost")
			}
		}
		Find(b, 0x7C, 0x80)
	})
}
