package camera

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"

	"golang.org/x/image/vector"

	"egate/sim/faces"
)

// Measures of a head, in millimetres. Reliefs are heights over the plane of the eye corners, towards
// the camera; rounded from common anthropometric tables.
const (
	eyeDistance   = 63.0 // between the pupils of an adult
	silhouette    = -85.0
	neckAxis      = -80.0 // the axis of the turn lies behind the eyes
	neckFront     = -40.0
	chest         = -25.0
	shoulderDepth = -70.0
	neckLength    = 70.0 // over which a turn fades out below the chin
	cell          = 10   // mesh width, texture pixels
	overhang      = 400.0
)

// reliefs of the 68 points, iBUG order.
var reliefs = [68]float64{
	-75, -72, -66, -56, -42, -26, -10, 4, 12, 4, -10, -26, -42, -56, -66, -72, -75, // jaw
	-8, 6, 12, 15, 16, 16, 15, 12, 6, -8, // brows
	13, 22, 32, 40, 16, 22, 26, 22, 16, // nose
	-8, 3, 3, 0, 2, 2, 0, 3, 3, -8, 2, 2, // eyes
	8, 15, 20, 20, 20, 15, 8, 14, 18, 19, 18, 14, 8, 18, 18, 18, 8, 17, 18, 17, // mouth
}

// body is the still shape of a person: what the live mesh is made from.
type body struct {
	tex    *texture
	photo  *texture // with the photo's own background, for prints
	scale  float64  // millimetres a texture pixel
	cx, cy float64  // between the eyes, texture pixels
	chin   float64  // millimetres below the eyes
	cols   int
	rows   int
	rest   []restPoint
	use    []bool
}

type restPoint struct {
	x, y, z    float32 // about the eyes; z towards the camera negative
	nx, ny, nz float32 // normal, towards the camera negative z
	turn       float32 // 1 turns with the head, 0 stays with the body
	u, v       float32
}

func newBody(p *faces.Portrait) (*body, error) {
	img, err := jpeg.Decode(bytes.NewReader(p.LiveJPEG()))
	if err != nil {
		return nil, fmt.Errorf("camera: portrait %s: %w", p.Name, err)
	}
	b := &body{photo: toTexture(img)}
	b.tex = &texture{w: b.photo.w, h: b.photo.h, pix: bytes.Clone(b.photo.pix)}
	cutOut(b.tex, p.Outline)
	mid := func(k int) (x, y float64) {
		for i := range 6 {
			x, y = x+p.Landmarks[k+i][0]/6, y+p.Landmarks[k+i][1]/6
		}
		return x, y
	}
	rx, ry := mid(36)
	lx, ly := mid(42)
	b.cx, b.cy = (rx+lx)/2, (ry+ly)/2
	b.scale = eyeDistance / math.Hypot(lx-rx, ly-ry)
	b.chin = (p.Landmarks[8][1] - b.cy) * b.scale
	s, err := b.surface(p)
	if err != nil {
		return nil, err
	}
	b.grid(s)
	return b, nil
}

// surface fits the relief to the 68 points, the contour and a few points of a plausible skull.
func (b *body) surface(p *faces.Portrait) (*spline, error) {
	var x, y, z []float64
	add := func(px, py, relief float64) {
		x, y, z = append(x, (px-b.cx)*b.scale), append(y, (py-b.cy)*b.scale), append(z, relief)
	}
	for i, q := range p.Landmarks {
		add(q[0], q[1], reliefs[i])
	}
	top := b.cy
	for i, q := range p.Outline {
		below := (q[1]-b.cy)*b.scale - b.chin
		switch {
		case below < -25:
			add(q[0], q[1], silhouette)
			top = math.Min(top, q[1])
		case below > 60 && i%2 == 0:
			add(q[0], q[1], shoulderDepth)
		}
	}
	brow := (p.Landmarks[19][1] + p.Landmarks[24][1]) / 2
	for _, dx := range []float64{-0.6, 0, 0.6} {
		add(b.cx+dx*eyeDistance/b.scale, brow-0.35*(b.cy-brow)-0.4*eyeDistance/b.scale, 10-20*dx*dx)
		add(b.cx+dx*eyeDistance/b.scale, brow+0.45*(top-brow), -8-30*dx*dx)
		add(b.cx+dx*eyeDistance/b.scale, b.cy+(b.chin+40)/b.scale, neckFront-20*dx*dx)
		add(b.cx+dx*eyeDistance/b.scale, b.cy+(b.chin+110)/b.scale, chest)
	}
	return newSpline(x, y, z)
}

