package simhal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"egate/hal"
)

const (
	headerLen = 32
	magic     = "EGCF"
	// maxSide and maxPixels cap what a header may announce: four times 1920 × 1080 in 3 bytes.
	maxSide   = 8192
	maxPixels = 3840 * 2160 * 3
)

type camera struct {
	conn   net.Conn
	closed atomic.Bool

	mu    sync.Mutex // held by Next
	asked bool       // a frame is on its way
	stale bool       // nobody waits for the frame that is on its way
	hdr   [headerLen]byte
	nhdr  int
	skip  int // pixel bytes of an abandoned frame that still come
	lost  error
}

// DialCamera opens the camera of a CameraServer at the unix socket path. Nothing is captured until
// the first Next.
func DialCamera(path string) (hal.Camera, error) {
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if err != nil {
		return nil, fmt.Errorf("simhal: camera: %w: %w", hal.ErrLost, err)
	}
	return &camera{conn: conn}, nil
}

// Next implements hal.Camera. It reads straight into f.Pix and keeps no copy.
func (c *camera) Next(ctx context.Context, f *hal.Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return hal.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.lost != nil {
		return c.lost
	}
	_ = c.conn.SetDeadline(time.Time{})
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		_ = c.conn.SetDeadline(time.Unix(1, 0))
	})
	err := c.next(f)
	if !stop() {
		<-cut
	}
	if err == nil {
		return nil
	}
	if c.asked {
		c.stale = true
	}
	clear(f.Pix[:cap(f.Pix)])
	switch {
	case c.closed.Load():
		return hal.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	c.lost = fmt.Errorf("simhal: camera: %w: %w", hal.ErrLost, err)
	return c.lost
}

func (c *camera) next(f *hal.Frame) error {
	for {
		if !c.asked {
			if _, err := c.conn.Write([]byte{'N'}); err != nil {
				return err
			}
			c.asked = true
		}
		for c.skip > 0 {
			if cap(f.Pix) == 0 {
				f.Pix = make([]byte, 64<<10)
			}
			b := f.Pix[:cap(f.Pix)]
			n, err := c.conn.Read(b[:min(len(b), c.skip)])
			clear(b[:n])
			c.skip -= n
			if c.skip == 0 {
				c.asked, c.stale = false, false
			} else if err != nil {
				return err
			}
		}
		if !c.asked {
			continue
		}
		n, err := io.ReadFull(c.conn, c.hdr[c.nhdr:])
		c.nhdr += n
		if c.nhdr < headerLen {
			return err
		}
		c.nhdr = 0
		size, err := parseHeader(c.hdr[:], f)
		if err != nil {
			return err
		}
		c.skip = size
		if c.stale {
			continue
		}
		if cap(f.Pix) < size {
			f.Pix = make([]byte, size)
		}
		f.Pix = f.Pix[:size]
		n, err = io.ReadFull(c.conn, f.Pix)
		c.skip -= n
		if c.skip > 0 {
			return err
		}
		c.asked = false
		return nil
	}
}

func parseHeader(b []byte, f *hal.Frame) (size int, err error) {
	if len(b) < headerLen || string(b[:4]) != magic {
		return 0, errors.New("not a frame header")
	}
	be := binary.BigEndian
	f.Format = hal.PixelFormat(b[4])
	w, h, stride := be.Uint32(b[8:]), be.Uint32(b[12:]), be.Uint32(b[16:])
	if w == 0 || h == 0 || w > maxSide || h > maxSide || stride > maxPixels {
		return 0, errors.New("frame size beyond bounds")
	}
	f.Width, f.Height, f.Stride = int(w), int(h), int(stride)
	f.Seq, f.At = be.Uint32(b[20:]), time.Duration(be.Uint64(b[24:]))
	size, least := pixelBytes(f), 0
	switch f.Format {
	case hal.PixelRGB:
		least = 3 * f.Width
	case hal.PixelYUYV:
		least = 2 * f.Width
	case hal.PixelNV12, hal.PixelGrey:
		least = f.Width
	case hal.PixelMJPEG:
		least = 1
	default:
		return 0, errors.New("unknown pixel format")
	}
	if f.Stride < least || size > maxPixels {
		return 0, errors.New("frame size beyond bounds")
	}
	return size, nil
}

func pixelBytes(f *hal.Frame) int {
	switch f.Format {
	case hal.PixelNV12:
		return f.Stride * (f.Height + (f.Height+1)/2)
	case hal.PixelMJPEG:
		return f.Stride
	}
	return f.Stride * f.Height
}

