package passage

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"egate/gate"
)

// Limits of what is read from files.
const (
	maxBeams     = 256
	maxEdges     = 2_000_000
	maxGeometry  = 1 << 20 // bytes
	maxTraceLine = 256
	maxTraceTime = 7 * 24 * time.Hour
)

// Debounce is how long a beam must be stable, in the gate (package sensors) as in a trace: short, because the gap
// between two people who walk close is.
const Debounce = 8 * time.Millisecond

// Names of the safety beams in the planes of the doors; they stand in no geometry.
const (
	EntryBeam = "entry_beam"
	ExitBeam  = "exit_beam"
)

// Heights of the rows, mm: the high one is that nearest to hipMM, the low one that nearest to kneeMM.
const (
	hipMM, hipFrom, hipTo    = 900.0, 700.0, 1250.0
	kneeMM, kneeFrom, kneeTo = 300.0, 50.0, 550.0
)

// rowMM is how far from the height of a row a beam may lie and belong to it.
const rowMM = 60.0

// BeamAt is where a beam crosses the way, in mm along it and above the floor.
type BeamAt struct {
	ID string  `yaml:"id"`
	X  float64 `yaml:"x_mm"`
	Z  float64 `yaml:"z_mm"`
}

// Geometry is a beam matrix.
type Geometry []BeamAt

// ReadGeometry reads a matrix: CSV with the columns id, x_mm, z_mm (a line of these names may come first), or a
// YAML list of such objects, also under the key beams.
func ReadGeometry(r io.Reader) (Geometry, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxGeometry+1))
	if err != nil {
		return nil, fmt.Errorf("geometry: %w", err)
	}
	if len(raw) > maxGeometry {
		return nil, fmt.Errorf("geometry: more than %d bytes", maxGeometry)
	}
	first, _, _ := bytes.Cut(bytes.TrimSpace(raw), []byte("\n"))
	var g Geometry
	if bytes.Contains(first, []byte(",")) && !bytes.ContainsAny(first, "{[:") {
		g, err = geometryCSV(raw)
	} else {
		g, err = geometryYAML(raw)
	}
	if err != nil {
		return nil, err
	}
	return g, g.check()
}

func geometryCSV(raw []byte) (g Geometry, err error) {
	rows := csv.NewReader(bytes.NewReader(raw))
	rows.FieldsPerRecord, rows.TrimLeadingSpace, rows.Comment = 3, true, '#'
	for {
		f, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return g, nil
		}
		if err != nil {
			return nil, fmt.Errorf("geometry: %w", err)
		}
		line, _ := rows.FieldPos(0)
		x, errX := strconv.ParseFloat(strings.TrimSpace(f[1]), 64)
		z, errZ := strconv.ParseFloat(strings.TrimSpace(f[2]), 64)
		if errX != nil || errZ != nil {
			if len(g) == 0 && line == 1 {
				continue // names of the columns
			}
			return nil, fmt.Errorf("geometry: line %d: id,x_mm,z_mm is expected, with numbers in mm", line)
		}
		if g = append(g, BeamAt{strings.TrimSpace(f[0]), x, z}); len(g) > maxBeams {
			return nil, fmt.Errorf("geometry: more than %d beams", maxBeams)
		}
	}
}

func geometryYAML(raw []byte) (Geometry, error) {
	var list Geometry
	if err := yaml.Unmarshal(raw, &list); err == nil {
		return list, nil
	}
	var under struct {
		Beams Geometry `yaml:"beams"`
	}
	if err := yaml.Unmarshal(raw, &under); err != nil {
		return nil, fmt.Errorf("geometry: neither lines id,x_mm,z_mm nor a YAML list of {id, x_mm, z_mm}: %w", err)
	}
	return under.Beams, nil
}

func (g Geometry) check() error {
	if len(g) == 0 || len(g) > maxBeams {
		return fmt.Errorf("geometry: %d beams; one to %d are expected", len(g), maxBeams)
	}
	seen := map[string]bool{}
	for _, b := range g {
		switch {
		case b.ID == "" || seen[b.ID]:
			return fmt.Errorf("geometry: beam %q is named twice or not at all", b.ID)
		case math.IsNaN(b.X) || math.IsNaN(b.Z) || math.Abs(b.X) > 20_000 || b.Z < 0 || b.Z > 3000:
			return fmt.Errorf("geometry: beam %s: x lies within 20 m, z between 0 and 3000 mm", b.ID)
		}
		seen[b.ID] = true
	}
	return nil
}

// place is one beam's row and index.
type place struct {
	row Row
	i   int
}

