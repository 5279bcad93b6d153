package camera

import (
	"math"
	"math/rand/v2"
)

// Sheet is a print of a portrait.
type Sheet struct {
	Width, Height float64 // millimetres
	Bend          float64 // about an upright axis, 0 flat … 1 half a cylinder
	Tilt          float64 // degrees, top edge away from the camera positive
	Scale         float64 // size of the printed head over life; 0 means 1
	// HeldAt is the printed face's height above the middle of the sheet, as a part of the sheet's
	// height; 0 centres the face.
	HeldAt float64
	// Hands hold it; nil means one at the lower edge, where a neck would be, empty that none is seen.
	Hands []Hand
}

// Limits of a sheet that the simulation can draw, millimetres.
const (
	minSheet = 60
	maxSheet = 2000
)

// print is the texture of a sheet: the photo as an office printer makes it.
type print struct {
	tex        *texture
	pixel      float64 // millimetres a texture pixel
	w, h       float64
	tilt, bend float64
	faceX      float64 // of the eyes' middle, from the middle of the sheet, millimetres
	faceY      float64
	cols, rows int
	flat       []vertex
	use        []bool
}

const (
	printPixel  = 0.62 // millimetres: about 40 dots an inch of picture content
	paperNoise  = 5    // grey levels
	printMargin = 5.0  // white border of the printer, millimetres
	sheetCells  = 28
)

func newPrint(b *body, s Sheet, seed uint64) *print {
	scale := s.Scale
	if scale <= 0 {
		scale = 1
	}
	w := math.Max(minSheet, math.Min(maxSheet, s.Width))
	h := math.Max(minSheet, math.Min(maxSheet, s.Height))
	p := &print{pixel: printPixel, w: w, h: h, tilt: s.Tilt, bend: math.Max(0, math.Min(1, s.Bend))}
	p.faceY = -s.HeldAt*h - 0.02*h
	p.tex = &texture{w: int(w/p.pixel) + 2, h: int(h/p.pixel) + 2}
	p.tex.pix = make([]byte, 4*p.tex.w*p.tex.h)
	rnd := rand.New(rand.NewPCG(seed, 7))
	for y := range p.tex.h {
		for x := range p.tex.w {
			mx, my := float64(x)*p.pixel-w/2, float64(y)*p.pixel-h/2
			o := 4 * (y*p.tex.w + x)
			noise := rnd.IntN(2*paperNoise+1) - paperNoise
			p.tex.pix[o+3] = 255
			edge := math.Min(math.Min(mx+w/2, w/2-mx), math.Min(my+h/2, h/2-my))
			if edge < printMargin {
				for k := range 3 {
					p.tex.pix[o+k] = byte(236 + noise)
				}
				continue
			}
			u := b.cx + (mx-p.faceX)/(b.scale*scale)
			v := b.cy + (my-p.faceY)/(b.scale*scale)
			r, g, bl := b.photo.sample(u, v)
			// Ink on paper: less black, less white, a warm cast.
			for k, c := range [3]float64{r, g, bl} {
				ink := 24 + c*0.80 + [3]float64{4, 1, -3}[k]
				p.tex.pix[o+k] = byte(math.Max(0, math.Min(255, ink+float64(noise))))
			}
		}
	}
	p.cols, p.rows = sheetCells+1, sheetCells+1
	p.flat = make([]vertex, p.cols*p.rows)
	for j := range p.rows {
		for i := range p.cols {
			fx, fy := float64(i)/sheetCells-0.5, float64(j)/sheetCells-0.5
			x, z := p.bent(fx * w)
			p.flat[j*p.cols+i] = vertex{
				x: x, y: float32(fy * h), z: z,
				u: float32((fx + 0.5) * float64(p.tex.w-2)), v: float32((fy + 0.5) * float64(p.tex.h-2)),
			}
		}
	}
	p.use = make([]bool, sheetCells*sheetCells)
	for i := range p.use {
		p.use[i] = true
	}
	return p
}

// bent is where a place of the flat sheet lies once it is bent, millimetres to the right and away from the camera.
func (p *print) bent(at float64) (x, z float32) {
	arc := p.bend * math.Pi
	if arc <= 1e-6 {
		return float32(at), 0
	}
	radius := p.w / arc
	return float32(radius * math.Sin(at/radius)), float32(radius * (1 - math.Cos(at/radius)))
}

// sample reads the photo bilinearly, going on with the border's colour outside of it.
func (t *texture) sample(u, v float64) (r, g, b float64) {
	u, v = math.Max(0, math.Min(u, float64(t.w)-1.01)), math.Max(0, math.Min(v, float64(t.h)-1.01))
	x, y := int(u), int(v)
	fx, fy := u-float64(x), v-float64(y)
	var c [3]float64
	for k := range 4 {
		w := 1 - fx
		if k&1 == 1 {
			w = fx
		}
		if k>>1 == 1 {
			w *= fy
		} else {
			w *= 1 - fy
		}
		o := 4 * ((y+k>>1)*t.w + x + k&1)
		for i := range 3 {
			c[i] += w * float64(t.pix[o+i])
		}
	}
	return c[0], c[1], c[2]
}

// handTexture is skin with a little shading; hands are drawn as rounded shapes over the border.
func handTexture() *texture {
	const w, h = 48, 64
	t := &texture{w: w, h: h, pix: make([]byte, 4*w*h)}
	for y := range h {
		for x := range w {
			dx, dy := (float64(x)-w/2+0.5)/(w/2), (float64(y)-h/2+0.5)/(h/2)
			r := dx*dx + dy*dy*dy*dy
			o := 4 * (y*w + x)
			l := 1 - 0.35*r
			t.pix[o], t.pix[o+1], t.pix[o+2] = byte(205*l), byte(160*l), byte(135*l)
			t.pix[o+3] = byte(math.Max(0, math.Min(255, (1-r)*900)))
		}
	}
	return t
}
