package evaluate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// F-07: lists in their several forms, and where identities come from.
func TestF07Lists(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, text       string
		genuine, persons int
		from             string
	}{
		{"named.csv", "img1,img2,is_same,sex\n a/1.jpg , a/2.jpg , TRUE , f\na/1.jpg,b/1.jpg,0,\n", 1, 2, "folders"},
		{"bare.csv", "a/1.jpg,a/2.jpg,1\na/1.jpg,b/1.jpg,0\n", 1, 2, "folders"},
		{"flat.csv", "a,b,label\n1.jpg,2.jpg,mated\n2.jpg,3.jpg,mated\n1.jpg,9.jpg,non-mated\n", 2, 2, "genuine pairs"},
		{"persons.csv", "\ufeffa,b,label,person_a,person_b\n1.jpg,2.jpg,1,x,x\n1.jpg,9.jpg,0,x,y\n", 1, 2, "columns"},
		{"wrong.csv", "a,b,label,person_a,person_b\n1.jpg,2.jpg,1,x,z\n1.jpg,9.jpg,0,x,y\n", 1, 2, "genuine pairs"},
		{"semicolons.csv", "img1;img2;same\r\na/1.jpg;a/2.jpg;1\r\na/1.jpg;b/1.jpg;0\r\n", 1, 2, "folders"},
		{"tabs.tsv", "a\tb\tlabel\na/1, left.jpg\ta/2.jpg\tgenuine\na/1, left.jpg\tb/1.jpg\timpostor\n", 1, 2, "folders"},
		{"again.csv", "a,b,label\na/1.jpg,a/2.jpg,1\na/2.jpg,a/1.jpg,1\na/1.jpg,b/1.jpg,0\na/1.jpg,a/2.jpg,1\n", 1, 2, "folders"},
		{"passages.csv", "a,b,label,transaction\na/1.jpg,a/2.jpg,1,x\na/1.jpg,a/2.jpg,1,y\na/1.jpg,b/1.jpg,0,z\n", 2, 2, "folders"},
		{"pairs.txt", "10\t300\nAn_Ace\t1\t2\nAn_Ace\t1\tBo_Bee\t3\n", 1, 2, "names"},
		// The copies that are about: with commas, with a line of names, without a count, several folds.
		{"copy.csv", "name,imagenum1,imagenum2,\nAn_Ace,1,2,\nAn_Ace,1,Bo_Bee,3\n", 1, 2, "names"},
		{"nocount.txt", "\ufeffAn_Ace 1 2\r\n\r\nAn_Ace 1 Bo_Bee 3\r\n", 1, 2, "names"},
		{"dev.txt", "1\nAn_Ace 1 2\n1\nAn_Ace 1 Bo_Bee 3\n", 1, 2, "names"},
		{"spaces.txt", "# a remark\na/1.jpg a/2.jpg 1\na/1.jpg  b/1.jpg 0\n", 1, 2, "folders"},
		{"comma.txt", "a,b,label\na/1.jpg,a/2.jpg,1.0\na/1.jpg,b/1.jpg,0.0\n", 1, 2, "folders"},
		{"left.csv", "left,right,match\na/1.jpg,a/2.jpg,1\na/1.jpg,b/1.jpg,0\n", 1, 2, "folders"},
		{"other.csv", "Bild X,Bild Y,genuine\na/1.jpg,a/2.jpg,1\na/1.jpg,b/1.jpg,0\n", 1, 2, "folders"},
		{"noext.csv", "a/1,a/2,genuine\na/1,b/1,impostor\n", 1, 2, "folders"},
		{"words.csv", "Image A,Image-B,Ground Truth\na\\1.jpg,a\\2.jpg,Match\na\\1.jpg,b\\1.jpg,Non Match\n", 1, 2, "folders"},
	} {
		s, err := readList(write(t, dir, c.name, c.text), "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		n := 0
		for _, p := range s.Pairs {
			if p.Kind == Genuine {
				n++
				if s.Samples[p.A].Person != s.Samples[p.B].Person {
					t.Errorf("%s: a genuine pair of two persons", c.name)
				}
			}
		}
		if n != c.genuine || len(s.Persons) != c.persons || !strings.Contains(s.PersonsFrom, c.from) || len(s.Hash) != 64 || len(s.Order) != len(s.Samples) {
			t.Errorf("%s: %d genuine, persons %v from %s", c.name, n, s.Persons, s.PersonsFrom)
		}
	}
	s, err := readList(filepath.Join(dir, "pairs.txt"), "/data")
	if err != nil {
		t.Fatal(err)
	}
	if f, err := s.file(0); err != nil || f != "/data/An_Ace/An_Ace_0001.jpg" {
		t.Errorf("%s %v", f, err)
	}
	for name, text := range map[string]string{
		"empty": "", "head only": "a,b,label\n", "no head": "x,y,z\n1,2,3\n", "label": "a,b,label\n1,2,perhaps\n", "twice": "a,reference,b,label\n1,2,3,1\n",
		"no path": "a,b,label\n,2,1\n", "quote": "a,b,label\n\"1,2,1\n",
		"out of the folder": "a,b,label\n../1.jpg,2.jpg,1\n", "two labels": "a,b,label\n1,2,1\n2,1,0\n", "UTF-16": "\xff\xfea\x00,\x00b\x00",
	} {
		if _, err := readList(write(t, dir, "bad.csv", text), ""); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := readList(write(t, dir, "lacks.csv", "file1,file2\na,b\n"), ""); err == nil || !strings.Contains(err.Error(), "it lacks label") {
		t.Errorf("a list without labels: %v", err)
	}
	s = &Set{Root: "/data", Samples: []Sample{{Path: "../../etc/passwd"}}}
	if _, err := s.file(0); err == nil {
		t.Error("a path led out of the folder")
	}
}

// F-07: a folder gives all genuine pairs, and impostor pairs without doubles, the same every time.
func TestF07Folder(t *testing.T) {
	dir := t.TempDir()
	for p := range 9 {
		for i := range 1 + p%3 {
			write(t, dir, filepath.Join(string(rune('a'+p)), string(rune('0'+i))+[]string{".jpg", ".PNG", ".jp2"}[i]), "")
		}
	}
	write(t, dir, "readme.txt", "")
	write(t, dir, "stray.jpg", "")
	labels := write(t, t.TempDir(), "labels.csv", "person,sex\na,f\nb,f\nc,m\n")
	for _, c := range []struct{ limit, impostor int }{{-1, 141}, {0, 141}, {40, 40}, {7, 7}} {
		s, err := Load(dir, Options{Impostors: c.limit, Labels: labels})
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load(dir, Options{Impostors: c.limit, Labels: labels})
		if err != nil || !slices.Equal(s.Pairs, again.Pairs) || s.Hash != again.Hash {
			t.Error("the same folder gave other pairs")
		}
		seen := map[[2]int32]bool{}
		genuine, impostor := 0, 0
		for _, p := range s.Pairs {
			k := [2]int32{min(p.A, p.B), max(p.A, p.B)}
			if seen[k] || p.A == p.B {
				t.Errorf("the pair %v twice", k)
			}
			seen[k] = true
			same := s.Samples[p.A].Person == s.Samples[p.B].Person
			switch {
			case p.Kind == Genuine && same:
				genuine++
			case p.Kind == Impostor && !same:
				impostor++
			default:
				t.Errorf("pair %+v", p)
			}
		}
		// Persons of 1, 2, 3 pictures, three of each: 18 pictures, 3·(0+1+3) = 12 genuine, 153 - 12 impostor.
		if len(s.Samples) != 18 || genuine != 12 || impostor != c.impostor {
			t.Errorf("limit %d: %d pictures, %d genuine, %d impostor", c.limit, len(s.Samples), genuine, impostor)
		}
		if len(s.Order) != 18 || len(s.Note) == 0 {
			t.Errorf("order %v, notes %v", s.Order, s.Note)
		}
	}
	if _, err := Load(t.TempDir(), Options{}); err == nil {
		t.Error("an empty folder was taken")
	}
}

// F-07: the pictures of a list are found where people put them, and where they are not, that is said before a run.
func TestF07PicturesOfAList(t *testing.T) {
	const lfw, list = "10 1\nAn_Ace 1 2\nAn_Ace 1 Bo_Bee 3\n", "a,b,label\na/1.jpg,a/2.jpg,1\na/1.jpg,b/1.jpg,0\n"
	for name, c := range map[string]struct {
		list, text string
		files      []string
		root, want string // of the first picture; no want: refused
	}{
		"beside":        {"l.csv", list, []string{"a/1.jpg", "a/2.jpg", "b/1.jpg"}, "", "a/1.jpg"},
		"in a folder":   {"l.csv", list, []string{"img/a/1.jpg", "img/a/2.jpg", "img/b/1.jpg"}, "", "img/a/1.jpg"},
		"two deep":      {"pairs.txt", lfw, []string{"lfw/lfw/An_Ace/An_Ace_0001.jpg"}, "", "lfw/lfw/An_Ace/An_Ace_0001.jpg"},
		"another end":   {"pairs.txt", lfw, []string{"An_Ace/An_Ace_0001.png", "Bo_Bee/Bo_Bee_0003.jp2"}, "", "An_Ace/An_Ace_0001.png"},
		"root is above": {"pairs.txt", lfw, []string{"d/lfw/An_Ace/An_Ace_0001.jpg"}, "d", "d/lfw/An_Ace/An_Ace_0001.jpg"},
		"one is there":  {"l.csv", list, []string{"b/1.jpg"}, "", "a/1.jpg"},
		"none":          {"l.csv", list, []string{"a/3.jpg"}, "", ""},
		"in two":        {"l.csv", list, []string{"x/a/1.jpg", "y/a/1.jpg"}, "", ""},
	} {
		dir := t.TempDir()
		for _, f := range c.files {
			write(t, dir, f, "")
		}
		opt := Options{}
		if c.root != "" {
			opt.Root = filepath.Join(dir, c.root)
		}
		s, err := Load(write(t, dir, c.list, c.text), opt)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), "--root") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f, err := s.file(0); err != nil || f != filepath.Join(dir, c.want) {
			t.Errorf("%s: %s, %v", name, f, err)
		}
		if missing := len(c.files) < len(s.Samples); missing != strings.Contains(strings.Join(s.Note, "; "), "not there") {
			t.Errorf("%s: notes %q", name, s.Note)
		}
	}
}

