package facematch

import (
	"errors"
	"math"
	"slices"
	"time"

	"egate/verdict"
)

// Instruction is what the person is asked to do: one at a time (F-03).
type Instruction string

// Instructions.
const (
	LookHere   Instruction = "look_here"
	ComeCloser Instruction = "come_closer"
	StepBack   Instruction = "step_back"
	FollowDot  Instruction = "follow_dot"
	OneAtATime Instruction = "one_person"
	HoldStill  Instruction = "hold_still"
	MoreLight  Instruction = "more_light"
)

// Params are the values of the policy that a session works with.
type Params struct {
	Match  float64 // cosine from which two faces are one person
	Limits Limits  // of live quality
	// Turn is how far the head must turn, degrees, for the planarity to be measured; Planarity is the
	// residual, in eye distances, from which what turned is no sheet. Measured at 10 to 15 degrees: heads
	// 0.023 and more, flat sheets 0.009 and less.
	Turn, Planarity float64
	// Focal is the focal length of the camera in pixels; 0 takes 1.2 times the longer side.
	Focal float64
}

// DefaultParams are the start values: not calibrated on a gate's own camera.
func DefaultParams(match float64) Params {
	return Params{Match: match, Limits: LiveLimits(), Turn: 8, Planarity: 0.016}
}

// What a session looks at, at most and at least.
const (
	frontalFrames = 4                       // frontal pictures that are kept
	turnFrames    = 4                       // turned pictures a side that are enough
	minTurned     = 3                       // fewer in all: planarity is not evaluated
	dotRamp       = 700 * time.Millisecond  // of the dot from the middle to the side
	dotLimit      = 3500 * time.Millisecond // of waiting at one side
	embedFrames   = 3                       // best frames that are compared; the median counts (F-04)
	lostAfter     = 700 * time.Millisecond  // without the tracked face: the track is lost
	headPart      = 0.35                    // a face smaller than this part of the largest is no head in the booth
	twoFor        = 2                       // pictures in a row that show two faces
)

type phase uint8

const (
	phaseFrontal phase = iota
	phaseRight
	phaseLeft
	phaseWatch
)

// Observation is what one picture told.
type Observation struct {
	Heads      int
	Confidence float64 // of the tracked face
	Guidance   Instruction
	DotX       float64 // of FollowDot, -1 … 1
	TrackLost  bool    // once, when the one tracked face is gone or another took its place
	Done       bool    // Decide may be called
}

// Result is what a session found. Scores are for the policy and the sealed dossier.
type Result struct {
	Checks             []verdict.Check
	MatchBand, PADBand string
	Score, Threshold   float64
	Best               *Image // the best live picture, cut round the face; the caller wipes it
}

// kept is one frontal picture: its aligned crop, not the picture.
type kept struct {
	quality float64
	live    float64
	crop    []byte
	pts     [68]Point
}

// Session is the capture of one person. It is used by one goroutine and closed by it.
type Session struct {
	e   *Engine
	ref *Reference
	p   Params

	phase   phase
	since   time.Duration // of the phase
	started bool
	frontal []kept
	base    [68]Point // mean frontal points
	turned  []float64 // residuals of turned pictures
	sides   [2]int
	best    *Image
	bestQ   float64

	faces     int // pictures with a face
	two       int // in a row
	sawTwo    bool
	track     Detection
	tracking  bool
	seen      time.Duration
	lost      bool
	worst     Component
	worstOnce bool
}

// NewSession begins a capture against one reference: there is no other one to compare with.
func NewSession(e *Engine, ref *Reference, p Params) *Session { return &Session{e: e, ref: ref, p: p} }

// Close overwrites everything that the session held.
func (s *Session) Close() {
	for i := range s.frontal {
		clear(s.frontal[i].crop)
		clear(s.frontal[i].pts[:])
	}
	clear(s.base[:])
	s.best.Wipe()
	s.best = nil
	s.e.Wipe()
}

// Frame looks at one picture taken at a time.
func (s *Session) Frame(v View, at time.Duration) (Observation, error) {
	img := &s.e.frame
	if err := img.load(v); err != nil {
		return Observation{}, err
	}
	if !s.started {
		s.started, s.since = true, at
	}
	found, err := s.e.detect(img)
	if err != nil {
		return Observation{}, err
	}
	var o Observation
	if len(found) == 0 {
		s.two = 0
		return s.gone(at, o), nil
	}
	d := found[largest(found)]
	for _, f := range found {
		if f.Side >= headPart*d.Side {
			o.Heads++
		}
	}
	o.Confidence = d.Score
	s.faces++
	if o.Heads >= 2 {
		if s.two++; s.two >= twoFor && s.phase != phaseWatch {
			s.sawTwo = true
		}
	} else {
		s.two = 0
	}
	// The track: one face that moves less than its own size between two pictures.
	switch {
	case !s.tracking:
		s.track, s.tracking, s.seen = d, true, at
	case distance(d, s.track) > s.track.Side || d.Side > 1.8*s.track.Side || d.Side < s.track.Side/1.8:
		o = s.gone(at, o)
		if !s.lost || s.phase != phaseWatch {
			return o, nil
		}
	default:
		s.track, s.seen = d, at
	}
	if s.phase == phaseWatch {
		o.Done = true
		return o, nil
	}
	if o.Heads >= 2 {
		o.Guidance = OneAtATime
		return o, nil
	}
	switch s.phase {
	case phaseFrontal:
		err = s.look(img, d, at, &o)
	case phaseRight, phaseLeft:
		err = s.turn(img, d, at, &o)
	}
	o.Done = s.phase == phaseWatch
	return o, err
}

