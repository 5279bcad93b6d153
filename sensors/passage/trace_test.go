package passage

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"egate/sim/people"
	"egate/sim/plant"
)

func simulated(t testing.TB) Geometry {
	t.Helper()
	var b bytes.Buffer
	if err := people.WriteGeometry(&b, plant.Default()); err != nil {
		t.Fatal(err)
	}
	g, err := ReadGeometry(&b)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestS02Classes: the classes of walks that no bound was tuned with, through the files that foreign traces
// come in, with and without the safety beams of the doors.
func TestS02Classes(t *testing.T) {
	g := simulated(t)
	want := map[people.Class]Class{people.Single: Single, people.SingleCase: Suitcase, people.CaseBefore: SuitcaseBefore, people.WithTrolley: Trolley, people.WithPram: Pram,
		people.InWheelchair: Wheelchair, people.ChildAlone: Child, people.Tailgating: Tailgating, people.Intrusion: Intrusion, people.Crawling: Crawling,
		people.WrongWay: WrongDirection, people.UTurn: UTurn, people.LeftBehind: ObjectLeft, people.StandAndTurn: Single}
	n := walks(25, 10)
	for c, class := range want {
		right, persons := map[bool]int{}, map[bool]int{}
		for seed := uint64(5000); seed < 5000+uint64(n); seed++ {
			tr, err := people.Generate(c, seed, people.TraceOptions{Wide: seed%2 == 1})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := tr.WriteCSV(&b); err != nil {
				t.Fatal(err)
			}
			read, err := ReadTrace(&b)
			if err != nil {
				t.Fatal(err)
			}
			edges := read.Edges
			for _, doors := range []bool{true, false} {
				if !doors {
					edges = slices.DeleteFunc(edges, func(e Edge) bool { return e.Beam == EntryBeam || e.Beam == ExitBeam })
				}
				run, err := Replay(g, edges)
				if err != nil {
					t.Fatal(err)
				}
				if len(run.Passages) != 1 {
					t.Logf("%s doors %v seed %d: %d passages", c, doors, seed, len(run.Passages))
					continue
				}
				p := run.Passages[0]
				if p.Class == class {
					right[doors]++
				}
				if p.Persons == min(2, c.Persons()) || c == people.WithPram || c == people.Crawling {
					persons[doors]++
				}
				if p.Confidence <= 0 || p.Confidence > 1 || p.To < p.From || p.Decided > p.To {
					t.Errorf("%s seed %d: %+v", c, seed, p)
				}
			}
		}
		for _, doors := range []bool{true, false} {
			if right[doors]*100 < n*70 || persons[doors]*100 < n*96 {
				t.Errorf("%s, door beams %v: %d of %d classes, %d of %d numbers of persons right", c, doors, right[doors], n, persons[doors], n)
			}
		}
	}
}

// TestReplayRefuses: what is wrong with a file is said with its line.
func TestReplayRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"three fields": {"1,beam_01\n", "line 1: not three fields"},
		"time":         {"t_us,beam,state\n5,a,1\nx,a,0\n", "line 3: no time"},
		"milliseconds": {"1,a,1\n2,b,1\n3,c,1\n4,d,1\n900,e,1\n", "these look like milliseconds"},
		"seconds":      {"0.25,a,1\n", "line 1: the time is no whole number of microseconds"},
		"t_ms":         {"t_ms,beam,state\n5,a,1\n", "line 1: the column \"t_ms\" is not in microseconds"},
		"order":        {"beam,t_us,state\na,5,1\n", "line 1: the columns stand in another order"},
		"nothing":      {"t_us,beam,state\n", "no line"},
		"two weeks":    {"0,a,1\n1209600000000,a,0\n", "are these microseconds"},
		"negative":     {"-5,a,1\n", "line 1: a time before zero"},
		"state":        {"5,a,2\n", "line 1: a state other"},
		"long line":    {strings.Repeat("x", 1000), "token too long"},
	} {
		if _, err := ReadTrace(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":      {"", "beams"},
		"twice":      {"a,1,900\na,2,900\n", "named twice"},
		"number":     {"a,1,900\nb,x,900\n", "line 2"},
		"not a list": {"rows: 3", "0 beams"},
		"far":        {"a,1e9,900\n", "within 20 m"},
		"NaN":        {"a,NaN,900\n", "within 20 m"},
	} {
		if _, err := ReadGeometry(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	g := simulated(t)
	if _, err := Replay(g, []Edge{{0, "beam_99", true}}); err == nil || !strings.Contains(err.Error(), "beam_99") {
		t.Errorf("a beam that is nowhere: %v", err)
	}
	if _, err := Replay(g[:4], nil); err == nil || !strings.Contains(err.Error(), "trunks are counted there") {
		t.Errorf("no row at the hip: %v", err)
	}
	list, err := ReadGeometry(strings.NewReader("- {id: a, x_mm: 100, z_mm: 900}\n- {id: b, x_mm: 300, z_mm: 900}\n"))
	if err != nil || len(list) != 2 || list[1] != (BeamAt{"b", 300, 900}) {
		t.Errorf("%v %v", list, err)
	}
}

// TestS02ForeignFiles: what other programs write is read, and what was put right is said.
func TestS02ForeignFiles(t *testing.T) {
	text := "\ufeff\r\n# a recorder\r\n\r\n\"t_us\";\"beam\";\"broken\"\r\n1700000000000000; a ;1\r\n1700000000300000\tb\t1\r\n\"1700000000200000\",\"a\",\"0\"\r\n" +
		"1700000000400000,b,1\r\n"
	tr, err := ReadTrace(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	const base = 1_700_000_000 * time.Second
	want := []Edge{{base, "a", true}, {base + 200*time.Millisecond, "a", false}, {base + 300*time.Millisecond, "b", true}, {base + 400*time.Millisecond, "b", true}}
	if !slices.Equal(tr.Edges, want) || len(tr.Notes) != 2 || !strings.Contains(tr.Notes[0], "1 lines were out of order") || !strings.Contains(tr.Notes[1], "1 lines tell no change") {
		t.Errorf("%v %q", tr.Edges, tr.Notes)
	}
	// A walk of any clock, through a geometry whose beams are listed in any order and whose x runs the other way, is the same walk.
	g := simulated(t)
	w, err := people.Generate(people.SingleCase, 5001, people.TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var edges, later []Edge
	for _, e := range w.Edges {
		edges = append(edges, Edge(e))
		later = append(later, Edge{e.At + base, e.Beam, e.Broken})
	}
	mirrored := Geometry{{ExitBeam, -plant.Default().LengthMM, 700}, {EntryBeam, 0, 700}}
	for _, b := range g {
		mirrored = append(mirrored, BeamAt{b.ID, -b.X, b.Z})
	}
	slices.Reverse(mirrored)
	here, err := Replay(g, edges)
	if err != nil {
		t.Fatal(err)
	}
	there, err := Replay(mirrored, later)
	if err != nil {
		t.Fatal(err)
	}
	if len(here.Passages) != 1 || len(there.Passages) != 1 || here.Passages[0].Class != Suitcase || there.Passages[0].Class != Suitcase ||
		there.Passages[0].From-here.Passages[0].From != base {
		t.Errorf("%+v\n%+v", here.Passages, there.Passages)
	}
	// One safety beam that is not there takes nothing away from the other direction.
	back, err := people.Generate(people.WrongWay, 5001, people.TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{EntryBeam, ExitBeam} {
		var rest []Edge
		for _, e := range back.Edges {
			if e.Beam != gone {
				rest = append(rest, Edge(e))
			}
		}
		if run, err := Replay(g, rest); err != nil || len(run.Passages) != 1 || run.Passages[0].Class != WrongDirection || run.Passages[0].Persons != 1 {
			t.Errorf("without %s: %v %+v", gone, err, run)
		}
	}
	if !slices.ContainsFunc(here.Changes, func(c Change) bool { return len(c.Seen) == 1 && c.Seen[0].Toward == "exit" && c.Seen[0].Persons == 1 }) {
		t.Errorf("nobody is seen on the way to the exit: %+v", here.Changes)
	}
}

// FuzzTrace: any file ends in an error or a run, never in a panic or an endless loop.
func FuzzTrace(f *testing.F) {
	g := simulated(f)
	for _, c := range []people.Class{people.Single, people.Tailgating, people.Crawling} {
		tr, err := people.Generate(c, 1, people.TraceOptions{})
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if err := tr.WriteCSV(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		read, err := ReadTrace(bytes.NewReader(raw))
		edges := read.Edges
		if err != nil || len(edges) > 2000 {
			return
		}
		run, err := Replay(g, edges)
		if err != nil {
			return
		}
		for _, p := range run.Passages {
			if p.To < p.From || p.Persons < 0 || p.Persons > 2 {
				t.Fatalf("%+v", p)
			}
		}
	})
}

// FuzzGeometry: any file ends in an error or a matrix within its limits.
func FuzzGeometry(f *testing.F) {
	f.Add([]byte("id,x_mm,z_mm\na,100,900\n"))
	f.Add([]byte("- {id: a, x_mm: 100, z_mm: 900}\n"))
	f.Add([]byte("beams:\n- {id: a, x_mm: 100, z_mm: 900}\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := ReadGeometry(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if l, err := g.Layout([2]bool{}); err == nil && (len(l.Config.High) < 3 || !(l.Config.LengthMM > 0)) {
			t.Fatalf("%+v", l)
		}
	})
}
