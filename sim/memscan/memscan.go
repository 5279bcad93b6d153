// Package memscan searches memory of processes, files and captured traffic for markers of a traveller:
// pieces of the portrait file and of its decoded pixels, of live frames, of face templates and of the
// MRZ (DP-01, DP-03, O-06). Process death is the guarantee, this search is the proof.
//
// A marker is at least MinMarker bytes. Data of any length is added in blocks of Block bytes, so that
// whatever contiguous fragment of 2·Block-1 bytes or more survives anywhere, at any alignment, is found.
// A hit names place and kind, never content.
package memscan

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Sizes.
const (
	// MinMarker is the shortest marker: shorter ones occur by chance.
	MinMarker = 8
	// Block is the length of a piece of longer data.
	Block = 16
	// minDistinct is how many different byte values a block must have: flat pixels and padding are
	// found everywhere.
	minDistinct = 7
	// maxHits bounds what one place reports.
	maxHits = 8
	// filterBits is the size of the first filter, 2^filterBits bits: it stays in the second-level cache.
	filterBits = 20
	chunk      = 1 << 20
)

// Markers is a set of patterns to look for. It is filled, then used by one goroutine at a time.
type Markers struct {
	filter  []uint64
	index   map[uint64][]pattern
	longest int
	n       int
	buf     []byte
}

type pattern struct {
	kind string
	data []byte
}

// New makes an empty set.
func New() *Markers {
	return &Markers{filter: make([]uint64, 1<<filterBits/64), index: map[uint64][]pattern{}}
}

// Len is the number of patterns.
func (m *Markers) Len() int { return m.n }

// Kinds counts the patterns by kind.
func (m *Markers) Kinds() map[string]int {
	out := map[string]int{}
	for _, l := range m.index {
		for _, p := range l {
			out[p.kind]++
		}
	}
	return out
}

func slot(x uint64) uint64 { return x * 0x9E3779B97F4A7C15 >> (64 - filterBits) }

func (m *Markers) put(kind string, b []byte) {
	k := binary.LittleEndian.Uint64(b)
	for _, p := range m.index[k] {
		if bytes.Equal(p.data, b) {
			return
		}
	}
	m.index[k] = append(m.index[k], pattern{kind, bytes.Clone(b)})
	s := slot(k)
	m.filter[s/64] |= 1 << (s % 64)
	m.longest = max(m.longest, len(b))
	m.n++
}

// Add adds one pattern as it is. It is an error when it is too short to mean anything.
func (m *Markers) Add(kind string, b []byte) error {
	if len(b) < MinMarker {
		return fmt.Errorf("memscan: a marker of %d bytes is too short, %d are needed", len(b), MinMarker)
	}
	m.put(kind, b)
	return nil
}

// AddText adds a text as it stands, in hexadecimal, in UTF-16 and in base64 at each alignment.
func (m *Markers) AddText(kind, s string) error {
	if err := m.Add(kind, []byte(s)); err != nil {
		return err
	}
	m.put(kind+" (hex)", []byte(hex.EncodeToString([]byte(s))))
	wide := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		wide = append(wide, s[i], 0)
	}
	m.put(kind+" (utf-16)", wide)
	for shift := range 3 {
		part := s
		if shift > 0 {
			part = s[3-shift:]
		}
		part = part[:len(part)/3*3]
		if enc := base64.StdEncoding.EncodeToString([]byte(part)); len(enc) >= Block {
			m.put(kind+" (base64)", []byte(enc))
		}
	}
	return nil
}

// AddBlocks adds data in blocks, skipping such as have too few different values, and returns how many
// blocks it added.
func (m *Markers) AddBlocks(kind string, data []byte) int {
	n := m.n
	for i := 0; i+Block <= len(data); i += Block {
		if b := data[i : i+Block]; distinct(b) >= minDistinct {
			m.put(kind, b)
		}
	}
	return m.n - n
}

