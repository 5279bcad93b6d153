package facematch

import (
	"hash/maphash"
	"math"
	"slices"
	"time"
)

// Signature of a picture: the mean light of so many fields, without the mean of all of them, so that a
// lamp that flickers changes nothing.
const (
	fieldsX, fieldsY = 24, 18
	fieldCount       = fieldsX * fieldsY
	fieldStep        = 2 // pixels between two samples
)

type signature [fieldCount]float32

// Temporal consistency. A sensor has noise, a person is never twice in the same place, and the booth
// behind a face does not change from one picture to the next.
const (
	rememberPics  = 64 // pictures whose fingerprint and signature are kept: a loop up to so long is seen
	frozenAfter   = time.Second
	repeatsAreBad = 2   // pictures that came twice, bit for bit
	loopRun       = 5   // pictures in a row that are those of before, in their order
	loopLag       = 4   // pictures; a shorter way back is standing still
	loopSame      = 0.4 // grey levels between two signatures that show the same moment, noise included
	loopMoved     = 1.2 // grey levels that the picture must have gone away in between
	cutLevel      = 9.0 // grey levels that the background jumps
	cutWithin     = 400 * time.Millisecond
	cutPart       = 0.5 // part of its side that the face moves at most while the background jumps
	aroundFace    = 2.2 // sides of the face: no background
	cutFields     = 60  // fewer fields of background say nothing
	maxAround     = 48 * 64
	aroundX       = 48   // places that are looked at, across
	aroundY       = 64   // and down
	sameNoise     = 0.95 // part of the background that is the same to the last bit: a sensor has noise
	sameFor       = 6    // pictures in a row
)

// temporal watches the order of the pictures of one capture: frozen, looped and cut ones. It keeps
// signatures of 24 by 18 grey values and no picture.
type temporal struct {
	seed    maphash.Seed
	prints  [rememberPics]uint64
	signs   [rememberPics]signature
	pics    int
	fresh   time.Duration // of the last picture that differed from the one before
	run     [rememberPics]uint8
	face    Detection
	hasFace bool
	last    time.Duration

	around [maxAround]byte // of the picture before, at fixed places
	same   int             // pictures in a row whose background is that of before, noise and all
	noise  int             // such rows

	repeats, loops, cuts int
}

func newTemporal() temporal { return temporal{seed: maphash.MakeSeed()} }

// wipe overwrites what was kept of the pictures.
func (t *temporal) wipe() {
	clear(t.prints[:])
	clear(t.signs[:])
	clear(t.around[:])
}

// bad counts the events that are against the picture being of here and now.
func (t *temporal) bad() bool {
	return t.repeats >= repeatsAreBad || t.loops > 0 || t.cuts > 0 || t.noise > 0
}

// events counts them.
func (t *temporal) events() int { return t.repeats + t.loops + t.cuts + t.noise }

// frozen says whether the very same picture has come for a second.
func (t *temporal) frozen(at time.Duration) bool { return t.pics > 0 && at-t.fresh >= frozenAfter }

// picture notes one picture. judge is false while nothing is decided any more.
func (t *temporal) picture(img *Image, at time.Duration, judge bool) {
	h := maphash.Bytes(t.seed, img.Pix[:img.Stride*img.H])
	same := t.pics > 0 && h == t.prints[(t.pics-1)%rememberPics]
	if !same {
		t.fresh = at
	}
	if judge && slices.Contains(t.prints[:min(t.pics, rememberPics)], h) {
		t.repeats++
	}
	k := t.pics % rememberPics
	now := &t.signs[k]
	now.take(img)
	if judge {
		t.loop(now)
	}
	t.prints[k] = h
	t.pics++
}

// loop finds a row of pictures that are those of before: for every distance back, how many in a row
// have been the same moment.
func (t *temporal) loop(now *signature) {
	far := float32(0)
	for lag := 1; lag <= min(t.pics, rememberPics-1); lag++ {
		before := &t.signs[(t.pics-lag)%rememberPics]
		d := now.distance(before)
		if lag >= loopLag && d <= loopSame && far >= loopMoved {
			if t.run[lag]++; t.run[lag] >= loopRun {
				t.loops++
				t.run[lag] = 0
			}
		} else {
			t.run[lag] = 0
		}
		far = max(far, d)
	}
}

