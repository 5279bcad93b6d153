package facematch

import "math"

// homographyResidual fits a homography from one set of face points to another by least squares and
// returns the root mean square of what remains, in eye distances of the second set. The points of a
// flat sheet, however it is turned, move by a homography; those of a head do not, because nose, brow
// and jaw lie at different depths.
func homographyResidual(from, to *[68]Point) (float64, bool) {
	r, _, ok := fitHomography(from, to)
	return r, ok
}

// rigidResidual is the same of a similarity: what two sets of face points differ by beside place, size and roll.
func rigidResidual(from, to *[68]Point) (float64, bool) {
	nf, ok1 := normaliser(from)
	nt, ok2 := normaliser(to)
	if !ok1 || !ok2 {
		return 0, false
	}
	var a, b, n float64
	for i := range from {
		x, y := nf.apply(from[i])
		u, v := nt.apply(to[i])
		a, b, n = a+x*u+y*v, b+x*v-y*u, n+x*x+y*y
	}
	a, b = a/n, b/n
	var sum float64
	for i := range from {
		x, y := nf.apply(from[i])
		u, v := nt.apply(to[i])
		du, dv := a*x-b*y-u, b*x+a*y-v
		sum += du*du + dv*dv
	}
	return math.Sqrt(sum/68) * nt.scale / nt.eyes, true
}

// relief is what two sets of face points differ by, in eye distances: beside a similarity, and beside a homography.
// Of what a turn does to a sheet a homography explains most; of what it does to a head, less than half.
type relief struct{ rigid, plane float64 }

func reliefBetween(from, to *[68]Point) (r relief, ok bool) {
	var ok1, ok2 bool
	r.rigid, ok1 = rigidResidual(from, to)
	r.plane, ok2 = homographyResidual(from, to)
	return r, ok1 && ok2 && r.rigid > 0
}

// part is what a homography leaves of the difference, 0 … 1.
func (r relief) part() float64 { return r.plane / r.rigid }

// fitHomography also returns the horizontal perspective term, per pixel: the sine of the yaw between
// the two, over the focal length, if the points lie on a plane that faced the camera at first.
// Positive where the plane's right half (in the picture) moved away.
func fitHomography(from, to *[68]Point) (residual, perspective float64, ok bool) {
	nf, ok1 := normaliser(from)
	nt, ok2 := normaliser(to)
	if !ok1 || !ok2 {
		return 0, 0, false
	}
	var pairs [68][4]float64
	for i := range from {
		p := &pairs[i]
		p[0], p[1] = nf.apply(from[i])
		p[2], p[3] = nt.apply(to[i])
	}
	var h homography
	if !h.fit(&pairs, 0.1, math.Inf(1)) {
		return 0, 0, false
	}
	var sum float64
	for i := range from {
		x, y, u, v := pairs[i][0], pairs[i][1], pairs[i][2], pairs[i][3]
		w := h[6]*x + h[7]*y + 1
		du, dv := (h[0]*x+h[1]*y+h[2])/w-u, (h[3]*x+h[4]*y+h[5])/w-v
		sum += du*du + dv*dv
	}
	return math.Sqrt(sum/68) * nt.scale / nt.eyes, h[6] / nf.scale, true
}

// homography of a plane, its last element 1.
type homography [8]float64

// fit fits it to pairs (x, y) to (u, v), whose coordinates are of the order of one: normal equations of the direct linear
// transform; two rounds of reweighting turn the algebraic into the geometric distance. It is false where a point's
// depth, 1 for the origin, is not between least and most.
func (h *homography) fit(pairs *[68][4]float64, least, most float64) bool {
	var weight [68]float64
	for i := range weight {
		weight[i] = 1
	}
	for range 3 {
		var m [8][9]float64
		for i, p := range pairs {
			x, y, u, v := p[0], p[1], p[2], p[3]
			for _, r := range [2][9]float64{{x, y, 1, 0, 0, 0, -u * x, -u * y, u}, {0, 0, 0, x, y, 1, -v * x, -v * y, v}} {
				for a := range 8 {
					for b := range 9 {
						m[a][b] += weight[i] * r[a] * r[b]
					}
				}
			}
		}
		if !solve8(&m, (*[8]float64)(h)) {
			return false
		}
		for i, p := range pairs {
			w := h[6]*p[0] + h[7]*p[1] + 1
			if !(w > least && w < most) {
				return false
			}
			weight[i] = 1 / (w * w)
		}
	}
	return true
}

// normalised coordinates keep the equations well conditioned.
type normalised struct{ x, y, scale, eyes float64 }

func (n normalised) apply(p Point) (float64, float64) {
	return (p.X - n.x) / n.scale, (p.Y - n.y) / n.scale
}

func normaliser(p *[68]Point) (n normalised, ok bool) {
	for _, q := range p {
		n.x, n.y = n.x+q.X/68, n.y+q.Y/68
	}
	for _, q := range p {
		n.scale += math.Hypot(q.X-n.x, q.Y-n.y) / 68
	}
	five := fivePoints(p)
	n.eyes = math.Hypot(five[1].X-five[0].X, five[1].Y-five[0].Y)
	return n, n.scale > 1 && n.eyes > 1
}

func solve8(m *[8][9]float64, out *[8]float64) bool {
	for c := range 8 {
		best := c
		for r := c + 1; r < 8; r++ {
			if math.Abs(m[r][c]) > math.Abs(m[best][c]) {
				best = r
			}
		}
		if math.Abs(m[best][c]) < 1e-12 {
			return false
		}
		m[c], m[best] = m[best], m[c]
		for r := c + 1; r < 8; r++ {
			f := m[r][c] / m[c][c]
			for k := c; k < 9; k++ {
				m[r][k] -= f * m[c][k]
			}
		}
	}
	for r := 7; r >= 0; r-- {
		v := m[r][8]
		for k := r + 1; k < 8; k++ {
			v -= m[r][k] * out[k]
		}
		out[r] = v / m[r][r]
	}
	return true
}

// Turn measures. A head of ordinary build has its nose tip 40 mm before the plane of its eyes, which
// lie 63 mm apart.
const noseRelief = 40.0 / 63.0

// noseOffset is how far the nose tip lies beside the middle between the eyes, along the eye line, in
// eye distances: it grows with the sine of the yaw of anything that has a nose, and stays on a sheet.
func noseOffset(p *[68]Point) float64 {
	five := fivePoints(p)
	ex, ey := five[1].X-five[0].X, five[1].Y-five[0].Y
	d2 := ex*ex + ey*ey
	if d2 < 1 {
		return 0
	}
	mx, my := (five[0].X+five[1].X)/2, (five[0].Y+five[1].Y)/2
	return ((five[2].X-mx)*ex + (five[2].Y-my)*ey) / d2
}

// turnBetween is the yaw between two attitudes of what the points show, in degrees, positive when it
// turned to the left of the picture: by what the nose tells, if it has depth, and by what the
// perspective tells, if it is flat. On a head the perspective term follows the relief and not the
// distance: it is meaningless as soon as the nose moves.
func turnBetween(from, to *[68]Point, focal float64) (nose, flat float64) {
	nose = asinDeg((noseOffset(from) - noseOffset(to)) / noseRelief)
	if _, h, ok := fitHomography(from, to); ok {
		flat = asinDeg(-h * focal)
	}
	return nose, flat
}

func asinDeg(s float64) float64 {
	return math.Asin(math.Max(-1, math.Min(1, s))) * 180 / math.Pi
}
