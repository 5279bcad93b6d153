package facematch

import "math"

// Component is one quality component, named after ISO/IEC 29794-5.
type Component uint8

// Quality components. One that could not be measured has no number (NaN) and no part in a judgement:
// background where the picture has none, occlusion in a grey picture, the unified score without a model.
const (
	EyeDistance Component = iota
	PoseYaw
	PosePitch
	PoseRoll
	EyesOpen
	Sharpness
	Luminance
	UnderExposure
	OverExposure
	Uniformity
	EyesVisible
	FaceOcclusion
	Background
	SingleFace
	UnifiedQuality
	components
)

var componentNames = [components]string{"inter_eye_distance", "pose_yaw", "pose_pitch", "pose_roll", "eyes_open", "sharpness",
	"luminance_mean", "under_exposure", "over_exposure", "illumination_uniformity", "eyes_visible", "face_occlusion_prevention",
	"background_uniformity", "single_face_present", "unified_quality_score"}

func (c Component) String() string {
	if c < components {
		return componentNames[c]
	}
	return "undefined"
}

// Limit is the acceptable range of one component's raw measure. Measures between Accept and the zero
// point Bad map to 0 … 50 linearly, those from Accept to Good to 50 … 100.
type Limit struct{ Bad, Accept, Good float64 }

// score maps a raw measure to 0 … 100; 50 and more is acceptable.
func (l Limit) score(v float64) float64 {
	lin := func(a, b float64) float64 { return math.Max(0, math.Min(1, (v-a)/(b-a))) }
	if (l.Good >= l.Accept && v >= l.Accept) || (l.Good < l.Accept && v <= l.Accept) {
		if l.Good == l.Accept {
			return 100
		}
		return 50 + 50*lin(l.Accept, l.Good)
	}
	if l.Bad == l.Accept {
		return 0
	}
	return 49.9 * lin(l.Bad, l.Accept)
}

// Limits are the limits of every component, data of the policy.
type Limits [components]Limit

// LiveLimits are the start values for live frames: not calibrated, they steer the traveller and pick
// the best frames and do not predict errors of the comparison.
func LiveLimits() Limits {
	return Limits{
		EyeDistance:   {30, 60, 90},
		PoseYaw:       {30, 15, 0},
		PosePitch:     {30, 15, 0},
		PoseRoll:      {20, 10, 0},
		EyesOpen:      {0.10, 0.18, 0.27}, // eye aspect ratio; the eye model may overrule
		Sharpness:     {15, 50, 150},
		Luminance:     {100, 60, 0}, // distance from the middle of 70 … 190
		UnderExposure: {0.30, 0.10, 0},
		OverExposure:  {0.20, 0.05, 0},
		Uniformity:    {0.3, 0.6, 0.9},
		EyesVisible:   {0.15, 0.32, 0.6}, // light of the eye regions over that of the cheeks
		FaceOcclusion: {1, 0.75, 0},      // part of nose and cheeks that has not the colour of the skin between the eyes
		Background:    {1e3, 255, 0},     // a booth is what it is: it lowers nothing
		SingleFace:    {0.5, 1, 1},       // one over the number of faces
	}
}

// PortraitLimits are the start values for the passport photo, whose background is plain (ISO/IEC 39794-5 D.1.4.3).
func PortraitLimits() Limits {
	l := LiveLimits()
	l[Background] = Limit{40, 15, 0} // mean step between neighbours, grey levels
	return l
}

const luminanceMiddle = 130

// Quality is the raw measures of one face and their scores 0 … 100.
type Quality struct {
	Raw   [components]float64
	Score [components]float64
	light float64 // mean of the inner face, grey levels
}

// Overall is the mean of the scores that were measured, or the worst where one is not acceptable.
func (q *Quality) Overall() float64 {
	sum, n, worst := 0.0, 0.0, 100.0
	for _, s := range q.Score {
		if math.IsNaN(s) {
			continue
		}
		sum, n = sum+s, n+1
		worst = math.Min(worst, s)
	}
	if worst < 50 || n == 0 {
		return worst
	}
	return sum / n
}

// Worst is the component that matters first: of those that are not acceptable what covers the face, then the
// light, because both make others bad; else the lowest score.
func (q *Quality) Worst() Component {
	cause := func(c Component) int {
		switch {
		case !(q.Score[c] < 50):
			return 0
		case c == EyesVisible || c == FaceOcclusion:
			return 3
		case c == Luminance || c == UnderExposure || c == OverExposure:
			return 2
		}
		return 1
	}
	w := Component(0)
	for c := range components {
		if a, b := cause(c), cause(w); a > b || a == b && q.Score[c] < q.Score[w] {
			w = c
		}
	}
	return w
}

// set notes a raw measure and its score.
func (q *Quality) set(l *Limits, c Component, raw float64) {
	q.Raw[c], q.Score[c] = raw, math.NaN()
	if !math.IsNaN(raw) {
		q.Score[c] = l[c].score(raw)
	}
}

// Inner face in the aligned 112-pixel crop, as parts of its side: brows to mouth, cheek to cheek.
const (
	innerLeft, innerRight = 0.25, 0.75
	innerTop, innerBottom = 0.36, 0.90
	eyeOpenEnough         = 0.5
)

