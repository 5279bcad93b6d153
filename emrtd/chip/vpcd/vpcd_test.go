package vpcd

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"egate/emrtd/chip"
	"egate/emrtd/issue"
)

func testChip(t *testing.T) *chip.Chip {
	t.Helper()
	a, err := issue.NewAuthority("UTO", rand.Reader, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Personalise(issue.Profile{Number: "X1", Surname: "MUSTER", Nationality: "UTO", BirthDate: "1990-01-01",
		Expiry: "2030-01-01", Portrait: []byte{0xFF, 0xD8, 0xFF, 0xE0, 0}, Access: issue.AccessPACE})
	if err != nil {
		t.Fatal(err)
	}
	return chip.New(p, chip.Options{})
}

// The protocol as vpcd speaks it: power, ATR, an APDU, a reset; then vpcd goes away.
func TestRun(t *testing.T) {
	vpcd, card := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- Run(context.Background(), card, testChip(t)) }()
	write := func(b ...byte) {
		t.Helper()
		if _, err := vpcd.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)); err != nil {
			t.Fatal(err)
		}
	}
	read := func() []byte {
		t.Helper()
		var n [2]byte
		if _, err := io.ReadFull(vpcd, n[:]); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, binary.BigEndian.Uint16(n[:]))
		if _, err := io.ReadFull(vpcd, b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	write(ctrlOn)
	write(ctrlATR)
	atr := read()
	var check byte
	for _, b := range atr[1:] {
		check ^= b
	}
	if atr[0] != 0x3B || check != 0 {
		t.Errorf("ATR % X", atr)
	}
	write(0xFF, 0xCA, 0x01, 0x00, 0x00)
	if got := read(); !bytes.Equal(got, []byte{0x6E, 0x00}) {
		t.Errorf("pseudo APDU: % X", got)
	}
	write(0x00, 0xA4, 0x02, 0x0C, 0x02, 0x01, 0x1C)
	if got := read(); !bytes.Equal(got, []byte{0x90, 0x00}) {
		t.Errorf("select EF.CardAccess: % X", got)
	}
	write(ctrlReset)
	write(0x00, 0xB0, 0x00, 0x00, 0x04)
	if got := read(); !bytes.Equal(got, []byte{0x69, 0x86}) {
		t.Errorf("read after reset: % X", got)
	}
	write(ctrlOff)
	write(0x00, 0xB0, 0x00, 0x00, 0x04)
	if got := read(); len(got) != 0 {
		t.Errorf("answer without power: % X", got)
	}
	vpcd.Close()
	if err := <-done; err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// Serve ends with its context.
func TestServeEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l.Addr().String(), testChip(t)) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
