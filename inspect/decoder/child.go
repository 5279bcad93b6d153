package decoder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"egate/inspect/sandbox"
)

// ChildMain is the child: it confines itself, does one job and returns the exit code.
func ChildMain() int {
	if err := unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: cpuSeconds, Max: streamCPUSeconds}); err != nil {
		return 3
	}
	if err := limitMemory(); err != nil {
		return 3
	}
	if _, err := sandbox.Enter(sandbox.Needs{Pipes: true}); err != nil {
		return 3
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		return 1
	}
	return 0
}

// serve does one job.
func serve(r io.Reader, w io.Writer) error {
	var head [13]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	width, height := int(binary.BigEndian.Uint32(head[1:])), int(binary.BigEndian.Uint32(head[5:]))
	n := int(binary.BigEndian.Uint32(head[9:]))
	if head[0] != jobStream { // for good
		if err := unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: cpuSeconds, Max: cpuSeconds}); err != nil {
			return err
		}
	}
	switch head[0] {
	case jobDecode:
		if n < 1 || n > MaxFile {
			return refuse(w)
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return refuse(w)
		}
		m, err := decode(body)
		if err != nil {
			return refuse(w)
		}
		return hand(w, m)
	case jobStream:
		return serveStream(r, w, width, height)
	case jobTool:
		if n < 1 || n > MaxToolFile {
			return answer(w, answerTooLarge)
		}
		// A file that asks for more time ends here, however busy the machine is: processor time counts.
		if err := limitTime(toolTime); err != nil {
			return err
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return refuse(w)
		}
		m, err := decodeTool(body)
		switch {
		case errors.Is(err, ErrFormat):
			return answer(w, answerFormat)
		case errors.Is(err, ErrTooLarge):
			return answer(w, answerTooLarge)
		case err != nil:
			return answer(w, answerBroken)
		}
		return hand(w, m)
	case jobEncode:
		if width < 1 || height < 1 || width > MaxSide || height > MaxSide || width*height > MaxPixels || n != 3*width*height {
			return refuse(w)
		}
		m := Image{W: width, H: height, Pix: make([]byte, n)}
		if _, err := io.ReadFull(r, m.Pix); err != nil {
			return refuse(w)
		}
		file, err := encode(&m)
		if err != nil {
			return refuse(w)
		}
		if _, err := w.Write(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(file)))); err != nil {
			return err
		}
		_, err = w.Write(file)
		return err
	}
	return refuse(w)
}

func refuse(w io.Writer) error { return answer(w, answerRefused) }

func answer(w io.Writer, a byte) error {
	_, _ = w.Write([]byte{a})
	return ErrPicture
}

// hand gives a decoded picture over.
func hand(w io.Writer, m *Image) error {
	out := binary.BigEndian.AppendUint32([]byte{answerOK}, uint32(m.W))
	out = binary.BigEndian.AppendUint32(out, uint32(m.H))
	if _, err := w.Write(out); err != nil {
		return err
	}
	_, err := w.Write(m.Pix)
	return err
}

// decode checks what the header promises and decodes.
func decode(file []byte) (*Image, error) {
	h, err := inspect(file)
	if err != nil {
		return nil, err
	}
	if h.format != formatJPEG {
		return openjpeg(file, h.format == formatJP2)
	}
	c, err := jpeg.DecodeConfig(bytes.NewReader(file))
	if err != nil || c.Width != h.w || c.Height != h.h {
		return nil, errors.New("decoder: jpeg")
	}
	src, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil || src.Bounds().Dx() != h.w || src.Bounds().Dy() != h.h {
		return nil, errors.New("decoder: jpeg")
	}
	return pixels(src).upright(h.orientation), nil
}

func pixels(src image.Image) *Image {
	b := src.Bounds()
	m := &Image{W: b.Dx(), H: b.Dy(), Pix: make([]byte, 3*b.Dx()*b.Dy())}
	m.fill(src)
	return m
}

// rgb lets the encoder read pixels where they are.
type rgb struct{ *Image }

func (m rgb) ColorModel() color.Model { return color.RGBAModel }
func (m rgb) Bounds() image.Rectangle { return image.Rect(0, 0, m.W, m.H) }
func (m rgb) At(x, y int) color.Color {
	p := m.Pix[3*(y*m.W+x):]
	return color.RGBA{p[0], p[1], p[2], 255}
}

func encode(m *Image) ([]byte, error) {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, rgb{m}, &jpeg.Options{Quality: jpegOut}); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
