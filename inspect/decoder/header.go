package decoder

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// What a header may promise. A file that promises more is refused before a decoder sees it: size and
// structure cost memory and time long before a pixel is decoded.
const (
	maxScans      = 100  // of a JPEG: a progressive portrait has about ten
	maxTiles      = 1024 // of a JPEG 2000 picture: a portrait has one
	maxComponents = 4
	maxDepth      = 16 // bits of a component
	maxSampling   = 4  // of a component, pixels
	maxBoxes      = 64 // of a JP2 file before its codestream
)

var (
	errHeader  = errors.New("decoder: header")
	errUnknown = errors.New("decoder: unknown format")
)

var (
	magicJPEG = []byte{0xFF, 0xD8, 0xFF}
	magicJP2  = []byte{0, 0, 0, 12, 'j', 'P', ' ', ' ', 13, 10, 0x87, 10}
	magicJ2K  = []byte{0xFF, 0x4F, 0xFF, 0x51}
)

type format uint8

const (
	formatNone format = iota
	formatJPEG
	formatJP2
	formatJ2K
)

// header is what a picture promises.
type header struct {
	format      format
	w, h        int
	orientation int // of EXIF, 1 to 8; 1 is upright
	scans       int // of a JPEG
}

// inspect tells the format by the first bytes, never by what a record claims, and checks the limits.
func inspect(file []byte) (header, error) {
	h, err := look(file)
	if err != nil {
		return h, err
	}
	if h.w < 1 || h.h < 1 || h.w > MaxSide || h.h > MaxSide || h.w*h.h > MaxPixels {
		return h, errHeader
	}
	return h, nil
}

// look reads the header of a JPEG or JPEG 2000 picture.
func look(file []byte) (header, error) {
	h := header{orientation: 1}
	var err error
	switch {
	case bytes.HasPrefix(file, magicJPEG):
		h.format = formatJPEG
		err = h.jpeg(file)
	case bytes.HasPrefix(file, magicJP2):
		h.format = formatJP2
		var code []byte
		if code, err = codestream(file); err == nil {
			err = h.j2k(code)
		}
	case bytes.HasPrefix(file, magicJ2K):
		h.format = formatJ2K
		err = h.j2k(file)
	default:
		return h, errUnknown
	}
	return h, err
}

// jpeg walks the markers (ITU-T T.81 annex B) to the end of the picture. Bytes after it are not looked
// at: some issuers pad the file.
func (h *header) jpeg(file []byte) error {
	for i := 2; ; {
		for i < len(file) && file[i] == 0xFF && i+1 < len(file) && file[i+1] == 0xFF {
			i++ // fill bytes
		}
		if i+2 > len(file) || file[i] != 0xFF {
			return errHeader
		}
		m := file[i+1]
		i += 2
		switch {
		case m == 0xD9: // end of image
			if h.w == 0 || h.scans == 0 {
				return errHeader
			}
			return nil
		case m == 0x01 || m >= 0xD0 && m <= 0xD7: // no parameters
			continue
		case m == 0xD8 || m == 0x00:
			return errHeader
		}
		if i+2 > len(file) {
			return errHeader
		}
		n := int(binary.BigEndian.Uint16(file[i:]))
		if n < 2 || i+n > len(file) {
			return errHeader
		}
		seg := file[i+2 : i+n]
		i += n
		switch {
		case m >= 0xC0 && m <= 0xCF && m != 0xC4 && m != 0xC8 && m != 0xCC: // start of frame
			if h.w != 0 || len(seg) < 6 || seg[0] != 8 || seg[5] < 1 || seg[5] > maxComponents {
				return errHeader
			}
			h.h, h.w = int(binary.BigEndian.Uint16(seg[1:])), int(binary.BigEndian.Uint16(seg[3:]))
			if h.w == 0 || h.h == 0 {
				return errHeader
			}
		case m == 0xE1:
			if o := orientation(seg); o != 0 && h.w == 0 {
				h.orientation = o
			}
		case m == 0xDA: // start of scan: entropy-coded bytes follow
			if h.scans++; h.scans > maxScans || h.w == 0 {
				return errHeader
			}
			for {
				k := bytes.IndexByte(file[i:], 0xFF)
				if k < 0 || i+k+1 >= len(file) {
					// Cut off within the last scan. The decoder decides whether it is a picture.
					return nil
				}
				i += k
				if b := file[i+1]; b == 0x00 || b >= 0xD0 && b <= 0xD7 {
					i += 2
					continue
				}
				break
			}
		}
	}
}

