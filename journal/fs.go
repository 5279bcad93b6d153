package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// FS is the file layer below a journal: one flat folder. Tests put faults into it.
type FS interface {
	// Lock keeps a second daemon out until it is closed.
	Lock() (io.Closer, error)
	// List returns the names of the folder's files.
	List() ([]string, error)
	// Create makes a new file for writing and reading; it must not exist.
	Create(name string) (File, error)
	// Edit opens an existing file for writing and reading.
	Edit(name string) (File, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	Remove(name string) error
	// Sync makes creations and removals durable.
	Sync() error
}

// File is an open file.
type File interface {
	io.WriterAt
	io.ReaderAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes what was written durable (fdatasync).
	Sync() error
}

// ErrLocked says that another process has this journal open.
var ErrLocked = errors.New("journal: in use by another process")

// Dir is the real file layer: a folder that belongs to the daemon (0700, files 0600).
func Dir(path string) FS { return dir(path) }

type dir string

const lockName = "LOCK"

func (d dir) Lock() (io.Closer, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(string(d), lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

func (d dir) List() ([]string, error) {
	es, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range es {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d dir) open(name string, flag int) (File, error) {
	f, err := os.OpenFile(filepath.Join(string(d), name), flag|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d dir) Create(name string) (File, error) {
	return d.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}
func (d dir) Edit(name string) (File, error) { return d.open(name, os.O_RDWR) }
func (d dir) Open(name string) (File, error) { return d.open(name, os.O_RDONLY) }
func (d dir) Remove(name string) error       { return os.Remove(filepath.Join(string(d), name)) }

func (d dir) Sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// Sync is fdatasync: the size of a grown file is made durable with it, its time stamps are not.
func (f osFile) Sync() error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return err
		}
	}
}
