package facematch

import (
	"math"
	"time"
)

// CameraFault is what is wrong with the pictures of a camera, as a code of the fault catalogue; empty: nothing.
type CameraFault string

// Faults of a camera that its pictures show (F-14); black and burnt out are those of hal/exposure.
const (
	CameraFrozen    CameraFault = "camera_frozen"
	CameraUnfocused CameraFault = "camera_unfocused"
)

// Limits of pictures, grey levels, looked at on a grid.
const (
	focusGrid  = 8
	faultFor   = 700 * time.Millisecond // one bad picture is none: a lamp switches, a hand passes
	blackMean  = 12.0
	overLevel  = 250
	overPart   = 0.6
	focusStep  = 4     // pixels between the two ends of an edge
	focusLevel = 7.0   // levels that noise of a sensor does not reach in a mean of four
	focusPart  = 0.002 // part of the grid that shows edges in a picture in focus
)

// supervisor watches the pictures of a camera for faults of its own: it looks at light and edges, never at faces.
type supervisor struct {
	fault CameraFault
	since time.Duration
}

// picture notes one picture and gives the fault that has stood long enough.
func (s *supervisor) picture(img *Image, at time.Duration) CameraFault {
	f := pictureFault(img)
	if f != s.fault {
		s.fault, s.since = f, at
	}
	if f == "" || at-s.since < faultFor {
		return ""
	}
	return f
}

func pictureFault(img *Image) CameraFault {
	var sum float64
	n, over, edges := 0, 0, 0
	// The mean of two by two pixels.
	block := func(x, y int) float64 {
		p, q := img.Pix[y*img.Stride+3*x:][:6], img.Pix[(y+1)*img.Stride+3*x:][:6]
		return (float64(p[0]) + 2*float64(p[1]) + float64(p[2]) + float64(p[3]) + 2*float64(p[4]) + float64(p[5]) +
			float64(q[0]) + 2*float64(q[1]) + float64(q[2]) + float64(q[3]) + 2*float64(q[4]) + float64(q[5])) / 16
	}
	for y := 0; y+focusStep+1 < img.H; y += focusGrid {
		for x := 0; x+focusStep+1 < img.W; x += focusGrid {
			here := block(x, y)
			n++
			sum += here
			if here >= overLevel {
				over++
			}
			if math.Abs(block(x+focusStep, y)-here) >= focusLevel || math.Abs(block(x, y+focusStep)-here) >= focusLevel {
				edges++
			}
		}
	}
	switch all := float64(n); {
	case n == 0, sum/all < blackMean, float64(over) > overPart*all:
		return "" // without light nothing is known of the lens
	case float64(edges) < focusPart*all:
		return CameraUnfocused
	}
	return ""
}

// Optics are medians of a capture that tell of lamps and lens and of nobody: light of the face, grey levels, its
// sharpness and the evenness of its light, rounded (F-15).
type Optics struct{ Light, Sharpness, Uniformity float64 }

// optics collects them from the pictures that were looked at.
type optics struct {
	n                            int
	light, sharpness, uniformity [64]float64
}

func (o *optics) add(q *Quality) {
	if o.n < len(o.light) {
		o.light[o.n], o.sharpness[o.n], o.uniformity[o.n] = q.light, q.Raw[Sharpness], q.Raw[Uniformity]
		o.n++
	}
}

// Optics gives the medians of this capture; false where too few pictures were looked at.
func (s *Session) Optics() (Optics, bool) {
	o := &s.seenOptics
	if o.n < frontalFrames {
		return Optics{}, false
	}
	return Optics{math.Round(median(o.light[:o.n])), math.Round(median(o.sharpness[:o.n])), math.Round(100*median(o.uniformity[:o.n])) / 100}, true
}
