package camera

import (
	"errors"
	"math"
	"time"

	"egate/hal"
	"egate/sim/faces"
)

// Panel is a phone, a tablet or a monitor that plays a film of somebody: the head in the film turns when it is asked
// to, as that of a live puppet would. It shines by itself: lamps and page add only what its glass throws back.
type Panel struct {
	Width, Height float64 // of what shines, millimetres
	Bezel         float64 // round it, millimetres; 0 means 8
	Pitch         float64 // of its picture elements, millimetres; 0 means 0.096, a tablet
	Scale         float64 // size of the face over life; 0 means 1
	Tilt          float64 // degrees, top edge away from the camera positive
	Hands         []Hand  // that hold it
}

// Optics of a panel.
const (
	filmWidth  = 480 // pixels of the film
	filmHeight = 640
	haze       = 0.03 // of the light on it that the glass scatters
	mirror     = 0.30 // of a white page that it mirrors, where it does, over a lit white sheet
	mirrorSize = 55.0 // millimetres, of that spot
	mirrorAt   = 90.0 // millimetres over the middle: the page stands over the camera
	stripes    = 1.65 // first harmonic of elements that are a third of a pitch wide
	lens       = 0.30 // of the fine pattern that the lens lets through
	bezelLight = 0.008
)

// panel is a Panel with its film.
type panel struct {
	Panel
	film  *Scene
	actor *Subject
	frame hal.Frame
}

var (
	linear [256]float32
	coded  [4096]byte
	wave   [1024]float32
)

func init() {
	for i := range linear {
		linear[i] = float32(math.Pow(float64(i)/255, gamma))
	}
	for i := range coded {
		coded[i] = byte(math.Round(255 * math.Pow(float64(i)/4095, 1/gamma)))
	}
	for i := range wave {
		wave[i] = float32(math.Cos(2 * math.Pi * float64(i) / 1024))
	}
}