// F-07: what systems put beside pictures is none; a link to a folder is followed once, a circle ends.
func TestF07FolderOfAnotherSystem(t *testing.T) {
	dir, away := t.TempDir(), t.TempDir()
	write(t, dir, "Bo Bee/B 1.JPG", "")
	write(t, dir, "Bo Bee/._B 1.JPG", "")
	write(t, dir, "__MACOSX/Bo Bee/B 1.JPG", "")
	write(t, dir, ".thumbs/1.jpg", "")
	write(t, away, "An/1.jpg", "")
	write(t, away, "An/2.jpeg", "")
	for name, to := range map[string]string{"An": filepath.Join(away, "An"), "Zoe": filepath.Join(dir, "Bo Bee"), "again": dir, "gone": filepath.Join(dir, "nowhere")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(away, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{dir, link} {
		s, err := Load(root, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range s.Samples {
			got = append(got, x.Path)
		}
		if want := []string{"An/1.jpg", "An/2.jpeg", "Bo Bee/B 1.JPG"}; !slices.Equal(got, want) || len(s.Persons) != 2 {
			t.Errorf("pictures %q", got)
		}
		if notes := strings.Join(s.Note, "; "); !strings.Contains(notes, "3 hidden files") || !strings.Contains(notes, "2 links lead to folders that were looked at") {
			t.Errorf("notes %q", notes)
		}
	}
}

// C-10: no list, whatever it holds, ends otherwise than with a set or an error.
func FuzzList(f *testing.F) {
	f.Add("a,b,label\n1,2,1\n", false)
	f.Add("10 300\nA 1 2\nA 1 B 2\n", true)
	f.Add("a,b,label,person_a,person_b,transaction\n1,2,morph,x,,9\n", false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string, lfw bool) {
		name := "l.csv"
		if lfw {
			name = "l.txt"
		}
		s, err := readList(write(t, dir, name, text), "")
		if err != nil {
			return
		}
		for _, x := range s.Samples {
			if x.Person < 0 || x.Person >= len(s.Persons) {
				t.Fatalf("a picture of nobody: %+v", x)
			}
		}
	})
}
