package facematch

import (
	"math"
	"slices"
	"time"

	"egate/verdict"
)

// Limits of a recording.
const (
	MaxRecording   = 2000  // pictures of one presentation
	texturePicks   = 8     // pictures, nearest to frontal, whose texture and template are looked at
	maxLeanDegrees = 20.0  // of roll; beyond it a picture is no frontal one
	leastFrontal   = 2     // pictures; a film is asked for nothing and may show few
	leastTurned    = 2     // pictures of a turn, where pixels show a head
	filmViews      = 64    // pictures that pixels are followed into
	filmBases      = 3     // from so many
	filmYaw        = 40.0  // degrees of a turn that counts: a film may show few between
	shapeChanged   = 0.018 // eye distances beside a similarity; what landmarks are wrong by no homography explains
	heldChanged    = 0.012 // the same of the mean of a row
	// flatRelief is Params.Relief of the mean of rows whose nose did not turn. It is nearer to heads, because nothing
	// depends on it but the word: who was not seen to turn is not accepted either way.
	flatRelief = 0.57
)

// Recording judges a presentation that was filmed without a gate: pictures in their order, of somebody
// or something that turns to both sides. It measures what a Session measures, with the same functions,
// thresholds and counts. What it cannot have is the dot: a turn counts to whichever side it goes, so a
// recording says nothing of who does not follow.
type Recording struct {
	e      *Engine
	p      Params
	gate   bool
	order  temporal
	faces  int
	count  headCount
	sawTwo bool
	seen   []seen
	lines  edges
	grips  hands
	shine  specular
	beat   moire
	noise  grain
	focal  float64
	why    map[string]int
	depth  solid
}

// seen is what is kept of one picture.
type seen struct {
	pts      [68]Point
	side     float64
	nose     float64 // offset, eye distances
	pose     Pose
	quality  float64
	ok       bool // a frontal picture that would be kept
	live     float64
	peak     float64 // of a regular pattern; NaN where none could be looked for
	template []float32
	face     *crop // nil where the points span no face
}

// NewRecording begins a presentation. With gate, frontal pictures must be of the quality that the gate
// demands; without it every picture that is nearly frontal serves.
func NewRecording(e *Engine, p Params, gate bool) *Recording {
	return &Recording{e: e, p: p, gate: gate, order: newTemporal(), why: map[string]int{}}
}

// Close overwrites what was kept.
func (r *Recording) Close() {
	for i := range r.seen {
		clear(r.seen[i].template)
		clear(r.seen[i].pts[:])
		r.seen[i].face.wipe()
	}
	r.seen = nil
	r.depth.forget()
	r.order.wipe()
	r.grips.forget()
	r.shine.forget()
	r.e.Wipe()
}

// Add looks at the next picture, taken at a time. It may be wiped afterwards.
func (r *Recording) Add(img *Image, at time.Duration) error {
	if err := img.check(); err != nil {
		return err
	}
	r.order.picture(img, at, true)
	found, err := r.e.detect(img)
	if err != nil {
		return err
	}
	n, _ := heads(found)
	r.count.picture(n)
	r.sawTwo = r.sawTwo || r.count.several()
	if len(found) == 0 {
		r.order.nobody()
		r.why[NoFaceFound]++
		return nil
	}
	d := found[largest(found)]
	r.faces++
	if n > 1 {
		r.order.nobody()
		r.why[SeveralFaces]++
		return nil
	}
	r.order.found(img, d, at, true)
	r.lines.look(img, d)
	r.noise.look(img, d)
	if len(r.seen) >= MaxRecording {
		return nil
	}
	r.focal = r.p.focal(img)
	var f face
	defer clear(f.pts[:])
	if err := r.e.analyse(img, d, &r.p.Limits, &f); err == errPoints {
		r.why[NoFaceFound]++
		return nil
	} else if err != nil {
		return err
	}
	r.grips.look(img, d, &f.pts)
	r.shine.look(img, &f.pts)
	s := seen{pts: f.pts, side: d.Side, nose: noseOffset(&f.pts), pose: f.pose, quality: f.quality.Overall(), template: make([]float32, r.e.embedder.m.Embedding.Dim)}
	limits := &r.p.Limits
	s.ok = s.quality >= 50
	if !s.ok {
		r.why[f.quality.Worst().String()]++
	}
	if !r.gate {
		s.ok = math.Abs(f.pose.Yaw) <= limits[PoseYaw].Accept && math.Abs(f.pose.Pitch) <= limits[PosePitch].Bad && math.Abs(f.pose.Roll) <= maxLeanDegrees
	}
	if err := r.e.embed(r.e.embedder.crop, s.template); err != nil {
		return err
	}
	r.e.square(r.e.pad, img, d)
	if s.live, err = r.e.live(r.e.pad.crop); err != nil {
		return err
	}
	s.peak = math.NaN()
	if r.beat.look(img, &f.pts); len(r.beat.peaks) == 1 {
		s.peak = r.beat.peaks[0]
	}
	r.beat.peaks = r.beat.peaks[:0]
	if c := new(crop); c.cut(img, &f.pts) {
		s.face = c
	}
	r.seen = append(r.seen, s)
	return nil
}

