package facematch

import "math"

// A face is cut out of a picture as a small grey crop, upright and of one size, so that its pixels can be followed from
// one picture into another. The points of a landmark model draw the nose that a face should have; pixels do not.
const (
	cropSide    = 128 // pixels
	cropUnit    = 36  // pixels for the mean distance of the face points from their middle: 48 between the eyes
	cropSamples = 3   // of the picture for a pixel and a direction, at most
	halfSide    = cropSide / 2
	gridStep    = 7   // pixels between two patches
	maxPatches  = 256 // more than a grid has within a crop
	patchHalf   = 6   // pixels of a patch to either side
	patchSide   = 2*patchHalf + 1
	halfReach   = 5 // pixels of the halved crop that a patch is looked for, 0.2 eye distances
	halfPatch   = 3 // pixels of a patch in the halved crop, to either side
	halfWidth   = 2*halfPatch + 1
	refineMost  = 5    // steps between pixels
	refineFar   = 3.0  // pixels between the first and the last of them
	refineDone  = 0.04 // pixels of a step that ends them
	leastSlope  = 0.7  // grey levels a pixel, in the direction that shows least
	neverAlike  = 0.4  // correlation from which no step helps
	leastAlike  = 0.8  // correlation of a patch with what it was followed to
	alikeHalf   = 0.6  // of the halved crop
	apartMost   = 2.0  // pixels from where the patches around it went
	hullPart    = 0.88 // of the face within which patches lie: its rim is where one surface hides another
	hullBrow    = 0.15 // eye distances above the brows
)

// crop is the grey crop of a face with its points.
type crop struct {
	pix   [cropSide * cropSide]byte
	pts   [68]Point
	eyes  float64 // their distance, pixels of the crop
	shown float64 // the same in pixels of the picture
}

// wipe overwrites the face.
func (c *crop) wipe() {
	if c != nil {
		*c = crop{}
	}
}

// cut takes a face out of a picture. It is false where the points span none.
func (c *crop) cut(img *Image, pts *[68]Point) bool {
	n, ok := normaliser(pts)
	if !ok || img.W < 2 || img.H < 2 || !(n.scale < float64(max(img.W, img.H))) {
		return false
	}
	five := fivePoints(pts)
	ex, ey := (five[1].X-five[0].X)/n.eyes, (five[1].Y-five[0].Y)/n.eyes
	s := n.scale / cropUnit // pixels of the picture for one of the crop
	const mid = cropSide / 2
	for i, p := range pts {
		x, y := p.X-n.x, p.Y-n.y
		c.pts[i] = Point{mid + (x*ex+y*ey)/s, mid + (y*ex-x*ey)/s}
	}
	c.eyes, c.shown = n.eyes/s, n.eyes
	k := max(1, min(cropSamples, int(math.Ceil(s-0.2))))
	// Coordinates of the picture with 16 bits below the point.
	fix := func(v float64) int { return int(math.Round(v * (1 << 16))) }
	step := s / float64(k)
	dx, dy := fix(step*ex), fix(step*ey)
	share := 1 / float32(4*k*k)
	for y := range cropSide {
		row := c.pix[y*cropSide : (y+1)*cropSide]
		sums := [cropSide]int{}
		for j := range k {
			u, v := (-mid-0.5)*s+step/2, (float64(y)-mid-0.5)*s+(float64(j)+0.5)*step
			fx, fy := fix(n.x+u*ex-v*ey), fix(n.y+u*ey+v*ex)
			lx, ly := fx+(cropSide*k-1)*dx, fy+(cropSide*k-1)*dy
			within := min(fx, lx) >= 0 && min(fy, ly) >= 0 && max(fx, lx)>>16 < img.W-1 && max(fy, ly)>>16 < img.H-1
			for x := range sums {
				for range k {
					px, py := fx, fy
					if !within { // beyond the border the border goes on
						px, py = max(0, min(fx, (img.W-1)<<16-1)), max(0, min(fy, (img.H-1)<<16-1))
					}
					if k > 1 {
						sums[x] += img.green4(px, py)
					} else {
						sums[x] += img.grey4(px, py)
					}
					fx, fy = fx+dx, fy+dy
				}
			}
		}
		for x, v := range sums {
			row[x] = byte(float32(v)*share + 0.5)
		}
	}
	c.soften()
	return true
}

