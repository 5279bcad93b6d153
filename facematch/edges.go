package facematch

import (
	"math"

	"egate/verdict"
)

// The edge of a held sheet or panel. A camera is fixed, and so is every straight line of the booth: a straight line
// beside or over the face that does not stand still is held by somebody.
const (
	edgeRows     = 40   // points of a line that are looked at
	edgeSpan     = 0.55 // half of the length of a line, sides of the face
	edgeNear     = 0.45 // where a line may be, sides from the middle of the face
	edgeFar      = 2.30
	edgeSlopes   = 4   // to either side
	edgeLean     = 8.0 // degrees of the last of them
	edgeStep     = 10  // grey levels of a step in the picture
	edgeFull     = 35  // of its points where a line shows the same step
	edgeApart    = 3   // pixels between two lines
	edgeLines    = 8   // of one side of one picture
	edgePictures = 48  // that are looked at
	edgeLeast    = 8   // fewer say nothing
	edgeStill    = 0.6 // pixels within which a line stands still
	edgeOften    = 0.3 // part of the pictures in which it does so, to be one of the booth
	edgeMoves    = 0.4 // part of the pictures that show a line that does not
	edgeSides    = 2   // sides of three from which something is held
	edgeWidth    = 640 // pixels of the range, at most
)

// edges watches for straight lines to the left, to the right and over the face. It keeps where they are, no picture.
type edges struct {
	face Detection // of the first picture: lines are told where they cross its middle
	pics int
	at   [3][edgePictures][edgeLines]float32
	n    [3][edgePictures]uint8
	ruler
}

// look notes the lines of one picture.
func (w *edges) look(img *Image, d Detection) {
	if w.pics >= edgePictures || d.Side < 48 {
		return
	}
	if w.pics == 0 {
		w.face = d
	}
	for k := range w.at {
		from, to, mid, ref := edgeRange(k, d, w.face)
		n := w.ruler.find(green(img, k), from, to, mid, edgeSpan*d.Side, edgeRows, edgeFull, edgeSlopes)
		for i, l := range w.ruler.lines[:n] {
			w.at[k][w.pics][i] = float32(l.at + l.lean*(ref-mid))
		}
		w.n[k][w.pics] = uint8(n)
	}
	w.pics++
}

// edgeRange is where lines of a side of a face are looked for: from where to where, in which row, or column over the
// face, their middle lies, and in which they are told.
func edgeRange(side int, d, first Detection) (from, to, mid, ref float64) {
	switch side {
	case 0:
		return d.X - edgeFar*d.Side, d.X - edgeNear*d.Side, d.Y, first.Y
	case 1:
		return d.X + edgeNear*d.Side, d.X + edgeFar*d.Side, d.Y, first.Y
	}
	return d.Y - edgeFar*d.Side, d.Y - edgeNear*d.Side, d.X, first.X
}

// lattice is one channel of a picture in one direction or the other: bytes to the next pixel along and across, and
// how many there are.
type lattice struct {
	pix           []byte
	next, down    int
	along, across int
}

// green is the green channel for a side of a face. To the left and to the right: steps along a row. Over and below the
// face: steps along a column.
func green(img *Image, side int) lattice {
	if side == 2 {
		return lattice{img.Pix[1:], img.Stride, 3, img.H, img.W}
	}
	return lattice{img.Pix[1:], 3, img.Stride, img.W, img.H}
}

// step is the step at a place, over two pixels on both sides; x is two from the ends at least.
func (g *lattice) step(x, y int) int {
	row := g.pix[y*g.down+(x-2)*g.next:]
	return int(row[3*g.next]) + int(row[4*g.next]) - int(row[g.next]) - int(row[0])
}

// line is a straight line: where it crosses the middle of the rows in which it was looked for, and by how much it
// leans, pixels a row.
type line struct{ at, lean float64 }

// ruler finds straight lines.
type ruler struct {
	grad  [edgeRows][edgeWidth]int16
	lines [edgeLines]line
}

