package sensors

import (
	"slices"
	"testing"
	"time"

	"egate/gate"
	"egate/sim/people"
	"egate/sim/plant"
)

func witnessed(t testing.TB) *bench {
	cfg, err := Matrix(16, 1600, 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Witnesses = []Witness{{Name: "mat"}, {Name: "overhead", Many: true}}
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, tr: tr, seq: map[string]uint32{}}
	b.rest()
	b.set("mat_ok", true)
	b.set("overhead_ok", true)
	b.after(time.Second)
	return b
}

// enter lets one person step in behind the entry beam and stand in the middle.
func (b *bench) enter(seen ...string) {
	b.set("entry_beam", true)
	for _, line := range seen {
		b.set(line, true)
	}
	b.after(100 * time.Millisecond)
	b.set("beam_09", true)
	b.set("beam_01", true)
	b.after(100 * time.Millisecond)
	b.set("entry_beam", false)
	for _, step := range [][2]string{{"beam_10", "beam_09"}, {"beam_11", "beam_10"}, {"beam_12", "beam_11"}} {
		b.set(step[0], true)
		b.after(60 * time.Millisecond)
		b.set(step[1], false)
		b.after(60 * time.Millisecond)
	}
	b.set("beam_04", true)
	b.set("beam_01", false)
	b.after(2 * time.Second)
}

func (b *bench) count() gate.Count {
	b.t.Helper()
	for _, e := range slices.Backward(b.events) {
		if e.Kind == gate.EvCounted {
			return e.Count
		}
	}
	b.t.Fatal("no count")
	return 0
}

// S-03: the beams, an overhead counter and a mat are one count; who contradicts it for longer than a step takes makes
// it unknown, under the name of the witness, and agreement heals it.
func TestS03Witnesses(t *testing.T) {
	b := witnessed(t)
	if b.count() != gate.CountZero {
		t.Fatal("not empty")
	}
	b.forget()
	b.enter("mat_occupied", "overhead_occupied")
	if b.count() != gate.CountOne || len(b.findings) > 0 {
		t.Fatalf("one person is %s, %v", b.count(), b.findings)
	}
	for _, x := range []struct {
		line string
		high bool
		part string
	}{{"overhead_many", true, "overhead"}, {"overhead_occupied", false, "overhead"}, {"mat_occupied", false, "mat"}} {
		b.forget()
		b.set(x.line, x.high)
		b.after(agreeFor - 100*time.Millisecond)
		if len(b.events) != 0 {
			t.Errorf("%s: a moment's difference is told: %v", x.line, b.events)
		}
		b.after(200 * time.Millisecond)
		if b.count() != gate.CountUnknown || !slices.Equal(b.findings, []string{CodeDisagreement + "/" + x.part + "/true"}) {
			t.Errorf("%s: %s %v", x.line, b.count(), b.findings)
		}
		b.forget()
		b.set(x.line, !x.high)
		b.after(time.Second)
		if b.count() != gate.CountOne || !slices.Equal(b.findings, []string{CodeDisagreement + "/" + x.part + "/false"}) {
			t.Errorf("%s healed: %s %v", x.line, b.count(), b.findings)
		}
	}
	b.forget()
	b.set("overhead_ok", false) // on the word of one source nobody crosses where two were ordered
	b.after(time.Second)
	if b.count() != gate.CountUnknown || !slices.Contains(b.findings, CodeWitnessLost+"/overhead/true") {
		t.Errorf("a lost witness: %s %v", b.count(), b.findings)
	}
}

// S-03: somebody whom the beams do not see and another source does keeps the mantrap from counting as empty; a thing
// that lies there does not contradict.
func TestS03NobodyIsProvenByAll(t *testing.T) {
	b := witnessed(t)
	b.forget()
	b.set("mat_occupied", true)
	b.after(time.Second)
	if b.count() != gate.CountUnknown {
		t.Errorf("somebody on the mat: %s", b.count())
	}
	b.set("mat_occupied", false)
	b.set("overhead_ok", false)
	b.after(time.Second)
	if b.count() != gate.CountZero {
		t.Errorf("empty by the beams, with a witness lost: %s", b.count())
	}
	w := witness{}
	for _, says := range []gate.Count{gate.CountZero, gate.CountOne, gate.CountMany, gate.CountUnknown} {
		if !w.agrees(gate.CountMany, says, false) || !w.agrees(gate.CountUnknown, says, false) {
			t.Errorf("%s made a careful word less careful", says)
		}
		if says != gate.CountOne && w.agrees(gate.CountOne, says, false) {
			t.Errorf("one person, though a witness says %s", says)
		}
	}
	if !w.agrees(gate.CountZero, gate.CountOne, true) || w.agrees(gate.CountZero, gate.CountOne, false) {
		t.Error("a thing left behind and a person were taken for each other")
	}
}

// beside is somebody who walks in step beside another: the beams see one trunk.
type beside struct{ *people.Walker }

func (beside) Step(time.Duration, plant.World) {}
func (beside) Label() string                   { return "the one beside" }

// S-03: two who walk side by side are one trunk to the beams; the counter above them tells. One who walks through
// alone is contradicted by nobody, at any speed.
func TestS03SideBySide(t *testing.T) {
	walk := func(speed float64, abreast bool) (*bench, []gate.Count) {
		b := witnessed(t)
		p := plant.New(plant.Default())
		p.Set("release", true)
		for name, high := range p.Inputs() {
			if b.tr.lines[name] != nil {
				b.set(name, high)
			}
		}
		p.OnInput(func(name string, high bool, at time.Duration) {
			if at += 10 * time.Second; b.tr.lines[name] != nil {
				b.to(at)
				b.set(name, high)
			}
		})
		b.to(10 * time.Second)
		b.forget()
		build := people.Adult()
		build.Speed = speed
		w := people.NewWalker("one", build, -800, nil, 3)
		p.Add(w)
		if abreast {
			p.Add(beside{w})
		}
		w.WalkTo(p, 800)
		p.Advance(8 * time.Second)
		b.to(18 * time.Second)
		var counts []gate.Count
		for _, e := range b.events {
			if e.Kind == gate.EvCounted {
				counts = append(counts, e.Count)
			}
		}
		return b, counts
	}
	for _, speed := range []float64{400, 900, 1500} {
		if b, counts := walk(speed, true); counts[len(counts)-1] != gate.CountUnknown || !slices.Contains(b.findings, CodeDisagreement+"/overhead/true") {
			t.Errorf("abreast at %.0f mm/s: %v %v", speed, counts, b.findings)
		}
		if b, counts := walk(speed, false); !slices.Equal(counts, []gate.Count{gate.CountOne}) || slices.ContainsFunc(b.findings, func(f string) bool { return f[:5] == "count" }) {
			t.Errorf("alone at %.0f mm/s: %v %v", speed, counts, b.findings)
		}
	}
}