// grey4 is four times a grey level between pixels, at (x, y) with 16 bits below the point and a pixel more to the right
// and below.
func (m *Image) grey4(x, y int) int {
	o := (y>>16)*m.Stride + 3*(x>>16)
	p, q := m.Pix[o:o+6:o+6], m.Pix[o+m.Stride:o+m.Stride+6:o+m.Stride+6]
	fx, fy := x>>8&255, y>>8&255
	a, b := int(p[0])+2*int(p[1])+int(p[2]), int(p[3])+2*int(p[4])+int(p[5])
	c, d := int(q[0])+2*int(q[1])+int(q[2]), int(q[3])+2*int(q[4])+int(q[5])
	a, c = a<<8+fx*(b-a), c<<8+fx*(d-c)
	return (a<<8 + fy*(c-a) + 1<<15) >> 16
}

// green4 is the same of green alone, which serves where a mean is taken of several places.
func (m *Image) green4(x, y int) int {
	o := (y>>16)*m.Stride + 3*(x>>16) + 1
	p, q := m.Pix[o:o+4:o+4], m.Pix[o+m.Stride:o+m.Stride+4:o+m.Stride+4]
	fx, fy := x>>8&255, y>>8&255
	a, b, c, d := int(p[0]), int(p[3]), int(q[0]), int(q[3])
	a, c = a<<8+fx*(b-a), c<<8+fx*(d-c)
	return (a<<8 + fy*(c-a) + 1<<13) >> 14
}

// soften averages with the neighbours, 1-2-1: less noise, no steps finer than what is followed.
func (c *crop) soften() {
	for y := range cropSide {
		row := c.pix[y*cropSide : (y+1)*cropSide]
		last := int(row[0])
		for x := 1; x < cropSide-1; x++ {
			v := int(row[x])
			row[x] = byte((last + 2*v + int(row[x+1]) + 2) / 4)
			last = v
		}
	}
	var above [cropSide]int
	for x := range above {
		above[x] = int(c.pix[x])
	}
	for y := 1; y < cropSide-1; y++ {
		row, below := c.pix[y*cropSide:(y+1)*cropSide], c.pix[(y+1)*cropSide:(y+2)*cropSide]
		for x := range row {
			v := int(row[x])
			row[x] = byte((above[x] + 2*v + int(below[x]) + 2) / 4)
			above[x] = v
		}
	}
}

// patch is a place of the base that can be followed, and where it went.
type patch struct {
	x, y   int
	dx, dy float64 // beside where the homography of the face points puts it, pixels of the base
	nose   bool
	ok     bool
}

// follower follows patches of one crop into another. It is scratch space that an engine has once.
type follower struct {
	now          crop
	base, warped [cropSide * cropSide]float32
	halfBase     [halfSide * halfSide]int32
	half         [halfSide * halfSide]int32 // of warped
	sum, square  [(halfSide + 1) * (halfSide + 1)]uint32
	patches      [maxPatches]patch
	n            int // patches of the base
	h            homography
}

// wipe overwrites what is of a face.
func (f *follower) wipe() { *f = follower{} }

// apply is for one between crops: its coordinates are of the middle, in halves of a side.
func (h *homography) apply(x, y float64) (float64, float64) {
	const c = cropSide / 2
	x, y = x/c-1, y/c-1
	w := c / (h[6]*x + h[7]*y + 1)
	return c + (h[0]*x+h[1]*y+h[2])*w, c + (h[3]*x+h[4]*y+h[5])*w
}

// between fits it to the face points of two crops.
func (h *homography) between(from, to *[68]Point) bool {
	const c = cropSide / 2
	var pairs [68][4]float64
	for i := range from {
		pairs[i] = [4]float64{from[i].X/c - 1, from[i].Y/c - 1, to[i].X/c - 1, to[i].Y/c - 1}
	}
	return h.fit(&pairs, 0.3, 3)
}

