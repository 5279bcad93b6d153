package lds

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"egate/emrtd/ber"
)

// Limits of a face file.
const (
	// MaxFaces bounds templates, representations and images: issued documents have one.
	MaxFaces = 9
	// MaxFeaturePoints bounds the feature points of one representation (ISO/IEC 19794-5 §5.6 has a
	// two-byte count; the standard defines fewer than 100 points).
	MaxFeaturePoints = 256
)

// ImageFormat is told by the first bytes of an image, never by the record's own field, which issuers
// fill wrongly.
type ImageFormat uint8

// Image formats of a portrait.
const (
	ImageUnknown ImageFormat = iota
	ImageJPEG
	ImageJP2 // JPEG 2000 in its file format
	ImageJ2K // JPEG 2000 raw codestream
)

func (f ImageFormat) String() string {
	return [...]string{"unknown", "jpeg", "jp2", "j2k"}[f&3]
}

// SniffImage tells the format of an image by its first bytes.
func SniffImage(b []byte) ImageFormat {
	switch {
	case bytes.HasPrefix(b, []byte{0xFF, 0xD8, 0xFF}):
		return ImageJPEG
	case bytes.HasPrefix(b, []byte{0, 0, 0, 0x0C, 'j', 'P', ' ', ' ', 0x0D, 0x0A, 0x87, 0x0A}):
		return ImageJP2
	case bytes.HasPrefix(b, []byte{0xFF, 0x4F, 0xFF, 0x51}):
		return ImageJ2K
	}
	return ImageUnknown
}

// Face is one portrait of DG2. Image aliases the file; it is personal data and must not be decoded
// before passive authentication has passed.
type Face struct {
	Format        ImageFormat
	Image         []byte
	Width, Height int // as the record says; the image itself decides
	Remarks       []string
	// Standard is "19794-5" or "39794-5".
	Standard string
}

// Remarks on a face record.
const (
	RemarkImageType    = "lds.face_image_type_field_differs"
	RemarkRecordLength = "lds.face_record_shorter_than_block"
)

// ParseDG2 returns the faces of DG2 (ICAO Doc 9303-10 §4.7.2: CBEFF templates with ISO/IEC 19794-5
// records in 5F2E or ISO/IEC 39794-5 records in 7F2E).
func ParseDG2(b []byte) ([]Face, error) {
	e, err := open(b, Tag(2), MaxDG2)
	if err != nil {
		return nil, err
	}
	k, err := e.Children()
	if err != nil {
		return nil, fmt.Errorf("lds: dg2: %w", err)
	}
	group, ok := child(k, 0x7F61)
	if !ok {
		return nil, fmt.Errorf("%w: dg2 without biometric group", ErrFormat)
	}
	templates, err := group.Children()
	if err != nil {
		return nil, fmt.Errorf("lds: dg2: %w", err)
	}
	var out []Face
	n := 0
	for _, t := range templates {
		if !hasTag(t, 0x7F60) {
			continue
		}
		if n++; n > MaxFaces {
			return nil, fmt.Errorf("%w: biometric templates", ErrLimit)
		}
		parts, err := t.Children()
		if err != nil {
			return nil, fmt.Errorf("lds: dg2 template: %w", err)
		}
		var faces []Face
		if block, ok := child(parts, 0x5F2E); ok {
			faces, err = ParseFace19794(block.Content)
		} else if block, ok := child(parts, 0x7F2E); ok {
			faces, err = ParseFace39794(block.Content)
		} else {
			err = fmt.Errorf("%w: dg2 template without data block", ErrFormat)
		}
		if err != nil {
			return nil, err
		}
		if out = append(out, faces...); len(out) > MaxFaces {
			return nil, fmt.Errorf("%w: faces", ErrLimit)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: dg2 without a face", ErrFormat)
	}
	return out, nil
}

// Sizes of the parts of an ISO/IEC 19794-5:2005 record in bytes.
const (
	faceHeader   = 14 // FAC, version, record length, number of faces
	faceInfo     = 20 // facial information block
	faceFeature  = 8
	faceImageInf = 12
)

// ParseFace19794 reads a facial record of ISO/IEC 19794-5:2005 §5.
func ParseFace19794(b []byte) ([]Face, error) {
	if len(b) < faceHeader || string(b[:4]) != "FAC\x00" || string(b[4:8]) != "010\x00" {
		return nil, fmt.Errorf("%w: face record header", ErrFormat)
	}
	total := binary.BigEndian.Uint32(b[8:])
	count := int(binary.BigEndian.Uint16(b[12:]))
	if uint64(total) > uint64(len(b)) || total < faceHeader {
		return nil, fmt.Errorf("%w: face record length", ErrFormat)
	}
	var remarks []string
	if int(total) < len(b) {
		remarks = append(remarks, RemarkRecordLength)
	}
	if count == 0 {
		return nil, fmt.Errorf("%w: face record without a face", ErrFormat)
	}
	if count > MaxFaces {
		return nil, fmt.Errorf("%w: faces", ErrLimit)
	}
	b = b[faceHeader:total]
	var out []Face
	for range count {
		if len(b) < faceInfo {
			return nil, fmt.Errorf("%w: face record truncated", ErrFormat)
		}
		size := binary.BigEndian.Uint32(b)
		points := int(binary.BigEndian.Uint16(b[4:]))
		if points > MaxFeaturePoints {
			return nil, fmt.Errorf("%w: feature points", ErrLimit)
		}
		head := faceInfo + points*faceFeature + faceImageInf
		if uint64(size) > uint64(len(b)) || int(size) <= head {
			return nil, fmt.Errorf("%w: face data length", ErrFormat)
		}
		inf := b[head-faceImageInf : head]
		f := Face{
			Width: int(binary.BigEndian.Uint16(inf[2:])), Height: int(binary.BigEndian.Uint16(inf[4:])),
			Image: b[head:size:size], Remarks: remarks, Standard: "19794-5",
		}
		f.Format = SniffImage(f.Image)
		// Field values of §5.7.2: 0 JPEG, 1 JPEG 2000.
		if (inf[1] == 0) != (f.Format == ImageJPEG) {
			f.Remarks = append(f.Remarks[:len(f.Remarks):len(f.Remarks)], RemarkImageType)
		}
		out = append(out, f)
		b = b[size:]
	}
	return out, nil
}

// ParseFace39794 reads an ISO/IEC 39794-5 face image data block, the content of tag 7F2E (ICAO Doc
// 9303-10 §4.7.2 with ISO/IEC 39794-5:2019 Annex A): [1]{[APPLICATION 5]{[0] version, [1] representations}}.
func ParseFace39794(b []byte) ([]Face, error) {
	e, _, err := ber.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("lds: face block: %w", err)
	}
	if e.IsContext(1) {
		k, err := e.Children()
		if err != nil || len(k) < 1 {
			return nil, fmt.Errorf("%w: face block", ErrFormat)
		}
		e = k[0]
	}
	if e.Class != ber.ClassApplication || e.Number != 5 {
		return nil, fmt.Errorf("%w: face block tag", ErrFormat)
	}
	reps, err := path(e, 1)
	if err != nil {
		return nil, err
	}
	list, err := reps.Children()
	if err != nil {
		return nil, fmt.Errorf("lds: face representations: %w", err)
	}
	if len(list) > MaxFaces {
		return nil, fmt.Errorf("%w: faces", ErrLimit)
	}
	var out []Face
	for _, r := range list {
		// imageRepresentation [1] → base [0] → imageRepresentation2D [0] → representationData2D [0]
		d2, err := path(r, 1, 0, 0)
		if err != nil {
			return nil, err
		}
		data, err := path(d2, 0)
		if err != nil {
			return nil, err
		}
		img, err := data.Octets()
		if err != nil || data.Constructed || len(img) == 0 {
			return nil, fmt.Errorf("%w: face image", ErrFormat)
		}
		f := Face{Image: img, Format: SniffImage(img), Standard: "39794-5"}
		out = append(out, f)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: face block without a face", ErrFormat)
	}
	return out, nil
}

