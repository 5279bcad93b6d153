package journal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
)

// Errors of acknowledgements.
var (
	// ErrAhead says that something was acknowledged that this journal never gave out. From the centre,
	// whose signature was checked, it means that the journal has lost its end: see NewEpoch.
	ErrAhead = errors.New("journal: acknowledged more than there is")
	// ErrStale says that an acknowledgement lies behind the cursor. It changes nothing.
	ErrStale = errors.New("journal: acknowledgement is older than the cursor")
	// ErrCorrupt says that a committed frame cannot be read back.
	ErrCorrupt = errors.New("journal: committed data does not read back")
)

// Event is one committed event. Its id is {Epoch}-{Seq}.
type Event struct {
	Epoch, Seq uint64
	Data       []byte
}

// Outbox reads events in order, beginning with the first that is not acknowledged. It is a cursor and
// keeps nothing: an event is read again as often as needed until it is acknowledged. One goroutine uses it.
type Outbox struct {
	j   *Journal
	at  Cursor // last one given
	ref frameRef
	evs []Event
}

// Outbox returns a reader that begins at the acknowledged cursor.
func (j *Journal) Outbox() *Outbox { return &Outbox{j: j, at: j.Acked()} }

// Acked is the cursor of acknowledged events.
func (j *Journal) Acked() Cursor {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ack
}

// Rewind goes back to the first event that is not acknowledged, after a lost connection.
func (o *Outbox) Rewind() { o.at = o.j.Acked() }

// Next waits for the next event.
func (o *Outbox) Next(ctx context.Context) (Event, error) {
	for {
		o.j.mu.Lock()
		changed, closing := o.j.changed, o.j.closing
		if o.at.before(o.j.ack) {
			o.at = o.j.ack
		}
		refs := o.j.refs
		i := sort.Search(len(refs), func(i int) bool {
			return refs[i].epoch > o.at.Epoch || refs[i].epoch == o.at.Epoch && refs[i].last() > o.at.Upto
		})
		var ref frameRef
		if i < len(refs) {
			ref = refs[i]
		}
		o.j.mu.Unlock()
		if ref.n == 0 {
			if closing {
				return Event{}, ErrClosed
			}
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return Event{}, ctx.Err()
			}
		}
		if o.ref != ref {
			es, err := o.j.frame(ref.seg.name, ref.off, ref.size)
			if err != nil {
				return Event{}, err
			}
			o.ref, o.evs = ref, nil
			for _, e := range es {
				for k, d := range e.rec.Events {
					o.evs = append(o.evs, Event{Epoch: ref.epoch, Seq: e.seq + uint64(k), Data: d})
				}
			}
		}
		for _, e := range o.evs {
			if c := (Cursor{e.Epoch, e.Seq}); o.at.before(c) {
				o.at = c
				e.Data = slices.Clone(e.Data)
				return e, nil
			}
		}
		return Event{}, fmt.Errorf("%w: events after %d of epoch %d", ErrCorrupt, o.at.Upto, o.at.Epoch)
	}
}

// Ack acknowledges everything up to and with upto of an epoch.
func (o *Outbox) Ack(epoch, upto uint64) error { return o.j.Ack(epoch, upto) }

// Ack acknowledges all events up to and with upto of an epoch. An acknowledgement that repeats the
// cursor is fine; one behind it is ErrStale, one of events that do not exist, or of an epoch while
// events of an older one wait, is ErrAhead (of an epoch that ended by a loss, the centre may know more
// than the journal still holds: that acknowledges what is left of it). Neither deletes anything. The cursor is durable with the
// next record or after AckDelay; were it lost, the events would be delivered again under their ids.
func (j *Journal) Ack(epoch, upto uint64) error {
	c := Cursor{epoch, upto}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.failed != nil:
		return j.failed
	case j.closing:
		return ErrClosed
	case c == j.ack:
		return nil
	case c.before(j.ack):
		return fmt.Errorf("%w: %d-%d, cursor %d-%d", ErrStale, epoch, upto, j.ack.Epoch, j.ack.Upto)
	}
	if upto == 0 && epoch == j.epoch {
		return nil // the centre has seen nothing of this epoch yet
	}
	end := uint64(0)
	for _, r := range j.refs {
		if r.epoch < epoch {
			return fmt.Errorf("%w: events of epoch %d wait", ErrAhead, r.epoch)
		}
		if r.epoch > epoch {
			break
		}
		end = r.last()
	}
	if upto > end && (epoch == j.epoch || end == 0) {
		return fmt.Errorf("%w: %d-%d of %d", ErrAhead, epoch, upto, end)
	}
	j.ack = c
	j.refs = trim(j.refs, c)
	j.move(cursorAck, c)
	return nil
}

// before orders cursors.
func (c Cursor) before(d Cursor) bool {
	return c.Epoch < d.Epoch || c.Epoch == d.Epoch && c.Upto < d.Upto
}

// frame reads one committed frame again.
func (j *Journal) frame(name string, off, size int64) ([]entry, error) {
	f, err := j.fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	defer f.Close()
	b := make([]byte, size)
	if n, err := f.ReadAt(b, off); n < len(b) {
		return nil, fmt.Errorf("%w: %s at %d: %w", ErrCorrupt, name, off, err)
	}
	fr, err := getFrame(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s at %d", ErrCorrupt, name, off)
	}
	return entries(fr.payload)
}

// Leaf is one committed leaf of the audit log.
type Leaf struct {
	Epoch, Index uint64
	Data         []byte
}

// leafMemo remembers where the last reader of leaves ended, so that following the log costs one read.
type leafMemo struct {
	epoch, leaf uint64
	name        string
	off         int64
}

// LeafCount is the current epoch and the number of its committed leaves.
func (j *Journal) LeafCount() (epoch, n uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.epoch, j.leaf
}

// Leaves gives the committed leaves of an epoch from a number on, as far as they are there now.
func (j *Journal) Leaves(epoch, from uint64) iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		type part struct {
			name     string
			off, end int64
		}
		var parts []part
		j.mu.Lock()
		for _, s := range j.segs {
			if s.epoch == epoch && s.leafTo > from {
				p := part{name: s.name, end: s.size}
				if m := j.memo; m.name == s.name && m.epoch == epoch && m.leaf <= from {
					p.off = m.off
				}
				parts = append(parts, p)
			}
		}
		j.mu.Unlock()
		next := from
		for _, p := range parts {
			b, err := readSegment(j.fs, p.name, p.off, p.end)
			if err != nil {
				yield(Leaf{}, fmt.Errorf("%w: %w", ErrCorrupt, err))
				return
			}
			for off := int64(0); off < int64(len(b)); {
				f, err := getFrame(b[off:])
				if err != nil {
					off = resync(b, off+1, 0)
					if off < 0 {
						break
					}
					continue // damage is told at Open; what is missing shows in the numbers
				}
				es, err := entries(f.payload)
				if err != nil {
					es = nil
				}
				for _, e := range es {
					for k, d := range e.rec.Leaves {
						i := e.leaf + uint64(k)
						if i < next {
							continue
						}
						if !yield(Leaf{epoch, i, slices.Clone(d)}, nil) {
							return
						}
						next = i + 1
					}
				}
				off += f.size
				j.mu.Lock()
				j.memo = leafMemo{epoch, next, p.name, p.off + off}
				j.mu.Unlock()
			}
		}
	}
}
