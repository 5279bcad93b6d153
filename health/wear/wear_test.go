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

// limits of the drift scenarios.
var limits = Limits{MotorPercent: 25, RetriesPercent: 50, DropsPercent: 60, TemperatureC: 80}

// TestM05MotorDrift: a drive that slows down is told of when it has become a quarter slower than in its first fifty cycles, not before, by
// one slow cycle or by a door that was slow from the beginning; the trend outlives a restart, and goes when the drive is as before.
func TestM05MotorDrift(t *testing.T) {
	dir := t.TempDir()
	b, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1.8e9, 0)
	cycle := func(door string, open, shut time.Duration) {
		for _, x := range []struct {
			end  Position
			took time.Duration
		}{{Open, open}, {Closed, shut}} {
			b.Moved(door, Between, at)
			at = at.Add(x.took)
			b.Moved(door, x.end, at)
			at = at.Add(time.Minute)
		}
	}
	worn := func() bool { return b.Worn(limits)["entry"] }
	b.Moved("entry", Closed, at)
	b.Moved("exit", Closed, at)
	for range 60 {
		cycle("entry", 1200*time.Millisecond, 1300*time.Millisecond)
		cycle("exit", 4*time.Second, 4*time.Second) // slow, as it was built
	}
	cycle("entry", 9*time.Second, 9*time.Second) // somebody leant on it, once
	for range 60 {
		cycle("entry", 1200*time.Millisecond, 1300*time.Millisecond)
	}
	if worn() || b.Worn(limits)["exit"] {
		t.Fatal("a drive as it was is told of")
	}
	n := 0
	for ; !worn() && n < 1000; n++ { // half a per cent slower with every cycle
		cycle("entry", time.Duration(float64(1200*time.Millisecond)*(1+0.005*float64(n))), 1300*time.Millisecond)
	}
	if d := b.doors["entry"]; n == 1000 || d.OpenMS < 1.25*d.FirstOpenMS || d.OpenMS > 1.27*d.FirstOpenMS {
		t.Fatalf("told of after %d cycles: %+v", n, d)
	}
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	if b, err = Load(dir); err != nil || !worn() {
		t.Error("forgotten with a restart", err)
	}
	b.Moved("entry", Closed, at)
	for range 200 {
		cycle("entry", 1200*time.Millisecond, 1300*time.Millisecond)
	}
	if worn() {
		t.Error("told of after it was repaired")
	}
}

// TestM05DeviceDrift: readings that are repeated ever more often, frames that are dropped and a hot board are told of beyond their limits,
// with distance between coming and going; counters say how things stand.
func TestM05DeviceDrift(t *testing.T) {
	b, err := Load(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for range first - 1 {
		b.Used(Reader, 100)
	}
	if b.Worn(limits)[Reader] {
		t.Error("told of before there is a trend")
	}
	b.Used(Reader, 100)
	for i := range 300 { // every fifth frame, every second one, three of four
		b.Used(Camera, []float64{20, 50, 75}[i/100])
		if w := b.Worn(limits); w[Camera] != (i >= 200 && b.doors[Camera].Mean > 60) || !w[Reader] {
			t.Fatalf("%d: %v %+v", i, w, b.doors[Camera])
		}
	}
	for range 3 {
		b.Used(Camera, 40)
	}
	if m := b.doors[Camera].Mean; m > 60 && m < 54 || !b.Worn(limits)[Camera] {
		t.Errorf("gone at %v, must be well below the limit", m)
	}
	for range 100 {
		b.Used(Camera, 40)
		b.Used(Reader, 0)
	}
	if w := b.Worn(limits); w[Camera] || w[Reader] {
		t.Errorf("does not go: %v", w)
	}
	for _, x := range []struct {
		c    float64
		want bool
	}{{79, false}, {81, true}, {76, true}, {71, false}, {76, false}} {
		if b.Heat(x.c); b.Worn(limits)[Board] != x.want {
			t.Errorf("%v °C: worn %v", x.c, !x.want)
		}
	}
	if c := b.Counters(); c["temperature_c"] != 76 || c["captures"] != 403 || c["readings"] != 150 || c["frame_drops_percent"] != 40 || c["reader_retries_percent"] != 0 {
		t.Errorf("%v", c)
	}
	if _, there := b.Counters()["reader_cycles"]; there {
		t.Error("a reader has no cycles")
	}
}
