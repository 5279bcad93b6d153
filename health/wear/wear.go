// Package wear counts how often the doors have moved and how long they take, over restarts and power cuts
// (D-14): what a technician plans a drive's service with. Nothing is decided by it.
package wear

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Position of a door, as its end contacts tell.
type Position uint8

// Positions.
const (
	Unknown Position = iota
	Closed
	Between
	Open
)

// saveEvery bounds what a power cut can take: the movements of a minute.
const saveEvery = time.Minute

// weight of a new travel in the average, so that it follows a drive that slows down over some fifty cycles.
const weight = 0.05

// longest is the longest travel that is one: a door that was held open in between says nothing of its drive.
const longest = 30 * time.Second

const fileName = "wear.json"

// Door is what one door has done.
type Door struct {
	Cycles  uint64  `json:"cycles"`            // times it came to open from closed
	OpenMS  float64 `json:"open_ms,omitempty"` // running average from one end contact to the other
	CloseMS float64 `json:"close_ms,omitempty"`
}

type travel struct {
	from Position // the end contact that was left
	at   time.Time
	was  Position
}

// Book keeps the counts of one gate. It is safe for concurrent use.
type Book struct {
	path string

	mu     sync.Mutex
	doors  map[string]Door
	moving map[string]travel
	dirty  bool
}

// Load reads the book of a state folder, or begins one. A file that cannot be read is put aside and told of: the
// book is usable, and begins at zero.
func Load(dir string) (*Book, error) {
	b := &Book{path: filepath.Join(dir, fileName), doors: map[string]Door{}, moving: map[string]travel{}}
	raw, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &b.doors)
	}
	if err != nil {
		clear(b.doors)
		if b.doors == nil {
			b.doors = map[string]Door{}
		}
		return b, errors.Join(fmt.Errorf("wear: %s is not readable, counting begins at zero: %w", fileName, err), os.Rename(b.path, b.path+".bad"))
	}
	if b.doors == nil { // "null"
		b.doors = map[string]Door{}
	}
	return b, nil
}

// Moved notes where a door has come to.
func (b *Book) Moved(door string, to Position, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.moving[door]
	switch to {
	case Closed, Open:
		other := Closed + Open - to
		if t.from == other && t.was != to {
			d := b.doors[door]
			took := at.Sub(t.at)
			avg := &d.CloseMS
			if to == Open {
				d.Cycles++
				avg = &d.OpenMS
			}
			if t.was == Between && took > 0 && took < longest {
				ms := float64(took.Microseconds()) / 1000
				if *avg == 0 {
					*avg = ms
				}
				*avg += weight * (ms - *avg)
			}
			b.doors[door], b.dirty = d, true
		}
		t = travel{from: to, at: at}
	case Between:
		if t.was == Closed || t.was == Open {
			t.at = at
		}
	case Unknown:
		t = travel{}
	}
	t.was = to
	b.moving[door] = t
}

// Counters are the counts by name, for the health document: entry_cycles, entry_open_ms, entry_close_ms ….
func (b *Book) Counters() map[string]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]int64{}
	for name, d := range b.doors {
		out[name+"_cycles"], out[name+"_open_ms"], out[name+"_close_ms"] = int64(d.Cycles), int64(d.OpenMS), int64(d.CloseMS)
	}
	return out
}

// Run saves the book every minute and at the end, until ctx ends. failed is told when saving fails; it goes on.
func (b *Book) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			if err := b.Save(); err != nil {
				failed(err)
			}
			return
		}
		if err := b.Save(); err != nil {
			failed(err)
		}
	}
}

// Save writes the book where it has changed. A power cut at any moment leaves the old or the new one.
func (b *Book) Save() error {
	b.mu.Lock()
	if !b.dirty {
		b.mu.Unlock()
		return nil
	}
	doors := maps.Clone(b.doors)
	b.dirty = false
	b.mu.Unlock()
	err := write(b.path, doors)
	if err != nil {
		b.mu.Lock()
		b.dirty = true
		b.mu.Unlock()
		return fmt.Errorf("wear: save: %w", err)
	}
	return nil
}

func write(path string, doors map[string]Door) error {
	raw, err := json.Marshal(doors)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), fileName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already where all went well
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
