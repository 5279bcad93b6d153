package camera

import "math"

// Hand is a hand that holds a sheet or a panel by its rim, or lies at something that a person wears. Its fingers are in
// front, what they belong to is behind.
type Hand struct {
	X, Y    float64 // of the tips, millimetres from the middle of sheet or panel, of a person from the eyes
	Points  float64 // degrees where the fingers point: 0 to the right of the picture, 90 down
	Fingers int     // side by side; 0 is a thumb
	Length  float64 // of what lies in front, millimetres; 0 means 55
	Skin    uint32  // 0xRRGGBB in usual light; 0 means a light one
}

// Item is a flat thing that a person wears, or that stands in the booth: a strap, the edge of a coat, a board.
type Item struct {
	X, Y          float64 // of its middle, millimetres from the eyes or from the place
	Depth         float64 // further away than the eyes, millimetres; a chest is 60
	Width, Height float64 // millimetres
	Lean          float64 // degrees, to the right of the picture positive
	Colour        uint32  // 0xRRGGBB in usual light
}

// Measures of a hand, millimetres, and its usual colour.
const (
	fingerWide = 16.0
	fingerGap  = 17.0
	thumbWide  = 21.0
	fingerLong = 55.0
	palmLong   = 85.0
	palmWide   = 84.0
	inFront    = -5.0 // of what it holds
	behindIt   = 7.0
	usualSkin  = 0xCD_A0_87
)

// Wear puts things and hands on a person; they move with the body and not with the head.
func (x *Subject) Wear(items []Item, hands []Hand) {
	x.scene.mu.Lock()
	defer x.scene.mu.Unlock()
	x.worn, x.hands = items, hands
}

// Things puts what no person wears into the booth.
func (s *Scene) Things(items []Item, at Place) *Subject {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(&Subject{worn: items, place: at.withDefaults()})
}

// local takes a place of a sheet, panel or body to the camera: millimetres, z away from it.
type local func(x, y, z float32) (float32, float32, float32)

// drawHands draws the hands of a subject, and what it wears.
func (x *Subject) drawHands(to local) {
	for _, i := range x.worn {
		sin, cos := math.Sincos(rad(i.Lean))
		x.quad(to, clothTex, i.Colour, i.X-sin*i.Height/2, i.Y-cos*i.Height/2, -sin, -cos, i.Height, i.Width, i.Depth)
	}
	for _, h := range x.hands {
		sin, cos := math.Sincos(rad(h.Points))
		long, n, wide, skin := h.Length, h.Fingers, fingerWide, h.Skin
		if long <= 0 {
			long = fingerLong
		}
		if n <= 0 {
			n, wide = 1, thumbWide
		}
		if skin == 0 {
			skin = usualSkin
		}
		// Hidden by what it holds, but for what reaches over the rim.
		x.quad(to, palmTex, skin, h.X-cos*(long-15), h.Y-sin*(long-15), cos, sin, palmLong, palmWide, behindIt)
		for k := range n {
			aside := fingerGap * (float64(k) - float64(n-1)/2)
			x.quad(to, fingerTex, skin, h.X-sin*aside, h.Y+cos*aside, cos, sin, long, wide, inFront)
		}
	}
}

// quad draws a texture whose first row lies at a place and which goes on against a direction.
func (x *Subject) quad(to local, t *texture, colour uint32, px, py, dx, dy, long, wide, z float64) {
	if x.flat == nil {
		x.flat = &mesh{cols: 2, rows: 2, v: make([]vertex, 4), use: []bool{true}}
	}
	for k := range 4 {
		across, back := wide*(float64(k&1)-0.5), long*float64(k>>1)
		v := &x.flat.v[k]
		*v = vertex{u: float32(k&1) * float32(t.w-1), v: float32(k>>1) * float32(t.h-1)}
		v.x, v.y, v.z = to(float32(px-dx*back-dy*across), float32(py-dy*back+dx*across), float32(z))
		x.scene.shine(v, 0, 0, -1, -1)
		v.r *= float32(colour>>16&255) / 255
		v.g *= float32(colour>>8&255) / 255
		v.b *= float32(colour&255) / 255
	}
	x.scene.canvas.draw(x.flat, t)
}

// onBody is where something beside a head is: it breathes and sways with it and does not turn.
func onBody(ox, oy, oz float64) local {
	return func(px, py, pz float32) (float32, float32, float32) {
		return float32(ox) + px, float32(oy) + py, float32(oz) + pz
	}
}

var fingerTex, palmTex, clothTex = fingerTexture(), palmTexture(), clothTexture()

// fingerTexture is a round finger seen from its back, tip first: a nail, two folds at the joint.
func fingerTexture() *texture {
	const w, h = 40, 136
	t := &texture{w: w, h: h, pix: make([]byte, 4*w*h)}
	for y := range h {
		for x := range w {
			dx, dy := (float64(x)+0.5-w/2)/(w/2), (float64(y)+0.5)/(w/2)
			out := math.Abs(dx)
			if dy < 1 {
				out = math.Hypot(dx, 1-dy) // the round tip
			}
			l := 1.02 - 0.42*math.Pow(math.Min(out, 1), 3)
			r, g, b := l, l, l
			if nx, ny := dx/0.55, (dy-0.75)/0.6; nx*nx+ny*ny < 1 {
				r, g, b = l*1.08, l*1.07, l*1.09
			}
			for _, fold := range [2]float64{2.9, 3.2} {
				d := (dy - fold) / 0.07
				dark := 1 - 0.16*math.Exp(-d*d)
				r, g, b = r*dark, g*dark, b*dark
			}
			o := 4 * (y*w + x)
			t.pix[o], t.pix[o+1], t.pix[o+2] = shadeByte(r), shadeByte(g), shadeByte(b)
			t.pix[o+3] = byte(math.Max(0, math.Min(255, (1-out)*2200)))
		}
	}
	return t
}

// palmTexture is the rest of a hand: a rounded field with the shade of its edge.
func palmTexture() *texture {
	const w, h = 64, 64
	t := &texture{w: w, h: h, pix: make([]byte, 4*w*h)}
	for y := range h {
		for x := range w {
			dx, dy := math.Abs(float64(x)+0.5-w/2)/(w/2), math.Abs(float64(y)+0.5-h/2)/(h/2)
			out := math.Pow(math.Pow(dx, 4)+math.Pow(dy, 4), 0.25)
			l := 0.94 - 0.3*math.Pow(math.Min(out, 1), 4)
			o := 4 * (y*w + x)
			t.pix[o], t.pix[o+1], t.pix[o+2] = shadeByte(l), shadeByte(l*0.99), shadeByte(l*0.98)
			t.pix[o+3] = byte(math.Max(0, math.Min(255, (1-out)*2200)))
		}
	}
	return t
}

// clothTexture is woven.
func clothTexture() *texture {
	const n = 64
	t := &texture{w: n, h: n, pix: make([]byte, 4*n*n)}
	for i := 0; i < n*n; i++ {
		l := shadeByte(0.93 + 0.05*math.Sin(float64(i%n))*math.Sin(float64(i/n)*1.3))
		t.pix[4*i], t.pix[4*i+1], t.pix[4*i+2], t.pix[4*i+3] = l, l, l, 255
	}
	return t
}

func shadeByte(v float64) byte { return byte(math.Max(0, math.Min(255, 220*v))) }
