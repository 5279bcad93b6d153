// Package health is the fault catalogue of a gate and the board of faults that are active now.
//
// A fault is raised under a code of the catalogue and the name of a part; code and part together are
// one fault. What it means, what the gate does meanwhile, who clears it and what cures it stand in the
// catalogue and nowhere else: docs/faults.md is generated from it, a test holds that (M-03).
// The package knows nothing of the project; nothing personal ever enters it.
package health

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Severity tells how bad a fault is.
type Severity uint8

// Severities, rising.
const (
	Notice  Severity = iota // worth a look at the next visit
	Warning                 // the gate works, something about it does not
	Error                   // the gate takes no new travellers
	Danger                  // persons or the border are concerned: alarm at the desk
)

func (s Severity) String() string {
	return [...]string{"notice", "warning", "error", "danger"}[s&3]
}

// Clearer tells who or what ends a fault (O-10: what heals by itself needs nobody).
type Clearer uint8

// Clearers.
const (
	Itself      Clearer = iota // the cause going away
	Officer                    // an officer's signed order
	Maintenance                // a person at the gate with tools
	Restart                    // a restart of the controller
)

func (c Clearer) String() string {
	return [...]string{"by itself", "an officer", "maintenance", "a restart"}[c&3]
}

// States of a part and of the whole gate.
const (
	StateOK       = "ok"
	StateDegraded = "degraded"
	StateFailed   = "failed"

	OutOfService = "out_of_service" // of the whole only
)

// Fault is one active fault.
type Fault struct {
	Code     Code
	Part     string
	Severity Severity
	Blocks   bool // no new travellers while it is active
	Since    time.Time
	Count    uint32 // times raised since the start of the controller
	Latched  bool   // its cause has gone: it stays until an officer's reset
}

// Part is one part with its state.
type Part struct {
	Name  string
	State string
	Since time.Time
	Code  Code // the worst fault of the part; empty when ok
}

// Snapshot is the whole board at one moment. Slices belong to the receiver.
type Snapshot struct {
	At      time.Time
	Overall string // StateOK, StateDegraded or OutOfService
	Parts   []Part
	Faults  []Fault // worst first, then oldest
}

// MaxFaults bounds the board: part names come from the catalogue and the configuration, never from a
// device, so that it is never reached by a gate that is wired as configured.
const MaxFaults = 256

type key struct {
	code Code
	part string
}

type active struct {
	since time.Time
	seen  time.Time // visible from then on
	gone  bool      // the cause has gone: an officer's reset may end it
}

// Board holds the active faults. All methods may be called from any goroutine.
type Board struct {
	mu      sync.Mutex
	now     func() time.Time
	on      map[key]*active
	counts  map[key]uint32
	parts   map[string]time.Time // since when the part has its present state
	state   map[string]string
	changed chan struct{}
}

// New makes an empty board. now is the wall clock; nil means time.Now.
func New(now func() time.Time) *Board {
	if now == nil {
		now = time.Now
	}
	return &Board{now: now, on: map[key]*active{}, counts: map[key]uint32{}, parts: map[string]time.Time{},
		state: map[string]string{}, changed: make(chan struct{}, 1)}
}

// Declare makes parts known that are well: they appear in every snapshot from now on (M-01).
func (b *Board) Declare(parts ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range parts {
		if _, ok := b.parts[p]; !ok {
			b.parts[p], b.state[p] = b.now(), StateOK
		}
	}
}

// Raise makes a fault active. An unknown code is a mistake of the caller and is raised as itself with
// the severity of Unlisted, so that it is seen. It reports whether the fault is new. Raising an active
// fault again changes nothing.
//
// A fault of the catalogue with a TimeToVisible is on the board at once, but shows, blocks and counts
// only when it has lasted that long: a device that comes back in a moment is no visit of a technician.
func (b *Board) Raise(c Code, part string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{c, part}
	if a, ok := b.on[k]; ok {
		a.gone = false
		return false
	}
	if len(b.on) >= MaxFaults {
		return false
	}
	now := b.now()
	b.on[k] = &active{since: now, seen: now.Add(Lookup(c).TimeToVisible)}
	b.counts[k]++
	b.touch(part, now)
	return true
}

// Clear tells that the cause of a fault has gone. It ends the fault and reports whether it was active; one that
// an officer clears stays until Reset.
func (b *Board) Clear(c Code, part string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{c, part}
	a, ok := b.on[k]
	if !ok {
		return false
	}
	if Lookup(c).Clears == Officer {
		a.gone = true
		return false
	}
	delete(b.on, k)
	b.touch(part, b.now())
	return true
}

