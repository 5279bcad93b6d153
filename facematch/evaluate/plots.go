package evaluate

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Picture is a plot in a format of gonum's: "svg" or "png".
type Picture struct {
	Name string // file name without its ending
	plot *plot.Plot
}

// Size of a plot.
const (
	plotWidth  = 17 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
)

// Bytes draws the picture.
func (p Picture) Bytes(format string) ([]byte, error) {
	w, err := p.plot.WriterTo(plotWidth, plotHeight, format)
	if err != nil {
		return nil, fmt.Errorf("evaluate: plot %s: %w", p.Name, err)
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("evaluate: plot %s: %w", p.Name, err)
	}
	return b.Bytes(), nil
}

// Colours that people who see no red or green can tell apart.
var (
	blue   = color.RGBA{0x00, 0x72, 0xb2, 0xff}
	orange = color.RGBA{0xd5, 0x5e, 0x00, 0xff}
	grey   = color.RGBA{0x55, 0x55, 0x55, 0xff}
)

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding, p.Legend.Padding = vg.Points(8), vg.Points(4)
	for _, t := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font} {
		t.Variant = "Sans"
	}
	return p
}

// Pictures of a report: the score histogram and, where there are errors of both kinds, the DET curve.
func (r *Report) Pictures() ([]Picture, error) {
	if r.scores == nil || r.Accuracy == nil {
		return nil, nil
	}
	h, err := histogram(r.scores, r.Policy.Match)
	if err != nil {
		return nil, err
	}
	out := []Picture{{"scores", h}}
	if len(r.scores.genuine) > 0 && len(r.scores.impostor) > 0 {
		d, err := det(r.scores, r.Policy.Match)
		if err != nil {
			return nil, err
		}
		out = append(out, Picture{"det", d})
	}
	return out, nil
}

const binWidth = 0.02

// histogram of both kinds, each as part of its own number, on a logarithmic axis: the tails decide.
func histogram(s *scores, match float64) (*plot.Plot, error) {
	p := newPlot("Scores", "score (cosine)", "part of the pairs in a bin of 0.02")
	lo, hi := match, match
	for _, v := range [][]trial{s.genuine, s.impostor} {
		if len(v) > 0 {
			lo, hi = math.Min(lo, v[0].score), math.Max(hi, v[len(v)-1].score)
		}
	}
	lo, hi = math.Floor(lo/binWidth-1)*binWidth, math.Ceil(hi/binWidth+1)*binWidth
	n := int(math.Round((hi - lo) / binWidth))
	floor := 1.0
	for _, v := range [][]trial{s.genuine, s.impostor} {
		if len(v) > 0 {
			floor = math.Min(floor, 0.5/float64(len(v)))
		}
	}
	floor = math.Pow(10, math.Floor(math.Log10(floor)))
	for _, k := range []struct {
		v    []trial
		name string
		c    color.RGBA
		dash []vg.Length
	}{{s.impostor, "impostor", orange, []vg.Length{vg.Points(5), vg.Points(2)}}, {s.genuine, "genuine", blue, nil}} {
		if len(k.v) == 0 {
			continue
		}
		bins := make([]float64, n)
		for _, t := range k.v {
			bins[max(0, min(n-1, int((t.score-lo)/binWidth)))] += 1 / float64(len(k.v))
		}
		var xy plotter.XYs
		for i, b := range bins {
			y := math.Max(b, floor)
			xy = append(xy, plotter.XY{X: lo + float64(i)*binWidth, Y: y}, plotter.XY{X: lo + float64(i+1)*binWidth, Y: y})
		}
		l, err := plotter.NewLine(xy)
		if err != nil {
			return nil, fmt.Errorf("evaluate: plot: %w", err)
		}
		l.Color, l.Width, l.Dashes = k.c, vg.Points(1.5), k.dash
		fill := k.c
		fill.R, fill.G, fill.B, fill.A = fill.R/5, fill.G/5, fill.B/5, 0x33 // premultiplied
		l.FillColor = fill
		p.Add(l)
		p.Legend.Add(fmt.Sprintf("%s (%d)", k.name, len(k.v)), l)
	}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
	p.Y.Min, p.Y.Max, p.X.Min, p.X.Max = floor, 1, lo, hi
	return p, threshold(p, match, floor, 1)
}

