package officers

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"egate/api"
	"egate/seal"
)

// ErrOlder says that a roster is not newer than the one in force.
var ErrOlder = errors.New("officers: an older roster, or the same")

// Keeper holds the highest roster that was seen. Its methods may be called from any goroutine.
type Keeper struct {
	site, gate string
	simulated  bool
	keys       seal.Keys
	now        func() time.Time

	mu  sync.RWMutex
	cur *Roster
}

// NewKeeper keeps rosters of a site for a gate; keys are those that sign them. Outside simulation a roster with
// demo officers is refused. A nil now is time.Now.
func NewKeeper(site, gate string, simulated bool, keys seal.Keys, now func() time.Time) *Keeper {
	if now == nil {
		now = time.Now
	}
	return &Keeper{site: site, gate: gate, simulated: simulated, keys: keys, now: now}
}

// Current is the roster in use, nil for none.
func (k *Keeper) Current() *Roster {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.cur
}

// Examine verifies a roster and tells whether it is newer than the one in use: nil, ErrOlder, or why it is none.
func (k *Keeper) Examine(raw []byte) (*Roster, error) {
	r, err := Open(raw, k.keys, k.site)
	if err != nil {
		return nil, err
	}
	if r.Simulated && !k.simulated {
		return nil, errors.New("officers: a roster of the simulation: a demo officer is for the simulation only")
	}
	if cur := k.Current(); cur != nil && r.Version <= cur.Version {
		return r, ErrOlder
	}
	return r, nil
}

// Use puts a roster in force, unless a newer one is.
func (k *Keeper) Use(r *Roster) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cur == nil || r.Version > k.cur.Version {
		k.cur = r
	}
}

// Offer is Examine and Use in one.
func (k *Keeper) Offer(raw []byte) (*Roster, error) {
	r, err := k.Examine(raw)
	if err == nil {
		k.Use(r)
	}
	return r, err
}

// Read offers the roster of a file. An older one than the one in use is no mistake.
func (k *Keeper) Read(path string) error {
	raw, err := ReadFile(path)
	if err != nil {
		return err
	}
	if _, err := k.Offer(raw); err != nil && !errors.Is(err, ErrOlder) {
		return fmt.Errorf("%w (%s)", err, path)
	}
	return nil
}

// ReadFile reads a signed roster, or one to be.
func ReadFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("officers: roster: %w", err)
	}
	if st.Size() > MaxRoster {
		return nil, fmt.Errorf("officers: %s has %d bytes, a roster has %d at most", path, st.Size(), MaxRoster)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("officers: roster: %w", err)
	}
	return raw, nil
}

// Verify tells whether an order is an officer's: nil, or a Refusal.
func (k *Keeper) Verify(payload []byte, c api.Command, p *api.Proof) error {
	r := k.Current()
	if r == nil {
		return NoRoster
	}
	return r.Verify(k.gate, payload, c, p, k.now())
}

// VerifySecond tells who signed the same order second, or why it is nobody: a Refusal.
func (k *Keeper) VerifySecond(payload []byte, c api.Command, first, second *api.Proof) (officer string, err error) {
	r := k.Current()
	if r == nil {
		return "", NoRoster
	}
	return r.VerifySecond(k.gate, payload, c, first, second, k.now())
}

// OnDuty tells whether an officer is on the roster of this gate now.
func (k *Keeper) OnDuty(officer string) bool {
	r := k.Current()
	if r == nil {
		return false
	}
	_, ok := r.At(officer, k.gate, k.now())
	return ok
}

// Group is that of an officer, for statistics (O-07); empty for somebody who is not on the roster.
func (k *Keeper) Group(officer string) string {
	r := k.Current()
	if r == nil {
		return ""
	}
	for _, o := range r.Officers {
		if o.Officer == officer {
			return cmp.Or(o.Group, o.Roles[0])
		}
	}
	return ""
}

// TwoPersons tells whether an order needs a second officer.
func (k *Keeper) TwoPersons(order string) bool {
	r := k.Current()
	if r == nil {
		return false
	}
	for _, c := range r.Roster.TwoPersons {
		if c == order {
			return true
		}
	}
	return false
}