// follow finds where the patches of a are in b.
func (f *follower) follow(a, b *crop) bool {
	f.n = 0
	if !f.h.between(&a.pts, &b.pts) {
		return false
	}
	f.warp(b)
	for i, v := range a.pix {
		f.base[i] = float32(v)
	}
	f.halve()
	f.place(a)
	for i := range f.patches[:f.n] {
		p := &f.patches[i]
		p.ok = f.coarse(p) && f.refine(p)
	}
	f.agree()
	return true
}

// warp turns b so that it lies on the base, if what it shows is flat.
func (f *follower) warp(b *crop) {
	for y := range cropSide {
		out := f.warped[y*cropSide : (y+1)*cropSide]
		for x := range out {
			u, v := f.h.apply(float64(x), float64(y))
			iu, iv := int(u), int(v)
			if !(u >= 0 && v >= 0) || iu >= cropSide-1 || iv >= cropSide-1 {
				out[x] = 0
				continue
			}
			fu, fv := float32(u-float64(iu)), float32(v-float64(iv))
			o := iv*cropSide + iu
			p, q := b.pix[o:o+2:o+2], b.pix[o+cropSide:o+cropSide+2:o+cropSide+2]
			c, d := float32(p[0]), float32(q[0])
			c, d = c+fu*(float32(p[1])-c), d+fu*(float32(q[1])-d)
			out[x] = c + fv*(d-c)
		}
	}
}

// halve makes both crops half as large, with the sums that a correlation takes.
func (f *follower) halve() {
	const w = halfSide + 1
	for y := range halfSide {
		var sum, square uint32
		for x := range halfSide {
			o := 2*y*cropSide + 2*x
			f.halfBase[y*halfSide+x] = int32(f.base[o] + f.base[o+1] + f.base[o+cropSide] + f.base[o+cropSide+1])
			v := uint32(f.warped[o] + f.warped[o+1] + f.warped[o+cropSide] + f.warped[o+cropSide+1])
			f.half[y*halfSide+x] = int32(v)
			sum, square = sum+v, square+v*v // they may run over: differences do not
			f.sum[(y+1)*w+x+1] = f.sum[y*w+x+1] + sum
			f.square[(y+1)*w+x+1] = f.square[y*w+x+1] + square
		}
	}
}

// place chooses the patches of the base: inside of the face, where there is something to follow in both directions.
func (f *follower) place(a *crop) {
	var hull [27]Point
	var mid Point
	for i := range hull {
		if i < 17 {
			hull[i] = a.pts[i]
		} else {
			hull[i] = a.pts[43-i]
			hull[i].Y -= hullBrow * a.eyes
		}
		mid.X, mid.Y = mid.X+hull[i].X/27, mid.Y+hull[i].Y/27
	}
	for i, p := range hull {
		hull[i] = Point{mid.X + hullPart*(p.X-mid.X), mid.Y + hullPart*(p.Y-mid.Y)}
	}
	const edge = patchHalf + 2
	for y := edge; y < cropSide-edge; y += gridStep {
		for x := edge; x < cropSide-edge; x += gridStep {
			if f.n == maxPatches || !inside(&hull, float64(x), float64(y)) {
				continue
			}
			var xx, xy, yy float32
			for v := y - patchHalf; v <= y+patchHalf; v++ {
				o := v*cropSide + x - patchHalf
				for range patchSide {
					gx, gy := f.base[o+1]-f.base[o-1], f.base[o+cropSide]-f.base[o-cropSide]
					xx, xy, yy = xx+gx*gx, xy+gx*gy, yy+gy*gy
					o++
				}
			}
			least := float64(xx+yy)/2 - math.Hypot(float64(xx-yy)/2, float64(xy))
			if least < 4*leastSlope*leastSlope*patchSide*patchSide {
				continue
			}
			f.patches[f.n] = patch{x: x, y: y, nose: onNose(a, float64(x), float64(y))}
			f.n++
		}
	}
}

