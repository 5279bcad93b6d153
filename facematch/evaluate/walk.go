package evaluate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pictureExt are the endings of files that are pictures; another file of a folder is left out and counted.
var pictureExt = map[string]bool{".jpg": true, ".jpeg": true, ".png": true, ".jp2": true, ".j2k": true, ".jpf": true, ".j2c": true}

// leftOut is what walkPictures did not give.
type leftOut struct {
	others int // files that do not end like a picture
	hidden int // files and folders that systems put beside pictures
	again  int // links to folders that were seen already
	locked int // folders that cannot be read
}

// notes says what was left out, beside the files that are none of pictures.
func (l leftOut) notes() []string {
	var out []string
	for _, x := range []struct {
		n    int
		text string
	}{
		{l.hidden, "hidden files and folders (a dot first, __MACOSX): left out"},
		{l.again, "links lead to folders that were looked at already: left out"},
		{l.locked, "folders cannot be read: left out"},
	} {
		if x.n > 0 {
			out = append(out, fmt.Sprintf("%d %s", x.n, x.text))
		}
	}
	return out
}

// hidden tells of what no person put there as a picture: "._1.jpg" of an archive made on another system is none.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || name == "__MACOSX" }

// walkPictures lists the pictures below a folder, sorted. A link to a folder is followed if nothing else leads there,
// so that no picture counts twice.
func walkPictures(root string, add func(rel string)) (leftOut, error) {
	w := walker{root: root, seen: map[string]bool{}}
	err := w.folder(".", 0)
	for err == nil && len(w.links) > 0 {
		rel := w.links[0]
		w.links = w.links[1:]
		err = w.folder(rel, strings.Count(rel, string(filepath.Separator))+1)
	}
	if err != nil {
		return w.left, fmt.Errorf("evaluate: %w", err)
	}
	slices.Sort(w.found)
	for _, rel := range w.found {
		add(rel)
	}
	return w.left, nil
}

type walker struct {
	root  string
	found []string
	seen  map[string]bool // folders, without links in their paths
	links []string        // to folders, for when all others are known
	left  leftOut
}

func (w *walker) folder(rel string, depth int) error {
	path := filepath.Join(w.root, rel)
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrPermission) && rel != ".":
		w.left.locked++
		return nil
	case err != nil:
		return err
	case depth > maxDepth:
		return fmt.Errorf("%s: folders nested too deep", rel)
	}
	if real, err := filepath.EvalSymlinks(path); err != nil {
		return err
	} else if w.seen[real] {
		w.left.again++
		return nil
	} else {
		w.seen[real] = true
	}
	for _, d := range entries {
		below := filepath.Join(rel, d.Name())
		switch st, err := os.Stat(filepath.Join(w.root, below)); {
		case hidden(d.Name()):
			w.left.hidden++
		case d.IsDir():
			if err := w.folder(below, depth+1); err != nil {
				return err
			}
		case err == nil && st.IsDir():
			w.links = append(w.links, below)
		case !pictureExt[strings.ToLower(filepath.Ext(d.Name()))]:
			w.left.others++
		case len(w.found) >= MaxPictures:
			return fmt.Errorf("more than %d pictures", MaxPictures)
		default:
			w.found = append(w.found, below)
		}
	}
	return nil
}