// threshold draws the operating threshold.
func threshold(p *plot.Plot, at, from, to float64) error {
	l, err := plotter.NewLine(plotter.XYs{{X: at, Y: from}, {X: at, Y: to}})
	if err != nil {
		return fmt.Errorf("evaluate: plot: %w", err)
	}
	l.Color, l.Dashes = grey, []vg.Length{vg.Points(2), vg.Points(2)}
	p.Add(l)
	p.Legend.Add(fmt.Sprintf("threshold %.3g", at), l)
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(6), -vg.Points(4)
	return nil
}

// decades are ticks of a logarithmic axis, written as per cent.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(lo, hi float64) (out []plot.Tick) {
	for e := math.Floor(math.Log10(lo)); ; e++ {
		v := math.Pow(10, e)
		if v > hi*1.0001 {
			return out
		}
		if v >= lo*0.9999 {
			out = append(out, plot.Tick{Value: v, Label: strconv.FormatFloat(100*v, 'g', 3, 64) + " %"})
		}
		for k := 2.0; k < 10; k++ {
			if m := k * v; m >= lo && m <= hi {
				out = append(out, plot.Tick{Value: m})
			}
		}
	}
}

// det draws false non-matches over false matches, both logarithmic.
func det(s *scores, match float64) (*plot.Plot, error) {
	p := newPlot("Detection error trade-off", "false match rate", "false non-match rate")
	fx, fy := 0.5/float64(len(s.impostor)), 0.5/float64(len(s.genuine))
	var xy plotter.XYs
	// The curve changes at impostor scores; between two of them only the lowest FNMR matters.
	add := func(t float64) {
		f := float64(len(s.impostor)-below(s.impostor, t)) / float64(len(s.impostor))
		n := float64(below(s.genuine, t)) / float64(len(s.genuine))
		q := plotter.XY{X: math.Max(f, fx), Y: math.Max(n, fy)}
		if k := len(xy); k == 0 || math.Abs(math.Log(xy[k-1].X/q.X)) > 0.005 || math.Abs(math.Log(xy[k-1].Y/q.Y)) > 0.005 {
			xy = append(xy, q)
		}
	}
	for i := range s.impostor {
		add(s.impostor[i].score)
	}
	add(math.Nextafter(s.impostor[len(s.impostor)-1].score, 2))
	for _, g := range s.genuine {
		if g.score > s.impostor[len(s.impostor)-1].score {
			add(g.score)
		}
	}
	l, err := plotter.NewLine(xy)
	if err != nil {
		return nil, fmt.Errorf("evaluate: plot: %w", err)
	}
	l.Color, l.Width = blue, vg.Points(1.5)
	p.Add(l)
	p.X.Min, p.X.Max = math.Pow(10, math.Floor(math.Log10(fx))), 1
	p.Y.Min, p.Y.Max = math.Pow(10, math.Floor(math.Log10(fy))), 1
	equal, err := plotter.NewLine(plotter.XYs{{X: math.Max(p.X.Min, p.Y.Min), Y: math.Max(p.X.Min, p.Y.Min)}, {X: 1, Y: 1}})
	if err != nil {
		return nil, fmt.Errorf("evaluate: plot: %w", err)
	}
	equal.Color, equal.Dashes = grey, []vg.Length{vg.Points(2), vg.Points(2)}
	p.Add(equal)
	dot, err := plotter.NewScatter(plotter.XYs{{X: math.Max(fx, rateAt(s.fmr(match))), Y: math.Max(fy, rateAt(s.fnmr(match)))}})
	if err != nil {
		return nil, fmt.Errorf("evaluate: plot: %w", err)
	}
	dot.GlyphStyle.Color, dot.GlyphStyle.Radius = orange, vg.Points(3.5)
	p.Add(dot)
	p.Legend.Add("measured; left of half an error nothing is known", l)
	p.Legend.Add("equal error rates", equal)
	p.Legend.Add(fmt.Sprintf("threshold %.3g", match), dot)
	p.Legend.Top = true
	p.Legend.YOffs, p.Legend.XOffs = -vg.Points(4), -vg.Points(6)
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = decades{}, decades{}
	return p, nil
}

func rateAt(r Rate) float64 {
	if r.Value == nil {
		return 0
	}
	return *r.Value
}
