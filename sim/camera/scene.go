package camera

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"egate/hal"
	"egate/sim/faces"
)

// Picture size and optics of the simulated camera, upright: a face at 0.7 m has 105 pixels between
// the eyes, and room around it for a picture 2.7 times as wide as the face.
const (
	Width       = 720
	Height      = 960
	focal       = 1167.0 // pixels
	noiseLevels = 3      // of the sensor, grey levels
	noiseMost   = 4      // a pixel is moved by so many at most
)

// Place is where somebody is before the camera.
type Place struct {
	Distance float64       // from the lens to the eyes, millimetres; 0 means 740
	X        float64       // to the right of the picture, millimetres
	Height   float64       // of the eyes over the optical axis, millimetres
	Lag      time.Duration // of the head behind Look; 0 means 120 ms
	Still    bool          // no breathing and swaying, for measurements
}

func (p Place) withDefaults() Place {
	if p.Distance == 0 {
		p.Distance = 740
	}
	if p.Lag == 0 {
		p.Lag = 120 * time.Millisecond
	}
	return p
}

// Light is a colour of light, linear: of the lamps 1 is on, of the screen 1 is a white page.
type Light struct{ R, G, B float64 }

// RGB is the light of a page of a colour 0xRRGGBB.
func RGB(c uint32) Light {
	f := func(shift uint) float64 { return float64(linear[c>>shift&255]) }
	return Light{f(16), f(8), f(0)}
}

// Shares of the light on a face and on the wall behind it, in a hall of usual brightness with the lamps on and a
// dark page; both together are 1, what a white page adds comes on top. Assumed: 240 lux of hall light, 60 of the
// lamps, 90 of a white page of 24 inches at 0.75 m, a fifth of that at the wall.
const (
	lampShare   = 0.20
	screenFace  = 0.30
	screenWall  = 0.06
	screenGlide = 180 * time.Millisecond // of the page from one colour to the next
)

// Scene is what stands before one camera. Its methods may be called from any goroutine.
type Scene struct {
	mu       sync.Mutex
	w, h     int
	back     []byte // the empty booth, RGB, in normal light
	subjects []*Subject
	lamp     Light
	screen   Light   // as it shines now
	page     Light   // as it was asked for
	from     Light   // what it glides from
	spots    []Spot  // that are mirrored
	hall     float64 // brightness of the hall, 1 is usual
	since    time.Duration
	now      time.Duration // of the last picture
	noise    []byte        // noiseMost is none
	rnd      *rand.Rand
	canvas   canvas
	lit      []byte // the booth in the present light
	litFor   [2]Light
	litHall  float64
	seq      uint32
}

// New makes an empty booth. seed decides noise, sway and paper, so that a run can be repeated.
func New(seed uint64) *Scene { return Sized(seed, Width, Height) }

// TallHeight is the height of the picture of a camera on its side, pixels: at 1.1 m it sees eyes 500 mm above and
// below its axis, with room for the head.
const TallHeight = 1920

// Tall makes an empty booth before a camera whose picture is as wide and twice as high: children and tall people
// stand in it without tilting it (F-02).
func Tall(seed uint64) *Scene { return Sized(seed, Width, TallHeight) }

// Sized makes an empty booth in a picture of another size, seen by the same lens: what takes fewer pixels is drawn faster.
func Sized(seed uint64, w, h int) *Scene {
	s := &Scene{w: w, h: h, lamp: Light{1, 1, 1}, hall: 1, rnd: rand.New(rand.NewPCG(seed, 1))}
	s.back = booth(s.w, s.h)
	s.noise = make([]byte, 1<<16)
	for i := range s.noise {
		s.noise[i] = noiseMost + byte(int8(math.Round(math.Max(-3, math.Min(3, s.rnd.NormFloat64()))*noiseLevels/3*1.4)))
	}
	s.canvas = canvas{w: s.w, h: s.h, stride: 3 * s.w, depth: make([]float32, s.w*s.h), f: float32(focal * float64(w) / Width)}
	return s
}

// Subject is one person or sheet.
type Subject struct {
	scene *Scene
	body  *body
	print *print
	panel *panel
	hand  *mesh
	hands []Hand
	worn  []Item
	flat  *mesh
	gloss float64
	lobe  float64
	norms [][3]float32 // of the mesh, where it is glossy
	held  local        // of the sheet as it is held now
	mesh  mesh
	place Place
	phase [6]float64 // of breathing and sway
	// What the simulator asked for, and where the head is.
	wantYaw, wantPitch float64
	yaw, pitch         float64
	last               time.Duration
	moved              bool
}