// onNose is what stands out of a head most: from the middle of the nose's bridge to below its tip.
func onNose(a *crop, x, y float64) bool {
	return math.Abs(x-a.pts[30].X) < 0.3*a.eyes && y > a.pts[28].Y && y < a.pts[33].Y+0.1*a.eyes
}

func inside(hull *[27]Point, x, y float64) bool {
	in := false
	j := len(hull) - 1
	for i, p := range hull {
		if q := hull[j]; (p.Y > y) != (q.Y > y) && x < (q.X-p.X)*(y-p.Y)/(q.Y-p.Y)+p.X {
			in = !in
		}
		j = i
	}
	return in
}

// coarse looks for a patch in the halved crop, whatever its brightness and contrast.
func (f *follower) coarse(p *patch) bool {
	const k, n = halfPatch, halfWidth * halfWidth
	const w = halfSide + 1
	x0, y0 := p.x/2-k, p.y/2-k
	var t [halfWidth][halfWidth]int32
	var sum, square int64
	for r := range t {
		copy(t[r][:], f.halfBase[(y0+r)*halfSide+x0:])
		for _, v := range t[r] {
			sum, square = sum+int64(v), square+int64(v)*int64(v)
		}
	}
	own := float64(n*square - sum*sum)
	if own <= 0 {
		return false
	}
	best, bx, by := 0.0, 0, 0
	try := func(dx, dy int) {
		x, y := x0+dx, y0+dy
		if x < 0 || y < 0 || x+halfWidth > halfSide || y+halfWidth > halfSide {
			return
		}
		o, e := y*w+x, (y+halfWidth)*w+x
		s := int64(f.sum[e+halfWidth] - f.sum[e] - f.sum[o+halfWidth] + f.sum[o])
		q := int64(f.square[e+halfWidth] - f.square[e] - f.square[o+halfWidth] + f.square[o])
		other := float64(n*q - s*s)
		if other <= 0 {
			return
		}
		var c int32
		for r := range t {
			a, b := &t[r], (*[halfWidth]int32)(f.half[(y+r)*halfSide+x:])
			c += a[0]*b[0] + a[1]*b[1] + a[2]*b[2] + a[3]*b[3] + a[4]*b[4] + a[5]*b[5] + a[6]*b[6]
		}
		// The square of the correlation: its root is monotone.
		if l := float64(n*int64(c) - sum*s); l > 0 {
			if l = l * l / (own * other); l > best {
				best, bx, by = l, dx, dy
			}
		}
	}
	// Every second place, then those around the best one.
	for dy := -halfReach; dy <= halfReach; dy += 2 {
		for dx := -halfReach; dx <= halfReach; dx += 2 {
			try(dx, dy)
		}
	}
	mx, my := bx, by
	for dy := my - 1; dy <= my+1; dy++ {
		for dx := mx - 1; dx <= mx+1; dx++ {
			try(dx, dy)
		}
	}
	p.dx, p.dy = float64(2*bx), float64(2*by)
	return best > alikeHalf*alikeHalf && max(bx, -bx, by, -by) <= halfReach
}

