package passage

import (
	"bytes"
	"slices"
	"strings"
	"testing"

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
			edges, err := ReadTrace(&b)
			if err != nil {
				t.Fatal(err)
			}
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
		"backwards":    {"5,a,1\n4,a,0\n", "line 2: time runs backwards"},
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
		edges, err := ReadTrace(bytes.NewReader(raw))
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
		if l, err := g.Layout(false); err == nil && (len(l.Config.High) < 3 || !(l.Config.LengthMM > 0)) {
			t.Fatalf("%+v", l)
		}
	})
}
