package facematch

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"egate/verdict"
)

// LightStep is one step of a light challenge: a colour (0xRRGGBB, sRGB) for a time.
type LightStep struct {
	Colour uint32
	For    time.Duration
}

// The light challenge: screen and lamps take a few soft colours in an order that nobody can foresee, while the
// traveller follows the dot. All colours are equally light (relative luminance 0.49 to 0.52, WCAG 2.2), so that no
// two of them make a flash, and none is a saturated red. What tells is the colour of what the skin throws
// back, against what is behind it: a panel that shines by itself and a film that is laid into the camera's path
// do not follow. A print does.
var lightColours = [4]uint32{0x95BCFF, 0x89CE95, 0xF9AE6C, 0xE0AEED} // sky, mint, peach, lilac

const (
	lightSteps = 6
	lightStep  = 400 * time.Millisecond
	// LightSchedules is how many orders there are: no colour follows itself.
	LightSchedules = 4 * 3 * 3 * 3 * 3 * 3

	maxLight   = 128                    // looks at the face during one challenge
	minLight   = 14                     // fewer say nothing
	lightTail  = 300 * time.Millisecond // of the last colour that is still looked at
	lightWait  = 600 * time.Millisecond // that a capture waits for the end of a challenge, at most
	lightRamp  = 180 * time.Millisecond // of the page from one colour to the next
	lightLag   = 50 * time.Millisecond  // step of the search for the delay of screen and camera
	lightLags  = 8
	lightSure  = 0.7  // correlation with page and lamps from which a response is one
	lightLeast = 0.06 // least response: change of the logarithm of a colour ratio per unit of the page's
	lightPart  = 0.55 // part of what the wall behind answers that a face must, which is nearer to the page
)

// LightSchedule is the n-th of the orders, 0 … LightSchedules-1.
func LightSchedule(n int) []LightStep {
	out := make([]LightStep, lightSteps)
	last := n % 4
	n /= 4
	for i := range out {
		if i > 0 {
			last = (last + 1 + n%3) % 4
			n /= 3
		}
		out[i] = LightStep{lightColours[last], lightStep}
	}
	return out
}

// randomSchedule is one of the orders, each as likely as any other but for one part in four million.
func randomSchedule() []LightStep {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return LightSchedule(int(binary.BigEndian.Uint32(b[:]) % LightSchedules))
}

// Where the skin is looked at: brow, both cheeks, ridge of the nose, chin. The median of them counts, so that a
// window mirrored in one of them, or hair, does not.
const lightSpots = 5

// response is the logarithm of red over green and of blue over green, of linear light.
type response [2]float64

type lightSample struct {
	at    time.Duration
	nose  float64 // turn, degrees
	spots [lightSpots]response
	wall  response
	bare  bool // there is a wall to see
}

// light is the light challenge of one session. It keeps colour ratios and no picture.
type light struct {
	steps   []LightStep
	shown   [lightSteps + 1]time.Duration // when the screen was told each step, and the end
	n       int                           // of those
	samples []lightSample
	asked   time.Duration
}

// ask begins a challenge.
func (l *light) ask(at time.Duration) []LightStep {
	l.steps, l.n, l.samples, l.asked = randomSchedule(), 0, l.samples[:0], at
	return slices.Clone(l.steps)
}

// plays says that a challenge has begun to be shown and not ended.
func (l *light) plays() bool { return l.n > 0 && l.n <= lightSteps }

// told notes that a step, or the end after the last one, was given to the screen at a time.
func (l *light) told(index int, at time.Duration) {
	if len(l.steps) > 0 && index == l.n && l.n <= lightSteps {
		l.shown[l.n] = at
		l.n++
	}
}

// forget overwrites what was measured.
func (l *light) forget() {
	clear(l.samples[:cap(l.samples)])
	l.samples = l.samples[:0]
}

// toLinear decodes a coded value.
var toLinear = func() (t [256]float32) {
	for i := range t {
		v := float64(i) / 255
		if v <= 0.04045 {
			t[i] = float32(v / 12.92)
		} else {
			t[i] = float32(math.Pow((v+0.055)/1.055, 2.4))
		}
	}
	return
}()