// gone is a picture without the tracked face.
func (s *Session) gone(at time.Duration, o Observation) Observation {
	o.Done = s.phase == phaseWatch
	if o.Guidance = LookHere; o.Done {
		o.Guidance = ""
	}
	if s.tracking && at-s.seen > lostAfter {
		s.tracking = false
		if len(s.frontal) > 0 && !s.lost {
			s.lost, o.TrackLost = true, true
		}
		if s.phase != phaseWatch {
			s.again(at)
		}
	}
	return o
}

// again begins anew: what was captured belongs to a track that ended.
func (s *Session) again(at time.Duration) {
	for i := range s.frontal {
		clear(s.frontal[i].crop)
	}
	s.frontal, s.turned, s.sides = nil, nil, [2]int{}
	s.best.Wipe()
	s.best, s.bestQ, s.lost = nil, 0, false
	s.phase, s.since = phaseFrontal, at
}

// look collects frontal pictures.
func (s *Session) look(img *Image, d Detection, at time.Duration, o *Observation) error {
	var f face
	if err := s.e.analyse(img, d, &s.p.Limits, &f); err != nil {
		return err
	}
	defer clear(f.pts[:])
	q := f.quality.Overall()
	o.Guidance = HoldStill
	if q < 50 {
		s.worst, s.worstOnce = f.quality.Worst(), true
		o.Guidance = instruction(s.worst)
	}
	if d.Side > 0.75*float64(img.W) {
		o.Guidance = StepBack
		return nil
	}
	s.keepBest(img, d, q)
	if q < 50 {
		return nil
	}
	k := kept{quality: q, pts: f.pts, crop: append([]byte{}, s.e.embedder.crop...)}
	s.e.square(s.e.pad, img, d)
	var err error
	if k.live, err = s.e.live(s.e.pad.crop); err != nil {
		return err
	}
	s.frontal = append(s.frontal, k)
	if len(s.frontal) < frontalFrames {
		return nil
	}
	clear(s.base[:])
	for _, k := range s.frontal {
		for i, p := range k.pts {
			s.base[i].X += p.X / float64(len(s.frontal))
			s.base[i].Y += p.Y / float64(len(s.frontal))
		}
	}
	s.phase, s.since = phaseRight, at
	o.Guidance, o.DotX = FollowDot, 0
	return nil
}

// turn moves the dot and measures what follows it. A turn against the dot is not counted: a replay
// does not know where the dot goes.
func (s *Session) turn(img *Image, d Detection, at time.Duration, o *Observation) error {
	side, k := 1.0, 0
	if s.phase == phaseLeft {
		side, k = -1, 1
	}
	o.Guidance = FollowDot
	o.DotX = side * min(1, float64(at-s.since)/float64(dotRamp))
	var pts [68]Point
	if err := s.e.landmarks(img, d, &pts); err != nil {
		return err
	}
	defer clear(pts[:])
	focal := s.p.Focal
	if focal == 0 {
		focal = 1.2 * float64(max(img.W, img.H))
	}
	if yaw := side * turnBetween(&s.base, &pts, focal); yaw >= s.p.Turn && yaw < 30 {
		if r, ok := homographyResidual(&s.base, &pts); ok {
			s.turned = append(s.turned, r)
			s.sides[k]++
		}
	}
	if s.sides[k] >= turnFrames || at-s.since > dotLimit {
		s.phase++
		s.since = at
		if s.phase == phaseWatch {
			o.Guidance, o.DotX = LookHere, 0
		}
	}
	return nil
}

// keepBest keeps the best picture for an officer, cut round the head.
func (s *Session) keepBest(img *Image, d Detection, q float64) {
	if s.best != nil && q <= s.bestQ {
		return
	}
	s.best.Wipe()
	side := int(2.2 * d.Side)
	x0, y0 := max(0, int(d.X)-side/2), max(0, int(d.Y)-side/2)
	x1, y1 := min(img.W, x0+side), min(img.H, y0+side)
	if x1-x0 < 16 || y1-y0 < 16 {
		return
	}
	m := NewImage(x1-x0, y1-y0)
	for y := range m.H {
		copy(m.Pix[y*m.Stride:(y+1)*m.Stride], img.Pix[(y0+y)*img.Stride+3*x0:])
	}
	s.best, s.bestQ = m, q
}

