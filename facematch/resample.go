package facematch

import "math"

// Crops hold levels of 1/256: rounding them to whole grey levels would move a template by more than the
// arithmetic of two implementations differs.
const level = 1 << 8

// resampler holds the scratch rows of box: one per engine, so that frames allocate nothing.
type resampler struct {
	acc    []uint64
	lo, hi []int32  // first and last source column of an output column
	wl, wh []uint32 // their weights, whole = 1<<16
}

const whole = 1 << 16

func (r *resampler) grow(n int) {
	if cap(r.lo) < n {
		r.lo, r.hi = make([]int32, n), make([]int32, n)
		r.wl, r.wh = make([]uint32, n), make([]uint32, n)
		r.acc = make([]uint64, 3*n)
	}
	r.lo, r.hi, r.wl, r.wh, r.acc = r.lo[:n], r.hi[:n], r.wl[:n], r.wh[:n], r.acc[:3*n]
}

func (r *resampler) wipe() { clear(r.acc[:cap(r.acc)]) }

// box resamples the rectangle (x0, y0) … (x1, y1) of src, in pixel edges, to dw x dh RGB in levels of 1/256.
// What lies outside src is black. It averages over the covered area when shrinking and interpolates
// bilinearly, at pixel centres, when enlarging.
func (r *resampler) box(dst []uint16, dw, dh int, src *Image, x0, y0, x1, y1 float64) {
	sx, sy := (x1-x0)/float64(dw), (y1-y0)/float64(dh)
	if !(sx > 0) || !(sy > 0) || math.IsInf(sx, 0) || math.IsInf(sy, 0) {
		clear(dst[:3*dw*dh])
		return
	}
	if sx < 1 || sy < 1 || sx > 100 || sy > 100 {
		bilinearBox(dst, dw, dh, src, x0, y0, sx, sy)
		return
	}
	r.grow(dw)
	for i := range dw {
		r.lo[i], r.hi[i], r.wl[i], r.wh[i] = span(x0+float64(i)*sx, x0+float64(i+1)*sx, src.W)
	}
	// A row sum of 65536·sx·255 at most, below 2^32, becomes an 8.16 mean by one multiplication.
	norm := uint64(math.Round(float64(1<<32) / sx))
	normY := uint64(math.Round(float64(1<<24) / sy))
	for j := range dh {
		clear(r.acc)
		top, bottom, wt, wb := span(y0+float64(j)*sy, y0+float64(j+1)*sy, src.H)
		for y := top; y <= bottom; y++ {
			w := uint64(whole)
			if y == top {
				w = uint64(wt)
			} else if y == bottom {
				w = uint64(wb)
			}
			if w == 0 {
				continue
			}
			row := src.Pix[int(y)*src.Stride : int(y)*src.Stride+3*src.W]
			for i := range dw {
				lo, hi := r.lo[i], r.hi[i]
				if hi < lo {
					continue
				}
				var a, b, c uint32
				if inner := row[3*lo : 3*hi+3]; len(inner) >= 6 {
					for k := 3; k < len(inner)-5; k += 3 {
						a += uint32(inner[k])
						b += uint32(inner[k+1])
						c += uint32(inner[k+2])
					}
					n := len(inner)
					wl, wh := r.wl[i], r.wh[i]
					a = a<<16 + wl*uint32(inner[0]) + wh*uint32(inner[n-3])
					b = b<<16 + wl*uint32(inner[1]) + wh*uint32(inner[n-2])
					c = c<<16 + wl*uint32(inner[2]) + wh*uint32(inner[n-1])
				} else {
					wl := r.wl[i]
					a, b, c = wl*uint32(inner[0]), wl*uint32(inner[1]), wl*uint32(inner[2])
				}
				r.acc[3*i] += w * (uint64(a) * norm >> 32)
				r.acc[3*i+1] += w * (uint64(b) * norm >> 32)
				r.acc[3*i+2] += w * (uint64(c) * norm >> 32)
			}
		}
		out := dst[3*dw*j : 3*dw*(j+1)]
		for i, v := range r.acc {
			out[i] = uint16(min((v>>16*normY+1<<31)>>32, 255*level))
		}
	}
}

