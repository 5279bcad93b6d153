package facematch

import (
	"math"
	"slices"

	"egate/verdict"
)

// Grain: one sensor gives its noise to the whole picture. A face that was laid into the camera's path over a picture
// of the booth, out of a film that was compressed or smoothed, has less of it than the wall behind. A picture
// that was compressed as a whole has too little anywhere: not evaluated. Pictures that were made with noise all over
// are not seen by it.
const (
	grainBlock  = 8    // pixels of a block, whose noise is estimated after Immerkaer (1996)
	grainBlocks = 256  // of a region, at most
	grainSome   = 24   // fewer say nothing
	grainFace   = 0.35 // half the side of the square looked at, sides of the face
	grainDark   = 30   // grey levels; a darker block has lost its noise to the coding
	grainBright = 225
	grainWall   = 0.6 // grey levels of noise that the wall must have
	grainLeast  = 3   // pictures
	grainPart   = 0.4 // of the wall's noise that a face has at least: skin adds its texture to it
)

// grain compares the noise of face and wall. It keeps one number a picture.
type grain struct {
	parts  []float64
	levels [grainBlocks]float32
}

// look notes one picture.
func (w *grain) look(img *Image, d Detection) {
	half := grainFace * d.Side
	face, ok := w.floor(img, d.X-half, d.Y-half, d.X+half, d.Y+half, nil)
	if !ok {
		return
	}
	wall, ok := w.floor(img, 0, 0, float64(img.W), math.Min(float64(img.H), d.Y+half), &d)
	if !ok || wall < grainWall {
		return
	}
	w.parts = append(w.parts, face/wall)
}

// floor is the noise of the lower quarter of the blocks of a rectangle, grey levels; without, those around a face are
// left out. The lower quarter is that with the least edges.
func (w *grain) floor(img *Image, x0, y0, x1, y1 float64, without *Detection) (float64, bool) {
	ax, ay := max(1, int(x0)), max(1, int(y0))
	bx, by := min(img.W-1, int(x1)), min(img.H-1, int(y1))
	nx, ny := (bx-ax)/grainBlock, (by-ay)/grainBlock
	if nx < 1 || ny < 1 {
		return 0, false
	}
	// A regular choice of blocks, so that all of the rectangle is looked at.
	step := max(1, int(math.Ceil(math.Sqrt(float64(nx*ny)/grainBlocks))))
	n := 0
	for j := 0; j < ny && n < grainBlocks; j += step {
		for i := 0; i < nx && n < grainBlocks; i += step {
			x, y := ax+i*grainBlock, ay+j*grainBlock
			if without != nil && math.Abs(float64(x)-without.X) < aroundFace/2*without.Side && float64(y) > without.Y-aroundFace/2*without.Side {
				continue
			}
			if v, ok := blockNoise(img, x, y); ok {
				w.levels[n] = v
				n++
			}
		}
	}
	if n < grainSome {
		return 0, false
	}
	slices.Sort(w.levels[:n])
	return float64(w.levels[n/4]), true
}

// blockNoise is the noise of the green channel of one block, grey levels.
func blockNoise(img *Image, x, y int) (float32, bool) {
	sum, light := 0, 0
	for j := y; j < y+grainBlock; j++ {
		up, at, down := img.Pix[(j-1)*img.Stride+3*x-2:], img.Pix[j*img.Stride+3*x-2:], img.Pix[(j+1)*img.Stride+3*x-2:]
		for i := 0; i < grainBlock; i++ {
			o := 3 * i
			v := int(up[o]) + int(up[o+6]) + int(down[o]) + int(down[o+6]) - 2*(int(up[o+3])+int(down[o+3])+int(at[o])+int(at[o+6])) + 4*int(at[o+3])
			sum += max(v, -v)
			light += int(at[o+3])
		}
	}
	const n = grainBlock * grainBlock
	if light < grainDark*n || light > grainBright*n {
		return 0, false
	}
	return float32(sum) * float32(math.Sqrt(math.Pi/2)/6/n), true
}

// judge is the median over the pictures.
func (w *grain) judge() (score, threshold float64, r verdict.Result) {
	if len(w.parts) < grainLeast {
		return 0, grainPart, verdict.NotPossible
	}
	if score = median(w.parts); score < grainPart {
		return score, grainPart, verdict.Fail
	}
	return score, grainPart, verdict.Pass
}