// find finds lines that cross the range from..to, up to span away from mid on both sides, where full of so many rows
// show the same step, in so many slopes to either side.
func (w *ruler) find(g lattice, from, to, mid, span float64, rows, full, slopes int) int {
	x0, x1 := max(3, int(from)), min(g.along-3, int(to))
	x1 = min(x1, x0+edgeWidth)
	if x1-x0 < 8 || mid-span < 0 || mid+span >= float64(g.across) {
		return 0
	}
	width := x1 - x0
	for r := range rows {
		y := int(mid + span*(2*float64(r)/float64(rows-1)-1))
		row, o := g.pix[y*g.down+(x0-2)*g.next:], 0
		for i := range w.grad[r][:width] {
			w.grad[r][i] = int16(row[o+3*g.next]) + int16(row[o+4*g.next]) - int16(row[o+g.next]) - int16(row[o])
			o += g.next
		}
	}
	var best [edgeWidth]int // sum of steps of the best slope, where a line is full
	var slope [edgeWidth]float64
	for s := -slopes; s <= slopes; s++ {
		lean := math.Tan(float64(s) * edgeLean / float64(slopes) * math.Pi / 180)
		var shift [edgeRows]int
		for r := range rows {
			shift[r] = int(math.Round(lean * span * (2*float64(r)/float64(rows-1) - 1)))
		}
		for i := range width {
			up, down, sum := 0, 0, 0
			for r, sh := range shift[:rows] {
				if r-max(up, down) > rows-full {
					break // too many points have shown no such step
				}
				j := i + sh
				if j < 0 || j >= width {
					continue
				}
				v := int(w.grad[r][j])
				sum += v
				if v >= 2*edgeStep {
					up++
				} else if v <= -2*edgeStep {
					down++
				}
			}
			if up < full && down < full {
				continue
			}
			if sum < 0 {
				sum = -sum
			}
			if sum > best[i] {
				best[i], slope[i] = sum, lean
			}
		}
	}
	clear(w.grad[:rows])
	n := 0
	for i := 0; i < width && n < edgeLines; i++ {
		top := best[i] > 0
		for j := max(0, i-edgeApart); top && j <= min(width-1, i+edgeApart); j++ {
			top = best[j] < best[i] || best[j] == best[i] && j >= i
		}
		if !top {
			continue
		}
		// Between pixels: the middle of the steps around.
		var at, all float64
		for j := max(0, i-1); j <= min(width-1, i+1); j++ {
			at += float64(j) * float64(best[j])
			all += float64(best[j])
		}
		w.lines[n] = line{float64(x0) + at/all, slope[i]}
		n++
	}
	return n
}

// judge tells on how many of three sides a straight line moves. Fewer pictures than it takes: not evaluated.
func (w *edges) judge() (score, threshold float64, r verdict.Result) {
	if w.pics < edgeLeast {
		return 0, edgeSides, verdict.NotPossible
	}
	moving := 0
	for k := range w.at {
		shows := 0
		for p := range w.pics {
			for _, x := range w.at[k][p][:w.n[k][p]] {
				if !still(&w.at[k], &w.n[k], w.pics, x, edgeStill) {
					shows++
					break
				}
			}
		}
		if float64(shows) >= edgeMoves*float64(w.pics) {
			moving++
		}
	}
	if moving >= edgeSides {
		return float64(moving), edgeSides, verdict.Fail
	}
	return float64(moving), edgeSides, verdict.Pass
}

// still tells whether a line is where, within so many pixels, one is in many pictures.
func still(at *[edgePictures][edgeLines]float32, n *[edgePictures]uint8, pics int, x, within float32) bool {
	seen := 0
	for p := range pics {
		for _, y := range at[p][:n[p]] {
			if abs32(x-y) <= within {
				seen++
				break
			}
		}
	}
	return float64(seen) >= edgeOften*float64(pics)
}

// forget overwrites what was noted and begins anew.
func (w *edges) forget() { *w = edges{} }
