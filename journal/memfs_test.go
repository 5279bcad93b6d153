package journal

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"sync"
)

// memFS is a folder in memory that can fail, and that can forget what was not synced.
type memFS struct {
	mu     sync.Mutex
	files  map[string]*memFile
	locked bool

	write func(name string, b []byte) (int, error) // before a write: how many bytes go through
	sync  func(name string) error
	lie   bool // Sync succeeds and syncs nothing
}

type memFile struct {
	data   []byte
	synced int
}

func newMemFS() *memFS { return &memFS{files: map[string]*memFile{}} }

// copy is the folder after a power cut: keep(name, synced, size) tells how much of each file is left.
func (m *memFS) copy(keep func(name string, synced, size int) int) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := newMemFS()
	for name, f := range m.files {
		k := len(f.data)
		if keep != nil {
			k = keep(name, f.synced, len(f.data))
		}
		n.files[name] = &memFile{data: bytes.Clone(f.data[:k]), synced: k}
	}
	return n
}

type unlock struct{ m *memFS }

func (u unlock) Close() error { u.m.mu.Lock(); u.m.locked = false; u.m.mu.Unlock(); return nil }

func (m *memFS) Lock() (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked {
		return nil, ErrLocked
	}
	m.locked = true
	return unlock{m}, nil
}

func (m *memFS) List() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var l []string
	for n := range m.files {
		l = append(l, n)
	}
	return l, nil
}

func (m *memFS) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] != nil {
		return nil, fs.ErrExist
	}
	m.files[name] = &memFile{}
	return &memHandle{m, name}, nil
}

func (m *memFS) Edit(name string) (File, error) { return m.Open(name) }

func (m *memFS) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		return nil, fs.ErrNotExist
	}
	return &memHandle{m, name}, nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func (m *memFS) Sync() error { return nil }

type memHandle struct {
	m    *memFS
	name string
}

var errGone = errors.New("file is gone")

func (h *memHandle) WriteAt(b []byte, off int64) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	f := h.m.files[h.name]
	if f == nil {
		return 0, errGone
	}
	n, err := len(b), error(nil)
	if h.m.write != nil {
		n, err = h.m.write(h.name, b)
	}
	if grow := int(off) + n - len(f.data); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	copy(f.data[off:], b[:n])
	f.synced = min(f.synced, int(off))
	return n, err
}

func (h *memHandle) ReadAt(b []byte, off int64) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	f := h.m.files[h.name]
	if f == nil {
		return 0, errGone
	}
	return bytes.NewReader(f.data).ReadAt(b, off)
}

func (h *memHandle) Close() error { return nil }

func (h *memHandle) Size() (int64, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	return int64(len(h.m.files[h.name].data)), nil
}

func (h *memHandle) Truncate(n int64) error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	f := h.m.files[h.name]
	f.data = f.data[:n]
	f.synced = min(f.synced, int(n))
	return nil
}

func (h *memHandle) Sync() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if h.m.sync != nil {
		if err := h.m.sync(h.name); err != nil {
			return err
		}
	}
	if f := h.m.files[h.name]; f != nil && !h.m.lie {
		f.synced = len(f.data)
	}
	return nil
}
