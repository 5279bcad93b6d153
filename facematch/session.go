package facematch

import (
	"crypto/rand"
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
	// RemoveGlasses and UncoverFace are asked for a few times and never in a loop.
	RemoveGlasses Instruction = "remove_glasses"
	UncoverFace   Instruction = "uncover_face"
)

// Params are the values of the policy that a session works with.
type Params struct {
	Match  float64 // cosine from which two faces are one person
	Limits Limits  // of live quality
	// A sheet is also told by the pixels of the face, which are followed from picture to picture: limits of that are the
	// package's own (solid), because they are parts of a change of shape and of no camera or model.
	//
	// Turn is how far the head must turn to either side, degrees, for the planarity to be measured;
	// Planarity is the residual, in eye distances, from which what turned is no sheet. Measured at 10
	// to 15 degrees: heads 0.023 and more, flat sheets 0.009 and less.
	// Relief is the part of the change of shape that a homography must leave over, too: heads that turn 0.55 and more,
	// flat sheets 0.46 and less, sheets bent to a third of a half cylinder 0.45.
	Turn, Planarity, Relief float64
	// Focal is the focal length of the camera in pixels; 0 takes 1.2 times the longer side.
	Focal float64
	// Light asks for a light challenge while the dot is followed.
	Light bool
	// Morph asks for a hint at a morphed portrait (F-10).
	Morph bool
	// Named are the slots that the policy names, Signals the sensors that answer for them.
	Named   []verdict.CheckID
	Signals []Signal
}

// DefaultParams are the start values: not calibrated on a gate's own camera.
func DefaultParams(match float64) Params {
	return Params{Match: match, Limits: LiveLimits(), Turn: 10, Planarity: 0.016, Relief: 0.5}
}

func (p *Params) focal(img *Image) float64 {
	if p.Focal > 0 {
		return p.Focal
	}
	return 1.2 * float64(max(img.W, img.H))
}

// What a session looks at, at most and at least.
const (
	frontalFrames = 4                       // frontal pictures that are kept
	moveFrames    = 3                       // turned pictures that end a move of the dot
	sideFrames    = 2                       // a head must be seen turned to either side in so many
	heldFrames    = 5                       // pictures of a sheet that has followed
	minHeld       = 3                       // fewer at a side say nothing
	maxHeld       = 64                      // more are not looked at
	followedBoth  = 1.4                     // parts of Turn, both sides together, that a sheet has followed
	plannedMoves  = 3                       // of the dot, in a random order
	maxMoves      = 5                       // with those repeated for a side that was missed
	maxYaw        = 30.0                    // degrees; beyond it face points are guesses
	stillNose     = 4.0                     // degrees that the nose of a flat sheet may seem to turn
	backAgain     = 0.6                     // part of Turn below which a head has come back
	dotRest       = 250 * time.Millisecond  // of the dot in the middle between two moves
	dotRamp       = 700 * time.Millisecond  // of the dot from the middle to the side
	reaction      = 400 * time.Millisecond  // of who follows the dot
	dotLimit      = 3500 * time.Millisecond // of waiting at one side
	embedFrames   = 3                       // best frames that are compared; the median counts (F-04)
	lostAfter     = 700 * time.Millisecond  // without the tracked face: the track is lost
)

// Continuity: the capture is of one person from its first picture to the end of the watch.
const (
	// sameFace is the cosine below which two pictures of one capture are not of one person. It is
	// lower than the match threshold, because one of them may be turned; false alarms cost a second try.
	sameFace     = 0.40
	changedFor   = 2                       // pictures in a row of somebody else
	recheckEvery = 1200 * time.Millisecond // while watching
	recheckNose  = 12.0                    // degrees; a face turned further away is not compared
)

type phase uint8

const (
	phaseFrontal phase = iota
	phaseTurn
	phaseLight // the last of a light challenge
	phaseWatch
)

// Observation is what one picture told.
type Observation struct {
	Heads      int     // in this picture
	Count      int     // that stays: a false detection is no person; -1 while it is not known
	Confidence float64 // of Heads: the least score of those counted, 0 where there is none
	Guidance   Instruction
	DotX       float64     // of FollowDot, -1 … 1
	TrackLost  bool        // once, when the one tracked face is gone or another took its place
	Done       bool        // Decide may be called
	Evidence   bool        // a template was made of this picture, or its pixels were followed: it may count; the others only guide or watch
	Fault      CameraFault // of the camera's own pictures, standing for about a second (F-14)
	// Challenge is a light challenge to be played now; each of its steps, and its end, is told by Shown.
	Challenge []LightStep
}

