package facematch

import (
	"math"
	"slices"

	"egate/verdict"
)

// The beat of two rasters. What a panel or a printing screen shows is made of a fine regular pattern; the raster of a
// camera turns what is left of it into stripes, whose colours differ because the elements of the colours lie side by
// side. Skin has no single frequency.
const (
	moireSize  = 32   // pixels of a patch
	moireLow   = 8    // slower ones, of four pixels and more, belong to the face
	moireLeast = 3    // pictures; fewer say nothing
	moirePeak  = 25.0 // of the strongest frequency over the mean of all: skin in noise has 3 to 13
	moireGrain = 0.12 // of the lowest quarter of the frequencies over the mean: a sensor's grain has 0.25 and more, colours that JPEG thinned out 0.05
)

// moire looks for a regular pattern on brow and cheeks. It keeps one number a picture.
type moire struct {
	peaks  []float64
	re, im [moireSize][moireSize]float32
	sum    [moireSize][moireSize]float32
	low    [moireSize * (moireSize/2 + 1)]float32
}

var moireCos, moireSin = func() (c, s [moireSize]float32) {
	for i := range c {
		c[i] = float32(math.Cos(2 * math.Pi * float64(i) / moireSize))
		s[i] = float32(math.Sin(2 * math.Pi * float64(i) / moireSize))
	}
	return
}()

// look notes how much the strongest frequency stands out in one picture.
func (w *moire) look(img *Image, p *[68]Point) {
	five := fivePoints(p)
	ex, ey := five[1].X-five[0].X, five[1].Y-five[0].Y
	spots := [3]Point{{(p[21].X+p[22].X)/2 + 0.3*ey, (p[21].Y+p[22].Y)/2 - 0.3*ex},
		{(p[2].X + p[31].X + p[40].X) / 3, (p[2].Y + p[31].Y + p[40].Y) / 3}, {(p[14].X + p[35].X + p[47].X) / 3, (p[14].Y + p[35].Y + p[47].Y) / 3}}
	clear(w.sum[:])
	seen := 0
	for _, c := range spots {
		x0, y0 := int(c.X)-moireSize/2, int(c.Y)-moireSize/2
		if x0 < 0 || y0 < 0 || x0+moireSize > img.W || y0+moireSize > img.H {
			continue
		}
		seen++
		w.add(img, x0, y0)
	}
	if seen == 0 {
		return
	}
	var all, top float64
	n := 0
	low := &w.low
	for v := range moireSize {
		for u := range moireSize/2 + 1 {
			fv := min(v, moireSize-v)
			if u*u+fv*fv < moireLow*moireLow {
				continue
			}
			e := float64(w.sum[v][u])
			all += e
			top = max(top, e)
			low[n] = w.sum[v][u]
			n++
		}
	}
	slices.Sort(low[:n])
	quarter := float64(low[n/4])
	clear(low[:])
	clear(w.sum[:])
	clear(w.re[:])
	clear(w.im[:])
	// A compressed picture has lost the fine colours that this looks at: what is left are edges of its blocks.
	if mean := all / float64(n); quarter >= moireGrain*mean && all > 0 {
		w.peaks = append(w.peaks, top/mean)
	}
}

// add adds the power of a patch's colour difference, whose edges are faded out.
func (w *moire) add(img *Image, x0, y0 int) {
	var patch [moireSize][moireSize]float32
	mean := float32(0)
	for y := range moireSize {
		row := img.Pix[(y0+y)*img.Stride+3*x0:]
		for x := range moireSize {
			patch[y][x] = float32(row[3*x]) - float32(row[3*x+2])
			mean += patch[y][x] / (moireSize * moireSize)
		}
	}
	for y := range moireSize {
		for x := range moireSize {
			fade := (0.5 - 0.5*moireCos[x]) * (0.5 - 0.5*moireCos[y]) // Hann
			patch[y][x] = (patch[y][x] - mean) * fade
		}
	}
	for y := range moireSize {
		for u := range moireSize/2 + 1 {
			var re, im float32
			for x, v := range patch[y] {
				k := u * x & (moireSize - 1)
				re += v * moireCos[k]
				im -= v * moireSin[k]
			}
			w.re[y][u], w.im[y][u] = re, im
		}
	}
	for u := range moireSize/2 + 1 {
		for v := range moireSize {
			var re, im float32
			for y := range moireSize {
				k := v * y & (moireSize - 1)
				c, s := moireCos[k], moireSin[k]
				re += w.re[y][u]*c + w.im[y][u]*s
				im += w.im[y][u]*c - w.re[y][u]*s
			}
			w.sum[v][u] += re*re + im*im
		}
	}
}

// judge is the median over the pictures.
func (w *moire) judge() (score, threshold float64, r verdict.Result) {
	if len(w.peaks) < moireLeast {
		return 0, moirePeak, verdict.NotPossible
	}
	if score = median(w.peaks); score >= moirePeak {
		return score, moirePeak, verdict.Fail
	}
	return score, moirePeak, verdict.Pass
}
