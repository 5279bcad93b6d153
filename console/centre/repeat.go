package centre

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"egate/api"
)

// DefaultRepeatWindow is how long a document that was used is known again (P-12, X-09).
const DefaultRepeatWindow = 10 * time.Minute

// Limits of the memory of used documents.
const (
	maxTries = 2    // uses at one gate that ended without a crossing; the third in the window goes to an officer
	maxUses  = 4096 // remembered at most
)

// docTag is a pseudonym of a document: HMAC-SHA256 of a document under a key of this process. The child that answers a look-up makes
// it; the document itself is never here.
type docTag [sha256.Size]byte

func pseudonymOf(key []byte, q api.LookupQuestion) (p docTag) {
	m := hmac.New(sha256.New, key)
	// Spelled alike however it was read; no field runs into the next.
	for _, f := range []string{q.Issuer, q.Document} {
		n, err := normal(f)
		if err != nil {
			n = f
		}
		m.Write([]byte(n))
		m.Write([]byte{0})
	}
	copy(p[:], m.Sum(nil))
	return p
}

// use is one look-up of a document.
type use struct {
	gate, passage string
	at            time.Time
	crossed       bool
}

// repeats knows which documents were used in the last minutes, and nothing about them: pseudonyms under a
// key that is random, in memory only, replaced after a window and erased after another. It is never
// written, published or logged.
type repeats struct {
	mu        sync.Mutex
	window    time.Duration
	cur, prev []byte
	born      time.Time // of cur
	uses      map[docTag][]use
	n         int
}

func newRepeats(window time.Duration) *repeats {
	if window <= 0 {
		return nil
	}
	return &repeats{window: window, uses: map[docTag][]use{}}
}

// keys are the present key and the one before it, which are for the child.
func (r *repeats) keys(now time.Time) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age(now)
	out := [][]byte{slices.Clone(r.cur)}
	if r.prev != nil {
		out = append(out, slices.Clone(r.prev))
	}
	return out
}

// age forgets what is older than the window; mu is held.
func (r *repeats) age(now time.Time) {
	if r.cur == nil || now.Sub(r.born) >= r.window || now.Before(r.born.Add(-r.window)) { // a clock that jumped back would keep a key for ever
		clear(r.prev)
		r.prev, r.cur, r.born = r.cur, make([]byte, sha256.Size), now
		_, _ = rand.Read(r.cur) // never fails
	}
	r.n = 0
	for p, us := range r.uses {
		us = slices.DeleteFunc(us, func(u use) bool { return now.Sub(u.at) >= r.window || u.at.After(now.Add(r.window)) })
		if len(us) == 0 {
			delete(r.uses, p)
			continue
		}
		r.uses[p] = us
		r.n += len(us)
	}
}

// again notes a use of a document, known by its pseudonyms under the keys, and tells whether an officer must
// see it: it was used at another gate, or it has crossed here, or it is tried here for the third time.
func (r *repeats) again(now time.Time, gate, passage string, under []docTag) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age(now)
	if len(under) == 0 {
		return false
	}
	tries, again := 0, false
	for _, p := range under {
		for _, u := range r.uses[p] {
			switch {
			case u.passage == passage && u.gate == gate: // the same traveller, asked about twice
			case u.gate != gate, u.crossed:
				again = true
			default:
				tries++
			}
		}
	}
	if r.n >= maxUses {
		return true // nobody gets past by filling the memory
	}
	r.uses[under[0]] = append(r.uses[under[0]], use{gate: gate, passage: passage, at: now})
	r.n++
	return again || tries >= maxTries
}

// crossed notes that the holder of a passage's document has left across the border.
func (r *repeats) crossed(gate, passage string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, us := range r.uses {
		for i := range us {
			if us[i].gate == gate && us[i].passage == passage {
				us[i].crossed = true
			}
		}
	}
}

// forget erases everything.
func (r *repeats) forget() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.cur)
	clear(r.prev)
	clear(r.uses)
	r.cur, r.prev, r.n = nil, nil, 0
}
