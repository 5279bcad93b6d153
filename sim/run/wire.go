package run

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"egate/api"
	"egate/api/contract"
)

// wire is an independent witness of the events of one gate: what it published, and what the centre
// acknowledged, read from the packets that pass.
type wire struct {
	mu    sync.Mutex
	epoch uint64
	first uint64 // lowest sequence number seen in the epoch
	last  uint64 // highest
	seen  map[uint64]bool
	acked uint64
	// open are the kinds of event that everybody on the broker could read, since the last question.
	open map[string]bool
	subs map[chan struct{}]struct{}
	// broken are messages that do not keep the contract (E-01, DP-04), once each.
	broken map[string]bool
	// validate holds a message to the contract.
	validate func(topic string, payload []byte) error
}

func newWire() *wire {
	return &wire{seen: map[uint64]bool{}, open: map[string]bool{}, subs: map[chan struct{}]struct{}{}, broken: map[string]bool{}, validate: contract.Validate}
}

// packet takes one PUBLISH.
func (w *wire) packet(topic string, payload []byte) {
	parts := strings.Split(topic, "/")
	if len(parts) < 5 {
		return
	}
	if err := w.validate(topic, payload); err != nil {
		w.mu.Lock()
		w.broken[parts[4]+": "+err.Error()] = true
		w.mu.Unlock()
	}
	var s api.Signed
	_ = json.Unmarshal(payload, &s)
	inner := payload
	if s.Kind != "" {
		inner = s.Payload
	}
	switch parts[4] {
	case api.TopicEvent:
		var e api.Event
		if json.Unmarshal(inner, &e) != nil || e.ID == "" {
			return
		}
		epoch, seq := e.Epoch, e.Seq
		if a, b, ok := strings.Cut(e.ID, "-"); ok && seq == 0 {
			epoch, _ = strconv.ParseUint(a, 10, 64)
			seq, _ = strconv.ParseUint(b, 10, 64)
		}
		w.mu.Lock()
		if epoch != w.epoch {
			w.epoch, w.first, w.last, w.acked, w.seen = epoch, seq, 0, 0, map[uint64]bool{}
		}
		if kind := strings.TrimSuffix(strings.TrimPrefix(e.Type, "egate."), ".v1"); kind != api.EventSealed {
			w.open[kind] = true
		}
		w.seen[seq] = true
		w.first, w.last = min(w.first, seq), max(w.last, seq)
		w.mu.Unlock()
	case api.TopicAck:
		var a api.Ack
		if json.Unmarshal(inner, &a) != nil {
			return
		}
		w.mu.Lock()
		if a.Epoch == w.epoch {
			w.acked = max(w.acked, a.Upto)
		}
		w.mu.Unlock()
	default:
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// position is the last event that was published and the last that was acknowledged.
func (w *wire) position() (epoch, last, acked uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.epoch, w.last, w.acked
}

// since counts the events published after a position and how many of them were acknowledged; holes
// counts sequence numbers that never passed.
func (w *wire) since(epoch, after uint64) (events, acked, holes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if epoch != w.epoch {
		after = w.first - 1
		if w.first == 0 {
			after = 0
		}
	}
	for s := after + 1; s <= w.last; s++ {
		if !w.seen[s] {
			holes++
			continue
		}
		events++
		if s <= w.acked {
			acked++
		}
	}
	return events, acked, holes
}

func (w *wire) changes() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	c <- struct{}{}
	w.mu.Lock()
	w.subs[c] = struct{}{}
	w.mu.Unlock()
	return c, func() {
		w.mu.Lock()
		delete(w.subs, c)
		w.mu.Unlock()
	}
}

// opened returns, once, the kinds of event that passed unsealed.
func (w *wire) opened() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := slices.Sorted(maps.Keys(w.open))
	clear(w.open)
	return out
}

// violations returns, once, what did not keep the contract of the messages.
func (w *wire) violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := slices.Sorted(maps.Keys(w.broken))
	clear(w.broken)
	return out
}