// bodies are the shapes of persons by name: made once in a process, never changed, shared by all scenes.
var bodies sync.Map

func bodyOf(p *faces.Portrait) (*body, error) {
	if b, ok := bodies.Load(p.Name); ok {
		return b.(*body), nil
	}
	b, err := newBody(p)
	if err != nil {
		return nil, err
	}
	kept, _ := bodies.LoadOrStore(p.Name, b)
	return kept.(*body), nil
}

// Person puts a living person before the camera.
func (s *Scene) Person(p *faces.Portrait, at Place) (*Subject, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := bodyOf(p)
	if err != nil {
		return nil, err
	}
	return s.add(&Subject{body: b, place: at.withDefaults(), mesh: mesh{cols: b.cols, rows: b.rows, v: make([]vertex, len(b.rest)), use: b.use}}), nil
}

// Print puts a sheet with a portrait before the camera, held by a hand at its lower edge.
func (s *Scene) Print(p *faces.Portrait, sheet Sheet, at Place) (*Subject, error) {
	if !(sheet.Width > 0) || !(sheet.Height > 0) {
		return nil, fmt.Errorf("camera: a sheet of %gx%g mm", sheet.Width, sheet.Height)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := bodyOf(p)
	if err != nil {
		return nil, err
	}
	pr := newPrint(b, sheet, s.rnd.Uint64())
	x := &Subject{body: b, print: pr, place: at.withDefaults(), mesh: mesh{cols: pr.cols, rows: pr.rows, v: make([]vertex, len(pr.flat)), use: pr.use}}
	if x.hands = sheet.Hands; x.hands == nil {
		x.hand = &mesh{cols: 2, rows: 2, v: make([]vertex, 4), use: []bool{true}}
	}
	return s.add(x), nil
}

func (s *Scene) add(x *Subject) *Subject {
	x.scene = s
	for i := range x.phase {
		x.phase[i] = s.rnd.Float64() * 2 * math.Pi
	}
	s.subjects = append(s.subjects, x)
	return x
}

// Clear empties the booth.
func (s *Scene) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subjects = nil
}

// Remove takes one subject away.
func (s *Scene) Remove(x *Subject) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, y := range s.subjects {
		if x == y {
			s.subjects = append(s.subjects[:i], s.subjects[i+1:]...)
			return
		}
	}
}

// SetLamps sets what the lamps shine; on, the zero value of a scene, is normal light.
func (s *Scene) SetLamps(l Light) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lamp = l
}

// SetScreen sets the ground of the traveller screen: dark is normal. It glides there, as the page does.
func (s *Scene) SetScreen(l Light) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l != s.page {
		s.page, s.from, s.since = l, s.screen, s.now
	}
}

// SetHall sets the brightness of the hall: 1 is usual, 30 the sun on the gate. The camera exposes for it, so that
// the light of lamps and screen counts for less.
func (s *Scene) SetHall(b float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hall = max(0.1, b)
}

// glide moves the screen towards the page that was asked for.
func (s *Scene) glide(at time.Duration) {
	s.now = at
	k := max(0, min(1, float64(at-s.since)/float64(screenGlide)))
	k = k * k * (3 - 2*k)
	s.screen = Light{s.from.R + k*(s.page.R-s.from.R), s.from.G + k*(s.page.G-s.from.G), s.from.B + k*(s.page.B-s.from.B)}
}

// normal tells whether the light is that which the textures are made for.
func (s *Scene) normal() bool { return s.lamp == Light{1, 1, 1} && s.screen == Light{} }

// tint is by how much the coded values of a surface change in the present light, per channel; part is what a white
// page adds to it.
func (s *Scene) tint(part float64) (r, g, b float64) {
	if s.normal() {
		return 1, 1, 1
	}
	all := s.hall*(1-lampShare) + lampShare
	lamp, part := lampShare/all, part/all
	f := func(l, p float64) float64 { return math.Pow(1-lamp+lamp*l+part*p, 1/gamma) }
	return f(s.lamp.R, s.screen.R), f(s.lamp.G, s.screen.G), f(s.lamp.B, s.screen.B)
}

// gamma of the coded values of pictures and textures.
const gamma = 2.2

