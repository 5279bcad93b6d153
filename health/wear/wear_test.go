package wear

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func load(t *testing.T, dir string) *Book {
	t.Helper()
	b, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestD14Cycles: a cycle is one way from closed to open; a door that turns back, trembles at a contact or
// loses its contacts makes none.
func TestD14Cycles(t *testing.T) {
	const c, m, o, u = Closed, Between, Open, Unknown
	for name, x := range map[string]struct {
		way  []Position
		want uint64
	}{
		"there and back":    {[]Position{c, m, o, m, c}, 1},
		"twice":             {[]Position{c, m, o, m, c, m, o}, 2},
		"turns back":        {[]Position{c, m, c, m, c}, 0},
		"trembles at open":  {[]Position{c, m, o, m, o, m, o}, 1},
		"trembles at close": {[]Position{c, m, c, m, o, m, c, m, c}, 1},
		"begins open":       {[]Position{o, m, c}, 0},
		"contacts lost":     {[]Position{c, u, o}, 0},
		"no way between":    {[]Position{c, o}, 1},
		"says it twice":     {[]Position{c, m, o, o, o}, 1},
	} {
		b := load(t, t.TempDir())
		at := time.Unix(0, 0)
		for _, p := range x.way {
			at = at.Add(700 * time.Millisecond)
			b.Moved("entry", p, at)
		}
		if got := b.Counters()["entry_cycles"]; uint64(got) != x.want {
			t.Errorf("%s: %d cycles, want %d", name, got, x.want)
		}
	}
}

// TestD14SlowDrive: the average follows a drive that slows down, and not a door that was held.
func TestD14SlowDrive(t *testing.T) {
	b := load(t, t.TempDir())
	at := time.Unix(0, 0)
	cycle := func(took time.Duration) {
		for _, p := range []Position{Closed, Between, Open, Between} {
			at = at.Add(map[Position]time.Duration{Closed: took, Between: time.Second, Open: took}[p])
			b.Moved("exit", p, at)
		}
	}
	for range 100 {
		cycle(900 * time.Millisecond)
	}
	if ms := b.Counters()["exit_open_ms"]; ms != 900 {
		t.Errorf("%d ms", ms)
	}
	cycle(time.Hour)
	if ms := b.Counters()["exit_open_ms"]; ms != 900 {
		t.Errorf("a door that was held: %d ms", ms)
	}
	for range 200 {
		cycle(1500 * time.Millisecond)
	}
	if ms := b.Counters()["exit_close_ms"]; ms < 1490 || ms > 1500 {
		t.Errorf("%d ms after 200 slow ones", ms)
	}
}

// TestD14SurvivesPowerCuts: what was saved is there after any restart; a cut during a save leaves the old
// book or the new one, a torn file is put aside and told of.
func TestD14SurvivesPowerCuts(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp("", "wear")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		saved := int64(0)
		for range rapid.IntRange(1, 5).Draw(r, "boots") {
			b, err := Load(dir)
			if err != nil {
				r.Fatal(err)
			}
			if got := b.Counters()["entry_cycles"]; got != saved {
				r.Fatalf("%d cycles after a boot, %d were saved", got, saved)
			}
			for range rapid.IntRange(0, 5).Draw(r, "cycles") {
				for _, p := range []Position{Closed, Between, Open} {
					b.Moved("entry", p, time.Now())
				}
			}
			switch rapid.IntRange(0, 2).Draw(r, "end") {
			case 0:
				if err := b.Save(); err != nil {
					r.Fatal(err)
				}
				saved = b.Counters()["entry_cycles"]
			case 1: // the cut comes while the new file is being written
				if err := os.WriteFile(filepath.Join(dir, fileName+".123"), []byte(`{"entry":{"cyc`), 0o600); err != nil {
					r.Fatal(err)
				}
			}
		}
	})
	dir := t.TempDir()
	for _, torn := range []string{`{"entry":{"cyc`, "", "\x00\x00", `[]`} {
		if err := os.WriteFile(filepath.Join(dir, fileName), []byte(torn), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := Load(dir)
		if b == nil || err == nil {
			t.Fatalf("%q was taken", torn)
		}
		b.Moved("entry", Closed, time.Now())
		b.Moved("entry", Open, time.Now())
		if err := b.Save(); err != nil || load(t, dir).Counters()["entry_cycles"] != 1 {
			t.Errorf("%q: the new book: %v", torn, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, fileName+".bad")); err != nil {
		t.Errorf("the torn one was not kept: %v", err)
	}
}

// TestSaveFails: a folder that cannot be written is told of, and nothing is forgotten.
func TestSaveFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b := load(t, dir)
	b.Moved("entry", Closed, time.Now())
	b.Moved("entry", Open, time.Now())
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if b.Save() == nil {
		t.Fatal("saved into no folder")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(); err != nil || load(t, dir).Counters()["entry_cycles"] != 1 {
		t.Errorf("after the folder came back: %v", err)
	}
}
