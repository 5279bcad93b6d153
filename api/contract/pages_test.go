package contract

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/api")

// TestE01Pages: docs/api is what the contract says, every channel and every schema in it.
func TestE01Pages(t *testing.T) {
	pages, err := Pages()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		file := filepath.Join("..", "..", "docs", "api", name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("docs/api/%s is not what api/ says (%v): go test ./api/contract -run Pages -update", name, err)
		}
	}
	for _, c := range channels {
		if !strings.Contains(pages["README.md"], "/"+strings.Split(c.topic, "/+")[0]) {
			t.Errorf("the page of topics lacks %s", c.topic)
		}
	}
	for f := range files(t) {
		if f != "common" && f != "reserved" && !strings.Contains(pages["messages.md"], "\n## "+f+"\n") {
			t.Errorf("the page of messages lacks %s", f)
		}
	}
}
