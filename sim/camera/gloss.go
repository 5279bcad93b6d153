package camera

import "math"

// Spot is a lamp that is seen mirrored in what is glossy: where it is, camera space, and how large it looks.
type Spot struct {
	X, Y, Z float64 // millimetres
	Size    float64 // degrees from its middle to its edge, from the traveller
}

// SetSpots sets the lamps that glossy things mirror; none is normal.
func (s *Scene) SetSpots(of []Spot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spots = of
}

// Gloss gives a surface a gloss: the light of a mirrored lamp over that of a white sheet, and the width of what it is
// thrown into, degrees. A glossy photo has 3 to 6, glass less than 1, skin 15 to 30.
func (x *Subject) Gloss(level, lobe float64) {
	x.scene.mu.Lock()
	defer x.scene.mu.Unlock()
	x.gloss, x.lobe = level, lobe
}

// mirrored is the light of the lamps that a place with a normal throws to the camera, linear, 1 is a white sheet.
func (x *Subject) mirrored(px, py, pz, nx, ny, nz float32) (sum float32) {
	unit := func(a, b, c float64) (float64, float64, float64) {
		n := math.Sqrt(a*a + b*b + c*c)
		return a / n, b / n, c / n
	}
	vx, vy, vz := unit(-float64(px), -float64(py), -float64(pz))
	ux, uy, uz := unit(float64(nx), float64(ny), float64(nz))
	for _, l := range x.scene.spots {
		lx, ly, lz := unit(l.X-float64(px), l.Y-float64(py), l.Z-float64(pz))
		hx, hy, hz := unit(vx+lx, vy+ly, vz+lz)
		off := 2 * math.Acos(math.Min(1, math.Max(-1, hx*ux+hy*uy+hz*uz))) * 180 / math.Pi
		wide := math.Hypot(x.lobe, l.Size)
		sum += float32(x.gloss * math.Exp(-off*off/(wide*wide)))
	}
	return sum
}

func (x *Subject) glossy() bool { return x.gloss > 0 && len(x.scene.spots) > 0 }

// glow adds what a mesh mirrors to what was drawn of it.
func (x *Subject) glow(m *mesh, t *texture, normal func(i int) (nx, ny, nz float32)) {
	if !x.glossy() {
		return
	}
	for i := range m.v {
		v := &m.v[i]
		nx, ny, nz := normal(i)
		v.r = x.mirrored(v.x, v.y, v.z, nx, ny, nz)
		v.g, v.b = v.r, v.r
	}
	x.scene.canvas.adds = true
	x.scene.canvas.draw(m, t)
	x.scene.canvas.adds = false
}

// plus adds linear light, 16.16, to a coded value.
func plus(p byte, light int32) byte {
	e := linear[p] + float32(light)/65536
	return coded[int(max(0, min(4095, e*4095)))]
}