// Result is what a session found. Scores are for the policy and the sealed dossier.
type Result struct {
	Checks             []verdict.Check
	MatchBand, PADBand string
	Score, Threshold   float64
	Best               *Image // the best live picture, cut round the face; the caller wipes it
}

// kept is what is kept of one frontal picture: measures and a template, not the picture.
type kept struct {
	quality  float64
	live     float64
	sharp    float64
	template []float32
}

// Session is the capture of one person. It is used by one goroutine and closed by it.
type Session struct {
	e   *Engine
	ref *Reference
	p   Params

	phase   phase
	since   time.Duration // of the phase or the move
	started bool
	frontal []kept
	sum     []float32 // of the frontal templates: who is being captured
	probe   []float32
	base    [68]Point // mean frontal points
	best    *Image
	bestQ   float64

	// The guided turn. A replay does not know where the dot goes next.
	moves     [maxMoves]int8 // +1 the right edge of the screen, -1 the left
	planned   int
	move      int
	focal     float64
	back      bool // the head came back since the last move
	inMove    int
	heads     [2][]relief // of pictures turned to the right, to the left
	held      [2]held     // what was held at the dot without a nose that turned
	faces     int         // pictures with a face
	count     headCount
	sawTwo    bool
	track     Detection
	tracking  bool
	seen      time.Duration
	lost      bool
	strangers int // pictures in a row of somebody else
	changed   bool
	checked   time.Duration // last comparison of the watch

	asked      instructions
	order      temporal
	camera     supervisor
	seenOptics optics
	light      light
	lines      edges
	grips      hands
	shine      specular
	beat       moire
	noise      grain
	depth      solid
}

// NewSession begins a capture against one reference: there is no other one to compare with.
func NewSession(e *Engine, ref *Reference, p Params) *Session {
	s := &Session{e: e, ref: ref, p: p, order: newTemporal(), probe: make([]float32, e.embedder.m.Embedding.Dim)}
	s.sum = make([]float32, len(s.probe))
	s.plan()
	return s
}

// plan chooses where the dot goes: to both sides in a random order, then to a random one.
func (s *Session) plan() {
	var b [1]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	first, third := int8(1), int8(1)
	if b[0]&1 == 1 {
		first = -1
	}
	if b[0]&2 == 2 {
		third = -1
	}
	s.moves = [maxMoves]int8{first, -first, third}
	s.planned, s.move, s.inMove, s.back = plannedMoves, 0, 0, true
}

// Close overwrites everything that the session held.
func (s *Session) Close() {
	s.forget()
	s.best.Wipe()
	s.best = nil
	clear(s.probe)
	s.order.wipe()
	s.e.Wipe()
}

// forget overwrites what was captured of one person.
func (s *Session) forget() {
	for i := range s.frontal {
		clear(s.frontal[i].template)
	}
	s.frontal = nil
	s.light.forget()
	s.lines.forget()
	s.depth.forget()
	s.grips.forget()
	s.shine.forget()
	s.beat.peaks, s.noise.parts = nil, nil
	clear(s.sum)
	clear(s.base[:])
	s.heads, s.held = [2][]relief{}, [2]held{}
}

// Frame looks at one picture taken at a time.
func (s *Session) Frame(v View, at time.Duration) (Observation, error) {
	img := &s.e.frame
	if err := s.e.take(v); err != nil {
		return Observation{}, err
	}
	s.order.picture(img, at, s.phase != phaseWatch)
	if !s.started {
		s.started, s.since = true, at
	}
	found, err := s.e.detect(img)
	if err != nil {
		return Observation{}, err
	}
	o := Observation{Fault: s.camera.picture(img, at)}
	if s.order.frozen(at) {
		o.Fault = CameraFrozen
	}
	o.Heads, o.Confidence = heads(found)
	s.count.picture(o.Heads)
	if o.Count = -1; s.count.known {
		o.Count = s.count.count
	}
	if s.phase != phaseWatch && s.count.several() {
		s.sawTwo = true
	}
	if len(found) == 0 {
		s.order.nobody()
		return s.gone(at, o), nil
	}
	d := found[largest(found)]
	if d, err = s.e.follow(img, d); err != nil {
		return Observation{}, err
	}
	s.faces++
	if o.Heads == 1 {
		s.order.found(img, d, at, s.phase != phaseWatch)
	} else {
		s.order.nobody()
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
		return o, s.watch(img, d, at, &o)
	}
	if o.Heads >= 2 {
		o.Guidance = OneAtATime
		return o, nil
	}
	switch s.phase {
	case phaseFrontal:
		err = s.look(img, d, at, &o)
	case phaseTurn:
		err = s.turn(img, d, at, &o)
	case phaseLight:
		err = s.linger(img, d, at, &o)
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
		if len(s.sum) > 0 && s.began() && !s.lost {
			s.lost, o.TrackLost = true, true
		}
		if s.phase != phaseWatch {
			s.again(at)
		}
	}
	return o
}

