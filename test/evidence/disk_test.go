package evidence

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"egate/journal"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// disk is a folder on a disk that fails: journal.FS with faults. What was written and not synced survives a
// power cut by sectors, each by chance; a disk that lies says that it has synced and has not.
type disk struct {
	mu     sync.Mutex
	files  map[string]*file
	names  map[string]bool // durable in the folder
	locked bool
	dead   bool
	lie    bool
	// fault is asked before each operation: write, sync, create, folder.
	fault func(op string) error
	// short, when positive, lets only so many bytes of the next write through.
	short int
}

type file struct{ data, durable []byte }

var errDead = errors.New("the power is cut")

func newDisk() *disk { return &disk{files: map[string]*file{}, names: map[string]bool{}} }

// cut is the disk after a power cut. With chance nil exactly what is durable is left.
func (d *disk) cut(chance *rand.Rand) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	n := newDisk()
	for name, f := range d.files {
		if !d.names[name] && (chance == nil || chance.IntN(2) == 0) {
			continue
		}
		b := bytes.Clone(f.durable)
		if chance != nil && len(f.data) > len(b) && chance.IntN(2) == 0 { // its new size may be there without its content
			b = append(b, make([]byte, len(f.data)-len(b))...)
		}
		for at := 0; chance != nil && at < min(len(b), len(f.data)); at += sector {
			if chance.IntN(2) == 0 {
				copy(b[at:min(at+sector, len(b))], f.data[at:min(at+sector, len(f.data))])
			}
		}
		n.files[name] = &file{data: b, durable: bytes.Clone(b)}
		n.names[name] = true
	}
	return n
}

// dump writes the files to a real folder.
func (d *disk) dump(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, f := range d.files {
		if err := os.WriteFile(filepath.Join(dir, name), f.data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ask is called with mu held.
func (d *disk) ask(op string) error {
	if d.dead {
		return errDead
	}
	if d.fault != nil {
		return d.fault(op)
	}
	return nil
}

func (d *disk) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

type unlock struct{ d *disk }

func (u unlock) Close() error { u.d.set(func() { u.d.locked = false }); return nil }

func (d *disk) Lock() (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, journal.ErrLocked
	}
	d.locked = true
	return unlock{d}, nil
}

func (d *disk) List() (l []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := range d.files {
		l = append(l, n)
	}
	return l, nil
}

func (d *disk) Create(name string) (journal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ask("create"); err != nil {
		return nil, err
	}
	if d.files[name] != nil {
		return nil, fs.ErrExist
	}
	d.files[name] = &file{}
	return &handle{d, name}, nil
}

func (d *disk) Edit(name string) (journal.File, error) { return d.Open(name) }

func (d *disk) Open(name string) (journal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[name] == nil {
		return nil, fs.ErrNotExist
	}
	return &handle{d, name}, nil
}

func (d *disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ask("folder"); err != nil {
		return err
	}
	delete(d.files, name)
	delete(d.names, name)
	return nil
}

func (d *disk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ask("folder"); err != nil {
		return err
	}
	if !d.lie {
		for n := range d.files {
			d.names[n] = true
		}
	}
	return nil
}

type handle struct {
	d    *disk
	name string
}

func (h *handle) WriteAt(b []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	n, err := len(b), h.d.ask("write")
	f := h.d.files[h.name]
	switch {
	case f == nil:
		return 0, fs.ErrNotExist
	case err != nil:
		n = 0
	case h.d.short > 0:
		n, h.d.short = min(h.d.short, n), 0
	}
	if grow := int(off) + n - len(f.data); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	copy(f.data[off:], b[:n])
	return n, err
}

func (h *handle) ReadAt(b []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	f := h.d.files[h.name]
	if f == nil {
		return 0, fs.ErrNotExist
	}
	return bytes.NewReader(f.data).ReadAt(b, off)
}

func (h *handle) Close() error { return nil }

func (h *handle) Size() (int64, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	f := h.d.files[h.name]
	if f == nil {
		return 0, fs.ErrNotExist
	}
	return int64(len(f.data)), nil
}

func (h *handle) Truncate(n int64) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if err := h.d.ask("write"); err != nil {
		return err
	}
	f := h.d.files[h.name]
	if f == nil || n > int64(len(f.data)) {
		return fs.ErrInvalid
	}
	f.data = f.data[:n]
	return nil
}

func (h *handle) Sync() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if err := h.d.ask("sync"); err != nil {
		return err
	}
	if f := h.d.files[h.name]; f != nil && !h.d.lie {
		f.durable = bytes.Clone(f.data)
	}
	return nil
}
