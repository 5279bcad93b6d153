// Package serialend is the far end of a serial line: a pseudo-terminal that a link leads to, which can
// be unplugged and plugged in again as a USB device can.
package serialend

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// ErrUnplugged is returned by Read and Write while the device is unplugged.
var ErrUnplugged = errors.New("serialend: unplugged")

// ErrClosed is returned by Read and Write after Close.
var ErrClosed = errors.New("serialend: closed")

// Line is the device's end. One goroutine reads; Write may be called from any.
type Line struct {
	link string

	mu      sync.Mutex
	master  *os.File
	slave   *os.File // held open, so that a driver that comes and goes is no hang-up for us
	closed  bool
	plugged chan struct{} // closed while there is a terminal
}

// Open makes a pseudo-terminal in raw mode and the symbolic link that leads to it, in place of an old one.
func Open(link string) (*Line, error) {
	l := &Line{link: link, plugged: make(chan struct{})}
	if err := l.plug(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Line) plug() error {
	if fi, err := os.Lstat(l.link); err == nil && fi.Mode()&os.ModeSymlink == 0 {
		return fmt.Errorf("serialend: %s is there and no symbolic link", l.link)
	}
	blocking, slave, err := pty.Open()
	if err != nil {
		return fmt.Errorf("serialend: %w", err)
	}
	master, err := pollable(blocking)
	if err != nil {
		slave.Close()
		return fmt.Errorf("serialend: %w", err)
	}
	fail := func(err error) error {
		master.Close()
		slave.Close()
		return fmt.Errorf("serialend: %w", err)
	}
	t, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		return fail(err)
	}
	t.Iflag, t.Oflag, t.Lflag = unix.IGNPAR, 0, 0
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, t); err != nil {
		return fail(err)
	}
	// A link in place at once, so that a driver never finds it missing between two openings.
	tmp := filepath.Join(filepath.Dir(l.link), "."+filepath.Base(l.link)+".new")
	_ = os.Remove(tmp)
	if err := os.Symlink(slave.Name(), tmp); err != nil {
		return fail(err)
	}
	if err := os.Rename(tmp, l.link); err != nil {
		return fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = os.Remove(l.link)
		return fail(ErrClosed)
	}
	l.master, l.slave = master, slave
	close(l.plugged)
	return nil
}

// pollable exchanges a file for one whose Close ends a Read and a Write that are blocked.
func pollable(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// Unplug takes the device away: link and terminal are gone, whoever has it open gets a hang-up.
func (l *Line) Unplug() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unplug()
}

func (l *Line) unplug() {
	if l.master == nil {
		return
	}
	_ = os.Remove(l.link)
	l.slave.Close()
	l.master.Close()
	l.master, l.slave = nil, nil
	l.plugged = make(chan struct{})
}

// Replug brings an unplugged device back, with another terminal behind the same link.
func (l *Line) Replug() error {
	l.mu.Lock()
	there := l.master != nil
	l.mu.Unlock()
	if there {
		return nil
	}
	return l.plug()
}

// Plugged returns a channel that is closed while the device is plugged in.
func (l *Line) Plugged() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plugged
}

// Baud is the speed that the driver has set; a pseudo-terminal carries bytes at any.
func (l *Line) Baud() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.slave == nil {
		return 0
	}
	t, err := unix.IoctlGetTermios(int(l.slave.Fd()), unix.TCGETS)
	if err != nil {
		return 0
	}
	return map[uint32]int{unix.B9600: 9600, unix.B19200: 19200, unix.B38400: 38400, unix.B57600: 57600, unix.B115200: 115200,
		unix.B230400: 230400, unix.B460800: 460800, unix.B921600: 921600}[t.Cflag&unix.CBAUD]
}

func (l *Line) file() (*os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if l.master == nil {
		return nil, ErrUnplugged
	}
	return l.master, nil
}

// Read reads what the driver wrote. It returns ErrUnplugged or ErrClosed, soon after those happen.
func (l *Line) Read(b []byte) (int, error) { return l.io(b, (*os.File).Read) }

// Write sends to the driver. It blocks when nobody reads and the kernel's buffer is full, until Unplug.
func (l *Line) Write(b []byte) (int, error) { return l.io(b, (*os.File).Write) }

func (l *Line) io(b []byte, f func(*os.File, []byte) (int, error)) (int, error) {
	m, err := l.file()
	if err != nil {
		return 0, err
	}
	n, err := f(m, b)
	if err == nil {
		return n, nil
	}
	if _, gone := l.file(); gone != nil {
		return n, gone
	}
	return n, errors.Join(ErrUnplugged, err)
}

// Close unplugs for good and removes the link.
func (l *Line) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.unplug()
	l.closed = true
	// Whoever waits for a replug learns from Read that there will be none.
	close(l.plugged)
	return nil
}