func (s *Session) began() bool { return len(s.frontal) > 0 || s.phase == phaseWatch }

// again begins anew: what was captured belongs to a track that ended.
func (s *Session) again(at time.Duration) {
	s.forget()
	s.best.Wipe()
	s.best, s.bestQ, s.lost, s.strangers = nil, 0, false, 0
	s.phase, s.since = phaseFrontal, at
	s.plan()
}

// stranger counts pictures in a row of somebody else and tells whether the person has changed.
func (s *Session) stranger(template []float32) bool {
	if cosine(template, s.sum)/norm(s.sum) >= sameFace {
		s.strangers = 0
		return false
	}
	s.strangers++
	return s.strangers >= changedFor
}

// look collects frontal pictures.
func (s *Session) look(img *Image, d Detection, at time.Duration, o *Observation) error {
	var f face
	if err := s.e.glance(img, d, &s.p.Limits, &f); err != nil {
		return err
	}
	defer clear(f.pts[:])
	s.seenOptics.add(&f.quality)
	if f.quality.Overall() >= 50 { // it may be evidence: all of it is measured
		if err := s.e.regard(img, &s.p.Limits, &f); err != nil {
			return err
		}
	}
	q := f.quality.Overall()
	want := HoldStill
	if q < 50 {
		want = instruction(f.quality.Worst())
	}
	if d.Side > 0.75*float64(img.W) {
		want = StepBack
	}
	o.Guidance = s.asked.say(want, at)
	if s.asked.uncovered >= maxUncover {
		// Who cannot or will not: to the officer, politely.
		s.phase, s.since, o.Guidance = phaseWatch, at, ""
		return nil
	}
	if want == StepBack {
		return nil
	}
	if q < 50 {
		s.keepBest(img, d, q)
		return nil
	}
	o.Evidence = true
	k := kept{quality: q, sharp: f.quality.Raw[Sharpness], template: make([]float32, len(s.probe))}
	if err := s.e.embed(s.e.embedder.crop, k.template); err != nil {
		return err
	}
	if len(s.frontal) > 0 && cosine(k.template, s.sum)/norm(s.sum) < sameFace {
		clear(k.template)
		if s.strangers++; s.strangers >= changedFor {
			s.changed, o.TrackLost = true, true
			s.again(at)
		}
		return nil
	}
	s.strangers = 0
	s.keepBest(img, d, q)
	s.e.square(s.e.pad, img, d)
	var err error
	if k.live, err = s.e.live(s.e.pad.crop); err != nil {
		return err
	}
	s.beat.look(img, &f.pts)
	s.noise.look(img, d)
	s.lines.look(img, d)
	s.grips.look(img, d, &f.pts)
	s.shine.look(img, &f.pts)
	s.frontal = append(s.frontal, k)
	for i, v := range k.template {
		s.sum[i] += v
	}
	for i, p := range f.pts {
		s.base[i].X += p.X / frontalFrames
		s.base[i].Y += p.Y / frontalFrames
	}
	if len(s.frontal) < frontalFrames {
		return nil
	}
	s.depth.begin(img, &f.pts)
	s.phase, s.since = phaseTurn, at
	o.Guidance, o.DotX = FollowDot, 0
	// One at a time: after a new beginning, that of before is played to its end.
	if s.p.Light && !s.light.plays() {
		o.Challenge = s.light.ask(at)
	}
	return nil
}

// Shown notes that step index of the light challenge, or its end after the last one, was given to the screen at a
// time of the clock of Frame.
func (s *Session) Shown(index int, at time.Duration) { s.light.told(index, at) }

// linger waits for the end of a light challenge.
func (s *Session) linger(img *Image, d Detection, at time.Duration, o *Observation) error {
	o.Guidance = LookHere
	if !s.light.plays() || at-s.since > lightWait {
		s.phase = phaseWatch
		return nil
	}
	var pts [68]Point
	if err := s.e.landmarks(img, d, &pts); err != nil {
		return err
	}
	defer clear(pts[:])
	nose, _ := turnBetween(&s.base, &pts, s.p.focal(img))
	s.light.look(img, d, &pts, nose, at)
	return nil
}

