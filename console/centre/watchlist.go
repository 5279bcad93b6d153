package centre

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"egate/api"
	"egate/configs"
)

// watchList answers look-ups from a YAML file that is read again when it changes. A file that became
// bad keeps the old list: an empty list would let everybody through.
type watchList struct {
	path string

	mu        sync.Mutex
	at        time.Time
	size      int64
	documents map[string]string
	names     map[string]string
}

// listFile is the file: document numbers and names (SURNAME<<GIVEN NAMES) with their answer, refer or hold.
type listFile struct {
	Documents map[string]string `yaml:"documents"`
	Names     map[string]string `yaml:"names"`
}

func openWatchList(path string) (*watchList, error) {
	w := &watchList{path: path}
	return w, w.read()
}

func (w *watchList) read() error {
	st, err := os.Stat(w.path)
	if err != nil {
		return fmt.Errorf("centre: watch list: %w", err)
	}
	var f listFile
	file, err := configs.Decode(w.path, &f, "configs/watchlist.example.yaml")
	if err != nil {
		return fmt.Errorf("centre: watch list: %w", err)
	}
	clean := func(in map[string]string, key string) (map[string]string, error) {
		out := map[string]string{}
		for k, v := range in {
			if v != "refer" && v != "hold" {
				return nil, fmt.Errorf("centre: watch list: %s: each entry's answer must be refer or hold", file.At(key))
			}
			out[normal(k)] = v
		}
		return out, nil
	}
	docs, err := clean(f.Documents, "documents")
	if err != nil {
		return err
	}
	names, err := clean(f.Names, "names")
	if err != nil {
		return err
	}
	w.documents, w.names, w.at, w.size = docs, names, st.ModTime(), st.Size()
	return nil
}

// normal writes names and numbers as a zone has them (ICAO Doc 9303-3 §4.6).
func normal(s string) string {
	return strings.Trim(strings.ReplaceAll(strings.ToUpper(strings.TrimSpace(s)), " ", "<"), "<")
}

// rows are the entries of a list.
type rows struct {
	Documents map[string]string `json:"documents"`
	Names     map[string]string `json:"names"`
}

// now is the list as it stands, read again when the file has changed.
func (w *watchList) now() rows {
	w.mu.Lock()
	defer w.mu.Unlock()
	if st, err := os.Stat(w.path); err == nil && (!st.ModTime().Equal(w.at) || st.Size() != w.size) {
		_ = w.read() // a bad file keeps the list; its mistake is told by the next start
	}
	return rows{w.documents, w.names}
}

// answer is clear, refer or hold.
func (r rows) answer(q api.LookupQuestion) string {
	a := "clear"
	for _, hit := range []string{r.Documents[normal(q.Document)], r.Names[normal(q.Name)]} {
		if hit == "hold" || hit == "refer" && a == "clear" {
			a = hit
		}
	}
	return a
}