// Set raises or clears.
func (b *Board) Set(c Code, part string, on bool) bool {
	if on {
		return b.Raise(c, part)
	}
	return b.Clear(c, part)
}

// Reset is an officer's order: it ends every fault that an officer clears and whose cause has gone, and no
// other (O-10). Codes limit it to some. It returns what it ended, in the order of the snapshot.
func (b *Board) Reset(codes ...Code) (ended []Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, a := range b.on {
		if Lookup(k.code).Clears == Officer && a.gone && (len(codes) == 0 || slices.Contains(codes, k.code)) {
			delete(b.on, k)
			b.touch(k.part, b.now())
			ended = append(ended, b.fault(k, a))
		}
	}
	slices.SortFunc(ended, order)
	return ended
}

// Latched lists the faults that wait for an officer, whether their cause has gone or not: they outlive the
// controller.
func (b *Board) Latched() (all []Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, a := range b.on {
		if Lookup(k.code).Clears == Officer {
			all = append(all, b.fault(k, a))
		}
	}
	slices.SortFunc(all, order)
	return all
}

// fault tells one active fault. The lock is held.
func (b *Board) fault(k key, a *active) Fault {
	e := Lookup(k.code)
	return Fault{Code: k.code, Part: k.part, Severity: e.Severity, Blocks: e.Blocks, Since: a.since, Count: b.counts[k], Latched: a.gone}
}

// Blocked tells whether a visible fault forbids new travellers, and the worst of them.
func (b *Board) Blocked() (Fault, bool) {
	for _, f := range b.Snapshot().Faults {
		if f.Blocks {
			return f, true
		}
	}
	return Fault{}, false
}

// Has tells whether a fault is active, visible or not yet.
func (b *Board) Has(c Code, part string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.on[key{c, part}]
	return ok
}

// Next is when a fault becomes visible by lasting; ok is false when none waits.
func (b *Board) Next() (at time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, a := range b.on {
		if a.seen.After(now) && (!ok || a.seen.Before(at)) {
			at, ok = a.seen, true
		}
	}
	return at, ok
}

// Changed receives a value after changes; several may be told as one.
func (b *Board) Changed() <-chan struct{} { return b.changed }

// Snapshot tells the whole board.
func (b *Board) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	s := Snapshot{At: now, Overall: StateOK}
	worst := map[string]Fault{}
	for k, a := range b.on {
		if a.seen.After(now) {
			continue
		}
		f := b.fault(k, a)
		s.Faults = append(s.Faults, f)
		if w, ok := worst[k.part]; !ok || order(f, w) < 0 {
			worst[k.part] = f
		}
		switch {
		case f.Blocks:
			s.Overall = OutOfService
		case s.Overall == StateOK && f.Severity > Notice:
			s.Overall = StateDegraded
		}
	}
	slices.SortFunc(s.Faults, order)
	for name := range b.parts {
		p := Part{Name: name, State: StateOK}
		if f, ok := worst[name]; ok {
			p.Code = f.Code
			switch {
			case f.Severity >= Error:
				p.State = StateFailed
			case f.Severity == Warning:
				p.State = StateDegraded
			}
		}
		if b.state[name] != p.State {
			b.state[name], b.parts[name] = p.State, now
		}
		p.Since = b.parts[name]
		s.Parts = append(s.Parts, p)
	}
	slices.SortFunc(s.Parts, func(a, c Part) int { return strings.Compare(a.Name, c.Name) })
	return s
}

// touch notes a change of a part. The lock is held.
func (b *Board) touch(part string, now time.Time) {
	if _, ok := b.parts[part]; !ok {
		b.parts[part], b.state[part] = now, StateOK
	}
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// order sorts the worst first, then the oldest, then by name.
func order(a, b Fault) int {
	if a.Blocks != b.Blocks {
		if a.Blocks {
			return -1
		}
		return 1
	}
	if a.Severity != b.Severity {
		return int(b.Severity) - int(a.Severity)
	}
	if c := a.Since.Compare(b.Since); c != 0 {
		return c
	}
	return strings.Compare(string(a.Code)+a.Part, string(b.Code)+b.Part)
}

// String names a fault as in logs.
func (f Fault) String() string { return fmt.Sprintf("%s (%s, %s)", f.Code, f.Part, f.Severity) }