// turn moves the dot and measures what follows it. A turn against the dot is not counted: a replay
// does not know where the dot goes. A turned picture of somebody else is not counted either, so that
// one cannot show a photo first and turn one's own head then.
func (s *Session) turn(img *Image, d Detection, at time.Duration, o *Observation) error {
	side, k := float64(s.moves[s.move]), 0
	if side < 0 {
		k = 1
	}
	spent := at - s.since
	if s.move > 0 {
		spent -= dotRest
	}
	o.Guidance = FollowDot
	o.DotX = side * max(0, min(1, float64(spent)/float64(dotRamp)))
	var pts [68]Point
	if err := s.e.landmarks(img, d, &pts); err != nil {
		return err
	}
	defer clear(pts[:])
	focal := s.p.focal(img)
	nose, flat := turnBetween(&s.base, &pts, focal)
	s.light.look(img, d, &pts, nose, at)
	s.lines.look(img, d)
	s.grips.look(img, d, &pts)
	s.shine.look(img, &pts)
	nose, flat = side*nose, side*flat
	switch {
	case !s.back:
		// The same side again: the dot waits in the middle until the head has come back.
		o.DotX = 0
		if nose < backAgain*s.p.Turn {
			s.back, s.since = true, at
		}
	case spent < 0:
	case nose >= s.p.Turn && nose < maxYaw:
		if err := s.e.align(img, fivePoints(&pts)); err != nil {
			return nil // points that span no face are no turn
		}
		o.Evidence = true
		if err := s.e.embed(s.e.embedder.crop, s.probe); err != nil {
			return err
		}
		if s.strange(o, at) {
			return nil
		}
		if s.strangers > 0 {
			break
		}
		s.depth.look(&s.e.pixels, img, &pts)
		if r, ok := reliefBetween(&s.base, &pts); ok {
			s.heads[k] = append(s.heads[k], r)
			s.inMove++
		}
	case nose < s.p.Turn && spent >= dotRamp+reaction:
		// The dot waits at the side: a sheet that follows it shows no nose that does.
		o.Evidence = true
		s.depth.look(&s.e.pixels, img, &pts)
		if math.Abs(nose) < stillNose {
			s.held[k].add(&s.base, &pts)
		}
	}
	// A sheet that has followed need not be held longer.
	followed := s.held[k].n >= heldFrames && side*s.held[k].turn(&s.base, focal) >= s.p.Turn
	s.focal = focal
	if s.inMove >= moveFrames || followed || spent > dotLimit {
		s.next(at)
		if s.phase != phaseTurn {
			o.Guidance, o.DotX = LookHere, 0
		}
	}
	return nil
}

// strange begins anew when the probe is of somebody else for the second time in a row.
func (s *Session) strange(o *Observation, at time.Duration) bool {
	if !s.stranger(s.probe) {
		return false
	}
	s.changed, o.TrackLost = true, true
	s.again(at)
	o.Guidance, o.DotX = LookHere, 0
	return true
}

// next ends a move of the dot.
func (s *Session) next(at time.Duration) {
	s.move++
	right, left := len(s.heads[0]) >= sideFrames, len(s.heads[1]) >= sideFrames
	// A head that was seen to turn to one side only gets another chance at the other one.
	if s.move == s.planned && right != left && s.planned < maxMoves {
		s.moves[s.planned] = 1
		if right {
			s.moves[s.planned] = -1
		}
		s.planned++
	}
	// Who does not turn at all is not asked a third time.
	idle := s.move == 2 && len(s.heads[0])+len(s.heads[1]) == 0
	if s.move >= s.planned || idle {
		if s.phase = phaseWatch; s.light.plays() {
			s.phase = phaseLight
		}
	}
	s.since, s.inMove, s.back = at, 0, s.move < s.planned && s.moves[s.move] != s.moves[s.move-1]
}

