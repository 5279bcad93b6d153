package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFile caps a configuration file, bytes: pages of text, never megabytes.
const maxFile = 256 << 10

// File is a decoded file that can still tell on which line a key stands.
type File struct {
	Path string
	root yaml.Node
}

// Decode reads one YAML document into v. An unknown key, a second document or a wrong type is an
// error that names file, line and cure; see is the example file that the cure points to.
func Decode(path string, v any, see string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, raw, v, see)
}

// Parse is Decode of bytes; path names them in errors.
func Parse(path string, raw []byte, v any, see string) (*File, error) {
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s: longer than %d bytes", path, maxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(v); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:1: the file is empty: start from %s", path, see)
	} else if err != nil {
		return nil, located(path, see, err)
	}
	var extra any
	if err := dec.Decode(&extra); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: one document is expected, there are more: remove what follows \"---\"", path)
	}
	out := &File{Path: path}
	if err := yaml.Unmarshal(raw, &out.root); err != nil {
		return nil, located(path, see, err)
	}
	return out, nil
}

// At names file, line and dotted key.
func (f *File) At(key ...string) string {
	return fmt.Sprintf("%s:%d: %s", f.Path, lineOf(&f.root, key), strings.Join(key, "."))
}

// Under resolves a path of the file: relative ones start at the folder of the file.
func (f *File) Under(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(f.Path), p)
}

// lineOf finds the line of a key, or of its nearest parent that exists.
func lineOf(n *yaml.Node, key []string) int {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	if n.Kind == yaml.MappingNode && len(key) > 0 {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key[0] {
				if len(key) == 1 {
					return n.Content[i].Line
				}
				return lineOf(n.Content[i+1], key[1:])
			}
		}
	}
	return max(1, n.Line)
}

// located turns yaml's "line 3: …" into file:3: with a cure for the commonest mistakes.
func located(path, see string, err error) error {
	msgs := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var t *yaml.TypeError
	if errors.As(err, &t) {
		msgs = t.Errors
	}
	var errs []error
	for _, m := range msgs {
		line := 1
		if n, _ := fmt.Sscanf(m, "line %d:", &line); n == 1 {
			_, m, _ = strings.Cut(m, ": ")
		}
		switch {
		case strings.Contains(m, "not found in type"):
			m = strings.Fields(m)[1] + " is no key of this place: see " + see
		case strings.Contains(m, "into time.Duration"):
			m += ": write a number with its unit, e.g. 20s or 500ms"
		}
		errs = append(errs, fmt.Errorf("%s:%d: %s", path, line, m))
	}
	return errors.Join(errs...)
}
