package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxSegmentFile caps the size of a segment file that is read, bytes.
const maxSegmentFile = 256 << 20

const segmentExt = ".seg"

// segment is one file of the log. Its name holds the number of its first frame and its epoch.
type segment struct {
	name     string
	first    uint64
	epoch    uint64
	created  int64 // Unix milliseconds, 0 where the head is damaged
	size     int64
	seq      uint64 // last sequence number in it or before it
	leafFrom uint64
	leafTo   uint64 // next leaf after it
}

func segmentName(first, epoch uint64) string {
	return fmt.Sprintf("%016x-%016x%s", first, epoch, segmentExt)
}

func parseSegmentName(name string) (first, epoch uint64, ok bool) {
	s, found := strings.CutSuffix(name, segmentExt)
	if !found || len(s) != 33 || s[16] != '-' {
		return 0, 0, false
	}
	first, err1 := strconv.ParseUint(s[:16], 16, 64)
	epoch, err2 := strconv.ParseUint(s[17:], 16, 64)
	return first, epoch, err1 == nil && err2 == nil
}

// Hole is damage in the log: something that was committed cannot be read any more.
type Hole struct {
	Segment string
	Offset  int64
	Why     string
}

// frameRef finds a frame that carries events.
type frameRef struct {
	seg   *segment
	off   int64
	size  int64
	epoch uint64
	first uint64
	n     uint64
}

func (r frameRef) last() uint64 { return r.first + r.n - 1 }

// scan is what reading a whole log finds.
type scan struct {
	state
	segs   []*segment
	refs   []frameRef
	holes  []Hole
	index  uint64 // number of the last frame, 0: none
	crc    uint32 // of the last frame
	torn   bool
	good   int64 // where the torn tail of the last segment begins
	frames int
	oldest head // of the first segment
}

// readSegment reads a segment file from an offset on, to size or (negative) to its end.
func readSegment(fs FS, name string, from, size int64) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size < 0 {
		if size, err = f.Size(); err != nil {
			return nil, err
		}
	}
	if size > maxSegmentFile {
		return nil, fmt.Errorf("%s has %d bytes", name, size)
	}
	b := make([]byte, max(size-from, 0))
	n, err := io.ReadFull(io.NewSectionReader(f, from, int64(len(b))), b)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, err
	}
	return b[:n], nil
}

// read scans all segments. It calls visit (if any) for each entry with the state after it.
func read(fs FS, visit func(*state, entry) error) (*scan, error) {
	names, err := fs.List()
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	s := &scan{state: state{meta: map[string]string{}, cursors: map[string]Cursor{}}}
	for _, n := range names {
		if first, epoch, ok := parseSegmentName(n); ok {
			s.segs = append(s.segs, &segment{name: n, first: first, epoch: epoch})
		}
	}
	slices.SortFunc(s.segs, func(a, b *segment) int { return strings.Compare(a.name, b.name) })
	for i, seg := range s.segs {
		b, err := readSegment(fs, seg.name, 0, -1)
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		if err := s.segment(seg, b, i == len(s.segs)-1, visit); err != nil {
			return nil, err
		}
	}
	s.settle()
	return s, nil
}

func (s *scan) hole(seg *segment, off int64, why string) {
	s.holes = append(s.holes, Hole{seg.name, off, why})
}