// Layout is how a tracker sees a geometry.
type Layout struct {
	Config Config
	HighMM float64  // height of the row that counts trunks
	LowMM  float64  // height of the row near the floor; 0 for none
	Unused []string // beams at other heights
	places map[string]place
}

// at finds a beam by its name, nil for none.
func (g Geometry) at(id string) *BeamAt {
	for i := range g {
		if g[i].ID == id {
			return &g[i]
		}
	}
	return nil
}

// Layout finds the two rows. x rises from the entry to the exit, unless both safety beams stand in the geometry and tell the other
// direction; they are where the way begins and ends, which is half a spacing beyond the outermost beams without them.
func (g Geometry) Layout(doors [2]bool) (*Layout, error) {
	pick := func(want, from, to float64) (z float64, row Geometry) {
		best := math.Inf(1)
		for _, b := range g {
			if b.ID != EntryBeam && b.ID != ExitBeam && b.Z >= from && b.Z <= to && math.Abs(b.Z-want) < best {
				best, z = math.Abs(b.Z-want), b.Z
			}
		}
		for _, b := range g {
			if b.ID != EntryBeam && b.ID != ExitBeam && math.Abs(b.Z-z) <= rowMM && !math.IsInf(best, 1) {
				row = append(row, b)
			}
		}
		slices.SortStableFunc(row, func(a, b BeamAt) int {
			return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(math.Abs(a.Z-z), math.Abs(b.Z-z)))
		})
		row = slices.CompactFunc(row, func(a, b BeamAt) bool { return math.Abs(b.X-a.X) < 5 }) // one above the other: the better one counts
		return z, row
	}
	l := &Layout{places: map[string]place{}}
	var high, low Geometry
	l.HighMM, high = pick(hipMM, hipFrom, hipTo)
	l.LowMM, low = pick(kneeMM, kneeFrom, kneeTo)
	if len(high) < 3 {
		return nil, fmt.Errorf("geometry: %d beams between %.0f and %.0f mm; trunks are counted there, by three at least", len(high), hipFrom, hipTo)
	}
	entry, exit := g.at(EntryBeam), g.at(ExitBeam)
	if entry != nil && exit != nil {
		if entry.X == exit.X {
			return nil, fmt.Errorf("geometry: %s and %s stand at one place", EntryBeam, ExitBeam)
		}
		if exit.X < entry.X { // x rises towards the entry
			for _, row := range []Geometry{high, low} {
				slices.Reverse(row)
			}
			for _, row := range []Geometry{high, low} {
				for i := range row {
					row[i].X = -row[i].X
				}
			}
			entry, exit = &BeamAt{X: -entry.X}, &BeamAt{X: -exit.X}
		}
	} else {
		entry, exit = nil, nil
	}
	spacing := (high[len(high)-1].X - high[0].X) / float64(len(high)-1)
	if spacing < 20 || spacing > 1000 {
		return nil, fmt.Errorf("geometry: %.0f mm between the beams of a row; 20 to 1000 are expected", spacing)
	}
	origin := high[0].X - spacing/2
	l.Config.LengthMM = high[len(high)-1].X + spacing/2 - origin
	if entry != nil {
		if entry.X >= high[0].X || exit.X <= high[len(high)-1].X {
			return nil, fmt.Errorf("geometry: %s and %s must stand outside the rows", EntryBeam, ExitBeam)
		}
		origin, l.Config.LengthMM = entry.X, exit.X-entry.X
	}
	l.Config.NoDoor = [2]bool{!doors[gate.Entry], !doors[gate.Exit]}
	for i, b := range high {
		l.Config.High = append(l.Config.High, b.X-origin)
		l.places[b.ID] = place{High, i}
	}
	for i, b := range low {
		l.Config.Low = append(l.Config.Low, b.X-origin)
		l.places[b.ID] = place{Low, i}
	}
	for _, b := range g {
		if _, used := l.places[b.ID]; !used && b.ID != EntryBeam && b.ID != ExitBeam {
			l.Unused = append(l.Unused, b.ID)
		}
	}
	return l, nil
}

// name is the beam at a place.
func (l *Layout) name(r Row, i int) string {
	for id, p := range l.places {
		if p == (place{r, i}) {
			return id
		}
	}
	return ""
}

// names lists the first beams of a geometry, for who has mistyped one.
func (g Geometry) names() string {
	const few = 6
	var ids []string
	for _, b := range g[:min(few, len(g))] {
		ids = append(ids, b.ID)
	}
	if len(g) > few {
		ids = append(ids, fmt.Sprintf("and %d more", len(g)-few))
	}
	return strings.Join(ids, ", ")
}

