package facematch

import "math"

// resampler holds the scratch rows of box: one per engine, so that frames allocate nothing.
type resampler struct {
	acc    []uint32
	lo, hi []int32  // first and last source column of an output column
	wl, wh []uint32 // their weights, 256 = whole
}

func (r *resampler) grow(n int) {
	if cap(r.lo) < n {
		r.lo, r.hi = make([]int32, n), make([]int32, n)
		r.wl, r.wh = make([]uint32, n), make([]uint32, n)
		r.acc = make([]uint32, 3*n)
	}
	r.lo, r.hi, r.wl, r.wh, r.acc = r.lo[:n], r.hi[:n], r.wl[:n], r.wh[:n], r.acc[:3*n]
}

func (r *resampler) wipe() { clear(r.acc[:cap(r.acc)]) }

// box resamples the rectangle (x0, y0) … (x1, y1) of src, in pixel edges, to dw x dh RGB. What lies
// outside src is black. It averages over the covered area when shrinking and interpolates
// bilinearly, at pixel centres, when enlarging.
func (r *resampler) box(dst []byte, dw, dh int, src *Image, x0, y0, x1, y1 float64) {
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
	// A row sum of 256·sx·255 at most becomes an 8.8 value by one multiplication.
	norm := uint64(math.Round(float64(1<<24) / (256 * sx)))
	normY := uint64(math.Round(float64(1<<24) / (256 * sy)))
	for j := range dh {
		clear(r.acc)
		top, bottom, wt, wb := span(y0+float64(j)*sy, y0+float64(j+1)*sy, src.H)
		for y := top; y <= bottom; y++ {
			w := uint32(256)
			if y == top {
				w = wt
			} else if y == bottom {
				w = wb
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
					a = a<<8 + wl*uint32(inner[0]) + wh*uint32(inner[n-3])
					b = b<<8 + wl*uint32(inner[1]) + wh*uint32(inner[n-2])
					c = c<<8 + wl*uint32(inner[2]) + wh*uint32(inner[n-1])
				} else {
					wl := r.wl[i]
					a, b, c = wl*uint32(inner[0]), wl*uint32(inner[1]), wl*uint32(inner[2])
				}
				r.acc[3*i] += w * uint32(uint64(a)*norm>>16)
				r.acc[3*i+1] += w * uint32(uint64(b)*norm>>16)
				r.acc[3*i+2] += w * uint32(uint64(c)*norm>>16)
			}
		}
		out := dst[3*dw*j : 3*dw*(j+1)]
		for i, v := range r.acc {
			out[i] = byte(min((uint64(v)*normY+1<<31)>>32, 255))
		}
	}
}

// span gives the source cells lo … hi that [a, b) touches and the weights of the first and last, in
// 1/256, clipped to 0 … n-1. An empty span has hi < lo. When lo == hi only the first weight counts.
func span(a, b float64, n int) (lo, hi int32, wl, wh uint32) {
	ca, cb := math.Max(a, 0), math.Min(b, float64(n))
	if cb-ca < 1e-9 {
		return 0, -1, 0, 0
	}
	l := math.Floor(ca)
	h := math.Ceil(cb) - 1
	if l >= h {
		return int32(l), int32(l), uint32(math.Round(256 * (cb - ca))), 0
	}
	return int32(l), int32(h), uint32(math.Round(256 * (l + 1 - ca))), uint32(math.Round(256 * (cb - h)))
}

func bilinearBox(dst []byte, dw, dh int, src *Image, x0, y0, sx, sy float64) {
	warp(dst, dw, dh, src, affine{a: sx, c: x0 + sx/2 - 0.5, e: sy, f: y0 + sy/2 - 0.5}, max(1, min(4, int(math.Ceil(math.Max(sx, sy))))))
}

// affine maps an output pixel centre (x, y) to source pixel centres: X = a·x + b·y + c, Y = d·x + e·y + f.
type affine struct{ a, b, c, d, e, f float64 }

// warp resamples src by m with n x n bilinear samples a pixel. What lies outside is black.
func warp(dst []byte, dw, dh int, src *Image, m affine, n int) {
	const one = 1 << 16
	n = max(1, min(n, 8))
	fix := func(v float64) int64 { return int64(math.Round(v * one)) }
	round := uint32(n * n / 2)
	area := uint32(n * n)
	sub := 1 / float64(n)
	dxX, dxY := fix(m.a*sub), fix(m.d*sub)
	lastX, lastY := int64(src.W-1), int64(src.H-1)
	for y := range dh {
		for x := range dw {
			var r, g, b uint32
			for j := range n {
				oy := float64(y) + (float64(j)+0.5)*sub - 0.5
				ox := float64(x) + 0.5*sub - 0.5
				fx, fy := fix(m.a*ox+m.b*oy+m.c), fix(m.d*ox+m.e*oy+m.f)
				for range n {
					ix, iy := fx>>16, fy>>16
					wx, wy := uint32(fx>>8)&255, uint32(fy>>8)&255
					fx += dxX
					fy += dxY
					if uint64(ix) < uint64(lastX) && uint64(iy) < uint64(lastY) {
						o := int(iy)*src.Stride + 3*int(ix)
						p, q := src.Pix[o:o+6:o+6], src.Pix[o+src.Stride:o+src.Stride+6:o+src.Stride+6]
						w11 := wx * wy
						w01 := wx<<8 - w11
						w10 := wy<<8 - w11
						w00 := 1<<16 - wx<<8 - wy<<8 + w11
						r += (w00*uint32(p[0]) + w01*uint32(p[3]) + w10*uint32(q[0]) + w11*uint32(q[3]) + 1<<15) >> 16
						g += (w00*uint32(p[1]) + w01*uint32(p[4]) + w10*uint32(q[1]) + w11*uint32(q[4]) + 1<<15) >> 16
						b += (w00*uint32(p[2]) + w01*uint32(p[5]) + w10*uint32(q[2]) + w11*uint32(q[5]) + 1<<15) >> 16
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
			dst[o], dst[o+1], dst[o+2] = byte((r+round)/area), byte((g+round)/area), byte((b+round)/area)
		}
	}
}

// edgeSample is the slow path of warp along the border: missing neighbours are black.
func edgeSample(src *Image, ix, iy int64, wx, wy uint32) (r, g, b uint32) {
	for k := range 4 {
		x, y := ix+int64(k&1), iy+int64(k>>1)
		if x < 0 || y < 0 || x >= int64(src.W) || y >= int64(src.H) {
			continue
		}
		w := 256 - wx
		if k&1 == 1 {
			w = wx
		}
		if k>>1 == 1 {
			w *= wy
		} else {
			w *= 256 - wy
		}
		o := int(y)*src.Stride + 3*int(x)
		r += w * uint32(src.Pix[o])
		g += w * uint32(src.Pix[o+1])
		b += w * uint32(src.Pix[o+2])
	}
	return (r + 1<<15) >> 16, (g + 1<<15) >> 16, (b + 1<<15) >> 16
}
