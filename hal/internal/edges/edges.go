// Package edges queues line edges between a driver and a reader that may be slow, as a kernel line
// buffer does: the driver never waits, what does not fit drops the oldest edge that a newer one of the
// same line follows, and the gap in Edge.Seq tells the reader (HW1). The newest level of every line
// always arrives.
package edges

import (
	"slices"
	"sync"

	"egate/hal"
)

// Capacity is how many edges wait for a slow reader. A matrix of 16 beams waved through by hand makes
// some hundred edges a second: this is ten seconds of it.
const Capacity = 4096

// Queue is a bounded queue of edges that ends in a channel.
type Queue struct {
	mu      sync.Mutex
	buf     []hal.Edge
	head    int // index of the oldest edge in buf
	waiting map[string]int
	dropped uint64
	wake    chan struct{}
	done    chan struct{}
	once    sync.Once
	out     chan hal.Edge
}

// New starts a queue. It ends with Close.
func New() *Queue {
	q := &Queue{waiting: map[string]int{}, wake: make(chan struct{}, 1), done: make(chan struct{}), out: make(chan hal.Edge)}
	go q.pump()
	return q
}

// C is where the edges come out. It is closed after Close.
func (q *Queue) C() <-chan hal.Edge { return q.out }

// Push adds an edge. It never blocks.
func (q *Queue) Push(e hal.Edge) {
	q.mu.Lock()
	if len(q.buf)-q.head >= Capacity {
		for i := q.head; i < len(q.buf); i++ {
			if l := q.buf[i].Line; q.waiting[l] > 1 || l == e.Line {
				copy(q.buf[q.head+1:i+1], q.buf[q.head:i]) // near the head as a rule: cheap
				q.head++
				q.waiting[l]--
				q.dropped++
				break
			}
		}
	}
	if q.head > Capacity {
		q.buf = slices.Delete(q.buf, 0, q.head)
		q.head = 0
	}
	q.buf = append(q.buf, e)
	q.waiting[e.Line]++
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Dropped counts the edges that were lost for want of room.
func (q *Queue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// Close ends the queue; edges that nobody has read are gone. It may be called more than once.
func (q *Queue) Close() { q.once.Do(func() { close(q.done) }) }

// pop takes the oldest edge.
func (q *Queue) pop() (hal.Edge, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.buf) {
		q.buf, q.head = q.buf[:0], 0
		return hal.Edge{}, false
	}
	e := q.buf[q.head]
	q.head++
	q.waiting[e.Line]--
	return e, true
}

func (q *Queue) pump() {
	defer close(q.out)
	for {
		select {
		case <-q.done:
			return
		case <-q.wake:
		}
		for {
			// One edge at a time is in flight, so that dropping the oldest drops from the queue only.
			e, ok := q.pop()
			if !ok {
				break
			}
			select {
			case q.out <- e:
			case <-q.done:
				return
			}
		}
	}
}
