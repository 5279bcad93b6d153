package mrzscan

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"egate/hal"
	"egate/hal/haltest"
)

// typist is the far end of a scanner that types: key strokes as the kernel hands them out, over a pipe.
type typist struct {
	t    *testing.T
	w    *os.File
	back map[byte]struct {
		code  uint16
		shift bool
	}
}

func newTypist(t *testing.T, layout string) (*typist, *Scanner) {
	t.Helper()
	var fd [2]int
	if err := unix.Pipe2(fd[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	k, err := newKeyboard(os.NewFile(uintptr(fd[0]), "keys"), layout)
	if err != nil {
		t.Fatal(err)
	}
	y := &typist{t: t, w: os.NewFile(uintptr(fd[1]), "typist"), back: map[byte]struct {
		code  uint16
		shift bool
	}{}}
	for code, c := range layouts[layout] {
		for i, b := range c {
			if old, twice := y.back[b]; !twice || old.code > code {
				y.back[b] = struct {
					code  uint16
					shift bool
				}{code, i == 1}
			}
		}
	}
	s := newScanner(k)
	t.Cleanup(func() { s.Close(); y.w.Close() })
	return y, s
}

func (y *typist) send(kind, code uint16, value uint32) []byte {
	b := make([]byte, eventSize)
	binary.NativeEndian.PutUint64(b, uint64(time.Now().Unix())) // of time; not looked at
	e := b[eventSize-8:]
	binary.NativeEndian.PutUint16(e, kind)
	binary.NativeEndian.PutUint16(e[2:], code)
	binary.NativeEndian.PutUint32(e[4:], value)
	return b
}

// strokes are the events of a text: press and release with their reports, shift around each that needs it, and a
// scan code before each as USB keyboards have it.
func (y *typist) strokes(text string) (all []byte) {
	syn := func() { all = append(all, y.send(evSyn, 0, 0)...) }
	for i := range len(text) {
		c := text[i]
		if c == '\n' {
			continue
		}
		s, ok := y.back[c]
		if !ok {
			y.t.Fatalf("no key types %q", c)
		}
		if s.shift {
			all = append(all, y.send(evKey, leftShift, 1)...)
			syn()
		}
		all = append(all, y.send(4, 4, 0x70000+uint32(s.code))...)
		all = append(all, y.send(evKey, s.code, 1)...)
		syn()
		all = append(all, y.send(evKey, s.code, 0)...)
		syn()
		if s.shift {
			all = append(all, y.send(evKey, leftShift, 0)...)
			syn()
		}
	}
	return all
}

func (y *typist) write(b []byte) {
	if _, err := y.w.Write(b); err != nil {
		y.t.Error(err)
	}
}

func (y *typist) types(text string) { y.write(y.strokes(text)) }

// C-13: a scanner that types passes the same suite as one that speaks, in both layouts.
func TestWedgeConformance(t *testing.T) {
	for _, layout := range []string{"us", "de"} {
		t.Run(layout, func(t *testing.T) {
			haltest.DocumentScanner(t, func(t *testing.T) haltest.ScannerBench {
				y, s := newTypist(t, layout)
				bad := map[hal.ScanKind]string{hal.ScanUnreadable: "!U", hal.ScanWrongPage: "!W", hal.ScanUpsideDown: "!F", hal.ScanCoverOn: "!C"}
				return haltest.ScannerBench{Scanner: s,
					Lay:    func(l [2]string) { y.types("!P\r" + l[0] + "\r" + l[1] + "\r") },
					LayBad: func(k hal.ScanKind) { y.types("!P\r" + bad[k] + "\r") },
					Lift:   func() { y.types("!R\r") },
					Unplug: func() { y.w.Close() },
				}
			})
		})
	}
}

// C-13: what such a scanner types is read in any pieces; strokes that the kernel lost, shortcuts and repetitions make
// no document of what was none.
func TestC13Wedge(t *testing.T) {
	next := func(t *testing.T, s *Scanner) hal.Scan {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		for {
			got, err := s.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind == hal.ScanMRZ {
				return got
			}
		}
	}
	whole := func(t *testing.T, s hal.Scan, want []string) {
		t.Helper()
		if len(s.Lines) != len(want) {
			t.Fatalf("%d lines", len(s.Lines))
		}
		for i, l := range want {
			if string(s.Lines[i]) != l {
				t.Fatal("lines changed on their way")
			}
		}
	}
	for name, zone := range map[string][]string{"td3": td3, "td2": td2, "td1": td1} {
		t.Run(name, func(t *testing.T) {
			y, s := newTypist(t, "us")
			all := y.strokes(strings.Join(zone, "\r") + "\r")
			typed := make(chan struct{})
			go func() { // in pieces that cut events in two
				defer close(typed)
				for len(all) > 0 {
					n := min(len(all), 7*eventSize/2)
					y.write(all[:n])
					all = all[n:]
				}
			}()
			whole(t, next(t, s), zone)
			<-typed
		})
	}
	t.Run("strokes lost", func(t *testing.T) {
		y, s := newTypist(t, "us")
		y.types(td3[0][:20])
		y.write(y.send(evSyn, synDropped, 0))
		y.types(strings.Join(td3, "\r") + "\r")
		whole(t, next(t, s), td3)
	})
	t.Run("shift lost with them", func(t *testing.T) {
		y, s := newTypist(t, "us")
		y.write(y.send(evKey, leftShift, 1))
		y.write(y.send(evSyn, synDropped, 0))
		y.types(strings.Join(td2, "\r") + "\r")
		whole(t, next(t, s), td2)
	})
	t.Run("a shortcut and a repetition", func(t *testing.T) {
		y, s := newTypist(t, "us")
		y.write(y.send(evKey, leftCtrl, 1))
		y.write(y.send(evKey, 46, 1))
		y.write(y.send(evKey, 46, 0))
		y.write(y.send(evKey, leftCtrl, 0))
		y.write(y.send(evKey, 30, 2))
		y.types(strings.Join(td3, "\r") + "\r")
		whole(t, next(t, s), td3)
	})
	t.Run("nothing stays in the buffers", func(t *testing.T) {
		y, s := newTypist(t, "us")
		y.types(td3[0])
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		k := s.port.(*keyboard)
		for _, b := range k.raw[:cap(k.raw)] {
			if b != 0 {
				t.Fatal("strokes were left")
			}
		}
		for _, b := range k.text[:cap(k.text)] {
			if b != 0 {
				t.Fatal("text was left")
			}
		}
	})
	if _, err := OpenWedge(WedgeOptions{Device: "/dev/null"}); err == nil || errors.Is(err, hal.ErrLost) {
		t.Errorf("/dev/null: %v", err)
	}
	if _, err := OpenWedge(WedgeOptions{Device: "/dev/input/no-such"}); !errors.Is(err, hal.ErrLost) {
		t.Errorf("nothing: %v", err)
	}
}

// TestX08WedgeOverUinput: the real ioctls on an input device of the kernel, where it lets us make one.
func TestX08WedgeOverUinput(t *testing.T) {
	u, err := os.OpenFile("/dev/uinput", os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skip("SKIP: no /dev/uinput: grabbing a real input device is NOT tested here")
	}
	defer u.Close()
	for _, x := range [][2]uintptr{{0x40045564, evKey}, {0x40045565, 30}, {0x40045565, 28}} { // UI_SET_EVBIT, UI_SET_KEYBIT
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, u.Fd(), x[0], x[1]); e != 0 {
			t.Skipf("SKIP: uinput: %v", e)
		}
	}
	setup := [92]byte{0: busVirtual} // struct uinput_setup
	copy(setup[8:], "egate test wedge")
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, u.Fd(), 0x405c5503, uintptr(unsafe.Pointer(&setup))); e != 0 {
		t.Skipf("SKIP: uinput: %v", e)
	}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, u.Fd(), 0x5501, 0); e != 0 { // UI_DEV_CREATE
		t.Skipf("SKIP: uinput: %v", e)
	}
	var name [64]byte
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, u.Fd(), 0x8040552c, uintptr(unsafe.Pointer(&name))); e != 0 { // UI_GET_SYSNAME
		t.Skipf("SKIP: uinput: %v", e)
	}
	dir := "/sys/devices/virtual/input/" + unix.ByteSliceToString(name[:])
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	node := ""
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "event") {
			node = "/dev/input/" + e.Name()
		}
	}
	s, err := OpenWedge(WedgeOptions{Device: node})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := OpenWedge(WedgeOptions{Device: node}); err == nil {
		t.Error("grabbed twice")
	}
	if _, err := OpenWedge(WedgeOptions{Device: node, RefuseVirtual: true}); err == nil {
		t.Error("a virtual keyboard passes for a scanner")
	}
}

