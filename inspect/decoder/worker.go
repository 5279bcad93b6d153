package decoder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// Limits of a job.
const (
	MaxFile    = 2 << 20 // of a picture file, bytes: C-10 allows 2 MiB for DG2 in all
	MaxSide    = 4096    // of a picture, pixels
	MaxPixels  = 4 << 20 // of a picture
	cpuSeconds = 10      // of one child
	jpegOut    = 85      // quality of the files made for officers
)

// Limits of a job for tools (DecodeFile): pictures of data sets and of telephones. What has more pixels
// than MaxPixels is shrunk by a whole factor within the child.
const (
	MaxToolFile   = 16 << 20 // bytes
	MaxToolSide   = 8192     // pixels
	MaxToolPixels = 16 << 20
	maxToolWork   = 64 << 20 // pixels times scans of a JPEG: what a second can do
)

// Errors that callers branch on.
var (
	// ErrPicture says that the child refused the picture: unknown format, broken, too large.
	ErrPicture = errors.New("decoder: picture refused")
	// ErrFormat says that the first bytes are of no format that is known here.
	ErrFormat = fmt.Errorf("%w: unknown format", ErrPicture)
	// ErrTooLarge says that the file, or what its header promises, is beyond the limits.
	ErrTooLarge = fmt.Errorf("%w: too large", ErrPicture)
	// ErrBroken says that the picture is cut off or malformed.
	ErrBroken = fmt.Errorf("%w: cut off or malformed", ErrPicture)
	// ErrChild says that the child died or did not answer: nothing is known of the picture.
	ErrChild = errors.New("decoder: child failed")
	// ErrUsed says that a child has had its one job.
	ErrUsed = errors.New("decoder: child has been used")
)

// Image is 8-bit RGB, 3 bytes a pixel, rows without gaps.
type Image struct {
	W, H int
	Pix  []byte
}

// Jobs.
const (
	jobDecode byte = 'D'
	jobEncode byte = 'E'
	jobTool   byte = 'T'
	jobStream byte = 'S'
)

// Answers of a child: none but answerOK is followed by anything.
const (
	answerOK byte = iota
	answerRefused
	answerFormat
	answerTooLarge
	answerBroken
)

// Worker is a child that waits for its one job.
type Worker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser

	mu   sync.Mutex
	used bool
	reap sync.Once
}

// Prefork starts a child: argv is a program that calls ChildMain, e.g. egate-inspect decode-image.
func Prefork(argv ...string) (*Worker, error) {
	w := &Worker{cmd: exec.Command(argv[0], argv[1:]...)}
	w.cmd.Env = []string{"GOTRACEBACK=none"}
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if w.in, err = w.cmd.StdinPipe(); err == nil {
		w.out, err = w.cmd.StdoutPipe()
	}
	if err == nil {
		err = w.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: start: %w", ErrChild, err)
	}
	return w, nil
}

// Close ends the child and reaps it. It may be called at any time, from any goroutine, more than once.
func (w *Worker) Close() error {
	w.reap.Do(func() {
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait() // it was killed
	})
	return nil
}

// Decode has a picture file decoded. Its bytes are in no other process than this and the child.
func (w *Worker) Decode(ctx context.Context, file []byte) (*Image, error) {
	if len(file) == 0 || len(file) > MaxFile {
		return nil, fmt.Errorf("%w: %d bytes", ErrPicture, len(file))
	}
	return w.picture(ctx, jobDecode, file)
}

// DecodeFile has a picture of a tool decoded: a data set's or a telephone's, JPEG, JPEG 2000 or PNG, not one
// of a chip. The errors are ErrFormat, ErrTooLarge, ErrBroken, which are all ErrPicture, and ErrChild.
func (w *Worker) DecodeFile(ctx context.Context, file []byte) (*Image, error) {
	if len(file) == 0 {
		return nil, ErrBroken
	}
	if len(file) > MaxToolFile {
		return nil, ErrTooLarge
	}
	return w.picture(ctx, jobTool, file)
}

func (w *Worker) picture(ctx context.Context, op byte, file []byte) (*Image, error) {
	var m *Image
	err := w.job(ctx, op, 0, 0, file, func(r io.Reader) error {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		m = &Image{W: int(binary.BigEndian.Uint32(head[:])), H: int(binary.BigEndian.Uint32(head[4:]))}
		if m.W < 1 || m.H < 1 || m.W > MaxSide || m.H > MaxSide || m.W*m.H > MaxPixels {
			return errors.New("size")
		}
		m.Pix = make([]byte, 3*m.W*m.H)
		_, err := io.ReadFull(r, m.Pix)
		return err
	})
	if err != nil {
		if m != nil {
			clear(m.Pix)
		}
		return nil, err
	}
	return m, nil
}

// Encode has a JPEG file made of pixels.
func (w *Worker) Encode(ctx context.Context, m *Image) ([]byte, error) {
	if m == nil || m.W < 1 || m.H < 1 || m.W > MaxSide || m.H > MaxSide || m.W*m.H > MaxPixels || len(m.Pix) != 3*m.W*m.H {
		return nil, fmt.Errorf("%w: size", ErrPicture)
	}
	var file []byte
	err := w.job(ctx, jobEncode, m.W, m.H, m.Pix, func(r io.Reader) error {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 || n > MaxFile {
			return errors.New("size")
		}
		file = make([]byte, n)
		_, err := io.ReadFull(r, file)
		return err
	})
	return file, err
}

// job sends the one job and reads its answer; the child is dead when it returns.
func (w *Worker) job(ctx context.Context, op byte, width, height int, body []byte, read func(io.Reader) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.used {
		return ErrUsed
	}
	w.used = true
	stop := context.AfterFunc(ctx, func() { _ = w.cmd.Process.Kill() })
	defer stop()
	defer w.Close()
	head := []byte{op}
	head = binary.BigEndian.AppendUint32(head, uint32(width))
	head = binary.BigEndian.AppendUint32(head, uint32(height))
	head = binary.BigEndian.AppendUint32(head, uint32(len(body)))
	// A child that refuses early closes its end: the answer tells more than the broken pipe.
	_, werr := w.in.Write(head)
	if werr == nil {
		_, werr = w.in.Write(body)
	}
	_ = w.in.Close()
	var status [1]byte
	if _, err := io.ReadFull(w.out, status[:]); err != nil {
		return errors.Join(ErrChild, ctx.Err(), werr)
	}
	switch status[0] {
	case answerOK:
	case answerRefused:
		return ErrPicture
	case answerFormat:
		return ErrFormat
	case answerTooLarge:
		return ErrTooLarge
	case answerBroken:
		return ErrBroken
	default:
		return ErrChild
	}
	if err := read(w.out); err != nil {
		return errors.Join(ErrChild, ctx.Err())
	}
	return nil
}

// Decode starts a child for one picture, for tools; a gate starts its children ahead.
func Decode(ctx context.Context, argv []string, file []byte) (*Image, error) {
	w, err := Prefork(argv...)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.Decode(ctx, file)
}
