// Package modelfetch takes the model and runtime files that a lock file names out of their npm
// archives, each by its SHA-256, and puts them into a cache directory. Nothing else is ever unpacked
// or executed: no install script runs, and a member that the lock does not name stays in the archive
// (requirement F-13: the archive's models for age, sex and expression never reach a disk of ours).
package modelfetch

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// Limits on what a lock may ask for.
const (
	maxLock   = 1 << 20   // a lock file is a page of text
	maxMember = 256 << 20 // the runtime library has 46 MB
)

// Lock is the list of files to fetch.
type Lock struct {
	Comment  string    `json:"comment,omitempty"`
	Packages []Package `json:"packages"`
	// Local files lie beside the lock and are copied as they are: the manifest of the pack.
	Local []Local `json:"local,omitempty"`

	// Arch is the GOARCH of the machine that the files are for; empty: this one.
	Arch string `json:"-"`

	folder string // of the lock file
}

// Local is a file of the repository that belongs into the cache.
type Local struct {
	Path string `json:"path"` // relative to the lock file
	File string `json:"file"` // base name in the cache
}

// Package is one npm archive.
type Package struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	SHA256  string   `json:"sha256"` // of the .tgz, hex
	Members []Member `json:"members"`
}

// Member is one file of an archive.
type Member struct {
	Path   string `json:"path"` // inside the archive
	File   string `json:"file"` // base name in the cache
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Arch   string `json:"arch,omitempty"` // GOARCH, empty for all
}

var (
	namePattern    = regexp.MustCompile(`^(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*$`)
	versionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)
	hashPattern    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	filePattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	// forbidden are inferences that the product must not contain (F-13).
	forbidden = regexp.MustCompile(`(?i)(^|[._-])(age|gender|sex|race|ethnic|ethnicity|expression|emotion)([._-]|$)`)
)

// ReadLock reads and checks a lock file.
func ReadLock(path string) (*Lock, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("modelfetch: %w", err)
	}
	defer f.Close()
	d := json.NewDecoder(io.LimitReader(f, maxLock))
	d.DisallowUnknownFields()
	var l Lock
	if err := d.Decode(&l); err != nil {
		return nil, fmt.Errorf("modelfetch: %s: %w", path, err)
	}
	l.folder = filepath.Dir(path)
	return &l, l.check()
}

func (l *Lock) check() error {
	for _, c := range l.Local {
		if !filePattern.MatchString(c.File) || !filepath.IsLocal(c.Path) {
			return fmt.Errorf("modelfetch: local file %q: bad name or path", c.Path)
		}
	}
	for _, p := range l.Packages {
		if !namePattern.MatchString(p.Name) || !versionPattern.MatchString(p.Version) || !hashPattern.MatchString(p.SHA256) {
			return fmt.Errorf("modelfetch: package %q version %q: bad name, version or sha256", p.Name, p.Version)
		}
		for _, m := range p.Members {
			switch {
			case !filePattern.MatchString(m.File), !hashPattern.MatchString(m.SHA256), m.Bytes <= 0, m.Bytes > maxMember:
				return fmt.Errorf("modelfetch: package %q member %q: bad file, size or sha256", p.Name, m.Path)
			case Forbidden(m.Path) || Forbidden(m.File):
				return fmt.Errorf("modelfetch: package %q member %q: models for age, sex, origin or expression are refused", p.Name, m.Path)
			}
		}
	}
	return nil
}

// Forbidden tells whether a file name is that of a demographic or emotion model (F-13).
func Forbidden(name string) bool { return forbidden.MatchString(filepath.Base(name)) }

// wanted are the members for machines of an architecture.
func (p Package) wanted(arch string) []Member {
	var out []Member
	for _, m := range p.Members {
		if m.Arch == "" || m.Arch == arch {
			out = append(out, m)
		}
	}
	return out
}

// Fetch makes dir hold every file of the lock. Files that are there with the right hash are left
// alone, so that a second run needs neither npm nor network. progress is called with one line per
// step; it may be nil.
func Fetch(ctx context.Context, lock *Lock, dir string, progress func(string)) error {
	return fetch(ctx, lock, dir, progress, npmPack)
}

func fetch(ctx context.Context, lock *Lock, dir string, progress func(string), pack func(ctx context.Context, dir, spec string) (string, error)) error {
	if progress == nil {
		progress = func(string) {}
	}
	if err := lock.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("modelfetch: %w", err)
	}
	for _, p := range lock.Packages {
		var missing []Member
		for _, m := range p.wanted(cmp.Or(lock.Arch, runtime.GOARCH)) {
			if !matches(filepath.Join(dir, m.File), m) {
				missing = append(missing, m)
			}
		}
		if len(missing) == 0 {
			continue
		}
		spec := p.Name + "@" + p.Version
		progress(fmt.Sprintf("fetching %s (%d files)", spec, len(missing)))
		if err := fetchPackage(ctx, p, missing, dir, spec, pack); err != nil {
			return err
		}
		for _, m := range missing {
			progress(fmt.Sprintf("  %s, %d bytes, sha256 %s", m.File, m.Bytes, m.SHA256[:16]))
		}
	}
	if err := lock.prune(dir, progress); err != nil {
		return err
	}
	for _, c := range lock.Local {
		if err := copyLocal(filepath.Join(lock.folder, c.Path), filepath.Join(dir, c.File)); err != nil {
			return err
		}
	}
	return nil
}