// AddBase64 adds data as base64 text shows it, in blocks at each alignment.
func (m *Markers) AddBase64(kind string, data []byte) int {
	n := m.n
	for shift := 0; shift < 3 && shift < len(data); shift++ {
		m.AddBlocks(kind+" (base64)", []byte(base64.StdEncoding.EncodeToString(data[shift:len(data)-(len(data)-shift)%3])))
	}
	return m.n - n
}

// AddRows adds blocks of at most rows rows of a picture, spread over its height.
func (m *Markers) AddRows(kind string, pix []byte, stride, rows int) int {
	if stride <= 0 || rows <= 0 {
		return 0
	}
	n := m.n
	total := len(pix) / stride
	step := max(1, total/rows)
	for y := 0; y < total; y += step {
		m.AddBlocks(kind, pix[y*stride:(y+1)*stride])
	}
	return m.n - n
}

func distinct(b []byte) int {
	var seen [4]uint64
	n := 0
	for _, c := range b {
		if bit := uint64(1) << (c % 64); seen[c/64]&bit == 0 {
			seen[c/64] |= bit
			n++
		}
	}
	return n
}

// Hit is one marker that was found.
type Hit struct {
	Where  string // process and mapping, or file
	Kind   string
	Offset int64 // address or position in the file
}

func (h Hit) String() string { return fmt.Sprintf("%s found in %s at %#x", h.Kind, h.Where, h.Offset) }

// Bytes searches a buffer. base is added to offsets.
func (m *Markers) Bytes(where string, b []byte, base int64) []Hit {
	var hits []Hit
	filter := m.filter
	for i := 0; i+MinMarker <= len(b); i++ {
		k := binary.LittleEndian.Uint64(b[i:])
		s := slot(k)
		if filter[s/64]&(1<<(s%64)) == 0 {
			continue
		}
		for _, p := range m.index[k] {
			if bytes.HasPrefix(b[i:], p.data) {
				hits = append(hits, Hit{where, p.kind, base + int64(i)})
				if len(hits) >= maxHits {
					return hits
				}
				break
			}
		}
	}
	return hits
}

// Reader searches a stream.
func (m *Markers) Reader(where string, r io.Reader) ([]Hit, error) {
	return m.stream(where, r, 0, -1)
}

// stream reads at most limit bytes (-1: all) and keeps an overlap, so that no marker is cut in two.
func (m *Markers) stream(where string, r io.Reader, base int64, limit int64) ([]Hit, error) {
	if m.buf == nil {
		m.buf = make([]byte, chunk)
	}
	// What was read last time must not be found again here.
	defer clear(m.buf)
	var hits []Hit
	kept := 0
	for limit != 0 {
		room := m.buf[kept:]
		if limit > 0 && int64(len(room)) > limit {
			room = room[:limit]
		}
		n, err := io.ReadFull(r, room)
		if limit > 0 {
			limit -= int64(n)
		}
		have := kept + n
		for _, h := range m.Bytes(where, m.buf[:have], base) {
			hits = append(hits, h)
			if len(hits) >= maxHits {
				return hits, nil
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return hits, nil
			}
			return hits, err
		}
		kept = min(max(m.longest-1, 0), have)
		copy(m.buf, m.buf[have-kept:have])
		base += int64(have - kept)
	}
	return hits, nil
}

// Stats tells what was searched.
type Stats struct {
	Processes int
	Files     int
	Bytes     int64
}