// Look asks a person to turn the head, or whoever holds a sheet to turn it: yaw positive towards the
// person's own right, which is the right edge of a screen that they face (a dot at +1) and the left
// of the picture; pitch positive upwards.
func (x *Subject) Look(yaw, pitch float64) {
	x.scene.mu.Lock()
	defer x.scene.mu.Unlock()
	x.wantYaw, x.wantPitch = yaw, pitch
}

// Attitude tells where the head is now.
func (x *Subject) Attitude() (yaw, pitch float64) {
	x.scene.mu.Lock()
	defer x.scene.mu.Unlock()
	return x.yaw, x.pitch
}

// Move puts a subject elsewhere.
func (x *Subject) Move(at Place) {
	x.scene.mu.Lock()
	defer x.scene.mu.Unlock()
	x.place = at.withDefaults()
}

// Render draws what the camera sees at a time into dst, whose buffer it reuses or grows.
func (s *Scene) Render(at time.Duration, dst *hal.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dst.Format, dst.Width, dst.Height, dst.Stride = hal.PixelRGB, s.w, s.h, 3*s.w
	dst.Seq, dst.At = s.seq, at
	s.seq++
	s.glide(at)
	if n := dst.Stride * dst.Height; cap(dst.Pix) < n {
		dst.Pix = make([]byte, n)
	} else {
		dst.Pix = dst.Pix[:n]
	}
	s.light()
	copy(dst.Pix, s.lit)
	clear(s.canvas.depth)
	s.canvas.pix = dst.Pix
	for _, x := range s.subjects {
		x.step(at)
		switch {
		case x.panel != nil:
			x.panel.show(x, at)
		case x.print != nil:
			x.pose(at)
			s.canvas.draw(&x.mesh, x.print.tex)
			x.glow(&x.mesh, x.print.tex, x.normal)
			x.grip()
		case x.body != nil:
			x.pose(at)
			s.canvas.draw(&x.mesh, x.body.tex)
			x.glow(&x.mesh, x.body.tex, x.normal)
			fallthrough
		default:
			sx, sy, sz, _, _, _ := x.sway(at)
			x.drawHands(onBody(x.place.X+sx, -x.place.Height+sy, x.place.Distance+sz))
		}
	}
	s.canvas.pix = nil
	s.sensorNoise(dst.Pix)
}

// light keeps the booth as it looks in the present light.
func (s *Scene) light() {
	now := [2]Light{s.lamp, s.screen}
	if s.lit != nil && s.litFor == now && s.litHall == s.hall {
		return
	}
	if s.lit == nil {
		s.lit = make([]byte, len(s.back))
	}
	var lut [3][256]byte
	r, g, b := s.tint(screenWall)
	for k, l := range [3]float64{r, g, b} {
		for v := range 256 {
			lut[k][v] = byte(math.Max(0, math.Min(255, float64(v)*l)))
		}
	}
	for i := 0; i+2 < len(s.back); i += 3 {
		s.lit[i], s.lit[i+1], s.lit[i+2] = lut[0][s.back[i]], lut[1][s.back[i+1]], lut[2][s.back[i+2]]
	}
	s.litFor, s.litHall = now, s.hall
}

// sensorNoise adds the noise of the sensor, a different piece of the table for every row. Four bytes go at once, in
// lanes of 16 bits.
func (s *Scene) sensorNoise(pix []byte) {
	const ones, low = 0x0001000100010001, 0x00ff00ff00ff00ff
	// max(p + n - noiseMost, 0), and at most 255.
	lanes := func(p, n uint64) uint64 {
		d := p + n + (0x8000-noiseMost)*ones // the top bit says that it is not below 0
		d &= 0x7fff * ones & ((d >> 15 & ones) * 0x7fff)
		return (d | (d>>8&ones)*255) & low
	}
	row := 3 * s.w
	for y := range s.h {
		o := int(s.rnd.Uint32() % uint32(len(s.noise)-row))
		n, p := s.noise[o:o+row], pix[y*row:(y+1)*row]
		for ; len(p) >= 8; p, n = p[8:], n[8:] {
			a, b := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(n)
			binary.LittleEndian.PutUint64(p, lanes(a&low, b&low)|lanes(a>>8&low, b>>8&low)<<8)
		}
		for i, d := range n {
			p[i] = byte(max(0, min(int(p[i])+int(d)-noiseMost, 255)))
		}
	}
}