func instruction(c Component) Instruction {
	switch c {
	case EyeDistance:
		return ComeCloser
	case Sharpness:
		return HoldStill
	case Luminance, UnderExposure, OverExposure, Uniformity:
		return MoreLight
	}
	return LookHere
}

// errNoReference says that a session has nothing to compare with.
var errNoReference = errors.New("facematch: no reference")

// Decide judges what was captured. It may be called once; a capture that ended early is judged by what
// there is: what was not evaluated says so.
func (s *Session) Decide() Result {
	r := Result{Threshold: s.p.Match, PADBand: verdict.BandBelow, MatchBand: verdict.BandBelow, Best: s.best}
	s.best = nil // the caller's now
	s.phase = phaseWatch
	add := func(id verdict.CheckID, res verdict.Result, why verdict.Reason, score, threshold float64) {
		r.Checks = append(r.Checks, verdict.Check{ID: id, Result: res, Reason: why, Score: score, Threshold: threshold})
	}
	switch {
	case s.sawTwo:
		add(verdict.CheckSingleFace, verdict.Fail, verdict.TwoFaces, 0, 0)
	case s.faces == 0:
		add(verdict.CheckSingleFace, verdict.Fail, verdict.NoFace, 0, 0)
	default:
		add(verdict.CheckSingleFace, verdict.Pass, verdict.OK, 0, 0)
	}
	if len(s.frontal) == 0 {
		why := verdict.FaceQuality
		if s.faces == 0 {
			why = verdict.NoFace
		}
		add(verdict.CheckQuality, verdict.Fail, why, s.bestQ, 50)
		add(verdict.CheckPADTexture, verdict.NotPossible, verdict.PADNotEvaluated, 0, s.e.padThreshold)
		add(verdict.CheckPADPlanarity, verdict.NotPossible, verdict.PADNotEvaluated, 0, s.p.Planarity)
		add(verdict.CheckMatch, verdict.NotPossible, why, 0, s.p.Match)
		return r
	}
	slices.SortStableFunc(s.frontal, func(a, b kept) int {
		switch {
		case a.quality > b.quality:
			return -1
		case a.quality < b.quality:
			return 1
		}
		return 0
	})
	add(verdict.CheckQuality, verdict.Pass, verdict.OK, s.frontal[0].quality, 50)
	live := make([]float64, 0, len(s.frontal))
	for _, k := range s.frontal {
		live = append(live, k.live)
	}
	texture := median(live)
	if texture >= s.e.padThreshold {
		add(verdict.CheckPADTexture, verdict.Pass, verdict.OK, texture, s.e.padThreshold)
	} else {
		add(verdict.CheckPADTexture, verdict.Fail, verdict.PADFailed, texture, s.e.padThreshold)
	}
	planar := 0.0
	switch {
	case len(s.turned) < minTurned:
		add(verdict.CheckPADPlanarity, verdict.NotPossible, verdict.PADNotEvaluated, 0, s.p.Planarity)
	default:
		if planar = median(s.turned); planar >= s.p.Planarity {
			add(verdict.CheckPADPlanarity, verdict.Pass, verdict.OK, planar, s.p.Planarity)
		} else {
			add(verdict.CheckPADPlanarity, verdict.Fail, verdict.PADFailed, planar, s.p.Planarity)
		}
	}
	for _, id := range []verdict.CheckID{verdict.CheckPADLight, verdict.CheckPADTemporal, verdict.CheckPADEdges} {
		add(id, verdict.NotEvaluated, verdict.PADNotEvaluated, 0, 0)
	}
	if texture >= s.e.padThreshold && planar >= s.p.Planarity {
		r.PADBand = verdict.BandAbove
	}
	score, err := s.compare()
	if err != nil {
		add(verdict.CheckMatch, verdict.NotPossible, verdict.FaceQuality, 0, s.p.Match)
		return r
	}
	r.Score, r.MatchBand = score, verdict.Band(score, s.p.Match)
	if score >= s.p.Match {
		add(verdict.CheckMatch, verdict.Pass, verdict.OK, score, s.p.Match)
	} else {
		add(verdict.CheckMatch, verdict.Fail, verdict.FaceMismatch, score, s.p.Match)
	}
	return r
}

// compare is the median score of the best frames against the reference: a fixed number of frames, in
// an order that does not depend on when they came.
func (s *Session) compare() (float64, error) {
	if s.ref == nil || len(s.ref.template) == 0 {
		return 0, errNoReference
	}
	if s.ref.model != s.e.embedder.m.ID+"@"+s.e.embedder.m.SHA256 {
		return 0, errors.New("facematch: reference of another model")
	}
	probe := make([]float32, len(s.ref.template))
	defer clear(probe)
	var scores []float64
	for _, k := range s.frontal[:min(embedFrames, len(s.frontal))] {
		if err := s.e.embed(k.crop, probe); err != nil {
			return 0, err
		}
		scores = append(scores, cosine(probe, s.ref.template))
	}
	return median(scores), nil
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	n := len(v)
	if n == 0 {
		return math.NaN()
	}
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}