// Close implements hal.Camera. The far end sees it at once and renders no more.
func (c *camera) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.conn.Close()
}

// CameraServer is the far end of DialCamera. It renders only when a client asks.
type CameraServer struct {
	ln            net.Listener
	start         time.Time
	width, height int
	period        time.Duration
	render        func(at time.Duration, dst *hal.Frame)
	wg            sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	ever   int
	closed bool
	frames atomic.Uint64
	hold   atomic.Bool
}

// NewCameraServer listens at the unix socket path, which it makes anew. render draws the view at a
// time since start into dst, which comes as RGB of the given size with Pix allocated; it may change
// format and stride. It is called by one goroutine per client.
func NewCameraServer(path string, width, height, fps int, render func(at time.Duration, dst *hal.Frame)) (*CameraServer, error) {
	if width < 1 || height < 1 || width > maxSide || height > maxSide || fps < 1 || fps > 1000 {
		return nil, fmt.Errorf("simhal: camera: %d × %d at %d/s", width, height, fps)
	}
	ln, err := listen(path)
	if err != nil {
		return nil, err
	}
	s := &CameraServer{ln: ln, start: time.Now(), width: width, height: height, period: time.Second / time.Duration(fps),
		render: render, conns: map[net.Conn]bool{}}
	s.wg.Go(s.accept)
	return s, nil
}

// Start is the origin of the times that render is given.
func (s *CameraServer) Start() time.Time { return s.start }

// Connected counts the clients that have the camera open now, and those that ever had.
func (s *CameraServer) Connected() (now, ever int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), s.ever
}

// Frames counts the frames rendered so far.
func (s *CameraServer) Frames() uint64 { return s.frames.Load() }

// Freeze makes the server keep its clients without answer, as a camera that hangs does, or ends that.
func (s *CameraServer) Freeze(on bool) { s.hold.Store(on) }

// Disconnect cuts all clients off, as a pulled cable would.
func (s *CameraServer) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Close ends the server; it returns when render runs no more.
func (s *CameraServer) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	err := s.ln.Close()
	s.wg.Wait()
	return err
}

func (s *CameraServer) accept() {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.conns[conn] = true
		s.ever++
		s.mu.Unlock()
		s.wg.Go(func() {
			s.serve(conn)
			conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

func (s *CameraServer) serve(conn net.Conn) {
	// A reader of its own notices a client that goes away while a frame is waited for.
	asked, gone := make(chan struct{}, 1), make(chan struct{})
	s.wg.Go(func() {
		defer close(gone)
		var b [16]byte
		for {
			n, err := conn.Read(b[:])
			if err != nil {
				return
			}
			for range n {
				select {
				case asked <- struct{}{}: // one frame in flight: more requests than that are ignored
				default:
				}
			}
		}
	})
	defer func() { conn.Close(); <-gone }()
	f := &hal.Frame{Pix: make([]byte, 3*s.width*s.height)}
	defer func() { clear(f.Pix[:cap(f.Pix)]) }()
	tick := time.NewTimer(0)
	defer tick.Stop()
	buf := make([]byte, headerLen)
	for last := int64(-1); ; {
		select {
		case <-gone:
			return
		case <-asked:
		}
		n := max(int64(time.Since(s.start)/s.period), last) + 1
		tick.Reset(time.Until(s.start.Add(time.Duration(n) * s.period)))
		select {
		case <-gone:
			return
		case <-tick.C:
		}
		for s.hold.Load() {
			tick.Reset(s.period)
			select {
			case <-gone:
				return
			case <-tick.C:
			}
			n++
		}
		last = n
		at := time.Duration(n) * s.period
		*f = hal.Frame{Format: hal.PixelRGB, Width: s.width, Height: s.height, Stride: 3 * s.width, Pix: f.Pix[:3*s.width*s.height], Seq: uint32(n), At: at}
		s.render(at, f)
		s.frames.Add(1)
		f.Seq, f.At = uint32(n), at
		be := binary.BigEndian
		copy(buf, magic)
		copy(buf[4:8], []byte{byte(f.Format), 0, 0, 0})
		be.PutUint32(buf[8:], uint32(f.Width))
		be.PutUint32(buf[12:], uint32(f.Height))
		be.PutUint32(buf[16:], uint32(f.Stride))
		be.PutUint32(buf[20:], f.Seq)
		be.PutUint64(buf[24:], uint64(f.At))
		size := pixelBytes(f)
		if size > len(f.Pix) {
			return
		}
		bufs := net.Buffers{buf, f.Pix[:size]}
		if _, err := bufs.WriteTo(conn); err != nil {
			return
		}
	}
}
