package evaluate

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Limits of a set.
const (
	MaxPictures  = 1_000_000
	MaxPairs     = 50_000_000
	maxListBytes = 512 << 20
	maxColumns   = 64
	maxDepth     = 12 // of folders
)

// Kind is what is known of a pair.
type Kind uint8

// Kinds of pairs. A morph pair is a morphed picture against a picture of one of those who were morphed.
const (
	Genuine Kind = iota
	Impostor
	Morph
)

func (k Kind) String() string { return [...]string{"genuine", "impostor", "morph"}[k] }

// Sample is one picture.
type Sample struct {
	Path   string // as given, below the root
	Person int    // index, -1 unknown
}

// Pair is one comparison of two samples: A in place of the portrait, B of the live picture.
type Pair struct {
	A, B int32
	Kind Kind
	Row  int32 // of Labels and Transactions, -1 none
}

// Set is what is evaluated.
type Set struct {
	Name     string
	Root     string
	Form     string // "pairs", "lfw" or "folder"
	Hash     string // of what names the pairs; not of the pictures
	Samples  []Sample
	Persons  []string
	Pairs    []Pair
	Columns  []string   // of labels
	Labels   [][]string // per row, of a list of pairs
	PerImage [][]string // per sample, of a folder with a list of labels; nil without
	// Transaction names what belongs together: all comparisons of one passage. Attempt tells its attempts
	// apart; comparisons of one attempt are fused as the gate does.
	Transaction, Attempt []string // per row
	Order                []int    // in which samples are looked at
	Note                 []string // of how the set was made
	PersonsFrom          string   // where identities come from
}

// Options of Load.
type Options struct {
	Root      string // of the paths of a list; empty: the folder of the list
	Labels    string // CSV: path or person, and columns of labels
	Impostors int    // impostor pairs of a folder, at most; 0 takes DefaultPairs, -1 all
}

// DefaultPairs is how many impostor pairs of a folder are compared when nothing else is asked for.
const DefaultPairs = 400_000

