package facematch

import (
	"math"

	"egate/verdict"
)

// Hands that hold a sheet or a panel. Skin beside a face is no sign of one: it is also that of a child, and wood has its
// colour. What tells is the conjunction: a straight line beside or below the face that does not stand still, whose step
// vanishes over the width of a thumb or of some fingers, with one colour of skin on both sides of it there, and that
// goes on above and below: fingers across a rim.
const (
	handPart    = 0.57 // of a side of the face: a third of the line, which must be straight and bare
	handWide    = 0.40 // the same below the face
	handRows    = 20   // points of such a third
	handFull    = 18   // of them that show the same step
	handSlopes  = 2    // to either side: a third is short
	handReach   = 1.1  // sides of the face up and down that a line is followed
	handBelow   = 1.0  // sides below the face where a lower rim may be: what is held before a chest is not looked at
	handStep    = 0.03 // eye distances between two points of a line that is followed
	handNear    = 0.05 // eye distances beside the line where its sides are looked at, from
	handFar     = 0.16 // to
	handSlack   = 2    // pixels by which a line may be off
	handWeak    = 0.35 // of a line's usual step: less is none
	handGap     = 0.09 // eye distances between two fingers, at most
	handLeast   = 0.18 // eye distances that fingers cover, at least: a thumb is 0.3 wide
	handMost    = 1.60 // at most: four fingers are 1.1 wide
	handFilled  = 0.65 // part of that which is covered
	handAround  = 0.80 // eye distances above and below in which the line must go on
	handBoth    = 0.20 // for so many on either side
	handEither  = 0.50 // and for so many on one
	handLike    = 0.60 // part of what the colour of the cheeks differs from grey by, within which a colour is like theirs
	handSame    = 0.30 // of the logarithms of colour ratios, between both sides of the line
	handLight   = 0.80 // of the logarithm of the light, between both sides
	handDark    = 0.05 // of the light of the cheeks: darker ones are hair or shadow
	handStill   = 1.0  // pixels within which a line stands still
	handPart0   = 0.3  // part of the pictures that show fingers at a moving line
	handTwice   = 4    // of them, at least
	handMostRow = 256  // points that are followed, at most
)

// hands watches for fingers across moving lines to the left, to the right and below the face. It keeps where lines are
// and whether fingers cross them, no picture.
type hands struct {
	ruler
	face  Detection // of the first picture
	pics  int
	at    [3][edgePictures][edgeLines]float32
	n     [3][edgePictures]uint8
	cross [3][edgePictures][edgeLines]bool
	state [handMostRow]rimState
}

// rimState is what a point of a followed line shows.
type rimState uint8

const (
	rimOther rimState = iota
	rimStep           // the step of the line
	rimGone           // none
	rimSkin           // none, and one colour of skin on both sides
)

// tone is the mean of a small area, linear light.
type tone struct {
	colour response
	light  float64
}

// look notes the lines of one picture and what crosses them.
func (w *hands) look(img *Image, d Detection, p *[68]Point) {
	five := fivePoints(p)
	eyes := math.Hypot(five[1].X-five[0].X, five[1].Y-five[0].Y)
	if w.pics >= edgePictures || d.Side < 48 || eyes < 24 {
		return
	}
	if w.pics == 0 {
		w.face = d
	}
	var cheeks [2]tone
	for i, k := range [2][3]int{{2, 31, 40}, {14, 35, 47}} {
		c := Point{(p[k[0]].X + p[k[1]].X + p[k[2]].X) / 3, (p[k[0]].Y + p[k[1]].Y + p[k[2]].Y) / 3}
		r := int(0.11 * eyes)
		cheeks[i] = toneOf(img, int(c.X)-r, int(c.Y)-r, int(c.X)+r, int(c.Y)+r)
	}
	for k := range w.at {
		var followed [edgeLines]line
		g, n, part := green(img, k), 0, handPart*d.Side
		from, to, mid, ref := edgeRange(k, d, w.face)
		if k == 2 { // below in place of over the face; a sheet is less wide than high
			from, to, part = d.Y+edgeNear*d.Side, d.Y+handBelow*d.Side, handWide*d.Side
		}
		for third := -1.0; third <= 1; third++ {
			at := mid + third*part
			found := w.ruler.find(g, from, to, at, part/2, handRows, handFull, handSlopes)
			for _, l := range w.ruler.lines[:found] {
				if n == edgeLines {
					break
				}
				known := false // from another third
				for _, f := range followed[:n] {
					known = known || math.Abs(f.at+f.lean*(at-ref)-l.at) < edgeApart
				}
				if known {
					continue
				}
				if f, crossed, ok := w.follow(img, k == 2, g, l, at, part/2, ref, mid, d.Side, eyes, &cheeks); ok {
					followed[n] = f
					w.at[k][w.pics][n], w.cross[k][w.pics][n] = float32(f.at), crossed
					n++
				}
			}
		}
		w.n[k][w.pics] = uint8(n)
	}
	w.pics++
}

