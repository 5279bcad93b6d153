package evaluate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What locate tries before it says that the pictures of a list are not there.
const (
	locateProbes  = 8      // pictures that are looked for in a folder
	locateFolders = 20_000 // folders that are tried
)

// locate finds the pictures of a list. They lie below the root; where none does, below the one folder of the root,
// or of a folder in it, that has them (a list is often packed beside the folder of its pictures). pairs.txt names no
// endings.
func (s *Set) locate() error {
	if !s.probe(s.Root) {
		roots := s.roots()
		switch len(roots) {
		case 0:
			return fmt.Errorf("evaluate: none of the %d pictures of %s is below %s (%.80q, for one): name the folder that their paths begin in with --root", len(s.Samples), s.Name, s.Root, s.Samples[0].Path)
		case 1:
			s.Root = roots[0]
			s.Note = append(s.Note, fmt.Sprintf("the pictures were found below %s", s.Root))
		default:
			return fmt.Errorf("evaluate: the pictures of %s are below %s and below %s: name one of them with --root", s.Name, roots[0], roots[1])
		}
	}
	missing, first := 0, ""
	for i := range s.Samples {
		if path, ok := s.there(s.Root, s.Samples[i].Path); ok {
			s.Samples[i].Path = path
		} else if missing++; missing == 1 {
			first = s.Samples[i].Path
		}
	}
	if missing > 0 {
		s.Note = append(s.Note, fmt.Sprintf("%d of the %d pictures of the list are not there, %.80q for one", missing, len(s.Samples), first))
	}
	return nil
}

// probe tells whether one of the first pictures, or one from the middle of the list on, is below a root.
func (s *Set) probe(root string) bool {
	n := len(s.Samples)
	for k := range min(n, locateProbes) {
		for _, i := range []int{k, (n/2 + k) % n} {
			if _, ok := s.there(root, s.Samples[i].Path); ok {
				return true
			}
		}
	}
	return false
}

// roots are the folders below the root, two deep, that have pictures of the list.
func (s *Set) roots() []string {
	var out []string
	tried := 0
	level := []string{s.Root}
	for range 2 {
		var next []string
		for _, dir := range level {
			entries, err := os.ReadDir(dir)
			if err != nil {
				continue
			}
			for _, d := range entries {
				path := filepath.Join(dir, d.Name())
				if st, err := os.Stat(path); err != nil || !st.IsDir() || hidden(d.Name()) {
					continue
				}
				if tried++; tried > locateFolders {
					return out
				}
				next = append(next, path)
				if s.probe(path) {
					out = append(out, path)
				}
			}
		}
		if len(out) > 0 {
			break
		}
		level = next
	}
	return out
}

// there gives the path, as the list means it, of a picture that exists.
func (s *Set) there(root, path string) (string, bool) {
	tries := []string{path}
	if s.Form == "lfw" {
		stem := strings.TrimSuffix(path, filepath.Ext(path))
		for _, ext := range lfwExt {
			tries = append(tries, stem+ext)
		}
	}
	at := slices.IndexFunc(tries, func(p string) bool {
		full, err := join(root, p)
		if err != nil {
			return false
		}
		_, err = os.Stat(full)
		return err == nil
	})
	if at < 0 {
		return "", false
	}
	return tries[at], true
}

// lfwExt are other endings of the pictures of pairs.txt than ".jpg".
var lfwExt = []string{".png", ".jpeg", ".jp2", ".JPG", ".PNG", ".JPEG", ".JP2", ".j2k"}
