package facematch

import (
	"encoding/binary"
	"math"
)

// Crops hold levels of 1/256: rounding them to whole grey levels would move a template by more than the
// arithmetic of two implementations differs.
const level = 1 << 8

// resampler holds the scratch rows of box: one per engine, so that frames allocate nothing.
type resampler struct {
	cols   []uint32 // of one output row: sums of source columns, per channel, whole = 1<<16
	lo, hi []int32  // first and last source column of an output column
	wl, wh []uint32 // their weights, whole = 1<<16
}

const whole = 1 << 16

func (r *resampler) grow(out, cols int) {
	if cap(r.lo) < out {
		r.lo, r.hi = make([]int32, out), make([]int32, out)
		r.wl, r.wh = make([]uint32, out), make([]uint32, out)
	}
	r.lo, r.hi, r.wl, r.wh = r.lo[:out], r.hi[:out], r.wl[:out], r.wh[:out]
	if cap(r.cols) < 3*cols {
		r.wipe()
		r.cols = make([]uint32, 3*cols)
	}
	r.cols = r.cols[:3*cols]
}

func (r *resampler) wipe() { clear(r.cols[:cap(r.cols)]) }

// maxShrink is by how much box averages at most: sums of columns stay below 2^32.
const maxShrink = 100

// box resamples the rectangle (x0, y0) … (x1, y1) of src, in pixel edges, to dw x dh RGB in levels of 1/256.
// What lies outside src is black. It averages over the covered area when shrinking and interpolates
// bilinearly, at pixel centres, when enlarging.
func (r *resampler) box(dst []uint16, dw, dh int, src *Image, x0, y0, x1, y1 float64) {
	sx, sy := (x1-x0)/float64(dw), (y1-y0)/float64(dh)
	if !(sx > 0) || !(sy > 0) || math.IsInf(sx, 0) || math.IsInf(sy, 0) {
		clear(dst[:3*dw*dh])
		return
	}
	if sx < 1 || sy < 1 || sx > maxShrink || sy > maxShrink {
		bilinearBox(dst, dw, dh, src, x0, y0, sx, sy)
		return
	}
	r.grow(dw, src.W)
	first, last := int32(src.W), int32(-1)
	for i := range dw {
		lo, hi, wl, wh := span(x0+float64(i)*sx, x0+float64(i+1)*sx, src.W)
		r.lo[i], r.hi[i], r.wl[i], r.wh[i] = lo, hi, wl, wh
		if lo <= hi {
			first, last = min(first, lo), max(last, hi)
		}
	}
	if last < 0 {
		clear(dst[:3*dw*dh])
		return
	}
	// Sums have 32 bits below the point; a mean has eight.
	norm := 1 / (sx * sy * (1 << 24))
	cols := r.cols[3*first : 3*last+3]
	for j := range dh {
		out := dst[3*dw*j : 3*dw*(j+1)]
		top, bottom, wt, wb := span(y0+float64(j)*sy, y0+float64(j+1)*sy, src.H)
		if bottom < top {
			clear(out)
			continue
		}
		from, to := int(top), int(bottom) // rows that count whole
		if wt != whole {
			from++
		}
		if top == bottom || wb != whole {
			to--
		}
		if top == bottom && wt == whole {
			to = from
		}
		sumRows(cols, src, 3*int(first), from, to)
		if wt != whole {
			addRow(cols, src.Pix[int(top)*src.Stride+3*int(first):], wt)
		}
		if bottom > top && wb != whole {
			addRow(cols, src.Pix[int(bottom)*src.Stride+3*int(first):], wb)
		}
		for i := range dw {
			lo, hi := r.lo[i], r.hi[i]
			if hi < lo {
				out[3*i], out[3*i+1], out[3*i+2] = 0, 0, 0
				continue
			}
			var a, b, c uint64
			p := r.cols[3*lo : 3*hi+3]
			if len(p) >= 6 {
				for k := 3; k < len(p)-5; k += 3 {
					a += uint64(p[k])
					b += uint64(p[k+1])
					c += uint64(p[k+2])
				}
				q := p[len(p)-3:]
				wl, wh := uint64(r.wl[i]), uint64(r.wh[i])
				a = a<<16 + wl*uint64(p[0]) + wh*uint64(q[0])
				b = b<<16 + wl*uint64(p[1]) + wh*uint64(q[1])
				c = c<<16 + wl*uint64(p[2]) + wh*uint64(q[2])
			} else {
				wl := uint64(r.wl[i])
				a, b, c = wl*uint64(p[0]), wl*uint64(p[1]), wl*uint64(p[2])
			}
			out[3*i], out[3*i+1], out[3*i+2] = toLevel(a, norm), toLevel(b, norm), toLevel(c, norm)
		}
	}
}

func toLevel(sum uint64, norm float64) uint16 {
	return uint16(min(int64(float64(int64(sum))*norm+.5), 255*level))
}

// sumRows fills cols with the sums of the bytes of rows from … to, from an offset in the row on: eight bytes of
// a row at once, in lanes of 16 bits. There are maxShrink+1 rows at most, so that no lane overflows.
func sumRows(cols []uint32, src *Image, offset, from, to int) {
	if from > to {
		clear(cols)
		return
	}
	const low = 0x00ff00ff00ff00ff
	k := 0
	for ; k+8 <= len(cols); k += 8 {
		var even, odd uint64
		o := from*src.Stride + offset + k
		for range to - from + 1 {
			v := binary.LittleEndian.Uint64(src.Pix[o:])
			even += v & low
			odd += v >> 8 & low
			o += src.Stride
		}
		c := cols[k : k+8 : k+8]
		c[0], c[1] = uint32(even)<<16, uint32(odd)<<16
		c[2], c[3] = uint32(even)&0xffff0000, uint32(odd)&0xffff0000
		c[4], c[5] = uint32(even>>32)<<16, uint32(odd>>32)<<16
		c[6], c[7] = uint32(even>>32)&0xffff0000, uint32(odd>>32)&0xffff0000
	}
	for ; k < len(cols); k++ {
		var sum uint32
		o := from*src.Stride + offset + k
		for range to - from + 1 {
			sum += uint32(src.Pix[o])
			o += src.Stride
		}
		cols[k] = sum << 16
	}
}

// addRow adds a row that counts in part.
func addRow(cols []uint32, row []byte, weight uint32) {
	row = row[:len(cols)]
	for k, v := range row {
		cols[k] += weight * uint32(v)
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