// follow goes along a line that was found in the rows round at, up and down from mid. It tells where the line crosses
// the row ref, by how much it leans, and whether fingers cross it.
func (w *hands) follow(img *Image, turned bool, g lattice, l line, at, half, ref, mid, side, eyes float64, cheeks *[2]tone) (f line, crossed, ok bool) {
	// The step at a place: the strongest within the slack, and where.
	find := func(px float64, y int) (best, bx int) {
		for i := int(math.Round(px)) - handSlack; i <= int(math.Round(px))+handSlack; i++ {
			if i < 3 || i >= g.along-3 {
				continue
			}
			if v := g.step(i, y); v*v > best*best {
				best, bx = v, i
			}
		}
		return best, bx
	}
	// The line through the points that were found, by least squares.
	var sy, sx, syy, sxy, n, mean float64
	for r := -half; r <= half; r += 2 {
		y := int(at + r)
		if y < 0 || y >= g.across {
			continue
		}
		if v, px := find(l.at+l.lean*r, y); px > 0 {
			q := float64(y) - at
			sy, sx, syy, sxy, n, mean = sy+q, sx+float64(px), syy+q*q, sxy+q*float64(px), n+1, mean+float64(v)
		}
	}
	det := n*syy - sy*sy
	if n < handFull || det <= 0 {
		return line{}, false, false
	}
	lean := (n*sxy - sx*sy) / det
	x0 := (sx - lean*sy) / n
	mean /= n
	// First where the line shows its step, then what is in the gaps between.
	rows, first, last := 0, len(w.state), -1
	begin, by := mid-handReach*side, math.Max(1, handStep*eyes)
	for y := begin; y <= mid+handReach*side && rows < len(w.state); y += by {
		if iy := int(y); iy >= 1 && iy < g.across-1 {
			v, _ := find(x0+lean*(y-at), iy)
			switch size := math.Abs(float64(v)); {
			case float64(v)*mean > 0 && size >= handWeak*math.Abs(mean):
				w.state[rows] = rimStep
				first, last = min(first, rows), rows
			case size < math.Max(handWeak*math.Abs(mean), 3*edgeStep):
				w.state[rows] = rimGone
			}
		}
		rows++
	}
	near, far := handNear*eyes, handFar*eyes
	for i := first; i < last; i++ {
		if w.state[i] != rimGone {
			continue
		}
		y := begin + float64(i)*by
		px := x0 + lean*(y-at)
		if sameSkin(sideOf(img, turned, px-far, px-near, int(y)), sideOf(img, turned, px+near, px+far, int(y)), cheeks) {
			w.state[i] = rimSkin
		}
	}
	crossed = fingers(w.state[:rows])
	clear(w.state[:rows])
	return line{x0 + lean*(ref-at), lean}, crossed, true
}

