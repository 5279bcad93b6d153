package facematch

import (
	"errors"
	"math"
	"slices"
)

// Detector constants of the pack's RFB-320 decoder.
const (
	detectScore = 0.65 // below it a box is not a face
	detectIoU   = 0.4  // above it two boxes are one face
	maxFaces    = 32   // more are not told apart
	maxHits     = 512  // boxes above the score that are looked at
)

// Point is a place in a picture, in pixels.
type Point struct{ X, Y float64 }

// Detection is one face: its score and its square box (side = height of the detector's box).
type Detection struct {
	Score float64
	X, Y  float64 // centre
	Side  float64
}

type hit struct {
	score, x0, y0, x1, y1 float32
}

// detect finds faces. The result lives until the next call.
func (e *Engine) detect(img *Image) ([]Detection, error) {
	return e.detectIn(img, 0, 0, float64(img.W), float64(img.H))
}

// A second look finds a larger face than the first one if it is so many times as large, and takes so much of
// the shorter side: of small faces the size is not known so well.
const (
	largerFace = 1.15
	largePart  = 0.4
)

// detectStill finds faces of a photograph, which may be cut tight: the detector has seen faces with something
// around them, and takes eyes or a mouth for small faces where one fills the picture. It looks again with a
// margin of half the picture around it, and believes that only if it shows a face where there was none, or a
// larger one. A small face within a face is a part of it.
func (e *Engine) detectStill(img *Image) ([]Detection, error) {
	w, h := float64(img.W), float64(img.H)
	wide, err := e.detectIn(img, -w/2, -h/2, 2*w, 2*h)
	if err != nil {
		return nil, err
	}
	var large Detection
	if len(wide) > 0 {
		large = wide[central(wide, img)]
	}
	found, err := e.detect(img) // takes the place of wide
	if err == nil && large.Side >= largePart*math.Min(w, h) && (len(found) == 0 || large.Side >= largerFace*found[central(found, img)].Side) {
		found, err = e.detectIn(img, -w/2, -h/2, 2*w, 2*h)
	}
	if err != nil || len(found) == 0 {
		return found, err
	}
	d := found[central(found, img)]
	return slices.DeleteFunc(found, func(x Detection) bool {
		// The centre of a part lies within; a second head would hide the first one.
		return x.Side < 0.75*d.Side && math.Abs(x.X-d.X) < d.Side/2 && math.Abs(x.Y-d.Y) < d.Side/2
	}), nil
}

