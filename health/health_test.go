package health

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write docs/faults.md")

// M-03: the manual page is what the catalogue says.
func TestM03Manual(t *testing.T) {
	const page = "../docs/faults.md"
	if *update {
		if err := os.WriteFile(page, []byte(Manual()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Manual() {
		t.Error("docs/faults.md is not what the catalogue says: go test ./health -run Manual -update")
	}
}

// M-03: every code that is declared is listed once, with every field that the manual prints.
func TestM03EveryCodeIsListed(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[Code]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Code" {
			s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			declared[Code(s)] = true
		}
		return true
	})
	if len(declared) < 20 {
		t.Fatalf("only %d codes were found in the source", len(declared))
	}
	seen := map[Code]bool{}
	for _, e := range Catalogue() {
		if seen[e.Code] {
			t.Errorf("%s is listed twice", e.Code)
		}
		seen[e.Code] = true
		if !declared[e.Code] {
			t.Errorf("%s has no constant", e.Code)
		}
		if e.Means == "" || e.Safe == "" || e.Cause == "" || e.Test == "" || e.Cure == "" {
			t.Errorf("%s: a field is empty", e.Code)
		}
		if e.Severity >= Error && !e.Blocks || e.Severity == Notice && e.Blocks {
			t.Errorf("%s: severity %v and blocks %v do not fit", e.Code, e.Severity, e.Blocks)
		}
	}
	for c := range declared {
		if !seen[c] {
			t.Errorf("%s is not in the catalogue", c)
		}
	}
}

// clock is a clock that the test moves.
type clock struct{ now time.Time }

func board() (*Board, *clock) {
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	return New(func() time.Time { return c.now }), c
}

// A fault that heals within its time never shows and never blocks (O-10).
func TestO10ShortLossDoesNotShow(t *testing.T) {
	b, c := board()
	b.Declare(PartScanner)
	if !b.Raise(ScannerLost, PartScanner) || b.Raise(ScannerLost, PartScanner) {
		t.Fatal("raise does not tell what is new")
	}
	if _, on := b.Blocked(); on || len(b.Snapshot().Faults) != 0 {
		t.Fatal("shows at once")
	}
	at, ok := b.Next()
	if !ok || at.Sub(c.now) != deviceGrace {
		t.Fatal(at, ok)
	}
	c.now = at
	f, on := b.Blocked()
	if !on || f.Code != ScannerLost {
		t.Fatal(f, on)
	}
	s := b.Snapshot()
	if s.Overall != OutOfService || s.Parts[0].State != StateFailed || s.Parts[0].Code != ScannerLost {
		t.Fatalf("%+v", s)
	}
	if !b.Clear(ScannerLost, PartScanner) || b.Clear(ScannerLost, PartScanner) {
		t.Fatal("clear does not tell what was on")
	}
	if s := b.Snapshot(); s.Overall != StateOK || s.Parts[0].State != StateOK || !s.Parts[0].Since.Equal(c.now) {
		t.Fatalf("%+v", s)
	}
	if _, ok := b.Next(); ok {
		t.Fatal("something still waits")
	}
	select {
	case <-b.Changed():
	default:
		t.Fatal("nobody was told")
	}
}

// O-10: of several faults that do not show yet the earliest is looked at next.
func TestO10NextIsTheEarliest(t *testing.T) {
	b, c := board()
	want := c.now.Add(deviceGrace)
	b.Raise(ScannerLost, PartScanner)
	for _, code := range []Code{NFCLost, CameraLost} {
		c.now = c.now.Add(deviceGrace / 4)
		b.Raise(code, PartCamera)
		if at, ok := b.Next(); !ok || !at.Equal(want) {
			t.Errorf("%v %v, want %v", at, ok, want)
		}
	}
}

// The worst comes first; a warning degrades, a blocking fault takes the gate out of service (M-01).
func TestM01Order(t *testing.T) {
	b, c := board()
	b.Raise(BrokerUnreachable, PartLink)
	b.Raise(DemoModels, PartInspector)
	c.now = c.now.Add(time.Minute)
	if s := b.Snapshot(); s.Overall != StateDegraded {
		t.Fatal(s.Overall)
	}
	b.Raise(ModelsMissing, PartInspector)
	b.Raise(Tamper, PartEnclosure)
	s := b.Snapshot()
	var got []Code
	for _, f := range s.Faults {
		got = append(got, f.Code)
	}
	want := []Code{Tamper, ModelsMissing, BrokerUnreachable, DemoModels}
	for i := range want {
		if got[i] != want[i] {
			t.Fatal(got)
		}
	}
	if s.Overall != OutOfService {
		t.Fatal(s.Overall)
	}
}