// step moves the head towards where it was asked to look.
func (x *Subject) step(at time.Duration) {
	dt := at - x.last
	x.last = at
	if !x.moved {
		x.moved = true
		x.yaw, x.pitch = x.wantYaw, x.wantPitch
		return
	}
	if dt <= 0 {
		return
	}
	k := 1 - math.Exp(-float64(dt)/float64(x.place.Lag))
	x.yaw += (x.wantYaw - x.yaw) * k
	x.pitch += (x.wantPitch - x.pitch) * k
}

// sway is the small movement of everything alive, and of every hand that holds something.
func (x *Subject) sway(at time.Duration) (dx, dy, dz, yaw, pitch, roll float64) {
	if x.place.Still {
		return
	}
	t := at.Seconds() * 2 * math.Pi
	dx = 3*math.Sin(0.23*t+x.phase[0]) + 1*math.Sin(0.9*t+x.phase[3])
	dy = 2.2*math.Sin(0.27*t+x.phase[1]) + 0.6*math.Sin(1.1*t+x.phase[4]) // breathing
	dz = 4 * math.Sin(0.19*t+x.phase[2])
	yaw = 0.8 * math.Sin(0.31*t+x.phase[3])
	pitch = 0.7 * math.Sin(0.37*t+x.phase[5])
	roll = 0.7 * math.Sin(0.21*t+x.phase[4])
	return
}

// pose puts the mesh where the subject is.
func (x *Subject) pose(at time.Duration) {
	if x.glossy() && x.norms == nil {
		x.norms = make([][3]float32, len(x.mesh.v))
	}
	sx, sy, sz, syaw, spitch, sroll := x.sway(at)
	yaw, pitch, roll := rad(x.yaw+syaw), rad(x.pitch+spitch), rad(sroll)
	ox, oy, oz := x.place.X+sx, -x.place.Height+sy, x.place.Distance+sz
	if x.print != nil {
		x.poseSheet(ox, oy, oz, yaw, pitch+rad(x.print.tilt), roll)
		return
	}
	// Looking to the person's own right moves the nose to the left of the picture.
	cyw, syw := float32(math.Cos(yaw)), float32(math.Sin(yaw))
	cp, sp := float32(math.Cos(pitch)), float32(math.Sin(pitch))
	cr, sr := float32(math.Cos(roll)), float32(math.Sin(roll))
	axisZ, axisY := float32(-neckAxis), float32(x.body.chin)
	fx, fy, fz := float32(ox), float32(oy), float32(oz)
	for i := range x.body.rest {
		r := &x.body.rest[i]
		v := &x.mesh.v[i]
		hx, hy, hz := turn(r.x, r.y-axisY, r.z-axisZ, cyw, syw, cp, sp, cr, sr)
		nx, ny, nz := turn(r.nx, r.ny, r.nz, cyw, syw, cp, sp, cr, sr)
		hy, hz = hy+axisY, hz+axisZ
		t := r.turn
		v.x = fx + r.x + t*(hx-r.x)
		v.y = fy + r.y + t*(hy-r.y)
		v.z = fz + r.z + t*(hz-r.z)
		nx, ny, nz = r.nx+t*(nx-r.nx), r.ny+t*(ny-r.ny), r.nz+t*(nz-r.nz)
		v.u, v.v = r.u, r.v
		x.scene.shine(v, nx, ny, nz, r.nz)
		if x.norms != nil {
			x.norms[i] = [3]float32{nx, ny, nz}
		}
	}
}

func (x *Subject) normal(i int) (nx, ny, nz float32) {
	n := x.norms[i]
	return n[0], n[1], n[2]
}

// turn rotates by yaw about the upright axis, pitch and roll.
func turn(x, y, z, cy, sy, cp, sp, cr, sr float32) (float32, float32, float32) {
	x, z = x*cy+z*sy, z*cy-x*sy
	y, z = y*cp+z*sp, z*cp-y*sp
	x, y = x*cr-y*sr, x*sr+y*cr
	return x, y, z
}