func (s *scan) segment(seg *segment, b []byte, last bool, visit func(*state, entry) error) error {
	if s.epoch != seg.epoch && s.epoch != 0 {
		// The head tells where a new epoch stands; were it damaged, the name still tells the epoch.
		s.state.epoch, s.state.seq, s.state.leaf = seg.epoch, 0, 0
	}
	s.epoch = seg.epoch
	seg.leafFrom = s.leaf
	if last && zeros(b) {
		s.torn = true // made, and nothing written yet
	}
	off := int64(0)
	for off < int64(len(b)) {
		f, err := getFrame(b[off:])
		if err != nil && zeros(b[off:]) {
			break // written ahead
		}
		if err != nil {
			next := resync(b, off+1, s.index)
			switch {
			case next >= 0:
				s.hole(seg, off, "bytes that are no frame")
				off = next
				continue
			case last:
				s.torn, s.good = true, off
			default:
				s.hole(seg, off, "bytes that are no frame at the end")
			}
			break
		}
		es, err := entries(f.payload)
		switch {
		case err != nil:
			// Its CRC holds, so this was written so: by another version, or by somebody.
			s.hole(seg, off, "a frame that does not decode")
		case s.index != 0 && f.index <= s.index:
			s.hole(seg, off, "a frame that stands a second time")
			es = nil
		case s.index != 0 && f.index != s.index+1:
			s.hole(seg, off, "frames are missing")
		case s.index != 0 && f.prev != s.crc:
			s.hole(seg, off, "the frame before was another one")
		case s.index == 0 && es[0].kind != kindHead:
			s.hole(seg, off, "the beginning is missing")
		}
		if f.index > s.index {
			s.index, s.crc = f.index, f.crc
		}
		s.frames++
		ref := frameRef{seg: seg, off: off, size: f.size, epoch: seg.epoch}
		for _, e := range es {
			switch e.kind {
			case kindHead:
				if e.head.epoch != seg.epoch {
					s.hole(seg, off, "the head names another epoch")
					e.head.epoch = seg.epoch
				}
				if e.head.fresh {
					s.holes = s.holes[min(uint64(len(s.holes)), e.head.holes):]
				}
				seg.created, seg.leafFrom = e.head.created, e.head.leaf
				if seg == s.segs[0] {
					s.oldest = e.head
				}
			case kindStep:
				if len(e.rec.Events) > 0 {
					s.seq = e.seq - 1 // differs after damage only
				}
				if len(e.rec.Leaves) > 0 {
					s.leaf = e.leaf
				}
			}
			s.apply(e)
			if e.kind == kindStep && len(e.rec.Events) > 0 {
				if ref.n == 0 {
					ref.first = e.seq
				}
				ref.n += uint64(len(e.rec.Events))
			}
			if visit != nil {
				if err := visit(&s.state, e); err != nil {
					return err
				}
			}
		}
		if ref.n > 0 {
			s.refs = append(s.refs, ref)
		}
		off += f.size
	}
	seg.size, seg.seq, seg.leafTo = off, s.seq, s.leaf
	return nil
}

func zeros(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// settle compares the cursors with what is there: an acknowledgement of something that does not exist
// any more means that a tail was lost, a beginning that is too late that the oldest segment was.
func (s *scan) settle() {
	if len(s.segs) == 0 {
		return
	}
	ack := s.cursors[cursorAck]
	if ack.Epoch == s.epoch && ack.Upto > s.seq {
		s.hole(s.segs[len(s.segs)-1], s.segs[len(s.segs)-1].size, "acknowledged events are missing at the end")
	}
	exp := s.cursors[cursorExport]
	if exp.Epoch == s.epoch && exp.Upto > s.leaf {
		s.hole(s.segs[len(s.segs)-1], s.segs[len(s.segs)-1].size, "exported leaves are missing at the end")
	}
	if o := s.oldest; o.epoch == s.epoch && o.seq > 0 && ack.before(Cursor{o.epoch, o.seq}) {
		s.hole(s.segs[0], 0, "events before the oldest segment are missing")
	}
	s.refs = trim(s.refs, ack)
}

// trim drops the references of acknowledged events from the front.
func trim(refs []frameRef, ack Cursor) []frameRef {
	i := 0
	for i < len(refs) && (refs[i].epoch < ack.Epoch || refs[i].epoch == ack.Epoch && refs[i].last() <= ack.Upto) {
		i++
	}
	return refs[i:]
}

// resync looks for the next whole frame with a number above index.
func resync(b []byte, from int64, index uint64) int64 {
	var magic [4]byte
	binary.LittleEndian.PutUint32(magic[:], frameMagic)
	for from < int64(len(b)) {
		i := bytes.Index(b[from:], magic[:])
		if i < 0 {
			return -1
		}
		from += int64(i)
		if f, err := getFrame(b[from:]); err == nil && f.index > index {
			return from
		}
		from++
	}
	return -1
}

// Entry is one record as Read finds it.
type Entry struct {
	Epoch     uint64
	Step      uint64
	FirstSeq  uint64 // of Events
	Events    [][]byte
	FirstLeaf uint64 // of Leaves
	Leaves    [][]byte
}

// Report tells what Read found.
type Report struct {
	Epoch    uint64 // last one
	Segments int
	Frames   int
	Seq      uint64 // last sequence number of the last epoch
	Leaves   uint64 // of the last epoch
	Cursors  map[string]Cursor
	Holes    []Hole // damage that no gap event tells of yet
	TornTail bool
	Clean    bool
}

// Read goes through a journal without changing or locking it, for tools. Slices given to f are f's to keep.
func Read(fs FS, f func(Entry) error) (Report, error) {
	s, err := read(fs, func(st *state, e entry) error {
		if f == nil || e.kind != kindStep {
			return nil
		}
		return f(Entry{Epoch: st.epoch, Step: e.rec.Step, FirstSeq: e.seq, Events: e.rec.Events, FirstLeaf: e.leaf, Leaves: e.rec.Leaves})
	})
	if err != nil {
		return Report{}, err
	}
	return Report{
		Epoch: s.epoch, Segments: len(s.segs), Frames: s.frames, Seq: s.seq, Leaves: s.leaf,
		Cursors: s.cursors, Holes: s.holes, TornTail: s.torn, Clean: s.clean,
	}, nil
}
