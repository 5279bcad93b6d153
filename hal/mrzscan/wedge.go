package mrzscan

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"egate/hal"
)

// WedgeOptions are those of a scanner that types.
type WedgeOptions struct {
	// Device is its input node, better a link under /dev/input/by-id or by-path than /dev/input/eventN.
	Device string
	// Layout is the one that the scanner is set to: "us" (also when empty) or "de".
	Layout string
	// RefuseVirtual refuses an input device that is a program (uinput): a gate in service has a real one.
	RefuseVirtual bool
}

// OpenWedge takes over a scanner that types what it reads like a keyboard (USB HID, evdev). It is grabbed for this
// process alone: nothing that it types reaches a console, a browser or anybody else. Such a scanner takes no
// commands and tells no removal unless it types the states of this package's protocol.
func OpenWedge(opt WedgeOptions) (*Scanner, error) {
	f, err := os.OpenFile(opt.Device, os.O_RDONLY|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("mrzscan: %s: %w: %w", opt.Device, hal.ErrLost, err)
	case err != nil:
		return nil, fmt.Errorf("mrzscan: %w", err)
	}
	fail := func(err error) (*Scanner, error) { f.Close(); return nil, err }
	var id inputID
	if err := ioctl(f, eviocgid, unsafe.Pointer(&id)); err != nil {
		return fail(fmt.Errorf("mrzscan: %s is no input device: %w", opt.Device, err))
	}
	if opt.RefuseVirtual && id.Bus == busVirtual {
		return fail(fmt.Errorf("mrzscan: %s is a virtual keyboard: a gate in service has a real scanner", opt.Device))
	}
	// The third argument of EVIOCGRAB is a value, not a pointer.
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), eviocgrab, 1); e != 0 {
		return fail(fmt.Errorf("mrzscan: %s is grabbed by another program: %w", opt.Device, e))
	}
	if err := unix.SetNonblock(int(f.Fd()), true); err != nil { // Fd has made it blocking
		return fail(fmt.Errorf("mrzscan: %w", err))
	}
	// Through the poller anew, so that reading has a deadline.
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fail(fmt.Errorf("mrzscan: %w", err))
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return fail(fmt.Errorf("mrzscan: %w", err))
	}
	k, err := newKeyboard(os.NewFile(uintptr(fd), opt.Device), opt.Layout)
	if err != nil {
		return fail(err)
	}
	if err := f.Close(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return newScanner(k), nil
}

// ioctl numbers of linux/input.h.
const (
	eviocgid   = 0x80084502
	eviocgrab  = 0x40044590
	busVirtual = 0x06
)

type inputID struct{ Bus, Vendor, Product, Version uint16 }

func ioctl(f *os.File, number uintptr, arg unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), number, uintptr(arg)); e != 0 {
		return e
	}
	return nil
}

// eventSize is that of struct input_event: two words of time, type, code, value.
const eventSize = 2*int(unsafe.Sizeof(uintptr(0))) + 8

// Types, codes and values of events (linux/input-event-codes.h).
const (
	evSyn, evKey   = 0, 1
	synDropped     = 3
	keyUp, keyDown = 0, 1
	leftShift      = 42
	rightShift     = 54
	leftCtrl       = 29
	rightCtrl      = 97
	leftAlt        = 56
	rightAlt       = 100
)

// keyboard turns the key strokes of an input device into the text that was typed. It is a source.
type keyboard struct {
	f    *os.File
	keys map[uint16][2]byte

	mu    sync.Mutex // one reader
	raw   []byte     // the events that came in; a half one at the end waits for the rest
	text  []byte     // typed and not delivered
	shift bool
	held  map[uint16]bool // control and alt: a shortcut is no text
	once  sync.Once
	gone  chan struct{}
}

func newKeyboard(f *os.File, layout string) (*keyboard, error) {
	keys, ok := layouts[layout]
	if !ok {
		f.Close()
		return nil, fmt.Errorf("mrzscan: keyboard layout %q: us or de", layout)
	}
	return &keyboard{f: f, keys: keys, held: map[uint16]bool{}, raw: make([]byte, 0, 64*eventSize), gone: make(chan struct{})}, nil
}

// Read delivers what was typed. The end of a line is CR.
func (k *keyboard) Read(ctx context.Context, p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.text) == 0 {
		select {
		case <-k.gone:
			return 0, hal.ErrClosed
		default:
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := k.f.SetReadDeadline(time.Time{}); err != nil {
			return 0, k.lost(err)
		}
		stop := context.AfterFunc(ctx, func() { _ = k.f.SetReadDeadline(time.Unix(1, 0)) })
		n, err := k.f.Read(k.raw[len(k.raw):cap(k.raw)])
		stop()
		k.raw = k.raw[:len(k.raw)+n]
		k.take()
		if err != nil && len(k.text) == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, k.lost(err)
		}
	}
	n := copy(p, k.text)
	rest := copy(k.text, k.text[n:])
	clear(k.text[rest:])
	k.text = k.text[:rest]
	return n, nil
}

