package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
)

// A frame is magic, length of the payload, number of the frame, CRC of the frame before it, CRC32C
// over all of that and the payload; little endian. Its payload is a list of entries: kind, length, body.
const (
	frameMagic  = 0x314a4745 // "EGJ1"
	frameHeader = 4 + 4 + 8 + 4 + 4
	crcAt       = 20
)

// Limits. They protect the reader from a hostile length and the writer from a runaway step.
const (
	// MaxRecord caps one encoded record, bytes: a model and a handful of events are a few KB.
	MaxRecord = 256 << 10
	// maxFrame caps the payload of a frame: a batch of records, or the head of a segment.
	maxFrame = 4 << 20
	// maxItems caps events or leaves of one record.
	maxItems = 1024
	// MaxMeta caps the rows that are kept, MaxMetaBytes their keys and values together.
	MaxMeta      = 4096
	MaxMetaBytes = 1 << 20
)

type kind byte

const (
	kindHead   kind = 1 // first entry of every segment: a snapshot
	kindTwice  kind = 2 // a step of earlier versions: what is event and leaf is written twice
	kindCursor kind = 3
	kindClean  kind = 4
	kindStep   kind = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errFrame = errors.New("journal: no frame here")

// putFrame encodes a frame around its payload.
func putFrame(index uint64, prev uint32, payload []byte) []byte {
	b := make([]byte, frameHeader, frameHeader+len(payload))
	binary.LittleEndian.PutUint32(b[0:], frameMagic)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(b[8:], index)
	binary.LittleEndian.PutUint32(b[16:], prev)
	b = append(b, payload...)
	binary.LittleEndian.PutUint32(b[crcAt:], frameCRC(b))
	return b
}

func frameCRC(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:crcAt], castagnoli), castagnoli, b[frameHeader:])
}

type frame struct {
	index   uint64
	prev    uint32
	crc     uint32
	payload []byte
	size    int64
}

// getFrame decodes the frame that b begins with.
func getFrame(b []byte) (frame, error) {
	if len(b) < frameHeader || binary.LittleEndian.Uint32(b) != frameMagic {
		return frame{}, errFrame
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n > maxFrame || int(n) > len(b)-frameHeader {
		return frame{}, errFrame
	}
	b = b[:frameHeader+int(n)]
	f := frame{
		index:   binary.LittleEndian.Uint64(b[8:]),
		prev:    binary.LittleEndian.Uint32(b[16:]),
		crc:     binary.LittleEndian.Uint32(b[crcAt:]),
		payload: b[frameHeader:],
		size:    int64(len(b)),
	}
	if frameCRC(b) != f.crc {
		return frame{}, errFrame
	}
	return f, nil
}

// entry is one decoded entry of a frame.
type entry struct {
	kind   kind
	rec    Record
	seq    uint64 // number of the first event of rec
	leaf   uint64 // number of the first leaf of rec
	cursor string
	at     Cursor
	head   head
}

// head is the snapshot that begins a segment.
type head struct {
	epoch   uint64
	fresh   bool // the epoch begins here
	old     uint64
	why     string
	holes   uint64 // damage that was known when the epoch began
	seq     uint64 // last sequence number given before
	leaf    uint64 // next leaf number
	step    uint64
	model   []byte
	created int64 // Unix milliseconds
	cursors map[string]Cursor
	meta    map[string]string
}

func appendBytes[T ~[]byte | ~string](b []byte, v T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func appendEntry(b []byte, k kind, body []byte) []byte {
	return appendBytes(append(b, byte(k)), body)
}

func appendMeta(b []byte, m map[string]string) []byte {
	b = binary.AppendUvarint(b, uint64(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = appendBytes(appendBytes(b, k), m[k])
	}
	return b
}

func appendList(b []byte, l [][]byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(l)))
	for _, v := range l {
		b = appendBytes(b, v)
	}
	return b
}

func putStep(r Record, seq, leaf uint64) []byte {
	b := binary.AppendUvarint(nil, r.Step)
	b = appendBytes(b, r.Model)
	b = binary.AppendUvarint(b, seq)
	b = appendList(b, r.Events)
	b = binary.AppendUvarint(b, leaf)
	b = appendLeaves(b, r)
	return appendMeta(b, r.Meta)
}

// appendLeaves writes a leaf that is the event at the same place as a zero, any other with its length and one: what is sent
// cannot be changed without what is signed, and is not written twice.
func appendLeaves(b []byte, r Record) []byte {
	b = binary.AppendUvarint(b, uint64(len(r.Leaves)))
	for i, v := range r.Leaves {
		if i < len(r.Events) && bytes.Equal(v, r.Events[i]) {
			b = binary.AppendUvarint(b, 0)
			continue
		}
		b = append(binary.AppendUvarint(b, uint64(len(v))+1), v...)
	}
	return b
}

func putCursor(name string, c Cursor) []byte {
	b := appendBytes(nil, name)
	b = binary.AppendUvarint(b, c.Epoch)
	return binary.AppendUvarint(b, c.Upto)
}

func putHead(h head) []byte {
	b := binary.AppendUvarint(nil, h.epoch)
	fresh := uint64(0)
	if h.fresh {
		fresh = 1
	}
	b = binary.AppendUvarint(b, fresh)
	b = binary.AppendUvarint(b, h.old)
	b = appendBytes(b, h.why)
	b = binary.AppendUvarint(b, h.holes)
	b = binary.AppendUvarint(b, h.seq)
	b = binary.AppendUvarint(b, h.leaf)
	b = binary.AppendUvarint(b, h.step)
	b = appendBytes(b, h.model)
	b = binary.AppendVarint(b, h.created)
	b = binary.AppendUvarint(b, uint64(len(h.cursors)))
	for _, k := range slices.Sorted(maps.Keys(h.cursors)) {
		b = append(b, putCursor(k, h.cursors[k])...)
	}
	return appendMeta(b, h.meta)
}

// reader takes fields off a body; the first error sticks.
type reader struct {
	b   []byte
	err error
}

var errEntry = errors.New("journal: entry does not decode")

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte { return r.take(r.uvarint()) }

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) count(limit uint64) int {
	n := r.uvarint()
	if n > limit || n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) list() [][]byte {
	n := r.count(maxItems)
	if n == 0 {
		return nil
	}
	l := make([][]byte, 0, n)
	for range n {
		l = append(l, r.bytes())
	}
	return l
}