// Replay puts a panel before the camera that plays a film of somebody. Look turns the head in the film.
func (s *Scene) Replay(p *faces.Portrait, of Panel, at Place) (*Subject, error) {
	if !(of.Width >= minSheet) || !(of.Height >= minSheet) || of.Width > maxSheet || of.Height > maxSheet {
		return nil, errors.New("camera: a panel is 60 to 2000 mm wide and high")
	}
	for v, usual := range map[*float64]float64{&of.Bezel: 8, &of.Pitch: 0.096, &of.Scale: 1} {
		if !(*v > 0) {
			*v = usual
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &panel{Panel: of, film: Sized(s.rnd.Uint64(), filmWidth, filmHeight)}
	var err error
	if q.actor, err = q.film.Person(p, Place{Lag: at.withDefaults().Lag}); err != nil {
		return nil, err
	}
	return s.add(&Subject{panel: q, place: at.withDefaults(), hands: of.Hands}), nil
}

// show paints the panel: for every pixel, the place of it that the camera sees there.
func (q *panel) show(x *Subject, at time.Duration) {
	q.actor.Look(x.wantYaw, x.wantPitch)
	q.film.Render(at, &q.frame)
	s, c := x.scene, &x.scene.canvas
	sx, sy, sz, syaw, spitch, sroll := x.sway(at)
	yaw, pitch, roll := rad(syaw), rad(spitch+q.Tilt), rad(sroll)
	cy, sn := float32(math.Cos(yaw)), float32(math.Sin(yaw))
	cp, sp := float32(math.Cos(pitch)), float32(math.Sin(pitch))
	cr, sr := float32(math.Cos(roll)), float32(math.Sin(roll))
	// Columns: where a millimetre to the right, a millimetre down and the middle of the panel lie.
	ax, ay, az := turn(1, 0, 0, cy, sn, cp, sp, cr, sr)
	bx, by, bz := turn(0, 1, 0, cy, sn, cp, sp, cr, sr)
	tx, ty, tz := float32(x.place.X+sx), float32(-x.place.Height+sy), float32(x.place.Distance+sz)
	// The inverse of that map takes a ray of the camera to the panel (adjugate; the scale falls out).
	m := [9]float32{
		by*tz - bz*ty, bz*tx - bx*tz, bx*ty - by*tx,
		az*ty - ay*tz, ax*tz - az*tx, ay*tx - ax*ty,
		ay*bz - az*by, az*bx - ax*bz, ax*by - ay*bx,
	}
	volume := ax*m[0] + ay*m[1] + az*m[2]
	w, h := float32(q.Width/2), float32(q.Height/2)
	edge := float32(q.Bezel)
	// The pixels that it can cover.
	x0, y0, x1, y1 := c.w, c.h, 0, 0
	for k := range 4 {
		u, v := (w+edge)*float32(2*(k&1)-1), (h+edge)*float32(2*(k>>1)-1)
		z := az*u + bz*v + tz
		if z < 100 {
			return // at the lens
		}
		px := int(c.f*(ax*u+bx*v+tx)/z) + c.w/2
		py := int(c.f*(ay*u+by*v+ty)/z) + c.h/2
		x0, x1, y0, y1 = min(x0, px-1), max(x1, px+2), min(y0, py-1), max(y1, py+2)
	}
	x0, y0, x1, y1 = max(0, x0), max(0, y0), min(c.w, x1), min(c.h, y1)

	// What the glass throws back, linear; one is a white sheet in usual light.
	all := float32(s.hall*(1-lampShare) + lampShare)
	page := [3]float32{float32(s.screen.R) / all, float32(s.screen.G) / all, float32(s.screen.B) / all}
	lamp := [3]float32{float32(s.lamp.R), float32(s.lamp.G), float32(s.lamp.B)}
	var scattered [3]float32
	for k := range scattered {
		scattered[k] = haze * (1 + lampShare/all*(lamp[k]-1) + screenFace*page[k])
	}
	// A pixel of the camera sees many elements at once; what is left of their pattern beats with its own raster.
	seen := float64(tz/c.f) / q.Pitch
	ripple := float32(0)
	if a := math.Pi * seen; a > 1e-6 {
		ripple = float32(stripes * lens * math.Abs(math.Sin(a)/a))
	}
	perPixel := 740 / q.film.canvas.f * float32(q.Scale) // millimetres: the face at life size, times Scale
	for py := y0; py < y1; py++ {
		ry := (float32(py) + 0.5 - float32(c.h)/2) / c.f
		for px := x0; px < x1; px++ {
			rx := (float32(px) + 0.5 - float32(c.w)/2) / c.f
			d := m[6]*rx + m[7]*ry + m[8]
			u, v := (m[0]*rx+m[1]*ry+m[2])/d, (m[3]*rx+m[4]*ry+m[5])/d
			if u < -w-edge || u > w+edge || v < -h-edge || v > h+edge {
				continue
			}
			spot := float32(0)
			du, dv := u/mirrorSize, (v+mirrorAt)/mirrorSize
			if r := du*du + dv*dv; r < 6 {
				spot = mirror * float32(math.Exp(float64(-r*r)))
			}
			out := c.pix[py*c.stride+3*px : py*c.stride+3*px+3 : py*c.stride+3*px+3]
			c.depth[py*c.w+px] = d / volume
			fx, fy := u/perPixel+filmWidth/2, v/perPixel+filmHeight/2
			shines := u > -w && u < w && v > -h && v < h && fx >= 0 && fy >= 0 && fx < filmWidth-1 && fy < filmHeight-1
			var o int
			var wx, wy float32
			if shines {
				ix, iy := int(fx), int(fy)
				wx, wy = fx-float32(ix), fy-float32(iy)
				o = iy*q.frame.Stride + 3*ix
			}
			phase := float64(u) / q.Pitch
			for k := range 3 {
				e := float32(bezelLight)
				if shines {
					t := q.frame.Pix[o+k:]
					e = (1-wy)*((1-wx)*linear[t[0]]+wx*linear[t[3]]) + wy*((1-wx)*linear[t[q.frame.Stride]]+wx*linear[t[q.frame.Stride+3]])
					if ripple > 0 {
						e *= 1 + ripple*wave[int((phase+float64(k)/3+4096)*1024)&1023]
					}
				}
				e = e/all + scattered[k] + spot*page[k]
				out[k] = coded[int(max(0, min(4095, e*4095)))]
			}
		}
	}
	if x.glossy() {
		const cols, rows = 49, 65
		m := mesh{cols: cols, rows: rows, v: make([]vertex, cols*rows), use: make([]bool, (cols-1)*(rows-1))}
		for i := range m.use {
			m.use[i] = true
		}
		for i := range m.v {
			u, v := (w+edge)*(2*float32(i%cols)/(cols-1)-1), (h+edge)*(2*float32(i/cols)/(rows-1)-1)
			gx, gy, gz := turn(u, v, 0, cy, sn, cp, sp, cr, sr)
			m.v[i] = vertex{x: tx + gx, y: ty + gy, z: tz + gz}
		}
		nx, ny, nz := turn(0, 0, -1, cy, sn, cp, sp, cr, sr)
		x.glow(&m, clothTex, func(int) (float32, float32, float32) { return nx, ny, nz })
	}
	x.drawHands(func(px, py, pz float32) (float32, float32, float32) {
		px, py, pz = turn(px, py, pz, cy, sn, cp, sp, cr, sr)
		return tx + px, ty + py, tz + pz
	})
}