func (k *keyboard) lost(err error) error {
	select {
	case <-k.gone:
		return hal.ErrClosed
	default:
		return fmt.Errorf("mrzscan: keyboard: %w: %w", hal.ErrLost, err)
	}
}

// take works off the whole events.
func (k *keyboard) take() {
	b := k.raw
	for ; len(b) >= eventSize; b = b[eventSize:] {
		e := b[eventSize-8:]
		k.event(binary.NativeEndian.Uint16(e), binary.NativeEndian.Uint16(e[2:]), binary.NativeEndian.Uint32(e[4:]))
	}
	n := copy(k.raw, b)
	clear(k.raw[n:])
	k.raw = k.raw[:n]
}

func (k *keyboard) event(kind, code uint16, value uint32) {
	switch {
	case kind == evSyn && code == synDropped:
		// The kernel lost strokes: what is half read is worth nothing. STX starts anew.
		k.text = append(k.text, 0x02)
		k.shift = false
		clear(k.held)
	case kind != evKey:
	case code == leftShift || code == rightShift:
		k.shift = value != keyUp
	case code == leftCtrl || code == rightCtrl || code == leftAlt || code == rightAlt:
		if value == keyUp {
			delete(k.held, code)
		} else {
			k.held[code] = true
		}
	case value != keyDown || len(k.held) > 0: // a repetition by the kernel is not typed
	default:
		c := k.keys[code]
		i := 0
		if k.shift {
			i = 1
		}
		if c[i] != 0 {
			k.text = append(k.text, c[i])
		}
	}
}

// Close gives the keyboard back; a running Read ends.
func (k *keyboard) Close() (err error) {
	k.once.Do(func() {
		close(k.gone)
		err = k.f.Close()
		k.mu.Lock()
		defer k.mu.Unlock()
		clear(k.raw[:cap(k.raw)])
		clear(k.text[:cap(k.text)])
		k.text = nil
	})
	return err
}

// layouts are the characters of the keys, without and with shift. Letters are capital either way: a zone has no
// others, and whether caps lock is on is not known.
var layouts = func() map[string]map[uint16][2]byte {
	us := map[uint16][2]byte{12: {'-', '_'}, 13: {'=', '+'}, 15: {'\r', '\r'}, 28: {'\r', '\r'}, 96: {'\r', '\r'}, 39: {';', ':'}, 40: {'\'', '"'}, 43: {'\\', '|'}, 51: {',', '<'},
		52: {'.', '>'}, 53: {'/', '?'}, 57: {' ', ' '}, 86: {'<', '>'}, 55: {'*', '*'}, 74: {'-', '-'}, 78: {'+', '+'}}
	letters := func(m map[uint16][2]byte, first uint16, row string) {
		for i := range len(row) {
			m[first+uint16(i)] = [2]byte{row[i], row[i]}
		}
	}
	shifted := func(m map[uint16][2]byte, plain, shift string) {
		for i := range len(plain) {
			m[2+uint16(i)] = [2]byte{plain[i], shift[i]}
		}
	}
	pad := func(m map[uint16][2]byte) {
		for c, code := range map[byte]uint16{'7': 71, '8': 72, '9': 73, '4': 75, '5': 76, '6': 77, '1': 79, '2': 80, '3': 81, '0': 82} {
			m[code] = [2]byte{c, c}
		}
	}
	shifted(us, "1234567890", "!@#$%^&*()")
	for first, row := range map[uint16]string{16: "QWERTYUIOP", 30: "ASDFGHJKL", 44: "ZXCVBNM"} {
		letters(us, first, row)
	}
	pad(us)
	de := map[uint16][2]byte{12: {'?', '?'}, 15: {'\r', '\r'}, 28: {'\r', '\r'}, 96: {'\r', '\r'}, 51: {',', ';'}, 52: {'.', ':'}, 53: {'-', '_'}, 57: {' ', ' '}, 86: {'<', '>'}, 27: {'+', '*'}}
	shifted(de, "1234567890", "!\"?$%&/()=")
	for first, row := range map[uint16]string{16: "QWERTZUIOP", 30: "ASDFGHJKL", 44: "YXCVBNM"} {
		letters(de, first, row)
	}
	pad(de)
	return map[string]map[uint16][2]byte{"": us, "us": us, "de": de}
}()
