package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestM03CommandsOfTheManualExist: every command of egatectl that the fault manual, a README or another page names is
// one that its help lists, with options that the help lists.
func TestM03CommandsOfTheManualExist(t *testing.T) {
	args, groups := map[string]string{}, map[string]bool{}
	for _, c := range commands() {
		args[c.name] = c.args
		groups[strings.Fields(c.name)[0]] = true
	}
	pages := manualPages(t)
	// A command ends with its line, its code span, or the next sentence or part of one.
	named := regexp.MustCompile("egatectl((?: +[^ `\\n;|]+)+)")
	found := 0
	for path, text := range pages {
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			words := strings.Fields(strings.ReplaceAll(m[1], "\\", " "))
			word := func(i int) string {
				if i < len(words) {
					return strings.TrimRight(words[i], ".,:)")
				}
				return ""
			}
			name := word(0) + " " + word(1)
			if _, ok := args[name]; !ok {
				name = word(0)
			}
			help, ok := args[name]
			switch {
			case !lower.MatchString(word(0)) || groups[word(0)] && len(words) == 1 && !ok:
				continue // "egatectl, which …", "egatectl -…" and a whole group
			case !ok:
				t.Errorf("%s: egatectl has no command %q", path, strings.TrimSpace(m[0]))
				continue
			}
			found++
			for _, w := range words {
				if o := strings.TrimRight(strings.Trim(w, "[]"), ".,:)]"); strings.HasPrefix(o, "--") && !strings.Contains(help, strings.SplitN(o, "=", 2)[0]) {
					t.Errorf("%s: the help of egatectl %s has no %s", path, name, o)
				}
			}
		}
	}
	if found < 60 {
		t.Errorf("%d commands were found on %d pages: the test proves nothing", found, len(pages))
	}
}

var lower = regexp.MustCompile(`^[a-z][a-z-]*$`)

// manualPages are all pages of the project, by path.
func manualPages(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	pages := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "dist" || d.Name() == "artefacts" || len(d.Name()) > 2 && d.Name()[0] == '.'):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		b, err := os.ReadFile(path)
		pages[strings.TrimPrefix(path, root+"/")] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
