package centre

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
)

// TestE04EmbeddedBrokerNeverWaitsForItself: two ends that write before they read, as client and broker may do,
// come through; a far end that never reads ends the connection; what is written after the end is refused.
func TestE04EmbeddedBrokerNeverWaitsForItself(t *testing.T) {
	near, far := net.Pipe()
	s := newSpool(near)
	const n = 1 << 20
	for range 4 {
		if _, err := s.Write(bytes.Repeat([]byte{1}, n)); err != nil { // nobody reads yet
			t.Fatal(err)
		}
	}
	got := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, far, 4*n)
		got <- err
	}()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	var err error
	for range 2*maxSpool/n + 2 { // as much again may be on its way
		if _, err = s.Write(make([]byte, n)); err != nil {
			break
		}
	}
	if !errors.Is(err, errSpool) {
		t.Errorf("a broker that does not read: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Write([]byte{1}); err == nil {
		t.Error("written after the end")
	}
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the far end of a closed connection: %v", err)
	}
}
