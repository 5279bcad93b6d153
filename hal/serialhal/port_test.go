package serialhal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"egate/hal"
	"egate/hal/haltest"
)

// plug makes a pseudo-terminal that link leads to.
func plug(t *testing.T, link string) *os.File {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(link)
	if err := os.Symlink(slave.Name(), link); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	t.Cleanup(func() { master.Close() })
	return master
}

func unplug(master *os.File, link string) {
	os.Remove(link)
	master.Close()
}

func openTest(t *testing.T) (*Port, *os.File, string) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "scanner")
	m := plug(t, link)
	p, err := Open(Options{Device: link})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, m, link
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestReadWrite(t *testing.T) {
	p, m, _ := openTest(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i) // every byte passes: no line discipline is left
	}
	if err := p.Write(within(t), all); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(all))
	if _, err := io.ReadFull(m, got); err != nil || !bytes.Equal(got, all) {
		t.Fatalf("%v % x", err, got)
	}
	if _, err := m.Write(all); err != nil {
		t.Fatal(err)
	}
	got = got[:0]
	for b := make([]byte, 100); len(got) < len(all); {
		n, err := p.Read(within(t), b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b[:n]...)
	}
	if !bytes.Equal(got, all) {
		t.Fatalf("% x", got)
	}
}

// Silence is the end of the caller's context, however long; never a loss.
func TestSilenceIsNoLoss(t *testing.T) {
	p, m, _ := openTest(t)
	for _, d := range []time.Duration{time.Millisecond, 450 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		_, err := p.Read(ctx, make([]byte, 1))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, hal.ErrLost) {
			t.Fatal(err)
		}
	}
	if _, err := m.Write([]byte{7}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Read(within(t), make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// C-11: unplugged while reading is a loss; what had arrived is still delivered; Reopen finds the device
// under its link with another node behind it.
func TestC11UnplugAndReplug(t *testing.T) {
	p, m, link := openTest(t)
	done := make(chan error, 1)
	go func() {
		_, err := p.Read(within(t), make([]byte, 1))
		done <- err
	}()
	unplug(m, link)
	if err := <-done; !errors.Is(err, hal.ErrLost) {
		t.Fatal(err)
	}
	if err := p.Write(within(t), []byte{1}); !errors.Is(err, hal.ErrLost) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := p.Reopen(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	back := make(chan error, 1)
	go func() { back <- p.Reopen(within(t)) }()
	m = plug(t, link)
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	if err := p.Write(within(t), []byte{9}); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := io.ReadFull(m, b); err != nil || b[0] != 9 {
		t.Fatal(err)
	}
	if p.Reopens() != 1 {
		t.Error(p.Reopens())
	}
}

// The node behind the link is another one: a loss although nobody hung up.
func TestNodeGone(t *testing.T) {
	p, _, _ := openTest(t)
	s, _ := p.session()
	if s.vanished() {
		t.Fatal("vanished at once")
	}
	s.rdev++
	if !s.vanished() {
		t.Error("another node is not noticed")
	}
}

// A context or Close ends a blocked Read and a blocked Write; no goroutine and no descriptor stays.
func TestCancelCloseAndLeaks(t *testing.T) {
	before, files := runtime.NumGoroutine(), descriptors(t)
	link := filepath.Join(t.TempDir(), "scanner")
	m := plug(t, link)
	p, err := Open(Options{Device: link})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { _, err := p.Read(ctx, make([]byte, 1)); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// The far end never reads: a write ends with its deadline, again and again.
	for range 2 {
		short, end := context.WithTimeout(context.Background(), 200*time.Millisecond)
		if err := p.Write(short, make([]byte, 1<<20)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		end()
	}
	go func() { done <- p.Write(context.Background(), make([]byte, 1<<20)) }()
	go func() { _, err := p.Read(context.Background(), make([]byte, 1)); done <- err }()
	time.Sleep(20 * time.Millisecond) // lets them block; the outcome is the same without
	p.Close()
	p.Close()
	for range 2 {
		if err := <-done; !errors.Is(err, hal.ErrClosed) {
			t.Error(err)
		}
	}
	if err := p.Reopen(context.Background()); !errors.Is(err, hal.ErrClosed) {
		t.Error(err)
	}
	m.Close()
	for i := 0; runtime.NumGoroutine() > before && i < 6000; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, before %d", n, before)
	}
	if n := descriptors(t); n > files {
		t.Errorf("%d descriptors, before %d", n, files)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("SKIP: no /proc")
	}
	n := 0
	for _, e := range d {
		if l, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && (strings.HasPrefix(l, "/dev/pts/") || l == "/dev/ptmx" || strings.HasSuffix(l, "/ptmx")) {
			n++
		}
	}
	return n
}

// The port is for one process alone, for root too (TIOCEXCL would not stop it).
func TestExclusive(t *testing.T) {
	p, _, link := openTest(t)
	if _, err := Open(Options{Device: link}); err == nil {
		t.Fatal("opened twice")
	}
	p.Close()
	q, err := Open(Options{Device: link})
	if err != nil {
		t.Fatal(err)
	}
	q.Close()
}

// What waited before the port was opened belongs to somebody else.
func TestStaleInputIsDropped(t *testing.T) {
	link := filepath.Join(t.TempDir(), "scanner")
	m, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	defer slave.Close() // held open, so that the kernel keeps the bytes
	if err := os.Symlink(slave.Name(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Write([]byte("P<UTOSTALE\nhalf")); err != nil {
		t.Fatal(err)
	}
	p, err := Open(Options{Device: link})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := m.Write([]byte("F")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := p.Read(within(t), b); err != nil || string(b[:n]) != "F" {
		t.Fatalf("%q %v", b[:n], err)
	}
}

// A device that floods costs bounded memory; the newest bytes stay, and they are wiped once read.
func TestFlood(t *testing.T) {
	s := &session{gone: make(chan struct{}), wake: make(chan struct{}, 1)}
	for i := range 100 {
		s.put(bytes.Repeat([]byte{byte(i)}, 4096))
	}
	if len(s.in) != maxBuffered || s.in[maxBuffered-1] != 99 || cap(s.in) > 4*maxBuffered {
		t.Fatalf("%d of %d", len(s.in), cap(s.in))
	}
	p := &Port{s: s}
	b := make([]byte, maxBuffered)
	if n, err := p.Read(context.Background(), b); n != maxBuffered || err != nil {
		t.Fatal(n, err)
	}
	for _, v := range s.in[:cap(s.in)] {
		if v != 0 {
			t.Fatal("read bytes stay in the buffer")
		}
	}
}

func TestSetBaud(t *testing.T) {
	p, _, _ := openTest(t)
	if err := p.SetBaud(within(t), 921600); err != nil {
		t.Fatal(err)
	}
	s, _ := p.session()
	tio, err := unix.IoctlGetTermios(int(s.ctl.Fd()), unix.TCGETS)
	if err != nil || tio.Cflag&unix.CBAUD != unix.B921600 {
		t.Errorf("%o %v", tio.Cflag, err)
	}
	if err := p.SetBaud(within(t), 12345); err == nil {
		t.Error("odd speed accepted")
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, lost := range map[string]bool{file: false, file + "x": true, "usb:1": false, "usb:ffff:fffe": true} {
		_, err := Open(Options{Device: name})
		if err == nil || lost && !errors.Is(err, hal.ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A USB port is found by vendor, product and serial number, whatever it is called today.
func TestResolveUSB(t *testing.T) {
	root := t.TempDir()
	old := sysTTY
	sysTTY = filepath.Join(root, "class")
	defer func() { sysTTY = old }()
	add := func(tty, usb, vid, pid, serial string) {
		dev := filepath.Join(root, "devices", usb)
		iface := filepath.Join(dev, usb+":1.0")
		for _, d := range []string{iface, filepath.Join(sysTTY, tty)} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for n, v := range map[string]string{"idVendor": vid, "idProduct": pid, "serial": serial} {
			if err := os.WriteFile(filepath.Join(dev, n), []byte(v+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(iface, filepath.Join(sysTTY, tty, "device")); err != nil {
			t.Fatal(err)
		}
	}
	add("ttyACM1", "1-1", "0483", "5740", "A1")
	add("ttyACM0", "1-2", "0483", "5740", "A2")
	add("ttyUSB0", "1-3", "10c4", "ea60", "0001")
	for device, want := range map[string]string{"usb:0483:5740:A1": "/dev/ttyACM1", "usb:0483:5740:A2": "/dev/ttyACM0", "usb:10C4:EA60": "/dev/ttyUSB0"} {
		if got, err := resolve(device); err != nil || got != want {
			t.Errorf("%s: %s %v", device, got, err)
		}
	}
	for _, device := range []string{"usb:0483:5740", "usb:0483:5740:A3", "usb:x", "usb:12345:1"} {
		if got, err := resolve(device); err == nil {
			t.Errorf("%s: %s", device, got)
		}
	}
}

func TestConformance(t *testing.T) {
	haltest.SerialPort(t, func(t *testing.T) haltest.SerialBench {
		p, m, link := openTest(t)
		return haltest.SerialBench{Port: p,
			Say: func(b []byte) {
				if _, err := m.Write(b); err != nil {
					t.Error(err)
				}
			},
			Hear: func(n int) []byte {
				b := make([]byte, n)
				if _, err := io.ReadFull(m, b); err != nil {
					t.Error(err)
				}
				return b
			},
			Unplug: func() { unplug(m, link) },
			Replug: func() { m = plug(t, link) }}
	})
}