// Edge is one change of a beam in a trace.
type Edge struct {
	At     time.Duration
	Beam   string
	Broken bool
}

// Trace is what beams did, in order of time.
type Trace struct {
	Edges []Edge
	Notes []string // what was odd about the file and was put right
}

// quickest is the shortest time in which anybody passes manyBeams beams.
const (
	manyBeams = 5
	quickest  = 100 * time.Millisecond
)

// ReadTrace reads the lines of a trace, "t_us,beam,0|1" with 1 for broken. A line of names may come first, comments begin with #, fields
// may be quoted and stand between commas, semicolons or tabs, lines may end as on any system. Lines that are out of order are sorted,
// and noted; times that cannot be microseconds are an error.
func ReadTrace(r io.Reader) (Trace, error) {
	var tr Trace
	var high time.Duration
	late, first := 0, true
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, maxTraceLine), maxTraceLine)
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(in.Text(), "\ufeff"))
		if line == "" || line[0] == '#' {
			continue
		}
		bad := func(what string) error { return fmt.Errorf("trace: line %d: %s; t_us,beam,0|1 is expected", n, what) }
		f := strings.FieldsFunc(line, func(c rune) bool { return c == ',' || c == ';' || c == '\t' })
		for i := range f {
			f[i] = strings.Trim(strings.TrimSpace(f[i]), `"`)
		}
		if len(f) != 3 {
			return Trace{}, bad("not three fields")
		}
		us, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			_, fraction := strconv.ParseFloat(f[0], 64)
			switch {
			case fraction == nil:
				return Trace{}, bad("the time is no whole number of microseconds; seconds or milliseconds must be multiplied")
			case !first:
				return Trace{}, bad("no time in microseconds")
			}
			if name := strings.ToLower(f[0]); strings.HasSuffix(name, "ms") || strings.HasSuffix(name, "ns") || strings.HasSuffix(name, "_s") {
				return Trace{}, bad(fmt.Sprintf("the column %q is not in microseconds", f[0]))
			}
			if strings.Contains(strings.ToLower(f[1]), "t_us") || strings.Contains(strings.ToLower(f[2]), "t_us") {
				return Trace{}, bad("the columns stand in another order")
			}
			first = false
			continue
		}
		first = false
		if us < 0 || us > math.MaxInt64/int64(time.Microsecond)/2 {
			return Trace{}, bad("a time before zero or beyond all clocks")
		}
		e := Edge{At: time.Duration(us) * time.Microsecond, Beam: f[1]}
		switch f[2] {
		case "1":
			e.Broken = true
		case "0":
		default:
			return Trace{}, bad(fmt.Sprintf("a state other than 0 (free) and 1 (broken), %q", f[2]))
		}
		if e.At < high {
			late++
		}
		high = max(high, e.At)
		if tr.Edges = append(tr.Edges, e); len(tr.Edges) > maxEdges {
			return Trace{}, fmt.Errorf("trace: more than %d edges", maxEdges)
		}
	}
	if err := in.Err(); err != nil {
		return Trace{}, fmt.Errorf("trace: %w", err)
	}
	if late > 0 {
		slices.SortStableFunc(tr.Edges, func(a, b Edge) int { return cmp.Compare(a.At, b.At) })
		tr.Notes = append(tr.Notes, fmt.Sprintf("%d lines were out of order of time and were sorted", late))
	}
	return tr, tr.plausible()
}

// plausible refuses times that nobody can have walked in, and notes what repeats itself.
func (tr *Trace) plausible() error {
	state := map[string]bool{}
	again := 0
	for _, e := range tr.Edges {
		if was, known := state[e.Beam]; known && was == e.Broken {
			again++
		}
		state[e.Beam] = e.Broken
	}
	if again > 0 {
		tr.Notes = append(tr.Notes, fmt.Sprintf("%d lines tell no change of their beam and were ignored", again))
	}
	if len(tr.Edges) == 0 {
		return errors.New("trace: no line t_us,beam,0|1 in it")
	}
	span := tr.Edges[len(tr.Edges)-1].At - tr.Edges[0].At
	if span > maxTraceTime {
		return fmt.Errorf("trace: from its first to its last line %v pass, more than %v; are these microseconds?", span, maxTraceTime)
	}
	if len(state) >= manyBeams && span < quickest {
		return fmt.Errorf("trace: %d beams change within %v, faster than anybody walks; these look like milliseconds, and microseconds are expected", len(state), span)
	}
	return nil
}

