package decoder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// streamCPUSeconds is the processor time of a child that decodes the pictures of one capture: 20 s at 30 a second,
// 15 ms each at 1280 × 720, and room.
const streamCPUSeconds = 60

// Stream decodes the compressed pictures of one camera while one traveller is captured. Its child lives no longer.
type Stream struct {
	w             *Worker
	width, height int
	mu            sync.Mutex
	dead          bool
}

// Stream makes the child one for pictures of the given size; that is its one job.
func (w *Worker) Stream(width, height int) (*Stream, error) {
	if width < 1 || height < 1 || width > MaxSide || height > MaxSide || width*height > MaxPixels {
		return nil, fmt.Errorf("%w: %d x %d", ErrTooLarge, width, height)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.used {
		return nil, ErrUsed
	}
	w.used = true
	head := binary.BigEndian.AppendUint32([]byte{jobStream}, uint32(width))
	head = binary.BigEndian.AppendUint32(head, uint32(height))
	if _, err := w.in.Write(binary.BigEndian.AppendUint32(head, 0)); err != nil {
		return nil, errors.Join(ErrChild, err)
	}
	return &Stream{w: w, width: width, height: height}, nil
}

// Decode decodes one picture into pix, RGB rows without gaps, 3 bytes a pixel. ErrBroken says that this picture is cut
// off, malformed or of another size, and that the next one may be good; after ErrChild none is. The end of ctx ends the
// child.
func (s *Stream) Decode(ctx context.Context, file, pix []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(pix) != 3*s.width*s.height:
		return fmt.Errorf("%w: room of %d bytes", ErrTooLarge, len(pix))
	case len(file) == 0 || len(file) > MaxFile:
		return ErrBroken
	case s.dead:
		return ErrChild
	}
	stop := context.AfterFunc(ctx, func() { _ = s.w.cmd.Process.Kill() })
	defer stop()
	s.dead = true // until it has answered
	var status [1]byte
	_, err := s.w.in.Write(binary.BigEndian.AppendUint32(nil, uint32(len(file))))
	if err == nil {
		_, err = s.w.in.Write(file)
	}
	if err == nil {
		_, err = io.ReadFull(s.w.out, status[:])
	}
	if err == nil && status[0] == answerOK {
		_, err = io.ReadFull(s.w.out, pix)
	}
	switch {
	case err != nil:
		clear(pix)
		return errors.Join(ErrChild, ctx.Err())
	case status[0] == answerBroken:
		s.dead = false
		return ErrBroken
	case status[0] != answerOK:
		return ErrChild
	}
	s.dead = false
	return nil
}

// Close ends the child, also in the middle of a picture.
func (s *Stream) Close() error { return s.w.Close() }

// serveStream decodes pictures until the other end closes the pipe.
func serveStream(r io.Reader, w io.Writer, width, height int) error {
	if width < 1 || height < 1 || width > MaxSide || height > MaxSide || width*height > MaxPixels {
		return refuse(w)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: streamCPUSeconds, Max: streamCPUSeconds}); err != nil {
		return err
	}
	m := &Image{W: width, H: height, Pix: make([]byte, 3*width*height)}
	var file []byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil // the capture is over
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if n < 1 || n > MaxFile {
			return refuse(w)
		}
		if cap(file) < n {
			file = make([]byte, n)
		}
		file = file[:n]
		if _, err := io.ReadFull(r, file); err != nil {
			return nil
		}
		if m.frame(file) != nil {
			if _, err := w.Write([]byte{answerBroken}); err != nil {
				return nil
			}
			continue
		}
		if _, err := w.Write([]byte{answerOK}); err != nil {
			return nil
		}
		if _, err := w.Write(m.Pix); err != nil {
			return nil
		}
	}
}

// frame decodes a picture of a camera into m, whose size it must have.
func (m *Image) frame(file []byte) error {
	h, err := inspect(file)
	if err != nil || h.format != formatJPEG || h.w != m.W || h.h != m.H {
		return ErrBroken
	}
	src, err := jpeg.Decode(withTables(file))
	if err != nil || src.Bounds().Dx() != m.W || src.Bounds().Dy() != m.H {
		return ErrBroken
	}
	m.fill(src)
	return nil
}

// fill writes the pixels of src, which has the size of m.
func (m *Image) fill(src image.Image) {
	b := src.Bounds()
	i := 0
	if c, ok := src.(*image.YCbCr); ok { // what a camera sends: twenty times as fast as pixel by pixel
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				o := c.COffset(x, y)
				m.Pix[i], m.Pix[i+1], m.Pix[i+2] = color.YCbCrToRGB(c.Y[c.YOffset(x, y)], c.Cb[o], c.Cr[o])
				i += 3
			}
		}
		return
	}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := src.At(x, y).RGBA()
			m.Pix[i], m.Pix[i+1], m.Pix[i+2] = byte(r>>8), byte(g>>8), byte(bl>>8)
			i += 3
		}
	}
}

// withTables gives a picture the Huffman tables that cameras leave out: those of ITU-T T.81 annex K.3, which the
// standard library writes.
func withTables(file []byte) io.Reader {
	if len(file) < 2 || bytes.Contains(file[:min(len(file), 1024)], []byte{0xFF, 0xC4}) {
		return bytes.NewReader(file)
	}
	return io.MultiReader(bytes.NewReader(file[:2]), bytes.NewReader(tables()), bytes.NewReader(file[2:]))
}

// tables is the segment with the four tables.
var tables = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	if jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 1, 1)), nil) != nil {
		return nil
	}
	file := b.Bytes()
	for i := 2; i+4 <= len(file) && file[i] == 0xFF && file[i+1] != 0xDA; {
		n := 2 + int(binary.BigEndian.Uint16(file[i+2:]))
		if file[i+1] == 0xC4 {
			return bytes.Clone(file[i : i+n])
		}
		i += n
	}
	return nil
})
