package pace

import (
	"fmt"
	"io"
	"sync"
)

// Keys holds mapping key pairs that were made before a document lay on the reader, so that the
// traveller does not wait for them. Each is used once.
type Keys struct {
	mu   sync.Mutex
	pool map[string][]keyPair
}

type keyPair struct{ priv, pub []byte }

// Prepare makes n key pairs for each of the standardised domain parameters.
func (k *Keys) Prepare(rand io.Reader, n int, ids ...int) error {
	for _, id := range ids {
		g := StandardGroup(id)
		if g == nil {
			return fmt.Errorf("%w: parameter %d", ErrUnsupported, id)
		}
		for range n {
			priv, pub, err := g.GenerateKey(rand, g.Base())
			if err != nil {
				return fmt.Errorf("pace: prepare: %w", err)
			}
			k.mu.Lock()
			if k.pool == nil {
				k.pool = map[string][]keyPair{}
			}
			k.pool[g.Name()] = append(k.pool[g.Name()], keyPair{priv, pub})
			k.mu.Unlock()
		}
	}
	return nil
}

// take returns a prepared pair or makes one.
func (k *Keys) take(rand io.Reader, g Group) (priv, pub []byte, err error) {
	if k != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l := k.pool[g.Name()]; len(l) > 0 {
			p := l[len(l)-1]
			l[len(l)-1] = keyPair{}
			k.pool[g.Name()] = l[:len(l)-1]
			return p.priv, p.pub, nil
		}
	}
	priv, pub, err = g.GenerateKey(rand, g.Base())
	if err != nil {
		return nil, nil, fmt.Errorf("pace: mapping key: %w", err)
	}
	return priv, pub, nil
}

// Wipe forgets the prepared keys.
func (k *Keys) Wipe() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.pool {
		for _, p := range l {
			clear(p.priv)
		}
	}
	k.pool = nil
}