// detectIn finds faces in a window of the picture, which may reach over its edges: there it is black.
func (e *Engine) detectIn(img *Image, x0, y0, pw, ph float64) ([]Detection, error) {
	m := e.detector
	// The shorter side is padded with black, at the right or below, to the shape of the input.
	if want := ph * float64(m.w) / float64(m.h); pw < want {
		pw = want
	} else {
		ph = pw * float64(m.h) / float64(m.w)
	}
	e.rs.box(m.crop, m.w, m.h, img, x0, y0, x0+pw, y0+ph)
	if err := m.run(); err != nil {
		return nil, err
	}
	scores, boxes := m.out[0].GetData(), m.out[1].GetData()
	var hits [maxHits]hit
	n := 0
	for i := 0; i < len(scores)/2 && n < maxHits; i++ {
		if s := scores[2*i+1]; s >= detectScore {
			b := boxes[4*i : 4*i+4]
			if h := (hit{s, b[0], b[1], b[2], b[3]}); h.x1 > h.x0 && h.y1 > h.y0 {
				hits[n] = h
				n++
			}
		}
	}
	e.found = e.found[:0]
	for len(e.found) < maxFaces {
		best := -1
		for i := range n {
			if hits[i].score > 0 && (best < 0 || hits[i].score > hits[best].score) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		b := hits[best]
		for i := range n {
			if hits[i].score > 0 && iou(b, hits[i]) > detectIoU {
				hits[i].score = 0
			}
		}
		e.found = append(e.found, Detection{
			Score: float64(b.score),
			X:     x0 + float64(b.x0+b.x1)/2*pw, Y: y0 + float64(b.y0+b.y1)/2*ph,
			Side: float64(b.y1-b.y0) * ph,
		})
	}
	return e.found, nil
}

func iou(a, b hit) float32 {
	w := min(a.x1, b.x1) - max(a.x0, b.x0)
	h := min(a.y1, b.y1) - max(a.y0, b.y0)
	if w <= 0 || h <= 0 {
		return 0
	}
	i := w * h
	return i / ((a.x1-a.x0)*(a.y1-a.y0) + (b.x1-b.x0)*(b.y1-b.y0) - i)
}

// square resamples the square crop of a model round the face.
func (e *Engine) square(m *model, img *Image, d Detection) (x0, y0, side float64) {
	side = d.Side * m.m.Crop.Scale
	x0, y0 = d.X-side/2, d.Y-side/2
	if m.m.Crop.Inside {
		side = math.Min(side, math.Min(float64(img.W), float64(img.H)))
		x0 = math.Max(0, math.Min(d.X-side/2, float64(img.W)-side))
		y0 = math.Max(0, math.Min(d.Y-side/2, float64(img.H)-side))
	}
	e.rs.box(m.crop, m.w, m.h, img, x0, y0, x0+side, y0+side)
	return x0, y0, side
}

// landmarks finds the 68 points (iBUG order) of a face.
func (e *Engine) landmarks(img *Image, d Detection, pts *[68]Point) error {
	m := e.marks
	x0, y0, side := e.square(m, img, d)
	if err := m.run(); err != nil {
		return err
	}
	out := m.out[0].GetData()
	for i := range pts {
		x, y := float64(out[2*i]), float64(out[2*i+1])
		if math.IsNaN(x) || math.IsNaN(y) {
			return errPoints
		}
		pts[i] = Point{x0 + x*side, y0 + y*side}
	}
	return nil
}

// fivePoints are the eye centres, nose tip and mouth corners that alignment takes.
func fivePoints(p *[68]Point) [5]Point {
	mean := func(i ...int) (m Point) {
		for _, k := range i {
			m.X += p[k].X
			m.Y += p[k].Y
		}
		return Point{m.X / float64(len(i)), m.Y / float64(len(i))}
	}
	return [5]Point{mean(37, 38, 40, 41), mean(43, 44, 46, 47), p[30], mean(48, 60), mean(54, 64)}
}

// similarity is the least-squares similarity (4 parameters) that maps the template onto the points:
// from a pixel of the aligned crop to a pixel of the picture.
func similarity(template [5][2]float64, pts [5]Point) (affine, bool) {
	var mx, my, tx, ty float64
	for i, p := range pts {
		mx, my = mx+p.X/5, my+p.Y/5
		tx, ty = tx+template[i][0]/5, ty+template[i][1]/5
	}
	// The map is fitted picture → template, as the models were trained, and inverted.
	var a, b, n float64
	for i, p := range pts {
		px, py := p.X-mx, p.Y-my
		qx, qy := template[i][0]-tx, template[i][1]-ty
		a += px*qx + py*qy
		b += px*qy - py*qx
		n += px*px + py*py
	}
	if n < 1 {
		return affine{}, false
	}
	a, b = a/n, b/n
	det := a*a + b*b
	if det < 1e-6 {
		return affine{}, false
	}
	ia, ib := a/det, b/det
	return affine{
		a: ia, b: ib, c: mx - ia*tx - ib*ty,
		d: -ib, e: ia, f: my + ib*tx - ia*ty,
	}, true
}

// errPoints says that what the landmark model found is no face.
var errPoints = errors.New("facematch: face points do not span a face")

// align fills the embedder's crop.
func (e *Engine) align(img *Image, five [5]Point) error { return alignTo(e.embedder, img, five) }

// alignTo fills the aligned crop of a model.
func alignTo(m *model, img *Image, five [5]Point) error {
	t, ok := similarity(m.m.Align.Points, five)
	if !ok {
		return errPoints
	}
	n := int(math.Ceil(math.Hypot(t.a, t.b) - 0.05))
	warp(m.crop, m.w, m.h, img, t, n)
	return nil
}

// embed makes the template of an aligned crop.
func (e *Engine) embed(crop []uint16, dst []float32) error {
	m := e.embedder
	if len(crop) != len(m.crop) {
		return errors.New("facematch: crop of the wrong size")
	}
	if &crop[0] != &m.crop[0] {
		copy(m.crop, crop)
	}
	if err := m.run(); err != nil {
		return err
	}
	out := m.out[0].GetData()
	var n float64
	for _, v := range out {
		n += float64(v) * float64(v)
	}
	n = math.Sqrt(n)
	if !(n > 1e-6) || math.IsInf(n, 0) {
		return errors.New("facematch: template has no length")
	}
	for i, v := range out {
		dst[i] = float32(float64(v) / n)
	}
	return nil
}

// cosine of two templates of length one.
func cosine(a, b []float32) float64 {
	var s float64
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}

// live is the texture model's probability that the crop shows a live face.
func (e *Engine) live(crop []uint16) (float64, error) {
	m := e.pad
	if &crop[0] != &m.crop[0] {
		copy(m.crop, crop)
	}
	if err := m.run(); err != nil {
		return 0, err
	}
	return softmaxAt(m.out[0].GetData(), m.m.Outputs[0].Index), nil
}

func softmaxAt(v []float32, k int) float64 {
	top := v[0]
	for _, x := range v {
		top = max(top, x)
	}
	var sum float64
	for _, x := range v {
		sum += math.Exp(float64(x - top))
	}
	return math.Exp(float64(v[k]-top)) / sum
}

// Pose is the attitude of the head in degrees.
type Pose struct{ Yaw, Pitch, Roll float64 }

// headPose runs the pose model; roll comes from the eye line, which is better.
func (e *Engine) headPose(img *Image, d Detection, five [5]Point) (Pose, error) {
	m := e.pose
	e.square(m, img, d)
	if err := m.run(); err != nil {
		return Pose{}, err
	}
	return Pose{Yaw: binAngle(m.out[0].GetData()), Pitch: binAngle(m.out[1].GetData()), Roll: eyeLine(five)}, nil
}

// eyeLine is the roll, degrees.
func eyeLine(five [5]Point) float64 {
	return math.Atan2(five[1].Y-five[0].Y, five[1].X-five[0].X) * 180 / math.Pi
}

// binAngle decodes 66 bins of 3 degrees from -99.
func binAngle(v []float32) float64 {
	top := v[0]
	for _, x := range v {
		top = max(top, x)
	}
	var sum, mean float64
	for i, x := range v {
		w := math.Exp(float64(x - top))
		sum += w
		mean += float64(i) * w
	}
	return 3*mean/sum - 99
}

// eyesOpen gives the smaller probability that an eye is open and the mean eye aspect ratio.
func (e *Engine) eyesOpen(img *Image, p *[68]Point) (open, ear float64, err error) {
	m := e.eye
	open = 1
	for _, k := range [2]int{36, 42} {
		w := math.Hypot(p[k+3].X-p[k].X, p[k+3].Y-p[k].Y)
		if w < 1 {
			return 0, 0, nil
		}
		ear += (math.Hypot(p[k+1].X-p[k+5].X, p[k+1].Y-p[k+5].Y) + math.Hypot(p[k+2].X-p[k+4].X, p[k+2].Y-p[k+4].Y)) / (4 * w)
		var c Point
		for i := range 6 {
			c.X, c.Y = c.X+p[k+i].X/6, c.Y+p[k+i].Y/6
		}
		side := w * m.m.Crop.Scale
		e.rs.box(m.crop, m.w, m.h, img, c.X-side/2, c.Y-side/2, c.X+side/2, c.Y+side/2)
		if err := m.run(); err != nil {
			return 0, 0, err
		}
		open = math.Min(open, softmaxAt(m.out[0].GetData(), m.m.Outputs[0].Index))
	}
	return open, ear, nil
}
