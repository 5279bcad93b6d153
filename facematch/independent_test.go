package facematch

import (
	"bytes"
	"image"
	_ "image/jpeg"
	"math"
	"slices"
	"testing"

	"egate/sim/faces"
)

// plain is section 7 of the measured reference, written straight down in float64 without anything of this
// package but the runtime's call: no fixed point, no shared buffers, one pixel at a time.
type plain struct {
	t *testing.T
	e *Engine
}

type grid struct {
	w, h int
	pix  [][3]float64 // 0 … 255
}

func gridOf(m *Image) grid {
	g := grid{w: m.W, h: m.H, pix: make([][3]float64, m.W*m.H)}
	for y := range m.H {
		for x := range m.W {
			p := m.Pix[y*m.Stride+3*x:]
			g.pix[y*m.W+x] = [3]float64{float64(p[0]), float64(p[1]), float64(p[2])}
		}
	}
	return g
}

// at is black outside of the picture.
func (g grid) at(x, y int) [3]float64 {
	if x < 0 || y < 0 || x >= g.w || y >= g.h {
		return [3]float64{}
	}
	return g.pix[y*g.w+x]
}

func (g grid) bilinear(x, y float64) (out [3]float64) {
	fx, fy := math.Floor(x), math.Floor(y)
	for k := range 4 {
		w := 1 - math.Abs(x-fx-float64(k&1))
		w *= 1 - math.Abs(y-fy-float64(k>>1))
		p := g.at(int(fx)+k&1, int(fy)+k>>1)
		for c := range 3 {
			out[c] += w * p[c]
		}
	}
	return out
}

// area cuts a rectangle to w x h: the mean over what a pixel covers when shrinking, bilinear when enlarging.
func (g grid) area(w, h int, x0, y0, x1, y1 float64) grid {
	out := grid{w: w, h: h, pix: make([][3]float64, w*h)}
	sx, sy := (x1-x0)/float64(w), (y1-y0)/float64(h)
	for j := range h {
		for i := range w {
			if sx < 1 || sy < 1 {
				out.pix[j*w+i] = g.bilinear(x0+(float64(i)+.5)*sx-.5, y0+(float64(j)+.5)*sy-.5)
				continue
			}
			a, b, c, d := x0+float64(i)*sx, x0+float64(i+1)*sx, y0+float64(j)*sy, y0+float64(j+1)*sy
			var sum [3]float64
			for y := int(math.Floor(c)); float64(y) < d; y++ {
				for x := int(math.Floor(a)); float64(x) < b; x++ {
					k := (math.Min(b, float64(x+1)) - math.Max(a, float64(x))) * (math.Min(d, float64(y+1)) - math.Max(c, float64(y)))
					p := g.at(x, y)
					for c := range 3 {
						sum[c] += k * p[c]
					}
				}
			}
			for c := range 3 {
				sum[c] /= sx * sy
			}
			out.pix[j*w+i] = sum
		}
	}
	return out
}

// run puts a tensor of the planes that f gives through a model.
func (p plain) run(m *model, g grid, planes int, f func(px [3]float64, plane int) float64) [][]float32 {
	p.t.Helper()
	in := m.in.GetData()
	if len(in) != planes*g.w*g.h {
		p.t.Fatalf("a tensor of %d values, not %d", len(in), planes*g.w*g.h)
	}
	for c := range planes {
		for i, px := range g.pix {
			in[c*g.w*g.h+i] = float32(f(px, c))
		}
	}
	if err := m.session.Run(); err != nil {
		p.t.Fatal(err)
	}
	var out [][]float32
	for _, o := range m.out {
		out = append(out, slices.Clone(o.GetData()))
	}
	return out
}