// Load reads a list of pairs (CSV, or TXT in the form of Labeled Faces in the Wild), or a folder of
// person/picture.
func Load(path string, opt Options) (*Set, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	if st.IsDir() {
		return loadFolder(path, opt)
	}
	if opt.Labels != "" {
		return nil, errors.New("evaluate: labels of a list of pairs are columns of the list itself")
	}
	s, err := readList(path, opt.Root)
	if err == nil {
		err = s.locate()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// readList reads a list of pairs. Its form is told from its first line: what people call a list differs.
func readList(path, root string) (*Set, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	if st.Size() > maxListBytes {
		return nil, fmt.Errorf("evaluate: %s is longer than %d bytes", path, maxListBytes)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	s := &Set{Name: filepath.Base(path), Root: root}
	if s.Root == "" {
		s.Root = filepath.Dir(path)
	}
	r := bufio.NewReaderSize(io.TeeReader(f, h), 1<<16)
	line, err := firstLine(r)
	switch {
	case err != nil:
	case isLFW(line):
		err = s.readLFW(r)
	default:
		err = s.readCSV(r, separator(line))
	}
	if err != nil {
		return nil, err
	}
	s.Hash = hex.EncodeToString(h.Sum(nil))
	if err := s.once(); err != nil {
		return nil, err
	}
	if len(s.Pairs) == 0 {
		return nil, fmt.Errorf("evaluate: %s holds no pairs", path)
	}
	for i := range s.Samples {
		if _, err := s.file(i); err != nil {
			return nil, fmt.Errorf("evaluate: %.80q leads out of %s: write paths below one folder, and name it with --root", s.Samples[i].Path, s.Root)
		}
	}
	s.order()
	return s, nil
}

// Names of columns, and what else they may be called, as plain writes them.
var columnNames = map[string]string{
	"a": "a", "imagea": "a", "patha": "a", "filea": "a", "reference": "a", "img1": "a", "image1": "a", "file1": "a", "filename1": "a", "path1": "a", "portrait": "a", "morphimage": "a", "enrol": "a", "enroll": "a", "left": "a", "first": "a", "gallery": "a", "imga": "a", "photoa": "a", "photo1": "a", "picturea": "a", "picture1": "a", "face1": "a", "sample1": "a",
	"b": "b", "imageb": "b", "pathb": "b", "fileb": "b", "probe": "b", "right": "b", "second": "b", "query": "b", "imgb": "b", "photob": "b", "photo2": "b", "pictureb": "b", "picture2": "b", "face2": "b", "sample2": "b", "img2": "b", "image2": "b", "file2": "b", "filename2": "b", "path2": "b", "live": "b",
	"label": "label", "same": "label", "genuine": "label", "mated": "label", "match": "label", "issame": "label", "isgenuine": "label", "ismatch": "label", "ismated": "label", "sameperson": "label",
	"groundtruth": "label", "target": "label", "pairtype": "label",
	"persona": "person_a", "ida": "person_a", "identitya": "person_a", "id1": "person_a", "person1": "person_a", "subjecta": "person_a", "subject1": "person_a",
	"personb": "person_b", "idb": "person_b", "identityb": "person_b", "id2": "person_b", "person2": "person_b", "subjectb": "person_b", "subject2": "person_b",
	"transaction": "transaction", "attempt": "attempt",
}

// plain is the name of a column without what people write it with: "Image A" and "image_a" are one.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == '.' || unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// kinds of the label column.
var kinds = map[string]Kind{
	"1": Genuine, "1.0": Genuine, "true": Genuine, "yes": Genuine, "genuine": Genuine, "mated": Genuine, "match": Genuine, "same": Genuine, "positive": Genuine,
	"0": Impostor, "0.0": Impostor, "-1": Impostor, "false": Impostor, "no": Impostor, "impostor": Impostor, "imposter": Impostor, "nonmated": Impostor, "nonmatch": Impostor,
	"mismatch": Impostor, "different": Impostor, "diff": Impostor, "negative": Impostor,
	"morph": Morph, "morphed": Morph,
}

// kindOf is what a label means.
func kindOf(label string) (Kind, bool) {
	label = strings.ToLower(strings.TrimSpace(label))
	k, ok := kinds[label]
	if !ok {
		k, ok = kinds[strings.NewReplacer("-", "", "_", "", " ", "").Replace(label)]
	}
	return k, ok
}

// once leaves out pairs that a list names again: counted twice they would make bounds too narrow. A list with
// transactions may compare two pictures in several of them.
func (s *Set) once() error {
	for _, t := range s.Transaction {
		if t != "" {
			return nil
		}
	}
	key := func(p Pair) uint64 { return uint64(min(p.A, p.B))<<32 | uint64(max(p.A, p.B)) }
	keys := make([]uint64, len(s.Pairs))
	self := 0
	for i, p := range s.Pairs {
		keys[i] = key(p)
		if p.A == p.B {
			self++
		}
	}
	if self > 0 {
		s.Note = append(s.Note, fmt.Sprintf("%d pairs compare a picture with itself, which tells nothing", self))
	}
	slices.Sort(keys)
	again := map[uint64]Kind{}
	for i := 1; i < len(keys); i++ {
		if keys[i] == keys[i-1] {
			again[keys[i]] = unseen
		}
	}
	if len(again) == 0 {
		return nil
	}
	kept := s.Pairs[:0]
	for _, p := range s.Pairs {
		first, twice := again[key(p)]
		if twice && first != unseen {
			if first != p.Kind {
				return fmt.Errorf("evaluate: list of pairs: %.80q and %.80q are labelled %s and %s", s.Samples[p.A].Path, s.Samples[p.B].Path, first, p.Kind)
			}
			continue
		}
		if twice {
			again[key(p)] = p.Kind
		}
		kept = append(kept, p)
	}
	s.Note = append(s.Note, fmt.Sprintf("%d pairs stand in the list again, which counts them once", len(s.Pairs)-len(kept)))
	s.Pairs = kept
	return nil
}

const unseen Kind = 255

// firstLine is the first line of a list that is no remark, and stays to be read.
func firstLine(in *bufio.Reader) (string, error) {
	head, err := in.Peek(4096)
	if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
		return "", err
	}
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return "", errors.New("evaluate: the list is UTF-16; save it as UTF-8")
	}
	// A byte order mark goes: before a quoted name it would be a malformed field.
	if mark := []byte("\ufeff"); bytes.HasPrefix(head, mark) {
		if _, err := in.Discard(len(mark)); err != nil {
			return "", err
		}
		head = head[len(mark):]
	}
	for line := range bytes.Lines(head) {
		if text := strings.TrimSpace(string(line)); text != "" && text[0] != '#' {
			return text, nil
		}
	}
	return "", nil
}

// separator is what the first line of a list is divided by: a comma, or what spreadsheets write in its place, or
// spaces.
func separator(line string) rune {
	for _, c := range ",;\t" {
		if strings.ContainsRune(line, c) {
			return c
		}
	}
	if len(strings.Fields(line)) >= 3 {
		return ' '
	}
	return ','
}

// lfwWords divides a line of pairs.txt; there are copies with commas.
func lfwWords(line string) []string {
	return strings.FieldsFunc(line, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
}

// isLFW tells whether a list that begins so is in the form of Labeled Faces in the Wild.
func isLFW(line string) bool {
	f := lfwWords(line)
	if lfwHead(f) {
		return true
	}
	switch len(f) {
	case 3:
		return !number(f[0]) && number(f[1]) && number(f[2])
	case 4:
		return !number(f[0]) && number(f[1]) && !number(f[2]) && number(f[3])
	}
	return false
}

// lfwHead tells of the first line of pairs.txt: how many folds and pairs follow, or, in copies, names of columns.
func lfwHead(f []string) bool {
	if len(f) >= 3 && strings.EqualFold(f[0], "name") && strings.HasPrefix(strings.ToLower(f[1]), "imagenum") {
		return true
	}
	return len(f) > 0 && len(f) <= 2 && !slices.ContainsFunc(f, func(w string) bool { return !number(w) })
}

func number(w string) bool {
	return w != "" && strings.IndexFunc(w, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// readCSV reads a list of pairs with a line of names; a list without one has the columns a, b, label.
func (s *Set) readCSV(in *bufio.Reader, comma rune) error {
	s.Form = "pairs"
	c := csv.NewReader(in)
	c.Comma = comma
	c.FieldsPerRecord = -1
	c.Comment = '#'
	c.TrimLeadingSpace = true
	c.ReuseRecord = true
	at := map[string]int{}
	index := map[string]int32{}
	persons := map[string]int{}
	named := false
	var given [][2]string // persons, as named
	var rest []int        // columns of labels
	for line := 1; ; line++ {
		rec, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("evaluate: list of pairs: %w", err)
		}
		if line == 1 {
			for i, n := range rec {
				if k, ok := columnNames[plain(n)]; ok {
					if _, twice := at[k]; twice {
						return fmt.Errorf("evaluate: list of pairs: two columns for %q", k)
					}
					at[k] = i
				}
			}
			_, ha := at["a"]
			_, hb := at["b"]
			_, hl := at["label"]
			switch {
			case ha && hb && hl:
				if len(rec) > maxColumns {
					return fmt.Errorf("evaluate: list of pairs: more than %d columns", maxColumns)
				}
				for i, n := range rec {
					if _, known := columnNames[plain(n)]; !known {
						s.Columns = append(s.Columns, strings.Clone(strings.TrimSpace(n)))
						rest = append(rest, i)
					}
				}
				_, named = at["person_a"]
				continue
			case len(rec) == 3 && hl && at["label"] == 2 && !strings.ContainsAny(rec[0]+rec[1], `./\`) && !number(rec[0]):
				// "match" is a name and a label: these are no files, and so it is a name, whatever the others are called.
				at = map[string]int{"a": 0, "b": 1, "label": 2}
				continue
			case len(rec) == 3 && labelled(rec[2]):
				at = map[string]int{"a": 0, "b": 1, "label": 2}
			default:
				var missing []string
				for _, k := range []string{"a", "b", "label"} {
					if _, ok := at[k]; !ok {
						missing = append(missing, k)
					}
				}
				return fmt.Errorf("evaluate: list of pairs: the first line, %.80q, must name the columns a, b and label (and may name person_a, person_b, transaction, attempt; every other column is a label): it lacks %s",
					strings.Join(rec, " "), strings.Join(missing, ", "))
			}
		}
		field := func(k string) string {
			i, ok := at[k]
			if !ok || i >= len(rec) {
				return ""
			}
			return strings.TrimSpace(rec[i])
		}
		kind, ok := kindOf(field("label"))
		if !ok {
			return fmt.Errorf("evaluate: list of pairs, record %d: label %.40q is none of genuine, impostor, morph (or 1, 0)", line, field("label"))
		}
		if field("a") == "" || field("b") == "" {
			return fmt.Errorf("evaluate: list of pairs, record %d: a path is missing", line)
		}
		if len(s.Pairs) >= MaxPairs {
			return fmt.Errorf("evaluate: list of pairs: more than %d", MaxPairs)
		}
		p := Pair{Kind: kind, Row: int32(len(s.Pairs))}
		for k, name := range []string{field("a"), field("b")} {
			if !strings.Contains(name, "/") { // written on another system
				name = strings.ReplaceAll(name, `\`, "/")
			}
			i, ok := index[name]
			if !ok {
				if len(s.Samples) >= MaxPictures {
					return fmt.Errorf("evaluate: more than %d pictures", MaxPictures)
				}
				i = int32(len(s.Samples))
				name = strings.Clone(name)
				index[name] = i
				s.Samples = append(s.Samples, Sample{Path: name, Person: -1})
			}
			if k == 0 {
				p.A = i
			} else {
				p.B = i
			}
		}
		s.Pairs = append(s.Pairs, p)
		if named {
			given = append(given, [2]string{strings.Clone(field("person_a")), strings.Clone(field("person_b"))})
		}
		row := make([]string, len(rest))
		for i, k := range rest {
			if k < len(rec) {
				row[i] = strings.Clone(strings.TrimSpace(rec[k]))
			}
		}
		s.Labels = append(s.Labels, row)
		s.Transaction = append(s.Transaction, strings.Clone(field("transaction")))
		s.Attempt = append(s.Attempt, strings.Clone(field("attempt")))
	}
	if named && s.persons(given, persons) {
		s.PersonsFrom = "the columns person_a and person_b"
		return nil
	}
	s.guessPersons()
	return nil
}

func labelled(v string) bool { _, ok := kindOf(v); return ok }

func (s *Set) person(index map[string]int, name string) int {
	i, ok := index[name]
	if !ok {
		i = len(s.Persons)
		index[name] = i
		s.Persons = append(s.Persons, name)
	}
	return i
}

// morphOf begins the name of nobody: of what a morph shows.
const morphOf = "morph:"

// living counts the persons of the pictures.
func (s *Set) living() (n int) {
	for _, name := range s.Persons {
		if !strings.HasPrefix(name, morphOf) {
			n++
		}
	}
	return n
}

// persons takes identities from columns; false where one is missing or they contradict the labels. The
// picture of a morph belongs to nobody.
func (s *Set) persons(given [][2]string, index map[string]int) bool {
	for i, p := range s.Pairs {
		a, b := given[i][0], given[i][1]
		if a == "" && p.Kind == Genuine {
			a = b
		}
		if b == "" && p.Kind == Genuine {
			b = a
		}
		if p.Kind == Morph {
			a = morphOf + s.Samples[p.A].Path
		}
		if a == "" || b == "" || p.Kind == Genuine && a != b || p.Kind == Impostor && a == b {
			s.Persons = nil
			for k := range s.Samples {
				s.Samples[k].Person = -1
			}
			s.Note = append(s.Note, "the columns of persons are incomplete or contradict the labels: they were not used")
			return false
		}
		s.Samples[p.A].Person, s.Samples[p.B].Person = s.person(index, a), s.person(index, b)
	}
	return true
}

// guessPersons takes the folder of a picture for the person, where that fits every label; else it joins
// the pictures that genuine pairs join, which may count one person as several.
func (s *Set) guessPersons() {
	fits := true
	for _, p := range s.Pairs {
		same := folderOf(s.Samples[p.A].Path) == folderOf(s.Samples[p.B].Path)
		if p.Kind == Genuine && !same || p.Kind == Impostor && same {
			fits = false
			break
		}
	}
	index := map[string]int{}
	if fits {
		for i := range s.Samples {
			s.Samples[i].Person = s.person(index, folderOf(s.Samples[i].Path))
		}
		s.PersonsFrom = "the folders of the pictures"
		return
	}
	up := make([]int, len(s.Samples))
	for i := range up {
		up[i] = i
	}
	top := func(i int) int {
		for up[i] != i {
			up[i] = up[up[i]]
			i = up[i]
		}
		return i
	}
	for _, p := range s.Pairs {
		if p.Kind == Genuine {
			up[top(int(p.A))] = top(int(p.B))
		}
	}
	for i := range s.Samples {
		s.Samples[i].Person = s.person(index, "group "+strconv.Itoa(top(i)))
	}
	s.PersonsFrom = "genuine pairs that share a picture: one person may count as several, and bounds by person are then too narrow"
}

func folderOf(path string) string {
	return filepath.Dir(filepath.Clean(filepath.FromSlash(path)))
}

// readLFW reads pairs.txt of Labeled Faces in the Wild: "name n m" or "name n name m", with pictures
// name/name_0001.jpg below the root.
func (s *Set) readLFW(in io.Reader) error {
	s.Form = "lfw"
	index, persons := map[string]int32{}, map[string]int{}
	sample := func(name, number string) (int32, error) {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n > 9999 || strings.ContainsAny(name, "/\\") {
			return 0, fmt.Errorf("evaluate: pairs.txt: picture %.40q of %.80q", number, name)
		}
		path := fmt.Sprintf("%s/%s_%04d.jpg", name, name, n)
		i, ok := index[path]
		if !ok {
			i = int32(len(s.Samples))
			index[path] = i
			s.Samples = append(s.Samples, Sample{Path: path, Person: s.person(persons, name)})
		}
		return i, nil
	}
	sc := bufio.NewScanner(in)
	for n := 1; sc.Scan(); n++ {
		f := lfwWords(sc.Text())
		if len(f) == 0 || f[0][0] == '#' || lfwHead(f) {
			continue
		}
		if len(s.Pairs) >= MaxPairs || len(s.Samples) >= MaxPictures {
			return errors.New("evaluate: pairs.txt: too long")
		}
		p := Pair{Row: -1}
		second := f[0]
		switch len(f) {
		case 3:
		case 4:
			p.Kind, second = Impostor, f[2]
		default:
			return fmt.Errorf("evaluate: pairs.txt, line %d: three or four words are expected", n)
		}
		var err error
		if p.A, err = sample(f[0], f[1]); err != nil {
			return err
		}
		if p.B, err = sample(second, f[len(f)-1]); err != nil {
			return err
		}
		s.Pairs = append(s.Pairs, p)
	}
	s.PersonsFrom = "the names of the list"
	return sc.Err()
}

// loadFolder takes every picture of person/picture, all genuine pairs, and impostor pairs of every
// person with the next ones in a fixed random order.
func loadFolder(root string, opt Options) (*Set, error) {
	s := &Set{Name: filepath.Base(filepath.Clean(root)), Root: root, Form: "folder", PersonsFrom: "the folders of the pictures"}
	index := map[string]int{}
	h := sha256.New()
	var paths []string
	left, err := walkPictures(root, func(rel string) { paths = append(paths, rel) })
	if err != nil {
		return nil, err
	}
	others := left.others
	for _, rel := range paths {
		dir := filepath.Dir(rel)
		if dir == "." {
			others++
			continue
		}
		s.Samples = append(s.Samples, Sample{Path: rel, Person: s.person(index, filepath.ToSlash(dir))})
		fmt.Fprintln(h, filepath.ToSlash(rel))
	}
	if others > 0 {
		s.Note = append(s.Note, fmt.Sprintf("%d files of the folder lie beside the persons' folders or do not end like a picture: left out", others))
	}
	s.Note = append(s.Note, left.notes()...)
	if len(s.Persons) < 2 {
		return nil, fmt.Errorf("evaluate: %s: pictures of two persons and more are expected as person/picture (.jpg .jpeg .png .jp2 .j2k)", root)
	}
	s.Hash = hex.EncodeToString(h.Sum(nil))
	if opt.Labels != "" {
		if err := s.readLabels(opt.Labels); err != nil {
			return nil, err
		}
	}
	return s, s.pairFolder(opt.Impostors)
}

// pairFolder makes the pairs. Persons lie in a fixed random order, so that the pictures of near persons
// are compared and a run that was stopped need not open all of them again.
func (s *Set) pairFolder(limit int) error {
	of := make([][]int32, len(s.Persons))
	for i, x := range s.Samples {
		of[x.Person] = append(of[x.Person], int32(i))
	}
	rnd := rand.New(rand.NewPCG(4, 19795))
	perm := rnd.Perm(len(of))
	genuine, all := 0, 0
	for _, p := range of {
		genuine += len(p) * (len(p) - 1) / 2
		all += len(p) * (len(s.Samples) - len(p))
	}
	all /= 2
	if limit == 0 {
		limit = DefaultPairs
	}
	if limit < 0 || limit > all {
		limit = all
	}
	if genuine+limit > MaxPairs {
		return fmt.Errorf("evaluate: %d genuine and %d impostor pairs are more than %d", genuine, limit, MaxPairs)
	}
	for _, p := range perm {
		for _, i := range of[p] {
			s.Order = append(s.Order, int(i))
		}
		for x, i := range of[p] {
			for _, k := range of[p][x+1:] {
				s.Pairs = append(s.Pairs, Pair{i, k, Genuine, -1})
			}
		}
	}
	n := len(perm)
	if limit == all {
		for x := range n {
			for y := x + 1; y < n; y++ {
				for _, i := range of[perm[x]] {
					for _, k := range of[perm[y]] {
						s.Pairs = append(s.Pairs, Pair{i, k, Impostor, -1})
					}
				}
			}
		}
		return nil
	}
	// Round by round every picture meets one picture of the person so many places on.
	made := 0
	for step := 1; step < n && made < limit; step++ {
		if 2*step > n { // every two persons have met
			break
		}
		for x := range n {
			if 2*step == n && x >= n/2 {
				break
			}
			near, far := of[perm[x]], of[perm[(x+step)%n]]
			for _, i := range near {
				if made >= limit {
					break
				}
				s.Pairs = append(s.Pairs, Pair{i, far[rnd.IntN(len(far))], Impostor, -1})
				made++
			}
		}
	}
	s.Note = append(s.Note, fmt.Sprintf("%d of %d impostor pairs: each picture against one of each of the next persons in a fixed random order", made, all))
	return nil
}

// readLabels reads a CSV whose first column is "path" or "person"; the others are labels.
func (s *Set) readLabels(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("evaluate: labels: %w", err)
	}
	defer f.Close()
	c := csv.NewReader(io.LimitReader(f, maxListBytes))
	c.TrimLeadingSpace = true
	head, err := c.Read()
	if err != nil || len(head) < 2 || len(head) > maxColumns {
		return errors.New("evaluate: labels: a line of names is expected: path or person first, then labels")
	}
	key := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(head[0], "\ufeff")))
	if key != "path" && key != "person" {
		return fmt.Errorf("evaluate: labels: the first column is %.40q, not path or person", head[0])
	}
	s.Columns = slices.Clone(head[1:])
	byKey := map[string][]string{}
	for {
		rec, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("evaluate: labels: %w", err)
		}
		byKey[strings.TrimSpace(rec[0])] = slices.Clone(rec[1:])
	}
	s.PerImage = make([][]string, len(s.Samples))
	missing := 0
	for i, x := range s.Samples {
		k := filepath.ToSlash(x.Path)
		if key == "person" {
			k = s.Persons[x.Person]
		}
		row, ok := byKey[k]
		if !ok {
			missing++
			row = make([]string, len(s.Columns))
		}
		s.PerImage[i] = row
	}
	if missing > 0 {
		s.Note = append(s.Note, fmt.Sprintf("%d pictures have no line in the list of labels", missing))
	}
	return nil
}

// order looks at samples as the pairs name them.
func (s *Set) order() {
	seen := make([]bool, len(s.Samples))
	for _, p := range s.Pairs {
		for _, i := range []int32{p.A, p.B} {
			if !seen[i] {
				seen[i] = true
				s.Order = append(s.Order, int(i))
			}
		}
	}
}

// label is the group of a pair in a column: the one value of both sides, "" where they differ or there
// is none. For a list of pairs it is the pair's own value.
func (s *Set) label(p Pair, column int) string {
	if p.Row >= 0 {
		if column < len(s.Labels[p.Row]) {
			return s.Labels[p.Row][column]
		}
		return ""
	}
	if s.PerImage == nil {
		return ""
	}
	a, b := s.PerImage[p.A][column], s.PerImage[p.B][column]
	if a != b {
		return ""
	}
	return a
}

// file is where a sample lies. A relative path stays below the root.
func (s *Set) file(i int) (string, error) {
	return join(s.Root, s.Samples[i].Path)
}

// join is a path below a root, or an absolute one.
func join(root, path string) (string, error) {
	p := filepath.FromSlash(path)
	if filepath.IsAbs(p) {
		return p, nil
	}
	if !filepath.IsLocal(p) {
		return "", errors.New("evaluate: a path leads out of the folder")
	}
	return filepath.Join(root, p), nil
}