// orientation reads the tag of an EXIF segment (EXIF 2.32 §4.6.4), 0 if there is none.
func orientation(seg []byte) int {
	t, ok := bytes.CutPrefix(seg, []byte("Exif\x00\x00"))
	if !ok || len(t) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.BigEndian
	switch string(t[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
	default:
		return 0
	}
	at := int64(order.Uint32(t[4:]))
	if at < 8 || at+2 > int64(len(t)) {
		return 0
	}
	n := int(order.Uint16(t[at:]))
	for k := range n {
		e := at + 2 + 12*int64(k)
		if e+12 > int64(len(t)) {
			return 0
		}
		// Tag 0x0112, type SHORT, one value.
		if order.Uint16(t[e:]) == 0x0112 && order.Uint16(t[e+2:]) == 3 && order.Uint32(t[e+4:]) == 1 {
			if o := int(order.Uint16(t[e+8:])); o >= 1 && o <= 8 {
				return o
			}
			return 0
		}
	}
	return 0
}

// codestream finds the contiguous codestream box of a JP2 file (ISO/IEC 15444-1 annex I).
func codestream(file []byte) ([]byte, error) {
	for i, n := 0, 0; n < maxBoxes; n++ {
		if len(file)-i < 8 {
			return nil, errHeader
		}
		length, kind, head := uint64(binary.BigEndian.Uint32(file[i:])), string(file[i+4:i+8]), uint64(8)
		if length == 1 {
			if len(file)-i < 16 {
				return nil, errHeader
			}
			length, head = binary.BigEndian.Uint64(file[i+8:]), 16
		}
		rest := uint64(len(file) - i)
		if length == 0 { // to the end of the file
			length = rest
		}
		if length < head {
			return nil, errHeader
		}
		if kind == "jp2c" {
			// The box may promise more than there is: the decoder decides whether it is a picture.
			return file[i+int(head) : i+int(min(length, rest))], nil
		}
		if length > rest {
			return nil, errHeader
		}
		i += int(length)
	}
	return nil, errHeader
}

// j2k reads the SIZ marker (ISO/IEC 15444-1 §A.5.1), which must come first.
func (h *header) j2k(code []byte) error {
	if !bytes.HasPrefix(code, magicJ2K) || len(code) < 4+2+36 {
		return errHeader
	}
	seg := code[4:]
	n := int(binary.BigEndian.Uint16(seg))
	word := func(at int) int64 { return int64(binary.BigEndian.Uint32(seg[at:])) }
	x1, y1, x0, y0 := word(4), word(8), word(12), word(16)
	tw, th, tx, ty := word(20), word(24), word(28), word(32)
	comps := int(binary.BigEndian.Uint16(seg[36:]))
	if comps < 1 || comps > maxComponents || n != 38+3*comps || len(seg) < n {
		return errHeader
	}
	if x1 <= x0 || y1 <= y0 || tw < 1 || th < 1 || tx > x0 || ty > y0 || tx+tw <= x0 || ty+th <= y0 || x1-x0 > MaxSide || y1-y0 > MaxSide {
		return errHeader
	}
	if ((x1-tx+tw-1)/tw)*((y1-ty+th-1)/th) > maxTiles {
		return errHeader
	}
	for k := range comps {
		c := seg[38+3*k:]
		if depth := c[0]&0x7F + 1; depth > maxDepth || c[1] < 1 || c[1] > maxSampling || c[2] < 1 || c[2] > maxSampling {
			return errHeader
		}
	}
	h.w, h.h = int(x1-x0), int(y1-y0)
	return nil
}

// upright turns a picture by the orientation of its EXIF.
func (m *Image) upright(orientation int) *Image {
	if orientation < 2 || orientation > 8 {
		return m
	}
	out := &Image{W: m.W, H: m.H, Pix: make([]byte, len(m.Pix))}
	if orientation >= 5 {
		out.W, out.H = m.H, m.W
	}
	for y := range out.H {
		for x := range out.W {
			sx, sy := x, y
			switch orientation {
			case 2:
				sx = m.W - 1 - x
			case 3:
				sx, sy = m.W-1-x, m.H-1-y
			case 4:
				sy = m.H - 1 - y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, m.H-1-x
			case 7:
				sx, sy = m.W-1-y, m.H-1-x
			case 8:
				sx, sy = m.W-1-y, x
			}
			copy(out.Pix[3*(y*out.W+x):][:3], m.Pix[3*(sy*m.W+sx):])
		}
	}
	clear(m.Pix)
	return out
}