// span gives the source cells lo … hi that [a, b) touches and the weights of the first and last,
// clipped to 0 … n-1. An empty span has hi < lo. When lo == hi only the first weight counts.
func span(a, b float64, n int) (lo, hi int32, wl, wh uint32) {
	ca, cb := math.Max(a, 0), math.Min(b, float64(n))
	if cb-ca < 1e-9 {
		return 0, -1, 0, 0
	}
	l := math.Floor(ca)
	h := math.Ceil(cb) - 1
	if l >= h {
		return int32(l), int32(l), uint32(math.Round(whole * (cb - ca))), 0
	}
	return int32(l), int32(h), uint32(math.Round(whole * (l + 1 - ca))), uint32(math.Round(whole * (cb - h)))
}

func bilinearBox(dst []uint16, dw, dh int, src *Image, x0, y0, sx, sy float64) {
	warp(dst, dw, dh, src, affine{a: sx, c: x0 + sx/2 - 0.5, e: sy, f: y0 + sy/2 - 0.5}, max(1, min(4, int(math.Ceil(math.Max(sx, sy))))))
}

// affine maps an output pixel centre (x, y) to source pixel centres: X = a·x + b·y + c, Y = d·x + e·y + f.
type affine struct{ a, b, c, d, e, f float64 }

// warp resamples src by m with n x n bilinear samples a pixel, in levels of 1/256. What lies outside is black.
func warp(dst []uint16, dw, dh int, src *Image, m affine, n int) {
	n = max(1, min(n, 8))
	fix := func(v float64) int64 { return int64(math.Round(v * (1 << 32))) }
	// A sample has 8.32 bits; n x n of them become one level of 1/256.
	scale := 1 / (float64(n*n) * (1 << 24))
	sub := 1 / float64(n)
	dxX, dxY := fix(m.a*sub), fix(m.d*sub)
	lastX, lastY := int64(src.W-1), int64(src.H-1)
	for y := range dh {
		for x := range dw {
			var r, g, b uint64
			for j := range n {
				oy := float64(y) + (float64(j)+0.5)*sub - 0.5
				ox := float64(x) + 0.5*sub - 0.5
				fx, fy := fix(m.a*ox+m.b*oy+m.c), fix(m.d*ox+m.e*oy+m.f)
				for range n {
					ix, iy := fx>>32, fy>>32
					wx, wy := uint64(fx>>16)&0xffff, uint64(fy>>16)&0xffff
					fx += dxX
					fy += dxY
					if uint64(ix) < uint64(lastX) && uint64(iy) < uint64(lastY) {
						o := int(iy)*src.Stride + 3*int(ix)
						p, q := src.Pix[o:o+6:o+6], src.Pix[o+src.Stride:o+src.Stride+6:o+src.Stride+6]
						w11 := wx * wy
						w01 := wx<<16 - w11
						w10 := wy<<16 - w11
						w00 := 1<<32 - wx<<16 - wy<<16 + w11
						r += w00*uint64(p[0]) + w01*uint64(p[3]) + w10*uint64(q[0]) + w11*uint64(q[3])
						g += w00*uint64(p[1]) + w01*uint64(p[4]) + w10*uint64(q[1]) + w11*uint64(q[4])
						b += w00*uint64(p[2]) + w01*uint64(p[5]) + w10*uint64(q[2]) + w11*uint64(q[5])
						continue
					}
					if ix < -1 || iy < -1 || ix > lastX || iy > lastY {
						continue
					}
					er, eg, eb := edgeSample(src, ix, iy, wx, wy)
					r, g, b = r+er, g+eg, b+eb
				}
			}
			o := 3 * (y*dw + x)
			dst[o], dst[o+1], dst[o+2] = uint16(float64(r)*scale+.5), uint16(float64(g)*scale+.5), uint16(float64(b)*scale+.5)
		}
	}
}

// edgeSample is the slow path of warp along the border: missing neighbours are black.
func edgeSample(src *Image, ix, iy int64, wx, wy uint64) (r, g, b uint64) {
	for k := range 4 {
		x, y := ix+int64(k&1), iy+int64(k>>1)
		if x < 0 || y < 0 || x >= int64(src.W) || y >= int64(src.H) {
			continue
		}
		w := whole - wx
		if k&1 == 1 {
			w = wx
		}
		if k>>1 == 1 {
			w *= wy
		} else {
			w *= whole - wy
		}
		o := int(y)*src.Stride + 3*int(x)
		r += w * uint64(src.Pix[o])
		g += w * uint64(src.Pix[o+1])
		b += w * uint64(src.Pix[o+2])
	}
	return r, g, b
}