// O-10, M-03: an officer's reset clears every fault that the catalogue leaves to an officer, once its cause has
// gone, and nothing else; no other fault waits for it.
func TestO10ResetClearsWhatIsRecoverable(t *testing.T) {
	for _, e := range Catalogue() {
		b, _ := board()
		b.Raise(e.Code, "part")
		if ended := b.Reset(); len(ended) != 0 || !b.Has(e.Code, "part") {
			t.Errorf("%s: reset with its cause alive", e.Code)
		}
		if over := b.Clear(e.Code, "part"); over == (e.Clears == Officer) || over == b.Has(e.Code, "part") {
			t.Errorf("%s: cleared by %s: %v when its cause has gone", e.Code, e.Clears, over)
		}
		if e.Clears != Officer {
			continue
		}
		if n := len(b.Reset(Simulation)); n != 0 {
			t.Errorf("%s: ended by the reset of another", e.Code)
		}
		b.Raise(e.Code, "part") // again
		if n := len(b.Reset()); n != 0 {
			t.Errorf("%s: reset though its cause has come back", e.Code)
		}
		b.Clear(e.Code, "part")
		if all := b.Latched(); len(all) != 1 || !all[0].Latched {
			t.Errorf("%s: waits for an officer as %v", e.Code, all)
		}
		if ended := b.Reset(); len(ended) != 1 || ended[0].Code != e.Code || b.Has(e.Code, "part") {
			t.Errorf("%s: an officer's reset ended %v", e.Code, ended)
		}
	}
}

// A code that the catalogue does not know is shown and blocks.
func TestUnlistedBlocks(t *testing.T) {
	b, _ := board()
	b.Raise("no_such_code", "somewhere")
	if f, on := b.Blocked(); !on || f.Code != "no_such_code" {
		t.Fatal(f, on)
	}
}

// The board is bounded, and its document stays within 16 KiB for a gate with every line at fault (M-01).
func TestM01Bounded(t *testing.T) {
	b, c := board()
	for i := range MaxFaults + 10 {
		b.Raise(BeamBlind, strconv.Itoa(i))
	}
	if n := len(b.Snapshot().Faults); n != MaxFaults {
		t.Fatal(n)
	}
	b, _ = board()
	for i := range 16 {
		b.Raise(BeamBlind, "beam_"+strconv.Itoa(i))
		b.Raise(BeamFlicker, "beam_"+strconv.Itoa(i))
	}
	for _, e := range Catalogue() {
		b.Raise(e.Code, PartController)
	}
	c.now = c.now.Add(time.Hour)
	s := b.Snapshot()
	type fault struct{ Code, Part, Severity, Since string }
	var doc struct {
		Faults []fault
		Parts  []Part
	}
	doc.Parts = s.Parts
	for _, f := range s.Faults {
		doc.Faults = append(doc.Faults, fault{string(f.Code), f.Part, f.Severity.String(), f.Since.Format(time.RFC3339Nano)})
	}
	j, err := json.Marshal(doc)
	if err != nil || len(j) > 16<<10 {
		t.Fatalf("%d bytes, %v", len(j), err)
	}
}

// Whatever is raised and cleared, the snapshot agrees with itself.
func TestProperty(t *testing.T) {
	cat := Catalogue()
	rapid.Check(t, func(r *rapid.T) {
		b, c := board()
		on := map[[2]string]time.Time{}
		for range rapid.IntRange(0, 60).Draw(r, "steps") {
			e := cat[rapid.IntRange(0, len(cat)-1).Draw(r, "code")]
			part := rapid.SampledFrom([]string{PartLink, PartExit}).Draw(r, "part")
			k := [2]string{string(e.Code), part}
			_, was := on[k]
			switch rapid.IntRange(0, 2).Draw(r, "do") {
			case 0:
				if b.Raise(e.Code, part) == was {
					r.Fatal("raise")
				}
				if !was {
					on[k] = c.now
				}
			case 1:
				latches := e.Clears == Officer
				if b.Clear(e.Code, part) != (was && !latches) {
					r.Fatal("clear")
				}
				if was && latches && rapid.Bool().Draw(r, "reset") {
					if n := len(b.Reset(e.Code)); n == 0 {
						r.Fatal("reset")
					}
					for x := range on { // the same fault of the other part may wait, too
						if x[0] == k[0] && !b.Has(Code(x[0]), x[1]) {
							delete(on, x)
						}
					}
				} else if !latches {
					delete(on, k)
				}
			default:
				c.now = c.now.Add(time.Duration(rapid.IntRange(0, 6000).Draw(r, "ms")) * time.Millisecond)
			}
			visible, blocks := 0, false
			for k, since := range on {
				e := Lookup(Code(k[0]))
				if c.now.Sub(since) >= e.TimeToVisible {
					visible++
					blocks = blocks || e.Blocks
				}
			}
			s := b.Snapshot()
			_, blocked := b.Blocked()
			if len(s.Faults) != visible || blocked != blocks || (s.Overall == OutOfService) != blocks {
				r.Fatalf("%d visible, blocks %v: %+v", visible, blocks, s)
			}
		}
	})
}