func FuzzKeyboard(f *testing.F) {
	f.Add([]byte{1, 0, 30, 0, 1, 0, 0, 0}, uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		k := &keyboard{keys: layouts["us"], held: map[uint16]bool{}, raw: make([]byte, 0, 64*eventSize)}
		for len(b) > 0 {
			n := min(len(b), int(cut)%(cap(k.raw)-len(k.raw))+1)
			k.raw = append(k.raw, b[:n]...)
			b = b[n:]
			k.take()
			if len(k.raw) >= eventSize {
				t.Fatal("a whole event was left")
			}
			for _, c := range k.text {
				if c != '\r' && c != 0x02 && (c < 0x20 || c > 0x7e) {
					t.Fatalf("typed %q", c)
				}
			}
			k.text = k.text[:0]
		}
	})
}

// C-10, C-11: the generic hostile far ends, as key strokes: whole events and pieces of events.
func TestC11WedgeHostilePeers(t *testing.T) {
	y, _ := newTypist(t, "us")
	strokes := y.strokes(strings.Join(td3, "\r") + "\r")
	proper := func() func([]byte) []byte {
		return func([]byte) []byte { return strokes }
	}
	haltest.Hostile(t, proper, func(ctx context.Context, p hal.SerialPort) []error {
		k, err := newKeyboard(nil, "us")
		if err != nil {
			return []error{err}
		}
		var text strings.Builder
		for b := make([]byte, 1000); !strings.Contains(text.String(), td3[1]) && text.Len() < 1<<20; {
			n, err := p.Read(ctx, b)
			if err != nil {
				return []error{err}
			}
			for in := b[:n]; len(in) > 0; {
				m := min(len(in), cap(k.raw)-len(k.raw))
				k.raw = append(k.raw, in[:m]...)
				in = in[m:]
				k.take()
				if len(k.raw) >= eventSize {
					t.Fatal("a whole event was left")
				}
				text.Write(k.text)
				k.text = k.text[:0]
			}
		}
		return nil
	})
}
