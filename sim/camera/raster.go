package camera

import "math"

// texture is an RGBA picture.
type texture struct {
	w, h int
	pix  []byte
}

// vertex is a point of a mesh: where it is, what of the texture lies there, and how it is lit.
type vertex struct {
	x, y, z    float32 // millimetres, camera space
	u, v       float32 // texture pixels
	r, g, b    float32 // light, 1 = as in the texture
	px, py, pz float32 // projected: pixels and 1/z
}

// mesh is a grid of vertices, row by row.
type mesh struct {
	cols, rows int
	v          []vertex
	use        []bool // per cell: something of the texture is in it
}

// canvas is the picture being drawn.
type canvas struct {
	w, h   int
	stride int
	pix    []byte
	depth  []float32 // 1/z, larger is nearer
	f      float32   // focal length, pixels
	adds   bool      // light to what is there, in place of painting
}

// draw projects and paints a mesh.
func (c *canvas) draw(m *mesh, t *texture) {
	cx, cy := float32(c.w)/2, float32(c.h)/2
	for i := range m.v {
		p := &m.v[i]
		if p.z < 100 { // behind or at the lens
			p.pz = 0
			continue
		}
		p.pz = 1 / p.z
		p.px, p.py = cx+c.f*p.x*p.pz, cy+c.f*p.y*p.pz
	}
	for j := range m.rows - 1 {
		for i := range m.cols - 1 {
			if !m.use[j*(m.cols-1)+i] {
				continue
			}
			a, b := &m.v[j*m.cols+i], &m.v[j*m.cols+i+1]
			d, e := &m.v[(j+1)*m.cols+i], &m.v[(j+1)*m.cols+i+1]
			if a.pz == 0 || b.pz == 0 || d.pz == 0 || e.pz == 0 {
				continue
			}
			c.triangle(a, b, e, t)
			c.triangle(a, e, d, t)
		}
	}
}

// triangle paints one triangle: affine in the picture, which is near enough to perspective for the
// small triangles of a mesh. Both windings are painted.
func (c *canvas) triangle(p, q, s *vertex, t *texture) {
	x0, y0, x1, y1, x2, y2 := p.px, p.py, q.px, q.py, s.px, s.py
	area := (x1-x0)*(y2-y0) - (x2-x0)*(y1-y0)
	if area > -1e-3 && area < 1e-3 {
		return
	}
	top := max(0, int(math.Ceil(float64(min(y0, y1, y2)-0.5))))
	bottom := min(c.h-1, int(math.Ceil(float64(max(y0, y1, y2)-0.5)))-1)
	if top > bottom {
		return
	}
	// Attributes are linear in x and y.
	inv := 1 / area
	grad := func(a0, a1, a2 float32) (dx, dy float32) {
		d1, d2 := a1-a0, a2-a0
		return (d1*(y2-y0) - d2*(y1-y0)) * inv, (d2*(x1-x0) - d1*(x2-x0)) * inv
	}
	const one = 1 << 16
	near := float32(1)
	if c.adds {
		near = 0.998 // the same surface
	}
	ux, uy := grad(p.u, q.u, s.u)
	vx, vy := grad(p.v, q.v, s.v)
	zx, zy := grad(p.pz, q.pz, s.pz)
	rx, ry := grad(p.r, q.r, s.r)
	gx, gy := grad(p.g, q.g, s.g)
	bx, by := grad(p.b, q.b, s.b)
	dux, dvx := int32(ux*one), int32(vx*one)
	drx, dgx, dbx := int32(rx*one), int32(gx*one), int32(bx*one)
	maxU, maxV := int32(t.w-1)<<16-1, int32(t.h-1)<<16-1
	for y := top; y <= bottom; y++ {
		fy := float32(y) + 0.5
		lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
		edge := func(ax, ay, bx, by float32) {
			if ay > by {
				ax, ay, bx, by = bx, by, ax, ay
			}
			if fy < ay || fy >= by {
				return
			}
			x := ax + (fy-ay)*(bx-ax)/(by-ay)
			lo, hi = min(lo, x), max(hi, x)
		}
		edge(x0, y0, x1, y1)
		edge(x1, y1, x2, y2)
		edge(x2, y2, x0, y0)
		if lo > hi {
			continue
		}
		left := max(0, int(math.Ceil(float64(lo-0.5))))
		right := min(c.w-1, int(math.Ceil(float64(hi-0.5)))-1)
		if left > right {
			continue
		}
		dx, dy := float32(left)+0.5-x0, fy-y0
		u := int32((p.u + dx*ux + dy*uy) * one)
		v := int32((p.v + dx*vx + dy*vy) * one)
		z := p.pz + dx*zx + dy*zy
		lr := int32((p.r + dx*rx + dy*ry) * one)
		lg := int32((p.g + dx*gx + dy*gy) * one)
		lb := int32((p.b + dx*bx + dy*by) * one)
		out := c.pix[y*c.stride+3*left:]
		depth := c.depth[y*c.w+left : y*c.w+right+1]
		for i := range depth {
			if z >= depth[i]*near {
				cu, cv := max(0, min(u, maxU)), max(0, min(v, maxV))
				o := 4 * (int(cv>>16)*t.w + int(cu>>16))
				a := t.pix[o : o+8 : o+8]
				b := t.pix[o+4*t.w : o+4*t.w+8 : o+4*t.w+8]
				wx, wy := uint32(cu>>8)&255, uint32(cv>>8)&255
				w11 := wx * wy
				w10 := wy<<8 - w11
				w01 := wx<<8 - w11
				w00 := 1<<16 - wx<<8 - wy<<8 + w11
				alpha := (w00*uint32(a[3]) + w01*uint32(a[7]) + w10*uint32(b[3]) + w11*uint32(b[7])) >> 16
				if c.adds {
					if p := out[3*i : 3*i+3 : 3*i+3]; alpha > 127 {
						p[0], p[1], p[2] = plus(p[0], lr), plus(p[1], lg), plus(p[2], lb)
					}
				} else if alpha > 8 {
					r := shade((w00*uint32(a[0])+w01*uint32(a[4])+w10*uint32(b[0])+w11*uint32(b[4]))>>8, lr)
					g := shade((w00*uint32(a[1])+w01*uint32(a[5])+w10*uint32(b[1])+w11*uint32(b[5]))>>8, lg)
					bl := shade((w00*uint32(a[2])+w01*uint32(a[6])+w10*uint32(b[2])+w11*uint32(b[6]))>>8, lb)
					p := out[3*i : 3*i+3 : 3*i+3]
					if alpha >= 250 {
						p[0], p[1], p[2] = r, g, bl
						depth[i] = z
					} else {
						p[0] = blend(p[0], r, alpha)
						p[1] = blend(p[1], g, alpha)
						p[2] = blend(p[2], bl, alpha)
						if alpha > 127 {
							depth[i] = z
						}
					}
				}
			}
			u += dux
			v += dvx
			z += zx
			lr += drx
			lg += dgx
			lb += dbx
		}
	}
}

// shade multiplies an 8.8 colour with 16.16 light.
func shade(c uint32, light int32) byte {
	if light < 0 {
		return 0
	}
	return byte(min((c>>4*uint32(light>>6)+1<<13)>>14, 255))
}

func blend(under, over byte, alpha uint32) byte {
	return byte((uint32(under)*(255-alpha) + uint32(over)*alpha + 127) / 255)
}
