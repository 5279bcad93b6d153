// Package wear counts how often the doors have moved and how long they take, how often documents had to be read again and
// what part of the frames was dropped, over restarts and power cuts (D-14, M-05): what a technician plans a service with.
// No traveller's way is decided by it.
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
	// FirstOpenMS and FirstCloseMS are the averages after the first cycles: what later ones are compared with.
	FirstOpenMS  float64 `json:"first_open_ms,omitempty"`
	FirstCloseMS float64 `json:"first_close_ms,omitempty"`
	// Uses and Mean are of a device: how often it was used, and the running average of its number in per cent.
	Uses uint64  `json:"uses,omitempty"`
	Mean float64 `json:"mean,omitempty"`
}

// Limits are the thresholds of trends (M-05): data of the configuration.
type Limits struct {
	MotorPercent   int // a door's travel time over that of its first cycles
	RetriesPercent int // readings of a document that had to be repeated
	DropsPercent   int // frames of a capture that were not looked at
	TemperatureC   int // of the board
}

// Names of devices in the book.
const (
	Reader = "reader"
	Camera = "camera"
	Board  = "board"
)

// first is after how many uses a trend says something, back how far below its limit one must fall to be none any more.
const (
	first = 50
	back  = 0.9
)

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
	worn   map[string]bool
	heat   float64 // °C
	heated bool    // heat was measured
}

// Load reads the book of a state folder, or begins one. A file that cannot be read is put aside and told of: the
// book is usable, and begins at zero.
func Load(dir string) (*Book, error) {
	b := &Book{path: filepath.Join(dir, fileName), doors: map[string]Door{}, moving: map[string]travel{}, worn: map[string]bool{}}
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
			if d.Cycles >= first && d.FirstOpenMS == 0 && d.FirstCloseMS == 0 {
				d.FirstOpenMS, d.FirstCloseMS = d.OpenMS, d.CloseMS
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

// Used notes a use of a device: what part of it, in per cent, had to be done again or was lost.
func (b *Book) Used(device string, percent float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.doors[device]
	if d.Uses++; d.Uses == 1 {
		d.Mean = percent
	}
	d.Mean += weight * (percent - d.Mean)
	b.doors[device], b.dirty = d, true
}

// Heat notes the temperature of the board, °C.
func (b *Book) Heat(c float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heat, b.heated = c, true
}

// Worn tells of every door and device whether its trend is beyond its limit: once it is, until it is well below.
func (b *Book) Worn(l Limits) map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	over := func(name string, value, limit float64) {
		if b.worn[name] {
			limit *= back
		}
		b.worn[name] = value > limit
	}
	for name, d := range b.doors {
		switch {
		case name == Reader && d.Uses >= first:
			over(name, d.Mean, float64(l.RetriesPercent))
		case name == Camera && d.Uses >= first:
			over(name, d.Mean, float64(l.DropsPercent))
		case d.FirstOpenMS > 0 || d.FirstCloseMS > 0:
			slower := 0.0 // per cent
			for _, x := range [][2]float64{{d.OpenMS, d.FirstOpenMS}, {d.CloseMS, d.FirstCloseMS}} {
				if x[1] > 0 {
					slower = max(slower, 100*(x[0]/x[1]-1))
				}
			}
			over(name, slower, float64(l.MotorPercent))
		}
	}
	if b.heated {
		over(Board, b.heat, float64(l.TemperatureC))
	}
	return maps.Clone(b.worn)
}

// Counters are the counts by name, for the health document: entry_cycles, entry_open_ms, entry_close_ms, readings, reader_retries_percent ….
func (b *Book) Counters() map[string]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]int64{}
	if b.heated {
		out["temperature_c"] = int64(b.heat)
	}
	for name, d := range b.doors {
		switch name {
		case Reader:
			out["readings"], out["reader_retries_percent"] = int64(d.Uses), int64(d.Mean)
			continue
		case Camera:
			out["captures"], out["frame_drops_percent"] = int64(d.Uses), int64(d.Mean)
			continue
		}
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
