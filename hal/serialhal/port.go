// Package serialhal implements hal.SerialPort on github.com/tarm/serial.
//
// The library alone cannot be cancelled, blocks Close while a Read runs, has no deadline for writes and
// reports time-out and unplugging alike (io.EOF). Here one goroutine reads in steps of 100 ms and owns
// the descriptor; another writes; callers wait on them, not on the device. A loss is told from silence
// by three signs: an error other than EOF, an EOF that came sooner than the time-out could, and a
// hang-up or a device node that is gone or another one.
package serialhal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/tarm/serial"
	"golang.org/x/sys/unix"

	"egate/hal"
)

const (
	// step is the library's read time-out: how long Close waits at worst, and how soon a vanished
	// device is noticed. The kernel counts it in steps of 100 ms.
	step = 100 * time.Millisecond
	// earlyLimit is how many EOFs in a row sooner than half a step mean a hang-up.
	earlyLimit = 3
	// maxBuffered caps what waits for a reader: more than any frame of our protocols; beyond it a
	// device floods, and the oldest bytes go.
	maxBuffered = 64 << 10
	// writeChunk bytes are handed to the kernel at a time, so that a port whose far end stopped
	// reading is noticed between chunks.
	writeChunk = 256
	// reopenPause lies between two attempts to open a device that is not there.
	reopenPause = 100 * time.Millisecond
)

// Options name a port.
type Options struct {
	// Device is a path, better a link under /dev/serial/by-id than a bare node, or usb:VVVV:PPPP[:SERIAL].
	Device string
	// Baud is the speed at opening; 0 means 115200.
	Baud int
	// RefusePseudo refuses a pseudo-terminal, whatever its name: behind it is a program, not a device.
	RefusePseudo bool
}

// ErrPseudo says that the port is a pseudo-terminal, which a gate in service does not use.
var ErrPseudo = errors.New("serialhal: a pseudo-terminal is no device: a gate in service has real ones")

// Port is a serial port. It implements hal.SerialPort.
type Port struct {
	opt Options

	mu      sync.Mutex
	s       *session
	closed  bool
	reopens int
	// opening serialises Reopen.
	opening sync.Mutex
	done    chan struct{} // closed by Close
}

var _ hal.SerialPort = (*Port)(nil)

// Open opens a port for this process alone: a second opening fails while the first lives, for root too.
func Open(opt Options) (*Port, error) {
	if opt.Baud == 0 {
		opt.Baud = 115200
	}
	p := &Port{opt: opt, done: make(chan struct{})}
	s, err := open(opt)
	if err != nil {
		return nil, err
	}
	p.s = s
	return p, nil
}

func (p *Port) session() (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, hal.ErrClosed
	}
	return p.s, nil
}

// Read implements hal.SerialPort.
func (p *Port) Read(ctx context.Context, b []byte) (int, error) {
	s, err := p.session()
	if err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	for looked := false; ; {
		s.mu.Lock()
		if n := len(s.in); n > 0 {
			n = copy(b, s.in)
			rest := copy(s.in, s.in[n:])
			clear(s.in[rest:])
			s.in = s.in[:rest]
			s.mu.Unlock()
			return n, nil
		}
		err := s.err
		s.mu.Unlock()
		if err == nil {
			err = ctx.Err()
			if err != nil && !looked && s.arrived() {
				// It came in time; the goroutine that fetches it was not given the processor yet.
				looked = true
				t := time.NewTimer(step)
				select {
				case <-s.wake:
				case <-s.gone:
				case <-t.C:
				}
				t.Stop()
				continue
			}
		}
		if err != nil {
			return 0, err
		}
		select {
		case <-s.wake:
		case <-s.gone:
		case <-ctx.Done():
		}
	}
}

// Write implements hal.SerialPort.
func (p *Port) Write(ctx context.Context, b []byte) error {
	s, err := p.session()
	if err != nil {
		return err
	}
	return s.send(ctx, b)
}

// Discard implements hal.SerialPort.
func (p *Port) Discard() error {
	s, err := p.session()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	_ = unix.IoctlSetInt(int(s.ctl.Fd()), unix.TCFLSH, unix.TCIFLUSH)
	clear(s.in)
	s.in = s.in[:0]
	return nil
}

// SetBaud implements hal.SerialPort.
func (p *Port) SetBaud(ctx context.Context, baud int) error {
	s, err := p.session()
	if err != nil {
		return err
	}
	if err := s.setBaud(ctx, baud); err != nil {
		return err
	}
	p.mu.Lock()
	p.opt.Baud = baud
	p.mu.Unlock()
	return nil
}

// Reopens counts the successful calls of Reopen.
func (p *Port) Reopens() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reopens
}

