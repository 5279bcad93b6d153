package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"egate/sensors/passage"
	"egate/sim/people"
)

// Sweep of gaps and speeds.
const (
	gapStep, gapEnd     = 20, 400
	speedStep, speedEnd = 200, 2000
	sweepWalks          = 60 // of each point
)

// single tells that a walk of one person is one that must not raise an alarm. Who is in a pram is not known.
func single(c people.Class) bool {
	return c.Persons() == 1 && c != people.WithPram && c != people.Crawling
}

// goal is a figure of the requirement with 16 beams.
type goal struct {
	what, want string
	part, of   int
	least      bool // part/of must be at least the bound, else at most
	bound      float64
}

func (g goal) held() bool {
	r := float64(g.part) / float64(max(1, g.of))
	return g.of > 0 && (g.least && r >= g.bound || !g.least && r <= g.bound)
}

func report(n int, dir string) error {
	ls := layouts()
	var jobs []job
	for li := range ls {
		for _, c := range people.Classes() {
			for i := range n {
				jobs = append(jobs, job{layout: li, class: c, seed: reportSeed + uint64(i), opt: people.TraceOptions{Wide: i%2 == 1}})
			}
		}
	}
	byClass := len(jobs)
	for li := range ls {
		for gap := gapStep; gap <= gapEnd; gap += gapStep {
			for i := range sweepWalks {
				jobs = append(jobs, job{layout: li, n: 1, class: people.Tailgating, seed: reportSeed + uint64(10_000+i), opt: people.TraceOptions{GapMM: float64(gap)}})
			}
		}
		for speed := speedStep; speed <= speedEnd; speed += speedStep {
			for i := range sweepWalks {
				jobs = append(jobs, job{layout: li, n: 2, class: people.Tailgating, seed: reportSeed + uint64(20_000+i), opt: people.TraceOptions{Speed: float64(speed)}})
			}
		}
	}
	disturbed := []struct {
		name string
		opt  people.TraceOptions
	}{{"clean", people.TraceOptions{}}, {"flicker, 2 false edges a beam and second", people.TraceOptions{Flicker: 2}},
		{"beams 15 mm out of place", people.TraceOptions{MisalignedMM: 15}}, {"one beam in ten dirty, from the moment of the walk", people.TraceOptions{Dirty: 0.1}},
		{"one beam in ten dirty, for 10 s before", people.TraceOptions{Dirty: 0.1, Lead: 10 * time.Second}}}
	begin := len(jobs)
	for k, d := range disturbed {
		for _, c := range []people.Class{people.Single, people.SingleCase, people.Tailgating} {
			for i := range n {
				jobs = append(jobs, job{layout: 1, n: 3 + k, class: c, seed: reportSeed + uint64(30_000+i), opt: d.opt})
			}
		}
	}
	walks, err := all(ls, jobs)
	if err != nil {
		return err
	}

	var b strings.Builder
	fmt.Fprintf(&b, "# Passage tracking, *simulated*\n\nMade by `make passage-report` (%d walks of each class and layout, half of them of any height and 0.3 to 2.0 m/s; seeds that no bound was tuned with).\n"+
		"Bodies and gaits are those of `sim/people`, whose distributions are assumptions: **nothing here is a figure of a site.**\n\n", n)

	// Confusion with 16 beams.
	said := []passage.Class{}
	matrix := map[people.Class]map[passage.Class]int{}
	for i, w := range walks[:byClass] {
		if jobs[i].layout != 1 {
			continue
		}
		if matrix[w.class] == nil {
			matrix[w.class] = map[passage.Class]int{}
		}
		matrix[w.class][w.said]++
		if !slices.Contains(said, w.said) {
			said = append(said, w.said)
		}
	}
	order := []passage.Class{}
	for _, c := range people.Classes() {
		if t := truth(c); slices.Contains(said, t) && !slices.Contains(order, t) {
			order = append(order, t)
		}
	}
	slices.Sort(said)
	for _, s := range said {
		if !slices.Contains(order, s) {
			order = append(order, s)
		}
	}
	b.WriteString("## What was walked, and what was said (16 beams)\n\n![confusion](pictures/passage-confusion.svg)\n\n")
	head := []string{"walked"}
	for _, s := range order {
		head = append(head, strings.ReplaceAll(string(s), "_", " "))
	}
	table(&b, head...)
	for _, c := range people.Classes() {
		cells := []string{strings.ReplaceAll(string(c), "_", " ")}
		for _, s := range order {
			cell := ""
			if k := matrix[c][s]; k > 0 {
				cell = fmt.Sprint(k)
				if s == truth(c) {
					cell = "**" + cell + "**"
				}
			}
			cells = append(cells, cell)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}

	// Counting by layout.
	b.WriteString("\n## Counting: one, or more than one\n\nThe gate acts on this alone. *Unknown for a moment* is referred, never let through.\n\n")
	head = []string{"walked"}
	for _, l := range ls {
		head = append(head, l.name+": more than one", "unknown for a moment")
	}
	table(&b, head...)
	type sum struct{ two, doubt, all int }
	sums := map[string]*sum{}
	at := func(li int, c people.Class) *sum {
		k := fmt.Sprint(li, c)
		if sums[k] == nil {
			sums[k] = &sum{}
		}
		return sums[k]
	}
	for i, w := range walks[:byClass] {
		s := at(jobs[i].layout, w.class)
		s.all++
		if w.two {
			s.two++
		}
		if w.doubt {
			s.doubt++
		}
	}
	for _, c := range people.Classes() {
		cells := []string{strings.ReplaceAll(string(c), "_", " ")}
		for li := range ls {
			s := at(li, c)
			cells = append(cells, percent(s.two, s.all), percent(s.doubt, s.all))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	b.WriteString("\n**Parallel beams cannot know** a child in arms, a person on the back or two who embrace: one trunk's place holds two persons. A head count from the camera or from above must tell.\n" +
		"A child of less than 0.9 m passes below the high row. Two side by side are one trunk.\n")

	b.WriteString("\n## False alarms by what is carried, per 1,000 passages of one person\n\n")
	head = []string{"walked"}
	for _, l := range ls {
		head = append(head, l.name)
	}
	table(&b, head...)
	for _, c := range people.Classes() {
		if !single(c) {
			continue
		}
		cells := []string{strings.ReplaceAll(string(c), "_", " ")}
		for li := range ls {
			s := at(li, c)
			cells = append(cells, fmt.Sprintf("%.0f", 1000*float64(s.two)/float64(s.all)))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}

	// Sweeps.
	gaps, speeds := make([]plotter.XYs, len(ls)), make([]plotter.XYs, len(ls))
	for li := range ls {
		count := map[[2]int][2]int{}
		for i := byClass; i < begin; i++ {
			if jobs[i].layout != li {
				continue
			}
			k := [2]int{jobs[i].n, int(jobs[i].opt.GapMM + jobs[i].opt.Speed)}
			v := count[k]
			v[1]++
			if walks[i].two {
				v[0]++
			}
			count[k] = v
		}
		for gap := gapStep; gap <= gapEnd; gap += gapStep {
			v := count[[2]int{1, gap}]
			gaps[li] = append(gaps[li], plotter.XY{X: float64(gap), Y: 100 * float64(v[0]) / float64(v[1])})
		}
		for s := speedStep; s <= speedEnd; s += speedStep {
			v := count[[2]int{2, s}]
			speeds[li] = append(speeds[li], plotter.XY{X: float64(s) / 1000, Y: 100 * float64(v[0]) / float64(v[1])})
		}
	}
	fmt.Fprintf(&b, "\n## Tailgating against gap and speed\n\n%d walks a point. The gap is between the trunks; arms swing into it.\n\n![gap](pictures/passage-gap.svg)\n\n![speed](pictures/passage-speed.svg)\n", sweepWalks)

	b.WriteString("\n## Disturbed beams (16 beams)\n\n")
	table(&b, "beams", "one person: more than one", "unknown for a moment", "tailgating: more than one", "unknown for a moment", "out of service")
	for k, d := range disturbed {
		var one, tail sum
		few := 0
		for i := begin; i < len(jobs); i++ {
			if jobs[i].n != 3+k {
				continue
			}
			if walks[i].few {
				few++ // no traveller is let in: two neighbours of a row are out
				continue
			}
			s := &one
			if walks[i].class == people.Tailgating {
				s = &tail
			}
			s.all++
			if walks[i].two {
				s.two++
			}
			if walks[i].doubt {
				s.doubt++
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", d.name, percent(one.two, one.all), percent(one.doubt, one.all), percent(tail.two, tail.all), percent(tail.doubt, tail.all), percent(few, few+one.all+tail.all))
	}
	b.WriteString("\nA beam that loses its light three times in half a minute with nobody near is taken out of its row and named in the health document (`beam_dirty`);\n" +
		"where two neighbours are out, the gate is out of service (`beams_insufficient`), and the walk stands in the last column only.\n")

	// Latency.
	var late []time.Duration
	for i, w := range walks[:byClass] {
		if jobs[i].layout == 1 && w.said != nothing {
			late = append(late, w.latency)
		}
	}
	slices.Sort(late)
	within := 0
	for _, d := range late {
		if d <= 300*time.Millisecond {
			within++
		}
	}
	fmt.Fprintf(&b, "\n## Latency (16 beams)\n\nFrom the last edge of a beam before the number of persons was known for good: median %v, 99 of 100 within %v, at most %v. A pair that walks in and stands\nstill as one stretch is judged %v after its last edge: a swinging arm ends sooner.\n",
		late[len(late)/2], late[len(late)*99/100], late[len(late)-1], passage.StillFor)

	// Goals.
	wide, close5 := goal{what: "tailgating with a gap of 10 cm and more is found", want: "≥ 99 %", least: true, bound: 0.99}, goal{what: "with a gap of 5 cm and more", want: "≥ 95 %", least: true, bound: 0.95}
	alarm := goal{what: "one person, whatever is carried, taken for two", want: "≤ 1 %", bound: 0.01}
	wrong := goal{what: "wrong direction is found", want: "≥ 99.9 %", least: true, bound: 0.999}
	for i, w := range walks[:begin] {
		if jobs[i].layout != 1 {
			continue
		}
		add := func(g *goal, hit bool) {
			g.of++
			if hit {
				g.part++
			}
		}
		if w.class == people.Tailgating || w.class == people.Piggyback {
			if w.gap >= 100 {
				add(&wide, w.two)
			}
			if w.gap >= 50 {
				add(&close5, w.two)
			}
		}
		if i < byClass && single(w.class) {
			add(&alarm, w.two)
		}
		if i < byClass && w.class == people.WrongWay {
			add(&wrong, w.said == passage.WrongDirection)
		}
	}
	quick := goal{what: "decided within 300 ms of the last edge", want: "all", part: within, of: len(late), least: true, bound: 1}
	b.WriteString("\n## Goals, with 16 beams\n\n")
	table(&b, "goal", "wanted", "walks", "measured", "held")
	for _, g := range []goal{wide, close5, alarm, wrong, quick} {
		held := "yes"
		if !g.held() {
			held = "**no**"
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %.2f %% | %s |\n", g.what, g.want, g.of, 100*float64(g.part)/float64(max(1, g.of)), held)
		fmt.Printf("%-55s %-9s %6d walks  %6.2f %%  %s\n", g.what, g.want, g.of, 100*float64(g.part)/float64(max(1, g.of)), strings.Trim(held, "*"))
	}

	b.WriteString(formats)
	pictures := filepath.Join(dir, "pictures")
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		return err
	}
	names := []string{}
	for _, l := range ls {
		names = append(names, l.name)
	}
	if err := lines(filepath.Join(pictures, "passage-gap.svg"), "Tailgating found, simulated", "gap between the trunks, mm", names, gaps); err != nil {
		return err
	}
	if err := lines(filepath.Join(pictures, "passage-speed.svg"), "Tailgating found, simulated (gaps of 0.1 to 1.0 m)", "walking speed, m/s", names, speeds); err != nil {
		return err
	}
	if err := heat(filepath.Join(pictures, "passage-confusion.svg"), matrix, order, n); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "passage.md"), []byte(b.String()), 0o644)
}

// Colours that people who see no red or green can tell apart.
var palette = []color.Color{color.RGBA{0xd5, 0x5e, 0x00, 0xff}, color.RGBA{0x00, 0x72, 0xb2, 0xff}, color.RGBA{0x00, 0x9e, 0x73, 0xff}}

func lines(path, title, x string, names []string, data []plotter.XYs) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, "found, %"
	last := data[0][len(data[0])-1].X
	p.X.Min, p.X.Max = 0, 1.05*last // room for the label of the last tick
	p.Y.Min, p.Y.Max = 0, 130       // and above the lines for the legend
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 25, Label: "25"}, {Value: 50, Label: "50"}, {Value: 75, Label: "75"}, {Value: 100, Label: "100"}}
	p.Legend.Top, p.Legend.Left, p.Legend.Padding, p.Legend.ThumbnailWidth = true, true, vg.Points(2), vg.Points(30)
	p.Legend.XOffs = vg.Points(8)
	p.BackgroundColor = color.White
	p.Title.Padding = vg.Points(6)
	p.Add(plotter.NewGrid())
	for i, d := range data {
		l, dots, err := plotter.NewLinePoints(d)
		if err != nil {
			return err
		}
		l.Color, l.Width, dots.Color, dots.Radius = palette[i], vg.Points(1.5), palette[i], vg.Points(2)
		l.Dashes = [][]vg.Length{nil, {vg.Points(6), vg.Points(3)}, {vg.Points(2), vg.Points(2)}}[i]
		p.Add(l, dots)
		p.Legend.Add(names[i], l, dots)
	}
	return p.Save(18*vg.Centimeter, 10*vg.Centimeter, path)
}

// cells is the confusion matrix as a grid.
type cells struct {
	rows []people.Class
	cols []passage.Class
	m    map[people.Class]map[passage.Class]int
	n    int
}

func (c cells) Dims() (int, int) { return len(c.cols), len(c.rows) }
func (c cells) X(i int) float64  { return float64(i) }
func (c cells) Y(i int) float64  { return float64(i) }
func (c cells) Z(i, j int) float64 {
	return float64(c.m[c.rows[len(c.rows)-1-j]][c.cols[i]]) / float64(c.n)
}

// blues is a palette from white to dark blue.
type blues struct{}

func (blues) Colors() []color.Color {
	out := make([]color.Color, 64)
	for i := range out {
		f := float64(i) / 63
		out[i] = color.RGBA{uint8(255 - f*(255-0x08)), uint8(255 - f*(255-0x45)), uint8(255 - f*(255-0x94)), 0xff}
	}
	return out
}

func heat(path string, m map[people.Class]map[passage.Class]int, cols []passage.Class, n int) error {
	c := cells{people.Classes(), cols, m, n}
	p := plot.New()
	p.Title.Text = "Walked (rows) and said (columns), simulated, 16 beams, part of the walks"
	p.BackgroundColor = color.White
	p.Title.Padding, p.Y.Label.Text, p.X.Label.Text = vg.Points(8), "walked", "said"
	h := plotter.NewHeatMap(c, blues{})
	h.Min, h.Max = 0, 1
	p.Add(h)
	var labels plotter.XYLabels
	for i := range cols {
		for j := range c.rows {
			if z := c.Z(i, j); z >= 0.005 {
				labels.XYs = append(labels.XYs, plotter.XY{X: float64(i), Y: float64(j)})
				labels.Labels = append(labels.Labels, fmt.Sprintf("%.2f", z))
			}
		}
	}
	text, err := plotter.NewLabels(labels)
	if err != nil {
		return err
	}
	for i := range text.TextStyle {
		text.TextStyle[i].XAlign, text.TextStyle[i].YAlign = -0.5, -0.4
		text.TextStyle[i].Font.Size = vg.Points(7)
		xy := labels.XYs[i]
		if c.Z(int(xy.X), int(xy.Y)) > 0.5 {
			text.TextStyle[i].Color = color.White
		}
	}
	p.Add(text)
	var xs, ys []plot.Tick
	for i, s := range cols {
		xs = append(xs, plot.Tick{Value: float64(i), Label: strings.ReplaceAll(string(s), "_", " ")})
	}
	for j := range c.rows {
		ys = append(ys, plot.Tick{Value: float64(j), Label: strings.ReplaceAll(string(c.rows[len(c.rows)-1-j]), "_", " ")})
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(xs), plot.ConstantTicks(ys)
	p.X.Tick.Label.Rotation, p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = 0.9, -1, -0.5
	p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size = vg.Points(8), vg.Points(8)
	return p.Save(22*vg.Centimeter, 18*vg.Centimeter, path)
}

// formats are those of egatectl passage track.
const formats = `
## The tracker on other traces

` + "`egatectl passage track TRACE.csv --geometry FILE [--json]`" + ` runs the tracker of the gate on a recorded trace.

- **Trace**: lines ` + "`t_us,beam,0|1`" + `, whole microseconds of any clock, 1 for broken. A line of names may come first, ` + "`#`" + ` begins a comment; empty lines,
  any line ends, semicolons, tabs and quoted fields are read. Lines out of order are sorted, lines that tell no change are left out: both are noted.
  A beam that the geometry does not name, a fraction, or times that nobody walks in (milliseconds) are an error that names the line.
  ` + "`entry_beam` and `exit_beam`" + ` are the safety beams of the doors; without them who vanishes near a door has left.
- **Geometry**: lines ` + "`id,x_mm,z_mm`" + ` in any order, or a YAML list of ` + "`{id, x_mm, z_mm}`" + `, also under ` + "`beams`" + `. x rises from the entry to the exit; where
  both safety beams are listed, they are the planes of the doors and tell the direction. The row nearest to 900 mm (700 to 1250) counts trunks,
  the one nearest to 300 mm (50 to 550) sees the floor, each with what lies within 60 mm of it; beams at other heights are named and not used.
- ` + "`egate-sim trace` and `egate-sim geometry`" + ` write both for a simulated walk.

With ` + "`--json`" + `; times are those of the trace, in microseconds:

| field | meaning |
| --- | --- |
| ` + "`rows`" + ` | heights and numbers of the beams used, ` + "`unused`, `blind` (never broke while its neighbours did), `dirty` (taken out), `insufficient`, `door_beams`" + ` |
| ` + "`passages[]`" + ` | from the first beam broken to all free: ` + "`from_us`, `to_us`, `class`, `confidence` (how often the class was right in the tuning walks), `persons`" + ` (2: two or more), ` + "`likely_more_than_one`, `decided_us`, `latency_us`" + ` after the edge that told it |
| ` + "`changes[]`" + ` | each change of the count: ` + "`t_us`, `count` (zero, one, many, unknown), `likely_more_than_one`, `seen[]` (`from_mm`, `to_mm`, `persons`: 0 for an arm or somebody, `toward`" + ` exit or entry) |
| ` + "`end`" + ` | how it ends: ` + "`count`, `object`, `entered`, `left_across`, `left_back`, `doubts`" + ` |
| ` + "`notes[]`" + ` | what was odd about the trace |

Classes: single, suitcase, suitcase_before, trolley, wheelchair, child, adult_with_child, pram, tailgating, piggyback, intrusion, crawling, wrong_direction, u_turn,
object_left, unclear.
`