// path descends through context tags.
func path(e ber.Element, tags ...uint32) (ber.Element, error) {
	for _, t := range tags {
		k, err := e.Children()
		if err != nil {
			return e, fmt.Errorf("lds: face block: %w", err)
		}
		found := false
		for _, c := range k {
			if c.IsContext(t) {
				e, found = c, true
				break
			}
		}
		if !found {
			return e, fmt.Errorf("%w: face block element %d missing", ErrFormat, t)
		}
	}
	return e, nil
}

// BuildDG2 writes DG2 with one ISO/IEC 19794-5 record around an image as it is.
func BuildDG2(image []byte, width, height int) []byte {
	size := faceInfo + faceImageInf + len(image)
	rec := append([]byte("FAC\x00010\x00"), 0, 0, 0, 0, 0, 1)
	binary.BigEndian.PutUint32(rec[8:], uint32(faceHeader+size))
	block := make([]byte, faceInfo+faceImageInf)
	binary.BigEndian.PutUint32(block, uint32(size))
	inf := block[faceInfo:]
	inf[0] = 1 // full frontal
	if SniffImage(image) != ImageJPEG {
		inf[1] = 1
	}
	binary.BigEndian.PutUint16(inf[2:], uint16(width))
	binary.BigEndian.PutUint16(inf[4:], uint16(height))
	inf[6] = 1 // sRGB
	rec = append(append(rec, block...), image...)
	return template(8, ber.Encode(0x5F2E, rec))
}

// template wraps a data block of the given format type as the one face of DG2.
func template(format byte, block []byte) []byte {
	header := ber.Encode(0xA1, ber.Encode(0x81, []byte{2}), ber.Encode(0x87, []byte{1, 1}), ber.Encode(0x88, []byte{0, format}))
	return ber.Encode(uint16(Tag(2)), ber.Encode(0x7F61, ber.Encode(0x02, []byte{1}), ber.Encode(0x7F60, header, block)))
}

// BuildDG2As39794 writes DG2 with one ISO/IEC 39794-5 block with its mandatory fields around an image as it
// is.
func BuildDG2As39794(image []byte) []byte {
	format := byte(2) // JPEG; 3 is lossy JPEG 2000
	if SniffImage(image) != ImageJPEG {
		format = 3
	}
	d2 := ber.Encode(0xA0, ber.Encode(0x80, image), ber.Encode(0xA1, ber.Encode(0xA0, ber.Encode(0x80, []byte{format}))))
	rep := ber.Encode(ber.Sequence, ber.Encode(0x80, []byte{0}), ber.Encode(0xA1, ber.Encode(0xA0, d2)))
	version := ber.Encode(0xA0, ber.Encode(0x80, []byte{3}), ber.Encode(0x81, []byte{0x07, 0xE3}))
	return template(42, ber.Encode(0x7F2E, ber.Encode(0xA1, ber.Encode(0x65, version, ber.Encode(0xA1, rep)))))
}
