package centre

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"egate/api"
	"egate/configs"
)

// watchList answers look-ups from a YAML file that is read again when it changes. A file that became
// bad, empty or is gone keeps the list before it: an empty list would let everybody through.
type watchList struct {
	path string

	mu   sync.Mutex
	at   time.Time // of the file as last looked at, good or bad
	size int64
	bad  bool
	list rows
}

// listFile is the file: document numbers and names (SURNAME<<GIVEN NAMES) with their answer, refer or hold.
type listFile struct {
	Documents map[string]string `yaml:"documents"`
	Names     map[string]string `yaml:"names"`
}

// listExample is what errors point to.
const listExample = "configs/watchlist.example.yaml"

func openWatchList(path string) (*watchList, error) {
	w := &watchList{path: path}
	_, err := w.refresh()
	return w, err
}

// refresh reads the file again if it is another one. changed tells whether it was, or whether a mistake
// appeared or went.
func (w *watchList) refresh() (changed bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st, err := os.Stat(w.path)
	if err != nil {
		changed, w.bad, w.at = !w.bad || !w.at.IsZero(), true, time.Time{}
		return changed, fmt.Errorf("centre: watch list: %w", err)
	}
	if st.ModTime().Equal(w.at) && st.Size() == w.size {
		return false, nil
	}
	w.at, w.size = st.ModTime(), st.Size() // before it is read: what is written meanwhile is read again
	list, err := readList(w.path)
	w.bad = err != nil
	if err == nil {
		w.list = list
	}
	return true, err
}

func readList(path string) (rows, error) {
	var f listFile
	file, err := configs.Decode(path, &f, listExample)
	if err != nil {
		return rows{}, fmt.Errorf("centre: watch list: %w", err)
	}
	if f.Documents == nil && f.Names == nil {
		return rows{}, fmt.Errorf("centre: watch list: %s: neither documents nor names: a list of nobody says \"documents: {}\"", path)
	}
	clean := func(in map[string]string, key string) (map[string]string, error) {
		out := map[string]string{}
		for k, v := range in {
			if v != "refer" && v != "hold" {
				return nil, fmt.Errorf("centre: watch list: %s: each entry's answer must be refer or hold", file.At(key))
			}
			n, err := normal(k)
			if err != nil { // the entry itself is personal and is not quoted
				return nil, fmt.Errorf("centre: watch list: %s: %w", file.At(key), err)
			}
			if out[n] != "hold" {
				out[n] = v
			}
		}
		return out, nil
	}
	docs, err := clean(f.Documents, "documents")
	if err != nil {
		return rows{}, err
	}
	names, err := clean(f.Names, "names")
	return rows{docs, names}, err
}

// normal writes names and numbers as a machine readable zone has them (ICAO Doc 9303-3 §4.6: capital
// letters, filler for space and hyphen, no apostrophe).
func normal(s string) (string, error) {
	s = strings.NewReplacer(" ", "<", "-", "<", "'", "", "\u2019", "").Replace(strings.ToUpper(strings.TrimSpace(s)))
	s = strings.Trim(s, "<")
	if s == "" {
		return "", errors.New("an entry is empty")
	}
	for _, c := range s {
		if !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '<') {
			return "", errors.New("an entry has characters that a machine readable zone does not have: write it as in the zone, A-Z 0-9 < (ICAO Doc 9303-3 §6 for other letters)")
		}
	}
	return s, nil
}

// rows are the entries of a list.
type rows struct {
	Documents map[string]string `json:"documents"`
	Names     map[string]string `json:"names"`
}

// now is the list as it stands.
func (w *watchList) now() rows {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list
}

// nameFields are the lengths of name fields: a name that fills one may have been cut there (ICAO Doc
// 9303-4 §4.2.3, -5 and -6: TD3, TD1, TD2).
var nameFields = map[int]bool{39: true, 30: true, 31: true}

// answer is clear, refer or hold. It looks at every entry whatever it finds, so that a hit takes the time
// of none.
func (r rows) answer(q api.LookupQuestion) string {
	worst := "clear"
	note := func(a string) {
		if a == "hold" || a == "refer" && worst == "clear" {
			worst = a
		}
	}
	if n, err := normal(q.Document); err == nil {
		note(r.Documents[n])
	}
	if n, err := normal(q.Name); err == nil {
		cut := nameFields[len(n)]
		for entry, a := range r.Names {
			if entry == n || cut && strings.HasPrefix(entry, n) {
				note(a)
			}
		}
	}
	return worst
}