// Process searches the memory of a process: what it may have written, which is every writable mapping
// and every anonymous one, without device memory. A process that ended meanwhile is no error.
func (m *Markers) Process(pid int, name string, st *Stats) ([]Hit, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("memscan: %s: %w", name, err)
	}
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("memscan: memory of %s (the scan needs root or the same user and ptrace permission): %w", name, err)
	}
	defer mem.Close()
	// Without the page map everything is read, which finds the same and takes longer.
	pages, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err == nil {
		defer pages.Close()
	}
	st.Processes++
	var hits []Hit
	in := bufio.NewScanner(maps)
	regions := 0
	for in.Scan() {
		var from, to uint64
		var perm, off, dev, inode string
		line := in.Text()
		if n, _ := fmt.Sscanf(line, "%x-%x %s %s %s %s", &from, &to, &perm, &off, &dev, &inode); n < 6 {
			continue
		}
		file := ""
		if i := strings.IndexAny(line, "/["); i >= 0 {
			file = line[i:]
		}
		if !wanted(perm, file) {
			continue
		}
		regions++
		for _, run := range present(pages, from, to) {
			// EIO and EFAULT are mappings without pages; a process that ended reads as EOF.
			h, _ := m.stream(fmt.Sprintf("%s (%s)", name, label(file)), io.NewSectionReader(mem, int64(run[0]), int64(run[1]-run[0])), int64(run[0]), int64(run[1]-run[0]))
			hits = append(hits, h...)
			st.Bytes += int64(run[1] - run[0])
			if len(hits) >= maxHits {
				return hits[:maxHits], nil
			}
		}
	}
	if err := in.Err(); err != nil {
		return hits, fmt.Errorf("memscan: %s: %w", name, err)
	}
	if regions == 0 && Exists(pid) {
		return hits, fmt.Errorf("memscan: %s: no memory could be read", name)
	}
	return hits, nil
}

// Bits of an entry of the page map (proc(5)): the page is in memory, or in swap.
const (
	pagePresent = 1 << 63
	pageSwapped = 1 << 62
	pageSize    = 4096
)

// present lists the runs of pages of a mapping that hold anything: a page that was never touched reads
// as zeros and can hold no marker. Neighbouring pages stay together, so that no marker is cut.
func present(pages *os.File, from, to uint64) [][2]uint64 {
	all := [][2]uint64{{from, to}}
	if pages == nil || os.Getpagesize() != pageSize {
		return all
	}
	var runs [][2]uint64
	buf := make([]byte, 8*4096)
	for at := from; at < to; {
		n := min((to-at)/pageSize, uint64(len(buf)/8))
		got, err := pages.ReadAt(buf[:8*n], int64(at/pageSize*8))
		if err != nil && !errors.Is(err, io.EOF) || got < 8 {
			return all
		}
		for i := range uint64(got / 8) {
			if binary.LittleEndian.Uint64(buf[8*i:])&(pagePresent|pageSwapped) == 0 {
				continue
			}
			p := at + i*pageSize
			if k := len(runs); k > 0 && runs[k-1][1] == p {
				runs[k-1][1] = p + pageSize
			} else {
				runs = append(runs, [2]uint64{p, p + pageSize})
			}
		}
		at += uint64(got/8) * pageSize
	}
	return runs
}

// Exists tells whether a process exists and is no zombie.
func Exists(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	i := bytes.LastIndexByte(b, ')')
	return i > 0 && i+2 < len(b) && b[i+2] != 'Z'
}

func wanted(perm, file string) bool {
	if perm[0] != 'r' {
		return false
	}
	switch {
	case strings.HasPrefix(file, "[vvar"), strings.HasPrefix(file, "[vsyscall"), strings.HasPrefix(file, "[vdso"):
		return false
	case strings.HasPrefix(file, "/dev/") && !strings.HasPrefix(file, "/dev/shm/") && !strings.HasPrefix(file, "/dev/zero"):
		return false
	}
	return perm[1] == 'w' || !strings.HasPrefix(file, "/")
}

func label(file string) string {
	if file == "" {
		return "anonymous memory"
	}
	if strings.HasPrefix(file, "/") {
		return filepath.Base(file)
	}
	return file
}

// Tree searches every regular file below dir, names included.
func (m *Markers) Tree(dir string, st *Stats) ([]Hit, error) {
	var hits []Hit
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // files come and go
			}
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		for _, h := range m.Bytes("the name of "+rel, []byte(d.Name()), 0) {
			hits = append(hits, h)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		defer f.Close()
		st.Files++
		if i, err := f.Stat(); err == nil {
			st.Bytes += i.Size()
		}
		h, err := m.Reader(filepath.Join(filepath.Base(dir), rel), f)
		hits = append(hits, h...)
		return err
	})
	if err != nil {
		return hits, fmt.Errorf("memscan: %w", err)
	}
	return hits, nil
}