// settled drops what did not last for Debounce, as the gate's inputs do.
func settled(edges []Edge) []Edge {
	stands := map[string][]int{} // beam: its edges that stand by now
	drop := make([]bool, len(edges))
	for i, e := range edges {
		s := stands[e.Beam]
		switch n := len(s); {
		case n > 0 && edges[s[n-1]].Broken == e.Broken:
			drop[i] = true
		case n > 0 && e.At-edges[s[n-1]].At < Debounce:
			drop[i], drop[s[n-1]] = true, true
			stands[e.Beam] = s[:n-1]
		default:
			stands[e.Beam] = append(s, i)
		}
	}
	var kept []Edge
	for i, e := range edges {
		if !drop[i] {
			kept = append(kept, e)
		}
	}
	return kept
}

// Change is the count at a time of the trace.
type Change struct {
	At    time.Duration
	Count gate.Count
	Two   float64 // how likely it is more than one
	Seen  []Seen  // where they are
}

// Run is what a tracker made of a trace.
type Run struct {
	Layout   *Layout
	Passages []Passage
	Changes  []Change
	End      State
	Totals   Totals
	Blind    []string // high beams that people walked by without breaking them
	Dirty    []string // beams taken out of service, for they lost their light often
	Few      bool     // too many of them to count
	Notes    []string // what was odd about the trace
}

// Replay tracks a trace. A beam's first edge tells how it was before. Beams that the geometry does not know are
// an error, because a typing mistake would be a blind beam.
func Replay(g Geometry, edges []Edge) (*Run, error) {
	var base time.Duration // a trace may begin at any time of a clock
	if len(edges) > 0 {
		base = edges[0].At
	}
	named := func(id string) bool { return slices.ContainsFunc(edges, func(e Edge) bool { return e.Beam == id }) }
	doors := [2]bool{gate.Entry: named(EntryBeam), gate.Exit: named(ExitBeam)}
	l, err := g.Layout(doors)
	if err != nil {
		return nil, err
	}
	before := map[string]bool{}
	for _, e := range edges {
		if _, known := before[e.Beam]; !known {
			before[e.Beam] = !e.Broken
		}
		if _, used := l.places[e.Beam]; !used && e.Beam != EntryBeam && e.Beam != ExitBeam && !slices.Contains(l.Unused, e.Beam) {
			return nil, fmt.Errorf("trace: beam %q stands in no line of the geometry, which names %s", e.Beam, g.names())
		}
	}
	edges = settled(edges)
	t := New(l.Config)
	set := func(e Edge) {
		if p, used := l.places[e.Beam]; used {
			t.Beam(p.row, p.i, e.Broken, e.At)
		} else if e.Beam == EntryBeam {
			t.Door(gate.Entry, e.Broken, e.At)
		} else if e.Beam == ExitBeam {
			t.Door(gate.Exit, e.Broken, e.At)
		}
	}
	for id := range l.places {
		set(Edge{0, id, before[id]})
	}
	for _, id := range []string{EntryBeam, ExitBeam} {
		set(Edge{0, id, before[id]})
	}
	run := &Run{Layout: l}
	// The clock of the tracker begins a second before the trace, so that an empty mantrap is known to be empty.
	const lead = time.Second
	look := func() {
		run.Passages = append(run.Passages, t.Passages()...)
		for _, o := range t.Outages() {
			if id := l.name(o.Row, o.I); !slices.Contains(run.Dirty, id) {
				run.Dirty = append(run.Dirty, id)
			}
			run.Few = run.Few || !t.Suffices()
		}
		c := t.State().Count
		if n := len(run.Changes); n == 0 || run.Changes[n-1].Count != c {
			run.Changes = append(run.Changes, Change{max(0, t.now-lead) + base, c, t.Likely(), t.Seen()})
		}
	}
	until := func(at time.Duration) {
		for n := t.Next(); n > 0 && n < at; n = t.Next() {
			t.Advance(n)
			look()
		}
		t.Advance(at)
		look()
	}
	until(lead)
	for _, e := range edges {
		until(e.At - base + lead)
		set(Edge{e.At - base + lead, e.Beam, e.Broken})
		look()
	}
	until(t.now + settleFor + feetFor + emptyFor)
	run.End, run.Totals = t.State(), t.totals
	for i := range run.Passages {
		p := &run.Passages[i]
		p.From, p.To, p.Decided = p.From-lead+base, p.To-lead+base, max(0, p.Decided-lead)+base
	}
	for _, i := range t.Blind() {
		run.Blind = append(run.Blind, l.name(High, i))
	}
	return run, nil
}