// Judgement is what a recording came to. Each check has its own result, and NotPossible where it was not
// evaluated.
type Judgement struct {
	Checks           []verdict.Check
	Pictures, Faces  int
	Frontal          int // pictures that could be kept as frontal
	Turned           [2]int
	Repeats          int
	Loops, Cuts      int
	ChangedPerson    bool
	Reasons          map[string]int // of pictures that were of no use
	Score            float64        // against the reference, NaN without one
	TurnNose, Spread float64        // largest turn seen by the nose, and both sides together, degrees
}

// Judge judges what was added. It may be called once.
func (r *Recording) Judge(ref *Reference) Judgement {
	j := Judgement{Pictures: r.order.pics, Faces: r.faces, Repeats: r.order.repeats, Loops: r.order.loops, Cuts: r.order.cuts, Reasons: r.why, Score: math.NaN()}
	add := func(id verdict.CheckID, res verdict.Result, why verdict.Reason, score, threshold float64) {
		j.Checks = append(j.Checks, verdict.Check{ID: id, Result: res, Reason: why, Score: score, Threshold: threshold})
	}
	switch {
	case r.sawTwo:
		add(verdict.CheckSingleFace, verdict.Fail, verdict.TwoFaces, 0, 0)
	case r.faces == 0:
		add(verdict.CheckSingleFace, verdict.Fail, verdict.NoFace, 0, 0)
	default:
		add(verdict.CheckSingleFace, verdict.Pass, verdict.OK, 0, 0)
	}
	front := r.frontal()
	j.Frontal = len(front)
	r.follow(front)
	if len(front) == 0 {
		add(verdict.CheckPADTexture, verdict.NotPossible, verdict.PADNotEvaluated, 0, r.e.padThreshold)
		planar, res := r.flatWithoutFront()
		add(verdict.CheckPADPlanarity, res, reasonOf(res), planar, r.p.Planarity)
		r.temporal(&j, add)
		return j
	}
	var live []float64
	for _, k := range front[:min(len(front), texturePicks)] {
		live = append(live, r.seen[k].live)
	}
	texture, verdictOf := median(live), verdict.Fail
	if texture >= r.e.padThreshold {
		verdictOf = verdict.Pass
	}
	add(verdict.CheckPADTexture, verdictOf, reasonOf(verdictOf), texture, r.e.padThreshold)
	planar, res := r.planarity(front, &j)
	add(verdict.CheckPADPlanarity, res, reasonOf(res), planar, r.p.Planarity)
	r.temporal(&j, add)
	r.fabric(front, add)
	r.match(front, ref, &j)
	return j
}

// fabric is what tells of a sheet or a panel by itself: lines that move, which tells something only where the camera
// stood still, and a raster in the most frontal pictures.
func (r *Recording) fabric(front []int, add func(verdict.CheckID, verdict.Result, verdict.Reason, float64, float64)) {
	for _, k := range front[:min(len(front), texturePicks)] {
		if !math.IsNaN(r.seen[k].peak) {
			r.beat.peaks = append(r.beat.peaks, r.seen[k].peak)
		}
	}
	score, threshold, res := r.lines.judge()
	add(verdict.CheckPADEdges, res, reasonOf(res), score, threshold)
	score, threshold, res = r.grips.judge()
	add(verdict.CheckPADHands, res, reasonOf(res), score, threshold)
	score, threshold, res = r.shine.judge()
	add(verdict.CheckPADSpecular, res, reasonOf(res), score, threshold)
	score, threshold, res = r.beat.judge()
	add(verdict.CheckPADMoire, res, reasonOf(res), score, threshold)
	score, threshold, res = r.noise.judge()
	add(verdict.CheckPADGrain, res, reasonOf(res), score, threshold)
}