// leaves takes what appendLeaves wrote.
func (r *reader) leaves(events [][]byte) [][]byte {
	n := r.count(maxItems)
	if n == 0 {
		return nil
	}
	l := make([][]byte, 0, n)
	for i := range n {
		switch size := r.uvarint(); {
		case size > 0:
			l = append(l, r.take(size-1))
		case i < len(events):
			l = append(l, events[i])
		default:
			r.fail()
		}
	}
	return l
}

func (r *reader) metaRows(limit uint64) map[string]string {
	n := r.count(limit)
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		k := string(r.bytes())
		m[k] = string(r.bytes())
	}
	return m
}

func (r *reader) cursorRow() (string, Cursor) {
	name := string(r.bytes())
	return name, Cursor{Epoch: r.uvarint(), Upto: r.uvarint()}
}

func (r *reader) fail() { r.err, r.b = errEntry, nil }

// entries decodes the payload of a frame. Byte slices point into it.
func entries(payload []byte) ([]entry, error) {
	var out []entry
	r := reader{b: payload}
	for len(r.b) > 0 && r.err == nil {
		e := entry{kind: kind(r.b[0])}
		r.b = r.b[1:]
		body := reader{b: r.bytes(), err: r.err}
		switch e.kind {
		case kindHead:
			h := &e.head
			h.epoch = body.uvarint()
			h.fresh = body.uvarint() == 1
			h.old = body.uvarint()
			h.why = string(body.bytes())
			h.holes = body.uvarint()
			h.seq, h.leaf, h.step = body.uvarint(), body.uvarint(), body.uvarint()
			h.model = body.bytes()
			h.created = body.varint()
			h.cursors = map[string]Cursor{}
			for range body.count(maxItems) {
				name, c := body.cursorRow()
				h.cursors[name] = c
			}
			h.meta = body.metaRows(MaxMeta)
		case kindStep, kindTwice:
			e.rec.Step = body.uvarint()
			e.rec.Model = body.bytes()
			e.seq = body.uvarint()
			e.rec.Events = body.list()
			e.leaf = body.uvarint()
			if e.kind == kindStep {
				e.rec.Leaves = body.leaves(e.rec.Events)
			} else {
				e.kind, e.rec.Leaves = kindStep, body.list()
			}
			e.rec.Meta = body.metaRows(maxItems)
		case kindCursor:
			e.cursor, e.at = body.cursorRow()
		case kindClean:
		default:
			return nil, fmt.Errorf("%w: kind %d", errEntry, e.kind)
		}
		if body.err != nil || len(body.b) != 0 {
			return nil, errEntry
		}
		out = append(out, e)
	}
	if r.err != nil || len(out) == 0 {
		return nil, errEntry
	}
	return out, nil
}
