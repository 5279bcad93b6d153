package facematch

import "math"

// What followed pixels must show, to tell a sheet from a head.
const (
	leastPatches = 60    // that were followed
	leastNose    = 8     // of them on the nose
	leastShare   = 0.65  // of those that could be: what turns and loses more has depth, or is not there any more
	leastEyes    = 16.0  // pixels of the picture between the eyes
	leastChange  = 0.008 // eye distances beside a similarity
	overFree     = 1.7   // times what following is wrong by
	leastViews   = 2     // pictures
	mostViews    = 32    // of a capture, that are looked at
	// Parts of the change of shape. Heads of the simulated camera leave more than 0.60 beside a plane and 0.26 beside a
	// bent sheet, sheets less than 0.35 and 0.19.
	flatPart  = 0.45
	bentPart  = 0.22
	solidHead = 1.15 // times both, from which it is a head
	// What following is wrong by shows in the fit of fewer terms than in that of a free relief.
	freePlane = 1.35
	freeRuled = 1.2
)

// view is what followed patches differ by in two crops, in eye distances, beside: a similarity; a homography (a flat
// sheet); a relief that is straight along one direction and curved across it (a sheet that is bent any way); any smooth
// relief at all, which leaves what following is wrong by.
type view struct {
	patches, followed, nose    int
	similar, plane, bent, free float64
}

// sees says whether so much of a face was followed that a change of its shape would be seen.
func (v *view) sees() bool {
	return v.followed >= leastPatches && v.nose >= leastNose && float64(v.followed) >= leastShare*float64(v.patches)
}

// tells says whether there was such a change.
func (v *view) tells() bool {
	return v.sees() && v.similar >= leastChange && v.similar >= overFree*v.free
}

// solid sums up what views tell.
type solid struct {
	base                 crop
	has                  bool
	looked, seen, views  int
	similar, plane, bent float64 // sums of squares, less what following is wrong by
}

// forget overwrites it.
func (s *solid) forget() { *s = solid{} }

// begin keeps the face that others are compared with.
func (s *solid) begin(img *Image, pts *[68]Point) {
	s.forget()
	s.has = s.base.cut(img, pts)
}

// look compares a face with the first one.
func (s *solid) look(f *follower, img *Image, pts *[68]Point) {
	if !s.has || s.looked >= mostViews || !f.now.cut(img, pts) {
		return
	}
	s.looked++
	if v, ok := f.view(&s.base, &f.now); ok {
		s.add(&v)
	}
}

func (s *solid) add(v *view) {
	if v.sees() {
		s.seen++
	}
	if !v.tells() {
		return
	}
	q := v.free * v.free
	s.views++
	s.similar += v.similar*v.similar - freePlane*q
	s.plane += math.Max(0, v.plane*v.plane-freePlane*q)
	s.bent += math.Max(0, v.bent*v.bent-freeRuled*q)
}

// sees tells whether pixels were followed well, so that points need not be asked what did not change.
func (s *solid) sees() bool { return s.seen >= minHeld }

// sheet tells whether what was seen is a sheet, flat or bent, and how near it came to be none: below 1.
func (s *solid) sheet() (part float64, is bool) {
	if s.views < leastViews || s.similar <= 0 {
		return 0, false
	}
	part = math.Min(math.Sqrt(s.plane/s.similar)/flatPart, math.Sqrt(s.bent/s.similar)/bentPart)
	return part, part < 1
}

// head tells whether what was seen is neither a flat nor a bent sheet by far.
func (s *solid) head() bool {
	part, sheet := s.sheet()
	return !sheet && part >= solidHead
}

// view follows the patches of a into b and fits the four models to where they went.
func (f *follower) view(a, b *crop) (v view, ok bool) {
	if a.shown < leastEyes || b.shown < leastEyes || !f.follow(a, b) {
		return v, false
	}
	v.patches = f.n
	var x, y, u, w float64
	for i := range f.patches[:f.n] {
		if p := &f.patches[i]; p.ok {
			pu, pv := f.h.apply(float64(p.x)+p.dx, float64(p.y)+p.dy)
			x, y, u, w = x+float64(p.x), y+float64(p.y), u+pu, w+pv
			v.followed++
			if p.nose {
				v.nose++
			}
		}
	}
	if v.followed < leastPatches {
		return v, false
	}
	n := float64(v.followed)
	x, y, u, w = x/n, y/n, u/n, w/n
	v.similar = f.beside(x, y, u, w) / a.eyes
	v.plane, v.bent, v.free = math.Sqrt(f.besidePlane(x, y)/n)/a.eyes, math.Sqrt(f.besideBent(x, y)/n)/a.eyes, math.Sqrt(f.besideFree(x, y)/n)/a.eyes
	return v, true
}