func (r *Recording) temporal(j *Judgement, add func(verdict.CheckID, verdict.Result, verdict.Reason, float64, float64)) {
	res := verdict.Pass
	if r.order.pics < 2 {
		res = verdict.NotPossible
	}
	if r.order.bad() || j.ChangedPerson {
		res = verdict.Fail
	}
	add(verdict.CheckPADTemporal, res, reasonOf(res), float64(j.Repeats+j.Loops+j.Cuts), repeatsAreBad)
}

// frontal are the indices of the pictures that may be kept, the most frontal first: a session asks to be
// looked at, a recording has only the nose to tell.
func (r *Recording) frontal() []int {
	var out []int
	for i := range r.seen {
		if r.seen[i].ok {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int {
		switch x, y := math.Abs(r.seen[a].nose), math.Abs(r.seen[b].nose); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return out
}

// follow follows the pixels of the most frontal picture into others: all of them, or so many all over the film. Where
// nobody was frontal, the first picture serves. What differs from it most is followed into the others as well.
func (r *Recording) follow(front []int) {
	if r.e == nil || len(r.seen) == 0 {
		return
	}
	base := 0
	if len(front) > 0 {
		base = front[0]
	}
	for range filmBases {
		from, most, next := r.seen[base].face, 0.0, base
		for k := range min(len(r.seen), filmViews) {
			i := k * len(r.seen) / min(len(r.seen), filmViews)
			to := r.seen[i].face
			if i == base || from == nil || to == nil {
				continue
			}
			if v, ok := r.e.pixels.view(from, to); ok {
				r.depth.add(&v)
				if v.tells() && v.similar > most {
					most, next = v.similar, i
				}
			}
		}
		if next == base { // it was like all others, or too poor: another one, half a film away
			next = (base + (len(r.seen)+1)/2) % len(r.seen)
		}
		base = next
	}
}

// flatWithoutFront is what pixels tell where face points do not.
func (r *Recording) flatWithoutFront() (float64, verdict.Result) {
	if part, sheet := r.depth.sheet(); sheet {
		return r.p.Planarity * part, verdict.Fail
	}
	return 0, verdict.NotPossible
}

// planarity measures the turns of a recording from its most frontal pictures. A film has no dot that says when to
// look for a turn, so that what is called flat must have changed its shape by more than landmarks are wrong by: a
// head that hardly turns is not evaluated.
func (r *Recording) planarity(front []int, j *Judgement) (float64, verdict.Result) {
	if len(front) < leastFrontal {
		return r.flatWithoutFront()
	}
	front = front[:min(frontalFrames, len(front))]
	var base [68]Point
	sum := make([]float32, len(r.seen[front[0]].template))
	defer func() { clear(sum); clear(base[:]) }()
	for _, k := range front {
		for i, p := range r.seen[k].pts {
			base[i].X += p.X / float64(len(front))
			base[i].Y += p.Y / float64(len(front))
		}
		for i, v := range r.seen[k].template {
			sum[i] += v
		}
	}
	var heads [2][]relief
	var turns [2]float64
	var flat []relief // of single pictures whose nose stayed
	rows := newHeldRows(&base, r.focal)
	defer rows.wipe()
	strangers := 0
	for k := range r.seen {
		pts := &r.seen[k].pts
		nose, _ := turnBetween(&base, pts, r.focal)
		side := 0
		if nose < 0 {
			side = 1
		}
		same := cosine(r.seen[k].template, sum)/norm(sum) >= sameFace
		if !same && math.Abs(nose) < recheckNose {
			if strangers++; strangers >= changedFor {
				j.ChangedPerson = true
			}
		} else {
			strangers = 0
		}
		size := math.Abs(nose)
		change, ok := reliefBetween(&base, pts)
		switch {
		case !ok:
		case size >= r.p.Turn && size < filmYaw && same:
			heads[side] = append(heads[side], change)
			turns[side] = max(turns[side], size)
		case size < r.p.Turn && change.rigid >= shapeChanged:
			flat = append(flat, change)
		}
		rows.add(pts, size < stillNose)
	}
	j.Turned = [2]int{len(heads[0]), len(heads[1])}
	j.TurnNose, j.Spread = max(turns[0], turns[1]), turns[0]+turns[1]
	score, res := judgePlanarity(&r.p, &base, &heads, new(held), new(held), r.focal, &r.depth)
	if side := 0; res == verdict.NotPossible && !r.gate {
		// Nobody asked for the other side: as many degrees to one side serve.
		if turns[1] > turns[0] {
			side = 1
		}
		if n := len(heads[side]); turns[side] >= 2*r.p.Turn && n >= 2*sideFrames {
			halves := [2][]relief{heads[side][:n/2], heads[side][n/2:]}
			score, res = judgePlanarity(&r.p, &base, &halves, new(held), new(held), r.focal, &r.depth)
		}
	}
	if turned := slices.Concat(heads[0], heads[1]); res == verdict.NotPossible && !r.gate && len(turned) >= leastTurned && r.depth.head() {
		// A film of few pictures: two of a turn to any side serve where pixels show a head, too.
		if residual, part := medians(turned); part >= r.p.Relief && residual >= r.p.Planarity {
			return residual, verdict.Pass
		}
	}
	if res != verdict.NotPossible || len(heads[0])+len(heads[1]) >= moveFrames {
		return score, res // a nose that turned to one side only is no sheet, and no head yet
	}
	if r.depth.sees() {
		return 0, verdict.NotPossible // what landmarks are wrong by is no change of shape
	}
	if len(flat) >= minHeld {
		if residual, part := medians(flat); part < r.p.Relief {
			return r.p.flatter(residual, part), verdict.Fail
		}
	}
	return rows.judge(&r.p)
}

// heldRows looks for rows of pictures that were held still by the nose: the mean of their points tells a turn by its
// perspective, and a shape, that single pictures are too noisy for.
type heldRows struct {
	base  *[68]Point
	focal float64
	row   [][68]Point
	turns [2]float64 // least and most, degrees
	ends  [2]held    // the rows that they are of
	any   bool
}

func newHeldRows(base *[68]Point, focal float64) *heldRows {
	return &heldRows{base: base, focal: focal}
}

func (w *heldRows) add(pts *[68]Point, still bool) {
	if !still {
		w.row = w.row[:0]
		return
	}
	if len(w.row) == heldFrames {
		copy(w.row, w.row[1:])
		w.row = w.row[:heldFrames-1]
	}
	if w.row = append(w.row, *pts); len(w.row) < heldFrames {
		return
	}
	var h held
	for i := range w.row {
		h.add(w.base, &w.row[i])
	}
	if h.n < minHeld {
		return
	}
	t := h.turn(w.base, w.focal)
	if !w.any || t < w.turns[0] {
		w.turns[0], w.ends[0] = t, h
	}
	if !w.any || t > w.turns[1] {
		w.turns[1], w.ends[1] = t, h
	}
	w.any = true
}

// wipe overwrites the points.
func (w *heldRows) wipe() {
	clear(w.row[:cap(w.row)])
	clear(w.ends[:])
}

// judge refuses what followed to both sides and is flat at the end where its shape had changed more.
func (w *heldRows) judge(p *Params) (float64, verdict.Result) {
	if !w.any || w.turns[1]-w.turns[0] < followedBoth*p.Turn {
		return 0, verdict.NotPossible
	}
	// The most frontal picture of a photo that shows somebody aside is a turned one: the ends are compared with each
	// other too.
	one, other := w.ends[0].mean(), w.ends[1].mean()
	var most relief
	for _, pair := range [][2]*[68]Point{{w.base, &one}, {w.base, &other}, {&one, &other}} {
		if x, ok := reliefBetween(pair[0], pair[1]); ok && x.rigid > most.rigid {
			most = x
		}
	}
	r := median(slices.Concat(w.ends[0].residuals, w.ends[1].residuals))
	if most.rigid >= heldChanged && most.part() < flatRelief && r < p.Planarity {
		return r, verdict.Fail
	}
	return 0, verdict.NotPossible
}

// match is the median score of the best frontal pictures, by quality.
func (r *Recording) match(front []int, ref *Reference, j *Judgement) {
	best := slices.Clone(front)
	slices.SortStableFunc(best, func(a, b int) int {
		switch x, y := r.seen[a].quality, r.seen[b].quality; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	if ref == nil || ref.model != r.e.embedder.name() {
		return
	}
	var scores []float64
	for _, k := range best[:min(embedFrames, len(best))] {
		scores = append(scores, cosine(r.seen[k].template, ref.template))
	}
	j.Score = median(scores)
}