// grid lays a mesh over the texture. One column more on either side and one row below go on with the
// colours of the border, so that a body does not end where its photo does.
func (b *body) grid(s *spline) {
	var us, vs, xs, ys []float64
	us, xs = append(us, 0), append(xs, -b.cx*b.scale-overhang)
	for u := 0.0; u < float64(b.tex.w-1)+cell; u += cell {
		c := math.Min(u, float64(b.tex.w-1))
		us, xs = append(us, c), append(xs, (c-b.cx)*b.scale)
	}
	us, xs = append(us, float64(b.tex.w-1)), append(xs, (float64(b.tex.w)-b.cx)*b.scale+overhang)
	for v := 0.0; v < float64(b.tex.h-1)+cell; v += cell {
		c := math.Min(v, float64(b.tex.h-1))
		vs, ys = append(vs, c), append(ys, (c-b.cy)*b.scale)
	}
	vs, ys = append(vs, float64(b.tex.h-1)), append(ys, (float64(b.tex.h)-b.cy)*b.scale+overhang)
	b.cols, b.rows = len(us), len(vs)
	b.rest = make([]restPoint, b.cols*b.rows)
	relief := func(x, y float64) float64 { return math.Max(-110, math.Min(55, s.at(x, y))) }
	for j, y := range ys {
		for i, x := range xs {
			sx := (us[i] - b.cx) * b.scale
			sy := (vs[j] - b.cy) * b.scale
			z := relief(sx, sy)
			const h = 6.0
			nx, ny := (relief(sx+h, sy)-relief(sx-h, sy))/(2*h), (relief(sx, sy+h)-relief(sx, sy-h))/(2*h)
			n := math.Sqrt(nx*nx + ny*ny + 1)
			turn := math.Max(0, math.Min(1, 1-(y-b.chin)/neckLength))
			turn = turn * turn * (3 - 2*turn)
			b.rest[j*b.cols+i] = restPoint{
				x: float32(x), y: float32(y), z: float32(-z),
				nx: float32(-nx / n), ny: float32(-ny / n), nz: float32(-1 / n),
				turn: float32(turn), u: float32(us[i]), v: float32(vs[j]),
			}
		}
	}
	b.use = make([]bool, (b.cols-1)*(b.rows-1))
	for j := range b.rows - 1 {
		for i := range b.cols - 1 {
			b.use[j*(b.cols-1)+i] = b.tex.shows(us[i], vs[j], us[i+1], vs[j+1])
		}
	}
}

// shows tells whether anything in a rectangle of the texture is not transparent.
func (t *texture) shows(u0, v0, u1, v1 float64) bool {
	for y := int(v0); y <= int(v1); y++ {
		for x := int(u0); x <= int(u1); x++ {
			if t.pix[4*(y*t.w+x)+3] > 0 {
				return true
			}
		}
	}
	return false
}

func toTexture(img image.Image) *texture {
	r := img.Bounds()
	t := &texture{w: r.Dx(), h: r.Dy(), pix: make([]byte, 4*r.Dx()*r.Dy())}
	for y := range t.h {
		for x := range t.w {
			cr, cg, cb, _ := img.At(r.Min.X+x, r.Min.Y+y).RGBA()
			o := 4 * (y*t.w + x)
			t.pix[o], t.pix[o+1], t.pix[o+2], t.pix[o+3] = byte(cr>>8), byte(cg>>8), byte(cb>>8), 255
		}
	}
	return t
}

// cutOut makes everything outside of the contour transparent, with a soft edge inside of it.
func cutOut(t *texture, outline [][2]float64) {
	z := vector.NewRasterizer(t.w, t.h)
	for i, p := range outline {
		if i == 0 {
			z.MoveTo(float32(p[0]), float32(p[1]))
		} else {
			z.LineTo(float32(p[0]), float32(p[1]))
		}
	}
	z.ClosePath()
	mask := image.NewAlpha(image.Rect(0, 0, t.w, t.h))
	z.Draw(mask, mask.Bounds(), image.Opaque, image.Point{})
	const soft = 3 // pixels
	for y := range t.h {
		for x := range t.w {
			// The lightest of the neighbourhood mean shrinks and softens the edge at once. The
			// lower border stays: the body goes on below the photo.
			sum, n := 0, 0
			for dy := -soft; dy <= soft; dy++ {
				for dx := -soft; dx <= soft; dx++ {
					px, py := max(0, min(x+dx, t.w-1)), max(0, min(y+dy, t.h-1))
					sum += int(mask.Pix[py*mask.Stride+px])
					n++
				}
			}
			a := 2*sum/n - 255
			t.pix[4*(y*t.w+x)+3] = byte(max(0, min(a, 255)))
		}
	}
}