// prune removes models of an earlier lock: a pack holds what its manifest names and no other.
func (l *Lock) prune(dir string, progress func(string)) error {
	keep := map[string]bool{}
	for _, p := range l.Packages {
		for _, m := range p.Members {
			keep[m.File] = true
		}
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.onnx"))
	if err != nil {
		return fmt.Errorf("modelfetch: %w", err)
	}
	for _, path := range old {
		if keep[filepath.Base(path)] {
			continue
		}
		progress("removing " + filepath.Base(path) + ", which the lock does not name")
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("modelfetch: %w", err)
		}
	}
	return nil
}

// copyLocal writes to through a temporary file, unless it holds the same already.
func copyLocal(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("modelfetch: %w", err)
	}
	if old, err := os.ReadFile(to); err == nil && bytes.Equal(old, b) {
		return nil
	}
	sum := sha256.Sum256(b)
	return place(bytes.NewReader(b), Member{File: filepath.Base(to), Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}, filepath.Dir(to))
}

func fetchPackage(ctx context.Context, p Package, missing []Member, dir, spec string, pack func(ctx context.Context, dir, spec string) (string, error)) error {
	tmp, err := os.MkdirTemp("", "egate-models-")
	if err != nil {
		return fmt.Errorf("modelfetch: %w", err)
	}
	defer os.RemoveAll(tmp)
	archive, err := pack(ctx, tmp, spec)
	if err != nil {
		return err
	}
	if sum, err := fileHash(archive); err != nil {
		return err
	} else if sum != p.SHA256 {
		return fmt.Errorf("modelfetch: %s: the archive has sha256 %s, the lock says %s", spec, sum, p.SHA256)
	}
	return extract(archive, missing, dir)
}

// npmPack downloads one archive. "npm pack NAME@VERSION" runs no script of the package.
func npmPack(ctx context.Context, dir, spec string) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("modelfetch: npm is missing; install it with: apt-get install -y npm")
	}
	cmd := exec.CommandContext(ctx, npm, "pack", spec, "--silent", "--ignore-scripts")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("modelfetch: npm pack %s: %w: %s", spec, err, strings.TrimSpace(stderr.String()))
	}
	lines := strings.Fields(string(out))
	if len(lines) == 0 {
		return "", fmt.Errorf("modelfetch: npm pack %s named no archive", spec)
	}
	return filepath.Join(dir, filepath.Base(lines[len(lines)-1])), nil
}

func extract(archive string, members []Member, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("modelfetch: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("modelfetch: %s: %w", filepath.Base(archive), err)
	}
	byPath := make(map[string]Member, len(members))
	for _, m := range members {
		byPath[m.Path] = m
	}
	r := tar.NewReader(z)
	for len(byPath) > 0 {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("modelfetch: %s: %w", filepath.Base(archive), err)
		}
		m, ok := byPath[h.Name]
		if !ok || h.Typeflag != tar.TypeReg {
			continue
		}
		if h.Size != m.Bytes {
			return fmt.Errorf("modelfetch: %s has %d bytes, the lock says %d", h.Name, h.Size, m.Bytes)
		}
		if err := place(r, m, dir); err != nil {
			return err
		}
		delete(byPath, h.Name)
	}
	for path := range byPath {
		return fmt.Errorf("modelfetch: %s is not in the archive", path)
	}
	return nil
}

// place writes one verified member: to a temporary file, synced, then renamed.
func place(r io.Reader, m Member, dir string) error {
	t, err := os.CreateTemp(dir, "."+m.File+"-")
	if err != nil {
		return fmt.Errorf("modelfetch: %w", err)
	}
	defer os.Remove(t.Name())
	defer t.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(t, h), io.LimitReader(r, m.Bytes)); err != nil {
		return fmt.Errorf("modelfetch: %s: %w", m.File, err)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != m.SHA256 {
		return fmt.Errorf("modelfetch: %s has sha256 %s, the lock says %s", m.File, sum, m.SHA256)
	}
	if err := errors.Join(t.Chmod(0o644), t.Sync(), t.Close()); err != nil {
		return fmt.Errorf("modelfetch: %s: %w", m.File, err)
	}
	if err := os.Rename(t.Name(), filepath.Join(dir, m.File)); err != nil {
		return fmt.Errorf("modelfetch: %w", err)
	}
	return nil
}

func matches(path string, m Member) bool {
	st, err := os.Stat(path)
	if err != nil || st.Size() != m.Bytes {
		return false
	}
	sum, err := fileHash(path)
	return err == nil && sum == m.SHA256
}

func fileHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("modelfetch: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("modelfetch: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
