package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"egate/console"
)

// stream is one page that listens. Its queue is bounded: a page that does not keep up is cut off,
// reconnects and gets a fresh snapshot.
type stream struct {
	queue chan []byte
	gone  chan struct{}
	last  bool // finish was called
}

// finish lets what is queued go out and then ends the stream. Server.mu is held.
func (st *stream) finish() {
	if !st.last {
		st.last = true
		close(st.queue)
	}
}

// cut ends the stream at once. Server.mu is held.
func (st *stream) cut() {
	if !st.last {
		st.last = true
		close(st.gone)
	}
}

// push queues a message or cuts the stream off. Server.mu is held.
func (st *stream) push(msg []byte) {
	if st.last {
		return
	}
	select {
	case st.queue <- msg:
	default:
		st.cut()
	}
}

// tell sends a message to every page of a session. Server.mu is held.
func (ses *session) tell(event string, v any) {
	msg := message(event, 0, v)
	for st := range ses.streams {
		st.push(msg)
	}
}

// message encodes one server-sent event. Values are our own types, which always encode.
func message(event string, id uint64, v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		body = []byte("null")
	}
	if id > 0 {
		return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", id, event, body)
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, body)
}

// publish turns the newest line into what has changed and sends that to every page; dossiers whose
// referral is over, or belongs to another officer now, are closed.
func (s *Server) publish() {
	s.mu.Lock()
	if s.next == nil {
		s.mu.Unlock()
		return
	}
	old, now := s.line, *s.next
	s.next = nil
	now.Simulated = now.Simulated || s.opt.Simulated
	s.line = now
	var msgs [][]byte
	if !sameGates(old, now) || old.Simulated != now.Simulated || !slices.Equal(old.OnDuty, now.OnDuty) {
		msgs = append(msgs, message("line", now.Seq, now))
	} else {
		for i, g := range now.Gates {
			if !reflect.DeepEqual(g, old.Gates[i]) {
				msgs = append(msgs, message("gate", now.Seq, g))
			}
		}
		if !reflect.DeepEqual(old.Recent, now.Recent) {
			msgs = append(msgs, message("recent", now.Seq, now.Recent))
		}
	}
	var over []Opened
	for _, ses := range s.sessions {
		for st := range ses.streams {
			for _, m := range msgs {
				st.push(m)
			}
		}
		for key, d := range ses.dossiers {
			if !holds(now, d, ses.officer.Pseudonym) {
				over = append(over, s.drop(ses, key, "over"))
			}
		}
	}
	s.mu.Unlock()
	closeAll(over)
}

func sameGates(a, b console.Line) bool {
	if len(a.Gates) != len(b.Gates) {
		return false
	}
	for i := range a.Gates {
		if a.Gates[i].Gate != b.Gates[i].Gate {
			return false
		}
	}
	return true
}

// holds tells whether an open dossier still belongs to an open referral that nobody else has taken.
func holds(l console.Line, d *desk, officer string) bool {
	for _, g := range l.Gates {
		if g.Gate == d.gate {
			return g.Referral != nil && g.Referral.Passage == d.passage && (g.Referral.Owner == "" || g.Referral.Owner == officer)
		}
	}
	return false
}

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, ses *session) {
	st := &stream{queue: make(chan []byte, streamQueue), gone: make(chan struct{})}
	s.mu.Lock()
	if ses.ended || len(ses.streams) >= maxStreams {
		s.mu.Unlock()
		refuse(w, http.StatusServiceUnavailable, "failed")
		return
	}
	st.queue <- message("line", s.line.Seq, s.line) // empty queue: never blocks
	ses.streams[st] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(ses.streams, st)
		s.mu.Unlock()
	}()

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	send := func(msg []byte) error {
		if err := out.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := w.Write(msg); err != nil {
			return err
		}
		return out.Flush()
	}
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-st.gone:
			return
		case msg, ok := <-st.queue:
			if !ok || send(msg) != nil {
				return
			}
		case <-beat.C:
			if send([]byte("event: beat\ndata: 1\n\n")) != nil {
				return
			}
		}
	}
}
