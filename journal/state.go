package journal

import (
	"bytes"
	"maps"
)

// Cursor is how far a reader has come: everything up to and with Upto of Epoch, and all of the epochs before.
type Cursor struct {
	Epoch, Upto uint64
}

// state is what a journal knows at one point of the log.
type state struct {
	epoch   uint64
	seq     uint64 // last sequence number given
	leaf    uint64 // next leaf number
	step    uint64
	model   []byte
	meta    map[string]string
	metaLen int
	cursors map[string]Cursor
	clean   bool
}

func (s *state) clone() state {
	c := *s
	c.meta, c.cursors = maps.Clone(s.meta), maps.Clone(s.cursors)
	return c
}

func (s *state) setMeta(rows map[string]string) {
	for k, v := range rows {
		if old, ok := s.meta[k]; ok {
			s.metaLen -= len(k) + len(old)
		}
		if v == "" {
			delete(s.meta, k)
			continue
		}
		s.meta[k] = v
		s.metaLen += len(k) + len(v)
	}
}

func (s *state) apply(e entry) {
	s.clean = e.kind == kindClean
	switch e.kind {
	case kindHead:
		h := e.head
		*s = state{epoch: h.epoch, seq: h.seq, leaf: h.leaf, step: h.step, model: bytes.Clone(h.model), meta: map[string]string{}, cursors: maps.Clone(h.cursors)}
		s.setMeta(h.meta)
	case kindStep:
		s.step = e.rec.Step
		if len(e.rec.Model) > 0 {
			s.model = bytes.Clone(e.rec.Model)
		}
		s.seq += uint64(len(e.rec.Events))
		s.leaf += uint64(len(e.rec.Leaves))
		s.setMeta(e.rec.Meta)
	case kindCursor:
		s.cursors[e.cursor] = e.at
	}
}

func (s *state) head(created int64) head {
	return head{epoch: s.epoch, seq: s.seq, leaf: s.leaf, step: s.step, model: s.model, created: created, cursors: s.cursors, meta: s.meta}
}
