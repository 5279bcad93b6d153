package requirements

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write docs/requirements.md")

// Every id of the requirement table has a test, or a reason why not yet; the page is current.
func TestPageIsCurrent(t *testing.T) {
	root := filepath.Join("..", "..")
	rows, err := Load("ids.tsv")
	if err != nil {
		t.Fatal(err)
	}
	why, err := Load("notyet.tsv")
	if err != nil {
		t.Fatal(err)
	}
	reason := map[string]string{}
	for _, w := range why {
		reason[w[0]] = w[1]
	}
	found, err := Collect(root)
	if err != nil {
		t.Fatal(err)
	}
	places, err := Places(root)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	var ids []ID
	for _, r := range rows {
		known[r[0]] = true
		i := ID{ID: r[0], Text: r[1], Places: places[r[0]], Tests: found[r[0]], NotYet: reason[r[0]]}
		if len(i.Tests) == 0 && i.NotYet == "" {
			t.Errorf("%s has neither a test nor a reason in notyet.tsv", i.ID)
		}
		ids = append(ids, i)
	}
	for id := range reason {
		if !known[id] {
			t.Errorf("notyet.tsv names %s, which is no requirement", id)
		}
	}
	path := filepath.Join(root, "docs", "requirements.md")
	want := Page(ids)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("docs/requirements.md is stale: run go test ./test/requirements -update (%v)", err)
	}
}