// Reopen implements hal.SerialPort. The old descriptor is closed first.
func (p *Port) Reopen(ctx context.Context) error {
	p.opening.Lock()
	defer p.opening.Unlock()
	s, err := p.session()
	if err != nil {
		return err
	}
	s.fail(fmt.Errorf("serialhal: %w: being reopened", hal.ErrLost))
	s.wait()
	for {
		p.mu.Lock()
		opt := p.opt
		p.mu.Unlock()
		n, err := open(opt)
		if err == nil {
			p.mu.Lock()
			if p.closed {
				p.mu.Unlock()
				n.fail(hal.ErrClosed)
				n.wait()
				return hal.ErrClosed
			}
			p.s = n
			p.reopens++
			p.mu.Unlock()
			return nil
		}
		t := time.NewTimer(reopenPause)
		select {
		case <-t.C:
		case <-p.done:
			t.Stop()
			return hal.ErrClosed
		case <-ctx.Done():
			t.Stop()
			return errors.Join(ctx.Err(), err)
		}
	}
}

// Close implements hal.SerialPort. It returns when the descriptor is closed, at most one read step later.
func (p *Port) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	s := p.s
	p.mu.Unlock()
	close(p.done)
	s.fail(hal.ErrClosed)
	s.wait()
	return nil
}

// session is one opening of the device.
type session struct {
	port *serial.Port
	ctl  *os.File // a second descriptor: lock, speed, flush, hang-up
	node string
	rdev uint64

	mu   sync.Mutex
	in   []byte
	err  error         // why the session ended
	gone chan struct{} // closed with err set
	wake chan struct{}
	// writing says that the writer may be blocked in the kernel.
	writing bool

	writes chan write
	wg     sync.WaitGroup
	ended  chan struct{}
}

type write struct {
	b    []byte
	ctx  context.Context
	done chan error
}

func open(opt Options) (*session, error) {
	node, err := resolve(opt.Device)
	if err != nil {
		return nil, errors.Join(err, hal.ErrLost)
	}
	ctl, err := os.OpenFile(node, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("serialhal: open: %w: %w", hal.ErrLost, err)
	}
	fail := func(err error) (*session, error) { ctl.Close(); return nil, err }
	if opt.RefusePseudo && pseudo(ctl) {
		return fail(fmt.Errorf("%s: %w", opt.Device, ErrPseudo))
	}
	if err := unix.Flock(int(ctl.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fail(fmt.Errorf("serialhal: %s is in use by another process: %w", opt.Device, err))
	}
	// Whatever waits there was meant for somebody else.
	if err := unix.IoctlSetInt(int(ctl.Fd()), unix.TCFLSH, unix.TCIOFLUSH); err != nil {
		return fail(fmt.Errorf("serialhal: %s is not a serial port: %w", opt.Device, err))
	}
	port, err := serial.OpenPort(&serial.Config{Name: node, Baud: opt.Baud, ReadTimeout: step})
	if err != nil {
		return fail(fmt.Errorf("serialhal: open at %d baud: %w: %w", opt.Baud, hal.ErrLost, err))
	}
	// Once more: raw mode makes half a line of canonical mode visible.
	_ = port.Flush()
	s := &session{port: port, ctl: ctl, node: node, gone: make(chan struct{}), wake: make(chan struct{}, 1), writes: make(chan write), ended: make(chan struct{})}
	s.rdev, _ = device(node)
	s.wg.Go(s.read)
	s.wg.Go(s.write)
	go s.end()
	return s, nil
}

// pseudo tells by the major number (Documentation/admin-guide/devices.txt of the kernel): 2 and 3 are BSD
// pseudo-terminals, 5:2 is /dev/ptmx, 128 to 143 are UNIX98 ones. The node that was opened is asked: a name
// may be a link, and may be another one by now.
func pseudo(f *os.File) bool {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return true
	}
	major, minor := unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))
	return major == 2 || major == 3 || major == 5 && minor == 2 || major >= 128 && major <= 143
}

func device(node string) (uint64, bool) {
	var st unix.Stat_t
	if unix.Stat(node, &st) != nil {
		return 0, false
	}
	return uint64(st.Rdev), true
}

// fail ends the session with err, once.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	if errors.Is(err, hal.ErrClosed) {
		clear(s.in[:cap(s.in)])
		s.in = nil
	}
	close(s.gone)
	if !s.writing {
		return // what was written last, a farewell perhaps, still leaves
	}
	// Wakes a writer that waits for room.
	_ = unix.IoctlSetInt(int(s.ctl.Fd()), unix.TCFLSH, unix.TCOFLUSH)
}

// end frees the descriptors when both goroutines have ended, after a loss too and before anybody asks:
// a USB device whose old node is still held comes back under another name.
func (s *session) end() {
	<-s.gone
	s.wg.Wait()
	s.mu.Lock()
	s.port.Close()
	s.ctl.Close()
	s.mu.Unlock()
	close(s.ended)
}

// wait returns when the descriptors are closed.
func (s *session) wait() { <-s.ended }

// arrived tells whether the kernel holds bytes that were not fetched.
func (s *session) arrived() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	n, err := unix.IoctlGetInt(int(s.ctl.Fd()), unix.TIOCINQ)
	return err == nil && n > 0
}

// vanished looks for a hang-up and for the node.
func (s *session) vanished() bool {
	fds := []unix.PollFd{{Fd: int32(s.ctl.Fd()), Events: 0}}
	if n, err := unix.Poll(fds, 0); err == nil && n > 0 && fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
		return true
	}
	rdev, there := device(s.node)
	return !there || rdev != s.rdev
}

