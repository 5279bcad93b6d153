package facematch

import (
	"math"
	"slices"

	"egate/verdict"
)

// Highlights. Where a lamp is mirrored in a flat glossy print or in glass, one degree of turn moves the highlight over
// it by twice that angle times the distance: 20 mm and more. On a nose or a forehead, 15 to 80 mm round, it moves by
// 0.4 to 1.4 mm. So a white spot that wanders over a face whose nose has not turned as far is on something flat. Most
// prints mirror no lamp at most angles: where no spot was seen, nothing is said.
const (
	specCells = 14    // of the field to either direction
	specCell  = 0.15  // eye distances
	specTop   = -0.65 // of the field, eye distances below the line of the eyes
	specLooks = 4     // points of a cell to either direction
	specWide  = 0.85  // half of the oval that is looked at, eye distances: beyond it a head that turns shows what is behind
	specHigh  = 0.95
	specMid   = 0.45 // of the oval, below the eyes
	specBand  = 0.38 // eye distances above and below the eyes that are left out: glasses mirror lamps, in two lenses
	specFirst = 4    // pictures that tell what the face looks like
	specOver  = 1.0  // of the light of the skin that a highlight adds at least
	specLeast = 0.4  // linear light that it has at least: 1 is white
	specWhite = 0.6  // of the least channel over the greatest
	specSize  = 4    // cells of a spot
	specSeen  = 4    // pictures with a spot; fewer say nothing
	specMost  = 64   // that are kept
	specStill = 3.0  // degrees: noses are told no better
	specSpeed = 0.08 // eye distances a degree: skin has 0.02, what is flat 0.3 and more
)

// specular watches highlights. It keeps the mean light of a coarse field of the first pictures, and where spots were.
type specular struct {
	base  [specCells * specCells]float32
	n     int
	skin  float32 // light of the skin
	spots [specMost]spot
	seen  int
}

// spot is the middle of a highlight, eye distances from the eyes, and the turn of the nose, degrees.
type spot struct {
	at   Point
	nose float64
}

// cellAt is the middle of a cell; in tells whether it is looked at.
func cellAt(i int) (x, y float64, in bool) {
	x = (float64(i%specCells) - specCells/2 + 0.5) * specCell
	y = specTop + (float64(i/specCells)+0.5)*specCell
	return x, y, math.Hypot(x/specWide, (y-specMid)/specHigh) < 1
}

// look notes one picture.
func (w *specular) look(img *Image, p *[68]Point) {
	if w.seen >= specMost {
		return
	}
	five := fivePoints(p)
	ex, ey := five[1].X-five[0].X, five[1].Y-five[0].Y
	ox, oy := (five[0].X+five[1].X)/2, (five[0].Y+five[1].Y)/2
	var s spot
	lit := 0
	for i := range w.base {
		x, y, in := cellAt(i)
		if !in {
			continue
		}
		var least, most float32
		for k := range specLooks * specLooks {
			u := x + specCell*((float64(k%specLooks)+0.5)/specLooks-0.5)
			v := y + specCell*((float64(k/specLooks)+0.5)/specLooks-0.5)
			px, py := int(ox+u*ex-v*ey), int(oy+u*ey+v*ex)
			if px < 0 || py < 0 || px >= img.W || py >= img.H {
				continue
			}
			q := img.Pix[py*img.Stride+3*px:]
			least += toLinear[min(q[0], q[1], q[2])] / (specLooks * specLooks)
			most += toLinear[max(q[0], q[1], q[2])] / (specLooks * specLooks)
		}
		if w.n < specFirst {
			w.base[i] += least / specFirst
			continue
		}
		if math.Abs(y) > specBand && least >= max(specLeast, max(w.base[i], w.skin)+specOver*w.skin) && least >= specWhite*most {
			s.at.X, s.at.Y = s.at.X+x, s.at.Y+y
			lit++
		}
	}
	if w.n < specFirst {
		if w.n++; w.n == specFirst {
			w.level()
		}
		return
	}
	if lit >= specSize {
		s.at.X, s.at.Y = s.at.X/float64(lit), s.at.Y/float64(lit)
		s.nose = asinDeg(noseOffset(p) / noseRelief)
		w.spots[w.seen] = s
		w.seen++
	}
}

// level is the light of the skin: two thirds of the field are darker.
func (w *specular) level() {
	var of [specCells * specCells]float32
	n := 0
	for i, v := range w.base {
		if _, _, in := cellAt(i); in {
			of[n] = v
			n++
		}
	}
	slices.Sort(of[:n])
	w.skin = of[2*n/3]
}

// judge is how fast spots wander over the face, eye distances a degree of the nose: the upper decile of all pairs.
func (w *specular) judge() (score, threshold float64, r verdict.Result) {
	if w.seen < specSeen {
		return 0, specSpeed, verdict.NotEvaluated // nothing is mirrored, as in most captures
	}
	var v []float64
	for i, a := range w.spots[:w.seen] {
		for _, b := range w.spots[:i] {
			v = append(v, math.Hypot(a.at.X-b.at.X, a.at.Y-b.at.Y)/math.Max(specStill, math.Abs(a.nose-b.nose)))
		}
	}
	slices.Sort(v)
	if score = v[len(v)*9/10]; score >= specSpeed {
		return score, specSpeed, verdict.Fail
	}
	return score, specSpeed, verdict.Pass
}

// forget overwrites what was noted and begins anew.
func (w *specular) forget() { *w = specular{} }
