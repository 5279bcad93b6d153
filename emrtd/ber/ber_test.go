package ber

import (
	"bytes"
	"errors"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is encoded reads back, for any content length.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.Byte(), 0, 70000).Draw(t, "value")
		e, err := ParseExact(Encode(OctetString, v))
		if err != nil || !bytes.Equal(e.Content, v) {
			t.Fatal(err)
		}
		n := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "integer"))
		e, err = ParseExact(EncodeBig(n))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.BigInt(); err != nil || got.Cmp(n) != 0 {
			t.Fatalf("%v %v", got, err)
		}
	})
}

func TestOID(t *testing.T) {
	for _, s := range []string{"1.2.840.113549.1.7.2", "2.23.136.1.1.1", "0.4.0.127.0.7.2.2.4.2.2", "2.999.1", "2.16.840.1.101.3.4.2.1"} {
		e, err := ParseExact(EncodeOID(s))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.OIDString(); err != nil || got != s {
			t.Errorf("%s: %s %v", s, got, err)
		}
	}
}

func TestTime(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		tag  uint16
		text string
		want time.Time
	}{
		{UTCTime, "131216214318Z", at("2013-12-16T21:43:18Z")},
		{UTCTime, "491231235959Z", at("2049-12-31T23:59:59Z")},
		{UTCTime, "500101000000Z", at("1950-01-01T00:00:00Z")},
		{UTCTime, "680101000000Z", at("1968-01-01T00:00:00Z")},
		{UTCTime, "1312162143Z", at("2013-12-16T21:43:00Z")},
		{UTCTime, "131216214318+0100", at("2013-12-16T20:43:18Z")},
		{GeneralizedTime, "20510520000000Z", at("2051-05-20T00:00:00Z")},
	} {
		e, err := ParseExact(Encode(c.tag, []byte(c.text)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Time(); err != nil || !got.Equal(c.want) {
			t.Errorf("%s: %v %v", c.text, got, err)
		}
	}
	for _, d := range []string{"2049-06-01T12:00:00Z", "2050-06-01T12:00:00Z"} {
		e, err := ParseExact(EncodeTime(at(d)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Time(); err != nil || !got.Equal(at(d)) {
			t.Errorf("%s: %v %v", d, got, err)
		}
	}
}

// Indefinite lengths and strings in parts, as issuers of CMS use them.
func TestIndefinite(t *testing.T) {
	b := []byte{0x30, 0x80, 0x24, 0x80, 0x04, 0x02, 1, 2, 0x04, 0x01, 3, 0, 0, 0, 0, 0xAA}
	e, rest, err := Parse(b)
	if err != nil || !e.Indefinite || !bytes.Equal(rest, []byte{0xAA}) || len(e.Raw) != len(b)-1 {
		t.Fatal(err)
	}
	k, err := e.Children()
	if err != nil || len(k) != 1 {
		t.Fatal(err)
	}
	if v, err := k[0].Octets(); err != nil || !bytes.Equal(v, []byte{1, 2, 3}) {
		t.Errorf("% X %v", v, err)
	}
}

// C-10: depth and length are capped.
func TestC10Limits(t *testing.T) {
	if _, _, err := Parse(bytes.Repeat([]byte{0x30, 0x80}, MaxDepth+5)); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if _, _, err := Parse([]byte{0x04, 0x84, 0x7F, 0xFF, 0xFF, 0xFF}); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if _, _, err := Parse([]byte{0x04, 0x82, 0x01, 0x00, 1}); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
}

func FuzzC10Parse(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 0x04, 0x02, 1, 2, 0x04, 0x01, 3, 0, 0, 0, 0})
	f.Add(EncodeOID("2.23.136.1.1.1"))
	f.Add(EncodeTime(time.Unix(0, 0)))
	f.Add([]byte{0x7F, 0x61, 0x03, 0x02, 0x01, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, rest, err := Parse(b)
		if err != nil {
			return
		}
		if len(e.Raw)+len(rest) != len(b) {
			t.Error("bytes lost")
		}
		_, _ = e.Octets()
		_, _ = e.Bits()
		_, _ = e.BigInt()
		_, _ = e.OIDString()
		_, _ = e.Time()
		_, _ = e.Children()
	})
}