func (s *session) read() {
	buf := make([]byte, 4096)
	defer func() { clear(buf) }()
	early := 0
	for {
		start := time.Now()
		n, err := s.port.Read(buf)
		select {
		case <-s.gone:
			return
		default:
		}
		if n > 0 {
			early = 0
			s.put(buf[:n])
			clear(buf[:n])
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			s.fail(fmt.Errorf("serialhal: %w: %w", hal.ErrLost, err))
			return
		}
		if time.Since(start) < step/2 {
			early++
		} else {
			early = 0
		}
		if early >= earlyLimit || s.vanished() {
			s.fail(fmt.Errorf("serialhal: %w: the device hung up", hal.ErrLost))
			return
		}
	}
}

func (s *session) put(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if over := len(s.in) + len(b) - maxBuffered; over > 0 {
		rest := copy(s.in, s.in[min(over, len(s.in)):])
		clear(s.in[rest:])
		s.in = s.in[:rest]
	}
	if need := len(s.in) + len(b); need > cap(s.in) {
		// Grown by hand, so that the old copy can be wiped.
		grown := make([]byte, len(s.in), max(2*need, 4096))
		copy(grown, s.in)
		clear(s.in)
		s.in = grown
	}
	s.in = append(s.in, b...)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// send hands b to the writer and waits for it.
func (s *session) send(ctx context.Context, b []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// A copy: the writer may still hold it when the caller has given up.
	w := write{b: append([]byte(nil), b...), ctx: ctx, done: make(chan error, 1)}
	select {
	case s.writes <- w:
	case <-s.gone:
		return s.why()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-w.done:
		return err
	case <-s.gone:
		return s.why()
	case <-ctx.Done():
		// The far end does not read. What waits in the kernel is of no use any more, and dropping it
		// frees the writer.
		_ = s.flushOutput()
		return ctx.Err()
	}
}

func (s *session) flushOutput() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return unix.IoctlSetInt(int(s.ctl.Fd()), unix.TCFLSH, unix.TCOFLUSH)
}

func (s *session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *session) write() {
	for {
		select {
		case <-s.gone:
			return
		case w := <-s.writes:
			s.mu.Lock()
			alive := s.err == nil
			s.writing = alive
			s.mu.Unlock()
			if !alive {
				return
			}
			err := s.out(w)
			clear(w.b)
			s.mu.Lock()
			s.writing = false
			s.mu.Unlock()
			w.done <- err
		}
	}
}

func (s *session) out(w write) error {
	for b := w.b; len(b) > 0; {
		if err := s.room(w.ctx); err != nil {
			return err
		}
		n, err := s.port.Write(b[:min(len(b), writeChunk)])
		b = b[n:]
		if err != nil {
			s.fail(fmt.Errorf("serialhal: %w: %w", hal.ErrLost, err))
			return s.why()
		}
	}
	return nil
}

// room waits until the kernel takes at least a byte.
func (s *session) room(ctx context.Context) error {
	for {
		select {
		case <-s.gone:
			return s.why()
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		fds := []unix.PollFd{{Fd: int32(s.ctl.Fd()), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, int(step/time.Millisecond)/2)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("serialhal: poll: %w", err)
		case n > 0 && fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
			s.fail(fmt.Errorf("serialhal: %w: the device hung up", hal.ErrLost))
			return s.why()
		case n > 0:
			return nil
		}
	}
}

// speeds are those of a PN532 that Linux has a constant for, and the usual ones of scanners.
var speeds = map[int]uint32{9600: unix.B9600, 19200: unix.B19200, 38400: unix.B38400, 57600: unix.B57600,
	115200: unix.B115200, 230400: unix.B230400, 460800: unix.B460800, 921600: unix.B921600}

func (s *session) setBaud(ctx context.Context, baud int) error {
	rate, ok := speeds[baud]
	if !ok {
		return fmt.Errorf("serialhal: %d baud is not a speed of this driver", baud)
	}
	// What was written must leave at the old speed.
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.mu.Lock()
		if s.err != nil {
			defer s.mu.Unlock()
			return s.err
		}
		left, err := unix.IoctlGetInt(int(s.ctl.Fd()), unix.TIOCOUTQ)
		s.mu.Unlock()
		if err != nil || left == 0 {
			break
		}
		t := time.NewTimer(time.Millisecond)
		select {
		case <-t.C:
		case <-s.gone:
		case <-ctx.Done():
		}
		t.Stop()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	t, err := unix.IoctlGetTermios(int(s.ctl.Fd()), unix.TCGETS)
	if err != nil {
		return fmt.Errorf("serialhal: speed: %w", err)
	}
	t.Cflag = t.Cflag&^unix.CBAUD | rate
	t.Ispeed, t.Ospeed = rate, rate
	// TCSETSW: after the last bit has left the UART.
	if err := unix.IoctlSetTermios(int(s.ctl.Fd()), unix.TCSETSW, t); err != nil {
		return fmt.Errorf("serialhal: speed: %w", err)
	}
	return nil
}