// beside is what a similarity leaves, root of the mean square in pixels of the base; (x, y) and (u, w) are the means.
func (f *follower) beside(x, y, u, w float64) float64 {
	var n, along, across, from, to float64
	for i := range f.patches[:f.n] {
		if p := &f.patches[i]; p.ok {
			pu, pw := f.h.apply(float64(p.x)+p.dx, float64(p.y)+p.dy)
			px, py := float64(p.x)-x, float64(p.y)-y
			pu, pw = pu-u, pw-w
			along, across = along+px*pu+py*pw, across+px*pw-py*pu
			from, to = from+px*px+py*py, to+pu*pu+pw*pw
			n++
		}
	}
	scale2 := (along*along + across*across) / (from * from)
	if !(scale2 > 0) {
		return 0
	}
	return math.Sqrt(math.Max(0, to/scale2-from) / n)
}

// Terms of the fits. Coordinates are of the middle of the patches, in fitUnit.
const (
	fitUnit    = 48.0 // pixels
	bentTerms  = 8
	bentTurns  = 12 // directions of half a circle
	freeDegree = 6
	freeTerms  = (freeDegree + 1) * (freeDegree + 2) / 2
)

// besidePlane is the sum of squares that a plane's homography leaves. That of the face points is near to it, so that
// what is left to fit is small: its first order serves.
func (f *follower) besidePlane(x0, y0 float64) float64 {
	var h fit
	h.begin(8)
	for i := range f.patches[:f.n] {
		if p := &f.patches[i]; p.ok {
			x, y := (float64(p.x)-x0)/fitUnit, (float64(p.y)-y0)/fitUnit
			h.row = [freeTerms]float64{1, x, y, 0, 0, 0, x * x, x * y}
			h.add(p.dx, 0)
			h.row = [freeTerms]float64{0, 0, 0, 1, x, y, x * y, y * y}
			h.add(p.dy, 0)
		}
	}
	return h.left()
}

// besideBent is the sum of squares that a sheet bent about the best of some directions leaves. Its generators, straight
// lines, go where they like, and points along one of them keep their order and spacing.
func (f *follower) besideBent(x0, y0 float64) float64 {
	least := math.Inf(1)
	for k := range bentTurns {
		sin, cos := math.Sincos(float64(k) * math.Pi / bentTurns)
		var h fit
		h.begin(bentTerms)
		for i := range f.patches[:f.n] {
			if p := &f.patches[i]; p.ok {
				x, y := (float64(p.x)-x0)/fitUnit, (float64(p.y)-y0)/fitUnit
				u, v := x*cos+y*sin, y*cos-x*sin
				h.row = [freeTerms]float64{1, u, u * u, u * u * u, u * u * u * u, v, v * u, v * u * u}
				h.add(p.dx, p.dy)
			}
		}
		least = math.Min(least, h.left())
	}
	return least
}

// besideFree is the sum of squares that a polynomial of two coordinates leaves.
func (f *follower) besideFree(x0, y0 float64) float64 {
	var h fit
	h.begin(freeTerms)
	for i := range f.patches[:f.n] {
		if p := &f.patches[i]; p.ok {
			x, y := (float64(p.x)-x0)/fitUnit, (float64(p.y)-y0)/fitUnit
			k, px := 0, 1.0
			for a := range freeDegree + 1 {
				t := px
				for range freeDegree + 1 - a {
					h.row[k] = t
					t *= y
					k++
				}
				px *= x
			}
			h.add(p.dx, p.dy)
		}
	}
	return h.left()
}

// fit is a linear least squares fit of two values to the same terms.
type fit struct {
	k   int
	row [freeTerms]float64
	m   [freeTerms][freeTerms + 2]float64 // normal equations, upper triangle, and both right sides
	sum float64                           // of the squares of the values
}

func (h *fit) begin(k int) { h.k = k }

// add takes the values for h.row.
func (h *fit) add(v, w float64) {
	for a, x := range h.row[:h.k] {
		if x == 0 {
			continue
		}
		m := &h.m[a]
		for b := a; b < h.k; b++ {
			m[b] += x * h.row[b]
		}
		m[freeTerms] += x * v
		m[freeTerms+1] += x * w
	}
	h.sum += v*v + w*w
}

// left is the sum of the squares that the fit leaves. Terms that depend on others count once.
func (h *fit) left() float64 {
	left := h.sum
	for a := range h.k {
		p := &h.m[a]
		d := p[a]
		if d < 1e-9 {
			continue
		}
		for b := a + 1; b < h.k; b++ {
			g, q := p[b]/d, &h.m[b]
			for c := b; c < h.k; c++ {
				q[c] -= g * p[c]
			}
			q[freeTerms] -= g * p[freeTerms]
			q[freeTerms+1] -= g * p[freeTerms+1]
		}
		left -= (p[freeTerms]*p[freeTerms] + p[freeTerms+1]*p[freeTerms+1]) / d
	}
	return math.Max(0, left)
}