// look measures one picture.
func (l *light) look(img *Image, d Detection, p *[68]Point, nose float64, at time.Duration) {
	if len(l.steps) == 0 || len(l.samples) >= maxLight || l.n > lightSteps && at > l.shown[lightSteps]+lightTail {
		return
	}
	five := fivePoints(p)
	ex, ey := five[1].X-five[0].X, five[1].Y-five[0].Y
	eyes := math.Hypot(ex, ey)
	if eyes < 12 {
		return
	}
	mean := func(k ...int) (m Point) {
		for _, i := range k {
			m.X += p[i].X / float64(len(k))
			m.Y += p[i].Y / float64(len(k))
		}
		return m
	}
	brow := mean(21, 22)
	brow.X, brow.Y = brow.X+0.3*ey, brow.Y-0.3*ex // up is across the line of the eyes
	s := lightSample{at: at, nose: nose}
	for i, c := range [lightSpots]Point{brow, mean(2, 31, 40), mean(14, 35, 47), mean(28, 29), mean(8, 57)} {
		r := 0.11 * eyes
		var sum [3]float64
		n := 0
		for y := max(0, int(c.Y-r)); y < min(img.H, int(c.Y+r)); y++ {
			for x := max(0, int(c.X-r)); x < min(img.W, int(c.X+r)); x++ {
				n += add(&sum, img.Pix[y*img.Stride+3*x:])
			}
		}
		s.spots[i] = ratio(&sum, n)
	}
	var sum [3]float64
	n := 0
	const step = 6 // pixels between two looks at the wall
	for y := step / 2; y < img.H; y += step {
		row := img.Pix[y*img.Stride:]
		for x := step / 2; x < img.W; x += step {
			// Not the head, and not the body below it.
			if math.Abs(float64(x)-d.X) < aroundFace/2*d.Side && float64(y) > d.Y-aroundFace/2*d.Side {
				continue
			}
			n += add(&sum, row[3*x:])
		}
	}
	s.bare = n >= 200
	s.wall = ratio(&sum, n)
	l.samples = append(l.samples, s)
}

// add adds a pixel that is neither black nor clipped, in linear light.
func add(sum *[3]float64, p []byte) int {
	p = p[:3:3]
	if min(p[0], p[1], p[2]) < 6 || max(p[0], p[1], p[2]) > 252 {
		return 0
	}
	sum[0] += float64(toLinear[p[0]])
	sum[1] += float64(toLinear[p[1]])
	sum[2] += float64(toLinear[p[2]])
	return 1
}

func ratio(sum *[3]float64, n int) response {
	if n == 0 {
		return response{math.NaN(), math.NaN()}
	}
	return response{math.Log(sum[0] / sum[1]), math.Log(sum[2] / sum[1])}
}

// Lamps are those of the three lamps that are on in a step: the nearest that lamps without a dimmer come to.
func (s LightStep) Lamps() (r, g, b bool) {
	on := func(shift uint) bool { return s.Colour>>shift&255 >= LampFrom }
	return on(16), on(8), on(0)
}

// LampFrom is the value of a channel from which its lamp is on.
const LampFrom = 0xA0

// lamps is the colour of the lamps at a time, as differences of what is on; they change at once.
func (l *light) lamps(at time.Duration) (out response) {
	k := -1
	for k+1 < l.n && at >= l.shown[k+1] {
		k++
	}
	if k < 0 || k >= lightSteps {
		return out // all on, as before
	}
	r, g, b := l.steps[k].Lamps()
	for i, on := range [2]bool{r, b} {
		if on && !g {
			out[i] = 1
		} else if !on && g {
			out[i] = -1
		}
	}
	return out
}

// page is the colour of the page at a time after its changes, as differences of its linear channels.
func (l *light) page(at time.Duration) (r response) {
	of := func(i int) response {
		if i < 0 || i >= lightSteps {
			return response{}
		}
		c := l.steps[i].Colour
		g := float64(toLinear[c>>8&255])
		return response{float64(toLinear[c>>16&255]) - g, float64(toLinear[c&255]) - g}
	}
	k := -1
	for k+1 < l.n && at >= l.shown[k+1] {
		k++
	}
	now := of(k)
	if k < 0 {
		return now
	}
	if f := float64(at-l.shown[k]) / float64(lightRamp); f < 1 {
		f = f * f * (3 - 2*f)
		before := of(k - 1)
		for i := range now {
			now[i] = before[i] + f*(now[i]-before[i])
		}
	}
	return now
}

// gain is how strongly something answers page and lamps, per unit of the page, and how well that explains what it
// did: the multiple correlation.
type gain struct{ g, fit float64 }

func (x gain) sure() bool { return x.fit >= lightSure && x.g >= lightLeast }