// found notes the one face of the picture that was noted last. A background that jumps round a face that
// stays is a film that was cut, or was laid in.
func (t *temporal) found(img *Image, d Detection, at time.Duration, judge bool) {
	t.noisy(img, d, judge)
	if judge && t.hasFace && t.pics >= 2 && at-t.last <= cutWithin && distance(d, t.face) <= cutPart*d.Side {
		now, before := &t.signs[(t.pics-1)%rememberPics], &t.signs[(t.pics-2)%rememberPics]
		// The light of the booth may change, and with it the contrast: what counts is what a change of contrast and
		// brightness does not explain.
		var a, b [fieldCount]float32
		n := 0
		for i := range now {
			x := (float64(i%fieldsX) + 0.5) * float64(img.W) / fieldsX
			y := (float64(i/fieldsX) + 0.5) * float64(img.H) / fieldsY
			// The head, and the body below it.
			if math.Abs(x-d.X) < aroundFace/2*d.Side && y > d.Y-aroundFace/2*d.Side {
				continue
			}
			a[n], b[n] = before[i], now[i]
			n++
		}
		if n >= cutFields && jump(a[:n], b[:n]) >= cutLevel {
			t.cuts++
		}
	}
	t.face, t.hasFace, t.last = d, true, at
}

// noisy notes whether the background has the noise of a sensor. A film that is laid over a still picture has not.
func (t *temporal) noisy(img *Image, d Detection, judge bool) {
	n, same := 0, 0
	for j := range aroundY {
		y := (2*j + 1) * img.H / (2 * aroundY)
		for i := range aroundX {
			x := (2*i + 1) * img.W / (2 * aroundX)
			v := img.Pix[y*img.Stride+3*x+1]
			old := &t.around[j*aroundX+i]
			// Black and white are clipped: no noise is seen there.
			if behind := math.Abs(float64(x)-d.X) >= aroundFace/2*d.Side || float64(y) <= d.Y-aroundFace/2*d.Side; behind && v > 8 && v < 247 {
				n++
				if v == *old {
					same++
				}
			}
			*old = v
		}
	}
	if !judge || n < maxAround/8 || float64(same) < sameNoise*float64(n) {
		t.same = 0
		return
	}
	if t.same++; t.same >= sameFor {
		t.noise++
		t.same = 0
	}
}

// jump is by how much fields changed beside brightness and contrast, grey levels in the mean.
func jump(before, now []float32) float32 {
	n := float32(len(now))
	var ma, mb, ab, aa float32
	for i := range now {
		ma, mb = ma+before[i]/n, mb+now[i]/n
	}
	for i := range now {
		ab += (before[i] - ma) * (now[i] - mb)
		aa += (before[i] - ma) * (before[i] - ma)
	}
	gain := float32(1)
	if aa > 0 {
		gain = max(0.5, min(2, ab/aa))
	}
	var sum float32
	for i := range now {
		sum += abs32(now[i] - mb - gain*(before[i]-ma))
	}
	return sum / n
}

// nobody notes that the picture shows no face, or several.
func (t *temporal) nobody() { t.hasFace = false }

// take fills the signature of a picture.
func (s *signature) take(img *Image) {
	var all float32
	for j := range fieldsY {
		y0, y1 := j*img.H/fieldsY, (j+1)*img.H/fieldsY
		for i := range fieldsX {
			x0, x1 := i*img.W/fieldsX, (i+1)*img.W/fieldsX
			sum, n := 0, 0
			for y := y0; y < y1; y += fieldStep {
				row := img.Pix[y*img.Stride+3*x0 : y*img.Stride+3*x1]
				for k := 0; k+2 < len(row); k += 3 * fieldStep {
					sum += int(row[k]) + 2*int(row[k+1]) + int(row[k+2])
					n++
				}
			}
			v := float32(0)
			if n > 0 {
				v = float32(sum) / float32(4*n)
			}
			s[j*fieldsX+i] = v
			all += v
		}
	}
	all /= fieldCount
	for i := range s {
		s[i] -= all
	}
}

// distance is the mean of the differences, grey levels.
func (s *signature) distance(o *signature) float32 {
	var sum float32
	for i, v := range s {
		sum += abs32(v - o[i])
	}
	return sum / fieldCount
}

func abs32(v float32) float32 {
	if v < 0 {
		return -v
	}
	return v
}