// template is steps 1 to 4.
func (p plain) template(img *Image) []float64 {
	g := gridOf(img)
	// 1. Detect.
	w, h := float64(g.w), float64(g.h)
	if w*3 < h*4 {
		w = h * 4 / 3
	} else {
		h = w * 3 / 4
	}
	out := p.run(p.e.detector, g.area(320, 240, 0, 0, w, h), 3, func(px [3]float64, c int) float64 { return (px[c] - 127) / 128 })
	best, score := -1, float32(0.65)
	for i := range 4420 {
		// One large face: the best box is the one that non-maximum suppression keeps.
		if s := out[0][2*i+1]; s >= score {
			best, score = i, s
		}
	}
	if best < 0 {
		p.t.Fatal("no face")
	}
	b := out[1][4*best : 4*best+4]
	side := float64(b[3]-b[1]) * h
	left, top := float64(b[0]+b[2])/2*w-side/2, float64(b[1]+b[3])/2*h-side/2
	// 2. Landmarks.
	out = p.run(p.e.marks, g.area(64, 64, left, top, left+side, top+side), 1, func(px [3]float64, _ int) float64 {
		return (.299*px[0] + .587*px[1] + .114*px[2]) / 256
	})
	mean := func(at ...int) (q [2]float64) {
		for _, k := range at {
			q[0] += (left + side*float64(out[0][2*k])) / float64(len(at))
			q[1] += (top + side*float64(out[0][2*k+1])) / float64(len(at))
		}
		return q
	}
	five := [5][2]float64{mean(37, 38, 40, 41), mean(43, 44, 46, 47), mean(30), mean(48, 60), mean(54, 64)}
	// 3. Align: normal equations of the four parameters of picture → template, solved by elimination.
	target := [5][2]float64{{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041}}
	var m [4][5]float64
	for k := range five {
		x, y := five[k][0], five[k][1]
		for r, row := range [2][4]float64{{x, -y, 1, 0}, {y, x, 0, 1}} {
			for i := range 4 {
				for j := range 4 {
					m[i][j] += row[i] * row[j]
				}
				m[i][4] += row[i] * target[k][r]
			}
		}
	}
	for c := range 4 {
		for r := range 4 {
			if r == c {
				continue
			}
			f := m[r][c] / m[c][c]
			for k := range 5 {
				m[r][k] -= f * m[c][k]
			}
		}
	}
	a, s, tx, ty := m[0][4]/m[0][0], m[1][4]/m[1][1], m[2][4]/m[2][2], m[3][4]/m[3][3]
	det := a*a + s*s
	n := max(1, int(math.Ceil(1/math.Sqrt(det)-0.05))) // samples a side of a pixel, when shrinking
	crop := grid{w: 112, h: 112, pix: make([][3]float64, 112*112)}
	for y := range 112 {
		for x := range 112 {
			var sum [3]float64
			for k := range n * n {
				u := float64(x) + (float64(k%n)+.5)/float64(n) - .5 - tx
				v := float64(y) + (float64(k/n)+.5)/float64(n) - .5 - ty
				q := g.bilinear((a*u+s*v)/det, (a*v-s*u)/det)
				for c := range 3 {
					sum[c] += q[c] / float64(n*n)
				}
			}
			crop.pix[y*112+x] = sum
		}
	}
	// 4. Embed, BGR.
	out = p.run(p.e.embedder, crop, 3, func(px [3]float64, c int) float64 { return (px[2-c] - 127.5) / 128 })
	var length float64
	for _, v := range out[0] {
		length += float64(v) * float64(v)
	}
	t := make([]float64, len(out[0]))
	for i, v := range out[0] {
		t[i] = float64(v) / math.Sqrt(length)
	}
	return t
}

// F-05: the template of a picture equals that of an independent implementation within 1e-4, at sizes that are
// shrunk and enlarged, and so does the score of two.
func TestF05IndependentImplementation(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: long")
	}
	e := SharedEngine(t)
	p := plain{t, e}
	for _, who := range faces.Names() {
		x, err := faces.Get(who)
		if err != nil {
			t.Fatal(err)
		}
		portrait := PortraitOf(t, who)
		live, _, err := image.Decode(bytes.NewReader(x.LiveJPEG()))
		if err != nil {
			t.Fatal(err)
		}
		texture, err := FromImage(live)
		if err != nil {
			t.Fatal(err)
		}
		mid := func(pixels int) *Image {
			return shrunk(e, portrait, float64(portrait.W)/2, float64(portrait.H)/2, float64(portrait.W), pixels)
		}
		for name, img := range map[string]*Image{"portrait": portrait, "live": texture, "250 pixels": mid(250), "112 pixels": mid(112)} {
			want := p.template(img)
			got, err := e.Examine(img, false)
			if err != nil {
				t.Fatal(err)
			}
			worst, dot := 0.0, 0.0
			for i, v := range got.Reference.template {
				worst = math.Max(worst, math.Abs(float64(v)-want[i]))
				dot += float64(v) * want[i]
			}
			t.Logf("%s %s: largest difference %.2g, 1-cosine %.2g", who, name, worst, 1-dot)
			if worst > 1e-4 {
				t.Errorf("%s %s: the template is off by %.2g", who, name, worst)
			}
			got.Wipe()
		}
	}
}