// answers fits the response of face and wall to the page, at the delay that fits best.
func (l *light) answers() (face, wall gain, ok bool) {
	if l.n <= lightSteps || len(l.samples) < minLight {
		return gain{}, gain{}, false
	}
	bare := true
	for _, s := range l.samples {
		bare = bare && s.bare
	}
	best := -1.0
	for k := range lightLags {
		page, lamps := l.stimulus(time.Duration(k) * lightLag)
		var spots []gain
		for i := range lightSpots {
			if g, fine := l.fit(page, lamps, func(s *lightSample) response { return s.spots[i] }); fine {
				spots = append(spots, g)
			}
		}
		if len(spots) < 3 {
			return gain{}, gain{}, false
		}
		slices.SortFunc(spots, func(a, b gain) int {
			switch {
			case a.g < b.g:
				return -1
			case a.g > b.g:
				return 1
			}
			return 0
		})
		f, w := spots[len(spots)/2], gain{}
		if bare {
			w, bare = l.fit(page, lamps, func(s *lightSample) response { return s.wall })
		}
		if fit := max(f.fit, w.fit); fit > best {
			best, face, wall = fit, f, w
		}
	}
	return face, wall, true
}

// stimulus is what page and lamps showed at every look, a delay ago, less what time and the turn of the head explain.
// The lamps are told less the part of the page in them.
func (l *light) stimulus(lag time.Duration) (page, lamps [2][]float64) {
	var pl, pp float64
	for i := range page {
		page[i], lamps[i] = make([]float64, len(l.samples)), make([]float64, len(l.samples))
		for k := range l.samples {
			at := l.samples[k].at - lag
			page[i][k], lamps[i][k] = l.page(at)[i], l.lamps(at)[i]
		}
		l.without(page[i])
		l.without(lamps[i])
		for k := range page[i] {
			pl += page[i][k] * lamps[i][k]
			pp += page[i][k] * page[i][k]
		}
	}
	if pp > 0 {
		for i := range lamps {
			for k := range lamps[i] {
				lamps[i][k] -= pl / pp * page[i][k]
			}
		}
	}
	return page, lamps
}

// without takes out of a row what a constant, a drift and the turn of the head explain.
func (l *light) without(v []float64) {
	n := len(l.samples)
	t0 := l.samples[0].at
	base := [4][]float64{}
	for i := range base {
		b := make([]float64, n)
		for k := range b {
			s := &l.samples[k]
			switch i {
			case 0:
				b[k] = 1
			case 1:
				b[k] = (s.at - t0).Seconds()
			case 2:
				b[k] = s.nose / 20
			case 3:
				b[k] = s.nose * s.nose / 400
			}
		}
		for _, o := range base[:i] {
			project(b, o)
		}
		base[i] = b
		project(v, b)
	}
}

// project takes out of v its part along b.
func project(v, b []float64) {
	var vb, bb float64
	for k := range v {
		vb += v[k] * b[k]
		bb += b[k] * b[k]
	}
	if bb < 1e-12 {
		return
	}
	for k := range v {
		v[k] -= vb / bb * b[k]
	}
}

// fit is how one place's colour answers page and lamps, both colour ratios together.
func (l *light) fit(page, lamps [2][]float64, of func(*lightSample) response) (gain, bool) {
	var py, pp, ly, ll, yy float64
	for i := range page {
		y := make([]float64, len(l.samples))
		for k := range y {
			if y[k] = of(&l.samples[k])[i]; math.IsNaN(y[k]) || math.IsInf(y[k], 0) {
				return gain{}, false
			}
		}
		l.without(y)
		for k := range y {
			py += page[i][k] * y[k]
			pp += page[i][k] * page[i][k]
			ly += lamps[i][k] * y[k]
			ll += lamps[i][k] * lamps[i][k]
			yy += y[k] * y[k]
		}
	}
	if pp < 1e-6 {
		return gain{}, false
	}
	if yy < 1e-12 {
		return gain{}, true
	}
	explained := py * py / pp
	if ll > 1e-6 {
		explained += ly * ly / ll
	}
	// What goes against the page is an answer to something else.
	sign := math.Copysign(1, py)
	return gain{sign * math.Sqrt(explained/pp), sign * math.Sqrt(explained/yy)}, true
}

// judge is the result of the challenge. The score is the response of the face, the threshold what it had to be. A
// challenge that neither face nor wall answers was not evaluated: the booth may be too bright, or what the camera
// shows is not the booth. That satisfies no policy which requires it.
func (l *light) judge() (score, threshold float64, r verdict.Result) {
	face, wall, ok := l.answers()
	if !ok {
		return 0, lightLeast, verdict.NotPossible
	}
	threshold = lightLeast
	lit := wall.sure()
	if lit {
		threshold = max(threshold, lightPart*wall.g)
	}
	switch {
	case face.sure() && face.g >= threshold:
		return face.g, threshold, verdict.Pass
	case lit:
		return face.g, threshold, verdict.Fail
	}
	return face.g, threshold, verdict.NotPossible
}
