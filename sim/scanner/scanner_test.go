package scanner_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"egate/hal"
	"egate/hal/haltest"
	"egate/hal/mrzscan"
	"egate/hal/serialhal"
	"egate/sim/scanner"
)

var specimen = [2]string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}

func glass(t *testing.T) (*scanner.End, string) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "gate-1-scanner")
	e, err := scanner.Open(link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	e.Set(scanner.Form{}, time.Millisecond)
	return e, link
}

func connect(t *testing.T, link string) *mrzscan.Scanner {
	t.Helper()
	p, err := serialhal.Open(serialhal.Options{Device: link})
	if err != nil {
		t.Fatal(err)
	}
	s, err := mrzscan.Open(context.Background(), p, mrzscan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func expect(t *testing.T, s *mrzscan.Scanner, kinds ...hal.ScanKind) (last hal.Scan) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, k := range kinds {
		got, err := s.Next(ctx)
		if err != nil || got.Kind != k {
			t.Fatalf("kind %d %v, want %d", got.Kind, err, k)
		}
		last = got
	}
	return last
}

// C-13: over a serial line, a document is laid, read, lifted; and one of each complaint.
func TestC13Documents(t *testing.T) {
	e, link := glass(t)
	s := connect(t, link)
	for _, f := range []scanner.Form{{}, {Prefix: true, End: "\r"}, {Frame: true, End: "\n"}, {Twice: true}} {
		e.Set(f, time.Millisecond)
		if err := e.Lay(specimen); err != nil {
			t.Fatal(err)
		}
		got := expect(t, s, hal.ScanPresent, hal.ScanMRZ)
		if string(got.Lines[0]) != specimen[0] || string(got.Lines[1]) != specimen[1] {
			t.Fatal("lines changed on their way")
		}
		if e.Lay(specimen) == nil {
			t.Error("two documents on one glass")
		}
		if err := e.Lift(); err != nil {
			t.Fatal(err)
		}
		expect(t, s, hal.ScanRemoved)
	}
	for _, k := range []hal.ScanKind{hal.ScanUnreadable, hal.ScanWrongPage, hal.ScanUpsideDown, hal.ScanCoverOn} {
		if err := e.LayBad(k); err != nil {
			t.Fatal(err)
		}
		expect(t, s, hal.ScanPresent, k)
		if err := e.Lift(); err != nil {
			t.Fatal(err)
		}
		expect(t, s, hal.ScanRemoved)
	}
	e.Set(scanner.Form{Mute: true}, time.Millisecond)
	if err := e.Lay(specimen); err != nil {
		t.Fatal(err)
	}
	expect(t, s, hal.ScanPresent, hal.ScanMRZ)
}

// The next inspector finds a document that was laid before it opened the scanner, and nothing of the one
// before that.
func TestNextInspectorSeesThePresentDocumentOnly(t *testing.T) {
	e, link := glass(t)
	for range 3 {
		if err := errors.Join(e.Lay([2]string{"P<UTOSOMEBODY<<ELSE<<<<<<<<<<<<<<<<<<<<<<<<<", specimen[1]}), e.Lift()); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Lay(specimen); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := connect(t, link)
		if got := expect(t, s, hal.ScanPresent, hal.ScanMRZ); string(got.Lines[0]) != specimen[0] {
			t.Fatal("another document")
		}
		s.Close()
	}
	if e.Queries() != 2 {
		t.Error(e.Queries())
	}
}

func TestC11ScannerLostAndBack(t *testing.T) {
	e, link := glass(t)
	s := connect(t, link)
	if err := e.Lay(specimen); err != nil {
		t.Fatal(err)
	}
	expect(t, s, hal.ScanPresent, hal.ScanMRZ)
	e.Unplug()
	for range 2 {
		if _, err := s.Next(context.Background()); !errors.Is(err, hal.ErrLost) {
			t.Fatal(err)
		}
	}
	s.Close()
	if _, err := s.Next(context.Background()); !errors.Is(err, hal.ErrClosed) {
		t.Error(err)
	}
	if err := e.Replug(); err != nil {
		t.Fatal(err)
	}
	expect(t, connect(t, link), hal.ScanPresent, hal.ScanMRZ)
}

// Noise and half lines cost a prompt, not the scanner; a context and Close end Next.
func TestNoiseCancelClose(t *testing.T) {
	e, link := glass(t)
	s := connect(t, link)
	if err := e.Lay(specimen); err != nil {
		t.Fatal(err)
	}
	expect(t, s, hal.ScanPresent, hal.ScanMRZ)
	if err := e.Lift(); err != nil {
		t.Fatal(err)
	}
	expect(t, s, hal.ScanRemoved)
	if err := e.Raw([]byte("\x00\x55\xaa?" + specimen[0] + "\r\n")); err != nil {
		t.Fatal(err)
	}
	expect(t, s, hal.ScanPresent, hal.ScanUnreadable)
	if err := e.Raw([]byte(specimen[0] + "\r\n")); err != nil { // the second line never comes
		t.Fatal(err)
	}
	if err := e.Lay(specimen); err != nil {
		t.Fatal(err)
	}
	expect(t, s, hal.ScanMRZ)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, hal.ErrLost) {
		t.Error(err)
	}
	done := make(chan error)
	go func() { _, err := s.Next(context.Background()); done <- err }()
	s.Close()
	if err := <-done; !errors.Is(err, hal.ErrClosed) {
		t.Error(err)
	}
	if s.Garbled() == 0 {
		t.Error("noise was not counted")
	}
}

// A scanner that nobody reads for a day blocks nothing when it is closed.
func TestCloseWhileNobodyReads(t *testing.T) {
	e, _ := glass(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100000 {
			if e.Raw([]byte(specimen[0]+"\r\n")) != nil {
				return
			}
		}
	}()
	time.Sleep(20 * time.Millisecond)
	e.Close()
	<-done
}

func TestConformance(t *testing.T) {
	haltest.DocumentScanner(t, func(t *testing.T) haltest.ScannerBench {
		e, link := glass(t)
		s := connect(t, link)
		return haltest.ScannerBench{Scanner: s,
			Lay:    func(l [2]string) { must(t, e.Lay(l)) },
			LayBad: func(k hal.ScanKind) { must(t, e.LayBad(k)) },
			Lift:   func() { must(t, e.Lift()) }, Unplug: e.Unplug, Raw: func(p []byte) { must(t, e.Raw(p)) }}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