// watch makes sure that who stands there is still who was captured: an allow is bound to that.
func (s *Session) watch(img *Image, d Detection, at time.Duration, o *Observation) error {
	if len(s.frontal) == 0 || s.lost || at-s.checked < recheckEvery && s.strangers == 0 {
		return nil
	}
	var pts [68]Point
	if err := s.e.landmarks(img, d, &pts); err != nil {
		return err
	}
	defer clear(pts[:])
	five := fivePoints(&pts)
	if math.Abs(asinDeg((noseOffset(&s.base)-noseOffset(&pts))/noseRelief)) > recheckNose || s.e.align(img, five) != nil {
		return nil
	}
	s.checked, o.Evidence = at, true
	if err := s.e.embed(s.e.embedder.crop, s.probe); err != nil {
		return err
	}
	if s.stranger(s.probe) {
		s.changed, s.lost, o.TrackLost = true, true, true
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
	case EyesVisible:
		return RemoveGlasses
	case FaceOcclusion:
		return UncoverFace
	}
	return LookHere
}

// An instruction stands long enough to be read and done; the next one comes when it has been the right one for
// a moment. Being told to hold still comes at once: everything is right then.
const (
	instructionFor = 900 * time.Millisecond
	steadyFor      = 250 * time.Millisecond
	uncoverTry     = 3500 * time.Millisecond // of being asked to uncover eyes or face
	maxUncover     = 3                       // tries, then an officer helps
)

// instructions gives one instruction at a time, with hysteresis.
type instructions struct {
	now, next    Instruction
	since, asked time.Duration // of now; of next
	uncovered    int           // tries of uncovering eyes or face that have passed
	try          time.Duration // when the present try began
	trying       bool
}

// say takes the instruction that a picture calls for and gives the one that is shown.
func (i *instructions) say(want Instruction, at time.Duration) Instruction {
	switch {
	case i.now == "" || want == HoldStill:
		i.now, i.since = want, at
	case want == i.now:
	case want != i.next:
		i.next, i.asked = want, at
	}
	if want == i.now {
		i.next = ""
	} else if i.next == want && at-i.asked >= steadyFor && at-i.since >= instructionFor {
		i.now, i.since, i.next = want, at, ""
	}
	if covers := i.now == RemoveGlasses || i.now == UncoverFace; !covers {
		i.trying = false
	} else if !i.trying {
		i.trying, i.try = true, at
	} else if at-i.try >= uncoverTry {
		i.uncovered++
		i.try = at
	}
	if i.trying && i.uncovered%2 == 1 {
		return otherWords[i.now]
	}
	return i.now
}

// otherWords are for the second try: what was asked for has not helped (P-07). Eyes that are dark may be so under a
// brim or hair; a covered face may be one that looks down.
var otherWords = map[Instruction]Instruction{RemoveGlasses: UncoverFace, UncoverFace: LookHere}

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
	planar, res := s.planarity()
	add(verdict.CheckPADPlanarity, res, reasonOf(res), planar, s.p.Planarity)
	temporal := verdict.Pass
	if s.changed || s.order.bad() {
		temporal = verdict.Fail
	}
	add(verdict.CheckPADTemporal, temporal, reasonOf(temporal), float64(s.order.events()), repeatsAreBad)
	unlit := false
	for _, x := range []struct {
		id    verdict.CheckID
		judge func() (score, threshold float64, r verdict.Result)
	}{{verdict.CheckPADLight, s.light.judge}, {verdict.CheckPADEdges, s.lines.judge}, {verdict.CheckPADHands, s.grips.judge}, {verdict.CheckPADSpecular, s.shine.judge}, {verdict.CheckPADMoire, s.beat.judge}, {verdict.CheckPADGrain, s.noise.judge}} {
		score, threshold, r := x.judge()
		add(x.id, r, reasonOf(r), score, threshold)
		unlit = unlit || x.id == verdict.CheckPADLight && r == verdict.Fail
	}
	slots(s.p.Named, s.p.Signals, add)
	if texture >= s.e.padThreshold && res == verdict.Pass && temporal == verdict.Pass && !unlit {
		r.PADBand = verdict.BandAbove
	}
	score, err := s.compare()
	if err != nil {
		add(verdict.CheckMatch, verdict.NotPossible, verdict.FaceQuality, 0, s.p.Match)
		return r
	}
	r.Score, r.MatchBand = score, verdict.Band(score, s.p.Match)
	if s.p.Morph {
		r.Checks = append(r.Checks, s.morph(score))
	}
	if score >= s.p.Match {
		add(verdict.CheckMatch, verdict.Pass, verdict.OK, score, s.p.Match)
	} else {
		add(verdict.CheckMatch, verdict.Fail, verdict.FaceMismatch, score, s.p.Match)
	}
	return r
}

func reasonOf(r verdict.Result) verdict.Reason {
	switch r {
	case verdict.Pass:
		return verdict.OK
	case verdict.Fail:
		return verdict.PADFailed
	}
	return verdict.PADNotEvaluated
}