// measure fills the raw measures and scores. crop is the aligned crop.
func (q *Quality) measure(l *Limits, crop []uint16, w, h int, five [5]Point, pose Pose, eyeOpen, ear float64) {
	q.Raw[EyeDistance] = math.Hypot(five[1].X-five[0].X, five[1].Y-five[0].Y)
	q.Raw[PoseYaw], q.Raw[PosePitch], q.Raw[PoseRoll] = math.Abs(pose.Yaw), math.Abs(pose.Pitch), math.Abs(pose.Roll)
	q.Raw[EyesOpen] = ear
	if eyeOpen >= eyeOpenEnough {
		q.Raw[EyesOpen] = math.Max(ear, l[EyesOpen].Accept)
	}
	x0, x1 := int(innerLeft*float64(w)), int(innerRight*float64(w))
	y0, y1 := int(innerTop*float64(h)), int(innerBottom*float64(h))
	var sum, sum2, lum, dark, light, left, right float64
	grey := func(x, y int) int {
		p := crop[3*(y*w+x) : 3*(y*w+x)+3]
		return (299*int(p[0]) + 587*int(p[1]) + 114*int(p[2]) + 500*level) / (1000 * level)
	}
	n := float64((x1 - x0) * (y1 - y0))
	for y := y0; y < y1; y++ {
		above, here, below := grey(x0, y-1), grey(x0, y), grey(x0, y+1)
		before := grey(x0-1, y)
		for x := x0; x < x1; x++ {
			next := grey(x+1, y)
			d := float64(above + below + before + next - 4*here)
			sum, sum2 = sum+d, sum2+d*d
			lum += float64(here)
			if here < 20 {
				dark++
			}
			if here > 245 {
				light++
			}
			if x < w/2 {
				left += float64(here)
			} else {
				right += float64(here)
			}
			before, here = here, next
			above, below = grey(x+1, y-1), grey(x+1, y+1)
		}
	}
	q.Raw[Sharpness] = sum2/n - (sum/n)*(sum/n)
	q.light = lum / n
	q.Raw[Luminance] = math.Abs(q.light - luminanceMiddle)
	q.Raw[UnderExposure], q.Raw[OverExposure] = dark/n, light/n
	q.Raw[Uniformity] = 1
	if m := math.Max(left, right); m > 0 {
		q.Raw[Uniformity] = math.Min(left, right) / m
	}
	eyes, covered := coverage(crop, w, h)
	q.Raw[EyesVisible], q.Raw[FaceOcclusion] = eyes, covered
	q.Raw[Background], q.Raw[SingleFace], q.Raw[UnifiedQuality] = math.NaN(), math.NaN(), math.NaN()
	for c := range components {
		q.set(l, c, q.Raw[c])
	}
	if lum/n > luminanceMiddle {
		// The instruction differs: too bright is not "more light".
		q.Score[UnderExposure] = 100
	}
}

// face is everything that is measured of one face in one picture.
type face struct {
	det     Detection
	pts     [68]Point
	five    [5]Point
	pose    Pose
	eyeOpen float64
	ear     float64
	quality Quality
}

// lookAway is the yaw by the nose, degrees, from which a face is turned away whatever the pose model would say: well
// beyond what is acceptable, because noses differ.
const lookAway = 22.0

// analyse measures the face at d; afterwards the embedder's crop holds the aligned face.
func (e *Engine) analyse(img *Image, d Detection, l *Limits, f *face) error {
	if err := e.glance(img, d, l, f); err != nil {
		return err
	}
	return e.regard(img, l, f)
}

// glance measures all but what the pose model and the quality model tell, which are the dear ones: where something is
// not acceptable already, that is enough to tell the person so. The yaw is known where it is far off.
func (e *Engine) glance(img *Image, d Detection, l *Limits, f *face) error {
	f.det = d
	if err := e.landmarks(img, d, &f.pts); err != nil {
		return err
	}
	f.five = fivePoints(&f.pts)
	var err error
	if f.eyeOpen, f.ear, err = e.eyesOpen(img, &f.pts); err != nil {
		return err
	}
	if err := e.align(img, f.five); err != nil {
		return err
	}
	f.pose = Pose{math.NaN(), math.NaN(), eyeLine(f.five)}
	if yaw := asinDeg(noseOffset(&f.pts) / noseRelief); math.Abs(yaw) > lookAway {
		f.pose.Yaw = yaw
	}
	f.quality.measure(l, e.embedder.crop, e.embedder.w, e.embedder.h, f.five, f.pose, f.eyeOpen, f.ear)
	f.quality.set(l, Background, background(img, d))
	return nil
}

// regard adds to a glance what it left out.
func (e *Engine) regard(img *Image, l *Limits, f *face) (err error) {
	if f.pose, err = e.headPose(img, f.det, f.five); err != nil {
		return err
	}
	f.quality.set(l, PoseYaw, math.Abs(f.pose.Yaw))
	f.quality.set(l, PosePitch, math.Abs(f.pose.Pitch))
	f.quality.set(l, PoseRoll, math.Abs(f.pose.Roll))
	if m := e.quality; m != nil {
		if err := alignTo(m, img, f.five); err != nil {
			return err
		}
		if err := m.run(); err != nil {
			return err
		}
		f.quality.Raw[UnifiedQuality] = float64(m.out[0].GetData()[0])
		f.quality.Score[UnifiedQuality] = m.m.Quality.score(f.quality.Raw[UnifiedQuality])
	}
	return nil
}