// shine lights a vertex: diffuse light of hall and lamps from above and both sides and from the front, the light of
// the page from the front. The photo brings its own shading, so that only the change from the frontal attitude counts.
func (s *Scene) shine(v *vertex, nx, ny, nz, restZ float32) {
	above := 0.82 + 0.18*(max(0, -nz)*0.8+max(0, -ny)*0.6)/(0.8*max(0.3, -restZ))
	front := min(max(0, -nz)/max(0.3, -restZ), 1.15)
	usual := 0.72*above + 0.28*front
	if s.normal() {
		v.r, v.g, v.b = usual, usual, usual
		return
	}
	r, g, b := s.tint(screenFace * float64(front/max(0.3, usual)))
	v.r, v.g, v.b = usual*float32(r), usual*float32(g), usual*float32(b)
}

// poseSheet turns a sheet about the printed face, which is where the holder looks at the dot.
func (x *Subject) poseSheet(ox, oy, oz, yaw, pitch, roll float64) {
	p := x.print
	cyw, syw := float32(math.Cos(yaw)), float32(math.Sin(yaw))
	cp, sp := float32(math.Cos(pitch)), float32(math.Sin(pitch))
	cr, sr := float32(math.Cos(roll)), float32(math.Sin(roll))
	x.held = func(px, py, pz float32) (float32, float32, float32) {
		px, depth := p.bent(float64(px))
		px, py, pz = turn(px-float32(p.faceX), py-float32(p.faceY), depth+pz, cyw, syw, cp, sp, cr, sr)
		return float32(ox) + px, float32(oy) + py, float32(oz) + pz
	}
	for i := range p.flat {
		q := p.flat[i]
		v := &x.mesh.v[i]
		hx, hy, hz := turn(q.x-float32(p.faceX), q.y-float32(p.faceY), q.z, cyw, syw, cp, sp, cr, sr)
		*v = q
		v.x, v.y, v.z = float32(ox)+hx, float32(oy)+hy, float32(oz)+hz
		nx, ny, nz := turn(0, 0, -1, cyw, syw, cp, sp, cr, sr)
		if x.norms != nil {
			sin, cos := math.Sincos(float64(i%p.cols)/sheetCells*p.bend*math.Pi - p.bend*math.Pi/2)
			bx, by, bz := turn(float32(sin), 0, float32(-cos), cyw, syw, cp, sp, cr, sr)
			x.norms[i] = [3]float32{bx, by, bz}
		}
		// Glossy ink: a broad highlight where the sheet mirrors the screen.
		x.scene.shine(v, nx, ny, nz, -1)
		d := float32(math.Hypot(float64(v.x), float64(v.y)+60)) / 160
		gloss := 0.10 * float32(math.Exp(float64(-d*d))) * max(0, -nz)
		v.r, v.g, v.b = v.r+gloss, v.g+gloss, v.b+gloss
	}
}

// grip draws the hands at a sheet, or one at its lower edge.
func (x *Subject) grip() {
	if x.hand == nil {
		x.drawHands(x.held)
		return
	}
	p := x.print
	b := x.mesh.v[(p.rows-1)*p.cols+p.cols/3]
	for k, d := range [4][2]float32{{-22, -26}, {22, -26}, {-22, 70}, {22, 70}} {
		v := &x.hand.v[k]
		*v = vertex{x: b.x + d[0], y: b.y + d[1], z: b.z - 6, u: float32(k&1) * 47, v: float32(k>>1) * 63}
		x.scene.shine(v, 0, 0, -1, -1)
	}
	x.scene.canvas.draw(x.hand, hand)
}

var hand = handTexture()

func rad(deg float64) float64 { return deg * math.Pi / 180 }

// booths are the empty mantraps by size of the picture: made once, read only.
var booths sync.Map

// booth is the empty mantrap: a pale wall, the frame of the entry door, a darker floor.
func booth(w, h int) []byte {
	if pix, ok := booths.Load([2]int{w, h}); ok {
		return pix.([]byte)
	}
	pix := make([]byte, 3*w*h)
	for y := range h {
		for x := range w {
			fx, fy := float64(x)/float64(w), float64(y)/float64(h)
			l := 150 - 26*math.Abs(fx-0.5)*2 - 22*fy
			door := math.Min(math.Abs(fx-0.2), math.Abs(fx-0.8))
			l -= 34 * math.Exp(-door*door/0.0004)
			if fx > 0.2 && fx < 0.8 {
				l += 12
			}
			if fy > 0.9 {
				l -= 40 * (fy - 0.9) / 0.1
			}
			o := 3 * (y*w + x)
			pix[o], pix[o+1], pix[o+2] = byte(l*0.97), byte(l), byte(l*1.04)
		}
	}
	booths.Store([2]int{w, h}, pix)
	return pix
}