// planarity judges the guided turn. A head was seen turned to both sides; a bent sheet, whose nose
// follows the turn a little, is seen to one side at most. What followed the dot in perspective and kept
// its nose in the middle is a sheet. Anything else was not evaluated, and that opens no door.
func (s *Session) planarity() (float64, verdict.Result) {
	return judgePlanarity(&s.p, &s.base, &s.heads, &s.held[0], &s.held[1], s.focal, &s.depth)
}

// judgePlanarity is the rule of a session and of a recording. Pixels that were followed and show a sheet refuse it,
// whatever the face points say; pixels alone let nobody pass.
func judgePlanarity(p *Params, base *[68]Point, heads *[2][]relief, right, left *held, focal float64, depth *solid) (float64, verdict.Result) {
	if part, sheet := depth.sheet(); sheet {
		return p.Planarity * part, verdict.Fail
	}
	if len(heads[0]) >= sideFrames && len(heads[1]) >= sideFrames {
		r, part := medians(slices.Concat(heads[0], heads[1]))
		if part < p.Relief {
			return p.flatter(r, part), verdict.Fail
		}
		if r >= p.Planarity {
			return r, verdict.Pass
		}
		return r, verdict.Fail
	}
	if !depth.sees() && right.n >= minHeld && left.n >= minHeld && right.turn(base, focal)-left.turn(base, focal) >= followedBoth*p.Turn {
		if r := median(slices.Concat(right.residuals, left.residuals)); r < p.Planarity {
			return r, verdict.Fail
		}
	}
	return 0, verdict.NotPossible
}

// medians of the residual and of the part that a homography leaves over.
func medians(of []relief) (residual, part float64) {
	var r, q []float64
	for _, x := range of {
		r, q = append(r, x.plane), append(q, x.part())
	}
	return median(r), median(q)
}

// flatter is the residual of what is flat by its relief, below the threshold on the one scale that is reported.
func (p *Params) flatter(residual, part float64) float64 {
	return min(residual, p.Planarity*part/p.Relief)
}

// held is what was held at one side while the dot was there: the mean of its points tells a turn in
// perspective that single pictures are too noisy for.
type held struct {
	n         int
	points    [68]Point // sum
	residuals []float64
}

func (h *held) add(base, pts *[68]Point) {
	if r, ok := homographyResidual(base, pts); ok && h.n < maxHeld {
		h.n++
		h.residuals = append(h.residuals, r)
		for i, p := range pts {
			h.points[i].X += p.X
			h.points[i].Y += p.Y
		}
	}
}

// turn is the yaw of the mean by its perspective, degrees, as turnBetween.
func (h *held) turn(base *[68]Point, focal float64) float64 {
	if h.n == 0 {
		return 0
	}
	mean := h.mean()
	_, flat := turnBetween(base, &mean, focal)
	return flat
}

// mean of the points, n of them.
func (h *held) mean() [68]Point {
	mean := h.points
	for i := range mean {
		mean[i].X /= float64(h.n)
		mean[i].Y /= float64(h.n)
	}
	return mean
}

// compare is the median score of the best frames against the reference: a fixed number of frames, in
// an order that does not depend on when they came.
func (s *Session) compare() (float64, error) {
	if s.ref == nil || len(s.ref.template) == 0 {
		return 0, errNoReference
	}
	if s.ref.model != s.e.embedder.name() {
		return 0, errors.New("facematch: reference of another model")
	}
	var scores []float64
	for _, k := range s.frontal[:min(embedFrames, len(s.frontal))] {
		scores = append(scores, cosine(k.template, s.ref.template))
	}
	return median(scores), nil
}

// morph is the hint at a portrait of two faces: the face points are the mean of the frontal pictures.
func (s *Session) morph(score float64) verdict.Check {
	live := likeness{pts: s.base}
	defer clear(live.pts[:])
	var sharp []float64
	for _, k := range s.frontal {
		sharp = append(sharp, k.sharp)
	}
	live.sharp = median(sharp)
	if len(s.frontal) < frontalFrames {
		live.sharp = 0 // base is a mean of so many
	}
	h, ok := hintMorph(&s.ref.look, &live, score, s.p.Match)
	return h.check(ok)
}

// norm is the length of a template, 1 where there is none.
func norm(v []float32) float64 {
	if n := math.Sqrt(cosine(v, v)); n > 0 {
		return n
	}
	return 1
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
