package facematch

import (
	"math"
	"slices"
)

// Regions of the aligned crop, in pixels of one of 112: between and under the eyes, where skin is bare in
// nearly everybody; nose and cheeks, which a mask, a scarf or a veil covers and a beard does not; the eyes.
var (
	bridge  = [4]int{50, 42, 62, 58}
	cheeks  = [4]int{36, 64, 76, 80}
	eyeLeft = [4]int{30, 47, 47, 57}
	eyeOf   = [4]int{65, 47, 82, 57}
)

const (
	otherColour = 0.055 // difference in a colour's share of the light from which it is another colour
	darkPart    = 0.3   // of the skin's light: below it there is no skin either
	greyOnly    = 0.006 // mean difference of colour shares from a third, below which the picture is grey
	alignedSide = 112.0
)

// coverage measures what covers a face in its aligned crop: the light of the darker eye region over that of
// the skin beside it, and the part of nose and cheeks that has not the colour or the light of the skin between
// the eyes. In a grey picture colours tell nothing and the second is NaN.
func coverage(crop []uint16, w, h int) (eyes, covered float64) {
	var lights, reds, greens [64]float64 // medians of a sparse sample: no allocation
	sample := func(box [4]int, each func(light, red, green float64)) {
		x0, y0 := int(float64(box[0])*float64(w)/alignedSide), int(float64(box[1])*float64(h)/alignedSide)
		x1, y1 := int(float64(box[2])*float64(w)/alignedSide), int(float64(box[3])*float64(h)/alignedSide)
		for y := y0; y < y1; y += 2 {
			for x := x0; x < x1; x += 2 {
				p := crop[3*(y*w+x) : 3*(y*w+x)+3]
				r, g, b := float64(p[0]), float64(p[1]), float64(p[2])
				sum := math.Max(r+g+b, 1)
				each((.299*r+.587*g+.114*b)/level, r/sum, g/sum)
			}
		}
	}
	n := 0
	sample(bridge, func(light, red, green float64) {
		if n < len(lights) {
			lights[n], reds[n], greens[n] = light, red, green
			n++
		}
	})
	middle := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	light, red, green := middle(lights[:n]), middle(reds[:n]), middle(greens[:n])

	var all, other, colour, below float64
	sample(cheeks, func(l, r, g float64) {
		all++
		below += l
		colour += math.Abs(r-1./3) + math.Abs(g-1./3)
		if math.Hypot(r-red, g-green) > otherColour || l < darkPart*light {
			other++
		}
	})
	covered = other / all
	if colour/all < greyOnly && math.Abs(red-1./3)+math.Abs(green-1./3) < greyOnly {
		covered = math.NaN()
	}
	// The lighter of bridge and cheeks: glasses have a bridge too.
	skin := math.Max(math.Max(light, below/all), 1)
	eyes = math.Inf(1)
	for _, box := range [][4]int{eyeLeft, eyeOf} {
		sum, k := 0.0, 0.0
		sample(box, func(l, _, _ float64) { sum, k = sum+l, k+1 })
		eyes = math.Min(eyes, sum/k/skin)
	}
	return eyes, covered
}

// background is the mean step between neighbours beside the head, grey levels; NaN where the picture shows too
// little of it.
func background(img *Image, d Detection) float64 {
	var sum, n float64
	grey := func(x, y int) float64 {
		p := img.Pix[y*img.Stride+3*x : y*img.Stride+3*x+3]
		return .299*float64(p[0]) + .587*float64(p[1]) + .114*float64(p[2])
	}
	// Over samples so many pixels apart, so that noise of a sensor counts little at any resolution.
	step := max(1, int(d.Side/40))
	y0, y1 := max(0, int(d.Y-0.9*d.Side)), min(img.H-step, int(d.Y))
	for _, x := range [2][2]float64{{-1.6, -0.62}, {0.62, 1.6}} {
		x0, x1 := max(0, int(d.X+x[0]*d.Side)), min(img.W-step, int(d.X+x[1]*d.Side))
		for y := y0; y < y1; y += step {
			for x := x0; x < x1; x += step {
				here := grey(x, y)
				sum += math.Abs(grey(x+step, y)-here) + math.Abs(grey(x, y+step)-here)
				n += 2
			}
		}
	}
	if n < 200 {
		return math.NaN()
	}
	return sum / n
}