// refine finds the place between pixels: Lucas-Kanade, inverse compositional, whatever brightness and contrast.
func (f *follower) refine(p *patch) bool {
	const n = patchSide * patchSide
	var t, gx, gy, w [n]float32
	var mean, own, xx, xy, yy float32
	i := 0
	for y := p.y - patchHalf; y <= p.y+patchHalf; y++ {
		o := y*cropSide + p.x - patchHalf
		for range patchSide {
			t[i] = f.base[o]
			gx[i], gy[i] = (f.base[o+1]-f.base[o-1])/2, (f.base[o+cropSide]-f.base[o-cropSide])/2
			mean += t[i]
			i++
			o++
		}
	}
	mean /= n
	for i := range t {
		t[i] -= mean
		own += t[i] * t[i]
		xx, xy, yy = xx+gx[i]*gx[i], xy+gx[i]*gy[i], yy+gy[i]*gy[i]
	}
	det := xx*yy - xy*xy
	if !(det > 0) {
		return false
	}
	x0, y0, alike := p.dx, p.dy, 0.0
	for range refineMost {
		px, py := float64(p.x-patchHalf)+p.dx, float64(p.y-patchHalf)+p.dy
		if !(px >= 0 && py >= 0 && px < cropSide-patchSide-1 && py < cropSide-patchSide-1) {
			return false
		}
		ix, iy := int(px), int(py)
		fx, fy := float32(px-float64(ix)), float32(py-float64(iy))
		a, b, c, d := (1-fx)*(1-fy), fx*(1-fy), (1-fx)*fy, fx*fy
		mean = 0
		for y := range patchSide {
			o := (iy+y)*cropSide + ix
			r, q := (*[patchSide + 1]float32)(f.warped[o:]), (*[patchSide + 1]float32)(f.warped[o+cropSide:])
			out := (*[patchSide]float32)(w[y*patchSide:])
			for x := range out {
				v := a*r[x] + b*r[x+1] + c*q[x] + d*q[x+1]
				out[x] = v
				mean += v
			}
		}
		mean /= n
		var other, both float32
		for i, v := range w {
			v -= mean
			w[i] = v
			other, both = other+v*v, both+v*t[i]
		}
		if !(other > 0) {
			return false
		}
		alike = float64(both) / math.Sqrt(float64(other)*float64(own))
		if alike < neverAlike {
			return false
		}
		gain := float32(math.Sqrt(float64(own / other)))
		var ex, ey float32
		for i, v := range w {
			e := t[i] - gain*v
			ex, ey = ex+e*gx[i], ey+e*gy[i]
		}
		mx, my := float64((yy*ex-xy*ey)/det), float64((xx*ey-xy*ex)/det)
		p.dx, p.dy = p.dx+mx, p.dy+my
		if !(math.Hypot(p.dx-x0, p.dy-y0) < refineFar) {
			return false
		}
		if mx*mx+my*my < refineDone*refineDone {
			break
		}
	}
	return alike >= leastAlike
}

// around is where the patches around one went, if there are some.
func (f *follower) around(i int) (dx, dy float64, ok bool) {
	var xs, ys [8]float64
	n, p := 0, &f.patches[i]
	for j := range f.patches[:f.n] {
		q := &f.patches[j]
		if q.ok && j != i && max(q.x-p.x, p.x-q.x, q.y-p.y, p.y-q.y) <= gridStep {
			xs[n], ys[n] = q.dx, q.dy
			n++
		}
	}
	if n < 3 {
		return 0, 0, false
	}
	return middle(xs[:n]), middle(ys[:n]), true
}

// agree drops patches that went elsewhere than those around them, and looks for those that are missing once more where
// the others say.
func (f *follower) agree() {
	for range 2 {
		var drop [maxPatches]bool
		for i := range f.patches[:f.n] {
			if p := &f.patches[i]; p.ok {
				dx, dy, ok := f.around(i)
				drop[i] = !ok || math.Hypot(p.dx-dx, p.dy-dy) > apartMost
			}
		}
		for i := range f.patches[:f.n] {
			f.patches[i].ok = f.patches[i].ok && !drop[i]
		}
		var found [maxPatches]bool
		for i := range f.patches[:f.n] {
			if p := &f.patches[i]; !p.ok {
				if dx, dy, ok := f.around(i); ok {
					p.dx, p.dy = dx, dy
					found[i] = f.refine(p) && math.Hypot(p.dx-dx, p.dy-dy) <= apartMost
				}
			}
		}
		for i := range f.patches[:f.n] {
			f.patches[i].ok = f.patches[i].ok || found[i]
		}
	}
}

// middle is the median of a few values, which it sorts in their place.
func middle(v []float64) float64 {
	for i := range v {
		for j := i; j > 0 && v[j] < v[j-1]; j-- {
			v[j], v[j-1] = v[j-1], v[j]
		}
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