// fingers tells whether a followed line is crossed by something as wide as fingers and goes on around it.
func fingers(line []rimState) bool {
	points := func(eyes float64) int { return int(math.Round(eyes / handStep)) }
	count := func(from, to int, of rimState) (n int) {
		for _, s := range line[max(0, from):max(0, min(to, len(line)))] {
			if s == of {
				n++
			}
		}
		return n
	}
	for i := 0; i < len(line); {
		if line[i] != rimSkin {
			i++
			continue
		}
		end, gap := i+1, 0
		for j := i + 1; j < len(line) && gap <= points(handGap); j++ {
			if gap++; line[j] == rimSkin {
				end, gap = j+1, 0
			}
		}
		long := end - i
		up, down := count(i-points(handAround), i, rimStep), count(end, end+points(handAround), rimStep)
		if long >= points(handLeast) && long <= points(handMost) && float64(count(i, end, rimSkin)) >= handFilled*float64(long) &&
			min(up, down) >= points(handBoth) && max(up, down) >= points(handEither) {
			return true
		}
		i = end
	}
	return false
}

// sideOf is one side of a line at a row.
func sideOf(img *Image, turned bool, from, to float64, row int) tone {
	if turned {
		return toneOf(img, row-1, int(math.Round(from)), row+2, int(math.Round(to)))
	}
	return toneOf(img, int(math.Round(from)), row-1, int(math.Round(to)), row+2)
}

// toneOf is the mean of a rectangle, without what lies beyond the picture.
func toneOf(img *Image, x0, y0, x1, y1 int) tone {
	var sum [3]float64
	n := 0
	for y := max(0, y0); y < min(img.H, y1); y++ {
		for x := max(0, x0); x < min(img.W, x1); x++ {
			n += add(&sum, img.Pix[y*img.Stride+3*x:])
		}
	}
	return tone{ratio(&sum, n), sum[1] / math.Max(1, float64(n))}
}

// sameSkin tells whether both sides of a line are one thing that has the colour of skin: of the face's own under the
// same light, or, because a print's is another one, any.
func sameSkin(a, b tone, cheeks *[2]tone) bool {
	if !(math.Abs(a.colour[0]-b.colour[0]) <= handSame && math.Abs(a.colour[1]-b.colour[1]) <= handSame &&
		math.Abs(math.Log(a.light/b.light)) <= handLight) {
		return false // also where there is nothing
	}
	for _, c := range cheeks {
		if a.light < handDark*c.light {
			continue
		}
		if a.skin() && b.skin() || a.like(c) && b.like(c) {
			return true
		}
	}
	return false
}

func (a tone) like(b tone) bool {
	return math.Hypot(a.colour[0]-b.colour[0], a.colour[1]-b.colour[1]) <= handLike*math.Hypot(b.colour[0], b.colour[1])
}

// skin tells whether a colour is one that skin has in white light: more red than green, more green than blue.
func (a tone) skin() bool {
	return a.colour[0] >= 0.2 && a.colour[0] <= 1.2 && a.colour[1] >= -1.3 && a.colour[1] <= -0.05
}

// judge is the part of the pictures in which fingers cross a line that moves, of the side that shows most. Where no
// line moves, nothing is held that could be seen: not evaluated, which is what a traveller is without anything in hand.
func (w *hands) judge() (score, threshold float64, r verdict.Result) {
	r = verdict.NotEvaluated
	for k := range w.at {
		shows, held := 0, 0
		for p := range w.pics {
			moves, crossed := false, false
			for i, x := range w.at[k][p][:w.n[k][p]] {
				if !still(&w.at[k], &w.n[k], w.pics, x, handStill) {
					moves, crossed = true, crossed || w.cross[k][p][i]
				}
			}
			if moves {
				shows++
			}
			if crossed {
				held++
			}
		}
		if w.pics < edgeLeast || float64(shows) < edgeMoves*float64(w.pics) {
			continue
		}
		part := float64(held) / float64(w.pics)
		score = math.Max(score, part)
		switch {
		case held >= handTwice && part >= handPart0:
			r = verdict.Fail
		case r == verdict.NotEvaluated:
			r = verdict.Pass
		}
	}
	return score, handPart0, r
}

// forget overwrites what was noted and begins anew.
func (w *hands) forget() { *w = hands{} }
